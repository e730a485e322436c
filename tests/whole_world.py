"""The sample province with all that a run file can hold: buildings with roofs and walls, hexagons, a slow result."""

import numpy as np
import shapely
import xarray as xr
from sample_world import RESULTS, X0, Y0, sample_world, step_arrays

from twin.readers.footprints import extrude
from twin.records import ResultVariable
from twin.world.buildings import build_buildings
from twin.world.receptors import hexagons

EVERY = 3
WHOLE_RESULTS = [
    *RESULTS,
    ResultVariable("building_load", ("building",), "kW", "load of the building"),
    ResultVariable("hexagon_excess", ("hexagon",), "mol ha-1 yr-1", "deposition above the critical load"),
    ResultVariable("n_deposition_daily", ("y", "x"), "mol ha-1", "slow deposition", "time: sum", every=EVERY),
    ResultVariable("road_distance", ("road_link",), "km", "slow distance", "time: sum", every=EVERY),
]
NEW = WHOLE_RESULTS[len(RESULTS) :]
# an L, a block with a court, and a block of two parts
OUTLINES = np.array(
    [
        shapely.Polygon([(0, 0), (20, 0), (20, 12), (10, 12), (10, 20), (0, 20)]),
        shapely.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)], [[(10, 10), (20, 10), (20, 20), (10, 20)]]),
        shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(15, 0, 25, 10)]),
    ],
    dtype=object,
)
AREAS = np.array([320.0, 800.0, 200.0])  # m2
ROOFS, GROUND = np.array([9.0, 15.0, 6.0]), 1.0
IDS = np.array([f"NL.IMBAG.Pand.05031000000283{k:02d}" for k in range(3)])


def outlines():
    """Outlines in RD New."""
    return np.array(
        [
            shapely.transform(s, lambda p, k=k: p + (X0 + 600.0 + 700.0 * k, Y0 + 800.0))  # noqa: RUF005
            for k, s in enumerate(OUTLINES)
        ]
    )


def whole_world(**size):
    """The sample world with groups and variables added."""
    world = sample_world(**size)
    power = world["power"].to_dataset()
    for name in ("dwellings", "household_energy", "service_energy", "industry_energy"):
        power[name] = ("bus", np.array([0.0, 30.0, 5.0]), {"units": "1"})
    solids = extrude(outlines(), np.full(3, GROUND), ROOFS, IDS, "sample")
    world["buildings"] = xr.DataTree(build_buildings([solids], power))
    area = shapely.box(X0 + 500, Y0 + 500, X0 + 1500, Y0 + 1500)
    lattice, receptors = world["lattice"].to_dataset(), world["receptors"].to_dataset()
    made = hexagons(lattice, np.array([area]), np.array([1000.0]), synthetic=1, rule="sample")
    world["receptors"] = xr.DataTree(receptors.assign(made))
    return world


def whole_arrays(world, k):
    """Results of step ``k``; slow ones where they are due."""
    arrays = step_arrays(world, k)
    sizes = {d: n for node in world.subtree for d, n in node.sizes.items()}
    for j, v in enumerate(NEW):
        if (k + 1) % v.every == 0:
            shape = tuple(sizes[d] for d in v.dims)
            count = int(np.prod(shape))
            arrays[v.name] = (200.0 * (j + 1) + 5.0 * (k // v.every) + np.cos(np.arange(count))).reshape(shape)
    return arrays

"""The ``buildings`` group: solids from files, and the bus that each is taken to be supplied from."""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import shapely
import xarray as xr
from scipy.spatial import cKDTree

from twin.readers.buildings import GROUND, ROOF, Buildings, join
from twin.readers.footprints import extrude

__all__ = ["build_buildings", "synthetic_buildings"]

STOREY = 3.0  # m, assumed height of a storey
DWELLING = 120.0  # m2, mean floor area of a Dutch dwelling (CBS StatLine 82550NED, rounded)
KINDS = {"flag_values": np.array([0, 1, 2], "i1"), "flag_meanings": "ground wall roof"}
PLOT = 45.0  # m between the blocks of a synthetic town
BLOCK = (30.0, 14.0)  # m
HOMES_PER_BLOCK = 30.0
BLOCKS = f"one block per {HOMES_PER_BLOCK:g} homes around each bus, two storeys and up to four more where flats are"
NEAREST = "the nearest bus with demand; no operator's connection data at hand"
BY_FLOOR = (
    f"floor area (footprint times height / {STOREY:g} m) over that of all buildings of the bus, or over "
    f"{DWELLING:g} m2 per dwelling of the bus where that is more"
)


def build_buildings(parts: Sequence[Buildings], power: xr.Dataset) -> xr.Dataset:
    """Solids, heights and supplying bus of all buildings of ``parts``; dims building, building_vertex,
    building_triangle, corner.
    """
    solids = join(parts)
    corner = solids.vertices[solids.triangles]
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    flat = np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])) / 2
    n = len(solids)
    ground = np.full(n, np.inf)
    top = np.full(n, -np.inf)
    np.minimum.at(ground, solids.owner, corner[..., 2].min(axis=1))
    np.maximum.at(top, solids.owner, corner[..., 2].max(axis=1))
    area = {kind: np.bincount(solids.owner, flat * (solids.kind == kind), minlength=n) for kind in (GROUND, ROOF)}
    footprint = np.where(area[GROUND] > 0, area[GROUND], area[ROOF])
    weight = flat + 1e-9  # walls count where a building has nothing else
    x, y = (
        np.bincount(solids.owner, weight * corner[..., k].mean(axis=1), minlength=n)
        / np.bincount(solids.owner, weight, minlength=n)
        for k in (0, 1)
    )
    bus, share = _supply(x, y, footprint * np.maximum(1.0, (top - ground) / STOREY), power)

    def v(dim: str | tuple[str, ...], values: np.ndarray, units: str, name: str, **more: object) -> tuple:
        return dim, np.ascontiguousarray(values), {"units": units, "long_name": name, **more}

    made = {"synthetic": np.int32(1)}
    return xr.Dataset(
        {
            "building_id": v("building", _text(solids.ids), "1", "identity in the source"),
            "bag_id": v("building", _text(solids.bag_ids), "1", "BAG building (pand), empty where the source has none"),
            "x": v("building", x, "m", "RD New x of the middle"),
            "y": v("building", y, "m", "RD New y of the middle"),
            "ground": v("building", ground, "m", "lowest point above NAP"),
            "height": v("building", top - ground, "m", "highest point above the lowest"),
            "footprint": v("building", footprint, "m2", "area seen from above"),
            "bus": v("building", bus.astype("i4"), "1", "bus that supplies the building", rule=NEAREST, **made),
            "load_share": v("building", share, "1", "share of the bus's load", rule=BY_FLOOR, **made),
            "vertex_x": v("building_vertex", solids.vertices[:, 0], "m", "RD New x"),
            "vertex_y": v("building_vertex", solids.vertices[:, 1], "m", "RD New y"),
            "vertex_z": v("building_vertex", solids.vertices[:, 2], "m", "height above NAP"),
            "triangle": v(("building_triangle", "corner"), solids.triangles.astype("i4"), "1", "vertices, outside up"),
            "triangle_building": v("building_triangle", solids.owner.astype("i4"), "1", "building of the triangle"),
            "triangle_kind": v("building_triangle", solids.kind.astype("i1"), "1", "part of the building", **KINDS),
        },
        attrs={"flat_surfaces": solids.flat, "mended_surfaces": solids.mended},
    )


def _text(values: np.ndarray) -> np.ndarray:
    """Fixed-length UTF-8."""
    return np.array([str(v).encode() for v in values], dtype=bytes)


def _supply(x: np.ndarray, y: np.ndarray, floor: np.ndarray, power: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Bus of each building and its share of the bus's load."""
    demand = sum(power[k].values for k in ("dwellings", "household_energy", "service_energy", "industry_energy"))
    fed = np.flatnonzero(np.asarray(demand) > 0)
    if not len(fed):
        return np.full(len(x), -1), np.zeros(len(x))
    tree = cKDTree(np.column_stack([power["bus_x"].values[fed], power["bus_y"].values[fed]]))
    bus = fed[tree.query(np.column_stack([x, y]))[1]]
    known = np.bincount(bus, floor, minlength=power.sizes["bus"])
    whole = np.maximum(known, DWELLING * power["dwellings"].values)
    return bus, floor / whole[bus]


def synthetic_buildings(lattice: xr.Dataset, power: xr.Dataset) -> xr.Dataset:
    """Blocks of homes around every bus with dwellings, on the ground of the lattice; all of it marked synthetic."""
    x0, y0, size = float(lattice["x"][0]), float(lattice["y"][0]), float(lattice.attrs["cell_size"])
    taken: set[tuple[int, int]] = set()
    places: list[tuple[int, int]] = []
    owner: list[int] = []
    homes = power["dwellings"].values
    for bus in np.flatnonzero(homes > 0):
        middle = [round(float(power[k].values[bus]) / PLOT) for k in ("bus_x", "bus_y")]
        wanted = int(np.ceil(homes[bus] / HOMES_PER_BLOCK))
        free = ((middle[0] + i, middle[1] + j) for i, j in _outwards() if (middle[0] + i, middle[1] + j) not in taken)
        for _, place in zip(range(wanted), free):
            taken.add(place)
            places.append(place)
            owner.append(int(bus))
    at = np.array(places, dtype="f8").reshape(-1, 2) * PLOT
    supply = np.array(owner, dtype="i8")
    row, column = (
        np.clip(np.rint((at[:, k] - low) / size).astype(int), 0, lattice.sizes[dim] - 1)
        for k, low, dim in ((1, y0, "y"), (0, x0, "x"))
    )
    ground = lattice["elevation"].values[row, column]
    flats = np.divide(power["multi_family"].values, homes, out=np.zeros(len(homes)), where=homes > 0)[supply]
    half = np.array(BLOCK) / 2
    outlines = shapely.box(at[:, 0] - half[0], at[:, 1] - half[1], at[:, 0] + half[0], at[:, 1] + half[1])
    ids = np.array([f"block-{i}-{j}" for i, j in places])
    solids = extrude(outlines, ground, ground + STOREY * np.round(2 + 4 * flats), ids, "synthetic buildings")
    made = build_buildings([solids], power)
    for variable in made.data_vars.values():
        variable.attrs |= {"synthetic": np.int32(1)}
        variable.attrs.setdefault("rule", BLOCKS)
    return made


def _outwards() -> Iterator[tuple[int, int]]:
    """Places of a square net, ring by ring around the middle."""
    for ring in count(0):
        for i in range(-ring, ring + 1):
            for j in range(-ring, ring + 1):
                if max(abs(i), abs(j)) == ring:
                    yield i, j

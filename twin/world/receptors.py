"""The ``receptors`` group: nature areas, the cells they cover, and their critical load."""

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from pydantic import BaseModel, ConfigDict

from kernels.nitrogen.hexagons import centres, numbers
from twin.world.gridding import cell_shares

__all__ = ["ReceptorRules", "build_receptors", "hexagons"]

HALF = 50.0  # m; no hexagon of 1 ha is missed by points this far apart


class ReceptorRules(BaseModel):
    """Critical load [mol N/ha/yr] per kind of nature area, and which areas are of which kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    critical_load: dict[str, float]
    areas: dict[str, list[str]]


def build_receptors(rules: ReceptorRules, lattice: xr.Dataset, nature: gpd.GeoDataFrame) -> xr.Dataset:
    """Areas of ``nature`` (``name``) that touch the province; NaN critical load means: not sensitive."""
    owner, cell, share = cell_shares(lattice, list(nature.geometry))
    province = lattice["province"].values.ravel()
    touched = np.unique(owner[province[cell] == 1])
    number = np.full(len(nature), -1, np.int32)
    number[touched] = np.arange(len(touched))
    keep = number[owner] >= 0
    load = {name: rules.critical_load[kind] for kind, names in rules.areas.items() for name in names}
    names = nature["name"].to_numpy()[touched]
    area_cell = (float(lattice.attrs["cell_size"]) ** 2, nature.geometry.area.to_numpy())
    covered = share[keep] * area_cell[1][owner[keep]] / area_cell[0]  # share of the cell that lies in the area
    made = {"synthetic": np.int32(1), "rule": "one declared critical load per kind of area; no habitat map at hand"}
    critical = np.array([load.get(n, np.nan) for n in names])
    return xr.Dataset(
        {
            "name": (
                "area",
                np.array([n.encode() for n in names], dtype="S64"),
                {"units": "1", "long_name": "nature area"},
            ),
            "critical_load": (
                "area",
                critical,
                {"units": "mol ha-1 yr-1", "long_name": "critical load (KDW), NaN: not sensitive", **made},
            ),
            "area_cell": ("area_cell", cell[keep], {"units": "1", "long_name": "flat cell index"}),
            "area_index": ("area_cell", number[owner[keep]], {"units": "1", "long_name": "area of the cell"}),
            "area_share": ("area_cell", covered, {"units": "1", "long_name": "share of the cell in the area"}),
            **hexagons(lattice, nature.geometry.to_numpy()[touched], critical, **made),
        }
    )


def hexagons(lattice: xr.Dataset, areas: np.ndarray, critical: np.ndarray, **made: object) -> dict[str, tuple]:
    """Variables over dim ``hexagon``: the AERIUS hexagons of 1 ha whose centre lies in an area that has a critical
    load and in the lattice. ``areas`` are polygons, ``critical`` their loads; of two areas the more sensitive counts.
    """
    x, y, size = lattice["x"].values, lattice["y"].values, float(lattice.attrs["cell_size"])
    west, south, east, north = x[0] - size / 2, y[0] - size / 2, x[-1] + size / 2, y[-1] + size / 2
    found: dict[int, int] = {}
    for area in np.argsort(-np.nan_to_num(critical), kind="stable"):
        if not np.isfinite(critical[area]):
            continue
        low_x, low_y, high_x, high_y = shapely.bounds(areas[area])
        gx = np.arange(max(low_x, west) - HALF, min(high_x, east) + HALF, HALF)
        gy = np.arange(max(low_y, south) - HALF, min(high_y, north) + HALF, HALF)
        number = np.unique(numbers(*np.meshgrid(gx, gy)))
        cx, cy = centres(number)
        inside = shapely.contains_xy(areas[area], cx, cy) & (cx > west) & (cx < east) & (cy > south) & (cy < north)
        found |= dict.fromkeys(number[inside & (number > 0)].tolist(), int(area))
    number = np.array(sorted(found), dtype=np.int32)
    owner = np.array([found[n] for n in number.tolist()], dtype=np.int32)
    cx, cy = centres(number)
    cell = np.floor((cy - south) / size).astype(np.int32) * len(x) + np.floor((cx - west) / size).astype(np.int32)
    load = {"units": "mol ha-1 yr-1", "long_name": "critical load (KDW) of its area", **made}
    return {
        "hexagon_number": ("hexagon", number, {"units": "1", "long_name": "number of the AERIUS hexagon of 1 ha"}),
        "hexagon_x": ("hexagon", cx, {"units": "m", "long_name": "RD New x of the centre"}),
        "hexagon_y": ("hexagon", cy, {"units": "m", "long_name": "RD New y of the centre"}),
        "hexagon_cell": ("hexagon", cell, {"units": "1", "long_name": "flat lattice cell that holds the centre"}),
        "hexagon_area": ("hexagon", owner, {"units": "1", "long_name": "nature area of the hexagon"}),
        "hexagon_critical_load": ("hexagon", critical[owner] if len(owner) else np.zeros(0), load),
    }

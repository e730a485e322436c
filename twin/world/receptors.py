"""The ``receptors`` group: nature areas, the cells they cover, and their critical load."""

import geopandas as gpd
import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict

from twin.world.gridding import cell_shares

__all__ = ["ReceptorRules", "build_receptors"]


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
    return xr.Dataset(
        {
            "name": (
                "area",
                np.array([n.encode() for n in names], dtype="S64"),
                {"units": "1", "long_name": "nature area"},
            ),
            "critical_load": (
                "area",
                np.array([load.get(n, np.nan) for n in names]),
                {"units": "mol ha-1 yr-1", "long_name": "critical load (KDW), NaN: not sensitive", **made},
            ),
            "area_cell": ("area_cell", cell[keep], {"units": "1", "long_name": "flat cell index"}),
            "area_index": ("area_cell", number[owner[keep]], {"units": "1", "long_name": "area of the cell"}),
            "area_share": ("area_cell", covered, {"units": "1", "long_name": "share of the cell in the area"}),
        }
    )

"""The ``sources`` group of a real province: greenhouses from their file, the rest by declared rules."""

from typing import Any, Literal

import geopandas as gpd
import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from twin.errors import DataError
from twin.world.lattice_layers import CLASSES

__all__ = ["SourceRules", "build_sources"]

SECONDS_PER_YEAR = 365 * 86_400.0
GREENHOUSE, AGRICULTURE = 0, 1
CONSTANT, GREENHOUSE_HEATING, ANIMAL_HOUSING, FIELD = 0, 1, 2, 3


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgricultureRules(_Rules):
    """Animals, emission per animal [kg NH3/yr] and where it leaves."""

    animals: dict[str, float]
    nh3: dict[str, float]
    scale: float = Field(gt=0)
    fertiliser_nh3: float = Field(ge=0)
    housing: float = Field(ge=0, le=1)
    grassland: float = Field(ge=0, le=1)
    arable: float = Field(ge=0, le=1)
    km2_per_farm: float = Field(gt=0)

    def total(self) -> float:
        """Yearly emission [kg NH3]."""
        return self.scale * sum(n * self.nh3[animal] for animal, n in self.animals.items()) + self.fertiliser_nh3


class Lump(_Rules):
    """A declared total [kg/yr] spread over the lattice."""

    name: str
    group: int = Field(ge=0, le=5)
    nox: float = Field(ge=0)
    nh3: float = Field(ge=0)
    over: Literal["port_jobs", "port", "water", "population", "population_outside_core"]
    height: float
    heat_content: float
    time_profile: int = Field(ge=0, le=4)


class SourceRules(_Rules):
    """All sources besides roads and greenhouses."""

    core: tuple[float, float, float, float]
    port_zones: list[int]
    agriculture: AgricultureRules
    lump: list[Lump]


def build_sources(
    rules: SourceRules,
    lattice: xr.Dataset,
    greenhouses: dict[str, np.ndarray],
    port: gpd.GeoDataFrame,
    port_cells: np.ndarray,
) -> xr.Dataset:
    """Build the group.

    ``greenhouses`` of :func:`twin.readers.greenhouses.read_greenhouses`; ``port`` the port zones with
    ``industry_jobs``; ``port_cells`` (y, x) 1 + row of ``port`` that holds the cell, 0 elsewhere.
    """
    share = rules.agriculture
    if abs(share.housing + share.grassland + share.arable - 1) > 1e-9:
        raise DataError("sources: agriculture housing + grassland + arable must add up to 1")
    gx, gy = np.meshgrid(lattice["x"].values, lattice["y"].values)
    size = float(lattice.attrs["cell_size"])
    inside = lattice["province"].values == 1
    use = lattice["land_use_detail"].values
    rows: list[np.ndarray] = []
    names: list[tuple[str, int]] = []

    def add(name: str, weight: np.ndarray, nox: float, nh3: float, **kind: float) -> None:
        """Spread ``nox`` and ``nh3`` [kg/yr] over cells by weight."""
        chosen = weight > 0
        if not chosen.any():
            raise DataError(f"sources: no cell to place {name!r} in; check the land use and the zones")
        part = weight[chosen] / weight[chosen].sum() * 1000.0 / SECONDS_PER_YEAR  # kg/yr -> g/s
        _append(gx[chosen], gy[chosen], part * nox, part * nh3, name, **kind)

    def _append(x: Any, y: Any, nox: Any, nh3: Any, name: str, **kind: Any) -> None:
        columns = (x, y, kind["height"], kind["heat"], kind["size"], nox, nh3, kind["group"], kind["profile"])
        rows.append(np.column_stack([np.broadcast_to(np.asarray(c, dtype=np.float64), np.shape(x)) for c in columns]))
        names.append((name, len(np.atleast_1d(x))))

    g = greenhouses
    _append(
        g["x"], g["y"], g["nox"], 0.0, "greenhouses", height=g["height"], heat=g["heat_content"], size=g["size"],
        group=GREENHOUSE, profile=GREENHOUSE_HEATING,
    )  # fmt: skip
    grass = inside & (use == CLASSES.index("grass"))
    arable = inside & (use == CLASSES.index("arable"))
    total = share.total()
    add(
        "animal housing", _every(grass, share.km2_per_farm * 1e6 / size**2), 0.0, share.housing * total,
        height=5.0, heat=0.0, size=0.0, group=AGRICULTURE, profile=ANIMAL_HOUSING,
    )  # fmt: skip
    for name, cells, part in (("grassland", grass, share.grassland), ("arable land", arable, share.arable)):
        add(
            f"manure and grazing on {name}", cells.astype(float), 0.0, part * total, height=0.5, heat=0.0, size=size,
            group=AGRICULTURE, profile=FIELD,
        )  # fmt: skip
    weights = _weights(rules, lattice, port, port_cells, inside, use, gx, gy)
    for lump in rules.lump:
        add(
            lump.name, weights[lump.over], lump.nox, lump.nh3, height=lump.height, heat=lump.heat_content,
            size=size, group=lump.group, profile=lump.time_profile,
        )  # fmt: skip
    return _group(np.concatenate(rows), names)


def _every(mask: np.ndarray, cells: float) -> np.ndarray:
    """One cell in ``cells`` of a mask, evenly along its rows: the same places for the same mask."""
    found = np.flatnonzero(mask)
    chosen = found[np.unique((np.arange(max(int(len(found) / cells), 1)) + 0.5) * cells).astype(int)]
    weight = np.zeros(mask.size)
    weight[chosen] = 1.0
    return weight.reshape(mask.shape)


def _weights(
    rules: SourceRules, lattice: xr.Dataset, port: gpd.GeoDataFrame, port_cells: np.ndarray, inside: np.ndarray,
    use: np.ndarray, gx: np.ndarray, gy: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Weight of each cell for each way of spreading."""
    people = lattice["population"].values * inside
    land = (port_cells > 0) & inside & (use != CLASSES.index("water"))
    count = np.bincount(port_cells[land], minlength=len(port) + 1)
    jobs = np.r_[0.0, port["industry_jobs"].to_numpy(dtype=float)] / np.maximum(count, 1)
    west, south, east, north = rules.core
    outside = ~((gx >= west) & (gx < east) & (gy >= south) & (gy < north))
    return {
        "port_jobs": np.where(land, jobs[port_cells], 0.0),
        "port": ((port_cells > 0) & inside).astype(float),
        "water": (inside & (use == CLASSES.index("water"))).astype(float),
        "population": people,
        "population_outside_core": people * outside,
    }


def _group(table: np.ndarray, names: list[tuple[str, int]]) -> xr.Dataset:
    described = "; ".join(f"{name}: {count}" for name, count in names)
    columns = [
        ("x", "m", "RD x of the centre"),
        ("y", "m", "RD y of the centre"),
        ("height", "m", "height of the outlet"),
        ("heat_content", "MW", "heat content of the outflow"),
        ("diameter", "m", "side of a square area source, 0 for a point"),
        ("nox", "g s-1", "yearly mean NOx emission as NO2"),
        ("nh3", "g s-1", "yearly mean NH3 emission"),
    ]
    made = {"synthetic": np.int32(1), "rule": "greenhouses from their grid; all else declared totals spread by rule"}
    data: dict[str, Any] = {
        name: ("source", np.ascontiguousarray(table[:, k]), {"units": units, "long_name": text, **made})
        for k, (name, units, text) in enumerate(columns)
    }
    for k, name in ((7, "source_group"), (8, "time_profile")):
        data[name] = (
            "source",
            table[:, k].astype(np.int8),
            {"units": "1", "long_name": name.replace("_", " "), **made},
        )
    return xr.Dataset(data, attrs={"rows": described})

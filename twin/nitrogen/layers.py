"""What lies on a receptor in all: contributions of source groups, and what comes from outside the sources at hand.

Total N is the sum of named layers, so that no province is an island: what other provinces and other countries bring
is a layer of its own, with its source, and stays where all own sources are set to zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from kernels.nitrogen import critical_load, hexagons
from twin.errors import DataError, UnitError
from twin.readers.raster_map import Map

__all__ = ["Layer", "exceedance", "read_habitats", "total_nitrogen"]

UNITS = "mol ha-1 yr-1"
_SPELLINGS = {UNITS, "mol/ha/yr", "mol N ha-1 yr-1", "mol N/ha/yr"}


@dataclass(frozen=True)
class Layer:
    """Deposition of N from outside the computed sources [mol/ha/yr]: one value or a map, and where it is from."""

    value: float | Map
    source: str
    units: str = UNITS


def total_nitrogen(own: Mapping[str, xr.Dataset], layers: Mapping[str, Layer]) -> xr.Dataset:
    """Layers and total of N on receptors.

    Args:
        own: results of :func:`twin.deposit` per substance, with a dimension ``group`` or without; the same receptors.
        layers: what comes from elsewhere, by name, for example ``rest_of_country`` and ``abroad``.

    Returns a Dataset with ``contribution`` (receptor, layer): one layer per source group and one per given layer,
    ``total`` (receptor): their sum, both in mol N/ha/yr; attrs of the coordinate ``layer_source`` say where each is
    from. Raises :class:`twin.errors.DataError` for other receptors, or a map without value under a receptor.
    """
    if not own and not layers:
        raise DataError("no layer given; total N needs results of sources, or a background")
    first = next(iter(own.values()), None)
    if first is None:
        raise DataError("no result of sources given; compute them with twin.deposit (emission zero leaves the layers)")
    names: list[str] = []
    parts: list[np.ndarray] = []
    sources: list[str] = []
    for substance, result in own.items():
        if not np.array_equal(result["receptor"].values, first["receptor"].values):
            raise DataError(f"{substance}: other receptors than those of the first result; compute both on the same")
        total = result["tot_NHx" if "tot_NHx" in result else "tot_NOy"]
        if "group" not in total.dims:
            total = total.expand_dims(group=["own sources"], axis=-1)
        for group in total["group"].values:
            field = total.sel(group=group).values
            if str(group) in names:
                parts[names.index(str(group))] = parts[names.index(str(group))] + field
            else:
                names.append(str(group))
                parts.append(field)
                sources.append("computed")
    x, y = first["x"].values, first["y"].values
    for name, layer in layers.items():
        if layer.units not in _SPELLINGS:
            raise UnitError(f"layer {name} is in {layer.units!r}; give deposition in {UNITS}")
        if name in names:
            raise DataError(f"layer {name} has the name of a source group; rename one")
        names.append(name)
        parts.append(_at(layer, x, y, name))
        sources.append(layer.source)
    field = np.stack(parts, axis=1)
    return xr.Dataset(
        {
            "contribution": (("receptor", "layer"), field, {"units": UNITS, "long_name": "deposition of N by origin"}),
            "total": ("receptor", field.sum(axis=1), {"units": UNITS, "long_name": "total deposition of N"}),
        },
        {
            "receptor": first["receptor"],
            "x": first["x"],
            "y": first["y"],
            "layer": names,
            "layer_source": ("layer", sources),
        },
    )


def _at(layer: Layer, x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
    if not isinstance(layer.value, Map):
        return np.full(x.shape, float(layer.value))
    found, inside = layer.value.at(x, y)
    bad = np.flatnonzero(~inside | ~np.isfinite(found.astype(float)))
    if bad.size:
        raise DataError(
            f"{layer.value.file}: layer {name} has no value under {bad.size} receptors, first at ({x[bad[0]]:.0f}, "
            f"{y[bad[0]]:.0f}); extend the map or leave these receptors out"
        )
    return found.astype(float)


def read_habitats(path: str | Path) -> pd.DataFrame:
    """Read relevant habitats on AERIUS hexagons: ``hexagon``, ``habitat``, ``kdw`` [mol N/ha/yr], ``coverage`` [1].

    A CSV with ``receptor_id`` (or hexagon), ``habitat_code``, ``kdw_mol_N_ha_yr`` (or kdw) and optionally
    ``coverage`` (share of the hexagon that the habitat covers, 1 where left out). Raises
    :class:`twin.errors.DataError` naming file and line.
    """
    path = Path(path)
    try:
        raw = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable table of habitats ({error})") from error
    raw = raw.rename(columns={"receptor_id": "hexagon", "habitat_code": "habitat", "kdw_mol_N_ha_yr": "kdw"})
    for name in ("hexagon", "habitat", "kdw"):
        if name not in raw:
            raise DataError(f"{path}: column {name} is missing; receptor_id, habitat_code and kdw are needed")
    if "coverage" not in raw:
        raw["coverage"] = 1.0
    hexagon = pd.to_numeric(raw["hexagon"], errors="coerce").to_numpy(float)
    kdw = pd.to_numeric(raw["kdw"], errors="coerce").to_numpy(float)
    share = pd.to_numeric(raw["coverage"], errors="coerce").to_numpy(float)
    checks = {
        f"receptor_id must be a whole number 1..{hexagons.LARGEST}": ~(
            (hexagon >= 1) & (hexagon <= hexagons.LARGEST) & (hexagon == np.floor(hexagon))
        ),
        "kdw must be a positive number [mol N/ha/yr]": ~(kdw > 0),
        "coverage must lie between 0 and 1": ~((share >= 0) & (share <= 1)),
    }
    for reason, wrong in checks.items():
        if wrong.any():
            raise DataError(f"{path}: line {int(np.flatnonzero(wrong)[0]) + 2}: {reason}")
    table = pd.DataFrame({"hexagon": hexagon.astype(np.int64), "habitat": raw["habitat"].astype(str), "kdw": kdw})
    table["coverage"] = share
    table.attrs["file"] = str(path)
    return table


def exceedance(total: xr.Dataset, habitats: pd.DataFrame) -> xr.Dataset:
    """Critical loads of hexagons and whether deposition exceeds them, by the Dutch rules.

    Args:
        total: of :func:`total_nitrogen` on hexagons (receptor = number of the hexagon).
        habitats: of :func:`read_habitats`.

    Returns over ``receptor`` (hexagons of ``total``): ``kdw`` the lowest critical load of the sensitive habitats (NaN:
    none), ``exceedance`` and ``state`` (-1 none, 0 below, 1 approaching within 70 mol, 2 exceeded); and over
    ``habitat``: ``kdw``, ``area_exceeded`` and ``area_approaching`` [ha] (area of the hexagon times coverage, each
    habitat against its own critical load). Habitats on hexagons that were not computed are counted in attrs.
    """
    try:
        number = total["receptor"].values.astype(np.int64)
    except ValueError:
        raise DataError("receptors are not hexagon numbers; compute on --receptors hexagons") from None
    order = pd.Series(np.arange(len(number)), index=number)
    place = order.reindex(habitats["hexagon"]).to_numpy()
    known = np.isfinite(place)
    part = habitats[known]
    where = place[known].astype(np.int64)
    deposition = total["total"].values
    load = critical_load.lowest_load(where, part["kdw"].to_numpy(), len(number))
    state = critical_load.state(deposition[where], part["kdw"].to_numpy())
    area = part["coverage"].to_numpy() * hexagons.AREA / 1.0e4
    sensitive = part["kdw"].to_numpy() < critical_load.SENSITIVE
    rows = pd.DataFrame(
        {
            "habitat": part["habitat"].to_numpy(),
            "kdw": part["kdw"].to_numpy(),
            "exceeded": np.where((state == 2) & sensitive, area, 0.0),
            "approaching": np.where((state == 1) & sensitive, area, 0.0),
            "area": area,
        }
    )
    grouped = rows.groupby("habitat").agg({"kdw": "min", "exceeded": "sum", "approaching": "sum", "area": "sum"})
    return xr.Dataset(
        {
            "critical_load": ("receptor", load, {"units": UNITS, "long_name": "lowest KDW of the sensitive habitats"}),
            "exceedance": ("receptor", critical_load.exceedance(deposition, load), {"units": UNITS}),
            "state": (
                "receptor",
                critical_load.state(deposition, load),
                {"flag_values": [-1, 0, 1, 2], "flag_meanings": "not_sensitive below approaching exceeded"},
            ),
            "habitat_critical_load": ("habitat", grouped["kdw"].to_numpy(), {"units": UNITS}),
            "area": ("habitat", grouped["area"].to_numpy(), {"units": "ha"}),
            "area_exceeded": ("habitat", grouped["exceeded"].to_numpy(), {"units": "ha"}),
            "area_approaching": ("habitat", grouped["approaching"].to_numpy(), {"units": "ha"}),
        },
        {"receptor": total["receptor"], "x": total["x"], "y": total["y"], "habitat": grouped.index.to_numpy()},
        {"habitats_outside": int((~known).sum())},
    )

"""A case as the arrays that the exact chain takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from kernels.nitrogen import units
from kernels.nitrogen.exact import inputs
from kernels.nitrogen.exact.canopy import light_table
from kernels.nitrogen.exact.class_statistics import (
    DIRECTION_COLUMNS,
    direction_table,
    fan_table,
    timing_weights,
    wind_turning,
)
from kernels.nitrogen.exact.depac import leaf_area
from kernels.nitrogen.exact.season import Season
from kernels.nitrogen.exact.timing import KINDS, PROFILES
from twin.errors import ConfigError, DataError, UnitError
from twin.nitrogen.case import Case
from twin.nitrogen.options import Conversion, Roads, Switches
from twin.nitrogen.receptor_places import refuse_receptors_inside_sources
from twin.nitrogen.surface import ROUGHEST, kernel_maps, levels_at, rate_maps, value_at
from twin.readers.climatology import Climatology

__all__ = ["MOLAR", "KernelInput", "kernel_input"]

# molar masses [g/mol] of the primary and secondary species
MOLAR = {"NH3": (units.AMMONIA, units.AMMONIUM), "NOx": (units.NITROGEN_DIOXIDE, units.NITRATE)}
_DIFFUSION = {"NH3": 0.240, "NOx": 0.145}  # cm2/s, OPS user manual
_GAMMA_WATER = 430.0  # NH4/H ratio of surface water, constant map of OPS-LT 5.3


class KernelInput(NamedTuple):
    """All that the kernel needs."""

    sources: inputs.Sources
    receptors: inputs.Receptors
    maps: inputs.Maps
    climate: inputs.Climate
    substance: inputs.Substance
    options: inputs.Options
    roads: Roads


def kernel_input(
    case: Case, table: pd.DataFrame, places: pd.DataFrame
) -> tuple[KernelInput, dict[str, np.ndarray] | None]:
    """Arrays of the case with these sources and receptors, and the split of NO3 at the receptors where it is given."""
    _check_sources(table, case.profiles)
    if case.side == 0.0:
        refuse_receptors_inside_sources(table, places)
    if len(places) == 0:
        raise DataError("no receptors; give at least one")
    climate, conversion, roads = case.climate(), case.conversion, case.roads or Roads()
    season = Season.of(climate.begin, climate.end, climate.hours)
    sources = _sources(table, climate, case.z0, roads, case.emission_factor, case.profiles, case.groups)
    receptors = _receptors(places, case.side, case.z0, case.land_use, case.background)
    rate = None if conversion is None else (conversion.nox if case.substance == "NOx" else conversion.nh3)
    split = None if conversion is None else _split(conversion, places)
    maps = kernel_maps(case.z0, case.land_use, case.background, rate_maps(rate, case.mode), table, places)
    weather = _climate(climate, season)
    present = _present(receptors.shares, maps.use)
    substance = _substance(case, rate, season, weather.directions, present)
    chemical = case.substance == "NOx" and roads.chemistry and bool(sources.codes[:, 3].any())
    options = inputs.Options(case.side, case.subdivide, np.inf, float(case.reach), bool(roads.dispersion), chemical)
    if chemical and len(roads.ozone) != 12:
        raise ConfigError(
            "road chemistry needs the ozone background: give O3 in ug/m3, one value or one per wind sector"
        )
    return KernelInput(sources, receptors, maps, weather, substance, options, roads), split


def _climate(climate: Climatology, season: Season) -> inputs.Climate:
    statistics = np.ascontiguousarray(climate.table)
    directions = np.zeros((6, 360, DIRECTION_COLUMNS))
    direction_table(statistics, season.rain(), directions)
    return inputs.Climate(
        statistics,
        directions,
        fan_table(statistics),
        bool((statistics[..., 0] > 0).all()),
        float(climate.hours),
        float(climate.z0),
        season.night(),
        season.rain(),
        season.ratio(),
        season.radiation_factor(),
    )


def _substance(case: Case, rate, season: Season, directions: np.ndarray, present: np.ndarray) -> inputs.Substance:
    """The substance over the land uses that are present; ``rate``: its given rate of conversion."""
    first, second = MOLAR[case.substance]
    nitrate = case.substance == "NOx"
    days = season.days()
    foliage = _foliage(days)
    light = np.zeros((6, 360, 10, 2))
    light_table(directions, foliage, present, light)
    return inputs.Substance(
        nitrate,
        days,
        foliage,
        light,
        _GAMMA_WATER,
        float(_DIFFUSION[case.substance] if case.diffusion is None else case.diffusion),
        bool((not nitrate) if case.reversible is None else case.reversible),
        second / first,
        (case.switches or Switches()).numbers(),
        float(rate) if isinstance(rate, int | float) else -1.0,
    )


def _check_sources(table: pd.DataFrame, profiles: Mapping[int, np.ndarray] | None) -> None:
    units = table.attrs.get("units", {})
    unit = units.get("emission")
    if unit is None:
        raise UnitError("emission of the sources has no unit; set attrs['units']['emission'] = 'g s-1'")
    if unit not in {"g s-1", "g/s"}:
        raise UnitError(f"emission of the sources is in {unit!r}; convert it to g s-1")
    if len(table) == 0:
        raise DataError("no sources; give at least one")
    known = set(PROFILES) | set(profiles or {})
    codes = table["diurnal_code"].to_numpy()
    wrong = np.flatnonzero(~np.isin(codes, list(known)))
    if wrong.size:
        line = _line(table, wrong[0])
        raise DataError(
            f"{table.attrs.get('file', 'sources')}: {line}: diurnal code {codes[wrong[0]]} is not known "
            f"(known: {', '.join(str(c) for c in sorted(known))}); a negative code needs a user profile"
        )


def _line(table: pd.DataFrame, row: int) -> str:
    return f"line {int(table['line'].iloc[row])}" if "line" in table else f"row {row + 1}"


def _sources(table, climate, z0, roads, emission_factor, profiles, groups) -> inputs.Sources:
    count = len(table)
    values = np.zeros((count, inputs.SOURCE_COLUMNS))
    x, y = table["x"].to_numpy(float), table["y"].to_numpy(float)
    heat = table["heat_content"].to_numpy(float)
    height = table["height"].to_numpy(float)
    values[:, inputs.SX], values[:, inputs.SY] = x, y
    values[:, inputs.SQ] = table["emission"].to_numpy(float) * emission_factor
    values[:, inputs.SH] = np.where(height == 0.0, 0.01, height)
    values[:, inputs.SD] = table["diameter"].to_numpy(float)
    values[:, inputs.SS] = table["spread"].to_numpy(float)
    values[:, inputs.SHEAT] = heat
    names = {inputs.SDIAM: "stack_diameter", inputs.SVEL: "exit_velocity", inputs.STEMP: "exit_temperature"}
    for column, name in names.items():
        values[:, column] = table[name].to_numpy(float) if name in table else np.nan
    values[:, inputs.SZ0] = value_at(z0, x, y, "roughness length", table.attrs.get("file", "sources"), "source")
    values[:, inputs.SREACH] = np.inf
    values[:, inputs.SBUOY] = (heat != 0.0).astype(float)
    index = np.zeros((count, 4), dtype=np.int64)
    kinds, which = np.unique(
        np.nan_to_num(values[:, [inputs.SHEAT, inputs.SH, inputs.SDIAM, inputs.SVEL, inputs.STEMP]], nan=-999.0),
        axis=0,
        return_inverse=True,
    )
    kinds = np.where(kinds == -999.0, np.nan, kinds)
    index[:, 0] = np.ravel(which)
    tables = {**PROFILES, **{int(k): tuple(np.asarray(v)) for k, v in (profiles or {}).items()}}
    codes = np.unique(table["diurnal_code"].to_numpy())
    index[:, 1] = np.searchsorted(codes, table["diurnal_code"].to_numpy())
    weight = np.stack([timing_weights(climate.table, np.array(tables[int(c)], dtype=float)) for c in codes])
    constant = codes == 0
    weight[constant] = 1.0
    kind = np.array([KINDS.get(int(c), 0) for c in codes], dtype=np.int64)
    if groups is not None:
        index[:, 2] = np.asarray(groups, dtype=np.int64)
    index[:, 3] = np.isin(table["category"].to_numpy(), sorted(roads.categories)) if roads.categories else 0
    turning = np.zeros((len(kinds), 6, 12))
    columns = [np.ascontiguousarray(kinds[:, j]) for j in range(5)]
    wind_turning(np.ascontiguousarray(climate.table), *columns, turning)
    return inputs.Sources(values, index, turning, kind, np.ascontiguousarray(weight))


def _receptors(places, cell, z0, land_use, background):
    count = len(places)
    x, y = places["x"].to_numpy(float), places["y"].to_numpy(float)
    file = places.attrs.get("file", "receptors")
    values = np.zeros((count, inputs.RECEPTOR_COLUMNS))
    values[:, inputs.RX], values[:, inputs.RY] = x, y
    values[:, inputs.RZ] = places["height"].to_numpy(float) if "height" in places else 4.0
    if (values[:, inputs.RZ] <= 0).any():
        raise DataError(f"{file}: {_line(places, int(np.argmin(values[:, inputs.RZ])))}: receptor height must be > 0 m")
    given = "z0" in places
    values[:, inputs.RZ0] = (
        places["z0"].to_numpy(float) if given else value_at(z0, x, y, "roughness length", file, "receptor")
    )
    rough = values[:, inputs.RZ0]
    wrong = np.flatnonzero(~((rough > 0) & (rough <= ROUGHEST)))
    if wrong.size:
        raise DataError(
            f"{file}: {_line(places, wrong[0])}: roughness length {rough[wrong[0]]:g} is not in 0..{ROUGHEST:g} m"
        )
    shares = np.zeros((count, 9))
    names = [f"land_use_{lu}" for lu in range(1, 10)]
    if all(name in places for name in names):
        shares[:] = places[names].to_numpy(float)
        total = shares.sum(axis=1)
        wrong = np.flatnonzero(~((shares >= 0).all(axis=1) & (np.abs(total - 100.0) <= 1.0)))
        if wrong.size:
            raise DataError(
                f"{file}: {_line(places, wrong[0])}: shares of land use add up to {total[wrong[0]]:g}; 99 to 101 % of "
                "parts that are not negative are needed"
            )
        shares /= shares.sum(axis=1, keepdims=True)
    elif any(name in places for name in names):
        missing = [name for name in names if name not in places]
        raise DataError(
            f"{file}: columns {', '.join(missing)} are missing; give the shares of all nine classes, or none"
        )
    else:
        use = value_at(land_use, x, y, "land use", file, "receptor").astype(int)
        if ((use < 1) | (use > 9)).any():
            raise DataError(f"land use {use[(use < 1) | (use > 9)][0]} is no DEPAC class 1..9; give one of them")
        shares[np.arange(count), use - 1] = 1.0
    levels = levels_at(background, x, y)
    values[:, inputs.RNH3], values[:, inputs.RSO2] = levels["NH3"], levels["SO2"]
    ppb = levels["NH3"] * 24.0 / 17.0
    values[:, inputs.RSHARE] = np.minimum(0.8, 0.024 * (ppb / 1000.0) ** -0.44)
    values[:, inputs.RWEIGHT] = 1.0
    return inputs.Receptors(values, shares)


def _split(conversion: Conversion, places) -> dict[str, np.ndarray]:
    """Shares of HNO3, coarse and fine in NO3 at the receptors."""
    x, y = places["x"].to_numpy(float), places["y"].to_numpy(float)
    file = places.attrs.get("file", "receptors")
    shares = {
        name: value_at(getattr(conversion, name), x, y, f"the {name} share of NO3", file, "receptor")
        for name in ("hno3", "coarse", "fine")
    }
    total = sum(shares.values())
    wrong = np.flatnonzero(np.abs(total - 1.0) > 0.01)
    if wrong.size:
        i = wrong[0]
        raise DataError(
            f"shares of HNO3, coarse and fine add up to {total[i]:.3g} at ({x[i]:.0f}, {y[i]:.0f}); their maps must "
            "add up to 1"
        )
    return shares


def _present(shares: np.ndarray, use: np.ndarray) -> np.ndarray:
    present = np.zeros(10, dtype=np.bool_)
    present[1:] = shares.sum(axis=0) > 0
    present[np.unique(use)] = True
    return present


def _foliage(days: np.ndarray) -> np.ndarray:
    """LAI and SAI per land use and day at 52 degrees north."""
    foliage = np.zeros((10, 2, 2))
    for lu in range(1, 10):
        for d in range(2):
            if days[lu, d] >= 0:
                foliage[lu, d] = leaf_area(lu, float(days[lu, d]), 52.0)
    return foliage

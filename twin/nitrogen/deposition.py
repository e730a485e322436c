"""Deposition of nitrogen from sources to receptors: the face of the exact sector-plume chain.

``deposit`` takes tables (or the files they are read from) and gives an xarray Dataset with the columns and units of
the field: concentrations in ug/m3, deposition in mol/ha/yr.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from kernels.nitrogen.exact import inputs, pairs
from kernels.nitrogen.exact.canopy import light_table
from kernels.nitrogen.exact.chain import KEPT
from kernels.nitrogen.exact.class_statistics import (
    DIRECTION_COLUMNS,
    direction_table,
    fan_table,
    timing_weights,
    wind_turning,
)
from kernels.nitrogen.exact.depac import leaf_area
from kernels.nitrogen.exact.lanes import INTEGER_ROWS, SCRATCH_ROWS, STRIDE, workspace
from kernels.nitrogen.exact.season import Season
from kernels.nitrogen.exact.timing import KINDS, PROFILES
from twin.errors import ConfigError, DataError, UnitError
from twin.nitrogen.fast import run_fast
from twin.nitrogen.grid import Grid
from twin.nitrogen.hours import Period, deposit_hours, lattice_around
from twin.nitrogen.receptor_places import refuse_receptors_inside_sources
from twin.nitrogen.regions import interpolated_climatology
from twin.readers.brn import read_brn
from twin.readers.climatology import Climatology, read_climatology
from twin.readers.raster_map import Map
from twin.readers.rcp import read_rcp
from twin.threads import use_threads

__all__ = ["Conversion", "Map", "Roads", "Switches", "deposit"]

# molar masses [g/mol] of the primary and secondary species
_MOLAR = {"NH3": (17.0, 18.0), "NOx": (46.0, 62.0)}
_FLUX = 87.6  # mol/ha/yr per (ug/m2/h) times g/mol: 8760 h, 1e4 m2, 1e-6 g
_NOX_AS_MEASURED = 1.08  # printed NOx concentration is divided by this where chemistry is on
_DIFFUSION = {"NH3": 0.240, "NOx": 0.145}  # cm2/s, OPS user manual
_KEPT_PAIRS = 65536  # road pairs whose dispersion is kept between the passes of road chemistry (28 MB)
_GAMMA_WATER = 430.0  # NH4/H ratio of surface water, constant map of OPS-LT 5.3
_ROUGHEST = 3.0  # m, the greatest roughness length of a receptor file (nitrogen.md 11.2)
_CLEAN = float(np.exp(1.0 + 12.4 / 8.6))


@dataclass(frozen=True)
class Switches:
    """Processes of the chain; all off is pure dispersion."""

    chemistry: bool = True
    dry: bool = True
    wet: bool = True
    gradient: bool = True

    @property
    def losses(self) -> bool:
        """Whether any process acts."""
        return self.chemistry or self.dry or self.wet or self.gradient

    def numbers(self) -> np.ndarray:
        """As the kernel takes them."""
        return np.array((self.chemistry, self.dry, self.wet, self.gradient), dtype=float)


@dataclass(frozen=True)
class Conversion:
    """Given rates of conversion [%/h] instead of the internal ones, and the split of NO3 (sum 1).

    A rate is a number, a map of it, or two maps whose quotient it is: converted mass per hour [%] and the mass of the
    precursor. Of maps the mean over the path counts, of two the quotient of the means; the split is that at the
    receptor.
    """

    nh3: float | Map | tuple[Map, Map]
    nox: float | Map | tuple[Map, Map]
    hno3: float | Map = 0.35
    coarse: float | Map = 0.25
    fine: float | Map = 0.40


@dataclass(frozen=True)
class Roads:
    """Which categories are roads (up to 5 km), and which of their two options act."""

    categories: frozenset[int] = frozenset()
    chemistry: bool = True
    dispersion: bool = True
    ozone: tuple[float, ...] = field(default=())  # ug/m3 per wind sector


def deposit(
    sources: pd.DataFrame | str | Path | Mapping[str, pd.DataFrame],
    receptors: pd.DataFrame | Grid | str | Path,
    weather: Climatology | Sequence[Climatology] | pd.DataFrame | str | Path,
    substance: str = "NH3",
    z0: float | Map = 0.1,
    land_use: int | Map = 1,
    background: Mapping[str, float | Map] | None = None,
    conversion: Conversion | None = None,
    switches: Switches | None = None,
    roads: Roads | None = None,
    diffusion: float | None = None,
    reversible: bool | None = None,
    emission_factor: float = 1.0,
    subdivide: bool = True,
    reach: float = np.inf,
    profiles: Mapping[int, np.ndarray] | None = None,
    groups: np.ndarray | None = None,
    threads: int | None = None,
    mode: str = "exact",
    check: int = 200,
    period: Period | str | None = None,
    cell: float = 250.0,
) -> xr.Dataset:
    """Annual concentration and deposition of one substance and its secondary species.

    ``sources``: table of :func:`twin.readers.brn.read_brn` or its file. ``receptors``: table with name, x, y [m RD]
    and optionally height [m], z0 [m], land_use_1..9 [%]; a file; or a :class:`Grid` for cell averages. ``weather``:
    climatology, or those of six regions, interpolated to each receptor (exact mode). ``z0`` [m] and ``land_use``
    (DEPAC class 1..9): one value or a map. ``background``: NH3, NOx, SO2 [ug/m3], values or maps. ``conversion``:
    given rates; None: internal. ``reach`` [m]: pairs beyond are left out. ``profiles``: user diurnal profiles by
    negative code. ``groups`` (sources,): group number of each source; the result then has a dimension ``group``.
    ``mode``: exact, or fast: tables per kind of source and receptor surface, near field exact, transforms where
    sources and receptors share a lattice; random receptors are then recomputed exactly and the largest relative error
    of their total nitrogen is written as ``error_estimate`` to attrs, and 95th percentile and maximum at ``check``
    random pairs as ``pair_error``; or hourly: the hours of ``period`` (of :class:`twin.nitrogen.hours.Period`, or a
    year or START/STOP in UTC) of ``weather``, the hourly file of a KNMI station or its table, on a lattice of ``cell``
    [m] or the given :class:`Grid`; ``sources`` may then be a table per substance. Receptor order is kept.

    Returns a Dataset over ``receptor`` with the columns of the field's result files; attrs hold pairs,
    cpu_seconds, pairs_per_cpu_second.
    """
    if substance not in _MOLAR:
        raise ConfigError(f"substance {substance!r} is not known; NH3 and NOx are")
    if background is None:
        raise ConfigError("background concentrations are missing; give NH3, NOx and SO2 in ug/m3 (values or maps)")
    if mode not in {"exact", "fast", "hourly"}:
        raise ConfigError(f"mode {mode!r} is not known; exact, fast and hourly are")
    if mode == "hourly":
        unused = {
            "conversion": conversion,
            "switches": switches,
            "roads": roads,
            "diffusion": diffusion,
            "reversible": reversible,
            "profiles": profiles,
            "groups": groups,
            "emission_factor": None if emission_factor == 1.0 else emission_factor,
            "reach": None if reach == np.inf else reach,
            "subdivide": None if subdivide else subdivide,
        }
        for name, value in unused.items():
            if value is not None:
                raise ConfigError(f"{name} has no effect in hourly mode; leave it out")
        with use_threads(threads):
            return _hourly(sources, receptors, weather, substance, z0, land_use, background, period, cell)
    if period is not None:
        raise ConfigError("period belongs to mode 'hourly'; leave it out, or choose that mode")
    if isinstance(sources, Mapping):
        raise ConfigError("a table per substance belongs to mode 'hourly'; give the table of one substance")
    if isinstance(weather, pd.DataFrame):
        raise ConfigError("hourly weather belongs to mode 'hourly'; give a climatology, or choose that mode")
    if isinstance(weather, Sequence) and not isinstance(weather, str):
        if mode != "exact":
            raise ConfigError("several regions are interpolated to each receptor in exact mode only; give one region")
        choices = {
            "z0": z0, "land_use": land_use, "background": background, "conversion": conversion, "switches": switches,
            "roads": roads, "diffusion": diffusion, "reversible": reversible, "emission_factor": emission_factor,
            "subdivide": subdivide, "reach": reach, "profiles": profiles, "groups": groups, "threads": threads,
        }  # fmt: skip
        return _in_regions(sources, receptors, weather, substance, choices)
    switches = switches or Switches()
    roads = roads or Roads()
    table = read_brn(sources) if isinstance(sources, str | Path) else sources
    climate = weather if isinstance(weather, Climatology) else read_climatology(weather)
    side = 0.0
    if isinstance(receptors, Grid):
        side = float(receptors.cell)
        places = receptors.table()
    else:
        places = read_rcp(receptors) if isinstance(receptors, str | Path) else receptors
    _check_sources(table, profiles)
    if side == 0.0:
        refuse_receptors_inside_sources(table, places)
    if len(places) == 0:
        raise DataError("no receptors; give at least one")
    nitrate = substance == "NOx"
    season = Season.of(climate.begin, climate.end, climate.hours)
    source_input = _sources(table, climate, z0, roads, emission_factor, profiles, groups)
    receptor_input = _receptors(places, side, z0, land_use, background)
    given = None if conversion is None else (conversion.nox if nitrate else conversion.nh3)
    split = None if conversion is None else _split(conversion, places)
    rate_maps = _rate_maps(given, mode)
    maps = _maps(z0, land_use, background, rate_maps, table, places)
    statistics = np.ascontiguousarray(climate.table)
    directions = np.zeros((6, 360, DIRECTION_COLUMNS))
    direction_table(statistics, season.rain(), directions)
    kernel_climate = inputs.Climate(
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
    first, second = _MOLAR[substance]
    days = season.days()
    foliage = _foliage(days)
    light = np.zeros((6, 360, 10, 2))
    light_table(directions, foliage, _present(receptor_input.shares, maps.use), light)
    kernel_substance = inputs.Substance(
        nitrate,
        days,
        foliage,
        light,
        _GAMMA_WATER,
        float(_DIFFUSION[substance] if diffusion is None else diffusion),
        bool((not nitrate) if reversible is None else reversible),
        second / first,
        switches.numbers(),
        float(given) if isinstance(given, int | float) else -1.0,
    )
    chemical = nitrate and roads.chemistry and bool(source_input.codes[:, 3].any())
    options = inputs.Options(side, subdivide, np.inf, float(reach), bool(roads.dispersion), chemical)
    if chemical and len(roads.ozone) != 12:
        raise ConfigError(
            "road chemistry needs the ozone background: give O3 in ug/m3, one value or one per wind sector"
        )
    prepared = _Prepared(source_input, receptor_input, maps, kernel_climate, kernel_substance, options, roads)
    extra: dict[str, float] = {}
    with use_threads(threads):
        if mode == "exact":
            out, road, ratio, seconds, count = _run(prepared)
        else:
            out, seconds, count, extra = run_fast(prepared, _run, check)
            road, ratio = np.zeros((len(places), 12, 3)), np.zeros((len(places), 12))
    result = _result(out, road, ratio, substance, switches, split, receptor_input, chemical)
    result = result.assign_coords(
        receptor=("receptor", places["name"].to_numpy().astype(str)),
        x=("receptor", places["x"].to_numpy(float), {"units": "m"}),
        y=("receptor", places["y"].to_numpy(float), {"units": "m"}),
    )
    result.attrs.update(
        substance=substance,
        mode=mode,
        pairs=count,
        cpu_seconds=seconds,
        pairs_per_cpu_second=count / seconds if seconds > 0 else 0.0,
        **extra,
    )
    if groups is None:
        result = result.isel(group=0, drop=True)
    return result


def _in_regions(sources, receptors, regions, substance, choices) -> xr.Dataset:
    """Exact mode with the statistics of each receptor's own place."""
    if isinstance(receptors, Grid):
        raise ConfigError("several regions are interpolated to points; give receptors as points, or one region")
    table = read_brn(sources) if isinstance(sources, str | Path) else sources
    places = read_rcp(receptors) if isinstance(receptors, str | Path) else receptors
    parts = []
    for i in range(len(places)):
        place = places.iloc[i : i + 1]
        climate = interpolated_climatology(regions, float(place["x"].iloc[0]), float(place["y"].iloc[0]))
        parts.append(deposit(table, place, climate, substance, **choices))
    if not parts:
        raise DataError("no receptors; give at least one")
    result = xr.concat(parts, "receptor", combine_attrs="override")
    pairs_done = sum(part.attrs["pairs"] for part in parts)
    seconds = sum(part.attrs["cpu_seconds"] for part in parts)
    result.attrs.update(
        pairs=pairs_done, cpu_seconds=seconds, pairs_per_cpu_second=pairs_done / seconds if seconds > 0 else 0.0
    )
    return result


def _hourly(sources, receptors, weather, substance, z0, land_use, background, period, cell) -> xr.Dataset:
    """The hourly mode on the lattice that is given as receptors, or on one over sources and receptors."""
    if period is None:
        raise ConfigError("hourly mode needs a period: a year, or START/STOP as dates (UTC)")
    hours = period if isinstance(period, Period) else Period.parse(str(period))
    if not isinstance(sources, Mapping):
        sources = {substance: read_brn(sources) if isinstance(sources, str | Path) else sources}
    maps = {"z0": z0, "land_use": land_use, "background": background}
    if isinstance(receptors, Grid):
        return deposit_hours(sources, None, weather, hours, receptors, **maps)
    places = read_rcp(receptors) if isinstance(receptors, str | Path) else receptors
    everything = [table[["x", "y", "diameter"]] for table in sources.values()]
    everything.append(places.assign(diameter=0.0)[["x", "y", "diameter"]])
    lattice = lattice_around(pd.concat(everything, ignore_index=True), 4.0 * cell, cell)
    return deposit_hours(sources, places, weather, hours, lattice, **maps)


class _Prepared(NamedTuple):
    """All that the kernel needs."""

    sources: inputs.Sources
    receptors: inputs.Receptors
    maps: inputs.Maps
    climate: inputs.Climate
    substance: inputs.Substance
    options: inputs.Options
    roads: Roads


def _run(prepared: _Prepared) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, int]:
    """Run the kernel, twice with road chemistry; returns sums, road sums, NO2/NOx near roads, CPU seconds and pairs."""
    sources, receptors, maps, climate, substance, options, roads = prepared
    chemical = options.road_chemistry

    def parts(count: int) -> int:
        """Parts that run on threads, of so many receptors; none is small."""
        return int(np.clip(count * len(sources.values) // 512, 1, pairs.PARTS))

    most = parts(len(receptors.values))
    work = workspace(most)
    iw = np.zeros((most, (INTEGER_ROWS + SCRATCH_ROWS) * STRIDE), dtype=np.int64)
    order = np.zeros((most, STRIDE), dtype=np.int64)
    fan = np.zeros((most, 27))
    uses = np.zeros((most, 2, 10), dtype=np.bool_)
    count = receptors.values.shape[0]
    n_groups = int(sources.codes[:, 2].max()) + 1
    out = np.zeros((count, n_groups, inputs.OUTPUTS))
    ratio = np.zeros((count, 12))
    road = np.zeros((count, 12, 3))
    counts = np.zeros(most, dtype=np.int64)
    # what road pairs share between the two passes is kept for a piece of the receptors at a time
    roadside = int(sources.codes[:, 3].sum()) if chemical else 0
    piece = max(1, min(count, _KEPT_PAIRS // max(roadside, 1)) if chemical else count)
    kept = np.zeros((min(piece * roadside, _KEPT_PAIRS), 6, KEPT))
    before = (work, iw, order, fan, uses, kept, sources)
    after = (maps, climate, substance, options)

    def run(begin: int, end: int, road_pass: int, sums: np.ndarray) -> int:
        some = inputs.Receptors(receptors.values[begin:end], receptors.shares[begin:end])
        counts[:] = 0
        part = (ratio[begin:end], out[begin:end], sums)
        pairs.run_pairs(parts(end - begin), *before, some, *after, road_pass, *part, counts)
        return int(counts.sum())

    run(0, 0, 0, road[:0])  # loads the compiled kernel, so that the time below is that of the computation
    number = 0
    start = time.process_time()
    ozone = np.asarray(roads.ozone)
    for begin in range(0, count, piece):
        end = min(count, begin + piece)
        if not chemical:
            number += run(begin, end, 0, road[begin:end])
            continue
        first = np.zeros((end - begin, 12, 3))
        run(begin, end, 1, first)
        ratio[begin:end] = _road_ratio(first[:, :, 0], first, ozone)
        number += run(begin, end, 2, road[begin:end])
        ratio[begin:end] = _road_ratio(road[begin:end, :, 0], first, ozone)
    return out, road, ratio, time.process_time() - start, number


def _road_ratio(concentration: np.ndarray, first: np.ndarray, ozone: np.ndarray) -> np.ndarray:
    """NO2/NOx near roads per sector: 0.15 + 0.85 O3/(0.85 C/F' + 100), F' = mean frequency per source."""
    number = first[:, :, 2]
    frequency = np.divide(first[:, :, 1], number, out=np.zeros_like(number), where=number > 0)
    mean = np.divide(concentration, frequency, out=np.zeros_like(number), where=frequency > 0)
    return 0.15 + 0.85 * ozone / (0.85 * mean + 100.0)


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
    values[:, inputs.SZ0] = _value_at(z0, x, y, "roughness length", table.attrs.get("file", "sources"), "source")
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


def _value_at(value, x, y, what, file, kind):
    """One value everywhere, or of a map; points outside it are listed."""
    if not isinstance(value, Map):
        return np.full(np.shape(x), float(value))
    found, inside = value.at(x, y)
    bad = np.flatnonzero(~inside | ~np.isfinite(found.astype(float)) | (found <= 0))
    if bad.size:
        points = ", ".join(f"({x[i]:.0f}, {y[i]:.0f})" for i in bad[:5])
        more = f" and {bad.size - 5} more" if bad.size > 5 else ""
        raise DataError(
            f"{value.file}: the map of {what} has no value at {kind} {points}{more} of {file}; extend the map or "
            "leave these out"
        )
    return found.astype(float)


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
        places["z0"].to_numpy(float) if given else _value_at(z0, x, y, "roughness length", file, "receptor")
    )
    rough = values[:, inputs.RZ0]
    wrong = np.flatnonzero(~((rough > 0) & (rough <= _ROUGHEST)))
    if wrong.size:
        raise DataError(
            f"{file}: {_line(places, wrong[0])}: roughness length {rough[wrong[0]]:g} is not in 0..{_ROUGHEST:g} m"
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
        use = _value_at(land_use, x, y, "land use", file, "receptor").astype(int)
        if ((use < 1) | (use > 9)).any():
            raise DataError(f"land use {use[(use < 1) | (use > 9)][0]} is no DEPAC class 1..9; give one of them")
        shares[np.arange(count), use - 1] = 1.0
    levels = _levels(background, x, y)
    values[:, inputs.RNH3], values[:, inputs.RSO2] = levels["NH3"], levels["SO2"]
    ppb = levels["NH3"] * 24.0 / 17.0
    values[:, inputs.RSHARE] = np.minimum(0.8, 0.024 * (ppb / 1000.0) ** -0.44)
    values[:, inputs.RWEIGHT] = 1.0
    return inputs.Receptors(values, shares)


def _levels(background, x, y) -> dict[str, np.ndarray]:
    """Background NH3, SO2 and NOx [ug/m3] at points; outside a map, and where it has none, its mean."""
    levels = {}
    for name in ("NH3", "SO2", "NOx"):
        if name not in background:
            raise ConfigError(f"background concentration of {name} is missing; give it in ug/m3 (a value or a map)")
        value = background[name]
        if isinstance(value, Map):
            found, inside = value.at(x, y)
            mean = float(np.nanmean(value.values))
            levels[name] = np.where(inside & (found > 0), found, mean)
        else:
            levels[name] = np.full(np.shape(x), float(value))
        if not (np.isfinite(levels[name]) & (levels[name] > 0)).all():
            raise DataError(f"background of {name} must be positive and finite [ug/m3]")
    return levels


def _no2(nox: np.ndarray) -> np.ndarray:
    """NO2 [ppb] from NOx [ug/m3]: 8.6 ln(NOx) - 12.4 above exp(1 + 12.4/8.6) ppb, proportional below."""
    ppb = np.asarray(nox, dtype=float) * 24.0 / 46.0
    return np.where(ppb > _CLEAN, 8.6 * np.log(np.maximum(ppb, 1e-30)) - 12.4, ppb * 8.6 / _CLEAN)


def _rate_maps(given, mode: str) -> dict[str, float | Map]:
    """Converted mass and precursor of a rate that is given as maps; none where it is a number."""
    if not isinstance(given, Map | tuple):
        return {}
    if mode == "fast":
        raise ConfigError("maps of conversion rates need exact mode; give rates as numbers [%/h], or --mode exact")
    return dict(zip(("converted", "precursor"), given if isinstance(given, tuple) else (given, 1.0)))


def _split(conversion: Conversion, places) -> dict[str, np.ndarray]:
    """Shares of HNO3, coarse and fine in NO3 at the receptors."""
    x, y = places["x"].to_numpy(float), places["y"].to_numpy(float)
    file = places.attrs.get("file", "receptors")
    shares = {
        name: _value_at(getattr(conversion, name), x, y, f"the {name} share of NO3", file, "receptor")
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


def _maps(z0, land_use, background, rates, table, places) -> inputs.Maps:
    frame = np.array((-1.0e7, 1.0e7, 2.0e7, 2.0e7))
    background = {**background, **rates}
    uniform = not any(isinstance(v, Map) for v in (z0, land_use, *background.values()))
    for value in (z0, land_use):
        if isinstance(value, Map):
            kind = "roughness length" if value is z0 else "land use"
            for what, points in (("source", table), ("receptor", places)):
                x, y = points["x"].to_numpy(float), points["y"].to_numpy(float)
                _value_at(value, x, y, kind, points.attrs.get("file", f"{what}s"), what)
    z0_map = z0 if isinstance(z0, Map) else Map(np.full((1, 1), float(z0)), *frame)
    use_map = land_use if isinstance(land_use, Map) else Map(np.full((1, 1), int(land_use)), *frame)
    _refuse_cells(use_map, ~np.isin(use_map.values, np.arange(1, 10)), "land use must be a DEPAC class 1..9")
    rough = z0_map.values
    _refuse_cells(z0_map, ~((rough > 0) & (rough <= _ROUGHEST)), f"roughness length must lie in 0..{_ROUGHEST:g} m")
    use = use_map.values.astype(np.int64)
    layers, mean = [], []
    back_frame = frame
    shape = (1, 1)
    for value in background.values():
        if isinstance(value, Map):
            back_frame, shape = value.frame, value.values.shape
    for name in ("NH3", "SO2", "NOx", *rates):
        value = background[name]
        if isinstance(value, Map):
            if value.values.shape != shape or (value.frame != back_frame).any():
                raise DataError(
                    f"{value.file}: maps of background and conversion must share one raster; resample them to the "
                    "same cells"
                )
            level = value.values.astype(float)
        else:
            level = np.full(shape, float(value))
        positive = level[level > 0]
        if positive.size == 0:
            raise DataError(f"{value.file}: the map has no positive value in any cell; give another")
        middle = float(positive.mean())
        if name == "NOx":
            middle = float(_no2(positive).mean())
            level = np.where(level > 0, _no2(level), 0.0)
        layers.append(level)
        mean.append(middle)
    path = np.zeros(13)
    path[0], path[10:] = float(z0_map.values[0, 0]), mean[:3]
    path[use[0, 0]] = 1.0
    return inputs.Maps(
        uniform,
        path[None],
        np.ascontiguousarray(np.log(z0_map.values.astype(float))),
        z0_map.frame,
        np.ascontiguousarray(use),
        use_map.frame,
        np.ascontiguousarray(np.stack(layers)),
        np.asarray(back_frame, dtype=float),
        np.array(mean),
    )


def _refuse_cells(found: Map, wrong: np.ndarray, needed: str) -> None:
    """Paths from source to receptor may cross any cell: refuse a map with wrong or missing ones."""
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{found.file}: {needed}; it is {found.values[row, column]:g} in {int(wrong.sum())} of {wrong.size} cells, "
            f"first in row {row + 1}, column {column + 1}; correct or fill them"
        )


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


def _result(out, road, ratio, substance, switches, split, receptors, chemical) -> xr.Dataset:
    """Sums of the kernel as named columns in the field's units."""
    first, second = _MOLAR[substance]
    primary, ion, total = ("NH3", "NH4", "NHx") if substance == "NH3" else ("NOx", "NO3+HNO3", "NOy")
    on = 1.0 if switches.losses else 0.0
    dims = ("receptor", "group")
    dry, wet = on * _FLUX / first * out[..., 1], on * _FLUX / first * out[..., 2]
    dry2, wet2 = on * _FLUX / second * out[..., 4], on * _FLUX / second * out[..., 5]
    conc = out[..., 0] / (_NOX_AS_MEASURED if primary == "NOx" and switches.chemistry else 1.0)
    conc2 = out[..., 3]
    columns = {
        f"conc_{primary}": conc,
        f"dry_{total}": dry + dry2,
        f"wet_{total}": wet + wet2,
        f"tot_{total}": dry + dry2 + wet + wet2,
        f"conc_{ion}": conc2,
    }
    if primary == "NOx":
        if split is None:
            share = receptors.values[:, inputs.RSHARE][:, None]
            columns["conc_NO3_AER"], columns["conc_HNO3"] = conc2 * (1.0 - share), conc2 * share
        else:
            acid, coarse, fine = (split[name][:, None] for name in ("hno3", "coarse", "fine"))
            columns["conc_NO3_AER"] = conc2 * (coarse + fine)
            columns["conc_HNO3"] = conc2 * acid
            columns["conc_NO3_C"], columns["conc_NO3_F"] = conc2 * coarse, conc2 * fine
    columns |= {f"dry_{primary}": dry, f"dry_{ion}": dry2, f"wet_{primary}": wet, f"wet_{ion}": wet2}
    if primary == "NOx":
        near = np.zeros_like(conc)
        near[:, 0] = road[:, :, 0].sum(axis=1) if chemical else 0.0
        no2 = out[..., 6].copy()
        if chemical:
            no2[:, 0] += (ratio * road[:, :, 0]).sum(axis=1)
        columns["conc_NO2_ROADS"] = no2
        columns["conc_NOx_ROADS"] = near / _NOX_AS_MEASURED
    units = {"conc": "ug m-3"}
    return xr.Dataset(
        {name: (dims, value, {"units": units.get(name[:4], "mol ha-1 yr-1")}) for name, value in columns.items()}
    )

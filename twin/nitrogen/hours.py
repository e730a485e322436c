"""Deposition hour by hour on a lattice around given sources: the hourly mode of ``twin.deposit``.

The component of the coupled run steps over hours of KNMI weather; the mean of the hours is written per year. Where
receptors are points, what sources nearby add beyond the mean of the lattice cell is computed plume by plume.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import xarray as xr

from kernels.nitrogen import units
from kernels.nitrogen.exchange import REFERENCE_HEIGHT
from kernels.nitrogen.hourly import wind_directions
from kernels.nitrogen.near_field import axis_profile, direct_plumes
from kernels.nitrogen.plume_tables import crosswind_coefficient, meander_coefficient, transport_wind
from kernels.nitrogen.source_timing import TIME_PROFILES
from kernels.nitrogen.vertical_dispersion import fraction_below_mixing_height, plume_rise
from twin.clock import Moment
from twin.components.deposition import NH3, NOX, Deposition
from twin.errors import ConfigError, DataError, UnitError
from twin.ledger import Ledger
from twin.nitrogen.grid import Grid
from twin.nitrogen.receptor_places import refuse_receptors_inside_sources
from twin.readers.hourly_weather import read_hourly_weather
from twin.readers.raster_map import Map

__all__ = ["Period", "deposit_hours", "lattice_around"]

NEAR = 1000.0  # m: closer sources reach a point receptor by their own plume
_LARGEST = 1200  # cells along a side
_NAMES = {NOX: ("NOx", "NOy"), NH3: ("NH3", "NHx")}
_MOLAR = {NOX: units.NITROGEN_DIOXIDE, NH3: units.AMMONIA}


@dataclass(frozen=True)
class Period:
    """Hours of weather: from ``start`` to ``stop`` (UTC), of ``days`` of each month (all where empty), every
    ``every``-th of them.
    """

    start: pd.Timestamp
    stop: pd.Timestamp
    every: int = 1
    days: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str, every: int = 1, days: tuple[int, ...] = ()) -> Period:
        """From ``2023`` or ``2023-01-16/2023-01-23``."""
        try:
            if "/" in text:
                start, stop = (pd.Timestamp(part, tz="UTC") for part in text.split("/"))
            else:
                start = pd.Timestamp(year=int(text), month=1, day=1, tz="UTC")
                stop = start + pd.DateOffset(years=1)
        except ValueError as error:
            raise ConfigError(f"period {text!r}: give a year, or START/STOP as dates ({error})") from None
        if not start < stop or every < 1:
            raise ConfigError(f"period {text!r}, every {every}: the start must lie before the stop, every be 1 or more")
        return cls(start, stop, every, days)

    def hours(self, times: pd.DatetimeIndex) -> np.ndarray:
        """Indices of the hours to step through, of a table of all of them."""
        chosen = np.isin(times.day, self.days) if self.days else np.ones(len(times), bool)
        found = np.flatnonzero(chosen)[:: self.every]
        if found.size == 0:
            raise ConfigError(f"period from {self.start:%Y-%m-%d}: it has no day {self.days} of a month; give others")
        return found


def lattice_around(sources: pd.DataFrame, margin: float, cell: float) -> Grid:
    """Cells of ``cell`` [m] over the sources and ``margin`` [m] around them, on whole multiples of the cell."""
    if cell <= 0 or margin < 0:
        raise ConfigError(f"lattice of {cell:g} m cells with a margin of {margin:g} m: both must be positive")
    half = sources["diameter"].abs() / 2.0
    west = np.floor((float((sources["x"] - half).min()) - margin) / cell) * cell
    south = np.floor((float((sources["y"] - half).min()) - margin) / cell) * cell
    east = np.ceil((float((sources["x"] + half).max()) + margin) / cell) * cell
    north = np.ceil((float((sources["y"] + half).max()) + margin) / cell) * cell
    columns, rows = round((east - west) / cell), round((north - south) / cell)
    if max(columns, rows) > _LARGEST:
        raise ConfigError(
            f"the lattice would have {columns} x {rows} cells of {cell:g} m; the hourly mode takes up to {_LARGEST} "
            "along a side: give a smaller --reach or a larger --cell"
        )
    return Grid((west + east) / 2.0, (south + north) / 2.0, max(columns, 1), max(rows, 1), cell)


def deposit_hours(
    sources: Mapping[str, pd.DataFrame],
    receptors: pd.DataFrame | None,
    weather: pd.DataFrame | str | Path,
    period: Period,
    lattice: Grid,
    z0: float | Map = 0.1,
    land_use: int | Map = 1,
    background: Mapping[str, float | Map] | None = None,
) -> xr.Dataset:
    """Mean concentration [ug/m3] and deposition [mol/ha/yr] of NH3 and NOx over the hours of a period.

    Args:
        sources: table of :func:`twin.readers.brn.read_brn` per substance, NH3 and NOx or one of them.
        receptors: table with name, x, y [m RD] inside the lattice; None: the cells of the lattice.
        weather: table of :func:`twin.readers.hourly_weather.read_hourly_weather`, or its file (KNMI or .csv).
        period: hours; a receptor's year is the mean of them.
        lattice: cells on which plumes and deposition are computed.
        z0: roughness length [m], value or map.
        land_use: DEPAC class, value or map.
        background: NH3, NOx, SO2 [ug/m3]; NH3 may be a map.

    The Dataset has over ``receptor``, for each substance, ``conc_*``, ``dry_*``, ``wet_*``, ``tot_*`` (NHx, NOy), and
    ``tot_N`` where both are given. attrs: hours, cpu_seconds, the budget in mol of the period (emitted, deposited in
    the lattice, exported, worst residual of an hour). Raises :class:`twin.errors.DataError` for a source or receptor
    outside the lattice, listed.
    """
    names = [name for name in ("NOx", "NH3") if name in sources]
    if not names:
        raise ConfigError("no sources; give NH3, NOx or both")
    given = dict(background or {})
    missing = {"NH3", "NOx", "SO2"} - set(given)
    if missing:
        raise ConfigError(f"background concentration of {min(missing)} is missing; give it in ug/m3")
    if receptors is not None:
        for sources_of_one in sources.values():
            refuse_receptors_inside_sources(sources_of_one, receptors)
    table = weather if isinstance(weather, pd.DataFrame) else read_hourly_weather(weather, period.start, period.stop)
    world = _World(sources, lattice, table, z0, land_use, given)
    points = _Points(world, receptors) if receptors is not None else None
    sums = {s: np.zeros((3, lattice.rows, lattice.columns)) for s in (NOX, NH3)}
    at = {s: np.zeros((3, 0 if points is None else points.count)) for s in (NOX, NH3)}
    hours = period.hours(pd.DatetimeIndex(table.index))
    # one step whose books are thrown away loads the compiled kernels, so that the time below is the computation's
    world.component.step(world.s, world.moment(table, int(hours[0]), 0, Ledger()))
    world.component.pending[...] = 0.0
    ledger = Ledger()
    begin = time.process_time()
    for n, hour in enumerate(hours):
        world.component.step(world.s, world.moment(table, int(hour), n, ledger))
        for substance, solution in enumerate(world.component.plumes.solutions):
            to_year = units.grams_to_mol(1.0, _MOLAR[substance]) * 3600.0 * units.HOURS_PER_YEAR
            to_year = units.mol_per_m2_to_mol_per_ha(to_year / lattice.cell**2)
            # over a year it does not matter in which hour the rain of a coming hour is counted: with its emission
            washed = solution.wet + solution.later
            fields = (1.0e6 * solution.concentration, to_year * solution.dry, to_year * washed)
            for k, field in enumerate(fields):
                sums[substance][k] += field
            if points is not None and _NAMES[substance][0] in names:
                at[substance] += points.values(substance, int(hour), fields)
        world.component.pending[...] = 0.0
    seconds = time.process_time() - begin
    return _result(names, len(world.table), lattice, receptors, sums, at, len(hours), seconds, ledger)


class _World:
    """The component, bound to arrays of one lattice."""

    def __init__(self, sources, lattice: Grid, weather: pd.DataFrame, z0, land_use, background):
        self.lattice = lattice
        shape = (lattice.rows, lattice.columns)
        west = lattice.x - lattice.columns / 2.0 * lattice.cell
        south = lattice.y - lattice.rows / 2.0 * lattice.cell
        self.x = west + (np.arange(lattice.columns) + 0.5) * lattice.cell
        self.y = south + (np.arange(lattice.rows) + 0.5) * lattice.cell
        xx, yy = np.meshgrid(self.x, self.y)
        use = _on_lattice(land_use, xx, yy, "land use")
        if ((use < 1) | (use > 9) | (use != np.floor(use))).any():
            raise DataError(f"land use {use[(use < 1) | (use > 9) | (use != np.floor(use))][0]:g} is no DEPAC class")
        self.table = table = _merge(sources)
        self._refuse_outside(table)
        level = {name: float(_on_lattice(background[name], xx, yy, f"background {name}").mean()) for name in background}
        options = {"background_nox": level["NOx"], "background_so2": level["SO2"]}
        self.component = Deposition(Deposition.Options(**options))
        self.s = s = SimpleNamespace(
            land_use=use.astype(np.int8),
            roughness=_on_lattice(z0, xx, yy, "roughness length"),
            background_nh3=_on_lattice(background["NH3"], xx, yy, "background NH3"),
            cell_link=np.zeros(1, np.int32), cell_index=np.zeros(1, np.int32), cell_share=np.ones(1),
            nox=np.zeros(1), nh3=np.zeros(1),
            source_x=table["x"].to_numpy(float), source_y=table["y"].to_numpy(float),
            source_height=table["height"].to_numpy(float), source_heat=table["heat_content"].to_numpy(float),
            source_side=_side(table), source_nox=table["NOx"].to_numpy(float), source_nh3=table["NH3"].to_numpy(float),
            source_profile=table["profile"].to_numpy(np.int8),
            wind_speed=weather["wind_speed"].to_numpy(), wind_direction=weather["wind_direction"].to_numpy(),
            temperature=weather["temperature"].to_numpy(), radiation=weather["global_radiation"].to_numpy(),
            precipitation=weather["precipitation"].to_numpy(), rain_duration=weather["rain_duration"].to_numpy(),
            humidity=weather["relative_humidity"].to_numpy(), cloud_cover=weather["cloud_cover"].to_numpy(),
        )  # fmt: skip
        for name in ("nox_concentration", "nh3_concentration", "dry", "wet", "total"):
            setattr(s, name, np.zeros(shape))
        groups = {
            "lattice": xr.Dataset(coords={"y": self.y, "x": self.x}, attrs={"cell_size": lattice.cell}),
            "weather": xr.Dataset(coords={"weather_time": weather.index.to_numpy().astype("datetime64[ns]")}),
        }
        self.component.setup(s, xr.DataTree.from_dict(groups))

    def moment(self, weather: pd.DataFrame, hour: int, tick: int, ledger: Ledger) -> Moment:
        """The hour of a row of the weather."""
        start = weather.index[hour].to_pydatetime().replace(tzinfo=UTC)
        return Moment(start, 3600, tick, hour, 0, "deposition", ledger)

    def cell_of(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, column, and whether a point lies inside."""
        size = self.lattice.cell
        column = np.floor((x - self.x[0]) / size + 0.5).astype(int)
        row = np.floor((y - self.y[0]) / size + 0.5).astype(int)
        return row, column, (row >= 0) & (column >= 0) & (row < len(self.y)) & (column < len(self.x))

    def _refuse_outside(self, table: pd.DataFrame) -> None:
        inside = self.cell_of(table["x"].to_numpy(float), table["y"].to_numpy(float))[2]
        if not inside.all():
            bad = table[~inside]
            places = ", ".join(f"({x:.0f}, {y:.0f})" for x, y in zip(bad["x"][:5], bad["y"][:5]))
            more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
            raise DataError(f"sources outside the lattice: {places}{more}; widen the lattice or leave them out")


class _Points:
    """Receptors at points: the lattice cell's value, and the plumes of sources nearby in place of their cell mean."""

    def __init__(self, world: _World, receptors: pd.DataFrame):
        self.world = world
        x, y = receptors["x"].to_numpy(float), receptors["y"].to_numpy(float)
        self.row, self.column, inside = world.cell_of(x, y)
        if not inside.all():
            bad = np.flatnonzero(~inside)
            places = ", ".join(f"{receptors['name'].iloc[i]} ({x[i]:.0f}, {y[i]:.0f})" for i in bad[:5])
            more = f" and {bad.size - 5} more" if bad.size > 5 else ""
            raise DataError(f"receptors outside the lattice: {places}{more}; give a larger --reach or leave them out")
        self.count = len(x)
        table = world.table
        sx, sy = table["x"].to_numpy(float), table["y"].to_numpy(float)
        far = np.hypot(x[:, None] - sx, y[:, None] - sy) > NEAR
        far |= np.abs(table["diameter"].to_numpy(float)) > 0  # areas are as wide as a cell: the cell mean serves
        self.receptor, self.source = np.nonzero(~far)
        self.x, self.y, self.sx, self.sy = x, y, sx, sy

    def values(self, substance: int, hour: int, fields: tuple[np.ndarray, ...]) -> np.ndarray:
        """Concentration [ug/m3], dry and wet deposition [mol/ha/yr] in one hour."""
        component = self.world.component
        out = np.array([field[self.row, self.column] for field in fields])
        extra = self._nearby(component, substance, hour)
        velocity = component.velocities[substance][component.surface[self.row, self.column]]
        out[0] += extra
        flux = units.flux_to_mol_per_ha_year(3600.0, _MOLAR[substance])  # of ug m-2 s-1
        out[1] += flux * extra * velocity
        return out

    def _nearby(self, component: Deposition, substance: int, hour: int) -> np.ndarray:
        """Concentration [ug/m3] beyond that of the lattice, from sources within :data:`NEAR`."""
        extra = np.zeros(self.count)
        if not self.receptor.size:
            return extra
        world, s = self.world, self.world.s
        rate = (s.source_nox, s.source_nh3)[substance] * component.factors[s.source_profile, hour]
        air = component.turbulence(s, hour)
        profile = (air.roughness_length, air.mixing_height, air.friction_velocity, air.obukhov_length)
        wind = transport_wind(10.0, 0.0, air.mixing_height, air.roughness_length, *profile[2:])
        spread = max(
            crosswind_coefficient(air.obukhov_length, air.roughness_length),
            meander_coefficient(air.obukhov_length, wind),
        )
        degrees, weights, half = wind_directions(float(s.wind_direction[hour]))
        x = component.plumes.x
        values = np.empty(x.size)
        used = np.unique(self.source)
        kinds = np.column_stack((s.source_height, s.source_heat))
        for kind in np.unique(kinds[used], axis=0):
            rise = plume_rise(kind[0], kind[1], air.temperature, profile[0], profile[2], profile[3])
            below = fraction_below_mixing_height(kind[0] + rise, kind[0], profile[1], profile[3])
            axis_profile(x, kind[0] + rise, 0.5 * kind[0], below, REFERENCE_HEIGHT, *profile, values)
            of_kind = (kinds[self.source] == kind).all(axis=1)
            values *= component.depletion(substance, int(self.source[of_kind][0]))
            receptors = self.receptor[of_kind]
            members = self.source[of_kind]
            each = np.empty(1)
            for r in np.unique(receptors):
                mine = members[receptors == r]
                for degree, weight in zip(degrees, weights):
                    towards = -np.sin(np.radians(degree)), -np.cos(np.radians(degree))
                    direct_plumes(
                        self.x[r : r + 1], self.y[r : r + 1], self.sx[mine], self.sy[mine], rate[mine], *towards,
                        spread, half / 3.0**0.5, NEAR, x, values, each,
                    )  # fmt: skip
                    extra[r] += weight * each[0]
        row, column, _ = world.cell_of(self.sx[self.source], self.sy[self.source])
        lattice = component.cell_concentration(
            substance, self.source, self.row[self.receptor] - row, self.column[self.receptor] - column
        )
        extra -= np.bincount(self.receptor, lattice * rate[self.source], minlength=self.count)
        return 1.0e6 * extra


def _on_lattice(value: float | Map, x: np.ndarray, y: np.ndarray, what: str) -> np.ndarray:
    if not isinstance(value, Map):
        return np.full(x.shape, float(value))
    found, inside = value.at(x, y)
    found = found.astype(float)
    bad = ~inside | ~np.isfinite(found) | (found <= 0)
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise DataError(
            f"{value.file}: the map of {what} has no value in {int(bad.sum())} of {bad.size} cells of the lattice, "
            f"first at ({x[i, j]:.0f}, {y[i, j]:.0f}); extend the map or give a smaller --reach"
        )
    return found


def _side(table: pd.DataFrame) -> np.ndarray:
    """Side [m] of a square of the source's area; a circle has a negative diameter."""
    d = table["diameter"].to_numpy(float)
    return np.where(d < 0, np.sqrt(np.pi) / 2.0 * -d, d)


def _merge(sources: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table with the emission [g/s] of both substances."""
    parts = []
    for name, table in sources.items():
        unit = table.attrs.get("units", {}).get("emission")
        if unit not in {"g s-1", "g/s"}:
            raise UnitError(f"emission of {name} is in {unit!r}; sources need g s-1, with the unit in their attrs")
        part = table[["x", "y", "height", "heat_content", "diameter", "diurnal_code"]].copy()
        for other in ("NOx", "NH3"):
            part[other] = table["emission"] if other == name else 0.0
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    unknown = ~table["diurnal_code"].isin(list(TIME_PROFILES))
    if unknown.any():
        raise DataError(
            f"diurnal code {int(table['diurnal_code'][unknown].iloc[0])} has no hourly profile; use another"
        )
    table["profile"] = table["diurnal_code"].map(TIME_PROFILES)
    if table["heat_content"].isna().any():
        raise DataError(
            "a source gives exit temperature and speed instead of its heat content; the hourly mode needs the heat "
            "content [MW]"
        )
    return table


def _result(names, sources, lattice, receptors, sums, at, hours, seconds, ledger) -> xr.Dataset:
    if receptors is None:
        places = lattice.table()
        values = {s: np.flip(sums[s], axis=1).reshape(3, -1) / hours for s in sums}  # from the north-west
    else:
        places = receptors
        values = {s: at[s] / hours for s in at}
    columns: dict[str, np.ndarray] = {}
    for substance, (gas, total) in _NAMES.items():
        if gas not in names:
            continue
        concentration, dry, wet = values[substance]
        columns |= {f"conc_{gas}": concentration, f"dry_{total}": dry, f"wet_{total}": wet, f"tot_{total}": dry + wet}
    if len(names) == 2:
        columns["tot_N"] = columns["tot_NHx"] + columns["tot_NOy"]
    data = {
        name: ("receptor", value, {"units": "ug m-3" if name.startswith("conc") else "mol ha-1 yr-1"})
        for name, value in columns.items()
    }
    result = xr.Dataset(
        data,
        {
            "receptor": ("receptor", places["name"].to_numpy().astype(str)),
            "x": ("receptor", places["x"].to_numpy(float), {"units": "m"}),
            "y": ("receptor", places["y"].to_numpy(float), {"units": "m"}),
        },
    )
    pairs = sources * len(places) * hours
    books = {name.lower(): ledger.balances[name.lower()] for name in names}
    away = {name: ledger.balances[f"{name} over the edge"].inflow for name in books}
    result.attrs.update(
        mode="hourly",
        substance="+".join(names),
        hours=hours,
        cpu_seconds=seconds,
        pairs=pairs,  # sources times receptors times hours, by transforms and not one by one
        pairs_per_cpu_second=pairs / seconds if seconds > 0 else 0.0,
        emitted_mol=sum(b.inflow for b in books.values()),
        exported_mol=sum(away.values()),
        deposited_mol=sum(b.outflow + b.change for b in books.values()) - sum(away.values()),
        worst_residual=max(b.worst for b in books.values()),
        lattice_cells=f"{lattice.columns} x {lattice.rows} of {lattice.cell:g} m",
    )
    return result

"""A year of quarter-hours of a province's feeders on their own: demand, power flow and congestion, day by day.

Without the traffic kernel: what cars drive is declared here, and the result says so. A day of all buses is the most
that is ever held in memory.
"""

import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import numpy as np
import pyproj
import xarray as xr
from pydantic import ConfigDict, Field

from kernels.power.congestion import unserved
from kernels.power.counter import normal, uniforms
from kernels.power.droop import SETTLED, settle
from kernels.power.forest import Forest, ForestSolution
from kernels.power.heat import run_evenly
from kernels.power.load_day import load_day
from kernels.power.sessions import HOME, KINDS, PUBLIC, charge_day, charge_to_level, plug_in, stay_hours
from kernels.power.solar import plane_of_array, pv_power, sun
from kernels.power.status import MAX_ITERATIONS, OK
from kernels.power.tree import RADIAL
from twin.analysis.congestion import CongestionRecord
from twin.clock import STANDARD, Moment
from twin.components.charging import EVENING, PUBLIC_STAY, Strategy
from twin.components.demand import Demand, cop_of_homes
from twin.components.new_building import NewBuilding, electricity_per_heat
from twin.components.profile_rows import hour_of_year
from twin.errors import ConfigError, DataError
from twin.ledger import Ledger
from twin.power.droop import DroopOptions
from twin.world.feeders import BASE, feeders_of, stations_of

__all__ = ["YearOptions", "power_year"]

KW_TO_PU = 1e3 / BASE
SHARPER = 0.01  # of the tolerance: of voltages that inverters answer to
# Car trips from home and to home by local hour, relative [A: two peaks of a working day, flat weekend].
AWAY = np.array([[1, 0, 0, 0, 1, 4, 10, 16, 15, 8, 6, 6, 6, 6, 6, 5, 4, 4, 5, 6, 4, 2, 1, 1]] * 3, float)
BACK = np.array([[3, 1, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 7, 10, 16, 17, 12, 7, 6, 6, 6, 5]] * 3, float)
AWAY[1:], BACK[1:] = np.clip(AWAY[1:], 1, 7), np.clip(BACK[1:], 1, 8)
FIXED = (
    "dwellings",
    "household_energy",
    "heat_demand",
    "service_energy",
    "industry_energy",
    "pv_capacity",
)  # of load_day
SPIN_UP = 7  # days of driving and charging before the first, so that cars do not all begin full


class YearOptions(DroopOptions):
    """Declared values of a year without traffic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    year: int = 2023
    seed: int = 1
    steps_per_hour: int = Field(default=4, ge=1, le=60)
    ev_share: float = Field(default=0.05, ge=0, le=1)
    cars_per_home: float = Field(default=0.95, ge=0)  # [A: 8.5 million cars, 7.9 million homes, some with firms]
    km_per_day: float = Field(default=33.0, ge=0)  # 12,000 km a year [K]
    spread_of_km: float = Field(default=0.5, ge=0)  # log-normal, between cars [A]
    kwh_per_km: float = Field(default=0.20, gt=0)
    efficiency: float = Field(default=0.90, gt=0, le=1)
    public_share: float = Field(default=0.2, ge=0, le=1)  # of cars that charge in public near home [A]
    reach: float = Field(default=20.0, ge=0)
    strategy: Strategy = "uncontrolled"
    tolerance: float = Field(default=1e-8, gt=0)
    demand: Demand.Options = Demand.Options()


class _Cars:
    """Electric cars behind the homes of every bus, in order of bus; more cars leave the others as they are."""

    def __init__(self, o: YearOptions, power: xr.Dataset) -> None:
        dwellings = power["dwellings"].values
        rounding = np.empty(len(dwellings))
        buses = np.arange(len(dwellings))
        uniforms(buses, buses, 11, rounding)
        count = np.floor(o.ev_share * o.cars_per_home * dwellings + rounding).astype(np.int64)
        bus = np.repeat(buses, count)
        number = np.arange(len(bus)) - np.repeat(np.cumsum(count) - count, count)
        place, charger = np.empty(len(bus)), np.empty(len(bus))
        uniforms(bus, number, 12, place)
        uniforms(bus, number, 13, charger)
        self.start = np.r_[0, np.cumsum(count)]
        self.kind = np.where(place < o.public_share, PUBLIC, HOME)
        self.power = np.where(self.kind == HOME, np.array([3.7, 7.4, 11.0, 11.0])[(4 * charger).astype(int)], 11.0)
        self.weight = np.ones(len(bus))
        self.car = bus * np.int64(1 << 24) + number
        spread = np.array([normal(np.uint64(c)) for c in self.car]) if len(bus) else np.empty(0)
        mean = o.km_per_day * o.kwh_per_km / o.efficiency
        self.energy = mean * np.exp(o.spread_of_km * spread - 0.5 * o.spread_of_km**2)  # kWh a day
        self.owed, self.plugged = np.zeros(len(bus)), np.zeros(len(bus), np.int8)
        heads, self.group = stations_of(
            len(dwellings), power["branch_from"].values, power["branch_to"].values, power["branch_kind"].values
        )  # fmt: skip
        self.bus, of_cars = bus, self.group[bus]
        if o.strategy == "grid_aware" and (np.diff(of_cars) < 0).any():
            raise ConfigError("power year: grid_aware needs the buses behind each transformer to follow each other")
        self.group_start = np.searchsorted(of_cars, np.arange(len(heads) + 1))
        self.since, self.until, self.charged = np.zeros((3, len(bus)))


class _Day:
    """Shapes of demand of one day by lane, in standard time (UTC+1)."""

    def __init__(self, o: YearOptions, power: xr.Dataset, weather: xr.Dataset) -> None:
        self._o, self._power, self._weather = o, power, weather
        self._begin = np.datetime64(weather["weather_time"].values[0], "h")
        x, y = float(power["bus_x"].mean()), float(power["bus_y"].mean())
        self._at = pyproj.Transformer.from_crs(28992, 4326, always_xy=True).transform(x, y)
        self.per_heat = electricity_per_heat(
            weather["temperature"].values, lambda t: cop_of_homes(o.demand, t), o.demand.bivalence
        )  # of today's homes, by hour of the weather

    def weather_rows(self, day: date) -> np.ndarray:
        """Rows of the weather of the day's hours in standard time."""
        first = int((np.datetime64(day, "h") - self._begin).astype(int)) - 1  # standard midnight is 23 h UTC
        return np.clip(first + np.arange(24), 0, len(self._weather["temperature"]) - 1)

    def shapes(self, day: date) -> tuple[list[np.ndarray], np.ndarray]:
        """Household, heat (electric), service and industry power per yearly kWh, sun fed in, curtailed; degC."""
        o, d = self._o, self._o.demand
        n = o.steps_per_hour
        row = hour_of_year(day.month, day.day, 0)
        household, heat, service, industry = (
            np.repeat(self._power[f"profile_{k}"].values[row : row + 24], n)
            for k in ("household", "heat", "service", "industry")
        )
        rows = self.weather_rows(day)
        outdoors = self._weather["temperature"].values[rows]
        radiation = self._weather["global_radiation"].values[rows]
        fed, held = np.zeros((2, 24 * n))
        number = day.timetuple().tm_yday
        for h in range(24):
            places = [sun(number, h - 1 + (k + 0.5) / n, *self._at) for k in range(n)]
            height = np.maximum([p[0] for p in places], 0.0)
            mean = height.mean()
            for k, (zenith, azimuth, extra) in enumerate(places):
                level = radiation[h] * (height[k] / mean if mean > 0 else 1.0)
                for facing, tilt, share in d.roofs:
                    plane = plane_of_array(level, zenith, azimuth, extra, np.deg2rad(tilt), np.deg2rad(facing))
                    given, cut = pv_power(plane, outdoors[h], d.system, d.inverter, d.feed_in_limit)
                    fed[h * n + k] += share * given
                    held[h * n + k] += share * cut
        return [household, heat * np.repeat(self.per_heat[rows], n), service, industry, fed, held], np.repeat(
            outdoors, n
        )


class _Stored:
    """Heat that is no product of yearly amount and shape, hour by hour as in component demand: that which masses and
    tanks carry over, and new building with its floors and hot water. Plans of its pumps see the load without cars.
    """

    def __init__(self, o: YearOptions, power: xr.Dataset, weather: xr.Dataset, shapes: _Day) -> None:
        if o.demand.battery > 0:
            raise ConfigError(
                "power year: battery of the demand follows the load with charging of each step; the year of feeders on "
                "their own has none: leave it out, or run the province"
            )
        self._o, self._per_heat = o, shapes.per_heat
        self._new = NewBuilding(power, weather["temperature"].values, o.demand)
        self._heat, self._shape = power["heat_demand"].values, power["profile_heat"].values
        n, self.evened = len(self._heat), o.demand.heat_inertia > 0
        self._reserve = o.demand.heat_inertia * power["heat_pumps"].values
        self._mean, self._lent, self._even = np.full(n, np.nan), np.zeros(n), np.zeros(n)

    def add(self, day: date, rows: np.ndarray, load: np.ndarray, reactive: np.ndarray, tangent: float) -> None:
        """Add the day's electricity to ``load`` and ``reactive`` (bus, lane); ``rows`` (hour) of the weather."""
        d, n, new = self._o.demand, self._o.steps_per_hour, self._new.bus
        midnight = datetime(day.year, day.month, day.day, tzinfo=STANDARD)
        first = hour_of_year(day.month, day.day, 0)
        for h in range(24) if self.evened or new.size else ():
            lanes = slice(h * n, (h + 1) * n)
            if self.evened:
                heat = self._heat * self._shape[first + h]
                if np.isnan(self._mean).any():
                    self._mean[:] = heat
                run_evenly(heat, 1.0, d.heat_memory, self._reserve, self._mean, self._lent, self._even)
                drawn = self._per_heat[rows[h]] * self._even
                load[:, lanes] += drawn[:, None]
                reactive[:, lanes] += tangent * drawn[:, None]
            if new.size:
                now = Moment(midnight + timedelta(hours=h), 3600, h, int(rows[h]), self._o.seed, "demand", Ledger())
                drawn, _ = self._new.run(load[new, lanes].mean(axis=1), now)
                load[new, lanes] += drawn[:, None]
                reactive[new, lanes] += tangent * drawn[:, None]


class _Inverters:
    """Inverters on the feeders that answer to the voltage at their bus."""

    def __init__(self, o: YearOptions, power: xr.Dataset, forest: Forest) -> None:
        self._o, self._forest, self._droop = o, forest, o.droop()
        capacity = power["pv_capacity"].values
        self.at = np.flatnonzero((capacity > 0) & (forest.block_of_bus >= 0) & o.answers)
        self._panels = capacity[self.at][:, None]

    def answer(
        self, source: np.ndarray, sun: np.ndarray, load: np.ndarray, reactive: np.ndarray, scratch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change ``load`` and ``reactive`` (bus, lane) to what they are with the answers of ``sun`` (lane) per kW.

        Returns power held back (inverter, lane) [kW] and the blocks in which one hunts (block, lane).
        """
        available, rated = self._panels * sun, self._o.demand.inverter * self._panels
        ask_p, ask_q = load[self.at].copy(), reactive[self.at].copy()
        held = np.zeros(available.shape)

        def voltages(answer: np.ndarray, lanes: np.ndarray) -> np.ndarray:
            held[:, lanes] = (1 - answer[0]) * available[:, lanes]
            rows = np.ix_(self.at, lanes)
            load[rows] = ask_p[:, lanes] + held[:, lanes]
            reactive[rows] = ask_q[:, lanes] - answer[1] * rated
            out = self._forest.allocate(len(lanes), voltage=False, current=False, magnitude=True)
            self._forest.solve(
                out, source, np.ascontiguousarray(load[:, lanes]), np.ascontiguousarray(reactive[:, lanes]),
                scale=KW_TO_PU, tolerance=SHARPER * self._o.tolerance, scratch=scratch,
            )  # fmt: skip
            return out.magnitude[self.at]

        _, off, lanes = settle(self._droop.of, voltages, available.shape)
        hunting = np.zeros((self._forest.root.size, available.shape[1]), bool)
        if lanes.size:
            inverter, lane = np.nonzero(np.abs(off[:, :, lanes]).max(0) > SETTLED)
            hunting[self._forest.block_of_bus[self.at[inverter]], lanes[lane]] = True
        return held, hunting

    def drop(self, out: ForestSolution, hunting: np.ndarray) -> None:
        """Results of blocks that hunt are none."""
        forest = self._forest
        out.status[hunting] = MAX_ITERATIONS
        lost = hunting[forest.block_of_bus[forest.order]]
        out.loading[lost] = np.nan
        magnitude = out.magnitude[forest.order]
        magnitude[lost] = np.nan
        out.magnitude[forest.order] = magnitude


def power_year(
    power: xr.Dataset, weather: xr.Dataset, options: YearOptions | None = None, *, days: Iterable[int] | None = None
) -> xr.Dataset:
    """Congestion of every asset and bus over the year's quarter-hours.

    ``power`` and ``weather`` are groups of a world (docs/world.md); ``days`` (from 0) may name a part of the year,
    in order. Returns the table of :func:`twin.analysis.congestion.congestion` with ``unserved`` (bus) and
    ``pv_curtailed`` (bus) [MWh], and as attributes the counts of feeder-steps by status, the energies [MWh] of load,
    losses, charging and of sun that inverters held back, and the processor seconds of each part.
    """
    o = options or YearOptions()
    forest, source = feeders_of(power)
    if forest.code != RADIAL:
        raise DataError("world power: the network is not radial; open a branch of each loop")
    lanes = 24 * o.steps_per_hour
    wanted = list(range((date(o.year + 1, 1, 1) - date(o.year, 1, 1)).days) if days is None else days)
    if not wanted:
        raise ConfigError("power year: no day to compute; name at least one")
    buses = power.sizes["bus"]
    fixed = [np.ascontiguousarray(power[name].values, np.float64) for name in FIXED]
    cars, shapes = _Cars(o, power), _Day(o, power, weather)
    stored = _Stored(o, power, weather, shapes)
    if stored.evened:
        fixed[FIXED.index("heat_demand")] = np.zeros(buses)
    load, reactive, charging = (np.zeros((buses, lanes)) for _ in range(3))
    curtailed, lost = np.zeros(buses), np.zeros(buses)
    out = forest.allocate(lanes, voltage=False, current=False, magnitude=True, loading=True)
    scratch = forest.scratch()
    transformer = power["branch_kind"].values[forest.branch] == 1
    inverters = _Inverters(o, power, forest)
    record = CongestionRecord(power["s_rated"].values[forest.branch], transformer, buses)
    hours = np.full(lanes, 1.0 / o.steps_per_hour)
    tangent = np.sqrt(1.0 / o.demand.power_factor**2 - 1.0)
    status, energy = (
        np.zeros(7, np.int64),
        {"load": 0.0, "losses": 0.0, "charging": 0.0, "driven": 0.0, "held_back": 0.0},
    )
    seconds = {"demand": 0.0, "flow": 0.0, "congestion": 0.0}

    def demand(day: date, curtailed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Write the day's load without cars; returns the outdoor temperature and the sun per kW of panels (lane)."""
        by_lane, outdoors = shapes.shapes(day)
        load_day(
            day.toordinal(), o.seed, o.demand.spread, *fixed, *by_lane, tangent, load, reactive, curtailed
        )  # fmt: skip
        stored.add(day, shapes.weather_rows(day), load, reactive, tangent)
        return outdoors, by_lane[4]

    first = date(o.year, 1, 1) + timedelta(days=wanted[0])
    demand(first, np.zeros(buses))
    for back in range(SPIN_UP, 0, -1):
        _charge(o, cars, first - timedelta(days=back), load, charging)
    owed = float(cars.owed.sum())
    stored = _Stored(o, power, weather, shapes)  # stores begin with the first day
    for number in wanted:
        day = date(o.year, 1, 1) + timedelta(days=number)
        began = time.process_time()
        outdoors, sun_of_day = demand(day, curtailed)
        charging[:] = 0.0
        _charge(o, cars, day, load, charging)
        load += charging
        energy["charging"] += float(charging.sum()) / o.steps_per_hour / 1e3
        energy["driven"] += float(cars.energy.sum()) / 1e3
        now = time.process_time()
        seconds["demand"] += now - began
        hunting = None
        if inverters.at.size and sun_of_day.any():
            held, hunting = inverters.answer(source, sun_of_day, load, reactive, scratch)
            back = held.sum(axis=1) / o.steps_per_hour
            curtailed[inverters.at] += back
            energy["held_back"] += float(back.sum()) / 1e3
        forest.solve(out, source, load, reactive, scale=KW_TO_PU, tolerance=o.tolerance, scratch=scratch)
        if hunting is not None:
            inverters.drop(out, hunting)
        began = time.process_time()
        seconds["flow"] += began - now
        record.add(out.loading, out.magnitude, hours, outdoors)
        unserved(out.status, load, forest.block_of_bus, hours / 1e3, forest.is_source, lost)
        _add_up(energy, status, forest, out, source, load, o.steps_per_hour)
        seconds["congestion"] += time.process_time() - began
    table = record.table(forest.branch, power.sizes["branch"])
    text = {"units": "MW h", "long_name": "energy of load in steps and at buses without supply"}
    table["unserved"] = "bus", lost, text
    table["pv_curtailed"] = (
        "bus",
        curtailed / 1e3,
        {"units": "MW h", "long_name": "held back by the feed-in limit and the inverters"},
    )
    for name in ("branch_id", "branch_kind", "bus_id"):
        table[name] = power[name].variable
    return table.assign_attrs(
        hours=float(len(wanted) * 24), steps=len(wanted) * lanes, buses=buses, cars=len(cars.car),
        seconds=seconds, status_counts=status, **{f"{k}_mwh": v for k, v in energy.items()},
        owed_change_mwh=(float(cars.owed.sum()) - owed) / 1e3, strategy=o.strategy,
        note="kilometres of cars are declared, not those of the traffic kernel; cars keep standard time all year; "
        "plans of new homes' heat pumps see the load without cars",
    )  # fmt: skip


def _signal(o: YearOptions, load: np.ndarray) -> np.ndarray:
    """What charging follows, over the day and one more."""
    lanes = load.shape[1]
    if o.strategy == "delayed":
        hour = np.arange(2 * lanes) // o.steps_per_hour % 24
        return np.isin(hour, list(EVENING)).astype(np.float64)
    if o.strategy == "price_following":
        return np.tile(load.sum(axis=0), 2)
    return np.zeros(2 * lanes)


def _charge(o: YearOptions, cars: _Cars, day: date, load: np.ndarray, charging: np.ndarray) -> None:
    """A day of all cars, beside the ``load`` (bus, lane) [kW] of the day without them."""
    types = np.array([max(d.weekday() - 4, 0) for d in (day - timedelta(days=1), day)])
    arrive, leave = stay_hours(AWAY, BACK)
    stay = np.zeros((len(KINDS), 2))
    stay[PUBLIC] = PUBLIC_STAY
    share = np.repeat((AWAY + BACK)[types[1]], o.steps_per_hour)
    share /= share.sum()
    number = day.toordinal()
    if o.strategy != "grid_aware":
        charge_day(
            number, o.seed, types, cars.start, cars.kind, cars.car, cars.power, cars.weight, cars.energy, share,
            _signal(o, load), arrive, leave, stay, o.reach, cars.owed, cars.plugged, charging,
        )  # fmt: skip
        return
    lanes, hours = load.shape[1], 1.0 / o.steps_per_hour
    station = np.zeros((len(cars.group_start) - 1, 2 * lanes))  # tomorrow is foreseen as today
    np.add.at(station[:, :lanes], cars.group, load)
    station[:, lanes:] = station[:, :lanes]
    ordered, due, room = np.empty((3, lanes))
    for k in range(lanes):
        cars.owed += cars.energy * share[k]
        plug_in(
            number, k * hours, hours, o.seed, types, cars.kind, cars.car, arrive, leave, stay, o.reach, cars.owed,
            cars.plugged, cars.since, cars.until,
        )  # fmt: skip
        charge_to_level(
            cars.group_start, station[:, k : k + lanes], hours, cars.power, cars.weight, cars.since, cars.until,
            cars.owed, 0.0, ordered, due, room, cars.charged,
        )  # fmt: skip
        charging[:, k] = np.bincount(cars.bus, cars.weight * cars.charged, minlength=len(charging)) / hours


def _add_up(
    energy: dict[str, float], status: np.ndarray, forest: Forest, out: ForestSolution, source: np.ndarray,
    load: np.ndarray, steps_per_hour: int,
) -> None:  # fmt: skip
    """Energy of load and losses in solved feeders, and the count of feeder-steps by status."""
    status += np.bincount(out.status.ravel(), minlength=len(status))
    voltage = source[forest.root]
    given = (voltage * np.conj(out.source_real + 1j * out.source_imag)).real / KW_TO_PU  # (block, lane) kW
    taken = np.zeros(given.shape)
    blocks = np.flatnonzero(np.diff(forest.block_start))
    if len(blocks):
        taken[blocks] = np.add.reduceat(load[forest.order], forest.block_start[:-1][blocks], axis=0)
    solved = out.status == OK
    energy["load"] += float(taken[solved].sum()) / steps_per_hour / 1e3
    energy["losses"] += float((given - taken)[solved].sum()) / steps_per_hour / 1e3

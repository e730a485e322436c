"""Charging of electric cars: sessions of single cars, with energy from the kilometres driven on assigned paths."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import Field, model_validator
from scipy.spatial import cKDTree

from kernels.power.counter import uniforms
from kernels.power.demand import HOURS, home_distance, home_ends
from kernels.power.sessions import (
    HOME,
    KINDS,
    PUBLIC,
    WORK,
    charge_as_expected,
    charge_by_signal,
    expect_sessions,
    plug_in,
    stay_hours,
)
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.components.profile_rows import hour_of_year
from twin.components.residents import Residents
from twin.errors import ConfigError, DataError
from twin.world.feeders import stations_of

__all__ = ["Charging", "Strategy"]

Strategy = Literal["uncontrolled", "delayed", "price_following", "grid_aware"]
EVENING = range(7, 22)  # local hours in which delayed charging waits [A: the Dutch low tariff begins at 22 or 23]
SEASONAL_COP = 3.0  # of heat pumps, in the forecast of a station's load only [A]
PUBLIC_STAY = (1.0, 4.0)  # h at a public charger [A]
SECONDS_OF_DAY, LEAST_STEP = 86_400, 900  # s; meters are read by quarter-hours
PLACES, KIND, POWER, WORKPLACE = range(4)  # streams of the counter
FURTHER = 1 << 24  # between the numbers of cars of the same origin in one quarter and the next


class Charging(Component):
    """Electric kilometres of each origin's residents become energy owed by their cars, and then load on buses.

    The electric cars of an origin share its kilometres, times energy per km over the charging efficiency. Each car
    charges at its own place: at home, at a public charger near home, or at work, on a bus near an origin that its
    origin's trips go to. It comes and goes once a day at hours drawn from the hours of the trips; what it has not
    charged it owes, so that driven = charged + outside + change of owed. Of an origin's cars the part of its homes
    that is on the network charges on it, the rest outside: booked, never dropped. Residents of new quarters charge
    at their own homes, from their own kilometres.

    Strategies: ``uncontrolled`` at once; ``delayed`` to the night; ``price_following`` in the hours of the stay with
    the lowest forecast load of the whole province, which stands for a price; ``grid_aware`` in the valleys of the
    forecast load of the car's own transformer, planned anew every hour. All leave each car what its departure asks;
    grid_aware may leave it up to ``spare`` short, over its next stay.
    The load of a transformer without charging and without shifts of heat is foreseen as metered at the same hour a day
    ago; on the first day as its yearly energies and profiles have it. With grid_aware, cars that are not there are
    expected to come, stay and ask for energy as at their last stay.
    """

    leaves_out = (
        "fast charging on the way; cars from outside that charge at work inside, and the other way round; batteries "
        "that feed back; consumption by temperature and speed; market prices"
    )

    class Options(ComponentOptions):
        """Declared values with their source."""

        kwh_per_km: float = Field(default=0.20, gt=0)  # at the battery (joostdevree.nl, laadpaal)
        efficiency: float = Field(default=0.90, gt=0, le=1)  # battery over plug
        strategy: Strategy = "uncontrolled"
        trips_per_car: float = Field(default=2.5, gt=0)  # of a car on a working day [A]; turns trips into cars
        # share of cars at home, public, work: two thirds of owners have a charger at home (Multiscope 2021)
        charges_at: tuple[float, float, float] = (0.70, 0.15, 0.15)
        reach: float = Field(default=20.0, ge=0)  # kWh; a car plugs in from an energy owed, drawn daily up to this [A]
        spare: float = Field(default=0.0, ge=0)  # kWh; grid_aware: what a car may leave with, owed to its next stay
        powers: tuple[float, ...] = (3.7, 7.4, 11.0)  # kW: one phase of 16 and 32 A, three of 16 A (nu.nl 2018)
        home_powers: tuple[float, ...] = (0.25, 0.25, 0.50)  # share of home chargers [A]; elsewhere the strongest

        @model_validator(mode="after")
        def _shares(self) -> "Charging.Options":
            for name in ("charges_at", "home_powers"):
                shares = getattr(self, name)
                if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
                    raise ValueError(f"{name}: shares from 0 that add up to 1 are wanted")
            if len(self.powers) != len(self.home_powers) or min(self.powers) <= 0:
                raise ValueError("powers: one above zero for each share of home_powers")
            return self

    trips = In("trips", ("vehicle_class", "origin", "destination"), "h-1")
    distance = In("trip_distance", ("origin", "destination"), "km")
    load = In("bus_load", ("bus",), "kW", lag=True)  # metered in the step before
    heat_shift = In("heat_pump_shift", ("bus",), "kW", lag=True)
    hourly_share = Static("zones/hourly_share", ("day_type", "vehicle_class", "hour", "period"), "1")
    all_trips = Static("zones/trips", ("period", "vehicle_class", "origin", "destination"), "1")
    home_share = Static("zones/home_share", ("period",), "1")
    bev_share = Static("zones/bev_share", ("origin",), "1")
    inside = Static("zones/inside", ("origin",), "1")
    origin_node = Static("zones/origin_node", ("origin",), "1")
    node_x = Static("roads/node_x", ("road_node",), "m")
    node_y = Static("roads/node_y", ("road_node",), "m")
    bus_x = Static("power/bus_x", ("bus",), "m")
    bus_y = Static("power/bus_y", ("bus",), "m")
    charge_origin = Static("power/charge_origin", ("charge",), "1")
    charge_bus = Static("power/charge_bus", ("charge",), "1")
    charge_share = Static("power/charge_share", ("charge",), "1")
    branch_from = Static("power/branch_from", ("branch",), "1")
    branch_to = Static("power/branch_to", ("branch",), "1")
    branch_kind = Static("power/branch_kind", ("branch",), "1")
    household_energy = Static("power/household_energy", ("bus",), "kWh yr-1")
    heat_demand = Static("power/heat_demand", ("bus",), "kWh yr-1")
    service_energy = Static("power/service_energy", ("bus",), "kWh yr-1")
    industry_energy = Static("power/industry_energy", ("bus",), "kWh yr-1")
    profile_household = Static("power/profile_household", ("profile_hour",), "1")
    profile_service = Static("power/profile_service", ("profile_hour",), "1")
    profile_industry = Static("power/profile_industry", ("profile_hour",), "1")
    profile_heat = Static("power/profile_heat", ("profile_hour",), "1")

    ev_distance = Out(
        "ev_distance", ("origin",), "km", "electric kilometres of residents in the step", cell_methods="time: sum"
    )
    ev_fraction = Out("ev_fraction", (), "1", "electric share of light vehicle-kilometres")
    power = Out("charging_power", ("bus",), "kW", "charging of electric cars")
    outside = Out(
        "charging_outside", ("origin",), "kWh", "charged outside the network in the step", cell_methods="time: sum"
    )
    owed = Out("charging_owed", (), "kWh", "energy that all cars owe", cell_methods="time: point")

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Check that every inside origin's charging lands somewhere, and only once; give each car its place."""
        n = len(s.bev_share)
        landed = np.bincount(s.charge_origin, s.charge_share, minlength=n)
        wrong = (s.inside == 1) & ~((landed > 0) & (landed <= 1 + 1e-9))
        if wrong.any():
            raise DataError(
                f"power: charge_share of origin {int(np.argmax(wrong))} adds up to {landed[wrong][0]:.6g}, not to 1 or "
                f"the part of its homes on the network; share the charging of each inside origin over buses"
            )
        self._on_network = np.where(s.inside == 1, np.minimum(landed, 1.0), 0.0)
        # trips of each period per day type and hour decide at which end the hour's trips are at home
        self._period_trips = s.all_trips[:, 0].sum(axis=(1, 2))
        self._residents = Residents(world)
        self._driven = np.zeros(n + len(self._residents))  # kWh, of origins and of rows of new residents
        self._light = np.zeros(s.all_trips.shape[2:])
        self._place_cars(s, world)
        there = s.hourly_share[:, 0] * self._period_trips
        self._arrive, self._leave = stay_hours(there @ s.home_share, there @ (1.0 - s.home_share))
        self._stay = np.zeros((len(KINDS), 2))
        self._stay[PUBLIC] = PUBLIC_STAY
        self._forecast_loads(s)

    def _place_cars(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Cars of each owner: home-end trips over trips per car, or what new residents own, times the electric share.

        The last car of an owner counts in part. Owners are the origins, with the part of their homes that is on the
        network, and behind them the rows of new
        residents. What a car is follows from its owner and number alone, so that more cars leave the others as they
        are. The cars of new residents are dealt over their homes in the order in which these are filled.
        """
        o, new = self.options, self._residents
        n = len(s.bev_share)
        light = new.without(s.all_trips[:, 0])
        cars = np.r_[home_ends(light, s.home_share) / o.trips_per_car * self._on_network, new.cars]
        self._cars = cars * np.r_[s.bev_share, new.bev_share]
        slots = np.ceil(self._cars).astype(np.int64)
        owner = np.repeat(np.arange(len(slots)), slots)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(slots) - slots, slots)
        weight = np.minimum(self._cars[owner] - number, 1.0)
        origin = np.r_[np.arange(n), new.origin][owner]
        name = number.copy()  # of the car in the counter
        name[owner >= n] += (1 + new.quarter[owner[owner >= n] - n]) * np.int64(FURTHER)
        place, kind_of, power_of = (np.empty(len(owner)) for _ in range(3))
        for stream, out in ((PLACES, place), (KIND, kind_of), (POWER, power_of)):
            uniforms(origin, name, stream, out)
        kind = np.searchsorted(np.cumsum(o.charges_at)[:-1], kind_of, side="right")
        power = np.array(o.powers)[np.searchsorted(np.cumsum(o.home_powers)[:-1], power_of, side="right")]
        power[kind != HOME] = max(o.powers)
        old = owner < n
        bus = np.empty(len(owner), np.int64)
        bus[old] = self._by_share(s.charge_origin, s.charge_bus, s.charge_share, origin[old], place[old])
        dealt = (number + 0.5 * weight) / np.where(self._cars > 0, self._cars, 1.0)[owner]
        bus[~old] = self._at_home(world, new.quarter[owner[~old] - n], dealt[~old])
        self._send_to_work(s, light, origin, name, place, kind, bus)
        heads, group = stations_of(len(s.household_energy), s.branch_from, s.branch_to, s.branch_kind)
        order = np.lexsort((number, owner, bus, group[bus]))
        self._owner, self._bus = owner[order], bus[order]
        self._kind, self._power, self._weight = kind[order], power[order], weight[order]
        self._car = origin[order] * np.int64(1 << 32) + name[order]
        self._group = group
        self._group_start = np.searchsorted(group[self._bus], np.arange(len(heads) + 1))
        cars = len(self._car)
        self._owed, self._plugged = np.zeros(cars), np.zeros(cars, np.int8)
        self._since, self._until, self._charged, self._before, self._driven_later = (np.zeros(cars) for _ in range(5))
        # what each car is expected to do, as at its last stay: hours until it comes, length of the stay, energy
        self._ahead, self._length, self._takes = np.full(cars, np.inf), np.zeros(cars), np.zeros(cars)

    @staticmethod
    def _at_home(world: xr.DataTree, quarter: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Bus of each car of a ``quarter`` (car) at the place ``u`` (car) among its homes."""
        if not len(quarter):
            return np.zeros(0, np.int64)
        power = world["power"].ds
        row = power["new_home_quarter"].values
        return Charging._by_share(row, power["new_home_bus"].values, power["new_home_count"].values, quarter, u)

    @staticmethod
    def _by_share(
        row_origin: np.ndarray, row_bus: np.ndarray, row_share: np.ndarray, origin: np.ndarray, u: np.ndarray
    ) -> np.ndarray:
        """Bus of each car of ``origin`` (car) at the place ``u`` (car) in the shares of its origin's rows."""
        order = np.argsort(row_origin, kind="stable")
        first = np.searchsorted(row_origin[order], np.arange(row_origin.max(initial=-1) + 2))
        total = np.r_[0.0, np.cumsum(row_share[order])]
        a, b = first[origin], first[origin + 1]
        wanted = total[a] + u * (total[b] - total[a])
        return row_bus[order][np.clip(np.searchsorted(total, wanted, side="right") - 1, a, b - 1)]

    def _send_to_work(
        self, s: SimpleNamespace, light: np.ndarray, origin: np.ndarray, number: np.ndarray, u: np.ndarray,
        kind: np.ndarray, bus: np.ndarray,
    ) -> None:  # fmt: skip
        """Cars that charge at work: a bus with jobs near a destination of their origin's trips; in place."""
        energy = s.service_energy + s.industry_energy
        work = np.flatnonzero(energy > 0)
        inside = np.flatnonzero(s.inside)
        if not len(work) or not len(inside):
            kind[kind == WORK] = PUBLIC
            return
        node = s.origin_node[inside]
        near = cKDTree(np.column_stack((s.node_x[node], s.node_y[node])))
        nearest = inside[near.query(np.column_stack((s.bus_x[work], s.bus_y[work])))[1]]
        between = light.sum(axis=0)
        between = between + between.T
        employs = np.isin(np.arange(len(s.inside)), nearest)
        destination = np.empty(len(origin), np.int64)
        for o in np.unique(origin[kind == WORK]):
            mine = np.flatnonzero((origin == o) & (kind == WORK))
            total = np.cumsum(np.where(employs, between[o], 0.0))
            if total[-1] <= 0:  # no trips to any workplace inside
                kind[mine] = PUBLIC
                continue
            destination[mine] = np.searchsorted(total, u[mine] * total[-1], side="right")
        mine = np.flatnonzero(kind == WORK)
        spread = np.empty(len(mine))
        uniforms(origin[mine], number[mine], WORKPLACE, spread)
        bus[mine] = self._by_share(nearest, work, energy[work], destination[mine], spread)

    def _forecast_loads(self, s: SimpleNamespace) -> None:
        """Yearly energies behind each station, and the profiles they follow; no weather is foreseen."""
        energies = (s.household_energy, s.service_energy, s.industry_energy, s.heat_demand / SEASONAL_COP)
        groups = len(self._group_start) - 1
        self._energy = np.column_stack([np.bincount(self._group, e, minlength=groups) for e in energies])
        self._profiles = np.stack((s.profile_household, s.profile_service, s.profile_industry, s.profile_heat))
        self._forecast = np.zeros((groups, HOURS))
        self._scratch = np.zeros((3, HOURS))
        self._come, self._go = np.zeros((2, groups, HOURS))
        self._metered = np.full((groups, SECONDS_OF_DAY // LEAST_STEP), np.nan)
        self._before_charging = np.full(len(s.household_energy), np.nan)

    def _meter(self, s: SimpleNamespace, clock: Moment) -> None:
        """Enter the load of the step before, less what was put off in it, at its time of the day."""
        if np.isnan(self._before_charging[:1]).any():
            return
        slot = _slot(clock.start - timedelta(seconds=clock.seconds))
        groups = len(self._metered)
        self._metered[:, slot : slot + clock.seconds // LEAST_STEP] = np.bincount(
            self._group, s.load - self._before_charging - s.heat_shift, minlength=groups
        )[:, None]

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Book the hour's electric kilometres and charge what is owed."""
        o = self.options
        local = clock.local
        if clock.hours > 1:
            raise ConfigError(f"component charging: every = {clock.seconds} s; sessions need steps of an hour or less")
        day_type = max(local.weekday() - 4, 0)
        self._drive(s, clock)
        self._before[:] = self._owed + self._driven_later
        per_car = np.divide(self._driven, self._cars, out=np.zeros_like(self._driven), where=self._cars > 0)
        share, stands = per_car[self._owner], self._plugged == 1
        self._driven_later[stands] += share[stands]  # a car drives its part of the hour's kilometres once it has left
        self._owed[~stands] += share[~stands]
        yesterday = max((local.weekday() - 1) % 7 - 4, 0)
        plug_in(
            local.toordinal(), local.hour + local.minute / 60, clock.hours, clock.seed,
            np.array((yesterday, day_type)), self._kind, self._car, self._arrive, self._leave, self._stay, o.reach,
            self._owed, self._plugged, self._since, self._until,
        )  # fmt: skip
        left = self._plugged == 0
        self._owed[left] += self._driven_later[left]
        self._driven_later[left] = 0.0
        self._remember(stands, clock.hours)
        self._meter(s, clock)
        self._charge(clock)
        s.power[:] = np.bincount(self._bus, self._weight * self._charged, minlength=len(s.power))
        inside = float(s.power.sum())
        s.power /= clock.hours
        now = self._owed + self._driven_later
        s.owed[...] = float(now @ self._weight)
        self._before_charging[:] = s.power
        clock.ledger.balance(
            "charging_energy",
            inflow=float(s.ev_distance.sum()) * o.kwh_per_km / o.efficiency,
            outflow=inside + float(s.outside.sum()),
            change=float((now - self._before) @ self._weight),
            units="kWh",
        )
        clock.ledger.give("charging_energy", inside, "kWh")

    def _drive(self, s: SimpleNamespace, clock: Moment) -> None:
        """Electric kilometres of the hour by origin, and what they take from the plug by owner."""
        local = clock.local
        weights = s.hourly_share[max(local.weekday() - 4, 0), 0, local.hour] * self._period_trips
        home = float(weights @ s.home_share / weights.sum()) if weights.sum() > 0 else 0.5
        np.multiply(s.trips[0], clock.hours, out=self._light)
        home_distance(self._light, s.distance, home, s.ev_distance)
        total = float(s.ev_distance.sum())
        clock.ledger.take("light_distance", total, "km")
        n, new, need = len(s.ev_distance), self._residents, self.options.kwh_per_km / self.options.efficiency
        if len(new):
            out, back = (clock.hours * trips for trips in new.hour(local))
            theirs = new.book(out, back, s.distance, home, s.ev_distance) * new.bev_share
        s.ev_distance *= s.bev_share
        np.multiply(s.ev_distance, need * self._on_network, out=self._driven[:n])
        s.outside[:] = need * s.ev_distance - self._driven[:n]
        np.add(s.outside, self._driven[:n], out=s.outside, where=self._cars[:n] == 0)
        if len(new):
            np.multiply(theirs, need, out=self._driven[n:])
            np.add.at(s.ev_distance, new.origin, theirs)
        s.ev_fraction[...] = float(s.ev_distance.sum()) / total if total > 0 else 0.0

    def _remember(self, stood: np.ndarray, hours: float) -> None:
        """Keep what each car that comes asks for: so it is expected a day later, once."""
        self._ahead -= hours
        self._ahead[self._ahead < 0] = np.inf
        comes = ~stood & (self._plugged == 1)
        self._ahead[comes] = self._since[comes] + HOURS
        self._length[comes] = self._until[comes] - self._since[comes]
        self._takes[comes] = np.minimum(self._owed[comes], self._power[comes] * self._length[comes])

    def _charge(self, clock: Moment) -> None:
        """Charge the plugged cars by the strategy."""
        o = self.options
        ahead = int((2 if o.strategy == "grid_aware" and o.spare > 0 else 1) * HOURS / clock.hours)
        later = [timedelta(hours=k * clock.hours) for k in range(ahead)]
        if o.strategy in {"grid_aware", "price_following"}:
            if self._forecast.shape[1] != ahead:
                self._forecast, self._scratch = np.zeros((len(self._energy), ahead)), np.zeros((3, ahead))
                self._come, self._go = np.zeros((2, len(self._energy), ahead))
            rows = [hour_of_year(t.month, t.day, t.hour) for t in (clock.standard + dt for dt in later)]
            np.matmul(self._energy, self._profiles[:, rows], out=self._forecast)
            known = self._metered[:, [_slot(clock.start + dt) for dt in later]]
            np.copyto(self._forecast, known, where=np.isfinite(known))
        if o.strategy == "grid_aware":
            expect_sessions(
                self._group_start, clock.hours, self._weight, self._ahead, self._length, self._takes, self._come,
                self._go,
            )  # fmt: skip
            charge_as_expected(
                self._group_start, self._forecast, clock.hours, self._power, self._weight, self._since, self._until,
                self._owed, o.spare, self._come, self._go, *self._scratch, self._charged,
            )  # fmt: skip
            return
        signal = np.zeros(ahead)
        if o.strategy == "delayed":
            signal[:] = [float((clock.local + dt).hour in EVENING) for dt in later]
        elif o.strategy == "price_following":
            signal = self._forecast.sum(axis=0)
        charge_by_signal(signal, clock.hours, self._power, self._since, self._until, self._owed, self._charged)

    def state(self) -> dict[str, np.ndarray]:
        """Energy owed by each car, and for what it drives next; whether it is plugged in; load metered in a day."""
        return {
            "owed": self._owed, "driven_later": self._driven_later, "plugged": self._plugged, "metered": self._metered,
            "before_charging": self._before_charging, "ahead": self._ahead, "length": self._length,
            "takes": self._takes,
        }  # fmt: skip


def _slot(when: datetime) -> int:
    """Reading of the day's meter that holds a time."""
    return (when.hour * 3600 + when.minute * 60 + when.second) // LEAST_STEP

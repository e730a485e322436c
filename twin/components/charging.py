"""Charging of electric cars: energy from the kilometres that were really driven on the assigned paths."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import Field

from kernels.power.demand import HOURS, charge, charge_in_valleys, home_distance
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.components.demand import hour_of_year
from twin.errors import DataError

__all__ = ["Charging"]

# Share of parked cars with energy owed that are plugged in, by local hour [A]: most at home at night, some at work.
UNCONTROLLED = (0.9,) * 7 + (0.6,) + (0.4,) * 8 + (0.55, 0.75) + (0.9,) * 6
# As above, but home chargers wait until 22:00 local time.
DELAYED = (0.9,) * 7 + (0.4,) + (0.25,) * 8 + (0.1,) * 6 + (0.9,) * 2
AVAILABILITY = {"uncontrolled": UNCONTROLLED, "delayed": DELAYED, "grid_aware": UNCONTROLLED}
DEADLINE = 7  # local hour by which grid-aware charging is done [A: departure to work]
SEASONAL_COP = 3.0  # of heat pumps, in the forecast of a station's load only [A]


class Charging(Component):
    """Electric kilometres of each origin's residents become energy owed, and then load on their buses.

    Energy per km times assigned km, over the charging efficiency; what is not yet charged stays owed, so that
    driven = charged + outside + change of owed. Cars whose home lies outside the modelled area charge outside:
    booked, never dropped.

    ``grid_aware``: the cars behind one transformer charge in the valleys of that transformer's forecast load (yearly
    energies times profiles, no weather) up to the morning's deadline, planned anew every hour.
    """

    leaves_out = (
        "single sessions and their power limits (a mean session length instead); public fast charging on the way; "
        "batteries that feed back; consumption by temperature and speed"
    )

    class Options(ComponentOptions):
        """Declared values with their source."""

        kwh_per_km: float = Field(default=0.20, gt=0)  # at the battery; order of Dutch fleet statistics
        efficiency: float = Field(default=0.90, gt=0, le=1)  # battery over plug
        session_hours: float = Field(default=2.5, gt=0)  # mean time that charging of a day's distance takes
        strategy: Literal["uncontrolled", "delayed", "grid_aware"] = "uncontrolled"

    trips = In("trips", ("vehicle_class", "origin", "destination"), "h-1")
    distance = In("trip_distance", ("origin", "destination"), "km")
    hourly_share = Static("zones/hourly_share", ("day_type", "vehicle_class", "hour", "period"), "1")
    all_trips = Static("zones/trips", ("period", "vehicle_class", "origin", "destination"), "1")
    home_share = Static("zones/home_share", ("period",), "1")
    bev_share = Static("zones/bev_share", ("origin",), "1")
    inside = Static("zones/inside", ("origin",), "1")
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

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Check that every inside origin's charging lands somewhere, and only once."""
        n = len(s.bev_share)
        landed = np.bincount(s.charge_origin, s.charge_share, minlength=n)
        wrong = (s.inside == 1) & (np.abs(landed - 1) > 1e-9)
        if wrong.any():
            raise DataError(
                f"power: charge_share of origin {int(np.argmax(wrong))} adds up to {landed[wrong][0]:.6g}, not 1; "
                f"share the charging of each inside origin over buses"
            )
        # trips of each period per day type and hour decide at which end the hour's trips are at home
        self._period_trips = s.all_trips[:, 0].sum(axis=(1, 2))
        self._driven, self._charged, self._owed = np.zeros(n), np.zeros(n), np.zeros(n)
        self._light = np.zeros(s.distance.shape)
        self._group_stations(s)

    def _group_stations(self, s: SimpleNamespace) -> None:
        """Rows of charging by the transformer they are behind, and the yearly energies of that transformer."""
        buses = len(s.household_energy)
        above, by_line = np.full(buses, -1), np.zeros(buses, bool)
        above[s.branch_to] = s.branch_from
        by_line[s.branch_to] = s.branch_kind == 0
        station = np.arange(buses)
        while True:  # one branch towards the source per round, until a transformer or a source
            climbs = by_line[station] & (above[station] >= 0)
            if not climbs.any():
                break
            station = np.where(climbs, above[station], station)
        found, group = np.unique(station[s.charge_bus], return_inverse=True)
        self._rows = np.argsort(group, kind="stable")
        self._group_start = np.searchsorted(group[self._rows], np.arange(len(found) + 1))
        energies = (s.household_energy, s.service_energy, s.industry_energy, s.heat_demand / SEASONAL_COP)
        # (group, kind of use) [kWh/yr]
        self._energy = np.column_stack([np.bincount(station, e, minlength=buses)[found] for e in energies])
        self._profiles = np.stack((s.profile_household, s.profile_service, s.profile_industry, s.profile_heat))
        self._forecast = np.zeros((len(found), HOURS))
        self._level = np.zeros(HOURS)
        self._row_owed, self._row_driven, self._row_charged = (np.zeros(len(group)) for _ in range(3))
        self._aside = s.inside == 0

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Book the hour's electric kilometres and charge what is owed."""
        o = self.options
        local = clock.local
        day_type = max(local.weekday() - 4, 0)
        weights = s.hourly_share[day_type, 0, local.hour] * self._period_trips
        home = float(weights @ s.home_share / weights.sum()) if weights.sum() > 0 else 0.5
        np.multiply(s.trips[0], clock.hours, out=self._light)
        home_distance(self._light, s.distance, home, s.ev_distance)
        total = float(s.ev_distance.sum())
        clock.ledger.take("light_distance", total, "km")
        s.ev_distance *= s.bev_share
        s.ev_fraction[...] = float(s.ev_distance.sum()) / total if total > 0 else 0.0
        np.multiply(s.ev_distance, o.kwh_per_km / o.efficiency, out=self._driven)
        before = float(self._owed.sum() + self._row_owed.sum())
        availability = AVAILABILITY[o.strategy][local.hour]
        if o.strategy == "grid_aware":
            self._charge_in_valleys(s, clock, availability)
        else:
            charge(self._owed, self._driven, availability, clock.hours, o.session_hours, self._charged)
            landed = self._charged[s.charge_origin] * s.charge_share
            s.power[:] = np.bincount(s.charge_bus, landed, minlength=len(s.power))
        inside = float(s.power.sum())
        outside = float(self._charged[s.inside == 0].sum())
        s.power /= clock.hours
        clock.ledger.balance(
            "charging_energy",
            inflow=float(s.ev_distance.sum()) * o.kwh_per_km / o.efficiency,
            outflow=inside + outside,
            change=float(self._owed.sum() + self._row_owed.sum()) - before,
            units="kWh",
        )
        clock.ledger.give("charging_energy", inside, "kWh")

    def _charge_in_valleys(self, s: SimpleNamespace, clock: Moment, availability: float) -> None:
        """Inside origins charge bus by bus in the valleys of their transformer, the others as they come."""
        o, rows = self.options, self._rows
        ahead = (DEADLINE - clock.local.hour - 1) % HOURS + 1
        for k in range(ahead):
            then = clock.standard + timedelta(hours=k)
            row = hour_of_year(then.month, then.day, then.hour)
            self._forecast[:, k] = self._energy @ self._profiles[:, row]
        np.multiply(self._driven[s.charge_origin[rows]], s.charge_share[rows], out=self._row_driven)
        share = 1.0 - np.exp(-availability * clock.hours / o.session_hours)
        charge_in_valleys(
            self._row_owed, self._row_driven, self._group_start, self._forecast[:, :ahead], share, clock.hours,
            self._level, self._row_charged,
        )  # fmt: skip
        s.power[:] = np.bincount(s.charge_bus[rows], self._row_charged, minlength=len(s.power))
        self._driven[~self._aside] = 0.0
        charge(self._owed, self._driven, availability, clock.hours, o.session_hours, self._charged)

    def state(self) -> dict[str, np.ndarray]:
        """Energy owed, by origin and (grid-aware) by row of charging."""
        return {"owed": self._owed, "row_owed": self._row_owed}

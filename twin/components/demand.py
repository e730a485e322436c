"""Electricity demand of every bus: homes, heat pumps, charging, work, less what the sun gives."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pyproj
import xarray as xr
from pydantic import Field, model_validator

from kernels.power.battery import keep_below, store_surplus
from kernels.power.demand import HOURS, diversity
from kernels.power.heat import COP_CURVES, cop_by_lift, run_evenly
from kernels.power.solar import plane_of_array, pv_power, sun
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.components.new_building import NewBuilding, electricity_per_heat
from twin.components.profile_rows import hour_of_year

__all__ = ["Demand", "cop_of_homes"]

BEYOND = ("household_energy", "heat_demand", "service_energy", "industry_energy", "pv_capacity")


class Demand(Component):
    """Load of each bus in the hour, from yearly energy and shape, temperature and sun.

    Homes: yearly energy times the hour's share, with the diversity of few homes. Heat pumps: heat of the hour over
    the COP at the outdoor temperature, evened out as far as the buildings' mass allows where ``heat_inertia`` is
    given. New building (``floor_heat_demand``, ``hot_water_demand``): rooms by the degrees below the heating limit of
    the weather itself, floors that give their heat over days, hot water by its own profile and COP; with
    ``building_mass`` and ``hot_water_tank`` their pumps fill the valleys of their bus's load, planned over two days
    (:mod:`twin.components.new_building`). Photovoltaics: global radiation on the planes of
    the roofs, panel temperature, inverter and feed-in limit;
    what the limit holds back is booked as curtailed. Batteries, where ``battery`` is given, stand with the panels.
    """

    leaves_out = (
        "shade, snow and soiling that changes; the profiles are those of their own calendar year whatever the year of "
        "the run; curtailment by voltage (the feed-in limit is fixed); ageing and standby of batteries"
    )

    class Options(ComponentOptions):
        """Declared values with their source."""

        spread: float = Field(
            default=2.1, ge=0
        )  # coefficient of variation of one home's hour; coincidence 2 kW at 10, 1 kW at 180 homes
        cop: Literal["linear", "air", "ground", "water"] = "linear"  # the other three by lift (when2heat)
        cop_base: float = 2.6  # linear: air-source COP at 0 degC, and its slope per degree: order of field trials
        cop_slope: float = 0.09
        cop_least: float = Field(default=1.6, ge=1)
        cop_most: float = 5.0
        sink: Literal["radiator", "floor"] = "radiator"  # of the curves by lift: 40 - T or 30 - T / 2 degC
        ground_temperature: float = 10.0  # degC, soil at the depth of the probes; water sources hold the same
        bivalence: float = -7.0  # degC
        heat_inertia: float = Field(default=0.0, ge=0)  # kWh of heat that the mass of one home may lend; 0 for none
        heat_memory: float = Field(default=24.0, gt=0)  # h over which pumps then even out their heat
        # new building: outdoor temperature up to which it is heated, assumed (VDI 4655: 15 degC for all homes)
        heating_limit: float = 12.0
        design_temperature: float = -10.0  # degC, for which new homes' heat pumps are chosen (ISSO 51; kubr.nl 2025)
        building_mass: float = Field(
            default=0.0, ge=0
        )  # kWh of heat that a new home may lend; its pump then fills valleys
        # of new homes: share of pumps with heat from the ground, not from air; share of the heat of 22 to 5 h UTC that
        # is given in the three hours after it
        ground_share: float = Field(default=0.0, ge=0, le=1)
        night_setback: float = Field(default=0.0, ge=0, le=1)
        hot_water_sink: float = 50.0  # degC (when2heat)
        hot_water_tank: float = Field(default=0.0, ge=0)  # kWh of heat that the tank of one home may lend; 0 for none
        roofs: tuple[tuple[float, float, float], ...] = (  # azimuth and tilt [degree], share of the panels [A]
            (90.0, 35.0, 0.20),
            (135.0, 35.0, 0.20),
            (180.0, 35.0, 0.25),
            (225.0, 35.0, 0.20),
            (270.0, 35.0, 0.15),
        )
        system: float = Field(default=0.826, gt=0, le=1)  # 14 % wiring, soiling, mismatch, age; inverter 96 % [K]
        inverter: float = Field(default=0.90, gt=0)  # rating per kW of panels; Dutch practice 0.8 to 1
        feed_in_limit: float = Field(default=1.0, ge=0)  # per kW of panels
        battery: float = Field(default=0.0, ge=0)  # kWh per kW of panels
        battery_rate: float = Field(default=0.5, gt=0)  # kW per kWh
        battery_efficiency: float = Field(default=0.95, gt=0, le=1)  # each way
        battery_limit: float | None = Field(default=None, ge=0)  # keep the load below this multiple of the mean load
        power_factor: float = Field(default=0.97, gt=0, le=1)

        @model_validator(mode="after")
        def _roofs(self) -> "Demand.Options":
            if not self.roofs or abs(sum(r[2] for r in self.roofs) - 1) > 1e-9 or min(r[2] for r in self.roofs) < 0:
                raise ValueError("roofs: shares from 0 that add up to 1 are wanted")
            return self

    charging = In("charging_power", ("bus",), "kW")
    bus_x = Static("power/bus_x", ("bus",), "m")
    bus_y = Static("power/bus_y", ("bus",), "m")
    dwellings = Static("power/dwellings", ("bus",), "1")
    household_energy = Static("power/household_energy", ("bus",), "kWh yr-1")
    heat_pumps = Static("power/heat_pumps", ("bus",), "1")
    heat_demand = Static("power/heat_demand", ("bus",), "kWh yr-1")
    pv_capacity = Static("power/pv_capacity", ("bus",), "kW")
    service_energy = Static("power/service_energy", ("bus",), "kWh yr-1")
    industry_energy = Static("power/industry_energy", ("bus",), "kWh yr-1")
    profile_household = Static("power/profile_household", ("profile_hour",), "1")
    profile_service = Static("power/profile_service", ("profile_hour",), "1")
    profile_industry = Static("power/profile_industry", ("profile_hour",), "1")
    profile_heat = Static("power/profile_heat", ("profile_hour",), "1")
    temperature = Static("weather/temperature", ("weather_time",), "degC")
    radiation = Static("weather/global_radiation", ("weather_time",), "W m-2")

    load = Out("bus_load", ("bus",), "kW", "net load: demand and batteries less photovoltaics; with beyond_power")
    reactive = Out("bus_reactive", ("bus",), "kvar", "reactive load")
    household = Out("household_power", ("bus",), "kW", "appliances of homes")
    heat_pump = Out("heat_pump_power", ("bus",), "kW", "heat pumps, with their backup")
    shift = Out(
        "heat_pump_shift", ("bus",), "kW", "of which more or less than the heat of the hour asks for", record=False
    )
    work = Out("work_power", ("bus",), "kW", "services and industry")
    pv = Out("pv_power", ("bus",), "kW", "photovoltaic generation fed in")
    beyond = Out(
        "beyond_power", ("bus",), "kW", "net load at substations of homes and work whose feeders are not laid",
        record=False,
    )  # fmt: skip

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Scratch arrays; the diversity of a day is drawn when the day begins."""
        o, n = self.options, len(s.dwellings)
        self._factor = np.ones((HOURS, n))
        self._day = -1
        self._heat, self._even, self._mean = np.zeros(n), np.zeros(n), np.full(n, np.nan)
        self._lent, self._reserve = np.zeros(n), o.heat_inertia * s.heat_pumps
        self._stored, self._battery, self._capacity = np.zeros(n), np.zeros(n), o.battery * s.pv_capacity
        yearly = s.household_energy + s.service_energy + s.industry_energy
        self._limit = (o.battery_limit or 0.0) * yearly / len(s.profile_household)
        to_degrees = pyproj.Transformer.from_crs(28992, 4326, always_xy=True)
        self._longitude, self._latitude = to_degrees.transform(float(s.bus_x.mean()), float(s.bus_y.mean()))
        self._per_heat = electricity_per_heat(s.temperature, lambda t: cop_of_homes(o, t), o.bivalence)
        power = world["power"].to_dataset()
        self._new = NewBuilding(power, s.temperature, o)
        self._beyond = {k: power[f"beyond_{k}"].values if f"beyond_{k}" in power else np.zeros(n) for k in BEYOND}

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Add up the hour's demand and book it."""
        o = self.options
        standard = clock.standard
        row = hour_of_year(standard.month, standard.day, standard.hour)
        day = standard.toordinal()
        if day != self._day:
            midnight = row - standard.hour
            shape = s.profile_household[midnight : midnight + HOURS]
            diversity(s.dwellings, shape, day, clock.seed, o.spread, self._factor)
            self._day = day
        np.multiply(s.household_energy, s.profile_household[row], out=s.household)
        s.household *= self._factor[standard.hour]
        s.work[:] = s.service_energy * s.profile_service[row] + s.industry_energy * s.profile_industry[row]
        fed, held = self._sun(s, clock)
        np.multiply(s.pv_capacity, fed, out=s.pv)
        self._pump(s, clock, row)
        s.load[:] = s.household + s.heat_pump + s.work + s.charging - s.pv
        self._store(s, clock)
        tangent = np.sqrt(1.0 / o.power_factor**2 - 1.0)
        s.reactive[:] = tangent * (s.household + s.heat_pump + s.work)  # chargers and inverters run at unity
        consumed = self._consumed_beyond(s, clock, row)
        s.beyond[:] = consumed - self._beyond["pv_capacity"] * fed
        s.load += s.beyond
        s.reactive += tangent * consumed
        clock.ledger.take("charging_energy", float(s.charging.sum()) * clock.hours, "kWh")
        clock.ledger.give("bus_energy", float(s.load.sum()) * clock.hours, "kWh")
        if held > 0:
            panels = float(s.pv_capacity.sum() + self._beyond["pv_capacity"].sum())
            clock.ledger.give("pv_curtailed", held * panels * clock.hours, "kWh")

    def _consumed_beyond(self, s: SimpleNamespace, clock: Moment, row: int) -> np.ndarray:
        """Consumption (bus) [kW] where no feeders are laid: the same shapes, without diversity, inertia or charging."""
        b, electric = self._beyond, self._per_heat[clock.hour]
        return np.asarray(
            b["household_energy"] * s.profile_household[row] + b["heat_demand"] * s.profile_heat[row] * electric
            + b["service_energy"] * s.profile_service[row] + b["industry_energy"] * s.profile_industry[row]
        )  # fmt: skip

    def _pump(self, s: SimpleNamespace, clock: Moment, row: int) -> None:
        """Electricity of the heat pumps: of old homes for the hour's heat, of new ones as their plan has it."""
        per_heat = self._per_heat[clock.hour]
        np.multiply(s.heat_demand, s.profile_heat[row], out=self._heat)
        np.multiply(self._heat, per_heat, out=s.shift)  # what is asked for
        heat = self._heat
        if self.options.heat_inertia > 0:
            if np.isnan(self._mean).any():
                self._mean[:] = heat
            run_evenly(heat, clock.hours, self.options.heat_memory, self._reserve, self._mean, self._lent, self._even)
            heat = self._even
        np.multiply(heat, per_heat, out=s.heat_pump)
        new = self._new.bus
        if len(new):
            other = (s.household + s.heat_pump + s.work + s.charging - s.pv)[new]
            given, asked = self._new.run(other, clock)
            s.heat_pump[new] += given
            s.shift[new] += asked
        np.subtract(s.heat_pump, s.shift, out=s.shift)

    def _sun(self, s: SimpleNamespace, clock: Moment) -> tuple[float, float]:
        """Power fed in and curtailed per kW of panels, over all roofs, with the sun of the middle of the step."""
        o = self.options
        middle = clock.start + timedelta(seconds=clock.seconds / 2)
        zenith, azimuth, extra = sun(
            middle.timetuple().tm_yday, middle.hour + middle.minute / 60, self._longitude, self._latitude
        )  # fmt: skip
        fed = held = 0.0
        for facing, tilt, share in o.roofs:
            plane = plane_of_array(
                s.radiation[clock.hour], zenith, azimuth, extra, np.deg2rad(tilt), np.deg2rad(facing)
            )  # fmt: skip
            given, cut = pv_power(plane, s.temperature[clock.hour], o.system, o.inverter, o.feed_in_limit)
            fed, held = fed + share * given, held + share * cut
        return fed, held

    def _store(self, s: SimpleNamespace, clock: Moment) -> None:
        """Let the batteries act on the load, and book what they hold and lose."""
        o = self.options
        if o.battery == 0:
            return
        before = float(self._stored.sum())
        strongest = o.battery_rate * self._capacity
        if o.battery_limit is None:
            store_surplus(
                s.load, clock.hours, strongest, self._capacity, o.battery_efficiency, self._stored, self._battery
            )  # fmt: skip
        else:
            keep_below(
                s.load, self._limit, clock.hours, strongest, self._capacity, o.battery_efficiency, self._stored,
                self._battery,
            )  # fmt: skip
        s.load += self._battery
        into = float(np.maximum(self._battery, 0.0).sum()) * clock.hours
        out = float(np.maximum(-self._battery, 0.0).sum()) * clock.hours
        lost = into * (1.0 - o.battery_efficiency) + out * (1.0 / o.battery_efficiency - 1.0)
        clock.ledger.balance(
            "battery_energy", inflow=into, outflow=out + lost, change=float(self._stored.sum()) - before, units="kWh"
        )

    def state(self) -> dict[str, np.ndarray]:
        """Content of batteries and of the buildings' mass."""
        return {
            "stored": self._stored, "heat_mean": self._mean, "heat_lent": self._lent, **self._new.state(),
        }  # fmt: skip


def cop_of_homes(o: Demand.Options, outdoors: float) -> float:
    """COP of today's homes' pumps at an outdoor temperature [degC]: linear, or by lift from the chosen source."""
    if o.cop == "linear":
        return min(max(o.cop_base + o.cop_slope * outdoors, o.cop_least), o.cop_most)
    source = outdoors if o.cop == "air" else o.ground_temperature - 5.0
    sink = 40.0 - outdoors if o.sink == "radiator" else 30.0 - 0.5 * outdoors
    return float(cop_by_lift(source, sink, *COP_CURVES[o.cop]))

"""Electricity demand of every bus: homes, heat pumps, charging, work, less what the sun gives."""

from types import SimpleNamespace

import numpy as np
import xarray as xr
from pydantic import Field

from kernels.power.demand import HOURS, diversity, heat_pump_power
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static

__all__ = ["Demand"]

MONTH_START = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])


class Demand(Component):
    """Load of each bus in the hour, from yearly energy and shape, temperature and sun.

    Homes: yearly energy times the hour's share, with the diversity of few homes. Heat pumps: heat of the hour over
    the COP at the outdoor temperature. Photovoltaics: global radiation times capacity times a performance ratio.
    """

    leaves_out = (
        "PV panels see the global horizontal radiation (no tilt, no shade) and no inverter limit; the profiles are "
        "those of their own calendar year whatever the year of the run; no curtailment; no batteries"
    )

    class Options(ComponentOptions):
        """Declared values with their source."""

        spread: float = Field(
            default=2.1, ge=0
        )  # coefficient of variation of one home's hour; coincidence 2 kW at 10, 1 kW at 180 homes
        cop_base: float = 2.6  # air-source COP at 0 degC, and its slope per degree: declared, order of field trials
        cop_slope: float = 0.09
        cop_least: float = Field(default=1.6, ge=1)
        cop_most: float = 5.0
        bivalence: float = -7.0  # degC
        performance_ratio: float = Field(default=0.80, gt=0, le=1)  # roofs of all orientations over horizontal
        power_factor: float = Field(default=0.97, gt=0, le=1)

    charging = In("charging_power", ("bus",), "kW")
    dwellings = Static("power/dwellings", ("bus",), "1")
    household_energy = Static("power/household_energy", ("bus",), "kWh yr-1")
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

    load = Out("bus_load", ("bus",), "kW", "net load: demand less photovoltaics")
    reactive = Out("bus_reactive", ("bus",), "kvar", "reactive load")
    household = Out("household_power", ("bus",), "kW", "appliances of homes")
    heat_pump = Out("heat_pump_power", ("bus",), "kW", "heat pumps, with their backup")
    work = Out("work_power", ("bus",), "kW", "services and industry")
    pv = Out("pv_power", ("bus",), "kW", "photovoltaic generation")

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Scratch arrays; the diversity of a day is drawn when the day begins."""
        self._factor = np.ones((HOURS, len(s.dwellings)))
        self._day = -1
        self._heat = np.zeros(len(s.dwellings))

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
        np.multiply(s.heat_demand, s.profile_heat[row], out=self._heat)
        heat_pump_power(
            self._heat, s.temperature[clock.hour], o.cop_base, o.cop_slope, o.cop_least, o.cop_most, o.bivalence,
            s.heat_pump,
        )  # fmt: skip
        s.work[:] = s.service_energy * s.profile_service[row] + s.industry_energy * s.profile_industry[row]
        np.multiply(s.pv_capacity, s.radiation[clock.hour] / 1000.0 * o.performance_ratio, out=s.pv)
        s.load[:] = s.household + s.heat_pump + s.work + s.charging - s.pv
        tangent = np.sqrt(1.0 / o.power_factor**2 - 1.0)
        s.reactive[:] = tangent * (s.household + s.heat_pump + s.work)  # chargers and inverters run at unity
        clock.ledger.take("charging_energy", float(s.charging.sum()) * clock.hours, "kWh")
        clock.ledger.give("bus_energy", float(s.load.sum()) * clock.hours, "kWh")


def hour_of_year(month: int, day: int, hour: int) -> int:
    """Row of a profile of 8,760 hours; 29 February takes the row of the 28th."""
    return int(MONTH_START[month - 1] + min(day, 28 if month == 2 else 31) - 1) * HOURS + hour

"""Heat of new building: floors and hot water of new homes, and the plan by which their pumps fill valleys of the load.

The plan knows what an energy manager of the station knows: the weather of the coming two days (as it comes: a perfect
forecast), so the heat that will be asked for, and the other load as it was a day ago.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import xarray as xr

from kernels.power.demand import HOURS
from kernels.power.heat import COP_CURVES, cop_by_lift, fill_valleys, per_heat
from twin.clock import Moment
from twin.components.profile_rows import hour_of_year
from twin.errors import DataError

__all__ = ["NewBuilding", "electricity_per_heat"]

AHEAD = 48  # h for which heat is planned: as far as weather forecasts are good [A]


class NewBuilding:
    """Heat pumps of the buses with new homes; no buses in a base world.

    ``power`` is the world's group with ``floor_heat_demand``, ``hot_water_demand`` [kWh/yr] and ``floor_heat_pumps``;
    ``options`` are those of the component ``demand``. ``bus`` holds the buses, all arrays go by their order.
    """

    def __init__(self, power: xr.Dataset, temperature: np.ndarray, options: Any) -> None:
        o, none = options, np.zeros(power.sizes["bus"])
        floor, water, pumps = (
            power[k].values if k in power else none
            for k in ("floor_heat_demand", "hot_water_demand", "floor_heat_pumps")
        )
        self.bus = new = np.flatnonzero((floor > 0) | (water > 0))
        self._floor, self._water = floor[new], water[new]
        self._floor_shape, per_degree = degree_day_shape(temperature, o.heating_limit)
        self._floor_shape *= np.resize(_day_shape(o.night_setback), len(temperature))
        if self._floor.any() and not self._floor_shape.any():
            raise DataError(
                f"component demand: no day is colder than heating_limit = {o.heating_limit:g} degC, so that "
                f"floor_heat_demand has no day to fall on; raise the limit or leave out the heat"
            )
        hours = power.sizes["profile_hour"]
        evenly = np.full(hours, 1.0 / hours)  # a tank that is warmed evenly
        self._water_shape = power["profile_hot_water"].values if "profile_hot_water" in power else evenly
        if len(new):
            self._per_floor = self._per_heat(temperature, lambda t: 30.0 - 0.5 * t, o)
            self._per_water = self._per_heat(temperature, lambda t: o.hot_water_sink, o)
        self._mass, self._tank = o.building_mass * pumps[new], o.hot_water_tank * pumps[new]
        self._most = self._floor * per_degree * (o.heating_limit - o.design_temperature)
        self._water_most = np.maximum(self._most, self._water * self._water_shape.max())  # one pump gives both
        self._floor_lent, self._water_lent = np.zeros((2, len(new)))
        self._seen = np.full((len(new), HOURS), np.nan)  # load without new heat by hour of the day (UTC)
        self._scratch = np.zeros((3, AHEAD))

    @staticmethod
    def _per_heat(temperature: np.ndarray, sink: Callable[[float], float], options: Any) -> np.ndarray:
        """Electricity per heat [1] at each ``temperature``: air with an element, and a share from the ground."""
        air, ground, below = COP_CURVES["air"], COP_CURVES["ground"], options.ground_temperature - 5.0
        from_air = electricity_per_heat(temperature, lambda t: float(cop_by_lift(t, sink(t), *air)), options.bivalence)
        from_ground = np.array([1.0 / cop_by_lift(below, sink(t), *ground) for t in temperature.tolist()])
        return (1.0 - options.ground_share) * from_air + options.ground_share * from_ground

    def run(self, load: np.ndarray, clock: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Electricity [kW] (bus) of the present step, and what it would be if heat were made as it is asked for.

        ``load`` (bus) [kW] is all other load of the buses.
        """
        ahead = np.minimum(clock.hour + np.arange(AHEAD), len(self._floor_shape) - 1)  # past the end as at the end
        days = (clock.standard + timedelta(hours=k) for k in range(AHEAD))
        rows = [hour_of_year(t.month, t.day, t.hour) for t in days]
        floor, water = self._floor_shape[ahead], self._water_shape[rows]
        per_floor, per_water = self._per_floor[ahead], self._per_water[ahead]
        for_floor, for_water = np.outer(self._floor, floor * per_floor), np.outer(self._water, water * per_water)
        hour = clock.start.hour
        self._seen[:, hour] = load
        other = self._seen[:, (hour + np.arange(AHEAD)) % HOURS]
        other = np.where(np.isnan(other), load[:, None], other)  # not seen yet: as now
        heat = np.empty((2, len(load)))
        # floors over water as it is asked for, then water over what floors ask for, now over what they take
        other += for_water
        fill_valleys(
            self._floor, floor, per_floor, other, clock.hours, self._mass, self._most, self._floor_lent, *self._scratch,
            heat[0],
        )  # fmt: skip
        other += for_floor - for_water
        other[:, 0] = load + per_floor[0] * heat[0]
        fill_valleys(
            self._water, water, per_water, other, clock.hours, self._tank, self._water_most, self._water_lent,
            *self._scratch, heat[1],
        )  # fmt: skip
        return per_floor[0] * heat[0] + per_water[0] * heat[1], for_floor[:, 0] + for_water[:, 0]

    def state(self) -> dict[str, np.ndarray]:
        """What is lent, and the load as seen a day ago."""
        return {"floor_lent": self._floor_lent, "water_lent": self._water_lent, "new_seen": self._seen}


def _day_shape(setback: float) -> np.ndarray:
    """Heat of each hour (UTC) over the day's mean: at night less by ``setback``, in the three hours after it more."""
    shape = np.ones(HOURS)
    night, morning = [22, 23, 0, 1, 2, 3, 4], [5, 6, 7]
    shape[night] -= setback
    shape[morning] += setback * len(night) / len(morning)
    return shape


def electricity_per_heat(temperature: np.ndarray, cop: Callable[[float], float], bivalence: float) -> np.ndarray:
    """Electricity per heat [1] at each ``temperature`` [degC], with an element below the bivalence point [degC]."""
    values, row = np.unique(temperature, return_inverse=True)
    return np.array([per_heat(t, cop(t), cop(bivalence), bivalence) for t in values.tolist()])[row]


def degree_day_shape(temperature: np.ndarray, limit: float) -> tuple[np.ndarray, float]:
    """Share of a mean year's room heat in each hour [1/h] of ``temperature`` [degC], and that share per degree.

    Over whole days of whole years, in proportion to the degrees by which a reference temperature is below ``limit``;
    even within a day, as floors of a new home give heat. The reference is the weighted mean of the day and the three
    before it, weights 1, 1/2, 1/4, 1/8 (when2heat, after the German standard method for gas). All zero where no day is
    below the limit.
    """
    days = -(-len(temperature) // HOURS)
    whole = np.pad(temperature, (0, days * HOURS - len(temperature)), mode="edge").reshape(days, HOURS).mean(axis=1)
    before = np.concatenate([np.full(3, whole[0]), whole])
    reference = sum(0.5**k * before[3 - k : 3 - k + days] for k in range(4)) / 1.875
    degrees = np.maximum(limit - reference, 0.0)
    years = max(round(days / 365.25), 1)
    per_degree = years / degrees.sum() / HOURS if degrees.any() else 0.0
    return np.repeat(degrees * per_degree, HOURS)[: len(temperature)], per_degree

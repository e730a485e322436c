"""Load of every bus over the equal steps of one day: homes with diversity, heat pumps, work, less photovoltaics."""

import numpy as np

from kernels.jit import pnjit, prange
from kernels.power.counter import mix, normal
from kernels.power.demand import HOURS

__all__ = ["load_day"]


@pnjit
def load_day(
    day, seed, spread, homes, household, heat, service, industry, panels, household_shape, heat_shape, service_shape,
    industry_shape, sun, curtailed_sun, tangent, load, reactive, curtailed,
):  # fmt: skip
    """Write the load of a day.

    Per bus ``homes`` [1], ``household``, ``heat`` (useful), ``service``, ``industry`` [kWh/yr], ``panels`` [kW]. Per
    lane, equal steps of the day, the shapes: power per yearly energy [1/h], for heat electric power per yearly heat;
    ``sun``, ``curtailed_sun`` power fed in and curtailed per kW of panels [1]. The homes of a bus depart from the
    mean as in :func:`kernels.power.demand.diversity`: a log-normal factor per hour, ``spread / sqrt(homes)`` wide,
    that keeps the day's energy. ``tangent`` reactive over active power of all but panels. Out: ``load`` [kW] and
    ``reactive`` [kvar] (bus, lane); ``curtailed`` (bus) [kWh] is added to.
    """
    lanes = load.shape[1]
    hours = HOURS / lanes
    total = 0.0
    for k in range(lanes):
        total += household_shape[k]
    for b in prange(load.shape[0]):
        factor = np.empty(HOURS)
        width = np.sqrt(np.log1p(spread * spread / max(homes[b], 1.0)))
        weighted = 0.0
        if homes[b] > 0.0:
            for h in range(HOURS):
                key = mix(mix(np.uint64(seed) ^ mix(np.uint64(day))) ^ np.uint64(b * HOURS + h))
                factor[h] = np.exp(width * normal(key))
            for k in range(lanes):
                weighted += household_shape[k] * factor[k * HOURS // lanes]
        scale = household[b] * (total / weighted if weighted > 0.0 else 1.0)
        for k in range(lanes):
            own = household_shape[k] * scale * (factor[k * HOURS // lanes] if weighted > 0.0 else 1.0)
            drawn = own + heat[b] * heat_shape[k] + service[b] * service_shape[k] + industry[b] * industry_shape[k]
            load[b, k] = drawn - panels[b] * sun[k]
            reactive[b, k] = tangent * drawn
            curtailed[b] += panels[b] * curtailed_sun[k] * hours

"""Hourly demand as a mix of the matrices of the day's periods."""

from kernels.jit import pnjit, prange

__all__ = ["mix_periods"]


@pnjit
def mix_periods(trips, weight, rate):
    """Demand rate T[c, o, d] = sum over periods p of weight[c, p] * trips[p, c, o, d].

    ``trips`` (period, vehicle_class, origin, destination) [vehicles per day and period]; ``weight`` (vehicle_class,
    period) [h-1] share of a period's trips that leave per hour; written: ``rate`` (vehicle_class, origin,
    destination) [vehicles per hour].
    """
    periods, classes, origins, destinations = trips.shape
    for row in prange(classes * origins):
        c = row // origins
        o = row % origins
        for d in range(destinations):
            rate[c, o, d] = 0.0
        for p in range(periods):
            w = weight[c, p]
            if w != 0.0:
                for d in range(destinations):
                    rate[c, o, d] += w * trips[p, c, o, d]

"""Electricity demand: kilometres to their home end, homes with diversity."""

import numpy as np

from kernels.jit import njit
from kernels.power.counter import mix, normal

__all__ = ["HOURS", "diversity", "home_distance", "home_ends"]

HOURS = 24


@njit
def home_distance(trips, distance, home_share, out):
    """Distance driven by the residents of each origin.

    ``out[o] = h sum_d q[o, d] D[o, d] + (1 - h) sum_d q[d, o] D[d, o]`` with h the share of trips that begin at
    home; every trip is booked once, at its home end. ``trips`` q (origin, destination) [1], ``distance`` D
    (origin, destination) [km], ``home_share`` [1], ``out`` (origin) [km].
    """
    n = trips.shape[0]
    out[:] = 0.0
    for o in range(n):
        row = 0.0
        for d in range(n):
            driven = trips[o, d] * distance[o, d]
            row += driven
            out[d] += (1.0 - home_share) * driven
        out[o] += home_share * row


def home_ends(trips, home_share):
    """Trips (origin) of the residents of each origin, from ``trips`` (period, origin, destination).

    ``home_share`` (period): share of a period's trips that begin at home; the others end there.
    """
    return np.einsum("p,pod->o", home_share, trips) + np.einsum("p,pod->d", 1.0 - home_share, trips)


@njit
def diversity(homes, profile, day, seed, spread, factor):
    """Hourly factors of a day by which a group of homes departs from the mean profile.

    The fewer homes, the further: log-normal with a coefficient of variation ``spread / sqrt(homes)`` (square-root
    law of Rusck and Velander), drawn from a counter of seed, day and bus, and scaled per day so that the day's
    energy ``sum profile * factor`` is that of the profile. ``homes`` (bus) [1], ``profile`` (24) [1], ``factor``
    (24, bus) [1]; 1 where there are no homes.
    """
    total = 0.0
    for h in range(HOURS):
        total += profile[h]
    for b in range(homes.shape[0]):
        if homes[b] <= 0.0 or total <= 0.0:
            for h in range(HOURS):
                factor[h, b] = 1.0
            continue
        width = np.sqrt(np.log1p(spread * spread / max(homes[b], 1.0)))
        weighted = 0.0
        for h in range(HOURS):
            key = mix(mix(np.uint64(seed) ^ mix(np.uint64(day))) ^ np.uint64(b * HOURS + h))
            f = np.exp(width * normal(key))
            factor[h, b] = f
            weighted += profile[h] * f
        for h in range(HOURS):
            factor[h, b] *= total / weighted

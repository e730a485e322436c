"""Electricity demand: kilometres to charging, homes with diversity, heat pumps, photovoltaics."""

import numpy as np

from kernels.jit import njit

__all__ = ["HOURS", "charge", "charge_in_valleys", "diversity", "fill_level", "heat_pump_power", "home_distance"]

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


@njit
def charge(owed, driven, availability, hours, session_hours, charged):
    """Charge what is owed by cars that are plugged in; in place.

    Each origin's energy owed relaxes over the mean time a session needs, at the share of it that is plugged in:
    ``charged = (owed + driven) (1 - exp(-availability hours / session_hours))`` and the rest stays owed, so that
    driven = charged + change of owed. ``owed`` (origin) [kWh] state, ``driven`` (origin) [kWh] in the step,
    ``availability`` [1], ``hours`` and ``session_hours`` [h], ``charged`` (origin) [kWh].
    """
    share = 1.0 - np.exp(-availability * hours / session_hours)
    for o in range(owed.shape[0]):
        total = owed[o] + driven[o]
        charged[o] = share * total
        owed[o] = total - charged[o]


@njit
def fill_level(base, hours, energy, ordered):
    """Level L [kW] to which ``energy`` fills the valleys of a load: ``sum_h max(0, L - base[h]) hours = energy``.

    Exact, by sorting: the level stands above the m lowest hours where
    ``L = (energy / hours + sum of the m lowest) / m`` does not reach the next one. ``base`` (hour) [kW], ``hours``
    [h] length of each, ``energy`` [kWh], ``ordered`` (hour) scratch.
    """
    n = base.shape[0]
    for k in range(n):  # insertion sort: a day has few hours
        value = base[k]
        j = k
        while j > 0 and ordered[j - 1] > value:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = value
    total = energy / hours
    level = ordered[0]
    for m in range(n):
        total += ordered[m]
        level = total / (m + 1)
        if m + 1 == n or level <= ordered[m + 1]:
            break
    return level


@njit
def charge_in_valleys(owed, driven, group_start, forecast, share, hours, level_scratch, charged):
    """Charge what is owed so that the load of each group of chargers stays as low as the deadline allows; in place.

    Each group (the chargers behind one transformer) fills the valleys of its forecast load up to the deadline with
    all that it owes (:func:`fill_level`), and now charges what stands above the forecast of the present hour, at
    most ``share`` of what is owed (the cars that are plugged in). driven = charged + change of owed. ``owed``,
    ``driven``, ``charged`` (row) [kWh], rows ordered by group; ``group_start`` (group + 1); ``forecast``
    (group, hour) [kW] from now to the deadline; ``share`` [1]; ``hours`` [h]; ``level_scratch`` (hour).
    """
    for g in range(group_start.shape[0] - 1):
        energy = 0.0
        for k in range(group_start[g], group_start[g + 1]):
            owed[k] += driven[k]
            energy += owed[k]
        wanted = 0.0
        if energy > 0.0:
            level = fill_level(forecast[g], hours, energy, level_scratch)
            wanted = min(max(level - forecast[g, 0], 0.0) * hours / energy, share)
        for k in range(group_start[g], group_start[g + 1]):
            charged[k] = wanted * owed[k]
            owed[k] -= charged[k]


@njit
def _mix(x):
    """splitmix64: a well-mixed 64-bit number from a counter (Steele, Lea and Flood 2014)."""
    x = (x + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = ((x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = ((x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    return x ^ (x >> np.uint64(31))


@njit
def _normal(key):
    """Standard normal number of a counter, by Box and Muller."""
    scale = 1.0 / 9007199254740992.0  # 2^-53
    a = (np.float64(_mix(key) >> np.uint64(11)) + 0.5) * scale
    b = (np.float64(_mix(key ^ np.uint64(0xA5A5A5A5A5A5A5A5)) >> np.uint64(11)) + 0.5) * scale
    return np.sqrt(-2.0 * np.log(a)) * np.cos(2.0 * np.pi * b)


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
            key = _mix(_mix(np.uint64(seed) ^ _mix(np.uint64(day))) ^ np.uint64(b * HOURS + h))
            f = np.exp(width * _normal(key))
            factor[h, b] = f
            weighted += profile[h] * f
        for h in range(HOURS):
            factor[h, b] *= total / weighted


@njit
def heat_pump_power(heat, temperature, cop_base, cop_slope, cop_least, cop_most, bivalence, out):
    """Electric power of heat pumps: ``P = Q / COP(T)``, with electric backup below the bivalence point.

    ``COP = min(max(cop_base + cop_slope T, cop_least), cop_most)``; below ``bivalence`` [degC] the pump gives the
    share ``COP(T) / COP(bivalence)`` of the heat and a heating element (COP 1) the rest. ``heat`` (bus) [kW] useful
    heat, ``temperature`` [degC], ``out`` (bus) [kW].
    """
    cop = min(max(cop_base + cop_slope * temperature, cop_least), cop_most)
    per_heat = 1.0 / cop
    if temperature < bivalence:
        at_point = min(max(cop_base + cop_slope * bivalence, cop_least), cop_most)
        share = cop / at_point
        per_heat = share / cop + (1.0 - share)
    for b in range(heat.shape[0]):
        out[b] = heat[b] * per_heat

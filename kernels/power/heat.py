"""Heat pumps: coefficient of performance by temperature, backup below the bivalence point, inertia of buildings."""

import math

from kernels.jit import njit

__all__ = ["COP_CURVES", "cop_by_lift", "fill_valleys", "heat_pump_power", "per_heat", "run_evenly"]

ROUNDS, TIGHT = 60, 1e-10  # of the search for a level: at most, and share of the heat that ends it

# COP = c0 + c1 dT + c2 dT^2 over the lift dT = max(15, sink - source) [K], times 0.85 for real operation
# (when2heat; Ruhnau, Hirth and Praktiknjo 2019, Scientific Data 6:189).
COP_CURVES = {
    "air": (6.08, -0.0941, 0.000464),
    "ground": (10.29, -0.2084, 0.001322),
    "water": (9.99, -0.2049, 0.001249),
}
LEAST_LIFT = 15.0  # K
FIELD_FACTOR = 0.85


@njit
def cop_by_lift(source, sink, c0, c1, c2):
    """COP of a lift from ``source`` to ``sink`` [degC] by a curve of ``COP_CURVES``."""
    lift = max(sink - source, LEAST_LIFT)
    return FIELD_FACTOR * (c0 + c1 * lift + c2 * lift * lift)


@njit
def per_heat(temperature, cop, cop_at_bivalence, bivalence):
    """Electricity per heat [1] at a ``temperature``: the pump alone, and below ``bivalence`` [degC] with an element.

    Below the point the pump gives the share ``cop / cop_at_bivalence`` of the heat (its capacity falls as its COP
    does) and a heating element (COP 1) the rest.
    """
    if temperature >= bivalence:
        return 1.0 / cop
    share = min(cop / cop_at_bivalence, 1.0)
    return share / cop + (1.0 - share)


@njit
def heat_pump_power(heat, temperature, cop_base, cop_slope, cop_least, cop_most, bivalence, out):
    """Electric power of heat pumps: ``P = Q / COP(T)``, with electric backup below the bivalence point.

    ``COP = min(max(cop_base + cop_slope T, cop_least), cop_most)``; below ``bivalence`` [degC] the pump gives the
    share ``COP(T) / COP(bivalence)`` of the heat and a heating element (COP 1) the rest. ``heat`` (bus) [kW] useful
    heat, ``temperature`` [degC], ``out`` (bus) [kW].
    """
    cop = min(max(cop_base + cop_slope * temperature, cop_least), cop_most)
    at_point = min(max(cop_base + cop_slope * bivalence, cop_least), cop_most)
    factor = per_heat(temperature, cop, at_point, bivalence)
    for b in range(heat.shape[0]):
        out[b] = heat[b] * factor


@njit
def run_evenly(heat, hours, memory, reserve, mean, stored, out):
    """Let the mass of buildings carry the peaks of their heat; in place.

    The pump follows the running mean of the heat demand, ``mean`` relaxing to it over ``memory`` [h], and gives back
    what was lent at the same pace (else a mean that lags on days growing colder would leave nothing to lend in the
    evening), as far as the store of the building, ``stored`` in [-reserve, reserve], allows; so heat delivered = heat
    asked for + change of what is stored. ``heat`` (bus) [kW] asked for, ``reserve`` (bus) [kWh] heat capacity times the
    swing of indoor temperature that is accepted, ``mean`` (bus) [kW] and ``stored`` (bus) [kWh] state, ``out`` (bus)
    [kW] delivered.
    """
    relax = min(hours / memory, 1.0)
    for b in range(heat.shape[0]):
        mean[b] += relax * (heat[b] - mean[b])
        even = mean[b] - stored[b] / memory
        after = min(max(stored[b] + (even - heat[b]) * hours, -reserve[b]), reserve[b])
        given = max(heat[b] + (after - stored[b]) / hours, 0.0)
        stored[b] += (given - heat[b]) * hours
        out[b] = given


@njit
def _held(level, gain, other, most, n):
    """Heat [kWh] of ``n`` hours in which pumps fill ``other`` [kW] up to a ``level``."""
    total = 0.0
    for k in range(n):
        total += min(max((level - other[k]) * gain[k], 0.0), most[k])
    return total


@njit
def _level_of(heat, low, high, gain, other, most, n):
    """Level from ``low`` to ``high`` at which ``n`` hours hold ``heat`` [kWh], by false position (Illinois)."""
    under, over = _held(low, gain, other, most, n) - heat, _held(high, gain, other, most, n) - heat
    side = 0
    for _ in range(ROUNDS):
        if not over > under:
            break
        middle = high - over * (high - low) / (over - under)
        here = _held(middle, gain, other, most, n) - heat
        if abs(here) <= TIGHT * heat:
            return middle
        if here < 0.0:
            low, under = middle, here
            over *= 0.5 if side < 0 else 1.0
            side = -1
        else:
            high, over = middle, here
            under *= 0.5 if side > 0 else 1.0
            side = 1
    return high


@njit
def _next_level(asked, stored, reserve, gain, other, most):
    """First level of the plan of one bus, see :func:`fill_valleys`."""
    steps, total, least, largest = asked.shape[0], 0.0, -math.inf, math.inf
    bottom, top = other[0], other[0]  # between which all levels lie
    for n in range(1, steps + 1):
        k = n - 1
        total += asked[k]
        bottom, top = min(bottom, other[k]), max(top, other[k] + most[k] / gain[k])
        spare = reserve if n < steps else 0.0  # what was lent is given back by the end
        needed, room = total - stored - spare, total - stored + spare
        if needed > _held(least, gain, other, most, n):
            if _held(largest, gain, other, most, n) < needed:  # the store's roof, or all that the pumps can give
                return largest
            least = _level_of(needed, max(least, bottom), min(largest, top), gain, other, most, n)
        if room < _held(largest, gain, other, most, n):
            if _held(least, gain, other, most, n) > room:
                return least
            largest = _level_of(max(room, 0.0), max(least, bottom), min(largest, top), gain, other, most, n)
    return least


@njit
def fill_valleys(heat, shape, factor, other, hours, reserve, most, stored, gain, asked, cap, out):
    """Let heat pumps fill the valleys of their bus's load to come, as far as the mass of homes carries; in place.

    Plan of the lowest load: heat may come before it is asked for or after, within the store, ``stored`` in [-reserve,
    reserve], and at most at the pumps' power; the load then follows a string drawn taut between these bounds, which
    has the lowest peak and bends only where a bound forces it. Now the pumps run to its first level; the plan is made
    anew every step. Heat delivered = heat asked for + change of what is stored; at the end of the plan nothing is lent.

    ``heat`` (bus) [kWh/yr] and ``shape`` (hour) [1/h] its share in this and coming hours; ``factor`` (hour)
    electricity per heat [1]; ``other`` (bus, hour) [kW] all other load; ``hours`` [h] length of the present step;
    ``reserve`` (bus) [kWh] heat; ``most`` (bus) [kW] heat of the pumps; ``stored`` (bus) [kWh] state; ``gain``,
    ``asked``, ``cap`` (hour) scratch; ``out`` (bus) [kW] heat delivered now.
    """
    for k in range(shape.shape[0]):
        gain[k] = 1.0 / factor[k]
    for b in range(heat.shape[0]):
        for k in range(shape.shape[0]):
            asked[k] = heat[b] * shape[k]
            cap[k] = max(most[b], asked[k])
        out[b] = asked[0]
        if reserve[b] > 0.0:
            level = _next_level(asked, stored[b], reserve[b], gain, other[b], cap)
            wanted = min(max((level - other[b, 0]) * gain[0], 0.0), cap[0])
            after = min(max(stored[b] + (wanted - asked[0]) * hours, -reserve[b]), reserve[b])
            out[b] = max(asked[0] + (after - stored[b]) / hours, 0.0)
            stored[b] += (out[b] - asked[0]) * hours

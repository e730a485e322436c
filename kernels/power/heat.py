"""Heat pumps: coefficient of performance by temperature, backup below the bivalence point, inertia of buildings."""

from kernels.jit import njit

__all__ = ["COP_CURVES", "cop_by_lift", "follow_load", "heat_pump_power", "per_heat", "run_evenly"]

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
def follow_load(heat, factor, other, hours, memory, reserve, most, mean, stored, out):
    """Let heat pumps fill the valleys of their bus's load and leave its peaks to the mass of the homes; in place.

    The pumps run so that the load of the bus, ``other`` and their own, stays at its running mean of ``memory`` [h],
    ``mean``, and give back what was lent at the same pace, as far as the store, ``stored`` in [-reserve, reserve], and
    the pumps, from 0 to ``most``, allow; heat delivered = heat asked for + change of what is stored. ``heat`` (bus)
    [kW] asked for, ``factor`` electricity per heat [1], ``other`` (bus) [kW] all other load, ``reserve`` (bus) [kWh]
    heat, ``most`` (bus) [kW] heat of the pumps, ``mean`` (bus) [kW] and ``stored`` (bus) [kWh] state, ``out`` (bus)
    [kW] heat delivered.
    """
    relax = min(hours / memory, 1.0)
    for b in range(heat.shape[0]):
        mean[b] += relax * (other[b] + factor * heat[b] - mean[b])
        wanted = (mean[b] - other[b]) / factor - stored[b] / memory
        wanted = min(max(wanted, 0.0), max(most[b], heat[b]))
        after = min(max(stored[b] + (wanted - heat[b]) * hours, -reserve[b]), reserve[b])
        given = max(heat[b] + (after - stored[b]) / hours, 0.0)
        stored[b] += (given - heat[b]) * hours
        out[b] = given

"""Batteries at buses: what they store, within their limits, and two ways to use them."""

from kernels.jit import njit

__all__ = ["keep_below", "store_surplus"]


@njit
def _exchange(wanted, hours, power, capacity, efficiency, stored):
    """Power at the bus [kW], charging above zero, and the content [kWh] after the step.

    ``efficiency`` of each way: charging stores c eta, discharging takes d / eta from the content.
    """
    if wanted >= 0.0:
        taken = min(min(wanted, power), (capacity - stored) / (efficiency * hours))
        return taken, min(stored + taken * efficiency * hours, capacity)
    given = min(min(-wanted, power), stored * efficiency / hours)
    return -given, max(stored - given / efficiency * hours, 0.0)


@njit
def store_surplus(load, hours, power, capacity, efficiency, stored, out):
    """Store what a bus would feed in and give it back when the bus takes; in place.

    ``load`` (bus) [kW] net, ``power`` (bus) [kW] and ``capacity`` (bus) [kWh] of the battery, ``efficiency`` [1] of
    each way, ``stored`` (bus) [kWh] state, ``out`` (bus) [kW] power of the battery, charging above zero:
    out hours = change of stored + losses.
    """
    for b in range(load.shape[0]):
        out[b], stored[b] = _exchange(-load[b], hours, power[b], capacity[b], efficiency, stored[b])


@njit
def keep_below(load, limit, hours, power, capacity, efficiency, stored, out):
    """Keep the load of a bus below its ``limit`` (bus) [kW], as long as the content lasts; in place.

    Above the limit the battery gives; below it, it fills up as far as the limit allows. Arguments as
    :func:`store_surplus`.
    """
    for b in range(load.shape[0]):
        wanted = limit[b] - load[b]
        out[b], stored[b] = _exchange(wanted, hours, power[b], capacity[b], efficiency, stored[b])

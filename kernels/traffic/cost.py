"""Link cost functions: travel time, its derivative and its integral as functions of flow.

One parameter form serves all monotone functions: each link has a ``kind`` and four numbers ``t0, k, p, fixed``.
For BPR (Bureau of Public Roads 1964) ``t(x) = t0 + K x^p`` with ``K = t0 B / capacity^p``; ``K = 0`` marks a link
of constant cost. ``fixed`` holds what does not depend on flow (tolls, distance terms, node delay) in units of time.
"""

import numpy as np

from kernels.jit import njit

__all__ = ["bpr_coefficient", "link_costs", "link_integrals", "power"]


def bpr_coefficient(
    free_flow_time: np.ndarray, capacity: np.ndarray, b: np.ndarray, exponent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficient ``K`` [time / flow^p] and power ``p`` [1] of ``t = t0 + K x^p``.

    ``free_flow_time`` [time], ``capacity`` [flow], ``b`` [1], ``exponent`` [1], all (link). A power of zero or a
    zero ``b`` means a constant cost: with power 0 the constant ``t0 (1 + b)`` is for the caller to form.
    """
    t0, cap, b, p = (np.asarray(v, np.float64) for v in (free_flow_time, capacity, b, exponent))
    constant = (b == 0) | (p == 0) | (t0 == 0)
    safe = np.where(constant, 1.0, cap)
    k = np.where(constant, 0.0, t0 * b / safe**p)
    return k, np.where(constant, 1.0, p)


@njit(inline="always")
def power(x, p):
    """``x**p`` for flows x >= 0, with the common power 4 as two multiplications."""
    if p == 4.0:
        y = x * x
        return y * y
    if p == 1.0:
        return x
    return x**p


@njit
def link_costs(flow, t0, k, p, fixed, cost, slope):
    """Cost ``t0 + fixed + K x^p`` [time] and slope ``K p x^(p-1)`` [time / flow] of each link, written in place.

    All arrays (link). The slope of a power below one is infinite at zero flow and is given as that of a flow of 1e-9.
    """
    for a in range(len(flow)):
        x = max(flow[a], 0.0)
        if k[a] == 0.0:
            cost[a] = t0[a] + fixed[a]
            slope[a] = 0.0
            continue
        y = k[a] * power(x, p[a])
        cost[a] = t0[a] + fixed[a] + y
        if x > 0.0:
            slope[a] = p[a] * y / x
        elif p[a] > 1.0:
            slope[a] = 0.0
        elif p[a] == 1.0:
            slope[a] = k[a]
        else:
            slope[a] = k[a] * p[a] * 1e-9 ** (p[a] - 1.0)


@njit
def link_integrals(flow, t0, k, p, fixed):
    """Beckmann objective ``sum_a (t0 + fixed) x + K x^(p+1) / (p+1)`` [time x flow]; arrays (link)."""
    total = 0.0
    for a in range(len(flow)):
        x = max(flow[a], 0.0)
        total += (t0[a] + fixed[a]) * x
        if k[a] != 0.0:
            total += k[a] * power(x, p[a]) * x / (p[a] + 1.0)
    return total

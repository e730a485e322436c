"""Link cost functions: travel time, its derivative and its integral as functions of flow.

An arc's travel time is a constant plus terms ``kind, k, p, scale`` of the flow x on it, those on fixed routes included:

==  =============  ====================================================================================================
0   power (BPR)    ``k x^p``; Bureau of Public Roads 1964 ``t0 (1 + B (x / C)^p)`` with ``k = t0 B / C^p``
1   conical        ``k (1 + sqrt(p^2 (1 - z)^2 + b^2) - p (1 - z) - b)``, ``z = x / C``, ``b = (2 p - 1) / (2 p - 2)``,
                   ``k = t0``, ``scale = 1 / C``; Spiess 1990, Transp. Sci. 24(2)
2   Akcelik        ``k (z - 1 + sqrt((z - 1)^2 + p z))``, ``k = T / 4`` (T the flow period in the unit of time),
                   ``p = 8 J / (C T)``, ``scale = 1 / C``; Akcelik 1991, Austr. Road Res. 21(3)
3   tabulated      ``k f(x)``, f in row ``p`` of a table at the flows ``0, 1 / scale, 2 / scale, ...``; see below
==  =============  ====================================================================================================

Any other function that does not fall with flow is tabulated: a table (row, 3, knot) holds its value, its slope per step
and its integral at even steps of flow; cubics join them, straight lines go on beyond the last.
"""

import numpy as np

from kernels.jit import njit

__all__ = [
    "AKCELIK",
    "CONICAL",
    "NO_TABLE",
    "POWER",
    "TABULATED",
    "bpr",
    "link_costs",
    "power",
    "tabulated_term",
    "term",
    "term_integral",
    "term_of",
]

POWER, CONICAL, AKCELIK, TABULATED = 0, 1, 2, 3
NO_TABLE = np.zeros((0, 3, 0))


def bpr(
    free_flow_time: np.ndarray, capacity: np.ndarray, b: np.ndarray, exponent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constant [time], coefficient [time / flow^p] and power [1] of the BPR travel time ``constant + k x^p``.

    ``free_flow_time`` [time], ``capacity`` [flow], ``b`` [1], ``exponent`` [1], all (link). A power of zero means a
    constant ``t0 (1 + b)``; a zero ``b`` or ``t0`` a constant ``t0`` whatever the capacity.
    """
    t0, cap, b, p = (np.asarray(v, np.float64) for v in (free_flow_time, capacity, b, exponent))
    constant = (b == 0) | (p == 0) | (t0 == 0)
    k = np.where(constant, 0.0, t0 * b / np.where(constant, 1.0, cap) ** p)
    return t0 * np.where(p == 0, 1.0 + b, 1.0), k, np.where(constant, 1.0, p)


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
def _tabulated(row, z):
    """Value, slope and integral of a row of a table at ``z`` steps of flow."""
    last = row.shape[1] - 1
    if z >= last:
        u = z - last
        return row[0, last] + u * row[1, last], row[1, last], row[2, last] + u * (row[0, last] + 0.5 * u * row[1, last])
    i = int(z)
    u = z - i
    y, m, rise = row[0, i], row[1, i], row[0, i + 1] - row[0, i]
    a = 3.0 * rise - 2.0 * m - row[1, i + 1]
    b = m + row[1, i + 1] - 2.0 * rise
    return (
        y + u * (m + u * (a + u * b)),
        m + u * (2.0 * a + 3.0 * u * b),
        row[2, i] + u * (y + u * (m / 2.0 + u * (a / 3.0 + u * b / 4.0))),
    )


@njit
def _other_term(kind, k, p, scale, x):
    """:func:`term` of the kinds other than powers: apart, so that the common kind stays small enough to be inlined."""
    z = x * scale
    if kind == CONICAL:
        b = (2.0 * p - 1.0) / (2.0 * p - 2.0)
        u = p * (1.0 - z)
        root = np.sqrt(u * u + b * b)
        return k * (1.0 + root - u - b), k * scale * p * (1.0 - u / root)
    u = z - 1.0
    root = np.sqrt(u * u + p * z)
    return k * (u + root), k * scale * (1.0 + (u + 0.5 * p) / root) if root > 0.0 else k * scale


@njit(inline="always")
def term(kind, k, p, scale, x):
    """Travel time [time] of one term at flow ``x`` >= 0 and its derivative [time / flow], tables apart; see the module.

    The derivative of a power below one is infinite at zero flow and is given as that of a flow of 1e-9.
    """
    if kind == POWER:
        if x > 0.0:
            y = k * power(x, p)
            return y, p * y / x
        if p > 1.0:
            return 0.0, 0.0
        if p == 1.0:
            return 0.0, k
        return 0.0, k * p * 1e-9 ** (p - 1.0)
    return _other_term(kind, k, p, scale, x)


@njit
def tabulated_term(k, p, scale, table, x):
    """:func:`term` of a tabulated function: apart, as an array among its arguments would make every term dear."""
    y, g, _ = _tabulated(table[int(p)], x * scale)
    return k * y, k * scale * g


@njit(inline="always")  # a call would copy the whole store
def term_of(s, e, x):
    """:func:`term` of term e of a store or link terms ``s`` at flow ``x`` >= 0 on top of that on fixed routes."""
    if s.kind[e] == TABULATED:
        return tabulated_term(s.k[e], s.p[e], s.scale[e], s.table, x + s.shift[e])
    return term(s.kind[e], s.k[e], s.p[e], s.scale[e], x + s.shift[e])


@njit
def _root_integral(z, linear, constant):
    """Integral over z of ``sqrt(z^2 + linear z + constant)``, up to a constant."""
    h = z + 0.5 * linear
    rest = constant - 0.25 * linear * linear
    root = np.sqrt(max(h * h + rest, 0.0))
    if rest > 0.0:
        return 0.5 * (h * root + rest * np.arcsinh(h / np.sqrt(rest)))
    return 0.5 * (h * root + (rest * np.log(abs(h + root)) if rest < 0.0 else 0.0))


@njit
def term_integral(kind, k, p, scale, table, x):
    """Integral of :func:`term` from zero to flow ``x`` [time x flow]."""
    if x <= 0.0:
        return 0.0
    if kind == POWER:
        return k * power(x, p) * x / (p + 1.0)
    z = x * scale
    if kind == TABULATED:
        _, _, area = _tabulated(table[int(p)], z)
        return k / scale * area
    if kind == CONICAL:
        b = (2.0 * p - 1.0) / (2.0 * p - 2.0)
        c = (b / p) ** 2
        root = _root_integral(z - 1.0, 0.0, c) - _root_integral(-1.0, 0.0, c)
        return k / scale * (z * (1.0 - b - p) + 0.5 * p * z * z + p * root)
    root = _root_integral(z, p - 2.0, 1.0) - _root_integral(0.0, p - 2.0, 1.0)
    return k / scale * (0.5 * z * z - z + root)


@njit
def link_costs(flow, t0, k, p, fixed, cost, slope):
    """Cost ``t0 + fixed + k x^p`` [time] and its slope [time / flow] of each link, written in place; arrays (link)."""
    for a in range(len(flow)):
        if k[a] == 0.0:
            cost[a] = t0[a] + fixed[a]
            slope[a] = 0.0
        else:
            y, d = term(0, k[a], p[a], 1.0, max(flow[a], 0.0))
            cost[a] = t0[a] + fixed[a] + y
            slope[a] = d

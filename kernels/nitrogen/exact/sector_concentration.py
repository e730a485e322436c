"""Concentration in a 30-degree sector before depletion: points, squares and circles, per lane.

Source: Van Jaarsveld (2004), RIVM report 500045001, chapter 3.
"""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import exp, log, power
from kernels.nitrogen.exact.lanes import (
    BELOW,
    BUOYANT,
    CIRCLE,
    HS,
    HT,
    OLS,
    PW,
    SLANT,
    SPREAD,
    SZ,
    U10,
    USS,
    XE,
    Y0,
    Y1,
    Z0S,
    ZI,
    C,
    G,
    Q,
    U,
    Y,
)
from kernels.nitrogen.exact.surface_layer import log_wind, power_wind

__all__ = ["SQUARE", "concentration", "point_spread", "square_spread"]

SQUARE = 1.128  # side of a square over the diameter of the circle of the same area, as the model rounds it
_ROOT_2PI = math.sqrt(2.0 * math.pi)
_BUOYANCY = 2.5066  # rise over this and 1.5: initial spread of a buoyant plume
_LOG_LEVEL = 50.0  # m, above it the power law
_HIGHEST = 500.0  # m


@fused_njit
def point_spread(w, n, p):
    """Rows Y0, Y1, SZ for points: sz^2 = (g x^p)^2 + b^2 + s0^2, b = min(g x^p, rise/2.5066)/1.5 of buoyant plumes."""
    for i in range(n):
        plume = w[G + i] * power(w[XE + i], p)
        rise = (w[HT + i] - w[HS + i]) / _BUOYANCY
        b = min(plume, rise) / 1.5
        b = b if w[BUOYANT + i] > 0.0 else 0.0
        s0 = w[SPREAD + i]
        spread = math.sqrt(plume * plume + b * b + s0 * s0)
        w[SZ + i] = spread if w[BELOW + i] > 0.0 else max(plume, 1.0)
        w[Y0 + i] = 0.0
        w[Y1 + i] = 0.0


@fused_njit
def square_spread(w, n, p):
    """Rows Y0, Y1, SZ for lanes with a radius, from the spread at both edges of the area; points keep theirs."""
    for i in range(n):
        radius = w[Y + i]
        area = radius > 0.0
        circle = w[CIRCLE + i] > 0.0
        x = w[XE + i]
        g = w[G + i]
        below = w[BELOW + i] > 0.0
        y0 = 12.0 * (1.0 if circle else SQUARE) * radius / math.pi
        y1 = radius / (1.0 if circle else w[SLANT + i]) / 1.006
        inside = x < y1
        s1 = 0.0 if inside else g * power(max(x - y1, 0.0), p)
        far = radius if inside else x
        s2 = 0.92 * g * power(far + radius, p)
        s2 = 1.001 * s1 if abs(s2 - s1) <= 1.0e-4 else s2
        s0 = w[SPREAD + i]
        mean = (s2 - s1) / log((0.1 + s2) / (0.1 + s1))
        mean = math.sqrt(mean * mean + s0 * s0)
        mean = mean if below else max(g * power(x, p), 1.0)
        w[SZ + i] = mean if area else w[SZ + i]
        w[Y0 + i] = y0 if area else w[Y0 + i]
        w[Y1 + i] = (y1 if below else radius) if area else w[Y1 + i]


@fused_njit
def concentration(w, n, areas):
    """Rows C [ug/m3] and U [m/s]; a plume wholly above the mixing height has no concentration and its own layer.

    c = q 12/(2 pi (x + y0) u) Dz 1e6 with Dz = 2/(sqrt(2 pi) sz) exp(-h^2/(2 sz^2)) E, or 1/zi when mixed
    (sz > 1.6 zi or x > 100 km); E adds the two reflections at the mixing height. ``areas``: some lane has a radius.
    """
    for i in range(n):
        below = w[BELOW + i] > 0.0
        h = w[HT + i]
        zi = w[ZI + i]
        sz = w[SZ + i]
        x = w[XE + i]
        ratio = sz / zi
        mixed = (ratio > 1.6) | (x > 1.0e5)
        share = ratio / 1.6
        hf = min((1.0 - share) * h + share * 0.5 * zi, _HIGHEST)
        z = min(0.5 * zi, _HIGHEST) if mixed else hf
        z = z if below else min(h, _HIGHEST)
        low = (hf <= _LOG_LEVEL) & (not mixed) & below
        wind_power = power_wind(w[U10 + i], w[PW + i], z)
        wind_log = log_wind(w[USS + i], w[OLS + i], w[Z0S + i], z)
        u = wind_log if low else wind_power
        two = 2.0 * sz * sz
        up = exp(-((2.0 * zi + h) * (2.0 * zi + h) - h * h) / two)
        down = exp(-((2.0 * zi - h) * (2.0 * zi - h) - h * h) / two)
        reflects = ratio > 0.6 * math.sqrt(max(1.0 - h / zi, 0.0))
        e = 1.0 + (up + down if reflects else 0.0)
        dz = 2.0 / (_ROOT_2PI * sz) * exp(-h * h / two) * e
        dz = 1.0 / zi if mixed else dz
        c = w[Q + i] * 12.0 / (2.0 * math.pi * (x + w[Y0 + i]) * u) * dz * 1.0e6
        w[C + i] = c if below else 0.0
        w[U + i] = u
        w[ZI + i] = zi if below else (80.0 if sz < 40.0 else 2.0 * sz)
    if not areas:
        return
    for i in range(n):
        x, h, sz, y0, y1 = w[XE + i], w[HT + i], w[SZ + i], w[Y0 + i], w[Y1 + i]
        inside = (y1 > 0.0) & (x < y1)
        near = 1.0 + x / (y0 if inside else 1.0) * power((y1 - x) / (y1 if inside else 1.0), 0.4) * exp(
            -h * h / (sz * sz)
        )
        w[C + i] *= near if inside else 1.0

"""Vertical dispersion sigma_z of a plume in the surface layer and above it, per lane.

Source: Van Jaarsveld (2004), RIVM report 500045001, chapter 3; Businger et al. (1971) for phi.
"""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import exp, power
from kernels.nitrogen.exact.lanes import (
    A1,
    A2,
    A3,
    A4,
    A5,
    A6,
    A7,
    A8,
    A9,
    B0,
    B1,
    B2,
    B3,
    B4,
    B5,
    B6,
    B7,
    B8,
    B9,
)
from kernels.nitrogen.exact.surface_layer import log_wind, stable_wind, unstable_wind

__all__ = ["sigma_z"]

_LEVEL = 0.69  # share of sigma_z at which the wind is taken
_EVALUATIONS = 13


@fused_njit(forceinline=True)
def _evaluate(w, i, u, k, share, final):
    """One evaluation in lane i with wind ``u`` and diffusivity ``k``; moves the heights of both. A1 = 2 ends it."""
    h = w[B3 + i]
    zi = w[B4 + i]
    zu = w[B7 + i]
    memory = w[B9 + i]
    last = w[A1 + i]
    sz = math.sqrt(2.0 * k * w[B5 + i] / u)
    w[A2 + i] = sz
    stop = (last > 0.0) | (final > 0.0)
    s = _LEVEL * sz
    half = 0.5 * zi
    # plume fills half the mixing layer
    full = s >= half
    # plume still elevated
    elevated = s <= h
    zn = h - sz
    low = zn < 0.5 * h
    far = abs(zn - memory) > 0.1 * zn
    mixed = 0.4 * zn + 0.6 * memory
    zk_up = 0.5 * h if low else (mixed if far else zn)
    last_up = low | (abs(zn - memory) <= 0.1 * zn) | (mixed > half) | (mixed > h + s)
    memory_up = memory if low else (mixed if far else memory)
    # plume on the ground
    settled = abs(zu - s) <= 0.1 * zu
    zu_on = max(zu + 0.6 * (s - zu), h)
    over = zu_on > half
    zu_on = half if over else zu_on
    zu_new = half if full else (h if elevated else zu_on)
    zk_new = share * half if full else (zk_up if elevated else share * zu_on)
    final_up = 1.0 if last_up else 0.0
    final_on = 1.0 if over else 0.0
    last_new = 1.0 if full else (final_up if elevated else final_on)
    stays = 0.0 if (full | elevated) else (1.0 if settled else 0.0)
    w[B7 + i] = zu_new
    w[B8 + i] = zk_new
    w[B9 + i] = memory if full else (memory_up if elevated else memory)
    w[A1 + i] = 2.0 if (stop | (stays > 0.0)) else last_new


@fused_njit
def _sweep_unstable(w, n, final):
    for i in range(n):
        us = w[B0 + i]
        length = w[B1 + i]
        zk = w[B8 + i]
        u = unstable_wind(us, length, w[B2 + i], w[B7 + i])
        room = max(1.0 - zk / w[B4 + i], 0.0)
        k = 0.35 * us * zk * math.sqrt(1.0 - 9.0 * zk / length) / 0.74 * room * math.sqrt(room)
        _evaluate(w, i, u, k, 0.75, final)


@fused_njit
def _sweep_stable(w, n, final):
    for i in range(n):
        us = w[B0 + i]
        length = w[B1 + i]
        zk = w[B8 + i]
        u = stable_wind(us, length, w[B2 + i], w[B7 + i])
        k = 0.35 * us * zk * (1.2 if length >= 30.0 else 2.4) / (0.74 + 4.7 * zk / length)
        _evaluate(w, i, u, k, 1.0, final)


@fused_njit
def _surface(w, order, m, result, unstable):
    """Surface layer: sz = sqrt(2 K x/u(zu)), with the heights of u and K following the growing plume.

    Rows: B0 u* [m/s], B1 L [m], B2 z0 [m], B3 height h' [m], B4 zi [m], B5 x [m], B6 its logarithm, of ``m`` lanes
    of one sign of L; the result goes to row ``result`` of lane ``order``. Scratch B7 zu, B8 zK, B9 memory, A1 1
    when the next evaluation is the last. Lanes that go on are packed together.
    """
    padded = (m + 7) & ~7
    factor = 0.07 if unstable else 0.04
    exponent = 0.8 if unstable else 0.7
    for i in range(padded):
        z = factor * exp(exponent * w[B6 + i])
        z = min(max(z, w[B3 + i]), 0.5 * w[B4 + i])
        w[B7 + i] = z
        w[B8 + i] = z
        w[B9 + i] = z
        w[A1 + i] = 0.0
    count = 0
    while m > 0:
        final = 1.0 if count >= _EVALUATIONS else 0.0
        if unstable:
            _sweep_unstable(w, padded, final)
        else:
            _sweep_stable(w, padded, final)
        count += 1
        going = 0
        for j in range(m):
            if w[A1 + j] == 2.0:
                w[result + order[j]] = w[A2 + j]
                continue
            if going < j:
                order[going] = order[j]
                w[B0 + going] = w[B0 + j]
                w[B1 + going] = w[B1 + j]
                w[B2 + going] = w[B2 + j]
                w[B3 + going] = w[B3 + j]
                w[B4 + going] = w[B4 + j]
                w[B5 + going] = w[B5 + j]
                w[B7 + going] = w[B7 + j]
                w[B8 + going] = w[B8 + j]
                w[B9 + going] = w[B9 + j]
                w[A1 + going] = w[A1 + j]
            going += 1
        m = going
        padded = (m + 7) & ~7


@fused_njit
def _upper(w, n):
    """Upper layer: neutral, or for L < 0 the mean of convective and neutral weighted by f = clip(-zi/(20 L), 0, 1).

    Rows as in :func:`_surface`; result B5.
    """
    for i in range(n):
        us = w[B0 + i]
        length = w[B1 + i]
        z0 = w[B2 + i]
        h = w[B3 + i]
        zi = w[B4 + i]
        x = w[B5 + i]
        unstable = length < 0.0
        minus = max(-0.4 * length, 1.0e-6)
        half = 0.5 * zi
        # convective, one re-evaluation
        ws = power(zi * us * us * us / minus, 0.333)
        spread = math.sqrt(0.314 + (1.26 * us / ws) * (1.26 * us / ws))
        u = log_wind(us, length, z0, h)
        convective = 0.7 * ws * x / u * spread
        s = _LEVEL * convective
        again = log_wind(us, length, z0, min(s, half) if s > 0.0 else h)
        renewed = 0.7 * ws * x / again * spread
        convective = renewed if ((h < half) & (s > h)) else convective
        # neutral, one re-evaluation
        scale = min(max(150.0 - 2000.0 / length, 10.0), 400.0)
        room = max(1.0 - h / zi, 0.0)
        calm = us * math.sqrt(1.7 * room * math.sqrt(room))
        gust = math.sqrt(1.5 * power(h / minus, 0.667) * exp(-2.0 * h / zi) + 1.7 - h / zi)
        sw = us * gust if unstable else calm
        neutral = sw * x / u / (1.0 + math.sqrt(x / (2.0 * u * scale)))
        s = _LEVEL * neutral
        lower = (h < half) & (s > h)
        raised = (h > half) & (s > zi - h)
        z = min(s, half) if lower else (max(zi - s, half) if raised else h)
        v = log_wind(us, length, z0, z)
        gust = math.sqrt(1.5 * power(z / minus, 0.667) * exp(-2.0 * z / zi) + 1.7 - z / zi)
        sw = us * gust if unstable else calm
        neutral = sw * x / v / (1.0 + math.sqrt(x / (2.0 * v * scale)))
        f = min(max(-zi / (20.0 * length), 0.0), 1.0)
        w[B5 + i] = f * convective + (1.0 - f) * neutral if unstable else neutral


@fused_njit
def _gather(w, order, n):
    """Arguments of the chosen lanes, side by side; the last one fills up to whole vectors. Returns the padded count."""
    padded = (n + 7) & ~7
    for j in range(n, padded):
        order[j] = order[n - 1]
    for j in range(padded):
        i = order[j]
        w[B0 + j] = w[A3 + i]
        w[B1 + j] = w[A4 + i]
        w[B2 + j] = w[A5 + i]
        w[B3 + j] = w[A6 + i]
        w[B4 + j] = w[A7 + i]
        w[B5 + j] = w[A8 + i]
        w[B6 + j] = w[A9 + i]
    return padded


@fused_njit
def sigma_z(w, order, result, n):
    """Vertical dispersion at one distance and height.

    Rows: A3 friction velocity u* [m/s], A4 Obukhov length L [m], A5 roughness z0 [m], A6 plume height h [m], A7
    mixing height zi [m], A8 distance x [m], A9 ln x; A6 is replaced by h' = min(h, 0.9 zi). With
    m = clip(h'/(0.1 zi) - 0.5, 0, 1) the result [m] in row ``result`` is m upper + (1 - m) surface.

    ``w``: workspace; ``order`` (STRIDE,): scratch of lane numbers; ``n``: lanes.
    """
    for i in range(n):
        w[A6 + i] = min(w[A6 + i], 0.9 * w[A7 + i])
    # surface layer: L < 0 and L > 0 apart keeps the lanes of one vector alike
    for sign in range(2):
        m = 0
        for i in range(n):
            share = w[A6 + i] / (0.1 * w[A7 + i]) - 0.5
            if share < 1.0 and (w[A4 + i] < 0.0) == (sign == 0):
                order[m] = i
                m += 1
        if m > 0:
            _gather(w, order, m)
            _surface(w, order, m, result, sign == 0)
    m = 0
    for i in range(n):
        if w[A6 + i] / (0.1 * w[A7 + i]) - 0.5 > 0.0:
            order[m] = i
            m += 1
    if m > 0:
        padded = _gather(w, order, m)
        _upper(w, padded)
        for j in range(m):
            i = order[j]
            share = min(w[A6 + i] / (0.1 * w[A7 + i]) - 0.5, 1.0)
            if share >= 1.0:
                w[result + i] = w[B5 + j]
            else:
                w[result + i] = share * w[B5 + j] + (1.0 - share) * w[result + i]

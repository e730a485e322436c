"""Source depletion by dry deposition, the gradient below 50 m, decay on the way, and fluxes, per lane.

Source: Van Jaarsveld (2004), RIVM report 500045001, chapter 4.
"""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import exp, log, power
from kernels.nitrogen.exact.lanes import (
    A0,
    A1,
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
    BELOW,
    CGT,
    CGTZ,
    D0,
    D2,
    D3,
    DC,
    G4,
    HREC,
    HT,
    KC,
    KSR,
    KW,
    KWS,
    LOST,
    OLR,
    OLS,
    OUT_C,
    OUT_CS,
    OUT_DRY,
    OUT_DRYS,
    OUT_WET,
    OUT_WETS,
    PW,
    RA4,
    RA50,
    RA50T,
    RB,
    RBT,
    RCPOS,
    RCSIGN,
    RCSR,
    RCST,
    RCT,
    SR,
    SZ,
    U10,
    UM,
    UR,
    USR,
    USS,
    VD50,
    VHIGH,
    VLOW,
    XD,
    XE,
    Y0,
    Y1,
    Z0R,
    Z0S,
    ZI,
    ZI1,
    ZI2,
    C,
    G,
    P,
    Q,
    U,
    Y,
)
from kernels.nitrogen.exact.sector_concentration import SQUARE
from kernels.nitrogen.exact.surface_layer import boundary_resistance, log_wind, power_wind, resistance
from kernels.nitrogen.exact.vertical_dispersion import sigma_z

__all__ = ["area_spread", "deplete", "fluxes", "secondary"]

_PER_HOUR = 3.6e5  # %/h in 1/s
_SECTOR = 2.0 * math.pi / 12.0


@fused_njit
def area_spread(w, order, n, schmidt):
    """Rows SR, UR, KSR: sigma_z, wind and dry loss [1/s] over an area source of radius Y1, for blocks with areas.

    ``schmidt`` (Sc/0.72)^(2/3) of the source's Rb. The first two are the plume's own elsewhere.
    """
    for i in range(n):
        w[A3 + i] = w[USS + i]
        w[A4 + i] = w[OLS + i]
        w[A5 + i] = w[Z0S + i]
        w[A6 + i] = w[HT + i]
        w[A7 + i] = w[ZI + i]
        x = max(2.0 * w[Y1 + i], 1.0)
        w[A8 + i] = x
        w[A9 + i] = log(x)
    sigma_z(w, order, D0, n)
    for i in range(n):
        h = w[HT + i]
        y1 = w[Y1 + i]
        s2 = w[D0 + i]
        sr = s2 / log((h + s2) / h)
        ur = log_wind(w[USS + i], w[OLS + i], w[Z0S + i], 0.5 * (0.25 * sr + h + 6.0))
        outside = (y1 > 0.0) & (w[XE + i] > y1)
        sr = min(sr if outside else w[SZ + i], w[ZI2 + i])
        w[SR + i] = sr
        w[UR + i] = ur if outside else w[U + i]
        ra4 = resistance(w[USS + i], w[OLS + i], w[Z0S + i], 4.0)
        w[KSR + i] = 1.0 / ((ra4 + boundary_resistance(w[USS + i], schmidt) + w[RCT + i]) * sr)


@fused_njit
def deplete(w, n, p, stable, areas, heights, chemistry, dry, rain, gradient):
    """Rows D2, D3, DC, UM, G4, CGT, CGTZ, VD50.

    ``p`` power of sigma_z; ``stable`` 1.0 for classes 5 and 6, else 0.0; ``areas``: some lane has a radius;
    ``heights``: some receptor is not at 4 m; the last four are 1.0 or 0.0 and switch the processes. Scratch: A0
    transport speed, A1 fetch.
    """
    if not areas:
        for i in range(n):
            w[UR + i] = w[U + i]
    for i in range(n):
        x = w[XE + i]
        y0 = w[Y0 + i]
        y1 = w[Y1 + i]
        area = w[Y + i] > 0.0
        r = w[BELOW + i]
        below = r > 0.0
        h = w[HT + i]
        zi = w[ZI + i]
        zi1 = w[ZI1 + i]
        zi2 = w[ZI2 + i]
        g = w[G + i]
        u = w[U + i]
        sz = w[SZ + i]
        rc = w[RCPOS + i]
        near = w[RA4 + i] + w[RB + i] + rc
        far = w[RA50 + i] + w[RB + i] + rc
        g4 = near / far
        low = w[VLOW + i]
        high = w[VHIGH + i]
        ratio = high if h > zi1 else low
        ratio = 0.7 * high if h > 350.0 else ratio
        vd50 = ratio / (w[RA50T + i] + w[RBT + i] + w[RCT + i])
        vd0 = 1.0 / (w[RBT + i] + w[RCT + i])
        # distance where the plume fills the mixing layer
        flag = (h > zi1) & (stable > 0.0)
        spread = zi2 - zi1
        xg = (h - zi1) * 1.0e5 / (spread if spread > 0.0 else 1.0)
        xg = 1.0e5 if ((spread <= 0.0) | (xg > x) | (xg < 0.0)) else xg
        fills = power(zi1 / g, 1.0 / p)
        xg = xg if flag else fills
        xg = max(xg, y1)
        beyond = x >= xg
        uh = log_wind(w[USS + i], w[OLS + i], w[Z0S + i], min(max(h, 1.0), 500.0))
        c = r * w[C + i]
        d3 = exp(-(x - xg) / u * vd50 / zi)
        xx = xg if beyond else x
        zg = zi1 + xg / 1.0e5 * (zi2 - zi1)
        layer = power_wind(w[U10 + i], w[PW + i], min(0.5 * zg, 500.0))
        sg = g * power(xg, p)
        sg = sg if beyond else sz
        ug = 0.5 * (uh + (layer if beyond else u))
        thinned = (x + y0) / (xg + y0) * zi / zg
        cc = c * (thinned if beyond else 1.0)
        d3 = d3 if (beyond & (dry > 0.0)) else 1.0
        # gradient
        fetch = x - y1 / 1.33
        fetch = y1 / 4.0 if x < y1 else fetch
        cgt = (1.0 - g4) * (1.0 - exp(-fetch / (4.0 * near * ug)))
        cgt = cgt * gradient
        w[A0 + i] = ug
        w[A1 + i] = fetch
        # source depletion
        outside = x > y1
        ur = w[UR + i]
        ug = 0.5 * (ur + u) if (area & outside) else ug
        s = (sg / h) * (sg / h)
        root = 1.0 + math.sqrt(1.0 + 8.0 * s / math.pi)
        a = 8.0 / math.pi * s / (root * root)
        loss = (
            2.0
            * a
            / w[Q + i]
            * 1.0e-6
            * vd0
            * _SECTOR
            * (xx + y0)
            * cc
            * (u / ug)
            / (r if below else 1.0)
            * (xx - y1)
            * (1.0 - cgt)
        )
        d2 = exp(-loss)
        d2 = d2 if (outside & (xg > y1) & ((h <= zi1) | (stable <= 0.0))) else 1.0
        d2 = d2 if dry > 0.0 else 1.0
        through = (y1 * ur + (xg - y1) * ug + (x - xg) * u) / x
        um = (y1 * ur + (x - y1) * ug) / x
        um = through if x > xg else um
        um = um if outside else u
        w[D2 + i] = d2 if below else 1.0
        w[D3 + i] = d3 if below else 1.0
        w[CGT + i] = cgt if below else 0.0
        w[CGTZ + i] = cgt if below else 0.0
        w[UM + i] = um if below else u
        w[G4 + i] = g4
        w[VD50 + i] = vd50 if below else 0.0
        w[LOST + i] = 0.0
    if areas:
        _deplete_over_areas(w, n, chemistry, dry, rain)
    if heights and gradient > 0.0:
        _gradient_at_receptor(w, n)
    for i in range(n):
        x = w[XE + i]
        e = w[LOST + i]
        rate = (chemistry * w[KC + i] + rain * w[KW + i]) / _PER_HOUR
        path = x - e if x > w[Y1 + i] else e
        w[DC + i] = exp(-path / w[UM + i] * rate)


@fused_njit
def _deplete_over_areas(w, n, chemistry, dry, rain):
    """Loss over the area itself: row D2 is multiplied by it, row LOST the path that the decay leaves out [m]."""
    for i in range(n):
        area = w[Y + i] > 0.0
        below = w[BELOW + i] > 0.0
        ur = w[UR + i]
        ks = w[KSR + i]
        rate = (chemistry * w[KC + i] + rain * w[KW + i]) / _PER_HOUR
        a_w = math.pi * w[Y0 + i] / (6.0 * SQUARE)
        b = (rate + dry * ks) * a_w / ur
        tamed = 15.0 * power(b / 15.0, 0.49)
        b = tamed if b > 15.0 else b
        e = a_w / 4.0 * exp(-b / 18.0)
        loss = exp(-ks * e / ur) if dry > 0.0 else 1.0
        w[D2 + i] *= loss if (area & below) else 1.0
        # nothing of the plume below the mixing height: a quarter of the side
        w[LOST + i] = (e if below else a_w / 4.0) if area else 0.0


@fused_njit
def _gradient_at_receptor(w, n):
    """Row CGTZ at receptors that are not at 4 m; rows A0 and A1 as :func:`deplete` leaves them."""
    for i in range(n):
        rc = w[RCPOS + i]
        zr = w[HREC + i]
        near = w[RB + i] + rc + resistance(w[USR + i], w[OLR + i], w[Z0R + i], zr)
        far = w[RA50 + i] + w[RB + i] + rc
        cgtz = (1.0 - near / far) * (1.0 - exp(-w[A1 + i] / (zr * near * w[A0 + i])))
        cgtz = cgtz if w[BELOW + i] > 0.0 else 0.0
        w[CGTZ + i] = w[CGT + i] if zr == 4.0 else cgtz


@fused_njit
def fluxes(w, n):
    """Rows OUT_C [ug/m3], OUT_DRY and OUT_WET [ug/m2/h] of the primary species, times the class frequency.

    Dry c/(Ra(4) + Rb + Rc), Rc signed; wet kw q/(u (2 pi/12) (x + y0 + 3 + xd)) of the depleted source, of which
    only the part below the mixing height is depleted.
    """
    for i in range(n):
        r = w[BELOW + i]
        x = w[XE + i]
        frequency = w[P + i]
        d2, d3, dc = w[D2 + i], w[D3 + i], w[DC + i]
        c = r * w[C + i] * d2 * d3 * dc
        q = w[Q + i] * dc * (d2 + (1.0 - d2) * (1.0 - r)) * (d3 + (1.0 - d3) * (1.0 - r))
        xd = w[XD + i]
        on = (frequency > 0.0) & (w[Q + i] > 0.0)
        wet = w[KW + i] / 100.0 * q * frequency * 1.0e6 / (w[U + i] * _SECTOR * (x + w[Y0 + i] + 3.0 + xd))
        dry = 3600.0 * frequency * c * (1.0 - w[CGT + i]) / (w[RA4 + i] + w[RB + i] + w[RCSIGN + i])
        w[OUT_C + i] = frequency * c * (1.0 - w[CGTZ + i]) if on else 0.0
        w[OUT_DRY + i] = dry if on else 0.0
        w[OUT_WET + i] = wet if (on & (x >= xd)) else 0.0


@fused_njit
def _path_from_areas(w, n, dry, rain):
    """Row A0: path [m] over which an area's emission is converted; points keep their distance."""
    for i in range(n):
        x = w[XE + i]
        a_w = math.pi * w[Y0 + i] / (6.0 * SQUARE)
        rate = (w[KC + i] + rain * w[KW + i]) / _PER_HOUR
        e = exp(-a_w / (3.0 * w[UM + i]) * (rate + dry * w[VD50 + i] / min(1.5 * w[SZ + i], w[ZI + i])))
        path = e * a_w / 2.0 if x <= w[Y1 + i] else x - (1.0 - e) * a_w / 2.0
        w[A0 + i] = path if w[Y + i] > 0.0 else w[A0 + i]


@fused_njit
def _wind_over_areas(w, n):
    """Row A1: wind [m/s] that carries the secondary species, over an area at least that of its own layer."""
    for i in range(n):
        x, y1, sz = w[XE + i], w[Y1 + i], w[SZ + i]
        area = w[Y + i] > 0.0
        ss = 1.5 * sz if (area & (x < y1)) else sz
        layer = power_wind(w[U10 + i], w[PW + i], min(ss, 0.5 * w[ZI + i]))
        w[A1 + i] = max(w[A1 + i], layer) if (area & (x <= 1.01 * y1)) else w[A1 + i]


@fused_njit
def secondary(w, n, mass_ratio, steps, areas, chemistry, dry, rain, gradient):
    """Rows OUT_CS [ug/m3], OUT_DRYS and OUT_WETS [ug/m2/h] of the secondary species, times the class frequency.

    The mass converted on the way, less its own losses, in ``steps`` (the largest of the block) or fewer equal
    steps; ``mass_ratio`` = molar mass of the secondary over that of the primary species.
    """
    for i in range(n):
        w[OUT_CS + i] = 0.0
        w[OUT_DRYS + i] = 0.0
        w[OUT_WETS + i] = 0.0
    if chemistry == 0.0:
        return
    for i in range(n):
        w[A0 + i] = w[XE + i]
    if areas:
        _path_from_areas(w, n, dry, rain)
    for i in range(n):
        path = w[A0 + i]
        zi = w[ZI + i]
        um = w[UM + i]
        rate = (w[KC + i] + rain * w[KW + i]) / _PER_HOUR
        vd50 = dry * w[VD50 + i]
        high = w[VHIGH + i]
        low = w[VLOW + i]
        ratio = high if w[HT + i] > w[ZI1 + i] else low
        vs = ratio / (w[RA50T + i] + w[RBT + i] + w[RCST + i])
        vs = dry * (vs if w[BELOW + i] > 0.0 else 0.0)
        count = 6.0 + math.floor(math.floor(path + 0.5) / 50000.0)
        dt = path / (um * count)
        e1 = 1.0 - exp(-dt * (rate + vd50 / zi))
        e2 = 1.0 - exp(-dt * (rain * w[KWS + i] / _PER_HOUR + vs / zi))
        e3 = mass_ratio * dt * w[KC + i] / _PER_HOUR
        w[B0 + i] = e1
        w[B1 + i] = e2
        w[B2 + i] = e3
        w[B3 + i] = w[Q + i]
        w[B4 + i] = 0.0
        w[B5 + i] = count
    for step in range(steps):
        now = float(step)
        for i in range(n):
            m1 = w[B3 + i]
            m2 = w[B4 + i]
            e1 = w[B0 + i]
            e2 = w[B1 + i]
            gain = m1 * (1.0 - 0.5 * e1) * w[B2 + i]
            on = now < w[B5 + i]
            more = m2 + gain - m2 * e2 - 0.5 * gain * e2
            less = m1 * (1.0 - e1)
            w[B4 + i] = more if on else m2
            w[B3 + i] = less if on else m1
    for i in range(n):
        w[A1 + i] = w[U + i]
    if areas:
        _wind_over_areas(w, n)
    for i in range(n):
        x = w[XE + i]
        y0 = w[Y0 + i]
        y1 = w[Y1 + i]
        area = w[Y + i] > 0.0
        zi = w[ZI + i]
        sz = w[SZ + i]
        m1 = w[B3 + i]
        m2 = w[B4 + i]
        q = w[Q + i]
        depleted = q * w[D2 + i] * w[D3 + i] * w[DC + i]
        positive = m1 > 0.0
        qs = min(q, m2 * depleted / (m1 if positive else 1.0))
        qs = qs if positive else 0.0
        inside = area & (x < y1)
        ss = 1.5 * sz if inside else sz
        h = w[HT + i]
        u = w[U + i]
        v = w[A1 + i]
        two = 2.0 * ss * ss
        reflections = (
            exp(-h * h / two)
            + exp(-(2.0 * zi - h) * (2.0 * zi - h) / two)
            + exp(-(2.0 * zi + h) * (2.0 * zi + h) / two)
        )
        plume = 1.5238e6 * qs / (v * ss * (x + y0)) * reflections
        mixed = 12.0e6 * qs / (6.2832 * zi * (x + y0) * u)
        share = qs / (q if q > 0.0 else 1.0) * w[C + i]
        mixed = share if m1 > 1.0e-4 * q else mixed
        cs = plume if ss < 1.6 * zi else mixed
        resist = w[RA50 + i] + w[RB + i] + w[RCSR + i]
        near = w[RA4 + i] + w[RB + i] + w[RCSR + i]
        fall = 1.0 - near / resist
        rest = 1.0 - w[G4 + i]
        flat = rest == 0.0
        relaxed = w[CGT + i] / (1.0 if flat else rest)
        cgt = fall * (1.0 if flat else relaxed) * gradient
        frequency = w[P + i]
        on = (frequency > 0.0) & (q > 0.0) & (w[KC + i] > 0.0)
        c = frequency * w[BELOW + i] * cs
        flux = w[KWS + i] / 100.0 * qs * frequency * 1.0e6 / (u * _SECTOR * (x + y0 + 3.0 + w[XD + i]))
        w[OUT_CS + i] = c * (1.0 - cgt) if on else 0.0
        w[OUT_DRYS + i] = 3600.0 * c / resist if on else 0.0
        w[OUT_WETS + i] = flux if on else 0.0

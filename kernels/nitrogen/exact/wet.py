"""Wet removal in and below the cloud, of the primary and the secondary species, per lane.

Source: Van Jaarsveld (2004), RIVM report 500045001, chapter 4.
"""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import exp, power
from kernels.nitrogen.exact.lanes import (
    BELOW,
    FALL,
    FR,
    HS,
    HT,
    KW,
    KWS,
    PW,
    RAIN,
    RATIO,
    SZ,
    TW,
    U10,
    WASH,
    WASHS,
    XD,
    XE,
    Y0,
    Y1,
    ZI,
    C,
    Q,
    U,
    Y,
)
from kernels.nitrogen.exact.sector_concentration import SQUARE

__all__ = ["wet_rates"]

_AEROSOL = 1.326 * 0.31  # below-cloud coefficient of the secondary aerosol
_AEROSOL_CLOUD = 1.4e7  # in-cloud scavenging ratio of the aerosol


@fused_njit(forceinline=True)
def _rate(probability, time, intensity, below, cloud, depth, share):
    """Removal rate [%/h]: mean of below-cloud (capped by in-cloud) and in-cloud rates, share of the latter."""
    under = 100.0 * probability / time * (1.0 - exp(-below * time))
    inside = 100.0 * probability / time * (1.0 - exp(-cloud * time * intensity / (1000.0 * depth)))
    under = min(under, inside)
    return under * (1.0 - share) + inside * share


@fused_njit
def wet_rates(w, n, diffusion, cloud, cloud_ratio, reversible):
    """Rows KW, KWS [%/h] and XD [m].

    ``diffusion`` coefficient [cm2/s]; in-cloud scavenging ratio ``cloud`` + ``cloud_ratio`` * NO2/NOx;
    ``reversible`` scavenging is limited by the concentration relative to the well-mixed one.
    """
    washing = 1.21 * power(diffusion, 0.744)
    for i in range(n):
        x = w[XE + i]
        y0 = w[Y0 + i]
        y1 = w[Y1 + i]
        u = w[U + i]
        sz = w[SZ + i]
        zi = w[ZI + i]
        fr = w[FR + i]
        rain = w[RAIN + i]
        r = w[BELOW + i]
        below = r > 0.0
        area = w[Y + i] > 0.0
        inside = area & (x < y1)
        a_w = math.pi * y0 / (6.0 * SQUARE)
        path = (a_w / 4.0 if x <= y1 else x - a_w / 4.0) if area else x
        tw = max(w[TW + i], 1.0e-9)
        time = max(tw * (1.0 - exp(-0.4 * path / (3600.0 * u) / tw)), 0.01)
        gap = zi - w[HT + i]
        fill = (y1 - x) / (y1 if inside else 1.0)
        far = y1 * y1 * y1 / (200.0 * x * x)
        dz = gap + (sz * fill if inside else -far)
        dz_secondary = gap + (1.5 * sz * fill if inside else -far)
        dz = max(dz if below else 0.0, 0.0)
        dz_secondary = max(dz_secondary if below else 0.0, 0.0)
        v = 3.0 if inside else 1.0
        ss = 1.5 * sz if inside else sz
        share = exp(-(dz + 5.0) * (dz + 5.0) / (2.0 * v * sz * sz)) * min(1.0, x / (3600.0 * u))
        share_secondary = exp(-(dz_secondary + 5.0) * (dz_secondary + 5.0) / (2.0 * v * ss * ss))
        # r = 0: the layer of 2 sz
        depth = zi if below else 2.0 * sz
        lb = washing * w[WASH + i]
        kw = _rate(fr, time, rain, lb, cloud + cloud_ratio * w[RATIO + i], depth, share)
        mixed = 12.0 * w[Q + i] * 1.0e6 / (2.0 * math.pi * (x + y0) * u * zi)
        kw = kw * (min(1.0, r * w[C + i] / mixed) if reversible else 1.0)
        lbs = _AEROSOL * w[WASHS + i]
        kws = _rate(fr, time, rain, lbs, _AEROSOL_CLOUD, zi, share_secondary)
        dry = fr <= 0.0
        w[KW + i] = 0.0 if dry else kw
        w[KWS + i] = 0.0 if dry else kws
        fall = w[FALL + i]
        xd = w[HS + i] / (fall if fall > 0.0 else 1.0) * w[U10 + i] * power(w[HS + i] / 20.0, w[PW + i])
        w[XD + i] = 0.0 if (area | dry) else xd

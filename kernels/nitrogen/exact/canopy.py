"""Canopy resistances of receptor and trajectory over a mix of land uses, and of NOx and the aerosols, per lane."""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.depac import (
    DIFFUSIVITY,
    PLANT,
    effective_resistance,
    emission_potential,
    external_conductance,
    light,
    soil_conductance,
    stomatal_conductance,
    visible_radiation,
)
from kernels.nitrogen.exact.elementary import exp, log, power
from kernels.nitrogen.exact.lanes import (
    A0,
    A1,
    A2,
    A3,
    A4,
    A5,
    B0,
    B1,
    B2,
    B3,
    B4,
    FR,
    LUR,
    LUT,
    NH3R,
    NH3T,
    OLR,
    RA4,
    RA4S,
    RA4T,
    RAD,
    RATIO,
    RB,
    RBT,
    RCAER,
    RCPOS,
    RCSIGN,
    RCSO2,
    RCSR,
    RCST,
    RCT,
    RH,
    SHARER,
    SHARET,
    SO2R,
    SO2T,
    STRIDE,
    TC,
    U10,
    USR,
    UST,
    Z0R,
)
from kernels.nitrogen.exact.surface_layer import log_wind

__all__ = ["aerosol_resistances", "nh3_resistances", "nox_resistances"]

_TWO_PI = 2.0 * math.pi


@fused_njit(forceinline=True)
def _wet(rain_probability, humidity):
    """1 where the surface counts as wet in the annual mode."""
    base = 0.4 * rain_probability + humidity / 59.0 - 0.4
    square = base * base
    return 0.3 * square * square * base >= 0.5


@fused_njit
def _radiation(w, n):
    """Rows A0 radiation [W/m2], A1 sine of solar height, A2 direct, A3 diffuse visible radiation [W/m2]."""
    for i in range(n):
        radiation = 2.78 * w[RAD + i]
        sinphi = 0.00237 * radiation - 1.86e-6 * radiation * radiation
        direct, diffuse = visible_radiation(radiation, sinphi)
        w[A0 + i] = radiation
        w[A1 + i] = sinphi
        w[A2 + i] = direct
        w[A3 + i] = diffuse


@fused_njit
def _stomata(w, n, land_use, component, leaf):
    """Row A4: stomatal conductance [m/s]."""
    if leaf <= 0.0:
        for i in range(n):
            w[A4 + i] = 0.0
        return
    gmax, least, a = PLANT[land_use, 0], PLANT[land_use, 1], PLANT[land_use, 2]
    t_min, t_opt, t_max = PLANT[land_use, 3], PLANT[land_use, 4], PLANT[land_use, 5]
    v1, v2 = PLANT[land_use, 6], PLANT[land_use, 7]
    ratio = DIFFUSIVITY[component]
    root7, root8 = leaf**0.7, leaf**0.8
    dense = leaf > 2.5
    for i in range(n):
        radiation = w[A0 + i]
        strong = (radiation > 200.0) & dense
        fl = light(w[A2 + i], w[A3 + i], w[A1 + i], strong, leaf, root7, root8, a, least)
        gs = stomatal_conductance(w[TC + i], w[RH + i], fl, leaf, gmax, least, t_min, t_opt, t_max, v1, v2, ratio)
        w[A4 + i] = gs if radiation > 0.0 else 0.0


@fused_njit
def _clear(w, n):
    for i in range(n):
        w[B0 + i] = 0.0
        w[B1 + i] = 0.0
        w[B2 + i] = 0.0


@fused_njit
def _mix(w, n, land_use, days):
    """Add one land use: B3, B4 sums over days of 1/(Rc + Ra + Rb); B0 signed, B1 positive, B2 trajectory."""
    receptor = LUR + (land_use - 1) * STRIDE
    path = LUT + (land_use - 1) * STRIDE
    for i in range(n):
        w[A5 + i] = w[receptor + i]
    for i in range(n):
        ra = w[RA4 + i] + w[RB + i]
        share = w[A5 + i]
        r = days / w[B3 + i] - ra
        w[B0 + i] += share / (r + ra)
        w[B1 + i] += share / ((r if r > 0.0 else 1000.0) + ra)
    for i in range(n):
        w[A5 + i] = w[path + i]
    for i in range(n):
        ra = w[RA4T + i] + w[RBT + i]
        r = days / w[B4 + i] - ra
        w[B2 + i] += w[A5 + i] / ((r if r > 0.0 else 1000.0) + ra)


@fused_njit
def _total(w, n):
    for i in range(n):
        ra = w[RA4 + i] + w[RB + i]
        w[RCSIGN + i] = 1.0 / w[B0 + i] - ra
        w[RCPOS + i] = 1.0 / w[B1 + i] - ra
        w[RCT + i] = 1.0 / w[B2 + i] - (w[RA4T + i] + w[RBT + i])


@fused_njit
def nh3_resistances(w, n, present, days, foliage, gamma):
    """Rc of NH3 with compensation point: rows RCSIGN (signed), RCPOS (positive) at the receptor, RCT on the path.

    ``present`` (10,): land uses that occur in the block; ``days`` (10, 2): days of the year per land use, -1 =
    none; ``foliage`` (10, 2, 2): LAI and SAI on those days; ``gamma`` of water. Per land use 1/(Rc_eff + Ra + Rb)
    is averaged over the days, then over land uses by share.
    """
    _radiation(w, n)
    _clear(w, n)
    for land_use in range(1, 10):
        if not present[land_use]:
            continue
        count = 0.0
        for i in range(n):
            w[B3 + i] = 0.0
            w[B4 + i] = 0.0
        for d in range(2):
            day = days[land_use, d]
            if day < 0.0:
                continue
            count += 1.0
            leaf, surface = foliage[land_use, d, 0], foliage[land_use, d, 1]
            _stomata(w, n, land_use, 0, leaf)
            leafy, covered = leaf > 0.0, surface > 0.0
            water = land_use == 6
            sea = 286.2 + 8.34 * math.sin(_TWO_PI * (day - 115.1) / 365.0)
            potential_sea = 2.75e15 / sea * math.exp(-1.04e4 / sea)
            for i in range(n):
                t = w[TC + i]
                wet = _wet(w[FR + i], w[RH + i])
                gw = external_conductance(0, t, w[RH + i], wet, surface) if covered else 0.0
                f = potential_sea if water else emission_potential(t + 273.15)
                ground = gamma if water else 0.0
                soil = soil_conductance(land_use, 0, t, wet, surface, w[USR + i])
                ra = w[RA4 + i] + w[RB + i]
                _, _, rc = effective_resistance(
                    w[A4 + i], gw, soil, ground, leafy, covered, w[NH3R + i], w[SO2R + i], t, f, ra
                )
                w[B3 + i] += 1.0 / (rc + ra)
                soil = soil_conductance(land_use, 0, t, wet, surface, w[UST + i])
                ra = w[RA4T + i] + w[RBT + i]
                _, _, rc = effective_resistance(
                    w[A4 + i], gw, soil, ground, leafy, covered, w[NH3T + i], w[SO2T + i], t, f, ra
                )
                w[B4 + i] += 1.0 / (rc + ra)
        _mix(w, n, land_use, count)
    _total(w, n)


@fused_njit
def nox_resistances(w, n, present, days, foliage):
    """Rc of NOx from Rc of NO2, NO and HNO2 with their shares, statistical Ra(4) + Rb; rows as for NH3.

    Rc = 1/[n/(R(NO2) + r) + (1-n)/(2000 + r) + 0.03/(Rc(SO2) + r)] - r, r = Ra(4) + Rb of the statistics.
    """
    _radiation(w, n)
    _clear(w, n)
    for land_use in range(1, 10):
        if not present[land_use]:
            continue
        count = 0.0
        for i in range(n):
            w[B3 + i] = 0.0
            w[B4 + i] = 0.0
        for d in range(2):
            if days[land_use, d] < 0.0:
                continue
            count += 1.0
            leaf, surface = foliage[land_use, d, 0], foliage[land_use, d, 1]
            _stomata(w, n, land_use, 1, leaf)
            gw = 1.0 / 2000.0 if surface > 0.0 else 0.0
            for i in range(n):
                t = w[TC + i]
                wet = _wet(w[FR + i], w[RH + i])
                g = w[A4 + i] + gw
                soil = soil_conductance(land_use, 1, t, wet, surface, w[USR + i])
                w[B3 + i] += 1.0 / (1.0 / (g + soil) + w[RA4 + i] + w[RB + i])
                soil = soil_conductance(land_use, 1, t, wet, surface, w[UST + i])
                w[B4 + i] += 1.0 / (1.0 / (g + soil) + w[RA4T + i] + w[RBT + i])
        _mix(w, n, land_use, count)
    _total(w, n)
    for i in range(n):
        r = w[RA4S + i]
        ratio = w[RATIO + i]
        rest = (1.0 - ratio) / (2000.0 + r) + 0.03 / (w[RCSO2 + i] + r)
        rc = 1.0 / (ratio / (w[RCPOS + i] + r) + rest) - r
        w[RCPOS + i] = rc
        w[RCSIGN + i] = rc
        w[RCT + i] = 1.0 / (ratio / (w[RCT + i] + r) + rest) - r


@fused_njit
def aerosol_resistances(w, n, nitrate):
    """Rc of the secondary species at the receptor (RCSR) and on the path (RCST): NH4, or the mix NO3 + HNO3.

    Wesely et al. (1985) for low vegetation; Ruijgrok et al. (1997) for rough surfaces.
    """
    factor = 0.063 if nitrate else 0.05
    exponent = 0.25 if nitrate else 0.23
    factor_wet = 0.10 if nitrate else 0.066
    exponent_wet = 0.43 if nitrate else 0.41
    for i in range(n):
        us = w[USR + i]
        length = w[OLR + i]
        z0 = w[Z0R + i]
        stable = length > 0.0
        low = 500.0 / us / (1.0 + power(300.0 / max(-length, 1.0e-6), 2.0 / 3.0))
        low = 500.0 / us if stable else low
        wet = _wet(w[FR + i], w[RH + i])
        wind = log_wind(us, length, z0, 8.0 * z0)
        wind = wind if z0 > 0.5 else w[U10 + i]
        efficiency = (factor_wet if wet else factor) * exp((exponent_wet if wet else exponent) * log(us))
        humid = 1.0 + (0.37 if wet else 0.18) * exp((w[RH + i] - 80.0) / 20.0)
        efficiency = efficiency * (humid if w[RH + i] > 80.0 else 1.0)
        rough = wind / (efficiency * us * us)
        ra = rough if z0 >= 0.5 else low
        if nitrate:
            r = w[RA4S + i]
            y = w[SHARER + i]
            w[RCSR + i] = 1.0 / (y / (r + 10.0) + (1.0 - y) / (r + ra)) - r
            y = w[SHARET + i]
            w[RCST + i] = 1.0 / (y / (r + 10.0) + (1.0 - y) / (r + w[RCAER + i])) - r
        else:
            w[RCSR + i] = ra
            w[RCST + i] = 0.8 * w[RCAER + i]

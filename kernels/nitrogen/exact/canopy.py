"""Canopy resistances of receptor and trajectory over a mix of land uses, and of NOx and the aerosols, per lane."""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.class_statistics import D_DIFFUSE, D_DIRECT, D_RADIATION, D_SINPHI
from kernels.nitrogen.exact.depac import (
    DIFFUSIVITY,
    PLANT,
    compensation,
    effective_resistance,
    emission_potential,
    external_conductance,
    light,
    soil_conductance,
    stomatal_conductance,
)
from kernels.nitrogen.exact.elementary import exp, log, power
from kernels.nitrogen.exact.lanes import (
    A0,
    A4,
    B0,
    B1,
    B2,
    B3,
    B4,
    B5,
    B6,
    B8,
    B9,
    D0,
    D1,
    DIFFUSE,
    DIRECT,
    FR,
    LUR,
    LUT,
    NH3R,
    NH3T,
    OLR,
    RA4,
    RA4S,
    RA4T,
    RADW,
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
    SINPHI,
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

__all__ = ["aerosol_resistances", "light_table", "nh3_resistances", "no2_resistances", "nox_resistances"]

_TWO_PI = 2.0 * math.pi


@fused_njit(forceinline=True)
def _wet(rain_probability, humidity):
    """1 where the surface counts as wet in the annual mode."""
    base = 0.4 * rain_probability + humidity / 59.0 - 0.4
    square = base * base
    return 0.3 * square * square * base >= 0.5


@fused_njit
def light_table(directions, foliage, present, out):
    """Light factor of stomata per class, degree of the wind, land use and day, ``out`` (6, 360, 10, 2).

    ``directions``: of :func:`class_statistics.direction_table`; 0 without leaves.
    """
    for k in range(6):
        for degree in range(360):
            row = directions[k, degree]
            radiation, sinphi = 2.78 * row[D_RADIATION], row[D_SINPHI]
            for land_use in range(1, 10):
                for d in range(2):
                    leaf = foliage[land_use, d, 0]
                    out[k, degree, land_use, d] = 0.0
                    if present[land_use] and leaf > 0.0 and radiation > 0.0:
                        strong = (radiation > 200.0) & (leaf > 2.5)
                        a, least = PLANT[land_use, 2], PLANT[land_use, 1]
                        fl = light(row[D_DIRECT], row[D_DIFFUSE], sinphi, strong, leaf, leaf**0.7, leaf**0.8, a, least)
                        out[k, degree, land_use, d] = fl


@fused_njit
def _light(w, n, land_use, leaf):
    """Row A4: light factor of stomata from the lane's own radiation, 0 in the dark."""
    least, a = PLANT[land_use, 1], PLANT[land_use, 2]
    root7, root8 = leaf**0.7, leaf**0.8
    dense = leaf > 2.5
    for i in range(n):
        radiation = w[RADW + i]
        strong = (radiation > 200.0) & dense
        fl = light(w[DIRECT + i], w[DIFFUSE + i], w[SINPHI + i], strong, leaf, root7, root8, a, least)
        w[A4 + i] = fl if radiation > 0.0 else 0.0


@fused_njit
def _stomata(w, iw, n, land_use, day, component, leaf, light_of):
    """Row A4: stomatal conductance [m/s]; ``light_of``: see :func:`nh3_resistances`."""
    if leaf <= 0.0:
        for i in range(n):
            w[A4 + i] = 0.0
        return
    tabulated, turned, table = light_of
    if tabulated:
        for i in range(n):
            w[A4 + i] = table[iw[turned + i], land_use, day]
    else:
        _light(w, n, land_use, leaf)
    gmax, least = PLANT[land_use, 0], PLANT[land_use, 1]
    t_min, t_opt, t_max = PLANT[land_use, 3], PLANT[land_use, 4], PLANT[land_use, 5]
    v1, v2 = PLANT[land_use, 6], PLANT[land_use, 7]
    ratio = DIFFUSIVITY[component]
    for i in range(n):
        w[A4 + i] = stomatal_conductance(
            w[TC + i], w[RH + i], w[A4 + i], leaf, gmax, least, t_min, t_opt, t_max, v1, v2, ratio
        )


@fused_njit
def _clear(w, n):
    for i in range(n):
        w[B0 + i] = 0.0
        w[B1 + i] = 0.0
        w[B2 + i] = 0.0


@fused_njit
def _mix_receptor(w, n, land_use, days):
    """Add one land use: row B3 holds the sum over days of 1/(Rc + Ra + Rb); B0 signed, B1 positive."""
    receptor = LUR + (land_use - 1) * STRIDE
    for i in range(n):
        ra = w[RA4 + i] + w[RB + i]
        share = w[receptor + i]
        r = days / w[B3 + i] - ra
        w[B0 + i] += share / (r + ra)
        w[B1 + i] += share / ((r if r > 0.0 else 1000.0) + ra)


@fused_njit
def _mix_path(w, n, land_use, days):
    """Add one land use: row B4 holds the sum over days of 1/(Rc + Ra + Rb); B2 positive, on the trajectory."""
    path = LUT + (land_use - 1) * STRIDE
    for i in range(n):
        ra = w[RA4T + i] + w[RBT + i]
        r = days / w[B4 + i] - ra
        w[B2 + i] += w[path + i] / ((r if r > 0.0 else 1000.0) + ra)


@fused_njit
def _total(w, n):
    for i in range(n):
        ra = w[RA4 + i] + w[RB + i]
        w[RCSIGN + i] = 1.0 / w[B0 + i] - ra
        w[RCPOS + i] = 1.0 / w[B1 + i] - ra
        w[RCT + i] = 1.0 / w[B2 + i] - (w[RA4T + i] + w[RBT + i])


@fused_njit
def _surface_of_all(w, n):
    """What no land use changes: row B5 1 where wet, B6 conductance of the external surface per area index [m/s].

    B8, B9 concentrations of stomata over that of the air [1] at receptor and path, D0, D1
    those of the external surface [ug/m3].
    """
    for i in range(n):
        t = w[TC + i]
        f = emission_potential(t + 273.15)
        w[B5 + i] = 1.0 if _wet(w[FR + i], w[RH + i]) else 0.0
        w[B6 + i] = external_conductance(0, t, w[RH + i], False, 1.0)
        point, surface = compensation(w[NH3R + i], w[SO2R + i], t, f)
        w[B8 + i] = point
        w[D0 + i] = surface
        point, surface = compensation(w[NH3T + i], w[SO2T + i], t, f)
        w[B9 + i] = point
        w[D1 + i] = surface


@fused_njit
def nh3_resistances(w, iw, n, uses, days, foliage, gamma, light_of):
    """Rc of NH3 with compensation point: rows RCSIGN (signed), RCPOS (positive) at the receptor, RCT on the path.

    ``uses`` (2, 10): land uses that occur in the block at receptors and on paths; ``days`` (10, 2): days of the
    year per land use, -1 = none; ``foliage`` (10, 2, 2): LAI and SAI on those days; ``gamma`` of water;
    ``light_of``: whether the light factor is that of a degree of the wind, the integer row of the degree, and the
    class's part of :func:`light_table`. Per land use 1/(Rc_eff + Ra + Rb) is averaged over the days, then over land
    uses by share.
    """
    _clear(w, n)
    _surface_of_all(w, n)
    for land_use in range(1, 10):
        here, there = uses[0, land_use], uses[1, land_use]
        if not (here or there):
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
            _stomata(w, iw, n, land_use, d, 0, leaf, light_of)
            leafy, area = 1.0 if leaf > 0.0 else 0.0, max(surface, 0.0)
            water = land_use == 6
            sea = 286.2 + 8.34 * math.sin(_TWO_PI * (day - 115.1) / 365.0)
            ground = (gamma if water else 0.0) * emission_potential(sea)
            if here:
                for i in range(n):
                    soil = soil_conductance(land_use, 0, w[TC + i], w[B5 + i] > 0.0, surface, w[USR + i])
                    ra = w[RA4 + i] + w[RB + i]
                    _, _, rc = effective_resistance(
                        w[A4 + i], area * w[B6 + i], soil, leafy * w[B8 + i], w[D0 + i], ground, w[NH3R + i], ra
                    )
                    w[B3 + i] += 1.0 / (rc + ra)
            if there:
                for i in range(n):
                    soil = soil_conductance(land_use, 0, w[TC + i], w[B5 + i] > 0.0, surface, w[UST + i])
                    ra = w[RA4T + i] + w[RBT + i]
                    _, _, rc = effective_resistance(
                        w[A4 + i], area * w[B6 + i], soil, leafy * w[B9 + i], w[D1 + i], ground, w[NH3T + i], ra
                    )
                    w[B4 + i] += 1.0 / (rc + ra)
        if here:
            _mix_receptor(w, n, land_use, count)
        if there:
            _mix_path(w, n, land_use, count)
    _total(w, n)


@fused_njit
def no2_resistances(w, iw, n, uses, days, foliage, light_of):
    """Rc of NO2; rows and arguments as :func:`nh3_resistances`."""
    _clear(w, n)
    for i in range(n):
        w[B5 + i] = 1.0 if _wet(w[FR + i], w[RH + i]) else 0.0
    for land_use in range(1, 10):
        here, there = uses[0, land_use], uses[1, land_use]
        if not (here or there):
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
            _stomata(w, iw, n, land_use, d, 1, leaf, light_of)
            gw = 1.0 / 2000.0 if surface > 0.0 else 0.0
            if here:
                for i in range(n):
                    soil = soil_conductance(land_use, 1, w[TC + i], w[B5 + i] > 0.0, surface, w[USR + i])
                    w[B3 + i] += 1.0 / (1.0 / (w[A4 + i] + gw + soil) + w[RA4 + i] + w[RB + i])
            if there:
                for i in range(n):
                    soil = soil_conductance(land_use, 1, w[TC + i], w[B5 + i] > 0.0, surface, w[UST + i])
                    w[B4 + i] += 1.0 / (1.0 / (w[A4 + i] + gw + soil) + w[RA4T + i] + w[RBT + i])
        if here:
            _mix_receptor(w, n, land_use, count)
        if there:
            _mix_path(w, n, land_use, count)
    _total(w, n)


@fused_njit
def nox_resistances(w, n):
    """Rc of NOx from Rc of NO2 (rows RCPOS, RCT of :func:`no2_resistances`, replaced), NO and HNO2 with their shares.

    Rc = 1/[n/(R(NO2) + r) + (1-n)/(2000 + r) + 0.03/(Rc(SO2) + r)] - r, r = Ra(4) + Rb of the statistics.
    """
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
    rough = False
    for i in range(n):
        rough |= w[Z0R + i] >= 0.5
    for i in range(n):
        us = w[USR + i]
        length = w[OLR + i]
        low = 500.0 / us / (1.0 + power(300.0 / max(-length, 1.0e-6), 2.0 / 3.0))
        w[A0 + i] = 500.0 / us if length > 0.0 else low
    if rough:
        for i in range(n):
            us = w[USR + i]
            z0 = w[Z0R + i]
            wet = _wet(w[FR + i], w[RH + i])
            wind = log_wind(us, w[OLR + i], z0, 8.0 * z0)
            wind = wind if z0 > 0.5 else w[U10 + i]
            efficiency = (factor_wet if wet else factor) * exp((exponent_wet if wet else exponent) * log(us))
            humid = 1.0 + (0.37 if wet else 0.18) * exp((w[RH + i] - 80.0) / 20.0)
            efficiency = efficiency * (humid if w[RH + i] > 80.0 else 1.0)
            w[A0 + i] = wind / (efficiency * us * us) if z0 >= 0.5 else w[A0 + i]
    for i in range(n):
        ra = w[A0 + i]
        if nitrate:
            r = w[RA4S + i]
            y = w[SHARER + i]
            w[RCSR + i] = 1.0 / (y / (r + 10.0) + (1.0 - y) / (r + ra)) - r
            y = w[SHARET + i]
            w[RCST + i] = 1.0 / (y / (r + 10.0) + (1.0 - y) / (r + w[RCAER + i])) - r
        else:
            w[RCSR + i] = ra
            w[RCST + i] = 0.8 * w[RCAER + i]

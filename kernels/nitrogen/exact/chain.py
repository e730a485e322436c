"""The chain of a block of pairs through the six classes: each step in its order, over all lanes at once.

Source: Van Jaarsveld (2004), RIVM report 500045001.
"""

import math

import numpy as np

from kernels.jit import fused_njit
from kernels.nitrogen.exact.canopy import aerosol_resistances, nh3_resistances, no2_resistances, nox_resistances
from kernels.nitrogen.exact.class_statistics import (
    area_statistics,
    class_statistics,
    distance_class,
    follow_rain_and_radiation,
    near_statistics,
)
from kernels.nitrogen.exact.depletion import area_spread, deplete, fluxes, secondary
from kernels.nitrogen.exact.elementary import arctan, exp, log, power
from kernels.nitrogen.exact.inputs import SDIAM, SHEAT, STEMP, SVEL
from kernels.nitrogen.exact.lanes import (
    A0,
    A1,
    A2,
    A3,
    A4,
    A5,
    A6,
    A7,
    A8,
    A9,
    BASERATIO,
    BELOW,
    D0,
    D1,
    DIRECTION,
    DX,
    DY,
    EMISSION,
    FR,
    GROUP,
    H0,
    HS,
    HT,
    INTEGER_ROWS,
    KC,
    KGIVEN,
    KNH3,
    LUR,
    LUT,
    NH3T,
    NIGHT,
    NO2T,
    OL,
    OLR,
    OLS,
    OLT,
    OUT_C,
    OUT_CS,
    OUT_DRY,
    OUT_DRYS,
    OUT_WET,
    OUT_WETS,
    PAIR_ROWS,
    RA4,
    RA4S,
    RA4T,
    RA50,
    RA50S,
    RA50T,
    RAD,
    RATIO,
    RB,
    RBS,
    RBT,
    RECEPTOR,
    ROAD,
    SECTOR,
    SHARET,
    SLANT,
    SLOT,
    SO2T,
    SOURCE,
    STRIDE,
    TC,
    TIMING,
    TURNED,
    TYPE,
    US,
    USR,
    USS,
    UST,
    XE,
    Z0R,
    Z0S,
    Z0T,
    ZI,
    ZI1,
    G,
    P,
    Q,
    X,
    Y,
)
from kernels.nitrogen.exact.plume_rise import below_mixing_height, buoyant_rise, plume_rise
from kernels.nitrogen.exact.sector_concentration import concentration, point_spread, square_spread
from kernels.nitrogen.exact.surface_layer import boundary_resistance, resistance, transfer_roughness
from kernels.nitrogen.exact.vertical_dispersion import sigma_z
from kernels.nitrogen.exact.wet import wet_rates

__all__ = ["KEPT", "process"]

_POWER = np.array((0.82, 0.82, 0.76, 0.76, 0.67, 0.76))  # of sigma_z = g x^p, per class
_CLOSE = np.array((0.28, 0.28, 0.20, 0.20, 0.12, 0.20))  # g for x <= 1 m
# background of NO2 and SO2 by wind sector over its mean
_NO2_FACTOR = np.array((0.81, 0.88, 1.08, 1.30, 1.33, 1.40, 1.25, 1.03, 0.83, 0.71, 0.70, 0.68))
_SO2_FACTOR = np.array((0.77, 0.73, 0.88, 1.09, 1.30, 1.34, 1.28, 1.14, 0.97, 0.94, 0.90, 0.77))
_SECTOR_OF = np.array([(int(12 * (d + 15) / 360)) % 12 for d in range(360)])
_DEGREES = 180.0 / math.pi
_SLANT_OF = np.array([max(abs(math.sin(math.radians(d))), abs(math.cos(math.radians(d)))) for d in range(360)])
_SCHMIDT = np.array(((0.69 / 0.72) ** (2.0 / 3.0), (1.25 / 0.72) ** (2.0 / 3.0)))  # NH3, NOx
_CLEAN = math.exp(1.0 + 12.4 / 8.6)  # ppb NOx below which NO2 is proportional
# what the first pass of road chemistry keeps of each road pair and class for the second
_KEPT_ROWS = (USS, OLS, UST, OLT, USR, OLR, HT, BELOW, G)
KEPT = len(_KEPT_ROWS)


@fused_njit
def _geometry(w, iw, n, uniform, areas):
    """Direction in whole degrees (wind from, halves up), its sector, and the roughness of the path."""
    for i in range(n):
        dx, dy = w[DX + i], w[DY + i]
        first = arctan(abs(dx) / max(abs(dy), 1.0e-30))
        half = math.pi - first if dy < 0.0 else first
        degree = np.int64((-half if dx < 0.0 else half) * _DEGREES + 180.5)
        degree = degree - 360 if degree >= 360 else degree
        iw[DIRECTION + i] = degree if w[X + i] > 2.0 else 60
    for i in range(n):
        iw[SECTOR + i] = _SECTOR_OF[iw[DIRECTION + i]]
    if areas:
        for i in range(n):
            w[SLANT + i] = _SLANT_OF[iw[DIRECTION + i]]
    if not uniform:
        for i in range(n):
            w[Z0T + i] = exp(w[Z0T + i])


@fused_njit
def _background(w, iw, n):
    """Chemistry that does not depend on the class: NO2/NOx, rate of NH3, HNO3 share of the path.

    Path means with the factor of the wind sector, which an area source loses towards its centre. Rate of NH3:
    max(1, 3 (0.1 + 0.8 NO2/NH3 + 6.3 s + 1.8 s^4 - 0.17 s^6) + 0.5) %/h, s = min(SO2/NH3, 3), ppb.
    """
    for i in range(n):
        w[A0 + i] = _NO2_FACTOR[iw[SECTOR + i]]
        w[A1 + i] = _SO2_FACTOR[iw[SECTOR + i]]
    for i in range(n):
        x, side = w[X + i], 2.0 * w[Y + i]
        near = x / side if x < side else 1.0
        no2 = w[NO2T + i] * (1.0 + (w[A0 + i] - 1.0) * near)
        so2 = w[SO2T + i] * 24.0 / 64.0 * (1.0 + (w[A1 + i] - 1.0) * near)
        nh3 = w[NH3T + i] * 24.0 / 17.0
        nox = exp((no2 + 12.4) / 8.6) if no2 > 8.6 else no2 * _CLEAN / 8.6
        w[BASERATIO + i] = no2 / nox
        s = min(so2 / nh3, 3.0)
        s2 = s * s
        s4 = s2 * s2
        rate = 3.0 * (0.1 + 0.8 * no2 / nh3 + 6.3 * s + 1.8 * s4 - 0.17 * s4 * s2) + 0.5
        w[KNH3 + i] = max(1.0, rate)
        w[SHARET + i] = min(0.8, 0.024 * power(nh3 / 1000.0, -0.44))


@fused_njit
def _land_uses(w, n, uses):
    """Land uses that occur among the lanes, ``uses`` (2, 10): receptors, paths."""
    for land_use in range(1, 10):
        here = there = False
        receptor, path = LUR + (land_use - 1) * STRIDE, LUT + (land_use - 1) * STRIDE
        for i in range(n):
            here |= w[receptor + i] > 0.0
            there |= w[path + i] > 0.0
        uses[0, land_use] = here
        uses[1, land_use] = there


@fused_njit
def _surface_layer(w, order, n, z0_region):
    """Friction velocity and Obukhov length over source, trajectory and receptor, from the class's values."""
    differs = False
    for i in range(n):
        length = w[OL + i]
        w[A0 + i] = w[US + i]
        w[A1 + i] = length + 5.0 if length > 0.0 else length
        w[A2 + i] = z0_region
        w[A3 + i] = w[Z0S + i]
        differs |= w[Z0S + i] != w[Z0T + i]
    transfer_roughness(w, order, n)
    for i in range(n):
        w[USS + i] = w[A0 + i]
        w[OLS + i] = w[A1 + i]
    if differs:
        for i in range(n):
            length = w[OL + i]
            w[A0 + i] = w[US + i]
            w[A1 + i] = length + 5.0 if length > 0.0 else length
            w[A3 + i] = w[Z0T + i]
        transfer_roughness(w, order, n)
    for i in range(n):
        w[UST + i] = w[A0 + i]
        w[OLT + i] = w[A1 + i]
    for i in range(n):
        us = max(7.22 / (w[RBS + i] + 1.0), 0.06)
        length = -us * us * us * 1.29 * 1005.0 * (273.0 + w[TC + i]) / (0.4 * 9.8 * w[H0 + i])
        w[A0 + i] = us
        w[A1 + i] = max(length + 5.0, 10.0) if length > 0.0 else min(length, -7.0)
        w[A3 + i] = w[Z0R + i]
    transfer_roughness(w, order, n)
    for i in range(n):
        w[USR + i] = w[A0 + i]
        w[OLR + i] = w[A1 + i]


@fused_njit
def _rise(w, iw, n, sources):
    """Plume height and the part below the mixing height."""
    exits = False
    for i in range(n):
        s = iw[SOURCE + i]
        stack = not (math.isnan(sources[s, SDIAM]) or math.isnan(sources[s, SVEL]))
        exits |= stack
        heat = sources[s, SHEAT]
        w[D0 + i] = heat if (heat > 0.0 and not stack) else 0.0
    buoyant_rise(w, n)
    if exits:
        for i in range(n):
            s = iw[SOURCE + i]
            if not (math.isnan(sources[s, SDIAM]) or math.isnan(sources[s, SVEL])):
                w[D0 + i] = plume_rise(
                    sources[s, SHEAT],
                    w[HS + i],
                    sources[s, SDIAM],
                    sources[s, SVEL],
                    sources[s, STEMP],
                    w[TC + i],
                    w[USS + i],
                    w[OLS + i],
                    w[Z0S + i],
                )
    for i in range(n):
        r, h = below_mixing_height(w[HS + i], w[D0 + i], w[ZI + i], w[ZI1 + i], w[OLS + i])
        w[BELOW + i] = r
        w[HT + i] = h


@fused_njit
def _growth(w, order, n, k):
    """Coefficient of sigma_z = g x^p from the mean over source and receptor meteorology."""
    p = _POWER[k]
    for i in range(n):
        x = max(w[XE + i], w[Y + i])
        w[A3 + i] = w[USS + i]
        w[A4 + i] = w[OLS + i]
        w[A5 + i] = w[Z0S + i]
        w[A6 + i] = w[HT + i]
        w[A7 + i] = w[ZI + i]
        w[A8 + i] = x
        w[A9 + i] = log(x)
    sigma_z(w, order, D0, n)
    for i in range(n):
        w[A3 + i] = w[USR + i]
        w[A4 + i] = w[OLR + i]
        w[A5 + i] = w[Z0R + i]
    sigma_z(w, order, D1, n)
    close = _CLOSE[k]
    for i in range(n):
        mean = 0.5 * (w[D0 + i] + max(w[D1 + i], w[D0 + i]))
        g = mean * exp(-p * w[A9 + i])
        w[G + i] = g if w[A8 + i] > 1.0 else close


@fused_njit
def _spread(w, n, k, areas):
    """Row SZ [m] from the coefficient of its power law, with what the source itself spreads."""
    p = _POWER[k]
    point_spread(w, n, p)
    if areas:
        square_spread(w, n, p)


@fused_njit
def _resistances(w, n, nitrate, z0_region):
    """Ra and Rb at the receptor from its own surface layer, on the path from the statistics."""
    schmidt = _SCHMIDT[1] if nitrate else _SCHMIDT[0]
    region4 = math.log(4.0 / z0_region)
    region50 = math.log(50.0 / z0_region)
    for i in range(n):
        us, length, z0 = w[USR + i], w[OLR + i], w[Z0R + i]
        w[RA4 + i] = resistance(us, length, z0, 4.0)
        w[RA50 + i] = resistance(us, length, z0, 50.0)
        rb = boundary_resistance(us, schmidt)
        w[RB + i] = rb
        path = log(w[Z0T + i])
        w[RA4T + i] = (w[RA4S + i] - w[RBS + i]) * (1.3862943611198906 - path) / region4
        w[RA50T + i] = (w[RA50S + i] - w[RBS + i]) * (3.912023005428146 - path) / region50
        w[RBT + i] = rb * us / w[UST + i]


@fused_njit
def _conversion(w, n, nitrate, radiation_factor):
    """Row KC: rate of chemical conversion [%/h]; NOx 100 Q 62e-8 918 NO2/NOx + 2 night fraction."""
    for i in range(n):
        given = w[KGIVEN + i]
        rate = 100.0 * w[RAD + i] * radiation_factor * 918.0 * w[RATIO + i] + 2.0 * w[NIGHT + i]
        rate = rate if nitrate else w[KNH3 + i]
        w[KC + i] = given if given >= 0.0 else rate


@fused_njit(forceinline=True)
def _timing(kind, weight, temperature, rain, resist, degree_days):
    """Factor on the emission of a class; kinds 0 weight, 2 space heating, 4 animal housing, 5 manure."""
    if kind == 2:
        return 0.1042 * degree_days * weight
    if kind == 4:
        return max((temperature + 24.0) / 34.0, 0.2) * 0.5 * (1.0 + weight)
    if kind == 5:
        dry = 1.069 - rain
        dry = min(max(dry * dry, 0.5), 1.5)
        volatile = (100.0 / resist) ** 0.8 * max(temperature + 23.0, 0.0) ** 2.3
        return dry * 1.55e-5 * volatile**1.25
    return weight


@fused_njit
def _keep(w, iw, n, k, kept):
    """Store the surface layer, plume height and spread of the lanes that have a slot in ``kept`` (slots, 6, KEPT)."""
    for i in range(n):
        slot = iw[SLOT + i]
        if slot >= 0:
            row = kept[slot, k]
            for j in range(KEPT):
                row[j] = w[_KEPT_ROWS[j] + i]


@fused_njit
def _recall(w, iw, n, k, kept):
    """The rows that :func:`_keep` stored, for blocks all of whose lanes have a slot."""
    for i in range(n):
        row = kept[iw[SLOT + i], k]
        for j in range(KEPT):
            w[_KEPT_ROWS[j] + i] = row[j]


@fused_njit
def process(work, n, sources, climate, substance, uniform, areas, heights, steps, road_pass, road_ratio, out, road):
    """All six classes of a block of ``n`` filled lanes; adds the results to ``out`` and ``road``."""
    w, iw, order, fan, uses, kept = work
    padded = (n + 7) & ~7
    for j in range(n, padded):
        for row in range(PAIR_ROWS):
            w[row * STRIDE + j] = w[row * STRIDE + n - 1]
        for row in range(18):
            w[LUR + row * STRIDE + j] = w[LUR + row * STRIDE + n - 1]
        for row in range(INTEGER_ROWS):
            iw[row * STRIDE + j] = iw[row * STRIDE + n - 1]
    nitrate = substance.nitrate
    on = substance.switches
    chemistry, dry, rain, gradient = on[0], on[1], on[2], on[3]
    cloud = 0.0 if nitrate else 1.4e6
    cloud_ratio = 2.0e4 if nitrate else 0.0
    schmidt = _SCHMIDT[1] if nitrate else _SCHMIDT[0]
    _geometry(w, iw, padded, uniform, areas)
    _background(w, iw, padded)
    _land_uses(w, padded, uses)
    for i in range(padded):
        if road_pass == 2 and iw[ROAD + i] > 0:
            w[BASERATIO + i] = road_ratio[iw[RECEPTOR + i], iw[SECTOR + i]]
    for i in range(n):
        if iw[ROAD + i] > 0:
            road[iw[RECEPTOR + i], iw[SECTOR + i], 2] += 1.0
    recall = road_pass == 2
    for i in range(padded):
        recall &= iw[SLOT + i] >= 0
    plain = climate.full
    for i in range(padded):
        plain &= w[X + i] <= 5.0e4
    for k in range(6):
        some = False
        for i in range(padded):
            w[A0 + i] = sources.turning[iw[TYPE + i], k, iw[SECTOR + i]]
        if plain:
            near_statistics(w, iw, DIRECTION, TURNED, padded, climate, k)
            if areas:
                area_statistics(w, iw, TURNED, padded, climate, k, fan)
        else:
            for i in range(padded):
                _, degree_days = class_statistics(
                    w, i, climate, k, iw[DIRECTION + i], w[X + i], w[Y + i], w[A0 + i], fan
                )
                w[A1 + i] = degree_days
        if areas or not plain:
            follow_rain_and_radiation(w, padded)
        for i in range(padded):
            kind = iw[TIMING + i]
            weight = sources.timing_weight[kind, distance_class(w[X + i]), k]
            factor = _timing(sources.timing_kind[kind], weight, w[TC + i], w[FR + i], w[RA4S + i], w[A1 + i])
            w[Q + i] = w[EMISSION + i] * factor
            seasonal = 1.0 if (road_pass == 2 and iw[ROAD + i] > 0) else climate.season_ratio[k]
            w[RATIO + i] = w[BASERATIO + i] * seasonal
            some |= (w[P + i] > 0.0) and (w[Q + i] > 0.0)
        if not some:
            continue
        if recall:
            _recall(w, iw, padded, k, kept)
        else:
            _surface_layer(w, order, padded, climate.z0)
            _rise(w, iw, padded, sources.values)
            _growth(w, order, padded, k)
            if road_pass == 1:
                _keep(w, iw, n, k, kept)
        _spread(w, padded, k, areas)
        concentration(w, padded, areas)
        _resistances(w, padded, nitrate, climate.z0)
        light_of = (plain and not areas, TURNED, substance.light[k])
        if nitrate:
            no2_resistances(w, iw, padded, uses, substance.days, substance.foliage, light_of)
            nox_resistances(w, padded)
        else:
            nh3_resistances(w, iw, padded, uses, substance.days, substance.foliage, substance.gamma, light_of)
        if road_pass != 1:
            aerosol_resistances(w, padded, nitrate)
        _conversion(w, padded, nitrate, climate.radiation_factor)
        wet_rates(w, padded, substance.diffusion, cloud, cloud_ratio, substance.reversible)
        if areas:
            area_spread(w, order, padded, schmidt)
        deplete(w, padded, _POWER[k], 1.0 if k >= 4 else 0.0, areas, heights, chemistry, dry, rain, gradient)
        fluxes(w, padded)
        if road_pass != 1:
            secondary(w, padded, substance.mass_ratio, steps, areas, chemistry, dry, rain, gradient)
        for i in range(n):
            r = iw[RECEPTOR + i]
            g = iw[GROUP + i]
            c = w[OUT_C + i]
            if iw[ROAD + i] > 0:
                road[r, iw[SECTOR + i], 0] += c
                road[r, iw[SECTOR + i], 1] += w[P + i] if w[Q + i] > 0.0 else 0.0
            if road_pass == 1:
                continue
            out[r, g, 0] += c
            out[r, g, 1] += w[OUT_DRY + i]
            out[r, g, 2] += w[OUT_WET + i]
            out[r, g, 3] += w[OUT_CS + i]
            out[r, g, 4] += w[OUT_DRYS + i]
            out[r, g, 5] += w[OUT_WETS + i]
            if iw[ROAD + i] == 0:
                out[r, g, 6] += w[RATIO + i] * c

"""The loop over source-receptor pairs: geometry, classes, the chain of a block, and sums per receptor.

Pairs fill blocks of lanes in the order receptor, source, sub-receptor, sub-source; every lane is added to its
receptor in that order. Receptors are split into a fixed number of parts that run on threads, so that results do
not depend on the number of threads. Source: Van Jaarsveld (2004), RIVM report 500045001.
"""

import math
from typing import NamedTuple

import numpy as np

from kernels.jit import fused_njit, pnjit, prange
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
    BUOYANT,
    CIRCLE,
    D0,
    D1,
    DX,
    DY,
    EMISSION,
    FR,
    H0,
    HREC,
    HS,
    HT,
    KC,
    KGIVEN,
    KNH3,
    LANES,
    LUR,
    LUT,
    NH3R,
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
    SHARER,
    SHARET,
    SLANT,
    SO2R,
    SO2T,
    SPREAD,
    STRIDE,
    TC,
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

__all__ = [
    "KEPT",
    "NO2_FACTOR",
    "OUTPUTS",
    "PARTS",
    "SO2_FACTOR",
    "Climate",
    "Maps",
    "Options",
    "Receptors",
    "Sources",
    "Substance",
    "run_pairs",
]

PARTS = 32  # fixed parts of the receptors: the unit of work of a thread
OUTPUTS = 7  # conc, dry, wet, secondary conc, dry, wet, NO2 of pairs without road chemistry
_POWER = np.array((0.82, 0.82, 0.76, 0.76, 0.67, 0.76))  # of sigma_z = g x^p, per class
_CLOSE = np.array((0.28, 0.28, 0.20, 0.20, 0.12, 0.20))  # g for x <= 1 m
# background of NO2 and SO2 by wind sector over its mean
NO2_FACTOR = np.array((0.81, 0.88, 1.08, 1.30, 1.33, 1.40, 1.25, 1.03, 0.83, 0.71, 0.70, 0.68))
SO2_FACTOR = np.array((0.77, 0.73, 0.88, 1.09, 1.30, 1.34, 1.28, 1.14, 0.97, 0.94, 0.90, 0.77))
_SECTOR_OF = np.array([(int(12 * (d + 15) / 360)) % 12 for d in range(360)])
_DEGREES = 180.0 / math.pi
_SLANT_OF = np.array([max(abs(math.sin(math.radians(d))), abs(math.cos(math.radians(d)))) for d in range(360)])
_SCHMIDT = np.array(((0.69 / 0.72) ** (2.0 / 3.0), (1.25 / 0.72) ** (2.0 / 3.0)))  # NH3, NOx
_CLEAN = math.exp(1.0 + 12.4 / 8.6)  # ppb NOx below which NO2 is proportional
_PATH = 21  # points of a trajectory
_ROAD = 5000.0  # m, reach of the road options

# integer rows of a lane
(RECEPTOR, DIRECTION, SECTOR, TYPE, SOURCE, GROUP, TIMING, ROAD, SLOT) = (i * STRIDE for i in range(9))
INTEGER_ROWS = 9
TURNED = INTEGER_ROWS * STRIDE  # direction of the turned wind in the class
SCRATCH_ROWS = 1  # further integer rows
# what the first pass of road chemistry keeps of each road pair and class for the second
_KEPT_ROWS = (USS, OLS, UST, OLT, USR, OLR, HT, BELOW, G)
KEPT = len(_KEPT_ROWS)
# columns of the sources' table
(SX, SY, SQ, SH, SD, SS, SHEAT, SDIAM, SVEL, STEMP, SZ0, SBUOY, SREACH) = range(13)
SOURCE_COLUMNS = 13
# columns of the receptors' table
(RX, RY, RZ, RZ0, RNH3, RSO2, RSHARE, RWEIGHT) = range(8)
RECEPTOR_COLUMNS = 8


class Sources(NamedTuple):
    """Sources as the kernel takes them."""

    values: np.ndarray  # (ns, SOURCE_COLUMNS)
    codes: np.ndarray  # (ns, 4) int64: type, timing code, group, 1 for a road
    turning: np.ndarray  # (types, 6, 12) turning of the wind [degree]
    timing_kind: np.ndarray  # (codes,) int64, see _timing
    timing_weight: np.ndarray  # (codes, 4, 6)


class Receptors(NamedTuple):
    """Receptors as the kernel takes them."""

    values: np.ndarray  # (nr, RECEPTOR_COLUMNS)
    shares: np.ndarray  # (nr, 9) of land use, sum 1


class Maps(NamedTuple):
    """Maps that trajectories cross; frames are x left, y top, cell size in x and y [m]."""

    uniform: bool  # all paths are alike: ``path``
    path: np.ndarray  # (1 or receptors, 13) roughness length [m], shares of 9 land uses, NH3, SO2 [ug/m3], NO2 [ppb]
    log_z0: np.ndarray  # (ny, nx) ln m
    z0_frame: np.ndarray
    use: np.ndarray  # (ny, nx) int64, land use 1..9
    use_frame: np.ndarray
    back: np.ndarray  # (3 or 5, ny, nx) NH3, SO2 [ug/m3], NO2 [ppb]; given rates: converted mass and its precursor
    back_frame: np.ndarray
    back_mean: np.ndarray  # (3 or 5,)


class Climate(NamedTuple):
    """Climatological table and the constants of its season."""

    table: np.ndarray  # (4, 6, 12, 27)
    directions: np.ndarray  # (6, 360, DIRECTION_COLUMNS) of :func:`class_statistics.direction_table`
    fan: np.ndarray  # (4, 6, 12, 13) of :func:`class_statistics.fan_table`
    full: bool  # every class has hours
    hours: float  # h
    z0: float  # m, of the region
    night: np.ndarray  # (4, 6) night fraction
    rain: np.ndarray  # (2, 12) time constant [h] and intensity [mm/h] where the table has none
    season_ratio: np.ndarray  # (6,) factor on NO2/NOx per class
    radiation_factor: float  # of the NOx conversion


class Substance(NamedTuple):
    """The substance and its processes."""

    nitrate: bool  # NOx, else NH3
    days: np.ndarray  # (10, 2) days of the year per land use, -1 = none
    foliage: np.ndarray  # (10, 2, 2) LAI and SAI on them
    light: np.ndarray  # (6, 360, 10, 2) of :func:`canopy.light_table`
    gamma: float  # NH4/H ratio of water
    diffusion: float  # cm2/s
    reversible: bool  # scavenging
    mass_ratio: float  # molar mass of the secondary over that of the primary species
    switches: np.ndarray  # (4,) chemistry, dry, wet, gradient: 1.0 or 0.0
    given_rate: float  # %/h, negative: internal; where maps hold it, theirs


class Options(NamedTuple):
    """Choices of the computation."""

    cell: float  # m, side of the receptors' cells, 0 for points
    subdivide: bool  # sub-sources and sub-receptors
    merged: float  # sides away from the receptor at which nine sub-sources go as one; inf: never, as the model has it
    reach: float  # m, pairs beyond are left out
    road_dispersion: bool
    road_chemistry: bool


@fused_njit(forceinline=True)
def _cell(frame, x, y, ny, nx):
    """Row and column of a map cell; (-1, -1) outside. ``frame`` x left, y top, cell size x and y [m]."""
    column = math.floor((x - frame[0]) / frame[2])
    row = math.floor((frame[1] - y) / frame[3])
    if column < 0 or row < 0 or column >= nx or row >= ny:
        return -1, -1
    return row, column


@fused_njit
def _trajectory(w, i, sx, sy, rx, ry, maps):
    """Means over 21 points from receptor to source of ln z0, land-use shares and background (NH3, SO2, NO2).

    A conversion rate of maps is the quotient of the means of converted mass and precursor (nitrogen.md 3.9).
    """
    log_z0, use, back, back_mean = maps.log_z0, maps.use, maps.back, maps.back_mean
    rough, one_background = log_z0.size > 1, back[0].size == 1
    z0_frame, use_frame = maps.z0_frame, maps.use_frame
    alike = log_z0.shape == use.shape and (
        z0_frame[0] == use_frame[0]
        and z0_frame[1] == use_frame[1]
        and z0_frame[2] == use_frame[2]
        and z0_frame[3] == use_frame[3]
    )
    total = 0.0
    nh3 = so2 = no2 = converted = precursor = 0.0
    for lu in range(9):
        w[LUT + lu * STRIDE + i] = 0.0
    for j in range(_PATH):
        f = j / (_PATH - 1.0)
        x = rx + f * (sx - rx)
        y = ry + f * (sy - ry)
        row = column = 0
        if rough:
            row, column = _cell(z0_frame, x, y, log_z0.shape[0], log_z0.shape[1])
        total += log_z0[max(row, 0), max(column, 0)]
        if not alike:
            row, column = _cell(use_frame, x, y, use.shape[0], use.shape[1])
        w[LUT + (use[max(row, 0), max(column, 0)] - 1) * STRIDE + i] += 1.0 / _PATH
        if one_background:
            continue
        row, column = _cell(maps.back_frame, x, y, back.shape[1], back.shape[2])
        for b in range(back.shape[0]):
            value = back_mean[b] if row < 0 else back[b, row, column]
            value = value if value > 0.0 else back_mean[b]
            if b == 0:
                nh3 += value
            elif b == 1:
                so2 += value
            elif b == 2:
                no2 += value
            elif b == 3:
                converted += value
            else:
                precursor += value
    w[Z0T + i] = total / _PATH  # its logarithm, see _geometry
    w[NH3T + i] = back_mean[0] if one_background else nh3 / _PATH
    w[SO2T + i] = back_mean[1] if one_background else so2 / _PATH
    w[NO2T + i] = back_mean[2] if one_background else no2 / _PATH
    if back.shape[0] > 3:
        w[KGIVEN + i] = back_mean[3] / back_mean[4] if one_background else converted / precursor


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
        w[A0 + i] = NO2_FACTOR[iw[SECTOR + i]]
        w[A1 + i] = SO2_FACTOR[iw[SECTOR + i]]
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


@fused_njit(forceinline=True)
def _single(value):
    """Rounded to single precision, as absolute coordinates of sub-sources and sub-receptors are."""
    return np.float64(np.float32(value))


@fused_njit(forceinline=True)
def sub_sources(side, height, x, dx, dy):
    """Number n of a square's (2n+1)^2 sub-sources, for a receptor at x from its centre [m]."""
    if side <= 0.0:
        return 0
    if dx <= 0.5 * side and dy <= 0.5 * side:
        return min(32, int(side / height / 500.0) + 6)
    return min(32, int(2.0 * side / (x + 0.1)))


@fused_njit(forceinline=True)
def sub_receptors(cell, side, height, x, dx, dy):
    """Number m of a cell's (2m+1)^2 sub-receptors, for a source at x from its centre [m]."""
    if cell <= 0.0 or cell == abs(side):
        return 0
    if dx <= 0.5 * cell and dy <= 0.5 * cell:
        return min(128, int(cell / (20.0 * height + abs(side))))
    return min(4, int(2.0 * cell / (x + abs(side) + 10.0 * height)))


@fused_njit(forceinline=True)
def _merge(column, row, count, ex, ey, step, merged):
    """How many sub-sources of a square go with one of them, at which column and row; none where another stands for it.

    Squares of three by three about the receptor, at (``ex``, ``ey``) from the middle of the source, and what its edge
    leaves of them, go as one from ``merged`` of their sides on. ``step`` [m]: side of a sub-source.
    """
    if merged == np.inf:
        return 1, float(column), float(row)
    middle = 0.5 * (count - 1)
    px, py = ex / step + middle, ey / step + middle  # of the receptor
    left = column - (column - np.int64(math.floor(px + 0.5)) + 1) % 3
    low = row - (row - np.int64(math.floor(py + 0.5)) + 1) % 3
    right, high = min(left + 2, count - 1), min(low + 2, count - 1)
    left, low = max(left, 0), max(low, 0)
    across, up = 0.5 * (left + right), 0.5 * (low + high)
    if (px - across) ** 2 + (py - up) ** 2 < (3.0 * merged) ** 2:
        return 1, float(column), float(row)
    if column != left or row != low:
        return 0, across, up
    return (right - left + 1) * (high - low + 1), across, up


@fused_njit
def _part(begin, end, work, sources, receptors, maps, climate, substance, options, road_pass, road_ratio, out, road):
    """Receptors ``begin`` to ``end``; returns the number of their pairs."""
    w, iw = work[0], work[1]
    places, points, index = receptors.values, sources.values, sources.codes
    cell, subdivide = options.cell, options.subdivide
    n = 0
    pairs = 0
    areas = False
    steps = 6
    heights = False
    slots = work[5].shape[0] // places.shape[0]
    for r in range(begin, end):
        heights |= places[r, RZ] != 4.0
    for r in range(begin, end):
        rx, ry = places[r, RX], places[r, RY]
        slot, last_slot = r * slots, (r + 1) * slots
        for s in range(points.shape[0]):
            is_road = index[s, 3] > 0
            if road_pass == 1 and not is_road:
                continue
            sx, sy = points[s, SX], points[s, SY]
            dx, dy = rx - sx, ry - sy
            centre = math.sqrt(dx * dx + dy * dy)
            if centre > options.reach or centre > points[s, SREACH]:
                continue
            side, height = points[s, SD], points[s, SH]
            m = sub_receptors(cell, side, height, centre, abs(dx), abs(dy)) if subdivide else 0
            inner = 2 * m + 1
            for jr in range(inner * inner):
                px, py = rx, ry
                if m > 0:
                    px = _single(rx + (jr % inner - m) * cell / inner)
                    py = _single(ry + (jr // inner - m) * cell / inner)
                ex, ey = px - sx, py - sy
                divide = 0
                if subdivide and inner * inner < 1000:
                    divide = sub_sources(side, height, math.sqrt(ex * ex + ey * ey), abs(ex), abs(ey))
                count = 2 * divide + 1
                for js in range(count * count):
                    qx, qy = sx, sy
                    cells = 1
                    if divide > 0:
                        cells, column, row = _merge(
                            js % count, js // count, count, ex, ey, side / count, options.merged
                        )
                        if cells == 0:
                            continue
                        qx = _single(sx + (column - divide) * side / count)
                        qy = _single(sy + (row - divide) * side / count)
                    ux, uy = px - qx, py - qy
                    x = math.sqrt(ux * ux + uy * uy)
                    radius = 0.5 * abs(side) / count
                    if cells > 1:
                        radius *= math.sqrt(float(cells))
                    if x == 0.0 and radius == 0.0:
                        x = 0.01
                    near_road = is_road and x < _ROAD
                    if road_pass == 1 and not near_road:
                        continue
                    if n == LANES:
                        process(
                            work,
                            n,
                            sources,
                            climate,
                            substance,
                            maps.uniform,
                            areas,
                            heights,
                            steps,
                            road_pass,
                            road_ratio,
                            out,
                            road,
                        )
                        n = 0
                        areas = False
                        steps = 6
                    i = n
                    n += 1
                    pairs += 1
                    areas |= radius > 0.0
                    steps = max(steps, int(2.0 * x / 50000.0) + 7 if x > 49000.0 else 6)
                    w[X + i] = x
                    w[DX + i] = ux
                    w[DY + i] = uy
                    w[Y + i] = radius
                    w[CIRCLE + i] = 1.0 if side < 0.0 else 0.0
                    w[HS + i] = height
                    w[BUOYANT + i] = points[s, SBUOY]
                    w[EMISSION + i] = points[s, SQ] * places[r, RWEIGHT] * cells / (inner * inner * count * count)
                    spread = points[s, SS]
                    if near_road and options.road_dispersion:
                        z0 = points[s, SZ0]
                        if z0 < 0.055:
                            spread = 1.05 + 1.53 * spread
                        elif z0 < 0.17:
                            spread = 1.15 + 2.31 * spread
                        elif z0 < 0.55:
                            spread = 1.33 + 2.25 * spread
                        else:
                            spread = 1.62 + 6.6 * spread
                    w[SPREAD + i] = spread
                    w[Z0S + i] = points[s, SZ0]
                    w[Z0R + i] = places[r, RZ0]
                    w[HREC + i] = places[r, RZ]
                    w[NH3R + i] = places[r, RNH3]
                    w[SO2R + i] = places[r, RSO2]
                    w[SHARER + i] = places[r, RSHARE]
                    w[KGIVEN + i] = substance.given_rate
                    for lu in range(9):
                        w[LUR + lu * STRIDE + i] = receptors.shares[r, lu]
                    if maps.uniform:
                        along = maps.path[r if maps.path.shape[0] > 1 else 0]
                        w[Z0T + i] = along[0]
                        for lu in range(9):
                            w[LUT + lu * STRIDE + i] = along[1 + lu]
                        w[NH3T + i] = along[10]
                        w[SO2T + i] = along[11]
                        w[NO2T + i] = along[12]
                    else:
                        _trajectory(w, i, sx, sy, rx, ry, maps)
                    chemical = near_road and options.road_chemistry
                    iw[RECEPTOR + i] = r
                    iw[TYPE + i] = index[s, 0]
                    iw[TIMING + i] = index[s, 1]
                    iw[GROUP + i] = index[s, 2]
                    iw[SOURCE + i] = s
                    iw[ROAD + i] = 1 if chemical else 0
                    iw[SLOT + i] = -1
                    if chemical and slot < last_slot:
                        iw[SLOT + i] = slot
                        slot += 1
    if n > 0:
        process(
            work,
            n,
            sources,
            climate,
            substance,
            maps.uniform,
            areas,
            heights,
            steps,
            road_pass,
            road_ratio,
            out,
            road,
        )
    return pairs


@pnjit
def run_pairs(
    parts,
    w,
    iw,
    order,
    fan,
    uses,
    kept,
    sources,
    receptors,
    maps,
    climate,
    substance,
    options,
    road_pass,
    road_ratio,
    out,
    road,
    counts,
):
    """All pairs, receptors in parallel; ``out`` (nr, groups, OUTPUTS) and ``road`` (nr, 12, 3) are added to.

    ``parts`` <= PARTS: pieces of the receptors, chosen by the size of the problem alone. ``w`` (PARTS, row of
    :func:`lanes.workspace`), ``iw`` (PARTS, (INTEGER_ROWS + SCRATCH_ROWS)*STRIDE) and ``order`` (PARTS, STRIDE)
    int64, ``fan`` (PARTS, 27), ``uses`` (PARTS, 2, 10) bool: workspaces. ``road_pass``: 0 without road chemistry,
    1 road pairs alone with the background's NO2/NOx, 2 all pairs with ``road_ratio`` (nr, 12) near roads; pass 1
    keeps in ``kept`` (slots, 6, KEPT) what pass 2 need not compute again, as many road pairs of each receptor as
    there are slots for it.
    Concentrations ug m-3, fluxes ug m-2 h-1; ``road`` holds per sector sum of c P [ug m-3], sum of P and number of
    pairs. ``counts`` (PARTS,) int64: (sub-)source and (sub-)receptor pairs of each part.
    """
    total = receptors.values.shape[0]
    for part in prange(parts):
        begin = part * total // parts
        end = (part + 1) * total // parts
        if end > begin:
            work = (w[part], iw[part], order[part], fan[part], uses[part], kept)
            counts[part] = _part(
                begin,
                end,
                work,
                sources,
                receptors,
                maps,
                climate,
                substance,
                options,
                road_pass,
                road_ratio,
                out,
                road,
            )

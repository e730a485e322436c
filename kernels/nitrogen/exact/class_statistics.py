"""Statistics of a stability class for one wind direction and distance, from the climatological table.

Source: Van Jaarsveld (2004), RIVM report 500045001, chapter 2; sectors and interpolation as specified for OPS-LT 5.3.
"""

import math

import numpy as np

from kernels.jit import fused_njit
from kernels.nitrogen.exact.depac import visible_radiation
from kernels.nitrogen.exact.elementary import power
from kernels.nitrogen.exact.lanes import (
    A0,
    A1,
    DIFFUSE,
    DIRECT,
    FALL,
    FR,
    H0,
    NIGHT,
    OL,
    PW,
    RA4S,
    RA50S,
    RAD,
    RADW,
    RAIN,
    RBS,
    RCAER,
    RCSO2,
    RH,
    SINPHI,
    TC,
    TW,
    U10,
    US,
    VHIGH,
    VLOW,
    WASH,
    WASHS,
    XE,
    ZI,
    ZI1,
    ZI2,
    P,
    X,
    Y,
)
from kernels.nitrogen.exact.plume_rise import preliminary_rise

__all__ = [
    "DIRECTION_COLUMNS",
    "QUANTITIES",
    "area_statistics",
    "class_statistics",
    "direction_table",
    "distance_class",
    "fan_table",
    "follow_rain_and_radiation",
    "near_statistics",
    "nearest",
    "timing_weights",
    "wind_turning",
]

QUANTITIES = 27
# columns of the climatological table, in the order of its file
(
    HOURS,
    MIXING,
    WIND,
    RB,
    RA4,
    RA50,
    LOW,
    HIGH,
    TRAVEL,
    DEGREE_DAYS,
    RAIN_PROBABILITY,
    RAIN_DURATION,
    RAIN_INTENSITY,
    RADIATION,
    EXPONENT,
    RC_SO2,
    BLOCK,
    BLOCK_RECEPTOR,
    FRICTION,
    TEMPERATURE,
    SHEAR,
    OBUKHOV,
    HEAT_FLUX,
    HUMIDITY,
    RC_NO2,
    RC_NH3,
    RC_AEROSOL,
) = range(27)

# columns of the table over whole degrees of the wind
(
    D_NEAR,  # hours of distance class 1
    D_FAR,  # of distance class 2
    D_SECTOR,  # nearest sector
    D_EXPONENT,
    D_RADIATION,
    D_HUMIDITY,
    D_RC_SO2,
    D_RC_AEROSOL,
    D_DEGREE_DAYS,
    D_RAIN,
    D_TIME,
    D_INTENSITY,
    D_WASH,
    D_WASHS,
    D_FALL,
    D_SINPHI,
    D_DIRECT,
    D_DIFFUSE,
) = range(18)
DIRECTION_COLUMNS = 18

# what an area source averages over its fan of sectors
_FAN = np.array((1, 3, 4, 5, 10, 13, 15, 18, 19, 21, 22, 26))
_RIM = (0.7 / 1.7) ** 0.33  # breadth at the rim of an area
_PLAIN_WIND = np.array((2.6, 3.8, 4.0, 6.9, 1.4, 2.5))  # m/s, per class, where the table has none
_PLAIN_MIXING = np.array((300.0, 985.0, 302.0, 537.0, 50.0, 153.0))  # m, per class
_NOMINAL = np.array((0.0, 1.0e5, 3.0e5, 1.0e6))  # m, distances of the table's classes


@fused_njit(forceinline=True)
def nearest(value):
    """Nearest integer, halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


@fused_njit(forceinline=True)
def distance_class(x):
    """Distance class 0..3 of a pair at x [m]."""
    if x <= 5.0e4:
        return 0
    if x <= 1.5e5:
        return 1
    return 2 if x <= 5.0e5 else 3


@fused_njit
def wind_turning(table, heat, height, diameter, velocity, temperature, out):
    """Turning of the wind over the plume [degree] per class and preliminary sector: 1.58 shear (1 - exp(-h/180)).

    ``table`` (4, 6, 12, 27); ``heat`` [MW], ``height`` [m], ``diameter`` [m], ``velocity`` [m/s], ``temperature``
    [degC] of source types (NaN where not given); ``out`` (types, 6, 12).
    """
    for s in range(height.size):
        for k in range(6):
            for sector in range(12):
                row = table[0, k, sector]
                wind = row[WIND] if row[WIND] != 0.0 else _PLAIN_WIND[k]
                rise = preliminary_rise(
                    heat[s], height[s], diameter[s], velocity[s], temperature[s], k >= 4, wind, row[EXPONENT]
                )
                h = max(height[s] + rise, 10.0)
                out[s, k, sector] = 1.58 * row[SHEAR] * (1.0 - math.exp(-h / 180.0))


def timing_weights(table: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Weight of a diurnal profile (12 two-hour shares [%]) per distance class and stability class, shape (4, 6)."""
    hours = table[:, :, :, BLOCK]
    total = hours.sum(axis=2)
    weighted = (hours * (np.asarray(profile) / 100.0)).sum(axis=2)
    return np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)


@fused_njit
def class_statistics(w, i, climate, k, direction, x, radius, turning, out):
    """Fill the statistics rows of lane ``i`` for class ``k``.

    ``climate``: see :class:`pairs.Climate`; ``direction`` integer degree, wind from; ``x`` distance [m]; ``radius``
    half side of an area, 0 for points [m]; ``turning`` of the wind [degree]; ``out`` (27,): scratch of the fan.
    Returns distance class and degree-day coefficient; row P is 0 for a class without hours.
    """
    table = climate.table
    turn = nearest(turning * (1.0 - x / 1.0e5)) if x < 1.0e5 else 0
    iwd = (direction - turn) % 360
    i1 = iwd // 30
    w_sector = (iwd - 30 * i1) / 30.0
    i2 = (i1 + 1) % 12
    ii = i1 if iwd - 30 * i1 < 15 else i2
    t = distance_class(x)
    if x <= 1.0e5:
        a, d = 0, 1.0 - (1.0e5 - x) / (1.0e5 + 1.0)
    elif x <= 3.0e5:
        a, d = 1, 1.0 - (3.0e5 - x) / 2.0e5
    else:
        a, d = 2, min(1.0, 1.0 - (1.0e6 - x) / 7.0e5)
    b = a + 1
    single = False
    if radius > 0.0 and table[t, k, ii, HOURS] == 0.0:
        phi = 60.0 if radius >= x else math.degrees(math.asin(radius / x)) + 15.0
        beta = 30 * i1
        if iwd > beta and table[t, k, i1, HOURS] == 0.0 and phi > iwd - beta:
            ii, w_sector, single = i1, 0.0, True
        elif beta > iwd and table[t, k, i2, HOURS] == 0.0 and phi > beta - iwd:
            ii, w_sector, single = i2, 1.0, True
    hours_a = 0.0
    hours_b = 0.0
    for tau in range(4):
        h1, h2 = table[tau, k, i1, HOURS], table[tau, k, i2, HOURS]
        weight = w_sector
        if h1 == 0.0 or h2 == 0.0:
            weight = 1.0 if w_sector >= 0.5 else 0.0
            if tau == t:
                w_sector = weight
                single = True
        hours = (1.0 - weight) * h1 + weight * h2
        if tau == a:
            hours_a = hours
        elif tau == b:
            hours_b = hours
    count = (1.0 - d) * hours_a + d * hours_b
    empty_a, empty_b = table[a, k, ii, HOURS] == 0.0, table[b, k, ii, HOURS] == 0.0
    tt = t
    da, db = 1.0 - d, d
    va, vb = table[a, k, ii], table[b, k, ii]
    if empty_a or empty_b:
        if t == a and empty_a:
            tt = b
        elif t == b and empty_b:
            tt = a
        va = vb = table[tt, k, ii]
        da, db = 1.0, 0.0
    mixing = da * va[MIXING] + db * vb[MIXING]
    wind = da * va[WIND] + db * vb[WIND]
    rb = da * va[RB] + db * vb[RB]
    ra4 = da * va[RA4] + db * vb[RA4]
    ra50 = da * va[RA50] + db * vb[RA50]
    low = da * va[LOW] + db * vb[LOW]
    high = da * va[HIGH] + db * vb[HIGH]
    friction = da * va[FRICTION] + db * vb[FRICTION]
    temperature = da * va[TEMPERATURE] + db * vb[TEMPERATURE]
    obukhov = da * va[OBUKHOV] + db * vb[OBUKHOV]
    heat = da * va[HEAT_FLUX] + db * vb[HEAT_FLUX]
    v1, v2 = table[tt, k, i1], table[tt, k, i2]
    w2 = w_sector if v2[HOURS] != 0.0 else 0.0
    w1 = 1.0 - w2
    radiation = w1 * v1[RADIATION] + w2 * v2[RADIATION]
    humidity = w1 * v1[HUMIDITY] + w2 * v2[HUMIDITY]
    exponent = w1 * v1[EXPONENT] + w2 * v2[EXPONENT]
    rc_so2 = w1 * v1[RC_SO2] + w2 * v2[RC_SO2]
    rc_aerosol = w1 * v1[RC_AEROSOL] + w2 * v2[RC_AEROSOL]
    rain = w1 * v1[RAIN_PROBABILITY] + w2 * v2[RAIN_PROBABILITY]
    degree_days = w1 * v1[DEGREE_DAYS] + w2 * v2[DEGREE_DAYS]
    duration = table[tt, k, ii, RAIN_DURATION]
    intensity = table[tt, k, ii, RAIN_INTENSITY]
    # effective distance
    xe = x
    if t > 0:
        ratio2 = _travel(table, 1, k, i1, i2, w_sector) / _NOMINAL[1]
        ratio3 = _travel(table, 2, k, i1, i2, w_sector) / _NOMINAL[2]
        ratio4 = _travel(table, 3, k, i1, i2, w_sector) / _NOMINAL[3]
        if x <= 3.0e5:
            d3 = 0.0 if x <= 1.0e5 else d
            xe = x * ((1.0 - d3) * ratio2 + d3 * ratio3)
        elif x <= 1.0e6:
            xe = x * ((1.0 - d) * ratio3 + d * ratio4)
        else:
            xe = x * (1.0 + (ratio4 - 1.0) * x / _NOMINAL[3])
            mixing = mixing * (1.0 + 0.3 * (x / _NOMINAL[3] - 1.0))
    mixing2 = table[1, k, ii, MIXING]
    mixing2 = mixing2 if mixing2 != 0.0 else mixing
    mixing1 = table[0, k, ii, MIXING]
    mixing1 = mixing1 if mixing1 != 0.0 else _PLAIN_MIXING[k]
    mixing1 = min(mixing1, min(mixing, mixing2))
    if radius > 0.0 and not single and count > 0.0:
        count = _fan(climate.fan, k, a, b, d, i1, w_sector, radius, xe, out)
        mixing, rb, ra4, ra50 = out[1], out[3], out[4], out[5]
        rain, radiation, rc_so2 = out[10], out[13], out[15]
        friction, temperature, obukhov, heat = out[18], out[19], out[21], out[22]
        rc_aerosol = out[26]
    if heat == 0.0:
        heat = 1.0
    time = 0.7 * duration
    if (duration == 0.0 or intensity == 0.0) and rain > 0.0:
        time = climate.rain[0, i1]
        intensity = climate.rain[1, i1]
    w[P + i] = count / climate.hours
    w[XE + i] = xe
    w[ZI + i] = mixing
    w[ZI1 + i] = mixing1
    w[ZI2 + i] = mixing2
    w[U10 + i] = wind
    w[PW + i] = exponent
    w[RBS + i] = rb
    w[RA4S + i] = ra4
    w[RA50S + i] = ra50
    w[VLOW + i] = low
    w[VHIGH + i] = high
    w[US + i] = friction
    w[OL + i] = obukhov
    w[TC + i] = temperature
    w[H0 + i] = heat
    w[RAD + i] = radiation
    w[RH + i] = humidity
    w[RCSO2 + i] = rc_so2
    w[RCAER + i] = rc_aerosol
    w[FR + i] = rain
    w[TW + i] = time
    w[RAIN + i] = intensity
    w[NIGHT + i] = climate.night[t, k]
    return t, degree_days


@fused_njit
def _travel(table, tau, k, i1, i2, weight):
    """Effective travel distance of a distance class [m], between the sectors."""
    second = weight if table[tau, k, i2, HOURS] != 0.0 else 0.0
    value = 1000.0 * ((1.0 - second) * table[tau, k, i1, TRAVEL] + second * table[tau, k, i2, TRAVEL])
    return value if value != 0.0 else _NOMINAL[tau]


def fan_table(table: np.ndarray) -> np.ndarray:
    """Hours, and hours times each quantity that areas average over their fan of sectors, (4, 6, 12, 13)."""
    hours = table[..., [HOURS]]
    return np.ascontiguousarray(np.concatenate((hours, hours * table[..., _FAN]), axis=-1))


@fused_njit
def _fan(sums, k, a, b, d, i1, weight, radius, xe, out):
    """Average the class over the sectors that an area source spans; returns the hours of the fan.

    ``sums``: of :func:`fan_table`; ``out`` (27,): means at the places of their quantities.
    """
    if xe > radius:
        edge = math.atan2(math.sqrt(xe * xe - radius * radius), radius)
        f = min(6.0, 6.0 / math.pi * (2.0 * math.pi - 2.0 * (edge + 5.0 * math.pi / 12.0)))
        q = radius / xe
        q3 = q * q * q
        breadth = 1.0 + (f - 1.0) * (q3 * _RIM + 1.0 - q3)
    else:
        breadth = 1.0 + 5.0 * ((1.7 * radius - xe) / (1.7 * radius)) ** 0.33
    hours = 0.0
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = s10 = s11 = 0.0
    for j in range(-3, 4):
        share = min(max(0.5 * breadth - abs(j - weight) + 0.5, 0.0), 1.0)
        if share == 0.0:
            continue
        s = (i1 + j) % 12
        near, far = sums[a, k, s], sums[b, k, s]
        e, g = share * (1.0 - d), share * d
        hours += e * near[0] + g * far[0]
        s0 += e * near[1] + g * far[1]
        s1 += e * near[2] + g * far[2]
        s2 += e * near[3] + g * far[3]
        s3 += e * near[4] + g * far[4]
        s4 += e * near[5] + g * far[5]
        s5 += e * near[6] + g * far[6]
        s6 += e * near[7] + g * far[7]
        s7 += e * near[8] + g * far[8]
        s8 += e * near[9] + g * far[9]
        s9 += e * near[10] + g * far[10]
        s10 += e * near[11] + g * far[11]
        s11 += e * near[12] + g * far[12]
    per = 1.0 / hours if hours > 0.0 else 1.0
    means = (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11)
    for m in range(12):
        out[_FAN[m]] = means[m] * per
    if xe < radius:
        rho = ((radius - xe) / radius) ** 0.33
        everything = 0.0
        for s in range(12):
            everything += sums[0, k, s, 0]
        for m in range(12):
            q = _FAN[m]
            mean = 0.0
            for s in range(12):
                mean += sums[0, k, s, 1 + m]
            if everything > 0.0:
                out[q] = rho * mean / everything + (1.0 - rho) * out[q]
        hours = rho * 0.5 * everything + (1.0 - rho) * hours
    return hours


@fused_njit
def direction_table(table, rain, out):
    """What a class has per whole degree of the wind at up to 50 km, in a table without empty classes.

    ``table`` (4, 6, 12, 27); ``rain`` (2, 12): of :class:`pairs.Climate`; ``out`` (6, 360, DIRECTION_COLUMNS).
    """
    for k in range(6):
        for degree in range(360):
            i1 = degree // 30
            w2 = (degree - 30 * i1) / 30.0
            w1 = 1.0 - w2
            i2 = (i1 + 1) % 12
            ii = i1 if degree - 30 * i1 < 15 else i2
            v1, v2 = table[0, k, i1], table[0, k, i2]
            row = out[k, degree]
            row[D_NEAR] = w1 * v1[HOURS] + w2 * v2[HOURS]
            row[D_FAR] = w1 * table[1, k, i1, HOURS] + w2 * table[1, k, i2, HOURS]
            row[D_SECTOR] = ii
            row[D_EXPONENT] = w1 * v1[EXPONENT] + w2 * v2[EXPONENT]
            row[D_RADIATION] = w1 * v1[RADIATION] + w2 * v2[RADIATION]
            row[D_HUMIDITY] = w1 * v1[HUMIDITY] + w2 * v2[HUMIDITY]
            row[D_RC_SO2] = w1 * v1[RC_SO2] + w2 * v2[RC_SO2]
            row[D_RC_AEROSOL] = w1 * v1[RC_AEROSOL] + w2 * v2[RC_AEROSOL]
            row[D_DEGREE_DAYS] = w1 * v1[DEGREE_DAYS] + w2 * v2[DEGREE_DAYS]
            row[D_RAIN] = w1 * v1[RAIN_PROBABILITY] + w2 * v2[RAIN_PROBABILITY]
            time, intensity = 0.7 * table[0, k, ii, RAIN_DURATION], table[0, k, ii, RAIN_INTENSITY]
            if (time == 0.0 or intensity == 0.0) and row[D_RAIN] > 0.0:
                time, intensity = rain[0, i1], rain[1, i1]
            row[D_TIME] = time
            row[D_INTENSITY] = intensity
            row[D_WASH] = power(intensity, 0.628)
            row[D_WASHS] = power(intensity, 0.816)
            row[D_FALL] = 130.0 * math.sqrt(8.95e-4 * power(intensity, 0.21))
            radiation = 2.78 * row[D_RADIATION]
            row[D_SINPHI] = 0.00237 * radiation - 1.86e-6 * radiation * radiation
            direct, diffuse = visible_radiation(radiation, row[D_SINPHI])
            row[D_DIRECT] = direct
            row[D_DIFFUSE] = diffuse


@fused_njit
def follow_rain_and_radiation(w, n):
    """Rows that follow from the intensity of rain and the radiation alone, where they are not those of a degree."""
    for i in range(n):
        intensity = w[RAIN + i]
        w[WASH + i] = power(intensity, 0.628)
        w[WASHS + i] = power(intensity, 0.816)
        w[FALL + i] = 130.0 * math.sqrt(8.95e-4 * power(intensity, 0.21))
        radiation = 2.78 * w[RAD + i]
        sinphi = 0.00237 * radiation - 1.86e-6 * radiation * radiation
        direct, diffuse = visible_radiation(radiation, sinphi)
        w[RADW + i] = radiation
        w[SINPHI + i] = sinphi
        w[DIRECT + i] = direct
        w[DIFFUSE + i] = diffuse


@fused_njit
def near_statistics(w, iw, direction, turned, n, climate, k):
    """As :func:`class_statistics` for ``n`` lanes of points up to 50 km, in a table without empty classes.

    Row A0 holds the turning of the wind [degree]; row A1 becomes the degree-day coefficient. ``direction`` is the
    integer row of the wind direction, ``turned`` that of the turned one, which is filled.
    """
    for i in range(n):
        turn = nearest(w[A0 + i] * (1.0 - w[X + i] / 1.0e5))
        degree = iw[direction + i] - turn
        degree = degree + 360 if degree < 0 else degree
        iw[turned + i] = degree - 360 if degree >= 360 else degree
    table, directions = climate.table, climate.directions
    total = climate.hours
    night = climate.night[0, k]
    for i in range(n):
        d = 1.0 - (1.0e5 - w[X + i]) / (1.0e5 + 1.0)
        e = 1.0 - d
        row = directions[k, iw[turned + i]]
        ii = int(row[D_SECTOR])
        a, b = table[0, k, ii], table[1, k, ii]
        mixing = e * a[MIXING] + d * b[MIXING]
        heat = e * a[HEAT_FLUX] + d * b[HEAT_FLUX]
        mixing2 = b[MIXING]
        mixing1 = a[MIXING]
        mixing2 = mixing2 if mixing2 != 0.0 else mixing
        mixing1 = mixing1 if mixing1 != 0.0 else _PLAIN_MIXING[k]
        w[P + i] = (e * row[D_NEAR] + d * row[D_FAR]) / total
        w[XE + i] = w[X + i]
        w[ZI + i] = mixing
        w[ZI1 + i] = min(mixing1, min(mixing, mixing2))
        w[ZI2 + i] = mixing2
        w[U10 + i] = e * a[WIND] + d * b[WIND]
        w[RBS + i] = e * a[RB] + d * b[RB]
        w[RA4S + i] = e * a[RA4] + d * b[RA4]
        w[RA50S + i] = e * a[RA50] + d * b[RA50]
        w[VLOW + i] = e * a[LOW] + d * b[LOW]
        w[VHIGH + i] = e * a[HIGH] + d * b[HIGH]
        w[US + i] = e * a[FRICTION] + d * b[FRICTION]
        w[OL + i] = e * a[OBUKHOV] + d * b[OBUKHOV]
        w[TC + i] = e * a[TEMPERATURE] + d * b[TEMPERATURE]
        w[H0 + i] = heat if heat != 0.0 else 1.0
        w[PW + i] = row[D_EXPONENT]
        w[RAD + i] = row[D_RADIATION]
        w[RH + i] = row[D_HUMIDITY]
        w[RCSO2 + i] = row[D_RC_SO2]
        w[RCAER + i] = row[D_RC_AEROSOL]
        w[A1 + i] = row[D_DEGREE_DAYS]
        w[FR + i] = row[D_RAIN]
        w[TW + i] = row[D_TIME]
        w[RAIN + i] = row[D_INTENSITY]
        w[WASH + i] = row[D_WASH]
        w[WASHS + i] = row[D_WASHS]
        w[FALL + i] = row[D_FALL]
        w[RADW + i] = 2.78 * row[D_RADIATION]
        w[SINPHI + i] = row[D_SINPHI]
        w[DIRECT + i] = row[D_DIRECT]
        w[DIFFUSE + i] = row[D_DIFFUSE]
        w[NIGHT + i] = night


@fused_njit
def area_statistics(w, iw, turned, n, climate, k, out):
    """After :func:`near_statistics` on the same lanes: areas take the mean over their fan of sectors.

    ``turned``: integer row of the turned direction; ``out`` (27,): scratch of the fan.
    """
    for i in range(n):
        radius = w[Y + i]
        if radius <= 0.0 or w[P + i] <= 0.0:
            continue
        d = 1.0 - (1.0e5 - w[X + i]) / (1.0e5 + 1.0)
        i1 = iw[turned + i] // 30
        weight = (iw[turned + i] - 30 * i1) / 30.0
        hours = _fan(climate.fan, k, 0, 1, d, i1, weight, radius, w[XE + i], out)
        w[P + i] = hours / climate.hours
        w[ZI + i] = out[MIXING]
        w[RBS + i] = out[RB]
        w[RA4S + i] = out[RA4]
        w[RA50S + i] = out[RA50]
        w[US + i] = out[FRICTION]
        w[OL + i] = out[OBUKHOV]
        w[TC + i] = out[TEMPERATURE]
        w[H0 + i] = out[HEAT_FLUX] if out[HEAT_FLUX] != 0.0 else 1.0
        w[RAD + i] = out[RADIATION]
        w[RCSO2 + i] = out[RC_SO2]
        w[RCAER + i] = out[RC_AEROSOL]
        dry_before = w[FR + i] <= 0.0
        w[FR + i] = out[RAIN_PROBABILITY]
        if dry_before and w[FR + i] > 0.0 and (w[TW + i] == 0.0 or w[RAIN + i] == 0.0):
            w[TW + i] = climate.rain[0, i1]
            w[RAIN + i] = climate.rain[1, i1]

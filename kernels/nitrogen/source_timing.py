"""When sources emit: factors on the yearly mean by hour and weather, and sources laid onto the lattice."""

import math

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.exact.timing import PROFILES

__all__ = [
    "CONSTANT",
    "DAYTIME",
    "FIELD",
    "HEATING",
    "HOUSING",
    "TIME_PROFILES",
    "grid_sources",
    "profile_factors",
]

CONSTANT, HEATING, HOUSING, FIELD, DAYTIME = range(5)  # codes of the world's `time_profile`
# OPS codes that are a rhythm of the day alone: traffic, light duty, heavy duty, buses, heating without season
_RHYTHMS = (3, 31, 32, 33, 7)
# `time_profile` of each OPS diurnal code
TIME_PROFILES = {0: CONSTANT, 1: DAYTIME, 2: HEATING, 4: HOUSING, 5: FIELD} | {
    code: 5 + n for n, code in enumerate(_RHYTHMS)
}
_WORKING_DAY = np.array(PROFILES[1]) / 100.0
HEATING_LIMIT = 18.0  # degC, base of degree hours
MEAN_DEGREE_HOURS = 6.32  # K: 2306 degree days of 18 degC in 365 days, KNMI 344 Rotterdam 2023
FULL_YEAR = 8000  # h of weather from which a factor is normalised to a mean of one


def profile_factors(
    temperature: np.ndarray, local_hour: np.ndarray, rain_duration: np.ndarray, resistance: np.ndarray
) -> np.ndarray:
    """Factors (10, n) on the yearly mean emission for each time profile and hour of the weather.

    Heating follows degree hours; animal housing (T + 24)/34 with half of a working-day rhythm, manure and field
    emission 1.55e-5 ((100/(Ra+Rb))^0.8 (T+23)^2.3)^1.25 clip((1.069 - f)^2, 0.5, 1.5) (OPS codes 4 and 5,
    nitrogen.md 3.10); daytime and traffic the rhythm alone. Over at least 8000 hours of weather each has the mean one,
    so that a year emits what was given; over less, the formula's own level.

    Args:
        temperature: (n) [degC].
        local_hour: (n) hour of the civil day 0..23.
        rain_duration: (n) rain in the hour [h].
        resistance: (n) Ra + Rb at 4 m [s m-1] over the fields.
    """
    n = temperature.size
    rhythm = _WORKING_DAY[local_hour // 2]
    factors = np.ones((5 + len(_RHYTHMS), n))
    factors[HEATING] = np.maximum(HEATING_LIMIT - temperature, 0.0) / MEAN_DEGREE_HOURS
    factors[HOUSING] = np.maximum((temperature + 24.0) / 34.0, 0.2) * 0.5 * (1.0 + rhythm)
    warm = np.maximum(temperature + 23.0, 0.0)
    factors[FIELD] = 1.55e-5 * ((100.0 / resistance) ** 0.8 * warm**2.3) ** 1.25
    factors[FIELD] *= np.clip((1.069 - rain_duration) ** 2, 0.5, 1.5)
    factors[DAYTIME] = rhythm
    for k, code in enumerate(_RHYTHMS, start=5):
        factors[k] = np.array(PROFILES[code])[local_hour // 2] / 100.0
    if n >= FULL_YEAR:
        factors /= factors.mean(axis=1, keepdims=True)
    return factors


@njit
def grid_sources(
    x: np.ndarray, y: np.ndarray, side: np.ndarray, rate: np.ndarray, west: float, south: float, out: np.ndarray
) -> float:
    """Add sources to the cells that they cover, by area; return what lies outside the lattice [unit of rate].

    Args:
        x, y: (n) centres, in cells.
        side: (n) side of a square source in cells, 0 for a point.
        rate: (n) emission.
        west, south: position of the lattice's south-west corner, in cells.
        out: (ny, nx) emission per cell; added to.
    """
    ny, nx = out.shape
    outside = 0.0
    for n in range(x.size):
        if rate[n] == 0.0:
            continue
        cx, cy = x[n] - west, y[n] - south
        half = 0.5 * side[n]
        i0, i1 = math.floor(cy - half), math.floor(cy + half)
        j0, j1 = math.floor(cx - half), math.floor(cx + half)
        for i in range(i0, i1 + 1):
            tall = 1.0 if half == 0.0 else (min(cy + half, i + 1.0) - max(cy - half, float(i))) / side[n]
            for j in range(j0, j1 + 1):
                wide = 1.0 if half == 0.0 else (min(cx + half, j + 1.0) - max(cx - half, float(j))) / side[n]
                part = rate[n] * tall * wide
                if 0 <= i < ny and 0 <= j < nx:
                    out[i, j] += part
                else:
                    outside += part
    return outside

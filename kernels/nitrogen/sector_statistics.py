"""Statistics of hours by stability class and wind sector: the table that the sector-plume mode runs on.

The layout is that of the OPS climatology (nitrogen.md 3.1): distance class, stability class, wind sector, quantity.
Classes: unstable, neutral and stable by the Obukhov length (|L| of 100 m), each split by its mixing height (van
Jaarsveld 2004, RIVM report 500045001, chapter 2).
"""

import math

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.surface_layer import (
    CP_AIR,
    DENSITY_AIR,
    GRAVITY,
    KARMAN,
    SCHMIDT_NITROGEN_DIOXIDE,
    aerodynamic_resistance,
    boundary_layer_resistance,
    wind_speed,
)

__all__ = ["sector_statistics", "stability_class"]

_SPLIT = (500.0, 400.0, 80.0)  # m, mixing height that splits unstable, neutral, stable
_NEUTRAL = 100.0  # m, of |L|
_DISTANCES = np.array([0.0, 100.0, 300.0, 1000.0])  # km


@njit
def stability_class(obukhov_length: float, mixing_height: float) -> int:
    """Class 0..5 = U1, U2, N1, N2, S1, S2; both arguments in m."""
    kind = 1
    if abs(obukhov_length) <= _NEUTRAL:
        kind = 0 if obukhov_length < 0.0 else 2
    return 2 * kind + (1 if mixing_height > _SPLIT[kind] else 0)


@njit
def sector_statistics(
    direction: np.ndarray,
    wind: np.ndarray,
    temperature: np.ndarray,
    radiation: np.ndarray,
    humidity: np.ndarray,
    precipitation: np.ndarray,
    rain_duration: np.ndarray,
    friction_velocity: np.ndarray,
    obukhov_length: np.ndarray,
    mixing_height: np.ndarray,
    hour_of_day: np.ndarray,
    roughness_length: float,
    table: np.ndarray,
) -> None:
    """Means of all hours with a direction, per stability class and wind sector; the same for every distance class.

    Means are arithmetic, but of the inverse for wind and friction velocity (a concentration goes with 1/u), the Obukhov
    length, and resistances (fluxes add).

    Args:
        direction: (n) where the wind comes from [degree]; hours with NaN count in every sector in equal parts.
        wind: (n) at 10 m [m s-1].
        temperature: (n) [degC].
        radiation: (n) [W m-2].
        humidity: (n) [%].
        precipitation: (n) [mm h-1].
        rain_duration: (n) [h].
        friction_velocity, obukhov_length, mixing_height: (n) at ``roughness_length`` [m s-1, m, m].
        hour_of_day: (n) 0..23.
        roughness_length: [m].
        table: (4, 6, 12, 27) result in the units of the OPS table.
    """
    table[:] = 0.0
    sums = np.zeros((6, 12, 27))
    blocks = np.zeros((12, 6))
    rain = np.zeros((6, 12, 2))  # amount [mm], duration [h]
    spells = np.zeros((6, 12, 2))  # sum of spell lengths over wet hours [h], wet hours
    length_of_spell = np.zeros(wind.size)
    i = 0
    while i < wind.size:  # wet spells, their length given to each of their hours
        j = i
        total = 0.0
        while j < wind.size and precipitation[j] > 0.0 and rain_duration[j] > 0.0:
            total += rain_duration[j]
            j += 1
        for m in range(i, j):
            length_of_spell[m] = total
        i = max(j, i + 1)
    for i in range(wind.size):
        k = stability_class(obukhov_length[i], mixing_height[i])
        first, last, share = 0, 12, 1.0 / 12.0
        if not math.isnan(direction[i]):
            first = math.floor((direction[i] + 15.0) / 30.0) % 12
            last, share = first + 1, 1.0
        ustar, length = friction_velocity[i], obukhov_length[i]
        rb = boundary_layer_resistance(ustar, SCHMIDT_NITROGEN_DIOXIDE)
        ra4 = aerodynamic_resistance(4.0, roughness_length, ustar, length)
        ra50 = aerodynamic_resistance(50.0, roughness_length, ustar, length)
        u10 = wind_speed(10.0, roughness_length, ustar, length)
        u100 = wind_speed(100.0, roughness_length, ustar, length)
        flux = -DENSITY_AIR * CP_AIR * (temperature[i] + 273.15) * ustar**3 / (KARMAN * GRAVITY * length)
        blocks[hour_of_day[i] // 2, k] += 1.0
        for s in range(first, last):
            q = sums[k, s]
            q[0] += share
            q[1] += share * mixing_height[i]
            q[2] += share / max(wind[i], u10)
            q[3] += share / rb
            q[4] += share / (ra4 + rb)
            q[5] += share / (ra50 + rb)
            q[9] += share * max(18.0 - temperature[i], 0.0)
            q[13] += share * 0.36 * radiation[i]  # J cm-2 h-1
            q[14] += share * min(max(math.log10(u100 / u10), 0.05), 0.8)
            q[18] += share / ustar
            q[19] += share * temperature[i]
            q[21] += share / length
            q[22] += share * flux
            q[23] += share * humidity[i]
            q[26] += share * ustar / 500.0
            if precipitation[i] > 0.0 and rain_duration[i] > 0.0:
                rain[k, s, 0] += share * precipitation[i]
                rain[k, s, 1] += share * rain_duration[i]
                spells[k, s, 0] += share * length_of_spell[i]
                spells[k, s, 1] += share
    for k in range(6):
        for s in range(12):
            n = sums[k, s, 0]
            for t in range(4):
                out = table[t, k, s]
                out[8] = _DISTANCES[t]
                out[6] = 1.0
                out[7] = 1.0
                counted = 0.0
                for c in range(6):
                    counted += blocks[s, c]
                if counted > 0.0:  # in this column the sector index is the 2-hour block
                    out[16] = 100.0 * blocks[s, k] / counted
                    out[17] = out[16]
                if n <= 0.0:
                    continue
                for q in range(27):
                    if q not in (6, 7, 8, 16, 17):
                        out[q] = sums[k, s, q] / n
                out[0] = n
                for q in (2, 3, 4, 5, 18, 21, 26):
                    out[q] = 1.0 / out[q]
                out[10] = rain[k, s, 1] / n
                if rain[k, s, 1] > 0.0:
                    out[11] = spells[k, s, 0] / spells[k, s, 1]
                    out[12] = rain[k, s, 0] / rain[k, s, 1]
                out[15] = 200.0  # Rc of SO2 over moist grass, only for the 3 % HONO of NOx
                out[24] = 1000.0
                out[25] = 50.0

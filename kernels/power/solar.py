"""Photovoltaics: the sun's place, radiation on a tilted plane, inverter limit and feed-in limit.

Angles in radians inside; azimuth clockwise from north. Sun: Spencer (1971) series of declination and equation of
time. Diffuse share: Erbs, Klein and Duffie (1982), Solar Energy 28(4). Transposition: isotropic sky with the
circumsolar part of Hay and Davies (1980).
"""

import math

from kernels.jit import njit

__all__ = ["SOLAR_CONSTANT", "diffuse_share", "plane_of_array", "pv_power", "sun"]

SOLAR_CONSTANT = 1361.0  # W m-2, Kopp and Lean (2011)
LEAST_COSINE = 0.065  # of the zenith angle, about 86 degrees: below it horizontal radiation says nothing of the beam
GROUND_ALBEDO = 0.2
CELL_RISE = 0.03  # K m2 W-1, cell above air at 1 W m-2 (nominal operating cell temperature 44 degC)
CELL_LOSS = 0.004  # per K above 25 degC, crystalline silicon


@njit
def sun(day_of_year, hour_utc, longitude, latitude):
    """Cosine of the zenith angle, azimuth and extraterrestrial normal radiation [W m-2].

    ``day_of_year`` from 1, ``hour_utc`` [h], ``longitude``, ``latitude`` [degree].
    """
    g = 2.0 * math.pi * (day_of_year - 1 + (hour_utc - 12.0) / 24.0) / 365.0
    declination = (
        0.006918 - 0.399912 * math.cos(g) + 0.070257 * math.sin(g) - 0.006758 * math.cos(2 * g)
        + 0.000907 * math.sin(2 * g) - 0.002697 * math.cos(3 * g) + 0.00148 * math.sin(3 * g)
    )  # fmt: skip
    minutes = 229.18 * (
        0.000075 + 0.001868 * math.cos(g) - 0.032077 * math.sin(g) - 0.014615 * math.cos(2 * g)
        - 0.04089 * math.sin(2 * g)
    )  # fmt: skip
    angle = (hour_utc + longitude / 15.0 + minutes / 60.0 - 12.0) * math.pi / 12.0
    phi = latitude * math.pi / 180.0
    zenith = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(angle)
    east = -math.cos(declination) * math.sin(angle)
    north = math.sin(declination) * math.cos(phi) - math.cos(declination) * math.cos(angle) * math.sin(phi)
    azimuth = math.atan2(east, north) % (2.0 * math.pi)
    extra = SOLAR_CONSTANT * (
        1.00011 + 0.034221 * math.cos(g) + 0.00128 * math.sin(g) + 0.000719 * math.cos(2 * g)
        + 0.000077 * math.sin(2 * g)
    )  # fmt: skip
    return zenith, azimuth, extra


@njit
def diffuse_share(clearness):
    """Diffuse over global horizontal radiation by the clearness index (Erbs)."""
    k = min(max(clearness, 0.0), 1.0)
    if k <= 0.22:
        return 1.0 - 0.09 * k
    if k <= 0.80:
        return 0.9511 - 0.1604 * k + 4.388 * k**2 - 16.638 * k**3 + 12.336 * k**4
    return 0.165


@njit
def plane_of_array(horizontal, zenith, azimuth, extra, tilt, facing):
    """Radiation [W m-2] on a plane of ``tilt`` that faces ``facing`` [rad], from global ``horizontal`` [W m-2].

    ``zenith`` is the cosine of the zenith angle. While the sun is below 4 degrees all radiation counts as diffuse.
    """
    if horizontal <= 0.0:
        return 0.0
    cosine = max(zenith, LEAST_COSINE)
    share = diffuse_share(horizontal / (extra * cosine)) if zenith > LEAST_COSINE else 1.0
    diffuse = share * horizontal
    beam = (horizontal - diffuse) / cosine
    height = math.sqrt(max(1.0 - zenith * zenith, 0.0))
    incidence = max(zenith * math.cos(tilt) + height * math.sin(tilt) * math.cos(azimuth - facing), 0.0)
    circumsolar = beam / extra
    sky = diffuse * (circumsolar * incidence / cosine + (1.0 - circumsolar) * 0.5 * (1.0 + math.cos(tilt)))
    return beam * incidence + sky + horizontal * GROUND_ALBEDO * 0.5 * (1.0 - math.cos(tilt))


@njit
def pv_power(plane, temperature, system, inverter, limit):
    """Power fed in and power curtailed, per kW of panels [1].

    ``plane`` [W m-2] on the panels, ``temperature`` [degC] of the air, ``system`` [1] losses from wiring to soiling,
    ``inverter`` [1] its rating per kW of panels (clipping is no curtailment), ``limit`` [1] feed-in allowed.
    """
    cell = temperature + CELL_RISE * plane
    made = max(plane / 1000.0 * system * (1.0 - CELL_LOSS * (cell - 25.0)), 0.0)
    could = min(made, inverter)
    fed = min(could, limit)
    return fed, could - fed

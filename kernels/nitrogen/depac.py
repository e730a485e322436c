"""Surface resistances of NH3, NO2 and SO2: the DEPAC scheme for nine land-use classes (scalar kernels).

van Zanten et al. (2010), RIVM report 680180001: stomata, external surface and soil in parallel, with the
compensation point of NH3. Constants as in OPS-LT 5.3 (nitrogen.md 3.6).
"""

import math

import numpy as np

from kernels.jit import njit

__all__ = [
    "AMMONIA_GAS",
    "NITROGEN_DIOXIDE_GAS",
    "SULPHUR_DIOXIDE_GAS",
    "canopy_resistance",
    "compensation_point",
    "leaf_area",
    "solar_elevation_sine",
]

AMMONIA_GAS = 0
NITROGEN_DIOXIDE_GAS = 1
SULPHUR_DIOXIDE_GAS = 2

GRASS, ARABLE, PERMANENT_CROP, CONIFER, DECIDUOUS, WATER, URBAN, HEATH, BARE = range(1, 10)

# Per land use 1..9 (row 0 unused): largest stomatal conductance [mmol m-2 s-1], smallest share of it [1], light
# parameter [m2 s umol-1], Tmin, Topt, Tmax [degC], vapour pressure deficits v1, v2 [kPa] (Emberson 2000).
_STOMATA = np.zeros((10, 8))
_STOMATA[GRASS] = _STOMATA[HEATH] = (270.0, 0.01, 0.009, 12.0, 26.0, 40.0, 1.3, 3.0)
_STOMATA[ARABLE] = _STOMATA[PERMANENT_CROP] = (300.0, 0.01, 0.009, 12.0, 26.0, 40.0, 0.9, 2.8)
_STOMATA[CONIFER] = (140.0, 0.1, 0.006, 0.0, 18.0, 36.0, 0.5, 3.0)
_STOMATA[DECIDUOUS] = (150.0, 0.1, 0.006, 0.0, 20.0, 35.0, 1.0, 3.25)

# Leaf area per land use: first and last day of the season, least and greatest leaf area [1], length of rise and
# fall [day]. The season of deciduous forest depends on latitude.
_LEAVES = np.zeros((10, 6))
_LEAVES[GRASS] = _LEAVES[HEATH] = (0.0, 366.0, 2.0, 3.5, 140.0, 135.0)
_LEAVES[ARABLE] = _LEAVES[PERMANENT_CROP] = (130.0, 250.0, 0.0, 4.2, 35.0, 65.0)
_LEAVES[CONIFER] = (0.0, 366.0, 5.0, 5.0, 1.0, 1.0)
_LEAVES[DECIDUOUS] = (0.0, 0.0, 0.0, 4.0, 20.0, 30.0)

_DIFFUSIVITY = np.array([0.21e-4, 0.13e-4, 0.11e-4])  # m2 s-1: NH3, NO2, SO2
_OZONE_DIFFUSIVITY = 0.13e-4  # m2 s-1, to which the stomatal conductances refer
_TREE_HEIGHT = 20.0  # m
_CROP_HEIGHT = 1.0  # m


@njit
def solar_elevation_sine(day: float, hour: float, latitude: float, longitude: float) -> float:
    """Sine of the solar elevation [1], negative at night.

    Declination and equation of time of Spencer (1971), within 0.05 degree and 0.6 minute.

    Args:
        day: day of the year, 1 = 1 January.
        hour: UTC hour of the day [h].
        latitude: [degree north].
        longitude: [degree east].
    """
    g = 2.0 * math.pi * (day - 1.0 + (hour - 12.0) / 24.0) / 365.0
    declination = (
        0.006918
        - 0.399912 * math.cos(g)
        + 0.070257 * math.sin(g)
        - 0.006758 * math.cos(2.0 * g)
        + 0.000907 * math.sin(2.0 * g)
        - 0.002697 * math.cos(3.0 * g)
        + 0.00148 * math.sin(3.0 * g)
    )
    time_equation = 229.18 * (
        0.000075
        + 0.001868 * math.cos(g)
        - 0.032077 * math.sin(g)
        - 0.014615 * math.cos(2.0 * g)
        - 0.040849 * math.sin(2.0 * g)
    )  # minutes
    angle = math.radians(15.0 * (hour - 12.0) + longitude + 0.25 * time_equation)
    phi = math.radians(latitude)
    return math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(angle)


@njit
def leaf_area(land_use: int, day: float, latitude: float) -> tuple[float, float]:
    """One-sided leaf area index and surface area index [1] of a land use on a day of the year.

    Args:
        land_use: DEPAC class 1..9; water, urban and bare soil have neither.
        day: day of the year.
        latitude: [degree north].
    """
    if land_use in (WATER, URBAN, BARE):
        return 0.0, 0.0
    first, last = _LEAVES[land_use, 0], _LEAVES[land_use, 1]
    least, most = _LEAVES[land_use, 2], _LEAVES[land_use, 3]
    rise, fall = _LEAVES[land_use, 4], _LEAVES[land_use, 5]
    if land_use == DECIDUOUS:
        first = math.floor(100.5 + 1.5 * (latitude - 50.0))
        last = math.floor(307.5 - 2.0 * (latitude - 50.0))
    season = first <= day <= last
    lai = 0.0
    if season:
        if day <= first + rise:
            lai = least + (most - least) * (day - first) / rise
        elif day >= last - fall:
            lai = least + (most - least) * (last - day) / fall
        else:
            lai = most
    sai = lai
    if land_use == ARABLE and season:
        sai = max(5.0 / 3.5 * lai, lai + 1.5) if day <= first + rise else lai + 1.5
    elif land_use == PERMANENT_CROP:
        sai = lai + 0.5
    elif land_use in (CONIFER, DECIDUOUS):
        sai = lai + 1.0
    return lai, sai


@njit
def _light(radiation: float, sine: float, lai: float, alpha: float, least: float) -> float:
    sp = sine if sine > 0.0 else 1.0e-4
    lg = math.log10(1.0 / sp)
    direct_visible = 600.0 * math.exp(-0.185 / sp) * sp
    diffuse_visible = 0.4 * (600.0 - direct_visible) * sp
    water = 1320.0 * 10.0 ** (-1.195 + 0.4459 * lg - 0.0345 * lg * lg)
    direct_infrared = (720.0 * math.exp(-0.06 / sp) - water) * sp
    diffuse_infrared = 0.6 * (720.0 - direct_infrared - water) * sp
    visible = max(0.1, direct_visible + diffuse_visible)
    infrared = max(0.01, direct_infrared + diffuse_infrared)
    c1 = min(0.9, radiation / (visible + infrared))
    c2 = min(0.99, (0.9 - c1) / 0.7)
    c3 = max(0.01, direct_visible / visible * (1.0 - (c2 * c2) ** (1.0 / 3.0)))
    direct = c3 * c1 * visible
    diffuse = c1 * visible - direct
    strong = radiation > 200.0 and lai > 2.5
    shade = diffuse * math.exp(-0.5 * lai ** (0.8 if strong else 0.7))
    shade += 0.07 * direct * (1.1 - 0.1 * lai) * math.exp(-sp)
    sun = 0.5 * direct ** (0.8 if strong else 1.0) / sp + shade
    sunlit = 2.0 * sp * (1.0 - math.exp(-0.5 * lai / sp))
    a = 4.57 * alpha
    share = (sunlit * (1.0 - math.exp(-a * sun)) + (lai - sunlit) * (1.0 - math.exp(-a * shade))) / lai
    return max(least, share)


@njit
def _saturation_pressure(t: float) -> float:
    return 0.6113718 + t * (4.43839e-2 + t * (1.39817e-3 + t * (2.9295e-5 + t * (2.16e-7 + t * 3.0e-9))))


@njit
def stomatal_conductance(
    gas: int, land_use: int, lai: float, temperature: float, humidity: float, radiation: float, sine: float
) -> float:
    """Stomatal conductance [m s-1] per ground area (Emberson 2000; radiation of Weiss and Norman 1985).

    Args:
        gas: 0 NH3, 1 NO2, 2 SO2.
        land_use: DEPAC class 1..9.
        lai: leaf area index [1].
        temperature: [degC].
        humidity: relative humidity [%].
        radiation: global radiation [W m-2].
        sine: sine of the solar elevation [1].
    """
    if lai <= 0.0 or radiation <= 0.0:
        return 0.0
    p = _STOMATA[land_use]
    least = p[1]
    t_min, t_opt, t_max = p[3], p[4], p[5]
    by_temperature = least
    if t_min < temperature < t_max:
        power = (t_max - t_opt) / (t_opt - t_min)
        by_temperature = (temperature - t_min) / (t_opt - t_min)
        by_temperature = max(least, by_temperature * ((t_max - temperature) / (t_max - t_opt)) ** power)
    deficit = _saturation_pressure(temperature) * (1.0 - humidity / 100.0)
    by_deficit = max(least, min(1.0, (1.0 - least) * (p[7] - deficit) / (p[7] - p[6]) + least))
    by_light = _light(radiation, sine, lai, p[2], least)
    ratio = _DIFFUSIVITY[gas] / _OZONE_DIFFUSIVITY
    return lai * (p[0] / 41000.0) * by_light * max(by_temperature * by_deficit, least) * ratio


@njit
def external_conductance(gas: int, sai: float, temperature: float, humidity: float, wet: bool) -> float:
    """Conductance [m s-1] to the external surface of plants; arguments as :func:`canopy_resistance`."""
    if sai <= 0.0:
        return 0.0
    if gas == AMMONIA_GAS:
        return sai / (200.0 if temperature < 0.0 else 7.0 * math.exp((100.0 - humidity) / 12.0))
    if gas == NITROGEN_DIOXIDE_GAS:
        return 1.0 / 2000.0
    if wet:
        return 1.0 / 10.0
    if temperature > -1.0:
        if humidity < 81.3:
            return 1.0 / (25000.0 * math.exp(-0.0693 * humidity))
        return 1.0 / (0.58e12 * math.exp(-0.278 * humidity) + 10.0)
    return 1.0 / (200.0 if temperature > -5.0 else 500.0)


@njit
def soil_conductance(
    gas: int, land_use: int, sai: float, temperature: float, wet: bool, friction_velocity: float
) -> float:
    """Conductance [m s-1] to soil or water through the canopy; arguments as :func:`canopy_resistance`."""
    if land_use in (GRASS, HEATH):
        return 0.0
    canopy = 0.0
    if land_use in (ARABLE, PERMANENT_CROP, CONIFER, DECIDUOUS):
        height = _TREE_HEIGHT if land_use in (CONIFER, DECIDUOUS) else _CROP_HEIGHT
        canopy = 14.0 * height * sai / friction_velocity if friction_velocity > 0.0 else 1000.0
    if gas == AMMONIA_GAS:
        soil = 1000.0 if temperature < 0.0 else (10.0 if wet or land_use == WATER else 100.0)
    elif gas == NITROGEN_DIOXIDE_GAS:
        soil = 2000.0 if temperature < 0.0 or wet or land_use == WATER else 1000.0
    else:
        soil = 500.0 if temperature < 0.0 else (10.0 if wet or land_use == WATER else 1000.0)
    return 1.0 / (soil + canopy)


@njit
def canopy_resistance(
    gas: int,
    land_use: int,
    lai: float,
    sai: float,
    temperature: float,
    humidity: float,
    radiation: float,
    sine: float,
    wet: bool,
    friction_velocity: float,
) -> float:
    """Canopy resistance Rc [s m-1] without compensation point: 1/Rc = Gstomata + Gexternal + Gsoil.

    Args:
        gas: 0 NH3, 1 NO2, 2 SO2.
        land_use: DEPAC class 1..9.
        lai, sai: leaf and surface area index [1], see :func:`leaf_area`.
        temperature: [degC].
        humidity: relative humidity [%].
        radiation: global radiation [W m-2].
        sine: sine of the solar elevation [1].
        wet: whether the surface is wet.
        friction_velocity: local friction velocity [m s-1].
    """
    total = stomatal_conductance(gas, land_use, lai, temperature, humidity, radiation, sine)
    total += external_conductance(gas, sai, temperature, humidity, wet)
    total += soil_conductance(gas, land_use, sai, temperature, wet, friction_velocity)
    return 1.0 / total


@njit
def compensation_point(
    land_use: int,
    lai: float,
    sai: float,
    temperature: float,
    humidity: float,
    radiation: float,
    sine: float,
    wet: bool,
    friction_velocity: float,
    ammonia: float,
    sulphur_dioxide: float,
    day: float,
) -> float:
    """Compensation point of NH3 [ug m-3] of the canopy as a whole: paths weighted by their conductance.

    Args:
        land_use ... friction_velocity: as in :func:`canopy_resistance`.
        ammonia: background NH3 [ug m-3].
        sulphur_dioxide: background SO2 [ug m-3]; negative: not known, co-deposition factor 1.
        day: day of the year, for the temperature of water.
    """
    kelvin = temperature + 273.15
    if land_use == WATER:
        kelvin = 286.2 + 8.34 * math.sin(2.0 * math.pi * (day - 115.1) / 365.0)
    f = 2.75e15 / kelvin * math.exp(-1.04e4 / kelvin)
    stomata = stomatal_conductance(AMMONIA_GAS, land_use, lai, temperature, humidity, radiation, sine)
    external = external_conductance(AMMONIA_GAS, sai, temperature, humidity, wet)
    soil = soil_conductance(AMMONIA_GAS, land_use, sai, temperature, wet, friction_velocity)
    at_stomata = 362.0 * 4.7 * ammonia * math.exp(-0.071 * temperature) * f
    co_deposition = 1.0
    if sulphur_dioxide >= 0.0:
        co_deposition = max(0.0, 1.12 - 1.32 * (sulphur_dioxide / 64.0) / (ammonia / 17.0))
    at_surface = max(0.0, co_deposition * (-850.0 + 1840.0 * ammonia * math.exp(-0.11 * temperature)) * f)
    at_water = 430.0 * f if land_use == WATER else 0.0
    return (external * at_surface + stomata * at_stomata + soil * at_water) / (stomata + external + soil)

"""Canopy resistance and NH3 compensation point (DEPAC) of the nine land-use classes.

Sources: Van Zanten et al. (2010), Description of the DEPAC module, RIVM report 680180001; Wichink Kruit et al.
(2010, 2017) for the compensation point and co-deposition; Weiss and Norman (1985) for the radiation; Jarvis-type
stomata after Emberson et al. (2000). Land use: 1 grass, 2 arable, 3 permanent crop, 4 conifer, 5 deciduous,
6 water, 7 urban, 8 heath, 9 bare.
"""

import numpy as np

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import exp, log, power

__all__ = [
    "LAND_USES",
    "NH3",
    "NO2",
    "SO2",
    "compensation",
    "effective_resistance",
    "emission_potential",
    "external_conductance",
    "leaf_area",
    "light",
    "soil_conductance",
    "stomatal_conductance",
    "visible_radiation",
]

LAND_USES = 9
NH3, NO2, SO2 = 0, 1, 2

# gmax [mmol m-2 s-1], fmin, a [1/(umol m-2 s-1)], Tmin, Topt, Tmax [degC], v1, v2 [kPa] (Emberson et al. 2000)
_PLANT = np.zeros((10, 8))
_PLANT[1] = _PLANT[8] = (270.0, 0.01, 0.009, 12.0, 26.0, 40.0, 1.3, 3.0)
_PLANT[2] = _PLANT[3] = (300.0, 0.01, 0.009, 12.0, 26.0, 40.0, 0.9, 2.8)
_PLANT[4] = (140.0, 0.1, 0.006, 0.0, 18.0, 36.0, 0.5, 3.0)
_PLANT[5] = (150.0, 0.1, 0.006, 0.0, 20.0, 35.0, 1.0, 3.25)
_DIFFUSIVITY = np.array((0.21e-4, 0.13e-4, 0.11e-4)) / 0.13e-4  # NH3, NO2, SO2 over that of gmax [1]
# soil resistance [s/m]: frozen, dry, dry over water, wet, per component
_SOIL = np.array(
    ((1000.0, 100.0, 10.0, 10.0), (2000.0, 1000.0, 2000.0, 2000.0), (500.0, 1000.0, 10.0, 10.0)),
)
_CANOPY = np.array((0.0, 0.0, 1.0, 1.0, 20.0, 20.0, 0.0, 0.0, 0.0, 0.0))  # m, height for the path in the canopy
_MOL = 41000.0  # mmol/m3 of air: conductance per area to m/s


@fused_njit
def leaf_area(land_use, day, latitude):
    """One-sided leaf area index and surface area index on a day of the year; (-1, -1) where nothing grows."""
    begin, end, low, high, rise, fall = 0.0, 366.0, 2.0, 3.5, 140.0, 135.0
    if land_use == 2 or land_use == 3:
        begin, end, low, high, rise, fall = 130.0, 250.0, 0.0, 4.2, 35.0, 65.0
    elif land_use == 4:
        begin, end, low, high, rise, fall = 0.0, 366.0, 5.0, 5.0, 1.0, 1.0
    elif land_use == 5:
        begin = float(int(100.5 + 1.5 * (latitude - 50.0)))
        end = float(int(307.5 - 2.0 * (latitude - 50.0)))
        low, high, rise, fall = 0.0, 4.0, 20.0, 30.0
    elif land_use == 6 or land_use == 7 or land_use == 9:
        return -1.0, -1.0
    if day < begin or day > end:
        lai = 0.0
    elif day <= begin + rise:
        lai = low + (high - low) * (day - begin) / rise
    elif day >= end - fall:
        lai = low + (high - low) * (end - day) / fall
    else:
        lai = high
    sai = lai
    if land_use == 2:
        if day < begin or day > end:
            sai = lai
        elif day <= begin + rise:
            sai = max(5.0 / 3.5 * lai, lai + 1.5)
        else:
            sai = lai + 1.5
    elif land_use == 3:
        sai = lai + 0.5
    elif land_use == 4 or land_use == 5:
        sai = lai + 1.0
    return lai, sai


@fused_njit(forceinline=True)
def visible_radiation(radiation, sinphi):
    """Direct and diffuse visible radiation [W/m2] from global radiation [W/m2] and the sine of the solar height."""
    sp = sinphi if sinphi > 0.0 else 1.0e-4
    lg = -log(sp) * 0.4342944819032518
    d1 = 600.0 * exp(-0.185 / sp) * sp
    d2 = 0.4 * (600.0 - d1) * sp
    water = 1320.0 * exp(2.302585092994046 * (-1.195 + 0.4459 * lg - 0.0345 * lg * lg))
    d3 = (720.0 * exp(-0.06 / sp) - water) * sp
    d4 = 0.6 * (720.0 - d3 - water) * sp
    visible = max(0.1, d1 + d2)
    infrared = max(0.01, d3 + d4)
    c1 = min(0.9, radiation / (visible + infrared))
    c2 = min(0.99, (0.9 - c1) / 0.7)
    c3 = max(0.01, d1 / visible * (1.0 - power(c2 * c2, 1.0 / 3.0)))
    direct = c3 * c1 * visible
    return direct, c1 * visible - direct


@fused_njit(forceinline=True)
def light(direct, diffuse, sinphi, strong, leaf, root7, root8, a, least):
    """Light factor of stomata, sunlit and shaded leaves; ``leaf`` index with its powers 0.7 and 0.8."""
    sp = sinphi if sinphi > 0.0 else 1.0e-4
    sunlit = 2.0 * sp * (1.0 - exp(-0.5 * leaf / sp))
    shade = diffuse * exp(-0.5 * (root8 if strong else root7)) + 0.07 * direct * (1.1 - 0.1 * leaf) * exp(-sp)
    beam = power(direct, 0.8) if strong else direct
    sun = 0.5 * beam / sp + shade
    slope = 4.57 * a
    value = (sunlit * (1.0 - exp(-slope * sun)) + (leaf - sunlit) * (1.0 - exp(-slope * shade))) / leaf
    return max(least, value)


@fused_njit(forceinline=True)
def stomatal_conductance(temperature, humidity, light_factor, leaf, gmax, least, t_min, t_opt, t_max, v1, v2, ratio):
    """Gs = LAI gmax/41000 Fl max(FT Fv, fmin) D/D0 [m/s]; temperature [degC], humidity [%]."""
    e = (t_max - t_opt) / (t_opt - t_min)
    ft = (temperature - t_min) / (t_opt - t_min) * power((t_max - temperature) / (t_max - t_opt), e)
    ft = max(least, ft if temperature < t_max else least)
    t = temperature
    es = 0.6113718 + t * (
        4.43839e-2 + t * (1.39817e-3 + t * (2.9295e-5 + t * (2.16e-7 + t * 3.0e-9)))
    )  # kPa, saturation
    deficit = es * (1.0 - humidity / 100.0)
    fv = max(least, min(1.0, (1.0 - least) * (v2 - deficit) / (v2 - v1) + least))
    return leaf * (gmax / _MOL) * light_factor * max(ft * fv, least) * ratio


@fused_njit(forceinline=True)
def external_conductance(component, temperature, humidity, wet, surface):
    """Conductance of the external surface [m/s]; ``surface`` area index > 0."""
    if component == 0:
        rw = 7.0 * exp((100.0 - humidity) / 12.0)
        return surface / (200.0 if temperature < 0.0 else rw)
    if component == 1:
        return 1.0 / 2000.0
    low = 25000.0 * exp(-0.0693 * humidity)
    high = 0.58e12 * exp(-0.278 * humidity) + 10.0
    rw = low if humidity < 81.3 else high
    rw = rw if temperature > -1.0 else (200.0 if temperature > -5.0 else 500.0)
    return 1.0 / (10.0 if wet else rw)


@fused_njit(forceinline=True)
def soil_conductance(land_use, component, temperature, wet, surface, friction_velocity):
    """Conductance of the soil through the canopy [m/s]; 0 under grass and heath."""
    if land_use == 1 or land_use == 8:
        return 0.0
    water = land_use == 6
    dry = _SOIL[component, 2] if water else _SOIL[component, 1]
    rs = _SOIL[component, 0] if temperature < 0.0 else (_SOIL[component, 3] if wet else dry)
    path = 14.0 * _CANOPY[land_use] * surface / friction_velocity
    path = path if friction_velocity > 0.0 else 1000.0
    return 1.0 / (rs + (path if _CANOPY[land_use] > 0.0 else 0.0))


@fused_njit(forceinline=True)
def emission_potential(kelvin):
    """Gas over solution: 2.75e15/T exp(-1.04e4/T) [ug/m3]; Wichink Kruit et al. (2010)."""
    return 2.75e15 / kelvin * exp(-1.04e4 / kelvin)


@fused_njit(forceinline=True)
def compensation(concentration, so2, temperature, potential):
    """Compensation concentrations of NH3 [ug/m3] in stomata and over the external surface.

    ``concentration`` of NH3 and ``so2`` [ug/m3] (so2 < 0: no background); ``potential`` of
    :func:`emission_potential`.
    """
    c = max(concentration, 1.0e-6)
    stomata = 362.0 * 4.7 * c * exp(-0.071 * temperature) * potential
    ratio = 1.12 - 1.32 * (so2 / 64.0) / (c / 17.0)
    together = max(0.0, ratio if so2 >= 0.0 else 1.0)
    return stomata, max(0.0, together * (-850.0 + 1840.0 * c * exp(-0.11 * temperature)) * potential)


@fused_njit(forceinline=True)
def effective_resistance(gs, gw, gsoil, stomata, surface, ground, concentration, ra_rb):
    """Total Rc [s/m], compensation point [ug/m3] and effective Rc [s/m] of NH3.

    ``gs``, ``gw``, ``gsoil`` conductances of stomata, external surface and soil [m/s] and the compensation
    concentrations over each [ug/m3]; ``concentration`` of NH3 [ug/m3]; ``ra_rb`` = Ra(4 m) + Rb [s/m].
    """
    c = max(concentration, 1.0e-6)
    rc = 1.0 / (gs + gw + gsoil)
    point = (gw * surface + gs * stomata + gsoil * ground) * rc
    difference = c - point
    effective = (ra_rb * point + rc * c) / (difference if difference != 0.0 else 1.0)
    return rc, point, effective if difference != 0.0 else 10000.0


def plant(land_use: int) -> np.ndarray:
    """Stomatal parameters of a land use: gmax, fmin, a, Tmin, Topt, Tmax, v1, v2."""
    return _PLANT[land_use].copy()


PLANT = _PLANT
DIFFUSIVITY = _DIFFUSIVITY

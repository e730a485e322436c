"""From hourly weather to turbulence: heat flux, friction velocity, Obukhov length, mixing height.

Radiation and heat flux: Holtslag and van Ulden (1983), J. Climate Appl. Meteor. 22, 517-529. Stable hours: the
temperature scale of Holtslag and van Ulden (1982, KNMI WR 82-3) and van Ulden and Holtslag (1985), J. Climate
Appl. Meteor. 24, 1196-1207. Mixing height: Nieuwstadt (1981), Boundary-Layer Meteor. 20, 3-17, when stable;
growth by heating and shear (Batchvarova and Gryning 1991, Boundary-Layer Meteor. 56, 261-274) by day.
"""

import math

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.surface_layer import CP_AIR, DENSITY_AIR, GRAVITY, KARMAN, friction_velocity_from_wind

__all__ = ["CORIOLIS", "LOWEST_WIND", "boundary_layer", "heat_flux", "stable_mixing_height", "turbulence"]

ALBEDO = 0.23  # grass
LONG_WAVE_CLEAR = 5.31e-13  # W m-2 K-6: Swinbank (1963)
LONG_WAVE_CLOUD = 60.0  # W m-2 at full cloud cover
STEFAN_BOLTZMANN = 5.67e-8  # W m-2 K-4
HEATING = 0.12  # surface warmer than the air by day, share of net radiation
SOIL_SHARE = 0.1  # of net radiation into the soil
ADVECTION = 20.0  # W m-2, Priestley-Taylor beta of grass (alpha = 1)
TEMPERATURE_SCALE = 0.09  # K, theta* of a clear night
CORIOLIS = 1.15e-4  # s-1 at 52 degrees north
LAPSE = 0.005  # K m-1, gradient of potential temperature above the mixing layer
ENTRAINMENT = 0.2  # A, share of the surface heat flux that is entrained
SHEAR_ENTRAINMENT = 2.5  # B
GROWTH_STEPS = 12  # per hour
LOWEST_WIND = 0.5  # m s-1: the anemometer threshold; calm hours count as this
LOWEST_MIXING_HEIGHT = 50.0  # m
SHORTEST_LENGTH = 5.0  # m, of |L|, as in OPS
LOWEST_FRICTION_VELOCITY = 0.06  # m s-1, as in OPS


@njit
def heat_flux(radiation: float, temperature: float, cloud_cover: float) -> float:
    """Sensible heat flux [W m-2] of moist grass by day.

    Q* = ((1 - r) K + c1 T^6 - sigma T^4 + c2 N) / (1 + c3), H = (Q* - G) / (S + 1) - beta with S the slope of the
    saturation pressure over the psychrometric constant, exp(0.055 (T - 279 K)).

    Args:
        radiation: global radiation [W m-2].
        temperature: [degC].
        cloud_cover: [1], 0..1.
    """
    t = temperature + 273.15
    net = (1.0 - ALBEDO) * radiation + LONG_WAVE_CLEAR * t**6 - STEFAN_BOLTZMANN * t**4
    net = (net + LONG_WAVE_CLOUD * cloud_cover) / (1.0 + HEATING)
    slope = math.exp(0.055 * (t - 279.0))
    return (1.0 - SOIL_SHARE) * net / (slope + 1.0) - ADVECTION


@njit
def turbulence(
    wind: float, z: float, roughness_length: float, temperature: float, radiation: float, cloud_cover: float
) -> tuple[float, float, float]:
    """Friction velocity [m s-1], Obukhov length [m] and sensible heat flux [W m-2] of one hour.

    Where the heat flux of :func:`heat_flux` is positive the hour is unstable and L = -rho cp T u*^3 / (k g H);
    otherwise it is stable with theta* = min(0.09 (1 - N^2/2), T C u^2 / (18.8 g z)), C = k/ln(z/z0) (the largest
    that the wind can carry; Venkatram 1980, Boundary-Layer Meteor. 19, 481-485), and L = T u*^2/(k g theta*).

    Args:
        wind: wind speed [m s-1] at height ``z`` [m]; at least LOWEST_WIND is used.
        z: anemometer height [m].
        roughness_length: of the weather station [m].
        temperature: [degC].
        radiation: global radiation [W m-2].
        cloud_cover: [1].
    """
    u = max(wind, LOWEST_WIND)
    t = temperature + 273.15
    neutral = KARMAN * u / math.log(z / roughness_length)
    flux = heat_flux(radiation, temperature, cloud_cover) if radiation > 0.0 else -1.0
    ustar = neutral
    if flux > 0.0:
        length = -1.0e6
        for _ in range(30):
            length = -DENSITY_AIR * CP_AIR * t * ustar**3 / (KARMAN * GRAVITY * flux)
            length = min(length, -SHORTEST_LENGTH)
            new = friction_velocity_from_wind(u, z, roughness_length, length)
            done = abs(new - ustar) < 1.0e-6
            ustar = new
            if done:
                break
        return max(ustar, LOWEST_FRICTION_VELOCITY), length, flux
    drag = neutral / u
    scale = min(TEMPERATURE_SCALE * (1.0 - 0.5 * cloud_cover**2), t * drag * u * u / (18.8 * GRAVITY * z))
    length = 1.0e6
    for _ in range(30):
        length = max(t * ustar * ustar / (KARMAN * GRAVITY * scale), SHORTEST_LENGTH)
        new = friction_velocity_from_wind(u, z, roughness_length, length)
        done = abs(new - ustar) < 1.0e-6
        ustar = 0.5 * (new + ustar)
        if done:
            break
    ustar = max(ustar, LOWEST_FRICTION_VELOCITY)
    return ustar, length, -DENSITY_AIR * CP_AIR * ustar * scale


@njit
def stable_mixing_height(friction_velocity: float, obukhov_length: float) -> float:
    """Height [m] of a stable boundary layer: h/L = (-1 + sqrt(1 + 2.28 u*/(f L))) / 3.8 (Nieuwstadt 1981)."""
    x = 2.28 * friction_velocity / (CORIOLIS * obukhov_length)
    return obukhov_length / 3.8 * (math.sqrt(1.0 + x) - 1.0)


@njit
def boundary_layer(
    wind: np.ndarray,
    temperature: np.ndarray,
    radiation: np.ndarray,
    cloud_cover: np.ndarray,
    z: float,
    roughness_length: float,
    friction_velocity: np.ndarray,
    obukhov_length: np.ndarray,
    mixing_height: np.ndarray,
) -> None:
    """Turbulence and mixing height of consecutive hours over the roughness of the weather station.

    By day dh/dt = ((1 + 2A) H/(rho cp) + 2B u*^3 T/(g h)) / (gamma h) from the height of the last stable hour; the
    hour's value is the mean of its ends. The series starts from the lowest height.

    Args:
        wind: (n) 10 m wind speed [m s-1].
        temperature: (n) [degC].
        radiation: (n) global radiation [W m-2].
        cloud_cover: (n) [1].
        z: anemometer height [m].
        roughness_length: of the station [m].
        friction_velocity: (n) result [m s-1].
        obukhov_length: (n) result [m].
        mixing_height: (n) result [m].
    """
    grown = LOWEST_MIXING_HEIGHT
    for i in range(wind.size):
        ustar, length, flux = turbulence(wind[i], z, roughness_length, temperature[i], radiation[i], cloud_cover[i])
        friction_velocity[i] = ustar
        obukhov_length[i] = length
        if length > 0.0:
            grown = max(stable_mixing_height(ustar, length), LOWEST_MIXING_HEIGHT)
            mixing_height[i] = grown
            continue
        before = grown
        heating = (1.0 + 2.0 * ENTRAINMENT) * flux / (DENSITY_AIR * CP_AIR)  # K m s-1
        shear = 2.0 * SHEAR_ENTRAINMENT * ustar**3 * (temperature[i] + 273.15) / GRAVITY  # K m2 s-1
        for _ in range(GROWTH_STEPS):  # h dh/dt is smooth: step h^2
            square = grown * grown + 2.0 * (heating + shear / grown) / LAPSE * (3600.0 / GROWTH_STEPS)
            grown = math.sqrt(square)
        mixing_height[i] = 0.5 * (before + grown)

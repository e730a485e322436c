"""Exchange velocities of NH3 and NOx with each kind of surface in one hour."""

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.depac import (
    AMMONIA_GAS,
    NITROGEN_DIOXIDE_GAS,
    SULPHUR_DIOXIDE_GAS,
    canopy_resistance,
    compensation_point,
    leaf_area,
)
from kernels.nitrogen.surface_layer import (
    SCHMIDT_AMMONIA,
    SCHMIDT_NITROGEN_DIOXIDE,
    aerodynamic_resistance,
    boundary_layer_resistance,
    change_roughness,
)

__all__ = ["REFERENCE_HEIGHT", "exchange_velocities", "surface_wetness"]

REFERENCE_HEIGHT = 4.0  # m, of concentrations and exchange velocities, as in OPS
NITRIC_OXIDE_RESISTANCE = 2000.0  # s m-1, Rc of NO (OPS, nitrogen.md 3.6)
NITROUS_ACID_SHARE = 0.03  # of NOx, deposits as SO2


@njit
def surface_wetness(rain_duration: float, humidity: float) -> bool:
    """Whether surfaces are wet: 0.3 (0.4 f + RH/59 - 0.4)^5 rounds to at least one (OPS, nitrogen.md 3.6).

    Args:
        rain_duration: rain in the hour [h].
        humidity: relative humidity [%].
    """
    return 0.3 * (0.4 * rain_duration + humidity / 59.0 - 0.4) ** 5 >= 0.5


@njit
def exchange_velocities(
    land_use: np.ndarray,
    roughness_length: np.ndarray,
    ammonia: np.ndarray,
    region_roughness: float,
    friction_velocity: float,
    obukhov_length: float,
    temperature: float,
    humidity: float,
    radiation: float,
    sine: float,
    wet: bool,
    day: float,
    latitude: float,
    sulphur_dioxide: float,
    no2_share: float,
    velocity_nh3: np.ndarray,
    velocity_nox: np.ndarray,
) -> None:
    """Exchange velocity at 4 m of each kind of surface: flux = velocity times the concentration from sources.

    NH3: (1 - c_comp/c)/(Ra + Rb + Rc) at the background c, zero where the surface emits (c_comp above c); NOx: NO2
    by DEPAC, NO with Rc = 2000 s/m and 3 % HONO as SO2, in parallel.

    Args:
        land_use: (n) DEPAC class 1..9.
        roughness_length: (n) [m].
        ammonia: (n) background NH3 [ug m-3].
        region_roughness: roughness length [m] that friction velocity and Obukhov length belong to.
        friction_velocity: [m s-1].
        obukhov_length: [m].
        temperature: [degC].
        humidity: [%].
        radiation: global radiation [W m-2].
        sine: sine of the solar elevation [1].
        wet: whether surfaces are wet.
        day: day of the year.
        latitude: [degree north].
        sulphur_dioxide: background SO2 [ug m-3].
        no2_share: NO2/NOx [1].
        velocity_nh3, velocity_nox: (n) results [m s-1].
    """
    for i in range(land_use.size):
        lu = int(land_use[i])
        z0 = roughness_length[i]
        ustar, length = change_roughness(region_roughness, friction_velocity, obukhov_length, z0)
        ustar = max(ustar, 0.06)
        ra = aerodynamic_resistance(max(REFERENCE_HEIGHT, 2.0 * z0), z0, ustar, length)
        lai, sai = leaf_area(lu, day, latitude)
        rb = boundary_layer_resistance(ustar, SCHMIDT_AMMONIA)
        rc = canopy_resistance(AMMONIA_GAS, lu, lai, sai, temperature, humidity, radiation, sine, wet, ustar)
        point = compensation_point(
            lu,
            lai,
            sai,
            temperature,
            humidity,
            radiation,
            sine,
            wet,
            ustar,
            ammonia[i],
            sulphur_dioxide,
            day,
        )
        velocity_nh3[i] = max(0.0, 1.0 - point / ammonia[i]) / (ra + rb + rc)
        rb = boundary_layer_resistance(ustar, SCHMIDT_NITROGEN_DIOXIDE)
        no2 = canopy_resistance(NITROGEN_DIOXIDE_GAS, lu, lai, sai, temperature, humidity, radiation, sine, wet, ustar)
        so2 = canopy_resistance(SULPHUR_DIOXIDE_GAS, lu, lai, sai, temperature, humidity, radiation, sine, wet, ustar)
        velocity_nox[i] = (
            no2_share / (ra + rb + no2)
            + (1.0 - no2_share) / (ra + rb + NITRIC_OXIDE_RESISTANCE)
            + NITROUS_ACID_SHARE / (ra + rb + so2)
        )

"""Rates of conversion and scavenging of NH3, NOx and their secondary aerosol in one hour (scalar kernels)."""

import math

from kernels.jit import njit

__all__ = [
    "aerosol_scavenging",
    "aerosol_velocity",
    "ammonia_conversion",
    "gas_scavenging",
    "nitric_acid_share",
    "nitrogen_dioxide_from_nox",
    "nox_conversion",
    "rain_rate",
]

HOUR = 3600.0  # s
PER_CENT = 0.01
SHORTEST_RAIN = 0.01  # h
NO2_KNEE = 11.4924  # ppb NOx, exp(1 + 12.4/8.6): below it NO2 is proportional to NOx


@njit
def nitrogen_dioxide_from_nox(nox: float) -> float:
    """NO2 [ppb] that belongs to a background of NOx [ppb]: 8.6 ln(NOx) - 12.4 (OPS, nitrogen.md 3.6)."""
    if nox > NO2_KNEE:
        return 8.6 * math.log(nox) - 12.4
    return 8.6 * nox / NO2_KNEE


@njit
def ammonia_conversion(ammonia: float, nitrogen_dioxide: float, sulphur_dioxide: float) -> float:
    """Rate [s-1] at which NH3 becomes ammonium (OPS, nitrogen.md 3.9); backgrounds in ppb."""
    s = min(sulphur_dioxide / ammonia, 3.0)
    polynomial = 0.1 + 0.8 * nitrogen_dioxide / ammonia + 6.3 * s + 1.8 * s**4 - 0.17 * s**6
    return max(1.0, 3.0 * polynomial + 0.5) * PER_CENT / HOUR


@njit
def nox_conversion(radiation: float, no2_share: float, night: bool) -> float:
    """Rate [s-1] at which NOx becomes nitric acid and nitrate: OH by day, 2 %/h by night (OPS, nitrogen.md 3.9).

    Args:
        radiation: global radiation of the hour [W m-2].
        no2_share: NO2/NOx [1].
        night: whether the sun is below the horizon.
    """
    by_day = 100.0 * (0.36 * radiation) * 62.0e-8 * 918.0 * no2_share  # 0.36 J cm-2 h-1 per W m-2
    return (by_day + (2.0 if night else 0.0)) * PER_CENT / HOUR


@njit
def rain_rate(rate: float, duration: float, time: float) -> float:
    """Mean rate [s-1] at which rain of part of the hour empties a plume of a given age (OPS, nitrogen.md 3.8).

    f/t (1 - exp(-rate t)), t = f (1 - exp(-0.4 age/f)): young parcels meet the rain for all of their way or not at
    all, so that the loss is f times the rate; old ones for at most the f hours that it rains.

    Args:
        rate: while it rains [s-1].
        duration: f, rain in the hour [h].
        time: age of the plume [s].
    """
    if rate <= 0.0 or duration <= 0.0:
        return 0.0
    hours = max(duration * -math.expm1(-0.4 * time / HOUR / duration), SHORTEST_RAIN)
    return duration / hours * -math.expm1(-rate * HOUR * hours) / HOUR


@njit
def gas_scavenging(intensity: float, diffusivity: float, uptake: float, mixing_height: float) -> tuple[float, float]:
    """Scavenging rates [s-1] of a gas below and in cloud while it rains (OPS, nitrogen.md 3.8).

    Args:
        intensity: rain while it rains [mm h-1].
        diffusivity: in air [cm2 s-1].
        uptake: scavenging ratio in cloud [1].
        mixing_height: [m].
    """
    if intensity <= 0.0:
        return 0.0, 0.0
    inside = uptake * intensity / (1000.0 * mixing_height) / HOUR
    below = 1.21 * diffusivity**0.744 * intensity**0.628 / HOUR
    return min(below, inside), inside


@njit
def aerosol_scavenging(intensity: float, mixing_height: float) -> tuple[float, float]:
    """Scavenging rates [s-1] of fine aerosol below and in cloud; arguments as :func:`gas_scavenging`."""
    if intensity <= 0.0:
        return 0.0, 0.0
    inside = 1.4e7 * intensity / (1000.0 * mixing_height) / HOUR
    return min(1.326 * 0.31 * intensity**0.816 / HOUR, inside), inside


@njit
def nitric_acid_share(ammonia: float) -> float:
    """Share [1] of HNO3 in HNO3 + nitrate at a background of NH3 [ppb] (OPS, nitrogen.md 3.6)."""
    return min(0.8, 0.024 * (ammonia / 1000.0) ** -0.44)


@njit
def aerosol_velocity(friction_velocity: float, obukhov_length: float, resistance: float) -> float:
    """Dry deposition velocity [m s-1] of ammonium and nitrate aerosol over low vegetation (nitrogen.md 3.6).

    Args:
        friction_velocity: [m s-1].
        obukhov_length: [m].
        resistance: aerodynamic plus boundary-layer resistance [s m-1].
    """
    surface = 500.0 / friction_velocity
    if obukhov_length < 0.0:
        surface /= 1.0 + (300.0 / -obukhov_length) ** (2.0 / 3.0)
    return 1.0 / (resistance + surface)

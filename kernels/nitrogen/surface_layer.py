"""Surface layer: wind profile, aerodynamic and boundary-layer resistance, change of roughness (scalar kernels)."""

import math

from kernels.jit import njit

__all__ = [
    "CP_AIR",
    "DENSITY_AIR",
    "GRAVITY",
    "KARMAN",
    "SCHMIDT_AMMONIA",
    "SCHMIDT_NITROGEN_DIOXIDE",
    "aerodynamic_resistance",
    "boundary_layer_resistance",
    "change_roughness",
    "friction_velocity_from_wind",
    "stability_correction",
    "wind_speed",
]

KARMAN = 0.4  # von Karman constant, as in OPS
GRAVITY = 9.81  # m s-2
DENSITY_AIR = 1.29  # kg m-3, as in OPS
CP_AIR = 1005.0  # J kg-1 K-1
SCHMIDT_AMMONIA = 0.69  # Schmidt numbers over the Prandtl number, OPS-LT 5.3
SCHMIDT_NITROGEN_DIOXIDE = 1.25
BLENDING_HEIGHT = 50.0  # m, where the wind does not feel the local roughness


@njit
def stability_correction(z: float, obukhov_length: float) -> float:
    """Stability correction of the wind profile, without the term at the roughness length.

    Stable: Holtslag (1984); unstable: Paulson (1970) with 15 z/L.

    Args:
        z: height [m].
        obukhov_length: Obukhov length [m], not zero.
    """
    if obukhov_length > 0.0:
        return -17.0 * (1.0 - math.exp(-0.29 * z / obukhov_length))
    y = math.sqrt(math.sqrt(1.0 - 15.0 * z / obukhov_length))
    return math.log((0.5 * (1.0 + y)) ** 2 * 0.5 * (1.0 + y * y)) - 2.0 * math.atan(y) + 0.5 * math.pi


@njit
def wind_speed(z: float, roughness_length: float, friction_velocity: float, obukhov_length: float) -> float:
    """Wind speed [m s-1] at a height: u*/k (ln(z/z0) - psi), not bounded from below.

    The term of psi at z0 is kept when stable and left out when unstable, as in OPS.

    Args:
        z: height [m].
        roughness_length: roughness length [m].
        friction_velocity: friction velocity [m s-1].
        obukhov_length: Obukhov length [m].
    """
    psi = stability_correction(z, obukhov_length)
    if obukhov_length > 0.0:
        psi -= stability_correction(roughness_length, obukhov_length)
    return friction_velocity / KARMAN * (math.log(z / roughness_length) - psi)


@njit
def friction_velocity_from_wind(speed: float, z: float, roughness_length: float, obukhov_length: float) -> float:
    """Friction velocity [m s-1] that gives ``speed`` [m s-1] at height ``z`` [m]; see :func:`wind_speed`."""
    return speed / wind_speed(z, roughness_length, 1.0, obukhov_length)


@njit
def _heat_correction(e: float) -> float:
    if e > 0.0:
        return -0.7 * e - (0.75 * e - 10.72) * math.exp(-0.35 * e) - 10.72
    return 2.0 * math.log(0.5 * (1.0 + math.sqrt(1.0 - 16.0 * e)))


@njit
def aerodynamic_resistance(z: float, roughness_length: float, friction_velocity: float, obukhov_length: float) -> float:
    """Aerodynamic resistance [s m-1] between the surface and ``z``.

    Ra = (ln(z/z0) - psi(z/L) + psi(z0/L)) / (k u*); stable: Beljaars and Holtslag (1991); unstable: Paulson
    (1970).

    Args:
        z: height [m].
        roughness_length: roughness length [m].
        friction_velocity: friction velocity [m s-1].
        obukhov_length: Obukhov length [m].
    """
    top = _heat_correction(z / obukhov_length)
    bottom = _heat_correction(roughness_length / obukhov_length)
    return (math.log(z / roughness_length) - top + bottom) / (KARMAN * friction_velocity)


@njit
def boundary_layer_resistance(friction_velocity: float, schmidt: float) -> float:
    """Quasi-laminar resistance [s m-1]: 2/(k u*) (Sc/0.72)^(2/3) (Wesely and Hicks 1977).

    Args:
        friction_velocity: friction velocity [m s-1].
        schmidt: Schmidt number of the gas [1].
    """
    return 2.0 / (KARMAN * friction_velocity) * (schmidt / 0.72) ** (2.0 / 3.0)


@njit
def change_roughness(
    roughness_length: float, friction_velocity: float, obukhov_length: float, other_roughness_length: float
) -> tuple[float, float]:
    """Friction velocity [m s-1] and Obukhov length [m] over another surface under the same wind at 50 m.

    Iteration of OPS-LT 5.3 (nitrogen.md 3.2 step 4): the wind at 50 m is kept, the buoyancy flux u*^3/L follows
    u* to the power 0.8 (stable) or 0.1 (unstable).

    Args:
        roughness_length: roughness length [m] that the given values belong to.
        friction_velocity: friction velocity [m s-1].
        obukhov_length: Obukhov length [m].
        other_roughness_length: roughness length [m] of the other surface.
    """
    z1 = roughness_length
    z2 = other_roughness_length
    if abs(z1 - z2) < 0.1 * z1:
        return friction_velocity, obukhov_length
    u = friction_velocity
    length = obukhov_length
    flux = -u * u * u / length
    wind = u / KARMAN * (math.log(BLENDING_HEIGHT / z1) - stability_correction(BLENDING_HEIGHT, length))
    change = 0.0
    before = 0.0
    for n in range(1, 41):
        if obukhov_length < 0.0 and n >= 3 and change > before:
            return u, length
        new = KARMAN * wind / (math.log(BLENDING_HEIGHT / z2) - stability_correction(BLENDING_HEIGHT, length))
        before = change
        change = abs(new - u)
        ratio = new / u
        length = -new * new * new / flux
        u = new
        if ratio <= 0.0:
            return u, length
        flux *= ratio ** (0.8 if flux < 0.0 else 0.1)
        if change <= 0.015 * u:
            break
    length = max(length, 5.0) if length > 0.0 else min(length, -5.0)
    return max(u, 0.06), length

"""Wind profile, aerodynamic resistances and the change of roughness, per lane.

Sources: Van Jaarsveld (2004), The Operational Priority Substances model, RIVM report 500045001, chapters 3-5;
Holtslag (1984) for the stable profile; Paulson (1970) for the unstable one.
"""

import math

from kernels.jit import njit
from kernels.nitrogen.exact.elementary import arctan, exp, log, power
from kernels.nitrogen.exact.lanes import A0, A1, A2, A3, B0, B1, B2, B3, B4, B5, B6

__all__ = [
    "KARMAN",
    "boundary_resistance",
    "log_wind",
    "power_wind",
    "psi_heat",
    "resistance",
    "transfer_roughness",
]

KARMAN = 0.4  # von Karman constant
_HALF_PI = math.pi / 2.0
_LEAST_WIND = 0.75  # m/s
_BLEND = 50.0  # m, height where the wind does not know the roughness below
_STEPS = 40


@njit(forceinline=True)
def log_wind(friction_velocity, obukhov_length, z0, z):
    """Wind speed at z [m/s], at least 0.75: u*/k [ln(z/z0) - Psi(z/L)]; all lengths in m.

    Stable: Psi = -17 (1 - exp(-0.29 z/L)) + 17 (1 - exp(-0.29 z0/L)). Unstable: y = (1 - 15 z/L)^(1/4),
    Psi = ln[((1+y)/2)^2 (1+y^2)/2] - 2 atan(y) + pi/2, without a term in z0.
    """
    stable = obukhov_length > 0.0
    y2 = math.sqrt(max(1.0 - 15.0 * z / obukhov_length, 1.0))
    y = math.sqrt(y2)
    shape = 8.0 / ((1.0 + y) * (1.0 + y) * (1.0 + y2))
    length = obukhov_length if stable else 1.0
    tail = 17.0 * (exp(-0.29 * z0 / length) - exp(-0.29 * z / length))
    head = log(z / z0 * (1.0 if stable else shape))
    rest = tail if stable else 2.0 * arctan(y) - _HALF_PI
    return max(friction_velocity / KARMAN * (head + rest), _LEAST_WIND)


@njit(forceinline=True)
def power_wind(wind_10m, exponent, z):
    """Wind speed at z [m] by the power law u10 (z/10)^p [m/s]."""
    return wind_10m * power(z / 10.0, exponent)


@njit(forceinline=True)
def psi_heat(z, obukhov_length):
    """Stability correction of the resistance at z [m]; Beljaars and Holtslag (1991) stable, Paulson unstable."""
    e = z / obukhov_length
    stable = obukhov_length > 0.0
    calm = max(e, 0.0)
    cold = -0.7 * calm - (0.75 * calm - 10.72) * exp(-0.35 * calm) - 10.72
    warm = 2.0 * log(0.5 * (1.0 + math.sqrt(1.0 - 16.0 * min(e, 0.0))))
    return cold if stable else warm


@njit(forceinline=True)
def resistance(friction_velocity, obukhov_length, z0, z):
    """Aerodynamic resistance [ln(z/z0) - psi(z/L) + psi(z0/L)]/(k u*) [s/m] between z0 and z [m]."""
    return (log(z / z0) - psi_heat(z, obukhov_length) + psi_heat(z0, obukhov_length)) / (KARMAN * friction_velocity)


@njit(forceinline=True)
def boundary_resistance(friction_velocity, schmidt_power):
    """Rb = 2/(k u*) (Sc/0.72)^(2/3) [s/m]; ``schmidt_power`` is (Sc/0.72)^(2/3). Hicks et al. (1987)."""
    return 2.0 / (KARMAN * friction_velocity) * schmidt_power


@njit(forceinline=True)
def _profile(obukhov_length, z):
    """Psi of the wind profile without the term in z0."""
    stable = obukhov_length > 0.0
    y2 = math.sqrt(max(1.0 - 15.0 * z / obukhov_length, 1.0))
    y = math.sqrt(y2)
    warm = log((1.0 + y) * (1.0 + y) * (1.0 + y2) * 0.125) - 2.0 * arctan(y) + _HALF_PI
    cold = -17.0 * (1.0 - exp(-0.29 * z / (obukhov_length if stable else 1.0)))
    return cold if stable else warm


@njit
def transfer_roughness(w, n):
    """Carry friction velocity and Obukhov length from one roughness to another, same wind at 50 m.

    Rows: A0 friction velocity [m/s] and A1 Obukhov length [m] over roughness A2 [m], to roughness A3 [m]; A0 and
    A1 are replaced. Iterates u = k U/[ln(50/z2) - psi(50/L)], L = -u^3/B with the buoyancy flux B adjusted by
    (u/u_before)^e, e = 0.8 stable, 0.1 unstable; stops where u changes by 1.5 % or after 40 steps. Roughnesses
    that differ by less than a tenth leave both unchanged.

    ``w``: workspace; ``n``: lanes.
    """
    # B0 wind at 50 m times k, B1 buoyancy flux, B2 ln(50/z2), B3 last change, B4 1 while iterating,
    # B5 1 where the final limits apply, B6 change before
    active = 0.0
    for i in range(n):
        u = w[A0 + i]
        length = w[A1 + i]
        z1 = w[A2 + i]
        z2 = w[A3 + i]
        differs = abs(z1 - z2) >= 0.1 * z1
        w[B0 + i] = u * (log(_BLEND / z1) - _profile(length, _BLEND))
        w[B1 + i] = -u * u * u / length
        w[B2 + i] = log(_BLEND / z2)
        w[B3 + i] = 0.0
        w[B6 + i] = 0.0
        w[B4 + i] = 1.0 if differs else 0.0
        w[B5 + i] = 1.0 if differs else 0.0
        active += 1.0 if differs else 0.0
    step = 0
    while active > 0.0 and step < _STEPS:
        step += 1
        last = 1.0 if step == _STEPS else 0.0
        settled = 1.0 if step >= 3 else 0.0
        for i in range(n):
            u = w[A0 + i]
            length = w[A1 + i]
            going = w[B4 + i]
            flux = w[B1 + i]
            change = w[B3 + i]
            diverging = (length < 0.0) & (settled > 0.0) & (change > w[B6 + i])
            un = w[B0 + i] / (w[B2 + i] - _profile(length, _BLEND))
            ln = -un * un * un / flux
            ratio = un / u
            turned = ratio <= 0.0
            step_change = abs(un - u)
            done = (step_change <= 0.015 * un) | (last > 0.0)
            flux_new = flux * power(ratio, 0.8 if flux < 0.0 else 0.1)
            on = going > 0.0
            moved = on & (not diverging)
            w[A0 + i] = un if moved else u
            w[A1 + i] = ln if moved else length
            w[B1 + i] = flux_new if moved else flux
            w[B6 + i] = change if moved else w[B6 + i]
            w[B3 + i] = step_change if moved else change
            w[B5 + i] = 0.0 if (on & (diverging | turned)) else w[B5 + i]
            w[B4 + i] = 0.0 if (diverging | turned | done) else going
        active = 0.0
        for i in range(n):
            active += w[B4 + i]
    for i in range(n):
        u = w[A0 + i]
        length = w[A1 + i]
        limited = w[B5 + i] > 0.0
        bound = max(length, 5.0) if length > 0.0 else min(length, -5.0)
        w[A1 + i] = bound if limited else length
        w[A0 + i] = max(u, 0.06) if limited else u

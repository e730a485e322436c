"""Wind profile, aerodynamic resistances and the change of roughness, per lane.

Sources: Van Jaarsveld (2004), The Operational Priority Substances model, RIVM report 500045001, chapters 3-5;
Holtslag (1984) for the stable profile; Paulson (1970) for the unstable one.
"""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import arctan, exp, log, power
from kernels.nitrogen.exact.lanes import A0, A1, A2, A3, B0, B1, B2, B3, B4, B5, B6, B7

__all__ = [
    "KARMAN",
    "boundary_resistance",
    "log_wind",
    "power_wind",
    "psi_heat",
    "resistance",
    "stable_wind",
    "transfer_roughness",
    "unstable_wind",
]

KARMAN = 0.4  # von Karman constant
_HALF_PI = math.pi / 2.0
_LEAST_WIND = 0.75  # m/s
_BLEND = 50.0  # m, height where the wind does not know the roughness below
_STEPS = 40


@fused_njit(forceinline=True)
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


@fused_njit(forceinline=True)
def stable_wind(friction_velocity, obukhov_length, z0, z):
    """:func:`log_wind` for L > 0."""
    tail = 17.0 * (exp(-0.29 * z0 / obukhov_length) - exp(-0.29 * z / obukhov_length))
    return max(friction_velocity / KARMAN * (log(z / z0) + tail), _LEAST_WIND)


@fused_njit(forceinline=True)
def unstable_wind(friction_velocity, obukhov_length, z0, z):
    """:func:`log_wind` for L < 0."""
    y2 = math.sqrt(1.0 - 15.0 * z / obukhov_length)
    y = math.sqrt(y2)
    shape = 8.0 / ((1.0 + y) * (1.0 + y) * (1.0 + y2))
    return max(friction_velocity / KARMAN * (log(z / z0 * shape) + 2.0 * arctan(y) - _HALF_PI), _LEAST_WIND)


@fused_njit(forceinline=True)
def power_wind(wind_10m, exponent, z):
    """Wind speed at z [m] by the power law u10 (z/10)^p [m/s]."""
    return wind_10m * power(z / 10.0, exponent)


@fused_njit(forceinline=True)
def psi_heat(z, obukhov_length):
    """Stability correction of the resistance at z [m]; Beljaars and Holtslag (1991) stable, Paulson unstable."""
    e = z / obukhov_length
    stable = obukhov_length > 0.0
    calm = max(e, 0.0)
    cold = -0.7 * calm - (0.75 * calm - 10.72) * exp(-0.35 * calm) - 10.72
    warm = 2.0 * log(0.5 * (1.0 + math.sqrt(1.0 - 16.0 * min(e, 0.0))))
    return cold if stable else warm


@fused_njit(forceinline=True)
def resistance(friction_velocity, obukhov_length, z0, z):
    """Aerodynamic resistance [ln(z/z0) - psi(z/L) + psi(z0/L)]/(k u*) [s/m] between z0 and z [m]."""
    return (log(z / z0) - psi_heat(z, obukhov_length) + psi_heat(z0, obukhov_length)) / (KARMAN * friction_velocity)


@fused_njit(forceinline=True)
def boundary_resistance(friction_velocity, schmidt_power):
    """Rb = 2/(k u*) (Sc/0.72)^(2/3) [s/m]; ``schmidt_power`` is (Sc/0.72)^(2/3). Hicks et al. (1987)."""
    return 2.0 / (KARMAN * friction_velocity) * schmidt_power


@fused_njit(forceinline=True)
def _psi_unstable(obukhov_length, z):
    """Psi of the unstable wind profile, without a term in z0."""
    y2 = math.sqrt(1.0 - 15.0 * z / obukhov_length)
    y = math.sqrt(y2)
    return log((1.0 + y) * (1.0 + y) * (1.0 + y2) * 0.125) - 2.0 * arctan(y) + _HALF_PI


@fused_njit(forceinline=True)
def _psi_stable(obukhov_length, z):
    """Psi of the stable wind profile, without the term in z0."""
    return -17.0 * (1.0 - exp(-0.29 * z / obukhov_length))


@fused_njit(forceinline=True)
def _step(w, i, psi, exponent, settled, last):
    """One step of the iteration in lane i, see :func:`transfer_roughness`; B6 says how it ended."""
    u = w[B0 + i]
    length = w[B1 + i]
    flux = w[B3 + i]
    change = w[B5 + i]
    before = w[B7 + i]
    diverging = (settled > 0.0) & (change > before)
    un = w[B2 + i] / (w[B4 + i] - psi)
    ratio = un / u
    turned = ratio <= 0.0
    moved = abs(un - u)
    done = (moved <= 0.015 * un) | (last > 0.0)
    turn = -un * un * un / flux
    w[B0 + i] = u if diverging else un
    w[B1 + i] = length if diverging else turn
    w[B3 + i] = flux * power(ratio, exponent)
    w[B5 + i] = moved
    w[B7 + i] = change
    w[B6 + i] = 2.0 if (diverging | turned) else (1.0 if done else 0.0)


@fused_njit
def _sweep_unstable(w, n, settled, last):
    for i in range(n):
        _step(w, i, _psi_unstable(w[B1 + i], _BLEND), 0.1, settled, last)


@fused_njit
def _sweep_stable(w, n, last):
    for i in range(n):
        _step(w, i, _psi_stable(w[B1 + i], _BLEND), 0.8, 0.0, last)


@fused_njit
def _start(w, n, stable):
    """Rows B2 wind at 50 m times k, B3 buoyancy flux, B4 ln(50/z2) from B0 u*, B1 L, B2 z1, B4 z2."""
    for i in range(n):
        u = w[B0 + i]
        length = w[B1 + i]
        psi = _psi_stable(length, _BLEND) if stable else _psi_unstable(length, _BLEND)
        w[B2 + i] = u * (log(_BLEND / w[B2 + i]) - psi)
        w[B3 + i] = -u * u * u / length
        w[B4 + i] = log(_BLEND / w[B4 + i])
        w[B5 + i] = 0.0
        w[B7 + i] = 0.0


@fused_njit
def transfer_roughness(w, order, n):
    """Carry friction velocity and Obukhov length from one roughness to another, same wind at 50 m.

    Rows: A0 friction velocity [m/s] and A1 Obukhov length [m] over roughness A2 [m], to roughness A3 [m]; A0 and
    A1 are replaced. Iterates u = k U/[ln(50/z2) - psi(50/L)], L = -u^3/B with the buoyancy flux B adjusted by
    (u/u_before)^e, e = 0.8 stable, 0.1 unstable; stops where u changes by 1.5 % or after 40 steps, and unstable
    where changes grow. Roughnesses that differ by less than a tenth leave both unchanged.

    ``w``: workspace; ``order`` (STRIDE,): scratch of lane numbers; ``n``: lanes. Lanes that go on are packed
    together after every step.
    """
    for sign in range(2):
        stable = sign == 1
        m = 0
        for i in range(n):
            if (w[A1 + i] > 0.0) == stable and abs(w[A2 + i] - w[A3 + i]) >= 0.1 * w[A2 + i]:
                order[m] = i
                w[B0 + m] = w[A0 + i]
                w[B1 + m] = w[A1 + i]
                w[B2 + m] = w[A2 + i]
                w[B4 + m] = w[A3 + i]
                m += 1
        if m == 0:
            continue
        padded = (m + 7) & ~7
        for j in range(m, padded):
            w[B0 + j] = w[B0 + m - 1]
            w[B1 + j] = w[B1 + m - 1]
            w[B2 + j] = w[B2 + m - 1]
            w[B4 + j] = w[B4 + m - 1]
        if stable:
            _start(w, padded, True)
        else:
            _start(w, padded, False)
        step = 0
        while m > 0:
            step += 1
            last = 1.0 if step >= _STEPS else 0.0
            if stable:
                _sweep_stable(w, padded, last)
            else:
                _sweep_unstable(w, padded, 1.0 if step >= 3 else 0.0, last)
            going = 0
            for j in range(m):
                end = w[B6 + j]
                if end == 0.0:
                    if going < j:
                        order[going] = order[j]
                        w[B0 + going] = w[B0 + j]
                        w[B1 + going] = w[B1 + j]
                        w[B2 + going] = w[B2 + j]
                        w[B3 + going] = w[B3 + j]
                        w[B4 + going] = w[B4 + j]
                        w[B5 + going] = w[B5 + j]
                        w[B7 + going] = w[B7 + j]
                    going += 1
                else:
                    i = order[j]
                    u = w[B0 + j]
                    length = w[B1 + j]
                    if end == 1.0:
                        length = max(length, 5.0) if length > 0.0 else min(length, -5.0)
                        u = max(u, 0.06)
                    w[A0 + i] = u
                    w[A1 + i] = length
            m = going
            padded = (m + 7) & ~7

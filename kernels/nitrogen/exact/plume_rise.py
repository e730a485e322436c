"""Plume rise and the part of the plume below the mixing height.

Sources: Briggs (1971, 1975) for buoyancy; Hanna, Briggs and Hosker (1982) for momentum; Van Jaarsveld (2004),
RIVM report 500045001, chapter 3, for the reflection at the mixing height.
"""

import math

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import power
from kernels.nitrogen.exact.lanes import B0, B1, B2, B3, B4, B5, D0, HS, OLS, TC, USS, Z0S
from kernels.nitrogen.exact.surface_layer import log_wind, power_wind

__all__ = ["below_mixing_height", "buoyant_rise", "plume_rise", "preliminary_rise"]

_FLUX = 9.80665 * 1.0e6 / (math.pi * 1.293 * 1005.0 * 273.16)  # m4/s3 per MW
_HEAT = 1.293 * 1005.0 * 273.16 * 1.0e-6  # MW per (m3/s), air at 0 degC
_ZERO = 273.16  # K, 0 degC as the model has it in plume rise
_LAPSE = 0.006  # K/m, potential temperature gradient of a stable layer
_DRY = 0.0098  # K/m, dry adiabatic lapse rate
_MISSING = -999.0


@fused_njit
def _heat_and_momentum(heat, diameter, velocity, temperature, ambient):
    """Heat content [MW] and gas temperature [K] from whichever of the two is given; missing = NaN."""
    ts = temperature + _ZERO
    stack = not math.isnan(diameter) and not math.isnan(velocity)
    if stack and not math.isnan(ts) and math.isnan(heat):
        volume = math.pi * diameter * diameter / 4.0 * abs(velocity)
        heat = _HEAT * volume / ts * (ts - ambient)
    elif stack and math.isnan(ts):
        if not math.isnan(heat) and heat != 0.0 and velocity > 0.0:
            full = math.pi * diameter * diameter / 4.0 * velocity * _HEAT
            ts = ambient / (1.0 - heat / full)
        else:
            ts = ambient
    return heat, ts


@fused_njit
def _momentum(diameter, velocity, ts, ambient, wind, stable):
    rise = 3.0 * diameter * velocity / wind
    if stable:
        cube = velocity * velocity * diameter * diameter / (ts * wind)
        root = math.copysign(abs(cube) ** (1.0 / 3.0), cube)
        rise = min(rise, 0.646 * root * math.sqrt(ambient) * _LAPSE ** (-1.0 / 6.0))
    return rise


@fused_njit
def plume_rise(heat, height, diameter, velocity, temperature, air, friction_velocity, obukhov_length, z0):
    """Rise [m] of a plume over its stack.

    Buoyancy flux F = 8.8 Qh; not stable (L < 0 or abs L > 50): 21.3 F^0.75/u (F < 55) or 38.8 F^0.6/u; stable:
    2.6 (F/(s u))^0.333, s = 9.81/Ta 0.006; u at half the rise, iterated. Momentum 3 D V/u, stable at most
    0.646 (V^2 D^2/(Ts u))^(1/3) Ta^(1/2) 0.006^(-1/6); the larger counts.

    ``heat`` [MW], ``height`` [m], ``diameter`` [m], ``velocity`` [m/s], ``temperature`` of the gas [degC] (NaN
    where not given), ``air`` temperature [degC], ``friction_velocity`` [m/s], ``obukhov_length`` [m], ``z0`` [m].
    """
    stable = not (obukhov_length < 0.0 or abs(obukhov_length) > 50.0)
    ambient = air + _ZERO + (_LAPSE - _DRY) * (height - 1.5)
    heat, ts = _heat_and_momentum(heat, diameter, velocity, temperature, ambient)
    rise = 0.0
    if heat > 0.0:
        flux = _FLUX * heat
        before = _MISSING
        for n in range(10):
            z = height if n == 0 else height + 0.5 * before
            u = log_wind(friction_velocity, obukhov_length, z0, z)
            rise = _buoyancy(flux, u, stable, ambient)
            if abs(rise - before) < 0.1 + 0.05 * rise:
                break
            before = rise
    if not math.isnan(diameter) and velocity > 0.0:
        u = log_wind(friction_velocity, obukhov_length, z0, max(height, 10.0))
        rise = max(rise, _momentum(diameter, velocity, ts, ambient, u, stable))
    return rise


@fused_njit
def buoyant_rise(w, n):
    """:func:`plume_rise` of lanes with heat alone: row D0 [m] from the heat content [MW] in row D0; 0 without heat.

    Scratch: B0 rise times u where not stable, B1 cube of the stable one over 2.6, times u, B2 rise before, B3 its
    evaluation, B4 1 when settled, B5 1 where stable.
    """
    going = False
    for i in range(n):
        going |= w[D0 + i] > 0.0
    if not going:
        return
    for i in range(n):
        heat = w[D0 + i]
        length = w[OLS + i]
        flux = _FLUX * max(heat, 1.0e-30)
        ambient = w[TC + i] + _ZERO + (_LAPSE - _DRY) * (w[HS + i] - 1.5)
        weak = 21.3 * power(flux, 0.75)
        strong = 38.8 * power(flux, 0.6)
        w[B0 + i] = weak if flux < 55.0 else strong
        w[B1 + i] = flux / (9.81 / ambient * _LAPSE)
        w[B2 + i] = _MISSING
        w[B3 + i] = 0.0
        w[B4 + i] = 0.0 if heat > 0.0 else 1.0
        w[B5 + i] = 1.0 if ((length > 0.0) & (length <= 50.0)) else 0.0
    evaluations = 0
    while going and evaluations < 10:
        for i in range(n):
            before = w[B2 + i]
            settled = w[B4 + i] > 0.0
            z = w[HS + i] + (0.5 * before if before > 0.0 else 0.0)
            u = log_wind(w[USS + i], w[OLS + i], w[Z0S + i], z)
            calm = 2.6 * power(w[B1 + i] / u, 0.333)
            rise = calm if w[B5 + i] > 0.0 else w[B0 + i] / u
            near = abs(rise - before) < 0.1 + 0.05 * rise
            w[B3 + i] = w[B3 + i] if settled else rise
            w[B2 + i] = before if settled else rise
            w[B4 + i] = 1.0 if (settled | near) else 0.0
        evaluations += 1
        going = False
        for i in range(n):
            going |= w[B4 + i] == 0.0
    for i in range(n):
        w[D0 + i] = w[B3 + i]


@fused_njit
def _buoyancy(flux, wind, stable, ambient):
    if stable:
        return 2.6 * (flux / (9.81 / ambient * _LAPSE * wind)) ** 0.333
    if flux < 55.0:
        return 21.3 * flux**0.75 / wind
    return 38.8 * flux**0.6 / wind


@fused_njit
def _statistical_wind(wind_10m, exponent, z):
    return power_wind(wind_10m, exponent, z) if z > 10.0 else wind_10m


@fused_njit
def preliminary_rise(heat, height, diameter, velocity, temperature, stable, wind_10m, exponent):
    """Rise [m] from the class alone: 12 degC, power-law wind; arguments as in :func:`plume_rise`."""
    ambient = 12.0 + _ZERO + (_LAPSE - _DRY) * (height - 1.5)
    heat, ts = _heat_and_momentum(heat, diameter, velocity, temperature, ambient)
    rise = 0.0
    if heat > 0.0:
        flux = _FLUX * heat
        before = _MISSING
        for n in range(10):
            z = height if n == 0 else height + 0.5 * before
            rise = _buoyancy(flux, _statistical_wind(wind_10m, exponent, z), stable, ambient)
            if abs(rise - before) < 0.1 + 0.05 * rise:
                break
            before = rise
    if not math.isnan(diameter) and velocity > 0.0:
        u = _statistical_wind(wind_10m, exponent, max(height, 10.0))
        rise = max(rise, _momentum(diameter, velocity, ts, ambient, u, stable))
    return rise


@fused_njit(forceinline=True)
def below_mixing_height(height, rise, mixing_height, mixing_local, obukhov_length):
    """Fraction of the plume below the mixing height, and the plume height limited to it [m].

    r = (zi - h)/rise + 0.5, without rise or from a stack above zi (zi - h)/zi + 0.5; +0.35 for a stack below the
    local mixing height when abs L < 100; clipped to 0..1.
    """
    h = height + rise
    none = (height > mixing_height) | (rise <= 0.0)
    r = (mixing_height - h) / (mixing_height if none else rise) + 0.5
    r = r + (0.35 if ((height < mixing_local) & (abs(obukhov_length) < 100.0)) else 0.0)
    r = min(max(r, 0.0), 1.0)
    limited = mixing_height if ((h > mixing_height) & (r > 0.0)) else h
    return r, limited

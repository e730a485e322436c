"""Vertical spread and rise of a plume in the atmospheric boundary layer (scalar kernels, OPS-LT 5.3)."""

import math

from kernels.jit import njit
from kernels.nitrogen.surface_layer import CP_AIR, GRAVITY, KARMAN, wind_speed

__all__ = ["fraction_below_mixing_height", "plume_rise", "vertical_spread"]

MEDIAN_HEIGHT = 0.69  # of a Gaussian plume from the ground, in units of its spread
LOWEST_WIND = 0.75  # m s-1, of the profile in OPS
OVER_STABLE_LENGTH = 50.0  # m: |L| above it counts as not stable in the plume rise


@njit
def _wind(z: float, z0: float, friction_velocity: float, obukhov_length: float) -> float:
    return max(wind_speed(z, z0, friction_velocity, obukhov_length), LOWEST_WIND)


@njit
def _convective(x: float, u: float, mixing_height: float, friction_velocity: float, length: float) -> float:
    w = (mixing_height * friction_velocity**3 / (-KARMAN * length)) ** 0.333
    return 0.7 * w * x / u * math.sqrt(0.314 + (1.26 * friction_velocity / w) ** 2)


@njit
def _neutral(
    x: float, h: float, z: float, u: float, mixing_height: float, friction_velocity: float, length: float
) -> float:
    time_scale = min(max(150.0 - 2000.0 / length, 10.0), 400.0)
    zi = mixing_height
    if length < 0.0:
        w2 = 1.5 * (z / (-KARMAN * length)) ** 0.667 * math.exp(-2.0 * z / zi) + 1.7 - z / zi
    else:
        w2 = 1.7 * (1.0 - h / zi) ** 1.5
    return friction_velocity * math.sqrt(w2) * x / u / (1.0 + math.sqrt(x / (2.0 * u * time_scale)))


@njit
def _upper(x: float, h: float, z0: float, zi: float, length: float, friction_velocity: float) -> float:
    share = min(max(-zi / (20.0 * length), 0.0), 1.0) if length < 0.0 else 0.0
    u = _wind(h, z0, friction_velocity, length)
    convective = 0.0
    if share > 0.0:
        convective = _convective(x, u, zi, friction_velocity, length)
        s = MEDIAN_HEIGHT * convective
        if h < 0.5 * zi and s > h:
            u2 = _wind(min(s, 0.5 * zi), z0, friction_velocity, length)
            convective = _convective(x, u2, zi, friction_velocity, length)
    neutral = 0.0
    if share < 1.0:
        neutral = _neutral(x, h, h, u, zi, friction_velocity, length)
        s = MEDIAN_HEIGHT * neutral
        z = -1.0
        if h < 0.5 * zi and s > h:
            z = min(s, 0.5 * zi)
        elif h > 0.5 * zi and s > zi - h:
            z = max(zi - s, 0.5 * zi)
        if z > 0.0:
            neutral = _neutral(x, h, z, _wind(z, z0, friction_velocity, length), zi, friction_velocity, length)
    return share * convective + (1.0 - share) * neutral


@njit
def _surface_once(x: float, zu: float, zk: float, z0: float, zi: float, length: float, ustar: float) -> float:
    if length < 0.0:
        phi = 0.74 / math.sqrt(1.0 - 9.0 * zk / length)
        factor = (1.0 - zk / zi) ** 1.5
    else:
        phi = 0.74 + 4.7 * zk / length
        factor = 1.2 if length >= 30.0 else 2.4
    diffusivity = 0.35 * ustar * zk / phi * factor
    return math.sqrt(2.0 * diffusivity * x / _wind(zu, z0, ustar, length))


@njit
def _surface(x: float, h: float, z0: float, zi: float, length: float, ustar: float) -> float:
    half = 0.5 * zi
    unstable = length < 0.0
    z = 0.07 * x**0.8 if unstable else 0.04 * x**0.7
    zu = min(max(z, h), half)
    zk = zu
    memory = zu
    last = False
    n = 0
    while True:
        sz = _surface_once(x, zu, zk, z0, zi, length, ustar)
        if last or n > 12:
            return sz
        n += 1
        s = MEDIAN_HEIGHT * sz
        if s >= half:
            zu = half
            zk = 0.75 * zu if unstable else zu
            last = True
        elif s <= h:
            zn = h - sz
            zu = h
            if zn < 0.5 * h:
                zk = 0.5 * h
                last = True
            elif abs(zn - memory) > 0.1 * zn:
                zk = 0.4 * zn + 0.6 * memory
                memory = zk
                last = zk > half or zk > h + s
            else:
                zk = zn
                last = True
        elif abs(zu - s) > 0.1 * zu:
            zu = max(zu + 0.6 * (s - zu), h)
            if zu > half:
                zu = half
                last = True
            zk = 0.75 * zu if unstable else zu
        else:
            return sz


@njit
def vertical_spread(
    x: float, height: float, z0: float, mixing_height: float, obukhov_length: float, friction_velocity: float
) -> float:
    """Vertical dispersion length sigma_z [m] of a plume at a distance.

    Surface layer: K theory with sigma_z = sqrt(2 K x / u) at the height of the plume; above a tenth of the
    mixing height: convective and neutral formulas of the OPS model, blended by stability and height (van Jaarsveld
    2004, chapter 3; nitrogen.md 3.4).

    Args:
        x: distance from the source [m], positive.
        height: plume height [m].
        z0: roughness length [m].
        mixing_height: [m].
        obukhov_length: [m].
        friction_velocity: [m s-1].
    """
    zi = mixing_height
    h = min(height, 0.9 * zi)
    m = min(max(h / (0.1 * zi) - 0.5, 0.0), 1.0)
    spread = 0.0
    if m > 0.0:
        spread = m * _upper(x, h, z0, zi, obukhov_length, friction_velocity)
    if m < 1.0:
        spread += (1.0 - m) * _surface(x, h, z0, zi, obukhov_length, friction_velocity)
    return spread


@njit
def plume_rise(
    stack_height: float,
    heat: float,
    temperature: float,
    z0: float,
    friction_velocity: float,
    obukhov_length: float,
) -> float:
    """Rise [m] of a hot plume above its stack: Briggs (1969, 1971) as applied in OPS (nitrogen.md 3.3).

    Args:
        stack_height: [m].
        heat: heat content of the flue gas [MW]; no rise where not positive.
        temperature: air temperature [degC].
        z0: roughness length [m].
        friction_velocity: [m s-1].
        obukhov_length: [m].
    """
    if heat <= 0.0:
        return 0.0
    flux = 9.80665e6 * heat / (math.pi * 1.293 * CP_AIR * 273.16)
    stable = obukhov_length > 0.0 and obukhov_length <= OVER_STABLE_LENGTH
    air = temperature + 273.16 + (0.006 - 0.0098) * (stack_height - 1.5)
    rise = -999.0
    for n in range(10):
        z = stack_height if n == 0 else stack_height + 0.5 * rise
        u = _wind(max(z, 1.5 * z0), z0, friction_velocity, obukhov_length)
        if stable:
            new = 2.6 * (flux / (GRAVITY / air * 0.006 * u)) ** 0.333
        elif flux < 55.0:
            new = 21.3 * flux**0.75 / u
        else:
            new = 38.8 * flux**0.6 / u
        done = abs(new - rise) < 0.1 + 0.05 * new
        rise = new
        if done:
            break
    return rise


@njit
def fraction_below_mixing_height(
    height: float, stack_height: float, mixing_height: float, obukhov_length: float
) -> float:
    """Share [1] of a plume that stays below the mixing height (nitrogen.md 3.3).

    Args:
        height: plume height, rise included [m].
        stack_height: [m].
        mixing_height: [m].
        obukhov_length: [m].
    """
    rise = height - stack_height
    zi = mixing_height
    r = (zi - height) / zi + 0.5 if stack_height > zi or rise <= 0.0 else (zi - height) / rise + 0.5
    if stack_height < zi and abs(obukhov_length) < 100.0:
        r += 0.35
    return min(max(r, 0.0), 1.0)

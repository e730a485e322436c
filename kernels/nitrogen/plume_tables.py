"""What a plume leaves behind along its axis: cumulative exposure and removal per unit of emission."""

import math

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.removal import rain_rate
from kernels.nitrogen.surface_layer import wind_speed
from kernels.nitrogen.vertical_dispersion import vertical_spread

__all__ = [
    "axis_state",
    "crosswind_coefficient",
    "exposure_table",
    "meander_coefficient",
    "nodes",
    "removal_tables",
    "transport_wind",
    "vertical_density",
]

NODES = 256  # per table, from FIRST_NODE on, with equal ratios
FIRST_NODE = 0.5  # m
LOWEST_TRANSPORT_WIND = 0.5  # m s-1: below it a plume has no direction
PROFILE_TOP = 200.0  # m, above it the wind is taken as constant
MEANDER_SPEED = 0.5  # m s-1
LARGEST_MEANDER = 0.5  # rad, reached at 1 m/s; below it a plume has no sides
STABLE_LENGTH = 100.0  # m, of L: below it air is fully stable
WELL_MIXED = 1.6  # sigma_z over mixing height, above which the plume is uniform in height

# Crosswind spread in open country, classes A..F: Briggs (1973), ATDL contribution 79; sigma_y = c x / sqrt(1 + 1e-4 x).
_BRIGGS = np.array([0.22, 0.16, 0.11, 0.08, 0.06, 0.04])
# Golder (1972) as fitted by Myrup and Ranzieri (1976): 1/L = a + b log10(z0) in the middle of classes A..F, in m-1.
_GOLDER_A = np.array([-0.096, -0.037, -0.002, 0.0, 0.004, 0.035])
_GOLDER_B = np.array([0.029, 0.029, 0.018, 0.0, -0.018, -0.036])


@njit
def crosswind_coefficient(obukhov_length: float, roughness_length: float) -> float:
    """Coefficient c [1] of sigma_y = c x / sqrt(1 + 1e-4 x/m) (Briggs 1973, open country).

    Linear in 1/L between the middles of the Pasquill classes (Golder 1972), so that it has no steps.

    Args:
        obukhov_length: [m].
        roughness_length: [m].
    """
    inverse = 1.0 / obukhov_length
    lg = min(max(math.log10(roughness_length), -3.0), 0.0)
    below = _GOLDER_A[0] + _GOLDER_B[0] * lg
    if inverse <= below:
        return _BRIGGS[0]
    for c in range(1, 6):
        above = _GOLDER_A[c] + _GOLDER_B[c] * lg
        if inverse <= above:
            return _BRIGGS[c - 1] + (_BRIGGS[c] - _BRIGGS[c - 1]) * (inverse - below) / (above - below)
        below = above
    return _BRIGGS[5]


@njit
def meander_coefficient(obukhov_length: float, wind: float) -> float:
    """Least sigma_y/x [1] of an hour's plume in stable air: slow sideways motions of 0.5 m/s (Hanna 1983).

    J. Climate Appl. Meteor. 22, 1424-1430: the lateral velocity of an hour stays near 0.5 m/s however weak the wind.
    It fades as 100 m / L towards neutral air, where the spread of :func:`crosswind_coefficient` holds it.

    Args:
        obukhov_length: [m]; no meander where negative.
        wind: wind speed at 10 m [m s-1].
    """
    if obukhov_length < 0.0:
        return 0.0
    return min(MEANDER_SPEED / wind, LARGEST_MEANDER) * min(1.0, STABLE_LENGTH / obukhov_length)


def nodes(reach: float) -> np.ndarray:
    """Distances [m] at which tables are integrated, from half a metre to ``reach`` [m]."""
    return np.geomspace(FIRST_NODE, reach, NODES)


@njit
def vertical_density(z: float, height: float, spread: float, mixing_height: float) -> float:
    """Share of a plume per metre of height [m-1] at height ``z``: Gaussian, reflected at ground and mixing height.

    Args:
        z: receptor height [m].
        height: plume height [m], at most the mixing height.
        spread: sigma_z [m].
        mixing_height: [m].
    """
    if spread > WELL_MIXED * mixing_height:
        return 1.0 / mixing_height
    total = 0.0
    for j in range(-3, 4):
        shift = 2.0 * j * mixing_height
        total += math.exp(-0.5 * ((z - height + shift) / spread) ** 2)
        total += math.exp(-0.5 * ((z + height + shift) / spread) ** 2)
    return total / (math.sqrt(2.0 * math.pi) * spread)


@njit
def transport_wind(
    height: float, spread: float, mixing_height: float, z0: float, friction_velocity: float, obukhov_length: float
) -> float:
    """Wind speed [m s-1] that carries a plume: at its height, rising to the middle of the mixing layer as it fills.

    Height (1 - q/1.6) h + (q/1.6) zi/2 with q = sigma_z/zi (OPS, nitrogen.md 3.5); logarithmic profile.
    """
    q = min(spread / (WELL_MIXED * mixing_height), 1.0)
    z = min((1.0 - q) * height + q * 0.5 * mixing_height, PROFILE_TOP)
    u = wind_speed(max(z, 2.0 * z0, 0.5), z0, friction_velocity, obukhov_length)
    return max(u, LOWEST_TRANSPORT_WIND)


@njit
def _distance_of_spread(
    spread: float, height: float, z0: float, mixing_height: float, obukhov_length: float, friction_velocity: float
) -> float:
    """Distance [m] at which a plume from ``height`` has a vertical spread, by bisection of its logarithm."""
    low, high = 0.1, 1.0e6
    for _ in range(24):
        middle = math.sqrt(low * high)
        if vertical_spread(middle, height, z0, mixing_height, obukhov_length, friction_velocity) < spread:
            low = middle
        else:
            high = middle
    return low


@njit
def axis_state(
    x: np.ndarray, height: float, z0: float, hours: np.ndarray, spread: np.ndarray, wind: np.ndarray, depth: np.ndarray
) -> None:
    """Vertical spread, wind and mixing depth along the axis of a plume that ages through the hours to come.

    A parcel of k hours' age is spread by the turbulence of hour k: at each change of hour its spread goes on from what
    it was (virtual distance). Mass that was once mixed up to a height stays so: the depth is the greatest so far.

    Args:
        x: (n) distances [m], ascending.
        height: plume height [m].
        z0: roughness length [m].
        hours: (k, 3) mixing height [m], friction velocity [m s-1], Obukhov length [m] by hour of age; the last one
            holds for all that is older.
        spread, wind, depth: (n) results [m, m s-1, m]; ``wind`` carries the plume to x from the distance before.
    """
    h = min(height, hours[0, 0])
    k = 0
    shift = 0.0
    time = 0.0
    position = 0.0
    deep = hours[0, 0]
    sz = 0.0
    for i in range(x.size):
        now = min(int(time / 3600.0), hours.shape[0] - 1)
        if now > k:
            k = now
            deep = max(deep, hours[k, 0])
            shift = position - _distance_of_spread(sz, h, z0, hours[k, 0], hours[k, 2], hours[k, 1])
        sz = max(sz, vertical_spread(x[i] - shift, h, z0, hours[k, 0], hours[k, 2], hours[k, 1]))
        u = transport_wind(h, sz, deep, z0, hours[k, 1], hours[k, 2])
        time += (x[i] - position) / u
        position = x[i]
        spread[i] = sz
        wind[i] = u
        depth[i] = deep


@njit
def exposure_table(
    x: np.ndarray,
    height: float,
    initial_spread: float,
    fraction: float,
    receptor_height: float,
    z0: float,
    hours: np.ndarray,
    out: np.ndarray,
) -> None:
    """Cumulative exposure [s m-1] along the axis of a plume without losses: integral of P/u dx.

    P is the vertical density at receptor height and u the wind at the plume; the crosswind-integrated
    concentration of a source of Q [g s-1] is Q P/u.

    Args:
        x: (n) distances [m], see :func:`nodes`.
        height: plume height [m].
        initial_spread: vertical spread of the source itself [m].
        fraction: share of the plume below the mixing height [1].
        receptor_height: [m].
        z0: roughness length [m].
        hours: (k, 3) boundary layer by hour of age, see :func:`axis_state`.
        out: (n) cumulative exposure [s m-1].
    """
    h = min(height, hours[0, 0])
    spread, wind, depth = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    axis_state(x, height, z0, hours, spread, wind, depth)
    total = 0.0
    before = 0.0
    k = 0
    time = 0.0
    for i in range(x.size):
        sz = math.sqrt(spread[i] ** 2 + initial_spread * initial_spread)
        time += (x[i] - (x[i - 1] if i > 0 else 0.0)) / wind[i]
        u = transport_wind(h, sz, depth[i], z0, hours[k, 1], hours[k, 2])
        k = min(int(time / 3600.0), hours.shape[0] - 1)
        # by logarithmic steps: dx = x dln(x)
        now = fraction * vertical_density(receptor_height, h, sz, depth[i]) / u * x[i]
        total += now if i == 0 else 0.5 * (now + before) * math.log(x[i] / x[i - 1])
        out[i] = total
        before = now


@njit
def removal_tables(
    x: np.ndarray,
    conversion: float,
    rain: np.ndarray,
    secondary_velocity: float,
    deposited: np.ndarray,
    z0: float,
    hours: np.ndarray,
    primary: np.ndarray,
    secondary: np.ndarray,
    wet: np.ndarray,
    dry: np.ndarray,
    residence: np.ndarray,
    later: np.ndarray,
    by_hour: np.ndarray,
) -> None:
    """Column losses along the axis of a plume that starts at the ground, per unit of emission.

    dM/dt = -(c + w) M and dS/dt = c M - (w2 + v2/zi) S with dt = dx/u: conversion c, scavenging w (below cloud,
    and in cloud by the share pr of the plume that reaches the cloud base; nitrogen.md 3.8), and the same for the
    secondary species. primary + secondary + wet + later + dry = 1 at every distance.

    Args:
        x: (n) distances [m].
        conversion: rate of conversion to the secondary species [s-1].
        rain: (k, 5) by hour of age: scavenging rates while it rains [s-1] of the primary species below and in cloud,
            of the secondary species below and in cloud, and rain in the hour [h]; older plumes meet no rain.
        secondary_velocity: dry deposition velocity of the secondary species [m s-1].
        deposited: (n) cumulative dry deposition of the primary species [1].
        z0: roughness length [m].
        hours: (k, 3) boundary layer by hour of age, see :func:`axis_state`.
        primary, secondary: (n) airborne shares at each distance [1].
        wet: (n) cumulative wet deposition in the first hour of age, both species [1].
        dry: (n) cumulative dry deposition of the secondary species [1].
        residence: (n) cumulative time in the air, both species [s]: a steady source of 1 g/s keeps as many grams
            in the air up to each distance.
        later: (n) cumulative wet deposition in later hours [1].
        by_hour: (k) wet deposition in each hour of age, up to the last distance [1].
    """
    by_hour[:] = 0.0
    after = 0.0
    held = 0.0
    m = 1.0
    s = 0.0
    w = 0.0
    d = 0.0
    position = 0.0
    time = 0.0
    middle = np.empty(x.size)
    for i in range(x.size):
        middle[i] = 0.5 * (x[i] + (x[i - 1] if i > 0 else 0.0))
    spread, wind, depth = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    axis_state(middle, 0.0, z0, hours, spread, wind, depth)
    for i in range(x.size):
        dt = (x[i] - position) / wind[i]
        dry_rate = secondary_velocity / depth[i]
        reach = (depth[i] + 5.0) / spread[i]
        top = math.exp(-0.5 * reach * reach)
        age = time + 0.5 * dt
        share = top * min(1.0, age / 3600.0)
        k = int(age / 3600.0)
        rate1 = 0.0
        secondary_wet = 0.0
        if k < rain.shape[0]:
            # each part by itself: what is in the cloud can be emptied while the rest is hardly touched
            duration = rain[k, 4]
            rate1 = rain_rate(rain[k, 0], duration, age) * (1.0 - share)
            rate1 += rain_rate(rain[k, 1], duration, age) * share
            secondary_wet = rain_rate(rain[k, 2], duration, age) * (1.0 - top)
            secondary_wet += rain_rate(rain[k, 3], duration, age) * top
        rate2 = secondary_wet + dry_rate
        rate = conversion + rate1
        taken = deposited[i] - (deposited[i - 1] if i > 0 else 0.0)
        lost = (m - 0.5 * taken) * -math.expm1(-rate * dt)
        made = lost * conversion / rate if rate1 > 0.0 else lost
        washed = lost - made if rate1 > 0.0 else 0.0
        gone = (s + 0.5 * made) * -math.expm1(-rate2 * dt)
        washed2 = gone * secondary_wet / rate2 if rate2 > 0.0 else 0.0
        held += (m + s - 0.5 * (washed + gone + taken)) * dt
        m -= lost + taken
        s += made - gone
        if k == 0:
            w += washed + washed2
        else:
            after += washed + washed2
        if k < rain.shape[0]:
            by_hour[k] += washed + washed2
        d += gone - washed2
        position = x[i]
        time += dt
        primary[i] = m
        secondary[i] = s
        wet[i] = w
        later[i] = after
        dry[i] = d
        residence[i] = held

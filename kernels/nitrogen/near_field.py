"""Concentration at points close to roads and stables: each source's plume by itself, finer than the lattice."""

import math

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.nitrogen.plume_tables import transport_wind, vertical_density
from kernels.nitrogen.vertical_dispersion import vertical_spread

__all__ = ["axis_profile", "direct_plumes"]


@njit
def axis_profile(
    x: np.ndarray,
    height: float,
    initial_spread: float,
    fraction: float,
    receptor_height: float,
    z0: float,
    mixing_height: float,
    friction_velocity: float,
    obukhov_length: float,
    out: np.ndarray,
) -> None:
    """Crosswind-integrated concentration per unit emission [s m-2] along the axis: P(z; sigma_z)/u.

    Args:
        x: (n) distances [m], see :func:`kernels.nitrogen.plume_tables.nodes`.
        height: plume height [m].
        initial_spread: vertical spread of the source itself [m].
        fraction: share of the plume below the mixing height [1].
        receptor_height: [m].
        z0, mixing_height, friction_velocity, obukhov_length: [m], [m], [m s-1], [m].
        out: (n) result.
    """
    h = min(height, mixing_height)
    for i in range(x.size):
        sz = vertical_spread(x[i], h, z0, mixing_height, obukhov_length, friction_velocity)
        sz = math.sqrt(sz * sz + initial_spread * initial_spread)
        u = transport_wind(h, sz, mixing_height, z0, friction_velocity, obukhov_length)
        out[i] = fraction * vertical_density(receptor_height, h, sz, mixing_height) / u


@pnjit
def direct_plumes(
    receptor_x: np.ndarray,
    receptor_y: np.ndarray,
    source_x: np.ndarray,
    source_y: np.ndarray,
    rate: np.ndarray,
    towards_x: float,
    towards_y: float,
    coefficient: float,
    rounding: float,
    reach: float,
    x: np.ndarray,
    profile: np.ndarray,
    out: np.ndarray,
) -> None:
    """Concentration [g m-3] at points: sum over sources upwind within reach of q P/u times a Gaussian crosswind.

    Depletion is that of the profile: see :meth:`kernels.nitrogen.hourly.HourlyPlumes.depletion`. Roads are rows of
    points, a few metres apart next to a receptor.

    Args:
        receptor_x, receptor_y: (r) [m].
        source_x, source_y: (s) [m].
        rate: (s) emission [g s-1].
        towards_x, towards_y: unit vector of where the wind blows to [1].
        coefficient: of sigma_y = c x / sqrt(1 + 1e-4 x) [1].
        rounding: standard deviation of the wind direction from its rounding [rad].
        reach: distance along the wind [m] beyond which a source is left out.
        x, profile: (n) nodes of equal ratio [m] and :func:`axis_profile` [s m-2].
        out: (r) result; each receptor sums its sources in their order.
    """
    n = x.size
    ratio = math.log(x[n - 1] / x[0]) / (n - 1)
    for r in prange(receptor_x.size):
        total = 0.0
        for s in range(source_x.size):
            dx = receptor_x[r] - source_x[s]
            dy = receptor_y[r] - source_y[s]
            along = dx * towards_x + dy * towards_y
            if along < x[0] or along > reach:
                continue
            turn = rounding * along
            spread = math.sqrt((coefficient * along) ** 2 / (1.0 + 1.0e-4 * along) + turn * turn)
            z = (dy * towards_x - dx * towards_y) / spread
            if abs(z) > 6.0:
                continue
            i = min(int(math.log(along / x[0]) / ratio), n - 2)
            w = min(max((along - x[i]) / (x[i + 1] - x[i]), 0.0), 1.0)
            value = profile[i] + w * (profile[i + 1] - profile[i])
            total += rate[s] * value * math.exp(-0.5 * z * z) / (math.sqrt(2.0 * math.pi) * spread)
        out[r] = total

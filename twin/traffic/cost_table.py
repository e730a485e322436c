"""Any cost function that does not fall with flow, as a table for the kernels."""

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from twin.errors import ConfigError
from twin.traffic.network import RoadNetwork

__all__ = ["cost_table", "tabulate"]

KNOTS, FARTHEST_KNOT = 257, 4.0  # flows at which the function is asked, up to this many capacities


def tabulate(time: np.ndarray) -> np.ndarray:
    """Table (row, 3, knot) of the functions ``time`` (knot, row): at each knot value, slope per step, and integral.

    ``time`` [time] at 0, 1, 2, ... steps of flow, finite and not falling; at least three knots. Slopes are such that
    the cubics rise where the values do (Fritsch and Carlson 1980, SIAM J. Numer. Anal. 17(2)).
    """
    knots = np.arange(len(time), dtype=np.float64)
    slope = PchipInterpolator(knots, time, axis=0).derivative()(knots)
    piece = 0.5 * (time[1:] + time[:-1]) + (slope[:-1] - slope[1:]) / 12.0
    area = np.concatenate([np.zeros((1, time.shape[1])), np.cumsum(piece, axis=0)])
    return np.ascontiguousarray(np.stack([time, slope, area]).transpose(2, 0, 1))


def cost_table(
    net: RoadNetwork, function: Callable[[np.ndarray], np.ndarray], fixed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Constant [time], coefficient, row, scale [1 / flow] (link) and table of the cost function of the caller.

    ``function`` gets flows (knot, link) [pcu] from zero to four capacities (or to ``fixed``, the flow on fixed routes,
    where that is more) and returns travel times. Raises :class:`ConfigError` where they are negative or fall.
    """
    most = np.maximum(FARTHEST_KNOT * np.where(net.capacity > 0, net.capacity, 1.0), fixed)
    flow = np.linspace(0.0, most, KNOTS)
    time = np.asarray(function(flow), np.float64)
    if time.shape != flow.shape:
        raise ConfigError(f"the cost function gives shape {time.shape} for flows of {flow.shape} (knot, link)")
    bad = ~np.all(np.isfinite(time) & (time >= 0), axis=0) | np.any(np.diff(time, axis=0) < 0, axis=0)
    if bad.any():
        raise ConfigError(
            f"the cost function of link {net.link_id[int(np.argmax(bad))]} ({int(bad.sum())} in all) is negative, not "
            f"finite, or falls with flow between 0 and {FARTHEST_KNOT:g} capacities; travel times must rise"
        )
    rising = time[-1] > time[0]
    table = tabulate(time[:, rising] - time[0, rising])
    row = np.where(rising, np.cumsum(rising) - 1, 0).astype(np.float64)
    return time[0], rising.astype(np.float64), row, (KNOTS - 1) / most, table

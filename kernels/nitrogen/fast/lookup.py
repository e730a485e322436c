"""Look-up of tabulated plumes: where a pair lies in a table, and what the table holds there.

The exact chain depends on direction only through whole degrees, so that a table over 360 directions is exact in
direction; over distance it is interpolated linearly in ln x, on values times x^2, which vary slowly.
"""

import math
from typing import NamedTuple

import numpy as np

from kernels.jit import fused_njit
from kernels.nitrogen.exact.elementary import arctan, log
from kernels.rows import row8

__all__ = ["COLUMNS", "FOLLOWS", "Places", "between", "locate", "nodes"]

# of a table entry: seven outputs of the exact chain, and the concentration again, which carries what a surface adds to
# the dry deposition of the primary species
COLUMNS = 8
# which response to the path a column follows: dry deposition of the primary species 0, its wet deposition 1, the
# secondary species 2
FOLLOWS = (0, 0, 1, 2, 2, 2, 0, 0)
_DEGREES = 180.0 / math.pi


class Places(NamedTuple):
    """Where the pairs of one receptor with a batch of sources lie in the tables."""

    entry: np.ndarray  # int32, of the table
    share: np.ndarray  # of the next entry
    degree: np.ndarray  # int32, wind direction
    weight: np.ndarray  # strength over x^2 [g/s m-2], 0 where the pair is not wanted


def nodes(nearest: float, farthest: float, count: int) -> np.ndarray:
    """Distances of a table [m], equally spaced in the logarithm."""
    return np.exp(np.linspace(math.log(nearest), math.log(farthest), count))


@fused_njit
def locate(rx, ry, sx, sy, strength, nearest, n, reach, log_first, per_log, last, places):
    """Fill ``places`` for ``n`` sources; returns how many are wanted: beyond ``nearest``, within ``reach`` [m].

    Direction: whole degrees of the wind, halves up, as the exact chain rounds them. Nodes of the table lie at
    exp(log_first + i/per_log) m, ``last`` a little below the number of the last one.
    """
    entry, share, degree, weight = places
    count = 0
    nodes_ = np.int32(last + 1.5)
    far = reach * reach
    for j in range(n):
        dx = rx - sx[j]
        dy = ry - sy[j]
        square = dx * dx + dy * dy
        inside = (square > nearest[j] * nearest[j]) & (square <= far)
        safe = square if inside else 1.0
        first = arctan(abs(dx) / max(abs(dy), 1.0e-9))
        # bearing of the receptor from the source, clockwise from north
        half = math.pi - first if dy < 0.0 else first
        angle = (-half if dx < 0.0 else half) * _DEGREES + 180.5
        position = (0.5 * log(safe) - log_first) * per_log
        position = min(max(position, 0.0), last)
        whole = np.int32(position)
        turn = np.int32(angle)
        turn = turn - np.int32(360) if turn >= 360 else turn
        entry[j] = turn * nodes_ + whole
        share[j] = position - whole
        degree[j] = turn
        weight[j] = strength[j] / safe if inside else 0.0
        count += 1 if inside else 0
    return count


@fused_njit(forceinline=True)
def between(table, entry, share):
    """The row of a table (360*nodes, COLUMNS) float32 between an entry and the next one."""
    return np.float32(1.0 - share) * row8(table, entry) + np.float32(share) * row8(table, entry + 1)

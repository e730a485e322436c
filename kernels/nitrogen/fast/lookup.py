"""Look-up of tabulated sector plumes and their sum per receptor.

The exact chain depends on direction only through whole degrees, so that a table over 360 directions is exact in
direction; over distance it is interpolated linearly in ln x, on values times x^2, which vary slowly.
"""

import math

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.nitrogen.exact.elementary import arctan, log

__all__ = ["COLUMNS", "look_up", "nodes"]

COLUMNS = 8  # of a table entry: seven outputs of the exact chain and one of padding
_CHUNK = 256  # receptors of one piece of work
_DEGREES = 180.0 / math.pi


def nodes(nearest: float, farthest: float, count: int) -> np.ndarray:
    """Distances of a table [m], equally spaced in the logarithm."""
    return np.exp(np.linspace(math.log(nearest), math.log(farthest), count))


@njit
def _locate(x, y, begin, n, sx, sy, near, far, log_first, per_log, last, cell, share, weight):
    """Table cell and weights of each receptor of a chunk for one source; weight 0 out of range.

    Direction: whole degrees of the wind, halves up, as the exact chain rounds them.
    """
    for j in range(n):
        dx = x[begin + j] - sx
        dy = y[begin + j] - sy
        square = dx * dx + dy * dy
        inside = (square > near) & (square <= far)
        safe = square if inside else 1.0
        ax, ay = abs(dx), abs(dy)
        first = arctan(ax / max(ay, 1.0e-9))
        # bearing of the receptor from the source, clockwise from north
        half = math.pi - first if dy < 0.0 else first
        bearing = -half if dx < 0.0 else half
        degree = bearing * _DEGREES + 180.5
        position = (0.5 * log(safe) - log_first) * per_log
        position = min(max(position, 0.0), last)
        whole = math.floor(position)
        turn = math.floor(degree)
        turn = turn - 360 if turn >= 360 else turn
        cell[j] = turn * 65536 + whole
        share[j] = position - whole
        weight[j] = 1.0 / safe if inside else 0.0


@njit
def _chunk(begin, n, x, y, sources, kind, table, log_first, per_log, far, cell, share, weight, out):
    """Sum of all sources at receptors ``begin`` to ``begin + n``; returns the number of pairs looked up."""
    last = table.shape[2] - 1.0 - 1.0e-9
    count = 0
    for s in range(sources.shape[0]):
        _locate(
            x,
            y,
            begin,
            n,
            sources[s, 0],
            sources[s, 1],
            sources[s, 3] * sources[s, 3],
            far * far,
            log_first,
            per_log,
            last,
            cell,
            share,
            weight,
        )
        q = sources[s, 2]
        block = table[kind[s]]
        for j in range(n):
            if weight[j] == 0.0:
                continue
            count += 1
            turn = cell[j] >> 16
            whole = cell[j] & 65535
            b = q * weight[j] * share[j]
            a = q * weight[j] - b
            for c in range(COLUMNS):
                out[begin + j, c] += a * block[turn, whole, c] + b * block[turn, whole + 1, c]
    return count


@pnjit
def look_up(x, y, sources, kind, table, log_first, per_log, far, out, counts):
    """Add to ``out`` (receptors, COLUMNS) the sum over sources, receptors in parallel.

    ``x``, ``y`` (receptors,) [m], neighbours together; ``sources`` (ns, 4): x, y [m], strength [g/s], distance up
    to which it is left out [m]; ``kind`` (ns,) table of each source; ``table`` (kinds, 360, nodes, COLUMNS)
    float32, values per g/s times x^2; nodes at exp(log_first + i/per_log) m; ``far`` [m] reach; ``counts``
    (chunks,) int64: pairs of each chunk of 256 receptors.
    """
    total = x.size
    chunks = (total + _CHUNK - 1) // _CHUNK
    for c in prange(chunks):
        begin = c * _CHUNK
        n = min(_CHUNK, total - begin)
        cell = np.empty(_CHUNK, dtype=np.int64)
        share = np.empty(_CHUNK)
        weight = np.empty(_CHUNK)
        counts[c] = _chunk(begin, n, x, y, sources, kind, table, log_first, per_log, far, cell, share, weight, out)

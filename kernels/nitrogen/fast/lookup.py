"""Look-up of tabulated sector plumes and their sum per receptor, for sources of one kind and receptors of one surface.

The exact chain depends on direction only through whole degrees, so that a table over 360 directions is exact in
direction; over distance it is interpolated linearly in ln x, on values times x^2, which vary slowly. What lies on the
path is a factor exp(polynomial in the means over the path of two strengths of the ground), whose coefficients are
tabulated more coarsely. The means are taken at the same points as the exact chain takes them.
"""

import math

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.nitrogen.exact.elementary import arctan, exp, log

__all__ = ["COLUMNS", "PATH_POINTS", "STRENGTHS", "TERMS", "TURN", "look_up", "nodes", "polynomial"]

COLUMNS = 8  # of a table entry: seven outputs of the exact chain and one of padding
STRENGTHS = 2  # of the ground
TERMS = 7  # of the polynomial: 1, a, b, a^2, ab, b^2, a^3
TURN = 10  # whole degrees that share coefficients of the polynomial
PATH_POINTS = 21  # of a path, both ends included
_CHUNK = 64  # receptors of one piece of work
_BATCH = 512  # sources located at a time
_DEGREES = 180.0 / math.pi


def nodes(nearest: float, farthest: float, count: int) -> np.ndarray:
    """Distances of a table [m], equally spaced in the logarithm."""
    return np.exp(np.linspace(math.log(nearest), math.log(farthest), count))


@njit
def _locate(rx, ry, begin, n, sources, far, log_first, per_log, last, cell, share, turned, weight):
    """Table entry, interpolation share and strength over x^2 of each source of a batch; returns those in range.

    Direction: whole degrees of the wind, halves up, as the exact chain rounds them.
    """
    count = 0
    nodes_ = np.int32(last + 1.5)
    for j in range(n):
        dx = rx - sources[0, begin + j]
        dy = ry - sources[1, begin + j]
        square = dx * dx + dy * dy
        inside = (square > sources[3, begin + j]) & (square <= far)
        safe = square if inside else 1.0
        first = arctan(abs(dx) / max(abs(dy), 1.0e-9))
        # bearing of the receptor from the source, clockwise from north
        half = math.pi - first if dy < 0.0 else first
        degree = (-half if dx < 0.0 else half) * _DEGREES + 180.5
        position = (0.5 * log(safe) - log_first) * per_log
        position = min(max(position, 0.0), last)
        whole = np.int32(position)
        turn = np.int32(degree)
        turn = turn - np.int32(360) if turn >= 360 else turn
        cell[j] = turn * nodes_ + whole
        share[j] = position - whole
        turned[j] = turn
        weight[j] = sources[2, begin + j] / safe if inside else 0.0
        count += 1 if inside else 0
    return count


@njit
def _respond(rx, ry, begin, n, sources, nodes_, cell, share, turned, weight, ground, frame, response, power):
    """Multiply the weights by the exponential of the path's polynomial."""
    stations = response.shape[1]
    right, below = 1.0 / frame[2], 1.0 / frame[3]
    cx, cy = (rx - frame[0]) * right, (frame[1] - ry) * below
    step = 1.0 / (PATH_POINTS - 1.0)
    coarser = (stations - 1.0) / (nodes_ - 1.0)
    per_turn = 1.0 / TURN
    for j in range(n):
        power[j] = 0.0
        if weight[j] == 0.0:
            continue
        px = ((sources[0, begin + j] - frame[0]) * right - cx) * step
        py = ((frame[1] - sources[1, begin + j]) * below - cy) * step
        a = b = np.float32(0.0)
        for p in range(PATH_POINTS):
            column = np.int32(cx + p * px)
            row = np.int32(cy + p * py)
            a += ground[row, column, 0]
            b += ground[row, column, 1]
        a /= np.float32(PATH_POINTS)
        b /= np.float32(PATH_POINTS)
        position = (cell[j] - turned[j] * nodes_ + share[j]) * coarser
        i = min(np.int32(position), stations - 2)
        s = np.float32(position - i)
        here = response[np.int32((turned[j] + 0.5) * per_turn), i]
        there = response[np.int32((turned[j] + 0.5) * per_turn), i + 1]
        total = np.float32(0.0)
        terms = (np.float32(1.0), a, b, a * a, a * b, b * b, a * a * a)
        for m in range(TERMS):
            total += terms[m] * (here[m] + s * (there[m] - here[m]))
        power[j] = total
    for j in range(n):
        weight[j] *= exp(power[j])


def polynomial(strengths: np.ndarray) -> np.ndarray:
    """Terms of the polynomial of strengths (n, STRENGTHS), in the order of ``response``, (n, TERMS)."""
    a, b = strengths.T
    return np.column_stack((np.ones(len(a)), a, b, a * a, a * b, b * b, a**3))


@njit
def _gather(n, cell, share, weight, table, total):
    """Add the interpolated entries of a batch."""
    t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = np.float32(0.0)
    for j in range(n):
        if weight[j] == 0.0:
            continue
        i = cell[j]
        b = np.float32(weight[j] * share[j])
        a = np.float32(weight[j]) - b
        t0 += a * table[i, 0] + b * table[i + 1, 0]
        t1 += a * table[i, 1] + b * table[i + 1, 1]
        t2 += a * table[i, 2] + b * table[i + 1, 2]
        t3 += a * table[i, 3] + b * table[i + 1, 3]
        t4 += a * table[i, 4] + b * table[i + 1, 4]
        t5 += a * table[i, 5] + b * table[i + 1, 5]
        t6 += a * table[i, 6] + b * table[i + 1, 6]
        t7 += a * table[i, 7] + b * table[i + 1, 7]
    total[0] += t0
    total[1] += t1
    total[2] += t2
    total[3] += t3
    total[4] += t4
    total[5] += t5
    total[6] += t6
    total[7] += t7


@pnjit
def look_up(x, y, sources, table, log_first, per_log, far, ground, frame, response, out, counts):
    """Add to ``out`` (receptors, COLUMNS) the sum over sources, receptors in parallel.

    ``x``, ``y`` (receptors,) [m], neighbours together; ``sources`` (4, ns): x, y [m], strength [g/s], square of the
    distance up to which it is left out [m2], neighbours together; ``table`` (360*nodes, COLUMNS) float32, values
    per g/s times x^2, nodes at exp(log_first + i/per_log) m; ``far`` [m] reach; ``ground`` (ny, nx, STRENGTHS)
    float32 with ``frame`` x left, y top, cell size x and y [m], around all sources and receptors, or (0, ...) where
    all paths are alike; ``response`` (360/TURN, stations, TERMS) float32, stations over the same distances as the
    nodes; ``counts`` (receptors,) int64: pairs of each receptor are added.
    """
    total = x.size
    ns = sources.shape[1]
    batches = (ns + _BATCH - 1) // _BATCH
    box = np.empty((batches, 4))
    for k in range(batches):
        piece = sources[:2, k * _BATCH : min(ns, (k + 1) * _BATCH)]
        box[k, 0], box[k, 1] = piece[0].min(), piece[0].max()
        box[k, 2], box[k, 3] = piece[1].min(), piece[1].max()
    nodes_ = table.shape[0] // 360
    last = nodes_ - 1.0 - 1.0e-9
    chunks = (total + _CHUNK - 1) // _CHUNK
    for c in prange(chunks):
        cell = np.empty(_BATCH, dtype=np.int32)
        share = np.empty(_BATCH)
        weight = np.empty(_BATCH)
        turned = np.empty(_BATCH, dtype=np.int32)
        power = np.empty(_BATCH)
        for r in range(c * _CHUNK, min(total, (c + 1) * _CHUNK)):
            for k in range(batches):
                ex = max(max(box[k, 0] - x[r], x[r] - box[k, 1]), 0.0)
                ey = max(max(box[k, 2] - y[r], y[r] - box[k, 3]), 0.0)
                if ex * ex + ey * ey > far * far:
                    continue
                begin = k * _BATCH
                n = min(_BATCH, ns - begin)
                found = _locate(
                    x[r], y[r], begin, n, sources, far * far, log_first, per_log, last, cell, share, turned, weight
                )
                counts[r] += found
                if ground.shape[0] > 0:
                    _respond(
                        x[r],
                        y[r],
                        begin,
                        n,
                        sources,
                        nodes_,
                        cell,
                        share,
                        turned,
                        weight,
                        ground,
                        frame,
                        response,
                        power,
                    )
                _gather(n, cell, share, weight, table, out[r])

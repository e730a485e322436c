"""Look-up of tabulated sector plumes and their sum per receptor, for sources of one kind and receptors of one surface.

The exact chain depends on direction only through whole degrees, so that a table over 360 directions is exact in
direction; over distance it is interpolated linearly in ln x, on values times x^2, which vary slowly. What lies on the
path is a factor exp(polynomial in the means over the path of two strengths of the ground), whose coefficients are
tabulated more coarsely; each of three bands of distance has its own two strengths. The means are taken at the same
points as the exact chain takes them.
"""

import math

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.nitrogen.exact.elementary import arctan, exp, log

__all__ = [
    "BANDS",
    "COLUMNS",
    "PATH_POINTS",
    "SECTOR",
    "STRENGTHS",
    "TERMS",
    "TURN",
    "change_of",
    "compose",
    "look_up",
    "nodes",
    "pieces",
    "polynomial",
]

COLUMNS = 8  # of a table entry: seven outputs of the exact chain and one of padding
STRENGTHS = 2  # of the ground in a band of distances, a complex number: one load for both
BANDS = 3  # of distances with their own strengths
TERMS = 7  # of the polynomial: 1, a, b, a^2, ab, b^2, a^3
TURN = 15  # whole degrees that share coefficients of the polynomial
SECTOR = 15  # whole degrees between the directions at which changes of the surface are tabulated
PATH_POINTS = 21  # of a path, both ends included
_CHUNK = 64  # receptors of one piece of work at most
_DEALT = 32  # pieces are dealt out in as many turns
_BATCH = 128  # sources located at a time
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
    stations = response.shape[2]
    right, below = 1.0 / frame[2], 1.0 / frame[3]
    cx, cy = (rx - frame[0]) * right, (frame[1] - ry) * below
    step = 1.0 / (PATH_POINTS - 1.0)
    coarser = (stations - 1.0) / (nodes_ - 1.0)
    per_turn = 1.0 / TURN
    bands = BANDS / (stations + 1.0e-9)
    each = np.float32(1.0 / PATH_POINTS)
    for j in range(n):
        power[j] = 0.0
        if weight[j] == 0.0:
            continue
        px = ((sources[0, begin + j] - frame[0]) * right - cx) * step
        py = ((frame[1] - sources[1, begin + j]) * below - cy) * step
        position = (cell[j] - turned[j] * nodes_ + share[j]) * coarser
        i = min(np.int32(position), stations - 2)
        s = np.float32(position - i)
        band = np.int32(i * bands)
        plane = ground[band]
        strengths = np.complex64(0.0)
        for p in range(PATH_POINTS):
            strengths += plane[np.uint64(np.int64(cy + p * py)), np.uint64(np.int64(cx + p * px))]
        a = strengths.real * each
        b = strengths.imag * each
        here = response[band, np.int32((turned[j] + 0.5) * per_turn), i]
        there = response[band, np.int32((turned[j] + 0.5) * per_turn), i + 1]
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


def change_of(result: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What turns results over one surface into those over another, (entries, 2, COLUMNS) float32: factor and term.

    ``result``, ``base`` (entries, OUTPUTS): concentration, dry, wet of primary and secondary species, NO2. Each is
    multiplied by the factor of its column. Dry deposition, which may change sign, takes the factor of its
    concentration instead where its own would not be between a tenth and ten, and a term times that concentration.
    """
    change = np.zeros((len(result), 2, COLUMNS))
    some = base != 0.0
    ratio = np.where(some, result / np.where(some, base, 1.0), 1.0)
    for column in (1, 4):
        if not ((ratio[:, column] > 0.1) & (ratio[:, column] < 10.0)).all():
            carrier = column - 1
            before = np.where(
                some[:, carrier], base[:, column] / np.where(some[:, carrier], base[:, carrier], 1.0), 0.0
            )
            there = result[:, carrier] != 0.0
            after = np.where(there, result[:, column] / np.where(there, result[:, carrier], 1.0), before)
            ratio[:, column] = ratio[:, carrier]
            change[:, 1, column] = after - before
    change[:, 0, : result.shape[1]] = np.clip(ratio, -1.0e3, 1.0e3)
    return change.astype(np.float32)


@njit
def _compose(table, change, line, out):
    """Table over one surface from that over another, ``table`` and ``out`` (360*nodes, COLUMNS) float32.

    ``change`` (360/SECTOR*stations, 2, COLUMNS): of :func:`change_of`, interpolated linearly between directions and
    in ln x; ``line`` (360/SECTOR, nodes, 2, COLUMNS) float32: scratch.
    """
    turns = 360 // SECTOR
    stations = change.shape[0] // turns
    nodes_ = table.shape[0] // 360
    for node in range(nodes_):
        position = node * (stations - 1.0) / (nodes_ - 1.0)
        i = min(int(position), stations - 2)
        far = np.float32(position - i)
        for turn in range(turns):
            a, b = change[turn * stations + i], change[turn * stations + i + 1]
            to = line[turn, node]
            for c in range(COLUMNS):
                to[0, c] = a[0, c] + far * (b[0, c] - a[0, c])
                to[1, c] = a[1, c] + far * (b[1, c] - a[1, c])
    for degree in range(360):
        here = degree // SECTOR
        there = (here + 1) % turns
        share = np.float32((degree - here * SECTOR) / SECTOR)
        for node in range(nodes_):
            a, b = line[here, node], line[there, node]
            entry, to = table[degree * nodes_ + node], out[degree * nodes_ + node]
            for c in range(COLUMNS):
                to[c] = entry[c] * (a[0, c] + share * (b[0, c] - a[0, c]))
            to[1] += to[0] * (a[1, 1] + share * (b[1, 1] - a[1, 1]))
            to[4] += to[3] * (a[1, 4] + share * (b[1, 4] - a[1, 4]))


@pnjit
def compose(tables, anchor, changes, changed, line, out):
    """Tables of one kind over all surfaces, in parallel: ``out`` (surfaces, 360*nodes, COLUMNS) float32.

    ``tables`` (anchors, 360*nodes, COLUMNS); ``anchor`` (surfaces,): the one to start from; ``changes``
    (surfaces, ...): see :func:`_compose`; ``changed`` (surfaces,): 0 where the table is that of the anchor; ``line``
    (surfaces, 360/SECTOR, nodes, 2, COLUMNS) float32: scratch.
    """
    for s in prange(out.shape[0]):
        if changed[s]:
            _compose(tables[anchor[s]], changes[s], line[s], out[s])
        else:
            out[s] = tables[anchor[s]]


@njit
def _gather(n, cell, share, weight, table, total):
    """Add the interpolated entries of a batch."""
    t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = np.float32(0.0)
    for j in range(n):
        if weight[j] == 0.0:
            continue
        i = cell[j]
        low, high = table[np.uint64(i)], table[np.uint64(i + 1)]
        b = np.float32(weight[j] * share[j])
        a = np.float32(weight[j]) - b
        t0 += a * low[0] + b * high[0]
        t1 += a * low[1] + b * high[1]
        t2 += a * low[2] + b * high[2]
        t3 += a * low[3] + b * high[3]
        t4 += a * low[4] + b * high[4]
        t5 += a * low[5] + b * high[5]
        t6 += a * low[6] + b * high[6]
        t7 += a * low[7] + b * high[7]
    total[0] += t0
    total[1] += t1
    total[2] += t2
    total[3] += t3
    total[4] += t4
    total[5] += t5
    total[6] += t6
    total[7] += t7


@pnjit
def look_up(
    x, y, surface, begin, sources, tables, log_first, per_log, far, ground, frame, responses, anchor, out, counts
):
    """Add to ``out`` (receptors, COLUMNS) the sum over sources of one kind, receptors in parallel.

    ``x``, ``y`` (receptors,) [m], those of one surface together, and neighbours among them; ``surface`` (pieces,):
    surface of each piece of work, receptors ``begin[p]`` to ``begin[p + 1]``; ``sources`` (4, ns): x, y [m], strength
    [g/s], square of the distance up to which it is left out [m2], neighbours together; ``tables`` (surfaces,
    360*nodes, COLUMNS) float32, values per g/s times x^2, nodes at exp(log_first + i/per_log) m; ``far`` [m] reach;
    ``ground`` (BANDS, ny, nx) complex64, first and second strength, with ``frame`` x left, y top, cell size x and y
    [m], around all sources and receptors, or (0, ...) where all paths are alike; ``responses`` (anchors, BANDS,
    360/TURN, stations, TERMS) float32, stations over the same distances as the nodes, ``anchor`` (surfaces,) which of
    them; ``counts`` (receptors,) int64: pairs of each receptor are added.
    """
    ns = sources.shape[1]
    batches = (ns + _BATCH - 1) // _BATCH
    box = np.empty((batches, 4))
    for k in range(batches):
        piece = sources[:2, k * _BATCH : min(ns, (k + 1) * _BATCH)]
        box[k, 0], box[k, 1] = piece[0].min(), piece[0].max()
        box[k, 2], box[k, 3] = piece[1].min(), piece[1].max()
    nodes_ = tables.shape[1] // 360
    last = nodes_ - 1.0 - 1.0e-9
    pieces = surface.size
    rows = (pieces + _DEALT - 1) // _DEALT
    for d in prange(_DEALT * rows):
        # dealt out in turn, so that dense and thin parts of the region spread over the threads
        p = d % rows * _DEALT + d // rows
        if p >= pieces:
            continue
        table, response = tables[surface[p]], responses[anchor[surface[p]]]
        cell = np.empty(_BATCH, dtype=np.int32)
        share = np.empty(_BATCH)
        weight = np.empty(_BATCH)
        turned = np.empty(_BATCH, dtype=np.int32)
        power = np.empty(_BATCH)
        for r in range(begin[p], begin[p + 1]):
            for k in range(batches):
                ex = max(max(box[k, 0] - x[r], x[r] - box[k, 1]), 0.0)
                ey = max(max(box[k, 2] - y[r], y[r] - box[k, 3]), 0.0)
                if ex * ex + ey * ey > far * far:
                    continue
                first = k * _BATCH
                n = min(_BATCH, ns - first)
                found = _locate(
                    x[r], y[r], first, n, sources, far * far, log_first, per_log, last, cell, share, turned, weight
                )
                counts[r] += found
                if found == 0:
                    continue
                if ground.shape[0] > 0:
                    _respond(
                        x[r],
                        y[r],
                        first,
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


def pieces(which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surface of each piece of work and first receptors of the pieces, one more, for sorted surfaces ``which``."""
    surface, begin = [], []
    for s, first, end in zip(*_runs(which), strict=True):
        starts = np.arange(first, end, _CHUNK)
        begin.append(starts)
        surface.append(np.full(len(starts), s))
    return np.concatenate(surface), np.concatenate((*begin, [len(which)]))


def _runs(which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, first = np.unique(which, return_index=True)
    return values, first, np.append(first[1:], len(which))

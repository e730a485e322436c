"""Sums over far sources at a few places of a tile of receptors, interpolated to all of them.

Receptors are halved into tiles, again and again. A source that is far from a tile for its size brings a smooth field:
how it varies is found at nine places of the tile over its most common surface, how much it is at the middle over each
surface that occurs there, and in between it is interpolated quadratically. Each pair is taken at the largest tile that
is far enough from the source and wholly within reach; at the smallest tiles, sources whose reach ends within the tile
are interpolated receptor by receptor, and sources that are not far are evaluated so. Cost grows with the number of
tiles, not with that of receptors.
"""

import math
from typing import NamedTuple

import numpy as np

from kernels.jit import fused_njit, njit, pnjit, prange
from kernels.nitrogen.exact.elementary import exp
from kernels.nitrogen.fast.lookup import COLUMNS, FOLLOWS, Places, between, locate
from kernels.nitrogen.fast.path import FARTHER, RESPONSES, STRENGTHS, TERMS, TURN, along_paths, respond, terms_of
from kernels.nitrogen.fast.surface import SECTOR, Corners, change_at, find_corners
from kernels.rows import put, row8

__all__ = ["BANDS", "NEIGHBOURS", "SECTORS", "SOURCE_ROWS", "Plume", "Tiles", "add_sources", "halve"]

NEIGHBOURS = 4  # surfaces between which a receptor's own is interpolated
(SX, SY, SQ, SNEAR, SKIND, SNEXT, SSHARE, SROUGH) = range(8)
SOURCE_ROWS = 8
_PLACES, _MIDDLE = 9, 4  # of a tile
# corners come first and the middle last; what paths change at the middle of an edge is that of its corners
_IN_TURN = np.array((0, 2, 6, 8, 1, 3, 5, 7, 4))
_CORNERS_OF = np.array(((0, 0), (0, 2), (2, 2), (0, 6), (4, 4), (2, 8), (6, 6), (6, 8), (8, 8)))
SECTORS = 12  # of wind direction, of the climatology
BANDS = 12  # of distance, in which what receptors' own surfaces lack is tabulated
_FEW = 32  # receptors of a tile that is not halved any more
_BATCH = 64  # sources evaluated at a time
_GROUP = 128  # sources whose common box is looked at first
_DEALT = 32  # tiles are dealt out in as many turns
_CHEBYSHEV = math.sqrt(0.75)  # of a half side: places of quadratic interpolation
_ALIKE = 1.5  # dry deposition varies over a tile as the concentration does, up to this factor
_FOLLOWS = np.array(FOLLOWS)


class Tiles(NamedTuple):
    """Tiles of receptors, parents before children, level by level."""

    begin: np.ndarray  # (tiles,) first receptor
    end: np.ndarray
    parent: np.ndarray  # -1 for the first
    leaf: np.ndarray  # bool
    box: np.ndarray  # (tiles, 4) x from, x to, y from, y to [m]
    level: np.ndarray  # (levels + 1,) first tile of each level


class Plume(NamedTuple):
    """Tables of one plume, see :mod:`twin.nitrogen.fast.tables`."""

    values: np.ndarray  # (tables, 360*nodes, COLUMNS) float32, per g/s times x^2
    table: np.ndarray  # (anchors,) int64: the one of each anchor
    changes: np.ndarray  # (kinds, surfaces, 360/SECTOR*stations, COLUMNS) float32; no kinds: nothing changes
    # (2, anchors, 360/TURN, stations - 1, TERMS + 2, 2*FARTHER) float32: smooth and rough under the source, between
    # two stations, see path.respond
    responses: np.ndarray
    anchor: np.ndarray  # (surfaces,) int64
    # (surfaces that are not tabulated, BANDS*SECTORS) float32: what dry deposition interpolated to them lacks, a share
    lacking: np.ndarray
    log_first: float  # ln m, of the first node
    per_log: float  # nodes per factor e
    reach: float  # m
    apart: float  # diagonals of a tile between it and a source that is far
    ground: np.ndarray  # (ny, nx, STRENGTHS) float32; (0, ...) where all paths are alike
    frame: np.ndarray


@njit
def halve(x, y):
    """Order of receptors (n,) in which each tile is a range, and the arrays of :class:`Tiles` but the levels."""
    n = x.size
    most = 4 * (n // _FEW + 2)
    order = np.arange(n)
    begin, end = np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64)
    parent, depth = np.full(most, -1), np.zeros(most, dtype=np.int64)
    leaf, box = np.zeros(most, dtype=np.bool_), np.zeros((most, 4))
    end[0] = n
    count, t = 1, 0
    while t < count:
        part = order[begin[t] : end[t]]
        px, py = x[part], y[part]
        box[t, 0], box[t, 1], box[t, 2], box[t, 3] = px.min(), px.max(), py.min(), py.max()
        wide = box[t, 1] - box[t, 0] >= box[t, 3] - box[t, 2]
        leaf[t] = part.size <= _FEW
        if not leaf[t]:
            order[begin[t] : end[t]] = part[np.argsort(px if wide else py, kind="mergesort")]
            middle = begin[t] + part.size // 2
            for first, last in ((begin[t], middle), (middle, end[t])):
                begin[count], end[count], parent[count], depth[count] = first, last, t, depth[t] + 1
                count += 1
        t += 1
    return order, begin[:count], end[:count], parent[:count], leaf[:count], box[:count], depth[:count]


# how a tile lies to a source
(_OTHER, _FAR, _CROSSED, _NEAR) = range(4)


@fused_njit(forceinline=True)
def _lies(box, x, y, nearest, reach, apart):
    """Whether a tile is far from a source and within reach, far and crossed by the reach, near, or none of these."""
    dx, dy = max(box[0] - x, x - box[1], 0.0), max(box[2] - y, y - box[3], 0.0)
    least = dx * dx + dy * dy
    if least > reach * reach:
        return _OTHER
    wide, high = box[1] - box[0], box[3] - box[2]
    square = wide * wide + high * high
    # one receptor alone is no field
    if square == 0.0 or least < apart * apart * square or least <= nearest * nearest:
        return _NEAR
    ex, ey = max(x - box[0], box[1] - x), max(y - box[2], box[3] - y)
    return _FAR if ex * ex + ey * ey <= reach * reach else _CROSSED


@fused_njit
def _choose(tiles, t, sources, boxes, reach, apart, far, crossed, near):
    """Sources to interpolate over tile ``t``, and, if it is a leaf, those at each receptor within their reach, and
    those to evaluate at its receptors; their numbers."""
    box, leaf, parent = tiles.box[t], tiles.leaf[t], tiles.parent[t]
    n_far = n_crossed = n_near = 0
    for k in range(boxes.shape[0]):
        dx = max(box[0] - boxes[k, 1], boxes[k, 0] - box[1], 0.0)
        dy = max(box[2] - boxes[k, 3], boxes[k, 2] - box[3], 0.0)
        if dx * dx + dy * dy > reach * reach:
            continue
        for s in range(k * _GROUP, min(sources.shape[1], (k + 1) * _GROUP)):
            x, y, nearest = sources[SX, s], sources[SY, s], sources[SNEAR, s]
            lies = _lies(box, x, y, nearest, reach, apart)
            if lies == _FAR:
                if parent < 0 or _lies(tiles.box[parent], x, y, nearest, reach, apart) != _FAR:
                    far[n_far] = s
                    n_far += 1
            elif leaf and lies == _CROSSED:
                crossed[n_crossed] = s
                n_crossed += 1
            elif leaf and lies == _NEAR:
                near[n_near] = s
                n_near += 1
    return n_far, n_crossed, n_near


@fused_njit
def _take(sources, chosen, first, n, out):
    """Copy a batch of sources, (SOURCE_ROWS, n)."""
    for row in range(SOURCE_ROWS):
        for j in range(n):
            out[row, j] = sources[row, chosen[first + j]]


@fused_njit(forceinline=True)
def _node(places, j, nodes):
    """Where a pair lies between the ``nodes`` tabulated distances."""
    return places.entry[j] - places.degree[j] * nodes + places.share[j]


@fused_njit
def _respond(plume, anchor, own, batch, n, places, sums, work, logs):
    """Logarithms ``logs`` (RESPONSES, n) of the factors of the paths of pairs, over the surfaces of one anchor."""
    terms, scratch, _ = work
    nodes = plume.values.shape[1] // 360
    _, anchors, turns, intervals, rows, columns = plume.responses.shape
    coefficients = plume.responses.reshape(2 * anchors * turns * intervals * rows, columns)
    coarser = intervals / (nodes - 1.0)
    for j in range(n):
        if places.weight[j] == 0.0:
            for m in range(RESPONSES):
                logs[m, j] = 0.0
            continue
        position = min(_node(places, j, nodes) * coarser, 1.0 * intervals)
        i = min(np.int64(position), intervals - 1)
        # sectors of the climatology lie around their direction
        turn = (places.degree[j] + TURN // 2) // TURN
        turn = turn if turn < turns else 0
        terms_of(sums[j], own, terms)
        first = (((np.int64(batch[SROUGH, j]) * anchors + anchor) * turns + turn) * intervals + i) * rows
        respond(coefficients, first, np.float32(position - i), terms, scratch, logs, j)


@fused_njit
def _strengthen(places, logs, n, factors, out):
    """Weights ``out`` (n, COLUMNS) of pairs from logarithms of the factors of their paths."""
    for m in range(RESPONSES):
        for j in range(n):
            factors[m, j] = places.weight[j] * exp(logs[m, j])
    for j in range(n):
        for c in range(COLUMNS):
            out[j, c] = factors[_FOLLOWS[c], j]


@fused_njit
def _find_changes(plume, batch, n, places, position, corners):
    """Where the pairs of a batch lie in the tables of changes."""
    nodes = plume.values.shape[1] // 360
    stations = plume.changes.shape[2] // (360 // SECTOR)
    coarser = (stations - 1.0) / (nodes - 1.0)
    for j in range(n):
        position[j] = min(_node(places, j, nodes) * coarser, stations - 1.0)
    find_corners(places.degree, position, n, stations, corners)


@fused_njit(forceinline=True)
def _over_surface(changes, surfaces, rows, batch, corners, j, surface):
    """Row of change over a surface for source ``j``, interpolated between its two kinds.

    ``changes`` (kinds*surfaces*rows, COLUMNS).
    """
    first, second, share = np.int64(batch[SKIND, j]), np.int64(batch[SNEXT, j]), np.float32(batch[SSHARE, j])
    change = change_at(changes, (first * surfaces + surface) * rows, corners, j)
    if share != np.float32(0.0):
        other = change_at(changes, (second * surfaces + surface) * rows, corners, j)
        change = (np.float32(1.0) - share) * change + share * other
    return change


@fused_njit(forceinline=True)
def _empty_places():
    return Places(
        np.empty(_BATCH, dtype=np.int32),
        np.empty(_BATCH),
        np.empty(_BATCH, dtype=np.int32),
        np.empty(_BATCH),
    )


@fused_njit(forceinline=True)
def _empty_corners():
    return Corners(
        np.empty(_BATCH, dtype=np.int64),
        np.empty(_BATCH, dtype=np.int64),
        np.empty((_BATCH, 4), dtype=np.float32),
    )


@fused_njit(forceinline=True)
def _workspace():
    """Terms and rows of :func:`_respond`, factors of :func:`_strengthen`."""
    return (
        np.empty(TERMS, dtype=np.float32),
        np.empty((3, 2 * FARTHER), dtype=np.float32),
        np.empty((RESPONSES, _BATCH)),
    )


@fused_njit
def _directly(plume, begin, end, x, y, near, n_near, sources, neighbours, shares, own, out, counts):
    """Add sources to receptors ``begin`` to ``end``, pair by pair."""
    last = plume.values.shape[1] // 360 - 1.0 - 1.0e-9
    batch = np.empty((SOURCE_ROWS, _BATCH))
    places, corners, position = _empty_places(), _empty_corners(), np.empty(_BATCH)
    sums, work = np.empty((_BATCH, STRENGTHS), dtype=np.float32), _workspace()
    logs, strong = np.zeros((RESPONSES, _BATCH)), np.empty((_BATCH, COLUMNS), dtype=np.float32)
    value = np.empty((1, COLUMNS), dtype=np.float32)
    ground = np.zeros(STRENGTHS, dtype=np.float32)
    mapped, changed = plume.ground.shape[0] > 0, plume.changes.shape[0] > 0
    kinds, surfaces, rows, columns = plume.changes.shape
    changes = plume.changes.reshape(kinds * surfaces * rows, columns)
    for first in range(0, n_near, _BATCH):
        n = min(_BATCH, n_near - first)
        _take(sources, near, first, n, batch)
        for r in range(begin, end):
            found = locate(
                x[r], y[r], batch[SX], batch[SY], batch[SQ], batch[SNEAR], n, plume.reach, plume.log_first,
                plume.per_log, last, places,
            )  # fmt: skip
            counts[r] += found
            if found == 0:
                continue
            anchor = plume.anchor[neighbours[r, 0]]
            table = plume.values[plume.table[anchor]]
            if mapped:
                _ground_at(plume, x[r], y[r], ground)
                along_paths(x[r], y[r], batch[SX], batch[SY], places.weight, n, plume.ground, plume.frame, sums)
                _respond(plume, anchor, ground, batch, n, places, sums, work, logs)
            _strengthen(places, logs, n, work[2], strong)
            if changed:
                _find_changes(plume, batch, n, places, position, corners)
            for j in range(n):
                if places.weight[j] == 0.0:
                    continue
                here = row8(strong, j) * between(table, places.entry[j], places.share[j])
                if changed:
                    change = np.float32(shares[r, 0]) * _over_surface(
                        changes, surfaces, rows, batch, corners, j, neighbours[r, 0]
                    )
                    for k in range(1, NEIGHBOURS):
                        if shares[r, k] != 0.0:
                            change = change + np.float32(shares[r, k]) * _over_surface(
                                changes, surfaces, rows, batch, corners, j, neighbours[r, k]
                            )
                    here = change * here
                put(value, 0, here)
                for c in range(COLUMNS):
                    out[r, c] += value[0, c]
                if own[r] >= 0:
                    out[r, 1] += plume.lacking[own[r], _bin(plume, places, j)] * (value[0, 1] + value[0, 7])


@fused_njit(forceinline=True)
def _ground_at(plume, x, y, out):
    """Strengths of the ground under a point."""
    row = np.int64((plume.frame[1] - y) / plume.frame[3])
    column = np.int64((x - plume.frame[0]) / plume.frame[2])
    for m in range(STRENGTHS):
        out[m] = plume.ground[row, column, m]


@fused_njit
def _surfaces_of(plume, begin, end, x, y, neighbours, shares, local, present, own, number):
    """Surfaces of receptors, numbered as they occur in ``present``; how many.

    ``own``, ``number``: mean ground under the receptors of each anchor, and how many these are.
    """
    count = 0
    local[:] = -1
    number[:] = 0.0
    here = np.zeros(STRENGTHS, dtype=np.float32)
    own[:] = 0.0
    for r in range(begin, end):
        for k in range(NEIGHBOURS):
            surface = neighbours[r, k]
            if (k == 0 or shares[r, k] != 0.0) and local[surface] < 0:
                local[surface] = count
                present[count] = surface
                count += 1
        a = plume.anchor[neighbours[r, 0]]
        number[a] += 1.0
        if plume.ground.shape[0] > 0:
            _ground_at(plume, x[r], y[r], here)
            own[a] += here
    for a in range(own.shape[0]):
        if number[a] > 0.0:
            own[a] /= np.float32(number[a])
    return count


@fused_njit
def _to_ratios(shape, n):
    """Values at the places of a tile, (places*BATCH, COLUMNS), as ratios to those at its middle."""
    inverse = np.empty((1, COLUMNS), dtype=np.float32)
    high, low = np.float32(_ALIKE), np.float32(1.0 / _ALIKE)
    for j in range(n):
        for c in range(COLUMNS):
            value = shape[_MIDDLE * _BATCH + j, c]
            inverse[0, c] = np.float32(1.0) / value if value != 0.0 else np.float32(0.0)
        for p in range(_PLACES):
            at = p * _BATCH + j
            put(shape, at, row8(inverse, 0) * row8(shape, at))
            # dry deposition may change sign over the tile
            dry, conc = shape[at, 1], shape[at, 0]
            if not (dry > low * conc and dry < high * conc):
                shape[at, 1] = conc


@fused_njit
def _smoothly(
    plume, box, begin, end, x, y, chosen, number, whole, sources, neighbours, shares, own, out, counts
):  # fmt: skip
    """Add sources far from a tile to its receptors ``begin`` to ``end``, by interpolation between its places.

    ``whole``: all receptors are within reach of all these sources.
    """
    last = plume.values.shape[1] // 360 - 1.0 - 1.0e-9
    anchors, n_plume = plume.table.size, plume.anchor.size
    local, present = np.empty(n_plume, dtype=np.int64), np.empty(n_plume, dtype=np.int64)
    ground, receptors = np.empty((anchors, STRENGTHS), dtype=np.float32), np.empty(anchors)
    n_surfaces = _surfaces_of(plume, begin, end, x, y, neighbours, shares, local, present, ground, receptors)
    used = np.zeros(anchors, dtype=np.bool_)
    for k in range(n_surfaces):
        used[plume.anchor[present[k]]] = True
    main = receptors.argmax()
    cx, cy = 0.5 * (box[0] + box[1]), 0.5 * (box[2] + box[3])
    hx, hy = 0.5 * (box[1] - box[0]), 0.5 * (box[3] - box[2])
    batch = np.empty((SOURCE_ROWS, _BATCH))
    places, corners, position = _empty_places(), _empty_corners(), np.empty(_BATCH)
    sums, work = np.empty((_BATCH, STRENGTHS), dtype=np.float32), _workspace()
    logs, strong = np.zeros((_PLACES, RESPONSES, _BATCH)), np.empty((_BATCH, COLUMNS), dtype=np.float32)
    shape = np.empty((_PLACES * _BATCH, COLUMNS), dtype=np.float32)
    values = np.empty((anchors * _BATCH, COLUMNS), dtype=np.float32)
    brought = np.empty((n_surfaces * _BATCH, COLUMNS), dtype=np.float32)
    field = np.zeros((n_surfaces * _PLACES, COLUMNS), dtype=np.float32)
    binned, first_bin, last_bin = np.zeros((n_surfaces, BANDS * SECTORS), dtype=np.float32), BANDS * SECTORS, 0
    mapped, changed = plume.ground.shape[0] > 0, plume.changes.shape[0] > 0
    kinds, surfaces, rows, columns = plume.changes.shape
    changes = plume.changes.reshape(kinds * surfaces * rows, columns)
    for first in range(0, number, _BATCH):
        n = min(_BATCH, number - first)
        _take(sources, chosen, first, n, batch)
        # how each source varies over the tile; the middle comes last, and stays in ``places`` and ``sums``
        for p in _IN_TURN:
            px, py = cx + (p % 3 - 1) * _CHEBYSHEV * hx, cy + (p // 3 - 1) * _CHEBYSHEV * hy
            locate(
                px, py, batch[SX], batch[SY], batch[SQ], batch[SNEAR], n, np.inf, plume.log_first, plume.per_log, last,
                places,
            )  # fmt: skip
            one, other = _CORNERS_OF[p]
            if mapped and one == other:
                along_paths(px, py, batch[SX], batch[SY], places.weight, n, plume.ground, plume.frame, sums)
                _respond(plume, main, ground[main], batch, n, places, sums, work, logs[p])
            elif mapped:
                for m in range(RESPONSES):
                    for j in range(n):
                        logs[p, m, j] = 0.5 * (logs[one, m, j] + logs[other, m, j])
            _strengthen(places, logs[p], n, work[2], strong)
            table = plume.values[plume.table[main]]
            for j in range(n):
                put(shape, p * _BATCH + j, row8(strong, j) * between(table, places.entry[j], places.share[j]))
        _to_ratios(shape, n)
        # what it brings to the middle, over each surface
        for a in range(anchors):
            if used[a]:
                if mapped:
                    _respond(plume, a, ground[a], batch, n, places, sums, work, logs[_MIDDLE])
                _strengthen(places, logs[_MIDDLE], n, work[2], strong)
                table = plume.values[plume.table[a]]
                for j in range(n):
                    put(values, a * _BATCH + j, row8(strong, j) * between(table, places.entry[j], places.share[j]))
        if changed:
            _find_changes(plume, batch, n, places, position, corners)
        for k in range(n_surfaces):
            surface, at = present[k], k * _BATCH
            value = plume.anchor[surface] * _BATCH
            for j in range(n):
                here = row8(values, value + j)
                if changed:
                    here = here * _over_surface(changes, surfaces, rows, batch, corners, j, surface)
                put(brought, at + j, here)
        if whole:
            _gather(brought, shape, n_surfaces, n, field)
            if plume.lacking.shape[0] > 0:
                for j in range(n):
                    its = _bin(plume, places, j)
                    first_bin, last_bin = min(first_bin, its), max(last_bin, its)
                    for k in range(n_surfaces):
                        binned[k, its] += brought[k * _BATCH + j, 1] + brought[k * _BATCH + j, 7]
        else:
            _within_reach(
                plume, begin, end, x, y, (cx, cy, hx, hy), batch, n, brought, shape, places, local, neighbours, shares,
                own, out, counts,
            )  # fmt: skip
    if whole:
        _spread(
            plume, begin, end, x, y, (cx, cy, hx, hy), field, (binned, first_bin, last_bin), number, local, neighbours,
            shares, own, out, counts,
        )  # fmt: skip


@fused_njit
def _gather(brought, shape, n_surfaces, n, field):
    """Add to ``field`` (surfaces*PLACES, COLUMNS) what ``n`` sources bring to each place over each surface."""
    for k in range(n_surfaces):
        for p in range(_PLACES):
            total = row8(field, k * _PLACES + p)
            for j in range(n):
                total = total + row8(brought, k * _BATCH + j) * row8(shape, p * _BATCH + j)
            put(field, k * _PLACES + p, total)


@fused_njit
def _spread(
    plume, begin, end, x, y, middle, field, dry, number, local, neighbours, shares, own, out, counts
):  # fmt: skip
    """Add a field at the places of a tile to its receptors; ``dry``: its dry deposition by bin, first and last bin."""
    cx, cy, hx, hy = middle
    binned, first, last = dry
    weights, value = np.empty(_PLACES, dtype=np.float32), np.empty((1, COLUMNS), dtype=np.float32)
    for r in range(begin, end):
        counts[r] += number
        _between((x[r] - cx) / hx if hx > 0.0 else 0.0, (y[r] - cy) / hy if hy > 0.0 else 0.0, weights)
        for k in range(NEIGHBOURS):
            if shares[r, k] == 0.0:
                continue
            at = local[neighbours[r, k]]
            if own[r] >= 0:
                lacks = np.float32(0.0)
                for its in range(first, last + 1):
                    lacks += plume.lacking[own[r], its] * binned[at, its]
                out[r, 1] += shares[r, k] * lacks
            total = weights[0] * row8(field, at * _PLACES)
            for p in range(1, _PLACES):
                total = total + weights[p] * row8(field, at * _PLACES + p)
            put(value, 0, total)
            for c in range(COLUMNS):
                out[r, c] += shares[r, k] * value[0, c]


@fused_njit
def _within_reach(
    plume, begin, end, x, y, middle, batch, n, brought, shape, places, local, neighbours, shares, own, out, counts
):  # fmt: skip
    """Add to each receptor what those of ``n`` sources bring that reach it."""
    cx, cy, hx, hy = middle
    weights, value = np.empty(_PLACES, dtype=np.float32), np.empty((1, COLUMNS), dtype=np.float32)
    for r in range(begin, end):
        _between((x[r] - cx) / hx if hx > 0.0 else 0.0, (y[r] - cy) / hy if hy > 0.0 else 0.0, weights)
        for j in range(n):
            dx, dy = x[r] - batch[SX, j], y[r] - batch[SY, j]
            if dx * dx + dy * dy > plume.reach * plume.reach:
                continue
            counts[r] += 1
            varied = weights[0] * row8(shape, j)
            for p in range(1, _PLACES):
                varied = varied + weights[p] * row8(shape, p * _BATCH + j)
            total = np.float32(shares[r, 0]) * row8(brought, local[neighbours[r, 0]] * _BATCH + j)
            for k in range(1, NEIGHBOURS):
                if shares[r, k] != 0.0:
                    here = row8(brought, local[neighbours[r, k]] * _BATCH + j)
                    total = total + np.float32(shares[r, k]) * here
            put(value, 0, varied * total)
            for c in range(COLUMNS):
                out[r, c] += value[0, c]
            if own[r] >= 0:
                out[r, 1] += plume.lacking[own[r], _bin(plume, places, j)] * (value[0, 1] + value[0, 7])


@fused_njit(forceinline=True)
def _bin(plume, places, j):
    """Band of distance and sector of a pair, the middle of a tile standing for its receptors."""
    nodes = plume.values.shape[1] // 360
    band = np.int64(min(_node(places, j, nodes) * (BANDS / (nodes - 1.0)), BANDS - 1.0))
    return band * SECTORS + (places.degree[j] + 180 // SECTORS) // (360 // SECTORS) % SECTORS


@fused_njit(forceinline=True)
def _between(tx, ty, out):
    """Weights of the nine places for a point at (tx, ty) half sides from the middle: quadratic in each direction."""
    square = _CHEBYSHEV * _CHEBYSHEV
    for i in range(3):
        wy = 1.0 - ty * ty / square if i == 1 else 0.5 * ty * (ty + (i - 1) * _CHEBYSHEV) / square
        for j in range(3):
            wx = 1.0 - tx * tx / square if j == 1 else 0.5 * tx * (tx + (j - 1) * _CHEBYSHEV) / square
            out[3 * i + j] = wx * wy


@pnjit
def add_sources(tiles, x, y, neighbours, shares, own, sources, plume, out, counts):
    """Add to ``out`` (receptors, COLUMNS) the sum over sources of one plume; tiles of a level in parallel.

    ``x``, ``y`` (receptors,) [m] in the order of the tiles; ``neighbours`` (receptors, NEIGHBOURS) surfaces between
    which each one's own is interpolated, with ``shares`` (sum 1), nearest first, and its place ``own`` in
    ``plume.lacking``, -1 for none; ``sources`` (SOURCE_ROWS, ns): x, y [m], strength [g/s], distance up to which it is
    left out [m], two kinds, share of the second, 1 if on rough ground; neighbours together. ``counts`` (receptors,)
    int64: pairs of each receptor are added.
    """
    ns = sources.shape[1]
    boxes = np.empty(((ns + _GROUP - 1) // _GROUP, 4))
    for k in range(boxes.shape[0]):
        some = sources[:2, k * _GROUP : min(ns, (k + 1) * _GROUP)]
        boxes[k, 0], boxes[k, 1] = some[0].min(), some[0].max()
        boxes[k, 2], boxes[k, 3] = some[1].min(), some[1].max()
    for level in range(tiles.level.size - 1):
        number = tiles.level[level + 1] - tiles.level[level]
        rows = (number + _DEALT - 1) // _DEALT
        for d in prange(_DEALT * rows):
            # dealt out in turn, so that dense and thin parts of the region spread over the threads
            t = tiles.level[level] + d % rows * _DEALT + d // rows
            if t >= tiles.level[level + 1]:
                continue
            far, crossed, near = np.empty((3, ns), dtype=np.int64)
            n_far, n_crossed, n_near = _choose(tiles, t, sources, boxes, plume.reach, plume.apart, far, crossed, near)
            place = (plume, tiles.box[t], tiles.begin[t], tiles.end[t], x, y)
            result = (sources, neighbours, shares, own, out, counts)
            if n_far > 0:
                _smoothly(*place, far, n_far, True, *result)
            if n_crossed > 0:
                _smoothly(*place, crossed, n_crossed, False, *result)
            if n_near > 0:
                _directly(plume, tiles.begin[t], tiles.end[t], x, y, near, n_near, *result)

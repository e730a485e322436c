"""Sums over far sources at a few places of a tile of receptors, interpolated to all of them.

Receptors are halved into tiles, again and again. A source that is far from a tile for its size brings a smooth field:
it is evaluated at nine places of the tile, over each surface that occurs there, and interpolated quadratically. Each
pair is taken at the largest tile that is far enough from the source; what is not far even from the smallest tile is
evaluated receptor by receptor. Cost grows with the number of tiles, not with that of receptors.
"""

import math
from typing import NamedTuple

import numpy as np

from kernels.jit import fused_njit, njit, pnjit, prange
from kernels.nitrogen.exact.elementary import exp
from kernels.nitrogen.fast.lookup import COLUMNS, Places, interpolate, locate
from kernels.nitrogen.fast.path import RESPONSES, STRENGTHS, TERMS, TURN, along_paths, respond, terms_of
from kernels.nitrogen.fast.surface import SECTOR, add_change, apply_change

__all__ = ["NEIGHBOURS", "SECTORS", "SOURCE_ROWS", "Plume", "Tiles", "add_sources", "halve"]

NEIGHBOURS = 4  # surfaces between which a receptor's own is interpolated
(SX, SY, SQ, SNEAR, SKIND, SNEXT, SSHARE, SROUGH) = range(8)
SOURCE_ROWS = 8
_SEPARATION = 3.0  # diagonals of a tile between it and a source that is far
_PLACES, _MIDDLE = 9, 4  # of a tile
SECTORS = 12  # of wind direction, of the climatology
_FEW = 16  # receptors of a tile that is not halved any more
_BATCH = 64  # sources evaluated at a time
_GROUP = 128  # sources whose common box is looked at first
_DEALT = 32  # tiles are dealt out in as many turns
_CHEBYSHEV = math.sqrt(0.75)  # of a half side: places of quadratic interpolation


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
    responses: (
        np.ndarray
    )  # (2, anchors, 360/TURN, stations, RESPONSES, COEFFICIENTS) float32, smooth and rough under the source
    anchor: np.ndarray  # (surfaces,) int64
    log_first: float  # ln m, of the first node
    per_log: float  # nodes per factor e
    reach: float  # m
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


@fused_njit(forceinline=True)
def _is_far(box, x, y, nearest, reach):
    """Whether a source may be interpolated over a tile, and all of the tile lies within reach of it."""
    dx = max(box[0] - x, x - box[1], 0.0)
    dy = max(box[2] - y, y - box[3], 0.0)
    ex, ey = max(x - box[0], box[1] - x), max(y - box[2], box[3] - y)
    wide, high = box[1] - box[0], box[3] - box[2]
    least = dx * dx + dy * dy
    return (
        (least >= _SEPARATION * _SEPARATION * (wide * wide + high * high))
        and (least > nearest * nearest)
        and (ex * ex + ey * ey <= reach * reach)
    )


@fused_njit
def _choose(tiles, t, sources, boxes, reach, far, near):
    """Sources to interpolate over tile ``t``, and, if it is a leaf, those to evaluate at its receptors; numbers."""
    box, leaf, parent = tiles.box[t], tiles.leaf[t], tiles.parent[t]
    count = other = 0
    for k in range(boxes.shape[0]):
        dx = max(box[0] - boxes[k, 1], boxes[k, 0] - box[1], 0.0)
        dy = max(box[2] - boxes[k, 3], boxes[k, 2] - box[3], 0.0)
        if dx * dx + dy * dy > reach * reach:
            continue
        for s in range(k * _GROUP, min(sources.shape[1], (k + 1) * _GROUP)):
            x, y, nearest = sources[SX, s], sources[SY, s], sources[SNEAR, s]
            if _is_far(box, x, y, nearest, reach):
                if parent < 0 or not _is_far(tiles.box[parent], x, y, nearest, reach):
                    far[count] = s
                    count += 1
            elif leaf:
                dx = max(box[0] - x, x - box[1], 0.0)
                dy = max(box[2] - y, y - box[3], 0.0)
                if dx * dx + dy * dy <= reach * reach:
                    near[other] = s
                    other += 1
    return count, other


@fused_njit
def _take(sources, chosen, first, n, out):
    """Copy a batch of sources, (SOURCE_ROWS, n)."""
    for row in range(SOURCE_ROWS):
        for j in range(n):
            out[row, j] = sources[row, chosen[first + j]]


@fused_njit
def _strengthen(plume, anchor, own, batch, n, places, sums, terms, out):
    """Weights (RESPONSES, n) of pairs with the factors of their paths, over the surfaces of one anchor."""
    if plume.ground.shape[0] == 0:
        for m in range(RESPONSES):
            for j in range(n):
                out[m, j] = places.weight[j]
        return
    nodes = plume.values.shape[1] // 360
    stations = plume.responses.shape[3]
    coarser = (stations - 1.0) / (nodes - 1.0)
    for j in range(n):
        if places.weight[j] == 0.0:
            for m in range(RESPONSES):
                out[m, j] = 0.0
            continue
        position = (places.entry[j] - places.degree[j] * nodes + places.share[j]) * coarser
        i = min(np.int32(position), stations - 2)
        # sectors of the climatology lie around their direction
        turn = (places.degree[j] + TURN // 2) // TURN
        turn = turn if turn < 360 // TURN else 0
        here = plume.responses[np.int64(batch[SROUGH, j]), anchor, turn]
        terms_of(sums[j], own, terms)
        for m in range(RESPONSES):
            out[m, j] = respond(here[i, m], here[i + 1, m], np.float32(position - i), terms)
    for m in range(RESPONSES):
        for j in range(n):
            out[m, j] = places.weight[j] * exp(out[m, j])


@fused_njit
def _over_surface(plume, changes, batch, places, j, surface, out):
    """Add to ``out`` the change over a surface of source ``j``, interpolated between its two kinds.

    ``changes`` (kinds, surfaces, rows, COLUMNS).
    """
    nodes = plume.values.shape[1] // 360
    stations = changes.shape[2] // (360 // SECTOR)
    position = places.entry[j] - places.degree[j] * nodes + places.share[j]
    position *= (stations - 1.0) / (nodes - 1.0)
    first, second, share = np.int64(batch[SKIND, j]), np.int64(batch[SNEXT, j]), batch[SSHARE, j]
    add_change(changes[first, surface], places.degree[j], position, 1.0 - share, out)
    if share != 0.0:
        add_change(changes[second, surface], places.degree[j], position, share, out)


@fused_njit
def _mix(changes, neighbours, shares, out):
    """Changes of all kinds over the surface of one receptor, (kinds, rows, COLUMNS) float32."""
    out[:] = 0.0
    for k in range(NEIGHBOURS):
        share = np.float32(shares[k])
        if share != 0.0:
            for kind in range(out.shape[0]):
                some = changes[kind, neighbours[k]]
                for i in range(some.shape[0]):
                    for c in range(COLUMNS):
                        out[kind, i, c] += share * some[i, c]


@fused_njit(forceinline=True)
def _alike(neighbours, shares, r, s):
    """Whether two receptors have one surface."""
    same = True
    for k in range(NEIGHBOURS):
        same &= (neighbours[r, k] == neighbours[s, k]) and (shares[r, k] == shares[s, k])
    return same


@fused_njit
def _directly(plume, begin, end, x, y, near, n_near, sources, neighbours, shares, out, dry, counts):
    """Add sources to receptors ``begin`` to ``end``, pair by pair; those of one surface follow each other."""
    last = plume.values.shape[1] // 360 - 1.0 - 1.0e-9
    taken = np.empty(((n_near + _BATCH - 1) // _BATCH, SOURCE_ROWS, _BATCH))
    for first in range(0, n_near, _BATCH):
        _take(sources, near, first, min(_BATCH, n_near - first), taken[first // _BATCH])
    places = _empty_places()
    sums, terms = np.empty((_BATCH, STRENGTHS), dtype=np.float32), np.empty(TERMS, dtype=np.float32)
    strong = np.empty((RESPONSES, _BATCH))
    value, change = np.empty(COLUMNS, dtype=np.float32), np.empty(COLUMNS, dtype=np.float32)
    total = np.empty(COLUMNS, dtype=np.float32)
    own = np.zeros(STRENGTHS, dtype=np.float32)
    mapped, changed = plume.ground.shape[0] > 0, plume.changes.shape[0] > 0
    mixed = np.empty((plume.changes.shape[0], 1, plume.changes.shape[2], COLUMNS), dtype=np.float32)
    for r in range(begin, end):
        if changed and (r == begin or not _alike(neighbours, shares, r, r - 1)):
            _mix(plume.changes, neighbours[r], shares[r], mixed[:, 0])
        anchor = plume.anchor[neighbours[r, 0]]
        table = plume.values[plume.table[anchor]]
        if mapped:
            _ground_at(plume, x[r], y[r], own)
        for first in range(0, n_near, _BATCH):
            n = min(_BATCH, n_near - first)
            batch = taken[first // _BATCH]
            found = locate(
                x[r], y[r], batch[SX], batch[SY], batch[SQ], batch[SNEAR], n, plume.reach, plume.log_first,
                plume.per_log, last, places,
            )  # fmt: skip
            counts[r] += found
            if found == 0:
                continue
            if mapped:
                along_paths(x[r], y[r], batch[SX], batch[SY], places.weight, n, plume.ground, plume.frame, sums)
            _strengthen(plume, anchor, own, batch, n, places, sums, terms, strong)
            total[:] = 0.0
            for j in range(n):
                if places.weight[j] == 0.0:
                    continue
                interpolate(table, places.entry[j], places.share[j], strong, j, value)
                if changed:
                    change[:] = 0.0
                    _over_surface(plume, mixed, batch, places, j, 0, change)
                    before = total[1]
                    apply_change(value, change, total)
                    dry[r, _sector(places.degree[j])] += total[1] - before
                else:
                    for c in range(COLUMNS):
                        total[c] += value[c]
            for c in range(COLUMNS):
                out[r, c] += total[c]


@fused_njit(forceinline=True)
def _empty_places():
    return Places(
        np.empty(_BATCH, dtype=np.int32),
        np.empty(_BATCH),
        np.empty(_BATCH, dtype=np.int32),
        np.empty(_BATCH),
    )


@fused_njit(forceinline=True)
def _ground_at(plume, x, y, out):
    """Strengths of the ground under a point."""
    row = np.int64((plume.frame[1] - y) / plume.frame[3])
    column = np.int64((x - plume.frame[0]) / plume.frame[2])
    for m in range(STRENGTHS):
        out[m] = plume.ground[row, column, m]


@fused_njit
def _surfaces_of(plume, begin, end, x, y, neighbours, shares, local, present, own):
    """Surfaces of receptors, numbered as they occur in ``present``; mean ground under the receptors of each anchor."""
    count = 0
    local[:] = -1
    number = np.zeros(own.shape[0])
    here = np.zeros(STRENGTHS, dtype=np.float32)
    own[:] = 0.0
    for r in range(begin, end):
        for k in range(NEIGHBOURS):
            surface = neighbours[r, k]
            if shares[r, k] != 0.0 and local[surface] < 0:
                local[surface] = count
                present[count] = surface
                count += 1
        if plume.ground.shape[0] > 0:
            a = plume.anchor[neighbours[r, 0]]
            _ground_at(plume, x[r], y[r], here)
            number[a] += 1.0
            own[a] += here
    for a in range(own.shape[0]):
        if number[a] > 0.0:
            own[a] /= np.float32(number[a])
    return count


@fused_njit
def _smoothly(plume, box, begin, end, x, y, far, n_far, sources, neighbours, shares, out, dry, counts):
    """Add sources far from a tile to its receptors ``begin`` to ``end``, by interpolation between its places."""
    last = plume.values.shape[1] // 360 - 1.0 - 1.0e-9
    anchors, surfaces = plume.table.size, plume.anchor.size
    local, present = np.empty(surfaces, dtype=np.int64), np.empty(surfaces, dtype=np.int64)
    own = np.empty((anchors, STRENGTHS), dtype=np.float32)
    n_surfaces = _surfaces_of(plume, begin, end, x, y, neighbours, shares, local, present, own)
    used = np.zeros(anchors, dtype=np.bool_)
    for k in range(n_surfaces):
        used[plume.anchor[present[k]]] = True
    cx, cy = 0.5 * (box[0] + box[1]), 0.5 * (box[2] + box[3])
    hx, hy = 0.5 * (box[1] - box[0]), 0.5 * (box[3] - box[2])
    batch = np.empty((SOURCE_ROWS, _BATCH))
    places, middle = _empty_places(), _empty_places()
    sums, terms = np.empty((_BATCH, STRENGTHS), dtype=np.float32), np.empty(TERMS, dtype=np.float32)
    strong = np.empty((RESPONSES, _BATCH))
    values = np.empty((anchors, _PLACES, _BATCH, COLUMNS), dtype=np.float32)
    change, some = np.empty(COLUMNS, dtype=np.float32), np.empty((_PLACES, COLUMNS), dtype=np.float32)
    field, turned = np.zeros((n_surfaces, _PLACES, COLUMNS)), np.zeros((n_surfaces, SECTORS))
    mapped, changed = plume.ground.shape[0] > 0, plume.changes.shape[0] > 0
    for first in range(0, n_far, _BATCH):
        n = min(_BATCH, n_far - first)
        _take(sources, far, first, n, batch)
        locate(
            cx, cy, batch[SX], batch[SY], batch[SQ], batch[SNEAR], n, plume.reach, plume.log_first, plume.per_log, last,
            middle,
        )  # fmt: skip
        for p in range(_PLACES):
            px, py = cx + (p % 3 - 1) * _CHEBYSHEV * hx, cy + (p // 3 - 1) * _CHEBYSHEV * hy
            locate(
                px, py, batch[SX], batch[SY], batch[SQ], batch[SNEAR], n, plume.reach, plume.log_first, plume.per_log,
                last, places,
            )  # fmt: skip
            if mapped:
                along_paths(px, py, batch[SX], batch[SY], places.weight, n, plume.ground, plume.frame, sums)
            for a in range(anchors):
                if used[a]:
                    _strengthen(plume, a, own[a], batch, n, places, sums, terms, strong)
                    table = plume.values[plume.table[a]]
                    for j in range(n):
                        interpolate(table, places.entry[j], places.share[j], strong, j, values[a, p, j])
        for k in range(n_surfaces):
            surface = present[k]
            a = plume.anchor[surface]
            some[:] = 0.0
            for j in range(n):
                if changed:
                    change[:] = 0.0
                    _over_surface(plume, plume.changes, batch, middle, j, surface, change)
                    before = some[_MIDDLE, 1]
                    for p in range(_PLACES):
                        apply_change(values[a, p, j], change, some[p])
                    turned[k, _sector(middle.degree[j])] += some[_MIDDLE, 1] - before
                else:
                    for p in range(_PLACES):
                        for c in range(COLUMNS):
                            some[p, c] += values[a, p, j, c]
            for p in range(_PLACES):
                for c in range(COLUMNS):
                    field[k, p, c] += some[p, c]
    weights = np.empty(_PLACES)
    for r in range(begin, end):
        counts[r] += n_far
        _between((x[r] - cx) / hx if hx > 0.0 else 0.0, (y[r] - cy) / hy if hy > 0.0 else 0.0, weights)
        for k in range(NEIGHBOURS):
            if shares[r, k] != 0.0:
                number = local[neighbours[r, k]]
                at = field[number]
                for t in range(SECTORS):
                    dry[r, t] += shares[r, k] * turned[number, t]
                for p in range(_PLACES):
                    w = shares[r, k] * weights[p]
                    for c in range(COLUMNS):
                        out[r, c] += w * at[p, c]


@fused_njit(forceinline=True)
def _sector(degree):
    return (degree + 180 // SECTORS) // (360 // SECTORS) % SECTORS


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
def add_sources(tiles, x, y, neighbours, shares, sources, plume, out, dry, counts):
    """Add to ``out`` (receptors, COLUMNS) the sum over sources of one plume; tiles of a level in parallel.

    ``x``, ``y`` (receptors,) [m] in the order of the tiles; ``neighbours`` (receptors, NEIGHBOURS) surfaces between
    which each one's own is interpolated, with ``shares`` (sum 1), nearest first; ``sources`` (SOURCE_ROWS, ns): x, y
    [m], strength [g/s], distance up to which it is left out [m], two kinds, share of the second, 1 if on rough ground;
    neighbours together. ``dry`` (receptors, SECTORS): dry deposition of the primary species by wind direction is added,
    where surfaces change it. ``counts`` (receptors,) int64: pairs of each receptor are added.
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
            far, near = np.empty(ns, dtype=np.int64), np.empty(ns, dtype=np.int64)
            n_far, n_near = _choose(tiles, t, sources, boxes, plume.reach, far, near)
            begin, end = tiles.begin[t], tiles.end[t]
            if n_far > 0:
                _smoothly(
                    plume, tiles.box[t], begin, end, x, y, far, n_far, sources, neighbours, shares, out, dry, counts
                )
            if n_near > 0:
                _directly(plume, begin, end, x, y, near, n_near, sources, neighbours, shares, out, dry, counts)

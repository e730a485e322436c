"""User equilibrium by path sets: greedy gradient projection with column generation, warm from one demand to the next.

After Jayakrishnan et al. 1994 (TRR 1443) and Xie, Nie and Liu 2018 (TRR 2672(48)). Each pair of places (and class)
keeps a list of paths with their flows. In turn:

1. one early-stopped shortest-path search per origin at frozen costs gives the relative gap of the flows at hand, and
   the paths that are cheaper than all of a pair's set join it;
2. sweeps over the pairs move flow from dearer paths to the cheapest by the Newton step
   ``df = (c_k - c_s) / sum of t' over the arcs of just one of the two``, link costs following at once.

Searches run on threads over the origins of a fixed batch, each writing its own tree; flows are moved serially: results
do not depend on the number of threads.

Arrays of :class:`PathStore`: ``pair`` counts (class, origin, destination) rows of demand, sorted by row = (class,
origin); paths are linked lists in a pool with a free list; their arcs lie in one array that is packed when full.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.traffic.cost import term
from kernels.traffic.shortest_path import search

__all__ = ["BATCH", "SLOTS", "PathStore", "grown", "load_paths", "packed", "price", "refresh", "scale_flows", "sweep"]

BATCH = 16  # rows whose trees are searched at the same costs
SLOTS = 4  # scratch sets of searches; fixed, so that nothing depends on the number of threads
DEARER = 1.0 - 1e-13  # a new path joins where it is cheaper than the set by more than rounding
FREE, PATHS, ARCS, STAMP = 0, 1, 2, 3  # places in ``counter``


class PathStore(NamedTuple):
    """Network, demand, path sets and workspace; see the module and :func:`kernels.traffic.equilibrium.build`."""

    start: np.ndarray  # (node + 1) arcs by tail
    head: np.ndarray  # (arc)
    tail: np.ndarray  # (arc)
    through: np.ndarray  # (node)
    base: np.ndarray  # (arc) constant travel time
    term_start: np.ndarray  # (arc + 1)
    kind: np.ndarray  # (term)
    k: np.ndarray
    p: np.ndarray
    scale: np.ndarray
    extra: np.ndarray  # (class, arc) constant cost of the class; inf = closed
    pce: np.ndarray  # (class)
    row_source: np.ndarray  # (row) node
    row_class: np.ndarray  # (row)
    row_start: np.ndarray  # (row + 1) pairs
    pair_row: np.ndarray  # (pair)
    pair_node: np.ndarray  # (pair) destination
    demand: np.ndarray  # (pair)
    lost: np.ndarray  # (pair) demand without a path
    first: np.ndarray  # (pair) first path, -1 where none
    following: np.ndarray  # (path)
    flow: np.ndarray  # (path)
    begin: np.ndarray  # (path)
    size: np.ndarray  # (path)
    path_cost: np.ndarray  # (path)
    arcs: np.ndarray  # pool of arcs
    counter: np.ndarray  # first free path, paths ever used, end of the arc pool, stamp
    volume: np.ndarray  # (arc) flow in passenger-car equivalents
    slope: np.ndarray  # (arc)
    cost: np.ndarray  # (class, arc)
    mark: np.ndarray  # (arc)
    mark_other: np.ndarray  # (arc)
    label: np.ndarray  # (batch, node)
    before: np.ndarray  # (batch, node)
    wanted: np.ndarray  # (slot, node)
    heap_key: np.ndarray  # (slot, arc + 2)
    heap_item: np.ndarray  # (slot, arc + 2)
    totals: np.ndarray  # cost of the flows, least cost of the demand, pairs newly loaded, new paths


@njit
def _update_arc(s, a):
    """Travel time, slope and class costs of arc a at its volume."""
    t = s.base[a]
    d = 0.0
    x = max(s.volume[a], 0.0)
    for e in range(s.term_start[a], s.term_start[a + 1]):
        y, g = term(s.kind[e], s.k[e], s.p[e], s.scale[e], x)
        t += y
        d += g
    s.slope[a] = d
    for m in range(s.cost.shape[0]):
        s.cost[m, a] = t + s.extra[m, a]


@njit
def _search_row(s, row, slot, b):
    """Tree of one row at the costs at hand, into place b of the batch."""
    wanted = s.wanted[slot]
    missing = 0
    stamp = row + 1
    for e in range(s.row_start[row], s.row_start[row + 1]):
        if s.demand[e] > 0.0 and wanted[s.pair_node[e]] != stamp:
            wanted[s.pair_node[e]] = stamp
            missing += 1
    if missing > 0:
        search(
            s.start,
            s.head,
            s.cost[s.row_class[row]],
            s.through,
            s.row_source[row],
            wanted,
            stamp,
            missing,
            s.label[b],
            s.before[b],
            s.heap_key[slot],
            s.heap_item[slot],
        )


@njit
def _search_slot(s, row0, row1, slot):
    """Trees of every ``SLOTS``-th row of the batch row0..row1."""
    s.wanted[slot][:] = 0
    for row in range(row0 + slot, row1, s.wanted.shape[0]):
        _search_row(s, row, slot, row - row0)


@pnjit
def _search_batch(s, row0, row1):
    """Trees of rows row0..row1 at the costs at hand; rows go to slots in fixed strides."""
    for slot in prange(s.wanted.shape[0]):
        _search_slot(s, row0, row1, slot)


@njit
def _new_path(s, e, before, source):
    """Append the tree's path to pair e; -1 where the pools are full."""
    counter = s.counter
    length = 0
    v = s.pair_node[e]
    while v != source:
        v = s.tail[before[v]]
        length += 1
    if counter[ARCS] + length > len(s.arcs):
        return -1
    if counter[FREE] >= 0:
        path = counter[FREE]
        counter[FREE] = s.following[path]
    elif counter[PATHS] < len(s.flow):
        path = counter[PATHS]
        counter[PATHS] += 1
    else:
        return -1
    end = counter[ARCS] + length
    s.begin[path] = counter[ARCS]
    s.size[path] = length
    counter[ARCS] = end
    v = s.pair_node[e]
    while v != source:
        end -= 1
        s.arcs[end] = before[v]
        v = s.tail[before[v]]
    s.flow[path] = 0.0
    s.following[path] = s.first[e]
    s.first[e] = path
    return path


@njit
def _columns(s, e0, e1, row0, moving):
    """Price pairs e0..e1 against their trees and let cheaper paths in; first pair not treated (pools full).

    ``moving``: shift flow pair by pair, so that costs differ from those of the trees.
    """
    for e in range(e0, e1):
        q = s.demand[e]
        if q <= 0.0:
            continue
        row = s.pair_row[e]
        b = row - row0
        m = s.row_class[row]
        cost = s.cost[m]
        source = s.row_source[row]
        least = s.label[b, s.pair_node[e]]
        if least == np.inf:
            s.lost[e] = True
            continue
        s.lost[e] = False
        path = s.first[e]
        if path < 0:
            path = _new_path(s, e, s.before[b], source)
            if path < 0:
                return e
            s.flow[path] = q
            s.totals[2] += 1.0
            for i in range(s.begin[path], s.begin[path] + s.size[path]):
                a = s.arcs[i]
                s.volume[a] += q * s.pce[m]
                if moving:
                    _update_arc(s, a)
            continue
        cheapest = np.inf
        total = 0.0
        while path >= 0:
            c = 0.0
            for i in range(s.begin[path], s.begin[path] + s.size[path]):
                c += cost[s.arcs[i]]
            s.path_cost[path] = c
            total += s.flow[path] * c
            cheapest = min(cheapest, c)
            path = s.following[path]
        if moving:
            least = 0.0
            v = s.pair_node[e]
            while v != source:
                least += cost[s.before[b, v]]
                v = s.tail[s.before[b, v]]
        if least < cheapest * DEARER:
            path = _new_path(s, e, s.before[b], source)
            if path < 0:
                return e
            s.totals[3] += 1.0
        s.totals[0] += s.pce[m] * total
        s.totals[1] += s.pce[m] * q * min(least, cheapest)
        if moving and s.following[s.first[e]] >= 0:
            _shift(s, e, 0.0)
    return e1


@njit
def _pair_difference(s, cost, k, best, token_k, token_best):
    """Cost of path k less that of ``best`` and sum of slopes, over the arcs of just one of them."""
    gain = 0.0
    steep = 0.0
    for i in range(s.begin[k], s.begin[k] + s.size[k]):
        a = s.arcs[i]
        if s.mark[a] != token_best:
            gain += cost[a]
            steep += s.slope[a]
    for i in range(s.begin[best], s.begin[best] + s.size[best]):
        a = s.arcs[i]
        if s.mark_other[a] != token_k:
            gain -= cost[a]
            steep += s.slope[a]
    return gain, steep


@njit
def _move(s, k, best, token_k, token_best, cars):
    """Move ``cars`` (passenger-car equivalents) from path k to ``best``, costs of the arcs that differ following."""
    for i in range(s.begin[k], s.begin[k] + s.size[k]):
        a = s.arcs[i]
        if s.mark[a] != token_best:
            s.volume[a] = max(s.volume[a] - cars, 0.0)
            _update_arc(s, a)
    for i in range(s.begin[best], s.begin[best] + s.size[best]):
        a = s.arcs[i]
        if s.mark_other[a] != token_k:
            s.volume[a] = max(s.volume[a] + cars, 0.0)
            _update_arc(s, a)


@njit
def _shift(s, e, floor):
    """Equilibrate the paths of pair e; its excess cost before. ``floor``: relative spread that is left alone."""
    m = s.row_class[s.pair_row[e]]
    cost = s.cost[m]
    pce = s.pce[m]
    best = -1
    worst = 0.0
    k = s.first[e]
    while k >= 0:
        c = 0.0
        for i in range(s.begin[k], s.begin[k] + s.size[k]):
            c += cost[s.arcs[i]]
        s.path_cost[k] = c
        if best < 0 or c < s.path_cost[best]:
            best = k
        worst = max(worst, c)
        k = s.following[k]
    least = s.path_cost[best]
    excess = 0.0
    k = s.first[e]
    while k >= 0:
        excess += s.flow[k] * (s.path_cost[k] - least)
        k = s.following[k]
    if worst - least <= floor * least:
        return excess
    s.counter[STAMP] += 1
    token_best = s.counter[STAMP]
    for i in range(s.begin[best], s.begin[best] + s.size[best]):
        s.mark[s.arcs[i]] = token_best
    last = -1
    k = s.first[e]
    while k >= 0:
        following = s.following[k]
        if k != best:
            s.counter[STAMP] += 1
            token_k = s.counter[STAMP]
            for i in range(s.begin[k], s.begin[k] + s.size[k]):
                s.mark_other[s.arcs[i]] = token_k
            gain, steep = _pair_difference(s, cost, k, best, token_k, token_best)
            for _ in range(3):
                if gain > 0.0:
                    df = s.flow[k] if s.flow[k] * pce * steep <= gain else gain / (pce * steep)
                else:
                    df = -s.flow[best] if -s.flow[best] * pce * steep >= gain else gain / (pce * steep)
                if df == 0.0:
                    break
                _move(s, k, best, token_k, token_best, df * pce)
                s.flow[k] = max(s.flow[k] - df, 0.0)
                s.flow[best] = max(s.flow[best] + df, 0.0)
                was = gain
                gain, steep = _pair_difference(s, cost, k, best, token_k, token_best)
                if abs(gain) <= 0.25 * abs(was):
                    break
            if s.flow[k] == 0.0 and gain >= 0.0:
                if last < 0:
                    s.first[e] = following
                else:
                    s.following[last] = following
                s.following[k] = s.counter[FREE]
                s.counter[FREE] = k
                k = following
                continue
        last = k
        k = following
    return excess


@njit
def sweep(s, floor):
    """Equilibrate each pair over the paths at hand; total excess cost that the pairs had when their turn came."""
    total = 0.0
    for e in range(len(s.first)):
        k = s.first[e]
        if k >= 0 and s.demand[e] > 0.0 and s.following[k] >= 0:
            total += s.pce[s.row_class[s.pair_row[e]]] * _shift(s, e, floor)
    return total


@njit
def refresh(s):
    """Arc volumes from the path flows, and all costs: no rounding of many small moves is carried on."""
    s.volume[:] = 0.0
    for e in range(len(s.first)):
        q = s.demand[e]
        k = s.first[e]
        if k < 0 or q <= 0.0:
            continue
        total = 0.0
        while k >= 0:
            total += s.flow[k]
            k = s.following[k]
        factor = q / total
        pce = s.pce[s.row_class[s.pair_row[e]]]
        k = s.first[e]
        while k >= 0:
            s.flow[k] *= factor
            for i in range(s.begin[k], s.begin[k] + s.size[k]):
                s.volume[s.arcs[i]] += pce * s.flow[k]
            k = s.following[k]
    for a in range(len(s.volume)):
        _update_arc(s, a)


@njit
def scale_flows(s, demand):
    """Take a new demand (pair): path flows keep their proportions."""
    for e in range(len(s.first)):
        k = s.first[e]
        q = demand[e]
        if k >= 0 and q > 0.0:
            total = 0.0
            while k >= 0:
                total += s.flow[k]
                k = s.following[k]
            k = s.first[e]
            if total > 0.0:
                while k >= 0:
                    s.flow[k] *= q / total
                    k = s.following[k]
            else:
                s.flow[k] = q
        s.demand[e] = q


@njit
def packed(s, arcs):
    """Copy the arcs of the paths in use, pair by pair, into the pool ``arcs``."""
    end = 0
    for e in range(len(s.first)):
        k = s.first[e]
        while k >= 0:
            for i in range(s.size[k]):
                arcs[end + i] = s.arcs[s.begin[k] + i]
            s.begin[k] = end
            end += s.size[k]
            k = s.following[k]
    s.counter[ARCS] = end


def grown(s: PathStore) -> PathStore:
    """The store with room for more: arcs packed, pools enlarged where they are more than half full."""
    arcs = np.empty_like(s.arcs)
    packed(s, arcs)
    if s.counter[ARCS] > len(arcs) // 2:
        arcs = np.concatenate([arcs, np.empty(len(arcs), arcs.dtype)])
    s = s._replace(arcs=arcs)
    if s.counter[FREE] < 0 and s.counter[PATHS] > len(s.flow) // 2:
        more = {n: getattr(s, n) for n in ("following", "flow", "begin", "size", "path_cost")}
        s = s._replace(**{n: np.concatenate([v, np.zeros_like(v)]) for n, v in more.items()})
    return s


def price(s: PathStore, moving: bool) -> PathStore:
    """One pass of searches over all rows; ``s.totals`` then holds what the flows cost and what they might.

    At frozen costs (``moving=False``) the totals are those of the flows at hand, unless pairs were newly loaded.
    """
    s.totals[:] = 0.0
    rows = len(s.row_source)
    for row0 in range(0, rows, BATCH):
        row1 = min(row0 + BATCH, rows)
        _search_batch(s, row0, row1)
        e, end = int(s.row_start[row0]), int(s.row_start[row1])
        while True:
            e = _columns(s, e, end, row0, moving)
            if e == end:
                break
            s = grown(s)
    return s


@njit
def load_paths(s, weight, out):
    """Add to ``out`` (class, arc) the path flows of each pair times ``weight`` (pair)."""
    for e in range(len(s.first)):
        if s.demand[e] <= 0.0 or weight[e] == 0.0:
            continue
        m = s.row_class[s.pair_row[e]]
        k = s.first[e]
        while k >= 0:
            f = s.flow[k] * weight[e]
            for i in range(s.begin[k], s.begin[k] + s.size[k]):
                out[m, s.arcs[i]] += f
            k = s.following[k]

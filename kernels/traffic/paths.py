"""User equilibrium by path sets: greedy gradient projection with column generation, warm from one demand to the next.

After Jayakrishnan et al. 1994 (TRR 1443) and Xie, Nie and Liu 2018 (TRR 2672(48)). Each pair of places (and class)
keeps a list of paths with their flows. In turn:

1. one pass of shortest paths prices every pair against its paths; those that are cheaper than all of a pair's set
   join it. At frozen costs this gives the relative gap of the flows at hand; a *moving* pass shifts flow and costs
   after each block of rows instead, and gives an estimate;
2. sweeps over the pairs move flow from dearer paths to the cheapest by the Newton step
   ``df = (c_k - c_s) / sum of t' over the arcs of just one of the two``, link costs following at once.

Shortest paths come from a contraction hierarchy (:mod:`kernels.traffic.hierarchy`), from Dijkstra's algorithm where
the network has none. Pricing runs on threads over fixed sets of rows at frozen costs; new paths join and flows move
serially, in the order of the pairs: results do not depend on the number of threads.

Arrays of :class:`PathStore`: ``pair`` counts (class, origin, destination) rows of demand, sorted by row = (class,
origin); up to ``LANES`` rows of a class form a group that is searched at once; paths are linked lists in a pool with a
free list; their arcs lie in one array that is packed when full.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.traffic.cost import term_of
from kernels.traffic.hierarchy import Hierarchy, customise, spread, trace
from kernels.traffic.shortest_path import search

__all__ = [
    "BLOCKS",
    "CLOSE",
    "SLOTS",
    "PathStore",
    "grown",
    "load_paths",
    "packed",
    "price",
    "refresh",
    "scale_flows",
    "sweep",
    "update_arc",
    "workspace",
]

BLOCKS = 4  # of groups in a pass, each priced at the same costs
SLOTS = 4  # sets of scratch arrays; fixed, so that nothing depends on the number of threads
CLOSE = 1e-6  # share by which a path without flow may be dearer than the cheapest before it leaves the set
DEARER = 1.0 - 1e-13  # a new path joins where it is cheaper than the set by more than rounding
FREE, PATHS, ARCS, STAMP, BLOCK, PRICED = 0, 1, 2, 3, 4, 5  # places in ``counter``


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
    shift: np.ndarray  # flow on fixed routes
    table: np.ndarray  # (row, 3, knot) of tabulated terms
    extra: np.ndarray  # (class, arc) constant cost of the class; inf = closed
    pce: np.ndarray  # (class)
    row_source: np.ndarray  # (row) node
    row_class: np.ndarray  # (row)
    row_start: np.ndarray  # (row + 1) pairs
    group_start: np.ndarray  # (group + 1) rows
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
    column_path: np.ndarray  # (path) and below: workspace of :mod:`kernels.traffic.newton`
    column_basic: np.ndarray  # (path)
    column_start: np.ndarray  # (path + 1)
    column_turn: np.ndarray  # (path)
    column_pce: np.ndarray  # (path)
    work: np.ndarray  # (6, path)
    apart: np.ndarray  # pool of arcs
    ahead: np.ndarray  # (arc)
    term_now: np.ndarray  # (arc)
    arcs: np.ndarray  # pool of arcs
    counter: np.ndarray  # first free path, paths ever used, end of the arc pool, stamp, block at hand, is it priced
    volume: np.ndarray  # (arc) flow in passenger-car equivalents
    slope: np.ndarray  # (arc)
    cost: np.ndarray  # (class, arc)
    mark: np.ndarray  # (arc)
    mark_other: np.ndarray  # (arc)
    priced: np.ndarray  # (row) first pair that is still to be priced
    row_cost: np.ndarray  # (row) cost of the flows
    row_least: np.ndarray  # (row) least cost of the demand
    new_begin: np.ndarray  # (pair) place of its new path in the slot's arcs
    new_size: np.ndarray  # (pair) arcs of its new path, 0 where none
    new_arcs: np.ndarray  # (slot, arcs) and below: scratch of the searches
    new_room: np.ndarray  # (slot) end of what is free in ``new_arcs``
    climbed: np.ndarray  # (slot, place, lane)
    label: np.ndarray  # (slot, place, lane), or (slot, node, 1) without a hierarchy
    on_climb: np.ndarray  # (slot, place)
    stack: np.ndarray  # (slot, place + 2)
    before: np.ndarray  # (slot, node) and below: of Dijkstra's algorithm
    wanted: np.ndarray  # (slot, node)
    heap_key: np.ndarray  # (slot, arc + 2)
    heap_item: np.ndarray  # (slot, arc + 2)
    totals: np.ndarray  # cost of the flows, least cost of the demand, pairs newly loaded, new paths


@njit(inline="always")  # a call would copy the whole store
def update_arc(s, a):
    """Travel time, slope and class costs of arc a at its volume."""
    t = s.base[a]
    d = 0.0
    x = max(s.volume[a], 0.0)
    for e in range(s.term_start[a], s.term_start[a + 1]):
        y, g = term_of(s, e, x)
        t += y
        d += g
    s.slope[a] = d
    for m in range(s.cost.shape[0]):
        s.cost[m, a] = t + s.extra[m, a]


@njit
def _search_row(s, row, slot):
    """Tree of one row at the costs at hand by Dijkstra's algorithm."""
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
            s.label[slot, :, 0],
            s.before[slot],
            s.heap_key[slot],
            s.heap_item[slot],
        )
    for e in range(s.row_start[row], s.row_start[row + 1]):
        wanted[s.pair_node[e]] = 0  # the next pass asks anew


@njit
def _trace_back(tail, source, target, before, out, end):
    """Arcs of the path of a tree, written to end before ``end``; where they begin, -1 where they do not fit."""
    v = target
    while v != source:
        if end == 0:
            return -1
        end -= 1
        out[end] = before[v]
        v = tail[before[v]]
    return end


@njit
def _price_row(s, h, row, slot, lane):
    """Price the pairs of a row against its search, and write down cheaper paths; False where there is no room."""
    hierarchic = len(h.place) > 0
    m = s.row_class[row]
    cost = s.cost[m]
    source = s.row_source[row]
    label = s.label[slot]
    spent = s.row_cost[row]
    possible = s.row_least[row]
    done = True
    for e in range(s.priced[row], s.row_start[row + 1]):
        q = s.demand[e]
        node = s.pair_node[e]
        if q <= 0.0 or node == source:
            continue
        least = label[h.place[node], lane] if hierarchic else label[node, lane]
        s.lost[e] = least == np.inf
        if s.lost[e]:
            continue
        cheapest = np.inf
        total = 0.0
        path = s.first[e]
        while path >= 0:
            c = 0.0
            for i in range(s.begin[path], s.begin[path] + s.size[path]):
                c += cost[s.arcs[i]]
            total += s.flow[path] * c
            cheapest = min(cheapest, c)
            path = s.following[path]
        if least < cheapest * DEARER:
            room = s.new_room[slot]
            if hierarchic:
                begin = trace(
                    h,
                    m,
                    source,
                    node,
                    lane,
                    s.climbed[slot],
                    label,
                    s.on_climb[slot],
                    s.stack[slot],
                    s.new_arcs[slot],
                    room,
                )
            else:
                begin = _trace_back(s.tail, source, node, s.before[slot], s.new_arcs[slot], room)
            if begin < 0:
                s.priced[row] = e
                done = False
                break
            s.new_begin[e] = begin
            s.new_size[e] = room - begin
            s.new_room[slot] = begin
        spent += total
        possible += q * min(least, cheapest)
    s.row_cost[row] = spent
    s.row_least[row] = possible
    if done:
        s.priced[row] = s.row_start[row + 1]
    return done


@njit
def _price_slot(s, h, group0, group1, slot):
    """Search and price every ``SLOTS``-th group of group0..group1, as far as there is room for new paths."""
    s.new_room[slot] = s.new_arcs.shape[1]
    for group in range(group0 + slot, group1, s.new_arcs.shape[0]):
        row0 = s.group_start[group]
        row1 = s.group_start[group + 1]
        if s.priced[row1 - 1] == s.row_start[row1]:
            continue
        if len(h.place) > 0:
            m = s.row_class[row0]
            spread(h, m, s.row_source[row0:row1], s.climbed[slot], s.label[slot], s.on_climb[slot])
        for row in range(row0, row1):
            if s.priced[row] == s.row_start[row + 1]:
                continue
            if len(h.place) == 0:
                _search_row(s, row, slot)
            if not _price_row(s, h, row, slot, row - row0 if len(h.place) > 0 else 0):
                return


@pnjit
def _price_groups(s, h, group0, group1):
    """Search and price the groups group0..group1 at the costs at hand."""
    for slot in prange(s.new_arcs.shape[0]):
        _price_slot(s, h, group0, group1, slot)


@njit
def _join(s, e, slot):
    """The new path of pair e joins its set."""
    counter = s.counter
    path = counter[FREE]
    if path >= 0:
        counter[FREE] = s.following[path]
    else:
        path = counter[PATHS]
        counter[PATHS] += 1
    begin = counter[ARCS]
    size = s.new_size[e]
    s.begin[path] = begin
    s.size[path] = size
    counter[ARCS] += size
    for i in range(size):
        s.arcs[begin + i] = s.new_arcs[slot, s.new_begin[e] + i]
    s.new_size[e] = 0
    s.flow[path] = 0.0
    s.following[path] = s.first[e]
    s.first[e] = path
    return path


@njit
def _fits(s, row0, row1):
    """Whether the pools have room for the new paths of rows row0..row1."""
    paths = 0
    arcs = 0
    for e in range(s.row_start[row0], s.row_start[row1]):
        paths += s.new_size[e] > 0
        arcs += s.new_size[e]
    return s.counter[PATHS] + paths <= len(s.flow) and s.counter[ARCS] + arcs <= len(s.arcs)


@njit
def _let_in(s, group0, group1, moving):
    """New paths of the groups group0..group1 join their sets; ``moving``: flow shifts to them."""
    for group in range(group0, group1):
        slot = (group - group0) % s.new_arcs.shape[0]
        for row in range(s.group_start[group], s.group_start[group + 1]):
            cars = s.pce[s.row_class[row]]
            for e in range(s.row_start[row], s.row_start[row + 1]):
                if s.new_size[e] > 0:
                    path = _join(s, e, slot)
                    if s.following[path] >= 0:
                        s.totals[3] += 1.0
                    else:
                        s.totals[2] += 1.0
                        s.flow[path] = s.demand[e]
                        for i in range(s.begin[path], s.begin[path] + s.size[path]):
                            s.volume[s.arcs[i]] += cars * s.demand[e]
                if moving and s.first[e] >= 0 and s.demand[e] > 0.0 and s.following[s.first[e]] >= 0:
                    _shift(s, e, 0.0, CLOSE)


@njit
def _pass(s, h, moving):
    """Price all blocks from the one at hand on; False where the pools must grow first."""
    counter = s.counter
    groups = len(s.group_start) - 1
    blocks = min(BLOCKS, groups)
    while counter[BLOCK] < blocks:
        group0 = counter[BLOCK] * groups // blocks
        group1 = (counter[BLOCK] + 1) * groups // blocks
        row0 = s.group_start[group0]
        row1 = s.group_start[group1]
        if len(h.place) > 0 and not counter[PRICED]:
            last = -1 if moving or group0 == 0 else s.row_class[row0 - 1]
            for m in range(max(last + 1, s.row_class[row0]), s.row_class[row1 - 1] + 1):
                customise(h, m, s.cost[m])
        loaded = s.totals[2]
        while True:
            if not counter[PRICED]:
                _price_groups(s, h, group0, group1)
                counter[PRICED] = 1
            if not _fits(s, row0, row1):
                return False
            _let_in(s, group0, group1, moving)
            counter[PRICED] = 0
            if np.all(s.priced[row0:row1] == s.row_start[row0 + 1 : row1 + 1]):
                break
        if moving and s.totals[2] > loaded:
            for a in range(len(s.volume)):
                update_arc(s, a)
        counter[BLOCK] += 1
    for row in range(len(s.row_source)):
        cars = s.pce[s.row_class[row]]
        s.totals[0] += cars * s.row_cost[row]
        s.totals[1] += cars * s.row_least[row]
    return True


@njit(inline="always")  # a call would copy the whole store
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


@njit(inline="always")  # a call would copy the whole store
def _move(s, k, best, token_k, token_best, cars):
    """Move ``cars`` (passenger-car equivalents) from path k to ``best``, costs of the arcs that differ following."""
    for i in range(s.begin[k], s.begin[k] + s.size[k]):
        a = s.arcs[i]
        if s.mark[a] != token_best:
            s.volume[a] = max(s.volume[a] - cars, 0.0)
            update_arc(s, a)
    for i in range(s.begin[best], s.begin[best] + s.size[best]):
        a = s.arcs[i]
        if s.mark_other[a] != token_k:
            s.volume[a] = max(s.volume[a] + cars, 0.0)
            update_arc(s, a)


@njit(inline="always")  # a call would copy the whole store
def _shift(s, e, floor, drop):
    """Equilibrate the paths of pair e; its excess cost before.

    ``floor``: relative spread that is left alone; ``drop``: paths without flow that are dearer by this share leave.
    """
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
            if s.flow[k] == 0.0 and gain >= drop * least:
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
def sweep(s, floor, drop):
    """Equilibrate each pair over the paths at hand; total excess cost that the pairs had when their turn came.

    ``drop``: paths without flow that are dearer by this share leave the set.
    """
    total = 0.0
    for e in range(len(s.first)):
        k = s.first[e]
        if k >= 0 and s.demand[e] > 0.0 and s.following[k] >= 0:
            total += s.pce[s.row_class[s.pair_row[e]]] * _shift(s, e, floor, drop)
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
        update_arc(s, a)


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


def workspace(paths: int) -> dict[str, np.ndarray]:
    """Arrays of :mod:`kernels.traffic.newton` for so many paths."""
    return {
        "column_path": np.zeros(paths, np.int32),
        "column_basic": np.zeros(paths, np.int32),
        "column_start": np.zeros(paths + 1, np.int64),
        "column_turn": np.zeros(paths, np.int64),
        "column_pce": np.zeros(paths),
        "work": np.zeros((6, paths)),
    }


def grown(s: PathStore) -> PathStore:
    """The store with room for the new paths that wait: arcs packed, pools at least doubled where too small."""
    arcs = np.empty_like(s.arcs)
    packed(s, arcs)
    wanted = int(s.counter[ARCS] + s.new_size.sum())
    if 2 * wanted > len(arcs):
        arcs = np.concatenate([arcs, np.empty(max(wanted, len(arcs)), arcs.dtype)])
    s = s._replace(arcs=arcs)
    wanted = int(s.counter[PATHS] + np.count_nonzero(s.new_size))
    if wanted > len(s.flow):
        more = {n: getattr(s, n) for n in ("following", "flow", "begin", "size", "path_cost")}
        s = s._replace(**{n: np.concatenate([v, np.zeros(wanted, v.dtype)]) for n, v in more.items()})
        s = s._replace(**workspace(len(s.flow)))
    return s


def price(s: PathStore, h: Hierarchy, moving: bool) -> PathStore:
    """One pass over all rows; ``s.totals`` then holds what the flows cost and what they might.

    At frozen costs (``moving=False``) the totals are those of the flows at hand, unless pairs were newly loaded.
    """
    s.totals[:] = 0.0
    s.row_cost[:] = 0.0
    s.row_least[:] = 0.0
    s.priced[:] = s.row_start[:-1]
    s.counter[BLOCK] = 0
    while not _pass(s, h, moving):
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

"""Shortest paths from many origins by a customisable contraction hierarchy, eight origins abreast.

After Dibbelt, Strasser and Wagner 2016 (ACM J. Exp. Algorithmics 21, 1.5). Nodes are eliminated once, those with the
fewest neighbours first (Markowitz 1957), and the neighbours of an eliminated node are joined to one another: what
remains is a chordal graph of *places* in which every shortest path first climbs and then descends. New costs are
brought in by one pass over its triangles (``customise``). A search (``spread``) climbs from its origins and then sweeps
all places downwards (Delling et al. 2013, PHAST), the labels of ``LANES`` origins side by side so that one vector
instruction serves them all. Paths are found back from the labels (``trace``) where they are wanted.

Nodes that paths may not pass come first in the order and join nobody. The others are put in order subtree by subtree of
the elimination tree (Liu 1990, SIAM J. Matrix Anal. 11(1)): neighbours are near in memory, and new costs come in on
several subtrees side by side, each with edges of its own and a copy of those among the places on top of all.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit, pnjit, prange

__all__ = ["LANES", "Hierarchy", "build_hierarchy", "customise", "spread", "trace"]

LANES = 8  # origins searched abreast: a cache line of labels
PARTS = 4  # sets of subtrees that costs come in on side by side; fixed, whatever the number of threads
LARGEST = 0.3  # share of the triangles that a subtree may have at most; what is above is on top
FREE = -(2**31)  # in ``via``: an edge of no arc and no cost


class Hierarchy(NamedTuple):
    """Edges from each place to higher ones: those of place v are ``start[v]:start[v + 1]``, heads ascending.

    ``place`` (node, int32); ``head``, ``foot`` (edge, int32) higher and lower end; ``lower_start`` (place + 1),
    ``lower`` (edge, int32) the edges by their head; ``edge`` (arc, int32) the edge of each arc, ``climbs`` (arc, bool)
    whether it leads up; ``free`` (edge, ...) edges that cost nothing downwards; ``closing`` (triangle, int32) the third
    edge of each pair of edges of a place that may be passed; ``barred`` (1) places that may not be passed, the first
    ones; ``part``, ``part_triangle`` (part + 1) first place and triangle of each set of subtrees, then of what is on
    top; ``aside`` (part, 2, edge on top) [time], ``aside_via`` scratch of :func:`customise`. By
    (class, edge): ``up``, ``down`` [time] least cost between the ends, ``up_via``, ``down_via`` (int32) the arc a as
    ``-1 - a`` or the edge from the place between to the foot. Empty where ``place`` has length 0.
    """

    place: np.ndarray
    start: np.ndarray
    head: np.ndarray
    foot: np.ndarray
    lower_start: np.ndarray
    lower: np.ndarray
    edge: np.ndarray
    climbs: np.ndarray
    free: np.ndarray
    closing: np.ndarray
    barred: np.ndarray
    part: np.ndarray
    part_triangle: np.ndarray
    aside: np.ndarray
    aside_via: np.ndarray
    up: np.ndarray
    down: np.ndarray
    up_via: np.ndarray
    down_via: np.ndarray


@njit
def _neighbours(tail, head, nodes):
    """Distinct neighbours of each node, ascending: (start, neighbour)."""
    count = np.zeros(nodes + 1, np.int64)
    for a in range(len(tail)):
        count[tail[a] + 1] += 1
        count[head[a] + 1] += 1
    for u in range(nodes):
        count[u + 1] += count[u]
    fill = count[:-1].copy()
    other = np.empty(2 * len(tail), np.int32)
    for a in range(len(tail)):
        other[fill[tail[a]]] = head[a]
        fill[tail[a]] += 1
        other[fill[head[a]]] = tail[a]
        fill[head[a]] += 1
    start = np.zeros(nodes + 1, np.int64)
    end = 0
    for u in range(nodes):
        # short lists: sorted by insertion
        first = count[u]
        for i in range(first + 1, count[u + 1]):
            v = other[i]
            k = i
            while k > first and other[k - 1] > v:
                other[k] = other[k - 1]
                k -= 1
            other[k] = v
        last = -1
        for i in range(first, count[u + 1]):
            if other[i] != last:
                last = other[i]
                other[end] = last
                end += 1
        start[u + 1] = end
    return start, other[:end].copy()


@njit
def _eliminate(start, neighbour, barred, limit):
    """Order of elimination, and of each node its neighbours at that time: (order, begin, size, pool, triangles).

    ``barred`` (node, bool) nodes come first and join nobody: of them only edges to others are in ``neighbour``. Stops
    where the triangles are more than ``limit``.
    """
    n = len(start) - 1
    begin = start[:-1].copy()
    size = start[1:] - start[:-1]
    room = size.copy()
    pool = np.empty(4 * len(neighbour) + 64, np.int32)
    end = len(neighbour)
    pool[:end] = neighbour
    joined = np.empty(n, np.int32)
    # nodes in doubly linked lists by their number of neighbours
    first = np.full(n + 1, -1, np.int32)
    after = np.full(n, -1, np.int32)
    before = np.full(n, -1, np.int32)
    order = np.empty(n, np.int32)
    count = 0
    for u in range(n):
        if barred[u]:
            order[count] = u
            count += 1
    for u in range(n - 1, -1, -1):
        if not barred[u]:
            d = size[u]
            after[u] = first[d]
            if first[d] >= 0:
                before[first[d]] = u
            first[d] = u
    triangles = 0
    fewest = 0
    while count < n:
        while first[fewest] < 0:
            fewest += 1
        d = fewest
        v = first[d]
        first[d] = after[v]
        if after[v] >= 0:
            before[after[v]] = -1
        order[count] = v
        count += 1
        triangles += d * (d - 1) // 2
        if triangles > limit:
            break
        for x in range(begin[v], begin[v] + d):
            u = pool[x]
            i = begin[u]
            i_end = i + size[u]
            j = begin[v]
            j_end = j + d
            c = 0
            while i < i_end and j < j_end:
                a = pool[i]
                b = pool[j]
                w = min(a, b)
                i += a <= b
                j += b <= a
                joined[c] = w
                c += w != u and w != v
            while i < i_end:
                joined[c] = pool[i]
                c += pool[i] != v
                i += 1
            while j < j_end:
                joined[c] = pool[j]
                c += pool[j] != u
                j += 1
            if c > room[u]:
                room[u] = 2 * c
                if end + room[u] > len(pool):
                    longer = np.empty(2 * len(pool) + room[u], np.int32)
                    longer[:end] = pool[:end]
                    pool = longer
                begin[u] = end
                end += room[u]
            pool[begin[u] : begin[u] + c] = joined[:c]
            if c != size[u]:
                if before[u] >= 0:
                    after[before[u]] = after[u]
                else:
                    first[size[u]] = after[u]
                if after[u] >= 0:
                    before[after[u]] = before[u]
                size[u] = c
                before[u] = -1
                after[u] = first[c]
                if first[c] >= 0:
                    before[first[c]] = u
                first[c] = u
                fewest = min(fewest, c)
    return order, begin, size, pool, triangles


@njit
def _by_subtree(order, begin, size, pool, barred):
    """The order subtree by subtree, those of one part together, and the first place of each part and of the top."""
    n = len(order)
    place = np.empty(n, np.int32)
    for v in range(n):
        place[order[v]] = v
    parent = np.full(n, -1, np.int32)
    weight = np.zeros(n)
    places = np.ones(n, np.int32)
    total = 0.0
    for v in range(barred, n):
        u = order[v]
        for k in range(begin[u], begin[u] + size[u]):
            if parent[v] < 0 or place[pool[k]] < parent[v]:
                parent[v] = place[pool[k]]
        own = size[u] * (size[u] - 1) // 2
        total += own
        weight[v] += own
        if parent[v] >= 0:
            weight[parent[v]] += weight[v]
            places[parent[v]] += places[v]
    # the largest subtrees first, each to the part that has least
    root = np.zeros(n, np.bool_)
    for v in range(barred, n):
        root[v] = weight[v] <= LARGEST * total and (parent[v] < 0 or weight[parent[v]] > LARGEST * total)
    roots = np.flatnonzero(root)
    load = np.zeros(PARTS)
    room = np.zeros(PARTS, np.int64)
    share = np.zeros(n, np.int32)
    for v in roots[np.argsort(-weight[roots], kind="mergesort")]:
        share[v] = np.argmin(load)
        load[share[v]] += weight[v]
        room[share[v]] += places[v]
    part = np.empty(PARTS + 1, np.int64)
    part[0] = barred
    for i in range(PARTS):
        part[i + 1] = part[i] + room[i]
    free = part[:-1].copy()
    first = np.empty(n, np.int64)  # where the subtree of a place begins; then the next free place in it
    arranged = order.copy()
    top = n
    for v in range(n - 1, barred - 1, -1):
        if weight[v] > LARGEST * total:
            top -= 1
            arranged[top] = order[v]
            continue
        if root[v]:
            first[v] = free[share[v]]
            free[share[v]] += places[v]
        else:
            first[v] = first[parent[v]]
            first[parent[v]] += places[v]
        arranged[first[v] + places[v] - 1] = order[v]
    return arranged, part


@njit
def _chordal(order, begin, size, pool, barred, triangles):
    """Edges of the chordal graph by place, and its triangles."""
    n = len(order)
    place = np.empty(n, np.int32)
    start = np.zeros(n + 1, np.int32)
    for v in range(n):
        place[order[v]] = v
        start[v + 1] = start[v] + size[order[v]]
    edges = start[n]
    # heads by counting: places in ascending order hand themselves to their lower neighbours
    lower_start = np.zeros(n + 1, np.int32)
    for v in range(n):
        u = order[v]
        for k in range(begin[u], begin[u] + size[u]):
            lower_start[place[pool[k]] + 1] += 1
    for v in range(n):
        lower_start[v + 1] += lower_start[v]
    fill = lower_start[:-1].copy()
    feet = np.empty(edges, np.int32)
    for v in range(n):
        u = order[v]
        for k in range(begin[u], begin[u] + size[u]):
            h = place[pool[k]]
            feet[fill[h]] = v
            fill[h] += 1
    head = np.empty(edges, np.int32)
    foot = np.empty(edges, np.int32)
    lower = np.empty(edges, np.int32)
    up_fill = start[:-1].copy()
    for h in range(n):
        for k in range(lower_start[h], lower_start[h + 1]):
            e = up_fill[feet[k]]
            up_fill[feet[k]] += 1
            head[e] = h
            foot[e] = feet[k]
            lower[k] = e
    closing = np.empty(triangles, np.int32)
    count = 0
    for v in range(barred, n):
        for i in range(start[v], start[v + 1]):
            e = start[head[i]]
            for j in range(i + 1, start[v + 1]):
                while head[e] != head[j]:
                    e += 1
                closing[count] = e
                count += 1
    return place, start, head, foot, lower_start, lower, closing


@njit
def _edges_of_arcs(tail, head, place, start, heads):
    """Edge of each arc, and whether it climbs."""
    edge = np.empty(len(tail), np.int32)
    climbs = np.empty(len(tail), np.bool_)
    for a in range(len(tail)):
        t = place[tail[a]]
        h = place[head[a]]
        climbs[a] = t < h
        low = min(t, h)
        high = max(t, h)
        e = start[low]
        while heads[e] != high:
            e += 1
        edge[a] = e
    return edge, climbs


def build_hierarchy(tail: np.ndarray, head: np.ndarray, through: np.ndarray, classes: int, limit: float) -> Hierarchy:
    """Hierarchy of the arcs ``tail`` to ``head`` (arc, int32) among nodes of which ``through`` (node) may be passed.

    Empty where it has more than ``limit`` triangles, as in a network without small separators.
    """
    nodes = len(through)
    # an arc between two nodes that may not be passed gets a place of its own to climb to
    direct = np.flatnonzero(~through[tail] & ~through[head])
    middle = (nodes + np.arange(len(direct))).astype(np.int32)
    high, low = head.copy(), tail
    high[direct] = middle
    tails, heads = np.concatenate([low, middle]), np.concatenate([high, head[direct]])
    barred = np.concatenate([~through, np.zeros(len(direct), np.bool_)])
    start, neighbour = _neighbours(tails, heads, len(barred))
    # barred nodes are no neighbours of others: they are out before anything is joined
    keep = ~barred[neighbour]
    start = np.concatenate([[0], np.cumsum(keep)])[start]
    order, begin, size, pool, triangles = _eliminate(start, neighbour[keep], barred, limit)
    none = np.zeros(0, np.int32)
    table, vias = np.zeros((classes, 0)), np.zeros((classes, 0), np.int32)
    if triangles > limit:
        bounds = np.zeros(PARTS + 1, np.int64)
        return Hierarchy(
            place=none,
            start=none,
            head=none,
            foot=none,
            lower_start=none,
            lower=none,
            edge=none,
            climbs=np.zeros(0, np.bool_),
            free=none,
            closing=none,
            barred=np.zeros(1, np.int64),
            part=bounds,
            part_triangle=bounds,
            aside=np.zeros((PARTS, 2, 0)),
            aside_via=np.zeros((PARTS, 2, 0), np.int32),
            up=table,
            down=table,
            up_via=vias,
            down_via=vias,
        )
    first = int(barred.sum())
    order, part = _by_subtree(order, begin, size, pool, first)
    place, up_start, high_end, low_end, lower_start, lower, closing = _chordal(
        order, begin, size, pool, first, triangles
    )
    edge, climbs = _edges_of_arcs(tails, heads, place, up_start, high_end)
    table, vias = np.zeros((classes, len(high_end))), np.zeros((classes, len(high_end)), np.int32)
    arcs = len(tail)
    degree = np.diff(up_start).astype(np.int64)
    degree[:first] = 0
    triangle = np.concatenate([[0], np.cumsum(degree * (degree - 1) // 2)])
    on_top = len(high_end) - up_start[part[-1]]
    return Hierarchy(
        place=place,
        start=up_start,
        head=high_end,
        foot=low_end,
        lower_start=lower_start,
        lower=lower,
        edge=edge[:arcs],
        climbs=climbs[:arcs],
        free=edge[arcs:],
        closing=closing,
        barred=np.array([first]),
        part=part,
        part_triangle=triangle[part],
        aside=np.zeros((PARTS, 2, on_top)),
        aside_via=np.zeros((PARTS, 2, on_top), np.int32),
        up=table,
        down=table.copy(),
        up_via=vias,
        down_via=vias.copy(),
    )


@njit
def _relax_part(h, m, part):
    """Triangles of one part of subtrees: edges on top of all are written aside."""
    start, closing = h.start, h.closing
    up, down, up_via, down_via = h.up[m], h.down[m], h.up_via[m], h.down_via[m]
    top = start[h.part[-1]]
    above, below = h.aside[part, 0], h.aside[part, 1]
    above_via, below_via = h.aside_via[part, 0], h.aside_via[part, 1]
    above[:] = np.inf
    below[:] = np.inf
    count = h.part_triangle[part]
    for v in range(h.part[part], h.part[part + 1]):
        for i in range(start[v], start[v + 1]):
            from_foot = down[i]
            to_foot = up[i]
            for j in range(i + 1, start[v + 1]):
                e = closing[count]
                count += 1
                climb = from_foot + up[j]
                descent = down[j] + to_foot
                if e < top:
                    if climb < up[e]:
                        up[e] = climb
                        up_via[e] = i
                    if descent < down[e]:
                        down[e] = descent
                        down_via[e] = i
                else:
                    e -= top
                    if climb < above[e]:
                        above[e] = climb
                        above_via[e] = i
                    if descent < below[e]:
                        below[e] = descent
                        below_via[e] = i


@njit
def _relax_top(h, m):
    """What the parts wrote aside, in their order, and then the triangles on top."""
    start, closing = h.start, h.closing
    up, down, up_via, down_via = h.up[m], h.down[m], h.up_via[m], h.down_via[m]
    top = start[h.part[-1]]
    for part in range(len(h.aside)):
        above, below = h.aside[part, 0], h.aside[part, 1]
        for k in range(len(above)):
            if above[k] < up[top + k]:
                up[top + k] = above[k]
                up_via[top + k] = h.aside_via[part, 0, k]
            if below[k] < down[top + k]:
                down[top + k] = below[k]
                down_via[top + k] = h.aside_via[part, 1, k]
    count = h.part_triangle[-1]
    for v in range(h.part[-1], len(start) - 1):
        for i in range(start[v], start[v + 1]):
            from_foot = down[i]
            to_foot = up[i]
            for j in range(i + 1, start[v + 1]):
                e = closing[count]
                count += 1
                t = from_foot + up[j]
                if t < up[e]:
                    up[e] = t
                    up_via[e] = i
                t = down[j] + to_foot
                if t < down[e]:
                    down[e] = t
                    down_via[e] = i


@pnjit
def _relax_parts(h, m):
    for part in prange(h.aside.shape[0]):
        _relax_part(h, m, part)


@njit
def customise(h, m, cost):
    """Least costs of the edges for class m at ``cost`` (arc) [time, >= 0; inf = closed]."""
    up, down, up_via, down_via = h.up[m], h.down[m], h.up_via[m], h.down_via[m]
    up[:] = np.inf
    down[:] = np.inf
    for a in range(len(cost)):
        e = h.edge[a]
        if h.climbs[a]:
            if cost[a] < up[e]:
                up[e] = cost[a]
                up_via[e] = -1 - a
        elif cost[a] < down[e]:
            down[e] = cost[a]
            down_via[e] = -1 - a
    for e in h.free:
        down[e] = 0.0
        down_via[e] = FREE
    _relax_parts(h, m)
    _relax_top(h, m)


@njit
def spread(h, m, source, climbed, label, on_climb):
    """Least costs ``label`` (place, LANES) [time] of class m from up to ``LANES`` nodes ``source`` (lane).

    Written as well, for :func:`trace`: ``climbed`` (place, LANES), the costs over climbing edges alone, at the places
    where ``on_climb`` (place, bool) is True.
    """
    start, head, up, down = h.start, h.head, h.up[m], h.down[m]
    n = len(start) - 1
    barred = h.barred[0]
    on_climb[:] = False
    for lane in range(len(source)):
        v = h.place[source[lane]]
        if not on_climb[v]:
            on_climb[v] = True
            climbed[v, :] = np.inf
        climbed[v, lane] = 0.0
        for e in range(start[v], start[v + 1]):
            if v >= barred and e > start[v]:
                break
            u = head[e]
            # all places above u hang together in one chain of first edges
            while not on_climb[u]:
                on_climb[u] = True
                climbed[u, :] = np.inf
                if start[u] == start[u + 1]:
                    break
                u = head[start[u]]
    for v in range(n):
        if on_climb[v]:
            for e in range(start[v], start[v + 1]):
                cost = up[e]
                u = head[e]
                for lane in range(LANES):
                    t = climbed[v, lane] + cost
                    climbed[u, lane] = min(climbed[u, lane], t)
    for v in range(n - 1, -1, -1):
        if on_climb[v]:
            for lane in range(LANES):
                label[v, lane] = climbed[v, lane]
        else:
            for lane in range(LANES):
                label[v, lane] = np.inf
        for e in range(start[v], start[v + 1]):
            cost = down[e]
            u = head[e]
            for lane in range(LANES):
                t = label[u, lane] + cost
                label[v, lane] = min(label[v, lane], t)


@njit
def _unpack(h, m, e, climbs, stack, out, end):
    """Arcs of edge e, written to end before ``end``; where they begin, or -1 where they do not fit."""
    head = h.head
    up_via, down_via = h.up_via[m], h.down_via[m]
    stack[0] = 2 * e + climbs
    depth = 1
    while depth > 0:
        depth -= 1
        e = stack[depth] >> 1
        climbs = stack[depth] & 1
        i = up_via[e] if climbs else down_via[e]
        if i == FREE:
            continue
        if i < 0:
            if end == 0:
                return -1
            end -= 1
            out[end] = -1 - i
            continue
        j = i + 1
        while head[j] != head[e]:
            j += 1
        # over the place between, below both ends: down from the first and up to the second
        first, second = (i, j) if climbs else (j, i)
        stack[depth] = 2 * first
        stack[depth + 1] = 2 * second + 1
        depth += 2
    return end


@njit
def trace(h, m, source, target, lane, climbed, label, on_climb, stack, out, end):
    """Arcs of a shortest path in order of travel, written to end before ``end``; where they begin.

    From ``source`` (node) to ``target`` (node) by what :func:`spread` left for its ``lane``; -1 where ``out`` is too
    short. Costs are compared for equality: each label is the very sum that is looked for.
    """
    start, head, foot, up, down = h.start, h.head, h.foot, h.up[m], h.down[m]
    origin = h.place[source]
    v = h.place[target]
    while v != origin and not (on_climb[v] and climbed[v, lane] == label[v, lane]):
        e = start[v]
        while label[head[e], lane] + down[e] != label[v, lane]:
            e += 1
        end = _unpack(h, m, e, 0, stack, out, end)
        if end < 0:
            return end
        v = head[e]
    while v != origin:
        k = h.lower_start[v]
        e = h.lower[k]
        while not on_climb[foot[e]] or climbed[foot[e], lane] + up[e] != climbed[v, lane]:
            k += 1
            e = h.lower[k]
        end = _unpack(h, m, e, 1, stack, out, end)
        if end < 0:
            return end
        v = foot[e]
    return end

"""A smaller graph with the same equilibrium: dead ends without demand go, chains of links become one arc.

A node that is no place of demand and joins just two neighbours is passed straight on, so that the links before and
after it carry the same flow: they become one arc whose cost is the sum of theirs. Nodes are numbered along the
network (Cuthill and McKee 1969) so that neighbours are near in memory, and arcs are sorted by their tail.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit

__all__ = ["Contracted", "contract"]


class Contracted(NamedTuple):
    """Arcs sorted by tail: those out of node u are ``start[u]:start[u + 1]``.

    ``head``, ``tail`` (arc, int32); ``member_start`` (arc + 1), ``member``: the caller's links of each arc in the
    order of travel; ``node`` (caller's node) its number here or -1; ``through`` (node, bool).
    """

    start: np.ndarray
    head: np.ndarray
    tail: np.ndarray
    member_start: np.ndarray
    member: np.ndarray
    node: np.ndarray
    through: np.ndarray


@njit
def _adjacency(end, nodes):
    """Start of each node's links and the links, sorted by ``end``; order of the links kept."""
    start = np.zeros(nodes + 1, np.int32)
    for a in range(len(end)):
        start[end[a] + 1] += 1
    for u in range(nodes):
        start[u + 1] += start[u]
    place = start.copy()
    order = np.empty(len(end), np.int32)
    for a in range(len(end)):
        order[place[end[a]]] = a
        place[end[a]] += 1
    return start, order


@njit
def _prune(tail, head, alive, terminal_out, terminal_in, through, nodes):
    """Kill links that no path between places of demand can use: dead ends, loops, what is not to be passed."""
    out_start, out = _adjacency(tail, nodes)
    in_start, into = _adjacency(head, nodes)
    stack = np.empty(2 * len(tail) + nodes, np.int32)
    waiting = np.ones(nodes, np.bool_)
    size = nodes
    for u in range(nodes):
        stack[u] = u
    while size > 0:
        size -= 1
        u = stack[size]
        waiting[u] = False
        neighbour = -1
        several = False
        arriving = 0
        leaving = 0
        for e in range(in_start[u], in_start[u + 1]):
            if alive[into[e]]:
                arriving += 1
                v = tail[into[e]]
                several |= neighbour >= 0 and v != neighbour
                neighbour = v
        for e in range(out_start[u], out_start[u + 1]):
            if alive[out[e]]:
                leaving += 1
                v = head[out[e]]
                several |= neighbour >= 0 and v != neighbour
                neighbour = v
        pass_on = through[u] and several
        keep_in = terminal_in[u] or (pass_on and leaving > 0)
        keep_out = terminal_out[u] or (pass_on and arriving > 0)
        if not keep_in:
            for e in range(in_start[u], in_start[u + 1]):
                a = into[e]
                if alive[a]:
                    alive[a] = False
                    if not waiting[tail[a]]:
                        waiting[tail[a]] = True
                        stack[size] = tail[a]
                        size += 1
        if not keep_out:
            for e in range(out_start[u], out_start[u + 1]):
                a = out[e]
                if alive[a]:
                    alive[a] = False
                    if not waiting[head[a]]:
                        waiting[head[a]] = True
                        stack[size] = head[a]
                        size += 1


@njit
def _is_chain(u, tail, head, alive, in_start, into, out_start, out):
    """Whether node u only joins two neighbours: one way, or both ways by one link each."""
    first = -1
    second = -1
    ins = 0
    outs = 0
    for e in range(in_start[u], in_start[u + 1]):
        if alive[into[e]]:
            if ins == 0:
                first = tail[into[e]]
            else:
                second = tail[into[e]]
            ins += 1
    a = -1
    b = -1
    for e in range(out_start[u], out_start[u + 1]):
        if alive[out[e]]:
            if outs == 0:
                a = head[out[e]]
            else:
                b = head[out[e]]
            outs += 1
    if ins == 1 and outs == 1:
        return first != a
    if ins == 2 and outs == 2:
        return first != second and ((first == a and second == b) or (first == b and second == a))
    return False


@njit
def _chains(tail, head, alive, kept, nodes, in_start, into, out_start, out):
    """Arcs between kept nodes: (tail, head, member_start, member)."""
    m = len(tail)
    arc_tail = np.empty(m, np.int32)
    arc_head = np.empty(m, np.int32)
    member_start = np.zeros(m + 1, np.int32)
    member = np.empty(m, np.int32)
    arcs = 0
    filled = 0
    for u in range(nodes):
        if not kept[u]:
            continue
        for e in range(out_start[u], out_start[u + 1]):
            if not alive[out[e]]:
                continue
            a = out[e]
            begin = filled
            member[filled] = a
            filled += 1
            before = u
            v = head[a]
            while not kept[v]:
                following = -1
                for g in range(out_start[v], out_start[v + 1]):
                    if alive[out[g]] and head[out[g]] != before:
                        following = out[g]
                before = v
                member[filled] = following
                filled += 1
                v = head[following]
            if v == u:
                filled = begin  # a loop
                continue
            arc_tail[arcs] = u
            arc_head[arcs] = v
            arcs += 1
            member_start[arcs] = filled
    return arc_tail[:arcs], arc_head[:arcs], member_start[: arcs + 1], member[:filled]


@njit
def _breadth_first(tail, head, used, nodes):
    """Cuthill-McKee numbers of the used nodes (breadth first, few neighbours first); -1 for others."""
    out_start, out = _adjacency(tail, nodes)
    in_start, into = _adjacency(head, nodes)
    degree = np.zeros(nodes, np.int32)
    for u in range(nodes):
        degree[u] = out_start[u + 1] - out_start[u] + in_start[u + 1] - in_start[u]
    number = np.full(nodes, -1, np.int32)
    queue = np.empty(nodes, np.int32)
    count = 0
    for seed in range(nodes):
        if not used[seed] or number[seed] >= 0:
            continue
        done = count
        queue[count] = seed
        number[seed] = count
        count += 1
        while done < count:
            u = queue[done]
            done += 1
            first = count
            for e in range(out_start[u], out_start[u + 1]):
                v = head[out[e]]
                if number[v] < 0:
                    number[v] = count
                    queue[count] = v
                    count += 1
            for e in range(in_start[u], in_start[u + 1]):
                v = tail[into[e]]
                if number[v] < 0:
                    number[v] = count
                    queue[count] = v
                    count += 1
            for i in range(first + 1, count):
                v = queue[i]
                k = i
                while k > first and degree[queue[k - 1]] > degree[v]:
                    queue[k] = queue[k - 1]
                    number[queue[k]] = k
                    k -= 1
                queue[k] = v
                number[v] = k
    return number


@njit
def _select(kept, nodes, tail, head, alive, is_origin, is_destination, in_start, into, out_start, out):
    for u in range(nodes):
        kept[u] = (
            is_origin[u] or is_destination[u] or not _is_chain(u, tail, head, alive, in_start, into, out_start, out)
        )


def contract(
    from_node: np.ndarray,
    to_node: np.ndarray,
    nodes: int,
    is_origin: np.ndarray,
    is_destination: np.ndarray,
    through: np.ndarray,
    simplify: bool = True,
) -> Contracted:
    """Graph of the links ``from_node`` to ``to_node`` (link, int) without what changes no path.

    ``is_origin``, ``is_destination``, ``through`` (node, bool): where trips begin, where they end, and whether a path
    may pass. ``simplify=False`` keeps every link as an arc of its own and only renumbers.
    """
    tail, head = np.ascontiguousarray(from_node, np.int32), np.ascontiguousarray(to_node, np.int32)
    alive = tail != head
    if simplify:
        _prune(tail, head, alive, is_origin, is_destination, through, nodes)
    kept = np.ones(nodes, np.bool_)
    out_start, out = _adjacency(tail, nodes)
    in_start, into = _adjacency(head, nodes)
    if simplify:
        _select(kept, nodes, tail, head, alive, is_origin, is_destination, in_start, into, out_start, out)
    arc_tail, arc_head, member_start, member = _chains(tail, head, alive, kept, nodes, in_start, into, out_start, out)
    used = np.asarray(is_origin | is_destination)
    used[arc_tail] = True
    used[arc_head] = True
    number = _breadth_first(arc_tail, arc_head, used, nodes)
    arc_tail, arc_head = number[arc_tail], number[arc_head]
    order = np.lexsort((arc_head, arc_tail))
    size = np.diff(member_start)[order]
    begin = np.zeros(len(order) + 1, np.int32)
    np.cumsum(size, out=begin[1:])
    take = np.repeat(member_start[:-1][order] - begin[:-1], size) + np.arange(begin[-1])
    count = int(used.sum())
    passes = np.zeros(count, np.bool_)
    passes[number[used]] = np.asarray(through)[used]
    tails = arc_tail[order]
    return Contracted(
        np.searchsorted(tails, np.arange(count + 1)).astype(np.int32),
        np.ascontiguousarray(arc_head[order]),
        np.ascontiguousarray(tails),
        begin,
        np.ascontiguousarray(member[take]),
        number,
        passes,
    )

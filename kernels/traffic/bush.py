"""User equilibrium by origin-based bushes of approach proportions, warm from one demand to the next.

Each origin o holds an acyclic subgraph (bush) as the share ``proportion[o, a]`` of the vehicles arriving at the head
of arc a that come over a. A new demand is loaded by one backward pass in topological order, so that a solution of
the hour before starts the next, whatever happens to the pattern of demand; and any attribute that adds up along
links is averaged over the used paths by one forward pass with the same shares, so that the sum over pairs of demand
times mean distance equals the sum over links of flow times length to rounding.

One visit of an origin (after Gentile 2014, Local User Cost Equilibrium, and Bar-Gera 2002, Origin-based assignment,
Transp. Sci. 36): in topological order the mean cost ``W_j = sum p_a (W_i + c_a)`` and its slope
``G_j = sum p_a^2 (G_i + t'_a)``; arcs outside the bush that are cheaper than the node's mean and keep it acyclic are
let in; in reverse order the arrivals at each node are shared over its arcs so that the linearised costs
``w_a + g_a (f_a - x_a)`` of the used ones are equal; then a step along this direction as far as the Beckmann
objective falls. Link flows change at once, so that the next origin sees them.

The order of origins is fixed and parallel passes write per origin or per fixed block: results do not depend on the
number of threads.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.traffic.cost import link_costs, power
from kernels.traffic.network import build_graph

__all__ = ["Bushes", "Equilibrium", "build_bushes", "equilibrate", "load", "mean_over_paths", "prime"]

BLOCKS = 16  # of origins in parallel passes; fixed, so that sums do not depend on the number of threads
CONVERGED, NOT_CONVERGED, UNREACHABLE, INFEASIBLE = 0, 1, 2, 3
VISIT_SHARE = 0.25  # an origin whose own excess is below this share of the target is not visited
DUST = 1e-12  # smallest share that is kept


class Bushes(NamedTuple):
    """State and workspace of the equilibrium of one network; see :func:`build_bushes`.

    ``order`` (origin, node, int32), ``reached`` (origin, int32), ``proportion`` (origin, arc) are the state that a
    checkpoint must hold; all else follows from the network or from the demand.
    """

    tail: np.ndarray
    head: np.ndarray
    start: np.ndarray
    link: np.ndarray
    out_start: np.ndarray
    out_arc: np.ndarray
    through: np.ndarray
    origin_node: np.ndarray
    destination_node: np.ndarray
    order: np.ndarray
    reached: np.ndarray
    proportion: np.ndarray
    single: np.ndarray  # (origin, node) the one arc in use into a node, -1 where there are several
    node_flow: np.ndarray
    flow: np.ndarray  # (arc) and below: workspace
    block_flow: np.ndarray
    cost: np.ndarray
    slope: np.ndarray
    t0: np.ndarray
    k: np.ndarray
    p: np.ndarray
    fixed: np.ndarray
    label: np.ndarray  # (block, node)
    queue: np.ndarray
    queued: np.ndarray
    before: np.ndarray
    degree: np.ndarray
    origin_least: np.ndarray  # (origin)
    node_work: np.ndarray
    arc_work: np.ndarray
    position: np.ndarray
    candidate: np.ndarray
    changed: np.ndarray
    widened: np.ndarray
    links: np.ndarray  # (1) number of the caller's links


class Equilibrium(NamedTuple):
    """Outcome of :func:`equilibrate`.

    ``status`` 0 converged, 1 iteration limit, 2 demand between unconnected places (``pairs`` lists them as origin,
    destination), 3 infeasible (negative gap). ``relative_gap`` and ``objective`` are those of ``flow`` (link) [pcu/h]
    at the costs ``cost`` (link) [time] which ``flow`` causes; ``total_cost`` = sum of flow x cost.
    """

    status: int
    relative_gap: float
    iterations: int
    flow: np.ndarray
    cost: np.ndarray
    total_cost: float
    objective: float
    pairs: np.ndarray


def build_bushes(
    from_node: np.ndarray,
    to_node: np.ndarray,
    nodes: int,
    origin_node: np.ndarray,
    first_cost: np.ndarray,
    destination_node: np.ndarray | None = None,
    first_thru: int = 0,
) -> Bushes:
    """Bushes of the shortest-path trees at ``first_cost``.

    ``from_node``, ``to_node`` (link, int) and ``origin_node`` (origin, int), ``destination_node`` (destination, int;
    the origins where left out) are nodes counted from 0; ``first_cost`` (link) [time] e.g. the free-flow time. Nodes
    below ``first_thru`` may only start or end a path. Memory: 8 bytes x origins x links.
    """
    g = build_graph(from_node, to_node, nodes, first_thru)
    m, o = len(g.tail), len(origin_node)
    origin_node = np.ascontiguousarray(origin_node, np.int32)
    destination_node = origin_node if destination_node is None else np.ascontiguousarray(destination_node, np.int32)
    b = Bushes(
        *g,
        origin_node=origin_node,
        destination_node=destination_node,
        order=np.zeros((o, nodes), np.int32),
        reached=np.zeros(o, np.int32),
        proportion=np.zeros((o, m)),
        single=np.full((o, nodes), -1, np.int32),
        node_flow=np.zeros((o, nodes)),
        flow=np.zeros(m),
        block_flow=np.zeros((BLOCKS, m)),
        cost=np.zeros(m),
        slope=np.zeros(m),
        t0=np.zeros(m),
        k=np.zeros(m),
        p=np.ones(m),
        fixed=np.zeros(m),
        label=np.zeros((BLOCKS, nodes)),
        queue=np.zeros((BLOCKS, nodes + 1), np.int32),
        queued=np.zeros((BLOCKS, nodes), np.bool_),
        before=np.zeros((BLOCKS, nodes), np.int32),
        degree=np.zeros((BLOCKS, nodes), np.int32),
        origin_least=np.zeros(o),
        node_work=np.zeros((4, nodes)),
        arc_work=np.zeros((2, m)),
        position=np.zeros(nodes, np.int32),
        candidate=np.zeros(m, np.bool_),
        changed=np.zeros(m, np.int32),
        widened=np.zeros(nodes, np.bool_),
        links=np.array([len(from_node)]),
    )
    prime(b, first_cost)
    return b


def prime(b: Bushes, first_cost: np.ndarray) -> None:
    """Start again from the shortest-path trees at ``first_cost`` (link) [time]."""
    b.proportion[...] = 0.0
    b.node_flow[...] = 0.0
    b.single[...] = -1
    b.reached[...] = 0
    b.cost[...] = np.asarray(first_cost, np.float64)[b.link]
    _price(b, np.zeros((len(b.origin_node), len(b.destination_node))))


@njit
def _forward_least(b, o, label, before):
    """Least cost to each node over the arcs in use; labels of nodes out of the bush are infinite."""
    start, tail, cost = b.start, b.tail, b.cost
    origin = b.origin_node[o]
    share, single, order = b.proportion[o], b.single[o], b.order[o]
    label[:] = np.inf
    before[:] = -1
    label[origin] = 0.0
    for k in range(1, b.reached[o]):
        j = order[k]
        by = single[j]
        if by >= 0:
            label[j] = label[tail[by]] + cost[by]
            before[j] = by
            continue
        least = np.inf
        for a in range(start[j], start[j + 1]):
            if share[a] > 0.0:
                u = label[tail[a]] + cost[a]
                if u < least:
                    least = u
                    by = a
        label[j] = least
        before[j] = by


@njit
def _correct(b, o, label, before, queue, queued):
    """Label correction to the true shortest paths, starting from the labels at hand; True where any changed."""
    through, out_start, out_arc, cost, head = b.through, b.out_start, b.out_arc, b.cost, b.head
    origin = b.origin_node[o]
    n = len(label)
    size = n + 1
    first = 0
    count = 0
    for i in range(n):
        li = label[i]
        if li == np.inf or not (through[i] or i == origin):
            continue
        for e in range(out_start[i], out_start[i + 1]):
            a = out_arc[e]
            if li + cost[a] < label[head[a]]:
                queue[(first + count) % size] = i
                queued[i] = True
                count += 1
                break
    if count == 0:
        return False
    while count > 0:
        i = queue[first]
        first = (first + 1) % size
        count -= 1
        queued[i] = False
        li = label[i]
        for e in range(out_start[i], out_start[i + 1]):
            a = out_arc[e]
            j = head[a]
            if li + cost[a] < label[j]:
                label[j] = li + cost[a]
                before[j] = a
                if not queued[j] and through[j]:
                    queued[j] = True
                    # smallest label first: in front where it is below the head of the queue
                    if count > 0 and label[j] < label[queue[first]]:
                        first = (first - 1) % size
                        queue[first] = j
                    else:
                        queue[(first + count) % size] = j
                    count += 1
    return True


@njit
def _sort_topologically(b, o, candidate, use_candidates, degree, queue):
    """Order of the reached nodes in which each arc in use goes forward (Kahn 1962); False where there is a cycle."""
    start, out_start, out_arc, head = b.start, b.out_start, b.out_arc, b.head
    share = b.proportion[o]
    n = len(degree)
    origin = b.origin_node[o]
    total = 0
    for j in range(n):
        d = 0
        for a in range(start[j], start[j + 1]):
            if share[a] > 0.0 or (use_candidates and candidate[a]):
                d += 1
        degree[j] = d
        if d > 0 or j == origin:
            total += 1
    order = b.order[o]
    queue[0] = origin
    count = 1
    done = 0
    while done < count:
        i = queue[done]
        done += 1
        for e in range(out_start[i], out_start[i + 1]):
            a = out_arc[e]
            if share[a] > 0.0 or (use_candidates and candidate[a]):
                j = head[a]
                degree[j] -= 1
                if degree[j] == 0:
                    queue[count] = j
                    count += 1
    if count != total:
        return False
    for k in range(count):
        order[k] = queue[k]
    b.reached[o] = count
    return True


@njit
def _price_origin(b, o, demand, label, before, queue, queued, degree):
    """Least cost of the demand (destination) of origin o; nodes without flow join their shortest path."""
    _forward_least(b, o, label, before)
    if _correct(b, o, label, before, queue, queued):
        share, v, single = b.proportion[o], b.node_flow[o], b.single[o]
        moved = False
        for j in range(len(label)):
            if v[j] == 0.0 and before[j] >= 0 and share[before[j]] != 1.0:
                for a in range(b.start[j], b.start[j + 1]):
                    share[a] = 0.0
                share[before[j]] = 1.0
                single[j] = before[j]
                moved = True
        if moved:
            _sort_topologically(b, o, b.candidate, False, degree, queue)
    least = 0.0
    for d in range(len(demand)):
        if demand[d] > 0.0:
            least += demand[d] * label[b.destination_node[d]]
    b.origin_least[o] = least


@pnjit
def _price(b, demand):
    """Least cost of each origin's demand (origin, destination) at ``b.cost``."""
    origins, blocks = len(b.origin_node), b.label.shape[0]
    for block in prange(blocks):
        for o in range(block * origins // blocks, (block + 1) * origins // blocks):
            _price_origin(
                b, o, demand[o], b.label[block], b.before[block], b.queue[block], b.queued[block], b.degree[block]
            )


@njit
def _load_origin(b, o, demand, flow):
    """Node flows of origin o from its shares, added to ``flow`` (arc); demand (destination)."""
    start, tail = b.start, b.tail
    v, share, single, order = b.node_flow[o], b.proportion[o], b.single[o], b.order[o]
    origin = b.origin_node[o]
    v[:] = 0.0
    for d in range(len(demand)):
        v[b.destination_node[d]] += demand[d]
    v[origin] = 0.0
    for k in range(b.reached[o] - 1, 0, -1):
        j = order[k]
        only = single[j]
        if only >= 0:
            v[tail[only]] += v[j]
            flow[only] += v[j]
        elif v[j] > 0.0:
            for a in range(start[j], start[j + 1]):
                if share[a] > 0.0:
                    x = share[a] * v[j]
                    v[tail[a]] += x
                    flow[a] += x


@pnjit
def _load_all(b, demand, flow):
    """Flow (arc) of all origins: per fixed block, then summed in order of the blocks."""
    origins, blocks = len(b.origin_node), b.block_flow.shape[0]
    for block in prange(blocks):
        part = b.block_flow[block]
        part[:] = 0.0
        for o in range(block * origins // blocks, (block + 1) * origins // blocks):
            _load_origin(b, o, demand[o], part)
    flow[:] = 0.0
    for block in range(blocks):
        for a in range(len(flow)):
            flow[a] += b.block_flow[block, a]


@njit
def _visit(b, o, demand, target):
    """One visit of origin o; True where flows changed. ``target`` is the relative excess that is left alone."""
    origin = b.origin_node[o]
    order, share, v, single = b.order[o], b.proportion[o], b.node_flow[o], b.single[o]
    mean, slope, longest, arriving = b.node_work[0], b.node_work[1], b.node_work[2], b.node_work[3]
    f, delta = b.arc_work[0], b.arc_work[1]
    position, candidate, changed, widened = b.position, b.candidate, b.changed, b.widened
    cost, rate, tail, start, through = b.cost, b.slope, b.tail, b.start, b.through
    destination = b.destination_node
    n = len(mean)
    count = b.reached[o]
    if count < n:
        candidate[:] = False
        mean[:] = np.inf
        longest[:] = np.inf
        position[:] = n
    mean[origin] = 0.0
    slope[origin] = 0.0
    longest[origin] = 0.0
    position[origin] = 0
    for k in range(1, count):
        j = order[k]
        position[j] = k
        a = single[j]
        if a >= 0:
            i = tail[a]
            mean[j] = mean[i] + cost[a]
            slope[j] = slope[i] + rate[a]
            longest[j] = longest[i] + cost[a]
            continue
        w = 0.0
        g = 0.0
        far = 0.0
        for a in range(start[j], start[j + 1]):
            q = share[a]
            if q > 0.0:
                i = tail[a]
                w += q * (mean[i] + cost[a])
                g += q * q * (slope[i] + rate[a])
                far = max(far, longest[i] + cost[a])
        mean[j] = w
        slope[j] = g
        longest[j] = far
    # candidates, and how much the origin's vehicles lose against the best approach of each node
    excess = 0.0
    found = False
    again = False
    for k in range(1, count):
        j = order[k]
        limit = mean[j] * (1.0 - 1e-13)
        best = mean[j]
        widened[j] = single[j] < 0
        for a in range(start[j], start[j + 1]):
            candidate[a] = False
            i = tail[a]
            w = mean[i] + cost[a]
            if w >= limit:
                continue
            if share[a] > 0.0:
                best = min(best, w)
            elif (through[i] or i == origin) and (
                longest[i] < longest[j] or (longest[i] == longest[j] and position[i] < k)
            ):
                candidate[a] = True
                widened[j] = True
                found = True
                best = min(best, w)
                if position[i] > k:
                    again = True
        excess += v[j] * (mean[j] - best)
    if excess == 0.0 and not found:
        return False
    arriving[:] = 0.0
    total = 0.0
    for d in range(len(demand)):
        if demand[d] > 0.0:
            arriving[destination[d]] += demand[d]
            total += demand[d] * mean[destination[d]]
    if excess <= target * total:
        return False
    if again:
        if not _sort_topologically(b, o, candidate, True, b.degree[0], b.queue[0]):
            return False
        count = b.reached[o]
    changes = 0
    for k in range(count - 1, 0, -1):
        j = order[k]
        vj = arriving[j]
        if not widened[j]:
            a = single[j]
            arriving[tail[a]] += vj
            d = vj - v[j]
            if abs(d) > 1e-15 * vj:
                changed[changes] = a
                delta[changes] = d
                changes += 1
            continue
        _share_out(b, j, vj, v[j], share, candidate, mean, slope, f)
        for a in range(start[j], start[j + 1]):
            if share[a] > 0.0 or candidate[a]:
                arriving[tail[a]] += f[a]
                d = f[a] - share[a] * v[j]
                if abs(d) > 1e-15 * max(vj, v[j]):
                    changed[changes] = a
                    delta[changes] = d
                    changes += 1
    step = _line_step(b, changed, delta, changes)
    if step == 0.0:
        return False
    _move_links(b, changed, delta, changes, step)
    for k in range(1, count):
        j = order[k]
        new = v[j] + step * (arriving[j] - v[j])
        if widened[j]:
            _set_shares(b, j, new, v[j], step, share, candidate, mean, f, single)
        v[j] = max(new, 0.0)
    return True


@njit
def _move_links(b, changed, delta, changes, step):
    """Add ``step`` times the direction to the flows; bring cost and slope of those arcs up to date."""
    for e in range(changes):
        a = changed[e]
        x = max(b.flow[a] + step * delta[e], 0.0)
        b.flow[a] = x
        if b.k[a] == 0.0:
            continue
        if x > 0.0:
            y = b.k[a] * power(x, b.p[a])
            b.cost[a] = b.t0[a] + b.fixed[a] + y
            b.slope[a] = b.p[a] * y / x
        else:
            b.cost[a] = b.t0[a] + b.fixed[a]
            b.slope[a] = b.k[a] if b.p[a] == 1.0 else 0.0


@njit
def _set_shares(b, j, new, was, step, share, candidate, mean, f, single):
    """Shares of the arcs into j after a step; a node that lost its flow keeps its cheapest arc."""
    used = 0
    kept = 0.0
    best = -1
    least = np.inf
    for a in range(b.start[j], b.start[j + 1]):
        if share[a] > 0.0 or candidate[a]:
            w = mean[b.tail[a]] + b.cost[a]
            if w < least:
                least = w
                best = a
            q = (share[a] * was * (1.0 - step) + step * f[a]) / new if new > 0.0 else 0.0
            share[a] = q if q > DUST else 0.0
            if share[a] > 0.0:
                kept += share[a]
                used += 1
                single[j] = a
    if used == 0:
        share[best] = 1.0
        single[j] = best
    elif used == 1:
        share[single[j]] = 1.0
    else:
        single[j] = -1
        for a in range(b.start[j], b.start[j + 1]):
            share[a] /= kept


@njit
def _share_out(b, j, vj, was, share, candidate, mean, slope, f):
    """Flows of the arcs into j that make their linearised costs equal: diagonal quadratic program on a simplex."""
    first, last = b.start[j], b.start[j + 1]
    least = np.inf
    best = -1
    for a in range(first, last):
        f[a] = 0.0
        if share[a] > 0.0 or candidate[a]:
            f[a] = 1.0  # member of the active set
            w = mean[b.tail[a]] + b.cost[a]
            if w < least:
                least = w
                best = a
    low = max(1e-12 * (mean[j] - least) / max(vj, 1e-300), 1e-300)
    price = 0.0
    for _ in range(last - first + 1):
        top = vj
        under = 0.0
        for a in range(first, last):
            if f[a] > 0.0:
                i = b.tail[a]
                inverse = 1.0 / max(slope[i] + b.slope[a], low)
                top -= share[a] * was - (mean[i] + b.cost[a] - least) * inverse
                under += inverse
        price = top / under
        left = False
        for a in range(first, last):
            if f[a] > 0.0:
                i = b.tail[a]
                if share[a] * was * max(slope[i] + b.slope[a], low) + price <= mean[i] + b.cost[a] - least:
                    f[a] = 0.0
                    left = True
        if not left:
            break
    total = 0.0
    for a in range(first, last):
        if f[a] > 0.0:
            i = b.tail[a]
            g = max(slope[i] + b.slope[a], low)
            f[a] = max(share[a] * was + (price - (mean[i] + b.cost[a] - least)) / g, 0.0)
            total += f[a]
    if total > 0.0:
        for a in range(first, last):
            f[a] *= vj / total
    else:
        f[best] = vj


@njit
def _line_step(b, changed, delta, changes):
    """Step in (0, 1] at which the Beckmann objective still falls along ``delta``; 0 where it never does."""
    s0 = 0.0
    for e in range(changes):
        s0 += delta[e] * b.cost[changed[e]]
    if s0 >= 0.0:
        return 0.0
    step = 1.0
    for _ in range(12):
        s = 0.0
        for e in range(changes):
            a = changed[e]
            c = b.t0[a] + b.fixed[a]
            if b.k[a] != 0.0:
                c += b.k[a] * power(max(b.flow[a] + step * delta[e], 0.0), b.p[a])
            s += delta[e] * c
        if s <= 0.0:
            return step
        step *= min(max(s0 / (s0 - s), 0.1), 0.9)
    return 0.0


@njit
def _sweep(b, demand, target):
    """Visit all origins in order; number of origins whose flows changed."""
    moved = 0
    for o in range(len(b.origin_node)):
        if _visit(b, o, demand[o], target):
            moved += 1
    return moved


@njit
def _mean_origin(b, o, attribute, value, out):
    """Mean over the used paths of origin o of an attribute (arc), into ``out`` (destination)."""
    share, single, order = b.proportion[o], b.single[o], b.order[o]
    start, tail = b.start, b.tail
    value[:] = np.nan
    value[b.origin_node[o]] = 0.0
    for k in range(1, b.reached[o]):
        j = order[k]
        only = single[j]
        if only >= 0:
            value[j] = value[tail[only]] + attribute[only]
            continue
        w = 0.0
        for a in range(start[j], start[j + 1]):
            if share[a] > 0.0:
                w += share[a] * (value[tail[a]] + attribute[a])
        value[j] = w
    for d in range(len(out)):
        out[d] = value[b.destination_node[d]]


@pnjit
def _mean_all(b, attribute, out):
    """Mean over the used paths of an attribute (arc) that adds up, into ``out`` (origin, destination)."""
    origins, blocks = len(b.origin_node), b.label.shape[0]
    for block in prange(blocks):
        for o in range(block * origins // blocks, (block + 1) * origins // blocks):
            _mean_origin(b, o, attribute, b.label[block], out[o])


def _measure(b: Bushes, demand: np.ndarray) -> tuple[float, float]:
    """Total cost of the loaded flows and its least value at their costs, after a fresh load."""
    _load_all(b, demand, b.flow)
    link_costs(b.flow, b.t0, b.k, b.p, b.fixed, b.cost, b.slope)
    _price(b, demand)
    return float(np.sum(b.flow * b.cost)), float(np.sum(b.origin_least))


def equilibrate(
    b: Bushes,
    demand: np.ndarray,
    t0: np.ndarray,
    k: np.ndarray,
    p: np.ndarray,
    fixed: np.ndarray,
    gap: float = 1e-4,
    max_iterations: int = 200,
) -> Equilibrium:
    """Equilibrium flows of ``demand`` (origin, destination) [pcu/h] from the shares at hand; changes ``b`` in place.

    Cost of a link ``t0 + fixed + k x^p``: ``t0``, ``fixed`` (link) [time], ``k`` (link) [time / (pcu/h)^p], ``p``
    (link) [1], see :func:`kernels.traffic.cost.bpr`. ``demand`` is float64 and C-contiguous. Stops where
    ``(TSTT - SPTT) / TSTT <= gap`` of the flows that are returned, by a fresh shortest-path pass at their costs.
    """
    for name, values in (("t0", t0), ("k", k), ("p", p), ("fixed", fixed)):
        getattr(b, name)[...] = np.asarray(values, np.float64)[b.link]
    pairs = np.zeros((0, 2), np.int64)
    status, relative, iterations = NOT_CONVERGED, np.inf, 0
    total, least = _measure(b, demand)
    while True:
        relative = (total - least) / total if total > 0.0 else 0.0
        if not np.isfinite(least):
            status, pairs, relative = UNREACHABLE, _unreachable(b, demand), np.inf
            break
        if relative < -1e-12:
            status = INFEASIBLE
            break
        if relative <= gap:
            status = CONVERGED
            break
        if iterations >= max_iterations:
            break
        _sweep(b, demand, min(VISIT_SHARE * gap, 0.1 * relative))
        iterations += 1
        total, least = _measure(b, demand)
    flow, cost = np.zeros(b.links[0]), np.asarray(t0, np.float64) + np.asarray(fixed, np.float64)
    flow[b.link], cost[b.link] = b.flow, b.cost
    objective = float(np.sum((b.t0 + b.fixed) * b.flow + b.k * b.flow ** (b.p + 1.0) / (b.p + 1.0)))
    return Equilibrium(status, float(relative), iterations, flow, cost, total, objective, pairs)


def _unreachable(b: Bushes, demand: np.ndarray) -> np.ndarray:
    """Pairs (origin, destination) with demand and without a path."""
    lost = np.isnan(mean_over_paths(b, np.zeros(b.links[0])))
    return np.argwhere(lost & (demand > 0))


def load(b: Bushes, demand: np.ndarray) -> np.ndarray:
    """Flow (link) [veh/h] of ``demand`` (origin, destination) [veh/h] over the shares at hand, e.g. of one class.

    Changes no share; the node flows of the last equilibrium are restored by the next one.
    """
    flow = np.zeros(b.links[0])
    arcs = np.zeros(len(b.tail))
    _load_all(b, demand, arcs)
    flow[b.link] = arcs
    return flow


def mean_over_paths(b: Bushes, attribute: np.ndarray) -> np.ndarray:
    """Mean of a link attribute (link) summed along the used paths of each pair (origin, destination).

    In the attribute's unit; NaN where there is no path. With the flows of :func:`load`,
    ``sum(demand * mean) = sum(flow * attribute)`` to rounding.
    """
    out = np.empty((len(b.origin_node), len(b.destination_node)))
    _mean_all(b, np.asarray(attribute, np.float64)[b.link], out)
    return out

"""Path-based user equilibrium of several vehicle classes: from link arrays to flows, costs, skims and paths.

Sums are not left to BLAS, whose threads spin on after a product and whose order of summation hangs on their number.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit
from kernels.traffic import newton, paths
from kernels.traffic.contraction import Contracted, contract
from kernels.traffic.cost import NO_TABLE, term_integral, term_of
from kernels.traffic.hierarchy import LANES, Hierarchy, build_hierarchy
from kernels.traffic.paths import PathStore

__all__ = [
    "CONVERGED",
    "INFEASIBLE",
    "NOT_CONVERGED",
    "UNREACHABLE",
    "PathEquilibrium",
    "Problem",
    "beckmann",
    "build",
    "path_table",
    "solve",
    "to_links",
]

CONVERGED, NOT_CONVERGED, UNREACHABLE, INFEASIBLE = 0, 1, 2, 3
INNER = 60  # sweeps between two passes of shortest paths, at most
SLOW = 0.3  # what a sweep leaves of the restricted gap, from which on a Newton step comes before the next
EVEN = 0.4  # spread of a pair's path costs that a sweep leaves alone, as a share of the restricted gap that is enough
WARM = 10.0  # gap that new paths of a new demand will show, at a guess: this multiple of what the first sweep shifts
PATIENCE = 3  # passes in a row that do not halve the gap, from which on the equilibrium is stalled
# A gap is quadratic in flow errors and says little about flat directions: at tight targets a few passes go further.
TIGHT, POLISHED, POLISHING = 1e-9, 0.05, 5
# Gap, in targets, above which a pass shifts pair by pair instead of measuring the gap at frozen costs.
MOVING_ABOVE = 3.0
INNER_SHARE = 0.02  # restricted gap, as a share of the gap at hand, at which new paths help more than sweeps
PATHS_PER_PAIR, ARCS_PER_PATH = 2, 24  # first size of the pools; they grow
ROOM = 1 << 16  # arcs of new paths that a slot can hold before they join
# Triangles of the hierarchy per block, row and arc above which Dijkstra's algorithm is faster: per triangle it takes
# about a quarter of the time that a search takes per arc.
DENSE = 4.0


class LinkTerms(NamedTuple):
    """Travel time of each link: ``constant`` and one term of :mod:`kernels.traffic.cost`; (link) but for ``table``."""

    constant: np.ndarray
    kind: np.ndarray
    k: np.ndarray
    p: np.ndarray
    scale: np.ndarray
    shift: np.ndarray  # flow [pcu] on fixed routes, on top of what is assigned
    table: np.ndarray  # of tabulated terms, not by link


class Problem(NamedTuple):
    """Contracted network, the caller's order of pairs, and the path store (replaced where its pools grow)."""

    graph: Contracted
    links: int
    link_terms: LinkTerms
    order: np.ndarray  # (pair) place in the caller's arrays
    hierarchy: Hierarchy
    store: PathStore


class PathEquilibrium(NamedTuple):
    """Outcome of :func:`solve`.

    ``status`` 0 converged, 1 iteration limit, 2 pairs without a path (``lost``: the caller's indices), 3 infeasible;
    ``class_flow`` (class, link) [veh], ``flow`` (link) [pcu]; ``relative_gap``, ``total_cost``, ``objective`` are those
    of these flows; ``history`` the gap before each iteration.
    """

    status: int
    relative_gap: float
    iterations: int
    flow: np.ndarray
    class_flow: np.ndarray
    total_cost: float
    objective: float
    lost: np.ndarray
    history: np.ndarray


def _arc_terms(
    graph: Contracted, kind: np.ndarray, k: np.ndarray, p: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Cost terms by arc; powers that are alike within an arc become one term."""
    arcs = len(graph.head)
    arc = np.repeat(np.arange(arcs), np.diff(graph.member_start))
    member = graph.member
    use = k[member] != 0
    arc, member = arc[use], member[use]
    kind, k, p, scale, shift = kind[member], k[member], p[member], scale[member], shift[member]
    order = np.lexsort((shift, scale, p, kind, arc))
    arc, kind, k, p, scale, shift = arc[order], kind[order], k[order], p[order], scale[order], shift[order]
    alike = (kind[1:] == 0) & (arc[1:] == arc[:-1]) & (kind[1:] == kind[:-1]) & (p[1:] == p[:-1])
    alike &= shift[1:] == shift[:-1]
    lead = np.flatnonzero(np.concatenate([[True], ~alike])) if len(arc) else np.zeros(0, np.int64)
    if len(lead):
        k = np.add.reduceat(k, lead)
    start = np.searchsorted(arc[lead], np.arange(arcs + 1)).astype(np.int32)
    return start, kind[lead].astype(np.int8), k, p[lead], scale[lead], shift[lead]


def build(
    from_node: np.ndarray,
    to_node: np.ndarray,
    nodes: int,
    through: np.ndarray,
    constant: np.ndarray,
    k: np.ndarray,
    p: np.ndarray,
    origin: np.ndarray,
    destination: np.ndarray,
    *,
    kind: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    shift: np.ndarray | None = None,
    table: np.ndarray = NO_TABLE,
    pair_class: np.ndarray | None = None,
    extra: np.ndarray | None = None,
    pce: np.ndarray | None = None,
    simplify: bool = True,
) -> Problem:
    """Problem of links ``from_node`` to ``to_node`` (link, int) and pairs ``origin`` to ``destination`` (pair, nodes).

    ``through`` (node, bool) whether paths may pass; ``constant`` (link) [time] and the cost term ``kind``, ``k``,
    ``p``, ``scale`` (link), ``table`` (row, 3, knot), see :mod:`kernels.traffic.cost`; ``shift`` (link) [pcu] flow on
    fixed routes; ``pair_class`` (pair, int), ``extra`` (class, link)
    [time] what a class pays on top, infinite where closed to it; ``pce`` (class) passenger-car equivalents.
    ``simplify=False`` keeps dead ends and chains of links as they are.
    """
    links, pairs = len(from_node), len(origin)
    pce = np.ones(1) if pce is None else np.asarray(pce, np.float64)
    extra = np.zeros((len(pce), links)) if extra is None else np.asarray(extra, np.float64)
    pair_class = np.zeros(pairs, np.int32) if pair_class is None else np.asarray(pair_class, np.int32)
    kind = np.zeros(links, np.int8) if kind is None else np.asarray(kind, np.int8)
    scale = np.ones(links) if scale is None else np.asarray(scale, np.float64)
    shift = np.zeros(links) if shift is None else np.asarray(shift, np.float64)
    is_origin, is_destination = np.zeros(nodes, np.bool_), np.zeros(nodes, np.bool_)
    is_origin[origin] = True
    is_destination[destination] = True
    graph = contract(from_node, to_node, nodes, is_origin, is_destination, np.asarray(through, np.bool_), simplify)
    order = np.lexsort((destination, origin, pair_class))
    source, target, m = graph.node[origin[order]], graph.node[destination[order]], pair_class[order]
    new = np.ones(pairs, np.bool_)
    new[1:] = (source[1:] != source[:-1]) | (m[1:] != m[:-1])
    row_first = np.flatnonzero(new)
    arcs, count = len(graph.head), len(graph.through)
    begin = graph.member_start[:-1]
    pool = PATHS_PER_PAIR * pairs + 16
    rows = len(row_first)
    row_class = m[row_first].astype(np.int32)
    # groups of up to LANES rows of one class
    since = np.arange(rows) - np.searchsorted(row_class, row_class)
    group_start = np.append(np.flatnonzero(since % LANES == 0), rows).astype(np.int32)
    hierarchy = build_hierarchy(graph.tail, graph.head, graph.through, len(pce), DENSE * rows * arcs / paths.BLOCKS)
    places = len(hierarchy.start) - 1 if len(hierarchy.place) else 0
    slots, room = paths.SLOTS, max(count, ROOM)
    climbing, dijkstra = (slots, places, LANES), (slots, 0 if places else count)
    heap = (slots, 0 if places else arcs + 2)
    store = PathStore(
        start=graph.start,
        head=graph.head,
        tail=graph.tail,
        through=graph.through,
        base=np.add.reduceat(np.asarray(constant, np.float64)[graph.member], begin) if arcs else np.zeros(0),
        **dict(zip(("term_start", "kind", "k", "p", "scale", "shift"), _arc_terms(graph, kind, k, p, scale, shift))),
        table=table,
        extra=np.add.reduceat(extra[:, graph.member], begin, axis=1) if arcs else np.zeros((len(pce), 0)),
        pce=pce,
        row_source=source[row_first].astype(np.int32),
        row_class=row_class,
        row_start=np.append(row_first, pairs).astype(np.int32),
        group_start=group_start,
        pair_row=(np.cumsum(new) - 1).astype(np.int32),
        pair_node=target.astype(np.int32),
        demand=np.zeros(pairs),
        lost=np.zeros(pairs, np.bool_),
        first=np.full(pairs, -1, np.int32),
        following=np.zeros(pool, np.int32),
        flow=np.zeros(pool),
        begin=np.zeros(pool, np.int64),
        size=np.zeros(pool, np.int32),
        path_cost=np.zeros(pool),
        **paths.workspace(pool),
        apart=np.zeros(ARCS_PER_PATH * pool, np.int32),
        arcs=np.zeros(ARCS_PER_PATH * pool, np.int32),
        counter=np.array([-1, 0, 0, 0, 0, 0]),
        volume=np.zeros(arcs),
        slope=np.zeros(arcs),
        ahead=np.zeros(arcs),
        term_now=np.zeros(arcs),
        cost=np.zeros((len(pce), arcs)),
        mark=np.zeros(arcs, np.int64),
        mark_other=np.zeros(arcs, np.int64),
        priced=np.zeros(rows, np.int32),
        row_cost=np.zeros(rows),
        row_least=np.zeros(rows),
        new_begin=np.zeros(pairs, np.int32),
        new_size=np.zeros(pairs, np.int32),
        new_arcs=np.zeros((slots, room), np.int32),
        new_room=np.zeros(slots, np.int64),
        climbed=np.zeros(climbing),
        label=np.zeros(climbing if places else (slots, count, 1)),
        on_climb=np.zeros(climbing[:2], np.bool_),
        stack=np.zeros((slots, places + 2), np.int32),
        before=np.zeros(dijkstra, np.int32),
        wanted=np.zeros(dijkstra, np.int32),
        heap_key=np.zeros(heap),
        heap_item=np.zeros(heap, np.int32),
        totals=np.zeros(4),
    )
    terms = LinkTerms(*(np.asarray(v) for v in (constant, kind, k, p, scale, shift, table)))
    return Problem(graph, links, terms, order, hierarchy, store)


@njit
def beckmann(s, class_volume):
    """Beckmann's objective with the constant costs of the classes, weighted by their equivalents."""
    total = 0.0
    for a in range(len(s.volume)):
        total += s.base[a] * s.volume[a]
        for e in range(s.term_start[a], s.term_start[a + 1]):
            kind, k, p, scale, shift = s.kind[e], s.k[e], s.p[e], s.scale[e], s.shift[e]
            total += term_integral(kind, k, p, scale, s.table, s.volume[a] + shift)
            total -= term_integral(kind, k, p, scale, s.table, shift)
        for m in range(len(s.pce)):
            if class_volume[m, a] > 0.0:
                total += s.pce[m] * s.extra[m, a] * class_volume[m, a]
    return total


def _sweep(s: PathStore, aim: float, excess: float, total: float, stalled: bool) -> PathStore:
    """Sweeps over the pairs until their paths differ little, as a share of ``total``, against the gap at hand.

    Where they are slow, Newton steps move all pairs together in between. ``stalled``: paths are kept that only help
    together with those of other pairs.
    """
    share = max(0.25 * aim, INNER_SHARE * excess)
    before = np.inf
    for _ in range(INNER):
        apart = paths.sweep(s, EVEN * share, np.inf if stalled else paths.CLOSE)
        if apart <= share * total:
            break
        if apart > SLOW * before:
            s = newton.step(s)
        before = apart
    if stalled:
        paths.sweep(s, EVEN * share, paths.CLOSE)
    return s


def solve(
    problem: Problem, demand: np.ndarray, gap: float = 1e-6, max_iterations: int = 1000
) -> tuple[Problem, PathEquilibrium]:
    """Equilibrium of ``demand`` (pair) [veh] from the path sets at hand; the problem that carries them on.

    Stops where the relative gap ``(TSTT - SPTT) / TSTT`` of the flows that are returned is at most ``gap``.
    """
    s = problem.store
    cold = bool(s.counter[paths.PATHS] == 0)
    paths.scale_flows(s, np.ascontiguousarray(np.asarray(demand, np.float64)[problem.order]))
    status, relative, iterations, history = NOT_CONVERGED, np.inf, 0, []
    aim, polish = (gap, 0) if gap > TIGHT else (POLISHED * gap, POLISHING)
    moving, best, slow = cold, np.inf, 0
    paths.refresh(s)
    if not cold:  # the paths at hand first take the new demand among themselves
        used = s.volume > 0
        total = float(np.sum(s.volume[used] * s.cost.min(axis=0)[used]))
        apart = paths.sweep(s, 0.1 * aim, paths.CLOSE)
        s = _sweep(s, aim, WARM * apart / max(total, 1e-300), total, False)
    while True:
        if not moving:
            paths.refresh(s)
        s = paths.price(s, problem.hierarchy, moving)
        if s.lost.any():
            status = UNREACHABLE
            break
        total, least, loaded = s.totals[:3]
        excess = (total - least) / total if total > 0 else 0.0
        if loaded == 0:
            slow = slow + 1 if excess > 0.5 * best else 0
            best = min(best, excess)
        stalled = slow >= PATIENCE
        may_move = iterations + 1 < max_iterations and not stalled
        if moving:  # costs changed on the way: an estimate
            moving = (loaded > 0 or excess > MOVING_ABOVE * gap) and may_move and cold
        elif loaded > 0:  # pairs of a new demand are on their first path now
            continue
        else:
            relative = excess
            history.append(relative)
            if relative < -1e-12:
                status = INFEASIBLE
                break
            if relative <= gap:
                status = CONVERGED
                polish -= 1
            else:
                status = NOT_CONVERGED
            if relative <= aim or iterations >= max_iterations or polish < 0:
                break
            moving = relative > MOVING_ABOVE * gap and may_move and cold
        s = _sweep(s, aim, excess, total, stalled)
        iterations += 1
    problem = problem._replace(store=s)
    return problem, _outcome(problem, status, relative, iterations, np.array(history))


def _outcome(problem: Problem, status: int, relative: float, iterations: int, history: np.ndarray) -> PathEquilibrium:
    """Flows and costs by the caller's links."""
    s = problem.store
    class_volume = np.zeros_like(s.cost)
    paths.load_paths(s, np.ones(len(s.first)), class_volume)
    class_flow = to_links(problem, class_volume)
    total = float(s.totals[0])
    lost = problem.order[s.lost]
    return PathEquilibrium(
        status,
        float(relative),
        iterations,
        np.sum(s.pce[:, None] * class_flow, axis=0),
        class_flow,
        total,
        float(beckmann(s, class_volume)),
        lost,
        history,
    )


def to_links(problem: Problem, arc_values: np.ndarray) -> np.ndarray:
    """Values by arc (..., arc) repeated for the links of each arc (..., link); zero on links of no path."""
    out = np.zeros((*arc_values.shape[:-1], problem.links))
    out[..., problem.graph.member] = np.repeat(arc_values, np.diff(problem.graph.member_start), axis=-1)
    return out


def path_table(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Used paths: caller's pair index (path), flow (path) [veh], start (path + 1) and links of each path in order."""
    s, graph = problem.store, problem.graph
    pairs, chosen = [], []
    for e in np.flatnonzero((s.first >= 0) & (s.demand > 0)):
        k = s.first[e]
        while k >= 0:
            if s.flow[k] > 0:
                pairs.append(problem.order[e])
                chosen.append(k)
            k = s.following[k]
    use = np.array(chosen, np.int64)
    arcs = _gather(s.begin[use], s.size[use].astype(np.int64), s.arcs)
    sizes = np.diff(graph.member_start).astype(np.int64)
    links = _gather(graph.member_start[arcs].astype(np.int64), sizes[arcs], graph.member)
    arc_end = np.concatenate([[0], np.cumsum(s.size[use])])
    link_end = np.concatenate([[0], np.cumsum(sizes[arcs])])
    return np.array(pairs, np.int64), s.flow[use], link_end[arc_end], links


def _gather(begin: np.ndarray, size: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Slices ``values[begin:begin + size]`` one after the other."""
    end = np.cumsum(size)
    return values[np.repeat(begin - np.concatenate([[0], end[:-1]]), size) + np.arange(end[-1] if len(end) else 0)]


@njit
def _link_times(s, flow, out):
    for a in range(len(flow)):
        out[a] = s.constant[a]
        if s.k[a] != 0.0:
            y, _ = term_of(s, a, max(flow[a], 0.0))
            out[a] += y


def link_times(problem: Problem, flow: np.ndarray) -> np.ndarray:
    """Travel time (link) [time] of every link of the caller at ``flow`` (link) [pcu]."""
    out = np.zeros(len(flow))
    _link_times(problem.link_terms, flow, out)
    return out

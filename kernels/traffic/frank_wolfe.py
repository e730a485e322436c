"""Bi-conjugate Frank-Wolfe over link flows: the simple reference for the path-based equilibrium.

All-or-nothing loading by Dijkstra on the links as they are (no contraction, no path sets), directions after
Mitradjieva and Lindberg 2013 (Transp. Sci. 47(2)), exact line search. Slow below a gap of 1e-5 by nature.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit
from kernels.traffic.cost import term_of
from kernels.traffic.equilibrium import (
    CONVERGED,
    INFEASIBLE,
    NOT_CONVERGED,
    UNREACHABLE,
    PathEquilibrium,
    Problem,
    beckmann,
    to_links,
)
from kernels.traffic.shortest_path import search

__all__ = ["all_or_nothing", "solve_reference"]


class Search(NamedTuple):
    """Scratch of :func:`kernels.traffic.shortest_path.search`."""

    label: np.ndarray
    before: np.ndarray
    wanted: np.ndarray
    key: np.ndarray
    item: np.ndarray


@njit
def all_or_nothing(s, work, cost, demand, target):
    """Load each pair's demand on its shortest path: ``target`` (class, arc) [veh]; least cost of all (pcu-weighted).

    ``s`` is a :class:`kernels.traffic.paths.PathStore` (network and pairs only), ``work`` its scratch,
    ``cost`` (class, arc) [time], ``demand`` (pair) [veh]. Pairs without a path are marked in ``s.lost``.
    """
    target[:] = 0.0
    least = 0.0
    label, before, wanted = work.label, work.before, work.wanted
    wanted[:] = -1
    for row in range(len(s.row_source)):
        m = s.row_class[row]
        missing = 0
        for e in range(s.row_start[row], s.row_start[row + 1]):
            if demand[e] > 0.0 and wanted[s.pair_node[e]] != row:
                wanted[s.pair_node[e]] = row
                missing += 1
        if missing == 0:
            continue
        source = s.row_source[row]
        search(s.start, s.head, cost[m], s.through, source, wanted, row, missing, label, before, work.key, work.item)
        for e in range(s.row_start[row], s.row_start[row + 1]):
            if demand[e] <= 0.0:
                continue
            v = s.pair_node[e]
            if label[v] == np.inf:
                s.lost[e] = True
                continue
            least += s.pce[m] * demand[e] * label[v]
            while v != source:
                target[m, before[v]] += demand[e]
                v = s.tail[before[v]]
    return least


@njit
def _costs(s, volume, cost, slope):
    """Cost (class, arc) and slope (arc) at the volume (arc)."""
    for a in range(len(volume)):
        t = s.base[a]
        d = 0.0
        for e in range(s.term_start[a], s.term_start[a + 1]):
            y, g = term_of(s, e, max(volume[a], 0.0))
            t += y
            d += g
        slope[a] = d
        for m in range(cost.shape[0]):
            cost[m, a] = t + s.extra[m, a]


def _weighted(pce: np.ndarray, cost: np.ndarray, flow: np.ndarray) -> float:
    """Sum over classes and arcs of pce x cost x flow, where closed arcs (infinite cost) carry nothing."""
    return float(pce @ np.sum(np.where(flow != 0, cost, 0.0) * flow, axis=1))


def solve_reference(
    problem: Problem, demand: np.ndarray, gap: float = 1e-4, max_iterations: int = 1000
) -> tuple[Problem, PathEquilibrium]:
    """Equilibrium as :func:`kernels.traffic.equilibrium.solve`, by bi-conjugate Frank-Wolfe from free flow."""
    s = problem.store
    q = np.ascontiguousarray(np.asarray(demand, np.float64)[problem.order])
    s.lost[:] = False
    cost, slope, ahead = np.zeros_like(s.cost), np.zeros_like(s.slope), np.zeros_like(s.slope)
    target = np.zeros_like(cost)
    trial = np.zeros_like(cost)
    nodes, arcs = len(s.through), len(s.head)
    before, wanted = np.zeros((2, nodes), np.int32)
    work = Search(np.zeros(nodes), before, wanted, np.zeros(arcs + 2), np.zeros(arcs + 2, np.int32))
    _costs(s, np.zeros_like(slope), cost, slope)
    all_or_nothing(s, work, cost, q, target)
    x = target.copy()
    older: list[np.ndarray] = []  # targets before, newest first
    step, status, relative, iterations, history, total = 1.0, NOT_CONVERGED, np.inf, 0, [], 0.0
    while True:
        volume = s.pce @ x
        _costs(s, volume, cost, slope)
        least = all_or_nothing(s, work, cost, q, target)
        if s.lost.any():
            status = UNREACHABLE
            break
        total = _weighted(s.pce, cost, x)
        relative = (total - least) / total if total > 0 else 0.0
        history.append(relative)
        if relative < -1e-12:
            status = INFEASIBLE
            break
        if relative <= gap:
            status = CONVERGED
            break
        if iterations >= max_iterations:
            break
        towards = _conjugate(s.pce, slope, x, target, older, step)
        direction = towards - x
        if _weighted(s.pce, cost, direction) >= 0:
            towards, older = target.copy(), []
            direction = towards - x
        low, high = 0.0, 1.0
        for _ in range(50):
            step = 0.5 * (low + high)
            _costs(s, s.pce @ (x + step * direction), trial, ahead)
            if _weighted(s.pce, trial, direction) > 0:
                high = step
            else:
                low = step
            if high - low < 1e-12:
                break
        older = [towards, *older[:1]] if step < 0.999 else []
        x = np.maximum(x + step * direction, 0.0)
        iterations += 1
    class_flow = to_links(problem, x)
    s.volume[:] = s.pce @ x
    outcome = PathEquilibrium(
        status,
        float(relative),
        iterations,
        s.pce @ class_flow,
        class_flow,
        total,
        float(beckmann(s, x)),
        problem.order[s.lost],
        np.array(history),
    )
    return problem, outcome


def _conjugate(
    pce: np.ndarray, slope: np.ndarray, x: np.ndarray, target: np.ndarray, older: list[np.ndarray], step: float
) -> np.ndarray:
    """Point to move towards: the new target and up to two before it, conjugate in the metric of the slopes."""
    if not older:
        return target.copy()
    newest = target - x
    last = older[0] - x

    def form(u: np.ndarray, v: np.ndarray) -> float:
        return float(np.sum(slope * (pce @ u) * (pce @ v)))

    mu = 0.0
    if len(older) > 1 and step < 1:
        both = step * older[0] + (1 - step) * older[1] - x
        below = form(both, older[1] - older[0])
        mu = max(-form(both, newest) / below, 0.0) if below != 0 else 0.0
    below = form(last, last)
    nu = -form(last, newest) / below if below > 0 else 0.0
    nu = max(nu + (mu * step / (1 - step) if mu > 0 else 0.0), 0.0)
    share = 1.0 / (1.0 + mu + nu)
    point = share * target + nu * share * older[0]
    if mu > 0:
        point += mu * share * older[1]
    return point

"""The radial solver of a circuit: its trees, with branches side by side as one, swept; Newton where sweeps creep."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernels.power.forest import Forest, ForestSolution, plant
from kernels.power.status import ISLANDED, MAX_ITERATIONS, OK
from kernels.power.tree import LOOP
from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.power.meshed import solve_meshed
from twin.power.solution import Solution, compiled, voltage_dependent

__all__ = ["forest_of", "past_sweeps", "solve_radial"]


@dataclass
class _Trees:
    """The forest of a circuit, in which branches side by side with one ratio are one branch."""

    forest: Forest
    branch: np.ndarray  # (two-port) branch of the forest, -1 without supply
    turned: np.ndarray  # (two-port) lies the other way round than its branch
    share: np.ndarray  # (two-port) complex share of its branch's current
    alone: bool  # no branch has another beside it

    def spread(self, circuit: Circuit, v: np.ndarray, s_from: np.ndarray, s_to: np.ndarray) -> tuple[np.ndarray, ...]:
        """Power into both ends of each two-port, from that of the forest's branches (branch, lane).

        Beside each other, series currents divide as the admittances, and each keeps its own shunts.
        """
        of = self.branch
        live = of >= 0
        out_from, out_to = (np.full((of.size, v.shape[1]), np.nan + 0j) for _ in range(2))
        out_from[live], out_to[live] = s_from[of[live]], s_to[of[live]]
        if self.alone:
            return out_from, out_to
        several = np.flatnonzero(live & (np.bincount(of[live], minlength=s_from.shape[0])[of] > 1))
        square = [np.abs(v[ends[several]]) ** 2 for ends in (circuit.start, circuit.end)]
        near = np.conj(circuit.shunt_from / np.abs(circuit.ratio) ** 2)[several, None] * square[0]
        far = np.conj(circuit.shunt_to)[several, None] * square[1]
        turned, joined = self.turned[several, None], of[several]
        series = []  # power of the series parts at both ends of the forest's branches
        for power, own in ((s_from, np.where(turned, far, near)), (s_to, np.where(turned, near, far))):
            shunts = np.zeros((s_from.shape[0], v.shape[1]), complex)
            np.add.at(shunts, joined, own)
            series.append(np.conj(self.share[several])[:, None] * (power - shunts)[joined])
        out_from[several] = np.where(turned, series[1], series[0]) + near
        out_to[several] = np.where(turned, series[0], series[1]) + far
        return out_from, out_to


def forest_of(circuit: Circuit) -> _Trees:
    """Trees behind the sources; the forest's code says why there are none."""
    live = np.flatnonzero(circuit.fed[circuit.start])
    start, end, z, ratio = (x[live] for x in (circuit.start, circuit.end, circuit.z, circuit.ratio))
    low, high = np.minimum(start, end), np.maximum(start, end)
    _, first, joined = np.unique(low * circuit.count + high, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # branches keep the order of the circuit
    first, joined = np.sort(first), rank[joined]
    turned = start != start[first][joined]
    unlike = (ratio != ratio[first][joined]) | (turned & (ratio != 1)) | (z != circuit.z_back[live])
    if unlike.any():
        return _Trees(Forest(LOOP, -1, np.empty(0, int), np.empty(0, bool), 0), *(np.empty(0),) * 3, True)
    y = 1 / z
    total = np.zeros(first.size, complex)
    np.add.at(total, joined, y)
    near, far = np.zeros(first.size, complex), np.zeros(first.size, complex)
    np.add.at(near, joined, np.where(turned, circuit.shunt_to[live], circuit.shunt_from[live]))
    np.add.at(far, joined, np.where(turned, circuit.shunt_from[live], circuit.shunt_to[live]))
    alone = first.size == live.size
    none = np.full(first.size, np.inf)  # loadings are made from the flows
    forest = plant(
        circuit.count, start[first], end[first], np.ones(first.size, bool), circuit.held, z if alone else 1 / total,
        ratio[first], near, far, circuit.shunt, none, none,
    )  # fmt: skip
    branch, turn, share = (
        np.full(circuit.branch.size, -1),
        np.zeros(circuit.branch.size, bool),
        np.ones(circuit.branch.size, complex),
    )
    branch[live], turn[live], share[live] = joined, turned, y / total[joined]
    return _Trees(forest, branch, turn, share, alone)


def solve_radial(circuit: Circuit, trees: _Trees, demand: Demand, tolerance: float, linear: bool) -> Solution:
    """Sweeps of the circuit's trees; one current iteration where ``linear``."""
    forest = trees.forest
    source = np.where(circuit.held, circuit.source, np.nan)[:, None]
    scratch = forest.scratch()
    options: dict[str, Any] = {
        "tolerance": 1e300 if linear else tolerance, "max_iterations": 1 if linear else 500, "scratch": scratch,
    }  # fmt: skip

    def solve(d: Demand) -> tuple[ForestSolution, float]:
        out = forest.allocate(d.lanes, current=False, flow=True)
        began = time.process_time()
        forest.solve(out, source, d.p, d.q, **voltage_dependent(d), **options)
        return out, time.process_time() - began

    compiled(solve, demand)
    out, seconds = solve(demand)
    p_from, q_from, p_to, q_to = out.flow
    v = out.v_real + 1j * out.v_imag
    s_from, s_to = trees.spread(circuit, v, p_from + 1j * q_from, p_to + 1j * q_to)
    status = np.full((circuit.count, demand.lanes), ISLANDED, np.int8)
    status[circuit.held] = OK
    status[forest.order] = out.status[forest.block_of_bus[forest.order]]
    good = np.where(out.status == OK, out.mismatch, 0.0)
    return Solution(
        v, s_from, s_to, status, good.max(0, initial=0.0), seconds, "linear (screening)" if linear else "radial",
    )  # fmt: skip


def past_sweeps(circuit: Circuit, swept: Solution, demand: Demand, tolerance: float) -> Solution:
    """Newton's method for the components and lanes that creep: near the nose of the voltage curve sweeps slow down.

    Each lane alone, so that it does not depend on the others. What Newton does not solve keeps its status.
    """
    creeps = np.zeros(swept.status.shape, bool)  # (lowest node of a component, lane)
    nodes, lanes = np.nonzero(swept.status == MAX_ITERATIONS)
    creeps[circuit.component[nodes], lanes] = True
    lanes = np.unique(lanes)
    if not lanes.size:
        return swept
    sets, group = np.unique(creeps[:, lanes], axis=1, return_inverse=True)
    for k in range(sets.shape[1]):
        some = lanes[group.ravel() == k]
        fed = circuit.fed & np.isin(circuit.component, np.flatnonzero(sets[:, k]))
        found = solve_meshed(replace(circuit, fed=fed), demand.of(some), tolerance, None, alone=True)
        good = (found.status[fed] == OK).all(0)
        inside, solved = np.ix_(fed, some[good]), np.ix_(fed, good)
        swept.v[inside], swept.status[inside] = found.v[solved], OK
        ports, of_ports = np.ix_(fed[circuit.start], some[good]), np.ix_(fed[circuit.start], good)
        swept.s_from[ports], swept.s_to[ports] = found.s_from[of_ports], found.s_to[of_ports]
        swept.mismatch[some[good]] = np.maximum(swept.mismatch[some[good]], found.mismatch[good])
        swept.seconds += found.seconds
    return swept

"""The split solver: radial parts swept, the meshed core by Newton, exchanged until they match."""

import time
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from kernels.power.forest import plant
from kernels.power.mesh import admittance, operating_points, spacing, weave
from kernels.power.newton import HELD, PQ, PV
from kernels.power.status import ISLANDED, MAX_ITERATIONS, OK
from kernels.power.topology import peel
from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.power.meshed import SHARED, start_of
from twin.power.solution import Solution, flows_of, voltage_dependent

__all__ = ["radial_parts", "solve_split"]

ROUGH = (1e-3, 1e-6)  # pu: tolerance of the first sweeps, whose voltages are passed on but not kept
EXCHANGES = 40  # between a meshed core and its radial parts
MATCH = 1e-2  # of the tolerance: movement of a root's voltage at which they match


def radial_parts(circuit: Circuit) -> np.ndarray:
    """Nodes of the radial parts that hang on the meshed core (node)."""
    live = circuit.fed[circuit.start]
    keep = circuit.held | circuit.generator | ~circuit.fed
    for ends in (circuit.start, circuit.end):
        keep[ends[circuit.z != circuit.z_back]] = True
    return peel(circuit.count, circuit.start[live], circuit.end[live], keep)


def solve_split(circuit: Circuit, tree: np.ndarray, demand: Demand, tolerance: float, limits: Any) -> Solution:
    """Radial parts swept, the core by Newton; each takes the other's voltage or power until they match.

    ``tree`` (node) nodes of the radial parts. They start as their load; then the sweeps tell what the trees draw at
    the core's voltage, and the core what its voltage is with that, until no root of a tree moves by more than a
    hundredth of the tolerance. Lanes leave the exchange each on its own account.
    """
    n, lanes = circuit.count, demand.lanes
    hung = circuit.fed[circuit.start] & (tree[circuit.start] | tree[circuit.end])
    none = np.zeros(n, complex)
    forest = plant(
        n, circuit.start, circuit.end, hung, circuit.fed & ~tree, circuit.z, circuit.ratio, circuit.shunt_from,
        circuit.shunt_to, np.where(tree, circuit.shunt, none), circuit.rated_from, circuit.rated_to,
    )  # fmt: skip
    # a tree's end shunt at its root belongs to the core
    own = circuit.shunt.copy()
    at_root = forest.end_shunt[2] + 1j * forest.end_shunt[3]
    rooted = forest.is_source[forest.parent_bus]
    np.add.at(own, forest.parent_bus[rooted], at_root[rooted])
    live = circuit.fed[circuit.start] & ~hung
    start, end, ratio = circuit.start[live], circuit.end[live], circuit.ratio[live]
    rows, columns, values = admittance(
        n, start, end, circuit.z[live], circuit.z_back[live], ratio, circuit.shunt_from[live], circuit.shunt_to[live],
        own,
    )  # fmt: skip
    kind = np.where(circuit.held, HELD, np.where(circuit.generator, PV, PQ))
    core = circuit.fed & ~tree
    mesh = weave(n, rows, columns, values, kind, core)
    first = start_of(circuit, circuit.start, circuit.end, circuit.ratio)
    inner = np.flatnonzero(core)
    root_of = np.arange(n)  # the core node that feeds each node
    root_of[forest.order] = forest.root[forest.block_of_bus[forest.order]]
    roots = np.unique(forest.root)

    gather = csr_matrix((np.ones(n), (root_of, np.arange(n))), shape=(n, n))
    blocks_of = csr_matrix(
        (np.ones(forest.root.size), (forest.root, np.arange(forest.root.size))), (n, forest.root.size)
    )

    def lumped(x: np.ndarray) -> np.ndarray:
        return gather @ x

    def constant_only(x: np.ndarray) -> np.ndarray:
        return np.where(tree.reshape(-1, *(1,) * (x.ndim - 1)), 0, x)

    whole = [b.copy() for b in demand.basis]
    if len(whole) > 2:  # the trees' load as constant power
        for k in range(2, 6):
            whole[k % 2] = whole[k % 2] + np.where(tree, whole[k], 0)
            whole[k] = np.where(tree, 0, whole[k])
    basis = [np.stack([lumped(b[0]), lumped(b[1])]) for b in whole]
    part = None if demand.part is None else tuple(constant_only(x) for x in demand.part)
    scratch = forest.scratch()

    def exchange(d: Demand, core_part: Any) -> tuple[np.ndarray, Any, Any, float]:
        began = time.process_time()
        power = d.total - circuit.generation()[:, None]
        drawn = lumped(np.where(tree[:, None], power, 0))
        own_p, own_q = constant_only(d.p), constant_only(d.q)
        out, trees, v = None, None, np.full((n, d.lanes), np.nan + 0j)
        todo, before = np.arange(d.lanes), np.full((roots.size, d.lanes), np.inf + 0j)
        status = np.zeros(d.lanes, np.int8)
        trees = forest.allocate(d.lanes)
        mismatch, at_limit = np.full(d.lanes, np.nan), np.zeros((n, d.lanes), np.int8)
        for turn in range(EXCHANGES):
            every = todo.size == d.lanes
            pick: Any = slice(None) if every else todo
            some = d if every else d.of(todo)
            points = operating_points(basis, some.level, spacing(d.lanes)) if d.lanes >= SHARED else None
            p, q = own_p[:, pick] + drawn[:, pick].real, own_q[:, pick] + drawn[:, pick].imag
            rough = ROUGH[turn] if turn < len(ROUGH) else 0.1 * tolerance
            out = mesh.solve(
                first, p, q, points=points, tolerance=tolerance, limits=limits,
                parts=None if core_part is None else tuple(x if every else x[:, todo].copy() for x in core_part),
            )  # fmt: skip
            v[inner[:, None], todo] = out.v_real[inner] + 1j * out.v_imag[inner]
            status[pick], mismatch[pick] = out.status, out.mismatch
            if limits is not None:
                at_limit[:, pick] = out.at_limit
            good = out.status == OK
            moved = np.abs(v[roots][:, pick] - before[:, pick]).max(0, initial=0.0)
            before[:, pick] = v[roots][:, pick]
            swept = forest.allocate(todo.size)
            forest.solve(
                swept, v[:, pick], some.p, some.q, **voltage_dependent(some),
                tolerance=max(rough, 0.1 * tolerance), max_iterations=500, scratch=scratch,
            )  # fmt: skip
            if every:
                trees = swept
            else:
                for name in ("v_real", "v_imag", "j_real", "j_imag", "status", "mismatch"):
                    getattr(trees, name)[:, todo] = getattr(swept, name)
            s = v[forest.root][:, pick] * np.conj(swept.source_real + 1j * swept.source_imag)
            fallen = (swept.status != OK).any(0)
            drawn[:, pick] = blocks_of @ np.where(swept.status == OK, s, 0)
            todo = todo[good & ~fallen & ((moved > MATCH * tolerance) | (turn < len(ROUGH)))]
            if not todo.size:
                break
        status[todo] = MAX_ITERATIONS
        return v, trees, (status, mismatch, at_limit), time.process_time() - began

    exchange(demand.of(np.arange(min(2, lanes))), None if part is None else tuple(x[:, :2].copy() for x in part))
    v, trees, (code, mismatch, at_limit), seconds = exchange(demand, part)
    status = np.full((n, lanes), ISLANDED, np.int8)
    status[core] = code
    block = forest.block_of_bus[forest.order]
    status[forest.order] = np.maximum(trees.status[block], code)
    # a feeder that cannot be fed leaves the core without its load: the component is not solved either
    fallen = trees.status.max(0, initial=OK)
    for lane in np.flatnonzero(fallen > OK):
        for b in np.flatnonzero(trees.status[:, lane] > OK):
            inside = circuit.component == circuit.component[forest.root[b]]
            status[inside, lane] = np.maximum(status[inside, lane], trees.status[b, lane])
    v[forest.order] = (trees.v_real + 1j * trees.v_imag)[forest.order]
    v[status != OK] = np.nan
    s_from, s_to = flows_of(circuit, v)
    return Solution(
        v, s_from, s_to, status, np.where(code == OK, mismatch, 0.0), seconds, "meshed core, radial feeders",
        at_limit if limits is not None else None,
    )  # fmt: skip

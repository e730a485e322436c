"""The meshed solver of a circuit: Newton's method from the angles of its sources and shifts."""

import time
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.linalg import spsolve

from kernels.power.mesh import Mesh, MeshSolution, admittance, operating_points, spacing, weave
from kernels.power.newton import HELD, PQ, PV
from kernels.power.status import ISLANDED, OK
from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.power.solution import Solution, compiled, flows_of

__all__ = ["SHARED", "mesh_of", "solve_meshed", "start_of"]

SHARED = 8  # lanes: from here on they share factors


def mesh_of(circuit: Circuit) -> tuple[Mesh, np.ndarray]:
    """The mesh of all fed nodes, and the start: set points, angles turned by the transformers' shifts."""
    live = circuit.fed[circuit.start]
    start, end, ratio = circuit.start[live], circuit.end[live], circuit.ratio[live]
    rows, columns, values = admittance(
        circuit.count, start, end, circuit.z[live], circuit.z_back[live], ratio, circuit.shunt_from[live],
        circuit.shunt_to[live], circuit.shunt,
    )  # fmt: skip
    kind = np.where(circuit.held, HELD, np.where(circuit.generator, PV, PQ))
    return weave(circuit.count, rows, columns, values, kind, circuit.fed), start_of(circuit, start, end, ratio)


def start_of(circuit: Circuit, start: np.ndarray, end: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Angles of the sources, carried over the branches with their shift, breadth first."""
    n = circuit.count
    angle = np.zeros(n)
    angle[circuit.held] = np.angle(circuit.source[circuit.held])
    sources = np.flatnonzero(circuit.held)
    hub = np.full(sources.size, n)
    rows, columns = np.concatenate([start, end, hub]), np.concatenate([end, start, sources])
    graph = csr_matrix((np.ones(rows.size), (rows, columns)), shape=(n + 1, n + 1))
    order, above = breadth_first_order(graph, n, directed=True)
    turn: dict[tuple[int, int], float] = {}
    for f, t, shift in zip(start.tolist(), end.tolist(), np.angle(ratio).tolist()):
        turn.setdefault((f, t), -shift)
        turn.setdefault((t, f), shift)
    for i in order[1:].tolist():
        if above[i] != n:
            angle[i] = angle[above[i]] + turn[int(above[i]), i]
    size = np.where(circuit.held, np.abs(circuit.source), np.where(circuit.generator, circuit.set_point, 1.0))
    return size * np.exp(1j * angle)


def _linear_start(circuit: Circuit, start: np.ndarray, p: np.ndarray) -> np.ndarray:
    """``start`` with the angles of the linear (DC) power flow of consumption ``p`` (node) [MW]: lossless, flat.

    P = B theta with b = 1 / (x |n|) of each two-port and its shift as a source; large transmission systems converge
    from here where they do not from angles of zero.
    """
    n, live = circuit.count, circuit.fed[circuit.start]
    a, c, ratio = circuit.start[live], circuit.end[live], circuit.ratio[live]
    x = circuit.z[live].imag
    b = 1 / (np.where(np.abs(x) > 1e-9, x, 1e-9) * np.abs(ratio))
    shift = b * np.angle(ratio)
    matrix = csr_matrix((np.concatenate([b, b, -b, -b]), (np.concatenate([a, c, a, c]), np.concatenate([a, c, c, a]))),
                        shape=(n, n))  # fmt: skip
    given = np.bincount(a, shift, n) - np.bincount(c, shift, n) - p - circuit.shunt.real
    free, held = np.flatnonzero(circuit.fed & ~circuit.held), np.flatnonzero(circuit.held)
    angle = np.angle(start)
    angle[free] = spsolve(matrix[free][:, free].tocsc(), given[free] - matrix[free][:, held] @ angle[held])
    return np.abs(start) * np.exp(1j * angle)


def _feasible_start(circuit: Circuit, mesh: Mesh, start: np.ndarray, demand: Demand) -> np.ndarray:
    """``start``, or where Newton's method does not reach the base point from it, that with linear angles."""
    base = [np.ascontiguousarray(x.sum(0)[:, None]) for x in demand.basis]
    parts = (base[2], base[3], base[4], base[5]) if len(base) > 2 else None
    if mesh.solve(start, base[0], base[1], parts=parts).status[0] == OK:
        return start
    other = _linear_start(circuit, start, base[0][:, 0])
    return other if mesh.solve(other, base[0], base[1], parts=parts).status[0] == OK else start


def solve_meshed(
    circuit: Circuit, demand: Demand, tolerance: float, limits: Any, linear: bool = False, alone: bool = False
) -> Solution:
    """Newton's method; from ``SHARED`` lanes on they share factors at operating points, unless each is ``alone``."""
    mesh, start = mesh_of(circuit)
    start = _feasible_start(circuit, mesh, start, demand)
    options: dict[str, Any] = {"tolerance": 1e300 if linear else tolerance, "limits": limits}

    def solve(d: Demand) -> MeshSolution:
        shared = d.lanes >= SHARED and not (linear or alone)
        points = operating_points(d.basis, d.level, spacing(d.lanes)) if shared else None
        return mesh.solve(start, d.p, d.q, parts=d.part, points=points, **options)

    compiled(solve, demand)
    began = time.process_time()
    out = solve(demand)
    v = out.v_real + 1j * out.v_imag
    s_from, s_to = flows_of(circuit, v)
    seconds = time.process_time() - began
    status = np.full((circuit.count, demand.lanes), ISLANDED, np.int8)
    status[circuit.fed] = out.status
    return Solution(
        v, s_from, s_to, status, np.where(out.status == OK, out.mismatch, 0.0), seconds,
        "linear (screening)" if linear else "meshed", out.at_limit if limits is not None else None,
    )  # fmt: skip

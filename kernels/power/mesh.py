"""A meshed network made ready for Newton's method: admittance matrix in pivot order and the pattern of its factor."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from kernels.jit import threads
from kernels.power.factorise import analyse, fill_positions
from kernels.power.newton import solve_meshed
from kernels.power.status import OK

__all__ = ["Mesh", "MeshSolution", "OperatingPoints", "admittance", "operating_points", "spacing", "weave"]

LEVEL = 0.05  # of all power: distance of operating points with factors of their own
FEW = 256  # lanes: with fewer the distance is doubled, as each point costs a factor
TASK = 256  # lanes of one task, for which the factor of their point is made once


def admittance(n_bus, branch_from, branch_to, z, z_back, ratio, shunt_from, shunt_to, bus_shunt):
    """Entries (row, column, y) of the bus admittance matrix [pu], not yet summed.

    Two-port of a branch with series impedance z (``z_back`` seen from the to end, equal but for asymmetric
    impedances) and complex ratio n at the from end: Yff = (1/z + yf) / |n|^2, Yft = -1 / (z conj(n)), Ytf = -1 /
    (z_back n), Ytt = 1/z_back + yt.
    """
    y, y_back = 1 / z, 1 / z_back
    diagonal = np.arange(n_bus)
    rows = np.concatenate([branch_from, branch_from, branch_to, branch_to, diagonal])
    columns = np.concatenate([branch_from, branch_to, branch_from, branch_to, diagonal])
    values = np.concatenate(
        [(y + shunt_from) / np.abs(ratio) ** 2, -y / np.conj(ratio), -y_back / ratio, y_back + shunt_to, bus_shunt]
    )
    return rows, columns, values


@dataclass
class OperatingPoints:
    """Loads at which a mesh is factored, and the point that each lane starts from.

    ``point`` (lane); ``p``, ``q`` (point, bus) and ``parts`` (four of (point, bus)) in the unit of the lanes' loads.
    Points are solved from the solution of ``reference`` (p, q and perhaps the parts, each (bus)). A lane's point must
    not depend on other lanes.
    """

    point: np.ndarray
    p: np.ndarray
    q: np.ndarray
    parts: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None
    reference: list[np.ndarray]


def spacing(lanes: int) -> float:
    """Distance of operating points that is quickest for a number of lanes, of all power."""
    return LEVEL if lanes >= FEW else 2 * LEVEL


def operating_points(basis: list[np.ndarray], level: np.ndarray, step: float = LEVEL) -> OperatingPoints:
    """Points on a lattice of levels: a lane's load is about ``sum_g level[g] * basis[.][g]``.

    ``basis``: p, q and perhaps p1, q1, p2, q2, each (group, bus), at level 1; ``level`` (group, lane). The lattice is
    that of the first group's level and of the others' distance to it, so that points of supply that follows demand
    are balanced as their lanes are; its width is ``step`` of all power.
    """
    size = np.abs(basis[0]).sum(1) + np.abs(basis[1]).sum(1)
    width = step * size.sum() / np.where(size > 0, size, 1)
    width[0] = step
    apart = level - level[0]
    apart[0] = level[0]
    number = np.rint(apart / width[:, None]).astype(np.int64)
    unique, point = np.unique(number, axis=1, return_inverse=True)
    rounded = (unique * width[:, None]).T
    rounded[:, 1:] += rounded[:, :1]
    loads = [rounded @ x for x in basis]
    parts = (loads[2], loads[3], loads[4], loads[5]) if len(loads) > 2 else None
    return OperatingPoints(point.ravel(), loads[0], loads[1], parts, [x.sum(0) for x in basis])


@dataclass
class MeshSolution:
    """Results of one batch."""

    v_real: np.ndarray  # (bus, lane) pu, NaN where not solved
    v_imag: np.ndarray
    status: np.ndarray  # (lane)
    mismatch: np.ndarray  # (lane) pu
    iterations: np.ndarray  # (lane)
    at_limit: np.ndarray  # (bus or 0, lane) +1, -1 where a generator gives its largest, smallest reactive power


@dataclass
class Mesh:
    """One topology: what does not change between lanes."""

    n_bus: int
    order: np.ndarray  # (n) bus of each pivot
    row: np.ndarray
    column: np.ndarray
    g: np.ndarray
    b: np.ndarray
    place: np.ndarray
    kind: np.ndarray  # (n) in pivot order
    first: np.ndarray
    later: np.ndarray
    target: np.ndarray

    @property
    def blocks(self) -> int:
        """Number of 2x2 blocks of the factor."""
        return self.order.size + 2 * self.later.size

    def solve(
        self,
        start: np.ndarray,
        p: np.ndarray,
        q: np.ndarray,
        *,
        scale: float = 1.0,
        parts: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None,
        points: OperatingPoints | None = None,
        limits: tuple[np.ndarray, np.ndarray] | None = None,
        tolerance: float = 1e-8,
        max_iterations: int = 30,
        kind: np.ndarray | None = None,
    ) -> MeshSolution:
        """Solve loads ``p``, ``q`` (bus, lane), times ``scale`` in pu, from ``start`` (bus) complex pu.

        ``parts`` are p1, q1, p2, q2 (bus, lane); ``points`` factors shared between lanes, without them each lane is
        solved by Newton's method; ``limits`` least and most reactive power (bus) that generators of PV buses may give
        [pu]; ``kind`` (bus) replaces the kinds given to :func:`weave`.
        """
        lanes = p.shape[1]
        none, empty = np.empty((0, lanes)), np.empty((0, self.n_bus))
        out = MeshSolution(
            np.full((self.n_bus, lanes), np.nan),
            np.full((self.n_bus, lanes), np.nan),
            np.zeros(lanes, np.int8),
            np.full(lanes, np.nan),
            np.zeros(lanes, np.int64),
            np.zeros((self.n_bus if limits is not None else 0, lanes), np.int8),
        )
        cold = True
        if points is None or lanes == 1:
            # lanes apart, in as many tasks as there are
            starts, lane_of = np.arange(lanes + 1), np.arange(lanes)
            loads: tuple[np.ndarray, ...] = (empty,) * 6
        else:
            one = [np.ascontiguousarray(x[:, None]) for x in points.reference]
            more = (one[2], one[3], one[4], one[5]) if len(one) > 2 else None
            base = self.solve(start, one[0], one[1], scale=scale, parts=more, kind=kind, tolerance=tolerance)
            if base.status[0] == OK:
                inside = self.order
                start = start.astype(complex)
                start[inside] = base.v_real[inside, 0] + 1j * base.v_imag[inside, 0]
                cold = False
            lane_of = np.argsort(points.point, kind="stable")
            sizes = np.bincount(points.point, minlength=points.p.shape[0])
            pieces = np.maximum(-(-sizes // TASK), 1)  # long points in several tasks, each with the point's factor
            of = np.repeat(np.arange(sizes.size), pieces)
            inner = np.arange(of.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            first = (np.cumsum(sizes) - sizes)[of] + inner * TASK
            starts = np.append(first, lanes)
            shares = points.parts if points.parts is not None else (empty,) * 4
            loads = tuple(np.ascontiguousarray(x[of]) if x.size else x for x in (points.p, points.q, *shares))
        low, high = limits if limits is not None else (np.empty(0), np.empty(0))
        solve_meshed(
            self.order,
            self.row,
            self.column,
            self.g,
            self.b,
            self.place,
            self.kind if kind is None else kind[self.order],
            self.first,
            self.later,
            self.target,
            p,
            q,
            *(parts if parts is not None else (none, none, none, none)),
            scale,
            np.ascontiguousarray(start.real),
            np.ascontiguousarray(start.imag),
            cold,
            starts,
            lane_of,
            *loads,
            low,
            high,
            tolerance,
            max_iterations,
            min(threads(), starts.size - 1),
            out.v_real,
            out.v_imag,
            out.status,
            out.mismatch,
            out.iterations,
            out.at_limit,
        )
        return out


def weave(
    n_bus: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray, kind: np.ndarray, used: np.ndarray
) -> Mesh:
    """Order the buses ``used`` (bus) and build the matrix of ``rows``, ``columns``, ``values`` (entry) among them.

    ``kind`` (bus) is PQ, PV or HELD. Entries are summed in a fixed order.
    """
    number = np.cumsum(used) - 1
    buses = np.flatnonzero(used)
    n = buses.size
    inside = used[rows] & used[columns]
    r, c, v = number[rows[inside]], number[columns[inside]], values[inside]
    key = r * n + c
    unique, inverse = np.unique(key, return_inverse=True)
    real = np.bincount(inverse, v.real, unique.size)
    imag = np.bincount(inverse, v.imag, unique.size)
    r, c = unique // n, unique % n
    position, first, later, sort, target, place = _pattern(n, r, c)
    pr, pc = position[r][sort], position[c][sort]
    row = np.concatenate([[0], np.cumsum(np.bincount(pr, minlength=n))]).astype(np.int64)
    order = np.empty(n, np.int64)
    order[position] = buses
    codes = kind.astype(np.int8)
    return Mesh(n_bus, order, row, pc, real[sort], imag[sort], place, codes[order], first, later, target)


_PATTERNS: OrderedDict[bytes, tuple[np.ndarray, ...]] = OrderedDict()
KEPT = 64  # patterns of topologies that are remembered


def _pattern(n: int, r: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
    """Order and pattern of the factor of a matrix with entries at (r, c), once per topology."""
    key = hashlib.sha256(np.concatenate([[n], r, c]).astype(np.int64).tobytes()).digest()
    if key in _PATTERNS:
        _PATTERNS.move_to_end(key)
        return _PATTERNS[key]
    # symmetric graph without the diagonal
    off = np.unique(np.concatenate([r * n + c, c * n + r])[np.concatenate([r, c]) != np.concatenate([c, r])])
    start = np.concatenate([[0], np.cumsum(np.bincount(off // n, minlength=n))]).astype(np.int64)
    position, first, later = analyse(n, start, off % n)
    sort = np.lexsort((position[c], position[r]))
    target, place = fill_positions(n, first, later, position[r][sort], position[c][sort])
    _PATTERNS[key] = position, first, later, sort, target, place
    if len(_PATTERNS) > KEPT:
        _PATTERNS.popitem(last=False)
    return _PATTERNS[key]

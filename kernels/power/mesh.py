"""A meshed network made ready for Newton's method: admittance matrix in pivot order and the pattern of its factor."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from kernels.jit import threads
from kernels.power.factorise import analyse, fill_positions
from kernels.power.newton import NARROW, POINT_ERROR, STRIP, put_lanes, solve_meshed, take_lanes
from kernels.power.status import OK

__all__ = [
    "Mesh",
    "MeshSolution",
    "OperatingPoints",
    "admittance",
    "lane_shares",
    "operating_points",
    "spacing",
    "weave",
]

LEVEL = 0.05  # of all power: distance of operating points with factors of their own
FEW = 256  # lanes: with fewer the distance is doubled, as each point costs a factor
ROTATIONS = 16  # of the points, tried for the most even shares
NARROW_COST, FACTOR_COST = 0.7, 0.2  # of the time of a wide strip, for an even share of each thread


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
        cold = True
        if points is None or lanes <= 1:
            lane_of, task_start, slot_start = _lanes_apart(lanes, threads())
            loads: tuple[np.ndarray, ...] = (empty,) * 6
        else:
            one = [np.ascontiguousarray(x[:, None]) for x in points.reference]
            more = (one[2], one[3], one[4], one[5]) if len(one) > 2 else None
            near = max(tolerance, POINT_ERROR)
            base = self.solve(start, one[0], one[1], scale=scale, parts=more, kind=kind, tolerance=near)
            if base.status[0] == OK:
                inside = self.order
                start = start.astype(complex)
                start[inside] = base.v_real[inside, 0] + 1j * base.v_imag[inside, 0]
                cold = False
            lane_of, task_start, slot_start, of = lane_shares(points.point, points.p.shape[0], threads())
            own = points.parts if points.parts is not None else (empty,) * 4
            loads = tuple(np.ascontiguousarray(x[of]) if x.size else x for x in (points.p, points.q, *own))
        low, high = limits if limits is not None else (np.empty(0), np.empty(0))
        # lanes in the order of the tasks until all is solved
        v_real, v_imag = np.empty((self.n_bus, lanes)), np.empty((self.n_bus, lanes))
        at_limit = np.zeros((self.n_bus if limits is not None else 0, lanes), np.int8)
        status, mismatch, iterations = np.zeros(lanes, np.int8), np.full(lanes, np.nan), np.zeros(lanes, np.int64)
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
            *(_taken(x, lane_of) for x in (p, q)),
            *((_taken(x, lane_of) for x in parts) if parts is not None else (none, none, none, none)),
            scale,
            np.ascontiguousarray(start.real),
            np.ascontiguousarray(start.imag),
            cold,
            task_start,
            slot_start,
            *loads,
            low,
            high,
            tolerance,
            max_iterations,
            v_real,
            v_imag,
            status,
            mismatch,
            iterations,
            at_limit,
        )
        back = np.argsort(lane_of)
        for x in (v_real, v_imag, at_limit):
            put_lanes(x, lane_of)
        return MeshSolution(v_real, v_imag, status[back], mismatch[back], iterations[back], at_limit)


def _taken(x: np.ndarray, lane_of: np.ndarray) -> np.ndarray:
    out = np.empty(x.shape)
    take_lanes(x, lane_of, out)
    return out


def _lanes_apart(lanes: int, slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lanes as tasks of their own, dealt out by turns: the first three of :func:`lane_shares`."""
    turn = np.arange(lanes) % slots
    return np.argsort(turn, kind="stable"), np.arange(lanes + 1), np.searchsorted(np.sort(turn), np.arange(slots + 1))


def lane_shares(point: np.ndarray, points: int, slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lanes in tasks that share a point's factor, and tasks in ``slots`` shares of about equal work.

    Points are dealt out by turns, as slow ones lie side by side, and the row of all strips is cut between strips,
    from the point on that makes shares most even: a point that is cut is factored on both sides, and no strip's lanes
    depend on the number of slots. Returns the lanes in the order of the tasks, first lane of each task and first task
    of each slot, both with their end, and the point of each task.
    """
    turn = np.argsort(np.arange(points) % slots, kind="stable")
    size = np.bincount(point, minlength=points)
    best = np.inf
    for shift in range(min(points, ROTATIONS)):
        row = np.roll(turn, shift)
        strips = -(-size[row] // STRIP)
        of = np.repeat(np.arange(points), strips)
        inner = np.arange(of.size) - np.repeat(np.cumsum(strips) - strips, strips)
        cost = np.where(size[row][of] - inner * STRIP > NARROW, 1.0, NARROW_COST) + FACTOR_COST * (inner == 0)
        slot = ((np.cumsum(cost) - cost / 2) * (slots / cost.sum())).astype(np.int64)
        largest = np.bincount(slot, cost).max()
        if largest < best:
            best, chosen = largest, (row, of, inner, slot)
    row, of, inner, slot = chosen
    task = np.flatnonzero(np.append(True, (np.diff(of) > 0) | (np.diff(slot) > 0)))
    place = np.empty(points, np.int64)
    place[row] = np.arange(points)
    begin = (np.cumsum(size[row]) - size[row])[of] + inner * STRIP
    task_start, slot_start = np.append(begin[task], point.size), np.searchsorted(slot[task], np.arange(slots + 1))
    return np.argsort(place[point], kind="stable"), task_start, slot_start, row[of[task]]


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

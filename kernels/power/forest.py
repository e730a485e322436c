"""A radial network made ready for sweeps: order, ratios and shunts of every row, and the arrays a sweep writes."""

from dataclasses import dataclass, field

import numpy as np

from kernels.jit import threads
from kernels.power.radial import PIECE, STRIP, scratch_size, solve_radial
from kernels.power.tree import RADIAL, order_forest, pieces

__all__ = ["Forest", "ForestSolution", "plant"]


@dataclass
class ForestSolution:
    """Results of one batch; per row arrays follow ``Forest.order``."""

    v_real: np.ndarray  # (bus, lane) pu, NaN where not solved
    v_imag: np.ndarray
    j_real: np.ndarray  # (row, lane) pu, into the child's end
    j_imag: np.ndarray
    magnitude: np.ndarray  # (bus, lane) pu
    loading: np.ndarray  # (row, lane)
    flow: np.ndarray  # (4, branch, lane) p and q into the from end, into the to end, pu; NaN outside the forest
    status: np.ndarray  # (block, lane)
    mismatch: np.ndarray  # (block, lane) pu, last change of voltage
    source_real: np.ndarray  # (block, lane) pu, current drawn from the source
    source_imag: np.ndarray
    iterations: np.ndarray  # (block)


@dataclass
class Forest:
    """Blocks of a radial network. ``code`` is RADIAL, or names why there is no forest, with the branch ``culprit``."""

    code: int
    culprit: int
    component: np.ndarray  # (bus) source bus, -1 without source
    is_source: np.ndarray  # (bus)
    branches: int  # of the network
    order: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    parent_row: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    parent_bus: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    branch: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    child_is_to: np.ndarray = field(default_factory=lambda: np.empty(0, np.bool_))
    block_start: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    root: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    block_of_bus: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # -1 at sources and islands
    plain: np.ndarray = field(default_factory=lambda: np.empty(0, np.bool_))
    piece: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    z: np.ndarray = field(default_factory=lambda: np.empty((2, 0)))
    a: np.ndarray = field(default_factory=lambda: np.empty((2, 0)))
    b: np.ndarray = field(default_factory=lambda: np.empty((2, 0)))
    y: np.ndarray = field(default_factory=lambda: np.empty((2, 0)))
    end_shunt: np.ndarray = field(default_factory=lambda: np.empty((4, 0)))
    inverse_rated: np.ndarray = field(default_factory=lambda: np.empty((2, 0)))

    def allocate(
        self,
        lanes: int,
        *,
        voltage: bool = True,
        current: bool = True,
        magnitude: bool = False,
        loading: bool = False,
        flow: bool = False,
    ) -> ForestSolution:
        """Arrays for a batch of ``lanes``; results not asked for have no rows."""
        n_bus, n_row, n_block = self.component.size, self.order.size, self.root.size

        def of(rows: int, wanted: bool = True) -> np.ndarray:
            return np.full((rows if wanted else 0, lanes), np.nan)

        return ForestSolution(
            of(n_bus, voltage),
            of(n_bus, voltage),
            of(n_row, current),
            of(n_row, current),
            of(n_bus, magnitude),
            of(n_row, loading),
            of(4 * self.branches, flow).reshape(4, -1, lanes),
            np.zeros((n_block, lanes), np.int8),
            np.zeros((n_block, lanes)),
            of(n_block),
            of(n_block),
            np.zeros(n_block, np.int64),
        )

    def width(self, lanes: int) -> int:
        """Lanes swept together: one strip, or one lane alone."""
        return 1 if lanes == 1 else STRIP

    def scratch(self, slots: int | None = None) -> np.ndarray:
        """One row of working memory per task slot (default: per thread)."""
        longest = int(np.diff(self.block_start).max(initial=1))
        return np.empty((slots or threads(), scratch_size(longest)))

    def solve(
        self,
        out: ForestSolution,
        source: np.ndarray,
        p: np.ndarray,
        q: np.ndarray,
        *,
        scale: float = 1.0,
        current_part: tuple[np.ndarray, np.ndarray] | None = None,
        impedance_part: tuple[np.ndarray, np.ndarray] | None = None,
        tolerance: float = 1e-8,
        max_iterations: int = 100,
        scratch: np.ndarray | None = None,
        width: int | None = None,
    ) -> None:
        """Sweep loads ``p``, ``q`` (bus, lane), times ``scale`` in pu, with ``source`` (bus, lane or 1) complex pu."""
        none = np.empty((0, p.shape[1]))
        p1, q1 = current_part if current_part is not None else (none, none)
        p2, q2 = impedance_part if impedance_part is not None else (none, none)
        if current_part is None and impedance_part is not None:
            p1 = q1 = np.zeros_like(p)
        elif impedance_part is None and current_part is not None:
            p2 = q2 = np.zeros_like(p)
        source_real, source_imag = np.ascontiguousarray(source.real), np.ascontiguousarray(source.imag)
        scratch = self.scratch() if scratch is None else scratch
        iterations = np.empty((scratch.shape[0], self.root.size), np.int64)
        solve_radial(
            self.order,
            self.parent_row,
            self.branch,
            self.child_is_to,
            self.block_start,
            self.root,
            self.plain,
            self.piece,
            self.z,
            self.a,
            self.b,
            self.y,
            source_real,
            source_imag,
            p,
            q,
            p1,
            q1,
            p2,
            q2,
            scale,
            tolerance,
            max_iterations,
            width or self.width(p.shape[1]),
            scratch,
            out.v_real,
            out.v_imag,
            out.j_real,
            out.j_imag,
            out.magnitude,
            out.loading,
            out.flow,
            self.end_shunt,
            self.inverse_rated,
            out.status,
            out.mismatch,
            out.source_real,
            out.source_imag,
            iterations,
        )
        out.iterations[:] = iterations.sum(0)
        held = np.flatnonzero(self.is_source)
        if out.v_real.shape[0]:
            out.v_real[held], out.v_imag[held] = source_real[held], source_imag[held]
        if out.magnitude.shape[0]:
            out.magnitude[held] = np.abs(source[held])


def plant(
    n_bus: int,
    branch_from: np.ndarray,
    branch_to: np.ndarray,
    active: np.ndarray,
    is_source: np.ndarray,
    z: np.ndarray,
    ratio: np.ndarray,
    shunt_from: np.ndarray,
    shunt_to: np.ndarray,
    bus_shunt: np.ndarray,
    rated_from: np.ndarray,
    rated_to: np.ndarray,
) -> Forest:
    """Order a network into blocks and give every row its constants.

    All in pu on one base. ``z`` (branch) series impedance and ``ratio`` (branch) complex, V_from = ratio * V_inner;
    ``shunt_from`` (inside the ratio, so ``shunt_from`` / |ratio|^2 at the bus) and ``shunt_to`` (branch) admittance
    at the ends; ``bus_shunt`` (bus); ``rated_from``, ``rated_to`` (branch) rated current, infinite where there is none.
    """
    n_branch = branch_from.size
    branch_from, branch_to = branch_from.astype(np.int64), branch_to.astype(np.int64)
    held = np.ascontiguousarray(is_source, dtype=np.bool_)
    component = np.empty(n_bus, np.int64)
    order, parent_row, branch = (np.empty(n_bus, np.int64) for _ in range(3))
    root = np.empty(n_branch + 1, np.int64)
    block_start = np.empty(n_branch + 2, np.int64)
    code, rows, blocks, culprit = order_forest(
        branch_from,
        branch_to,
        np.asarray(active, np.bool_),
        held,
        component,
        order,
        parent_row,
        branch,
        block_start,
        root,
    )
    if code != RADIAL:
        return Forest(code, culprit, component, held, n_branch)
    order, parent_row, branch = order[:rows].copy(), parent_row[:rows].copy(), branch[:rows].copy()
    block_start, root = block_start[: blocks + 1].copy(), root[:blocks].copy()
    child_is_to = branch_to[branch] == order
    parent_bus = np.where(child_is_to, branch_from[branch], branch_to[branch])
    n = ratio[branch]
    square = np.abs(n) ** 2
    a = np.where(child_is_to, 1 / n, n)
    b = np.where(child_is_to, 1 / np.conj(n), np.conj(n))
    rows_z = np.where(child_is_to, z[branch], z[branch] * square)
    at_from, at_to = shunt_from[branch] / square, shunt_to[branch]
    y = bus_shunt.astype(complex)
    np.add.at(y, branch_from[branch], at_from)
    np.add.at(y, branch_to[branch], at_to)
    child_shunt, parent_shunt = np.where(child_is_to, at_to, at_from), np.where(child_is_to, at_from, at_to)
    child_rated = np.where(child_is_to, rated_to[branch], rated_from[branch])
    parent_rated = np.where(child_is_to, rated_from[branch], rated_to[branch])
    block_of_bus = np.full(n_bus, -1, np.int64)
    block_of_bus[order] = np.repeat(np.arange(blocks), np.diff(block_start))
    return Forest(
        code,
        -1,
        component,
        held,
        n_branch,
        order,
        parent_row,
        parent_bus,
        branch,
        child_is_to,
        block_start,
        root,
        block_of_bus,
        (a == 1) & (b == 1),
        pieces(parent_row, block_start, PIECE),
        np.stack([rows_z.real, rows_z.imag]),
        np.stack([a.real, a.imag]),
        np.stack([b.real, b.imag]),
        np.stack([y.real, y.imag]),
        np.stack([child_shunt.real, child_shunt.imag, parent_shunt.real, parent_shunt.imag]),
        np.stack([1 / child_rated, 1 / parent_rated]),
    )

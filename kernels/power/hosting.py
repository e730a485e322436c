"""Hosting capacity: how much load or generation a bus can take before an asset or a voltage gives way.

Found by bisection of all buses together. Blocks of a radial network (:mod:`kernels.power.tree`) do not see each
other, so that lane k of a batch holds a trial at the k-th bus of every block at once: a network of n buses takes as
many lanes as its longest block has rows, not n.
"""

import numpy as np

from kernels.jit import pnjit, prange
from kernels.power.forest import Forest
from kernels.power.status import OK

__all__ = ["hosting_capacity"]


@pnjit
def _holds(block_start, order, status, loading, magnitude, low, high, cases, holds):
    """Whether every case of a trial keeps all assets of its block within rating and voltages within limits."""
    lanes = holds.shape[1]
    for block in prange(holds.shape[0]):
        for lane in range(lanes):
            fine = True
            for case in range(cases):
                k = lane * cases + case
                fine = fine and status[block, k] == OK
                for r in range(block_start[block], block_start[block + 1]):
                    v = magnitude[order[r], k]
                    fine = fine and loading[r, k] <= 1.0 and v >= low and v <= high
            holds[block, lane] = fine


def hosting_capacity(
    forest: Forest, source: np.ndarray, p: np.ndarray, q: np.ndarray, most: float, *, power_factor: float = 1.0,
    low: float = 0.9, high: float = 1.1, accuracy: float = 1e-4, lanes_at_once: int = 256,
) -> np.ndarray:  # fmt: skip
    """Greatest added power [pu] that each bus can take alone; negative ``most`` asks for generation.

    ``p``, ``q`` (bus, case) [pu] are loads of the cases that must all hold, such as the hours of highest and lowest
    load; ``source`` (bus, 1) complex [pu]; ``most`` [pu] bounds the search; ``accuracy`` as a part of it. Returns
    (bus): NaN at sources and islands, 0 where a case fails already without addition, ``most`` where all of it fits.
    Assumes that what fits, fits also in part. Each trial is exact to the power flow's tolerance.
    """
    capacity = np.full(p.shape[0], np.nan)
    if not forest.root.size:
        return capacity
    length = np.diff(forest.block_start)
    cases = p.shape[1]
    tangent = np.sqrt(1.0 / power_factor**2 - 1.0)
    scratch = forest.scratch()
    rounds = int(np.ceil(np.log2(1.0 / accuracy)))
    step = max(lanes_at_once // cases, 1)
    for first in range(0, int(length.max()), step):
        lanes = min(step, int(length.max()) - first)
        # the trial bus of each block and lane; short blocks have none
        row = forest.block_start[:-1, None] + first + np.arange(lanes)
        real = first + np.arange(lanes) < length[:, None]
        bus = forest.order[np.where(real, row, 0)]
        block, lane = np.nonzero(real)
        out = forest.allocate(lanes * cases, voltage=False, current=False, magnitude=True, loading=True)
        holds = np.zeros(real.shape, np.bool_)

        def tried(
            added: np.ndarray, lanes: int = lanes, bus: np.ndarray = bus, block: np.ndarray = block,
            lane: np.ndarray = lane, out=out, holds: np.ndarray = holds,
        ) -> np.ndarray:  # fmt: skip
            active, reactive = np.tile(p, (1, lanes)), np.tile(q, (1, lanes))
            for case in range(cases):
                active[bus[block, lane], lane * cases + case] += added[block, lane]
                reactive[bus[block, lane], lane * cases + case] += tangent * abs(added[block, lane])
            forest.solve(out, source, active, reactive, scratch=scratch)
            _holds(
                forest.block_start, forest.order, out.status, out.loading, out.magnitude, low, high, cases, holds
            )  # fmt: skip
            return holds.copy()

        base, whole = tried(np.zeros(real.shape)), tried(np.full(real.shape, most))
        fits, fails = np.zeros(real.shape), np.full(real.shape, most)
        for _ in range(rounds):
            middle = 0.5 * (fits + fails)
            good = tried(middle)
            fits, fails = np.where(good, middle, fits), np.where(good, fails, middle)
        fits = np.where(whole, most, np.where(base, fits, 0.0))
        capacity[bus[block, lane]] = fits[block, lane]
    return capacity

"""N-1 in open-operated rings: a section fails, the ring opening closes, and the rest feeds the stations behind it.

Rings do not share branches, so that the k-th section of every ring fails in one network: as many topologies are
solved as the longest ring has sections, whatever the number of rings.
"""

import numpy as np

from kernels.power.forest import Forest
from kernels.power.tree import RADIAL

__all__ = ["Replant", "ring_sections", "sections_out"]

from collections.abc import Callable

Replant = Callable[[np.ndarray, np.ndarray], Forest]
"""Forest of the network in which ``branches`` are out and the openings ``ties`` are closed."""


def ring_sections(forest: Forest, tie_from: np.ndarray, tie_to: np.ndarray) -> list[np.ndarray]:
    """Branches of each ring: those from both ends of its opening up to the source, as indices of branches."""
    parent = np.full(forest.component.size, -1)
    above = np.full(forest.component.size, -1)
    for bus, parent_bus, branch in zip(forest.order, forest.parent_bus, forest.branch, strict=True):
        parent[bus], above[bus] = parent_bus, branch
    rings = []
    for ends in zip(tie_from, tie_to, strict=True):
        found = []
        for bus in ends:
            at = int(bus)
            while parent[at] >= 0:
                found.append(above[at])
                at = int(parent[at])
        rings.append(np.array(found, np.int64))
    return rings


def sections_out(
    forest: Forest, replant: Replant, tie_from: np.ndarray, tie_to: np.ndarray, source: np.ndarray, p: np.ndarray,
    q: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Worst loading and lowest voltage while each ring section is out, over the cases of ``p``, ``q`` (bus, case).

    Returns (section), (section) highest loading in its ring, (section) lowest voltage [pu] in its ring; NaN where a
    case is not solved or a bus stays without supply.
    """
    rings = ring_sections(forest, tie_from, tie_to)
    ring_of_source_block = [np.unique(forest.block_of_bus[forest.order[_rows(forest, r)]]) for r in rings]
    members = [
        np.concatenate([forest.order[forest.block_start[b] : forest.block_start[b + 1]] for b in blocks])
        if len(blocks)
        else np.empty(0, np.int64)
        for blocks in ring_of_source_block
    ]
    section, worst, lowest = [], [], []
    for k in range(max((len(r) for r in rings), default=0)):
        hit = [i for i, r in enumerate(rings) if k < len(r)]
        after = replant(np.array([rings[i][k] for i in hit]), np.array(hit))
        if after.code != RADIAL:
            continue
        out = after.allocate(p.shape[1], voltage=False, current=False, magnitude=True, loading=True)
        after.solve(out, source, p, q)
        row = np.full(p.shape[0], -1)
        row[after.order] = np.arange(after.order.size)
        for i in hit:
            rows = row[members[i]]
            lost = (rows < 0).any()
            section.append(rings[i][k])
            worst.append(np.nan if lost else out.loading[rows].max())
            lowest.append(np.nan if lost else out.magnitude[members[i]].min())
    return np.array(section, np.int64), np.array(worst), np.array(lowest)


def _rows(forest: Forest, branches: np.ndarray) -> np.ndarray:
    """Rows of branches."""
    row = np.full(int(forest.branch.max(initial=0)) + 1, -1)
    row[forest.branch] = np.arange(forest.branch.size)
    return row[branches]

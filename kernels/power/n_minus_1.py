"""N-1 in open-operated rings: a section fails, the ring opening closes, and the rest feeds the stations behind it.

Rings do not share branches, so that the k-th section of every ring fails in one network: as many topologies are
solved as the longest ring has sections, whatever the number of rings.
"""

from collections.abc import Callable

import numpy as np

from kernels.power.forest import Forest
from kernels.power.tree import RADIAL

__all__ = ["Replant", "ring_sections", "sections_out"]

Replant = Callable[[np.ndarray, np.ndarray], Forest]
"""Forest of the network in which ``branches`` are out and the openings ``ties`` are closed."""


def ring_sections(forest: Forest, tie_from: np.ndarray, tie_to: np.ndarray) -> list[np.ndarray]:
    """Branches of each ring: those from both ends of its opening up to where they meet, as indices of branches."""
    parent = np.full(forest.component.size, -1)
    above = np.full(forest.component.size, -1)
    for bus, parent_bus, branch in zip(forest.order, forest.parent_bus, forest.branch, strict=True):
        parent[bus], above[bus] = parent_bus, branch
    rings = []
    for ends in zip(tie_from, tie_to, strict=True):
        paths: list[list[int]] = []
        for bus in ends:
            paths.append([])
            at = int(bus)
            while parent[at] >= 0:
                paths[-1].append(int(above[at]))
                at = int(parent[at])
        both = set(paths[0]) & set(paths[1])  # a trunk that feeds the whole ring is no section of it
        rings.append(np.array([b for path in paths for b in path if b not in both], np.int64))
    return rings


def sections_out(
    forest: Forest, replant: Replant, tie_from: np.ndarray, tie_to: np.ndarray, source: np.ndarray, p: np.ndarray,
    q: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:  # fmt: skip
    """Worst loading and lowest voltage while each ring section is out, over the cases of ``p``, ``q`` (bus, case).

    Rings that share a section are taken one at a time. Returns (section) branch, (section) highest loading in what
    the ring's sources then feed, (section) lowest voltage [pu] there, and the number of topologies solved; NaN where
    a case is not solved or a bus of the ring stays without supply.
    """
    rings = ring_sections(forest, tie_from, tie_to)
    row = np.full(int(forest.branch.max(initial=0)) + 1, -1)
    row[forest.branch] = np.arange(forest.branch.size)
    blocks = [np.unique(forest.block_of_bus[forest.order[row[r]]]) for r in rings]
    section, worst, lowest, topologies = [], [], [], 0
    for group in _apart(blocks):
        members = {
            i: np.concatenate([forest.order[forest.block_start[b] : forest.block_start[b + 1]] for b in blocks[i]])
            for i in group
        }
        for k in range(max(len(rings[i]) for i in group)):
            hit = [i for i in group if k < len(rings[i])]
            after = replant(np.array([rings[i][k] for i in hit]), np.array(hit))
            topologies += 1
            fed = after.code == RADIAL
            if fed:
                out = after.allocate(p.shape[1], voltage=False, current=False, magnitude=True, loading=True)
                after.solve(out, source, p, q)
                place = np.full(p.shape[0], -1)
                place[after.order] = np.arange(after.order.size)
            for i in hit:
                rows = place[members[i]] if fed else np.array([-1])
                whole = fed and bool((rows >= 0).all())
                section.append(rings[i][k])
                worst.append(out.loading[rows].max() if whole else np.nan)
                lowest.append(out.magnitude[members[i]].min() if whole else np.nan)
    return np.array(section, np.int64), np.array(worst), np.array(lowest), topologies


def _apart(blocks: list[np.ndarray]) -> list[list[int]]:
    """Rings in groups of which no two share a block; rings without one are left out."""
    groups: list[tuple[list[int], set[int]]] = []
    for i, mine in enumerate(blocks):
        if not len(mine):
            continue
        for group, taken in groups:
            if taken.isdisjoint(mine.tolist()):
                group.append(i)
                taken.update(mine.tolist())
                break
        else:
            groups.append(([i], set(mine.tolist())))
    return [group for group, _ in groups]

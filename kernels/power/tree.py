"""Radial order of a network: which bus feeds which, in blocks that can be swept on their own.

A block is everything behind one branch at a source bus. The source holds its voltage, so that blocks do not see
each other, and a block of a medium- or low-voltage feeder fits the processor's second-level cache.
"""

import numpy as np

from kernels.jit import njit

__all__ = ["LOOP", "RADIAL", "TWO_SOURCES", "neighbours", "order_forest", "pieces"]

RADIAL, LOOP, TWO_SOURCES = 0, 1, 2


@njit
def neighbours(n_bus, branch_from, branch_to, active, start, incident):
    """Branches at each bus, as compressed rows.

    Arguments: ``branch_from``, ``branch_to`` (branch) bus indices; ``active`` (branch) 1 where the branch conducts;
    out ``start`` (bus + 1) and ``incident`` (2 * branch) branch indices, by bus.
    """
    start[:] = 0
    for b in range(branch_from.size):
        if active[b]:
            start[branch_from[b] + 1] += 1
            start[branch_to[b] + 1] += 1
    for i in range(n_bus):
        start[i + 1] += start[i]
    fill = start.copy()
    for b in range(branch_from.size):
        if active[b]:
            f, t = branch_from[b], branch_to[b]
            incident[fill[f]] = b
            fill[f] += 1
            incident[fill[t]] = b
            fill[t] += 1


@njit
def order_forest(branch_from, branch_to, active, is_source, component, order, parent_row, branch, block_start, root):
    """Depth-first order of all buses behind the sources; a parent's row is always before its children's.

    Arguments: ``branch_from``, ``branch_to`` (branch) bus indices; ``active`` (branch) 1 where the branch conducts at
    both ends; ``is_source`` (bus) 1 where the voltage is held. Out: ``component`` (bus) the source bus that feeds
    it, -1 where none does; ``order`` (row) bus of each row; ``parent_row`` (row) row of the parent within the
    block, counted from 1, 0 for the source itself; ``branch`` (row) the branch to the parent; ``block_start``
    (row + 1) first row of each block; ``root`` (block) source bus of each block.

    Returns (code, rows, blocks, culprit branch); code is RADIAL, LOOP or TWO_SOURCES.
    """
    n_bus = is_source.size
    start = np.zeros(n_bus + 1, np.int64)
    incident = np.empty(2 * branch_from.size, np.int64)
    neighbours(n_bus, branch_from, branch_to, active, start, incident)
    row_of = np.zeros(n_bus, np.int64)
    stack_bus = np.empty(branch_from.size + 1, np.int64)
    stack_branch = np.empty(branch_from.size + 1, np.int64)
    component[:] = -1
    for i in range(n_bus):
        if is_source[i]:
            component[i] = i
    rows, blocks = 0, 0
    block_start[0] = 0
    for source in range(n_bus):
        if not is_source[source]:
            continue
        for first in range(start[source], start[source + 1]):
            b0 = incident[first]
            bus0 = branch_to[b0] if branch_from[b0] == source else branch_from[b0]
            depth = 0
            stack_bus[0], stack_branch[0] = bus0, b0
            depth = 1
            while depth > 0:
                depth -= 1
                bus, b = stack_bus[depth], stack_branch[depth]
                if component[bus] >= 0:
                    code = TWO_SOURCES if is_source[bus] and bus != source else LOOP
                    return code, rows, blocks, b
                above = branch_to[b] if branch_from[b] == bus else branch_from[b]
                component[bus] = source
                order[rows] = bus
                parent_row[rows] = 0 if above == source else row_of[above]
                branch[rows] = b
                rows += 1
                row_of[bus] = rows - block_start[blocks]
                for e in range(start[bus + 1] - 1, start[bus] - 1, -1):
                    c = incident[e]
                    if c != b:
                        other = branch_to[c] if branch_from[c] == bus else branch_from[c]
                        stack_bus[depth], stack_branch[depth] = other, c
                        depth += 1
            root[blocks] = source
            blocks += 1
            block_start[blocks] = rows
    return RADIAL, rows, blocks, -1


@njit
def pieces(parent_row, block_start, most):
    """Divide blocks into pieces: the largest subtrees of at most ``most`` rows, which lie together in the order.

    Arguments: ``parent_row``, ``block_start`` as of :func:`order_forest`. Returns (row) the number of rows of the piece
    that begins there, -1 inside a piece, 0 in the trunk, whose rows have more than ``most`` below them.
    """
    rows = parent_row.size
    size = np.ones(rows, np.int64)
    piece = np.zeros(rows, np.int64)
    for block in range(block_start.size - 1):
        first = block_start[block]
        for r in range(block_start[block + 1] - 1, first, -1):
            if parent_row[r] > 0:
                size[first + parent_row[r] - 1] += size[r]
    r = 0
    while r < rows:
        if size[r] > most:
            r += 1
            continue
        piece[r] = size[r]
        for k in range(r + 1, r + size[r]):
            piece[k] = -1
        r += size[r]
    return piece

"""Trees of a radial network: order from each source outward, islands and loops found."""

import numpy as np

from kernels.jit import njit

__all__ = ["LOOP", "OK", "order_trees"]

OK, LOOP = 0, 1


@njit
def order_trees(branch_from, branch_to, is_source):
    """Order buses breadth-first from each source, tree by tree.

    ``branch_from``, ``branch_to`` (branch) int32 bus at either end; ``is_source`` (bus) bool. Returns

    * ``status``: ``OK``, or ``LOOP`` where a branch closes a loop or joins two sources;
    * ``order`` (reached bus) int32: buses such that each follows its parent, tree after tree;
    * ``tree_start`` (tree + 1) int32: first position of each tree in ``order``; one tree per source;
    * ``parent`` (bus) int32 and ``via`` (bus) int32: bus and branch towards the source, -1 at a source and where
      the bus is not reached from any source (an island);
    * ``loop_branch``: the branch that closes the loop, -1 where none.
    """
    n, m = is_source.shape[0], branch_from.shape[0]
    start = np.zeros(n + 1, np.int32)
    for k in range(m):
        start[branch_from[k] + 1] += 1
        start[branch_to[k] + 1] += 1
    for b in range(n):
        start[b + 1] += start[b]
    fill = start[:-1].copy()
    incident = np.empty(2 * m, np.int32)
    for k in range(m):
        incident[fill[branch_from[k]]] = k
        fill[branch_from[k]] += 1
        incident[fill[branch_to[k]]] = k
        fill[branch_to[k]] += 1
    parent = np.full(n, -1, np.int32)
    via = np.full(n, -1, np.int32)
    reached = np.zeros(n, np.bool_)
    for b in range(n):
        reached[b] = is_source[b]
    order = np.empty(n, np.int32)
    tree_start = np.zeros(is_source.sum() + 1, np.int32)
    status, loop_branch = OK, -1
    tail = 0
    tree = 0
    for source in range(n):
        if not is_source[source]:
            continue
        head = tail
        order[tail] = source
        tail += 1
        while head < tail:
            bus = order[head]
            head += 1
            for j in range(start[bus], start[bus + 1]):
                k = incident[j]
                if k == via[bus]:
                    continue
                other = branch_to[k] if branch_from[k] == bus else branch_from[k]
                if reached[other]:
                    status, loop_branch = LOOP, k
                    continue
                reached[other] = True
                parent[other] = bus
                via[other] = k
                order[tail] = other
                tail += 1
        tree += 1
        tree_start[tree] = tail
    return status, order[:tail].copy(), tree_start, parent, via, loop_branch

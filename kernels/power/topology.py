"""Which buses are one electrical node, and which nodes hang together."""

import numpy as np

from kernels.jit import njit

__all__ = ["join"]


@njit
def join(n, a, b):
    """Union-find: the lowest member of the set of each of ``n`` items, after joining ``a[k]`` with ``b[k]``."""
    parent = np.arange(n)
    for k in range(a.size):
        x, y = a[k], b[k]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        if x < y:
            parent[y] = x
        else:
            parent[x] = y
    for i in range(n):
        x = i
        while parent[x] != x:
            x = parent[x]
        parent[i] = x
    return parent

"""Which buses are one electrical node, and which nodes hang together."""

import numpy as np

from kernels.jit import njit

__all__ = ["join", "peel"]


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


@njit
def peel(n, a, b, keep):
    """Nodes of the trees that hang on the rest of a graph: leaves are taken off until none is left.

    Arguments: ``a``, ``b`` (edge) nodes; ``keep`` (n) nodes that stay. Returns (n) 1 where a node was taken off.
    """
    degree = np.zeros(n, np.int64)
    edges = np.zeros(n, np.int64)  # exclusive or of a node's edges: with one edge left, that edge
    for e in range(a.size):
        degree[a[e]] += 1
        degree[b[e]] += 1
        edges[a[e]] ^= e + 1
        edges[b[e]] ^= e + 1
    off = np.zeros(n, np.bool_)
    stack = np.empty(n, np.int64)
    depth = 0
    for i in range(n):
        if degree[i] == 1 and not keep[i]:
            stack[depth] = i
            depth += 1
    while depth > 0:
        depth -= 1
        i = stack[depth]
        if degree[i] != 1:
            continue
        off[i] = True
        e = edges[i] - 1
        other = b[e] if a[e] == i else a[e]
        degree[i] = 0
        degree[other] -= 1
        edges[other] ^= e + 1
        if degree[other] == 1 and not keep[other]:
            stack[depth] = other
            depth += 1
    return off

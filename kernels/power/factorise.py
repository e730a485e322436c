"""Sparse LU of 2x2 blocks on a fixed symmetric pattern: ordered once per topology, refactored per operating point.

The order is minimum degree on the bus graph (Tinney and Walker 1967, Proc. IEEE 55(11):1801-1809, scheme 2). Pivots
are diagonal 2x2 blocks; there is no pivoting between blocks, as is usual for power-flow Jacobians.

Blocks lie in one array (block, 4) as a11, a12, a21, a22: first the diagonal by pivot, then the upper blocks pivot by
pivot, then the lower blocks in the same order transposed in place.
"""

import numpy as np

from kernels.jit import njit

__all__ = ["analyse", "factorise", "fill_positions", "solve_one", "strip_solver"]

PIVOT_FLOOR = 1e-14  # of a pivot block's determinant against its largest product; below it the matrix is singular


@njit
def analyse(n, start, neighbour):
    """Minimum-degree order of a symmetric graph and the pattern of its factor.

    Arguments: ``start`` (n + 1), ``neighbour``: adjacency without the diagonal, no duplicates. Returns ``position``
    (n): pivot of each vertex; ``first`` (n + 1) and ``later`` : the pivots that pivot k updates, ascending.
    """
    capacity = 8 * neighbour.size + 16 * n + 64
    pool = np.empty(capacity, np.int64)
    begin = np.empty(n, np.int64)
    length = np.empty(n, np.int64)
    used = 0
    for v in range(n):
        begin[v] = used
        length[v] = start[v + 1] - start[v]
        for e in range(start[v], start[v + 1]):
            pool[used] = neighbour[e]
            used += 1
    # degree buckets as doubly linked lists
    head = np.full(n + 1, -1, np.int64)
    after = np.full(n, -1, np.int64)
    ahead = np.full(n, -1, np.int64)
    for v in range(n - 1, -1, -1):
        d = length[v]
        after[v] = head[d]
        if head[d] >= 0:
            ahead[head[d]] = v
        head[d] = v
    position = np.full(n, -1, np.int64)
    vertex_of = np.empty(n, np.int64)
    first = np.zeros(n + 1, np.int64)
    later = np.empty(capacity, np.int64)
    total = 0
    mark = np.full(n, -1, np.int64)
    lowest = 0
    merged = np.empty(n, np.int64)
    for k in range(n):
        while head[lowest] < 0:
            lowest += 1
        v = head[lowest]
        head[lowest] = after[v]
        if after[v] >= 0:
            ahead[after[v]] = -1
        position[v] = k
        vertex_of[k] = v
        degree = length[v]
        if total + degree > later.size:
            bigger = np.empty(2 * later.size + degree, np.int64)
            bigger[:total] = later[:total]
            later = bigger
        for e in range(degree):
            later[total + e] = pool[begin[v] + e]
        for e in range(degree):
            u = later[total + e]
            # new neighbours of u: its own and those of v, without v and u
            m = 0
            for x in range(length[u]):
                w = pool[begin[u] + x]
                if w != v:
                    merged[m] = w
                    mark[w] = u
                    m += 1
            mark[u] = u
            for x in range(degree):
                w = later[total + x]
                if mark[w] != u:
                    merged[m] = w
                    m += 1
            for x in range(m):
                mark[merged[x]] = -1
            mark[u] = -1
            if ahead[u] >= 0:
                after[ahead[u]] = after[u]
            else:
                head[length[u]] = after[u]
            if after[u] >= 0:
                ahead[after[u]] = ahead[u]
            if m > length[u]:
                if used + m > pool.size:
                    bigger = np.empty(2 * pool.size + m, np.int64)
                    bigger[:used] = pool[:used]
                    pool = bigger
                begin[u] = used
                used += m
            for x in range(m):
                pool[begin[u] + x] = merged[x]
            length[u] = m
            after[u] = head[m]
            ahead[u] = -1
            if head[m] >= 0:
                ahead[head[m]] = u
            head[m] = u
            lowest = min(lowest, m)
        total += degree
        first[k + 1] = total
    for e in range(total):
        later[e] = position[later[e]]
    for k in range(n):
        later[first[k] : first[k + 1]] = np.sort(later[first[k] : first[k + 1]])
    return position, first, later[:total].copy()


@njit
def _find(first, later, row, column):
    low, high = first[row], first[row + 1]
    while low < high:
        middle = (low + high) // 2
        if later[middle] < column:
            low = middle + 1
        else:
            high = middle
    return low


@njit
def fill_positions(n, first, later, rows, columns):
    """Where blocks lie: ``target`` of each update of the elimination, and ``place`` of the blocks (rows, columns).

    ``rows``, ``columns`` (entry) are pivot numbers. Returns ``target`` (sum of squared counts), ``place`` (entry).
    """
    total = later.size
    count = 0
    for k in range(n):
        width = first[k + 1] - first[k]
        count += width * width
    target = np.empty(count, np.int64)
    c = 0
    for k in range(n):
        for a in range(first[k], first[k + 1]):
            i = later[a]
            for b in range(first[k], first[k + 1]):
                j = later[b]
                if i == j:
                    target[c] = i
                elif i < j:
                    target[c] = n + _find(first, later, i, j)
                else:
                    target[c] = n + total + _find(first, later, j, i)
                c += 1
    place = np.empty(rows.size, np.int64)
    for e in range(rows.size):
        i, j = rows[e], columns[e]
        if i == j:
            place[e] = i
        elif i < j:
            place[e] = n + _find(first, later, i, j)
        else:
            place[e] = n + total + _find(first, later, j, i)
    return target, place


@njit
def factorise(n, first, later, target, blocks):
    """LU in place. Diagonal blocks become their inverses, lower blocks L = A D^-1, upper blocks U.

    Arguments: ``first``, ``later``, ``target`` from :func:`analyse` and :func:`fill_positions`; ``blocks`` (n + 2
    * later, 4). Returns False where a pivot is singular or not finite.
    """
    total = later.size
    c = 0
    good = True
    for k in range(n):
        a, b, d, e = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
        determinant = a * e - b * d
        if not abs(determinant) > PIVOT_FLOOR * max(abs(a * e), abs(b * d)):
            good = False
        inverse = 1.0 / determinant
        blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3] = e * inverse, -b * inverse, -d * inverse, a * inverse
        a, b, d, e = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
        for x in range(first[k], first[k + 1]):
            r = n + total + x
            l0, l1, l2, l3 = blocks[r, 0], blocks[r, 1], blocks[r, 2], blocks[r, 3]
            m0, m1, m2, m3 = l0 * a + l1 * d, l0 * b + l1 * e, l2 * a + l3 * d, l2 * b + l3 * e
            blocks[r, 0], blocks[r, 1], blocks[r, 2], blocks[r, 3] = m0, m1, m2, m3
            for y in range(first[k], first[k + 1]):
                u = n + y
                t = target[c]
                c += 1
                u0, u1, u2, u3 = blocks[u, 0], blocks[u, 1], blocks[u, 2], blocks[u, 3]
                blocks[t, 0] -= m0 * u0 + m1 * u2
                blocks[t, 1] -= m0 * u1 + m1 * u3
                blocks[t, 2] -= m2 * u0 + m3 * u2
                blocks[t, 3] -= m2 * u1 + m3 * u3
    return good


@njit
def solve_one(n, first, later, blocks, x):
    """Solve in place for one right-hand side ``x`` (n, 2), in pivot order."""
    total = later.size
    for k in range(n):
        p, q = x[k, 0], x[k, 1]
        for e in range(first[k], first[k + 1]):
            r, i = n + total + e, later[e]
            x[i, 0] -= blocks[r, 0] * p + blocks[r, 1] * q
            x[i, 1] -= blocks[r, 2] * p + blocks[r, 3] * q
    for k in range(n - 1, -1, -1):
        p, q = x[k, 0], x[k, 1]
        for e in range(first[k], first[k + 1]):
            u, j = n + e, later[e]
            p -= blocks[u, 0] * x[j, 0] + blocks[u, 1] * x[j, 1]
            q -= blocks[u, 2] * x[j, 0] + blocks[u, 3] * x[j, 1]
        x[k, 0] = blocks[k, 0] * p + blocks[k, 1] * q
        x[k, 1] = blocks[k, 2] * p + blocks[k, 3] * q


def strip_solver(W):
    """:func:`solve_one` for strips of ``W`` lanes that share the factor.

    ``W`` is fixed when compiled; ``x`` is one row of n records, each ``W`` values of the first unknown and ``W`` of the
    second, so that a record's fields are known not to overlap.
    """

    @njit
    def subtract(b0, b1, b2, b3, s, t):
        """t -= B s."""
        for w in range(t.size // 2):  # not range(W): unrolled loops are not vectorised
            p, q = s[w], s[W + w]
            t[w] -= b0 * p + b1 * q
            t[W + w] -= b2 * p + b3 * q

    @njit
    def solve(n, first, later, blocks, x):
        total = later.size
        for k in range(n):
            s = x[2 * W * k : 2 * W * (k + 1)]
            for e in range(first[k], first[k + 1]):
                r, i = n + total + e, later[e]
                subtract(blocks[r, 0], blocks[r, 1], blocks[r, 2], blocks[r, 3], s, x[2 * W * i : 2 * W * (i + 1)])
        for k in range(n - 1, -1, -1):
            t = x[2 * W * k : 2 * W * (k + 1)]
            for e in range(first[k], first[k + 1]):
                u, j = n + e, later[e]
                subtract(blocks[u, 0], blocks[u, 1], blocks[u, 2], blocks[u, 3], x[2 * W * j : 2 * W * (j + 1)], t)
            b0, b1, b2, b3 = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
            for w in range(W):
                a, b = t[w], t[W + w]
                t[w] = b0 * a + b1 * b
                t[W + w] = b2 * a + b3 * b

    return solve

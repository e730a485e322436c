"""Shortest paths from one source by Dijkstra (1959): lazy 4-ary heap with its keys inside, early stop by demand."""

from kernels.jit import njit

__all__ = ["search"]


@njit
def search(start, head, cost, through, source, wanted, stamp, missing, label, before, key, item):
    """Least costs from ``source`` until every wanted node is settled; number of wanted nodes not reached.

    ``start`` (node + 1), ``head`` (arc): arcs by tail; ``cost`` (arc) [time, >= 0; inf = closed]; ``through`` (node);
    ``wanted`` (node) holds ``stamp`` at the ``missing`` wanted nodes. Written: ``label`` (node) [time] and
    ``before`` (node) the last arc, valid at settled nodes only. ``key``, ``item`` (arc + 2): the heap.
    """
    label[:] = float("inf")
    before[:] = -1
    label[source] = 0.0
    key[0] = 0.0
    item[0] = source
    size = 1
    while size > 0:
        d = key[0]
        u = item[0]
        # take the first entry out: the last one sinks from the top, past its smallest child of four
        size -= 1
        k = key[size]
        v = item[size]
        i = 0
        child = 1
        while child + 3 < size:
            least = child
            low = key[child]
            for c in range(child + 1, child + 4):
                if key[c] < low:
                    low = key[c]
                    least = c
            if low >= k:
                break
            key[i] = low
            item[i] = item[least]
            i = least
            child = 4 * i + 1
        if child < size <= child + 3:
            least = child
            for c in range(child + 1, size):
                if key[c] < key[least]:
                    least = c
            if key[least] < k:
                key[i] = key[least]
                item[i] = item[least]
                i = least
        key[i] = k
        item[i] = v
        if d > label[u]:
            continue
        if wanted[u] == stamp:
            missing -= 1
            if missing == 0:
                break
        if not through[u] and u != source:
            continue
        for a in range(start[u], start[u + 1]):
            v = head[a]
            t = d + cost[a]
            if t < label[v]:
                label[v] = t
                before[v] = a
                if through[v] or wanted[v] == stamp:
                    i = size
                    size += 1
                    while i > 0:
                        up = (i - 1) >> 2
                        if key[up] <= t:
                            break
                        key[i] = key[up]
                        item[i] = item[up]
                        i = up
                    key[i] = t
                    item[i] = v
    return missing

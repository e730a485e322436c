"""Turning shares at nodes that reproduce given link flows."""

from kernels.jit import njit

__all__ = ["turning_shares"]


@njit
def turning_shares(x, flow, started, ended, iterations, table, turn):
    """Shares of each way into a node that take each way out, so that the flows out of it are the given ones.

    Per node, iterative proportional fitting (Furness 1965) of a table with a row for each incoming link and for the
    demand that starts there, and a column for each outgoing link and for the trips that end there; the seed is 1,
    and 0 for a turn back along the same street and from a node's own demand to its own end, so that of all tables
    with these margins it is the most even one without U-turns. A node whose margins no such table meets keeps
    U-turns.

    ``x`` the :class:`~kernels.traffic.link_transmission.Loading` of the network; ``flow`` (link), ``started``,
    ``ended`` (node), all in one unit per time; ``table`` workspace (ways in, ways out); written: ``turn`` (movement,
    1) in the order of ``x.move_start``. What the shares of a row leave over below 1 ends at the node.
    """
    for node in range(x.in_start.shape[0] - 1):
        first = x.in_start[node]
        ways = x.in_start[node + 1] - first
        out_first = x.out_start[node]
        outs = x.out_start[node + 1] - out_first
        for attempt in range(2):
            for a in range(ways + 1):
                for b in range(outs + 1):
                    table[a, b] = 1.0
                    if attempt == 0 and a < ways and b < outs:
                        back = x.head[x.out_link[out_first + b]] == x.tail[x.in_link[first + a]]
                        if back:
                            table[a, b] = 0.0
            table[ways, outs] = 0.0
            worst = 0.0
            for _ in range(iterations):
                for b in range(outs + 1):
                    want = flow[x.out_link[out_first + b]] if b < outs else ended[node]
                    total = 0.0
                    for a in range(ways + 1):
                        total += table[a, b]
                    scale = want / total if total > 0.0 else 0.0
                    for a in range(ways + 1):
                        table[a, b] *= scale
                worst = 0.0
                for a in range(ways + 1):
                    want = flow[x.in_link[first + a]] if a < ways else started[node]
                    total = 0.0
                    for b in range(outs + 1):
                        total += table[a, b]
                    worst = max(worst, abs(total - want) - 1e-3 * want)
                    scale = want / total if total > 0.0 else 0.0
                    for b in range(outs + 1):
                        table[a, b] *= scale
                if worst <= 0.0:
                    break
            if worst <= 0.0:
                break
        for a in range(ways + 1):
            total = 0.0
            for b in range(outs + 1):
                total += table[a, b]
            row = x.move_start[node] + a * outs
            for b in range(outs):
                # A way in without flow carries nobody; should one come, all ways out are even.
                turn[row + b, 0] = table[a, b] / total if total > 0.0 else 1.0 / outs

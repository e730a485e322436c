"""A Newton step of all path flows together, where sweeps pair by pair creep.

Pairs that meet on steep links answer to each other, and the sweeps of :mod:`kernels.traffic.paths` then move by small
amounts for ever. Flows of a pair are its demand on the *basic* path (the one with the most flow) less what its other
paths carry. Each of these is a *column* with signs d = +1 on arcs of its path alone and -1 on arcs of the basic path
alone: Beckmann's objective has the gradient ``g = d . c`` and the Hessian ``d' diag(t') d``. To its diagonal
comes ``|g| / room`` with the flow that a column can move at most (affine scaling, Coleman and Li 1996, SIAM J. Optim.
6(2)): a direction in which no cost rises then leads to where a flow ends instead of to infinity, and at the optimum,
where g vanishes, the equations are Newton's. They are solved by conjugate gradients with the diagonal as
preconditioner, truncated (Dembo and Steihaug 1983, Math. Program. 26). Columns in which a flow would turn negative end
where it is zero and are held there while the others are solved anew (active set: just cutting them off would upset
steep links). The flows then go along the step as far as the objective falls, so that it never does harm.
"""

import numpy as np

from kernels.jit import njit
from kernels.traffic.cost import term_of
from kernels.traffic.paths import STAMP, PathStore, update_arc

__all__ = ["step"]

ITERATIONS = 100  # of conjugate gradients, at most
ACCURACY = 0.1  # residual of the Newton equations, as a share of the gradient, in the norm of the preconditioner
FARTHEST = 16.0  # multiple of the step that the line search may take
SEARCHES = 40  # of the line search, at most
FLAT = 0.1  # slope of the objective, as a share of that at the start, at which the line search ends
ROUNDS = 12  # of paths held at zero while the others go on, at most
DAMPING = 1e-11  # of the diagonal, added to the Hessian: it is singular where several columns shift the same arcs
STEP, RESIDUAL, SEARCH, INVERSE, GAIN, GUARD = 0, 1, 2, 3, 4, 5  # rows of ``work``


@njit
def _set_up(s):
    """Columns of the paths that can move: how many, -1 where ``apart`` has no room.

    The arcs of rising cost by which a path differs from the basic one go to ``apart``: those of the path alone from
    ``column_start``, then those of the basic one alone from ``column_turn``. Other arcs only count in the gradient.
    """
    end = 0
    n = 0
    for e in range(len(s.first)):
        k = s.first[e]
        if k < 0 or s.demand[e] <= 0.0 or s.following[k] < 0:
            continue
        basic = k
        while k >= 0:
            if s.flow[k] > s.flow[basic]:
                basic = k
            k = s.following[k]
        m = s.row_class[s.pair_row[e]]
        cost = s.cost[m]
        pce = s.pce[m]
        s.counter[STAMP] += 1
        token_basic = s.counter[STAMP]
        for i in range(s.begin[basic], s.begin[basic] + s.size[basic]):
            s.mark[s.arcs[i]] = token_basic
        k = s.first[e]
        while k >= 0:
            if k != basic:
                if end + s.size[k] + s.size[basic] > len(s.apart):
                    return -1
                s.counter[STAMP] += 1
                token_k = s.counter[STAMP]
                gain = 0.0
                steep = 0.0
                begin = end
                for i in range(s.begin[k], s.begin[k] + s.size[k]):
                    a = s.arcs[i]
                    s.mark_other[a] = token_k
                    if s.mark[a] != token_basic:
                        gain += cost[a]
                        if s.term_start[a + 1] > s.term_start[a]:
                            steep += s.slope[a]
                            s.apart[end] = a
                            end += 1
                turn = end
                for i in range(s.begin[basic], s.begin[basic] + s.size[basic]):
                    a = s.arcs[i]
                    if s.mark_other[a] != token_k:
                        gain -= cost[a]
                        if s.term_start[a + 1] > s.term_start[a]:
                            steep += s.slope[a]
                            s.apart[end] = a
                            end += 1
                if steep > 0.0 and (s.flow[k] > 0.0 or gain < 0.0):
                    s.column_path[n] = k
                    s.column_basic[n] = basic
                    s.column_start[n] = begin
                    s.column_turn[n] = turn
                    s.column_pce[n] = pce
                    room = s.flow[k] if gain > 0.0 else s.flow[basic]
                    steepness = pce * pce * steep
                    guard = pce * abs(gain) / room + DAMPING * steepness
                    s.work[GAIN, n] = pce * gain
                    s.work[GUARD, n] = guard
                    s.work[INVERSE, n] = 1.0 / (steepness + guard)
                    n += 1
                    s.column_start[n] = end
                else:
                    end = begin
            k = s.following[k]
    return n


@njit
def _ahead(n, start, turn, apart, pce, values, ahead):
    """Change of arc volumes ``ahead`` [pcu] by flows ``values`` (column) moved from the basic paths."""
    ahead[:] = 0.0
    for j in range(n):
        v = pce[j] * values[j]
        if v != 0.0:
            for i in range(start[j], turn[j]):
                ahead[apart[i]] += v
            for i in range(turn[j], start[j + 1]):
                ahead[apart[i]] -= v


@njit
def _conjugate_gradients(n, start, turn, apart, pce, work, slope, ahead, least):
    """Go on with the step of the ``n`` columns until the square of the residual's norm is at most ``least``."""
    step, residual, search, inverse, guard = work[STEP], work[RESIDUAL], work[SEARCH], work[INVERSE], work[GUARD]
    norm = 0.0
    for j in range(n):
        search[j] = residual[j] * inverse[j]
        norm += residual[j] * search[j]
    for _ in range(ITERATIONS):
        if norm <= least:
            break
        _ahead(n, start, turn, apart, pce, search, ahead)
        curvature = 0.0
        for a in range(len(ahead)):
            d = ahead[a]
            ahead[a] = d * slope[a]
            curvature += d * ahead[a]
        for j in range(n):
            curvature += guard[j] * search[j] * search[j]
        length = norm / curvature
        was = norm
        norm = 0.0
        for j in range(n):
            if inverse[j] > 0.0:
                y = 0.0
                for i in range(start[j], turn[j]):
                    y += ahead[apart[i]]
                for i in range(turn[j], start[j + 1]):
                    y -= ahead[apart[i]]
                step[j] += length * search[j]
                residual[j] -= length * (pce[j] * y + guard[j] * search[j])
                norm += residual[j] * residual[j] * inverse[j]
        ratio = norm / was
        for j in range(n):
            search[j] = residual[j] * inverse[j] + ratio * search[j]


@njit
def _hold(s, n):
    """End the step of the columns where a flow turns negative there, and hold them; how many are newly held."""
    step, inverse = s.work[STEP], s.work[INVERSE]
    count = 0
    j = 0
    while j < n:
        basic = s.column_basic[j]
        end = j
        total = 0.0
        while end < n and s.column_basic[end] == basic:
            k = s.column_path[end]
            if step[end] < -s.flow[k]:
                step[end] = -s.flow[k]
                count += inverse[end] > 0.0
                inverse[end] = 0.0
            total += step[end]
            end += 1
        if total > s.flow[basic]:
            for i in range(j, end):
                step[i] *= s.flow[basic] / total
                count += inverse[i] > 0.0
                inverse[i] = 0.0
        j = end
    return count


@njit
def _newton_step(s, n):
    """Newton step of the ``n`` columns that keeps all flows at or above zero, in ``work``."""
    work, start, turn, apart, pce = s.work, s.column_start, s.column_turn, s.apart, s.column_pce
    least = 0.0
    for j in range(n):
        work[STEP, j] = 0.0
        work[RESIDUAL, j] = -work[GAIN, j]
        least += ACCURACY * ACCURACY * work[GAIN, j] * work[GAIN, j] * work[INVERSE, j]
    for _ in range(ROUNDS):
        _conjugate_gradients(n, start, turn, apart, pce, work, s.slope, s.ahead, least)
        if _hold(s, n) == 0:
            break
        _ahead(n, start, turn, apart, pce, work[STEP], s.ahead)
        for a in range(len(s.ahead)):
            s.ahead[a] *= s.slope[a]
        for j in range(n):
            y = 0.0
            for i in range(start[j], turn[j]):
                y += s.ahead[apart[i]]
            for i in range(turn[j], start[j + 1]):
                y -= s.ahead[apart[i]]
            work[RESIDUAL, j] = -work[GAIN, j] - pce[j] * y - work[GUARD, j] * work[STEP, j]


@njit
def _bound(s, n):
    """Multiple of the step at which the first flow turns zero, at most ``FARTHEST``."""
    step = s.work[STEP]
    farthest = FARTHEST
    j = 0
    while j < n:
        basic = s.column_basic[j]
        total = 0.0
        while j < n and s.column_basic[j] == basic:
            total += step[j]
            if step[j] < 0.0:
                farthest = min(farthest, s.flow[s.column_path[j]] / -step[j])
            j += 1
        if total > 0.0:
            farthest = min(farthest, s.flow[basic] / total)
    return max(farthest, 1.0)  # but for rounding it is at least one


@njit
def _rise(s, share):
    """What ``share`` of the change ``ahead`` adds to the slope of the objective along it."""
    total = 0.0
    for a in range(len(s.ahead)):
        d = s.ahead[a]
        if d != 0.0:
            x = max(s.volume[a] + share * d, 0.0)
            t = 0.0
            for e in range(s.term_start[a], s.term_start[a + 1]):
                y, _ = term_of(s, e, x)
                t += y
            total += (t - s.term_now[a]) * d
    return total


@njit
def _far(s, high, start):
    """Share of the step at which the objective, falling at the rate ``start`` (< 0), no longer falls; at most ``high``.

    Regula falsi (Illinois: Dowell and Jarratt 1971, BIT 11), halving where it is slow.
    """
    for a in range(len(s.ahead)):
        if s.ahead[a] != 0.0:
            t = 0.0
            for e in range(s.term_start[a], s.term_start[a + 1]):
                y, _ = term_of(s, e, max(s.volume[a], 0.0))
                t += y
            s.term_now[a] = t
    low, below = 0.0, start
    share = 1.0
    above = start + _rise(s, share)
    if abs(above) <= -FLAT * start:
        return share
    if above < 0.0:
        low, below = share, above
        share = high
        above = start + _rise(s, share)
        if above <= 0.0:
            return share
    high = share
    for i in range(SEARCHES):
        share = low + (high - low) * (below / (below - above)) if i % 3 < 2 else 0.5 * (low + high)
        slope = start + _rise(s, share)
        if abs(slope) <= -FLAT * start:
            return share
        if slope < 0.0:
            low, below = share, slope
            above *= 0.5
        else:
            high, above = share, slope
            below *= 0.5
    return low


@njit
def _take(s, n):
    """Go along the step as far as the objective falls."""
    step = s.work[STEP]
    high = _bound(s, n)
    start = 0.0
    for j in range(n):
        start += s.work[GAIN, j] * step[j]
    if not start < 0.0:
        return
    _ahead(n, s.column_start, s.column_turn, s.apart, s.column_pce, step, s.ahead)
    share = _far(s, high, start)
    for j in range(n):
        change = share * step[j]
        k = s.column_path[j]
        basic = s.column_basic[j]
        s.flow[k] = max(s.flow[k] + change, 0.0)
        s.flow[basic] -= change
    for j in range(n):  # all columns of a basic path first: some give and some take
        s.flow[s.column_basic[j]] = max(s.flow[s.column_basic[j]], 0.0)
    for a in range(len(s.ahead)):
        if s.ahead[a] != 0.0:
            s.volume[a] = max(s.volume[a] + share * s.ahead[a], 0.0)
            update_arc(s, a)


@njit
def _step(s):
    """One step; False where ``apart`` has no room."""
    n = _set_up(s)
    if n > 0:
        _newton_step(s, n)
        _take(s, n)
    return n >= 0


def step(s: PathStore) -> PathStore:
    """Move the path flows of ``s`` by one Newton step; the store, with more room where the step needed it.

    Volumes of arcs of constant cost are left as they were: no cost hangs on them, :func:`paths.refresh` renews them.
    """
    while not _step(s):
        s = s._replace(apart=np.empty(2 * len(s.apart) + 1024, s.apart.dtype))
    return s

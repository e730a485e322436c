"""A Newton step of all path flows together, where sweeps pair by pair creep.

Pairs that meet on steep links answer to each other, and the sweeps of :mod:`kernels.traffic.paths` then move by small
amounts for ever. Flows of a pair are its demand on the *basic* path (the one with the most flow) less what its other
paths carry; in these, with signs d = +1 on arcs of the path alone and -1 on arcs of the basic path alone, Beckmann's
objective has the gradient ``g = d . c`` and the Hessian ``d' diag(t') d``. The Newton equations of the paths in use are
solved by conjugate gradients with the diagonal as preconditioner, truncated (Dembo and Steihaug 1983, Math. Program.
26); flows that would turn negative are put to zero (projection, Bertsekas 1982, SIAM J. Control 20(2)), and the flows
then go as far towards that point as the objective falls, so that a step never does harm.
"""

import numpy as np

from kernels.jit import njit
from kernels.traffic.cost import term_of
from kernels.traffic.paths import STAMP, PathStore, update_arc

__all__ = ["step"]

ITERATIONS = 100  # of conjugate gradients, at most
ACCURACY = 1e-2  # residual of the Newton equations, as a share of the gradient, in the norm of the preconditioner
FARTHEST = 16.0  # multiple of the step that the line search may take
HOLD = 4.0  # multiple of the way to the first bound within which other paths that would block are held with it
DAMPING = 1e-11  # of the diagonal, added to the Hessian: flat directions lead far, but not to infinity
STEP, RESIDUAL, SEARCH, DIAGONAL, HELD = 0, 1, 2, 3, 4  # rows of ``work``


@njit
def _set_up(s):
    """Basic path, gradient and diagonal of each pair with a choice; False where ``apart`` has no room.

    The arcs by which a path and the basic one differ go to ``apart`` up to ``apart_end`` (path): a, or -1 - a where
    only the basic path has it. Paths that stay at zero flow have a diagonal of zero.
    """
    end = 0
    for e in range(len(s.first)):
        k = s.first[e]
        s.basic[e] = -1
        if k < 0 or s.demand[e] <= 0.0 or s.following[k] < 0:
            continue
        basic = k
        while k >= 0:
            if s.flow[k] > s.flow[basic]:
                basic = k
            k = s.following[k]
        s.basic[e] = basic
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
                s.counter[STAMP] += 1
                token_k = s.counter[STAMP]
                if end + s.size[k] + s.size[basic] > len(s.apart):
                    return False
                gain = 0.0
                steep = 0.0
                for i in range(s.begin[k], s.begin[k] + s.size[k]):
                    a = s.arcs[i]
                    s.mark_other[a] = token_k
                    if s.mark[a] != token_basic:
                        gain += cost[a]
                        steep += s.slope[a]
                        s.apart[end] = a
                        end += 1
                for i in range(s.begin[basic], s.begin[basic] + s.size[basic]):
                    a = s.arcs[i]
                    if s.mark_other[a] != token_k:
                        gain -= cost[a]
                        steep += s.slope[a]
                        s.apart[end] = -1 - a
                        end += 1
                free = (s.flow[k] > 0.0 or gain < 0.0) and s.work[HELD, k] == 0.0
                s.work[RESIDUAL, k] = -pce * gain if free else 0.0
                s.work[DIAGONAL, k] = pce * pce * steep if free else 0.0
            s.apart_end[k] = end
            k = s.following[k]
    return True


@njit
def _spread(s, values):
    """Change of arc volumes ``ahead`` by flows ``values`` (path) moved from the basic paths."""
    s.ahead[:] = 0.0
    begin = 0
    for e in range(len(s.first)):
        if s.basic[e] < 0:
            continue
        pce = s.pce[s.row_class[s.pair_row[e]]]
        k = s.first[e]
        while k >= 0:
            end = s.apart_end[k]
            v = pce * values[k]
            if k != s.basic[e] and v != 0.0:
                for i in range(begin, end):
                    a = s.apart[i]
                    if a >= 0:
                        s.ahead[a] += v
                    else:
                        s.ahead[-1 - a] -= v
            begin = end
            k = s.following[k]


@njit
def _along(s, values):
    """Curvature of the objective along ``values`` (path); ``ahead`` then holds the change of cost by arc."""
    _spread(s, values)
    total = 0.0
    for a in range(len(s.ahead)):
        d = s.ahead[a]
        s.ahead[a] = d * s.slope[a]
        total += d * s.ahead[a]
    return total


@njit
def _conjugate_gradients(s):
    """Newton step of the paths that are not held, in ``work``; False where nothing can move."""
    step, residual, search, diagonal = s.work[STEP], s.work[RESIDUAL], s.work[SEARCH], s.work[DIAGONAL]
    norm = 0.0
    for e in range(len(s.first)):
        if s.basic[e] < 0:
            continue
        k = s.first[e]
        while k >= 0:
            step[k] = 0.0
            search[k] = 0.0
            if k != s.basic[e] and diagonal[k] > 0.0:
                search[k] = residual[k] / diagonal[k]
                norm += residual[k] * search[k]
            k = s.following[k]
    if norm <= 0.0:
        return False
    enough = ACCURACY * ACCURACY * norm
    size = norm  # of the search direction, in the norm of the diagonal
    for _ in range(ITERATIONS):
        length = norm / (_along(s, search) + DAMPING * size)
        was = norm
        norm = 0.0
        begin = 0
        for e in range(len(s.first)):
            if s.basic[e] < 0:
                continue
            pce = s.pce[s.row_class[s.pair_row[e]]]
            k = s.first[e]
            while k >= 0:
                end = s.apart_end[k]
                if k != s.basic[e] and diagonal[k] > 0.0:
                    y = 0.0
                    for i in range(begin, end):
                        a = s.apart[i]
                        y += s.ahead[a] if a >= 0 else -s.ahead[-1 - a]
                    step[k] += length * search[k]
                    residual[k] -= length * (pce * y + DAMPING * diagonal[k] * search[k])
                    norm += residual[k] * residual[k] / diagonal[k]
                begin = end
                k = s.following[k]
        if norm <= enough:
            break
        ratio = norm / was
        size = 0.0
        for e in range(len(s.first)):
            if s.basic[e] < 0:
                continue
            k = s.first[e]
            while k >= 0:
                if k != s.basic[e] and diagonal[k] > 0.0:
                    search[k] = residual[k] / diagonal[k] + ratio * search[k]
                    size += diagonal[k] * search[k] * search[k]
                k = s.following[k]
    return True


@njit
def _bound(s, share):
    """Least multiple of the step at which a flow turns zero, at most ``FARTHEST``, and what the step pays in constants.

    Where ``share`` is not negative, paths that turn zero within this multiple of it are held from now on.
    """
    step, held = s.work[STEP], s.work[HELD]
    farthest = FARTHEST
    constant = 0.0
    begin = 0
    for e in range(len(s.first)):
        if s.basic[e] < 0:
            continue
        basic = s.basic[e]
        m = s.row_class[s.pair_row[e]]
        total = 0.0
        k = s.first[e]
        while k >= 0:
            end = s.apart_end[k]
            if k != basic and step[k] != 0.0:
                total += step[k]
                if step[k] < 0.0:
                    farthest = min(farthest, s.flow[k] / -step[k])
                    if s.flow[k] <= -share * step[k]:
                        held[k] = 1.0
                v = s.pce[m] * step[k]
                for i in range(begin, end):
                    a = s.apart[i]
                    constant += v * s.extra[m, a] if a >= 0 else -v * s.extra[m, -1 - a]
            begin = end
            k = s.following[k]
        if total > 0.0:
            farthest = min(farthest, s.flow[basic] / total)
            if s.flow[basic] <= share * total:
                k = s.first[e]
                while k >= 0:
                    held[k] = 1.0
                    k = s.following[k]
    return farthest, constant


@njit
def _rise(s, share, constant):
    """Slope of the objective along ``ahead`` after ``share`` of it."""
    total = constant
    for a in range(len(s.ahead)):
        d = s.ahead[a]
        if d != 0.0:
            t = s.base[a]
            x = max(s.volume[a] + share * d, 0.0)
            for e in range(s.term_start[a], s.term_start[a + 1]):
                y, _ = term_of(s, e, x)
                t += y
            total += t * d
    return total


@njit
def _take(s):
    """Go along the step as far as the objective falls; whether a flow that turns zero ended it before."""
    high, constant = _bound(s, -1.0)
    _spread(s, s.work[STEP])
    if _rise(s, 0.0, constant) >= 0.0:
        return False
    blocked = high < 1.0 and _rise(s, high, constant) <= 0.0
    low = 0.0
    if blocked or _rise(s, high, constant) <= 0.0:
        low = high
    for _ in range(60):
        if high - low <= 1e-3 * high:
            break
        middle = 0.5 * (low + high)
        if _rise(s, middle, constant) <= 0.0:
            low = middle
        else:
            high = middle
    if blocked:
        _bound(s, HOLD * low)
    step = s.work[STEP]
    for e in range(len(s.first)):
        basic = s.basic[e]
        if basic < 0:
            continue
        total = 0.0
        k = s.first[e]
        while k >= 0:
            if k != basic:
                change = low * step[k]
                total += change
                s.flow[k] = max(s.flow[k] + change, 0.0)
            k = s.following[k]
        s.flow[basic] = max(s.flow[basic] - total, 0.0)
    for a in range(len(s.ahead)):
        if s.ahead[a] != 0.0:
            s.volume[a] = max(s.volume[a] + low * s.ahead[a], 0.0)
            update_arc(s, a)
    return blocked


@njit
def _step(s, rounds):
    """Rounds of the step, at most ``rounds``; how many are left where ``apart`` has no room, else zero."""
    while rounds > 0:
        if not _set_up(s):
            return rounds
        rounds -= 1
        if not _conjugate_gradients(s) or not _take(s):
            return 0
    return 0


def step(s: PathStore, rounds: int) -> PathStore:
    """Move the path flows of ``s`` by one Newton step; the store, with more room where the step needed it.

    At most ``rounds`` times, the paths whose flow turned zero and ended the step are held and the others go on.
    """
    s.work[HELD] = 0.0
    rounds = _step(s, rounds)
    while rounds > 0:
        s = s._replace(apart=np.empty(2 * len(s.apart) + 1024, s.apart.dtype))
        rounds = _step(s, rounds)
    return s

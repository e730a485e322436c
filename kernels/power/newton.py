"""Newton's method for meshed networks, on the fixed-pattern block LU of :mod:`kernels.power.factorise`.

Unknowns are the angle and the logarithm of the magnitude of each bus voltage. With T_ij = V_i conj(Y_ij V_j) and
S_i = sum_j T_ij the Jacobian blocks are (standard polar power mismatch, e.g. Tinney and Hart 1967, IEEE Trans. PAS
86(11):1449-1460, scaled by |V|):

    dS_i / d theta_j = -j T_ij,           dS_i / d ln|V_j| = T_ij           (i != j)
    dS_i / d theta_i =  j (S_i - T_ii),   dS_i / d ln|V_i| = S_i + T_ii + dL_i / d ln|V_i|

F_i = S_i + L_i(|V_i|) = 0 with the load L = L0 + L1 |V| + L2 |V|^2. A bus of held magnitude (PV) replaces its
reactive row by d ln|V| = 0; a source bus is held altogether. Steps are applied as V <- V exp(d ln|V| + j d theta),
the rotation as (1 + j d/2) / (1 - j d/2), which has modulus one and the same fixed point.

Lanes of one operating point share one factor, taken at the solution of that point (frozen Jacobian, see
:mod:`kernels.power.mesh`); lanes that do not converge so are solved by Newton's method each on their own. A point is
chosen by each lane on its own account and lanes of a strip do not touch, so that a lane's result is bit-identical
whatever its neighbours do.

Generators between reactive limits hold their voltage; one that would pass its limit gives it as a PQ bus, and holds
its voltage again once that voltage is on the other side of its set point.
"""

import math

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.power.factorise import factorise, solve_one, strip_solver
from kernels.power.status import COLLAPSE_VOLTAGE, COLLAPSED, MAX_ITERATIONS, OK, REACTIVE_LIMIT, SINGULAR

__all__ = [
    "HELD",
    "NARROW",
    "POINT_ERROR",
    "PQ",
    "PV",
    "STRIP",
    "newton_lane",
    "put_lanes",
    "solve_meshed",
    "take_lanes",
]

PQ, PV, HELD = 0, 1, 2
STRIP = 32  # lanes iterated together: 4 AVX-512 or 8 AVX2 vectors
NARROW = 16  # where fewer are left
LARGEST_STEP = 0.6  # rad and ln pu: a longer Newton step is shortened to it
SHARPER = 1e-4  # of the tolerance: Newton's last step, squared
FROZEN_SHARPER = 1e-2  # of the tolerance: what a frozen iteration leaves
BALANCE = 1e-11  # of all load: sum of power mismatches that a frozen iteration leaves, so that energy balances
FROZEN_LIMIT = 40  # iterations of a frozen strip before lanes go on alone
SLOWEST = 0.7  # shrinkage per frozen iteration, past which a lane goes on alone
POINT_STEP = 0.02  # rad and ln pu: last Newton step to an operating point; its square is the error of the point
POINT_ERROR = POINT_STEP * POINT_STEP / SHARPER  # as a tolerance
SWITCHES = 25  # rounds of reactive limits before a lane is given up
LIMIT_MARGIN = 1e-9  # pu of voltage and of power over a limit that count as reaching it


@njit
def _mismatch(n, row, column, g, b, kind, p, q, p1, q1, p2, q2, vr, vi, f, s):
    """F (n, 2) and S (n, 2); returns the largest |F| of free equations."""
    largest = 0.0
    for i in range(n):
        ir, ii = 0.0, 0.0
        for e in range(row[i], row[i + 1]):
            j = column[e]
            ir += g[e] * vr[j] - b[e] * vi[j]
            ii += g[e] * vi[j] + b[e] * vr[j]
        s[i, 0] = vr[i] * ir + vi[i] * ii
        s[i, 1] = vi[i] * ir - vr[i] * ii
        square = vr[i] * vr[i] + vi[i] * vi[i]
        magnitude = math.sqrt(square)
        f[i, 0] = s[i, 0] + p[i] + p1[i] * magnitude + p2[i] * square
        f[i, 1] = s[i, 1] + q[i] + q1[i] * magnitude + q2[i] * square
        if kind[i] == HELD:
            f[i, 0], f[i, 1] = 0.0, 0.0
        elif kind[i] == PV:
            f[i, 1] = 0.0
        m = max(abs(f[i, 0]), abs(f[i, 1]))
        if not m <= largest:
            largest = m
    return largest


@njit
def _jacobian(n, row, column, g, b, place, kind, p1, q1, p2, q2, vr, vi, s, decoupled, blocks):
    """Fill ``blocks`` at the point (V, S). ``decoupled``: angles only, magnitudes stay."""
    blocks[:, :] = 0.0
    for i in range(n):
        square = vr[i] * vr[i] + vi[i] * vi[i]
        magnitude = math.sqrt(square)
        for e in range(row[i], row[i + 1]):
            j = column[e]
            t = place[e]
            if kind[i] == HELD:
                if i == j:
                    blocks[t, 0], blocks[t, 3] = 1.0, 1.0
                continue
            wr = g[e] * vr[j] - b[e] * vi[j]
            wi = g[e] * vi[j] + b[e] * vr[j]
            tr = vr[i] * wr + vi[i] * wi
            ti = vi[i] * wr - vr[i] * wi
            if i == j:
                blocks[t, 0] = -(s[i, 1] - ti)
                blocks[t, 1] = s[i, 0] + tr + p1[i] * magnitude + 2 * p2[i] * square
                blocks[t, 2] = s[i, 0] - tr
                blocks[t, 3] = s[i, 1] + ti + q1[i] * magnitude + 2 * q2[i] * square
            elif kind[j] != HELD:
                blocks[t, 0] = ti
                blocks[t, 1] = tr
                blocks[t, 2] = -tr
                blocks[t, 3] = ti
            if kind[j] == PV or decoupled:
                blocks[t, 1] = 0.0
                blocks[t, 3] = 0.0
            if kind[i] == PV or decoupled:
                blocks[t, 2] = 0.0
                blocks[t, 3] = 1.0 if i == j else 0.0


@njit
def _apply(n, x, largest, vr, vi):
    """V <- V exp(-x), with the step shortened to ``LARGEST_STEP``; returns the size of the step taken."""
    factor = min(1.0, LARGEST_STEP / largest) if largest > 0 else 1.0
    for i in range(n):
        d, m = -x[i, 0] * factor, -x[i, 1] * factor
        scale = math.exp(m) if m != 0.0 else 1.0
        low = 1.0 / (1.0 + 0.25 * d * d)
        c, sn = scale * (1.0 - 0.25 * d * d) * low, scale * d * low
        vr[i], vi[i] = c * vr[i] - sn * vi[i], c * vi[i] + sn * vr[i]


@njit
def _largest(n, x):
    largest = 0.0
    for i in range(n):
        m = max(abs(x[i, 0]), abs(x[i, 1]))
        if not m <= largest:
            largest = m
    return largest


@njit
def newton_lane(
    n, row, column, g, b, place, kind, first, later, target, p, q, p1, q1, p2, q2, vr, vi, tolerance, limit, cold,
    blocks, f, s,
):  # fmt: skip
    """Newton's method for one lane, in place on ``vr``, ``vi`` (n), all in pivot order.

    ``row``, ``column``, ``g``, ``b`` the admittance matrix [pu] by rows with ``place`` of its blocks; ``kind`` (n)
    PQ, PV or HELD; ``p`` .. ``q2`` (n) load and its current and impedance parts [pu]; ``tolerance`` of the voltage
    [pu]; ``limit`` iterations; ``cold`` starts with a step of the angles alone. Work: ``blocks``, ``f`` (n, 2), ``s``
    (n, 2). Returns (status, iterations, largest mismatch [pu]); ``blocks`` is left factored at the last point.
    """
    _mismatch(n, row, column, g, b, kind, p, q, p1, q1, p2, q2, vr, vi, f, s)
    for iteration in range(limit + 1):
        decoupled = cold and iteration == 0
        _jacobian(n, row, column, g, b, place, kind, p1, q1, p2, q2, vr, vi, s, decoupled, blocks)
        if not factorise(n, first, later, target, blocks):
            return SINGULAR, iteration, math.inf
        if decoupled:
            for i in range(n):
                f[i, 1] = 0.0
        solve_one(n, first, later, blocks, f)
        largest = _largest(n, f)
        if not largest < 1e6:
            return COLLAPSED, iteration, math.inf
        _apply(n, f, 0.0 if decoupled else largest, vr, vi)
        worst = _mismatch(n, row, column, g, b, kind, p, q, p1, q1, p2, q2, vr, vi, f, s)
        if not decoupled and largest * largest < SHARPER * tolerance and largest < POINT_STEP:
            # quadratic convergence: the error left is of the order of the step squared
            for i in range(n):
                if not vr[i] * vr[i] + vi[i] * vi[i] >= COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE:
                    return COLLAPSED, iteration, worst
            return OK, iteration, worst
    return MAX_ITERATIONS, limit, math.inf


@njit
def _limited_lane(
    n, row, column, g, b, place, kind, first, later, target, p, q, p1, q1, p2, q2, vr, vi, tolerance, limit, low, high,
    set_point, fixed, held, own_q, blocks, f, s,
):  # fmt: skip
    """Reactive limits of a solved lane: rounds of Newton until no generator leaves its range or returns to it.

    ``low``, ``high`` (n) reactive power that generators may give and ``set_point`` (n) the voltage they hold [pu]; out
    ``fixed`` (n) +1 at the upper and -1 at the lower limit. Work: ``held`` (n) kinds, ``own_q`` (n). Returns (status,
    rounds, largest mismatch [pu]).
    """
    for i in range(n):
        held[i], own_q[i], fixed[i] = kind[i], q[i], 0
    worst = 0.0
    for turn in range(SWITCHES):
        worst = _mismatch(n, row, column, g, b, held, p, own_q, p1, q1, p2, q2, vr, vi, f, s)
        moved = False
        for i in range(n):
            if kind[i] != PV:
                continue
            square = vr[i] * vr[i] + vi[i] * vi[i]
            magnitude = math.sqrt(square)
            if fixed[i] == 0:
                given = s[i, 1] + q[i] + q1[i] * magnitude + q2[i] * square
                margin = LIMIT_MARGIN * max(1.0, abs(given))
                if given > high[i] + margin:
                    fixed[i], held[i], own_q[i], moved = 1, PQ, q[i] - high[i], True
                elif given < low[i] - margin:
                    fixed[i], held[i], own_q[i], moved = -1, PQ, q[i] - low[i], True
            elif fixed[i] * (magnitude - set_point[i]) > LIMIT_MARGIN:
                fixed[i], held[i], own_q[i], moved = 0, PV, q[i], True
                vr[i] *= set_point[i] / magnitude
                vi[i] *= set_point[i] / magnitude
        if not moved:
            return OK, turn, worst
        code, _, worst = newton_lane(
            n, row, column, g, b, place, held, first, later, target, p, own_q, p1, q1, p2, q2, vr, vi, tolerance,
            limit, False, blocks, f, s,
        )  # fmt: skip
        if code != OK:
            return code, turn, worst
    return REACTIVE_LIMIT, SWITCHES, worst


def _strip_of(W):
    """Frozen iterations of a strip of ``W`` lanes, fixed when compiled.

    Records per pivot, each field ``W`` values: ``v`` voltage (real, imaginary), ``load`` (p, q), ``part`` (p1, q1, p2,
    q2), ``x`` mismatch and step.
    """
    solve_strip = strip_solver(W)

    @njit
    def add_current(g, b, v, x):
        for w in range(x.size // 2):  # not range(W): unrolled loops are not vectorised
            vr, vi = v[w], v[W + w]
            x[w] += g * vr - b * vi
            x[W + w] += g * vi + b * vr

    @njit
    def mismatch(n, row, column, g, b, kind, load, part, dependent, v, x, total):
        """F of each lane in ``x``, and in ``total`` (W) the sum of its absolute values."""
        for w in range(W):
            total[w] = 0.0
        for i in range(n):
            o = 2 * W * i
            own = x[o : o + 2 * W]
            for w in range(2 * W):
                own[w] = 0.0
            if kind[i] == HELD:
                continue
            for e in range(row[i], row[i + 1]):
                j = 2 * W * column[e]
                add_current(g[e], b[e], v[j : j + 2 * W], own)
            at, s = v[o : o + 2 * W], load[o : o + 2 * W]
            for w in range(own.size // 2):
                ir, ii, vr, vi = own[w], own[W + w], at[w], at[W + w]
                own[w] = vr * ir + vi * ii + s[w]
                own[W + w] = vi * ir - vr * ii + s[W + w]
            if dependent:
                z = part[2 * o : 2 * o + 4 * W]
                for w in range(W):
                    square = at[w] * at[w] + at[W + w] * at[W + w]
                    magnitude = math.sqrt(square)
                    own[w] += z[w] * magnitude + z[2 * W + w] * square
                    own[W + w] += z[W + w] * magnitude + z[3 * W + w] * square
            if kind[i] == PV:
                for w in range(W):
                    own[W + w] = 0.0
            for w in range(own.size // 2):
                total[w] += abs(own[w]) + abs(own[W + w])

    @njit
    def apply(n, x, v, lane):
        """V <- V exp(-x) for live lanes, with a second-order exponential of the magnitude (steps are small here).

        ``lane``: live, and the largest squared step, which is updated.
        """
        for i in range(n):
            o = 2 * W * i
            step, at = x[o : o + 2 * W], v[o : o + 2 * W]
            for w in range(at.size // 2):
                a, k, vr, vi = -step[w], -step[W + w], at[w], at[W + w]
                scale = 1.0 + k + 0.5 * k * k
                low = 1.0 / (1.0 + 0.25 * a * a)
                c, s = scale * (1.0 - 0.25 * a * a) * low, scale * a * low
                live = lane[w] > 0.0
                at[w] = c * vr - s * vi if live else vr
                at[W + w] = c * vi + s * vr if live else vi
                size = a * a + k * k
                lane[W + w] = max(size, lane[W + w])  # NaN goes in

    @njit
    def solve_frozen(
        begin, count, n, order, row, column, g, b, kind, first, later, blocks, p, q, p1, q1, p2, q2, scale, at_r, at_i,
        tolerance, v, load, part, x, lane, v_real, v_imag, status, largest, iterations,
    ):  # fmt: skip
        """``count`` lanes from ``begin``, from the point ``at_r``, ``at_i`` (n), with its factor; or MAX_ITERATIONS."""
        dependent = p1.shape[0] > 0
        # fields of lane: live, largest squared step, step before, sum of |load|, sum of |F|
        for w in range(5 * W):
            lane[w] = 0.0
        for w in range(W):
            lane[w] = 1.0
            lane[2 * W + w] = math.inf
        for k in range(n):
            bus, o = order[k], 2 * W * k
            for w in range(W):
                t = begin + (w if w < count else 0)
                v[o + w], v[o + W + w] = at_r[k], at_i[k]
                load[o + w], load[o + W + w] = p[bus, t] * scale, q[bus, t] * scale
                lane[3 * W + w] += abs(load[o + w]) + abs(load[o + W + w])
                if dependent:
                    part[2 * o + w], part[2 * o + W + w] = p1[bus, t] * scale, q1[bus, t] * scale
                    part[2 * o + 2 * W + w], part[2 * o + 3 * W + w] = p2[bus, t] * scale, q2[bus, t] * scale
        goal = FROZEN_SHARPER * tolerance
        left = W
        for iteration in range(FROZEN_LIMIT):
            mismatch(n, row, column, g, b, kind, load, part, dependent, v, x, lane[4 * W : 5 * W])
            solve_strip(n, first, later, blocks, x)
            for w in range(W):
                lane[W + w] = 0.0
            apply(n, x, v, lane)
            for w in range(W):
                if lane[w] <= 0.0:
                    continue
                size = math.sqrt(lane[W + w])
                rate = size / lane[2 * W + w]
                balanced = lane[4 * W + w] * min(rate, 1.0) <= BALANCE * lane[3 * W + w]
                if (iteration > 0 and rate < SLOWEST and size * rate < (1 - rate) * goal and balanced) or size == 0.0:
                    lane[w] = 0.0
                    left -= 1
                    if w < count:
                        status[begin + w] = OK
                        iterations[begin + w] = iteration + 1
                elif not size < 1.0 or (iteration > 3 and rate > SLOWEST):
                    lane[w] = -1.0
                    left -= 1
                    if w < count:
                        status[begin + w] = MAX_ITERATIONS
                lane[2 * W + w] = size
            if left == 0:
                break
        mismatch(n, row, column, g, b, kind, load, part, dependent, v, x, lane[4 * W : 5 * W])
        for w in range(count):
            t = begin + w
            if lane[w] != 0.0:
                status[t] = MAX_ITERATIONS
                continue
            worst, lowest = 0.0, math.inf
            for k in range(n):
                o = 2 * W * k
                m = max(abs(x[o + w]), abs(x[o + W + w]))
                if not m <= worst:  # NaN goes through
                    worst = m
                square = v[o + w] * v[o + w] + v[o + W + w] * v[o + W + w]
                if not lowest <= square:
                    lowest = square
            largest[t] = worst
            if not lowest >= COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE:
                status[t] = MAX_ITERATIONS
        for k in range(n):
            bus, o = order[k], 2 * W * k
            for w in range(count):
                if status[begin + w] == OK:
                    v_real[bus, begin + w], v_imag[bus, begin + w] = v[o + w], v[o + W + w]

    return solve_frozen


_solve_wide, _solve_narrow = _strip_of(STRIP), _strip_of(NARROW)


@pnjit
def take_lanes(x, lane_of, out):
    """Columns ``lane_of`` (lane) of ``x`` into ``out`` (row, lane), so that lanes of a strip lie side by side."""
    for i in prange(x.shape[0]):
        for t in range(lane_of.size):
            out[i, t] = x[i, lane_of[t]]


@pnjit
def put_lanes(x, lane_of):
    """Undo :func:`take_lanes`, in place."""
    for i in prange(x.shape[0]):
        taken = x[i].copy()
        for t in range(lane_of.size):
            x[i, lane_of[t]] = taken[t]


@pnjit
def solve_meshed(
    order, row, column, g, b, place, kind, first, later, target, p, q, p1, q1, p2, q2, scale, start_r, start_i,
    cold, task_start, slot_start, point_p, point_q, point_p1, point_q1, point_p2, point_q2, low, high,
    tolerance, limit, v_real, v_imag, status, mismatch, iterations, at_limit,
):  # fmt: skip
    """Solve a meshed network for all lanes.

    Arguments in pivot order (``order`` (n) is the bus of each pivot): ``row`` (n + 1), ``column``, ``g``, ``b``,
    ``place`` (entry) the admittance matrix [pu] and the place of its blocks; ``kind`` (n) PQ, PV or HELD; ``first``,
    ``later``, ``target`` the factor's pattern. By bus: ``p``, ``q`` (bus, lane) constant-power load and ``p1``,
    ``q1``, ``p2``, ``q2`` (bus or 0, lane) its current and impedance parts at 1 pu, times ``scale`` in pu;
    ``start_r``, ``start_i`` (bus) start, with the held voltages [pu]; ``cold`` begins with a step of the angles alone.

    Tasks: ``task_start[c]`` to ``task_start[c + 1]`` are the lanes of task c; tasks ``slot_start[s]`` to
    ``slot_start[s + 1]`` are solved one after another, and the slots side by side. A task's lanes share an operating
    point, whose load is ``point_p`` .. ``point_q2`` (task, bus or 0), times ``scale``; without a row there, they are
    solved by Newton alone. ``low``, ``high`` (bus or 0) reactive power that the generators of a PV bus may give [pu].
    ``tolerance`` of the voltage [pu]; ``limit`` Newton iterations.

    Out: ``v_real``, ``v_imag`` (bus, lane) [pu], NaN where not solved; ``status``, ``mismatch`` (largest |S|
    mismatch, pu), ``iterations`` (lane); ``at_limit`` (bus or 0, lane) +1 or -1 where a generator's limit binds.
    """
    n = order.size
    dependent = p1.shape[0] > 0
    limited = low.size > 0
    for bus in prange(v_real.shape[0]):  # also touches new memory row by row and on all threads
        v_real[bus], v_imag[bus] = math.nan, math.nan
    for slot in prange(slot_start.size - 1):
        blocks = np.empty((n + 2 * later.size, 4))
        f, s = np.empty((n, 2)), np.empty((n, 2))
        lp, lq, l1, k1, l2, k2 = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
        vr, vi, mr, mi = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        own_q, set_point, qa, qb = np.empty(n), np.empty(n), np.zeros(n), np.zeros(n)
        fixed, held = np.zeros(n, np.int8), np.zeros(n, np.int8)
        strips = STRIP if point_p.shape[0] > 0 else 0
        v, x, load = np.empty(2 * n * strips), np.empty(2 * n * strips), np.empty(2 * n * strips)
        part = np.empty(4 * n * strips if dependent else 0)
        lane = np.empty(5 * STRIP)
        for k in range(n):
            bus = order[k]
            set_point[k] = math.hypot(start_r[bus], start_i[bus])
            if limited:
                qa[k], qb[k] = low[bus], high[bus]
        for c in range(slot_start[slot], slot_start[slot + 1]):
            begin, end = task_start[c], task_start[c + 1]
            warm = False
            for t in range(begin, end):
                status[t] = MAX_ITERATIONS
            if point_p.shape[0] > 0:
                for k in range(n):
                    bus = order[k]
                    vr[k], vi[k] = start_r[bus], start_i[bus]
                    lp[k], lq[k] = point_p[c, bus] * scale, point_q[c, bus] * scale
                    if dependent:
                        l1[k], k1[k] = point_p1[c, bus] * scale, point_q1[c, bus] * scale
                        l2[k], k2[k] = point_p2[c, bus] * scale, point_q2[c, bus] * scale
                code, _, _ = newton_lane(
                    n, row, column, g, b, place, kind, first, later, target, lp, lq, l1, k1, l2, k2, vr, vi,
                    POINT_ERROR, limit, cold, blocks, f, s,
                )  # fmt: skip
                if code == OK:
                    # the Jacobian at the point itself, not at Newton's last but one iterate
                    _jacobian(n, row, column, g, b, place, kind, l1, k1, l2, k2, vr, vi, s, False, blocks)
                    warm = factorise(n, first, later, target, blocks)
                if warm:
                    while begin < end:
                        wide = end - begin > NARROW
                        count = min(STRIP if wide else NARROW, end - begin)
                        if wide:
                            _solve_wide(
                                begin, count, n, order, row, column, g, b, kind, first, later, blocks, p, q, p1, q1,
                                p2, q2, scale, vr, vi, tolerance, v, load, part, x, lane, v_real, v_imag, status,
                                mismatch, iterations,
                            )  # fmt: skip
                        else:
                            _solve_narrow(
                                begin, count, n, order, row, column, g, b, kind, first, later, blocks, p, q, p1, q1,
                                p2, q2, scale, vr, vi, tolerance, v, load, part, x, lane, v_real, v_imag, status,
                                mismatch, iterations,
                            )  # fmt: skip
                        begin += count
            for t in range(task_start[c], end):
                if status[t] == OK and not limited:
                    continue
                for k in range(n):
                    bus = order[k]
                    lp[k], lq[k] = p[bus, t] * scale, q[bus, t] * scale
                    if dependent:
                        l1[k], k1[k], l2[k], k2[k] = (
                            p1[bus, t] * scale, q1[bus, t] * scale, p2[bus, t] * scale, q2[bus, t] * scale
                        )  # fmt: skip
                code, worst = status[t], mismatch[t]
                if code == OK:
                    for k in range(n):
                        mr[k], mi[k] = v_real[order[k], t], v_imag[order[k], t]
                else:
                    # from the point where there is one, then from the start, then without the step of the angles
                    for attempt in range(3):
                        if (attempt == 0 and not warm) or (attempt == 2 and not cold):
                            continue
                        for k in range(n):
                            bus = order[k]
                            mr[k], mi[k] = (vr[k], vi[k]) if attempt == 0 else (start_r[bus], start_i[bus])
                        code, iterations[t], worst = newton_lane(
                            n, row, column, g, b, place, kind, first, later, target, lp, lq, l1, k1, l2, k2, mr, mi,
                            tolerance, limit, cold and attempt == 1, blocks, f, s,
                        )  # fmt: skip
                        if code == OK:
                            break
                if limited and code == OK:
                    code, _, worst = _limited_lane(
                        n, row, column, g, b, place, kind, first, later, target, lp, lq, l1, k1, l2, k2, mr, mi,
                        tolerance, limit, qa, qb, set_point, fixed, held, own_q, blocks, f, s,
                    )  # fmt: skip
                    for k in range(n):
                        at_limit[order[k], t] = fixed[k]
                status[t], mismatch[t] = code, worst
                for k in range(n):
                    bus = order[k]
                    v_real[bus, t] = mr[k] if code == OK else math.nan
                    v_imag[bus, t] = mi[k] if code == OK else math.nan

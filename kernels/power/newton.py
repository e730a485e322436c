"""Newton's method for meshed networks, on the fixed-pattern block LU of :mod:`kernels.power.factorise`.

Unknowns are the angle and the logarithm of the magnitude of each bus voltage. With T_ij = V_i conj(Y_ij V_j) and
S_i = sum_j T_ij the Jacobian blocks are (standard polar power mismatch, e.g. Tinney and Hart 1967, IEEE Trans. PAS
86(11):1449-1460, scaled by |V|):

    dS_i / d theta_j = -j T_ij,           dS_i / d ln|V_j| = T_ij           (i != j)
    dS_i / d theta_i =  j (S_i - T_ii),   dS_i / d ln|V_i| = S_i + T_ii + dL_i / d ln|V_i|

F_i = S_i + L_i(|V_i|) = 0 with the load L = L0 + L1 |V| + L2 |V|^2. A bus of held magnitude (PV) replaces its
reactive row by d ln|V| = 0; a source bus is held altogether. Steps are applied as V <- V exp(d ln|V| + j d theta),
the rotation as (1 + j d/2) / (1 - j d/2), which has modulus one and the same fixed point.

A strip of lanes first shares one factor, taken at the solution of the strip's mean load (frozen Jacobian); lanes that
do not converge so are solved by Newton's method each on their own. A lane's result does not depend on the lanes
outside its strip; within it only through the shared factor, to the tolerance.
"""

import math

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.power.factorise import factorise, solve_one, solve_strip
from kernels.power.status import COLLAPSE_VOLTAGE, COLLAPSED, MAX_ITERATIONS, OK, SINGULAR

__all__ = ["HELD", "PQ", "PV", "STRIP", "newton_lane", "solve_meshed"]

PQ, PV, HELD = 0, 1, 2
STRIP = 16  # lanes that share a frozen factor
LARGEST_STEP = 0.6  # rad and ln pu: a longer Newton step is shortened to it
# Power is voltage times stiff admittances: voltages are solved this much sharper than asked, so that power balances.
SHARPER = 1e-4
SHARPEST = 1e-12  # pu; below it rounding stalls the linear convergence of a frozen strip
FROZEN_LIMIT = 40  # iterations of a frozen strip before lanes go on alone


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
        if not decoupled and largest * largest < SHARPER * tolerance and largest < 1e-3:
            # quadratic convergence: the error left is of the order of the step squared
            for i in range(n):
                if not vr[i] * vr[i] + vi[i] * vi[i] >= COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE:
                    return COLLAPSED, iteration, worst
            return OK, iteration, worst
    return MAX_ITERATIONS, limit, math.inf


@njit
def _current_strip(g, b, vr, vi, ir, ii):
    for w in range(ir.size):
        ir[w] += g * vr[w] - b * vi[w]
        ii[w] += g * vi[w] + b * vr[w]


@njit
def _mismatch_strip(n, row, column, g, b, kind, p, q, p1, q1, p2, q2, dependent, vr, vi, fp, fq, ir, ii):
    """F of a strip, (n, lane)."""
    for i in range(n):
        ir[:] = 0.0
        ii[:] = 0.0
        for e in range(row[i], row[i + 1]):
            j = column[e]
            _current_strip(g[e], b[e], vr[j], vi[j], ir, ii)
        ar, ai, op, oq, lp, lq = vr[i], vi[i], fp[i], fq[i], p[i], q[i]
        for w in range(ir.size):
            op[w] = ar[w] * ir[w] + ai[w] * ii[w] + lp[w]
            oq[w] = ai[w] * ir[w] - ar[w] * ii[w] + lq[w]
        if dependent:
            for w in range(ir.size):
                square = ar[w] * ar[w] + ai[w] * ai[w]
                magnitude = math.sqrt(square)
                op[w] += p1[i, w] * magnitude + p2[i, w] * square
                oq[w] += q1[i, w] * magnitude + q2[i, w] * square
        if kind[i] == HELD:
            op[:] = 0.0
            oq[:] = 0.0
        elif kind[i] == PV:
            oq[:] = 0.0


@njit
def _apply_strip(d, m, vr, vi, live, change):
    """V <- V exp(-x) for live lanes, with a second-order exponential of the magnitude (steps are small here)."""
    for w in range(vr.size):
        a, k = -d[w], -m[w]
        scale = 1.0 + k + 0.5 * k * k
        low = 1.0 / (1.0 + 0.25 * a * a)
        c, s = scale * (1.0 - 0.25 * a * a) * low, scale * a * low
        nr, ni = c * vr[w] - s * vi[w], c * vi[w] + s * vr[w]
        vr[w] = nr if live[w] > 0.0 else vr[w]
        vi[w] = ni if live[w] > 0.0 else vi[w]
        size = a * a + k * k
        change[w] = max(size, change[w])


@njit
def _solve_strip_of_lanes(
    lane, lanes, n, order, row, column, g, b, place, kind, first, later, target, p, q, p1, q1, p2, q2, scale, start_r,
    start_i, tolerance, limit, frozen, v_real, v_imag, status, mismatch, iterations,
):  # fmt: skip
    """One strip: factor at the mean load, frozen iterations, then Newton for the lanes that are left."""
    dependent = p1.shape[0] > 0
    width = lanes
    sp, sq = np.empty((n, width)), np.empty((n, width))
    shape = (n, width) if dependent else (1, width)
    s1, t1, s2, t2 = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    vr, vi, fp, fq = np.empty((n, width)), np.empty((n, width)), np.empty((n, width)), np.empty((n, width))
    mp, mq, m1, n1, m2, n2 = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    mr, mi = np.empty(n), np.empty(n)
    blocks = np.empty((n + 2 * later.size, 4))
    f, s = np.empty((n, 2)), np.empty((n, 2))
    change, before = np.empty(width), np.empty(width)
    live, ir, ii = np.ones(width), np.empty(width), np.empty(width)
    for k in range(n):
        bus = order[k]
        for w in range(width):
            t = lane + w
            sp[k, w] = p[bus, t] * scale
            sq[k, w] = q[bus, t] * scale
            mp[k] += sp[k, w] / width
            mq[k] += sq[k, w] / width
            if dependent:
                s1[k, w], t1[k, w] = p1[bus, t] * scale, q1[bus, t] * scale
                s2[k, w], t2[k, w] = p2[bus, t] * scale, q2[bus, t] * scale
                m1[k] += s1[k, w] / width
                n1[k] += t1[k, w] / width
                m2[k] += s2[k, w] / width
                n2[k] += t2[k, w] / width
        mr[k], mi[k] = start_r[bus], start_i[bus]
    left = width
    if frozen and width > 1:
        code, its, _ = newton_lane(
            n, row, column, g, b, place, kind, first, later, target, mp, mq, m1, n1, m2, n2, mr, mi, tolerance, limit,
            True, blocks, f, s,
        )  # fmt: skip
        if code == OK:
            for k in range(n):
                vr[k] = mr[k]
                vi[k] = mi[k]
            goal = max(SHARPER * tolerance, SHARPEST)
            before[:] = math.inf
            for iteration in range(FROZEN_LIMIT):
                _mismatch_strip(
                    n, row, column, g, b, kind, sp, sq, s1, t1, s2, t2, dependent, vr, vi, fp, fq, ir, ii
                )  # fmt: skip
                solve_strip(n, first, later, blocks, fp, fq)
                change[:] = 0.0
                for k in range(n):
                    _apply_strip(fp[k], fq[k], vr[k], vi[k], live, change)
                for w in range(width):
                    if live[w] == 0.0:
                        continue
                    size = math.sqrt(change[w])
                    rate = size / before[w]
                    if size < goal or (iteration > 1 and rate < 0.5 and size * rate < (1 - rate) * 0.5 * goal):
                        live[w] = 0.0
                        left -= 1
                        status[lane + w] = OK
                        iterations[lane + w] = iteration + 1
                    elif not size < 1e3:
                        live[w] = -1.0
                        left -= 1
                    before[w] = size
                if left == 0:
                    break
            _mismatch_strip(n, row, column, g, b, kind, sp, sq, s1, t1, s2, t2, dependent, vr, vi, fp, fq, ir, ii)
            for w in range(width):
                worst = 0.0
                low = math.inf
                for k in range(n):
                    m = max(abs(fp[k, w]), abs(fq[k, w]))
                    if not m <= worst:  # NaN goes through
                        worst = m
                    square = vr[k, w] * vr[k, w] + vi[k, w] * vi[k, w]
                    if not low <= square:
                        low = square
                mismatch[lane + w] = worst
                if live[w] == 0.0 and not low >= COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE:
                    live[w] = -1.0
        else:
            live[:] = -1.0
    else:
        live[:] = -1.0
    for w in range(width):
        t = lane + w
        if live[w] != 0.0:
            for k in range(n):
                bus = order[k]
                mr[k], mi[k] = start_r[bus], start_i[bus]
                mp[k], mq[k] = sp[k, w], sq[k, w]
                if dependent:
                    m1[k], n1[k], m2[k], n2[k] = s1[k, w], t1[k, w], s2[k, w], t2[k, w]
            code, its, worst = newton_lane(
                n, row, column, g, b, place, kind, first, later, target, mp, mq, m1, n1, m2, n2, mr, mi, tolerance,
                limit, True, blocks, f, s,
            )  # fmt: skip
            status[t] = code
            mismatch[t] = worst
            iterations[t] = its
            for k in range(n):
                vr[k, w] = mr[k] if code == OK else math.nan
                vi[k, w] = mi[k] if code == OK else math.nan
        for k in range(n):
            v_real[order[k], t] = vr[k, w]
            v_imag[order[k], t] = vi[k, w]


@pnjit
def solve_meshed(
    order, row, column, g, b, place, kind, first, later, target, p, q, p1, q1, p2, q2, scale, start_r, start_i,
    tolerance,
    limit, frozen, v_real, v_imag, status, mismatch, iterations,
):  # fmt: skip
    """Solve a meshed network for all lanes.

    Arguments in pivot order (``order`` (n) is the bus of each pivot): ``row`` (n + 1), ``column``, ``g``, ``b``,
    ``place`` (entry) the admittance matrix [pu] and the place of its blocks; ``kind`` (n) PQ, PV or HELD; ``first``,
    ``later``, ``target`` the factor's pattern. By bus: ``p``, ``q`` (bus, lane) constant-power load and ``p1``,
    ``q1``, ``p2``, ``q2`` (bus or 0, lane) its current and impedance parts at 1 pu, times ``scale`` in pu;
    ``start_r``, ``start_i`` (bus) start, with the held voltages [pu]. ``tolerance`` of the voltage [pu]; ``limit``
    Newton iterations; ``frozen`` whether strips share a factor.

    Out: ``v_real``, ``v_imag`` (bus, lane) [pu], NaN where not solved; ``status``, ``mismatch`` (largest |S|
    mismatch, pu), ``iterations`` (lane). Buses that ``order`` does not hold are left as they are.
    """
    n_lane = p.shape[1]
    strips = (n_lane + STRIP - 1) // STRIP
    for strip in prange(strips):
        lane = strip * STRIP
        _solve_strip_of_lanes(
            lane, min(STRIP, n_lane - lane), order.size, order, row, column, g, b, place, kind, first, later, target, p,
            q, p1, q1, p2, q2, scale, start_r, start_i, tolerance, limit, frozen, v_real, v_imag, status, mismatch,
            iterations,
        )  # fmt: skip

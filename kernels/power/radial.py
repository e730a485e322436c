"""Backward/forward sweep for radial networks, batched over lanes.

A lane is one (scenario, time). State lies as (row, lane) with lanes contiguous, and a block of rows is swept for a
strip of lanes at a time, so that it stays in cache and the inner loops are vector instructions.

Equations (per unit). Every branch between parent ``p`` and child ``k`` is written with the child's current ``J_k``,
``V_k = a_k V_p - z_k J_k`` and the current drawn from the parent ``b_k J_k``; all charging and magnetising is
gathered in the shunt admittance ``Y`` of the buses. Current summation after Shirmohammadi et al. (1988), IEEE
Trans. Power Systems 3(2):753-762:

    backward:  J_k = conj(S_k(|V_k|) / V_k) + Y_k V_k + sum over children c of b_c J_c
    forward:   V_k = a_k V_p - z_k J_k

with S(|V|) = S0 + S1 |V| + S2 |V|^2 (constant power, current and impedance). A line has a = b = 1; a transformer
with complex ratio n at the parent side a = 1/n, b = 1/conj(n).

A lane stops when its remaining error is below the tolerance, on its own account: what a lane does never depends on
the lanes beside it, so that results are bit-identical under permutation of lanes and beside failed lanes.
SAFE_FASTMATH is used: it keeps NaN and infinity, and every test for convergence is written to fail on NaN.
"""

import math

from kernels.jit import SAFE_FASTMATH, njit, pnjit, prange
from kernels.power.status import COLLAPSE_VOLTAGE, COLLAPSED, MAX_ITERATIONS, OK

__all__ = ["FIELDS", "STRIP", "scratch_size", "solve_radial"]

STRIP = 32  # lanes swept together: 8 AVX2 vectors
FIELDS = 10  # scratch rows of a bus: V, J, S0, and S1, S2 where loads depend on voltage
LANE_FIELDS = 4  # scratch rows of a strip: largest change now and before, done, status


def scratch_size(longest_block: int) -> int:
    """Length of one thread's scratch for blocks of at most ``longest_block`` rows."""
    return (FIELDS * (longest_block + 1) + LANE_FIELDS) * STRIP


@njit(fastmath=SAFE_FASTMATH)
def _inject_constant(vr, vi, pr, qr, jr, ji, yr, yi):
    """J = conj(S / V) + Y V for constant power."""
    for w in range(vr.size):
        inverse = 1.0 / (vr[w] * vr[w] + vi[w] * vi[w])
        jr[w] = (pr[w] * vr[w] + qr[w] * vi[w]) * inverse + yr * vr[w] - yi * vi[w]
        ji[w] = (pr[w] * vi[w] - qr[w] * vr[w]) * inverse + yr * vi[w] + yi * vr[w]


@njit(fastmath=SAFE_FASTMATH)
def _inject_zip(vr, vi, pr, qr, p1, q1, p2, q2, jr, ji, yr, yi):
    """J = conj((S0 + S1 |V| + S2 |V|^2) / V) + Y V."""
    for w in range(vr.size):
        square = vr[w] * vr[w] + vi[w] * vi[w]
        inverse = 1.0 / square
        magnitude = math.sqrt(square)
        p = pr[w] + p1[w] * magnitude + p2[w] * square
        q = qr[w] + q1[w] * magnitude + q2[w] * square
        jr[w] = (p * vr[w] + q * vi[w]) * inverse + yr * vr[w] - yi * vi[w]
        ji[w] = (p * vi[w] - q * vr[w]) * inverse + yr * vi[w] + yi * vr[w]


@njit(fastmath=SAFE_FASTMATH)
def _advance_line(ur, ui, jr, ji, vr, vi, zr, zi, change, done):
    """V = U - z J for the lanes that are not done, and the largest squared change of each lane."""
    for w in range(vr.size):
        nr = ur[w] - (zr * jr[w] - zi * ji[w])
        ni = ui[w] - (zr * ji[w] + zi * jr[w])
        nr = vr[w] if done[w] > 0.0 else nr
        ni = vi[w] if done[w] > 0.0 else ni
        dr = nr - vr[w]
        di = ni - vi[w]
        d = dr * dr + di * di
        vr[w] = nr
        vi[w] = ni
        m = change[w]
        change[w] = max(d, m)


@njit(fastmath=SAFE_FASTMATH)
def _advance_general(ur, ui, jr, ji, vr, vi, zr, zi, ar, ai, change, done):
    """V = a U - z J for the lanes that are not done, and the largest squared change of each lane."""
    for w in range(vr.size):
        nr = ar * ur[w] - ai * ui[w] - (zr * jr[w] - zi * ji[w])
        ni = ar * ui[w] + ai * ur[w] - (zr * ji[w] + zi * jr[w])
        nr = vr[w] if done[w] > 0.0 else nr
        ni = vi[w] if done[w] > 0.0 else ni
        dr = nr - vr[w]
        di = ni - vi[w]
        d = dr * dr + di * di
        vr[w] = nr
        vi[w] = ni
        m = change[w]
        change[w] = max(d, m)


@njit(fastmath=SAFE_FASTMATH)
def _gather_line(jr, ji, tr, ti):
    """Parent's current gains J."""
    for w in range(jr.size):
        tr[w] += jr[w]
        ti[w] += ji[w]


@njit(fastmath=SAFE_FASTMATH)
def _gather_general(jr, ji, tr, ti, br, bi):
    """Parent's current gains b J."""
    for w in range(jr.size):
        tr[w] += br * jr[w] - bi * ji[w]
        ti[w] += br * ji[w] + bi * jr[w]


@njit(fastmath=SAFE_FASTMATH)
def _backward(n, parent_row, plain, br, bi, first, current, width):
    """Sum currents from the leaves to the source; row 0 gathers what the source gives."""
    for k in range(n, 0, -1):
        r = first + k - 1
        j = 2 * k * width
        t = 2 * parent_row[r] * width
        jr, ji = current[j : j + width], current[j + width : j + 2 * width]
        tr, ti = current[t : t + width], current[t + width : t + 2 * width]
        if plain[r]:
            _gather_line(jr, ji, tr, ti)
        else:
            _gather_general(jr, ji, tr, ti, br[r], bi[r])


@njit(fastmath=SAFE_FASTMATH)
def _load_ends(ur, ui, vr, vi, jr, ji, br, bi, cr, ci, gr, gi, child_rated, parent_rated, failed, out):
    """Loading = the larger of |J - yc V| / rated at the child and |b J + yp U| / rated at the parent."""
    for w in range(out.size):
        er = jr[w] - (cr * vr[w] - ci * vi[w])
        ei = ji[w] - (cr * vi[w] + ci * vr[w])
        pr = br * jr[w] - bi * ji[w] + (gr * ur[w] - gi * ui[w])
        pi = br * ji[w] + bi * jr[w] + (gr * ui[w] + gi * ur[w])
        child = (er * er + ei * ei) * (child_rated * child_rated)
        parent = (pr * pr + pi * pi) * (parent_rated * parent_rated)
        out[w] = math.sqrt(max(child, parent)) + failed[w]


@njit(fastmath=SAFE_FASTMATH)
def _sweep_block(
    first,
    n,
    lane,
    lanes,
    width,
    order,
    parent_row,
    plain,
    z,
    a,
    b,
    y,
    source_r,
    source_i,
    p,
    q,
    p1,
    q1,
    p2,
    q2,
    scale,
    tolerance,
    max_iterations,
    scratch,
    v_real,
    v_imag,
    j_real,
    j_imag,
    magnitude,
    loading,
    end_shunt,
    inverse_rated,
    status,
    mismatch,
    source_current_r,
    source_current_i,
):
    """One block and one strip of lanes; returns the number of iterations."""
    zr, zi, ar, ai, br, bi, yr, yi = z[0], z[1], a[0], a[1], b[0], b[1], y[0], y[1]
    voltage_dependent = p1.shape[0] > 0
    size = (n + 1) * width
    voltage = scratch[0 : 2 * size]
    current = scratch[2 * size : 4 * size]
    power = scratch[4 * size : 6 * size]
    dependent = scratch[6 * size : 10 * size]
    rest = 10 * size
    change = scratch[rest : rest + width]
    before = scratch[rest + width : rest + 2 * width]
    done = scratch[rest + 2 * width : rest + 3 * width]
    code = scratch[rest + 3 * width : rest + 4 * width]

    # Missing lanes of the last strip repeat its first lane: every loop has the same width, so that a lane's
    # arithmetic is the same wherever it lies.
    for w in range(width):
        t = lane + w if w < lanes else lane
        ts = t if source_r.size > 1 else 0
        voltage[w] = source_r[ts]
        voltage[width + w] = source_i[ts]
        done[w] = 0.0
        code[w] = MAX_ITERATIONS
        before[w] = math.inf
    for k in range(1, n + 1):
        r = first + k - 1
        o = 2 * k * width
        u = 2 * parent_row[r] * width
        bus = order[r]
        vr, vi = voltage[o : o + width], voltage[o + width : o + 2 * width]
        ur, ui = voltage[u : u + width], voltage[u + width : u + 2 * width]
        sr, si = power[o : o + width], power[o + width : o + 2 * width]
        if lanes == width:
            gp, gq = p[bus, lane : lane + width], q[bus, lane : lane + width]
            for w in range(width):
                sr[w] = gp[w] * scale
                si[w] = gq[w] * scale
        else:
            for w in range(width):
                t = lane + w if w < lanes else lane
                sr[w] = p[bus, t] * scale
                si[w] = q[bus, t] * scale
        if voltage_dependent:
            d = 4 * k * width
            for w in range(width):
                t = lane + w if w < lanes else lane
                dependent[d + w] = p1[bus, t] * scale
                dependent[d + width + w] = q1[bus, t] * scale
                dependent[d + 2 * width + w] = p2[bus, t] * scale
                dependent[d + 3 * width + w] = q2[bus, t] * scale
        jr, ji = current[o : o + width], current[o + width : o + 2 * width]
        for w in range(width):
            vr[w] = ar[r] * ur[w] - ai[r] * ui[w]
            vi[w] = ar[r] * ui[w] + ai[r] * ur[w]
        if voltage_dependent:
            d = 4 * k * width
            _inject_zip(
                vr,
                vi,
                sr,
                si,
                dependent[d : d + width],
                dependent[d + width : d + 2 * width],
                dependent[d + 2 * width : d + 3 * width],
                dependent[d + 3 * width : d + 4 * width],
                jr,
                ji,
                yr[bus],
                yi[bus],
            )
        else:
            _inject_constant(vr, vi, sr, si, jr, ji, yr[bus], yi[bus])

    square = tolerance * tolerance
    finished = 0
    iterations = 0
    while finished < width and iterations < max_iterations:
        iterations += 1
        for w in range(2 * width):
            current[w] = 0.0
        _backward(n, parent_row, plain, br, bi, first, current, width)
        for w in range(width):
            change[w] = 0.0
        for k in range(1, n + 1):
            r = first + k - 1
            o = 2 * k * width
            u = 2 * parent_row[r] * width
            bus = order[r]
            vr, vi = voltage[o : o + width], voltage[o + width : o + 2 * width]
            ur, ui = voltage[u : u + width], voltage[u + width : u + 2 * width]
            jr, ji = current[o : o + width], current[o + width : o + 2 * width]
            sr, si = power[o : o + width], power[o + width : o + 2 * width]
            if plain[r]:
                _advance_line(ur, ui, jr, ji, vr, vi, zr[r], zi[r], change, done)
            else:
                _advance_general(ur, ui, jr, ji, vr, vi, zr[r], zi[r], ar[r], ai[r], change, done)
            if voltage_dependent:
                d = 4 * k * width
                _inject_zip(
                    vr,
                    vi,
                    sr,
                    si,
                    dependent[d : d + width],
                    dependent[d + width : d + 2 * width],
                    dependent[d + 2 * width : d + 3 * width],
                    dependent[d + 3 * width : d + 4 * width],
                    jr,
                    ji,
                    yr[bus],
                    yi[bus],
                )
            else:
                _inject_constant(vr, vi, sr, si, jr, ji, yr[bus], yi[bus])
        for w in range(width):
            if done[w] > 0.0:
                continue
            # The change shrinks by a steady factor g; after this sweep the error is about change * g / (1 - g).
            # The estimate is trusted where g is small and has been seen twice.
            shrink = change[w] / before[w]
            small = change[w] <= square
            if iterations > 2 and shrink < 0.0625 and change[w] * shrink <= 0.25 * square:
                small = True
            if small:
                done[w] = 1.0
                code[w] = OK
                finished += 1
            elif not change[w] < 1e4:
                done[w] = 1.0
                code[w] = COLLAPSED
                finished += 1
            before[w] = change[w]
            if w < lanes:
                mismatch[lane + w] = math.sqrt(change[w])

    # Currents that belong to the last voltages, then results.
    for w in range(2 * width):
        current[w] = 0.0
    _backward(n, parent_row, plain, br, bi, first, current, width)
    low = COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE
    for k in range(1, n + 1):
        o = 2 * k * width
        for w in range(width):
            s = voltage[o + w] * voltage[o + w] + voltage[o + width + w] * voltage[o + width + w]
            code[w] = code[w] if s >= low or code[w] > 0.0 else COLLAPSED
    for w in range(lanes):
        status[lane + w] = int(code[w])
        failed = code[w] > 0.0
        source_current_r[lane + w] = math.nan if failed else current[w]
        source_current_i[lane + w] = math.nan if failed else current[width + w]
    for w in range(width):
        change[w] = math.nan if code[w] > 0.0 else 0.0
    for k in range(1, n + 1):
        r = first + k - 1
        o = 2 * k * width
        bus = order[r]
        if v_real.shape[0] > 0:
            for w in range(lanes):
                v_real[bus, lane + w] = voltage[o + w] + change[w]
                v_imag[bus, lane + w] = voltage[o + width + w] + change[w]
        if j_real.shape[0] > 0:
            for w in range(lanes):
                j_real[r, lane + w] = current[o + w] + change[w]
                j_imag[r, lane + w] = current[o + width + w] + change[w]
        if magnitude.shape[0] > 0:
            out = magnitude[bus, lane : lane + lanes]
            vr, vi = voltage[o : o + width], voltage[o + width : o + 2 * width]
            for w in range(lanes):
                out[w] = math.sqrt(vr[w] * vr[w] + vi[w] * vi[w]) + change[w]
        if loading.shape[0] > 0:
            u = 2 * parent_row[r] * width
            _load_ends(
                voltage[u : u + width],
                voltage[u + width : u + 2 * width],
                voltage[o : o + width],
                voltage[o + width : o + 2 * width],
                current[o : o + width],
                current[o + width : o + 2 * width],
                br[r],
                bi[r],
                end_shunt[0, r],
                end_shunt[1, r],
                end_shunt[2, r],
                end_shunt[3, r],
                inverse_rated[0, r],
                inverse_rated[1, r],
                change,
                loading[r, lane : lane + lanes],
            )
    return iterations


@pnjit(fastmath=SAFE_FASTMATH)
def solve_radial(
    order,
    parent_row,
    block_start,
    root,
    plain,
    z,
    a,
    b,
    y,
    source_r,
    source_i,
    p,
    q,
    p1,
    q1,
    p2,
    q2,
    scale,
    tolerance,
    max_iterations,
    width,
    scratch,
    v_real,
    v_imag,
    j_real,
    j_imag,
    magnitude,
    loading,
    end_shunt,
    inverse_rated,
    status,
    mismatch,
    source_current_r,
    source_current_i,
    iterations,
):
    """Solve all blocks of a radial network for all lanes.

    Arguments (pu on one power base; ``row`` is the order of :func:`kernels.power.tree.order_forest`):

    * ``order``, ``parent_row`` (row), ``block_start`` (block + 1), ``root`` (block): the forest;
    * ``plain`` (row) 1 where a = b = 1; ``z``, ``a``, ``b`` (2, row) real and imaginary part of series impedance
      [pu] and ratios [1]; ``y`` (2, bus) shunt admittance [pu];
    * ``source_r``, ``source_i`` (bus, lane or 1) voltage of source buses [pu];
    * ``p``, ``q`` (bus, lane) constant-power load [any unit], ``p1``, ``q1``, ``p2``, ``q2`` (bus or 0, lane) the
      constant-current and constant-impedance parts at 1 pu; ``scale`` makes them pu;
    * ``tolerance`` [pu] of the remaining voltage error; ``max_iterations``;
    * ``end_shunt`` (4, row) the branch's own shunt at the child (real, imaginary) and at the parent [pu], which
      ``y`` of its buses contains; ``inverse_rated`` (2, row) one over the rated current at child and parent [1/pu];
    * ``width`` lanes swept together, at most ``STRIP``; ``scratch`` (slot, scratch_size) one row per task slot.

    Out (an array with no rows is not written): ``v_real``, ``v_imag`` (bus, lane) [pu]; ``j_real``, ``j_imag`` (row,
    lane) current into the child's end [pu]; ``magnitude`` (bus, lane) [pu];
    ``loading`` (row, lane) [1]; ``status`` (block, lane); ``mismatch``
    (block, lane) last change of voltage [pu]; ``source_current_r``, ``source_current_i`` (block, lane) drawn from the
    source, without its own shunt [pu]; ``iterations`` (block) sum over strips. Values of failed lanes are NaN.
    """
    n_lane = p.shape[1]
    strips = (n_lane + width - 1) // width
    blocks = root.size
    slots = scratch.shape[0]
    iterations[:] = 0
    for slot in prange(slots):
        for block in range(slot, blocks, slots):
            first = block_start[block]
            n = block_start[block + 1] - first
            for strip in range(strips):
                lane = strip * width
                lanes = min(width, n_lane - lane)
                iterations[block] += _sweep_block(
                    first,
                    n,
                    lane,
                    lanes,
                    width,
                    order,
                    parent_row,
                    plain,
                    z,
                    a,
                    b,
                    y,
                    source_r[root[block]],
                    source_i[root[block]],
                    p,
                    q,
                    p1,
                    q1,
                    p2,
                    q2,
                    scale,
                    tolerance,
                    max_iterations,
                    scratch[slot],
                    v_real,
                    v_imag,
                    j_real,
                    j_imag,
                    magnitude,
                    loading,
                    end_shunt,
                    inverse_rated,
                    status[block],
                    mismatch[block],
                    source_current_r[block],
                    source_current_i[block],
                )

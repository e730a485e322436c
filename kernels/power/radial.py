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

from kernels.jit import SAFE_FASTMATH, njit, pnjit, prange, prefetch_read, prefetch_write
from kernels.power.status import COLLAPSE_VOLTAGE, COLLAPSED, MAX_ITERATIONS, OK

__all__ = ["FIELDS", "PIECE", "STRIP", "scratch_size", "solve_radial"]

STRIP = 32  # lanes swept together: 4 AVX-512 or 8 AVX2 vectors
NARROW = 8  # of the lanes that are left over
FEW = 16  # lanes: when more are left over, a strip with missing lanes is quicker
LINE = 8  # numbers in a cache line
PIECE = 160  # rows of a subtree that is swept both ways at once: with its lanes it fits the second-level cache
FIELDS = 10  # scratch rows of a bus: V, J, S0, and S1, S2 where loads depend on voltage
SETTLED = 1e-14  # pu: changes are rounding
LANE_FIELDS = 4  # scratch rows of a strip: largest change now and before, done, status


def scratch_size(longest_block: int) -> int:
    """Length of one thread's scratch for blocks of at most ``longest_block`` rows."""
    return (FIELDS * (longest_block + 1) + LANE_FIELDS) * STRIP


def _strip_of(W):
    """Sweeps of one block for strips of ``W`` lanes.

    ``W`` is fixed when compiled. A bus has one record of its fields, each ``W`` lanes long, so that the compiler sees
    that they do not overlap and writes vector instructions without tests for it. Fields: 0, 1 voltage; 2, 3 current;
    4, 5 constant-power load; 6 to 9 constant-current and constant-impedance load where there is any.
    """

    @njit(fastmath=SAFE_FASTMATH)
    def inject(x, dependent, yr, yi):
        """J = conj((S0 + S1 |V| + S2 |V|^2) / V) + Y V of a record."""
        if dependent:
            for w in range(W):
                vr, vi = x[w], x[W + w]
                square = vr * vr + vi * vi
                inverse = 1.0 / square
                magnitude = math.sqrt(square)
                p = x[4 * W + w] + x[6 * W + w] * magnitude + x[8 * W + w] * square
                q = x[5 * W + w] + x[7 * W + w] * magnitude + x[9 * W + w] * square
                x[2 * W + w] = (p * vr + q * vi) * inverse + yr * vr - yi * vi
                x[3 * W + w] = (p * vi - q * vr) * inverse + yr * vi + yi * vr
        else:
            for w in range(W):
                vr, vi = x[w], x[W + w]
                inverse = 1.0 / (vr * vr + vi * vi)
                p, q = x[4 * W + w], x[5 * W + w]
                x[2 * W + w] = (p * vr + q * vi) * inverse + yr * vr - yi * vi
                x[3 * W + w] = (p * vi - q * vr) * inverse + yr * vi + yi * vr

    @njit(fastmath=SAFE_FASTMATH)
    def advance_line(x, u, lane, zr, zi, yr, yi):
        """V = U - z J for the lanes that are not done, the largest squared change, then J of constant power."""
        for w in range(W):
            jr, ji, vr, vi = x[2 * W + w], x[3 * W + w], x[w], x[W + w]
            nr = u[w] - (zr * jr - zi * ji)
            ni = u[W + w] - (zr * ji + zi * jr)
            stop = lane[2 * W + w] > 0.0
            nr = vr if stop else nr
            ni = vi if stop else ni
            dr, di = nr - vr, ni - vi
            lane[w] = max(dr * dr + di * di, lane[w])
            inverse = 1.0 / (nr * nr + ni * ni)
            p, q = x[4 * W + w], x[5 * W + w]
            x[w] = nr
            x[W + w] = ni
            x[2 * W + w] = (p * nr + q * ni) * inverse + yr * nr - yi * ni
            x[3 * W + w] = (p * ni - q * nr) * inverse + yr * ni + yi * nr

    @njit(fastmath=SAFE_FASTMATH)
    def advance(x, u, lane, zr, zi, ar, ai):
        """V = a U - z J for the lanes that are not done, and the largest squared change of each lane."""
        for w in range(W):
            jr, ji, vr, vi = x[2 * W + w], x[3 * W + w], x[w], x[W + w]
            nr = ar * u[w] - ai * u[W + w] - (zr * jr - zi * ji)
            ni = ar * u[W + w] + ai * u[w] - (zr * ji + zi * jr)
            stop = lane[2 * W + w] > 0.0
            nr = vr if stop else nr
            ni = vi if stop else ni
            dr, di = nr - vr, ni - vi
            lane[w] = max(dr * dr + di * di, lane[w])
            x[w] = nr
            x[W + w] = ni

    @njit(fastmath=SAFE_FASTMATH)
    def gather(low, high, fields, parent_row, plain, b, first, state):
        """Backward sweep of rows ``high`` to ``low``: each adds its current to its parent's."""
        size = fields * W
        for k in range(high, low - 1, -1):
            r = first + k - 1
            x = state[k * size : k * size + 4 * W]
            t = state[parent_row[r] * size : parent_row[r] * size + 4 * W]
            if plain[r]:
                for w in range(2 * W, 4 * W):
                    t[w] += x[w]
            else:
                cr, ci = b[0, r], b[1, r]
                for w in range(W):
                    jr, ji = x[2 * W + w], x[3 * W + w]
                    t[2 * W + w] += cr * jr - ci * ji
                    t[3 * W + w] += cr * ji + ci * jr

    @njit(fastmath=SAFE_FASTMATH)
    def gather_trunk(n, fields, parent_row, plain, b, first, piece, state):
        """Backward sweep of the rows that belong to no piece."""
        if piece[first] == n:
            return
        for k in range(n, 0, -1):
            if piece[first + k - 1] == 0:
                gather(k, k, fields, parent_row, plain, b, first, state)

    @njit(fastmath=SAFE_FASTMATH)
    def load_ends(x, u, br, bi, cr, ci, gr, gi, child_rated, parent_rated, out):
        """Loading = the larger of |J - yc V| / rated at the child and |b J + yp U| / rated at the parent."""
        child_rated, parent_rated = child_rated * child_rated, parent_rated * parent_rated
        for w in range(out.size):
            vr, vi, jr, ji, ur, ui = x[w], x[W + w], x[2 * W + w], x[3 * W + w], u[w], u[W + w]
            er = jr - (cr * vr - ci * vi)
            ei = ji - (cr * vi + ci * vr)
            pr = br * jr - bi * ji + (gr * ur - gi * ui)
            pi = br * ji + bi * jr + (gr * ui + gi * ur)
            out[w] = math.sqrt(max((er * er + ei * ei) * child_rated, (pr * pr + pi * pi) * parent_rated))

    @njit(fastmath=SAFE_FASTMATH)
    def send(x, u, br, bi, cr, ci, gr, gi):
        """Power into the parent's end, S = U conj(b J + yp U), and the child's, S = -V conj(J - yc V).

        They take the place of load (parent's) and of current (child's) in the record, which is needed no more.
        """
        for w in range(W):
            vr, vi, jr, ji, ur, ui = x[w], x[W + w], x[2 * W + w], x[3 * W + w], u[w], u[W + w]
            pr = br * jr - bi * ji + (gr * ur - gi * ui)
            pi = br * ji + bi * jr + (gr * ui + gi * ur)
            er = (cr * vr - ci * vi) - jr
            ei = (cr * vi + ci * vr) - ji
            x[2 * W + w] = vr * er + vi * ei
            x[3 * W + w] = vi * er - vr * ei
            x[4 * W + w] = ur * pr + ui * pi
            x[5 * W + w] = ui * pr - ur * pi

    @njit
    def copy_out(x, out):
        for w in range(out.size):
            out[w] = x[w]

    @njit(fastmath=SAFE_FASTMATH)
    def take_loads(low, high, fields, first, order, lane, lanes, p, q, p1, q1, p2, q2, scale, state):
        """Copy the loads of rows ``low`` to ``high``; lanes that are missing repeat the first."""
        size = fields * W
        for k in range(low, high + 1):  # only copies: loads from memory overlap
            bus = order[first + k - 1]
            x = state[k * size + 4 * W : (k + 1) * size]
            if lanes == W:
                gp, gq = p[bus, lane : lane + W], q[bus, lane : lane + W]
                for w in range(W):
                    x[w] = gp[w] * scale
                for w in range(W):
                    x[W + w] = gq[w] * scale
            else:
                for w in range(W):
                    t = lane + w if w < lanes else lane
                    x[w] = p[bus, t] * scale
                    x[W + w] = q[bus, t] * scale
            if fields > 6:
                for w in range(W):
                    t = lane + w if w < lanes else lane
                    x[2 * W + w] = p1[bus, t] * scale
                    x[3 * W + w] = q1[bus, t] * scale
                    x[4 * W + w] = p2[bus, t] * scale
                    x[5 * W + w] = q2[bus, t] * scale

    @njit(fastmath=SAFE_FASTMATH)
    def begin(
        first, n, lane, lanes, order, parent_row, plain, piece, a, b, y, p, q, p1, q1, p2, q2, scale, state,
    ):  # fmt: skip
        """Loads, voltages without any current, and the currents that follow."""
        dependent = p1.shape[0] > 0
        fields = 10 if dependent else 6
        size = fields * W
        for w in range(2 * W, 4 * W):
            state[w] = 0.0
        k = 1
        while k <= n:
            high = k + max(piece[first + k - 1], 1) - 1
            take_loads(k, high, fields, first, order, lane, lanes, p, q, p1, q1, p2, q2, scale, state)
            for i in range(k, high + 1):
                r = first + i - 1
                bus = order[r]
                x = state[i * size : (i + 1) * size]
                u = state[parent_row[r] * size : parent_row[r] * size + 2 * W]
                cr, ci = a[0, r], a[1, r]
                for w in range(W):
                    x[w] = cr * u[w] - ci * u[W + w]
                    x[W + w] = cr * u[W + w] + ci * u[w]
                inject(x, dependent, y[0, bus], y[1, bus])
            if piece[first + k - 1] > 0:
                gather(k, high, fields, parent_row, plain, b, first, state)
            k = high + 1
        gather_trunk(n, fields, parent_row, plain, b, first, piece, state)

    @njit(fastmath=SAFE_FASTMATH)
    def sweep(
        first, n, order, parent_row, plain, piece, z, a, b, y, dependent, ahead, p, q, behind, magnitude, loading,
        state, strip
    ):  # fmt: skip
        """Forward sweep with the largest squared change of each lane, and the backward sweep that follows it."""
        fields = 10 if dependent else 6
        size = fields * W
        for w in range(2 * W, 4 * W):
            state[w] = 0.0
        for w in range(W):
            strip[w] = 0.0
        k = 1
        while k <= n:
            high = k + max(piece[first + k - 1], 1) - 1
            for i in range(k, high + 1):
                r = first + i - 1
                bus = order[r]
                if ahead >= 0:
                    for t in range(ahead, ahead + W, LINE):
                        prefetch_read(p, bus, t)
                        prefetch_read(q, bus, t)
                if behind >= 0:
                    for t in range(behind, behind + W, LINE):
                        if magnitude.shape[0] > 0:
                            prefetch_write(magnitude, bus, t)
                        if loading.shape[0] > 0:
                            prefetch_write(loading, r, t)
                x = state[i * size : (i + 1) * size]
                u = state[parent_row[r] * size : parent_row[r] * size + 2 * W]
                if plain[r] and not dependent:
                    advance_line(x, u, strip, z[0, r], z[1, r], y[0, bus], y[1, bus])
                else:
                    advance(x, u, strip, z[0, r], z[1, r], a[0, r], a[1, r])
                    inject(x, dependent, y[0, bus], y[1, bus])
            if piece[first + k - 1] > 0:
                gather(k, high, fields, parent_row, plain, b, first, state)
            k = high + 1
        gather_trunk(n, fields, parent_row, plain, b, first, piece, state)

    @njit(fastmath=SAFE_FASTMATH)
    def judge(strip, iterations, square):
        """Mark the lanes that are done with their status; returns how many are left.

        The squared change shrinks by a steady factor g^2; after a sweep the error is about change * g / (1 - g). The
        estimate is trusted where g is small and has been seen twice. Where g is not small, on long or heavily loaded
        feeders, a change below the tolerance is not enough: the error that it leaves has to be.
        """
        trusted = 0.0625 if iterations > 2 else 0.0
        settled = min(square, SETTLED * SETTLED)
        left = 0.0
        for w in range(W):
            change, before, done, code = strip[w], strip[W + w], strip[2 * W + w], strip[3 * W + w]
            shrink = change / before
            near = shrink < trusted and change * shrink <= 0.25 * square
            rest = 1.0 - math.sqrt(min(shrink, 1.0))
            slow = change <= square and change * shrink <= rest * rest * square
            small = near or slow or change <= settled
            live = done == 0.0
            over = small or not change < 1e4
            code = (OK if small else COLLAPSED) if over and live else code
            done = 1.0 if over else done
            strip[W + w] = change if live else before
            strip[2 * W + w] = done
            strip[3 * W + w] = code
            left += 1.0 - done
        return left

    @njit(fastmath=SAFE_FASTMATH)
    def write(
        first, n, lane, lanes, order, parent_row, branch, child_is_to, fields, b, state, lowest, v_real, v_imag,
        j_real, j_imag, magnitude, loading, flow, end_shunt, inverse_rated,
    ):  # fmt: skip
        """Results of a strip, and the lowest squared voltage of each lane."""
        size = fields * W
        for w in range(W):
            lowest[w] = math.inf
        for k in range(1, n + 1):
            r = first + k - 1
            bus = order[r]
            x = state[k * size : k * size + 6 * W]
            for w in range(W):
                s = x[w] * x[w] + x[W + w] * x[W + w]
                lowest[w] = min(lowest[w], s)  # NaN goes through
            if v_real.shape[0] > 0:
                copy_out(x[:W], v_real[bus, lane : lane + lanes])
                copy_out(x[W : 2 * W], v_imag[bus, lane : lane + lanes])
            if j_real.shape[0] > 0:
                copy_out(x[2 * W : 3 * W], j_real[r, lane : lane + lanes])
                copy_out(x[3 * W : 4 * W], j_imag[r, lane : lane + lanes])
            if magnitude.shape[0] > 0:
                out = magnitude[bus, lane : lane + lanes]
                for w in range(out.size):
                    out[w] = math.sqrt(x[w] * x[w] + x[W + w] * x[W + w])
            u = state[parent_row[r] * size : parent_row[r] * size + 2 * W]
            if loading.shape[0] > 0:
                load_ends(
                    x, u, b[0, r], b[1, r], end_shunt[0, r], end_shunt[1, r], end_shunt[2, r], end_shunt[3, r],
                    inverse_rated[0, r], inverse_rated[1, r], loading[r, lane : lane + lanes],
                )  # fmt: skip
            if flow.shape[1] > 0:
                send(x, u, b[0, r], b[1, r], end_shunt[0, r], end_shunt[1, r], end_shunt[2, r], end_shunt[3, r])
                e = branch[r]
                near = 0 if child_is_to[r] else 2
                copy_out(x[4 * W : 5 * W], flow[near, e, lane : lane + lanes])
                copy_out(x[5 * W : 6 * W], flow[near + 1, e, lane : lane + lanes])
                copy_out(x[2 * W : 3 * W], flow[2 - near, e, lane : lane + lanes])
                copy_out(x[3 * W : 4 * W], flow[3 - near, e, lane : lane + lanes])

    @njit
    def blank(first, n, t, order, branch, v_real, v_imag, j_real, j_imag, magnitude, loading, flow):
        """NaN in place of the results of a lane that was not solved."""
        for r in range(first, first + n):
            bus = order[r]
            if v_real.shape[0] > 0:
                v_real[bus, t] = v_imag[bus, t] = math.nan
            if j_real.shape[0] > 0:
                j_real[r, t] = j_imag[r, t] = math.nan
            if magnitude.shape[0] > 0:
                magnitude[bus, t] = math.nan
            if loading.shape[0] > 0:
                loading[r, t] = math.nan
            if flow.shape[1] > 0:
                for k in range(4):
                    flow[k, branch[r], t] = math.nan

    @njit(fastmath=SAFE_FASTMATH)
    def solve_strip(
        first, n, lane, lanes, ahead, order, parent_row, branch, child_is_to, plain, piece, z, a, b, y, source_r,
        source_i, p, q, p1, q1, p2, q2, scale, tolerance, max_iterations, scratch, v_real, v_imag, j_real, j_imag,
        magnitude, loading, flow, end_shunt, inverse_rated, status, mismatch, source_current_r, source_current_i,
    ):  # fmt: skip
        """One block and one strip of lanes; returns the number of iterations. ``ahead``: next lane here, or -1."""
        dependent = p1.shape[0] > 0
        size = (10 if dependent else 6) * W
        state = scratch[: (n + 1) * size]
        strip = scratch[(n + 1) * size : (n + 1) * size + 4 * W]  # change now, change before, done, status

        # Missing lanes of the last strip repeat its first lane: every loop has the same width, so that a lane's
        # arithmetic is the same wherever it lies.
        if source_r.size == 1:
            for w in range(W):
                state[w] = source_r[0]
            for w in range(W):
                state[W + w] = source_i[0]
        else:
            for w in range(W):
                t = lane + w if w < lanes else lane
                state[w] = source_r[t]
                state[W + w] = source_i[t]
        for w in range(W):
            strip[W + w] = math.inf
            strip[2 * W + w] = 0.0
            strip[3 * W + w] = MAX_ITERATIONS
        begin(first, n, lane, lanes, order, parent_row, plain, piece, a, b, y, p, q, p1, q1, p2, q2, scale, state)

        square = tolerance * tolerance
        iterations = 0
        left = 1.0
        while left > 0.0 and iterations < max_iterations:
            iterations += 1
            sweep(
                first, n, order, parent_row, plain, piece, z, a, b, y, dependent, ahead if iterations == 1 else -1, p,
                q, lane if iterations == 2 and lanes == W else -1, magnitude, loading, state, strip,
            )  # fmt: skip
            left = judge(strip, iterations, square)

        lowest = strip[:W]
        write(
            first, n, lane, lanes, order, parent_row, branch, child_is_to, size // W, b, state, lowest, v_real, v_imag,
            j_real, j_imag, magnitude, loading, flow, end_shunt, inverse_rated,
        )  # fmt: skip
        out_r, out_i = source_current_r[lane : lane + lanes], source_current_i[lane : lane + lanes]
        for w in range(lanes):
            out_r[w] = state[2 * W + w]
        for w in range(lanes):
            out_i[w] = state[3 * W + w]
        for w in range(lanes):
            t = lane + w
            mismatch[t] = math.sqrt(strip[W + w])
            code = int(strip[3 * W + w])
            if code == OK and not lowest[w] >= COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE:
                code = COLLAPSED
            status[t] = code
            if code != OK:
                out_r[w] = out_i[w] = math.nan
                blank(first, n, t, order, branch, v_real, v_imag, j_real, j_imag, magnitude, loading, flow)
        return iterations

    return solve_strip


_solve_wide = _strip_of(STRIP)
_solve_narrow = _strip_of(NARROW)
_solve_single = _strip_of(1)


@pnjit(fastmath=SAFE_FASTMATH)
def solve_radial(
    order,
    parent_row,
    branch,
    child_is_to,
    block_start,
    root,
    plain,
    piece,
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
    flow,
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

    * ``order``, ``parent_row``, ``branch`` (row), ``block_start`` (block + 1), ``root`` (block): the forest;
    * ``child_is_to`` (row) 1 where the child is the branch's ``to`` end;
    * ``piece`` (row) number of rows of the piece that begins here, -1 inside a piece, 0 in the trunk;
    * ``plain`` (row) 1 where a = b = 1; ``z``, ``a``, ``b`` (2, row) real and imaginary part of series impedance
      [pu] and ratios [1]; ``y`` (2, bus) shunt admittance [pu];
    * ``source_r``, ``source_i`` (bus, lane or 1) voltage of source buses [pu];
    * ``p``, ``q`` (bus, lane) constant-power load [any unit], ``p1``, ``q1``, ``p2``, ``q2`` (bus or 0, lane) the
      constant-current and constant-impedance parts at 1 pu; ``scale`` makes them pu;
    * ``tolerance`` [pu] of the remaining voltage error; ``max_iterations``;
    * ``end_shunt`` (4, row) the branch's own shunt at the child (real, imaginary) and at the parent [pu], which
      ``y`` of its buses contains; ``inverse_rated`` (2, row) one over the rated current at child and parent [1/pu];
    * ``width`` lanes swept together, 1 or ``STRIP``; ``scratch`` (slot, scratch_size) one row per task slot.

    Out (an array with no rows is not written): ``v_real``, ``v_imag`` (bus, lane) [pu]; ``j_real``, ``j_imag`` (row,
    lane) current into the child's end [pu]; ``magnitude`` (bus, lane) [pu]; ``loading`` (row, lane) [1]; ``flow`` (4,
    branch or 0, lane) active and reactive power into the from end, then into the to end [pu]; ``status`` (block,
    lane); ``mismatch`` (block, lane) last change of voltage [pu]; ``source_current_r``, ``source_current_i`` (block,
    lane) drawn from the source, without its own shunt [pu]; ``iterations`` (slot, block) sum over strips. Values of
    failed lanes are NaN.
    """
    n_lane = p.shape[1]
    whole, rest = n_lane // width, n_lane % width
    narrow = 0 if width == 1 or rest > FEW else -(-rest // NARROW)
    if rest > 0 and narrow == 0:
        whole += 1
    strips = whole + narrow
    slots = scratch.shape[0]
    iterations[:] = 0
    for slot in prange(slots):
        for task in range(slot, root.size * strips, slots):
            block, strip = task // strips, task % strips
            first = block_start[block]
            n = block_start[block + 1] - first
            lane = strip * width if strip < whole else whole * width + (strip - whole) * NARROW
            lanes = min(width if strip < whole else NARROW, n_lane - lane)
            ahead = lane + slots * width if strip + slots < whole else -1
            if strip >= whole:
                turns = _solve_narrow(
                    first, n, lane, lanes, ahead, order, parent_row, branch, child_is_to, plain, piece, z, a, b, y,
                    source_r[root[block]], source_i[root[block]], p, q, p1, q1, p2, q2, scale, tolerance,
                    max_iterations, scratch[slot], v_real, v_imag, j_real, j_imag, magnitude, loading, flow, end_shunt,
                    inverse_rated, status[block], mismatch[block], source_current_r[block], source_current_i[block],
                )  # fmt: skip
            elif width == 1:
                turns = _solve_single(
                    first, n, lane, lanes, ahead, order, parent_row, branch, child_is_to, plain, piece, z, a, b, y,
                    source_r[root[block]], source_i[root[block]], p, q, p1, q1, p2, q2, scale, tolerance,
                    max_iterations, scratch[slot], v_real, v_imag, j_real, j_imag, magnitude, loading, flow, end_shunt,
                    inverse_rated, status[block], mismatch[block], source_current_r[block], source_current_i[block],
                )  # fmt: skip
            else:
                turns = _solve_wide(
                    first, n, lane, lanes, ahead, order, parent_row, branch, child_is_to, plain, piece, z, a, b, y,
                    source_r[root[block]], source_i[root[block]], p, q, p1, q1, p2, q2, scale, tolerance,
                    max_iterations, scratch[slot], v_real, v_imag, j_real, j_imag, magnitude, loading, flow, end_shunt,
                    inverse_rated, status[block], mismatch[block], source_current_r[block], source_current_i[block],
                )  # fmt: skip
            iterations[slot, block] += turns

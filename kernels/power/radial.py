"""Backward-forward sweep (current summation) of radial networks, batched over lanes of steps or scenarios.

Per unit on one power base and each bus's own rated voltage. A branch joins its parent bus f and its own bus t by
an ideal transformer of complex ratio a at f and a pi element behind it:

    V_f / a = V_t + z J,    J = conj(S_t / V_t) + V_t (y_t + j b / 2) + sum of the children's I_f
    I_f = (J + (j b / 2) V_f / a) / conj(a)

with S_t the load, y_t a shunt at the bus and b the branch's charging. The backward sweep sums the currents from
the leaves to the source, the forward sweep updates the voltages, until no voltage moves by more than the
tolerance. Source: current-summation method of Shirmohammadi et al. 1988 (IEEE Trans. Power Systems 3(2)).

Lanes are independent: a lane that has converged is frozen, one that fails is marked, and neither touches its
neighbours. Trees are independent too and run on threads; no result depends on how many there are.
"""

import numpy as np

from kernels.jit import njit, pnjit, prange

__all__ = ["COLLAPSED", "CONVERGED", "ISLANDED", "MAXIMUM_ITERATIONS", "branch_results", "sweep"]

CONVERGED, ISLANDED, MAXIMUM_ITERATIONS, COLLAPSED = 0, 1, 2, 3
COLLAPSE_VOLTAGE = 0.5  # pu; below it a constant-power load has no stable solution on a distribution feeder


@njit
def _sweep_tree(
    order, first, last, parent, via, z_re, z_im, b_half, a_re, a_im, y_re, y_im, p, q, tolerance, limit,
    v_re, v_im, i_re, i_im, step_of, status,
):  # fmt: skip
    """Sweep one tree over all lanes; see :func:`sweep`."""
    lanes = p.shape[1]
    pending = lanes
    for lane in range(lanes):
        status[lane] = MAXIMUM_ITERATIONS
    for _ in range(limit):
        # backward: currents from the leaves to the source
        for position in range(first, last):
            bus = order[position]
            for lane in range(lanes):
                i_re[bus, lane] = 0.0
                i_im[bus, lane] = 0.0
        for position in range(last - 1, first - 1, -1):
            t = order[position]
            charging = 0.0
            if position > first:
                charging = b_half[via[t]]
            yr, yi = y_re[t], y_im[t] + charging
            for lane in range(lanes):
                vr, vi = v_re[t, lane], v_im[t, lane]
                square = vr * vr + vi * vi
                i_re[t, lane] += (p[t, lane] * vr + q[t, lane] * vi) / square + yr * vr - yi * vi
                i_im[t, lane] += (p[t, lane] * vi - q[t, lane] * vr) / square + yr * vi + yi * vr
            if position == first:
                continue
            f, k = parent[t], via[t]
            ar, ai = a_re[k], a_im[k]
            size = ar * ar + ai * ai
            for lane in range(lanes):
                ur = (v_re[f, lane] * ar + v_im[f, lane] * ai) / size  # V_f / a
                ui = (v_im[f, lane] * ar - v_re[f, lane] * ai) / size
                jr = i_re[t, lane] - charging * ui
                ji = i_im[t, lane] + charging * ur
                i_re[f, lane] += (jr * ar - ji * ai) / size  # I / conj(a)
                i_im[f, lane] += (jr * ai + ji * ar) / size
        # forward: voltages from the source to the leaves
        for lane in range(lanes):
            step_of[lane] = 0.0
        for position in range(first + 1, last):
            t = order[position]
            f, k = parent[t], via[t]
            ar, ai = a_re[k], a_im[k]
            size = ar * ar + ai * ai
            zr, zi = z_re[k], z_im[k]
            for lane in range(lanes):
                if status[lane] != MAXIMUM_ITERATIONS:
                    continue
                nr = (v_re[f, lane] * ar + v_im[f, lane] * ai) / size - zr * i_re[t, lane] + zi * i_im[t, lane]
                ni = (v_im[f, lane] * ar - v_re[f, lane] * ai) / size - zr * i_im[t, lane] - zi * i_re[t, lane]
                moved = max(abs(nr - v_re[t, lane]), abs(ni - v_im[t, lane]))
                if not moved <= step_of[lane]:  # NaN stays
                    step_of[lane] = moved
                if nr * nr + ni * ni < COLLAPSE_VOLTAGE * COLLAPSE_VOLTAGE:
                    step_of[lane] = np.inf
                v_re[t, lane] = nr
                v_im[t, lane] = ni
        for lane in range(lanes):
            if status[lane] != MAXIMUM_ITERATIONS:
                continue
            if step_of[lane] <= tolerance:
                status[lane] = CONVERGED
                pending -= 1
            elif not np.isfinite(step_of[lane]):
                status[lane] = COLLAPSED
                pending -= 1
        if pending == 0:
            break
    for lane in range(lanes):
        if status[lane] != CONVERGED:
            for position in range(first, last):
                bus = order[position]
                v_re[bus, lane] = np.nan
                v_im[bus, lane] = np.nan
                i_re[bus, lane] = np.nan
                i_im[bus, lane] = np.nan


@pnjit
def sweep(
    order, tree_start, parent, via, z_re, z_im, b_half, a_re, a_im, y_re, y_im, p, q, v_source, tolerance, limit,
    v_re, v_im, i_re, i_im, step_of, status,
):  # fmt: skip
    """Solve all trees for all lanes.

    ``order``, ``tree_start``, ``parent``, ``via``: from :func:`kernels.power.tree.order_trees`. Per branch [pu]:
    ``z_re``, ``z_im`` series impedance, ``b_half`` half the charging susceptance, ``a_re``, ``a_im`` ratio at the
    end towards the source. Per bus [pu]: ``y_re``, ``y_im`` shunt admittance, ``v_source`` (bus) set point at the
    first bus of each tree. ``p``, ``q`` (bus, lane) [pu] load, negative for generation. ``tolerance`` [pu] largest
    change of a voltage component; ``limit`` sweeps.

    Written: ``v_re``, ``v_im`` (bus, lane) [pu] voltage and ``i_re``, ``i_im`` (bus, lane) [pu] current through
    the branch into the bus (at a source: out of it), NaN where not solved; ``status`` (tree, lane) int8, one of
    ``CONVERGED``, ``MAXIMUM_ITERATIONS``, ``COLLAPSED``. ``step_of`` (tree, lane) is scratch. Buses that no tree
    holds are left as they are. Starts flat from ``v_source``.
    """
    for tree in prange(tree_start.shape[0] - 1):
        first, last = tree_start[tree], tree_start[tree + 1]
        source = order[first]
        for position in range(first, last):
            bus = order[position]
            for lane in range(p.shape[1]):
                v_re[bus, lane] = v_source[source]
                v_im[bus, lane] = 0.0
        _sweep_tree(
            order, first, last, parent, via, z_re, z_im, b_half, a_re, a_im, y_re, y_im, p, q, tolerance, limit,
            v_re, v_im, i_re, i_im, step_of[tree], status[tree],
        )  # fmt: skip


@njit
def branch_results(
    order, tree_start, parent, via, b_half, a_re, a_im, z_re, is_transformer, rating, v_re, v_im, i_re, i_im,
    p_from, loss, loading,
):  # fmt: skip
    """Power into each branch at the end towards the source, its losses and its loading.

    Arguments as in :func:`sweep`; ``is_transformer`` (branch) bool; ``rating`` (branch) [pu of the power base].
    Written (branch, lane): ``p_from`` [pu], ``loss`` [pu] = |J|^2 r, ``loading`` [1] = the larger of both ends:
    current over rated current for lines, apparent power over rating for transformers. Branches that no tree holds
    are left as they are.
    """
    lanes = v_re.shape[1]
    for tree in range(tree_start.shape[0] - 1):
        for position in range(tree_start[tree] + 1, tree_start[tree + 1]):
            t = order[position]
            f, k = parent[t], via[t]
            ar, ai = a_re[k], a_im[k]
            size = ar * ar + ai * ai
            half = b_half[k]
            for lane in range(lanes):
                vtr, vti = v_re[t, lane], v_im[t, lane]
                vfr, vfi = v_re[f, lane], v_im[f, lane]
                jr, ji = i_re[t, lane], i_im[t, lane]  # series current, with the charging at t
                ur, ui = (vfr * ar + vfi * ai) / size, (vfi * ar - vfr * ai) / size
                fr, fi = jr - half * ui, ji + half * ur
                ir, ii = (fr * ar - fi * ai) / size, (fr * ai + fi * ar) / size
                tr, ti = jr + half * vti, ji - half * vtr  # current delivered to the bus
                p_from[k, lane] = vfr * ir + vfi * ii
                loss[k, lane] = (jr * jr + ji * ji) * z_re[k]
                if is_transformer[k]:
                    end_f = np.sqrt((ir * ir + ii * ii) * (vfr * vfr + vfi * vfi))
                    end_t = np.sqrt((tr * tr + ti * ti) * (vtr * vtr + vti * vti))
                else:
                    end_f = np.sqrt(ir * ir + ii * ii)
                    end_t = np.sqrt(tr * tr + ti * ti)
                loading[k, lane] = max(end_f, end_t) / rating[k]

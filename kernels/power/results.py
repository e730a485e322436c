"""Flows and losses of branches from solved voltages and currents."""

from kernels.jit import njit

__all__ = ["radial_flows"]


@njit
def radial_flows(
    order,
    parent_bus,
    branch,
    child_is_to,
    b,
    end_shunt,
    source_r,
    source_i,
    is_source,
    v_real,
    v_imag,
    j_real,
    j_imag,
    p_from,
    q_from,
    p_to,
    q_to,
):
    """Power into both ends of each branch of a radial network.

    S_parent = V_p conj(b J + yp V_p), S_child = -V_k conj(J - yc V_k), so that losses are p_from + p_to.

    Arguments (pu): ``order``, ``parent_bus``, ``branch`` (row) buses and branch; ``child_is_to`` (row) 1 where the
    child is the branch's ``to`` end; ``b`` (2, row), ``end_shunt`` (4, row) as in
    :func:`kernels.power.radial.solve_radial`; ``source_r``, ``source_i`` (bus, lane or 1); ``is_source`` (bus);
    ``v_real``, ``v_imag`` (bus, lane); ``j_real``, ``j_imag`` (row, lane). Out: ``p_from``, ``q_from``, ``p_to``,
    ``q_to`` (branch, lane) [pu], written for the branches of the forest only.
    """
    for r in range(order.size):
        bus, parent, e = order[r], parent_bus[r], branch[r]
        for t in range(v_real.shape[1]):
            s = t if source_r.shape[1] > 1 else 0
            ur = source_r[parent, s] if is_source[parent] else v_real[parent, t]
            ui = source_i[parent, s] if is_source[parent] else v_imag[parent, t]
            vr, vi, jr, ji = v_real[bus, t], v_imag[bus, t], j_real[r, t], j_imag[r, t]
            ir = b[0, r] * jr - b[1, r] * ji + end_shunt[2, r] * ur - end_shunt[3, r] * ui
            ii = b[0, r] * ji + b[1, r] * jr + end_shunt[2, r] * ui + end_shunt[3, r] * ur
            er = -(jr - (end_shunt[0, r] * vr - end_shunt[1, r] * vi))
            ei = -(ji - (end_shunt[0, r] * vi + end_shunt[1, r] * vr))
            pp, qp = ur * ir + ui * ii, ui * ir - ur * ii
            pc, qc = vr * er + vi * ei, vi * er - vr * ei
            if child_is_to[r]:
                p_from[e, t], q_from[e, t], p_to[e, t], q_to[e, t] = pp, qp, pc, qc
            else:
                p_from[e, t], q_from[e, t], p_to[e, t], q_to[e, t] = pc, qc, pp, qp

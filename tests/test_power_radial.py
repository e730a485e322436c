"""Radial power flow: the two-bus solution and its nose, energy balance, an independent solver, isolation of lanes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.power.radial import COLLAPSED, CONVERGED, MAXIMUM_ITERATIONS, branch_results, sweep
from kernels.power.tree import LOOP, OK, order_trees


def solve(frm, to, z, b, ratio, load, v0=1.0, tolerance=1e-13, limit=500, source=0):
    """Solve a small radial network; load (bus, lane) complex [pu]; returns complex V, I, results and status."""
    frm, to = np.array(frm, np.int32), np.array(to, np.int32)
    n, m, lanes = load.shape[0], len(frm), load.shape[1]
    is_source = np.zeros(n, bool)
    is_source[source] = True
    status, order, tree_start, parent, via, _ = order_trees(frm, to, is_source)
    assert status == OK
    z, a = np.asarray(z, complex), np.asarray(ratio, complex)
    half = 0.5 * np.asarray(b, float)
    zero = np.zeros(n)
    v_re, v_im, i_re, i_im = (np.zeros((n, lanes)) for _ in range(4))
    states = np.zeros((1, lanes), np.int8)
    network = (order, tree_start, parent, via)
    sweep(
        *network, z.real.copy(), z.imag.copy(), half, a.real.copy(), a.imag.copy(), zero, zero,
        load.real.copy(), load.imag.copy(), np.full(n, v0), tolerance, limit, v_re, v_im, i_re, i_im,
        np.zeros((1, lanes)), states,
    )  # fmt: skip
    p_from, loss, loading = (np.zeros((m, lanes)) for _ in range(3))
    branch_results(
        *network, half, a.real.copy(), a.imag.copy(), z.real.copy(), np.zeros(m, bool), np.ones(m), v_re, v_im, i_re,
        i_im, p_from, loss, loading,
    )  # fmt: skip
    return v_re + 1j * v_im, i_re + 1j * i_im, p_from, loss, loading, states[0]


# Two buses, source V0, impedance r + jx, load P + jQ, all in pu. Eliminating the angle from V0 = V + z conj(S/V):
#   V^2 = ( A + sqrt(A^2 - 4 (r^2 + x^2)(P^2 + Q^2)) ) / 2  with A = V0^2 - 2 (r P + x Q);
# without solution where the root is imaginary.
@settings(max_examples=60, deadline=None)
@given(r=st.floats(0.001, 0.1), x=st.floats(0.001, 0.2), p=st.floats(-1, 1), q=st.floats(-0.5, 0.5))
def test_two_buses_against_the_analytic_solution(r, x, p, q):
    a = 1.05**2 - 2 * (r * p + x * q)
    root = a * a - 4 * (r * r + x * x) * (p * p + q * q)
    square = 0.5 * (a + np.sqrt(max(root, 0)))
    if root < 0.05 or square < 0.4:
        return  # near the nose: see the next test
    v, _, _, _, _, status = solve([0], [1], [r + 1j * x], [0], [1], np.array([[0], [p + 1j * q]]), v0=1.05)
    assert status[0] == CONVERGED
    assert abs(abs(v[1, 0]) - np.sqrt(square)) < 1e-11


def test_beyond_the_nose_no_solution_is_claimed_and_neighbours_keep_their_bits():
    # x = 0.5, V0 = 1, Q = 0: the largest load is V0^2 / (2 x) = 1
    loads = np.array([[0, 0, 0, 0], [0.2, 0.9, 1.2, 0.5]]) + 0j
    v, _, _, _, _, status = solve([0], [1], [0.5j], [0], [1], loads, limit=2000)
    assert status[2] in (MAXIMUM_ITERATIONS, COLLAPSED)
    assert np.isnan(v[:, 2]).all()
    alone, *_ = solve([0], [1], [0.5j], [0], [1], loads[:, [0, 1, 3]], limit=2000)
    np.testing.assert_array_equal(v[:, [0, 1, 3]], alone)


def feeder(seed, n, lanes):
    rng = np.random.default_rng(seed)
    frm = [int(rng.integers(0, k)) for k in range(1, n)]
    z = rng.uniform(0.002, 0.01, n - 1) + 1j * rng.uniform(0.002, 0.01, n - 1)
    load = rng.uniform(-0.02, 0.06, (n, lanes)) * (1 + 0.3j)
    return frm, list(range(1, n)), z, rng.uniform(0, 1e-3, n - 1), rng.uniform(0.95, 1.05, n - 1), load


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
def test_energy_balance_kirchhoff_and_lane_permutation(seed, n):
    frm, to, z, b, ratio, load = feeder(seed, n, 4)
    v, i, _, loss, _, status = solve(frm, to, z, b, ratio, load)
    assert (status == CONVERGED).all()
    drawn = (v[0] * np.conj(i[0])).real
    np.testing.assert_allclose(drawn, load.real.sum(0) + loss.sum(0), rtol=1e-9, atol=1e-11)
    for lane in range(4):  # the admittance matrix, written out apart from the kernel
        y = np.zeros((n, n), complex)
        for k, (f, t) in enumerate(zip(frm, to)):
            series, half, a = 1 / z[k], 0.5j * b[k], ratio[k]
            y[f, f] += (series + half) / a**2
            y[t, t] += series + half
            y[f, t] -= series / a
            y[t, f] -= series / a
        injected = v[:, lane] * np.conj(y @ v[:, lane])
        np.testing.assert_allclose(injected[1:], -load[1:, lane], atol=1e-9)
    swapped, *_ = solve(frm, to, z, b, ratio, load[:, [2, 0, 3, 1]])
    np.testing.assert_array_equal(swapped, v[:, [2, 0, 3, 1]])


def test_a_loop_and_an_island_are_found():
    frm, to = np.array([0, 1, 2], np.int32), np.array([1, 2, 0], np.int32)
    assert order_trees(frm, to, np.array([True, False, False]))[0] == LOOP
    status, order, *_ = order_trees(frm[:1], to[:1], np.array([True, False, False]))
    assert status == OK
    assert set(order) == {0, 1}


def test_voltages_of_the_33_bus_feeder_against_pandapower():
    pandapower = pytest.importorskip("pandapower")
    from pandapower.networks import case33bw

    net = case33bw()
    pandapower.runpp(net, tolerance_mva=1e-12, numba=False)
    lines = net.line[net.line.in_service]
    base = net.bus.vn_kv.iloc[0] ** 2  # ohm on 1 MVA
    z = (lines.r_ohm_per_km + 1j * lines.x_ohm_per_km).to_numpy() * lines.length_km.to_numpy() / base
    load = np.zeros((33, 1), complex)
    load[net.load.bus, 0] = net.load.p_mw + 1j * net.load.q_mvar
    v, _, _, loss, _, status = solve(lines.from_bus, lines.to_bus, z, np.zeros(len(z)), np.ones(len(z)), load)
    assert status[0] == CONVERGED
    np.testing.assert_allclose(abs(v[:, 0]), net.res_bus.vm_pu, atol=1e-8)
    np.testing.assert_allclose(loss.sum(), net.res_line.pl_mw.sum(), rtol=1e-6)

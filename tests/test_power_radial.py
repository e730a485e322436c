"""Radial sweep: analytic solution, collapse, bit-identity of lanes and threads, energy closure, independent oracles."""

import numpy as np
import pandapower
import power_grid_model as pgm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandapower.networks import case33bw
from power_grids import BASE, feeder_forest, feeder_grid, two_bus

from kernels.jit import set_threads, threads
from kernels.power.forest import plant
from kernels.power.status import COLLAPSED, MAX_ITERATIONS, OK
from kernels.power.tree import LOOP, TWO_SOURCES

Z = 0.02 + 0.05j


def solve(forest, source, p, q, **options):
    out = forest.allocate(p.shape[1], magnitude=True, loading=True, flow=True)
    forest.solve(out, source, p, q, **options)
    return out


def test_two_bus_meets_the_analytic_solution_up_to_the_nose():
    # V0 = 1, S = P + jQ behind z = r + jx. |V|^2 solves u^2 - (V0^2 - 2 (rP + xQ)) u + |z|^2 |S|^2 = 0, upper root.
    # Real root exists while (V0^2 - 2 (rP + xQ))^2 >= 4 |z|^2 |S|^2; for Q = P / 2 that holds up to `nose`.
    r, x = Z.real, Z.imag
    c = np.hypot(1, 0.5) * abs(Z)
    nose = 1 / (2 * (r + x / 2 + c))
    load = np.linspace(-1, 0.98, 67) * nose
    p = np.stack([np.zeros_like(load), load])
    q = p / 2
    out = solve(two_bus(Z), np.array([[1 + 0j], [np.nan]]), p, q, tolerance=1e-14, max_iterations=3000)
    b = 1 - 2 * (r * p[1] + x * q[1])
    exact = np.sqrt((b + np.sqrt(b**2 - 4 * abs(Z) ** 2 * (p[1] ** 2 + q[1] ** 2))) / 2)
    assert (out.status == OK).all()
    assert np.abs(out.magnitude[1] - exact).max() < 1e-12


def test_past_the_nose_is_flagged_and_nan():
    p = np.array([[0.0, 0.0, 0.0], [1.0, 9.0, 200.0]])
    out = solve(two_bus(Z), np.array([[1 + 0j], [np.nan]]), p, p / 2)
    assert out.status[0, 0] == OK
    assert set(out.status[0, 1:]) <= {MAX_ITERATIONS, COLLAPSED}
    assert np.isfinite(out.magnitude[1, 0]) and np.isnan(out.magnitude[1, 1:]).all()
    assert np.isnan(out.j_real[0, 1:]).all() and np.isnan(out.source_real[0, 1:]).all()


def test_complex_ratio_both_ways_round():
    # Ideal ratio n at the from end and no load: V_to = V_from / n, V_from = n V_to.
    n = 1.05 * np.exp(1j * np.pi / 6)
    none = np.zeros((2, 1))
    source = np.array([[1.02 + 0j], [np.nan]])
    out = solve(two_bus(Z, n), source, none, none)
    assert abs(out.v_real[1, 0] + 1j * out.v_imag[1, 0] - 1.02 / n) < 1e-15
    out = solve(two_bus(Z, n, reverse=True), source, none, none)
    assert abs(out.v_real[1, 0] + 1j * out.v_imag[1, 0] - 1.02 * n) < 1e-15


@pytest.mark.parametrize("reverse", [False, True])
def test_constant_impedance_load_through_a_transformer_is_linear(reverse):
    # A load of S pu at 1 pu and constant impedance is the admittance conj(S); with n at the from end, series z inside:
    # from source: V = (V0 / n) / (1 + z conj(S)); from load: V / n = V0 / (1 + z |n|^2 conj(S)).
    n, s = 0.96 * np.exp(0.1j), 0.8 + 0.3j
    p, q = np.zeros((2, 1)), np.zeros((2, 1))
    part = (np.array([[0.0], [s.real]]), np.array([[0.0], [s.imag]]))
    forest = two_bus(Z, n, reverse)
    source = np.array([[1.02 + 0j], [np.nan]])
    out = solve(forest, source, p, q, impedance_part=part, tolerance=1e-15, max_iterations=400)
    exact = n * 1.02 / (1 + Z * abs(n) ** 2 * np.conj(s)) if reverse else 1.02 / n / (1 + Z * np.conj(s))
    assert abs(out.v_real[1, 0] + 1j * out.v_imag[1, 0] - exact) < 1e-13
    # and the energy: into the source end = load + loss
    p_from, q_from, p_to, q_to = out.flow
    load = s * abs(exact) ** 2
    near, far = (p_to + 1j * q_to, p_from + 1j * q_from) if reverse else (p_from + 1j * q_from, p_to + 1j * q_to)
    assert abs(far[0, 0] + load) < 1e-12
    current = np.conj(load / exact) * (np.conj(n) if reverse else 1)
    assert abs(near[0, 0] + far[0, 0] - Z * abs(current) ** 2) < 1e-12


def test_constant_current_load():
    # S = S1 |V|: the two-bus relation with S = S1 |V| holds at the solution.
    s1 = 0.5 + 0.2j
    part = (np.array([[0.0], [s1.real]]), np.array([[0.0], [s1.imag]]))
    source = np.array([[1 + 0j], [np.nan]])
    out = solve(two_bus(Z), source, np.zeros((2, 1)), np.zeros((2, 1)), current_part=part, tolerance=1e-15)
    v = out.v_real[1, 0] + 1j * out.v_imag[1, 0]
    assert abs(v - (1 - Z * np.conj(s1 * abs(v) / v))) < 1e-13


@pytest.fixture(scope="module")
def batch():
    start, to, length, p, q = feeder_grid(9, 10)
    forest, source = feeder_forest(start, to, length)
    factor = np.random.default_rng(1).uniform(0.5, 1.5, (75, p.size))
    lanes = [np.concatenate([np.zeros((1, 75)), (factor * a).T]) for a in (p, q)]
    return forest, source, lanes[0], lanes[1]


def same(one, other):
    return all(
        np.array_equal(getattr(one, k), getattr(other, k), equal_nan=True)
        for k in ("v_real", "v_imag", "j_real", "j_imag", "loading", "status", "source_real", "mismatch")
    )


def test_permuted_lanes_give_bit_identical_results(batch):
    forest, source, p, q = batch
    out = solve(forest, source, p, q, scale=1 / BASE)
    turn = np.random.default_rng(3).permutation(p.shape[1])
    turned = solve(forest, source, p[:, turn].copy(), q[:, turn].copy(), scale=1 / BASE)
    assert np.array_equal(turned.v_real, out.v_real[:, turn]) and np.array_equal(turned.v_imag, out.v_imag[:, turn])
    assert np.array_equal(turned.loading, out.loading[:, turn])
    assert np.array_equal(turned.j_imag, out.j_imag[:, turn])


def test_failed_lane_leaves_its_neighbours_bit_identical(batch):
    forest, source, p, q = batch
    out = solve(forest, source, p, q, scale=1 / BASE)
    bad, bad_q = p.copy(), q.copy()
    bad[7, 12] = 4e9
    bad[15, 13] = np.nan
    bad_q[23, 14] = np.inf
    broken = solve(forest, source, bad, bad_q, scale=1 / BASE)
    good = np.setdiff1d(np.arange(p.shape[1]), [12, 13, 14])
    for k in ("v_real", "v_imag", "j_real", "loading", "source_real"):
        assert np.array_equal(getattr(broken, k)[:, good], getattr(out, k)[:, good])
    for bus, lane in ((7, 12), (15, 13), (23, 14)):
        block = forest.block_of_bus[bus]
        assert broken.status[block, lane] > OK
        rows = forest.block_of_bus == block
        assert np.isnan(broken.v_real[rows, lane]).all()
        others = (forest.block_of_bus != block) & ~forest.is_source
        assert np.array_equal(broken.v_real[others, lane], out.v_real[others, lane])


def test_results_do_not_depend_on_threads_or_strip_position(batch):
    forest, source, p, q = batch
    before = threads()
    try:
        set_threads(1)
        one = solve(forest, source, p, q, scale=1 / BASE)
        out = forest.allocate(p.shape[1], magnitude=True, loading=True, flow=True)
        forest.solve(out, source, p, q, scale=1 / BASE, scratch=forest.scratch(5))
        assert same(one, out)
    finally:
        set_threads(before)
    assert same(one, solve(forest, source, p, q, scale=1 / BASE))
    part = solve(forest, source, p[:, 20:60].copy(), q[:, 20:60].copy(), scale=1 / BASE)
    assert np.array_equal(part.v_real, one.v_real[:, 20:60])


def test_source_gives_load_and_losses_in_every_lane(batch):
    # Tellegen: sum of V0 conj(J) at the source = sum of loads + sum of branch losses.
    forest, source, p, q = batch
    out = solve(forest, source, p, q, scale=1 / BASE)
    p_from, _, p_to, _ = out.flow
    given = (1.05 * out.source_real).sum(0)
    assert np.abs(given / (p.sum(0) / BASE + (p_from + p_to).sum(0)) - 1).max() < 1e-9


def test_matches_power_grid_model_on_its_benchmark_grid():
    start, to, length, p, q = feeder_grid(100, 10)
    forest, source = feeder_forest(start, to, length)
    n = p.size
    factor = np.random.default_rng(1).uniform(0.5, 1.5, (100, n))
    lanes = [np.concatenate([np.zeros((1, 100)), (factor * a).T]) for a in (p, q)]
    out = solve(forest, source, lanes[0], lanes[1], scale=1 / BASE, tolerance=1e-10)
    init, kinds = pgm.initialize_array, pgm.ComponentType
    node = init("input", kinds.node, n + 1)
    node["id"], node["u_rated"] = np.arange(n + 1), 10e3
    line = init("input", kinds.line, n)
    line["id"], line["from_node"], line["to_node"] = np.arange(n) + n + 1, start, to
    line["from_status"] = line["to_status"] = 1
    line["r1"], line["x1"], line["c1"], line["tan1"], line["i_n"] = (
        0.063 * length,
        0.103 * length,
        4e-7 * length,
        0,
        1000,
    )
    load = init("input", kinds.sym_load, n)
    load["id"], load["node"], load["status"], load["type"] = (
        np.arange(n) + 2 * n + 1,
        to,
        1,
        pgm.LoadGenType.const_power,
    )
    load["p_specified"], load["q_specified"] = p, q
    feed = init("input", kinds.source, 1)
    feed["id"], feed["node"], feed["status"], feed["u_ref"], feed["sk"] = 3 * n + 1, 0, 1, 1.05, 1e20
    model = pgm.PowerGridModel({kinds.node: node, kinds.line: line, kinds.sym_load: load, kinds.source: feed})
    update = init("update", kinds.sym_load, (100, n))
    update["id"], update["p_specified"], update["q_specified"] = load["id"], factor * p, factor * q
    oracle = model.calculate_power_flow(
        update_data={kinds.sym_load: update}, error_tolerance=1e-10, calculation_method="newton_raphson", threading=-1
    )
    assert np.abs(out.magnitude - oracle[kinds.node]["u_pu"].T).max() < 1e-8
    by_branch = np.empty_like(out.loading)
    by_branch[forest.branch] = out.loading
    assert np.abs(by_branch - oracle[kinds.line]["loading"].T).max() < 1e-8
    # published check values of the same grid and series (PGM NR, 1e-10)
    assert abs(p.sum() - 396947512.4821) < 1e-3
    assert abs(out.magnitude.min() - 1.0188880190058) < 1e-9
    assert abs(out.loading.max() - 0.32635679995542) < 1e-9
    assert abs(out.magnitude.mean() - 1.0360133675247) < 1e-9


def test_loops_and_joined_sources_are_not_a_forest():
    def code(start, to, held):
        m, n = len(start), len(held)
        none = np.zeros(m, complex)
        rated = np.ones(m)
        ends = np.array(start), np.array(to)
        forest = plant(
            n,
            *ends,
            np.ones(m, bool),
            np.array(held, bool),
            none + Z,
            none + 1,
            none,
            none,
            np.zeros(n, complex),
            rated,
            rated,
        )
        return forest.code, forest.culprit

    assert code([0, 1, 2], [1, 2, 0], [1, 0, 0])[0] == LOOP
    assert code([0, 0], [1, 1], [1, 0])[0] == LOOP
    assert code([0, 1], [1, 2], [1, 0, 1]) == (TWO_SOURCES, 1)


@settings(max_examples=60, deadline=None)
@given(r=st.floats(0.001, 0.1), x=st.floats(0.001, 0.2), p=st.floats(-1, 1), q=st.floats(-0.5, 0.5))
def test_two_buses_of_any_impedance_meet_the_analytic_solution(r, x, p, q):
    # as in the first test, away from the nose
    a = 1.05**2 - 2 * (r * p + x * q)
    root = a * a - 4 * (r * r + x * x) * (p * p + q * q)
    square = 0.5 * (a + np.sqrt(max(root, 0)))
    if root < 0.05 or square < 0.4:
        return
    source = np.array([[1.05 + 0j], [np.nan]])
    load = np.array([[0.0], [p]]), np.array([[0.0], [q]])
    out = solve(two_bus(r + 1j * x), source, *load, tolerance=1e-13, max_iterations=500)
    assert out.status[0, 0] == OK
    assert abs(out.magnitude[1, 0] - np.sqrt(square)) < 1e-11


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
def test_kirchhoff_holds_on_random_trees_with_complex_ratios(seed, n):
    rng = np.random.default_rng(seed)
    start, to = np.array([rng.integers(0, k) for k in range(1, n)]), np.arange(1, n)
    turn = rng.random(n - 1) < 0.5
    start, to = np.where(turn, to, start), np.where(turn, start, to)
    z = rng.uniform(0.002, 0.01, n - 1) + 1j * rng.uniform(0.002, 0.01, n - 1)
    ratio = rng.uniform(0.97, 1.03, n - 1) * np.exp(1j * rng.uniform(-0.6, 0.6, n - 1))
    half_f, half_t = 1j * rng.uniform(0, 1e-3, n - 1) + 1e-4, 1j * rng.uniform(0, 1e-3, n - 1)
    shunt = rng.uniform(0, 1e-3, n) * (1 + 1j)
    source = np.zeros(n, bool)
    source[0] = True
    one = np.ones(n - 1)
    forest = plant(n, start, to, one > 0, source, z, ratio, half_f, half_t, shunt, one, one)
    load = rng.uniform(-0.02, 0.06, (n, 3)) * (1 + 0.3j)
    held = np.full((n, 1), 1.01 + 0j)
    out = solve(forest, held, load.real.copy(), load.imag.copy(), tolerance=1e-12)
    assert (out.status == OK).all()
    # the admittance matrix, written out apart from the kernel
    y = np.diag(shunt)
    for k, (f, t) in enumerate(zip(start, to)):
        y[f, f] += (1 / z[k] + half_f[k]) / abs(ratio[k]) ** 2
        y[t, t] += 1 / z[k] + half_t[k]
        y[f, t] -= 1 / z[k] / np.conj(ratio[k])
        y[t, f] -= 1 / z[k] / ratio[k]
    v = out.v_real + 1j * out.v_imag
    injected = v * np.conj(y @ v)
    np.testing.assert_allclose(injected[1:], -load[1:], atol=1e-9)
    flows = out.flow
    current = y @ v
    for k in range(n - 1):
        i_from = (1 / z[k] + half_f[k]) / abs(ratio[k]) ** 2 * v[start[k]] - v[to[k]] / z[k] / np.conj(ratio[k])
        np.testing.assert_allclose(flows[0][k] + 1j * flows[1][k], v[start[k]] * np.conj(i_from), atol=1e-9)
    given_ = v[0] * np.conj(current[0])
    own = abs(v[0]) ** 2 * np.conj(forest.y[0, 0] + 1j * forest.y[1, 0])
    drawn = (1.01 * np.conj(out.source_real + 1j * out.source_imag)).sum(0) + own
    np.testing.assert_allclose(drawn, given_, atol=1e-9)


def test_losses_of_the_33_bus_feeder_against_pandapower():
    # Baran and Wu 1989 print 202.7 kW for the base case of this feeder; the oracle solves the same data.
    net = case33bw()
    pandapower.runpp(net, tolerance_mva=1e-12, numba=False)
    lines = net.line[net.line.in_service]
    z = (lines.r_ohm_per_km + 1j * lines.x_ohm_per_km).to_numpy() * lines.length_km.to_numpy() / 12.66**2
    m = len(lines)
    none, one = np.zeros(m, complex), np.ones(m)
    source = np.zeros(33, bool)
    source[0] = True
    ends = lines.from_bus.to_numpy(), lines.to_bus.to_numpy()
    forest = plant(33, *ends, one > 0, source, z, none + 1, none, none, np.zeros(33, complex), one, one)
    load = np.zeros((33, 1), complex)
    load[net.load.bus, 0] = net.load.p_mw + 1j * net.load.q_mvar
    held = np.full((33, 1), 1 + 0j)
    out = solve(forest, held, load.real.copy(), load.imag.copy(), tolerance=1e-12)
    assert np.abs(out.magnitude[:, 0] - net.res_bus.vm_pu).max() < 1e-10
    p_from, _, p_to, _ = out.flow
    losses_kw = (p_from + p_to).sum() * 1e3
    assert abs(losses_kw - net.res_line.pl_mw.sum() * 1e3) < 1e-6
    assert round(losses_kw, 1) == 202.7

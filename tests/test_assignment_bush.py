"""Bush equilibrium: analytic Braess, closure of functionals, warm start, restart, threads, dense demand."""

import numpy as np
import pytest
import xarray as xr

from kernels.jit import set_threads, threads
from kernels.traffic.bush import build_bushes, equilibrate, load, mean_over_paths
from kernels.traffic.cost import bpr
from twin.errors import ConvergenceError, DataError

# Braess: links 1-3, 1-4, 3-2, 3-4, 4-2 with costs 10 x, 50 + x, 50 + x, 10 + x, 10 x and 6 vehicles from 1 to 2.
# Three paths with flow 2 each: 10*4 + 50 + 2 = 92, 50 + 2 + 10*4 = 92, 10*4 + 10 + 2 + 10*4 = 92.
BRAESS = (np.array([0, 0, 2, 2, 3]), np.array([2, 3, 1, 3, 1]))
BRAESS_COST = (np.array([0.0, 50, 50, 10, 0]), np.array([10.0, 1, 1, 1, 10]), np.ones(5), np.zeros(5))


def grid(n, seed, total):
    """Links (from, to, length, t0, capacity) of an n x n grid, both ways, and a dense gravity demand."""
    rng = np.random.default_rng(seed)
    index = np.arange(n * n).reshape(n, n)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    a = np.concatenate([p.ravel() for p, _ in pairs])
    b = np.concatenate([q.ravel() for _, q in pairs])
    tail, head = np.concatenate([a, b]), np.concatenate([b, a])
    length = rng.uniform(700, 1300, len(tail))
    capacity = np.where((tail // n % 3 == 0) & (head // n % 3 == 0), 6000.0, 1500.0)
    t0 = length / np.where(capacity > 2000, 25.0, 14.0)
    x, y = np.divmod(np.arange(n * n), n)
    weight = rng.lognormal(0, 1, n * n)
    demand = weight[:, None] * weight * np.exp(-np.hypot(x[:, None] - x, y[:, None] - y) / 6)
    np.fill_diagonal(demand, 0)
    return tail, head, length, t0, capacity, demand * total / demand.sum()


@pytest.fixture
def case():
    tail, head, length, t0, capacity, demand = grid(9, 3, 30000)
    t0, k, p = bpr(t0, capacity, np.full(len(t0), 0.15), np.full(len(t0), 4.0))
    return tail, head, length, (t0, k, p, np.zeros(len(t0))), demand


def independent_gap(tail, head, nodes, flow, cost, demand):
    """Relative gap by another shortest-path code (scipy), origins = nodes."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    least = dijkstra(csr_matrix((cost, (tail, head)), shape=(nodes, nodes)))
    return (flow @ cost - np.sum(demand * least)) / (flow @ cost)


def test_braess_is_analytic():
    b = build_bushes(*BRAESS, 4, np.array([0, 1]), BRAESS_COST[0])
    e = equilibrate(b, np.array([[0.0, 6], [0, 0]]), *BRAESS_COST, gap=1e-8)
    assert e.status == 0
    np.testing.assert_allclose(e.flow, [4, 2, 2, 2, 4], atol=1e-4)
    assert mean_over_paths(b, e.cost)[0, 1] == pytest.approx(92, rel=1e-5)
    assert e.objective == pytest.approx(386, rel=1e-8)  # 10*16/2*2 + (50*2 + 2)*2 + 10*2 + 2


def test_equilibrium_by_an_independent_shortest_path_and_node_balance(case):
    tail, head, _, cost, demand = case
    b = build_bushes(tail, head, 81, np.arange(81), cost[0])
    e = equilibrate(b, demand, *cost, gap=1e-8, max_iterations=500)
    assert e.status == 0
    gap = independent_gap(tail, head, 81, e.flow, e.cost, demand)
    assert gap == pytest.approx(e.relative_gap, abs=1e-13)
    assert gap <= 1e-8
    assert np.max(e.flow / np.where(cost[1] > 0, 1500, 1)) > 0.9  # congested, or the test shows nothing
    net = np.bincount(head, e.flow, 81) - np.bincount(tail, e.flow, 81)
    np.testing.assert_allclose(net, demand.sum(axis=0) - demand.sum(axis=1), atol=1e-8)
    np.testing.assert_allclose(e.cost, cost[0] + cost[1] * e.flow**4, rtol=1e-12)


def test_functionals_close_and_classes_add_up(case):
    tail, head, length, cost, demand = case
    b = build_bushes(tail, head, 81, np.arange(81), cost[0])
    e = equilibrate(b, demand, *cost)
    share = np.random.default_rng(1).random(demand.shape)
    freight, light = load(b, demand * share), load(b, demand * (1 - share))
    np.testing.assert_allclose(freight + light, e.flow, rtol=1e-10, atol=1e-9)
    assert np.sum(demand * share * mean_over_paths(b, length)) == pytest.approx(freight @ length, rel=1e-12)


def test_warm_start_finds_the_cold_optimum(case):
    tail, head, _, cost, demand = case
    b = build_bushes(tail, head, 81, np.arange(81), cost[0])
    equilibrate(b, demand.T.copy() * 0.6, *cost)
    warm = equilibrate(b, demand, *cost, gap=1e-7, max_iterations=500)
    cold = equilibrate(build_bushes(tail, head, 81, np.arange(81), cost[0]), demand, *cost, gap=1e-7)
    assert warm.status == cold.status == 0
    # the optimum lies between objective - gap * total cost and objective
    assert warm.objective == pytest.approx(cold.objective, rel=2e-7)


def test_restored_state_goes_on_bit_for_bit(case):
    tail, head, _, cost, demand = case
    one = build_bushes(tail, head, 81, np.arange(81), cost[0])
    equilibrate(one, demand, *cost)
    other = build_bushes(tail, head, 81, np.arange(81), cost[0])
    for name in ("proportion", "single", "order", "reached"):
        getattr(other, name)[...] = getattr(one, name)
    a, b = (equilibrate(x, demand * 1.2, *cost, gap=1e-6) for x in (one, other))
    assert a.iterations == b.iterations > 0
    np.testing.assert_array_equal(a.flow, b.flow)


def test_flows_do_not_depend_on_threads(case):
    tail, head, _, cost, demand = case
    flows, before = [], threads()
    try:
        for n in (1, min(2, before)):
            set_threads(n)
            b = build_bushes(tail, head, 81, np.arange(81), cost[0])
            flows.append(equilibrate(b, demand, *cost).flow)
    finally:
        set_threads(before)
    np.testing.assert_array_equal(*flows)


def test_demand_without_a_path_is_listed():
    b = build_bushes(*BRAESS, 4, np.array([0, 1]), BRAESS_COST[0])
    e = equilibrate(b, np.array([[0.0, 6], [2, 0]]), *BRAESS_COST)
    assert e.status == 2
    np.testing.assert_array_equal(e.pairs, [[1, 0]])


def test_nodes_below_the_first_thru_node_are_not_passed():
    # 0 -> 1 -> 2 costs 2 through zone 1, 0 -> 3 -> 2 costs 10
    tail, head = np.array([0, 1, 0, 3]), np.array([1, 2, 3, 2])
    t0, none = np.array([1.0, 1, 5, 5]), np.zeros(4)
    demand = np.array([[0.0, 3, 7]])
    for first, want in ((0, [10, 7, 0, 0]), (3, [3, 0, 7, 7])):
        b = build_bushes(tail, head, 4, np.array([0]), t0, np.array([0, 1, 2]), first)
        e = equilibrate(b, demand, t0, none, np.ones(4), none)
        np.testing.assert_array_equal(e.flow, want)


NO_RESIDENTS = xr.DataTree.from_dict({"zones": xr.Dataset()})


def component(demand):
    from datetime import UTC, datetime
    from types import SimpleNamespace

    from twin.clock import Moment
    from twin.components.assignment import Assignment
    from twin.ledger import Ledger

    tail, head, length, t0, capacity, _ = grid(9, 3, 1)
    m = len(tail)
    s = SimpleNamespace(
        trips=demand, from_node=tail, to_node=head, node_x=np.zeros(81), length=length, free_flow_time=t0,
        capacity=capacity, bpr_b=np.full(m, 0.15), bpr_power=np.full(m, 4.0), origin_node=np.arange(81),
        reported=(np.arange(m) % 5 > 0).astype(np.int8), pcu=np.array([1.0, 1.9]), flow=np.zeros((2, m)),
        travel_time=np.zeros(m), speed=np.zeros(m), saturation=np.zeros(m),
        distance=np.zeros((81, 81)), gap=np.zeros(()), resident_flow=np.zeros(m), resident_electric=np.zeros(m),
    )  # fmt: skip
    ledger = Ledger()
    ledger.give("trips", demand.sum(), "1")
    return Assignment, s, Moment(datetime(2023, 1, 2, 7, tzinfo=UTC), 3600, 0, 0, 1, "assignment", ledger)


def test_component_books_trips_and_distance_of_reported_links(case):
    demand = np.stack([case[-1] * 0.8, case[-1].T * 0.1])
    kind, s, moment = component(demand)
    c = kind()
    c.setup(s, NO_RESIDENTS)
    c.step(s, moment)
    moment.ledger.settle("the end")
    assert s.gap <= 1e-4
    counted = s.length * s.reported / 1000
    assert np.sum(demand[0] * s.distance) == pytest.approx(s.flow[0] @ counted, rel=1e-12)
    np.testing.assert_allclose(s.saturation, (s.flow[0] + 1.9 * s.flow[1]) / s.capacity, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(s.travel_time, s.free_flow_time * (1 + 0.15 * s.saturation**4), rtol=1e-12)
    assert set(c.state()) == {"proportion", "single", "order", "reached"}


def test_component_errors_name_the_cure(case):
    kind, s, moment = component(np.stack([case[-1] * 3, case[-1]]))
    c = kind(kind.Options(relative_gap=1e-9, max_iterations=1))
    c.setup(s, NO_RESIDENTS)
    with pytest.raises(ConvergenceError, match="max_iterations"):
        c.step(s, moment)
    c = kind(kind.Options(relative_gap=1e-9, max_iterations=1, on_no_convergence="warn"))
    c.setup(s, NO_RESIDENTS)
    with pytest.warns(RuntimeWarning, match="relative gap"):
        c.step(s, moment)
    assert s.gap > 1e-9
    s.capacity = s.capacity.copy()
    s.capacity[7] = 0
    with pytest.raises(DataError, match="link 7"):
        kind().setup(s, NO_RESIDENTS)

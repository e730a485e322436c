"""Contraction hierarchy: distances and paths against scipy's Dijkstra; what TNTP permits, certified by duality.

A flow that carries the demand and whose cost is within a relative gap g of its shortest paths has an objective within
g x cost of the optimum, whoever made it (Beckmann's objective is convex). Balance at the nodes and scipy's shortest
paths are therefore all that a proof of optimality needs.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from test_assignment_paths import imbalance, town, true_gap

from kernels.traffic import equilibrium, newton, paths
from kernels.traffic.hierarchy import LANES, build_hierarchy, customise, spread, trace
from twin.readers.tntp import TntpNetwork, TntpTrips
from twin.traffic import VehicleClass, assign


def least(tail, head, cost, through, nodes):
    """Distances between all nodes by scipy, where nodes that may not be passed are split."""
    key = np.where(through[tail], tail, tail + nodes).astype(np.int64) * 2 * nodes + head
    order = np.lexsort((cost, key))
    pick = order[np.concatenate([[True], key[order][1:] != key[order][:-1]])]
    pick = pick[np.isfinite(cost[pick])]
    start = np.where(through, np.arange(nodes), np.arange(nodes) + nodes)
    graph = csr_matrix((np.maximum(cost[pick], 1e-300), (start[tail[pick]], head[pick])), shape=(2 * nodes, 2 * nodes))
    found = dijkstra(graph, indices=start)[:, :nodes]
    np.fill_diagonal(found, 0.0)
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 30), st.floats(1.0, 4.0), st.floats(0.0, 1.0))
def test_distances_and_paths_are_the_shortest(seed, nodes, degree, barred):
    # any network: parallel arcs, costs of zero, closed arcs, nodes that may not be passed, arcs between two of them
    rng = np.random.default_rng(seed)
    arcs = max(int(degree * nodes), 2)
    tail = rng.integers(0, nodes, arcs).astype(np.int32)
    head = ((tail + rng.integers(1, nodes, arcs)) % nodes).astype(np.int32)
    cost = rng.choice([0.0, 1.0, np.inf], arcs, p=[0.2, 0.7, 0.1]) * rng.uniform(0.1, 10, arcs)
    cost[np.isnan(cost)] = 0.0
    through = rng.random(nodes) >= barred
    h = build_hierarchy(tail, head, through, 1, np.inf)
    customise(h, 0, cost)
    places = len(h.start) - 1
    climbed, label = (np.full((places, LANES), np.nan) for _ in range(2))
    on_climb, stack, out = np.zeros(places, np.bool_), np.zeros(places + 2, np.int32), np.zeros(nodes, np.int32)
    expected = least(tail, head, cost, through, nodes)
    for first in range(0, nodes, LANES):
        source = np.arange(first, min(first + LANES, nodes), dtype=np.int32)
        spread(h, 0, source, climbed, label, on_climb)
        for lane, u in enumerate(source):
            np.testing.assert_allclose(label[h.place[:nodes], lane], expected[u], rtol=1e-13, atol=1e-290)
            for v in np.flatnonzero(np.isfinite(expected[u])):
                begin = trace(h, 0, u, v, lane, climbed, label, on_climb, stack, out, nodes)
                path = out[begin:]
                ends = np.concatenate([tail[path], [v]]), np.concatenate([[u], head[path]])
                np.testing.assert_array_equal(*ends)
                assert np.all(through[head[path[:-1]]])
                assert cost[path].sum() == pytest.approx(expected[u, v], rel=1e-13, abs=1e-290)


def certify(net, trips, gap=1e-10, **options):
    """Assign and prove the flow optimal to ``gap``; the result."""
    result = assign(net, trips, gap=gap, **options)
    scale = options.get("demand_scale", 1.0)
    scaled = replace(trips, trips=trips.trips * scale)
    assert result.summary["converged"]
    assert imbalance(net, scaled, result.links["flow"].values) <= 1e-8
    assert result.links["flow"].values.min() >= 0
    assert -1e-13 <= true_gap(net, scaled, result) <= 1.01 * gap
    return result


def hard_town(seed, power, passable=False, **size):
    """A town with whatever TNTP permits: every second link of that power, some without time or with a toll."""
    net, trips = town(seed, **size)
    rng = np.random.default_rng(seed)
    return replace(
        net,
        first_thru=1 if passable else net.first_thru,
        power=np.where(rng.random(len(net.power)) < 0.5, power, net.power),
        free_flow_time=np.where(rng.random(len(net.power)) < 0.1, 0.0, net.free_flow_time),
        toll=net.toll * (rng.random(len(net.power)) < 0.2),
    ), trips  # fmt: skip


@settings(max_examples=25, deadline=None)
@example(770, 2.0, 16.0, False, 0.0)
@example(770, 2.0, 16.0, False, 1.0)
@example(32, 2.0, 16.0, False, 1.8)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([0.0, 1.0, 4.0, 16.0]),
    st.booleans(),
    st.floats(0, 2),
)
def test_whatever_tntp_permits_is_solved_to_its_proven_optimum(seed, scale, power, passable, toll):
    # dead ends, chains, zero free-flow times, tolls, distance, powers of zero, one and sixteen, zones passed or not;
    # up to three times capacity, where a link of power sixteen takes 1e7 times as long as when empty
    certify(*hard_town(seed, power, passable), demand_scale=scale, toll_factor=toll, distance_factor=0.1)


@pytest.mark.parametrize(("seed", "scale"), [(0, 3.0), (2, 3.0), (3, 2.0)])
def test_links_of_power_sixteen_far_above_capacity(seed, scale):
    # slopes of links lie eight decades apart: pairs answer to each other along all of the town
    net, trips = hard_town(seed, 16.0, side=10, zones=14)
    certify(net, trips, demand_scale=scale, toll_factor=seed % 2, distance_factor=0.1, max_iterations=300)


@settings(max_examples=15, deadline=None)
@example(158, 16.0, 1.078125)
@given(st.integers(0, 1000), st.sampled_from([1.0, 4.0, 16.0]), st.floats(0.2, 2.0))
def test_a_newton_step_keeps_the_demand_and_lowers_the_objective(seed, power, scale):
    net, trips = hard_town(seed, power)
    classes = (VehicleClass(name="car", share=0.7), VehicleClass(name="lorry", share=0.3, pce=2.5))
    problem = assign(net, trips, gap=1e-2, demand_scale=scale, distance_factor=0.2, classes=classes).problem
    s = problem.store
    s.flow[:] *= np.random.default_rng(seed).uniform(0.2, 1.0, len(s.flow))  # far from where the sweeps left it
    paths.refresh(s)

    def state(s):
        volume, loaded = np.zeros_like(s.cost), np.zeros(len(s.first))
        paths.load_paths(s, np.ones(len(s.first)), volume)
        for e, k in enumerate(s.first):
            while k >= 0:
                loaded[e] += s.flow[k]
                k = s.following[k]
        paths.refresh(s)
        return equilibrium.beckmann(s, volume), loaded

    before, demand = state(s)
    for _ in range(5):
        s = newton.step(s)
        after, loaded = state(s)
        assert s.flow.min() >= 0
        np.testing.assert_allclose(loaded, demand, rtol=1e-9)
        assert after <= before * (1 + 1e-12)
        before = after


def test_parallel_links_and_a_link_from_zone_to_zone():
    # 1 to 2 by a link of their own (10 + x) or over node 3 by two parallel links (t = 4 + 2 x, 6 + x) and one of 5
    # all cost c: c - 10 + (c - 9) / 2 + c - 11 = 15 vehicles
    column = dict.fromkeys(("length", "toll", "speed", "link_type"), np.zeros(4))
    t0, slope = np.array([10.0, 4, 6, 5]), np.array([1.0, 2, 1, 0])
    net = TntpNetwork(
        path="p", zones=2, first_thru=3, toll_factor=0, distance_factor=0, node_id=np.arange(1, 4),
        from_node=np.array([0, 0, 0, 2], np.int32), to_node=np.array([1, 2, 2, 1], np.int32), free_flow_time=t0,
        capacity=np.ones(4), b=slope / t0, power=np.ones(4), **column,
    )  # fmt: skip
    trips = TntpTrips("t", 2, np.array([0]), np.array([1]), np.array([15.0]), 0.0, None)
    c = (15 + 10 + 4.5 + 11) / 2.5
    flow = np.array([c - 10, (c - 9) / 2, c - 11])
    for simplify in (True, False):
        links = assign(net, trips, gap=1e-12, simplify=simplify).links
        np.testing.assert_allclose(links["flow"], [*flow, flow[1:].sum()], rtol=1e-9)


def test_flows_of_a_small_network_are_those_of_a_general_optimiser():
    # two pairs over three routes each; scipy minimises the objective over route flows
    rng = np.random.default_rng(5)
    tail = np.array([0, 0, 1, 1, 2, 3, 2, 3, 4, 5], np.int32)
    head = np.array([2, 3, 2, 3, 4, 5, 5, 4, 6, 6], np.int32)
    m = len(tail)
    t0, capacity = rng.uniform(1, 3, m), rng.uniform(20, 50, m)
    net = TntpNetwork(
        "s", 7, 1, 0.0, 0.0, np.arange(1, 8), tail, head, capacity, np.zeros(m), t0, np.full(m, 0.8),
        np.full(m, 4.0), np.zeros(m), np.zeros(m), np.ones(m),
    )  # fmt: skip
    demand = np.array([50.0, 40.0])
    trips = TntpTrips("t", 7, np.array([0, 1], np.int32), np.array([6, 6], np.int32), demand, 0.0, None)
    routes = [
        (o, [o_arc, mid, out])
        for o, arcs in ((0, (0, 1)), (1, (2, 3)))
        for o_arc in arcs
        for mid, out in (((4, 8), (6, 9)) if head[o_arc] == 2 else ((5, 9), (7, 8)))
    ]
    member = np.zeros((m, len(routes)))
    for k, (_, arcs) in enumerate(routes):
        member[arcs, k] = 1
    pair = np.array([[o == r[0] for r in routes] for o in (0, 1)], float)

    def objective(f):
        x = member @ f
        return np.sum(t0 * x + t0 * 0.8 * x**5 / capacity**4 / 5) / 100

    def slope(f):
        x = member @ f
        return member.T @ (t0 * (1 + 0.8 * (x / capacity) ** 4)) / 100

    best = minimize(
        objective, pair.T @ demand / 4, jac=slope, bounds=[(0, None)] * len(routes), method="SLSQP",
        constraints={"type": "eq", "fun": lambda f: pair @ f - demand, "jac": lambda f: pair},
        options={"ftol": 1e-15, "maxiter": 500},
    )  # fmt: skip
    result = assign(net, trips, gap=1e-12)
    assert result.summary["beckmann"] == pytest.approx(100 * best.fun, rel=1e-8)
    np.testing.assert_allclose(result.links["flow"], member @ best.x, atol=1e-2)


def test_dijkstra_and_small_rooms_give_the_same_equilibrium(monkeypatch):
    net, trips = town(3)
    classes = (VehicleClass(name="car", share=0.8), VehicleClass(name="lorry", share=0.2, pce=2, closed_links=(5, 9)))
    base = assign(net, trips, gap=1e-10, classes=classes)
    assert len(base.problem.hierarchy.place) > 0
    monkeypatch.setattr(equilibrium, "ROOM", 1)
    monkeypatch.setattr(equilibrium, "ARCS_PER_PATH", 1)
    small = assign(net, trips, gap=1e-10, classes=classes)
    assert small.problem.store.new_arcs.shape[1] < 200
    monkeypatch.setattr(equilibrium, "DENSE", 0.0)
    searched = assign(net, trips, gap=1e-10, classes=classes)
    assert len(searched.problem.hierarchy.place) == 0
    for other in (small, searched):
        assert other.summary["beckmann"] == pytest.approx(base.summary["beckmann"], rel=1e-10)


def test_few_pairs_are_searched_anew_in_every_pass(monkeypatch):
    # Dijkstra's algorithm with a row to each slot, and demand that needs several passes
    monkeypatch.setattr(equilibrium, "DENSE", 0.0)
    net, trips = town(3)
    few = [0, len(trips.trips) // 2]
    pairs = replace(
        trips, origin=trips.origin[few], destination=trips.destination[few], trips=net.capacity.max() * np.ones(2)
    )
    result = certify(net, pairs)
    assert len(result.problem.hierarchy.place) == 0
    assert result.summary["iterations"] > 2


def test_ninety_thousand_pairs():
    zones, side = 301, 26
    net, trips = town(7, side, zones)
    trips = replace(trips, trips=trips.trips * 8e3 / trips.trips.sum())
    assert len(trips.trips) > 90_000
    certify(net, trips, gap=1e-10)


def test_a_warm_step_costs_at_most_half_of_a_cold_one():
    net, trips = town(11, 20, 60)
    noise = np.random.default_rng(0).uniform(0.95, 1.05, len(trips.trips))
    trips = replace(trips, trips=trips.trips * 0.1)
    noisy = replace(trips, trips=trips.trips * noise)
    cold = [assign(net, noisy, gap=1e-5, threads=1) for _ in range(3)]
    warm = []
    for _ in range(3):
        start = assign(net, trips, gap=1e-5, threads=1)
        start.demand = noisy.trips
        warm.append(start.again(gap=1e-5))
    assert warm[0].summary["beckmann"] == pytest.approx(cold[0].summary["beckmann"], rel=1e-5)
    seconds = [min(r.summary["cpu_seconds"] for r in runs) for runs in (warm, cold)]
    assert seconds[0] <= 0.5 * seconds[1]

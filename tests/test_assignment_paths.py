"""Path-based equilibrium: proven optima, classes, invariances, skims, paths and faults; oracles of other code."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from kernels.traffic.cost import AKCELIK, CONICAL, NO_TABLE, POWER, term, term_integral
from twin.commands.assign import assign_network
from twin.errors import ConfigError, DataError
from twin.readers.tntp import TntpNetwork, TntpTrips, read_flows, read_network, read_trips
from twin.traffic import VehicleClass, assign, read_classes

# Beckmann objective of the published flows (SiouxFalls, Anaheim, Winnipeg; gap 0 within 6e-15 when re-evaluated), or
# computed by another code to a gap below 2e-12
OPTIMA = {
    "SiouxFalls": 4231335.28710744,
    "Anaheim": 1286032.171096032,
    "Winnipeg": 827911.4946299649,
    "Eastern-Massachusetts": 26160.345922910747,
    "Berlin-Friedrichshain": 618038.8807280054,
    "Berlin-Tiergarten": 683234.5692672689,
    "Berlin-Mitte-Center": 992954.6999780239,
    "Braess-Example": 386.00000008,
}


@pytest.fixture(scope="session")
def case(data):
    def get(name):
        folder = data / "traffic" / name
        return read_network(*folder.glob("*_net.tntp")), read_trips(*folder.glob("*_trips.tntp"))

    return get


def town(seed=0, side=7, zones=9):
    """Grid with zones on connectors, dead ends and chains: (network, trips) without files."""
    rng = np.random.default_rng(seed)
    index = zones + np.arange(side * side).reshape(side, side)
    a = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    b = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    keep = (rng.random(len(a)) < 0.8) | (b - a == 1) | (a % side == zones % side)  # rows and one column stay
    a, b = a[keep], b[keep]
    centre = rng.choice(index.ravel(), zones, replace=False)
    n = zones + side * side
    chain = np.array([[index[0, 0], n], [n, n + 1], [n + 1, index[3, 3]], [index[2, 2], n + 2]])  # and a dead end
    tail = np.concatenate([a, b, np.arange(zones), centre, chain[:, 0], chain[:, 1]])
    head = np.concatenate([b, a, centre, np.arange(zones), chain[:, 1], chain[:, 0]])
    m = len(tail)
    t0 = rng.uniform(1, 3, m)
    b_ = np.full(m, 0.15)
    connector = (tail < zones) | (head < zones)
    t0[connector], b_[connector] = 0.0, 0.0
    net = TntpNetwork(
        "town", zones, zones + 1, 0.0, 0.0, np.arange(1, n + 4), tail.astype(np.int32), head.astype(np.int32),
        rng.uniform(300, 900, m), 0.8 * t0 + 0.1, t0, b_, rng.choice([1.0, 4.0, 4.0, 5.2, 16.0], m), np.zeros(m),
        rng.integers(0, 3, m) * 1.0, np.ones(m),
    )  # fmt: skip
    o, d = np.nonzero(~np.eye(zones, dtype=bool))
    return net, TntpTrips("town", zones, o.astype(np.int32), d.astype(np.int32), rng.uniform(20, 90, len(o)), 0.0, None)


def true_gap(net, trips, result):
    """Gap by scipy's Dijkstra; zones below the first thru node are split into a departing and an arriving node."""
    n, zones = len(net.node_id), net.zones
    tail = np.where(net.through[net.from_node], net.from_node, net.from_node + n)
    cost, flow = result.links["cost"].values, result.links["flow"].values
    order = np.argsort(-cost, kind="stable")  # csr adds duplicates: keep the cheapest of parallel links
    key = tail.astype(np.int64) * 2 * n + net.to_node
    pick = order[::-1][np.unique(key[order[::-1]], return_index=True)[1]]
    graph = csr_matrix((np.maximum(cost[pick], 1e-300), (tail[pick], net.to_node[pick])), shape=(2 * n, 2 * n))
    start = np.where(net.through[:zones], np.arange(zones), np.arange(zones) + n)
    least = dijkstra(graph, indices=start)[trips.origin, trips.destination]
    return (flow @ cost - trips.trips @ least) / (flow @ cost)


def imbalance(net, trips, flow):
    balance = np.bincount(net.to_node, flow, len(net.node_id)) - np.bincount(net.from_node, flow, len(net.node_id))
    balance -= np.bincount(trips.destination, trips.trips, len(net.node_id))
    balance += np.bincount(trips.origin, trips.trips, len(net.node_id))
    return np.abs(balance).max()


@pytest.mark.parametrize("name", OPTIMA)
def test_proven_optimum_gap_and_node_balance(case, name):
    net, trips = case(name)
    result = assign(net, trips, gap=1e-10)
    assert result.summary["converged"]
    assert result.summary["beckmann"] == pytest.approx(OPTIMA[name], rel=1e-8)
    flow = result.links["flow"].values
    assert imbalance(net, trips, flow) <= 1e-8
    assert true_gap(net, trips, result) <= 1.01e-10
    delayed = (net.b > 0) & (net.power > 0) & (net.free_flow_time > 0)
    constant = net.free_flow_time * (1 + net.b * np.where(delayed, flow / net.capacity, 0) ** net.power)
    np.testing.assert_allclose(result.links["cost"].values[delayed], constant[delayed], rtol=1e-9)
    for path in net.path.parent.glob("*_flow.tntp"):
        assert np.abs(flow - read_flows(path)[:, 2])[delayed].max() <= 0.01


def test_braess_is_analytic(case):
    # x = 4, 2, 2, 2, 4; link costs 40, 52, 52, 12, 40; each path 92
    result = assign(*case("Braess-Example"), gap=1e-10)
    np.testing.assert_allclose(result.links["flow"], [4, 2, 2, 2, 4], atol=1e-6)
    np.testing.assert_allclose(result.links["cost"], [40, 52, 52, 12, 40], atol=1e-4)
    assert float(result.skims()["cost"][0, 0, 1]) == pytest.approx(92, abs=1e-4)


def test_contraction_changes_no_result():
    for seed in range(4):
        net, trips = town(seed)
        kinds = [assign(net, trips, gap=1e-11, simplify=s, toll_factor=0.3, distance_factor=0.2) for s in (True, False)]
        assert len(kinds[0].problem.graph.head) < len(kinds[1].problem.graph.head)
        for k in kinds:
            assert imbalance(net, trips, k.links["flow"].values) <= 1e-8
            assert true_gap(net, trips, k) <= 1.1e-11
        assert kinds[0].summary["beckmann"] == pytest.approx(kinds[1].summary["beckmann"], rel=1e-9)


def test_renumbered_nodes_change_no_result():
    net, trips = town(2)
    n = len(net.node_id)
    number = np.concatenate([np.arange(net.zones), net.zones + np.random.default_rng(1).permutation(n - net.zones)])
    other = replace(net, from_node=number[net.from_node].astype(np.int32), to_node=number[net.to_node].astype(np.int32))
    a, b = (assign(x, trips, gap=1e-11).summary["beckmann"] for x in (net, other))
    assert a == pytest.approx(b, rel=1e-9)


def test_threads_change_no_bit():
    from kernels.jit import set_threads, threads

    before = threads()
    try:
        net, trips = town(1)
        flows = [assign(net, trips, gap=1e-9, threads=n).links["flow"].values for n in (1, min(2, before))]
    finally:
        set_threads(before)
    np.testing.assert_array_equal(*flows)


def test_warm_start_equals_cold_start_and_is_shorter(case):
    net, trips = case("Anaheim")
    rng = np.random.default_rng(4)
    noisy = replace(trips, stated_total=None, trips=trips.trips * 1.1 * rng.uniform(0.92, 1.08, len(trips.trips)))
    cold = assign(net, noisy, gap=1e-6)
    warm = assign(net, trips, gap=1e-6)
    warm.demand = noisy.trips
    warm = warm.again(gap=1e-6)
    assert warm.summary["beckmann"] == pytest.approx(cold.summary["beckmann"], rel=1e-6)
    assert warm.summary["iterations"] < cold.summary["iterations"]


def test_zero_demand_and_back(case):
    net, trips = case("SiouxFalls")
    first = assign(net, trips, gap=1e-8)
    again = first.again(1e-9, gap=1e-8).again(1.0, gap=1e-8)
    assert again.summary["beckmann"] == pytest.approx(OPTIMA["SiouxFalls"], rel=1e-8)


def test_identical_classes_and_equivalents_add_up(case):
    # one class, two identical halves, and half the trips at a weight of two are one problem in passenger cars
    net, trips = case("SiouxFalls")
    two = tuple(VehicleClass(name=n, share=0.5) for n in ("a", "b"))
    heavy = (VehicleClass(name="heavy", share=0.5, pce=2.0),)
    one, split, double = (assign(net, trips, gap=1e-11, classes=c) for c in (None, two, heavy))
    for other in (split, double):
        np.testing.assert_allclose(other.links["flow"], one.links["flow"], atol=1e-2)
        assert other.summary["beckmann"] == pytest.approx(one.summary["beckmann"], rel=1e-10)
    np.testing.assert_allclose(split.links["class_flow"].sum("vehicle_class"), split.links["flow"], rtol=1e-12)


def test_closed_links_tolls_and_truck_speed_act_on_their_class_alone():
    # two roads from 1 to 2 of length 10 and constant times 10 and 12; the toll of 3 lies on the short one
    column = dict.fromkeys(("capacity", "b", "power", "speed"), np.zeros(2))
    net = TntpNetwork(
        path="two roads", zones=2, first_thru=1, toll_factor=0, distance_factor=0, node_id=np.array([1, 2]),
        from_node=np.zeros(2, np.int32), to_node=np.ones(2, np.int32), length=np.full(2, 10.0),
        free_flow_time=np.array([10.0, 12]), toll=np.array([3.0, 0]), link_type=np.array([1.0, 2]), **column,
    )  # fmt: skip
    trips = TntpTrips("t", 2, np.array([0]), np.array([1]), np.array([10.0]), 0.0, None)
    classes = (
        VehicleClass(name="free"),
        VehicleClass(name="poor", value_of_time=1.0),  # 10 + 3 > 12
        VehicleClass(name="rich", value_of_time=2.0),  # 10 + 1.5 < 12
        VehicleClass(name="lorry", closed_link_types=(1,), pce=2.5),
        VehicleClass(name="slow", maximum_speed=0.5, toll_factor=1.0),  # 20 + 3 > 20
    )
    links = assign(net, trips, classes=classes).links
    np.testing.assert_array_equal(links["class_flow"], [[10, 0], [0, 10], [10, 0], [0, 10], [0, 10]])
    np.testing.assert_array_equal(links["flow"], [20, 45])
    assert float(links["class_cost"][4, 1]) == 20


def test_reference_and_paths_agree(case):
    net, trips = case("Anaheim")
    two = (VehicleClass(name="car", share=0.9), VehicleClass(name="lorry", share=0.1, pce=2.0, distance_factor=1e-4))
    fast, slow = (assign(net, trips, gap=g, classes=two, reference=r) for g, r in ((1e-9, False), (1e-5, True)))
    assert slow.summary["converged"]
    # convex objective: Z(x) - excess cost <= Z* <= Z(x)
    excess = slow.summary["relative_gap"] * slow.links.attrs["total_cost"]
    assert -1e-6 <= slow.summary["beckmann"] - fast.summary["beckmann"] <= excess


def test_paths_turns_and_selected_links_add_up_to_flows():
    net, trips = town(3)
    result = assign(net, trips, gap=1e-9)
    table, flow = result.paths(), result.links["flow"].values
    path = np.repeat(table["flow"].values, np.diff(table["start"].values))
    np.testing.assert_allclose(np.bincount(table["path_link"].values - 1, path, len(flow)), flow, atol=1e-9)
    busiest = int(np.argmax(flow))
    by_link, matrix = result.select_link(busiest + 1)
    assert by_link[busiest] == pytest.approx(flow[busiest], rel=1e-12)
    assert matrix.sum() == pytest.approx(flow[busiest], rel=1e-12)
    assert np.all(by_link <= flow + 1e-9)
    turns = result.turns()
    node = net.node_id[net.to_node[busiest]]
    out = turns["flow"].values[(turns["from_link"] == busiest + 1).values].sum()
    ends = np.add.reduceat(np.zeros(1), [0])[0] if net.through[net.to_node[busiest]] else flow[busiest]
    assert out + ends == pytest.approx(flow[busiest], rel=1e-9)
    assert (turns["node"].values[(turns["from_link"] == busiest + 1).values] == node).all()


def test_skims_are_the_costs_of_used_paths():
    net, trips = town(0)
    result = assign(net, trips, gap=1e-11, distance_factor=0.5)
    skims = result.skims().isel(vehicle_class=0)
    np.testing.assert_allclose(skims["cost"], skims["time"] + 0.5 * skims["distance"], rtol=1e-12)
    least = skims["cost"].values[trips.origin, trips.destination]
    assert trips.trips @ least == pytest.approx(result.links.attrs["total_cost"], rel=1e-10)


@pytest.mark.parametrize(("kind", "k", "p"), [(POWER, 0.3, 4.0), (CONICAL, 2.0, 6.0), (AKCELIK, 0.25, 0.4)])
def test_slope_and_integral_of_cost_functions(kind, k, p):
    # slope against a central difference, integral against adaptive quadrature
    scale = 1.0 if kind == POWER else 1 / 800
    for x in (1.0, 400.0, 800.0, 1300.0):
        h = 1e-4 * x
        slope = (term(kind, k, p, scale, x + h)[0] - term(kind, k, p, scale, x - h)[0]) / (2 * h)
        assert term(kind, k, p, scale, x)[1] == pytest.approx(slope, rel=1e-5)
        area = quad(lambda v: term(kind, k, p, scale, v)[0], 0, x, epsabs=0, epsrel=1e-11, limit=200)[0]
        assert term_integral(kind, k, p, scale, NO_TABLE, x) == pytest.approx(area, rel=1e-8)
    if kind == CONICAL:  # t(0) = t0 and t(capacity) = 2 t0, Spiess's conditions
        assert term(kind, k, p, scale, 0.0)[0] == pytest.approx(0, abs=1e-12)
        assert term(kind, k, p, scale, 800.0)[0] == pytest.approx(k)


@pytest.mark.parametrize("function", ["conical", "akcelik"])
def test_other_cost_functions_reach_equilibrium(function):
    net, trips = town(1)
    net = replace(net, power=np.full(len(net.power), 5.0 if function == "conical" else 0.01))
    result = assign(net, trips, gap=1e-9, function=function)
    assert true_gap(net, trips, result) <= 1.01e-9
    flow, time = result.links["flow"].values, result.links["time"].values
    assert (time - net.free_flow_time).max() > 0.1
    assert np.all(time[flow > 0] >= net.free_flow_time[flow > 0])


def test_faults_name_the_cure(case, tmp_path):
    net, trips = case("SiouxFalls")
    cut = replace(net, to_node=np.where(net.to_node == 4, 5, net.to_node).astype(np.int32))
    # node 5 (id) has no link in any more; 21 of the zones send trips there
    with pytest.raises(DataError, match=r"21 pairs of zones .* 1 to 5 "):
        assign(cut, trips)
    with pytest.raises(DataError, match=r"25 zones.* has 24"):
        assign(net, replace(trips, zones=25))
    with pytest.raises(ConfigError, match="gap is -1"):
        assign(net, trips, gap=-1)
    with pytest.raises(ConfigError, match="threads = 99"):
        assign(net, trips, threads=99)
    bad = tmp_path / "classes.toml"
    bad.write_text('[[class]]\nname = "car"\npcu = 1\n')
    with pytest.raises(ConfigError, match=r"class 1: pcu.*pce"):
        read_classes(bad)


def test_command_writes_whole_files_and_one_json_line(data, tmp_path):
    import h5py

    folder = data / "traffic" / "SiouxFalls"
    files = folder / "SiouxFalls_net.tntp", folder / "SiouxFalls_trips.tntp"
    classes = tmp_path / "classes.toml"
    classes.write_text('[[class]]\nname = "car"\nshare = 0.9\n[[class]]\nname = "lorry"\nshare = 0.1\npce = 2\n')
    text, code = assign_network(
        *files, gap=1e-8, classes=classes, flows=tmp_path / "f.csv", skims=tmp_path / "s.omx", demand_scale=0.9
    )
    last = json.loads(text.splitlines()[-1])
    assert code == 0
    assert last["relative_gap"] <= 1e-8
    assert {"beckmann", "total_travel_time", "iterations", "cpu_seconds", "wall_seconds", "threads"} <= set(last)
    assert last["converged"] is True
    rows = np.genfromtxt(tmp_path / "f.csv", delimiter=",", names=True)
    assert rows.dtype.names[:5] == ("link", "from_node", "to_node", "flow", "cost")
    assert rows["flow"] @ rows["cost"] == pytest.approx(last["total_travel_time"], rel=1e-12)
    with h5py.File(tmp_path / "s.omx") as file:
        assert file["data/cost_lorry"].shape == (24, 24)
        np.testing.assert_array_equal(file["lookup/zone"], np.arange(1, 25))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["classes.toml", "f.csv", "s.omx"]
    _, code = assign_network(*files, gap=1e-12, max_iterations=1)
    assert code == 1
    with pytest.raises(ConfigError, match="folder"):
        assign_network(*files, flows=tmp_path / "none" / "f.csv")

"""Fixed routes, junction delays, elastic demand, selections, counts and electric shares of an equilibrium."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from test_assignment_paths import imbalance, town, true_gap

from kernels.traffic.cost import TABULATED, tabulated_term, term_integral
from kernels.traffic.node_delay import opening_delay, signal_delay, webster_delay
from twin.errors import ConfigError, DataError
from twin.readers.tntp import TntpNetwork, TntpTrips
from twin.traffic import VehicleClass, assign, read_classes
from twin.traffic.cost_table import tabulate
from twin.traffic.counts import against_counts, geh, screenlines
from twin.traffic.emission import road_emission
from twin.traffic.junctions import read_junctions
from twin.traffic.network import of_tntp
from twin.world.road_factors import declared_factors


def routes(capacity=(900.0, 900.0), t0=(10.0, 10.0), power=4.0, b=0.15, trips=1200.0):
    """Zones 1 and 2 joined by two routes, over node 3 and over node 4: links 1, 2 and 3, 4; costs in minutes."""
    n = 4
    tail, head = np.array([0, 2, 0, 3], np.int32), np.array([2, 1, 3, 1], np.int32)
    net = TntpNetwork(
        "routes", 2, 3, 0.0, 0.0, np.arange(1, 5), tail, head, np.repeat(capacity, 2), np.full(n, 5.0),
        np.array([t0[0], 0.0, t0[1], 0.0]), np.array([b, 0.0, b, 0.0]), np.full(n, power), np.zeros(n),
        np.zeros(n), np.ones(n),
    )  # fmt: skip
    return net, TntpTrips("routes", 2, np.array([0]), np.array([1]), np.array([trips]), 0.0, None)


def test_slope_and_integral_of_a_tabulated_cost():
    flow = np.linspace(0, 4, 33)[:, None] * np.array([900.0, 1500.0])
    table, scale = tabulate(2 + 0.3 * (flow / 900) ** 4), 32 / flow[-1]
    for row in (0, 1):
        args = 1.5, float(row), scale[row], table
        for x in (1.0, 451.0, 1777.0, 3599.0, 9000.0):  # the last beyond the table: straight on
            h = 1e-3
            slope = (tabulated_term(*args, x + h)[0] - tabulated_term(*args, x - h)[0]) / (2 * h)
            assert tabulated_term(*args, x)[1] == pytest.approx(slope, rel=1e-5)
            knots = flow[:, row][flow[:, row] < x]
            area = quad(lambda v, a=args: tabulated_term(*a, v)[0], 0, x, points=knots, epsrel=1e-12, limit=200)[0]
            assert term_integral(TABULATED, *args, x) == pytest.approx(area, rel=1e-9)
        assert tabulated_term(*args, 0.0)[0] == 3
        values = [tabulated_term(*args, x)[0] for x in np.linspace(0, 8000, 999)]
        assert np.all(np.diff(values) >= 0)


def test_a_cost_function_of_the_callers_is_that_of_its_formula(tmp_path):
    # BPR given as a function is BPR by its name but for the cubics between its knots, with vehicles on fixed routes too
    net, trips = town(4)
    net = replace(net, power=np.full(len(net.power), 4.0))
    busy = int(np.flatnonzero(net.b > 0)[0])
    (tmp_path / "buses.csv").write_text(f"link,flow\n{busy + 1},150\n")
    classes = VehicleClass(name="car"), VehicleClass(name="bus", pce=2.0, preload=tmp_path / "buses.csv")
    named = assign(net, trips, gap=1e-10, classes=classes)
    given = assign(
        net, trips, gap=1e-10, classes=classes,
        function=lambda x: net.free_flow_time * (1 + net.b * (x / net.capacity) ** net.power),
    )  # fmt: skip
    assert given.summary["converged"]
    np.testing.assert_allclose(given.links["time"], named.links["time"], rtol=1e-4)
    assert given.summary["beckmann"] == pytest.approx(named.summary["beckmann"], rel=1e-6)
    for wrong in (lambda x: -x, lambda x: 1 / (1 + x), lambda x: x[0], lambda x: np.full_like(x, np.nan)):
        with pytest.raises(ConfigError, match="the cost function"):
            assign(net, trips, function=wrong)


@pytest.mark.parametrize("function", ["bpr", "conical", "akcelik"])
def test_buses_on_fixed_routes_slow_cars_down_with_every_cost_function(tmp_path, function):
    # two equal routes, 240 pcu of buses on the first: cars share so that both carry the same flow in all
    net, trips = routes(power=4.0 if function != "akcelik" else 0.02)
    (tmp_path / "buses.csv").write_text("link,flow\n1,120\n")
    classes = VehicleClass(name="car"), VehicleClass(name="bus", pce=2.0, preload=tmp_path / "buses.csv")
    links = assign(net, trips, gap=1e-10, classes=classes, function=function).links
    np.testing.assert_allclose(links["flow"].values[[0, 2]], (1200 + 240) / 2, rtol=1e-6)
    np.testing.assert_allclose(links["class_flow"].values[0, [0, 2]], [480, 720], rtol=1e-6)
    assert links["time"].values[0] == pytest.approx(links["time"].values[2], rel=1e-8)


def test_buses_on_fixed_routes_act_as_a_class_that_has_no_other_way(tmp_path):
    net, trips = town(2)
    line = np.flatnonzero((net.b > 0) & (net.power == 4))[:1]
    (tmp_path / "buses.csv").write_text(f"link,flow\n{line[0] + 1},80\n")
    (tmp_path / "c.toml").write_text('[[class]]\nname="car"\n[[class]]\nname="bus"\npce=2.5\npreload="buses.csv"\n')
    one = assign(net, trips, gap=1e-11, classes=tmp_path / "c.toml")
    # the same buses as trips between two more zones at the ends of that link, all other links closed to them
    zones = net.zones
    a, b = net.from_node[line[0]], net.to_node[line[0]]
    tables = replace(
        of_tntp(net),
        zone_id=np.arange(1, zones + 3),
        zone_node=np.append(np.arange(zones), [a, b]),
    )
    (tmp_path / "car.csv").write_text(
        "origin,destination,trips\n"
        + "".join(f"{o + 1},{d + 1},{q!r}\n" for o, d, q in zip(trips.origin, trips.destination, trips.trips.tolist()))
    )
    (tmp_path / "bus.csv").write_text(f"origin,destination,trips\n{zones + 1},{zones + 2},80\n")
    others = tuple(int(k) for k in range(1, len(net.b) + 1) if k != line[0] + 1)
    classes = (
        VehicleClass(name="car", trips=tmp_path / "car.csv"),
        VehicleClass(name="bus", pce=2.5, trips=tmp_path / "bus.csv", closed_links=others),
    )
    other = assign(tables, tmp_path / "car.csv", gap=1e-11, classes=classes)
    moved = (net.b > 0) & (net.free_flow_time > 0)  # elsewhere flows are not unique
    np.testing.assert_allclose(one.links["flow"].values[moved], other.links["flow"].values[moved], atol=1e-4)
    np.testing.assert_allclose(one.links["time"], other.links["time"], rtol=1e-7)
    assert one.links["class_flow"].values[1, line[0]] == 80
    assert one.links["flow"].values[line[0]] >= 200
    assert imbalance(net, trips, one.links["class_flow"].values[0]) < 1e-8
    (tmp_path / "c.toml").write_text('[[class]]\nname="bus"\npreload="buses.csv"\n')
    with pytest.raises(ConfigError, match="at least one must have trips"):
        read_classes(tmp_path / "c.toml")
    (tmp_path / "buses.csv").write_text("link,flow\n9999,80\n")
    with pytest.raises(DataError, match="link 9999 is not in town"):
        assign(net, trips, classes=(VehicleClass(name="car"), VehicleClass(name="bus", preload=tmp_path / "buses.csv")))


def test_modes_and_link_types_close_links_to_a_class():
    net, trips = routes()
    net = replace(of_tntp(net), allowed_uses=("", "", "auto, bike", ""))
    classes = (VehicleClass(name="car", share=0.5, mode="auto"), VehicleClass(name="lorry", share=0.5, mode="truck"))
    flow = assign(net, trips, classes=classes, gap=1e-9).links["class_flow"].values
    assert flow[1, 2] == 0
    np.testing.assert_allclose(flow[1, :2], 600)
    net = replace(net, allowed_uses=(), link_type=np.array([7.0, 1, 1, 1]))
    flow = assign(net, trips, classes=(VehicleClass(name="car", closed_link_types=(7,)),)).links["flow"].values
    np.testing.assert_allclose(flow, [0, 0, 1200, 1200])


def test_elastic_demand_meets_its_line():
    # one route, t = t0 (1 + b x / C) = 10 + x / 60; D(u) = 1200 - 30 u: x (1 + 30 / 60) = 900, x = 600
    net, trips = routes(capacity=(60.0, 60.0), t0=(10.0, 1e6), power=1.0, b=0.1)
    result = assign(net, trips, gap=1e-10).elastic(lambda cost, _: 1200 - 30 * cost, tolerance=1e-10)
    assert result.demand == pytest.approx([600.0], rel=1e-8)
    assert result.links["cost"].values[0] == pytest.approx(20.0, rel=1e-8)
    # and on a town each pair lies on its own line
    net, trips = town(4)
    start = assign(net, trips, gap=1e-8)
    base = start.pair_costs()
    result = start.elastic(lambda cost, q: trips.trips * np.exp(0.3 * (1 - cost / base)) * 0.8, tolerance=1e-7)
    np.testing.assert_allclose(
        result.demand, 0.8 * trips.trips * np.exp(0.3 * (1 - result.pair_costs() / base)), rtol=1e-3
    )
    assert true_gap(net, replace(trips, trips=result.demand), result) <= 1.01e-8
    with pytest.raises(DataError, match="finite number of trips"):
        result.elastic(lambda cost, q: -q)
    with pytest.raises(DataError, match="still change after 3 rounds"):
        result.elastic(lambda cost, q: q * 1.1, max_rounds=3)


JUNCTIONS = "hours_per_time = 0.016666666666666666\n"


def test_signals_share_traffic_between_routes_at_websters_delay(tmp_path):
    net, trips = routes(trips=700.0)
    (tmp_path / "j.toml").write_text(
        JUNCTIONS + "[[signal]]\nstages=[[2],[4]]\ncycle=80\ngreens=[45,25]\nsaturation_flow=1800\n"
    )
    result = assign(net, trips, gap=1e-10, junctions=tmp_path / "j.toml")
    flow, delay = result.links["flow"].values, result.links["delay"].values
    route = (result.links["time"].values + delay)[[0, 2]] + (result.links["time"].values + delay)[[1, 3]]
    assert route[0] == pytest.approx(route[1], rel=2e-3)
    assert flow[0] > 1.2 * flow[2]  # more green, more traffic
    for link, green in ((1, 45), (3, 25)):
        webster = webster_delay(flow[link] / 3600, 0.5, green, 80)
        assert 60 * delay[link] == pytest.approx(webster, rel=0.1)
    assert result.links.attrs["delay_residual"] <= 1e-4
    skims = result.skims()
    assert skims["time"].values[0, 0, 1] == pytest.approx(min(route), rel=1e-9)
    warm = result.again(1.1, gap=1e-10)
    assert (warm.links["delay"].values[[1, 3]] > delay[[1, 3]]).all()
    with pytest.raises(ConfigError, match="went over to a later one"):
        result.paths()


def test_actuated_signals_delay_no_more_than_fixed_ones_under_uneven_flow(tmp_path):
    net, _ = routes(t0=(10.0, 11.5), trips=900.0)
    total = []
    for control in ("cycle = 80\ngreens = [36, 36]", 'control = "actuated"'):
        (tmp_path / "j.toml").write_text(JUNCTIONS + f"[[signal]]\nstages=[[2],[4]]\n{control}\n")
        rules = read_junctions(tmp_path / "j.toml", of_tntp(net))
        total.append(rules.delays(np.array([700.0, 700, 200, 200])) @ [0, 700, 0, 200])
    assert total[1] <= total[0]


def test_priority_and_bridges_cost_time_and_stay_finite(tmp_path):
    net, _ = routes()
    (tmp_path / "j.toml").write_text(
        JUNCTIONS + "[[priority]]\nminor=[2]\nmajor=[4]\n[[bridge]]\nlinks=[3]\nopenings=[6.5]\n"
    )
    rules = read_junctions(tmp_path / "j.toml", of_tntp(net))
    # one opening of 6.5 min at q = 300 and s = 1800 veh/h: s q r^2 / (2 (s - q)) = 126.75 veh min
    delay = rules.delays(np.array([0, 200.0, 300.0, 600.0]))
    assert 300 * delay[2] == pytest.approx(126.75, rel=1e-12)
    assert rules.delays(np.array([0, 200.0, 300, 900]))[1] > delay[1] > 0
    assert delay[0] == delay[3] == 0
    q = np.linspace(0, 3000, 400)
    d = np.array([opening_delay(v / 3600, 0.5, np.array([390.0, 240.0]), 3600.0) for v in q])
    assert np.isfinite(d).all()
    assert (np.diff(d) > 0).all()
    d = np.array([signal_delay(v / 3600, 0.5, 30.0, 80.0, 3600.0, 0.5) for v in q])
    assert (np.diff(d) > 0).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[signal]]\nstages=[[99]]\n", "signal: link 99 is not in routes"),
        ("[[signal]]\nstages=[[1]]\ncycle=60\n", "give cycle and greens together"),
        ("[[signal]]\nstages=[[1],[2]]\ncycle=60\ngreens=[50,20]\n", "greens add up to more than the cycle"),
        ("[[bridge]]\nlinks=[1]\nopenings=[40,30]\n", "fill the whole period"),
        ("[[bridge]]\nlink=[1]\nopenings=[4]\n", "bridge.0.links"),
    ],
)
def test_a_bad_junction_is_named(tmp_path, text, says):
    (tmp_path / "j.toml").write_text(JUNCTIONS + text)
    with pytest.raises((ConfigError, DataError), match=says):
        read_junctions(tmp_path / "j.toml", of_tntp(routes()[0]))


def test_selected_zones_add_up_to_the_flows():
    net, trips = town(5)
    result = assign(net, trips, gap=1e-9)
    by_zone = [result.select_zone(z, by="origin") for z in range(1, net.zones + 1)]
    np.testing.assert_allclose(sum(f for f, _ in by_zone), result.links["flow"], atol=1e-9)
    for zone, (_, matrix) in enumerate(by_zone):
        assert matrix.sum() == pytest.approx(trips.trips[trips.origin == zone].sum())
        assert not matrix[0, np.arange(net.zones) != zone].any()
    both, matrix = result.select_zone(1, 2)
    inside = np.isin(trips.origin, [0, 1]) | np.isin(trips.destination, [0, 1])
    assert matrix.sum() == pytest.approx(trips.trips[inside].sum())
    assert (both <= result.links["flow"].values + 1e-9).all()
    with pytest.raises(ConfigError, match="zone 77"):
        result.select_zone(77)


def test_counts_and_screenlines(tmp_path):
    assert geh(np.array([110.0, 0.0]), np.array([90.0, 0.0])) == pytest.approx([2.0, 0.0])  # sqrt(2 20^2 / 200)
    net, trips = routes()
    result = assign(net, trips, classes=(VehicleClass(name="car", share=0.9), VehicleClass(name="van", share=0.1)))
    (tmp_path / "c.csv").write_text("from_node,to_node,count,screenline\n1,3,500,river\n1,4,650,river\n3,2,600,\n")
    table = against_counts(result, tmp_path / "c.csv", flow_hours=1.0)
    np.testing.assert_allclose(table["modelled"], 600, rtol=1e-3)
    np.testing.assert_allclose(table["geh"], geh(np.full(3, 600.0), np.array([500, 650, 600])), rtol=1e-2, atol=1e-2)
    assert table["screenline_modelled"].values == pytest.approx([1200])
    assert table["screenline_counted"].values == pytest.approx([1150])
    (tmp_path / "s.csv").write_text("screenline,link\nriver,1\nriver,3\n")
    lines = screenlines(result, tmp_path / "s.csv")
    np.testing.assert_allclose(lines["flow"].values[:, 0], [1080, 120])
    (tmp_path / "c.csv").write_text("link,count\n1,-4\n")
    with pytest.raises(DataError, match="line 2: count = '-4'"):
        against_counts(result, tmp_path / "c.csv")


def test_electric_vehicles_are_a_split_of_the_paths():
    net, trips = town(6)
    result = assign(net, trips, gap=1e-9)
    share = np.linspace(0, 0.4, net.zones)
    electric = result.electric(share, 0.2)
    driven = result.links["flow"].values @ net.length
    same = result.electric(0.25, 0.2)
    assert float(same["origin_energy"].sum()) == pytest.approx(0.25 * 0.2 * driven, rel=1e-9)
    assert float(electric["energy"].sum()) == pytest.approx(float(electric["origin_energy"].sum()), rel=1e-12)
    # the cars of each origin on their own, as a selection
    for zone in (2, 7):
        by_link, _ = result.select_zone(zone + 1, by="origin")
        assert float(electric["origin_distance"][zone]) == pytest.approx(share[zone] * by_link @ net.length, rel=1e-9)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        result.electric(1.2, 0.2)


def test_emission_per_class_is_distance_times_factor_and_tells_its_source(tmp_path):
    # 600 pcu on each route of 5 km in hours: a motorway at its limit (no delay, F = 0) and a road of 80 km/h
    net, trips = routes(t0=(0.05, 0.05), b=0.0)
    classes = (VehicleClass(name="car", share=0.9), VehicleClass(name="lorry", share=0.1))
    result = assign(net, trips, classes=classes)
    mix = {"car": {"light": 1.0}, "lorry": {"medium": 0.35, "heavy": 0.65}}
    motorway, limit = np.array([True, True, False, False]), np.array([100.0, 100, 80, 80])
    made = road_emission(result, 2020, mix, motorway=motorway, speed_limit=limit)
    table = declared_factors()
    flow = result.links["class_flow"].values
    assert made["speed_class"].values[[0, 2]].tolist() == ["100", "B"]
    for link, srm, speed in ((0, "SRM2", "100"), (2, "SRM1", "B")):
        for substance in ("NOx", "NO2", "NH3", "CO2"):
            light, medium, heavy = (
                table.value((srm, substance, kind, speed, "free"), 2020) for kind in ("light", "medium", "heavy")
            )
            got = made["emission"].sel(substance=substance).values[:, link]
            assert got == pytest.approx(
                [5 * flow[0, link] * light, 5 * flow[1, link] * (0.35 * medium + 0.65 * heavy)], rel=1e-12
            )
    assert made.attrs["declared"] == "NOx NO2 NH3 CO2"
    assert "proxy" in made.attrs["stagnation_rule"]
    queued = road_emission(result, 2020, mix, motorway=motorway, speed_limit=limit, stagnation=np.full(4, 0.5))
    assert (queued["emission"].values[0, :, 0] > made["emission"].values[0, :, 0]).all() or flow[0, 0] == 0
    np.testing.assert_array_equal(queued["emission"][..., 2], made["emission"][..., 2])
    half = road_emission(result, 2020, mix, motorway=motorway, speed_limit=limit, electric_share={"car": 0.5})
    np.testing.assert_allclose(half["emission"][:, 0], 0.5 * made["emission"][:, 0])
    with pytest.raises(ConfigError, match="the classes are car, lorry"):
        road_emission(result, 2020, {"all": {"light": 1.0}}, motorway=motorway, speed_limit=limit)
    with pytest.raises(DataError, match="run from 2015 to 2040"):
        road_emission(result, 2050, mix, motorway=motorway, speed_limit=limit)


def test_skims_that_fit_no_memory_are_refused():
    net, trips = routes()
    result = assign(net, trips)
    result.network = replace(result.network, zone_id=np.arange(300_000), zone_node=np.zeros(300_000, int))
    with pytest.raises(ConfigError, match="skims between all 300000 zones need 2880 GB"):
        result.skims()

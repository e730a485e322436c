"""Demand: every trip of the zone matrices is laid on nodes or listed; hours add up to the day; local time rules."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.traffic.demand import mix_periods
from twin.clock import Moment
from twin.components.trips import Trips
from twin.errors import ConfigError, DataError
from twin.ledger import Ledger
from twin.readers.zone_polygons import Municipalities, ZonePolygons
from twin.wiring import Wiring
from twin.world.demand import build_zones, hourly_shares, mean_battery_electric_share
from twin.world.road_rules import DemandRules
from twin.world.roads import RoadNodes, roads_group


def rules(**changes):
    shape = {"light": [1.0 + h % 5 for h in range(24)], "freight": [2.0] * 24}
    weekend = {"period": "rest", "light_total": 0.8, "freight_total": 0.3, **shape}
    values = {
        "core_zones": [1, 2],
        "home_population_weight": 0.8,
        "work_population_weight": 0.2,
        "reach": 5.0,
        "outer_reach": 20.0,
        "outer_zones": [4],
        "focus": [1000.0, 1000.0],
        "place_links": 2,
        "place_distance_floor": 500.0,
        "pcu": {"light": 1.0, "freight": 2.0},
        "sheets": {"light": "Auto", "freight": "Vracht"},
        "period": [
            {"name": "morning", "sheet": "os", "hours": [7, 8], "home_share": 1.0},
            {"name": "rest", "sheet": "rd", "hours": [*range(7), *range(9, 16), *range(18, 24)], "home_share": 0.5},
            {"name": "evening", "sheet": "as", "hours": [16, 17], "home_share": 0.0},
        ],
        "working_day": shape,
        "saturday": weekend,
        "sunday": weekend | {"light_total": 0.7},
        "battery_electric": {"inside": 0.05, "outside": 0.03},
    }
    return DemandRules(**(values | changes))


def town():
    """Two graph zones of four nodes each side by side, an outer zone east of them, a far one with skeleton only."""
    x = np.array([100.0, 900, 100, 900, 1100, 1900, 1100, 1900, 2500.0, 20000.0, 30000.0])
    y = np.array([100.0, 100, 900, 900, 100, 100, 900, 900, 500.0, 500.0, 500.0])
    n = len(x)
    a, b = np.arange(n - 1), np.arange(1, n)
    ends = np.concatenate((a, b)), np.concatenate((b, a))
    m = 2 * (n - 1)
    reported = np.where((ends[0] >= 9) | (ends[1] >= 9), 0, 1)
    roads = roads_group(
        node_x=x,
        node_y=y,
        from_node=ends[0],
        to_node=ends[1],
        length=np.full(m, 1000.0),
        road_class=np.where(reported, 4, 7),
        reported=reported,
        link_id=[str(i) for i in range(m)],
        **dict.fromkeys(("free_flow_time", "capacity", "bpr_b", "bpr_power", "lanes", "speed_limit"), np.ones(m)),
    )
    skeleton = np.arange(n) >= 9
    nodes = RoadNodes([f"n{i}" for i in range(n)], np.where(skeleton, 0.0, 100.0 * np.arange(n)), [""] * n, skeleton)
    boxes = [shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000), shapely.box(2000, 0, 12000, 1000)]
    boxes.append(shapely.box(12000, 0, 40000, 1000))
    zones = ZonePolygons(np.array([1, 2, 3, 4]), ["one", "two", "three", "four"], np.array(boxes, dtype=object))
    towns = [shapely.box(2200, 0, 3000, 1000), shapely.box(9000, 0, 11000, 1000), shapely.box(28000, 0, 33000, 1000)]
    places = Municipalities(["A", "B", "C"], np.array([5000.0, 3000.0, 9000.0]), np.array(towns, dtype=object))
    return roads, nodes, zones, places


def matrices(seed=1, n=4):
    rng = np.random.default_rng(seed)
    return {
        f"{c}_{p}": rng.integers(0, 1000, (n, n)).astype(float) for c in ("Auto", "Vracht") for p in ("os", "rd", "as")
    }


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_laid_and_removed_trips_add_up_to_the_matrix(seed):
    roads, nodes, zones, places = town()
    given_trips = matrices(seed)
    group = build_zones(rules(), roads, nodes, zones, places, given_trips)
    for p, period in enumerate(("os", "rd", "as")):
        for c, name in enumerate(("Auto", "Vracht")):
            total = group["trips"].values[p, c].sum() + group["removed_trips"].values[p, c]
            assert total == pytest.approx(given_trips[f"{name}_{period}"].sum(), rel=1e-12)
    assert (group["trips"].values >= 0).all()
    assert not np.einsum("pcoo->o", group["trips"].values).any()


def test_trips_between_two_core_zones_follow_the_home_and_work_weights():
    # Zone 1 holds nodes 0..3 with population 0, 100, 200, 300 (sum 600): home weight of node 3 is
    # 0.8 x 300/600 + 0.2/4 = 0.45, work weight 0.2 x 1/2 + 0.8/4 = 0.3. Zone 2: nodes 4..7, 400..700 (sum 2200).
    roads, nodes, zones, places = town()
    only = {key: np.zeros((4, 4)) for key in matrices()}
    only["Auto_os"][0, 1] = only["Auto_rd"][0, 1] = only["Auto_as"][0, 1] = 1000.0
    group = build_zones(rules(), roads, nodes, zones, places, only)
    o, d = roads["node_origin"].values[3], roads["node_origin"].values[7]
    home, work = np.array([0.45, 0.8 * 700 / 2200 + 0.05]), np.array([0.3, 0.2 * 700 / 2200 + 0.2])
    both = 0.5 * (home + work)
    want = 1000 * np.array([home[0] * work[1], both[0] * both[1], work[0] * home[1]])
    np.testing.assert_allclose(group["trips"].values[:, 0, o, d], want, rtol=1e-12)


def test_the_end_of_an_outer_trip_depends_on_the_other_end():
    """Zone 3 has people near zone 2 (on graph node 8 and place A) and far off (place B): the near ones go to zone 2."""
    roads, nodes, zones, places = town()
    only = {key: np.zeros((4, 4)) for key in matrices()}
    only["Auto_rd"][0, 1] = 1.0  # the weekend takes its pattern from here
    only["Auto_os"][2, 1] = only["Auto_os"][2, 3] = 1000.0
    group = build_zones(rules(), roads, nodes, zones, places, only)
    trips = group["trips"].values[0, 0]
    node8 = roads["node_origin"].values[8]
    zone2 = roads["node_origin"].values[4:8]
    # Node 8 and the two places weigh mass x exp(-distance to the centre of the other zone / 5 km).
    mass = np.array([800.0, 5000.0 - 800.0, 3000.0])
    x = np.array([2500.0, 2600.0, 10000.0])

    def share(centre):
        return (mass * np.exp(-abs(x - centre) / 5000))[0] / (mass * np.exp(-abs(x - centre) / 5000)).sum()

    assert trips[node8][zone2].sum() == pytest.approx(1000 * share(1500.0), rel=1e-3)
    assert trips[node8].sum() - trips[node8][zone2].sum() == pytest.approx(1000 * share(30500.0), rel=0.05)


def test_intrazonal_trips_stay_in_core_zones_only():
    roads, nodes, zones, places = town()
    only = {key: np.zeros((4, 4)) for key in matrices()}
    only["Auto_rd"][0, 1] = 1.0  # the weekend takes its pattern from here
    only["Auto_os"][:] = np.diag([1000.0, 0, 500.0, 300.0])
    group = build_zones(rules(), roads, nodes, zones, places, only)
    home, work = 0.8 * np.arange(4) / 6 + 0.05, 0.2 * np.arange(4) / 6 + 0.2
    same_node = 1000 * home @ work
    assert group["removed_trips"].values[0, 0] == pytest.approx(800 + same_node)
    assert group["trips"].values[0, 0].sum() == pytest.approx(1000 - same_node)


def test_a_zone_with_trips_but_no_place_is_refused_by_number():
    roads, nodes, zones, places = town()
    with pytest.raises(DataError, match=r"zone 3 .three."):
        build_zones(rules(core_zones=[1, 2, 3]), roads, nodes, *_moved(zones), matrices())
    with pytest.raises(ConfigError, match=r"add up to 0\.9"):
        build_zones(rules(fixed=[{"zone": 3, "nodes": {"n8": 0.9}}]), roads, nodes, zones, places, matrices())
    with pytest.raises(DataError, match=r"are|is"):
        build_zones(rules(), roads, nodes, zones, places, matrices(n=3))


def _moved(zones):
    polygons = zones.polygon.copy()
    polygons[2] = shapely.box(2000, 5000, 12000, 6000)  # away from node 8
    return ZonePolygons(zones.number, zones.name, polygons), town()[3]


def test_hours_of_a_working_day_add_up_to_each_period_and_weekends_to_their_totals():
    totals = np.array([[100.0, 10.0], [700.0, 60.0], [200.0, 20.0]])
    shares = hourly_shares(rules(), totals)
    np.testing.assert_allclose(shares[0].sum(axis=1), 1.0, rtol=1e-12)
    assert not shares[0, :, 7:9, 1:].any()
    day = np.einsum("dchp,pc->dc", shares, totals)
    np.testing.assert_allclose(day, [[1000, 90], [800, 27], [700, 27]], rtol=1e-12)


def test_hours_that_two_periods_claim_or_none_are_refused():
    period = [{"name": "rest", "sheet": "rd", "hours": [*range(23), 22], "home_share": 0.5}]
    with pytest.raises(ConfigError, match="each once"):
        hourly_shares(rules(period=period), np.ones((1, 2)))


def test_mix_equals_the_weighted_sum():
    rng = np.random.default_rng(2)
    trips, weight = rng.random((3, 2, 5, 5)), rng.random((2, 3))
    weight[0, 1] = 0.0
    rate = np.full((2, 5, 5), np.nan)
    mix_periods(trips, weight, rate)
    np.testing.assert_allclose(rate, np.einsum("pcod,cp->cod", trips, weight), rtol=1e-14)


def wired():
    roads, nodes, zones, places = town()
    group = build_zones(rules(), roads, nodes, zones, places, matrices())
    world = xr.DataTree.from_dict({"zones": group})
    trips = Trips()
    wiring = Wiring([trips], world)
    trips.setup(wiring.slots["trips"], world)
    return trips, wiring.slots["trips"], group


def stepped(trips, slot, start, seconds=3600):
    ledger = Ledger()
    trips.step(slot, Moment(start, seconds, 0, 0, 1, "trips", ledger))
    return ledger


@pytest.mark.parametrize(
    ("start", "day", "hour"),
    [
        (datetime(2023, 1, 16, 7, tzinfo=UTC), 0, 8),  # Monday, winter time: UTC + 1
        (datetime(2023, 7, 14, 6, tzinfo=UTC), 0, 8),  # Friday, summer time: UTC + 2
        (datetime(2023, 7, 14, 22, tzinfo=UTC), 1, 0),  # Friday evening in UTC is Saturday in the Netherlands
        (datetime(2023, 7, 16, 12, tzinfo=UTC), 2, 14),
    ],
)
def test_trips_follow_civil_local_time(start, day, hour):
    trips, slot, group = wired()
    ledger = stepped(trips, slot, start)
    want = np.einsum("pcod,cp->cod", group["trips"].values, group["hourly_share"].values[day, :, hour])
    np.testing.assert_allclose(slot.trips, want, rtol=1e-13)
    assert ledger.transfers["trips"].given == pytest.approx(want.sum(), rel=1e-12)


def test_a_working_day_gives_every_trip_once_whatever_the_step():
    """From local midnight to midnight all trips of the matrices leave, with steps of 15 minutes as of 3 hours."""
    trips, slot, group = wired()
    for seconds in (900, 3 * 3600):
        start, left = datetime(2023, 1, 15, 23, tzinfo=UTC), np.zeros(slot.trips.shape)
        for k in range(86400 // seconds):
            stepped(trips, slot, start + timedelta(seconds=k * seconds), seconds)
            left += slot.trips * seconds / 3600
        np.testing.assert_allclose(left, group["trips"].values.sum(axis=0), rtol=1e-12)


def test_electric_share_is_the_mean_over_trip_ends():
    group = wired()[2].copy(deep=True)
    group["bev_share"].values[:] = 0.25
    assert mean_battery_electric_share(group) == pytest.approx(0.25)

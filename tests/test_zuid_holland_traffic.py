"""A working day of traffic and its emission in Zuid-Holland: totals that follow from the files and the rules.

The figures of the rule hold for 24 hours at a relative gap of 5e-4.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from test_zuid_holland_roads import built, demand, matrices, table, zones  # noqa: F401 (fixtures)

from twin.clock import Moment
from twin.components.assignment import Assignment
from twin.components.road_emission import RoadEmission
from twin.components.trips import Trips
from twin.ledger import Ledger
from twin.readers.emission_factors import read_factors
from twin.wiring import Wiring
from twin.world.demand import mean_battery_electric_share
from twin.world.road_factors import build_factors

MIDNIGHT = datetime(2023, 1, 15, 23, tzinfo=UTC)  # Monday 16 January 2023, 0 h local time
CROSSINGS = [
    "2252-4018",
    "2918-2640",
    "4067-2506",
    "4943-2965",
    "2359-2859",
    "2359-3093",
    "3113-2340",
    "5232-2340",
    "2821-6828",
    "6423-2827",
    "4954-5687",
    "5687-4954",
    "3001-3006",
    "3006-3001",
]  # links over or under the Nieuwe Maas


@pytest.fixture(scope="module")
def day(data, built, demand):  # noqa: F811
    roads, _ = built
    folder = data / "emission_factors"
    tables = read_factors(folder / "dutch_ef_motorway_srm2_2016.csv")
    tables = tables.merged(read_factors(folder / "dutch_ef_nonmotorway_srm1_2015.csv"))
    factors = build_factors(2020, tables, bev_share_reference=mean_battery_electric_share(demand))
    world = xr.DataTree.from_dict({"roads": roads, "zones": demand, "factors": factors})
    parts = [Trips(), Assignment(Assignment.Options(relative_gap=5e-4)), RoadEmission()]
    wiring, ledger = Wiring(parts, world), Ledger()
    for part in wiring.order:
        part.setup(wiring.slots[part.name()], world)
    kept = {
        name: []
        for name in ("road_flow", "road_travel_time", "road_saturation", "relative_gap", "road_nox", "road_nh3")
    }
    for hour in range(24):
        start = MIDNIGHT + timedelta(hours=hour)
        for part in wiring.order:
            name = part.name()
            wiring.accumulate(name)
            wiring.complete(name, 1)
            part.step(wiring.slots[name], Moment(start, 3600, hour, hour, 1, name, ledger))
            wiring.clear(name)
        ledger.settle(str(start))
        for name, values in kept.items():
            values.append(wiring.arrays[name].copy())
    result = {name: np.array(values) for name, values in kept.items()}
    result["core"] = roads["reported"].values == 1
    result["km"] = roads["length"].values / 1000
    result["ledger"] = ledger
    result["trips"] = demand["trips"].values.sum()
    return result


def test_every_hour_is_an_equilibrium_and_every_trip_is_loaded(day):
    assert day["relative_gap"].max() <= 5e-4
    assert day["ledger"].transfers["trips"].given == pytest.approx(day["trips"], rel=1e-9)


def test_flow_is_conserved_at_every_node(day, built, demand):  # noqa: F811
    roads, _ = built
    flow = day["road_flow"].sum(axis=0)
    leaving, arriving = np.zeros((2, 2, roads.sizes["road_node"]))
    for c in range(2):
        leaving[c] = np.bincount(roads["from_node"], flow[c], minlength=leaving.shape[1])
        arriving[c] = np.bincount(roads["to_node"], flow[c], minlength=leaving.shape[1])
    trips = demand["trips"].values.sum(axis=0)
    origin = demand["origin_node"].values
    leaving[:, origin] += trips.sum(axis=1)
    arriving[:, origin] += trips.sum(axis=2)
    np.testing.assert_allclose(leaving, arriving, atol=1e-6 * 24)


def test_vehicle_kilometres_freight_and_speed(day):
    core, km = day["core"], day["km"]
    distance = (day["road_flow"].sum(axis=0) * km)[:, core].sum(axis=1)
    assert distance.sum() == pytest.approx(33.4e6, rel=0.03)
    assert 100 * distance[1] / distance.sum() == pytest.approx(8.2, abs=0.3)
    hours = (day["road_flow"].sum(axis=1) * day["road_travel_time"] / 3600)[:, core]
    assert distance.sum() / hours.sum() == pytest.approx(62.4, rel=0.05)
    at_16 = (day["road_flow"][16].sum(axis=0) * km)[core].sum()
    assert at_16 / hours[16].sum() == pytest.approx(55.5, rel=0.05)
    # Only core-core trips would give below a million in the morning hour: through traffic is there.
    assert (day["road_flow"][7].sum(axis=0) * km)[core].sum() > 2e6


def test_links_above_capacity_in_the_peaks(day):
    share = 100 * (day["road_saturation"][:, day["core"]] > 1).mean(axis=1)
    assert share[7] == pytest.approx(4.4, abs=1.0)
    assert share[16] == pytest.approx(6.7, abs=1.0)


def test_screenline_gates_and_through_traffic(day, built, demand):  # noqa: F811
    roads, nodes = built
    flow = day["road_flow"].sum(axis=(0, 1))
    ids = ["-".join(i.decode().split("-")[:2]) for i in roads["link_id"].values]
    crossing = [i for i, name in enumerate(ids) if name in CROSSINGS]
    assert len(crossing) == len(CROSSINGS)
    assert flow[crossing].sum() == pytest.approx(543_100, rel=0.03)
    gate = roads["road_class"].values == 8
    inward = gate & nodes.skeleton[roads["from_node"].values]
    assert flow[gate].sum() == pytest.approx(1.159e6, rel=0.04)
    # Through traffic = what comes in less what ends on graph nodes.
    inside = demand["inside"].values == 1
    ends = demand["trips"].values.sum(axis=(0, 1))[~inside][:, inside].sum()
    assert flow[inward].sum() - ends == pytest.approx(106_000, rel=0.15)


def test_emission_of_the_day(day):
    nox = day["road_nox"].sum(axis=0) * 3.6
    assert nox.sum() == pytest.approx(11_700, rel=0.10)
    assert not day["road_nox"][:, ~day["core"]].any()
    assert day["ledger"].transfers["road_nox"].given == pytest.approx(1000 * nox.sum(), rel=1e-9)
    assert 3.6 * day["road_nh3"].sum() == pytest.approx(640, rel=0.10)

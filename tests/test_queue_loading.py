"""Queues in the coupled run: turns reproduce flows, queues carry over and resume, emission sees the queue."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.traffic.link_transmission import advance, build_loading
from kernels.traffic.turning import turning_shares
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.queue_loading import QueueLoading
from twin.components.road_emission import QueueRoadEmission
from twin.errors import ConfigError
from twin.ledger import Ledger
from twin.wiring import Wiring
from twin.world.road_factors import build_factors

START = datetime(2023, 1, 2, tzinfo=UTC)


class Flows(Component):
    """Stands in for demand and assignment."""

    flow = Out("road_flow", ("vehicle_class", "road_link"), "h-1", "given")
    time = Out("road_travel_time", ("road_link",), "s", "given")
    resident_flow = Out("road_resident_flow", ("road_link",), "h-1", "given")
    resident_electric = Out("road_resident_electric", ("road_link",), "h-1", "given")
    trips = Out("trips", ("vehicle_class", "origin", "destination"), "h-1", "given")


def star(flows_seed):
    """Node 0 with four two-way streets to nodes 1..4; flows of random trips between the outer nodes and node 0."""
    tail = np.array([0, 0, 0, 0, 1, 2, 3, 4])
    head = np.array([1, 2, 3, 4, 0, 0, 0, 0])
    rng = np.random.default_rng(flows_seed)
    trips = rng.uniform(0, 0.02, (5, 5)) * (rng.random((5, 5)) < 0.8)
    np.fill_diagonal(trips, 0)
    flow = np.concatenate((trips[:, 1:].sum(axis=0), trips[1:].sum(axis=1)))
    one = np.ones(8)
    x = build_loading(tail, head, 5, 500 * one, 20 * one, 5 * one, 0.2 * one, 0.8 * one, dt=10.0)
    return x, flow, trips


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_turning_shares_reproduce_the_link_flows_without_u_turns(seed):
    """Trips between different nodes exist behind these flows, so that a table without U-turns meets them."""
    x, flow, trips = star(seed)
    turn = np.full((x.move_start[-1], 1), np.nan)
    turning_shares(x, flow, trips.sum(axis=1), trips.sum(axis=0), 500, np.zeros((6, 6)), turn)
    assert ((turn >= 0) & (turn <= 1 + 1e-12)).all()
    demand = np.ascontiguousarray(trips.sum(axis=1)[:, None])
    advance(x, turn, demand, np.ones((1, 8)), 200)
    before = x.left.copy()
    advance(x, turn, demand, np.ones((1, 8)), 60)
    np.testing.assert_allclose((x.left - before) / 600, flow, rtol=5e-3, atol=1e-9)


def world(capacity=2000.0):
    """A motorway of two links of 4 km, then one with another capacity; one trip pattern from its start to its end."""
    n = 3
    roads = {
        "length": (np.full(n, 4000.0), "m"),
        "free_flow_time": (np.full(n, 144.0), "s"),
        "capacity": (np.array([4300.0, 4300.0, capacity]), "h-1"),
        "lanes": (np.full(n, 2.0), "1"),
        "speed_limit": (np.full(n, 100.0), "km h-1"),
        "road_class": (np.zeros(n, np.int8), "1"),
        "reported": (np.ones(n, np.int8), "1"),
        "from_node": (np.arange(n, dtype=np.int32), "1"),
        "to_node": (np.arange(1, n + 1, dtype=np.int32), "1"),
    }
    group = xr.Dataset({k: ("road_link", v, {"units": u}) for k, (v, u) in roads.items()})
    group["node_x"] = ("road_node", np.zeros(n + 1), {"units": "m"})
    zones = xr.Dataset(
        {
            "origin_node": ("origin", np.array([0, n], np.int32), {"units": "1"}),
            "pcu": ("vehicle_class", np.array([1.0, 2.0]), {"units": "1"}),
            "bev_share": ("origin", np.full(2, 0.04), {"units": "1"}),
            "trips": (("period", "vehicle_class", "origin", "destination"), np.ones((1, 2, 2, 2)), {"units": "1"}),
        }
    )
    return xr.DataTree.from_dict(
        {"roads": group, "zones": zones, "factors": build_factors(2020, bev_share_reference=0.04)}
    )


def wired(capacity=2000.0, **options):
    tree = world(capacity)
    parts = [Flows(), QueueLoading(QueueLoading.Options(**options)), QueueRoadEmission()]
    wiring = Wiring(parts, tree)
    for part in parts[1:]:
        part.setup(wiring.slots[part.name()], tree)
    return wiring, parts


def hour(wiring, parts, k, light, freight=0.0, seconds=3600):
    wiring.arrays["trips"][:] = 0.0
    wiring.arrays["trips"][:, 0, 1] = [light, freight]
    wiring.arrays["road_flow"][:] = [[light], [freight]]
    wiring.arrays["road_travel_time"][:] = 144.0
    ledger = Ledger()
    for part in parts[1:]:
        name = part.name()
        wiring.accumulate(name)
        wiring.complete(name, 1)
        part.step(wiring.slots[name], Moment(START + timedelta(hours=k), seconds, k, k, 1, name, ledger))
        wiring.clear(name)
    return ledger


def test_a_queue_grows_by_what_the_bottleneck_refuses_and_is_gone_when_demand_has_fallen():
    # 2000 cars + 500 lorries of 2 pcu = 3000 pcu/h against 2000: the queue grows by 1000 pcu an hour, whose triangle
    # of delay is 500 pcu h but for the travel time to the bottleneck (2 x 144 s); at 1000 pcu/h it dissolves.
    wiring, parts = wired()
    hour(wiring, parts, 0, 2000.0, 500.0)
    share = 1 - 288 / 3600
    assert wiring.arrays["road_queue_delay"].sum() == pytest.approx(500 * share**2, rel=5e-3)
    assert wiring.arrays["road_queue"][1] > 0
    assert wiring.arrays["road_stagnation"][1] > 0.1
    assert wiring.arrays["road_stagnation"][2] == 0.0
    for k in (1, 2):
        hour(wiring, parts, k, 1000.0)
    assert not wiring.arrays["road_queue"].any()
    ledger = hour(wiring, parts, 3, 1000.0)
    assert wiring.arrays["road_queue_delay"].sum() == pytest.approx(0.0, abs=1e-6)
    assert ledger.balances["queue_loading"].worst < 1e-9


def test_strict_spillback_fills_the_link_before():
    # 1500 pcu/h against 500 for two hours: 2000 queued pcu need 2000 / (0.3 - 500/3600/5) m, more than one link.
    strict, parts = wired(500.0, creep=0.0)
    loose, others = wired(500.0, creep=1.0)
    for k in range(2):
        hour(strict, parts, k, 1500.0)
        hour(loose, others, k, 1500.0)
    assert strict.arrays["road_queue"][0] > 100.0
    assert loose.arrays["road_queue"][0] == 0.0


def test_emission_on_motorways_mixes_by_the_queued_share():
    wiring, parts = wired()
    hour(wiring, parts, 0, 3000.0)
    factors = parts[2]._factor[0, 0]
    k = parts[2]._class[0]
    share = wiring.arrays["road_stagnation"]
    want = 3000 * 4 / 3600 * ((1 - share) * factors[k, 0] + share * factors[k, 1])
    np.testing.assert_allclose(wiring.arrays["road_nox"], want, rtol=1e-12)
    assert wiring.arrays["road_nox"][1] > wiring.arrays["road_nox"][0]


def test_a_resumed_run_has_the_same_queues():
    one, parts = wired(500.0, creep=0.0)
    other, others = wired(500.0, creep=0.0)
    hour(one, parts, 0, 3000.0)
    others[1].restore({name: array.copy() for name, array in parts[1].state().items()})
    for wiring, these in ((one, parts), (other, others)):
        hour(wiring, these, 1, 600.0)
    for name in ("road_queue", "road_stagnation", "road_queue_delay"):
        np.testing.assert_array_equal(one.arrays[name], other.arrays[name])
    assert one.arrays["road_queue_delay"].any()


def test_a_sub_step_that_does_not_divide_the_step_is_refused():
    wiring, parts = wired(sub_step=7.0)
    with pytest.raises(ConfigError, match="sub_step = 7 s"):
        hour(wiring, parts, 0, 100.0)

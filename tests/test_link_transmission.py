"""Link transmission: analytic queues, node model properties, conservation per commodity, FIFO, no creation of vehicles.

Unless said otherwise: u = 20 m/s, w = 5 m/s, k_j = 0.2 veh/m, hence q_c = k_j u w / (u + w) = 0.8 veh/s.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kernels.traffic.link_transmission import (
    advance,
    build_loading,
    commodity_on_links,
    movement_shares,
    node_model,
    queue_tails,
    stagnation_share,
    waiting,
)

U, W, KJ, QC = 20.0, 5.0, 0.2, 0.8


def chain(lengths, dt=10.0, commodities=1, capacity=None):
    """Links one after the other, all traffic going to the end."""
    n = len(lengths)
    one = np.ones(n)
    q = QC * one if capacity is None else np.asarray(capacity, float)
    ends = np.arange(n), np.arange(1, n + 1)
    x = build_loading(
        *ends, n + 1, np.asarray(lengths, float), U * one, W * one, KJ * one, q, dt=dt, commodities=commodities
    )
    return x, movement_shares(x, np.ones((n, commodities)))


def run(x, turn, seconds, rates, open_share=None):
    """Load demand of ``rates`` (node -> vehicles/s, or an array (node, commodity)) for a time."""
    demand = np.zeros(x.queue.shape)
    if isinstance(rates, dict):
        for node, rate in rates.items():
            demand[node] = rate
    else:
        demand[:] = rates
    steps = round(seconds / x.dt)
    advance(x, turn, demand, np.ones((1, len(x.tail))) if open_share is None else open_share, steps)


@pytest.mark.parametrize("dt", [5.0, 10.0])
@pytest.mark.parametrize("length", [200.0, 530.0, 1999.0])
def test_free_flow_leaves_after_exactly_the_free_flow_time(length, dt):
    # N_out(t) = N_in(t - L/u), whether or not L/u is a multiple of the sub-step; N_in(t) = q t.
    x, turn = chain([length], dt)
    for k in range(1, 60):
        run(x, turn, dt, {0: 0.5})
        # A sub-step that the first vehicle reaches half-way is linear between its ends, like the curve itself.
        assert x.left[0] == pytest.approx(0.5 * max(k * dt - length / U, 0.0), abs=1e-9)
    assert x.delay[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("dt", [5.0, 10.0, 20.0])
def test_bottleneck_queue_grows_and_dissolves_as_kinematic_waves_say(dt):
    # c = 0.4 at the end of 2000 m, inflow 0.6 for 600 s, then 0.2. The queue begins at 100 s; its density is
    # k_j - c/w = 0.12; the shock runs at (0.4 - 0.6) / (0.12 - 0.03) = -2.222 m/s until the tail meets the thinner
    # traffic at 640 s, 1200 m upstream; the recovery shock runs at (0.4 - 0.2) / (0.12 - 0.01) = +1.818 m/s; the
    # queue is gone at 1300 s; the delay is 1/2 * 120 vehicles * 1200 s = 72,000 vehicle s.
    x, turn = chain([2000.0, 2000.0], dt)
    x.outflow_capacity[0] = 0.4
    tail = np.zeros(2)

    def tail_at(now):
        time = x.now[0] * dt
        for until, rate in ((600.0, 0.6), (np.inf, 0.2)):
            if time < min(now, until):
                run(x, turn, min(now, until) - time, {0: rate})
                time = min(now, until)
        queue_tails(x, tail)
        return tail[0]

    assert tail_at(100.0) == 0.0
    assert tail_at(400.0) == pytest.approx(2000 / 900 * 300, rel=5e-3)
    assert tail_at(640.0) == pytest.approx(1200.0, rel=5e-3)
    assert tail_at(1000.0) == pytest.approx(1200.0 - 200 / 110 * 360, rel=5e-3)
    assert tail_at(1240.0) > 0.0
    assert tail_at(1320.0) == 0.0
    assert x.delay[0] == pytest.approx(72_000, rel=5e-3)
    assert x.ended.sum() + (x.entered - x.left).sum() == pytest.approx(x.started.sum(), abs=1e-9)


def test_spillback_reaches_the_next_link_on_time_and_limits_it():
    # As above with L = 1000 m and no drop: the queue is full at 50 + 1000/2.222 = 500 s; then only 0.4 veh/s enter,
    # and the queue goes on in the link before at the same speed.
    x, turn = chain([2000.0, 1000.0])
    x.outflow_capacity[1] = 0.4
    run(x, turn, 590, {0: 0.6})  # 100 s on the first link, 490 s after
    before = x.entered[1]
    run(x, turn, 10, {0: 0.6})
    assert x.entered[1] - before == pytest.approx(6.0, rel=1e-6)
    run(x, turn, 300, {0: 0.6})
    before = x.entered[1]
    run(x, turn, 10, {0: 0.6})
    assert x.entered[1] - before == pytest.approx(4.0, rel=1e-9)
    tail = np.zeros(2)
    queue_tails(x, tail)
    assert tail[1] == pytest.approx(1000.0, abs=1e-3)
    assert tail[0] == pytest.approx(2000 / 900 * 310, rel=1e-2)


@pytest.mark.parametrize(("dt", "offset"), [(5.0, 0.0), (10.0, 0.0), (10.0, 3.7), (10.0, 9.0), (20.0, 7.0)])
def test_a_closure_costs_the_delay_of_the_deterministic_queue(dt, offset):
    # r = 6.5 min closed, q = 5/min, s = 30/min: s q r^2 / (2 (s - q)) = 126.75 vehicle min.
    x, turn = chain([2000.0, 2000.0], dt, capacity=[0.5, 0.5])
    steps = round(3600 / dt)
    begin, end = 600 + offset, 600 + offset + 390
    open_share = np.ones((steps, 2))
    for k in range(steps):
        open_share[k, 0] -= max(0.0, min(end, (k + 1) * dt) - max(begin, k * dt)) / dt
    run(x, turn, 3600, {0: 300 / 3600}, open_share)
    assert x.delay[0] / 60 == pytest.approx(126.75, rel=5e-3)


def test_a_point_queue_passes_its_capacity_and_keeps_the_delay():
    """Links of 60 m are shorter than u dt = 200 m: the bottleneck after them still lets 0.4 veh/s out."""
    x, turn = chain([1000.0, 60.0, 60.0, 1000.0])
    run(x, turn, 600, {0: 0.8})
    before = x.left.copy()
    run(x, turn, 100, {0: 0.8})
    np.testing.assert_allclose(x.left - before, 80.0, rtol=1e-9)
    x.outflow_capacity[2] = 0.4
    run(x, turn, 600, {0: 0.8})
    before = x.left.copy()
    run(x, turn, 100, {0: 0.8})
    assert (x.left - before)[2] == pytest.approx(40.0, rel=1e-9)
    assert x.started.sum() == pytest.approx(x.ended.sum() + (x.entered - x.left).sum(), abs=1e-9)


def theta_of(sending, capacity, fraction, receiving):
    n, m = fraction.shape
    theta = np.full(n, np.nan)
    node_model(n, m, sending, capacity, fraction, receiving, theta, np.zeros(m), np.zeros(n, np.bool_))
    return theta


@pytest.mark.parametrize(
    ("sending", "want"), [((0.5, 0.6), (0.4, 0.4)), ((0.2, 0.7), (0.2, 0.6)), ((0.3, 0.4), (0.3, 0.4))]
)
def test_merge_shares_the_room_by_capacity_and_gives_on_what_is_not_used(sending, want):
    # Daganzo's merge with equal priorities and R = 0.8: median of S_i, R - S_k, p_i R.
    s = np.array(sending)
    theta = theta_of(s, np.array([QC, QC]), np.ones((2, 1)), np.array([0.8]))
    np.testing.assert_allclose(theta * s, want, rtol=1e-12)


def test_diverge_is_first_in_first_out():
    # S = 0.8 split in half, R = (0.2, 0.8): the full branch holds back the other: theta = 0.2 / 0.4.
    theta = theta_of(np.array([0.8]), np.array([QC]), np.array([[0.5, 0.5]]), np.array([0.2, 0.8]))
    assert theta[0] == pytest.approx(0.5, rel=1e-12)


positive = st.floats(0.01, 1.0)


@settings(max_examples=100, deadline=None)
@given(
    sending=hnp.arrays(float, 3, elements=positive),
    share=hnp.arrays(float, (3, 3), elements=positive),
    receiving=hnp.arrays(float, 3, elements=positive),
    order=st.permutations(range(3)),
)
def test_node_model_respects_room_is_maximal_invariant_and_blind_to_order(sending, share, receiving, order):
    capacity = np.ones(3)
    fraction = share / share.sum(axis=1, keepdims=True)
    theta = theta_of(sending, capacity, fraction, receiving)
    flow = (theta * sending)[:, None] * fraction
    assert (flow.sum(axis=0) <= receiving * (1 + 1e-12)).all()
    assert ((theta > 0) & (theta <= 1)).all()
    # Who is held back meets a way out without room: nobody could send more.
    full = flow.sum(axis=0) >= receiving * (1 - 1e-9)
    assert (full.any() or (theta == 1).all()) and ((theta > 1 - 1e-12) | (fraction[:, full] > 0).any(axis=1)).all()
    # Raising the demand of a way in that is held back by room changes nothing (Tampere's invariance).
    held = theta < 1 - 1e-9
    more = np.where(held, 1.0, sending)
    np.testing.assert_allclose(theta_of(more, capacity, fraction, receiving) * more, theta * sending, rtol=1e-9)
    p = list(order)
    turned = theta_of(sending[p], capacity, np.ascontiguousarray(fraction[p]), receiving)
    np.testing.assert_allclose(turned, theta[p], rtol=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    sending=hnp.arrays(float, 4, elements=st.just(0.0) | positive),
    share=hnp.arrays(float, (4, 3), elements=st.just(0.0) | positive),
    receiving=hnp.arrays(float, 3, elements=st.just(0.0) | positive),
)
def test_ways_out_with_room_for_all_that_want_in_decide_nothing(sending, share, receiving):
    fraction = share / np.maximum(share.sum(axis=1, keepdims=True), 1.0)
    crowded = sending @ fraction > receiving
    theta = theta_of(sending, np.ones(4), fraction, receiving)
    some = theta_of(sending, np.ones(4), np.ascontiguousarray(fraction[:, crowded]), receiving[crowded])
    np.testing.assert_allclose(some, theta, rtol=1e-12, atol=1e-12)


def crossing(commodities, dt=10.0):
    """Two ways into a node, two out of it, each 1 km; commodity 0 leaves by the first, commodity 1 by the second."""
    tail, head = np.array([0, 1, 2, 2]), np.array([2, 2, 3, 4])
    one = np.ones(4)
    x = build_loading(tail, head, 5, 1000 * one, U * one, W * one, KJ * one, QC * one, dt=dt, commodities=commodities)
    return x


def test_vehicles_leave_in_the_order_in_which_they_entered():
    """200 s of commodity 0, then 200 s of commodity 1, through a queue: no 1 leaves before the last 0 has left."""
    x = crossing(2)
    share = np.array([[1.0, 1], [1, 1], [1, 0], [0, 1]])
    turn = movement_shares(x, share)
    x.outflow_capacity[0] = 0.3
    rates = np.zeros((5, 2))
    rates[0, 0] = 0.6
    run(x, turn, 200, rates)
    rates[0] = [0.0, 0.6]
    run(x, turn, 200, rates)
    rates[0] = 0.0
    for _ in range(100):
        run(x, turn, 10, rates)
        out = np.array([x.entered[2], x.entered[3]])
        assert out[1] < 1e-9 or out[0] == pytest.approx(120.0, abs=1e-9)
    assert out.tolist() == pytest.approx([120.0, 120.0], abs=1e-9)


def grid(n, commodities, load, seed=0, dt=10.0):
    """Two-way grid; each commodity goes to its own node by shares that favour short ways."""
    index = np.arange(n * n).reshape(n, n)
    a = np.concatenate([index[:, :-1].ravel(), index[:, 1:].ravel(), index[:-1].ravel(), index[1:].ravel()])
    b = np.concatenate([index[:, 1:].ravel(), index[:, :-1].ravel(), index[1:].ravel(), index[:-1].ravel()])
    m = len(a)
    rng = np.random.default_rng(seed)
    goal = rng.choice(n * n, commodities, replace=False)
    away = abs(np.arange(n * n)[:, None] // n - goal // n) + abs(np.arange(n * n)[:, None] % n - goal % n)
    weight = np.where(away[a] > away[b], rng.uniform(0.2, 1, (m, 1)), 0.0)
    total = np.zeros((n * n, commodities))
    np.add.at(total, a, weight)
    share = np.divide(weight, total[a], out=np.zeros_like(weight), where=total[a] > 0)
    one = np.ones(m)
    x = build_loading(
        a, b, n * n, rng.uniform(120, 600, m), 15 * one, 5 * one, 0.15 * one, 0.5 * one, dt=dt, commodities=commodities
    )
    rates = rng.uniform(0, load, (n * n, commodities)) / commodities
    rates[goal, np.arange(commodities)] = 0.0
    return x, movement_shares(x, share), rates, goal


@pytest.mark.parametrize("load", [0.02, 0.3])
def test_every_commodity_is_conserved_in_every_step_and_no_link_overflows(load):
    x, turn, rates, goal = grid(6, 5, load)
    demanded = np.zeros(5)
    for _ in range(60):
        run(x, turn, 100, rates)
        demanded += 100 * rates.sum(axis=0)
        held = commodity_on_links(x)
        np.testing.assert_allclose(held.sum(axis=1), x.entered - x.left, atol=1e-9)
        np.testing.assert_allclose(x.started.sum(axis=0) - x.ended.sum(axis=0), held.sum(axis=0), atol=1e-9)
        np.testing.assert_allclose(x.started.sum(axis=0) + x.queue.sum(axis=0), demanded, rtol=1e-12)
        assert (x.entered - x.left <= x.storage * (1 + 1e-9)).all()
        assert held.min() > -1e-9
    ended = x.ended.copy()
    ended[goal, np.arange(5)] = 0.0
    assert abs(ended).max() < 1e-9  # nobody ends elsewhere than at the own goal
    if load < 0.1:
        run(x, turn, 3600, np.zeros_like(rates))
        assert waiting(x) == 0.0
        np.testing.assert_allclose(x.ended.sum(axis=0), demanded, rtol=1e-9)


def test_the_state_carries_over_from_call_to_call():
    one, turn, rates, _ = grid(5, 3, 0.3)
    other = grid(5, 3, 0.3)[0]
    run(one, turn, 1800, rates)
    for _ in range(18):
        run(other, turn, 100, rates)
    for name in ("entered", "left", "queue", "ended", "delay", "jam_distance", "bin_mix"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_split_commodities_move_like_one():
    """Two commodities with the same ways and half the demand each: the same counts as one commodity."""
    x, turn = chain([600.0, 900.0, 400.0])
    y, turn2 = chain([600.0, 900.0, 400.0], commodities=2)
    x.outflow_capacity[2] = y.outflow_capacity[2] = 0.35
    run(x, turn, 1500, {0: 0.6})
    run(y, turn2, 1500, {0: 0.3})
    np.testing.assert_allclose(y.entered, x.entered, rtol=1e-12)
    np.testing.assert_allclose(y.left, x.left, rtol=1e-12)


def test_stagnation_is_the_share_of_distance_driven_in_the_queue():
    # In the stationary state of a full link all distance is driven in the queue; before the queue none is.
    x, turn = chain([1000.0, 1000.0])
    run(x, turn, 300, {0: 0.3})
    assert stagnation_share(x)[0] == 0.0
    x.outflow_capacity[0] = 0.2
    run(x, turn, 7200, {0: 0.3})
    x.jam_distance[:] = 0.0
    x.free_distance[:] = 0.0
    run(x, turn, 600, {0: 0.3})
    assert stagnation_share(x)[0] == pytest.approx(1.0, abs=1e-6)
    assert stagnation_share(x)[1] == 0.0
    # Waiting demand: 0.3 asked, 0.2 let in once the link is full.
    assert waiting(x) > 0.0

"""Signals, priority junctions and bridges against simulated queues with random arrivals and exact special cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.traffic import node_delay as nd
from kernels.traffic.link_transmission import advance, build_loading, movement_shares

CYCLE, GREEN, SATURATION = 60.0, 28.0, 0.5  # 14 vehicles per green


def simulated_signal(flow, cycles, seed):
    """Mean delay of Poisson arrivals at a fixed-time signal, vehicle by vehicle.

    One leaves per 1/s, the first half a headway into green, the last half a headway before its end.
    """
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / flow, int(flow * cycles * CYCLE)))
    free_at, total, half = 0.0, 0.0, 0.5 / SATURATION
    for arrival in arrivals:
        start = max(arrival, free_at)
        into = start % CYCLE
        if into < half:
            start += half - into
        elif into > GREEN - half:
            start += CYCLE - into + half
        total += start - arrival
        free_at = start + 1 / SATURATION
    return total / len(arrivals)


@pytest.mark.parametrize("x", [0.4, 0.6, 0.8])
def test_webster_is_within_ten_percent_of_a_simulated_signal(x):
    flow = x * SATURATION * GREEN / CYCLE
    simulated = np.mean([simulated_signal(flow, 4000, seed) for seed in range(3)])
    assert nd.webster_delay(flow, SATURATION, GREEN, CYCLE) == pytest.approx(simulated, rel=0.10)


@pytest.mark.parametrize("x", [0.3, 0.5, 0.7, 0.85])
def test_signal_delay_is_within_ten_percent_of_webster_below_saturation(x):
    flow = x * SATURATION * GREEN / CYCLE
    delay = nd.signal_delay(flow, SATURATION, GREEN, CYCLE, 3600.0, nd.FIXED_TIME)
    assert delay == pytest.approx(nd.webster_delay(flow, SATURATION, GREEN, CYCLE), rel=0.10)


def test_signal_delay_far_above_capacity_is_the_deterministic_queue():
    # x = 1.5 for T = 3600 s: the last vehicle waits (x - 1) T, the mean is half; red adds C (1 - g) / 2.
    room = SATURATION * GREEN / CYCLE
    delay = nd.signal_delay(1.5 * room, SATURATION, GREEN, CYCLE, 3600.0, nd.FIXED_TIME)
    assert delay == pytest.approx(900.0 + 0.5 * (CYCLE - GREEN), rel=0.02)


@settings(max_examples=50, deadline=None)
@given(one=st.floats(0.001, 1.0), other=st.floats(0.001, 1.0), k=st.floats(0.04, 0.5))
def test_delays_rise_with_flow(one, other, k):
    low, high = min(one, other), max(one, other)
    assert nd.signal_delay(low, 0.5, 27.0, 60.0, 900.0, k) <= nd.signal_delay(high, 0.5, 27.0, 60.0, 900.0, k) + 1e-9
    assert nd.priority_delay(low, 0.3, 900.0) <= nd.priority_delay(high, 0.3, 900.0) + 1e-9
    assert nd.priority_capacity(high, 6.0, 3.0) <= nd.priority_capacity(low, 6.0, 3.0) + 1e-12


def test_link_transmission_through_a_signal_gives_the_uniform_delay():
    # Regular arrivals have no random part: C (1 - g)^2 / (2 (1 - q / s)), here with sub-steps that cut the green.
    one = np.ones(2)
    x = build_loading(
        np.array([0, 1]), np.array([1, 2]), 3, 1500 * one, 15 * one, 5 * one, 0.2 * one, 0.5 * one, dt=5.0
    )
    turn, demand = movement_shares(x, np.ones((2, 1))), np.array([[0.15], [0.0], [0.0]])
    steps = 40 * 12
    open_share = np.ones((steps, 2))
    open_share[:, 0] = nd.open_share_of_cycle(3.0, GREEN, CYCLE, 5.0, steps)
    assert open_share[:, 0].sum() * 5.0 == pytest.approx(40 * GREEN)
    advance(x, turn, demand, open_share, steps)
    x.delay[:] = 0.0
    before = x.left[0]
    advance(x, turn, demand, open_share, steps)
    uniform = CYCLE * (1 - GREEN / CYCLE) ** 2 / (2 * (1 - 0.15 / 0.5))
    assert x.delay[0] / (x.left[0] - before) == pytest.approx(uniform, rel=0.01)


def test_webster_timing_has_less_delay_than_its_neighbours():
    ratio = np.array([0.35, 0.2])
    green = np.zeros(2)
    cycle = nd.webster_timing(ratio, 10.0, 30.0, 150.0, green)
    assert cycle == pytest.approx(20 / 0.45)
    assert green.sum() == pytest.approx(cycle - 10.0)

    def total(c):
        share = (c - 10.0) * ratio / ratio.sum()
        return sum(y * nd.webster_delay(y * 0.5, 0.5, g, c) for y, g in zip(ratio, share))

    assert total(cycle) < min(total(0.75 * cycle), total(1.5 * cycle))


@pytest.mark.parametrize("ratio", [(0.6, 0.1), (0.5, 0.2), (0.1, 0.45)])
def test_an_actuated_signal_delays_no_more_than_equal_fixed_greens(ratio):
    """Asymmetric flows on a signal set for symmetric ones: reacting to the vehicles never costs delay."""
    y, green = np.array(ratio), np.zeros(2)
    cycle = nd.actuated_timing(y, 8.0, 6.0, 60.0, 0.92, green)
    assert cycle == pytest.approx(8.0 + green.sum(), rel=1e-6)
    fixed_cycle = 80.0
    fixed = sum(v * nd.signal_delay(v * 0.5, 0.5, 36.0, fixed_cycle, 900.0, nd.FIXED_TIME) for v in y)
    actuated = sum(v * nd.signal_delay(v * 0.5, 0.5, g, cycle, 900.0, 0.3) for v, g in zip(y, green))
    assert actuated < fixed


def test_gap_acceptance_agrees_with_simulated_gaps():
    """Poisson main stream: a gap of h lets floor((h - t_c) / t_f) + 1 vehicles in, if h >= t_c."""
    gaps = np.random.default_rng(4).exponential(1 / 0.2, 400_000)
    entering = np.where(gaps >= 6.0, np.floor((gaps - 6.0) / 3.0) + 1, 0).sum() / gaps.sum()
    assert nd.priority_capacity(0.2, 6.0, 3.0) == pytest.approx(entering, rel=0.01)
    assert nd.priority_capacity(0.0, 6.0, 3.0) == pytest.approx(1 / 3)


def test_a_bridge_costs_the_area_between_arrivals_and_departures():
    # r = 390 s, q = 300/h, s = 1800/h: 126.75 vehicle minutes per opening, once an hour over 300 vehicles.
    delay = nd.bridge_delay(300 / 3600, 0.5, 390.0, 3600.0)
    assert delay * 300 / 60 == pytest.approx(126.75)
    assert nd.bridge_delay(0.48, 0.5, 390.0, 3600.0) == np.inf


@pytest.mark.parametrize(("one", "other"), [(0.1, 0.1), (0.25, 0.15), (0.4, 0.1), (0.3, 0.3), (0.45, 0.3)])
def test_actuated_delay_obeys_the_pseudo_conservation_law_of_polling(one, other):
    # A signal that serves each of two queues until it is empty, switching takes r = 8 s in all, Poisson arrivals,
    # service b = 1 / s: sum rho_i W_i = rho lambda b^2 / (2 (1 - rho)) + rho r / 2
    #                                    + r (rho^2 - sum rho_i^2) / (2 (1 - rho))   (Watson 1984)
    s, b, lost, rho = 0.5, 2.0, 8.0, one + other
    law = rho * rho * s * b * b / (2 * (1 - rho)) + rho * lost / 2
    law += lost * (rho**2 - one**2 - other**2) / (2 * (1 - rho))
    green = np.zeros(2)
    cycle = nd.actuated_timing(np.array([one, other]), lost, 0.01, 60.0, 0.95, green)
    waits = [nd.actuated_delay(y * s, s, g, cycle, 60.0, 3600.0) for y, g in zip((one, other), green)]
    assert one * waits[0] + other * waits[1] == pytest.approx(law, rel=0.1)


def test_actuated_delay_is_finite_and_rises_with_flow():
    d = [nd.actuated_delay(q / 3600, 0.5, 20.0, 60.0, 40.0, 3600.0) for q in np.linspace(0, 3000, 200)]
    assert np.isfinite(d).all()
    assert (np.diff(d) > 0).all()

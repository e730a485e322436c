"""The engine: order, errors that name the fix, conservation between rates, lag, counter-based random numbers."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import Clock, Moment
from twin.component import Component, In, InOut, Out, Static
from twin.errors import BudgetError, ConfigError, UnitError, WiringError
from twin.ledger import Ledger
from twin.wiring import Wiring

START = datetime(2023, 1, 2, tzinfo=UTC)


class Fast(Component):
    every = 300
    rate = Out("fast_rate", ("place",), "kW", "a rate that changes each step")

    def step(self, s, clock):
        s.rate[:] = clock.rng().random(len(s.rate))


class Slow(Component):
    every = 3600
    rate = In("fast_rate", ("place",), "kW", over="mean")
    total = InOut("slow_energy", ("place",), "kWh", "sum over time of the rate")

    def step(self, s, clock):
        s.total += s.rate * clock.hours


class First(Component):
    seen = In("second_value", (), "1", lag=True)
    value = Out("first_value", (), "1", "what second had a tick ago")

    def step(self, s, clock):
        s.value[...] = s.seen


class Second(Component):
    seen = In("first_value", (), "1")
    value = Out("second_value", (), "1", "counts up")

    def step(self, s, clock):
        s.value[...] = s.seen + 1


class Nolag(Component):
    seen = In("second_value", (), "1")
    value = Out("first_value", (), "1", "waits for second")


class Alone(Component):
    value = Out("first_value", (), "1", "the same name twice")


class Feet(Component):
    rate = In("fast_rate", ("place",), "MW")


class Odd(Component):
    value = Out("odd", (), "furlong", "unknown unit")


class Needs(Component):
    length = Static("roads/length", ("road_link",), "km")


def tree():
    return xr.DataTree.from_dict(
        {
            "zones": xr.Dataset({"weight": ("place", np.ones(3), {"units": "1"})}),
            "roads": xr.Dataset({"length": ("road_link", np.ones(2), {"units": "m"})}),
        }
    )


def drive(wiring, clock, ticks, seed=1):
    ledger = Ledger()
    for tick in range(ticks):
        wiring.latch()
        for c in wiring.order:
            name = c.name()
            wiring.accumulate(name)
            if not clock.due(name, tick):
                continue
            wiring.complete(name, clock.every[name])
            start, seconds = clock.interval(name, tick)
            c.step(wiring.slots[name], Moment(start, seconds, tick, 0, seed, name, ledger))
            wiring.clear(name)


@settings(max_examples=10, deadline=None)
@given(hours=st.integers(1, 24), fast=st.sampled_from([60, 300, 450, 900, 3600]))
def test_conservation_from_fast_to_slow(hours, fast):
    # sum over ticks of rate * dt must equal what the slow component accumulated from interval means
    Fast.every = fast
    wiring = Wiring([Slow(), Fast()], tree())
    clock = Clock(START, START + timedelta(hours=hours), {"fast": fast, "slow": 3600})
    drive(wiring, clock, clock.ticks)
    want = np.zeros(3)
    for tick in range(clock.ticks):
        if clock.due("fast", tick):
            want += Moment(START, fast, tick, 0, 1, "fast", Ledger()).rng().random(3) * fast / 3600
    np.testing.assert_allclose(wiring.arrays["slow_energy"], want, rtol=1e-12)


def test_order_is_independent_of_the_listing():
    one = Wiring([Fast(), Slow()], tree())
    two = Wiring([Slow(), Fast()], tree())
    assert [c.name() for c in one.order] == [c.name() for c in two.order] == ["fast", "slow"]


def test_lag_reads_the_tick_before():
    # second(n) = first(n) + 1, first(n) = second(n - 1): second counts 1, 2, 3 ...
    wiring = Wiring([First(), Second()], tree())
    clock = Clock(START, START + timedelta(hours=5), {"first": 3600, "second": 3600})
    drive(wiring, clock, 5)
    assert wiring.arrays["second_value"] == 5


def test_inputs_are_read_only_and_state_is_the_same_memory():
    world = tree()
    wiring = Wiring([Fast(), Slow()], world)
    wiring.arrays["slow_energy"][0] = 7
    assert world["state/slow_energy"].values[0] == 7
    with pytest.raises(ValueError, match="read-only"):
        wiring.slots["slow"].rate[0] = 1


@pytest.mark.parametrize(
    ("components", "error", "says"),
    [
        ([Nolag, Second], WiringError, "lag=True"),
        ([First, Alone, Second], WiringError, "written by both"),
        ([Fast, Feet], UnitError, "'MW'"),
        ([Slow], WiringError, "no component writes"),
        ([Odd], UnitError, "furlong"),
        ([Needs], UnitError, "declared 'km'"),
        ([Fast, Fast], WiringError, "twice"),
    ],
)
def test_errors_name_the_fix(components, error, says):
    with pytest.raises(error, match=says):
        Wiring([c() for c in components], tree())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from([60, 120, 300, 600, 900, 1800, 3600]), min_size=1, max_size=4),
    st.integers(1, 48),
)
def test_clock_covers_the_run_without_gap_or_overlap(steps, hours):
    named = {f"c{i}": s for i, s in enumerate(steps)}
    clock = Clock(START, START + timedelta(hours=hours), named)
    for name, step in named.items():
        ends = START
        for tick in range(clock.ticks):
            if clock.due(name, tick):
                start, seconds = clock.interval(name, tick)
                assert start == ends
                assert seconds == step
                ends = start + timedelta(seconds=seconds)
        assert ends == clock.stop


def test_clock_refuses_a_run_that_leaves_an_interval_open():
    with pytest.raises(ConfigError, match="multiple"):
        Clock(START, START + timedelta(minutes=90), {"a": 3600})


def test_local_and_standard_time_differ_in_summer():
    moment = Moment(datetime(2023, 7, 1, 12, tzinfo=UTC), 3600, 0, 0, 1, "x", Ledger())
    assert (moment.local.hour, moment.standard.hour) == (14, 13)
    winter = Moment(datetime(2023, 1, 1, 12, tzinfo=UTC), 3600, 0, 0, 1, "x", Ledger())
    assert winter.local.hour == winter.standard.hour == 13


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=30))
def test_ledger_closes_when_all_is_taken_and_only_then(amounts):
    book = Ledger()
    for a in amounts:
        book.give("energy", a, "kWh")
    for a in reversed(amounts):
        book.take("energy", a, "kWh")
    book.settle("the end")
    book.give("energy", 1e-6 * sum(amounts), "kWh")
    with pytest.raises(BudgetError, match="energy at the end"):
        book.settle("the end")


def test_ledger_refuses_a_balance_that_does_not_close_and_mixed_units():
    book = Ledger()
    assert book.balance("n", inflow=3.0, outflow=1.0, change=2.0, units="mol") == 0
    with pytest.raises(BudgetError, match="does not close"):
        book.balance("n", inflow=3.0, outflow=1.0, change=1.9, units="mol", tolerance=1e-3)
    with pytest.raises(UnitError):
        book.balance("n", inflow=0.0, outflow=0.0, units="kg")
    with pytest.raises(BudgetError, match="finite"):
        book.give("n", float("nan"), "mol")


def test_ledger_state_round_trip():
    book = Ledger()
    book.give("energy", 0.1, "kWh")
    book.balance("n", inflow=0.3, outflow=0.1, change=0.2, units="mol")
    again = Ledger()
    again.restore(book.state())
    assert again.state() == book.state()

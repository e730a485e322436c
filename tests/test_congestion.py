"""Congestion records: hand-counted cases, independence of how steps are divided, monotone in the load."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.power.congestion import age
from twin.analysis.congestion import congestion_of

RATED = np.array([2e6, 4e6])
TRANSFORMER = np.array([True, False])


def record(loading, voltage=None, hours=None, cuts=()):
    loading = np.asarray(loading, float)
    voltage = np.ones((len(loading), 1)) if voltage is None else np.asarray(voltage, float)
    hours = np.ones(len(loading)) if hours is None else hours
    slabs = [(loading[a:b], voltage[a:b]) for a, b in zip((0, *cuts), (*cuts, len(loading)), strict=True) if b > a]
    return congestion_of(iter(slabs), hours, RATED, TRANSFORMER, 20.0)


def test_hours_runs_and_energy_counted_by_hand():
    # Asset 0 over its 2 MVA in steps 1, 2, 4, 5, 6 (of which 4 and 5 above 1.2); step 3 is full, not over.
    # Energy: (0.1 + 0.2 + 0.5 + 0.3 + 0.01) x 2 MVA x 1 h = 2.22 MVA h; longest run 3 h.
    first = [0.5, 1.1, 1.2, 1.0, 1.5, 1.3, 1.01, 0.2]
    table = record(np.column_stack((first, np.full(8, 0.9))))
    assert table["overloaded_hours"].values.tolist() == [5, 0]
    assert table["heavily_overloaded_hours"].values.tolist() == [2, 0]
    assert table["longest_overload"].values.tolist() == [3, 0]
    np.testing.assert_allclose(table["not_transportable"].values, [2.22, 0], rtol=1e-12)
    assert table["highest_loading"].values.tolist() == [1.5, 0.9]


def test_quarter_hours_count_as_quarters():
    table = record(np.full((6, 2), 1.3), hours=np.full(6, 0.25))
    assert table["longest_overload"].values.tolist() == [1.5, 1.5]
    np.testing.assert_allclose(table["not_transportable"].values, 0.3 * 1.5 * RATED / 1e6, rtol=1e-12)


def test_steps_not_solved_count_for_nothing_and_are_told():
    table = record([[1.1, 0.5], [np.nan, np.nan], [1.1, 0.5]], [[0.85], [np.nan], [1.12]])
    assert table["overloaded_hours"].values.tolist() == [2, 0]
    assert table["longest_overload"].values.tolist() == [1, 0]
    assert table["unknown_hours"].values.tolist() == [1, 1]
    assert table["unknown_voltage_hours"].item() == 1
    assert (table["low_voltage_hours"].item(), table["high_voltage_hours"].item()) == (1, 1)
    assert (table["lowest_voltage"].item(), table["highest_voltage"].item()) == (0.85, 1.12)
    never = record(np.full((2, 2), np.nan), np.full((2, 1), np.nan))
    assert np.isnan(never["highest_loading"]).all() and np.isnan(never["lowest_voltage"]).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_the_record_does_not_depend_on_how_steps_are_divided(seed, cuts):
    rng = np.random.default_rng(seed)
    loading, voltage = rng.uniform(0, 2, (40, 2)), rng.uniform(0.8, 1.2, (40, 1))
    loading[rng.random((40, 2)) < 0.1] = np.nan
    assert record(loading, voltage).identical(record(loading, voltage, cuts=tuple(sorted(cuts))))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), more=st.floats(1, 3))
def test_more_load_never_relieves_an_asset(seed, more):
    loading = np.random.default_rng(seed).uniform(0, 1.5, (30, 2))
    low, high = record(loading), record(more * loading)
    for name in ("overloaded_hours", "heavily_overloaded_hours", "longest_overload", "not_transportable"):
        assert (high[name] >= low[name] - 1e-12).all(), name


def test_a_transformer_ages_as_fast_as_time_at_its_rating_in_20_degrees():
    # Hot spot at rating: 20 + 55 + 23 = 98 degC, the reference; 6 K warmer ages twice as fast.
    aged = np.zeros(1)
    age(np.ones((1, 3)), np.full(3, 20.0), np.full(3, 0.5), aged)
    assert aged[0] == pytest.approx(1.5, rel=1e-12)
    age(np.ones((1, 1)), np.array([26.0]), np.ones(1), aged)
    assert aged[0] == pytest.approx(3.5, rel=1e-12)
    assert np.isnan(record(np.ones((2, 2)))["life_used"].values[1])

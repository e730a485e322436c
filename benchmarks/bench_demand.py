"""An hour of electricity demand of a province of 100,000 buses: diversity of a day, heat pumps, charging."""

import numpy as np
import pytest

from kernels.power.congestion import accumulate_loading
from kernels.power.demand import HOURS, diversity, home_distance
from kernels.power.heat import heat_pump_power
from kernels.power.sessions import charge_to_level

BUSES, ORIGINS = 100_000, 1300
PROFILE = np.full(HOURS, 1 / HOURS)


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(7)


def test_diversity_of_a_day(benchmark, rng):
    homes, factor = rng.uniform(1, 200, BUSES), np.empty((HOURS, BUSES))
    benchmark(diversity, homes, PROFILE, 738_000, 1, 2.1, factor)
    np.testing.assert_allclose(PROFILE @ factor, 1, rtol=1e-12)


def test_heat_pumps(benchmark, rng):
    heat, out = rng.uniform(0, 50, BUSES), np.empty(BUSES)
    benchmark(heat_pump_power, heat, -3.0, 2.6, 0.09, 1.6, 5.0, -7.0, out)
    np.testing.assert_allclose(out, heat / (2.6 - 0.27), rtol=1e-12)


def test_kilometres_of_residents(benchmark, rng):
    trips, distance, out = rng.random((ORIGINS, ORIGINS)), rng.random((ORIGINS, ORIGINS)), np.empty(ORIGINS)
    benchmark(home_distance, trips, distance, 0.5, out)
    assert out.sum() == pytest.approx((trips * distance).sum(), rel=1e-12)


def test_charging_to_a_level(benchmark, rng):
    groups, cars = 5000, 20
    start = np.arange(0, groups * cars + 1, cars)
    forecast, owed = rng.uniform(20, 200, (groups, HOURS)), np.zeros(groups * cars)
    power, weight, since = np.full(owed.size, 11.0), np.ones(owed.size), np.zeros(owed.size)
    until, charged, scratch = rng.uniform(0, 16, owed.size), np.empty(owed.size), np.empty((3, HOURS))
    due = rng.uniform(0, 30, owed.size)

    def hour():
        owed[:] = due
        charge_to_level(start, forecast, 1.0, power, weight, since, until, owed, 0.0, *scratch, charged)

    benchmark(hour)
    np.testing.assert_allclose(owed + charged, due, rtol=1e-12)


def test_congestion_of_a_week(benchmark, rng):
    loading, rated, hours = rng.uniform(0, 1.5, (10_000, 168)), np.full(10_000, 0.4), np.ones(168)

    def week():
        records = [np.zeros(10_000) for _ in range(7)]
        accumulate_loading(loading, rated, hours, *records)
        return records

    full = benchmark(week)[0]
    np.testing.assert_array_equal(full, (loading > 1).sum(axis=1))

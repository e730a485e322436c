"""An hour of electricity demand of a province of 100,000 buses: diversity of a day, heat pumps, charging."""

import numpy as np
import pytest

from kernels.power.congestion import accumulate_loading
from kernels.power.demand import HOURS, charge_in_valleys, diversity, heat_pump_power, home_distance

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


def test_charging_in_valleys(benchmark, rng):
    groups, rows = 5000, 4
    start = np.arange(0, groups * rows + 1, rows)
    forecast, driven = rng.uniform(20, 200, (groups, HOURS)), rng.uniform(0, 3, groups * rows)
    owed, charged, level = np.zeros(groups * rows), np.zeros(groups * rows), np.zeros(HOURS)

    def hour():
        owed[:] = 0
        charge_in_valleys(owed, driven, start, forecast, 0.3, 1.0, level, charged)

    benchmark(hour)
    np.testing.assert_allclose(owed + charged, driven, rtol=1e-12)


def test_congestion_of_a_week(benchmark, rng):
    loading, rated, hours = rng.uniform(0, 1.5, (168, 10_000)), np.full(10_000, 0.4), np.ones(168)

    def week():
        records = [np.zeros(10_000) for _ in range(7)]
        accumulate_loading(loading, rated, hours, *records)
        return records

    full = benchmark(week)[0]
    np.testing.assert_array_equal(full, (loading > 1).sum(axis=0))

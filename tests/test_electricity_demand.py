"""Demand: yearly energy kept, coincidence that falls with the number of homes, heat by temperature, sun, time base."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.power.demand import diversity
from kernels.power.heat import heat_pump_power
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.demand import Demand
from twin.components.profile_rows import hour_of_year
from twin.ledger import Ledger
from twin.wiring import Wiring

START = datetime(2023, 1, 1, tzinfo=UTC) - timedelta(hours=1)  # midnight of the profiles' first day, UTC+1
DAY = 1.0 + 0.9 * np.cos(2 * np.pi * (np.arange(24) - 18) / 24)
SHAPE = np.tile(DAY, 365) * (1 + 0.2 * np.cos(2 * np.pi * np.arange(8760) / 8760))
SHAPE /= SHAPE.sum()


class GivenCharging(Component):
    """Stands for the charging component."""

    power = Out("charging_power", ("bus",), "kW", "charging")


def world(homes, *, heat=None, pv=None, work=None, temperature=None, radiation=None, hours=8760):
    n = len(homes)
    zero = np.zeros(n)
    power = {
        "dwellings": (np.array(homes, float), "1"),
        "household_energy": (2500.0 * np.array(homes, float), "kWh yr-1"),
        "heat_demand": (zero if heat is None else np.array(heat, float), "kWh yr-1"),
        "pv_capacity": (zero if pv is None else np.array(pv, float), "kW"),
        "service_energy": (zero if work is None else np.array(work, float), "kWh yr-1"),
        "industry_energy": (zero.copy(), "kWh yr-1"),
        "heat_pumps": (np.array(homes, float), "1"),
        "bus_x": (np.full(n, 130_000.0), "m"),
        "bus_y": (np.full(n, 450_000.0), "m"),
    }
    data = {k: ("bus", v, {"units": u}) for k, (v, u) in power.items()}
    data |= {
        f"profile_{k}": ("profile_hour", SHAPE, {"units": "1"}) for k in ("household", "service", "industry", "heat")
    }
    weather = {
        "temperature": (
            "weather_time",
            np.full(hours, 10.0) if temperature is None else temperature,
            {"units": "degC"},
        ),
        "global_radiation": ("weather_time", np.zeros(hours) if radiation is None else radiation, {"units": "W m-2"}),
    }
    return xr.DataTree.from_dict({"power": xr.Dataset(data), "weather": xr.Dataset(weather)})


def wired(tree, seed=1, **options):
    """A function that steps the hour k after START and returns the slot."""
    component = Demand(Demand.Options(**options))
    wiring = Wiring([GivenCharging(), component], tree)
    slot: SimpleNamespace = wiring.slots["demand"]
    component.setup(slot, tree)
    ledger = Ledger()

    def step(k, charging=0.0):
        wiring.arrays["charging_power"][:] = charging
        component.step(slot, Moment(START + timedelta(hours=k), 3600, k, k % 8760, seed, "demand", ledger))
        return slot

    step.ledger = ledger
    return step


def loads(tree, hours, **options):
    step = wired(tree, **options)
    return np.array([step(k).load.copy() for k in hours])


def test_the_year_adds_up_to_the_yearly_energy_whatever_the_number_of_homes():
    tree = world([1, 7, 180, 5000], work=[0, 0, 1e5, 0])
    step = wired(tree)
    total = np.zeros(4)
    for k in range(8760):
        total += step(k).load
    want = 2500.0 * np.array([1, 7, 180, 5000]) + [0, 0, 1e5, 0]
    np.testing.assert_allclose(total, want, rtol=1e-9)
    assert step.ledger.transfers["bus_energy"].given == pytest.approx(want.sum(), rel=1e-9)


def test_coincidence_falls_with_the_number_of_homes():
    # Bands of general knowledge for 2,500 kWh homes: about 2 kW each for 10 homes, 1 kW for 180, 0.75 kW for 10,000.
    # 200 groups of each size are drawn, so that the mean of their yearly peaks is known to a few per cent.
    tree = world(np.repeat([10.0, 180.0, 10_000.0], 40))
    all_loads = loads(tree, range(0, 24 * 60)) / np.repeat([10.0, 180.0, 10_000.0], 40)
    peak = all_loads.max(axis=0).reshape(3, 40).mean(axis=1)
    assert peak[0] > 1.5 * peak[1] > 1.5 * peak[2]
    assert 1.4 < peak[0] < 3.0 and 0.75 < peak[1] < 1.25 and 0.55 < peak[2] < 0.85


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**62), homes=st.floats(0.1, 1e5), spread=st.floats(0, 3))
def test_a_day_keeps_its_energy_and_no_hour_is_negative(seed, homes, spread):
    factor = np.empty((24, 2))
    diversity(np.array([homes, 0.0]), DAY / DAY.sum(), 738_000, seed, spread, factor)
    assert (factor > 0).all() and (factor[:, 1] == 1).all()
    assert DAY / DAY.sum() @ factor[:, 0] == pytest.approx(1, rel=1e-12)


def test_diversity_follows_the_square_root_law():
    # Coefficient of variation spread / sqrt(n), over many buses of one hour (Rusck, Velander); flat profile.
    buses = 4000
    factor = np.empty((24, buses))
    for n in (16.0, 400.0):
        diversity(np.full(buses, n), np.full(24, 1 / 24), 7, 5, 2.0, factor)
        # the scaling to the day's energy takes out 1/24 of the variance
        assert factor.std() == pytest.approx(2.0 / np.sqrt(n) * np.sqrt(23 / 24), rel=0.05)


def test_homes_added_at_one_bus_leave_the_others_bit_identical():
    before = loads(world([50, 20, 300]), range(48))
    after = loads(world([50, 90, 300]), range(48))
    np.testing.assert_array_equal(before[:, [0, 2]], after[:, [0, 2]])
    assert after[:, 1].sum() > before[:, 1].sum()
    np.testing.assert_array_equal(before, loads(world([50, 20, 300]), range(48)))


def test_a_day_is_the_same_wherever_a_run_begins():
    tree = world([30, 200])
    np.testing.assert_array_equal(loads(tree, range(24, 72))[24:], loads(tree, range(48, 72)))


def test_another_seed_gives_another_day():
    tree = world([30])
    assert not np.array_equal(loads(tree, range(24)), loads(tree, range(24), seed=2))


def test_profiles_are_read_in_standard_time_summer_and_winter():
    # The shape peaks at 18 h of UTC+1, which is 17 h UTC, also on 10 July (summer time would be 16 h UTC).
    tree = world([1e9])
    for first in (24 * 20, 24 * 190):
        day = loads(tree, range(first, first + 24), spread=0)[:, 0]
        hour = (START + timedelta(hours=first + int(day.argmax()))).hour
        assert hour == 17


def test_leap_day_and_year_ends_have_a_row():
    assert hour_of_year(1, 1, 0) == 0 and hour_of_year(12, 31, 23) == 8759
    assert hour_of_year(2, 29, 5) == hour_of_year(2, 28, 5) and hour_of_year(3, 1, 0) == 59 * 24


@pytest.mark.parametrize(
    ("temperature", "per_heat"),
    [
        (10.0, 1 / 3.5),  # COP 2.6 + 0.09 T
        (40.0, 1 / 5.0),  # at most 5
        (-7.0, 1 / 1.97),  # bivalence point: no backup yet
        # At -10 degC COP = 1.7; the pump gives 1.7 / 1.97 of the heat, an element the rest:
        (-10.0, 1 / 1.97 + (1 - 1.7 / 1.97)),
    ],
)
def test_heat_pumps_draw_heat_over_cop_with_backup_below_the_bivalence_point(temperature, per_heat):
    out = np.empty(2)
    heat_pump_power(np.array([1000.0, 0.0]), temperature, 2.6, 0.09, 1.6, 5.0, -7.0, out)
    np.testing.assert_allclose(out, [1000 * per_heat, 0], rtol=1e-12)


def test_the_colder_the_more_heat_pump_power():
    out, last = np.empty(1), 0.0
    for t in np.arange(30, -20, -0.5):
        heat_pump_power(np.ones(1), t, 2.6, 0.09, 1.6, 5.0, -7.0, out)
        assert out[0] >= last
        last = out[0]


def test_temperature_and_sun_of_the_hour_reach_the_load():
    cold = loads(world([0.0], heat=[1000.0], temperature=np.full(8760, -5.0)), range(24))
    mild = loads(world([0.0], heat=[1000.0], temperature=np.full(8760, 15.0)), range(24))
    np.testing.assert_allclose(cold / mild, (2.6 + 0.09 * 15) / (2.6 - 0.09 * 5), rtol=1e-12)
    sun = np.zeros(8760)
    sun[12] = 800.0
    # flat roof at 10 degC: 800 W/m2, cell 10 + 0.03 x 800 = 34 degC, 0.4 % per K above 25
    flat = {"roofs": ((180.0, 0.0, 1.0),), "system": 0.75}
    net = loads(world([0.0], pv=[100.0], radiation=sun), range(24), **flat)[:, 0]
    assert net[12] == pytest.approx(-100 * 0.8 * 0.75 * (1 - 0.004 * 9))
    assert not np.delete(net, 12).any()


def test_charging_adds_to_the_load_bus_by_bus_and_is_booked():
    tree = world([10, 20])
    without, step = loads(tree, [5])[0], wired(tree)
    slot = step(5, np.array([3.0, 0.5]))
    np.testing.assert_allclose(slot.load - without, [3.0, 0.5], rtol=1e-12)
    assert step.ledger.transfers["charging_energy"].taken == pytest.approx(3.5)

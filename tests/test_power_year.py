"""A year of quarter-hours: energy kept, threads without effect, shifting, monotone overload, the component's load."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from kernels.jit import set_threads, threads
from kernels.power.load_day import load_day
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.demand import Demand
from twin.errors import ConfigError
from twin.ledger import Ledger
from twin.power.year import FIXED, YearOptions, _Day, _Stored, power_year
from twin.wiring import Wiring
from twin.world.feeders import feeders_of
from twin.world.power import NetworkRules, Places, synthesise
from twin.world.synthetic import SyntheticWorld, _profiles, _weather


@pytest.fixture(scope="module")
def world():
    """Two places, 540 homes in low-voltage detail; transformers and cables thin, so that cars can overload them."""
    one = np.ones(2)
    homes = np.array([360.0, 180.0])
    places = Places(
        x=120_000 + np.array([0.0, 2500.0]), y=450_000 * one, radius=400 * one, dwellings=homes,
        multi_family=0.4 * homes, household_energy=2600.0 * homes, heat_pumps=0.2 * homes, heat_demand=1500.0 * homes,
        pv_capacity=0.9 * homes, jobs=200.0 * one, service_energy=800_000.0 * one, industry_energy=100_000.0 * one,
    )  # fmt: skip
    synthetic = SyntheticWorld()
    weather = _weather(synthetic)
    power = synthesise(
        places, np.array([121_000.0]), np.array([451_000.0]), ["one"], _profiles(synthetic, weather),
        origin_x=places.x, origin_y=places.y, inside=np.ones(2, bool), detailed=(0, 1),
        rules=NetworkRules(station_filling=1.0),
    )  # fmt: skip
    return power, weather


PLAIN = Demand.Options()
OTHERS = [
    Demand.Options(cop="ground", sink="floor"),
    Demand.Options(cop="air", heat_inertia=3.0, hot_water_tank=4.0),
    Demand.Options(heating_limit=15.0, hot_water_sink=60.0, building_mass=8.0, ground_share=0.5, night_setback=0.3),
]


def with_new_homes(power):
    """The group with new all-electric homes at three buses, hot water by a profile of its own."""
    n = power.sizes["bus"]
    at = np.flatnonzero(power["dwellings"].values > 0)[[3, 40, 41]]
    homes = np.zeros(n)
    homes[at] = [20.0, 5.0, 11.0]
    hours = np.arange(8760)
    water = np.where(hours % 24 == 7, 3.0, 1.0)
    return power.assign(
        floor_heat_pumps=("bus", homes), floor_heat_demand=("bus", 3600 * homes),
        hot_water_demand=("bus", 2400 * homes), profile_hot_water=("profile_hour", water / water.sum()),
    )  # fmt: skip


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("options", [PLAIN, *OTHERS])
def test_the_load_of_a_day_is_that_of_the_component(world, options, new):
    power, weather = world
    if new:
        power = with_new_homes(power)
    tree = xr.DataTree.from_dict({"power": power, "weather": weather})

    class NoCharging(Component):
        """Stands for the charging component."""

        power = Out("charging_power", ("bus",), "kW", "charging")

    component = Demand(options)
    wiring = Wiring([NoCharging(), component], tree)
    slot: SimpleNamespace = wiring.slots["demand"]
    component.setup(slot, tree)
    wiring.arrays["charging_power"][:] = 0
    o = YearOptions(steps_per_hour=1, seed=7, demand=options)
    buses = power.sizes["bus"]
    shapes_of = _Day(o, power, weather)
    stored = _Stored(o, power, weather, shapes_of)
    for number in (20, 21, 180):
        day = datetime(2023, 1, 1) + timedelta(days=number)
        shapes, _ = shapes_of.shapes(day.date())
        load, reactive, curtailed = np.zeros((buses, 24)), np.zeros((buses, 24)), np.zeros(buses)
        tangent = np.sqrt(1 / 0.97**2 - 1)
        fixed = [power[k].values * (not (stored.evened and k == "heat_demand")) for k in FIXED]
        load_day(day.toordinal(), 7, 2.1, *fixed, *shapes, tangent, load, reactive, curtailed)
        stored.add(day.date(), shapes_of.weather_rows(day.date()), load, reactive, tangent)
        for h in range(24):
            start = day.replace(tzinfo=UTC) + timedelta(hours=h - 1)
            component.step(slot, Moment(start, 3600, h, 24 * number + h - 1, 7, "demand", Ledger()))
            np.testing.assert_allclose(load[:, h], slot.load, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(reactive[:, h], slot.reactive, rtol=1e-9, atol=1e-9)


def test_new_homes_add_their_heat_to_the_year(world):
    power, weather = world
    o = YearOptions(ev_share=0.0)
    new = with_new_homes(power)
    days = list(range(14, 18))
    more = (
        power_year(new, weather, o, days=days).attrs["load_mwh"]
        - power_year(power, weather, o, days=days).attrs["load_mwh"]
    )
    heat = float((new["floor_heat_demand"] + new["hot_water_demand"]).sum()) / 1e3  # of the year
    assert heat * 4 / 365 / 5 < more < heat * 4 / 365 * 2  # COP 1 to 5; winter days ask for more than the mean


def test_stores_that_follow_charging_are_refused(world):
    with pytest.raises(ConfigError, match="battery"):
        power_year(*world, YearOptions(demand=Demand.Options(battery=1.0)), days=[0])


@pytest.fixture(scope="module")
def years(world):
    """The whole year with few and many cars, and many that shift."""
    power, weather = world
    wanted = {"few": (0.2, "uncontrolled"), "many": (0.9, "uncontrolled"), "delayed": (0.9, "delayed"),
              "price": (0.9, "price_following"), "grid": (0.9, "grid_aware")}  # fmt: skip
    before = threads()
    try:
        set_threads(1)  # so small a grid gains nothing from two
        return {k: power_year(power, weather, YearOptions(ev_share=e, strategy=s)) for k, (e, s) in wanted.items()}
    finally:
        set_threads(before)


def test_every_step_is_solved_and_counted(years, world):
    power, _ = world
    forest, _ = feeders_of(power)
    for table in years.values():
        assert table.attrs["steps"] == 35_040 and table.attrs["hours"] == 8760
        assert table.attrs["status_counts"].tolist() == [35_040 * forest.root.size, 0, 0, 0, 0, 0, 0]
        assert not table["unserved"].any() and not table["unknown_hours"].any()
        assert 0.005 < table.attrs["losses_mwh"] / table.attrs["load_mwh"] < 0.08


def test_driven_energy_is_charged(years):
    for table in years.values():
        a = table.attrs
        assert a["charging_mwh"] + a["owed_change_mwh"] == pytest.approx(a["driven_mwh"], rel=1e-9)
        assert a["charging_mwh"] == pytest.approx(a["driven_mwh"], rel=1e-3)


@pytest.mark.parametrize("strategy", ["delayed", "price", "grid"])
def test_shifting_keeps_the_yearly_energy_to_a_thousandth(years, strategy):
    assert years[strategy].attrs["charging_mwh"] == pytest.approx(years["many"].attrs["charging_mwh"], rel=1e-3)


def test_more_cars_never_lower_the_overload(years):
    few, many = years["few"], years["many"]
    assert many.attrs["cars"] > 3 * few.attrs["cars"]
    for name in ("overloaded_hours", "heavily_overloaded_hours", "not_transportable"):
        assert float(many[name].sum()) >= float(few[name].sum())
    assert float(many["not_transportable"].sum()) > 0
    # feeders that mostly load (the night's feed-in of none, the day's of some panels) asset by asset
    assert (many["not_transportable"] >= few["not_transportable"] - 1e-9).mean() > 0.99


def test_grid_aware_charging_relieves_the_stations(years, world):
    power, _ = world
    transformer = power["branch_kind"].values == 1
    now, smart = (years[k]["highest_loading"].values[transformer] for k in ("many", "grid"))
    assert (smart <= now + 0.02).all() and smart.max() < 0.9 * now.max()
    assert float(years["grid"]["not_transportable"].sum()) < 0.2 * float(years["many"]["not_transportable"].sum())


def test_neither_threads_nor_batches_change_a_record(world):
    power, weather = world
    o, before = YearOptions(ev_share=0.5), threads()
    try:
        set_threads(1)
        one = power_year(power, weather, o, days=range(10, 14))
        set_threads(2)
        two = power_year(power, weather, o, days=range(10, 14))
    finally:
        set_threads(before)
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    assert one.attrs["charging_mwh"] == two.attrs["charging_mwh"]


def test_held_back_sun_is_counted(world):
    power, weather = world
    free = power_year(power, weather, YearOptions(), days=[170, 171])
    held = power_year(power, weather, YearOptions(demand=Demand.Options(feed_in_limit=0.3)), days=[170, 171])
    assert not free["pv_curtailed"].any()
    more = held.attrs["load_mwh"] - free.attrs["load_mwh"]
    assert float(held["pv_curtailed"].sum()) == pytest.approx(more, rel=1e-9) and more > 0


def test_a_year_without_days_is_refused(world):
    with pytest.raises(ConfigError, match="no day"):
        power_year(*world, days=[])


SUNNY = [171, 172]


def test_inverters_of_the_year_hold_back_what_is_booked_and_lower_the_voltage(world):
    power, weather = world
    power = power.assign(pv_capacity=6 * power["pv_capacity"])
    free = power_year(power, weather, YearOptions(), days=SUNNY)
    some, more = (power_year(power, weather, YearOptions(volt_watt=(low, 1.06)), days=SUNNY) for low in (1.045, 1.035))
    calm = power_year(power, weather, YearOptions(volt_watt=(1.3, 1.4)), days=SUNNY)
    assert free.attrs["held_back_mwh"] == calm.attrs["held_back_mwh"] == 0
    assert 0 < some.attrs["held_back_mwh"] < more.attrs["held_back_mwh"]
    for table in (some, more):
        assert table.attrs["status_counts"][1:].sum() == 0
        held = table.attrs["held_back_mwh"]
        assert float(table["pv_curtailed"].sum()) == pytest.approx(held, rel=1e-12)
        assert table.attrs["load_mwh"] - free.attrs["load_mwh"] == pytest.approx(held, rel=1e-9)
    assert (
        float(more["highest_voltage"].max())
        < float(some["highest_voltage"].max())
        < float(free["highest_voltage"].max())
    )
    xr.testing.assert_identical(free.drop_attrs(), calm.drop_attrs())
    # Q(U): reactive power is drawn where the voltage is high, no energy is held back
    var = power_year(power, weather, YearOptions(volt_var=((1.03, 0.0), (1.06, -0.4))), days=SUNNY)
    assert var.attrs["held_back_mwh"] == 0
    assert float(var["highest_voltage"].max()) < float(free["highest_voltage"].max())


def test_inverters_that_hunt_are_counted_as_not_solved(world):
    power, weather = world
    power = power.assign(pv_capacity=6 * power["pv_capacity"])
    table = power_year(power, weather, YearOptions(volt_watt=(1.05, 1.05 + 1e-13)), days=SUNNY[:1])
    assert table.attrs["status_counts"][2] > 0 and float(table["unknown_hours"].max()) > 0
    with pytest.raises(ValueError, match="volt_watt"):
        YearOptions(volt_watt=(1.1, 1.0))

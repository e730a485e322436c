"""Charging: every driven electric kilometre becomes energy charged, owed or outside; more cars never load less."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.power.demand import charge, fill_level, home_distance
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.charging import Charging
from twin.errors import DataError
from twin.ledger import Ledger
from twin.wiring import Wiring

START = datetime(2023, 1, 15, 23, tzinfo=UTC)  # Monday, midnight local time
N, BUSES = 4, 6


class GivenTraffic(Component):
    """Stands for trips and assignment."""

    trips = Out("trips", ("vehicle_class", "origin", "destination"), "h-1", "trips")
    distance = Out("trip_distance", ("origin", "destination"), "km", "distance")


def world(bev=0.05, share=None):
    rng = np.random.default_rng(4)
    hourly = np.zeros((3, 2, 24, 2))
    hourly[:, :, 6:10, 0] = 0.25
    hourly[:, :, 15:20, 1] = 0.2
    zones = {
        "trips": (("period", "vehicle_class", "origin", "destination"), rng.uniform(0, 500, (2, 2, N, N))),
        "hourly_share": (("day_type", "vehicle_class", "hour", "period"), hourly),
        "home_share": (("period",), np.array([1.0, 0.0])),
        "bev_share": (("origin",), np.full(N, bev)),
        "inside": (("origin",), np.array([1, 1, 1, 0], np.int8)),
    }
    # origins 0, 1, 2 over buses; bus 5 gets no charging
    power = {
        "charge_origin": (("charge",), np.array([0, 0, 1, 2, 2], np.int32)),
        "charge_bus": (("charge",), np.array([0, 1, 1, 2, 4], np.int32)),
        "charge_share": (("charge",), np.array([0.25, 0.75, 1.0, 0.5, 0.5]) if share is None else share),
    }
    groups = {
        name: xr.Dataset({k: (d, v, {"units": "1"}) for k, (d, v) in group.items()})
        for name, group in (("zones", zones), ("power", power))
    }
    groups["power"] = groups["power"].assign(network())
    return xr.DataTree.from_dict(groups)


EVENING = 1 + 0.6 * np.cos(2 * np.pi * (np.arange(8760) % 24 - 18) / 24)


def network():
    """Bus 3 feeds the transformers to buses 0 and 1; a line on to 2 and 4 behind that of bus 1; 5 lies apart."""
    kwh = {"units": "kWh yr-1"}
    data = {
        "branch_from": ("branch", np.array([3, 3, 1, 2], np.int32), {"units": "1"}),
        "branch_to": ("branch", np.array([0, 1, 2, 4], np.int32), {"units": "1"}),
        "branch_kind": ("branch", np.array([1, 1, 0, 0], np.int8), {"units": "1"}),
        "household_energy": ("bus", 4e6 * np.array([1.0, 2, 1, 0, 1, 1]), kwh),
    }
    for name in ("heat_demand", "service_energy", "industry_energy"):
        data[name] = ("bus", np.zeros(BUSES), kwh)
    for name in ("household", "service", "industry", "heat"):
        data[f"profile_{name}"] = ("profile_hour", EVENING / 8760, {"units": "1"})
    return data


class Run:
    """Steps hour by hour; ``trips`` may be overridden."""

    def __init__(self, tree, **options):
        self.component = Charging(Charging.Options(**options))
        self.tree = tree
        wiring = Wiring([GivenTraffic(), self.component], tree)
        self.slot: SimpleNamespace = wiring.slots["charging"]
        self.component.setup(self.slot, tree)
        self.arrays, self.ledger = wiring.arrays, Ledger()
        rng = np.random.default_rng(9)
        self.arrays["trip_distance"][:] = rng.uniform(2, 40, (N, N))

    def hour(self, k, factor=1.0):
        local = (START + timedelta(hours=k + 1)).hour
        zones = self.tree["zones"].ds
        rate = np.einsum("pcod,cp->cod", zones["trips"].values, zones["hourly_share"].values[0, :, local])
        self.arrays["trips"][:] = factor * rate
        moment = Moment(START + timedelta(hours=k), 3600, k, k, 1, "charging", self.ledger)
        self.component.step(self.slot, moment)
        return self.slot

    def hours(self, count, factor=1.0):
        """Charging power (hour bus) and electric kilometres."""
        power, km = [], 0.0
        for k in range(count):
            s = self.hour(k, factor)
            power.append(s.power.copy())
            km += s.ev_distance.sum()
        return np.array(power), km


def test_each_trip_is_booked_at_its_home_end():
    # Two origins, 10 trips of 3 km out of origin 0 and 4 trips of 5 km back; three quarters of all begin at home:
    # origin 0 gets 0.75 x 30 + 0.25 x 20 = 27.5 km, origin 1 gets 0.75 x 20 + 0.25 x 30 = 22.5 km.
    out = np.empty(2)
    home_distance(np.array([[0, 10.0], [4, 0]]), np.array([[0, 3.0], [5, 0]]), 0.75, out)
    np.testing.assert_allclose(out, [27.5, 22.5], rtol=1e-14)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), home=st.floats(0, 1))
def test_home_ends_share_all_kilometres(seed, home):
    rng = np.random.default_rng(seed)
    trips, distance, out = rng.uniform(0, 9, (7, 7)), rng.uniform(0, 50, (7, 7)), np.empty(7)
    home_distance(trips, distance, home, out)
    assert out.sum() == pytest.approx((trips * distance).sum(), rel=1e-12)


def test_what_is_owed_relaxes_as_the_exponential_whatever_the_step():
    # d(owed)/dt = -a owed / s without driving: owed(t) = owed(0) exp(-a t / s).
    for steps in (1, 4, 60):
        owed, charged, total = np.array([8.0]), np.empty(1), 0.0
        for _ in range(steps):
            charge(owed, np.zeros(1), 0.6, 3.0 / steps, 2.5, charged)
            total += charged[0]
        assert owed[0] == pytest.approx(8.0 * np.exp(-0.6 * 3 / 2.5), rel=1e-12)
        assert total + owed[0] == pytest.approx(8.0, rel=1e-12)


@pytest.mark.parametrize("strategy", ["uncontrolled", "delayed", "grid_aware"])
def test_driven_equals_charged_plus_owed_plus_outside(strategy):
    run = Run(world(), strategy=strategy)
    power, km = run.hours(7 * 24)
    driven = km * 0.20 / 0.90
    owed = sum(v.sum() for v in run.component.state().values())
    book = run.ledger.balances["charging_energy"]
    assert book.inflow == pytest.approx(driven, rel=1e-9)
    assert book.outflow + owed == pytest.approx(driven, rel=1e-9)
    outside = book.outflow - power.sum()
    assert 0 < outside < 0.5 * driven
    assert run.ledger.transfers["charging_energy"].given == pytest.approx(power.sum(), rel=1e-9)
    # All is charged but what the last hours drove
    assert owed < 0.15 * driven


def test_energy_follows_the_kilometres_and_nothing_else():
    # 30.66 million light km with 4.2 % electric at 0.20 kWh/km over 0.90: 0.286 GWh owed or charged in the day.
    run = Run(world(bev=0.042))
    run.arrays["trip_distance"][:] = 1.0
    light = 30.66e6
    zones = run.tree["zones"].ds
    zones["trips"].values[:, 0] *= light / zones["trips"].values[:, 0].sum()
    _, km = run.hours(24)
    book = run.ledger.balances["charging_energy"]
    assert km == pytest.approx(0.042 * light, rel=1e-9)
    assert book.inflow / 1e6 == pytest.approx(0.29, rel=0.05)


def test_without_kilometres_there_is_no_charging():
    assert not Run(world()).hours(30, factor=0.0)[0].any()
    assert not Run(world(bev=0.0)).hours(30)[0].any()


@settings(max_examples=10, deadline=None)
@given(low=st.floats(0, 1), high=st.floats(0, 1))
def test_more_electric_cars_never_load_a_bus_less_in_any_hour(low, high):
    low, high = sorted((low, high))
    few, many = Run(world(bev=low)).hours(48)[0], Run(world(bev=high)).hours(48)[0]
    assert (many >= few * (1 - 1e-12)).all()


def test_delaying_moves_the_evening_to_the_night_and_keeps_the_energy():
    a, b = Run(world()), Run(world(), strategy="delayed")
    now, later = a.hours(30 * 24)[0].sum(axis=1), b.hours(30 * 24)[0].sum(axis=1)
    whole_now = now.sum() + a.component.state()["owed"][:3].sum()
    whole_later = later.sum() + b.component.state()["owed"][:3].sum()
    assert whole_later == pytest.approx(whole_now, rel=1e-9)
    evening = np.isin(np.arange(30 * 24) % 24, range(16, 21))
    assert later[evening].sum() < 0.5 * now[evening].sum()


@pytest.mark.parametrize(
    ("base", "energy", "level"),
    [
        ([3.0, 1.0, 2.0], 3.0, 3.0),  # 1 -> 2 takes 1 kWh, then two hours 2 -> 3 take 2
        ([3.0, 1.0, 2.0], 0.5, 1.5),
        ([3.0, 1.0, 2.0], 6.0, 4.0),  # all three hours: (6 + 6) / 3
        ([5.0], 2.0, 7.0),
        ([2.0, 2.0, 2.0, 2.0], 0.0, 2.0),
    ],
)
def test_water_fills_the_valleys_to_one_level(base, energy, level):
    assert fill_level(np.array(base), 1.0, energy, np.empty(len(base))) == pytest.approx(level, rel=1e-14)


@settings(max_examples=50, deadline=None)
@given(base=st.lists(st.floats(-5, 50), min_size=1, max_size=24), energy=st.floats(0, 500), hours=st.floats(0.25, 2))
def test_the_filled_valleys_hold_the_energy(base, energy, hours):
    level = fill_level(np.array(base), hours, energy, np.empty(len(base)))
    assert np.maximum(level - np.array(base), 0).sum() * hours == pytest.approx(energy, rel=1e-9, abs=1e-9)


def test_grid_aware_charging_lowers_each_stations_peak_and_keeps_the_energy():
    a, b = Run(world(bev=0.6)), Run(world(bev=0.6), strategy="grid_aware")
    hours = 21 * 24
    now, smart = a.hours(hours)[0], b.hours(hours)[0]
    base = np.outer(EVENING[np.arange(hours) % 8760], network()["household_energy"][1]) / 8760
    for station in ([0], [1, 2, 4]):
        peak = (base + now)[:, station].sum(axis=1).max()
        assert (base + smart)[24:, station].sum(axis=1).max() < 0.9 * peak
    whole = [r.component.state()["owed"][:3].sum() + r.component.state()["row_owed"].sum() for r in (a, b)]
    assert smart.sum() + whole[1] == pytest.approx(now.sum() + whole[0], rel=1e-9)
    evening = np.isin(np.arange(hours) % 24, range(16, 21))
    assert smart[evening].sum() < 0.5 * now[evening].sum()


@pytest.mark.parametrize("strategy", ["uncontrolled", "grid_aware"])
def test_a_restored_state_goes_on_bit_identically(strategy):
    whole = Run(world(), strategy=strategy)
    first = [whole.hour(k).power.copy() for k in range(20)]
    saved = {k: v.copy() for k, v in whole.component.state().items()}
    rest = [whole.hour(k).power.copy() for k in range(20, 40)]
    again = Run(world(), strategy=strategy)
    again.component.restore(saved)
    np.testing.assert_array_equal(rest, [again.hour(k).power.copy() for k in range(20, 40)])
    assert first


def test_buses_get_their_shares_and_no_other_bus_any():
    s = Run(world()).hour(9)
    assert not s.power[[3, 5]].any() and s.power[[0, 1, 2, 4]].all()
    assert s.power[2] == pytest.approx(s.power[4], rel=1e-12)


def test_charging_that_lands_nowhere_or_twice_is_refused():
    with pytest.raises(DataError, match=r"origin 1 adds up to 1\.5"):
        Run(world(share=np.array([0.25, 0.75, 1.5, 0.5, 0.5])))

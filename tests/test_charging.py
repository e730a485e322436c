"""Charging: every driven electric kilometre is charged, owed or outside; more cars never load less; limits of a car."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, minimize

from kernels.power.demand import home_distance
from kernels.power.sessions import (
    FIRST_HOUR,
    KINDS,
    charge_by_signal,
    charge_day,
    charge_to_level,
    expect_sessions,
    level_by_deadlines,
    plug_in,
    stay_hours,
    window,
)
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.charging import Charging
from twin.errors import DataError
from twin.ledger import Ledger
from twin.scenario import AddHomes
from twin.wiring import Wiring
from twin.world.synthetic import SyntheticWorld
from twin.world.synthetic import build as build_synthetic

START = datetime(2023, 1, 15, 23, tzinfo=UTC)  # Monday, midnight local time
N, BUSES = 4, 6
STRATEGIES = ["uncontrolled", "delayed", "price_following", "grid_aware"]


class GivenTraffic(Component):
    """Stands for trips, assignment and demand."""

    trips = Out("trips", ("vehicle_class", "origin", "destination"), "h-1", "trips")
    distance = Out("trip_distance", ("origin", "destination"), "km", "distance")
    load = Out("bus_load", ("bus",), "kW", "load")
    shift = Out("heat_pump_shift", ("bus",), "kW", "shift")


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
        "origin_node": (("origin",), np.arange(N, dtype=np.int32)),
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
    metre = {"units": "m"}
    groups["roads"] = xr.Dataset({f"node_{k}": ("road_node", 1000.0 * np.arange(N), metre) for k in "xy"})
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
        "service_energy": ("bus", np.array([0.0, 1e6, 0, 0, 2e6, 0]), kwh),
        "bus_x": ("bus", np.array([0.0, 0, 2000, 0, 1000, 0]), {"units": "m"}),
        "bus_y": ("bus", np.array([0.0, 0, 2000, 0, 1000, 0]), {"units": "m"}),
    }
    for name in ("heat_demand", "industry_energy"):
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
        self.wiring, self.arrays, self.ledger = wiring, wiring.arrays, Ledger()
        rng = np.random.default_rng(9)
        self.arrays["trip_distance"][:] = rng.uniform(2, 40, (N, N))

    def hour(self, k, factor=1.0):
        local = (START + timedelta(hours=k + 1)).hour
        zones = self.tree["zones"].ds
        rate = np.einsum("pcod,cp->cod", zones["trips"].values, zones["hourly_share"].values[0, :, local])
        self.arrays["trips"][:] = factor * rate
        moment = Moment(START + timedelta(hours=k), 3600, k, k, 1, "charging", self.ledger)
        self.wiring.latch()
        self.component.step(self.slot, moment)
        self.arrays["bus_load"][:] = self.unshifted(k) + self.slot.power
        return self.slot

    def unshifted(self, k):
        """Load of each bus without charging in hour ``k``."""
        power = self.tree["power"].ds
        yearly = power["household_energy"].values + power["service_energy"].values
        return yearly * EVENING[k % 8760] / 8760

    def hours_from(self, first, count):
        """Energy [kWh] charged in ``count`` hours."""
        return sum(float(self.hour(first + k).power.sum()) for k in range(count))

    def hours(self, count, factor=1.0):
        """Charging power (hour bus) and electric kilometres."""
        power, km = [], 0.0
        for k in range(count):
            s = self.hour(k, factor)
            power.append(s.power.copy())
            km += s.ev_distance.sum()
        return np.array(power), km


def total_owed(run):
    """Energy owed [kWh] by all cars."""
    state = run.component.state()
    return float((state["owed"] + state["driven_later"]) @ run.component._weight)


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


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_driven_equals_charged_plus_owed_plus_outside(strategy):
    run = Run(world(), strategy=strategy)
    power, km = run.hours(7 * 24)
    driven = km * 0.20 / 0.90
    owed = total_owed(run)
    book = run.ledger.balances["charging_energy"]
    assert book.inflow == pytest.approx(driven, rel=1e-9)
    assert book.outflow + owed == pytest.approx(driven, rel=1e-9)
    outside = book.outflow - power.sum()
    assert 0 < outside < 0.5 * driven
    assert run.ledger.transfers["charging_energy"].given == pytest.approx(power.sum(), rel=1e-9)
    assert book.worst < 1e-9
    assert owed < 0.25 * driven  # all is charged but what cars let stand for another day


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


@pytest.fixture(scope="module")
def month():
    """Power (hour, bus) and energy still owed after 30 days of each strategy, most cars electric."""
    out = {}
    for strategy in STRATEGIES:
        run = Run(world(bev=0.6), strategy=strategy)
        out[strategy] = run.hours(30 * 24)[0], total_owed(run)
    return out


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_shifting_moves_the_evening_and_keeps_the_energy(month, strategy):
    (now, owed_now), (later, owed_later) = month["uncontrolled"], month[strategy]
    assert later.sum() + owed_later == pytest.approx(now.sum() + owed_now, rel=1e-9)
    # once there is as much owed at the begin as at the end, what is charged is the same alone
    assert later[7 * 24 :].sum() == pytest.approx(now[7 * 24 :].sum(), rel=0.01)
    evening = np.isin(np.arange(30 * 24) % 24, range(16, 21))
    assert later[evening].sum() < 0.6 * now[evening].sum()


def test_price_following_makes_a_peak_of_its_own(month):
    # All cars see one price: the night's peak is above that of uncontrolled charging, and is shown, not hidden.
    assert month["price_following"][0].sum(axis=1).max() > month["uncontrolled"][0].sum(axis=1).max()


def test_grid_aware_charging_lowers_each_stations_peak(month):
    now, smart = month["uncontrolled"][0], month["grid_aware"][0]
    group = network()
    yearly = group["household_energy"][1] + group["service_energy"][1]
    base = np.outer(EVENING[np.arange(len(now)) % 8760], yearly) / 8760
    for station in ([0], [1, 2, 4]):
        peak = (base + now)[:, station].sum(axis=1).max()
        assert (base + smart)[24:, station].sum(axis=1).max() < 0.9 * peak


def test_grid_aware_charging_finds_a_valley_that_no_profile_tells_of():
    # A works that runs by night only: from the second day on its meter shows where the valley is.
    class NightShift(Run):
        def unshifted(self, k):
            local = (k + START.hour + 1) % 24
            return super().unshifted(k) + np.where(np.arange(BUSES) == 0, 4000.0 * (local < 5), 0.0)

    blind = NightShift(world(bev=0.6), strategy="grid_aware")
    blind.component._meter = lambda *_: None
    seeing = NightShift(world(bev=0.6), strategy="grid_aware")
    night, night_blind = (r.hours(10 * 24)[0][2 * 24 :, 0].reshape(8, 24)[:, :5].sum() for r in (seeing, blind))
    assert night < 0.8 * night_blind


@pytest.mark.parametrize(
    ("base", "energy", "level"),
    [
        ([3.0, 1.0, 2.0], 3.0, 3.0),  # 1 -> 2 takes 1 kWh, then two hours 2 -> 3 take 2
        ([3.0, 1.0, 2.0], 0.5, 1.5),
        ([3.0, 1.0, 2.0], 6.0, 4.0),  # all three hours: (6 + 6) / 3
        ([5.0], 2.0, 7.0),
    ],
)
def test_water_fills_the_valleys_to_one_level(base, energy, level):
    due = np.append(np.zeros(len(base) - 1), energy)
    found = level_by_deadlines(np.array(base), 1.0, due, energy, np.empty(0), np.empty(len(base)))
    assert found == pytest.approx(level, rel=1e-14)


@settings(max_examples=50, deadline=None)
@given(
    base=st.lists(st.floats(-5, 50), min_size=6, max_size=6), hours=st.floats(0.25, 2),
    due=st.lists(st.one_of(st.just(0.0), st.floats(0.01, 200)), min_size=6, max_size=6).filter(any),
)  # fmt: skip
def test_the_level_is_the_lowest_that_keeps_every_deadline(base, due, hours):
    base, due = np.array(base), np.array(due)
    level = level_by_deadlines(base, hours, due, due.sum(), np.empty(0), np.empty(6))
    held = np.cumsum(np.maximum(level - base, 0)) * hours
    slack = (held - np.cumsum(due))[due > 0]
    assert slack.min() == pytest.approx(0, abs=1e-9 * (1 + due.sum()))


@pytest.mark.filterwarnings("ignore:Equality and inequality")
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), jobs=st.integers(1, 8))
def test_no_schedule_has_a_lower_peak_where_what_will_come_is_known(seed, jobs):
    # Jobs with a beginning, an end and an energy over a load; the linear programme of the lowest peak is the oracle.
    # Who comes first leaves first: then cumulative bounds say all.
    rng = np.random.default_rng(seed)
    steps, base = 12, rng.uniform(0, 20, 12)
    begin, end = np.sort(rng.integers(0, steps, jobs)), np.sort(rng.integers(0, steps, jobs))
    end, energy = np.maximum(begin, end), rng.uniform(0.1, 30, jobs)
    come, due = np.bincount(begin, energy, steps), np.bincount(end, energy, steps)
    load, done = base.copy(), 0.0
    for k in range(steps):
        rest = due[k:].copy()
        rest[0] += due[:k].sum() - done  # what is done already counts for the first that are due
        for j in range(steps - k - 1):
            if rest[j] < 0:
                rest[j + 1] += rest[j]
                rest[j] = 0.0
        ready = come[: k + 1].sum() - done
        if ready > 1e-9 and (rest > 1e-9).any():
            later = np.append(0.0, come[k + 1 :])  # what comes now is there
            level = level_by_deadlines(base[k:], 1.0, np.where(rest > 1e-9, rest, 0), ready, later, np.empty(steps))
            now = min(max(level - base[k], 0.0), ready)
            load[k] += now
            done += now
    assert done == pytest.approx(energy.sum())
    # variables: energy of each job in each of its steps, and the peak
    place = [(j, k) for j in range(jobs) for k in range(begin[j], end[j] + 1)]
    under, equal = np.zeros((steps, len(place) + 1)), np.zeros((jobs, len(place) + 1))
    for v, (j, k) in enumerate(place):
        under[k, v] = equal[j, v] = 1.0
    under[:, -1] = -1.0
    best = linprog([0.0] * len(place) + [1.0], under, -base, equal, energy)
    assert load.max() == pytest.approx(best.fun, rel=1e-7)
    # the course is also the flattest: nothing that is there is charged in haste before the rest comes
    cumulative = np.tril(np.ones((steps, steps)))
    bounds = LinearConstraint(cumulative, np.cumsum(due), np.cumsum(come))
    flat = minimize(
        lambda x: ((base + x) ** 2).sum(), load - base, jac=lambda x: 2 * (base + x), method="SLSQP",
        bounds=[(0, None)] * steps, constraints=bounds, options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    assert (load**2).sum() <= flat.fun * (1 + 1e-6)


def test_cars_are_expected_as_at_their_last_stay():
    come, go = np.empty((2, 2, 24))
    start, weight = np.array([0, 2, 4]), np.array([1.0, 0.5, 1.0, 1.0])
    ahead, stay, takes = (
        np.array([2.5, 20.0, np.inf, 0.0]),
        np.array([3.0, 10.0, 5.0, 2.0]),
        np.array([8.0, 4.0, 9.0, 1.0]),
    )
    expect_sessions(start, 1.0, weight, ahead, stay, takes, come, go)
    wanted_come, wanted_go = np.zeros((2, 2, 24))
    wanted_come[0, 2], wanted_come[0, 20], wanted_come[1, 0] = 8.0, 2.0, 1.0
    wanted_go[0, 5], wanted_go[1, 1] = 8.0, 1.0  # due at 5.5 and 2 h; what is due after a day is not seen yet
    np.testing.assert_array_equal([come, go], [wanted_come, wanted_go])


@pytest.mark.parametrize("strategy", ["uncontrolled", "grid_aware"])
def test_a_restored_state_goes_on_bit_identically(strategy):
    whole = Run(world(), strategy=strategy)
    first = [whole.hour(k).power.copy() for k in range(20)]
    saved = {k: v.copy() for k, v in whole.component.state().items()}
    load = whole.arrays["bus_load"].copy()
    rest = [whole.hour(k).power.copy() for k in range(20, 40)]
    again = Run(world(), strategy=strategy)
    again.component.restore(saved)
    again.arrays["bus_load"][:] = load  # as a checkpoint holds it
    np.testing.assert_array_equal(rest, [again.hour(k).power.copy() for k in range(20, 40)])
    assert first


def test_buses_get_their_shares_and_no_other_bus_any():
    run = Run(world(bev=1.0), charges_at=(1.0, 0.0, 0.0))
    energy = run.hours(14 * 24)[0].sum(axis=0)
    assert not energy[[3, 5]].any()
    # origin 0 shares its cars 1 : 3 over buses 0 and 1, origin 2 halves them over 2 and 4
    cars = np.bincount(run.component._bus, run.component._weight, minlength=BUSES)
    of = run.component._cars
    assert cars[[0, 1, 2, 4]] == pytest.approx([of[0] / 4, of[0] * 0.75 + of[1], of[2] / 2, of[2] / 2], rel=0.1)


def test_cars_that_charge_at_work_stand_where_there_is_work():
    run = Run(world(bev=1.0), charges_at=(0.0, 0.0, 1.0))
    power = run.hours(7 * 24)[0]
    assert not power[:, [0, 2, 3, 5]].any() and power[:, [1, 4]].any(axis=0).all()
    by_hour = power.sum(axis=1).reshape(7, 24).sum(axis=0)
    assert by_hour[6:20].sum() > 0.999 * by_hour.sum()


def test_charging_that_lands_nowhere_or_twice_is_refused():
    with pytest.raises(DataError, match=r"origin 1 adds up to 1\.5"):
        Run(world(share=np.array([0.25, 0.75, 1.5, 0.5, 0.5])))


# --- single cars ---


def stays(seed=1, cars=400, kind=0, day=738_000):
    """Arrival and departure of many cars by hours that are all as likely, within what the component allows."""
    arrive, leave = np.zeros((3, 3, 24)), np.zeros((3, 3, 24))
    arrive[:] = np.minimum(np.arange(1, 25) / 7, 1)
    leave[:] = np.clip((np.arange(1, 25) - 9) / 7, 0, 1)
    stay = np.zeros((3, 2))
    stay[1] = 1, 4
    at = np.array([window(c, seed, day, kind, 0, arrive, leave, stay) for c in range(cars)])
    return at[:, 0], at[:, 1]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_car_comes_before_it_goes_and_stays_within_its_day(kind):
    came, gone = stays(kind=kind)
    first = FIRST_HOUR[kind]
    assert (came >= first).all() and (gone > came).all() and (gone <= first + 24).all()
    # uniform over seven hours: mean and spread of 400 draws
    assert came.mean() == pytest.approx(first + 3.5, abs=0.4) and came.std() == pytest.approx(7 / 12**0.5, rel=0.1)


def one_car(signal, owed, power=4.0, since=0.0, until=6.0):
    """Energy of each hour of a stay, step by step by the signal."""
    owed, out = np.array([owed]), []
    for k in range(len(signal)):
        charged = np.zeros(1)
        left = max(until - k, 0.0)
        charge_by_signal(
            signal[k:], 1.0, np.array([power]), np.array([max(since - k, 0.0)]), np.array([left]), owed, charged
        )  # fmt: skip
        out.append(charged[0])
    return np.array(out), owed[0]


def test_a_car_charges_in_the_hours_of_lowest_signal_and_is_ready():
    # 10 kWh at 4 kW in six hours: full in the two cheapest, the last 2 kWh in the third cheapest
    charged, left = one_car(np.array([5.0, 1, 4, 2, 3, 6]), 10.0)
    np.testing.assert_allclose(charged, [0, 4, 0, 4, 2, 0], atol=1e-12)
    assert left == pytest.approx(0, abs=1e-12)
    # without a difference: at once
    np.testing.assert_allclose(one_car(np.zeros(6), 10.0)[0], [4, 4, 2, 0, 0, 0], atol=1e-12)
    # a stay of 1.5 h from half past: what does not fit stays owed
    charged, left = one_car(np.zeros(6), 10.0, since=0.5, until=2.0)
    np.testing.assert_allclose(charged, [2, 4, 0, 0, 0, 0], atol=1e-12)
    assert left == pytest.approx(4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), owed=st.floats(0, 60), until=st.floats(0.3, 12), power=st.sampled_from([3.7, 7.4, 11.0])
)
def test_any_signal_charges_what_the_stay_can_hold(seed, owed, until, power):
    signal = np.random.default_rng(seed).integers(0, 5, 12).astype(float)
    charged, left = one_car(signal, owed, power=power, until=until)
    assert charged.sum() == pytest.approx(min(owed, power * until), rel=1e-9, abs=1e-9)
    assert charged.sum() + left == pytest.approx(owed, rel=1e-12, abs=1e-12)
    assert (charged <= power + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), cars=st.integers(1, 12))
def test_to_a_level_every_car_leaves_as_full_as_its_stay_allows(seed, cars):
    rng = np.random.default_rng(seed)
    power, until = rng.choice([3.7, 7.4, 11.0], cars), rng.uniform(0.2, 12, cars)
    owed = rng.uniform(0, 60, cars)
    want = np.minimum(owed, power * until)
    base, start, weight = rng.uniform(0, 80, 24), np.array([0, cars]), np.ones(cars)
    got, scratch, charged = np.zeros(cars), np.empty((3, 24)), np.empty(cars)
    for k in range(12):
        left = np.maximum(until - k, 0)
        charge_to_level(
            start, base[None, k:], 1.0, power, weight, np.zeros(cars), left, owed, 0.0, *scratch, charged
        )  # fmt: skip
        assert (charged <= power * np.minimum(left, 1) + 1e-9).all() and (charged >= 0).all()
        got += charged
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def test_a_day_at_once_is_the_day_step_by_step():
    # 30 cars on 4 buses over three days, delayed: the kernel for whole days against plug_in and charge_by_signal.
    rng = np.random.default_rng(5)
    cars, buses, steps = 30, 4, 96
    bus = np.sort(rng.integers(0, buses, cars))
    start = np.searchsorted(bus, np.arange(buses + 1))
    kind, power, weight = rng.integers(0, 3, cars), rng.choice([3.7, 11.0], cars), rng.uniform(0.2, 1, cars)
    car, energy = np.arange(cars) + 1000, rng.uniform(2, 20, cars)
    arrive = np.broadcast_to(np.minimum(np.arange(1, 25) / 7, 1), (3, 3, 24)).copy()
    leave = np.broadcast_to(np.clip((np.arange(1, 25) - 9) / 7, 0, 1), (3, 3, 24)).copy()
    stay = np.array([[0, 0], [1, 4], [0, 0.0]])
    share = np.full(steps, 1 / steps)
    signal = np.tile(((np.arange(steps) // 4 >= 7) & (np.arange(steps) // 4 < 22)).astype(float), 2)
    types = np.zeros(2, np.int64)
    fast, slow = np.zeros((3, buses, steps)), np.zeros((3, buses, steps))
    owed, plugged = np.zeros(cars), np.zeros(cars, np.int8)
    for day in range(3):
        charge_day(
            day, 9, types, start, kind, car, power, weight, energy, share, signal, arrive, leave, stay, 15.0, owed,
            plugged, fast[day],
        )  # fmt: skip
    owed, plugged = np.zeros(cars), np.zeros(cars, np.int8)
    since, until, charged = (np.zeros(cars) for _ in range(3))
    for day in range(3):
        for k in range(steps):
            owed += energy / steps
            plug_in(
                day, k / 4, 0.25, 9, types, kind, car, arrive, leave, stay, 15.0, owed, plugged, since, until
            )  # fmt: skip
            charge_by_signal(signal[k:], 0.25, power, since, until, owed, charged)
            slow[day, :, k] = np.bincount(bus, weight * charged, minlength=buses) / 0.25
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)
    assert fast.any()


def test_coincidence_of_cars_falls_with_their_number():
    # Peak of a week per connected power: one car reaches all of it, a thousand far less (never sums of ratings).
    cars, steps = 1024, 7 * 24
    rng = np.random.default_rng(3)
    there, back = np.ones((3, 24)), np.ones((3, 24))
    back[:, 16:19] = 5.0
    arrive, leave = stay_hours(there, back)
    owed, plugged = rng.uniform(0, 15, cars), np.zeros(cars, np.int8)
    since, until, charged = (np.zeros(cars) for _ in range(3))
    power, load = np.full(cars, 11.0), np.zeros((steps, cars))
    for k in range(steps):
        owed += 7.0 / 24
        plug_in(
            k // 24, k % 24, 1.0, 1, np.zeros(2, np.int64), np.zeros(cars, np.int64), np.arange(cars), arrive, leave,
            np.zeros((3, 2)), 20.0, owed, plugged, since, until,
        )  # fmt: skip
        charge_by_signal(np.zeros(24), 1.0, power, since, until, owed, charged)
        load[k] = charged
    share = [
        (load.reshape(steps, -1, n).sum(axis=2).max(axis=0) / (11.0 * n)).mean() for n in (1, 8, 64, 512, 1024)
    ]  # fmt: skip
    assert (np.diff(share) < 0).all()
    assert share[0] > 0.6 and share[-1] < 0.25


def test_new_homes_bring_their_own_cars():
    groups = build_synthetic(SyntheticWorld(towns=3, inhabitants=20_000))
    before, after, same = (xr.DataTree.from_dict({k: v.copy(deep=True) for k, v in groups.items()}) for _ in range(3))
    zones, power = before["zones"].ds, before["power"].ds
    place = {"x": float(power["bus_x"][0]), "y": float(power["bus_y"][0]), "radius": 4000.0}
    AddHomes(verb="add_homes", homes=500, ev_share=1.0, **place).apply(after)
    AddHomes(verb="add_homes", homes=500, **place).apply(same)

    # nobody else's share changes; the new cars stand at the new homes, theirs alone by ev_share
    for tree in (after, same):
        np.testing.assert_array_equal(tree["zones"].ds["bev_share"].values, zones["bev_share"].values)
    theirs = after["zones"].ds["resident_bev_share"].values
    assert (theirs == 1.0).all() and (same["zones"].ds["resident_bev_share"].values < 0.5).all()
    assert after["zones"].ds["resident_cars"].values.sum() == pytest.approx(500 * 0.86)
    assert after["power"].ds["new_home_count"].values.sum() == pytest.approx(500)
    assert zones["trips"].shape == after["zones"].ds["trips"].shape


def test_the_part_of_an_origins_homes_that_is_on_the_network_charges_on_it():
    run = Run(world(share=np.array([0.1, 0.15, 0.6, 0.5, 0.5])))
    for k in range(48):
        s = run.hour(k)
    driven = s.ev_distance * 0.20 / 0.90
    np.testing.assert_allclose(s.outside, driven * [0.75, 0.4, 0.0, 1.0], rtol=1e-12, atol=1e-9)


def test_a_plugged_car_owes_what_it_drives_next_only_once_it_has_left():
    # Full cars that stand at home: an hour of kilometres before anybody has left changes no charging in that hour.
    quiet, driving = (Run(world(bev=0.5), charges_at=(1.0, 0.0, 0.0), reach=0.0) for _ in range(2))
    for k in range(28):
        quiet.hour(k)
        driving.hour(k)
    stands = driving.component.state()["plugged"] == 1
    owed = driving.component.state()["owed"][stands].copy()
    quiet.hour(28, factor=0.0)
    s = driving.hour(28, factor=50.0)  # 5 h local: no trips of the pattern, kilometres given by hand below
    assert stands.any() and s.power.sum() == pytest.approx(quiet.slot.power.sum(), rel=1e-9, abs=1e-9)
    assert (driving.component.state()["owed"][stands] <= owed + 1e-9).all()


def test_a_year_of_shifting_keeps_the_energy_to_a_thousandth():
    energy = {}
    for strategy in ("uncontrolled", "grid_aware"):
        run = Run(world(bev=0.02), strategy=strategy)
        run.hours(12 + 14 * 24)  # noon, after two weeks: what was put off to the night is charged
        energy[strategy] = run.hours_from(12 + 14 * 24, 364 * 24)
    assert energy["grid_aware"] == pytest.approx(energy["uncontrolled"], rel=1e-3)


@pytest.mark.parametrize("spare", [0.0, 8.0])
def test_a_car_leaves_with_no_more_owed_than_it_may(spare):
    rng = np.random.default_rng(8)
    cars = 9
    power, until, owed = rng.choice([3.7, 11.0], cars), rng.uniform(1, 12, cars), rng.uniform(0, 30, cars)
    may = np.maximum(np.minimum(spare, owed), owed - power * until)
    base, scratch, charged = rng.uniform(0, 80, 48), np.empty((3, 48)), np.empty(cars)
    for k in range(12):
        left = np.maximum(until - k, 0)
        charge_to_level(
            np.array([0, cars]), base[None, k:], 1.0, power, np.ones(cars), np.zeros(cars), left, owed, spare,
            *scratch[:, k:], charged,
        )  # fmt: skip
    assert (owed <= may + 1e-9).all()
    if spare:
        assert (owed > 1e-6).any()

"""Sun against pvlib; heat pumps by the published curve; batteries and buildings that keep every kilowatt-hour."""

import numpy as np
import pandas as pd
import pvlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, minimize

from kernels.power.battery import keep_below, store_surplus
from kernels.power.heat import COP_CURVES, cop_by_lift, fill_valleys, per_heat, run_evenly
from kernels.power.solar import diffuse_share, plane_of_array, pv_power, sun

LATITUDE, LONGITUDE = 51.96, 4.45


@pytest.fixture(scope="module")
def hours():
    """A year of half hours past the hour, with pvlib's place of the sun."""
    times = pd.date_range("2023-01-01 00:30", periods=8760, freq="h", tz="UTC")
    return times, pvlib.solarposition.get_solarposition(times, LATITUDE, LONGITUDE, method="nrel_numpy")


@pytest.fixture(scope="module")
def places():
    return np.array([sun(k // 24 + 1, k % 24 + 0.5, LONGITUDE, LATITUDE) for k in range(8760)])


def test_the_sun_stands_where_pvlib_puts_it(hours, places):
    times, reference = hours
    zenith = np.rad2deg(np.arccos(places[:, 0]))
    assert np.abs(zenith - reference["zenith"]).max() < 0.4  # degrees; the algorithm is a series of four terms
    turn = (np.rad2deg(places[:, 1]) - reference["azimuth"] + 180) % 360 - 180
    assert np.abs(turn[reference["zenith"] < 88]).max() < 0.4
    extra = pvlib.irradiance.get_extra_radiation(times, 1361.0, method="spencer")
    np.testing.assert_allclose(places[:, 2], extra, rtol=5e-4)


def test_diffuse_share_is_that_of_erbs():
    # pvlib gives the share of a sky by its clearness; zenith 30 degrees
    cosine, times = np.cos(np.deg2rad(30.0)), pd.DatetimeIndex(["2023-06-01 12:00"])
    extra = float(pvlib.irradiance.get_extra_radiation(times).iloc[0])
    for clearness in (0.05, 0.2, 0.3, 0.5, 0.7, 0.79, 0.81, 0.95):
        horizontal = clearness * extra * cosine
        want = pvlib.irradiance.erbs(pd.Series([horizontal], times), pd.Series([30.0], times), times)["dhi"].iloc[0]
        assert diffuse_share(clearness) == pytest.approx(want / horizontal, rel=2e-3)


@pytest.mark.parametrize(("tilt", "facing"), [(0, 180), (13, 90), (35, 180), (35, 250), (60, 135), (90, 180)])
def test_radiation_on_a_tilted_plane_is_that_of_pvlib(hours, places, tilt, facing):
    times, at = hours
    rng = np.random.default_rng(2)
    horizontal = np.maximum(places[:, 0], 0) * 1000 * rng.uniform(0.1, 1.0, 8760)
    got = np.array(
        [
            plane_of_array(g, c, a, e, np.deg2rad(tilt), np.deg2rad(facing))
            for g, (c, a, e) in zip(horizontal, places, strict=True)
        ]
    )
    split = pvlib.irradiance.erbs(horizontal, at["zenith"].to_numpy(), times)
    want = pvlib.irradiance.get_total_irradiance(
        tilt, facing, at["zenith"], at["azimuth"], split["dni"], horizontal, split["dhi"], dni_extra=places[:, 2],
        albedo=0.2, model="haydavies",
    )["poa_global"].to_numpy()  # fmt: skip
    high = at["zenith"].to_numpy() < 80
    assert np.sqrt(np.mean((got - want)[high] ** 2)) < 6.0  # W m-2
    assert got.sum() == pytest.approx(np.nansum(want), rel=0.005)
    assert (got >= 0).all()
    if tilt == 0:
        np.testing.assert_allclose(got, horizontal, rtol=1e-9, atol=1e-9)


def test_an_inverter_clips_and_a_feed_in_limit_is_counted():
    # 1000 W/m2 at 0 degC: cell 30 degC, 2 % less; 0.9 of it through the system = 0.882 kW per kW
    assert pv_power(1000.0, 0.0, 0.9, 2.0, 2.0) == pytest.approx((0.882, 0.0))
    assert pv_power(1000.0, 0.0, 0.9, 0.8, 2.0) == pytest.approx((0.8, 0.0))  # clipped: cannot be made
    assert pv_power(1000.0, 0.0, 0.9, 0.8, 0.5) == pytest.approx((0.5, 0.3))  # curtailed: could have been
    assert pv_power(0.0, -10.0, 0.9, 0.8, 0.5) == (0.0, 0.0)


def test_cop_by_lift_is_the_published_curve():
    # air source at 0 degC with floor heating: sink 30, lift 30: 0.85 (6.08 - 2.823 + 0.4176) = 3.12
    assert cop_by_lift(0.0, 30.0, *COP_CURVES["air"]) == pytest.approx(3.12, abs=0.005)
    assert cop_by_lift(20.0, 20.0, *COP_CURVES["air"]) == cop_by_lift(5.0, 20.0, *COP_CURVES["air"])  # least lift 15
    for curve in COP_CURVES.values():
        lifts = [cop_by_lift(0.0, s, *curve) for s in range(15, 60, 5)]
        assert (np.diff(lifts) < 0).all()


def test_below_the_bivalence_point_an_element_gives_the_rest():
    assert per_heat(0.0, 3.0, 2.0, -7.0) == pytest.approx(1 / 3)
    assert per_heat(-10.0, 1.8, 2.0, -7.0) == pytest.approx(0.9 / 1.8 + 0.1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), reserve=st.floats(0, 40), hours=st.sampled_from([0.25, 1.0]))
def test_heat_is_lent_by_the_building_and_given_back(seed, reserve, hours):
    rng = np.random.default_rng(seed)
    asked = np.abs(rng.normal(3, 2, (200, 3))) * (1 + np.sin(np.arange(200) * hours / 4))[:, None]
    mean, stored, out = asked[0].copy(), np.zeros(3), np.empty(3)
    given = []
    for heat in asked:
        run_evenly(heat, hours, 24.0, np.full(3, reserve), mean, stored, out)
        given.append(out.copy())
        assert (np.abs(stored) <= reserve + 1e-9).all() and (out >= 0).all()
    total = np.sum(given, axis=0)
    np.testing.assert_allclose(total * hours, asked.sum(axis=0) * hours + stored, rtol=1e-9, atol=1e-9)
    if reserve == 0:
        np.testing.assert_allclose(given, asked, rtol=1e-12)


def test_inertia_lowers_the_peak_of_a_daily_heat_load():
    asked = 2.0 + np.maximum(np.sin(np.arange(240) * 2 * np.pi / 24), 0)[:, None]
    mean, stored, out, given = asked[0].copy(), np.zeros(1), np.empty(1), []
    for heat in asked:
        run_evenly(heat, 1.0, 24.0, np.array([20.0]), mean, stored, out)
        given.append(out[0])
    assert max(given[48:]) < 0.9 * asked.max()


def test_days_that_grow_colder_leave_something_to_lend():
    # daily means of 1 to 1.8 kW over five days with an evening peak: 10 kWh still take the edge off the last
    hour = np.arange(120)
    asked = (1.0 + 0.2 * (hour // 24)) * (1.0 + 0.4 * np.sin((hour - 12) * 2 * np.pi / 24))
    mean, stored, out, given = asked[:1].copy(), np.zeros(1), np.empty(1), []
    for heat in asked:
        run_evenly(np.array([heat]), 1.0, 24.0, np.array([10.0]), mean, stored, out)
        given.append(out[0])
    assert max(given[96:]) < 0.85 * max(asked[96:])
    assert np.abs(stored).max() < 10.0


@pytest.mark.filterwarnings("ignore:Equality and inequality")
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), reserve=st.floats(0.5, 60), most=st.floats(4, 30))
def test_no_plan_of_heat_has_a_lower_peak_where_what_will_come_is_known(seed, reserve, most):
    # 18 h with all load known and nothing lent at the end; the linear programme of the lowest peak is the oracle
    rng = np.random.default_rng(seed)
    steps = 18
    shape, other = rng.uniform(0, 4, steps), rng.uniform(0, 8, steps)
    factor = rng.uniform(0.25, 0.5, steps if seed % 2 else 1) * np.ones(steps)
    stored, scratch, out = np.zeros(1), np.empty((3, steps)), np.empty(1)
    given = np.empty(steps)
    for k in range(steps):
        fill_valleys(
            np.ones(1), shape[k:], factor[k:], other[None, k:], 1.0, np.array([reserve]), np.array([most]), stored,
            *scratch[:, k:], out,
        )  # fmt: skip
        given[k] = out[0]
        assert abs(stored[0]) <= reserve + 1e-9 and 0 <= out[0] <= most + 1e-9
    assert given.sum() == pytest.approx(shape.sum(), rel=1e-8)
    cumulative = np.tril(np.ones((steps, steps)))
    none, peak = np.zeros((steps, 1)), -np.ones((steps, 1))
    rows = [(factor * np.eye(steps), peak, -other), (cumulative, none, np.cumsum(shape) + reserve),
            (-cumulative, none, reserve - np.cumsum(shape))]  # fmt: skip
    under, limit = np.vstack([np.hstack(r[:2]) for r in rows]), np.concatenate([r[2] for r in rows])
    all_of_it = np.append(np.ones(steps), 0.0)[None]
    best = linprog(np.append(np.zeros(steps), 1.0), under, limit, all_of_it, [shape.sum()],
                   bounds=[(0, most)] * steps + [(None, None)])  # fmt: skip
    assert (other + factor * given).max() == pytest.approx(best.fun, rel=1e-6)
    if seed % 2 == 0:  # where heat costs the same at all hours the course is also the flattest
        bounds = LinearConstraint(cumulative, np.append(np.cumsum(shape)[:-1] - reserve, shape.sum()),
                                  np.append(np.cumsum(shape)[:-1] + reserve, shape.sum()))  # fmt: skip
        flat = minimize(
            lambda x: ((other + factor * x) ** 2).sum(), given, jac=lambda x: 2 * factor * (other + factor * x),
            method="SLSQP", bounds=[(0, most)] * steps, constraints=bounds, options={"ftol": 1e-12, "maxiter": 500},
        )  # fmt: skip
        assert ((other + factor * given) ** 2).sum() <= flat.fun * (1 + 1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), efficiency=st.floats(0.7, 1.0), limit=st.floats(-1, 4) | st.none())
def test_a_battery_keeps_its_energy_and_its_limits(seed, efficiency, limit):
    rng = np.random.default_rng(seed)
    load = rng.normal(0.5, 3, (150, 4))
    power, capacity = np.array([1.0, 2.0, 5.0, 0.0]), np.array([2.0, 10.0, 1.0, 5.0])
    stored, out, into, back = np.zeros(4), np.empty(4), np.zeros(4), np.zeros(4)
    for net in load:
        if limit is None:
            store_surplus(net, 0.5, power, capacity, efficiency, stored, out)
            assert (net + out)[net < 0].max(initial=0) <= 1e-9  # never draws what the bus would not feed in
            assert (net + out)[net > 0].min(initial=0) >= -1e-9  # never feeds in
        else:
            keep_below(net, np.full(4, limit), 0.5, power, capacity, efficiency, stored, out)
            assert ((net + out) <= np.maximum(net, limit) + 1e-9).all()
        assert (np.abs(out) <= power + 1e-12).all()
        assert (stored >= 0).all() and (stored <= capacity).all()
        into += np.maximum(out, 0) * 0.5
        back += np.maximum(-out, 0) * 0.5
    np.testing.assert_allclose(into * efficiency - back / efficiency, stored, rtol=1e-9, atol=1e-9)


def test_a_battery_shaves_a_peak_by_hand():
    # 3 kWh in it, limit 2 kW: a load of 4 kW for one hour asks for 2 kWh at the bus, 2 / 0.8 = 2.5 kWh of content
    stored, out = np.array([3.0]), np.empty(1)
    keep_below(np.array([4.0]), np.array([2.0]), 1.0, np.array([9.0]), np.array([5.0]), 0.8, stored, out)
    assert (out[0], stored[0]) == (pytest.approx(-2.0), pytest.approx(0.5))

"""High voltage in the coupled power flow: split as joined, balance, taps, lanes, islands, what is assumed."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.jit import set_threads, threads
from kernels.power.exchange import exchange_of
from kernels.power.supply import busbar_voltage
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.demand import BEYOND as SHAPED
from twin.components.demand import Demand
from twin.components.power_flow import PowerFlow
from twin.errors import ConvergenceError, DataError
from twin.ledger import Ledger
from twin.power import powerflow, ring_outages
from twin.readers.osm_power import HighVoltageGrid
from twin.readers.power_network import BASE, PowerNetwork
from twin.wiring import Wiring
from twin.world.feeders import feeders_of, high_voltage_of, of_high_voltage
from twin.world.high_voltage import Feeding, HighVoltageRules
from twin.world.power import Places, synthesise
from twin.world.substations import BEYOND, Beyond, join_high_voltage
from twin.world.synthetic import SyntheticWorld, _profiles, _weather


def grid():
    """380 kV from outside (9) to 1, which couples to 150 kV; a ring 1-2-3 of 150 kV, 4 behind 3 at 50 kV."""
    vertices = pd.DataFrame(
        {
            "x": [120_000.0, 126_000, 121_000, 128_000, 90_000], "y": [450_000.0, 452_000, 458_000, 460_000, 450_000],
            "kind": ["station", *["substation"] * 3, "outside"],
            "voltages": [(380_000, 150_000), (150_000,), (150_000, 50_000), (50_000,), (380_000,)],
            "name": ["380kV A", "150kV B", "n/a", "50 kV D/E", "far"],
        },
        index=[1, 2, 3, 4, 9],
    )  # fmt: skip
    links = pd.DataFrame(
        {
            "from": [9, 1, 2, 3, 3], "to": [1, 2, 3, 1, 4], "length": [30e3, 7e3, 8e3, 9e3, 7e3],
            "voltages": [(380_000,), (150_000, 150_000), (150_000,), (), (50_000, 50_000)],
        },
        index=[11, 12, 13, 14, 15],
    )  # fmt: skip
    return HighVoltageGrid(vertices, links)


def world(**options):
    """Two places with feeders from substations 2 and 3, demand beyond them near 4."""
    synthetic = SyntheticWorld()
    weather = _weather(synthetic)
    homes = np.array([5000.0, 2600.0])
    g = grid()
    places = Places(
        x=np.array([125_500.0, 121_500]), y=np.array([452_500.0, 457_000]), radius=np.full(2, 900.0), dwellings=homes,
        multi_family=0.4 * homes, household_energy=2600.0 * homes, heat_pumps=0.2 * homes, heat_demand=1500.0 * homes,
        pv_capacity=0.9 * homes, jobs=homes, service_energy=4000.0 * homes, industry_energy=1500.0 * homes,
    )  # fmt: skip
    at = g.vertices.loc[[2, 3]]
    laid = synthesise(
        places, at["x"].to_numpy(), at["y"].to_numpy(), ["2", "3"], _profiles(synthetic, weather), origin_x=places.x,
        origin_y=places.y, inside=np.ones(2, bool), detailed=(1,),
    )  # fmt: skip
    one = np.ones(3)
    beyond = Beyond(
        np.array([128_000.0, 129_000, 126_100]), np.array([460_100.0, 461_000, 452_000]), 2e7 * one, 1e6 * one,
        3e7 * one, 1e7 * one, 2000 * one,
    )  # fmt: skip
    inside = g.vertices.index.to_numpy() < 9
    power = join_high_voltage(laid, g, inside, **{"beyond": beyond, **options})
    return laid, power, weather


class FlatLoad(Component):
    """Stands for the demand component."""

    load = Out("bus_load", ("bus",), "kW", "load")
    reactive = Out("bus_reactive", ("bus",), "kvar", "reactive load")
    pv = Out("pv_power", ("bus",), "kW", "sun")


def run(power, load, reactive, pv=0.0, **options):
    tree = xr.DataTree.from_dict({"/power": power})
    component = PowerFlow(PowerFlow.Options(**options))
    wiring = Wiring([FlatLoad(), component], tree)
    s: SimpleNamespace = wiring.slots["power_flow"]
    component.setup(s, tree)
    wiring.arrays["bus_load"][:], wiring.arrays["bus_reactive"][:] = load, reactive
    wiring.arrays["pv_power"][:] = pv
    wiring.accumulate("power_flow")
    wiring.complete("power_flow", 1)
    ledger = Ledger()
    component.step(s, Moment(datetime(2023, 1, 2, tzinfo=UTC), 3600, 0, 0, 1, "power_flow", ledger))
    return s, ledger


def loads(power, seed=0, level=1.0):
    """Yearly energy as a flat load, each bus by its own factor; the busbar beyond with its share."""
    rng = np.random.default_rng(seed)
    names = ("household_energy", "service_energy", "industry_energy")
    mean = sum(power[n].values + power[f"beyond_{n}"].values for n in names) / 8760
    p = level * mean * rng.uniform(0.3, 2.0, power.sizes["bus"]) - rng.uniform(0, 2, 1) * power["pv_capacity"].values
    return p, 0.25 * np.abs(p)


def network_of(power, p, q, tap):
    """The whole of a group as one network, with the taps at their positions: nothing is split."""
    v = power["bus_voltage_rated"].values
    n, start, end = len(v), power["branch_from"].values, power["branch_to"].values
    net = PowerNetwork("joined", power["bus_id"].values.astype(str).astype(object), np.full(n, "", object), v,
                       np.ones(n, bool), equal_sources=True)  # fmt: skip
    base = v[end] ** 2 / BASE
    z = (power["resistance"].values + 1j * power["reactance"].values) / base
    half = 0.5j * power["susceptance"].values * base
    rated = power["s_rated"].values / BASE
    net.branch.add(
        len(start), id=power["branch_id"].values.astype(str), kind="line", start=start, end=end, z=z, z_back=z,
        ratio=power["ratio"].values * (1 + power["tap_step"].values * tap), shunt_from=half, shunt_to=half,
        rated_from=rated, rated_to=rated, from_closed=True, to_closed=True, active=True,
    )  # fmt: skip
    net.load.add(n, id=net.bus_id, kind="load", bus=np.arange(n), p=p / 1e3, q=q / 1e3, ip=0.0, iq=0.0, zp=0.0, zq=0.0,
                 profile="")  # fmt: skip
    at = np.flatnonzero(power["grid_voltage"].values > 0)
    net.source.add(len(at), id=net.bus_id[at], bus=at, vm=power["grid_voltage"].values[at], va=0.0)
    return net


@pytest.fixture(scope="module")
def province():
    return world()


@pytest.mark.parametrize("level", [0.2, 1.0, 2.5])
def test_split_levels_match_the_joined_network(province, level):
    # issue: exchanged until they match the joined solve to 1e-6 pu
    _, power, _ = province
    p, q = loads(power, 3, level)
    s, _ = run(power, p, q)
    assert (s.status == 0).all() and (s.tap != 0).any() == (np.abs(s.tap).max() > 0)
    joined = powerflow(network_of(power, p, q, s.tap), solver="meshed", tolerance=1e-10)
    np.testing.assert_allclose(s.voltage, joined["vm_pu"].values[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(s.loading, joined["loading"].values[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(s.power / 1e3, joined["p_from"].values[0], rtol=1e-6, atol=1e-5)


def test_energy_of_the_grid_beyond_is_loads_and_losses(province):
    _, power, _ = province
    p, q = loads(power, 5)
    s, ledger = run(power, p, q)
    assert ledger.balances["bus_energy"].worst < 1e-10
    # by hand: what enters over the crossing circuit = all load + all losses
    enters = np.flatnonzero(power["branch_id"].values == b"circuit-far-A-11-380kV")
    far = power["grid_voltage"].values[power["branch_from"].values[enters]] > 0
    into = np.where(far, s.power[enters], s.losses[enters] - s.power[enters]).sum()
    assert into == pytest.approx(p.sum() + s.losses.sum(), rel=1e-9)
    assert (s.losses[power["branch_basis"].values > 0] >= -1e-9).all()


def test_busbars_stand_within_half_a_step_of_their_set_point(province):
    _, power, _ = province
    for level in (0.1, 1.0, 3.0):
        s, _ = run(power, *loads(power, 7, level))
        down = np.flatnonzero(power["tap_step"].values > 0)
        bar, step = power["branch_to"].values[down], power["tap_step"].values[down]
        off = np.abs(s.voltage[bar] - power["source_voltage"].values[bar])
        at_end = np.abs(s.tap[down]) == power["tap_most"].values[down]
        assert ((off < 0.55 * step * 1.05) | at_end).all() and (level > 1 or not at_end.any())
        assert (s.voltage[np.isfinite(power["source_voltage"].values)] > 0).all()
    rigid = {"rules": HighVoltageRules(feeding=Feeding(tap_positions=0))}
    fixed = world(**rigid)[1]
    p, q = loads(fixed, 7, 2.0)
    held, moved = run(fixed, p, q)[0], run(power, p, q)[0]
    assert not held.tap.any() and moved.tap.any()
    assert held.voltage[bar].min() < moved.voltage[bar].min()


def test_more_load_never_relieves_the_high_voltage_network(province):
    _, power, _ = province
    p, q = loads(power, 2)
    transformer = power["branch_basis"].values >= 4
    before = np.zeros(transformer.sum())
    for level in (0.5, 1.0, 2.0):
        s, _ = run(power, np.abs(p) * level, q * level)
        assert (s.loading[transformer] >= before).all()
        before = s.loading[transformer]


def test_neither_threads_nor_neighbours_change_a_lane(province):
    _, power, _ = province
    forest, source = feeders_of(power)
    high = high_voltage_of(power)
    exchange = exchange_of(forest, high.supply, high.bus, high.busbar)
    p = np.stack([loads(power, k, 1 + 0.2 * k)[0] for k in range(5)], axis=1)

    def solve(which):
        lanes = p[:, which]
        out = forest.allocate(len(which), voltage=False, current=False, magnitude=True)
        rough = forest.allocate(len(which), voltage=False, current=False)
        at = np.repeat(source, len(which), axis=1)
        found, matched = exchange.solve(
            out, rough, at, lanes, 0.2 * np.abs(lanes), scale=1e-3, tolerance=1e-11, max_iterations=100,
            scratch=forest.scratch(),
        )  # fmt: skip
        assert matched.all()
        return out.magnitude[forest.order], found

    before = threads()
    try:
        set_threads(1)
        one, _ = solve(range(5))
        set_threads(2)
        two, found = solve(range(5))
        alone, single = solve([3])
    finally:
        set_threads(before)
    assert np.array_equal(one, two)
    # a neighbour may ask for one more exchange, which moves nothing by more than it is matched to
    np.testing.assert_allclose(alone[:, 0], two[:, 3], rtol=0, atol=3e-7)
    assert np.array_equal(single.tap[:, 0], found.tap[:, 3])


@settings(max_examples=60, deadline=None)
@given(
    p=st.floats(-3, 3), q=st.floats(-3, 3), r=st.floats(0, 0.1), x=st.floats(0.01, 0.2), e=st.floats(0.8, 1.2),
    angle=st.floats(-1, 1),
)  # fmt: skip
def test_a_busbar_satisfies_its_equation_on_the_upper_branch(p, q, r, x, e, angle):
    inner, z, s = e * np.exp(1j * angle), r + 1j * x, p + 1j * q
    v = busbar_voltage(inner, z, s)
    # real roots as in the reference: V^4 + 2 (rP + xQ - E^2 / 2) V^2 + |z|^2 |S|^2 = 0
    roots = np.roots([1.0, 2 * (r * p + x * q) - e * e, abs(z) ** 2 * abs(s) ** 2])
    real = abs(roots.imag).max() < 1e-7 and roots.real.max() > 0
    if np.isnan(v):
        assert not real or (e * e - 2 * (r * p + x * q)) ** 2 - 4 * abs(z) ** 2 * abs(s) ** 2 < 1e-9
        return
    assert abs(v - (inner - z * np.conj(s / v))) < 1e-9
    assert abs(v) ** 2 == pytest.approx(roots.real.max(), rel=1e-5)


def test_a_substation_past_its_nose_is_taken_off_and_told(province):
    _, power, _ = province
    p, q = loads(power, 1)
    bar = np.flatnonzero(power["bus_id"].values == b"substation-4")[0]
    heavy = p.copy()
    heavy[bar] = 5e6
    s, ledger = run(power, heavy, q)
    assert s.status[bar] == 3 and np.isnan(s.voltage[bar])
    others = np.arange(len(p)) != bar
    assert (s.status[others] == 0).all()
    assert ledger.transfers["energy_not_solved"].given == pytest.approx(5e6)
    with pytest.raises(ConvergenceError, match="1 collapsed"):
        run(power, heavy, q, on_failure="fail")


def test_a_part_without_the_grid_is_refused_or_left_without_supply(province):
    _, power, _ = province
    cut = power.copy(deep=True)
    cut["grid_voltage"][:] = 0.0
    p, q = loads(power)
    with pytest.raises(DataError, match=r"no path to a source.*deenergise"):
        run(cut, p, q)
    s, ledger = run(cut, p, q, islands="deenergise")
    assert (s.status == 1).all() and np.isnan(s.voltage).all() and np.isnan(s.loading).all()
    assert ledger.transfers["energy_not_solved"].given == pytest.approx(p.sum())
    lost = power.isel(branch=power["branch_id"].values != b"transformer-D_E-4-50/10kV")
    with pytest.raises(DataError, match=r"1 buses have no path.*substation-4"):
        run(lost, p, q)
    s, ledger = run(lost, p, q, islands="deenergise")
    assert (s.status == 1).sum() == 1 and ledger.balances["bus_energy"].worst < 1e-10


def test_the_joined_group_keeps_the_feeders_and_says_what_is_assumed(province):
    laid, power, _ = province
    for name, old in laid.variables.items():
        new = power[name].values
        same = new[: len(old)] if old.dims[0] in ("bus", "branch") else new
        np.testing.assert_array_equal(same, old.values, err_msg=str(name))
    high = of_high_voltage(power)
    assert (power["branch_basis"].values > 0).tolist() == high.tolist()
    basis = dict(zip(power["branch_id"].values[high].astype(str), power["branch_basis"].values[high], strict=True))
    assert basis["circuit-A-B-12-150kV"] == 1 and basis["circuit-3-A-14-150kV"] == 2  # no voltage of its own
    assert basis["transformer-A-1-380/150kV"] == 4 and basis["transformer-B-2-150/10kV"] == 5
    assert len(set(power["branch_id"].values)) == power.sizes["branch"]
    assert len(set(power["bus_id"].values)) == power.sizes["bus"]
    for name in BEYOND:
        assert power[f"beyond_{name}"].values.sum() > 0 and set(SHAPED) == set(BEYOND)
    assert power["beyond_household_energy"].values.sum() == pytest.approx(6e7)
    text = power.attrs["high_voltage_notes"]
    assert "no operator's data" in text and "1 of 5 groups" in text


def test_one_transformer_may_be_out_at_the_coincident_peak(province):
    _, power, _ = province
    forest, _ = feeders_of(power)
    names = ("household_energy", "service_energy", "industry_energy")
    energy = sum(power[n].values + power[f"beyond_{n}"].values for n in names)
    at = np.bincount(forest.component[forest.component >= 0], energy[forest.component >= 0], power.sizes["bus"])
    for k in np.flatnonzero(power["branch_basis"].values == 5):
        peak = 2.1 * at[power["branch_to"].values[k]] / 8.76 / 0.97
        rated = power["s_rated"].values[k]
        units = [u for u in Feeding().s_rated if abs(rated / u - round(rated / u)) < 1e-9]
        assert any(rated - u >= peak for u in units)


def test_outages_of_rings_do_not_see_the_high_voltage_network(province):
    laid, power, _ = province
    names = ("household_energy", "service_energy", "industry_energy")
    load = np.sum([power[n].values for n in names], axis=0)[:, None] / 8760 * (1 + 0.2j)
    alone, joined = ring_outages(laid, load=load[: laid.sizes["bus"]]), ring_outages(power, load=load)
    xr.testing.assert_identical(alone, joined)


def test_a_substation_beside_the_grid_is_refused():
    g = grid()
    g.vertices.loc[2, "x"] += 500.0
    laid, _, _ = world()
    with pytest.raises(DataError, match=r"substation-2 is 500 m from"):
        join_high_voltage(laid, g, g.vertices.index.to_numpy() < 9)


class NobodyCharges(Component):
    """Stands for the charging component."""

    power = Out("charging_power", ("bus",), "kW", "charging")


def test_demand_beyond_follows_the_shapes_of_the_homes_within(province):
    _, power, weather = province
    tree = xr.DataTree.from_dict({"power": power, "weather": weather})
    component = Demand()
    wiring = Wiring([NobodyCharges(), component], tree)
    s: SimpleNamespace = wiring.slots["demand"]
    component.setup(s, tree)
    for hour in (12, 4000):
        component.step(s, Moment(datetime(2023, 1, 1, tzinfo=UTC), 3600, hour, hour, 1, "demand", Ledger()))
        own = s.household + s.heat_pump + s.work + s.charging - s.pv
        np.testing.assert_allclose(s.load, own + s.beyond, rtol=1e-12, atol=1e-9)
        at = power["beyond_household_energy"].values > 0
        assert s.beyond[at].all() and not s.beyond[~at].any() and not own[at & (power["dwellings"].values == 0)].any()
        # work has no diversity: the ratio of loads is that of yearly energies
        only = power["beyond_service_energy"].values.sum() * power["profile_service"].values.max()
        assert 0 < s.beyond.sum() < 4 * only


BOTH = {"volt_watt": (1.02, 1.06), "volt_var": ((0.98, 0.3), (1.0, 0.0), (1.02, 0.0), (1.06, -0.3))}


def sunny(power, options, high=True):
    """A noon: little load, and what the panels give."""
    g = power if high else power.isel(branch=~of_high_voltage(power), bus=power["bus_kind"].values < 3)
    n = g.sizes["bus"]
    pv = 2.5 * g["pv_capacity"].values
    load = 0.2 * g["dwellings"].values - pv
    return g, pv, run(g, load, np.zeros(n), pv=pv, **options)


def test_inverters_stand_on_their_characteristics_and_hold_back_what_is_booked(province):
    _, power, _ = province
    _, pv, (free, _) = sunny(power, {})
    _, _, (s, ledger) = sunny(power, BOTH)
    assert (s.status == 0).all() and (free.held_back == 0).all()
    at = np.flatnonzero(pv > 0)
    through = np.clip((1.06 - s.voltage[at]) / 0.04, 0, 1)
    np.testing.assert_allclose(s.held_back[at], (1 - through) * pv[at], atol=2e-6 * pv.max())
    assert 0 < s.held_back.sum() < pv.sum()
    assert s.voltage[at].max() < free.voltage[at].max() - 1e-3
    # the whole network with those answers, not split: voltages are what the characteristics were read at
    q = np.zeros(len(pv))
    q[at] = -np.interp(s.voltage[at], *np.array(BOTH["volt_var"]).T) * 0.9 * power["pv_capacity"].values[at]
    joined = powerflow(network_of(power, s.load + s.held_back, q, s.tap), solver="meshed", tolerance=1e-10)
    np.testing.assert_allclose(s.voltage, joined["vm_pu"].values[0], rtol=0, atol=1e-6)
    book = ledger.balances["pv_energy"]
    assert book.inflow == pytest.approx(pv.sum()) and ledger.balances["bus_energy"].worst < 1e-10
    # what the panels do not feed in, the grid beyond gives, less what that saves in losses
    assert s.held_back.sum() == pytest.approx(
        _given(power, s) - _given(power, free) + free.losses.sum() - s.losses.sum(), rel=1e-9
    )


def _given(power, s):
    k = int(np.flatnonzero(power["branch_id"].values == b"circuit-far-A-11-380kV")[0])
    far = power["grid_voltage"].values[power["branch_from"].values[k]] > 0
    return s.power[k] if far else s.losses[k] - s.power[k]


def test_a_lower_threshold_holds_back_more(province):
    _, power, _ = province
    held = [sunny(power, {"volt_watt": (low, low + 0.04)})[2][0].held_back.sum() for low in (1.05, 1.03, 1.01)]
    assert held[0] <= held[1] <= held[2] and held[2] > 0


def test_feeders_whose_inverters_hunt_are_told_and_the_others_balance(province):
    _, power, _ = province
    _, _, (free, _) = sunny(power, {})
    edge = float(np.median(free.voltage[power["pv_capacity"].values > 0]))
    _, _, (s, ledger) = sunny(power, {"volt_watt": (edge, edge + 1e-13)})
    assert {0, 2} <= set(np.unique(s.status)) and np.isnan(s.voltage[s.status == 2]).all()
    assert ledger.balances["bus_energy"].worst < 1e-10


def test_characteristics_that_rise_are_refused():
    with pytest.raises(ValueError, match="volt_watt"):
        PowerFlow.Options(volt_watt=(1.1, 1.0))
    with pytest.raises(ValueError, match="volt_var"):
        PowerFlow.Options(volt_var=((0.9, 0.0), (1.0, 0.5)))

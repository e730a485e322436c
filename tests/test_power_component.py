"""The component PowerFlow: closure of energy, islands and loops refused by name, status of what is not solved."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from twin.clock import Moment
from twin.component import Component, Out
from twin.components.power_flow import PowerFlow
from twin.errors import ConvergenceError, DataError
from twin.ledger import Ledger
from twin.wiring import Wiring


class GivenLoad(Component):
    """Stands for the demand component."""

    load = Out("bus_load", ("bus",), "kW", "load")
    reactive = Out("bus_reactive", ("bus",), "kvar", "reactive load")
    pv = Out("pv_power", ("bus",), "kW", "sun")


def world(branches=((0, 1), (1, 2), (2, 3), (0, 4)), n=5, ratio=None):
    """Substation 0 at 10 kV; bus 3 behind a 10/0.4 kV transformer (branch 2)."""
    v = np.full(n, 10e3)
    v[3] = 400.0
    m = len(branches)
    z_scale = np.array([(v[t] / 10e3) ** 2 for _, t in branches])
    f = {
        "branch_from": ("branch", np.array([b[0] for b in branches], "i4"), "1"),
        "branch_to": ("branch", np.array([b[1] for b in branches], "i4"), "1"),
        "branch_id": ("branch", np.array([f"cable{i}".encode() for i in range(m)]), "1"),
        "resistance": ("branch", 0.3 * z_scale, "ohm"),
        "reactance": ("branch", 0.2 * z_scale, "ohm"),
        "susceptance": ("branch", 1e-5 / z_scale, "S"),
        "ratio": ("branch", np.ones(m) if ratio is None else ratio, "1"),
        "s_rated": ("branch", np.full(m, 5e6), "VA"),
        "bus_voltage_rated": ("bus", v, "V"),
        "source_voltage": ("bus", np.array([1.03] + [np.nan] * (n - 1)), "1"),
        "bus_id": ("bus", np.array([f"station{i}".encode() for i in range(n)]), "1"),
    }
    power = xr.Dataset({k: (d, a, {"units": u}) for k, (d, a, u) in f.items()})
    return xr.DataTree.from_dict({"/power": power})


def run(tree, load, reactive=None, **options):
    component = PowerFlow(PowerFlow.Options(**options))
    wiring = Wiring([GivenLoad(), component], tree)
    s: SimpleNamespace = wiring.slots["power_flow"]
    component.setup(s, tree)
    wiring.arrays["bus_load"][:] = load
    wiring.arrays["bus_reactive"][:] = 0 if reactive is None else reactive
    wiring.accumulate("power_flow")
    wiring.complete("power_flow", 1)
    ledger = Ledger()
    moment = Moment(datetime(2023, 1, 2, tzinfo=UTC), 3600, 0, 0, 1, "power_flow", ledger)
    component.step(s, moment)
    return s, ledger


LOAD = np.array([10.0, 400.0, -900.0, 120.0, 300.0])


def test_source_gives_load_and_losses():
    s, ledger = run(world(), LOAD, LOAD / 3)
    assert (s.status == 0).all() and s.voltage[0] == 1.03
    assert ledger.transfers["bus_energy"].taken == pytest.approx(LOAD.sum(), rel=1e-12)
    book = ledger.balances["bus_energy"]
    assert book.worst < 1e-10
    # what leaves the substation = power into branches 0 and 3 = loads behind them + losses
    assert s.power[0] + s.power[3] == pytest.approx(LOAD[1:].sum() + s.losses.sum(), rel=1e-10)
    assert (s.losses > 0).all() and (s.loading > 0).all()


def test_loading_is_the_larger_end_current_over_rated():
    # One cable with its charging left out: I = S / V at the load; loading = |S| / (V s_rated).
    tree = world(((0, 1),), 4)
    tree["power"].ds["susceptance"][:] = 0
    s, _ = run(tree, np.array([0, 700.0, 0, 0]), np.array([0, 200.0, 0, 0]), islands="deenergise")
    assert s.loading[0] == pytest.approx(np.hypot(700, 200) / s.voltage[1] / 5000, rel=1e-9)


def test_a_step_of_the_tap_scales_the_secondary_voltage():
    s, _ = run(world(), LOAD * 0)
    t, _ = run(world(ratio=np.array([1, 1, 0.95, 1])), LOAD * 0)
    assert t.voltage[3] == pytest.approx(s.voltage[3] / 0.95, rel=1e-4)


def test_islands_and_loops_are_refused_by_name():
    with pytest.raises(DataError, match=r"station4.*deenergise"):
        run(world(((0, 1), (1, 2), (2, 3))), LOAD)
    with pytest.raises(DataError, match=r"cable[0-9].*closes a loop"):
        run(world(((0, 1), (1, 2), (2, 3), (0, 4), (4, 2))), LOAD)
    tree = world()
    tree["power"].ds["source_voltage"][4] = 1.0
    with pytest.raises(DataError, match="cable3 joins two sources"):
        run(tree, LOAD)
    tree = world()
    tree["power"].ds["s_rated"][1] = -1.0
    with pytest.raises(DataError, match=r"s_rated.*cable1"):
        run(tree, LOAD)


def test_island_left_without_supply_is_nan_and_flagged():
    s, ledger = run(world(((0, 1), (1, 2), (2, 3))), LOAD, islands="deenergise")
    assert s.status[4] == 1 and np.isnan(s.voltage[4]) and (s.status[:4] == 0).all()
    assert ledger.balances["bus_energy"].outflow < LOAD[LOAD > 0].sum()


def test_failed_feeder_is_flagged_and_the_other_stays_the_same():
    heavy = LOAD.copy()
    heavy[4] = 3e5
    s, _ = run(world(), LOAD)
    t, _ = run(world(), heavy)
    assert t.status[4] > 1 and np.isnan(t.voltage[4]) and np.isnan(t.loading[3])
    assert np.array_equal(s.voltage[:4], t.voltage[:4]) and np.array_equal(s.losses[:3], t.losses[:3])
    with pytest.raises(ConvergenceError, match="2023-01-02"):
        run(world(), heavy, on_failure="fail")

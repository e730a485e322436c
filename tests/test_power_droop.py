"""Inverters that answer to voltage: each ends on its characteristic, as another tool finds with the same powers."""

import json

import numpy as np
import pandapower
import pytest

from kernels.power.status import MAX_ITERATIONS, OK
from twin.commands.powerflow import powerflow as command
from twin.errors import ConfigError
from twin.power import Droop, powerflow
from twin.readers.pandapower_net import from_tables

BOTH = Droop((1.05, 1.10), ((0.92, 0.44), (0.98, 0.0), (1.02, 0.0), (1.08, -0.44)))


def street(homes=8, kilowatt=9.0, ring=False):
    """A long low-voltage street with sun on each roof behind a 250 kVA transformer, or a ring of it."""
    net = pandapower.create_empty_network()
    mv, last = pandapower.create_bus(net, 20.0), pandapower.create_bus(net, 0.4)
    first = last
    pandapower.create_ext_grid(net, mv, vm_pu=1.03)
    pandapower.create_transformer(net, mv, last, "0.25 MVA 20/0.4 kV")
    for _ in range(homes):
        bus = pandapower.create_bus(net, 0.4)
        pandapower.create_line(net, last, bus, 0.08, "NAYY 4x50 SE")
        pandapower.create_load(net, bus, 0.0004, 0.0001)
        pandapower.create_sgen(net, bus, kilowatt / 1e3)
        last = bus
    if ring:
        pandapower.create_line(net, last, first, 0.5, "NAYY 4x50 SE")
    net.sgen["profile"] = "sun"
    return net


SUN = np.concatenate([np.linspace(0, 1, 12), [0.3, 2.0]])


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("droop", [BOTH, Droop((1.05, 1.10)), Droop(volt_var=BOTH.volt_var)])
def test_every_inverter_ends_on_its_characteristic_and_pandapower_agrees(ring, droop):
    net = street(ring=ring)
    r = powerflow(from_tables(net, "net"), profiles={"sun": SUN}, droop=droop)
    assert (r.status == OK).all()
    u = r.vm_pu.values[:, net.sgen.bus]
    available, rated = SUN[:, None] * net.sgen.p_mw.to_numpy(), net.sgen.p_mw.to_numpy()
    through, reactive = droop.of(u)
    np.testing.assert_allclose(r.curtailed, (1 - through) * available, atol=1e-6 * rated[0])
    np.testing.assert_allclose(r.inverter_reactive, reactive * rated, atol=1e-6 * rated[0])
    free = powerflow(from_tables(net, "net"), profiles={"sun": SUN})
    assert (r.vm_pu <= free.vm_pu + 1e-9).all() and float(free.vm_pu.max() - r.vm_pu.max()) > 1e-3
    for k in (3, 11, 13):
        net.sgen["p_mw"], net.sgen["q_mvar"] = (available - r.curtailed.values)[k], r.inverter_reactive.values[k]
        pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-11, numba=False)
        np.testing.assert_allclose(r.vm_pu[k], net.res_bus.vm_pu, atol=1e-8)
        net.sgen["p_mw"], net.sgen["q_mvar"] = rated, 0.0


def test_one_inverter_meets_the_root_of_its_equation():
    # V of one feed-in P f(V) behind r + jx: |V|^2 = the upper root as for a load of -P f(V); bisected here.
    net = street(homes=1, kilowatt=60.0)
    net.load["in_service"] = False
    r = powerflow(from_tables(net, "net"), profiles={"sun": np.ones(1)}, droop=Droop((1.04, 1.07)), tolerance=1e-11)

    def excess(p):
        net.sgen["p_mw"] = p
        pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-12, numba=False)
        return p - 0.06 * np.clip((1.07 - net.res_bus.vm_pu.iloc[-1]) / 0.03, 0, 1)

    low, high = 0.0, 0.06
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    assert float(r.curtailed[0, 0]) == pytest.approx(0.06 - low, abs=1e-7)


def test_a_step_too_steep_to_settle_is_flagged_and_others_keep_their_bits():
    net = street()
    steep = Droop((1.06, 1.06 + 1e-13))
    r = powerflow(from_tables(net, "net"), profiles={"sun": SUN}, droop=steep)
    hunts = (r.status == MAX_ITERATIONS).any("bus").values
    assert hunts.any() and not hunts.all()
    assert np.isnan(r.vm_pu.values[hunts][:, net.sgen.bus]).all()
    assert np.isnan(r.curtailed.values[hunts]).all() and np.isfinite(r.curtailed.values[~hunts]).all()
    calm = powerflow(from_tables(net, "net"), profiles={"sun": SUN[~hunts]}, droop=steep)
    assert np.array_equal(calm.vm_pu, r.vm_pu.values[~hunts])


def test_command_and_its_refusals(tmp_path):
    path = tmp_path / "street.json"
    net = street()
    net.sgen = net.sgen.drop(columns="profile")
    pandapower.to_json(net, path)
    facts = json.loads(command(str(path), volt_watt="1.05:1.10", volt_var="0.98:0.4,1.02:0,1.08:-0.4").splitlines()[-1])
    assert facts["curtailed_mw"] > 0 and facts["converged"] == 1
    for wrong in ({"volt_watt": "1.1"}, {"volt_watt": "1.1:1.0"}, {"volt_var": "0.9:1,0.8:0"}, {"volt_var": "x"}):
        with pytest.raises(ConfigError, match="volt"):
            command(str(path), **wrong)

"""Hosting capacity and outages of rings, against one pandapower run for every question."""

import copy

import numpy as np
import pandapower
import pytest

from twin.power import hosting, ring_outages
from twin.readers.pandapower_net import from_tables


def ring(buses=7):
    """A 10 kV ring behind a 110/10 kV transformer, open at the end of its fourth cable."""
    net = pandapower.create_empty_network()
    hv = pandapower.create_bus(net, 110.0)
    at = [pandapower.create_bus(net, 10.0) for _ in range(buses)]
    pandapower.create_ext_grid(net, hv, vm_pu=1.02)
    pandapower.create_transformer(net, hv, at[0], "25 MVA 110/10 kV")
    rng = np.random.default_rng(3)
    for k in range(buses):
        a, b = at[k], at[(k + 1) % buses]
        pandapower.create_line(net, a, b, rng.uniform(0.8, 2.5), "NA2XS2Y 1x150 RM/25 6/10 kV")
    for b in at[1:]:
        pandapower.create_load(net, b, rng.uniform(0.3, 1.1), 0.2)
    pandapower.create_switch(net, at[3], 3, "l", closed=False)
    return net


def solved(net):
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
    return net


@pytest.mark.parametrize("generation", [False, True])
def test_hosting_is_what_bisection_with_pandapower_finds(generation):
    net, low, high = ring(), 0.95, 1.08
    table = hosting(from_tables(net, "net"), generation=generation, most=40.0, low=low, high=high)
    found = table["capacity"].to_series()
    found.index = table["bus_id"].values

    def holds(bus, p):
        one = copy.deepcopy(net)
        pandapower.create_load(one, bus, -p if generation else p)
        try:
            solved(one)
        except pandapower.LoadflowNotConverged:
            return False
        loading = max(one.res_line.loading_percent.max(), one.res_trafo.loading_percent.max())
        return loading <= 100 and one.res_bus.vm_pu.min() >= low and one.res_bus.vm_pu.max() <= high

    for bus in (2, 4, 7):
        known = found[bus]
        assert 0.5 < known < 40
        assert holds(bus, known - 1e-6) and not holds(bus, known + 1e-4 * 40.0)


def test_ring_outages_are_those_of_pandapower_one_by_one():
    net = ring()
    table = ring_outages(from_tables(net, "net")).to_dataframe().set_index("branch_id")
    assert sorted(table.index) == [f"line {k}" for k in (0, 1, 2, 4, 5, 6)]
    for name, row in table.iterrows():
        one = copy.deepcopy(net)
        one.switch["closed"] = True
        one.line.loc[int(name[5:]), "in_service"] = False
        solved(one)
        loading = max(one.res_line.loading_percent.max(), one.res_trafo.loading_percent.max()) / 100
        assert row.worst_loading == pytest.approx(loading, abs=1e-6)
        assert row.lowest_voltage == pytest.approx(one.res_bus.vm_pu.min(), abs=1e-7)

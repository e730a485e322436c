"""Networks written and read again have the same admittance matrix, loads and voltages."""

import numpy as np
import pandapower
import pandapower.networks
import pytest

from kernels.power.mesh import admittance
from twin.errors import DataError
from twin.power import circuit_of, powerflow
from twin.readers.network_writing import write_network
from twin.readers.networks import open_network
from twin.readers.pandapower_net import from_tables


def matrix(net):
    """Admittance matrix by electrical node [pu]."""
    c = circuit_of(net, several_sources=True)
    rows, columns, values = admittance(
        c.count, c.start, c.end, c.z, c.z_back, c.ratio, c.shunt_from, c.shunt_to, c.shunt
    )
    y = np.zeros((c.count, c.count), complex)
    np.add.at(y, (rows, columns), values)
    return y, c


def open_ended():
    net = pandapower.networks.mv_oberrhein()
    net.load["const_z_percent"] = 0.0
    return from_tables(net, "mv_oberrhein")


def urban():
    return open_network("simbench:1-MV-urban--0-sw")


def case14():
    return open_network("pandapower:case14")


def case118():
    return open_network("pandapower:case118")


@pytest.mark.parametrize(
    "make, format",
    [(m, f) for m in (case14, case118, open_ended, urban) for f in ("pgm", "pandapower", "matpower", "simbench")
     if not (f == "simbench" and m in (case14, case118))],
)  # fmt: skip
def test_round_trip_conserves_the_admittance_matrix(make, format, tmp_path):
    net = make()
    path = tmp_path / {"matpower": "net.m", "simbench": "net"}.get(format, "net.json")
    write_network(net, path, format)
    again = open_network(str(path))
    (one, c), (two, d) = matrix(net), matrix(again)
    if format == "matpower":  # written buses are the nodes
        assert d.count == c.count
    assert one.shape == two.shape
    assert np.abs(one - two).max() <= 1e-12 * np.abs(one).max()
    size = np.maximum(np.abs(one), 1e-9 * np.abs(one).max())
    assert (np.abs(one - two) / size).max() < 1e-9
    options = {"tolerance": 1e-10, "several_sources": True, "reactive_limits": False}
    a, b = powerflow(net, **options), powerflow(again, **options)
    u = a.vm_pu.values[0]
    at = c.node[np.flatnonzero([not str(i).startswith(("xward ", "trafo3w ")) for i in net.bus_id])]
    other = np.full(d.count, np.nan)
    other[d.node[d.node >= 0]] = b.vm_pu.values[0][: d.node.size][d.node >= 0]
    np.testing.assert_allclose(other[at[at >= 0]], u[at >= 0], atol=1e-9)


def test_what_a_format_cannot_say_is_refused(tmp_path):
    with pytest.raises(DataError, match="generator"):
        write_network(case14(), tmp_path / "x", "simbench")
    with pytest.raises(DataError, match="unknown"):
        write_network(case14(), tmp_path / "x", "excel")
    net = pandapower.networks.case9()
    net.load["const_i_p_percent"] = 10.0
    with pytest.raises(DataError, match="MATPOWER"):
        write_network(from_tables(net, "net"), tmp_path / "x.m", "matpower")

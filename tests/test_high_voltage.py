"""High-voltage networks from vertices and links: circuits, levels and sources as by hand, assumptions counted."""

import numpy as np
import pandas as pd
import pytest

from twin.errors import DataError
from twin.power import powerflow
from twin.readers.osm_power import HighVoltageGrid
from twin.world.high_voltage import HighVoltageRules, high_voltage_network


def grid(cross=True):
    """380 kV from outside (9) to 1; 1 couples to 150 kV; 2 with two circuits; 3 without voltage; 4 hangs loose."""
    vertices = pd.DataFrame(
        {
            "x": [0.0, 10e3, 20e3, 20e3, -30e3], "y": [0.0, 0, 0, 8e3, 0], "kind": ["substation"] * 5,
            "voltages": [(380_000, 150_000), (150_000,), (0,), (), (380_000,)], "name": list("abcde"),
        },
        index=[1, 2, 3, 4, 9],
    )  # fmt: skip
    links = pd.DataFrame(
        {
            "from": [9, 1, 2, 2], "to": [1, 2, 3, 9], "length": [30e3, 10e3, 10e3, 45e3],
            "voltages": [(380_000,), (150_000, 150_000), (), (150_000,)],
        },
        index=[11, 12, 13, 14],
    )  # fmt: skip
    return HighVoltageGrid(vertices, links if cross else links.iloc[1:3])


def build(load=(0.0, 60.0, 40.0, 10.0), **options):
    g = grid()
    inside = g.vertices.index.to_numpy() < 9
    at = g.vertices[inside]
    return high_voltage_network(g, inside, at["x"].to_numpy(), at["y"].to_numpy(), np.array(load), **options)


def test_circuits_levels_and_sources_are_those_of_the_links():
    net = build()
    branch = dict(zip(net.branch.id, zip(net.branch.z, net.branch.rated_from, strict=True), strict=True))
    line = HighVoltageRules().circuits[150_000]
    z, rated = branch["12-150"]
    assert z == pytest.approx((line.r + 1j * line.x) * 10 / 2 / (150e3**2 / 1e6))  # two circuits of 10 km
    assert rated == pytest.approx(2 * line.s_rated / 1e6)
    assert "13-150" in branch and "1-380-150" in branch
    assert len(net.source.bus) == 1 and net.v_rated[net.source.bus[0]] == 380e3
    assert net.load.p.sum() == pytest.approx(110.0)
    notes = " ".join(net.notes)
    assert "1 crossing links below 380 kV" in notes and "1 links made up" in notes and "2 of 4" in notes


def test_it_solves_and_gives_what_is_taken():
    out = powerflow(build())
    assert (out["status"].values == 0).all()
    into = float(out["p_from"].sel(branch="line 11-380")[0])
    assert into == pytest.approx(110 + float(out["losses"][0]), rel=1e-6)
    more = powerflow(build(load=(0.0, 120.0, 80.0, 20.0)))
    assert float(more["loading"].max()) > float(out["loading"].max())


def test_a_province_that_nothing_feeds_is_refused():
    g = grid(cross=False)
    one = np.ones(1)
    with pytest.raises(DataError, match="no link crosses"):
        high_voltage_network(g, g.vertices.index.to_numpy() < 9, one, one, one)
    with pytest.raises(DataError, match="no vertex of kind 'plant'"):
        build(supplies="plant")

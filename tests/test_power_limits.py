"""Hosting capacity and N-1: analytic limits; what is found holds, a little more does not; batches as one by one."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from kernels.power.forest import plant
from kernels.power.hosting import hosting_capacity
from twin.commands.limits import hosting as hosting_command
from twin.commands.limits import outages as outages_command
from twin.errors import ConfigError, DataError
from twin.power.limits import hosting, ring_outages
from twin.world.feeders import feeders_of
from twin.world.power import Places, synthesise


def chain(z, rated, feeders=1):
    """Feeders of len(z) lines each behind one source, node 0; impedances and ratings in pu."""
    n = len(z)
    to = np.arange(1, n * feeders + 1)
    start = to - 1
    start[::n] = 0
    one, none = np.ones(n * feeders, complex), np.zeros(n * feeders, complex)
    return plant(
        n * feeders + 1, start, to, np.ones(to.size, bool), np.arange(n * feeders + 1) == 0, np.tile(z, feeders), one,
        none, none, np.zeros(n * feeders + 1, complex), np.tile(rated, feeders), np.tile(rated, feeders),
    )  # fmt: skip


def source(n):
    return np.where(np.arange(n) == 0, 1.0, np.nan).astype(complex)[:, None]


def test_voltage_and_rating_limit_a_line_as_by_hand():
    # r only: V (1 - V) / r = P, so that V = 0.9 holds P = 0.09 / r = 0.9 pu at r = 0.1; a rating of 0.5 pu current
    # limits at I = 0.5, V = 1 - 0.05, P = 0.475. Feed-in: V = 1.1 at P = -1.1 x 1.0.
    none = np.zeros((2, 1))
    r = np.array([0.1 + 0j])
    assert hosting_capacity(chain(r, [9.0]), source(2), none, none, 4.0)[1] == pytest.approx(0.9, abs=4e-3)
    assert hosting_capacity(chain(r, [0.5]), source(2), none, none, 4.0)[1] == pytest.approx(0.475, abs=4e-3)
    assert hosting_capacity(chain(r, [9.0]), source(2), none, none, -4.0)[1] == pytest.approx(-1.1, abs=4e-3)
    assert hosting_capacity(chain(r, [9.0]), source(2), none, none, 0.5)[1] == 0.5
    heavy = np.array([[0.0], [0.95]])
    assert hosting_capacity(chain(r, [9.0]), source(2), heavy, none, 4.0)[1] == 0
    assert np.isnan(hosting_capacity(chain(r, [9.0]), source(2), none, none, 4.0)[0])


def test_all_cases_must_hold_and_lanes_in_parts_change_nothing():
    rng = np.random.default_rng(3)
    forest = chain(rng.uniform(0.01, 0.05, 7) * (1 + 0.5j), rng.uniform(0.4, 1.5, 7), feeders=3)
    p = rng.uniform(0, 0.08, (22, 2))
    p[0] = 0
    both = hosting_capacity(forest, source(22), p, 0.3 * p, 2.0)
    each = [hosting_capacity(forest, source(22), p[:, k : k + 1], 0.3 * p[:, k : k + 1], 2.0) for k in range(2)]
    np.testing.assert_array_equal(both[1:], np.minimum(*each)[1:])
    np.testing.assert_array_equal(both, hosting_capacity(forest, source(22), p, 0.3 * p, 2.0, lanes_at_once=4))


def test_what_is_found_holds_and_a_little_more_does_not():
    rng = np.random.default_rng(8)
    forest = chain(rng.uniform(0.01, 0.05, 6) * (1 + 0.5j), rng.uniform(0.4, 1.5, 6), feeders=2)
    p = rng.uniform(0, 0.05, (13, 1))
    p[0] = 0
    found = hosting_capacity(forest, source(13), p, 0.2 * p, 2.0)
    for bus in range(1, 13):
        for factor, good in ((1.0, True), (1.0 + 0.005 / found[bus], False)):
            more, out = p.copy(), forest.allocate(1, magnitude=True, loading=True)
            more[bus] += factor * found[bus]
            forest.solve(out, source(13), more, 0.2 * p)
            inside = (out.status == 0).all() and (out.loading <= 1).all() and (out.magnitude[1:] >= 0.9).all()
            assert inside == good, (bus, factor)
    # the further from the source the less
    assert (np.diff(found[1:7]) <= 2e-3).all()


@pytest.fixture(scope="module")
def group():
    one = np.ones(3)
    homes = np.array([2500.0, 1800.0, 900.0])
    places = Places(
        x=1000 * np.array([1.0, 4, 7]), y=1000 * np.array([1.0, 5, 2]), radius=500 * one, dwellings=homes,
        multi_family=0.4 * homes, household_energy=2600 * homes, heat_pumps=0.06 * homes, heat_demand=450 * homes,
        pv_capacity=homes, jobs=900 * one, service_energy=3e6 * one, industry_energy=1e6 * one,
    )  # fmt: skip
    flat = np.full(8760, 1 / 8760)
    return synthesise(
        places, np.array([1500.0, 6000.0]), np.array([2000.0, 4000.0]), ["a", "b"],
        {f"profile_{k}": flat for k in ("household", "service", "industry", "heat")}, origin_x=places.x,
        origin_y=places.y, inside=np.ones(3, bool),
    )  # fmt: skip


@pytest.fixture(scope="module")
def load(group):
    use = sum(group[k].values for k in ("household_energy", "service_energy", "industry_energy")) / 8760
    return (use * (1 + 0.25j))[:, None] * np.array([1.0, 2.5])


def test_every_ring_has_one_opening_between_its_halves(group):
    forest, _ = feeders_of(group)
    a, b = group["opening_from"].values, group["opening_to"].values
    assert group.sizes["opening"] > 3
    assert (forest.component[a] == forest.component[b]).all()
    assert (forest.block_of_bus[a] != forest.block_of_bus[b]).all()
    # each half ring of more than one station ends at an opening
    assert len(np.unique(forest.block_of_bus[np.r_[a, b]])) == 2 * group.sizes["opening"]


def test_outages_of_all_rings_at_once_are_those_one_by_one(group, load):
    table = ring_outages(group, load=load)
    assert table.attrs["topologies"] < 0.5 * table.attrs["outages"]
    assert np.isfinite(table["worst_loading"]).all()
    ids = group["branch_id"].values.tolist()
    rng = np.random.default_rng(1)
    forest, volt = feeders_of(group)
    base = forest.allocate(2, magnitude=True, loading=True)
    forest.solve(base, volt, load.real.copy() * 1e-3, load.imag.copy() * 1e-3)
    for k in rng.choice(table.sizes["section"], 6, replace=False):
        failed = ids.index(table["branch_id"].values[k])
        # the ring of the section: by its name mv-substation-ring-number
        ring = ids[failed].decode().rsplit("-", 1)[0].removeprefix("mv-")
        stations = [f"station-{ring}-".encode()]
        bus = group["bus_id"].values
        mine = np.array([x.startswith(stations[0]) for x in bus])
        o = int(np.flatnonzero(mine[group["opening_from"].values])[0])
        one = group.copy(deep=True)
        for name in ("resistance", "reactance", "susceptance", "s_rated"):
            one[name].values[failed] = group[f"opening_{name}"].values[o]
        one["branch_from"].values[failed] = group["opening_from"].values[o]
        one["branch_to"].values[failed] = group["opening_to"].values[o]
        after, volt = feeders_of(one)
        out = after.allocate(2, magnitude=True, loading=True)
        after.solve(out, volt, load.real.copy() * 1e-3, load.imag.copy() * 1e-3)
        low = np.flatnonzero(mine)
        rows = np.isin(after.block_of_bus[after.order], after.block_of_bus[low])
        assert table["worst_loading"].values[k] == pytest.approx(out.loading[rows].max(), rel=1e-9)
        assert table["lowest_voltage"].values[k] == pytest.approx(out.magnitude[after.order[rows]].min(), rel=1e-9)


def test_a_world_hosts_by_bus(group, load):
    table = hosting(group, load=load, most=3.0)
    found = table["capacity"].values
    assert np.isnan(found[np.isfinite(group["source_voltage"])]).all()
    assert (np.nan_to_num(found) >= 0).all() and np.nanmax(found) > np.nanmin(found)
    # a station's low side takes at most what is left of its transformer
    transformer = group["branch_kind"].values == 1
    low, rated = group["branch_to"].values[transformer], group["s_rated"].values[transformer] / 1e6
    assert (found[low] <= rated * 1.01).all()


def test_limits_of_a_file():
    table = hosting("simbench:1-MV-rural--0-sw", generation=True, cases=(0.2,), most=20.0, high=1.05)
    assert (table["capacity"].to_series().dropna() >= 0).all() and float(table["capacity"].max()) > 1
    outages = ring_outages("simbench:1-MV-rural--0-sw")
    assert outages.attrs["openings"] > 0 and outages.attrs["outages"] >= outages.attrs["topologies"] > 0


def test_the_commands_name_the_least_and_write_every_bus(tmp_path):
    text = hosting_command("simbench:1-LV-rural1--0-no_sw", most=0.5, out=tmp_path / "buses.csv")
    rows = pd.read_csv(tmp_path / "buses.csv")
    least = rows["capacity_mw"].min()
    assert f"{least:8.3f} MW" in text and len(rows) > 10
    text = outages_command("simbench:1-MV-rural--0-sw", out=tmp_path / "sections.csv")
    sections = pd.read_csv(tmp_path / "sections.csv")
    assert text.startswith(f"{len(sections)} outages")
    assert {"branch", "worst_loading_percent", "lowest_voltage_pu"} <= set(sections)


def test_wrong_questions_are_refused(group, load):
    with pytest.raises(ConfigError, match="power factor"):
        hosting(group, load=load, power_factor=0)
    with pytest.raises(ConfigError, match="need load"):
        hosting(group)
    with pytest.raises(DataError, match="no openings"):
        ring_outages(group.drop_vars([n for n in group if str(n).startswith("opening")]), load=load)


def test_xarray_is_what_comes_back(group, load):
    assert isinstance(hosting(group, load=load, most=0.1), xr.Dataset)

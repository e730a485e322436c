"""Synthesised networks: every total kept, radial and whole, dimensioned by coincident peaks, the same for one input."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import Moment
from twin.component import Component, Out
from twin.components.power_flow import PowerFlow
from twin.errors import DataError
from twin.ledger import Ledger
from twin.wiring import Wiring
from twin.world.power import QUANTITIES, FeederShape, NetworkRules, Places, _tree, coincident_peak, synthesise

FLAT = np.full(8760, 1 / 8760)
EVENING = np.tile(np.where(np.arange(24) == 18, 2.1, (24 - 2.1) / 23), 365) / 8760


def places(seed=1, n=6, most=4000):
    rng = np.random.default_rng(seed)
    homes = rng.integers(0, most, n).astype(float)
    homes[0] = 900.0  # one place has homes for sure
    jobs = rng.integers(1, most // 3, n).astype(float)
    return Places(
        x=rng.uniform(0, 8000, n), y=rng.uniform(0, 8000, n), radius=rng.uniform(200, 900, n), dwellings=homes,
        multi_family=np.round(0.4 * homes), household_energy=2515.0 * homes, heat_pumps=0.06 * homes,
        heat_demand=450.0 * homes, pv_capacity=0.6 * homes, jobs=jobs, service_energy=4300 * 0.8 * jobs,
        industry_energy=12_000 * 0.2 * jobs,
    )  # fmt: skip


def build(p, origins=5, seed=3, **options):
    rng = np.random.default_rng(seed)
    inside = np.ones(origins, bool)
    inside[-1] = False
    return synthesise(
        p, np.array([1000.0, 7000.0]), np.array([1000.0, 6000.0]), ["west", "east"],
        {"profile_household": EVENING, "profile_service": FLAT, "profile_industry": FLAT, "profile_heat": FLAT},
        origin_x=rng.uniform(0, 8000, origins), origin_y=rng.uniform(0, 8000, origins), inside=inside, **options,
    )  # fmt: skip


def tree(g):
    """Parent branch of each bus, by walking from the sources over an adjacency list."""
    ends = np.column_stack((g["branch_from"].values, g["branch_to"].values))
    near = {}
    for k, (a, b) in enumerate(ends):
        near.setdefault(int(a), []).append((k, int(b)))
        near.setdefault(int(b), []).append((k, int(a)))
    reached = {int(b): -1 for b in np.flatnonzero(np.isfinite(g["source_voltage"].values))}
    todo = list(reached)
    while todo:
        bus = todo.pop()
        for k, other in near.get(bus, ()):
            if other not in reached:
                reached[other] = k
                todo.append(other)
    return reached


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), detailed=st.booleans())
def test_every_total_is_kept_and_every_bus_hangs_on_one_substation(seed, detailed):
    p = places(seed)
    g = build(p, detailed=(0,) if detailed else ())
    for name in QUANTITIES:
        assert g[name].values.sum() == pytest.approx(getattr(p, name).sum(), rel=1e-12)
    sources = np.isfinite(g["source_voltage"].values).sum()
    # A forest has as many branches as buses less trees; with every bus reached it has no loop.
    assert g.sizes["branch"] == g.sizes["bus"] - sources
    reached = tree(g)
    assert len(reached) == g.sizes["bus"]
    to = g["branch_to"].values
    assert all(k < 0 or to[k] == bus for bus, k in reached.items())  # branches point away from the source


@pytest.mark.parametrize(("template", "nodes"), [("rural", 127), ("semiurban", 109), ("urban", 57)])
def test_low_voltage_follows_its_template(template, nodes):
    p = places()
    g = build(p, detailed=(0,), rules=NetworkRules(lv_template=template))
    stations = np.ceil(p.dwellings[0] / 180)
    lines = (g["branch_kind"].values == 0) & (g["bus_kind"].values[g["branch_to"].values] == 2)
    assert lines.sum() == stations * nodes  # one node a line: as many as the template's grid has lines
    assert len(tree(g)) == g.sizes["bus"]
    assert g["dwellings"].values.sum() == pytest.approx(p.dwellings.sum(), rel=1e-12)


def shapes_laid(g, station):
    """Nodes, ends, nodes on the longest way and metres of each feeder of a station, by walking its branches."""
    ids = g["bus_id"].values.astype(str)
    parent = dict(zip(g["branch_to"].values.tolist(), g["branch_from"].values.tolist(), strict=True))
    reactance = dict(zip(g["branch_to"].values.tolist(), g["reactance"].values.tolist(), strict=True))
    found = {}
    for bus in np.flatnonzero([i.startswith(f"lv-{station}-") for i in ids]).tolist():
        feeder = int(ids[bus].removeprefix(f"lv-{station}-").split("-")[0])
        found.setdefault(feeder, []).append(bus)
    rows = []
    for _, buses in sorted(found.items()):
        depth = {}
        for bus in buses:  # a node is laid after the one before it
            depth[bus] = depth.get(parent[bus], 0) + 1
        ends = set(buses) - {parent[b] for b in buses}
        rows.append((len(buses), len(ends), max(depth.values()), sum(reactance[b] for b in buses)))
    return rows


@pytest.mark.parametrize("template", ["rural", "semiurban", "urban"])
def test_low_voltage_branches_as_its_template_does(template):
    g = build(places(), detailed=(0,), rules=NetworkRules(lv_template=template))
    laid = NetworkRules(lv_template=template).low_voltage()
    stations = [i.removeprefix("transformer-") for i in g["branch_id"].values.astype(str) if i.startswith("transf")]
    homes = [s for s in stations if shapes_laid(g, s)]
    assert len(homes) == 5  # 900 homes
    for station in homes:
        rows = shapes_laid(g, station)
        assert [r[:3] for r in rows] == [(f.nodes, f.ends, f.longest) for f in laid.feeders]
        for (nodes, _, _, ohm), shape in zip(rows, laid.feeders, strict=True):
            assert ohm / laid.cable.x * 1e3 == pytest.approx(nodes * shape.section, rel=1e-9)
    assert g.identical(build(places(), detailed=(0,), rules=NetworkRules(lv_template=template)))
    other = build(places(), detailed=(0,), rules=NetworkRules(lv_template=template, lv_seed=1))
    assert not np.array_equal(other["reactance"].values, g["reactance"].values)


@pytest.mark.parametrize(("nodes", "ends", "longest"), [(5, 2, 5), (5, 1, 4), (9, 2, 4), (3, 3, 2)])
def test_a_shape_that_no_tree_has_is_refused(nodes, ends, longest):
    with pytest.raises(ValueError, match="no tree"):
        FeederShape(nodes=nodes, ends=ends, longest=longest, section=10.0)


@settings(max_examples=60, deadline=None)
@given(longest=st.integers(2, 30), limbs=st.integers(0, 6), fill=st.floats(0, 1), seed=st.integers(0, 99))
def test_any_possible_shape_is_met(longest, limbs, fill, seed):
    rest = limbs + int(fill * limbs * (longest - 2))
    shape = FeederShape(nodes=longest + rest, ends=limbs + 1, longest=longest, section=20.0)
    parent, _ = _tree(shape, np.random.default_rng(seed))
    depth = []
    for before in parent:
        depth.append(1 if before < 0 else depth[before] + 1)
    assert len(parent) == shape.nodes and max(depth) == longest
    assert len(set(range(shape.nodes)) - set(parent)) == shape.ends


def test_one_input_gives_one_network():
    a, b = build(places()), build(places())
    assert a.identical(b)
    assert a["branch_id"].values.tolist() != build(places(seed=2))["branch_id"].values.tolist()


def test_all_of_it_is_labelled_synthetic_with_its_rule():
    for name, variable in build(places()).variables.items():
        assert variable.attrs["synthetic"] == 1 and variable.attrs["rule"], name
        assert variable.attrs["units"] and variable.attrs["long_name"], name


def test_ids_are_unique():
    g = build(places(), detailed=(0,))
    for name in ("bus_id", "branch_id"):
        assert len(np.unique(g[name].values)) == g[name].size


def test_station_counts_follow_homes_and_jobs():
    p = places()
    g = build(p)
    to = g["branch_to"].values[g["branch_kind"].values == 1]
    homes = g["dwellings"].values[to] > 0
    assert homes.sum() == np.ceil(p.dwellings / 180).sum()
    assert (~homes).sum() == np.ceil(p.jobs / 200).sum()


def test_a_ring_can_be_fed_from_one_end():
    # n - 1: when one half ring loses its first cable, the other carries the stations of both; the coincident peaks
    # of the stations are computed here from the loads that the group hands out.
    rules = NetworkRules()
    g = build(places(most=9000))
    peak = {}
    to, kind = g["branch_to"].values, g["branch_kind"].values
    ids = g["branch_id"].values.astype(str)
    for k in np.flatnonzero(kind == 1):
        low = to[k]
        ring = ids[k].removeprefix("transformer-").rsplit("-", 1)[0]
        energy = g["household_energy"].values[low]
        work = g["service_energy"].values[low] + g["industry_energy"].values[low]
        load = rules.peak_over_mean * work / 8.76
        if energy > 0:
            load += coincident_peak(energy, g["dwellings"].values[low], rules)
        peak.setdefault(ring, []).append(load)
    lines = (kind == 0) & (g["bus_kind"].values[to] == 1)
    for k in np.flatnonzero(lines):
        ring = ids[k].removeprefix("mv-").rsplit("-", 1)[0]
        assert sum(peak[ring]) <= g["s_rated"].values[k] * (1 + 1e-9)
        assert len(peak[ring]) <= rules.stations_per_ring


def test_charging_of_each_inside_origin_lands_once_and_no_home_is_left_out():
    g = build(places())
    landed = np.bincount(g["charge_origin"].values, g["charge_share"].values, minlength=5)
    np.testing.assert_allclose(landed, [1, 1, 1, 1, 0], atol=1e-12)
    lived = np.flatnonzero(g["dwellings"].values > 0)
    assert set(g["charge_bus"].values) == set(lived)


def test_charging_goes_to_the_homes_of_the_zone_however_few_stand_at_its_node():
    # origin 0 in one zone with places 1 and 2, its node at place 2 or far from both: the same homes
    p = places()
    zone = np.zeros((5, len(p.x)))
    zone[0, 1], zone[0, 2] = 1.0, 0.5
    zone[1:4, 0], zone[1, 2] = 1.0, 0.5
    assert min(p.dwellings[:3]) > 0
    g = build(p, origin_homes=zone)
    own = g["charge_origin"].values == 0
    bus, share = g["charge_bus"].values[own], g["charge_share"].values[own]
    homes = g["dwellings"].values[bus]
    per_home = share / homes
    whole = np.isclose(per_home, per_home.max(), rtol=1e-9)
    np.testing.assert_allclose(per_home[~whole], per_home.max() / 2, rtol=1e-9)
    assert homes[~whole].sum() == pytest.approx(p.dwellings[2])
    assert homes[whole].sum() >= p.dwellings[1]


class PeakLoad(Component):
    """Stands for the demand component."""

    load = Out("bus_load", ("bus",), "kW", "load")
    reactive = Out("bus_reactive", ("bus",), "kvar", "reactive load")
    pv = Out("pv_power", ("bus",), "kW", "sun")


def solved(g, load):
    world = xr.DataTree.from_dict({"/power": g})
    flow = PowerFlow()
    wiring = Wiring([PeakLoad(), flow], world)
    slot: SimpleNamespace = wiring.slots["power_flow"]
    flow.setup(slot, world)
    wiring.arrays["bus_load"][:] = load
    wiring.arrays["bus_reactive"][:] = 0.25 * load
    wiring.accumulate("power_flow")
    wiring.complete("power_flow", 1)
    flow.step(slot, Moment(datetime(2023, 1, 2, tzinfo=UTC), 3600, 0, 0, 1, "power_flow", Ledger()))
    return slot


def test_in_the_base_peak_stations_are_half_empty_and_voltages_stay_in_band():
    # Bands of Dutch practice: a station of 180 homes at 0.2 to 0.55 of its transformer, low voltage drops 2 to 4 %.
    g = build(places(), detailed=(0,))
    load = g["household_energy"].values * EVENING.max()
    load += 2.1 * (g["service_energy"].values + g["industry_energy"].values) / 8760
    s = solved(g, load)
    assert (s.status == 0).all()
    transformers = g["branch_kind"].values == 1
    homes = np.zeros(g.sizes["bus"])
    homes[:] = g["dwellings"].values
    for k in np.flatnonzero(g["branch_kind"].values == 0)[::-1]:  # low-voltage nodes count for their station
        if g["bus_kind"].values[g["branch_to"].values[k]] == 2:
            homes[g["branch_from"].values[k]] += homes[g["branch_to"].values[k]]
    of_homes = transformers & (homes[g["branch_to"].values] > 90)
    loading = s.loading[of_homes]
    assert 0.2 < np.median(loading) < 0.55 and loading.max() < 0.7
    assert s.voltage.min() > 0.93 and s.voltage.max() <= 1.03 + 1e-9


def test_every_home_all_electric_overloads_its_station():
    # 3.7 kW per home, 180 homes at a station: 666 kW on 250 or 400 kVA.
    g = build(places())
    load = 3.7 * g["dwellings"].values
    s = solved(g, load)
    station = (g["branch_kind"].values == 1) & (g["dwellings"].values[g["branch_to"].values] > 100)
    assert (s.loading[station] > 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dwellings": np.zeros(6)}, "no homes"),
        ({"jobs": np.zeros(6)}, "service_energy"),
    ],
)
def test_demand_without_a_station_is_refused(change, message):
    p = places()
    for name, value in change.items():
        setattr(p, name, value)
    with pytest.raises(DataError, match=message):
        build(p)


def test_a_profile_that_is_no_share_of_the_year_is_refused():
    with pytest.raises(DataError, match="profile_heat adds up to 2"):
        synthesise(
            places(), np.zeros(1), np.zeros(1), ["a"], {"profile_heat": 2 * FLAT}, origin_x=np.zeros(1),
            origin_y=np.zeros(1), inside=np.ones(1, bool),
        )  # fmt: skip

"""The real roads and demand of Zuid-Holland: counts and sums that follow from the files and the declared rules."""

from pathlib import Path

import numpy as np
import pytest

from twin.readers.emission_factors import read_factors
from twin.readers.od_matrix import read_xlsx_matrices
from twin.readers.osm_roads import read_geopackage, read_graphml
from twin.readers.zone_polygons import read_municipalities, read_zones
from twin.world.demand import build_zones
from twin.world.road_factors import build_factors
from twin.world.road_rules import ROAD_CLASSES, DemandRules, RoadRules, SkeletonRules, read_rules
from twin.world.roads import build_roads

RULES = Path(__file__).resolve().parents[1] / "configs" / "zuid_holland"


@pytest.fixture(scope="module")
def table(data):
    return read_geopackage(data / "roads" / "rotterdam_network_rd.gpkg")


@pytest.fixture(scope="module")
def built(table):
    rules = read_rules(RULES / "road_rules.toml", RoadRules), read_rules(RULES / "skeleton.toml", SkeletonRules)
    return build_roads(table, *rules)


@pytest.fixture(scope="module")
def zones(data):
    return read_zones(data / "roads" / "v_mrdh_zones65.gpkg", number="65x65 Nummer", name="65x65 Naam")


@pytest.fixture(scope="module")
def matrices(data, zones):
    sheets = [f"{mode}_{period}" for mode in ("Auto", "Vracht") for period in ("etm", "os", "rd", "as")]
    return read_xlsx_matrices(data / "roads" / "V_MRDH_MatComp_2020.xlsx", sheets, zones.name)


@pytest.fixture(scope="module")
def demand(data, built, zones, matrices):
    places = read_municipalities(
        data / "boundaries" / "gemeenten_2022_kerncijfers.geojson",
        code="gemeentecode",
        inhabitants="aantalInwoners",
        skip=["GM0998"],
    )
    rules = read_rules(RULES / "demand_rules.toml", DemandRules)
    return build_zones(rules, *built, zones, places, matrices)


def test_graph_has_the_counts_of_the_file(table):
    assert (len(table.node_id), len(table.edge_id)) == (1226, 2836)
    assert (sum(not v for v in table.lanes), sum(not v for v in table.max_speed)) == (846, 25)
    assert (table.from_node == table.to_node).sum() == 5
    pairs = np.stack((table.from_node, table.to_node))
    _, count = np.unique(pairs, axis=1, return_counts=True)
    assert (count - 1).sum() == 67
    assert table.length.sum() / 1000 == pytest.approx(2136, abs=0.5)


def test_without_the_skeleton_the_largest_strong_component_has_1196_nodes(table):
    roads, _ = build_roads(table, read_rules(RULES / "road_rules.toml", RoadRules))
    assert roads.sizes["road_node"] == 1196


def test_extended_network_has_the_counts_and_lengths_of_the_rule(built):
    roads, _ = built
    core = roads["reported"].values == 1
    length = roads["length"].values / 1000
    road_class = roads["road_class"].values
    assert roads.sizes["road_node"] == 1303
    assert core.sum() == 2817
    assert length[core].sum() == pytest.approx(2126, rel=1e-3)
    assert length[road_class == 0].sum() == pytest.approx(351.4, rel=1e-3)
    lane_km = {name: (length * roads["lanes"].values)[road_class == k].sum() for k, name in enumerate(ROAD_CLASSES)}
    want = {"motorway": 1002, "primary": 380, "secondary": 917, "tertiary": 637}
    assert {k: lane_km[k] for k in want} == pytest.approx(want, rel=0.02)


def test_both_forms_of_the_graph_hold_the_same_edges(data, table):
    other = read_graphml(data / "roads" / "rotterdam_merged_network.graphml.gz")
    length = dict(zip(other.edge_id, other.length))
    assert set(length) == set(table.edge_id)
    np.testing.assert_allclose([length[name] for name in table.edge_id], table.length, rtol=1e-9)


def test_matrices_have_the_publisher_s_totals(zones, matrices):
    rules = read_rules(RULES / "demand_rules.toml", DemandRules)
    core = np.isin(zones.number, rules.core_zones)
    auto = matrices["Auto_etm"]
    assert auto.sum() == 16_565_994
    assert matrices["Vracht_etm"].sum() == 1_472_785
    assert [auto[core][:, core].sum(), auto[core][:, ~core].sum()] == [1_066_365, 363_457]
    assert auto[~core][:, core].sum() == 357_470
    assert np.trace(auto[core][:, core]) == 467_779


def test_loaded_trips_follow_the_rule(demand):
    """Loaded light and freight trips, and those among graph nodes, to and from the skeleton, within 2 %."""
    inside = demand["inside"].values == 1
    want = {"light": (5.55e6, 1.44e6, 0.434e6, 0.416e6), "freight": (None, 58_000, 43_300, 42_800)}
    for name, numbers in want.items():
        day = demand["trips"].sel(vehicle_class=name).values.sum(axis=0)
        got = (day.sum(), day[inside][:, inside].sum(), day[inside][:, ~inside].sum(), day[~inside][:, inside].sum())
        for have, value in zip(got, numbers):
            if value is not None:
                assert have == pytest.approx(value, rel=0.02), name


def test_laid_and_removed_trips_are_those_of_the_files(demand, matrices):
    for c, mode in enumerate(("Auto", "Vracht")):
        for p, period in enumerate(("os", "rd", "as")):
            total = demand["trips"].values[p, c].sum() + demand["removed_trips"].values[p, c]
            assert total == pytest.approx(matrices[f"{mode}_{period}"].sum(), rel=1e-9)


def test_factor_tables_give_the_check_values(data):
    folder = data / "emission_factors"
    tables = read_factors(folder / "dutch_ef_motorway_srm2_2016.csv")
    tables = tables.merged(read_factors(folder / "dutch_ef_nonmotorway_srm1_2015.csv"))
    factors = build_factors(2020, tables, bev_share_reference=0.0)["emission_factor"]
    light = factors.sel(substance="NOx", vehicle_class="light")
    free = light.sel(traffic_state="free", speed_class=["80_SH", "80", "100_SH", "100", "120", "130"])
    np.testing.assert_allclose(free, [0.222, 0.213, 0.231, 0.256, 0.312, 0.344], atol=5e-4)
    urban = light.sel(traffic_state="free", speed_class=["B", "C", "D", "E"])
    np.testing.assert_allclose(urban, [0.17168, 0.23067, 0.36754, 0.23681], rtol=1e-9)
    assert float(light.sel(traffic_state="stagnating", speed_class="100")) == pytest.approx(0.403)

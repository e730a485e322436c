"""The roads group: lines over cells add up, rules give lanes, speed and capacity, and nothing unreachable stays."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import ConfigError, DataError
from twin.readers.osm_roads import RoadTable
from twin.world.road_rules import RoadRules, SkeletonRules, read_rules
from twin.world.roads import build_roads, clip_links, roads_group, sample_raster

SIZE, NY, NX, WEST, SOUTH = 250.0, 8, 10, 90000.0, 430000.0


def lattice(elevation=None):
    x, y = WEST + SIZE * (np.arange(NX) + 0.5), SOUTH + SIZE * (np.arange(NY) + 0.5)
    data = {} if elevation is None else {"elevation": (("y", "x"), elevation(x[None, :], y[:, None]))}
    return xr.Dataset(data, coords={"x": x, "y": y}, attrs={"cell_size": SIZE})


# Whole and half cell sides are drawn too: lines along and through the corners of cells.
coordinate = st.one_of(st.integers(-4, 24).map(lambda k: k / 2), st.integers(-2048, 12288).map(lambda k: k / 1024))
polyline = st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=6)


@settings(max_examples=150, deadline=None)
@given(line=polyline)
def test_shares_of_a_line_agree_with_polygon_clipping(line):
    """Oracle: length of the line's intersection with the lattice, and with each cell, by shapely."""
    points = np.array(line)
    x, y = WEST + SIZE * points[:, 0], SOUTH + SIZE * points[:, 1]
    _, cell, share = clip_links(np.array([0, len(x)]), x, y, np.array([1], np.int8), lattice())
    segments = [shapely.LineString(pair) for pair in pairwise(points)]
    total = sum(s.length for s in segments)
    if total < 1e-6:
        return
    outer = shapely.box(0, 0, NX, NY)
    on_edge = any((a == b) and float(a).is_integer() for pair in pairwise(points) for a, b in zip(*pair))
    assert len(np.unique(cell)) == len(cell)
    if not on_edge:  # a segment along a cell edge may be given to either cell
        inside = sum(s.intersection(outer).length for s in segments)
        assert share.sum() == pytest.approx(inside / total, abs=1e-9)
        for k, value in zip(cell, share):
            box = shapely.box(k % NX, k // NX, k % NX + 1, k // NX + 1)
            assert value == pytest.approx(sum(s.intersection(box).length for s in segments) / total, abs=1e-9)
    if (points >= 0).all() and (points[:, 0] < NX).all() and (points[:, 1] < NY).all():
        assert share.sum() == pytest.approx(1.0, abs=1e-12)


def test_only_reported_links_lie_on_the_lattice_and_a_point_has_its_cell():
    x = np.array([WEST + 10, WEST + 600, WEST + 130, WEST + 130])
    y = np.array([SOUTH + 10, SOUTH + 10, SOUTH + 300, SOUTH + 300])
    link, cell, share = clip_links(np.array([0, 2, 4]), x, y, np.array([0, 1], np.int8), lattice())
    assert (link.tolist(), cell.tolist(), share.tolist()) == ([1], [NX], [1.0])


def test_bilinear_sampling_reproduces_a_plane():
    """z = 1 + 2e-3 x - 1e-3 y is linear: bilinear interpolation is exact between cell centres."""
    plane = lattice(lambda x, y: 1 + 2e-3 * (x - WEST) - 1e-3 * (y - SOUTH))
    x, y = np.array([WEST + 700.0, WEST + 1234.0]), np.array([SOUTH + 900.0, SOUTH + 333.0])
    want = 1 + 2e-3 * (x - WEST) - 1e-3 * (y - SOUTH)
    np.testing.assert_allclose(sample_raster(plane, "elevation", x, y), want, rtol=1e-12)


RULES = RoadRules(
    highway=[
        {
            "tag": "motorway",
            "road_class": "motorway",
            "default_lanes": 2,
            "lanes_list": "minimum",
            "capacity": [[0, 2000]],
            "free_speed": [[0, 1.0, 100]],
            "bpr_b": 0.5,
            "bpr_power": 5,
        },
        {
            "tag": "primary",
            "road_class": "primary",
            "default_lanes": 1,
            "lanes_list": "mean",
            "capacity": [[0, 1000], [65, 1400]],
            "free_speed": [[0, 0.75, 130], [65, 0.9, 130]],
            "bpr_b": 0.5,
            "bpr_power": 4,
        },
    ]
)


def road_table(ends, **given):
    """A table of 1 km links between nodes 0..n on a line, 1 km apart."""
    n = max(max(e) for e in ends) + 1
    m = len(ends)
    x = WEST + 1000.0 * np.arange(n)
    y = np.full(n, SOUTH + 100.0)
    start, end = np.array([e[0] for e in ends]), np.array([e[1] for e in ends])
    values = {
        "highway": [("primary",)] * m,
        "lanes": [()] * m,
        "max_speed": [(50.0,)] * m,
        "speed": np.full(m, np.nan),
        "oneway": np.ones(m, bool),
    }
    return RoadTable(
        node_id=[str(i) for i in range(n)],
        node_x=x,
        node_y=y,
        population=np.ones(n),
        postcode=[""] * n,
        from_node=start,
        to_node=end,
        edge_id=[f"{a}-{b}-0" for a, b in ends],
        length=np.full(m, 1000.0),
        vertex_start=2 * np.arange(m + 1),
        vertex_x=np.column_stack((x[start], x[end])).ravel(),
        vertex_y=np.column_stack((y[start], y[end])).ravel(),
        epsg=28992,
        source="made here",
        **(values | given),
    )


TWO_WAY = [(0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("given_lanes", "oneway", "tag", "want"),
    [
        ((), True, "motorway", 2),  # default
        ((), False, "motorway", 2),  # the default is per direction already
        ((2.0, 3.0), True, "motorway", 2),  # minimum of a list
        ((1.0, 2.0, 3.0), True, "primary", 2),  # mean of a list
        ((3.0,), False, "primary", 1),  # half of a two-way road, rounded down
        ((1.0,), False, "primary", 1),  # at least one
    ],
)
def test_lanes_of_one_direction(given_lanes, oneway, tag, want):
    table = road_table(TWO_WAY, lanes=[given_lanes] * 2, oneway=np.full(2, oneway), highway=[(tag,)] * 2)
    assert build_roads(table, RULES)[0]["lanes"].values.tolist() == [want, want]


def test_speed_and_capacity_follow_the_limit():
    # 50 km/h: 0.75 x 50 = 37.5 km/h, 1 km in 96 s, 1000 pcu/h; 80: 72 km/h, 50 s, 1400; a list counts by its mean;
    # a motorway of 130 is capped at 100: 36 s, 2 lanes x 2000; the list's highest tag rules.
    table = road_table(
        [(0, 1), (1, 0), (0, 1), (1, 0)],
        max_speed=[(50.0,), (70.0, 90.0), (), (130.0,)],
        speed=np.array([1.0, 1.0, 50.0, 1.0]),
        highway=[("primary",), ("primary",), ("primary",), ("primary", "motorway")],
    )
    roads, _ = build_roads(table, RULES)
    np.testing.assert_allclose(roads["free_flow_time"], [96.0, 50.0, 96.0, 36.0])
    np.testing.assert_allclose(roads["capacity"], [1000, 1400, 1000, 4000])
    assert roads["speed_limit"].values.tolist() == [50, 80, 50, 130]


def test_what_cannot_be_reached_both_ways_is_dropped_and_counted():
    # 0 <-> 1 <-> 2, 2 -> 3 without return, 1 -> 1 a self-loop.
    roads, nodes = build_roads(road_table([(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (1, 1)]), RULES)
    assert nodes.name == ["0", "1", "2"]
    assert roads.attrs["dropped_self_loops"] == 1
    assert (roads.attrs["dropped_links"], roads.attrs["dropped_nodes"]) == (1, 1)


def skeleton(**changes):
    rules = {
        "kinds": {"M": {"free_speed": 100, "detour": 1.06}},
        "gate_kinds": {"N": {"free_speed": 50, "detour": 1.2, "capacity": 900, "bpr_b": 0.5, "bpr_power": 4}},
        "nodes": {"North": [51.95, 4.4], "East": [51.9, 4.6]},
        "chains": {"M": ["North-East"]},
        "gates": [{"kind": "N", "skeleton": "North", "node": "0"}, {"kind": "N", "skeleton": "East", "node": "half"}],
        "split": [{"link": "2-1-0", "node": "half"}],
    }
    return SkeletonRules(**(rules | changes))


def test_skeleton_and_gates_join_the_graph_and_a_cut_link_keeps_its_length():
    roads, nodes = build_roads(road_table([(0, 1), (1, 0), (1, 2), (2, 1)]), RULES, skeleton(), lattice())
    ids = [i.decode() for i in roads["link_id"].values]
    core = roads["reported"].values == 1
    assert nodes.name[-2:] == ["North", "East"]
    assert nodes.skeleton.tolist() == [False] * 4 + [True] * 2
    assert {"2-1-0/out", "2-1-0/in", "gate:half-East", "gate:East-half", "gate:0-North"} <= set(ids)
    assert roads["length"].values[core].sum() == pytest.approx(4000.0)
    assert not np.isin(roads["cell_link"].values, np.flatnonzero(~core)).any()
    on = np.bincount(roads["cell_link"], roads["cell_share"], minlength=len(ids))
    np.testing.assert_allclose(on[core], 1.0, rtol=1e-12)
    gate = ids.index("gate:0-North")
    a, b = roads["from_node"].values[gate], roads["to_node"].values[gate]
    x, y = roads["node_x"].values, roads["node_y"].values
    assert roads["length"].values[gate] == pytest.approx(1.2 * np.hypot(x[a] - x[b], y[a] - y[b]))
    assert roads["capacity"].values[gate] == 900


@pytest.mark.parametrize(
    "changes",
    [
        {"gates": [{"kind": "N", "skeleton": "North", "node": "77"}]},
        {"gates": [{"kind": "X", "skeleton": "North", "node": "0"}]},
        {"chains": {"M": ["North-77"]}},
        {"split": [{"link": "77", "node": "half"}]},
    ],
)
def test_a_skeleton_that_names_what_is_not_there_is_refused(changes):
    with pytest.raises(ConfigError, match=r"77|'X'"):
        build_roads(road_table(TWO_WAY), RULES, skeleton(**{"gates": [], "split": []} | changes))


def test_a_link_of_zero_length_is_refused_by_name():
    values = dict.fromkeys(("free_flow_time", "capacity", "bpr_b", "bpr_power", "lanes", "speed_limit"), np.ones(2))
    with pytest.raises(DataError, match="link q: length = 0"):
        roads_group(
            node_x=np.zeros(2),
            node_y=np.zeros(2),
            from_node=np.array([0, 1]),
            to_node=np.array([1, 0]),
            length=np.array([1.0, 0.0]),
            road_class=np.zeros(2),
            reported=np.ones(2),
            link_id=["p", "q"],
            **values,
        )


def test_a_tag_without_rule_is_refused_by_name():
    with pytest.raises(DataError, match=r"0-1-0.*raceway"):
        build_roads(road_table(TWO_WAY, highway=[("raceway",), ("primary",)]), RULES)


def test_a_misspelt_key_of_the_rules_is_named(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[[highwai]]\ntag = 'motorway'\n")
    with pytest.raises(ConfigError, match=r"rules.toml, highwa[yi]"):
        read_rules(path, RoadRules)

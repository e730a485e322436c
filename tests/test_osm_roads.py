"""Road graphs of OpenStreetMap: both forms of one graph read alike; text is parsed; faults are named."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from twin.errors import DataError
from twin.readers.osm_roads import read_geopackage, read_graphml

NODES = {"a": (90000.0, 430000.0, "120"), "b": (91000.0, 430000.0, "0"), "c": (91000.0, 431000.0, "30")}
EDGES = [
    {"u": "a", "v": "b", "key": 0, "highway": "['primary', 'trunk']", "lanes": "['2', '3']", "maxspeed": "80"},
    {"u": "b", "v": "a", "key": 0, "highway": "secondary", "lanes": None, "maxspeed": "['50', '70']"},
    {"u": "b", "v": "c", "key": 1, "highway": "tertiary", "lanes": "2", "maxspeed": None},
]
ONEWAY = ["True", "[False, True]", "False"]


def geopackage(path, crs=28992, **changes):
    nodes = gpd.GeoDataFrame(
        {"node": list(NODES), "population_per_node": [v[2] for v in NODES.values()]},
        geometry=[shapely.Point(v[:2]) for v in NODES.values()],
        crs=crs,
    )
    rows = [dict(e, oneway=o, length_m=1000.0, speed_kph=60.0) for e, o in zip(EDGES, ONEWAY)]
    for name, value in changes.items():
        rows[1][name] = value
    lines = [shapely.LineString([NODES[e["u"]][:2], NODES.get(e["v"], NODES["a"])[:2]]) for e in rows]
    nodes.to_file(path, layer="nodes", driver="GPKG")
    gpd.GeoDataFrame(rows, geometry=lines, crs=crs).to_file(path, layer="edges", driver="GPKG")
    return path


def graphml(path):
    fields = ["highway", "lanes", "maxspeed", "oneway", "length", "speed_kph", "x", "y", "population_per_node"]
    keys = "".join(f'<key id="{f}" for="all" attr.name="{f}" attr.type="string"/>' for f in [*fields, "crs"])

    def data(row):
        return "".join(f'<data key="{k}">{v}</data>' for k, v in row.items() if v is not None)

    nodes = "".join(
        f'<node id="{n}">{data({"x": x, "y": y, "population_per_node": p})}</node>' for n, (x, y, p) in NODES.items()
    )
    edges = ""
    for e, o in zip(EDGES, ONEWAY):
        tags = {k: e[k] for k in ("highway", "lanes", "maxspeed")}
        row = data(tags | {"oneway": o, "length": 1000.0, "speed_kph": 60.0})
        edges += f'<edge id="{e["key"]}" source="{e["u"]}" target="{e["v"]}">{row}</edge>'
    path.write_text(
        f'<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">{keys}'
        f'<graph edgedefault="directed"><data key="crs">EPSG:28992</data>{nodes}{edges}</graph></graphml>'
    )
    return path


def test_both_forms_of_a_graph_read_alike(tmp_path):
    one = read_geopackage(geopackage(tmp_path / "g.gpkg"))
    other = read_graphml(graphml(tmp_path / "g.graphml"))
    assert one.edge_id == other.edge_id == ["a-b-0", "b-a-0", "b-c-1"]
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(value, getattr(other, name), atol=1e-6, err_msg=name)
        elif name != "source":
            assert value == getattr(other, name), name


def test_text_attributes_become_values(tmp_path):
    table = read_geopackage(geopackage(tmp_path / "g.gpkg"))
    assert table.highway == [("primary", "trunk"), ("secondary",), ("tertiary",)]
    assert table.lanes == [(2.0, 3.0), (), (2.0,)]
    assert table.max_speed == [(80.0,), (50.0, 70.0), ()]
    assert table.oneway.tolist() == [True, True, False]
    assert table.population.tolist() == [120.0, 0.0, 30.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length_m": 0.0}, ["b-a-0", "length", "above zero"]),
        ({"lanes": "-1"}, ["b-a-0", "lanes"]),
        ({"lanes": "two"}, ["b-a-0", "lanes", "two"]),
        ({"v": "zz"}, ["zz", "not among the nodes"]),
        ({"highway": None}, ["b-a-0", "highway is missing"]),
        ({"lanes": "[2, __import__('os')]"}, ["list"]),
    ],
)
def test_a_fault_is_named_by_edge_and_field(tmp_path, changes, words):
    with pytest.raises(DataError) as error:
        read_geopackage(geopackage(tmp_path / "g.gpkg", **changes))
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("text", ["[" * 200_000, "[1, open('x')]"])
def test_what_is_no_plain_list_is_one_clear_error(tmp_path, text):
    with pytest.raises(DataError, match="is no list"):
        read_geopackage(geopackage(tmp_path / "g.gpkg", lanes=text))


def test_a_foreign_crs_is_refused(tmp_path):
    with pytest.raises(DataError, match="EPSG:28992"):
        read_geopackage(geopackage(tmp_path / "g.gpkg", crs=32631))


@pytest.mark.parametrize("name", ["absent.graphml", "broken.graphml", "broken.graphml.gz"])
def test_a_missing_or_broken_file_is_named(tmp_path, name):
    if "broken" in name:
        (tmp_path / name).write_bytes(b"<graphml><graph>")
    with pytest.raises(DataError, match=name):
        read_graphml(tmp_path / name)

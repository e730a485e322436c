"""`twin assign` on every network and trip format: one equilibrium whatever the file, one error where files disagree."""

import json
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from twin.commands.assign import assign_network
from twin.errors import ConfigError, DataError
from twin.exports.omx import write_omx
from twin.readers.gmns import read_gmns, write_gmns
from twin.traffic import assign, open_roads, open_trips
from twin.traffic.network import as_gmns

# Two routes from zone 1 to zone 2 and a short cut, TNTP with every quirk: comments, glued and missing terminators,
# tabs, lower-case keys, exponents, a connector without time.
NET = """<number of zones>\t3
~ a comment
<NUMBER OF NODES> 5\t
<First Thru Node> 4
<NUMBER OF LINKS> 7
<END OF METADATA>

~ init\tterm\tcapacity\tlength\tfft\tb\tpower\tspeed\ttoll\ttype\t;
\t1\t4\t9.0E+03\t0\t0\t0\t0\t0\t0\t1\t;
1 5 800 12.5 .25 .15 4 50 0 2;
4\t5\t1.2e3\t6\t0.1\t0.15\t4\t60\t1.5\t2
4 2 900 10 2.0e-1 0.5 4.5 50 0 2 ; ~ trailing
5 2 900 8 0.2 0.15 4 40 0 2;
5 3 900 8 0.2 0.15 4 40 0 3 ;
3 4 900 8 0.2 0.15 4 40 0 2;
"""
TRIPS = """<NUMBER OF ZONES> 3
<TOTAL OD FLOW> 3100.0
<END OF METADATA>
Origin\t1
    2 :   2.0E3;\t3: 700 ;
Origin 3
2 : 300.0; 3 : 100;
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "x_net.tntp").write_text(NET)
    (tmp_path / "x_trips.tntp").write_text(TRIPS)
    return tmp_path / "x_net.tntp", tmp_path / "x_trips.tntp"


def test_gmns_written_from_tntp_has_the_same_equilibrium(files, tmp_path):
    net = open_roads(files[0])
    one = assign(net, files[1], gap=1e-12, toll_factor=0.1)
    assert one.links.attrs["intrazonal_trips"] == 100
    write_gmns(tmp_path / "gmns", as_gmns(net, hours_per_time=1.0, km_per_length=1.0))
    again = open_roads(tmp_path / "gmns")
    assert again.link_id.tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(again.through, net.through)
    other = assign(tmp_path / "gmns", files[1], gap=1e-12, toll_factor=0.1)
    np.testing.assert_allclose(other.links["flow"], one.links["flow"], atol=1e-6)
    np.testing.assert_allclose(other.links["cost"], one.links["cost"], rtol=1e-9)
    np.testing.assert_array_equal(read_gmns(tmp_path / "gmns").free_flow_time, 60 * (60 * net.free_flow_time))


def test_a_zone_of_several_nodes_is_left_and_entered_at_the_best_of_them(tmp_path):
    # zone A has nodes 1 and 2, zone B nodes 5 and 6. Links 1-5 and 2-6 take t = 6 (1 + x / 600) and 3 (1 + x / 300)
    # minutes: 6 + x / 100 = 3 + (1500 - x) / 100, x = 600; and nobody passes a centroid on the way from C to D, though
    # A's would be a free short cut from 1 to 2
    node = "node_id,zone_id\n1,A\n2,A\n5,B\n6,B\n7,C\n8,D\n"
    link = "link_id,from_node_id,to_node_id,length,capacity,vdf_fftt,vdf_alpha,vdf_beta\n"
    link += "r,1,5,6000,600,6,1,1\ns,2,6,3000,300,3,1,1\n"
    link += "in,7,1,100,9e3,1,0,1\nout,2,8,100,9e3,1,0,1\nby,7,8,1e4,9e3,99,0,1\n"
    (tmp_path / "node.csv").write_text(node)
    (tmp_path / "link.csv").write_text(link)
    (tmp_path / "demand.csv").write_text("o_zone_id,d_zone_id,volume\nA,B,1500\nC,D,70\n")
    net = open_roads(tmp_path)
    assert net.zone_id[np.argsort(net.zone_id)].tolist() == ["A", "B", "C", "D"]
    assert any("2 zones of several nodes" in note for note in net.notes)
    text, _ = assign_network(tmp_path, tmp_path, gap=1e-12, flows=tmp_path / "f.csv")
    rows = np.genfromtxt(tmp_path / "f.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert rows["link"].tolist() == ["r", "s", "in", "out", "by"]  # those of the file, in its order
    np.testing.assert_allclose(rows["flow"], [600, 900, 0, 0, 70], atol=1e-6)
    assert "5 links, 4 zones" in text
    result = assign(net, tmp_path, gap=1e-12)
    balance = np.bincount(net.to_node, result.links["flow"], 8) - np.bincount(net.from_node, result.links["flow"], 8)
    left = dict(zip(net.zone_id.tolist(), balance[net.zone_node]))
    assert left == pytest.approx({"A": -1500, "B": 1500, "C": -70, "D": 70})
    write_gmns(tmp_path / "again", as_gmns(net, hours_per_time=1.0, km_per_length=1.0))
    again = assign(tmp_path / "again", tmp_path, gap=1e-12)
    np.testing.assert_allclose(again.links["flow"], result.links["flow"], atol=1e-6)


def test_trips_of_all_formats_are_the_same(files, tmp_path):
    net = open_roads(files[0])
    want = open_trips(files[1], net)
    matrix = np.zeros((3, 3))
    matrix[want.origin, want.destination] = want.trips
    matrix[2, 2] = want.intrazonal
    order = [2, 0, 1]  # zones of a matrix may come in any order
    write_omx(tmp_path / "t.omx", {"car": matrix[np.ix_(order, order)], "bus": matrix}, np.array([3, 1, 2]))
    rows = [f"{o + 1},{d + 1},{matrix[o, d]}" for o in range(3) for d in range(3) if matrix[o, d] > 0]
    (tmp_path / "t.csv").write_text("\n".join(["origin,destination,trips", *rows]))
    (tmp_path / "semicolon.csv").write_text("\n".join(["o_zone_id;d_zone_id;volume", *rows]).replace(",", ";"))
    write_gmns(tmp_path / "gmns", as_gmns(net, hours_per_time=1.0, km_per_length=1.0))
    (tmp_path / "gmns" / "demand.csv").write_text("\n".join(["o_zone_id,d_zone_id,volume", *rows]))
    for name in ("t.omx:car", "t.csv", "semicolon.csv", "gmns"):
        got = open_trips(f"{tmp_path}/{name}", net)
        for field in ("origin", "destination", "trips", "intrazonal", "zones"):
            np.testing.assert_array_equal(getattr(got, field), getattr(want, field), err_msg=f"{name}: {field}")


NODES = {"10": (1e5, 4e5), "20": (1.01e5, 4e5), "30": (1.01e5, 4.02e5)}
SECTIONS = [("1", "10", "20", "B"), ("2", "20", "30", "H"), ("3", "10", "30", "T")]


def graphml(path):
    """The three sections as an OSMnx graph of municipal roads of 50 km/h."""
    fields = ("x", "y", "highway", "length", "maxspeed", "oneway", "crs")
    keys = "".join(f'<key id="{f}" for="all" attr.name="{f}" attr.type="string"/>' for f in fields)
    nodes = "".join(
        f'<node id="{n}"><data key="x">{x}</data><data key="y">{y}</data></node>' for n, (x, y) in NODES.items()
    )
    edges = ""
    for _, a, b, way in SECTIONS:
        for u, v in [(a, b)] * (way in "BH") + [(b, a)] * (way in "BT"):
            length = np.hypot(*np.subtract(NODES[u], NODES[v]))
            edges += f'<edge id="0" source="{u}" target="{v}"><data key="highway">nwb_G</data>'
            edges += f'<data key="length">{float(length)!r}</data><data key="maxspeed">50</data></edge>'
    path.write_text(
        f'<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">{keys}<graph '
        f'edgedefault="directed"><data key="crs">EPSG:28992</data>{nodes}{edges}</graph></graphml>'
    )
    return path


def nwb(path, upper):
    columns = dict(zip(("wvk_id", "jte_id_beg", "jte_id_end", "rijrichtng"), map(list, zip(*SECTIONS))))
    columns |= {"wegbehsrt": ["G"] * 3, "bst_code": ["#"] * 3}
    lines = [shapely.LineString([NODES[a], NODES[b]]) for _, a, b, _ in SECTIONS]
    frame = gpd.GeoDataFrame(columns, geometry=lines, crs=28992)
    frame.rename(columns={c: c.upper() for c in columns} if upper else {}).to_file(path)
    return path


def test_nwb_as_shapefile_geopackage_and_gml_and_osm_graphml_give_one_equilibrium(tmp_path):
    (tmp_path / "t.csv").write_text("origin,destination,trips\n10,30,900\n30,20,400\n20,10,50\n")
    paths = [
        nwb(tmp_path / "wegvakken.shp", True), nwb(tmp_path / "wegvakken.gpkg", False),
        nwb(tmp_path / "wegvakken.gml", False), graphml(tmp_path / "g.graphml"),
    ]  # fmt: skip
    results = [assign(path, tmp_path / "t.csv", gap=1e-10) for path in paths]
    assert results[0].links["link"].values.tolist() == ["1-H", "1-T", "2-H", "3-T"]
    for result in results:
        # municipal roads of 50 km/h at 0.75 of it: hours of 1, 2 and sqrt(5) km
        np.testing.assert_allclose(result.network.free_flow_time, np.array([1, 1, 2, np.sqrt(5)]) / 37.5, rtol=1e-6)
        np.testing.assert_allclose(result.links["flow"], [900 + 400, 50, 900, 400], rtol=1e-9)


def test_real_networks_of_each_format_are_assigned(data, tmp_path):
    """OSM graph of Rotterdam and NWB sections of Wageningen, trips between three of their nodes."""
    for name in ("rotterdam_merged_network.graphml.gz", "nwb_wegvakken_wageningen_2020.gml"):
        net = open_roads(data / "roads" / name)
        inner = np.setdiff1d(np.arange(net.zones), np.searchsorted(net.zone_node, net.check().cut_off_zones))
        a, b, c = net.zone_id[inner[[0, len(inner) // 2, -1]]]
        (tmp_path / "t.csv").write_text(f"origin,destination,trips\n{a},{b},300\n{b},{c},200\n{c},{a},100\n")
        result = assign(net, tmp_path / "t.csv", gap=1e-6)
        assert result.summary["converged"]
        assert result.links["flow"].values.max() >= 300 - 1e-9


@pytest.mark.parametrize(
    ("trips", "says"),
    [
        ("o_zone_id,d_zone_id,volume\n1,9,3\n", r"line 2: zone '9' in d_zone_id is none of the network's 3 zones"),
        ("o_zone_id,d_zone_id,volume\n1,2,3\n1,2,3\n", "line 3: pair 1 to 2 occurs twice"),
        ("o_zone_id,d_zone_id,volume\n1,2,-3\n", "line 2: volume = '-3'"),
        ("o_zone_id,d_zone_id,volume\n1,2,many\n", "line 2: volume = 'many'"),
        ("a,b\n1,2\n", "columns a, b; a table of trips has o_zone_id"),
        ("o_zone_id,d_zone_id,volume\n2,1,5\n", r"1 pairs of zones have trips but no path: 2 to 1 \(5 trips\)"),
    ],
)
def test_bad_tables_of_trips_are_named_and_nothing_is_written(files, tmp_path, trips, says):
    (tmp_path / "t.csv").write_text(trips)
    with pytest.raises(DataError, match=says):
        assign_network(files[0], tmp_path / "t.csv", flows=tmp_path / "f.csv", skims=tmp_path / "s.omx")
    assert not {p.name for p in tmp_path.iterdir()} & {"f.csv", "s.omx", "f.csv.part", "s.omx.part"}


def test_matrices_of_other_zones_and_damaged_ones_are_refused(files, tmp_path):
    path = tmp_path / "t.omx"
    write_omx(path, {"car": np.ones((2, 2))}, np.array([1, 2]))
    with pytest.raises(DataError, match=r"2 zones, but the network .* has 3"):
        assign(files[0], path)
    write_omx(path, {"car": np.ones((3, 3))}, np.array([1, 2, 7]))
    with pytest.raises(DataError, match="zone 7 is not in the network"):
        assign(files[0], path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match="damaged"):
        assign(files[0], path)
    with pytest.raises(DataError, match="no such file"):
        assign(files[0], tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("4 2 900", "4 2 0", "capacity of link 4 to 2 is 0"),
        ("4 2 900", "4 2 -5", "capacity of link 4 to 2 is -5"),
        ("0.5 4.5 50", "0.5 -1 50", "power of link 4 to 2 is -1"),
        ("0.5 4.5 50", "nan 4.5 50", "b of link 4 to 2 is nan"),
    ],
)
def test_impossible_links_are_one_error(files, old, new, says):
    files[0].write_text(NET.replace(old, new))
    with pytest.raises(DataError, match=says):
        assign(*files)


def test_the_checker_speaks_before_anything_runs(files, capsys):
    # node 6 is a dead end, the link 5 -> 2 is doubled, the connector has no length
    text = NET.replace("LINKS> 7", "LINKS> 9") + "4 6 900 1 0.1 0.15 4 40 0 2;\n5 2 900 8 0.3 0.15 4 40 0 2;\n"
    files[0].write_text(text)
    _, code = assign_network(*files)
    said = capsys.readouterr().err
    assert code == 0
    for words in ("1 links of zero length: 1", "joins already: 9", "can be entered and not left", "zones outside"):
        assert words in said
    # a network object with an impossible link does not reach the kernels
    net = open_roads(files[0])
    with pytest.raises(DataError, match=r"cannot be assigned: .*without capacity above zero: 4"):
        assign(replace(net, capacity=np.where(net.link_id == 4, 0.0, net.capacity)), files[1])


def test_command_keys_and_columns_are_those_promised(files, tmp_path):
    text, _ = assign_network(*files, flows=tmp_path / "f.csv", paths=tmp_path / "p.csv", select_link=["5"])
    keys = ["relative_gap", "beckmann", "total_travel_time", "iterations", "cpu_seconds", "wall_seconds", "threads"]
    assert list(json.loads(text.splitlines()[-1])) == [*keys, "converged"]
    rows = np.genfromtxt(tmp_path / "f.csv", delimiter=",", names=True)
    assert rows.dtype.names == ("link", "from_node", "to_node", "flow", "cost", "selected")
    assert rows["link"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert rows["selected"][4] == pytest.approx(rows["flow"][4])
    assert (tmp_path / "p.csv").read_text().startswith("origin,destination,vehicle_class,flow,cost,length,links\n1,")
    with pytest.raises(ConfigError, match="give --flows"):
        assign_network(*files, select_link=["5"])
    with pytest.raises(ConfigError, match="toll_factor is -1"):
        assign(*files, toll_factor=-1.0)

"""GMNS, OMX and NWB: round trips, both NWB layouts, and one clear error for each kind of damage."""

import geopandas as gpd
import h5py
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twin.errors import DataError
from twin.exports.omx import write_omx
from twin.readers.gmns import read_gmns, write_gmns
from twin.readers.nwb_roads import read_nwb
from twin.readers.omx import read_omx

NODES = "node_id,x_coord,y_coord,zone_id\n1,0,0,1\n2,1000,0,\n3,1000,500,2\n"
LINKS = (
    "link_id,from_node_id,to_node_id,directed,length,lanes,capacity,free_speed,vdf_alpha,vdf_beta,toll,geometry\n"
    'a,1,2,1,1000,2,1800,72,0.5,5,0,"LINESTRING (0 0, 1000 0)"\nb,2,3,0,500,,900,36,,,1.5,\n'
)


def gmns(folder, nodes=NODES, links=LINKS, config=None):
    (folder / "node.csv").write_text(nodes)
    (folder / "link.csv").write_text(links)
    if config:
        (folder / "config.csv").write_text(config)
    return folder


def test_gmns_link_means_what_the_specification_says(tmp_path):
    # Capacity is per lane; a link that is not directed is two; 1000 m at 72 km/h take 50 s.
    n = read_gmns(gmns(tmp_path))
    assert n.link_id == ["a", "b", "b_r"]
    assert (n.from_node.tolist(), n.to_node.tolist()) == ([0, 1, 2], [1, 2, 1])
    np.testing.assert_allclose(n.capacity, [3600, 900, 900])
    np.testing.assert_allclose(n.free_flow_time, [50, 50, 50])
    np.testing.assert_allclose(n.bpr_b, [0.5, 0.15, 0.15])
    np.testing.assert_allclose(n.bpr_power, [5, 4, 4])
    assert n.zone_id == ["1", "", "2"]
    assert n.geometry[0] == "LINESTRING (0 0, 1000 0)"


def test_gmns_units_come_from_the_configuration_or_the_caller(tmp_path):
    n = read_gmns(gmns(tmp_path, config="long_length,speed\nmile,mph\n"))
    assert n.length[0] == pytest.approx(1000 * 1609.344)
    assert n.free_speed[0] == pytest.approx(72 * 1.609344)
    assert read_gmns(tmp_path, length_unit="ft").length[0] == pytest.approx(304.8)
    with pytest.raises(DataError, match="furlong"):
        read_gmns(tmp_path, length_unit="furlong")


def test_gmns_round_trip_is_exact(tmp_path):
    one = read_gmns(gmns(tmp_path))
    write_gmns(tmp_path / "again", one)
    other = read_gmns(tmp_path / "again")
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
        else:
            assert value == getattr(other, name), name
    assert not list((tmp_path / "again").glob("*.part"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("b,2,3", "b,2,9", "to_node_id '9' is not in node.csv"),
        ("b,2,3", "a,2,3", "link_id a occurs twice"),
        ("0,500,", "0,0,", "length = 0; it must be finite and above"),
        (",900,", ",-900,", "capacity = -900"),
        (",900,", ",,", "capacity is empty"),
        (",36,", ",fast,", "free_speed = 'fast' is no number"),
        ("2,3,0", "2,3,7", "directed = '7'"),
        ("link_id,", "id,", "no column 'link_id'"),
    ],
)
def test_a_bad_gmns_link_is_named(tmp_path, old, new, words):
    with pytest.raises(DataError, match=words):
        read_gmns(gmns(tmp_path, links=LINKS.replace(old, new)))
    with pytest.raises(DataError, match=r"node\.csv: no such file"):
        read_gmns(tmp_path / "elsewhere")


@settings(max_examples=15, deadline=None)
@given(matrix=hnp.arrays(float, (4, 4), elements=st.floats(0, 1e9)))
def test_omx_round_trip_is_exact(tmp_path_factory, matrix):
    path = tmp_path_factory.mktemp("omx") / "m.omx"
    zones = np.array([11, 12, 15, 20])
    write_omx(path, {"car": matrix, "truck": 2 * matrix}, zones)
    got, ids = read_omx(path, "car")
    np.testing.assert_array_equal(got, matrix)
    np.testing.assert_array_equal(ids, zones)
    with h5py.File(path) as file:  # the layout of openmatrix 0.2
        assert file.attrs["OMX_VERSION"] == b"0.2"
        assert file.attrs["SHAPE"].tolist() == [4, 4]
        assert sorted(file["data"]) == ["car", "truck"]
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("cell", [-1.0, np.nan, np.inf])
def test_an_impossible_omx_cell_is_named_by_its_zones(tmp_path, cell):
    matrix = np.ones((3, 3))
    matrix[1, 2] = cell
    write_omx(tmp_path / "m.omx", {"car": matrix}, np.array([7, 8, 9]))
    with pytest.raises(DataError, match="from zone 8 to 9"):
        read_omx(tmp_path / "m.omx")


def test_a_corrupted_or_ambiguous_omx_is_refused(tmp_path):
    path = tmp_path / "m.omx"
    write_omx(path, {"car": np.ones((9, 9)), "truck": np.ones((9, 9))}, np.arange(9))
    with pytest.raises(DataError, match="holds 2 of matrix: car, truck"):
        read_omx(path)
    with pytest.raises(DataError, match="no matrix 'bus'"):
        read_omx(path, "bus")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        read_omx(path, "car")
    with h5py.File(path, "w") as file:
        file["data/car"] = np.ones((2, 3))
    with pytest.raises(DataError, match="shape"):
        read_omx(path)
    with h5py.File(path, "w") as file:
        file["data/car"], file["lookup/zone"] = np.ones((2, 2)), [1, 2, 3]
    with pytest.raises(DataError, match="3 zones in the lookup"):
        read_omx(path)
    with pytest.raises(DataError, match="the zones ask for"):
        write_omx(path, {"car": np.ones((3, 3))}, np.arange(2))


def nwb(path, upper=False, **changes):
    rows = {
        "wvk_id": [1, 2, 3, 4],
        "jte_id_beg": [10, 11, 11, 12],
        "jte_id_end": [11, 12, 12, 13],
        "wegbehsrt": ["R", "G", "P", "G"],
        "rijrichtng": ["H", "T", "B", None],
        "bst_code": ["HR", "#", "HR", "FP"],
    }
    rows |= changes.pop("rows", {})
    lines = [((0, 0), (30, 40)), ((30, 40), (60, 40)), ((30, 40), (45, 60), (60, 40)), ((60, 40), (90, 40))]
    lines = [[(x + 1e5, y + 4e5) for x, y in line] for line in changes.pop("lines", lines)]
    frame = gpd.GeoDataFrame(rows, geometry=[shapely.LineString(line) for line in lines], crs=28992)
    frame = frame.rename(columns={c: c.upper() for c in rows}) if upper else frame
    frame.to_file(path, driver="GPKG")
    return path


@pytest.mark.parametrize("upper", [False, True])
def test_nwb_sections_become_links_by_driving_direction(tmp_path, upper):
    table, left_out = read_nwb(nwb(tmp_path / "w.gpkg", upper))
    assert table.edge_id == ["1-H", "2-T", "3-H", "3-T"]
    ends = [(table.node_id[a], table.node_id[b]) for a, b in zip(table.from_node, table.to_node)]
    assert ends == [("10", "11"), ("12", "11"), ("11", "12"), ("12", "11")]
    assert table.highway == [("nwb_R_HR",), ("nwb_G_HR",), ("nwb_P_HR",), ("nwb_P_HR",)]
    np.testing.assert_allclose(table.length, [50, 30, 50, 50])
    assert left_out == {"FP": 1}
    # The line runs with the traffic: section 2 is drawn the other way.
    k = table.vertex_start[1]
    assert (table.vertex_x[k], table.vertex_y[k]) == pytest.approx((100060, 400040))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"wvk_id": [1, 1, 3, 4]}, "wvk_id 1: occurs twice"),
        ({"rijrichtng": ["X", "T", "B", None]}, "rijrichtng = 'X'"),
        ({"jte_id_beg": [10, 10, 11, 12]}, "m from junction 10"),
        ({"jte_id_beg": [None, 11, 11, 12]}, "jte_id_beg is empty"),
    ],
)
def test_a_bad_nwb_section_is_named(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        read_nwb(nwb(tmp_path / "w.gpkg", rows=rows))


def test_nwb_samples_of_both_layouts_are_read(data):
    """Wageningen: 247 sections, lower-case fields; Amsterdam: 13, upper-case, no CRS named, bus and cycle paths."""
    table, left_out = read_nwb(data / "roads" / "nwb_wegvakken_wageningen_2020.gml")
    assert len({name.partition("-")[0] for name in table.edge_id}) + sum(left_out.values()) == 247
    path = data / "roads" / "nwb_wegvakken_noord_amsterdam.gml"
    with pytest.raises(DataError, match="names no CRS"):
        read_nwb(path)
    table, left_out = read_nwb(path, crs=4326)
    assert len({name.partition("-")[0] for name in table.edge_id}) + sum(left_out.values()) == 13
    assert set(left_out) == {"BU", "FP"}
    assert 480_000 < table.node_y.mean() < 500_000

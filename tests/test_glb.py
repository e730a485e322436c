"""GLB export: positions, values and ids come back, Y is up, missing ground is left out."""

import json
import struct

import numpy as np
import pytest
import rasterio
import trimesh
from rasterio.transform import from_origin
from sample_world import RESULTS, X0, Y0, sample_world, step_arrays, times
from whole_world import ROOFS, WHOLE_RESULTS, outlines, whole_arrays, whole_world

from twin.commands.export import export_run
from twin.errors import RecordError
from twin.exports import export_glb
from twin.records import RunWriter

STEPS = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    world = sample_world()
    with RunWriter.create(tmp_path_factory.mktemp("g") / "run.h5", world, RESULTS, times(STEPS)) as writer:
        for k in range(STEPS):
            writer.write(k, step_arrays(world, k))
        return writer.finish()


def gltf_json(path):
    raw = path.read_bytes()
    magic, version, _ = struct.unpack("<4sII", raw[:12])
    assert (magic, version) == (b"glTF", 2)
    return json.loads(raw[20 : 20 + struct.unpack("<I", raw[12:16])[0]])


def test_positions_and_values_survive_the_round_trip(run, tmp_path):
    path = export_glb(run, tmp_path / "run.glb", 1, "nox_concentration", "road_nox")
    scene = trimesh.load(path, process=False)
    terrain, roads = scene.geometry["terrain"], scene.geometry["roads"]
    world = sample_world()
    x, y = np.meshgrid(world["lattice/x"].values, world["lattice/y"].values)
    z = world["lattice/elevation"].values
    origin = np.floor(np.array([world["lattice/x"].values.min(), world["lattice/y"].values.min()]) / 1000) * 1000
    ids = np.asarray(terrain.vertex_attributes["_FEATURE_ID_0"]).ravel().astype(int)
    assert len(ids) == z.size - 1  # the corner without a height is gone
    np.testing.assert_allclose(terrain.vertices[:, 0] + origin[0], x.ravel()[ids], atol=0.01)
    np.testing.assert_allclose(origin[1] - terrain.vertices[:, 2], y.ravel()[ids], atol=0.01)
    np.testing.assert_allclose(terrain.vertices[:, 1], z.ravel()[ids], atol=0.01)
    given = step_arrays(world, 1)
    np.testing.assert_allclose(
        np.asarray(terrain.vertex_attributes["_FIELD"]).ravel(), given["nox_concentration"].ravel()[ids], rtol=2.0**-12
    )
    links = np.asarray(roads.vertex_attributes["_FEATURE_ID_0"]).ravel().astype(int)
    assert set(links) == set(range(6))
    np.testing.assert_allclose(
        np.asarray(roads.vertex_attributes["_ROAD"]).ravel(), given["road_nox"][links], rtol=2.0**-12
    )


def test_faces_look_up_and_extras_say_where(run, tmp_path):
    path = export_glb(run, tmp_path / "run.glb")
    scene = trimesh.load(path, process=False)
    for mesh in scene.geometry.values():
        assert (mesh.face_normals[:, 1] > 0).all()
    text = json.dumps(gltf_json(path))
    for part in ("origin_rd", "EPSG:7415", "n_deposition", "mol ha-1", str(X0 // 1000 * 1000), str(Y0)):
        assert part in text
    low, high = scene.bounds
    assert np.abs([low, high]).max() < 10_000  # local coordinates: single precision is enough


def test_unknown_field_and_step_are_refused_by_name(run, tmp_path):
    with pytest.raises(RecordError, match="choose one of n_deposition, nox_concentration"):
        export_glb(run, tmp_path / "a.glb", 0, "bus_load")
    with pytest.raises(RecordError, match=r"choose 0\.\.2"):
        export_glb(run, tmp_path / "a.glb", 3)
    with pytest.raises(RecordError, match="exactly one format"):
        export_run(run)
    assert not list(tmp_path.iterdir())
    assert "run.glb" in export_run(run, glb=True, out=tmp_path / "run.glb")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    world = whole_world()
    with RunWriter.create(tmp_path_factory.mktemp("w") / "run.h5", world, WHOLE_RESULTS, times(STEPS)) as writer:
        for k in range(STEPS):
            writer.write(k, whole_arrays(world, k))
        return writer.finish()


def test_every_layer_stands_in_place_with_values_and_ids(whole, tmp_path):
    scene = trimesh.load(export_glb(whole, tmp_path / "a.glb", 1), process=False)
    assert set(scene.geometry) == {"terrain", "roads", "power", "buildings", "hexagons"}
    given = whole_arrays(whole_world(), 1)
    for layer, attribute, name in (
        ("power", "_BRANCH", "branch_loading"),
        ("buildings", "_BUILDING", "building_load"),
        ("hexagons", "_HEXAGON", "hexagon_excess"),
    ):
        mesh = scene.geometry[layer]
        ids = np.asarray(mesh.vertex_attributes["_FEATURE_ID_0"]).ravel().astype(int)
        assert set(ids) == set(range(len(given[name])))
        values = np.asarray(mesh.vertex_attributes[attribute]).ravel()
        np.testing.assert_allclose(values, given[name][ids], rtol=2.0**-12)
    mesh = scene.geometry["buildings"]
    ids = np.asarray(mesh.vertex_attributes["_FEATURE_ID_0"]).ravel().astype(int)
    corner = outlines()[0].bounds
    np.testing.assert_allclose(mesh.vertices[ids == 0, 0].min() + X0, corner[0], atol=0.01)
    np.testing.assert_allclose(Y0 - mesh.vertices[ids == 0, 2].max(), corner[1], atol=0.01)
    np.testing.assert_allclose(mesh.vertices[ids == 0, 1].max(), ROOFS[0], atol=0.01)


def test_layers_are_chosen_and_each_step_has_a_file(whole, tmp_path):
    scene = trimesh.load(export_glb(whole, tmp_path / "b.glb", layers=["buildings"]), process=False)
    assert set(scene.geometry) == {"buildings"}
    with pytest.raises(RecordError, match="no layer 'rivers'"):
        export_glb(whole, tmp_path / "c.glb", layers=["rivers"])
    export_run(whole, glb=True, every_step=True, layer=["roads"], out=tmp_path / "steps")
    assert len(list((tmp_path / "steps").glob("*.glb"))) == STEPS


def test_missing_values_are_grey_and_not_nan(tmp_path):
    world = whole_world()
    with RunWriter.create(tmp_path / "run.h5", world, WHOLE_RESULTS, times(STEPS)) as writer:
        arrays = whole_arrays(world, 0)
        arrays["building_load"][1] = np.nan
        writer.write(0, arrays)
        path = export_glb(writer.live, tmp_path / "a.glb", layers=["buildings"])
    mesh = trimesh.load(path, process=False).geometry["buildings"]
    ids = np.asarray(mesh.vertex_attributes["_FEATURE_ID_0"]).ravel().astype(int)
    values = np.asarray(mesh.vertex_attributes["_BUILDING"]).ravel()
    assert (values[ids == 1] == -1).all()
    assert np.isfinite(values).all()
    assert (mesh.visual.vertex_colors[ids == 1, :3] == 150).all()


def test_terrain_is_a_decimated_surface_with_its_error(whole, tmp_path):
    path = export_glb(whole, tmp_path / "a.glb", layers=["terrain"], height_error=1.0)
    fine = trimesh.load(export_glb(whole, tmp_path / "b.glb", layers=["terrain"]), process=False).geometry["terrain"]
    mesh = trimesh.load(path, process=False).geometry["terrain"]
    assert len(mesh.faces) < len(fine.faces)
    assert 0 < mesh.metadata["height_error_m"] <= 1.0
    heights = np.full((5, 7), 2.5, "f4")
    tif = tmp_path / "dtm.tif"
    options = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:28992", "height": 5, "width": 7}
    with rasterio.open(tif, "w", transform=from_origin(X0 + 500, Y0 + 1500, 100, 100), **options) as raster:
        raster.write(heights, 1)
    real = trimesh.load(export_glb(whole, tmp_path / "c.glb", layers=["terrain"], terrain=tif, height_error=0.1))
    box = real.geometry["terrain"].bounds
    np.testing.assert_allclose(box, [[550, 2.5, -1450], [1150, 2.5, -1050]], atol=0.01)

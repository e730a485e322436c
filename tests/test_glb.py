"""GLB export: positions, values and ids come back, Y is up, missing ground is left out."""

import json
import struct

import numpy as np
import pytest
import trimesh
from sample_world import RESULTS, X0, Y0, sample_world, step_arrays, times

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

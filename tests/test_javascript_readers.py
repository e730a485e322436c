"""Run files and exports in JavaScript: h5wasm gives the values of the run, the Khronos validator finds nothing."""

import javascript
import numpy as np
import pytest
from sample_world import times
from whole_world import EVERY, WHOLE_RESULTS, whole_arrays, whole_world

from twin.exports import export_glb, export_tiles
from twin.records import RunWriter

STEPS = 6


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    return javascript.installed(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and one let go after 5 of 6 steps."""
    folder, world = tmp_path_factory.mktemp("js"), whole_world()
    files = {}
    for name, written in (("whole", STEPS), ("part", STEPS - 1)):
        with RunWriter.create(folder / f"{name}.h5", world, WHOLE_RESULTS, times(STEPS)) as writer:
            for k in range(written):
                writer.write(k, whole_arrays(world, k))
            files[name] = (writer.finish() if written == STEPS else writer.live, written)
    return world, files


@pytest.mark.parametrize("which", ["whole", "part"])
def test_h5wasm_reads_the_values_of_the_run(node, runs, which):
    world, files = runs
    path, written = files[which]
    names = {"n_deposition": 1, "road_nox": 1, "bus_load": 1, "building_load": 1, "road_distance": EVERY}
    wanted, given = [], []
    for step in (0, written // 2, written - 1):
        for name, every in names.items():
            due = step // every * every + every - 1
            if due >= written:
                continue
            values = whole_arrays(world, due)[name].ravel()
            wanted += [name, step // every, 1]
            given.append(values)
            if name == "building_load":  # the same bytes through the virtual dataset of the VTK view
                wanted += ["VTKHDF/building_roofs/CellData/building_load", step * len(values), len(values)]
                given.append(values)
            if name == "n_deposition":
                wanted += ["VTKHDF/field/PointData/n_deposition", step, 1]
                given.append(values)
    answer = javascript.run(node, "read_run.mjs", path, *wanted)
    assert answer["steps"] == written
    assert answer["status"].strip() == ("complete" if which == "whole" else "running")
    for seen, values in zip(answer["values"], given, strict=True):
        np.testing.assert_allclose(seen, values, rtol=2.0**-12)


def test_gltf_validator_finds_no_error_and_no_warning(node, runs, tmp_path):
    path = runs[1]["whole"][0]
    files = [export_glb(path, tmp_path / "all.glb", 2)]
    files += [
        export_glb(path, tmp_path / f"{n}.glb", 2, layers=[n]) for n in ("terrain", "roads", "power", "buildings")
    ]
    files += [export_glb(path, tmp_path / "rough.glb", 2, height_error=0.5)]
    files += sorted(export_tiles(path, tmp_path / "tiles").parent.glob("**/*.glb"))
    report = javascript.run(node, "validate_gltf.mjs", *files)
    assert len(report) == len(files) >= 8
    for name, issues in report.items():
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), (name, issues["messages"])
    tiles = [r for name, r in report.items() if "/buildings/" in name]
    assert all("EXT_structural_metadata" in r["extensions"] for r in tiles)

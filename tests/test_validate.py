"""`validate` finds each rule that a file breaks, and nothing in a sound file; `repair` mends only counters."""

import h5py
import numpy as np
import pytest
from sample_world import RESULTS, sample_world, step_arrays, times
from whole_world import WHOLE_RESULTS, whole_arrays, whole_world

from twin.errors import RecordError
from twin.records import RunWriter, open_run, repair, validate
from twin.records.validate import RULES, Violation

STEPS = 3


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Bytes of a sound, finished run."""
    world = whole_world()
    with RunWriter.create(tmp_path_factory.mktemp("v") / "run.h5", world, WHOLE_RESULTS, times(STEPS)) as writer:
        for k in range(STEPS):
            writer.write(k, whole_arrays(world, k))
        return writer.finish(indicators=[("a", "kg", 1.0, "additive"), ("b", "km", 2.0, "peak")]).read_bytes()


@pytest.fixture
def run(sound, tmp_path):
    """A copy to break."""
    path = tmp_path / "run.h5"
    path.write_bytes(sound)
    return path


def test_sound_files_break_no_rule(run, tmp_path):
    assert validate(run) == []
    world = sample_world()
    for steps in (0, 1, 2):
        with RunWriter.create(tmp_path / "other.h5", world, RESULTS, times(STEPS)) as writer:
            for k in range(steps):
                writer.write(k, step_arrays(world, k))
        assert validate(writer.live) == []
    with RunWriter.create(tmp_path / "year.h5", world, RESULTS, times(1)) as writer:
        writer.write(0, step_arrays(world, 0))
        assert validate(writer.finish()) == []


def replaced(f, name, **options):
    """The dataset written again with other options, attributes kept."""
    old = f[name]
    values, attributes = old[...], {k: v for k, v in old.attrs.items() if k not in ("DIMENSION_LIST", "REFERENCE_LIST")}
    dims = [axis[0].name for axis in old.dims if len(axis)]
    del f[name]
    options.setdefault("chunks", values.shape)
    d = f.create_dataset(name, data=options.pop("data", values), **options)
    for key, value in attributes.items():
        d.attrs[key] = value
    for i, dim in enumerate(dims):
        if dim.lstrip("/") != name:
            d.dims[i].attach_scale(f[dim])
    return d


def grouped_scale(f):
    f.create_group("g")["lane"] = np.arange(6, dtype="i4")
    f["g/lane"].make_scale("lane")


def shared_image_steps(f):
    del f["VTKHDF/field/Steps"]
    f["VTKHDF/field/Steps"] = h5py.SoftLink("/VTKHDF/Steps")


def untracked(f):
    f.move("VTKHDF/Assembly", "old")
    f["VTKHDF"].create_group("Assembly", track_order=False)


def thick_image(f):
    del f["VTKHDF/field/PointData/n_deposition"]
    f["VTKHDF/field/PointData"].create_dataset("n_deposition", data=np.zeros((STEPS, 1, 5, 7), "f4"))


def int64_index(f):
    f["lane"] = np.arange(6, dtype="i8")
    f["lane"].make_scale("lane")


def unlimited(f):
    replaced(f, "road_nox", maxshape=(None, 6), chunks=(1, 6))


def copied(f):
    values = f["VTKHDF/roads/CellData/road_nox"][...]
    del f["VTKHDF/roads/CellData/road_nox"]
    f["VTKHDF/roads/CellData/road_nox"] = values


def same_name_twice(f):
    f["VTKHDF/power_branches"].require_group("CellData")["road_nox"] = np.zeros(2 * STEPS, "f4")


def mesh_in_group(f):
    d = f.create_group("h").create_dataset("network", data=np.int32(0))
    for k, v in f["network"].attrs.items():
        d.attrs[k] = v


def text_on_a_mesh(f):
    f["remark"] = np.full(6, b"x")
    f["remark"].dims[0].attach_scale(f["road_link"])


def slow_time_shifted(f):
    f["time_3"][...] += 60.0


BREAKS = [
    (1, grouped_scale),
    (5, lambda f: f["VTKHDF/Steps/Values"].resize((STEPS + 1,))),
    (6, lambda f: f.move("VTKHDF/Steps", "VTKHDF_steps")),
    (7, lambda f: f["VTKHDF/roads"].pop("Steps")),
    (8, untracked),
    (9, lambda f: f["VTKHDF"].attrs.__setitem__("Type", "MultiBlockDataSet")),
    (9, lambda f: f.create_dataset("remark", data=["text"], dtype=h5py.string_dtype())),
    (10, int64_index),
    (11, mesh_in_group),
    (11, lambda f: f.pop("network_node_x")),
    (12, thick_image),
    (12, lambda f: f["VTKHDF/field"].attrs.__setitem__("WholeExtent", np.array([0, 6, 0, 4, 0, 1]))),
    (13, shared_image_steps),
    (13, lambda f: f["VTKHDF/Steps/CellDataOffsets/road_nox"].write_direct(np.arange(STEPS))),
    (14, same_name_twice),
    (15, lambda f: replaced(f, "VTKHDF/roads/Points", dtype="f4")),
    (17, lambda f: replaced(f, "road_nox", compression="lzf", chunks=(1, 6))),
    (17, lambda f: replaced(f, "VTKHDF/roads/Points", scaleoffset=3)),
    (18, unlimited),
    (19, lambda f: f["VTKHDF/roads"].attrs.__setitem__("Type", np.bytes_("StructuredGrid"))),
    (20, lambda f: f["n_deposition"].attrs.pop("grid_mapping")),
    (21, lambda f: f.attrs.modify("steps_written", np.int32(2))),
    (21, lambda f: f.attrs.__setitem__("output_status", np.bytes_("done"))),
    (23, lambda f: f["bus_load"].attrs.pop("units")),
    (24, lambda f: f["bus_x"].write_direct(f["bus_x"][...] + 1)),
    (25, copied),
    (26, text_on_a_mesh),
    (26, lambda f: replaced(f, "road_class", data=f["road_class"][...].astype("i1"), chunks=None)),
    (26, lambda f: replaced(f, "power_status", data=f["power_status"][...].astype("i4"), chunks=None)),
    (26, lambda f: f["road_nox"].attrs.__setitem__("long_name", np.bytes_("flow by direction"))),
    (27, lambda f: f["triangle_vertices"].write_direct(f["triangle_vertices"][...] + 10_000)),
    (27, lambda f: f["triangle_kind"].write_direct(f["triangle_kind"][...] + 3)),
    (28, slow_time_shifted),
    (28, lambda f: f["road_distance"].attrs.modify("output_steps", np.int32(1))),
    (29, lambda f: f.pop("indicator_units")),
    (29, lambda f: f.pop("indicator_kind")),
    (13, lambda f: f.move("VTKHDF/field/Steps/PointDataOffsets", "gone")),
]


@pytest.mark.parametrize(("rule", "damage"), BREAKS, ids=[f"{r}-{i}" for i, (r, _) in enumerate(BREAKS)])
def test_each_rule_is_found_where_it_is_broken(run, rule, damage):
    with h5py.File(run, "r+", libver=("earliest", "v110")) as f:
        damage(f)
    found = validate(run)
    assert rule in {v.rule for v in found}, [str(v) for v in found]
    assert all(v.where and v.what and v.cure for v in found)


def copy_with(source, target, libver):
    with h5py.File(source) as f, h5py.File(target, "w", libver=libver, track_order=True) as g:
        for name in f:
            if name != "VTKHDF":
                f.copy(name, g)
        for key, value in f.attrs.items():
            g.attrs[key] = value
        f.copy("VTKHDF", g)


@pytest.mark.parametrize(("rule", "libver"), [(4, ("v110", "v110")), (4, "latest")])
def test_newer_superblock_is_found(run, tmp_path, rule, libver):
    copy_with(run, tmp_path / "new.h5", libver)
    assert rule in {v.rule for v in validate(tmp_path / "new.h5")}


def test_virtual_datasets_of_the_newest_library_are_found(run):
    # the superblock stays at version 0, so only the mapping itself shows it
    with h5py.File(run, "r+", libver="latest") as f:
        del f["VTKHDF/roads/CellData/road_nox"]
        layout = h5py.VirtualLayout((STEPS * 6,), "f4")
        layout[:] = h5py.VirtualSource(".", "road_nox", shape=(STEPS, 6))
        f["VTKHDF/roads/CellData"].create_virtual_dataset("road_nox", layout)
    assert {v.rule for v in validate(run)} == {2}


def test_file_marked_open_by_swmr_is_found_without_opening_it(run, tmp_path):
    path = tmp_path / "swmr.h5"
    copy_with(run, path, "latest")
    with h5py.File(path, "r+", libver="latest") as f:
        f.swmr_mode = True
        f.flush()
        marked = path.read_bytes()
    path.write_bytes(marked)
    assert {3, 4} <= {v.rule for v in validate(path)}


def test_image_in_a_run_of_one_step_is_found(tmp_path):
    world = sample_world()
    with RunWriter.create(tmp_path / "year.h5", world, RESULTS, times(1)) as writer:
        writer.write(0, step_arrays(world, 0))
        path = writer.finish()
    with h5py.File(path, "r+") as f:
        block = f["VTKHDF"].create_group("field", track_order=True)
        block.attrs["Type"] = np.bytes_("ImageData")
        block.attrs["WholeExtent"] = np.array([0, 6, 0, 4, 0, 0])
        block.create_group("PointData")["n_deposition"] = f["n_deposition"]
        steps = block.create_group("Steps")
        steps.attrs["NSteps"] = np.int64(1)
        steps["Values"] = h5py.SoftLink("/VTKHDF/Steps/Values")
    assert {v.rule for v in validate(path)} == {16}


def lost_step(tmp_path):
    """A run whose counter is one ahead of a result, as a power cut may leave it."""
    world = sample_world()
    with RunWriter.create(tmp_path / "cut.h5", world, RESULTS, times(STEPS)) as writer:
        for k in range(2):
            writer.write(k, step_arrays(world, k))
    with h5py.File(writer.live, "r+", libver=("earliest", "v110")) as f:
        f.attrs.modify("steps_written", np.int32(3))
        f["VTKHDF/Steps/Values"].resize((3,))
    return writer.live


def test_missing_steps_are_found_and_repair_takes_the_counters_back(tmp_path):
    path = lost_step(tmp_path)
    assert {5, 21, 22} <= {v.rule for v in validate(path)}
    before = open_run(path)["n_deposition"][:2].values
    assert repair(path)
    assert validate(path) == []
    run = open_run(path)
    assert run.sizes["time"] == 2
    np.testing.assert_array_equal(run["n_deposition"].values, before)
    assert repair(path) == []


def test_repair_refuses_what_it_could_only_invent(run):
    with h5py.File(run, "r+", libver=("earliest", "v110")) as f:
        del f["network_node_x"]
    before = run.read_bytes()
    with pytest.raises(RecordError, match="without inventing data"):
        repair(run)
    assert run.read_bytes() == before


def test_every_rule_has_a_test():
    tested = {rule for rule, _ in BREAKS} | {2, 3, 4, 16, 22}
    assert set(RULES) | {2, 3, 4} == tested
    assert str(Violation(5, "/a", "b", "c")) == "rule 5: /a: b; c"

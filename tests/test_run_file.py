"""The run file: equal values in every reader, atomic replacement, resume, kills, live reading and bad input."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from sample_world import CELL, RESULTS, X0, Y0, sample_world, step_arrays, times
from vtk_reading import read_vtk

from twin.errors import RecordError
from twin.records import ResultVariable, RunWriter, commit, open_run
from twin.records.layout import live_path
from twin.records.rounding import bit_round

HERE = Path(__file__).parent
STEPS = 5


def write_run(path, steps=STEPS, written=None, **options):
    """A sample run; all steps and finished, or only ``written`` of them."""
    world = sample_world()
    with RunWriter.create(path, world, RESULTS, times(steps), {"fingerprint": "f1"}, **options) as writer:
        for k in range(steps if written is None else written):
            writer.write(k, step_arrays(world, k))
        return writer.finish() if written is None else writer.live


def expected(step, name):
    """Values that were given, as stored without rounding."""
    arrays = step_arrays(sample_world(), step)
    for label, row in (("_light", 0), ("_freight", 1)):
        if name.endswith(label):
            return arrays[name.removesuffix(label)][row].astype("f4")
    values = arrays[name]
    return values.astype("f4") if values.ndim and values.dtype.kind == "f" else values


STORED = [v.name for v in RESULTS if "vehicle_class" not in v.dims] + ["road_flow_light", "road_flow_freight"]


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """A finished run without rounding."""
    return write_run(tmp_path_factory.mktemp("exact") / "run.h5", significant_bits=None)


@pytest.mark.parametrize("step", [0, STEPS // 2, STEPS - 1])
@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_reads_the_values_given(exact, engine, step):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(exact, engine=engine) as ds:
            for name in STORED:
                np.testing.assert_array_equal(ds[name][step].values, expected(step, name))
            assert ds.time.values[step] == times(STEPS)[step]


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_the_whole_tree(exact, engine):
    options = {"phony_dims": "access"} if engine == "h5netcdf" else {}
    with xr.open_datatree(exact, engine=engine, **options) as tree:
        np.testing.assert_array_equal(tree["n_deposition"][3].values, expected(3, "n_deposition"))
        np.testing.assert_array_equal(
            tree["VTKHDF/field/PointData/n_deposition"][3].values, expected(3, "n_deposition")
        )


@pytest.mark.parametrize("step", [0, STEPS // 2, STEPS - 1])
def test_gdal_reads_values_crs_and_geotransform(exact, step):
    with rasterio.open(f"NETCDF:{exact}:n_deposition") as raster:
        assert raster.crs.to_epsg() == 28992
        assert tuple(raster.transform)[:6] == (CELL, 0, X0, 0, -CELL, Y0 + 5 * CELL)
        assert raster.count == STEPS
        # GDAL counts rows from the north
        np.testing.assert_array_equal(raster.read(step + 1)[::-1], expected(step, "n_deposition"))
    with rasterio.open(f"NETCDF:{exact}:elevation") as raster:
        assert np.isnan(raster.read(1)[-1, -1])


def test_open_run_is_lazy_complete_and_holds_no_handle(exact):
    run = open_run(exact)
    assert run.attrs["fingerprint"] == "f1"
    for name in STORED:
        np.testing.assert_array_equal(run[name][2].values, expected(2, name))
    assert list(run["road_id"].values[:2]) == ["w0/é", "w1/é"]
    np.testing.assert_array_equal(run["n_deposition"][::-2, [3, 1]].values, run["n_deposition"].values[::-2][:, [3, 1]])
    with h5py.File(exact, "r+") as f:  # would be refused if a handle were open
        assert f.attrs["output_status"] == b"complete"


def test_results_are_bit_identical_for_identical_input(tmp_path):
    a, b = write_run(tmp_path / "a.h5"), write_run(tmp_path / "b.h5")
    with h5py.File(a) as fa, h5py.File(b) as fb:
        for name in STORED:
            assert fa[name][...].tobytes() == fb[name][...].tobytes()


def test_plain_h5py_path_stores_the_same_values(tmp_path, monkeypatch):
    fast = write_run(tmp_path / "fast.h5")
    monkeypatch.setattr("twin.records.writer._deflate", None)
    plain = write_run(tmp_path / "plain.h5")
    with h5py.File(fast) as fa, h5py.File(plain) as fb:
        for name in STORED:
            assert fa[name][...].tobytes() == fb[name][...].tobytes()


def test_tiles_at_the_border_of_a_large_lattice_are_whole(tmp_path):
    world = sample_world(nx=520, ny=515)
    field = ResultVariable("c", ("y", "x"), "1", "c")
    values = np.random.default_rng(1).random((515, 520))
    with RunWriter.create(tmp_path / "r.h5", world, [field], times(2), significant_bits=None) as writer:
        writer.write(0, {"c": values})
        np.testing.assert_array_equal(open_run(writer.live)["c"][0].values, values.astype("f4"))


@given(
    st.lists(st.floats(width=32), min_size=1, max_size=50).map(lambda v: np.array(v, "f4")),
    st.integers(1, 23),
)
def test_rounding_keeps_the_stated_bits(values, bits):
    # Round to nearest of a binary32 with b explicit bits kept: |error| <= 2**-(b+1) |value|. Subnormals have fewer
    # significant bits to begin with, so their bound is absolute: half the weight of the last bit kept.
    rounded = bit_round(values.copy(), bits)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(rounded[~finite], values[~finite])
    error = np.abs(rounded[finite].astype("f8") - values[finite])
    floor = 2.0 ** -(bits + 1) * np.finfo("f4").tiny
    assert (error <= np.maximum(2.0 ** -(bits + 1) * np.abs(values[finite].astype("f8")), floor)).all()


def test_precision_is_chosen_per_variable(tmp_path):
    path = write_run(tmp_path / "r.h5", significant_bits={"road_flow": None, "*": 8})
    run = open_run(path)
    np.testing.assert_array_equal(run["road_flow_light"][1].values, expected(1, "road_flow_light"))
    assert "significant_bits" not in run["road_flow_light"].attrs
    assert run["n_deposition"].attrs["significant_bits"] == 8
    relative = np.abs(run["n_deposition"][1].values / expected(1, "n_deposition") - 1)
    assert 0 < relative.max() <= 2.0**-9


def test_a_good_file_stays_until_the_new_run_is_complete(tmp_path):
    path = write_run(tmp_path / "run.h5")
    before = path.read_bytes()
    live = write_run(path, written=3)
    assert path.read_bytes() == before
    assert live == live_path(path) != path
    with pytest.raises(RecordError, match="3 of 5 steps"):
        RunWriter.append(path).finish()


def test_resume_gives_the_results_of_the_uninterrupted_run(tmp_path):
    whole = write_run(tmp_path / "whole.h5")
    write_run(tmp_path / "cut.h5", written=4)
    world = sample_world()
    with RunWriter.append(tmp_path / "cut.h5", 2, fingerprint="f1") as writer:
        assert writer.steps_written == 2
        assert open_run(tmp_path / "cut.h5").sizes["time"] == 2
        for k in range(2, STEPS):
            writer.write(k, step_arrays(world, k))
        cut = writer.finish()
    with h5py.File(whole) as fa, h5py.File(cut) as fb:
        for name in STORED:
            assert fa[name][...].tobytes() == fb[name][...].tobytes()


def test_resume_refuses_another_configuration_and_a_later_checkpoint(tmp_path):
    path = tmp_path / "r.h5"
    write_run(path, written=2)
    with pytest.raises(RecordError, match="same configuration"):
        RunWriter.append(path, fingerprint="f2")
    with pytest.raises(RecordError, match="earlier checkpoint"):
        RunWriter.append(path, 3)
    with pytest.raises(RecordError, match="no unfinished run"):
        RunWriter.append(tmp_path / "none.h5")


def test_two_writers_of_one_run_are_refused(tmp_path):
    first = RunWriter.create(tmp_path / "r.h5", sample_world(), RESULTS, times(2))
    with first, pytest.raises(RecordError, match="another run writes it"):
        RunWriter.create(tmp_path / "r.h5", sample_world(), RESULTS, times(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("bus_load"), "bus_load"),
        (lambda a: a.update(extra=np.zeros(3)), "extra"),
        (lambda a: a.update(bus_load=np.zeros(4)), r"shape \(4,\)"),
        (lambda a: a.update(road_flow=np.zeros(6)), "vehicle class"),
        (lambda a: a.update(bus_load=np.array([1.0, 2.0, 1e39])), "single precision"),
    ],
)
def test_wrong_results_are_refused_by_name(tmp_path, change, message):
    world = sample_world()
    with RunWriter.create(tmp_path / "r.h5", world, RESULTS, times(2)) as writer:
        arrays = step_arrays(world, 0)
        change(arrays)
        with pytest.raises(RecordError, match=message):
            writer.write(0, arrays)
        with pytest.raises(RecordError, match="step 0 is next"):
            writer.write(1, step_arrays(world, 1))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ([ResultVariable("a", ("lane",), "1", "a")], "dimension 'lane'"),
        ([ResultVariable("a.b", ("bus",), "1", "a")], "letters"),
        ([ResultVariable("a", ("bus",), "1", "a")] * 2, "twice"),
        ([ResultVariable("elevation", ("y", "x"), "m", "a")], "already holds"),
        ([ResultVariable("a", ("road_link", "vehicle_class"), "1", "a")], "first of them"),
    ],
)
def test_wrong_declarations_are_refused_by_name(tmp_path, variables, message):
    with pytest.raises(RecordError, match=message):
        RunWriter.create(tmp_path / "r.h5", sample_world(), variables, times(2))


def test_bad_files_give_one_clear_error(tmp_path, exact):
    def refused(path, message):
        with pytest.raises(RecordError, match=message) as caught:
            open_run(path)
        assert str(path) in str(caught.value)

    refused(tmp_path / "none.h5", "no such run file")
    refused(tmp_path, "is a folder")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(exact.read_bytes()[: exact.stat().st_size // 2])
    refused(cut, "truncated")
    cut.write_bytes(b"")
    refused(cut, "empty")
    cut.write_bytes(b"PK\x03\x04 not a run")
    refused(cut, "no HDF5 file")
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as f:
        f["a"] = 1
    refused(foreign, "no run file")
    other = tmp_path / "other.h5"
    other.write_bytes(exact.read_bytes())
    with h5py.File(other, "r+") as f:
        f.attrs.modify("layout_version", np.int32(7))
    refused(other, "layout 7")


def test_long_provenance_and_foreign_letters_come_back(tmp_path):
    text, inputs = "# Zuid-Holland, ’t Gooi\n" * 5000, {"roads.gpkg": "ab" * 32}
    given = {"config": text, "inputs": inputs, "seed": 7, "git_commit": None}
    with RunWriter.create(tmp_path / "r.h5", sample_world(), RESULTS, times(2), given) as writer:
        run = open_run(writer.live)
    assert run.attrs["config"] == text
    assert run.attrs["inputs"] == '{"roads.gpkg": "' + "ab" * 32 + '"}'
    assert run.attrs["seed"] == 7
    assert "lattice/population" in run.attrs["synthetic_variables"]
    assert "bus_load" in run.attrs["synthetic_variables"]


def child(code, folder, **kwargs):
    """A Python process that can import the tests' sample."""
    script = f"import sys; sys.path.insert(0, {str(HERE)!r})\n" + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    return subprocess.Popen([sys.executable, "-c", script], cwd=folder, env=environment, text=True, **kwargs)


def test_full_disk_is_one_clear_error_and_leaves_the_good_file(tmp_path):
    good = write_run(tmp_path / "run.h5")
    before = good.read_bytes()
    # The largest file that the process may write stands for the room on the disk: EFBIG instead of ENOSPC.
    process = child(
        """
        import resource, signal
        import numpy as np
        from sample_world import *
        from twin.errors import RecordError
        from twin.records import RunWriter
        world = sample_world(60, 60)
        field = [ResultVariable("c", ("y", "x"), "1", "c")]
        writer = RunWriter.create("run.h5", world, field, times(50), significant_bits=None)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = writer.live.stat().st_size + 40_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        noise = np.random.default_rng(1)
        try:
            for k in range(50):
                writer.write(k, {"c": noise.random((60, 60))})
        except RecordError as error:
            print(error)
            sys.exit(2)
        """,
        tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "disk is full" in out
    assert "--resume" in out
    assert good.read_bytes() == before


WRITER = """
import numpy as np
from sample_world import *
from twin.records import RunWriter
world = sample_world(40, 40)
writer = RunWriter.create("run.h5", world, RESULTS, times(4000))
for k in range(4000):
    writer.write(k, step_arrays(world, k))
    print(k, flush=True)
"""


def test_killed_runs_are_readable_and_lose_at_most_one_step(tmp_path):
    random = np.random.default_rng(3)
    for trial in range(int(os.environ.get("TWIN_KILLS", "3"))):
        process = child(WRITER, tmp_path, stdout=subprocess.PIPE)
        for _ in range(4):
            process.stdout.readline()
        time.sleep(float(random.random()) * 0.3)
        os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate(timeout=60)[0].split()
        done = int(rest[-1]) + 1 if rest else 4
        run = open_run(tmp_path / "run.h5")
        written = run.sizes["time"]
        assert done <= written <= done + 1, trial
        world = sample_world(40, 40)
        for k in (0, written // 2, written - 1):
            given = step_arrays(world, k)["n_deposition"]
            np.testing.assert_allclose(run["n_deposition"][k].values, given, rtol=2.0**-12)
        with xr.open_dataset(live_path(tmp_path / "run.h5"), engine="netcdf4") as ds:
            np.testing.assert_allclose(ds["n_deposition"][written - 1].values, given, rtol=2.0**-12)
        count, arrays = read_vtk(live_path(tmp_path / "run.h5"), written - 1, 3600.0 * (written - 1), "UpdateTimeStep")
        assert count == written
        np.testing.assert_allclose(arrays["terrain", "point", "n_deposition"], given.ravel(), rtol=2.0**-12)
        with RunWriter.append(tmp_path / "run.h5") as writer:
            writer.write(written, step_arrays(world, written))
            assert open_run(tmp_path / "run.h5").sizes["time"] == written + 1


class Killed(BaseException):
    """Stands for the end of the process: nothing after it is done."""


def holds(path, steps):
    """Assert that a run file holds the sample's first ``steps`` steps."""
    run, world = open_run(path), sample_world()
    assert run.sizes["time"] == steps
    for name in ("n_deposition", "branch_loading", "road_nox"):
        given = np.array([step_arrays(world, k)[name] for k in range(steps)], "f4")
        np.testing.assert_array_equal(run[name].values, given)


@pytest.mark.parametrize("steps", [2, 64, 121])  # the 65th step splits the roots of the chunk indexes, the 122nd leaves
def test_a_file_is_whole_after_each_write_of_a_step(tmp_path, monkeypatch, steps):
    world, start, cut = sample_world(), tmp_path / "start.h5", tmp_path / "cut.h5"
    with RunWriter.create(start, world, RESULTS, times(steps + 2), significant_bits=None) as writer:
        for k in range(steps):
            writer.write(k, step_arrays(world, k))
    end = int.from_bytes(live_path(start).read_bytes()[40:48], "little")
    plain, left, place = commit._write, 0, -1

    def write(file, data, offset):
        nonlocal left
        if offset < end:  # new bytes behind it change nothing that anyone sees
            if not left:
                raise Killed
            left -= 1
        plain(file, data, offset)

    monkeypatch.setattr(commit, "_write", write)
    monkeypatch.setattr("twin.records.writer.READER_PATIENCE", 0.01)  # VTK 9.5 lets go of a file late
    whole = False
    while not whole:
        place += 1
        live_path(cut).write_bytes(live_path(start).read_bytes())
        left = 10**6
        with RunWriter.append(cut) as writer:
            left = place
            try:
                writer.write(steps, step_arrays(world, steps))
                whole = True
            except Killed:
                pass
        seen = open_run(cut).sizes["time"]
        assert seen in (steps, steps + 1)
        holds(cut, seen)
        count, arrays = read_vtk(live_path(cut), steps - 1, 3600.0 * (steps - 1), "UpdateTimeStep")
        assert count in (steps, steps + 1)
        given = step_arrays(world, steps - 1)["n_deposition"].astype("f4")
        np.testing.assert_array_equal(arrays["terrain", "point", "n_deposition"], given.ravel())
        left = 10**6
        with RunWriter.append(cut) as writer:  # and can go on
            for k in range(writer.steps_written, steps + 2):
                writer.write(k, step_arrays(world, k))
        holds(cut, steps + 2)
    assert place > 5


def test_a_polling_reader_never_fails_beside_the_writer(tmp_path):
    process = child(WRITER, tmp_path, stdout=subprocess.DEVNULL)
    path = live_path(tmp_path / "run.h5")
    try:
        deadline = time.monotonic() + 120
        while not path.exists() or path.stat().st_size < 100_000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        seen = []
        for _ in range(int(os.environ.get("TWIN_POLLS", "25"))):
            run = open_run(path)
            seen.append(run.sizes["time"])
            if seen[-1]:
                run["n_deposition"][-1].values  # noqa: B018
        assert seen == sorted(seen)
        assert seen[-1] > seen[0]
    finally:
        process.kill()
        process.wait()


def test_a_reader_that_keeps_the_file_open_does_not_stop_the_run(tmp_path):
    world = sample_world()
    with RunWriter.create(tmp_path / "r.h5", world, RESULTS, times(3)) as writer:
        writer.write(0, step_arrays(world, 0))
        writer._patience = 0.2
        holder = child(
            f"import h5py, time; f = h5py.File({str(writer.live)!r}); print('open', flush=True); time.sleep(60)",
            tmp_path,
            stdout=subprocess.PIPE,
        )
        try:
            assert holder.stdout.readline().strip() == "open"
            for k in (1, 2):
                writer.write(k, step_arrays(world, k))
        finally:
            holder.kill()
            holder.communicate()
        path = writer.finish()
    assert open_run(path).sizes["time"] == 3

"""Buildings, hexagons and results of several rates: the same values and shapes in xarray, VTK and GDAL."""

import h5py
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from sample_world import X0, Y0, times
from vtk_reading import read_vtk
from whole_world import AREAS, EVERY, NEW, ROOFS, WHOLE_RESULTS, whole_arrays, whole_world

from twin.errors import RecordError
from twin.records import ResultVariable, RunWriter, open_run, repair, validate

STEPS = 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and one let go after 5 of 6 steps."""
    folder, world = tmp_path_factory.mktemp("whole"), whole_world()
    ends = np.column_stack([times(STEPS), times(STEPS) + np.timedelta64(1, "h")])
    files = {}
    for name, written in (("whole", STEPS), ("part", STEPS - 1)):
        with RunWriter.create(
            folder / f"{name}.h5", world, WHOLE_RESULTS, times(STEPS), significant_bits=None, bounds=ends
        ) as writer:
            for k in range(written):
                writer.write(k, whole_arrays(world, k))
            files[name] = (writer.finish() if written == STEPS else writer.live, written)
    return world, files


@pytest.mark.parametrize("which", ["whole", "part"])
def test_files_break_no_rule(runs, which):
    assert validate(runs[1][which][0]) == []


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_slow_results_have_a_time_axis_of_their_own(runs, engine):
    world, files = runs
    with xr.open_dataset(files["whole"][0], engine=engine) as ds:
        assert ds["n_deposition_daily"].dims == (f"time_{EVERY}", "y", "x")
        np.testing.assert_array_equal(ds[f"time_{EVERY}"].values, times(STEPS)[::EVERY])
        for row, step in enumerate(range(EVERY - 1, STEPS, EVERY)):
            for v in NEW[2:]:
                given = whole_arrays(world, step)[v.name].astype("f4")
                np.testing.assert_array_equal(ds[v.name][row].values, given)
    run = open_run(files["part"][0])
    assert (run.sizes["time"], run.sizes[f"time_{EVERY}"]) == (5, 1)
    first, last = run[f"time_{EVERY}_bounds"].values[0]
    assert (first, last) == (times(STEPS)[0], times(STEPS)[EVERY])
    with rasterio.open(f"NETCDF:{files['whole'][0]}:n_deposition_daily") as raster:
        assert (raster.count, raster.crs.to_epsg()) == (STEPS // EVERY, 28992)


@pytest.mark.parametrize("mode", ["SetStep", "UpdateTimeStep"])
@pytest.mark.parametrize("which", ["whole", "part"])
def test_vtk_shows_every_result_at_the_common_clock(runs, which, mode):
    world, files = runs
    path, written = files[which]
    for step in (0, written // 2, written - 1):
        count, arrays = read_vtk(path, step, 3600.0 * step, mode)
        assert count == written
        now = whole_arrays(world, step)
        np.testing.assert_array_equal(
            arrays["building_roofs", "cell", "building_load"], now["building_load"].astype("f4")
        )
        np.testing.assert_array_equal(arrays["hexagons", "cell", "hexagon_excess"], now["hexagon_excess"].astype("f4"))
        np.testing.assert_array_equal(
            arrays["field", "point", "n_deposition"], now["n_deposition"].ravel().astype("f4")
        )
        due = step // EVERY * EVERY + EVERY - 1
        slow = whole_arrays(world, due) if due < written else None  # of an interval not yet over: missing
        for block, kind, name in (
            ("terrain", "point", "n_deposition_daily"),
            ("field", "point", "n_deposition_daily"),
            ("roads", "cell", "road_distance"),
        ):
            given = slow[name].ravel().astype("f4") if slow else np.full(arrays[block, kind, name].shape, np.nan, "f4")
            np.testing.assert_array_equal(arrays[block, kind, name], given)


def test_roofs_and_walls_are_those_of_the_outlines(runs):
    """One strip per building: its area is the outline's, concave, with a court or in two parts; walls stand upright."""
    vtk = pytest.importorskip("vtkmodules.vtkIOHDF")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter

    reader = vtk.vtkHDFReader()
    reader.SetFileName(str(runs[1]["whole"][0]))
    reader.Update()
    output = reader.GetOutputDataObject(0)
    blocks = {output.GetMetaData(i).Get(output.NAME()): output.GetBlock(i) for i in range(output.GetNumberOfBlocks())}
    areas = {}
    for name in ("building_roofs", "building_walls"):
        assert blocks[name].GetNumberOfCells() == 3
        split = vtkTriangleFilter()
        split.SetInputData(blocks[name])
        split.Update()
        mesh = split.GetOutput()
        corners = vtk_to_numpy(mesh.GetPoints().GetData())[
            vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        ]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
        array = {"building_roofs": "building_load", "building_walls": "building"}[name]
        value = vtk_to_numpy(mesh.GetCellData().GetArray(array))
        assert (cross[:, 2] >= -1e-9).all()  # roofs look up, walls neither up nor down
        areas[name] = [
            np.linalg.norm(cross[value == v], axis=1).sum()
            for v in vtk_to_numpy(blocks[name].GetCellData().GetArray(array))
        ]
    np.testing.assert_allclose(areas["building_roofs"], AREAS, rtol=1e-9)
    length = np.array([80.0, 160.0, 80.0])  # m, of the rings
    np.testing.assert_allclose(areas["building_walls"], length * (ROOFS - 1.0), rtol=1e-9)


def test_hexagons_lie_in_their_area_and_hold_one_hectare(runs):
    run = open_run(runs[1]["whole"][0])
    x, y = run["hexagon_x"].values, run["hexagon_y"].values
    assert 90 <= len(x) <= 110  # of an area of 100 ha
    assert ((x > X0 + 500) & (x < X0 + 1500) & (y > Y0 + 500) & (y < Y0 + 1500)).all()
    cell = run["hexagon_cell"].values
    assert (np.abs(run["x"].values[cell % 7] - x) <= 250).all()
    assert (np.abs(run["y"].values[cell // 7] - y) <= 250).all()
    with h5py.File(runs[1]["whole"][0]) as f:
        points = f["VTKHDF/hexagons/Points"][...].reshape(-1, 6, 3)
    np.testing.assert_allclose(shapely.area(shapely.polygons(points[..., :2])), 10_000.0, rtol=1e-9)


def test_no_result_is_stored_twice(runs):
    with h5py.File(runs[1]["whole"][0]) as f:
        stored = []
        f.visititems(lambda n, d: stored.append(n) if isinstance(d, h5py.Dataset) and n.startswith("VTKHDF") else None)
        for name in stored:
            array = name.rsplit("/", 1)[1]
            if array in f and "Steps" not in name:
                assert f[name].is_virtual or f[name] == f[array]
        assert f["VTKHDF/field/PointData/n_deposition_daily"] == f["n_deposition_daily"]


def test_a_slow_value_is_due_at_the_last_step_of_its_interval(tmp_path):
    world = whole_world()
    with RunWriter.create(tmp_path / "r.h5", world, WHOLE_RESULTS, times(STEPS)) as writer:
        early = whole_arrays(world, 0) | {"road_distance": np.zeros(6)}
        with pytest.raises(RecordError, match="road_distance"):
            writer.write(0, early)
        for k in range(EVERY - 1):
            writer.write(k, whole_arrays(world, k))
        late = whole_arrays(world, EVERY - 1)
        late.pop("road_distance")
        with pytest.raises(RecordError, match="road_distance"):
            writer.write(EVERY - 1, late)
    slow = [ResultVariable("a", ("bus",), "1", "a", every=4)]
    with pytest.raises(RecordError, match="does not divide"):
        RunWriter.create(tmp_path / "s.h5", world, slow, times(STEPS))


def test_repair_takes_a_lost_slow_value_into_account(tmp_path):
    world = whole_world()
    with RunWriter.create(tmp_path / "r.h5", world, WHOLE_RESULTS, times(STEPS)) as writer:
        for k in range(2):
            writer.write(k, whole_arrays(world, k))
    with h5py.File(writer.live, "r+", libver=("earliest", "v110")) as f:
        for d in f.values():  # all of step 2 but the slow results
            if isinstance(d, h5py.Dataset) and "result" in d.attrs and "output_steps" not in d.attrs:
                d[2] = 1
        f.attrs.modify("steps_written", np.int32(3))
    assert {v.rule for v in validate(writer.live)} >= {22}
    assert repair(writer.live)
    assert open_run(writer.live).sizes["time"] == 2
    assert validate(writer.live) == []

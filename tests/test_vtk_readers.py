"""VTK's HDF reader gives the values of the run at first, middle and last step, finished or killed."""

import numpy as np
import pytest
from sample_world import CELL, RESULTS, X0, Y0, sample_world, step_arrays, times
from vtk_reading import read_vtk

from twin.records import RunWriter

pytest.importorskip("vtkmodules.vtkIOHDF")
STEPS = 7
PLACE = {"y": ("terrain", "point"), "road_link": ("roads", "cell"), "bus": ("power_buses", "point")}
PLACE["branch"] = ("power_branches", "cell")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, and one let go after 5 of 7 steps."""
    folder, world = tmp_path_factory.mktemp("runs"), sample_world()
    with RunWriter.create(folder / "whole.h5", world, RESULTS, times(STEPS), significant_bits=None) as whole:
        for k in range(STEPS):
            whole.write(k, step_arrays(world, k))
        whole.finish()
    with RunWriter.create(folder / "part.h5", world, RESULTS, times(STEPS), significant_bits=None) as part:
        for k in range(5):
            part.write(k, step_arrays(world, k))
    return world, {"whole": (whole.path, STEPS), "part": (part.live, 5)}


@pytest.mark.parametrize("mode", ["SetStep", "UpdateTimeStep"])
@pytest.mark.parametrize("which", ["whole", "part"])
def test_values_are_those_of_the_run_in_every_block(runs, which, mode):
    world, files = runs
    path, written = files[which]
    for step in (0, written // 2, written - 1):
        count, arrays = read_vtk(path, step, 3600.0 * step, mode)
        assert count == written
        expected = step_arrays(world, step)
        seen = 0
        for v in RESULTS:
            rows = {v.name: expected[v.name]}
            if v.dims[:1] == ("vehicle_class",):
                rows = {f"{v.name}_{c}": expected[v.name][i] for i, c in enumerate(("light", "freight"))}
            if not v.dims or v.dims[-1] == "origin":
                continue
            block, kind = PLACE[v.dims[0] if v.dims[0] == "y" else v.dims[-1]]
            for name, values in rows.items():
                kind_of = np.float32 if v.dtype == "f8" else v.dtype
                np.testing.assert_array_equal(arrays[block, kind, name], values.ravel().astype(kind_of))
                seen += 1
                if v.dims[0] == "y":
                    np.testing.assert_array_equal(arrays["field", "point", name], values.ravel().astype("f4"))
        assert seen == 8


def test_geometry_stands_in_rd_and_leaves_out_missing_ground(runs):
    _, files = runs
    _, arrays = read_vtk(files["whole"][0], 1, 3600.0, "UpdateTimeStep")
    x0, x1, y0, y1, *_ = arrays["terrain", "bounds"]
    assert (x0, x1) == (X0 + CELL / 2, X0 + 6.5 * CELL)
    assert (y0, y1) == (Y0 + CELL / 2, Y0 + 4.5 * CELL)
    assert arrays["terrain", "cells"] == 6 * 4 - 1  # one corner cell has no height
    assert (arrays["roads", "cells"], arrays["power_branches", "cells"], arrays["power_buses", "cells"]) == (6, 2, 3)


def test_one_step_run_shows_its_values_without_an_image(tmp_path):
    world = sample_world()
    with RunWriter.create(tmp_path / "year.h5", world, RESULTS, times(1), significant_bits=None) as writer:
        writer.write(0, step_arrays(world, 0))
        path = writer.finish()
    _, arrays = read_vtk(path, 0, 0.0, "UpdateTimeStep")
    assert ("field", "cells") not in arrays
    expected = step_arrays(world, 0)["n_deposition"].ravel().astype("f4")
    np.testing.assert_array_equal(arrays["terrain", "point", "n_deposition"], expected)

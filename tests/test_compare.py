"""Comparison and description of runs: identity, additivity of differences, hand-made totals, refusals."""

import numpy as np
import pytest
import xarray as xr
from sample_world import RESULTS, sample_world, step_arrays, times

from twin.analysis import compare, indicators
from twin.commands.compare import compare_runs
from twin.commands.info import info
from twin.commands.validate import repair_run, validate_run
from twin.errors import RecordError
from twin.records import RunWriter, open_run

STEPS = 4


def write(path, *, scale=1.0, world=None, steps=STEPS, done=None):
    world = world if world is not None else sample_world()
    with RunWriter.create(
        path, world, RESULTS, times(steps), {"title": "Sample", "inputs": {"a": "b"}}, significant_bits=None
    ) as writer:
        for k in range(steps if done is None else done):
            arrays = step_arrays(world, k)
            arrays["road_flow"] = arrays["road_flow"] * scale
            writer.write(k, arrays)
        return writer.finish() if done is None else writer.live


def test_run_against_itself_differs_by_exactly_zero(tmp_path):
    table = compare(write(tmp_path / "a.h5"), tmp_path / "a.h5")
    assert len(table) > 12
    assert (table["difference"] == 0).all()
    assert (table["percent"] == 0).all()
    assert table["unit"].str.len().min() > 0


def test_difference_shows_in_what_was_changed_and_nowhere_else(tmp_path):
    table = compare(write(tmp_path / "a.h5"), write(tmp_path / "b.h5", scale=1.25)).set_index("indicator")
    flows = table.index.str.startswith("road_flow")
    assert flows.sum() == 4
    np.testing.assert_allclose(table["percent"][flows], 25.0, rtol=1e-5)
    assert (table["difference"][~flows] == 0).all()


def test_totals_are_those_of_a_sum_by_hand(tmp_path):
    # four hours: vehicle-km = sum over hours and links of flow [1/h] * 1 h * length [km]; energy = sum of kW * 1 h
    world = sample_world()
    found = {i.name: i for i in indicators(open_run(write(tmp_path / "a.h5")))}
    steps = [step_arrays(world, k) for k in range(STEPS)]
    length = world["roads/length"].values / 1000
    km = sum((a["road_flow"][0] * length).sum() for a in steps)
    assert found["road_flow_light: vehicle-kilometres"].value == pytest.approx(km, rel=1e-6)
    assert found["bus_load: total"].value == pytest.approx(sum(a["bus_load"].sum() for a in steps) / 1000, rel=1e-6)
    assert found["bus_load: total"].units == "MWh"
    assert found["road_nox: total"].value == pytest.approx(sum(a["road_nox"].sum() for a in steps) * 3.6, rel=1e-6)
    assert found["ev_distance: total"].value == pytest.approx(sum(a["ev_distance"].sum() for a in steps), rel=1e-6)
    assert found["n_deposition: mean at the end"].value == pytest.approx(steps[-1]["n_deposition"].mean(), rel=1e-6)
    above = sum((a["branch_loading"] > 1).sum() for a in steps)
    assert found["branch_loading: asset-hours above rating"].value == above


def test_what_does_not_add_up_is_never_summed():
    # 2 h; the same 3 kW through both branches is no 6 kW, and mol per hectare of two cells is no sum but a mean
    hours = np.array(["2023-01-01T00", "2023-01-01T01"], dtype="datetime64[ns]")
    through = xr.Variable(("time", "branch"), [[3.0, 3.0], [3.0, 3.0]], {"units": "kW", "additive": 0})
    losses = xr.Variable(("time", "branch"), [[0.1, 0.2], [0.1, 0.2]], {"units": "kW"})
    deposited = xr.Variable(("time", "y", "x"), [[[1.0, 3.0]], [[1.0, 3.0]]], {"units": "mol ha-1"}, None)
    deposited.attrs["cell_methods"] = "time: sum"
    data = xr.Dataset({"through": through, "losses": losses, "deposited": deposited}, coords={"time": hours})
    found = {i.name: i for i in indicators(xr.DataTree(data))}
    assert {n for n in found if n.startswith("through")} == {f"through: {s}" for s in ("mean", "lowest", "highest")}
    assert found["losses: total"].value == pytest.approx(0.6e-3)
    assert found["losses: total"].kind == "additive"
    assert found["deposited: mean total"].value == pytest.approx(4.0)
    assert found["deposited: mean total"].kind == "ratio"
    assert "deposited: total" not in found
    assert {i.kind for i in found.values() if "highest" in i.name} == {"peak"}


def test_other_province_and_other_period_are_refused(tmp_path):
    a, moved = write(tmp_path / "a.h5"), sample_world()
    moved["power"]["bus_x"][0] += 0.01
    with pytest.raises(RecordError, match="different provinces"):
        compare(a, write(tmp_path / "b.h5", world=moved))
    with pytest.raises(RecordError, match="different times"):
        compare(a, write(tmp_path / "c.h5", steps=STEPS + 1))


def test_commands_say_what_a_person_wants_to_know(tmp_path):
    path = write(tmp_path / "a.h5")
    text = info(path)
    for part in ("Sample", "complete, 4 output steps", "2020-01-01 00:00 to 2020-01-01 03:00", "n_deposition"):
        assert part in text
    assert "lattice/population: 40 a cell" in text
    assert "[kW]  load (synthetic)" in text
    assert "n_deposition: mean at the end" in compare_runs(path, path)
    assert validate_run(path)[1] == 0
    assert "nothing to mend" in repair_run(path)[0]
    write(tmp_path / "run.h5", done=0)
    assert "no step yet" in info(tmp_path / "run.h5")


def test_time_sums_follow_the_bounds_of_the_intervals(tmp_path):
    # one output step of a whole day: energy = kW * 24 h
    world = sample_world()
    ends = np.array([["2020-01-01T00", "2020-01-02T00"]], dtype="datetime64[ns]")
    with RunWriter.create(tmp_path / "d.h5", world, RESULTS, times(1), bounds=ends, significant_bits=None) as writer:
        writer.write(0, step_arrays(world, 0))
        path = writer.finish()
    found = {i.name: i.value for i in indicators(open_run(path))}
    assert found["bus_load: total"] == pytest.approx(24 * step_arrays(world, 0)["bus_load"].sum() / 1000, rel=1e-6)
    assert validate_run(path)[1] == 0

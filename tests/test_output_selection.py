"""What a configuration chooses of a run: the part that is kept is bit for bit that of the whole."""

import numpy as np
import pytest
import xarray as xr
from whole_world import WHOLE_RESULTS, whole_arrays, whole_world

import twin
from twin.config import OutputSection
from twin.errors import ConfigError, RecordError
from twin.records import Region, RunWriter, open_run, validate
from twin.records.rounding import bit_round

HOURS = {"start": "2023-01-16T06:00:00Z", "stop": "2023-01-16T12:00:00Z", "checkpoint_hours": 1}
CHOSEN = {
    "start": "2023-01-16T08:00:00Z",
    "region": [128000.0, 446000.0, 134000.0, 452000.0],
    "slow_hours": {"n_deposition_dry": 2, "bus_load": 4, "n_deposition": 2},
    "significant_bits": {"bus_load": "lossless", "road_nox": 8, "*": "lossless"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selection")
    settings = {"run": HOURS, "output": {"significant_bits": "lossless"}}
    whole = twin.run("demo", out=folder / "whole", sections=settings, quiet=True)
    part = twin.run("demo", out=folder / "part", sections={"run": HOURS, "output": CHOSEN}, quiet=True)
    assert validate(part.path) == []
    return open_run(whole.path), open_run(part.path)


def test_region_and_steps_hold_the_values_of_the_whole_run(runs):
    whole, part = runs
    np.testing.assert_array_equal(part["time"].values, whole["time"].values[2:])
    west, south, east, north = CHOSEN["region"]
    column = (whole["x"].values >= west) & (whole["x"].values <= east)
    row = (whole["y"].values >= south) & (whole["y"].values <= north)
    np.testing.assert_array_equal(part["x"].values, whole["x"].values[column])
    np.testing.assert_array_equal(
        part["nox_concentration"].values, whole["nox_concentration"].values[2:][:, row][:, :, column]
    )
    for ids, name, dim in (("road_id", "road_flow_light", "road_link"), ("building_id", "building_load", "building")):
        at = {v: k for k, v in enumerate(whole[ids].values)}
        kept = [at[v] for v in part[ids].values]
        assert 0 < len(kept) < whole.sizes[dim]
        np.testing.assert_array_equal(part[name].values, whole[name].values[2:][:, kept])
    ends = part["network_edge_nodes"].values
    x, y = part["network_node_x"].values[ends], part["network_node_y"].values[ends]
    assert ((x >= west) & (x <= east) & (y >= south) & (y <= north)).any(axis=1).all()
    named = part["bus_id"].values[part["building_bus"].values]
    at = {v: k for k, v in enumerate(whole["building_id"].values)}
    old = [at[v] for v in part["building_id"].values]
    np.testing.assert_array_equal(named, whole["bus_id"].values[whole["building_bus"].values[old]])


def test_slow_values_are_sums_means_and_last_values_of_their_interval(runs):
    whole, part = runs
    row, column = np.isin(whole["y"], part["y"]), np.isin(whole["x"], part["x"])
    assert part["n_deposition_dry"].dims[0] == "time_2"
    dry = whole["n_deposition_dry"].values[2:][:, row][:, :, column].astype("f8")
    pairs = dry.reshape(2, 2, *dry.shape[1:])
    np.testing.assert_allclose(part["n_deposition_dry"].values, pairs.sum(axis=1), rtol=1e-6)
    total = whole["n_deposition"].values[2:][:, row][:, :, column]
    np.testing.assert_array_equal(part["n_deposition"].values, total[1::2])
    at = {v: k for k, v in enumerate(whole["bus_id"].values)}
    load = whole["bus_load"].values[2:, [at[v] for v in part["bus_id"].values]].astype("f8")
    # demand less photovoltaics: a small mean of two large hours keeps the rounding of the hours (single precision)
    rounding = np.abs(load).max(axis=0) * 2.0**-23
    assert (np.abs(part["bus_load"].values[0] - load.mean(axis=0)) <= rounding).all()


def test_precision_is_that_of_each_variable(runs):
    whole, part = runs
    at = {v: k for k, v in enumerate(whole["road_id"].values)}
    kept = [at[v] for v in part["road_id"].values]
    exact = np.ascontiguousarray(whole["road_nox"].values[2:][:, kept])
    np.testing.assert_array_equal(part["road_nox"].values, bit_round(exact, 8))
    assert part["road_nox"].attrs["significant_bits"] == 8
    assert "significant_bits" not in part["nox_concentration"].attrs


def test_totals_of_the_run_are_a_table_in_the_file(runs):
    whole, _ = runs
    table = dict(zip(whole["indicator_name"].values, whole["indicator_value"].values))
    units = dict(zip(whole["indicator_name"].values, whole["indicator_units"].values))
    energy = float(whole["bus_load"].astype("f8").sum()) / 1000  # MWh, hourly kW
    assert units["bus_load: total"] == "MWh"
    assert table["bus_load: total"] == pytest.approx(energy, rel=1e-9)


def test_every_part_of_a_province_is_cut_with_its_indices():
    world = whole_world()
    region = Region(world, (80500.0, 430500.0, 81900.0, 432000.0))
    arrays = {v.name: region.cut(whole_arrays(world, 2)[v.name], v.dims) for v in WHOLE_RESULTS}
    sizes = {d: n for node in region.world.subtree for d, n in node.sizes.items()} | {"vehicle_class": 2}
    for v in WHOLE_RESULTS:
        assert arrays[v.name].shape == tuple(sizes[d] for d in v.dims)
    assert sizes["building"] == 2  # the third stands at x = 82,012
    triangles = region.world["buildings/triangle"].values
    assert set(np.unique(triangles)) == set(range(sizes["building_vertex"]))
    x = region.world["lattice/x"].values
    cell = region.world["receptors/hexagon_cell"].values
    assert (np.abs(x[cell % len(x)] - region.world["receptors/hexagon_x"].values) <= 250).all()
    start = region.world["roads/vertex_start"].values
    first = region.world["roads/vertex_x"].values[start]
    nodes = region.world["roads/node_x"].values[region.world["roads/from_node"].values]
    np.testing.assert_array_equal(first, nodes)
    with pytest.raises(RecordError, match="fewer than 2 x 2"):
        Region(world, (0.0, 0.0, 10.0, 10.0))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"slow_hours": {"bus_loda": 2}}, "bus_loda"),
        ({"slow_hours": {"bus_load": 5}}, "do not divide"),
        ({"significant_bits": {"bus_loda": 9}}, "bus_loda"),
        ({"start": "2023-01-16T08:30:00Z"}, "start of an output step"),
        ({"stop": "2023-01-17T08:00:00Z"}, "start of an output step"),
        ({"start": "2023-01-16T08:00:00Z", "stop": "2023-01-16T08:00:00Z"}, "holds no step"),
        ({"slow_hours": {"bus_load": 1}}, "no multiple"),
        ({"region": [2.0, 0.0, 1.0, 1.0]}, "west, south"),
        ({"significant_bits": 0}, "significant_bits"),
        ({"significant_bits": "exact"}, "significant_bits"),
    ],
)
def test_wrong_choices_are_refused_by_name(output, message):
    with pytest.raises(ConfigError, match=message):
        twin.build("demo", sections={"run": HOURS, "output": output})


def test_a_finish_that_was_cut_off_can_be_done_again(tmp_path):
    world = whole_world()
    with RunWriter.create(tmp_path / "r.h5", world, WHOLE_RESULTS, np.arange(0, 3, dtype="M8[h]")) as writer:
        for k in range(3):
            writer.write(k, whole_arrays(world, k))
        from twin.records.skeleton import set_indicators

        with writer._open() as f:
            set_indicators(f, [("old", "1", 1.0, "peak")])
        path = writer.finish(indicators=[("a", "kg", 2.0, "additive"), ("b", "", 3.0, "peak")])
    for engine in ("h5netcdf", "netcdf4"):
        with xr.open_dataset(path, engine=engine) as ds:
            assert list(ds["indicator_value"].values) == [2.0, 3.0]
    assert validate(path) == []


def test_bits_of_a_single_number_hold_for_all():
    assert OutputSection().bits == {"*": 12}
    assert OutputSection(significant_bits="lossless").bits == {"*": None}
    assert OutputSection(significant_bits={"a": 9}).bits == {"*": 12, "a": 9}

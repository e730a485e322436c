"""Exports for GIS and tables: values, positions, ids and units come back through an independent reader."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from sample_world import CELL, RESULTS, X0, Y0, sample_world, step_arrays, times

from twin.commands.export import export_run
from twin.errors import RecordError
from twin.exports import export_cog, export_gpkg, export_table
from twin.records import RunWriter


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    world = sample_world()
    folder = tmp_path_factory.mktemp("x")
    with RunWriter.create(folder / "run.h5", world, RESULTS, times(3), significant_bits=None) as writer:
        for k in range(3):
            writer.write(k, step_arrays(world, k))
        return writer.finish()


def test_geotiff_has_values_place_and_unit(run, tmp_path):
    path = export_cog(run, tmp_path / "a.tif", "n_deposition", 1)
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 28992
        assert tuple(raster.transform)[:6] == (CELL, 0, X0, 0, -CELL, Y0 + 5 * CELL)
        expected = step_arrays(sample_world(), 1)["n_deposition"].astype("f4")
        np.testing.assert_array_equal(raster.read(1)[::-1], expected)
        assert raster.units == ("mol ha-1",)
        assert raster.tags()["time"] == "2020-01-01T01:00:00"
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with rasterio.open(export_cog(run, tmp_path / "z.tif", "elevation")) as raster:
        assert np.ma.count_masked(raster.read(1, masked=True)) == 1


def test_geopackage_has_lines_nodes_results_and_units(run, tmp_path):
    path = export_gpkg(run, tmp_path / "a.gpkg", 2)
    world, given = sample_world(), step_arrays(sample_world(), 2)
    roads = gpd.read_file(path, layer="roads")
    assert roads.crs.to_epsg() == 28992
    np.testing.assert_allclose(roads["road_flow_light"], given["road_flow"][0], rtol=1e-6)
    x, y = world["roads/node_x"].values, world["roads/node_y"].values
    start = world["roads/from_node"].values
    first = roads.geometry.apply(lambda line: line.coords[0])
    np.testing.assert_allclose([c[0] for c in first], x[start], atol=0.01)
    np.testing.assert_allclose([c[1] for c in first], y[start], atol=0.01)
    assert roads["road_id"][0] == "w0/é"
    nodes, lines = (gpd.read_file(path, layer=n) for n in ("power_nodes", "power_lines"))
    np.testing.assert_allclose(nodes["bus_load"], given["bus_load"], rtol=1e-6)
    np.testing.assert_allclose(nodes.geometry.x, world["power/bus_x"], atol=0.01)
    assert len(lines) == 2
    about = gpd.read_file(path, layer="about").set_index("column")
    assert about.loc["bus_load", "units"] == "kW"


def test_tables_hold_every_place_and_time(run, tmp_path):
    table = pd.read_csv(export_table(run, tmp_path / "a.csv", "bus"))
    assert list(table["id"][:3]) == ["hv", "mv1", "mv2"]
    expected = np.concatenate([step_arrays(sample_world(), k)["bus_load"] for k in range(3)])
    np.testing.assert_allclose(table["bus_load [kW]"], expected, rtol=1e-6)
    np.testing.assert_array_equal(pd.to_datetime(table["time"]).to_numpy()[::3], times(3))
    assert "relative_gap [1]" in pd.read_csv(export_table(run, tmp_path / "t.csv", "time")).columns
    totals = pd.read_csv(export_table(run, tmp_path / "i.csv")).set_index("indicator")
    assert totals.loc["bus_load: total", "unit"] == "MWh"


def test_unknown_fields_formats_and_steps_are_refused_by_name(run, tmp_path):
    for call, message in (
        (lambda: export_cog(run, tmp_path / "a.tif", "bus_load"), "choose one of"),
        (lambda: export_cog(run, tmp_path / "a.tif", "n_deposition", 7), "holds 3"),
        (lambda: export_gpkg(run, tmp_path / "a.gpkg", -4), "holds 3"),
        (lambda: export_table(run, tmp_path / "a.xlsx"), "choose .csv"),
        (lambda: export_table(run, tmp_path / "a.csv", "lane"), "no result over"),
        (lambda: export_run(run, glb=True, gpkg=True), "exactly one"),
    ):
        with pytest.raises(RecordError, match=message):
            call()
    assert not list(tmp_path.iterdir())
    assert "t.csv" in export_run(run, table="time", out=tmp_path / "t.csv")

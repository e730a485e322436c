"""Polygons on the lattice: totals kept, whatever the holes, parts and winding; rasters without a half-cell shift."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, from_origin

from twin.errors import DataError
from twin.readers.rasters import read_raster
from twin.readers.vectors import read_polygons
from twin.world.gridding import cell_shares, spread


def lattice(nx=12, ny=9, size=100.0, west=1000.0, south=2000.0):
    x = west + size * (np.arange(nx) + 0.5)
    y = south + size * (np.arange(ny) + 0.5)
    return xr.Dataset(coords={"x": x, "y": y}, attrs={"cell_size": size})


coordinate = st.tuples(st.floats(900, 2300), st.floats(1900, 3000))


@settings(max_examples=60, deadline=None)
@given(points=st.lists(coordinate, min_size=3, max_size=12), amount=st.floats(1, 1e6), turned=st.booleans())
def test_totals_are_kept_to_the_part_that_lies_inside(points, amount, turned):
    polygon = shapely.convex_hull(shapely.MultiPoint(points))
    if polygon.geom_type != "Polygon" or polygon.area < 1.0:
        return
    hole = shapely.box(*(shapely.get_coordinates(polygon.centroid)[0].repeat(2)[[0, 2, 1, 3]] + [-9, -9, 9, 9]))
    polygon = polygon.difference(hole)
    if polygon.geom_type == "Polygon" and turned:
        polygon = polygon.reverse()
    if polygon.is_empty:
        return
    box = shapely.box(1000, 2000, 2200, 2900)
    want = amount * polygon.intersection(box).area / polygon.area
    got = spread(lattice(), [polygon], np.array([amount]))
    assert got.sum() == pytest.approx(want, rel=1e-9, abs=1e-9 * amount)


def test_shares_of_known_shapes():
    # a square over four cells in equal parts, a part of two cells with a hole that takes half of one
    square = shapely.box(1050, 2050, 1150, 2150)
    parts = shapely.MultiPolygon([shapely.box(1300, 2300, 1400, 2400).difference(shapely.box(1300, 2300, 1350, 2400)),
                                  shapely.box(1500, 2500, 1600, 2600)])  # fmt: skip
    owner, cell, share = cell_shares(lattice(), [square, parts])
    np.testing.assert_allclose(sorted(share[owner == 0]), [0.25] * 4, rtol=1e-6)
    assert set(cell[owner == 0]) == {0, 1, 12, 13}
    np.testing.assert_allclose(dict(zip(cell[owner == 1], share[owner == 1]))[3 * 12 + 3], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(dict(zip(cell[owner == 1], share[owner == 1]))[5 * 12 + 5], 2 / 3, rtol=1e-6)


def write(path, values, transform, crs="EPSG:28992", nodata=-9999.0):
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="float32",
        crs=crs, transform=transform, nodata=nodata,
    ) as f:  # fmt: skip
        f.write(values.astype("float32"), 1)
    return path


WHERE = {"west": 1000.0, "south": 2000.0, "cell_size": 100.0, "shape": (9, 12)}


def test_a_raster_on_the_same_cells_comes_back_cell_by_cell(tmp_path):
    values = np.arange(108.0).reshape(9, 12)
    path = write(tmp_path / "a.tif", values, from_origin(1000, 2900, 100, 100))
    np.testing.assert_array_equal(read_raster(path, **WHERE, resampling="nearest"), values[::-1])
    np.testing.assert_allclose(read_raster(path, **WHERE), values[::-1])


def test_nodata_is_kept_apart_and_a_finer_raster_is_averaged(tmp_path):
    values = np.ones((18, 24))
    values[:2, :2] = -9999
    path = write(tmp_path / "a.tif", values, from_origin(1000, 2900, 50, 50))
    got = read_raster(path, **WHERE, resampling="average")
    assert np.isnan(got[-1, 0])
    assert np.isnan(got).sum() == 1
    assert read_raster(path, **WHERE, resampling="average", fill=7.0)[-1, 0] == 7


def test_wrong_rasters_are_refused_by_name(tmp_path):
    values = np.ones((9, 12))
    straight = from_origin(1000, 2900, 100, 100)
    cases = {
        "no CRS": write(tmp_path / "crs.tif", values, straight, crs=None),
        "rotated": write(tmp_path / "rot.tif", values, straight * Affine.rotation(10)),
        "not square": write(tmp_path / "sq.tif", values, from_origin(1000, 2900, 100, 50)),
        "no data under the lattice": write(tmp_path / "nodata.tif", values * -9999, straight),
    }
    for says, path in cases.items():
        with pytest.raises(DataError, match=says) as caught:
            read_raster(path, **WHERE)
        assert path.name in str(caught.value)
    with pytest.raises(DataError, match="is in EPSG:28992"):
        read_raster(write(tmp_path / "ok.tif", values, straight), **WHERE, expected_epsg=4326)
    with pytest.raises(DataError, match="no such file"):
        read_raster(tmp_path / "none.tif", **WHERE)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(DataError, match="cannot be read"):
        read_raster(tmp_path / "text.tif", **WHERE)


def test_wrong_polygon_files_are_refused_by_name(tmp_path):
    good = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=28992)
    good.to_file(tmp_path / "good.gpkg")
    assert len(read_polygons(tmp_path / "good.gpkg", ["a"])) == 1
    with pytest.raises(DataError, match="no field 'b'"):
        read_polygons(tmp_path / "good.gpkg", ["b"])
    points = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(0, 0)], crs=28992)
    points.to_file(tmp_path / "points.gpkg")
    with pytest.raises(DataError, match="polygons are wanted"):
        read_polygons(tmp_path / "points.gpkg")
    with pytest.raises(DataError, match="no such file"):
        read_polygons(tmp_path / "none.gpkg")

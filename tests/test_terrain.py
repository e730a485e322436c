"""Terrain: the stated error of height holds at every sample, the surface has no cracks, a plane is two triangles."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from scipy.interpolate import griddata

from twin.errors import DataError
from twin.exports.terrain import decimate
from twin.readers.terrain import read_terrain


def hills(ny, nx):
    y, x = np.mgrid[0:ny, 0:nx] / 10.0
    return 5 * np.sin(x) * np.cos(0.7 * y) + 2 * np.sin(3.1 * x + y)


def edges(surface):
    pairs = np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(pairs, axis=0, return_counts=True)


def area(surface):
    r, c = surface.row[surface.triangles].astype("f8"), surface.column[surface.triangles].astype("f8")
    return (c[:, 1] - c[:, 0]) * (r[:, 2] - r[:, 0]) - (r[:, 1] - r[:, 0]) * (c[:, 2] - c[:, 0])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.sampled_from([0.0, 0.05, 0.5, 3.0]))
def test_error_is_within_the_tolerance_and_the_surface_is_whole(ny, nx, tolerance):
    z = hills(ny, nx)
    s = decimate(z, tolerance)
    assert s.error <= tolerance + 1e-9
    assert (area(s) > 0).all()  # seen from above, none folded over
    np.testing.assert_allclose(area(s).sum() / 2, (ny - 1) * (nx - 1))
    # no cracks: an edge that only one triangle has lies on the border
    pairs, count = edges(s)
    rows, columns = s.row[pairs[count == 1]], s.column[pairs[count == 1]]
    level = (rows[:, 0] == rows[:, 1]) & np.isin(rows[:, 0], (0, ny - 1))
    upright = (columns[:, 0] == columns[:, 1]) & np.isin(columns[:, 0], (0, nx - 1))
    assert (level | upright).all()
    assert count.max() <= 2


def test_stated_error_is_that_of_an_independent_interpolation():
    z = hills(33, 33)
    s = decimate(z, 0.4)
    y, x = np.mgrid[0:33, 0:33]
    worst = 0.0
    for t in s.triangles:  # linear interpolation within each triangle alone
        inside = griddata(np.column_stack([s.row[t], s.column[t]]), z[s.row[t], s.column[t]], (y, x), method="linear")
        worst = max(worst, np.nanmax(np.abs(inside - z)))
    assert s.error == pytest.approx(worst, abs=1e-9)
    assert len(s.triangles) < 2 * 32 * 32 / 2


def test_a_plane_needs_two_triangles_and_a_tight_error_all_samples():
    y, x = np.mgrid[0:65, 0:65]
    assert len(decimate(3.0 + 0.2 * x - 0.1 * y, 1e-9).triangles) == 2
    noise = np.random.default_rng(1).random((17, 17))
    assert len(decimate(noise, 0.0).triangles) == 2 * 16 * 16


def test_samples_without_a_height_are_left_out():
    z = hills(40, 30)
    z[10:20, 5:15] = np.nan
    s = decimate(z, 0.5)
    assert np.isfinite(z[s.row, s.column]).all()
    covered = area(s).sum() / 2
    # squares that touch the hole are gone, nothing else; of those at its four corners half may stay
    assert 39 * 29 - 11 * 11 <= covered <= 39 * 29 - 11 * 11 + 4 * 0.5


def raster(path, z, crs="EPSG:28992", **options):
    transform = options.pop("transform", from_origin(85000, 447000, 2, 2))
    shape = {"height": z.shape[0], "width": z.shape[1], "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape, **options) as r:
        r.write(z.astype("f4"), 1)
    return path


def test_heights_stand_at_cell_centres_with_nodata_apart(tmp_path):
    z = np.arange(12.0).reshape(3, 4)
    z[0, 0] = 3.4028234663852886e38  # AHN's nodata, here not declared
    x, y, read = read_terrain(raster(tmp_path / "a.tif", z))
    np.testing.assert_array_equal(x, 85001 + 2.0 * np.arange(4))
    np.testing.assert_array_equal(y, 446995 + 2.0 * np.arange(3))
    np.testing.assert_array_equal(read[::-1].ravel()[1:], z.ravel()[1:])
    assert np.isnan(read[-1, 0])


def test_rasters_in_another_system_or_turned_are_refused(tmp_path):
    z = np.zeros((3, 4))
    turned = rasterio.Affine(2, 1, 85000, 1, -2, 447000)
    for path, message in (
        (raster(tmp_path / "b.tif", z, crs="EPSG:32631"), "RD New"),
        (raster(tmp_path / "c.tif", z, transform=turned), "turned"),
        (tmp_path / "none.tif", "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            read_terrain(path)
    with pytest.raises(DataError, match="two rows"):
        decimate(np.zeros((1, 5)), 0.1)
    with pytest.raises(DataError, match="zero or more"):
        decimate(z, -1.0)


def test_ahn_of_delft_is_within_a_decimetre(data):
    _, _, z = read_terrain(data / "elevation" / "ahn3_delft_dtm_1m.tif")
    s = decimate(z, 0.1)
    assert s.error <= 0.1
    assert len(s.triangles) < np.isfinite(z).sum()

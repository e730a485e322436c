"""Raster layers through rasterio, brought onto a lattice of square cells in windows, nodata kept apart."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from twin.errors import DataError

__all__ = ["read_raster"]


def read_raster(
    path: Path,
    *,
    west: float,
    south: float,
    cell_size: float,
    shape: tuple[int, int],
    epsg: int = 28992,
    resampling: str = "bilinear",
    expected_epsg: int | None = None,
    fill: float | None = None,
) -> np.ndarray:
    """First band of a raster on the cells of a lattice, rows from south to north (ascending y), float64.

    ``west``, ``south`` [m] lower left corner, ``shape`` (rows, columns). Cells without data are NaN, or ``fill``
    where given; ``resampling`` is rasterio's name (``average`` for a finer raster, ``bilinear``, ``nearest`` for
    codes). Raises :class:`DataError` naming the file for: missing or unreadable, no CRS or another than
    ``expected_epsg``, rotated or non-square cells, and no data at all under the lattice.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the raster that the configuration names")
    try:
        with rasterio.open(path) as source:
            _check(source, path, expected_epsg)
            rows, columns = shape
            transform = from_origin(west, south + rows * cell_size, cell_size, cell_size)
            with WarpedVRT(
                source,
                crs=rasterio.CRS.from_epsg(epsg),
                transform=transform,
                width=columns,
                height=rows,
                resampling=Resampling[resampling],
                nodata=np.nan if source.nodata is None else source.nodata,
                dtype="float64",
            ) as warped:
                values = np.full(shape, np.nan)
                for _, window in warped.block_windows(1):
                    part = warped.read(1, window=window, masked=True)
                    values[window.toslices()] = part.filled(np.nan)
    except RasterioIOError as error:
        raise DataError(f"{path}: cannot be read as a raster ({error}); fetch the file again") from None
    values = np.ascontiguousarray(values[::-1])
    if np.isnan(values).all():
        raise DataError(f"{path}: holds no data under the lattice; the tile is empty or lies elsewhere")
    if fill is not None:
        values[np.isnan(values)] = fill
    return values


def _check(source: rasterio.DatasetReader, path: Path, expected_epsg: int | None) -> None:
    if source.crs is None:
        raise DataError(f"{path}: no CRS; assign the one of its source (gdal_edit.py -a_srs EPSG:28992)")
    if expected_epsg is not None and source.crs.to_epsg() != expected_epsg:
        raise DataError(f"{path}: is in EPSG:{source.crs.to_epsg()}, EPSG:{expected_epsg} is wanted; reproject it")
    t = source.transform
    if t.b or t.d:
        raise DataError(f"{path}: is rotated; warp it to a north-up raster (gdalwarp)")
    if abs(abs(t.a) - abs(t.e)) > 1e-6 * abs(t.a):
        raise DataError(f"{path}: cells are {abs(t.a):g} by {abs(t.e):g}, not square; resample it (gdalwarp -tr)")

"""Heights of a raster at its own resolution, as a surface needs them."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from twin.errors import DataError

__all__ = ["read_terrain"]

LARGEST = 64_000_000  # samples
NO_HEIGHT = 1e30  # m; nodata of AHN is 3.4e38, sometimes without being declared


def read_terrain(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres x and y (both ascending) [m RD] and heights (y, x) [m NAP] of the first band; NaN where there is none.

    Raises :class:`DataError` naming the file for: missing or unreadable, another CRS than RD New, turned or oblong
    cells, too many samples.
    """
    try:
        with rasterio.open(path) as source:
            if source.crs is None or source.crs.to_epsg() not in (28992, 7415):
                raise DataError(f"{path}: CRS {source.crs}; RD New (EPSG:28992) is wanted: warp it with gdalwarp")
            t = source.transform
            if t.b or t.d or t.a <= 0 or t.e >= 0 or not np.isclose(t.a, -t.e):
                raise DataError(f"{path}: cells are turned or not square ({tuple(t)[:6]}); warp it with gdalwarp")
            if source.width * source.height > LARGEST:
                raise DataError(f"{path}: {source.width} x {source.height} samples; cut it or coarsen it before")
            z = source.read(1, masked=True).astype("f8").filled(np.nan)
            scale, offset = source.scales[0], source.offsets[0]
    except RasterioIOError as error:
        raise DataError(f"{path}: cannot be read as a raster ({error})") from None
    z[np.abs(z) > NO_HEIGHT] = np.nan
    x = t.c + t.a * (np.arange(z.shape[1]) + 0.5)
    y = t.f + t.e * (np.arange(z.shape[0]) + 0.5)
    return x, y[::-1].copy(), np.ascontiguousarray(z[::-1]) * scale + offset

"""Maps of roughness, land use and background in RD: OPS APS binaries (``.ops``) and GeoTIFF."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from twin.errors import DataError

__all__ = ["Map", "read_map"]

_HEADER = 102  # bytes of the header record of an APS file
_TAIL = struct.Struct("<iffiiff")  # coordinate code, left and top [km], columns, rows, cell size x and y [km]
_MARK = struct.Struct("<i")  # Fortran record length
_RD = 28992


@dataclass(frozen=True)
class Map:
    """A map in RD: ``values`` (ny, nx), first row in the north, upper left corner and cell size [m]."""

    values: np.ndarray
    left: float
    top: float
    dx: float
    dy: float
    file: str = "map"

    @property
    def frame(self) -> np.ndarray:
        """Left, top, cell size in x and y [m]."""
        return np.array((self.left, self.top, self.dx, self.dy), dtype=float)

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values at points, and where a point lies inside the map."""
        column = np.floor((np.asarray(x) - self.left) / self.dx).astype(int)
        row = np.floor((self.top - np.asarray(y)) / self.dy).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < self.values.shape[1]) & (row < self.values.shape[0])
        return self.values[np.where(inside, row, 0), np.where(inside, column, 0)], inside


def read_map(path: str | Path) -> Map:
    """Read a map; missing cells of a GeoTIFF are NaN.

    Integer APS maps hold two-byte integers. Raises :class:`twin.errors.DataError` for another CRS than RD New, a
    rotated raster, or an APS file whose records do not fit its header.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such map; give a GeoTIFF or an OPS map (.ops), or one value")
    return _read_tif(path) if path.suffix.lower() in {".tif", ".tiff"} else _read_aps(path)


def _read_tif(path: Path) -> Map:
    try:
        with rasterio.open(path) as source:
            if source.crs is None or source.crs.to_epsg() != _RD:
                raise DataError(f"{path}: CRS is {source.crs}; maps must be in RD New (EPSG:28992), reproject it")
            t = source.transform
            if t.b != 0 or t.d != 0 or t.a <= 0 or t.e >= 0:
                raise DataError(f"{path}: the raster is rotated or not north-up; resample it to a north-up raster")
            values = source.read(1, masked=True).astype(float).filled(np.nan)
    except rasterio.errors.RasterioIOError as error:
        raise DataError(f"{path}: not a readable GeoTIFF ({error})") from error
    return Map(values, t.c, t.f, t.a, -t.e, str(path))


def _read_aps(path: Path) -> Map:
    raw = path.read_bytes()
    if len(raw) < _HEADER + 8 or _MARK.unpack_from(raw, 0)[0] != _HEADER:
        raise DataError(f"{path}: not an OPS map: its header record is not {_HEADER} bytes long")
    code, left, top, nx, ny, dx, dy = _TAIL.unpack_from(raw, 4 + _HEADER - _TAIL.size)
    text = raw[4 + _HEADER - _TAIL.size - 6 : 4 + _HEADER - _TAIL.size].decode("latin-1").strip().lower()
    if code != 1:
        raise DataError(f"{path}: coordinate code {code}; only maps in RD (code 1) are read")
    if nx <= 0 or ny <= 0 or dx <= 0 or dy <= 0 or nx * ny > 10**9:
        raise DataError(f"{path}: {nx} x {ny} cells of {dx} x {dy} km is no raster")
    kind = "<i2" if text.startswith("i") else "<f4"
    width = nx * np.dtype(kind).itemsize
    begin = _HEADER + 8
    if len(raw) < begin + ny * (width + 8):
        raise DataError(f"{path}: {len(raw)} bytes are too few for {ny} rows of {width} bytes; the file is cut off")
    records = np.frombuffer(raw, np.uint8, ny * (width + 8), begin).reshape(ny, width + 8)
    marks = np.ascontiguousarray(records[:, :4]).view("<i4")
    if (marks != width).any():
        raise DataError(
            f"{path}: records of {int(marks.flat[0])} bytes where {nx} cells of {np.dtype(kind).itemsize} bytes are "
            "expected; integer maps must hold two-byte integers"
        )
    values = np.ascontiguousarray(records[:, 4:-4]).view(kind).astype(float)
    return Map(values, left * 1000.0, top * 1000.0, dx * 1000.0, dy * 1000.0, str(path))

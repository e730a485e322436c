"""Polygon quantities on the lattice, conservatively: holes, several parts and either ring winding."""

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource

__all__ = ["cell_shares", "spread"]


def cell_shares(lattice: xr.Dataset, polygons: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which cells each polygon covers: (polygon, flat cell index, share of the polygon's area in the cell).

    Shares of a polygon add up to the part of its area that lies on the lattice, 1 where it lies inside (the sums
    are exact by the polygon's own area; the split over cells is that of exactextract, in single precision).
    """
    x, y, size = lattice["x"].values, lattice["y"].values, float(lattice.attrs["cell_size"])
    ny, nx = len(y), len(x)
    west, south = x[0] - 0.5 * size, y[0] - 0.5 * size
    east, north = x[-1] + 0.5 * size, y[-1] + 0.5 * size
    box = shapely.box(west, south, east, north)
    geometry = np.asarray([shapely.make_valid(p) for p in polygons], dtype=object)
    area = shapely.area(geometry)
    inside = shapely.area(shapely.intersection(geometry, box))
    features = gpd.GeoDataFrame({"polygon": np.arange(len(geometry))}, geometry=list(geometry), crs=28992)
    raster = NumPyRasterSource(
        np.zeros((ny, nx)), xmin=west, ymin=south, xmax=east, ymax=north, srs_wkt=features.crs.to_wkt()
    )
    table = exact_extract(raster, features, ["cell_id", "coverage"], include_cols=["polygon"], output="pandas")
    owners, cells, shares = [], [], []
    for owner, ids, coverage in zip(table["polygon"], table["cell_id"], table["coverage"]):
        weight = np.asarray(coverage, dtype=np.float64)
        used = weight > 0
        if not used.any() or not area[owner] > 0:
            continue
        ids, weight = np.asarray(ids)[used], weight[used]
        row, column = ny - 1 - ids // nx, ids % nx  # exactextract counts rows from the north
        owners.append(np.full(len(ids), owner, np.int32))
        cells.append((row * nx + column).astype(np.int32))
        shares.append(weight / weight.sum() * (inside[owner] / area[owner]))
    if not owners:
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0)
    return np.concatenate(owners), np.concatenate(cells), np.concatenate(shares)


def spread(lattice: xr.Dataset, polygons: Sequence[Any], amounts: np.ndarray) -> np.ndarray:
    """Amounts of polygons on the cells (y, x), by area; what lies beyond the lattice is left out.

    The sum over cells equals ``sum amounts * share inside`` to rounding.
    """
    owner, cell, share = cell_shares(lattice, polygons)
    ny, nx = lattice.sizes["y"], lattice.sizes["x"]
    return np.bincount(cell, np.asarray(amounts, dtype=np.float64)[owner] * share, minlength=ny * nx).reshape(ny, nx)

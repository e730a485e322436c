"""Polygons with their attributes, from any format that GDAL reads, in the CRS asked for."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from twin.errors import DataError

__all__ = ["read_polygons"]


def read_polygons(
    path: Path, fields: Sequence[str] = (), *, epsg: int = 28992, layer: str | None = None
) -> gpd.GeoDataFrame:
    """Features of a polygon layer with at least ``fields``, transformed to ``epsg``.

    Raises :class:`DataError` naming file and field for a missing file, layer, field, CRS or geometry, and for a
    layer that holds other than polygons. Of a geometry collection the polygons are taken; a feature whose
    collection holds none is refused.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the polygon file that the configuration names")
    try:
        frame = gpd.read_file(path, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise DataError(f"{path}: cannot be opened ({error}); fetch the file again") from None
    for name in fields:
        if name not in frame:
            raise DataError(f"{path}: no field {name!r}; it has {', '.join(map(str, frame.columns))}")
    if frame.crs is None:
        raise DataError(f"{path}: no CRS; assign the one of its source")
    nothing = np.asarray(frame.geometry.isna() | frame.geometry.is_empty)
    if nothing.any():
        raise DataError(f"{path}: feature {int(np.argmax(nothing))} has no geometry; correct or remove it")
    frame = frame.set_geometry(frame.geometry.map(_polygons), crs=frame.crs)
    kinds = set(frame.geom_type) - {"Polygon", "MultiPolygon"}
    if kinds:
        raise DataError(f"{path}: holds {', '.join(sorted(kinds))}; polygons are wanted")
    return frame.to_crs(epsg)


def _polygons(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry collection; any other geometry as it is."""
    if geometry.geom_type != "GeometryCollection":
        return geometry
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.unary_union(parts) if parts else geometry

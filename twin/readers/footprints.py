"""Buildings of footprints: each outline raised from the ground to its roof (LoD 1.2)."""

from pathlib import Path

import numpy as np
import shapely

from twin.errors import DataError
from twin.readers.buildings import GROUND, ROOF, WALL, Buildings, bag_number, triangulate
from twin.readers.vectors import read_polygons

__all__ = ["extrude", "read_footprints"]


def read_footprints(
    path: Path, *, roof: str = "b3_h_dak_70p", ground: str = "b3_h_maaiveld", identity: str = "identificatie"
) -> Buildings:
    """Extrude the polygons of a layer between its fields ``ground`` and ``roof`` [m NAP].

    The fields are by default those of 3DBAG, whose LoD 1.2 is raised to the 70th percentile of the roof. Raises
    :class:`DataError` for a missing field or height and for a roof below its ground.
    """
    frame = read_polygons(path, [roof, ground, identity])
    low, high = (np.asarray(frame[name], dtype="f8") for name in (ground, roof))
    ids = np.array([str(v) for v in frame[identity]])
    return extrude(np.asarray(frame.geometry.values), low, high, ids, str(path))


def extrude(outlines: np.ndarray, ground: np.ndarray, roof: np.ndarray, ids: np.ndarray, where: str) -> Buildings:
    """Walls, roofs and ground of ``outlines`` (polygons or multipolygons, RD New) from ``ground`` to ``roof`` [m NAP].

    An outline that crosses itself is mended (``shapely.make_valid``) and counted; one without area is refused.
    """
    wrong = ~np.isfinite(ground) | ~np.isfinite(roof)
    if wrong.any():
        raise DataError(f"{where}: building {ids[np.argmax(wrong)]}: no height of roof or ground; fill it by a rule")
    wrong = roof <= ground
    if wrong.any():
        k = int(np.argmax(wrong))
        raise DataError(f"{where}: building {ids[k]}: roof at {roof[k]:g} m is not above ground at {ground[k]:g} m NAP")
    known, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        raise DataError(f"{where}: building {str(known[count > 1][0])!r} stands there twice; merge its outlines")
    crossing = ~shapely.is_valid(outlines)
    if crossing.any():
        outlines = outlines.copy()
        outlines[crossing] = shapely.make_valid(outlines[crossing])
    parts, owner = shapely.get_parts(outlines, return_index=True)
    solid = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, owner = shapely.force_2d(shapely.orient_polygons(parts[solid])), owner[solid]
    empty = np.setdiff1d(np.arange(len(outlines)), owner)
    if len(empty):
        raise DataError(f"{where}: building {ids[empty[0]]}: its outline has no area; correct it")
    xy, offsets = _rings(parts)
    ring = np.repeat(np.arange(len(offsets.ring) - 1), np.diff(offsets.ring))
    building = owner[np.repeat(np.arange(len(parts)), np.diff(offsets.polygon))][ring]
    n = len(xy)
    vertices = np.empty((2 * n, 3))  # all outlines at the ground, then all at the roof
    vertices[:n, :2] = vertices[n:, :2] = xy
    vertices[:n, 2], vertices[n:, 2] = ground[building], roof[building]
    here = np.arange(n)
    after = here + 1
    after[offsets.ring[1:] - 1] = offsets.ring[:-1]
    walls = np.concatenate([np.column_stack([here, after, after + n]), np.column_stack([here, after + n, here + n])])
    numbered = _numbered(xy, offsets)
    tops, top_part = triangulate(numbered, where)
    triangles = np.concatenate([walls, tops + n, tops[:, ::-1]])
    kind = np.repeat(np.array([WALL, ROOF, GROUND], "i1"), [len(walls), len(tops), len(tops)])
    of = np.concatenate([building, building, owner[top_part], owner[top_part]])
    order = np.argsort(of, kind="stable")
    return Buildings(
        np.asarray(ids),
        np.array([bag_number(i) for i in ids]),
        vertices,
        triangles[order],
        of[order],
        kind[order],
        mended=int(crossing.sum()),
    )


class _Offsets:
    """First vertex of each ring and first ring of each polygon, with the end appended."""

    def __init__(self, ring: np.ndarray, polygon: np.ndarray):
        self.ring, self.polygon = ring, polygon


def _rings(polygons: np.ndarray) -> tuple[np.ndarray, _Offsets]:
    """Vertices of all rings without the closing one."""
    _, xy, (ring, polygon, *_) = shapely.to_ragged_array(polygons)
    keep = np.ones(len(xy), bool)
    keep[ring[1:] - 1] = False
    return xy[keep], _Offsets(ring - np.arange(len(ring)), polygon)


def _numbered(xy: np.ndarray, offsets: _Offsets) -> np.ndarray:
    """The polygons again, with the number of each vertex as its Z."""
    count = np.diff(offsets.ring)
    closed = np.repeat(offsets.ring[:-1] + np.arange(len(count)), count) + (
        np.arange(len(xy)) - np.repeat(offsets.ring[:-1], count)
    )
    number = np.empty(len(xy) + len(count))
    number[closed] = np.arange(len(xy))
    number[offsets.ring[1:] + np.arange(len(count))] = offsets.ring[:-1]
    points = np.column_stack([xy[number.astype("i8")], number])
    return shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, points, (offsets.ring + np.arange(len(offsets.ring)), offsets.polygon)
    )

"""Buildings as triangles: what the readers of CityJSON and of footprints give.

Heights are m NAP and positions RD New. Every triangle knows its building and whether it is ground, wall or roof.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from twin.errors import DataError

__all__ = ["GROUND", "ROOF", "WALL", "Buildings", "bag_number", "join", "triangulate"]

GROUND, WALL, ROOF = 0, 1, 2
CORNERS = 3
AREA_TOLERANCE = 1e-6  # share of a polygon's area that its triangles may miss


@dataclass(frozen=True)
class Buildings:
    """Triangles of a set of buildings.

    ``ids`` and ``bag_ids`` (N) text, the latter 16 digits or empty; ``vertices`` (V, 3) [m RD, m RD, m NAP];
    ``triangles`` (M, 3) vertex numbers, counter-clockwise seen from outside; ``owner`` (M) building number;
    ``kind`` (M) GROUND, WALL or ROOF. ``flat`` counts surfaces without area, which have no triangle, and ``mended``
    surfaces or outlines that crossed themselves.
    """

    ids: np.ndarray
    bag_ids: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray
    owner: np.ndarray
    kind: np.ndarray
    flat: int = 0
    mended: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def bag_number(text: object) -> str:
    """The 16 digits of a BAG building, of ``NL.IMBAG.Pand.0503100000028341`` or a number that lost its zeros."""
    digits = str(text or "").rpartition(".")[2].strip()
    return digits.zfill(16) if digits.isdecimal() and len(digits) <= 16 else ""


def join(parts: Sequence[Buildings]) -> Buildings:
    """One set of several; a building that a former set holds too (by id) is refused."""
    ids = np.concatenate([p.ids for p in parts])
    known, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        raise DataError(f"building {str(known[count > 1][0])!r} is given twice; give each building by one file")
    vertex = np.cumsum([0, *(len(p.vertices) for p in parts)])
    building = np.cumsum([0, *(len(p) for p in parts)])
    return Buildings(
        ids,
        np.concatenate([p.bag_ids for p in parts]),
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.triangles + v for p, v in zip(parts, vertex)]),
        np.concatenate([p.owner + b for p, b in zip(parts, building)]),
        np.concatenate([p.kind for p in parts]),
        sum(p.flat for p in parts),
        sum(p.mended for p in parts),
    )


def triangulate(polygons: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (M, 3) of vertex numbers and the polygon (M) of each, counter-clockwise in the polygon's own plane.

    ``polygons`` are shapely polygons whose Z is not a height but the number of the vertex. Constrained Delaunay adds no
    vertex, so numbers come back as they went in. Triangles whose area is not the polygon's are an error.
    """
    parts, owner = shapely.get_parts(shapely.constrained_delaunay_triangles(polygons), return_index=True)
    corners = shapely.get_coordinates(parts, include_z=True).reshape(-1, CORNERS + 1, 3)[:, :CORNERS]
    a, b, c = (corners[:, k, :2] for k in range(CORNERS))
    twice = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    area = np.bincount(owner, np.abs(twice) / 2, minlength=len(polygons))
    wanted = shapely.area(polygons)
    wrong = np.abs(area - wanted) > AREA_TOLERANCE * np.maximum(wanted, 1.0)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise DataError(f"{where}: polygon {k} of {wanted[k]:.3f} m2 fell into triangles of {area[k]:.3f} m2; mend it")
    numbers = corners[..., 2].astype("i8")
    clockwise = twice < 0
    numbers[clockwise] = numbers[clockwise][:, ::-1]
    return numbers, owner

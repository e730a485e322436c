"""Buildings of CityJSON 1.0, 1.1 and 2.0 (3DBAG, 3dfier, city models): surfaces of the finest level at hand.

Specification: https://www.cityjson.org/specs/2.0.1/. The geometry of a building may lie on its parts, as in 3DBAG.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from twin.errors import DataError
from twin.readers.buildings import GROUND, ROOF, WALL, Buildings, bag_number, triangulate

__all__ = ["read_cityjson"]

VERSIONS = ("1.0", "1.1", "2.0")
RD_NEW = (28992, 7415)  # EPSG codes with RD New positions; heights are m NAP in both uses
KINDS = {"RoofSurface": ROOF, "WallSurface": WALL, "GroundSurface": GROUND}
PARTS = ("Building", "BuildingPart", "BuildingInstallation")
DEPTH = {"MultiSurface": 0, "CompositeSurface": 0, "Solid": 1, "MultiSolid": 2, "CompositeSolid": 2}
BAG_FIELDS = ("identificatie", "identificatiebagpnd")
UPRIGHT = 0.2  # |vertical part of the unit normal| below which an unnamed surface is a wall
FLAT = 1e-4  # m2 below which a surface has no triangles
LIMIT = 2 << 30  # bytes of an unpacked file


def read_cityjson(path: Path, *, lod: str | None = None, epsg: int | None = None) -> Buildings:
    """Triangles of all buildings in RD New, with roofs, walls and ground apart.

    ``lod`` chooses one level ("1.2", "2.2"); without it each object gives its finest above LoD 0. ``epsg`` stands in
    for a file that names no reference system. Surfaces without semantics are told apart by their slope.
    Raises :class:`DataError` naming file, object and cure: no CityJSON, another version or reference system, an index
    beyond the vertices, a template geometry, no building at all.
    """
    city = _load(path)
    vertices = _vertices(city, path)
    _check_crs(city, path, epsg)
    objects = city.get("CityObjects")
    if not isinstance(objects, dict):
        raise DataError(f"{path}: no CityObjects; fetch the file again")
    root = _roots(objects, path)
    rings: list[list[list[int]]] = []
    surface_owner: list[int] = []
    named: list[int] = []
    tops = list(dict.fromkeys(root.values()))
    number = {name: k for k, name in enumerate(tops)}
    for name, top in root.items():
        geometry = _finest(objects[name].get("geometry") or [], lod, f"{path}: {name}")
        for surface, kind in _surfaces(geometry, f"{path}: {name}") if geometry else ():
            rings.append(surface)
            surface_owner.append(number[top])
            named.append(kind)
    if not rings:
        raise DataError(f"{path}: no building with a geometry of LoD {lod or '1 or above'}; choose another lod")
    vertices, triangles, of, part, (flat, mended) = _triangles(vertices, rings, np.array(named, "i1"), path)
    owner = np.array(surface_owner)[of]
    seen, owner = np.unique(owner, return_inverse=True)  # a building without any surface is not there
    used, index = np.unique(triangles, return_inverse=True)
    names = [tops[k] for k in seen]
    bag = [next((bag_number(a[f]) for f in (*BAG_FIELDS,) if a.get(f)), "") for a in map(_attributes(objects), names)]
    order = np.argsort(owner, kind="stable")
    return Buildings(
        np.array(names),
        np.array([b or (bag_number(n) if ".Pand." in n else "") for b, n in zip(bag, names)]),
        vertices[used],
        index.reshape(-1, 3)[order],
        owner[order],
        part[order],
        flat=flat,
        mended=mended,
    )


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the CityJSON file that the configuration names")
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                raw = packed.read(LIMIT + 1)
        if len(raw) > LIMIT:
            raise DataError(f"{path}: unpacks to more than {LIMIT >> 30} GB; give it in tiles")
        city = json.loads(raw)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); fetch the file again") from None
    if not isinstance(city, dict) or city.get("type") != "CityJSON":
        raise DataError(f"{path}: is no CityJSON; give a .city.json file (a sequence of features is not read)")
    if str(city.get("version"))[:3] not in VERSIONS:
        raise DataError(f"{path}: CityJSON {city.get('version')}; {', '.join(VERSIONS)} are read: upgrade it with cjio")
    return city


def _vertices(city: dict[str, Any], path: Path) -> np.ndarray:
    try:
        vertices = np.array(city["vertices"], dtype="f8").reshape(-1, 3)
        transform = city.get("transform")
        if transform:
            vertices = vertices * np.array(transform["scale"], "f8") + np.array(transform["translate"], "f8")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: vertices or transform are not as CityJSON has them ({error})") from None
    if not np.isfinite(vertices).all():
        raise DataError(f"{path}: a vertex is not finite; correct it")
    return vertices


def _check_crs(city: dict[str, Any], path: Path, epsg: int | None) -> None:
    named = (city.get("metadata") or {}).get("referenceSystem")
    found = re.search(r"(\d+)/?$", str(named)) if named else None
    code = int(found.group(1)) if found else epsg
    if code is None:
        raise DataError(f"{path}: names no reference system; say which it is (epsg = 7415 for RD New and NAP)")
    if code not in RD_NEW:
        raise DataError(f"{path}: reference system EPSG:{code}; RD New (7415 or 28992) is wanted: reproject with cjio")


def _roots(objects: dict[str, Any], path: Path) -> dict[str, str]:
    """Building that each object of a building belongs to, through its parents."""
    root = {}
    for name, item in objects.items():
        if item.get("type") not in PARTS:
            continue
        top, steps = name, 0
        while objects[top].get("parents"):
            top = objects[top]["parents"][0]
            steps += 1
            if top not in objects or steps > len(objects):
                raise DataError(f"{path}: {name}: its parent {top!r} is not in the file; fetch it again")
        root[name] = top
    return root


def _attributes(objects: dict[str, Any]) -> Any:
    return lambda name: objects[name].get("attributes") or {}


def _finest(geometries: list[dict[str, Any]], lod: str | None, where: str) -> dict[str, Any] | None:
    levels = {}
    for g in geometries:
        if g.get("type") == "GeometryInstance":
            raise DataError(f"{where}: a geometry of a template; resolve templates before (cjio)")
        level = str(g.get("lod", ""))
        if g.get("type") in DEPTH and not level.startswith("0"):
            levels[level] = g
    return levels.get(lod) if lod is not None else levels[max(levels)] if levels else None


def _surfaces(geometry: dict[str, Any], where: str) -> Iterator[tuple[list[list[int]], int]]:
    """Rings of every surface and its named kind (-1: not named)."""
    semantics = geometry.get("semantics") or {}
    kinds = [KINDS.get(s.get("type"), -1) for s in semantics.get("surfaces") or []]
    surfaces, values = geometry["boundaries"], semantics.get("values")
    for _ in range(DEPTH[geometry["type"]]):
        if values is not None:
            values = [
                v
                for shell, given in zip(surfaces, values)
                for v in (given if given is not None else [None] * len(shell))
            ]
        surfaces = [s for shell in surfaces for s in shell]
    for k, surface in enumerate(surfaces):
        value = values[k] if values is not None and k < len(values) else None
        if value is not None and not 0 <= value < len(kinds):
            raise DataError(f"{where}: semantics name surface {value} of {len(kinds)}; correct the file")
        yield surface, kinds[value] if value is not None else -1


def _triangles(
    vertices: np.ndarray, surfaces: list[list[list[int]]], named: np.ndarray, path: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Vertices, their numbers (M, 3), surface and kind of each triangle; how many surfaces were flat or mended."""
    flat_rings = [ring for surface in surfaces for ring in surface]
    ring_of = np.repeat(np.arange(len(surfaces)), [len(s) for s in surfaces])
    count = np.array([len(r) for r in flat_rings])
    index = np.fromiter((v for r in flat_rings for v in r), "i8", count.sum())
    if len(index) and (index.min() < 0 or index.max() >= len(vertices)):
        raise DataError(f"{path}: a surface names vertex {index.max()}, the file holds {len(vertices)}; fetch it again")
    start = np.cumsum(np.r_[0, count[:-1]])
    after = np.arange(len(index)) + 1
    after[start + count - 1] = start
    at = vertices[index]
    surface = ring_of[np.repeat(np.arange(len(count)), count)]
    # Newell's normal: its length is twice the area
    local = at - np.array([at[first] for first in start[np.searchsorted(ring_of, np.arange(len(surfaces)))]])[surface]
    normal = np.zeros((len(surfaces), 3))
    cross = np.cross(local, local[after])
    for axis in range(3):
        normal[:, axis] = np.bincount(surface, cross[:, axis], minlength=len(surfaces))
    size = np.linalg.norm(normal, axis=1)
    flat = size / 2 < FLAT
    drop = np.argmax(np.abs(normal), axis=1)  # the plane in which the surface is seen largest
    u, v = np.array([1, 2, 0])[drop], np.array([2, 0, 1])[drop]
    seen = np.column_stack([at[np.arange(len(at)), u[surface]], at[np.arange(len(at)), v[surface]], index])
    polygons = []
    for k in np.flatnonzero(~flat).tolist():
        lines = [seen[start[r] : start[r] + count[r]] for r in _range(ring_of, k)]
        polygons.append(shapely.Polygon(lines[0], [line for line in lines[1:] if len(line) > 2]))
    made, kept = np.array(polygons, dtype=object), np.flatnonzero(~flat)
    crossing = ~shapely.is_valid(made)
    if crossing.any():
        first = at[start[np.searchsorted(ring_of, kept)]]
        plane = _Plane(normal[kept], first, u[kept], v[kept], drop[kept])
        mended, part_of, vertices = _mended(made, crossing, plane, vertices)
        made, kept = np.concatenate([made[~crossing], mended]), np.concatenate([kept[~crossing], kept[part_of]])
    triangles, part = triangulate(made, str(path))
    of = kept[part]
    backwards = normal[np.arange(len(normal)), drop][of] < 0  # triangles stand counter-clockwise in (u, v)
    triangles[backwards] = triangles[backwards][:, ::-1]
    upright = np.divide(normal[:, 2], size, out=np.zeros(len(size)), where=size > 0)
    guessed = np.where(np.abs(upright) < UPRIGHT, WALL, np.where(upright > 0, ROOF, GROUND))
    kind = np.where(named >= 0, named, guessed).astype("i1")
    return vertices, triangles, of, kind[of], (int(flat.sum()), int(crossing.sum()))


@dataclass(frozen=True)
class _Plane:
    """Planes of surfaces: normal and a point (n, 3), and which axes are seen (u, v) and left out."""

    normal: np.ndarray
    point: np.ndarray
    u: np.ndarray
    v: np.ndarray
    drop: np.ndarray


def _mended(
    polygons: np.ndarray, crossing: np.ndarray, plane: _Plane, vertices: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Valid parts of outlines that cross themselves, the outline of each, and the vertices with the new ones.

    Where lines cross a vertex is new; it is put on the plane of its surface.
    """
    parts, of = shapely.get_parts(shapely.force_2d(shapely.make_valid(polygons[crossing])), return_index=True)
    solid = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    many = shapely.get_type_id(parts) == shapely.GeometryType.MULTIPOLYGON
    inner, inner_of = shapely.get_parts(parts[many], return_index=True)
    parts, of = np.concatenate([parts[solid], inner]), np.concatenate([of[solid], of[many][inner_of]])
    of = np.flatnonzero(crossing)[of]
    xy, owner = shapely.get_coordinates(parts, return_index=True)
    k = of[owner]
    rows = np.arange(len(k))
    points = np.empty((len(k), 3))
    points[rows, plane.u[k]], points[rows, plane.v[k]] = xy[:, 0], xy[:, 1]
    away = plane.normal[k, plane.u[k]] * (xy[:, 0] - plane.point[k, plane.u[k]])
    away += plane.normal[k, plane.v[k]] * (xy[:, 1] - plane.point[k, plane.v[k]])
    points[rows, plane.drop[k]] = plane.point[k, plane.drop[k]] - away / plane.normal[k, plane.drop[k]]
    parts = shapely.force_3d(parts)
    numbered = shapely.set_coordinates(parts, np.column_stack([xy, len(vertices) + np.arange(len(xy))]))
    return numbered, of, np.concatenate([vertices, points])


def _range(ring_of: np.ndarray, surface: int) -> range:
    return range(*np.searchsorted(ring_of, [surface, surface + 1]))

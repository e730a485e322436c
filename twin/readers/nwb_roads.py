"""Road sections of the Nationaal Wegenbestand (NWB): shapefile, GeoPackage or GML, upper- or lower-case fields.

Junction ids make the graph; the driving direction makes the links. The NWB holds no lanes, speeds or capacities: the
tag of a link, ``nwb_<authority>_<carriageway>``, lets a table of road rules declare them.
"""

from collections import Counter
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from twin.errors import DataError
from twin.readers.osm_roads import RoadTable

__all__ = ["NOT_FOR_CARS", "read_nwb"]

NOT_FOR_CARS = ("VD", "VV", "FP", "VP", "RP", "BU")  # ferry, air, cycle, foot and bridle path, bus lane
_EMPTY = ("", "#", "None", "nan")
_TOLERANCE = 1.0  # m, between the ends of sections that meet at a junction
_DIRECTIONS = {"B": (True, True), "": (True, True), "H": (True, False), "T": (False, True)}


def read_nwb(
    path: Path, *, epsg: int = 28992, crs: int | None = None, skip: tuple[str, ...] = NOT_FOR_CARS
) -> tuple[RoadTable, dict[str, int]]:
    """Read road sections as a road table, and count the sections left out, by carriageway kind in ``skip``.

    A section with ``rijrichtng`` H gives a link along its line, T one against it, B or empty one each way, with ids
    ``<wvk_id>-H`` and ``<wvk_id>-T``. ``crs`` is the EPSG code of a file that names none. Raises :class:`DataError`
    naming the section for a missing field, an unknown direction, a section twice, a line of several parts or
    without length, and sections whose ends do not meet at their junction.
    """
    frame = _frame(path, crs, epsg)
    left_out: Counter[str] = Counter()
    nodes: dict[str, int] = {}
    x: list[float] = []
    y: list[float] = []
    rows: list[tuple[int, int, str, str, np.ndarray]] = []
    seen: set[str] = set()
    for i in range(len(frame)):
        row = frame.iloc[i]
        section = _text(row["wvk_id"])
        where = f"{path}, wvk_id {section}"
        kind = _text(row.get("bst_code")) or _text(row.get("baansubsrt"))
        if kind in skip:
            left_out[kind] += 1
            continue
        if section in seen:
            raise DataError(f"{where}: occurs twice; keep one version of each section")
        seen.add(section)
        line = _line(row.geometry, where)
        ends = []
        for field, point in (("jte_id_beg", line[0]), ("jte_id_end", line[-1])):
            junction = _text(row[field])
            if not junction:
                raise DataError(f"{where}: {field} is empty; every section joins two junctions")
            if junction not in nodes:
                nodes[junction] = len(nodes)
                x.append(float(point[0]))
                y.append(float(point[1]))
            k = nodes[junction]
            away = float(np.hypot(point[0] - x[k], point[1] - y[k]))
            if away > _TOLERANCE:
                raise DataError(f"{where}: ends {away:.1f} m from junction {junction}; correct {field} or the line")
            ends.append(k)
        direction = _text(row.get("rijrichtng"))
        if direction not in _DIRECTIONS:
            raise DataError(f"{where}: rijrichtng = {direction!r}; H, T, B or empty is wanted")
        along, against = _DIRECTIONS[direction]
        tag = f"nwb_{_text(row.get('wegbehsrt')) or 'T'}_{kind or 'HR'}"
        if along:
            rows.append((ends[0], ends[1], f"{section}-H", tag, line))
        if against:
            rows.append((ends[1], ends[0], f"{section}-T", tag, line[::-1]))
    if not rows:
        raise DataError(f"{path}: no road sections for cars; give another extract")
    lines = [row[4] for row in rows]
    vertices = np.concatenate(lines)
    count = len(rows)
    table = RoadTable(
        node_id=list(nodes),
        node_x=np.array(x),
        node_y=np.array(y),
        population=np.zeros(len(nodes)),
        postcode=[""] * len(nodes),
        from_node=np.array([row[0] for row in rows], dtype=np.int32),
        to_node=np.array([row[1] for row in rows], dtype=np.int32),
        edge_id=[row[2] for row in rows],
        highway=[(row[3],) for row in rows],
        lanes=[()] * count,
        max_speed=[()] * count,
        speed=np.full(count, np.nan),
        oneway=np.ones(count, dtype=bool),  # each link is one direction already
        length=np.array([np.hypot(*np.diff(line, axis=0).T).sum() for line in lines]),
        vertex_start=np.concatenate(([0], np.cumsum([len(line) for line in lines]))),
        vertex_x=np.ascontiguousarray(vertices[:, 0]),
        vertex_y=np.ascontiguousarray(vertices[:, 1]),
        epsg=epsg,
        source=str(path),
    )
    return table, dict(left_out)


def _frame(path: Path, crs: int | None, epsg: int) -> gpd.GeoDataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give road sections of the NWB")
    try:
        frame = gpd.read_file(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise DataError(f"{path}: cannot be opened ({error}); fetch the file again") from error
    frame = frame.rename(columns={name: name.lower() for name in frame.columns if name != frame.geometry.name})
    for name in ("wvk_id", "jte_id_beg", "jte_id_end"):
        if name not in frame:
            raise DataError(f"{path}: no field {name!r}; it has {', '.join(map(str, frame.columns))}")
    if frame.crs is None:
        if crs is None:
            raise DataError(f"{path}: names no CRS; say which EPSG code its coordinates are in (crs=28992 or 4326)")
        frame = frame.set_crs(crs)
    return frame.to_crs(epsg)


def _text(value: object) -> str:
    text = str(value).strip() if value is not None else ""
    text = text.removesuffix(".0")
    return "" if text in _EMPTY else text


def _line(shape: shapely.Geometry, where: str) -> np.ndarray:
    if shape is None or shape.is_empty:
        raise DataError(f"{where}: has no line; correct or remove the section")
    merged = shapely.line_merge(shape) if shape.geom_type == "MultiLineString" else shape
    if merged.geom_type != "LineString":
        raise DataError(f"{where}: its line has several parts ({merged.geom_type}); cut the section at the gaps")
    if not merged.length > 0:
        raise DataError(f"{where}: its line has no length; correct or remove the section")
    return shapely.get_coordinates(merged)

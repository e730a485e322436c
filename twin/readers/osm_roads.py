"""Road graphs from OpenStreetMap: OSMnx GraphML and its GeoPackage form (layers ``nodes`` and ``edges``)."""

import ast
import gzip
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyogrio
import pyproj
import shapely

from twin.errors import DataError

__all__ = ["RoadTable", "read_geopackage", "read_graphml"]

_MPH = 1.609344  # km/h per mile/h, exact


@dataclass
class RoadTable:
    """Nodes and directed edges of a road graph, as the source gives them, with text parsed into values.

    ``highway``, ``lanes`` and ``max_speed`` hold a tuple per edge: the source lists every value of the ways that
    were merged into the edge; an empty tuple means that it gives none. ``oneway`` is False only where all merged
    ways are two-way. Edge ``i`` runs along vertices ``vertex_start[i]`` to ``vertex_start[i + 1]``.
    """

    node_id: list[str]
    node_x: np.ndarray  # (node,) [m]
    node_y: np.ndarray  # (node,) [m]
    population: np.ndarray  # (node,) inhabitants, 0 where not given
    postcode: list[str]
    from_node: np.ndarray  # (edge,) index of a node
    to_node: np.ndarray  # (edge,)
    edge_id: list[str]  # "u-v-key"
    highway: list[tuple[str, ...]]
    lanes: list[tuple[float, ...]]
    max_speed: list[tuple[float, ...]]  # [km/h]
    speed: np.ndarray  # (edge,) [km/h] the source's own estimate, NaN where not given
    oneway: np.ndarray  # (edge,) bool
    length: np.ndarray  # (edge,) [m]
    vertex_start: np.ndarray  # (edge + 1,) int
    vertex_x: np.ndarray  # (vertex,) [m]
    vertex_y: np.ndarray  # (vertex,) [m]
    epsg: int
    source: str


def read_geopackage(path: Path, *, nodes: str = "nodes", edges: str = "edges", epsg: int = 28992) -> RoadTable:
    """Read the two layers of an OSMnx GeoPackage whose attributes are text.

    Raises :class:`DataError` where the file, a layer or a field is missing, the CRS is not ``epsg``, or a value
    cannot be read.
    """
    _exists(path)
    try:
        _, _, node_geometry, node_fields = _layer(path, nodes, ["node"], epsg)
        _, _, edge_geometry, edge_fields = _layer(path, edges, ["u", "v", "key", "highway"], epsg)
    except pyogrio.errors.DataSourceError as error:
        raise DataError(
            f"{path}: cannot be opened as a GeoPackage ({error}); give the file of the road graph"
        ) from error
    points = shapely.from_wkb(node_geometry)
    length_field = "length_m" if "length_m" in edge_fields else "length"
    if length_field not in edge_fields:
        raise DataError(f"{path}, layer {edges}: no field length_m or length; export the graph with edge lengths")
    node_rows = [{name: values[i] for name, values in node_fields.items()} for i in range(len(points))]
    for row, x, y in zip(node_rows, shapely.get_x(points), shapely.get_y(points)):
        row["x"], row["y"] = x, y
    lines = shapely.from_wkb(edge_geometry)
    edge_rows = [{name: values[i] for name, values in edge_fields.items()} for i in range(len(lines))]
    for row, line in zip(edge_rows, lines):
        row["length"], row["geometry"] = row[length_field], line
    return _table(node_rows, edge_rows, str(path), epsg)


def read_graphml(path: Path, *, epsg: int = 28992) -> RoadTable:
    """Read an OSMnx GraphML file, plain or gzipped, and project it to ``epsg``.

    Lengths stay those of the file. Raises :class:`DataError` where the file is missing or malformed.
    """
    _exists(path)
    keys: dict[str, str] = {}
    graph: dict[str, str] = {}
    node_rows: list[dict[str, Any]] = []
    edge_rows: list[dict[str, Any]] = []
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            # Entities are not expanded beyond expat's own amplification limit, and external ones never.
            for _, element in ET.iterparse(cast(BinaryIO, file)):  # noqa: S314
                tag = element.tag.rpartition("}")[2]
                if tag == "key":
                    keys[element.attrib["id"]] = element.attrib["attr.name"]
                elif tag in ("node", "edge"):
                    row: dict[str, Any] = {keys[d.attrib["key"]]: d.text for d in element}
                    if tag == "node":
                        row["node"] = element.attrib["id"]
                        node_rows.append(row)
                    else:
                        row |= {"u": element.attrib["source"], "v": element.attrib["target"]}
                        row["key"] = element.attrib.get("id", "0")
                        edge_rows.append(row)
                    element.clear()
                elif tag == "graph":
                    graph = {keys[d.attrib["key"]]: d.text or "" for d in element if d.tag.endswith("data")}
    except (ET.ParseError, gzip.BadGzipFile, EOFError, KeyError) as error:
        raise DataError(f"{path}: no readable GraphML ({error!r}); fetch the file again") from error
    if "crs" not in graph:
        raise DataError(f"{path}: the graph has no attribute crs; save it with OSMnx, which writes one")
    transform = pyproj.Transformer.from_crs(graph["crs"], epsg, always_xy=True)
    for row in node_rows:
        if "x" not in row or "y" not in row:
            raise DataError(f"{path}: node {row['node']} has no x or y; every node needs a position")
        row["x"], row["y"] = transform.transform(float(row["x"]), float(row["y"]))
    for row in edge_rows:
        text = row.get("geometry")
        line = shapely.from_wkt(text) if text else None
        row["geometry"] = shapely.transform(line, transform.transform, interleaved=False) if line is not None else None
    return _table(node_rows, edge_rows, str(path), epsg)


def _exists(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the road graph of the province")


def _layer(path: Path, layer: str, fields: list[str], epsg: int) -> tuple[Any, Any, Any, dict[str, np.ndarray]]:
    try:
        meta, fids, geometry, values = pyogrio.raw.read(path, layer=layer)
    except pyogrio.errors.DataLayerError as error:
        raise DataError(f"{path}: no layer {layer!r}; name the layers of nodes and edges") from error
    for name in fields:
        if name not in meta["fields"]:
            raise DataError(f"{path}, layer {layer}: no field {name!r}; it has {', '.join(meta['fields'])}")
    if meta["crs"] is None or pyproj.CRS.from_user_input(meta["crs"]).to_epsg() != epsg:
        raise DataError(f"{path}, layer {layer}: CRS is {meta['crs']}, wanted EPSG:{epsg}; reproject the file")
    return meta, fids, geometry, dict(zip(meta["fields"], values))


def _items(value: Any) -> list[str]:
    """Items of an attribute: nothing, one value, or a list in text as OSMnx writes it."""
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return []
    text = str(value).strip()
    if text.startswith("["):
        try:
            return [str(item) for item in ast.literal_eval(text) if item is not None]
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise DataError(f"attribute {text[:60]!r} is no list; it must be written as OSMnx writes lists") from error
    return [text]


def _speed(text: str) -> float:
    """Speed [km/h] of an OSM ``maxspeed`` value, NaN where it is no number (``none``, ``signals``)."""
    number, _, unit = text.partition(" ")
    try:
        return float(number) * (_MPH if unit == "mph" else 1.0)
    except ValueError:
        return float("nan")


def _numbers(row: Mapping[str, Any], name: str, where: str) -> tuple[float, ...]:
    items = _items(row.get(name))
    values = [_speed(item) for item in items] if name == "maxspeed" else []
    if name != "maxspeed":
        try:
            values = [float(item) for item in items]
        except ValueError as error:
            raise DataError(f"{where}: {name} = {row.get(name)!r} is no number; correct the file") from error
    if any(value <= 0 for value in values):
        raise DataError(f"{where}: {name} = {row.get(name)!r} is not above zero; correct or empty it")
    # OSMnx writes lists in the order of a set: sorting makes them independent of the run that wrote them.
    return tuple(sorted(value for value in values if not np.isnan(value)))


def _number(row: Mapping[str, Any], name: str, where: str, default: float | None) -> float:
    """One number; the mean where merged ways or nodes left a list."""
    items = _items(row.get(name))
    if not items:
        if default is None:
            raise DataError(f"{where}: {name} is missing; every edge needs one")
        return default
    try:
        return sum(float(item) for item in items) / len(items)
    except ValueError as error:
        raise DataError(f"{where}: {name} = {row.get(name)!r} is no number; correct the file") from error


def _table(nodes: list[dict[str, Any]], edges: Iterable[dict[str, Any]], source: str, epsg: int) -> RoadTable:
    index: dict[str, int] = {}
    population, postcode = [], []
    for row in nodes:
        name = str(row["node"])
        if name in index:
            raise DataError(f"{source}: node {name} occurs twice; ids must be unique")
        index[name] = len(index)
        population.append(_number(row, "population_per_node", f"{source}, node {name}", 0.0))
        postcode.append((_items(row.get("postcode")) or [""])[0])
    x = np.array([row["x"] for row in nodes], dtype=float)
    y = np.array([row["y"] for row in nodes], dtype=float)
    start, end, ids, highway, lanes, max_speed, speed, oneway, length = [], [], [], [], [], [], [], [], []
    vertex_start, lines = [0], []
    for row in edges:
        name = f"{row['u']}-{row['v']}-{row['key']}"
        where = f"{source}, edge {name}"
        for end_name in (str(row["u"]), str(row["v"])):
            if end_name not in index:
                raise DataError(f"{where}: node {end_name} is not among the nodes; the graph is incomplete")
        a, b = index[str(row["u"])], index[str(row["v"])]
        metres = _number(row, "length", where, None)
        if not metres > 0:
            raise DataError(f"{where}: length {metres} m is not above zero; correct or remove the edge")
        tags = _items(row.get("highway"))
        if not tags:
            raise DataError(f"{where}: highway is missing; it decides capacity and speed")
        line = row.get("geometry")
        points = shapely.get_coordinates(line) if line is not None else np.array([[x[a], y[a]], [x[b], y[b]]])
        start.append(a)
        end.append(b)
        ids.append(name)
        highway.append(tuple(tags))
        lanes.append(_numbers(row, "lanes", where))
        max_speed.append(_numbers(row, "maxspeed", where))
        speed.append(_number(row, "speed_kph", where, float("nan")))
        oneway.append(_items(row.get("oneway")) != ["False"])
        length.append(metres)
        lines.append(points)
        vertex_start.append(vertex_start[-1] + len(points))
    if not lines:
        raise DataError(f"{source}: the graph has no edges; give a road graph")
    vertices = np.concatenate(lines)
    return RoadTable(
        node_id=list(index),
        node_x=x,
        node_y=y,
        population=np.array(population),
        postcode=postcode,
        from_node=np.array(start, dtype=np.int32),
        to_node=np.array(end, dtype=np.int32),
        edge_id=ids,
        highway=highway,
        lanes=lanes,
        max_speed=max_speed,
        speed=np.array(speed),
        oneway=np.array(oneway),
        length=np.array(length),
        vertex_start=np.array(vertex_start, dtype=np.int64),
        vertex_x=np.ascontiguousarray(vertices[:, 0]),
        vertex_y=np.ascontiguousarray(vertices[:, 1]),
        epsg=epsg,
        source=source,
    )

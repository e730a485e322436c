"""The ``roads`` group: from a table of road edges and the province's rules to links with capacities and costs."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import scipy.sparse as sp
import xarray as xr
from scipy.sparse.csgraph import connected_components

from kernels.raster.line_cells import count_line_cells, fill_line_cells
from twin.errors import ConfigError, DataError
from twin.readers.osm_roads import RoadTable
from twin.world.road_rules import ROAD_CLASSES, HighwayRule, LinkKind, RoadRules, SkeletonRules

__all__ = [
    "UNBOUNDED_CAPACITY",
    "RoadNodes",
    "build_roads",
    "clip_links",
    "link_parameters",
    "roads_group",
    "sample_raster",
]

UNBOUNDED_CAPACITY = 1e6  # pcu/h: "does not congest"; its bpr_b is 0, so that the value never enters a cost


@dataclass
class RoadNodes:
    """What the source knows of the nodes of the ``roads`` group, in its order; demand is laid on them."""

    name: list[str]
    population: np.ndarray  # (road_node,) inhabitants
    postcode: list[str]
    skeleton: np.ndarray  # (road_node,) bool


def build_roads(
    table: RoadTable,
    rules: RoadRules,
    skeleton: SkeletonRules | None = None,
    lattice: xr.Dataset | None = None,
) -> tuple[xr.Dataset, RoadNodes]:
    """Build the ``roads`` group and what is known of its nodes.

    Self-loops are dropped, given links are cut, skeleton and gates are added, and the largest strong component is
    kept; what is dropped is counted in the attributes of the group. ``lattice`` is the group of that name: links
    are laid over its cells, and nodes take their height from its ``elevation``.
    """
    graph = _Graph(table, rules)
    if skeleton is not None:
        _add_skeleton(graph, skeleton, table.epsg)
    return graph.finish(lattice, table.source)


class _Graph:
    """Growing lists of nodes and links, cut to the strong component at the end."""

    def __init__(self, table: RoadTable, rules: RoadRules) -> None:
        self.name = list(table.node_id)
        self.x, self.y = list(map(float, table.node_x)), list(map(float, table.node_y))
        self.population, self.postcode = list(map(float, table.population)), list(table.postcode)
        self.links: list[dict[str, Any]] = []
        self.skeleton_from = len(self.name)
        self.self_loops = 0
        for i, edge in enumerate(table.edge_id):
            if table.from_node[i] == table.to_node[i]:
                self.self_loops += 1
                continue
            a, b = table.vertex_start[i], table.vertex_start[i + 1]
            line = np.column_stack((table.vertex_x[a:b], table.vertex_y[a:b]))
            ends = {"from": int(table.from_node[i]), "to": int(table.to_node[i])}
            link = {"id": edge, **ends, "length": float(table.length[i]), "line": line, "reported": 1}
            self.links.append(link | link_parameters(table, i, rules))

    def node(self, name: str, where: str) -> int:
        """Index of a node of the source."""
        try:
            return self.name.index(name)
        except ValueError:
            raise ConfigError(f"{where}: the road graph has no node {name!r}; correct the node's id") from None

    def add_node(self, name: str, x: float, y: float) -> int:
        """Append a node without inhabitants."""
        self.name.append(name)
        self.x.append(float(x))
        self.y.append(float(y))
        self.population.append(0.0)
        self.postcode.append("")
        return len(self.name) - 1

    def join(self, name: str, a: int, b: int, kind: LinkKind, road_class: str) -> None:
        """Append a link that is not reported: straight distance times detour at the declared speed."""
        length = float(np.hypot(self.x[b] - self.x[a], self.y[b] - self.y[a])) * kind.detour
        line = np.array([[self.x[a], self.y[a]], [self.x[b], self.y[b]]])
        unbounded = kind.capacity is None
        self.links.append(
            {
                "id": name,
                "from": a,
                "to": b,
                "length": length,
                "line": line,
                "reported": 0,
                "free_flow_time": length / kind.free_speed * 3.6,
                "capacity": UNBOUNDED_CAPACITY if unbounded else kind.capacity,
                "bpr_b": 0.0 if unbounded else kind.bpr_b,
                "bpr_power": kind.bpr_power,
                "lanes": 1.0,
                "road_class": ROAD_CLASSES.index(road_class),
                "speed_limit": kind.free_speed,
            }
        )

    def finish(self, lattice: xr.Dataset | None, source: str) -> tuple[xr.Dataset, RoadNodes]:
        """Keep the largest strong component, renumber, and write the group."""
        n = len(self.name)
        start = np.array([link["from"] for link in self.links])
        end = np.array([link["to"] for link in self.links])
        adjacency = sp.csr_array((np.ones(len(start)), (start, end)), shape=(n, n))
        _, label = connected_components(adjacency, directed=True, connection="strong")
        keep = label == np.bincount(label).argmax()
        number = np.cumsum(keep) - 1
        links = [link for link in self.links if keep[link["from"]] and keep[link["to"]]]
        if not links:
            raise DataError(f"{source}: no two nodes can reach each other both ways; the road graph is disconnected")
        kept = np.flatnonzero(keep)
        dropped = sum(link["reported"] for link in self.links) - sum(link["reported"] for link in links)
        group = roads_group(
            node_x=np.array(self.x)[keep],
            node_y=np.array(self.y)[keep],
            from_node=number[[link["from"] for link in links]],
            to_node=number[[link["to"] for link in links]],
            lines=[link["line"] for link in links],
            link_id=[link["id"] for link in links],
            lattice=lattice,
            **{name: np.array([link[name] for link in links]) for name in _LINK_VALUES},
        )
        group.attrs |= {
            "source": Path(source).name,
            "dropped_self_loops": self.self_loops,
            "dropped_links": dropped,
            "dropped_nodes": int((~keep).sum()),
            "strong_component": "largest; links and nodes outside it cannot be left or reached and are dropped",
        }
        group["node_name"] = ("road_node", np.array([self.name[i] for i in kept], dtype="S"), {"units": "1"})
        group["node_name"].attrs["long_name"] = "the source's own id of the node"
        return group, RoadNodes(
            name=[self.name[i] for i in kept],
            population=np.array(self.population)[keep],
            postcode=[self.postcode[i] for i in kept],
            skeleton=kept >= self.skeleton_from,
        )


_LINK_VALUES = (
    "length",
    "free_flow_time",
    "capacity",
    "bpr_b",
    "bpr_power",
    "lanes",
    "road_class",
    "speed_limit",
    "reported",
)


def link_parameters(table: RoadTable, i: int, rules: RoadRules) -> dict[str, Any]:
    """Class, lanes, capacity, speed and cost of edge ``i`` by the rule of its highest tag."""
    where = f"{table.source}, edge {table.edge_id[i]}"
    rule = next((rule for rule in rules.highway if rule.tag in table.highway[i]), None)
    if rule is None:
        raise DataError(f"{where}: highway {table.highway[i]} has no rule; add one to the road rules")
    limit = float(np.mean(table.max_speed[i])) if table.max_speed[i] else float(table.speed[i])
    if np.isnan(limit) and rule.default_limit is not None:
        limit = rule.default_limit
    if not limit > 0:
        raise DataError(f"{where}: neither maxspeed nor speed_kph is given; complete the source or its road rule")
    lanes = _lanes(table.lanes[i], bool(table.oneway[i]), rule)
    per_lane = _step(rule.capacity, limit)[1]
    _, factor, ceiling = _step(rule.free_speed, limit)
    speed = min(factor * limit, ceiling)
    return {
        "free_flow_time": float(table.length[i]) / speed * 3.6,
        "capacity": lanes * per_lane,
        "bpr_b": rule.bpr_b,
        "bpr_power": rule.bpr_power,
        "lanes": float(lanes),
        "road_class": ROAD_CLASSES.index(rule.road_class),
        "speed_limit": limit,
    }


def _lanes(given: tuple[float, ...], oneway: bool, rule: HighwayRule) -> int:
    """Lanes of one direction: a two-way way counts both directions, of which half (rounded down) are ours."""
    if not given:
        return rule.default_lanes
    lanes = int(min(given)) if rule.lanes_list == "minimum" else round(sum(given) / len(given))
    return max(lanes if oneway else lanes // 2, 1)


def _step(steps: list[Any], limit: float) -> Any:
    """Last row whose first entry ``limit`` reaches."""
    reached = [row for row in steps if limit >= row[0]]
    return reached[-1] if reached else steps[0]


def _add_skeleton(graph: _Graph, rules: SkeletonRules, epsg: int) -> None:
    for cut in rules.split:
        _cut(graph, cut.link, cut.node)
    graph.skeleton_from = len(graph.name)
    transform = pyproj.Transformer.from_crs(4326, epsg, always_xy=True)
    number = {}
    for name, (latitude, longitude) in rules.nodes.items():
        number[name] = graph.add_node(name, *transform.transform(longitude, latitude))
    seen: set[tuple[int, int]] = set()
    for kind, chains in rules.chains.items():
        for chain in chains:
            names = chain.split("-")
            for one, other in pairwise(names):
                for a, b in ((one, other), (other, one)):
                    for end in (a, b):
                        if end not in number:
                            raise ConfigError(f"skeleton, chain {chain!r}: no node {end!r}; add it to [nodes]")
                    if (number[a], number[b]) in seen:
                        continue  # a stretch that two chains share is one road
                    seen.add((number[a], number[b]))
                    graph.join(f"skeleton:{a}-{b}", number[a], number[b], _kind(rules.kinds, kind), "skeleton")
    outgoing = {link["from"] for link in graph.links if link["reported"]}
    incoming = {link["to"] for link in graph.links if link["reported"]}
    for gate in rules.gates:
        node = graph.node(gate.node, f"skeleton, gate {gate.node}")
        if gate.skeleton not in number:
            raise ConfigError(f"skeleton, gate {gate.node}: no skeleton node {gate.skeleton!r}; add it to [nodes]")
        far, how = number[gate.skeleton], _kind(rules.gate_kinds, gate.kind)
        if gate.direction != "in" and node in incoming:
            graph.join(f"gate:{gate.node}-{gate.skeleton}", node, far, how, "gate")
        if gate.direction != "out" and node in outgoing:
            graph.join(f"gate:{gate.skeleton}-{gate.node}", far, node, how, "gate")


def _kind(kinds: dict[str, LinkKind], name: str) -> LinkKind:
    if name not in kinds:
        raise ConfigError(f"skeleton: no kind {name!r}; it has {', '.join(kinds)}")
    return kinds[name]


def _cut(graph: _Graph, link_id: str, node: str) -> None:
    """Cut a link at half its length; both halves keep its parameters."""
    link = next((link for link in graph.links if link["id"] == link_id), None)
    if link is None:
        raise ConfigError(f"skeleton, split: the road graph has no link {link_id!r}; correct its id")
    line = link["line"]
    along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))))
    half = 0.5 * along[-1]
    middle = np.array([np.interp(half, along, line[:, 0]), np.interp(half, along, line[:, 1])])
    new = graph.add_node(node, *middle)
    first, second = dict(link), dict(link)
    for part, suffix, mask, ends in (
        (first, "out", along < half, {"to": new}),
        (second, "in", along > half, {"from": new}),
    ):
        part |= ends
        part["id"] = f"{link_id}/{suffix}"
        part["length"] = 0.5 * link["length"]
        part["free_flow_time"] = 0.5 * link["free_flow_time"]
        part["line"] = np.vstack((line[mask], middle) if suffix == "out" else (middle, line[mask]))
    position = next(i for i, x in enumerate(graph.links) if x is link)
    graph.links[position : position + 1] = [first, second]


def roads_group(
    *,
    node_x: np.ndarray,
    node_y: np.ndarray,
    from_node: np.ndarray,
    to_node: np.ndarray,
    length: np.ndarray,
    free_flow_time: np.ndarray,
    capacity: np.ndarray,
    bpr_b: np.ndarray,
    bpr_power: np.ndarray,
    lanes: np.ndarray,
    road_class: np.ndarray,
    speed_limit: np.ndarray,
    reported: np.ndarray,
    link_id: list[str],
    lines: list[np.ndarray] | None = None,
    lattice: xr.Dataset | None = None,
) -> xr.Dataset:
    """Write the ``roads`` group of the world from plain arrays (units as in docs/world.md).

    ``lines`` holds per link its vertices (vertex, 2), straight lines where None. Raises :class:`DataError` naming
    the link for a length, time or capacity that is not above zero, or a node that does not exist.
    """
    nodes, links = len(node_x), len(from_node)
    for name, values in (("length", length), ("free_flow_time", free_flow_time), ("capacity", capacity)):
        bad = ~(np.asarray(values) > 0)
        if bad.any():
            i = int(np.argmax(bad))
            raise DataError(f"link {link_id[i]}: {name} = {values[i]}; it must be above zero")
    for name, ends in (("from_node", from_node), ("to_node", to_node)):
        bad = (np.asarray(ends) < 0) | (np.asarray(ends) >= nodes)
        if bad.any():
            i = int(np.argmax(bad))
            raise DataError(f"link {link_id[i]}: {name} = {ends[i]}, but there are {nodes} nodes")
    if lines is None:
        lines = [np.array([[node_x[a], node_y[a]], [node_x[b], node_y[b]]]) for a, b in zip(from_node, to_node)]
    start = np.concatenate(([0], np.cumsum([len(line) for line in lines])))
    vertices = np.concatenate(lines)
    cell_link, cell_index, cell_share = (
        clip_links(start, vertices[:, 0], vertices[:, 1], np.asarray(reported), lattice)
        if lattice is not None
        else (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
    )
    node_z = sample_raster(lattice, "elevation", node_x, node_y) if lattice is not None else np.zeros(nodes)

    def f8(dim: str, values: Any, units: str, text: str) -> tuple:
        return dim, np.ascontiguousarray(values, dtype=np.float64), {"units": units, "long_name": text}

    def i4(dim: str, values: Any, text: str, dtype: Any = np.int32) -> tuple:
        return dim, np.ascontiguousarray(values, dtype=dtype), {"units": "1", "long_name": text}

    group = xr.Dataset(
        {
            "node_x": f8("road_node", node_x, "m", "x of the node, RD New"),
            "node_y": f8("road_node", node_y, "m", "y of the node, RD New"),
            "node_z": f8("road_node", node_z, "m", "ground height at the node above NAP"),
            "node_origin": i4("road_node", np.full(nodes, -1), "index of the demand origin here, -1 where none"),
            "from_node": i4("road_link", from_node, "node where the link begins"),
            "to_node": i4("road_link", to_node, "node where the link ends"),
            "length": f8("road_link", length, "m", "length of the link"),
            "free_flow_time": f8("road_link", free_flow_time, "s", "travel time on the empty link"),
            "capacity": f8("road_link", capacity, "h-1", "passenger-car units per hour, all lanes"),
            "bpr_b": f8("road_link", bpr_b, "1", "factor B of t = t0 (1 + B (v/c)^p)"),
            "bpr_power": f8("road_link", bpr_power, "1", "power p of t = t0 (1 + B (v/c)^p)"),
            "lanes": f8("road_link", lanes, "1", "lanes one way"),
            "road_class": i4("road_link", road_class, "class of the road", np.int8),
            "speed_limit": f8("road_link", speed_limit, "km h-1", "legal speed limit"),
            "reported": i4("road_link", reported, "0 for skeleton and gates: no statistics, no emission", np.int8),
            "link_id": (
                "road_link",
                np.array(link_id, dtype="S"),
                {"units": "1", "long_name": "the source's own id of the link"},
            ),
            "vertex_start": i4("road_link", start[:-1], "first vertex of the link's line"),
            "vertex_x": f8("road_vertex", vertices[:, 0], "m", "x of the vertex, RD New"),
            "vertex_y": f8("road_vertex", vertices[:, 1], "m", "y of the vertex, RD New"),
            "cell_link": i4("link_cell", cell_link, "link of the piece"),
            "cell_index": i4("link_cell", cell_index, "flat cell index of the piece: row * columns + column"),
            "cell_share": f8("link_cell", cell_share, "1", "share of the link's length in the cell"),
        }
    )
    group["road_class"].attrs |= {
        "flag_values": np.arange(len(ROAD_CLASSES), dtype=np.int8),
        "flag_meanings": " ".join(ROAD_CLASSES),
    }
    group["reported"].attrs |= {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "not_reported reported"}
    for name in ("capacity", "bpr_b", "bpr_power", "free_flow_time"):
        group[name].attrs |= {"synthetic": 1, "rule": "by road class and speed limit; the source holds no such value"}
    if lattice is None or "elevation" not in lattice:
        group["node_z"].attrs |= {"synthetic": 1, "rule": "0 m NAP: no elevation raster at hand"}
    if links == 0:
        raise DataError("the road network has no links; give a road graph")
    return group


def _frame(lattice: xr.Dataset) -> tuple[float, float, float, int, int]:
    """West and south edge [m], cell size [m], rows and columns of a lattice with ascending cell centres."""
    x, y = lattice["x"].to_numpy(), lattice["y"].to_numpy()
    size = float(lattice.attrs["cell_size"])
    return float(x[0]) - 0.5 * size, float(y[0]) - 0.5 * size, size, len(y), len(x)


def clip_links(
    vertex_start: np.ndarray, x: np.ndarray, y: np.ndarray, reported: np.ndarray, lattice: xr.Dataset
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay reported links over the cells: (link, flat cell index, share of the link's own length) of each piece.

    ``vertex_start`` (link + 1); shares add up to 1 per link, less what lies outside the lattice. A link without
    extent (both ends on one point) lies in the cell of its first vertex.
    """
    west, south, size, ny, nx = _frame(lattice)
    u = np.ascontiguousarray((x - west) / size)
    v = np.ascontiguousarray((y - south) / size)
    start = np.ascontiguousarray(vertex_start, dtype=np.int64)
    room = int(count_line_cells(start, u, v))
    line_of, cell_of, length_of = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
    n = int(fill_line_cells(start, u, v, ny, nx, line_of, cell_of, length_of))
    line_of, cell_of, length_of = line_of[:n], cell_of[:n], length_of[:n]
    total = np.bincount(line_of, length_of, minlength=len(start) - 1)
    points = np.flatnonzero(total == 0.0)
    if len(points):
        row, column = np.floor(v[start[points]]).astype(int), np.floor(u[start[points]]).astype(int)
        inside = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
        line_of = np.concatenate((line_of, points))
        cell_of = np.concatenate((cell_of, np.where(inside, row * nx + column, -1)))
        length_of = np.concatenate((length_of, np.ones(len(points))))
        total[points] = 1.0
    use = (cell_of >= 0) & (reported[line_of] == 1)
    # One row per link and cell: a winding link enters a cell more than once.
    key, where = np.unique(line_of[use].astype(np.int64) * (ny * nx) + cell_of[use], return_inverse=True)
    link, cell = key // (ny * nx), key % (ny * nx)
    share = np.bincount(where, length_of[use], minlength=len(key)) / total[link]
    return link.astype(np.int32), cell.astype(np.int32), share


def sample_raster(lattice: xr.Dataset, name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear value of a lattice layer at points; the nearest cell beyond its edge; 0 without that layer."""
    if name not in lattice:
        return np.zeros(len(x))
    west, south, size, ny, nx = _frame(lattice)
    layer = lattice[name].to_numpy()
    u = np.clip((np.asarray(x) - west) / size - 0.5, 0, nx - 1)
    v = np.clip((np.asarray(y) - south) / size - 0.5, 0, ny - 1)
    i, j = np.minimum(v.astype(int), max(ny - 2, 0)), np.minimum(u.astype(int), max(nx - 2, 0))
    i1, j1 = np.minimum(i + 1, ny - 1), np.minimum(j + 1, nx - 1)
    fv, fu = v - i, u - j
    low = layer[i, j] * (1 - fu) + layer[i, j1] * fu
    high = layer[i1, j] * (1 - fu) + layer[i1, j1] * fu
    return low * (1 - fv) + high * fv

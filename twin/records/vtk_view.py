"""The ``/VTKHDF`` view of a run file: a MultiBlock whose result arrays are the root variables themselves.

Flat PolyData arrays are virtual datasets over the root variable ((T, N) seen as T*N), the lattice image is a hard
link. All PolyData blocks share one ``Steps`` group; the image has its own, since its offsets would be step numbers
and not value numbers. The specification is VTK's ``vtkhdf_file_format``; the rules beyond it are in
:mod:`twin.records.validate`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import h5py
import numpy as np

from twin.records.layout import GZIP, ResultVariable, set_attributes

__all__ = ["advance", "build_view", "ground_height", "hexagon_corners", "road_lines"]

ROOT = "VTKHDF"
STEPS = f"/{ROOT}/Steps"
WALL, ROOF = 1, 2  # triangle_kind
HEXAGON_SIDE = float(np.sqrt(2e4 / (3 * np.sqrt(3))))  # m, of 1 ha
CELL_KINDS = ("Vertices", "Lines", "Polygons", "Strips")
# Where a block shows results: dimensions of the variable -> (block, kind of data)
PLACES = {
    ("y", "x"): ("terrain", "PointData"),
    ("road_link",): ("roads", "CellData"),
    ("branch",): ("power_branches", "CellData"),
    ("bus",): ("power_buses", "PointData"),
    ("building",): ("building_roofs", "CellData"),
    ("hexagon",): ("hexagons", "CellData"),
}
# Static arrays shown beside the results: block -> root variables
SHOWN = {
    "terrain": ("elevation", "land_use"),
    "roads": ("road_class", "road_lanes"),
    "power_branches": ("branch_kind", "branch_s_rated"),
    "power_buses": ("bus_kind",),
    "building_roofs": ("building_height", "building_bus"),
    "building_walls": ("building",),
    "hexagons": ("hexagon_critical_load", "hexagon_area"),
}


@dataclass(frozen=True)
class _Cells:
    kind: str
    connectivity: np.ndarray
    offsets: np.ndarray


def build_view(f: h5py.File, results: list[ResultVariable]) -> None:
    """Add the view to a run file whose root variables exist, with no step to be seen yet."""
    steps = f["time"].shape[0]
    root = f.create_group(ROOT, track_order=True)
    root.attrs["Version"] = np.array((2, 1), "i8")
    set_attributes(root, Type="MultiBlockDataSet")
    image_steps = _steps_groups(root, steps)
    blocks = [name for name, build in _BLOCKS.items() if build(f, root)]
    for variable in results:
        block, kind = PLACES.get(variable.dims, ("", ""))
        if block in blocks:
            _virtual(f, root, block, kind, variable.name, variable.every)
    for block in blocks:
        for name in SHOWN[block]:
            if name in f and f[name].dtype.kind in "fiu":
                _virtual(f, root, block, "PointData" if block in ("terrain", "power_buses") else "CellData", name, 0)
    # A single step counts as "not temporal" for an image and would come up empty: the image is left out.
    if "y" in f and steps > 1:
        fields = [v for v in results if v.dims == ("y", "x")]
        if fields:
            _image(f, root, fields, image_steps)
            blocks.append("field")
    assembly = root.create_group("Assembly", track_order=True)
    for index, name in enumerate(blocks):
        root[name].attrs["Index"] = np.int64(index)
        assembly[name] = h5py.SoftLink(f"/{ROOT}/{name}")


def advance(f: h5py.File, written: int) -> None:
    """Let VTK see the first ``written`` steps: ``len(Values) == NSteps`` always."""
    steps = f[STEPS]
    steps["Values"].resize((written,))
    steps["Values"][:] = f["time"][:written]
    steps.attrs.modify("NSteps", np.int64(written))
    if "field" in f[ROOT]:
        f[f"{ROOT}/field/Steps"].attrs.modify("NSteps", np.int64(written))


def _steps_groups(root: h5py.Group, steps: int) -> h5py.Group:
    """The steps of all flat blocks; returns those of the image, not yet linked.

    Their counters are made one after the other and so lie side by side: one write changes them together.
    """
    zeros = np.zeros(steps, "i8")
    group = root.create_group("Steps", track_order=True)
    group.attrs["NSteps"] = np.int64(0)
    group.create_dataset("Values", shape=(0,), maxshape=(None,), chunks=(1024,), dtype="f8")
    image_steps = h5py.Group(h5py.h5g.create(root.id, None))
    image_steps.attrs["NSteps"] = np.int64(0)
    group["PartOffsets"], group["NumberOfParts"], group["PointOffsets"] = zeros, zeros + 1, zeros
    group["CellOffsets"] = np.zeros((steps, 4), "i8")
    group["ConnectivityIdOffsets"] = np.zeros((steps, 4), "i8")
    group.create_group("PointDataOffsets")
    group.create_group("CellDataOffsets")
    return image_steps


def _virtual(f: h5py.File, root: h5py.Group, block: str, kind: str, name: str, every: int) -> None:
    """Show root variable ``name`` as a flat array; ``every`` = 0 for one that does not change.

    A result with one value per n output steps repeats its offset n times: no value is stored twice.
    """
    source = f[name]
    layout = h5py.VirtualLayout((source.size,), source.dtype)
    layout[:] = h5py.VirtualSource(".", name, shape=source.shape, dtype=source.dtype)
    root[block].require_group(kind).create_virtual_dataset(name, layout, fillvalue=source.fillvalue)
    per_value = source.size // source.shape[0] if every else 0
    root[f"Steps/{kind}Offsets"][name] = np.arange(f["time"].shape[0], dtype="i8") // max(every, 1) * per_value


def _poly(root: h5py.Group, name: str, points: np.ndarray, cells: _Cells) -> None:
    group = root.create_group(name, track_order=True)
    group.attrs["Version"] = np.array((2, 0), "i8")
    set_attributes(group, Type="PolyData")
    group["NumberOfPoints"] = np.array([len(points)], "i8")
    group.create_dataset("Points", data=np.ascontiguousarray(points, "f8"), **GZIP)
    for kind in CELL_KINDS:
        ids, offsets = (cells.connectivity, cells.offsets) if kind == cells.kind else ((), (0,))
        part = group.create_group(kind)
        part["NumberOfConnectivityIds"] = np.array([len(ids)], "i8")
        part["NumberOfCells"] = np.array([len(offsets) - 1], "i8")
        _ids(part, "Offsets", offsets)
        _ids(part, "Connectivity", ids)
    group["Steps"] = h5py.SoftLink(STEPS)


def _ids(group: h5py.Group, name: str, values) -> None:
    values = np.asarray(values, "i4")
    group.create_dataset(name, data=values, maxshape=(None,), chunks=(max(len(values), 1),), **GZIP)


def _terrain(f: h5py.File, root: h5py.Group) -> bool:
    """Quadrilaterals over the cell centres at the height of the ground; none where a height is missing."""
    if "elevation" not in f:
        return False
    x, y, z = f["x"][...], f["y"][...], f["elevation"][...].astype("f8")
    ny, nx = z.shape
    points = np.empty((ny, nx, 3))
    points[..., 0], points[..., 1] = x[None, :], y[:, None]
    points[..., 2] = np.where(np.isnan(z), 0.0, z)  # belongs to no cell, so it is never drawn
    index = np.arange(ny * nx, dtype="i4").reshape(ny, nx)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    known = ~np.isnan(z)
    whole = (known[:-1, :-1] & known[:-1, 1:] & known[1:, 1:] & known[1:, :-1]).ravel()
    quads = quads[whole]
    _poly(root, "terrain", points.reshape(-1, 3), _Cells("Polygons", quads.ravel(), np.arange(len(quads) + 1) * 4))
    return True


def road_lines(f: h5py.File) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and offsets of one polyline per link; heights run linearly between the two nodes."""
    edges = f["network_edge_nodes"][...]
    node = np.column_stack([f["network_node_x"][...], f["network_node_y"][...], _node_heights(f)])
    if "road_vertex_x" not in f:
        return node[edges.ravel()], np.arange(len(edges) + 1) * 2
    x, y = f["road_vertex_x"][...], f["road_vertex_y"][...]
    offsets = np.append(f["road_vertex_start"][...], len(x)).astype("i8")
    step = np.hypot(np.diff(x, prepend=x[:1]), np.diff(y, prepend=y[:1]))
    step[offsets[:-1]] = 0.0
    along = np.cumsum(step)
    count = np.diff(offsets)
    first = np.repeat(along[offsets[:-1]], count)
    total = np.repeat(along[offsets[1:] - 1], count) - first
    share = np.divide(along - first, total, out=np.zeros_like(along), where=total > 0)
    z0, z1 = (np.repeat(node[edges[:, k], 2], count) for k in (0, 1))
    return np.column_stack([x, y, z0 + share * (z1 - z0)]), offsets


def ground_height(f: h5py.File, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Elevation of the nearest lattice cell with a known height in its row and column; 0 m without a lattice."""
    if "elevation" not in f:
        return np.zeros(len(x))
    xs, ys = np.asarray(f["x"][...]), np.asarray(f["y"][...])
    column = np.clip(np.rint((x - xs[0]) / (xs[1] - xs[0])), 0, len(xs) - 1).astype("i8")
    row = np.clip(np.rint((y - ys[0]) / (ys[1] - ys[0])), 0, len(ys) - 1).astype("i8")
    return np.nan_to_num(np.asarray(f["elevation"][...])[row, column].astype("f8"))


def _node_heights(f: h5py.File) -> np.ndarray:
    x, y = f["network_node_x"][...], f["network_node_y"][...]
    ground = ground_height(f, x, y)
    if "network_node_z" not in f:
        return ground
    z = f["network_node_z"][...].astype("f8")
    return np.where(np.isnan(z), ground, z)


def _roads(f: h5py.File, root: h5py.Group) -> bool:
    if "network_edge_nodes" not in f:
        return False
    points, offsets = road_lines(f)
    _poly(root, "roads", points, _Cells("Lines", np.arange(len(points)), offsets))
    return True


def _bus_points(f: h5py.File) -> np.ndarray:
    x, y = f["bus_x"][...], f["bus_y"][...]
    return np.column_stack([x, y, ground_height(f, x, y)])


def _branches(f: h5py.File, root: h5py.Group) -> bool:
    if "power_edge_nodes" not in f:
        return False
    edges = f["power_edge_nodes"][...]
    cells = _Cells("Lines", edges.ravel(), np.arange(len(edges) + 1) * 2)
    _poly(root, "power_branches", _bus_points(f), cells)
    return True


def _buses(f: h5py.File, root: h5py.Group) -> bool:
    if "bus_x" not in f:
        return False
    points = _bus_points(f)
    _poly(root, "power_buses", points, _Cells("Vertices", np.arange(len(points)), np.arange(len(points) + 1)))
    return True


def _strips(f: h5py.File, kind: int) -> _Cells:
    """Triangles of one kind as one strip per building, so that one value per building colours all of them.

    Two vertices between triangles make the strip jump: the triangles they form have no area. Every second triangle of
    a strip is seen from the other side, so those starting at an odd place change their first two vertices.
    """
    chosen = np.flatnonzero(f["triangle_kind"][...] == kind)
    owner = f["triangle_building"][...][chosen]
    order = np.argsort(owner, kind="stable")
    corners, owner = f["triangle_vertices"][...][chosen[order]].astype("i8"), owner[order]
    count = np.bincount(owner, minlength=f["building"].shape[0])
    first = np.cumsum(count) - count
    place = np.arange(len(owner)) - first[owner]  # of the triangle in its strip
    odd = place % 2 == 1
    corners[odd, :2] = corners[odd, 1::-1]
    ids = np.column_stack([np.roll(corners[:, 2], 1), corners[:, 0], corners])
    keep = np.ones(ids.shape, bool)
    keep[place == 0, :2] = False
    lone = np.flatnonzero(count == 0)  # nothing of this kind: a strip without area keeps the numbering
    size = np.where(count > 0, 5 * count - 2, 3)
    offsets = np.append(0, np.cumsum(size))
    flat = np.zeros(offsets[-1], "i8")
    own = np.repeat(count > 0, size)
    flat[own] = ids[keep]
    if len(lone):
        vertex = np.zeros(len(count), "i8")
        vertex[f["triangle_building"][...][::-1]] = f["triangle_vertices"][:, 0][::-1]
        flat[~own] = np.repeat(vertex[lone], 3)
    return _Cells("Strips", flat, offsets)


def _building_part(name: str, kind: int) -> Callable[[h5py.File, h5py.Group], bool]:
    def build(f: h5py.File, root: h5py.Group) -> bool:
        if "triangle_vertices" not in f:
            return False
        points = np.column_stack([f[f"building_vertex_{axis}"][...] for axis in "xyz"])
        cells = _strips(f, kind)
        used, renumbered = np.unique(cells.connectivity, return_inverse=True)
        _poly(root, name, points[used], _Cells("Strips", renumbered, cells.offsets))
        return True

    return build


def hexagon_corners(f: h5py.File) -> np.ndarray:
    """Corners (n, 6, 3) of the hexagons, flat side up, on the ground."""
    x, y = np.asarray(f["hexagon_x"][...]), np.asarray(f["hexagon_y"][...])
    angle = np.arange(6) * np.pi / 3
    corners = np.empty((len(x), 6, 3))
    corners[..., 0] = x[:, None] + HEXAGON_SIDE * np.cos(angle)
    corners[..., 1] = y[:, None] + HEXAGON_SIDE * np.sin(angle)
    corners[..., 2] = ground_height(f, x, y)[:, None]
    return corners


def _hexagons(f: h5py.File, root: h5py.Group) -> bool:
    if "hexagon_x" not in f:
        return False
    corners = hexagon_corners(f).reshape(-1, 3)
    cells = _Cells("Polygons", np.arange(len(corners)), np.arange(len(corners) // 6 + 1) * 6)
    _poly(root, "hexagons", corners, cells)
    return True


def _image(f: h5py.File, root: h5py.Group, fields: list[ResultVariable], steps: h5py.Group) -> None:
    """The lattice as a 2-D image: its (t, y, x) arrays ARE the root variables, by hard link."""
    x, y = f["x"][...], f["y"][...]
    group = root.create_group("field", track_order=True)
    group.attrs["Version"] = np.array((2, 0), "i8")
    set_attributes(group, Type="ImageData")
    group.attrs["WholeExtent"] = np.array([0, len(x) - 1, 0, len(y) - 1, 0, 0], "i8")
    group.attrs["Origin"] = np.array([x[0], y[0], 0.0])
    group.attrs["Spacing"] = np.array([x[1] - x[0], y[1] - y[0], 1.0])
    group.attrs["Direction"] = np.eye(3).ravel()
    data = group.create_group("PointData")
    for field in fields:
        data[field.name] = f[field.name]
    group["Steps"] = steps
    steps["Values"] = h5py.SoftLink(f"{STEPS}/Values")
    slow = {v.name: v.every for v in fields if v.every > 1}
    if slow:  # offsets of an image count steps
        offsets = steps.create_group("PointDataOffsets")
        for v in fields:
            offsets[v.name] = np.arange(f["time"].shape[0], dtype="i8") // v.every


_BLOCKS: dict[str, Callable[[h5py.File, h5py.Group], bool]] = {
    "terrain": _terrain,
    "roads": _roads,
    "power_branches": _branches,
    "power_buses": _buses,
    "building_roofs": _building_part("building_roofs", ROOF),
    "building_walls": _building_part("building_walls", WALL),
    "hexagons": _hexagons,
}

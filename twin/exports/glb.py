"""Binary glTF of one step: terrain, roads, power network, buildings and hexagons, each coloured by a result.

glTF is Y-up with single-precision positions: RD New (x east, y north, z NAP) becomes local metres from the origin
in ``extras``: X = x - x0, Y = z, Z = -(y - y0).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
import xarray as xr
from trimesh.visual import ColorVisuals

from twin.errors import RecordError
from twin.exports.terrain import Surface, decimate
from twin.readers.terrain import read_terrain
from twin.records import open_run
from twin.records.vtk_view import ground_height, hexagon_corners, road_lines

__all__ = ["building_points", "building_triangles", "colours", "export_glb", "glb_bytes"]

# Viridis at nine points (matplotlib, CC0): even in lightness and readable with colour blindness
VIRIDIS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    "f8",
)
GREY = np.array((150, 150, 150), "f8")
ROAD_WIDTH = (6.0, 40.0)  # m, at the lowest and highest value
ROAD_LIFT = 2.0  # m above the ground, so that ribbons do not sink into the terrain
MISSING = -1.0
POWER_WIDTH, POWER_LIFT = (4.0, 16.0), 6.0  # m
# layer -> (dimensions of the results that colour it, name of their vertex attribute)
LAYERS: dict[str, tuple[tuple[str, ...], str]] = {
    "terrain": (("y", "x"), "_FIELD"),
    "roads": (("road_link",), "_ROAD"),
    "power": (("branch",), "_BRANCH"),
    "buildings": (("building",), "_BUILDING"),
    "hexagons": (("hexagon",), "_HEXAGON"),
}
HEXAGON_LIFT = 1.0  # m


def export_glb(
    run: str | Path | xr.DataTree,
    out: str | Path,
    step: int = -1,
    field: str | None = None,
    road_field: str | None = None,
    *,
    building_field: str | None = None,
    layers: Sequence[str] | None = None,
    height_error: float | None = None,
    terrain: Path | None = None,
) -> Path:
    """Write the layers of output ``step`` to ``out`` (.glb) and return its path.

    ``field`` is a lattice result (default: the first of the run), ``road_field`` and ``building_field`` results per
    road link and building; power lines and hexagons show the first of theirs. Values go along as vertex attributes
    (``_FIELD``, ``_ROAD``, ``_BRANCH``, ``_BUILDING``, ``_HEXAGON``; -1 with a grey colour where missing) and the
    numbers of cells, links, branches, buildings and hexagons as ``_FEATURE_ID_0``. ``layers`` chooses among terrain,
    roads, power, buildings and hexagons (default: all that the run holds). ``height_error`` [m] gives the terrain as a
    decimated surface within that error; ``terrain`` takes its heights from a raster in RD New instead of the lattice.
    """
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    out = Path(out)
    steps = tree.sizes["time"]
    if not -steps <= step < steps:
        raise RecordError(f"{out}: step {step} asked, the run holds {steps}; choose 0..{steps - 1}, or -1 for the last")
    step %= steps
    data = tree.to_dataset()
    held = [name for name, variable in HOLDERS.items() if variable in data]
    wanted = held if layers is None else list(layers)
    for name in wanted:
        if name not in held:
            raise RecordError(f"{out}: the run holds no layer {name!r}; choose of {', '.join(held)}")
    if not wanted:
        raise RecordError(f"{out}: the run holds nothing to draw")
    named = {"terrain": field, "roads": road_field, "buildings": building_field}
    fields = {name: _chosen(tree, named.get(name), LAYERS[name][0]) for name in wanted}
    origin = _origin(data)
    scene = trimesh.Scene(metadata=_about(tree, data, step, origin))
    for name in wanted:
        shown = _values(data, fields[name], step)
        if name == "terrain":
            mesh = _terrain(data, shown, origin, height_error, terrain)
        else:
            mesh = _SHAPES[name](data, shown, origin)
        if len(mesh.faces):
            scene.add_geometry(mesh, node_name=name, geom_name=name)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_bytes(glb_bytes(scene))
    return part.replace(out)


def glb_bytes(scene: trimesh.Scene) -> bytes:
    """Binary glTF of a scene; normals are left to the viewer (flat shading), so no face needs vertices of its own."""
    return scene.export(file_type="glb", include_normals=False)


def _about(tree: xr.DataTree, data: xr.Dataset, step: int, origin: tuple[float, float]) -> dict[str, Any]:
    return {
        "origin_rd": [origin[0], origin[1], 0.0],
        "crs": "EPSG:7415",
        "axes": "X = RD x - x0, Y = NAP height, Z = y0 - RD y (metres)",
        "time": str(data["time"].values[step])[:19],
        "title": str(tree.attrs.get("title", "")),
        "run_id": str(tree.attrs.get("run_id", "")),
        "synthetic": int(tree.attrs.get("synthetic_province", 0)),
    }


@dataclass(frozen=True)
class _Shown:
    """Values of one result at one step, and what it is; none where a layer has no result."""

    name: str = ""
    values: np.ndarray | None = None
    units: str = "1"
    long_name: str = ""


def _values(data: xr.Dataset, name: str | None, step: int) -> _Shown:
    """A slower result shows the value of the interval that holds the step, missing where it is not yet over."""
    if name is None:
        return _Shown()
    array = data[name]
    every = int(array.attrs.get("output_steps", 1))
    row = step // every
    shape = array.shape[1:]
    values = array[row].values if row < array.shape[0] else np.full(shape, np.nan)
    return _Shown(name, values, str(array.attrs.get("units", "1")), str(array.attrs.get("long_name", name)))


def _chosen(tree: xr.DataTree, name: str | None, dims: tuple[str, ...]) -> str | None:
    fitting = [str(n) for n, v in tree.data_vars.items() if v.dims[1:] == dims and str(v.dims[0]).startswith("time")]
    if name is None:
        return fitting[0] if fitting else None
    if name not in fitting:
        raise RecordError(f"field {name!r} is no result of the run over {dims}; choose one of {', '.join(fitting)}")
    return name


def _origin(data: xr.Dataset) -> tuple[float, float]:
    """South-west corner, rounded down to whole kilometres so that it is easy to add back."""
    names = ("x", "y") if "x" in data else ("network_node_x", "network_node_y")
    return tuple(float(np.floor(data[n].values.min() / 1000) * 1000) for n in names)  # type: ignore[return-value]


def _local(points: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    return np.column_stack([points[:, 0] - origin[0], points[:, 2], origin[1] - points[:, 1]])


def colours(values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """RGBA bytes and the range shown; missing values grey."""
    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    share = np.clip((np.where(known, values, low) - low) / (high - low if high > low else 1.0), 0, 1)
    at = share * (len(VIRIDIS) - 1)
    rgb = np.column_stack([np.interp(at, np.arange(len(VIRIDIS)), VIRIDIS[:, k]) for k in range(3)])
    rgb[~known] = GREY
    return np.column_stack([rgb, np.full(len(rgb), 255.0)]).round().astype("u1"), [low, high]


def _mesh(vertices: np.ndarray, faces: np.ndarray, layer: str, shown: _Shown, ids: np.ndarray) -> trimesh.Trimesh:
    """A mesh whose vertices carry the number of their place, and its value and colour where a result is shown."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if shown.values is not None:
        values = shown.values.ravel()[ids]
        rgba, limits = colours(values)
        mesh.visual = ColorVisuals(mesh, vertex_colors=rgba)
        # glTF knows no NaN
        mesh.vertex_attributes[LAYERS[layer][1]] = np.where(np.isfinite(values), values, MISSING).astype("f4")
        mesh.metadata |= {"field": shown.name, "units": shown.units, "long_name": shown.long_name, "range": limits}
        mesh.metadata["missing"] = MISSING
    mesh.vertex_attributes["_FEATURE_ID_0"] = ids.astype("f4")
    return mesh


def _terrain(
    data: xr.Dataset, shown: _Shown, origin: tuple[float, float], height_error: float | None, raster: Path | None
) -> trimesh.Trimesh:
    """Ground at the cell centres of the lattice, or of a raster; ids are lattice cells."""
    xs, ys = data["x"].values, data["y"].values
    if raster is not None:
        x, y, z = read_terrain(raster)
    else:
        x, y, z = xs, ys, data["elevation"].values.astype("f8")
    surface = _all(z) if height_error is None else decimate(z, height_error)
    if not len(surface.triangles):
        raise RecordError("the terrain has no known height anywhere")
    px, py, pz = x[surface.column], y[surface.row], z[surface.row, surface.column]
    column = np.rint((px - xs[0]) / (xs[1] - xs[0])).astype("i8")
    row = np.rint((py - ys[0]) / (ys[1] - ys[0])).astype("i8")
    inside = (column >= 0) & (column < len(xs)) & (row >= 0) & (row < len(ys))
    if not inside.all():
        raise RecordError(f"{raster}: reaches beyond the lattice of the run; cut it to the province")
    mesh = _mesh(
        _local(np.column_stack([px, py, pz]), origin), surface.triangles, "terrain", shown, row * len(xs) + column
    )
    mesh.metadata["height_error_m"] = surface.error
    return mesh


def _all(z: np.ndarray) -> Surface:
    """Every sample with a height, in two triangles per square of four."""
    ny, nx = z.shape
    index = np.arange(nx * ny).reshape(ny, nx)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    faces = faces[np.isfinite(z).ravel()[faces].all(axis=1)]
    used, triangles = np.unique(faces, return_inverse=True)
    return Surface(used // nx, used % nx, triangles.reshape(-1, 3), 0.0)


def _ribbons(
    points: np.ndarray, offsets: np.ndarray, shown: _Shown, width: tuple[float, float], lift: float, layer: str, origin
) -> trimesh.Trimesh:
    """Polylines as flat ribbons whose width follows the value."""
    count = np.diff(offsets)
    link = np.repeat(np.arange(len(count)), count)
    first = np.flatnonzero(link[:-1] == link[1:])  # one ribbon per piece between two vertices of a link
    a, b = points[first], points[first + 1]
    along = b[:, :2] - a[:, :2]
    length = np.hypot(along[:, 0], along[:, 1])
    keep = length > 0
    a, b, along, length, link = a[keep], b[keep], along[keep], length[keep], link[first][keep]
    share = np.zeros(len(count))
    values = shown.values
    if values is not None and np.isfinite(values).any() and np.nanmax(np.abs(values)) > 0:
        share = np.nan_to_num(np.abs(values) / np.nanmax(np.abs(values)))
    half = (width[0] + (width[1] - width[0]) * share[link]) / 2
    side = np.zeros_like(a)
    side[:, 0], side[:, 1] = -along[:, 1] / length * half, along[:, 0] / length * half
    corners = np.stack([a - side, a + side, b + side, b - side], axis=1)
    corners[..., 2] += lift
    start = 4 * np.arange(len(a))[:, None]
    faces = np.concatenate([start + np.array([0, 2, 1]), start + np.array([0, 3, 2])])
    return _mesh(_local(corners.reshape(-1, 3), origin), faces, layer, shown, np.repeat(link, 4))


def _roads(data: xr.Dataset, shown: _Shown, origin: tuple[float, float]) -> trimesh.Trimesh:
    return _ribbons(*road_lines(data), shown, ROAD_WIDTH, ROAD_LIFT, "roads", origin)


def _power(data: xr.Dataset, shown: _Shown, origin: tuple[float, float]) -> trimesh.Trimesh:
    x, y = data["bus_x"].values, data["bus_y"].values
    bus = np.column_stack([x, y, ground_height(data, x, y)])
    ends = data["power_edge_nodes"].values
    return _ribbons(bus[ends.ravel()], np.arange(len(ends) + 1) * 2, shown, POWER_WIDTH, POWER_LIFT, "power", origin)


def _buildings(data: xr.Dataset, shown: _Shown, origin: tuple[float, float]) -> trimesh.Trimesh:
    points, triangles, owner = building_triangles(data, building_points(data))
    return _mesh(_local(points, origin), triangles, "buildings", shown, owner)


def building_points(data: xr.Dataset) -> np.ndarray:
    """Vertices (n, 3) of all buildings [m RD, m RD, m NAP]."""
    return np.column_stack([data[f"building_vertex_{axis}"].values.astype("f8") for axis in "xyz"])


def building_triangles(
    data: xr.Dataset, points: np.ndarray, chosen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Those of ``points``, triangles and the building of each point; no vertex belongs to two buildings.

    ``points`` (n, 3) are positions of all vertices; ``chosen`` are numbers of buildings (default: all).
    """
    triangles, owner = data["triangle_vertices"].values.astype("i8"), data["triangle_building"].values.astype("i8")
    if chosen is not None:
        kept = np.isin(owner, chosen)
        triangles, owner = triangles[kept], owner[kept]
    key = owner[:, None] * len(points) + triangles
    used, renumbered = np.unique(key, return_inverse=True)
    return points[used % len(points)], renumbered.reshape(-1, 3), used // len(points)


def _hexagons(data: xr.Dataset, shown: _Shown, origin: tuple[float, float]) -> trimesh.Trimesh:
    corners = hexagon_corners(data)
    corners[..., 2] += HEXAGON_LIFT
    start = 6 * np.arange(len(corners))[:, None]
    faces = np.concatenate([start + np.array([0, k, k + 1]) for k in range(1, 5)])
    return _mesh(
        _local(corners.reshape(-1, 3), origin), faces, "hexagons", shown, np.repeat(np.arange(len(corners)), 6)
    )


# layer -> root variable without which the run does not hold it
HOLDERS = {
    "terrain": "elevation",
    "roads": "network_edge_nodes",
    "power": "power_edge_nodes",
    "buildings": "triangle_vertices",
    "hexagons": "hexagon_x",
}
_SHAPES: dict[str, Callable[[xr.Dataset, _Shown, tuple[float, float]], trimesh.Trimesh]] = {
    "roads": _roads,
    "power": _power,
    "buildings": _buildings,
    "hexagons": _hexagons,
}

"""Binary glTF of one step: terrain coloured by a field, roads as ribbons coloured by a result.

glTF is Y-up with single-precision positions: RD New (x east, y north, z NAP) becomes local metres from the origin
in ``extras``: X = x - x0, Y = z, Z = -(y - y0).
"""

from pathlib import Path

import numpy as np
import trimesh
import xarray as xr
from trimesh.visual import ColorVisuals

from twin.errors import RecordError
from twin.records import open_run
from twin.records.vtk_view import road_lines

__all__ = ["export_glb"]

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
PLACED = {("y", "x"): "terrain", ("road_link",): "roads"}


def export_glb(
    run: str | Path | xr.DataTree,
    out: str | Path,
    step: int = -1,
    field: str | None = None,
    road_field: str | None = None,
) -> Path:
    """Write terrain and roads of output ``step`` to ``out`` (.glb) and return its path.

    ``field`` is a lattice result (default: the first of the run), ``road_field`` a result per road link. Values go
    along as vertex attributes ``_FIELD`` and ``_ROAD`` and link numbers as ``_FEATURE_ID_0``.
    """
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    out = Path(out)
    steps = tree.sizes["time"]
    if not -steps <= step < steps:
        raise RecordError(f"{out}: step {step} asked, the run holds {steps}; choose 0..{steps - 1}, or -1 for the last")
    field = _chosen(tree, field, ("y", "x"))
    road_field = _chosen(tree, road_field, ("road_link",))
    data = tree.to_dataset()
    origin = _origin(data)
    about = {
        "origin_rd": [origin[0], origin[1], 0.0],
        "crs": "EPSG:7415",
        "axes": "X = RD x - x0, Y = NAP height, Z = y0 - RD y (metres)",
        "time": str(data["time"].values[step])[:19],
        "title": str(tree.attrs.get("title", "")),
        "run_id": str(tree.attrs.get("run_id", "")),
        "synthetic": int(tree.attrs.get("synthetic_province", 0)),
    }
    scene = trimesh.Scene(metadata=about)
    if "elevation" in data:
        scene.add_geometry(_terrain(data, step, field, origin), node_name="terrain", geom_name="terrain")
    if "network_edge_nodes" in data:
        scene.add_geometry(_roads(data, step, road_field, origin), node_name="roads", geom_name="roads")
    if not scene.geometry:
        raise RecordError(f"{out}: the run holds neither a lattice nor roads to draw")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_bytes(scene.export(file_type="glb"))
    return part.replace(out)


def _chosen(tree: xr.DataTree, name: str | None, dims: tuple[str, ...]) -> str | None:
    fitting = [str(n) for n, v in tree.data_vars.items() if v.dims == ("time", *dims)]
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


def _colours(values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """RGBA bytes and the range shown; missing values grey."""
    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    share = np.clip((np.where(known, values, low) - low) / (high - low if high > low else 1.0), 0, 1)
    at = share * (len(VIRIDIS) - 1)
    rgb = np.column_stack([np.interp(at, np.arange(len(VIRIDIS)), VIRIDIS[:, k]) for k in range(3)])
    rgb[~known] = GREY
    return np.column_stack([rgb, np.full(len(rgb), 255.0)]).round().astype("u1"), [low, high]


def _mesh(vertices, faces, values, attribute, name, data, ids=None) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if values is not None:
        colours, shown = _colours(values)
        mesh.visual = ColorVisuals(mesh, vertex_colors=colours)
        mesh.vertex_attributes[attribute] = values.astype("f4")
        about = data[name].attrs
        mesh.metadata |= {"field": name, "units": about.get("units", "1"), "long_name": about.get("long_name", name)}
        mesh.metadata["range"] = shown
    if ids is not None:
        mesh.vertex_attributes["_FEATURE_ID_0"] = ids.astype("f4")
    return mesh


def _terrain(data: xr.Dataset, step: int, field: str | None, origin: tuple[float, float]) -> trimesh.Trimesh:
    z = data["elevation"].values.astype("f8")
    ny, nx = z.shape
    x, y = np.meshgrid(data["x"].values, data["y"].values)
    index = np.arange(nx * ny).reshape(ny, nx)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    known = np.isfinite(z).ravel()
    faces = faces[known[faces].all(axis=1)]
    used = np.unique(faces)
    renumber = np.zeros(nx * ny, "i8")
    renumber[used] = np.arange(len(used))
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()])[used]
    values = data[field][step].values.ravel()[used] if field else None
    return _mesh(_local(points, origin), renumber[faces], values, "_FIELD", field, data, used)


def _roads(data: xr.Dataset, step: int, field: str | None, origin: tuple[float, float]) -> trimesh.Trimesh:
    points, offsets = road_lines(data)
    count = np.diff(offsets)
    link = np.repeat(np.arange(len(count)), count)
    first = np.flatnonzero(link[:-1] == link[1:])  # one ribbon per piece between two vertices of a link
    a, b = points[first], points[first + 1]
    along = b[:, :2] - a[:, :2]
    length = np.hypot(along[:, 0], along[:, 1])
    keep = length > 0
    a, b, along, length, link = a[keep], b[keep], along[keep], length[keep], link[first][keep]
    values = data[field][step].values if field else None
    share = np.zeros(len(count))
    if values is not None and np.isfinite(values).any() and np.nanmax(np.abs(values)) > 0:
        share = np.nan_to_num(np.abs(values) / np.nanmax(np.abs(values)))
    half = (ROAD_WIDTH[0] + (ROAD_WIDTH[1] - ROAD_WIDTH[0]) * share[link]) / 2
    side = np.zeros_like(a)
    side[:, 0], side[:, 1] = -along[:, 1] / length * half, along[:, 0] / length * half
    corners = np.stack([a - side, a + side, b + side, b - side], axis=1)
    corners[..., 2] += ROAD_LIFT
    start = 4 * np.arange(len(a))[:, None]
    faces = np.concatenate([start + np.array([0, 2, 1]), start + np.array([0, 3, 2])])
    at = np.repeat(link, 4)
    shown = values[at] if values is not None else None
    return _mesh(_local(corners.reshape(-1, 3), origin), faces, shown, "_ROAD", field, data, at)

"""3D Tiles 1.1 of a run's buildings and ground: geometry and identities; values go beside, as a table per building.

3D Tiles has no standard for values that change in time, so results stay in the run file, and ``buildings.csv`` holds
those of one step by building and BAG id for colouring. Tiles are binary glTF with EXT_mesh_features and
EXT_structural_metadata (specification: https://docs.ogc.org/cs/22-025r4/22-025r4.html). Every vertex is transformed by
itself to geocentric ETRS89 and stored relative to the middle of its tile, east, north and up, so that single precision
and the curve of the earth cost less than a centimetre.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import trimesh
import xarray as xr

from twin.errors import RecordError
from twin.exports.geodesy import east_north_up, to_ecef
from twin.exports.glb import building_points, building_triangles, colours, glb_bytes
from twin.exports.terrain import decimate
from twin.records import open_run

__all__ = ["building_values", "export_tiles"]

TILE = 500.0  # m
GROUND_ERROR = 0.5  # m of height that the ground of a tileset may be off
SHOWN_FROM = 200.0  # m, geometric error of the root: buildings are loaded when this is visible on the screen
COLUMNS = {
    "building_id": ("building_id", "STRING", "identity in the source"),
    "bag_id": ("building_bag_id", "STRING", "BAG building (pand)"),
    "height": ("building_height", "FLOAT32", "highest point above the lowest, m"),
    "number": ("building", "UINT32", "number of the building in the run file"),
}


def export_tiles(
    run: str | Path | xr.DataTree, out: str | Path, step: int = -1, *, height_error: float = GROUND_ERROR
) -> Path:
    """Write ``tileset.json``, its tiles and ``buildings.csv`` into the folder ``out``; return the path of the tileset.

    The ground is a decimated surface within ``height_error`` [m]. Raises :class:`twin.errors.DataError` where the grids
    of the transformation are not installed, and :class:`RecordError` where the run holds no buildings or the folder
    is not empty.
    """
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    out, data = Path(out), tree.to_dataset()
    if "triangle_vertices" not in data:
        raise RecordError(f"{out}: the run holds no buildings; export its terrain and roads with --glb")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecordError(f"{out}: is not an empty folder; choose another --out")
    values = building_values(tree, step)
    x, y = data["building_x"].values, data["building_y"].values
    middle = np.array([[x.mean(), y.mean(), 0.0]])
    root = east_north_up(to_ecef(middle)[0])
    place = np.floor(np.column_stack([x, y]) / TILE).astype("i8")
    tiles, of = np.unique(place, axis=0, return_inverse=True)
    of = of.ravel()
    points = to_ecef(building_points(data))
    children, boxes = [], []
    written: dict[str, bytes] = {}
    for k, (column, row) in enumerate(tiles.tolist()):
        chosen = np.flatnonzero(of == k)
        ecef, triangles, owner = building_triangles(data, points, chosen)
        number = np.searchsorted(chosen, owner)
        table = {name: data[source].values[chosen] for name, (source, _, _) in COLUMNS.items()}
        name = f"buildings/{column}_{row}.glb"
        tile, written[name] = _tile(ecef, triangles, number, table, name, root, 0.0)
        children.append(tile)
        boxes.append(ecef)
    ground = _ground(data, root, height_error)
    if ground is not None:
        tile, written["ground.glb"], ecef = ground
        children.append(tile)
        boxes.append(ecef)
    tileset = {
        "asset": {"version": "1.1", "generator": "province-twin", "extras": _about(tree, height_error)},
        "geometricError": 10 * SHOWN_FROM,
        "root": {
            "transform": root.T.ravel().tolist(),
            "boundingVolume": {"box": _box(_local(np.concatenate(boxes), root))},
            "geometricError": SHOWN_FROM,
            "refine": "ADD",
            "children": children,
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "buildings").mkdir()
    for name, raw in written.items():
        (out / name).write_bytes(raw)
    values.to_csv(out / "buildings.csv", index=False)
    path = out / "tileset.json"
    path.write_text(json.dumps(tileset, indent=1, ensure_ascii=False), encoding="utf8")  # last: it makes the set whole
    return path


def building_values(run: str | Path | xr.DataTree, step: int = -1) -> pd.DataFrame:
    """One row per building: identities, place, and every result of one step with its unit, first with a colour."""
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    data, steps = tree.to_dataset(), tree.sizes["time"]
    if "building_id" not in data:
        raise RecordError("the run holds no buildings")
    if not -steps <= step < steps:
        raise RecordError(f"step {step} asked, the run holds {steps}; choose 0..{steps - 1}, or -1 for the last")
    columns: dict[str, Any] = {
        "building_id": data["building_id"].values,
        "bag_id": data["building_bag_id"].values,
        "x": data["building_x"].values.round(2),
        "y": data["building_y"].values.round(2),
        "time": str(data["time"].values[step])[:19],
    }
    for name, array in data.data_vars.items():
        if array.dims == ("time", "building"):
            values = array[step].values
            columns[f"{name} [{array.attrs.get('units', '1')}]"] = values
            if "colour" not in columns:
                rgb = colours(values)[0]
                columns["colour"] = ["#{:02x}{:02x}{:02x}".format(*c[:3]) for c in rgb]
    return pd.DataFrame(columns)


def _about(tree: xr.DataTree, height_error: float) -> dict[str, Any]:
    return {
        "title": str(tree.attrs.get("title", "")),
        "run_id": str(tree.attrs.get("run_id", "")),
        "synthetic_province": int(tree.attrs.get("synthetic_province", 0)),
        "crs": "EPSG:4936 (geocentric ETRS89), from EPSG:7415 by RDNAPTRANS 2018",
        "ground_height_error_m": height_error,
    }


def _ground(data: xr.Dataset, root: np.ndarray, height_error: float) -> tuple[dict[str, Any], bytes, np.ndarray] | None:
    """The ground of the lattice around the buildings, as one tile."""
    if "elevation" not in data:
        return None
    xs, ys = data["x"].values, data["y"].values
    span = []
    for axis, values in (("x", xs), ("y", ys)):
        low, high = data[f"building_{axis}"].values.min() - 2 * TILE, data[f"building_{axis}"].values.max() + 2 * TILE
        inside = np.flatnonzero((values >= low) & (values <= high))
        if len(inside) < 2:
            return None
        span.append(slice(inside[0], inside[-1] + 1))
    z = data["elevation"].values[span[1], span[0]].astype("f8")
    surface = decimate(z, height_error)
    if not len(surface.triangles):
        return None
    points = np.column_stack([xs[span[0]][surface.column], ys[span[1]][surface.row], z[surface.row, surface.column]])
    ecef = to_ecef(points)
    tile, raw = _tile(ecef, surface.triangles, None, {}, "ground.glb", root, surface.error)
    return tile, raw, ecef


def _tile(
    ecef: np.ndarray,
    triangles: np.ndarray,
    number: np.ndarray | None,
    table: Mapping[str, np.ndarray],
    name: str,
    root: np.ndarray,
    error: float,
) -> tuple[dict[str, Any], bytes]:
    """Entry of a tile in the tileset, and its binary glTF."""
    frame = east_north_up((ecef.min(axis=0) + ecef.max(axis=0)) / 2)
    local = _local(ecef, frame)
    mesh = trimesh.Trimesh(np.column_stack([local[:, 0], local[:, 2], -local[:, 1]]), triangles, process=False)
    if number is not None:
        mesh.vertex_attributes["_FEATURE_ID_0"] = number.astype("f4")
    raw = glb_bytes(trimesh.Scene([mesh]))
    if number is not None:
        raw = _with_table(raw, table)
    entry = {
        "transform": (np.linalg.inv(root) @ frame).T.ravel().tolist(),
        "boundingVolume": {"box": _box(local)},
        "geometricError": error,
        "content": {"uri": name},
    }
    return entry, raw


def _local(ecef: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return (ecef - frame[:3, 3]) @ frame[:3, :3]


def _box(points: np.ndarray) -> list[float]:
    """Middle and half axes of a box around points, a millimetre wider for the rounding to single precision."""
    low, high = points.min(axis=0) - 1e-3, points.max(axis=0) + 1e-3
    return [*((low + high) / 2).tolist(), *np.diag((high - low) / 2).ravel().tolist()]


def _with_table(glb: bytes, table: Mapping[str, np.ndarray]) -> bytes:
    """The glTF with a table of properties per feature: EXT_mesh_features and EXT_structural_metadata."""
    length = struct.unpack_from("<I", glb, 12)[0]
    tree = json.loads(glb[20 : 20 + length])
    binary = bytearray(glb[28 + length :])
    count = len(next(iter(table.values())))

    def view(raw: bytes) -> int:
        binary.extend(b"\0" * (-len(binary) % 8))
        tree["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(raw)})
        binary.extend(raw)
        return len(tree["bufferViews"]) - 1

    declared: dict[str, Any] = {}
    stored: dict[str, Any] = {}
    for name, values in table.items():
        _, kind, about = COLUMNS[name]
        if kind == "STRING":
            texts = [str(v).encode() for v in values]
            ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
            declared[name] = {"type": "STRING", "description": about}
            # a view may not be empty, even where all texts are
            stored[name] = {"values": view(b"".join(texts) or b"\0"), "stringOffsets": view(ends.tobytes())}
        else:
            declared[name] = {"type": "SCALAR", "componentType": kind, "description": about}
            stored[name] = {"values": view(values.astype({"FLOAT32": "<f4", "UINT32": "<u4"}[kind]).tobytes())}
    binary.extend(b"\0" * (-len(binary) % 4))
    tree["buffers"][0]["byteLength"] = len(binary)
    tree["extensionsUsed"] = sorted({*tree.get("extensionsUsed", []), "EXT_mesh_features", "EXT_structural_metadata"})
    tree.setdefault("extensions", {})["EXT_structural_metadata"] = {
        "schema": {"id": "province_twin", "classes": {"building": {"properties": declared}}},
        "propertyTables": [{"class": "building", "count": count, "properties": stored}],
    }
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            feature = {"featureCount": count, "attribute": 0, "propertyTable": 0}
            primitive.setdefault("extensions", {})["EXT_mesh_features"] = {"featureIds": [feature]}
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + bytes(binary)
    return head + chunks

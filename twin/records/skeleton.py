"""What a run file holds before its first step: dimensions, times, the world, and results yet to be filled."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import xarray as xr
from pyproj import CRS

from twin.errors import RecordError
from twin.records import layout
from twin.records.layout import GZIP, ResultVariable, set_attributes
from twin.records.rounding import to_single

__all__ = ["attribute_text", "set_indicators", "set_result", "set_root_attributes", "set_times", "set_world"]

MISSING_INTEGER = {"i1": -128, "i2": -32768, "i4": -(2**31), "u1": 255, "u2": 65535, "u4": 2**32 - 1}


def attribute_text(value: Any) -> Any:
    """A value as an attribute: texts and numbers as they are, mappings and lists as JSON."""
    if isinstance(value, str | int | float | np.integer | np.floating) or value is None:
        return value
    return json.dumps(value, sort_keys=True, default=str)


def set_root_attributes(
    f: h5py.File,
    world: xr.DataTree,
    provenance: Mapping[str, Any],
    table: Mapping[str, list[tuple[ResultVariable, int | None]]],
) -> None:
    """Who made the run of what, what of it is synthetic, and that no step is written yet."""
    synthetic = {
        f"{node.path}/{name}".lstrip("/"): str(v.attrs.get("rule", ""))
        for node in world.subtree
        for name, v in node.data_vars.items()
        if int(v.attrs.get("synthetic", 0))
    }
    for parts in table.values():
        synthetic |= {part.name: part.rule for part, _ in parts if part.synthetic}
    given = {
        "title": world.name or "province",
        "synthetic_province": int(bool(world.attrs.get("synthetic", 0))),
        **provenance,
        "synthetic_variables": synthetic,
    }
    given.setdefault("run_id", uuid.uuid4().hex)
    given.setdefault("scenario", "base")
    set_attributes(f, Conventions="CF-1.11 UGRID-1.0", engine=layout.ENGINE, layout_version=layout.LAYOUT_VERSION)
    for name, value in given.items():
        value = attribute_text(value)
        if isinstance(value, str) and len(value.encode()) > layout.ATTRIBUTE_LIMIT:
            # too long for an attribute: a root dataset, named by the attribute
            f.create_dataset(f"{layout.LONG_TEXT}{name}", data=np.bytes_(value.encode()))
            value = f"see the variable {layout.LONG_TEXT}{name}"
        set_attributes(f, **{name: value})
    set_attributes(f, output_status="running", steps_written=0)


def set_indicators(f: h5py.File, rows: Sequence[tuple[str, str, float, str]]) -> None:
    """The table of totals: name, unit, value and kind over the dimension ``indicator``."""
    for name in (*(f"indicator_{column}" for column in layout.INDICATOR_COLUMNS), "indicator"):
        if name in f:  # of a finish that was cut off
            del f[name]
    if not rows:
        return
    _scale(f, "indicator", np.arange(len(rows), dtype="i4"), long_name="index of the indicator")
    columns = {
        "name": (np.array([r[0].encode() for r in rows]), "result and statistic"),
        "units": (np.array([r[1].encode() or b"1" for r in rows]), "unit of the value"),
        "value": (np.array([float(r[2]) for r in rows]), "value in the unit of its row"),
        "kind": (np.array([r[3].encode() for r in rows]), "additive over regions, or a ratio or peak, which is not"),
    }
    for column in layout.INDICATOR_COLUMNS:
        values, long_name = columns[column]
        d = f.create_dataset(f"indicator_{column}", data=values)
        d.dims[0].attach_scale(f["indicator"])
        set_attributes(d, long_name=long_name)


def _scale(f: h5py.File, name: str, values: np.ndarray, **attributes: Any) -> None:
    """A dimension: its scale must be a root dataset, and an index must be int32."""
    d = f.create_dataset(name, data=values)
    d.make_scale(name)
    set_attributes(d, **attributes)


def set_times(f: h5py.File, stamps: np.ndarray, bounds: np.ndarray | None, rates: Sequence[int]) -> None:
    """The common output times, and a time axis for each slower rate whose values span several of them."""
    origin = stamps[0].astype("datetime64[s]")

    def seconds(values: np.ndarray) -> np.ndarray:
        return (values - origin) / np.timedelta64(1, "s")

    about = {
        "units": f"seconds since {str(origin).replace('T', ' ')}",
        "calendar": "proleptic_gregorian",
        "standard_name": "time",
        "axis": "T",
    }
    _scale(f, "time", seconds(stamps), **about, long_name="time (UTC)")
    _scale(f, "two", np.arange(2, dtype="i4"), long_name="pair")
    ends = None
    if bounds is not None:
        ends = np.asarray(bounds, dtype="datetime64[ns]")
        if ends.shape != (len(stamps), 2):
            raise RecordError(f"time bounds of shape {ends.shape}; {(len(stamps), 2)} wanted")
        _bounds(f, "time", seconds(ends))
    for every in rates:
        if every == 1:
            continue
        name = layout.time_axis(every)
        long_name = f"time (UTC) of results with one value per {every} output steps"
        _scale(f, name, seconds(stamps[::every]), **about, long_name=long_name, output_steps=every)
        if ends is not None:
            _bounds(f, name, seconds(np.column_stack([ends[::every, 0], ends[every - 1 :: every, 1]])))


def _bounds(f: h5py.File, axis: str, ends: np.ndarray) -> None:
    d = f.create_dataset(f"{axis}_bounds", data=ends)
    d.dims[0].attach_scale(f[axis])
    d.dims[1].attach_scale(f["two"])
    set_attributes(f[axis], bounds=f"{axis}_bounds")


def set_world(f: h5py.File, world: xr.DataTree) -> None:
    """Coordinate systems, dimensions and layers of the world, and the topology of its networks."""
    crs = CRS.from_epsg(28992)
    d = f.create_dataset("crs", data=np.int32(0))
    set_attributes(d, **{k: v for k, v in crs.to_cf().items() if isinstance(v, str | int | float)})
    set_attributes(d, spatial_ref=crs.to_wkt(), epsg=28992, long_name="Amersfoort / RD New")
    d = f.create_dataset("vertical_crs", data=np.int32(0))
    set_attributes(d, epsg=5709, long_name="NAP height", units="m")
    groups = {name: node.to_dataset() for name, node in world.children.items()}
    if "lattice" in groups:
        for name in "yx":
            _cell_centres(f, name, groups["lattice"][name].values.astype("f8"))
    for group, named in layout.AXES:
        for dim in named:
            if group in groups and dim in groups[group].sizes:
                _index(f, dim, groups[group])
    for group, variable, name, dims in layout.STATICS:
        if group in groups and variable in groups[group]:
            _static(f, groups[group][variable], name, dims)
    if "roads" in groups:
        _mesh(f, "network", "road_link", "network_node", groups["roads"], ("from_node", "to_node"), "road network")
    if "power" in groups:
        _mesh(f, "power_network", "branch", "bus", groups["power"], ("branch_from", "branch_to"), "power network")


def _cell_centres(f: h5py.File, name: str, values: np.ndarray) -> None:
    if len(values) < 2 or (np.diff(values) <= 0).any():
        raise RecordError(f"world lattice/{name}: cell centres must ascend and be two at least")
    about = {
        "units": "m",
        "standard_name": f"projection_{name}_coordinate",
        "long_name": f"RD New {name} of the cell centre",
        "axis": name.upper(),
    }
    _scale(f, name, values, **about)


def _index(f: h5py.File, dim: str, group: xr.Dataset) -> None:
    """A dimension that counts, and a second one of its length for texts."""
    size = group.sizes[dim]
    given = dim == "area_cell" and dim in group
    values = group[dim].values.astype("i4") if given else np.arange(size, dtype="i4")
    about = "flat lattice cell (row * nx + column)" if given else f"index of the {dim.replace('_', ' ')}"
    _scale(f, dim, values, long_name=about)
    if dim in layout.LABELS:
        label = layout.LABELS[dim]
        _scale(f, label, np.arange(size, dtype="i4"), long_name=f"{about} (for texts)", labels_of=dim)


def _static(f: h5py.File, source: xr.DataArray, name: str, dims: tuple[str, ...]) -> None:
    if source.dims != dims:
        raise RecordError(f"world variable {source.name!r}: dims {source.dims}, {dims} wanted")
    values = _stored(source.values, name, on_mesh=dims[-1] in layout.MESHES)
    if values.dtype.kind == "S":
        dims = tuple(layout.LABELS.get(dim, dim) for dim in dims)
    fill = {"fillvalue": np.nan} if values.dtype.kind == "f" else {}
    d = f.create_dataset(name, data=values, **fill, **(GZIP if values.size else {}))
    if fill:
        d.attrs["_FillValue"] = np.array([np.nan], values.dtype)  # GDAL draws an undeclared NaN as 0
    for i, dim in enumerate(dims):
        d.dims[i].attach_scale(f[dim])
    set_attributes(d, **{**_about_static(source, name, values.dtype), **_placed(dims)})


def _stored(values: np.ndarray, name: str, *, on_mesh: bool) -> np.ndarray:
    """A layer of the world in a type that every reader of the run file takes."""
    kind = values.dtype.kind
    if kind in "UO":
        return np.array([str(v).encode() for v in values.ravel()], dtype=bytes).reshape(values.shape)
    if kind == "f":
        return values if name in layout.DOUBLE else to_single(values, name)
    if kind == "b":
        return values.astype("i4" if on_mesh else "i1")
    if kind in "iu" and (on_mesh or values.dtype.itemsize > 4):
        return values.astype("i4")  # QGIS reads no shorter integers on a mesh
    return values


def _about_static(source: xr.DataArray, name: str, dtype: np.dtype) -> dict[str, Any]:
    """Attributes of a layer of the world."""
    about: dict[str, Any] = {
        k: str(v) if isinstance(v, str) else v
        for k, v in source.attrs.items()
        if isinstance(v, str | int | float | np.integer | np.floating) and k not in ("_FillValue", "grid_mapping")
    }
    about.setdefault("long_name", name.replace("_", " "))
    for key in ("flag_values", "flag_meanings"):
        if key in source.attrs:
            value = source.attrs[key]
            about[key] = value if isinstance(value, str) else np.asarray(value, dtype)
    if name in ("network_node_x", "network_node_y", "bus_x", "bus_y"):
        about["standard_name"] = f"projection_{name[-1]}_coordinate"
    return about


def _placed(dims: tuple[str, ...]) -> dict[str, str]:
    """CF and UGRID attributes of where a variable lies."""
    if dims == ("y", "x"):
        return {"grid_mapping": "crs"}
    if len(dims) == 1 and dims[0] in layout.MESHES:
        mesh, location = layout.MESHES[dims[0]]
        return {"mesh": mesh, "location": location, "grid_mapping": "crs"}
    return {}


def _mesh(
    f: h5py.File, name: str, edge: str, nodes: str, group: xr.Dataset, ends: tuple[str, str], long_name: str
) -> None:
    """A UGRID-1D topology at the root, where QGIS looks for it."""
    prefix = "network" if name == "network" else "power"
    pairs = np.column_stack([group[end].values.astype("i4") for end in ends])
    d = f.create_dataset(f"{prefix}_edge_nodes", data=pairs, **(GZIP if pairs.size else {}))
    d.dims[0].attach_scale(f[edge])
    d.dims[1].attach_scale(f["two"])
    set_attributes(d, cf_role="edge_node_connectivity", start_index=0, long_name=f"nodes at the ends of each {edge}")
    d = f.create_dataset(name, data=np.int32(0))
    set_attributes(
        d,
        cf_role="mesh_topology",
        topology_dimension=1,
        node_coordinates=f"{nodes}_x {nodes}_y",
        edge_node_connectivity=f"{prefix}_edge_nodes",
        edge_dimension=edge,
        node_dimension="road_node" if name == "network" else "bus",
        long_name=long_name,
    )


def set_result(f: h5py.File, part: ResultVariable, bits: int) -> None:
    """A result for all planned steps; chunks come into being as steps are written."""
    for dim in part.dims:
        if dim not in f:
            raise RecordError(
                f"result {part.name!r}: dimension {dim!r} is not in the run file; known: y, x, road_link, bus, "
                f"branch, building, hexagon, origin, area, and vehicle_class before one of them"
            )
    shape = (f[part.time].shape[0], *(f[dim].shape[0] for dim in part.dims))
    kind = part.stored_dtype
    fill = np.nan if kind.startswith("f") else MISSING_INTEGER[kind]
    if part.name in f:
        raise RecordError(f"result {part.name!r}: the run file already holds a variable of this name; rename it")
    if part.dims:
        chunks = (1, *(max(1, min(n, layout.CHUNK)) for n in shape[1:])) if len(part.dims) > 1 else (1, *shape[1:])
        d = f.create_dataset(part.name, shape=shape, dtype=kind, chunks=chunks, fillvalue=fill, **GZIP)
    else:
        d = f.create_dataset(part.name, shape=shape, dtype=kind, fillvalue=fill)
    for i, dim in enumerate((part.time, *part.dims)):
        d.dims[i].attach_scale(f[dim])
    d.attrs["_FillValue"] = np.array([fill], dtype=kind)
    set_attributes(
        d,
        result=1,
        units=part.units,
        long_name=part.long_name,
        cell_methods=part.cell_methods or None,
        component=part.component or None,
        output_steps=part.every if part.every > 1 else None,
        significant_bits=bits or None,
        synthetic=1 if part.synthetic else None,
        rule=part.rule or None,
        **_placed(part.dims),
        **dict(part.attributes),
    )

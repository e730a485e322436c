"""Layout v1 of a run file: names, filters, attribute types and the tables of what is stored where.

One HDF5 file serves xarray, GDAL, QGIS, VTK and a browser at once, under the rules that :mod:`twin.records.validate`
checks. CF-1.11 and UGRID-1.0 variables lie at the root; ``/VTKHDF`` shows the same bytes to VTK by hard links and
virtual datasets.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from twin.errors import RecordError
from twin.variables import Variable

__all__ = [
    "GZIP",
    "LAYOUT_VERSION",
    "LIBVER",
    "ResultVariable",
    "class_labels",
    "coordinates_hash",
    "live_path",
    "open_shared",
    "result_variables",
    "set_attributes",
    "steps_per_value",
    "time_axis",
]

LAYOUT_VERSION = 1
ENGINE = "province-twin"
# Superblock v0: a killed writer leaves no "open for write" mark; VTK's HDF5 1.14 reads the virtual datasets.
LIBVER = ("earliest", "v110")
# The only filters that every reader decodes.
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
INDICATOR_COLUMNS = ("name", "units", "value", "kind")  # of the table of totals
CHUNK = 512  # cells along each side of a chunk of a lattice field
ATTRIBUTE_LIMIT = 60_000  # bytes; an attribute of this format version must stay below 64 KiB
LONG_TEXT = "provenance_"  # prefix of the dataset that holds a longer one
LOCK_PATIENCE = 20.0  # s that a reader waits for the writer to close
RECENT, RETRY = 10.0, 1.0  # s since the last write within which, and for how long, a failing open is tried again
VEHICLE_CLASSES = ("light", "freight")

# (group of the world, variable there, name at the root of the run file, dimensions)
STATICS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("lattice", "elevation", "elevation", ("y", "x")),
    ("lattice", "land_use", "land_use", ("y", "x")),
    ("lattice", "province", "province", ("y", "x")),
    ("lattice", "population", "population", ("y", "x")),
    ("lattice", "background_deposition", "background_deposition", ("y", "x")),
    ("roads", "node_x", "network_node_x", ("road_node",)),
    ("roads", "node_y", "network_node_y", ("road_node",)),
    ("roads", "node_z", "network_node_z", ("road_node",)),
    ("roads", "length", "road_length", ("road_link",)),
    ("roads", "capacity", "road_capacity", ("road_link",)),
    ("roads", "free_flow_time", "road_free_flow_time", ("road_link",)),
    ("roads", "lanes", "road_lanes", ("road_link",)),
    ("roads", "road_class", "road_class", ("road_link",)),
    ("roads", "speed_limit", "road_speed_limit", ("road_link",)),
    ("roads", "reported", "road_reported", ("road_link",)),
    ("roads", "link_id", "road_id", ("road_link",)),
    ("roads", "vertex_start", "road_vertex_start", ("road_link",)),
    ("roads", "vertex_x", "road_vertex_x", ("road_vertex",)),
    ("roads", "vertex_y", "road_vertex_y", ("road_vertex",)),
    ("zones", "origin_node", "origin_node", ("origin",)),
    ("zones", "origin_zone", "origin_zone", ("origin",)),
    ("zones", "inside", "origin_inside", ("origin",)),
    ("zones", "origin_trips", "origin_trips", ("origin",)),
    ("receptors", "name", "area_name", ("area",)),
    ("receptors", "critical_load", "area_critical_load", ("area",)),
    ("receptors", "area_index", "area_index", ("area_cell",)),
    ("receptors", "area_share", "area_share", ("area_cell",)),
    ("receptors", "hexagon_number", "hexagon_number", ("hexagon",)),
    ("receptors", "hexagon_x", "hexagon_x", ("hexagon",)),
    ("receptors", "hexagon_y", "hexagon_y", ("hexagon",)),
    ("receptors", "hexagon_cell", "hexagon_cell", ("hexagon",)),
    ("receptors", "hexagon_area", "hexagon_area", ("hexagon",)),
    ("receptors", "hexagon_critical_load", "hexagon_critical_load", ("hexagon",)),
    ("buildings", "building_id", "building_id", ("building",)),
    ("buildings", "bag_id", "building_bag_id", ("building",)),
    ("buildings", "x", "building_x", ("building",)),
    ("buildings", "y", "building_y", ("building",)),
    ("buildings", "ground", "building_ground", ("building",)),
    ("buildings", "height", "building_height", ("building",)),
    ("buildings", "footprint", "building_footprint", ("building",)),
    ("buildings", "bus", "building_bus", ("building",)),
    ("buildings", "load_share", "building_load_share", ("building",)),
    ("buildings", "vertex_x", "building_vertex_x", ("building_vertex",)),
    ("buildings", "vertex_y", "building_vertex_y", ("building_vertex",)),
    ("buildings", "vertex_z", "building_vertex_z", ("building_vertex",)),
    ("buildings", "triangle", "triangle_vertices", ("building_triangle", "corner")),
    ("buildings", "triangle_building", "triangle_building", ("building_triangle",)),
    ("buildings", "triangle_kind", "triangle_kind", ("building_triangle",)),
    ("power", "bus_x", "bus_x", ("bus",)),
    ("power", "bus_y", "bus_y", ("bus",)),
    ("power", "bus_id", "bus_id", ("bus",)),
    ("power", "bus_voltage_rated", "bus_voltage_rated", ("bus",)),
    ("power", "bus_kind", "bus_kind", ("bus",)),
    ("power", "dwellings", "bus_dwellings", ("bus",)),
    ("power", "branch_kind", "branch_kind", ("branch",)),
    ("power", "branch_id", "branch_id", ("branch",)),
    ("power", "s_rated", "branch_s_rated", ("branch",)),
    ("power", "branch_basis", "branch_basis", ("branch",)),
)
# Dimensions of each group of the world that have a scale at the root, besides y and x
AXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("roads", ("road_node", "road_link", "road_vertex")),
    ("zones", ("origin",)),
    ("receptors", ("area", "area_cell", "hexagon")),
    ("power", ("bus", "branch")),
    ("buildings", ("building", "building_vertex", "building_triangle", "corner")),
)
# Positions stay double: single precision is 0.03 m coarse at RD y = 480000; so do trips, to tell what was added.
DOUBLE = frozenset({"origin_trips"}) | frozenset(
    f"{place}_{axis}"
    for place in ("network_node", "road_vertex", "bus", "building", "building_vertex", "hexagon")
    for axis in "xy"
)
# UGRID place of each dimension: (mesh, location)
MESHES = {
    "road_link": ("network", "edge"),
    "road_node": ("network", "node"),
    "branch": ("power_network", "edge"),
    "bus": ("power_network", "node"),
}
# Texts over the places of a mesh lie on a dimension of their own: QGIS reads every array of a mesh's dimensions as
# numbers, and opens no mesh that has others.
LABELS = {dim: f"{dim}_label" for dim in ("road_link", "bus", "branch")}
# Words in a long_name by which QGIS takes an array for a part of a vector, and looks for the other part
VECTOR_WORDS = ("direction", "magnitude")
# Root datasets whose bytes make two runs comparable, in this order.
GEOMETRY = (
    "y",
    "x",
    "network_node_x",
    "network_node_y",
    "network_edge_nodes",
    "origin_node",
    "bus_x",
    "bus_y",
    "power_edge_nodes",
    "hexagon_number",
    "building_vertex_x",
    "building_vertex_y",
    "building_vertex_z",
    "triangle_vertices",
    "triangle_building",
)


@dataclass(frozen=True)
class ResultVariable:
    """One result as a component declares it; dims without time.

    ``every`` is its rate: one value per so many output steps, on a time axis of its own (``time_24``).
    """

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    cell_methods: str = "time: mean"
    dtype: str = "f8"
    component: str = ""
    synthetic: bool = False
    rule: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    every: int = 1

    @property
    def time(self) -> str:
        """Name of its time axis."""
        return time_axis(self.every)

    @classmethod
    def from_declaration(cls, variable: Variable, component: str = "", **more: Any) -> "ResultVariable":
        """From a component's ``Out`` or ``InOut`` declaration."""
        attributes = {**more.pop("attributes", {}), **({} if variable.additive else {"additive": 0})}
        return cls(
            variable.name,
            variable.dims,
            variable.units,
            variable.doc or variable.name.replace("_", " "),
            variable.cell_methods or "time: mean",
            variable.dtype,
            component,
            attributes=attributes,
            **more,
        )

    @property
    def stored_dtype(self) -> str:
        """Single precision for arrays, double for scalars; integers as declared."""
        kind = np.dtype(self.dtype)
        if kind.kind in "biu" and self.dims[-1:] and self.dims[-1] in MESHES:
            return "f4"  # QGIS reads no integers that change in time; codes are exact in single precision
        if kind.kind == "f":
            return "f4" if self.dims else "f8"
        if kind.kind == "b":
            return "i1"
        return kind.str.lstrip("<>|=") if kind.itemsize <= 4 else "i4"


def time_axis(every: int) -> str:
    """Name of the time axis of results with one value per ``every`` output steps."""
    return "time" if every == 1 else f"time_{every}"


def steps_per_value(d: h5py.Dataset) -> int:
    """Output steps per value of a result or time axis."""
    return int(d.attrs.get("output_steps", 1))


def class_labels(world: xr.DataTree | None) -> tuple[str, ...]:
    """Labels of the vehicle classes: the coordinate of the world's zones where it has one."""
    if world is not None and "zones" in world.children and "vehicle_class" in world["zones"].coords:
        values = world["zones"].coords["vehicle_class"].values
        if values.dtype.kind in "SUO":
            return tuple(v.decode() if isinstance(v, bytes) else str(v) for v in values)
    return VEHICLE_CLASSES


def result_variables(
    variables: list[ResultVariable | Variable], labels: tuple[str, ...]
) -> dict[str, list[tuple[ResultVariable, int | None]]]:
    """Stored variables per declared name: one, or one per vehicle class with its row.

    A (vehicle_class, X) result becomes one root variable per class, ``road_flow_light`` beside ``road_flow_freight``:
    QGIS and VTK know (time, edge) arrays only.
    """
    table: dict[str, list[tuple[ResultVariable, int | None]]] = {}
    stored: set[str] = set()
    for declared in variables:
        v = ResultVariable.from_declaration(declared) if isinstance(declared, Variable) else declared
        if "vehicle_class" in v.dims:
            if v.dims[0] != "vehicle_class":
                raise RecordError(f"result {v.name!r}: dims {v.dims}; vehicle_class must be the first of them")
            table[v.name] = [
                (
                    replace(
                        v,
                        name=f"{v.name}_{label}",
                        dims=v.dims[1:],
                        long_name=f"{v.long_name}, {label} vehicles",
                        attributes={**v.attributes, "declared_as": v.name, "vehicle_class": label},
                    ),
                    row,
                )
                for row, label in enumerate(labels)
            ]
        else:
            table[v.name] = [(v, None)]
        for part, _ in table[v.name]:
            if part.name in stored:
                raise RecordError(f"result {part.name!r} is declared twice; give it one name and one producer")
            if not part.name.isidentifier():
                raise RecordError(f"result {part.name!r}: use letters, digits and _ only (VTK refuses '/' and '.')")
            stored.add(part.name)
    return table


def set_attributes(obj: h5py.HLObject, **attributes: Any) -> None:
    """Write attributes in the types every reader knows: fixed-length strings, int32, doubles."""
    for name, value in attributes.items():
        if isinstance(value, str):
            raw = value.encode("utf8")
            if len(raw) > ATTRIBUTE_LIMIT:
                raise RecordError(f"attribute {name!r}: {len(raw)} bytes do not fit in an HDF5 attribute")
            value = np.bytes_(raw or b" ")
        elif isinstance(value, bool | int | np.integer | np.bool_):
            value = np.int32(value) if abs(int(value)) < 2**31 else np.float64(value)
        elif value is None:
            continue
        obj.attrs[name] = value


def live_path(path: str | Path) -> Path:
    """Where a run is written until it is finished: ``run.part.h5`` beside ``run.h5``."""
    path = Path(path)
    return path if path.name.endswith(".part.h5") else path.with_name(f"{path.stem}.part.h5")


def coordinates_hash(f: h5py.File) -> str:
    """SHA-256 over the positions and topology that two runs must share to be compared."""
    digest = hashlib.sha256()
    for name in GEOMETRY:
        if name in f:
            data = np.ascontiguousarray(f[name][...])
            digest.update(f"{name}{data.shape}{data.dtype.str}".encode())
            digest.update(data.tobytes())
    return digest.hexdigest()


@contextmanager
def open_shared(path: str | Path, patience: float = LOCK_PATIENCE) -> Iterator[h5py.File]:
    """Open a run file for a short read beside a live writer: wait while the writer holds it, then close at once."""
    begun = time.monotonic()
    deadline = begun + patience
    pause = 0.002
    while True:
        try:
            f = h5py.File(path, "r")
            break
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise RecordError(
                    f"{path}: another program has it open for writing for {patience:.0f} s; close that program"
                ) from error
        except FileNotFoundError as error:
            raise RecordError(f"{path}: no such run file; check the path, or run the configuration first") from error
        except OSError as error:
            # HDF5 takes the size of a file before its lock, so that a file that just grew looks cut off; only an
            # error that stays, or that of a file at rest, is one.
            resting = Path(path).is_dir() or time.time() - Path(path).stat().st_mtime > RECENT
            if resting or time.monotonic() > begun + RETRY:
                raise RecordError(_unreadable(Path(path), error)) from error
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    with f:
        yield f


def _unreadable(path: Path, error: OSError) -> str:
    if path.is_dir():
        return f"{path}: is a folder; name the run file in it"
    size = path.stat().st_size
    if size == 0:
        return f"{path}: is empty; the run was never started or the disk is full; run it again"
    if not h5py.is_hdf5(path):
        return f"{path}: is no HDF5 file; a run file is one that `twin run` wrote"
    if "truncated" in str(error):
        return f"{path}: is truncated ({size} bytes: {error}); copy it again from its source, or run it again"
    return f"{path}: cannot be opened as HDF5 ({error}); copy it again from its source, or run it again"

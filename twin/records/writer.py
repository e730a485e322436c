"""Writing of a run file: set up once, then one short open-write-close per output step.

The run is written to ``run.part.h5`` beside ``run.h5``. It can be opened by every reader from its first step on, and
a kill loses at most the step in hand. Only a complete run takes the final name, in one atomic replacement, so a
good file of an earlier run is never replaced by a partial one.
"""

import errno
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import h5py
import numpy as np
import xarray as xr
from pyproj import CRS

from twin.errors import RecordError
from twin.records import layout
from twin.records.commit import CommittedFile
from twin.records.layout import GZIP, LIBVER, ResultVariable, set_attributes
from twin.records.rounding import bit_round, to_single
from twin.records.vtk_view import advance, build_view
from twin.variables import Variable

try:
    import fcntl
except ImportError:  # no POSIX locks: HDF5's own lock is the only guard
    fcntl = None  # type: ignore[assignment]

try:
    from isal import isal_zlib

    _deflate: Callable[[bytes], bytes] | None = lambda raw: isal_zlib.compress(raw, 1)  # noqa: E731
except ImportError:
    _deflate = None

__all__ = ["RunWriter"]

SIGNIFICANT_BITS = 12
READER_PATIENCE = 5.0  # s that the writer waits for a reader that keeps the file open
MISSING_INTEGER = {"i1": -128, "i2": -32768, "i4": -(2**31), "u1": 255, "u2": 65535, "u4": 2**32 - 1}


@dataclass(frozen=True)
class _Part:
    """One stored variable of a declared result, as the file holds it; looked up once and not each step."""

    name: str
    row: int | None  # of a result by vehicle class
    shape: tuple[int, ...]  # of one step
    dtype: np.dtype
    bits: int
    tile: tuple[int, ...]
    fill: Any
    every: int  # output steps per value

    def of(self, declared: str, values: np.ndarray) -> np.ndarray:
        """This variable's share of the declared result, in its stored type and precision."""
        if self.row is not None:
            if values.ndim != len(self.shape) + 1 or self.row >= len(values):
                raise RecordError(f"result {declared!r}: shape {values.shape}, one row per vehicle class wanted")
            values = values[self.row]
        if values.shape != self.shape:
            raise RecordError(f"result {self.name!r}: shape {values.shape} given, {self.shape} declared")
        if self.dtype == np.float32:
            values = to_single(values, self.name)
            return bit_round(values, self.bits) if self.bits else values
        return np.ascontiguousarray(values, self.dtype) if self.shape else values


class RunWriter:
    """Writer of one run file.

    ``RunWriter.create(...)`` or ``RunWriter.append(...)``, then :meth:`write` per output step, then :meth:`finish`.
    As a context manager it lets go of the file at the end, finished or not.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.live = layout.live_path(self.path)
        self.steps_written = 0
        self.steps_planned = 0
        self._fingerprint = ""
        self._parts: dict[str, list[_Part]] = {}
        self._patience = READER_PATIENCE
        self._guard: TextIO | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        world_tree: xr.DataTree,
        variables: Sequence[ResultVariable | Variable],
        times: Sequence[Any] | np.ndarray,
        provenance: Mapping[str, Any] | None = None,
        *,
        significant_bits: int | Mapping[str, int | None] | None = SIGNIFICANT_BITS,
        bounds: np.ndarray | None = None,
    ) -> "RunWriter":
        """Start a run file with all planned ``times`` (datetime64, UTC) and no step written.

        ``variables`` are the declared results; ``provenance`` becomes root attributes (mappings and lists as JSON).
        ``significant_bits`` rounds float arrays to so many mantissa bits; ``None`` stores single precision as it is;
        a mapping chooses by name (the name ``"*"`` for all others). ``bounds`` (T, 2) are the ends of each interval.
        """
        stamps = np.asarray(times, dtype="datetime64[ns]")
        if stamps.ndim != 1 or not len(stamps) or (np.diff(stamps) <= np.timedelta64(0)).any():
            raise RecordError(f"{path}: output times must be a rising list of at least one; {len(stamps)} given")
        table = layout.result_variables(list(variables), layout.class_labels(world_tree))
        for part in (part for parts in table.values() for part, _ in parts):
            if part.every < 1 or len(stamps) % part.every:
                raise RecordError(
                    f"result {part.name!r}: one value per {part.every} output steps does not divide the run's "
                    f"{len(stamps)}; choose another rate"
                )
        writer = cls(path)
        writer.path.parent.mkdir(parents=True, exist_ok=True)
        writer._hold()
        # in memory first: a full disk is then one plain error, and no reader sees half a set-up
        with h5py.File(writer.live, "w", libver=LIBVER, track_order=True, driver="core", backing_store=False) as f:
            results = [part for parts in table.values() for part, _ in parts]
            _root_attributes(f, world_tree, provenance or {}, table)
            _times(f, stamps, bounds, sorted({part.every for part in results}))
            _statics(f, world_tree)
            for part in results:
                _result(f, part, _bits_for(part, significant_bits))
            set_attributes(f, coordinates_hash=layout.coordinates_hash(f))
            build_view(f, results)
            f.flush()
            image = f.id.get_file_image()
        new = writer.live.with_name(writer.live.name + ".new")
        with writer._disk():
            try:
                new.write_bytes(image)
                new.replace(writer.live)
            except OSError:
                new.unlink(missing_ok=True)
                raise
        writer._learn()
        return writer

    @classmethod
    def append(cls, path: str | Path, steps: int | None = None, *, fingerprint: str | None = None) -> "RunWriter":
        """Go on with the unfinished run of ``path`` after its first ``steps`` (default: all that it holds).

        Steps beyond are written again. ``fingerprint`` is that of the configuration; another one is refused.
        """
        writer = cls(path)
        if not writer.live.exists():
            known = f"; {writer.path} is finished" if writer.path.exists() else ""
            raise RecordError(f"{writer.live}: no unfinished run to go on with{known}; start without --resume")
        writer._hold()
        writer._learn()
        if fingerprint is not None and writer._fingerprint != fingerprint:
            raise RecordError(
                f"{writer.live}: was written with configuration {writer._fingerprint[:12] or 'unknown'} and not with "
                f"{fingerprint[:12]}; resume with the same configuration, or start anew"
            )
        steps = writer.steps_written if steps is None else steps
        if not 0 <= steps <= writer.steps_written:
            raise RecordError(
                f"{writer.live}: holds {writer.steps_written} steps, the checkpoint stands at {steps}; use an "
                f"earlier checkpoint or start anew"
            )
        with writer._open(steps):
            pass
        return writer

    def write(self, step: int, arrays: Mapping[str, np.ndarray | float]) -> dict[str, np.ndarray]:
        """Write output ``step`` (counted from 0, in order): every result due, under its declared name.

        A result with one value per n steps is due at the last step of each n. Returns the values as the file holds
        them, rounded, under its names.
        """
        if step != self.steps_written:
            raise RecordError(f"{self.live}: step {step} given, step {self.steps_written} is next; write in order")
        if step >= self.steps_planned:
            raise RecordError(f"{self.live}: {self.steps_planned} steps were planned, all are written")
        due = {name: parts for name, parts in self._parts.items() if (step + 1) % parts[0].every == 0}
        wrong = set(arrays) ^ set(due)
        if wrong:
            raise RecordError(
                f"{self.live}: step {step}: results {sorted(wrong)} are given or due, but not both; "
                f"give each result at the steps where it is due"
            )
        # everything slow happens before the file is opened, so that readers wait for no compression
        packed = [
            (part, values, _packed(part, values) if part.shape and _deflate else None)
            for declared, parts in due.items()
            for part, values in ((p, p.of(declared, np.asarray(arrays[declared]))) for p in parts)
        ]
        with self._open(step + 1) as f:
            for part, values, chunks in packed:
                row = step // part.every
                if chunks is None:
                    f[part.name][row] = values
                    continue
                stored = h5py.h5d.open(f.id, part.name.encode())
                for corner, raw in chunks:
                    stored.write_direct_chunk((row, *corner), raw)
        return {part.name: values for part, values, _ in packed}

    def finish(self, indicators: Sequence[tuple[str, str, float, str]] = (), **attributes: Any) -> Path:
        """Mark the run complete, add closing ``attributes`` and give it its final name.

        ``indicators`` are rows (name, unit, value, kind) of the run's table of totals.
        """
        if self.steps_written != self.steps_planned:
            raise RecordError(
                f"{self.live}: {self.steps_written} of {self.steps_planned} steps are written; finish the run, or "
                f"keep this file as an unfinished one"
            )
        with self._open() as f:
            _indicators(f, indicators)
            set_attributes(f, output_status="complete", **{k: _text(v) for k, v in attributes.items()})
        with self._disk():
            self.live.replace(self.path)
        self.close()
        return self.path

    def close(self) -> None:
        """Let go of the run without finishing it; :meth:`append` can go on with it."""
        if self._guard is not None:
            Path(self._guard.name).unlink(missing_ok=True)
            self._guard.close()
            self._guard = None

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hold(self) -> None:
        """Keep other writers away for the length of the run; the system lets go if this process dies."""
        if fcntl is None:
            return
        name = self.live.with_name(self.live.name + ".lock")
        with self._disk():
            guard = name.open("w")
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            guard.close()
            raise RecordError(f"{self.live}: another run writes it; wait for it, or choose another --out") from error
        self._guard = guard

    def _learn(self) -> None:
        """Take plan and position from the file, so that append and create go the same way."""
        with layout.open_shared(self.live) as f:
            if "layout_version" not in f.attrs or "steps_written" not in f.attrs:
                raise RecordError(f"{self.live}: is no run file; a run file is one that `twin run` wrote")
            if int(f.attrs["layout_version"]) != layout.LAYOUT_VERSION:
                raise RecordError(
                    f"{self.live}: layout {f.attrs['layout_version']}, this version writes {layout.LAYOUT_VERSION}; "
                    f"start the run anew"
                )
            self.steps_planned = f["time"].shape[0]
            self.steps_written = int(f.attrs["steps_written"])
            known = f.attrs.get("fingerprint", b"")
            self._fingerprint = known.decode() if isinstance(known, bytes) else str(known)
            for name, d in f.items():
                if isinstance(d, h5py.Dataset) and "result" in d.attrs:
                    declared = d.attrs.get("declared_as", np.bytes_(name)).decode()
                    parts = self._parts.setdefault(declared, [])
                    row = len(parts) if "declared_as" in d.attrs else None
                    bits = int(d.attrs.get("significant_bits", 0))
                    tile = d.chunks[1:] if d.chunks else ()
                    every = layout.steps_per_value(d)
                    parts.append(_Part(name, row, d.shape[1:], d.dtype, bits, tile, d.fillvalue, every))

    @contextmanager
    def _open(self, steps: int | None = None) -> Iterator[h5py.File]:
        """The live file, open for the length of one change, of which all or nothing comes to pass.

        ``steps``: how many steps the file holds afterwards; none other than before where it is not given.
        """
        with self._disk(), self._held() as held:
            with h5py.File(held, "r+", libver=LIBVER) as f:
                yield f
                if steps is not None:
                    f.flush()
                    held.count()
                    advance(f, steps)
                    f.attrs.modify("steps_written", np.int32(steps))
            held.commit()
        self.steps_written = self.steps_written if steps is None else steps

    def _held(self) -> CommittedFile:
        """The live file, held against readers as HDF5 itself would hold it."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return CommittedFile(self.live)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    # Someone looks at the run and keeps it open. That must not end the run: other writers are held
                    # off by the guard, so the lock can be passed over.
                    self._patience = 0.1
                    return CommittedFile(self.live, lock=False)
                time.sleep(0.005)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Turn failures of the file system into one clear error."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            number = error.errno if isinstance(error, OSError) else None
            code = number or next(
                (n for n in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) if f"errno = {n}" in str(error)), 0
            )
            if code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                raise RecordError(
                    f"{self.live}: the disk is full ({os.strerror(code)}) at output step {self.steps_written}; make "
                    f"room and go on with --resume"
                ) from error
            raise RecordError(
                f"{self.live}: cannot be written at output step {self.steps_written} ({error}); check the folder and "
                f"its permissions"
            ) from error


def _packed(part: _Part, values: np.ndarray) -> list[tuple[tuple[int, ...], bytes]]:
    """Chunks of one step, shuffled and deflated as HDF5's own filters would: (corner, bytes)."""
    if _deflate is None:
        return []
    chunks = []
    for place in np.ndindex(*(-(-n // c) for n, c in zip(part.shape, part.tile))):
        corner = tuple(i * c for i, c in zip(place, part.tile))
        piece = values[tuple(slice(s, s + c) for s, c in zip(corner, part.tile))]
        if piece.shape != part.tile:
            whole = np.full(part.tile, part.fill, part.dtype)
            whole[tuple(slice(n) for n in piece.shape)] = piece
            piece = whole
        raw = np.ascontiguousarray(piece).view("u1").reshape(-1, part.dtype.itemsize)
        chunks.append((corner, _deflate(raw.T.tobytes())))
    return chunks


def _bits_for(part: ResultVariable, significant_bits: int | Mapping[str, int | None] | None) -> int:
    if isinstance(significant_bits, Mapping):
        declared = str(part.attributes.get("declared_as", part.name))
        chosen = significant_bits.get(declared, significant_bits.get("*", SIGNIFICANT_BITS))
    else:
        chosen = significant_bits
    if np.dtype(part.dtype).kind != "f" or part.stored_dtype != "f4" or chosen is None:
        return 0
    bit_round(np.zeros(1, "f4"), chosen)  # refuses a number out of range
    return chosen


def _text(value: Any) -> Any:
    if isinstance(value, str | int | float | np.integer | np.floating) or value is None:
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _root_attributes(
    f: h5py.File,
    world: xr.DataTree,
    provenance: Mapping[str, Any],
    table: Mapping[str, list[tuple[ResultVariable, int | None]]],
) -> None:
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
        value = _text(value)
        if isinstance(value, str) and len(value.encode()) > layout.ATTRIBUTE_LIMIT:
            # too long for an attribute: a root dataset, named by the attribute
            f.create_dataset(f"{layout.LONG_TEXT}{name}", data=np.bytes_(value.encode()))
            value = f"see the variable {layout.LONG_TEXT}{name}"
        set_attributes(f, **{name: value})
    set_attributes(f, output_status="running", steps_written=0)


def _indicators(f: h5py.File, rows: Sequence[tuple[str, str, float, str]]) -> None:
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


def _times(f: h5py.File, stamps: np.ndarray, bounds: np.ndarray | None, rates: Sequence[int]) -> None:
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


def _statics(f: h5py.File, world: xr.DataTree) -> None:
    crs = CRS.from_epsg(28992)
    d = f.create_dataset("crs", data=np.int32(0))
    set_attributes(d, **{k: v for k, v in crs.to_cf().items() if isinstance(v, str | int | float)})
    set_attributes(d, spatial_ref=crs.to_wkt(), epsg=28992, long_name="Amersfoort / RD New")
    d = f.create_dataset("vertical_crs", data=np.int32(0))
    set_attributes(d, epsg=5709, long_name="NAP height", units="m")
    groups = {name: node.to_dataset() for name, node in world.children.items()}
    if "lattice" in groups:
        for name in "yx":
            values = groups["lattice"][name].values.astype("f8")
            if len(values) < 2 or (np.diff(values) <= 0).any():
                raise RecordError(f"world lattice/{name}: cell centres must ascend and be two at least")
            _scale(
                f,
                name,
                values,
                units="m",
                standard_name=f"projection_{name}_coordinate",
                long_name=f"RD New {name} of the cell centre",
                axis=name.upper(),
            )
    for group, named in layout.AXES:
        for dim in named:
            if group in groups and dim in groups[group].sizes:
                size = groups[group].sizes[dim]
                has = dim == "area_cell" and dim in groups[group]
                values = groups[group][dim].values.astype("i4") if has else np.arange(size, dtype="i4")
                about = "flat lattice cell (row * nx + column)" if has else f"index of the {dim.replace('_', ' ')}"
                _scale(f, dim, values, long_name=about)
                if dim in layout.LABELS:
                    label = layout.LABELS[dim]
                    _scale(f, label, np.arange(size, dtype="i4"), long_name=f"{about} (for texts)", labels_of=dim)
    for group, variable, name, dims in layout.STATICS:
        if group in groups and variable in groups[group]:
            _static(f, groups[group][variable], name, dims)
    if "roads" in groups:
        _mesh(f, "network", "road_link", "network_node", groups["roads"], ("from_node", "to_node"), "road network")
    if "power" in groups:
        _mesh(f, "power_network", "branch", "bus", groups["power"], ("branch_from", "branch_to"), "power network")


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


def _result(f: h5py.File, part: ResultVariable, bits: int) -> None:
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

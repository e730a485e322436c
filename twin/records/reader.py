"""Reading of a run file: one lazy tree that never keeps the file open, so that a live run can go on."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from twin.errors import RecordError
from twin.records import layout
from twin.records.layout import open_shared

__all__ = ["check_same_coordinates", "find_run", "open_run", "read_attributes"]

# HDF5's own attributes of dimension scales
INTERNAL = frozenset({"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_NCProperties", "result"})


class _StoredArray(BackendArray):
    """One root variable; each access opens the file, reads the slab and closes it again."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype):
        self.path, self.name, self.shape, self.dtype = path, name, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        try:
            with open_shared(self.path) as f:
                return np.asarray(f[self.name][key])
        except (OSError, KeyError) as error:
            raise RecordError(
                f"{self.path}: variable {self.name!r} cannot be read ({error}); look at it with `twin validate`"
            ) from error


def find_run(path: str | Path) -> Path:
    """The file to read for ``path``: itself, or the unfinished run that will get this name."""
    path = Path(path)
    live = layout.live_path(path)
    return live if not path.exists() and live.exists() else path


def read_attributes(f: h5py.File) -> dict[str, Any]:
    """Root attributes as Python values; texts kept in datasets for their length are put back."""
    attributes = _attributes(f)
    for name in f:
        if name.startswith(layout.LONG_TEXT):
            attributes[name.removeprefix(layout.LONG_TEXT)] = f[name][()].decode("utf8", "replace")
    return attributes


def check_layout(f: h5py.File, path: Path) -> None:
    """Refuse foreign HDF5 and other layout versions, with the reason."""
    if "layout_version" not in f.attrs or "engine" not in f.attrs or "time" not in f:
        raise RecordError(f"{path}: is HDF5, but no run file (no layout_version at its root); give one of `twin run`")
    version = int(f.attrs["layout_version"])
    if version != layout.LAYOUT_VERSION:
        raise RecordError(
            f"{path}: run file of layout {version}, this version reads layout {layout.LAYOUT_VERSION}; use the "
            f"version that wrote it, or run its configuration again"
        )


def open_run(path: str | Path) -> xr.DataTree:
    """Open a run file, finished or running, as a lazy tree with the names and coordinates of the file.

    Only written steps are seen. No handle stays open: each access opens the file for its own length.
    """
    path = find_run(path)
    with open_shared(path) as f:
        check_layout(f, path)
        attributes = read_attributes(f)
        written = int(f.attrs["steps_written"])
        seen = {name: written // layout.steps_per_value(d) for name, d in f.items() if _is_time(name, d)}
        variables: dict[str, xr.Variable] = {}
        for name, d in f.items():
            if isinstance(d, h5py.Dataset) and not name.startswith(layout.LONG_TEXT) and "labels_of" not in d.attrs:
                variables[name] = _variable(path, name, d)
    coordinates = [n for n, v in variables.items() if v.dims == (n,)]
    coordinates += [n for n in (*(f"{t}_bounds" for t in seen), "crs") if n in variables]
    tree = xr.Dataset(variables, attrs=attributes).set_coords(coordinates)
    tree = xr.decode_cf(tree, mask_and_scale=False, decode_coords=False)
    run = xr.DataTree(
        tree.isel({t: slice(0, n) for t, n in seen.items()}),
        name=str(attributes.get("title", path.stem)).replace("/", " "),
    )
    run.encoding["source"] = str(path)
    return run


def _is_time(name: str, d: h5py.HLObject) -> bool:
    return isinstance(d, h5py.Dataset) and d.is_scale and (name == "time" or "output_steps" in d.attrs)


def check_same_coordinates(a: xr.DataTree, b: xr.DataTree) -> None:
    """Refuse to put two runs side by side whose coordinates are not the same, bit by bit."""
    if a.attrs.get("coordinates_hash") != b.attrs.get("coordinates_hash"):
        names = [str(run.encoding.get("source", run.name)) for run in (a, b)]
        raise RecordError(
            f"{names[0]} and {names[1]} are runs of different provinces (coordinates differ); compare runs of one "
            f"configuration"
        )


def _variable(path: Path, name: str, d: h5py.Dataset) -> xr.Variable:
    dims = (
        (name,)
        if d.is_scale
        else tuple(_place(axis[0]) if len(axis) else f"{name}_{i}" for i, axis in enumerate(d.dims))
    )
    attributes = _attributes(d)
    attributes.pop("_FillValue", None)  # unwritten steps are out of sight, and NaN needs no mask
    if d.dtype.kind == "S":
        values: Any = np.char.decode(d[...], "utf8")
    elif d.ndim == 0 or d.is_scale:
        values = d[...]
    else:
        values = indexing.LazilyIndexedArray(_StoredArray(path, name, d.shape, d.dtype))
    return xr.Variable(dims[: d.ndim], values, attributes)


def _place(scale: h5py.Dataset) -> str:
    """The dimension of a scale; that of the places themselves where it counts their texts."""
    named = scale.attrs.get("labels_of", scale.name)
    return (named.decode() if isinstance(named, bytes) else named).lstrip("/")


def _attributes(obj: h5py.HLObject) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in obj.attrs:
        if name in INTERNAL:
            continue
        value = obj.attrs[name]
        if isinstance(value, bytes):
            value = value.decode("utf8", "replace").strip()
        elif isinstance(value, np.generic):
            value = value.item()
        values[name] = value
    return values

"""OMX matrices: HDF5 files with ``/data/<name>`` and ``/lookup/<name>`` (openmatrix, version 0.2)."""

from pathlib import Path

import h5py
import numpy as np

from twin.errors import DataError

__all__ = ["read_omx"]


def read_omx(path: Path, name: str | None = None, lookup: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read one square matrix of trips or costs, and the zone ids of its rows and columns.

    ``name`` may be left out where the file holds one matrix, ``lookup`` where it holds at most one; without a lookup
    zones count from 1. Raises :class:`DataError` for a file that is no OMX or is damaged, an unknown name, a matrix
    that is not square, or one with negative, missing or infinite cells.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give an OMX matrix")
    try:
        with h5py.File(path, "r") as file:
            if "data" not in file:
                raise DataError(f"{path}: no group /data; it is no OMX file")
            matrix = np.asarray(_pick(path, file["data"], name, "matrix"), dtype=np.float64)
            has_lookup = "lookup" in file and len(file["lookup"])
            zones = np.asarray(_pick(path, file["lookup"], lookup, "lookup")) if has_lookup else None
            if zones is None and lookup is not None:
                raise DataError(f"{path}: no lookup {lookup!r}; the file has none")
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: damaged or no HDF5 file ({error}); fetch it again") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(f"{path}: matrix of shape {matrix.shape}; zones by zones is wanted")
    if zones is None:
        zones = np.arange(1, len(matrix) + 1)
    if zones.dtype.kind in "SO":
        zones = np.array([z.decode() if isinstance(z, bytes) else str(z) for z in zones])
    if len(zones) != len(matrix):
        raise DataError(
            f"{path}: {len(zones)} zones in the lookup for a matrix of {len(matrix)}; choose another lookup"
        )
    if len(np.unique(zones)) != len(zones):
        raise DataError(f"{path}: the lookup names a zone twice; zone ids must be unique")
    bad = ~(np.isfinite(matrix) & (matrix >= 0))
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise DataError(f"{path}: {matrix[i, j]} from zone {zones[i]} to {zones[j]}; cells are finite and not negative")
    return matrix, zones


def _pick(path: Path, group: h5py.Group, name: str | None, what: str) -> h5py.Dataset:
    names = list(group)
    if name is None:
        if len(names) != 1:
            raise DataError(f"{path}: holds {len(names)} of {what}: {', '.join(names)}; name the one to read")
        name = names[0]
    if name not in group:
        raise DataError(f"{path}: no {what} {name!r}; it has {', '.join(names) or 'none'}")
    return group[name][()]

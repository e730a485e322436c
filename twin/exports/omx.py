"""Matrices between zones in the Open Matrix format (OMX 0.2: HDF5 with ``/data`` and ``/lookup``)."""

from pathlib import Path

import h5py
import numpy as np

from twin.errors import DataError

__all__ = ["write_omx"]


def write_omx(path: str | Path, matrices: dict[str, np.ndarray], zones: np.ndarray, lookup: str = "zone") -> Path:
    """Write square ``matrices`` with the zone ids ``zones`` (numbers or text); it appears only when complete."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    shape = (len(zones), len(zones))
    for name, values in matrices.items():
        if values.shape != shape:
            raise DataError(f"{path}: matrix {name!r} has shape {values.shape}, the zones ask for {shape}")
    try:
        with h5py.File(part, "w") as file:
            file.attrs["OMX_VERSION"] = np.bytes_("0.2")
            file.attrs["SHAPE"] = np.array(shape, np.int32)
            data = file.create_group("data")
            for name, values in matrices.items():
                data.create_dataset(name, data=np.asarray(values, np.float64), compression="gzip", shuffle=True)
                data[name].attrs["NA"] = np.nan
            ids = np.asarray(zones)
            text = ids.dtype.kind not in "iu"
            file.create_group("lookup").create_dataset(
                lookup, data=[str(z) for z in ids] if text else ids, dtype=h5py.string_dtype() if text else None
            )
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error}") from error
    return path

"""Load profiles: one column per profile, one row per step, factors on the load."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from twin.errors import DataError

__all__ = ["read_profiles"]

INDEX = frozenset({"time", "step", "snapshot", "date", "datetime"})


def read_profiles(path: str | Path) -> dict[str, np.ndarray]:
    """Read CSV (comma or semicolon), Parquet or NetCDF; columns of time or step are left out.

    A folder is SimBench's, with LoadProfile.csv and so on; ``simbench:CODE`` takes them from the package simbench.
    """
    if str(path).startswith("simbench:"):
        return _of_package(str(path).partition(":")[2])
    path = Path(path)
    if path.is_dir():
        found: dict[str, np.ndarray] = {}
        for name in ("LoadProfile", "RESProfile", "StorageProfile", "PowerPlantProfile"):
            table = path / f"{name}.csv"
            if table.is_file():
                found |= _columns(pd.read_csv(table, sep=";"), table)
        if not found:
            raise DataError(f"{path}: holds no SimBench profiles (LoadProfile.csv); give their folder or a table")
        return found
    try:
        if path.suffix in {".nc", ".h5"}:
            with xr.open_dataset(path) as data:
                return {str(k): np.asarray(v.values, float) for k, v in data.data_vars.items() if v.ndim == 1}
        frame = pd.read_parquet(path) if path.suffix in {".parquet", ".pq"} else _csv(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the profiles as CSV, Parquet or NetCDF") from None
    except (OSError, ValueError, ImportError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: cannot be read as profiles: {error}") from None
    out = _columns(frame, path)
    if not out:
        raise DataError(f"{path}: has no profile columns; give one column per profile with its name in the first row")
    return out


def _csv(path: Path) -> pd.DataFrame:
    """A CSV file, perhaps packed; the sign that is most frequent in its first row divides the columns."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt") if packed else path.open() as text:
        first = text.readline()
    return pd.read_csv(
        path, sep=max(",;\t", key=first.count), compression="gzip" if packed else None, skipinitialspace=True
    )


def _columns(frame: pd.DataFrame, where: object) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for name in frame.columns:
        if str(name).lower() in INDEX:
            continue
        values = pd.to_numeric(frame[name], errors="coerce")
        if values.isna().any():
            row = int(np.argmax(values.isna()))
            raise DataError(
                f"{where}: profile {name}, row {row}: {frame[name].iloc[row]!r} is not a number; correct it"
            )
        out[str(name)] = values.to_numpy(float)
    return out


def _of_package(code: str) -> dict[str, np.ndarray]:
    try:
        import simbench
    except ImportError:
        raise DataError(f"profiles simbench:{code}: the package simbench is not installed; pip install it") from None
    if code not in simbench.collect_all_simbench_codes():
        raise DataError(f"profiles simbench:{code}: SimBench has no grid of that code")
    found: dict[str, np.ndarray] = {}
    for name, frame in simbench.get_simbench_net(code).profiles.items():
        found |= _columns(frame, f"simbench:{code}: {name}")
    return found

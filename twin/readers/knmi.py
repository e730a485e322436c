"""Hourly weather of the Royal Netherlands Meteorological Institute (``uurgeg_STN_...``), as published.

Hour HH (1 to 24, UT) is the hour that ends then. Units of the file: 0.1 m/s, 0.1 degC, J/cm2 per hour, 0.1 mm,
0.1 h, 0.1 hPa, octas; -1 means less than half a unit; wind direction 0 is calm and 990 variable; cloud 9 is a
sky that cannot be seen. Columns are found by name, so that older layouts are read too.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import DataError

__all__ = ["COLUMNS", "read_knmi"]

COLUMNS = ("DD", "FH", "T", "Q", "DR", "RH", "P", "N", "U")
J_PER_CM2_HOUR = 10_000 / 3600  # J cm-2 in an hour -> W m-2
TRACE_MM = 0.025  # RH = -1: less than 0.05 mm; its middle
TRACE_HOURS = 0.025  # DR = -1
INVISIBLE, OVERCAST = 9, 8


def read_knmi(path: Path, start: pd.Timestamp, stop: pd.Timestamp, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Hours from ``start`` to ``stop`` (UTC, naive or aware) of a text or zip file, in SI-like units.

    Index: START of the hour (UTC, naive). Columns: ``wind_direction`` [degree, NaN where calm or variable],
    ``wind_speed`` [m/s], ``temperature`` [degC], ``global_radiation`` [W/m2], ``rain_duration`` [h],
    ``precipitation`` [mm/h], ``pressure`` [hPa], ``cloud_cover`` [1], ``relative_humidity`` [%]; those of
    ``columns`` only. Raises :class:`DataError` naming file, hour and column where an hour or value is missing.
    """
    lines = _lines(path)
    header = next((i for i, line in enumerate(lines) if line.lstrip("# ").startswith("STN,")), None)
    if header is None:
        raise DataError(f"{path}: no header line '# STN,YYYYMMDD, HH, ...'; is this an hourly KNMI file?")
    names = [name.strip() for name in lines[header].lstrip("# ").split(",")]
    missing = [c for c in ("YYYYMMDD", *columns) if c not in names]
    hour_name = next((n for n in ("HH", "H") if n in names), None)
    if missing or hour_name is None:
        raise DataError(f"{path}: header has no column {', '.join(missing) or 'HH'}; ask for a file with these columns")
    body = "\n".join(line for line in lines[header + 1 :] if line.strip() and not line.startswith("#"))
    try:
        table = pd.read_csv(io.StringIO(body), header=None, names=names, skipinitialspace=True, na_values=[""])
        day = pd.to_datetime(table["YYYYMMDD"].astype(int).astype(str), format="%Y%m%d")
        hour = table[hour_name].astype(int)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: a line after the header is not numbers separated by commas: {error}") from None
    if not hour.between(1, 24).all():
        raise DataError(f"{path}: hour {int(hour[~hour.between(1, 24)].iloc[0])} found; KNMI hours run from 1 to 24")
    table.index = pd.DatetimeIndex(day + pd.to_timedelta(hour - 1, "h"))
    wanted = pd.date_range(_naive(start), _naive(stop), freq="h", inclusive="left")
    absent = wanted.difference(table.index)
    if len(absent):
        raise DataError(
            f"{path}: {len(absent)} hours are missing, first that from {absent[0]:%Y-%m-%d %H:%M} UTC; choose "
            f"another period or station"
        )
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"{path}: the hour that begins {twice:%Y-%m-%d %H:%M} UTC occurs twice; remove one line")
    part = table.loc[wanted, list(columns)].apply(pd.to_numeric, errors="coerce")
    empty = part.isna()
    if empty.to_numpy().any():
        column = str(empty.any().idxmax())
        when = empty.index[empty[column]][0]
        raise DataError(
            f"{path}: column {column} is empty in {int(empty[column].sum())} hours, first the one that begins "
            f"{when:%Y-%m-%d %H:%M} UTC; choose another station for it"
        )
    return _converted(part)


def _converted(part: pd.DataFrame) -> pd.DataFrame:
    made: dict[str, np.ndarray] = {}
    for column in part:
        v = part[column].to_numpy(dtype=np.float64)
        if column == "DD":
            made["wind_direction"] = np.where((v == 0) | (v == 990), np.nan, v % 360)
        elif column == "FH":
            made["wind_speed"] = 0.1 * v
        elif column == "T":
            made["temperature"] = 0.1 * v
        elif column == "Q":
            made["global_radiation"] = J_PER_CM2_HOUR * v
        elif column == "DR":
            made["rain_duration"] = np.where(v == -1, TRACE_HOURS, 0.1 * v)
        elif column == "RH":
            made["precipitation"] = np.where(v == -1, TRACE_MM, 0.1 * v)
        elif column == "P":
            made["pressure"] = 0.1 * v
        elif column == "N":
            made["cloud_cover"] = np.where(v == INVISIBLE, OVERCAST, v) / 8
        elif column == "U":
            made["relative_humidity"] = v
    return pd.DataFrame(made, index=part.index)


def _naive(stamp: pd.Timestamp) -> pd.Timestamp:
    stamp = pd.Timestamp(stamp)
    return stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp


def _lines(path: Path) -> list[str]:
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                texts = [n for n in archive.namelist() if n.endswith(".txt")]
                if len(texts) != 1:
                    raise DataError(f"{path}: holds {len(texts)} text files; one is wanted")
                return archive.read(texts[0]).decode("latin-1").splitlines()
        return path.read_text(encoding="latin-1").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the KNMI hourly file of the station") from None
    except zipfile.BadZipFile:
        raise DataError(f"{path}: is not a readable zip file; download it again") from None

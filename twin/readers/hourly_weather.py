"""Hourly weather: a KNMI file, or a table of comma-separated values with the columns below.

    time,wind_direction,wind_speed,temperature,global_radiation,precipitation,rain_duration,cloud_cover,relative_humidity
    2023-01-16T00:00Z,230,4.1,6.3,0,0.2,0.1,1.0,94

``time`` is the start of the hour in UTC.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import DataError
from twin.readers.knmi import read_knmi

__all__ = ["HOURLY_COLUMNS", "read_hourly_weather"]

_YEAR_FIRST = re.compile(r"\d{4}-\d\d-\d\d")
MEASURABLE = 0.1  # mm in the hour: less may come in a shower too short to be reported
# column: unit, lowest and highest value
HOURLY_COLUMNS = {
    "wind_direction": ("degree, where it comes from; empty: calm or variable", 0.0, 360.0),
    "wind_speed": ("m/s at 10 m", 0.0, 75.0),
    "temperature": ("degC", -50.0, 60.0),
    "global_radiation": ("W/m2", 0.0, 1400.0),
    "precipitation": ("mm in the hour", 0.0, 200.0),
    "rain_duration": ("h, share of the hour with rain", 0.0, 1.0),
    "cloud_cover": ("1, share of the sky", 0.0, 1.0),
    "relative_humidity": ("%", 0.0, 100.0),
}


def read_hourly_weather(path: str | Path, start: pd.Timestamp, stop: pd.Timestamp) -> pd.DataFrame:
    """Hours from ``start`` to ``stop`` (UTC) as :func:`twin.readers.knmi.read_knmi` gives them.

    A ``.csv`` has the columns of :data:`HOURLY_COLUMNS` and ``time``; any other file is one of KNMI. Raises
    :class:`twin.errors.DataError` naming file, column and hour for a missing column or hour, an hour that occurs
    twice, a time in another zone, and a value that cannot be.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        return read_knmi(path, start, stop)
    if not path.is_file():
        raise DataError(f"{path}: no such file; give hourly weather as .csv or the hourly file of a KNMI station")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines longer than the head
            table = pd.read_csv(path, index_col=False, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path}: not a table of comma-separated values ({error})") from None
    twofold = [name for name in ("time", *HOURLY_COLUMNS) if f"{name}.1" in table]
    if twofold:
        raise DataError(f"{path}: column {twofold[0]} occurs twice; remove one")
    missing = [name for name in ("time", *HOURLY_COLUMNS) if name not in table]
    if missing:
        raise DataError(
            f"{path}: columns missing: {', '.join(missing)}; needed are time (start of the hour, UTC) and "
            + ", ".join(f"{name} [{unit}]" for name, (unit, *_) in HOURLY_COLUMNS.items())
        )
    time = [_hour(path, line, str(text)) for line, text in enumerate(table["time"], start=2)]
    table.index = pd.DatetimeIndex(time)
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"{path}: the hour that begins {twice:%Y-%m-%d %H:%M} UTC occurs twice; remove one line")
    wanted = pd.date_range(start.tz_convert(None), stop.tz_convert(None), freq="h", inclusive="left")
    absent = wanted.difference(table.index)
    if len(absent):
        raise DataError(
            f"{path}: {len(absent)} hours are missing, first that from {absent[0]:%Y-%m-%d %H:%M} UTC; complete the "
            "file, or choose another period"
        )
    part = table.loc[wanted, list(HOURLY_COLUMNS)].apply(pd.to_numeric, errors="coerce")
    for name, (unit, low, high) in HOURLY_COLUMNS.items():
        value = part[name].to_numpy(float)
        wrong = ~((value >= low) & (value <= high))
        if name == "wind_direction":
            wrong &= table.loc[wanted, name].notna().to_numpy()
        if wrong.any():
            hour = wanted[int(np.argmax(wrong))]
            raise DataError(
                f"{path}: {name} is {table.loc[hour, name]} in the hour that begins {hour:%Y-%m-%d %H:%M} UTC; {low:g} "
                f"to {high:g} [{unit}] is needed"
            )
    brief = (part["precipitation"] > MEASURABLE) & (part["rain_duration"] == 0)
    if brief.any():
        raise DataError(
            f"{path}: rain of no duration in the hour that begins {brief.idxmax():%Y-%m-%d %H:%M} UTC; give its "
            "rain_duration [h]"
        )
    part["wind_direction"] = part["wind_direction"] % 360.0
    return part


def _hour(path: Path, line: int, text: str) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(text) if _YEAR_FIRST.match(text) else pd.NaT  # 05-01 is May in one country only
    except ValueError:
        stamp = pd.NaT
    if stamp is pd.NaT:
        raise DataError(f"{path}: line {line}: time {text!r} is no time; give 2023-01-16T00:00Z")
    if stamp.tzinfo is not None:
        if stamp.utcoffset().total_seconds() != 0:
            raise DataError(f"{path}: line {line}: time {text} is not in UTC; convert all times to UTC")
        stamp = stamp.tz_convert(None)
    if stamp != stamp.floor("h"):
        raise DataError(f"{path}: line {line}: time {text} is no whole hour; give the start of the hour")
    return stamp

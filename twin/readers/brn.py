"""OPS emission files (``.brn``), versions 1, 2 and 4 and the fixed format without version, as a table of sources."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
from pyproj import Transformer

from twin.errors import DataError
from twin.readers.fortran_text import number as fortran_number
from twin.readers.fortran_text import read_lines

__all__ = ["MISSING", "read_brn"]

MISSING = -999.0  # the format's mark for "not given"

_HEAD = ("id", "x", "y", "emission", "heat_content", "height", "diameter", "spread")
_STACK = ("stack_diameter", "exit_velocity", "exit_temperature")
_CODES = ("diurnal_code", "category", "country", "size_code")
_BUILDING = ("building_length", "building_width", "building_height", "building_orientation")
_COLUMNS = {1: _HEAD + _CODES, 2: _HEAD + _STACK + _CODES, 4: _HEAD + _STACK + _CODES + _BUILDING}
_INTEGER = frozenset(("id", *_CODES))
_UNITS = {
    "id": "1",
    "x": "m",
    "y": "m",
    "emission": "g s-1",
    "heat_content": "MW",
    "height": "m",
    "diameter": "m",
    "spread": "m",
    "stack_diameter": "m",
    "exit_velocity": "m s-1",
    "exit_temperature": "degC",
    "building_length": "m",
    "building_width": "m",
    "building_height": "m",
    "building_orientation": "degree",
} | dict.fromkeys(_CODES, "1")
_HOTTEST = 2000.0  # degC of flue gas, the largest that OPS allows
# Fixed format of files without a version: I4, 2I8, E10.3, F7.3, F6.1, I7, F6.1, 4I4, 2X, A12
_FIXED = (4, 8, 8, 10, 7, 6, 7, 6, 4, 4, 4, 4)
_VERSION = re.compile(r"!\s*BRN-VERSION\s+(\S+)", re.IGNORECASE)


def read_brn(path: str | Path) -> pd.DataFrame:
    """Read an OPS emission file.

    Columns (attrs["units"] holds the units): ``id``, ``x``, ``y`` [m, RD New, whole metres], ``emission`` [g s-1],
    ``heat_content`` [MW, NaN where not given], ``height`` [m], ``diameter`` [m; side of a square, negative = diameter
    of a circle, 0 = point], ``spread`` [m], ``stack_diameter`` [m], ``exit_velocity`` [m s-1; negative = horizontal
    outflow], ``exit_temperature`` [degC] (the three NaN where not given), ``diurnal_code``, ``category``, ``country``,
    ``size_code``, and for version 4 the ``building_*`` columns; ``line`` is the line in the file. Longitude and
    latitude (both within the range of degrees) are projected to RD. attrs: ``version``, ``file``, ``units``.

    Raises :class:`twin.errors.DataError` naming file and line for a short line, a word that is no number, an
    impossible value, an unknown version, or a file without sources.
    """
    path = Path(path)
    lines = read_lines(path, "emission file")
    version = _version(path, lines)
    columns = _COLUMNS[version or 1]
    rows: list[list[float]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("!"):
            continue
        words = _cut(line) if version == 0 else line.split()
        if len(words) < len(columns):
            missing = ", ".join(columns[len(words) :])
            raise DataError(
                f"{path}: line {number}: {len(words)} columns where version {version or 'without number'} has "
                f"{len(columns)}; missing: {missing}. Complete the line"
            )
        rows.append([_number(path, number, name, word) for name, word in zip(columns, words, strict=False)])
        numbers.append(number)
    if not rows:
        raise DataError(f"{path}: no source in this emission file; give at least one record")
    table = pd.DataFrame(np.array(rows), columns=list(columns))
    for name in _STACK:
        if name not in table:
            table[name] = np.nan
    table["line"] = numbers
    _check(path, table)
    for name in ("heat_content", *_STACK):
        table[name] = table[name].where(table[name] != MISSING)
    for name in _INTEGER:
        table[name] = table[name].astype(np.int64)
    _project(table)
    table.attrs.update(version=version, file=str(path), units=_UNITS)
    return table


def _version(path: Path, lines: list[str]) -> int:
    """Version of the file from its header; 0 for the fixed format without version."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not line.lstrip().startswith("!"):
            return 0
        found = _VERSION.match(line.strip())
        if found is None:
            continue
        word = found.group(1)
        if word not in {"0", "1", "2", "4"}:
            raise DataError(f"{path}: line {number}: BRN-VERSION {word} is not known; versions 0, 1, 2 and 4 are read")
        return int(word)
    return 0


def _cut(line: str) -> list[str]:
    """Fields of a fixed-format line; as many as the line is long."""
    fields, start = [], 0
    for width in _FIXED:
        word = line[start : start + width].strip()
        if not word:
            break
        fields.append(word)
        start += width
    return fields


def _number(path: Path, line: int, name: str, word: str) -> float:
    try:
        value = fortran_number(word)
    except ValueError:
        raise DataError(f"{path}: line {line}: {name} is {word!r}, not a number; correct it") from None
    if not math.isfinite(value):
        raise DataError(f"{path}: line {line}: {name} is {word}; a finite number is needed")
    if name in _INTEGER and value != int(value):
        raise DataError(f"{path}: line {line}: {name} is {word}; a whole number is needed")
    return value


def _check(path: Path, table: pd.DataFrame) -> None:
    """Refuse what cannot be, naming the first line of each kind."""
    heat, velocity = table["heat_content"], table["exit_velocity"]
    temperature, stack = table["exit_temperature"], table["stack_diameter"]
    stacked = temperature.notna().to_numpy()
    impossible = {
        "emission must not be negative [g/s]": table["emission"] < 0,
        "heat content must be >= 0 MW (or -999 where not given)": (heat < 0) & (heat != MISSING),
        "height must be >= 0 m": table["height"] < 0,
        "spread must be >= 0 m": table["spread"] < 0,
        "stack diameter must be > 0 m (or -999)": (stack <= 0) & (stack != MISSING) & (velocity != MISSING),
        "heat content and exit temperature are both given; give one and -999 for the other": stacked
        & (heat != MISSING)
        & (temperature != MISSING)
        & (velocity != MISSING)
        & (heat != 0),
        f"heat content is more than gas of {_HOTTEST:g} degC carries through this stack; correct heat, diameter or "
        "exit velocity": (velocity != MISSING) & (stack > 0) & (heat > _heat_of(_HOTTEST, stack, velocity)),
        "exit temperature must be above -273.16 degC": (temperature < -273.16) & (temperature != MISSING),
        "exit temperature is given without exit velocity and stack diameter": stacked
        & (temperature != MISSING)
        & (heat == MISSING)
        & ((velocity == MISSING) | (stack == MISSING)),
    }
    for reason, wrong in impossible.items():
        bad = np.flatnonzero(np.asarray(wrong, dtype=bool))
        if bad.size:
            more = f" (and {bad.size - 1} more lines)" if bad.size > 1 else ""
            raise DataError(f"{path}: line {table['line'].iloc[bad[0]]}: {reason}{more}")


def _heat_of(temperature: float, diameter: pd.Series, velocity: pd.Series) -> pd.Series:
    """Heat [MW] of gas [degC] through a stack [m, m/s], above air of 12 degC (nitrogen.md 3.3)."""
    gas, air = temperature + 273.16, 12.0 + 273.16
    return 1.293 * 1005.0 * 1.0e-6 * np.pi / 4.0 * diameter**2 * velocity.abs() * 273.16 / gas * (gas - air)


def _project(table: pd.DataFrame) -> None:
    """Degrees to RD New, in place; then whole metres, halves away from zero, as the format defines."""
    degrees = ((table["x"].abs() <= 180.0) & (table["y"].abs() <= 90.0)).to_numpy()
    if degrees.any():
        to_rd = Transformer.from_crs(4326, 28992, always_xy=True)
        x, y = to_rd.transform(table.loc[degrees, "x"].to_numpy(), table.loc[degrees, "y"].to_numpy())
        table.loc[degrees, "x"] = x
        table.loc[degrees, "y"] = y
    for name in ("x", "y"):
        value = table[name].to_numpy()
        table[name] = np.copysign(np.floor(np.abs(value) + 0.5), value)

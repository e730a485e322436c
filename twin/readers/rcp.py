"""Receptor files: OPS ``.rcp`` and comma-separated tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import DataError
from twin.readers.fortran_text import number as fortran_number
from twin.readers.fortran_text import read_lines

__all__ = ["read_rcp"]

_SHARES = tuple(f"land_use_{lu}" for lu in range(1, 10))


def read_rcp(path: str | Path, heights: bool = False, shares: bool = False) -> pd.DataFrame:
    """Read receptors: columns ``name``, ``x``, ``y`` [m RD, cut to whole metres], and optional ``height`` [m],
    ``z0`` [m] and ``land_use_1`` .. ``land_use_9`` [%].

    OPS format: ID, name, x, y, then with ``heights`` z, and with ``shares`` z0, dominant land use and nine
    percentages (sum 99-101). A ``.csv`` has a header with name (or receptor_id), x, y. Raises
    :class:`twin.errors.DataError` with file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such receptor file")
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    needed = 4 + heights + (11 if shares else 0)
    records: list[tuple] = []
    for number, line in enumerate(read_lines(path, "receptor file"), start=1):
        words = line.split()
        if not words or line.lstrip().startswith("!"):
            continue
        if len(words) < needed:
            raise DataError(f"{path}: line {number}: {len(words)} columns where {needed} are needed; complete the line")
        try:
            values = [fortran_number(word) for word in words[2:needed]]
        except ValueError:
            if not records and not any(map(_is_number, words[2:needed])):  # header
                continue
            raise DataError(f"{path}: line {number}: a coordinate or value is no number: {line.strip()}") from None
        records.append((number, words[1], *values))
    if not records:
        raise DataError(f"{path}: no receptor in this file; give at least one record of ID, name, x, y")
    names = ["line", "name", "x", "y"]
    if heights:
        names.append("height")
    if shares:
        names += ["z0", "dominant", *_SHARES]
    table = pd.DataFrame(records, columns=names)
    if shares:
        total = table[list(_SHARES)].sum(axis=1)
        wrong = np.flatnonzero((total < 99) | (total > 101) | (table["z0"] < 0) | (table["z0"] > 3))
        if wrong.size:
            line = table["line"].iloc[wrong[0]]
            raise DataError(f"{path}: line {line}: z0 outside 0-3 m or land-use percentages that do not add up to 100")
    return _finish(path, table)


def _is_number(word: str) -> bool:
    try:
        fortran_number(word)
    except ValueError:
        return False
    return True


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a table of comma-separated values ({error})") from error
    if "name" not in table and "receptor_id" in table:
        table = table.rename(columns={"receptor_id": "name"})
    missing = [name for name in ("x", "y") if name not in table]
    if missing:
        raise DataError(f"{path}: column {missing[0]} is missing; receptors need x and y in m RD")
    if "name" not in table:
        table["name"] = [f"R{i + 1}" for i in range(len(table))]
    table["line"] = np.arange(2, len(table) + 2)
    keep = ["line", "name", "x", "y", *(c for c in ("height", "z0", *_SHARES) if c in table)]
    return _finish(path, table[keep])


def _finish(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    for name in ("x", "y"):
        value = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
        wrong = np.flatnonzero(~np.isfinite(value))
        if wrong.size:
            raise DataError(f"{path}: line {table['line'].iloc[wrong[0]]}: {name} is no number")
        table = table.assign(**{name: np.trunc(value)})
    table = table.assign(name=table["name"].astype(str))
    table.attrs["file"] = str(path)
    return table

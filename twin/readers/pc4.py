"""Tables of Statistics Netherlands per four-digit postcode (PC4): homes, energy use, vehicles by fuel."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd

from twin.errors import DataError

__all__ = ["read_cars", "read_homes"]

MISSING = -99_997
"""What the statistics write for a secret or missing value."""

FIRST_ROW = 10
# name: 0-based column, and a word of the header rows above it that proves that the column is the one meant
STATISTICS = {
    "inhabitants": (1, "inwoners"),
    "households": (13, "huishouden"),
    "dwellings": (19, "woning"),
    "multi_family": (28, "meergezins"),
    "gas": (34, "gas"),
    "electricity": (35, "elektra"),
}
FUELS = ("petrol", "diesel", "lpg", "electric", "cng", "other")
HEADERS = {"petrol": "benzine", "diesel": "diesel", "lpg": "lpg", "electric": "elektrisch"}
FUEL_ROW = 7


def _rows(path: Path, sheet: str | None, first: int, columns: int) -> tuple[list[tuple], Iterator[tuple]]:
    """Header rows and data rows (values) of a sheet."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the postcode table that the catalogue names")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: no readable xlsx workbook ({error}); fetch the file again") from error
    if sheet is not None and sheet not in book.sheetnames:
        raise DataError(f"{path}: no sheet {sheet!r}; it has {', '.join(book.sheetnames)}")
    rows = book[sheet or book.sheetnames[0]].iter_rows(max_col=columns, values_only=True)
    head = [row for _, row in zip(range(first), rows)]
    if len(head) < first:
        raise DataError(f"{path}: only {len(head)} rows; {first} header rows and the data were expected")
    return head, rows


def _header(path: Path, head: Sequence[tuple], column: int, word: str, name: str) -> None:
    text = " ".join(str(row[column]) for row in head if len(row) > column and row[column] is not None)
    if word not in text.lower():
        raise DataError(
            f"{path}: column {column} should hold {name} (a header with {word!r}) and is headed {text[:60]!r}; "
            f"the layout has changed: adapt the column table of this reader"
        )


def _number(path: Path, postcode: int, name: str, value: Any) -> float:
    """A cell as a number; NaN for the code of a missing value. Anything else is refused."""
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{path}, postcode {postcode}: {name} is {value!r}, no number; correct the cell")
    if value == MISSING:
        return np.nan
    if not value >= 0:
        raise DataError(f"{path}, postcode {postcode}: {name} is {value}, below zero; correct the cell")
    return float(value)


def _postcode(path: Path, value: Any) -> int:
    text = str(value).strip()
    if not (len(text) == 4 and text.isdigit() and text[0] != "0"):
        raise DataError(f"{path}: {value!r} is no four-digit postcode; correct the row")
    return int(text)


def _frame(path: Path, records: dict[int, dict[str, Any]]) -> pd.DataFrame:
    if not records:
        raise DataError(f"{path}: no postcode rows; is this the right table?")
    return pd.DataFrame.from_dict(records, orient="index").rename_axis("postcode").sort_index()


def read_homes(path: Path) -> pd.DataFrame:
    """Key figures per postcode (``pc4_YYYY_vol.xlsx``), indexed by postcode; NaN where the value is missing.

    Columns: ``inhabitants``, ``households``, ``dwellings``, ``multi_family`` [1]; per dwelling and year ``gas``
    [m3] and ``electricity`` [kWh]. Raises :class:`DataError` naming file, postcode and column.
    """
    head, rows = _rows(path, None, FIRST_ROW, 1 + max(column for column, _ in STATISTICS.values()))
    for name, (column, word) in STATISTICS.items():
        _header(path, head, column, word, name)
    records: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row[0] is None:
            continue
        if not str(row[0]).strip().isdigit():  # notes below the table
            break
        code = _postcode(path, row[0])
        if code in records:
            raise DataError(f"{path}: postcode {code} occurs twice; remove one row")
        records[code] = {name: _number(path, code, name, row[column]) for name, (column, _) in STATISTICS.items()}
    return _frame(path, records)


def read_cars(path: Path, sheet: str = "Tabel 1") -> pd.DataFrame:
    """Vehicles per postcode by fuel (``brandstof_pc4_YYYY.xlsx``), indexed by postcode; NaN where secret (".").

    ``sheet``: "Tabel 1" cars, 2 vans, 3 lorries; tractors ("Tabel 4") have other columns and are refused.
    Columns: ``municipality`` (name without blanks, as in the file), ``total`` and one per fuel [1]; ``electric``
    includes hybrids. Raises :class:`DataError` naming file, postcode and column.
    """
    head, rows = _rows(path, sheet, FUEL_ROW, 4 + len(FUELS))
    for name, word in HEADERS.items():
        _header(path, head, 4 + FUELS.index(name), word, name)
    records: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row[0] is None:
            if records:
                break
            continue
        code = _postcode(path, row[0])
        if code in records:
            raise DataError(f"{path}: postcode {code} occurs twice; remove one row")
        record: dict[str, Any] = {"municipality": "".join(str(row[1]).split())}
        for name, value in zip(("total", *FUELS), row[3:]):
            record[name] = np.nan if value == "." else _number(path, code, name, value)
        records[code] = record
    return _frame(path, records)

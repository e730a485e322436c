"""Tables per four-digit postcode: CBS homes and energy use, and vehicles by fuel."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from twin.errors import DataError

__all__ = ["read_cars", "read_homes"]

MISSING = -99_997  # CBS: 0 to 4, or secret
FIRST_ROW = 10  # 0-based; the rows before are titles and units
HOME_COLUMNS = {1: "inhabitants", 13: "households", 19: "dwellings", 28: "multi_family", 34: "gas", 35: "electricity"}


def _rows(path: Path, sheet: str | None, columns: int) -> list[tuple]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the postcode table")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, ValueError, KeyError, InvalidFileException) as error:
        raise DataError(f"{path}: cannot be read as a workbook ({error}); fetch the file again") from None
    if sheet is not None and sheet not in book.sheetnames:
        raise DataError(f"{path}: no sheet {sheet!r}; it has {', '.join(book.sheetnames)}")
    page = book[sheet] if sheet is not None else book[book.sheetnames[0]]
    return list(page.iter_rows(max_col=columns, values_only=True))


def read_homes(path: Path) -> pd.DataFrame:
    """Inhabitants, households, dwellings, multi_family [1], gas [m3] and electricity [kWh] per dwelling and year.

    Index: postcode (int). Values that CBS keeps secret are NaN.
    """
    rows = [r for r in _rows(path, None, 36)[FIRST_ROW:] if r[0] is not None and str(r[0]).strip().isdigit()]
    if not rows:
        raise DataError(f"{path}: no postcode from row {FIRST_ROW} on; is this the CBS postcode table of 2020?")
    table = pd.DataFrame(
        {name: [r[column] for r in rows] for column, name in HOME_COLUMNS.items()},
        index=pd.Index([int(r[0]) for r in rows], name="postcode"),
    ).astype(float)
    return table.where(table != MISSING)


def read_cars(path: Path, sheet: str = "Tabel 1") -> pd.DataFrame:
    """Vehicles per postcode: ``municipality`` (blanks removed), ``total`` and ``electric`` (hybrids included).

    A dot is secret and stays NaN. The municipality's blanks are removed because the file and other sources write
    them differently.
    """
    rows = _rows(path, sheet, 10)
    heading = next((i for i, r in enumerate(rows) if any("Elektrisch" in str(c) for c in r)), None)
    if heading is None:
        raise DataError(f"{path}, {sheet}: no column 'Elektrisch'; is this the table of vehicles by fuel?")
    electric = next(k for k, c in enumerate(rows[heading]) if "Elektrisch" in str(c))
    total = next(k for k, c in enumerate(rows[heading]) if "otaal" in str(c))
    found = [r for r in rows[heading + 1 :] if _postcode(r) is not None]

    def number(value: object) -> float:
        return float(value) if isinstance(value, int | float) else np.nan

    return pd.DataFrame(
        {
            "municipality": [
                next(str(c) for c in r if isinstance(c, str) and c[0].isalpha()).replace(" ", "") for r in found
            ],
            "total": [number(r[total]) for r in found],
            "electric": [number(r[electric]) for r in found],
        },
        index=pd.Index([_postcode(r) for r in found], name="postcode"),
    )


def _postcode(row: tuple) -> int | None:
    """The four-digit postcode of a row, or None."""
    for value in row[:3]:
        text = str(value).strip()
        if len(text) == 4 and text.isdigit():
            return int(text)
    return None

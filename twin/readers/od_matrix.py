"""Origin-destination matrices: sheets of an xlsx workbook read by position, and long CSV tables."""

import csv
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from twin.errors import DataError

__all__ = ["read_csv_matrix", "read_xlsx_matrices"]


def read_xlsx_matrices(path: Path, sheets: Sequence[str], zones: Sequence[str]) -> dict[str, np.ndarray]:
    """Read square matrices, trips (origin, destination), one per sheet: row = origin.

    The first row and column hold names. Cells are taken by **position** in the order of ``zones``, since names may
    occur twice; each name must still be that zone's own, or the end of it ("Centrum" of "Rotterdam Centrum").

    Raises :class:`DataError` naming sheet and cell for a missing sheet, an unknown or missing zone, and a cell that
    is empty, no number, NaN, infinite or negative.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the workbook of the origin-destination matrices")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, OSError) as error:
        raise DataError(f"{path}: no readable xlsx workbook ({error}); fetch the file again") from error
    try:
        matrices = {}
        for sheet in sheets:
            if sheet not in book.sheetnames:
                raise DataError(f"{path}: no sheet {sheet!r}; it has {', '.join(book.sheetnames)}")
            rows = [row for row in book[sheet].iter_rows(values_only=True) if any(cell is not None for cell in row)]
            matrices[sheet] = _square(rows, zones, f"{path}, sheet {sheet}")
    finally:
        book.close()
    return matrices


def _square(rows: list[tuple], zones: Sequence[str], where: str) -> np.ndarray:
    n = len(zones)
    header = [name for name in rows[0][1:] if name is not None] if rows else []
    _check_names(header, zones, f"{where}, header")
    _check_names([row[0] for row in rows[1:]], zones, f"{where}, first column")
    matrix = np.empty((n, n))
    for i, row in enumerate(rows[1:]):
        for j, cell in enumerate(row[1 : n + 1]):
            matrix[i, j] = _trips(cell, f"{where}, row {i + 2}, column {j + 2} ({zones[i]} to {zones[j]})")
    return matrix


def _check_names(names: Sequence[object], zones: Sequence[str], where: str) -> None:
    for position, name in enumerate(names):
        if position >= len(zones):
            raise DataError(f"{where}: unknown zone {name!r} at position {position + 1}; only {len(zones)} zones exist")
        if not isinstance(name, str) or not zones[position].strip().endswith(name.strip()):
            raise DataError(
                f"{where}: unknown zone {name!r} at position {position + 1}, where {zones[position]!r} is expected; "
                f"order rows and columns by zone number"
            )
    if len(names) < len(zones):
        raise DataError(f"{where}: {len(names)} zones, wanted {len(zones)}; {zones[len(names)]!r} is missing")


def _trips(cell: object, where: str) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise DataError(f"{where}: {cell!r} is no number of trips; write 0 where there are none")
    value = float(cell)
    if not np.isfinite(value):
        raise DataError(f"{where}: {value} is no finite number of trips; write 0 where there are none")
    if value < 0:
        raise DataError(f"{where}: negative trips ({value:g}); trips cannot be below zero")
    return value


def read_csv_matrix(
    path: Path,
    zones: Sequence[str],
    *,
    origin: str = "o_zone_id",
    destination: str = "d_zone_id",
    trips: str = "volume",
    delimiter: str = ",",
) -> np.ndarray:
    """Read a long table with one row per pair (the names are GMNS's ``demand.csv``); absent pairs have no trips.

    Raises :class:`DataError` naming line and field for an unknown zone, a pair that occurs twice, and a volume that
    is no number, NaN, infinite or negative.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the table of trips")
    index = {zone: i for i, zone in enumerate(zones)}
    matrix = np.zeros((len(zones), len(zones)))
    seen: set[tuple[int, int]] = set()
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        for field in (origin, destination, trips):
            if field not in (reader.fieldnames or ()):
                raise DataError(f"{path}: no column {field!r}; it has {', '.join(reader.fieldnames or ())}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            pair = []
            for field in (origin, destination):
                zone = (row[field] or "").strip()
                if zone not in index:
                    raise DataError(f"{where}: unknown zone {zone!r} in {field}; correct it or add the zone")
                pair.append(index[zone])
            i, j = pair
            if (i, j) in seen:
                raise DataError(f"{where}: pair {row[origin]} to {row[destination]} occurs twice; add the rows up")
            seen.add((i, j))
            try:
                value: object = float(row[trips])
            except (TypeError, ValueError):
                value = row[trips]
            matrix[i, j] = _trips(value, f"{where}, {trips}")
    return matrix

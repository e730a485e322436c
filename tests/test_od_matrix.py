"""Matrices: read by position and row = origin; every kind of bad cell and zone is refused by name."""

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twin.errors import DataError
from twin.readers.od_matrix import read_csv_matrix, read_xlsx_matrices

ZONES = ["Rotterdam Centrum", "Noord", "Den Haag Centrum"]  # "Centrum" occurs twice in the file
NAMES = ["Centrum", "Noord", "Centrum"]


def workbook(path, matrix, names=NAMES):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Auto_os"
    sheet.append([None, *names])
    for name, row in zip(names, matrix):
        sheet.append([name, *row])
    book.save(path)
    return path


@settings(max_examples=10, deadline=None)
@given(matrix=hnp.arrays(float, (3, 3), elements=st.integers(0, 10**6).map(float)))
def test_workbook_round_trip_by_position(tmp_path_factory, matrix):
    path = workbook(tmp_path_factory.mktemp("od") / "m.xlsx", matrix.tolist())
    np.testing.assert_array_equal(read_xlsx_matrices(path, ["Auto_os"], ZONES)["Auto_os"], matrix)


@pytest.mark.parametrize(
    ("cell", "words"),
    [(-1, "negative"), (None, "no number"), ("x", "no number"), (True, "no number")],
)
def test_a_bad_cell_is_named_by_sheet_and_position(tmp_path, cell, words):
    matrix = np.ones((3, 3)).tolist()
    matrix[1][2] = cell
    with pytest.raises(DataError, match=words) as error:
        read_xlsx_matrices(workbook(tmp_path / "m.xlsx", matrix), ["Auto_os"], ZONES)
    assert "row 3, column 4" in str(error.value)
    assert "Noord to Den Haag Centrum" in str(error.value)


@pytest.mark.parametrize("names", [["Centrum", "Zuid", "Centrum"], ["Centrum", "Noord", "Centrum", "Elders"]])
def test_an_unknown_zone_is_refused(tmp_path, names):
    matrix = np.ones((len(names), len(names))).tolist()
    with pytest.raises(DataError, match=r"unknown zone '(Zuid|Elders)'"):
        read_xlsx_matrices(workbook(tmp_path / "m.xlsx", matrix, names), ["Auto_os"], ZONES)


def test_a_missing_zone_sheet_or_file_is_refused(tmp_path):
    path = workbook(tmp_path / "m.xlsx", np.ones((2, 2)).tolist(), NAMES[:2])
    with pytest.raises(DataError, match="'Den Haag Centrum' is missing"):
        read_xlsx_matrices(path, ["Auto_os"], ZONES)
    with pytest.raises(DataError, match="no sheet 'Auto_as'"):
        read_xlsx_matrices(path, ["Auto_as"], ZONES)
    (tmp_path / "broken.xlsx").write_bytes(b"PK")
    for name in ("absent.xlsx", "broken.xlsx"):
        with pytest.raises(DataError, match=name):
            read_xlsx_matrices(tmp_path / name, ["Auto_os"], ZONES)


def test_long_table_fills_the_pairs_it_lists(tmp_path):
    path = tmp_path / "demand.csv"
    path.write_text("o_zone_id,d_zone_id,volume\n1,2,3.5\n2,1,0\n")
    np.testing.assert_array_equal(read_csv_matrix(path, ["1", "2"]), [[0, 3.5], [0, 0]])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,9,2", "unknown zone '9'"),
        ("1,2,nan", "no finite number"),
        ("1,2,-3", "negative"),
        ("1,2,", "no number"),
        ("1,1,4", "occurs twice"),
    ],
)
def test_a_bad_row_is_named_by_line(tmp_path, row, words):
    path = tmp_path / "demand.csv"
    path.write_text(f"o_zone_id,d_zone_id,volume\n1,1,1\n{row}\n")
    with pytest.raises(DataError, match=words) as error:
        read_csv_matrix(path, ["1", "2"])
    assert "line 3" in str(error.value)

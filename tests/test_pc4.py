"""Postcode tables: every fault of a workbook is named by file, postcode and column; secret is not zero."""

import numpy as np
import openpyxl
import pytest

from twin.errors import DataError
from twin.readers.pc4 import read_cars, read_homes

HEADERS = {1: "Inwoners", 13: "Huishouden", 19: "Woning", 28: "Meergezins", 34: "Gas", 35: "Elektra"}


def homes_book(path, rows, headers=HEADERS):
    book = openpyxl.Workbook()
    sheet = book.active
    for k in range(10):
        row = [None] * 36
        if k == 8:
            for column, text in headers.items():
                row[column] = text
        row[0] = "Postcode-4" if k == 8 else "x"
        sheet.append(row)
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def home_row(code="3011", **values):
    row = [code] + [0] * 35
    row[1], row[13], row[19], row[28], row[34], row[35] = 900, 450, 400, 120, 950, 2400
    for column, value in values.items():
        row[int(column[1:])] = value
    return row


def cars_book(path, rows):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Tabel 1"
    for k in range(7):
        head = [None, None, None, "Totaal", "Benzine ", "Diesel", "LPG", "Elektrisch", "CNG", "Overig"]
        sheet.append(head if k == 3 else [None if k == 6 else "x"])
    for row in rows:
        sheet.append(row)
    sheet.append([None])
    sheet.append(["Bron: RDW/CBS"])
    book.save(path)
    return path


def test_homes_read_back_with_missing_as_nan(tmp_path):
    table = read_homes(homes_book(tmp_path / "a.xlsx", [home_row(), home_row("3012", c28=-99997, c35=-99997)]))
    assert table.index.tolist() == [3011, 3012]
    assert table.loc[3011].tolist() == [900, 450, 400, 120, 950, 2400]
    assert np.isnan(table.loc[3012, ["multi_family", "electricity"]]).all() and table.loc[3012, "dwellings"] == 400


@pytest.mark.parametrize(
    ("rows", "headers", "message"),
    [
        ([home_row(), home_row()], HEADERS, "3011 occurs twice"),
        ([home_row(c19="veel")], HEADERS, "3011: dwellings is 'veel'"),
        ([home_row(c35=-5)], HEADERS, "3011: electricity is -5"),
        ([home_row()], {**HEADERS, 35: "Gas"}, "column 35 should hold electricity"),
        ([home_row("0123")], HEADERS, "no four-digit postcode"),
        ([], HEADERS, "no postcode rows"),
    ],
)
def test_faults_of_homes_are_named(tmp_path, rows, headers, message):
    with pytest.raises(DataError, match=message):
        read_homes(homes_book(tmp_path / "a.xlsx", rows, headers))


def test_cars_keep_secret_apart_from_zero_and_drop_blanks_of_names(tmp_path):
    rows = [
        [2400, "Alphen aan den Rijn", None, 100, 70, 10, 0, 20, 0, 0],
        [2401, "Alphenaan denRijn", None, ".", ".", ".", ".", ".", ".", "."],
        [2402, "Gouda", None, 0, 0, 0, 0, 0, 0, 0],
    ]
    table = read_cars(cars_book(tmp_path / "a.xlsx", rows))
    assert table["municipality"].tolist() == ["AlphenaandenRijn", "AlphenaandenRijn", "Gouda"]
    assert np.isnan(table.loc[2401, "total"]) and table.loc[2402, "total"] == 0
    assert table.loc[2400, ["total", "electric"]].tolist() == [100, 20]


def test_wrong_files_are_refused(tmp_path):
    (tmp_path / "text.xlsx").write_text("no workbook")
    with pytest.raises(DataError, match="no readable xlsx"):
        read_homes(tmp_path / "text.xlsx")
    with pytest.raises(DataError, match="no such file"):
        read_homes(tmp_path / "absent.xlsx")
    with pytest.raises(DataError, match="no sheet 'Tabel 2'"):
        read_cars(cars_book(tmp_path / "a.xlsx", []), "Tabel 2")

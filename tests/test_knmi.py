"""KNMI hours: every unit trap on a small file, gaps named, yearly means of a real station."""

import numpy as np
import pandas as pd
import pytest

from twin.errors import DataError
from twin.readers.knmi import read_knmi

HEAD = "free text\n\n# STN,YYYYMMDD,   HH,   DD,   FH,    T,    Q,   DR,   RH,    P,    N,    U\n\n"
ROWS = [
    "344,20230101,1,350,46,-51,0,-1,-1,10062,9,99",
    "344,20230101,2,0,0,0,36,10,12,10062,4,80",
    "344,20230101,3,990,15,123,360,0,0,9990,0,50",
]
SPAN = (pd.Timestamp("2023-01-01"), pd.Timestamp("2023-01-01T03:00Z"))


def write(folder, rows):
    path = folder / "uurgeg.txt"
    path.write_text(HEAD + "\n".join(rows) + "\n")
    return path


def test_units_and_codes(tmp_path):
    t = read_knmi(write(tmp_path, ROWS), *SPAN)
    assert t.index[0] == pd.Timestamp("2023-01-01 00:00")  # HH 1 is the hour that began at midnight
    assert t.wind_direction.iloc[0] == 350
    assert t.wind_direction.iloc[1:].isna().all()  # calm, variable
    np.testing.assert_allclose(t.wind_speed, [4.6, 0, 1.5])
    np.testing.assert_allclose(t.temperature, [-5.1, 0, 12.3])
    np.testing.assert_allclose(t.global_radiation, [0, 100, 1000])  # 36 J/cm2 in an hour = 360 kJ/m2 / 3600 s
    np.testing.assert_allclose(t.precipitation, [0.025, 1.2, 0])
    np.testing.assert_allclose(t.rain_duration, [0.025, 1.0, 0])
    np.testing.assert_allclose(t.cloud_cover, [1, 0.5, 0])
    np.testing.assert_allclose(t.pressure, [1006.2, 1006.2, 999])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS[:1] + ROWS[2:], "2023-01-01 01:00"),
        ([ROWS[0], ROWS[1].replace(",36,", ",,"), ROWS[2]], "column Q is empty"),
        ([*ROWS, ROWS[0]], "twice"),
        ([ROWS[0].replace(",1,", ",25,", 1), *ROWS[1:]], "hours run from 1 to 24"),
    ],
)
def test_gaps_and_faults_are_named(tmp_path, rows, says):
    with pytest.raises(DataError, match=says):
        read_knmi(write(tmp_path, rows), *SPAN)


def test_a_file_of_another_kind_or_none(tmp_path):
    other = tmp_path / "x.txt"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no header line"):
        read_knmi(other, *SPAN)
    with pytest.raises(DataError, match="no such file"):
        read_knmi(tmp_path / "none.txt", *SPAN)


def test_rotterdam_2023(data):
    t = read_knmi(data / "meteo/uurgeg_344_2021-2030.zip", pd.Timestamp("2023-01-01"), pd.Timestamp("2024-01-01"))
    assert len(t) == 8760
    assert t.temperature.mean() == pytest.approx(12.13, rel=5e-3)
    assert t.wind_speed.mean() == pytest.approx(4.56, rel=5e-3)
    assert t.global_radiation.sum() / 1000 == pytest.approx(1111, rel=5e-3)
    # wind rose: 54 % of the hours with a direction blow from the sector 165 to 285 degrees
    known = t.wind_direction.dropna()
    assert known.between(165, 285, inclusive="left").mean() == pytest.approx(0.54, abs=0.01)

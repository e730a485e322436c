"""Hourly curves, data sets and the high-voltage tables: traps of the files, and faults named by file and place."""

import gzip
import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from twin.errors import DataError
from twin.readers.etm import read_curve, read_data_sets, read_shares
from twin.readers.knmi import read_knmi
from twin.readers.osm_power import read_osm_power


def curve(path, lines, *, end="\n", mark=b"", zipped=True):
    raw = mark + ("\n".join(lines) + end).encode()
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    return path


@pytest.mark.parametrize(("mark", "end"), [(b"", "\n"), (b"\xef\xbb\xbf", ""), (b"", "\r\n")])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_curve_reads_back_with_or_without_mark_and_last_line_end(tmp_path, mark, end, zipped):
    want = np.arange(8760) / 7
    got = read_curve(curve(tmp_path / "a.csv.gz", [repr(float(v)) for v in want], mark=mark, end=end, zipped=zipped))
    np.testing.assert_array_equal(got, want)


def test_shares_of_a_load_curve_add_up_to_one(tmp_path):
    path = curve(tmp_path / "a.csv.gz", [repr(1 / 3600 / 8760)] * 8760)
    assert read_shares(path).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1"] * 8759, "8759 values"),
        (["1"] * 100 + ["x"] + ["1"] * 8659, "line 101: 'x'"),
        (["1"] * 8759 + ["nan"], "line 8760: 'nan'"),
        (["12.5"] * 8760, "another quantity"),
        ([repr(-1 / 3600)] + [repr(2 / 3600)] + ["0"] * 8758, "line 1: a share of the year below zero"),
    ],
)
def test_faults_of_curves_are_named_by_line(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_shares(curve(tmp_path / "a.csv.gz", lines))


def test_a_cut_archive_is_refused(tmp_path):
    whole = curve(tmp_path / "a.csv.gz", ["1"] * 8760).read_bytes()
    (tmp_path / "b.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        read_curve(tmp_path / "b.csv.gz")


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return path


def test_data_sets_are_read_by_area_without_touching_the_disk(tmp_path):
    text = b"\xef\xbb\xbf- area = GM0599_rotterdam\n- areable_land = 12.5\n\n~ note\n"
    path = archive(tmp_path / "a.tar.gz", {"../../GM0599.ad": text, "readme.txt": b"x"})
    assert read_data_sets(path) == {"GM0599": {"area": "GM0599_rotterdam", "areable_land": "12.5"}}
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]
    with pytest.raises(DataError, match="GM0599 occurs twice"):
        read_data_sets(archive(tmp_path / "b.tar.gz", {"a.ad": text, "b.ad": text}))
    with pytest.raises(DataError, match="no entry 'area'"):
        read_data_sets(archive(tmp_path / "c.tar.gz", {"a.ad": b"- x = 1\n"}))
    with pytest.raises(DataError, match="cannot be read as a tar"):
        read_data_sets(curve(tmp_path / "d.tar.gz", ["1"]))


VERTICES = "v_id#lon#lat#typ#voltage#name\n7#4.4#51.9#substation#150000;n/a#Zuid\n9#4.5#51.9#merge##\n"
LINKS = "l_id#v_id_1#v_id_2#voltage#length_m\n1#7#9#150000;150000#7000.5\n"


def tables(tmp_path, vertices=VERTICES, links=LINKS):
    (tmp_path / "v.csv").write_text(vertices)
    (tmp_path / "l.csv").write_text(links)
    return read_osm_power(tmp_path / "v.csv", tmp_path / "l.csv")


def test_vertices_in_rd_and_voltages_per_circuit(tmp_path):
    grid = tables(tmp_path)
    assert grid.vertices.loc[7, "voltages"] == (150_000, 0) and grid.vertices.loc[9, "voltages"] == ()
    assert grid.links.loc[1, ["from", "to"]].tolist() == [7, 9]
    # 0.1 degree of longitude at 51.9 N: 6378137 cos(51.9) pi/1800 = 6.87 km, on RD within 0.5 %
    assert grid.vertices.loc[9, "x"] - grid.vertices.loc[7, "x"] == pytest.approx(6868, rel=5e-3)
    assert grid.links.loc[1, "voltages"] == (150_000, 150_000)


def test_a_voltage_listed_once_is_that_of_all_circuits_of_its_conductors(tmp_path):
    head = "l_id#v_id_1#v_id_2#voltage#cables#length_m\n"
    rows = ["1#7#9#50000#6#10", "2#7#9#50000##10", "3#7#9#50000;50000#6#10", "4#7#9#150000#3;3#10", "5#7#9##6#10",
            "6#7#9#50000#4#10"]  # fmt: skip
    voltages = tables(tmp_path, links=head + "\n".join(rows) + "\n").links["voltages"].tolist()
    assert voltages == [(50_000,) * 2, (50_000,), (50_000,) * 2, (150_000,) * 2, (), (50_000,)]


@pytest.mark.parametrize(
    ("vertices", "links", "message"),
    [
        (VERTICES, LINKS.replace("#9#", "#8#"), "v_id_2 = 8 is no vertex"),
        (VERTICES, LINKS.replace("7000.5", "0"), "id 1: length_m is 0"),
        (VERTICES.replace("4.4", "west"), LINKS, "id 7: lon is 'west'"),
        (VERTICES.replace("9#4.5", "7#4.5"), LINKS, "v_id 7 occurs twice"),
        (VERTICES.replace("typ", "kind"), LINKS, "no field 'typ'"),
    ],
)
def test_faults_of_the_tables_are_named(tmp_path, vertices, links, message):
    with pytest.raises(DataError, match=message):
        tables(tmp_path, vertices, links)


def test_the_temperature_curve_is_that_of_de_bilt_hour_by_hour(data):
    # the curve is in UT, hour by hour that of KNMI station 260 in 2023
    curve = read_curve(data / "electricity/etm_nl2023_weather_air_temperature.csv.gz")
    year = pd.Timestamp("2023-01-01"), pd.Timestamp("2024-01-01")
    measured = read_knmi(data / "meteo/uurgeg_260_2021-2030.zip", *year, columns=["T"])["temperature"].to_numpy()
    np.testing.assert_allclose(curve, measured, atol=5e-3)

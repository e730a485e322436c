"""OPS emission files: round trip of every version, and one clear error per fault."""

import numpy as np
import pytest

from twin.errors import DataError
from twin.readers.brn import read_brn

HEAD = "! BRN-VERSION {}\n! snr x y q hc h d s dv cat area ps comment\n"
GOOD = {
    1: "1 155000 463000 1.5E+00 0.25 2.5 500 1.0 3 1000 1 0 a stable\n",
    2: "1 155000 463000 1.5E+00 -999 2.5 500 1.0 1.2 -12.0 60.0 3 1000 1 0\n",
    4: "1 155000 463000 1.5E+00 0.25 2.5 500 1.0 -999 -999 -999 3 1000 1 0 10 20 6 45\n",
}


def write(folder, text):
    path = folder / "sources.brn"
    path.write_text(text)
    return path


@pytest.mark.parametrize("version", [1, 2, 4])
def test_each_version_gives_the_same_source(tmp_path, version):
    table = read_brn(write(tmp_path, HEAD.format(version) + GOOD[version]))
    row = table.iloc[0]
    assert (row.x, row.y, row.emission, row.height, row.diameter) == (155000, 463000, 1.5, 2.5, 500)
    assert (row.diurnal_code, row.category, row.country) == (3, 1000, 1)
    assert np.isnan(row.heat_content) == (version == 2)
    assert np.isnan(row.exit_velocity) == (version != 2)
    if version == 4:
        assert (row.building_length, row.building_orientation) == (10, 45)


def test_fixed_format_without_version_reads_by_column(tmp_path):
    line = (
        f"{7:4d}{155000:8d}{463000:8d}{0.25:10.3E}{1.5:7.3f}{40.0:6.1f}{500:7d}{2.0:6.1f}{3:4d}{1:4d}{2:4d}{0:4d}  name"
    )
    row = read_brn(write(tmp_path, line + "\n")).iloc[0]
    assert (row.id, row.x, row.emission, row.heat_content, row.height) == (7, 155000, 0.25, 1.5, 40.0)
    assert (row.diurnal_code, row.category, row.country) == (3, 1, 2)


def test_degrees_are_projected_to_rd(tmp_path):
    # The origin of RD, the tower of Amersfoort (155000, 463000), is at 5.38720621 E, 52.15517440 N in WGS 84
    # (Schreutelkamp and Strang van Hees 2001).
    row = read_brn(write(tmp_path, HEAD.format(1) + "1 5.38720621 52.15517440 1 0 2 0 0 0 1 1 0\n")).iloc[0]
    assert abs(row.x - 155000) <= 1 and abs(row.y - 463000) <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD.format(1) + "1 155000 463000 1.0 0 2.5 0 0 0\n", ("line 3", "9 columns", "category")),
        (HEAD.format(2) + GOOD[1], ("line 3", "missing")),
        (HEAD.format(3) + GOOD[1], ("line 1", "BRN-VERSION 3")),
        (HEAD.format(1) + GOOD[1].replace("1.5E+00", "much"), ("line 3", "emission", "much")),
        (HEAD.format(1) + GOOD[1].replace("1.5E+00", "nan"), ("line 3", "finite")),
        (HEAD.format(1) + GOOD[1] + GOOD[1].replace("1.5E+00", "-1.0"), ("line 4", "negative")),
        (HEAD.format(1) + GOOD[1].replace(" 2.5 ", " -2.5 "), ("line 3", "height")),
        (HEAD.format(2) + GOOD[2].replace("-999", "0.3"), ("line 3", "both")),
        (HEAD.format(1), ("no source",)),
    ],
)
def test_faults_name_file_and_line(tmp_path, text, words):
    with pytest.raises(DataError) as error:
        read_brn(write(tmp_path, text))
    for word in (*words, "sources.brn"):
        assert word in str(error.value)


def test_absent_file_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.brn"):
        read_brn(tmp_path / "nowhere.brn")


def test_every_given_emission_file_is_read(data):
    files = sorted((data / "nitrogen" / "given").glob("*.brn"))
    assert len(files) == 53
    for path in files:
        assert read_brn(path)["emission"].gt(0).all()

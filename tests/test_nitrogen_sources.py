"""Tables of sources in CSV and GeoPackage: units stated and checked, positions in RD, faults named."""

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import LineString, Point, box

from twin.errors import DataError, UnitError
from twin.readers.source_table import EMISSION_UNITS, read_source_table

YEAR = 8760 * 3600.0


def write(tmp_path, head, *rows):
    path = tmp_path / "sources.csv"
    path.write_text("\n".join((head, *rows)) + "\n")
    return path


@pytest.mark.parametrize(
    ("unit", "rate"), [("g/s", 1.0), ("kg/yr", 1e3 / YEAR), ("kt/yr", 1e9 / YEAR), ("kg/h", 1 / 3.6)]
)
def test_an_emission_arrives_in_grams_per_second(tmp_path, unit, rate):
    path = write(tmp_path, f"x,y,height,NH3 [{unit}]", "155000,463000,5,2", "155100,463000,5,0")
    table = read_source_table(path, "NH3")
    assert table["emission"].to_numpy() == pytest.approx([2 * rate])
    assert table.attrs["without_emission"] == 1
    assert table.attrs["units"]["emission"] == "g s-1"


def test_every_unit_is_a_mass_per_time():
    # kg/yr and kg/j(aar) are the same, a tonne a thousand of them; a day's kg 365 of them
    u = EMISSION_UNITS
    assert u["kg/j"] == u["kg/yr"] == u["t/yr"] / 1000
    assert u["kg/day"] == pytest.approx(365 * u["kg/yr"])


def test_one_column_may_hold_the_unit_of_all(tmp_path):
    path = write(tmp_path, "x,y,height,NOx,unit", "155000,463000,5,3,kg/yr", "155000,463100,5,4,kg/yr")
    assert read_source_table(path, "NOx")["emission"].sum() == pytest.approx(7e3 / YEAR)


def test_polygons_become_squares_of_their_area(tmp_path):
    path = tmp_path / "sources.gpkg"
    frame = {"height": [1.0, 5.0], "NH3 [kg/yr]": [10.0, 20.0]}
    gpd.GeoDataFrame(frame, geometry=[box(1000, 2000, 1100, 2400), Point(5000, 6000)], crs=28992).to_file(path)
    table = read_source_table(path, "NH3")
    np.testing.assert_allclose(table[["x", "y", "diameter"]], [[1050, 2200, 200], [5000, 6000, 0]])


@pytest.mark.parametrize(
    ("head", "row", "error", "words"),
    [
        ("x,y,height,NH3", "1,2,3,4", UnitError, "has no unit"),
        ("x,y,height,NH3 [ug/m3]", "1,2,3,4", UnitError, "'ug/m3'.*no unit of emission"),
        ("x,y,height,NH3 [mol/ha/yr]", "1,2,3,4", UnitError, "no unit of emission"),
        ("x,y,height,NOx [kg/yr]", "1,2,3,4", DataError, "no emission column of NH3"),
        ("x,y,NH3 [kg/yr]", "1,2,4", DataError, "column height is missing"),
        ("x,y,height,NH3 [kg/yr]", "1,here,3,4", DataError, "line 2: y is 'here'"),
        ("x,y,height,NH3 [kg/yr]", "1,2,-3,4", DataError, "line 2: height must not be negative"),
        ("x,y,height,NH3 [kg/yr]", "1,2,3,0", DataError, "no source emits NH3"),
    ],
)
def test_faults_are_one_clear_error(tmp_path, head, row, error, words):
    with pytest.raises(error, match=words):
        read_source_table(write(tmp_path, head, row), "NH3")


def test_other_projections_and_lines_are_refused(tmp_path):
    path = tmp_path / "sources.gpkg"
    frame = {"height": [1.0], "NH3 [kg/yr]": [10.0]}
    gpd.GeoDataFrame(frame, geometry=[Point(5.0, 52.0)], crs=4326).to_file(path)
    with pytest.raises(DataError, match=r"CRS is .*4326.*reproject"):
        read_source_table(path, "NH3")
    gpd.GeoDataFrame(frame, geometry=[LineString([(0, 0), (1, 1)])], crs=28992).to_file(path)
    with pytest.raises(DataError, match="LineString"):
        read_source_table(path, "NH3")

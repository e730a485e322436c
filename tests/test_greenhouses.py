"""Greenhouse grid: text columns become numbers; another unit, substance or column is one clear error."""

import geopandas as gpd
import pytest
import shapely

from twin.errors import DataError, UnitError
from twin.readers.greenhouses import read_greenhouses


def write(folder, **changes):
    row = {"x": "90250", "y": "456250", "q": "1.871e-05", "hc": "0.400", "h": "12.0", "r": "500", "component": "NOx"}
    row.update(changes)
    frame = gpd.GeoDataFrame(
        {k: [v] for k, v in row.items() if v is not None}, geometry=[shapely.box(0, 0, 1, 1)], crs=28992
    )
    path = folder / "glass.gpkg"
    frame.to_file(path)
    return path


def test_text_becomes_numbers(tmp_path):
    cells = read_greenhouses(write(tmp_path))
    assert cells["nox"][0] == 1.871e-05
    assert (cells["height"][0], cells["size"][0], cells["heat_content"][0]) == (12, 500, 0.4)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"q": "590.0"}, UnitError, "g/s is wanted"),
        ({"q": "-1"}, UnitError, "g/s is wanted"),
        ({"component": "NH3"}, UnitError, "NOx is wanted"),
        ({"h": None}, DataError, "no column 'h'"),
        ({"q": "a lot"}, DataError, "'q' holds other than numbers"),
        ({"q": "nan"}, DataError, "'q' is empty"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path, changes, error, says):
    with pytest.raises(error, match=says) as caught:
        read_greenhouses(write(tmp_path, **changes))
    assert "glass.gpkg" in str(caught.value)

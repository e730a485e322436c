"""Land, sources and receptors of the real Zuid-Holland: totals that follow from the files and the declared rules."""

from datetime import UTC, datetime

import numpy as np
import pytest

from twin.config import BUILT_IN, load
from twin.readers.rasters import read_raster
from twin.world.files import FilesWorld, Province
from twin.world.lattice_layers import CLASSES

KT = 365 * 86_400.0 / 1e9  # g/s -> kt/yr


@pytest.fixture(scope="module")
def province(data):
    config = load(BUILT_IN / "zuid_holland.toml")
    return Province(FilesWorld(**config.province.world), BUILT_IN, data)


@pytest.fixture(scope="module")
def lattice(province):
    return province.lattice()


def test_province_has_its_cells_and_people(province, lattice):
    inside = lattice["province"].values == 1
    assert inside.sum() == 52_915
    towns = province.municipalities()
    centres = towns.geometry.representative_point()
    x, y = lattice["x"].values, lattice["y"].values
    column = ((centres.x.to_numpy() - x[0]) / 250 + 0.5).astype(int)
    row = ((centres.y.to_numpy() - y[0]) / 250 + 0.5).astype(int)
    on = (column >= 0) & (column < len(x)) & (row >= 0) & (row < len(y))
    within = np.zeros(len(towns), bool)
    within[on] = inside[row[on], column[on]]
    assert within.sum() == 50
    assert towns["inhabitants"].to_numpy()[within].sum() == 3_804_906
    assert (lattice["population"].values * inside).sum() == pytest.approx(3_804_906, rel=0.01)


def test_land_use_has_the_areas_of_the_rule(lattice):
    inside = lattice["province"].values == 1
    use = lattice["land_use_detail"].values[inside]
    km2 = {name: (use == k).sum() * 0.0625 for k, name in enumerate(CLASSES)}
    assert sum(km2.values()) == pytest.approx(3307.2, abs=0.05)
    assert km2["water"] == pytest.approx(409.9, rel=0.01)
    want = {"urban": 733, "grass": 1326, "arable": 604}
    assert {k: km2[k] for k in want} == pytest.approx(want, rel=0.03)
    z0 = lattice["roughness_length"].values[inside]
    assert np.exp(np.log(z0).mean()) == pytest.approx(0.051, rel=0.05)
    assert np.exp(np.log(z0[use != CLASSES.index("water")]).mean()) == pytest.approx(0.111, rel=0.05)


def test_elevation_is_that_of_the_raster_without_a_shift(province, lattice):
    inside = lattice["province"].values == 1
    raster = province.catalog.path(province.options.land.elevation)
    raw = read_raster(raster, west=43_000, south=406_000, cell_size=250, shape=(312, 352))[inside]
    empty = np.isnan(raw)
    assert empty.mean() < 0.02  # cells on the sea side of the raster's coast
    assert lattice["elevation"].attrs["cells_without_data"] >= empty.sum()
    height = lattice["elevation"].values[inside][~empty]
    raw = raw[~empty]
    assert raw.mean() == pytest.approx(-1.09, abs=0.03)
    assert np.median(raw) == pytest.approx(-0.98, abs=0.03)
    assert (raw < 0).mean() == pytest.approx(0.71, abs=0.01)
    changed = height != raw
    assert (raw[changed] < -3).all()  # sea bed under large water only
    assert (height[changed] == 0).all()
    assert (np.diff(lattice["y"].values) == 250).all()
    assert lattice["y"].values[0] == 406_125


def test_greenhouses_have_the_totals_of_their_file(province, lattice):
    sources = province.sources(lattice)
    glass = sources["source_group"].values == 0
    nox, x, y = (sources[name].values[glass] for name in ("nox", "x", "y"))
    assert nox.sum() * KT == pytest.approx(3.822, rel=1e-3)
    core = (x >= 76_397) & (x <= 114_820) & (y >= 414_313) & (y <= 448_871)
    assert nox[core].sum() * KT == pytest.approx(1.734, rel=1e-3)
    assert nox.max() / nox.sum() * 4700 == pytest.approx(22.2, rel=0.01)
    nh3 = sources["nh3"].values[sources["source_group"].values == 1]
    assert 3.2 < nh3.sum() * KT < 5.5
    assert sources["nox"].values.sum() * KT == pytest.approx(40.4, abs=0.5)  # 44 kt with the modelled core's roads


def test_receptors_are_the_nature_areas_of_the_province(province, lattice):
    receptors = province.receptors(lattice)
    assert 21 <= receptors.sizes["area"] <= 22  # one touches with zero area
    inside = lattice["province"].values.ravel()
    share = receptors["area_share"].values * inside[receptors["area_cell"].values]
    assert share.sum() * 0.0625 == pytest.approx(513, rel=0.02)
    assert receptors["area_share"].values.max() < 1 + 1e-3


def test_weather_covers_the_calendar_year_of_the_run(province):
    start, stop = datetime(2023, 1, 15, 23, tzinfo=UTC), datetime(2023, 1, 22, 23, tzinfo=UTC)
    weather = province.weather(start, stop)
    assert weather.sizes["weather_time"] == 8760
    assert str(weather["weather_time"].values[0])[:13] == "2023-01-01T00"
    assert weather["temperature"].values.mean() == pytest.approx(12.13, rel=5e-3)


def test_no_cell_holds_the_people_of_a_town_beyond_the_lattice(lattice):
    # the densest Dutch postcode areas have some 30,000 inhabitants per km2; 40,000 are 2,500 in a cell of 250 m
    assert lattice["population"].values.max() < 2500

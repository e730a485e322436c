"""The Netherlands on 5 km cells over hours of a year: how much of its own nitrogen stays, and what abroad leaves.

Anchors (clo.nl nl0507, CBS; 2022): 121 kt NH3 and 162 kt NOx emitted, 71 % of 1,323 mol/ha/yr from Dutch sources and
29 % from abroad; with 3.37 to 4.15 Mha that is 30 to 37 % of the Dutch emission, agriculture 36 to 44 %, road 16 to
20 %; band for a coarse domain 25 to 45 %. Nothing below is fitted: totals are published, heights and heats those of
Dutch practice, places the land area and inhabitants of municipalities. Land use is one class per cell: towns by
their density, the rest in the shares of the country's land (order of CBS bodemgebruik), laid out at random with a
fixed seed. All grass would not do: it is the weakest sink of NH3 (3.4 mm/s of a year's hours; arable 7, forest 11 to
17) and no weaker one of NOx.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rasterio.features import rasterize
from rasterio.transform import from_origin

from twin.nitrogen import Grid
from twin.nitrogen.hours import Period, deposit_hours
from twin.nitrogen.layers import Layer, total_nitrogen
from twin.readers.raster_map import Map

CELL, COLUMNS, ROWS = 5000.0, 56, 66
WEST, SOUTH = 10_000.0, 300_000.0
LATTICE = Grid(WEST + COLUMNS * CELL / 2, SOUTH + ROWS * CELL / 2, COLUMNS, ROWS, CELL)
LEVELS = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}
# Every 13th hour of the whole year: 13 divides neither the day nor the week, so that each hour of the day, each season
# and each weather comes in its share (weather lasts for days: two days of each month would hold 24 spells of it).
PERIOD = Period.parse("2022", every=13)
ABROAD = Layer(0.29 * 1323, "29 % of 1,323 mol/ha/yr, clo.nl nl0507 (2022)")
# DEPAC class: share of land outside towns, roughness length [m]
LAND = {1: (0.44, 0.03), 2: (0.34, 0.1), 4: (0.08, 1.0), 5: (0.06, 1.0), 8: (0.08, 0.1)}
TOWN, TOWN_ROUGHNESS, SEA, SEA_ROUGHNESS = 7, 0.5, 6, 0.0002
# kt/yr NH3, NOx; height [m], heat [MW], diurnal code, spread by
GROUPS = {
    "housing": (48.0, 0.0, 5.0, 0.0, 4, "land"),
    "manure": (59.0, 0.0, 0.5, 0.0, 5, "land"),
    "road": (4.0, 65.0, 2.5, 0.0, 3, "people"),
    "industry": (2.0, 35.0, 60.0, 5.0, 0, "people"),
    "ships and other": (8.0, 62.0, 15.0, 0.1, 0, "people"),
}


@pytest.fixture(scope="module")
def places(data):
    towns = gpd.read_file(data / "boundaries" / "gemeenten_2022_kerncijfers.geojson")
    towns = towns[towns["water"] == "NEE"].to_crs(28992)
    transform = from_origin(WEST, SOUTH + ROWS * CELL, CELL, CELL)
    number = rasterize(
        ((shape, i + 1) for i, shape in enumerate(towns.geometry)), (ROWS, COLUMNS), transform=transform, fill=0
    )
    x = WEST + CELL * (np.arange(COLUMNS) + 0.5)
    y = SOUTH + CELL * (ROWS - np.arange(ROWS) - 0.5)
    cell = pd.DataFrame({"town": number.ravel() - 1, "x": np.tile(x, ROWS), "y": np.repeat(y, COLUMNS)})
    inside = cell[cell["town"] >= 0].copy()
    per_town = inside.groupby("town")["x"].transform("count")
    rural = towns["bevolkingsdichtheidInwonersPerKm2"].to_numpy() < 1000.0
    land = towns["oppervlakteLandInHa"].clip(lower=0).to_numpy() * rural
    inside["land"] = land[inside["town"]] / per_town
    inside["people"] = towns["aantalInwoners"].clip(lower=0).to_numpy()[inside["town"]] / per_town
    # the class of each cell, first row in the north as in the raster
    rng = np.random.default_rng(1)
    use = rng.choice(list(LAND), size=number.shape, p=[share for share, _ in LAND.values()])
    use[(number > 0) & ~np.append(rural, False)[number - 1]] = TOWN
    use[number == 0] = np.where(_sea(number), SEA, use)[number == 0]
    rough = {c: z for c, (_, z) in LAND.items()} | {TOWN: TOWN_ROUGHNESS, SEA: SEA_ROUGHNESS}
    roughness = np.vectorize(rough.get)(use)
    frame = (WEST, SOUTH + ROWS * CELL, CELL, CELL)
    return (number > 0).ravel(), inside, Map(use, *frame), Map(roughness, *frame)


def _sea(number):
    """Cells without a town north and west of the country: the North Sea; south and east of it lies land."""
    westward = np.cumsum(number > 0, axis=1) == 0
    return westward & (np.arange(ROWS)[:, None] < 50)


def sources(places, group, substance):
    ammonia, nox, height, heat, code, by = GROUPS[group]
    total = (ammonia if substance == "NH3" else nox) * 1e9 / (8760 * 3600.0)
    weight = places[by] / places[by].sum()
    table = pd.DataFrame({"x": places["x"], "y": places["y"], "emission": total * weight})
    table = table.assign(height=height, heat_content=heat, diameter=CELL, diurnal_code=code)
    table.attrs["units"] = {"emission": "g s-1"}
    return table[table["emission"] > 0].reset_index(drop=True)


FAMILIES = {"agriculture": ("housing", "manure"), "road": ("road",), "other": ("industry", "ships and other")}


@pytest.fixture(scope="module")
def results(data, places):
    inside, cells, use, roughness = places
    found = {}
    for family, groups in FAMILIES.items():
        given = {}
        for k, name in enumerate(("NH3", "NOx")):
            tables = [sources(cells, group, name) for group in groups if GROUPS[group][k] > 0]
            if tables:
                given[name] = pd.concat(tables, ignore_index=True)
                given[name].attrs["units"] = {"emission": "g s-1"}
        station = data / "meteo" / "uurgeg_260_2021-2030.zip"  # De Bilt
        found[family] = deposit_hours(given, None, station, PERIOD, LATTICE, roughness, use, LEVELS)
    return inside, found


def retained(inside, result, family):
    """Deposited within the country over emitted [mol/mol]."""
    emitted = sum(GROUPS[g][0] * 1e9 / 17.0 + GROUPS[g][1] * 1e9 / 46.0 for g in FAMILIES[family])
    return deposited(inside, result) / emitted


def deposited(inside, result):
    """Mol of N on the country in a year."""
    totals = [result[name].values[inside].sum() for name in ("tot_NHx", "tot_NOy") if name in result]
    return float(sum(totals)) * CELL**2 / 1e4


def test_dutch_nitrogen_stays_for_its_share_and_ammonia_nearer(results):
    inside, found = results
    assert sum(g[0] for g in GROUPS.values()) == 121.0 and sum(g[1] for g in GROUPS.values()) == 162.0
    emitted = 121e9 / 17.0 + 162e9 / 46.0
    assert 0.25 <= sum(deposited(inside, r) for r in found.values()) / emitted <= 0.45
    # road with its NH3, the stricter reading
    assert retained(inside, found["agriculture"], "agriculture") / retained(inside, found["road"], "road") >= 1.5


def test_the_books_of_each_hour_close(results):
    for result in results[1].values():
        assert result.attrs["worst_residual"] < 1e-9


def test_without_dutch_sources_the_share_from_abroad_is_left(results):
    inside, found = results
    whole = total_nitrogen({"NH3": found["agriculture"][["tot_NHx"]].isel(receptor=inside)}, {"abroad": ABROAD})
    none = total_nitrogen({"NH3": 0.0 * found["agriculture"][["tot_NHx"]].isel(receptor=inside)}, {"abroad": ABROAD})
    np.testing.assert_allclose(none["total"], 383.67, rtol=1e-4)
    np.testing.assert_allclose(whole["total"] - none["total"], whole["contribution"].sel(layer="own sources"))

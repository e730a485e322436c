"""Inputs beyond one value and one region: conversion rates from maps, six regions, hourly weather of one's own."""

import json
from dataclasses import replace

import nitrogen_cases as cases
import numpy as np
import pandas as pd
import pytest
from pyproj import Transformer

from twin.commands.deposit import deposit, deposit_case
from twin.errors import ConfigError, DataError
from twin.nitrogen import Conversion, Grid, Map
from twin.nitrogen import deposit as deposit_tables
from twin.nitrogen.hours import Period
from twin.nitrogen.regions import DIURNAL_REGION, interpolated_climatology
from twin.readers.climatology import QUANTITIES, read_climatology
from twin.readers.hourly_weather import HOURLY_COLUMNS, read_hourly_weather
from twin.readers.knmi import read_knmi

BACKGROUND = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}
FRAME = (95_000.0, 523_000.0, 500.0, 500.0)
SPOT = (155_000.0, 463_000.0)


def uniform(value):
    return Map(np.full((240, 240), value), *FRAME)


@pytest.fixture(scope="module")
def climate(data):
    return read_climatology(data / "nitrogen" / "inputs" / "ops" / "a005105c.005")


@pytest.fixture
def weather(data):
    return data / "nitrogen" / "inputs" / "ops" / "a005105c.005"


def test_maps_of_one_rate_give_the_reference_run_of_that_rate(data):
    # the reference read its rates from uniform maps: the quotient of two maps, and a map of the quotient
    name = "G_NOx_point_h5_EMEPchem_lines"
    reference = cases.reference(data, name)
    for rate in ((uniform(8.0), uniform(2.0)), uniform(4.0)):
        split = {"hno3": uniform(0.35), "coarse": uniform(0.25), "fine": uniform(0.40)}
        out = cases.run(data, name, conversion=Conversion(uniform(5.0), rate, **split))
        for column in ("conc_NO3+HNO3", "conc_NO3_C", "conc_NO3_F", "conc_HNO3", "tot_NOy"):
            error = np.abs(out[column].values / reference[column] - 1)
            assert np.percentile(error, 95) < 0.06e-2 and error.max() < 0.5e-2


def test_a_rate_along_the_path_is_the_quotient_of_means_over_its_21_points(climate):
    # two halves, 2 over 1 west of x = 157000 and 12 over 2 east of it: from the source to a receptor 10 km east a
    # fraction of the 21 points lies west; the same rate as one number must give the same
    east = 95_000 + 500 * np.arange(240) + 250 > 157_000
    converted, precursor = (Map(np.tile(np.where(east, *v), (240, 1)), *FRAME) for v in ((12.0, 2.0), (2.0, 1.0)))
    sources = pd.DataFrame({"x": [SPOT[0]], "y": [SPOT[1]], "emission": 1.0, "height": 2.5, "heat_content": 0.0})
    sources = sources.assign(diameter=0.0, spread=0.0, diurnal_code=0, category=1, country=1, line=1)
    sources.attrs["units"] = {"emission": "g s-1"}
    places = pd.DataFrame({"name": ["a"], "x": [SPOT[0] + 10_000], "y": [SPOT[1]]})
    x = np.linspace(SPOT[0], SPOT[0] + 10_000, 21)
    beyond = np.floor((x - FRAME[0]) / 500).astype(int) >= 124  # cells whose middle lies east
    rate = np.where(beyond, 12.0, 2.0).mean() / np.where(beyond, 2.0, 1.0).mean()
    assert 0 < beyond.sum() < 21
    for substance in ("NH3", "NOx"):
        own = Conversion((converted, precursor), (converted, precursor))
        by_map, by_number, other = (
            deposit_tables(sources, places, climate, substance, background=BACKGROUND, conversion=c)
            for c in (own, Conversion(rate, rate), Conversion(0.8 * rate, 0.8 * rate))
        )
        for column in by_map.data_vars:
            np.testing.assert_allclose(by_map[column], by_number[column], rtol=1e-12)
        total = "tot_NHx" if substance == "NH3" else "tot_NOy"
        assert abs(float(by_map[total][0] / other[total][0]) - 1) > 1e-4


def test_maps_of_rates_from_the_command_line(data, weather, tmp_path):
    name = "G_NOx_point_h5_EMEPchem_lines"
    given = data / "nitrogen" / "given"
    gamma = data / "nitrogen" / "inputs" / "ops" / "gammawater.ops"  # a real map of one value, 430
    rates = tmp_path / "rates.txt"
    rates.write_text(f"# rates\nNH3=5\nNOx={gamma}|{gamma}\nHNO3=0.35\n")
    choices = {"receptors": given / f"{name}.csv", "background": "NH3=6.0,NOx=20,SO2=1.5"}
    for k, conversion in enumerate((str(rates), "NH3=5,NOx=1,HNO3=0.35")):
        deposit_case(given / f"{name}.ctr", out=tmp_path / f"{k}.csv", conversion=conversion, **choices)
    a, b = (pd.read_csv(tmp_path / f"{k}.csv") for k in (0, 1))
    pd.testing.assert_frame_equal(a, b, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NH3=5", "both NH3 and NOx"),
        ("NH3=5,NOx=no.tif", "no such map"),
        ("NH3=5,NOx=-4", "0 or more"),
        ("NH3=5,NOx=4,HNO3=a|b", "a number, a map"),
        ("NH3=5,NOx=4,coarse=0.5", "add up to 1"),
        ("NH3=5,NOx=4,SO4=1", "SO4 is not known"),
    ],
)
def test_wrong_rates_are_one_clear_error(data, tmp_path, text, words):
    given = data / "nitrogen" / "given"
    with pytest.raises((ConfigError, DataError), match=words):
        deposit_case(
            given / "G_NOx_point_h5_EMEPchem_lines.ctr",
            out=tmp_path / "o.csv",
            conversion=text,
            receptors=given / "G_NOx_point_h5_EMEPchem_lines.csv",
            background="NH3=6,NOx=20,SO2=1.5",
        )


def test_rates_from_maps_need_exact_mode_and_shares_that_add_up(climate, data):
    case = data / "nitrogen" / "given" / "G_NOx_point_h2.5_lines.brn"
    places = pd.DataFrame({"name": ["a"], "x": [156_000.0], "y": [463_000.0]})
    choices = {"substance": "NOx", "background": BACKGROUND}
    with pytest.raises(ConfigError, match="exact mode"):
        deposit_tables(case, places, climate, mode="fast", conversion=Conversion(5.0, uniform(4.0)), **choices)
    with pytest.raises(DataError, match=r"add up to 1\.05 at \(156000, 463000\)"):
        deposit_tables(case, places, climate, conversion=Conversion(5.0, 4.0, hno3=uniform(0.4)), **choices)


def regions_of(climate):
    """Six altered tables around the country: other wind, hours and roughness, one class empty in one region."""
    centres = ((53.2, 6.2), (52.9, 4.8), (51.9, 4.3), (51.5, 5.6), (52.2, 5.6), (50.9, 5.8))
    found = []
    for k, (latitude, longitude) in enumerate(centres):
        table = climate.table.copy()
        names = list(QUANTITIES)
        table[..., names.index("wind_speed_10m")] *= 0.8 + 0.1 * k
        table[..., 0] *= 1.0 + 0.05 * k
        table[..., names.index("pct_hours_2hblock_src")] *= 1.0 + 0.2 * k
        if k == 2:
            table[:, 3, 6, 0] = 0.0
        found.append(
            replace(climate, table=table, hours=float(table[0, ..., 0].sum()), z0=0.1 + 0.05 * k,
                    latitude=latitude, longitude=longitude, file=f"r{k + 1}")
        )  # fmt: skip
    return found


def test_regions_are_weighed_by_distance(climate):
    # the specification line by line, in loops, at a place with region 3 among its nearest
    regions = regions_of(climate)
    x, y = 100_000.0, 440_000.0
    own = interpolated_climatology(regions, x, y)
    lon, lat = Transformer.from_crs(28992, 4326, always_xy=True).transform(x, y)
    squares = [((lon - r.longitude) * np.cos(np.pi * lat / 180)) ** 2 + (lat - r.latitude) ** 2 for r in regions]
    three = sorted(range(6), key=lambda i: squares[i])[:3]
    assert 2 in three
    s = {i: 1 / (squares[i] + 0.01) for i in three}
    assert own.z0 == pytest.approx(sum(s[i] * regions[i].z0 for i in three) / sum(s.values()), rel=1e-12)
    wind, blocks = list(QUANTITIES).index("wind_speed_10m"), list(QUANTITIES).index("pct_hours_2hblock_src")
    for t, k, sector in ((0, 3, 6), (1, 3, 6), (0, 0, 0), (3, 5, 11)):
        some = {i: s[i] for i in three if regions[i].table[t, k, sector, 0] > 0}
        total = sum(some.values())
        value = sum(some[i] * regions[i].table[t, k, sector, wind] for i in some) / total
        hours = sum(s[i] * regions[i].table[t, k, sector, 0] for i in three) / total
        assert own.table[t, k, sector, wind] == pytest.approx(value, rel=1e-12)
        assert own.table[t, k, sector, 0] == pytest.approx(hours, rel=1e-12)
    assert own.hours == pytest.approx(own.table[0, ..., 0].sum())
    np.testing.assert_array_equal(own.table[..., blocks], regions[DIURNAL_REGION].table[..., blocks])


def test_six_equal_regions_are_one(climate, data):
    case = data / "nitrogen" / "given" / "G_NH3_point_h1.5_dv4_lines.brn"
    same = [replace(r, table=climate.table, hours=climate.hours, z0=climate.z0) for r in regions_of(climate)]
    places = pd.DataFrame({"name": list("abc"), "x": [150_000.0, 156_000.0, 190_000.0], "y": [463_000.0] * 3})
    one = deposit_tables(case, places, climate, background=BACKGROUND)
    six = deposit_tables(case, places, same, background=BACKGROUND)
    assert list(six["receptor"].values) == list("abc") and six.attrs["pairs"] == 3
    for column in one.data_vars:
        np.testing.assert_allclose(six[column], one[column], rtol=1e-9)


def test_a_receptor_lies_between_its_regions(climate, data):
    # more wind in the south: less concentration from the same source than with the northern table alone
    case = data / "nitrogen" / "given" / "G_NH3_point_h2.5_lines.brn"
    regions = regions_of(climate)
    places = pd.DataFrame({"name": ["a"], "x": [156_000.0], "y": [463_000.0]})
    own = float(deposit_tables(case, places, regions, background=BACKGROUND)["conc_NH3"][0])
    alone = [float(deposit_tables(case, places, r, background=BACKGROUND)["conc_NH3"][0]) for r in regions]
    assert min(alone) < own < max(alone)
    with pytest.raises(ConfigError, match="exact mode only"):
        deposit_tables(case, places, regions, background=BACKGROUND, mode="fast")
    with pytest.raises(ConfigError, match="as points"):
        deposit_tables(case, Grid(*SPOT, 3, 3, 250.0), regions, background=BACKGROUND)
    with pytest.raises(DataError, match="its period"):
        interpolated_climatology([*regions[:5], replace(regions[5], end=(2007, 1))], *SPOT)


def test_a_control_file_with_meteotype_0_reads_six_files(data, weather, tmp_path):
    given = data / "nitrogen" / "given"
    name = "G_NH3_point_h2.5_lines"
    raw = bytearray(weather.read_bytes())
    for number in range(1, 7):
        (tmp_path / f"met.{number:03d}").write_bytes(raw)
    places = tmp_path / "places.csv"
    places.write_text("name,x,y\na,156000,463000\nb,155000,468000\n")
    (tmp_path / f"{name}.brn").write_text((given / f"{name}.brn").read_text())
    lines = (given / f"{name}.ctr").read_text().splitlines()
    swap = {"METEOTYPE": "METEOTYPE 0", "MTFILE": "MTFILE met.*"}
    (tmp_path / "case.ctr").write_text("\n".join(swap.get(line.split(" ")[0], line) for line in lines) + "\n")
    choices = {"receptors": places, "background": "NH3=6.0,NOx=20,SO2=1.5"}
    deposit_case(tmp_path / "case.ctr", out=tmp_path / "six.csv", **choices)
    deposit_case(given / f"{name}.ctr", out=tmp_path / "one.csv", **choices)
    six, one = (pd.read_csv(tmp_path / f"{n}.csv") for n in ("six", "one"))
    # six equal tables, except that the total of hours is that of the table and not of the header (equal here)
    pd.testing.assert_frame_equal(six, one, rtol=1e-6)
    (tmp_path / "met.004").unlink()
    with pytest.raises(DataError, match=r"met\.004: no such climatology"):
        deposit_case(tmp_path / "case.ctr", out=tmp_path / "x.csv", **choices)


def hourly_csv(data, path, change=None):
    """A day of the station as a table of one's own."""
    hours = Period.parse("2023-01-16/2023-01-17")
    table = read_knmi(data / "meteo" / "uurgeg_344_2021-2030.zip", hours.start, hours.stop)
    out = table[list(HOURLY_COLUMNS)].copy()
    out.insert(0, "time", table.index.strftime("%Y-%m-%dT%H:%MZ"))
    if change:
        out = change(out)
    out.to_csv(path, index=False)
    return table, hours


def test_hourly_weather_of_ones_own_gives_what_the_station_gives(data, tmp_path, capsys):
    path = tmp_path / "weather.csv"
    table, hours = hourly_csv(data, path)
    own = read_hourly_weather(path, hours.start, hours.stop)
    pd.testing.assert_frame_equal(own, table[list(HOURLY_COLUMNS)], check_freq=False, rtol=1e-12)
    farm = tmp_path / "farm.csv"
    farm.write_text("name,x,y,height,NH3 [kg/yr]\nstable,155125,463125,5,1500\n")
    totals = []
    for k, weather in enumerate((path, data / "meteo" / "uurgeg_344_2021-2030.zip")):
        flags = {"substance": "NH3", "z0": "0.1", "mode": "hourly", "reach": 1.0, "period": "2023-01-16/2023-01-17"}
        flags |= {"receptors": "lattice", "background": "NH3=6,NOx=20,SO2=1.5"}
        deposit(farm, weather=weather, out=tmp_path / f"{k}.csv", **flags)
        assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["budget"]["worst_residual"] < 1e-9
        totals.append(pd.read_csv(tmp_path / f"{k}.csv")["tot_NHx"])
    np.testing.assert_allclose(totals[0], totals[1], rtol=1e-6)


def at(row, column, value):
    def change(table):
        table = table.astype(object)
        table.iloc[row, table.columns.get_loc(column)] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="cloud_cover"), r"columns missing: cloud_cover.*\[degC\]"),
        (lambda t: t.drop(index=t.index[5]), "1 hours are missing, first that from 2023-01-16 05:00"),
        (lambda t: pd.concat([t, t.iloc[[3]]]), "2023-01-16 03:00 UTC occurs twice"),
        (at(2, "time", "2023-01-16T02:00+01:00"), "line 4.*not in UTC"),
        (at(2, "time", "yesterday"), "line 4: time 'yesterday' is no time"),
        (at(2, "time", "2023-01-16T02:30Z"), "line 4.*no whole hour"),
        (at(2, "time", "16-01-2023 02:00"), "line 4.*no time; give 2023-01-16T00:00Z"),
        (lambda t: t.assign(again=5.0).rename(columns={"again": "temperature"}), "column temperature occurs twice"),
        (at(4, "temperature", 280.0), r"temperature is 280.*04:00 UTC; -50 to 60 \[degC\]"),
        (at(4, "wind_speed", ""), "wind_speed is nan"),
        (at(4, "wind_direction", 990), "wind_direction is 990"),
        (at(4, "cloud_cover", 8), "cloud_cover is 8"),
        (lambda t: t.assign(precipitation=2.0, rain_duration=0.0), "rain of no duration"),
    ],
)
def test_faults_of_hourly_weather_name_hour_and_column(data, tmp_path, change, words):
    path = tmp_path / "weather.csv"
    _, hours = hourly_csv(data, path, change)
    with pytest.raises(DataError, match=words) as error:
        read_hourly_weather(path, hours.start, hours.stop)
    assert "weather.csv" in str(error.value)


def test_a_line_longer_than_the_head_is_refused(data, tmp_path):
    path = tmp_path / "weather.csv"
    _, hours = hourly_csv(data, path, lambda t: t)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1] + ",7,8", *lines[2:]]) + "\n")
    with pytest.raises(DataError, match="not a table of comma-separated values"):
        read_hourly_weather(path, hours.start, hours.stop)


def test_a_calm_hour_of_ones_own_has_no_direction(data, tmp_path):
    path = tmp_path / "weather.csv"
    _, hours = hourly_csv(data, path, at(4, "wind_direction", ""))
    assert np.isnan(read_hourly_weather(path, hours.start, hours.stop)["wind_direction"].iloc[4])

"""Hourly mode from the command line and from Python: budget, agreement with its own lattice, near field, faults."""

import json

import numpy as np
import pandas as pd
import pytest

from twin.commands.deposit import deposit, deposit_case
from twin.errors import ConfigError, DataError
from twin.nitrogen import Grid
from twin.nitrogen import deposit as deposit_tables
from twin.nitrogen.hours import Period, deposit_hours, lattice_around
from twin.readers.source_table import read_source_table

BACKGROUND = "NH3=6,NOx=20,SO2=1.5"
LEVELS = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}
DAY = "2023-01-16/2023-01-17"


@pytest.fixture(scope="module")
def station(data):
    return data / "meteo" / "uurgeg_344_2021-2030.zip"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sources") / "farm.csv"
    path.write_text(
        "name,x,y,height,NH3 [kg/yr],NOx [kg/yr],diurnal_code\nstable,155125,463125,5,1500,0,4\n"
        "boiler,155400,463200,12,0,800,2\nroad,155800,463100,2.5,5,900,3\n"
    )
    return path


def test_command_writes_a_lattice_and_closes_its_books(station, file, tmp_path, capsys):
    out = tmp_path / "out.csv"
    code = deposit(
        file, weather=station, receptors="lattice", substance="both", z0="0.1", background=BACKGROUND, mode="hourly",
        period=DAY, reach=2.0, out=out,
    )  # fmt: skip
    summary = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert code == 0
    assert {"pairs", "pairs_per_cpu_second", "cpu_seconds", "budget", "error_estimate"} <= set(summary)
    budget = summary["budget"]
    assert budget["worst_residual"] < 1e-9
    assert budget["emitted_mol"] == pytest.approx(budget["deposited_mol"] + budget["exported_mol"], rel=1e-9)
    table = pd.read_csv(out)
    # the map's sum over the day is what was booked as deposited
    in_the_day = table["tot_N"].sum() * 250.0**2 / 1e4 * 24 / 8760
    assert in_the_day == pytest.approx(budget["deposited_mol"], rel=1e-5)
    np.testing.assert_allclose(table["tot_N"], table["tot_NHx"] + table["tot_NOy"], atol=2e-6 * table["tot_N"].max())


def run(station, file, receptors, cell=250.0, substance="NH3", period=DAY, **options):
    sources = {substance: read_source_table(file, substance)}
    lattice = options.pop("lattice", lattice_around(sources[substance], 1500.0, cell))
    return deposit_hours(sources, receptors, station, Period.parse(period), lattice, background=LEVELS, **options)


def test_points_average_to_the_cell_that_holds_them(station, file):
    # near the stable (a cell away) the mean of plume-by-plume values is the cell's own; 1 km away they are equal
    inner = (np.indices((8, 8)).reshape(2, -1).T + 0.5) * 250.0 / 8
    corners = {"near": (155_250.0, 463_250.0), "far": (157_000.0, 463_500.0)}
    lattice = run(station, file, None)
    for name, (west, south) in corners.items():
        places = pd.DataFrame({"name": np.arange(64), "x": west + inner[:, 0], "y": south + inner[:, 1]})
        points = run(station, file, places)
        cell = lattice.where((lattice["x"] == west + 125) & (lattice["y"] == south + 125), drop=True)
        for column in ("conc_NH3", "dry_NHx"):
            # the lattice spreads the stable over its cell of 250 m, the plumes start at its point
            tolerance = 0.25 if name == "near" else 1e-9
            assert points[column].mean() == pytest.approx(float(cell[column].squeeze()), rel=tolerance)
        if name == "near":
            assert points["conc_NH3"].max() > 2 * points["conc_NH3"].min()


def test_a_finer_lattice_gives_the_same_budget(station, file):
    # 250 m against 125 m on the same ground: retained nitrogen within a few percent
    retained = []
    for cell in (250.0, 125.0):
        same = Grid(155_250.0, 463_250.0, int(5000 / cell), int(5000 / cell), cell)
        attrs = run(station, file, None, lattice=same, period="2023-01-16/2023-01-16 06:00").attrs
        retained.append(attrs["deposited_mol"] / attrs["emitted_mol"])
    assert retained[0] == pytest.approx(retained[1], rel=0.10)


def test_every_nth_hour_is_asked_for_by_name():
    assert Period.parse("2023").stop == pd.Timestamp("2024-01-01", tz="UTC")
    with pytest.raises(ConfigError, match="START/STOP"):
        Period.parse("last year")
    with pytest.raises(ConfigError, match="start must lie before"):
        Period.parse("2023-02-01/2023-01-01")


def test_sources_and_receptors_outside_the_lattice_are_listed(station, file):
    away = pd.DataFrame({"name": ["far", "near"], "x": [100_000.0, 155_200.0], "y": [400_000.0, 463_200.0]})
    with pytest.raises(DataError, match=r"receptors outside.*far \(100000, 400000\)"):
        run(station, file, away)
    with pytest.raises(DataError, match=r"sources outside the lattice: \(155125, 463125\)"):
        run(station, file, None, lattice=Grid(0.0, 0.0, 4, 4, 250.0))


def test_a_receptor_on_a_point_source_is_listed(station, file):
    on = pd.DataFrame({"name": ["here", "beside"], "x": [155_125.0, 155_200.0], "y": [463_125.0, 463_200.0]})
    with pytest.raises(DataError, match=r"\(1\): receptor here at \(155125, 463125\) on line 2"):
        run(station, file, on)


def test_days_of_each_month_are_chosen_by_name():
    times = pd.date_range("2023-01-01", "2024-01-01", freq="h", inclusive="left")
    hours = Period.parse("2023", days=(10, 25)).hours(times)
    assert len(hours) == 24 * 24 and set(times[hours].day) == {10, 25} and len(set(times[hours].month)) == 12
    with pytest.raises(ConfigError, match="no day"):
        Period.parse("2023", days=(32,)).hours(times)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"mode": "hourly"}, "--year or --period"),
        ({"mode": "weekly"}, "exact, fast and hourly"),
        ({"mode": "exact", "period": DAY}, "belong to --mode hourly"),
        ({"mode": "hourly", "period": DAY, "conversion": "internal"}, "no effect in hourly mode"),
        ({"substance": "SO2"}, "NH3, NOx and both"),
        ({"cut_off": -1.0}, "--cut-off"),
        ({"out": "o.txt"}, r"\.csv, \.h5 or \.gml"),
    ],
)
def test_wrong_options_are_one_clear_error(station, file, tmp_path, flags, words):
    base = {"weather": station, "receptors": "lattice", "substance": "NH3", "z0": 0.1, "background": BACKGROUND}
    with pytest.raises(ConfigError, match=words):
        deposit_case(file, **({"out": tmp_path / "o.csv"} | base | flags))


def test_the_same_in_python(station, file):
    sources = {"NH3": read_source_table(file, "NH3")}
    lattice = lattice_around(sources["NH3"], 1500.0, 250.0)
    choices = {"background": LEVELS, "mode": "hourly", "period": DAY}
    own = deposit_tables(sources["NH3"], lattice, station, **choices)
    for name, value in run(station, file, None).data_vars.items():
        np.testing.assert_array_equal(own[name], value)
    places = pd.DataFrame({"name": ["a"], "x": [155600.0], "y": [463300.0]})
    assert deposit_tables(sources, places, station, **choices)["tot_NHx"].item() > 0
    with pytest.raises(ConfigError, match="period"):
        deposit_tables(sources, places, station, background=LEVELS, mode="hourly")
    with pytest.raises(ConfigError, match="reach"):
        deposit_tables(sources, places, station, reach=5e3, **choices)
    with pytest.raises(ConfigError, match="hourly"):
        deposit_tables(sources, places, station, background=LEVELS)

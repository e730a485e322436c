"""The real week from the command line: time, memory, closed books, and the day's totals in the run file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import twin
from twin.commands.congestion import congestion

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import json, sys
import twin
from twin.session import warm_up
warm_up()
r = twin.run("zuid_holland", data=sys.argv[1], out=sys.argv[2], quiet=True)
json.dump({"path": str(r.path), "wall": r.wall_seconds, "build": r.build_seconds, "record": r.record_seconds,
           "cpu": r.cpu_seconds, "components": r.components, "ledger": r.ledger,
           "megabytes": r.peak_bytes / 1e6}, sys.stdout)
"""


@pytest.fixture(scope="module")
def week(data, tmp_path_factory):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(data), str(tmp_path_factory.mktemp("week"))],
        capture_output=True, text=True, check=False, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_week_takes_three_minutes_and_two_gigabytes(week):
    assert week["cpu"] + week["build"] < 180, "processor seconds; the wall clock of a shared machine is noisy"
    assert 100 < week["megabytes"] < 2000


def test_time_outside_the_components_is_below_a_tenth(week):
    stepping = week["wall"] - week["build"]
    inside = sum(c["wall"] for c in week["components"].values())
    assert (stepping - inside) / stepping < 0.10


def test_the_books_of_the_week_close(week):
    books = {row[0]: row for row in week["ledger"]}
    for name in ("trips", "light_distance", "road_nox", "road_nh3", "charging_energy", "bus_energy"):
        assert books[name][4] < 1e-9, name
    for name in ("nox balance", "nh3 balance"):
        assert books[name][4] < 1e-3, name


@pytest.fixture(scope="module")
def run(week):
    return twin.open_run(week["path"])


def test_the_working_day_has_the_totals_of_the_rule(run):
    # steps 0 to 23 are Monday 16 January by local time; shares of a core link's flow by its own length
    day = run.isel(time=slice(0, 24))
    speed = day["road_speed"].values
    hours = day["road_travel_time"].values / 3600
    km = (speed * hours)[0]
    counts = day["road_nox"].values.sum(axis=0) > 0  # links that are reported emit; skeleton and gates do not
    light, freight = (day[f"road_flow_{name}"].values[:, counts] @ km[counts] for name in ("light", "freight"))
    assert (light + freight).sum() == pytest.approx(33.4e6, rel=0.03)
    assert 100 * freight.sum() / (light + freight).sum() == pytest.approx(8.2, abs=0.3)
    assert day["road_nox"].values.sum() * 3.6 == pytest.approx(11_700, rel=0.10)
    # 0.29 GWh of charging per working day of the assigned kilometres: kWh/km 0.20, efficiency 0.90
    driven = day["ev_distance"].values.sum()
    assert driven * 0.20 / 0.90 / 1e6 == pytest.approx(0.29, rel=0.05)
    assert driven / light.sum() == pytest.approx(0.042, rel=0.05)


def test_the_grid_holds_in_the_base_year(run):
    assert (run["power_status"].values == 0).all()
    voltage = run["bus_voltage"].values
    assert voltage.min() > 0.9
    assert voltage.max() < 1.1
    loss = run["branch_losses"].values.sum() / run["bus_load"].values.sum()
    assert 0.005 < loss < 0.05


def test_the_high_voltage_network_carries_the_province(run):
    basis, level = run["branch_basis"].values, run["bus_voltage_rated"].values
    loading, voltage = run["branch_loading"].values, run["bus_voltage"].values
    assert np.isfinite(loading[:, basis > 0]).all()
    # 69 substations and the province's peak: 1.24 GW of homes (+-10 %, reference) and work by the inhabitants
    assert (basis == 5).sum() == 69 and ((basis > 0) & (basis < 4)).sum() > 163
    assert 1900 < run["bus_load"].values.sum(axis=1).max() / 1e3 < 2900
    busiest = loading[:, basis == 5].max(axis=0)
    assert 0.2 < np.median(busiest) < 0.6 and busiest.max() < 0.9  # one transformer may be out at the peak
    lines = np.sort(loading[:, (basis > 0) & (basis < 4)].max(axis=0))
    assert lines[-1] < 1 and lines[-20] > 0.2  # 150 kV lines that carry much: 0.2 to 0.6 of assumed ratings
    high = voltage[:, level >= 50e3]
    assert high.min() > 0.95 and high.max() < 1.05
    substations = np.flatnonzero(run["bus_kind"].values == 0)
    # half a step of the tap changers, which is more of a ratio at its end, and 12 bits
    assert np.abs(voltage[:, substations] - 1.03).max() < 0.5 * 0.015 * 1.03 / (1 - 9 * 0.015) * 1.05 + 3e-4
    assert 0.002 < run["branch_losses"].values[:, basis > 0].sum() / run["bus_load"].values.sum() < 0.02


def test_congestion_names_the_busiest_substation_and_circuit(week):
    text = congestion(Path(week["path"]))
    assert "asset hours not solved 0" in text and "of assumed ratings" in text
    assert "substation" in text and "transformer-" in text and "circuit-" in text


def test_deposition_is_that_of_a_province_not_of_an_island(run):
    dry, wet = run["n_deposition_dry"].values, run["n_deposition_wet"].values
    total = run["n_deposition"].values[-1]
    np.testing.assert_allclose(dry.sum(axis=0) + wet.sum(axis=0), total, rtol=2e-3, atol=1e-4)
    assert (run["background_deposition"].values > 0).all()

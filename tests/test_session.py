"""Whole runs: one file, bit-identical over threads, interruption and listing; the chain of causes holds."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import twin
from twin.analysis import indicators
from twin.scenario import AddHomes, EvShare, Scenario

ROOT = Path(__file__).resolve().parent.parent
DAY = {"run": {"start": "2023-01-16T00:00:00Z", "stop": "2023-01-16T12:00:00Z", "checkpoint_hours": 1}}


def results(path):
    """Every result variable of a run file, by name."""
    with h5py.File(path) as f:
        steps = int(f.attrs["steps_written"])
        return {
            name: d[:steps]
            for name, d in f.items()
            if isinstance(d, h5py.Dataset) and d.ndim and d.shape[0] == len(f["time"]) and name != "time"
        }


def same(a, b):
    assert a.keys() == b.keys()
    assert a
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return twin.run("demo", out=tmp_path_factory.mktemp("base"), sections=DAY, quiet=True)


def test_books_close(base):
    assert base.ledger
    for name, _, _, _, difference in base.ledger:
        assert difference < 1e-3, name


def start_run(out, threads, *more, stop=DAY["run"]["stop"]):
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "twin.cli", "run", "demo", "--out", str(out), "--start", DAY["run"]["start"]]
    words += ["--stop", stop, "--set", "run.checkpoint_hours=1", *more]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_one_and_two_threads_give_the_same_bits(base, tmp_path):
    for threads in (1, 2):
        out = tmp_path / str(threads)
        process = start_run(out, threads)
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        same(results(base.path), results(out / "demo.h5"))


LONG = "2023-01-26T00:00:00Z"  # enough steps to be killed amid them


def kill_amid(out):
    """Start a run and kill it without warning once a checkpoint is there."""
    process = start_run(out, 1, stop=LONG)
    saved = out / "demo.checkpoint"
    deadline = time.monotonic() + 600
    while not saved.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert saved.exists()
    assert (out / "demo.part.h5").exists()
    assert not (out / "demo.h5").exists(), "killed too late to test anything"


def test_killed_and_resumed_gives_the_same_bits(tmp_path):
    whole = start_run(tmp_path / "whole", 2, stop=LONG)
    _, errors = whole.communicate(timeout=600)
    assert whole.returncode == 0, errors
    kill_amid(tmp_path)
    changed = start_run(tmp_path, 1, "--resume", "--set", "run.seed=2", stop=LONG)
    _, errors = changed.communicate(timeout=600)
    assert changed.returncode == 2
    assert "other settings" in errors
    resumed = start_run(tmp_path, 1, "--resume", stop=LONG)
    _, errors = resumed.communicate(timeout=600)
    assert resumed.returncode == 0, errors
    same(results(tmp_path / "whole/demo.h5"), results(tmp_path / "demo.h5"))
    assert not (tmp_path / "demo.checkpoint").exists()
    # totals gathered on both sides of the kill are those of a reading of the file
    with twin.open_run(tmp_path / "demo.h5") as run:
        table = dict(zip(run["indicator_name"].values, run["indicator_value"].values))
        assert table == {i.name: i.value for i in indicators(run)}


def scenario_run(tmp_path, *changes):
    result = twin.run("demo", out=tmp_path, sections=DAY, scenario=Scenario(name="changed", change=changes), quiet=True)
    return results(result.path)


def test_no_homes_is_the_base_bit_for_bit(base, tmp_path):
    same(results(base.path), scenario_run(tmp_path, AddHomes(verb="add_homes", homes=0, x=131_000.0, y=450_000.0)))


def test_homes_make_trips_emission_deposition_and_load(base, tmp_path):
    plain = results(base.path)
    more = scenario_run(tmp_path, AddHomes(verb="add_homes", homes=5000, x=131_000.0, y=450_000.0))
    for name in ("road_flow_light", "road_nox", "n_deposition", "bus_load"):
        assert more[name].sum() > plain[name].sum(), name


def test_electric_kilometres_charge_the_network_and_leave_the_exhaust(base, tmp_path):
    plain = results(base.path)
    electric = scenario_run(tmp_path, EvShare(verb="ev_share", share=1.0))
    np.testing.assert_array_equal(electric["road_flow_light"], plain["road_flow_light"])
    assert electric["charging_power"].sum() > 5 * plain["charging_power"].sum()
    assert electric["bus_load"].sum() > plain["bus_load"].sum()
    assert electric["road_nox"].sum() < plain["road_nox"].sum()
    assert electric["n_deposition"].sum() < plain["n_deposition"].sum()

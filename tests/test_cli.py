"""The command line as a script sees it: exit codes, one clear line, and no harm to a good run file."""

import csv
import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHORT = ("--start", "2023-01-16T06:00:00Z", "--stop", "2023-01-16T09:00:00Z")


def twin(*words, limit=None, **more):
    def restrict():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        [sys.executable, "-m", "twin.cli", *map(str, words)], capture_output=True, text=True, check=False,
        env=environment, preexec_fn=restrict,
    )  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    done = twin("run", "demo", "--out", folder, *SHORT)
    assert done.returncode == 0, done.stderr
    return folder / "demo.h5"


def test_a_run_says_where_the_time_went_and_where_the_file_is(good, tmp_path):
    done = twin("run", "demo", "--out", tmp_path, *SHORT)
    assert done.returncode == 0
    for word in ("Where the time went", "assignment", "deposition", "Books of the run", "demo.h5"):
        assert word in done.stdout
    assert "step 3/3" in done.stderr  # plain lines where it is no terminal


def test_info_validate_compare_and_export(good, tmp_path):
    assert "SYNTHETIC" in twin("info", good).stdout
    assert twin("validate", good).returncode == 0
    table = twin("compare", good, good)
    assert table.returncode == 0
    rows = [line.split() for line in table.stdout.splitlines() if line[:1].islower()]
    assert rows
    exported = twin("export", good, "--glb", "--out", tmp_path / "a.glb")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "a.glb").stat().st_size > 10_000


def test_congestion_counts_what_the_run_file_holds(good, tmp_path):
    done = twin("congestion", good, "--out", tmp_path / "assets.csv")
    assert done.returncode == 0, done.stderr
    with h5py.File(good) as run:
        loading, ids = run["branch_loading"][:], run["branch_id"][:].astype(str)
    rows = list(csv.DictReader((tmp_path / "assets.csv").open()))
    found = {row["branch_id"]: row for row in rows}
    assert set(found) == set(ids)
    for k, name in enumerate(ids):
        assert float(found[name]["highest_loading"]) == pytest.approx(np.nanmax(loading[:, k]), rel=1e-6)
        assert float(found[name]["overloaded_hours"]) == (loading[:, k] > 1).sum()
        assert float(found[name]["heavily_overloaded_hours"]) == (loading[:, k] > 1.2).sum()
    over = sum(float(row["overloaded_hours"]) > 0 for row in rows)
    assert done.stdout.startswith(f"{over} of {len(ids)} assets overloaded in 3 h")
    missing = twin("congestion", tmp_path / "none.h5")
    assert missing.returncode == 2 and "none.h5" in missing.stderr


def test_provinces_lists_the_built_in_ones():
    done = twin("provinces")
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert "zuid_holland" in done.stdout


def test_a_dry_run_writes_nothing(tmp_path):
    done = twin("run", "demo", "--out", tmp_path / "x", "--dry-run", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "trips -> assignment" in done.stdout
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "nowhere.toml"), "no such file"),
        (("run", "demo", "--set", "run.sede=3"), "did you mean 'seed'"),
        (("run", "demo", "--set", "components.assignment.relativ_gap=1"), "did you mean 'relative_gap'"),
        (("run", "demo", "--set", "province.world.town=3"), "did you mean 'towns'"),
        (("run", "demo", "--stop", "2023-01-23T00:30:00Z"), "multiple of 3600 s"),
        (("run", "demo", "--stop", "2031-01-01T00:00:00Z"), "weather covers"),
        (("run", "zuid_holland"), "--data or TWIN_DATA"),
        (("run", "zuid_holland", "--data", "/nowhere"), "no such folder"),
        (("run", "demo", "--scenario", "none.toml"), "no such file"),
        (("run", "demo", "--resume", "--out", "/nonexistent-folder-x/y"), "no checkpoint|Permission|cannot|checkpoint"),
        (("run", "demo", "--out", "/proc/none"), "/proc/none"),
        (("run", "demo", "--threads", "0"), "give 1 to"),
        (("run", "demo", "--threads", "999"), "NUMBA_NUM_THREADS"),
        (("run", "demo", "--stop", "2020-01-01T00:00:00Z"), "is not after start"),
        (("info", "none.h5"), "none.h5"),
        (("fly",), "fly"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(words, says, tmp_path):
    if "--out" not in words and words[0] == "run":
        words = (*words, "--out", tmp_path)
    done = twin(*words, TWIN_DATA="") if "--data" not in words else twin(*words)
    assert done.returncode == 2, done.stderr
    text = " ".join((done.stderr + done.stdout).split())
    assert any(part in text for part in says.split("|")), text
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.h5"))


def test_a_full_disk_is_one_error_and_the_good_file_stays(good):
    before = good.read_bytes()
    done = twin("run", "demo", "--out", good.parent, *SHORT, limit=600_000)
    assert done.returncode == 2, done.stderr
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert good.read_bytes() == before


def test_a_truncated_run_file_is_refused(good, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(good.read_bytes()[:50_000])
    for command in ("info", "validate"):
        done = twin(command, cut)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        assert "cut.h5" in done.stderr + done.stdout

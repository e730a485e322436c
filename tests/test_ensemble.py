"""Ensembles: one file per member, failures named and alone, a second pass taken from what is there."""

from pathlib import Path

import pytest

from twin.ensemble import run_ensemble
from twin.errors import ConfigError

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


def test_members_run_apart_and_a_bad_one_names_itself(tmp_path):
    short = tmp_path / "short.toml"
    text = (SCENARIOS.parent / "configs/demo.toml").read_text()
    short.write_text(text.replace("stop = 2023-01-25T00:00:00Z", "stop = 2023-01-23T03:00:00Z"))
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "bad"\n[[change]]\nverb = "set_speed"\nroad_class = ["trunk"]\nspeed = 80\n')
    files = [SCENARIOS / "all_electric_cars.toml", bad]
    first = run_ensemble(short, files, out=tmp_path / "runs", workers=2)
    assert [m.status for m in first] == ["computed", "computed", "failed"]
    assert "trunk" in first[2].detail
    assert {p.name for p in (tmp_path / "runs").glob("*.h5")} == {"demo.h5", "demo-all_electric_cars.h5"}
    again = run_ensemble(short, files[:1], out=tmp_path / "runs", workers=1)
    assert [m.status for m in again] == ["cached", "cached"]


def test_two_members_of_one_name_are_refused(tmp_path):
    twice = [SCENARIOS / "motorway_80.toml"] * 2
    with pytest.raises(ConfigError, match="motorway_80"):
        run_ensemble("demo", twice, out=tmp_path)

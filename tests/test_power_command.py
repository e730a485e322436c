"""``twin powerflow`` as a script sees it: exit codes, one clear error, nothing half written."""

import copy
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pandapower
import pandas as pd
import pytest
from test_power_networks import MATPOWER, feeder

from twin.cli import main


def line_of(text, old, new):
    assert old in text
    return text.replace(old, new)


def pgm(**components):
    return json.dumps(
        {"version": "1.0", "type": "input", "is_batch": False, "attributes": {}, "data": components}
    )  # fmt: skip


NODES = [{"id": 1, "u_rated": 1e4}, {"id": 2, "u_rated": 1e4}]
LINE = {"id": 3, "from_node": 1, "to_node": 2, "from_status": 1, "to_status": 1, "r1": 0.1, "x1": 0.1, "c1": 0.0,
        "tan1": 0.0, "i_n": 100.0}  # fmt: skip
SOURCE = {"id": 4, "node": 1, "status": 1, "u_ref": 1.0}
GOOD = {"node": NODES, "line": [LINE], "source": [SOURCE]}


def changed(table, column, value):
    net = copy.deepcopy(feeder()[0])
    net[table].loc[net[table].index[0], column] = value
    return pandapower.to_json(net)


def two_sources():
    net, b = feeder()
    pandapower.create_ext_grid(net, b[2])
    return pandapower.to_json(net)


BAD = {
    "unknown element type": ("net.json", pgm(**GOOD, teleporter=[{"id": 9}]), "teleporter"),
    "transformer without ratio": ("net.json", changed("trafo", "vn_lv_kv", 0.0), "no ratio"),
    "negative rating": ("net.json", changed("line", "max_i_ka", -1.0), "rating"),
    "negative rating, PGM": ("net.json", pgm(**{**GOOD, "line": [{**LINE, "i_n": -5.0}]}), "i_n|rating"),
    "duplicate ids": ("net.json", pgm(**{**GOOD, "node": [*NODES, NODES[0]]}), "twice"),
    "two sources": ("net.json", two_sources(), "two sources in one component"),
    "nested brackets": ("net.json", "[" * 10**6, "nested too deep"),
    "pickle": ("net.json", pickle.dumps({"bus": 1}), "pickle"),
    "pickle by name": ("net.p", pickle.dumps({"bus": 1}), "pickle|format|ending|JSON"),
    "code in a case file": ("a.m", line_of(MATPOWER, "0.085", "system('x')"), "is no number"),
    "no file": ("none.json", None, "none.json"),
    "no source": ("net.json", pgm(node=NODES, line=[LINE]), "source"),
}


def refused(words, says, capsys, folder):
    """Exit code 2, one line that says it, and no output file."""
    outputs = [folder / name for name in ("r.h5", "b.csv", "l.csv")]
    with pytest.raises(SystemExit) as stop:
        main(["powerflow", *words, "--out", str(outputs[0]), "--buses", str(outputs[1]), "--branches", str(outputs[2])])
    assert stop.value.code == 2
    shown = capsys.readouterr()
    text = (shown.err + shown.out).strip()
    assert "Traceback" not in text
    assert re.search(says, text.replace("\n", " ")), text
    assert not any(path.exists() for path in outputs)


@pytest.mark.parametrize("what", BAD)
def test_bad_networks_are_refused_and_nothing_is_written(what, tmp_path, capsys):
    name, text, says = BAD[what]
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused([str(path)], says, capsys, tmp_path)


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        ([1.0, 0.9], ("--steps", "0:5"), "longer profile"),
        ([1.0, np.nan, 1.0], (), "profile p.*(empty|not a number|gap)"),
        ([1.0, 1.0], ("--steps", "2:1"), "hold nothing"),
        ([1.0, 1.0], ("--steps", "x"), "whole numbers"),
        ([1.0, 1.0], ("--tolerance", "0"), "tolerance"),
        ([1.0, 1.0], ("--solver", "radial"), "loops"),
    ],
)
def test_bad_profiles_and_options_are_refused_and_nothing_is_written(values, options, says, tmp_path, capsys):
    net, _ = feeder()
    net.load["profile"] = "p"
    path, profiles = tmp_path / "net.json", tmp_path / "p.csv"
    pandapower.to_json(net, path)
    pd.DataFrame({"step": range(len(values)), "p": values}).to_csv(profiles, index=False)
    refused([str(path), "--profiles", str(profiles), *options], says, capsys, tmp_path)


def test_one_error_reaches_a_script(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(pgm(**GOOD, teleporter=[{"id": 9}]))
    done = subprocess.run(
        [sys.executable, "-m", "twin.cli", "powerflow", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "teleporter" in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout


def test_a_failed_step_is_in_the_table_and_in_the_summary(tmp_path, capsys):
    net, _ = feeder()
    net.load["profile"] = "p"
    path, profiles = tmp_path / "net.json", tmp_path / "p.csv"
    pandapower.to_json(net, path)
    pd.DataFrame({"step": range(40), "p": np.where(np.arange(40) == 21, 500.0, 0.8)}).to_csv(profiles, index=False)
    with pytest.raises(SystemExit) as stop:
        main(["powerflow", str(path), "--profiles", str(profiles), "--buses", str(tmp_path / "b.csv")])
    assert stop.value.code == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["steps"] == 40 and facts["converged"] == 39 and sum(facts["failed_by_status"].values()) == 1
    table = pd.read_csv(tmp_path / "b.csv")
    bad = table[table.step == 21]
    assert (bad.status > 1).any() and bad[bad.status > 1].vm_pu.isna().all()
    assert (table[table.step != 21].status == 0).all()

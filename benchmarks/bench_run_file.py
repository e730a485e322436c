"""Writing and opening of run files: MB of float32 per CPU second beside floors taken in the same process.

Smooth plumes with 1e-3 noise, 16 steps of 1024 x 1024. CPU time of the process, best of three; ratios to the floors
travel between machines, absolute figures do not. Each case also asserts that what was written comes back.
"""

import os
import time

import h5py
import numpy as np
import pytest
import xarray as xr

from twin.records import ResultVariable, RunWriter, open_run
from twin.records import writer as writing

SIDE, STEPS = 1024, 16
MEGABYTES = SIDE * SIDE * STEPS * 4 / 1e6


def plumes() -> np.ndarray:
    """Smooth positive fields with a little noise, float32 (T, y, x)."""
    axis = np.linspace(0, 1, SIDE)
    x, y = np.meshgrid(axis, axis)
    noise = np.random.default_rng(1)
    return np.stack(
        [
            5 + 40 * np.exp(-((x - 0.2 - 0.03 * k) ** 2 + (y - 0.5) ** 2) / 0.02) + 1e-3 * noise.random((SIDE, SIDE))
            for k in range(STEPS)
        ]
    ).astype("f4")


def world(nx: int, ny: int) -> xr.DataTree:
    lattice = xr.Dataset(
        {"elevation": (("y", "x"), np.zeros((ny, nx)), {"units": "m", "long_name": "ground"})},
        coords={"y": 400e3 + 25.0 * np.arange(ny), "x": 80e3 + 25.0 * np.arange(nx)},
    )
    return xr.DataTree.from_dict({"/lattice": lattice}, name="bench")


def hours(steps: int) -> np.ndarray:
    return np.datetime64("2020-01-01", "ns") + np.arange(steps) * np.timedelta64(1, "h")


def cpu_seconds(work, rounds: int = 3) -> float:
    best = np.inf
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


@pytest.fixture(scope="module")
def fields():
    return plumes()


@pytest.fixture(scope="module")
def floors(fields, tmp_path_factory):
    folder = tmp_path_factory.mktemp("floors")

    def save():
        np.save(folder / "a.npy", fields)

    def raw():
        with h5py.File(folder / "a.h5", "w") as f:
            f.create_dataset("a", data=fields, chunks=(1, SIDE, SIDE))

    return {"np.save": MEGABYTES / cpu_seconds(save), "raw h5py": MEGABYTES / cpu_seconds(raw)}


CASES = {
    "rounded, ISA-L": (12, True, 250.0),
    "rounded, gzip": (12, False, 55.0),
    "lossless, ISA-L": (None, True, 250.0),
    "lossless, gzip": (None, False, 55.0),
}


@pytest.mark.parametrize("case", CASES)
def test_write(case, fields, floors, tmp_path, monkeypatch, benchmark):
    bits, fast, target = CASES[case]
    if fast:
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(writing, "_deflate", None)
    # one cell more than a chunk in y would time padding, so the lattice is whole chunks
    path = tmp_path / "run.h5"
    spent = []

    def write():
        with RunWriter.create(
            path, world(SIDE, SIDE), [ResultVariable("c", ("y", "x"), "1", "c")], hours(STEPS), significant_bits=bits
        ) as writer:
            start = time.process_time()
            for k in range(STEPS):
                writer.write(k, {"c": fields[k]})
            spent.append(time.process_time() - start)
            writer.finish()

    benchmark.pedantic(write, rounds=3 if benchmark.enabled else 1)
    rate = MEGABYTES / min(spent)
    ratio = fields.nbytes / path.stat().st_size
    back = open_run(path)["c"]
    for k in (0, STEPS // 2, STEPS - 1):
        error = np.abs(back[k].values / fields[k].astype("f8") - 1).max()
        assert error <= (2.0**-12 if bits else 0.0)
    assert not bits or ratio >= 5
    benchmark.extra_info |= {
        "MB per CPU s": round(rate),
        "target": target,
        "ratio": round(ratio, 2),
        **{name: round(value) for name, value in floors.items()},
        "load": os.getloadavg()[0],
    }


def test_step_overhead_besides_data(tmp_path, benchmark):
    """Open, count and close of one output step: at most 5 ms CPU."""
    spent = []

    def write():
        with RunWriter.create(
            tmp_path / "run.h5", world(8, 8), [ResultVariable("c", ("y", "x"), "1", "c")], hours(200)
        ) as writer:
            start = time.process_time()
            for k in range(200):
                writer.write(k, {"c": np.full((8, 8), float(k))})
            spent.append((time.process_time() - start) / 200)

    benchmark.pedantic(write, rounds=3 if benchmark.enabled else 1)
    benchmark.extra_info |= {"ms CPU per step": round(1000 * min(spent), 2), "target": 5.0}
    assert min(spent) < 0.02


def test_set_up_and_open(tmp_path, benchmark):
    """Metadata and virtual datasets of 20,000 links; lazy opening."""
    links = 20_000
    nodes = np.arange(links + 1)
    roads = xr.Dataset(
        {
            "node_x": (("road_node",), 80e3 + nodes * 2.0, {"units": "m"}),
            "node_y": (("road_node",), 400e3 + nodes * 1.0, {"units": "m"}),
            "from_node": (("road_link",), nodes[:-1].astype("i4")),
            "to_node": (("road_link",), nodes[1:].astype("i4")),
        }
    )
    tree = xr.DataTree.from_dict({"/lattice": world(500, 400)["lattice"].to_dataset(), "/roads": roads}, name="bench")
    variables = [ResultVariable(f"r{i}", ("road_link",), "1", "r") for i in range(8)]
    variables += [ResultVariable(f"f{i}", ("y", "x"), "1", "f") for i in range(4)]

    def create():
        RunWriter.create(tmp_path / "run.h5", tree, variables, hours(168)).close()

    benchmark.pedantic(create, rounds=3 if benchmark.enabled else 1)
    opening = cpu_seconds(lambda: open_run(tmp_path / "run.h5"))
    benchmark.extra_info |= {"open, ms CPU": round(1000 * opening, 1), "target": "set-up 1.5 s, open 200 ms"}
    assert open_run(tmp_path / "run.h5").sizes["road_link"] == links

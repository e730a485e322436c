"""One run from configuration to run file: build the world, apply the scenario, step, record, checkpoint, resume."""

import os
import shutil
import socket
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from kernels.jit import compiled_marker
from twin import checkpoint
from twin.analysis import Totals, open_run
from twin.config import BUILT_IN, Configuration, load
from twin.errors import ConfigError, ResumeError
from twin.progress import RunProgress, stage
from twin.provenance import code_hash, git_commit, versions
from twin.records import Region, ResultVariable, RunWriter
from twin.scenario import Scenario, load_scenario
from twin.simulation import Simulation
from twin.world import build_world

__all__ = ["Plan", "RunResult", "base_world", "build", "plan", "run", "warm_up"]


@dataclass
class RunResult:
    """Where the run file is, where the time went, and the peak of memory (0 where the system does not tell)."""

    path: Path
    steps: int
    wall_seconds: float
    build_seconds: float
    record_seconds: float
    cpu_seconds: float  # processor time of stepping and recording, all threads
    components: dict[str, dict[str, float]]
    ledger: list[tuple[str, str, float, float, float]]
    peak_bytes: int = 0
    cached: bool = False


@dataclass
class Plan:
    """What a run would do and need, without doing it."""

    order: list[str]
    steps: int
    output_steps: int
    state_bytes: int
    output_bytes: int
    free_bytes: int
    path: Path


def configuration(
    config: Path | str | Configuration | None, overrides: Iterable[str], sections: dict[str, dict[str, Any]]
) -> Configuration:
    """The configuration that a user named: a path, a built-in name, or the demo where nothing is given."""
    if isinstance(config, Configuration):
        return config
    path = Path(config) if config is not None else BUILT_IN / "demo.toml"
    if not path.exists() and path.suffix == "" and (BUILT_IN / f"{path}.toml").exists():
        path = BUILT_IN / f"{path}.toml"
    return load(path, overrides, sections)


def build(
    config: Path | str | Configuration | None = None,
    *,
    data: Path | str | None = None,
    scenario: Path | str | Scenario | None = None,
    overrides: Iterable[str] = (),
    sections: dict[str, dict[str, Any]] | None = None,
) -> Simulation:
    """Build the world of a configuration, apply a scenario, and wire its components, ready to step.

    ``data`` is the root of the input files (default: the environment variable ``TWIN_DATA``).
    """
    checked = configuration(config, overrides, sections or {})
    tree, inputs = build_world(checked, _data_root(data))
    chosen = _scenario(scenario)
    if chosen is not None:
        chosen.apply(tree)
        inputs = {**inputs, f"scenario {chosen.name}": chosen.model_dump_json()}
    _count_trips(tree)
    return Simulation(checked, tree, inputs=inputs)


def base_world(config: Configuration, data: Path | str | None = None) -> xr.DataTree:
    """The world of a configuration, without a scenario."""
    return build_world(config, _data_root(data))[0]


def run(
    config: Path | str | Configuration | None = None,
    *,
    data: Path | str | None = None,
    out: Path | str = "runs",
    scenario: Path | str | Scenario | None = None,
    resume: bool = False,
    reuse: bool = False,
    quiet: bool = False,
    overrides: Iterable[str] = (),
    sections: dict[str, dict[str, Any]] | None = None,
) -> RunResult:
    """Run a configuration and write its run file into the folder ``out``.

    The file appears under its final name when the run is complete; until then it is ``<name>.part.h5``, which
    viewers may open. A good run file of the same name stays until then. ``resume`` goes on from the last
    checkpoint; results are bit-identical to an uninterrupted run. ``reuse`` takes a finished file of the same
    settings, scenario, code and inputs as it is. ``quiet`` shows no progress.
    """
    checked = configuration(config, overrides, sections or {})
    chosen = _scenario(scenario)
    warm_up()
    began = time.perf_counter()
    with stage(f"building the world of {checked.province.title}", quiet):
        simulation = build(checked, data=data, scenario=chosen)
    built, cpu = time.perf_counter() - began, time.process_time()
    name = checked.province.name + (f"-{chosen.name}" if chosen is not None else "")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    target, saved = folder / f"{name}.h5", folder / f"{name}.checkpoint"
    if reuse and _finished(target, simulation):
        return RunResult(target, len(simulation.output_times), built, built, 0.0, 0.0, {}, [], cached=True)
    bounds = checked.output.region
    region = Region(simulation.world, bounds) if bounds is not None else None
    writer = _writer(simulation, region, target, saved, resume, _provenance(simulation, chosen))
    totals = Totals(open_run(writer.live))
    dims = {v.name: v.dims for v in simulation.recorded}
    record = 0.0

    def write(row: int, values: dict[str, np.ndarray]) -> None:
        if region is not None:
            values = {name: region.cut(array, dims[name]) for name, array in values.items()}
        totals.add(simulation.output_seconds, writer.write(row, values))

    # a step is written while the kernels, which do not hold the interpreter, compute the next one
    with (
        ThreadPoolExecutor(1, "recorder") as recorder,
        RunProgress(simulation.clock.ticks, simulation.tick, quiet) as progress,
    ):
        writing: Future[None] = Future()
        writing.set_result(None)
        for row, values in simulation.steps(lambda tick: progress.at(tick, simulation.clock.time(tick))):
            mark = time.perf_counter()
            writing.result()
            if row is not None:
                writing = recorder.submit(write, row, values)
            hours = simulation.tick // simulation.output_ticks * checked.output.every_hours
            due = hours % checked.run.checkpoint_hours == 0
            if due and simulation.tick < simulation.clock.ticks:  # after the last tick there is nothing to go on with
                writing.result()  # what a checkpoint stands on is in the file
                checkpoint.save(simulation, saved)
            record += time.perf_counter() - mark
    mark = time.perf_counter()
    writing.result()
    writer.finish(
        indicators=[(i.name, i.units, i.value, i.kind) for i in totals.indicators()],
        ledger=[list(row) for row in simulation.ledger.summary()],
    )
    saved.unlink(missing_ok=True)
    record += time.perf_counter() - mark
    return RunResult(
        target,
        len(simulation.output_times),
        time.perf_counter() - began,
        built,
        record,
        time.process_time() - cpu,
        {k: {"wall": t.wall + t.first, "cpu": t.cpu, "first": t.first} for k, t in simulation.timings.items()},
        simulation.ledger.summary(),
        _peak_bytes(),
    )


def _count_trips(world: xr.DataTree) -> None:
    """Keep the light-vehicle trips of a working day that leave each origin: the run file then tells what was added."""
    light = world["zones"].ds["trips"].values[:, 0].sum(axis=(0, 2))
    about = {"units": "1", "long_name": "light-vehicle trips of a working day from the origin"}
    world["zones"].dataset = world["zones"].to_dataset().assign(origin_trips=("origin", light, about))


def plan(
    config: Path | str | Configuration | None = None,
    *,
    data: Path | str | None = None,
    out: Path | str = "runs",
    scenario: Path | str | Scenario | None = None,
    overrides: Iterable[str] = (),
    sections: dict[str, dict[str, Any]] | None = None,
) -> Plan:
    """Build and wire, but run nothing: order, steps, memory of the state and disk at most."""
    checked = configuration(config, overrides, sections or {})
    chosen = _scenario(scenario)
    simulation = build(checked, data=data, scenario=chosen)
    folder = Path(out)
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    per_step = sum(simulation.wiring.arrays[v.name].size * 4 for v in simulation.recorded)
    name = checked.province.name + (f"-{chosen.name}" if chosen is not None else "")
    return Plan(
        [c.name() for c in simulation.wiring.order],
        simulation.clock.ticks,
        len(simulation.output_times),
        sum(a.nbytes for a in simulation.wiring.arrays.values()),
        per_step * len(simulation.output_times),
        shutil.disk_usage(existing).free,
        folder / f"{name}.h5",
    )


def warm_up() -> None:
    """Compile the kernels once, on a morning of the demo province, and say so; later runs find them compiled."""
    marker = compiled_marker()
    if marker.exists():
        return
    demo = load(BUILT_IN / "demo.toml")
    with stage("compiling kernels, once"):
        simulation = build(demo)
        for _ in range(8):  # night and peak take different branches of the kernels
            simulation.step()
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _peak_bytes() -> int:
    """Most memory that this process has held, from Linux's VmHWM; 0 elsewhere.

    ``getrusage`` will not do: its peak starts at that of the process that started this one.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _data_root(data: Path | str | None) -> Path | None:
    named = data if data is not None else os.environ.get("TWIN_DATA")
    if not named:
        return None
    root = Path(named)
    if not root.is_dir():
        raise ConfigError(f"data root {root}: no such folder; give --data or set TWIN_DATA")
    return root


def _scenario(scenario: Path | str | Scenario | None) -> Scenario | None:
    if scenario is None or isinstance(scenario, Scenario):
        return scenario
    return load_scenario(Path(scenario))


def _writer(
    simulation: Simulation, region: Region | None, target: Path, saved: Path, resume: bool, provenance: dict[str, Any]
) -> RunWriter:
    if resume:
        if not saved.exists():
            raise ResumeError(f"{saved}: there is no checkpoint to resume from; run without --resume")
        checkpoint.restore(simulation, saved)
        return RunWriter.append(target, simulation.steps_recorded)
    saved.unlink(missing_ok=True)
    times = np.array([t.replace(tzinfo=None) for t in simulation.output_times], dtype="datetime64[s]")
    length = np.timedelta64(simulation.output_seconds, "s")
    return RunWriter.create(
        target,
        simulation.world if region is None else region.world,
        [ResultVariable.from_declaration(v, every=simulation.output_rates[v.name]) for v in simulation.recorded],
        times,
        provenance,
        significant_bits=simulation.config.output.bits,
        bounds=np.column_stack([times, times + length]),
    )


def _provenance(simulation: Simulation, scenario: Scenario | None) -> dict[str, Any]:
    config = simulation.config
    return {
        "title": config.province.title,
        "province": config.province.name,
        "synthetic_province": int(config.province.kind == "synthetic"),
        "scenario": scenario.name if scenario is not None else "base",
        "scenario_text": scenario.model_dump_json() if scenario is not None else "",
        "config_text": config.text,
        "config": config.model_dump(mode="json"),
        "config_hash": config.fingerprint,
        "run_id": simulation.fingerprint,
        "code_hash": code_hash(),
        "git_commit": git_commit(),
        "versions": versions(),
        "inputs": simulation.inputs,
        "seed": config.run.seed,
        "host": socket.gethostname(),
        "job_id": os.environ.get("SLURM_JOB_ID", ""),
        "components": {
            c.name(): {"leaves_out": c.leaves_out, "doc": (c.__doc__ or "").strip()} for c in simulation.wiring.order
        },
        "synthetic": _synthetic(simulation.world),
    }


def _finished(target: Path, simulation: Simulation) -> bool:
    """Whether ``target`` is a complete run file of exactly this simulation."""
    if not target.exists():
        return False
    with open_run(target) as tree:
        return tree.attrs.get("run_id") == simulation.fingerprint and tree.attrs.get("output_status") == "complete"


def _synthetic(world: xr.DataTree) -> dict[str, str]:
    """``group/variable`` -> rule, of all layers that no file at hand gave."""
    return {
        f"{group}/{name}": str(variable.attrs.get("rule", ""))
        for group, node in world.children.items()
        for name, variable in node.ds.variables.items()
        if variable.attrs.get("synthetic")
    }

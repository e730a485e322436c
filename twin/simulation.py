"""One run: a world and its wired components stepped through time, recorded and checkpointed."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import xarray as xr

from twin.clock import Clock, Moment
from twin.component import Component
from twin.config import Configuration
from twin.errors import ConfigError, TwinError
from twin.ledger import Ledger
from twin.provenance import code_hash
from twin.variables import Variable
from twin.wiring import Wiring

__all__ = ["Simulation", "Timing"]


@dataclass
class Timing:
    """Wall and processor seconds of one part of a run, and the first call apart (it may hold compilation)."""

    wall: float = 0.0
    cpu: float = 0.0
    first: float = 0.0
    calls: int = 0

    def add(self, wall: float, cpu: float) -> None:
        """Book one call; the first is kept apart."""
        if self.calls == 0:
            self.first = wall
        else:
            self.wall += wall
            self.cpu += cpu
        self.calls += 1


@dataclass
class OutputBuffer:
    """A recorded variable over its interval of ``every`` output steps, by its cell method."""

    variable: Variable
    source: np.ndarray
    every: int = 1
    buffer: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.buffer = np.zeros_like(self.source)

    def collect(self, ticks: int) -> None:
        """Add one tick, of ``ticks`` to an output step; codes keep their last value."""
        if self.source.dtype.kind != "f":
            self.buffer[...] = self.source
        elif self.variable.cell_methods == "time: mean":
            self.buffer += self.source / (ticks * self.every)
        elif self.variable.cell_methods == "time: sum":
            self.buffer += self.source
        else:
            self.buffer[...] = self.source


class Simulation:
    """A world with its components, ready to step.

    ``inputs`` are the hashes of the files that the world was built from; they and the code are part of the
    fingerprint that a checkpoint must match.
    """

    def __init__(
        self,
        config: Configuration,
        world: xr.DataTree,
        components: list[Component] | None = None,
        inputs: dict[str, str] | None = None,
    ):
        self.config = config
        self.world = world
        self.inputs = inputs or {}
        components = config.build_components() if components is None else components
        self.wiring = Wiring(components, world)
        self.clock = Clock(config.run.start, config.run.stop, {c.name(): c.every for c in components})
        self.ledger = Ledger()
        self.tick = 0
        self.timings = {c.name(): Timing() for c in self.wiring.order}
        self._weather_start = self._check_weather()
        self._output = self._output_buffers()
        for component in self.wiring.order:
            component.setup(self.wiring.slots[component.name()], world)

    @property
    def fingerprint(self) -> str:
        """Hash of settings, code and inputs."""
        parts = [self.config.fingerprint, code_hash(), *(f"{k}={v}" for k, v in sorted(self.inputs.items()))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @property
    def output_ticks(self) -> int:
        """Ticks per output step."""
        return self.config.output.every_hours * 3600 // self.clock.base

    @property
    def output_seconds(self) -> int:
        """Length of an output step [s]."""
        return self.output_ticks * self.clock.base

    @property
    def output_times(self) -> list[datetime]:
        """Start (UTC) of every recorded output interval."""
        return [self.clock.time(k * self.output_ticks) for k in self.output_steps]

    @property
    def recorded(self) -> list[Variable]:
        """Declarations of the variables that the run file holds."""
        return [o.variable for o in self._output]

    @property
    def output_rates(self) -> dict[str, int]:
        """Output steps per value of each recorded variable."""
        return {o.variable.name: o.every for o in self._output}

    @property
    def steps_recorded(self) -> int:
        """Output steps that lie behind the present tick."""
        behind = self.tick // self.output_ticks - self.output_steps.start
        return min(max(behind, 0), len(self.output_steps))

    def output_state(self) -> dict[str, np.ndarray]:
        """Buffers of a begun output interval, for a checkpoint."""
        return {o.variable.name: o.buffer for o in self._output}

    def step(self) -> None:
        """One tick: every component whose interval ends now."""
        self.wiring.latch()
        for component in self.wiring.order:
            name = component.name()
            self.wiring.accumulate(name)
            if not self.clock.due(name, self.tick):
                continue
            start, seconds = self.clock.interval(name, self.tick)
            hour = int((start - self._weather_start).total_seconds() // 3600)
            moment = Moment(start, seconds, self.tick, hour, self.config.run.seed, name, self.ledger)
            self.wiring.complete(name, self.clock.every[name])
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                component.step(self.wiring.slots[name], moment)
            except TwinError as error:
                raise type(error)(f"{start:%Y-%m-%d %H:%M} UTC, {name}: {error}") from error
            self.timings[name].add(time.perf_counter() - wall, time.process_time() - cpu)
            self.wiring.clear(name)
        self.tick += 1
        if self.clock.settles(self.tick - 1):
            self.ledger.settle(f"{self.clock.time(self.tick):%Y-%m-%d %H:%M} UTC")
        if (self.tick - 1) // self.output_ticks in self.output_steps:
            for o in self._output:
                o.collect(self.output_ticks)

    def outputs(self, row: int) -> dict[str, np.ndarray]:
        """Values of the variables whose interval ends with recorded output step ``row``; their buffers start again."""
        due = [o for o in self._output if (row + 1) % o.every == 0]
        values = {o.variable.name: o.buffer.copy() for o in due}
        for o in due:
            o.buffer[...] = 0
        return values

    def steps(self, every: Callable[[int], None] | None = None) -> Iterator[tuple[int | None, dict[str, np.ndarray]]]:
        """Step to the end; yield (row in the run file, values) after each output interval, row None if not recorded.

        ``every`` is called with the tick after each tick, for progress.
        """
        while self.tick < self.clock.ticks:
            self.step()
            if every is not None:
                every(self.tick)
            if self.tick % self.output_ticks == 0:
                step = self.tick // self.output_ticks - 1
                row = step - self.output_steps.start if step in self.output_steps else None
                yield row, {} if row is None else self.outputs(row)

    def _output_steps(self) -> range:
        """Output steps of the run that are recorded."""
        output, seconds = self.config.output, self.config.output.every_hours * 3600
        count = self.clock.ticks // self.output_ticks
        ends = []
        for key, when, default in (("start", output.start, 0), ("stop", output.stop, count)):
            step, rest = divmod((when - self.clock.start).total_seconds(), seconds) if when else (default, 0)
            if rest or not 0 <= step <= count:
                raise ConfigError(
                    f"{self.config.path}: [output] {key} = {when}: give the start of an output step of the run, "
                    f"{self.clock.start:%Y-%m-%d %H:%M} to {self.clock.stop:%Y-%m-%d %H:%M} UTC by "
                    f"{output.every_hours} h"
                )
            ends.append(int(step))
        if ends[0] >= ends[1]:
            raise ConfigError(f"{self.config.path}: [output] holds no step; start must come before stop")
        return range(*ends)

    def _output_buffers(self) -> list[OutputBuffer]:
        declared = {n: v for n, v in sorted(self.wiring.declared.items()) if v.record}
        wanted = self.config.output.variables
        if wanted is not None:  # what is not recorded of itself may be asked for, but for matrices
            declared |= {n: v for n, v in self.wiring.declared.items() if "destination" not in v.dims}
        for name in wanted or ():
            if name not in declared:
                raise ConfigError(
                    f"{self.config.path}: [output] variables: {name!r} is not recorded by any component; "
                    f"known: {', '.join(declared)}"
                )
        if self.clock.common > 3600 * self.config.output.every_hours or self.clock.ticks % self.output_ticks:
            raise ConfigError(
                f"{self.config.path}: [output] every_hours = {self.config.output.every_hours} must hold every "
                f"component's step and divide the run"
            )
        self.output_steps = self._output_steps()
        names = declared if wanted is None else wanted
        slow = self.config.output.slow_hours
        chosen = {"slow_hours": set(slow), "significant_bits": set(self.config.output.bits) - {"*"}}
        for key, asked in chosen.items():
            if asked - set(names):
                name = min(asked - set(names))
                raise ConfigError(
                    f"{self.config.path}: [output] {key}: {name!r} is not in the run file; it holds {', '.join(names)}"
                )
        rates = {n: slow.get(n, self.config.output.every_hours) // self.config.output.every_hours for n in names}
        for name, every in rates.items():
            if len(self.output_steps) % every:
                raise ConfigError(
                    f"{self.config.path}: [output] slow_hours: {slow[name]} h of {name!r} do not divide the "
                    f"{len(self.output_steps)} output steps"
                )
        return [OutputBuffer(declared[n], self.wiring.arrays[n], rates[n]) for n in names]

    def _check_weather(self) -> datetime:
        """Start of the weather rows; they must cover the run without a gap."""
        if "weather" not in self.world.children:
            return self.clock.start
        times = np.asarray(self.world["weather"].ds["weather_time"].values, dtype="datetime64[s]")
        if np.any(np.diff(times) != np.timedelta64(3600, "s")):
            gap = times[1:][np.diff(times) != np.timedelta64(3600, "s")][0]
            raise ConfigError(f"weather: rows are not hourly before {gap} UTC; fill the gap at its source")
        first = datetime.fromisoformat(str(times[0])).replace(tzinfo=UTC)
        last = datetime.fromisoformat(str(times[-1])).replace(tzinfo=UTC)
        if self.clock.start < first or (self.clock.stop - last).total_seconds() > 3600:
            raise ConfigError(
                f"weather covers {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, the run "
                f"{self.clock.start:%Y-%m-%d %H:%M} to {self.clock.stop:%Y-%m-%d %H:%M}; move the run or add weather"
            )
        return first

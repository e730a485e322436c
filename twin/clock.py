"""Integer-tick clock: no floating-point time, three civil scales named apart.

The run is in UTC. Traffic follows civil local time (Europe/Amsterdam, with summer time); the load and PV curves
follow standard time (UTC+1 all year).
"""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from math import gcd, lcm
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.ledger import Ledger

__all__ = ["LOCAL", "STANDARD", "Clock", "Moment"]

LOCAL = ZoneInfo("Europe/Amsterdam")
STANDARD = timezone(timedelta(hours=1), "CET")


@dataclass(frozen=True)
class Moment:
    """The interval over which a component steps."""

    start: datetime  # UTC, aware
    seconds: int
    tick: int
    hour: int  # row of the weather group that holds `start`
    seed: int
    component: str
    ledger: "Ledger" = field(repr=False)

    @property
    def local(self) -> datetime:
        """Start in civil local time, with summer time."""
        return self.start.astimezone(LOCAL)

    @property
    def standard(self) -> datetime:
        """Start in standard time, UTC+1 all year."""
        return self.start.astimezone(STANDARD)

    @property
    def hours(self) -> float:
        """Length of the interval in hours."""
        return self.seconds / 3600

    def rng(self) -> np.random.Generator:
        """Random numbers keyed by seed, component and tick: no generator state, no dependence on order."""
        key = [self.seed, zlib.crc32(self.component.encode()) << 32 | self.tick]
        return np.random.Generator(np.random.Philox(key=key))


class Clock:
    """Ticks of the greatest common divisor of all component steps, from ``start`` to ``stop`` (UTC)."""

    def __init__(self, start: datetime, stop: datetime, steps: dict[str, int]):
        for name, seconds in steps.items():
            if seconds <= 0:
                raise ConfigError(f"component {name}: every = {seconds} s; a step is a positive number of seconds")
        self.start = start.astimezone(UTC)
        self.stop = stop.astimezone(UTC)
        self.base = gcd(*steps.values())
        self.common = lcm(*steps.values())
        self.every = {name: seconds // self.base for name, seconds in steps.items()}
        length = (self.stop - self.start).total_seconds()
        if length <= 0:
            raise ConfigError(f"run: stop {stop.isoformat()} is not after start {start.isoformat()}")
        if length % self.common:
            raise ConfigError(
                f"run: {length:.0f} s from start to stop is no multiple of {self.common} s, the common step of all "
                f"components; move stop"
            )
        self.ticks = round(length) // self.base

    def time(self, tick: int) -> datetime:
        """UTC at the start of a tick."""
        return self.start + timedelta(seconds=tick * self.base)

    def due(self, name: str, tick: int) -> bool:
        """Whether the component's interval ends with this tick, so that its inputs are complete."""
        return (tick + 1) % self.every[name] == 0

    def settles(self, tick: int) -> bool:
        """Whether every component's interval ends with this tick."""
        return (tick + 1) * self.base % self.common == 0

    def interval(self, name: str, tick: int) -> tuple[datetime, int]:
        """Start (UTC) and length [s] of the component's interval that ends with this tick."""
        n = self.every[name]
        return self.time(tick + 1 - n), n * self.base

"""Progress of a run: a live bar on a terminal, plain lines elsewhere; to standard error, results go to output."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["RunProgress", "stage"]


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} steps/s" if task.speed else "-")


class RunProgress:
    """Simulated time, steps per second and estimated end."""

    def __init__(self, total: int, first: int = 0, quiet: bool = False):
        self.total = total
        self._began = time.perf_counter()
        self._first = first
        self._said = -1
        self._quiet = quiet
        self._bar: Progress | None = None
        if not quiet and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                _Rate(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("", total=total, completed=first)
            self._bar.start()

    def __enter__(self) -> "RunProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, tick: int, when: datetime) -> None:
        """Show that ``tick`` ticks are done and the world stands at ``when`` (UTC)."""
        if self._bar is not None:
            self._bar.update(self._task, completed=tick, description=f"{when:%a %d %b %Y %H:%M} UTC")
            return
        tenth = 10 * tick // self.total
        if self._quiet or tenth == self._said:
            return
        self._said = tenth
        rate = (tick - self._first) / max(time.perf_counter() - self._began, 1e-9)
        left = (self.total - tick) / rate
        _line(f"{when:%Y-%m-%d %H:%M} UTC  step {tick}/{self.total}  {rate:.1f} steps/s  {left:.0f} s left")


@contextmanager
def stage(text: str, quiet: bool = False) -> Iterator[None]:
    """Say what is going on, and how long it took."""
    began = time.perf_counter()
    if quiet:
        yield
        return
    if sys.stderr.isatty():
        with Console(stderr=True).status(text):
            yield
    else:
        _line(f"{text} ...")
        yield
    _line(f"{text}: {time.perf_counter() - began:.1f} s")


def _line(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()

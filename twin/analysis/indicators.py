"""Indicators of a run: a few totals per result that policy people compare, each with its unit.

Time sums weigh each output step with its length (``time_bounds`` where the file has them, else the spacing of the
output times). Sums run in double precision over a few steps of one variable in memory.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal

import numpy as np
import xarray as xr

__all__ = ["Indicator", "Totals", "indicators"]

# rate -> (unit of its sum over time, factor from rate * seconds)
RATES = {
    "g s-1": ("kg", 1e-3),
    "kW": ("MWh", 1 / 3.6e6),
    "kvar": ("Mvarh", 1 / 3.6e6),
    "W": ("kWh", 1 / 3.6e6),
}
PER_AREA = ("m-2", "m-3", "ha-1", "ha-1 yr-1")  # densities: their sum over places means nothing
AT_ONCE = 8_000_000  # bytes read at a time
FULL = 1.0  # loading at the rating


@dataclass(frozen=True)
class Indicator:
    """One number of a run: which result and statistic, in which unit, and how regions combine.

    ``additive`` values of regions add up to that of the whole; a ``ratio`` or a ``peak`` does not.
    """

    name: str
    units: str
    value: float
    kind: Literal["additive", "ratio", "peak"]


def step_seconds(run: xr.Dataset, axis: str = "time") -> np.ndarray:
    """Length of each step of a time axis [s]; a single step without bounds counts as one hour."""
    if f"{axis}_bounds" in run.variables:
        ends = run[f"{axis}_bounds"].values
        if np.issubdtype(ends.dtype, np.datetime64):
            return np.diff(ends, axis=1)[:, 0] / np.timedelta64(1, "s")
        return np.diff(ends, axis=1)[:, 0].astype("f8")
    time = run[axis].values
    if len(time) < 2:
        return np.full(len(time), 3600.0)
    steps = np.diff(time) / np.timedelta64(1, "s")
    return np.append(steps, steps[-1])


def indicators(run: xr.DataTree) -> list[Indicator]:
    """Indicators of every result of an opened run, in the order of the file."""
    return Totals(run).indicators()


class Totals:
    """Indicators of the steps that ``run`` holds; :meth:`add` goes on with later ones, as they are written.

    A run that gathers its totals while it steps gets the same numbers, to the last bit, as a reading of its file.
    """

    def __init__(self, run: xr.DataTree):
        data = run.to_dataset()
        self._of: dict[str, _Total] = {}
        for name, array in data.data_vars.items():
            axis = str(array.dims[0]) if array.dims else ""
            if axis.split("_")[0] == "time" and array.dtype.kind in "fiu":
                total = self._of[str(name)] = _Total(data, str(name))
                for seconds, values in zip(step_seconds(data, axis), _steps(array), strict=True):
                    total.add(seconds, values)

    def add(self, seconds: float, stored: Mapping[str, np.ndarray]) -> None:
        """Add one output step, ``seconds`` long: every result due, as the file holds it."""
        for name, values in stored.items():
            self._of[name].add(self._of[name].every * seconds, values)

    def indicators(self) -> list[Indicator]:
        """Indicators of all steps added."""
        return [indicator for total in self._of.values() for indicator in total.indicators()]


def _steps(array: xr.DataArray) -> Iterator[np.ndarray]:
    """Values step by step, some read at a time: a run file is opened anew for each reading."""
    at_once = max(1, AT_ONCE // max(1, array.dtype.itemsize * math.prod(array.shape[1:])))
    for first in range(0, array.shape[0], at_once):
        yield from array[first : first + at_once].values


class _Total:
    """Running statistics of one result."""

    def __init__(self, run: xr.Dataset, name: str):
        array = run[name]
        self.name, self.units, self.dims = name, str(array.attrs.get("units", "1")), array.dims[1:]
        self.every = int(array.attrs.get("output_steps", 1))
        self.methods = str(array.attrs.get("cell_methods", ""))
        per_area = self.units.endswith(PER_AREA)
        self.additive = bool(self.dims) and bool(array.attrs.get("additive", 1)) and not per_area
        self.at_the_end = self.methods == "time: point" and bool(self.dims)
        self.weights, self.inside = _weights(run, name, self.dims), _inside(run, self.dims)
        self.last: np.ndarray | None = None
        self.over_time = self.amount = self.peak = self.over = 0.0
        self.low, self.high = np.inf, -np.inf
        self.means: list[float] = []

    def add(self, seconds: float, values: np.ndarray) -> None:
        if self.at_the_end:
            self.last = values  # the last one counts
            return
        weights = self.weights
        values = values[self.inside].astype("f8")
        known = np.isfinite(values)
        if not known.all():
            values = values[known]
            weights = weights[known] if isinstance(weights, np.ndarray) else weights
        if not values.size:
            return
        plain = float(values.sum())
        now = float((values * weights).sum()) if isinstance(weights, np.ndarray) else plain
        self.amount += now
        self.over_time += now * seconds
        self.peak = max(self.peak, abs(now))
        self.means.append(plain / values.size)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if self.rated:
            self.over += np.count_nonzero(values > FULL) * seconds / 3600

    @property
    def rated(self) -> bool:
        """Whether the values are loadings of assets."""
        return self.dims == ("branch",) and self.units == "1"

    def indicators(self) -> Iterator[Indicator]:
        name, units = self.name, self.units
        if self.last is not None:
            last = self.last[self.inside].astype("f8")
            last = last[np.isfinite(last)] if np.isfinite(last).any() else np.array([np.nan])
            yield Indicator(f"{name}: mean at the end", units, float(last.mean()), "ratio")
            yield Indicator(f"{name}: highest at the end", units, float(last.max()), "peak")
        if not self.means:
            return
        if units in RATES and self.additive:
            unit, factor = RATES[units]
            yield Indicator(f"{name}: total", unit, self.over_time * factor, "additive")
            yield Indicator(f"{name}: highest total", units, self.peak, "peak")
        elif units == "h-1" and self.dims == ("road_link",):
            yield Indicator(f"{name}: vehicle-kilometres", "km", self.over_time / 3600 / 1000, "additive")
            yield Indicator(f"{name}: highest", units, self.high, "peak")
        elif "sum" in self.methods and self.additive:
            yield Indicator(f"{name}: total", units, self.amount, "additive")
        elif "sum" in self.methods and self.dims:
            yield Indicator(f"{name}: mean total", units, float(np.sum(self.means)), "ratio")
            yield Indicator(f"{name}: highest of a step", units, self.high, "peak")
        else:
            yield Indicator(f"{name}: mean", units, float(np.mean(self.means)), "ratio")
            yield Indicator(f"{name}: lowest", units, self.low, "peak")
            yield Indicator(f"{name}: highest", units, self.high, "peak")
            if self.rated:
                yield Indicator(f"{name}: asset-hours above rating", "h", self.over, "additive")


def _weights(run: xr.Dataset, name: str, dims: tuple) -> np.ndarray | float:
    """Link lengths [m] for flows; links that do not count (skeleton and gates) weigh nothing."""
    if dims != ("road_link",) or run[name].attrs.get("units") != "h-1" or "road_length" not in run.data_vars:
        return 1.0
    length = run["road_length"].values.astype("f8")
    return length * run["road_reported"].values if "road_reported" in run.data_vars else length


def _inside(run: xr.Dataset, dims: tuple) -> np.ndarray | EllipsisType:
    """Cells of the province where values lie on the lattice; else all."""
    return run["province"].values == 1 if dims == ("y", "x") and "province" in run.data_vars else ...

"""Indicators of a run: a few totals per result that policy people compare, each with its unit.

Time sums weigh each output step with its length (``time_bounds`` where the file has them, else the spacing of the
output times). Sums run in double precision over a few steps of one variable in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal

import numpy as np
import xarray as xr

__all__ = ["Indicator", "indicators"]

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
    found: list[Indicator] = []
    data = run.to_dataset()
    for name, array in data.data_vars.items():
        if array.dims and str(array.dims[0]).split("_")[0] == "time":
            found += _of(data, str(name))
    return found


def _of(run: xr.Dataset, name: str) -> Iterator[Indicator]:
    array = run[name]
    units, dims = str(array.attrs.get("units", "1")), array.dims[1:]
    axis = str(array.dims[0])
    if not array.sizes[axis] or (array.size and array.dtype.kind not in "fiu"):
        return
    seconds = step_seconds(run, axis)
    methods = str(array.attrs.get("cell_methods", ""))
    if methods == "time: point" and dims:
        last = array[-1].values[_inside(run, dims)].astype("f8")
        last = last[np.isfinite(last)] if np.isfinite(last).any() else np.array([np.nan])
        yield Indicator(f"{name}: mean at the end", units, float(last.mean()), "ratio")
        yield Indicator(f"{name}: highest at the end", units, float(last.max()), "peak")
        return
    weights = _weights(run, name, dims)
    over_time = peak = amount = 0.0
    mean: list[float] = []
    low, high, over = np.inf, -np.inf, 0.0
    inside = _inside(run, dims)
    for steps, block in _blocks(array):
        values = block[(slice(None), inside) if isinstance(inside, np.ndarray) else slice(None)].astype("f8")
        across = tuple(range(1, values.ndim))
        known = np.isfinite(values)
        some = known.any(axis=across)
        if not some.all():
            values, known, steps = values[some], known[some], steps[some]
        if not some.any():
            continue
        now = np.sum(values * weights, axis=across, where=known)
        amount += float(now.sum())
        over_time += float(now @ seconds[steps])
        peak = max(peak, float(np.abs(now).max()))
        mean += np.mean(values, axis=across, where=known).tolist()
        low = min(low, float(np.min(values, where=known, initial=np.inf)))
        high = max(high, float(np.max(values, where=known, initial=-np.inf)))
        over += float(np.count_nonzero(values > FULL, axis=across) @ seconds[steps]) / 3600
    if not mean:
        return
    additive = bool(dims) and bool(array.attrs.get("additive", 1)) and not units.endswith(PER_AREA)
    if units in RATES and additive:
        unit, factor = RATES[units]
        yield Indicator(f"{name}: total", unit, over_time * factor, "additive")
        yield Indicator(f"{name}: highest total", units, peak, "peak")
    elif units == "h-1" and dims == ("road_link",):
        yield Indicator(f"{name}: vehicle-kilometres", "km", over_time / 3600 / 1000, "additive")
        yield Indicator(f"{name}: highest", units, high, "peak")
    elif "sum" in methods and additive:
        yield Indicator(f"{name}: total", units, amount, "additive")
    elif "sum" in methods and dims:
        yield Indicator(f"{name}: mean total", units, float(np.sum(mean)), "ratio")
        yield Indicator(f"{name}: highest of a step", units, high, "peak")
    else:
        yield Indicator(f"{name}: mean", units, float(np.mean(mean)), "ratio")
        yield Indicator(f"{name}: lowest", units, low, "peak")
        yield Indicator(f"{name}: highest", units, high, "peak")
        if dims == ("branch",) and units == "1":
            yield Indicator(f"{name}: asset-hours above rating", "h", over, "additive")


def _blocks(array: xr.DataArray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some steps at a time, with their numbers: a run file is opened anew for each reading."""
    at_once = max(1, AT_ONCE // max(1, array[0].nbytes))
    for k in range(0, array.shape[0], at_once):
        block = array[k : k + at_once].values
        yield np.arange(k, k + len(block)), block


def _weights(run: xr.Dataset, name: str, dims: tuple) -> np.ndarray | float:
    """Link lengths [m] for flows; links that do not count (skeleton and gates) weigh nothing."""
    if dims != ("road_link",) or run[name].attrs.get("units") != "h-1" or "road_length" not in run.data_vars:
        return 1.0
    length = run["road_length"].values.astype("f8")
    return length * run["road_reported"].values if "road_reported" in run.data_vars else length


def _inside(run: xr.Dataset, dims: tuple) -> np.ndarray | EllipsisType:
    """Cells of the province where values lie on the lattice; else all."""
    return run["province"].values == 1 if dims == ("y", "x") and "province" in run.data_vars else ...

"""Comparison of two runs of one province: indicator by indicator, with units."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from twin.analysis.indicators import indicators
from twin.errors import RecordError
from twin.records import check_same_coordinates, open_run

__all__ = ["compare"]


def compare(run_a: str | Path | xr.DataTree, run_b: str | Path | xr.DataTree) -> pd.DataFrame:
    """Table of ``indicator, unit, A, B, difference (B - A), percent``; a run against itself differs by exactly 0.

    Runs of different provinces, or over different times, are refused with a :class:`RecordError`.
    """
    a, b = (run if isinstance(run, xr.DataTree) else open_run(run) for run in (run_a, run_b))
    check_same_coordinates(a, b)
    if not np.array_equal(a.to_dataset()["time"], b.to_dataset()["time"]):
        spans = " and ".join(f"{_span(run)} ({run.sizes['time']} steps)" for run in (a, b))
        raise RecordError(f"the runs cover different times: {spans}; run both over the same period")
    left, right = ({i.name: i for i in indicators(run)} for run in (a, b))
    rows = []
    for name in [*left, *(n for n in right if n not in left)]:
        one, two = left.get(name), right.get(name)
        either = one or two
        if one and two and one.units != two.units:
            raise RecordError(f"{name}: {one.units!r} in A, {two.units!r} in B; compare runs of one version")
        va, vb = (i.value if i else float("nan") for i in (one, two))
        relative = (vb - va) / abs(va) * 100 if va else (0.0 if va == vb else float("nan"))
        rows.append((name, either.units if either else "", va, vb, vb - va, relative))
    return pd.DataFrame(rows, columns=["indicator", "unit", "A", "B", "difference", "percent"])


def _span(run: xr.DataTree) -> str:
    time = run.to_dataset()["time"].values
    return f"{str(time[0])[:16]} to {str(time[-1])[:16]}" if len(time) else "no time"

"""``twin info RUN``: what a run file holds, in a page of text."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from twin.records import find_run, open_run

__all__ = ["info"]

SHOWN = ("scenario", "run_id", "config_hash", "seed", "git_commit", "versions", "host", "wall_seconds")


def info(path: str | Path) -> str:
    """Say what a run file holds: state, period, provenance, results and what is synthetic.

    Parameters
    ----------
    path
        Run file, finished or in progress.
    """
    file = find_run(path)
    run = open_run(file)
    data = run.to_dataset()
    about, time = run.attrs, data["time"].values
    synthetic = _mapping(about.get("synthetic_variables"))
    lines = [
        f"{about.get('title', 'run')}{' (SYNTHETIC PROVINCE)' if about.get('synthetic_province') else ''}",
        f"  file      {file} ({file.stat().st_size / 1e6:.1f} MB, layout {about.get('layout_version')})",
        f"  state     {about.get('output_status')}, {about.get('steps_written')} output steps",
    ]
    if len(time):
        lines.append(f"  period    {_minute(time[0])} to {_minute(time[-1])} UTC")
    lines += [f"  {k:<9} {_short(about[k])}" for k in SHOWN if k in about]
    inputs = _mapping(about.get("inputs"))
    if inputs:
        lines.append(f"  inputs    {len(inputs)} files by SHA-256")
    lines.append(f"  sizes     {', '.join(f'{n} {d}' for d, n in data.sizes.items() if d != 'two')}")
    lines += ["", "results (range over the last written step)"]
    results = [str(n) for n, v in data.data_vars.items() if v.dims[:1] == ("time",)]
    width = max((len(n) for n in results), default=0)
    for name in results:
        lines.append(
            f"  {name:<{width}}  {_range(data[name]):<28} [{data[name].attrs.get('units', '')}]  "
            f"{data[name].attrs.get('long_name', '')}{' (synthetic)' if name in synthetic else ''}"
        )
    if synthetic:
        lines += ["", "synthetic (not from a file; rule)"]
        lines += [f"  {name}: {rule or 'no rule given'}" for name, rule in sorted(synthetic.items())]
    return "\n".join(lines)


def _range(array: xr.DataArray) -> str:
    if not array.sizes["time"]:
        return "no step yet"
    last = array[-1].values
    if not np.isfinite(last).any():
        return "missing"
    low, high = np.nanmin(last), np.nanmax(last)
    return f"{low:.6g}" if low == high else f"{low:.6g} .. {high:.6g}"


def _mapping(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _minute(stamp: np.datetime64) -> str:
    return str(stamp)[:16].replace("T", " ")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else text[:97] + "..."

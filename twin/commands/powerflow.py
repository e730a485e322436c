"""``twin powerflow GRID``: the power flow of a network file on its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from kernels.power.status import OK, STATUS_NAMES
from twin.errors import ConfigError
from twin.power import Droop, Solver
from twin.power import powerflow as solve
from twin.threads import use_threads

__all__ = ["branch_table", "bus_table", "powerflow", "steps_of", "summary"]

OVERLOADED = 1.0  # of the rating


def powerflow(
    grid: str,
    *,
    profiles: Path | None = None,
    steps: str | None = None,
    solver: Solver = "auto",
    tolerance: float = 1e-8,
    threads: int | None = None,
    out: Path | None = None,
    buses: Path | None = None,
    branches: Path | None = None,
    transformer_model: str = "pi",
    several_sources: bool = False,
    reactive_limits: bool | None = None,
    volt_watt: str | None = None,
    volt_var: str | None = None,
) -> str:
    """Solve a network and write what is asked for; returns a summary, one JSON object on its last line.

    Parameters
    ----------
    grid
        PGM or pandapower JSON, MATPOWER ``.m``, SimBench folder, ``simbench:CODE`` or ``pandapower:CASE``.
    profiles
        Factors on loads by profile name or element: CSV, Parquet or NetCDF, a column each; or a SimBench folder or
        ``simbench:CODE``.
    steps
        A:B, steps A up to and without B of the profiles.
    solver
        auto, radial, meshed, split (radial parts apart from a meshed core), linear (screening only) or pgm
        (power-grid-model).
    tolerance
        Of the voltage, pu.
    threads
        Threads of the kernels; results do not depend on them.
    out
        All results in one HDF5 file (readable as NetCDF).
    buses
        CSV: step, bus, vm_pu, va_degree, status, name.
    branches
        CSV: step, branch, loading_percent, p_from_mw, q_from_mvar, status.
    transformer_model
        pi, or t (pandapower's default) for pandapower and SimBench networks.
    several_sources
        Allow several ideal sources in one component.
    reactive_limits
        Keep generators within their reactive limits; without it, as the format's own tool does.
    volt_watt
        Voltages (pu) between which inverters let through all to none of their active power, such as 1.08:1.10.
    volt_var
        Reactive power that inverters feed in, over rated power, by voltage: 0.92:0.44,0.96:0,1.04:0,1.08:-0.44.
    """
    if transformer_model not in {"pi", "t"}:
        raise ConfigError(f"--transformer-model {transformer_model}: write pi or t")
    for path in (out, buses, branches):
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"{path}: its folder does not exist; make it first")
    with use_threads(threads):
        data = solve(
            grid, profiles=profiles, steps=steps_of(steps), solver=solver, tolerance=tolerance,
            transformer_model="t" if transformer_model == "t" else "pi", several_sources=several_sources,
            reactive_limits=reactive_limits, droop=_droop_of(volt_watt, volt_var),
        )  # fmt: skip
    if buses is not None:
        bus_table(data).to_csv(buses, index=False, float_format="%.15g")
    if branches is not None:
        branch_table(data).to_csv(branches, index=False, float_format="%.15g")
    if out is not None:
        data.to_netcdf(out, engine="h5netcdf")
    facts = summary(data)
    lines = []
    if data.attrs["notes"]:
        lines.append(f"assumed: {data.attrs['notes']}")
    if facts["failed_by_status"]:
        listed = ", ".join(f"{n} {name}" for name, n in facts["failed_by_status"].items())
        lines.append(f"steps with buses not solved, left out of maxima and counts: {listed}")
    return "\n".join([*lines, json.dumps(facts)])


def _droop_of(volt_watt: str | None, volt_var: str | None) -> Droop | None:
    if volt_watt is None and volt_var is None:
        return None
    try:
        watt = None if volt_watt is None else tuple(float(u) for u in volt_watt.split(":"))
        var = [] if volt_var is None else [tuple(map(float, point.split(":"))) for point in volt_var.split(",")]
        if (watt is not None and len(watt) != 2) or any(len(point) != 2 for point in var):
            raise ValueError
    except ValueError:
        raise ConfigError(
            "--volt-watt is U:U and --volt-var U:Q,U:Q,..., such as 1.08:1.10 and 0.96:0.4,1.04:-0.4"
        ) from None
    return Droop(None if watt is None else (watt[0], watt[1]), tuple((u, q) for u, q in var) or None)


def steps_of(text: str | None) -> slice | None:
    """``A:B`` as a slice."""
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        return (
            slice(int(first) if first else None, int(last) if last else None)
            if colon
            else slice(int(text), int(text) + 1)
        )
    except ValueError:
        raise ConfigError(f"--steps {text}: write A:B with whole numbers, such as 0:96") from None


def summary(data: xr.Dataset) -> dict[str, Any]:
    """Counts, largest mismatch and speed of a solved network, as the last line of the command shows them."""
    status = data["status"].values
    steps, failed = status.shape[0], {}
    for code, name in enumerate(STATUS_NAMES):
        n = int((status == code).any(axis=1).sum()) if code != OK else 0
        if n:
            failed[name] = n
    # de-energised islands are a state of the network, not a failure to converge
    converged = int((~np.isin(status, range(2, len(STATUS_NAMES))).any(axis=1)).sum())
    peak = np.nanmax(np.where(np.isnan(data["loading"].values), 0, data["loading"].values), axis=0, initial=0)
    seconds = float(data.attrs["cpu_seconds"])
    return {
        "buses": int(data.sizes["bus"]),
        "steps": steps,
        "converged": converged,
        "failed_by_status": failed,
        "max_mismatch": float(np.nanmax(data["mismatch"].values, initial=0.0)),
        "cpu_seconds": seconds,
        "ns_per_node_step": seconds / (int(data.attrs["nodes"]) * steps) * 1e9,
        "overloaded_assets": int((peak > OVERLOADED).sum()),
        "nodes": int(data.attrs["nodes"]),
        "solver": data.attrs["solver"],
        "transformer_model": data.attrs["transformer_model"],
        "max_loading_percent": float(peak.max(initial=0.0) * 100),
        "losses_mwh_per_hour": float(np.nanmean(data["losses"].values)),
        **({"curtailed_mw": float(data["curtailed"].sum("inverter").max())} if "curtailed" in data else {}),
        "unserved_mw": float(np.nanmax(data["unserved"].values, initial=0.0)),
    }


def bus_table(data: xr.Dataset) -> pd.DataFrame:
    """Rows step, bus, vm_pu, va_degree, status, name."""
    steps, buses = data.sizes["step"], data.sizes["bus"]
    return pd.DataFrame(
        {
            "step": np.repeat(data["step"].values, buses),
            "bus": np.tile(data["bus"].values, steps),
            "vm_pu": data["vm_pu"].values.ravel(),
            "va_degree": data["va_degree"].values.ravel(),
            "status": data["status"].values.ravel(),
            "name": np.tile(data["bus_name"].values, steps),
        }
    )


def branch_table(data: xr.Dataset) -> pd.DataFrame:
    """Rows step, branch, loading_percent, p_from_mw, q_from_mvar, status."""
    steps, branches = data.sizes["step"], data.sizes["branch"]
    return pd.DataFrame(
        {
            "step": np.repeat(data["step"].values, branches),
            "branch": np.tile(data["branch"].values, steps),
            "loading_percent": data["loading"].values.ravel() * 100,
            "p_from_mw": data["p_from"].values.ravel(),
            "q_from_mvar": data["q_from"].values.ravel(),
            "status": data["branch_status"].values.ravel(),
        }
    )

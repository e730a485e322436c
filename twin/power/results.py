"""Results of a power flow by bus and branch of its source, as xarray."""

from typing import Any

import numpy as np
import xarray as xr

from kernels.power.status import ISLANDED, OK, STATUS_NAMES
from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.power.droop import inverters_of
from twin.power.solution import Solution

__all__ = ["dataset_of"]


def dataset_of(
    circuit: Circuit, solution: Solution, demand: Demand, tolerance: float, transformer_model: str
) -> xr.Dataset:
    """Dataset over step, bus and branch, as :func:`twin.powerflow` returns it."""
    net = circuit.network
    v, s_from, s_to, status = solution.v, solution.s_from, solution.s_to, solution.status
    lanes = v.shape[1]
    solved = status[np.maximum(circuit.node, 0)]
    solved = np.where(circuit.node[:, None] >= 0, solved, ISLANDED)
    at = circuit.node
    volts = np.where((solved == OK) & (at[:, None] >= 0), v[np.maximum(at, 0)], np.nan)
    b, k = net.branch, circuit.branch
    m = len(b)
    flow_f, flow_t, loading = (np.full((m, lanes), np.nan, t) for t in (complex, complex, float))
    with np.errstate(invalid="ignore", divide="ignore"):
        i_from, i_to = np.abs(s_from) / np.abs(v[circuit.start]), np.abs(s_to) / np.abs(v[circuit.end])
        flow_f[k], flow_t[k] = s_from, s_to
        power = b.by_power[k]
        i_from[power], i_to[power] = np.abs(s_from[power]), np.abs(s_to[power])
        loading[k] = np.maximum(i_from / b.rated_from[k, None], i_to / b.rated_to[k, None])
    branch_status = np.full((m, lanes), ISLANDED, np.int8)
    branch_status[k] = np.maximum(status[circuit.start], status[circuit.end])
    idle = ~np.isin(np.arange(m), k)
    flow_f[idle], flow_t[idle], loading[idle] = 0, 0, 0
    branch_status[idle] = OK
    own, at_own = circuit.bridged, circuit.node[b.start[circuit.bridged]]
    flow_f[own] = np.abs(v[at_own]) ** 2 * np.conj(b.shunt_from[own])[:, None]
    flow_t[own] = np.abs(v[at_own]) ** 2 * np.conj(b.shunt_to[own])[:, None]
    loading[own] = np.abs(v[at_own] * b.shunt_from[own, None]) / np.minimum(b.rated_from, b.rated_to)[own, None]
    branch_status[own] = status[at_own]
    inner = np.array([str(i).startswith(("xward ", "trafo3w ", "source ", "three_winding ")) for i in net.bus_id], bool)
    buses = ~inner
    unserved = np.where(status != OK, demand.total.real, 0.0).sum(0)
    losses = np.nansum((flow_f + flow_t).real, axis=0)
    data: dict[str, Any] = {
        "vm_pu": (("step", "bus"), np.abs(volts[buses]).T, {"units": "1", "long_name": "voltage magnitude"}),
        "va_degree": (("step", "bus"), np.rad2deg(np.angle(volts[buses])).T, {"units": "degree", "long_name": "angle"}),
        "status": (
            ("step", "bus"),
            solved[buses].T.astype(np.int8),
            {"flag_values": list(range(len(STATUS_NAMES))), "flag_meanings": " ".join(STATUS_NAMES)},
        ),
        "loading": (("step", "branch"), loading.T, {"units": "1", "long_name": "current over rated, larger end"}),
        "p_from": (("step", "branch"), flow_f.real.T, {"units": "MW"}),
        "q_from": (("step", "branch"), flow_f.imag.T, {"units": "Mvar"}),
        "p_to": (("step", "branch"), flow_t.real.T, {"units": "MW"}),
        "q_to": (("step", "branch"), flow_t.imag.T, {"units": "Mvar"}),
        "branch_status": (("step", "branch"), branch_status.T),
        "mismatch": (
            ("step",),
            solution.mismatch,
            {"units": "1", "long_name": "last change of voltage, or power mismatch in MVA"},
        ),
        "losses": (("step",), losses, {"units": "MW"}),
        "unserved": (("step",), unserved, {"units": "MW", "long_name": "load at buses that were not solved"}),
    }
    kinds = b.kind.astype(str)
    labels = (
        b.id.astype(str)
        if len(set(kinds)) < 2 and net.origin.endswith(".m")
        else np.array([f"{kind} {i}" if kind else str(i) for kind, i in zip(kinds, b.id)], str)
    )
    if solution.at_limit is not None:
        limit = np.where(at[:, None] >= 0, solution.at_limit[np.maximum(at, 0)], 0)[buses]
        data["reactive_limit"] = (
            ("step", "bus"), limit.T.astype(np.int8), 
            {"long_name": "+1 or -1 where a generator gives its most or least"},
        )  # fmt: skip
    if solution.tap is not None and solution.tap_limit is not None:
        data["tap_position"] = (("step", "tap_changer"), solution.tap.T)
        data["tap_limit"] = (
            ("step", "tap_changer"), solution.tap_limit.T, 
            {"long_name": "+1 or -1 at the end of its range, out of band"},
        )  # fmt: skip
    inverters = {}
    if solution.inverter is not None:
        of = inverters_of(circuit)
        inverters["inverter"] = [f"{net.load.kind[k]} {net.load.id[k]}" for k in of]
        held_back, given = solution.inverter
        text = {"units": "MW", "long_name": "active power held back for the voltage"}
        data["curtailed"] = ("step", "inverter"), held_back.T, text
        text = {"units": "Mvar", "long_name": "reactive power fed in for the voltage"}
        data["inverter_reactive"] = ("step", "inverter"), given.T, text
    coordinates: dict[str, Any] = inverters | (
        {"tap_changer": [str(b.id[c.branch]) for c in solution.tap_changers]} if solution.tap_changers else {}
    )
    return xr.Dataset(
        data,
        {
            "step": demand.steps,
            "bus": net.bus_id[buses].astype(str),
            "branch": labels,
            "bus_name": ("bus", net.bus_name[buses].astype(str)),
            **coordinates,
        },
        {
            "solver": solution.solver, "tolerance": tolerance, "transformer_model": transformer_model,
            "cpu_seconds": solution.seconds,
            "nodes": circuit.count, "notes": "; ".join(dict.fromkeys(net.notes)), "origin": net.origin,
        },
    )  # fmt: skip

"""power-grid-model as the solver of a circuit: the same nodes and two-ports, handed over as generic branches."""

import time
from typing import Any

import numpy as np

from kernels.power.status import ISLANDED, MAX_ITERATIONS, OK
from twin.errors import ConfigError, DataError
from twin.readers.power_network import BASE

__all__ = ["solve_with_pgm"]

VOLT = 10e3  # V: rated voltage given to every node; per-unit results do not depend on it
STIFF = 1e20  # VA: short-circuit power of sources, power-grid-model's word for an ideal source


def solve_with_pgm(
    circuit: Any,
    p: np.ndarray,
    q: np.ndarray,
    part: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None,
    tolerance: float,
    status: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Solve each lane; returns V (node, lane), S at both ends (two-port, lane), CPU seconds; fills ``status``."""
    try:
        import power_grid_model as pgm
        from power_grid_model.errors import PowerGridError
    except ImportError:
        raise ConfigError("solver pgm needs the package power-grid-model; pip install power-grid-model") from None
    if (circuit.generator & circuit.fed).any():
        raise DataError(f"{circuit.network.origin}: solver pgm cannot hold generator voltages; use meshed")
    if (circuit.z != circuit.z_back).any() or np.abs(circuit.shunt_from - circuit.shunt_to).max(initial=0) > 1e-12:
        raise DataError(
            f"{circuit.network.origin}: solver pgm takes symmetric pi branches only; use the pi model or meshed"
        )
    n, m, lanes = circuit.count, circuit.branch.size, p.shape[1]
    z_base = VOLT**2 / BASE
    init, kinds = pgm.initialize_array, pgm.ComponentType
    node = init("input", kinds.node, n)
    node["id"], node["u_rated"] = np.arange(n), VOLT
    branch = init("input", kinds.generic_branch, m)
    branch["id"], branch["from_node"], branch["to_node"] = n + np.arange(m), circuit.start, circuit.end
    branch["from_status"] = branch["to_status"] = 1
    y = (circuit.shunt_from + circuit.shunt_to) / z_base
    branch["r1"], branch["x1"], branch["g1"], branch["b1"] = (
        circuit.z.real * z_base, circuit.z.imag * z_base, y.real, y.imag,
    )  # fmt: skip
    branch["k"], branch["theta"], branch["sn"] = np.abs(circuit.ratio), np.angle(circuit.ratio), BASE
    shunt = init("input", kinds.shunt, n)
    shunt["id"], shunt["node"], shunt["status"] = n + m + np.arange(n), np.arange(n), 1
    shunt["g1"], shunt["b1"] = circuit.shunt.real / z_base, circuit.shunt.imag / z_base
    held = np.flatnonzero(circuit.held)
    source = init("input", kinds.source, held.size)
    source["id"], source["node"], source["status"] = 2 * n + m + np.arange(held.size), held, 1
    source["u_ref"], source["u_ref_angle"], source["sk"] = (
        np.abs(circuit.source[held]),
        np.angle(circuit.source[held]),
        STIFF,
    )
    loads = [(p, q, 0)] if part is None else [(p, q, 0), (part[0], part[1], 2), (part[2], part[3], 1)]
    first = 2 * n + m + held.size
    load = init("input", kinds.sym_load, n * len(loads))
    load["id"], load["node"], load["status"] = first + np.arange(load.size), np.tile(np.arange(n), len(loads)), 1
    load["type"] = np.repeat([kind for _, _, kind in loads], n)
    load["p_specified"] = np.concatenate([a[:, 0] for a, _, _ in loads]) * BASE
    load["q_specified"] = np.concatenate([a[:, 0] for _, a, _ in loads]) * BASE
    update = init("update", kinds.sym_load, (lanes, load.size))
    update["id"] = load["id"]
    update["p_specified"] = np.concatenate([a for a, _, _ in loads]).T * BASE
    update["q_specified"] = np.concatenate([a for _, a, _ in loads]).T * BASE
    model = pgm.PowerGridModel(
        {kinds.node: node, kinds.generic_branch: branch, kinds.shunt: shunt, kinds.source: source, kinds.sym_load: load}
    )
    began = time.process_time()
    failed = np.zeros(lanes, bool)
    try:
        result = model.calculate_power_flow(
            update_data={kinds.sym_load: update}, error_tolerance=tolerance, continue_on_batch_error=True, threading=-1
        )
        if model.batch_error is not None:
            failed[model.batch_error.failed_scenarios] = True
    except PowerGridError as error:
        raise DataError(f"{circuit.network.origin}: power-grid-model: {error}") from None
    seconds = time.process_time() - began
    bad = failed[None, :]
    voltage = result[kinds.node]["u_pu"] * np.exp(1j * result[kinds.node]["u_angle"])
    v = np.where(bad | ~circuit.fed[:, None], np.nan, voltage.T)
    flow = result[kinds.generic_branch]
    s_from = np.where(bad, np.nan, (flow["p_from"] + 1j * flow["q_from"]).T / BASE)
    s_to = np.where(bad, np.nan, (flow["p_to"] + 1j * flow["q_to"]).T / BASE)
    status[:] = np.where(circuit.fed[:, None], np.where(bad, MAX_ITERATIONS, OK), ISLANDED)
    return v, s_from, s_to, seconds

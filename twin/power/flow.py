"""Power flow of a network file on its own: which solver, step by step, results per bus and branch as xarray."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from kernels.power.status import ISLANDED
from kernels.power.tree import RADIAL
from twin.errors import ConfigError, ConvergenceError, DataError
from twin.power.circuit import Circuit, circuit_of
from twin.power.demand import Demand, demand_of, factors_of, reactive_limits_of
from twin.power.droop import Droop, answered, inverters_of
from twin.power.meshed import solve_meshed
from twin.power.pgm import solve_with_pgm
from twin.power.radial import forest_of, past_sweeps, solve_radial
from twin.power.results import dataset_of
from twin.power.solution import Solution
from twin.power.split import radial_parts, solve_split
from twin.power.taps import regulate
from twin.readers.networks import open_network
from twin.readers.power_network import PowerNetwork

__all__ = ["powerflow"]

Solver = Literal["auto", "radial", "meshed", "split", "linear", "pgm"]
SHARPER = 0.01  # of the tolerance: of voltages that inverters with steep characteristics answer to
SOLVERS = ("auto", "radial", "meshed", "split", "linear", "pgm")


def powerflow(
    network: str | Path | PowerNetwork,
    *,
    profiles: str | Path | Mapping[str, np.ndarray] | None = None,
    steps: slice | None = None,
    solver: Solver = "auto",
    tolerance: float = 1e-8,
    transformer_model: Literal["pi", "t"] = "pi",
    several_sources: bool = False,
    reactive_limits: bool | None = None,
    droop: Droop | None = None,
    on_failure: Literal["record", "fail"] = "record",
) -> xr.Dataset:
    """Voltages, loadings and flows of a network, for one point or for each step of the profiles.

    ``network`` is a file, a folder, ``simbench:CODE``, ``pandapower:CASE`` or a network read before. ``profiles`` are
    factors (step) by profile name on the loads that carry it; ``profiles`` is a CSV or NetCDF file, a mapping, or
    None for the base point. ``solver``: ``radial`` sweeps, ``meshed`` is Newton's method, ``auto`` chooses one of
    them, ``split`` sweeps radial parts and solves the meshed core,
    ``linear`` is one current iteration or Newton step and screening only, ``pgm`` calls power-grid-model.
    ``reactive_limits``: whether generators keep their reactive limits; None does as the format's own tool does
    (power-grid-model yes, pandapower and MATPOWER no). ``droop``: characteristics P(U) and Q(U) of the inverters,
    which are the static generators of the network. Steps that were not solved are NaN with their status;
    ``on_failure="fail"`` raises instead. Dimensions: ``step``, ``bus``, ``branch``.
    """
    if solver not in SOLVERS:
        raise ConfigError(f"solver {solver!r} is unknown; write one of {', '.join(SOLVERS)}")
    if not tolerance > 0:
        raise ConfigError(f"tolerance {tolerance!r} must be above zero")
    if steps is not None and steps.step not in {None, 1}:
        raise ConfigError("steps are A:B without a stride")
    net = network if isinstance(network, PowerNetwork) else open_network(str(network), transformer_model)
    circuit = circuit_of(net, several_sources)
    factor_p, factor_q, numbers = factors_of(net, profiles, steps)
    demand = demand_of(circuit, factor_p, factor_q, numbers)
    limits = reactive_limits_of(circuit) if _limited(net, reactive_limits) else None

    sharp = tolerance if droop is None else SHARPER * tolerance  # what inverters answer to

    def solve(c: Circuit, d: Demand) -> Solution:
        return _by_pgm(c, d, tolerance) if solver == "pgm" else _solve(c, d, solver, sharp, limits)

    def of_lanes(c: Circuit, lanes: np.ndarray) -> Solution:
        if droop is None:
            return solve(c, demand.of(lanes))
        inverters = inverters_of(c)
        available = -(net.load.p[inverters, None] * factor_p[inverters])
        return answered(c, demand.of(lanes), available[:, lanes], droop, lambda d: solve(c, d))

    every = np.arange(demand.lanes)
    solution = of_lanes(circuit, every) if solver == "pgm" else regulate(circuit, of_lanes, demand.lanes)
    if on_failure == "fail" and (solution.status > ISLANDED).any():
        raise ConvergenceError(
            f"{net.origin}: {int((solution.status > ISLANDED).any(0).sum())} of {demand.lanes} steps were not solved"
        )
    return dataset_of(circuit, solution, demand, tolerance, transformer_model)


def _limited(net: PowerNetwork, asked: bool | None) -> bool:
    """Reactive limits as asked, else as the format has it."""
    return net.reactive_limits if asked is None else asked


def _solve(circuit: Circuit, demand: Demand, solver: str, tolerance: float, limits: Any) -> Solution:
    """The solver asked for, or the one that fits."""
    net = circuit.network
    trees = None
    if solver not in {"meshed", "split"} and not (circuit.generator & circuit.fed).any():
        trees = forest_of(circuit)
        if trees.forest.code != RADIAL:
            trees = None
    if solver == "radial" and trees is None:
        raise DataError(f"{net.origin}: the network has loops, several sources or held voltages; use --solver meshed")
    if trees is not None:
        swept = solve_radial(circuit, trees, demand, tolerance, solver == "linear")
        if limits is not None:  # no generator can be at one
            swept.at_limit = np.zeros(swept.status.shape, np.int8)
        return swept if solver == "linear" else past_sweeps(circuit, swept, demand, tolerance)
    if solver == "split":
        return solve_split(circuit, radial_parts(circuit), demand, tolerance, limits)
    return solve_meshed(circuit, demand, tolerance, limits, solver == "linear")


def _by_pgm(circuit: Circuit, demand: Demand, tolerance: float) -> Solution:
    status = np.full((circuit.count, demand.lanes), ISLANDED, np.int8)
    v, s_from, s_to, seconds = solve_with_pgm(circuit, demand.p, demand.q, demand.part, tolerance, status)
    return Solution(v, s_from, s_to, status, np.zeros(demand.lanes), seconds, "pgm")

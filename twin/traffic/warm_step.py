"""One more equilibrium of what was assigned before: the kernels from the state at hand, delays at junctions around."""

import time
import warnings
from dataclasses import replace
from typing import TypeVar

import numpy as np
import xarray as xr

from kernels.jit import threads as thread_count
from kernels.traffic import equilibrium
from kernels.traffic.equilibrium import CONVERGED, INFEASIBLE, UNREACHABLE, PathEquilibrium
from kernels.traffic.frank_wolfe import solve_reference
from twin.errors import ConvergenceError, DataError
from twin.threads import use_threads
from twin.traffic.network import RoadNetwork
from twin.traffic.state import EquilibriumState

__all__ = ["solve"]

_State = TypeVar("_State", bound=EquilibriumState)

DELAY_ROUNDS = 50  # equilibria at frozen junction delays, at most
DELAY_TOLERANCE = 1e-4  # change of the junction delays, as a share of the total travel time


def solve(
    start: _State,
    demand_scale: float,
    gap: float,
    max_iterations: int,
    spent: tuple[float, float] = (0.0, 0.0),
) -> _State:
    """Equilibrium from the state of ``start``, and from those before it the delays at junctions.

    Delays depend on flows beyond the link's own (greens, gaps), so that they are held while the kernel finds an
    equilibrium and then brought up to date, half-way and ever less where that overshoots.
    """
    with use_threads(start.threads):
        return _solve(start, demand_scale, gap, max_iterations, spent)


def _solve(start: _State, demand_scale: float, gap: float, max_iterations: int, spent: tuple[float, float]) -> _State:
    start.owner[0] += 1
    start = replace(start, turn=start.owner[0])
    demand = start.demand * demand_scale
    intrazonal = start.intrazonal * demand_scale
    if start.junctions is None:
        result = _equilibrium(start, demand, np.zeros(start.extra.shape[1]), gap, max_iterations, spent)
        result.links.attrs["intrazonal_trips"] = intrazonal
        return result
    delay = start.links["delay"].values if "delay" in start.links else start.junctions.delays(start.preload.sum(axis=0))
    step, before, iterations = 1.0, np.inf, 0
    for number in range(1, DELAY_ROUNDS + 1):
        result = _equilibrium(start, demand, delay, gap, max_iterations, spent)
        a = result.links.attrs
        spent, iterations = (a["wall_seconds"], a["cpu_seconds"]), iterations + a["iterations"]
        flow = result.links["flow"].values
        change = start.junctions.delays(flow) - delay
        residual = float(np.sum(flow * np.abs(change))) / max(a["total_travel_time"], 1e-300)
        a |= {
            "intrazonal_trips": intrazonal,
            "iterations": iterations,
            "delay_rounds": number,
            "delay_residual": residual,
        }
        if residual <= DELAY_TOLERANCE:
            break
        step = step if residual < 0.9 * before else 0.5 * step
        before = residual
        delay = delay + step * change
        start = result
    else:
        warnings.warn(
            f"junction delays still change by {residual:.2g} of the travel time after {DELAY_ROUNDS} rounds",
            stacklevel=3,
        )
        result.links.attrs["converged"] = 0
    return result


def _equilibrium(
    start: _State,
    demand: np.ndarray,
    delay: np.ndarray,
    gap: float,
    max_iterations: int,
    spent: tuple[float, float],
) -> _State:
    """Solve at the given delays (link) [time] and bring the outcome into the caller's terms."""
    net, classes, problem = start.network, start.classes, start.problem
    extra = start.extra + delay
    graph = problem.graph
    if start.junctions is not None and len(graph.head):
        problem.store.extra[:] = np.add.reduceat(extra[:, graph.member], graph.member_start[:-1], axis=1)
    solver = solve_reference if start.reference else equilibrium.solve
    wall, cpu = time.perf_counter(), time.process_time()
    problem, e = solver(problem, demand, gap, max_iterations)
    spent = spent[0] + time.perf_counter() - wall, spent[1] + time.process_time() - cpu
    _check(net, start.pairs, demand, e)
    travel_time = equilibrium.link_times(problem, e.flow)
    cost = travel_time + extra
    pce = np.array([c.pce for c in classes])
    flow = e.flow + np.sum(pce[:, None] * start.preload, axis=0)
    total = float(np.sum(demand * pce[start.pairs[2]]))
    attributes = {
        "relative_gap": e.relative_gap,
        "average_excess_cost": e.relative_gap * e.total_cost / total if total > 0 else 0.0,
        "beckmann": e.objective,
        "total_travel_time": float(np.sum(flow * (travel_time + delay))),
        "total_cost": e.total_cost,
        "iterations": e.iterations,
        "cpu_seconds": spent[1],
        "wall_seconds": spent[0],
        "threads": thread_count(),
        "converged": int(e.status == CONVERGED),
        "units": net.units,
    }
    links = xr.Dataset(
        {
            "from_node": ("link", net.node_id[net.from_node]),
            "to_node": ("link", net.node_id[net.to_node]),
            "flow": ("link", flow),
            "time": ("link", travel_time),
            "delay": ("link", delay),
            "cost": ("link", cost[0]),
            "class_flow": (("vehicle_class", "link"), e.class_flow + start.preload),
            "class_cost": (("vehicle_class", "link"), cost),
        },
        {"link": net.link_id, "vehicle_class": [c.name for c in classes]},
        attributes,
    )
    return replace(start, links=links, history=e.history, problem=problem)


def _check(
    net: RoadNetwork, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], demand: np.ndarray, e: PathEquilibrium
) -> None:
    """Raise where there is no feasible flow."""
    if e.status == UNREACHABLE:
        origin, destination, _ = pairs
        shown = ", ".join(
            f"{net.zone_id[origin[i]]} to {net.zone_id[destination[i]]} ({demand[i]:g} trips)" for i in e.lost[:10]
        )
        more = f" and {len(e.lost) - 10} more" if len(e.lost) > 10 else ""
        raise DataError(
            f"{net.path}: {len(e.lost)} pairs of zones have trips but no path: {shown}{more}; connect the network or "
            f"remove these trips"
        )
    if e.status == INFEASIBLE:
        raise ConvergenceError(f"{net.path}: relative gap {e.relative_gap:.3g} is negative: costs are inconsistent")

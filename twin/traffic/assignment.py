"""User equilibrium of trips on a network: from files or tables to the kernels and back."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from kernels.jit import threads as thread_count
from kernels.traffic import equilibrium
from kernels.traffic.cost import AKCELIK, CONICAL, NO_TABLE, POWER, TABULATED, bpr
from kernels.traffic.equilibrium import CONVERGED, INFEASIBLE, UNREACHABLE, PathEquilibrium, Problem
from kernels.traffic.frank_wolfe import solve_reference
from kernels.traffic.newton import step
from kernels.traffic.paths import grown
from twin.errors import ConfigError, ConvergenceError, DataError
from twin.readers.tntp import TntpNetwork
from twin.readers.trip_table import TripTable
from twin.threads import use_threads
from twin.traffic.classes import VehicleClass, class_costs, preloads, read_classes
from twin.traffic.cost_table import cost_table
from twin.traffic.junctions import read_junctions
from twin.traffic.network import RoadNetwork, of_tntp, open_roads, open_trips
from twin.traffic.result import Assigned

__all__ = ["assign", "solve"]

DELAY_ROUNDS = 50  # equilibria at frozen junction delays, at most
DELAY_TOLERANCE = 1e-4  # change of the junction delays, as a share of the total travel time


def assign(
    network: str | Path | TntpNetwork | RoadNetwork,
    trips: str | Path | TripTable,
    *,
    gap: float = 1e-6,
    demand_scale: float = 1.0,
    toll_factor: float | None = None,
    distance_factor: float | None = None,
    threads: int | None = None,
    classes: str | Path | tuple[VehicleClass, ...] | None = None,
    reference: bool = False,
    max_iterations: int = 1000,
    simplify: bool = True,
    function: Literal["bpr", "conical", "akcelik"] | Callable[[np.ndarray], np.ndarray] = "bpr",
    junctions: str | Path | None = None,
    road_rules: str | Path | None = None,
    crs: int | None = None,
) -> Assigned:
    """User equilibrium of ``trips`` on ``network``: files of any format of :mod:`twin.traffic.network`, or tables.

    Generalised cost of a link: travel time + ``toll_factor`` x toll + ``distance_factor`` x length; the factors of
    the file where left out. ``reference`` uses bi-conjugate Frank-Wolfe instead of path sets; ``simplify=False`` keeps
    dead ends and chains of links. ``function``: ``conical`` takes the power column as its parameter alpha (above 1),
    ``akcelik`` takes b as ``T / 4`` and power as ``8 J / (C T)``; a callable is any other cost function: it gets flows
    (knot, link) [pcu], evenly from zero to four capacities, and returns travel times that do not fall with flow; cubics
    that rise between the knots join them, straight lines go on beyond. ``junctions`` (TOML): signals, priority
    junctions and bridges, see :mod:`twin.traffic.junctions`. ``cpu_seconds`` leaves compilation out.

    Raises :class:`twin.errors.DataError` for demand without a path (listed), mismatched zones and bad links.
    """
    for name, value in (("gap", gap), ("demand_scale", demand_scale), ("max_iterations", max_iterations)):
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value}; it must be a number above zero")
    for name, factor in (("toll_factor", toll_factor), ("distance_factor", distance_factor)):
        if factor is not None and not (np.isfinite(factor) and factor >= 0):
            raise ConfigError(f"{name} is {factor}; it must be a number not below zero")
    if isinstance(network, RoadNetwork):
        net = network
    elif isinstance(network, TntpNetwork):
        net = of_tntp(network)
    else:
        net = open_roads(network, road_rules=road_rules, crs=crs)
    net.check().require(str(net.path), [str(k) for k in net.link_id], [str(k) for k in net.node_id])
    if isinstance(classes, str | Path):
        classes = read_classes(classes)
    classes = classes or (VehicleClass(name="all"),)
    rules = read_junctions(junctions, net) if junctions is not None else None
    extra = class_costs(net, classes, toll_factor, distance_factor)
    preload = preloads(net, classes)
    own = [c.trips for c in classes if c.preload is None]
    common = None
    if any(file is None for file in own):
        common = trips if isinstance(trips, TripTable) else open_trips(trips, net)
    at = [m for m, c in enumerate(classes) if c.preload is None]
    tables = [common if file is None else open_trips(file, net) for file in own]
    pairs, demand, intrazonal = _demand(net, classes, at, [t for t in tables if t is not None])
    with use_threads(threads):
        _compile()
        wall, cpu = time.perf_counter(), time.process_time()
        problem = _problem(net, classes, pairs, extra, preload, simplify and not reference, function)
        spent = time.perf_counter() - wall, time.process_time() - cpu
    made = Assigned(
        net,
        classes,
        xr.Dataset(),
        np.zeros(0),
        problem,
        pairs,
        demand,
        intrazonal,
        reference,
        extra,
        preload,
        rules,
        threads,
    )
    return solve(made, demand_scale, gap, max_iterations, spent)


def _demand(
    net: RoadNetwork, classes: tuple[VehicleClass, ...], at: list[int], tables: list[TripTable]
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, float]:
    """Pairs of all classes with trips (origin, destination, class), their trips, and the intrazonal trips."""
    for table in tables:
        if table.zones != net.zones:
            raise DataError(
                f"{table.path}: {table.zones} zones, but the network {net.path} has {net.zones}; these do not belong "
                f"together"
            )
        if table.stated_total is not None:
            total = table.trips.sum() + table.intrazonal
            if abs(total - table.stated_total) > 1e-3 * max(table.stated_total, total):
                warnings.warn(
                    f"{table.path}: trips add up to {total:g}, <TOTAL OD FLOW> says {table.stated_total:g}; the trips "
                    f"are used",
                    stacklevel=3,
                )
    pairs = (
        np.concatenate([t.origin for t in tables]),
        np.concatenate([t.destination for t in tables]),
        np.concatenate([np.full(len(t.trips), m, np.int32) for m, t in zip(at, tables)]),
    )
    share = [classes[m].share for m in at]
    demand = np.concatenate([part * t.trips for part, t in zip(share, tables)])
    return pairs, demand, float(sum(part * t.intrazonal for part, t in zip(share, tables)))


def _problem(
    net: RoadNetwork,
    classes: tuple[VehicleClass, ...],
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    extra: np.ndarray,
    preload: np.ndarray,
    simplify: bool,
    function: str | Callable[[np.ndarray], np.ndarray],
) -> Problem:
    constant, k, p = bpr(net.free_flow_time, net.capacity, net.b, net.power)
    kind, scale = np.full(len(k), POWER, np.int8), np.ones(len(k))
    delayed = (net.b > 0) & (net.power > 0) & (net.free_flow_time > 0)
    if np.any(delayed & ~(np.isfinite(k) & (k > 0))):
        link = int(np.argmax(delayed & ~(np.isfinite(k) & (k > 0))))
        raise DataError(
            f"{net.path}: link {net.link_id[link]}: b / capacity^power is out of the range of numbers; rescale the file"
        )
    pce = np.array([c.pce for c in classes])
    fixed, table = np.sum(pce[:, None] * preload, axis=0), NO_TABLE
    if callable(function):
        constant, k, p, scale, table = cost_table(net, function, fixed)
        kind[:] = TABULATED
    elif function in ("conical", "akcelik"):
        constant = np.array(net.free_flow_time)
        kind[:] = CONICAL if function == "conical" else AKCELIK
        scale = np.where(delayed, 1.0 / np.where(net.capacity > 0, net.capacity, 1.0), 1.0)
        k = np.where(delayed, net.free_flow_time if function == "conical" else net.b, 0.0)
        p = np.where(delayed, net.power, 2.0)
        if function == "conical" and np.any(p <= 1):
            raise DataError(f"{net.path}: the conical function needs its alpha (column power) above 1 on every link")
    elif function != "bpr":
        raise ConfigError(f"function = {function!r}; bpr, conical, akcelik or a function of flow is wanted")
    origin, destination, m = pairs
    return equilibrium.build(
        net.from_node, net.to_node, len(net.node_id), net.through, constant, k, p,
        net.zone_node[origin], net.zone_node[destination],
        kind=kind, scale=scale, shift=fixed, table=table, pair_class=m, extra=extra, pce=pce, simplify=simplify,
    )  # fmt: skip


def solve(
    start: Assigned,
    demand_scale: float,
    gap: float,
    max_iterations: int,
    spent: tuple[float, float] = (0.0, 0.0),
) -> Assigned:
    """Equilibrium from the state of ``start``, and from those before it the delays at junctions.

    Delays depend on flows beyond the link's own (greens, gaps), so that they are held while the kernel finds an
    equilibrium and then brought up to date, half-way and ever less where that overshoots.
    """
    with use_threads(start.threads):
        return _solve(start, demand_scale, gap, max_iterations, spent)


def _solve(
    start: Assigned, demand_scale: float, gap: float, max_iterations: int, spent: tuple[float, float]
) -> Assigned:
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
    start: Assigned,
    demand: np.ndarray,
    delay: np.ndarray,
    gap: float,
    max_iterations: int,
    spent: tuple[float, float],
) -> Assigned:
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


_compiled: set[int] = set()


def _compile() -> None:
    """Run the kernels once on four nodes, so that measured seconds leave compilation out."""
    if thread_count() in _compiled:
        return
    tail, head = np.array([0, 0, 2, 2, 3]), np.array([2, 3, 1, 3, 1])
    constant, k, p = bpr(np.ones(5), np.ones(5), np.ones(5), np.full(5, 4.0))
    origin, destination = np.array([0], np.int32), np.array([1], np.int32)
    for solver in (equilibrium.solve, solve_reference):
        made = equilibrium.build(tail, head, 4, np.ones(4, bool), constant, k, p, origin, destination)
        made, _ = solver(made, np.ones(1), 1e-3, 3)
    step(grown(made.store))
    _compiled.add(thread_count())

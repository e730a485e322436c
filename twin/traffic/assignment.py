"""User equilibrium of trips on a network: from files or tables to the kernels and back."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from kernels.jit import threads as thread_count
from kernels.traffic import equilibrium
from kernels.traffic.cost import AKCELIK, CONICAL, NO_TABLE, POWER, TABULATED, bpr
from kernels.traffic.equilibrium import Problem
from kernels.traffic.frank_wolfe import solve_reference
from kernels.traffic.newton import step
from kernels.traffic.paths import grown
from twin.errors import ConfigError, DataError
from twin.readers.tntp import TntpNetwork
from twin.readers.trip_table import TripTable
from twin.threads import use_threads
from twin.traffic.classes import VehicleClass, class_costs, preloads, read_classes
from twin.traffic.cost_table import cost_table
from twin.traffic.junctions import read_junctions
from twin.traffic.network import RoadNetwork, of_tntp, open_roads, open_trips
from twin.traffic.result import Assigned
from twin.traffic.warm_step import solve

__all__ = ["assign"]


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
    _check_options(gap, demand_scale, max_iterations, toll_factor, distance_factor)
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
    pairs, demand, intrazonal = _demand(net, classes, trips)
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


def _check_options(
    gap: float, demand_scale: float, max_iterations: int, toll_factor: float | None, distance_factor: float | None
) -> None:
    for name, value in (("gap", gap), ("demand_scale", demand_scale), ("max_iterations", max_iterations)):
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value}; it must be a number above zero")
    for name, factor in (("toll_factor", toll_factor), ("distance_factor", distance_factor)):
        if factor is not None and not (np.isfinite(factor) and factor >= 0):
            raise ConfigError(f"{name} is {factor}; it must be a number not below zero")


def _demand(
    net: RoadNetwork, classes: tuple[VehicleClass, ...], trips: str | Path | TripTable
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, float]:
    """Pairs of all classes with trips (origin, destination, class), their trips, and the intrazonal trips.

    A class without trips of its own takes its share of ``trips``; one on fixed routes has none.
    """
    at = [m for m, c in enumerate(classes) if c.preload is None]
    own = [classes[m].trips for m in at]
    common = None
    if any(file is None for file in own):
        common = trips if isinstance(trips, TripTable) else open_trips(trips, net)
    found = (common if file is None else open_trips(file, net) for file in own)
    tables = [table for table in found if table is not None]
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

"""Traffic assignment on its own: a network, its trips and classes to equilibrium flows, costs, paths and skims.

    result = twin.assign("SiouxFalls_net.tntp", "SiouxFalls_trips.tntp", gap=1e-10)
    result.links        # xarray: flow and cost by link
    result.skims()      # xarray: cost, time, distance, toll between zones

Units are those of the network file; nothing is converted.
"""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernels.jit import set_threads
from kernels.jit import threads as thread_count
from kernels.traffic import equilibrium
from kernels.traffic.cost import AKCELIK, CONICAL, POWER, bpr
from kernels.traffic.equilibrium import CONVERGED, INFEASIBLE, UNREACHABLE, PathEquilibrium, Problem
from kernels.traffic.frank_wolfe import solve_reference
from kernels.traffic.paths import grown
from kernels.traffic.skims import skim
from twin.config import read_toml
from twin.errors import ConfigError, ConvergenceError, DataError
from twin.readers.tntp import TntpNetwork, TntpTrips, read_network, read_trips

__all__ = ["Assigned", "VehicleClass", "assign", "read_classes"]


class VehicleClass(BaseModel):
    """A vehicle class of an assignment; terms in the units of the network.

    The class pays ``toll_factor`` [time per unit of toll] and ``distance_factor`` [time per length]; the network's
    own factors where left out, or the inverse of ``value_of_time`` [toll unit per time] for tolls. A
    ``maximum_speed`` [length per time] adds ``max(0, length / maximum_speed - free-flow time)`` on each link.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    share: float = Field(default=1.0, ge=0)  # of the trips of its file
    trips: Path | None = None  # a TNTP file of its own instead of the common one
    pce: float = Field(default=1.0, gt=0)
    value_of_time: float | None = Field(default=None, gt=0)
    toll_factor: float | None = Field(default=None, ge=0)
    distance_factor: float | None = Field(default=None, ge=0)
    maximum_speed: float | None = Field(default=None, gt=0)
    closed_links: tuple[int, ...] = ()  # numbers in the file, from 1
    closed_link_types: tuple[int, ...] = ()


def read_classes(path: str | Path) -> tuple[VehicleClass, ...]:
    """Vehicle classes of a TOML file with one ``[[class]]`` table each; trips files are relative to it."""
    path = Path(path)
    data = read_toml(path)
    tables = data.pop("class", None)
    if data or not isinstance(tables, list) or not tables:
        raise ConfigError(f"{path}: write one [[class]] table per vehicle class" + (f", not {[*data]}" if data else ""))
    classes = []
    for number, table in enumerate(tables, 1):
        try:
            made = VehicleClass.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(
                f"{path}: class {number}: {where}: {first['msg']}; known: {', '.join(VehicleClass.model_fields)}"
            ) from None
        if made.trips is not None:
            made = made.model_copy(update={"trips": path.parent / made.trips})
        classes.append(made)
    if len({c.name for c in classes}) < len(classes):
        raise ConfigError(f"{path}: two classes have the same name; names are the columns of the result")
    return tuple(classes)


@dataclass
class Assigned:
    """Equilibrium of one network: results as xarray, and the state from which :meth:`again` goes on warm.

    ``links`` (link, vehicle_class): ``flow`` [pcu], ``class_flow`` [veh], ``time``, ``cost`` (of the first class),
    ``class_cost``; scalars as attributes: ``relative_gap``, ``average_excess_cost``, ``beckmann``,
    ``total_travel_time``, ``total_cost``, ``iterations``, ``cpu_seconds``, ``wall_seconds``, ``threads``,
    ``converged``, ``intrazonal_trips``.
    """

    network: TntpNetwork
    classes: tuple[VehicleClass, ...]
    links: xr.Dataset
    history: np.ndarray
    problem: Problem
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray]
    demand: np.ndarray
    reference: bool
    extra: np.ndarray

    @property
    def summary(self) -> dict[str, float | int | bool]:
        """Figures of the last line of ``twin assign``."""
        names = ("relative_gap", "beckmann", "total_travel_time", "iterations", "cpu_seconds", "wall_seconds")
        a = self.links.attrs
        figures = {n: a[n] for n in (*names, "threads")}
        return {**figures, "converged": bool(a["converged"]), "total_cost": a["total_cost"]}

    def again(self, demand_scale: float = 1.0, gap: float = 1e-6, max_iterations: int = 1000) -> "Assigned":
        """Equilibrium of the same trips times ``demand_scale``, starting from the paths at hand."""
        return _finish(
            self.network, self.classes, self.problem, self.pairs, self.demand, self.extra, demand_scale, gap,
            max_iterations, self.reference, self.links.attrs["intrazonal_trips"],
        )  # fmt: skip

    def skims(self) -> xr.Dataset:
        """Cost, time, distance and toll of the cheapest path between all zones, per class; inf without a path.

        Dimensions (vehicle_class, origin, destination), labelled by zone number; the diagonal is 0.
        """
        net = self.network
        attributes = np.stack([self.links["time"].values, net.length, net.toll])
        tables = np.stack(
            [
                skim(net.from_node, net.to_node, net.through, np.arange(net.zones), cost, attributes)
                for cost in self.links["class_cost"].values
            ]
        )
        zone = net.node_id[: net.zones]
        dims = ("vehicle_class", "origin", "destination")
        return xr.Dataset(
            {n: (dims, tables[:, i]) for i, n in enumerate(("cost", "time", "distance", "toll"))},
            {"vehicle_class": [c.name for c in self.classes], "origin": zone, "destination": zone},
        )

    def paths(self) -> xr.Dataset:
        """Used paths: origin, destination, class, flow, and their links (from 1) one after the other.

        Path k holds ``path_link[start[k]:start[k + 1]]``. Not for the reference, which keeps no paths.
        """
        if self.reference:
            raise ConfigError("the reference assignment keeps no paths; assign without reference=True")
        pair, flow, start, links = equilibrium.path_table(self.problem)
        origin, destination, m = self.pairs
        zone = self.network.node_id
        return xr.Dataset(
            {
                "origin": ("path", zone[origin[pair]]),
                "destination": ("path", zone[destination[pair]]),
                "vehicle_class": ("path", m[pair]),
                "flow": ("path", flow),
                "start": ("path_start", start),
                "path_link": ("path_link", links + 1),
            }
        )

    def select_link(self, *links: int) -> tuple[np.ndarray, np.ndarray]:
        """Traffic over all of ``links`` (from 1): its flow by link [pcu], and trips (class, origin, destination)."""
        table = self.paths()
        start, member, flow = table["start"].values, table["path_link"].values, table["flow"].values
        path = np.repeat(np.arange(len(flow)), np.diff(start))
        chosen = np.ones(len(flow), bool)
        for link in links:
            chosen &= np.bincount(path[member == link], minlength=len(flow)) > 0
        m, zones = table["vehicle_class"].values, self.network.zones
        pce = np.array([c.pce for c in self.classes])
        weight = np.where(chosen, flow * pce[m], 0.0)
        by_link = np.bincount(member - 1, weight[path], len(self.network.from_node))
        matrix = np.zeros((len(self.classes), zones, zones))
        at = np.flatnonzero(chosen)
        np.add.at(
            matrix,
            (m[at], table["origin"].values[at] - 1, table["destination"].values[at] - 1),
            flow[at],
        )
        return by_link, matrix

    def turns(self) -> xr.Dataset:
        """Flow [pcu] from link to link (from 1) over each node that paths pass."""
        table = self.paths()
        start, member = table["start"].values, table["path_link"].values
        pce = np.array([c.pce for c in self.classes])
        flow = np.repeat(table["flow"].values * pce[table["vehicle_class"].values], np.diff(start))
        inner = np.ones(len(member), bool)
        inner[start[1:] - 1] = False
        at = np.flatnonzero(inner)
        key, inverse = np.unique(np.stack([member[at], member[at + 1]]), axis=1, return_inverse=True)
        return xr.Dataset(
            {
                "from_link": ("turn", key[0]),
                "to_link": ("turn", key[1]),
                "node": ("turn", self.network.node_id[self.network.to_node[key[0] - 1]]),
                "flow": ("turn", np.bincount(inverse.ravel(), flow[at], key.shape[1])),
            }
        )


def assign(
    network: str | Path | TntpNetwork,
    trips: str | Path | TntpTrips,
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
    function: Literal["bpr", "conical", "akcelik"] = "bpr",
) -> Assigned:
    """User equilibrium of ``trips`` on ``network`` (TNTP files, or what their readers gave).

    Generalised cost of a link: travel time + ``toll_factor`` x toll + ``distance_factor`` x length; the factors of
    the file where left out. ``reference`` uses bi-conjugate Frank-Wolfe instead of path sets; ``simplify=False`` keeps
    dead ends and chains of links. ``function``: ``conical`` takes the power column as its parameter alpha (above 1),
    ``akcelik`` takes b as ``T / 4`` and power as ``8 J / (C T)``. ``cpu_seconds`` leaves compilation out.

    Raises :class:`twin.errors.DataError` for demand without a path (listed), mismatched zones and bad links.
    """
    net = network if isinstance(network, TntpNetwork) else read_network(network)
    common = trips if isinstance(trips, TntpTrips) else read_trips(trips)
    if isinstance(classes, str | Path):
        classes = read_classes(classes)
    classes = classes or (VehicleClass(name="all"),)
    for name, value in (("gap", gap), ("demand_scale", demand_scale), ("max_iterations", max_iterations)):
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value}; it must be a number above zero")
    if threads is not None:
        try:
            set_threads(threads)
        except ValueError as error:
            raise ConfigError(f"threads = {threads}: {error}; set NUMBA_NUM_THREADS before the start") from None
    extra = _extras(net, classes, toll_factor, distance_factor)
    tables = [common if c.trips is None else read_trips(c.trips) for c in classes]
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
                    stacklevel=2,
                )
    pairs = (
        np.concatenate([t.origin for t in tables]),
        np.concatenate([t.destination for t in tables]),
        np.concatenate([np.full(len(t.trips), m, np.int32) for m, t in enumerate(tables)]),
    )
    demand = np.concatenate([c.share * t.trips for c, t in zip(classes, tables)])
    intrazonal = demand_scale * sum(c.share * t.intrazonal for c, t in zip(classes, tables))
    _compile()
    wall, cpu = time.perf_counter(), time.process_time()
    problem = _problem(net, classes, pairs, extra, simplify and not reference, function)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return _finish(
        net, classes, problem, pairs, demand, extra, demand_scale, gap, max_iterations, reference, intrazonal, spent
    )


def _extras(
    net: TntpNetwork, classes: tuple[VehicleClass, ...], toll_factor: float | None, distance_factor: float | None
) -> np.ndarray:
    """Constant cost (class, link) of tolls, distance and speed limits; infinite where closed."""
    toll_default = net.toll_factor if toll_factor is None else toll_factor
    distance_default = net.distance_factor if distance_factor is None else distance_factor
    extra = np.zeros((len(classes), len(net.from_node)))
    for m, c in enumerate(classes):
        by_value = toll_default if c.value_of_time is None else 1.0 / c.value_of_time
        tolls = by_value if c.toll_factor is None else c.toll_factor
        distances = distance_default if c.distance_factor is None else c.distance_factor
        extra[m] = tolls * net.toll + distances * net.length
        if c.maximum_speed is not None:
            extra[m] += np.maximum(net.length / c.maximum_speed - net.free_flow_time, 0.0)
        for number in c.closed_links:
            if not 1 <= number <= len(net.from_node):
                raise ConfigError(f"class {c.name}: closed link {number}; links are numbered 1 to {len(net.from_node)}")
            extra[m, number - 1] = np.inf
        extra[m, np.isin(net.link_type, c.closed_link_types)] = np.inf
        least = extra[m] + net.free_flow_time
        if np.any(~(least >= 0)):
            k = int(np.argmax(~(least >= 0)))
            raise DataError(
                f"{net.path}: link {k + 1} costs {least[k]:g} at zero flow for class {c.name}; a negative toll must "
                f"not exceed the travel time"
            )
    return extra


def _problem(
    net: TntpNetwork,
    classes: tuple[VehicleClass, ...],
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    extra: np.ndarray,
    simplify: bool,
    function: str,
) -> Problem:
    constant, k, p = bpr(net.free_flow_time, net.capacity, net.b, net.power)
    kind, scale = np.full(len(k), POWER, np.int8), np.ones(len(k))
    delayed = (net.b > 0) & (net.power > 0) & (net.free_flow_time > 0)
    if np.any(delayed & ~(np.isfinite(k) & (k > 0))):
        link = int(np.argmax(delayed & ~(np.isfinite(k) & (k > 0))))
        raise DataError(
            f"{net.path}: link {link + 1}: b / capacity^power is out of the range of numbers; rescale the file"
        )
    if function != "bpr":
        constant = np.array(net.free_flow_time)
        kind[:] = CONICAL if function == "conical" else AKCELIK
        scale = np.where(delayed, 1.0 / np.where(net.capacity > 0, net.capacity, 1.0), 1.0)
        k = np.where(delayed, net.free_flow_time if function == "conical" else net.b, 0.0)
        p = np.where(delayed, net.power, 2.0)
        if function == "conical" and np.any(p <= 1):
            raise DataError(f"{net.path}: the conical function needs its alpha (column power) above 1 on every link")
    origin, destination, m = pairs
    return equilibrium.build(
        net.from_node, net.to_node, len(net.node_id), net.through, constant, k, p, origin, destination,
        kind=kind, scale=scale, pair_class=m, extra=extra, pce=np.array([c.pce for c in classes]), simplify=simplify,
    )  # fmt: skip


def _finish(
    net: TntpNetwork,
    classes: tuple[VehicleClass, ...],
    problem: Problem,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    demand: np.ndarray,
    extra: np.ndarray,
    demand_scale: float,
    gap: float,
    max_iterations: int,
    reference: bool,
    intrazonal: float,
    spent: tuple[float, float] = (0.0, 0.0),
) -> Assigned:
    """Solve and bring the outcome into the caller's terms."""
    solver = solve_reference if reference else equilibrium.solve
    wall, cpu = time.perf_counter(), time.process_time()
    problem, e = solver(problem, demand * demand_scale, gap, max_iterations)
    spent = spent[0] + time.perf_counter() - wall, spent[1] + time.process_time() - cpu
    _check(net, pairs, demand * demand_scale, e)
    travel_time = equilibrium.link_times(problem, e.flow)
    cost = travel_time + extra
    total = float(np.sum(demand * demand_scale * np.array([c.pce for c in classes])[pairs[2]]))
    attributes = {
        "relative_gap": e.relative_gap,
        "average_excess_cost": e.relative_gap * e.total_cost / total if total > 0 else 0.0,
        "beckmann": e.objective,
        "total_travel_time": float(e.flow @ travel_time),
        "total_cost": e.total_cost,
        "iterations": e.iterations,
        "cpu_seconds": spent[1],
        "wall_seconds": spent[0],
        "threads": thread_count(),
        "converged": int(e.status == CONVERGED),
        "intrazonal_trips": intrazonal,
    }
    links = xr.Dataset(
        {
            "from_node": ("link", net.node_id[net.from_node]),
            "to_node": ("link", net.node_id[net.to_node]),
            "flow": ("link", e.flow),
            "time": ("link", travel_time),
            "cost": ("link", cost[0]),
            "class_flow": (("vehicle_class", "link"), e.class_flow),
            "class_cost": (("vehicle_class", "link"), cost),
        },
        {"link": np.arange(1, len(e.flow) + 1), "vehicle_class": [c.name for c in classes]},
        attributes,
    )
    return Assigned(net, classes, links, e.history, problem, pairs, demand, reference, extra)


def _check(
    net: TntpNetwork, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], demand: np.ndarray, e: PathEquilibrium
) -> None:
    """Raise where there is no feasible flow."""
    if e.status == UNREACHABLE:
        origin, destination, _ = pairs
        shown = ", ".join(
            f"{net.node_id[origin[i]]} to {net.node_id[destination[i]]} ({demand[i]:g} trips)" for i in e.lost[:10]
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
    grown(made.store)
    _compiled.add(thread_count())

"""Power flow of a network file on its own: topology, solver, results per bus and branch as xarray."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from kernels.power.forest import Forest, ForestSolution, plant
from kernels.power.mesh import Mesh, MeshSolution, admittance, operating_points, spacing, weave
from kernels.power.newton import HELD, PQ, PV
from kernels.power.status import ISLANDED, MAX_ITERATIONS, OK, STATUS_NAMES
from kernels.power.topology import join, peel
from kernels.power.tree import LOOP, RADIAL
from twin.errors import ConfigError, ConvergenceError, DataError
from twin.power.pgm import solve_with_pgm
from twin.power.taps import regulate
from twin.readers.networks import open_network
from twin.readers.power_network import PowerNetwork, Rows, TapChanger

__all__ = ["Circuit", "circuit_of", "powerflow"]

Solver = Literal["auto", "radial", "meshed", "split", "linear", "pgm"]
SOLVERS = ("auto", "radial", "meshed", "split", "linear", "pgm")
SHARED = 8  # lanes: from here on they share factors
ROUGH = (1e-3, 1e-6)  # pu: tolerance of the first sweeps, whose voltages are passed on but not kept
EXCHANGES = 40  # between a meshed core and its radial parts
MATCH = 1e-2  # of the tolerance: movement of a root's voltage at which they match


@dataclass
class Circuit:
    """Electrical nodes and active two-ports of a network in one switch state, per unit on 1 MVA."""

    network: PowerNetwork
    node: np.ndarray  # (bus) node, -1 out of service
    count: int  # nodes, with the ends of open branches
    branch: np.ndarray  # (two-port) index into network.branch
    start: np.ndarray  # (two-port) node
    end: np.ndarray
    z: np.ndarray  # (two-port) pu, and as PowerNetwork.branch
    z_back: np.ndarray
    ratio: np.ndarray
    shunt_from: np.ndarray
    shunt_to: np.ndarray
    rated_from: np.ndarray
    rated_to: np.ndarray
    shunt: np.ndarray  # (node) complex pu
    held: np.ndarray  # (node) 1 where a source holds the voltage
    source: np.ndarray  # (node) complex pu, NaN elsewhere
    generator: np.ndarray  # (node) 1 where a generator holds the magnitude
    set_point: np.ndarray  # (node) pu, NaN elsewhere
    fed: np.ndarray  # (node) 1 where a source reaches
    component: np.ndarray  # (node) lowest node of its component
    bridged: np.ndarray  # index into network.branch of lines whose ends are one node: they carry only their charging

    def node_sum(self, buses: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sum of values of elements at ``buses`` by node; elements at buses out of service are left out."""
        at = self.node[buses]
        keep = at >= 0
        total = np.zeros((self.count, *values.shape[1:]), values.dtype)
        np.add.at(total, at[keep], values[keep])
        return total


def circuit_of(network: PowerNetwork, several_sources: bool = False) -> Circuit:
    """Merge closed links into nodes, keep open branch ends as nodes of their own, find what a source reaches."""
    n = network.bus_id.size
    active = network.bus_active
    b = network.branch
    a, c = network.link.a, network.link.b
    both = active[a] & active[c]
    group = join(n, a[both], c[both])
    roots = np.unique(group[active])
    number = np.full(n, -1)
    number[roots] = np.arange(roots.size)
    node = np.where(active, number[group], -1)
    rated = np.zeros(roots.size)
    rated[node[active]] = network.v_rated[active]
    off = active & (np.abs(network.v_rated - rated[node]) > 1e-6 * network.v_rated)
    if off.any():
        raise DataError(
            f"{network.origin}: a closed switch joins buses of different rated voltage at bus "
            f"{network.bus_id[np.argmax(off)]}; open it, or correct vn_kv"
        )
    from_on, to_on = b.from_closed & active[b.start], b.to_closed & active[b.end]
    used = np.flatnonzero(b.active & (from_on | to_on))
    start, end = node[b.start[used]], node[b.end[used]]
    count = roots.size
    for ends, closed in ((start, from_on[used]), (end, to_on[used])):
        dangling = np.flatnonzero(~closed)
        ends[dangling] = count + np.arange(dangling.size)
        count += dangling.size
    shunt = np.zeros(count, complex)
    at = node[network.shunt.bus]
    np.add.at(shunt, at[at >= 0], network.shunt.y[at >= 0])
    # a branch from a node to itself carries only its shunts
    own = start == end
    bridged = used[own]
    if own.any():
        plain = np.abs(b.ratio[used[own]] - 1) < 1e-12
        if not plain.all():
            raise DataError(
                f"{network.origin}: transformer {b.id[used[own]][np.argmin(plain)]} is bridged by closed switches; "
                f"open one"
            )
        np.add.at(shunt, start[own], (b.shunt_from + b.shunt_to)[used[own]])
        used, start, end = used[~own], start[~own], end[~own]
    held, source = np.zeros(count, bool), np.full(count, np.nan + 0j)
    s = network.source
    for k in range(len(s)):
        v, i = s.vm[k] * np.exp(1j * np.deg2rad(s.va[k])), node[s.bus[k]]
        if i < 0:
            continue
        if held[i] and abs(source[i] - v) > 1e-12:
            raise DataError(f"{network.origin}: source {s.id[k]}: another source holds the same bus at another voltage")
        held[i], source[i] = True, v
    if not held.any():
        raise DataError(f"{network.origin}: no source (ext_grid, slack) in service; add one to hold the voltage")
    component = join(count, start, end)
    _one_source(network, component, held, source, several_sources)
    reached = np.zeros(count, bool)
    reached[component[held]] = True
    fed = reached[component]
    generator, set_point = np.zeros(count, bool), np.full(count, np.nan)
    g = network.generator
    for k in range(len(g)):
        i = node[g.bus[k]]
        if i < 0:
            continue
        other = abs(source[i]) if held[i] else set_point[i]
        if (held[i] or generator[i]) and fed[i] and abs(other - g.vm[k]) > 1e-9:
            raise DataError(
                f"{network.origin}: generator {g.id[k]}: holds {g.vm[k]:g} pu where {other:g} pu is held already; give "
                f"all that hold the voltage of one bus the same set point"
            )
        if not held[i] and not generator[i]:
            generator[i], set_point[i] = True, g.vm[k]
    return Circuit(
        network, node, count, used, start, end, **_two_ports(b, used), shunt=shunt, held=held, source=source,
        generator=generator, set_point=set_point, fed=fed, component=component, bridged=bridged,
    )  # fmt: skip


def _two_ports(branch: Rows, used: np.ndarray) -> dict[str, Any]:
    names = ("z", "z_back", "ratio", "shunt_from", "shunt_to", "rated_from", "rated_to")
    return {name: getattr(branch, name)[used] for name in names}


def _one_source(
    network: PowerNetwork, component: np.ndarray, held: np.ndarray, source: np.ndarray, allowed: bool
) -> None:
    """Refuse several sources in a component, unless there is leave and they agree."""
    sources = np.flatnonzero(held)
    first: dict[int, int] = {}
    for i in sources:
        other = first.setdefault(int(component[i]), int(i))
        if other == i or allowed:
            continue
        if network.several_sources:
            network.notes.append("several sources feed one component, as the authors of this grid have it")
            continue
        equal = abs(source[other] - source[i]) < 1e-12
        if network.source_impedance or (network.equal_sources and equal):
            continue
        names = ", ".join(map(str, network.source.id))
        raise DataError(
            f"{network.origin}: two sources in one component (of {names}); open a switch between them, or allow it "
            f"with "
            f"several_sources=True (--several-sources) where both are meant to be infinitely strong"
        )


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
    on_failure: Literal["record", "fail"] = "record",
) -> xr.Dataset:
    """Voltages, loadings and flows of a network, for one point or for each step of the profiles.

    ``network`` is a file, a folder, ``simbench:CODE``, ``pandapower:CASE`` or a network read before. ``profiles`` are
    factors (step) by profile name on the loads that carry it; ``profiles`` is a CSV or NetCDF file, a mapping, or
    None for the base point. ``solver``: ``radial`` sweeps, ``meshed`` is Newton's method, ``auto`` chooses one of
    them, ``split`` sweeps radial parts and solves the meshed core,
    ``linear`` is one current iteration or Newton step and screening only, ``pgm`` calls power-grid-model.
    ``reactive_limits``: whether generators keep their reactive limits; None does as the format's own tool does
    (power-grid-model yes, pandapower and MATPOWER no). Steps that were not solved are NaN with their status;
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
    demand = _demand(circuit, *_factors(net, profiles, steps))
    limits = _limits(circuit) if _limited(net, reactive_limits) else None
    if solver == "pgm":
        solution = _by_pgm(circuit, demand, tolerance)
    else:
        solution = regulate(
            circuit, lambda c, lanes: _solve(c, demand.of(lanes), solver, tolerance, limits), demand.lanes
        )
    if on_failure == "fail" and (solution.status > ISLANDED).any():
        raise ConvergenceError(
            f"{net.origin}: {int((solution.status > ISLANDED).any(0).sum())} of {demand.lanes} steps were not solved"
        )
    return _dataset(circuit, solution, demand, tolerance, transformer_model)


@dataclass
class Demand:
    """Loads by node and lane, positive = consumption [MW, Mvar]."""

    steps: np.ndarray
    total: np.ndarray  # (node, lane) complex, at 1 pu
    p: np.ndarray  # (node, lane) constant-power part less generation
    q: np.ndarray
    part: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None  # p1, q1, p2, q2 (node, lane)
    basis: list[np.ndarray]  # p, q (, p1, q1, p2, q2) of consumption and of supply, (2, node), at level 1
    level: np.ndarray  # (2, lane)

    @property
    def lanes(self) -> int:
        return self.p.shape[1]

    def of(self, lanes: np.ndarray) -> "Demand":
        """Some lanes of it."""
        part = self.part
        if part is not None:
            one, two, three, four = (np.ascontiguousarray(x[:, lanes]) for x in part)
            part = (one, two, three, four)
        return replace(
            self, steps=self.steps[lanes], total=self.total[:, lanes], p=np.ascontiguousarray(self.p[:, lanes]),
            q=np.ascontiguousarray(self.q[:, lanes]), part=part, level=self.level[:, lanes],
        )  # fmt: skip


def _demand(circuit: Circuit, factor_p: np.ndarray, factor_q: np.ndarray, steps: np.ndarray) -> Demand:
    load = circuit.network.load
    at = load.bus
    generation = circuit.node_sum(circuit.network.generator.bus, circuit.network.generator.p)
    p, q = load.p[:, None] * factor_p, load.q[:, None] * factor_q
    total = circuit.node_sum(at, p) + 1j * circuit.node_sum(at, q)
    part = None
    nominal = [load.p, load.q]
    if load.ip.any() or load.iq.any() or load.zp.any() or load.zq.any():
        shares = (load.ip, load.iq, load.zp, load.zq)
        one, two, three, four = (circuit.node_sum(at, (p, q)[k % 2] * x[:, None]) for k, x in enumerate(shares))
        part = (one, two, three, four)
        nominal = [load.p * (1 - load.ip - load.zp), load.q * (1 - load.iq - load.zq)]
        nominal += [(load.p, load.q)[k % 2] * x for k, x in enumerate(shares)]
    drawn = total.real - generation[:, None], total.imag
    if part is not None:
        drawn = drawn[0] - part[0] - part[2], drawn[1] - part[1] - part[3]
    takes = load.p >= 0
    basis = [np.stack([circuit.node_sum(at[g], x[g]) for g in (takes, ~takes)]) for x in nominal]
    basis[0][1] -= generation
    level = np.ones((2, p.shape[1]))
    for g, given, fixed in ((0, takes, 0.0), (1, ~takes, generation.sum())):
        whole = np.abs(load.p[given]).sum() + fixed
        if whole > 0:
            level[g] = (np.abs(load.p[given]) @ factor_p[given] + fixed) / whole
    return Demand(
        steps, total, np.ascontiguousarray(drawn[0]), np.ascontiguousarray(drawn[1]), part, basis, level
    )  # fmt: skip


def _limited(net: PowerNetwork, asked: bool | None) -> bool:
    """Reactive limits as asked, else as the format has it."""
    return net.reactive_limits if asked is None else asked


def _limits(circuit: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """Least and most reactive power of the generators of each node."""
    g = circuit.network.generator
    low, high = circuit.node_sum(g.bus, g.q_min), circuit.node_sum(g.bus, g.q_max)
    if (low > high).any():
        raise DataError(f"{circuit.network.origin}: generators: q_min above q_max; correct them")
    return np.where(circuit.generator, low, -np.inf), np.where(circuit.generator, high, np.inf)


def _factors(
    net: PowerNetwork, profiles: str | Path | Mapping[str, np.ndarray] | None, steps: slice | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors (load, step) on active and on reactive power, and the step numbers."""
    count = len(net.load)
    if profiles is None:
        if steps is not None and (steps.start or 0) > 0:
            raise ConfigError("steps need profiles: without them there is one step, 0")
        return np.ones((count, 1)), np.ones((count, 1)), np.arange(1)
    if not isinstance(profiles, Mapping):
        from twin.readers.profiles import read_profiles

        profiles = read_profiles(profiles)
    known = {str(name): np.asarray(v, float) for name, v in profiles.items()}
    start = 0 if steps is None or steps.start is None else steps.start
    stop = min((v.size for v in known.values()), default=0) if steps is None or steps.stop is None else steps.stop
    if not 0 <= start < stop:
        raise ConfigError(f"steps {start}:{stop} hold nothing; write A:B with A below B")

    def values(name: str) -> np.ndarray:
        if known[name].size < stop:
            raise DataError(
                f"profile {name}: has {known[name].size} steps and the run goes to {stop}; give a longer profile"
            )
        cut = known[name][start:stop]
        if not np.isfinite(cut).all():
            bad = start + int(np.argmin(np.isfinite(cut)))
            raise DataError(f"profile {name}: step {bad} is not a number; fill or correct it")
        return cut

    factor_p, factor_q = np.ones((count, stop - start)), np.ones((count, stop - start))
    used = 0
    for k, (kind, ident, profile) in enumerate(zip(net.load.kind, net.load.id, net.load.profile)):
        names = [f"{kind}:{ident}", str(ident), str(profile)]
        name = next((x for x in names if x and x in known), None)
        active = next((x + end for x in names for end in ("_pload", "_pstor") if x and x + end in known), None)
        if name == str(profile) and active is not None and kind in {"load", "storage"}:
            name = None  # SimBench gives a load and the feed-in beside it one profile name
        if name is not None:
            factor_p[k] = factor_q[k] = values(name)
        elif active is not None:  # SimBench has active and reactive power apart
            factor_p[k] = values(active)
            other = active[:-5] + ("qload" if active.endswith("load") else "qstor")
            factor_q[k] = values(other) if other in known else 1.0
        elif profile:
            raise DataError(f"{net.origin}: {kind} {ident}: no profile {profile!r} in the profiles; add its column")
        used += name is not None or active is not None
    if not used:
        raise DataError(
            f"{net.origin}: none of the profiles {', '.join(list(known)[:5])} belongs to a load of this network"
        )
    return factor_p, factor_q, np.arange(start, stop)


@dataclass
class Solution:
    """Voltages and flows of a circuit, by node, two-port and lane; NaN where not solved."""

    v: np.ndarray
    s_from: np.ndarray
    s_to: np.ndarray
    status: np.ndarray  # (node, lane)
    mismatch: np.ndarray  # (lane)
    seconds: float
    solver: str
    at_limit: np.ndarray | None = None  # (node, lane) reactive limits
    tap_changers: list[TapChanger] | None = None
    tap: np.ndarray | None = None  # (tap changer, lane) position
    tap_limit: np.ndarray | None = None  # (tap changer, lane) +1 or -1 at the end of its range and out of band


def _solve(circuit: Circuit, demand: Demand, solver: str, tolerance: float, limits: Any) -> Solution:
    """The solver asked for, or the one that fits."""
    net = circuit.network
    trees = None
    if solver not in {"meshed", "split"} and not (circuit.generator & circuit.fed).any():
        trees = _forest(circuit)
        if trees.forest.code != RADIAL:
            trees = None
    if solver == "radial" and trees is None:
        raise DataError(f"{net.origin}: the network has loops, several sources or held voltages; use --solver meshed")
    if trees is not None:
        swept = _sweep(circuit, trees, demand, tolerance, solver == "linear")
        if limits is not None:  # no generator can be at one
            swept.at_limit = np.zeros(swept.status.shape, np.int8)
        return swept if solver == "linear" else _past_sweeps(circuit, swept, demand, tolerance)
    if solver == "split":
        return solve_split(circuit, _trees(circuit), demand, tolerance, limits)
    return _newton(circuit, demand, tolerance, limits, solver == "linear")


@dataclass
class _Trees:
    """The forest of a circuit, in which branches side by side with one ratio are one branch."""

    forest: Forest
    branch: np.ndarray  # (two-port) branch of the forest, -1 without supply
    turned: np.ndarray  # (two-port) lies the other way round than its branch
    share: np.ndarray  # (two-port) complex share of its branch's current
    alone: bool  # no branch has another beside it

    def spread(self, circuit: Circuit, v: np.ndarray, s_from: np.ndarray, s_to: np.ndarray) -> tuple[np.ndarray, ...]:
        """Power into both ends of each two-port, from that of the forest's branches (branch, lane).

        Beside each other, series currents divide as the admittances, and each keeps its own shunts.
        """
        of = self.branch
        live = of >= 0
        out_from, out_to = (np.full((of.size, v.shape[1]), np.nan + 0j) for _ in range(2))
        out_from[live], out_to[live] = s_from[of[live]], s_to[of[live]]
        if self.alone:
            return out_from, out_to
        several = np.flatnonzero(live & (np.bincount(of[live], minlength=s_from.shape[0])[of] > 1))
        square = [np.abs(v[ends[several]]) ** 2 for ends in (circuit.start, circuit.end)]
        near = np.conj(circuit.shunt_from / np.abs(circuit.ratio) ** 2)[several, None] * square[0]
        far = np.conj(circuit.shunt_to)[several, None] * square[1]
        turned, joined = self.turned[several, None], of[several]
        series = []  # power of the series parts at both ends of the forest's branches
        for power, own in ((s_from, np.where(turned, far, near)), (s_to, np.where(turned, near, far))):
            shunts = np.zeros((s_from.shape[0], v.shape[1]), complex)
            np.add.at(shunts, joined, own)
            series.append(np.conj(self.share[several])[:, None] * (power - shunts)[joined])
        out_from[several] = np.where(turned, series[1], series[0]) + near
        out_to[several] = np.where(turned, series[0], series[1]) + far
        return out_from, out_to


def _forest(circuit: Circuit) -> _Trees:
    """Trees behind the sources; the forest's code says why there are none."""
    live = np.flatnonzero(circuit.fed[circuit.start])
    start, end, z, ratio = (x[live] for x in (circuit.start, circuit.end, circuit.z, circuit.ratio))
    low, high = np.minimum(start, end), np.maximum(start, end)
    _, first, joined = np.unique(low * circuit.count + high, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # branches keep the order of the circuit
    first, joined = np.sort(first), rank[joined]
    turned = start != start[first][joined]
    unlike = (ratio != ratio[first][joined]) | (turned & (ratio != 1)) | (z != circuit.z_back[live])
    if unlike.any():
        return _Trees(Forest(LOOP, -1, np.empty(0, int), np.empty(0, bool), 0), *(np.empty(0),) * 3, True)
    y = 1 / z
    total = np.zeros(first.size, complex)
    np.add.at(total, joined, y)
    near, far = np.zeros(first.size, complex), np.zeros(first.size, complex)
    np.add.at(near, joined, np.where(turned, circuit.shunt_to[live], circuit.shunt_from[live]))
    np.add.at(far, joined, np.where(turned, circuit.shunt_from[live], circuit.shunt_to[live]))
    alone = first.size == live.size
    none = np.full(first.size, np.inf)  # loadings are made from the flows
    forest = plant(
        circuit.count, start[first], end[first], np.ones(first.size, bool), circuit.held, z if alone else 1 / total,
        ratio[first], near, far, circuit.shunt, none, none,
    )  # fmt: skip
    branch, turn, share = (
        np.full(circuit.branch.size, -1),
        np.zeros(circuit.branch.size, bool),
        np.ones(circuit.branch.size, complex),
    )
    branch[live], turn[live], share[live] = joined, turned, y / total[joined]
    return _Trees(forest, branch, turn, share, alone)


def _sweep(circuit: Circuit, trees: _Trees, demand: Demand, tolerance: float, linear: bool) -> Solution:
    forest = trees.forest
    source = np.where(circuit.held, circuit.source, np.nan)[:, None]
    scratch = forest.scratch()
    options: dict[str, Any] = {
        "tolerance": 1e300 if linear else tolerance, "max_iterations": 1 if linear else 500, "scratch": scratch,
    }  # fmt: skip

    def solve(d: Demand) -> tuple[ForestSolution, float]:
        out = forest.allocate(d.lanes, current=False, flow=True)
        began = time.process_time()
        forest.solve(out, source, d.p, d.q, **_zip_of(d), **options)
        return out, time.process_time() - began

    _compile(solve, demand)
    out, seconds = solve(demand)
    p_from, q_from, p_to, q_to = out.flow
    v = out.v_real + 1j * out.v_imag
    s_from, s_to = trees.spread(circuit, v, p_from + 1j * q_from, p_to + 1j * q_to)
    status = np.full((circuit.count, demand.lanes), ISLANDED, np.int8)
    status[circuit.held] = OK
    status[forest.order] = out.status[forest.block_of_bus[forest.order]]
    good = np.where(out.status == OK, out.mismatch, 0.0)
    return Solution(
        v, s_from, s_to, status, good.max(0, initial=0.0), seconds, "linear (screening)" if linear else "radial",
    )  # fmt: skip


def _past_sweeps(circuit: Circuit, swept: Solution, demand: Demand, tolerance: float) -> Solution:
    """Newton's method for the components and lanes that creep: near the nose of the voltage curve sweeps slow down.

    Each lane alone, so that it does not depend on the others. What Newton does not solve keeps its status.
    """
    for lane in np.flatnonzero((swept.status == MAX_ITERATIONS).any(0)):
        slow = np.unique(circuit.component[swept.status[:, lane] == MAX_ITERATIONS])
        part = replace(circuit, fed=circuit.fed & np.isin(circuit.component, slow))
        found = _newton(part, demand.of(np.array([lane])), tolerance, None)
        solved = part.fed & (found.status[:, 0] == OK)
        if not solved[part.fed].all():
            continue
        swept.seconds += found.seconds
        swept.mismatch[lane] = max(swept.mismatch[lane], found.mismatch[0])
        inside = solved[circuit.start]
        swept.v[solved, lane], swept.status[solved, lane] = found.v[solved, 0], OK
        swept.s_from[inside, lane], swept.s_to[inside, lane] = found.s_from[inside, 0], found.s_to[inside, 0]
    return swept


def _zip_of(demand: Demand) -> dict[str, Any]:
    part = demand.part
    return {} if part is None else {"current_part": part[:2], "impedance_part": part[2:]}


def _compile(call: Callable[[Demand], Any], demand: Demand) -> None:
    """Run on the first two lanes, so that the seconds of the whole are those of the kernel."""
    call(demand.of(np.arange(min(2, demand.lanes))))


def _flows(circuit: Circuit, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power into both ends of each two-port."""
    vf, vt = v[circuit.start] / circuit.ratio[:, None], v[circuit.end]
    i_from = ((vf - vt) / circuit.z[:, None] + circuit.shunt_from[:, None] * vf) / np.conj(circuit.ratio[:, None])
    i_to = (vt - vf) / circuit.z_back[:, None] + circuit.shunt_to[:, None] * vt
    return v[circuit.start] * np.conj(i_from), vt * np.conj(i_to)


def _mesh(circuit: Circuit) -> tuple[Mesh, np.ndarray]:
    """The mesh of all fed nodes, and the start: set points, angles turned by the transformers' shifts."""
    live = circuit.fed[circuit.start]
    start, end, ratio = circuit.start[live], circuit.end[live], circuit.ratio[live]
    rows, columns, values = admittance(
        circuit.count, start, end, circuit.z[live], circuit.z_back[live], ratio, circuit.shunt_from[live],
        circuit.shunt_to[live], circuit.shunt,
    )  # fmt: skip
    kind = np.where(circuit.held, HELD, np.where(circuit.generator, PV, PQ))
    return weave(circuit.count, rows, columns, values, kind, circuit.fed), _start(circuit, start, end, ratio)


def _start(circuit: Circuit, start: np.ndarray, end: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Angles of the sources, carried over the branches with their shift, breadth first."""
    from scipy.sparse.csgraph import breadth_first_order

    n = circuit.count
    angle = np.zeros(n)
    angle[circuit.held] = np.angle(circuit.source[circuit.held])
    sources = np.flatnonzero(circuit.held)
    hub = np.full(sources.size, n)
    rows, columns = np.concatenate([start, end, hub]), np.concatenate([end, start, sources])
    graph = csr_matrix((np.ones(rows.size), (rows, columns)), shape=(n + 1, n + 1))
    order, above = breadth_first_order(graph, n, directed=True)
    turn: dict[tuple[int, int], float] = {}
    for f, t, shift in zip(start.tolist(), end.tolist(), np.angle(ratio).tolist()):
        turn.setdefault((f, t), -shift)
        turn.setdefault((t, f), shift)
    for i in order[1:].tolist():
        if above[i] != n:
            angle[i] = angle[above[i]] + turn[int(above[i]), i]
    size = np.where(circuit.held, np.abs(circuit.source), np.where(circuit.generator, circuit.set_point, 1.0))
    return size * np.exp(1j * angle)


def _linear_start(circuit: Circuit, start: np.ndarray, p: np.ndarray) -> np.ndarray:
    """``start`` with the angles of the linear (DC) power flow of consumption ``p`` (node) [MW]: lossless, flat.

    P = B theta with b = 1 / (x |n|) of each two-port and its shift as a source; large transmission systems converge
    from here where they do not from angles of zero.
    """
    n, live = circuit.count, circuit.fed[circuit.start]
    a, c, ratio = circuit.start[live], circuit.end[live], circuit.ratio[live]
    x = circuit.z[live].imag
    b = 1 / (np.where(np.abs(x) > 1e-9, x, 1e-9) * np.abs(ratio))
    shift = b * np.angle(ratio)
    matrix = csr_matrix((np.concatenate([b, b, -b, -b]), (np.concatenate([a, c, a, c]), np.concatenate([a, c, c, a]))),
                        shape=(n, n))  # fmt: skip
    given = np.bincount(a, shift, n) - np.bincount(c, shift, n) - p - circuit.shunt.real
    free, held = np.flatnonzero(circuit.fed & ~circuit.held), np.flatnonzero(circuit.held)
    angle = np.angle(start)
    angle[free] = spsolve(matrix[free][:, free].tocsc(), given[free] - matrix[free][:, held] @ angle[held])
    return np.abs(start) * np.exp(1j * angle)


def _feasible_start(circuit: Circuit, mesh: Mesh, start: np.ndarray, demand: Demand) -> np.ndarray:
    """``start``, or where Newton's method does not reach the base point from it, that with linear angles."""
    base = [np.ascontiguousarray(x.sum(0)[:, None]) for x in demand.basis]
    parts = (base[2], base[3], base[4], base[5]) if len(base) > 2 else None
    if mesh.solve(start, base[0], base[1], parts=parts).status[0] == OK:
        return start
    other = _linear_start(circuit, start, base[0][:, 0])
    return other if mesh.solve(other, base[0], base[1], parts=parts).status[0] == OK else start


def _newton(circuit: Circuit, demand: Demand, tolerance: float, limits: Any, linear: bool = False) -> Solution:
    mesh, start = _mesh(circuit)
    start = _feasible_start(circuit, mesh, start, demand)
    options: dict[str, Any] = {"tolerance": 1e300 if linear else tolerance, "limits": limits}

    def solve(d: Demand) -> MeshSolution:
        points = operating_points(d.basis, d.level, spacing(d.lanes)) if d.lanes >= SHARED and not linear else None
        return mesh.solve(start, d.p, d.q, parts=d.part, points=points, **options)

    _compile(solve, demand)
    began = time.process_time()
    out = solve(demand)
    v = out.v_real + 1j * out.v_imag
    s_from, s_to = _flows(circuit, v)
    seconds = time.process_time() - began
    status = np.full((circuit.count, demand.lanes), ISLANDED, np.int8)
    status[circuit.fed] = out.status
    return Solution(
        v, s_from, s_to, status, np.where(out.status == OK, out.mismatch, 0.0), seconds,
        "linear (screening)" if linear else "meshed", out.at_limit if limits is not None else None,
    )  # fmt: skip


def _trees(circuit: Circuit) -> np.ndarray:
    """Nodes of the radial parts that hang on the meshed core (node)."""
    live = circuit.fed[circuit.start]
    keep = circuit.held | circuit.generator | ~circuit.fed
    for ends in (circuit.start, circuit.end):
        keep[ends[circuit.z != circuit.z_back]] = True
    return peel(circuit.count, circuit.start[live], circuit.end[live], keep)


def solve_split(circuit: Circuit, tree: np.ndarray, demand: Demand, tolerance: float, limits: Any) -> Solution:
    """Radial parts swept, the core by Newton; each takes the other's voltage or power until they match.

    ``tree`` (node) nodes of the radial parts. They start as their load; then the sweeps tell what the trees draw at
    the core's voltage, and the core what its voltage is with that, until no root of a tree moves by more than a
    hundredth of the tolerance. Lanes leave the exchange each on its own account.
    """
    n, lanes = circuit.count, demand.lanes
    hung = circuit.fed[circuit.start] & (tree[circuit.start] | tree[circuit.end])
    none = np.zeros(n, complex)
    forest = plant(
        n, circuit.start, circuit.end, hung, circuit.fed & ~tree, circuit.z, circuit.ratio, circuit.shunt_from,
        circuit.shunt_to, np.where(tree, circuit.shunt, none), circuit.rated_from, circuit.rated_to,
    )  # fmt: skip
    # a tree's end shunt at its root belongs to the core
    own = circuit.shunt.copy()
    at_root = forest.end_shunt[2] + 1j * forest.end_shunt[3]
    rooted = forest.is_source[forest.parent_bus]
    np.add.at(own, forest.parent_bus[rooted], at_root[rooted])
    live = circuit.fed[circuit.start] & ~hung
    start, end, ratio = circuit.start[live], circuit.end[live], circuit.ratio[live]
    rows, columns, values = admittance(
        n, start, end, circuit.z[live], circuit.z_back[live], ratio, circuit.shunt_from[live], circuit.shunt_to[live],
        own,
    )  # fmt: skip
    kind = np.where(circuit.held, HELD, np.where(circuit.generator, PV, PQ))
    core = circuit.fed & ~tree
    mesh = weave(n, rows, columns, values, kind, core)
    first = _start(circuit, circuit.start, circuit.end, circuit.ratio)
    inner = np.flatnonzero(core)
    root_of = np.arange(n)  # the core node that feeds each node
    root_of[forest.order] = forest.root[forest.block_of_bus[forest.order]]
    roots = np.unique(forest.root)

    gather = csr_matrix((np.ones(n), (root_of, np.arange(n))), shape=(n, n))
    blocks_of = csr_matrix(
        (np.ones(forest.root.size), (forest.root, np.arange(forest.root.size))), (n, forest.root.size)
    )

    def lumped(x: np.ndarray) -> np.ndarray:
        return gather @ x

    def constant_only(x: np.ndarray) -> np.ndarray:
        return np.where(tree.reshape(-1, *(1,) * (x.ndim - 1)), 0, x)

    whole = [b.copy() for b in demand.basis]
    if len(whole) > 2:  # the trees' load as constant power
        for k in range(2, 6):
            whole[k % 2] = whole[k % 2] + np.where(tree, whole[k], 0)
            whole[k] = np.where(tree, 0, whole[k])
    basis = [np.stack([lumped(b[0]), lumped(b[1])]) for b in whole]
    part = None if demand.part is None else tuple(constant_only(x) for x in demand.part)
    scratch = forest.scratch()

    def exchange(d: Demand, core_part: Any) -> tuple[np.ndarray, Any, Any, float]:
        began = time.process_time()
        power = d.total - demand_generation(circuit)[:, None]
        drawn = lumped(np.where(tree[:, None], power, 0))
        own_p, own_q = constant_only(d.p), constant_only(d.q)
        out, trees, v = None, None, np.full((n, d.lanes), np.nan + 0j)
        todo, before = np.arange(d.lanes), np.full((roots.size, d.lanes), np.inf + 0j)
        status = np.zeros(d.lanes, np.int8)
        trees = forest.allocate(d.lanes)
        mismatch, at_limit = np.full(d.lanes, np.nan), np.zeros((n, d.lanes), np.int8)
        for turn in range(EXCHANGES):
            every = todo.size == d.lanes
            pick: Any = slice(None) if every else todo
            some = d if every else d.of(todo)
            points = operating_points(basis, some.level, spacing(d.lanes)) if d.lanes >= SHARED else None
            p, q = own_p[:, pick] + drawn[:, pick].real, own_q[:, pick] + drawn[:, pick].imag
            rough = ROUGH[turn] if turn < len(ROUGH) else 0.1 * tolerance
            out = mesh.solve(
                first, p, q, points=points, tolerance=tolerance, limits=limits,
                parts=None if core_part is None else tuple(x if every else x[:, todo].copy() for x in core_part),
            )  # fmt: skip
            v[inner[:, None], todo] = out.v_real[inner] + 1j * out.v_imag[inner]
            status[pick], mismatch[pick] = out.status, out.mismatch
            if limits is not None:
                at_limit[:, pick] = out.at_limit
            good = out.status == OK
            moved = np.abs(v[roots][:, pick] - before[:, pick]).max(0, initial=0.0)
            before[:, pick] = v[roots][:, pick]
            swept = forest.allocate(todo.size)
            forest.solve(
                swept, v[:, pick], some.p, some.q, **_zip_of(some),
                tolerance=max(rough, 0.1 * tolerance), max_iterations=500, scratch=scratch,
            )  # fmt: skip
            if every:
                trees = swept
            else:
                for name in ("v_real", "v_imag", "j_real", "j_imag", "status", "mismatch"):
                    getattr(trees, name)[:, todo] = getattr(swept, name)
            s = v[forest.root][:, pick] * np.conj(swept.source_real + 1j * swept.source_imag)
            fallen = (swept.status != OK).any(0)
            drawn[:, pick] = blocks_of @ np.where(swept.status == OK, s, 0)
            todo = todo[good & ~fallen & ((moved > MATCH * tolerance) | (turn < len(ROUGH)))]
            if not todo.size:
                break
        status[todo] = MAX_ITERATIONS
        return v, trees, (status, mismatch, at_limit), time.process_time() - began

    exchange(demand.of(np.arange(min(2, lanes))), None if part is None else tuple(x[:, :2].copy() for x in part))
    v, trees, (code, mismatch, at_limit), seconds = exchange(demand, part)
    status = np.full((n, lanes), ISLANDED, np.int8)
    status[core] = code
    block = forest.block_of_bus[forest.order]
    status[forest.order] = np.maximum(trees.status[block], code)
    # a feeder that cannot be fed leaves the core without its load: the component is not solved either
    fallen = trees.status.max(0, initial=OK)
    for lane in np.flatnonzero(fallen > OK):
        for b in np.flatnonzero(trees.status[:, lane] > OK):
            inside = circuit.component == circuit.component[forest.root[b]]
            status[inside, lane] = np.maximum(status[inside, lane], trees.status[b, lane])
    v[forest.order] = (trees.v_real + 1j * trees.v_imag)[forest.order]
    v[status != OK] = np.nan
    s_from, s_to = _flows(circuit, v)
    return Solution(
        v, s_from, s_to, status, np.where(code == OK, mismatch, 0.0), seconds, "meshed core, radial feeders",
        at_limit if limits is not None else None,
    )  # fmt: skip


def demand_generation(circuit: Circuit) -> np.ndarray:
    """Active power of generators by node [MW]."""
    return circuit.node_sum(circuit.network.generator.bus, circuit.network.generator.p)


def _by_pgm(circuit: Circuit, demand: Demand, tolerance: float) -> Solution:
    status = np.full((circuit.count, demand.lanes), ISLANDED, np.int8)
    v, s_from, s_to, seconds = solve_with_pgm(circuit, demand.p, demand.q, demand.part, tolerance, status)
    return Solution(v, s_from, s_to, status, np.zeros(demand.lanes), seconds, "pgm")


def _dataset(
    circuit: Circuit, solution: Solution, demand: Demand, tolerance: float, transformer_model: str
) -> xr.Dataset:
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
    loading[own] = np.maximum(
        np.abs(flow_f[own] / v[at_own]) / b.rated_from[own, None], np.abs(flow_t[own] / v[at_own]) / b.rated_to[own, None]
    )
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
    coordinates: dict[str, Any] = (
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

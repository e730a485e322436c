"""Power flow of a network file on its own: topology, solver, results per bus and branch as xarray."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from kernels.power.forest import Forest, plant
from kernels.power.mesh import Mesh, admittance, weave
from kernels.power.newton import HELD, PQ, PV
from kernels.power.status import ISLANDED, OK, STATUS_NAMES
from kernels.power.topology import join
from kernels.power.tree import RADIAL
from twin.errors import ConfigError, ConvergenceError, DataError
from twin.power_pgm import solve_with_pgm
from twin.readers.networks import open_network
from twin.readers.power_network import PowerNetwork

__all__ = ["Circuit", "circuit_of", "powerflow"]

Solver = Literal["auto", "radial", "meshed", "linear", "pgm"]
SOLVERS = ("auto", "radial", "meshed", "linear", "pgm")


@dataclass
class Circuit:
    """Electrical nodes and active two-ports of a network in one switch state, per unit on 1 MVA."""

    network: PowerNetwork
    node: np.ndarray  # (bus) node, -1 out of service
    count: int  # nodes, with the ends of open branches
    branch: np.ndarray  # (two-port) index into network.branch
    start: np.ndarray  # (two-port) node
    end: np.ndarray
    shunt: np.ndarray  # (node) complex pu
    held: np.ndarray  # (node) 1 where a source holds the voltage
    source: np.ndarray  # (node) complex pu, NaN elsewhere
    generator: np.ndarray  # (node) 1 where a generator holds the magnitude
    set_point: np.ndarray  # (node) pu, NaN elsewhere
    fed: np.ndarray  # (node) 1 where a source reaches
    component: np.ndarray  # (node) lowest node of its component

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
        if (held[i] or generator[i]) and abs(other - g.vm[k]) > 1e-9:
            network.notes.append(f"generator {g.id[k]}: another voltage is held at its bus; the first one counts")
        if not held[i] and not generator[i]:
            generator[i], set_point[i] = True, g.vm[k]
    return Circuit(
        network, node, count, used, start, end, shunt, held, source, generator, set_point, fed, component
    )  # fmt: skip


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
    on_failure: Literal["record", "fail"] = "record",
) -> xr.Dataset:
    """Voltages, loadings and flows of a network, for one point or for each step of the profiles.

    ``network`` is a file, a folder, ``simbench:CODE``, ``pandapower:CASE`` or a network read before. ``profiles`` are
    factors (step) by profile name on the loads that carry it; ``profiles`` is a CSV or NetCDF file, a mapping, or
    None for the base point. ``solver``: ``radial`` sweeps, ``meshed`` is Newton's method, ``auto`` chooses,
    ``linear`` is one current iteration and screening only, ``pgm`` calls power-grid-model. Steps that were not solved
    are NaN with their status; ``on_failure="fail"`` raises instead. Dimensions: ``step``, ``bus``, ``branch``.
    """
    if solver not in SOLVERS:
        raise ConfigError(f"solver {solver!r} is unknown; write one of {', '.join(SOLVERS)}")
    if not tolerance > 0:
        raise ConfigError(f"tolerance {tolerance!r} must be above zero")
    net = network if isinstance(network, PowerNetwork) else open_network(str(network), transformer_model)
    circuit = circuit_of(net, several_sources)
    factor, chosen = _factors(net, profiles, steps)
    power = circuit.node_sum(net.load.bus, (net.load.p + 1j * net.load.q)[:, None] * factor)
    generation = circuit.node_sum(net.generator.bus, net.generator.p)
    lanes = power.shape[1]
    part = _parts(circuit, factor)
    base = power if part is None else power - part[0] - part[1]
    base = base - generation[:, None]
    fed = circuit.fed.copy()
    forest = None
    if solver not in {"meshed", "pgm"} and not (circuit.generator & fed).any():
        forest = _forest(circuit)
        if forest.code != RADIAL:
            forest = None
    if solver == "radial" and forest is None:
        raise DataError(f"{net.origin}: the network has loops, several sources or held voltages; use --solver meshed")
    if solver == "linear" and forest is None:
        raise DataError(f"{net.origin}: linear screening is for radial networks; use --solver meshed")
    p, q = np.ascontiguousarray(base.real), np.ascontiguousarray(base.imag)
    status = np.full((circuit.count, lanes), ISLANDED, np.int8)
    mismatch = np.zeros(lanes)
    if solver == "pgm":
        v, s_from, s_to, seconds = solve_with_pgm(circuit, p, q, part, tolerance, status)
        kind = "pgm"
    elif forest is not None:
        v, s_from, s_to, seconds = _sweep(circuit, forest, p, q, part, tolerance, solver == "linear", status, mismatch)
        kind = "linear (screening)" if solver == "linear" else "radial"
    else:
        v, s_from, s_to, seconds = _newton(circuit, p, q, part, tolerance, status, mismatch)
        kind = "meshed"
    if on_failure == "fail" and (status > ISLANDED).any():
        raise ConvergenceError(
            f"{net.origin}: {int((status > ISLANDED).any(0).sum())} of {lanes} steps were not solved"
        )
    return _dataset(
        circuit, chosen, v, s_from, s_to, status, mismatch, seconds, kind, tolerance, power, transformer_model
    )


def _factors(
    net: PowerNetwork, profiles: str | Path | Mapping[str, np.ndarray] | None, steps: slice | None
) -> tuple[np.ndarray, np.ndarray]:
    """Factor of each load (load, step) and the step numbers."""
    if profiles is None:
        if steps is not None and (steps.start or 0) > 0:
            raise ConfigError("steps need profiles: without them there is one step, 0")
        return np.ones((len(net.load), 1)), np.arange(1)
    if not isinstance(profiles, Mapping):
        from twin.readers.profiles import read_profiles

        profiles = read_profiles(Path(profiles))
    length = min((len(v) for v in profiles.values()), default=0)
    start = 0 if steps is None or steps.start is None else steps.start
    stop = length if steps is None or steps.stop is None else steps.stop
    if not 0 <= start < stop:
        raise ConfigError(f"steps {start}:{stop} hold nothing; write A:B with A below B")
    factor = np.ones((len(net.load), stop - start))
    used = 0
    known = {str(name): np.asarray(v, float) for name, v in profiles.items()}
    keys = list(zip(net.load.kind, net.load.id, net.load.profile))
    for k, (kind, ident, profile) in enumerate(keys):
        name = next((x for x in (f"{kind}:{ident}", str(ident), str(profile)) if x and x in known), None)
        if name is None:
            if profile:
                raise DataError(f"{net.origin}: {kind} {ident}: no profile {profile!r} in the profiles; add its column")
            continue
        values = known[name]
        if values.size < stop:
            raise DataError(
                f"profile {name}: has {values.size} steps and the run goes to {stop}; give a longer profile"
            )
        cut = values[start:stop]
        if not np.isfinite(cut).all():
            bad = start + int(np.argmin(np.isfinite(cut)))
            raise DataError(f"profile {name}: step {bad} is not a number; fill or correct it")
        factor[k] = cut
        used += 1
    if not used:
        raise DataError(
            f"{net.origin}: none of the profiles {', '.join(list(known)[:5])} belongs to a load of this network"
        )
    return factor, np.arange(start, stop)


def _parts(circuit: Circuit, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Constant-current and constant-impedance load (node, step), None where all load draws constant power."""
    load = circuit.network.load
    if not (load.ip.any() or load.iq.any() or load.zp.any() or load.zq.any()):
        return None
    current = (load.p * load.ip + 1j * load.q * load.iq)[:, None] * factor
    impedance = (load.p * load.zp + 1j * load.q * load.zq)[:, None] * factor
    return circuit.node_sum(load.bus, current), circuit.node_sum(load.bus, impedance)


def _forest(circuit: Circuit) -> Forest:
    b, k = circuit.network.branch, circuit.branch
    if (b.z[k] != b.z_back[k]).any():
        return Forest(-1, -1, np.empty(0, int), np.empty(0, bool))
    live = circuit.fed[circuit.start]
    return plant(
        circuit.count, circuit.start, circuit.end, live, circuit.held, b.z[k], b.ratio[k], b.shunt_from[k],
        b.shunt_to[k],
        circuit.shunt, b.rated_from[k], b.rated_to[k],
    )  # fmt: skip


def _split(part: tuple[np.ndarray, np.ndarray] | None) -> list[tuple[np.ndarray, np.ndarray] | None]:
    return (
        [None, None]
        if part is None
        else [(np.ascontiguousarray(x.real), np.ascontiguousarray(x.imag)) for x in part]
    )  # fmt: skip


def _sweep(circuit, forest, p, q, part, tolerance, linear, status, mismatch):
    source = np.where(circuit.held, circuit.source, np.nan)[:, None]
    out = forest.allocate(p.shape[1])
    current, impedance = _split(part)
    scratch = forest.scratch()
    options = {"tolerance": 1e300 if linear else tolerance, "max_iterations": 1 if linear else 500}
    # compile on one lane, so that the seconds are those of the kernel
    trial = forest.allocate(1)
    first = [x if x is None else (x[0][:, :1].copy(), x[1][:, :1].copy()) for x in (current, impedance)]
    forest.solve(
        trial, source, p[:, :1].copy(), q[:, :1].copy(), current_part=first[0], impedance_part=first[1],
        scratch=scratch,
        **options,
    )  # fmt: skip
    began = time.process_time()
    forest.solve(
        out, source, p, q, current_part=current, impedance_part=impedance, scratch=scratch, **options
    )  # fmt: skip
    p_from, q_from, p_to, q_to = forest.flows(out, source, circuit.branch.size)
    seconds = time.process_time() - began
    status[circuit.held] = OK
    status[forest.order] = out.status[forest.block_of_bus[forest.order]]
    good = np.where(out.status == OK, out.mismatch, 0.0)
    mismatch[:] = good.max(0, initial=0.0)
    return out.v_real + 1j * out.v_imag, p_from + 1j * q_from, p_to + 1j * q_to, seconds


def _mesh(circuit: Circuit) -> tuple[Mesh, np.ndarray]:
    """The mesh of all fed nodes, and the start: set points, angles turned by the transformers' shifts."""
    b, k = circuit.network.branch, circuit.branch
    live = circuit.fed[circuit.start]
    k, start, end = k[live], circuit.start[live], circuit.end[live]
    rows, columns, values = admittance(
        circuit.count, start, end, b.z[k], b.z_back[k], b.ratio[k], b.shunt_from[k], b.shunt_to[k], circuit.shunt
    )
    kind = np.where(circuit.held, HELD, np.where(circuit.generator, PV, PQ))
    return weave(circuit.count, rows, columns, values, kind, circuit.fed), _start(circuit, start, end, b.ratio[k])


def _start(circuit: Circuit, start: np.ndarray, end: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Angles of the sources, carried over the branches with their shift, breadth first."""
    from scipy.sparse import csr_matrix
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


def _newton(circuit, p, q, part, tolerance, status, mismatch):
    mesh, start = _mesh(circuit)
    current, impedance = _split(part)
    parts = None if current is None or impedance is None else (*current, *impedance)
    a, c, d, e = parts if parts is not None else (p, p, p, p)
    first = None if parts is None else (a[:, :1].copy(), c[:, :1].copy(), d[:, :1].copy(), e[:, :1].copy())
    mesh.solve(start, p[:, :1].copy(), q[:, :1].copy(), parts=first, tolerance=tolerance)
    began = time.process_time()
    out = mesh.solve(start, p, q, parts=parts, tolerance=tolerance)
    seconds = time.process_time() - began
    v = out.v_real + 1j * out.v_imag
    status[circuit.fed] = out.status
    mismatch[:] = np.where(out.status == OK, out.mismatch, 0.0)
    b, k = circuit.network.branch, circuit.branch
    z, back, ratio = b.z[k, None], b.z_back[k, None], b.ratio[k, None]
    vf, vt = v[circuit.start] / ratio, v[circuit.end]
    series_f, series_t = (vf - vt) / z, (vt - vf) / back
    i_from = (series_f + b.shunt_from[k, None] * vf) / np.conj(ratio)
    i_to = series_t + b.shunt_to[k, None] * vt
    return v, v[circuit.start] * np.conj(i_from), v[circuit.end] * np.conj(i_to), seconds


def _dataset(circuit, steps, v, s_from, s_to, status, mismatch, seconds, solver, tolerance, demand, transformer_model):
    net = circuit.network
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
    inner = np.array([str(i).startswith(("xward ", "trafo3w ", "source ", "three_winding ")) for i in net.bus_id], bool)
    buses = ~inner
    unserved = np.where(status != OK, demand.real, 0.0).sum(0)
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
            mismatch,
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
    return xr.Dataset(
        data,
        {
            "step": steps,
            "bus": net.bus_id[buses].astype(str),
            "branch": labels,
            "bus_name": ("bus", net.bus_name[buses].astype(str)),
        },
        {
            "solver": solver, "tolerance": tolerance, "transformer_model": transformer_model, "cpu_seconds": seconds,
            "nodes": circuit.count, "notes": "; ".join(dict.fromkeys(net.notes)), "origin": net.origin,
        },
    )  # fmt: skip

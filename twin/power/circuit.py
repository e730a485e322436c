"""A network in one switch state as electrical nodes and active two-ports, and what a source reaches."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.power.topology import join
from twin.errors import DataError
from twin.readers.power_network import PowerNetwork, Rows

__all__ = ["Circuit", "circuit_of"]


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

    def generation(self) -> np.ndarray:
        """Active power of generators by node [MW]."""
        return self.node_sum(self.network.generator.bus, self.network.generator.p)


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

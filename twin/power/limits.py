"""Limits of a radial network: what each bus can still take, and whether rings hold when a section fails."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from kernels.power.forest import Forest, plant
from kernels.power.hosting import hosting_capacity
from kernels.power.n_minus_1 import sections_out
from kernels.power.tree import RADIAL
from twin.errors import ConfigError, DataError
from twin.power.circuit import circuit_of
from twin.readers.networks import open_network
from twin.readers.power_network import PowerNetwork, Rows
from twin.world.feeders import BASE, of_high_voltage

__all__ = ["hosting", "ring_outages"]

MW = 1e6 / BASE
COLUMNS = ("id", "kind", "start", "end", "z", "z_back", "ratio", "shunt_from", "shunt_to", "rated_from", "rated_to",
           "active", "by_power")  # fmt: skip


@dataclass
class _Radial:
    """Nodes, branches with those that are open in operation, and loads of one or more cases, per unit on 1 MVA."""

    origin: str
    count: int
    start: np.ndarray
    end: np.ndarray
    closed: np.ndarray  # (branch) in operation
    held: np.ndarray  # (node)
    source: np.ndarray  # (node, 1) complex
    z: np.ndarray
    ratio: np.ndarray
    shunt_from: np.ndarray
    shunt_to: np.ndarray
    shunt: np.ndarray
    rated_from: np.ndarray
    rated_to: np.ndarray
    load: np.ndarray  # (node, case) complex
    node: np.ndarray  # (bus) node of each bus of the network, -1 out of service
    bus_id: np.ndarray
    branch_id: np.ndarray

    def forest(self, closed: np.ndarray) -> Forest:
        """The network with the branches ``closed``."""
        return plant(
            self.count, self.start, self.end, closed, self.held, self.z, self.ratio, self.shunt_from, self.shunt_to,
            self.shunt, self.rated_from, self.rated_to,
        )  # fmt: skip

    def whole(self) -> Forest:
        """The network in operation; refused where it is not radial."""
        forest = self.forest(self.closed)
        if forest.code != RADIAL:
            culprit = self.branch_id[forest.culprit]
            raise DataError(f"{self.origin}: branch {culprit} closes a loop; open a branch of each loop")
        return forest


def _of_network(network: PowerNetwork, openings: bool) -> _Radial:
    """Arrays of a network file; with ``openings`` a branch with an open end can be closed, else it dangles."""
    b = network.branch
    both = b.from_closed & b.to_closed if openings else np.ones(len(b), bool)
    if openings:
        columns = {name: getattr(b, name) for name in COLUMNS} | dict.fromkeys(("from_closed", "to_closed"), True)
        closed = Rows(**{name: getattr(b, name).dtype for name in columns})
        closed.add(len(b), **columns)
        network = replace(network, branch=closed)
    circuit = circuit_of(network, several_sources=True)
    if network.generator.bus.size:
        raise DataError(f"{network.origin}: generators hold voltages; limits are found for feeders without them")
    first, twins = _twins(
        circuit.start, circuit.end, b.z[circuit.branch], b.ratio[circuit.branch], both[circuit.branch]
    )
    k, net = circuit.branch[first], network.load
    return _Radial(
        network.origin, circuit.count, circuit.start[first], circuit.end[first], both[k], circuit.held,
        np.where(circuit.held, circuit.source, np.nan)[:, None], b.z[k] / twins, b.ratio[k], b.shunt_from[k] * twins,
        b.shunt_to[k] * twins, circuit.shunt, b.rated_from[k] * twins, b.rated_to[k] * twins,
        circuit.node_sum(net.bus, net.p + 1j * net.q)[:, None], circuit.node, network.bus_id,
        np.array([f"{kind} {i}" if kind else i for kind, i in zip(b.kind[k], b.id[k], strict=True)], object),
    )  # fmt: skip


def _twins(
    start: np.ndarray, end: np.ndarray, z: np.ndarray, ratio: np.ndarray, closed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First of each set of equal branches side by side, and how many there are: they act as one."""
    key = np.column_stack((start, end, z.real, z.imag, ratio.real, ratio.imag, closed))
    key[~closed, -1] = -1.0 - np.flatnonzero(~closed)  # branches that are open in operation stay themselves
    _, first, count = np.unique(key, axis=0, return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order], count[order]


def _of_group(power: xr.Dataset, load: np.ndarray) -> _Radial:
    """Arrays of a world's power group, with ``load`` (bus, case) [kVA] complex; its openings follow its branches."""
    power = power.isel(branch=np.flatnonzero(~of_high_voltage(power)))
    g = {name: power[name].values for name in power.variables}
    if "opening_from" not in g:
        raise DataError("world power: no openings of rings; build the group as docs/world.md says")

    def both(name: str, opening: str | None = None) -> np.ndarray:
        return np.concatenate((g[name], g[opening or f"opening_{name}"]))

    v = g["bus_voltage_rated"]
    start, end = both("branch_from", "opening_from"), both("branch_to", "opening_to")
    z_base = v[end] ** 2 / BASE
    z = (both("resistance") + 1j * both("reactance")) / z_base
    half, rated = 0.5j * both("susceptance") * z_base, both("s_rated") / BASE
    openings = len(g["opening_from"])
    held = np.isfinite(g["source_voltage"])
    ids = np.concatenate((g["branch_id"], np.array([f"opening-{k}".encode() for k in range(openings)])))
    return _Radial(
        "world power", len(v), start, end, np.arange(len(start)) < len(start) - openings, held,
        np.where(held, g["source_voltage"], np.nan).astype(complex)[:, None], z,
        np.concatenate((g["ratio"], np.ones(openings))).astype(complex), half, half, np.zeros(len(v), complex), rated,
        rated, load * 1e3 / BASE, np.arange(len(v)), g["bus_id"], ids,
    )  # fmt: skip


def _radial(
    network: str | Path | PowerNetwork | xr.Dataset, load: np.ndarray | None, openings: bool = False
) -> _Radial:
    if isinstance(network, xr.Dataset):
        if load is None:
            raise ConfigError("limits of a world's power group need load, kVA by bus and case")
        return _of_group(network, np.asarray(load, complex))
    return _of_network(network if isinstance(network, PowerNetwork) else open_network(str(network), "pi"), openings)


def hosting(
    network: str | Path | PowerNetwork | xr.Dataset, *, load: np.ndarray | None = None, generation: bool = False,
    most: float = 10.0, cases: tuple[float, ...] = (1.0,), power_factor: float = 1.0, low: float = 0.9,
    high: float = 1.1,
) -> xr.Dataset:  # fmt: skip
    """Power [MW] that each bus of a radial network can take alone before an asset or a voltage gives way.

    ``network`` as of :func:`twin.powerflow`, or a world's ``power`` group with ``load`` (bus, case) [kVA] complex.
    ``cases`` are factors on the loads of a file that must all hold, such as (1.0, 0.2). ``generation`` asks for
    feed-in instead of load; ``most`` [MW] bounds the search, which
    ends at a ten-thousandth of it. Raises :class:`DataError` where there are loops.
    """
    if not most > 0 or not cases or not 0 < power_factor <= 1 or not low < high:
        raise ConfigError("hosting: most above zero, a case, a power factor in (0, 1] and low below high are wanted")
    radial = _radial(network, load)
    forest = radial.whole()
    s = radial.load if load is not None else radial.load * np.array(cases)
    found = hosting_capacity(
        forest, radial.source, np.ascontiguousarray(s.real), np.ascontiguousarray(s.imag),
        (-most if generation else most) * MW, power_factor=power_factor, low=low, high=high,
    )  # fmt: skip
    values = np.where(radial.node >= 0, np.abs(found)[radial.node] / MW, np.nan)
    what = "feed-in" if generation else "load"
    attrs = {"units": "MW", "long_name": f"{what} that the bus can take alone; NaN at sources and without supply"}
    return xr.Dataset({"capacity": ("bus", values, attrs), "bus_id": ("bus", radial.bus_id)}, attrs={"most": most})


def ring_outages(
    network: str | Path | PowerNetwork | xr.Dataset, *, load: np.ndarray | None = None
) -> xr.Dataset:  # fmt: skip
    """Whether each ring holds when one of its sections fails and its opening is closed.

    Openings are branches with an open end (a file), or the group's openings. Returns by section ``worst_loading``
    and ``lowest_voltage`` of the ring, NaN where a bus stays without supply or is not solved; the attributes say how
    many topologies stood for how many outages. The charging of cables while they are open is left out.
    """
    radial = _radial(network, load, openings=True)
    forest = radial.whole()
    openings = np.flatnonzero(~radial.closed)
    if not openings.size:
        raise DataError(f"{radial.origin}: no branch is open in operation; without an opening there is no ring")

    def replant(failed: np.ndarray, rings: np.ndarray) -> Forest:
        closed = radial.closed.copy()
        closed[failed], closed[openings[rings]] = False, True
        return radial.forest(closed)

    section, worst, lowest, topologies = sections_out(
        forest, replant, radial.start[openings], radial.end[openings], radial.source,
        np.ascontiguousarray(radial.load.real), np.ascontiguousarray(radial.load.imag),
    )  # fmt: skip
    pu: Mapping[str, str] = {"units": "1"}
    return xr.Dataset(
        {
            "worst_loading": ("section", worst, {**pu, "long_name": "highest loading while the section is out"}),
            "lowest_voltage": ("section", lowest, {**pu, "long_name": "lowest voltage meanwhile, per unit"}),
            "branch_id": ("section", radial.branch_id[section]),
        },
        attrs={"openings": len(openings), "outages": len(section), "topologies": topologies},
    )

"""High voltage joined to the feeders of a ``power`` group: its buses and circuits, and the substations' transformers.

Where lines and substations are is OpenStreetMap's; every rating and impedance is assumed by the table of
:mod:`twin.world.high_voltage`, and ``branch_basis`` says of each branch what it comes from. Demand of the province
whose feeders are not laid hangs lumped on the busbar of its nearest substation, so that the high-voltage network
carries the whole province.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from twin.errors import DataError
from twin.readers.osm_power import HighVoltageGrid
from twin.readers.power_network import BASE
from twin.world.feeders import HIGH_VOLTAGE, feeders_of
from twin.world.high_voltage import (
    BASES,
    TO_MEDIUM_VOLTAGE,
    Feeding,
    HighVoltageRules,
    LaidHighVoltage,
    lay_high_voltage,
)  # fmt: skip
from twin.world.power import HOURS_OF_YEAR, NetworkRules

__all__ = ["BEYOND", "Beyond", "join_high_voltage"]

CIRCUIT, TRANSFORMER = 2, 1  # kinds of branch
SAME_PLACE = 1.0  # m between a substation of the feeders and its vertex of the grid
RULE = "lines and substations of OpenStreetMap; ratings, impedances and transformers by a declared table (assumed)"
BEYOND_RULE = "as much for each inhabitant as where feeders are laid; at the nearest substation"


@dataclass
class Beyond:
    """Demand whose feeders are not laid (place): where it is [m RD], and its yearly amounts as those of buses."""

    x: np.ndarray
    y: np.ndarray
    household_energy: np.ndarray  # kWh/yr
    heat_demand: np.ndarray
    service_energy: np.ndarray
    industry_energy: np.ndarray
    pv_capacity: np.ndarray  # kW


BEYOND = {
    "household_energy": ("kWh yr-1", "appliances of homes whose feeders are not laid"),
    "heat_demand": ("kWh yr-1", "useful heat of their heat pumps"),
    "service_energy": ("kWh yr-1", "electricity of services whose feeders are not laid"),
    "industry_energy": ("kWh yr-1", "electricity of industry whose feeders are not laid"),
    "pv_capacity": ("kW", "photovoltaic peak capacity on roofs whose feeders are not laid"),
}


def join_high_voltage(
    power: xr.Dataset, grid: HighVoltageGrid, inside: np.ndarray, rules: HighVoltageRules | None = None, *,
    network: NetworkRules | None = None, beyond: Beyond | None = None, supplies: str = "substation", rule: str = RULE,
) -> xr.Dataset:  # fmt: skip
    """The ``power`` group with the high-voltage network of the vertices ``inside``, joined at its substations.

    Existing buses and branches keep their numbers. Each place of ``beyond`` goes to the nearest vertex of kind
    ``supplies``, which gets a busbar where it has none. Transformers are chosen by coincident peak. ``rule`` says where
    the grid comes from. Raises :class:`DataError` where a substation is at no vertex of the grid.
    """
    rules, network = rules or HighVoltageRules(), network or NetworkRules()
    laid = lay_high_voltage(grid, inside, rules)
    lowest = laid.lowest(supplies)
    tree = cKDTree(np.column_stack((laid.x[lowest], laid.y[lowest])))
    source, vertex = _feeding(power, tree, supplies)
    given = _beyond_of(tree, len(lowest), beyond)
    busbar = np.full(len(lowest), -1)
    busbar[vertex] = source
    bare = np.flatnonzero((busbar < 0) & (np.sum(list(given.values()), axis=0) > 0))
    first = power.sizes["bus"]  # high-voltage buses, then the busbars of substations without feeders
    high = first + np.arange(len(laid.level))
    busbar[bare] = first + len(laid.level) + np.arange(len(bare))
    peak = _peak(power, source, vertex, given, rules, network)
    kept = np.flatnonzero(busbar >= 0)
    place = _places(laid)
    bus = _buses(laid, place, lowest[bare], network)
    branch = _branches(laid, high, place, network.mv_voltage, rules.feeding, lowest[kept], busbar[kept], peak[kept])
    joined = _lengthened(_with_columns(power, rule), bus, branch, rule)
    total = first + len(bus["bus_x"])
    for name, (units, text) in BEYOND.items():
        amount = np.zeros(total)
        amount[busbar[kept]] = given[name][kept]
        attrs = {"units": units, "long_name": text, "synthetic": np.int32(1), "rule": BEYOND_RULE}
        joined[f"beyond_{name}"] = xr.Variable(("bus",), amount, attrs)
    joined["bus_kind"].attrs["long_name"] = "0 substation, 1 station, 2 low voltage, 3 high voltage"
    joined["branch_kind"].attrs["long_name"] = "0 line, 1 transformer, 2 high-voltage circuit"
    return xr.Dataset(joined, attrs={**power.attrs, "high_voltage_notes": "; ".join(laid.network.notes)})


def _feeding(power: xr.Dataset, tree: cKDTree, supplies: str) -> tuple[np.ndarray, np.ndarray]:
    """Source buses of the feeders, and the supplying vertex that each is at."""
    source = np.flatnonzero(np.isfinite(power["source_voltage"].values))
    at = np.column_stack((power["bus_x"].values[source], power["bus_y"].values[source]))
    away, vertex = tree.query(at)
    if (away > SAME_PLACE).any():
        k = int(away.argmax())
        raise DataError(
            f"power: {power['bus_id'].values[source[k]].decode()} is {away[k]:.0f} m from the nearest vertex of kind "
            f"{supplies!r} of the high-voltage grid; lay the feeders from its vertices"
        )
    return source, vertex


def _beyond_of(tree: cKDTree, vertices: int, beyond: Beyond | None) -> dict[str, np.ndarray]:
    """Amounts at each supplying vertex."""
    if beyond is None:
        return {name: np.zeros(vertices) for name in BEYOND}
    nearest = tree.query(np.column_stack((beyond.x, beyond.y)))[1]
    return {name: np.bincount(nearest, getattr(beyond, name), minlength=vertices) for name in BEYOND}


def _buses(laid: LaidHighVoltage, place: list[str], bare: np.ndarray, network: NetworkRules) -> dict[str, np.ndarray]:
    """Rows of the group for the high-voltage buses, then for new busbars at the buses ``bare``."""
    high, new = len(laid.level), len(bare)
    grid_voltage = np.zeros(high + new)
    grid_voltage[laid.network.source.bus] = laid.network.source.vm
    return {
        "bus_x": np.concatenate([laid.x, laid.x[bare]]),
        "bus_y": np.concatenate([laid.y, laid.y[bare]]),
        "bus_id": _ascii(
            [f"{n}-{v}-{u // 1000}kV" for n, v, u in zip(place, laid.vertex, laid.level, strict=True)]
            + [f"substation-{laid.vertex[b]}" for b in bare]
        ),
        "bus_voltage_rated": np.concatenate([laid.level, np.full(new, network.mv_voltage)]),
        "bus_kind": np.repeat([HIGH_VOLTAGE, 0], [high, new]),
        "source_voltage": np.repeat([np.nan, network.source_voltage], [high, new]),
        "grid_voltage": grid_voltage,
    }


def _with_columns(power: xr.Dataset, rule: str) -> xr.Dataset:
    """The group with the columns that only high voltage has, at their value for feeders."""
    made = {"synthetic": np.int32(1), "rule": rule}
    columns = (
        ("grid_voltage", "bus", "f8", "per-unit voltage that the grid beyond the province holds, 0 for none"),
        ("tap_step", "branch", "f8", "change of the turns ratio per position of the tap changer, 0 for none"),
        ("tap_most", "branch", "i1", "positions of the tap changer to either side of neutral"),
        ("branch_basis", "branch", "i1", "where the branch comes from; high-voltage ratings are assumed"),
    )
    wide = power.assign(
        {
            name: (dim, np.zeros(power.sizes[dim], dtype), {"units": "1", "long_name": text, **made})
            for name, dim, dtype, text in columns
        }
    )
    flags = {"flag_values": np.arange(len(BASES), dtype=np.int8), "flag_meanings": " ".join(BASES)}
    wide["branch_basis"].attrs |= flags
    return wide


def _lengthened(
    power: xr.Dataset, bus: dict[str, np.ndarray], branch: dict[str, np.ndarray], rule: str
) -> dict[Hashable, xr.Variable]:  # fmt: skip
    """Variables of the group with the rows of high voltage after their own; zeros where those say nothing."""
    new = bus | branch
    joined = {}
    for name, variable in power.variables.items():
        dim = variable.dims[0] if variable.dims else ""
        if dim not in ("bus", "branch"):
            joined[name] = variable
            continue
        count = len(bus["bus_x"]) if dim == "bus" else len(branch["branch_from"])
        added = np.asarray(new.get(str(name), np.zeros(count, variable.dtype)))
        if variable.dtype.kind != "S":
            added = added.astype(variable.dtype)
        attrs = dict(variable.attrs)
        if name in new and attrs.get("rule") not in (None, rule):
            attrs["rule"] = f"{attrs['rule']}; high voltage: {rule}"
        joined[name] = xr.Variable(variable.dims, np.concatenate([variable.values, added]), attrs)
    return joined


def _peak(
    power: xr.Dataset, source: np.ndarray, vertex: np.ndarray, given: dict[str, np.ndarray], rules: HighVoltageRules,
    network: NetworkRules,
) -> np.ndarray:  # fmt: skip
    """Coincident peak [VA] at each supplying vertex: that of the mean profile, as of many homes and of work."""
    names = ("household_energy", "service_energy", "industry_energy")
    forest, _ = feeders_of(power)
    fed = forest.component >= 0
    own = np.sum([power[name].values for name in names], axis=0)
    at_source = np.bincount(forest.component[fed], own[fed], minlength=power.sizes["bus"])
    energy = np.sum([given[name] for name in names], axis=0)
    energy += np.bincount(vertex, at_source[source], minlength=len(energy))
    return np.asarray(network.peak_over_mean * energy / HOURS_OF_YEAR * 1e3 / rules.power_factor)


def _branches(
    laid: LaidHighVoltage, high: np.ndarray, place: list[str], mv_voltage: float, feeding: Feeding,
    lowest: np.ndarray, busbar: np.ndarray, peak: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Rows of the group for the circuits and transformers, and for those to the busbars."""
    b, u = laid.network.branch, laid.network.v_rated
    base = u[b.end] ** 2 / BASE
    trafo = b.kind.astype(str) == "trafo"
    rating = np.empty(len(peak))
    for k, wanted in enumerate(peak):
        unit = next((s for s in feeding.s_rated if s >= wanted), feeding.s_rated[-1])
        rating[k] = unit * (1 + np.ceil(max(wanted, 1.0) / unit))  # one of them may be out
    z = (feeding.copper_loss + 1j * np.sqrt(feeding.short_circuit_voltage**2 - feeding.copper_loss**2)) / rating
    z_ohm = np.concatenate([b.z * base, z * mv_voltage**2])
    level = laid.level // 1000
    link = [str(of).rsplit("-", 1)[0].replace("-", "loose") for of in b.id]
    ids = [
        f"transformer-{place[i]}-{laid.vertex[i]}-{level[i]}/{level[j]}kV" if t
        else f"circuit-{place[i]}-{place[j]}-{k}-{level[i]}kV"
        for i, j, t, k in zip(b.start, b.end, trafo, link, strict=True)
    ] + [f"transformer-{place[i]}-{laid.vertex[i]}-{level[i]}/{mv_voltage / 1000:g}kV" for i in lowest]  # fmt: skip
    count, more = len(trafo), len(busbar)
    return {
        "branch_from": np.concatenate([high[b.start], high[lowest]]),
        "branch_to": np.concatenate([high[b.end], busbar]),
        "branch_kind": np.concatenate([np.where(trafo, TRANSFORMER, CIRCUIT), np.full(more, TRANSFORMER)]),
        "branch_id": _ascii(ids),
        "resistance": z_ohm.real,
        "reactance": z_ohm.imag,
        "susceptance": np.concatenate([(b.shunt_from + b.shunt_to).imag / base, np.zeros(more)]),
        "ratio": np.ones(count + more),
        "s_rated": np.concatenate([b.rated_from * BASE, rating]),
        "tap_step": np.repeat([0.0, feeding.tap_step], [count, more]),
        "tap_most": np.repeat([0, feeding.tap_positions], [count, more]),
        "branch_basis": np.concatenate([laid.basis, np.full(more, TO_MEDIUM_VOLTAGE)]),
    }


def _places(laid: LaidHighVoltage) -> list[str]:
    """A name of each bus's vertex: that on the map without its voltage, else its number there."""
    names = []
    for number, text in zip(laid.vertex, laid.network.bus_name, strict=True):
        words = str(text).split(";")[0].replace("'", " ").replace("kV", " kV ").split()
        kept = "_".join(w for w in words if w not in ("kV", "n/a") and any(c.isalpha() for c in w))
        names.append(kept.replace("/", "_") if kept and kept.lower() != "nan" else str(number))
    return names


def _ascii(texts: list[str]) -> np.ndarray:
    return np.array([t.encode("ascii", "ignore") for t in texts], "S")

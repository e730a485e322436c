"""The high-voltage network of a province from OpenStreetMap, as a network that can be solved.

OpenStreetMap knows where lines and substations are, how many circuits and often which voltage; it knows no
resistance, no rating and no transformer. Those come from the table below, and everything that is assumed is counted
in the network's notes. It is no operator's data: read loadings as an order of magnitude.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from twin.errors import DataError
from twin.readers.osm_power import HighVoltageGrid
from twin.readers.power_network import BASE, PowerNetwork
from twin.world.line_type import LineType

__all__ = [
    "BASES",
    "TO_MEDIUM_VOLTAGE",
    "HighVoltageRules",
    "LaidHighVoltage",
    "high_voltage_network",
    "lay_high_voltage",
]


class Coupling(BaseModel):
    """Transformers between two voltage levels: rating of each [VA], short-circuit voltage [pu], how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    s_rated: float = Field(gt=0)
    short_circuit_voltage: float = Field(gt=0)
    count: int = Field(ge=1)


class Feeding(BaseModel):
    """Transformers to medium voltage: ratings to choose from [VA], short-circuit voltage and load loss [pu], taps.

    As many of one rating as carry the coincident peak with one of them out. Load loss, steps of the ratio and positions
    to either side are those of SimBench's 110 kV units (ODbL), ratings and short-circuit voltage typical Dutch ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    s_rated: tuple[float, ...] = Field(default=(20e6, 40e6, 66e6), min_length=1)
    short_circuit_voltage: float = Field(default=0.18, gt=0)
    copper_loss: float = Field(default=0.0035, ge=0)
    tap_step: float = Field(default=0.015, ge=0)
    tap_positions: int = Field(default=9, ge=0)


class HighVoltageRules(BaseModel):
    """Typical ratings of overhead circuits and transformers [K/A: general knowledge and assumption]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    circuits: dict[int, LineType] = {  # V
        380_000: LineType(s_rated=1.9e9, r=0.03, x=0.28, c=0.013),
        220_000: LineType(s_rated=0.9e9, r=0.05, x=0.32, c=0.012),
        150_000: LineType(s_rated=300e6, r=0.06, x=0.40, c=0.009),
        110_000: LineType(s_rated=200e6, r=0.07, x=0.40, c=0.009),
        50_000: LineType(s_rated=50e6, r=0.12, x=0.39, c=0.009),
    }
    couplings: dict[int, Coupling] = {  # V of the upper level
        380_000: Coupling(s_rated=500e6, short_circuit_voltage=0.18, count=2),
        220_000: Coupling(s_rated=300e6, short_circuit_voltage=0.16, count=2),
        150_000: Coupling(s_rated=100e6, short_circuit_voltage=0.14, count=2),
        110_000: Coupling(s_rated=80e6, short_circuit_voltage=0.14, count=2),
    }
    feeding: Feeding = Feeding()
    missing_voltage: int = 150_000  # of links whose own and whose ends' voltage is not known
    source_voltage: float = Field(default=1.03, gt=0)  # pu held by the grid beyond the province
    power_factor: float = Field(default=0.97, gt=0, le=1)
    detour: float = 1.3  # of links made up to join a part that hangs loose, over the straight distance


def high_voltage_network(
    grid: HighVoltageGrid, inside: np.ndarray, load_x: np.ndarray, load_y: np.ndarray, load: np.ndarray,
    rules: HighVoltageRules | None = None, *, supplies: str = "substation",
) -> PowerNetwork:  # fmt: skip
    """Network of the vertices ``inside`` (vertex), fed over the links that cross the border.

    ``load`` (place) [MW] at ``load_x``, ``load_y`` [m] goes to the nearest vertex of kind ``supplies``, on its lowest
    level. The far ends of crossing links of the highest voltage hold ``source_voltage``; crossing links of lower
    voltage are left out. Assumptions are counted in ``notes``. Raises :class:`DataError` where nothing crosses.
    """
    laid = lay_high_voltage(grid, inside, rules)
    _add_loads(laid, load_x, load_y, load, rules or HighVoltageRules(), supplies)
    return laid.network.check()


@dataclass
class LaidHighVoltage:
    """A high-voltage network without loads, and what its buses and branches come from."""

    network: PowerNetwork
    vertex: np.ndarray  # (bus) of the source
    level: np.ndarray  # (bus) V
    x: np.ndarray  # (bus) m
    y: np.ndarray
    kind: np.ndarray  # (bus) of the vertex
    inside: np.ndarray  # (bus)
    basis: np.ndarray  # (branch) code of :data:`BASES`

    def lowest(self, supplies: str) -> np.ndarray:
        """The bus on the lowest level of each vertex inside of kind ``supplies``, in order of vertex."""
        can = np.flatnonzero((self.kind == supplies) & self.inside)
        if not len(can):
            raise DataError(f"high-voltage grid: no vertex of kind {supplies!r} inside to supply from")
        order = can[np.lexsort((self.level[can], self.vertex[can]))]
        return np.asarray(order[np.unique(self.vertex[order], return_index=True)[1]])


BASES = (  # what a branch comes from; ratings and impedances of all but the first are assumed by the tables above
    "laid_by_rule",
    "mapped_circuits",
    "mapped_circuits_of_assumed_voltage",
    "made_up_to_join_a_loose_part",
    "assumed_transformers_between_levels",
    "assumed_transformers_to_medium_voltage",
)
MAPPED, MAPPED_AT_ASSUMED_VOLTAGE, MADE_UP, BETWEEN_LEVELS, TO_MEDIUM_VOLTAGE = range(1, 6)


def lay_high_voltage(
    grid: HighVoltageGrid, inside: np.ndarray, rules: HighVoltageRules | None = None
) -> LaidHighVoltage:  # fmt: skip
    """Lines, transformers and sources as in :func:`high_voltage_network`, without loads."""
    rules = rules or HighVoltageRules()
    links = _circuits(grid, rules)
    ids = grid.vertices.index.to_numpy()
    within = set(ids[inside].tolist())
    a, b = links["from"].isin(within), links["to"].isin(within)
    crossing = links[a ^ b]
    if not len(crossing):
        raise DataError("high-voltage grid: no link crosses the border; nothing feeds the province")
    top = int(crossing["level"].max())
    fed = crossing[crossing["level"] == top]
    own = links[a & b]
    joined = _join(grid, own, within, rules)
    used = pd.concat([part for part in (own, fed, joined) if len(part)])
    ends = pd.unique(
        pd.Series([*zip(used["from"], used["level"]), *zip(used["to"], used["level"])], dtype=object)
    ).tolist()  # fmt: skip
    number = {end: k for k, end in enumerate(sorted(ends))}
    vertex, level = (np.array(c) for c in zip(*sorted(ends), strict=True))
    network = PowerNetwork(
        "high-voltage grid", np.array([f"{v}-{u // 1000}" for v, u in zip(vertex, level, strict=True)], object),
        grid.vertices["name"].reindex(vertex).to_numpy(object), level.astype(float), np.ones(len(level), bool),
        equal_sources=True,
    )  # fmt: skip
    _add_lines(network, used, number, rules)
    coupled = _add_couplings(network, vertex, level, number, rules)
    far = sorted({int(v) for row in fed.itertuples() for v in (row[1], row[2]) if v not in within})
    bus = np.array([number[v, top] for v in far])
    network.source.add(len(bus), id=network.bus_id[bus], bus=bus, vm=rules.source_voltage, va=0.0)
    network.notes += [
        "ratings, impedances and transformers by the declared table; no operator's data",
        f"{int(used['assumed'].sum())} of {len(used)} groups of circuits without a voltage of their own",
        f"{len(joined)} links made up to join parts that hang loose",
        f"{coupled} sets of transformers between levels of one vertex assumed",
        f"{len(crossing) - len(fed)} crossing links below {top // 1000} kV left out",
        "generators inside the province are not dispatched",
    ]
    basis = np.where(used["link"] < 0, MADE_UP, np.where(used["assumed"], MAPPED_AT_ASSUMED_VOLTAGE, MAPPED))
    x, y = grid.vertices.loc[vertex, ["x", "y"]].to_numpy().T
    return LaidHighVoltage(
        network, vertex, level, x, y, grid.vertices["kind"].reindex(vertex).to_numpy(),
        np.isin(vertex, list(within)), np.concatenate([basis, np.full(coupled, BETWEEN_LEVELS)]),
    )  # fmt: skip


def _circuits(grid: HighVoltageGrid, rules: HighVoltageRules) -> pd.DataFrame:
    """One row per link and level: ``from``, ``to``, ``level`` [V], ``count`` of circuits, ``length``, ``assumed``."""
    known = grid.vertices["voltages"]
    rows = []
    for ident, a, b, voltages, length in grid.links[["from", "to", "voltages", "length"]].itertuples():
        real = [v for v in voltages if v in rules.circuits]
        shared = [v for v in set(known[a]) & set(known[b]) if v in rules.circuits]
        fallback = max(shared, default=rules.missing_voltage)
        unknown = sum(v == 0 for v in voltages) if voltages else 1
        for level in sorted({*real, *([fallback] if unknown else [])}):
            count = real.count(level) + (unknown if level == fallback else 0)
            rows.append((ident, int(a), int(b), level, count, length, level not in real))
    columns = ["link", "from", "to", "level", "count", "length", "assumed"]
    table = pd.DataFrame(rows, columns=columns)
    return table[["from", "to", "level", "count", "length", "assumed", "link"]]


def _join(grid: HighVoltageGrid, own: pd.DataFrame, within: set[int], rules: HighVoltageRules) -> pd.DataFrame:
    """Links from each loose part inside to the nearest vertex of the largest part."""
    ids = np.array(sorted(within))
    place = {v: k for k, v in enumerate(ids.tolist())}
    a, b = own["from"].map(place).to_numpy(), own["to"].map(place).to_numpy()
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(ids), len(ids)))
    count, part = connected_components(graph, directed=False)
    main = int(np.bincount(part).argmax())
    xy = grid.vertices.loc[ids, ["x", "y"]].to_numpy()
    at_missing = own["level"] == rules.missing_voltage
    carries = np.isin(ids, own[["from", "to"]][at_missing].to_numpy())
    target = np.flatnonzero((part == main) & carries)
    rows = []
    for k in range(count):
        if k == main:
            continue
        mine = np.flatnonzero(part == k)
        away, nearest = cKDTree(xy[target]).query(xy[mine])
        m = int(away.argmin())
        pair = int(ids[mine[m]]), int(ids[target[nearest[m]]])
        rows.append((*pair, rules.missing_voltage, 1, max(rules.detour * float(away[m]), 100.0), True, -1 - k))
    return pd.DataFrame(rows, columns=own.columns)


def _add_lines(network: PowerNetwork, used: pd.DataFrame, number: dict, rules: HighVoltageRules) -> None:
    for row in used.itertuples(index=False):
        a, b, level, count, length, _, link = row
        circuit, km = rules.circuits[level], length / 1000.0
        base = level**2 / BASE
        shunt = 0.5j * 2 * np.pi * network.frequency * circuit.c * 1e-6 * km * count * base
        z = (circuit.r + 1j * circuit.x) * km / count / base
        rated = circuit.s_rated * count / BASE
        network.branch.add(
            1, id=f"{link}-{level // 1000}", kind="line", start=number[a, level], end=number[b, level], z=z, z_back=z,
            ratio=1.0, shunt_from=shunt, shunt_to=shunt, rated_from=rated, rated_to=rated, from_closed=True,
            to_closed=True, active=True,
        )  # fmt: skip


def _add_couplings(
    network: PowerNetwork, vertex: np.ndarray, level: np.ndarray, number: dict, rules: HighVoltageRules
) -> int:  # fmt: skip
    """Transformers between neighbouring levels of each vertex; returns how many sets."""
    sets = 0
    for v in np.unique(vertex):
        levels = sorted(level[vertex == v].tolist(), reverse=True)
        for upper, lower in pairwise(levels):
            kind = rules.couplings[upper]
            z = 1j * kind.short_circuit_voltage * BASE / (kind.s_rated * kind.count)
            rated = kind.s_rated * kind.count / BASE
            network.branch.add(
                1, id=f"{v}-{upper // 1000}-{lower // 1000}", kind="trafo", start=number[v, upper],
                end=number[v, lower], z=z, z_back=z, ratio=1.0, shunt_from=0.0, shunt_to=0.0, rated_from=rated,
                rated_to=rated, from_closed=True, to_closed=True, active=True,
            )  # fmt: skip
            sets += 1
    return sets


def _add_loads(
    laid: LaidHighVoltage, x: np.ndarray, y: np.ndarray, load: np.ndarray, rules: HighVoltageRules, supplies: str
) -> None:
    network, bus = laid.network, laid.lowest(supplies)
    nearest = cKDTree(np.column_stack((laid.x[bus], laid.y[bus]))).query(np.column_stack((x, y)))[1]
    p = np.bincount(nearest, load, minlength=len(bus))
    some = p > 0
    tangent = np.sqrt(1.0 / rules.power_factor**2 - 1.0)
    network.load.add(
        int(some.sum()), id=network.bus_id[bus[some]], kind="load", bus=bus[some], p=p[some], q=tangent * p[some],
        ip=0.0, iq=0.0, zp=0.0, zq=0.0, profile="",
    )  # fmt: skip

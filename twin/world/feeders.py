"""The feeders of a province's power group and the mesh that supplies them, per unit on 1 MVA, ready for the solvers."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from kernels.power.forest import Forest, plant
from kernels.power.mesh import admittance, weave
from kernels.power.newton import HELD, PQ
from kernels.power.supply import Supply

__all__ = ["BASE", "HIGH_VOLTAGE", "HighVoltage", "feeders_of", "high_voltage_of", "of_high_voltage", "stations_of"]

BASE = 1e6  # VA, power base of the per-unit system
HIGH_VOLTAGE = 3  # kind of bus


def feeders_of(power: xr.Dataset) -> tuple[Forest, np.ndarray]:
    """Forest of a ``power`` group (docs/world.md) and the source voltages (bus, 1) complex, NaN elsewhere.

    The forest's ``code`` says where there is none: a loop, or two sources on one feeder. High-voltage buses and
    branches are no part of it: the substations that they supply are its sources.
    """
    v, source = power["bus_voltage_rated"].values, power["source_voltage"].values
    start, end = power["branch_from"].values, power["branch_to"].values
    held = np.isfinite(source)
    z_base = v[end] ** 2 / BASE
    half = 0.5j * power["susceptance"].values * z_base
    rated = power["s_rated"].values / BASE
    forest = plant(
        v.size, start, end, ~of_high_voltage(power), held,
        (power["resistance"].values + 1j * power["reactance"].values) / z_base,
        power["ratio"].values.astype(complex), half, half, np.zeros(v.size, complex), rated, rated,
    )  # fmt: skip
    return forest, np.where(held, source, np.nan).astype(complex)[:, None]


def of_high_voltage(power: xr.Dataset) -> np.ndarray:
    """Branches (branch) of the high-voltage network, with the transformers from it to the substations' busbars."""
    if "bus_kind" not in power:
        return np.zeros(power.sizes["branch"], bool)
    return np.asarray(power["bus_kind"].values[power["branch_from"].values] == HIGH_VOLTAGE)


@dataclass
class HighVoltage:
    """The high-voltage network of a power group, and the solver made ready for it."""

    bus: np.ndarray  # buses of the group, in the order of the solver's
    fed: np.ndarray  # (bus) has a path to the grid beyond the province
    held: np.ndarray  # (bus) that grid holds its voltage
    branch: np.ndarray  # branches of the group between those buses
    start: np.ndarray  # (branch) place in ``bus``
    end: np.ndarray
    z: np.ndarray  # (branch) pu
    shunt: np.ndarray  # (branch) pu at either end
    ratio: np.ndarray
    transformer: np.ndarray  # branches of the group to the substations, in the order of the solver's
    busbar: np.ndarray  # (transformer) bus of the group
    supply: Supply


def high_voltage_of(power: xr.Dataset) -> HighVoltage | None:
    """The high-voltage network of a ``power`` group (docs/world.md), None where it has none."""
    mine = of_high_voltage(power)
    if not mine.any():
        return None
    kind, v = power["bus_kind"].values, power["bus_voltage_rated"].values
    start, end = power["branch_from"].values, power["branch_to"].values
    bus = np.flatnonzero(kind == HIGH_VOLTAGE)
    place = np.full(kind.size, -1)
    place[bus] = np.arange(bus.size)
    inner = np.flatnonzero(mine & (kind[end] == HIGH_VOLTAGE))
    down = np.flatnonzero(mine & (kind[end] != HIGH_VOLTAGE))
    a, b = place[start[inner]], place[end[inner]]

    def impedance(rows: np.ndarray) -> np.ndarray:
        base = v[end[rows]] ** 2 / BASE
        return np.asarray((power["resistance"].values[rows] + 1j * power["reactance"].values[rows]) / base)

    z, ratio = impedance(inner), power["ratio"].values[inner].astype(complex)
    shunt = 0.5j * power["susceptance"].values[inner] * v[end[inner]] ** 2 / BASE
    given = power["grid_voltage"].values[bus]
    held = given > 0
    _, part = connected_components(coo_matrix((np.ones(a.size), (a, b)), shape=(bus.size, bus.size)), directed=False)
    fed = np.isin(part, part[held])
    rows, columns, values = admittance(bus.size, a, b, z, z, ratio, shunt, shunt, np.zeros(bus.size, complex))
    mesh = weave(bus.size, rows, columns, values, np.where(held, HELD, PQ), fed)
    begin = np.where(held, given, given[held].mean() if held.any() else 1.0).astype(complex)
    live = fed[place[start[down]]]
    down = down[live]
    supply = Supply(
        mesh, begin, place[start[down]], impedance(down), power["ratio"].values[down], power["tap_step"].values[down],
        power["tap_most"].values[down], power["source_voltage"].values[end[down]],
    )  # fmt: skip
    return HighVoltage(
        bus, fed, held, inner, a, b, z, shunt, ratio, down, end[down], supply
    )  # fmt: skip


def stations_of(
    buses: int, branch_from: np.ndarray, branch_to: np.ndarray, branch_kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Buses that head a group (a transformer's low side, or a source), and the group (bus) of each bus.

    Branches point away from the source; ``branch_kind`` is 1 at transformers.
    """
    above, by_line = np.full(buses, -1), np.zeros(buses, bool)
    above[branch_to] = branch_from
    by_line[branch_to] = branch_kind == 0
    station = np.arange(buses)
    while True:  # one branch towards the source per round, until a transformer or a source
        climbs = by_line[station] & (above[station] >= 0)
        if not climbs.any():
            break
        station = np.where(climbs, above[station], station)
    return np.unique(station, return_inverse=True)

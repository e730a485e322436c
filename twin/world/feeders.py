"""The feeders of a province's power group: its buses and branches ordered for sweeps, per unit on 1 MVA."""

import numpy as np
import xarray as xr

from kernels.power.forest import Forest, plant

__all__ = ["BASE", "feeders_of", "stations_of"]

BASE = 1e6  # VA, power base of the per-unit system


def feeders_of(power: xr.Dataset) -> tuple[Forest, np.ndarray]:
    """Forest of a ``power`` group (docs/world.md) and the source voltages (bus, 1) complex, NaN elsewhere.

    The forest's ``code`` says where there is none: a loop, or two sources on one feeder.
    """
    v, source = power["bus_voltage_rated"].values, power["source_voltage"].values
    start, end = power["branch_from"].values, power["branch_to"].values
    held = np.isfinite(source)
    z_base = v[end] ** 2 / BASE
    half = 0.5j * power["susceptance"].values * z_base
    rated = power["s_rated"].values / BASE
    forest = plant(
        v.size, start, end, np.ones(start.size, bool), held,
        (power["resistance"].values + 1j * power["reactance"].values) / z_base,
        power["ratio"].values.astype(complex), half, half, np.zeros(v.size, complex), rated, rated,
    )  # fmt: skip
    return forest, np.where(held, source, np.nan).astype(complex)[:, None]


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

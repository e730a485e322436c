"""Congestion of a run: which transformer or cable, how long, how far, and what it could not carry."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from kernels.power.congestion import accumulate_loading, accumulate_voltage, age
from twin.analysis.indicators import step_seconds
from twin.errors import RecordError

__all__ = ["congestion", "congestion_of"]

STEPS = 168  # read at a time, so that a year is never held
LOW, HIGH = 0.9, 1.1  # pu; supply voltage within 10 % of nominal (order of EN 50160)


def congestion(run: xr.DataTree, *, ambient: float = 20.0) -> xr.Dataset:
    """Congestion record of every branch and bus of an opened run.

    Steps that the power flow did not solve count as ``unknown_hours`` and for nothing else. ``ambient`` [degC] is
    the constant temperature around transformers for their ageing. Raises :class:`RecordError` where the file holds
    no loading.
    """
    data = run.to_dataset()
    for name in ("branch_loading", "bus_voltage", "branch_s_rated"):
        if name not in data.variables:
            raise RecordError(
                f"{run.encoding.get('source', run.name)}: holds no {name}; run component power_flow and record it"
            )
    hours = step_seconds(data) / 3600.0
    source = data[["branch_loading", "bus_voltage"]]

    def slab(start: int) -> tuple[np.ndarray, np.ndarray]:
        part = source.isel(time=slice(start, start + STEPS))
        return part["branch_loading"].values, part["bus_voltage"].values

    slabs = (slab(start) for start in range(0, len(hours), STEPS))
    table = congestion_of(slabs, hours, data["branch_s_rated"].values, data["branch_kind"].values == 1, ambient)
    for name in ("branch_id", "branch_kind", "branch_s_rated", "bus_id", "bus_x", "bus_y"):
        table[name] = data[name].variable
    return table


def congestion_of(
    slabs: Iterable[tuple[np.ndarray, np.ndarray]], hours: np.ndarray, s_rated: np.ndarray, transformer: np.ndarray,
    ambient: float,
) -> xr.Dataset:  # fmt: skip
    """As :func:`congestion`, from consecutive slabs (loading (step, branch), voltage (step, bus)).

    ``hours`` (step) over all slabs, ``s_rated`` (branch) [VA], ``transformer`` (branch) bool.
    """
    assets, begun, buses = len(s_rated), 0, 0
    full, heavy, running, longest, lost, unknown, aged = (np.zeros(assets) for _ in range(7))
    peak = np.full(assets, -np.inf)
    below = above = unseen = lowest = highest = np.zeros(0)
    for loading, voltage in slabs:
        if begun == 0:
            buses = voltage.shape[1]
            below, above, unseen = (np.zeros(buses) for _ in range(3))
            lowest, highest = np.full(buses, np.inf), np.full(buses, -np.inf)
        here = hours[begun : begun + len(loading)]
        loading, voltage = (np.ascontiguousarray(x.T, np.float64) for x in (loading, voltage))
        accumulate_loading(loading, s_rated / 1e6, here, full, heavy, peak, running, longest, lost, unknown)
        age(loading, np.full(len(here), ambient), here, aged)
        accumulate_voltage(voltage, here, LOW, HIGH, below, above, lowest, highest, unseen)
        begun += len(here)
    aged[~transformer] = np.nan

    def v(dim: str, values: np.ndarray, units: str, text: str) -> tuple:
        return dim, np.where(np.isfinite(values), values, np.nan), {"units": units, "long_name": text}

    return xr.Dataset(
        {
            "overloaded_hours": v("branch", full, "h", "hours above the rating"),
            "heavily_overloaded_hours": v("branch", heavy, "h", "hours above 1.2 times the rating"),
            "highest_loading": v("branch", peak, "1", "highest loading over rating"),
            "longest_overload": v("branch", longest, "h", "longest run of hours above the rating"),
            "not_transportable": v("branch", lost, "MVA h", "energy above the rating"),
            "life_used": v("branch", aged, "h", "hours of normal transformer life used; NaN for cables"),
            "unknown_hours": v("branch", unknown, "h", "hours that were not solved"),
            "low_voltage_hours": v("bus", below, "h", "hours below 0.9 per unit"),
            "high_voltage_hours": v("bus", above, "h", "hours above 1.1 per unit"),
            "lowest_voltage": v("bus", lowest, "1", "lowest voltage, per unit"),
            "highest_voltage": v("bus", highest, "1", "highest voltage, per unit"),
            "unknown_voltage_hours": v("bus", unseen, "h", "hours that were not solved"),
        },
        attrs={"hours": float(hours.sum()), "ambient": ambient},
    )

"""Congestion of a run: which transformer or cable, how long, how far, and what it could not carry."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from kernels.power.congestion import accumulate_loading, accumulate_voltage, age
from twin.analysis.indicators import step_seconds
from twin.errors import RecordError

__all__ = ["CIRCUIT", "TO_MEDIUM_VOLTAGE", "CongestionRecord", "congestion", "congestion_of"]

STEPS = 168  # read at a time, so that a year is never held
TO_MEDIUM_VOLTAGE = 5  # branch_basis of transformers of substations (docs/world.md)
CIRCUIT = 2  # branch_kind of high-voltage circuits
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
    if "branch_basis" in data:
        table["branch_basis"] = data["branch_basis"].variable
    return table


def congestion_of(
    slabs: Iterable[tuple[np.ndarray, np.ndarray]], hours: np.ndarray, s_rated: np.ndarray, transformer: np.ndarray,
    ambient: float,
) -> xr.Dataset:  # fmt: skip
    """As :func:`congestion`, from consecutive slabs (loading (step, branch), voltage (step, bus)).

    ``hours`` (step) over all slabs, ``s_rated`` (branch) [VA], ``transformer`` (branch) bool.
    """
    record, begun = None, 0
    for loading, voltage in slabs:
        if record is None:
            record = CongestionRecord(s_rated, transformer, voltage.shape[1])
        here = hours[begun : begun + len(loading)]
        loading, voltage = (np.ascontiguousarray(x.T, np.float64) for x in (loading, voltage))
        record.add(loading, voltage, here, np.full(len(here), ambient))
        begun += len(here)
    table = (record or CongestionRecord(s_rated, transformer, 0)).table()
    return table.assign_attrs(hours=float(hours.sum()), ambient=ambient)


class CongestionRecord:
    """Congestion of assets and buses, added up batch by batch; holds one number of each kind per asset and bus."""

    def __init__(self, s_rated: np.ndarray, transformer: np.ndarray, buses: int) -> None:
        """``s_rated`` (branch) [VA], ``transformer`` (branch) bool, number of ``buses``."""
        assets = len(s_rated)
        self._rated, self._transformer = s_rated / 1e6, np.flatnonzero(transformer)
        self._full, self._heavy, self._running, self._longest, self._lost, self._unknown = np.zeros((6, assets))
        self._peak, self._aged = np.full(assets, -np.inf), np.full(assets, np.nan)
        self._life = np.zeros(len(self._transformer))
        self._below, self._above, self._unseen = np.zeros((3, buses))
        self._lowest, self._highest = np.full(buses, np.inf), np.full(buses, -np.inf)

    def add(self, loading: np.ndarray, voltage: np.ndarray, hours: np.ndarray, ambient: np.ndarray) -> None:
        """Add consecutive steps: ``loading`` (branch, step), ``voltage`` (bus, step) [pu], ``hours``, ``ambient``."""
        accumulate_loading(
            loading, self._rated, hours, self._full, self._heavy, self._peak, self._running, self._longest,
            self._lost, self._unknown,
        )  # fmt: skip
        age(loading[self._transformer], ambient, hours, self._life)
        accumulate_voltage(
            voltage, hours, LOW, HIGH, self._below, self._above, self._lowest, self._highest, self._unseen
        )  # fmt: skip

    def table(self, branch: np.ndarray | None = None, branches: int | None = None) -> xr.Dataset:
        """The record so far; ``branch`` (asset) puts the assets at their places among ``branches``, NaN elsewhere."""
        self._aged[self._transformer] = self._life

        def v(dim: str, values: np.ndarray, units: str, text: str) -> tuple:
            if dim == "branch" and branch is not None:
                spread = np.full(branches or 0, np.nan)
                spread[branch] = values
                values = spread
            return dim, np.where(np.isfinite(values), values, np.nan), {"units": units, "long_name": text}

        return xr.Dataset(
            {
                "overloaded_hours": v("branch", self._full, "h", "hours above the rating"),
                "heavily_overloaded_hours": v("branch", self._heavy, "h", "hours above 1.2 times the rating"),
                "highest_loading": v("branch", self._peak, "1", "highest loading over rating"),
                "longest_overload": v("branch", self._longest, "h", "longest run of hours above the rating"),
                "not_transportable": v("branch", self._lost, "MVA h", "energy above the rating"),
                "life_used": v("branch", self._aged, "h", "hours of normal transformer life used; NaN for cables"),
                "unknown_hours": v("branch", self._unknown, "h", "hours that were not solved"),
                "low_voltage_hours": v("bus", self._below, "h", "hours below 0.9 per unit"),
                "high_voltage_hours": v("bus", self._above, "h", "hours above 1.1 per unit"),
                "lowest_voltage": v("bus", self._lowest, "1", "lowest voltage, per unit"),
                "highest_voltage": v("bus", self._highest, "1", "highest voltage, per unit"),
                "unknown_voltage_hours": v("bus", self._unseen, "h", "hours that were not solved"),
            }
        )

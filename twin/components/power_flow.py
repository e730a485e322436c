"""Power flow of the province's radial feeders: voltage of every bus, loading and losses of every asset."""

from types import SimpleNamespace
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import Field

from kernels.power.forest import Forest
from kernels.power.status import ISLANDED, OK, STATUS_NAMES
from kernels.power.tree import LOOP, RADIAL
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.errors import ConvergenceError, DataError
from twin.world.feeders import BASE, feeders_of

__all__ = ["PowerFlow"]

KW_TO_PU = 1e3 / BASE
PU_TO_KW = BASE / 1e3
NAMED = 8  # ids printed in a message before "and N more"


class PowerFlow(Component):
    """Balanced power flow of radial networks by backward/forward sweep, each hour from a flat start.

    Loads draw constant power. Buses without a source are an error unless ``islands`` is ``deenergise``; feeders that do
    not converge are NaN with their status where ``on_failure`` is ``record``, and end the run where it is ``fail``.
    """

    leaves_out = (
        "meshed operation, unbalance, voltage-dependent load, tap changers in operation, protection; voltage at the "
        "substation is held at its set point"
    )

    class Options(ComponentOptions):
        """Tolerance of voltage [pu], sweeps, and what happens to islands and failed feeders."""

        tolerance: float = Field(default=1e-11, gt=0)
        max_iterations: int = Field(default=200, ge=1)
        islands: Literal["refuse", "deenergise"] = "refuse"
        on_failure: Literal["record", "fail"] = "record"

    load = In("bus_load", ("bus",), "kW", over="mean")
    reactive = In("bus_reactive", ("bus",), "kvar", over="mean")
    branch_from = Static("power/branch_from", ("branch",), "1")
    branch_to = Static("power/branch_to", ("branch",), "1")
    resistance = Static("power/resistance", ("branch",), "ohm")
    reactance = Static("power/reactance", ("branch",), "ohm")
    susceptance = Static("power/susceptance", ("branch",), "S")
    ratio = Static("power/ratio", ("branch",), "1")
    s_rated = Static("power/s_rated", ("branch",), "VA")
    voltage_rated = Static("power/bus_voltage_rated", ("bus",), "V")
    source_voltage = Static("power/source_voltage", ("bus",), "1")

    voltage = Out(
        "bus_voltage", ("bus",), "1", "voltage over rated voltage (per unit), NaN where not solved", initial=np.nan
    )
    loading = Out(
        "branch_loading", ("branch",), "1", "current over rated current, the larger of both ends", initial=np.nan
    )
    power = Out("branch_power", ("branch",), "kW", "active power into the from end", additive=False)
    losses = Out("branch_losses", ("branch",), "kW", "active losses")
    status = Out(
        "power_status",
        ("bus",),
        "1",
        f"power flow status: {', '.join(f'{i} {name}' for i, name in enumerate(STATUS_NAMES))}",
        dtype="i1",
        cell_methods="time: point",
    )

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Order the network into feeders; refuse loops, joined sources and buses without a source."""
        self._check(s, world)
        held = np.isfinite(s.source_voltage)
        self._forest, self._source = feeders_of(world["power"].dataset)
        self._refuse(self._forest, world)
        self._held = held
        self._fed = self._forest.component >= 0
        self._out = self._forest.allocate(1, current=False, loading=True, magnitude=True, flow=True)
        self._scratch = self._forest.scratch()
        self._bus_status = np.zeros(held.size, np.int8)

    def _check(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        branches, buses = world["power"].ds["branch_id"].values, world["power"].ds["bus_id"].values
        for field, ids, bad in (
            ("resistance, reactance", branches, ~np.isfinite(s.resistance + s.reactance)),
            ("susceptance", branches, ~np.isfinite(s.susceptance)),
            ("ratio", branches, ~(s.ratio > 0)),
            ("s_rated", branches, ~(s.s_rated > 0)),
            ("bus_voltage_rated", buses, ~(s.voltage_rated > 0)),
        ):
            if bad.any():
                raise DataError(
                    f"world power/{field}: not a possible value at {_named(ids[bad])}; correct the network's data"
                )

    def _refuse(self, forest: Forest, world: xr.DataTree) -> None:
        if forest.code != RADIAL:
            branch = world["power"].ds["branch_id"].values[forest.culprit : forest.culprit + 1]
            what = "closes a loop" if forest.code == LOOP else "joins two sources"
            raise DataError(
                f"world power: branch {_named(branch)} {what}; component power_flow solves radial feeders: open the "
                f"branch in the network's data"
            )
        lone = forest.component < 0
        if lone.any() and self.options.islands == "refuse":
            raise DataError(
                f"world power: {lone.sum()} buses have no path to a source: "
                f"{_named(world['power'].ds['bus_id'].values[lone])}; connect them, or set "
                f'islands = "deenergise" in [components.power_flow] to leave them without supply'
            )

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Solve the hour's mean loads."""
        forest, out = self._forest, self._out
        forest.solve(
            out,
            self._source,
            s.load[:, None],
            s.reactive[:, None],
            scale=KW_TO_PU,
            tolerance=self.options.tolerance,
            max_iterations=self.options.max_iterations,
            scratch=self._scratch,
        )
        p_from, _, p_to, _ = out.flow
        s.voltage[:] = out.magnitude[:, 0]
        s.loading[:] = np.nan
        s.loading[forest.branch] = out.loading[:, 0]
        s.power[:] = p_from[:, 0] * PU_TO_KW
        s.losses[:] = (p_from[:, 0] + p_to[:, 0]) * PU_TO_KW
        self._bus_status[:] = ISLANDED
        self._bus_status[self._held] = OK
        self._bus_status[forest.order] = out.status[forest.block_of_bus[forest.order], 0]
        s.status[:] = self._bus_status
        if self.options.on_failure == "fail" and (out.status > OK).any():
            self._stop(clock)
        self._book(s, clock)

    def _stop(self, clock: Moment) -> None:
        counts = np.bincount(self._out.status.ravel(), minlength=len(STATUS_NAMES))
        listed = ", ".join(f"{n} {STATUS_NAMES[i]}" for i, n in enumerate(counts) if i != OK and n)
        raise ConvergenceError(
            f"power flow at {clock.start.isoformat()}: feeders that were not solved: {listed}; lower the load, "
            f'strengthen the feeder, or set on_failure = "record" in [components.power_flow]'
        )

    def _book(self, s: SimpleNamespace, clock: Moment) -> None:
        """All energy is taken; what reaches solved buses balances with the sources and the losses."""
        hours = clock.hours
        clock.ledger.take("bus_energy", float(s.load.sum()) * hours, "kWh")
        solved = self._bus_status == OK
        if not solved.all():
            clock.ledger.give("energy_not_solved", float(s.load[~solved].sum()) * hours, "kWh")
        # current drawn by the feeders, and the source buses' own load and shunts
        forest, out = self._forest, self._out
        voltage = self._source[forest.root, 0]
        given = np.nansum((voltage * np.conj(out.source_real[:, 0] + 1j * out.source_imag[:, 0])).real) * PU_TO_KW
        load = s.load[solved]
        own = float(s.load[self._held].sum())
        generation = float(-load[load < 0].sum())
        losses = float(np.nansum(s.losses))
        clock.ledger.balance(
            "bus_energy",
            inflow=(float(given) + own + generation) * hours,
            outflow=(float(load[load > 0].sum()) + losses) * hours,
            units="kWh",
            tolerance=1e-9,
        )


def _named(ids: np.ndarray) -> str:
    """The first few ids, and how many more there are."""
    texts = [i.decode() if isinstance(i, bytes) else str(i) for i in ids[:NAMED]]
    return ", ".join(texts) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")

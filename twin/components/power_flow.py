"""Power flow of the province's radial feeders: voltage of every bus, loading and losses of every asset."""

from types import SimpleNamespace
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import Field

from kernels.power.droop import SETTLED, settle
from kernels.power.exchange import exchange_of
from kernels.power.forest import Forest
from kernels.power.status import COLLAPSED, ISLANDED, MAX_ITERATIONS, OK, STATUS_NAMES
from kernels.power.supply import SupplySolution
from kernels.power.tree import LOOP, RADIAL
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.errors import ConvergenceError, DataError
from twin.power.droop import DroopOptions
from twin.world.feeders import BASE, HighVoltage, feeders_of, high_voltage_of

__all__ = ["PowerFlow"]

KW_TO_PU = 1e3 / BASE
PU_TO_KW = BASE / 1e3
NAMED = 8  # ids printed in a message before "and N more"


class PowerFlow(Component):
    """Balanced power flow: feeders by backward/forward sweep, each hour from a flat start, high voltage by Newton.

    Loads draw constant power. Where the world has a high-voltage network, what the feeders of each substation draw is
    its load, and the substation's voltage, with its tap changer at the position nearest to the set point, is what the
    feeders are fed at: both are exchanged until no substation moves. Else substations hold their set points. Buses
    without a source are an error unless ``islands`` is ``deenergise``; what does not converge is NaN with its status
    where ``on_failure`` is ``record``, and ends the run where it is ``fail``. A feeder that was not solved, and a
    substation past the nose of its voltage curve, is taken off the network that supplies it. With ``volt_watt`` or
    ``volt_var`` the inverters of photovoltaics on the feeders answer to the voltage at their bus: what they hold back
    is ``pv_held_back``, not in ``bus_load``, which is what is asked for.
    """

    leaves_out = (
        "meshed operation of medium and low voltage, unbalance, voltage-dependent load, protection, generators on the "
        "high-voltage network; voltages beyond the province, and without a high-voltage network those at substations, "
        "are held at their set points"
    )

    class Options(DroopOptions, ComponentOptions):
        """Tolerance of voltage [pu], sweeps, and what happens to islands and failed feeders."""

        tolerance: float = Field(default=1e-11, gt=0)
        max_iterations: int = Field(default=200, ge=1)
        islands: Literal["refuse", "deenergise"] = "refuse"
        on_failure: Literal["record", "fail"] = "record"
        inverter: float = Field(default=0.90, gt=0)  # rating per kW of panels, as in component demand

    load = In("bus_load", ("bus",), "kW", over="mean")
    reactive = In("bus_reactive", ("bus",), "kvar", over="mean")
    pv = In("pv_power", ("bus",), "kW", over="mean")
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
    held_back = Out("pv_held_back", ("bus",), "kW", "photovoltaic generation that inverters hold back for the voltage")
    tap = Out("tap_position", ("branch",), "1", "position of the on-load tap changer, 0 neutral", record=False)

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Order the network into feeders and high voltage; refuse loops, joined sources, buses without a source."""
        self._check(s, world)
        power = world["power"].dataset
        self._forest, self._source = feeders_of(power)
        self._high = high_voltage_of(power)
        self._held = np.isfinite(s.source_voltage)
        self._at_rest = self._before()
        self._refuse(self._forest, world)
        forest = self._forest
        self._out = forest.allocate(1, voltage=False, current=False, loading=True, magnitude=True, flow=True)
        self._scratch = forest.scratch()
        self._bus_status = self._at_rest.copy()
        self._droop = self.options.droop()
        capacity = power["pv_capacity"].values if "pv_capacity" in power else np.zeros(len(s.load))
        self._inverter = np.flatnonzero((capacity > 0) & (forest.block_of_bus >= 0) & self.options.answers)
        self._rated = self.options.inverter * capacity[self._inverter]
        self._p, self._q = np.zeros((2, len(s.load), 1))
        self._found: SupplySolution | None = None
        self._matched = True
        if self._high is not None:
            high = self._high
            self._rough = forest.allocate(1, voltage=False, current=False)
            self._exchange = exchange_of(forest, high.supply, high.bus, high.busbar)
            self._held[high.busbar] = False  # the high-voltage network feeds them
            self._held[high.bus[high.held]] = True

    def _before(self) -> np.ndarray:
        """Status of every bus before it is solved: islanded without a path to a source."""
        alive = self._held.copy()
        if self._high is not None:  # a substation without a transformer to it is an island
            alive[:] = False
            alive[self._high.busbar] = True
            alive[self._high.bus] = self._high.fed
        fed = self._forest.component >= 0
        alive[fed] = alive[self._forest.component[fed]]
        return np.where(alive, OK, ISLANDED).astype(np.int8)

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
        lone = self._at_rest != OK
        if lone.any() and self.options.islands == "refuse":
            raise DataError(
                f"world power: {lone.sum()} buses have no path to a source: "
                f"{_named(world['power'].ds['bus_id'].values[lone])}; connect them, or set "
                f'islands = "deenergise" in [components.power_flow] to leave them without supply'
            )

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Solve the hour's mean loads."""
        forest, out, status = self._forest, self._out, self._bus_status
        status[:], s.voltage[:], s.loading[:], s.power[:], s.losses[:], s.tap[:] = self._at_rest, *[np.nan] * 4, 0.0
        self._found, s.held_back[:] = None, 0.0
        self._p[:, 0], self._q[:, 0] = s.load, s.reactive
        if self._inverter.size:
            self._answer(s, clock)
        else:
            self._solve()
        given = 0.0
        if self._high is not None and self._found is not None:
            given = self._put_high(s, self._high, self._found)
        block = forest.block_of_bus[forest.order]
        status[forest.order] = np.maximum(out.status[block, 0], status[forest.root[block]])
        solved = status[forest.order] == OK
        rows, buses = forest.branch[solved], forest.order[solved]
        p_from, _, p_to, _ = (x[rows, 0] for x in out.flow)
        s.voltage[buses], s.loading[rows] = out.magnitude[buses, 0], out.loading[solved, 0]
        s.power[rows], s.losses[rows] = p_from * PU_TO_KW, (p_from + p_to) * PU_TO_KW
        at_source = self._held & forest.is_source & (status == OK)
        s.voltage[at_source] = np.abs(self._source[at_source, 0])
        if self.options.on_failure == "fail" and (status > ISLANDED).any():
            self._stop(clock)
        s.status[:] = status
        drawn = self._source[forest.root, 0] * np.conj(out.source_real[:, 0] + 1j * out.source_imag[:, 0])
        own_source = self._held[forest.root] & (out.status[:, 0] == OK) & (status[forest.root] == OK)
        self._book(s, clock, given + float(drawn[own_source].real.sum()) * PU_TO_KW)

    def _solve(self, off: np.ndarray | None = None) -> None:
        """Feeders, and where there is one the high-voltage network, with taps as chosen first in this step."""
        out = self._out
        options = {
            "scale": KW_TO_PU, "tolerance": self.options.tolerance, "max_iterations": self.options.max_iterations,
            "scratch": self._scratch,
        }  # fmt: skip
        if self._high is None:
            self._forest.solve(out, self._source, self._p, self._q, **options)
            return
        tap = None if self._found is None else self._found.tap
        self._found, matched = self._exchange.solve(
            out, self._rough, self._source, self._p, self._q, tap=tap, off=off, **options
        )  # fmt: skip
        self._matched = bool(matched[0])

    def _answer(self, s: SimpleNamespace, clock: Moment) -> None:
        """Solve until inverters stand on their characteristics; feeders with one that hunts are not solved."""
        at, available = self._inverter, s.pv[self._inverter][:, None]

        def voltages(answer: np.ndarray, _: np.ndarray) -> np.ndarray:
            held[:] = (1 - answer[0]) * available
            self._p[at, 0] = s.load[at] + held[:, 0]
            self._q[at, 0] = s.reactive[at] - answer[1, :, 0] * self._rated
            self._solve()
            return self._out.magnitude[at]

        held = np.zeros(available.shape)
        _, off, hunting = settle(self._droop.of, voltages, available.shape)
        if hunting.size:
            without = np.zeros(self._forest.root.size, bool)
            without[self._forest.block_of_bus[at[np.abs(off[:, :, 0]).max(0) > SETTLED]]] = True
            self._solve(without)
            self._out.status[without] = MAX_ITERATIONS
        s.held_back[at] = held[:, 0]
        fed = s.pv[at] - (self._p[at, 0] - s.load[at])  # as solved
        clock.ledger.balance(
            "pv_energy", inflow=float(available.sum()) * clock.hours,
            outflow=float(fed.sum() + held.sum()) * clock.hours, units="kWh",
        )  # fmt: skip

    def _put_high(self, s: SimpleNamespace, high: HighVoltage, found: SupplySolution) -> float:
        """Write the high-voltage network's part of the results; returns what the grid beyond gives [kW]."""
        code = int(found.status[0]) if self._matched else max(int(found.status[0]), MAX_ITERATIONS)
        self._bus_status[high.bus[high.fed]] = code
        self._bus_status[high.busbar] = np.where(found.fallen[:, 0], max(code, COLLAPSED), code)
        if code != OK:
            return 0.0
        v, busbar = found.v[:, 0], found.busbar[:, 0]
        s.voltage[high.bus], s.voltage[high.busbar] = np.abs(v), np.abs(busbar)
        inner = v[high.start] / high.ratio
        series = (inner - v[high.end]) / high.z
        near = (series + high.shunt * inner) / np.conj(high.ratio)
        far = high.shunt * v[high.end] - series
        p_from, p_to = (v[high.start] * np.conj(near)).real, (v[high.end] * np.conj(far)).real
        rated = s.s_rated / BASE
        s.loading[high.branch] = np.maximum(np.abs(near), np.abs(far)) / rated[high.branch]
        s.power[high.branch], s.losses[high.branch] = p_from * PU_TO_KW, (p_from + p_to) * PU_TO_KW
        of, up = high.transformer, ~found.fallen[:, 0]
        ratio = np.abs(high.supply.ratio * (1 + high.supply.tap_step * found.tap[:, 0]))
        current = np.abs(found.power[:, 0]) / np.abs(busbar) * np.maximum(1.0, 1.0 / ratio)
        s.loading[of] = current / rated[of]
        s.power[of] = np.where(up, found.drawn[:, 0].real, np.nan) * PU_TO_KW
        s.losses[of] = np.where(up, (found.drawn - found.power)[:, 0].real, np.nan) * PU_TO_KW
        s.tap[of] = found.tap[:, 0]
        return float(np.nansum(p_from[high.held[high.start]]) + np.nansum(p_to[high.held[high.end]])) * PU_TO_KW

    def _stop(self, clock: Moment) -> None:
        counts = np.bincount(self._bus_status, minlength=len(STATUS_NAMES))
        listed = ", ".join(f"{n} {STATUS_NAMES[i]}" for i, n in enumerate(counts) if i > ISLANDED and n)
        raise ConvergenceError(
            f"power flow at {clock.start.isoformat()}: buses that were not solved: {listed}; lower the load, "
            f'strengthen the network, or set on_failure = "record" in [components.power_flow]'
        )

    def _book(self, s: SimpleNamespace, clock: Moment, given: float) -> None:
        """All energy is taken; what reaches solved buses balances with the sources' ``given`` [kW] and the losses."""
        hours, drawn = clock.hours, self._p[:, 0]
        clock.ledger.take("bus_energy", float(s.load.sum()) * hours, "kWh")
        solved = self._bus_status == OK
        if not solved.all():
            clock.ledger.give("energy_not_solved", float(drawn[~solved].sum()) * hours, "kWh")
        load = drawn[solved]
        own = float(drawn[self._held & solved].sum())  # taken at the sources themselves
        generation = float(-load[load < 0].sum())
        losses = float(np.nansum(s.losses))
        clock.ledger.balance(
            "bus_energy",
            inflow=(given + own + generation) * hours,
            outflow=(float(load[load > 0].sum()) + losses) * hours,
            units="kWh",
            tolerance=1e-9,
        )


def _named(ids: np.ndarray) -> str:
    """The first few ids, and how many more there are."""
    texts = [i.decode() if isinstance(i, bytes) else str(i) for i in ids[:NAMED]]
    return ", ".join(texts) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")

"""Power flow of the radial medium- and low-voltage network, hour by hour."""

from types import SimpleNamespace

import numpy as np
import xarray as xr
from pydantic import Field

from kernels.power.radial import CONVERGED, ISLANDED, branch_results, sweep
from kernels.power.tree import LOOP, order_trees
from twin.clock import Moment
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.errors import ConvergenceError, DataError

__all__ = ["PowerFlow"]

S_BASE = 1e6  # VA; per-unit base, any value gives the same results


class PowerFlow(Component):
    """Voltage of every bus and loading of every cable and transformer, from the loads of the hour.

    Backward-forward sweep of each tree of the open-operated network, from its substation outward. Where a tree
    does not converge its voltages are NaN and its status says why; ``on_failure`` decides whether the run ends.
    """

    leaves_out = (
        "balanced three-phase steady state; the transmission network behind the substations holds its voltage; no tap "
        "changes during the run; loads draw constant power whatever the voltage"
    )

    class Options(ComponentOptions):
        """Solver settings."""

        tolerance: float = Field(default=1e-11, gt=0)  # pu
        max_iterations: int = Field(default=100, ge=1)
        on_failure: str = Field(default="record", pattern="^(record|fail)$")

    load = In("bus_load", ("bus",), "kW")
    reactive = In("bus_reactive", ("bus",), "kvar")
    branch_from = Static("power/branch_from", ("branch",), "1")
    branch_to = Static("power/branch_to", ("branch",), "1")
    branch_kind = Static("power/branch_kind", ("branch",), "1")
    resistance = Static("power/resistance", ("branch",), "ohm")
    reactance = Static("power/reactance", ("branch",), "ohm")
    susceptance = Static("power/susceptance", ("branch",), "S")
    ratio = Static("power/ratio", ("branch",), "1")
    s_rated = Static("power/s_rated", ("branch",), "VA")
    rated_voltage = Static("power/bus_voltage_rated", ("bus",), "V")
    source_voltage = Static("power/source_voltage", ("bus",), "1")

    voltage = Out("bus_voltage", ("bus",), "1", "voltage over rated voltage (per unit)", initial=np.nan)
    loading = Out("branch_loading", ("branch",), "1", "loading over rating, the larger of both ends", initial=np.nan)
    power = Out("branch_power", ("branch",), "kW", "active power into the branch, from the source outward")
    losses = Out("branch_losses", ("branch",), "kW", "active losses of the branch")
    status = Out(
        "power_status", ("bus",), "1", "0 converged, 1 islanded, 2 not converged, 3 collapsed", dtype="i1",
        cell_methods="time: point",
    )  # fmt: skip

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Order the trees; an island or a loop is an error that names its bus or branch."""
        ids = world["power"].ds
        is_source = np.isfinite(s.source_voltage)
        if not is_source.any():
            raise DataError("power: no bus has a source_voltage; give the substations one (pu)")
        outcome = order_trees(s.branch_from, s.branch_to, is_source)
        status, self._order, self._tree_start, self._parent, self._via, loop_branch = outcome
        if status == LOOP:
            name = ids["branch_id"].values[loop_branch].astype(str)
            raise DataError(f"power: branch {name} closes a loop; open the ring, this solver takes radial networks")
        reached = np.zeros(len(is_source), bool)
        reached[self._order] = True
        if not reached.all():
            name = ids["bus_id"].values[np.argmin(reached)].astype(str)
            raise DataError(
                f"power: {np.count_nonzero(~reached)} buses are an island without a source, first {name}; connect it, "
                f"or give one of its buses a source_voltage"
            )
        backward = self._via[s.branch_to] != np.arange(len(s.branch_from))
        if backward.any():
            name = ids["branch_id"].values[np.argmax(backward)].astype(str)
            raise DataError(f"power: branch {name} runs towards its source; swap branch_from and branch_to")
        # branches are oriented by the tree: z at the voltage of the end away from the source
        n, m = len(is_source), len(s.branch_from)
        base = s.rated_voltage[s.branch_to] ** 2 / S_BASE  # ohm
        if not (base > 0).all() or not (s.s_rated > 0).all():
            raise DataError("power: rated voltages and ratings must be above zero")
        self._z_re, self._z_im = s.resistance / base, s.reactance / base
        self._b_half = 0.5 * s.susceptance * base
        self._a_re, self._a_im = np.array(s.ratio), np.zeros(m)
        self._zero = np.zeros(n)
        self._transformer = s.branch_kind == 1
        self._rating = s.s_rated / S_BASE
        self._v_source = np.where(is_source, s.source_voltage, 0.0)
        self._p, self._q = np.zeros((n, 1)), np.zeros((n, 1))
        self._v_re, self._v_im, self._i_re, self._i_im = (np.zeros((n, 1)) for _ in range(4))
        self._p_from, self._loss, self._loading = (np.zeros((m, 1)) for _ in range(3))
        trees = len(self._tree_start) - 1
        self._step_of, self._status = np.zeros((trees, 1)), np.zeros((trees, 1), np.int8)
        self._tree_of = np.empty(n, np.int32)
        for tree in range(trees):
            self._tree_of[self._order[self._tree_start[tree] : self._tree_start[tree + 1]]] = tree
        self._ids = ids["bus_id"].values

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Solve the hour; book the energy that reaches the buses."""
        o = self.options
        np.multiply(s.load, 1e3 / S_BASE, out=self._p[:, 0])
        np.multiply(s.reactive, 1e3 / S_BASE, out=self._q[:, 0])
        sweep(
            self._order, self._tree_start, self._parent, self._via, self._z_re, self._z_im, self._b_half, self._a_re,
            self._a_im, self._zero, self._zero, self._p, self._q, self._v_source, o.tolerance, o.max_iterations,
            self._v_re, self._v_im, self._i_re, self._i_im, self._step_of, self._status,
        )  # fmt: skip
        branch_results(
            self._order, self._tree_start, self._parent, self._via, self._b_half, self._a_re, self._a_im, self._z_re,
            self._transformer, self._rating, self._v_re, self._v_im, self._i_re, self._i_im, self._p_from, self._loss,
            self._loading,
        )  # fmt: skip
        np.hypot(self._v_re[:, 0], self._v_im[:, 0], out=s.voltage)
        s.loading[:] = self._loading[:, 0]
        kilowatt = S_BASE / 1e3
        np.multiply(self._p_from[:, 0], kilowatt, out=s.power)
        np.multiply(self._loss[:, 0], kilowatt, out=s.losses)
        s.status[:] = self._status[self._tree_of, 0]
        solved = s.status == CONVERGED
        clock.ledger.take("bus_energy", float(s.load.sum()) * clock.hours, "kWh")
        if not solved.all():
            self._report(s, clock)
        source = self._order[self._tree_start[:-1]]
        good = solved[source]
        drawn = (self._v_re[source[good], 0] * self._i_re[source[good], 0]).sum() * kilowatt
        clock.ledger.balance(
            "bus_energy",
            inflow=float(drawn) * clock.hours,
            outflow=float(s.load[solved].sum() + s.losses[solved[s.branch_to]].sum()) * clock.hours,
            units="kWh",
            tolerance=1e-8,
        )

    def _report(self, s: SimpleNamespace, clock: Moment) -> None:
        """Trees that found no solution: end the run, or leave them NaN with their status and book their load."""
        failed = (s.status != CONVERGED) & (s.status != ISLANDED)
        source = self._order[self._tree_start[:-1]]
        names = [self._ids[b].astype(str) for b in source if failed[b]]
        if self.options.on_failure == "fail":
            raise ConvergenceError(
                f"power flow found no solution behind {', '.join(names)}; the load is beyond what the cables carry, "
                f"or set on_failure = 'record'"
            )
        clock.ledger.give("energy_not_solved", float(s.load[failed].sum()) * clock.hours, "kWh")

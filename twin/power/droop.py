"""Inverters that answer to the voltage at their bus: active power P(U) held back, reactive power Q(U)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, model_validator

from kernels.power.droop import SETTLED, settle
from kernels.power.status import MAX_ITERATIONS, OK
from twin.errors import ConfigError
from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.power.solution import Solution

__all__ = ["Droop", "DroopOptions", "answered", "inverters_of"]

FEED_IN = ("sgen", "sym_gen", "asym_gen")  # kinds of load that are inverters where they feed in


@dataclass(frozen=True)
class Droop:
    """Characteristics of all inverters.

    ``volt_watt`` (from, to) [pu]: between the two the active power that is let through falls from all that the sun
    gives to nothing. ``volt_var`` points (voltage [pu], reactive power fed in over rated active power), straight
    between them and level outside; rated is the power of the element before its profile.
    """

    volt_watt: tuple[float, float] | None = None
    volt_var: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        """Refuse characteristics that rise where they must fall."""
        if self.volt_watt is not None and not 0 < self.volt_watt[0] < self.volt_watt[1]:
            raise ConfigError(f"volt_watt {self.volt_watt}: write two voltages in pu, the lower first")
        if self.volt_var is not None:
            u, q = np.array(self.volt_var, float).reshape(-1, 2).T
            if not (u.size and (np.diff(u) > 0).all() and (np.diff(q) <= 0).all() and (u > 0).all()):
                raise ConfigError("volt_var: voltages must rise from point to point, and reactive power must not")

    def of(self, u: np.ndarray) -> np.ndarray:
        """Share of active power let through and reactive power over rating, (2, ...), at voltages [pu]."""
        through, reactive = np.ones(u.shape), np.zeros(u.shape)
        if self.volt_watt is not None:
            low, high = self.volt_watt
            through = np.clip((high - u) / (high - low), 0, 1)
        if self.volt_var is not None:
            reactive = np.interp(u, *np.array(self.volt_var, float).T)
        return np.stack([through, reactive])


class DroopOptions(BaseModel):
    """Characteristics as options; without them inverters do not answer."""

    volt_watt: tuple[float, float] | None = None  # pu from, to: power let through falls from all to nothing
    volt_var: tuple[tuple[float, float], ...] | None = None  # points: pu, reactive power fed in over rating

    @model_validator(mode="after")
    def _characteristics(self) -> "DroopOptions":
        try:
            self.droop()
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def answers(self) -> bool:
        """Whether inverters answer at all."""
        return self.volt_watt is not None or self.volt_var is not None

    def droop(self) -> Droop:
        """The characteristics of all inverters."""
        return Droop(self.volt_watt, self.volt_var)


def inverters_of(circuit: Circuit) -> np.ndarray:
    """Rows of ``network.load`` that are inverters with supply."""
    load = circuit.network.load
    node = circuit.node[load.bus]
    return np.flatnonzero(np.isin(load.kind.astype(str), FEED_IN) & (load.p < 0) & (node >= 0) & circuit.fed[node])


def answered(
    circuit: Circuit, demand: Demand, available: np.ndarray, droop: Droop, solve: Callable[[Demand], Solution]
) -> Solution:
    """Solve until every inverter gives what its characteristic says at the voltage that follows from it.

    ``available`` (inverter, lane) [MW] that the sun gives. A lane that does not settle hunts: its components are NaN
    with status ``max_iterations``. The solution's ``inverter`` (2, inverter, lane) is power held
    back [MW] and reactive power fed in [Mvar].
    """
    rows = inverters_of(circuit)
    node, rated = circuit.node[circuit.network.load.bus[rows]], -circuit.network.load.p[rows][:, None]
    gather = np.zeros((circuit.count, rows.size))
    gather[node, np.arange(rows.size)] = 1.0

    total: Solution | None = None

    def voltages(answer: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        nonlocal total
        held_back = gather @ ((1 - answer[0]) * available[:, lanes])
        given = gather @ (answer[1] * rated)
        d = demand.of(lanes)
        part = solve(replace(d, p=d.p + held_back, q=d.q - given, total=d.total + held_back - 1j * given))
        if total is None:
            total = part
        else:
            total.put(part, lanes)
        return np.asarray(np.abs(part.v[node]))

    answer, off, todo = settle(droop.of, voltages, (rows.size, demand.lanes))
    if total is None:  # no lane at all
        total = solve(demand)
    total.inverter = np.stack([(1 - answer[0]) * available, answer[1] * rated])
    for lane in todo:
        hunts = np.unique(circuit.component[node[np.abs(off[:, :, lane]).max(0) > SETTLED]])
        inside = np.isin(circuit.component, hunts) & (total.status[:, lane] == OK)
        total.status[inside, lane], total.v[inside, lane] = MAX_ITERATIONS, np.nan
        ports = inside[circuit.start]
        total.s_from[ports, lane] = total.s_to[ports, lane] = np.nan
        total.inverter[:, np.isin(circuit.component[node], hunts), lane] = np.nan
    return total

"""Inverters that answer to the voltage at their bus: active power P(U) held back, reactive power Q(U)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kernels.power.status import MAX_ITERATIONS, OK
from twin.errors import ConfigError
from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.power.solution import Solution

__all__ = ["Droop", "answered", "inverters_of"]

FEED_IN = ("sgen", "sym_gen", "asym_gen")  # kinds of load that are inverters where they feed in
ROUNDS = 200  # of answers before a lane is given up
SETTLED = 1e-7  # of an inverter's rating: what its answer still changes
FIRST, QUICKER, SLOWER = 0.5, 1.1, 0.5  # share of the change that is made; how it grows and shrinks


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


def inverters_of(circuit: Circuit) -> np.ndarray:
    """Rows of ``network.load`` that are inverters with supply."""
    load = circuit.network.load
    node = circuit.node[load.bus]
    return np.flatnonzero(np.isin(load.kind.astype(str), FEED_IN) & (load.p < 0) & (node >= 0) & circuit.fed[node])


def answered(
    circuit: Circuit, demand: Demand, available: np.ndarray, droop: Droop, solve: Callable[[Demand], Solution]
) -> Solution:
    """Solve until every inverter gives what its characteristic says at the voltage that follows from it.

    ``available`` (inverter, lane) [MW] that the sun gives. An outer loop for each lane on its own account: each
    inverter makes part of its change, a smaller one after it went too far. A lane that does not settle hunts: its
    components are NaN with status ``max_iterations``. The solution's ``inverter`` (2, inverter, lane) is power held
    back [MW] and reactive power fed in [Mvar].
    """
    rows = inverters_of(circuit)
    node, rated = circuit.node[circuit.network.load.bus[rows]], -circuit.network.load.p[rows][:, None]
    gather = np.zeros((circuit.count, rows.size))
    gather[node, np.arange(rows.size)] = 1.0

    def with_answer(lanes: np.ndarray) -> Demand:
        held_back = gather @ ((1 - answer[0][:, lanes]) * available[:, lanes])
        given = gather @ (answer[1][:, lanes] * rated)
        d = demand.of(lanes)
        return replace(d, p=d.p + held_back, q=d.q - given, total=d.total + held_back - 1j * given)

    answer = droop.of(np.ones(available.shape))
    pace, off = np.full(answer.shape, FIRST), np.zeros(answer.shape)
    todo = np.arange(demand.lanes)
    part = total = solve(with_answer(todo))
    for turn in range(ROUNDS):
        if turn:
            part = solve(with_answer(todo))
            total.put(part, todo)
        u = np.abs(part.v[node])
        now = np.where(np.isfinite(u), droop.of(u) - answer[:, :, todo], 0.0)
        too_far = now * off[:, :, todo] < 0
        pace[:, :, todo] = np.minimum(pace[:, :, todo] * np.where(too_far, SLOWER, QUICKER), 1.0)
        off[:, :, todo] = now
        error = np.abs(now).max((0, 1), initial=0.0)
        todo = todo[error > SETTLED]
        if not todo.size:
            break
        answer[:, :, todo] += pace[:, :, todo] * off[:, :, todo]
    total.inverter = np.stack([(1 - answer[0]) * available, answer[1] * rated])
    for lane in todo:
        hunts = np.unique(circuit.component[node[np.abs(off[:, :, lane]).max(0) > SETTLED]])
        inside = np.isin(circuit.component, hunts) & (total.status[:, lane] == OK)
        total.status[inside, lane], total.v[inside, lane] = MAX_ITERATIONS, np.nan
        ports = inside[circuit.start]
        total.s_from[ports, lane] = total.s_to[ports, lane] = np.nan
        total.inverter[:, np.isin(circuit.component[node], hunts), lane] = np.nan
    return total

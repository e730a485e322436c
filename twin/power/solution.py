"""What a solver gives: voltages and flows of a circuit, and the flows that follow from voltages."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from twin.power.circuit import Circuit
from twin.power.demand import Demand
from twin.readers.power_network import TapChanger

__all__ = ["Solution", "compiled", "flows_of", "voltage_dependent"]


@dataclass
class Solution:
    """Voltages and flows of a circuit, by node, two-port and lane; NaN where not solved."""

    v: np.ndarray
    s_from: np.ndarray
    s_to: np.ndarray
    status: np.ndarray  # (node, lane)
    mismatch: np.ndarray  # (lane)
    seconds: float
    solver: str
    at_limit: np.ndarray | None = None  # (node, lane) reactive limits
    tap_changers: list[TapChanger] | None = None
    tap: np.ndarray | None = None  # (tap changer, lane) position
    tap_limit: np.ndarray | None = None  # (tap changer, lane) +1 or -1 at the end of its range and out of band
    inverter: np.ndarray | None = None  # (2, inverter, lane) power held back [MW], reactive power fed in [Mvar]

    def room(self, lanes: int) -> "Solution":
        """A solution like this one for ``lanes`` lanes."""
        change: dict[str, Any] = {}
        for field in fields(self):
            x = getattr(self, field.name)
            if isinstance(x, np.ndarray):
                change[field.name] = np.zeros((*x.shape[:-1], lanes), x.dtype)
        return replace(self, **change)

    def put(self, part: "Solution", lanes: np.ndarray) -> None:
        """Write a solution of some lanes in its place."""
        for field in fields(part):
            x = getattr(part, field.name)
            if isinstance(x, np.ndarray):
                getattr(self, field.name)[..., lanes] = x
        self.seconds += part.seconds


def flows_of(circuit: Circuit, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power into both ends of each two-port."""
    vf, vt = v[circuit.start] / circuit.ratio[:, None], v[circuit.end]
    i_from = ((vf - vt) / circuit.z[:, None] + circuit.shunt_from[:, None] * vf) / np.conj(circuit.ratio[:, None])
    i_to = (vt - vf) / circuit.z_back[:, None] + circuit.shunt_to[:, None] * vt
    return v[circuit.start] * np.conj(i_from), vt * np.conj(i_to)


def voltage_dependent(demand: Demand) -> dict[str, Any]:
    """The parts of constant current and impedance, as the sweeps take them."""
    part = demand.part
    return {} if part is None else {"current_part": part[:2], "impedance_part": part[2:]}


def compiled(call: Callable[[Demand], Any], demand: Demand) -> None:
    """Run on the first two lanes, so that the seconds of the whole are those of the kernel."""
    call(demand.of(np.arange(min(2, demand.lanes))))

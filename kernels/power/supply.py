"""A meshed network that supplies radial ones through transformers with on-load tap changers.

The transformer between bus u of the mesh and busbar l, with impedance z on the side of l and turns ratio n at that
of u, is a two-bus system: E = V_u / n, I = conj(S / V_l), V_l = E - z I. With u = |V_l|^2 (reference: two-bus
solution of constant power, e.g. Kundur 1994, Power System Stability and Control, section 2.1)

    u = (b + sqrt(b^2 - 4 |z|^2 |S|^2)) / 2,   b = |E|^2 - 2 Re(z conj(S)),   conj(V_l) = (u + z conj(S)) / E

and what it draws from the mesh is S + z |I|^2. Past the nose of its curve the root is imaginary: the transformer is
taken off and told. Mesh and transformers are exchanged until no busbar moves.
"""

from dataclasses import dataclass

import numpy as np

from kernels.power.mesh import Mesh
from kernels.power.status import MAX_ITERATIONS, OK

__all__ = ["Supply", "SupplySolution", "busbar_voltage"]

ROUNDS = 30  # between mesh and transformers
CHOICES = 2  # rounds in which taps are chosen; then they stay, so that they do not hunt


@dataclass
class SupplySolution:
    """Voltages and powers [pu] of one batch; NaN where not solved."""

    v: np.ndarray  # (bus of the mesh, lane)
    busbar: np.ndarray  # (transformer, lane) complex
    drawn: np.ndarray  # (transformer, lane) power taken from the mesh
    tap: np.ndarray  # (transformer, lane) position, 0 neutral
    status: np.ndarray  # (lane) of the mesh
    fallen: np.ndarray  # (transformer, lane) past the nose of its voltage curve
    mismatch: np.ndarray  # (lane) pu


@dataclass
class Supply:
    """One topology: the mesh (bus) and the transformers (transformer) that it supplies through."""

    mesh: Mesh
    start: np.ndarray  # (bus) complex: voltages of sources, and where others begin
    upper: np.ndarray  # (transformer) bus of the mesh
    z: np.ndarray  # (transformer) complex pu, on the side of the busbar
    ratio: np.ndarray  # (transformer) turns ratio at the neutral position
    tap_step: np.ndarray  # (transformer) change of ratio per position, 0 without a tap changer
    tap_most: np.ndarray  # (transformer) positions to either side
    set_point: np.ndarray  # (transformer) pu that the tap changer comes nearest to

    def solve(
        self, power: np.ndarray, own: np.ndarray, tap: np.ndarray | None = None, *, tolerance: float = 1e-9
    ) -> SupplySolution:
        """Voltages with ``power`` (transformer, lane) complex pu drawn at the busbars and ``own`` (bus, lane) load.

        Positions of ``tap`` (transformer, lane), or where it is None those that bring each busbar nearest to its set
        point, chosen anew for each lane. A lane's result does not depend on the others. ``tolerance`` [pu] of power
        in the mesh; busbars move by less than a tenth of it in the last round.
        """
        lanes = power.shape[1]
        z = self.z[:, None]
        choose = tap is None
        position = np.zeros(power.shape, np.int64) if tap is None else tap.copy()
        fallen = np.zeros(power.shape, bool)
        busbar = np.repeat(self.set_point[:, None].astype(complex), lanes, axis=1)
        drawn = power + z * np.abs(power / busbar) ** 2
        v = np.full(own.shape, np.nan + 0j)
        status, mismatch = np.full(lanes, MAX_ITERATIONS, np.int8), np.full(lanes, np.nan)
        todo = np.arange(lanes)
        for turn in range(ROUNDS):
            load = own[:, todo].copy()
            np.add.at(load, self.upper, np.where(fallen[:, todo], 0.0, drawn[:, todo]))
            out = self.mesh.solve(
                self.start, np.ascontiguousarray(load.real), np.ascontiguousarray(load.imag), tolerance=tolerance
            )
            v[:, todo], mismatch[todo] = out.v_real + 1j * out.v_imag, out.mismatch
            above = v[self.upper][:, todo]
            if choose and turn < CHOICES:
                position[:, todo] = self._nearest(above, power[:, todo])
            inner = above / (self.ratio[:, None] * (1.0 + self.tap_step[:, None] * position[:, todo]))
            found = busbar_voltage(inner, z, power[:, todo])
            lost = np.isnan(found) & np.isfinite(above)
            moved = np.abs(np.where(lost, 0.0, found - busbar[:, todo])).max(0, initial=0.0)
            again = (lost & ~fallen[:, todo]).any(0)
            fallen[:, todo] |= lost
            busbar[:, todo] = found
            drawn[:, todo] = power[:, todo] + z * np.abs(power[:, todo] / found) ** 2
            settled = (turn >= CHOICES) & (moved <= 0.1 * tolerance) & ~again
            done = settled | (out.status != OK)
            status[todo[done]] = out.status[done]
            todo = todo[~done]
            if not todo.size:
                break
        drawn[fallen] = 0.0
        return SupplySolution(v, busbar, drawn, position, status, fallen, mismatch)

    def _nearest(self, above: np.ndarray, power: np.ndarray) -> np.ndarray:
        """Positions that bring the busbars nearest to their set points below voltages ``above``."""
        wanted = self.set_point[:, None]
        inner = np.abs(wanted + self.z[:, None] * np.conj(power / wanted))
        step, most = self.tap_step[:, None], self.tap_most[:, None]
        away = (np.abs(above) / (inner * self.ratio[:, None]) - 1.0) / np.where(step > 0, step, np.inf)
        return np.clip(np.rint(np.nan_to_num(away)), -most, most).astype(np.int64)


def busbar_voltage(inner: np.ndarray, z: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Complex voltage behind impedance ``z`` of a load of constant ``power`` fed at ``inner``, pu; NaN past the nose.

    The upper root of the two-bus equation (see the module); arrays of one shape, or that broadcast.
    """
    turned = z * np.conj(power)
    b = np.abs(inner) ** 2 - 2.0 * turned.real
    root = b * b - 4.0 * np.abs(turned) ** 2
    square = 0.5 * (b + np.sqrt(np.where(root >= 0, root, np.nan)))
    return np.conj((square + turned) / np.where(square > 0, inner, np.nan))

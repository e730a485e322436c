"""A meshed network that supplies radial ones through transformers with on-load tap changers.

The transformer between bus u of the mesh and busbar l, with impedance z on the side of l and turns ratio n at that
of u, is a two-bus system: E = V_u / n, I = conj(S / V_l), V_l = E - z I. With u = |V_l|^2 (reference: two-bus
solution of constant power, e.g. Kundur 1994, Power System Stability and Control, section 2.1)

    u = (b + sqrt(b^2 - 4 |z|^2 |S|^2)) / 2,   b = |E|^2 - 2 Re(z conj(S)),   conj(V_l) = (u + z conj(S)) / E

and what it draws from the mesh is S + z |I|^2. Past the nose of its curve the root is imaginary: the transformer is
taken off and told. Mesh and transformers are exchanged until no busbar moves.
"""

import math
from dataclasses import dataclass

import numpy as np

from kernels.jit import njit
from kernels.power.mesh import Mesh
from kernels.power.newton import newton_lane
from kernels.power.status import MAX_ITERATIONS, OK

__all__ = ["Supply", "SupplySolution", "busbar_voltage"]

ROUNDS = 30  # between mesh and transformers
SHARP = 1e-12  # pu: Newton's tolerance of voltages in the mesh; its last step is squared
ITERATIONS = 30  # of Newton
CHOICES = 2  # rounds in which taps are chosen; then they stay, so that they do not hunt


@dataclass
class SupplySolution:
    """Voltages and powers [pu] of one batch; NaN where not solved."""

    v: np.ndarray  # (bus of the mesh, lane)
    busbar: np.ndarray  # (transformer, lane) complex
    power: np.ndarray  # (transformer, lane) power taken at the busbar
    drawn: np.ndarray  # (transformer, lane) the same with the transformer's losses, taken from the mesh
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
        self, power: np.ndarray, at: np.ndarray, own: np.ndarray, tap: np.ndarray | None = None, *,
        charging: np.ndarray | None = None, tolerance: float = 1e-9,
    ) -> SupplySolution:  # fmt: skip
        """Voltages with ``power`` (transformer, lane) complex pu drawn at the busbars and ``own`` (bus, lane) load.

        ``at`` (transformer, lane) are the busbar voltages that ``power`` belongs to; at others the reactive power of
        ``charging`` (transformer) [pu], the susceptance of cables behind the busbar, is another one. Positions of
        ``tap`` (transformer, lane), or where it is None those that bring each busbar nearest to its set point, chosen
        anew for each lane. A lane's result does not depend on the others. Busbars move by less than ``tolerance`` [pu]
        in the last round.
        """
        mesh, transformers, lanes = self.mesh, self.upper.size, power.shape[1]
        shape = transformers, lanes
        out = SupplySolution(
            np.full(own.shape, np.nan + 0j), at.astype(complex), power.astype(complex), np.zeros(shape, complex),
            np.zeros(shape, np.int64) if tap is None else tap.copy(), np.empty(lanes, np.int8),
            np.zeros(shape, np.bool_), np.empty(lanes),
        )  # fmt: skip
        pivot = np.empty(mesh.n_bus, np.int64)
        pivot[mesh.order] = np.arange(mesh.order.size)
        _solve_lanes(
            mesh.order, mesh.row, mesh.column, mesh.g, mesh.b, mesh.place, mesh.kind, mesh.first, mesh.later,
            mesh.target, self.start, pivot[self.upper], self.z, self.ratio, self.tap_step, self.tap_most,
            self.set_point, np.zeros(transformers) if charging is None else charging, power, at, own,
            CHOICES if tap is None else 0, tolerance, out.v, out.busbar, out.power, out.drawn, out.tap, out.status,
            out.fallen, out.mismatch,
        )  # fmt: skip
        return out


@njit
def busbar_voltage(inner, z, power):
    """Complex voltage behind impedance ``z`` of a load of constant ``power`` fed at ``inner``, pu; NaN past the nose.

    The upper root of the two-bus equation (see the module).
    """
    turned = z * power.conjugate()
    b = abs(inner) ** 2 - 2.0 * turned.real
    root = b * b - 4.0 * abs(turned) ** 2
    if not root >= 0.0:
        return complex(math.nan, math.nan)
    square = 0.5 * (b + math.sqrt(root))
    if not square > 0.0:
        return complex(math.nan, math.nan)
    return ((square + turned) / inner).conjugate()


@njit
def _solve_lanes(
    order, row, column, g, b, place, kind, first, later, target, start, upper, z, ratio, step, most, set_point,
    charging, power, at, own, choices, tolerance, v, busbar, taken, drawn, tap, status, fallen, mismatch,
):  # fmt: skip
    """All lanes one after the other: mesh by Newton from the round before, transformers by their equation."""
    n, transformers = order.size, upper.size
    blocks = np.empty((n + 2 * later.size, 4))
    f, s = np.empty((n, 2)), np.empty((n, 2))
    p, q, none = np.empty(n), np.empty(n), np.zeros(n)
    vr, vi = np.empty(n), np.empty(n)
    for lane in range(power.shape[1]):
        for k in range(n):
            vr[k], vi[k] = start[order[k]].real, start[order[k]].imag
        for k in range(transformers):  # at the voltage that the network offers without load and the tap at its end
            offered = complex(vr[upper[k]], vi[upper[k]]) / (ratio[k] * (1.0 - step[k] * most[k]))
            found = busbar_voltage(offered, z[k], power[k, lane])
            if abs(found) > 0.0:
                drawn[k, lane] = power[k, lane] + z[k] * (abs(power[k, lane]) / abs(found)) ** 2
            else:
                fallen[k, lane] = True
                busbar[k, lane] = found
        code, worst = MAX_ITERATIONS, math.nan
        for turn in range(ROUNDS):
            for k in range(n):
                p[k], q[k] = own[order[k], lane].real, own[order[k], lane].imag
            for k in range(transformers):
                if not fallen[k, lane]:
                    p[upper[k]] += drawn[k, lane].real
                    q[upper[k]] += drawn[k, lane].imag
            result, _, worst = newton_lane(
                n, row, column, g, b, place, kind, first, later, target, p, q, none, none, none, none, vr, vi,
                SHARP, ITERATIONS, turn == 0, blocks, f, s,
            )  # fmt: skip
            if result != OK:
                code = result
                break
            moved, lost = 0.0, False
            for k in range(transformers):
                if fallen[k, lane]:
                    continue
                above = complex(vr[upper[k]], vi[upper[k]])
                if turn < choices and step[k] > 0.0:
                    wanted = abs(set_point[k] + z[k] * (power[k, lane] / set_point[k]).conjugate())
                    away = np.rint((abs(above) / (wanted * ratio[k]) - 1.0) / step[k])
                    tap[k, lane] = int(min(max(away, -most[k]), most[k]))
                found = busbar_voltage(above / (ratio[k] * (1.0 + step[k] * tap[k, lane])), z[k], taken[k, lane])
                if not abs(found) > 0.0:
                    fallen[k, lane], lost = True, True
                    busbar[k, lane], drawn[k, lane] = found, 0.0
                    continue
                moved = max(moved, abs(found - busbar[k, lane]))
                busbar[k, lane] = found
            if turn >= choices and moved <= tolerance and not lost:
                code = OK  # what the mesh was solved with stays what is drawn, so that energy balances
                break
            for k in range(transformers):
                if fallen[k, lane]:
                    continue
                square = abs(busbar[k, lane]) ** 2
                more = charging[k] * (square - abs(at[k, lane]) ** 2)
                taken[k, lane] = complex(power[k, lane].real, power[k, lane].imag - more)
                drawn[k, lane] = taken[k, lane] + z[k] * abs(taken[k, lane]) ** 2 / square
        status[lane], mismatch[lane] = code, worst
        if code == OK:
            for k in range(n):
                v[order[k], lane] = complex(vr[k], vi[k])
        else:
            busbar[:, lane], drawn[:, lane] = math.nan, math.nan

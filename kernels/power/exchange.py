"""Radial feeders and the mesh that supplies them, exchanged until no busbar between them moves.

Feeders are swept at the busbars' voltages, their power is the load of the transformers (:mod:`kernels.power.supply`),
and those give the voltages anew. Power between the two is the same number on either side, whatever the voltages
still differ by, so that energy balances in every round.
"""

from dataclasses import dataclass

import numpy as np

from kernels.power.forest import Forest, ForestSolution
from kernels.power.status import OK
from kernels.power.supply import Supply, SupplySolution

__all__ = ["Exchange", "exchange_of"]

ROUGH = (1e-3, 1e-5)  # pu: tolerance of the first sweeps, whose power is passed on but not kept
MATCH = 3e-7  # pu: movement of a busbar at which feeders and mesh match
TURNS = 20


@dataclass
class Exchange:
    """Feeders and supply of one network, in its numbers of buses."""

    forest: Forest
    supply: Supply
    mesh_bus: np.ndarray  # (bus of the mesh) bus of the network
    busbar: np.ndarray  # (transformer) bus of the network
    block_busbar: np.ndarray  # (block) transformer that feeds it, -1 where its source holds its voltage
    shunt: np.ndarray  # (transformer, 1) pu of the feeders' first ends at the busbar
    charging: np.ndarray  # (transformer) susceptance [pu] of all cables behind the busbar

    def drawn(
        self, out: ForestSolution, source: np.ndarray, p: np.ndarray, q: np.ndarray, off: np.ndarray | None
    ) -> np.ndarray:
        """Power (transformer, lane) complex that each busbar takes: its feeders that were solved, shunts, own load."""
        lanes = p.shape[1]
        s = source[self.forest.root] * np.conj(out.source_real + 1j * out.source_imag)
        s[out.status != OK] = 0.0
        if off is not None:
            s[off] = 0.0
        mine = self.block_busbar >= 0
        total = np.zeros((self.busbar.size, lanes), complex)
        np.add.at(total, self.block_busbar[mine], s[mine])
        total += np.conj(self.shunt) * np.abs(source[self.busbar]) ** 2
        return total + p[self.busbar] + 1j * q[self.busbar]

    def solve(
        self, out: ForestSolution, rough: ForestSolution, source: np.ndarray, p: np.ndarray, q: np.ndarray, *,
        scale: float, tolerance: float, max_iterations: int, scratch: np.ndarray, match: float = MATCH,
        tap: np.ndarray | None = None, off: np.ndarray | None = None,
    ) -> tuple[SupplySolution, np.ndarray]:  # fmt: skip
        """Solve loads ``p``, ``q`` (bus, lane), times ``scale`` in pu, until busbars move by less than ``match`` [pu].

        ``source`` (bus, lane) complex holds the voltages at which feeders are fed: those of the busbars are written.
        ``out`` receives the last sweep, ``rough`` is scratch; ``tap`` as in :meth:`Supply.solve`;
        blocks ``off`` (block) bool are taken off their busbars. Returns the supply, whose active power is that of the
        feeders at the voltages they were swept at, and whether each lane matched.
        """
        load_p, load_q = p * scale, q * scale
        own = load_p[self.mesh_bus] + 1j * load_q[self.mesh_bus]
        source[self.busbar] = self.supply.set_point[:, None]
        choose = tap is None
        for turn in range(TURNS):
            first = turn < len(ROUGH)
            sweep = rough if first else out
            self.forest.solve(
                sweep, source, p, q, scale=scale, tolerance=max(ROUGH[turn], tolerance) if first else tolerance,
                max_iterations=max_iterations, scratch=scratch,
            )  # fmt: skip
            power = self.drawn(sweep, source, load_p, load_q, off)
            found = self.supply.solve(
                power, source[self.busbar], own, tap, charging=self.charging, tolerance=0.1 * match
            )  # fmt: skip
            if not (turn == 0 and choose):  # chosen anew when the power is nearer
                tap = found.tap
            good = np.isfinite(found.busbar)
            moved = np.abs(np.where(good, found.busbar - source[self.busbar], 0.0)).max(0, initial=0.0)
            matched = moved <= match
            if not first and matched.all():
                break
            source[self.busbar] = np.where(good, found.busbar, source[self.busbar])
        return found, matched


def exchange_of(forest: Forest, supply: Supply, mesh_bus: np.ndarray, busbar: np.ndarray) -> Exchange:
    """Feeders of ``forest`` and the ``supply`` of their busbars; ``mesh_bus``, ``busbar`` as in :class:`Exchange`."""
    n = forest.component.size
    number = np.full(n, -1)
    number[busbar] = np.arange(busbar.size)
    rooted = forest.is_source[forest.parent_bus]
    shunt = np.zeros(n, complex)
    np.add.at(shunt, forest.parent_bus[rooted], (forest.end_shunt[2] + 1j * forest.end_shunt[3])[rooted])
    block_busbar = number[forest.root]
    of_row = block_busbar[forest.block_of_bus[forest.order]]
    mine = of_row >= 0
    behind = np.bincount(of_row[mine], forest.y[1, forest.order][mine], busbar.size) + shunt[busbar].imag
    return Exchange(forest, supply, mesh_bus, busbar, block_busbar, shunt[busbar][:, None], behind)

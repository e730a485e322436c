"""The ledger: what one component gives another takes, and what a kernel stores must balance.

Nothing is rescaled to close: a difference beyond its tolerance ends the run with a :class:`BudgetError` that
names quantity, time and both sides.
"""

import math
from dataclasses import dataclass
from typing import Any

from twin.errors import BudgetError, UnitError

__all__ = ["TRANSFER_TOLERANCE", "Balance", "Ledger"]

SMALLEST = 1e-290  # in any unit: closer to zero, doubles lose the digits that a relative difference needs
TRANSFER_TOLERANCE = 1e-9  # relative; sums of float64 in another order differ by far less


@dataclass
class Transfer:
    """Totals given and taken of one quantity since the start of the run."""

    units: str
    given: float = 0.0
    taken: float = 0.0
    givers: int = 0
    takers: int = 0


@dataclass
class Balance:
    """Totals of one balance since the start of the run, and its worst relative residual in a step."""

    units: str
    inflow: float = 0.0
    outflow: float = 0.0
    change: float = 0.0
    worst: float = 0.0


class Ledger:
    """Books of one run."""

    def __init__(self) -> None:
        self.transfers: dict[str, Transfer] = {}
        self.balances: dict[str, Balance] = {}

    def give(self, quantity: str, amount: float, units: str) -> None:
        """Book what leaves a component across its boundary in this step."""
        entry = self._transfer(quantity, amount, units)
        entry.given += float(amount)
        entry.givers += 1

    def take(self, quantity: str, amount: float, units: str) -> None:
        """Book what a component takes in across its boundary in this step."""
        entry = self._transfer(quantity, amount, units)
        entry.taken += float(amount)
        entry.takers += 1

    def balance(
        self,
        name: str,
        *,
        inflow: float,
        outflow: float,
        change: float = 0.0,
        units: str,
        tolerance: float = 1e-9,
    ) -> float:
        """Book ``inflow = outflow + change`` of one step; return the relative residual.

        The three terms must be computed apart from each other. Raises :class:`BudgetError` where the residual
        exceeds ``tolerance`` times the largest of the terms, or where a term is not finite.
        """
        terms = (float(inflow), float(outflow), float(change))
        if not all(map(math.isfinite, terms)):
            raise BudgetError(f"balance of {name}: a term is not finite: in, out, change = {terms} {units}")
        entry = self.balances.setdefault(name, Balance(units))
        if entry.units != units:
            raise UnitError(f"balance of {name}: booked in {entry.units!r} before and in {units!r} now; use one unit")
        scale = max(map(abs, terms))
        residual = abs(terms[0] - terms[1] - terms[2]) / scale if scale > SMALLEST else 0.0
        if residual > tolerance:
            raise BudgetError(
                f"balance of {name} does not close: in {terms[0]:.9g} = out {terms[1]:.9g} + change {terms[2]:.9g} "
                f"{units}, residual {residual:.3g} above {tolerance:g}; the component loses or creates {name}"
            )
        entry.inflow += terms[0]
        entry.outflow += terms[1]
        entry.change += terms[2]
        entry.worst = max(entry.worst, residual)
        return residual

    def settle(self, when: str) -> None:
        """Compare given with taken for each quantity that has both sides; raise where they differ."""
        for quantity, entry in self.transfers.items():
            if not (entry.givers and entry.takers):
                continue
            scale = max(abs(entry.given), abs(entry.taken))
            if abs(entry.given - entry.taken) > TRANSFER_TOLERANCE * scale:
                raise BudgetError(
                    f"{quantity} at {when}: given {entry.given:.12g} {entry.units}, taken {entry.taken:.12g}; "
                    f"a component reads it on another interval, or drops part of it"
                )

    def _transfer(self, quantity: str, amount: float, units: str) -> Transfer:
        if not math.isfinite(amount):
            raise BudgetError(f"{quantity}: {amount} {units} is not a finite amount")
        entry = self.transfers.setdefault(quantity, Transfer(units))
        if entry.units != units:
            raise UnitError(f"{quantity}: booked in {entry.units!r} and in {units!r}; give and take in one unit")
        return entry

    def state(self) -> dict[str, Any]:
        """Books as plain numbers, for a checkpoint; floats survive JSON exactly."""
        return {
            "transfers": {k: vars(v).copy() for k, v in self.transfers.items()},
            "balances": {k: vars(v).copy() for k, v in self.balances.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from books saved by :meth:`state`."""
        self.transfers = {k: Transfer(**v) for k, v in state["transfers"].items()}
        self.balances = {k: Balance(**v) for k, v in state["balances"].items()}

    def summary(self) -> list[tuple[str, str, float, float, float]]:
        """Rows (name, units, in, out, relative difference or worst residual) of all books."""
        rows = []
        for name, t in sorted(self.transfers.items()):
            scale = max(abs(t.given), abs(t.taken)) or 1.0
            rows.append((name, t.units, t.given, t.taken, abs(t.given - t.taken) / scale if t.takers else math.nan))
        for name, b in sorted(self.balances.items()):
            rows.append((f"{name} balance", b.units, b.inflow, b.outflow + b.change, b.worst))
        return rows

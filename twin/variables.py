"""Declarations of variables: what a component reads and writes, with dimensions, units and timing."""

import difflib
from dataclasses import dataclass
from typing import Literal

from twin.errors import UnitError

__all__ = ["UNITS", "In", "InOut", "Out", "Static", "Variable", "check_units"]

# Every unit that state may carry (UDUNITS spelling); a unit not listed here is refused by name.
UNITS = frozenset(
    {
        *(
            "1",
            "m",
            "m2",
            "km",
            "ha",
            "s",
            "h",
            "h-1",
            "km h-1",
            "m s-1",
            "degree",
            "degC",
            "W m-2",
            "mm h-1",
            "hPa",
        ),
        *("g", "g s-1", "g km-1", "kg", "mol", "mol s-1", "mol ha-1", "mol ha-1 yr-1", "ug m-3", "ug m-2 h-1"),
        *("W", "kW", "MW", "kvar", "kWh", "kWh yr-1", "V", "VA", "ohm", "S"),
    }
)


def check_units(units: str, where: str) -> None:
    """Raise :class:`UnitError` naming the nearest known unit if ``units`` is not in :data:`UNITS`."""
    if units not in UNITS:
        near = difflib.get_close_matches(units, UNITS, n=1, cutoff=0.0)[0]
        raise UnitError(f"{where}: unknown unit {units!r}; write {near!r}, or add it to twin.variables.UNITS")


@dataclass(frozen=True)
class Variable:
    """One declared variable of a component.

    ``over`` says how a faster producer is seen over the reader's own interval: its ``last`` value, its ``mean``,
    or its ``sum``. ``lag`` reads the value of the tick before: the one explicit way to break a cycle.
    ``additive`` is false where one amount passes several places, so that their sum means nothing.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    doc: str = ""
    intent: Literal["in", "out", "inout"] = "in"
    over: Literal["last", "mean", "sum"] = "last"
    lag: bool = False
    initial: float = 0.0
    dtype: str = "f8"
    record: bool = True
    cell_methods: str = ""
    additive: bool = True


@dataclass(frozen=True)
class Static:
    """World data that a component reads and that does not change: ``group/variable`` of the world."""

    path: str
    dims: tuple[str, ...]
    units: str


def In(
    name: str,
    dims: tuple[str, ...],
    units: str,
    doc: str = "",
    *,
    over: Literal["last", "mean", "sum"] = "last",
    lag: bool = False,
) -> Variable:
    """Declare an input: the component gets a read-only view."""
    return Variable(name, dims, units, doc, "in", over, lag)


def Out(
    name: str,
    dims: tuple[str, ...],
    units: str,
    doc: str,
    *,
    initial: float = 0.0,
    dtype: str = "f8",
    record: bool | None = None,
    cell_methods: str = "time: mean",
    additive: bool = True,
) -> Variable:
    """Declare an output. It is recorded unless it is a matrix over ``destination`` or ``record`` says otherwise."""
    keep = "destination" not in dims if record is None else record
    return Variable(name, dims, units, doc, "out", "last", False, initial, dtype, keep, cell_methods, additive)


def InOut(
    name: str,
    dims: tuple[str, ...],
    units: str,
    doc: str,
    *,
    initial: float = 0.0,
    dtype: str = "f8",
    record: bool | None = None,
    cell_methods: str = "time: point",
) -> Variable:
    """Declare state that the component carries from step to step and alone changes."""
    keep = "destination" not in dims if record is None else record
    return Variable(name, dims, units, doc, "inout", "last", False, initial, dtype, keep, cell_methods)

"""One structure for every power network that is read: buses, two-ports, loads, generators, sources.

Per unit on ``BASE`` and the rated voltage of each bus; powers in MW and Mvar, loads positive. A branch is a series
impedance ``z`` with a shunt at either end, behind an ideal transformer of complex ``ratio`` at the ``from`` end.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twin.errors import DataError

__all__ = ["BASE", "PowerNetwork", "Rows", "TapChanger", "parse_json", "read_json"]

BASE = 1e6  # VA: with it, per-unit power is MW and Mvar
PICKLE = (b"\x80", b"cos\n", b"c__", b"(dp", b"(lp", b"ccopy")  # openings of pickles of all protocols in use
COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")


class Rows:
    """A growing table: rows are added as keywords, columns come out as arrays."""

    def __init__(self, **types: Any):
        self._types = types
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in types}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, count: int, **values: Any) -> None:
        """Add ``count`` rows; each value is an array of that length or one value for all."""
        for name, dtype in self._types.items():
            column = np.zeros(count, dtype)
            if dtype is not bool or name in values:  # flags that are not given are false
                column[:] = values[name]
            self._columns[name].append(column)
        self._count += count

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name not in self._types:
            raise AttributeError(name)
        return np.concatenate([np.empty(0, self._types[name]), *self._columns[name]])


def _branches() -> Rows:
    return Rows(
        id=object, kind=object, start=int, end=int, z=complex, z_back=complex, ratio=complex, shunt_from=complex,
        shunt_to=complex, rated_from=float, rated_to=float, from_closed=bool, to_closed=bool, active=bool,
        by_power=bool,
    )  # fmt: skip


@dataclass
class TapChanger:
    """On-load tap changer: what its branch is at each position, and the voltage that it keeps.

    ``branch`` row of ``PowerNetwork.branch``; ``positions`` in the order in which the controlled voltage rises, with
    ``z``, ``ratio``, ``shunt`` (at either end) of each [pu]; ``start`` index of the present position; ``bus`` whose
    voltage is kept at ``set_point`` within ``band`` / 2 [pu]; ``drop`` impedance [pu] that the branch's current at that
    end is thought to flow through to the point controlled.
    """

    branch: int
    positions: np.ndarray
    z: np.ndarray
    ratio: np.ndarray
    shunt: np.ndarray
    start: int
    bus: int
    set_point: float
    band: float
    drop: complex = 0j


@dataclass
class PowerNetwork:
    """A network as its source gives it, before topology.

    ``branch``: ``start``, ``end`` bus; ``z``, ``z_back``, ``ratio``, ``shunt_from``, ``shunt_to`` pu; ``rated_from``,
    ``rated_to`` rated current pu (infinite where none); ``from_closed``, ``to_closed``, ``active``; ``by_power``
    where the format takes loading as apparent power over rated power. ``link``: closed
    switches between buses. ``shunt``: ``bus``, ``y`` pu. ``load``: ``bus``, ``p``, ``q`` MW and Mvar with shares of
    constant current ``ip``, ``iq`` and impedance ``zp``, ``zq``. ``generator`` (voltage held): ``bus``, ``p`` MW
    (positive = feeds in), ``vm`` pu, ``q_min``, ``q_max`` Mvar. ``source``: ``bus``, ``vm`` pu, ``va`` degree.
    ``notes`` say what was assumed.
    """

    origin: str
    bus_id: np.ndarray
    bus_name: np.ndarray
    v_rated: np.ndarray  # V
    bus_active: np.ndarray
    frequency: float = 50.0
    branch: Rows = field(default_factory=_branches)
    link: Rows = field(default_factory=lambda: Rows(a=int, b=int))
    shunt: Rows = field(default_factory=lambda: Rows(bus=int, y=complex))
    load: Rows = field(
        default_factory=lambda: Rows(
            id=object, kind=object, bus=int, p=float, q=float, ip=float, iq=float, zp=float, zq=float, profile=object
        )
    )
    generator: Rows = field(
        default_factory=lambda: Rows(id=object, bus=int, p=float, vm=float, q_min=float, q_max=float)
    )
    source: Rows = field(default_factory=lambda: Rows(id=object, bus=int, vm=float, va=float))
    tap_changers: list[TapChanger] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reactive_limits: bool = False  # the format's own tool keeps generators within their reactive limits
    equal_sources: bool = False  # the format says that equal ideal sources may feed one component
    several_sources: bool = False  # a published grid, whose authors let several sources feed one component
    source_impedance: bool = False  # sources stand behind their own impedance: several share the load by physics

    def add_bus(self, name: str, v_rated: float) -> int:
        """Add an internal bus (star point, source behind an impedance); returns its index."""
        self.bus_id = np.append(self.bus_id, np.array([name], object))
        self.bus_name = np.append(self.bus_name, np.array([name], object))
        self.v_rated = np.append(self.v_rated, v_rated)
        self.bus_active = np.append(self.bus_active, True)
        return self.bus_id.size - 1

    def check(self) -> "PowerNetwork":
        """Refuse values that no network can have; returns itself."""
        b = self.branch
        for what, ids, bad in (
            ("bus: rated voltage", self.bus_id, ~(np.isfinite(self.v_rated) & (self.v_rated > 0))),
            ("branch: impedance, charging or ratio", b.id,
             b.active & ~(np.isfinite(b.z) & np.isfinite(b.z_back) & np.isfinite(b.shunt_from + b.shunt_to)
               & np.isfinite(b.ratio) & (np.abs(b.ratio) > 0))),
            ("branch: rating", b.id, b.active & ~((b.rated_from > 0) & (b.rated_to > 0))),
            ("load: power", self.load.id, ~np.isfinite(self.load.p + self.load.q)),
            ("generator: power or voltage", self.generator.id,
             ~(np.isfinite(self.generator.p) & (self.generator.vm > 0))),
            ("source: voltage", self.source.id, ~((self.source.vm > 0) & np.isfinite(self.source.va))),
        ):  # fmt: skip
            if bad.any():
                raise DataError(
                    f"{self.origin}: {what} is missing or impossible at {_first(ids[bad])}; give a finite value "
                    f"above zero"
                )
        ids, counts = np.unique(self.bus_id.astype(str), return_counts=True)
        if (counts > 1).any():
            raise DataError(f"{self.origin}: bus id {ids[np.argmax(counts)]} appears twice; ids must be unique")
        names, counts = np.unique(np.char.add(b.kind.astype(str), b.id.astype(str)), return_counts=True)
        if (counts > 1).any():
            raise DataError(f"{self.origin}: branch id {names[np.argmax(counts)]} appears twice; ids must be unique")
        return self


def _first(ids: np.ndarray, n: int = 5) -> str:
    return ", ".join(map(str, ids[:n])) + (f" and {ids.size - n} more" if ids.size > n else "")


def read_json(path: Path) -> Any:
    """Plain JSON of a file. Pickles and archives are refused: nothing that can run code is loaded."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give an existing network file") from None
    if raw.startswith(PICKLE) or path.suffix in {".p", ".pkl", ".pickle"}:
        raise DataError(f"{path}: is a pickle, which can run code; save the network as JSON (pandapower.to_json)")
    if raw.startswith(COMPRESSED):
        raise DataError(f"{path}: is compressed; unpack it first")
    return parse_json(raw, str(path))


def parse_json(raw: bytes | str, where: str) -> Any:
    """Parse JSON with errors that name the place; nesting deeper than the parser's stack is refused."""
    try:
        return json.loads(raw)
    except RecursionError:
        raise DataError(
            f"{where}: brackets are nested too deep for a network; the file is damaged or hostile"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is not UTF-8 text at byte {error.start}; give a JSON network") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None

"""Networks, trips, flows and coordinates in the TNTP format of the Transportation Networks for Research.

The format as found in public files: rows end with ``;``, often glued to the last number; blanks and tabs mix; ``~``
opens a comment; metadata come in any order and spelling of case; the first thru node may be missing (then all nodes
may be passed); node ids need not be 1..n and may be written as 4.0; pairs of nodes may repeat as parallel links; the
heads of the columns may lack their ``~``; trips may stand as ``zone, trips;`` and beside their origin. Units differ per
network and are kept.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twin.errors import DataError
from twin.readers.trip_table import TripTable

__all__ = ["TntpNetwork", "TntpTrips", "read_flows", "read_network", "read_nodes", "read_trips"]

COLUMNS = ("init_node", "term_node", "capacity", "length", "free_flow_time", "b", "power", "speed", "toll", "link_type")
NEEDED = 7  # speed, toll and type are missing in some files and then 0
END = "END OF METADATA"
TAG = re.compile(r"^\s*<([^>]*)>(.*)$")
ORIGIN = re.compile(r"^\s*origin\b[\s:]*([^\s:;,]*)(.*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class TntpNetwork:
    """Links in the order of the file; ids as in the file, units the network's own.

    ``from_node``, ``to_node`` index ``node_id``, whose first ``zones`` entries are the zones 1..zones. Nodes with an
    id below ``first_thru`` may only start or end a path.
    """

    path: Path
    zones: int
    first_thru: int
    toll_factor: float
    distance_factor: float
    node_id: np.ndarray
    from_node: np.ndarray
    to_node: np.ndarray
    capacity: np.ndarray
    length: np.ndarray
    free_flow_time: np.ndarray
    b: np.ndarray
    power: np.ndarray
    speed: np.ndarray
    toll: np.ndarray
    link_type: np.ndarray
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def through(self) -> np.ndarray:
        """Whether a path may pass the node (node, bool)."""
        return self.node_id >= self.first_thru


class TntpTrips(TripTable):
    """Trips of a TNTP file; its zones are numbered 1..zones and counted from 0 here."""


def _text(path: Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the path of a TNTP file") from None
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _metadata(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    """Metadata by upper-case name, and the index of the first line after them."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        match = TAG.match(line)
        if match is None:
            continue
        name = " ".join(match[1].upper().replace("_", " ").split())
        if name == END:
            return found, number + 1
        found[name] = match[2].split("~")[0].strip().rstrip(";").strip()
    raise DataError(f"{path}: no line <{END}>; this is not a TNTP file, or it is truncated")


def _number(path: Path, metadata: dict[str, str], name: str, default: float | None = None) -> float:
    text = metadata.get(name, "")
    if not text:
        if default is None:
            raise DataError(f"{path}: metadata line <{name}> is missing or empty; add it")
        return default
    try:
        value = float(text.split()[0])
    except ValueError:
        raise DataError(f"{path}: <{name}> is {text!r}, not a number") from None
    if not np.isfinite(value):
        raise DataError(f"{path}: <{name}> is {text!r}, not a finite number")
    return value


def _factor(path: Path, metadata: dict[str, str], name: str) -> float:
    """Factor of the generalised cost; some files call it a weight."""
    value = _number(path, metadata, f"{name} FACTOR", _number(path, metadata, f"{name} WEIGHT", 0.0))
    if value < 0:
        raise DataError(f"{path}: <{name} FACTOR> is {value:g}; it must not be negative")
    return value


def _rows(path: Path, lines: list[str], start: int) -> tuple[list[list[str]], list[int]]:
    """Fields of each data row without comments and terminators, and its line number counted from 1."""
    rows, numbers = [], []
    for number, line in enumerate(lines[start:], start + 1):
        parts = line.split("~")[0].replace(";", " ").split()
        if parts:
            rows.append(parts)
            numbers.append(number)
    if rows and not any(map(_is_number, rows[0])):  # heads of the columns
        rows, numbers = rows[1:], numbers[1:]
    return rows, numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(path: Path, rows: list[list[str]], numbers: list[int], least: int) -> np.ndarray:
    """Rows as floats; the first row that does not fit is named."""
    width = len(rows[0]) if rows else least
    for parts, number in zip(rows, numbers):
        if len(parts) < least or len(parts) != width:
            raise DataError(
                f"{path}: line {number} has {len(parts)} columns, not {max(least, width)}: a row is cut or joined"
            )
    try:
        table = np.array(rows, dtype=np.float64).reshape(len(rows), width)
    except ValueError:
        for parts, number in zip(rows, numbers):
            for column, text in enumerate(parts):
                if not _is_number(text):
                    raise DataError(f"{path}: line {number}, column {column + 1}: {text!r} is not a number") from None
        raise
    return table


def read_network(path: str | Path) -> TntpNetwork:
    """Read ``*_net.tntp``; every row is checked and the first bad one is named by line and field."""
    path = Path(path)
    lines = _text(path)
    metadata, start = _metadata(path, lines)
    rows, numbers = _rows(path, lines, start)
    if not rows:
        raise DataError(f"{path}: no links after the metadata; the file is truncated")
    table = _table(path, rows, numbers, NEEDED)
    stated = int(_number(path, metadata, "NUMBER OF LINKS", len(rows)))
    if stated != len(rows):
        raise DataError(f"{path}: {len(rows)} link rows, <NUMBER OF LINKS> says {stated}; the file is cut or edited")
    data = np.zeros((len(rows), len(COLUMNS)))
    data[:, : min(table.shape[1], len(COLUMNS))] = table[:, : len(COLUMNS)]
    column = dict(zip(COLUMNS, data.T))
    _check_links(path, column, numbers)
    zones = int(_number(path, metadata, "NUMBER OF ZONES"))
    if zones < 1:
        raise DataError(f"{path}: <NUMBER OF ZONES> is {zones}; at least one zone is needed")
    tail, head = column["init_node"].astype(np.int64), column["term_node"].astype(np.int64)
    node_id = np.union1d(np.arange(1, zones + 1), np.concatenate([tail, head]))
    return TntpNetwork(
        path=path,
        zones=zones,
        first_thru=int(_number(path, metadata, "FIRST THRU NODE", 1)),
        toll_factor=_factor(path, metadata, "TOLL"),
        distance_factor=_factor(path, metadata, "DISTANCE"),
        node_id=node_id,
        from_node=np.searchsorted(node_id, tail).astype(np.int32),
        to_node=np.searchsorted(node_id, head).astype(np.int32),
        metadata=metadata,
        **{c: np.ascontiguousarray(column[c]) for c in COLUMNS[2:]},
    )


def _check_links(path: Path, column: dict[str, np.ndarray], numbers: list[int]) -> None:
    """Refuse what no link can be, naming line, field and value."""

    def refuse(name: str, bad: np.ndarray, why: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            more = f" (and {int(bad.sum()) - 1} more)" if bad.sum() > 1 else ""
            raise DataError(
                f"{path}: line {numbers[row]}: {name} of link {column['init_node'][row]:.0f} to "
                f"{column['term_node'][row]:.0f} is {column[name][row]:g}{more}: {why}"
            )

    for name, values in column.items():
        refuse(name, ~np.isfinite(values), "not a finite number; correct the file")
    for name in ("init_node", "term_node"):
        refuse(name, (column[name] < 1) | (column[name] % 1 != 0), "node ids are whole numbers from 1")
    for name in ("length", "free_flow_time", "b"):
        refuse(name, column[name] < 0, "must not be negative")
    refuse("power", column["power"] < 0, "travel time would fall with flow; powers are zero or above")
    used = (column["b"] > 0) & (column["free_flow_time"] > 0) & (column["power"] > 0)
    refuse("capacity", column["capacity"] < 0, "must be above zero; remove the link to close it")
    refuse("capacity", used & (column["capacity"] == 0), "must be above zero; remove the link to close it")


def read_trips(path: str | Path) -> TntpTrips:
    """Read ``*_trips.tntp``; pairs without trips are left out."""
    path = Path(path)
    lines = _text(path)
    metadata, start = _metadata(path, lines)
    zones = int(_number(path, metadata, "NUMBER OF ZONES"))
    origins, destinations, trips = [], [], []
    origin, block, first = None, [], start
    body = [line.split("~")[0] for line in lines[start:]]
    for number, line in enumerate([*body, "Origin 0"], start + 1):
        head = ORIGIN.match(line)
        if head is None:
            if line.strip() and origin is None:
                raise DataError(f"{path}: line {number}: {line.strip()!r} before the first 'Origin'")
            block.append(line)
            continue
        if origin is not None:
            d, q = _block(path, block, first)
            origins.append(np.full(len(d), origin))
            destinations.append(d)
            trips.append(q)
        if not _is_number(head[1]) or float(head[1]) % 1 != 0:
            raise DataError(f"{path}: line {number}: {line.strip()!r}; write 'Origin' and a zone number")
        origin = int(float(head[1]))
        block, first = [head[2]], number
    if not origins:
        raise DataError(f"{path}: no 'Origin' block after the metadata; the file is truncated or of another kind")
    o, d, q = np.concatenate(origins), np.concatenate(destinations), np.concatenate(trips)
    bad = ~np.isfinite(q) | (q < 0)
    if bad.any():
        k = int(np.argmax(bad))
        raise DataError(f"{path}: trips from zone {o[k]} to {d[k]} are {q[k]:g}; trips are finite and not negative")
    bad = (o < 1) | (o > zones) | (d < 1) | (d > zones)
    if bad.any():
        k = int(np.argmax(bad))
        raise DataError(f"{path}: trips from zone {o[k]} to {d[k]}, but <NUMBER OF ZONES> is {zones}")
    same = o == d
    intrazonal = float(q[same].sum())
    key = (o * (zones + 1) + d)[~same & (q > 0)]
    pair, inverse = np.unique(key, return_inverse=True)
    total = np.bincount(inverse, q[~same & (q > 0)], len(pair))
    stated = metadata.get("TOTAL OD FLOW")
    return TntpTrips(
        path,
        zones,
        (pair // (zones + 1) - 1).astype(np.int32),
        (pair % (zones + 1) - 1).astype(np.int32),
        total,
        intrazonal,
        _number(path, metadata, "TOTAL OD FLOW") if stated else None,
    )


def _block(path: Path, block: list[str], first: int) -> tuple[np.ndarray, np.ndarray]:
    """Destinations and trips of one origin: ``d : q;`` entries over any lines, the first beside the origin."""
    # a comma parts zone and trips only where no colon does: it may else be that of a thousand
    apart = ":;" if any(":" in line for line in block) else ",;"
    blank = str.maketrans(dict.fromkeys(apart, " "))
    words = " ".join(block).translate(blank).split()
    if len(words) % 2 == 0:
        try:
            table = np.array(words, dtype=np.float64).reshape(-1, 2)
            if np.all(table[:, 0] % 1 == 0):
                return table[:, 0].astype(np.int64), table[:, 1]
        except ValueError:
            pass  # named below
    for number, line in enumerate(block, first):
        for word in line.translate(blank).split():
            if not _is_number(word):
                raise DataError(f"{path}: line {number}: {word!r} is not a number; write 'zone : trips;'")
    raise DataError(f"{path}: block of line {first} does not hold pairs of zone and trips")


def read_flows(path: str | Path) -> np.ndarray:
    """Read ``*_flow.tntp``: rows (from id, to id, volume, cost) in the order of the file."""
    path = Path(path)
    lines = [line for line in _text(path) if not TAG.match(line)]
    rows, numbers = _rows(path, lines, 0)
    return _table(path, rows, numbers, 4)[:, :4]


def read_nodes(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read ``*_node.tntp``: ids and coordinates (node, 2) in the network's own plane."""
    path = Path(path)
    rows, numbers = _rows(path, _text(path), 0)
    table = _table(path, rows, numbers, 3)
    return table[:, 0].astype(np.int64), table[:, 1:3]

"""Road networks in GMNS (General Modeling Network Specification): ``node.csv`` and ``link.csv``, read and written."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twin.errors import DataError

__all__ = ["GmnsNetwork", "read_gmns", "with_centroids", "write_gmns"]

# Units that config.csv may name; metres and km/h are ours.
_LENGTH = {"m": 1.0, "meter": 1.0, "metre": 1.0, "km": 1000.0, "kilometer": 1000.0, "mile": 1609.344, "mi": 1609.344}
_LENGTH |= {"ft": 0.3048, "feet": 0.3048, "foot": 0.3048}
_SPEED = {"km/h": 1.0, "kph": 1.0, "kmh": 1.0, "mph": 1.609344, "mile/h": 1.609344}
_NO = ("", "nan", "none", "null")


@dataclass
class GmnsNetwork:
    """Directed links in the order of the file; ids are text as in the file, units ours."""

    node_id: list[str]
    node_x: np.ndarray  # (node,) in the CRS of the file, NaN where not given
    node_y: np.ndarray
    zone_id: list[str]  # per node, empty where it is no zone
    link_id: list[str]
    from_node: np.ndarray  # (link,) index of a node
    to_node: np.ndarray
    length: np.ndarray  # (link,) [m]
    lanes: np.ndarray  # (link,)
    capacity: np.ndarray  # (link,) [veh h-1] all lanes
    free_speed: np.ndarray  # (link,) [km/h]
    bpr_b: np.ndarray  # (link,)
    bpr_power: np.ndarray
    toll: np.ndarray
    geometry: list[str]  # WKT, empty where not given
    node_type: list[str]  # per node, empty where not given; paths do not pass a "centroid"
    vdf_fftt: np.ndarray  # (link,) [min] free-flow time where the file gives one, else NaN
    allowed_uses: list[str]  # per link, comma separated, empty where all may use it
    link_type: list[str]  # per link, empty where not given

    @property
    def free_flow_time(self) -> np.ndarray:
        """Travel time on the empty link [s]: ``vdf_fftt`` where given, else length over free speed."""
        given = np.isfinite(self.vdf_fftt)
        speed = np.where(given, 1.0, self.free_speed)
        return np.where(given, 60.0 * self.vdf_fftt, self.length / speed * 3.6)


def read_gmns(folder: Path, *, length_unit: str | None = None, speed_unit: str | None = None) -> GmnsNetwork:
    """Read a GMNS folder. Units come from ``config.csv`` (``long_length``, ``speed``) unless given here.

    ``capacity`` in GMNS is per lane and hour. ``vdf_alpha`` and ``vdf_beta`` default to 0.15 and 4 (Bureau of Public
    Roads, 1964). A link with ``directed`` false or ``dir_flag`` 0 becomes two, the second named ``<id>_r``; with
    ``dir_flag`` -1 it runs backwards. A link with ``vdf_fftt`` (free-flow time in minutes, as in the GMNS Plus data
    sets) needs no speed and may be of no length, as connectors of zones are. Raises :class:`DataError` naming file,
    line and field for missing columns, unknown nodes, numbers that are none, and lengths, capacities or speeds that
    are not above zero.
    """
    units = _units(folder, length_unit, speed_unit)
    nodes = list(_rows(folder / "node.csv", ["node_id"]))
    index: dict[str, int] = {}
    for where, row in nodes:
        name = row["node_id"]
        if name in index:
            raise DataError(f"{where}: node_id {name} occurs twice; ids must be unique")
        index[name] = len(index)
    links: list[tuple] = []
    seen: set[str] = set()
    for where, row in _rows(folder / "link.csv", ["link_id", "from_node_id", "to_node_id", "length", "capacity"]):
        if row["link_id"] in seen:
            raise DataError(f"{where}: link_id {row['link_id']} occurs twice; ids must be unique")
        seen.add(row["link_id"])
        for name in ("from_node_id", "to_node_id"):
            if row[name] not in index:
                raise DataError(f"{where}: {name} {row[name]!r} is not in node.csv; add the node")
        a, b = index[row["from_node_id"]], index[row["to_node_id"]]
        lanes = _number(row, "lanes", where, 1.0, above=True)
        time = _number(row, "vdf_fftt", where, np.nan)
        timed = bool(np.isfinite(time))
        values = (
            _number(row, "length", where, None, above=not timed) * units[0],
            lanes,
            _number(row, "capacity", where, None, above=True) * lanes,
            _number(row, "free_speed", where, np.nan if timed else None, above=not timed) * units[1],
            _number(row, "vdf_alpha", where, 0.15),
            _number(row, "vdf_beta", where, 4.0),
            _number(row, "vdf_toll" if row.get("vdf_toll") else "toll", where, 0.0),
            row.get("geometry", ""),
            time,
            row.get("allowed_uses", ""),
            row.get("link_type", ""),
        )
        way = _direction(row, where)
        if way >= 0:
            links.append((row["link_id"], a, b, *values))
        if way <= 0:
            links.append((row["link_id"] if way < 0 else f"{row['link_id']}_r", b, a, *values))
    if not links:
        raise DataError(f"{folder / 'link.csv'}: no links; give a network")
    columns = list(zip(*links))
    return GmnsNetwork(
        node_id=list(index),
        node_x=np.array([_number(row, "x_coord", where, np.nan) for where, row in nodes]),
        node_y=np.array([_number(row, "y_coord", where, np.nan) for where, row in nodes]),
        zone_id=[row.get("zone_id", "") for _, row in nodes],
        link_id=list(columns[0]),
        from_node=np.array(columns[1], dtype=np.int32),
        to_node=np.array(columns[2], dtype=np.int32),
        length=np.array(columns[3]),
        lanes=np.array(columns[4]),
        capacity=np.array(columns[5]),
        free_speed=np.array(columns[6]),
        bpr_b=np.array(columns[7]),
        bpr_power=np.array(columns[8]),
        toll=np.array(columns[9]),
        geometry=list(columns[10]),
        node_type=[row.get("node_type", "") for _, row in nodes],
        vdf_fftt=np.array(columns[11]),
        allowed_uses=list(columns[12]),
        link_type=list(columns[13]),
    )


def with_centroids(n: GmnsNetwork) -> tuple[GmnsNetwork, int]:
    """The network with one node for each zone, and how many links it has more.

    A zone of several nodes gets a centroid ``zone_ID`` that paths do not pass, joined to each of its nodes and back by
    links without length or cost, ``connector_FROM_TO``, behind those of the file.
    """
    nodes: dict[str, list[int]] = {}
    for k, zone in enumerate(n.zone_id):
        if zone:
            nodes.setdefault(zone, []).append(k)
    several = {zone: members for zone, members in nodes.items() if len(members) > 1}
    if not several:
        return n, 0
    node_id, zone_id, ends = list(n.node_id), list(n.zone_id), []
    for zone, members in several.items():
        centre = len(node_id)
        node_id.append(f"zone_{zone}")
        zone_id.append(zone)
        for k in members:
            zone_id[k] = ""
            ends += [(centre, k), (k, centre)]
    made = len(ends)
    link_id = [f"connector_{node_id[a]}_{node_id[b]}" for a, b in ends]
    taken = set(n.node_id) & set(node_id[len(n.node_id) :]) or set(n.link_id) & set(link_id)
    if taken:
        raise DataError(
            f"{min(taken)} is an id of the file; a zone of several nodes needs it for its centroid: rename it"
        )

    def more(column: np.ndarray, value: float) -> np.ndarray:
        return np.concatenate([column, np.full(made, value, column.dtype)])

    def nowhere(column: np.ndarray) -> np.ndarray:
        return np.concatenate([column, np.full(len(several), np.nan)])

    tail, head = np.array(ends, np.int32).T
    return replace(
        n,
        node_id=node_id,
        node_x=nowhere(n.node_x),
        node_y=nowhere(n.node_y),
        zone_id=zone_id,
        node_type=[*n.node_type, *["centroid"] * len(several)],
        link_id=[*n.link_id, *link_id],
        from_node=np.concatenate([n.from_node, tail]),
        to_node=np.concatenate([n.to_node, head]),
        length=more(n.length, 0.0),
        lanes=more(n.lanes, 1.0),
        capacity=more(n.capacity, 1.0),
        free_speed=more(n.free_speed, np.nan),
        bpr_b=more(n.bpr_b, 0.0),
        bpr_power=more(n.bpr_power, 1.0),
        toll=more(n.toll, 0.0),
        geometry=[*n.geometry, *[""] * made],
        vdf_fftt=more(n.vdf_fftt, 0.0),
        allowed_uses=[*n.allowed_uses, *[""] * made],
        link_type=[*n.link_type, *["connector"] * made],
    ), made  # fmt: skip


def write_gmns(folder: Path, network: GmnsNetwork) -> None:
    """Write ``node.csv``, ``link.csv`` and ``config.csv`` (metres, km/h); each appears only when complete."""
    folder.mkdir(parents=True, exist_ok=True)
    n = network
    nodes = zip(n.node_id, map(_text, n.node_x), map(_text, n.node_y), n.zone_id, n.node_type)
    _write(folder / "node.csv", ["node_id", "x_coord", "y_coord", "zone_id", "node_type"], nodes)
    fields = ["link_id", "from_node_id", "to_node_id", "directed", "length", "lanes", "capacity", "free_speed"]
    fields += ["vdf_alpha", "vdf_beta", "toll", "vdf_fftt", "allowed_uses", "link_type", "geometry"]
    per_lane = n.capacity / n.lanes
    links = (
        [n.link_id[i], n.node_id[n.from_node[i]], n.node_id[n.to_node[i]], "1"]
        + [_text(a[i]) for a in (n.length, n.lanes, per_lane, n.free_speed, n.bpr_b, n.bpr_power, n.toll, n.vdf_fftt)]
        + [n.allowed_uses[i], n.link_type[i], n.geometry[i]]
        for i in range(len(n.link_id))
    )
    _write(folder / "link.csv", fields, links)
    _write(folder / "config.csv", ["long_length", "speed"], [["m", "kph"]])


def _units(folder: Path, length: str | None, speed: str | None) -> tuple[float, float]:
    given: dict[str, str] = {}
    if (folder / "config.csv").is_file():
        given = next((row for _, row in _rows(folder / "config.csv", [])), {})
    length = length or given.get("long_length") or "m"
    speed = speed or given.get("speed") or "km/h"
    for unit, known, field in ((length, _LENGTH, "long_length"), (speed, _SPEED, "speed")):
        if unit.lower() not in known:
            raise DataError(f"{folder / 'config.csv'}: {field} = {unit!r}; known units: {', '.join(known)}")
    return _LENGTH[length.lower()], _SPEED[speed.lower()]


def _rows(path: Path, needed: list[str]) -> Iterable[tuple[str, dict[str, str]]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; a GMNS network has node.csv and link.csv")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for field in needed:
            if field not in (reader.fieldnames or ()):
                raise DataError(f"{path}: no column {field!r}; it has {', '.join(reader.fieldnames or ())}")
        for row in reader:
            clean = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
            yield f"{path}, line {reader.line_num}", clean


def _number(row: dict[str, str], name: str, where: str, default: float | None, *, above: bool = False) -> float:
    text = row.get(name, "")
    if text.lower() in _NO:
        if default is None:
            raise DataError(f"{where}: {name} is empty; every link needs one")
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{where}: {name} = {text!r} is no number; correct the file") from error
    signed = name in ("toll", "x_coord", "y_coord", "vdf_toll")
    if not np.isfinite(value) or (above and value <= 0) or (not above and not signed and value < 0):
        raise DataError(f"{where}: {name} = {text}; it must be finite and {'above' if above else 'not below'} zero")
    return value


def _direction(row: dict[str, str], where: str) -> int:
    """1 forward, -1 backward, 0 both ways."""
    flag, directed = row.get("dir_flag", ""), row.get("directed", "").lower()
    if flag:
        if flag not in ("1", "0", "-1"):
            raise DataError(f"{where}: dir_flag = {flag!r}; write 1, 0 or -1")
        return int(flag)
    if directed not in ("", "1", "0", "true", "false"):
        raise DataError(f"{where}: directed = {directed!r}; write 1 or 0")
    return 0 if directed in ("0", "false") else 1


def _text(value: float) -> str:
    return "" if np.isnan(value) else repr(float(value))


def _write(path: Path, fields: list[str], rows: Iterable) -> None:
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(fields)
            writer.writerows(rows)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}); check the folder and the free space") from error
    finally:
        part.unlink(missing_ok=True)

"""High-voltage network from OpenStreetMap in the tables of SciGRID: vertices and links, separated by ``#``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
from pandas.errors import EmptyDataError, ParserError

from twin.errors import DataError

__all__ = ["HighVoltageGrid", "read_osm_power"]

VERTEX_FIELDS = ("v_id", "lon", "lat", "typ", "voltage", "name")
LINK_FIELDS = ("l_id", "v_id_1", "v_id_2", "voltage", "length_m")


@dataclass
class HighVoltageGrid:
    """Tables of the network; voltages [V] as tuples, empty where the source names none.

    ``vertices``: ``x``, ``y`` [m], ``kind``, ``voltages``, ``name``, indexed by the source's id (int). ``links``:
    ``from``, ``to`` (ids of vertices), ``voltages`` (one per circuit; a voltage listed once for six
    conductors is that of two circuits), ``length`` [m], indexed by the source's id.
    """

    vertices: pd.DataFrame
    links: pd.DataFrame


def _table(path: Path, fields: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the table that the catalogue names")
    try:
        frame = pd.read_csv(path, sep="#", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ParserError, EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no table separated by '#' ({error}); fetch the file again") from error
    for name in fields:
        if name not in frame:
            raise DataError(f"{path}: no field {name!r}; it has {', '.join(frame.columns)}")
    twice = frame[fields[0]].duplicated()
    if twice.any():
        raise DataError(f"{path}: {fields[0]} {frame[fields[0]][twice].iloc[0]} occurs twice; ids must be unique")
    number = frame[fields[0]].str.isdigit()
    if not number.all():
        raise DataError(f"{path}: {fields[0]} {frame[fields[0]][~number].iloc[0]!r} is no number; correct the id")
    return frame.set_index(fields[0])


def _numbers(path: Path, frame: pd.DataFrame, name: str) -> np.ndarray:
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(values).all():
        key = frame.index[int(np.argmin(np.isfinite(values)))]
        raise DataError(f"{path}, id {key}: {name} is {frame[name][key]!r}, no number; correct it")
    return values


def _voltages(text: str) -> tuple[int, ...]:
    """Voltages [V] of a list as in "150000;150000" or "n/a;n/a": one entry per circuit, 0 where not known."""
    parts = [p.strip() for p in text.split(";")] if text.strip() else []
    return tuple(int(p) if p.isdigit() else 0 for p in parts)


def _circuits(voltage: str, cables: str) -> tuple[int, ...]:
    """Voltages of a link's circuits: those listed; where one is listed for 3 k conductors, it is that of k circuits."""
    listed = _voltages(voltage)
    conductors = [p.strip() for p in cables.split(";")]
    if len(listed) == 1 and all(p.isdigit() for p in conductors):
        total = sum(int(p) for p in conductors)
        if total and total % 3 == 0:
            return listed * (total // 3)
    return listed


def read_osm_power(vertices: Path, links: Path, *, epsg: int = 28992) -> HighVoltageGrid:
    """Read both tables, coordinates transformed from longitude and latitude to ``epsg``.

    The source holds no resistance, reactance or rating: none is made up here. Raises :class:`DataError` naming
    file, id and field; a link between unknown vertices or without length is refused.
    """
    table = _table(vertices, VERTEX_FIELDS)
    transform = pyproj.Transformer.from_crs(4326, epsg, always_xy=True)
    x, y = transform.transform(_numbers(vertices, table, "lon"), _numbers(vertices, table, "lat"))
    points = pd.DataFrame(
        {"x": x, "y": y, "kind": table["typ"], "voltages": table["voltage"].map(_voltages), "name": table["name"]},
        index=table.index,
    )
    rows = _table(links, LINK_FIELDS)
    for end in ("v_id_1", "v_id_2"):
        unknown = ~rows[end].isin(points.index)
        if unknown.any():
            key = rows.index[unknown][0]
            raise DataError(f"{links}, id {key}: {end} = {rows[end][key]} is no vertex of {vertices.name}")
    cables = rows["cables"] if "cables" in rows else pd.Series("", rows.index)
    length = _numbers(links, rows, "length_m")
    if not (length > 0).all():
        key = rows.index[int(np.argmin(length > 0))]
        raise DataError(f"{links}, id {key}: length_m is {rows['length_m'][key]}; a line has a length")
    points.index = points.index.astype(int)
    lines = pd.DataFrame(
        {
            "from": rows["v_id_1"].astype(int).to_numpy(),
            "to": rows["v_id_2"].astype(int).to_numpy(),
            "voltages": pd.Series([*map(_circuits, rows["voltage"], cables)], rows.index, dtype=object).to_numpy(),
            "length": length,
        },
        index=rows.index.astype(int),
    )
    return HighVoltageGrid(points, lines)

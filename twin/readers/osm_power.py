"""High-voltage network from OpenStreetMap in the SciGRID layout: ``#``-separated vertices and links."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pyproj import Transformer

from twin.errors import DataError

__all__ = ["HighVoltageGrid", "read_osm_power"]


@dataclass
class HighVoltageGrid:
    """``vertices``: id (index), x, y [m], kind, voltages; ``links``: id (index), from, to, voltages, length [m].

    ``voltages`` is a tuple of V as tagged, "n/a" left out; electrical parameters are empty in the source.
    """

    vertices: pd.DataFrame
    links: pd.DataFrame


def read_osm_power(vertices: Path, links: Path, *, epsg: int = 28992) -> HighVoltageGrid:
    """Read both files; raises :class:`DataError` for a missing file or column or a link to an unknown vertex."""
    v = _table(vertices, ["v_id", "lon", "lat", "typ", "voltage", "name"])
    k = _table(links, ["l_id", "v_id_1", "v_id_2", "voltage", "length_m"])
    transform = Transformer.from_crs(4326, epsg, always_xy=True)
    x, y = transform.transform(v["lon"].astype(float).to_numpy(), v["lat"].astype(float).to_numpy())
    nodes = pd.DataFrame(
        {
            "x": x,
            "y": y,
            "kind": v["typ"].to_numpy(),
            "voltages": [_voltages(t) for t in v["voltage"]],
            "name": v["name"].to_numpy(),
        },
        index=pd.Index(v["v_id"].astype(int), name="id"),
    )
    edges = pd.DataFrame(
        {
            "from": k["v_id_1"].astype(int).to_numpy(),
            "to": k["v_id_2"].astype(int).to_numpy(),
            "voltages": [_voltages(t) for t in k["voltage"]],
            "length": k["length_m"].astype(float).to_numpy(),
        },
        index=pd.Index(k["l_id"].astype(int), name="id"),
    )
    for end in ("from", "to"):
        unknown = ~edges[end].isin(nodes.index)
        if unknown.any():
            raise DataError(
                f"{links}: link {edges.index[int(np.argmax(unknown))]} ends at a vertex that {vertices.name} lacks"
            )
    return HighVoltageGrid(nodes, edges)


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the vertices and links of the grid")
    table = pd.read_csv(path, sep="#", dtype=str, keep_default_na=False, quotechar='"')
    missing = [c for c in columns if c not in table]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; the SciGRID layout separated by # is wanted")
    return table


def _voltages(text: str) -> tuple[int, ...]:
    return tuple(int(t) for t in text.strip("'\"").split(";") if t.strip().isdigit())

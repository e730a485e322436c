"""Tables with a value per link: preloads and counts."""

from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import DataError
from twin.traffic.network import RoadNetwork

__all__ = ["read_link_table", "read_link_values"]


def read_link_table(path: str | Path, net: RoadNetwork) -> tuple[np.ndarray, pd.DataFrame]:
    """Index of the link of each row, and the columns as text with lower-case names.

    A row names its link by the column ``link``, or by ``from_node`` and ``to_node`` where just one link joins them.
    """
    try:
        frame = pd.read_csv(path, sep=None, engine="python", dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a table of links") from None
    except (OSError, UnicodeError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: no readable table ({error})") from None
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    frame = frame.map(str.strip)
    if "link" in frame:
        return net.links_of(frame["link"].tolist(), str(path)), frame
    if not {"from_node", "to_node"} <= set(frame.columns):
        raise DataError(f"{path}: columns {', '.join(frame.columns)}; name links by link, or by from_node and to_node")
    joined: dict[tuple[str, str], list[int]] = {}
    names = net.node_id.astype(str)
    for k, ends in enumerate(zip(names[net.from_node], names[net.to_node])):
        joined.setdefault(ends, []).append(k)
    links = []
    for row, ends in enumerate(zip(frame["from_node"], frame["to_node"])):
        found = joined.get(ends, [])
        if len(found) != 1:
            raise DataError(
                f"{path}, line {row + 2}: {len(found)} links run from node {ends[0]} to {ends[1]}"
                + ("; name the link by the column link" if found else "")
            )
        links.append(found[0])
    return np.array(links, np.int64), frame


def read_link_values(path: str | Path, net: RoadNetwork, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Index of the link of each row, and its value in column ``name``: finite and not negative."""
    links, frame = read_link_table(path, net)
    if name not in frame:
        raise DataError(f"{path}: no column {name!r}; it has {', '.join(frame.columns)}")
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{path}, line {row + 2}: {name} = {frame[name].iloc[row]!r}; it must be finite and not negative"
        )
    return links, values

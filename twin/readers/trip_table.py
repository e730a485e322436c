"""Trips between zones as a table of pairs: from matrices, and from long CSV tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import DataError

__all__ = ["TripTable", "of_pairs", "read_csv_trips"]

# Heads of the columns origin, destination, trips: GMNS's demand.csv, and what else is common.
_HEADS = (
    ("o_zone_id", "d_zone_id", "volume"),
    ("origin", "destination", "trips"),
    ("origin", "destination", "demand"),
    ("from", "to", "trips"),
    ("o", "d", "trips"),
)


@dataclass(frozen=True)
class TripTable:
    """Trips between zones counted from 0, one row per pair with trips, ordered by origin and destination.

    ``intrazonal`` trips are left out of ``origin``, ``destination``, ``trips`` and reported here; ``stated_total`` is
    what the file says that all its trips add up to.
    """

    path: Path
    zones: int
    origin: np.ndarray
    destination: np.ndarray
    trips: np.ndarray
    intrazonal: float
    stated_total: float | None


def of_pairs(
    path: Path,
    origin: np.ndarray,
    destination: np.ndarray,
    trips: np.ndarray,
    zone_id: np.ndarray,
    stated_total: float | None = None,
) -> TripTable:
    """Table of ``trips`` (row) from ``origin`` to ``destination`` (row, index into ``zone_id``).

    Repeated pairs add up. Raises :class:`DataError` for trips that are negative or not finite.
    """
    bad = ~(np.isfinite(trips) & (trips >= 0))
    if bad.any():
        k = int(np.argmax(bad))
        raise DataError(
            f"{path}: trips from zone {zone_id[origin[k]]} to {zone_id[destination[k]]} are {trips[k]:g}; trips are "
            f"finite and not negative"
        )
    zones = len(zone_id)
    same = origin == destination
    use = ~same & (trips > 0)
    pair, inverse = np.unique(origin[use].astype(np.int64) * zones + destination[use], return_inverse=True)
    return TripTable(
        path,
        zones,
        (pair // zones).astype(np.int32),
        (pair % zones).astype(np.int32),
        np.bincount(inverse, trips[use], len(pair)),
        float(trips[same].sum()),
        stated_total,
    )


def read_csv_trips(path: Path, zone_id: np.ndarray) -> TripTable:
    """Read a long table, a row per pair; ``zone_id`` (zone) are the zones that may occur.

    The head names origin, destination and trips: ``o_zone_id, d_zone_id, volume`` (GMNS) or ``origin, destination,
    trips``; commas or semicolons. Raises :class:`DataError` naming the line for an unknown zone, a pair that occurs
    twice, and trips that are no number or negative.
    """
    try:
        frame = pd.read_csv(path, sep=None, engine="python", dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the table of trips") from None
    except (OSError, UnicodeError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: no readable table ({error})") from None
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    head = next((h for h in _HEADS if set(h) <= set(frame.columns)), None)
    if head is None:
        raise DataError(
            f"{path}: columns {', '.join(frame.columns)}; a table of trips has "
            + " or ".join(", ".join(names) for names in _HEADS[:2])
        )
    index = {str(zone): k for k, zone in enumerate(zone_id)}
    ends = []
    for name in head[:2]:
        text = frame[name].str.strip()
        found = text.map(index)
        if found.isna().any():
            row = int(np.argmax(found.isna()))
            raise DataError(
                f"{path}, line {row + 2}: zone {text.iloc[row]!r} in {name} is none of the network's {len(index)} zones"
            )
        ends.append(found.to_numpy(np.int64))
    trips = pd.to_numeric(frame[head[2]], errors="coerce").to_numpy(np.float64)
    bad = ~(np.isfinite(trips) & (trips >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{path}, line {row + 2}: {head[2]} = {frame[head[2]].iloc[row]!r}; trips are finite and not negative"
        )
    pair = ends[0] * len(index) + ends[1]
    again = pd.Series(pair).duplicated().to_numpy()
    if again.any():
        row = int(np.argmax(again))
        raise DataError(
            f"{path}, line {row + 2}: pair {frame[head[0]].iloc[row]} to {frame[head[1]].iloc[row]} occurs twice; add "
            f"the rows up"
        )
    return of_pairs(path, ends[0], ends[1], trips, zone_id)

"""Demand zones and the municipalities that stand for places in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin.errors import DataError
from twin.readers.vectors import read_polygons

__all__ = ["Municipalities", "ZonePolygons", "read_municipalities", "read_zones"]


@dataclass
class ZonePolygons:
    """Zones in the order of their numbers."""

    number: np.ndarray  # (zone,)
    name: list[str]
    polygon: np.ndarray  # (zone,) shapely geometries [m]


@dataclass
class Municipalities:
    """Municipalities by code; ``polygon`` in the CRS asked for."""

    code: list[str]
    inhabitants: np.ndarray  # (municipality,)
    polygon: np.ndarray  # (municipality,) shapely geometries [m]


def read_zones(path: Path, *, number: str, name: str, epsg: int = 28992) -> ZonePolygons:
    """Read demand zones, sorted by number. Raises :class:`DataError` where a number occurs twice."""
    frame = read_polygons(path, [number, name], epsg=epsg).sort_values(number)
    numbers = frame[number].to_numpy().astype(int)
    twice = numbers[1:][np.diff(numbers) == 0]
    if len(twice):
        raise DataError(f"{path}: zone {twice[0]} occurs twice in {number!r}; dissolve its parts")
    return ZonePolygons(numbers, [str(text) for text in frame[name]], np.asarray(frame.geometry.array, dtype=object))


def read_municipalities(
    path: Path, *, code: str, inhabitants: str, skip: Sequence[str] = (), epsg: int = 28992
) -> Municipalities:
    """Read municipalities with their inhabitants, without the codes in ``skip`` (foreign enclaves).

    Raises :class:`DataError` for a missing or negative number of inhabitants.
    """
    frame = read_polygons(path, [code, inhabitants], epsg=epsg)
    frame = frame[~frame[code].isin(list(skip))]
    people = frame[inhabitants].to_numpy().astype(float)
    bad = ~(people >= 0)
    if bad.any():
        i = int(np.argmax(bad))
        raise DataError(f"{path}: {code} {frame[code].iloc[i]} has {inhabitants} = {people[i]}; give or skip it")
    return Municipalities([str(c) for c in frame[code]], people, np.asarray(frame.geometry.array, dtype=object))

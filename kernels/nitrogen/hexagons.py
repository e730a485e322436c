"""The AERIUS hexagons of 1 ha: centres and numbers in RD New.

Geometry as published by AERIUS (open data, receptors): box x 3604..287959 m, y 296800..629300 m; flat-topped
hexagons of 10000 m2; 1529 per row, 6189 rows, odd rows shifted by one and a half sides.
"""

import numpy as np

__all__ = ["LARGEST", "SIDE", "centres", "hexagons_within", "numbers"]

AREA = 10_000.0  # m2
SIDE = float(np.sqrt(2.0 * AREA / (3.0 * np.sqrt(3.0))))  # m
HEIGHT = float(np.sqrt(3.0) * SIDE)  # m
_LEFT, _BOTTOM = 3604.0, 296_800.0  # m RD, centre of hexagon 1
_ROW, _ROWS = 1529, 6189
LARGEST = _ROW * _ROWS


def centres(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres x, y [m RD] of hexagons 1..9462981."""
    index = np.asarray(number, dtype=np.int64) - 1
    row, column = index // _ROW, index % _ROW
    x = _LEFT + 3.0 * SIDE * column + np.where(row % 2 == 1, 1.5 * SIDE, 0.0)
    return x, _BOTTOM + 0.5 * HEIGHT * row


def numbers(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Number of the hexagon that holds each point [m RD]; 0 outside the box."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    best = np.zeros(np.shape(x), dtype=np.int64)
    shortest = np.full(np.shape(x), np.inf)
    for odd in (0, 1):  # two interleaved rectangular lattices: the nearer centre holds the point
        column = np.rint((x - _LEFT - 1.5 * SIDE * odd) / (3.0 * SIDE)).astype(np.int64)
        row = 2 * np.rint(((y - _BOTTOM) / (0.5 * HEIGHT) - odd) / 2.0).astype(np.int64) + odd
        valid = (column >= 0) & (column < _ROW) & (row >= 0) & (row < _ROWS)
        number = np.where(valid, row * _ROW + column + 1, 0)
        cx, cy = centres(np.maximum(number, 1))
        distance = np.where(valid, (cx - x) ** 2 + (cy - y) ** 2, np.inf)
        nearer = distance < shortest
        best = np.where(nearer, number, best)
        shortest = np.where(nearer, distance, shortest)
    return best


def hexagons_within(x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    """Numbers of the hexagons whose centre lies within ``reach`` [m] of any of the points, ascending."""
    x, y = np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(y, dtype=float))
    found: list[np.ndarray] = []
    for sx, sy in np.unique(np.column_stack((x, y)), axis=0):
        low = max(0, int(np.floor((sy - reach - _BOTTOM) / (0.5 * HEIGHT))))
        high = min(_ROWS - 1, int(np.ceil((sy + reach - _BOTTOM) / (0.5 * HEIGHT))))
        first = max(0, int(np.floor((sx - reach - _LEFT) / (3.0 * SIDE))) - 1)
        last = min(_ROW - 1, int(np.ceil((sx + reach - _LEFT) / (3.0 * SIDE))) + 1)
        if high < low or last < first:
            continue
        number = (np.arange(low, high + 1)[:, None] * _ROW + np.arange(first, last + 1)).ravel() + 1
        cx, cy = centres(number)
        found.append(number[(cx - sx) ** 2 + (cy - sy) ** 2 <= reach * reach])
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)

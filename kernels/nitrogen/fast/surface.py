"""What another surface under the receptor, or another roughness under the source, makes of a tabulated plume.

Factors on its columns, tabulated every SECTOR degrees and at a few distances, and interpolated between them.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import fused_njit
from kernels.nitrogen.fast.lookup import COLUMNS
from kernels.rows import row8

__all__ = ["SECTOR", "Corners", "change_at", "change_of", "find_corners"]

SECTOR = 30  # whole degrees between the directions at which changes are tabulated


class Corners(NamedTuple):
    """Where the pairs of a batch lie between tabulated directions and distances."""

    first: np.ndarray  # (n,) int64: row of the direction before and the distance below
    second: np.ndarray  # (n,) int64: of the direction after
    weight: np.ndarray  # (n, 4) float32: of both at the direction before, of both at the one after


def change_of(result: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What turns results over one surface into those over another, (entries, COLUMNS) float32.

    ``result``, ``base`` (entries, OUTPUTS): concentration, dry, wet of primary and secondary species, NO2. Columns 0
    to 5 are factors on these; column 6, on NO2, is that of its concentration. Dry deposition of the primary species,
    which may change sign, takes the factor of its concentration where its own would not be between a tenth and ten,
    and a term times that concentration, column 7.
    """
    some = base != 0.0
    change = np.zeros((len(result), COLUMNS))
    change[:, :6] = np.where(some, result / np.where(some, base, 1.0), 1.0)[:, :6]
    if not ((change[:, 1] > 0.1) & (change[:, 1] < 10.0)).all():
        there = result[:, 0] != 0.0
        before = np.where(some[:, 0], base[:, 1] / np.where(some[:, 0], base[:, 0], 1.0), 0.0)
        after = np.where(there, result[:, 1] / np.where(there, result[:, 0], 1.0), before)
        change[:, 1] = change[:, 0]
        change[:, 7] = change[:, 0] * (after - before)
    change[:, :6] = np.clip(change[:, :6], -1.0e3, 1.0e3)
    change[:, 6] = change[:, 0]
    return change.astype(np.float32)


@fused_njit
def find_corners(degree, position, n, stations, corners):
    """Fill ``corners`` for ``n`` pairs; ``position`` (n,) in units of the tabulated distances."""
    turns = 360 // SECTOR
    for j in range(n):
        here = degree[j] // SECTOR
        there = here + 1 if here + 1 < turns else 0
        turned = (degree[j] - here * SECTOR) / SECTOR
        i = min(np.int64(position[j]), stations - 2)
        far = position[j] - i
        corners.first[j], corners.second[j] = here * stations + i, there * stations + i
        corners.weight[j, 0], corners.weight[j, 1] = (1.0 - turned) * (1.0 - far), (1.0 - turned) * far
        corners.weight[j, 2], corners.weight[j, 3] = turned * (1.0 - far), turned * far


@fused_njit(forceinline=True)
def change_at(changes, table, corners, j):
    """Row of change of pair ``j`` from the table that begins at row ``table`` of ``changes`` (rows, COLUMNS)."""
    p, q = table + corners.first[j], table + corners.second[j]
    near = corners.weight[j, 0] * row8(changes, p) + corners.weight[j, 1] * row8(changes, p + 1)
    return near + corners.weight[j, 2] * row8(changes, q) + corners.weight[j, 3] * row8(changes, q + 1)

"""What another surface under the receptor, or another roughness under the source, makes of a tabulated plume.

Factors on its columns, tabulated every SECTOR degrees and at a few distances, and interpolated between them.
"""

import numpy as np

from kernels.jit import fused_njit
from kernels.nitrogen.fast.lookup import COLUMNS

__all__ = ["SECTOR", "add_change", "apply_change", "change_of"]

SECTOR = 15  # whole degrees between the directions at which changes are tabulated


def change_of(result: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What turns results over one surface into those over another, (entries, COLUMNS) float32.

    ``result``, ``base`` (entries, OUTPUTS): concentration, dry, wet of primary and secondary species, NO2. Columns 0
    to 5 are factors on these (NO2 follows its concentration). Dry deposition, which may change sign, takes the factor
    of its concentration where its own would not be between a tenth and ten, and a term times that concentration
    (columns 6 and 7, primary and secondary).
    """
    change = np.zeros((len(result), COLUMNS))
    some = base != 0.0
    ratio = np.where(some, result / np.where(some, base, 1.0), 1.0)
    for column, term in ((1, 6), (4, 7)):
        if not ((ratio[:, column] > 0.1) & (ratio[:, column] < 10.0)).all():
            carrier = column - 1
            before = np.where(
                some[:, carrier], base[:, column] / np.where(some[:, carrier], base[:, carrier], 1.0), 0.0
            )
            there = result[:, carrier] != 0.0
            after = np.where(there, result[:, column] / np.where(there, result[:, carrier], 1.0), before)
            ratio[:, column] = ratio[:, carrier]
            change[:, term] = after - before
    change[:, :6] = np.clip(ratio[:, :6], -1.0e3, 1.0e3)
    return change.astype(np.float32)


@fused_njit(forceinline=True)
def add_change(change, degree, position, weight, out):
    """Add to ``out`` (COLUMNS,) float32 a weight times the change at a direction and a position between stations.

    ``change`` (360/SECTOR*stations, COLUMNS) float32.
    """
    turns = 360 // SECTOR
    stations = change.shape[0] // turns
    here = degree // SECTOR
    there = here + 1 if here + 1 < turns else 0
    turned = np.float32((degree - here * SECTOR) / SECTOR)
    i = min(np.int32(position), stations - 2)
    far = np.float32(position - i)
    w = np.float32(weight)
    w0, w1 = w * (np.float32(1.0) - turned), w * turned
    a, b, c, d = w0 * (np.float32(1.0) - far), w0 * far, w1 * (np.float32(1.0) - far), w1 * far
    p, q = np.uint64(here * stations + i), np.uint64(there * stations + i)
    p1, q1 = np.uint64(here * stations + i + 1), np.uint64(there * stations + i + 1)
    for k in range(COLUMNS):
        out[k] += a * change[p, k] + b * change[p1, k] + c * change[q, k] + d * change[q1, k]


@fused_njit(forceinline=True)
def apply_change(value, change, out):
    """Add to ``out`` (COLUMNS,) what a change makes of a value."""
    conc, secondary = value[0] * change[0], value[3] * change[3]
    out[0] += conc
    out[1] += value[1] * change[1] + conc * change[6]
    out[2] += value[2] * change[2]
    out[3] += secondary
    out[4] += value[4] * change[4] + secondary * change[7]
    out[5] += value[5] * change[5]
    out[6] += value[6] * change[0]

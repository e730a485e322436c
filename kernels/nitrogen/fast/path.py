"""What lies between source and receptor: a factor exp(polynomial in the strengths of the ground along the path).

The exact chain takes means over 21 points of ln z0, land-use shares and background; so do the strengths, which are
the roughness, four combinations of land uses and three of the background. Dry deposition, wet deposition and the
secondary species respond each in their way. Coefficients are tabulated over direction and distance.
"""

import numpy as np

from kernels.jit import fused_njit
from kernels.rows import put, row8

__all__ = [
    "BACKS",
    "FARTHER",
    "PATH_POINTS",
    "RESPONSES",
    "STRENGTHS",
    "TERMS",
    "TURN",
    "USES",
    "along_paths",
    "polynomial",
    "respond",
    "terms_of",
]

USES, BACKS = 4, 3  # combinations of land uses and of backgrounds
STRENGTHS = 1 + USES + BACKS  # of the ground: one row
RESPONSES = 3  # of dry and wet deposition of the primary species, and of the secondary species
FARTHER = 4  # column of the coefficients at the farther one of two stations
TERMS = 1 + STRENGTHS + 2 + 2 * USES + BACKS + 3  # of the polynomial
TURN = 30  # whole degrees that share coefficients: a sector of the climatology
PATH_POINTS = 21  # of a path, both ends included


def polynomial(strengths: np.ndarray) -> np.ndarray:
    """Terms of the polynomial of strengths (n, STRENGTHS), in the order of :func:`terms_of`, (n, TERMS)."""
    s = np.asarray(strengths, dtype=float)
    rough, uses, backs = s[:, :1], s[:, 1 : 1 + USES], s[:, 1 + USES :]
    mixed = (rough * uses, uses**2, backs**2, uses[:, :1] * backs[:, :1], rough * backs[:, :2])
    return np.hstack((np.ones_like(rough), s, rough**2, rough**3, *mixed))


@fused_njit
def along_paths(rx, ry, sx, sy, weight, n, ground, frame, out):
    """``out`` (n, STRENGTHS) float32: sums over the points of paths but the one at the receptor.

    ``ground`` (ny, nx, STRENGTHS) float32 around all of them, ``frame``: x left, y top, cell size x and y [m].
    """
    columns = ground.shape[1]
    cells = ground.reshape(ground.shape[0] * columns, STRENGTHS)
    right, below = 1.0 / frame[2], 1.0 / frame[3]
    cx, cy = (rx - frame[0]) * right, (frame[1] - ry) * below
    step = 1.0 / (PATH_POINTS - 1.0)
    for j in range(n):
        if weight[j] == 0.0:
            continue
        px = ((sx[j] - frame[0]) * right - cx) * step
        py = ((frame[1] - sy[j]) * below - cy) * step
        total = row8(cells, np.int64(cy + py) * columns + np.int64(cx + px))
        for p in range(2, PATH_POINTS):
            total = total + row8(cells, np.int64(cy + p * py) * columns + np.int64(cx + p * px))
        put(out, j, total)


@fused_njit
def terms_of(sums, own, terms):
    """Terms of the polynomial; ``sums``: of :func:`along_paths`, ``own``: strengths at the receptor."""
    each = np.float32(1.0 / PATH_POINTS)
    low, high = np.float32(-1.0), np.float32(1.0)  # all that was sampled
    terms[0] = np.float32(1.0)
    for m in range(STRENGTHS):
        terms[1 + m] = min(max((sums[m] + own[m]) * each, low), high)
    rough, back = terms[1], 2 + USES
    n = 1 + STRENGTHS
    terms[n], terms[n + 1] = rough * rough, rough * rough * rough
    for m in range(USES):
        terms[n + 2 + m] = rough * terms[2 + m]
        terms[n + 2 + USES + m] = terms[2 + m] * terms[2 + m]
    n += 2 + 2 * USES
    for m in range(BACKS):
        terms[n + m] = terms[back + m] * terms[back + m]
    n += BACKS
    terms[n] = terms[2] * terms[back]
    terms[n + 1], terms[n + 2] = rough * terms[back], rough * terms[back + 1]


@fused_njit
def respond(coefficients, first, share, terms, scratch, out, j):
    """Values of the polynomials between two stations, within the limits of what was tabulated: ``out[:, j]``.

    ``coefficients`` (rows, 2*FARTHER) float32, from row ``first``: of the TERMS, and least and greatest value, at the
    nearer station in columns 0 to 2, at the farther one from FARTHER on. ``scratch`` (3, 2*FARTHER) float32.
    """
    total = row8(coefficients, first)
    for m in range(1, TERMS):
        total = total + terms[m] * row8(coefficients, first + m)
    put(scratch, 0, total)
    put(scratch, 1, row8(coefficients, first + TERMS))
    put(scratch, 2, row8(coefficients, first + TERMS + 1))
    for m in range(RESPONSES):
        value = scratch[0, m] + share * (scratch[0, FARTHER + m] - scratch[0, m])
        low = scratch[1, m] + share * (scratch[1, FARTHER + m] - scratch[1, m])
        high = scratch[2, m] + share * (scratch[2, FARTHER + m] - scratch[2, m])
        out[m, j] = min(max(value, low), high)

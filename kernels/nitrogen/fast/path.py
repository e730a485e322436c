"""What lies between source and receptor: a factor exp(polynomial in the strengths of the ground along the path).

The exact chain takes means over 21 points of ln z0, land-use shares and background; so do the strengths, which are
the roughness, one of the land uses and two of the background. Dry deposition, wet deposition and the secondary species
respond each in their way. Coefficients are tabulated over direction and distance.
"""

import numpy as np

from kernels.jit import fused_njit
from kernels.rows import put, row4, row8

__all__ = [
    "PATH_POINTS",
    "RESPONSES",
    "STRENGTHS",
    "TERMS",
    "TURN",
    "along_paths",
    "polynomial",
    "respond",
    "terms_of",
]

STRENGTHS = 4  # of the ground: one row
RESPONSES = 3  # of dry and wet deposition of the primary species, and of the secondary species
TERMS = 17  # of the polynomial: 1, linear, quadratic, cubes of the first two strengths
TURN = 30  # whole degrees that share coefficients: a sector of the climatology
PATH_POINTS = 21  # of a path, both ends included


def polynomial(strengths: np.ndarray) -> np.ndarray:
    """Terms of the polynomial of strengths (n, STRENGTHS), in the order of :func:`respond`, (n, TERMS)."""
    s = np.asarray(strengths, dtype=float).T
    quadratic = [s[i] * s[j] for i in range(STRENGTHS) for j in range(i, STRENGTHS)]
    return np.column_stack((np.ones(s.shape[1]), *s, *quadratic, s[0] ** 3, s[1] ** 3))


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
        total = row4(cells, np.int64(cy + py) * columns + np.int64(cx + px))
        for p in range(2, PATH_POINTS):
            total = total + row4(cells, np.int64(cy + p * py) * columns + np.int64(cx + p * px))
        put(out, j, total)


@fused_njit
def terms_of(sums, own, terms):
    """Terms of the polynomial; ``sums``: of :func:`along_paths`, ``own``: strengths at the receptor."""
    each = np.float32(1.0 / PATH_POINTS)
    low, high = np.float32(-1.0), np.float32(1.0)  # all that was sampled
    a, b = (sums[0] + own[0]) * each, (sums[1] + own[1]) * each
    c, d = (sums[2] + own[2]) * each, (sums[3] + own[3]) * each
    a, b = min(max(a, low), high), min(max(b, low), high)
    c, d = min(max(c, low), high), min(max(d, low), high)
    terms[0], terms[1], terms[2], terms[3], terms[4] = np.float32(1.0), a, b, c, d
    terms[5], terms[6], terms[7], terms[8] = a * a, a * b, a * c, a * d
    terms[9], terms[10], terms[11] = b * b, b * c, b * d
    terms[12], terms[13], terms[14] = c * c, c * d, d * d
    terms[15], terms[16] = a * a * a, b * b * b


@fused_njit
def respond(coefficients, first, share, terms, scratch, out, j):
    """Values of the polynomials between two stations, within the limits of what was tabulated: ``out[:, j]``.

    ``coefficients`` (rows, 2*STRENGTHS) float32, from row ``first``: of the TERMS, and least and greatest value, at the
    nearer station in columns 0 to 2, at the farther one in columns 4 to 6. ``scratch`` (3, 2*STRENGTHS) float32.
    """
    total = row8(coefficients, first)
    for m in range(1, TERMS):
        total = total + terms[m] * row8(coefficients, first + m)
    put(scratch, 0, total)
    put(scratch, 1, row8(coefficients, first + TERMS))
    put(scratch, 2, row8(coefficients, first + TERMS + 1))
    for m in range(RESPONSES):
        value = scratch[0, m] + share * (scratch[0, 4 + m] - scratch[0, m])
        low = scratch[1, m] + share * (scratch[1, 4 + m] - scratch[1, m])
        high = scratch[2, m] + share * (scratch[2, 4 + m] - scratch[2, m])
        out[m, j] = min(max(value, low), high)

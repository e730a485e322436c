"""What lies between source and receptor: a factor exp(polynomial in the strengths of the ground along the path).

The exact chain takes means over 21 points of ln z0, land-use shares and background; so do the strengths, which are
the roughness, one of the land uses and two of the background. Dry deposition, wet deposition and the secondary species
respond each in their way. Coefficients are tabulated over direction and distance.
"""

import numpy as np

from kernels.jit import SAFE_FASTMATH, fused_njit, njit

__all__ = [
    "COEFFICIENTS",
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

STRENGTHS = 4  # of the ground: one load of 16 bytes
RESPONSES = 3  # of dry and wet deposition of the primary species, and of the secondary species
TERMS = 17  # of the polynomial: 1, linear, quadratic, cubes of the first two strengths
COEFFICIENTS = TERMS + 2  # of the terms, and the least and greatest value of the polynomial
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
    right, below = 1.0 / frame[2], 1.0 / frame[3]
    cx, cy = (rx - frame[0]) * right, (frame[1] - ry) * below
    step = 1.0 / (PATH_POINTS - 1.0)
    for j in range(n):
        if weight[j] == 0.0:
            continue
        px = ((sx[j] - frame[0]) * right - cx) * step
        py = ((frame[1] - sy[j]) * below - cy) * step
        a = b = c = d = np.float32(0.0)
        for p in range(1, PATH_POINTS):
            row, column = np.uint64(np.int64(cy + p * py)), np.uint64(np.int64(cx + p * px))
            a += ground[row, column, 0]
            b += ground[row, column, 1]
            c += ground[row, column, 2]
            d += ground[row, column, 3]
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = a, b, c, d


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


# finite numbers only: the order of a sum of seventeen terms may change
@njit(fastmath=SAFE_FASTMATH)
def respond(here, there, share, terms):
    """Value of the polynomial between two stations, within the limits of what was tabulated.

    ``here``, ``there`` (COEFFICIENTS,): coefficients of the terms, least and greatest value.
    """
    total = np.float32(0.0)
    for m in range(TERMS):
        total += terms[m] * (here[m] + share * (there[m] - here[m]))
    low = here[TERMS] + share * (there[TERMS] - here[TERMS])
    high = here[TERMS + 1] + share * (there[TERMS + 1] - here[TERMS + 1])
    return min(max(total, low), high)

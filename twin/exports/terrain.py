"""Terrain as a decimated surface: as few triangles as a stated error of height allows.

Right-triangulated irregular network (Evans, Kirkpatrick and Townsend 2001, doi:10.1007/s00453-001-0006-x): triangles
are halved where the middle of their longest side is off by more than a threshold, or that of a triangle below it is,
so the surface has no cracks. The threshold is lowered until the error measured at every sample is the one asked for.
"""

from dataclasses import dataclass

import numpy as np

from twin.errors import DataError

__all__ = ["Surface", "decimate"]

TRIALS = 12
SHRINK = 0.8  # of the threshold, at least, from trial to trial


@dataclass(frozen=True)
class Surface:
    """Triangles (M, 3) over samples: row and column of each vertex, and the largest error of height [m]."""

    row: np.ndarray
    column: np.ndarray
    triangles: np.ndarray
    error: float


def decimate(height: np.ndarray, tolerance: float) -> Surface:
    """Surface over samples ``height`` (ny, nx) [m] within ``tolerance`` [m] of every sample that a triangle covers.

    NaN samples are left out: no triangle touches one. ``tolerance`` = 0 keeps every sample that is not on a plane.
    """
    if height.ndim != 2 or min(height.shape) < 2:
        raise DataError(f"terrain of {height.shape} samples; two rows and columns at least")
    if not np.isfinite(tolerance) or tolerance < 0:
        raise DataError(f"height error {tolerance} m; give zero or more")
    side = 1 << int(np.ceil(np.log2(max(height.shape) - 1)))
    padded = np.full((side + 1, side + 1), np.nan)
    padded[: height.shape[0], : height.shape[1]] = height
    errors = _errors(padded)
    threshold = tolerance
    for _ in range(TRIALS):
        corners = _split(errors, threshold)
        known = np.isfinite(padded[corners[..., 0], corners[..., 1]]).all(axis=1)
        corners = corners[known]
        worst = _measured(padded, corners)
        if worst <= tolerance:
            break
        threshold *= min(SHRINK, tolerance / worst) if worst else SHRINK
    else:
        corners = _split(errors, -1.0)  # every sample
        corners = corners[np.isfinite(padded[corners[..., 0], corners[..., 1]]).all(axis=1)]
        worst = _measured(padded, corners)
    flat = corners[..., 0] * (side + 1) + corners[..., 1]
    used, triangles = np.unique(flat, return_inverse=True)
    return Surface(used // (side + 1), used % (side + 1), triangles.reshape(-1, 3), worst)


def _errors(z: np.ndarray) -> np.ndarray:
    """Error at the middle of every longest side, at least that of all triangles below it."""
    errors = np.zeros_like(z)
    side = len(z) - 1

    def own(middle: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        error = np.abs(middle - (a + b) / 2)
        missing = np.isnan(middle).astype("i1") + np.isnan(a) + np.isnan(b)
        return np.where(missing == 0, error, np.where(missing == 3, 0.0, np.inf))

    step = 2
    while step <= side:
        half = step // 2
        # middles of level and upright sides of the squares; below them lie the middles of four squares of half the size
        sides = (
            (np.s_[::step, half::step], np.s_[::step, :-1:step], np.s_[::step, step::step]),
            (np.s_[half::step, ::step], np.s_[:-1:step, ::step], np.s_[step::step, ::step]),
        )
        for middle, a, b in sides:
            error = own(z[middle], z[a], z[b])
            if half > 1:
                quarter = half // 2
                around = np.pad(errors, quarter)
                for dy in (0, 2 * quarter):
                    for dx in (0, 2 * quarter):
                        below = around[dy : dy + side + 1, dx : dx + side + 1]
                        error = np.maximum(error, below[middle])
            errors[middle] = error
        # middles of squares: their longest side runs along the diagonal that the tree gives them
        centre = np.s_[half::step, half::step]
        down = own(z[centre], z[:-1:step, :-1:step], z[step::step, step::step])
        up = own(z[centre], z[step::step, :-1:step], z[:-1:step, step::step])
        row, column = np.indices(down.shape)
        error = np.where((row + column) % 2 == 0, down, up)
        for below in (
            errors[:-1:step, half::step],
            errors[step::step, half::step],
            errors[half::step, :-1:step],
            errors[half::step, step::step],
        ):
            error = np.maximum(error, below)
        errors[centre] = error
        step *= 2
    return errors


def _split(errors: np.ndarray, threshold: float) -> np.ndarray:
    """Corners (M, 3, 2) of the triangles that need no halving; the first two are the ends of the longest side."""
    side = len(errors) - 1
    active = np.array([[[0, 0], [side, side], [side, 0]], [[side, side], [0, 0], [0, side]]])
    done = []
    while len(active):
        a, b, c = active[:, 0], active[:, 1], active[:, 2]
        middle = (a + b) // 2
        whole = np.abs(a - c).sum(axis=1) > 1  # a triangle of neighbouring samples is not halved
        halve = whole & (errors[middle[:, 0], middle[:, 1]] > threshold)
        done.append(active[~halve])
        a, b, c, middle = a[halve], b[halve], c[halve], middle[halve]
        active = np.concatenate([np.stack([c, a, middle], axis=1), np.stack([b, c, middle], axis=1)])
    return np.concatenate(done)


def _measured(z: np.ndarray, corners: np.ndarray) -> float:
    """Largest distance between the samples under the triangles and the triangles."""
    worst = 0.0
    edges = corners - corners[:, :1]
    shapes, of = np.unique(edges[:, 1:].reshape(len(edges), 4), axis=0, return_inverse=True)
    for k, shape in enumerate(shapes):
        u, v = shape[:2], shape[2:]
        size = int(np.abs(shape).max())
        at = np.stack(np.meshgrid(*[np.arange(-size, size + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
        det = u[0] * v[1] - u[1] * v[0]
        s = (at[:, 0] * v[1] - at[:, 1] * v[0]) / det
        t = (u[0] * at[:, 1] - u[1] * at[:, 0]) / det
        inside = (s >= 0) & (t >= 0) & (s + t <= 1)
        at, s, t = at[inside], s[inside], t[inside]
        chosen = corners[of.ravel() == k]
        block = max(1, 4_000_000 // len(at))
        for first in range(0, len(chosen), block):
            part = chosen[first : first + block]
            za, zb, zc = (z[part[:, i, 0], part[:, i, 1]][:, None] for i in range(3))
            surface = za + s * (zb - za) + t * (zc - za)
            there = part[:, :1] + at[None]
            off = np.abs(z[there[..., 0], there[..., 1]] - surface)
            worst = max(worst, float(np.nanmax(off)))
    return worst

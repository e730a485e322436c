"""The maps that paths cross, on the cells of the finest of them, over the region of sources and receptors."""

from __future__ import annotations

import numpy as np

from kernels.nitrogen.exact import inputs
from kernels.nitrogen.fast.path import PATH_POINTS

__all__ = ["Ground"]


class Ground:
    """Roughness, land use and background on one raster, and their means over paths."""

    def __init__(self, maps: inputs.Maps, box: np.ndarray) -> None:
        frames = [
            frame
            for frame, shape in (
                (maps.z0_frame, maps.log_z0.shape),
                (maps.use_frame, maps.use.shape),
                (maps.back_frame, maps.back.shape[1:]),
            )
            if shape != (1, 1)
        ]
        self.frame = min(frames or [maps.z0_frame], key=lambda frame: frame[2] * frame[3]).astype(float).copy()
        dx, dy = self.frame[2:]
        self.frame[0] += (np.floor((box[0] - self.frame[0]) / dx) - 1) * dx
        self.frame[1] -= (np.floor((self.frame[1] - box[3]) / dy) - 1) * dy
        columns = int((box[1] - self.frame[0]) / dx) + 2 if frames else 1
        rows = int((self.frame[1] - box[2]) / dy) + 2 if frames else 1
        x = self.frame[0] + (np.arange(columns) + 0.5) * dx
        y = self.frame[1] - (np.arange(rows) + 0.5) * dy
        x, y = np.meshgrid(x, y)
        self.log_z0 = _at(maps.log_z0, maps.z0_frame, x, y)
        self.use = _at(maps.use, maps.use_frame, x, y)
        back = [_at(layer, maps.back_frame, x, y) for layer in maps.back]
        self.back = np.stack([np.where(b > 0, b, mean) for b, mean in zip(back, maps.back_mean, strict=True)])

    def cells(self, sx, sy, rx, ry) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the points of paths, (paths, PATH_POINTS)."""
        f = np.linspace(0.0, 1.0, PATH_POINTS)
        column = ((rx[:, None] + (sx - rx)[:, None] * f - self.frame[0]) / self.frame[2]).astype(int)
        row = ((self.frame[1] - ry[:, None] - (sy - ry)[:, None] * f) / self.frame[3]).astype(int)
        return row, column

    def path(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Means as the exact chain takes them: roughness length, land-use shares, NH3, SO2, NO2; (paths, 13)."""
        out = np.empty((len(row), 13))
        out[:, 0] = np.exp(self.log_z0[row, column].mean(axis=1))
        for lu in range(1, 10):
            out[:, lu] = (self.use[row, column] == lu).mean(axis=1)
        out[:, 10:] = self.back[:, row, column].mean(axis=2).T
        return out

    def strengths(self, weights: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Strengths of every cell, (ny, nx, columns) float32, of which those of a path are the means.

        ``weights`` (13, columns) on ln z0, land-use shares and ln background, ``origin`` (columns,) is taken off.
        """
        back = np.log(self.back)
        out = np.empty((*self.use.shape, weights.shape[1]), dtype=np.float32)
        for m, w in enumerate(weights.T):
            out[..., m] = w[0] * self.log_z0 + w[self.use] + np.tensordot(w[10:], back, axes=1) - origin[m]
        return out


def _at(values: np.ndarray, frame: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values of a map at points, of its nearest cell outside it."""
    column = np.clip(np.floor((x - frame[0]) / frame[2]).astype(int), 0, values.shape[1] - 1)
    row = np.clip(np.floor((frame[1] - y) / frame[3]).astype(int), 0, values.shape[0] - 1)
    return values[row, column]

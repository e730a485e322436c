"""A grid of receptors as a user gives it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """Cells of a user grid: centre of its middle [m RD], columns, rows and cell side [m]."""

    x: float
    y: float
    columns: int
    rows: int
    cell: float

    def table(self) -> pd.DataFrame:
        """Cell centres from the north-west, row by row."""
        x = self.x + (np.arange(self.columns) - (self.columns - 1) / 2.0) * self.cell
        y = self.y + ((self.rows - 1) / 2.0 - np.arange(self.rows)) * self.cell
        names = [f"R{r + 1:03d}C{c + 1:03d}" for r in range(self.rows) for c in range(self.columns)]
        return pd.DataFrame({"name": names, "x": np.tile(x, self.rows), "y": np.repeat(y, self.columns)})

"""Constants that depend on the season of a climatological table.

Source: Van Jaarsveld (2004), RIVM report 500045001, chapters 4-6. A table covers one or more years (annual), a
winter, a summer, or a single month.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Season"]

# per wind sector: rain time constant [h] and intensity [mm/h]
_TIME = np.array(
    (
        (1.6, 1.6, 1.4, 1.3, 1.2, 1.2, 1.2, 1.1, 1.2, 1.3, 1.4, 1.7),
        (1.5, 1.7, 1.6, 1.6, 2.0, 1.7, 1.6, 1.7, 1.5, 1.3, 1.2, 1.2),
    )
)
_INTENSITY = np.array(
    (
        (1.6, 1.6, 1.5, 1.7, 1.9, 2.0, 1.9, 2.1, 2.0, 1.7, 1.7, 1.4),
        (1.1, 0.9, 1.0, 0.9, 0.9, 0.9, 1.1, 1.2, 1.2, 1.4, 1.4, 1.2),
    )
)
_WINTER_MONTH = (0.8, 0.9, 1.2, 0.8, 1.0, 1.2, 1.2, 1.0, 0.8, 1.2, 1.0, 0.9)
# night fraction per distance class and stability class, summer and winter
_NIGHT = np.array(
    (
        (
            (0, 0, 0.61, 0.61, 1.0, 0.98),
            (0.17, 0.17, 0.68, 0.68, 0.63, 0.83),
            (0.43, 0.43, 0.44, 0.44, 0.42, 0.44),
            (0.43, 0.43, 0.44, 0.44, 0.42, 0.44),
        ),
        (
            (0, 0, 0.66, 0.66, 1.0, 0.99),
            (0.25, 0.25, 0.71, 0.71, 0.77, 0.92),
            (0.62, 0.64, 0.74, 0.63, 0.64, 0.63),
            (0.62, 0.74, 0.74, 0.63, 0.64, 0.63),
        ),
    )
)
_WINTER_RATIO = np.array((0.81, 0.81, 1.07, 1.19, 0.67, 1.0))
_ANNUAL_RATIO = 0.65


@dataclass(frozen=True)
class Season:
    """Season of a table: ``kind`` annual, winter, summer or month, and the ``month`` 1..12."""

    kind: str = "annual"
    month: int = 0

    @classmethod
    def of(cls, begin: tuple[int, int], end: tuple[int, int], hours: float) -> Season:
        """Season from (year, month) of begin and end of the period and its hours."""
        (year, month), (last_year, last) = begin, end
        if last_year > year + 1:
            return cls("annual")
        if last_year == year + 1 and last == month:
            return cls("annual" if hours > 5000 else "winter")
        if last_year == year + 1 and last + 5 < month and month != 12:
            return cls("winter")
        if last_year == year and last > month + 5:
            return cls("summer")
        return cls("month", month)

    @property
    def summer_share(self) -> float:
        """1 in summer and April to September, 0 in winter, 0.5 over the year."""
        if self.kind == "annual":
            return 0.5
        return 1.0 if self.kind == "summer" or (self.kind == "month" and 4 <= self.month <= 9) else 0.0

    def rain(self) -> np.ndarray:
        """Rain time constant [h] and intensity [mm/h] per wind sector, shape (2, 12)."""
        z = self.summer_share
        time = z * _TIME[0] + (1.0 - z) * _TIME[1]
        intensity = z * _INTENSITY[0] + (1.0 - z) * _INTENSITY[1]
        if self.kind == "month" and z == 0.0:
            factor = _WINTER_MONTH[self.month - 1]
            time, intensity = time / factor, intensity * factor
        return np.stack((time, intensity))

    def night(self) -> np.ndarray:
        """Night fraction, shape (4, 6)."""
        z = self.summer_share
        return z * _NIGHT[0] + (1.0 - z) * _NIGHT[1]

    def radiation_factor(self) -> float:
        """Factor of the photochemical conversion of NOx."""
        if self.kind == "month":
            return 62e-8 - 31e-8 * math.cos(2.0 * math.pi * (self.month - 0.5) / 12.0)
        return {"annual": 62e-8, "winter": 40e-8, "summer": 83e-8}[self.kind]

    def ratio(self) -> np.ndarray:
        """Factor on NO2/NOx per stability class, shape (6,)."""
        if self.kind == "annual":
            return np.ones(6)
        z = self.summer_share
        if self.kind == "month":
            swing = 0.18 if z > 0 else 0.12
            factor = 0.65 - swing * math.cos(2.0 * math.pi * (self.month - 0.5) / 12.0)
        else:
            factor = 0.78 if self.kind == "summer" else 0.58
        return factor / _ANNUAL_RATIO * (np.ones(6) if z > 0 else _WINTER_RATIO)

    def days(self) -> np.ndarray:
        """Days of the year on which the canopy is taken, per land use 0..9, shape (10, 2), -1 = none."""
        days = np.full((10, 2), -1.0)
        if self.kind == "annual":
            days[:, 0] = 135.0
            days[2] = (105.0, 195.0)
        else:
            days[:, 0] = {"winter": 315.0, "summer": 165.0}.get(self.kind, 30.0 * self.month - 15.0)
        return days

"""Rows of profiles of a year of hours, in standard time."""

import numpy as np

from kernels.power.demand import HOURS

__all__ = ["hour_of_year"]

MONTH_START = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])


def hour_of_year(month: int, day: int, hour: int) -> int:
    """Row of a profile of 8,760 hours; 29 February takes the row of the 28th."""
    return int(MONTH_START[month - 1] + min(day, 28 if month == 2 else 31) - 1) * HOURS + hour

"""Hourly curves of the Energy Transition Model: 8,760 values that sum to 1/3600 (MW per MJ), or a temperature."""

import gzip
from pathlib import Path

import numpy as np

from twin.errors import DataError

__all__ = ["HOURS", "read_curve", "read_shares"]

HOURS = 8760


def read_curve(path: Path) -> np.ndarray:
    """The 8,760 values of a curve (hour,), in the units of the file; a byte-order mark is passed over."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the hourly curve")
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") as f:
            values = np.array([float(line) for line in f if line.strip()])
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: not a gzipped list of numbers ({error}); fetch the file again") from None
    if len(values) != HOURS or not np.isfinite(values).all():
        raise DataError(f"{path}: {len(values)} values; {HOURS} finite ones are wanted, one per hour of the year")
    return values


def read_shares(path: Path) -> np.ndarray:
    """Share of the year in each hour (hour,), summing to 1. Raises :class:`DataError` where it is no such curve."""
    values = read_curve(path) * 3600.0
    if abs(values.sum() - 1) > 1e-3 or values.min() < -1e-9:
        raise DataError(f"{path}: values times 3600 s add up to {values.sum():.6g}; a share curve adds up to 1")
    return values / values.sum()

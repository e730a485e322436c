"""Files of the Energy Transition Model: hourly curves of a year, and data sets of municipalities and provinces."""

import gzip
import tarfile
import zlib
from pathlib import Path

import numpy as np

from twin.errors import DataError

__all__ = ["HOURS", "read_curve", "read_data_sets", "read_shares"]

HOURS = 8760
SECONDS_PER_HOUR = 3600  # load curves hold MW per MJ of the year: their sum is 1/3600
CLOSURE = 1e-6  # of the sum of a profile; the files keep it to 1e-7


def read_curve(path: Path) -> np.ndarray:
    """Values (8760) of an hourly curve, one per line, plain or gzipped; a byte-order mark is skipped.

    Raises :class:`DataError` naming file and line for anything that is no finite number, and for another length.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the curve that the catalogue names")
    raw = path.read_bytes()
    try:
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        lines = raw.decode("utf-8-sig").split()  # some curves begin with a mark or lack the last line end
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch the file again") from error
    if len(lines) != HOURS:
        raise DataError(f"{path}: {len(lines)} values; an hourly curve of a year has {HOURS}")
    values = np.empty(HOURS)
    for k, text in enumerate(lines):
        try:
            values[k] = float(text)
        except ValueError:
            raise DataError(f"{path}, line {k + 1}: {text!r} is no number; correct it") from None
        if not np.isfinite(values[k]):
            raise DataError(f"{path}, line {k + 1}: {text!r}; a curve has no gaps: fill it at its source")
    return values


def read_shares(path: Path) -> np.ndarray:
    """Hourly shares of the year (8760, sum 1) from a load curve, whose values add up to 1/3600.

    Load and PV curves are in standard time (UTC+1). Raises :class:`DataError` where the curve adds up to something
    else (a temperature, an availability) or has negative values.
    """
    shares = read_curve(path) * SECONDS_PER_HOUR
    if abs(shares.sum() - 1) > CLOSURE:
        raise DataError(
            f"{path}: adds up to {shares.sum() / SECONDS_PER_HOUR:.6g}, a load curve to 1/3600; it is another quantity"
        )
    if (shares < 0).any():
        raise DataError(f"{path}, line {int(np.argmax(shares < 0)) + 1}: a share of the year below zero; correct it")
    return shares


def read_data_sets(path: Path) -> dict[str, dict[str, str]]:
    """Entries ``- key = value`` of each area's data set in a tar archive, as text, by area code ("GM0599", "PV28").

    Members are read in memory; nothing is written to disk, so that no path in the archive matters.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the data sets that the catalogue names")
    areas: dict[str, dict[str, str]] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if not member.isfile() or not member.name.endswith(".ad"):
                    continue
                file = archive.extractfile(member)
                if file is None:
                    continue
                entries = {}
                for line in file.read().decode("utf-8-sig").splitlines():
                    key, equals, value = line.partition("=")
                    if equals and key.startswith("- "):
                        entries[key[2:].strip()] = value.strip()
                code = entries.get("area", "").partition("_")[0]
                if not code:
                    raise DataError(f"{path}, {member.name}: no entry 'area'; is this a data set?")
                if code in areas:
                    raise DataError(f"{path}: area {code} occurs twice; remove one")
                areas[code] = entries
    except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a tar archive ({error}); fetch the file again") from error
    if not areas:
        raise DataError(f"{path}: holds no data set (*.ad)")
    return areas

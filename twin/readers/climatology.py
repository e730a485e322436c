"""Climatological tables of the sector-plume model: OPS binaries and their decoded CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from twin.errors import DataError

__all__ = ["QUANTITIES", "REGIONS", "Climatology", "read_climatology", "read_regions"]

# name and scale of the 27 quantities in the order of the binary file
QUANTITIES: dict[str, float] = {
    "hours": 1.0,
    "max_mixing_height_m": 1.0,
    "wind_speed_10m": 0.1,
    "Rb_SO2": 1.0,
    "Ra4_plus_Rb": 1.0,
    "Ra50_plus_Rb": 1.0,
    "ratio_vdeff_low": 0.01,
    "ratio_vdeff_high": 0.01,
    "eff_travel_distance_km": 1.0,
    "degree_day_coef": 0.1,
    "rain_probability": 0.001,
    "rain_duration_h": 0.01,
    "rain_intensity_mm_h": 0.01,
    "global_radiation_J_cm2_h": 1.0,
    "wind_power_coef": 0.01,
    "Rc_SO2": 1.0,
    "pct_hours_2hblock_src": 1.0,
    "pct_hours_2hblock_rcp": 1.0,
    "ustar": 0.001,
    "temp_C": 1.0,
    "shear_deg": 1.0,
    "L_obukhov_m": 1.0,
    "H0_W_m2": 0.1,
    "rel_humidity_pct": 1.0,
    "Rc_NO2": 1.0,
    "Rc_NH3": 1.0,
    "Rc_aerosol": 1.0,
}
REGIONS = 6  # meteorological regions of the Netherlands
_SHAPE = (4, 6, 12)  # distance class, stability class, wind sector
_HEADER = 72  # two-byte words before the table
_WORDS = 4 * 27 * 6 * 12


@dataclass(frozen=True)
class Climatology:
    """Statistics of one region and period.

    ``table`` (4 distance classes, 6 stability classes, 12 wind sectors, 27 quantities of :data:`QUANTITIES`);
    ``hours`` of the period; ``z0`` [m] of the region; ``begin`` and ``end`` (year, month); position in degrees.
    """

    table: np.ndarray
    hours: float
    z0: float
    begin: tuple[int, int]
    end: tuple[int, int]
    latitude: float
    longitude: float
    file: str


def read_climatology(path: str | Path, z0: float | None = None, year: int | None = None) -> Climatology:
    """Read an OPS climatology (binary, INTEGER*2) or its decoded CSV.

    The CSV holds no roughness and no period: ``z0`` [m] (default 0.29) and ``year`` (default 2005, whole year) of
    its region are then taken from the arguments. Raises :class:`twin.errors.DataError` for a file of the wrong
    size, missing columns, or a table without hours or with values that cannot be.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such climatology; give an OPS file such as a005105c.005 or its decoded CSV")
    if path.suffix.lower() == ".csv":
        climate = _read_csv(path, z0 if z0 is not None else 0.29, year or 2005)
    else:
        climate = _read_binary(path, z0)
    _check(path, climate)
    return climate


def read_regions(pattern: str | Path) -> list[Climatology]:
    """The six regions of a name that ends in ``.*``: ``base.001`` to ``base.006``."""
    pattern = Path(pattern)
    if pattern.suffix != ".*":
        raise DataError(f"{pattern}: name the files of several regions as BASE.*, for BASE.001 to BASE.00{REGIONS}")
    return [read_climatology(pattern.with_suffix(f".{number:03d}")) for number in range(1, REGIONS + 1)]


def _read_binary(path: Path, z0: float | None) -> Climatology:
    words = np.fromfile(path, dtype="<i2")
    if words.size != _HEADER + _WORDS:
        raise DataError(
            f"{path}: {words.size * 2} bytes where an OPS climatology has {(_HEADER + _WORDS) * 2}; give another file"
        )
    head = words[:_HEADER].astype(int)
    raw = words[_HEADER:].reshape(4, 27, 12, 6).transpose(0, 3, 2, 1)
    table = np.ascontiguousarray(raw * np.array(list(QUANTITIES.values())))
    century = 1900 if head[0] > 50 else 2000
    last = 1900 if head[3] > 50 else 2000
    return Climatology(
        table=table,
        hours=float(1000 * head[6] + head[7]),
        z0=z0 if z0 is not None else head[26] / 1000.0,
        begin=(century + int(head[0]), int(head[1])),
        end=(last + int(head[3]), int(head[4])),
        latitude=head[21] + head[22] / 100.0,
        longitude=head[23] + head[24] / 100.0,
        file=str(path),
    )


def _read_csv(path: Path, z0: float, year: int) -> Climatology:
    try:
        frame = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a table of comma-separated values ({error})") from error
    index = ["distance_class", "stab_class", "wind_sector"]
    missing = [name for name in (*index, *QUANTITIES) if name not in frame]
    if missing:
        raise DataError(f"{path}: columns missing: {', '.join(missing)}")
    if len(frame) != 288:
        raise DataError(f"{path}: {len(frame)} rows where 4 x 6 x 12 = 288 classes are needed")
    frame = frame.sort_values(index)
    table = np.ascontiguousarray(frame[list(QUANTITIES)].to_numpy(float).reshape(*_SHAPE, 27))
    hours = float(table[0, :, :, 0].sum())
    return Climatology(table, hours, z0, (year, 1), (year + 1, 1), 52.0, 5.5, str(path))


def _check(path: Path, climate: Climatology) -> None:
    table = climate.table
    names = list(QUANTITIES)
    if not np.isfinite(table).all():
        t, k, s, q = np.argwhere(~np.isfinite(table))[0]
        raise DataError(f"{path}: {names[q]} of distance class {t + 1}, class {k + 1}, sector {s + 1} is no number")
    hours = table[..., 0]
    if not climate.hours > 0 or hours[0].sum() <= 0:
        raise DataError(f"{path}: the table has no hours")
    silent = np.flatnonzero(hours[0].sum(axis=0) == 0)
    if silent.size:
        raise DataError(f"{path}: wind sector {silent[0] + 1} has no hours in any class; give a complete period")
    if not 0 < climate.z0 < 10:
        raise DataError(f"{path}: roughness length of the region is {climate.z0} m; give one with its option")
    for name in ("ustar", "max_mixing_height_m", "L_obukhov_m"):
        value = table[..., names.index(name)]
        wrong = (hours > 0) & ((value == 0) if name == "L_obukhov_m" else (value <= 0))
        if name == "max_mixing_height_m":
            wrong &= np.arange(4)[:, None, None] == 0
        if wrong.any():
            t, k, s = np.argwhere(wrong)[0]
            raise DataError(
                f"{path}: {name} of distance class {t + 1}, stability class {k + 1}, sector {s + 1} is "
                f"{value[t, k, s]:g} although the class has hours"
            )

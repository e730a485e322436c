"""Tables of sources that users keep: CSV and GeoPackage, with the unit of every emission stated."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from twin.errors import DataError, NoEmissionError, UnitError

__all__ = ["EMISSION_UNITS", "read_source_table"]

_YEAR = 8760.0 * 3600.0  # s
# g/s in one of each unit of emission
EMISSION_UNITS = {
    "g/s": 1.0,
    "g s-1": 1.0,
    "kg/s": 1e3,
    "kg/h": 1e3 / 3600.0,
    "kg/day": 1e3 / 86400.0,
    "kg/yr": 1e3 / _YEAR,
    "kg/year": 1e3 / _YEAR,
    "kg/j": 1e3 / _YEAR,
    "t/yr": 1e6 / _YEAR,
    "ton/yr": 1e6 / _YEAR,
    "kt/yr": 1e9 / _YEAR,
}
_COLUMN = re.compile(r"^(?:emission_?)?(nh3|nox)\s*(?:[\[(](.*)[\])])?$", re.IGNORECASE)
_DEFAULTS = {"heat_content": 0.0, "diameter": 0.0, "spread": 0.0, "diurnal_code": 0, "category": 1, "country": 1}
_RD = 28992


def read_source_table(path: str | Path, substance: str) -> pd.DataFrame:
    """Read sources of one substance as a table with the columns of :func:`twin.readers.brn.read_brn`.

    A CSV holds ``x``, ``y`` [m RD], ``height`` [m] and an emission column per substance with its unit in brackets,
    ``NH3 [kg/yr]`` or ``NOx [g/s]``; or ``NH3`` and a column ``unit``. A GeoPackage holds the same beside its
    geometry in RD New (EPSG:28992): points, or polygons, which become the square of the same area at their
    centroid. Optional: ``heat_content`` [MW], ``diameter`` [m], ``spread`` [m], ``diurnal_code``, ``category``,
    ``country``, ``name``. Sources without emission of the substance are counted in attrs["without_emission"].

    Raises :class:`UnitError` for an emission without a unit or with one of another quantity, :class:`DataError`
    naming file and line for a missing column, a value that is no number or cannot be, another CRS.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file of sources")
    raw = _read_csv(path) if path.suffix.lower() == ".csv" else _read_geo(path)
    column, factor = _emission(path, raw, substance)
    table = pd.DataFrame({"id": np.arange(1, len(raw) + 1), "line": raw["line"].to_numpy()})
    for name in ("x", "y", "height"):
        table[name] = _numbers(path, raw, name)
    table["emission"] = _numbers(path, raw, column) * factor
    for name, value in _DEFAULTS.items():
        table[name] = _numbers(path, raw, name) if name in raw else value
    for name in ("stack_diameter", "exit_velocity", "exit_temperature"):
        table[name] = np.nan
    table["size_code"] = 0
    for name in ("diurnal_code", "category", "country"):
        table[name] = table[name].astype(np.int64)
    table["name"] = raw["name"].astype(str) if "name" in raw else [f"S{i}" for i in table["id"]]
    for name, limit in (("emission", 0.0), ("height", 0.0), ("heat_content", 0.0), ("spread", 0.0)):
        wrong = np.flatnonzero(table[name].to_numpy() < limit)
        if wrong.size:
            raise DataError(f"{path}: line {table['line'].iloc[wrong[0]]}: {name} must not be negative")
    some = table["emission"] > 0
    if not some.any():
        raise NoEmissionError(f"{path}: no source emits {substance}; check the column {column!r}")
    empty = int((~some).sum())
    table = table[some].reset_index(drop=True)
    for name in ("x", "y"):
        table[name] = np.rint(table[name])
    units = {"emission": "g s-1", "x": "m", "y": "m", "height": "m", "heat_content": "MW", "diameter": "m"}
    table.attrs.update(file=str(path), version="table", units=units, without_emission=empty)
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a table of comma-separated values ({error})") from error
    table["line"] = np.arange(2, len(table) + 2)
    return table


def _read_geo(path: Path) -> pd.DataFrame:
    try:
        table = gpd.read_file(path)
    except Exception as error:  # the drivers of GDAL raise many kinds
        raise DataError(f"{path}: not a readable GeoPackage ({error})") from error
    if table.crs is None or table.crs.to_epsg() != _RD:
        raise DataError(f"{path}: CRS is {table.crs}; sources must be in RD New (EPSG:28992), reproject them")
    kinds = set(table.geometry.geom_type)
    if not kinds <= {"Point", "Polygon", "MultiPolygon"}:
        odd = min(kinds - {"Point", "Polygon", "MultiPolygon"})
        raise DataError(f"{path}: a {odd} is no source here; give points or polygons (roads: as rows of points)")
    centre = table.geometry.centroid
    raw = pd.DataFrame(table.drop(columns="geometry"))
    raw["x"], raw["y"] = centre.x.to_numpy(), centre.y.to_numpy()
    if "diameter" not in raw:
        raw["diameter"] = np.sqrt(table.geometry.area.to_numpy())
    raw["line"] = np.arange(1, len(raw) + 1)
    return raw


def _emission(path: Path, raw: pd.DataFrame, substance: str) -> tuple[str, float]:
    """Column of the substance's emission, and g/s in one of its unit."""
    known = f"known units: {', '.join(EMISSION_UNITS)}"
    for column in raw.columns:
        found = _COLUMN.match(str(column).strip())
        if found is None or found.group(1).lower() != substance.lower():
            continue
        unit = found.group(2)
        if unit is None and "unit" in raw:
            units = {str(u).strip() for u in raw["unit"]}
            if len(units) > 1:
                raise UnitError(f"{path}: column unit holds {', '.join(sorted(units))}; one unit per table is read")
            unit = units.pop()
        if unit is None:
            raise UnitError(
                f"{path}: emission column {column!r} has no unit; write it as {substance} [kg/yr], or add a column "
                f"unit ({known})"
            )
        if unit.strip() not in EMISSION_UNITS:
            raise UnitError(f"{path}: {unit.strip()!r} of column {column!r} is no unit of emission; {known}")
        return str(column), EMISSION_UNITS[unit.strip()]
    raise DataError(f"{path}: no emission column of {substance}; add {substance} [kg/yr] or with another unit")


def _numbers(path: Path, raw: pd.DataFrame, name: str) -> np.ndarray:
    if name not in raw:
        raise DataError(f"{path}: column {name} is missing; sources need x, y (or a geometry), height and an emission")
    value = pd.to_numeric(raw[name], errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~np.isfinite(value))
    if wrong.size:
        line = raw["line"].iloc[wrong[0]]
        raise DataError(f"{path}: line {line}: {name} is {raw[name].iloc[wrong[0]]!r}; a number is needed")
    return value

"""Road emission factors as dated CSV tables, in the tidy or the Dutch column scheme.

Tidy: ``srm, substance, vehicle_class, speed_class, road_type, year, free_or_stagnating, factor_g_per_km, source,
table_date``. Dutch (infomil, own factors): ``srm;stof;voertuigtype;snelheid;wegtype;factor`` with vehicle letters
l, m, z, b, speed letters b to e or a limit in km/h, and road type 95 for a traffic jam ("file"); it holds one year,
which the reader must be told.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twin.errors import DataError

__all__ = ["FactorTable", "read_factors"]

_TIDY = ("srm", "substance", "vehicle_class", "speed_class", "year", "free_or_stagnating", "factor_g_per_km")
_DUTCH = ("srm", "stof", "voertuigtype", "snelheid", "wegtype", "factor")
_VEHICLES = {"l": "light", "m": "medium", "z": "heavy", "b": "bus"}
_STRICT = "94"  # motorway with strict enforcement of the limit
_JAM = "95"
_STATES = ("free", "stagnating")
Key = tuple[str, str, str, str, str]


@dataclass
class FactorTable:
    """Factors [g/km per vehicle] by (srm, substance, vehicle class, speed class, traffic state) and year."""

    factors: dict[Key, dict[int, float]]
    sources: list[str] = field(default_factory=list)

    def merged(self, other: "FactorTable") -> "FactorTable":
        """Both tables as one. Raises :class:`DataError` where a factor is in both."""
        factors = {key: dict(years) for key, years in self.factors.items()}
        for key, years in other.factors.items():
            mine = factors.setdefault(key, {})
            for year, value in years.items():
                if year in mine:
                    raise DataError(f"factor {', '.join(key)}, {year} is in {self.sources} and in {other.sources}")
                mine[year] = value
        return FactorTable(factors, self.sources + other.sources)

    def speed_classes(self, srm: str) -> list[str]:
        """Speed classes of one method, sorted."""
        return sorted({key[3] for key in self.factors if key[0] == srm})

    def value(self, key: Key, year: float, *, extrapolate: bool = False) -> float:
        """Factor [g/km] in ``year``, linear between table years.

        Raises :class:`DataError` for an unknown factor, and for a year outside the table unless ``extrapolate``
        asks for the nearest table year.
        """
        if key not in self.factors:
            raise DataError(
                f"no emission factor for {', '.join(key)} in {', '.join(self.sources)}; load a table with it"
            )
        years = sorted(self.factors[key])
        if not extrapolate and not years[0] <= year <= years[-1]:
            raise DataError(
                f"emission factors of {', '.join(self.sources)} run from {years[0]} to {years[-1]}, not to {year:g} "
                f"({', '.join(key)}); load a newer table, or set extrapolate to use the nearest year"
            )
        return float(np.interp(year, years, [self.factors[key][y] for y in years]))


def read_factors(path: Path, *, year: int | None = None) -> FactorTable:
    """Read a factor table in either scheme; ``year`` is the year of a Dutch table, which holds none itself.

    Raises :class:`DataError` naming line and field for a missing column, an unknown class, a factor that is no
    number or negative, or one that occurs twice.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a table of road emission factors")
    with path.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
        columns = tuple(reader.fieldnames or ())
        dutch = set(_DUTCH) <= set(columns)
        if not dutch and not set(_TIDY) <= set(columns):
            missing = ", ".join(name for name in _TIDY if name not in columns)
            raise DataError(f"{path}: columns {missing} are missing; use the tidy or the Dutch scheme")
        if dutch and year is None:
            raise DataError(f"{path}: a table in the Dutch scheme holds no year; say which year it is for")
        factors: dict[Key, dict[int, float]] = {}
        vintages: set[str] = set()
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            key, when, text = _dutch(row, year or 0, where) if dutch else _tidy(row, where)
            try:
                value = float(text)
            except (TypeError, ValueError) as error:
                raise DataError(f"{where}: factor {text!r} is no number; correct the table") from error
            if not 0 <= value < np.inf:
                raise DataError(f"{where}: factor {value} g/km; factors are finite and not below zero")
            years = factors.setdefault(key, {})
            if when in years:
                raise DataError(f"{where}: the factor of {', '.join(key)}, {when} occurs twice; keep one")
            years[when] = value
            vintages.add((row.get("table_date") or "").strip() if not dutch else f"year {year}")
    if not factors:
        raise DataError(f"{path}: the table is empty; give at least one factor")
    return FactorTable(factors, [f"{path.name} ({', '.join(sorted(vintages))})"])


def _tidy(row: dict[str, str], where: str) -> tuple[Key, int, str]:
    state = row["free_or_stagnating"]
    if state not in _STATES:
        raise DataError(f"{where}: free_or_stagnating = {state!r}; write free or stagnating")
    if row["vehicle_class"] not in _VEHICLES.values():
        raise DataError(f"{where}: vehicle_class = {row['vehicle_class']!r}; write {', '.join(_VEHICLES.values())}")
    try:
        when = int(row["year"])
    except ValueError as error:
        raise DataError(f"{where}: year = {row['year']!r} is no year; correct the table") from error
    key = (row["srm"], row["substance"], row["vehicle_class"], row["speed_class"], state)
    return key, when, row["factor_g_per_km"]


def _dutch(row: dict[str, str], year: int, where: str) -> tuple[Key, int, str]:
    vehicle = row["voertuigtype"].strip().lower()
    if vehicle not in _VEHICLES:
        raise DataError(f"{where}: voertuigtype = {vehicle!r}; write l, m, z or b")
    speed, road = row["snelheid"].strip().upper(), row["wegtype"].strip()
    if speed in ("B", "C", "D", "E"):
        state = "stagnating" if speed == "D" else "free"
    elif speed.isdigit():
        state = "stagnating" if road == _JAM else "free"
        speed += "_SH" if road == _STRICT else ""
    else:
        raise DataError(f"{where}: snelheid = {speed!r}; write b, c, d, e or a limit in km/h")
    srm = row["srm"].strip().upper()
    srm = srm if srm.startswith("SRM") else f"SRM{srm}"
    return (srm, row["stof"].strip(), _VEHICLES[vehicle], speed, state), year, row["factor"].replace(",", ".")

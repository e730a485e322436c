"""The flags of ``twin deposit``, and what the text of each means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kernels.nitrogen import hexagons
from twin.errors import ConfigError, DataError
from twin.nitrogen import Conversion, Map
from twin.nitrogen.hours import lattice_around
from twin.nitrogen.permit_rules import REACH
from twin.readers.raster_map import read_map
from twin.readers.rcp import read_rcp

__all__ = [
    "Flags", "background_of", "conversion_of", "ozone_levels", "places_of", "roughness_map", "substances",
    "value_or_map",
]  # fmt: skip

_LATTICE_REACH = 5.0  # km around the sources
_OUT = {".csv", ".h5", ".nc", ".gml"}


@dataclass(frozen=True)
class Flags:
    """As they were given; :func:`twin.commands.deposit.deposit` tells what each is."""

    out: Path
    weather: str | Path | None = None
    receptors: str | Path | None = None
    substance: str | None = None
    z0: str | float | None = None
    landuse: str | int | None = None
    background: str | None = None
    ozone: str | float | None = None
    conversion: str | None = None
    year: int | None = None
    mode: str = "exact"
    check: int = 200
    reach: float | None = None
    cut_off: float | None = None
    cell: float = 250.0
    period: str | None = None
    every: int = 1
    release_height: float | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in {"exact", "fast", "hourly"}:
            raise ConfigError(f"mode {self.mode!r} is not known; exact, fast and hourly are")
        if self.check < 0:
            raise ConfigError(f"--check {self.check}: a number of pairs, 0 or more, is needed")
        if self.out.suffix.lower() not in _OUT:
            raise ConfigError(f"--out {self.out}: give a name that ends in .csv, .h5 or .gml")
        if self.cut_off is not None and not self.cut_off >= 0:
            raise ConfigError(f"--cut-off {self.cut_off}: a deposition in mol/ha/yr, 0 or more, is needed")
        if self.reach is not None and not 0 < self.reach < math.inf:
            raise ConfigError(f"--reach {self.reach}: a distance above 0 km is needed; without it all pairs count")
        if not 0 < self.cell < math.inf:
            raise ConfigError(f"--cell {self.cell}: a side of a cell above 0 m is needed")
        if self.year is not None and not 1900 <= self.year <= 2200:
            raise ConfigError(f"--year {self.year}: a year such as 2030 is needed")
        ozone_levels(self.ozone)  # refused also where no road asks for it


def substances(case: Path, substance: str) -> tuple[str, ...]:
    """Which substances of a file of sources are computed."""
    if substance in ("NH3", "NOx"):
        return (substance,)
    if substance != "both":
        raise ConfigError(f"--substance {substance}: NH3, NOx and both are known")
    if case.suffix.lower() == ".brn":
        raise ConfigError(f"{case}: an emission file holds one substance; give --substance NH3 or NOx")
    return ("NH3", "NOx")


def places_of(receptors: str | Path, sources, reach: float | None, cell: float):
    """Receptors of a file, the AERIUS hexagons within reach of the sources, or the cells of a lattice."""
    if str(receptors) == "lattice":
        return lattice_around(sources, 1000.0 * (_LATTICE_REACH if reach is None else reach), cell)
    if str(receptors) != "hexagons":
        return read_rcp(receptors)
    number = hexagons.hexagons_within(
        sources["x"].to_numpy(), sources["y"].to_numpy(), 1000.0 * (REACH.value if reach is None else reach)
    )
    if number.size == 0:
        raise DataError("no AERIUS hexagon lies within reach of the sources; check their coordinates (m RD)")
    x, y = hexagons.centres(number)
    return pd.DataFrame({"name": number.astype(str), "x": x, "y": y})


def value_or_map(text: str | float, option: str, of_file: Callable[[Path], Map] = read_map) -> float | Map:
    """A positive number, or a map by its file name."""
    try:
        value = float(text)
    except ValueError:
        return of_file(Path(str(text)))
    if not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{option} {text}: a positive number or the name of a map is needed")
    return value


def roughness_map(path: Path) -> Map:
    """A map in metres; OPS maps hold roughness in whole ten-thousandths (nitrogen.md 3.2)."""
    found = read_map(path)
    if path.suffix.lower() in {".tif", ".tiff"}:
        return found
    return Map(found.values * 1.0e-4, found.left, found.top, found.dx, found.dy, found.file)


def background_of(text: str) -> dict[str, float | Map]:
    """Background concentrations [ug/m3], values or maps."""
    given = _pairs(text, "--background")
    unknown = set(given) - {"NH3", "NOx", "SO2"}
    if unknown:
        raise ConfigError(f"--background: {min(unknown)} is not known; NH3, NOx and SO2 are")
    return {name: value_or_map(value, f"--background {name}") for name, value in given.items()}


def conversion_of(text: str) -> Conversion:
    """Rates and shares that the flag or its file gives."""
    path, folder = Path(text), Path()
    if "=" not in text:
        if not path.is_file():
            raise ConfigError(f"--conversion {text}: give 'internal', NH3=..,NOx=.. in %/h, or a file of them")
        try:
            text, folder = path.read_text(), path.parent
        except UnicodeDecodeError:
            raise ConfigError(f"--conversion {path}: not a text file of NAME=VALUE lines") from None
    given = _pairs(text, "--conversion")
    names = {"NH3": "nh3", "NOx": "nox", "HNO3": "hno3", "coarse": "coarse", "fine": "fine"}
    unknown = set(given) - set(names)
    if unknown:
        raise ConfigError(f"--conversion: {min(unknown)} is not known; {', '.join(names)} are")
    if not {"NH3", "NOx"} <= set(given):
        raise ConfigError("--conversion: rates of both NH3 and NOx are needed [%/h]")
    values: dict[str, Any] = {}
    for name, value in given.items():
        parts = value.split("|")
        if len(parts) > (2 if name in {"NH3", "NOx"} else 1):
            raise ConfigError(f"--conversion {name}={value}: a number, a map, or for a rate CONVERTED|PRECURSOR")
        found = [_number_or_map(part, folder, f"--conversion {name}") for part in parts]
        values[names[name]] = found[0] if len(found) == 1 else tuple(found)
    rates = Conversion(**values)
    shares = (rates.hno3, rates.coarse, rates.fine)
    numbers = [share for share in shares if not isinstance(share, Map)]
    if len(numbers) == len(shares) and abs(sum(numbers) - 1.0) > 1e-6:
        raise ConfigError("--conversion: shares of HNO3, coarse and fine must be positive and add up to 1")
    return rates


def _number_or_map(text: str, folder: Path, option: str) -> float | Map:
    """A number that is not negative, or a map beside the file that names it."""
    try:
        value = float(text)
    except ValueError:
        return read_map(folder / text)
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{option}={text}: a number of 0 or more, or the name of a map, is needed")
    return value


def _pairs(text: str, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.replace("\n", ",").split(","):
        if not part.strip() or part.strip().startswith("#"):
            continue
        name, equal, value = part.partition("=")
        if not equal or not value.strip():
            raise ConfigError(f"{option}: {part.strip()!r} is not NAME=VALUE")
        if name.strip() in pairs:
            raise ConfigError(f"{option}: {name.strip()} is given twice; give it once")
        pairs[name.strip()] = value.strip()
    return pairs


def ozone_levels(text: str | float | None) -> tuple[float, ...]:
    """Ozone per wind sector [ug/m3]; none where it is not given."""
    if text is None:
        return ()
    try:
        levels = tuple(float(word) for word in str(text).split(","))
    except ValueError:
        raise ConfigError(f"--ozone {text}: numbers in ug/m3 are needed") from None
    levels = levels * 12 if len(levels) == 1 else levels
    if len(levels) != 12 or min(levels) < 0:
        raise ConfigError("--ozone: one value or twelve, one per wind sector, in ug/m3 are needed")
    return levels

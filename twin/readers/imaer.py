"""IMAER 6 GML: emission sources of AERIUS as a table of sources, parsed without entities and without the network.

Points keep their place; lines become rows of points at most 25 m apart; a polygon becomes the square of the same
area at its centroid. Emissions are kg per year.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

import numpy as np
import pandas as pd
from shapely.geometry import LineString, Polygon

from twin.errors import DataError, NoEmissionError, UnitError

__all__ = ["ROAD_CATEGORY", "read_imaer"]

ROAD_CATEGORY = 3  # category of road sources in the table
_LARGEST_FILE = 512 * 1024 * 1024  # bytes
_LONGEST = 1_000_000  # characters of one attribute
_CHUNK = 1 << 20
_STEP = 25.0  # m between points of a line
_YEAR = 8760.0 * 3600.0  # s
_ROAD_HEIGHT, _ROAD_SPREAD = 2.5, 2.5  # m, release height and initial spread of traffic on a road
_SUBSTANCE = {"NH3": "NH3", "NOx": "NOX"}
# standard profiles of emission over the day: diurnal codes
_PROFILES = {
    "CONTINUOUS": 0,
    "INDUSTRIAL_ACTIVITY": 1,
    "SPACE_HEATING": 2,
    "LIGHT_DUTY_VEHICLES": 31,
    "HEAVY_DUTY_VEHICLES": 32,
    "BUSES": 33,
    "ANIMAL_HOUSING": 4,
    "FERTILISER": 5,
    "HEATING": 7,
}


class _Source:
    """One feature as far as it is read."""

    def __init__(self, kind: str, name: str, line: int):
        self.kind = kind
        self.name = name
        self.line = line
        self.emission: dict[str, float] = {}
        self.numbers: dict[str, float] = {}
        self.profile = ""
        self.horizontal = False
        self.shape = ""
        self.points: list[float] = []
        self.srs = ""
        self.left_out: set[str] = set()


class _Reader:
    """Collects features from the events of the parser."""

    def __init__(self, path: Path):
        self.path = path
        self.sources: list[_Source] = []
        self.stack: list[str] = []
        self.text: list[str] = []
        self.now: _Source | None = None
        self.substance = ""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype
        parser.ExternalEntityRefHandler = self._refuse_doctype
        self.parser = parser

    def _refuse_doctype(self, *_: object) -> int:
        raise DataError(
            f"{self.path}: line {self.parser.CurrentLineNumber}: a document type or entity declaration is not "
            "allowed in a GML file; remove it"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        for key, value in attributes.items():
            if len(value) > _LONGEST:
                raise DataError(
                    f"{self.path}: line {self.parser.CurrentLineNumber}: attribute {key[:60]} has {len(value)} "
                    "characters; the file is not an IMAER file"
                )
        self.stack.append(name)
        self.text = []
        if len(self.stack) == 3 and self.stack[1] == "featureMember":
            identity = next((v for k, v in attributes.items() if k.endswith("id")), "?")
            self.now = _Source(name, identity, self.parser.CurrentLineNumber)
            return
        if self.now is None:
            return
        if name == "Emission" and self.stack[-2] == "emission" and len(self.stack) == 5:
            self.substance = attributes.get("substance", "")
        elif name == "building":
            self.now.left_out.add("building beside a source")
        elif name in {"barrierLeft", "barrierRight"}:
            self.now.left_out.add("barrier beside a road")
        elif name in {"Point", "LineString", "Polygon"} and "geometry" in self.stack:
            self.now.shape = name
            self.now.srs = attributes.get("srsName", "")
        if "geometry" in self.stack and attributes.get("srsDimension", "2") != "2":
            raise DataError(
                f"{self.path}: line {self.parser.CurrentLineNumber}: {self.now.kind} {self.now.name}: coordinates of "
                f"dimension {attributes['srsDimension'][:40]!r}; give x and y alone"
            )
        elif name in {"customTimeVaryingProfile", "monthlyVariation"}:
            self.now.left_out.add("profile over time of its own")

    def _data(self, data: str) -> None:
        self.text.append(data)

    def _number(self, word: str, what: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise DataError(f"{self.path}: line {self.parser.CurrentLineNumber}: {what} is {word[:40]!r}, not a number")
        return value

    def _end(self, tag: str) -> None:
        name = self.stack.pop()
        word = "".join(self.text).strip()
        source = self.now
        if source is None:
            return
        if len(self.stack) == 2:
            self.sources.append(source)
            self.now = None
        elif name == "value" and self.stack[-1] == "Emission" and len(self.stack) == 5:
            source.emission[self.substance] = self._number(word, f"emission of {self.substance}")
        elif len(self.stack) >= 4 and self.stack[3] == "emissionSourceCharacteristics":
            if name in {"emissionHeight", "spread", "emissionTemperature", "outflowDiameter", "outflowVelocity"}:
                source.numbers[name] = self._number(word, name)
            elif name == "value" and self.stack[-1] == "SpecifiedHeatContent":
                source.numbers["heatContent"] = self._number(word, "heat content")
            elif name == "standardType" and "monthlyVariation" not in self.stack:
                source.profile = word
            elif name == "outflowDirection":
                source.horizontal = word == "HORIZONTAL"
        elif name == "elevation" and word != "NORMAL":
            source.left_out.add("elevation of a road")
        elif name == "tunnelFactor" and self._number(word, name) != 1.0:
            source.left_out.add("tunnel")
        elif name in {"pos", "posList"} and "geometry" in self.stack and "interior" not in self.stack:
            source.points = [self._number(w, "a coordinate") for w in word.split()]
        self.text = []

    def read(self) -> list[_Source]:
        with self.path.open("rb") as file:
            fed = 0
            while chunk := file.read(_CHUNK):
                self._parse(chunk, False)
                fed += len(chunk)
                # a tag that does not end is held back by the parser: refuse it before it fills the memory
                if fed - self.parser.CurrentByteIndex > _LONGEST + 2 * _CHUNK:
                    raise DataError(
                        f"{self.path}: line {self.parser.CurrentLineNumber}: a tag or attribute is longer than "
                        f"{_LONGEST} characters; the file is not an IMAER file"
                    )
        self._parse(b"", True)
        return self.sources

    def _parse(self, chunk: bytes, final: bool) -> None:
        try:
            self.parser.Parse(chunk, final)
        except expat.ExpatError as error:
            raise DataError(f"{self.path}: line {error.lineno}: not well-formed GML ({error})") from error


def read_imaer(path: str | Path, substance: str, release_height: float | None = None) -> pd.DataFrame:
    """Sources of one substance (NH3 or NOx) as a table with the columns of :func:`twin.readers.brn.read_brn`.

    Further column ``name`` (gml:id). Roads without characteristics release at 2.5 m with a spread of 2.5 m and the
    diurnal profile of traffic, in category :data:`ROAD_CATEGORY`; other features without characteristics (ships,
    mobile machines) need ``release_height`` [m]. Features without an emission of the substance are
    counted in attrs["without_emission"], calculation points and other features in attrs["other_features"], and
    attrs["left_out"] says of what has no effect here (buildings, barriers, elevated roads, tunnels, profiles over time
    that are no standard ones: such a source is continuous) how many features of the substance have it.

    Raises :class:`twin.errors.DataError` naming file, line and feature for malformed or hostile GML (entities, a
    document type, oversized files or attributes), another CRS than RD New, a source without height or geometry.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such GML file")
    if path.stat().st_size > _LARGEST_FILE:
        raise DataError(f"{path}: {path.stat().st_size} bytes; GML files up to {_LARGEST_FILE} bytes are read")
    if substance not in _SUBSTANCE:
        raise UnitError(f"substance {substance!r} is not known; NH3 and NOx are")
    features = _Reader(path).read()
    rows: list[dict] = []
    empty = other = 0
    left_out: dict[str, int] = {}
    for source in features:
        if not source.emission:
            other += 1
            continue
        rate = source.emission.get(_SUBSTANCE[substance], 0.0)
        if rate < 0:
            raise DataError(f"{path}: line {source.line}: {source.name}: emission of {substance} is negative")
        if rate == 0.0:
            empty += 1
            continue
        rows += _rows(path, source, rate, release_height)
        for effect in sorted(source.left_out):
            left_out[effect] = left_out.get(effect, 0) + 1
    if not rows:
        raise NoEmissionError(
            f"{path}: no source emits {substance} ({len(features)} features); emissions must be calculated"
        )
    table = pd.DataFrame(rows)
    units = {"emission": "g s-1", "x": "m", "y": "m", "height": "m", "heat_content": "MW", "diameter": "m"}
    counts = {"without_emission": empty, "other_features": other, "left_out": left_out}
    table.attrs.update(file=str(path), version="IMAER", units=units, **counts)
    return table


def _rows(path: Path, source: _Source, rate: float, release_height: float | None) -> list[dict]:
    where = f"{path}: line {source.line}: {source.kind} {source.name}"
    if not source.shape:
        raise DataError(f"{where}: geometry of another kind; give a Point, LineString or Polygon")
    if "28992" not in source.srs:
        raise DataError(f"{where}: CRS is {source.srs or 'not given'}; geometry must be in RD New (EPSG:28992)")
    points = np.array(source.points, dtype=float)
    if points.size < 2 or points.size % 2:
        raise DataError(f"{where}: the geometry has no coordinates")
    points = points.reshape(-1, 2)
    road = source.kind in {"SRM1Road", "SRM2Road"}
    number = source.numbers
    height = _ROAD_HEIGHT if road else number.get("emissionHeight", release_height)
    if height is None:
        raise DataError(f"{where}: no emissionHeight; export the file with characteristics, or give a release height")
    if source.profile and source.profile not in _PROFILES:
        raise DataError(f"{where}: profile {source.profile} is not known; {', '.join(_PROFILES)} are")
    velocity = number.get("outflowVelocity", np.nan)
    diameter = 0.0
    if source.shape == "LineString":
        line = LineString(points)
        count = max(1, int(np.ceil(line.length / _STEP)))
        places = [line.interpolate((i + 0.5) / count, normalized=True) for i in range(count)]
        xy = np.array([(p.x, p.y) for p in places])
    elif source.shape == "Polygon":
        if len(points) < 4:
            raise DataError(f"{where}: a polygon of {len(points)} points")
        shape = Polygon(points)
        if not shape.is_valid or shape.area == 0.0:
            raise DataError(f"{where}: the polygon crosses itself or has no area; correct its points")
        xy = np.array([(shape.centroid.x, shape.centroid.y)])
        diameter = float(np.sqrt(shape.area))
    else:
        xy = points[:1]
    base = {
        "id": 0,
        "emission": rate * 1000.0 / _YEAR / len(xy),
        "heat_content": number.get("heatContent", np.nan if "emissionTemperature" in number else 0.0),
        "height": height,
        "diameter": diameter,
        "spread": _ROAD_SPREAD if road else number.get("spread", 0.0),
        "stack_diameter": number.get("outflowDiameter", np.nan),
        "exit_velocity": -velocity if source.horizontal else velocity,  # negative: horizontal, as in a .brn
        "exit_temperature": number.get("emissionTemperature", np.nan),
        "diurnal_code": 3 if road else _PROFILES.get(source.profile, 0),
        "category": ROAD_CATEGORY if road else 1,
        "country": 1,
        "size_code": 0,
        "line": source.line,
        "name": source.name,
    }
    return [base | {"x": float(np.rint(x)), "y": float(np.rint(y))} for x, y in xy]

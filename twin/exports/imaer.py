"""Results on receptors as IMAER 6.0 GML, the exchange format of AERIUS."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np
import xarray as xr

from kernels.nitrogen import hexagons
from twin import __version__
from twin.errors import DataError

__all__ = ["write_imaer"]

_IMAER, _GML = "http://imaer.aerius.nl/6.0", "http://www.opengis.net/gml/3.2"
_SRS = "urn:ogc:def:crs:EPSG::28992"
# column of a result: substance and kind in IMAER
_COLUMNS = {
    "conc_NH3": ("NH3", "CONCENTRATION"),
    "tot_NHx": ("NH3", "DEPOSITION"),
    "conc_NOx": ("NOX", "CONCENTRATION"),
    "tot_NOy": ("NOX", "DEPOSITION"),
}


def write_imaer(
    result: xr.Dataset, path: str | Path, *, year: int, reach: float | None = None, namespace: str = "NL.IMAER"
) -> None:
    """Write the results of :func:`twin.deposit` on receptors.

    Args:
        result: with conc_NH3, tot_NHx, conc_NOx, tot_NOy or some of them over ``receptor`` with ``x``, ``y`` [m RD].
            Receptors that are hexagon numbers at their centres become ReceptorPoints with their hexagon, others
            CalculationPoints.
        path: file to write, .gml.
        year: year of the emissions.
        reach: greatest distance from source to receptor [km], if one was used.
        namespace: of the identifiers (NEN 3610).

    Deposition is in mol N/ha/yr, concentration in ug/m3, as the schema has them.
    """
    columns = {name: kind for name, kind in _COLUMNS.items() if name in result}
    if not columns:
        raise DataError(f"the result holds none of {', '.join(_COLUMNS)}; write a result of twin.deposit")
    x, y = result["x"].values.astype(float), result["y"].values.astype(float)
    values = {name: result[name].values.astype(float) for name in columns}
    for name, value in values.items():
        if value.ndim != 1 or not np.isfinite(value).all():
            raise DataError(f"{name}: one finite value per receptor is needed; sum groups first")
    number = _hexagons(result["receptor"].values.astype(str), x, y)
    with Path(path).open("w", encoding="utf-8") as file:
        xml = _Writer(file)
        with xml.tag(
            "imaer:FeatureCollectionCalculator",
            **{"xmlns:imaer": _IMAER, "xmlns:gml": _GML, "gml:id": f"{namespace}.Collection"},
        ):
            _metadata(xml, columns, year, reach, result.attrs.get("mode", "exact"))
            for i in range(len(x)):
                with xml.tag("imaer:featureMember"):
                    _point(
                        xml,
                        namespace,
                        str(result["receptor"].values[i]),
                        int(number[i]),
                        i,
                        x[i],
                        y[i],
                        columns,
                        values,
                    )


def _metadata(xml: _Writer, columns, year: int, reach: float | None, mode: str) -> None:
    with (
        xml.tag("imaer:metadata"),
        xml.tag("imaer:AeriusCalculatorMetadata"),
    ):
        with xml.tag("imaer:project"), xml.tag("imaer:ProjectMetadata"):
            xml.text("imaer:year", str(int(year)))
        with xml.tag("imaer:calculation"), xml.tag("imaer:CalculationMetadata"):
            xml.text("imaer:method", f"province-twin {mode}")
            for substance in sorted({s for s, _ in columns.values()}):
                xml.text("imaer:substance", substance)
            for kind in sorted({k for _, k in columns.values()}):
                xml.text("imaer:resultType", kind)
            if reach is not None:
                xml.text("imaer:maximumRange", repr(float(reach)))
        xml.text("imaer:gmlCreator", f"Province Twin {__version__}")


def _point(xml: _Writer, namespace: str, name: str, hexagon: int, i: int, x: float, y: float, columns, values) -> None:
    known = hexagon > 0
    identity = f"CP.{hexagon if known else i + 1}"
    attributes = {"receptorPointId": str(hexagon)} if known else {}
    with xml.tag("imaer:ReceptorPoint" if known else "imaer:CalculationPoint", **attributes, **{"gml:id": identity}):
        with xml.tag("imaer:identifier"), xml.tag("imaer:NEN3610ID"):
            xml.text("imaer:namespace", namespace)
            xml.text("imaer:localId", identity)
        with xml.tag("imaer:GM_Point"), xml.tag("gml:Point", **{"srsName": _SRS, "gml:id": f"{identity}.POINT"}):
            xml.text("gml:pos", f"{x:.4f} {y:.4f}")
        if known:
            ring = " ".join(f"{cx:.4f} {cy:.4f}" for cx, cy in _corners(x, y))
            with (
                xml.tag("imaer:representation"),
                xml.tag("gml:Polygon", **{"srsName": _SRS, "gml:id": f"{identity}.REPR"}),
                xml.tag("gml:exterior"),
                xml.tag("gml:LinearRing"),
            ):
                xml.text("gml:posList", ring)
        for column, (substance, kind) in columns.items():
            with (
                xml.tag("imaer:result"),
                xml.tag("imaer:CalculationResult", resultType=kind, substance=substance),
            ):
                xml.text("imaer:value", repr(float(values[column][i])))
        if not known:
            xml.text("imaer:label", name)


def _corners(x: float, y: float) -> list[tuple[float, float]]:
    """Corners of a flat-topped hexagon, closed."""
    angle = np.radians(np.arange(0, 361, 60))
    return [(x + hexagons.SIDE * float(np.cos(a)), y + hexagons.SIDE * float(np.sin(a))) for a in angle]


def _hexagons(names: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Hexagon numbers of receptors that carry one as their name and lie on its centre; 0 for others."""
    number = np.array([int(n) if n.isdecimal() and len(n) < 9 else 0 for n in names], dtype=np.int64)
    number[(number < 1) | (number > hexagons.LARGEST)] = 0
    cx, cy = hexagons.centres(np.maximum(number, 1))
    return np.where(np.hypot(cx - x, cy - y) < 1.0, number, 0)


class _Writer:
    """Elements as context managers over the standard library's generator, which escapes what it writes."""

    def __init__(self, file):
        self.xml = XMLGenerator(file, "UTF-8", short_empty_elements=True)
        self.xml.startDocument()

    def tag(self, name: str, **attributes: str) -> _Tag:
        return _Tag(self.xml, name, attributes)

    def text(self, name: str, content: str) -> None:
        self.xml.startElement(name, AttributesImpl({}))
        self.xml.characters(content)
        self.xml.endElement(name)


class _Tag:
    def __init__(self, xml: XMLGenerator, name: str, attributes: dict[str, str]):
        self.xml, self.name, self.attributes = xml, name, attributes

    def __enter__(self) -> None:
        self.xml.startElement(self.name, AttributesImpl(self.attributes))

    def __exit__(self, *_: object) -> None:
        self.xml.endElement(self.name)
        self.xml.characters("\n")

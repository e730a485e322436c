"""Results as IMAER 6.0 GML: valid against the given schema, and the values come back."""

import numpy as np
import pytest
import xarray as xr
from lxml import etree

from kernels.nitrogen import hexagons
from twin.errors import DataError
from twin.exports.imaer import write_imaer

# The given schema imports GML 3.2 from the network. This holds the part of GML (ISO 19136) that IMAER's schema names,
# with GML's own content models for what a result file contains.
GML = """<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml/3.2"
 elementFormDefault="qualified" targetNamespace="http://www.opengis.net/gml/3.2">
 <attribute name="id" type="ID"/>
 <element name="AbstractObject" abstract="true"/>
 <element name="AbstractGML" type="gml:AbstractGMLType" abstract="true" substitutionGroup="gml:AbstractObject"/>
 <element name="AbstractFeature" type="gml:AbstractFeatureType" abstract="true" substitutionGroup="gml:AbstractGML"/>
 <complexType name="AbstractGMLType" abstract="true"><sequence/><attribute ref="gml:id" use="required"/></complexType>
 <complexType name="AbstractFeatureType" abstract="true"><complexContent><extension base="gml:AbstractGMLType"/>
  </complexContent></complexType>
 <complexType name="AbstractMemberType" abstract="true"><sequence/>
  <attributeGroup ref="gml:OwnershipAttributeGroup"/></complexType>
 <complexType name="AbstractFeatureMemberType" abstract="true"><sequence/>
  <attributeGroup ref="gml:OwnershipAttributeGroup"/></complexType>
 <attributeGroup name="OwnershipAttributeGroup"><attribute name="owns" type="boolean"/></attributeGroup>
 <attributeGroup name="AssociationAttributeGroup"><attribute name="nilReason" type="string"/></attributeGroup>
 <complexType name="ReferenceType"><sequence/></complexType>
 <simpleType name="doubleList"><list itemType="double"/></simpleType>
 <complexType name="DirectPositionListType"><simpleContent><extension base="gml:doubleList"/></simpleContent>
  </complexType>
 <element name="pos" type="gml:DirectPositionListType"/><element name="posList" type="gml:DirectPositionListType"/>
 <complexType name="GeometryType"><complexContent><extension base="gml:AbstractGMLType">
  <attribute name="srsName" type="anyURI"/></extension></complexContent></complexType>
 <element name="Point"><complexType><complexContent><extension base="gml:GeometryType">
  <sequence><element ref="gml:pos"/></sequence></extension></complexContent></complexType></element>
 <element name="LinearRing"><complexType><sequence><element ref="gml:posList"/></sequence></complexType></element>
 <element name="exterior"><complexType><sequence><element ref="gml:LinearRing"/></sequence></complexType></element>
 <element name="Polygon"><complexType><complexContent><extension base="gml:GeometryType">
  <sequence><element ref="gml:exterior"/></sequence></extension></complexContent></complexType></element>
 <complexType name="PointPropertyType"><sequence minOccurs="0"><element ref="gml:Point"/></sequence></complexType>
 <complexType name="SurfacePropertyType"><sequence minOccurs="0"><element ref="gml:Polygon"/></sequence></complexType>
 <complexType name="CurvePropertyType"><sequence/></complexType>
</schema>"""
LEVELS = """<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.opengis.net/gmlsf/2.0">
 <element name="ComplianceLevel" type="integer"/></schema>"""
NAMES = {"i": "http://imaer.aerius.nl/6.0", "g": "http://www.opengis.net/gml/3.2"}


@pytest.fixture(scope="module")
def schema(data):
    class Offline(etree.Resolver):
        def resolve(self, url, public, context):
            if "opengis.net" in url:
                return self.resolve_string(LEVELS if "gmlsf" in url else GML, context)
            return None

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Offline())
    path = data / "nitrogen" / "inputs" / "imaer" / "IMAER_6.0.xsd"
    return etree.XMLSchema(etree.parse(str(path), parser))


def result(hexagon=True):
    number = np.array([4_702_488, 4_702_489])
    x, y = hexagons.centres(number)
    names = number.astype(str) if hexagon else np.array(["bridge <2> & co", "x"])
    columns = {"conc_NH3": [1.25, 2.5e-7], "tot_NHx": [-3.0, 1e-3], "conc_NOx": [0.5, 7.0], "tot_NOy": [9.0, 0.0]}
    return xr.Dataset(
        {name: ("receptor", np.array(value)) for name, value in columns.items()},
        {"receptor": names, "x": ("receptor", x), "y": ("receptor", y)},
        {"mode": "exact"},
    )


@pytest.mark.parametrize("hexagon", [True, False])
def test_results_are_valid_against_the_given_schema(schema, tmp_path, hexagon):
    path = tmp_path / "out.gml"
    write_imaer(result(hexagon), path, year=2030, reach=25.0)
    document = etree.parse(str(path))
    schema.assertValid(document)
    # the schema is not blind: an unknown element is found
    document.getroot().append(etree.SubElement(document.getroot(), "{http://imaer.aerius.nl/6.0}depositions"))
    assert not schema.validate(document)


def test_values_and_hexagons_come_back(tmp_path):
    path, given = tmp_path / "out.gml", result()
    write_imaer(given, path, year=2030)
    root = etree.parse(str(path)).getroot()
    points = root.findall(".//i:ReceptorPoint", NAMES)
    assert [p.get("receptorPointId") for p in points] == list(given["receptor"].values)
    for i, point in enumerate(points):
        found = {
            (r.get("substance"), r.get("resultType")): float(r.findtext("i:value", namespaces=NAMES))
            for r in point.findall(".//i:CalculationResult", NAMES)
        }
        want = {("NH3", "CONCENTRATION"): "conc_NH3", ("NH3", "DEPOSITION"): "tot_NHx",
                ("NOX", "CONCENTRATION"): "conc_NOx", ("NOX", "DEPOSITION"): "tot_NOy"}  # fmt: skip
        assert found == {key: float(given[name].values[i]) for key, name in want.items()}
        ring = np.array(point.findtext(".//g:posList", namespaces=NAMES).split(), float).reshape(-1, 2)
        x, y = ring[:-1].T
        area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        assert area == pytest.approx(1e4, rel=1e-5)


def test_other_receptors_keep_their_names(tmp_path):
    path = tmp_path / "out.gml"
    write_imaer(result(hexagon=False), path, year=2030)
    labels = etree.parse(str(path)).findall(".//i:CalculationPoint/i:label", NAMES)
    assert [label.text for label in labels] == ["bridge <2> & co", "x"]


def test_a_result_without_values_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds none of"):
        write_imaer(result().drop_vars(["conc_NH3", "tot_NHx", "conc_NOx", "tot_NOy"]), tmp_path / "o.gml", year=2030)
    hole = result()
    hole["tot_NHx"].values[1] = np.nan
    with pytest.raises(DataError, match="tot_NHx: one finite value"):
        write_imaer(hole, tmp_path / "o.gml", year=2030)

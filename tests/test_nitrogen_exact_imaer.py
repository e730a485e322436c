"""IMAER 6 GML: what is read adds up, and hostile or malformed files are one clear error."""

import numpy as np
import pandas as pd
import pytest
from lxml import etree

from twin.commands.deposit import deposit_case
from twin.errors import DataError
from twin.readers.imaer import read_imaer

HEAD = (
    '<?xml version="1.0"?>{doctype}<i:FeatureCollectionCalculator xmlns:gml="http://www.opengis.net/gml/3.2" '
    'xmlns:i="http://imaer.aerius.nl/6.0"><i:featureMember>'
)
TAIL = "</i:featureMember></i:FeatureCollectionCalculator>"
SHAPES = {
    "Point": "<gml:Point {srs}><gml:pos>155000.4 463000.0</gml:pos></gml:Point>",
    "LineString": "<gml:LineString {srs}><gml:posList>155000 463000 155000 463100</gml:posList></gml:LineString>",
    "Polygon": "<gml:Polygon {srs}><gml:exterior><gml:LinearRing><gml:posList>155000 463000 155400 463000 155400 "
    "463100 155000 463100 155000 463000</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>",
}
SHAPES["Curve"] = SHAPES["LineString"].replace("LineString", "Curve")
SHAPES["bow tie"] = SHAPES["Polygon"].replace("155400 463000 155400 463100", "155400 463100 155400 463000")
RD = 'srsName="urn:ogc:def:crs:EPSG::28992"'


SPECIFIED = "<i:SpecifiedHeatContent><i:value>0.5</i:value></i:SpecifiedHeatContent>"
CALCULATED = (
    "<i:CalculatedHeatContent><i:emissionTemperature>80</i:emissionTemperature><i:outflowDiameter>1.5"
    "</i:outflowDiameter><i:outflowVelocity>9</i:outflowVelocity><i:outflowDirection>{}</i:outflowDirection>"
    "</i:CalculatedHeatContent>"
)


def gml(shape="Point", srs=RD, height="5.0", emission="3153.6", doctype="", extra="", heat=SPECIFIED, profile=""):
    characteristics = (
        f"<i:emissionSourceCharacteristics><i:EmissionSourceCharacteristics><i:heatContent>{heat}</i:heatContent>"
        f"<i:emissionHeight>{height}</i:emissionHeight><i:spread>0.0</i:spread>{profile}"
        "</i:EmissionSourceCharacteristics></i:emissionSourceCharacteristics>"
    )
    return (
        HEAD.format(doctype=doctype)
        + f'<i:EmissionSource sectorId="4110" gml:id="ES.7" {extra}>'
        + (characteristics if height else "")
        + "<i:geometry><i:EmissionSourceGeometry>"
        + SHAPES[shape].format(srs=srs)
        + '</i:EmissionSourceGeometry></i:geometry><i:emission><i:Emission substance="NH3">'
        + f"<i:value>{emission}</i:value></i:Emission></i:emission></i:EmissionSource>"
        + TAIL
    )


def write(folder, text):
    path = folder / "sources.gml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("shape", "count", "side"), [("Point", 1, 0.0), ("LineString", 4, 0.0), ("Polygon", 1, 200.0)])
def test_emission_of_every_shape_adds_up(tmp_path, shape, count, side):
    # 3153.6 kg a year of 365 days is 0.1 g/s; a line of 100 m has four points; 400 x 100 m is a square of 200 m
    table = read_imaer(write(tmp_path, gml(shape)), "NH3")
    assert len(table) == count
    assert np.isclose(table["emission"].sum(), 0.1)
    assert np.allclose(table["diameter"], side)
    assert (table["height"] == 5.0).all() and (table["heat_content"] == 0.5).all()


def bomb():
    levels = "".join(f'<!ENTITY b{i} "{f"&b{i - 1};" * 10}">' for i in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY b0 "boom">{levels}]>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (gml(doctype=bomb(), emission="&b9;"), "document type or entity"),
        (gml(doctype='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', emission="&e;"), "document type"),
        (gml(doctype='<!DOCTYPE x SYSTEM "http://example.org/x.dtd">'), "document type"),
        (gml(extra=f'note="{"a" * 2_000_000}"'), "attribute note has 2000000"),
        (gml()[:-40], "not well-formed"),
        (gml(srs='srsName="urn:ogc:def:crs:EPSG::4326"'), "ES.7.*4326.*28992"),
        (gml(height=""), "ES.7: no emissionHeight"),
        (gml(emission="much"), "'much', not a number"),
        (gml(emission="-1"), "ES.7.*negative"),
        (gml(emission="0"), "no source emits NH3"),
        (gml(srs=RD + ' srsDimension="3"'), "ES.7: coordinates of dimension '3'"),
        (gml("Curve"), "ES.7: geometry of another kind"),
        (gml("bow tie"), "ES.7: the polygon crosses itself"),
    ],
)
def test_faults_are_one_clear_error(tmp_path, text, words):
    with pytest.raises(DataError, match=words) as error:
        read_imaer(write(tmp_path, text), "NH3")
    assert "sources.gml" in str(error.value)


def test_release_height_serves_features_without_characteristics(tmp_path):
    table = read_imaer(write(tmp_path, gml(height="")), "NH3", release_height=4.0)
    assert (table["height"] == 4.0).all()


def test_outflow_keeps_its_direction(tmp_path):
    # a negative exit velocity is a horizontal one, as in a .brn
    for word, velocity in {"VERTICAL": 9.0, "HORIZONTAL": -9.0}.items():
        table = read_imaer(write(tmp_path, gml(heat=CALCULATED.format(word))), "NH3")
        assert table["exit_velocity"].item() == velocity and table["exit_temperature"].item() == 80.0
        assert table["stack_diameter"].item() == 1.5 and np.isnan(table["heat_content"].item())


def test_a_profile_over_time_is_a_standard_one_or_counted(tmp_path):
    kind = "<i:timeVaryingProfile><i:{0}TimeVaryingProfile>{1}</i:{0}TimeVaryingProfile></i:timeVaryingProfile>"
    standard = kind.format("Standard", "<i:standardType>ANIMAL_HOUSING</i:standardType>")
    table = read_imaer(write(tmp_path, gml(profile=standard)), "NH3")
    assert table["diurnal_code"].item() == 4 and table.attrs["left_out"] == {}
    own = kind.format("Reference", '<i:customTimeVaryingProfile xmlns:x="http://www.w3.org/1999/xlink" x:href="#P.1"/>')
    table = read_imaer(write(tmp_path, gml(profile=own)), "NH3")
    assert table["diurnal_code"].item() == 0 and table.attrs["left_out"] == {"profile over time of its own": 1}


def test_given_examples_are_read(data):
    folder = data / "nitrogen" / "inputs" / "imaer"
    network = read_imaer(folder / "scenario_traffic_network_reference.gml", "NOx")
    assert network["name"].nunique() > 700 and (network["category"] == 3).all()
    # 17404.02 kg NOx a year, printed in the file
    road = read_imaer(folder / "road.gml", "NOx")
    assert np.isclose(road["emission"].sum() * 8760 * 3.6, 17404.020938609574, rtol=1e-9)
    # what has no effect on the result is counted, not passed over
    assert network.attrs["left_out"]["elevation of a road"] > 0
    assert road.attrs["left_out"] == {"barrier beside a road": 1, "elevation of a road": 1, "tunnel": 1}
    assert read_imaer(folder / "industry_with_building.gml", "NOx").attrs["left_out"] == {"building beside a source": 1}
    ships = read_imaer(folder / "maritimeship.gml", "NOx", release_height=20.0)
    assert (ships["height"] == 20.0).all()


# one example of each kind of source
EXAMPLES = {
    "farm": "NH3", "farm_animal_housing": "NH3", "farmland_standard": "NH3", "industry": "NOx", "plan": "NOx",
    "industry_with_building": "NOx", "inlandshipping_custom": "NOx", "maritimeship": "NOx", "offroad": "NOx",
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_example_gives_the_emission_it_states(data, name):
    substance = EXAMPLES[name]
    path = data / "nitrogen" / "inputs" / "imaer" / f"{name}.gml"
    root = etree.parse(str(path)).getroot()
    space = {"i": "http://imaer.aerius.nl/6.0"}
    stated = root.findall(f"i:featureMember/*/i:emission/i:Emission[@substance='{substance.upper()}']/i:value", space)
    table = read_imaer(path, substance, release_height=10.0)
    assert table["emission"].sum() * 8760 * 3.6 == pytest.approx(sum(float(v.text) for v in stated), rel=1e-9)


def test_deposition_of_a_gml_file(data, tmp_path):
    places = tmp_path / "places.csv"
    places.write_text("name,x,y\na,137558,455251\n")
    summary = deposit_case(
        data / "nitrogen" / "inputs" / "imaer" / "farm_animal_housing.gml",
        out=tmp_path / "out.csv",
        weather=data / "nitrogen" / "inputs" / "ops" / "a005105c.005",
        receptors=places,
        substance="NH3",
        z0="0.1",
        background="NH3=6.0,NOx=20,SO2=1.5",
        landuse="1",
    )
    assert summary["pairs"] == 1
    assert pd.read_csv(tmp_path / "out.csv")["tot_NHx"].iloc[0] > 0

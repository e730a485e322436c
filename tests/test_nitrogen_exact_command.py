"""``twin deposit``: a control file as it stands, flags over it, and one clear error per fault."""

import json

import nitrogen_cases as cases
import numpy as np
import pandas as pd
import pytest

from twin.commands.deposit import deposit, deposit_case
from twin.commands.deposit_flags import places_of
from twin.errors import ConfigError, DataError
from twin.readers.brn import read_brn
from twin.readers.climatology import read_climatology
from twin.readers.raster_map import read_map

BACKGROUND = "NH3=6.0,NOx=20,SO2=1.5"


@pytest.fixture
def given(data):
    return data / "nitrogen" / "given"


def test_control_file_gives_the_columns_and_values_of_its_reference(data, given, tmp_path, capsys):
    name = "G_NH3_multi30_grid41"
    out = tmp_path / "out.csv"
    assert deposit(given / f"{name}.ctr", out=out, receptors=given / f"{name}.csv", background=BACKGROUND) == 0
    summary = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert summary["pairs"] == 30 * 1681 and summary["pairs_per_cpu_second"] > 0
    own, reference = pd.read_csv(out), cases.reference(data, name)
    assert list(own.columns) == list(reference.columns)
    assert np.percentile(np.abs(own["tot_NHx"] / reference["tot_NHx"] - 1), 95) < 0.06e-2


def test_flags_override_the_control_file(data, given, tmp_path):
    name = "G_NOx_point_h5_EMEPchem_lines"
    choices = {"receptors": given / f"{name}.csv", "background": BACKGROUND}
    rates = "NH3=5,NOx=4,HNO3=0.35,coarse=0.25,fine=0.40"
    deposit_case(given / f"{name}.ctr", out=tmp_path / "a.csv", conversion=rates, **choices)
    reference = cases.reference(data, name)
    for column in ("conc_NO3_C", "tot_NOy"):
        assert np.allclose(pd.read_csv(tmp_path / "a.csv")[column], reference[column], rtol=1e-3)
    deposit_case(given / f"{name}.ctr", out=tmp_path / "b.csv", conversion="internal", **choices)
    assert "conc_NO3_C" not in pd.read_csv(tmp_path / "b.csv")


def test_binary_climatology_equals_its_decoded_table(data):
    folder = data / "nitrogen" / "inputs" / "ops"
    binary = read_climatology(folder / "a005105c.005")
    decoded = read_climatology(folder / "meteo_a005105c_005.csv")
    assert np.allclose(binary.table, decoded.table, rtol=1e-12)
    assert (binary.hours, binary.z0, binary.begin, binary.end) == (8756.0, 0.29, (2005, 1), (2006, 1))
    assert decoded.hours == 8756.0


def test_ops_map_is_read_with_its_frame(data):
    found = read_map(data / "nitrogen" / "inputs" / "ops" / "gammawater.ops")
    assert found.values.shape == (840, 800) and (found.values == 430.0).all()
    assert tuple(found.frame) == (-235000.0, 865000.0, 1000.0, 1000.0)


def copy(given, folder, name, change):
    text = (given / f"{name}.ctr").read_text()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    weather = given.parent / "inputs" / "ops" / "a005105c.005"
    text = text.replace("../inputs/ops/a005105c.005", str(weather))
    (folder / f"{name}.brn").write_text((given / f"{name}.brn").read_text())
    path = folder / f"{name}.ctr"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"COMPCODE       3": "COMPCODE       24"}, "COMPCODE is 24"),
        ({"ROUGHNESS      0.1": "ROUGHNES       0.1"}, r"line \d+: unknown keyword 'ROUGHNES'.*ROUGHNESS"),
        ({"ROUGHNESS      0.1": "ROUGHNESS      0.0"}, "Z0FILE"),
        ({"METEOTYPE      1": "METEOTYPE      0"}, r"MTFILE.*BASE\.\*"),
        ({"CONVRATE       ": "CONVRATE       EMEP"}, "--conversion"),
        ({"DEPUNIT        3": "DEPUNIT        4"}, "DEPUNIT"),
        ({"EMFILE         G": "EMFILE         H"}, r"H_NH3.*\.brn"),
        ({"USDVEFILE": "USDVEFILE   mine.dv"}, "USDVEFILE"),
        ({"EMCORFAC       1.0": "EMCORFAC       much"}, "EMCORFAC is 'much'"),
        ({"PHASE          1": "PHASE          0"}, "PHASE"),
    ],
)
def test_faults_of_a_control_file_name_line_and_cure(given, tmp_path, change, words):
    path = copy(given, tmp_path, "G_NH3_point_h2.5_lines", change)
    choices = {"receptors": given / "G_NH3_point_h2.5_lines.csv", "background": BACKGROUND}
    with pytest.raises(DataError, match=words):
        deposit_case(path, out=tmp_path / "out.csv", **choices)


def test_what_is_missing_is_asked_for(given, tmp_path):
    case = given / "G_NH3_point_h2.5_lines.ctr"
    places = given / "G_NH3_point_h2.5_lines.csv"
    out = tmp_path / "out.csv"
    with pytest.raises(DataError, match=r"RCPFILE.*--receptors"):
        deposit_case(case, out=out, background=BACKGROUND)
    with pytest.raises(DataError, match="--background"):
        deposit_case(case, out=out, receptors=places)
    with pytest.raises(ConfigError, match="--weather"):
        deposit_case(given / "G_NH3_point_h2.5_lines.brn", out=out)
    with pytest.raises(ConfigError, match="SO4"):
        deposit_case(case, out=out, receptors=places, background=BACKGROUND + ",SO4=1")


def test_receptor_on_a_point_source_is_named(given, tmp_path):
    places = tmp_path / "places.csv"
    places.write_text("name,x,y\nhere,155000,463000\n")
    with pytest.raises(DataError, match=r"\.brn \(1\): receptor here at \(155000, 463000\)"):
        deposit_case(
            given / "G_NH3_point_h2.5_lines.ctr", out=tmp_path / "o.csv", receptors=places, background=BACKGROUND
        )


def test_sector_without_hours_is_named(data, tmp_path):
    frame = pd.read_csv(data / "nitrogen" / "inputs" / "ops" / "meteo_a005105c_005.csv")
    frame.loc[frame["wind_sector"] == 4, "hours"] = 0
    frame.to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(DataError, match=r"empty\.csv.*sector 4"):
        read_climatology(tmp_path / "empty.csv")


def test_cut_off_climatology_is_refused(data, tmp_path):
    short = tmp_path / "short.005"
    short.write_bytes((data / "nitrogen" / "inputs" / "ops" / "a005105c.005").read_bytes()[:9000])
    with pytest.raises(DataError, match=r"short\.005.*9000"):
        read_climatology(short)


def test_hexagons_within_reach_of_the_sources(given, tmp_path):
    case = given / "G_NH3_point_h2.5_lines.ctr"
    out = tmp_path / "out.csv"
    choices = {"out": out, "receptors": "hexagons", "background": BACKGROUND}
    summary = deposit_case(case, reach=1.0, **choices)
    table = pd.read_csv(out)
    # 1 ha each: about 314 within 1 km
    assert 300 < len(table) < 330 and summary["pairs"] == len(table)
    assert np.hypot(table["x"] - 155000, table["y"] - 463000).max() <= 1000.0
    # without --reach the rule of Dutch permits holds: 25 km
    assert len(places_of("hexagons", read_brn(given / "G_NH3_point_h2.5_lines.brn"), None, 250.0)) == pytest.approx(
        np.pi * 25.0**2 * 100, rel=1e-3
    )


def test_another_substance_over_a_control_file_has_its_own_constants(given, tmp_path):
    # DIFFCOEFF and WASHOUT of the file belong to NH3; NOx of the same sources by themselves has neither
    name = "G_NH3_point_h2.5_lines"
    few = tmp_path / "few.csv"
    pd.read_csv(given / f"{name}.csv")[["name", "x", "y"]].iloc[::40].to_csv(few, index=False)
    choices = {"receptors": few, "background": BACKGROUND, "substance": "NOx"}
    deposit_case(given / f"{name}.ctr", out=tmp_path / "over.csv", **choices)
    weather = given.parent / "inputs" / "ops" / "a005105c.005"
    deposit_case(given / f"{name}.brn", out=tmp_path / "alone.csv", weather=weather, z0="0.1", **choices)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "over.csv"), pd.read_csv(tmp_path / "alone.csv"), check_exact=True
    )


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"landuse": "1.5"}, r"--landuse 1\.5: a DEPAC class"),
        ({"background": "NH3=6,NOx=20,SO2=1.5,NH3=7"}, "--background: NH3 is given twice"),
        ({"reach": -5.0}, "--reach -5.0: a distance above 0 km"),
        ({"reach": float("nan")}, "--reach nan"),
        ({"z0": "25"}, "z0 25: a roughness length above 0 and up to 3 m"),  # centimetres
        ({"receptors": "lattice", "cell": float("nan")}, "--cell nan: a side of a cell above 0 m"),
        ({"year": -3}, "--year -3: a year such as 2030"),
        ({"ozone": "x"}, "--ozone x: numbers in ug/m3"),
        ({"conversion": "NH3=5,NOx=4,NOx=3"}, "--conversion: NOx is given twice"),
    ],
)
def test_a_flag_is_not_read_as_something_else(given, tmp_path, choices, words):
    name = "G_NH3_point_h2.5_lines"
    flags = {"receptors": given / f"{name}.csv", "background": BACKGROUND} | choices
    with pytest.raises(ConfigError, match=words):
        deposit_case(given / f"{name}.ctr", out=tmp_path / "out.csv", **flags)
    assert not any(tmp_path.iterdir())

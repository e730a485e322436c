"""Total N by layers, critical loads on hexagons, and the source-receptor matrix: sums, linearity and rules."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from kernels.nitrogen import hexagons
from twin import nitrogen
from twin.errors import DataError, UnitError
from twin.nitrogen.layers import Layer, exceedance, read_habitats, total_nitrogen
from twin.nitrogen.permit_rules import CUT_OFF, REACH, apply_cut_off
from twin.nitrogen.source_receptor import SourceReceptor, source_receptor
from twin.readers.raster_map import Map

BACKGROUND = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}


def table(rates, **columns):
    """Sources 300 m apart along a line."""
    n = len(rates)
    made = {
        "id": np.arange(n), "x": 155_000.0 + 300 * np.arange(n), "y": np.full(n, 463_000.0), "emission": rates,
        "heat_content": 0.0, "height": 5.0, "diameter": 0.0, "spread": 0.0, "stack_diameter": np.nan,
        "exit_velocity": np.nan, "exit_temperature": np.nan, "diurnal_code": 0, "category": 1, "country": 1,
        "size_code": 0, "line": np.arange(n) + 2, **columns,
    }  # fmt: skip
    frame = pd.DataFrame(made)
    frame.attrs.update(file="made", units={"emission": "g s-1"})
    return frame


@pytest.fixture(scope="module")
def climate(data):
    from twin.readers.climatology import read_climatology

    return read_climatology(data / "nitrogen" / "given" / "meteo_a005105c_005.csv")


@pytest.fixture(scope="module")
def hexes():
    number = hexagons.hexagons_within(np.array([156_000.0]), np.array([464_500.0]), 700.0)
    x, y = hexagons.centres(number)
    return pd.DataFrame({"name": number.astype(str), "x": x, "y": y})


@pytest.fixture(scope="module")
def matrix(climate, hexes):
    return source_receptor(table([0.5, 1.0, 2.0, 0.0]), hexes, climate, "NH3", background=BACKGROUND)


def test_matrix_times_emission_is_the_deposition_of_the_model(matrix, climate, hexes):
    sources = table([0.5, 1.0, 2.0])
    direct = nitrogen.deposit(sources, hexes, climate, "NH3", background=BACKGROUND)["tot_NHx"].values
    np.testing.assert_allclose(matrix.deposition().values, direct, rtol=1e-9)


def test_a_buy_out_is_one_product_and_adds_up(matrix, climate, hexes):
    # joint effect = sum of single effects, = model without them subtracted from model with them
    singles = sum(matrix.buy_out(np.arange(4) == k).values for k in (0, 2))
    joint = matrix.buy_out(np.isin(np.arange(4), (0, 2))).values
    np.testing.assert_allclose(joint, singles, rtol=1e-12)
    left = nitrogen.deposit(table([1.0], x=155_300.0), hexes, climate, "NH3", background=BACKGROUND)["tot_NHx"].values
    np.testing.assert_allclose(matrix.deposition().values - joint, left, rtol=1e-9)


def test_groups_sum_to_the_total(matrix):
    groups = matrix.by_group(np.array(["agriculture", "road", "agriculture", "industry"]))
    assert list(groups["group"].values) == ["agriculture", "industry", "road"]
    np.testing.assert_allclose(groups.sum("group").values, matrix.deposition().values, rtol=1e-12)
    assert (groups.sel(group="industry").values == 0).all()


def test_pairs_beyond_the_reach_are_absent(climate, hexes):
    near = source_receptor(table([1.0, 1.0]), hexes, climate, "NH3", reach=1400.0, background=BACKGROUND)
    places = table([1.0, 1.0])
    distance = np.hypot(
        hexes["x"].to_numpy()[:, None] - places["x"].to_numpy(), hexes["y"].to_numpy()[:, None] - 463_000.0
    )
    assert near.matrix.nnz == (distance <= 1400.0).sum() < distance.size
    with pytest.raises(DataError, match="no receptor lies within"):
        source_receptor(table([1.0]), hexes, climate, "NH3", reach=10.0, background=BACKGROUND)


def test_matrix_survives_its_file(matrix, tmp_path):
    matrix.save(tmp_path / "m.h5")
    again = SourceReceptor.load(tmp_path / "m.h5")
    np.testing.assert_array_equal(again.deposition().values, matrix.deposition().values)
    with pytest.raises(DataError, match="not a source-receptor matrix"):
        SourceReceptor.load(__file__)


@pytest.fixture(scope="module")
def own(climate, hexes):
    results = {}
    for substance, groups in (("NH3", [0, 0, 1]), ("NOx", [1, 1, 1])):
        one = nitrogen.deposit(
            table([0.5, 1.0, 2.0]), hexes, climate, substance, background=BACKGROUND, groups=np.array(groups)
        )
        results[substance] = one.assign_coords(group=["agriculture", "road"])
    return results


def test_layers_sum_to_the_total_and_no_province_is_an_island(own, hexes):
    abroad = Layer(384.0, "29 % of 1,323 mol/ha/yr, clo.nl nl0507 (2022)")
    total = total_nitrogen(own, {"abroad": abroad})
    np.testing.assert_allclose(total["contribution"].sum("layer"), total["total"], rtol=1e-12)
    both = own["NH3"]["tot_NHx"].sum("group") + own["NOx"]["tot_NOy"].sum("group")
    np.testing.assert_allclose(total["total"], both + 384.0, rtol=1e-12)
    # all own sources at zero leave what comes from abroad
    nothing = {k: v * 0.0 for k, v in own.items()}
    np.testing.assert_array_equal(total_nitrogen(nothing, {"abroad": abroad})["total"], 384.0)
    assert list(total["layer"].values) == ["agriculture", "road", "abroad"]
    assert str(total["layer_source"].values[2]).startswith("29 %")


def test_layers_in_another_unit_or_without_value_are_refused(own):
    with pytest.raises(UnitError, match="kg/ha/yr"):
        total_nitrogen(own, {"abroad": Layer(5.0, "x", units="kg/ha/yr")})
    hole = Map(np.full((2, 2), np.nan), 150_000.0, 470_000.0, 5000.0, 5000.0, "hole.tif")
    with pytest.raises(DataError, match=r"hole\.tif.*no value under"):
        total_nitrogen(own, {"abroad": Layer(hole, "x")})


def test_exceedance_follows_the_dutch_rules(tmp_path):
    # four hexagons at 1000 mol: loads 900 (exceeded), 1000 and 1050 (approaching), 1071 (below), 2400 (not sensitive)
    number = np.array([4_702_488, 4_702_489, 4_702_490, 4_702_491])
    x, y = hexagons.centres(number)
    total = xr.Dataset(
        {"total": ("receptor", np.full(4, 1000.0))},
        {"receptor": number.astype(str), "x": ("receptor", x), "y": ("receptor", y)},
    )
    path = tmp_path / "habitats.csv"
    path.write_text(
        "receptor_id,habitat_code,kdw_mol_N_ha_yr,coverage\n4702488,H4030,900,0.5\n4702488,H2310,1050,0.25\n"
        "4702489,H4030,1000,1\n4702490,H9999,1071,1\n4702491,H3260,2400,1\n77,H4030,900,1\n"
    )
    result = exceedance(total, read_habitats(path))
    assert list(result["state"].values) == [2, 1, 0, -1]
    assert result["critical_load"].values[:3] == pytest.approx([900, 1000, 1071])
    areas = result[["area_exceeded", "area_approaching"]].to_dataframe()
    assert areas.loc["H4030"].tolist() == [0.5, 1.0]
    assert areas.loc["H2310"].tolist() == [0.0, 0.25]
    assert areas.loc["H3260"].tolist() == [0.0, 0.0]
    assert result.attrs["habitats_outside"] == 1
    path.write_text("receptor_id,habitat_code,kdw\n4702488,H4030,-5\n")
    with pytest.raises(DataError, match="line 2: kdw"):
        read_habitats(path)


def test_given_critical_loads_of_the_veluwe_are_usable(data):
    loads = pd.read_csv(data / "nitrogen" / "inputs" / "kdw" / "kdw_veluwe_aerius_open_data.csv")
    assert loads["kdw_mol_N_ha_yr"].between(300, 4000).all()


def test_cut_off_says_what_it_leaves_out():
    field = xr.DataArray(np.array([0.004, -0.004, 0.006, 0.0, 2.0]), dims="receptor", attrs={"units": "mol ha-1 yr-1"})
    kept = apply_cut_off(field)
    assert list(kept.values) == [0.0, 0.0, 0.006, 0.0, 2.0]
    assert kept.attrs["receptors_below_cut_off"] == 2
    assert kept.attrs["cut_off"] == CUT_OFF.value == 0.005
    assert (REACH.value, REACH.units) == (25.0, "km")
    assert "LVVN" in REACH.owner and "Raad van State" in REACH.source

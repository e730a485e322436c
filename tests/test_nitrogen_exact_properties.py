"""What must hold for the exact mode on any data: superposition, doubling, threads, asymmetry of the wind rose.

The climatology here is made up: plausible classes whose hours peak in one wind sector.
"""

import numpy as np
import pandas as pd
import pytest

from twin.errors import ConfigError, DataError, UnitError
from twin.nitrogen import Grid, Map, Roads, Switches, chain, deposit
from twin.readers.climatology import QUANTITIES, Climatology

BACKGROUND = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}
# per stability class: mixing height, wind, Rb, Ra4+Rb, Ra50+Rb, u*, L, H0
CLASSES = (
    (250, 2.2, 25, 45, 56, 0.27, -40, 35),
    (900, 3.1, 18, 32, 40, 0.39, -45, 80),
    (350, 4.0, 17, 34, 45, 0.42, 300, -10),
    (700, 6.0, 12, 24, 32, 0.60, -400, 15),
    (60, 1.6, 60, 180, 500, 0.10, 15, -8),
    (180, 3.0, 30, 80, 160, 0.20, 60, -20),
)


def climatology():
    table = np.zeros((4, 6, 12, 27))
    names = list(QUANTITIES)

    def put(name, value, k=slice(None)):
        table[:, k, :, names.index(name)] = value

    for k, values in enumerate(CLASSES):
        columns = ("max_mixing_height_m", "wind_speed_10m", "Rb_SO2", "Ra4_plus_Rb", "Ra50_plus_Rb", "ustar")
        for name, value in zip((*columns, "L_obukhov_m", "H0_W_m2"), values, strict=True):
            put(name, value, k)
    for t in range(1, 4):
        table[t, :, :, 1] *= 1.0 + 0.3 * t
    rose = 40.0 + 80.0 * np.exp(-(((np.arange(12) - 7) / 2.0) ** 2))
    table[..., 0] = np.round(rose)
    for name, value in {
        "ratio_vdeff_low": 1.0,
        "ratio_vdeff_high": 0.9,
        "degree_day_coef": 5.0,
        "rain_probability": 0.05,
        "rain_duration_h": 1.6,
        "rain_intensity_mm_h": 1.3,
        "global_radiation_J_cm2_h": 50.0,
        "wind_power_coef": 0.25,
        "Rc_SO2": 60.0,
        "pct_hours_2hblock_src": 16.0,
        "temp_C": 10.0,
        "shear_deg": 10.0,
        "rel_humidity_pct": 82.0,
        "Rc_NO2": 300.0,
        "Rc_NH3": 35.0,
        "Rc_aerosol": 450.0,
    }.items():
        put(name, value)
    hours = float(table[0, :, :, 0].sum())
    return Climatology(table, hours, 0.29, (2005, 1), (2006, 1), 52.0, 5.5, "made up")


def sources(*rows):
    """Rows of x, y, emission, height, and further columns by name."""
    plain = {"heat_content": 0.0, "diameter": 0.0, "spread": 0.0, "diurnal_code": 0, "category": 1, "country": 1}
    table = pd.DataFrame([plain | dict(zip(("x", "y", "emission", "height"), r[:4], strict=True)) | r[4] for r in rows])
    table.attrs = {"units": {"emission": "g s-1"}, "file": "made up"}
    return table


def receptors(count=37, reach=4000.0, seed=1):
    rng = np.random.default_rng(seed)
    angle, distance = rng.uniform(0, 2 * np.pi, count), np.exp(rng.uniform(np.log(150.0), np.log(reach), count))
    return pd.DataFrame(
        {
            "name": [f"r{i}" for i in range(count)],
            "x": np.round(155000 + distance * np.sin(angle)),
            "y": np.round(463000 + distance * np.cos(angle)),
        }
    )


MANY = (
    (155000, 463000, 1.0, 2.5, {}),
    (155300, 463200, 0.5, 40.0, {"heat_content": 2.0}),
    (154500, 462600, 0.7, 1.5, {"diameter": 300.0}),
    (154800, 463900, 0.2, 5.0, {"diameter": -200.0, "diurnal_code": 3}),
    (156000, 462000, 0.3, 6.0, {"diurnal_code": 4}),
)


@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_sources_superpose(substance):
    places, climate = receptors(), climatology()
    together = deposit(sources(*MANY), places, climate, substance, background=BACKGROUND)
    parts = [deposit(sources(row), places, climate, substance, background=BACKGROUND) for row in MANY]
    groups = deposit(sources(*MANY), places, climate, substance, background=BACKGROUND, groups=np.arange(len(MANY)))
    for name in together.data_vars:
        total = sum(part[name] for part in parts)
        np.testing.assert_allclose(together[name], total, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(groups[name].sum("group"), total, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_doubling_an_emission_doubles_every_result(substance):
    places, climate = receptors(), climatology()
    once = deposit(sources(*MANY), places, climate, substance, background=BACKGROUND)
    twice = deposit(sources(*MANY), places, climate, substance, background=BACKGROUND, emission_factor=2.0)
    for name in once.data_vars:
        np.testing.assert_allclose(twice[name], 2.0 * once[name], rtol=1e-12)


def test_results_do_not_depend_on_threads_or_on_the_order_of_receptors():
    places, climate = receptors(101), climatology()
    one = deposit(sources(*MANY), places, climate, background=BACKGROUND, threads=1)
    two = deposit(sources(*MANY), places, climate, background=BACKGROUND, threads=2)
    turned = deposit(sources(*MANY), places[::-1].reset_index(drop=True), climate, background=BACKGROUND)
    for name in one.data_vars:
        assert np.array_equal(one[name], two[name])
        np.testing.assert_allclose(turned[name][::-1], one[name], rtol=1e-13)


def test_concentration_follows_the_wind_rose():
    # hours peak in sector 8, wind from 210 degrees: most of the plume lies to the north-north-east (30 degrees)
    ring = pd.DataFrame({"name": [str(b) for b in range(0, 360, 30)]})
    bearing = np.radians(np.arange(0, 360, 30))
    ring["x"], ring["y"] = np.round(155000 + 2000 * np.sin(bearing)), np.round(463000 + 2000 * np.cos(bearing))
    result = deposit(sources(MANY[0]), ring, climatology(), background=BACKGROUND)
    conc = result["conc_NH3"].values
    assert abs(int(np.argmax(conc)) * 30 - 30) <= 30
    assert conc.max() > 1.8 * conc.min()


def test_dispersion_alone_exceeds_what_depletion_leaves_and_deposits_nothing():
    places, climate = receptors(), climatology()
    bare = deposit(
        sources(MANY[0]), places, climate, background=BACKGROUND, switches=Switches(False, False, False, False)
    )
    full = deposit(sources(MANY[0]), places, climate, background=BACKGROUND)
    assert (bare["conc_NH3"].values > full["conc_NH3"].values).all()
    assert not bare["tot_NHx"].values.any() and not bare["conc_NH4"].values.any()


def test_a_map_of_one_value_equals_the_value():
    places, climate = receptors(), climatology()
    frame = (140000.0, 480000.0, 250.0, 250.0)
    maps = {
        "z0": Map(np.full((160, 160), 0.3), *frame),
        "land_use": Map(np.full((160, 160), 4), *frame),
        "background": {name: Map(np.full((160, 160), value), *frame) for name, value in BACKGROUND.items()},
    }
    for substance in ("NH3", "NOx"):
        a = deposit(sources(*MANY), places, climate, substance, z0=0.3, land_use=4, background=BACKGROUND)
        b = deposit(sources(*MANY), places, climate, substance, **maps)
        for name in a.data_vars:
            np.testing.assert_allclose(b[name], a[name], rtol=1e-9, atol=1e-300)


def test_cells_far_from_the_source_equal_their_centres():
    # beyond 2 D = (X + 10 h) a cell has one sub-receptor, its centre
    grid = Grid(155000.0 + 9000.0, 463000.0, 3, 3, 250.0)
    climate = climatology()
    cells = deposit(sources(MANY[0]), grid, climate, background=BACKGROUND)
    points = deposit(sources(MANY[0]), grid.table(), climate, background=BACKGROUND)
    assert np.array_equal(cells["tot_NHx"], points["tot_NHx"])


def test_far_more_ammonia_than_nitrogen_oxide_deposits_nearby():
    grid = Grid(155000.0, 463000.0, 41, 41, 1000.0)
    climate = climatology()
    share = {}
    for substance, name, molar in (("NH3", "tot_NHx", 17.0), ("NOx", "tot_NOy", 46.0)):
        total = deposit(sources(MANY[0]), grid, climate, substance, background=BACKGROUND)[name]
        share[substance] = float(total.sum()) * 100.0 / (1.0 / molar * 8760 * 3600)
    assert 0.0 < share["NOx"] < share["NH3"] < 1.0
    assert share["NH3"] > 2.0 * share["NOx"]


def unit(table):
    table.attrs = {"units": {"emission": "kg"}}
    return table


def code(table):
    table["diurnal_code"] = 99
    return table


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"sources": lambda t: unit(t)}, UnitError, "kg"),
        ({"sources": lambda t: t.rename_axis("x").pipe(lambda d: d.__class__(d))}, UnitError, "no unit"),
        ({"sources": lambda t: code(t)}, DataError, "diurnal code 99"),
        ({"background": {"NH3": 6.0, "SO2": 1.5}}, ConfigError, "NOx"),
        ({"background": None}, ConfigError, "background"),
        ({"substance": "PM10"}, ConfigError, "PM10"),
        ({"z0": Map(np.full((2, 2), 0.1), 0.0, 1000.0, 500.0, 500.0, "z0.tif")}, DataError, r"z0\.tif.*155000"),
        ({"land_use": 12}, DataError, "12"),
        ({"substance": "NOx", "roads": Roads(frozenset({1}))}, ConfigError, "O3"),
    ],
)
def test_faults_are_one_clear_error(change, error, words):
    table = sources(MANY[0])
    if "sources" in change:
        change = dict(change)
        maker = change.pop("sources")
        table = maker(table)
        if words == "no unit":
            table.attrs = {}
    with pytest.raises(error, match=words):
        deposit(table, receptors(), climatology(), **({"background": BACKGROUND} | change))


def test_road_chemistry_does_not_depend_on_how_much_its_first_pass_keeps(monkeypatch):
    # also with receptors beyond the roads' reach, whose blocks mix both kinds of pairs
    rows = [(155000 + 40 * i, 463000, 0.01, 0.5, {"category": 3, "spread": 2.5}) for i in range(30)]
    road = sources(
        *rows, (155500, 463500, 0.5, 20.0, {}), (155200, 463300, 0.5, 2.5, {"diameter": 200.0, "category": 3})
    )
    choices = {"background": BACKGROUND, "roads": Roads(frozenset({3}), ozone=(45.0,) * 12)}
    places = receptors(60, reach=12000.0)
    plenty = deposit(road, places, climatology(), "NOx", **choices)
    for few in (0, 7, 200):
        monkeypatch.setattr(chain, "_KEPT_PAIRS", few)
        other = deposit(road, places, climatology(), "NOx", **choices)
        for name in plenty.data_vars:
            np.testing.assert_allclose(other[name], plenty[name], rtol=1e-12)
        assert other.attrs["pairs"] == plenty.attrs["pairs"]

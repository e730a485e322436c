"""Exact mode on cases that no reference run has: every kind of source, height, heat, surface and timing, at random.

What must hold whatever the case: numbers, superposition, scaling; and limits that tie one branch of the chain to
another.
"""

import numpy as np
import pandas as pd
import pytest
from test_nitrogen_exact_properties import BACKGROUND, climatology, receptors, sources

from kernels.nitrogen.exact.timing import PROFILES
from twin.errors import DataError
from twin.nitrogen import Roads, deposit
from twin.readers.brn import read_brn
from twin.readers.climatology import read_climatology

OWN = {-1: np.array([1200.0, *np.zeros(11)]), -7: np.full(12, 100.0), -3: np.array(PROFILES[3], float)}
STACK = ("stack_diameter", "exit_velocity", "exit_temperature")


def any_source(rng):
    extra = {"diurnal_code": int(rng.choice([*PROFILES, *OWN])), "spread": float(rng.choice([0.0, 1.0, 5.0]))}
    kind = rng.choice(["heat", "square", "circle", "stack", "road", "plain"])
    if kind == "heat":
        extra["heat_content"] = float(rng.choice([0.01, 0.5, 2.0, 20.0]))
    elif kind in {"square", "circle"}:
        side = float(rng.choice([20.0, 250.0, 1000.0, 5000.0]))
        extra |= {"diameter": side if kind == "square" else -side, "heat_content": float(rng.choice([0.0, 1.0]))}
    elif kind == "stack":
        values = (
            rng.choice([0.3, 2.0, 8.0]),
            rng.choice([0.5, 10.0, 30.0, -10.0]),
            rng.choice([-5.0, 15.0, 80.0, 300.0]),
        )
        extra |= {"heat_content": np.nan} | dict(zip(STACK, map(float, values)))
    elif kind == "road":
        extra["category"] = 3
    x, y = 155_000 + rng.normal(0, 3000), 463_000 + rng.normal(0, 3000)
    height = rng.choice([0.0, 0.5, 2.5, 10.0, 40.0, 90.0, 150.0, 200.0])
    return round(x), round(y), float(10 ** rng.uniform(-4, 1)), float(height), extra


def any_receptors(rng, count=24):
    """From 3 m to 500 km, mixtures of all land uses, roughness 0.01 to 2 m, heights up to 35 m."""
    distance, angle = 10 ** rng.uniform(0.5, 5.7, count), rng.uniform(0, 2 * np.pi, count)
    table = pd.DataFrame({"name": [f"r{i}" for i in range(count)]})
    table["x"], table["y"] = (np.round(c + distance * f(angle)) for c, f in ((155_000, np.sin), (463_000, np.cos)))
    table["height"], table["z0"] = rng.choice([1.5, 4.0, 35.0], count), 10 ** rng.uniform(-2, 0.3, count)
    table[[f"land_use_{k}" for k in range(1, 10)]] = 100.0 * rng.dirichlet(np.full(9, 0.3), count)
    return table


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_any_case_gives_numbers_that_superpose_and_scale(data, seed, substance):
    rng = np.random.default_rng(seed)
    table, places = sources(*(any_source(rng) for _ in range(30))), any_receptors(rng)
    for name in STACK:
        table[name] = table.get(name, np.nan)
    climate = climatology() if seed % 2 else read_climatology(data / "nitrogen" / "inputs" / "ops" / "a005105c.005")
    choices = {
        "substance": substance, "z0": float(10 ** rng.uniform(-2, 0.3)), "land_use": int(rng.integers(1, 10)),
        "background": {name: value * 10 ** rng.uniform(-1, 0.6) for name, value in BACKGROUND.items()}, "profiles": OWN,
    }  # fmt: skip
    out = deposit(table, places, climate, **choices)
    parts = deposit(table, places, climate, groups=np.arange(len(table)), **choices)
    tripled = deposit(table, places, climate, emission_factor=3.0, **choices)
    some = table.iloc[4:7].reset_index(drop=True)
    some.attrs = table.attrs
    alone = deposit(some, places, climate, groups=np.arange(3), **choices)
    for name, value in out.data_vars.items():
        assert np.isfinite(value).all(), name
        if name.startswith(("conc", "wet")):
            assert (value >= 0).all(), name
        np.testing.assert_allclose(parts[name].sum("group"), value, rtol=1e-9, atol=1e-30)
        np.testing.assert_allclose(tripled[name], 3.0 * value, rtol=1e-9, atol=1e-30)
        np.testing.assert_allclose(alone[name], parts[name].isel(group=slice(4, 7)), rtol=1e-9, atol=1e-30)
    if substance == "NOx":  # the options of roads change road sources alone
        roads = deposit(table, places, climate, roads=Roads(frozenset({3}), ozone=(45.0,) * 12), **choices)
        plain = table[table["category"] != 3].reset_index(drop=True)
        plain.attrs = table.attrs
        rest = deposit(plain, places, climate, **choices)
        assert np.isfinite(roads["tot_NOy"]).all() and (roads["conc_NOx_ROADS"] >= 0).all()
        assert (roads["conc_NOx"] >= rest["conc_NOx"] * (1 - 1e-9)).all()


def total(rows, places=None, **choices):
    table = sources(*rows)
    found = deposit(table, receptors() if places is None else places, climatology(), background=BACKGROUND, **choices)
    return found["tot_NHx"].values


def test_user_profiles_are_tables_like_the_known_ones():
    row = (155_000, 463_000, 1.0, 2.5)
    by_code = {code: total([(*row, {"diurnal_code": code})], profiles=OWN) for code in (0, 2, 3, 7, -3, -7)}
    np.testing.assert_allclose(by_code[-7], by_code[0], rtol=1e-12)
    np.testing.assert_allclose(by_code[-3], by_code[3], rtol=1e-12)
    # space heating is the profile of heating times 0.1042 and the degree days, which are 5 in every class here
    np.testing.assert_allclose(by_code[2], 0.1042 * 5.0 * by_code[7], rtol=1e-9)


def test_a_small_area_is_a_point_and_a_circle_the_square_of_its_area():
    places = receptors(reach=20_000.0)
    far = np.hypot(places["x"] - 155_000, places["y"] - 463_000).to_numpy() > 1500.0
    row = (155_000, 463_000, 1.0, 5.0)
    point, small = total([(*row, {})], places), total([(*row, {"diameter": 1.0})], places)
    # the far edge of an area has 0.92 of the spread: its mean (0.92 - 1)/ln 0.92 = 0.959 however small the area
    np.testing.assert_allclose(small[far], point[far] / 0.959, rtol=0.02)
    circle = total([(*row, {"diameter": -100.0})], places)
    square = total([(*row, {"diameter": 100.0 * np.sqrt(np.pi) / 2.0})], places)
    np.testing.assert_allclose(circle[far], square[far], rtol=0.03)


def test_faster_gas_rises_higher_and_horizontal_outflow_does_not_rise():
    places = receptors(reach=1500.0)

    def stack(velocity, temperature=-5.0):
        extra = {"heat_content": np.nan} | dict(zip(STACK, (1.0, velocity, temperature)))
        return total([(155_000, 463_000, 1.0, 20.0, extra)], places).sum()

    cold = total([(155_000, 463_000, 1.0, 20.0, {})], places).sum()
    # gas colder than the air: only momentum lifts it, and only upwards
    assert stack(30.0) < stack(10.0) < stack(1.0)
    assert stack(-30.0) == pytest.approx(cold, rel=1e-9)
    assert stack(-30.0, 150.0) < cold  # the heat of a horizontal outflow counts


def test_gas_hotter_than_2000_degrees_is_refused(tmp_path):
    # 1 m wide, 1 m/s: 0.279 m3/s of hot gas at most, 0.245 MW
    head = "! BRN-VERSION 2\n"
    line = "1 155000 463000 1.0 {heat} 20 0 0 1.0 1.0 -999 0 1 1 0 x\n"
    (tmp_path / "hot.brn").write_text(head + line.format(heat=0.2))
    assert read_brn(tmp_path / "hot.brn")["heat_content"][0] == 0.2
    (tmp_path / "hot.brn").write_text(head + line.format(heat=0.3))
    with pytest.raises(DataError, match=r"hot\.brn: line 2: heat content.*2000 degC"):
        read_brn(tmp_path / "hot.brn")

"""Fast mode against exact mode on the same sources, receptors and surfaces."""

import numpy as np
import pytest
from test_nitrogen_exact_properties import BACKGROUND, MANY, climatology, receptors, sources

from twin.errors import ConfigError
from twin.nitrogen import Grid, Map, Roads, deposit

TOTAL = {"NH3": "tot_NHx", "NOx": "tot_NOy"}
LOW = (2.5, {})
STACK = (40.0, {"heat_content": 2.0})


def many(count, *kinds, seed=3):
    """``count`` sources of each kind (height and further columns) within 12 km, strengths of the same order."""
    rng = np.random.default_rng(seed)
    place = np.round(rng.uniform(-6000, 6000, (count * len(kinds), 2)))
    return sources(
        *(
            (155000 + x, 463000 + y, q, *kinds[i % len(kinds)])
            for i, ((x, y), q) in enumerate(zip(place, rng.lognormal(0, 1, len(place)), strict=True))
        )
    )


def stripes():
    """Grass and forest in stripes of 3 km: roughness length and land use."""
    use = np.ones((160, 160), dtype=int)
    use[:, (np.arange(160) // 12) % 2 == 1] = 4
    frame = (135000.0, 483000.0, 250.0, 250.0)
    return Map(np.where(use == 1, 0.03, 1.0), *frame), Map(use, *frame)


def both(points, places, substance="NH3", **choices):
    """Exact and fast result, and the relative error of total nitrogen."""
    choices |= {"background": BACKGROUND}
    exact = deposit(points, places, climatology(), substance, **choices)
    fast = deposit(points, places, climatology(), substance, mode="fast", check=160, **choices)
    total = TOTAL[substance]
    return exact, fast, np.abs(fast[total].values / exact[total].values - 1.0)


@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_tables_agree_with_the_exact_chain_and_say_by_how_much(substance):
    # far receptors use the tables, the nearest ones of each source the exact chain; p95 2 %, maximum 10 % is asked
    exact, fast, error = both(many(40, LOW, STACK), receptors(1500, reach=16000.0), substance)
    assert fast.attrs["checked_pairs"] > 100  # pairs from tables, not from the exact chain
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert np.mean(error <= fast.attrs["error_estimate"]) >= 0.9
    assert fast.attrs["error_estimate"] <= fast.attrs["error_maximum"]
    for name in exact.data_vars:
        value = exact[name].values
        if value.any():
            assert np.percentile(np.abs(fast[name].values / value - 1.0), 95) < 0.02, name


def test_surfaces_of_receptors_and_paths_over_maps_are_followed():
    z0, land_use = stripes()
    points, places = many(150, (5.0, {})), receptors(2000, reach=12000.0)
    exact, fast, error = both(points, places, z0=z0, land_use=land_use)
    assert fast.attrs["receptor_surfaces"] == 2 and fast.attrs["checked_pairs"] > 100
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert np.mean(error <= fast.attrs["error_estimate"]) >= 0.9
    # surfaces matter: one roughness and land use everywhere is far off
    plain = deposit(points, places, climatology(), background=BACKGROUND, z0=0.03)
    assert np.median(np.abs(plain["tot_NHx"] / exact["tot_NHx"] - 1.0)) > 0.1


def test_few_pairs_are_exact():
    exact, fast, _ = both(sources(*MANY), receptors(50))
    for name in exact.data_vars:
        np.testing.assert_allclose(fast[name], exact[name], rtol=1e-12)
    assert fast.attrs["error_estimate"] == 0.0


def test_every_pair_is_counted_once():
    places, points = receptors(1500, reach=16000.0), many(40, LOW)
    fast = deposit(points, places, climatology(), background=BACKGROUND, mode="fast", check=0)
    assert fast.attrs["pairs"] == 40 * 1500
    near = deposit(points, places, climatology(), background=BACKGROUND, mode="fast", reach=9000.0)
    distance = np.hypot(
        places["x"].to_numpy()[:, None] - points["x"].to_numpy(),
        places["y"].to_numpy()[:, None] - points["y"].to_numpy(),
    )
    assert near.attrs["pairs"] == (distance <= 9000.0).sum()


def test_fast_mode_does_not_depend_on_threads_and_its_groups_superpose():
    z0, land_use = stripes()
    places, points = receptors(2000, reach=12000.0), many(150, (5.0, {}))
    choices = {"background": BACKGROUND, "mode": "fast", "check": 0, "z0": z0, "land_use": land_use}
    one, two = (deposit(points, places, climatology(), threads=n, **choices) for n in (1, 2))
    groups = deposit(points, places, climatology(), groups=np.arange(150) // 140, **choices)
    for name in one.data_vars:
        assert np.array_equal(one[name], two[name])
        np.testing.assert_allclose(groups[name].sum("group"), one[name], rtol=1e-5)


def test_cells_take_their_mean_near_sources():
    _, fast, error = both(many(40, LOW), Grid(155000, 463000, 40, 40, 250.0))
    assert error.max() < 0.02 and fast.attrs["checked_pairs"] > 100


def test_what_tables_cannot_hold_is_refused():
    road = sources((155000, 463000, 1.0, 0.5, {"category": 3}))
    with pytest.raises(ConfigError, match="road chemistry"):
        roads = Roads(frozenset({3}), ozone=(45.0,) * 12)
        deposit(road, receptors(), climatology(), "NOx", background=BACKGROUND, mode="fast", roads=roads)
    with pytest.raises(ConfigError, match="quick"):
        deposit(sources(MANY[0]), receptors(), climatology(), background=BACKGROUND, mode="quick")


def test_more_plumes_and_surfaces_than_tables_are_grouped(monkeypatch):
    # three heights within 6 % share a plume, as any number of them from 1 to 60 m do in the 64 of the real limit
    monkeypatch.setattr("twin.nitrogen.fast._MOST_PLUMES", 4)
    monkeypatch.setattr("twin.nitrogen.fast._MOST_SURFACES", 3)
    points = many(30, *((5.0 * 1.03**i, {}) for i in range(12)))
    places = receptors(8000, reach=16000.0)
    names = [f"land_use_{i}" for i in range(1, 10)]
    places[names] = np.eye(9)[0] * 100.0
    places["z0"] = 0.1 * 1.03 ** (np.arange(8000) % 7)
    _, fast, error = both(points, places)
    assert fast.attrs["source_kinds"] <= 5 and fast.attrs["receptor_surfaces"] <= 4
    assert fast.attrs["checked_pairs"] > 100
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert np.mean(error <= fast.attrs["error_estimate"]) >= 0.9

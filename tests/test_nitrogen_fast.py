"""Fast mode against exact mode on the same sources, receptors and surface."""

import numpy as np
import pytest
from test_nitrogen_exact_properties import BACKGROUND, MANY, climatology, receptors, sources

from twin.errors import ConfigError
from twin.nitrogen import Grid, Map, deposit

TOTAL = {"NH3": "tot_NHx", "NOx": "tot_NOy"}


@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_tables_agree_with_the_exact_chain_and_say_by_how_much(substance):
    # far receptors use the tables, the nearest ones of each source the exact chain; p95 2 %, maximum 10 % is asked
    places, climate = receptors(1500, reach=25000.0), climatology()
    exact = deposit(sources(*MANY), places, climate, substance, background=BACKGROUND)
    fast = deposit(sources(*MANY), places, climate, substance, background=BACKGROUND, mode="fast", check=400)
    for name in exact.data_vars:
        value = exact[name].values
        if not value.any():
            continue
        error = np.abs(fast[name].values / value - 1.0)
        assert np.percentile(error, 95) < 0.02 and error.max() < 0.10, name
    total = TOTAL[substance]
    error = np.abs(fast[total].values / exact[total].values - 1.0)
    assert fast.attrs["checked_pairs"] > 100
    assert np.mean(error <= fast.attrs["error_estimate"]) >= 0.9
    assert fast.attrs["error_estimate"] <= fast.attrs["error_maximum"] < 0.10


def test_every_pair_is_counted_once():
    places, climate = receptors(300), climatology()
    points = sources(MANY[0], MANY[1], MANY[4])
    fast = deposit(points, places, climate, background=BACKGROUND, mode="fast")
    assert fast.attrs["pairs"] == 3 * 300
    near = deposit(points, places, climate, background=BACKGROUND, mode="fast", reach=2000.0)
    distance = np.hypot(
        places["x"].to_numpy()[:, None] - points["x"].to_numpy(),
        places["y"].to_numpy()[:, None] - points["y"].to_numpy(),
    )
    assert near.attrs["pairs"] == (distance <= 2000.0).sum()


def test_fast_mode_does_not_depend_on_threads():
    places, climate = receptors(700), climatology()
    one, two = (
        deposit(sources(*MANY), places, climate, background=BACKGROUND, mode="fast", n_threads=n) for n in (1, 2)
    )
    for name in one.data_vars:
        assert np.array_equal(one[name], two[name])


def test_what_tables_cannot_hold_is_refused():
    frame = (140000.0, 480000.0, 250.0, 250.0)
    z0 = Map(np.where(np.arange(160) < 80, 0.1, 0.5) * np.ones((160, 1)), *frame)
    with pytest.raises(ConfigError, match="one roughness"):
        deposit(sources(MANY[0]), receptors(), climatology(), background=BACKGROUND, mode="fast", z0=z0)
    with pytest.raises(ConfigError, match="point receptors"):
        deposit(sources(MANY[0]), Grid(155000, 463000, 3, 3, 250.0), climatology(), background=BACKGROUND, mode="fast")
    with pytest.raises(ConfigError, match="quick"):
        deposit(sources(MANY[0]), receptors(), climatology(), background=BACKGROUND, mode="quick")

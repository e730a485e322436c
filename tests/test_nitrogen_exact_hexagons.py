"""AERIUS hexagons and critical loads: round trips, published centres, boundaries of the rules."""

import numpy as np
import pandas as pd

from kernels.nitrogen import critical_load, hexagons


def test_given_hexagons_have_their_published_centres(data):
    table = pd.read_csv(data / "nitrogen" / "inputs" / "aerius_grid" / "hex_examples.csv")
    x, y = hexagons.centres(table["receptor_id"].to_numpy())
    assert np.abs(x - table["x"]).max() < 1e-5 and np.abs(y - table["y"]).max() < 1e-5


def test_points_inside_a_hexagon_give_its_number_back():
    rng = np.random.default_rng(0)
    number = rng.integers(1, hexagons.LARGEST + 1, 20_000)
    x, y = hexagons.centres(number)
    # the inscribed circle has radius SIDE sqrt(3)/2; stay just inside it
    radius, angle = 0.866 * hexagons.SIDE * rng.uniform(0, 1, number.size), rng.uniform(0, 2 * np.pi, number.size)
    found = hexagons.numbers(x + radius * np.cos(angle), y + radius * np.sin(angle))
    assert (found == number).all()
    assert hexagons.numbers(np.array([-5000.0]), np.array([400000.0]))[0] == 0


def test_hexagons_within_reach_cover_the_disc():
    reach = 3000.0
    number = hexagons.hexagons_within(np.array([155000.0]), np.array([463000.0]), reach)
    x, y = hexagons.centres(number)
    assert (np.hypot(x - 155000.0, y - 463000.0) <= reach).all()
    # one hexagon is 1 ha: their number is the area of the disc in ha, less than 2 % off at the edge
    assert abs(number.size / (np.pi * reach**2 / 1e4) - 1.0) < 0.02


def test_states_change_at_the_load_and_seventy_below_it():
    load = np.full(5, 714.0)
    deposition = np.array([600.0, 644.0, 644.1, 714.0, 714.1])
    assert critical_load.state(deposition, load).tolist() == [0, 0, 1, 1, 2]
    assert np.allclose(critical_load.exceedance(deposition, load), deposition - 714.0)


def test_a_hexagon_takes_its_lowest_sensitive_load():
    lowest = critical_load.lowest_load(np.array([0, 0, 2, 2]), np.array([1071.0, 714.0, 2400.0, 2500.0]), 3)
    assert lowest[0] == 714.0 and np.isnan(lowest[1:]).all()
    assert critical_load.state(np.array([5000.0] * 3), lowest).tolist() == [2, -1, -1]

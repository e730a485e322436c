"""Fast mode against exact mode on the same sources, receptors and surfaces."""

import numpy as np
import pandas as pd
import pytest
from test_nitrogen_exact_properties import BACKGROUND, MANY, climatology, receptors, sources

from kernels.nitrogen.fast import path, tiles
from twin.errors import ConfigError
from twin.nitrogen import Grid, Map, Roads, deposit
from twin.nitrogen.fast.classes import _between
from twin.nitrogen.fast.own_surface import lacking_of
from twin.nitrogen.fast.tables import Tables, between_nodes
from twin.nitrogen.fast.transform import lattice_of, offsets_of

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


def error_is_covered(error, fast):
    """The written estimate covers nine receptors of ten, and is no wider than the worst of them."""
    estimate, median = fast.attrs["error_estimate"], fast.attrs["error_median"]
    return np.mean(error <= estimate) >= 0.9 and median <= estimate <= error.max() * (1.0 + 1e-9)


@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_tables_agree_with_the_exact_chain_and_say_by_how_much(substance):
    # far receptors use the tables, the nearest ones of each source the exact chain; p95 2 %, maximum 10 % is asked
    exact, fast, error = both(many(40, LOW, STACK), receptors(1500, reach=16000.0), substance)
    assert fast.attrs["checked_pairs"] > 100  # pairs from tables, not from the exact chain
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert error_is_covered(error, fast)
    for name in exact.data_vars:
        value = exact[name].values
        if value.any():
            assert np.percentile(np.abs(fast[name].values / value - 1.0), 95) < 0.02, name


def test_surfaces_of_receptors_and_paths_over_maps_are_followed():
    z0, land_use = stripes()
    points, places = many(300, (5.0, {})), receptors(2500, reach=12000.0)
    exact, fast, error = both(points, places, z0=z0, land_use=land_use)
    assert fast.attrs["receptor_surfaces"] == 2 and fast.attrs["checked_pairs"] > 100
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert error_is_covered(error, fast)
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
    places, points = receptors(2500, reach=12000.0), many(300, (5.0, {}))
    choices = {"background": BACKGROUND, "mode": "fast", "check": 0, "z0": z0, "land_use": land_use}
    one, two = (deposit(points, places, climatology(), threads=n, **choices) for n in (1, 2))
    groups = deposit(points, places, climatology(), groups=np.arange(300) // 280, **choices)
    for name in one.data_vars:
        assert np.array_equal(one[name], two[name])
        np.testing.assert_allclose(groups[name].sum("group"), one[name], rtol=1e-5)


def test_cells_take_their_mean_near_sources():
    _, fast, error = both(many(40, LOW), Grid(155000, 463000, 40, 40, 250.0))
    assert error.max() < 0.02 and fast.attrs["checked_pairs"] > 100


def test_sub_sources_of_an_area_that_go_as_one_bring_what_they_bring_each():
    # receptors in and around a field of 500 m, from tables of the many others like it
    area = (0.5, {"diameter": 500.0})
    _, fast, error = both(many(60, area), receptors(1500, reach=6000.0))
    assert fast.attrs["error_estimate"] > 0.0 and np.percentile(error, 95) < 0.02 and error.max() < 0.10
    # without tables, all of them by themselves
    exact, few, _ = both(many(1, area), receptors(40, reach=400.0))
    np.testing.assert_allclose(few["tot_NHx"], exact["tot_NHx"], rtol=1e-12)


def test_what_tables_cannot_hold_is_refused():
    road = sources((155000, 463000, 1.0, 0.5, {"category": 3}))
    with pytest.raises(ConfigError, match="road chemistry"):
        roads = Roads(frozenset({3}), ozone=(45.0,) * 12)
        deposit(road, receptors(), climatology(), "NOx", background=BACKGROUND, mode="fast", roads=roads)
    with pytest.raises(ConfigError, match="quick"):
        deposit(sources(MANY[0]), receptors(), climatology(), background=BACKGROUND, mode="quick")


def test_between_tabulated_surfaces_and_roughnesses_it_is_interpolated(monkeypatch):
    # three heights within 6 % share a plume, as any number of them from 1 to 60 m do in the 64 of the real limit
    monkeypatch.setattr("twin.nitrogen.fast.classes._MOST_PLUMES", 4)
    monkeypatch.setattr("twin.nitrogen.fast.classes._MOST_SURFACES", 3)
    points = many(30, *((5.0 * 1.03**i, {}) for i in range(12)))
    places = receptors(8000, reach=16000.0)
    names = [f"land_use_{i}" for i in range(1, 10)]
    places[names] = np.eye(9)[0] * 100.0
    places["z0"] = 0.1 * 1.03 ** (np.arange(8000) % 7)
    _, fast, error = both(points, places)
    assert fast.attrs["plumes"] <= 5 and fast.attrs["receptor_surfaces"] == 3
    assert fast.attrs["checked_pairs"] > 100
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert error_is_covered(error, fast)


def test_steps_in_the_roughness_of_receptors_are_followed_where_errors_do_not_average_out(monkeypatch):
    # all sources on one spot, all receptors over forests of other roughnesses: the chain has steps there
    rng = np.random.default_rng(4)
    places = receptors(4000, reach=12000.0)
    places = places[np.hypot(places["x"] - 155000, places["y"] - 463000) > 1500].reset_index(drop=True)
    places[[f"land_use_{i}" for i in range(1, 10)]] = np.eye(9)[3] * 100.0
    places["z0"] = np.exp(rng.uniform(np.log(0.3), np.log(1.5), len(places)))
    points = sources(*((155000 + x, 463000 + y, 1.0, *LOW) for x, y in np.round(rng.uniform(-300, 300, (100, 2)))))
    _, fast, error = both(points, places)
    assert fast.attrs["receptor_surfaces"] < 100 and fast.attrs["checked_pairs"] > 100
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    monkeypatch.setattr("twin.nitrogen.fast.tables.lacking_of", lambda tables: 0.0 * lacking_of(tables))
    _, _, interpolated = both(points, places)
    assert np.sqrt((error**2).mean()) < 0.6 * np.sqrt((interpolated**2).mean())


def test_the_near_field_over_maps_is_wider_where_sources_are_fewer_and_costs_less_than_tables(monkeypatch):
    seen = []

    class Watched(Tables):
        def __init__(self, prepared, run):
            super().__init__(prepared, run)
            seen.append(self)

    monkeypatch.setattr("twin.nitrogen.fast.sums.Tables", Watched)
    z0, land_use = stripes()
    places = receptors(2500, reach=12000.0)
    for count in (100, 300, 4800):
        points = many(count, (5.0, {}))
        deposit(points, places, climatology(), background=BACKGROUND, mode="fast", check=0, z0=z0, land_use=land_use)
        apart = np.hypot(
            places["x"].to_numpy()[:, None] - points["x"].to_numpy(),
            places["y"].to_numpy()[:, None] - points["y"].to_numpy(),
        )
        tables = seen[-1]
        assert tables.nearest == 500.0 or (apart <= tables.nearest).sum() <= 0.5 * tables.evaluations(0)
    assert seen[0].nearest > seen[1].nearest >= seen[2].nearest == 500.0


def test_interpolation_between_surfaces_reproduces_what_is_linear():
    rng = np.random.default_rng(4)
    nodes = rng.uniform(0.0, 0.4, (40, 2))
    points = np.vstack((rng.uniform(0.1, 0.3, (200, 2)), nodes[:5]))
    near, share = _between(points, nodes, np.zeros(40, dtype=int))
    np.testing.assert_allclose(share.sum(axis=1), 1.0)
    found = (share[..., None] * nodes[near]).sum(axis=1)
    nearest = nodes[near[:, 0]]
    away = np.linalg.norm(found - points, axis=1), np.linalg.norm(nearest - points, axis=1)
    assert np.median(away[0]) < 0.3 * np.median(away[1])  # damped: not exactly
    np.testing.assert_allclose(found[-5:], nodes[:5])  # on a node it is that node
    # across an anchor it is not interpolated
    near, share = _between(points, nodes, np.arange(40) % 2)
    assert ((share == 0.0) | (near % 2 == near[:, :1] % 2)).all()


def test_paths_unlike_all_sampled_ones_change_no_more_than_those():
    rng = np.random.default_rng(5)
    coefficients = rng.normal(0, 1, (path.TERMS + 2, 2 * path.FARTHER)).astype(np.float32)
    coefficients[path.TERMS :] = np.array([[-0.3], [0.4]])
    terms, own = np.empty(path.TERMS, dtype=np.float32), np.zeros(path.STRENGTHS, dtype=np.float32)
    scratch = np.empty((3, 2 * path.FARTHER), dtype=np.float32)
    found = np.empty((path.RESPONSES, 1))
    within = 0
    for size in (0.5, 5.0, 500.0, *np.full(200, 0.05)):
        strengths = (size * rng.normal(0, 1, path.STRENGTHS)).astype(np.float32)
        path.terms_of(strengths * path.PATH_POINTS, own, terms)
        expected = path.polynomial(strengths.clip(-1, 1)[None])[0]
        np.testing.assert_allclose(terms, expected, rtol=1e-5, atol=1e-6)
        path.respond(coefficients, 0, np.float32(0.3), terms, scratch, found, 0)
        for m in range(path.RESPONSES):
            value = expected @ (
                0.7 * coefficients[: path.TERMS, m] + 0.3 * coefficients[: path.TERMS, path.FARTHER + m]
            )
            assert found[m, 0] == pytest.approx(value.clip(-0.3, 0.4), abs=1e-5)
            within += abs(value) < 0.3
    assert within > 30


def test_places_of_a_tile_reproduce_a_quadratic_field():
    weights = np.empty(9)
    c = np.sqrt(0.75)
    px, py = np.tile([-c, 0.0, c], 3), np.repeat([-c, 0.0, c], 3)
    for tx, ty in np.random.default_rng(2).uniform(-1, 1, (20, 2)):
        tiles._between(tx, ty, weights)
        for field in (lambda x, y: 1.0, lambda x, y: x * x - 2 * x * y + 3 * y, lambda x, y: x * x * y * y):
            assert (weights * [field(x, y) for x, y in zip(px, py, strict=True)]).sum() == pytest.approx(field(tx, ty))


def test_tiles_hold_each_receptor_once_per_level_and_children_lie_within_parents():
    x, y = np.random.default_rng(1).uniform(0, 1e4, (2, 1000))
    order, begin, end, parent, leaf, box, _ = tiles.halve(x, y)
    assert sorted(order) == list(range(1000))
    assert sorted(np.concatenate([order[b:e] for b, e in zip(begin[leaf], end[leaf], strict=True)])) == list(
        range(1000)
    )
    inner = parent >= 0
    assert (box[inner, 0] >= box[parent[inner], 0]).all() and (box[inner, 3] <= box[parent[inner], 3]).all()
    for b, e, (left, right, low, high) in zip(begin, end, box, strict=True):
        some = order[b:e]
        assert x[some].min() == left and x[some].max() == right and y[some].min() == low and y[some].max() == high


def lattice_places(columns, rows, spacing, x=150000.0, y=458000.0):
    where = np.arange(columns * rows)
    names = [f"p{i}" for i in where]
    return pd.DataFrame({"name": names, "x": x + where % columns * spacing, "y": y + where // columns * spacing})


@pytest.mark.parametrize("substance", ["NH3", "NOx"])
def test_gridded_sources_by_transform_agree_with_the_exact_chain_over_each_surface(substance):
    # sources off the receptors' lattice by the same shift; two surfaces in stripes, which a convolution alone has not
    places = lattice_places(48, 40, 250.0)
    names = [f"land_use_{i}" for i in range(1, 10)]
    forest = (np.arange(len(places)) % 48 // 8) % 2
    places[names] = np.eye(9)[np.where(forest, 3, 0)] * 100.0
    places["z0"] = np.where(forest, 1.0, 0.03)
    rng = np.random.default_rng(8)
    points = sources(
        *((148000.0 + 100 + 250 * i, 460000.0 + 50 + 250 * j, q, 5.0, {}) for i, j, q in
          zip(np.tile(np.arange(30), 24), np.repeat(np.arange(24), 30), rng.lognormal(0, 1, 720), strict=True))
    )  # fmt: skip
    choices = {"background": BACKGROUND}
    fast = deposit(points, places, climatology(), substance, mode="fast", check=40, **choices)
    assert fast.attrs["transformed_sources"] == 720 and fast.attrs["pairs"] == 720 * len(places)
    some = rng.choice(len(places), 150, replace=False)
    exact = deposit(points, places.iloc[some].reset_index(drop=True), climatology(), substance, **choices)
    error = np.abs(fast[TOTAL[substance]].values[some] / exact[TOTAL[substance]].values - 1.0)
    assert np.percentile(error, 95) < 0.02 and error.max() < 0.10
    assert np.mean(error <= fast.attrs["error_estimate"]) >= 0.9
    # within reach only, each pair once
    near = deposit(points, places, climatology(), substance, mode="fast", check=0, reach=9000.0, **choices)
    apart = np.hypot(
        places["x"].to_numpy()[:, None] - points["x"].to_numpy(),
        places["y"].to_numpy()[:, None] - points["y"].to_numpy(),
    )
    assert near.attrs["transformed_sources"] == 720 and near.attrs["pairs"] == (apart <= 9000.0).sum()


def test_only_points_of_one_lattice_are_transformed():
    places = lattice_places(12, 9, 250.0)
    x, y = places["x"].to_numpy(), places["y"].to_numpy()
    lattice = lattice_of(x, y)
    assert (lattice.columns, lattice.rows, lattice.spacing) == (12, 9, 250.0)
    found = offsets_of(lattice, x[:5] - 1000.0 + 30.0, y[:5] + 20.0)
    assert (found.dx, found.dy) == (pytest.approx(30.0), pytest.approx(20.0))
    np.testing.assert_array_equal(found.column, np.arange(5) - 4)
    assert offsets_of(lattice, x[:5] + np.arange(5.0), y[:5]) is None
    assert lattice_of(x + np.arange(len(x)), y) is None


def test_between_tabulated_distances_the_ratio_of_a_surface_to_the_first_is_interpolated():
    # a plume that has not come down yet: values grow a thousandfold from node to node, the surface changes 3 % of them
    base = np.exp(np.array([[-14.0, -7.0, 0.0, 1.0, 1.2]]))[..., None]
    values = base * np.array([1.0, 1.015, 1.03, 1.045, 1.06])[:, None]
    np.testing.assert_allclose(between_nodes(values, base, np.array([1, 3])), values[:, [1, 3]], rtol=1e-12)
    # deposition that changes sign has no ratio: values themselves are interpolated
    np.testing.assert_allclose(
        between_nodes(base - 0.5, base, np.array([1])), 0.5 * (base[:, [0]] + base[:, [2]]) - 0.5
    )

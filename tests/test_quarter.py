"""New quarters: nothing without homes; trips and kilometres of residents; stations that grow with the homes."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from twin import band, session
from twin.analysis.housing import COLUMNS, HousingRun
from twin.band import member_tables
from twin.cli import app, main
from twin.components.demand import Demand
from twin.components.residents import Residents
from twin.config import load
from twin.errors import ConfigError, ScenarioError
from twin.question import _configuration as configuration_of
from twin.question import answer
from twin.records import open_run
from twin.scenario import AddHomes, Band, EvShare, Scenario, load_question, load_scenario
from twin.world.synthetic import SyntheticWorld
from twin.world.synthetic import build as build_synthetic

RATE = 5.0
NAMES = (
    '["bus_load", "household_power", "heat_pump_power", "charging_power", "charging_outside", "charging_owed", '
    '"ev_distance", "branch_loading", "road_nox", "road_resident_nox"]'
)
WORLD = "[province.world]\nseed = 7\ntowns = 3\ninhabitants = 20000\n"
CONFIG = f"""
[province]
name = "small"
title = "Small province (synthetic)"
kind = "synthetic"
{WORLD}
[run]
start = 2023-01-23T23:00:00Z
stop = 2023-01-24T20:00:00Z
[components.trips]
[components.assignment]
relative_gap = 1e-4
[components.road_emission]
[components.charging]
[components.demand]
[components.power_flow]
[components.building_load]
"""


@pytest.fixture(scope="module")
def groups():
    return build_synthetic(SyntheticWorld(seed=7, towns=3, inhabitants=20_000))


def tree(groups):
    return xr.DataTree.from_dict({k: v.copy(deep=True) for k, v in groups.items()})


def place(groups):
    power = groups["power"]
    return {"x": float(power["bus_x"].mean()), "y": float(power["bus_y"].mean()), "radius": 1500.0}


def with_homes(groups, homes, **fields):
    world = tree(groups)
    AddHomes(
        verb="add_homes", homes=homes, trips_per_home=RATE, **{**place(groups), "stations": "new", **fields}
    ).apply(world)
    return world


@pytest.mark.parametrize("stations", ["new", "existing"])
def test_no_homes_leave_the_world_bit_identical(groups, stations):
    world = with_homes(groups, 0, stations=stations)
    for name, group in tree(groups).children.items():
        xr.testing.assert_identical(world[name].to_dataset(), group.to_dataset())


@pytest.mark.parametrize("stations", ["new", "existing"])
def test_trips_grow_by_homes_times_the_rate_and_end_at_the_new_homes(groups, stations):
    before, after = tree(groups)["zones"].ds["trips"].values, with_homes(groups, 700, stations=stations)
    added = after["zones"].ds["trips"].values - before
    assert added.sum() == pytest.approx(700 * RATE, rel=1e-9)
    assert not added[:, 1].any()  # no freight
    residents = Residents(after)
    np.testing.assert_allclose(residents.without(after["zones"].ds["trips"].values[:, 0]), before[:, 0], atol=1e-9)
    zones = after["zones"].ds
    theirs = zones["resident_out"].values.sum() + zones["resident_back"].values.sum()
    assert theirs == pytest.approx(700 * RATE, rel=1e-12)


def test_kilometres_of_residents_and_others_add_up_to_all(groups):
    world = with_homes(groups, 700)
    residents = Residents(world)
    rng = np.random.default_rng(3)
    n = len(groups["zones"]["bev_share"])
    out, back, distance = (rng.uniform(0, 9, shape) for shape in ((len(residents), n), (len(residents), n), (n, n)))
    kilometres = np.full(n, 1e6)
    own = residents.book(out, back, distance, 0.3, kilometres)
    assert own.sum() + kilometres.sum() == pytest.approx(n * 1e6, rel=1e-12)
    r = 0
    by_hand = (out[r] * distance[residents.origin[r]]).sum() + (back[r] * distance[:, residents.origin[r]]).sum()
    assert own[r] == pytest.approx(by_hand, rel=1e-12)


def test_stations_of_fewer_homes_are_the_first_of_more(groups):
    few, many = (with_homes(groups, homes)["power"].ds for homes in (400, 1000))
    base = groups["power"]
    n = base.sizes["bus"]
    for name in ("bus_x", "bus_id", "dwellings", "source_voltage", "household_energy"):
        np.testing.assert_array_equal(few[name].values[:n], base[name].values)
    assert few.sizes["bus"] == n + 2 * 3 and many.sizes["bus"] == n + 2 * 6  # 180 homes to a station
    np.testing.assert_array_equal(few["bus_x"].values[n:], many["bus_x"].values[n : n + 6])
    assert many["dwellings"].values[n:].sum() == pytest.approx(1000) and many["dwellings"].values[n:].max() == 180
    assert set(few["branch_id"].values[base.sizes["branch"] :]) <= set(many["branch_id"].values)
    heat = many["floor_heat_demand"].values
    assert not heat[:n].any() and heat.sum() == pytest.approx(3200 * 1000)


def test_two_quarters_keep_their_own_rows(groups):
    world = with_homes(groups, 400)
    AddHomes(verb="add_homes", homes=300, trips_per_home=RATE, ev_share=1.0, **place(groups)).apply(world)
    zones, power = world["zones"].ds, world["power"].ds
    trips = zones["resident_out"].values.sum(axis=(0, 2)) + zones["resident_back"].values.sum(axis=(0, 2))
    assert np.bincount(zones["resident_quarter"].values, trips) == pytest.approx([400 * RATE, 300 * RATE])
    homes = np.bincount(power["new_home_quarter"].values, power["new_home_count"].values)
    assert homes == pytest.approx([400, 300])


def test_a_place_far_from_all_roads_is_refused(groups):
    with pytest.raises(ScenarioError, match="give RD coordinates inside the province"):
        with_homes(groups, 10, x=0.0, y=300_000.0)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.toml"
    path.write_text(CONFIG)
    return path


def loadings(config, *changes):
    """Highest loading of each transformer by id, and energy above ratings [MVA h], with cars that drive far."""
    overrides = ["components.charging.kwh_per_km=1.5"]  # short trips of a small province: so that ratings are reached
    checked = load(config, overrides)
    kept = {k: v for k, v in checked.components.items() if k not in ("road_emission", "building_load")}
    simulation = session.build(
        checked.model_copy(update={"components": kept}), scenario=Scenario(name="s", change=changes)
    )
    power = simulation.world["power"].ds
    most, above = np.zeros(power.sizes["branch"]), 0.0
    while simulation.tick < simulation.clock.ticks:
        simulation.step()
        loading = simulation.wiring.arrays["branch_loading"]
        most = np.maximum(most, loading)
        above += float((np.maximum(loading - 1, 0) * power["s_rated"].values).sum() / 1e6)
    transformer = power["branch_kind"].values == 1
    return dict(zip(power["branch_id"].values[transformer], most[transformer])), above


def test_overloaded_transformers_grow_with_the_homes(config, groups):
    over = []
    for homes in (0, 360, 1080):
        add = AddHomes(verb="add_homes", homes=homes, ev_share=1.0, stations="new", **place(groups))
        most, _ = loadings(config, add)
        over.append({name for name, highest in most.items() if highest > 1})
    assert all(a <= b for a, b in pairwise(over)), [len(o) for o in over]
    assert not over[0] and len(over[0]) < len(over[1]) < len(over[2])


def test_more_electric_cars_never_lower_uncontrolled_overload(config, groups):
    energies = []
    for share in (0.1, 1.0):
        add = AddHomes(verb="add_homes", homes=720, ev_share=share, stations="new", **place(groups))
        energies.append(loadings(config, EvShare(verb="ev_share", share=share), add)[1])
    assert energies[0] < energies[1]


@pytest.fixture(scope="module")
def question(config, groups):
    at = place(groups)
    add = (
        f'verb = "add_homes"\nhomes = 720\nx = {at["x"]}\ny = {at["y"]}\nradius = 1500.0\nstations = "new"\n'
    )  # fmt: skip
    text = f"""
name = "quick"
title = "720 homes"
config = "{config}"
start = 2023-01-23T23:00:00Z
stop = 2023-01-24T23:00:00Z
set = [
    'output.variables={NAMES}',
    'output.significant_bits="lossless"',
]
without = ["building_load"]
[[change]]
{add}ev_share = 1.0
[[variant]]
name = "a"
title = "uncontrolled"
[[variant]]
name = "b"
title = "grid-aware"
set = [
    "components.charging.strategy=grid_aware", "components.demand.building_mass=10",
    "components.demand.hot_water_tank=4",
]
[[variant]]
name = "c"
title = "today's cars"
differs = {{ ev_share = "neighbours" }}
"""
    path = config.parent / "quick.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def table(question, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return answer(question, out=out, quiet=True), out


def value(table, variant, start):
    rows = table[(table["variant"] == variant) & table["indicator"].str.startswith(start)]
    assert len(rows) == 1, start
    return rows.iloc[0]


def test_one_command_answers_with_one_table(table, question):
    answered, out = table
    assert tuple(answered.columns) == COLUMNS
    for v in "abc":
        trips = value(answered, v, "car trips")
        assert trips["delta"] == pytest.approx(720 * RATE, rel=1e-9)
        assert abs(value(answered, v, "added trips over")["scenario"]) < 1e-9
        assert abs(value(answered, v, "charged + outside + owed")["scenario"]) < 1e-6
        peaks = answered[(answered["variant"] == v) & answered["indicator"].str.startswith("peak per home")]
        assert (np.diff(peaks["scenario"]) <= 0).all() and len(peaks) == 2
    assert value(answered, "a", "energy driven")["delta"] == value(answered, "b", "energy driven")["delta"] > 0
    assert value(answered, "c", "energy driven")["delta"] < 0.1 * value(answered, "a", "energy driven")["delta"]
    # new residents with electric cars alone have no exhaust; with today's they have some, everywhere more
    assert (
        value(answered, "a", "of which exhaust")["scenario"] == 0 < value(answered, "c", "of which exhaust")["scenario"]
    )
    assert value(answered, "c", "links where it is not below")["base"] == 0
    assert (answered[answered["indicator"] == "NOx of construction"]["status"] == "not coupled").all()
    assert (out / "quick" / "quick.csv").exists()


def test_the_table_is_computed_from_the_run_files(table, question):
    answered, out = table
    base, a = (open_run(out / "quick" / f"small{end}.h5").to_dataset() for end in ("", "-quick_a"))
    load = a["bus_load"].values.sum(axis=1, dtype="f8") - base["bus_load"].values.sum(axis=1, dtype="f8")
    assert value(answered, "a", "highest added power (")["scenario"] == pytest.approx(load.max() / 1e3, rel=1e-12)
    km = float(a["ev_distance"].values.sum(dtype="f8"))
    booked = sum(float(a[n].values.sum(dtype="f8")) for n in ("charging_power", "charging_outside"))
    assert booked + float(a["charging_owed"].values[-1]) == pytest.approx(km * 0.20 / 0.90, rel=1e-6)


def test_grid_aware_homes_peak_lower_and_the_rebound_is_told(table):
    answered, _ = table
    a, b = (value(answered, v, "highest power of their stations (")["scenario"] for v in "ab")
    assert b < 0.9 * a
    evening = value(answered, "b", "highest added power, 16 to 21 h, against")
    assert evening["delta"] < 0
    assert "h local)" in value(answered, "b", "highest power of their stations at other hours: rebound")["indicator"]


@pytest.fixture(scope="module")
def with_band(table, question):
    """The same question with a band; its runs are there already."""
    path = question.parent / "banded.toml"
    path.write_text(
        question.read_text()
        + """
[band]
members = 10
vary = [
    { setting = "change.trips_per_home", low = 4.0, high = 6.0 },
    { setting = "components.demand.hot_water_tank", low = 2.0, high = 6.0 },
]
"""
    )
    return answer(path, out=table[1], quiet=True)


def test_a_band_lies_around_what_members_alone_can_tell(table, with_band):
    answered, _ = table
    assert with_band["indicator"].tolist() == answered["indicator"].tolist()
    np.testing.assert_array_equal(with_band["delta"], answered["delta"])
    banded = with_band["status"] == "computed, band of 10 members"
    assert (with_band.loc[banded, "p05"] < with_band.loc[banded, "p95"]).all()
    assert with_band.loc[~banded, ["p05", "p95"]].isna().all(axis=None)
    for v in "abc":
        energy = value(with_band, v, "energy driven")
        # kilometres in proportion to trips: 4 to 6 around the run's 5
        assert 0.8 <= energy["p05"] / energy["delta"] < 0.9 and 1.1 < energy["p95"] / energy["delta"] <= 1.2
        assert value(with_band, v, "highest power of their stations (")["status"].endswith("of 10 members")
        assert value(with_band, v, "transformers above their rating")["status"] == "computed, no band"


def test_a_member_with_nothing_varied_is_the_run(table, question):
    answered, out = table
    asked = load_question(question).model_copy(update={"band": Band(members=10)})
    files = {v: out / "quick" / f"small-quick_{v}.h5" for v in "ab"}
    pairs = {"a": out / "quick" / "small.h5", "b": out / "quick" / "small-base_b.h5"}
    runs = [tuple(HousingRun(v, "", open_run(f[v]), 0.2, 0.9) for f in (files, pairs)) for v in "ab"]
    configs = [configuration_of(asked, variant) for variant in asked.variant[:2]]
    first = member_tables(
        asked.model_copy(update={"variant": asked.variant[:2]}), runs, configs, data=None, quiet=True
    )[0]
    for v in "ab":
        for start in ("highest power of their stations (", "highest added power (", "energy driven"):
            assert value(first, v, start)["delta"] == pytest.approx(value(answered, v, start)["delta"], rel=2e-3)


def test_a_setting_that_a_variant_has_is_drawn_in_it_alone(table, question, monkeypatch):
    seen = []

    class Watched(Demand):
        def __init__(self, options):
            super().__init__(options)
            seen.append(options.hot_water_tank)

    monkeypatch.setattr(band, "Demand", Watched)
    path = question.parent / "watched.toml"
    path.write_text(
        question.read_text()
        + '[band]\nmembers = 10\nvary = [{ setting = "components.demand.hot_water_tank", low = 2.0, high = 6.0 }]\n'
    )
    answer(path, out=table[1], quiet=True)
    a, b, c = seen[0::3], seen[1::3], seen[2::3]
    assert set(a) == set(c) == {0.0} and len(set(b)) == 10 and 2.0 <= min(b) < max(b) <= 6.0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('vary = [{ setting = "change.heat", low = 1.0, high = 2.0 }]', "no field 'heat'"),
        ('vary = [{ setting = "change.heat_kwh", low = 2.0, high = 1.0 }]', "low below high"),
        ('vary = [{ setting = "run.seed", low = 1.0, high = 2.0 }]', "vary"),
    ],
)
def test_what_a_band_cannot_vary_is_refused(question, tmp_path, text, word):
    path = tmp_path / "q.toml"
    path.write_text(question.read_text() + f"[band]\nmembers = 10\n{text}\n")
    with pytest.raises(ScenarioError, match=word):
        load_question(path)


def test_what_differs_must_be_a_field(question, tmp_path):
    path = tmp_path / "q.toml"
    path.write_text(question.read_text().replace('ev_share = "neighbours"', "ev_shares = 1.0"))
    with pytest.raises(ScenarioError, match="ev_shares"):
        load_question(path)


def test_a_question_can_be_read_as_its_scenario(question):
    asked = load_question(question)
    assert load_scenario(question).change == asked.change
    assert asked.scenario(asked.variant[2]).change != asked.change


def test_against_refuses_what_the_file_says_itself(question, capsys):
    with pytest.raises(ConfigError, match="--set does not go with it"):
        app(["run", str(question), "--against", "base", "--set", "run.seed=2"], exit_on_error=False)
    with pytest.raises(SystemExit) as stop:
        main(["run", "--against", "base"])
    assert stop.value.code == 2 and "no scenario file is given" in capsys.readouterr().err


def test_an_unknown_component_to_leave_out_is_named(question, tmp_path):
    path = tmp_path / "q.toml"
    path.write_text(question.read_text().replace('["building_load"]', '["bilding_load"]'))
    with pytest.raises(ConfigError, match="no component 'bilding_load'"):
        answer(path, out=tmp_path, quiet=True)

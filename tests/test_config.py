"""What a user writes: unknown keys name the nearest valid one; bad values name file, key and cure."""

import pytest

from twin.config import BUILT_IN, load
from twin.errors import ConfigError, ScenarioError
from twin.scenario import load_scenario

GOOD = """
[province]
name = "demo"
title = "Demo"
kind = "synthetic"
[run]
start = 2023-01-16T00:00:00Z
stop = 2023-01-18T00:00:00Z
[components.trips]
"""


def write(folder, text):
    path = folder / "c.toml"
    path.write_text(text)
    return path


def test_the_built_in_configurations_are_valid():
    for path in BUILT_IN.glob("*.toml"):
        assert load(path).province.name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("seed = 1", ""), None),
        (("[run]", "[run]\nsede = 1"), "did you mean 'seed'"),
        (("[run]", "[rum]"), "did you mean 'run'"),
        (('kind = "synthetic"', 'kind = "imaginary"'), "province.kind"),
        (("start = 2023-01-16T00:00:00Z", "start = 2023-01-16T00:00:00"), "time zone"),
        (("stop = 2023-01-18T00:00:00Z", "stop = 2023-01-15T00:00:00Z"), "not after start"),
        (("start = 2023-01-16T00:00:00Z\n", ""), "'run.start' is missing"),
        (("[run]", "[run\n"), "not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_one_clear_error(tmp_path, change, says):
    path = write(tmp_path, GOOD.replace(*change))
    if says is None:
        load(path)
        return
    with pytest.raises(ConfigError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_names_the_command_that_lists_them(tmp_path):
    with pytest.raises(ConfigError, match="twin provinces"):
        load(tmp_path / "nowhere.toml")


def test_overrides_change_the_fingerprint_and_the_layout_of_the_text_does_not(tmp_path):
    plain = load(write(tmp_path, GOOD))
    spaced = load(write(tmp_path, GOOD.replace("\n", "\n\n")))
    seeded = load(write(tmp_path, GOOD), ["run.seed=7"])
    assert plain.fingerprint == spaced.fingerprint != seeded.fingerprint
    assert seeded.run.seed == 7


def test_an_unknown_component_or_option_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such component"):
        load(write(tmp_path, GOOD.replace("[components.trips]", "[components.tripz]"))).build_components()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "a"\n[[change]]\nverb = "ev_share"\nshare = 1.5', "share"),
        ('name = "a"\n[[change]]\nverb = "fly"', "verb"),
        ('name = "A B"', "name"),
        ('name = "a"\nchanges = []', "did you mean 'change'"),
    ],
)
def test_a_wrong_scenario_is_one_clear_error(tmp_path, text, says):
    with pytest.raises(ScenarioError, match=says):
        load_scenario(write(tmp_path, text))

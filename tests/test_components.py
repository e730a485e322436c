"""Meta-test over all registered components: complete declarations, and outputs that are really written."""

from pathlib import Path

import numpy as np
import pytest

import twin.components  # noqa: F401 - registers all components
from twin.component import Component
from twin.session import build
from twin.variables import UNITS

COMPONENTS = {n: c for n, c in sorted(Component.registry.items()) if c.__module__.startswith("twin.components")}


# A variant that writes what another component of the demo writes; its own tests run it.
VARIANTS = {"queue_road_emission"}


@pytest.fixture(scope="module")
def simulation():
    """Twelve hours of the demo with new homes that lend heat: sun, then evening queues, then rain in the night."""
    homes = Path(__file__).parents[1] / "scenarios" / "demo_2000_homes.toml"
    options = {"demand": {"building_mass": 10.0}, "power_flow": {"volt_watt": [0.9, 1.2]}}
    sections = {"run": {"start": "2023-01-16T14:00:00Z"}, "components": options}
    built = build(sections=sections, scenario=homes)
    built.ever = {n: np.zeros(a.shape, bool) for n, a in built.wiring.arrays.items()}
    for name, array in built.wiring.arrays.items():
        if built.wiring.declared[name].intent == "out" and array.dtype.kind == "f":
            array[...] = np.nan  # an output that nobody writes stays NaN
    for _ in range(12):
        built.step()
        for name, array in built.wiring.arrays.items():
            built.ever[name] |= array != 0
    return built


@pytest.mark.parametrize("name", COMPONENTS)
def test_declarations_are_complete(name):
    cls = COMPONENTS[name]
    assert (cls.__doc__ or "").strip(), "a component says what it computes"
    assert cls.every > 0
    assert cls.leaves_out, "a component says what its physics leaves out"
    assert cls.step is not Component.step
    assert cls.Options.model_config.get("extra") == "forbid"
    written = [v for v in cls.variables.values() if v.intent != "in"]
    assert written
    for v in cls.variables.values():
        assert v.units in UNITS
        assert np.dtype(v.dtype).kind in "fi"
        if v.intent != "in":
            assert v.doc, f"{v.name} has no description"
    for s in cls.statics.values():
        assert s.path.count("/") == 1


@pytest.mark.parametrize("name", COMPONENTS)
def test_outputs_are_written_with_declared_dims_and_dtype(name, simulation):
    for v in COMPONENTS[name].variables.values():
        if v.intent == "in":
            continue
        shown = simulation.world["state"].ds[v.name]
        assert shown.dims == v.dims
        assert shown.dtype == np.dtype(v.dtype)
        if shown.dtype.kind == "f":
            assert np.isfinite(shown.values).all(), f"{v.name} is not written everywhere"
            assert simulation.ever[v.name].any(), f"{v.name} is zero everywhere in twelve hours"


def test_all_components_run_in_the_demo(simulation):
    assert {c.name() for c in simulation.wiring.order} == set(COMPONENTS) - VARIANTS


def test_coupled_quantities_are_given_and_taken(simulation):
    for quantity, entry in simulation.ledger.transfers.items():
        assert entry.givers, f"{quantity} is taken and never given"
        assert entry.takers, f"{quantity} is given and never taken"

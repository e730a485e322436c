"""The chain of causes: a link that is cut changes what lies behind it, and the books notice where it was booked."""

import numpy as np
import pytest

from twin.errors import BudgetError
from twin.session import build

HOURS = 9  # from midnight into the morning peak
LINKS = {  # what is cut, behind which it must be felt, whether the ledger books this link
    "trips": ("road_flow", True),
    "road_flow": ("road_nox", False),
    "road_nox": ("nox_concentration", True),
    "nh3_sources": ("n_deposition", False),
    "trip_distance": ("ev_distance", True),
    "charging_power": ("bus_load", True),
    "bus_load": ("branch_loading", True),
}


def simulate(cut=None, books=False):
    simulation = build("demo")
    if cut == "nh3_sources":
        simulation.world["sources"].ds["nh3"].values[:] = 0
        for component in simulation.wiring.order:
            component.setup(simulation.wiring.slots[component.name()], simulation.world)
    elif cut is not None:
        producer = next(
            c for c in simulation.wiring.order for v in c.variables.values() if v.name == cut and v.intent != "in"
        )
        whole = producer.step

        def step(s, clock):
            whole(s, clock)
            simulation.wiring.arrays[cut][...] = 0

        producer.step = step
        if not books:
            simulation.ledger.settle = lambda when: None
    for _ in range(HOURS):
        simulation.step()
    return {n: a.copy() for n, a in simulation.wiring.arrays.items()}


@pytest.fixture(scope="module")
def whole():
    return simulate()


@pytest.mark.parametrize("cut", LINKS)
def test_what_lies_behind_a_cut_link_changes(cut, whole):
    behind, _ = LINKS[cut]
    assert not np.array_equal(simulate(cut)[behind], whole[behind])


@pytest.mark.parametrize("cut", [name for name, (_, booked) in LINKS.items() if booked])
def test_the_ledger_ends_a_run_whose_link_is_cut(cut):
    with pytest.raises(BudgetError):
        simulate(cut, books=True)

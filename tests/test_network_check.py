"""The network checker finds each planted fault, nothing else, and says which faults stop an assignment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import DataError
from twin.world.network_check import check_network

RING = (np.array([0, 1, 2, 3]), np.array([1, 2, 3, 0]))


def test_a_sound_network_has_no_findings():
    report = check_network(*RING, 4, zone_node=np.array([0, 2]), trips=np.ones((2, 2)))
    assert report.lines() == []
    assert not report.fatal
    report.require("ring")


def test_each_planted_fault_is_found():
    # The ring 0-1-2-3, a spur 3-4 without return, a loop at 1, a second link 0-1, node 5 without links.
    a, b = np.array([0, 1, 2, 3, 3, 1, 0]), np.array([1, 2, 3, 0, 4, 1, 1])
    values = {name: np.ones(7) for name in ("length", "capacity", "free_flow_time", "bpr_b", "bpr_power")}
    values["length"][0], values["capacity"][1], values["free_flow_time"][2], values["bpr_power"][3] = 0, 0, -1, -2
    trips = np.ones((3, 3))
    report = check_network(a, b, 6, **values, zone_node=np.array([0, 4, 2]), trips=trips)
    found = {name: value.tolist() for name, value in vars(report).items()}
    assert found == {
        "zero_length": [0],
        "no_capacity": [1],
        "bad_time": [2],
        "bad_cost": [3],
        "self_loops": [5],
        "duplicates": [6],
        "dead_ends": [4],
        "unused_nodes": [5],
        "cut_off_zones": [4],
        "unreachable": [[4, 0], [4, 2]],
    }
    with pytest.raises(DataError, match=r"net: .*without capacity above zero: L1; .*no path: N4 to N0, N4 to N2"):
        report.require("net", [f"L{i}" for i in range(7)], [f"N{i}" for i in range(6)])


def test_paths_do_not_pass_through_centroids():
    # 0 -> 1 -> 2 where 1 is a centroid: it can be reached, and nothing behind it.
    report = check_network(
        np.array([0, 1, 2]),
        np.array([1, 2, 0]),
        3,
        zone_node=np.array([0, 1, 2]),
        trips=np.ones((3, 3)),
        through=np.array([True, False, True]),
    )
    assert report.unreachable.tolist() == [[0, 2]]


def test_a_link_of_constant_cost_needs_no_capacity():
    assert not len(check_network(*RING, 4, capacity=np.zeros(4), bpr_b=np.zeros(4)).no_capacity)


@settings(max_examples=40, deadline=None)
@given(links=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=20))
def test_unreachable_pairs_are_those_of_the_transitive_closure(links):
    """Oracle: powers of the adjacency matrix."""
    a, b = np.array(links).T
    reach = np.eye(8, dtype=bool)
    reach[a, b] = True
    for _ in range(3):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    report = check_network(a, b, 8, zone_node=np.arange(8), trips=np.ones((8, 8)))
    assert report.unreachable.tolist() == np.argwhere(~reach).tolist()


def test_links_to_nodes_that_do_not_exist_and_trips_of_another_size_are_refused():
    with pytest.raises(DataError, match="link 1: to_node = 9"):
        check_network(np.array([0, 1]), np.array([1, 9]), 2)
    with pytest.raises(DataError, match="2 zones"):
        check_network(*RING, 4, zone_node=np.array([0, 1]), trips=np.ones((3, 3)))

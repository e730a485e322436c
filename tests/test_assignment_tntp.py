"""TNTP files: every quirk of public files is read, every fault is one error that names line and field."""

import numpy as np
import pytest

from twin.errors import DataError
from twin.readers.tntp import read_flows, read_network, read_nodes, read_trips

NET = """<NUMBER OF NODES> 4\t\t
<NUMBER OF ZONES> 2\t\t
<number of links>\t5 ;
<ORIGINAL HEADER>~ \tInit node \tTerm node Toll  Type
~ a comment before the end
<END OF METADATA>\t

~\tinit\tterm\tcap\t...
\t1\t3 1\t100 0.00000001 1000000000 1 0 0 1;
 1 \t 7\t1\t100\t50\t0.02\t1\t0\t0\t1\t;\t
\t3\t2\t1\t100\t50\t0.02\t1\t0\t0\t1;
\t3\t7\t1\t100\t10\t0.1\t1\t0\t0\t1\t;  ~ the bridge
\t7\t2\t1\t100\t0.00000001\t1e9\t1\t0\t0\t1;
"""
TRIPS = """<TOTAL OD FLOW> 6.5
<NUMBER OF ZONES> 2
<END OF METADATA>

Origin \t1
 1 : 0.5;  2 :
 6.0;
Origin 2
"""


@pytest.fixture
def files(tmp_path):
    def write(net=NET, trips=TRIPS):
        (tmp_path / "a_net.tntp").write_text(net)
        (tmp_path / "a_trips.tntp").write_text(trips)
        return tmp_path / "a_net.tntp", tmp_path / "a_trips.tntp"

    return write


def test_glued_terminators_comments_gaps_in_ids_and_missing_first_thru_node(files):
    net, trips = files()
    network, table = read_network(net), read_trips(trips)
    np.testing.assert_array_equal(network.node_id, [1, 2, 3, 7])
    np.testing.assert_array_equal(network.node_id[network.to_node], [3, 7, 2, 7, 2])
    assert network.first_thru == 1
    assert network.through.all()
    assert network.toll_factor == 0
    assert network.b[4] == 1e9
    assert (table.origin.tolist(), table.destination.tolist(), table.trips.tolist()) == ([0], [1], [6.0])
    assert table.intrazonal == 0.5


def test_parallel_links_keep_their_place_and_repeated_pairs_add_up(files):
    net, trips = files(
        NET.replace("<number of links>\t5", "<NUMBER OF LINKS> 6") + "1 3 7 100 1 1 1 0 0 1;\n",
        TRIPS.replace("Origin 2", "Origin 1\n 2 : 1;"),
    )
    assert read_network(net).capacity.tolist() == [1, 1, 1, 1, 1, 7]
    assert read_trips(trips).trips.tolist() == [7.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda net, trips: (f"\ufeff{net}", f"\ufeff{trips}"),
        lambda net, trips: (net.replace("\n", "\r\n"), trips.replace("\n", "\r\n")),
        lambda net, trips: (net.replace("~\tinit", "init").replace("\t3\t2\t", "\t3.0\t2.0\t"), trips),
        lambda net, trips: (net, trips.replace("Origin \t1\n", "Origin \t1.0 ")),
        lambda net, trips: (net, trips.replace("Origin \t1\n", "origin: 1 ")),
        lambda net, trips: (net, trips.replace(" :", ",")),
    ],
)
def test_other_spellings_are_the_same_files(files, write):
    one = [read(path) for read, path in zip((read_network, read_trips), files())]
    other = [read(path) for read, path in zip((read_network, read_trips), files(*write(NET, TRIPS)))]
    for field in ("from_node", "to_node", "node_id", "capacity", "free_flow_time", "b"):
        np.testing.assert_array_equal(getattr(one[0], field), getattr(other[0], field))
    for field in ("origin", "destination", "trips", "intrazonal"):
        np.testing.assert_array_equal(getattr(one[1], field), getattr(other[1], field))


def test_factors_come_from_the_metadata(files):
    factors = NET.replace("<END", "<TOLL_FACTOR> 0.02\n<Distance Weight>\t0.04 ;\n<END", 1)
    network = read_network(files(factors)[0])
    assert (network.toll_factor, network.distance_factor) == (0.02, 0.04)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<END OF METADATA>", "<TOLL FACTOR> -1\n<END OF METADATA>", "TOLL FACTOR> is -1; it must not be negative"),
        ("<END OF METADATA>", "", "END OF METADATA"),
        ("<NUMBER OF ZONES> 2", "<NUMBER OF ZONES> two", "'two'"),
        ("<NUMBER OF ZONES> 2", "", "NUMBER OF ZONES"),
        ("<number of links>\t5", "<number of links> 6", "5 link rows.*6"),
        ("\t3\t7\t1\t100", "\t3\t7\t-1\t100", "line 12: capacity of link 3 to 7 is -1"),
        ("\t3\t7\t1\t100", "\t3\t7\t0\t100", "capacity"),
        ("0.1\t1\t0", "0.1\t-2\t0", "power of link 3 to 7 is -2"),
        ("0.1\t1\t0", "nan\t1\t0", "not a finite number"),
        ("0.1\t1\t0", "abc\t1\t0", "line 12, column 6: 'abc'"),
        ("0.1\t1\t0\t0\t1", "0.1\t1", "line 12 has 7 columns"),
        ("\t3\t7\t1\t100", "\t3.5\t7\t1\t100", "whole numbers"),
        ("\t3\t7\t1\t100\t10", "\t3\t7\t1\t100\t-10", "free_flow_time"),
    ],
)
def test_network_faults_are_named(files, old, new, says):
    with pytest.raises(DataError, match=says):
        read_network(files(net=NET.replace(old, new))[0])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("6.0;", "-6;", "from zone 1 to 2 are -6"),
        ("6.0;", "nan;", "from zone 1 to 2"),
        ("2 :", "9 :", "zone 1 to 9"),
        ("0.5;", "0.5.1;", "line 6.*0.5.1"),
        ("0.5;", "1,000.5;", "line 6.*'1,000.5' is not a number"),
        ("Origin \t1", "Origin one", "line 5"),
        ("Origin \t1\n", "", "before the first 'Origin'"),
    ],
)
def test_trip_faults_are_named(files, old, new, says):
    with pytest.raises(DataError, match=says):
        read_trips(files(trips=TRIPS.replace(old, new))[1])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none_net"):
        read_network(tmp_path / "none_net.tntp")


def test_public_files_hold_what_their_table_says(data):
    # zones, nodes used, links, first thru node, trips in the file: the table of the data's README
    table = {
        "SiouxFalls": (24, 24, 76, 1, 360600),
        "Anaheim": (38, 416, 914, 39, 104694.4),
        "Winnipeg": (147, 1040, 2836, 148, 64784),
        "Eastern-Massachusetts": (74, 74, 258, 1, 65576.375431),
        "Berlin-Center": (865, 12981, 28376, 866, 168222.302),
    }
    for name, (zones, nodes, links, first, total) in table.items():
        folder = data / "traffic" / name
        network, trips = read_network(*folder.glob("*_net.tntp")), read_trips(*folder.glob("*_trips.tntp"))
        found = (network.zones, len(network.node_id), len(network.capacity), network.first_thru)
        assert found == (zones, nodes, links, first)
        assert trips.trips.sum() + trips.intrazonal == pytest.approx(total, rel=1e-12)
        for path in folder.glob("*_flow.tntp"):
            rows = read_flows(path)
            np.testing.assert_array_equal(rows[:, 0], network.node_id[network.from_node])
        for path in folder.glob("*_node.tntp"):
            assert np.isfinite(read_nodes(path)[1]).all()

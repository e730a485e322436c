"""What is wrong with a road network, found before anything runs."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from twin.errors import DataError

__all__ = ["NetworkReport", "check_network"]


@dataclass
class NetworkReport:
    """Findings as indices of links, nodes or zones, in ascending order."""

    zero_length: np.ndarray  # links
    no_capacity: np.ndarray  # links with a capacity that is not above zero
    bad_time: np.ndarray  # links whose free-flow time is negative or not finite
    bad_cost: np.ndarray  # links with a factor or power below zero
    self_loops: np.ndarray  # links
    duplicates: np.ndarray  # links that repeat the two nodes of an earlier one
    dead_ends: np.ndarray  # nodes that can be entered and not left, or the other way round
    unused_nodes: np.ndarray  # nodes without any link
    cut_off_zones: np.ndarray  # nodes of zones outside the largest strongly connected part
    unreachable: np.ndarray  # (pair, 2) nodes of zones that have trips and no path

    @property
    def fatal(self) -> bool:
        """Whether an assignment cannot run: impossible links, or trips without a path."""
        return any(map(len, (self.no_capacity, self.bad_time, self.bad_cost, self.unreachable)))

    def lines(self, link_id: list[str] | None = None, node_id: list[str] | None = None, most: int = 5) -> list[str]:
        """One line per kind of finding, with the first ids; empty where there is nothing to say."""
        texts = {
            "zero_length": "links of zero length",
            "no_capacity": "links without capacity above zero",
            "bad_time": "links with a negative or missing free-flow time",
            "bad_cost": "links whose cost would fall with flow (factor or power below zero)",
            "self_loops": "links from a node to itself",
            "duplicates": "links between two nodes that another link joins already",
            "dead_ends": "nodes that can be entered and not left, or left and not entered",
            "unused_nodes": "nodes without links",
            "cut_off_zones": "zones outside the largest part in which all can reach each other",
            "unreachable": "pairs of zones with trips and no path",
        }
        of_links = {"zero_length", "no_capacity", "bad_time", "bad_cost", "self_loops", "duplicates"}
        out = []
        for name, text in texts.items():
            found = getattr(self, name)
            if not len(found):
                continue
            ids = link_id if name in of_links else node_id
            shown = [" to ".join(_name(ids, int(k)) for k in np.atleast_1d(item)) for item in found[:most]]
            more = f" and {len(found) - most} more" if len(found) > most else ""
            out.append(f"{len(found)} {text}: {', '.join(shown)}{more}")
        return out

    def require(self, source: str, link_id: list[str] | None = None, node_id: list[str] | None = None) -> None:
        """Raise :class:`DataError` with all findings where an assignment cannot run."""
        if self.fatal:
            raise DataError(f"{source}: the network cannot be assigned: " + "; ".join(self.lines(link_id, node_id)))


def _name(ids: list[str] | None, k: int) -> str:
    return ids[k] if ids is not None else str(k)


def check_network(
    from_node: np.ndarray,
    to_node: np.ndarray,
    nodes: int,
    *,
    length: np.ndarray | None = None,
    capacity: np.ndarray | None = None,
    free_flow_time: np.ndarray | None = None,
    bpr_b: np.ndarray | None = None,
    bpr_power: np.ndarray | None = None,
    zone_node: np.ndarray | None = None,
    trips: np.ndarray | None = None,
    through: np.ndarray | None = None,
) -> NetworkReport:
    """Check links (and ``trips`` between ``zone_node``, both optional) and say what was found; nothing is changed.

    ``trips`` (zone, zone) tells which pairs need a path; ``through`` (node) bool says which nodes a path may pass
    (zone centroids often may not). A link without ``bpr_b`` needs no capacity.
    """
    start, end = np.asarray(from_node), np.asarray(to_node)
    m = len(start)
    for name, ends in (("from_node", start), ("to_node", end)):
        bad = (ends < 0) | (ends >= nodes)
        if bad.any():
            i = int(np.argmax(bad))
            raise DataError(f"link {i}: {name} = {ends[i]}, but there are {nodes} nodes")
    b = np.ones(m) if bpr_b is None else np.asarray(bpr_b, float)
    power = np.ones(m) if bpr_power is None else np.asarray(bpr_power, float)
    time = np.zeros(m) if free_flow_time is None else np.asarray(free_flow_time, float)
    room = np.ones(m) if capacity is None else np.asarray(capacity, float)
    long = np.ones(m) if length is None else np.asarray(length, float)
    _, first = np.unique(np.stack((start, end)), axis=1, return_index=True)
    leaves, enters = np.bincount(start, minlength=nodes) > 0, np.bincount(end, minlength=nodes) > 0
    zones = np.zeros(0, int) if zone_node is None else np.asarray(zone_node)
    adjacency = sp.csr_array((np.ones(m), (start, end)), shape=(nodes, nodes))
    _, part = connected_components(adjacency, directed=True, connection="strong")
    main = np.bincount(part).argmax()
    return NetworkReport(
        zero_length=np.flatnonzero(~(long > 0)),
        no_capacity=np.flatnonzero((b != 0) & ~(room > 0)),
        bad_time=np.flatnonzero(~((time >= 0) & np.isfinite(time))),
        bad_cost=np.flatnonzero(~((b >= 0) & (power >= 0))),
        self_loops=np.flatnonzero(start == end),
        duplicates=np.setdiff1d(np.arange(m), first),
        dead_ends=np.flatnonzero(leaves != enters),
        unused_nodes=np.flatnonzero(~leaves & ~enters),
        cut_off_zones=zones[part[zones] != main],
        unreachable=_unreachable(start, end, nodes, zones, trips, through),
    )


def _unreachable(
    start: np.ndarray,
    end: np.ndarray,
    nodes: int,
    zones: np.ndarray,
    trips: np.ndarray | None,
    through: np.ndarray | None,
) -> np.ndarray:
    """Pairs of zone nodes with trips and no path: reachability by levels, from one origin at a time."""
    found: list[tuple[int, int]] = []
    if trips is None:
        return np.zeros((0, 2), int)
    if trips.shape != (len(zones), len(zones)):
        raise DataError(f"trips are {trips.shape}, but there are {len(zones)} zones; give zones by zones")
    order = np.argsort(start, kind="stable")
    first = np.concatenate(([0], np.cumsum(np.bincount(start, minlength=nodes))))
    head = end[order]
    may_pass = np.ones(nodes, bool) if through is None else np.asarray(through)
    for i, origin in enumerate(zones):
        wanted = np.flatnonzero((trips[i] > 0) & (zones != origin))
        if not len(wanted):
            continue
        seen = np.zeros(nodes, bool)
        seen[origin] = True
        level = np.array([origin])
        while len(level):
            counts = first[level + 1] - first[level]
            offsets = np.repeat(first[level] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
            reached = np.unique(head[offsets + np.arange(counts.sum())])
            reached = reached[~seen[reached]]
            seen[reached] = True
            level = reached[may_pass[reached]]
        found += [(int(origin), int(zones[j])) for j in wanted if not seen[zones[j]]]
    return np.array(found, dtype=int).reshape(-1, 2)

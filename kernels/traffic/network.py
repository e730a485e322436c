"""Road graph as arrays: links in order of their head, with the way back to the caller's order."""

from typing import NamedTuple

import numpy as np

__all__ = ["Graph", "build_graph"]


class Graph(NamedTuple):
    """Links sorted by head (``arcs``), so that the arcs into node j are ``start[j]:start[j + 1]``.

    ``tail``, ``head`` (arc, int32) nodes; ``start`` (node + 1, int32); ``link`` (arc, int32) the caller's link;
    ``out_start`` (node + 1, int32) and ``out_arc`` (arc, int32) the arcs by tail; ``through`` (node, bool) whether
    a path may pass the node.
    """

    tail: np.ndarray
    head: np.ndarray
    start: np.ndarray
    link: np.ndarray
    out_start: np.ndarray
    out_arc: np.ndarray
    through: np.ndarray


def build_graph(from_node: np.ndarray, to_node: np.ndarray, nodes: int, first_thru: int = 0) -> Graph:
    """Graph of links ``from_node`` to ``to_node`` (link, counted from 0) over ``nodes`` nodes.

    Nodes below ``first_thru`` may only start or end a path. Links from a node to itself never carry a path and are
    left out of the graph.
    """
    tail = np.asarray(from_node, np.int32)
    head = np.asarray(to_node, np.int32)
    link = np.flatnonzero(tail != head)
    link = link[np.lexsort((link, tail[link], head[link]))].astype(np.int32)
    tail, head = tail[link], head[link]
    start = np.searchsorted(head, np.arange(nodes + 1)).astype(np.int32)
    out_arc = np.lexsort((head, tail)).astype(np.int32)
    out_start = np.searchsorted(tail[out_arc], np.arange(nodes + 1)).astype(np.int32)
    return Graph(tail, head, start, link, out_start, out_arc, np.arange(nodes) >= first_thru)

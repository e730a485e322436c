"""Skims: cost of the cheapest path between all places, and other attributes summed along that path."""

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.traffic.network import Graph, build_graph
from kernels.traffic.shortest_path import search

__all__ = ["skim"]

BLOCKS = 8


@njit
def _skim_block(start, head, tail, through, cost, attributes, places, out, low, high):
    """Skims from the places low..high (counted in ``places``) into ``out`` (attribute + 1, place, place)."""
    nodes = len(through)
    label, before = np.empty(nodes), np.empty(nodes, np.int32)
    wanted = np.full(nodes, -1, np.int32)
    key, item = np.empty(len(head) + 2), np.empty(len(head) + 2, np.int32)
    for o in range(low, high):
        missing = 0
        for v in places:
            if wanted[v] != o:
                wanted[v] = o
                missing += 1
        source = places[o]
        search(start, head, cost, through, source, wanted, o, missing, label, before, key, item)
        for d in range(len(places)):
            out[0, o, d] = label[places[d]]
            for i in range(attributes.shape[0]):
                out[i + 1, o, d] = 0.0 if label[places[d]] < np.inf else np.inf
            v = places[d]
            while v != source and before[v] >= 0:
                for i in range(attributes.shape[0]):
                    out[i + 1, o, d] += attributes[i, before[v]]
                v = tail[before[v]]


@pnjit
def _skim_all(start, head, tail, through, cost, attributes, places, out):
    for block in prange(BLOCKS):
        n = len(places)
        _skim_block(
            start, head, tail, through, cost, attributes, places, out, block * n // BLOCKS, (block + 1) * n // BLOCKS
        )


def skim(
    from_node: np.ndarray,
    to_node: np.ndarray,
    through: np.ndarray,
    places: np.ndarray,
    cost: np.ndarray,
    attributes: np.ndarray,
) -> np.ndarray:
    """Least cost and, along that path, each attribute: (attribute + 1, origin, destination); inf without a path.

    ``from_node``, ``to_node`` (link), ``through`` (node, bool), ``places`` (place, node), ``cost`` (link) [time],
    ``attributes`` (attribute, link) in their own units.
    """
    graph: Graph = build_graph(from_node, to_node, len(through))
    order = graph.out_arc
    link = graph.link[order]
    out = np.empty((len(attributes) + 1, len(places), len(places)))
    _skim_all(
        graph.out_start,
        graph.head[order],
        graph.tail[order],
        np.asarray(through, np.bool_),
        np.asarray(cost, np.float64)[link],
        np.ascontiguousarray(np.asarray(attributes, np.float64)[:, link]),
        np.asarray(places, np.int32),
        out,
    )
    return out

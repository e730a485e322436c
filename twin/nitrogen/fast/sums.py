"""Sums per receptor: near sources and rare plumes exactly, all else from tables."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from kernels.nitrogen.exact import pairs
from kernels.nitrogen.fast import lookup, tiles
from twin.errors import ConfigError
from twin.nitrogen.fast.tables import Run, Tables

__all__ = ["run_fast"]


class _Order(NamedTuple):
    """Receptors in the order of their tiles."""

    rows: np.ndarray
    tiles: tiles.Tiles
    x: np.ndarray
    y: np.ndarray
    neighbours: np.ndarray
    shares: np.ndarray


def _order_of(tables: Tables, rows: np.ndarray) -> _Order:
    places = tables.prepared.receptors.values[rows]
    x, y = np.ascontiguousarray(places[:, pairs.RX]), np.ascontiguousarray(places[:, pairs.RY])
    order, begin, end, parent, leaf, box, depth = tiles.halve(x, y)
    level = np.searchsorted(depth, np.arange(depth[-1] + 2))
    rows = rows[order]
    surfaces = tables.surfaces
    return _Order(
        rows,
        tiles.Tiles(begin, end, parent, leaf, box, level),
        x[order],
        y[order],
        surfaces.neighbours[rows],
        surfaces.shares[rows],
    )


def _neighbours_together(x: np.ndarray, y: np.ndarray, cell: float = 2000.0) -> np.ndarray:
    """Order along bands, every second one backwards."""
    band = np.floor(y / cell)
    return np.lexsort((np.where(band % 2 == 0, x, -x), band))


def add_tabulated(tables: Tables, plume: tiles.Plume, rows: np.ndarray, near: np.ndarray, order: _Order, out) -> int:
    """Add the sources ``rows`` of a plume to ``out`` (receptors in ``order``, COLUMNS); returns the pairs."""
    values, kinds = tables.prepared.sources.values, tables.kinds
    rows = rows[_neighbours_together(values[rows, pairs.SX], values[rows, pairs.SY])]
    sources = np.empty((tiles.SOURCE_ROWS, len(rows)))
    for row, column in ((tiles.SX, pairs.SX), (tiles.SY, pairs.SY), (tiles.SQ, pairs.SQ)):
        sources[row] = values[rows, column]
    sources[tiles.SNEAR] = near[rows]
    sources[tiles.SKIND], sources[tiles.SNEXT] = kinds.first[rows], kinds.second[rows]
    sources[tiles.SSHARE], sources[tiles.SROUGH] = kinds.share[rows], tables.rough[rows]
    counts = np.zeros(len(order.rows), dtype=np.int64)
    tiles.add_sources(order.tiles, order.x, order.y, order.neighbours, order.shares, sources, plume, out, counts)
    return int(counts.sum())


def run_fast(prepared: Any, run: Run, check: int) -> tuple[np.ndarray, float, int, dict[str, float]]:
    """Sums per receptor and group, CPU seconds, pairs, and the estimated error.

    ``prepared``: see :mod:`twin.nitrogen`; ``run``: the exact chain on such; ``check``: random pairs to recompute.
    """
    if prepared.options.road_chemistry:
        raise ConfigError("fast mode has no road chemistry; use mode 'exact', or switch the roads' chemistry off")
    _load(prepared, run)
    begin = time.process_time()
    sources, receptors = prepared.sources, prepared.receptors
    values, codes = sources.values, sources.codes
    nr = len(receptors.values)
    out = np.zeros((nr, int(codes[:, 2].max()) + 1, pairs.OUTPUTS))
    tables = Tables(prepared, run)
    order = _order_of(tables, np.arange(nr))
    width, height = tables.box[1] - tables.box[0], tables.box[3] - tables.box[2]
    share = min(1.0, np.pi * tables.reach**2 / max(width * height, 1.0))
    near = np.full(len(values), np.inf)
    count = 0
    for p in range(len(tables.kinds.member)):
        rows = np.flatnonzero(tables.kinds.plume == p)
        if len(rows) * nr * share <= tables.evaluations(p):
            continue
        plume = tables.plume(p)
        near[rows] = tables.near(p, plume)
        for group in np.unique(codes[rows, 2]):
            part = np.zeros((nr, lookup.COLUMNS))
            count += add_tabulated(tables, plume, rows[codes[rows, 2] == group], near, order, part)
            out[order.rows, group] += part[:, : pairs.OUTPUTS]
    count += _add_near(prepared, run, near, out)
    return out, time.process_time() - begin, count, {}


def _add_near(prepared: Any, run: Run, near: np.ndarray, out: np.ndarray) -> int:
    """Add the pairs nearer than ``near`` (sources,) [m] exactly; returns their number."""
    sources, receptors = prepared.sources, prepared.receptors
    close = sources.values.copy()
    close[:, pairs.SREACH] = near
    rows = np.arange(len(receptors.values))
    if np.isfinite(near).all():
        tree = cKDTree(receptors.values[:, [pairs.RX, pairs.RY]])
        found = tree.query_ball_point(sources.values[:, [pairs.SX, pairs.SY]], near + 1.0)
        rows = np.unique(np.concatenate([np.asarray(one, dtype=np.int64) for one in found]))
    if rows.size == 0:
        return 0
    few = pairs.Receptors(receptors.values[rows], receptors.shares[rows])
    exact = run(prepared._replace(sources=sources._replace(values=close), receptors=few))
    out[rows] += exact[0]
    return exact[4]


def _load(prepared: Any, run: Run) -> None:
    """Load the compiled kernels, so that the time that is taken is that of the computation."""
    nobody = pairs.Receptors(prepared.receptors.values[:0], prepared.receptors.shares[:0])
    run(prepared._replace(receptors=nobody))
    nothing = np.zeros(0)
    *_, begin, end, parent, leaf, box, _ = tiles.halve(np.zeros(1), np.zeros(1))
    one = tiles.Tiles(begin, end, parent, leaf, box, np.array([0, 1]))
    none = tiles.Plume(
        np.zeros((1, 720, lookup.COLUMNS), dtype=np.float32),
        np.zeros((0, 0, 0, lookup.COLUMNS), dtype=np.float32),
        np.zeros((2, 1, 12, 2, 17), dtype=np.float32),
        np.zeros(1, dtype=np.int64),
        0.0,
        1.0,
        0.0,
        np.zeros((0, 0, 4), dtype=np.float32),
        np.zeros(4),
    )
    neighbours = np.zeros((1, tiles.NEIGHBOURS), dtype=np.int64)
    shares = np.zeros((1, tiles.NEIGHBOURS))
    empty = np.zeros((tiles.SOURCE_ROWS, 0))
    tiles.add_sources(
        one, np.zeros(1), np.zeros(1), neighbours, shares, empty, none, np.zeros((1, 8)), np.zeros(1, dtype=np.int64)
    )

"""Sums per receptor: near sources and rare plumes exactly, all else from tables."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from kernels.nitrogen.exact import inputs
from kernels.nitrogen.fast import lookup, path, tiles
from twin.errors import ConfigError
from twin.nitrogen.fast.error import checked_pairs, only, receptor_error
from twin.nitrogen.fast.tables import MERGED, Run, Tables
from twin.nitrogen.fast.transform import add_transformed, lattice_of, offsets_of, worth_it

__all__ = ["run_fast"]

_BLOCK = 4096  # receptors whose near sources are sought together


class _Order(NamedTuple):
    """Receptors in the order of their tiles."""

    rows: np.ndarray
    tiles: tiles.Tiles
    x: np.ndarray
    y: np.ndarray
    neighbours: np.ndarray
    shares: np.ndarray
    own: np.ndarray


def _order_of(tables: Tables, rows: np.ndarray) -> _Order:
    places = tables.prepared.receptors.values[rows]
    x, y = np.ascontiguousarray(places[:, inputs.RX]), np.ascontiguousarray(places[:, inputs.RY])
    order, begin, end, parent, leaf, box, depth = tiles.halve(x, y)
    level = np.searchsorted(depth, np.arange(depth[-1] + 2))
    # receptors of one surface follow each other in a leaf
    surfaces = tables.surfaces
    tile = np.empty(len(order), dtype=np.int64)
    for number in np.flatnonzero(leaf):
        tile[begin[number] : end[number]] = number
    own = rows[order]
    order = order[np.lexsort((surfaces.which[own], surfaces.neighbours[own, 0], begin[tile]))]
    rows = rows[order]
    return _Order(
        rows,
        tiles.Tiles(begin, end, parent, leaf, box, level),
        x[order],
        y[order],
        surfaces.neighbours[rows],
        surfaces.shares[rows],
        surfaces.which[rows],
    )


def _neighbours_together(x: np.ndarray, y: np.ndarray, cell: float = 2000.0) -> np.ndarray:
    """Order along bands, every second one backwards."""
    band = np.floor(y / cell)
    return np.lexsort((np.where(band % 2 == 0, x, -x), band))


def _add_tabulated(tables: Tables, plume: tiles.Plume, rows: np.ndarray, near: np.ndarray, order: _Order, out) -> int:
    """Add the sources ``rows`` of a plume to ``out`` (receptors in ``order``, COLUMNS); returns the pairs."""
    values, kinds = tables.prepared.sources.values, tables.kinds
    rows = rows[_neighbours_together(values[rows, inputs.SX], values[rows, inputs.SY])]
    sources = np.empty((tiles.SOURCE_ROWS, len(rows)))
    for row, column in ((tiles.SX, inputs.SX), (tiles.SY, inputs.SY), (tiles.SQ, inputs.SQ)):
        sources[row] = values[rows, column]
    sources[tiles.SNEAR] = near[rows]
    sources[tiles.SKIND], sources[tiles.SNEXT] = kinds.first[rows], kinds.second[rows]
    sources[tiles.SSHARE], sources[tiles.SROUGH] = kinds.share[rows], tables.rough[rows]
    counts = np.zeros(len(order.rows), dtype=np.int64)
    under = (order.neighbours, order.shares, order.own)
    tiles.add_sources(order.tiles, order.x, order.y, *under, sources, plume, out, counts)
    out[:, 1] += out[:, 7]
    return int(counts.sum())


def run_fast(prepared: Any, run: Run, check: int) -> tuple[np.ndarray, float, int, dict[str, float]]:
    """Sums per receptor and group, CPU seconds, pairs, and the estimated error.

    ``prepared``: see :mod:`twin.nitrogen`; ``run``: the exact chain on such; ``check``: random pairs to recompute.
    """
    if prepared.options.road_chemistry:
        raise ConfigError("fast mode has no road chemistry; use mode 'exact', or switch the roads' chemistry off")
    _load(prepared, run)
    begin = time.process_time()
    tables = Tables(prepared, run)
    near = np.full(len(prepared.sources.values), np.inf)
    out, count, transformed = _sum(tables, near)
    seconds = time.process_time() - begin
    found = {
        "plumes": float(len(tables.kinds.member)),
        "receptor_surfaces": float(len(tables.surfaces.member)),
        "transformed_sources": float(transformed),
        **receptor_error(tables, near, out),
        **checked_pairs(tables, near, check, _some),
    }
    return out, seconds, count, {**found, "check_cpu_seconds": time.process_time() - begin - seconds}


def _sum(tables: Tables, near: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Sums per receptor and group, pairs, and how many sources went by transform.

    ``near`` (sources,) is filled: distance up to which a source is exact [m], inf where everywhere.
    """
    prepared = tables.prepared
    values, codes, places = prepared.sources.values, prepared.sources.codes, prepared.receptors.values
    out = np.zeros((len(places), int(codes[:, 2].max()) + 1, inputs.OUTPUTS))
    order = _order_of(tables, np.arange(len(places)))
    lattice = lattice_of(places[:, inputs.RX], places[:, inputs.RY]) if tables.uniform else None
    exactly = np.full(len(values), np.inf)
    count = transformed = 0
    for p, member in enumerate(tables.kinds.member):
        rows = np.flatnonzero(tables.kinds.plume == p)
        if tables.pairs(p) <= tables.evaluations(p):
            continue
        plume = tables.plume(p)
        near[rows] = exactly[rows] = tables.near(p, plume)
        offsets = offsets_of(lattice, values[rows, inputs.SX], values[rows, inputs.SY]) if lattice is not None else None
        by_transform = (
            lattice is not None
            and offsets is not None
            and tables.surfaces.tabulated
            and worth_it(lattice, offsets, tables.pairs(p), len(tables.surfaces.member))
        )
        if by_transform:
            count += add_transformed(
                tables,
                plume,
                int(member),
                lattice,
                offsets,
                values[rows, inputs.SQ],
                codes[rows, 2],
                near[rows[0]],
                out,
            )
            transformed += len(rows)
            exactly[rows] = -1.0
            continue
        for group in np.unique(codes[rows, 2]):
            its = codes[rows, 2] == group
            part = np.zeros((len(places), lookup.COLUMNS))
            count += _add_tabulated(tables, plume, rows[its], near, order, part)
            out[order.rows, group] += part[:, : inputs.OUTPUTS]
    return out, count + _add_near(prepared, tables.run, exactly, out), transformed


def _some(tables: Tables, near: np.ndarray, sources: np.ndarray, receptors: np.ndarray) -> np.ndarray:
    """What fast mode makes of some sources at some receptors, all groups together, (receptors, OUTPUTS)."""
    prepared = tables.prepared
    order = _order_of(tables, receptors)
    part = np.zeros((len(receptors), lookup.COLUMNS))
    for p in np.unique(tables.kinds.plume[sources]):
        rows = sources[(tables.kinds.plume[sources] == p) & np.isfinite(near[sources])]
        if rows.size:
            _add_tabulated(tables, tables.plume(p), rows, near, order, part)
    out = np.zeros((len(receptors), 1, inputs.OUTPUTS))
    out[np.searchsorted(receptors, order.rows), 0] = part[:, : inputs.OUTPUTS]
    few = only(prepared, sources, receptors)
    _add_near(few, tables.run, near[sources], out)
    return out[:, 0]


def _add_near(prepared: Any, run: Run, near: np.ndarray, out: np.ndarray) -> int:
    """Add the pairs nearer than ``near`` (sources,) [m] exactly; returns their number. Negative: none of a source.

    A block of neighbouring receptors meets the sources near it alone.
    """
    wanted = np.flatnonzero(near >= 0.0)
    if wanted.size == 0:
        return 0
    # without tables all is exact, and written so
    merged = MERGED if np.isfinite(near).any() else np.inf
    sources, places = prepared.sources, prepared.receptors.values
    x, y = places[:, inputs.RX], places[:, inputs.RY]
    order = tiles.halve(np.ascontiguousarray(x), np.ascontiguousarray(y))[0]
    count = 0
    for first in range(0, len(order), _BLOCK):
        rows = order[first : first + _BLOCK]
        rows = np.concatenate((rows[::2], rows[1::2]))  # halves that cost the same
        close = sources.values[wanted]
        dx = np.maximum(np.maximum(x[rows].min() - close[:, inputs.SX], close[:, inputs.SX] - x[rows].max()), 0.0)
        dy = np.maximum(np.maximum(y[rows].min() - close[:, inputs.SY], close[:, inputs.SY] - y[rows].max()), 0.0)
        some = wanted[np.hypot(dx, dy) <= near[wanted]]
        if some.size == 0:
            continue
        close = sources.values[some].copy()
        close[:, inputs.SREACH] = near[some]
        few = prepared.receptors.at(rows)
        part = prepared._replace(
            sources=sources._replace(values=close, codes=sources.codes[some]),
            receptors=few,
            options=prepared.options._replace(merged=merged),
        )
        exact = run(part)
        out[rows, : exact[0].shape[1]] += exact[0]
        count += exact[4]
    return count


def _load(prepared: Any, run: Run) -> None:
    """Load the compiled kernels, so that the time that is taken is that of the computation."""
    nobody = prepared.receptors.at(slice(0))
    run(prepared._replace(receptors=nobody))
    *_, begin, end, parent, leaf, box, _ = tiles.halve(np.zeros(1), np.zeros(1))
    one = tiles.Tiles(begin, end, parent, leaf, box, np.array([0, 1]))
    none = tiles.Plume(
        np.zeros((1, 720, lookup.COLUMNS), dtype=np.float32),
        np.zeros(1, dtype=np.int64),
        np.zeros((0, 0, 0, lookup.COLUMNS), dtype=np.float32),
        np.zeros((2, 1, 1, 1, path.TERMS + 2, 2 * path.FARTHER), dtype=np.float32),
        np.zeros(1, dtype=np.int64),
        np.zeros((0, tiles.BANDS * tiles.SECTORS), dtype=np.float32),
        0.0,
        1.0,
        0.0,
        1.0,
        np.zeros((0, 0, path.STRENGTHS), dtype=np.float32),
        np.zeros(4),
    )
    neighbours = np.zeros((1, tiles.NEIGHBOURS), dtype=np.int64)
    shares = np.zeros((1, tiles.NEIGHBOURS))
    empty, out = np.zeros((tiles.SOURCE_ROWS, 0)), np.zeros((1, lookup.COLUMNS))
    number = np.zeros(1, dtype=np.int64)
    tiles.add_sources(one, out[0, :1], out[0, :1], neighbours, shares, number, empty, none, out, number)

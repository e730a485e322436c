"""What dry deposition lacks that is interpolated between tabulated surfaces to a receptor's own.

The chain has steps in the roughness of a receptor (its iterations stop, plumes of a stable class take another regime),
at roughnesses that depend on direction and distance and hardly on land use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.nitrogen.exact import inputs
from kernels.nitrogen.fast import lookup, tiles

if TYPE_CHECKING:
    from twin.nitrogen.fast.tables import Tables

__all__ = ["lacking_of"]

_LADDER, _MOST_STEPS = 0.06, 48  # of ln z0 of receptors, at which steps of the chain are looked for
_PARTS = (3, 2)  # of a band of distances and of a sector, over which these are averaged
_DIRECTIONS = 6  # at which each surface that is not tabulated is computed itself


def lacking_of(tables: Tables) -> np.ndarray:
    """A share for each surface that is not tabulated and each bin, as :class:`~kernels.nitrogen.fast.tiles.Plume` has.

    For each land use a ladder of roughnesses is computed exactly, of the plume that emits most, in each bin; on it
    stand the surface itself and those between which it is interpolated. What else the surface lacks is found over
    itself, for a few pairs.
    """
    surfaces = tables.surfaces
    lacking = np.zeros((len(surfaces.own), tiles.BANDS * tiles.SECTORS), dtype=np.float32)
    if surfaces.tabulated:
        return lacking
    member = tables.strongest(1)[0]
    degree, distance = _parts_of_bins(tables.distance)
    # a few pairs that are computed over each surface itself
    few = np.arange(0.0, 360.0, 360.0 / _DIRECTIONS), np.full(_DIRECTIONS, distance[len(distance) // 2])

    def dry(over: inputs.Receptors, degree: np.ndarray, distance: np.ndarray) -> np.ndarray:
        return tables.ring(member, degree, distance, over, tables.reference)[..., 1] * distance**2  # alike in weight

    own, nodes = (dry(tables.prepared.receptors.at(rows), *few).sum(axis=1) for rows in (surfaces.own, surfaces.member))
    level = _ratio(own, (surfaces.shares * nodes[surfaces.neighbours]).sum(axis=1)[surfaces.own])
    use = tables.prepared.receptors.shares.argmax(axis=1)
    rough = np.log(tables.prepared.receptors.values[:, inputs.RZ0])
    for one_use in np.unique(use[surfaces.own]):
        which = np.flatnonzero(use[surfaces.own] == one_use)
        rows = surfaces.own[which]
        around, shares = rough[surfaces.member[surfaces.neighbours[rows]]], surfaces.shares[rows]
        both = np.concatenate((rough[rows], around[shares != 0.0]))
        steps = int(np.clip(np.ceil(np.ptp(both) / _LADDER), 1, _MOST_STEPS))
        ladder = np.linspace(both.min(), both.max() + 1e-9, steps + 1)
        over = tables.prepared.receptors.at(np.full(steps + 1, rows[0]))
        over.values[:, inputs.RZ0] = np.exp(ladder)
        parts = dry(over, degree, distance).reshape(steps + 1, tiles.BANDS, _PARTS[0], tiles.SECTORS, _PARTS[1])
        rungs = np.column_stack((parts.sum(axis=(2, 4)).reshape(steps + 1, -1), dry(over, *few).sum(axis=1)))
        between = sum(s[:, None] * _on_ladder(rungs, ladder, z) for s, z in zip(shares.T, around.T, strict=True))
        ratio = _ratio(_on_ladder(rungs, ladder, rough[rows]), between)
        lacking[which] = ratio[:, :-1] / ratio[:, -1:] * level[which, None] - 1.0
    return lacking


def _parts_of_bins(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions [degree] and distances [m] of the middles of the parts of all bands and sectors.

    Order: band, part of it, sector, part of it; sectors lie around their direction.
    """
    edges = lookup.nodes(distance[0], distance[-1], tiles.BANDS * _PARTS[0] + 1)
    parts = tiles.SECTORS * _PARTS[1]
    degree = ((np.arange(parts) + 0.5) * (360.0 / parts) - 180.0 / tiles.SECTORS) % 360.0
    return np.tile(degree, len(edges) - 1), np.repeat(np.sqrt(edges[1:] * edges[:-1]), parts)


def _on_ladder(rungs: np.ndarray, ladder: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values of evenly spaced rungs (rungs, bins) at places on the ladder, its ends beyond, (places, bins)."""
    position = np.clip((at - ladder[0]) / (ladder[1] - ladder[0]), 0.0, len(ladder) - 1.0)
    below = np.minimum(position.astype(int), len(ladder) - 2)
    share = (position - below)[:, None]
    return (1.0 - share) * rungs[below] + share * rungs[below + 1]


def _ratio(exact: np.ndarray, found: np.ndarray) -> np.ndarray:
    """exact/found; 1 where it says nothing, because dry deposition changes sign."""
    ratio = np.where(exact * found > 0.0, exact / np.where(found == 0.0, 1.0, found), 1.0)
    return np.where((ratio > 0.1) & (ratio < 10.0), ratio, 1.0)

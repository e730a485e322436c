"""Tables of exact results: one plume by direction and distance, and what surfaces and paths change of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg

from kernels.nitrogen.exact import inputs
from kernels.nitrogen.fast import lookup, path, surface, tiles
from twin.nitrogen.fast.classes import kinds_of, surfaces_of
from twin.nitrogen.fast.ground import Ground
from twin.nitrogen.fast.own_surface import lacking_of

__all__ = ["MERGED", "Run", "Tables", "between_nodes", "total_nitrogen"]

# sides away from a square of sub-sources at which it goes as one: the model divides no source farther than that
MERGED = 2.0

_NEAREST = 50.0  # m, no table begins nearer
_NEAR_ON_MAPS = 500.0  # m; nearer sources rule a receptor's total, and are few: exact where surfaces differ
_NEAR_SHARE = 0.125  # of what tables cost that the exact near field on maps may cost, where that makes it wider
_SAMPLED = 700  # sources, and receptors, between which distances are sampled
_PER_E_FOLD = 10.0  # table distances per factor e
_STATIONS = 8  # distances at which the response to the path is tabulated
_CHANGES_PER_E_FOLD = 5.0  # distances at which what surfaces change is tabulated, per factor e
_PATHS, _PIVOTS = 150, 12  # sampled for the response of results to the path: paths, directions and distances
_SOURCES_OF_PATHS = 1000  # at random, among which paths of a length are sought
_BANDS = 3  # of distances at which it is sampled
_SAMPLED_PLUMES = 4  # whose response to the path chooses the strengths
_MORE_PATHS = 33  # tabulated beyond as many as the response has terms
_MOST_PIVOTS = 1 + path.TERMS + _MORE_PATHS  # and the reference
_DAMPING = 0.01  # of the polynomials' coefficients, in pivots: strengths are of order one
_ROUGH = 0.3  # m, roughness under a source from which on its response to the path is its own
_MANY = 1000  # sources whose errors average out at a receptor
_APART, _APART_OF_FEW = 3.0, 6.0  # diagonals of a tile between it and a source that is far
# relative error of interpolation between two table distances that ends the near field; of many sources, as a share of
# the most that one brings
_SMOOTH = 0.01

Run = Callable[[Any], tuple[np.ndarray, np.ndarray, np.ndarray, float, int]]


def total_nitrogen(out: np.ndarray, mass_ratio: float) -> np.ndarray:
    """Dry and wet deposition of primary and secondary species as primary mass [ug m-2 h-1]; ``out`` (..., OUTPUTS)."""
    return out[..., 1] + out[..., 2] + (out[..., 4] + out[..., 5]) / mass_ratio


class Tables:
    """The classes of one computation and the tables of its plumes, made when they are asked for."""

    def __init__(self, prepared: Any, run: Run) -> None:
        self.prepared, self.run = prepared, run
        values, places = prepared.sources.values, prepared.receptors.values
        self.surfaces = surfaces_of(prepared.receptors)
        self.kinds = kinds_of(prepared.sources)
        x, y = places[:, inputs.RX], places[:, inputs.RY]
        sx, sy = values[:, inputs.SX], values[:, inputs.SY]
        self.box = np.array(
            (min(x.min(), sx.min()), max(x.max(), sx.max()), min(y.min(), sy.min()), max(y.max(), sy.max()))
        )
        self.uniform = bool(prepared.maps.uniform)
        self.few = len(values) < _MANY
        self.rng = np.random.default_rng(20051)
        span = float(np.hypot(self.box[1] - self.box[0], self.box[3] - self.box[2]))
        nearest = _NEAREST if self.uniform else _NEAR_ON_MAPS
        self.reach = float(min(prepared.options.reach, max(span, 4.0 * nearest)))
        self._begin_at(nearest)
        if not self.uniform:
            self._begin_at(self._affordable())
        self.ground = Ground(prepared.maps, self.box)
        self.emission = np.abs(values[:, inputs.SQ])
        self.apart = _APART_OF_FEW if self.few else _APART
        self.rough = values[:, inputs.SZ0] >= _ROUGH
        self.reference = prepared.maps.path[0]
        self.made: dict[int, tiles.Plume] = {}
        self.pivots, self.lengths = np.zeros((0, 13)), np.zeros(0)
        self.terms = np.zeros((0, path.TERMS))
        self.strength = np.zeros((0, 0, path.STRENGTHS), dtype=np.float32)
        if not self.uniform:
            self.reference = self._sample_paths(1000)[0].mean(axis=0)
            self._find_strengths()
        self.lacking = lacking_of(self)

    def _begin_at(self, nearest: float) -> None:
        """Distances at which all is tabulated, from the nearest on [m]."""
        self.nearest = nearest
        folds = max(np.log(1.001 * self.reach / nearest), 0.3)
        farthest = nearest * np.exp(folds)
        self.distance = lookup.nodes(nearest, farthest, max(int(np.ceil(_PER_E_FOLD * folds)) + 1, 4))
        self.changing = lookup.nodes(nearest, farthest, max(int(np.ceil(_CHANGES_PER_E_FOLD * folds)) + 1, 3))
        self.stations = lookup.nodes(nearest, farthest, _STATIONS)

    def _affordable(self) -> float:
        """Distance up to which exact pairs cost a share of what tables cost, at least ``_NEAR_ON_MAPS`` [m].

        Errors of few sources do not average out at a receptor; but of few more can be exact.
        """
        plumes = [p for p in range(len(self.kinds.member)) if self.pairs(p) > self.evaluations(p)]
        values, places = self.prepared.sources.values, self.prepared.receptors.values
        rows = np.flatnonzero(np.isin(self.kinds.plume, plumes))
        if rows.size == 0:
            return _NEAR_ON_MAPS
        sources = self.rng.choice(rows, min(rows.size, _SAMPLED), replace=False)
        receptors = self.rng.choice(len(places), min(len(places), _SAMPLED), replace=False)
        dx = values[sources, inputs.SX][:, None] - places[receptors, inputs.RX]
        dy = values[sources, inputs.SY][:, None] - places[receptors, inputs.RY]
        distance = np.maximum(np.hypot(dx, dy), 1.0)
        # a square has sub-sources as in the exact chain; those of the nearest ones are exact in any case
        side = np.maximum(values[sources, inputs.SD], 0.0)[:, None] * (distance > _NEAR_ON_MAPS)
        cost = (2.0 * np.floor(2.0 * side / distance) + 1.0) ** 2 * (rows.size * len(places) / distance.size)
        order = distance.argsort(axis=None)
        spent = np.cumsum(cost.ravel()[order])
        budget = _NEAR_SHARE * sum(self.evaluations(p) for p in plumes)
        last = min(int(np.searchsorted(spent, budget)), len(order) - 1)
        return max(_NEAR_ON_MAPS, min(float(distance.ravel()[order[last]]), 0.5 * self.reach))

    def pairs(self, plume: int) -> float:
        """Pairs of a plume within reach, about."""
        width, height = self.box[1] - self.box[0], self.box[3] - self.box[2]
        within = min(1.0, np.pi * self.reach**2 / max(width * height, 1.0))
        return np.count_nonzero(self.kinds.plume == plume) * len(self.prepared.receptors.values) * within

    def evaluations(self, plume: int) -> int:
        """Exact pairs that the tables of a plume take."""
        anchors, full = len(self.surfaces.anchors.surface), int(self.surfaces.anchors.table.max()) + 1
        changed = len(self.kinds.kinds[plume]) * len(self.surfaces.member) + full
        changes = changed * 360 // surface.SECTOR * len(self.changing)
        response = 0 if self.uniform else 2 * _MOST_PIVOTS * 360 // path.TURN * _STATIONS
        distances = len(self.distance) + (full - 1) * (len(self.distance) // 2 + 1)
        return 360 * distances + anchors * response + changes

    def plume(self, plume: int) -> tiles.Plume:
        """Tables of a plume as the kernel takes them, made once."""
        if plume not in self.made:
            self.made[plume] = self._make(plume)
        return self.made[plume]

    def _make(self, plume: int) -> tiles.Plume:
        member = int(self.kinds.member[plume])
        anchors = self.surfaces.member[self.surfaces.anchors.surface]
        full = anchors[: int(self.surfaces.anchors.table.max()) + 1]
        values = self._values(member, full)
        changes = self._changes(plume, member)
        if len(changes):
            values[..., lookup.COLUMNS - 1] = values[..., 0]
        return tiles.Plume(
            values,
            self.surfaces.anchors.table,
            changes,
            self._responses(plume, anchors),
            self.surfaces.anchors.which,
            self.lacking,
            float(np.log(self.distance[0])),
            (len(self.distance) - 1) / float(np.log(self.distance[-1] / self.distance[0])),
            self.reach,
            self.apart,
            self.strength,
            self.ground.frame,
        )

    def ring(
        self, member: int, degree, distance, over: inputs.Receptors, along: np.ndarray, divided: bool = False
    ) -> np.ndarray:
        """Exact results per g/s of one source, (receptors, pairs, OUTPUTS), at pairs of wind direction and distance.

        ``over``: receptors whose surfaces are taken, each at all pairs; ``along`` (13,): what lies on every path;
        ``divided``: an area by its sub-sources where the model has them, not as a whole.
        """
        return self.rings(member, degree, distance, over, along[None], divided)[0]

    def rings(
        self, member: int, degree, distance, over: inputs.Receptors, along: np.ndarray, divided: bool = False
    ) -> np.ndarray:
        """As :meth:`ring` for each of several paths ``along`` (paths, 13): (paths, receptors, pairs, OUTPUTS)."""
        sources, count = self.prepared.sources, len(over.values)
        values = sources.values[[member]].copy()
        inside = distance < abs(values[0, inputs.SD])
        if inside.any() and not inside.all():
            out = np.empty((len(along), count, len(degree), inputs.OUTPUTS))
            for some in (inside, ~inside):
                out[:, :, some] = self.rings(member, degree[some], distance[some], over, along, divided)
            return out
        values[:, inputs.SX] = values[:, inputs.SY] = 0.0
        values[:, inputs.SQ], values[:, inputs.SREACH] = 1.0, np.inf
        codes = sources.codes[[member]].copy()
        codes[:, 2] = 0
        # nearer than its side an area's pairs are exact, and the table is only a formality
        subdivide = divided and self.prepared.options.subdivide and not inside.all()
        bearing = np.radians(degree - 180.0)
        number = np.tile(np.repeat(np.arange(count), len(degree)), len(along))
        where = over.at(number)
        where.values[:, inputs.RX] = np.tile(np.sin(bearing) * distance, len(along) * count)
        where.values[:, inputs.RY] = np.tile(np.cos(bearing) * distance, len(along) * count)
        where.values[:, inputs.RWEIGHT] = 1.0
        each = np.repeat(along, count * len(degree), axis=0)
        ring = self.prepared._replace(
            sources=sources._replace(values=values, codes=codes),
            receptors=where,
            maps=self.prepared.maps._replace(uniform=True, path=each),
            options=self.prepared.options._replace(cell=0.0, subdivide=subdivide, merged=MERGED, reach=np.inf),
        )
        return self.run(ring)[0].reshape(len(along), count, len(degree), inputs.OUTPUTS)

    def near(self, plume: int, tables: tiles.Plume) -> float:
        """Distance within which interpolation in the table is not good enough, or the surroundings are too near [m]."""
        member = int(self.kinds.member[plume])
        values = self.prepared.sources.values[self.kinds.plume == plume]
        least = max(self.nearest, np.abs(values[:, inputs.SD]).max(), 2.0 * self.prepared.options.cell)
        between = np.sqrt(self.distance[1:] * self.distance[:-1])
        degree = np.arange(7.0, 360.0, 15.0)
        anchor = self.surfaces.member[self.surfaces.anchors.surface[:1]]
        out = self.ring(
            member,
            np.tile(degree, len(between)),
            np.repeat(between, len(degree)),
            self.prepared.receptors.at(anchor),
            self.reference,
            divided=True,
        )
        ratio = self.prepared.substance.mass_ratio
        exact = total_nitrogen(out[0].reshape(len(between), len(degree), -1), ratio) * between[:, None] ** 2
        lines = tables.values[0].reshape(360, len(self.distance), -1)[degree.astype(int)].astype(float)
        lines = total_nitrogen(lines, ratio).T
        error = np.abs(0.5 * (lines[1:] + lines[:-1]) - exact) / np.maximum(np.abs(exact), 1e-300)
        # in most directions: the chain has steps at all distances
        typical = np.median(error, axis=1)
        if not self.few:
            # where a high plume has not come down yet, other sources rule
            brought = np.abs(exact).mean(axis=1) / between**2
            typical *= brought / max(float(brought.max()), 1e-300)
        bad = np.flatnonzero(typical > _SMOOTH)
        bad = bad[between[bad] < 2000.0]
        return float(max(least, self.distance[bad[-1] + 1] if bad.size else 0.0))

    def strongest(self, count: int) -> list[int]:
        """Sources that stand for the plumes that emit most."""
        emission = np.bincount(self.kinds.plume, self.emission, minlength=len(self.kinds.member))
        return [int(m) for m in self.kinds.member[np.argsort(-emission)[:count]]]

    def _values(self, member: int, anchors: np.ndarray) -> np.ndarray:
        """Values over surfaces: over the first at every distance, over others at every second one (and the last).

        At those between, the ratio to the first surface is interpolated: it varies less with distance than values do.
        """
        count = len(self.distance)
        values = np.zeros((len(anchors), 360, count, lookup.COLUMNS), dtype=np.float32)
        some = np.union1d(np.arange(0, count, 2), count - 1)
        for surfaces, nodes in ((slice(0, 1), np.arange(count)), (slice(1, None), some)):
            degree = np.repeat(np.arange(360.0), len(nodes))
            distance = np.tile(self.distance[nodes], 360)
            out = self.ring(
                member, degree, distance, self.prepared.receptors.at(anchors[surfaces]), self.reference, divided=True
            )
            out = (out * distance[:, None] ** 2).reshape(len(out), 360, len(nodes), inputs.OUTPUTS)
            values[surfaces, :, nodes, : inputs.OUTPUTS] = out
        between = np.setdiff1d(np.arange(count), some)
        for s in range(1, len(anchors)):
            values[s][:, between] = between_nodes(values[s], values[0], between)
        return values.reshape(len(anchors), 360 * count, lookup.COLUMNS)

    def _coarsely(self, member: int, receptors: np.ndarray) -> np.ndarray:
        degree = np.repeat(np.arange(0.0, 360.0, surface.SECTOR), len(self.changing))
        distance = np.tile(self.changing, 360 // surface.SECTOR)
        return self.ring(member, degree, distance, self.prepared.receptors.at(receptors), self.reference)

    def _changes(self, plume: int, member: int) -> np.ndarray:
        """What turns the tables of full resolution into those of each kind of a plume at every surface."""
        kinds, receptors = self.kinds.kinds[plume], self.surfaces.member
        rows = 360 // surface.SECTOR * len(self.changing)
        if len(kinds) == 1 and len(receptors) == 1:
            return np.zeros((0, 0, rows, lookup.COLUMNS), dtype=np.float32)
        anchors = self.surfaces.anchors
        base = self._coarsely(member, receptors[anchors.surface[: int(anchors.table.max()) + 1]])
        changes = np.zeros((len(kinds), len(receptors), rows, lookup.COLUMNS), dtype=np.float32)
        for k, kind in enumerate(kinds):
            results = self._coarsely(int(kind), receptors)
            for s, anchor in enumerate(anchors.which):
                changes[k, s] = surface.change_of(results[s], base[anchors.table[anchor]])
        return changes

    def _responses(self, plume: int, anchors: np.ndarray) -> np.ndarray:
        """Coefficients of the path's polynomial, of kinds on smooth and on rough ground, by least squares over pivots.

        Paths of about the length in question weigh most: long paths are mixtures, short ones are not.
        """
        count, turns = len(anchors), 360 // path.TURN
        response = np.zeros((2, count, turns, _STATIONS, path.RESPONSES, path.TERMS + 2), dtype=np.float32)
        if self.uniform:
            return _between_stations(response)
        rows = np.flatnonzero(self.kinds.plume == plume)
        z0 = np.log(self.prepared.sources.values[:, inputs.SZ0])
        degree = np.repeat(np.arange(turns) * float(path.TURN), _STATIONS)
        distance = np.tile(self.stations, turns)
        for ground in (False, True):
            like = rows[self.rough[rows] == ground]
            if like.size == 0:
                continue
            # the source nearest to the mean roughness under what is emitted
            middle = np.average(z0[like], weights=self.emission[like] + 1e-300)
            member = int(like[np.argmin(np.abs(z0[like] - middle))])
            results = self.rings(
                member, degree, distance, self.prepared.receptors.at(anchors), np.vstack((self.reference, self.pivots))
            )
            logs = _responses_of(results[1:], results[0])
            logs = logs.reshape(len(logs), count, turns, _STATIONS, path.RESPONSES)
            for i, station in enumerate(self.stations):
                weight = np.exp(-0.5 * np.log(self.lengths / station) ** 2) + 0.01
                solver = _least_squares(self.terms, weight)
                at = response[int(ground), :, :, i]
                at[..., : path.TERMS] = np.moveaxis(np.tensordot(solver, logs[..., i, :], axes=1), 0, -1)
                # no path changes more than those that were tabulated
                at[..., path.TERMS] = logs[..., i, :].min(axis=0)
                at[..., path.TERMS + 1] = logs[..., i, :].max(axis=0)
        for missing in (0, 1):
            if not (self.rough[rows] == bool(missing)).any():
                response[missing] = response[1 - missing]
        return _between_stations(response)

    def _sample_paths(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Means over paths to receptors from sources at log-uniform distance, and their lengths.

        Half of the receptors are drawn so that each land use comes alike: what is rare has paths of its own.
        """
        values, places = self.prepared.sources.values, self.prepared.receptors.values
        use = self.prepared.receptors.shares.argmax(axis=1)
        balanced = 1.0 / np.bincount(use)[use]
        rows = self.rng.choice(len(places), count, p=0.5 / len(places) + 0.5 * balanced / balanced.sum())
        some = self.rng.choice(len(values), min(len(values), _SOURCES_OF_PATHS), replace=False)
        rx, ry = places[rows, inputs.RX], places[rows, inputs.RY]
        sx, sy = values[some, inputs.SX], values[some, inputs.SY]
        wanted = self.rng.uniform(np.log(self.nearest), np.log(self.distance[-1]), count)
        length = np.maximum(np.hypot(rx[:, None] - sx, ry[:, None] - sy), 1.0)
        chosen = np.abs(np.log(length) - wanted[:, None]).argmin(axis=1)
        return self.ground.path(*self.ground.cells(sx[chosen], sy[chosen], rx, ry)), length[np.arange(count), chosen]

    def _find_strengths(self) -> None:
        """Strengths of the ground, pivot paths, and the terms of their polynomials.

        The first strength is the roughness; land uses and background give as many leading singular vectors of what
        they change in the logarithm of exact results over sampled paths. Pivots are sampled paths whose terms
        are as independent as they come (QR with pivoting), and more at random.
        """
        sampled, lengths = self._sample_paths(_PATHS)
        means = np.column_stack((np.log(sampled[:, 0]), sampled[:, 1:10], np.log(sampled[:, 10:])))
        slopes = self._slopes(sampled, means, lengths)
        weights = np.zeros((13, path.STRENGTHS))
        weights[0, 0] = 1.0
        for part, first, number in ((slice(1, 10), 1, path.USES), (slice(10, 13), 1 + path.USES, path.BACKS)):
            effect = slopes[part]
            change = (means[:, part] - means[:, part].mean(axis=0)) @ effect
            direction = np.linalg.svd(change, full_matrices=False)[2][:number]
            weights[part, first : first + number] = effect @ direction.T
        strengths = means @ weights
        origin = 0.5 * (strengths.max(axis=0) + strengths.min(axis=0))
        size = 0.5 * np.ptp(strengths, axis=0)
        # a strength of rounding errors is none
        some = size > 1e-9
        weights = np.where(some, weights / np.where(some, size, 1.0), 0.0)
        origin = np.where(some, origin / np.where(some, size, 1.0), 0.0)
        terms = path.polynomial(means @ weights - origin)
        _, _, chosen = scipy.linalg.qr(terms.T, pivoting=True, mode="economic")
        more = self.rng.choice(_PATHS, _MORE_PATHS, replace=False)
        chosen = np.unique(np.concatenate((chosen[: path.TERMS], more)))
        self.pivots, self.lengths, self.terms = sampled[chosen], lengths[chosen], terms[chosen]
        self.strength = self.ground.strengths(weights, origin)

    def _slopes(self, sampled: np.ndarray, means: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """What a unit of each of the 13 properties of a path changes in ln results, (13, directions and distances).

        Of the plumes that emit most; in each band of distances paths of about its lengths weigh most. Land uses act
        by themselves and with the roughness of the path.
        """
        members = self.strongest(_SAMPLED_PLUMES)
        common = self.surfaces.member[self.surfaces.anchors.surface[:1]]
        rough = (means[:, 0] - means[:, 0].mean()) / max(float(means[:, 0].std()), 1e-9)
        shares, back = means[:, 1:10] - means[:, 1:10].mean(axis=0), means[:, 10:] - means[:, 10:].mean(axis=0)
        design = np.column_stack((rough, rough**2, shares, rough[:, None] * shares, back))
        edges = np.exp(np.linspace(np.log(self.distance[0]), np.log(self.distance[-1]), _BANDS + 1))
        paths = np.vstack((sampled, self.reference))
        found = []
        for low, high in pairwise(edges):
            degree = np.floor(self.rng.uniform(0.0, 360.0, _PIVOTS))
            distance = np.exp(self.rng.uniform(np.log(low), np.log(high), _PIVOTS))
            exact = [self.rings(m, degree, distance, self.prepared.receptors.at(common), paths)[:, 0] for m in members]
            results = total_nitrogen(np.concatenate(exact, axis=1), self.prepared.substance.mass_ratio)
            logs = _log_ratio(results[:-1], results[-1])
            weight = np.exp(-0.5 * np.log(lengths / np.sqrt(low * high)) ** 2) + 0.02
            weight /= weight.mean()
            # small damping keeps the slopes of properties alike that vary alike
            damping = 1e-1 * np.sqrt(len(design)) * np.eye(design.shape[1])
            damping *= np.maximum(design.std(axis=0), 1e-3)[:, None]
            centred = (logs - np.average(logs, axis=0, weights=weight)) * weight[:, None]
            target = np.vstack((centred, np.zeros((design.shape[1], logs.shape[1]))))
            fit, *_ = np.linalg.lstsq(np.vstack((design * weight[:, None], damping)), target, rcond=None)
            found.append(fit)
        fit = np.hstack(found)
        slopes = np.zeros((13, 2 * fit.shape[1]))
        slopes[1:10] = np.hstack((fit[2:11], fit[11:20]))
        slopes[10:, : fit.shape[1]] = fit[20:]
        return slopes


def between_nodes(values: np.ndarray, base: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Values at nodes between two others, (directions, nodes, COLUMNS), by the ratio to ``base`` where it has a sense.

    ``values``, ``base`` (directions, distances, COLUMNS); dry deposition may change sign, then values are interpolated.
    """
    low, high = values[:, nodes - 1], values[:, nodes + 1]
    good = (low > 0) & (high > 0) & (base[:, nodes - 1] > 0) & (base[:, nodes + 1] > 0)
    ratio = low / np.where(good, base[:, nodes - 1], 1.0) + high / np.where(good, base[:, nodes + 1], 1.0)
    return 0.5 * np.where(good, ratio * base[:, nodes], low + high)


def _between_stations(response: np.ndarray) -> np.ndarray:
    """Coefficients (..., stations, RESPONSES, TERMS + 2) as the kernel takes them: of two stations side by side."""
    *before, stations, responses, rows = response.shape
    both = np.zeros((*before, stations - 1, rows, 2 * path.FARTHER), dtype=np.float32)
    both[..., :responses] = np.swapaxes(response[..., :-1, :, :], -1, -2)
    both[..., path.FARTHER : path.FARTHER + responses] = np.swapaxes(response[..., 1:, :, :], -1, -2)
    return both


def _least_squares(terms: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What makes coefficients (terms,) of values (paths,) by weighted least squares, (terms, paths).

    Slightly damped, so that terms that few paths tell apart stay small.
    """
    weighted = terms * weight[:, None]
    damped = weighted.T @ weighted + _DAMPING * np.eye(terms.shape[1])
    return np.linalg.solve(damped, weighted.T * weight)


def _responses_of(result: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Logarithms of what a path changes, (..., RESPONSES); ``result``, ``base`` (..., OUTPUTS).

    Where dry deposition is not positive its concentration stands for it.
    """
    deposited = (result[..., 1] > 0) & (base[..., 1] > 0)
    dry = np.where(deposited, _log_ratio(result[..., 1], base[..., 1]), _log_ratio(result[..., 0], base[..., 0]))
    return np.stack((dry, _log_ratio(result[..., 2], base[..., 2]), _log_ratio(result[..., 5], base[..., 5])), axis=-1)


def _log_ratio(value: np.ndarray, base: np.ndarray) -> np.ndarray:
    """ln(value/base), 0 where either is not positive."""
    good = (value > 0) & (base > 0)
    return np.where(good, np.log(np.where(good, value, 1.0)) - np.log(np.where(good, base, 1.0)), 0.0)

"""Fast mode of deposition: the exact chain tabulated, looked up for many pairs, and checked at random ones.

Tables over whole degrees of direction and log distance per plume (height, heat, size, timing of a source) at a few
receptor surfaces; per kind of source (a plume over its own roughness) and receptor surface (roughness, land uses,
background) a coarser table of what these change; what lies on the path is a tabulated response to its mean strengths,
see :mod:`kernels.nitrogen.fast.lookup`. Near a source, and where tables would cost more than
the pairs themselves, the exact chain runs. All choices follow from the problem, and the error is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.linalg
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from kernels.nitrogen.exact import pairs
from kernels.nitrogen.fast import lookup
from twin.errors import ConfigError

__all__ = ["run_fast"]

_NEAREST = 50.0  # m, no table begins nearer
_NEAR_ON_MAPS = 1000.0  # m; nearer sources rule a receptor's total, and are few: exact where surfaces differ
_PER_E_FOLD = 12.0  # table distances per factor e
_MOST_SURFACES = 96  # receptor surfaces; more are grouped
_MOST_PLUMES = 64  # plumes; more are grouped
_MOST_KINDS = 64  # kinds of sources; more are grouped
_AT_ONCE = 8  # surfaces whose tables are composed at a time, so that they stay in the cache (7 MB)
_ANCHORS = 3  # receptor surfaces with tables of full resolution
_PATHS, _PIVOTS = 200, 16  # sampled for the response of results to the path: paths, directions and distances
_STATIONS = 12  # distances at which the response to the path is tabulated
_CHANGES = 10  # distances at which what surfaces change is tabulated
_SAMPLED_PLUMES = 4  # whose response to the path chooses the strengths
_ROUGH = 0.3  # m, roughness under a source from which on its response to the path is its own
_MORE_PATHS = 33  # tabulated beyond as many as the response has terms
_SMOOTH = 0.01  # relative error of interpolation between two table distances that ends the near field
# scales in which an equal difference matters about equally
_SURFACE_SCALES = {"height": 4.0, "z0": 1.0, "nh3": 1.0, "so2": 4.0, "shares": 0.5}

Run = Callable[[Any], tuple[np.ndarray, np.ndarray, np.ndarray, float, int]]


class _Classes(NamedTuple):
    """Groups of rows: a member that stands for each, and the group of every row."""

    member: np.ndarray
    which: np.ndarray


class _Table(NamedTuple):
    """One plume: results at the anchor surfaces, and from where they hold."""

    values: np.ndarray  # (anchors, 360*nodes, COLUMNS) float32
    coarse: np.ndarray  # (anchors, 360/SECTOR*_CHANGES, OUTPUTS) results where changes are tabulated
    near: float  # m


class _Ground:
    """The maps that paths cross, on the cells of the finest of them, over the region of sources and receptors."""

    def __init__(self, maps: pairs.Maps, box: np.ndarray) -> None:
        frames = [
            frame
            for frame, shape in (
                (maps.z0_frame, maps.log_z0.shape),
                (maps.use_frame, maps.use.shape),
                (maps.back_frame, maps.back.shape[1:]),
            )
            if shape != (1, 1)
        ]
        self.frame = min(frames or [maps.z0_frame], key=lambda frame: frame[2] * frame[3]).astype(float).copy()
        dx, dy = self.frame[2:]
        self.frame[0] += (np.floor((box[0] - self.frame[0]) / dx) - 1) * dx
        self.frame[1] -= (np.floor((self.frame[1] - box[3]) / dy) - 1) * dy
        columns = int((box[1] - self.frame[0]) / dx) + 2 if frames else 1
        rows = int((self.frame[1] - box[2]) / dy) + 2 if frames else 1
        x = self.frame[0] + (np.arange(columns) + 0.5) * dx
        y = self.frame[1] - (np.arange(rows) + 0.5) * dy
        x, y = np.meshgrid(x, y)
        self.log_z0 = _at(maps.log_z0, maps.z0_frame, x, y)
        self.use = _at(maps.use, maps.use_frame, x, y)
        back = [_at(layer, maps.back_frame, x, y) for layer in maps.back]
        self.back = np.stack([np.where(b > 0, b, mean) for b, mean in zip(back, maps.back_mean, strict=True)])

    def cells(self, sx, sy, rx, ry) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the points of paths, (paths, PATH_POINTS)."""
        f = np.linspace(0.0, 1.0, lookup.PATH_POINTS)
        column = ((rx[:, None] + (sx - rx)[:, None] * f - self.frame[0]) / self.frame[2]).astype(int)
        row = ((self.frame[1] - ry[:, None] - (sy - ry)[:, None] * f) / self.frame[3]).astype(int)
        return row, column

    def path(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Means as the exact chain takes them: roughness length, land-use shares, NH3, SO2, NO2; (paths, 13)."""
        out = np.empty((len(row), 13))
        out[:, 0] = np.exp(self.log_z0[row, column].mean(axis=1))
        for lu in range(1, 10):
            out[:, lu] = (self.use[row, column] == lu).mean(axis=1)
        out[:, 10:] = self.back[:, row, column].mean(axis=2).T
        return out

    def features(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Means over paths of what a deposition velocity depends on, (paths, features)."""
        use, log_z0 = self.use[row, column], self.log_z0[row, column]
        shares = [(use == lu).mean(axis=1) for lu in range(1, 10)]
        rough = [((use == lu) * log_z0).mean(axis=1) for lu in range(1, 10)]
        rest = [(log_z0**2).mean(axis=1), *self.back[:, row, column].mean(axis=2)]
        return np.column_stack((*shares, *rough, *rest))

    def strengths(self, origin: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(features - origin) weights of every cell, (BANDS, ny, nx) complex64; ``weights`` (features, columns)."""
        out = np.zeros((weights.shape[1], *self.use.shape))
        for m, w in enumerate(weights.T):
            out[m] = (
                w[self.use - 1]
                + w[8 + self.use] * self.log_z0
                + w[18] * self.log_z0**2
                + np.tensordot(w[19:], self.back, axes=1)
                - origin @ w
            )
        return (out[0::2] + 1j * out[1::2]).astype(np.complex64)


def _at(values: np.ndarray, frame: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values of a map at points, of its nearest cell outside it."""
    column = np.clip(np.floor((x - frame[0]) / frame[2]).astype(int), 0, values.shape[1] - 1)
    row = np.clip(np.floor((frame[1] - y) / frame[3]).astype(int), 0, values.shape[0] - 1)
    return values[row, column]


def _classes(exact: np.ndarray, scaled: np.ndarray, most: int) -> _Classes:
    """Rows alike in ``exact`` and ``scaled``; where these are more than ``most``, rows near in ``scaled``."""
    both = pd.DataFrame(np.column_stack((exact, scaled)))
    both = both.loc[:, (both != both.iloc[0]).any()]
    if both.shape[1] == 0:
        return _Classes(np.zeros(1, dtype=np.int64), np.zeros(len(both), dtype=np.int64))
    which = both.groupby(list(both.columns), sort=False).ngroup().to_numpy()
    _, first = np.unique(which, return_index=True)
    if len(first) <= most:
        return _Classes(first, which)
    _, group = np.unique(exact, axis=0, return_inverse=True)
    group = np.ravel(group)
    member: list[int] = []
    number = np.empty(len(both), dtype=np.int64)
    for g in range(group.max() + 1):
        rows = np.flatnonzero(group == g)
        count = max(1, round(most * len(np.unique(which[rows])) / len(first)))
        _, label = kmeans2(scaled[rows], min(count, len(rows)), minit="++", seed=1, missing="warn")
        for c in np.unique(label):
            inside = rows[label == c]
            number[inside] = len(member)
            member.append(int(inside[np.argmin(((scaled[inside] - scaled[inside].mean(axis=0)) ** 2).sum(axis=1))]))
    return _Classes(np.array(member), number)


def _surface_scaled(receptors: pairs.Receptors) -> np.ndarray:
    """What a receptor's surface is, in scales in which an equal difference matters about equally."""
    values = receptors.values
    return np.column_stack(
        (
            np.log(values[:, pairs.RZ]) * _SURFACE_SCALES["height"],
            np.log(values[:, pairs.RZ0]) / _SURFACE_SCALES["z0"],
            np.log(values[:, pairs.RNH3]) / _SURFACE_SCALES["nh3"],
            np.log(values[:, pairs.RSO2]) / _SURFACE_SCALES["so2"],
            receptors.shares / _SURFACE_SCALES["shares"],
        )
    )


def _surfaces(receptors: pairs.Receptors) -> _Classes:
    return _classes(np.zeros((len(receptors.values), 1)), _surface_scaled(receptors), _MOST_SURFACES)


def _kinds(sources: pairs.Sources) -> tuple[_Classes, _Classes]:
    """Kinds of sources, and the plumes of these kinds: alike but for the roughness under them."""
    values, codes = sources.values, sources.codes
    continuous = [pairs.SHEAT, pairs.SDIAM, pairs.SVEL, pairs.STEMP, pairs.SS, pairs.SD]
    plain = np.nan_to_num(values[:, continuous], nan=-1.0)
    plume = np.column_stack((4.0 * np.log(values[:, pairs.SH]), np.sign(plain) * np.log1p(np.abs(plain))))
    exact = np.column_stack(
        (
            codes[:, 1],
            codes[:, 3],
            values[:, pairs.SBUOY],
            np.isnan(values[:, pairs.SVEL]),
            np.sign(values[:, pairs.SD]),
        )
    )
    plumes = _classes(exact, plume, _MOST_PLUMES)
    rough = 0.5 * np.log(values[:, [pairs.SZ0]])
    kinds = _classes(plumes.which[:, None].astype(float), rough, _MOST_KINDS)
    emission = np.bincount(kinds.which, np.abs(values[:, pairs.SQ]))
    of = plumes.which[kinds.member]
    # a plume stands over the roughness of its kind that emits most
    first = np.array([kinds.member[of == p][np.argmax(emission[of == p])] for p in range(len(plumes.member))])
    return kinds, _Classes(first, of)


def _anchors(receptors: pairs.Receptors, surfaces: _Classes) -> _Classes:
    """Surfaces that stand for all others in the tables of full resolution: the most common first."""
    number = np.bincount(surfaces.which)
    scaled = _surface_scaled(receptors)[surfaces.member]
    count = min(_ANCHORS, len(number))
    chosen = [int(number.argmax())]
    while len(chosen) < count:
        apart = ((scaled[:, None] - scaled[chosen]) ** 2).sum(axis=-1).min(axis=1)
        chosen.append(int((apart * np.sqrt(number)).argmax()))
    nearest = ((scaled[:, None] - scaled[chosen]) ** 2).sum(axis=-1).argmin(axis=1)
    return _Classes(np.array(chosen), nearest)


def _order(x: np.ndarray, y: np.ndarray, cell: float = 2000.0) -> np.ndarray:
    """Order that keeps neighbours together: along bands, every second one backwards."""
    band = np.floor(y / cell)
    return np.lexsort((np.where(band % 2 == 0, x, -x), band))


def total_nitrogen(out: np.ndarray, mass_ratio: float) -> np.ndarray:
    """Dry and wet deposition of primary and secondary species as primary mass [ug m-2 h-1]; ``out`` (..., OUTPUTS)."""
    return out[..., 1] + out[..., 2] + (out[..., 4] + out[..., 5]) / mass_ratio


class _Fast:
    """One computation: its classes, its tables and their use."""

    def __init__(self, prepared: Any, run: Run) -> None:
        self.prepared, self.run = prepared, run
        values, places = prepared.sources.values, prepared.receptors.values
        self.surfaces = _surfaces(prepared.receptors)
        self.kinds, self.plumes = _kinds(prepared.sources)
        self.anchors = _anchors(prepared.receptors, self.surfaces)
        x, y = places[:, pairs.RX], places[:, pairs.RY]
        self.box = np.array(
            (
                min(x.min(), values[:, pairs.SX].min()),
                max(x.max(), values[:, pairs.SX].max()),
                min(y.min(), values[:, pairs.SY].min()),
                max(y.max(), values[:, pairs.SY].max()),
            )
        )
        span = float(np.hypot(self.box[1] - self.box[0], self.box[3] - self.box[2]))
        self.far = float(min(prepared.options.reach, max(span, 4.0 * _NEAREST)))
        count = int(np.ceil(_PER_E_FOLD * np.log(1.001 * self.far / _NEAREST))) + 1
        self.distance = lookup.nodes(_NEAREST, 1.001 * self.far, max(count, 4))
        self.per_log = (len(self.distance) - 1) / np.log(self.distance[-1] / self.distance[0])
        self.rng = np.random.default_rng(20051)
        self.uniform = bool(prepared.maps.uniform)
        self.ground = _Ground(prepared.maps, self.box)
        self.stations = lookup.nodes(self.distance[0], self.distance[-1], _STATIONS)
        self.made: dict[int, _Table] = {}
        self.responses: dict[int, np.ndarray] = {}
        self.emission = np.bincount(self.kinds.which, np.abs(values[:, pairs.SQ]))
        self.changed: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        few = min(_AT_ONCE, len(self.surfaces.member))
        self.composed = np.zeros((few, 360 * len(self.distance), lookup.COLUMNS), dtype=np.float32)
        self.scratch = np.zeros((few, 360 // lookup.SECTOR, len(self.distance), 2, lookup.COLUMNS), dtype=np.float32)
        self.reference = prepared.maps.path
        self.pivots, self.lengths = np.zeros((0, 13)), np.zeros(0)
        self.terms = np.zeros((lookup.BANDS, 0, lookup.TERMS))
        self.strength = np.zeros((0, 0, 0), dtype=np.complex64)
        if not self.uniform:
            self.reference = self.ground.path(*self._sample_paths(1000)[:2]).mean(axis=0)
            self._find_strengths()

    def evaluations(self, plume: int) -> int:
        """Exact pairs that the tables of a plume take."""
        kinds = int((self.plumes.which == plume).sum())
        changes = (kinds * len(self.surfaces.member) + len(self.anchors.member)) * 360 // lookup.SECTOR * _CHANGES
        response = (len(self.pivots) + 1) * 360 // lookup.TURN * _STATIONS
        return len(self.anchors.member) * (360 * len(self.distance) + 2 * response) + changes

    def _sample_paths(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows and columns of paths from random sources to points at log-uniform distance in the region; lengths."""
        values, box = self.prepared.sources.values, self.box
        chosen = self.rng.integers(0, len(values), count)
        angle = self.rng.uniform(0.0, 2.0 * np.pi, count)
        distance = np.exp(self.rng.uniform(np.log(_NEAREST), np.log(self.far), count))
        sx, sy = values[chosen, pairs.SX], values[chosen, pairs.SY]
        rx = np.clip(sx + distance * np.sin(angle), box[0], box[1])
        ry = np.clip(sy + distance * np.cos(angle), box[2], box[3])
        return *self.ground.cells(sx, sy, rx, ry), np.maximum(np.hypot(rx - sx, ry - sy), 1.0)

    def _ring(self, member: int, degree: np.ndarray, distance: np.ndarray, surfaces: np.ndarray, path: np.ndarray):
        """Exact results per g/s of one source, (surfaces, pairs, OUTPUTS), at pairs of wind direction and distance."""
        sources, receptors = self.prepared.sources, self.prepared.receptors
        values = sources.values[[member]].copy()
        values[:, pairs.SX] = values[:, pairs.SY] = 0.0
        values[:, pairs.SQ], values[:, pairs.SREACH] = 1.0, np.inf
        codes = sources.codes[[member]].copy()
        codes[:, 2] = 0
        bearing = np.radians(degree - 180.0)
        places = np.repeat(receptors.values[surfaces], len(degree), axis=0)
        places[:, pairs.RX] = np.tile(np.sin(bearing) * distance, len(surfaces))
        places[:, pairs.RY] = np.tile(np.cos(bearing) * distance, len(surfaces))
        places[:, pairs.RWEIGHT] = 1.0
        shares = np.repeat(receptors.shares[surfaces], len(degree), axis=0)
        ring = self.prepared._replace(
            sources=sources._replace(values=values, codes=codes),
            receptors=pairs.Receptors(places, shares),
            maps=self.prepared.maps._replace(uniform=True, path=path),
            options=self.prepared.options._replace(subdivide=False, reach=np.inf),
        )
        out = self.run(ring)[0]
        return out.reshape(len(surfaces), len(degree), pairs.OUTPUTS)

    def plume(self, plume: int) -> _Table:
        """Tables of a plume, made once."""
        if plume not in self.made:
            self.made[plume] = self._make(int(self.plumes.member[plume]))
        return self.made[plume]

    def _make(self, member: int) -> _Table:
        degree = np.repeat(np.arange(360.0), len(self.distance))
        distance = np.tile(self.distance, 360)
        anchors = self.surfaces.member[self.anchors.member]
        values = np.zeros((len(anchors), len(degree), lookup.COLUMNS), dtype=np.float32)
        for a, surface in enumerate(anchors):
            out = self._ring(member, degree, distance, np.array([surface]), self.reference)[0]
            values[a, :, : pairs.OUTPUTS] = out * distance[:, None] ** 2
        near = self._near(member, anchors[0], values[0])
        return _Table(values, self._changed(member, anchors), near)

    def _changed(self, member: int, surfaces: np.ndarray) -> np.ndarray:
        """Exact results per g/s where changes are tabulated, (surfaces, 360/SECTOR*_CHANGES, OUTPUTS)."""
        degree = np.repeat(np.arange(0.0, 360.0, lookup.SECTOR), _CHANGES)
        distance = np.tile(lookup.nodes(self.distance[0], self.distance[-1], _CHANGES), 360 // lookup.SECTOR)
        return self._ring(member, degree, distance, surfaces, self.reference)

    def _at_stations(self, member: int, surfaces: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Total nitrogen per g/s at the stations, (surfaces, 360/TURN*stations)."""
        turns = 360 // lookup.TURN
        degree = np.repeat(np.arange(turns) * float(lookup.TURN) + lookup.TURN // 2, _STATIONS)
        out = self._ring(member, degree, np.tile(self.stations, turns), surfaces, path)
        return total_nitrogen(out, self.prepared.substance.mass_ratio)

    def changes(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """What turns the anchors' tables into those of a kind at every surface, and where they do; see ``compose``."""
        if kind in self.changed:
            return self.changed[kind]
        plume = int(self.plumes.which[kind])
        table, member = self.plume(plume), int(self.kinds.member[kind])
        count = len(self.surfaces.member)
        changed = np.ones(count, dtype=np.bool_)
        if member == self.plumes.member[plume]:
            changed[self.anchors.member] = False
        changes = np.zeros((count, 360 // lookup.SECTOR * _CHANGES, 2, lookup.COLUMNS), dtype=np.float32)
        if changed.any():
            results = self._changed(member, self.surfaces.member)
            for s in np.flatnonzero(changed):
                changes[s] = lookup.change_of(results[s], table.coarse[self.anchors.which[s]])
        self.changed[kind] = changes, changed
        return changes, changed

    def tables(self, kind: int, surfaces: np.ndarray) -> np.ndarray:
        """Tables of a kind at some surfaces, (surfaces, 360*nodes, COLUMNS), valid until the next call."""
        changes, changed = self.changes(kind)
        values = self.plume(int(self.plumes.which[kind])).values
        out = self.composed[: len(surfaces)]
        anchor = self.anchors.which[surfaces]
        lookup.compose(values, anchor, changes[surfaces], changed[surfaces], self.scratch[: len(surfaces)], out)
        return out

    def _response(self, member: int, anchors: np.ndarray) -> np.ndarray:
        """Coefficients of the path's polynomial per anchor and station, by least squares over the pivot paths.

        Paths of about the length in question weigh most: long paths are mixtures, short ones are not.
        """
        count, turns = len(anchors), 360 // lookup.TURN
        response = np.zeros((count, lookup.BANDS, turns, _STATIONS, lookup.TERMS), dtype=np.float32)
        if self.uniform:
            return response
        results = [self._at_stations(member, anchors, path) for path in (self.reference, *self.pivots)]
        logs = np.stack([_log_ratio(result, results[0]) for result in results[1:]])
        logs = logs.reshape(len(logs), count, turns, _STATIONS)
        for i, station in enumerate(self.stations):
            weight = np.exp(-0.5 * np.log(self.lengths / station) ** 2) + 0.01
            for band, terms in enumerate(self.terms):
                solver = np.linalg.pinv(terms * weight[:, None], rcond=1e-3) * weight
                response[:, band, :, i] = np.moveaxis(np.tensordot(solver, logs[..., i], axes=1), 0, -1)
        return response

    def response(self, kind: int) -> np.ndarray:
        """Response of a kind: that of the kind of its plume that emits most on like, smooth or rough, ground."""
        values = self.prepared.sources.values
        rough = values[self.kinds.member, pairs.SZ0] >= _ROUGH
        like = np.flatnonzero((self.plumes.which == self.plumes.which[kind]) & (rough == rough[kind]))
        best = int(like[np.argmax(self.emission[like])])
        if best not in self.responses:
            anchors = self.surfaces.member[self.anchors.member]
            self.responses[best] = self._response(int(self.kinds.member[best]), anchors)
        return self.responses[best]

    def _near(self, member: int, surface: int, table: np.ndarray) -> float:
        """Distance within which interpolation in the table is not good enough, or pairs are subdivided [m]."""
        values = self.prepared.sources.values[member]
        least = max(_NEAREST, 2.0 * abs(values[pairs.SD]), 2.0 * self.prepared.options.cell)
        if not self.uniform:
            least = max(least, _NEAR_ON_MAPS)
        between = np.sqrt(self.distance[1:] * self.distance[:-1])
        degree = np.arange(7.0, 360.0, 15.0)
        out = self._ring(
            member,
            np.tile(degree, len(between)),
            np.repeat(between, len(degree)),
            np.array([surface]),
            self.reference,
        )[0].reshape(len(between), len(degree), pairs.OUTPUTS)
        ratio = self.prepared.substance.mass_ratio
        exact = total_nitrogen(out, ratio) * between[:, None] ** 2
        lines = total_nitrogen(table.reshape(360, len(self.distance), -1)[degree.astype(int)].astype(float), ratio).T
        error = np.abs(0.5 * (lines[1:] + lines[:-1]) - exact) / np.maximum(np.abs(exact), 1e-300)
        bad = np.flatnonzero(np.percentile(error, 80, axis=1) > _SMOOTH)
        bad = bad[between[bad] < 2000.0]
        return float(max(least, self.distance[bad[-1] + 1] if bad.size else 0.0))

    def _find_strengths(self) -> None:
        """Strengths of the ground, pivot paths, and the terms of their polynomials.

        For the plumes that emit most: the logarithm of results over those of the reference path, at sampled directions
        and distances, is regressed on the features of sampled paths; its leading singular vectors are the strengths.
        Pivots are sampled paths whose terms are as independent as they come (QR with pivoting).
        """
        plume = self.plumes.which[self.kinds.which]
        emission = np.bincount(plume, np.abs(self.prepared.sources.values[:, pairs.SQ]))
        members = self.plumes.member[np.argsort(-emission)[:_SAMPLED_PLUMES]]
        surface = self.surfaces.member[[int(np.bincount(self.surfaces.which).argmax())]]
        *cells, lengths = self._sample_paths(_PATHS)
        found, sampled = self.ground.features(*cells), self.ground.path(*cells)
        origin, spread = found.mean(axis=0), found.std(axis=0)
        used = spread > 1e-9
        scale = np.where(used, spread, 1.0)
        design = np.where(used, (found - origin) / scale, 0.0)
        edges = np.exp(np.linspace(np.log(self.distance[0]), np.log(self.distance[-1]), lookup.BANDS + 1))
        weights, terms, extremes = [], [], []
        for low, high in pairwise(edges):
            fit, right = self._regress(members, surface, sampled, design, lengths, low, high)
            some = np.where(used[:, None], (fit @ right[: lookup.STRENGTHS].T) / scale[:, None], 0.0)
            size = np.abs((found - origin) @ some).max(axis=0)
            # a strength of rounding errors is none
            some = np.where(size > 1e-6 * size.max(), some / np.maximum(size, 1e-300), 0.0)
            weights.append(some)
            terms.append(lookup.polynomial((found - origin) @ some))
            _, _, chosen = scipy.linalg.qr(terms[-1].T, pivoting=True, mode="economic")
            extremes.append(chosen[: lookup.TERMS])
        more = self.rng.choice(_PATHS, _MORE_PATHS, replace=False)
        chosen = np.unique(np.concatenate((*extremes, more)))
        self.pivots, self.lengths = sampled[chosen], lengths[chosen]
        self.terms = np.stack(terms)[:, chosen]
        self.strength = self.ground.strengths(origin, np.column_stack(weights))

    def _regress(self, members, surface, sampled, design, lengths, low, high) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of results at sampled directions and distances within a band, regressed on the paths' features.

        Paths of about the band's lengths weigh most. Returns coefficients and right singular vectors of the fit.
        """
        degree = np.floor(self.rng.uniform(0.0, 360.0, _PIVOTS))
        distance = np.exp(self.rng.uniform(np.log(low), np.log(high), _PIVOTS))
        ratio = self.prepared.substance.mass_ratio
        results = np.stack(
            [
                np.concatenate(
                    [total_nitrogen(self._ring(m, degree, distance, surface, path)[0], ratio) for m in members]
                )
                for path in (*sampled, self.reference)
            ]
        )
        logs = _log_ratio(results[:-1], results[-1])
        weight = np.exp(-0.5 * np.log(lengths / np.sqrt(low * high)) ** 2) + 0.02
        weight /= weight.mean()
        # small damping keeps the weights of features alike that vary alike
        damping = 1e-2 * np.sqrt(len(design)) * np.eye(design.shape[1])
        centred = (logs - np.average(logs, axis=0, weights=weight)) * weight[:, None]
        target = np.vstack((centred, np.zeros((design.shape[1], logs.shape[1]))))
        fit, *_ = np.linalg.lstsq(np.vstack((design * weight[:, None], damping)), target, rcond=None)
        return fit, np.linalg.svd(design @ fit, full_matrices=False)[2]

    def look_up(self, kind: int, rows: np.ndarray, places: np.ndarray, out: np.ndarray, near: float) -> int:
        """Add the sources ``rows`` of a kind to ``out`` (receptors ``places``, COLUMNS); returns the pairs.

        ``places``: receptors of one surface together.
        """
        values, where = self.prepared.sources.values, self.prepared.receptors.values
        sources = np.ascontiguousarray(
            np.stack((*values[rows][:, [pairs.SX, pairs.SY, pairs.SQ]].T, np.full(len(rows), near**2)))
        )
        x, y = (np.ascontiguousarray(where[places, c]) for c in (pairs.RX, pairs.RY))
        number = np.zeros(len(places), dtype=np.int64)
        which = self.surfaces.which[places]
        present, first = np.unique(which, return_index=True)
        first = np.append(first, len(which))
        for k in range(0, len(present), len(self.composed)):
            some = present[k : k + len(self.composed)]
            part = slice(first[k], first[k + len(some)])
            lookup.look_up(
                x[part],
                y[part],
                *lookup.pieces(np.searchsorted(some, which[part])),
                sources,
                self.tables(kind, some),
                float(np.log(self.distance[0])),
                self.per_log,
                self.far,
                self.strength,
                self.ground.frame,
                self.response(kind),
                self.anchors.which[some],
                out[part],
                number[part],
            )
        return int(number.sum())


def _log_ratio(value: np.ndarray, base: np.ndarray) -> np.ndarray:
    """ln(value/base), 0 where either is not positive."""
    good = (value > 0) & (base > 0)
    return np.where(good, np.log(np.where(good, value, 1.0)) - np.log(np.where(good, base, 1.0)), 0.0)


_NONE = np.zeros(0, dtype=np.int64)
_NOTHING = (
    np.zeros(0),
    np.zeros(0),
    _NONE,
    np.zeros(1, dtype=np.int64),
    np.zeros((4, 0)),
    np.zeros((1, 720, lookup.COLUMNS), dtype=np.float32),
    0.0,
    1.0,
    0.0,
    np.zeros((0, 0, 0), dtype=np.complex64),
    np.zeros(4),
    np.zeros((1, lookup.BANDS, 1, 2, lookup.TERMS), dtype=np.float32),
    _NONE,
    np.zeros((0, lookup.COLUMNS)),
    _NONE,
)
_NO_TABLES = (
    np.zeros((1, 720, lookup.COLUMNS), dtype=np.float32),
    _NONE,
    np.zeros((0, 1, 2, lookup.COLUMNS), dtype=np.float32),
    np.zeros(0, dtype=np.bool_),
    np.zeros((0, 1, 2, 2, lookup.COLUMNS), dtype=np.float32),
    np.zeros((0, 720, lookup.COLUMNS), dtype=np.float32),
)


def run_fast(prepared: Any, run: Run, check: int) -> tuple[np.ndarray, float, int, dict[str, float]]:
    """Sums per receptor and group, CPU seconds, pairs, and the measured error.

    ``prepared``: see :mod:`twin.nitrogen`; ``run``: the exact chain on such. ``check`` pairs, drawn by
    strength, half of them also by distance to the power -2, are recomputed exactly; the estimate is the larger 95th
    percentile of both halves.
    """
    if prepared.options.road_chemistry:
        raise ConfigError("fast mode has no road chemistry; use mode 'exact', or switch the roads' chemistry off")
    nobody = pairs.Receptors(prepared.receptors.values[:0], prepared.receptors.shares[:0])
    run(prepared._replace(receptors=nobody))
    lookup.compose(*_NO_TABLES)
    lookup.look_up(*_NOTHING)  # loads the compiled kernels, so that the time below is that of the computation
    begin = time.process_time()
    sources, receptors = prepared.sources, prepared.receptors
    values, codes = sources.values, sources.codes
    nr = len(receptors.values)
    out = np.zeros((nr, int(codes[:, 2].max()) + 1, pairs.OUTPUTS))
    fast = _Fast(prepared, run)
    share = min(1.0, np.pi * fast.far**2 / max((fast.box[1] - fast.box[0]) * (fast.box[3] - fast.box[2]), 1.0))
    each = np.bincount(fast.kinds.which) * nr * share
    worth = np.array([each[fast.plumes.which == p].sum() > fast.evaluations(p) for p in range(len(fast.plumes.member))])
    often = worth[fast.plumes.which]
    near = np.full(len(values), np.inf)
    count = 0
    places = _order(receptors.values[:, pairs.RX], receptors.values[:, pairs.RY])
    places = places[np.argsort(fast.surfaces.which[places], kind="stable")]
    for kind in (int(k) for k in np.flatnonzero(often)):
        reach = fast.plume(int(fast.plumes.which[kind])).near
        near[fast.kinds.which == kind] = reach
        for group in np.unique(codes[fast.kinds.which == kind, 2]):
            rows = np.flatnonzero((fast.kinds.which == kind) & (codes[:, 2] == group))
            rows = rows[_order(values[rows, pairs.SX], values[rows, pairs.SY])]
            part = np.zeros((nr, lookup.COLUMNS))
            count += fast.look_up(kind, rows, places, part, reach)
            out[places, group] += part[:, : pairs.OUTPUTS]
    # the near field, and kinds that are not worth tables, exactly
    close = values.copy()
    close[:, pairs.SREACH] = near
    rows = np.arange(nr)
    if np.isfinite(near).all():
        tree = cKDTree(receptors.values[:, [pairs.RX, pairs.RY]])
        found = tree.query_ball_point(values[:, [pairs.SX, pairs.SY]], near + 1.0)
        rows = np.unique(np.concatenate([np.asarray(one, dtype=np.int64) for one in found]))
    if rows.size:
        few = pairs.Receptors(receptors.values[rows], receptors.shares[rows])
        exact = run(prepared._replace(sources=sources._replace(values=close), receptors=few))
        out[rows] += exact[0]
        count += exact[4]
    seconds = time.process_time() - begin
    return out, seconds, count, _check(fast, near, check)


def _check(fast: _Fast, near: np.ndarray, check: int) -> dict[str, float]:
    """Relative error of total nitrogen at random pairs from tables, recomputed exactly."""
    if check <= 0:
        return {}
    prepared, rng = fast.prepared, fast.rng
    values, places = prepared.sources.values, prepared.receptors.values
    looked = np.flatnonzero(np.isfinite(near))
    errors: tuple[list[float], list[float]] = ([], [])
    if looked.size:
        per = max(1, min(8, check))
        strength = np.abs(values[looked, pairs.SQ])
        for turn in range(-(-check // per)):
            s = rng.choice(looked, p=strength / strength.sum())
            apart = np.hypot(places[:, pairs.RX] - values[s, pairs.SX], places[:, pairs.RY] - values[s, pairs.SY])
            inside = np.flatnonzero((apart > near[s]) & (apart <= fast.far))
            if inside.size == 0:
                continue
            weight = apart[inside] ** (-2.0 if turn % 2 else 0.0)
            rows = rng.choice(inside, min(inside.size, per), replace=False, p=weight / weight.sum())
            rows = rows[np.argsort(fast.surfaces.which[rows], kind="stable")]
            codes = prepared.sources.codes[[s]].copy()
            codes[:, 2] = 0
            one = prepared._replace(
                sources=prepared.sources._replace(values=values[[s]], codes=codes),
                receptors=pairs.Receptors(places[rows], prepared.receptors.shares[rows]),
            )
            exact = total_nitrogen(fast.run(one)[0][:, 0], prepared.substance.mass_ratio)
            part = np.zeros((len(rows), lookup.COLUMNS))
            fast.look_up(int(fast.kinds.which[s]), np.array([s]), rows, part, near[s])
            found = total_nitrogen(part, prepared.substance.mass_ratio)
            some = exact != 0.0
            errors[turn % 2].extend(np.abs(found[some] / exact[some] - 1.0))
    return {
        "checked_pairs": float(len(errors[0]) + len(errors[1])),
        "error_estimate": max(float(np.percentile(e, 95)) if e else 0.0 for e in errors),
        "error_maximum": max((max(e) for e in errors if e), default=0.0),
        "source_kinds": float(len(fast.kinds.member)),
        "receptor_surfaces": float(len(fast.surfaces.member)),
    }

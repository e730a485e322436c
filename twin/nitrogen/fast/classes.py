"""Which sources share tables, and between which tabulated surfaces each receptor's own is interpolated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from kernels.nitrogen.exact import inputs
from kernels.nitrogen.fast.tiles import NEIGHBOURS

__all__ = ["Anchors", "Kinds", "Surfaces", "anchors_of", "kinds_of", "surfaces_of"]

_MOST_SURFACES = 64  # receptor surfaces that are tabulated; between more it is interpolated
_MOST_PLUMES = 64  # plumes; more are grouped
_MOST_KINDS = 72  # kinds of sources that are tabulated; between the roughnesses of more it is interpolated
_ANCHORS = 12  # receptor surfaces with a response to the path of their own
_TABLES = 8  # of these, with tables of full resolution: the chain has steps by direction over some land uses
_ALIKE = 1.0  # scaled distance within which surfaces are interpolated
_ROUGH = 0.5  # m, roughness of receptors that the chain treats as forest or town
# scales in which an equal difference matters about equally
_SURFACE_SCALES = {"height": 4.0, "z0": 1.0, "nh3": 1.0, "so2": 4.0, "shares": 0.5}


class _Classes(NamedTuple):
    """Groups of rows: a member that stands for each, and the group of every row."""

    member: np.ndarray
    which: np.ndarray


class Anchors(NamedTuple):
    """Surfaces with a response to the path of their own, the first ones with tables of full resolution too."""

    surface: np.ndarray  # (anchors,)
    table: np.ndarray  # (anchors,) int64: the one of the tables that stands for each
    which: np.ndarray  # (surfaces,) int64


class Surfaces(NamedTuple):
    """Tabulated surfaces, and where each receptor's own lies between them."""

    member: np.ndarray  # (surfaces,) a receptor on it
    neighbours: np.ndarray  # (receptors, NEIGHBOURS) int64, nearest first
    shares: np.ndarray  # (receptors, NEIGHBOURS) sum 1
    anchors: Anchors
    own: np.ndarray  # receptors whose surface is not tabulated, one for each such surface
    which: np.ndarray  # (receptors,) place in ``own``, -1 where the surface is tabulated

    @property
    def tabulated(self) -> bool:
        """Whether all surfaces are."""
        return len(self.own) == 0


class Kinds(NamedTuple):
    """Plumes (sources alike but for the roughness under them), and roughnesses at which each is tabulated."""

    plume: np.ndarray  # (sources,)
    member: np.ndarray  # (plumes,) the source that stands for each
    kinds: list[np.ndarray]  # per plume: sources that stand for its kinds, by roughness
    first: np.ndarray  # (sources,) kind below, within the plume
    second: np.ndarray  # (sources,) kind above
    share: np.ndarray  # (sources,) of the kind above


def _classes(exact: np.ndarray, scaled: np.ndarray, most: int) -> _Classes:
    """Rows alike in ``exact`` and ``scaled``; where these are more than ``most``, rows near in ``scaled``."""
    both = pd.DataFrame(np.column_stack((exact, scaled)))
    both = both.loc[:, (both != both.iloc[0]).any()]
    if both.shape[1] == 0:
        return _Classes(np.zeros(1, dtype=np.int64), np.zeros(len(exact), dtype=np.int64))
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


def _scaled(receptors: inputs.Receptors) -> np.ndarray:
    """What a receptor's surface is, in scales in which an equal difference matters about equally."""
    values = receptors.values
    return np.column_stack(
        (
            np.log(values[:, inputs.RZ]) * _SURFACE_SCALES["height"],
            np.log(values[:, inputs.RZ0]) / _SURFACE_SCALES["z0"],
            np.log(values[:, inputs.RNH3]) / _SURFACE_SCALES["nh3"],
            np.log(values[:, inputs.RSO2]) / _SURFACE_SCALES["so2"],
            receptors.shares / _SURFACE_SCALES["shares"],
            # aerosol resistance has another formula from there on
            (values[:, inputs.RZ0] >= _ROUGH) / _SURFACE_SCALES["shares"],
        )
    )


def surfaces_of(receptors: inputs.Receptors) -> Surfaces:
    """Surfaces to tabulate: those that occur, or a choice of them."""
    scaled = _scaled(receptors)
    distinct = pd.DataFrame(scaled).groupby(list(range(scaled.shape[1])), sort=False).ngroup().to_numpy()
    _, first = np.unique(distinct, return_index=True)
    few = scaled[first]
    chosen = _spread_out(few, np.bincount(distinct), _MOST_SURFACES)
    nodes = few[chosen]
    nearest = cKDTree(nodes).query(few)[1]
    anchors = anchors_of(nodes, np.bincount(nearest[distinct], minlength=len(nodes)))
    neighbours, shares = _between(few, nodes, anchors.which)
    rest = np.setdiff1d(np.arange(len(few)), chosen)
    place = np.full(len(few), -1)
    place[rest] = np.arange(len(rest))
    return Surfaces(first[chosen], neighbours[distinct], shares[distinct], anchors, first[rest], place[distinct])


def _spread_out(points: np.ndarray, number: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the points, none of all far from them: the most frequent one, then the farthest, and so on."""
    if len(points) <= most:
        return np.arange(len(points))
    chosen = [int(number.argmax())]
    apart = np.full(len(points), np.inf)
    while len(chosen) < most:
        apart = np.minimum(apart, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(apart.argmax()))
    return np.array(chosen)


def anchors_of(nodes: np.ndarray, number: np.ndarray) -> Anchors:
    """Surfaces that stand for all others: the most common first, then far ones."""
    chosen = [int(number.argmax())]
    while len(chosen) < min(_ANCHORS, len(nodes)):
        apart = ((nodes[:, None] - nodes[chosen]) ** 2).sum(axis=-1).min(axis=1)
        chosen.append(int((apart * np.sqrt(number)).argmax()))
    apart = ((nodes[:, None] - nodes[chosen]) ** 2).sum(axis=-1)
    table = apart[chosen][:, :_TABLES].argmin(axis=1)
    return Anchors(np.array(chosen), table.astype(np.int64), apart.argmin(axis=1).astype(np.int64))


def _between(points: np.ndarray, nodes: np.ndarray, anchor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest nodes of each point and shares (sum 1) that reproduce the point as well as can be (damped).

    Nodes of another anchor than the nearest one's, and farther ones than ``_ALIKE``, have no share.
    """
    count = min(NEIGHBOURS, len(nodes))
    apart, near = cKDTree(nodes).query(points, count)
    apart, near = apart.reshape(len(points), count), near.reshape(len(points), count)
    away = nodes[near] - points[:, None]
    gram = np.einsum("pik,pjk->pij", away, away)
    wrong = (apart > _ALIKE) | (anchor[near] != anchor[near[:, :1]])
    wrong[:, 0] = False
    damping = 0.05 * np.where(wrong, 0.0, apart**2).sum(axis=1) + 1e-12
    gram[:, np.arange(count), np.arange(count)] += damping[:, None] + np.where(wrong, 1e6, 0.0)
    shares = np.linalg.solve(gram, np.ones((len(points), count, 1)))[..., 0]
    shares[wrong] = 0.0
    shares /= shares.sum(axis=1, keepdims=True)
    shares[apart[:, 0] < 1e-9] = np.eye(count)[0]
    out = np.zeros((2, len(points), NEIGHBOURS))
    out[0, :, :count], out[1, :, :count] = near, shares
    return out[0].astype(np.int64), out[1]


def kinds_of(sources: inputs.Sources) -> Kinds:
    """Plumes and their kinds."""
    values, codes = sources.values, sources.codes
    continuous = [inputs.SHEAT, inputs.SDIAM, inputs.SVEL, inputs.STEMP, inputs.SS, inputs.SD]
    plain = np.nan_to_num(values[:, continuous], nan=-1.0)
    scaled = np.column_stack((4.0 * np.log(values[:, inputs.SH]), np.sign(plain) * np.log1p(np.abs(plain))))
    exact = np.column_stack(
        (
            codes[:, 1],
            codes[:, 3],
            values[:, inputs.SBUOY],
            np.isnan(values[:, inputs.SVEL]),
            np.sign(values[:, inputs.SD]),
        )
    )
    plumes = _classes(exact, scaled, _MOST_PLUMES)
    rough = np.log(values[:, [inputs.SZ0]])
    tabulated = _classes(plumes.which[:, None].astype(float), rough, _MOST_KINDS)
    emission = np.abs(values[:, inputs.SQ])
    members, kinds = [], []
    first, second = np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=np.int64)
    share = np.zeros(len(values))
    for plume in range(len(plumes.member)):
        rows = np.flatnonzero(plumes.which == plume)
        its = np.unique(tabulated.which[rows])
        nodes = tabulated.member[its]
        nodes = nodes[np.argsort(rough[nodes, 0])]
        level = rough[nodes, 0]
        below = np.clip(np.searchsorted(level, rough[rows, 0], side="right") - 1, 0, max(len(level) - 2, 0))
        above = np.minimum(below + 1, len(level) - 1)
        width = level[above] - level[below]
        position = (rough[rows, 0] - level[below]) / np.where(width > 0, width, 1.0)
        first[rows], second[rows], share[rows] = below, above, np.clip(position, 0.0, 1.0)
        # a plume stands over the roughness of its kind that emits most
        strength = np.array([emission[rows[tabulated.which[rows] == tabulated.which[node]]].sum() for node in nodes])
        kinds.append(nodes)
        members.append(int(nodes[strength.argmax()]))
    full = share == 1.0
    first[full], share[full] = second[full], 0.0
    return Kinds(plumes.which, np.array(members), kinds, first, second, share)

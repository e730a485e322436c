"""On-load tap changers: a discrete loop around any solver, for each lane on its own account."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.power.status import OK, TAP_HUNTING

__all__ = ["regulate"]

ROUNDS = 400  # of moves before a lane is given up
TURNS = 2  # changes of direction of one tap changer before its lane is given up


def regulate(circuit: Any, solve: Callable[[Any, np.ndarray], Any], lanes: int) -> Any:
    """Solve all lanes, moving taps until every controlled voltage lies in its band or its tap is at an end.

    ``solve(circuit, lanes)`` solves some lanes of a circuit. Each round moves, in each lane, the tap changers out of
    band that are nearest to the source by one position, and solves that lane again; lanes with the same positions are
    solved together. A tap that turns back more than once hunts: its band is narrower than its step, and the nodes of
    its component are flagged and NaN in that lane.
    """
    every = np.arange(lanes)
    place = {int(k): t for t, k in enumerate(circuit.branch)}
    changers = [c for c in circuit.network.tap_changers if c.branch in place and circuit.node[c.bus] >= 0]
    changers = [c for c in changers if circuit.fed[circuit.node[c.bus]]]
    if not changers:
        return solve(circuit, every)
    ports = np.array([place[c.branch] for c in changers])
    nodes = np.array([circuit.node[c.bus] for c in changers])
    rank = _distance(circuit)[nodes]
    last = np.array([c.positions.size - 1 for c in changers])
    aim = np.array([[c.set_point, c.band / 2] for c in changers])
    drop = np.array([c.drop for c in changers])[:, None]
    near = (circuit.start[ports] == nodes)[:, None]

    def off_of(solution: Any, lanes: np.ndarray) -> np.ndarray:
        """Controlled voltage less its set point (tap changer, lane)."""
        v = solution.v[nodes][:, lanes]
        into = np.conj(np.where(near, solution.s_from[ports][:, lanes], solution.s_to[ports][:, lanes]) / v)
        return np.abs(v + into * drop) - aim[:, :1]

    position = np.repeat([[c.start] for c in changers], lanes, axis=1)
    direction, turns = np.zeros(position.shape, int), np.zeros(position.shape, int)
    todo = every
    total: Any = None
    for _ in range(ROUNDS):
        states, group = np.unique(position[:, todo], axis=1, return_inverse=True)
        for g in range(states.shape[1]):
            some = todo[group.ravel() == g]
            part = solve(_at(circuit, changers, ports, states[:, g]), some)
            if total is None:
                total = dataclasses.replace(part.room(lanes), seconds=0.0)
            total.put(part, some)
        with np.errstate(invalid="ignore"):
            off = off_of(total, todo)
            wanted = np.where(off > aim[:, 1:], -1, np.where(off < -aim[:, 1:], 1, 0))
        at = position[:, todo]
        move = np.where((at + wanted < 0) | (at + wanted > last[:, None]), 0, wanted)
        first = np.where(move != 0, rank[:, None], np.inf).min(0)
        move[rank[:, None] > first] = 0
        turns[:, todo] += (move != 0) & (direction[:, todo] == -move)
        move[turns[:, todo] >= TURNS] = 0
        direction[:, todo] = np.where(move != 0, move, direction[:, todo])
        position[:, todo] += move
        todo = todo[(move != 0).any(0)]
        if not todo.size:
            break
    hunting = turns >= TURNS
    hunting[:, todo] = True
    for c in np.flatnonzero(hunting.any(1)):
        lane = np.flatnonzero(hunting[c])
        part = circuit.component == circuit.component[nodes[c]]
        block = np.ix_(part, lane)
        total.status[block] = np.where(total.status[block] == OK, TAP_HUNTING, total.status[block])
        total.v[block] = np.nan
        inside = np.ix_(part[circuit.start], lane)
        total.s_from[inside] = total.s_to[inside] = np.nan
    with np.errstate(invalid="ignore"):
        off = off_of(total, every)
        high, low = off > aim[:, 1:], off < -aim[:, 1:]
    total.tap = np.stack([c.positions[position[k]] for k, c in enumerate(changers)])
    total.tap_limit = np.where(high & (position == 0), -1, np.where(low & (position == last[:, None]), 1, 0))
    total.tap_limit = total.tap_limit.astype(np.int8)
    total.tap_changers = changers
    return total


def _at(circuit: Any, changers: list, ports: np.ndarray, state: np.ndarray) -> Any:
    """The circuit with its taps at given positions."""
    z, back, ratio = circuit.z.copy(), circuit.z_back.copy(), circuit.ratio.copy()
    one, two = circuit.shunt_from.copy(), circuit.shunt_to.copy()
    for c, t, k in zip(changers, ports, state):
        z[t] = back[t] = c.z[k]
        ratio[t] = c.ratio[k]
        one[t] = two[t] = c.shunt[k]
    return dataclasses.replace(circuit, z=z, z_back=back, ratio=ratio, shunt_from=one, shunt_to=two)


def _distance(circuit: Any) -> np.ndarray:
    """Number of branches with a ratio between each node and its source, at least."""
    far = np.where(circuit.held, 0.0, np.inf)
    step = np.where(np.isin(circuit.branch, [c.branch for c in circuit.network.tap_changers]), 1.0, 0.0)
    for _ in range(circuit.count):
        before = far.copy()
        np.minimum.at(far, circuit.end, far[circuit.start] + step)
        np.minimum.at(far, circuit.start, far[circuit.end] + step)
        if (far == before).all():
            break
    return far

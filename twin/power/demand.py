"""What loads and generators of a circuit draw in each step: profiles by load, sums by node."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twin.errors import ConfigError, DataError
from twin.power.circuit import Circuit
from twin.readers.power_network import PowerNetwork

__all__ = ["Demand", "demand_of", "factors_of", "reactive_limits_of"]


@dataclass
class Demand:
    """Loads by node and lane, positive = consumption [MW, Mvar]."""

    steps: np.ndarray
    total: np.ndarray  # (node, lane) complex, at 1 pu
    p: np.ndarray  # (node, lane) constant-power part less generation
    q: np.ndarray
    part: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None  # p1, q1, p2, q2 (node, lane)
    basis: list[np.ndarray]  # p, q (, p1, q1, p2, q2) of consumption and of supply, (2, node), at level 1
    level: np.ndarray  # (2, lane)

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return self.p.shape[1]

    def of(self, lanes: np.ndarray) -> "Demand":
        """Some lanes of it."""
        part = self.part
        if part is not None:
            one, two, three, four = (np.ascontiguousarray(x[:, lanes]) for x in part)
            part = (one, two, three, four)
        return replace(
            self, steps=self.steps[lanes], total=self.total[:, lanes], p=np.ascontiguousarray(self.p[:, lanes]),
            q=np.ascontiguousarray(self.q[:, lanes]), part=part, level=self.level[:, lanes],
        )  # fmt: skip


def demand_of(circuit: Circuit, factor_p: np.ndarray, factor_q: np.ndarray, steps: np.ndarray) -> Demand:
    """Demand of the loads times their factors (load, lane), less what the generators give."""
    load = circuit.network.load
    at = load.bus
    generation = circuit.node_sum(circuit.network.generator.bus, circuit.network.generator.p)
    p, q = load.p[:, None] * factor_p, load.q[:, None] * factor_q
    total = circuit.node_sum(at, p) + 1j * circuit.node_sum(at, q)
    part = None
    nominal = [load.p, load.q]
    if load.ip.any() or load.iq.any() or load.zp.any() or load.zq.any():
        shares = (load.ip, load.iq, load.zp, load.zq)
        one, two, three, four = (circuit.node_sum(at, (p, q)[k % 2] * x[:, None]) for k, x in enumerate(shares))
        part = (one, two, three, four)
        nominal = [load.p * (1 - load.ip - load.zp), load.q * (1 - load.iq - load.zq)]
        nominal += [(load.p, load.q)[k % 2] * x for k, x in enumerate(shares)]
    drawn = total.real - generation[:, None], total.imag
    if part is not None:
        drawn = drawn[0] - part[0] - part[2], drawn[1] - part[1] - part[3]
    takes = load.p >= 0
    basis = [np.stack([circuit.node_sum(at[g], x[g]) for g in (takes, ~takes)]) for x in nominal]
    basis[0][1] -= generation
    level = np.ones((2, p.shape[1]))
    for g, given, fixed in ((0, takes, 0.0), (1, ~takes, generation.sum())):
        whole = np.abs(load.p[given]).sum() + fixed
        if whole > 0:
            level[g] = (np.abs(load.p[given]) @ factor_p[given] + fixed) / whole
    return Demand(
        steps, total, np.ascontiguousarray(drawn[0]), np.ascontiguousarray(drawn[1]), part, basis, level
    )  # fmt: skip


def reactive_limits_of(circuit: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """Least and most reactive power of the generators of each node."""
    g = circuit.network.generator
    low, high = circuit.node_sum(g.bus, g.q_min), circuit.node_sum(g.bus, g.q_max)
    if (low > high).any():
        raise DataError(f"{circuit.network.origin}: generators: q_min above q_max; correct them")
    return np.where(circuit.generator, low, -np.inf), np.where(circuit.generator, high, np.inf)


def factors_of(
    net: PowerNetwork, profiles: str | Path | Mapping[str, np.ndarray] | None, steps: slice | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors (load, step) on active and on reactive power, and the step numbers."""
    count = len(net.load)
    if profiles is None:
        if steps is not None and (steps.start or 0) > 0:
            raise ConfigError("steps need profiles: without them there is one step, 0")
        return np.ones((count, 1)), np.ones((count, 1)), np.arange(1)
    if not isinstance(profiles, Mapping):
        from twin.readers.profiles import read_profiles

        profiles = read_profiles(profiles)
    known = {str(name): np.asarray(v, float) for name, v in profiles.items()}
    start = 0 if steps is None or steps.start is None else steps.start
    stop = max((v.size for v in known.values()), default=0) if steps is None or steps.stop is None else steps.stop
    if not 0 <= start < stop:
        raise ConfigError(f"steps {start}:{stop} hold nothing; write A:B with A below B")
    factor_p, factor_q = np.ones((count, stop - start)), np.ones((count, stop - start))
    used = 0
    for k, (kind, ident, profile) in enumerate(zip(net.load.kind, net.load.id, net.load.profile)):
        active, reactive = _profiles_of(kind, str(ident), str(profile), known)
        if active is None and profile:
            raise DataError(f"{net.origin}: {kind} {ident}: no profile {profile!r} in the profiles; add its column")
        if active is not None:
            factor_p[k] = _window(known, active, start, stop)
            used += 1
        if reactive is not None:
            factor_q[k] = _window(known, reactive, start, stop)
    if not used:
        raise DataError(
            f"{net.origin}: none of the profiles {', '.join(list(known)[:5])} belongs to a load of this network"
        )
    return factor_p, factor_q, np.arange(start, stop)


def _profiles_of(kind: str, ident: str, profile: str, known: Mapping) -> tuple[str | None, str | None]:
    """Names of the profiles of a load's active and reactive power, None where it has none.

    By kind and identifier, by identifier, by the load's own profile; SimBench has active and reactive power apart.
    """
    names = [name for name in (f"{kind}:{ident}", ident, profile) if name]
    whole = next((name for name in names if name in known), None)
    active = next((name + end for name in names for end in ("_pload", "_pstor") if name + end in known), None)
    # SimBench gives a load and the feed-in beside it one profile name
    feed_in = whole == profile and active is not None and kind in {"load", "storage"}
    if whole is not None and not feed_in:
        return whole, whole
    if active is None:
        return None, None
    reactive = active[:-5] + ("qload" if active.endswith("load") else "qstor")
    return active, reactive if reactive in known else None


def _window(known: Mapping[str, np.ndarray], name: str, start: int, stop: int) -> np.ndarray:
    """Steps ``start`` to ``stop`` of a profile, all of which it must have."""
    if known[name].size < stop:
        raise DataError(
            f"profile {name}: has {known[name].size} steps and the run goes to {stop}; give a longer profile"
        )
    cut = known[name][start:stop]
    if not np.isfinite(cut).all():
        bad = start + int(np.argmin(np.isfinite(cut)))
        raise DataError(f"profile {name}: step {bad} is not a number; fill or correct it")
    return cut

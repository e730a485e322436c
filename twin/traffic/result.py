"""An equilibrium and what can be asked of it: skims, paths, selected links and zones, turns, electric kilometres."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from kernels.traffic import equilibrium
from kernels.traffic.skims import skim
from twin.errors import ConfigError, DataError
from twin.traffic.state import EquilibriumState
from twin.traffic.warm_step import solve

__all__ = ["Assigned"]

LARGEST_SKIMS = 16e9  # bytes


class Assigned(EquilibriumState):
    """Equilibrium of one network and what can be asked of it; :meth:`again` goes on from it warm."""

    @property
    def summary(self) -> dict[str, float | int | bool]:
        """Figures of the last line of ``twin assign``."""
        names = ("relative_gap", "beckmann", "total_travel_time", "iterations", "cpu_seconds", "wall_seconds")
        a = self.links.attrs
        return {**{n: a[n] for n in (*names, "threads")}, "converged": bool(a["converged"])}

    def again(
        self,
        demand_scale: float = 1.0,
        gap: float = 1e-6,
        max_iterations: int = 1000,
        demand: np.ndarray | None = None,
    ) -> "Assigned":
        """Equilibrium of the same pairs, starting from the paths at hand: trips times ``demand_scale``.

        ``demand`` (pair) [veh] gives the trips of each pair anew, in the order of :attr:`pairs`. The paths go over to
        the new result; ask this one for paths, selections and turns before.
        """
        made = self if demand is None else replace(self, demand=np.asarray(demand, np.float64))
        return solve(made, demand_scale, gap, max_iterations)

    def elastic(
        self,
        demand: Callable[[np.ndarray, np.ndarray], np.ndarray],
        *,
        tolerance: float = 1e-6,
        gap: float = 1e-8,
        max_rounds: int = 100,
    ) -> "Assigned":
        """Equilibrium of trips that answer to their cost: ``demand(cost, trips)``, all (pair).

        The hook gets the cost of the cheapest path of each pair and the trips at hand, and returns the trips that
        would be made at that cost (finite, not negative, falling with the cost). Each round moves every pair by
        ``(D(u) - q) / s`` with the secant slope s of ``q - D(u(q))``, which is at least 1 where demand falls with cost
        and cost rises with demand. Ends where the sum of \\|D(u) - q\\| is below ``tolerance`` of all trips; raises
        :class:`DataError` after ``max_rounds``. ``links.attrs`` tell ``elastic_rounds`` and ``elastic_residual``.
        """
        result, before, slope = self, None, np.full(len(self.demand), 2.0)
        trips = self.demand.copy()
        for number in range(max_rounds):
            wanted = np.asarray(demand(result.pair_costs(), trips.copy()), np.float64)
            if wanted.shape != trips.shape or not np.all(np.isfinite(wanted) & (wanted >= 0)):
                raise DataError("the demand function must give a finite number of trips, not negative, for each pair")
            missing = wanted - trips
            residual = float(np.abs(missing).sum() / max(wanted.sum(), 1e-300))
            if residual <= tolerance:
                result.links.attrs |= {"elastic_rounds": number, "elastic_residual": residual}
                return result
            if before is not None:
                moved = trips - before[0]
                steep = np.divide(before[1] - missing, moved, out=slope.copy(), where=np.abs(moved) > 1e-12 * trips)
                slope = np.clip(steep, 1.0, 100.0)
            before = trips, missing
            trips = np.maximum(trips + missing / slope, 0.0)
            result = result.again(gap=gap, demand=trips)
        raise DataError(
            f"elastic demand: {residual:.3g} of the trips still change after {max_rounds} rounds, {tolerance:g} "
            f"wanted; raise max_rounds, or give a demand that falls with cost"
        )

    def pair_costs(self) -> np.ndarray:
        """Cost of the cheapest path of each pair, in the order of :attr:`pairs`."""
        origin, destination, m = self.pairs
        return self.skims()["cost"].values[m, origin, destination]

    def skims(self) -> xr.Dataset:
        """Cost, time, distance and toll of the cheapest path between all zones, per class; inf without a path.

        Dimensions (vehicle_class, origin, destination), labelled by zone; the diagonal is 0. Time holds the delay at
        junctions.
        """
        net = self.network
        room = 4 * 8 * len(self.classes) * net.zones**2
        if room > LARGEST_SKIMS:
            raise ConfigError(
                f"{net.path}: skims between all {net.zones} zones need {room / 1e9:.0f} GB; give the network fewer "
                f"zones (a GMNS folder with zone_id at its centroids)"
            )
        attributes = np.stack([(self.links["time"] + self.links["delay"]).values, net.length, net.toll])
        tables = np.stack(
            [
                skim(net.from_node, net.to_node, net.through, net.zone_node, cost, attributes)
                for cost in self.links["class_cost"].values
            ]
        )
        dims = ("vehicle_class", "origin", "destination")
        return xr.Dataset(
            {n: (dims, tables[:, i]) for i, n in enumerate(("cost", "time", "distance", "toll"))},
            {"vehicle_class": [c.name for c in self.classes], "origin": net.zone_id, "destination": net.zone_id},
        )

    def _paths(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Pair and flow of each used path, its start in the list of links, that list, and the path of each of these."""
        if self.reference:
            raise ConfigError("the reference assignment keeps no paths; assign without reference=True")
        if self.turn != self.owner[0]:
            raise ConfigError("the paths of this result went over to a later one (again); ask that one for paths")
        pair, flow, start, member = equilibrium.path_table(self.problem)
        return pair, flow, start, member, np.repeat(np.arange(len(flow)), np.diff(start))

    def paths(self) -> xr.Dataset:
        """Used paths: origin, destination, class, flow, cost, and their links by id one after the other.

        Path k holds ``path_link[start[k]:start[k + 1]]``. Not for the reference, which keeps no paths.
        """
        pair, flow, start, member, path = self._paths()
        origin, destination, m = self.pairs
        zone, cost = self.network.zone_id, self.links["class_cost"].values
        length = np.bincount(path, self.network.length[member], len(flow))
        return xr.Dataset(
            {
                "origin": ("path", zone[origin[pair]]),
                "destination": ("path", zone[destination[pair]]),
                "vehicle_class": ("path", m[pair]),
                "flow": ("path", flow),
                "cost": ("path", np.bincount(path, cost[m[pair][path], member], len(flow))),
                "length": ("path", length),
                "start": ("path_start", start),
                "path_link": ("path_link", self.network.link_id[member]),
            }
        )

    def _selected(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flow by link [pcu] and trips (class, origin, destination) of the chosen paths (path, bool)."""
        pair, flow, _, member, path = self._paths()
        m, zones = self.pairs[2][pair], self.network.zones
        pce = np.array([c.pce for c in self.classes])
        by_link = np.bincount(member, np.where(chosen, flow * pce[m], 0.0)[path], len(self.network.link_id))
        matrix = np.zeros((len(self.classes), zones, zones))
        at = np.flatnonzero(chosen)
        np.add.at(matrix, (m[at], self.pairs[0][pair[at]], self.pairs[1][pair[at]]), flow[at])
        return by_link, matrix

    def select_link(self, *links: int | str) -> tuple[np.ndarray, np.ndarray]:
        """Traffic over all of ``links`` (ids): its flow by link [pcu], and its trips (class, origin, destination)."""
        _, flow, _, member, path = self._paths()
        chosen = np.ones(len(flow), bool)
        for link in self.network.links_of(links, "select_link"):
            chosen &= np.bincount(path[member == link], minlength=len(flow)) > 0
        return self._selected(chosen)

    def select_zone(self, *zones: int | str, by: str = "either") -> tuple[np.ndarray, np.ndarray]:
        """Traffic from (``by="origin"``), to (``"destination"``) or from and to (``"either"``) any of ``zones`` (ids).

        Flow by link [pcu], and trips (class, origin, destination), as :meth:`select_link`.
        """
        if by not in ("origin", "destination", "either"):
            raise ConfigError(f"select_zone: by = {by!r}; origin, destination or either is wanted")
        index = {str(zone): k for k, zone in enumerate(self.network.zone_id)}
        unknown = [zone for zone in zones if str(zone) not in index]
        if unknown:
            raise ConfigError(f"select_zone: zone {unknown[0]} is not in {self.network.path}")
        pair = self._paths()[0]
        places = [index[str(zone)] for zone in zones]
        chosen = np.zeros(len(pair), bool)
        for side, name in ((0, "origin"), (1, "destination")):
            if by in (name, "either"):
                chosen |= np.isin(self.pairs[side][pair], places)
        return self._selected(chosen)

    def turns(self) -> xr.Dataset:
        """Flow [pcu] from link to link (ids) over each node that paths pass."""
        pair, flow, start, member, path = self._paths()
        pce = np.array([c.pce for c in self.classes])
        weight = (flow * pce[self.pairs[2][pair]])[path]
        inner = np.ones(len(member), bool)
        inner[start[1:] - 1] = False
        at = np.flatnonzero(inner)
        key, inverse = np.unique(np.stack([member[at], member[at + 1]]), axis=1, return_inverse=True)
        link_id = self.network.link_id
        return xr.Dataset(
            {
                "from_link": ("turn", link_id[key[0]]),
                "to_link": ("turn", link_id[key[1]]),
                "node": ("turn", self.network.node_id[self.network.to_node[key[0]]]),
                "flow": ("turn", np.bincount(inverse.ravel(), weight[at], key.shape[1])),
            }
        )

    def electric(self, share: float | np.ndarray, kwh_per_length: float) -> xr.Dataset:
        """Electric vehicles on the paths: ``share`` of their flow, a number or one per origin zone.

        Vehicles that see the same costs take the same paths, so that their distance and energy are a split of the path
        flows: ``flow`` [veh] and ``energy`` [kWh] by path, ``distance`` [length] and ``energy`` by origin zone.
        """
        shares = np.broadcast_to(np.asarray(share, np.float64), (self.network.zones,))
        if not np.all((shares >= 0) & (shares <= 1)):
            raise ConfigError("electric: shares lie between 0 and 1")
        pair, flow, _, member, path = self._paths()
        origin = self.pairs[0][pair]
        driven = flow * shares[origin] * np.bincount(path, self.network.length[member], len(flow))
        distance = np.bincount(origin, driven, self.network.zones)
        return xr.Dataset(
            {
                "flow": ("path", flow * shares[origin]),
                "energy": ("path", driven * kwh_per_length),
                "origin_distance": ("origin", distance),
                "origin_energy": ("origin", distance * kwh_per_length),
            },
            {"origin": self.network.zone_id},
        )

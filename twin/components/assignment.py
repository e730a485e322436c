"""Road traffic: user equilibrium of the hour's trips over the road network, warm from the hour before."""

import warnings
from typing import Literal

import numpy as np
from pydantic import Field

from kernels.traffic.bush import CONVERGED, NOT_CONVERGED, UNREACHABLE, build_bushes, equilibrate, load, mean_over_paths
from kernels.traffic.cost import bpr
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.components.residents import Residents
from twin.errors import ConvergenceError, DataError

__all__ = ["Assignment"]


class Assignment(Component):
    """Static user equilibrium (Wardrop 1952) per step with BPR travel times.

    All vehicle classes see the same travel times and share the paths; their flows weigh by passenger-car equivalents.
    See :mod:`kernels.traffic.bush` for the method and ``relative_gap`` of the flows that are written.
    """

    leaves_out = "queues and spillback, turn restrictions, signals, tolls, departure time choice"

    class Options(ComponentOptions):
        """Stopping rule."""

        relative_gap: float = Field(1e-4, gt=0, lt=1)
        max_iterations: int = Field(200, ge=1)
        on_no_convergence: Literal["raise", "warn"] = "raise"

    trips = In("trips", ("vehicle_class", "origin", "destination"), "h-1")
    from_node = Static("roads/from_node", ("road_link",), "1")
    to_node = Static("roads/to_node", ("road_link",), "1")
    node_x = Static("roads/node_x", ("road_node",), "m")
    length = Static("roads/length", ("road_link",), "m")
    free_flow_time = Static("roads/free_flow_time", ("road_link",), "s")
    capacity = Static("roads/capacity", ("road_link",), "h-1")
    bpr_b = Static("roads/bpr_b", ("road_link",), "1")
    bpr_power = Static("roads/bpr_power", ("road_link",), "1")
    reported = Static("roads/reported", ("road_link",), "1")
    origin_node = Static("zones/origin_node", ("origin",), "1")
    pcu = Static("zones/pcu", ("vehicle_class",), "1")
    flow = Out("road_flow", ("vehicle_class", "road_link"), "h-1", "vehicles per hour on the link")
    resident_flow = Out(
        "road_resident_flow", ("road_link",), "h-1", "of which light vehicles of new residents", record=False
    )
    resident_electric = Out("road_resident_electric", ("road_link",), "h-1", "of which battery-electric", record=False)
    travel_time = Out("road_travel_time", ("road_link",), "s", "travel time over the link at its flow")
    speed = Out("road_speed", ("road_link",), "km h-1", "length over travel time")
    saturation = Out("road_saturation", ("road_link",), "1", "passenger-car units per hour over capacity")
    distance = Out("trip_distance", ("origin", "destination"), "km", "mean over used paths, reported links only")
    gap = Out("relative_gap", (), "1", "excess of the flows' cost over their shortest paths, as a share of it")

    def setup(self, s, world):
        """Check the links, form the cost coefficients and the bushes at free flow."""
        checks = {"length": s.length, "capacity": s.capacity, "free_flow_time": s.free_flow_time}
        for name, values in checks.items():
            bad = np.flatnonzero(~(values > 0))
            if len(bad):
                raise DataError(
                    f"roads/{name}: link {bad[0]} has {values[bad[0]]} and {len(bad) - 1} more are not above zero; "
                    f"correct or remove these links"
                )
        for name, values in {"bpr_b": s.bpr_b, "bpr_power": s.bpr_power}.items():
            bad = np.flatnonzero(~(values >= 0))
            if len(bad):
                raise DataError(
                    f"roads/{name}: link {bad[0]} has {values[bad[0]]}; travel time must not fall with flow"
                )
        self._t0, self._k, self._p = bpr(s.free_flow_time, s.capacity, s.bpr_b, s.bpr_power)
        self._none = np.zeros(len(self._t0))
        self._counted = np.where(s.reported == 1, s.length / 1000.0, 0.0)
        self._bushes = build_bushes(s.from_node, s.to_node, len(s.node_x), s.origin_node, s.free_flow_time)
        self._demand = np.zeros(s.trips.shape[1:])
        self._residents = Residents(world)

    def step(self, s, clock):
        """Equilibrium of this interval's trips from the shares of the one before."""
        b, demand = self._bushes, self._demand
        if np.any(np.einsum("cii->c", s.trips)):
            raise DataError("trips: the diagonal holds trips from a place to itself; remove them and report them apart")
        np.einsum("c,cod->od", s.pcu, s.trips, out=demand)
        options = self.options
        e = equilibrate(b, demand, self._t0, self._k, self._p, self._none, options.relative_gap, options.max_iterations)
        self._check(e)
        for c in range(len(s.pcu)):
            s.flow[c] = load(b, s.trips[c])
        if len(self._residents):
            every, electric = self._residents.trips(clock.local, len(demand))
            s.resident_flow[:], s.resident_electric[:] = load(b, every), load(b, electric)
        else:
            s.resident_flow[:], s.resident_electric[:] = 0.0, 0.0
        s.travel_time[:] = e.cost
        s.speed[:] = 3.6 * s.length / e.cost
        s.saturation[:] = e.flow / s.capacity
        s.gap[...] = max(e.relative_gap, 0.0)
        distance = mean_over_paths(b, self._counted)
        s.distance[...] = np.where(np.isnan(distance), 0.0, distance)
        self._book(s, clock)

    def state(self):
        """Shares and orders of the bushes: where the next hour starts."""
        b = self._bushes
        return {"proportion": b.proportion, "single": b.single, "order": b.order, "reached": b.reached}

    def _check(self, e):
        """Raise, or warn where asked, if the equilibrium was not reached."""
        if e.status == CONVERGED:
            return
        if e.status == UNREACHABLE:
            shown = ", ".join(f"{o} to {d}" for o, d in e.pairs[:5])
            raise DataError(
                f"{len(e.pairs)} pairs of origins have trips but no path (first: origin {shown}); connect the network "
                f"or remove these trips"
            )
        if e.status == NOT_CONVERGED:
            message = (
                f"relative gap {e.relative_gap:.3g} after {e.iterations} iterations, {self.options.relative_gap:g} "
                f"wanted; raise [components.assignment] max_iterations or relative_gap"
            )
            if self.options.on_no_convergence == "raise":
                raise ConvergenceError(message)
            warnings.warn(message, RuntimeWarning, stacklevel=3)
            return
        raise ConvergenceError(f"relative gap {e.relative_gap:.3g} is negative: flows do not carry the demand")

    def _book(self, s, clock):
        """Take the trips, and balance at the nodes what the links bring against what the demand asks."""
        net = np.zeros(len(s.node_x))
        total = s.flow.sum(axis=0)
        np.add.at(net, s.to_node, total)
        np.subtract.at(net, s.from_node, total)
        asked = np.zeros(len(s.node_x))
        trips = s.trips.sum(axis=0)
        np.add.at(asked, s.origin_node, trips.sum(axis=0) - trips.sum(axis=1))
        carried = float(trips.sum())
        missed = float(np.abs(net - asked).sum())
        clock.ledger.balance(
            "trips over roads",
            inflow=carried * clock.hours,
            outflow=(carried - missed) * clock.hours,
            units="1",
        )
        clock.ledger.take("trips", carried * clock.hours, "1")
        light = float(s.flow[0] @ self._counted)
        clock.ledger.give("light_distance", light * clock.hours, "km")

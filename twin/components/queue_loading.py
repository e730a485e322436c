"""Queues on the roads: the hour's equilibrium flows sent through a link transmission model."""

import numpy as np
from pydantic import Field

from kernels.traffic.link_transmission import advance, build_loading, stagnation_share
from kernels.traffic.turning import turning_shares
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.errors import ConfigError

__all__ = ["QueueLoading"]

_MEASURES = ("delay", "travel", "waited", "jam_distance", "free_distance")
_STATE = ("now", "entered", "left", "entered_ring", "left_ring", "vertical", "queue")


class QueueLoading(Component):
    """Where traffic queues, for how long, and what share of the distance is driven in queues.

    Demand in passenger-car units enters at its origins and turns at each node so that the equilibrium's link flows
    would result without congestion; hard capacities then hold it up (kernels/traffic/link_transmission.py). Queues
    stay from one step to the next.
    """

    every = 3600
    leaves_out = (
        "routes do not react to queues; vehicles on a link share its turns whatever their destination; a link whose "
        "equilibrium flow exceeds its capacity for hours builds a queue that drivers would in reality avoid; with "
        "creep above 0 full links go on taking vehicles in, so that queues longer than a link stand on it, not upstream"
    )

    class Options(ComponentOptions):
        """Fundamental diagram and resolution; jam density and wave speed of the order of Dutch motorway traffic."""

        sub_step: float = Field(default=10.0, gt=0, le=60)  # s
        jam_density: float = Field(default=0.15, gt=0)  # passenger-car units per metre and lane
        wave_speed: float = Field(default=5.0, gt=0)  # m/s
        # Share of its capacity that a full link still takes in. 0 is strict spillback: where demand exceeds
        # capacity for hours, rings of full links then stand still for ever.
        creep: float = Field(default=1.0, ge=0, le=1)

    flow = In("road_flow", ("vehicle_class", "road_link"), "h-1", over="mean")
    trips = In("trips", ("vehicle_class", "origin", "destination"), "h-1", over="mean")
    from_node = Static("roads/from_node", ("road_link",), "1")
    to_node = Static("roads/to_node", ("road_link",), "1")
    node_x = Static("roads/node_x", ("road_node",), "m")
    length = Static("roads/length", ("road_link",), "m")
    free_flow_time = Static("roads/free_flow_time", ("road_link",), "s")
    capacity = Static("roads/capacity", ("road_link",), "h-1")
    lanes = Static("roads/lanes", ("road_link",), "1")
    origin_node = Static("zones/origin_node", ("origin",), "1")
    pcu = Static("zones/pcu", ("vehicle_class",), "1")
    stagnation = Out("road_stagnation", ("road_link",), "1", "share of vehicle-kilometres driven in queues")
    queue = Out(
        "road_queue", ("road_link",), "m", "queue on the link at the end of the step", cell_methods="time: point"
    )
    delay = Out(
        "road_queue_delay", ("road_link",), "h", "passenger-car hours of delay in the step", cell_methods="time: sum"
    )

    def setup(self, s, world):
        """An empty network; a link's jam density is raised where its capacity needs it."""
        o = self.options
        nodes = len(s.node_x)
        speed, capacity = s.length / s.free_flow_time, s.capacity / 3600.0
        needed = capacity * (speed + o.wave_speed) / (speed * o.wave_speed)
        wave = np.full(len(speed), o.wave_speed)
        x = build_loading(
            s.from_node,
            s.to_node,
            nodes,
            s.length,
            speed,
            wave,
            np.maximum(o.jam_density * s.lanes, needed),
            capacity,
            dt=o.sub_step,
            creep=o.creep,
        )
        self._loading = x
        self._turn = np.zeros((x.move_start[-1], 1))
        ways = int(np.diff(x.in_start).max()) + 1, int(np.diff(x.out_start).max()) + 1
        self._table = np.zeros(ways)
        self._open = np.ones((1, len(speed)))
        self._demand = np.zeros((nodes, 1))

    def step(self, s, clock):
        """Turn shares of this step's equilibrium, then sub-steps from the queues of the step before."""
        x, o = self._loading, self.options
        steps = round(clock.seconds / o.sub_step)
        if abs(steps * o.sub_step - clock.seconds) > 1e-9:
            raise ConfigError(
                f"[components.queue_loading] sub_step = {o.sub_step:g} s does not divide the step of {clock.seconds} s"
            )
        starts = np.einsum("c,cod->o", s.pcu, s.trips)
        ends = np.einsum("c,cod->d", s.pcu, s.trips)
        nodes = len(s.node_x)
        started = np.bincount(s.origin_node, starts, minlength=nodes)
        ended = np.bincount(s.origin_node, ends, minlength=nodes)
        turning_shares(x, s.pcu @ s.flow, started, ended, 50, self._table, self._turn)
        self._demand[:, 0] = started / 3600.0
        for name in _MEASURES:
            getattr(x, name)[:] = 0.0
        before = (x.entered - x.left).sum() + x.queue.sum()
        gone = x.ended.sum()
        advance(x, self._turn, self._demand, self._open, steps)
        s.stagnation[:] = stagnation_share(x)
        s.queue[:] = x.queue_length
        s.delay[:] = x.delay / 3600.0
        clock.ledger.balance(
            "queue_loading",
            inflow=started.sum() * clock.hours,
            outflow=x.ended.sum() - gone,
            change=(x.entered - x.left).sum() + x.queue.sum() - before,
            units="1",
            tolerance=1e-9,
        )
        x.ended[:] = 0.0
        x.started[:] = 0.0

    def state(self):
        """Counts and histories of the links, and the demand that waits."""
        return {name: getattr(self._loading, name) for name in _STATE}

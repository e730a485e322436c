"""NOx, NO2, NH3 and CO2 of road traffic."""

import numpy as np

from kernels.traffic.emission import NO_EMISSION, SRM1, SRM2, link_emission, stagnation_proxy, urban_speed_class
from twin.component import Component, ComponentOptions, In, Out, Static
from twin.components.residents import Residents
from twin.errors import DataError

__all__ = ["QueueRoadEmission", "RoadEmission"]

_MOTORWAY_CLASSES = (0, 1)  # road_class: motorway, ramp


class RoadEmission(Component):
    """What leaves the exhaust pipes, by the Dutch road method with the factor table of the world.

    Motorways and ramps: factors of the legal limit (SRM2), free and stagnating mixed by the stagnation proxy.
    Other roads: factors of the speed class of the step's mean speed (SRM1), without further mixing. Skeleton and
    gate links emit nothing. Battery-electric vehicles beyond the share in the table's own fleet
    (``factors/bev_share_reference``) emit nothing: light factors scale with (1 - share) / (1 - reference). Residents of
    new quarters have their own share on the links that they drive on, and their exhaust is told apart.
    """

    every = 3600
    leaves_out = (
        "cold starts, gradients, tunnels and barriers, buses, tyre and brake wear; stagnation on motorways is a "
        "proxy from the delay ratio, not a queue"
    )

    class Options(ComponentOptions):
        """Limits between the speed classes, km/h."""

        urban_edges: tuple[float, float, float] = (15.0, 30.0, 45.0)
        rural_limit: float = 60.0
        # (up to this legal limit, class of the motorway table); the day limit is 100 km/h since March 2020
        motorway_classes: tuple[tuple[float, str], ...] = ((85.0, "80"), (1000.0, "100"))

    flow = In("road_flow", ("vehicle_class", "road_link"), "h-1", over="mean")
    resident_flow = In("road_resident_flow", ("road_link",), "h-1", over="mean")
    resident_electric = In("road_resident_electric", ("road_link",), "h-1", over="mean")
    time = In("road_travel_time", ("road_link",), "s", over="mean")
    length = Static("roads/length", ("road_link",), "m")
    free_time = Static("roads/free_flow_time", ("road_link",), "s")
    limit = Static("roads/speed_limit", ("road_link",), "km h-1")
    road_class = Static("roads/road_class", ("road_link",), "1")
    reported = Static("roads/reported", ("road_link",), "1")
    factor = Static("factors/emission_factor", ("substance", "vehicle_class", "speed_class", "traffic_state"), "g km-1")
    bev_share = Static("zones/bev_share", ("origin",), "1")
    trips = Static("zones/trips", ("period", "vehicle_class", "origin", "destination"), "1")
    nox = Out("road_nox", ("road_link",), "g s-1", "NOx (as NO2) from road traffic")
    no2 = Out("road_no2", ("road_link",), "g s-1", "NO2 from road traffic, part of NOx")
    nh3 = Out("road_nh3", ("road_link",), "g s-1", "NH3 from road traffic")
    resident_nox = Out(
        "road_resident_nox", ("road_link",), "g s-1", "part of NOx from light vehicles of new residents", record=False
    )
    co2 = Out("road_co2", ("road_link",), "g s-1", "CO2 from road traffic")

    def setup(self, s, world):
        """Choose the method and the motorway class of each link, and scale light factors to the electric share."""
        factors = world["factors"].ds
        substances = [str(name) for name in factors["substance"].values]
        classes = [str(name) for name in factors["speed_class"].values]
        vehicles = [str(name) for name in factors["vehicle_class"].values]
        motorway = np.isin(s.road_class, _MOTORWAY_CLASSES)
        self._method = np.where(s.reported == 1, np.where(motorway, SRM2, SRM1), NO_EMISSION).astype(np.int8)
        self._urban = np.array([_position(classes, name) for name in ("B", "C", "D", "E")])
        self._class = np.zeros(len(s.length), dtype=np.int64)
        rest = motorway.copy()
        for limit, name in self.options.motorway_classes:
            here = rest & (s.limit <= limit)
            self._class[here] = _position(classes, name)
            rest &= ~here
        if rest.any():
            link, limit = int(np.argmax(rest)), float(s.limit[rest][0])
            raise DataError(f"road link {link}: limit {limit:g} km/h is above all motorway_classes; add a class")
        self._edges = np.array(self.options.urban_edges)
        rows = [_position(substances, name) for name in ("NOx", "NO2", "NH3", "CO2")]
        self._factor = np.ascontiguousarray(s.factor[rows])
        light = vehicles.index("light")
        others = Residents(world).without(s.trips[:, light])
        ends = others.sum(axis=(0, 1)) + others.sum(axis=(0, 2))
        reference = float(factors["bev_share_reference"])
        share = float(ends @ s.bev_share / ends.sum()) if ends.any() else reference
        self._light, self._left, self._own = light, (1.0 - share) / (1.0 - reference), 1.0 / (1.0 - reference)
        self._fuel, self._resident = np.zeros((2, *s.flow.shape))
        self._stagnation = np.zeros(len(s.length))
        self._emission = np.zeros((len(rows), len(s.length)))

    def step(self, s, clock):
        """Classify, mix and add up; book the grams of the step."""
        self._stagnate(s)
        urban_speed_class(
            s.time,
            s.length,
            s.limit,
            self._method,
            self._edges,
            self.options.rural_limit,
            self._urban,
            self._class,
        )
        # light vehicles of the table's own fleet that emit as these do
        self._resident[self._light] = self._own * (s.resident_flow - s.resident_electric)
        self._fuel[:] = s.flow
        self._fuel[self._light] = self._left * (s.flow[self._light] - s.resident_flow) + self._resident[self._light]
        emit = (s.length, self._method, self._class, self._stagnation, self._factor, self._emission)
        link_emission(self._resident, *emit)
        s.resident_nox[:] = self._emission[0]
        link_emission(self._fuel, *emit)
        s.nox[:], s.no2[:], s.nh3[:], s.co2[:] = self._emission
        clock.ledger.give("road_nox", s.nox.sum() * clock.seconds, "g")
        clock.ledger.give("road_nh3", s.nh3.sum() * clock.seconds, "g")

    def _stagnate(self, s):
        """Share of vehicle-kilometres in stagnating traffic per link: the proxy from the delay ratio."""
        stagnation_proxy(s.time, s.free_time, self._method, self._stagnation)


class QueueRoadEmission(RoadEmission):
    """As :class:`RoadEmission`, with the stagnating share of motorways and ramps from a queue model.

    Use it in place of ``road_emission`` together with ``queue_loading``.
    """

    leaves_out = "cold starts, gradients, tunnels and barriers, buses, tyre and brake wear"

    share = In("road_stagnation", ("road_link",), "1", over="mean")

    def _stagnate(self, s):
        """Queued share of vehicle-kilometres, for the links of the motorway method."""
        self._stagnation[:] = np.where(self._method == SRM2, s.share, 0.0)


def _position(names: list[str], name: str) -> int:
    if name not in names:
        raise DataError(f"emission factors hold no {name!r}, only {', '.join(names)}; load a table with it")
    return names.index(name)

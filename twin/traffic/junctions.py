"""Delays at signals, priority junctions and bridges as part of the cost of a link.

A TOML file says where they are; flows of the file are those of the assignment::

    flow_hours = 1.0          # h that the trips of the trips file cover
    hours_per_time = 0.0166667  # h in one unit of the network's time (1 for GMNS, OSM and NWB)

    [[signal]]                # fixed timing (control = "fixed") or one that reacts to the vehicles ("actuated")
    control = "fixed"
    stages = [[1, 5], [8]]    # links (ids) that have green together
    saturation_flow = 1800    # pcu/h of a link at green, one number or one per stage
    lost_time = 8             # s per cycle
    cycle = 90                # s; without cycle and greens a fixed signal has Webster's timing for its flows
    greens = [50, 32]         # s per stage

    [[priority]]
    minor = [12]              # links that wait for gaps
    major = [3, 4]            # in these
    critical_gap = 5.5        # s
    follow_up = 3.0           # s

    [[bridge]]
    links = [20, 21]
    saturation_flow = 1800
    openings = [6.5, 4]       # minutes of each closure to traffic within flow_hours
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kernels.traffic.node_delay import (
    FIXED_TIME,
    actuated_delay,
    actuated_timing,
    opening_delay,
    priority_capacity,
    priority_delay,
    signal_delay,
    webster_timing,
)
from twin.config import read_toml
from twin.errors import ConfigError
from twin.traffic.network import RoadNetwork

__all__ = ["Junctions", "read_junctions"]

SHORTEST_CYCLE, LONGEST_CYCLE = 30.0, 120.0  # s, of Webster's timing
SATURATION_AIMED = 0.95  # degree of saturation at which an actuated green ends (HCM 2000, chapter 16, appendix B)
LEAST_CAPACITY = 30.0 / 3600.0  # vehicles per s that always find a gap: drivers force their way in


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Signal(_Entry):
    """A signal: links by stage and its timing."""

    stages: list[list[int | str]] = Field(min_length=1)
    saturation_flow: float | list[float] = 1800.0
    control: Literal["fixed", "actuated"] = "fixed"
    lost_time: float = Field(default=8.0, ge=0)
    cycle: float | None = Field(default=None, gt=0)
    greens: list[float] | None = None
    shortest_green: float = Field(default=6.0, gt=0)
    longest_green: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _timed(self) -> "Signal":
        flows = self.saturation_flow if isinstance(self.saturation_flow, list) else [self.saturation_flow]
        if min(flows) <= 0 or len(flows) not in (1, len(self.stages)):
            raise ValueError("saturation_flow is one number above zero, or one per stage")
        if (self.cycle is None) != (self.greens is None) or (self.control == "actuated" and self.greens is not None):
            raise ValueError("give cycle and greens together, and for a fixed signal only")
        if self.greens is not None and self.cycle is not None:
            if len(self.greens) != len(self.stages) or min(self.greens) <= 0:
                raise ValueError("greens: one above zero for each stage")
            if sum(self.greens) > self.cycle + 1e-9:
                raise ValueError("greens add up to more than the cycle")
        return self


class Priority(_Entry):
    """Streams that wait for gaps in others."""

    minor: list[int | str] = Field(min_length=1)
    major: list[int | str] = Field(min_length=1)
    critical_gap: float = Field(default=5.5, gt=0)
    follow_up: float = Field(default=3.0, gt=0)


class Bridge(_Entry):
    """A bridge that closes the road now and then."""

    links: list[int | str] = Field(min_length=1)
    saturation_flow: float = Field(default=1800.0, gt=0)
    openings: list[float] = Field(min_length=1)

    @model_validator(mode="after")
    def _lengths(self) -> "Bridge":
        if min(self.openings) <= 0:
            raise ValueError("openings: minutes above zero")
        return self


class _File(_Entry):
    hours_per_time: float = Field(gt=0)
    flow_hours: float = Field(default=1.0, gt=0)
    signal: list[Signal] = []
    priority: list[Priority] = []
    bridge: list[Bridge] = []


@dataclass
class Junctions:
    """Signals, priority junctions and bridges of one network; links as indices."""

    given: _File
    stage_links: list[list[np.ndarray]]
    minor: list[np.ndarray]
    major: list[np.ndarray]
    bridge_links: list[np.ndarray]

    def delays(self, flow: np.ndarray) -> np.ndarray:
        """Mean delay (link) [time of the network] per vehicle at ``flow`` (link) [pcu per flow period].

        Signals: Webster's delay below saturation and a growing queue above, averaged over the period
        (``signal_delay`` and ``actuated_delay`` of :mod:`kernels.traffic.node_delay`); the greens of actuated signals,
        and of fixed ones without ``greens``, follow the flows.
        """
        period = 3600.0 * self.given.flow_hours
        rate = np.maximum(flow, 0.0) / period
        out = np.zeros(len(flow))
        for signal, stages in zip(self.given.signal, self.stage_links):
            flows = signal.saturation_flow
            s = np.broadcast_to(np.asarray(flows, np.float64), (len(stages),)) / 3600.0
            cycle, green = _timing(signal, np.array([rate[links].max() for links in stages]) / s)
            for links, room, g in zip(stages, s, green):
                for a in links:
                    if signal.control == "actuated":
                        out[a] += actuated_delay(rate[a], room, g, cycle, signal.longest_green, period)
                    else:
                        out[a] += signal_delay(rate[a], room, g, cycle, period, FIXED_TIME)
        for entry, minor, major in zip(self.given.priority, self.minor, self.major):
            room = max(priority_capacity(rate[major].sum(), entry.critical_gap, entry.follow_up), LEAST_CAPACITY)
            for a in minor:
                out[a] += priority_delay(rate[a], room, period)
        for bridge, links in zip(self.given.bridge, self.bridge_links):
            closed = 60.0 * np.array(bridge.openings)
            for a in links:
                out[a] += opening_delay(rate[a], bridge.saturation_flow / 3600.0, closed, period)
        return out / (3600.0 * self.given.hours_per_time)


def _timing(signal: Signal, ratio: np.ndarray) -> tuple[float, np.ndarray]:
    """Cycle and greens [s] of a signal whose stages have the flow ratios ``ratio``."""
    green = np.zeros(len(ratio))
    if signal.greens is not None and signal.cycle is not None:
        return signal.cycle, np.array(signal.greens)
    if signal.control == "actuated":
        cycle = actuated_timing(
            ratio, signal.lost_time, signal.shortest_green, signal.longest_green, SATURATION_AIMED, green
        )
        return cycle, green
    # A stage without traffic keeps the shortest green.
    least = np.maximum(ratio, 1e-3)
    cycle = webster_timing(least, signal.lost_time, SHORTEST_CYCLE, LONGEST_CYCLE, green)
    green = np.maximum(green, signal.shortest_green)
    return max(cycle, float(green.sum() + signal.lost_time)), green


def read_junctions(path: str | Path, net: RoadNetwork) -> Junctions:
    """Read signals, priority junctions and bridges of ``net``; see the module for the file.

    Raises :class:`ConfigError` naming the entry and key, and :class:`twin.errors.DataError` for unknown links.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give the TOML file of signals, priority junctions and bridges")
    try:
        given = _File.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: {where}: {first['msg']}") from None
    for bridge in given.bridge:
        if sum(bridge.openings) >= 60.0 * given.flow_hours:
            raise ConfigError(f"{path}: bridge: openings of {sum(bridge.openings):g} minutes fill the whole period")
    return Junctions(
        given,
        [[net.links_of(stage, f"{path}: signal") for stage in signal.stages] for signal in given.signal],
        [net.links_of(entry.minor, f"{path}: priority") for entry in given.priority],
        [net.links_of(entry.major, f"{path}: priority") for entry in given.priority],
        [net.links_of(entry.links, f"{path}: bridge") for entry in given.bridge],
    )

"""An equilibrium as it lies at hand: its network, trips and results, and the paths from which the next one starts."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from kernels.traffic.equilibrium import Problem
from twin.traffic.classes import VehicleClass
from twin.traffic.network import RoadNetwork

if TYPE_CHECKING:
    from twin.traffic.junctions import Junctions

__all__ = ["EquilibriumState"]


@dataclass
class EquilibriumState:
    """Equilibrium of one network: results as xarray, and the state from which the next one goes on warm.

    ``links`` (link, vehicle_class): ``flow`` [pcu] with the vehicles on fixed routes, ``class_flow`` [veh], ``time``,
    ``delay`` at junctions, ``cost`` (of the first class), ``class_cost``; scalars as attributes: ``relative_gap``,
    ``average_excess_cost``, ``beckmann``, ``total_travel_time`` (flow x (time + delay)), ``total_cost`` (with tolls
    and distance, of those who choose), ``iterations``, ``cpu_seconds``, ``wall_seconds``, ``threads``, ``converged``,
    ``intrazonal_trips``.
    """

    network: RoadNetwork
    classes: tuple[VehicleClass, ...]
    links: xr.Dataset
    history: np.ndarray
    problem: Problem
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray]  # origin, destination (zones from 0) and class of each demand
    demand: np.ndarray
    intrazonal: float  # trips within a zone, not loaded
    reference: bool
    extra: np.ndarray  # (class, link) constant cost
    preload: np.ndarray  # (class, link) vehicles on fixed routes
    junctions: "Junctions | None"
    threads: int | None  # of the kernels; None for as many as Numba has
    # The path store is one for all results that started from another: the last of them owns it.
    owner: list[int] = field(default_factory=lambda: [0], repr=False)
    turn: int = 0

"""Components: one process each, declared variables and a call into kernels. Importing this registers them."""

from twin.components.assignment import Assignment
from twin.components.building_load import BuildingLoad
from twin.components.charging import Charging
from twin.components.demand import Demand
from twin.components.deposition import Deposition
from twin.components.power_flow import PowerFlow
from twin.components.queue_loading import QueueLoading
from twin.components.road_emission import QueueRoadEmission, RoadEmission
from twin.components.trips import Trips

__all__ = [
    "Assignment",
    "BuildingLoad",
    "Charging",
    "Demand",
    "Deposition",
    "PowerFlow",
    "QueueLoading",
    "QueueRoadEmission",
    "RoadEmission",
    "Trips",
]

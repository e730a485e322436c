"""Traffic assignment on its own: a network, its trips and classes to equilibrium flows, costs, paths and skims.

    result = twin.assign("SiouxFalls_net.tntp", "SiouxFalls_trips.tntp", gap=1e-10)
    result.links        # xarray: flow and cost by link
    result.skims()      # xarray: cost, time, distance, toll between zones

``network`` holds the formats, ``classes`` the vehicle classes, ``junctions`` signals and bridges, ``assignment`` the
call into the kernels, ``state`` what lies at hand after it, ``warm_step`` the next equilibrium from there, ``result``
what can be asked of one, ``counts`` the comparison with observations.
"""

from twin.traffic.assignment import assign
from twin.traffic.classes import VehicleClass, read_classes
from twin.traffic.network import RoadNetwork, open_roads, open_trips
from twin.traffic.result import Assigned

__all__ = ["Assigned", "RoadNetwork", "VehicleClass", "assign", "open_roads", "open_trips", "read_classes"]

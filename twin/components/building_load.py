"""Load of single buildings: each bus's load shared among the buildings that it supplies."""

from types import SimpleNamespace

import numpy as np
import xarray as xr

from twin.clock import Moment
from twin.component import Component, In, Out, Static

__all__ = ["BuildingLoad"]


class BuildingLoad(Component):
    """Active power of each building: its share of the load of the bus that supplies it.

    A picture of where load falls, for maps and viewers; nothing downstream reads it, so the books stay those of the
    buses.
    """

    leaves_out = (
        "what a single building really draws: the load of its bus (homes, services, charging, less sun) is shared by "
        "floor area; the bus itself is the nearest one, not the operator's connection; buildings that no file shows "
        "hold the rest of the bus's load"
    )

    load = In("bus_load", ("bus",), "kW", over="mean")
    bus = Static("buildings/bus", ("building",), "1")
    share = Static("buildings/load_share", ("building",), "1")
    building_load = Out(
        "building_load",
        ("building",),
        "kW",
        "active power of the building, shared from its bus",
        additive=False,  # counted at the buses already
    )

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """The bus of each building; -1 (no bus with demand) takes none, as its share is zero."""
        self._bus = np.maximum(s.bus, 0).astype(np.intp)

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Share each bus's load."""
        np.take(s.load, self._bus, out=s.building_load)
        s.building_load *= s.share

"""Power flow and what follows from it, on networks of any format or a world's power group.

``flow`` is the call: ``circuit`` makes nodes and two-ports of a network, ``demand`` what they draw, ``radial``,
``meshed``, ``split`` and ``pgm`` (power-grid-model) solve them; ``droop`` makes inverters answer to the voltage and
``taps`` moves on-load tap changers around any of them; ``solution`` is what they give and ``results`` what of it goes
out. ``limits`` holds hosting capacity and outages of rings, ``year`` a province's feeders through a year.
"""

from twin.power.circuit import Circuit, circuit_of
from twin.power.droop import Droop
from twin.power.flow import Solver, powerflow
from twin.power.limits import hosting, ring_outages

__all__ = ["Circuit", "Droop", "Solver", "circuit_of", "hosting", "powerflow", "ring_outages"]

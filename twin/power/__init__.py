"""Power flow and what follows from it, on networks of any format or a world's power group.

``flow`` is the call into the solvers, ``taps`` on-load tap changers, ``pgm`` power-grid-model as a backend, ``limits``
hosting capacity and outages of rings, ``year`` a province's feeders through a year of quarter-hours.
"""

from twin.power.flow import Circuit, Solver, circuit_of, powerflow
from twin.power.limits import hosting, ring_outages

__all__ = ["Circuit", "Solver", "circuit_of", "hosting", "powerflow", "ring_outages"]

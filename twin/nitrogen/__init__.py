"""Nitrogen deposition on its own: sources, receptors and weather to concentration and deposition.

``deposition`` is the face of the three modes: ``chain`` the exact sector-plume chain, ``fast`` its tables, ``hours``
the hourly mode. ``case`` says what is computed; ``kernel_input`` and ``surface`` make it arrays. ``grid`` is a grid of
receptors, ``layers`` total nitrogen, background and critical loads, ``source_receptor`` the matrix of single sources,
``permit_rules`` numbers set by law.
"""

from twin.nitrogen.deposition import Conversion, Map, Roads, Switches, deposit
from twin.nitrogen.grid import Grid

__all__ = ["Conversion", "Grid", "Map", "Roads", "Switches", "deposit"]

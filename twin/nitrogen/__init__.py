"""Nitrogen deposition on its own: sources, receptors and weather to concentration and deposition.

``deposition`` is the exact sector-plume chain, ``fast`` its tables, ``hours`` the hourly mode, ``grid`` a grid of
receptors, ``layers`` total nitrogen, background and critical loads, ``source_receptor`` the matrix of single sources,
``permit_rules`` numbers set by law.
"""

from twin.nitrogen.deposition import Conversion, Map, Roads, Switches, deposit
from twin.nitrogen.grid import Grid

__all__ = ["Conversion", "Grid", "Map", "Roads", "Switches", "deposit"]

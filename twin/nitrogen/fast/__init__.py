"""Fast mode of deposition: the exact chain tabulated, summed over many pairs, and checked at random receptors.

``classes``: which sources share a plume and a kind, and between which surfaces a receptor's own lies. ``ground``: the
maps that paths cross. ``tables``: exact results by direction and distance, and what surfaces and paths change.
``own_surface``: what is interpolated between surfaces lacks of a receptor's own.
``sums``: near field exactly, far field from tables. ``transform``: sources and receptors on one lattice. ``error``:
receptors and pairs recomputed exactly.
"""

from twin.nitrogen.fast.sums import run_fast

__all__ = ["run_fast"]

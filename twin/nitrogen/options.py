"""What a user may choose of the chain: which processes act, given rates of conversion, and roads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twin.readers.raster_map import Map

__all__ = ["Conversion", "Roads", "Switches"]


@dataclass(frozen=True)
class Switches:
    """Processes of the chain; all off is pure dispersion."""

    chemistry: bool = True
    dry: bool = True
    wet: bool = True
    gradient: bool = True

    @property
    def losses(self) -> bool:
        """Whether any process acts."""
        return self.chemistry or self.dry or self.wet or self.gradient

    def numbers(self) -> np.ndarray:
        """As the kernel takes them."""
        return np.array((self.chemistry, self.dry, self.wet, self.gradient), dtype=float)


@dataclass(frozen=True)
class Conversion:
    """Given rates of conversion [%/h] instead of the internal ones, and the split of NO3 (sum 1).

    A rate is a number, a map of it, or two maps whose quotient it is: converted mass per hour [%] and the mass of the
    precursor. Of maps the mean over the path counts, of two the quotient of the means; the split is that at the
    receptor.
    """

    nh3: float | Map | tuple[Map, Map]
    nox: float | Map | tuple[Map, Map]
    hno3: float | Map = 0.35
    coarse: float | Map = 0.25
    fine: float | Map = 0.40


@dataclass(frozen=True)
class Roads:
    """Which categories are roads (up to 5 km), and which of their two options act."""

    categories: frozenset[int] = frozenset()
    chemistry: bool = True
    dispersion: bool = True
    ozone: tuple[float, ...] = field(default=())  # ug/m3 per wind sector

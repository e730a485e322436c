"""What is to be computed: sources, receptors, weather, surface and rules, checked against each other in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from twin.errors import ConfigError
from twin.nitrogen.grid import Grid
from twin.nitrogen.hours import Period
from twin.nitrogen.options import Conversion, Roads, Switches
from twin.nitrogen.surface import ROUGHEST
from twin.readers.brn import read_brn
from twin.readers.climatology import Climatology, read_climatology
from twin.readers.raster_map import Map
from twin.readers.rcp import read_rcp

__all__ = ["Case"]

_SUBSTANCES = ("NH3", "NOx")
_MODES = ("exact", "fast", "hourly")
_NOT_HOURLY = (
    "conversion", "switches", "roads", "diffusion", "reversible", "profiles", "groups", "emission_factor", "reach",
    "subdivide",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """The choices of :func:`twin.nitrogen.deposit`, which tells what each is; refused where they contradict."""

    sources: pd.DataFrame | str | Path | Mapping[str, pd.DataFrame]
    receptors: pd.DataFrame | Grid | str | Path
    weather: Climatology | Sequence[Climatology] | pd.DataFrame | str | Path
    substance: str
    z0: float | Map
    land_use: int | Map
    background: Mapping[str, float | Map] | None
    conversion: Conversion | None = None
    switches: Switches | None = None
    roads: Roads | None = None
    diffusion: float | None = None
    reversible: bool | None = None
    emission_factor: float = 1.0
    subdivide: bool = True
    reach: float = np.inf
    profiles: Mapping[int, np.ndarray] | None = None
    groups: np.ndarray | None = None
    mode: str = "exact"
    check: int = 200
    period: Period | str | None = None
    cell: float = 250.0

    def __post_init__(self) -> None:
        if self.substance not in _SUBSTANCES:
            raise ConfigError(f"substance {self.substance!r} is not known; NH3 and NOx are")
        if self.background is None:
            raise ConfigError("background concentrations are missing; give NH3, NOx and SO2 in ug/m3 (values or maps)")
        if self.mode not in _MODES:
            raise ConfigError(f"mode {self.mode!r} is not known; exact, fast and hourly are")
        if not self.reach > 0:
            raise ConfigError(f"reach {self.reach}: a distance above 0 m is needed, inf for all pairs")
        if not isinstance(self.z0, Map) and not 0 < self.z0 <= ROUGHEST:
            raise ConfigError(f"z0 {self.z0:g}: a roughness length above 0 and up to {ROUGHEST:g} m is needed")
        if self.mode == "hourly":
            self._check_hourly()
        else:
            self._check_annual()

    def _check_hourly(self) -> None:
        without_choice = {item.name: item.default for item in fields(self)}
        for name in _NOT_HOURLY:
            value, default = getattr(self, name), without_choice[name]
            if value is not None if default is None else value != default:
                raise ConfigError(f"{name} has no effect in hourly mode; leave it out")
        if self.period is None:
            raise ConfigError("hourly mode needs a period: a year, or START/STOP as dates (UTC)")

    def _check_annual(self) -> None:
        if self.period is not None:
            raise ConfigError("period belongs to mode 'hourly'; leave it out, or choose that mode")
        if isinstance(self.sources, Mapping):
            raise ConfigError("a table per substance belongs to mode 'hourly'; give the table of one substance")
        if isinstance(self.weather, pd.DataFrame):
            raise ConfigError("hourly weather belongs to mode 'hourly'; give a climatology, or choose that mode")
        if self.regions is not None and self.mode != "exact":
            raise ConfigError("several regions are interpolated to each receptor in exact mode only; give one region")
        if self.regions is not None and isinstance(self.receptors, Grid):
            raise ConfigError("several regions are interpolated to points; give receptors as points, or one region")

    @property
    def regions(self) -> Sequence[Climatology] | None:
        """Statistics of several regions; None for one region or hours."""
        several = isinstance(self.weather, Sequence) and not isinstance(self.weather, str)
        return cast("Sequence[Climatology]", self.weather) if several else None

    @property
    def side(self) -> float:
        """Side of a receptor cell [m], 0 for points."""
        return float(self.receptors.cell) if isinstance(self.receptors, Grid) else 0.0

    def source_table(self) -> pd.DataFrame:
        """The sources, read where a file is given."""
        return read_brn(self.sources) if isinstance(self.sources, str | Path) else self.sources

    def places(self) -> pd.DataFrame:
        """The receptors, read where a file is given; middles of the cells of a grid."""
        if isinstance(self.receptors, Grid):
            return self.receptors.table()
        return read_rcp(self.receptors) if isinstance(self.receptors, str | Path) else self.receptors

    def climate(self) -> Climatology:
        """Statistics of one region, read where a file is given."""
        known = isinstance(self.weather, Climatology)
        return cast("Climatology", self.weather) if known else read_climatology(cast("str | Path", self.weather))

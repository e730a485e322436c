"""What the chain takes: sources, receptors, maps, climate, substance and options as plain arrays and numbers."""

from typing import NamedTuple

import numpy as np

__all__ = [
    "OUTPUTS",
    "RECEPTOR_COLUMNS",
    "SOURCE_COLUMNS",
    "Climate",
    "Maps",
    "Options",
    "Receptors",
    "Sources",
    "Substance",
]

OUTPUTS = 7  # conc, dry, wet, secondary conc, dry, wet, NO2 of pairs without road chemistry
# columns of the sources' table
(SX, SY, SQ, SH, SD, SS, SHEAT, SDIAM, SVEL, STEMP, SZ0, SBUOY, SREACH) = range(13)
SOURCE_COLUMNS = 13
# columns of the receptors' table
(RX, RY, RZ, RZ0, RNH3, RSO2, RSHARE, RWEIGHT) = range(8)
RECEPTOR_COLUMNS = 8


class Sources(NamedTuple):
    """Sources as the kernel takes them."""

    values: np.ndarray  # (ns, SOURCE_COLUMNS)
    codes: np.ndarray  # (ns, 4) int64: type, timing code, group, 1 for a road
    turning: np.ndarray  # (types, 6, 12) turning of the wind [degree]
    timing_kind: np.ndarray  # (codes,) int64, see :func:`chain.process`
    timing_weight: np.ndarray  # (codes, 4, 6)


class Receptors(NamedTuple):
    """Receptors as the kernel takes them."""

    values: np.ndarray  # (nr, RECEPTOR_COLUMNS)
    shares: np.ndarray  # (nr, 9) of land use, sum 1

    def at(self, rows) -> "Receptors":
        """Receptors of some rows: numbers (copies) or a slice (views)."""
        return Receptors(self.values[rows], self.shares[rows])


class Maps(NamedTuple):
    """Maps that trajectories cross; frames are x left, y top, cell size in x and y [m]."""

    uniform: bool  # all paths are alike: ``path``
    path: np.ndarray  # (1 or receptors, 13) roughness length [m], shares of 9 land uses, NH3, SO2 [ug/m3], NO2 [ppb]
    log_z0: np.ndarray  # (ny, nx) ln m
    z0_frame: np.ndarray
    use: np.ndarray  # (ny, nx) int64, land use 1..9
    use_frame: np.ndarray
    back: np.ndarray  # (3 or 5, ny, nx) NH3, SO2 [ug/m3], NO2 [ppb]; given rates: converted mass and its precursor
    back_frame: np.ndarray
    back_mean: np.ndarray  # (3 or 5,)


class Climate(NamedTuple):
    """Climatological table and the constants of its season."""

    table: np.ndarray  # (4, 6, 12, 27)
    directions: np.ndarray  # (6, 360, DIRECTION_COLUMNS) of :func:`class_statistics.direction_table`
    fan: np.ndarray  # (4, 6, 12, 13) of :func:`class_statistics.fan_table`
    full: bool  # every class has hours
    hours: float  # h
    z0: float  # m, of the region
    night: np.ndarray  # (4, 6) night fraction
    rain: np.ndarray  # (2, 12) time constant [h] and intensity [mm/h] where the table has none
    season_ratio: np.ndarray  # (6,) factor on NO2/NOx per class
    radiation_factor: float  # of the NOx conversion


class Substance(NamedTuple):
    """The substance and its processes."""

    nitrate: bool  # NOx, else NH3
    days: np.ndarray  # (10, 2) days of the year per land use, -1 = none
    foliage: np.ndarray  # (10, 2, 2) LAI and SAI on them
    light: np.ndarray  # (6, 360, 10, 2) of :func:`canopy.light_table`
    gamma: float  # NH4/H ratio of water
    diffusion: float  # cm2/s
    reversible: bool  # scavenging
    mass_ratio: float  # molar mass of the secondary over that of the primary species
    switches: np.ndarray  # (4,) chemistry, dry, wet, gradient: 1.0 or 0.0
    given_rate: float  # %/h, negative: internal; where maps hold it, theirs


class Options(NamedTuple):
    """Choices of the computation."""

    cell: float  # m, side of the receptors' cells, 0 for points
    subdivide: bool  # sub-sources and sub-receptors
    merged: float  # sides away from the receptor at which nine sub-sources go as one; inf: never, as the model has it
    reach: float  # m, pairs beyond are left out
    road_dispersion: bool
    road_chemistry: bool

"""Critical loads (KDW) and their exceedance by the Dutch rules.

Sources: RIVM report 2025-0020; Handboek Data AERIUS 2026: exceeded where deposition is above the KDW, approaching
within 70 mol N/ha/yr below it; nitrogen-sensitive below a KDW of 2400 mol N/ha/yr; a hexagon takes the lowest KDW
of its relevant habitats.
"""

import numpy as np

__all__ = ["APPROACHING", "SENSITIVE", "exceedance", "lowest_load", "state"]

APPROACHING = 70.0  # mol N/ha/yr below the KDW
SENSITIVE = 2400.0  # mol N/ha/yr, KDW of insensitive habitats


def lowest_load(hexagon: np.ndarray, load: np.ndarray, count: int) -> np.ndarray:
    """Lowest KDW of each of ``count`` hexagons [mol N/ha/yr] from pairs (hexagon index, KDW); NaN without habitat.

    Habitats at or above :data:`SENSITIVE` do not count.
    """
    lowest = np.full(count, np.inf)
    hexagon, load = np.asarray(hexagon), np.asarray(load, dtype=float)
    sensitive = load < SENSITIVE
    np.minimum.at(lowest, hexagon[sensitive], load[sensitive])
    return np.where(np.isfinite(lowest), lowest, np.nan)


def exceedance(deposition: np.ndarray, load: np.ndarray) -> np.ndarray:
    """Deposition minus KDW [mol N/ha/yr]; negative below it, NaN without habitat."""
    return np.asarray(deposition, dtype=float) - np.asarray(load, dtype=float)


def state(deposition: np.ndarray, load: np.ndarray) -> np.ndarray:
    """0 below, 1 approaching, 2 exceeded, -1 without a nitrogen-sensitive habitat (int8)."""
    above = exceedance(deposition, load)
    result = np.where(above > 0.0, 2, np.where(above > -APPROACHING, 1, 0))
    return np.where(np.isnan(above), -1, result).astype(np.int8)

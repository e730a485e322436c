"""Where a receptor may lie: anywhere but inside a source that has no inside."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from twin.errors import DataError

__all__ = ["refuse_receptors_inside_sources"]

_LISTED = 5


def refuse_receptors_inside_sources(sources: pd.DataFrame, receptors: pd.DataFrame) -> None:
    """Raise :class:`twin.errors.DataError`, with a list, for receptors on a point source or inside its stack.

    Area sources have an inside, for which concentrations are defined (nitrogen.md 3.5): receptors there are computed. A
    point has none: at zero distance the plume of the reference model contributes nothing (nitrogen.md 3.1), which would
    be a silent zero where air is worst.
    """
    points = np.flatnonzero(sources["diameter"].to_numpy(float) == 0.0)
    if points.size == 0 or len(receptors) == 0:
        return
    width = sources["stack_diameter"].to_numpy(float) if "stack_diameter" in sources else np.zeros(len(sources))
    radius = 0.5 * np.nan_to_num(width[points])
    tree = cKDTree(receptors[["x", "y"]].to_numpy(float))
    found = tree.query_ball_point(sources[["x", "y"]].to_numpy(float)[points], np.maximum(radius, 1.0e-6))
    pairs = {receptor: int(point) for point, inside in zip(points, found) for receptor in inside}
    if not pairs:
        return
    listed = []
    for receptor in sorted(pairs)[:_LISTED]:
        place, point = receptors.iloc[receptor], pairs[receptor]
        row = f"line {int(sources['line'].iloc[point])}" if "line" in sources else f"row {point + 1}"
        listed.append(f"receptor {place['name']} at ({place['x']:.0f}, {place['y']:.0f}) on {row}")
    if len(pairs) > _LISTED:
        listed.append(f"and {len(pairs) - _LISTED} more")
    file = sources.attrs.get("file", "sources")
    raise DataError(
        f"{receptors.attrs.get('file', 'receptors')}: receptors on a point source, or inside its stack, of {file} "
        f"({len(pairs)}): {', '.join(listed)}; move them outside the source, or leave them out"
    )

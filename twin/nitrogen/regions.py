"""Statistics of several meteorological regions, interpolated to a receptor from the three nearest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pyproj import Transformer

from twin.errors import DataError
from twin.readers.climatology import QUANTITIES, Climatology

__all__ = ["DIURNAL_REGION", "interpolated_climatology"]

DIURNAL_REGION = 4  # index of region 5, whose season and shares of the hours of the day hold everywhere
_NEAREST = 3
_NAMES = list(QUANTITIES)
_BLOCKS = [_NAMES.index(name) for name in ("pct_hours_2hblock_src", "pct_hours_2hblock_rcp")]
_HOURS = _NAMES.index("hours")
_to_degrees = Transformer.from_crs(28992, 4326, always_xy=True)


def interpolated_climatology(regions: Sequence[Climatology], x: float, y: float) -> Climatology:
    """Climatology at a place in RD [m].

    Weights 1/(r^2 + 0.01) with r [degree] to the region's centre; per class over the regions that have hours in it;
    hours over all three (nitrogen.md 3.1). Raises :class:`twin.errors.DataError` for fewer than three regions, or
    regions of different periods.
    """
    if len(regions) <= DIURNAL_REGION:
        raise DataError(f"{len(regions)} meteorological regions; six are needed, of which the fifth gives hours of day")
    for region in regions[1:]:
        if (region.begin, region.end) != (regions[0].begin, regions[0].end):
            raise DataError(f"{region.file}: its period is not that of {regions[0].file}; give regions of one period")
    longitude, latitude = _to_degrees.transform(x, y)
    east = np.array([(longitude - r.longitude) * np.cos(np.radians(latitude)) for r in regions])
    north = np.array([latitude - r.latitude for r in regions])
    weight = 1.0 / (east**2 + north**2 + 0.01)
    nearest = np.argsort(-weight, kind="stable")[:_NEAREST]
    weight = weight[nearest]
    tables = np.stack([regions[i].table for i in nearest])
    filled = weight[:, None, None, None] * (tables[..., _HOURS] > 0)
    total = filled.sum(axis=0)
    total[total == 0.0] = 0.01
    table = (filled[..., None] * tables).sum(axis=0) / total[..., None]
    table[..., _HOURS] = np.tensordot(weight, tables[..., _HOURS], axes=1) / total
    table[..., _BLOCKS] = regions[DIURNAL_REGION].table[..., _BLOCKS]
    z0 = float(weight @ [regions[i].z0 for i in nearest] / weight.sum())
    file = f"between {', '.join(regions[i].file for i in nearest)}"
    return replace(
        regions[DIURNAL_REGION], table=table, hours=float(table[0, ..., _HOURS].sum()), z0=z0,
        latitude=latitude, longitude=longitude, file=file,
    )  # fmt: skip

"""Roughness, land use and background as arrays of the kernel: at points, and as the maps that paths cross."""

from __future__ import annotations

import numpy as np

from kernels.nitrogen.exact import inputs
from twin.errors import ConfigError, DataError
from twin.readers.raster_map import Map

__all__ = ["ROUGHEST", "kernel_maps", "levels_at", "rate_maps", "value_at"]

ROUGHEST = 3.0  # m, the greatest roughness length of a receptor file (nitrogen.md 11.2)
_CLEAN = float(np.exp(1.0 + 12.4 / 8.6))


def value_at(value, x, y, what, file, kind):
    """One value everywhere, or of a map; points outside it are listed."""
    if not isinstance(value, Map):
        return np.full(np.shape(x), float(value))
    found, inside = value.at(x, y)
    bad = np.flatnonzero(~inside | ~np.isfinite(found.astype(float)) | (found <= 0))
    if bad.size:
        points = ", ".join(f"({x[i]:.0f}, {y[i]:.0f})" for i in bad[:5])
        more = f" and {bad.size - 5} more" if bad.size > 5 else ""
        raise DataError(
            f"{value.file}: the map of {what} has no value at {kind} {points}{more} of {file}; extend the map or "
            "leave these out"
        )
    return found.astype(float)


def levels_at(background, x, y) -> dict[str, np.ndarray]:
    """Background NH3, SO2 and NOx [ug/m3] at points; outside a map, and where it has none, its mean."""
    levels = {}
    for name in ("NH3", "SO2", "NOx"):
        if name not in background:
            raise ConfigError(f"background concentration of {name} is missing; give it in ug/m3 (a value or a map)")
        value = background[name]
        if isinstance(value, Map):
            found, inside = value.at(x, y)
            mean = float(np.nanmean(value.values))
            levels[name] = np.where(inside & (found > 0), found, mean)
        else:
            levels[name] = np.full(np.shape(x), float(value))
        if not (np.isfinite(levels[name]) & (levels[name] > 0)).all():
            raise DataError(f"background of {name} must be positive and finite [ug/m3]")
    return levels


def _no2(nox: np.ndarray) -> np.ndarray:
    """NO2 [ppb] from NOx [ug/m3]: 8.6 ln(NOx) - 12.4 above exp(1 + 12.4/8.6) ppb, proportional below."""
    ppb = np.asarray(nox, dtype=float) * 24.0 / 46.0
    return np.where(ppb > _CLEAN, 8.6 * np.log(np.maximum(ppb, 1e-30)) - 12.4, ppb * 8.6 / _CLEAN)


def rate_maps(given, mode: str) -> dict[str, float | Map]:
    """Converted mass and precursor of a rate that is given as maps; none where it is a number."""
    if not isinstance(given, Map | tuple):
        return {}
    if mode == "fast":
        raise ConfigError("maps of conversion rates need exact mode; give rates as numbers [%/h], or --mode exact")
    return dict(zip(("converted", "precursor"), given if isinstance(given, tuple) else (given, 1.0)))


def kernel_maps(z0, land_use, background, rates, table, places) -> inputs.Maps:
    """Maps that paths cross: roughness, land use, and layers of background and of the maps of ``rates``.

    Where none of them is a map every path is alike. A source or receptor outside a map is refused.
    """
    frame = np.array((-1.0e7, 1.0e7, 2.0e7, 2.0e7))
    background = {**background, **rates}
    uniform = not any(isinstance(v, Map) for v in (z0, land_use, *background.values()))
    for value in (z0, land_use):
        if isinstance(value, Map):
            kind = "roughness length" if value is z0 else "land use"
            for what, points in (("source", table), ("receptor", places)):
                x, y = points["x"].to_numpy(float), points["y"].to_numpy(float)
                value_at(value, x, y, kind, points.attrs.get("file", f"{what}s"), what)
    z0_map = z0 if isinstance(z0, Map) else Map(np.full((1, 1), float(z0)), *frame)
    use_map = land_use if isinstance(land_use, Map) else Map(np.full((1, 1), int(land_use)), *frame)
    _refuse_cells(use_map, ~np.isin(use_map.values, np.arange(1, 10)), "land use must be a DEPAC class 1..9")
    rough = z0_map.values
    _refuse_cells(z0_map, ~((rough > 0) & (rough <= ROUGHEST)), f"roughness length must lie in 0..{ROUGHEST:g} m")
    use = use_map.values.astype(np.int64)
    layers, mean = [], []
    back_frame = frame
    shape = (1, 1)
    for value in background.values():
        if isinstance(value, Map):
            back_frame, shape = value.frame, value.values.shape
    for name in ("NH3", "SO2", "NOx", *rates):
        value = background[name]
        if isinstance(value, Map):
            if value.values.shape != shape or (value.frame != back_frame).any():
                raise DataError(
                    f"{value.file}: maps of background and conversion must share one raster; resample them to the "
                    "same cells"
                )
            level = value.values.astype(float)
        else:
            level = np.full(shape, float(value))
        positive = level[level > 0]
        if positive.size == 0:
            raise DataError(f"{value.file}: the map has no positive value in any cell; give another")
        middle = float(positive.mean())
        if name == "NOx":
            middle = float(_no2(positive).mean())
            level = np.where(level > 0, _no2(level), 0.0)
        layers.append(level)
        mean.append(middle)
    path = np.zeros(13)
    path[0], path[10:] = float(z0_map.values[0, 0]), mean[:3]
    path[use[0, 0]] = 1.0
    return inputs.Maps(
        uniform,
        path[None],
        np.ascontiguousarray(np.log(z0_map.values.astype(float))),
        z0_map.frame,
        np.ascontiguousarray(use),
        use_map.frame,
        np.ascontiguousarray(np.stack(layers)),
        np.asarray(back_frame, dtype=float),
        np.array(mean),
    )


def _refuse_cells(found: Map, wrong: np.ndarray, needed: str) -> None:
    """Paths from source to receptor may cross any cell: refuse a map with wrong or missing ones."""
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{found.file}: {needed}; it is {found.values[row, column]:g} in {int(wrong.sum())} of {wrong.size} cells, "
            f"first in row {row + 1}, column {column + 1}; correct or fill them"
        )

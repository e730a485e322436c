"""Deposition of nitrogen from sources to receptors: the face of the three modes.

``deposit`` takes tables (or the files they are read from) and gives an xarray Dataset with the columns and units of
the field: concentrations in ug/m3, deposition in mol/ha/yr. What is computed is a ``case.Case``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from twin.errors import DataError
from twin.nitrogen.case import Case
from twin.nitrogen.chain import columns_of, run_chain
from twin.nitrogen.fast import run_fast
from twin.nitrogen.grid import Grid
from twin.nitrogen.hours import Period, deposit_hours, lattice_around
from twin.nitrogen.kernel_input import kernel_input
from twin.nitrogen.options import Conversion, Roads, Switches
from twin.nitrogen.regions import interpolated_climatology
from twin.readers.climatology import Climatology
from twin.readers.raster_map import Map
from twin.threads import use_threads

__all__ = ["Conversion", "Map", "Roads", "Switches", "deposit"]


def deposit(
    sources: pd.DataFrame | str | Path | Mapping[str, pd.DataFrame],
    receptors: pd.DataFrame | Grid | str | Path,
    weather: Climatology | Sequence[Climatology] | pd.DataFrame | str | Path,
    substance: str = "NH3",
    z0: float | Map = 0.1,
    land_use: int | Map = 1,
    background: Mapping[str, float | Map] | None = None,
    conversion: Conversion | None = None,
    switches: Switches | None = None,
    roads: Roads | None = None,
    diffusion: float | None = None,
    reversible: bool | None = None,
    emission_factor: float = 1.0,
    subdivide: bool = True,
    reach: float = np.inf,
    profiles: Mapping[int, np.ndarray] | None = None,
    groups: np.ndarray | None = None,
    threads: int | None = None,
    mode: str = "exact",
    check: int = 200,
    period: Period | str | None = None,
    cell: float = 250.0,
) -> xr.Dataset:
    """Annual concentration and deposition of one substance and its secondary species.

    ``sources``: table of :func:`twin.readers.brn.read_brn` or its file. ``receptors``: table with name, x, y [m RD]
    and optionally height [m], z0 [m], land_use_1..9 [%]; a file; or a :class:`Grid` for cell averages. ``weather``:
    climatology, or those of six regions, interpolated to each receptor (exact mode). ``z0`` [m] and ``land_use``
    (DEPAC class 1..9): one value or a map. ``background``: NH3, NOx, SO2 [ug/m3], values or maps. ``conversion``:
    given rates; None: internal. ``reach`` [m]: pairs beyond are left out. ``profiles``: user diurnal profiles by
    negative code. ``groups`` (sources,): group number of each source; the result then has a dimension ``group``.
    ``mode``: exact, or fast: tables per kind of source and receptor surface, near field exact, transforms where
    sources and receptors share a lattice; random receptors are then recomputed exactly and the largest relative error
    of their total nitrogen is written as ``error_estimate`` to attrs, and 95th percentile and maximum at ``check``
    random pairs as ``pair_error``; or hourly: the hours of ``period`` (of :class:`twin.nitrogen.hours.Period`, or a
    year or START/STOP in UTC) of ``weather``, the hourly file of a KNMI station or its table, on a lattice of ``cell``
    [m] or the given :class:`Grid`; ``sources`` may then be a table per substance. Receptor order is kept.

    Returns a Dataset over ``receptor`` with the columns of the field's result files; attrs hold pairs,
    cpu_seconds, pairs_per_cpu_second.
    """
    case = Case(
        sources, receptors, weather, substance, z0, land_use, background, conversion, switches, roads, diffusion,
        reversible, emission_factor, subdivide, reach, profiles, groups, mode, check, period, cell,
    )  # fmt: skip
    with use_threads(threads):
        if mode == "hourly":
            return _in_hours(case)
        return _of_statistics(case) if case.regions is None else _in_regions(case, case.regions)


def _of_statistics(case: Case) -> xr.Dataset:
    """Exact or fast mode with the statistics of one region."""
    table, places = case.source_table(), case.places()
    prepared, split = kernel_input(case, table, places)
    extra: dict[str, float] = {}
    if case.mode == "exact":
        out, road, ratio, seconds, count = run_chain(prepared)
    else:
        out, seconds, count, extra = run_fast(prepared, run_chain, case.check)
        road, ratio = np.zeros((len(places), 12, 3)), np.zeros((len(places), 12))
    result = columns_of(out, road, ratio, case.substance, case.switches or Switches(), split, prepared)
    result = result.assign_coords(
        receptor=("receptor", places["name"].to_numpy().astype(str)),
        x=("receptor", places["x"].to_numpy(float), {"units": "m"}),
        y=("receptor", places["y"].to_numpy(float), {"units": "m"}),
    )
    result.attrs.update(substance=case.substance, mode=case.mode, **_throughput(count, seconds), **extra)
    return result.isel(group=0, drop=True) if case.groups is None else result


def _in_regions(case: Case, regions: Sequence[Climatology]) -> xr.Dataset:
    """Exact mode with the statistics of each receptor's own place."""
    table, places = case.source_table(), case.places()
    parts = []
    for i in range(len(places)):
        place = places.iloc[i : i + 1]
        climate = interpolated_climatology(regions, float(place["x"].iloc[0]), float(place["y"].iloc[0]))
        parts.append(_of_statistics(replace(case, sources=table, receptors=place, weather=climate)))
    if not parts:
        raise DataError("no receptors; give at least one")
    result = xr.concat(parts, "receptor", combine_attrs="override")
    count = sum(part.attrs["pairs"] for part in parts)
    result.attrs.update(_throughput(count, sum(part.attrs["cpu_seconds"] for part in parts)))
    return result


def _in_hours(case: Case) -> xr.Dataset:
    """Hourly mode on the lattice that is given as receptors, or on one over sources and receptors."""
    hours = case.period if isinstance(case.period, Period) else Period.parse(str(case.period))
    sources = case.sources if isinstance(case.sources, Mapping) else {case.substance: case.source_table()}
    surface = (case.z0, case.land_use, case.background)
    if isinstance(case.receptors, Grid):
        return deposit_hours(sources, None, case.weather, hours, case.receptors, *surface)
    places = case.places()
    everything = [table[["x", "y", "diameter"]] for table in sources.values()]
    everything.append(places.assign(diameter=0.0)[["x", "y", "diameter"]])
    lattice = lattice_around(pd.concat(everything, ignore_index=True), 4.0 * case.cell, case.cell)
    return deposit_hours(sources, places, case.weather, hours, lattice, *surface)


def _throughput(pairs: int, seconds: float) -> dict[str, float]:
    """Pairs and the CPU time that they took."""
    return {
        "pairs": pairs, "cpu_seconds": seconds, "pairs_per_cpu_second": pairs / seconds if seconds > 0 else 0.0,
    }  # fmt: skip

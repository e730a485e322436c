"""Modelled flows against counts: GEH by counted link and by screenline."""

from pathlib import Path

import numpy as np
import xarray as xr

from twin.errors import DataError
from twin.traffic.link_table import read_link_table, read_link_values
from twin.traffic.result import Assigned

__all__ = ["against_counts", "geh", "screenlines"]


def geh(modelled: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """GEH statistic ``sqrt(2 (m - c)^2 / (m + c))`` of hourly flows [veh h-1]; 0 where both are zero.

    Source: Design Manual for Roads and Bridges, volume 12 (Highways Agency 1996), where below 5 is a good fit.
    """
    both = np.asarray(modelled, np.float64) + counted
    return np.sqrt(np.divide(2.0 * (modelled - counted) ** 2, both, out=np.zeros_like(both), where=both > 0))


def against_counts(result: Assigned, path: str | Path, *, flow_hours: float = 1.0) -> xr.Dataset:
    """Vehicles of all classes on counted links, and over screenlines where the table names them.

    The CSV table has a row per counted link: ``link`` (or ``from_node``, ``to_node``), ``count`` [veh in the period of
    the trips], and optionally ``screenline``, whose rows add up. ``flow_hours`` [h] is that period; GEH is that of
    the mean hour. Variables (count): ``link``, ``modelled``, ``counted``, ``geh``; (screenline):
    ``screenline_modelled``, ``screenline_counted``, ``screenline_geh``. Attributes: ``geh_below_5``, the share of
    counts, and ``rmse_percent``.
    """
    links, counted = read_link_values(path, result.network, "count")
    modelled = result.links["class_flow"].values.sum(axis=0)[links]
    fit = geh(modelled / flow_hours, counted / flow_hours)
    table = xr.Dataset(
        {
            "link": ("count", result.network.link_id[links]),
            "modelled": ("count", modelled),
            "counted": ("count", counted),
            "geh": ("count", fit),
        },
        attrs={
            "geh_below_5": float((fit < 5.0).mean()),
            "rmse_percent": float(100.0 * np.sqrt(np.mean((modelled - counted) ** 2)) / max(counted.mean(), 1e-300)),
        },
    )
    _, frame = read_link_table(path, result.network)
    if "screenline" in frame:
        use = frame["screenline"].to_numpy() != ""
        names, place = np.unique(frame["screenline"].to_numpy()[use].astype(str), return_inverse=True)
        sums = [np.bincount(place, values[use], len(names)) for values in (modelled, counted)]
        table = table.assign_coords(screenline=names).assign(
            screenline_modelled=("screenline", sums[0]),
            screenline_counted=("screenline", sums[1]),
            screenline_geh=("screenline", geh(sums[0] / flow_hours, sums[1] / flow_hours)),
        )
    return table


def screenlines(result: Assigned, path: str | Path) -> xr.Dataset:
    """Vehicles of each class over each screenline of a CSV table ``screenline, link`` (or from_node, to_node)."""
    links, frame = read_link_table(path, result.network)
    if "screenline" not in frame or (frame["screenline"] == "").any():
        raise DataError(f"{path}: each row needs the name of its screenline in a column of that name")
    names, place = np.unique(frame["screenline"].to_numpy().astype(str), return_inverse=True)
    flow = result.links["class_flow"].values[:, links]
    sums = np.stack([np.bincount(place, row, len(names)) for row in flow])
    return xr.Dataset(
        {"flow": (("vehicle_class", "screenline"), sums)},
        {"vehicle_class": [c.name for c in result.classes], "screenline": names},
    )

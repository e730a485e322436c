"""The source-receptor matrix: what a gram per second of each source brings to each receptor.

Deposition is linear in emission (compensation points and chemistry follow the background), so that a buy-out, a speed
limit or a permit is one product of this matrix with a vector of emissions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
import xarray as xr

from twin.errors import DataError
from twin.nitrogen.deposition import deposit
from twin.nitrogen.permit_rules import REACH
from twin.readers.brn import read_brn
from twin.readers.rcp import read_rcp

__all__ = ["SourceReceptor", "source_receptor"]

_CHUNK = 4_000_000  # numbers of one result of the exact chain held at a time


@dataclass(frozen=True)
class SourceReceptor:
    """Sparse matrix (receptor, source) [mol ha-1 yr-1 per g s-1] of total N of one substance, and its two axes."""

    matrix: scipy.sparse.csr_array
    sources: pd.DataFrame
    receptors: pd.DataFrame
    substance: str
    reach: float  # m

    @property
    def emission(self) -> np.ndarray:
        """Emission of the sources as they were given [g s-1]."""
        return self.sources["emission"].to_numpy(float)

    def deposition(self, emission: np.ndarray | None = None) -> xr.DataArray:
        """Deposition [mol/ha/yr] of a vector of emissions [g/s, one per source]; None: as given."""
        emission = self.emission if emission is None else np.asarray(emission, dtype=float)
        if emission.shape != (self.matrix.shape[1],):
            raise DataError(f"{emission.shape} emissions for {self.matrix.shape[1]} sources; give one per source")
        return self._on_receptors(self.matrix @ emission, ())

    def by_group(self, group: np.ndarray, emission: np.ndarray | None = None) -> xr.DataArray:
        """Contribution of each group of sources [mol/ha/yr], (receptor, group); the groups sum to the total."""
        emission = self.emission if emission is None else np.asarray(emission, dtype=float)
        names, index = np.unique(np.asarray(group), return_inverse=True)
        spread = scipy.sparse.csr_array((emission, (np.arange(len(emission)), index)), (len(emission), len(names)))
        return self._on_receptors((self.matrix @ spread).toarray(), (("group", names),))

    def buy_out(self, chosen: np.ndarray) -> xr.DataArray:
        """Deposition [mol/ha/yr] that goes with the sources where ``chosen`` is true."""
        return self.deposition(np.where(np.asarray(chosen, dtype=bool), self.emission, 0.0))

    def _on_receptors(self, values: np.ndarray, more: tuple[tuple[str, np.ndarray], ...]) -> xr.DataArray:
        names = ("receptor", *(name for name, _ in more))
        coordinates: dict[str, Any] = {
            "receptor": self.receptors["name"].to_numpy().astype(str),
            "x": ("receptor", self.receptors["x"].to_numpy(float), {"units": "m"}),
            "y": ("receptor", self.receptors["y"].to_numpy(float), {"units": "m"}),
            **dict(more),
        }
        name = "tot_NHx" if self.substance == "NH3" else "tot_NOy"
        return xr.DataArray(values, coordinates, names, name, {"units": "mol ha-1 yr-1"})

    def to_dataset(self) -> xr.Dataset:
        """The matrix by its entries: ``value``, ``receptor_index``, ``source_index`` over ``pair``, and both axes."""
        entries = self.matrix.tocoo()
        table = self.sources
        return xr.Dataset(
            {
                "value": ("pair", entries.data, {"units": "mol ha-1 yr-1 (g s-1)-1"}),
                "receptor_index": ("pair", entries.coords[0].astype(np.int32)),
                "source_index": ("pair", entries.coords[1].astype(np.int32)),
                **{f"source_{c}": ("source", table[c].to_numpy(float)) for c in ("x", "y", "height", "emission")},
                **{f"receptor_{c}": ("receptor", self.receptors[c].to_numpy(float)) for c in ("x", "y")},
                "receptor_name": ("receptor", self.receptors["name"].to_numpy().astype(str)),
            },
            attrs={"substance": self.substance, "reach_m": self.reach, "reach_owner": REACH.owner},
        )

    def save(self, path: str | Path) -> None:
        """Write an HDF5 (netCDF) file that :meth:`load` and xarray read."""
        self.to_dataset().to_netcdf(path, engine="h5netcdf")

    @classmethod
    def load(cls, path: str | Path) -> SourceReceptor:
        """Read a file of :meth:`save`."""
        try:
            with xr.open_dataset(path, engine="h5netcdf") as data:
                data.load()
            pairs = (data["value"].values, (data["receptor_index"].values, data["source_index"].values))
            shape = (data.sizes["receptor"], data.sizes["source"])
            matrix = scipy.sparse.csr_array(pairs, shape)
            sources = pd.DataFrame({c: data[f"source_{c}"].values for c in ("x", "y", "height", "emission")})
            receptors = pd.DataFrame({c: data[f"receptor_{c}"].values for c in ("name", "x", "y")})
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path}: not a source-receptor matrix ({error})") from error
        return cls(matrix, sources, receptors, str(data.attrs["substance"]), float(data.attrs["reach_m"]))


def source_receptor(
    sources: pd.DataFrame | str | Path,
    receptors: pd.DataFrame | str | Path,
    weather: Any,
    substance: str,
    reach: float = 1000.0 * REACH.value,
    **options: Any,
) -> SourceReceptor:
    """Compute the matrix with the exact chain; pairs beyond ``reach`` [m] are absent (not zero by computation).

    ``sources``, ``receptors``, ``weather`` and ``options`` as of :func:`twin.deposit`. A source without emission has
    a column too: it is computed at 1 g/s. Road chemistry is not linear and is refused.
    """
    table = read_brn(sources) if isinstance(sources, str | Path) else sources
    places = read_rcp(receptors) if isinstance(receptors, str | Path) else receptors
    roads = options.get("roads")
    if roads is not None and roads.categories and roads.chemistry and substance == "NOx":
        raise DataError("NO2 chemistry of roads is not linear in emission; switch it off for a source-receptor matrix")
    unit = table.copy()
    unit.attrs = dict(table.attrs)
    unit["emission"] = 1.0
    x, y = places["x"].to_numpy(float), places["y"].to_numpy(float)
    per = max(1, _CHUNK // max(len(places), 1))
    data, row, column = [], [], []
    order = np.lexsort((unit["x"].to_numpy(), np.floor(unit["y"].to_numpy() / 5000.0)))  # neighbours in one chunk
    total = "tot_NHx" if substance == "NH3" else "tot_NOy"
    for begin in range(0, len(unit), per):
        chosen = order[begin : begin + per]
        part = unit.iloc[chosen].reset_index(drop=True)
        part.attrs = dict(table.attrs)
        distance = np.hypot(x[:, None] - part["x"].to_numpy(float), y[:, None] - part["y"].to_numpy(float))
        near = distance <= reach
        rows = np.flatnonzero(near.any(axis=1))
        if not rows.size:
            continue
        few = places.iloc[rows].reset_index(drop=True)
        few.attrs = dict(places.attrs)
        groups = np.arange(len(part))
        field = deposit(part, few, weather, substance, reach=reach, groups=groups, **options)[total].values
        keep = near[rows]
        r, c = np.nonzero(keep)
        data.append(field[r, c])
        row.append(rows[r])
        column.append(chosen[c])
    if not data:
        raise DataError(f"no receptor lies within {reach / 1000:g} km of a source; check coordinates and reach")
    shape = (len(places), len(table))
    matrix = scipy.sparse.csr_array((np.concatenate(data), (np.concatenate(row), np.concatenate(column))), shape=shape)
    return SourceReceptor(matrix, table, places, substance, float(reach))

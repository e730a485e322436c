"""Greenhouse emission on a 500 m grid, as the province publishes it: OPS columns, all of them text."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio

from twin.errors import DataError, UnitError

__all__ = ["read_greenhouses"]

COLUMNS = {"x": "x", "y": "y", "q": "nox", "hc": "heat_content", "h": "height", "r": "size"}
LARGEST_CELL = 50.0  # g/s; a 500 m cell of glass emits a few tenths: more means kg/yr or t/yr in the column


def read_greenhouses(path: Path) -> dict[str, np.ndarray]:
    """``x``, ``y`` centre [m RD], ``size`` [m], ``height`` [m], ``heat_content`` [MW], ``nox`` [g/s as NO2] per cell.

    Raises :class:`DataError` for a missing file or column or a value that is no number, and :class:`UnitError`
    where the emission cannot be in g/s or is not NOx.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the greenhouse emission grid")
    try:
        frame = gpd.read_file(path)
    except pyogrio.errors.DataSourceError as error:
        raise DataError(f"{path}: cannot be opened ({error}); fetch the file again") from None
    cells: dict[str, np.ndarray] = {}
    for column, name in COLUMNS.items():
        if column not in frame:
            raise DataError(f"{path}: no column {column!r}; the OPS columns x, y, q, hc, h and r are wanted")
        try:
            cells[name] = frame[column].astype(float).to_numpy()
        except ValueError as error:
            raise DataError(f"{path}: column {column!r} holds other than numbers ({error})") from None
        bad = ~np.isfinite(cells[name])
        if bad.any():
            raise DataError(f"{path}: column {column!r} is empty in row {int(np.argmax(bad))}; fill or remove the cell")
    if "component" in frame and set(frame["component"]) != {"NOx"}:
        raise UnitError(f"{path}: component is {sorted(set(frame['component']))}; NOx is wanted")
    if (cells["nox"] < 0).any() or cells["nox"].max() > LARGEST_CELL:
        raise UnitError(f"{path}: q goes to {cells['nox'].max():g}; g/s is wanted, at most {LARGEST_CELL:g} in a cell")
    return cells

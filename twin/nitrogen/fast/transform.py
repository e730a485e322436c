"""Sources and receptors on one lattice: the sum over sources is a convolution, done by fast Fourier transform.

Where all paths are alike, what a source brings to a receptor depends on the offset between them and on the surface
under the receptor alone. The kernel of each surface holds the exact chain near its middle and the plume's table
beyond; every receptor takes its value from the transform of its own surface. Nothing is smoothed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.fft

from kernels.jit import threads
from kernels.nitrogen.exact import inputs
from kernels.nitrogen.fast import lookup, tiles

__all__ = ["Lattice", "add_transformed", "lattice_of", "offsets_of", "worth_it"]

_ON = 1e-6  # cells, distance from a lattice point that rounding leaves
_SPARSE = 4  # lattice points per receptor at most
_PAIRS_PER_CELL = 100.0  # a transform costs about as much as so many pairs per cell of the kernel and surface


class Lattice(NamedTuple):
    """Points with equal spacing that receptors lie on."""

    x: float  # m, of the first column
    y: float  # m, of the first row
    spacing: float  # m
    columns: int
    rows: int
    column: np.ndarray  # (receptors,)
    row: np.ndarray


class Offsets(NamedTuple):
    """Sources on points of a lattice with the receptors' spacing."""

    dx: float  # m, from a point of the receptors' lattice, the same for all
    dy: float
    column: np.ndarray  # (sources,) in the receptors' lattice, also outside it
    row: np.ndarray


def lattice_of(x: np.ndarray, y: np.ndarray) -> Lattice | None:
    """The lattice of receptors at ``x``, ``y`` [m]; None where there is none."""
    columns, rows = np.unique(x), np.unique(y)
    if len(columns) < 2 or len(rows) < 2:
        return None
    spacing = min(float(np.diff(columns).min()), float(np.diff(rows).min()))
    across, up = (x - columns[0]) / spacing, (y - rows[0]) / spacing
    column, row = np.rint(across).astype(np.int64), np.rint(up).astype(np.int64)
    if max(np.abs(across - column).max(), np.abs(up - row).max()) > _ON:
        return None
    width, height = int(column.max()) + 1, int(row.max()) + 1
    if width * height > _SPARSE * len(x):
        return None
    return Lattice(float(columns[0]), float(rows[0]), spacing, width, height, column, row)


def offsets_of(lattice: Lattice, x: np.ndarray, y: np.ndarray) -> Offsets | None:
    """Where sources at ``x``, ``y`` [m] lie; None where they are not on one lattice of that spacing."""
    across, up = (x - lattice.x) / lattice.spacing, (y - lattice.y) / lattice.spacing
    column, row = np.rint(across - across[0]), np.rint(up - up[0])
    if max(np.abs(across - across[0] - column).max(), np.abs(up - up[0] - row).max()) > _ON:
        return None
    first_column, first_row = np.floor(across[0] + _ON), np.floor(up[0] + _ON)
    return Offsets(
        float((across[0] - first_column) * lattice.spacing),
        float((up[0] - first_row) * lattice.spacing),
        (column + first_column).astype(np.int64),
        (row + first_row).astype(np.int64),
    )


def worth_it(lattice: Lattice, offsets: Offsets, number: float, surfaces: int) -> bool:
    """Whether a transform is cheaper than ``number`` pairs."""
    width = lattice.columns + int(np.ptp(offsets.column))
    height = lattice.rows + int(np.ptp(offsets.row))
    return number > _PAIRS_PER_CELL * width * height * surfaces


def add_transformed(
    tables: Any, plume: tiles.Plume, member: int, lattice, offsets, strength, group, near: float, out
) -> int:
    """Add sources of one plume to ``out`` (receptors, groups, OUTPUTS) by transform; returns the pairs.

    ``strength`` (sources,) [g/s], ``group`` (sources,) of each; ``near`` [m]: exact within. The kernel of a surface is
    made and transformed once for all groups.
    """
    surfaces = tables.surfaces
    left, bottom = int(offsets.column.min()), int(offsets.row.min())
    across, up = int(np.ptp(offsets.column)) + 1, int(np.ptp(offsets.row)) + 1
    width, height = lattice.columns + across - 1, lattice.rows + up - 1
    shape = (scipy.fft.next_fast_len(height, real=True), scipy.fft.next_fast_len(width, real=True))
    # offset of the first cell of the kernel: first receptor from last source
    x = (np.arange(width) - (left + across - 1)) * lattice.spacing - offsets.dx
    y = (np.arange(height) - (bottom + up - 1)) * lattice.spacing - offsets.dy
    x, y = (axis.ravel() for axis in np.meshgrid(x, y))
    cells = (offsets.row - bottom, offsets.column - left)
    apart = np.hypot(x, y)
    surface = surfaces.neighbours[:, 0]
    row, column = lattice.row + up - 1, lattice.column + across - 1
    emitted = []
    for g in np.unique(group):
        field = np.zeros((up, across))
        np.add.at(field, cells, np.where(group == g, strength, 0.0))
        emitted.append((int(g), scipy.fft.rfft2(field, shape, workers=threads())))
    for s in np.unique(surface):
        here = np.flatnonzero(surface == s)
        kernel = _kernel(tables, plume, member, int(s), x, y, apart, near)
        for c in range(inputs.OUTPUTS):
            if not kernel[:, c].any():
                continue
            spectrum = scipy.fft.rfft2(kernel[:, c].reshape(height, width), shape, workers=threads())
            for g, source in emitted:
                result = scipy.fft.irfft2(spectrum * source, shape, workers=threads())
                out[here, g, c] += result[row[here], column[here]]
    number = np.zeros((up, across))
    np.add.at(number, cells, 1.0)
    reached = scipy.fft.rfft2((apart <= tables.reach).reshape(height, width).astype(float), shape)
    count = scipy.fft.irfft2(reached * scipy.fft.rfft2(number, shape), shape)
    return int(np.rint(count[row, column]).sum())


def _kernel(tables: Any, plume: tiles.Plume, member: int, surface: int, x, y, apart, near: float) -> np.ndarray:
    """Results per g/s at offsets from a source over one surface, (offsets, OUTPUTS)."""
    prepared = tables.prepared
    out = np.zeros((len(x), lookup.COLUMNS))
    far = np.flatnonzero((apart > near) & (apart <= tables.reach))
    sources = np.zeros((tiles.SOURCE_ROWS, 1))
    sources[tiles.SQ], sources[tiles.SNEAR] = 1.0, near
    # one leaf per offset: nothing is interpolated between them
    number = np.arange(len(far))
    spots = np.column_stack((x[far], x[far], y[far], y[far]))
    each = tiles.Tiles(
        number, number + 1, np.full(len(far), -1), np.ones(len(far), dtype=np.bool_), spots, np.array([0, len(far)])
    )
    neighbours = np.full((len(far), tiles.NEIGHBOURS), surface, dtype=np.int64)
    shares = np.zeros((len(far), tiles.NEIGHBOURS))
    shares[:, 0] = 1.0
    part, counts = np.zeros((len(far), lookup.COLUMNS)), np.zeros(len(far), dtype=np.int64)
    tabulated = np.full(len(far), -1)
    tiles.add_sources(each, x[far], y[far], neighbours, shares, tabulated, sources, plume, part, counts)
    part[:, 1] += part[:, 7]
    out[far] = part
    close = np.flatnonzero((apart <= near) & (apart <= tables.reach))
    if close.size:
        out[close, : inputs.OUTPUTS] = _exactly(
            prepared, tables.run, member, int(tables.surfaces.member[surface]), x[close], y[close]
        )
    return out[:, : inputs.OUTPUTS]


def _exactly(prepared: Any, run, member: int, receptor: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The exact chain from a source to its surroundings, subdivided as it is, over the surface of a receptor."""
    values = prepared.sources.values[[member]].copy()
    values[:, inputs.SQ], values[:, inputs.SREACH] = 1.0, np.inf
    codes = prepared.sources.codes[[member]].copy()
    codes[:, 2] = 0
    places = np.repeat(prepared.receptors.values[[receptor]], len(x), axis=0)
    places[:, inputs.RX], places[:, inputs.RY] = values[0, inputs.SX] + x, values[0, inputs.SY] + y
    places[:, inputs.RWEIGHT] = 1.0
    one = prepared._replace(
        sources=prepared.sources._replace(values=values, codes=codes),
        receptors=inputs.Receptors(places, np.repeat(prepared.receptors.shares[[receptor]], len(x), axis=0)),
    )
    return run(one)[0][:, 0]

"""Lines cut by the cells of a lattice: how much of each line lies in which cell."""

import numpy as np

from kernels.jit import njit

__all__ = ["count_line_cells", "fill_line_cells"]


@njit
def _next_crossing(position, slope, t):
    """Smallest parameter above ``t`` at which position + slope * parameter is an integer; inf where there is none."""
    if slope == 0.0:
        return np.inf
    here = position + slope * t
    k = np.floor(here) + 1.0 if slope > 0.0 else np.ceil(here) - 1.0
    crossing = (k - position) / slope
    while crossing <= t:  # rounding put the crossing at or before t: take the following line
        k += 1.0 if slope > 0.0 else -1.0
        crossing = (k - position) / slope
    return crossing


@njit
def count_line_cells(vertex_start, x, y):
    """Upper bound of the number of pieces that :func:`fill_line_cells` writes.

    ``vertex_start`` (line + 1) int; ``x``, ``y`` (vertex) in cell units: cell (row, column) spans [row, row + 1] in
    y and [column, column + 1] in x.
    """
    n = 0
    for line in range(vertex_start.shape[0] - 1):
        for v in range(vertex_start[line], vertex_start[line + 1] - 1):
            n += 4 + int(abs(np.floor(x[v + 1]) - np.floor(x[v]))) + int(abs(np.floor(y[v + 1]) - np.floor(y[v])))
    return n


@njit
def fill_line_cells(vertex_start, x, y, ny, nx, line_of, cell_of, length_of):
    """Cut each line at every cell edge it crosses; return the number of pieces written.

    A segment p(t) = p0 + t (p1 - p0) is cut at the ordered parameters where x or y is an integer; the piece between
    two cuts lies in the cell of its midpoint (exact clipping; the pieces of a segment add up to its length).

    Arguments as in :func:`count_line_cells`; ``ny``, ``nx`` size of the lattice. Written: ``line_of`` (piece) int32,
    ``cell_of`` (piece) int32 flat index row * nx + column, -1 outside the lattice, ``length_of`` (piece) [cell sides].
    """
    n = 0
    for line in range(vertex_start.shape[0] - 1):
        for v in range(vertex_start[line], vertex_start[line + 1] - 1):
            dx = x[v + 1] - x[v]
            dy = y[v + 1] - y[v]
            length = np.hypot(dx, dy)
            if not length > 0.0:
                continue
            t = 0.0
            while t < 1.0:
                cut = min(_next_crossing(x[v], dx, t), _next_crossing(y[v], dy, t), 1.0)
                middle = 0.5 * (t + cut)
                column = np.floor(x[v] + middle * dx)
                row = np.floor(y[v] + middle * dy)
                inside = 0 <= row < ny and 0 <= column < nx
                cell = np.int64(row) * nx + np.int64(column) if inside else -1
                if n > 0 and line_of[n - 1] == line and cell_of[n - 1] == cell:
                    length_of[n - 1] += (cut - t) * length
                else:
                    line_of[n] = line
                    cell_of[n] = cell
                    length_of[n] = (cut - t) * length
                    n += 1
                t = cut
    return n

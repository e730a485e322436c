"""Plumes of a whole lattice in one hour: conservative face fluxes, FFT convolution and surface depletion.

One hour is quasi-steady: each cell of net emission N (sources minus deposition) feeds a straight plume that is
followed to the edge of the lattice within the hour that emits it. The concentration is

    C = sum_h G_h * E_h - G_0 * D,     D = v C                        (surface depletion, Horst 1977),

with E_h the emission of height class h, D the dry deposition flux, v the receptor's own exchange velocity and G_0
the plume of a source at the ground. Each cell's deposition is thus taken out of the plume where it happens, whatever
the surfaces upwind, and total mass is conserved by construction. What a surface of one base velocity takes is solved
along the axis beforehand (:mod:`kernels.nitrogen.axis_depletion`): with H the plumes so depleted, the same reads
C = sum_h H_h * E_h + H_0 * ((v_base - v) C).

The kernels are finite volumes: crosswind the plume is a stream function psi = Phi(y / sigma_y), so that the flux
through a cell face is the difference of psi at its corners, and the mean over a cell of any plume quantity P is the
sum over its faces of the integral of P along the axis, times the flux. No cell has a sum of fluxes other than zero,
or one where the source is. What leaves the lattice is summed over the faces of its edge.

The FFT driver is plain Python around ``scipy.fft`` (one worker: deterministic) between Numba kernels; work arrays
are allocated once. Offsets are zero-padded to twice the lattice: nothing wraps around.
"""

import math

import numpy as np
import scipy.fft

from kernels.jit import njit

__all__ = [
    "SUBDIVISIONS",
    "TABLE_STEPS",
    "LatticeFFT",
    "assemble_kernels",
    "assemble_rose",
    "clear_kernels",
    "corner_stream",
    "edge_export",
    "resample",
    "rose_table",
]

TABLE_STEPS = 8  # table intervals per cell
NEAR = 8  # cells around the source in which the source is spread over its cell point by point
SUBDIVISIONS = 4  # points per side of the source cell
SATURATED = 5.0  # standard deviations beyond which the plume ends; the 3e-7 outside goes through the last face
SQRT_HALF = math.sqrt(0.5)
_hermite, _weights = np.polynomial.hermite_e.hermegauss(12)  # nodes and weights of a mean over a normal variable
HERMITE_NODES, HERMITE_WEIGHTS = _hermite, _weights / math.sqrt(2.0 * math.pi)


@njit
def resample(x: np.ndarray, values: np.ndarray, step: float, out: np.ndarray) -> None:
    """Tables on equal steps, from tables on nodes of equal ratio; zero distance has zero.

    Args:
        x: (n) nodes [m], geometric.
        values: (k, n) tables.
        step: spacing [m] of the result.
        out: (m, k) tables at 0, step, 2 step, ...; beyond the last node the last value.
    """
    n = x.size
    ratio = math.log(x[n - 1] / x[0]) / (n - 1)
    out[0, :] = 0.0
    for m in range(1, out.shape[0]):
        position = math.log(m * step / x[0]) / ratio
        i = min(max(int(position), 0), n - 2)
        w = min((m * step - x[i]) / (x[i + 1] - x[i]), 1.0)
        for k in range(values.shape[0]):
            out[m, k] = values[k, i] + w * (values[k, i + 1] - values[k, i])


@njit
def _spread(s: float, coefficient: float, rounding: float, source: float) -> float:
    sy = coefficient * s / math.sqrt(1.0 + 1.0e-4 * s)
    turn = rounding * s
    return math.sqrt(sy * sy + turn * turn + source)


@njit
def _normal(z: float) -> float:
    if z > SATURATED:
        return 1.0
    if z < -SATURATED:
        return 0.0
    return 0.5 * math.erfc(-z * SQRT_HALF)


@njit
def corner_stream(
    towards_x: float,
    towards_y: float,
    cell_size: float,
    coefficient: float,
    rounding: float,
    stream: np.ndarray,
    inside: np.ndarray,
    first_row: int,
    end_row: int,
) -> None:
    """Stream function of the plume of one cell at the cell corners around it, those of some rows.

    Corner (a, b) lies at ((b - nx + 1/2), (a - ny + 1/2)) cells from the middle of the source cell. Near the
    source the mean over points of the source cell is taken, farther away its width widens the plume.

    Args:
        towards_x, towards_y: unit vector of where the wind blows to [1].
        cell_size: [m].
        coefficient: of the crosswind spread [1].
        rounding: standard deviation of the wind direction within the hour from its rounding [rad].
        stream: (2 ny, 2 nx) result [1]: flux passes a line between corners as the difference of their values.
        inside: (2 ny, 2) result, first and last corner of each row in the plume or near the source.
        first_row, end_row: rows of corners that are written, from the first to before the end.
    """
    ny = stream.shape[0] // 2
    nx = stream.shape[1] // 2
    wide = cell_size * cell_size / 12.0
    widest = SATURATED * SATURATED * (coefficient * coefficient + rounding * rounding)
    for a in range(first_row, end_row):
        y = (a - ny + 0.5) * cell_size
        inside[a, 0], inside[a, 1] = 2 * nx, -1
        for b in range(2 * nx):
            x = (b - nx + 0.5) * cell_size
            if abs(a - ny + 0.5) < NEAR + 1 and abs(b - nx + 0.5) < NEAR + 1:
                inside[a, 0], inside[a, 1] = min(inside[a, 0], b), b
                total = 0.0
                for p in range(SUBDIVISIONS):
                    dy = y - ((p + 0.5) / SUBDIVISIONS - 0.5) * cell_size
                    for q in range(SUBDIVISIONS):
                        dx = x - ((q + 0.5) / SUBDIVISIONS - 0.5) * cell_size
                        s = dx * towards_x + dy * towards_y
                        n = dy * towards_x - dx * towards_y
                        if s <= 0.0:
                            total += 1.0 if n > 0.0 else 0.0
                        else:
                            total += _normal(n / _spread(s, coefficient, rounding, 0.0))
                stream[a, b] = total / (SUBDIVISIONS * SUBDIVISIONS)
                continue
            s = x * towards_x + y * towards_y
            n = y * towards_x - x * towards_y
            stream[a, b] = 1.0 if n > 0.0 else 0.0
            if s <= 0.0 or n * n > SATURATED * SATURATED * wide + widest * s * s:
                continue
            variance = wide + s * s * (coefficient * coefficient / (1.0 + 1.0e-4 * s) + rounding * rounding)
            if n * n <= SATURATED * SATURATED * variance:
                stream[a, b] = _normal(n / math.sqrt(variance))
                inside[a, 0], inside[a, 1] = min(inside[a, 0], b), b


@njit
def _look_up(table: np.ndarray, s: float, inverse_step: float, flux: float, out: np.ndarray) -> None:
    position = s * inverse_step
    i = min(int(position), table.shape[0] - 2)
    w = position - i
    for k in range(out.size):
        out[k] += flux * (table[i, k] + w * (table[i + 1, k] - table[i, k]))


@njit
def _centroid(z1: float, z2: float, flux: float) -> float:
    """Position between 0 and 1 of the mean of a normal variable between z1 and z2, which holds ``flux`` of it."""
    if abs(z2 - z1) < 0.2:
        return 0.5
    mean = (math.exp(-0.5 * z1 * z1) - math.exp(-0.5 * z2 * z2)) / (math.sqrt(2.0 * math.pi) * flux)
    return min(max((mean - z1) / (z2 - z1), 0.0), 1.0)


@njit
def _far_face(s1, n1, s2, n2, flux, coefficient, rounding, wide, table, inverse_step, out):
    """Table values times flux through one face away from the source; whether there are any."""
    if abs(flux) < 1.0e-13 or (s1 <= 0.0 and s2 <= 0.0):
        return False
    s = 0.5 * (s1 + s2)
    if s1 > 0.0 and s2 > 0.0:
        sigma = _spread(s, coefficient, rounding, wide)
        s = s1 + (s2 - s1) * _centroid(n1 / sigma, n2 / sigma, flux)
    position = max(s, 0.0) * inverse_step
    i = min(int(position), table.shape[0] - 2)
    upper = flux * (position - i)
    lower = flux - upper
    for k in range(out.size):
        out[k] = lower * table[i, k] + upper * table[i + 1, k]
    return True


@njit
def _near_face(s1, n1, s2, n2, cell_size, towards_x, towards_y, coefficient, rounding, table, inverse_step, out):
    """As :func:`_far_face` near the source: the mean over points of the source cell."""
    share = 1.0 / (SUBDIVISIONS * SUBDIVISIONS)
    out[:] = 0.0
    some = False
    for p in range(SUBDIVISIONS):
        py = ((p + 0.5) / SUBDIVISIONS - 0.5) * cell_size
        for q in range(SUBDIVISIONS):
            px = ((q + 0.5) / SUBDIVISIONS - 0.5) * cell_size
            ds = px * towards_x + py * towards_y
            dn = py * towards_x - px * towards_y
            a1 = s1 - ds
            a2 = s2 - ds
            b1 = n1 - dn
            b2 = n2 - dn
            if a1 <= 0.0 and a2 <= 0.0:
                continue
            # the part of the face that lies downwind of this point
            if a1 <= 0.0:
                b1 += (b2 - b1) * (1.0e-6 - a1) / (a2 - a1)
                a1 = 1.0e-6
            elif a2 <= 0.0:
                b2 += (b1 - b2) * (1.0e-6 - a2) / (a1 - a2)
                a2 = 1.0e-6
            z1 = b1 / _spread(a1, coefficient, rounding, 0.0)
            z2 = b2 / _spread(a2, coefficient, rounding, 0.0)
            flux = _normal(z2) - _normal(z1)
            if abs(flux) < 1.0e-13:
                continue
            sigma = _spread(0.5 * (a1 + a2), coefficient, rounding, 0.0)
            s = a1 + (a2 - a1) * _centroid(b1 / sigma, b2 / sigma, _normal(b2 / sigma) - _normal(b1 / sigma))
            _look_up(table, s, inverse_step, flux * share, out)
            some = True
    return some


@njit
def clear_kernels(kernels: np.ndarray, span: np.ndarray) -> None:
    """Set to zero what :func:`assemble_kernels` wrote, as ``span`` says.

    Args:
        kernels: (k, P, Q).
        span: (P, 2) first and last column offset written in each row; first > last: none.
    """
    columns = kernels.shape[2]
    for k in range(kernels.shape[0]):
        for row in range(span.shape[0]):
            first, last = span[row, 0], span[row, 1]
            kernels[k, row, max(first, 0) : last + 1] = 0.0
            if first < 0:
                kernels[k, row, columns + first : columns + min(last, -1) + 1] = 0.0


@njit
def _write_cells(row, first, last, sides, top, bottom, plumes, sinks):
    """Sums over the faces of the cells of one row at column offsets ``first`` to ``last``, which wrap."""
    nx = sides.shape[0] // 2
    count = plumes.shape[0]
    for offset in range(first, last + 1):
        b = offset + nx
        column = offset if offset >= 0 else offset + plumes.shape[2]
        for k in range(count):
            plumes[k, row, column] = sides[b, k] - sides[b - 1, k] + top[b - 1, k] - bottom[b - 1, k]
        for k in range(sinks.shape[0]):
            d = count + k
            sinks[k, row, column] = sides[b, d] - sides[b - 1, d] + top[b - 1, d] - bottom[b - 1, d]


@njit
def assemble_kernels(
    stream: np.ndarray,
    inside: np.ndarray,
    towards_x: float,
    towards_y: float,
    cell_size: float,
    coefficient: float,
    rounding: float,
    table: np.ndarray,
    plumes: np.ndarray,
    sinks: np.ndarray,
    through_x: np.ndarray,
    through_y: np.ndarray,
    span: np.ndarray,
    faces: np.ndarray,
    first_row: int,
    end_row: int,
) -> None:
    """Lay the plume of one wind direction into some rows of the kernels of all tables.

    Args:
        stream, inside: stream function (2 ny, 2 nx) and its extent (2 ny, 2) of :func:`corner_stream`.
        towards_x, towards_y, cell_size, coefficient, rounding: as there.
        table: (m, k + d + e) cumulative tables along the axis, equal steps of cell_size / TABLE_STEPS [unit of table].
        plumes: (k, P, Q) sums over the faces of each cell at its offset from the source, modulo P and Q: the
            integral of the tables' derivatives over the cell; the first k tables. Zero before.
        sinks: (d, P, Q) the same of the next d tables.
        through_x: (e, 2 ny - 1, 2 nx) of the last e tables, the flux in +x through the faces between corners (a, b)
            and (a+1, b).
        through_y: (e, 2 ny, 2 nx - 1) the same in +y through the faces between corners (a, b) and (a, b+1).
        span: (P, 2) first and last column offset written in each row; see :func:`clear_kernels`.
        faces: (3, 2 nx, k + d + e) scratch: values on the faces below, above and between the cells of a row.
        first_row, end_row: rows of corners with the cells below them that are written; each row depends on no other.
    """
    ny = stream.shape[0] // 2
    nx = stream.shape[1] // 2
    nk = plumes.shape[0] + sinks.shape[0]
    ne = through_x.shape[0]
    rows = plumes.shape[1]
    inverse_step = TABLE_STEPS / cell_size
    wide = cell_size * cell_size / 12.0
    sides = faces[2]
    filled = np.zeros((3, 2 * nx), np.bool_)  # whether a face holds values; where not, it holds zeros
    faces[...] = 0.0
    through_x[:, max(first_row - 1, 0) : end_row - 1] = 0.0
    through_y[:, first_row:end_row] = 0.0
    touched = np.zeros((2, 2), np.int64)  # faces, from and to, that may hold values below and above
    beside = np.zeros(2, np.int64)
    for a in range(max(first_row - 1, 0), end_row):
        y = (a - ny + 0.5) * cell_size
        new = a % 2
        old = 1 - new
        near_row = abs(a - ny + 0.5) < NEAR + 1
        for b in range(touched[new, 0], touched[new, 1]):
            if filled[new, b]:
                faces[new, b] = 0.0
                filled[new, b] = False
        touched[new, 0], touched[new, 1] = max(inside[a, 0] - 1, 0), min(inside[a, 1] + 1, 2 * nx - 1)
        for b in range(touched[new, 0], touched[new, 1]):  # horizontal faces at this height
            flux = stream[a, b] - stream[a, b + 1]
            near = near_row and abs(b - nx + 1) < NEAR + 1
            out = faces[new, b]
            if flux == 0.0 and not near:
                continue
            x = (b - nx + 0.5) * cell_size
            # from the right corner to the left: the flux in +y is psi(left) - psi(right)
            s2 = x * towards_x + y * towards_y
            n2 = y * towards_x - x * towards_y
            s1 = s2 + cell_size * towards_x
            n1 = n2 - cell_size * towards_y
            if near:
                filled[new, b] = _near_face(
                    s1, n1, s2, n2, cell_size, towards_x, towards_y, coefficient, rounding, table, inverse_step, out
                )
            else:
                filled[new, b] = _far_face(s1, n1, s2, n2, flux, coefficient, rounding, wide, table, inverse_step, out)
            if filled[new, b] and a >= first_row:
                for e in range(ne):
                    through_y[e, a, b] = out[nk + e]
        if a < max(first_row, 1):  # what lies below the first row was needed for its faces only
            continue
        # vertical faces between the heights a - 1 and a, and the cells between them
        y -= cell_size
        near_row = abs(a - ny) < NEAR + 1
        for b in range(beside[0], beside[1]):
            if filled[2, b]:
                sides[b] = 0.0
                filled[2, b] = False
        # one face more, so that the cell to the right of the last is closed
        beside[0] = min(touched[0, 0], touched[1, 0])
        beside[1] = min(max(touched[0, 1], touched[1, 1]) + 1, 2 * nx)
        first, last = 2 * nx, -2 * nx
        for b in range(beside[0], beside[1]):
            flux = stream[a, b] - stream[a - 1, b]
            near = near_row and abs(b - nx + 0.5) < NEAR + 1
            out = sides[b]
            if near or flux != 0.0:
                x = (b - nx + 0.5) * cell_size
                s1 = x * towards_x + y * towards_y
                n1 = y * towards_x - x * towards_y
                s2 = s1 + cell_size * towards_y
                n2 = n1 + cell_size * towards_x
                if near:
                    filled[2, b] = _near_face(
                        s1, n1, s2, n2, cell_size, towards_x, towards_y, coefficient, rounding, table, inverse_step, out
                    )
                else:
                    filled[2, b] = _far_face(
                        s1, n1, s2, n2, flux, coefficient, rounding, wide, table, inverse_step, out
                    )
                if filled[2, b]:
                    for e in range(ne):
                        through_x[e, a - 1, b] = out[nk + e]
            if b > 0 and (filled[2, b] or filled[2, b - 1] or filled[new, b - 1] or filled[old, b - 1]):
                first = min(first, b - nx)
                last = b - nx
        if first <= last:
            row = (a - ny) % rows
            span[row, 0], span[row, 1] = first, last
            _write_cells(row, first, last, sides, faces[new], faces[old], plumes, sinks)


@njit
def rose_table(
    table: np.ndarray, step: float, coefficient: float, out: np.ndarray, first_row: int, end_row: int
) -> None:
    """Tables over the distance from the source, from tables along the axis, for wind from all directions alike.

    A streamline at z standard deviations beside the axis passes the circle of radius r where s^2 + z^2 sigma_y(s)^2 =
    r^2; the mean over z is taken by Gauss-Hermite quadrature.

    Args:
        table: (m, k) cumulative tables along the axis at 0, step, 2 step, ...
        step: [m].
        coefficient: of the crosswind spread [1].
        out: (m, k) result.
        first_row, end_row: rows of the result that are written.
    """
    out[first_row:end_row] = 0.0
    last = table.shape[0] - 1
    for m in range(first_row, end_row):
        r = m * step
        for q in range(HERMITE_NODES.size):
            z = HERMITE_NODES[q]
            s = r
            for _ in range(6):  # sigma_y / s changes slowly with s
                s = r / math.sqrt(1.0 + z * z * coefficient * coefficient / (1.0 + 1.0e-4 * s))
            position = s / step
            i = min(int(position), last - 1)
            w = position - i
            for k in range(table.shape[1]):
                out[m, k] += HERMITE_WEIGHTS[q] * (table[i, k] + w * (table[i + 1, k] - table[i, k]))


@njit
def _rose_face(x1, y1, x2, y2, parts, table, inverse_step, share, out):
    """Add table values times the flux [1] of a source at the origin through a face, left to right when seen from it."""
    for p in range(parts):
        ax = x1 + (x2 - x1) * p / parts
        ay = y1 + (y2 - y1) * p / parts
        bx = x1 + (x2 - x1) * (p + 1) / parts
        by = y1 + (y2 - y1) * (p + 1) / parts
        flux = math.atan2(ax * by - ay * bx, ax * bx + ay * by) * share / (2.0 * math.pi)
        _look_up(table, math.hypot(0.5 * (ax + bx), 0.5 * (ay + by)), inverse_step, flux, out)


@njit
def _turn(x: float, y: float) -> float:
    """Angle of a corner at (x, y) cells, as a share of the circle; near the source the mean over its cell."""
    if abs(x) >= NEAR + 1 or abs(y) >= NEAR + 1:
        return math.atan2(y, x) / (2.0 * math.pi)
    total = 0.0
    for p in range(SUBDIVISIONS):
        for q in range(SUBDIVISIONS):
            total += math.atan2(y - ((p + 0.5) / SUBDIVISIONS - 0.5), x - ((q + 0.5) / SUBDIVISIONS - 0.5))
    return total / (2.0 * math.pi * SUBDIVISIONS * SUBDIVISIONS)


@njit
def assemble_rose(
    cell_size: float,
    table: np.ndarray,
    plumes: np.ndarray,
    sinks: np.ndarray,
    through_x: np.ndarray,
    through_y: np.ndarray,
    span: np.ndarray,
    faces: np.ndarray,
    first_row: int,
    end_row: int,
) -> None:
    """Kernels of wind from all directions alike: flux through a face is the angle under which the source sees it.

    One quadrant is computed, the others are its mirror images.

    Args:
        cell_size: [m].
        table: (m, k + d + e) of :func:`rose_table`, equal steps of cell_size / TABLE_STEPS.
        plumes, sinks, span: as in :func:`assemble_kernels`, for offsets from zero on: kernels even in both.
        through_x, through_y, faces: as there; all of them is written.
        first_row, end_row: rows of cells, of the ny from the source's on, that are written with their mirror images.
    """
    ny = through_x.shape[1] // 2 + 1
    nx = through_x.shape[2] // 2
    nk = plumes.shape[0] + sinks.shape[0]
    inverse_step = TABLE_STEPS / cell_size
    half = 0.5 * cell_size
    share = 1.0 / (SUBDIVISIONS * SUBDIVISIONS)
    turns = np.zeros((2, nx + 1))  # angle of the corners above and below a row of cells, as a share of the circle
    sides = faces[2]
    for a in range(max(first_row - 1, 0), end_row):
        y = a * cell_size
        top, bottom = faces[a % 2], faces[1 - a % 2]
        low, high = turns[1 - a % 2], turns[a % 2]
        for b in range(nx + 1):
            high[b] = _turn(b - 0.5, a + 0.5)
            if a == 0:
                low[b] = -high[b]
        for b in range(nx):
            x = b * cell_size
            up, right = top[nx - 1 + b], sides[nx + b]
            up[:] = 0.0
            right[:] = 0.0
            if a < NEAR + 1 and b < NEAR + 1:
                for p in range(SUBDIVISIONS):
                    py = y - ((p + 0.5) / SUBDIVISIONS - 0.5) * cell_size
                    for q in range(SUBDIVISIONS):
                        px = x - ((q + 0.5) / SUBDIVISIONS - 0.5) * cell_size
                        east, west, north = px + half, px - half, py + half
                        _rose_face(east, py - half, east, north, SUBDIVISIONS, table, inverse_step, share, right)
                        _rose_face(east, north, west, north, SUBDIVISIONS, table, inverse_step, share, up)
            else:
                east, north = x + half, y + half
                _look_up(table, math.sqrt(east * east + y * y), inverse_step, high[b + 1] - low[b + 1], right)
                _look_up(table, math.sqrt(x * x + north * north), inverse_step, high[b] - high[b + 1], up)
        # the mirror images across the y-axis, and below the source
        for b in range(1, nx):
            top[nx - 1 - b] = top[nx - 1 + b]
        for b in range(nx):
            for k in range(table.shape[1]):
                sides[nx - 1 - b, k] = -sides[nx + b, k]
        if a == 0:
            for b in range(2 * nx - 1):
                for k in range(table.shape[1]):
                    bottom[b, k] = -top[b, k]
        if a < first_row:  # what lies below the first row was needed for its faces only
            continue
        for e in range(through_x.shape[0]):
            for b in range(2 * nx):
                through_x[e, ny - 1 + a, b] = through_x[e, ny - 1 - a, b] = sides[b, nk + e]
            for b in range(2 * nx - 1):
                through_y[e, ny + a, b] = top[b, nk + e]
                through_y[e, ny - 1 - a, b] = -top[b, nk + e]
        _write_cells(a, 0, nx - 1, sides, top, bottom, plumes, sinks)
        span[a, 0], span[a, 1] = 0, nx - 1


@njit
def edge_export(through_x: np.ndarray, through_y: np.ndarray, net: np.ndarray, out: np.ndarray) -> None:
    """Emission of all cells that leaves the lattice through its west, east, south and north edge.

    What a cell sends through an edge is the sum of its fluxes over the faces of that edge: a window of rows (or
    columns) of ``through`` that slides by one from cell to cell.

    Args:
        through_x: (2 ny - 1, 2 nx) flux in +x per unit source, see :func:`assemble_kernels`.
        through_y: (2 ny, 2 nx - 1) flux in +y.
        net: (ny, nx) net emission [g s-1 per cell].
        out: (4) result [g s-1].
    """
    ny, nx = net.shape
    out[:] = 0.0
    window = np.zeros(2 * nx)
    for i in range(ny - 1, -1, -1):
        first, last = ny - 1 - i, 2 * ny - 2 - i  # rows of faces from the south to the north edge
        if first == 0:
            for a in range(last + 1):
                for b in range(2 * nx):
                    window[b] += through_x[a, b]
        else:
            for b in range(2 * nx):
                window[b] += through_x[last, b] - through_x[first - 1, b]
        west, east = 0.0, 0.0
        for j in range(nx):
            west -= net[i, j] * window[nx - 1 - j]
            east += net[i, j] * window[2 * nx - 1 - j]
        out[0] += west
        out[1] += east
    for a in range(2 * ny):
        i = ny - 1 - a if a < ny else 2 * ny - 1 - a  # the cell row whose south, or north, edge lies at this height
        total = 0.0
        run = 0.0
        for b in range(nx):
            run += through_y[a, b]
        for j in range(nx - 1, -1, -1):
            start = nx - 1 - j
            if start > 0:
                run += through_y[a, start + nx - 1] - through_y[a, start - 1]
            total += net[i, j] * run
        if a < ny:
            out[2] -= total
        else:
            out[3] += total


class LatticeFFT:
    """Zero-padded transforms of one lattice; work arrays are allocated once."""

    def __init__(self, ny: int, nx: int):
        self.ny, self.nx = ny, nx
        # even lengths, so that the spectrum of an even kernel is a cosine transform of half of it
        self.rows = 2 * scipy.fft.next_fast_len(ny)
        self.columns = 2 * scipy.fft.next_fast_len(nx, real=True)
        self.spectrum_shape = (self.rows, self.columns // 2 + 1)
        self._padded = {np.dtype(kind): np.zeros((ny, self.columns), kind) for kind in (np.float32, np.float64)}

    def forward(self, field: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Spectrum (rows, columns // 2 + 1) of a field (ny, nx) set in zeros; returns ``out``, in its precision."""
        padded = self._padded[out.real.dtype]
        padded[:, : self.nx] = field
        out[: self.ny] = scipy.fft.rfft(padded, axis=1)
        out[self.ny :] = 0.0
        return self._columns(out)

    def _columns(self, out: np.ndarray) -> np.ndarray:
        done = scipy.fft.fft(out, axis=0, overwrite_x=True)
        if not np.shares_memory(done, out):
            out[...] = done
        return out

    def spectrum(self, field: np.ndarray) -> np.ndarray:
        """New array with the spectrum of a field (ny, nx), in single precision."""
        return self.forward(field, np.empty(self.spectrum_shape, np.complex64))

    def kernel(self, kernel: np.ndarray, span: np.ndarray, out: np.ndarray) -> None:
        """Spectrum ``out`` of a kernel (rows, columns), offsets modulo rows and columns, zero but in ``span``."""
        used = np.flatnonzero(span[:, 0] <= span[:, 1])
        # the rows wrap: those of offsets up to zero lie at the end
        ends = np.flatnonzero(np.diff(used) > 1)
        out[...] = 0.0
        for block in np.split(used, ends + 1):
            out[block[0] : block[-1] + 1] = scipy.fft.rfft(kernel[block[0] : block[-1] + 1], axis=1)
        self._columns(out)

    def even_kernel(self, kernel: np.ndarray, out: np.ndarray) -> None:
        """Spectrum ``out`` of a kernel (rows, columns) even in both offsets, of which those from zero on are given."""
        last = self.rows // 2
        half = scipy.fft.dctn(kernel[: last + 1, : self.columns // 2 + 1], type=1)
        out[: last + 1] = half
        out[last + 1 :] = half[last - 1 : 0 : -1]

    def backward(self, spectrum: np.ndarray, out: np.ndarray) -> None:
        """Field (ny, nx) of a spectrum, which is destroyed."""
        full = scipy.fft.ifft(spectrum, axis=0, overwrite_x=True)
        out[...] = scipy.fft.irfft(full[: self.ny], n=self.columns, axis=1)[:, : self.nx]

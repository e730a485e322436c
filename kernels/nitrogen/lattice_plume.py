"""Plumes of a whole lattice in one hour: conservative face fluxes, FFT convolution and surface depletion.

One hour is quasi-steady: each cell of net emission N (sources minus deposition) feeds a straight plume that is
followed to the edge of the lattice within the hour that emits it. The concentration is

    C = sum_h G_h * E_h - G_0 * D,     D = v C                        (surface depletion, Horst 1977),

with E_h the emission of height class h, D the dry deposition flux, v the receptor's own exchange velocity and G_0
the plume of a source at the ground. Each cell's deposition is thus taken out of the plume where it happens, whatever
the surfaces upwind, and total mass is conserved by construction.

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
    "clear_kernels",
    "corner_stream",
    "edge_export",
    "resample",
]

TABLE_STEPS = 8  # table intervals per cell
NEAR = 8  # cells around the source in which the source is spread over its cell point by point
SUBDIVISIONS = 4  # points per side of the source cell
SATURATED = 5.0  # standard deviations beyond which the plume ends; the 3e-7 outside goes through the last face
SQRT_HALF = math.sqrt(0.5)


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
) -> None:
    """Stream function of the plume of one cell at all cell corners around it.

    Corner (a, b) lies at ((b - nx + 1/2), (a - ny + 1/2)) cells from the middle of the source cell. Near the
    source the mean over points of the source cell is taken, farther away its width widens the plume.

    Args:
        towards_x, towards_y: unit vector of where the wind blows to [1].
        cell_size: [m].
        coefficient: of the crosswind spread [1].
        rounding: standard deviation of the wind direction within the hour from its rounding [rad].
        stream: (2 ny, 2 nx) result [1]: flux passes a line between corners as the difference of their values.
    """
    ny = stream.shape[0] // 2
    nx = stream.shape[1] // 2
    wide = cell_size * cell_size / 12.0
    for a in range(2 * ny):
        y = (a - ny + 0.5) * cell_size
        for b in range(2 * nx):
            x = (b - nx + 0.5) * cell_size
            if abs(a - ny + 0.5) < NEAR + 1 and abs(b - nx + 0.5) < NEAR + 1:
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
            if s <= 0.0:
                stream[a, b] = 1.0 if n > 0.0 else 0.0
            else:
                stream[a, b] = _normal(n / _spread(s, coefficient, rounding, wide))


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
    out[:] = 0.0
    _look_up(table, max(s, 0.0), inverse_step, flux, out)
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
def assemble_kernels(
    stream: np.ndarray,
    towards_x: float,
    towards_y: float,
    cell_size: float,
    coefficient: float,
    rounding: float,
    weight: float,
    table: np.ndarray,
    plumes: np.ndarray,
    sinks: np.ndarray,
    through_x: np.ndarray,
    through_y: np.ndarray,
    span: np.ndarray,
    faces: np.ndarray,
) -> None:
    """Add the plume of one wind direction to the kernels of all tables.

    Args:
        stream: (2 ny, 2 nx) stream function of :func:`corner_stream`.
        towards_x, towards_y, cell_size, coefficient, rounding: as there.
        weight: share of the hour with this direction [1].
        table: (m, k + d + e) cumulative tables along the axis, equal steps of cell_size / TABLE_STEPS [unit of table].
        plumes: (k, P, Q) sums over the faces of each cell at its offset from the source, modulo P and Q: the
            integral of the tables' derivatives over the cell; the first k tables.
        sinks: (d, P, Q) the same of the next d tables.
        through_x: (e, 2 ny - 1, 2 nx) of the last e tables, the flux in +x through the faces between corners (a, b)
            and (a+1, b).
        through_y: (e, 2 ny, 2 nx - 1) the same in +y through the faces between corners (a, b) and (a, b+1).
        span: (P, 2) first and last column offset written in each row, widened; see :func:`clear_kernels`.
        faces: (2, 2 nx, k + d + e) scratch, finite: values on the faces below and above a row.
    """
    ny = stream.shape[0] // 2
    nx = stream.shape[1] // 2
    count = plumes.shape[0]
    nk = count + sinks.shape[0]
    ne = through_x.shape[0]
    nt = nk + ne
    rows, columns = plumes.shape[1], plumes.shape[2]
    inverse_step = TABLE_STEPS / cell_size
    wide = cell_size * cell_size / 12.0
    across = np.zeros((2, nt))  # values on the faces left and right of a cell
    filled = np.zeros((2, 2 * nx), np.bool_)  # whether the faces below and above hold values
    for a in range(2 * ny):
        y = (a - ny + 0.5) * cell_size
        new = a % 2
        old = 1 - new
        near_row = abs(a - ny + 0.5) < NEAR + 1
        for b in range(2 * nx - 1):  # horizontal faces at this height
            flux = stream[a, b] - stream[a, b + 1]
            near = near_row and abs(b - nx + 1) < NEAR + 1
            filled[new, b] = False
            if flux == 0.0 and not near:
                continue
            x = (b - nx + 0.5) * cell_size
            # from the right corner to the left: the flux in +y is psi(left) - psi(right)
            s2 = x * towards_x + y * towards_y
            n2 = y * towards_x - x * towards_y
            s1 = s2 + cell_size * towards_x
            n1 = n2 - cell_size * towards_y
            out = faces[new, b]
            if near:
                filled[new, b] = _near_face(
                    s1, n1, s2, n2, cell_size, towards_x, towards_y, coefficient, rounding, table, inverse_step, out
                )
            else:
                filled[new, b] = _far_face(s1, n1, s2, n2, flux, coefficient, rounding, wide, table, inverse_step, out)
            if filled[new, b]:
                for e in range(ne):
                    through_y[e, a, b] += weight * out[nk + e]
        if a == 0:
            continue
        # vertical faces between the heights a - 1 and a, and the cells between them
        y -= cell_size
        row = (a - ny) % rows
        near_row = abs(a - ny) < NEAR + 1
        left = False
        for b in range(2 * nx):
            flux = stream[a, b] - stream[a - 1, b]
            near = near_row and abs(b - nx + 0.5) < NEAR + 1
            right = False
            out = across[b % 2]
            if near or flux != 0.0:
                x = (b - nx + 0.5) * cell_size
                s1 = x * towards_x + y * towards_y
                n1 = y * towards_x - x * towards_y
                s2 = s1 + cell_size * towards_y
                n2 = n1 + cell_size * towards_x
                if near:
                    right = _near_face(
                        s1,
                        n1,
                        s2,
                        n2,
                        cell_size,
                        towards_x,
                        towards_y,
                        coefficient,
                        rounding,
                        table,
                        inverse_step,
                        out,
                    )
                else:
                    right = _far_face(s1, n1, s2, n2, flux, coefficient, rounding, wide, table, inverse_step, out)
            if right:
                for e in range(ne):
                    through_x[e, a - 1, b] += weight * out[nk + e]
            if b > 0 and (left or right or filled[new, b - 1] or filled[old, b - 1]):
                span[row, 0] = min(span[row, 0], b - nx)
                span[row, 1] = max(span[row, 1], b - nx)
                wr = weight if right else 0.0
                wl = weight if left else 0.0
                wt = weight if filled[new, b - 1] else 0.0
                wb = weight if filled[old, b - 1] else 0.0
                column = (b - nx) % columns
                other = across[1 - b % 2]
                top = faces[new, b - 1]
                bottom = faces[old, b - 1]
                for k in range(count):
                    plumes[k, row, column] += wr * out[k] - wl * other[k] + wt * top[k] - wb * bottom[k]
                for k in range(count, nk):
                    sinks[k - count, row, column] += wr * out[k] - wl * other[k] + wt * top[k] - wb * bottom[k]
            left = right


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
        self.rows = scipy.fft.next_fast_len(2 * ny - 1)
        self.columns = scipy.fft.next_fast_len(2 * nx - 1, real=True)
        self.spectrum_shape = (self.rows, self.columns // 2 + 1)

    def forward(self, field: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Spectrum (rows, columns // 2 + 1) of a field (ny, nx) set in zeros; returns ``out``, in its precision."""
        if out.dtype == np.complex64:
            field = field.astype(np.float32, copy=False)
        out[: self.ny] = scipy.fft.rfft(field, n=self.columns, axis=1, workers=1)
        out[self.ny :] = 0.0
        return self._columns(out)

    def _columns(self, out: np.ndarray) -> np.ndarray:
        done = scipy.fft.fft(out, axis=0, workers=1, overwrite_x=True)
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
            out[block[0] : block[-1] + 1] = scipy.fft.rfft(kernel[block[0] : block[-1] + 1], axis=1, workers=1)
        self._columns(out)

    def backward(self, spectrum: np.ndarray, out: np.ndarray) -> None:
        """Field (ny, nx) of a spectrum, which is destroyed."""
        full = scipy.fft.ifft(spectrum, axis=0, workers=1, overwrite_x=True)
        out[...] = scipy.fft.irfft(full[: self.ny], n=self.columns, axis=1, workers=1)[:, : self.nx]

"""What the surfaces of a lattice take of plumes: two linear equations, solved by generalised conjugate residuals.

Plumes over a base surface are depleted along their axis; what the surfaces differ from it enters the equation of
depletion, C - H_0 * ((v_base - v) C) = sum H * E (see :mod:`kernels.nitrogen.lattice_plume`). Rain takes from plumes
over the base surface, of the emission that leaves what this equation leaves.
"""

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.lattice_plume import LatticeFFT

__all__ = ["ROUND_OFF", "LatticeDepletion", "product", "settle"]

LARGEST_ITERATIONS = 24
LANES = 8
ROUND_OFF = 2.0e-7  # of the largest: what transforms in single precision leave where no plume is
RELEASED = 4.0e-5  # of the emission: what is booked as dry deposition in rain may differ from v C
TOLERANCE = 5.0e-6  # of the emission: deposition of the residual before the last step, which leaves a quarter or less


@njit
def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of products in fixed order: eight sums side by side in each row, then over rows."""
    total = 0.0
    part = np.zeros(LANES)
    for i in range(a.shape[0]):
        part[:] = 0.0
        whole = a.shape[1] // LANES * LANES
        for j in range(0, whole, LANES):
            for k in range(LANES):
                part[k] += np.float64(a[i, j + k]) * np.float64(b[i, j + k])  # squares may underflow in single
        for j in range(whole, a.shape[1]):
            part[0] += np.float64(a[i, j]) * np.float64(b[i, j])
        for k in range(LANES):
            total += part[k]
    return total


@njit
def _take(step: np.ndarray, change: np.ndarray, factor: float, old: np.ndarray, old_change: np.ndarray) -> None:
    """Take from a direction, and from what it changes, ``factor`` times an older one."""
    for i in range(step.shape[0]):
        for j in range(step.shape[1]):
            step[i, j] -= factor * old[i, j]
            change[i, j] -= factor * old_change[i, j]


@njit
def _absolute(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += abs(a[i, j] * b[i, j])
        total += row
    return total


@njit
def _total(a: np.ndarray) -> float:
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += abs(a[i, j])
        total += row
    return total


@njit
def _divide(out: np.ndarray, factor: float, a: np.ndarray, inverse: np.ndarray) -> None:
    """``inverse`` = 1/(1 - factor * a), and ``out`` times factor and that in its place."""
    one = np.float32(1.0)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            real, imaginary = one - factor * a[i, j].real, factor * a[i, j].imag
            scale = one / (real * real + imaginary * imaginary)
            inverse[i, j] = np.complex64(complex(real * scale, imaginary * scale))
            out[i, j] *= factor * inverse[i, j]


@njit
def _add_excess(
    out: np.ndarray, emission: np.ndarray, base: float, velocity: np.ndarray, concentration: np.ndarray, area: float
) -> None:
    """Add emission and what cells do not take of a plume over the base surface, (v_base - v) C."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += emission[i, j] + (base - velocity[i, j]) * concentration[i, j] * area


@njit
def _add(a: np.ndarray, factor: float, b: np.ndarray) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] += factor * b[i, j]


@njit
def _leave(out: np.ndarray, y: np.ndarray, given: np.ndarray, own: float) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = y[i, j] - (out[i, j] - own * given[i, j])


@njit
def settle(a: np.ndarray, share: float) -> None:
    """Set to zero what lies, on either side, within ``share`` of the largest."""
    largest = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            largest = max(largest, abs(a[i, j]))
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if abs(a[i, j]) < share * largest:
                a[i, j] = 0.0


@njit
def _exchange(velocity: np.ndarray, base: float, own: float, scale: np.ndarray, given: np.ndarray) -> None:
    """What a cell's own exchange makes of its air, 1/(1 - k d) with d = v_base - v, and what it gives, d/(1 - k d)."""
    for i in range(velocity.shape[0]):
        for j in range(velocity.shape[1]):
            scale[i, j] = 1.0 / (1.0 - own * (base - velocity[i, j]))
            given[i, j] = (base - velocity[i, j]) * scale[i, j]


@njit
def product(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """``out`` = a * b, each (n, m)."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = a[i, j] * b[i, j]


class LatticeDepletion:
    """Work arrays of one substance on one lattice, allocated once: substances may be solved side by side."""

    def __init__(self, ny: int, nx: int, cell_size: float):
        self.cell_size = cell_size
        self.fft = LatticeFFT(ny, nx)
        self.residual = np.empty((ny, nx))
        self.net = np.empty((ny, nx))
        self.own = np.empty((ny, nx))
        self.single = np.empty((ny, nx), np.float32)
        self.given = np.empty((ny, nx), np.float32)
        self.net_spectrum = np.empty(self.fft.spectrum_shape, complex)
        self.sink = np.empty(self.fft.spectrum_shape, complex)
        self.work, self.free, self.inverse = (np.empty(self.fft.spectrum_shape, np.complex64) for _ in range(3))
        self.directions = [np.empty((2, ny, nx), np.float32) for _ in range(LARGEST_ITERATIONS)]

    def deplete(
        self,
        ground: np.ndarray,
        own: float,
        base: float,
        velocity: np.ndarray,
        total: np.ndarray,
        concentration: np.ndarray,
    ) -> tuple[int, float]:
        """Concentration C with C - H_0 * ((v_base - v) C) = H * E; iterations, and the residual that is left.

        What a cell's own exchange does to its own air is solved cell by cell: C = y/(1 - k d) with d = v_base - v, k
        the cell's own part of H_0 and y - (H_0 - k) * (w y) = H * E, w = d/(1 - k d). The spectrum of H * E [g m-3]
        lies in ``self.free`` and is the start: the plumes over the base surface. Single precision: 1e-7 of a whole
        field, below 1e-9 of the largest cell next to it. The last step, of Neumann's series, adds the residual found
        and takes no transform; what that leaves is no leak: the deposition that is booked is the sink that the plumes
        of the result carry.

        Args:
            ground: spectrum of H_0.
            own: k [s m-1].
            base: v_base [m s-1].
            velocity: (ny, nx) exchange velocity v [m s-1].
            total: (ny, nx) emission E [g s-1 per cell], sets the tolerance.
            concentration: (ny, nx) result C [g m-3].
        """
        _exchange(velocity, base, own, self.own, self.given)
        self.fft.backward(self.free, concentration)
        iterations, left = self._iterate(ground, own, velocity, float(total.sum()), concentration)
        concentration *= self.own
        settle(concentration, ROUND_OFF)
        return iterations, left

    def release(
        self,
        ground: np.ndarray,
        base: float,
        velocity: np.ndarray,
        total: np.ndarray,
        concentration: np.ndarray,
        net: np.ndarray,
    ) -> None:
        """Emission N at the ground over the base surface that leaves the same: N - v_base H_0 * N = E - v C, in place.

        What has deposited by some age is then missing in the rain at that age. Of sources at the ground N is
        E + (v_base - v) C; others add n with n - v_base H_0 * n = v_base (H_0 - H) * E (its right side but for v_base
        lies in ``self.free``). The start is that on the padded lattice, which differs by what comes round; the residual
        is part of what is booked as dry deposition, so that no mass is lost.

        Args:
            ground: spectrum of H_0.
            base: v_base [m s-1].
            velocity: (ny, nx) exchange velocity v [m s-1].
            total: (ny, nx) emission E [g s-1 per cell].
            concentration: (ny, nx) C [g m-3].
            net: (ny, nx) E - v C, becomes N [g s-1 per cell].
        """
        n, residual = self.own, self.residual
        emitted = float(total.sum())
        _divide(self.free, np.float32(base), ground, self.inverse)
        self.fft.backward(self.free, n)
        _add_excess(n, total, base, velocity, concentration, self.cell_size**2)
        self.given[...] = base
        np.subtract(net, self._carried(ground, 0.0, n, residual), out=residual)
        for k in range(LARGEST_ITERATIONS):
            if _total(residual) <= RELEASED * emitted:
                break
            step, change = self.directions[k]
            self.single[...] = residual
            spectrum = self.fft.forward(self.single, self.work)
            product(spectrum, spectrum, self.inverse)
            self.fft.backward(spectrum, step)
            self._carried(ground, 0.0, step, change)
            if not self._descend(k, n, residual):
                break
        net[...] = n

    def _iterate(
        self, ground: np.ndarray, own: float, velocity: np.ndarray, emitted: float, y: np.ndarray
    ) -> tuple[int, float]:
        """Iterations of :meth:`deplete` from y on, in place, and the deposition of the residual as a share."""
        residual, left = self.residual, 0.0
        if emitted <= 0.0 or not self.given.any():
            return 0, left
        np.subtract(y, self._carried(ground, own, y, residual), out=residual)
        scale = self.cell_size**2 / emitted
        for n in range(LARGEST_ITERATIONS):
            left = _absolute(velocity, residual) * scale
            if left <= TOLERANCE:
                _add(y, 1.0, residual)
                return n, left
            step, change = self.directions[n]
            step[...] = residual
            self._carried(ground, own, step, change)
            if not self._descend(n, y, residual):
                return n, left
        return LARGEST_ITERATIONS, left

    def _descend(self, k: int, solution: np.ndarray, residual: np.ndarray) -> bool:
        """One step of generalised conjugate residuals along direction ``k``; whether it leads anywhere."""
        step, change = self.directions[k]
        for m in range(k):
            old, old_change = self.directions[m]
            _take(step, change, np.float32(_dot(change, old_change)), old, old_change)
        norm = _dot(change, change) ** 0.5
        if norm == 0.0:
            return False
        change /= norm
        step /= norm
        factor = _dot(change, residual)
        _add(solution, factor, step)
        _add(residual, -factor, change)
        return True

    def _carried(self, ground: np.ndarray, own: float, y: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Left side of the equation, y - (H_0 - k) * (w y)."""
        np.multiply(self.given, y, out=self.single, casting="same_kind")
        spectrum = self.fft.forward(self.single, self.work)
        product(spectrum, spectrum, ground)
        self.fft.backward(spectrum, out)
        _leave(out, y, self.single, own)
        return out

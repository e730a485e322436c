"""One hour of dispersion and deposition of NH3 and NOx over a lattice.

Tables along the plume axis, depleted by a surface of one base velocity (:mod:`kernels.nitrogen.axis_depletion`),
become kernels on the lattice (:mod:`kernels.nitrogen.lattice_plume`). What the surfaces differ from it enters the
equation of depletion, C - H_0 * ((v_base - v) C) = sum H * E, which is solved by generalised conjugate residuals. Rain
takes from plumes over the base surface, of the emission that leaves what this equation leaves. The
driver is plain Python between Numba kernels and ``scipy.fft``; its work arrays are allocated once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernels.jit import njit
from kernels.nitrogen.axis_depletion import deplete_exposure, lag_index
from kernels.nitrogen.exchange import REFERENCE_HEIGHT
from kernels.nitrogen.lattice_plume import (
    TABLE_STEPS,
    LatticeFFT,
    assemble_kernels,
    assemble_rose,
    clear_kernels,
    corner_stream,
    edge_export,
    resample,
    rose_table,
)
from kernels.nitrogen.plume_tables import (
    crosswind_coefficient,
    exposure_table,
    meander_coefficient,
    nodes,
    removal_tables,
    transport_wind,
)
from kernels.nitrogen.vertical_dispersion import fraction_below_mixing_height, plume_rise

__all__ = ["CALM_DIRECTIONS", "HeightClass", "HourlyPlumes", "Rates", "Turbulence", "wind_directions"]

CALM_DIRECTIONS = 16  # of the rose of an hour without direction, for single plumes
REPORTED = np.radians(5.0)  # half of the 10 degrees to which a direction is rounded (KNMI)
LARGEST_ITERATIONS = 24
LANES = 8
ROUND_OFF = 2.0e-7  # of the largest: what transforms in single precision leave where no plume is
RELEASED = 4.0e-5  # of the emission: what is booked as dry deposition in rain may differ from v C
TOLERANCE = 5.0e-6  # of the emission: deposition of the residual before the last step, which leaves a quarter or less


@dataclass(frozen=True)
class HeightClass:
    """Sources of one effective height."""

    height: float  # m
    heat: float = 0.0  # MW
    initial_spread: float = 0.0  # m, vertical


@dataclass(frozen=True)
class Turbulence:
    """State of the boundary layer in one hour, for the roughness of the region."""

    friction_velocity: float  # m s-1
    obukhov_length: float  # m
    mixing_height: float  # m
    roughness_length: float  # m
    temperature: float  # degC


@dataclass(frozen=True)
class Rates:
    """Column losses of one substance in one hour."""

    conversion: float = 0.0  # s-1, to the secondary species
    below_cloud: float = 0.0  # s-1, while it rains
    in_cloud: float = 0.0
    secondary_below: float = 0.0
    secondary_in: float = 0.0
    rain_duration: float = 0.0  # h
    secondary_velocity: float = 0.0  # m s-1
    base_velocity: float = 0.0  # m s-1, of the surface over which plumes deplete along their axis
    later: tuple[tuple[float, float, float, float, float], ...] = ()  # the five values of rain in the hours to come

    def rain(self) -> np.ndarray:
        """Scavenging rates and rain (k, 5) by hour of age, see :func:`~.plume_tables.removal_tables`."""
        now = (self.below_cloud, self.in_cloud, self.secondary_below, self.secondary_in, self.rain_duration)
        return np.array((now, *self.later))


@dataclass
class Solution:
    """Fields (ny, nx) of one substance in one hour; the arrays are reused by the next."""

    concentration: np.ndarray  # g m-3 at 4 m
    dry: np.ndarray  # g s-1 per cell, primary and secondary species
    wet: np.ndarray  # g s-1 per cell
    exported: np.ndarray  # (4) g s-1 through west, east, south, north edge, both species, as primary mass
    later: np.ndarray  # g s-1 per cell that rain of the hours to come takes out of the hour's plumes
    by_hour: np.ndarray  # (k) share of ``later`` in each hour of age; 0 for the first
    airborne: float = 0.0  # g over the lattice while the hour's plumes stand, both species, as primary mass
    iterations: int = 0
    residual: float = 0.0  # share of the emission


def wind_directions(direction: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Directions [degree, from], their weights [1] and half width [rad] of the sector each stands for.

    A reported direction is rounded to tens of degrees (KNMI). An hour without direction (NaN: calm or variable)
    is spread over a uniform rose.
    """
    if np.isnan(direction):
        sector = 360.0 / CALM_DIRECTIONS
        rose = np.arange(CALM_DIRECTIONS) * sector
        return rose, np.full(CALM_DIRECTIONS, 1.0 / CALM_DIRECTIONS), np.radians(sector) / 2.0
    return np.array([direction]), np.ones(1), REPORTED


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
def _add_difference(out: np.ndarray, a: np.ndarray, b: np.ndarray, factor: np.ndarray) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += (a[i, j] - b[i, j]) * factor[i, j]


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
def _product(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = a[i, j] * b[i, j]


@njit
def _add_product(out: np.ndarray, factor: float, a: np.ndarray, b: np.ndarray) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += factor * (a[i, j] * b[i, j])


@njit
def _leave(out: np.ndarray, y: np.ndarray, given: np.ndarray, own: float) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = y[i, j] - (out[i, j] - own * given[i, j])


@njit
def _settle(a: np.ndarray, share: float) -> None:
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


class _Kernels:
    """Kernels (k, P, Q) of one precision and their spectra; memory grows to the largest number asked for."""

    def __init__(self, fft: LatticeFFT, kind: type):
        self.fft, self.kind = fft, kind
        self.all = self.used = np.zeros((0, fft.rows, fft.columns), kind)
        self.spectra = np.zeros((0, *fft.spectrum_shape), np.result_type(kind, np.complex64))

    def reserve(self, count: int, span: np.ndarray) -> None:
        """Zeros for ``count`` kernels; ``span`` says what was written before."""
        clear_kernels(self.used, span)
        if len(self.all) < count:
            self.all = np.zeros((count, *self.all.shape[1:]), self.kind)
            self.spectra = np.empty((count, *self.spectra.shape[1:]), self.spectra.dtype)
        self.used = self.all[:count]

    def transform(self, span: np.ndarray, even: bool) -> None:
        """Spectra of all kernels; even ones are written for offsets from zero on."""
        for kernel, spectrum in zip(self.used, self.spectra):
            if even:
                self.fft.even_kernel(kernel, spectrum)
            else:
                self.fft.kernel(kernel, span, spectrum)


class HourlyPlumes:
    """Workspace of one lattice and set of height classes."""

    def __init__(self, ny: int, nx: int, cell_size: float, classes: list[HeightClass]):
        self.ny, self.nx, self.cell_size = ny, nx, float(cell_size)
        self.classes = classes
        self.fft = LatticeFFT(ny, nx)
        reach = float(np.hypot(ny, nx) + 2.0) * self.cell_size
        self.x = nodes(reach)
        self.steps = int(reach / self.cell_size * TABLE_STEPS) + 2
        self.stream = np.empty((2 * ny, 2 * nx))
        self.inside = np.empty((2 * ny, 2), np.int64)
        self.through_x = np.empty((4, 2 * ny - 1, 2 * nx))
        self.through_y = np.empty((4, 2 * ny, 2 * nx - 1))
        self.lag = lag_index(self.x)
        self.shares = [np.empty((6, self.x.size)) for _ in range(2)]
        # concentrations and the part of rain in single precision, all that a plume loses on its way in double
        self.plumes = _Kernels(self.fft, np.float32)
        self.sinks = _Kernels(self.fft, np.float64)
        self.span = np.zeros((self.fft.rows, 2), np.int64)
        self.field = np.empty((2, ny, nx))
        self.own = np.empty((ny, nx))
        self.single = np.empty((ny, nx), np.float32)
        self.given = np.empty((ny, nx), np.float32)
        self.net = np.empty(self.fft.spectrum_shape, complex)
        self.sink = np.empty(self.fft.spectrum_shape, complex)
        self.work, self.free, self.inverse = (np.empty(self.fft.spectrum_shape, np.complex64) for _ in range(3))
        self.directions = [np.empty((2, ny, nx), np.float32) for _ in range(LARGEST_ITERATIONS)]
        shape = (ny, nx)
        self.solutions = [
            Solution(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(4), np.zeros(shape), np.zeros(1))
            for _ in range(2)
        ]

    def heights(self, air: Turbulence) -> list[tuple[float, float]]:
        """Plume height [m] and share below the mixing height [1] of each class."""
        result = []
        for c in self.classes:
            rise = plume_rise(
                c.height, c.heat, air.temperature, air.roughness_length, air.friction_velocity, air.obukhov_length
            )
            height = c.height + rise
            result.append(
                (height, fraction_below_mixing_height(height, c.height, air.mixing_height, air.obukhov_length))
            )
        return result

    def prepare(
        self,
        air: Turbulence,
        direction: float,
        rates: list[Rates],
        active: list[list[int]],
        later: Sequence[Turbulence] = (),
    ) -> None:
        """Kernels of the hour for two substances.

        Args:
            air: turbulence.
            direction: where the wind comes from [degree]; NaN: none.
            rates: column losses of each substance.
            active: per substance, the classes with emission.
            later: turbulence of the hours to come, in which the plumes age; none: that of the hour all the way.
        """
        hours = np.array([(a.mixing_height, a.friction_velocity, a.obukhov_length) for a in (air, *later)])
        profile = (air.roughness_length, hours)
        heights = self.heights(air)
        plumes: list[np.ndarray] = []
        sinks: list[np.ndarray] = []
        exported: list[np.ndarray] = []
        self.rates, self.active = rates, active
        self.first: list[int] = []
        self.remaining: list[np.ndarray] = []
        for rate, classes, share, solution in zip(rates, active, self.shares, self.solutions):
            rain = rate.rain()
            washed = np.empty(len(rain))
            losses = (self.x, rate.conversion, rain, rate.secondary_velocity)
            removal_tables(*losses, np.zeros(self.x.size), *profile, *share, washed)
            self.first.append(len(plumes))
            kinds = ((0.0, 1.0, 0.0), *(heights[c] + (self.classes[c].initial_spread,) for c in classes))
            free, depleted = np.empty((2, len(kinds), self.x.size))
            for exposure, (height, below, spread) in zip(free, kinds):
                exposure_table(self.x, height, spread, below, REFERENCE_HEIGHT, *profile, exposure)
            deplete_exposure(free, rate.base_velocity, *self.lag, depleted)
            gained = np.diff(free, axis=1, prepend=0.0)
            left = np.diff(depleted, axis=1, prepend=0.0)
            self.remaining.append(left / np.where(gained > 0.0, gained, np.inf))
            # rain and conversion go by the age of the plume, for what has deposited as for what has not
            left *= 0.5 * (share[0] + np.append(1.0, share[0][:-1]))
            np.cumsum(left, axis=1, out=depleted)
            plumes.extend(depleted)
            dry = share[3]
            if washed.any():  # rain takes from a plume what has not deposited on its way over the base surface
                base = rate.base_velocity * depleted[0]
                removal_tables(*losses, base, *profile, *share, washed)
                dry = share[3] + base
            solution.by_hour = washed
            sinks.append(dry + share[2] + share[5])
            if washed[0] > 0.0:
                plumes.append(share[2])
            if washed[1:].any():
                plumes.append(share[5])
            exported += [share[0] + share[1], share[4]]
        rows = np.array(plumes + sinks + exported)
        table = np.empty((self.steps, len(rows)))
        resample(self.x, rows, self.cell_size / TABLE_STEPS, table)
        table[0, len(plumes) + len(sinks) :: 2] = 1.0
        self.plumes.reserve(len(plumes), self.span)
        self.sinks.reserve(len(sinks), self.span)
        self.span[:, 0], self.span[:, 1] = self.fft.columns, -self.fft.columns
        wind = transport_wind(
            10.0, 0.0, air.mixing_height, air.roughness_length, air.friction_velocity, air.obukhov_length
        )
        coefficient = max(
            crosswind_coefficient(air.obukhov_length, air.roughness_length),
            meander_coefficient(air.obukhov_length, wind),
        )
        faces = np.empty((3, 2 * self.nx, table.shape[1]))
        kernels = (self.plumes.used, self.sinks.used, self.through_x, self.through_y, self.span, faces)
        self.even = bool(np.isnan(direction))
        if self.even:
            rose = np.empty_like(table)
            rose_table(table, self.cell_size / TABLE_STEPS, coefficient, rose)
            assemble_rose(self.cell_size, rose, *kernels)
        else:
            towards = -float(np.sin(np.radians(direction))), -float(np.cos(np.radians(direction)))
            shape = (*towards, self.cell_size, coefficient, REPORTED / 3.0**0.5)  # standard deviation in a sector
            self.through_x[...] = 0.0
            self.through_y[...] = 0.0
            corner_stream(*shape, self.stream, self.inside)
            assemble_kernels(self.stream, self.inside, *shape, table, *kernels)
        self.plumes.transform(self.span, self.even)
        self.sinks.transform(self.span, self.even)

    def cell_concentration(
        self, substance: int, height_class: np.ndarray, row: np.ndarray, column: np.ndarray
    ) -> np.ndarray:
        """Mean concentration [g m-3 per g/s] of cells at offsets from a source's cell, over the base surface.

        Args:
            substance: index into what was given to :meth:`prepare`.
            height_class: (n) class of each source; zero is given for one without emission in the hour.
            row, column: (n) offsets in cells, to the north and east.
        """
        out = np.zeros(len(row))
        first = self.first[substance]
        if self.even:
            row, column = np.abs(row), np.abs(column)
        for k, c in enumerate(self.active[substance]):
            of_class = height_class == c
            kernel = self.plumes.used[first + 1 + k]
            out[of_class] = kernel[row[of_class] % self.fft.rows, column[of_class] % self.fft.columns]
        return out / self.cell_size**2

    def depletion(self, substance: int, c: int) -> np.ndarray:
        """Share (n) of the concentration that the base surface leaves along the axis of a plume of class ``c``.

        One for a class without emission in the hour.
        """
        active = self.active[substance]
        return self.remaining[substance][1 + active.index(c)] if c in active else np.ones(self.x.size)

    def solve(self, substance: int, emission: list[tuple[int, np.ndarray]], total: np.ndarray, velocity: np.ndarray):
        """Concentration, deposition and export of one substance.

        Args:
            substance: index into the rates and classes given to :meth:`prepare`.
            emission: (class, spectrum of its emission [g s-1 per cell]) of the active classes.
            total: (ny, nx) emission of all classes [g s-1 per cell].
            velocity: (ny, nx) exchange velocity at 4 m [m s-1].
        """
        first = self.first[substance]
        classes = self.active[substance]
        out = self.solutions[substance]
        spectra = self.plumes.spectra[first:]
        area = self.cell_size**2
        self.free[...] = 0.0
        for c, spectrum in emission:
            _add_product(self.free, np.float32(1.0 / area), spectra[1 + classes.index(c)], spectrum)
        # what a cell's own exchange does to its own air is solved cell by cell: C = y / (1 - k d), d = v_base - v
        own = float(self.plumes.used[first, 0, 0])
        _exchange(velocity, self.rates[substance].base_velocity, own, self.own, self.given)
        self._deplete(spectra[0], own, velocity, total, out)
        out.concentration *= self.own
        _settle(out.concentration, ROUND_OFF)
        deposited = self.field[0]
        np.multiply(velocity, out.concentration, out=deposited)
        deposited *= area
        net = self.field[1]
        np.subtract(total, deposited, out=net)
        if out.by_hour.any():
            self.free[...] = 0.0
            for c, spectrum in emission:
                _add_difference(self.free, spectra[0], spectra[1 + classes.index(c)], spectrum)
            self._release(spectra[0], self.rates[substance].base_velocity, velocity, total, out.concentration, net)
            np.subtract(total, net, out=deposited)
        self.fft.forward(net, self.net)
        _product(self.sink, self.sinks.spectra[substance], self.net)
        self.fft.backward(self.sink, out.dry)
        out.dry += deposited
        rain = first + 1 + len(classes)
        for field, rains in ((out.wet, out.by_hour[0] > 0.0), (out.later, out.by_hour[1:].any())):
            if rains:
                _product(self.work, self.plumes.spectra[rain], self.net)
                self.fft.backward(self.work, field)
                _settle(field, ROUND_OFF)
                out.dry -= field
                rain += 1
            else:
                field[...] = 0.0
        edge_export(self.through_x[2 * substance], self.through_y[2 * substance], net, out.exported)
        # seconds spent on the way to the edge, times the rate: what hangs over the lattice
        held = np.empty(4)
        edge_export(self.through_x[2 * substance + 1], self.through_y[2 * substance + 1], net, held)
        out.airborne = float(held.sum())
        return out

    def _release(
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
            velocity, total, concentration: as in :meth:`solve` and its result.
            net: (ny, nx) E - v C, becomes N [g s-1 per cell].
        """
        n, residual = self.own, self.field[0]
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
            _product(spectrum, spectrum, self.inverse)
            self.fft.backward(spectrum, step)
            self._carried(ground, 0.0, step, change)
            if not self._descend(k, n, residual):
                break
        net[...] = n

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

    def _deplete(self, ground: np.ndarray, own: float, velocity: np.ndarray, total: np.ndarray, out: Solution) -> None:
        """Solve y - (H_0 - k) * (w y) = H * E with k the cell's own part of H_0 and w = d/(1 - k d).

        ``total`` [g s-1 per cell] sets the tolerance; the spectrum of H * E [g m-3] lies in ``self.free`` and is the
        start: the plumes over the base surface. Single precision: 1e-7 of a whole field, below 1e-9 of the largest
        cell next to it. The last step, of Neumann's series, adds the residual found and takes no transform; what that
        leaves is no leak: the deposition that is booked is the sink that the plumes of the result carry.
        """
        c, residual = out.concentration, self.field[0]
        out.iterations, out.residual = 0, 0.0
        emitted = float(total.sum())
        self.fft.backward(self.free, c)
        if emitted <= 0.0 or not self.given.any():
            return
        np.subtract(c, self._carried(ground, own, c, residual), out=residual)
        scale = self.cell_size**2 / emitted
        for n in range(LARGEST_ITERATIONS):
            out.residual = _absolute(velocity, residual) * scale
            if out.residual <= TOLERANCE:
                _add(c, 1.0, residual)
                return
            step, change = self.directions[n]
            step[...] = residual
            self._carried(ground, own, step, change)
            if not self._descend(n, c, residual):
                return
            out.iterations = n + 1

    def _carried(self, ground: np.ndarray, own: float, y: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Left side of the equation, y - (H_0 - k) * (w y)."""
        np.multiply(self.given, y, out=self.single, casting="same_kind")
        spectrum = self.fft.forward(self.single, self.work)
        _product(spectrum, spectrum, ground)
        self.fft.backward(spectrum, out)
        _leave(out, y, self.single, own)
        return out

"""One hour of dispersion and deposition of NH3 and NOx over a lattice.

Tables along the plume axis, depleted by a surface of one base velocity (:mod:`kernels.nitrogen.axis_depletion`),
become kernels on the lattice (:mod:`kernels.nitrogen.lattice_plume`); what the surfaces differ from it, and what rain
takes of what they leave, is solved in :mod:`kernels.nitrogen.lattice_depletion`. The driver is plain Python between
Numba kernels and ``scipy.fft``; its work arrays are allocated once. Rows of kernels are laid, and substances solved,
side by side on threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from kernels.jit import njit, side_by_side
from kernels.nitrogen.axis_depletion import deplete_exposure, lag_index
from kernels.nitrogen.exchange import REFERENCE_HEIGHT
from kernels.nitrogen.lattice_depletion import ROUND_OFF, LatticeDepletion, product, settle
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
STRIPS = 16  # of rows of a lattice, laid side by side
REPORTED = np.radians(5.0)  # half of the 10 degrees to which a direction is rounded (KNMI)


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
def _add_difference(out: np.ndarray, a: np.ndarray, b: np.ndarray, factor: np.ndarray) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += (a[i, j] - b[i, j]) * factor[i, j]


@njit
def _add_product(out: np.ndarray, factor: float, a: np.ndarray, b: np.ndarray) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += factor * (a[i, j] * b[i, j])


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

    def transform(self, first: int, end: int, span: np.ndarray, even: bool) -> None:
        """Spectra of kernels from the first to before the end; even ones are written for offsets from zero on."""
        for k in range(first, end):
            if even:
                self.fft.even_kernel(self.used[k], self.spectra[k])
            else:
                self.fft.kernel(self.used[k], span, self.spectra[k])


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
        self.work = [LatticeDepletion(ny, nx, self.cell_size) for _ in range(2)]
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
        kernels = (self.plumes.used, self.sinks.used, self.through_x, self.through_y, self.span)
        self.even = bool(np.isnan(direction))

        def in_strips(rows: int, lay: Callable[..., None]) -> None:
            edges = np.linspace(0, rows, STRIPS + 1).astype(int)
            side_by_side(lambda strip: lay(*strip), list(pairwise(edges)))

        def faces() -> np.ndarray:
            return np.empty((3, 2 * self.nx, table.shape[1]))

        if self.even:
            rose = np.empty_like(table)
            along = (table, self.cell_size / TABLE_STEPS, coefficient, rose)
            in_strips(len(table), lambda *rows: rose_table(*along, *rows))
            in_strips(self.ny, lambda *rows: assemble_rose(self.cell_size, rose, *kernels, faces(), *rows))
        else:
            towards = -float(np.sin(np.radians(direction))), -float(np.cos(np.radians(direction)))
            shape = (*towards, self.cell_size, coefficient, REPORTED / 3.0**0.5)  # standard deviation in a sector
            corners = (self.stream, self.inside)
            in_strips(2 * self.ny, lambda *rows: corner_stream(*shape, *corners, *rows))
            in_strips(2 * self.ny, lambda *rows: assemble_kernels(*corners, *shape, table, *kernels, faces(), *rows))

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

    def solve_both(
        self,
        emission: list[list[tuple[int, np.ndarray]]],
        total: np.ndarray | Sequence[np.ndarray],
        velocity: np.ndarray | Sequence[np.ndarray],
    ) -> list[Solution]:
        """Solutions of both substances, side by side on two threads; what :meth:`solve` takes, of each."""
        both = range(len(self.work))
        given = [(k, emission[k], total[k], velocity[k]) for k in both]
        # whichever substance is spread first leaves time for the kernels that only the books need
        tasks = [partial(self._spread, *its) for its in given] + [partial(self._transform_losses, k) for k in both]
        side_by_side(lambda task: task(), tasks)
        return side_by_side(lambda its: self._book(*its), given)

    def solve(
        self, substance: int, emission: list[tuple[int, np.ndarray]], total: np.ndarray, velocity: np.ndarray
    ) -> Solution:
        """Concentration, deposition and export of one substance.

        Args:
            substance: index into the rates and classes given to :meth:`prepare`.
            emission: (class, spectrum of its emission [g s-1 per cell]) of the active classes.
            total: (ny, nx) emission of all classes [g s-1 per cell].
            velocity: (ny, nx) exchange velocity at 4 m [m s-1].
        """
        self._spread(substance, emission, total, velocity)
        self._transform_losses(substance)
        return self._book(substance, emission, total, velocity)

    def _spread(
        self, substance: int, emission: list[tuple[int, np.ndarray]], total: np.ndarray, velocity: np.ndarray
    ) -> None:
        """Concentration of one substance, depleted by the surfaces."""
        first, classes = self.first[substance], self.active[substance]
        out, work = self.solutions[substance], self.work[substance]
        self.plumes.transform(first, first + 1 + len(classes), self.span, self.even)
        spectra = self.plumes.spectra[first:]
        work.free[...] = 0.0
        for c, spectrum in emission:
            _add_product(work.free, np.float32(1.0 / self.cell_size**2), spectra[1 + classes.index(c)], spectrum)
        own, base = float(self.plumes.used[first, 0, 0]), self.rates[substance].base_velocity
        out.iterations, out.residual = work.deplete(spectra[0], own, base, velocity, total, out.concentration)

    def _transform_losses(self, substance: int) -> None:
        """Spectra of what plumes lose on their way: by rain, and in all."""
        first = self.first[substance] + 1 + len(self.active[substance])
        self.plumes.transform(first, (*self.first, len(self.plumes.used))[substance + 1], self.span, self.even)
        self.sinks.transform(substance, substance + 1, self.span, self.even)

    def _book(
        self, substance: int, emission: list[tuple[int, np.ndarray]], total: np.ndarray, velocity: np.ndarray
    ) -> Solution:
        """Where the emission of one substance goes whose concentration is known."""
        first, classes = self.first[substance], self.active[substance]
        out, work = self.solutions[substance], self.work[substance]
        spectra = self.plumes.spectra[first:]
        net, deposited = work.net, work.residual
        np.multiply(velocity, out.concentration, out=deposited)
        deposited *= self.cell_size**2
        np.subtract(total, deposited, out=net)
        if out.by_hour.any():
            work.free[...] = 0.0
            for c, spectrum in emission:
                _add_difference(work.free, spectra[0], spectra[1 + classes.index(c)], spectrum)
            base = self.rates[substance].base_velocity
            work.release(spectra[0], base, velocity, total, out.concentration, net)
            np.subtract(total, net, out=deposited)
        work.fft.forward(net, work.net_spectrum)
        product(work.sink, self.sinks.spectra[substance], work.net_spectrum)
        work.fft.backward(work.sink, out.dry)
        out.dry += deposited
        rain = 1 + len(classes)
        for field, rains in ((out.wet, out.by_hour[0] > 0.0), (out.later, out.by_hour[1:].any())):
            if rains:
                product(work.work, spectra[rain], work.net_spectrum)
                work.fft.backward(work.work, field)
                settle(field, ROUND_OFF)
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

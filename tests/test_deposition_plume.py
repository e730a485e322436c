"""Lattice plumes against the Gaussian plume, quadrature and conservation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from kernels.jit import set_threads, threads
from kernels.nitrogen import axis_depletion, lattice_plume, plume_tables, removal
from kernels.nitrogen.hourly import HeightClass, HourlyPlumes, Rates, Turbulence
from kernels.nitrogen.vertical_dispersion import vertical_spread

NY, NX, CELL = 60, 70, 250.0
NEUTRAL = Turbulence(0.35, 1e4, 700.0, 0.1, 10.0)
STABLE = Turbulence(0.12, 25.0, 90.0, 0.1, 2.0)
CONVECTIVE = Turbulence(0.4, -40.0, 1100.0, 0.1, 20.0)
STACK = HeightClass(30.0)


def solve(air, direction, field, velocity=None, rate=None, classes=(STACK,), iterate=True):
    plumes = HourlyPlumes(NY, NX, CELL, list(classes))
    rate = rate or Rates()
    plumes.prepare(air, direction, [rate, rate], [[0], [0]])
    velocity = np.zeros((NY, NX)) if velocity is None else velocity
    return plumes, plumes.solve(0, [(0, plumes.fft.spectrum(field))], field, velocity)


def point(i, j, q=1.0):
    field = np.zeros((NY, NX))
    field[i, j] = q
    return field


@pytest.mark.parametrize("air", [NEUTRAL, STABLE, CONVECTIVE])
@pytest.mark.parametrize("direction", [270.0, 243.0, 225.0])
def test_concentration_is_the_gaussian_plume_averaged_over_cells(air, direction):
    # C(s, n) = Q/(u sqrt(2 pi) sy) exp(-n^2/(2 sy^2)) P(4 m; sz), P = sum of images at ground and mixing height;
    # the cell mean is taken by sampling source and receptor cells, with the formula written out here
    _, out = solve(air, direction, point(30, 10))
    c = plume_tables.crosswind_coefficient(air.obukhov_length, air.roughness_length)
    if air.obukhov_length > 0:  # an hour's plume meanders at 0.5 m/s: sigma_y/x at least 0.5 over the wind at 10 m
        wind = (
            air.friction_velocity / 0.4 * (np.log(100) - _psi(10, air.obukhov_length) + _psi(0.1, air.obukhov_length))
        )
        c = max(c, min(0.5 / wind, 0.5) * min(100 / air.obukhov_length, 1))
    towards = -np.sin(np.radians(direction)), -np.cos(np.radians(direction))
    rng = np.random.default_rng(0)
    source = (np.indices((6, 6)).reshape(2, -1).T + 0.5) / 6 - 0.5
    checked = 0
    for i, j in [(30, 14), (30, 30), (31, 30), (32, 20), (38, 26), (42, 34), (50, 30), (31, 12), (36, 16)]:
        dx, dy = (j - 10) * CELL, (i - 30) * CELL
        near = rng.random((1600, 2)) - 0.5
        a = source[rng.integers(0, 36, 1600)] + (rng.random((1600, 2)) - 0.5) / 6
        x, y = dx + CELL * (near[:, 0] - a[:, 0]), dy + CELL * (near[:, 1] - a[:, 1])
        s, n = x * towards[0] + y * towards[1], y * towards[0] - x * towards[1]
        middle = dx * towards[0] + dy * towards[1]
        want, error = gaussian(air, s, n, c)
        # cells that the plume covers well; in its far tail sampling says nothing
        if middle < 600 or want < 0.1 * out.concentration[:, j].max():
            continue
        checked += 1
        below = lattice_fraction(air)
        assert out.concentration[i, j] == pytest.approx(below * want, abs=4 * below * error + 0.02 * want)
    assert checked >= 2


def gaussian(air, s, n, c):
    """Mean concentration over points at (s, n) from a 30 m source of 1 g/s, and its sampling error."""
    ahead = s > 1.0
    s, n = np.where(ahead, s, 1.0), np.where(ahead, n, 0.0)
    state = (30.0, 0.1, air.mixing_height, air.obukhov_length, air.friction_velocity)
    sz = np.array([vertical_spread(d, *state) for d in s])
    q = np.minimum(sz / (1.6 * air.mixing_height), 1.0)
    z = np.minimum((1 - q) * 30.0 + q * air.mixing_height / 2, 200.0)
    psi = _psi(z, air.obukhov_length) - (_psi(0.1, air.obukhov_length) if air.obukhov_length > 0 else 0)
    u = np.maximum(air.friction_velocity / 0.4 * (np.log(z / 0.1) - psi), 0.5)
    sy = np.hypot(c * s / np.sqrt(1 + 1e-4 * s), np.radians(5) / np.sqrt(3) * s)
    vertical = sum(norm.pdf(4 + h + 2 * m * air.mixing_height, scale=sz) for m in range(-6, 7) for h in (-30.0, 30.0))
    values = np.where(ahead, norm.pdf(n, scale=sy) * vertical / u, 0.0)
    return values.mean(), values.std() / np.sqrt(values.size)


def lattice_fraction(air):
    """Share of a 30 m plume without rise below the mixing height: (zi - h)/zi + 0.5 (+0.35 for |L| < 100), 0..1."""
    bonus = 0.35 if abs(air.obukhov_length) < 100 else 0.0
    return min(max((air.mixing_height - 30) / air.mixing_height + 0.5 + bonus, 0), 1)


def _psi(z, length):
    if length > 0:
        return -17 * (1 - np.exp(-0.29 * z / length))
    y = (1 - 15 * z / length) ** 0.25
    return np.log(((1 + y) / 2) ** 2 * (1 + y * y) / 2) - 2 * np.arctan(y) + np.pi / 2


@pytest.mark.parametrize("air", [NEUTRAL, STABLE, CONVECTIVE])
def test_crosswind_sum_is_the_flux_of_the_source(air):
    # without losses, the sum over a column of cells across an axis-parallel wind times the cell size is the
    # crosswind-integrated concentration: Q times the mean of P/u over the cell
    _, out = solve(air, 270.0, point(30, 5))
    plumes = HourlyPlumes(NY, NX, CELL, [STACK])
    x = plumes.x
    exposure = np.empty(x.size)
    plume_tables.exposure_table(
        x,
        30.0,
        0.0,
        lattice_fraction(air),
        4.0,
        0.1,
        np.array([[air.mixing_height, air.friction_velocity, air.obukhov_length]]),
        exposure,
    )
    for j in (6, 15, 40):
        # mean over the points of the source cell of the exposure gained within the receptor cell
        edges = (j - 5 - 0.5) * CELL + CELL * (np.arange(8001) / 8000)
        starts = (np.arange(4) + 0.5) / 4 - 0.5
        gain = np.mean(
            [np.interp(edges[-1] - s * CELL, x, exposure) - np.interp(edges[0] - s * CELL, x, exposure) for s in starts]
        )
        assert out.concentration[:, j].sum() * CELL**2 == pytest.approx(gain, rel=5e-3)


def test_conversion_along_the_plume_is_exponential():
    # only conversion, c [1/s]: primary left = exp(-c t), t = integral of dx/u
    x = plume_tables.nodes(30e3)
    shares = np.empty((6, x.size))
    none = np.zeros((1, 5))
    plume_tables.removal_tables(
        x, 2e-4, none, 0.0, np.zeros(x.size), 0.1, np.array([[700.0, 0.35, 1e4]]), *shares, np.empty(1)
    )

    def slowness(d):
        sz = vertical_spread(d, 0.0, 0.1, 700.0, 1e4, 0.35)
        return 1 / plume_tables.transport_wind(0.0, sz, 700.0, 0.1, 0.35, 1e4)

    for k in (100, 200, 255):
        time = quad(slowness, 0.01, x[k], limit=400)[0]
        assert shares[0, k] == pytest.approx(np.exp(-2e-4 * time), rel=2e-3)
    np.testing.assert_allclose(shares[:4].sum(axis=0) + shares[5], 1.0, atol=1e-12)
    # nothing deposits: all of it spends the travel time in the air
    time = quad(slowness, 0.01, x[200], limit=400)[0]
    assert shares[4, 200] == pytest.approx(time, rel=2e-3)


def test_a_steady_plume_holds_its_rate_times_its_way_to_the_edge():
    # wind from the west, 1 g/s: grams over the lattice = seconds from the source to the east edge
    _, out = solve(NEUTRAL, 270.0, point(30, 20))

    def slowness(d):
        sz = vertical_spread(d, 0.0, 0.1, 700.0, 1e4, 0.35)
        return 1 / plume_tables.transport_wind(0.0, sz, 700.0, 0.1, 0.35, 1e4)

    assert out.airborne == pytest.approx(quad(slowness, 0.01, (NX - 20.5) * CELL, limit=400)[0], rel=0.01)


def test_a_plume_ages_through_the_hours_to_come():
    # two equal hours are one; after an hour of a stable night the morning's mixing goes on from the night's spread,
    # ends above it and below that of a plume born into the morning, and depth is never lost again in the evening
    x = plume_tables.nodes(60e3)
    night, morning = [60.0, 0.1, 25.0], [900.0, 0.4, -50.0]

    def state(*hours):
        out = np.empty((3, x.size))
        plume_tables.axis_state(x, 2.0, 0.1, np.array(hours), *out)
        return out

    np.testing.assert_allclose(state(night, night), state(night), rtol=1e-3)
    mixed, fresh, stable = state(night, morning), state(morning), state(night)
    hour = np.searchsorted(np.cumsum(np.diff(x, prepend=0) / stable[1]), 3600.0)
    np.testing.assert_allclose(mixed[0, :hour], stable[0, :hour])
    assert (mixed[0, hour + 20 :] > stable[0, hour + 20 :]).all()
    assert (mixed[0, hour:] < fresh[0, hour:]).all()
    assert (np.diff(mixed[0]) >= 0).all()
    evening = state(morning, night)
    assert evening[2, -1] == 900.0 and (np.diff(evening[0]) >= 0).all()


def test_what_the_cloud_holds_is_emptied_and_no_more():
    # in-cloud scavenging without bound takes the share in the cloud and leaves the rest: with a tenth of a plume in
    # the cloud an endless rate takes at most as much as an hour's rain on that tenth, not on the whole plume
    x = plume_tables.nodes(6e3)
    taken = []
    for rate in (1e-3, 1e-1, 10.0):
        shares = np.empty((6, x.size))
        rain = np.array([[0.0, rate, 0.0, 0.0, 0.5]])
        plume_tables.removal_tables(
            x, 0.0, rain, 0.0, np.zeros(x.size), 0.1, np.array([[60.0, 0.1, 25.0]]), *shares, np.empty(1)
        )
        taken.append(shares[2, -1])
    assert taken[2] == pytest.approx(taken[1], rel=0.05)
    assert taken[2] < 0.5


@pytest.mark.parametrize("air", [NEUTRAL, STABLE])
@pytest.mark.parametrize("height", [0.5, 30.0])
def test_rain_finds_no_less_than_nothing_in_what_has_deposited(air, height):
    # 75 km downwind, rain in the first hour of age alone: a deficit that is washed out by its own age would still be in
    # the rain where the plume is not (-1e-2 to -5e-2 of the largest cell)
    plumes = HourlyPlumes(9, 300, CELL, [HeightClass(height)])
    rate = Rates(5e-6, 5e-5, 4e-4, 1e-4, 1e-3, 0.7, 0.002, 0.006)
    plumes.prepare(air, 270.0, [rate, rate], [[0], [0]])
    field, surface = np.zeros((9, 300)), np.full((9, 300), 0.006)
    field[4, 2] = 1.0
    out = plumes.solve(0, [(0, plumes.fft.spectrum(field))], field, surface)
    assert out.wet.sum() > 0.01 and out.wet.min() > -1e-4 * out.wet.max()
    assert (out.dry + out.wet).min() > -5e-6 * out.dry.max()
    # deposition is velocity times concentration, and some percent of what is left is aerosol
    assert out.dry.sum() == pytest.approx((0.006 * CELL**2 * out.concentration).sum(), rel=0.05)
    assert out.dry.sum() + out.wet.sum() + out.exported.sum() == pytest.approx(1.0, abs=1e-12)


def test_rain_along_a_plume_that_deposits_takes_its_share_of_what_is_left():
    # continuous light rain and deposition d(x) that is given: dm = -w m dt - dd with w the rate of
    # rain in its limit of small rates; by quadrature m = exp(-w t) - int exp(-w (t - t')) dd
    x = plume_tables.nodes(20e3)
    rate, deposited = 1e-5, 0.6 * -np.expm1(-x / 5e3)
    shares = np.empty((6, x.size))
    rain = np.tile([rate, rate, 0.0, 0.0, 1.0], (12, 1))
    hours = np.array([[700.0, 0.35, 1e4]])
    plume_tables.removal_tables(x, 0.0, rain, 0.0, deposited, 0.1, hours, *shares, np.empty(12))
    wind = np.empty(x.size)
    middle = 0.5 * (x + np.append(0.0, x[:-1]))
    plume_tables.axis_state(middle, 0.0, 0.1, hours, np.empty(x.size), wind, np.empty(x.size))
    time = np.cumsum(np.diff(x, prepend=0.0) / wind)
    gained, at = np.diff(deposited, prepend=0.0), time - 0.5 * np.diff(time, prepend=0.0)
    for k in (150, 200, 255):
        want = np.exp(-rate * time[k]) - (np.exp(-rate * (time[k] - at[: k + 1])) * gained[: k + 1]).sum()
        assert shares[0, k] == pytest.approx(want, abs=2e-3)
    np.testing.assert_allclose(shares[:4].sum(axis=0) + shares[5] + deposited, 1.0, atol=1e-12)


def test_rain_takes_its_two_limits():
    # a young plume loses f times the rate; an old one at most what f hours of rain take, spread over the hour
    rate, f = 1e-3, 0.4
    assert removal.rain_rate(rate, f, 1e-3) == pytest.approx(f * rate, rel=0.02)
    assert removal.rain_rate(rate, f, 1e6) == pytest.approx(-np.expm1(-rate * 3600 * f) / 3600, rel=1e-9)
    assert removal.rain_rate(rate, 0.0, 100.0) == 0.0


@pytest.mark.parametrize("direction", [270.0, 213.7, 45.0, np.nan])
@pytest.mark.parametrize("air", [NEUTRAL, STABLE])
def test_every_mol_is_found_in_one_place(air, direction):
    # the share exported per unit source comes from face fluxes at the edge, dry and wet from fields on the cells
    rng = np.random.default_rng(3)
    velocity = np.array([0.0, 0.004, 0.02])[rng.integers(0, 3, (NY, NX))]
    field = rng.random((NY, NX)) * (rng.random((NY, NX)) < 0.1)
    rate = Rates(2e-5, 5e-5, 3e-4, 1e-4, 1e-3, 0.8, 0.002)
    _, out = solve(air, direction, field, velocity, rate, [HeightClass(2.0, 0.0, 2.5)])
    assert out.dry.sum() > 0.01 * field.sum()
    assert out.wet.sum() > 0.01 * field.sum()
    total = out.dry.sum() + out.wet.sum() + out.exported.sum()
    assert total == pytest.approx(field.sum(), rel=1e-10)


def test_deposition_solves_the_surface_depletion_equation():
    # C + G0 * (v C) = C0, with G0 a plume from the ground computed in a run of its own
    rng = np.random.default_rng(4)
    velocity = np.array([0.002, 0.01, 0.03])[rng.integers(0, 3, (NY, NX))]
    field = rng.random((NY, NX))
    ground = HeightClass(0.0)
    _, depleted = solve(STABLE, 235.0, field, velocity)
    concentration = depleted.concentration.copy()
    _, free = solve(STABLE, 235.0, field)
    _, sink = solve(STABLE, 235.0, velocity * concentration * CELL**2, classes=(ground,))
    scale = free.concentration.max()
    np.testing.assert_allclose(concentration + sink.concentration, free.concentration, atol=1e-4 * scale)
    assert concentration.sum() < 0.8 * free.concentration.sum()


def test_kernels_are_the_same_wherever_the_source_is():
    rate = Rates(2e-5, 5e-5, 3e-4, 1e-4, 1e-3, 0.8, 0.002)
    uniform = np.full((NY, NX), 0.01)
    _, a = solve(NEUTRAL, 225.0, point(10, 12), uniform, rate)
    first = a.concentration.copy()
    _, b = solve(NEUTRAL, 225.0, point(17, 21), uniform, rate)
    np.testing.assert_allclose(b.concentration[17:50, 21:60], first[10:43, 12:51], atol=1e-6 * first.max(), rtol=0)


def test_turning_the_wind_and_the_lattice_together_changes_nothing():
    square = 60
    fields = []
    for direction, turn in ((250.0, 0), (340.0, -1)):  # a wind turned clockwise by 90 degrees
        plumes = HourlyPlumes(square, square, CELL, [STACK])
        plumes.prepare(NEUTRAL, direction, [Rates()] * 2, [[0], [0]])
        source = np.zeros((square, square))
        source[20, 15] = 1.0
        # rows run north: a clockwise turn of the map is np.rot90 with k = +1 in (row = y) order
        source = np.rot90(source, -turn)
        out = plumes.solve(0, [(0, plumes.fft.spectrum(source))], source, np.zeros((square, square)))
        fields.append(np.rot90(out.concentration, turn).copy())
    # the plume is cut at five standard deviations, where 3e-7 of it lies outside
    np.testing.assert_allclose(fields[0], fields[1], atol=1e-6 * fields[0].max())


def test_export_of_a_source_at_the_edge_is_its_downwind_share():
    # wind from the west, source in the last column: everything leaves through the east edge
    plumes, out = solve(NEUTRAL, 270.0, point(30, NX - 1))
    assert out.exported[1] == pytest.approx(1.0, abs=1e-9)
    assert plumes.rates[0].rain().max() == 0.0
    assert lattice_plume.SUBDIVISIONS >= 2


def axis(velocity, air=STABLE):
    """Cumulative exposures of a source at the ground without and with a surface of one velocity."""
    x = plume_tables.nodes(30e3)
    hours = np.array([[air.mixing_height, air.friction_velocity, air.obukhov_length]])
    free, out = np.empty((2, 1, x.size))
    plume_tables.exposure_table(x, 0.0, 0.0, 1.0, 4.0, 0.1, hours, free[0])
    axis_depletion.deplete_exposure(free, velocity, *axis_depletion.lag_index(x), out)
    return x, free[0], out[0]


def test_depletion_along_the_axis_has_its_analytic_limit():
    # e = e_0 = k: c + v k int c = k, so that c = k exp(-v k x) and v times its integral 1 - exp(-v k x)
    x, k, v = plume_tables.nodes(30e3), 2e-2, 5e-3
    out = np.empty((1, x.size))
    axis_depletion.deplete_exposure(k * x[None], v, *axis_depletion.lag_index(x), out)
    np.testing.assert_allclose(v * out[0], -np.expm1(-v * k * x), rtol=5e-3)


@pytest.mark.parametrize("velocity", [0.002, 0.03])
@pytest.mark.parametrize("air", [NEUTRAL, STABLE, CONVECTIVE])
def test_depletion_along_the_axis_obeys_its_equation(air, velocity):
    # G(x) + v int G'(x') E_0(x - x') dx' = E_0(x), the integral by a sum over twenty thousand steps
    x, free, out = axis(velocity, air)
    assert (np.diff(out) >= 0).all() and velocity * out[-1] < 1.0
    for end in (500.0, 4e3, 25e3):
        at = end * (np.arange(20_001) / 20_000) ** 2
        gained = np.diff(np.interp(at, x, out, left=0.0))
        left = np.interp(end - 0.5 * (at[1:] + at[:-1]), x, free, left=0.0)
        want = np.interp(end, x, free)
        assert np.interp(end, x, out) + velocity * (gained * left).sum() == pytest.approx(want, rel=4e-3)


@pytest.mark.parametrize("air", [NEUTRAL, STABLE, CONVECTIVE])
@pytest.mark.parametrize("direction", [243.0, 225.0, np.nan])
def test_a_plume_over_the_surface_that_depletes_it_is_nowhere_below_zero(air, direction):
    # what the surface takes is part of the plume: nothing is left to solve, and no cell holds a deficit of its own
    _, out = solve(
        air, direction, point(30, 20), np.full((NY, NX), 0.008), Rates(base_velocity=0.008), [HeightClass(2.5)]
    )
    assert out.iterations == 0
    assert out.concentration.min() >= 0 and out.dry.min() >= -1e-12 * out.dry.max()
    assert out.concentration[29:32, 19:30].max() > 0


def test_woods_here_and_there_leave_a_plume_over_grass_above_zero():
    # what remains is the twentieth of the cells that take more than the mean, far from the source
    rng = np.random.default_rng(8)
    velocity = np.where(rng.random((NY // 5, NX // 5)) < 0.1, 0.02, 0.006).repeat(5, 0).repeat(5, 1)
    velocity[25:35, 15:30] = 0.006
    stable, mean = [HeightClass(2.5, 0.0, 1.2)], Rates(base_velocity=float(velocity.mean()))
    for air in (NEUTRAL, STABLE):
        plain = solve(air, 243.0, point(30, 20), velocity, classes=stable)[1].concentration.copy()
        based = solve(air, 243.0, point(30, 20), velocity, mean, stable)[1].concentration
        assert plain.min() < -1e-4 * plain.max()  # sinks alone leave a cell with less than nothing
        assert based.min() > -1e-6 * based.max()


@pytest.mark.parametrize("air", [NEUTRAL, STABLE])
def test_the_base_surface_is_a_choice_of_method_not_of_result(air):
    # all that a plume loses to a checkered surface, by sinks alone and over two base surfaces; cells of 250 m are the
    # difference between them
    velocity = np.where(np.indices((NY, NX)).sum(axis=0) % 2, 0.010, 0.004)
    sums = []
    for base in (0.0, 0.007, 0.010):
        _, out = solve(air, 256.0, point(30, 5), velocity, Rates(base_velocity=base))
        sums.append([out.dry.sum(), *out.concentration.sum(axis=0)[[10, 20, 50]]])
    np.testing.assert_allclose(sums[0], sums[1], rtol=0.04)
    np.testing.assert_allclose(sums[2], sums[1], rtol=0.04)


def test_wind_from_all_directions_is_the_mean_over_circles():
    # mean over source and receptor cell of E'(r)/(2 pi r), with E(r) the mean over directions of the exposure, by
    # sampling the Gaussian crosswind: s = sqrt(r^2 - z^2 sigma_y(s)^2)
    plumes = HourlyPlumes(NY, NX, CELL, [STACK])
    plumes.prepare(CONVECTIVE, np.nan, [Rates()] * 2, [[0], [0]])
    c = plume_tables.crosswind_coefficient(CONVECTIVE.obukhov_length, CONVECTIVE.roughness_length)
    x = plumes.x
    hours = np.array([[CONVECTIVE.mixing_height, CONVECTIVE.friction_velocity, CONVECTIVE.obukhov_length]])
    free = np.empty(x.size)
    plume_tables.exposure_table(x, 0.0, 0.0, 1.0, 4.0, 0.1, hours, free)
    r = np.linspace(0, 15e3, 3001)
    z = norm.ppf((np.arange(400) + 0.5) / 400)[:, None]
    s = np.broadcast_to(r, (400, r.size))
    for _ in range(30):
        s = r / np.sqrt(1 + z * z * c * c / (1 + 1e-4 * s))
    mean = np.interp(s, x, free, left=0.0).mean(axis=0)
    inner = (np.arange(10) + 0.5) / 10 - 0.5
    for row, column in ((0, 2), (2, 2), (0, 8), (0, 9), (9, 4), (0, 15), (20, 10), (-20, 10), (7, -30)):
        sx, sy, rx, ry = np.meshgrid(inner, inner, column + inner, row + inner)
        d = CELL * np.hypot(rx - sx, ry - sy)
        want = (np.interp(d + 2.5, r, mean) - np.interp(d - 2.5, r, mean)) / 5.0 / (2 * np.pi * d)
        got = plumes.plumes.used[0][abs(row), abs(column)] / CELL**2
        assert got == pytest.approx(want.mean(), rel=0.012)


@pytest.mark.parametrize("ny, nx", [(1, 1), (8, 5), (13, 21)])
def test_spectrum_of_an_even_kernel_is_that_of_its_mirror_images(ny, nx):
    fft = lattice_plume.LatticeFFT(ny, nx)
    quadrant = np.random.default_rng(4).random((ny, nx))
    given = np.zeros((fft.rows, fft.columns))
    given[:ny, :nx] = quadrant
    whole = np.zeros_like(given)
    for row in range(1 - ny, ny):
        for column in range(1 - nx, nx):
            whole[row, column] = quadrant[abs(row), abs(column)]
    out = np.empty(fft.spectrum_shape, complex)
    fft.even_kernel(given, out)
    assert out == pytest.approx(np.fft.rfft2(whole), abs=1e-12 * whole.sum())


@pytest.mark.parametrize("direction", [213.0, np.nan])
def test_an_hour_does_not_depend_on_the_number_of_threads_nor_on_substances_side_by_side(direction):
    rng = np.random.default_rng(8)
    fields, velocities = rng.random((2, NY, NX)), rng.choice([0.004, 0.02], (2, NY, NX))
    rates = [Rates(1e-5, 5e-5, 4e-4, 1e-4, 1e-3, 0.7, 0.001, 0.01), Rates(base_velocity=0.012)]
    plumes = HourlyPlumes(NY, NX, CELL, [STACK])
    emission = [[(0, plumes.fft.spectrum(field))] for field in fields]

    def one_by_one():
        return [plumes.solve(k, emission[k], fields[k], velocities[k]) for k in (0, 1)]

    before = threads()
    found = []
    try:
        for n, solve_hour in (
            (1, one_by_one),
            (before, one_by_one),
            (before, lambda: plumes.solve_both(emission, fields, velocities)),
        ):
            set_threads(n)
            plumes.prepare(STABLE, direction, rates, [[0], [0]])
            solutions = solve_hour()
            found.append(
                [f.copy() for s in solutions for f in (s.concentration, s.dry, s.wet, s.exported, np.array(s.airborne))]
            )
    finally:
        set_threads(before)
    for first, *others in zip(*found):
        assert first.any() or not any(other.any() for other in others)
        assert all(np.array_equal(first, other) for other in others)

"""Direct plumes near sources against the lattice and against the infinite line."""

import numpy as np
import pytest

from kernels.nitrogen import near_field, plume_tables
from kernels.nitrogen.hourly import HeightClass, HourlyPlumes, Rates, Turbulence

AIR = Turbulence(0.35, -200.0, 800.0, 0.1, 15.0)
CELL = 250.0


def profile(height=2.0, spread=2.5):
    x = plume_tables.nodes(30e3)
    out = np.empty(x.size)
    near_field.axis_profile(
        x, height, spread, 1.0, 4.0, 0.1, AIR.mixing_height, AIR.friction_velocity, AIR.obukhov_length, out
    )
    return x, out


def concentration(receptors, sources, rate, direction, reach=20e3):
    rounding = np.radians(5) / np.sqrt(3)
    x, values = profile()
    towards = -np.sin(np.radians(direction)), -np.cos(np.radians(direction))
    c = plume_tables.crosswind_coefficient(AIR.obukhov_length, AIR.roughness_length)
    out = np.empty(len(receptors))
    near_field.direct_plumes(*receptors.T.copy(), *sources.T.copy(), rate, *towards, c, rounding, reach, x, values, out)
    return out


@pytest.mark.parametrize("direction", [270.0, 236.0])
def test_mean_over_a_cell_is_the_concentration_of_the_lattice(direction):
    ny = nx = 31
    plumes = HourlyPlumes(ny, nx, CELL, [HeightClass(2.0, 0.0, 2.5)])
    plumes.prepare(AIR, direction, [Rates()] * 2, [[0], [0]])
    field = np.zeros((ny, nx))
    field[10, 8] = 1.0
    lattice = plumes.solve(0, [(0, plumes.fft.spectrum(field))], field, np.zeros((ny, nx))).concentration
    inner = (np.indices((12, 12)).reshape(2, -1).T[:, ::-1] + 0.5) / 12 - 0.5
    sources = CELL * (np.array([8.0, 10.0]) + inner)
    rate = np.full(len(sources), 1 / len(sources))
    downwind = -np.array([np.sin(np.radians(direction)), np.cos(np.radians(direction))])
    for cells in (4, 9, 14):
        j, i = np.round(np.array([8, 10]) + cells * downwind).astype(int)
        points = CELL * (np.array([j, i]) + inner)
        assert concentration(points, sources, rate, direction).mean() == pytest.approx(lattice[i, j], rel=0.02)


def test_a_long_road_across_the_wind_is_a_line_source():
    # infinite line of q' [g/m/s] across the wind: C = q' P(x)/u, whatever the crosswind spread
    y = np.arange(-6000.0, 6000.0, 5.0)
    road = np.column_stack([np.zeros_like(y), y])
    x, values = profile()
    for distance in (50.0, 200.0, 800.0):
        got = concentration(np.array([[distance, 0.0]]), road, np.full(len(y), 5.0), 270.0)
        assert got[0] == pytest.approx(np.interp(distance, x, values), rel=2e-3)
    assert concentration(np.array([[-50.0, 0.0]]), road, np.full(len(y), 5.0), 270.0)[0] == 0.0

"""Small networks for the tests of the power kernels, and the synthetic feeder grid of the PGM benchmark."""

import numpy as np

from kernels.power.forest import plant

BASE = 1e6  # VA


def feeder_grid(feeders, per_feeder):
    """The PGM benchmark's 10 kV feeder grid: from, to, length [km], p and q [W, var] of buses 1..n."""
    rng = np.random.default_rng(0)
    n = feeders * per_feeder
    to = np.arange(1, n + 1)
    start = to - 1
    start[::per_feeder] = 0
    length = rng.uniform(0.8, 1.2, n)
    p = rng.uniform(0.32e6, 0.48e6, n)
    return start, to, length, p, p * np.sqrt(1 - 0.95**2) / 0.95


def feeder_forest(start, to, length):
    """That grid in pu on ``BASE``: 0.063 + 0.103j ohm and 0.4 uF per km, 1000 A, source 1.05 pu at bus 0."""
    n = to.size
    z_base = 10e3**2 / BASE
    half = 0.5j * 2 * np.pi * 50 * 0.4e-6 * length * z_base
    rated = np.full(n, np.sqrt(3) * 10e3 * 1000 / BASE)
    source = np.zeros(n + 1, bool)
    source[0] = True
    z = (0.063 + 0.103j) * length / z_base
    none = np.zeros(n + 1, complex)
    forest = plant(n + 1, start, to, np.ones(n, bool), source, z, np.ones(n, complex), half, half, none, rated, rated)
    volts = np.full((n + 1, 1), np.nan, complex)
    volts[0] = 1.05
    return forest, volts


def two_bus(z, ratio=1.0, reverse=False):
    """Source 0, one branch, load bus 1; ``reverse`` turns the branch round."""
    ends = (np.array([1]), np.array([0])) if reverse else (np.array([0]), np.array([1]))
    none, one = np.zeros(1, complex), np.array([np.inf])
    source = np.array([True, False])
    return plant(
        2,
        *ends,
        np.ones(1, bool),
        source,
        np.array([z]),
        np.array([ratio + 0j]),
        none,
        none,
        np.zeros(2, complex),
        one,
        one,
    )

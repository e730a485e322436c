"""Radial power flow of a batch: 1,001 nodes and 200 steps of the public feeder benchmark, energy balanced."""

import numpy as np
import pytest

from kernels.power.forest import plant

BASE, FEEDERS, PER_FEEDER, STEPS = 1e6, 100, 10, 200


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    n = FEEDERS * PER_FEEDER
    to = np.arange(1, n + 1)
    start = to - 1
    start[::PER_FEEDER] = 0
    length = rng.uniform(0.8, 1.2, n)
    p = rng.uniform(0.32e6, 0.48e6, n)
    z_base = 10e3**2 / BASE
    half = 0.5j * 2 * np.pi * 50 * 0.4e-6 * length * z_base
    rated = np.full(n, np.sqrt(3) * 10e3 * 1000 / BASE)
    one, none = np.ones(n, complex), np.zeros(n + 1, complex)
    is_source = np.arange(n + 1) == 0
    z = (0.063 + 0.103j) * length / z_base
    forest = plant(n + 1, start, to, np.ones(n, bool), is_source, z, one, half, half, none, rated, rated)
    source = np.full((n + 1, 1), np.nan, complex)
    source[0] = 1.05
    scale = np.random.default_rng(1).uniform(0.5, 1.5, (n, STEPS))
    load = np.zeros((n + 1, STEPS))
    load[1:] = scale * p[:, None]
    return forest, source, load, load * np.sqrt(1 - 0.95**2) / 0.95


def test_a_batch_of_steps(benchmark, case):
    forest, source, p, q = case
    out = forest.allocate(STEPS)
    scratch = forest.scratch()
    benchmark(forest.solve, out, source, p, q, scale=1 / BASE, scratch=scratch)
    p_from, _, p_to, _ = forest.flows(out, source, forest.branch.size)
    given = (1.05 * out.source_real).sum(0)
    np.testing.assert_allclose(given, p.sum(0) / BASE + (p_from + p_to).sum(0), rtol=1e-8)

"""Power flow of batches: the public feeder benchmark and a large meshed case, results checked."""

import sys
from pathlib import Path

import numpy as np
import pytest

from kernels.power.mesh import operating_points, spacing

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from power_grids import BASE, feeder_forest, feeder_grid

Q_OF_P = np.sqrt(1 - 0.95**2) / 0.95


@pytest.mark.parametrize(("feeders", "per_feeder", "steps"), [(100, 10, 1000), (1000, 10, 200), (100, 100, 200)])
def test_a_batch_of_radial_steps(benchmark, feeders, per_feeder, steps):
    start, to, length, p, _ = feeder_grid(feeders, per_feeder)
    if per_feeder == 100:
        length, p = length * 0.3, p * 0.05
    forest, source = feeder_forest(start, to, length)
    load = np.zeros((p.size + 1, steps))
    load[1:] = np.random.default_rng(1).uniform(0.5, 1.5, (p.size, steps)) * p[:, None]
    reactive = load * Q_OF_P
    out, scratch = forest.allocate(steps, magnitude=True, loading=True, flow=True), forest.scratch()
    benchmark(forest.solve, out, source, load, reactive, scale=1 / BASE, scratch=scratch)
    p_from, _, p_to, _ = out.flow
    np.testing.assert_allclose((1.05 * out.source_real).sum(0), load.sum(0) / BASE + (p_from + p_to).sum(0), rtol=1e-8)


@pytest.mark.parametrize("steps", [64, 512])
def test_a_batch_of_meshed_steps_with_swings_of_the_whole_system(benchmark, steps):
    from twin.power.circuit import circuit_of
    from twin.power.demand import demand_of
    from twin.power.meshed import mesh_of
    from twin.readers.networks import open_network

    net = open_network("pandapower:case9241pegase")
    circuit = circuit_of(net)
    mesh, start = mesh_of(circuit)
    swing = np.random.default_rng(0).uniform(0.6, 1.0, steps)
    factor = np.repeat(swing[None], len(net.load), axis=0)
    demand = demand_of(circuit, factor, factor, np.arange(steps))
    generation = circuit.node_sum(net.generator.bus, net.generator.p)[:, None]
    p = demand.p + generation * (1 - swing)  # generators follow
    level = np.stack([swing, swing])
    points = operating_points(demand.basis, level, spacing(steps))
    out = benchmark(mesh.solve, start, p, demand.q, points=points)
    assert (out.status == 0).all() and out.mismatch.max() < 1e-5

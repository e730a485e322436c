"""Link-steps per second of the link transmission model on a grid of 1,088 links, one hour of 10 s sub-steps."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kernels.traffic.link_transmission import advance, build_loading, commodity_on_links, movement_shares

SIDE, STEPS = 17, 360


def case(commodities, load, seed=0):
    index = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    a = np.concatenate([index[:, :-1].ravel(), index[:, 1:].ravel(), index[:-1].ravel(), index[1:].ravel()])
    b = np.concatenate([index[:, 1:].ravel(), index[:, :-1].ravel(), index[1:].ravel(), index[:-1].ravel()])
    m, n = len(a), SIDE * SIDE
    rng = np.random.default_rng(seed)
    length, one = rng.uniform(200, 600, m), np.ones(m)
    goal = rng.choice(n, 20, replace=False)
    away = dijkstra(csr_array((length, (b, a)), shape=(n, n)), indices=goal).T
    weight = np.where(away[a] > away[b], np.exp((away[a] - away[b] - length[:, None]) / 100), 0.0)
    total = np.zeros((n, 20))
    np.add.at(total, a, weight)
    share = np.divide(weight, total[a], out=np.zeros_like(weight), where=total[a] > 0)
    rates = rng.uniform(0, 0.16 * load, (n, 20)) / 20
    rates[goal, np.arange(20)] = 0.0
    if commodities == 1:  # all destinations as one: a fifth of the vehicles ends at each node
        mean = share.mean(axis=1)
        share = (0.8 * mean / np.bincount(a, mean, minlength=n)[a])[:, None]
        rates = rates.sum(axis=1, keepdims=True)
    x = build_loading(a, b, n, length, 15 * one, 5 * one, 0.15 * one, 0.5 * one, dt=10.0, commodities=commodities)
    return x, movement_shares(x, share), rates


@pytest.mark.parametrize(("commodities", "load"), [(1, 0.5), (1, 2.0), (20, 0.3), (20, 1.0)])
def test_link_steps(benchmark, commodities, load):
    x, turn, rates = case(commodities, load)
    always = np.ones((1, len(x.tail)))
    advance(x, turn, rates, always, 60)
    benchmark.extra_info["link_steps"] = len(x.tail) * STEPS
    benchmark.pedantic(advance, (x, turn, rates, always, STEPS), rounds=3)
    if benchmark.stats:
        benchmark.extra_info["million_link_steps_per_second"] = len(x.tail) * STEPS / benchmark.stats["min"] / 1e6
    held = commodity_on_links(x).sum(axis=0)
    np.testing.assert_allclose(x.started.sum(axis=0) - x.ended.sum(axis=0), held, atol=1e-9 * x.started.sum())

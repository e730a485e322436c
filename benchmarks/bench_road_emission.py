"""Road emission of a national-size network: 300,000 links, two vehicle classes, four substances."""

import numpy as np
import pytest

from kernels.traffic.emission import link_emission, stagnation_proxy, urban_speed_class

LINKS = 300_000


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(5)
    length = rng.uniform(20, 2000, LINKS)
    free = length / rng.uniform(8, 28, LINKS)
    return {
        "flow": rng.uniform(0, 3000, (2, LINKS)),
        "length": length,
        "free": free,
        "time": free * rng.uniform(1, 4, LINKS),
        "limit": rng.choice([50.0, 80.0, 100.0], LINKS),
        "method": rng.choice(np.array([0, 1, 2], np.int8), LINKS),
        "factor": rng.uniform(0.1, 3, (4, 2, 6, 2)),
    }


def test_emission_step(benchmark, case):
    stagnation, emission = np.zeros(LINKS), np.zeros((4, LINKS))
    speed_class = np.full(LINKS, 4, dtype=np.int64)
    edges, classes = np.array([15.0, 30.0, 45.0]), np.arange(4)

    def step():
        stagnation_proxy(case["time"], case["free"], case["method"], stagnation)
        urban_speed_class(
            case["time"], case["length"], case["limit"], case["method"], edges, 60.0, classes, speed_class
        )
        link_emission(case["flow"], case["length"], case["method"], speed_class, stagnation, case["factor"], emission)

    step()
    benchmark(step)
    mixed = (1 - stagnation) * case["factor"][0][:, speed_class, 0] + stagnation * case["factor"][0][:, speed_class, 1]
    want = (case["flow"] * mixed).sum(axis=0) * case["length"] / 3.6e6 * (case["method"] > 0)
    np.testing.assert_allclose(emission[0], want, rtol=1e-12)

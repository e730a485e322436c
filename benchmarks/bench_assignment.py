"""User equilibrium: path-based on public networks, bushes on a province with dense demand, against AequilibraE.

``pytest benchmarks/bench_assignment.py --benchmark-only`` measures and asserts the results;
``python benchmarks/bench_assignment.py [NETWORK GAP]...`` compares with AequilibraE's bfw (extra ``peers``) in one
process, one thread, CPU seconds, at the gap that is recomputed from the flows which each returns;
``python benchmarks/bench_assignment.py alone [NETWORK GAP]...`` measures without it: cold and warm steps, two threads
against one (wall seconds, so that the machine must be idle), memory of the paths.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kernels.traffic.bush import build_bushes, equilibrate
from kernels.traffic.cost import bpr
from twin.readers.tntp import TntpNetwork, TntpTrips, read_network, read_trips
from twin.traffic import Assigned, assign

DATA = Path(os.environ.get("TWIN_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data") / "traffic"
CASES = (("Anaheim", 1e-4), ("Anaheim", 1e-6), ("Winnipeg", 1e-4), ("Winnipeg", 1e-6),
         ("Berlin-Center", 1e-4), ("Berlin-Center", 1e-6))  # fmt: skip


def read(name: str) -> tuple[TntpNetwork, TntpTrips]:
    if not (DATA / name).is_dir():
        pytest.skip(f"no network {name} under {DATA}; set TWIN_DATA")
    return read_network(*(DATA / name).glob("*_net.tntp")), read_trips(*(DATA / name).glob("*_trips.tntp"))


def path_megabytes(result: Assigned) -> float:
    """Memory of the path sets in MB."""
    store = result.problem.store
    return sum(getattr(store, n).nbytes for n in ("arcs", "flow", "following", "begin", "size", "path_cost")) / 1e6


@pytest.mark.parametrize(("name", "gap"), CASES)
def test_cold_start(benchmark, name, gap):
    net, trips = read(name)
    assign(net, trips, gap=0.1)
    result = benchmark.pedantic(assign, (net, trips), {"gap": gap}, rounds=2)
    assert result.summary["relative_gap"] <= gap
    benchmark.extra_info["path_store_megabytes"] = path_megabytes(result)


def test_warm_start(benchmark):
    net, trips = read("Winnipeg")
    before = assign(net, trips, gap=1e-5)
    scale = iter(np.tile([0.97, 1.0], 50))
    result = benchmark.pedantic(lambda: before.again(next(scale), gap=1e-5), rounds=4)
    assert result.summary["converged"]


def province(side=24, total=120_000, seed=1):
    """Grid with motorways every sixth street and dense gravity demand between all nodes."""
    rng = np.random.default_rng(seed)
    index = np.arange(side * side).reshape(side, side)
    a = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    b = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    tail, head = np.concatenate([a, b]), np.concatenate([b, a])
    major = ((tail // side % 6 == 0) & (head // side % 6 == 0)) | ((tail % side % 6 == 0) & (head % side % 6 == 0))
    length = rng.uniform(700, 1300, len(tail))
    cost = bpr(length / np.where(major, 27.0, 14.0), np.where(major, 6000.0, 1500.0), np.full(len(tail), 0.15),
               np.full(len(tail), 4.0))  # fmt: skip
    y, x = np.divmod(np.arange(side * side), side)
    weight = rng.lognormal(0, 1, side * side)
    demand = weight[:, None] * weight * np.exp(-np.hypot(x[:, None] - x, y[:, None] - y) / 8)
    np.fill_diagonal(demand, 0)
    return tail, head, (*cost, np.zeros(len(tail))), demand * total / demand.sum()


def test_day_of_a_province(benchmark):
    tail, head, cost, demand = province()
    places = np.arange(len(demand))
    b = build_bushes(tail, head, len(places), places, cost[0])
    hours = (0.1, 0.4, 1.0, 0.9, 0.6, 0.9, 1.0, 0.4)

    def day():
        return [equilibrate(b, demand * h, *cost, gap=1e-4) for h in hours]

    day()
    results = benchmark.pedantic(day, rounds=2)
    assert all(e.status == 0 and e.relative_gap <= 1e-4 for e in results)


def true_gap(net: TntpNetwork, trips: TntpTrips, flow: np.ndarray) -> float:
    """Relative gap of link flows by scipy's Dijkstra; zones that may not be passed are split."""
    n = len(net.node_id)
    constant, k, p = bpr(net.free_flow_time, net.capacity, net.b, net.power)
    cost = constant + k * np.maximum(flow, 0) ** p
    tail = np.where(net.through[net.from_node], net.from_node, net.from_node + n)
    key = tail.astype(np.int64) * 2 * n + net.to_node
    order = np.lexsort((cost, key))
    pick = order[np.concatenate([[True], key[order][1:] != key[order][:-1]])]
    graph = csr_array((np.maximum(cost[pick], 1e-300), (tail[pick], net.to_node[pick])), shape=(2 * n, 2 * n))
    sources, row = np.unique(trips.origin, return_inverse=True)
    start = np.where(net.through[sources], sources, sources + n)
    least = 0.0
    for i, node in enumerate(start):
        mine = row == i
        least += trips.trips[mine] @ dijkstra(graph, indices=node)[trips.destination[mine]]
    return float((flow @ cost - least) / (flow @ cost))


def aequilibrae_flows(net: TntpNetwork, trips: TntpTrips, gap: float) -> tuple[np.ndarray, float]:
    """Link flows of AequilibraE's bfw and CPU seconds of its ``execute``."""
    os.environ["AEQ_SHOW_PROGRESS"] = "FALSE"
    import pandas as pd
    from aequilibrae.matrix import AequilibraeMatrix
    from aequilibrae.paths import Graph, TrafficAssignment, TrafficClass

    m = len(net.from_node)
    free = net.free_flow_time <= 0
    constant = free | (net.b == 0) | (net.power == 0)
    links = pd.DataFrame(
        {
            "link_id": np.arange(1, m + 1), "a_node": net.node_id[net.from_node], "b_node": net.node_id[net.to_node],
            "direction": np.ones(m, int), "capacity": np.where(net.capacity > 0, net.capacity, 1.0),
            "free_flow_time": np.where(free, 1e-6, net.free_flow_time), "b": np.where(constant, 0.0, net.b),
            "power": np.where(constant, 1.0, net.power), "distance": net.length, "id": np.arange(1, m + 1),
        }
    )  # fmt: skip
    graph = Graph()
    graph.network = links
    graph.prepare_graph(np.arange(1, net.zones + 1))
    graph.set_graph("free_flow_time")
    graph.set_blocked_centroid_flows(net.first_thru > 1)
    matrix = AequilibraeMatrix()
    matrix.create_empty(zones=net.zones, matrix_names=["car"], memory_only=True)
    matrix.index[:] = np.arange(1, net.zones + 1)
    matrix.matrices[:, :, 0] = 0.0
    matrix.matrices[trips.origin, trips.destination, 0] = trips.trips
    matrix.computational_view(["car"])
    work = TrafficAssignment()
    work.set_classes([TrafficClass("car", graph, matrix)])
    work.set_vdf("BPR")
    work.set_vdf_parameters({"alpha": "b", "beta": "power"})
    work.set_capacity_field("capacity")
    work.set_time_field("free_flow_time")
    work.max_iter, work.rgap_target = 5000, gap
    work.set_cores(1)
    work.set_algorithm("bfw")
    start = time.process_time()
    work.execute()
    spent = time.process_time() - start
    return work.results()["PCE_tot"].reindex(np.arange(1, m + 1)).fillna(0).to_numpy(), spent


def measure_alone(cases: tuple[tuple[str, float], ...]) -> None:
    """Cold and warm CPU seconds of one thread, wall seconds of one and two, and memory of the path sets."""
    columns = zip(("gap", "cold s", "warm s", "ratio", "wall 1", "wall 2", "ratio", "MB"), (8, 9, 9, 7, 9, 9, 7, 7))
    print(f"{'network':<16}" + "".join(name.rjust(width) for name, width in columns))
    for name, gap in cases:
        net, trips = read(name)
        noise = np.random.default_rng(1).uniform(0.95, 1.05, len(trips.trips))
        wall = {}
        for threads in (2, 1):
            assign(net, trips, gap=0.1, threads=threads)
            runs = [assign(net, trips, gap=gap, threads=threads) for _ in range(5)]
            wall[threads] = min(r.summary["wall_seconds"] for r in runs)
        cold = min(r.summary["cpu_seconds"] for r in runs)
        result, warm = runs[-1], []
        for hour in (0.95, 1.0, 1.05, 1.0, 0.95):  # each hour with a noise of its own on top of its level
            result.demand = trips.trips * hour * np.roll(noise, int(100 * hour))
            result = result.again(gap=gap)
            warm.append(result.summary["cpu_seconds"])
        warm = float(np.mean(warm))
        print(f"{name:<16}{gap:>8.0e}{cold:>9.4f}{warm:>9.4f}{warm / cold:>7.2f}"
              f"{wall[1]:>9.4f}{wall[2]:>9.4f}{wall[1] / wall[2]:>7.2f}{path_megabytes(result):>7.1f}")  # fmt: skip


def main(words: list[str]) -> None:
    alone = words[:1] == ["alone"]
    words = words[1:] if alone else words
    cases = tuple(zip(words[::2], map(float, words[1::2]))) or CASES
    if alone:
        return measure_alone(cases)
    print(f"{'network':<16}{'gap asked':>10}{'twin s':>9}{'gap':>10}{'aequilibrae s':>15}{'gap':>10}{'ratio':>8}")
    for name, gap in cases:
        net, trips = read(name)
        theirs, seconds = aequilibrae_flows(net, trips, gap)
        reached = true_gap(net, trips, theirs)
        assign(net, trips, gap=0.1, threads=1)
        ours = min(
            (assign(net, trips, gap=min(gap, reached), threads=1) for _ in range(3)),
            key=lambda r: r.summary["cpu_seconds"],
        )
        mine = ours.summary["cpu_seconds"]
        found = true_gap(net, trips, ours.links["flow"].values)
        print(f"{name:<16}{gap:>10.0e}{mine:>9.3f}{found:>10.2e}{seconds:>15.2f}{reached:>10.2e}{seconds / mine:>8.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""A province of 100,000 nodes and 35,040 quarter-hours: demand, power flow and congestion, start to end.

``python benchmarks/province_year.py [--days N] [--nodes N] [--strategy S]``. The grid is SYNTHETIC: places, homes and
jobs are drawn from a seed, feeders laid by the rule of twin.world.power with all low voltage in detail, weather and
profiles those of the synthetic province. The last line is one JSON object. ``--days N`` takes N days spread evenly
over the year, to extrapolate from; compilation is done on a first day that does not count.
"""

import argparse
import json
import resource
import time

import numpy as np

from kernels.jit import threads
from twin.power.year import YearOptions, power_year
from twin.world.power import NetworkRules, Places, synthesise
from twin.world.synthetic import SyntheticWorld, _profiles, _weather

HOMES_PER_PLACE, JOBS_PER_HOME, NODES_PER_HOME_STATION = 2700, 0.9, 42


def province(nodes: int, seed: int):
    """Power and weather groups of a synthetic province of about ``nodes`` buses."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 7]))
    rules = NetworkRules()
    per_home = NODES_PER_HOME_STATION / rules.homes_per_station + 2 * JOBS_PER_HOME / rules.jobs_per_station
    n = max(round(nodes / per_home / HOMES_PER_PLACE), 1)
    homes = np.round(HOMES_PER_PLACE * rng.uniform(0.5, 1.5, n))
    side = 4000.0 * np.sqrt(n)
    places = Places(
        x=120_000 + rng.uniform(0, side, n), y=440_000 + rng.uniform(0, side, n), radius=rng.uniform(500, 1200, n),
        dwellings=homes, multi_family=np.round(0.4 * homes), household_energy=2600.0 * homes,
        heat_pumps=0.06 * homes, heat_demand=0.06 * 7500.0 * homes, pv_capacity=0.9 * homes,
        jobs=np.round(JOBS_PER_HOME * homes), service_energy=4300.0 * 0.7 * homes, industry_energy=2000.0 * homes,
    )  # fmt: skip
    world = SyntheticWorld(seed=seed)
    weather = _weather(world)
    stations = max(n // 10, 1)
    power = synthesise(
        places, places.x[:stations], places.y[:stations], [f"s{k}" for k in range(stations)],
        _profiles(world, weather), origin_x=places.x, origin_y=places.y, inside=np.ones(n, bool),
        detailed=tuple(range(n)), rules=rules,
    )  # fmt: skip
    return power, weather


def main() -> None:
    """Build, compile on one day, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=2030)
    parser.add_argument("--ev-share", type=float, default=0.3)
    parser.add_argument("--strategy", default="uncontrolled")
    a = parser.parse_args()
    began = time.perf_counter()
    power, weather = province(a.nodes, a.seed)
    built = time.perf_counter() - began
    options = YearOptions(ev_share=a.ev_share, strategy=a.strategy)
    power_year(power, weather, options, days=[0])
    days = np.unique(np.linspace(0, 364, a.days).astype(int)).tolist()
    wall, cpu = time.perf_counter(), time.process_time()
    table = power_year(power, weather, options, days=days)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({
        "nodes": power.sizes["bus"], "steps": table.attrs["steps"], "cars": table.attrs["cars"],
        "threads": threads(), "wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1),
        "cpu_by_part": {k: round(v, 1) for k, v in table.attrs["seconds"].items()},
        "ns_per_node_step": round(cpu / power.sizes["bus"] / table.attrs["steps"] * 1e9, 1),
        "year_cpu_seconds": round(cpu * 365 / len(days), 1), "build_seconds": round(built, 1),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "feeder_steps_by_status": table.attrs["status_counts"].tolist(),
        "overloaded_assets": int((table["overloaded_hours"] > 0).sum()),
        "lowest_voltage": round(float(table["lowest_voltage"].min()), 4),
        "load_mwh": round(table.attrs["load_mwh"]),
        "losses": round(table.attrs["losses_mwh"] / table.attrs["load_mwh"], 4),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

"""Throughput of nitrogen deposition, pairs per CPU second on one thread: exact cases and fast mode.

TWIN_DATA=<data root> PYTHONPATH=.:tests python benchmarks/bench_nitrogen_exact.py
"""

import os
import sys
from pathlib import Path

import nitrogen_cases as cases
import numpy as np
import pandas as pd

from twin.nitrogen import Roads, deposit
from twin.readers.brn import read_brn

# emission file of a given case, how often it is repeated, substance, reach of the receptors [m]
EXACT = {
    "points": ("G_NH3_multi30_grid41", 1, "NH3", 25e3),
    "points NOx": ("G_NH3_multi30_grid41", 1, "NOx", 25e3),
    "heated stacks": ("G_NOx_point_h40_hc1_grid41", 30, "NOx", 40e3),
    "mixed maps": ("G_NH3_point_h5_mixed_grass_forest_lines", 30, "NH3", 25e3),
    "areas": ("G_NH3_area500_h2.5_lines", 4, "NH3", 25e3),
    "roads, both options": ("G_NOx_road_row_SRM2", 1, "NOx", 4.5e3),
}


def exact(data: Path, case: str):
    """2000 receptors (600 for roads), log-uniform in distance: enough pairs that blocks are full."""
    name, repeat, substance, reach = EXACT[case]
    folder = data / "nitrogen"
    table = read_brn(folder / "given" / f"{name}.brn")
    attrs = table.attrs
    sources = pd.concat([table] * repeat, ignore_index=True)
    sources.attrs = attrs
    count = 600 if "road" in case else 2000
    rng = np.random.default_rng(1)
    distance, angle = np.exp(rng.uniform(np.log(60.0), np.log(reach), count)), rng.uniform(0.0, 2.0 * np.pi, count)
    x, y = np.round(155e3 + distance * np.sin(angle)), np.round(463e3 + distance * np.cos(angle))
    receptors = pd.DataFrame({"name": np.arange(count).astype(str), "x": x, "y": y})
    z0, land_use = cases.mixed_maps() if "maps" in case else (0.1, 1)
    roads = Roads(frozenset({3}), ozone=(45.0,) * 12) if "road" in case else None
    weather = folder / "inputs" / "ops" / "a005105c.005"
    choices = {"z0": z0, "land_use": land_use, "roads": roads, "background": cases.BACKGROUND, "threads": 1}
    return deposit(sources, receptors, weather, substance, **choices)


def fast(data: Path, count: int = 20_000):
    """600 sources on ``count`` receptors of a 50 km square, 25 km reach."""
    folder = data / "nitrogen"
    table = read_brn(folder / "given" / "G_NH3_multi30_grid41.brn")
    attrs = table.attrs
    sources = pd.concat([table] * 20, ignore_index=True)
    sources.attrs = attrs
    rng = np.random.default_rng(1)
    x, y = rng.integers(130_000, 180_000, count).astype(float), rng.integers(440_000, 490_000, count).astype(float)
    receptors = pd.DataFrame({"name": np.arange(count).astype(str), "x": x, "y": y})
    weather = folder / "inputs" / "ops" / "a005105c.005"
    return deposit(sources, receptors, weather, background=cases.BACKGROUND, mode="fast", reach=25e3, threads=1)


def main() -> None:
    """Print one line per case: pairs, CPU seconds, pairs per CPU second; the best of three."""
    data = Path(os.environ["TWIN_DATA"])
    for name in EXACT:
        runs = [exact(data, name).attrs for _ in range(3)]
        best = max(runs, key=lambda attrs: attrs["pairs_per_cpu_second"])
        sys.stdout.write(f"{name:45s} {best['pairs']:9d} {best['pairs_per_cpu_second']:12.0f} per CPU second\n")
    attrs = fast(data).attrs
    sys.stdout.write(f"{'fast, tables included':45s} {attrs['pairs']:9d} {attrs['pairs_per_cpu_second']:12.0f}")
    sys.stdout.write(f" per CPU second, error {100 * attrs['error_estimate']:.2f} %\n")


if __name__ == "__main__":
    main()

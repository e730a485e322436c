"""Throughput of nitrogen deposition, pairs per CPU second on one thread: exact cases and fast mode.

TWIN_DATA=<data root> PYTHONPATH=.:tests python benchmarks/bench_nitrogen_exact.py
"""

import os
import sys
from pathlib import Path

import nitrogen_cases as cases
import numpy as np
import pandas as pd

from twin.nitrogen import deposit
from twin.readers.brn import read_brn

EXACT = (
    "G_NH3_multi30_grid41",
    "G_NH3_point_h2.5_grid41",
    "G_NOx_point_h2.5_grid41",
    "G_NOx_point_h40_hc1_grid41",
    "G_NH3_point_h5_mixed_grass_forest_lines",
    "G_NH3_area500_h2.5_lines",
    "G_NOx_road_row_SRM2",
)


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
        runs = [cases.run(data, name, threads=1).attrs for _ in range(3)]
        best = max(runs, key=lambda attrs: attrs["pairs_per_cpu_second"])
        sys.stdout.write(f"{name:45s} {best['pairs']:9d} {best['pairs_per_cpu_second']:12.0f} per CPU second\n")
    attrs = fast(data).attrs
    sys.stdout.write(f"{'fast, tables included':45s} {attrs['pairs']:9d} {attrs['pairs_per_cpu_second']:12.0f}")
    sys.stdout.write(f" per CPU second, error {100 * attrs['error_estimate']:.2f} %\n")


if __name__ == "__main__":
    main()

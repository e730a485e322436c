"""Throughput of nitrogen deposition, pairs per CPU second on one thread: exact cases and fast mode.

TWIN_DATA=<data root> PYTHONPATH=.:tests python benchmarks/bench_nitrogen_exact.py [--lattice] [--province]

With --lattice also gridded sources by transform: each of 200 x 200 and of 400 x 400 cells of 250 m is a source and a
receptor, within 25 km. The error is the largest of 44 random receptors recomputed exactly over all sources.
With --province also fast mode for 10^4 sources of ten kinds on 10^5 hexagons over a landscape, on one thread and on two
(minutes). Landscape and sources are SYNTHETIC.
"""

import os
import sys
import time
from pathlib import Path

import nitrogen_cases as cases
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from kernels.nitrogen import hexagons
from twin.nitrogen import Map, Roads, deposit
from twin.readers.brn import read_brn

# emission file of a given case, how often it is repeated, substance, reach of the receptors [m]
EXACT = {
    "points": ("G_NH3_multi30_grid41", 1, "NH3", 25e3),
    "points NOx": ("G_NH3_multi30_grid41", 1, "NOx", 25e3),
    "heated stacks": ("G_NOx_point_h40_hc1_grid41", 30, "NOx", 40e3),
    "mixed maps": ("G_NH3_point_h5_mixed_grass_forest_lines", 30, "NH3", 25e3),
    "areas": ("G_NH3_area500_h2.5_lines", 4, "NH3", 25e3),
    "roads, both options": ("G_NOx_road_row_SRM2", 1, "NOx", 4.5e3),
    "all kinds mixed on a landscape": ("G_NH3_multi30_grid41", 10, "NH3", 25e3),
}


def exact(data: Path, case: str):
    """2000 receptors (600 for roads), log-uniform in distance: enough pairs that blocks are full."""
    name, repeat, substance, reach = EXACT[case]
    folder = data / "nitrogen"
    table = read_brn(folder / "given" / f"{name}.brn")
    attrs = table.attrs
    sources = pd.concat([table] * repeat, ignore_index=True)
    if "mixed on" in case:
        sources = _mixed(sources)
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
    if "landscape" in case:
        choices |= landscape()
    return deposit(sources, receptors, weather, substance, **choices)


def _mixed(sources: pd.DataFrame) -> pd.DataFrame:
    """A tenth of the sources areas of 500 m, 40 % heated stacks of 30 m, diurnal codes 0 to 5."""
    rng = np.random.default_rng(2)
    kind = rng.random(len(sources))
    sources = sources.assign(diurnal_code=rng.integers(0, 6, len(sources)))
    sources.loc[kind < 0.1, "diameter"] = 500.0
    sources.loc[kind > 0.6, ["heat_content", "height"]] = 0.5, 30.0
    return sources


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


def landscape(seed: int = 1, patch: float = 600.0, side: float = 100e3, cell: float = 250.0):
    """SYNTHETIC maps: seven land uses in patches, roughness of each varying by a third, background by as much."""
    rng = np.random.default_rng(seed)
    roughness = {1: 0.03, 2: 0.1, 4: 1.0, 5: 1.0, 6: 0.0002, 7: 0.5, 8: 0.04}
    share = np.array([0.35, 0.25, 0.12, 0.06, 0.04, 0.12, 0.06])
    shape = (round(side / cell),) * 2
    smooth = np.stack([gaussian_filter(rng.standard_normal(shape), patch / cell, mode="wrap") for _ in share])
    smooth /= smooth.std(axis=(1, 2), keepdims=True)
    use = np.array(list(roughness))[(smooth + 1.2 * np.log(share)[:, None, None]).argmax(axis=0)]
    z0 = np.vectorize(roughness.get)(use) * np.exp(0.3 * rng.standard_normal(shape))
    frame = (100e3, 400e3 + side, cell, cell)
    background = {}
    for name, level in cases.BACKGROUND.items():
        field = gaussian_filter(rng.standard_normal((round(side / 1e3),) * 2), 6.0, mode="wrap")
        background[name] = Map(level * np.exp(0.3 * field / field.std()), 100e3, 400e3 + side, 1e3, 1e3)
    return {"z0": Map(np.round(z0.clip(1e-4, 3.0), 4), *frame), "land_use": Map(use, *frame), "background": background}


def province(data: Path, threads: int):
    """10^4 sources of ten kinds, 0.5 to 150 m and 0 to 10 MW, within 40 x 40 km, on 10^5 hexagons in eight patches."""
    kinds = np.array(
        [
            (0.5, 0, 500, 0, 5),
            (1.5, 0, 0, 0, 4),
            (2.5, 0, 0, 0, 0),
            (5, 0, 0, 0, 4),
            (2.5, 0, 0, 2.5, 3),
            (11, 0.14, 0, 0, 2),
            (20, 0.5, 0, 0, 1),
            (40, 1, 0, 0, 1),
            (80, 3, 0, 0, 0),
            (150, 10, 0, 0, 0),
        ]
    )
    rng = np.random.default_rng(3)
    names = ["height", "heat_content", "diameter", "spread", "diurnal_code"]
    sources = pd.DataFrame(kinds[rng.integers(0, len(kinds), 10_000)], columns=names).astype({"diurnal_code": int})
    place = np.round(rng.uniform(30e3, 70e3, (10_000, 2))) + np.array([100e3, 400e3])
    sources = sources.assign(x=place[:, 0], y=place[:, 1], emission=0.02 * rng.lognormal(0, 1, 10_000))
    sources = sources.assign(category=1, country=1)
    sources.attrs = {"units": {"emission": "g s-1"}, "file": "synthetic"}
    middle = rng.uniform(30e3, 70e3, (8, 2)) + np.array([100e3, 400e3])
    number = np.unique(np.concatenate([hexagons.hexagons_within(x[:1], x[1:], 8.2e3) for x in middle]))[:100_000]
    x, y = hexagons.centres(number)
    receptors = pd.DataFrame({"name": number.astype(str), "x": x, "y": y})
    weather = data / "nitrogen" / "inputs" / "ops" / "a005105c.005"
    return deposit(sources, receptors, weather, mode="fast", reach=25e3, threads=threads, **landscape())


def lattice(data: Path, side: int, substance: str):
    """SYNTHETIC emission of ``side`` x ``side`` cells of 250 m on themselves, over grass, one thread."""
    row, column = np.divmod(np.arange(side * side), side)
    x, y = 100e3 + 250.0 * column, 400e3 + 250.0 * row
    emission = 0.02 * np.random.default_rng(4).lognormal(0.0, 1.0, len(x))
    sources = pd.DataFrame({"x": x, "y": y, "emission": emission, "height": 1.5, "diameter": 250.0})
    sources = sources.assign(heat_content=0.0, spread=0.0, diurnal_code=0, category=1, country=1)
    sources.attrs = {"units": {"emission": "g s-1"}, "file": "synthetic"}
    receptors = pd.DataFrame({"name": np.arange(len(x)).astype(str), "x": x, "y": y})
    weather = data / "nitrogen" / "inputs" / "ops" / "a005105c.005"
    choices = {"background": cases.BACKGROUND, "mode": "fast", "reach": 25e3, "threads": 1}
    return deposit(sources, receptors, weather, substance, **choices)


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
    for side, substance in ((200, "NH3"), (400, "NH3"), (400, "NOx")) if "--lattice" in sys.argv else ():
        begin = time.perf_counter()
        attrs = lattice(data, side, substance).attrs
        wall = time.perf_counter() - begin
        name = f"lattice {side} x {side} {substance}, {wall:.0f} s with check"
        sys.stdout.write(f"{name:45s} {attrs['pairs']:9d} {attrs['pairs_per_cpu_second']:12.0f} per CPU second")
        sys.stdout.write(f", {attrs['cpu_seconds']:.2f} CPU s, error {attrs['error_estimate']:.2%}")
        sys.stdout.write(f" (median {attrs['error_median']:.2%}), check {attrs['check_cpu_seconds']:.1f} CPU s\n")
    for threads in (1, 2) if "--province" in sys.argv else ():
        begin = time.perf_counter()
        attrs = province(data, threads).attrs
        wall = time.perf_counter() - begin
        sys.stdout.write(f"province, {threads} threads, {wall:.0f} s{'':22s} {attrs['pairs']:9d}")
        sys.stdout.write(
            f" {attrs['pairs_per_cpu_second']:12.0f} per CPU second, error {attrs['error_estimate']:.2%}\n"
        )


if __name__ == "__main__":
    main()

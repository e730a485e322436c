"""Exact mode against the chain written out plainly from the specification, on random cases no reference run has."""

import math

import numpy as np
import pandas as pd
import pytest
from plain_chain import PROF, Case, pair

from kernels.nitrogen.exact.timing import PROFILES
from twin.nitrogen import Conversion, Switches, deposit
from twin.readers.climatology import read_climatology

NAMES = {
    "NH3": ("conc_NH3", "dry_NH3", "wet_NH3", "conc_NH4", "dry_NH4", "wet_NH4"),
    "NOx": ("conc_NOx", "dry_NOx", "wet_NOx", "conc_NO3+HNO3", "dry_NO3+HNO3", "wet_NO3+HNO3"),
}
NO_STACK = (math.nan, math.nan, math.nan)


def any_kind(rng):
    """Side (negative: diameter), heat and stack of a source, and how near a receptor may be."""
    kind = rng.choice(["point", "heat", "square", "circle", "stack", "heated stack"])
    if kind == "heat":
        return 0.0, float(rng.choice([0.01, 0.5, 2.0, 20.0])), NO_STACK, 15.0
    if kind == "square":  # beyond twice its side it is one source
        side = float(rng.choice([20.0, 100.0, 1000.0]))
        return side, 0.0, NO_STACK, 2.0 * side + 10.0
    if kind == "circle":
        return -float(rng.choice([50.0, 500.0, 3000.0])), float(rng.choice([0.0, 1.0])), NO_STACK, 10.0
    if kind == "stack":
        speed, temperature = float(rng.choice([2.0, 30.0, -10.0])), float(rng.choice([5.0, 80.0, 300.0]))
        return 0.0, math.nan, (float(rng.choice([0.5, 3.0, 8.0])), speed, temperature), 15.0
    if kind == "heated stack":
        return 0.0, float(rng.choice([0.1, 1.0, 3.0])), (3.0, float(rng.choice([5.0, 20.0, -20.0])), math.nan), 15.0
    return 0.0, 0.0, NO_STACK, 15.0


def no2_of(nox):
    ppb, knee = nox * 24.0 / 46.0, math.exp(1.0 + 12.4 / 8.6)
    return 8.6 * math.log(ppb) - 12.4 if ppb > knee else 8.6 * ppb / knee


def any_case(rng, climate):
    substance = str(rng.choice(["NH3", "NOx"]))
    side, heat, stack, near = any_kind(rng)
    height = float(rng.choice([0.01, 0.5, 2.5, 10.0, 40.0, 90.0, 150.0, 250.0, 400.0]))
    spread, code = float(rng.choice([0.0, 1.0, 5.0])), int(rng.choice([*PROF, 4, 5]))
    z0, z0_receptor = (round(10 ** rng.uniform(-3, 0.25), 5) for _ in range(2))
    use, shares = int(rng.integers(1, 10)), 100.0 * rng.dirichlet(np.full(9, 0.4))
    levels = {name: value * 10 ** rng.uniform(-1, 0.6) for name, value in (("NH3", 6.0), ("NOx", 20.0), ("SO2", 1.5))}
    rate = 4.5 if rng.random() < 0.3 else None
    switches = (1, 1, 1, 1) if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(0, 2, 4))
    plain = Case(
        climate.table, climate.hours, climate.z0, substance == "NOx", 1.3, height, heat, abs(side) / 2.0, side < 0,
        spread, code, stack, z0, z0_receptor, np.eye(9)[use - 1], shares, levels["NH3"], levels["SO2"],
        no2_of(levels["NOx"]), rate, switches,
    )  # fmt: skip
    source = {
        "x": 155_000.0, "y": 463_000.0, "emission": 1.3, "heat_content": heat, "height": height, "diameter": side,
        "spread": spread, "stack_diameter": stack[0], "exit_velocity": stack[1], "exit_temperature": stack[2],
        "diurnal_code": code, "category": 1, "country": 1,
    }  # fmt: skip
    table = pd.DataFrame([source])
    table.attrs["units"] = {"emission": "g s-1"}
    distance, angle = near + 10 ** rng.uniform(0, 5.9, 8), rng.uniform(0, 2 * np.pi, 8)
    dx, dy = np.round(distance * np.sin(angle)), np.round(distance * np.cos(angle))
    places = pd.DataFrame({"name": [str(i) for i in range(8)], "x": 155_000.0 + dx, "y": 463_000.0 + dy})
    places["height"], places["z0"] = rng.choice([4.0, 1.5, 20.0], 8), z0_receptor
    places[[f"land_use_{k}" for k in range(1, 10)]] = shares
    conversion = None if rate is None else Conversion(rate, rate)
    options = {"z0": z0, "land_use": use, "background": levels, "conversion": conversion}
    found = deposit(table, places, climate, substance, switches=Switches(*map(bool, switches)), **options)
    return substance, plain, dx, dy, places["height"].to_numpy(), found


@pytest.mark.parametrize("seed", range(3))
def test_the_kernels_equal_the_chain_written_out(data, seed):
    rng = np.random.default_rng(seed)
    climate = read_climatology(data / "nitrogen" / "inputs" / "ops" / "a005105c.005")
    for _ in range(20):
        substance, plain, dx, dy, heights, found = any_case(rng, climate)
        first, second = (46.0, 62.0) if substance == "NOx" else (17.0, 18.0)
        printed = 1.08 if substance == "NOx" and plain.switches[0] else 1.0
        losses = float(any(plain.switches))
        to_mol = np.array([1 / printed, *[losses * 87.6 / first] * 2, 1.0, *[losses * 87.6 / second] * 2])
        want = np.array([to_mol * pair(plain, x, y, z) for x, y, z in zip(dx, dy, heights)])
        got = np.stack([found[name].values for name in NAMES[substance]], axis=1)
        np.testing.assert_allclose(got, want, rtol=3e-5, atol=1e-300, err_msg=str(plain[3:]))


def test_both_know_the_same_rhythms():
    assert {code: list(values) for code, values in PROF.items()} == {c: list(PROFILES[c]) for c in PROF}

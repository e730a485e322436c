"""One hour of NOx and NH3 over 400 x 400 cells of 250 m: kernels, transforms, depletion and budget."""

import time
from dataclasses import replace

import numpy as np
import pytest

from kernels.jit import set_threads, threads
from kernels.nitrogen.hourly import HeightClass, HourlyPlumes, Rates, Turbulence

SIZE, CELL = 400, 250.0
CLASSES = [
    HeightClass(2.0, 0.0, 2.5),  # roads
    HeightClass(2.5, 0.0, 1.2),  # fields and housing
    HeightClass(12.0, 0.4, 6.0),  # greenhouses
    HeightClass(40.0, 1.0, 20.0),  # stacks
]
ACTIVE = [[0, 2, 3], [0, 1]]  # classes of NOx and NH3
DAY = (Turbulence(0.45, -120.0, 900.0, 0.1, 18.0), 225.0, Rates(1e-5, secondary_velocity=0.002))
RAIN = (Turbulence(0.6, 800.0, 700.0, 0.1, 9.0), 270.0, Rates(5e-6, 5e-5, 4e-4, 1e-4, 1e-3, 0.7, 0.002))
CALM = (Turbulence(0.1, 15.0, 50.0, 0.1, 3.0), np.nan, Rates(5e-6, secondary_velocity=0.001))
NIGHT = (Turbulence(0.12, 25.0, 60.0, 0.1, 3.0), 133.0, Rates(5e-6, secondary_velocity=0.001))
WET_NIGHT = (*NIGHT[:2], Rates(5e-6, 5e-5, 4e-4, 1e-4, 1e-3, 0.7, 0.001))
WET_CALM = (*CALM[:2], WET_NIGHT[2])
SPELL = replace(WET_NIGHT[2], later=((5e-5, 4e-4, 1e-4, 1e-3, 0.7),) * 11)  # rain in the hours to come
VARIABLE = (DAY[0], np.nan, DAY[2])
HOURS = {
    "day": DAY,
    "variable_wind": VARIABLE,
    "rain": RAIN,
    "night": NIGHT,
    "wet_night": WET_NIGHT,
    "calm": CALM,
    "wet_calm": WET_CALM,
    "wet_spell": (*NIGHT[:2], SPELL),
    "wet_calm_spell": (*CALM[:2], SPELL),
}


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(11)
    plumes = HourlyPlumes(SIZE, SIZE, CELL, CLASSES)
    kinds = rng.integers(0, 4, (SIZE // 20, SIZE // 16)).repeat(20, 0).repeat(16, 1)
    velocity = [np.array([0.0005, 0.001, 0.0015, 0.003])[kinds], np.array([0.004, 0.008, 0.012, 0.025])[kinds]]
    fields = [rng.random((SIZE, SIZE)) * (rng.random((SIZE, SIZE)) < 0.05) for _ in CLASSES]
    before = threads()
    set_threads(1)  # the bar is in CPU time of one thread
    yield plumes, velocity, fields, [plumes.fft.spectrum(f) for f in fields]
    set_threads(before)


def hour(case, air, direction, rates):
    plumes, velocity, fields, spectra = case
    bases = [replace(rates, base_velocity=float(v.mean())) for v in velocity]
    plumes.prepare(air, direction, bases, ACTIVE)
    emission = [[(c, spectra[c]) for c in classes] for classes in ACTIVE]
    total = [sum(fields[c] for c in classes) for classes in ACTIVE]
    books = []
    for out, emitted in zip(plumes.solve_both(emission, total, velocity), total, strict=True):
        booked = sum(float(part.sum()) for part in (out.dry, out.wet, out.later, out.exported))
        books.append((float(emitted.sum()), booked, out.residual))
    return books


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("weather", HOURS.values(), ids=HOURS.keys())
def test_hour_of_deposition(benchmark, case, weather):
    hour(case, *weather)
    books = benchmark(hour, case, *weather)
    for emitted, found, residual in books:
        assert found == pytest.approx(emitted, rel=1e-10)
        assert residual < 1e-5

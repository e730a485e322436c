"""Hourly mode against the sector mode run on statistics of the very same hours.

Two steps, so that each difference has one reason. Step one gives the sector mode each hour by itself: no averaging, so
what differs is physics. Step two compares the means over the year with the sector mode on its class means: what is
added is the averaging alone (rain that falls in a tenth of the hours against a chance of rain in every hour). Most of
what that does to wet deposition goes away where the wet hours have a table of their own, with their own wind and mixing
height.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from kernels.nitrogen.sector_statistics import sector_statistics, stability_class
from twin.clock import Moment
from twin.components.deposition import AGEING, UNRESOLVED_SHOWER, Deposition
from twin.ledger import Ledger
from twin.nitrogen import Switches, deposit
from twin.readers.climatology import Climatology
from twin.readers.knmi import read_knmi

SIZE, CELL, STRIDE = 41, 250.0, 37
WEST, SOUTH = 100_000.0, 400_000.0


RINGS = ((900, 1100), (1900, 2100), (3700, 4300))  # m from the source


def hourly(weather, surface=1.0):
    """Mean concentration [ug/m3], dry and wet deposition [mol/ha/yr] of 1 g/s at 2.5 m over grass, per substance."""
    shape = (SIZE, SIZE)
    centre = (SIZE // 2 + 0.5) * CELL
    edges = CELL * (np.arange(SIZE) + 0.5)
    arrays = {
        "land_use": np.ones(shape, "i1"),
        "roughness": np.full(shape, 0.1),
        "background_nh3": np.full(shape, 6.0),
        "cell_link": np.zeros(1, "i4"),
        "cell_index": np.zeros(1, "i4"),
        "cell_share": np.ones(1),
        "source_x": np.array([WEST + centre]),
        "source_y": np.array([SOUTH + centre]),
        "source_height": np.array([2.5]),
        "source_heat": np.zeros(1),
        "source_side": np.zeros(1),
        "source_nox": np.ones(1),
        "source_nh3": np.ones(1),
        "source_profile": np.zeros(1, "i1"),
        "radiation": weather["global_radiation"].to_numpy(),
        "humidity": weather["relative_humidity"].to_numpy(),
    }
    for name in ("wind_speed", "wind_direction", "temperature", "precipitation", "rain_duration", "cloud_cover"):
        arrays[name] = weather[name].to_numpy()
    s = SimpleNamespace(**arrays, nox=np.zeros(1), nh3=np.zeros(1))
    for name in ("nox_concentration", "nh3_concentration", "dry", "wet", "total"):
        setattr(s, name, np.zeros(shape))
    component = Deposition()
    lattice = xr.Dataset(coords={"y": SOUTH + edges, "x": WEST + edges}, attrs={"cell_size": CELL})
    times = xr.Dataset(coords={"weather_time": weather.index.to_numpy().astype("datetime64[ns]")})
    component.setup(s, xr.DataTree.from_dict({"lattice": lattice, "weather": times}))
    sums = np.zeros((2, 3, *shape))
    solve_both = component.plumes.solve_both

    def spy(emission, total, velocity):
        solutions = solve_both(emission, total, surface * velocity)
        for substance, out in enumerate(solutions):
            to_year = 1e6 * 3600 * 87.6 / (46.0, 17.0)[substance] / CELL**2
            sums[substance] += out.concentration * 1e6, out.dry * to_year, (out.wet + out.later) * to_year
        return solutions

    component.plumes.solve_both = spy
    component._share = surface * component._share  # the base surface takes as much less
    hours = np.arange(3, len(weather), STRIDE)
    turbulence = {name: getattr(component, name) for name in ("_ustar", "_length", "_mixing")}
    _persist(s, component, hours)
    for n, h in enumerate(hours):
        start = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=int(h))
        component.step(s, Moment(start, 3600, n, AGEING * n, 0, "deposition", Ledger()))
    vars(component).update(turbulence)
    return component, hours, sums / len(hours)


def _persist(s, component, hours):
    """Let each hour's weather last while its plumes age: the sector mode has one weather for all of a plume's way."""
    names = ("wind_speed", "wind_direction", "temperature", "radiation", "precipitation", "rain_duration", "humidity")
    for name in names:
        setattr(s, name, np.repeat(getattr(s, name)[hours], AGEING))
    for name in ("_ustar", "_length", "_mixing"):
        setattr(component, name, np.repeat(getattr(component, name)[hours], AGEING))
    component.factors = np.repeat(component.factors[:, hours], AGEING, axis=1)


def climatology(weather, component, hours):
    table = np.zeros((4, 6, 12, 27))
    names = ("temperature", "global_radiation", "relative_humidity", "precipitation", "rain_duration")
    showers = np.maximum(
        weather["rain_duration"], UNRESOLVED_SHOWER
    )  # shorter than is reported: as the component has it
    weather = weather.assign(rain_duration=np.where(weather["precipitation"] > 0, showers, 0.0))
    sector_statistics(
        weather["wind_direction"].to_numpy()[hours],
        np.maximum(weather["wind_speed"].to_numpy()[hours], 0.5),
        *(weather[n].to_numpy()[hours] for n in names),
        component._ustar[hours],
        component._length[hours],
        component._mixing[hours],
        hours % 24,
        0.1,
        table,
    )
    return Climatology(table, float(len(hours)), 0.1, (2023, 1), (2023, 12), 52.0, 4.5, "hours")


def with_rain_of(group, hour):
    """The table of one hour with chance and intensity of rain as the mean of its class in ``group``."""
    table = np.where(hour.table[..., :1] > 0, group.table, hour.table)
    rain = np.isin(np.arange(table.shape[-1]), (10, 12))
    return replace(hour, table=np.where(rain, table, hour.table))


def ring_cells():
    index = np.arange(SIZE) - SIZE // 2
    away = CELL * np.hypot(*np.meshgrid(index, index))
    return [np.nonzero((away > near) & (away < far)) for near, far in RINGS]


class Modes:
    """Ring means (quantity, ring) of both modes per substance: concentration, dry and wet deposition."""

    def __init__(self, data, tmp_path):
        weather = read_knmi(
            data / "meteo" / "uurgeg_344_2021-2030.zip",
            pd.Timestamp("2023-01-01", tz="UTC"),
            pd.Timestamp("2024-01-01", tz="UTC"),
        )
        component, hours, fields = hourly(weather)
        _, _, free = hourly(weather, surface=0.0)
        rings = ring_cells()
        self.hours = {n: self.of_fields(fields[s], rings) for s, n in enumerate(("NOx", "NH3"))}
        self.free = {n: self.of_fields(free[s], rings)[0] for s, n in enumerate(("NOx", "NH3"))}
        self.case = tmp_path / "one.brn"
        centre = (SIZE // 2 + 0.5) * CELL
        head = "! BRN-VERSION 1\n! snr x y q hc h d s dv cat area ps comment\n"
        self.case.write_text(f"{head}1 {WEST + centre:.0f} {SOUTH + centre:.0f} 1.0 0.0 2.5 0 0.0 0 1 1 0 x\n")
        i, j = (np.concatenate(axis) for axis in zip(*rings))
        names = [f"r{k}" for k in range(len(i))]
        self.places = pd.DataFrame({"name": names, "x": WEST + CELL * (j + 0.5), "y": SOUTH + CELL * (i + 0.5)})
        self.ring = np.repeat(np.arange(3), [len(r[0]) for r in rings])
        climate = climatology(weather, component, hours)
        assert climate.table[0, :, :, 0].sum() == pytest.approx(len(hours))
        self.year = {n: self.sector(climate, n) for n in ("NOx", "NH3")}
        self.water = climate.table[0, :, :, [0, 10, 12]].prod(axis=0).sum(), weather["precipitation"].to_numpy()[hours]
        # hours with rain and hours without in tables of their own
        wet = self.water[1] > 0
        tables = [climatology(weather, component, hours[part]) for part in (wet, ~wet)]
        tables[0].table[..., 11] = tables[0].table[..., 10]  # each of these hours is a spell of its own
        shares = wet.mean(), 1.0 - wet.mean()
        self.apart = {n: sum(w * self.sector(c, n) for w, c in zip(shares, tables)) for n in ("NOx", "NH3")}
        # the direction of an hour does not matter for the mean over a ring: all sectors get it
        calm = weather.assign(wind_direction=np.nan)
        single = [climatology(calm, component, np.array([h])) for h in hours]
        self.single = {n: np.mean([self.sector(c, n) for c in single], axis=0) for n in ("NOx", "NH3")}
        # wet hours, each with the mean rain of its class: what is left between them and the class is not rain
        among = climatology(calm, component, hours[wet])
        among.table[..., 11] = among.table[..., 10]
        self.rainy = {n: self.sector(among, n)[2] for n in ("NOx", "NH3")}
        alike = [with_rain_of(among, c) for c, rains in zip(single, wet) if rains]
        self.rained = {n: np.mean([self.sector(c, n)[2] for c in alike], axis=0) for n in ("NOx", "NH3")}
        off = {"free": Switches(False, False, False, False), "depletion": Switches(False, True, False, False)}
        self.processes = {
            (k, n): np.mean([self.sector(c, n, switches=o)[0] for c in single], axis=0)
            for k, o in off.items() for n in ("NOx", "NH3")
        }  # fmt: skip

    @staticmethod
    def of_fields(fields, rings):
        return np.array([[field[i, j].mean() for i, j in rings] for field in fields])

    def sector(self, climate, substance, **options):
        background = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}
        out = deposit(self.case, self.places, climate, substance=substance, background=background, threads=1, **options)
        total = {"NOx": "NOy", "NH3": "NHx"}[substance]
        # the printed concentration of NOx is divided by 1.08 where chemistry is on (nitrogen.md 8)
        printed = 1.08 if substance == "NOx" and not options else 1.0
        columns = (printed * out[f"conc_{substance}"].values, out[f"dry_{total}"].values, out[f"wet_{total}"].values)
        return np.array([[c[self.ring == r].mean() for r in range(3)] for c in columns])


@pytest.fixture(scope="module")
def modes(data, tmp_path_factory):
    return Modes(data, tmp_path_factory.mktemp("modes"))


def test_undepleted_plumes_of_the_same_hours_are_the_same(modes):
    # same sigma_z, wind profile and mixing height; the sector mode adds 5 m to L when stable and switches to a power
    # law above 50 m, the lattice averages over cells of 250 m: each a few percent
    for substance in ("NOx", "NH3"):
        ratio = modes.free[substance] / modes.processes["free", substance]
        np.testing.assert_allclose(ratio, 1.0, atol=0.10)


def test_depletion_lies_between_the_two_that_the_sector_mode_multiplies(modes):
    # The sector mode takes mass out of the plume and multiplies by a gradient from 50 to 4 m; here sinks at the ground
    # make one deficit that is both. Mass alone is the least there can be (no gradient), their product the most (the
    # deficit near the ground counted in both).
    here = modes.hours["NH3"][0] / modes.free["NH3"]
    mass = modes.processes["depletion", "NH3"] / modes.processes["free", "NH3"]
    product = modes.single["NH3"][0] / modes.processes["free", "NH3"]
    assert (here < 1.03 * mass).all(), (here, mass)
    assert (here > 0.97 * product).all(), (here, product)


def test_hours_by_themselves_deposit_alike_in_both_modes(modes):
    # dry: velocity by DEPAC in both, with the day's own leaves here and those of May there, on concentrations that
    # agree within the band of the two tests above, the gradient for NH3 included; wet: the same rates on the same air
    nox, ammonia = (modes.hours[n] / modes.single[n] for n in ("NOx", "NH3"))
    np.testing.assert_allclose(nox, 1.0, atol=0.15)
    gradient = modes.single["NH3"][0] / modes.processes["depletion", "NH3"]
    assert ((ammonia[:2] > 0.9) & (ammonia[:2] < 1.1 / gradient)).all(), (ammonia, gradient)
    np.testing.assert_allclose(ammonia[2], 1.0, atol=0.15)


def test_a_year_of_hours_agrees_with_the_sector_mode_on_its_statistics(modes):
    # averaging changes little where a class holds like hours (concentration and dry: 1/u and resistances are averaged
    # as they enter), and much for rain: an hour's rain comes with its own wind, and it cannot wash out more than all
    for substance in ("NOx", "NH3"):
        averaging = modes.single[substance] / modes.year[substance]
        np.testing.assert_allclose(averaging[:2], 1.0, atol=0.20)
        # how far below one depends on how few of the hours hold the rain, 0.4 to 0.9 over samples: no bound of physics
        assert ((averaging[2] > 0.0) & (averaging[2] < 1.0)).all(), averaging
    np.testing.assert_allclose((modes.hours["NOx"] / modes.year["NOx"])[:2], 1.0, atol=0.25)
    ratio = modes.hours["NH3"][:2] / modes.year["NH3"][:2]
    gradient = modes.single["NH3"][0] / modes.processes["depletion", "NH3"]
    assert ((ratio > 0.8) & (ratio < 1.2 / gradient)).all(), (ratio, gradient)


def test_statistics_hold_all_the_rain(modes):
    held, fallen = modes.water
    assert held == pytest.approx(fallen.clip(min=0).sum(), rel=1e-9)


def test_wet_deposition_of_a_year_agrees_once_rain_has_its_own_wind(modes):
    # classes of all hours give rain their mean wind and mixing height, and go on washing between showers; with the wet
    # hours apart what is left is that a cell of the table (72 for some fifty wet hours here) still averages over a few
    for substance in ("NOx", "NH3"):
        apart = (modes.hours[substance] / modes.apart[substance])[2]
        together = (modes.hours[substance] / modes.year[substance])[2]
        np.testing.assert_allclose(apart, 1.0, atol=0.15)
        assert (together < apart).all(), (together, apart)


def test_wet_deposition_of_hours_with_the_rain_of_their_class_is_that_of_the_class(modes):
    # showers differ within a class in how long and how hard they are, and washing is not linear in either (the power
    # 0.63 of the intensity below the cloud, the plume's exhaustion): that, no fault, parts hours from class means
    for substance in ("NOx", "NH3"):
        np.testing.assert_allclose(modes.rained[substance] / modes.rainy[substance], 1.0, atol=0.10)


def test_classes_split_by_stability_and_mixing_height():
    lengths, heights = (-50.0, -50.0, 500.0, -1e4, 50.0, 50.0), (300.0, 900.0, 300.0, 900.0, 60.0, 120.0)
    assert [stability_class(a, b) for a, b in zip(lengths, heights)] == [0, 1, 2, 3, 4, 5]

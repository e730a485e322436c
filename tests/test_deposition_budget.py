"""The component over small provinces: closure, direction, calm, rain, superposition, threads, resume."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from twin.clock import Moment
from twin.components.deposition import Deposition
from twin.errors import DataError
from twin.ledger import Ledger

CELL = 500.0
HOURS = 8
X0, Y0 = 80_000.0, 430_000.0


def province(ny=40, nx=48, sources=None, weather=None):
    """A world of docs/world.md as far as the component reads it: mixed land use, one road along the middle."""
    rng = np.random.default_rng(5)
    land_use = np.array([1, 2, 5, 6, 7, 8], "i1")[rng.integers(0, 6, (ny, nx))]
    roughness = np.array([0, 0.03, 0.1, 0.1, 1.0, 0.75, 0.0002, 1.0, 0.1, 0.03])[land_use]
    y, x = Y0 + CELL * (np.arange(ny) + 0.5), X0 + CELL * (np.arange(nx) + 0.5)
    lattice = xr.Dataset(
        {
            "land_use": (("y", "x"), land_use, {"units": "1"}),
            "roughness_length": (("y", "x"), roughness, {"units": "m"}),
            "background_nh3": (("y", "x"), np.full((ny, nx), 5.0), {"units": "ug m-3"}),
        },
        coords={"y": y, "x": x},
        attrs={"cell_size": CELL, "epsg": 28992},
    )
    road_row = ny // 2 * nx + np.arange(nx)
    roads = xr.Dataset(
        {
            "cell_link": ("link_cell", np.zeros(nx, "i4"), {"units": "1"}),
            "cell_index": ("link_cell", road_row.astype("i4"), {"units": "1"}),
            "cell_share": ("link_cell", np.full(nx, 0.9 / nx), {"units": "1"}),  # a tenth leaves the lattice
        }
    )
    if sources is None:
        sources = [  # x, y, height, heat, side, nox, nh3, profile
            (X0 + 8000, Y0 + 9000, 0.5, 0.0, 2000.0, 0.0, 2.0, 3),
            (X0 + 12250, Y0 + 5250, 5.0, 0.0, 0.0, 0.0, 1.0, 2),
            (X0 + 15000, Y0 + 8000, 12.0, 0.4, 500.0, 3.0, 0.0, 1),
            (X0 + 4000, Y0 + 14000, 60.0, 5.0, 0.0, 8.0, 0.1, 4),
            (X0 - 3000, Y0 + 14000, 20.0, 0.0, 0.0, 2.0, 0.1, 0),  # outside the lattice
        ]
    table = np.array(sources, float)
    names = ("x", "y", "height", "heat_content", "diameter", "nox", "nh3", "time_profile")
    kinds = ("m", "m", "m", "MW", "m", "g s-1", "g s-1", "1")
    group = {n: ("source", table[:, k], {"units": u}) for k, (n, u) in enumerate(zip(names, kinds))}
    group["time_profile"] = ("source", table[:, -1].astype("i1"), {"units": "1"})
    base = {
        "wind_speed": (np.array([4.0, 8.0, 2.0, 0.0, 5.0, 3.0, 12.0, 1.5]), "m s-1"),
        "wind_direction": (np.array([230.0, 270.0, 10.0, np.nan, 130.0, 180.0, 300.0, 60.0]), "degree"),
        "temperature": (np.array([10.0, 12.0, -3.0, 2.0, 25.0, 18.0, 8.0, 15.0]), "degC"),
        "global_radiation": (np.array([0.0, 0.0, 0.0, 0.0, 600.0, 300.0, 100.0, 400.0]), "W m-2"),
        "precipitation": (np.array([0.0, 3.0, 0.0, 0.0, 0.0, 0.025, 1.0, 0.0]), "mm h-1"),
        "rain_duration": (np.array([0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.3, 0.0]), "h"),
        "relative_humidity": (np.array([85.0, 95.0, 70.0, 98.0, 45.0, 60.0, 90.0, 55.0]), "%"),
        "cloud_cover": (np.array([0.5, 1.0, 0.0, 0.2, 0.1, 0.6, 1.0, 0.3]), "1"),
    }
    for name, values in (weather or {}).items():
        base[name] = (np.broadcast_to(np.asarray(values, float), HOURS).copy(), base[name][1])
    times = np.datetime64("2023-06-01T02", "h") + np.arange(HOURS)
    weather_group = xr.Dataset(
        {k: ("weather_time", v, {"units": u}) for k, (v, u) in base.items()}, {"weather_time": times}
    )
    groups = {"lattice": lattice, "roads": roads, "sources": xr.Dataset(group), "weather": weather_group}
    return xr.DataTree.from_dict(groups)


class Run:
    """The component bound by hand, as the wiring binds it."""

    def __init__(self, world, road=(0.6, 0.03)):
        self.component = Deposition()
        self.s = s = SimpleNamespace()
        for name, static in self.component.statics.items():
            group, _, variable = static.path.partition("/")
            setattr(s, name, world[group].ds[variable].values)
        s.nox, s.nh3 = np.array([road[0]]), np.array([road[1]])
        shape = s.land_use.shape
        for name in ("nox_concentration", "nh3_concentration", "dry", "wet", "total"):
            setattr(s, name, np.zeros(shape))
        self.ledger = Ledger()
        self.component.setup(s, world)

    def step(self, hour):
        start = datetime(2023, 6, 1, 2 + hour, tzinfo=UTC)
        moment = Moment(start, 3600, hour, hour, 0, "deposition", self.ledger)
        self.component.step(self.s, moment)
        return {k: getattr(self.s, k).copy() for k in ("nox_concentration", "nh3_concentration", "dry", "wet")}

    def all(self):
        return [self.step(h) for h in range(HOURS)]


def test_budget_closes_each_step_far_below_the_tolerance():
    # emitted = dry + wet + over the edge + not on the lattice; every term from its own field, none the remainder
    run = Run(province())
    run.all()
    for name in ("nox", "nh3"):
        book = run.ledger.balances[name]
        assert book.inflow > 0
        assert book.worst < 1e-10
    # emission of the constant source off the lattice and a tenth of the road at least are in both sides
    assert run.ledger.transfers["road_nox"].taken == pytest.approx(0.6 * 3600 * HOURS, rel=1e-12)
    # recorded fields are what was booked: mol/ha times ha, both substances together
    deposited = run.s.total.sum() * (CELL**2 / 1e4)
    assert 0 < deposited < sum(run.ledger.balances[n].inflow for n in ("nox", "nh3"))


def test_wet_deposition_only_in_hours_with_rain():
    for hour, out in enumerate(Run(province()).all()):
        rain = province()["weather"].ds["precipitation"].values[hour]
        assert (out["wet"].sum() > 0) == (rain > 0), hour


def test_plume_lies_downwind_of_the_source():
    # wind FROM 270 blows to the east: nothing west of the source, the maximum east or at it
    here = [(X0 + 12250, Y0 + 10250, 2.5, 0.0, 0.0, 0.0, 1.0, 0)]
    column, row = 24, 20
    for direction, (dy, dx) in {270: (0, 1), 90: (0, -1), 180: (1, 0), 0: (-1, 0)}.items():
        run = Run(province(sources=here, weather={"wind_direction": direction}), road=(0.0, 0.0))
        c = run.step(0)["nh3_concentration"]
        beside = c[row + 6 * dy, column + 6 * dx]
        assert beside > 0
        assert abs(c[row - 6 * dy, column - 6 * dx]) < 1e-6 * beside
        assert c[row, column] == c.max()


def test_an_hour_without_direction_spreads_evenly():
    here = [(X0 + 12250, Y0 + 10250, 2.5, 0.0, 0.0, 0.0, 1.0, 0)]
    world = province(sources=here, weather={"wind_direction": np.nan})
    # one kind of surface, so that only the rose shapes the field
    world["lattice"]["land_use"].values[:] = 1
    world["lattice"]["roughness_length"].values[:] = 0.03
    c = Run(world, road=(0.0, 0.0)).step(0)["nh3_concentration"]
    around = np.array([c[20, 24 + 8], c[20, 24 - 8], c[20 + 8, 24], c[20 - 8, 24]])
    assert around.min() > 0
    assert np.ptp(around) / around.mean() < 1e-2


def test_sources_superpose_and_doubling_doubles():
    sources = [
        (X0 + 8000, Y0 + 9000, 0.5, 0.0, 2000.0, 0.0, 2.0, 3),
        (X0 + 12250, Y0 + 5250, 0.5, 0.0, 0.0, 0.0, 1.0, 2),
    ]
    both = Run(province(sources=sources), road=(0, 0)).step(1)
    one, other = (Run(province(sources=[q]), road=(0, 0)).step(1) for q in sources)
    twice = Run(province(sources=[(*q[:6], 2 * q[6], q[7]) for q in sources]), road=(0, 0)).step(1)
    for name in ("nh3_concentration", "dry", "wet"):
        scale = np.abs(both[name]).max()
        # the depletion equation is solved to 2e-6 of the emission
        np.testing.assert_allclose(one[name] + other[name], both[name], atol=1e-6 * scale, rtol=0)
        np.testing.assert_allclose(twice[name], 2 * both[name], atol=1e-6 * scale, rtol=0)


def test_ammonia_stays_nearer_than_nox():
    # same place, height and profile; retained by dry and wet deposition over the hours of the series
    retained = []
    for pair in ((1.0, 0.0), (0.0, 1.0)):
        run = Run(province(sources=[(X0 + 12250, Y0 + 10250, 2.5, 0.0, 0.0, *pair, 0)]), road=(0, 0))
        run.all()
        retained.append(run.s.total.sum() * CELL**2 / 1e4 / (HOURS * 3600 / (46.0 if pair[0] else 17.0)))
    assert retained[1] > 2 * retained[0]


def test_two_runs_and_threads_are_bit_identical():
    import numba

    before = numba.get_num_threads()
    try:
        results = []
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(Run(province()).all())
    finally:
        numba.set_num_threads(before)
    for a, b in zip(*results):
        for name in a:
            assert (a[name] == b[name]).all()


def test_resume_is_bit_identical():
    # a component that starts at hour 5 with the state that a checkpoint holds gives the same hours 5, 6
    whole = Run(province())
    out = [whole.step(h) for h in range(5)]
    saved = {name: array.copy() for name, array in whole.component.state().items()}
    out += [whole.step(h) for h in (5, 6)]
    late = Run(province())
    late.component.restore(saved)
    for hour in (5, 6):
        again = late.step(hour)
        for name in again:
            assert (again[name] == out[hour][name]).all()


def test_rain_to_come_keeps_its_part_in_the_air_until_it_falls():
    # the second hour brings rain: part of the first hour's emission waits for it, is booked as change of what is in
    # the air, and comes down in that hour; over all hours what waited has come down or waits still
    run = Run(province())
    run.step(0)
    waiting = run.component.pending.sum(axis=(2, 3))  # g by hour and substance
    assert (waiting[1] > 0).all()
    book = run.ledger.balances["nox"]
    assert book.change == pytest.approx(waiting[:, 0].sum() / 46.0, rel=1e-9)
    second = run.step(1)["wet"].sum() * CELL**2 / 1e4
    assert second > (waiting[1] / (46.0, 17.0)).sum()
    for hour in range(2, HOURS):
        run.step(hour)
    for k, (name, molar) in enumerate((("nox", 46.0), ("nh3", 17.0))):
        left = run.component.pending[:, k].sum() / molar
        assert run.ledger.balances[name].change == pytest.approx(left, rel=1e-9, abs=1e-9)
        assert run.ledger.balances[name].worst < 1e-10


def test_background_without_ammonia_is_refused_with_its_place():
    world = province()
    world["lattice"]["background_nh3"].values[3, 7] = 0.0
    with pytest.raises(DataError, match="row 3, column 7"):
        Run(world)

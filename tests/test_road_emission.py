"""Road emissions: the formula on one link, sums, classes by speed, factor tables in both schemes and their years."""

from datetime import UTC, datetime

import numpy as np
import pytest
import xarray as xr

from kernels.traffic.emission import SRM2, link_emission, stagnation_proxy
from twin.clock import Moment
from twin.component import Component, Out
from twin.components.road_emission import RoadEmission
from twin.errors import ConfigError, DataError
from twin.ledger import Ledger
from twin.readers.emission_factors import read_factors
from twin.wiring import Wiring
from twin.world.road_factors import SUBSTANCES, build_factors, declared_factors

HEAD = "srm,substance,vehicle_class,speed_class,road_type,year,free_or_stagnating,factor_g_per_km,source,table_date\n"


class Traffic(Component):
    """Stands in for the assignment."""

    flow = Out("road_flow", ("vehicle_class", "road_link"), "h-1", "given")
    time = Out("road_travel_time", ("road_link",), "s", "given")
    resident_flow = Out("road_resident_flow", ("road_link",), "h-1", "given")
    resident_electric = Out("road_resident_electric", ("road_link",), "h-1", "given")


def world(road_class, limit, reported, bev=0.04, length=1000.0):
    n = len(road_class)
    roads = {
        "length": (np.full(n, length), "m"),
        "free_flow_time": (3.6 * length / np.asarray(limit, float), "s"),
        "speed_limit": (np.asarray(limit, float), "km h-1"),
        "road_class": (np.asarray(road_class, np.int8), "1"),
        "reported": (np.asarray(reported, np.int8), "1"),
    }
    zones = xr.Dataset(
        {
            "bev_share": ("origin", np.full(2, bev), {"units": "1"}),
            "trips": (("period", "vehicle_class", "origin", "destination"), np.ones((1, 2, 2, 2)), {"units": "1"}),
        }
    )
    return xr.DataTree.from_dict(
        {
            "roads": xr.Dataset({k: ("road_link", v, {"units": u}) for k, (v, u) in roads.items()}),
            "zones": zones,
            "factors": build_factors(2020, bev_share_reference=0.04),
        }
    )


def emitted(tree, flow, speed, options=None):
    component = RoadEmission(options)
    wiring = Wiring([Traffic(), component], tree)
    slot = wiring.slots["road_emission"]
    component.setup(slot, tree)
    wiring.arrays["road_flow"][:] = flow
    wiring.arrays["road_travel_time"][:] = 3.6 * slot.length / np.asarray(speed, float)
    wiring.accumulate("road_emission")
    wiring.complete("road_emission", 1)
    ledger = Ledger()
    component.step(slot, Moment(datetime(2023, 1, 2, tzinfo=UTC), 3600, 0, 0, 1, "road_emission", ledger))
    return slot, ledger


def factor(tree, substance, vehicle, speed_class, state="free"):
    picked = tree["factors"].ds["emission_factor"].sel(substance=substance, vehicle_class=vehicle)
    return float(picked.sel(speed_class=speed_class, traffic_state=state))


def test_one_link_emits_flow_times_length_times_factor():
    # 1200 light and 300 freight vehicles/h on 2 km of motorway (limit 100) at the free-flow speed:
    # E = (1200 EF_light + 300 EF_freight) x 2 km / 3600 s.
    tree = world([0], [100], [1], length=2000.0)
    slot, _ = emitted(tree, [[1200.0], [300.0]], [100.0])
    want = (1200 * factor(tree, "NOx", "light", "100") + 300 * factor(tree, "NOx", "freight", "100")) * 2 / 3600
    assert slot.nox[0] == pytest.approx(want, rel=1e-12)


def test_stagnation_mixes_the_two_factors_by_the_delay():
    # t = 2 t0: F = 1/2, the mean of free and stagnating; t >= 3 t0: F = 1.
    tree = world([0, 0, 1], [100, 100, 80], [1, 1, 1])
    slot, _ = emitted(tree, [[3600.0] * 3, [0.0] * 3], [50.0, 20.0, 40.0])
    free, jam = factor(tree, "NOx", "light", "100"), factor(tree, "NOx", "light", "100", "stagnating")
    ramp = 0.5 * (factor(tree, "NOx", "light", "80") + factor(tree, "NOx", "light", "80", "stagnating"))
    np.testing.assert_allclose(slot.nox, [0.5 * (free + jam), jam, ramp], rtol=1e-12)


def test_faster_than_free_flow_is_no_negative_stagnation():
    share = np.full(2, np.nan)
    stagnation_proxy(np.array([5.0, 500.0]), np.array([10.0, 10.0]), np.full(2, SRM2, np.int8), share)
    assert share.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("speed", "limit", "name"),
    [(14.9, 50, "D"), (15, 50, "C"), (29.9, 80, "C"), (30, 50, "E"), (44.9, 80, "E"), (45, 60, "B"), (60, 50, "E")],
)
def test_urban_class_follows_the_mean_speed(speed, limit, name):
    tree = world([4], [limit], [1])
    slot, _ = emitted(tree, [[3600.0], [0.0]], [speed])
    assert slot.nox[0] == pytest.approx(factor(tree, "NOx", "light", name), rel=1e-9)


def test_sum_over_links_is_what_the_ledger_holds_and_skeleton_links_emit_nothing():
    tree = world([0, 4, 7, 8], [100, 50, 100, 50], [1, 1, 0, 0])
    slot, ledger = emitted(tree, np.full((2, 4), 500.0), [90.0, 20.0, 100.0, 50.0])
    for name in ("nox", "no2", "nh3", "co2"):
        assert (getattr(slot, name)[:2] > 0).all()
        assert not getattr(slot, name)[2:].any()
    for name in ("nox", "nh3"):
        assert ledger.transfers[f"road_{name}"].given == pytest.approx(getattr(slot, name).sum() * 3600, rel=1e-12)
    assert (slot.no2 <= slot.nox).all()


def test_emission_is_additive_in_the_flows():
    rng = np.random.default_rng(3)
    length, share = rng.uniform(10, 1000, 6), rng.random(6)
    method, speed_class = np.array([0, 1, 2, 2, 1, 1], np.int8), rng.integers(0, 3, 6)
    table = rng.random((4, 2, 3, 2))
    one, two = rng.random((2, 6)), rng.random((2, 6))
    out = np.empty((3, 4, 6))
    for flow, e in zip((one, two, one + two), out):
        link_emission(flow, length, method, speed_class, share, table, e)
    np.testing.assert_allclose(out[0] + out[1], out[2], rtol=1e-12)


def test_electric_cars_beyond_the_fleet_of_the_table_emit_nothing():
    # Share 0.04 in the table's fleet: at a share of 0.52 light vehicles emit (1 - 0.52) / (1 - 0.04) = half.
    base, _ = emitted(world([4], [50], [1]), [[1000.0], [0.0]], [40.0])
    half, _ = emitted(world([4], [50], [1], bev=0.52), [[1000.0], [0.0]], [40.0])
    for name in ("nox", "nh3", "co2"):
        assert getattr(half, name)[0] == pytest.approx(0.5 * getattr(base, name)[0], rel=1e-12)
    freight, _ = emitted(world([4], [50], [1], bev=0.52), [[0.0], [1000.0]], [40.0])
    same, _ = emitted(world([4], [50], [1]), [[0.0], [1000.0]], [40.0])
    assert freight.nox[0] == same.nox[0]


def test_a_limit_above_all_motorway_classes_is_refused():
    options = RoadEmission.Options(motorway_classes=((85.0, "80"),))
    with pytest.raises(DataError, match="limit 100 km/h"):
        emitted(world([0], [100], [1]), [[1.0], [1.0]], [90.0], options)


def tidy(path, rows):
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


def test_years_are_interpolated_and_others_refused(tmp_path):
    rows = [f"SRM2,NOx,light,100,motorway,{y},free,{v},s,2020-01-01" for y, v in ((2020, 0.4), (2030, 0.2))]
    table = read_factors(tidy(tmp_path / "f.csv", rows))
    key = ("SRM2", "NOx", "light", "100", "free")
    assert table.value(key, 2025) == pytest.approx(0.3)
    for year in (2019, 2031):
        with pytest.raises(DataError, match=f"from 2020 to 2030, not to {year}"):
            table.value(key, year)
    assert table.value(key, 2050, extrapolate=True) == pytest.approx(0.2)


def test_both_column_schemes_hold_the_same_factors(tmp_path):
    dutch = tmp_path / "eigen.csv"
    dutch.write_text(
        "srm;stof;voertuigtype;snelheid;wegtype;factor\n"
        "2;NOx;l;100;93;0,25\nSRM2;NOx;l;100;94;0.22\n2;NOx;l;100;95;0.4\n1;NOx;z;d;2;5.5\n"
    )
    rows = [
        "SRM2,NOx,light,100,motorway,2024,free,0.25,s,2024-03-15",
        "SRM2,NOx,light,100_SH,motorway,2024,free,0.22,s,2024-03-15",
        "SRM2,NOx,light,100,motorway,2024,stagnating,0.4,s,2024-03-15",
        "SRM1,NOx,heavy,D,urban,2024,stagnating,5.5,s,2024-03-15",
    ]
    assert read_factors(dutch, year=2024).factors == read_factors(tidy(tmp_path / "f.csv", rows)).factors
    with pytest.raises(DataError, match="holds no year"):
        read_factors(dutch)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("SRM2,NOx,car,100,motorway,2020,free,0.2,s,d", "vehicle_class = 'car'"),
        ("SRM2,NOx,light,100,motorway,2020,jam,0.2,s,d", "free_or_stagnating = 'jam'"),
        ("SRM2,NOx,light,100,motorway,2020,free,-0.2,s,d", "not below zero"),
        ("SRM2,NOx,light,100,motorway,2020,free,nan,s,d", "not below zero"),
        ("SRM2,NOx,light,100,motorway,2020,free,x,s,d", "'x' is no number"),
        ("SRM2,NOx,light,100,motorway,soon,free,1,s,d", "'soon' is no year"),
        ("SRM2,NOx,light,80,motorway,2020,free,0.3,s,d", "occurs twice"),
    ],
)
def test_a_bad_factor_is_named_by_line(tmp_path, row, words):
    first = "SRM2,NOx,light,80,motorway,2020,free,0.2,s,d"
    with pytest.raises(DataError, match=words) as error:
        read_factors(tidy(tmp_path / "f.csv", [first, row]))
    assert "line 3" in str(error.value)


def test_a_table_without_a_class_is_refused_by_name(tmp_path):
    row = "SRM2,NOx,light,80,motorway,2020,free,0.2,s,d"
    with pytest.raises(DataError, match="SRM1, NOx, light, B"):
        build_factors(2020, read_factors(tidy(tmp_path / "f.csv", [row])), bev_share_reference=0.0)
    (tmp_path / "g.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns srm"):
        read_factors(tmp_path / "g.csv")


def test_freight_is_the_declared_mix_and_the_group_says_what_is_declared():
    group = build_factors(2020, bev_share_reference=0.0, class_mix={"freight": {"medium": 0.25, "heavy": 0.75}})
    table = declared_factors()
    parts = [table.value(("SRM1", "NOx", v, "E", "free"), 2020) for v in ("medium", "heavy")]
    picked = group["emission_factor"].sel(substance="NOx", vehicle_class="freight", speed_class="E")
    np.testing.assert_allclose(picked, 0.25 * parts[0] + 0.75 * parts[1])
    assert group.attrs["declared"].split() == list(SUBSTANCES)
    with pytest.raises(ConfigError, match="adds up to"):
        build_factors(2020, bev_share_reference=0.0, class_mix={"freight": {"heavy": 0.9}})

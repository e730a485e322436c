"""Homes, cars, electricity and network of Zuid-Holland: totals of the files and of the documented rules."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from twin.clock import Moment
from twin.component import Component, Out
from twin.components.demand import Demand
from twin.ledger import Ledger
from twin.power import powerflow
from twin.readers.etm import read_curve, read_data_sets, read_shares
from twin.readers.osm_power import read_osm_power
from twin.readers.pc4 import read_cars, read_homes
from twin.wiring import Wiring
from twin.world.electricity import homes_in_zones
from twin.world.files import FilesWorld, Province
from twin.world.high_voltage import high_voltage_network
from twin.world.weather import build_weather

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
BOX = (76397, 414313, 114820, 448871)


def etm(data, name):
    return data / "electricity" / f"etm_nl2023_{name}.csv.gz"


@pytest.fixture(scope="module")
def boundary(data):
    frame = gpd.read_file(data / "boundaries/NL_prov.shp")
    return frame[frame["provincien"] == "Zuid-Holland"].geometry.union_all()


@pytest.fixture(scope="module")
def cars(data):
    return read_cars(data / "population/brandstof_pc4_2023.xlsx")


@pytest.fixture(scope="module")
def homes(data):
    return read_homes(data / "population/pc4_2020_vol.xlsx")


@pytest.fixture(scope="module")
def province_codes(data, boundary, cars):
    """Postcodes whose municipality lies in the province; names are compared without blanks."""
    frame = gpd.read_file(data / "boundaries/gemeenten_2022_kerncijfers.geojson").to_crs(28992)
    inside = frame.geometry.representative_point().within(boundary)
    names = {"".join(name.split()) for name in frame["gemeentenaam"][inside]}
    assert len(names) == 50
    return cars.index[cars["municipality"].isin(names)]


@pytest.fixture(scope="module")
def core_codes(data):
    areas = gpd.read_file(data / "population/pc4_mrdh.gpkg")
    point = areas.geometry.representative_point()
    west, south, east, north = BOX
    inside = point.x.between(west, east) & point.y.between(south, north)
    assert inside.sum() == 170
    return pd.Index(areas["postcode"][inside].astype(int))


def household_energy(homes, codes):
    """kWh/yr; a postcode without a mean use takes the mean of the others."""
    table = homes.reindex(homes.index.intersection(codes))
    known = table["electricity"].notna() & table["dwellings"].notna()
    mean = (table["dwellings"] * table["electricity"])[known].sum() / table["dwellings"][known].sum()
    return (table["dwellings"].fillna(0) * table["electricity"].fillna(mean)).sum()


def test_dwellings_and_cars_of_province_and_core(homes, cars, province_codes, core_codes):
    table = homes.reindex(homes.index.intersection(province_codes))
    assert len(table) == 537
    assert table[["dwellings", "multi_family", "households"]].sum().tolist() == [1_692_890, 873_050, 1_719_375]
    core = homes.loc[core_codes, ["dwellings", "multi_family", "households"]].sum()
    assert core.tolist() == [631_530, 381_765, 651_405]
    assert cars.loc[province_codes, ["total", "electric"]].sum().tolist() == [1_619_861, 161_411]
    assert cars.reindex(core_codes)[["total", "electric"]].sum().tolist() == [544_230, 51_665]


def test_national_totals_of_the_tables(homes, cars):
    assert homes["dwellings"].sum() == 7_891_835
    assert (homes["dwellings"] * homes["electricity"]).sum() / 1e6 == pytest.approx(21_738, abs=1)
    assert cars[["total", "electric"]].sum().tolist() == [8_493_362, 788_110]
    assert cars["total"].isna().sum() == 311  # secret, not zero


def test_vans_and_lorries_have_the_same_columns(data, province_codes):
    path = data / "population/brandstof_pc4_2023.xlsx"
    assert read_cars(path, "Tabel 2").reindex(province_codes)["total"].sum() == 159_235
    assert read_cars(path, "Tabel 3").reindex(province_codes)["total"].sum() == 8_408


def test_household_electricity_of_province_and_core(homes, province_codes, core_codes):
    assert household_energy(homes, province_codes) / 1e6 == pytest.approx(4436, rel=0.01)
    assert household_energy(homes, core_codes) / 1e6 == pytest.approx(1588, rel=0.01)


def test_residences_of_the_province_are_those_of_its_municipalities(data):
    def residences(entries):
        period = ("before_1945", "1945_1964", "1965_1984", "1985_2004", "2005_present")
        return sum(float(v) for k, v in entries.items() if k.startswith("present_number_of_") and k.endswith(period))

    provinces = read_data_sets(data / "electricity/etm_provinces.tar.gz")
    municipalities = read_data_sets(data / "electricity/etm_municipalities.tar.gz")
    assert len(provinces) == 12 and len(municipalities) == 342
    assert residences(provinces["PV28"]) == 1_708_278
    assert residences(municipalities["GM0599"]) == 317_566


def test_curves_and_their_time_base(data):
    for name, peak_over_mean in (("households_appliances", 2.08), ("buildings_appliances", 1.99)):
        shares = read_shares(etm(data, name))
        assert shares.sum() == pytest.approx(1, abs=1e-9)
        assert shares.max() * 8760 == pytest.approx(peak_over_mean, abs=0.006)
    # Services, industry and agriculture are one curve, not three observations
    one = read_curve(etm(data, "buildings_appliances"))
    for other in ("industry_other_electricity", "agriculture_electricity"):
        np.testing.assert_array_equal(one, read_curve(etm(data, other)))
    # The temperature is that of De Bilt in UT, hour by hour: the file begins with a mark and lacks its last line end
    first, last = pd.Timestamp("2023-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="UTC")
    bilt = build_weather(data / "meteo/uurgeg_260_2021-2030.zip", first, last)["temperature"].values
    np.testing.assert_allclose(read_curve(etm(data, "weather_air_temperature")), bilt, atol=1e-9)


def test_high_voltage_network_of_the_province(data, boundary):
    grid = read_osm_power(
        data / "electricity/nl_grid_heuristic_vertices.csv", data / "electricity/nl_grid_heuristic_links.csv"
    )
    v, k = grid.vertices, grid.links
    assert (len(v), len(k)) == (1030, 1163)
    here = v[shapely.contains_xy(boundary, v["x"], v["y"])]
    assert len(here) == 138
    kinds = here["kind"].value_counts()
    assert (kinds["substation"], kinds["merge"], kinds["generator"], kinds["merged_generator"]) == (69, 13, 25, 28)
    start, end = k["from"].isin(here.index), k["to"].isin(here.index)
    assert (start & end).sum() == 163 and (start ^ end).sum() == 8
    assert k["length"][start & end].sum() / 1000 == pytest.approx(769, abs=0.5)
    assert (here["voltages"] == (150_000,)).sum() == 24 and (here["voltages"] == (380_000,)).sum() == 4


def test_high_voltage_network_of_the_province_can_be_solved(data, boundary):
    # 2.3 GW, the order of the province's evening peak with work, by inhabitants of its municipalities.
    grid = read_osm_power(
        data / "electricity/nl_grid_heuristic_vertices.csv", data / "electricity/nl_grid_heuristic_links.csv"
    )
    towns = gpd.read_file(data / "boundaries/gemeenten_2022_kerncijfers.geojson").to_crs(28992)
    point = towns.geometry.representative_point()
    here = point.within(boundary)
    people = towns["aantalInwoners"][here].to_numpy(float)
    inside = shapely.contains_xy(boundary, grid.vertices["x"], grid.vertices["y"])
    net = high_voltage_network(
        grid, inside, point.x[here].to_numpy(), point.y[here].to_numpy(), 2300 * people / people.sum()
    )
    assert net.load.p.sum() == pytest.approx(2300, rel=1e-12)
    solved = powerflow(net, several_sources=True)
    assert (solved["status"].values == 0).all()  # the two loose parts are joined: nothing stays without supply
    given = float(solved["p_from"].sum() + solved["p_to"].sum())
    assert float(solved["losses"][0]) == pytest.approx(given, rel=1e-6)
    assert 0.003 < float(solved["losses"][0]) / 2300 < 0.03
    assert float(solved["vm_pu"].min()) > 0.95
    assert float(solved["vm_pu"].max()) <= 1.03
    # 150 kV lines that carry much: 0.2 to 0.6 of their rating in the base year, few beyond (ratings are assumed)
    busy = np.sort(solved["loading"].values[0])[::-1][:20]
    assert 0.2 < np.median(busy) < 0.7
    assert sum("assumed" in n or "made up" in n or "left out" in n for n in net.notes) >= 3


def test_simbench_reference_feeder(data):
    folder = data / "electricity/simbench_mv2.101"
    lines = pd.read_csv(folder / "Line.csv", sep=";")
    assert len(pd.read_csv(folder / "Load.csv", sep=";")) == 115
    assert len(lines) == 121 and lines["length"].sum() == pytest.approx(67.28, abs=0.005)


class ResidentsCharging(Component):
    """Charging of residents' cars by the mixed charging curves, for the check of the household peak."""

    power = Out("charging_power", ("bus",), "kW", "charging")


def ev_shares(data):
    """Charging curve of a fleet: the five patterns in the shares of their source."""
    mix = {1: 0.24, 2: 0.56, 3: 0.08, 4: 0.12}
    return sum(w * read_shares(etm(data, f"electric_vehicle_profile_{k}")) for k, w in mix.items())


@pytest.fixture(scope="module")
def household_year(data, homes, province_codes, core_codes):
    """Household part of the load (hour, bus) [MW] in 2023 of province and core, by the demand component; PV [MW]."""
    dwellings = np.array([homes["dwellings"].reindex(c).sum() for c in (province_codes, core_codes)])
    multi = np.array([homes["multi_family"].reindex(c).sum() for c in (province_codes, core_codes)])
    energy = np.array([household_energy(homes, c) for c in (province_codes, core_codes)])
    fields = {
        "dwellings": (dwellings, "1"),
        "household_energy": (energy, "kWh yr-1"),
        "heat_pumps": (0.06 * dwellings, "1"),
        "heat_demand": (0.06 * 7500 * dwellings, "kWh yr-1"),
        "bus_x": (np.full(2, 92_000.0), "m"),
        "bus_y": (np.full(2, 437_000.0), "m"),
        "pv_capacity": (0.35 * 3.8 * (dwellings - multi) + 0.03 * 3 * multi, "kW"),
        "service_energy": (np.zeros(2), "kWh yr-1"),
        "industry_energy": (np.zeros(2), "kWh yr-1"),
    }
    power = {k: ("bus", v, {"units": u}) for k, (v, u) in fields.items()}
    curves = {
        "household": "households_appliances",
        "service": "buildings_appliances",
        "industry": "industry_other_electricity",
        "heat": "weather_insulation_terraced_houses_medium",
    }
    for name, file in curves.items():
        power[f"profile_{name}"] = ("profile_hour", read_shares(etm(data, file)), {"units": "1"})
    start = datetime(2022, 12, 31, 23, tzinfo=UTC)
    first, last = pd.Timestamp("2022-12-31", tz="UTC"), pd.Timestamp("2024-01-01", tz="UTC")
    weather = build_weather(data / "meteo/uurgeg_344_2021-2030.zip", first, last)
    world = xr.DataTree.from_dict({"power": xr.Dataset(power), "weather": weather})
    component = Demand()
    wiring = Wiring([ResidentsCharging(), component], world)
    slot: SimpleNamespace = wiring.slots["demand"]
    component.setup(slot, world)
    # residents' cars x electric share x 13,000 km x 0.20 kWh/km
    charging = np.array([1_619_861 * 0.042, 544_230 * 0.040]) * 13_000 * 0.20 * ev_shares(data)[:, None]
    assert charging.sum(axis=0) / 1e6 == pytest.approx([177, 57], rel=0.02)
    assert charging.max(axis=0) / 1e3 == pytest.approx([155, 50], rel=0.02)
    load, pv, heat, ledger = np.empty((8760, 2)), np.empty((8760, 2)), np.empty((8760, 2)), Ledger()
    for k in range(8760):
        wiring.arrays["charging_power"][:] = charging[k]
        component.step(slot, Moment(start + timedelta(hours=k), 3600, k, k + 23, 1, "demand", ledger))
        load[k], pv[k], heat[k] = slot.load + slot.pv, slot.pv, slot.heat_pump
    return load / 1e3, pv / 1e3, heat / 1e3


def test_household_peak_of_the_year(household_year):
    load, _, heat = household_year
    assert load.max(axis=0) == pytest.approx([1241, 442], rel=0.10)
    when = datetime(2023, 1, 1) + timedelta(hours=int(load[:, 0].argmax()))  # standard time, hour beginning
    assert when.month in (1, 12) and when.hour in (17, 18)
    assert heat.sum(axis=0) / 1e3 == pytest.approx([246, 92], rel=0.03)
    assert heat.max(axis=0) == pytest.approx([179, 67], rel=0.06)


def test_roofs_give_their_yearly_yield(household_year):
    _, pv, _ = household_year
    assert pv.sum(axis=0) / 1e3 == pytest.approx([1030, 326], rel=0.05)  # 880 kWh/kW
    assert pv.max(axis=0) == pytest.approx([828, 262], rel=0.10)


@pytest.fixture(scope="module")
def origins(data):
    """Demand origins spread evenly over the core, as many trips at each (a graph of roads is not needed here)."""
    gx, gy = (g.ravel() for g in np.meshgrid(np.linspace(77e3, 114e3, 20), np.linspace(415e3, 448e3, 18)))
    roads = xr.Dataset({"node_x": ("road_node", gx), "node_y": ("road_node", gy)})
    polygons = gpd.read_file(data / "roads/v_mrdh_zones65.gpkg").to_crs(28992)
    zone = gpd.GeoDataFrame(geometry=gpd.points_from_xy(gx, gy), crs=28992).sjoin_nearest(polygons)
    n = len(gx)
    zones = xr.Dataset(
        {
            "origin_node": ("origin", np.arange(n)),
            "origin_zone": ("origin", zone[~zone.index.duplicated()]["65x65 Nummer"].to_numpy()),
            "inside": ("origin", np.ones(n, np.int8)),
            "trips": (("period", "vehicle_class", "origin", "destination"), np.ones((1, 1, n, n))),
            "home_share": ("period", np.array([0.5])),
        }
    )
    return roads, zones


@pytest.fixture(scope="module")
def network(data, origins):
    """Power group of the core for those origins."""
    options = FilesWorld(**tomllib.loads((CONFIGS / "zuid_holland.toml").read_text())["province"]["world"])
    return Province(options, CONFIGS, data).power(*origins)


def test_network_supplies_the_core(network):
    assert network["dwellings"].values.sum() == 631_530
    assert network["household_energy"].values.sum() / 1e6 == pytest.approx(1588, rel=0.01)
    assert network["service_energy"].values.sum() / 1e9 == pytest.approx(1.66, rel=0.01)
    assert network["industry_energy"].values.sum() / 1e9 == pytest.approx(1.16, rel=0.01)
    assert network["pv_capacity"].values.sum() / 1e6 == pytest.approx(0.37, rel=0.02)
    assert network["heat_pumps"].values.sum() == pytest.approx(0.06 * 631_530)


def test_homes_of_a_postcode_lie_in_the_zones_that_share_its_area(data, core_codes):
    areas = gpd.read_file(data / "population/pc4_mrdh.gpkg")
    zones = gpd.read_file(data / "roads/v_mrdh_zones65.gpkg").to_crs(28992).rename(columns={"65x65 Nummer": "number"})
    share = homes_in_zones(areas.to_crs(28992), sorted(core_codes), zones, zones["number"].to_numpy())
    assert (share.sum(0) < 1.01).all()  # zones overlap by slivers only
    assert np.median(share.sum(0)) > 0.99  # and cover the postcodes, but for water
    np.testing.assert_array_equal(homes_in_zones(areas, sorted(core_codes)[:3], zones, np.array([-1])), 0)


def test_each_home_on_the_network_brings_the_cars_of_one_home(data, origins, network):
    # A zone's homes by the zones' own table, evenly over its origins, as many cars as homes: where they charge. Of
    # Dordrecht's 55,000 homes 310 are on the network; their neighbours' cars charge outside.
    zone = origins[1]["origin_zone"].values
    homes = gpd.read_file(data / "roads/v_mrdh_zones65.gpkg").set_index("65x65 Nummer")["1: woningen"]
    cars = homes.reindex(zone).to_numpy() / np.bincount(zone)[zone]
    origin, bus, share = (network[f"charge_{k}"].values for k in ("origin", "bus", "share"))
    landed = np.bincount(bus, share * cars[origin], minlength=network.sizes["bus"])
    supplied = network["dwellings"].values
    assert landed.sum() == pytest.approx(supplied.sum(), rel=0.05)  # two tables of different years
    lived = supplied > 0
    assert not landed[~lived].any()
    per_home = landed[lived] / supplied[lived]
    assert np.quantile(per_home, 0.01) > 0.7 and per_home.max() < 1.3
    assert np.bincount(origin, share).max() <= 1 + 1e-9


def test_every_home_is_reached(network):
    assert set(np.flatnonzero(network["dwellings"].values > 0)) == set(network["charge_bus"].values)


def test_network_has_the_expected_stations_and_rings(network):
    low = network["branch_to"].values[network["branch_kind"].values == 1]
    work = (network["service_energy"].values + network["industry_energy"].values)[low] > 0
    assert (~work).sum() == pytest.approx(3500, rel=0.05)
    assert work.sum() == pytest.approx(2400, rel=0.05)
    ids = network["branch_id"].values.astype(str)
    rings = {name.rsplit("-", 1)[0] for name in ids if name.startswith("mv-")}
    assert 300 <= len(rings) <= 600


def test_stations_of_homes_are_loaded_as_dutch_ones(network):
    # 180 homes x 0.70 kW = 126 kW, 0.2 to 0.55 of the transformer in the peak of 2023 (here without diversity).
    transformer = network["branch_kind"].values == 1
    low = network["branch_to"].values[transformer]
    homes = network["dwellings"].values[low]
    full = homes > 120
    loading = 0.70 * homes[full] / (network["s_rated"].values[transformer][full] / 1e3)
    assert 0.2 < np.median(loading) < 0.55
    assert np.percentile(loading, 99) < 0.6
    assert np.median(3.7 * homes[full] / (network["s_rated"].values[transformer][full] / 1e3)) > 1

"""A real province, built from the files of a catalogue by rules written in TOML."""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from pydantic import BaseModel, ConfigDict

from kernels.power.demand import home_ends
from twin.catalog import Catalog
from twin.errors import DataError
from twin.readers.cityjson import read_cityjson
from twin.readers.emission_factors import read_factors
from twin.readers.etm import read_shares
from twin.readers.footprints import read_footprints
from twin.readers.greenhouses import read_greenhouses
from twin.readers.od_matrix import read_xlsx_matrices
from twin.readers.osm_power import read_osm_power
from twin.readers.osm_roads import read_geopackage
from twin.readers.pc4 import read_homes
from twin.readers.rasters import read_raster
from twin.readers.vectors import read_polygons
from twin.readers.zone_polygons import read_municipalities, read_zones
from twin.world.buildings import build_buildings
from twin.world.demand import VEHICLE_CLASSES, build_zones
from twin.world.electricity import (
    ElectricityRules,
    all_homes_in_zones,
    areas_of_feeders,
    build_places,
    homes_in_zones,
)  # fmt: skip
from twin.world.lattice_layers import LandUseRules, LatticeSpec, build_lattice, cells_of
from twin.world.power import synthesise
from twin.world.receptors import ReceptorRules, build_receptors
from twin.world.road_factors import build_factors
from twin.world.road_rules import DemandRules, RoadRules, SkeletonRules, read_rules
from twin.world.roads import build_roads
from twin.world.sources import SourceRules, build_sources
from twin.world.substations import BEYOND, Beyond, join_high_voltage
from twin.world.weather import build_weather

__all__ = ["FilesWorld", "Province", "build"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LandFiles(_Section):
    """Polygons and rasters of the land, by catalogue name."""

    province: str
    province_field: str
    province_name: str
    municipalities: str
    skip_municipalities: list[str] = []
    postcodes: str
    nature: str
    elevation: str
    greenhouses: str


class TrafficFiles(_Section):
    """Road graph, demand and factors."""

    roads: str
    zones: str
    matrices: str
    factors: list[str]
    factor_year: int
    bev_share_reference: float


class PowerFiles(_Section):
    """Homes, curves and the high-voltage network."""

    homes: str
    vertices: str
    links: str
    profiles: dict[str, str]


class BuildingFiles(_Section):
    """Buildings: CityJSON files, and footprints with the fields of their heights; each building by one file."""

    cityjson: list[str] = []
    footprints: list[str] = []
    roof_field: str = "b3_h_dak_70p"
    ground_field: str = "b3_h_maaiveld"
    id_field: str = "identificatie"
    lod: str | None = None
    epsg: int | None = None  # of CityJSON that names none


class RuleFiles(_Section):
    """Tables of rules, relative to the configuration."""

    land_use: Path
    sources: Path
    receptors: Path
    roads: Path
    skeleton: Path
    demand: Path
    power: Path


class FilesWorld(_Section):
    """What a configuration of a real province says of its world."""

    catalog: Path
    lattice: LatticeSpec
    land: LandFiles
    traffic: TrafficFiles
    power: PowerFiles
    rules: RuleFiles
    weather: str
    buildings: BuildingFiles = BuildingFiles()


class Province:
    """Files and rules at hand, read once and shared by the builders of the groups."""

    def __init__(self, options: FilesWorld, folder: Path, root: Path):
        self.options = options
        self.folder = folder
        self.catalog = Catalog(folder / options.catalog, root)

    @cached_property
    def greenhouses(self) -> dict[str, np.ndarray]:
        """Greenhouse cells: land use and sources both need them."""
        return read_greenhouses(self.catalog.path(self.options.land.greenhouses))

    def lattice(self) -> xr.Dataset:
        """Group ``lattice``."""
        o, c = self.options, self.catalog
        province = read_polygons(c.with_parts(o.land.province), [o.land.province_field])
        province = province[province[o.land.province_field] == o.land.province_name]
        if province.empty:
            raise DataError(f"{o.land.province}: no {o.land.province_field} called {o.land.province_name!r}")
        municipalities = self.municipalities()
        postcodes = read_polygons(c.path(o.land.postcodes), ["aantal_inwoners", "pop_density"])
        postcodes = postcodes.assign(inhabitants=postcodes["aantal_inwoners"], density=postcodes["pop_density"])
        rules = read_rules(self.folder / o.rules.land_use, LandUseRules)
        zones = read_polygons(c.path(o.traffic.zones), ["65x65 Nummer"])
        spec = o.lattice
        elevation = read_raster(
            c.path(o.land.elevation), west=spec.west, south=spec.south, cell_size=spec.cell_size,
            shape=(spec.rows, spec.columns), resampling="bilinear", expected_epsg=28992,
        )  # fmt: skip
        return build_lattice(
            spec, rules, province=province.geometry, municipalities=municipalities, postcodes=postcodes,
            nature=self.nature(),
            port=zones[zones["65x65 Nummer"].isin(rules.rules.port_zones)].geometry,
            greenhouses=self.greenhouses, elevation=elevation,
        )  # fmt: skip

    def sources(self, lattice: xr.Dataset) -> xr.Dataset:
        """Group ``sources``."""
        rules = read_rules(self.folder / self.options.rules.sources, SourceRules)
        zones = read_polygons(self.catalog.path(self.options.traffic.zones), ["65x65 Nummer", "7: industrie"])
        port = zones[zones["65x65 Nummer"].isin(rules.port_zones)].rename(columns={"7: industrie": "industry_jobs"})
        cells = cells_of(self.options.lattice, port.geometry, np.arange(len(port)) + 1)
        return build_sources(rules, lattice, self.greenhouses, port, cells)

    def receptors(self, lattice: xr.Dataset) -> xr.Dataset:
        """Group ``receptors``."""
        rules = read_rules(self.folder / self.options.rules.receptors, ReceptorRules)
        return build_receptors(rules, lattice, self.nature())

    def nature(self) -> gpd.GeoDataFrame:
        """Natura 2000 areas with ``name``."""
        return read_polygons(self.catalog.path(self.options.land.nature), ["naam"]).rename(columns={"naam": "name"})

    def municipalities(self) -> gpd.GeoDataFrame:
        """Municipalities with inhabitants and density [1/km2] of the land."""
        fields = ["gemeentecode", "aantalInwoners", "bevolkingsdichtheidInwonersPerKm2"]
        frame = read_polygons(self.catalog.path(self.options.land.municipalities), fields)
        frame = frame[~frame["gemeentecode"].isin(self.options.land.skip_municipalities)]
        return frame.assign(inhabitants=frame["aantalInwoners"], density=frame["bevolkingsdichtheidInwonersPerKm2"])

    def roads_and_zones(self, lattice: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
        """Groups ``roads`` and ``zones``."""
        o, c = self.options, self.catalog
        rules = read_rules(self.folder / o.rules.roads, RoadRules)
        skeleton = read_rules(self.folder / o.rules.skeleton, SkeletonRules)
        roads, nodes = build_roads(read_geopackage(c.path(o.traffic.roads)), rules, skeleton, lattice)
        demand = read_rules(self.folder / o.rules.demand, DemandRules)
        zones = read_zones(c.path(o.traffic.zones), number="65x65 Nummer", name="65x65 Naam")
        sheets = [
            f"{getattr(demand.sheets, name)}_{period.sheet}" for name in VEHICLE_CLASSES for period in demand.period
        ]
        matrices = read_xlsx_matrices(c.path(o.traffic.matrices), sheets, zones.name)
        places = read_municipalities(
            c.path(o.land.municipalities), code="gemeentecode", inhabitants="aantalInwoners",
            skip=o.land.skip_municipalities,
        )  # fmt: skip
        return roads, build_zones(demand, roads, nodes, zones, places, matrices)

    def factors(self) -> xr.Dataset:
        """Group ``factors``."""
        t = self.options.traffic
        table = read_factors(self.catalog.path(t.factors[0]))
        for name in t.factors[1:]:
            table = table.merged(read_factors(self.catalog.path(name)))
        return build_factors(t.factor_year, table, bev_share_reference=t.bev_share_reference)

    def power(self, roads: xr.Dataset, zones: xr.Dataset) -> xr.Dataset:
        """Group ``power`` of the core; ``charge_share`` of an origin adds up to the part of its cars that charge on it.

        Of a zone's cars the share of its homes on the network charges there, those of its origins inside first; the
        others charge outside. Origins of zones without a home on the network are set outside.
        """
        o, c = self.options, self.catalog
        rules = read_rules(self.folder / o.rules.power, ElectricityRules)
        names = {
            "65x65 Nummer": "number", "1: woningen": "dwellings", "9: arbeidspl_totaal": "jobs",
            "7: industrie": "industry_jobs",
        }  # fmt: skip
        job_zones = read_polygons(c.path(o.traffic.zones), list(names)).rename(columns=names)
        postcodes = read_polygons(c.path(o.land.postcodes), ["postcode"])
        homes = read_homes(c.path(o.power.homes))
        places, codes = build_places(rules, postcodes, homes, job_zones)
        grid = read_osm_power(c.path(o.power.vertices), c.path(o.power.links)).vertices
        west, south, east, north = rules.core
        grid = grid[grid["kind"] == rules.substation_kind]
        grid = grid[grid["x"].between(west, east) & grid["y"].between(south, north)]
        supplied = homes_in_zones(postcodes, codes, job_zones, zones["origin_zone"].values)
        all_homes = all_homes_in_zones(postcodes, homes, job_zones, zones["origin_zone"].values)
        there = supplied @ places.dwellings
        zones["inside"].values[there == 0] = 0
        on_network = part_on_network(there, all_homes, zones)
        node = zones["origin_node"].values
        x, y = roads["node_x"].values[node], roads["node_y"].values[node]
        laid = synthesise(
            places, grid["x"].to_numpy(), grid["y"].to_numpy(), [str(k) for k in grid.index],
            {f"profile_{name}": read_shares(c.path(file)) for name, file in o.power.profiles.items()},
            origin_x=x, origin_y=y, inside=zones["inside"].values == 1,
            origin_homes=supplied,
            detailed=tuple(codes.index(code) for code in rules.detailed_postcodes if code in codes),
            rules=rules.network,
        )  # fmt: skip
        laid["charge_share"].values[:] *= on_network[laid["charge_origin"].values]
        return laid

    def join_high_voltage(self, power: xr.Dataset, lattice: xr.Dataset) -> xr.Dataset:
        """Group ``power`` with the high-voltage network of the province, and the demand beyond the feeders on it.

        Each inhabitant of the province outside the postcode areas of the feeders is given as much demand as one inside.
        """
        o, c = self.options, self.catalog
        rules = read_rules(self.folder / o.rules.power, ElectricityRules)
        province = read_polygons(c.with_parts(o.land.province), [o.land.province_field])
        border = province[province[o.land.province_field] == o.land.province_name].geometry.union_all()
        grid = read_osm_power(c.path(o.power.vertices), c.path(o.power.links))
        areas = areas_of_feeders(rules, read_polygons(c.path(o.land.postcodes), ["postcode"]))
        laid = cells_of(o.lattice, areas.geometry, np.ones(len(areas))) > 0
        people = np.where(lattice["province"].values == 1, lattice["population"].values, 0.0)
        outside = np.flatnonzero((people > 0) & ~laid)
        each = people.ravel()[outside] / people[laid].sum()
        x, y = (g.ravel()[outside] for g in np.meshgrid(lattice["x"].values, lattice["y"].values))
        amounts = {name: each * float(power[name].sum()) for name in BEYOND}
        return join_high_voltage(
            power, grid, shapely.contains_xy(border, grid.vertices["x"], grid.vertices["y"]), rules.high_voltage,
            network=rules.network, beyond=Beyond(x, y, **amounts), supplies=rules.substation_kind,
        )  # fmt: skip

    def buildings(self, power: xr.Dataset) -> xr.Dataset | None:
        """Group ``buildings``, or none where the configuration names no file."""
        o, c = self.options.buildings, self.catalog
        parts = [read_cityjson(c.path(name), lod=o.lod, epsg=o.epsg) for name in o.cityjson]
        fields = {"roof": o.roof_field, "ground": o.ground_field, "identity": o.id_field}
        parts += [read_footprints(c.path(name), **fields) for name in o.footprints]
        return build_buildings(parts, power) if parts else None

    def weather(self, start: datetime, stop: datetime) -> xr.Dataset:
        """Group ``weather``: the calendar years of the run, so that yearly shapes can be formed."""
        first = pd.Timestamp(datetime(start.year, 1, 1, tzinfo=UTC))
        last = pd.Timestamp(datetime((stop - timedelta(hours=1)).year + 1, 1, 1, tzinfo=UTC))
        return build_weather(self.catalog.path(self.options.weather), first, last)


def part_on_network(there: np.ndarray, homes: np.ndarray, zones: xr.Dataset) -> np.ndarray:
    """Part (origin) of the cars of an origin inside that charge on the network.

    ``there``, ``homes`` (origin) homes of the origin's zone on the network and in all. Trips of a zone that were laid
    on its origins outside are of homes that are not on it, so that those inside make up the share first.
    """
    share = np.divide(there, homes, out=np.zeros(len(there)), where=homes > 0)
    ends = home_ends(zones["trips"].values[:, 0], zones["home_share"].values)
    zone = zones["origin_zone"].values
    count = int(zone.max()) + 1
    inside = np.bincount(zone, ends * (zones["inside"].values == 1), count)[zone]
    all_ends = np.bincount(zone, ends, count)[zone]
    return np.minimum(share * np.divide(all_ends, inside, out=np.ones(len(ends)), where=inside > 0), 1.0)


def build(
    options: FilesWorld, folder: Path, root: Path, start: datetime, stop: datetime
) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """All groups of the world, as in docs/world.md, and the hashes of the files used.

    ``folder`` holds the configuration; ``root`` the data; ``start`` and ``stop`` of the run (UTC).
    """
    province = Province(options, folder, root)
    lattice = province.lattice()
    roads, zones = province.roads_and_zones(lattice)
    power = province.join_high_voltage(province.power(roads, zones), lattice)
    buildings = province.buildings(power)
    groups = {
        "lattice": lattice,
        "roads": roads,
        "zones": zones,
        "sources": province.sources(lattice),
        "receptors": province.receptors(lattice),
        "power": power,
        **({"buildings": buildings} if buildings is not None else {}),
        "factors": province.factors(),
        "weather": province.weather(start, stop),
    }
    return groups, province.catalog.used()

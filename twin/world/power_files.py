"""The ``power`` group of a real province: homes, jobs and substations from files, the network synthesised."""

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from twin.errors import DataError
from twin.readers.etm import read_profile
from twin.readers.osm_power import HighVoltage, read_high_voltage
from twin.readers.pc4 import read_pc4_statistics, read_vehicles_by_fuel
from twin.readers.vectors import read_polygons
from twin.world.power import NetworkRules, Places, synthesise

__all__ = ["PowerRules", "PowerSources", "battery_electric_share", "build_power", "places_of"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Box(_Section):
    """Bounds [m]."""

    west: float
    south: float
    east: float
    north: float


class Files(_Section):
    """Files, by catalogue name."""

    statistics: str
    vehicles: str
    postcodes: str
    zones: str
    vertices: str
    links: str


class Fields(_Section):
    """Names of attributes in the files."""

    postcode: str
    zone: str
    jobs: str
    industry_jobs: str


class HeatRules(_Section):
    """Heat pumps."""

    share: float = Field(ge=0, le=1)
    demand: float = Field(ge=0)  # kWh/yr useful heat per home


class PvRules(_Section):
    """Photovoltaics on homes."""

    ground_share: float = Field(ge=0, le=1)
    ground_capacity: float = Field(ge=0)  # kW
    multi_share: float = Field(ge=0, le=1)
    multi_capacity: float = Field(ge=0)  # kW


class WorkRules(_Section):
    """Electricity of work, and where it is within a zone."""

    service_energy: float = Field(ge=0)  # kWh/yr per job
    industry_energy: float = Field(ge=0)
    home_plot: float = Field(ge=0)  # m2
    least_share: float = Field(gt=0, le=1)


class CarRules(_Section):
    """Electric cars in the tables."""

    battery_electric: float = Field(ge=0, le=1)


class SubstationRules(_Section):
    """Vertices of the high-voltage network that supply places."""

    kinds: tuple[str, ...]


class PowerRules(_Section):
    """Declared values and files of the group."""

    box: Box
    spread: float = Field(gt=0)
    detailed: tuple[int, ...] = ()
    files: Files
    fields: Fields
    profiles: dict[str, str]
    heat: HeatRules
    pv: PvRules
    work: WorkRules
    cars: CarRules
    substations: SubstationRules
    network: NetworkRules = NetworkRules()


class PowerSources:
    """Tables behind the group, read once; ``path`` gives the checked path of a catalogue name."""

    def __init__(self, rules: PowerRules, path: Callable[[str], Path]):
        f, n = rules.files, rules.fields
        self.rules = rules
        self.statistics = read_pc4_statistics(path(f.statistics))
        self.vehicles = read_vehicles_by_fuel(path(f.vehicles))
        areas = read_polygons(path(f.postcodes), [n.postcode, n.zone])
        self.areas: gpd.GeoDataFrame = areas.assign(postcode=areas[n.postcode].astype(int)).set_index("postcode")
        if self.areas.index.has_duplicates:
            twice = self.areas.index[self.areas.index.duplicated()][0]
            raise DataError(f"{f.postcodes}: postcode {twice} occurs twice; dissolve its parts")
        zones = read_polygons(path(f.zones), [n.zone, n.jobs, n.industry_jobs])
        self.zones = pd.DataFrame(zones.drop(columns=zones.geometry.name)).set_index(n.zone)
        self.network: HighVoltage = read_high_voltage(path(f.vertices), path(f.links))
        self.profiles = {name: read_profile(path(file)) for name, file in rules.profiles.items()}

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether points [m] lie in the box."""
        b = self.rules.box
        return (x >= b.west) & (x <= b.east) & (y >= b.south) & (y <= b.north)

    def core(self) -> gpd.GeoDataFrame:
        """Postcode areas with their representative point in the box."""
        point = self.areas.geometry.representative_point()
        found = self.areas[self.inside(point.x.to_numpy(), point.y.to_numpy())].sort_index()
        if found.empty:
            raise DataError(f"{self.rules.files.postcodes}: no postcode area in the box of the power rules; widen it")
        unknown = found.index.difference(self.statistics.index)
        if len(unknown):
            raise DataError(f"{self.rules.files.statistics}: no row for postcode {unknown[0]}; use tables of one year")
        return found


def _jobs(sources: PowerSources) -> pd.DataFrame:
    """Jobs per postcode, ``total`` and ``industry``: those of its zone by area outside homes; none are lost."""
    rules, areas = sources.rules.work, sources.areas
    homes = sources.statistics["dwellings"].reindex(areas.index).fillna(0.0)
    open_area = np.maximum(areas.area - rules.home_plot * homes, rules.least_share * areas.area)
    zone = areas[sources.rules.fields.zone]
    share = open_area / open_area.groupby(zone).transform("sum")
    fields = sources.rules.fields
    jobs = sources.zones.reindex(zone.to_numpy())
    if jobs[fields.jobs].isna().any():
        raise DataError(f"{sources.rules.files.zones}: no zone {zone[jobs[fields.jobs].isna().to_numpy()].iloc[0]}")
    return pd.DataFrame(
        {
            "total": jobs[fields.jobs].to_numpy(float) * share,
            "industry": jobs[fields.industry_jobs].to_numpy(float) * share,
        },
        index=areas.index,
    )


def places_of(sources: PowerSources, postcodes: pd.Index, areas: gpd.GeoDataFrame) -> Places:
    """What is supplied in each postcode area.

    A postcode without homes in the table has none; without a mean use its homes take the mean of the others, and
    without a number of multi-family homes all are ground-bound.
    """
    rules = sources.rules
    table = sources.statistics.loc[postcodes]
    homes = table["dwellings"].fillna(0.0).to_numpy()
    multi = np.minimum(table["multi_family"].fillna(0.0).to_numpy(), homes)
    use = table["electricity"].to_numpy()
    known = np.isfinite(use)
    use = np.where(known, use, (use[known] * homes[known]).sum() / homes[known].sum())
    jobs = _jobs(sources).loc[postcodes]
    centre = areas.geometry.representative_point()
    pv = rules.pv
    return Places(
        x=centre.x.to_numpy(),
        y=centre.y.to_numpy(),
        radius=rules.spread * np.sqrt(areas.area.to_numpy() / np.pi),
        dwellings=homes,
        multi_family=multi,
        household_energy=homes * use,
        heat_pumps=rules.heat.share * homes,
        heat_demand=rules.heat.share * rules.heat.demand * homes,
        pv_capacity=pv.ground_share * pv.ground_capacity * (homes - multi) + pv.multi_share * pv.multi_capacity * multi,
        jobs=jobs["total"].to_numpy(),
        service_energy=rules.work.service_energy * (jobs["total"] - jobs["industry"]).to_numpy(),
        industry_energy=rules.work.industry_energy * jobs["industry"].to_numpy(),
    )


def build_power(
    sources: PowerSources, origin_x: np.ndarray, origin_y: np.ndarray, inside: np.ndarray
) -> xr.Dataset:
    """Group ``power``: substations and demand from files, stations and feeders synthesised.

    ``origin_x``, ``origin_y`` [m] and ``inside`` (1 where charging is booked at home) of each demand origin. The
    charging of an inside origin lands on the homes of the postcode that holds it, and of postcodes without an
    origin that have it as the nearest.
    """
    areas = sources.core()
    places = places_of(sources, areas.index, areas)
    vertices = sources.network.vertices
    used = vertices["kind"].isin(sources.rules.substations.kinds).to_numpy()
    used &= sources.inside(vertices["x"].to_numpy(), vertices["y"].to_numpy())
    supply = vertices[used]
    wanted = list(sources.rules.detailed)
    missing = set(wanted) - set(areas.index)
    if missing:
        raise DataError(f"power rules: detailed postcode {min(missing)} does not lie in the box")
    return synthesise(
        places,
        supply["x"].to_numpy(),
        supply["y"].to_numpy(),
        [str(k) for k in supply.index],
        sources.profiles,
        origin_x=origin_x,
        origin_y=origin_y,
        inside=inside,
        origin_place=_holder(areas, origin_x, origin_y),
        detailed=tuple(int(areas.index.get_loc(code)) for code in wanted),
        rules=sources.rules.network,
    )


def battery_electric_share(sources: PowerSources, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Battery-electric share (point) of the cars registered in the postcode area of each point [m].

    The tables' "electric" includes hybrids; the rules say which part is battery-electric. A point outside all areas,
    or in one whose figure is secret, takes the share of the whole table.
    """
    cars = sources.vehicles[["total", "electric"]]
    factor = sources.rules.cars.battery_electric
    known = cars.dropna()
    mean = factor * known["electric"].sum() / known["total"].sum()
    share = (factor * cars["electric"] / cars["total"]).where(cars["total"] > 0).fillna(mean)
    holder = _holder(sources.areas, x, y)
    code = sources.areas.index.to_numpy()[np.maximum(holder, 0)]
    local = share.reindex(code).fillna(mean).to_numpy()
    return np.where(holder >= 0, local, mean)


def _holder(areas: gpd.GeoDataFrame, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Index of the area that holds each point, -1 outside all."""
    tree = shapely.STRtree(areas.geometry.to_numpy())
    point, area = tree.query(shapely.points(x, y), predicate="within")
    holder = np.full(len(x), -1, np.int64)
    holder[point[::-1]] = area[::-1]
    return holder

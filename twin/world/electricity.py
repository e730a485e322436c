"""Places of a real province for :mod:`twin.world.power`: homes, heat, sun and work per postcode."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pydantic import BaseModel, ConfigDict, Field

from twin.errors import DataError
from twin.world.high_voltage import HighVoltageRules
from twin.world.power import NetworkRules, Places

__all__ = ["ElectricityRules", "all_homes_in_zones", "areas_of_feeders", "build_places", "homes_in_zones"]


class ElectricityRules(BaseModel):
    """Declared shares and yields; see the comments of the rules file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    core: tuple[float, float, float, float]
    heat_pump_share: float = Field(ge=0, le=1)
    heat_demand: float
    pv_ground_bound_share: float = Field(ge=0, le=1)
    pv_ground_bound: float
    pv_multi_family_share: float = Field(ge=0, le=1)
    pv_multi_family: float
    service_kwh_per_job: float
    industry_kwh_per_job: float
    job_zones: list[int]
    detailed_postcodes: list[int]
    substation_kind: str
    network: NetworkRules = NetworkRules()
    high_voltage: HighVoltageRules = HighVoltageRules()


def build_places(
    rules: ElectricityRules, postcodes: gpd.GeoDataFrame, homes: pd.DataFrame, zones: gpd.GeoDataFrame
) -> tuple[Places, list[int]]:
    """Places of the core, one per postcode area, and their postcodes.

    ``postcodes`` polygons with ``postcode``; ``homes`` of :func:`twin.readers.pc4.read_homes`; ``zones`` polygons
    with ``number``, ``jobs`` and ``industry_jobs``. Jobs of each job zone go to the postcode areas by shared area.
    A postcode without a known electricity use takes the mean of the others, weighted by homes.
    """
    areas = areas_of_feeders(rules, postcodes)
    codes = areas["postcode"].tolist()
    table = homes.reindex(codes)
    dwellings = table["dwellings"].fillna(0.0).to_numpy()
    multi = np.minimum(table["multi_family"].fillna(0.0).to_numpy(), dwellings)
    use = table["electricity"].to_numpy(copy=True)
    known = np.isfinite(use) & (dwellings > 0)
    use[~known] = np.average(use[known], weights=dwellings[known])
    jobs, industry = _jobs(rules, areas, zones)
    points = areas.geometry.representative_point()
    ground = dwellings - multi
    places = Places(
        x=points.x.to_numpy(),
        y=points.y.to_numpy(),
        radius=0.8 * np.sqrt(areas.geometry.area.to_numpy() / np.pi),
        dwellings=dwellings,
        multi_family=multi,
        household_energy=dwellings * use,
        heat_pumps=rules.heat_pump_share * dwellings,
        heat_demand=rules.heat_pump_share * dwellings * rules.heat_demand,
        pv_capacity=rules.pv_ground_bound_share * rules.pv_ground_bound * ground
        + rules.pv_multi_family_share * rules.pv_multi_family * multi,
        jobs=jobs,
        service_energy=rules.service_kwh_per_job * (jobs - industry),
        industry_energy=rules.industry_kwh_per_job * industry,
    )
    empty = dwellings == 0  # no home station to hang anything on
    if places.pv_capacity[empty].any():
        raise DataError("power: a postcode without homes has roofs; check the postcode table")
    return places, codes


def areas_of_feeders(rules: ElectricityRules, postcodes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Postcode areas whose feeders are laid: those of the core, in order of postcode."""
    west, south, east, north = rules.core
    centre = postcodes.geometry.representative_point()
    within = (centre.x >= west) & (centre.x <= east) & (centre.y >= south) & (centre.y <= north)
    return postcodes[within].assign(postcode=postcodes["postcode"].astype(int)).sort_values("postcode")


def homes_in_zones(
    postcodes: gpd.GeoDataFrame, codes: list[int], zones: gpd.GeoDataFrame, origin_zone: np.ndarray
) -> np.ndarray:
    """Share (origin, place) of the homes of each postcode of ``codes`` that lie in the origin's zone, by area.

    ``zones`` polygons with ``number``; ``origin_zone`` (origin) their numbers. Trips are known by zone only: where in
    the zone its cars live follows the homes, not the road nodes that its trips were laid on.
    """
    areas = postcodes.assign(postcode=postcodes["postcode"].astype(int)).drop_duplicates("postcode")
    shapes = areas.set_index("postcode").geometry.loc[codes].to_numpy()
    whole = shapely.area(shapes)
    wanted = set(origin_zone)
    share = {
        int(number): shapely.area(shapely.intersection(shapes, zone)) / whole
        for number, zone in zip(zones["number"], zones.geometry)
        if number in wanted
    }
    none = np.zeros(len(codes))
    return np.stack([share.get(int(number), none) for number in origin_zone])


def all_homes_in_zones(
    postcodes: gpd.GeoDataFrame, homes: pd.DataFrame, zones: gpd.GeoDataFrame, origin_zone: np.ndarray
) -> np.ndarray:
    """Homes (origin) of the whole zone of each origin, on a network or not.

    Those of every postcode area at hand, by the same count as those on the network; where no postcode area covers a
    zone its own number of ``dwellings``, in proportion to the area.
    """
    areas = postcodes.assign(postcode=postcodes["postcode"].astype(int)).drop_duplicates("postcode")
    codes = areas["postcode"].tolist()
    counted = homes_in_zones(postcodes, codes, zones, origin_zone) @ homes.reindex(codes)["dwellings"].fillna(0.0)
    covered = areas.geometry.union_all()
    bare = 1.0 - shapely.area(shapely.intersection(zones.geometry.to_numpy(), covered)) / zones.geometry.area
    rest = pd.Series((bare * zones["dwellings"]).to_numpy(), index=zones["number"].astype(int))
    return np.asarray(counted) + rest.reindex(origin_zone).fillna(0.0).to_numpy()


def _jobs(rules: ElectricityRules, areas: gpd.GeoDataFrame, zones: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Jobs and industrial jobs per postcode area: each job zone's number shared by the area in common."""
    chosen = zones[zones["number"].isin(rules.job_zones)]
    jobs, industry = np.zeros(len(areas)), np.zeros(len(areas))
    shapes = areas.geometry.to_numpy()
    for geometry, total, made in zip(chosen.geometry, chosen["jobs"], chosen["industry_jobs"]):
        shared = np.array([geometry.intersection(shape).area for shape in shapes])
        if shared.sum() == 0:  # a zone beside all postcode areas: its nearest one
            shared[np.argmin([geometry.distance(shape) for shape in shapes])] = 1.0
        jobs += shared / shared.sum() * float(total)
        industry += shared / shared.sum() * float(made)
    return jobs, industry

"""A synthetic province, made from a seed: every layer plausible in kind, none of them a real place.

It needs no file and is labelled synthetic in every output. Population comes first; homes, jobs, roads, trips,
emission and the power network follow from it, so that the chain between them is the chain of a real province.
"""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import shapely
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from twin.readers.osm_power import HighVoltageGrid
from twin.world.buildings import synthetic_buildings
from twin.world.power import Places, synthesise
from twin.world.receptors import hexagons
from twin.world.road_factors import build_factors
from twin.world.roads import roads_group
from twin.world.substations import BEYOND, Beyond, join_high_voltage

__all__ = ["SyntheticWorld", "build"]

HOURS_OF_YEAR = 8760
DEPAC_GRASS, DEPAC_ARABLE, DEPAC_FOREST, DEPAC_WATER, DEPAC_URBAN, DEPAC_HEATH = 1, 2, 5, 6, 7, 8
ROUGHNESS = {
    DEPAC_GRASS: 0.03,
    DEPAC_ARABLE: 0.10,
    DEPAC_FOREST: 0.75,
    DEPAC_WATER: 0.0002,
    DEPAC_URBAN: 1.0,
    DEPAC_HEATH: 0.10,
}
"""Roughness length [m] by DEPAC class; order of the Dutch land-use tables."""


class SyntheticWorld(BaseModel):
    """Size and character of the synthetic province."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=2030, ge=0)
    origin_x: float = 120_000.0  # m RD, lower left corner
    origin_y: float = 440_000.0
    columns: int = Field(default=96, ge=24, le=400)
    rows: int = Field(default=80, ge=24, le=400)
    cell_size: float = Field(default=250.0, gt=0)
    inhabitants: int = Field(default=180_000, ge=1000)
    towns: int = Field(default=7, ge=2, le=30)
    node_spacing: float = Field(default=2500.0, ge=1000)
    car_trips_per_inhabitant: float = Field(default=0.9, gt=0)  # per working day
    bev_share: float = Field(default=0.05, ge=0, le=1)
    year: int = 2023  # of the weather
    factor_year: int = 2020


def build(options: SyntheticWorld) -> dict[str, xr.Dataset]:
    """All groups of the world, as in docs/world.md."""
    rng = np.random.Generator(np.random.Philox(key=[options.seed, 0]))
    towns = _towns(options, rng)
    lattice = _lattice(options, towns)
    roads = _roads(options, towns, lattice, rng)
    zones = _zones(options, lattice, roads)
    weather = _weather(options)
    power = _power(options, lattice, roads, zones, weather)
    return {
        "lattice": lattice,
        "roads": roads,
        "zones": zones,
        "sources": _sources(options, lattice, rng),
        "receptors": _receptors(options, lattice),
        "weather": weather,
        "power": power,
        "buildings": synthetic_buildings(lattice, power),
        "factors": build_factors(options.factor_year, bev_share_reference=options.bev_share),
    }


def _variable(dims: Any, data: Any, units: str, long_name: str, rule: str, **attrs: Any) -> xr.Variable:
    """A variable with units and the rule that made it."""
    attributes = {"units": units, "long_name": long_name, "synthetic": np.int32(1), "rule": rule, **attrs}
    return xr.Variable(dims, np.ascontiguousarray(data), attributes)


def _towns(o: SyntheticWorld, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Centres, radii [m] and sizes of towns: rank-size rule, kept apart from each other."""
    width, height = o.columns * o.cell_size, o.rows * o.cell_size
    centres: list[tuple[float, float]] = [(o.origin_x + 0.45 * width, o.origin_y + 0.5 * height)]
    apart = 0.5 * min(width, height) / np.sqrt(o.towns)
    for _ in range(10_000):
        if len(centres) == o.towns:
            break
        x = o.origin_x + width * rng.uniform(0.12, 0.88)
        y = o.origin_y + height * rng.uniform(0.12, 0.88)
        if min(np.hypot(x - cx, y - cy) for cx, cy in centres) > apart:
            centres.append((x, y))
    share = 1.0 / np.arange(1, len(centres) + 1) ** 0.9
    share /= share.sum()
    return {
        "x": np.array([c[0] for c in centres]),
        "y": np.array([c[1] for c in centres]),
        "share": share,
        "radius": 600.0 + 1900.0 * np.sqrt(share / share.max()),
    }


def _lattice(o: SyntheticWorld, towns: dict[str, np.ndarray]) -> xr.Dataset:
    """Relief, river, land use and population."""
    x = o.origin_x + o.cell_size * (np.arange(o.columns) + 0.5)
    y = o.origin_y + o.cell_size * (np.arange(o.rows) + 0.5)
    gx, gy = np.meshgrid(x, y)
    u, v = (gx - x[0]) / (x[-1] - x[0]), (gy - y[0]) / (y[-1] - y[0])
    elevation = 2.0 + 18.0 * u**2 * (0.6 + 0.4 * np.cos(3 * np.pi * v)) + 1.5 * np.sin(7 * u + 2) * np.cos(5 * v)
    river_y = 0.22 + 0.10 * np.sin(2 * np.pi * u * 0.9)
    water = np.abs(v - river_y) < 0.018
    density = np.zeros_like(gx)
    for cx, cy, share, radius in zip(towns["x"], towns["y"], towns["share"], towns["radius"]):
        distance = np.hypot(gx - cx, gy - cy)
        density += share / radius**2 * np.exp(-((distance / radius) ** 2))
    density[water] = 0
    rural = np.where(water, 0.0, 1.0)
    population = o.inhabitants * (0.92 * density / density.sum() + 0.08 * rural / rural.sum())
    per_km2 = population / (o.cell_size / 1000) ** 2
    land_use = np.full(gx.shape, DEPAC_GRASS, np.int8)
    land_use[(u > 0.55) & (v < 0.5)] = DEPAC_ARABLE
    land_use[np.hypot((u - 0.85) / 0.12, (v - 0.75) / 0.2) < 1] = DEPAC_FOREST
    land_use[np.hypot((u - 0.15) / 0.1, (v - 0.8) / 0.14) < 1] = DEPAC_HEATH
    land_use[per_km2 >= 1500] = DEPAC_URBAN
    land_use[water] = DEPAC_WATER
    elevation[water] = np.minimum(elevation[water], 0.5)
    z0 = np.vectorize(ROUGHNESS.__getitem__, otypes=[float])(land_use)
    dims = ("y", "x")
    background = 900.0 + 250.0 * u  # order of the Dutch mean, rising inland
    data = {
        "elevation": _variable(dims, elevation, "m", "ground height above NAP", "smooth relief, lower along a river"),
        "land_use": _variable(dims, land_use, "1", "DEPAC land-use class", "towns by density, river, forest, heath"),
        "roughness_length": _variable(dims, z0, "m", "roughness length", "by land-use class"),
        "province": _variable(dims, np.ones(gx.shape, np.int8), "1", "inside the province", "the whole lattice"),
        "population": _variable(dims, population, "1", "inhabitants per cell", "rank-size towns and a rural 8 %"),
        "background_deposition": _variable(
            dims, background, "mol ha-1 yr-1", "N deposition from elsewhere", "declared: 900 to 1150 from west to east"
        ),
        "background_nh3": _variable(
            dims, np.where(land_use == DEPAC_HEATH, 2.0, 4.0), "ug m-3", "NH3 background", "declared: 4, nature 2"
        ),
    }
    coordinates = {
        "x": ("x", x, {"units": "m", "standard_name": "projection_x_coordinate"}),
        "y": ("y", y, {"units": "m", "standard_name": "projection_y_coordinate"}),
    }
    return xr.Dataset(data, coordinates, {"cell_size": o.cell_size, "epsg": np.int32(28992)})


# class: lanes, free speed [km/h], legal limit [km/h], pcu/h per lane, BPR B, BPR power
LINK_KINDS = {
    0: (2, 100.0, 100.0, 2150.0, 0.5, 5.0),
    1: (1, 60.0, 80.0, 1700.0, 0.5, 5.0),
    3: (1, 65.0, 80.0, 1400.0, 0.5, 4.0),
    4: (1, 45.0, 60.0, 1000.0, 0.5, 4.0),
    5: (1, 32.0, 50.0, 700.0, 0.5, 4.0),
    7: (3, 100.0, 100.0, 2150.0, 0.5, 5.0),
}


def _roads(
    o: SyntheticWorld, towns: dict[str, np.ndarray], lattice: xr.Dataset, rng: np.random.Generator
) -> xr.Dataset:
    """A jittered grid of local and regional roads, one motorway through the province, four gates to the country."""
    width, height = o.columns * o.cell_size, o.rows * o.cell_size
    nx, ny = max(int(width // o.node_spacing), 3), max(int(height // o.node_spacing), 3)
    column, row = (a.ravel() for a in np.meshgrid(np.arange(nx), np.arange(ny)))
    jitter = rng.uniform(-0.18, 0.18, (2, nx * ny)) * o.node_spacing
    node_x = o.origin_x + width * (column + 0.5) / nx + jitter[0]
    node_y = o.origin_y + height * (row + 0.5) / ny + jitter[1]
    nodes = [(float(a), float(b)) for a, b in zip(node_x, node_y)]
    links: list[tuple[int, int, int]] = []  # from, to, class

    def both(a: int, b: int, kind: int) -> None:
        links.extend([(a, b, kind), (b, a, kind)])

    main_row, main_column = ny // 2, nx // 2
    for k in range(nx * ny):
        c, r = int(column[k]), int(row[k])
        if c + 1 < nx:
            both(k, k + 1, 3 if r == main_row else (4 if r % 2 == 0 else 5))
        if r + 1 < ny:
            both(k, k + nx, 3 if c == main_column else (4 if c % 2 == 0 else 5))
    # the motorway: one node beside every second column, ramps to the two nearest local nodes
    first_motorway = len(nodes)
    offset = 0.35 * height / ny
    for c in range(0, nx, 2):
        k = main_row * nx + c
        nodes.append((nodes[k][0] + 400.0, nodes[k][1] + offset))
    motorway = list(range(first_motorway, len(nodes)))
    for a, b in pairwise(motorway):
        both(a, b, 0)
    for index, k in enumerate(motorway):
        both(k, main_row * nx + 2 * index, 1)
    # gates to the rest of the country: the motorway's ends and the main north-south road's ends
    outside = len(nodes)
    gates = [
        (motorway[0], (o.origin_x - 20_000.0, o.origin_y + 0.55 * height)),
        (motorway[-1], (o.origin_x + width + 25_000.0, o.origin_y + 0.6 * height)),
        (main_column, (o.origin_x + 0.5 * width, o.origin_y - 20_000.0)),
        ((ny - 1) * nx + main_column, (o.origin_x + 0.5 * width, o.origin_y + height + 22_000.0)),
    ]
    for inside, place in gates:
        nodes.append(place)
        both(inside, len(nodes) - 1, 7)
    xy = np.array(nodes)
    start, end, kind = (np.array(v) for v in zip(*links))
    lanes, speed, limit, lane_capacity, bpr_b, bpr_power = np.array([LINK_KINDS[int(k)] for k in kind]).T
    straight = np.hypot(*(xy[end] - xy[start]).T)
    length = straight * np.where(kind == 0, 1.02, 1.12)
    origin = np.full(len(nodes), -1, np.int32)
    demand = np.r_[np.arange(nx * ny), np.arange(outside, len(nodes))]
    origin[demand] = np.arange(len(demand))
    group = roads_group(
        node_x=xy[:, 0],
        node_y=xy[:, 1],
        from_node=start,
        to_node=end,
        length=length,
        free_flow_time=length / (speed / 3.6),
        capacity=lanes * lane_capacity,
        bpr_b=bpr_b,
        bpr_power=bpr_power,
        lanes=lanes,
        road_class=kind,
        speed_limit=limit,
        reported=kind != 7,
        link_id=[f"demo-{a}-{b}" for a, b in zip(start, end)],
        lattice=lattice,
    )
    group["node_origin"].values[:] = origin
    for variable in group.variables.values():
        variable.attrs |= {"synthetic": np.int32(1), "rule": "jittered grid of roads, one motorway, four gates"}
    return group


def _nearest_node(lattice: xr.Dataset, roads: xr.Dataset, count: int) -> np.ndarray:
    """Index of the nearest of the first ``count`` demand nodes for each cell (y x)."""
    node = np.flatnonzero(roads["node_origin"].values >= 0)[:count]
    gx, gy = np.meshgrid(lattice["x"].values, lattice["y"].values)
    distance = np.hypot(gx[..., None] - roads["node_x"].values[node], gy[..., None] - roads["node_y"].values[node])
    return distance.argmin(-1)


CAR_PROFILE = np.array(
    [
        0.8,
        0.5,
        0.4,
        0.5,
        0.9,
        2.3,
        5.2,
        7.4,
        6.9,
        5.4,
        4.9,
        5.0,
        5.3,
        5.4,
        5.7,
        6.5,
        7.9,
        7.8,
        6.0,
        4.4,
        3.3,
        2.9,
        2.5,
        1.6,
    ]
)
"""Car trips by local hour [% of the day]: working-day shape of Dutch trunk roads, general knowledge."""
FREIGHT_PROFILE = np.array([0.25] * 5 + [0.6] + [1.0] * 12 + [0.9, 0.6] + [0.25] * 4)
"""Freight trips by local hour [relative weight], general knowledge."""


def _zones(o: SyntheticWorld, lattice: xr.Dataset, roads: xr.Dataset) -> xr.Dataset:
    """Gravity demand between nodes, with trips to, from and through the rest of the country."""
    origin_node = np.flatnonzero(roads["node_origin"].values >= 0).astype(np.int32)
    n = len(origin_node)
    local = n - 4
    x, y = roads["node_x"].values[origin_node], roads["node_y"].values[origin_node]
    nearest = _nearest_node(lattice, roads, local)
    people = np.bincount(nearest.ravel(), lattice["population"].values.ravel(), minlength=local)
    jobs = people**1.25 * people.sum() / (people**1.25).sum() * 0.45
    produced = o.car_trips_per_inhabitant * people.sum()
    gate = 0.18 * people.sum() / 4 * np.array([1.4, 1.2, 0.7, 0.7])  # homes and jobs elsewhere that trade with us
    home, work = np.r_[people, gate], np.r_[jobs, gate * 0.6]
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    gravity = home[:, None] * work * np.exp(-np.minimum(distance, 30_000.0) / 7000.0)
    through = np.zeros((n, n))
    through[local:, local:] = gate[:, None] * gate / gate.sum()
    gravity[local:, local:] = 0
    np.fill_diagonal(gravity, 0)
    np.fill_diagonal(through, 0)
    outward = gravity / gravity.sum() * produced * 0.9 + through / through.sum() * produced * 0.1
    day_share = np.array([CAR_PROFILE[7:9].sum(), 0, CAR_PROFILE[16:18].sum()]) / CAR_PROFILE.sum()
    day_share[1] = 1 - day_share[0] - day_share[2]
    cars = np.stack([day_share[0] * outward, day_share[1] * 0.5 * (outward + outward.T), day_share[2] * outward.T])
    lorries = np.r_[jobs, gate * 1.5]
    freight = lorries[:, None] * lorries * np.exp(-np.minimum(distance, 30_000.0) / 15_000.0)
    np.fill_diagonal(freight, 0)
    freight *= 0.09 * produced / freight.sum()
    freight_share = np.array([FREIGHT_PROFILE[7:9].sum(), 0, FREIGHT_PROFILE[16:18].sum()]) / FREIGHT_PROFILE.sum()
    freight_share[1] = 1 - freight_share[0] - freight_share[2]
    trips = np.stack([cars, freight_share[:, None, None] * freight], axis=1)
    dims = ("period", "vehicle_class", "origin", "destination")
    rule = "gravity model of homes and jobs, four gates to the country with through traffic"

    def v(where: Any, data: Any, units: str, name: str) -> xr.Variable:
        return _variable(where, data, units, name, rule)

    return xr.Dataset(
        {
            "origin_node": v("origin", origin_node, "1", "road node of the origin"),
            "origin_zone": v("origin", np.arange(1, n + 1, dtype=np.int32), "1", "zone number"),
            "inside": v("origin", (np.arange(n) < local).astype(np.int8), "1", "1 where charging is booked at home"),
            "trips": v(dims, trips, "1", "vehicle trips per working day and period"),
            "hourly_share": v(
                ("day_type", "vehicle_class", "hour", "period"),
                _hourly_shares(cars, day_share, freight_share),
                "1",
                "share of a period's trips in each local hour",
            ),
            "home_share": v("period", np.array([1.0, 0.5, 0.0]), "1", "share of trips whose home end is the origin"),
            "bev_share": v("origin", np.full(n, o.bev_share), "1", "battery-electric share of light vehicle-km"),
            "pcu": v("vehicle_class", np.array([1.0, 1.9]), "1", "passenger-car equivalents"),
            "removed_trips": v(("period", "vehicle_class"), np.zeros((3, 2)), "1", "trips that are not loaded"),
        },
        {
            "vehicle_class": ("vehicle_class", np.array(["light", "freight"], dtype="S8")),
            "period": ("period", np.array(["morning", "rest", "evening"], dtype="S8")),
            "day_type": ("day_type", np.array(["working_day", "saturday", "sunday"], dtype="S12")),
        },
    )


def _hourly_shares(cars: np.ndarray, day_share: np.ndarray, freight_share: np.ndarray) -> np.ndarray:
    """(day_type, vehicle_class, hour, period): peaks in halves, the rest by profile, weekends the rest pattern."""
    share = np.zeros((3, 2, 24, 3))
    for vehicle, (profile, of_day) in enumerate(((CAR_PROFILE, day_share), (FREIGHT_PROFILE, freight_share))):
        rest = profile.copy()
        rest[[7, 8, 16, 17]] = 0
        share[0, vehicle, 7:9, 0] = 0.5
        share[0, vehicle, 16:18, 2] = 0.5
        share[0, vehicle, :, 1] = rest / rest.sum()
        weekend = np.array([0.3] * 7 + [0.6, 1.0, 1.4] + [1.6] * 8 + [1.3, 1.0, 0.8, 0.7, 0.6, 0.4])
        for day, level in ((1, (0.80, 0.30)), (2, (0.70, 0.15))):
            share[day, vehicle, :, 1] = level[vehicle] / of_day[1] * weekend / weekend.sum()
    return share


def _sources(o: SyntheticWorld, lattice: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Farms, fields, greenhouses, one stack, shipping on the river, households."""
    gx, gy = np.meshgrid(lattice["x"].values, lattice["y"].values)
    use = lattice["land_use"].values
    year = 365 * 86_400.0
    rows: list[np.ndarray] = []

    def add(
        x: Any, y: Any, height: float, heat: float, size: float, nox: Any, nh3: Any, group: int, profile: int
    ) -> None:
        x, y = np.atleast_1d(x), np.atleast_1d(y)
        columns = (x, y, height, heat, size, nox, nh3, group, profile)
        rows.append(np.column_stack([np.broadcast_to(c, x.shape) for c in columns]))

    grass = np.flatnonzero((use == DEPAC_GRASS).ravel())
    farms = rng.choice(grass, max(len(grass) // 40, 1), replace=False)
    kg = 8.0 * o.cell_size**2 / 1e4  # NH3 per grass cell: 8 kg/ha/yr from manure and grazing
    housing = 9.0 * o.cell_size**2 / 1e4 * len(grass) / len(farms)
    add(gx.ravel()[farms], gy.ravel()[farms], 5.0, 0.0, 0.0, 0.0, housing * 1000 / year, 1, 2)
    add(gx.ravel()[grass], gy.ravel()[grass], 0.5, 0.0, o.cell_size, 0.0, kg * 1000 / year, 1, 3)
    arable = np.flatnonzero((use == DEPAC_ARABLE).ravel())
    add(gx.ravel()[arable], gy.ravel()[arable], 0.5, 0.0, o.cell_size, 0.0, 0.5 * kg * 1000 / year, 1, 3)
    glass = rng.choice(arable, max(len(arable) // 40, 1), replace=False)
    add(gx.ravel()[glass], gy.ravel()[glass], 12.0, 0.4, o.cell_size, 700.0 * 1000 / year, 0.0, 0, 1)
    water = np.flatnonzero((use == DEPAC_WATER).ravel())
    add(gx.ravel()[water], gy.ravel()[water], 20.0, 0.1, o.cell_size, 900.0 * 1000 / year, 0.0, 3, 0)
    people = lattice["population"].values.ravel()
    lived = np.flatnonzero(people > 5)
    add(
        gx.ravel()[lived],
        gy.ravel()[lived],
        8.0,
        0.0,
        o.cell_size,
        people[lived] * 1.3 * 1000 / year,
        people[lived] * 0.16 * 1000 / year,
        4,
        4,
    )
    stack = water[len(water) // 2]
    add(gx.ravel()[stack], gy.ravel()[stack], 60.0, 5.0, 0.0, 150_000.0 * 1000 / year, 1000.0 * 1000 / year, 2, 0)
    table = np.concatenate(rows)
    rule = "declared emission per hectare, inhabitant or works; order of Dutch totals"
    units = [
        ("x", "m"),
        ("y", "m"),
        ("height", "m"),
        ("heat_content", "MW"),
        ("diameter", "m"),
        ("nox", "g s-1"),
        ("nh3", "g s-1"),
    ]
    data = {n: _variable("source", table[:, k], u, f"source {n}", rule) for k, (n, u) in enumerate(units)}
    data["source_group"] = _variable("source", table[:, 7].astype(np.int8), "1", "source group", rule)
    data["time_profile"] = _variable("source", table[:, 8].astype(np.int8), "1", "time profile", rule)
    return xr.Dataset(data)


def _receptors(o: SyntheticWorld, lattice: xr.Dataset) -> xr.Dataset:
    """Two nature areas: the heath and the forest of the land-use map."""
    use = lattice["land_use"].values.ravel()
    cells, areas = [], []
    for area, code in enumerate((DEPAC_HEATH, DEPAC_FOREST)):
        found = np.flatnonzero(use == code)
        cells.append(found)
        areas.append(np.full(len(found), area))
    rule = "all cells of one land use"
    size = sum(map(len, cells))
    critical = np.array([1071.0, 1429.0])
    (x, y), half = np.meshgrid(lattice["x"].values, lattice["y"].values), o.cell_size / 2
    shapes = np.array(
        [
            shapely.union_all(
                shapely.box(*(g.ravel()[c] + d for d in (-half, half) for g in (x, y)))  # west, south, east, north
            )
            for c in cells
        ]
    )
    made = {"synthetic": np.int32(1), "rule": rule}
    return xr.Dataset(
        {
            "name": _variable("area", np.array(["Demo heath", "Demo forest"], dtype="S32"), "1", "nature area", rule),
            "critical_load": _variable("area", critical, "mol ha-1 yr-1", "critical load (KDW)", rule),
            "area_cell": _variable("area_cell", np.concatenate(cells).astype(np.int32), "1", "flat cell", rule),
            "area_index": _variable("area_cell", np.concatenate(areas).astype(np.int32), "1", "area of the cell", rule),
            "area_share": _variable("area_cell", np.ones(size), "1", "share of the cell in the area", rule),
            **hexagons(lattice, shapes, critical, **made),
        }
    )


def _weather(o: SyntheticWorld) -> xr.Dataset:
    """A year of hours: season, day, and red noise in wind, cloud and temperature. Not a forecast, not a record."""
    rng = np.random.Generator(np.random.Philox(key=[o.seed, 1]))
    hours = np.arange(HOURS_OF_YEAR)

    def red(memory_hours: float) -> np.ndarray:
        keep = np.exp(-1 / memory_hours)
        noise = rng.standard_normal(HOURS_OF_YEAR) * np.sqrt(1 - keep**2)
        series = np.empty(HOURS_OF_YEAR)
        level = rng.standard_normal()
        for k in range(HOURS_OF_YEAR):
            level = keep * level + noise[k]
            series[k] = level
        return series

    day = hours / 24
    season = np.cos(2 * np.pi * (day - 200) / 365)
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (284 + day) / 365)
    latitude = np.deg2rad(52.1)
    angle = np.deg2rad(15.0) * (hours % 24 + 0.5 - 11.65)  # solar noon near 11:39 UTC at 5.3 degrees east
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    cloud = np.clip(0.62 + 0.33 * red(18), 0, 1)
    radiation = np.maximum(sine, 0) * 990.0 * (1 - 0.75 * cloud**3.4)
    temperature = (
        10.5 + 7.0 * season + 3.0 * red(90) + 3.5 * np.cos(2 * np.pi * (hours % 24 - 14) / 24) * (1 - 0.6 * cloud)
    )
    wind = 4.6 * np.exp(0.45 * red(20) - 0.10) * (1 + 0.12 * np.cos(2 * np.pi * (hours % 24 - 14) / 24))
    direction = (225.0 + 75.0 * red(45)) % 360.0
    wet = np.clip(red(6) + 0.9 * (cloud - 0.75), -5, 5)
    rain = 1.3 * np.maximum(wet - 1.1, 0.0) ** 1.3
    duration = np.where(rain > 0, np.clip(rain / 1.2, 0.1, 1.0), 0.0)
    humidity = np.clip(
        82 - 9 * season * np.maximum(sine, 0) - 14 * np.maximum(sine, 0) * (1 - cloud) + 5 * red(12), 25, 100
    )
    start = datetime(o.year, 1, 1, tzinfo=UTC)
    stamp = np.datetime64(start.replace(tzinfo=None), "s") + np.arange(HOURS_OF_YEAR) * np.timedelta64(3600, "s")
    rule = "season, day and red noise from the seed; no record of any year"
    values = {
        "wind_speed": (wind, "m s-1", "wind speed at 10 m"),
        "wind_direction": (direction, "degree", "direction that the wind comes from"),
        "temperature": (temperature, "degC", "air temperature"),
        "global_radiation": (radiation, "W m-2", "global radiation"),
        "precipitation": (rain, "mm h-1", "precipitation"),
        "rain_duration": (duration, "h", "duration of rain in the hour"),
        "relative_humidity": (humidity, "%", "relative humidity"),
        "cloud_cover": (cloud, "1", "cloud cover"),
        "pressure": (1013.0 + 9.0 * red(60), "hPa", "air pressure at sea level"),
    }
    data = {n: _variable("weather_time", a, u, text, rule) for n, (a, u, text) in values.items()}
    return xr.Dataset(data, {"weather_time": ("weather_time", stamp.astype("datetime64[ns]"))})


def _profiles(o: SyntheticWorld, weather: xr.Dataset) -> dict[str, np.ndarray]:
    """Hourly shares of the year in standard time: homes in the evening, work by day, heat when it is cold."""
    hours = np.arange(HOURS_OF_YEAR)
    hour, day = hours % 24, hours // 24
    weekend = (np.datetime64(f"{o.year}-01-01") + day).astype("datetime64[D]").astype(int) % 7
    weekend = np.isin((weekend + 3) % 7, (5, 6))  # day 0 of the epoch was a Thursday
    season = np.cos(2 * np.pi * (day - 15) / 365)
    evening = np.exp(-0.5 * ((hour - 19.0) / 2.6) ** 2) + 0.5 * np.exp(-0.5 * ((hour - 8.0) / 2.0) ** 2)
    home = (0.55 + evening + 0.15 * weekend * np.exp(-0.5 * ((hour - 13.0) / 3.0) ** 2)) * (1 + 0.18 * season)
    work = 0.45 + np.exp(-0.5 * ((hour - 12.5) / 4.2) ** 4) * np.where(weekend, 0.25, 1.0)
    cold = np.maximum(15.5 - weather["temperature"].values, 0.0)
    inertia = np.convolve(np.r_[cold[-23:], cold], np.full(24, 1 / 24), "valid")  # a day's mean: heavy buildings
    heat = inertia * (
        0.8 + 0.4 * np.exp(-0.5 * ((hour - 7.5) / 2.0) ** 2) + 0.3 * np.exp(-0.5 * ((hour - 18.0) / 3.0) ** 2)
    )
    shapes = {"household": home, "service": work, "industry": 0.8 + 0.2 * work, "heat": heat}
    return {f"profile_{name}": shape / shape.sum() for name, shape in shapes.items()}


def _power(
    o: SyntheticWorld, lattice: xr.Dataset, roads: xr.Dataset, zones: xr.Dataset, weather: xr.Dataset
) -> xr.Dataset:
    """Homes and jobs around the local demand nodes, three substations, and the network synthesised for them."""
    inside = zones["inside"].values == 1
    local = int(inside.sum())
    node = zones["origin_node"].values
    x, y = roads["node_x"].values[node], roads["node_y"].values[node]
    people = np.bincount(
        _nearest_node(lattice, roads, local).ravel(), lattice["population"].values.ravel(), minlength=local
    )
    homes = np.round(people / 2.1)
    jobs = np.round(0.45 * people**1.25 * people.sum() / (people**1.25).sum())
    places = Places(
        x=x[:local], y=y[:local], radius=np.full(local, 0.45 * o.node_spacing), dwellings=homes,
        multi_family=np.round(0.3 * homes), household_energy=2600.0 * homes, heat_pumps=0.06 * homes,
        heat_demand=0.06 * 7500.0 * homes, pv_capacity=0.35 * 3.8 * 0.7 * homes, jobs=jobs,
        service_energy=4300.0 * 0.8 * jobs, industry_energy=12_000.0 * 0.2 * jobs,
    )  # fmt: skip
    order = np.argsort(-people, kind="stable")[:3]
    laid = synthesise(
        places, x[order], y[order], [f"demo-{k}" for k in range(len(order))], _profiles(o, weather),
        origin_x=x, origin_y=y, inside=inside, detailed=(int(order[0]),),
    )  # fmt: skip
    grid = _high_voltage(o, x[order], y[order])
    rule = "a ring of 150 kV through the substations, fed at 380 kV; ratings and impedances by a declared table"
    more = {name: np.array([0.2 * float(laid[name].sum())]) for name in BEYOND}  # a town nearby, at the 380 kV station
    town = Beyond(*grid.vertices[["x", "y"]].to_numpy()[-2:-1].T, **more)
    return join_high_voltage(laid, grid, grid.vertices["kind"].to_numpy() != "outside", beyond=town, rule=rule)


def _high_voltage(o: SyntheticWorld, x: np.ndarray, y: np.ndarray) -> HighVoltageGrid:
    """A ring of 150 kV through the substations at ``x``, ``y`` and a 380 kV station that two circuits feed."""
    middle, far = (float(x.mean()), float(y.mean()) + 1000.0), (o.origin_x - 20e3, o.origin_y)
    count = len(x)
    vertices = pd.DataFrame(
        {
            "x": [*x, middle[0], far[0]], "y": [*y, middle[1], far[1]],
            "kind": ["substation"] * (count + 1) + ["outside"],
            "voltages": [(150_000,)] * count + [(380_000, 150_000), (380_000,)],
            "name": [f"150kV Demo {k}" for k in range(count)] + ["380kV Demo", "380kV beyond"],
        },
        index=np.arange(1, count + 3),
    )  # fmt: skip
    ring = [*range(1, count + 2), 1]  # through the substations and the 380 kV station
    pairs = [*pairwise(ring), (count + 1, count + 2)]
    places = vertices[["x", "y"]].to_numpy()
    length = [max(1.2 * float(np.hypot(*(places[a - 1] - places[b - 1]))), 100.0) for a, b in pairs]
    links = pd.DataFrame(
        {
            "from": [a for a, _ in pairs], "to": [b for _, b in pairs], "length": length,
            "voltages": [(150_000,)] * (count + 1) + [(380_000, 380_000)],
        },
        index=np.arange(1, len(pairs) + 1),
    )  # fmt: skip
    return HighVoltageGrid(vertices, links)

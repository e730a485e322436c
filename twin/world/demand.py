"""The ``zones`` group: zone matrices laid on the nodes of the road network, period by period.

Every trip of the zone matrices either lies between two nodes or is listed as removed: the weights of a zone's nodes
and places add up to 1 for each pair of zones.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import shapely
import xarray as xr

from twin.errors import ConfigError, DataError
from twin.readers.zone_polygons import Municipalities, ZonePolygons
from twin.world.road_rules import ROAD_CLASSES, DemandRules
from twin.world.roads import RoadNodes

__all__ = ["DAY_TYPES", "VEHICLE_CLASSES", "build_zones", "hourly_shares", "mean_battery_electric_share", "zones_group"]

VEHICLE_CLASSES = ("light", "freight")
DAY_TYPES = ("working_day", "saturday", "sunday")
_MOTORWAY = [ROAD_CLASSES.index("motorway"), ROAD_CLASSES.index("ramp")]


@dataclass
class _Ends:
    """Where trips of the zones can begin and end: one entry per zone and node, or per zone, place and node.

    ``mass`` counts in zones whose split depends on the other end, ``home`` and ``work`` where it is fixed.
    """

    zone: np.ndarray  # index of the zone
    node: np.ndarray  # road node
    x: np.ndarray  # where the trip really ends, m
    y: np.ndarray
    mass: np.ndarray
    link_share: np.ndarray  # share of the place's trips on this node
    home: np.ndarray
    work: np.ndarray


def build_zones(
    rules: DemandRules,
    roads: xr.Dataset,
    nodes: RoadNodes,
    zones: ZonePolygons,
    municipalities: Municipalities,
    matrices: dict[str, np.ndarray],
) -> xr.Dataset:
    """Build the ``zones`` group and enter the origins into ``roads["node_origin"]``.

    ``matrices`` maps the sheets ``{class}_{period}`` of the rules to trips (zone, zone). Raises :class:`DataError`
    where a zone has trips but no node, or where the laid and the removed trips do not add up to the matrix (1e-9).
    """
    ends = _ends(rules, roads, nodes, zones, municipalities)
    home, work, flexible = _pair_weights(rules, zones, ends)
    n = roads.sizes["road_node"]
    gather = sp.csr_array((np.ones(len(ends.node)), (ends.node, np.arange(len(ends.node)))), shape=(n, len(ends.node)))
    keep_intrazonal = np.isin(zones.number, rules.core_zones)
    laid = np.zeros((len(rules.period), len(VEHICLE_CLASSES), n, n))
    removed = np.zeros((len(rules.period), len(VEHICLE_CLASSES)))
    for p, period in enumerate(rules.period):
        out = flexible + period.home_share * home + (1 - period.home_share) * work
        back = flexible + (1 - period.home_share) * home + period.home_share * work
        for c, name in enumerate(VEHICLE_CLASSES):
            sheet = f"{getattr(rules.sheets, name)}_{period.sheet}"
            trips = matrices[sheet].astype(np.float64)
            if trips.shape != (len(zones.number),) * 2:
                raise DataError(f"matrix {sheet} is {trips.shape}, but there are {len(zones.number)} zones")
            total = trips.sum()
            intrazonal = np.diag(trips) * ~keep_intrazonal
            trips -= np.diag(intrazonal)
            _check_reachable(trips, out, back, ends, zones, sheet)
            ends_matrix = trips[ends.zone][:, ends.zone] * out[:, ends.zone] * back[:, ends.zone].T
            matrix = gather @ ends_matrix @ gather.T
            same_node = np.trace(matrix)
            np.fill_diagonal(matrix, 0.0)
            laid[p, c], removed[p, c] = matrix, intrazonal.sum() + same_node
            if abs(matrix.sum() + removed[p, c] - total) > 1e-9 * max(total, 1.0):
                raise DataError(
                    f"matrix {sheet}: {matrix.sum():.6f} trips laid on nodes + {removed[p, c]:.6f} removed are not the "
                    f"{total:.6f} of the matrix; the weights of a zone do not add up to 1"
                )
    used = np.flatnonzero(laid.any(axis=(0, 1, 2)) | laid.any(axis=(0, 1, 3)))
    trips = np.ascontiguousarray(laid[:, :, used][:, :, :, used])
    node_origin = np.full(n, -1, dtype=np.int32)
    node_origin[used] = np.arange(len(used))
    roads["node_origin"].values[:] = node_origin
    inside = ~nodes.skeleton[used]
    share = np.zeros((len(zones.number), n))
    np.add.at(share, (ends.zone, ends.node), ends.mass * ends.link_share + ends.home)
    electric = np.where(inside, rules.battery_electric.inside, rules.battery_electric.outside)
    group = zones_group(
        rules,
        origin_node=used,
        origin_zone=zones.number[share.argmax(axis=0)][used],
        inside=inside,
        trips=trips,
        bev_share=electric,
        removed_trips=removed,
    )
    group["trips"].attrs |= {
        "synthetic": 1,
        "rule": "zone matrices split over nodes by population, places by distance to the other end",
    }
    group["bev_share"].attrs |= {"synthetic": 1, "rule": "declared share inside and outside the modelled area"}
    return group


def zones_group(
    rules: DemandRules,
    *,
    origin_node: np.ndarray,
    origin_zone: np.ndarray,
    inside: np.ndarray,
    trips: np.ndarray,
    bev_share: np.ndarray,
    removed_trips: np.ndarray,
) -> xr.Dataset:
    """Write the ``zones`` group from plain arrays; ``trips`` (period, vehicle_class, origin, destination)."""
    shares = hourly_shares(rules, trips.sum(axis=(2, 3)))

    def text(units: str, name: str) -> dict[str, str]:
        return {"units": units, "long_name": name}

    by_trips = ("period", "vehicle_class", "origin", "destination")
    group = xr.Dataset(
        {
            "origin_node": ("origin", origin_node.astype(np.int32), text("1", "road node of the origin")),
            "origin_zone": ("origin", origin_zone.astype(np.int32), text("1", "zone number of the source")),
            "inside": ("origin", inside.astype(np.int8), text("1", "1 where charging is booked in the modelled area")),
            "trips": (by_trips, trips, text("1", "vehicle trips per working day and period")),
            "hourly_share": (
                ("day_type", "vehicle_class", "hour", "period"),
                shares,
                text("1", "trips in the local hour = sum over periods of share times trips"),
            ),
            "home_share": (
                "period",
                np.array([period.home_share for period in rules.period]),
                text("1", "share of trips whose home end is the origin"),
            ),
            "bev_share": (
                "origin",
                bev_share.astype(np.float64),
                text("1", "battery-electric share of light vehicle-kilometres of residents"),
            ),
            "pcu": ("vehicle_class", np.array([rules.pcu.light, rules.pcu.freight]), text("1", "car equivalents")),
            "removed_trips": (
                ("period", "vehicle_class"),
                removed_trips,
                text("1", "trips of the source that are not loaded: intrazonal, or on one node"),
            ),
        },
        coords={
            "period": [period.name for period in rules.period],
            "vehicle_class": list(VEHICLE_CLASSES),
            "day_type": list(DAY_TYPES),
        },
    )
    group["inside"].attrs |= {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "outside inside"}
    group["hourly_share"].attrs |= {"synthetic": 1, "rule": "declared shape of working days and weekends"}
    return group


def hourly_shares(rules: DemandRules, totals: np.ndarray) -> np.ndarray:
    """Shares (day_type, vehicle_class, hour, period) of ``totals`` (period, vehicle_class) trips per working day.

    On a working day each period's shares add up to 1 over its own hours; on a weekend day the rule's one period
    carries its declared part of the working day's total.
    """
    shares = np.zeros((len(DAY_TYPES), len(VEHICLE_CLASSES), 24, len(rules.period)))
    hours = np.concatenate([period.hours for period in rules.period])
    if len(hours) != len(np.unique(hours)) or len(hours) != 24:
        raise ConfigError("demand rules, period: the hours of all periods together must be 0 to 23, each once")
    for c, name in enumerate(VEHICLE_CLASSES):
        for p, period in enumerate(rules.period):
            shape = np.array(getattr(rules.working_day, name))[period.hours]
            shares[0, c, period.hours, p] = _normal(shape, f"working_day.{name}")
        for d, weekend in ((1, rules.saturday), (2, rules.sunday)):
            p = _period(rules, weekend.period)
            level = getattr(weekend, f"{name}_total") * totals[:, c].sum()
            if level > 0 and totals[p, c] == 0:
                raise ConfigError(f"demand rules: period {weekend.period!r} has no {name} trips to carry the weekend")
            shape = _normal(np.array(getattr(weekend, name)), f"{DAY_TYPES[d]}.{name}")
            shares[d, c, :, p] = shape * (level / totals[p, c] if level > 0 else 0.0)
    return shares


def mean_battery_electric_share(zones: xr.Dataset) -> float:
    """Battery-electric share of all light trips: the origins' shares weighted with their trips."""
    light = zones["trips"].to_numpy()[:, VEHICLE_CLASSES.index("light")]
    weight = light.sum(axis=(0, 1)) + light.sum(axis=(0, 2))
    total = weight.sum()
    return float(weight @ zones["bev_share"].to_numpy() / total) if total > 0 else 0.0


def _normal(shape: np.ndarray, where: str) -> np.ndarray:
    if not shape.sum() > 0:
        raise ConfigError(f"demand rules, {where}: all weights of a period are zero; give it a shape")
    return shape / shape.sum()


def _period(rules: DemandRules, name: str) -> int:
    names = [period.name for period in rules.period]
    if name not in names:
        raise ConfigError(f"demand rules: no period {name!r}; it has {', '.join(names)}")
    return names.index(name)


def _ends(
    rules: DemandRules, roads: xr.Dataset, nodes: RoadNodes, zones: ZonePolygons, municipalities: Municipalities
) -> _Ends:
    x, y = roads["node_x"].to_numpy(), roads["node_y"].to_numpy()
    tree = shapely.STRtree(zones.polygon)
    graph = np.flatnonzero(~nodes.skeleton)
    zone_of = np.full(len(x), -1)
    zone_of[graph] = tree.nearest(shapely.points(x[graph], y[graph]))
    # A node on motorways and ramps alone is no place where trips begin.
    real = roads["reported"].to_numpy() == 1
    local = real & ~np.isin(roads["road_class"].to_numpy(), _MOTORWAY)
    eligible = np.zeros(len(x), dtype=bool)
    eligible[roads["from_node"].to_numpy()[local]] = True
    eligible[roads["to_node"].to_numpy()[local]] = True
    eligible &= ~nodes.skeleton
    fixed = {rule.zone: rule.nodes for rule in rules.fixed}
    on_graph = [*rules.core_zones, *rules.graph_zones]
    rows: list[tuple[float, ...]] = []  # zone, node, x, y, mass, link_share, home, work
    for z, number in enumerate(zones.number):
        members = np.flatnonzero(eligible & (zone_of == z))
        if number in fixed:
            _check_sum(fixed[number], number)
            for name, value in fixed[number].items():
                i = _index(nodes.name, name, number)
                rows.append((z, i, x[i], y[i], 0.0, 0.0, value, value))
        elif number in on_graph:
            if not len(members):
                raise DataError(f"zone {number} ({zones.name[z]}) has no road node; take it out of the graph's zones")
            people = nodes.population[members]
            uniform = np.full(len(members), 1 / len(members))
            by_people = people / people.sum() if people.sum() > 0 else uniform
            h, w = rules.home_population_weight, rules.work_population_weight
            home, work = h * by_people + (1 - h) * uniform, w * by_people + (1 - w) * uniform
            rows += [(z, int(i), x[i], y[i], 0.0, 0.0, float(a), float(b)) for i, a, b in zip(members, home, work)]
        else:
            rows += [(z, int(i), x[i], y[i], float(nodes.population[i]), 1.0, 0.0, 0.0) for i in members]
    taken = {*fixed, *on_graph}
    rows += _places(rules, x, y, nodes, zones, municipalities, tree, taken, graph)
    table = np.array(rows)
    zone, node = table[:, 0].astype(int), table[:, 1].astype(int)
    return _Ends(zone, node, *(np.ascontiguousarray(table[:, k]) for k in range(2, 8)))


def _index(names: list[str], name: str, zone: int) -> int:
    if name not in names:
        raise ConfigError(f"demand rules, fixed zone {zone}: no road node {name!r}; correct the node's id")
    return names.index(name)


def _check_sum(shares: dict[str, float], zone: int) -> None:
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise ConfigError(f"demand rules, fixed zone {zone}: shares add up to {sum(shares.values()):g}, not to 1")


def _places(
    rules: DemandRules,
    x: np.ndarray,
    y: np.ndarray,
    nodes: RoadNodes,
    zones: ZonePolygons,
    municipalities: Municipalities,
    tree: shapely.STRtree,
    taken: set[int],
    graph: np.ndarray,
) -> list[tuple[float, ...]]:
    """Municipalities as places of the outer zones, each on its nearest skeleton nodes."""
    points = [shape.representative_point() for shape in municipalities.polygon]
    zone_of = tree.nearest(points)
    # People who already live on graph nodes are not counted again in their municipality.
    node_points = shapely.points(x[graph], y[graph])
    municipal = shapely.STRtree(municipalities.polygon)
    inside = municipal.query(node_points, predicate="within")
    counted = np.bincount(inside[1], nodes.population[graph][inside[0]], minlength=len(points))
    places = [
        (int(z), point.x, point.y, max(float(people - known), 0.0))
        for z, point, people, known in zip(zone_of, points, municipalities.inhabitants, counted)
        if zones.number[z] not in taken
    ]
    seen = {place[0] for place in places}
    for z, number in enumerate(zones.number):
        if number not in taken and z not in seen:
            point = zones.polygon[z].representative_point()
            places.append((z, point.x, point.y, 1.0))
    skeleton = np.flatnonzero(nodes.skeleton)
    if places and not len(skeleton):
        raise ConfigError(
            f"zone {zones.number[places[0][0]]} lies outside the graph, but there is no skeleton to reach it"
        )
    rows: list[tuple[float, ...]] = []
    for z, px, py, mass in places:
        distance = np.hypot(x[skeleton] - px, y[skeleton] - py)
        near = np.argsort(distance, kind="stable")[: rules.place_links]
        weight = 1 / np.maximum(distance[near], rules.place_distance_floor)
        rows += [(z, skeleton[i], px, py, mass, w, 0.0, 0.0) for i, w in zip(near, weight / weight.sum())]
    return rows


def _pair_weights(rules: DemandRules, zones: ZonePolygons, ends: _Ends) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (end, other zone) of home ends, work ends, and ends whose split depends on the other zone.

    In a flexible zone an end weighs mass * exp(-distance to the other zone's centre / reach); over each zone the
    weights add up to 1 for every other zone.
    """
    n = len(zones.number)
    points = [polygon.representative_point() for polygon in zones.polygon]
    centre_x, centre_y = np.array([point.x for point in points]), np.array([point.y for point in points])
    outer = np.isin(zones.number, rules.outer_zones)
    reach = np.where(outer, rules.outer_reach, rules.reach) * 1000.0
    flexible_end = ends.link_share > 0
    for z in np.flatnonzero(outer):
        mine = flexible_end & (ends.zone == z)
        distance = np.hypot(ends.x - rules.focus[0], ends.y - rules.focus[1])
        weight = ends.mass * ends.link_share * np.exp(-distance / reach[z]) * mine
        if weight.sum() > 0:
            centre_x[z], centre_y[z] = weight @ ends.x / weight.sum(), weight @ ends.y / weight.sum()
    distance = np.hypot(ends.x[:, None] - centre_x, ends.y[:, None] - centre_y)
    # Relative to the nearest end of the zone: the shares are the same, and exp cannot underflow in all of them.
    nearest = np.full((n, n), np.inf)
    np.minimum.at(nearest, ends.zone[flexible_end], distance[flexible_end])
    relative = np.where(flexible_end[:, None], distance - nearest[ends.zone], 0.0)
    weight = (ends.mass * ends.link_share)[:, None] * np.exp(-relative / reach[ends.zone][:, None])
    total = np.zeros((n, n))
    np.add.at(total, ends.zone, weight)
    flexible = np.divide(weight, total[ends.zone], out=np.zeros_like(weight), where=total[ends.zone] > 0)
    spread = np.ones((1, n))
    return ends.home[:, None] * spread, ends.work[:, None] * spread, flexible


def _check_reachable(
    trips: np.ndarray, out: np.ndarray, back: np.ndarray, ends: _Ends, zones: ZonePolygons, sheet: str
) -> None:
    """Refuse trips of a zone whose weights do not add up to 1: they would vanish."""
    for what, weight, active in (("from", out, trips > 0), ("to", back, trips.T > 0)):
        total = np.zeros(trips.shape)
        np.add.at(total, ends.zone, weight)
        lost = active & (abs(total - 1) > 1e-9)
        if lost.any():
            a, b = np.argwhere(lost)[0]
            raise DataError(
                f"matrix {sheet}: zone {zones.number[a]} ({zones.name[a]}) has trips {what} {zones.number[b]}, but "
                f"no node or place to lay them on; give it a place or fixed shares"
            )

"""The schema of the world (docs/world.md) as data, and the check of a built tree against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from twin.errors import DataError, UnitError
from twin.world.network_check import check_network

__all__ = ["SCHEMA", "Field", "check"]

SUM_TOLERANCE = 1e-9  # of shares that add up to 1 by construction
AREA_TOLERANCE = 1e-3  # of covered shares of cells: single precision and overlapping parts of one area
_INF = float("inf")


@dataclass(frozen=True)
class Field:
    """What one variable must be: dims, units, dtype kind, allowed values."""

    dims: tuple[str, ...]
    units: str = "1"
    kind: str = "f8"  # f8, i4, i1 (any integer is read as index or code), S text
    least: float = -_INF
    most: float = _INF
    above: float | None = None  # strictly above
    index_of: str | None = None  # dim whose positions the values are
    none: bool = False  # an index may be -1: none
    empty: bool = False  # NaN is allowed and has a meaning
    optional: bool = False


def _fields(dims: str, **fields: Field | tuple[Any, ...]) -> dict[str, Field]:
    """Fields of a group; a tuple stands for numbers over ``dims``: (units, least, most)."""
    shared = tuple(dims.split())
    return {name: f if isinstance(f, Field) else _number(shared, *f) for name, f in fields.items()}


def _number(dims: tuple[str, ...], units: str, least: float = -_INF, most: float = _INF) -> Field:
    return Field(dims, units, "f8", least, most)


def _index(dims: str, of: str, *, none: bool = False) -> Field:
    return Field(tuple(dims.split()), "1", "i4", index_of=of, none=none)


def _code(dims: str, least: int, most: int) -> Field:
    return Field(tuple(dims.split()), "1", "i1", least, most)


def _text(dims: str) -> Field:
    return Field(tuple(dims.split()), "1", "S")


SCHEMA: dict[str, dict[str, Field]] = {
    "lattice": _fields(
        "y x",
        elevation=Field(("y", "x"), "m", least=-500.0, most=9000.0),
        land_use=_code("y x", 1, 9),
        roughness_length=Field(("y", "x"), "m", above=0.0, most=10.0),
        province=_code("y x", 0, 1),
        population=("1", 0.0),
        background_deposition=("mol ha-1 yr-1", 0.0),
        background_nh3=("ug m-3", 0.0),
    ),
    "roads": _fields(
        "road_link",
        node_x=Field(("road_node",), "m"),
        node_y=Field(("road_node",), "m"),
        node_z=Field(("road_node",), "m"),
        node_origin=_index("road_node", "origin", none=True),
        from_node=_index("road_link", "road_node"),
        to_node=_index("road_link", "road_node"),
        length=Field(("road_link",), "m", above=0.0),
        free_flow_time=Field(("road_link",), "s", above=0.0),
        capacity=Field(("road_link",), "h-1", above=0.0),
        bpr_b=("1", 0.0),
        bpr_power=("1", 0.0),
        lanes=Field(("road_link",), "1", above=0.0),
        road_class=_code("road_link", 0, 8),
        speed_limit=Field(("road_link",), "km h-1", above=0.0, most=200.0),
        reported=_code("road_link", 0, 1),
        link_id=_text("road_link"),
        vertex_start=_index("road_link", "road_vertex"),
        vertex_x=Field(("road_vertex",), "m"),
        vertex_y=Field(("road_vertex",), "m"),
        cell_link=_index("link_cell", "road_link"),
        cell_index=_index("link_cell", "cell"),
        cell_share=Field(("link_cell",), least=0.0, most=1.0 + SUM_TOLERANCE),
    ),
    "zones": _fields(
        "origin",
        origin_node=_index("origin", "road_node"),
        origin_zone=Field(("origin",), "1", "i4"),
        inside=_code("origin", 0, 1),
        trips=Field(("period", "vehicle_class", "origin", "destination"), least=0.0),
        hourly_share=Field(("day_type", "vehicle_class", "hour", "period"), least=0.0),
        home_share=Field(("period",), least=0.0, most=1.0),
        bev_share=("1", 0.0, 1.0),
        pcu=Field(("vehicle_class",), above=0.0),
        removed_trips=Field(("period", "vehicle_class"), least=0.0),
    ),
    "sources": _fields(
        "source",
        x=("m",),
        y=("m",),
        height=("m", 0.0, 500.0),
        heat_content=("MW", 0.0),
        diameter=("m", 0.0),
        nox=("g s-1", 0.0),
        nh3=("g s-1", 0.0),
        source_group=_code("source", 0, 5),
        time_profile=_code("source", 0, 4),
    ),
    "receptors": _fields(
        "area_cell",
        name=_text("area"),
        critical_load=Field(("area",), "mol ha-1 yr-1", above=0.0, empty=True),
        area_cell=_index("area_cell", "cell"),
        area_index=_index("area_cell", "area"),
        area_share=("1", 0.0, 1.0 + AREA_TOLERANCE),
        hexagon_number=Field(("hexagon",), "1", "i4", optional=True),
        hexagon_x=Field(("hexagon",), "m", optional=True),
        hexagon_y=Field(("hexagon",), "m", optional=True),
        hexagon_cell=Field(("hexagon",), "1", "i4", index_of="cell", optional=True),
        hexagon_area=Field(("hexagon",), "1", "i4", index_of="area", optional=True),
        hexagon_critical_load=Field(("hexagon",), "mol ha-1 yr-1", above=0.0, optional=True),
    ),
    "power": _fields(
        "bus",
        bus_x=("m",),
        bus_y=("m",),
        bus_id=_text("bus"),
        bus_voltage_rated=Field(("bus",), "V", above=0.0),
        bus_kind=_code("bus", 0, 3),
        branch_from=_index("branch", "bus"),
        branch_to=_index("branch", "bus"),
        branch_kind=_code("branch", 0, 2),
        branch_id=_text("branch"),
        resistance=Field(("branch",), "ohm", least=0.0),
        reactance=Field(("branch",), "ohm"),
        susceptance=Field(("branch",), "S"),
        ratio=Field(("branch",), above=0.0),
        s_rated=Field(("branch",), "VA", above=0.0),
        source_voltage=Field(("bus",), above=0.0, empty=True),
        grid_voltage=Field(("bus",), least=0.0, optional=True),
        tap_step=Field(("branch",), least=0.0, optional=True),
        tap_most=Field(("branch",), "1", "i1", 0, 127, optional=True),
        branch_basis=Field(("branch",), "1", "i1", 0, 5, optional=True),
        beyond_household_energy=Field(("bus",), "kWh yr-1", least=0.0, optional=True),
        beyond_heat_demand=Field(("bus",), "kWh yr-1", least=0.0, optional=True),
        beyond_service_energy=Field(("bus",), "kWh yr-1", least=0.0, optional=True),
        beyond_industry_energy=Field(("bus",), "kWh yr-1", least=0.0, optional=True),
        beyond_pv_capacity=Field(("bus",), "kW", least=0.0, optional=True),
        opening_from=Field(("opening",), "1", "i4", index_of="bus", optional=True),
        opening_to=Field(("opening",), "1", "i4", index_of="bus", optional=True),
        opening_resistance=Field(("opening",), "ohm", least=0.0, optional=True),
        opening_reactance=Field(("opening",), "ohm", optional=True),
        opening_susceptance=Field(("opening",), "S", optional=True),
        opening_s_rated=Field(("opening",), "VA", above=0.0, optional=True),
        dwellings=("1", 0.0),
        multi_family=("1", 0.0),
        household_energy=("kWh yr-1", 0.0),
        heat_pumps=("1", 0.0),
        heat_demand=("kWh yr-1", 0.0),
        pv_capacity=("kW", 0.0),
        service_energy=("kWh yr-1", 0.0),
        industry_energy=("kWh yr-1", 0.0),
        charge_origin=_index("charge", "origin"),
        charge_bus=_index("charge", "bus"),
        charge_share=Field(("charge",), least=0.0, most=1.0 + SUM_TOLERANCE),
        profile_household=Field(("profile_hour",), least=0.0),
        profile_service=Field(("profile_hour",), least=0.0),
        profile_industry=Field(("profile_hour",), least=0.0),
        profile_heat=Field(("profile_hour",), least=0.0),
        profile_hot_water=Field(("profile_hour",), least=0.0, optional=True),
    ),
    "buildings": _fields(
        "building",
        building_id=_text("building"),
        bag_id=_text("building"),
        x=("m",),
        y=("m",),
        ground=("m", -50.0, 400.0),
        height=("m", 0.0, 1000.0),
        footprint=("m2", 0.0),
        bus=_index("building", "bus", none=True),
        load_share=("1", 0.0, 1.0 + SUM_TOLERANCE),
        vertex_x=Field(("building_vertex",), "m"),
        vertex_y=Field(("building_vertex",), "m"),
        vertex_z=Field(("building_vertex",), "m"),
        triangle=_index("building_triangle corner", "building_vertex"),
        triangle_building=_index("building_triangle", "building"),
        triangle_kind=_code("building_triangle", 0, 2),
    ),
    "weather": _fields(
        "weather_time",
        wind_speed=("m s-1", 0.0, 100.0),
        wind_direction=Field(("weather_time",), "degree", least=0.0, most=360.0, empty=True),
        temperature=("degC", -60.0, 60.0),
        global_radiation=("W m-2", 0.0, 1500.0),
        precipitation=("mm h-1", 0.0, 500.0),
        rain_duration=("h", 0.0, 1.0),
        relative_humidity=("%", 0.0, 100.0),
        cloud_cover=("1", 0.0, 1.0),
        pressure=("hPa", 800.0, 1100.0),
    ),
    "factors": {
        "emission_factor": Field(
            ("substance", "vehicle_class", "speed_class", "traffic_state"), "g km-1", least=0.0, empty=True
        )
    },
}

OPTIONAL_GROUPS = frozenset({"buildings"})


def check(tree: xr.DataTree) -> None:
    """Check a world against the schema and against itself.

    Raises :class:`DataError` (:class:`UnitError` for a unit) naming group, variable, position and cure: missing
    variables, other dims, units or types, values that are missing or out of range, indices that point nowhere, a
    lattice that is not square and ascending, a road of zero length, zones without a path, shares that do not add
    up, hours that do not follow each other. Whether every bus is fed is for the power flow to say.
    """
    sizes = _sizes(tree)
    for group, fields in SCHEMA.items():
        if group not in tree.children and group in OPTIONAL_GROUPS:
            continue
        if group not in tree.children:
            raise DataError(f"world: no group {group!r}; build it as docs/world.md says")
        dataset = tree[group].dataset
        for name, field in fields.items():
            if name not in dataset.variables:
                if field.optional:
                    continue
                raise DataError(f"world: {group}/{name} is missing; build it as docs/world.md says")
            _check_field(f"world: {group}/{name}", dataset[name], field, sizes)
    _check_lattice(tree["lattice"].dataset)
    _check_roads(tree["roads"].dataset, tree["zones"].dataset)
    _check_zones(tree["zones"].dataset)
    _check_power(tree["power"].dataset, tree["zones"].dataset)
    _check_weather(tree["weather"].dataset)


def _sizes(tree: xr.DataTree) -> dict[str, int]:
    """Length of every dim; one name has one length in the whole tree, but for the origin's two names."""
    sizes: dict[str, int] = {}
    for group, node in tree.children.items():
        for dim, n in node.sizes.items():
            name = str(dim)
            if sizes.setdefault(name, n) != n:
                raise DataError(f"world: {group}: dim {name!r} has {n} entries, {sizes[name]} in another group")
    if sizes.get("destination", 0) != sizes.get("origin", 0):
        raise DataError(f"world: zones: {sizes.get('origin')} origins but {sizes.get('destination')} destinations")
    sizes["cell"] = sizes.get("y", 0) * sizes.get("x", 0)
    return sizes


def _check_field(where: str, array: xr.DataArray, field: Field, sizes: Mapping[str, int]) -> None:
    if array.dims != field.dims:
        raise DataError(f"{where}: dims are {array.dims}, {field.dims} are wanted")
    units = array.attrs.get("units")
    if units != field.units:
        raise UnitError(f"{where}: units are {units!r}, {field.units!r} are wanted; convert and label it")
    kinds = {"f8": "f", "i4": "iu", "i1": "iu", "S": "SUO"}[field.kind]
    if array.dtype.kind not in kinds or (field.kind == "f8" and array.dtype != np.float64):
        raise DataError(f"{where}: is {array.dtype}, {field.kind} is wanted; convert it")
    if field.kind == "S":
        return
    values = array.values
    if not values.flags.c_contiguous:
        raise DataError(f"{where}: is not C-contiguous; pass it through numpy.ascontiguousarray")
    low, high = field.least, field.most
    if field.index_of is not None:
        low, high = (-1 if field.none else 0), sizes.get(field.index_of, 0) - 1
    known = np.isfinite(values)
    bad = ~known & ~(np.isnan(values) if field.empty else np.zeros(values.shape, bool))
    if bad.any():
        raise DataError(f"{where}: no finite value at {_at(array, bad)}; fill it by a rule or drop the entry")
    wrong = known & ((values < low) | (values > high))
    if wrong.any():
        target = f" into {field.index_of!r}" if field.index_of else ""
        raise DataError(
            f"{where}: {values[wrong][0]:g} at {_at(array, wrong)} is outside {low:g} to {high:g}{target}; correct it"
        )
    if field.above is not None:
        wrong = known & ~(values > field.above)
        if wrong.any():
            raise DataError(
                f"{where}: {values[wrong][0]:g} at {_at(array, wrong)} must be above {field.above:g}; correct it"
            )


def _at(array: xr.DataArray, wrong: np.ndarray) -> str:
    """Position of the first wrong value, dim by dim."""
    first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return ", ".join(f"{dim} {i}" for dim, i in zip(array.dims, first, strict=True)) or "its single value"


def _check_lattice(lattice: xr.Dataset) -> None:
    size = lattice.attrs.get("cell_size")
    if size is None or not size > 0:
        raise DataError("world: lattice: attribute cell_size [m] is missing or not above zero")
    if int(lattice.attrs.get("epsg", 0)) != 28992:
        raise DataError(f"world: lattice: epsg is {lattice.attrs.get('epsg')}, 28992 (RD New) is wanted; reproject")
    for axis in ("x", "y"):
        centres = lattice[axis].values
        if len(centres) > 1 and not np.allclose(np.diff(centres), size, rtol=0, atol=1e-6 * size):
            raise DataError(f"world: lattice/{axis}: cell centres must ascend by cell_size = {size:g} m")


def _check_roads(roads: xr.Dataset, zones: xr.Dataset) -> None:
    start = roads["vertex_start"].values
    if (np.diff(np.r_[start, roads.sizes["road_vertex"]]) < 2).any() or (len(start) and start[0] != 0):
        raise DataError("world: roads/vertex_start: each link needs two vertices or more, one link after the other")
    share = np.bincount(roads["cell_link"].values, roads["cell_share"].values, minlength=roads.sizes["road_link"])
    if (share > 1 + 1e-6).any():
        link = int(np.argmax(share > 1 + 1e-6))
        raise DataError(
            f"world: roads/cell_share: shares of link {link} add up to {share[link]:g}, more than its length"
        )
    node = zones["origin_node"].values
    back = roads["node_origin"].values[node]
    twice = back != np.arange(len(node))
    if twice.any():
        raise DataError(
            f"world: zones/origin_node: origin {int(np.argmax(twice))} is not the origin of its node in "
            f"roads/node_origin; one node holds one origin"
        )
    links = (roads["from_node"].values, roads["to_node"].values, roads.sizes["road_node"])
    if not len(check_network(*links, zone_node=node).cut_off_zones):
        return
    found = check_network(*links, zone_node=node, trips=zones["trips"].values.sum(axis=(0, 1))).unreachable
    if len(found):
        a, b = (int(roads["node_origin"].values[n]) for n in found[0])
        number = zones["origin_zone"].values
        raise DataError(
            f"world: zones: {len(found)} pairs of origins have trips and no path, first origin {a} (zone {number[a]}) "
            f"to {b} (zone {number[b]}); connect the zone to the road network or remove its trips"
        )


def _check_zones(zones: xr.Dataset) -> None:
    trips = zones["trips"].values
    own = np.einsum("pvii->i", trips)
    if own.any():
        raise DataError(
            f"world: zones/trips: origin {int(np.argmax(own > 0))} has trips to itself; count them in removed_trips"
        )


def _check_power(power: xr.Dataset, zones: xr.Dataset) -> None:
    a, b = power["branch_from"].values, power["branch_to"].values
    if (a == b).any():
        raise DataError(f"world: power: branch {int(np.argmax(a == b))} joins a bus to itself; remove it")
    inside = zones["inside"].values == 1
    share = np.bincount(power["charge_origin"].values, power["charge_share"].values, minlength=len(inside))
    wrong = inside & ~((share > 0) & (share <= 1 + SUM_TOLERANCE))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise DataError(
            f"world: power/charge_share: shares of origin {k} add up to {share[k]:g}; the part of its homes that is on "
            "the network is wanted, 1 where all are"
        )
    for name in [str(n) for n in power.data_vars if str(n).startswith("profile_")]:
        total = float(power[name].sum())
        if abs(total - 1) > 1e-6:
            raise DataError(f"world: power/{name}: adds up to {total:g} over the year, 1 is wanted; divide by its sum")


def _check_weather(weather: xr.Dataset) -> None:
    stamps = weather["weather_time"].values
    step = np.diff(stamps) != np.timedelta64(1, "h")
    if step.any():
        when = np.datetime_as_string(stamps[int(np.argmax(step))], unit="m")
        raise DataError(f"world: weather: the hour after {when} UTC does not follow; give every hour once, in order")

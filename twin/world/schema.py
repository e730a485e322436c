"""The schema of docs/world.md as data, and the check that every built world passes before it runs."""

import numpy as np
import xarray as xr

from twin.errors import DataError, UnitError

__all__ = ["SCHEMA", "check"]

F, I, C, T = "f", "i", "i", "S"  # noqa: E741 - float, index, code, text

# group -> variable -> (dims, units, kind)
SCHEMA: dict[str, dict[str, tuple[tuple[str, ...], str, str]]] = {
    "lattice": {
        "elevation": (("y", "x"), "m", F),
        "land_use": (("y", "x"), "1", C),
        "roughness_length": (("y", "x"), "m", F),
        "province": (("y", "x"), "1", C),
        "population": (("y", "x"), "1", F),
        "background_deposition": (("y", "x"), "mol ha-1 yr-1", F),
        "background_nh3": (("y", "x"), "ug m-3", F),
    },
    "roads": {
        "node_x": (("road_node",), "m", F),
        "node_y": (("road_node",), "m", F),
        "node_z": (("road_node",), "m", F),
        "node_origin": (("road_node",), "1", I),
        "from_node": (("road_link",), "1", I),
        "to_node": (("road_link",), "1", I),
        "length": (("road_link",), "m", F),
        "free_flow_time": (("road_link",), "s", F),
        "capacity": (("road_link",), "h-1", F),
        "bpr_b": (("road_link",), "1", F),
        "bpr_power": (("road_link",), "1", F),
        "lanes": (("road_link",), "1", F),
        "road_class": (("road_link",), "1", C),
        "speed_limit": (("road_link",), "km h-1", F),
        "reported": (("road_link",), "1", C),
        "link_id": (("road_link",), "1", T),
        "vertex_start": (("road_link",), "1", I),
        "vertex_x": (("road_vertex",), "m", F),
        "vertex_y": (("road_vertex",), "m", F),
        "cell_link": (("link_cell",), "1", I),
        "cell_index": (("link_cell",), "1", I),
        "cell_share": (("link_cell",), "1", F),
    },
    "zones": {
        "origin_node": (("origin",), "1", I),
        "origin_zone": (("origin",), "1", I),
        "inside": (("origin",), "1", C),
        "trips": (("period", "vehicle_class", "origin", "destination"), "1", F),
        "hourly_share": (("day_type", "vehicle_class", "hour", "period"), "1", F),
        "home_share": (("period",), "1", F),
        "bev_share": (("origin",), "1", F),
        "pcu": (("vehicle_class",), "1", F),
        "removed_trips": (("period", "vehicle_class"), "1", F),
    },
    "sources": {
        "x": (("source",), "m", F),
        "y": (("source",), "m", F),
        "height": (("source",), "m", F),
        "heat_content": (("source",), "MW", F),
        "diameter": (("source",), "m", F),
        "nox": (("source",), "g s-1", F),
        "nh3": (("source",), "g s-1", F),
        "source_group": (("source",), "1", C),
        "time_profile": (("source",), "1", C),
    },
    "receptors": {
        "name": (("area",), "1", T),
        "area_cell": (("area_cell",), "1", I),
        "area_index": (("area_cell",), "1", I),
        "area_share": (("area_cell",), "1", F),
    },
    "power": {
        "bus_x": (("bus",), "m", F),
        "bus_y": (("bus",), "m", F),
        "bus_id": (("bus",), "1", T),
        "bus_voltage_rated": (("bus",), "V", F),
        "bus_kind": (("bus",), "1", C),
        "branch_from": (("branch",), "1", I),
        "branch_to": (("branch",), "1", I),
        "branch_kind": (("branch",), "1", C),
        "branch_id": (("branch",), "1", T),
        "resistance": (("branch",), "ohm", F),
        "reactance": (("branch",), "ohm", F),
        "susceptance": (("branch",), "S", F),
        "ratio": (("branch",), "1", F),
        "s_rated": (("branch",), "VA", F),
        "dwellings": (("bus",), "1", F),
        "multi_family": (("bus",), "1", F),
        "household_energy": (("bus",), "kWh yr-1", F),
        "heat_pumps": (("bus",), "1", F),
        "heat_demand": (("bus",), "kWh yr-1", F),
        "pv_capacity": (("bus",), "kW", F),
        "service_energy": (("bus",), "kWh yr-1", F),
        "industry_energy": (("bus",), "kWh yr-1", F),
        "charge_origin": (("charge",), "1", I),
        "charge_bus": (("charge",), "1", I),
        "charge_share": (("charge",), "1", F),
        "profile_household": (("profile_hour",), "1", F),
        "profile_service": (("profile_hour",), "1", F),
        "profile_industry": (("profile_hour",), "1", F),
        "profile_heat": (("profile_hour",), "1", F),
    },
    "weather": {
        "wind_speed": (("weather_time",), "m s-1", F),
        "temperature": (("weather_time",), "degC", F),
        "global_radiation": (("weather_time",), "W m-2", F),
        "precipitation": (("weather_time",), "mm h-1", F),
        "rain_duration": (("weather_time",), "h", F),
        "relative_humidity": (("weather_time",), "%", F),
        "cloud_cover": (("weather_time",), "1", F),
        "pressure": (("weather_time",), "hPa", F),
    },
}

# index variable -> dimension that it points into; -1 is allowed where "none" has a meaning
POINTS = {
    "roads/from_node": "road_node",
    "roads/to_node": "road_node",
    "roads/node_origin": "origin",
    "roads/cell_link": "road_link",
    "zones/origin_node": "road_node",
    "receptors/area_index": "area",
    "power/branch_from": "bus",
    "power/branch_to": "bus",
    "power/charge_origin": "origin",
    "power/charge_bus": "bus",
}
NONE_ALLOWED = {"roads/node_origin"}
POSITIVE = ("roads/length", "roads/free_flow_time", "roads/capacity", "power/s_rated", "power/bus_voltage_rated")
NOT_NEGATIVE = (
    "lattice/roughness_length", "zones/trips", "zones/hourly_share", "sources/nox", "sources/nh3",
    "power/household_energy", "power/heat_demand", "power/pv_capacity", "power/charge_share", "weather/wind_speed",
    "weather/global_radiation",
)  # fmt: skip


def check(world: xr.DataTree) -> None:
    """Raise :class:`DataError` or :class:`UnitError` naming group, variable, row and cure at the first fault."""
    for group, variables in SCHEMA.items():
        if group not in world.children:
            raise DataError(f"world: no group {group!r}; its builder left it out (docs/world.md)")
        data = world[group].ds
        for name, (dims, units, kind) in variables.items():
            _check_variable(data, f"{group}/{name}", dims, units, kind)
    _check_coordinates(world["lattice"].ds)
    for path, dim in POINTS.items():
        group, name = path.split("/")
        values = world[group].ds[name].values
        size = next(n.sizes[dim] for n in world.subtree if dim in n.sizes)
        lowest = -1 if path in NONE_ALLOWED else 0
        wrong = (values < lowest) | (values >= size)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"world {path}[{row}] = {values[row]} points outside the {size} entries of {dim}")
    cells = world["lattice"].sizes["y"] * world["lattice"].sizes["x"]
    for path in ("roads/cell_index", "receptors/area_cell"):
        group, name = path.split("/")
        values = world[group].ds[name].values
        if len(values) and (values.min() < 0 or values.max() >= cells):
            raise DataError(f"world {path}: a cell index lies outside the {cells} cells of the lattice")


def _check_variable(data: xr.Dataset, path: str, dims: tuple[str, ...], units: str, kind: str) -> None:
    name = path.split("/")[1]
    if name not in data:
        raise DataError(f"world {path}: is missing; its builder left it out (docs/world.md)")
    variable = data[name]
    if variable.dims != dims:
        raise DataError(f"world {path}: has dims {variable.dims}, {dims} are wanted")
    have = variable.attrs.get("units")
    if have != units:
        raise UnitError(f"world {path}: is in {have!r}, {units!r} is wanted; convert it where it is read")
    values = variable.values
    if values.dtype.kind not in {"f": "f", "i": "iu", "S": "SU"}[kind]:
        raise DataError(f"world {path}: is of type {values.dtype}, wanted is {kind!r}")
    if kind != "f":
        return
    if not np.isfinite(values).all():
        row = np.argwhere(~np.isfinite(values))[0]
        raise DataError(f"world {path}{list(map(int, row))}: {values[tuple(row)]}; fill it at its source, with a flag")
    least = 0.0 if path in NOT_NEGATIVE else -np.inf
    wrong = values <= 0 if path in POSITIVE else values < least
    if wrong.any():
        row = np.argwhere(wrong)[0]
        what = "above zero" if path in POSITIVE else "not below zero"
        raise DataError(f"world {path}{list(map(int, row))} = {values[tuple(row)]:g}; it must be {what}")


def _check_coordinates(lattice: xr.Dataset) -> None:
    """Square cells, ascending, of the declared size."""
    size = lattice.attrs.get("cell_size", np.nan)
    for axis in ("y", "x"):
        step = np.diff(lattice[axis].values)
        if not np.allclose(step, size, rtol=1e-9):
            raise DataError(f"world lattice/{axis}: centres must ascend by cell_size = {size}; first step {step[0]:g}")

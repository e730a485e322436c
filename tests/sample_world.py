"""A tiny province in the schema of docs/world.md: relief, 6 links, 2 classes, 3 buses, one nature area."""

import numpy as np
import xarray as xr

from twin.records import ResultVariable

X0, Y0, CELL = 80000.0, 430000.0, 500.0


def _var(dims, values, units="1", long_name="", **attrs):
    return (dims, np.asarray(values), {"units": units, "long_name": long_name or dims[-1], **attrs})


def ground(x, y):
    """Height [m NAP] of the sample's ground: smooth, below and above zero."""
    return 3.0 * np.sin((x - X0) / 900.0) + 2.0 * np.cos((y - Y0) / 700.0)


def sample_world(nx=7, ny=5, missing_corner=True):
    """The tree; with ``missing_corner`` one corner cell has no height, as the sea has none."""
    x, y = X0 + CELL * (np.arange(nx) + 0.5), Y0 + CELL * (np.arange(ny) + 0.5)
    height = ground(x[None, :], y[:, None])
    if missing_corner:
        height[0, -1] = np.nan
    lattice = xr.Dataset(
        {
            "elevation": _var(("y", "x"), height, "m", "ground above NAP"),
            "land_use": _var(("y", "x"), np.ones((ny, nx), "i1"), "1", "DEPAC class"),
            "province": _var(("y", "x"), np.ones((ny, nx), "i1"), "1", "1 inside the province"),
            "population": _var(("y", "x"), np.full((ny, nx), 40.0), "1", "inhabitants", synthetic=1, rule="40 a cell"),
            "background_deposition": _var(("y", "x"), np.full((ny, nx), 900.0), "mol ha-1 yr-1", "background"),
        },
        coords={"y": y, "x": x},
        attrs={"cell_size": CELL, "epsg": 28992},
    )
    node_x, node_y = X0 + np.array([250.0, 1250.0, 2250.0, 3000.0]), Y0 + np.array([250.0, 900.0, 1500.0, 2200.0])
    start, end = np.array([0, 1, 2, 1, 2, 3], "i4"), np.array([1, 2, 3, 0, 1, 2], "i4")
    middle_x, middle_y = (node_x[start] + node_x[end]) / 2 + 40.0, (node_y[start] + node_y[end]) / 2 - 40.0
    vertex_x = np.column_stack([node_x[start], middle_x, node_x[end]]).ravel()
    vertex_y = np.column_stack([node_y[start], middle_y, node_y[end]]).ravel()
    roads = xr.Dataset(
        {
            "node_x": _var(("road_node",), node_x, "m"),
            "node_y": _var(("road_node",), node_y, "m"),
            "node_z": _var(("road_node",), ground(node_x, node_y) + 1.0, "m"),
            "from_node": _var(("road_link",), start),
            "to_node": _var(("road_link",), end),
            "length": _var(("road_link",), np.hypot(node_x[end] - node_x[start], node_y[end] - node_y[start]), "m"),
            "capacity": _var(("road_link",), np.full(6, 2000.0), "h-1"),
            "lanes": _var(("road_link",), np.full(6, 2.0)),
            "road_class": _var(("road_link",), np.array([0, 0, 3, 3, 4, 5], "i1")),
            "speed_limit": _var(("road_link",), np.full(6, 80.0), "km h-1"),
            "reported": _var(("road_link",), np.ones(6, "i1")),
            "link_id": _var(("road_link",), np.array([f"w{i}/é" for i in range(6)]).astype(object)),
            "vertex_start": _var(("road_link",), np.arange(6, dtype="i4") * 3),
            "vertex_x": _var(("road_vertex",), vertex_x, "m"),
            "vertex_y": _var(("road_vertex",), vertex_y, "m"),
        }
    )
    zones = xr.Dataset(
        {
            "origin_node": _var(("origin",), np.array([0, 3], "i4")),
            "inside": _var(("origin",), np.ones(2, "i1")),
        }
    )
    receptors = xr.Dataset(
        {
            "name": _var(("area",), np.array([b"Duinen"])),
            "critical_load": _var(("area",), np.array([1000.0]), "mol ha-1 yr-1"),
            "area_cell": _var(("area_cell",), np.array([1, 2], "i4")),
            "area_index": _var(("area_cell",), np.array([0, 0], "i4")),
            "area_share": _var(("area_cell",), np.array([1.0, 0.5])),
        }
    )
    power = xr.Dataset(
        {
            "bus_x": _var(("bus",), X0 + np.array([500.0, 1500.0, 2500.0]), "m"),
            "bus_y": _var(("bus",), Y0 + np.array([500.0, 1000.0, 1500.0]), "m"),
            "bus_id": _var(("bus",), np.array([b"hv", b"mv1", b"mv2"])),
            "bus_kind": _var(("bus",), np.array([0, 1, 1], "i1")),
            "bus_voltage_rated": _var(("bus",), np.full(3, 10e3), "V"),
            "branch_from": _var(("branch",), np.array([0, 1], "i4")),
            "branch_to": _var(("branch",), np.array([1, 2], "i4")),
            "branch_kind": _var(("branch",), np.array([0, 0], "i1")),
            "branch_id": _var(("branch",), np.array([b"l1", b"l2"])),
            "s_rated": _var(("branch",), np.array([1e6, 5e5]), "VA"),
        }
    )
    return xr.DataTree.from_dict(
        {"/lattice": lattice, "/roads": roads, "/zones": zones, "/receptors": receptors, "/power": power},
        name="sample",
    )


RESULTS = [
    ResultVariable(
        "n_deposition", ("y", "x"), "mol ha-1", "nitrogen deposition", "time: point", component="deposition"
    ),
    ResultVariable("nox_concentration", ("y", "x"), "ug m-3", "NOx concentration"),
    ResultVariable("road_flow", ("vehicle_class", "road_link"), "h-1", "traffic flow"),
    ResultVariable("road_nox", ("road_link",), "g s-1", "NOx from road traffic"),
    ResultVariable("bus_load", ("bus",), "kW", "load", synthetic=True, rule="sample"),
    ResultVariable("power_status", ("bus",), "1", "status of the power flow", dtype="i1"),
    ResultVariable("branch_loading", ("branch",), "1", "loading"),
    ResultVariable("ev_distance", ("origin",), "km", "EV-km", "time: sum"),
    ResultVariable("relative_gap", (), "1", "relative gap"),
]


def times(steps):
    """Hourly times from the first of January 2020."""
    return np.datetime64("2020-01-01T00:00", "ns") + np.arange(steps) * np.timedelta64(1, "h")


def step_arrays(world, k):
    """Results of step ``k``: smooth, different in each variable, cell and step."""
    sizes = {d: n for node in world.subtree for d, n in node.sizes.items()} | {"vehicle_class": 2}
    arrays = {}
    for j, v in enumerate(RESULTS):
        shape = tuple(sizes[d] for d in v.dims)
        count = int(np.prod(shape))
        values = 10.0 * (j + 1) + 3.0 * k + np.sin(np.arange(count) * 0.7 + k + j)
        if v.dtype == "i1":
            values = (np.arange(count) + k) % 5
        arrays[v.name] = values.reshape(shape).astype(v.dtype)
    return arrays

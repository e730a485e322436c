"""Run files for the viewer's tests: the sample province with buildings and hexagons, and one of a gigabyte."""

import h5py
import numpy as np
import xarray as xr
from sample_world import RESULTS, X0, Y0, sample_world, step_arrays, times

from kernels.nitrogen.hexagons import centres, hexagons_within
from twin.records import RunWriter
from twin.records.layout import set_attributes

STEPS = 30
HEIGHTS = (40.0, 90.0)  # m, of the two buildings
HOSTILE = "<img src=x onerror=window.hurt=1>"


def building_load(step):
    return np.array([5.0 + step, np.nan if step == 4 else 60.0 - step], "f4")


def write_run(path, *, scale=1.0, title="<b>Sample</b>", written=STEPS, world=None, scenario="base"):
    """A run of 30 hourly steps; ``scale`` multiplies its road flow; unfinished where ``written`` is less."""
    world = sample_world() if world is None else world
    world.attrs["synthetic"] = 1
    about = {"title": title, "scenario": scenario}
    with RunWriter.create(path, world, RESULTS, times(STEPS), about, significant_bits=None) as writer:
        for k in range(written):
            writer.write(k, arrays_of(world, k, scale))
        done = writer.finish() if written == STEPS else writer.live
    return done


def arrays_of(world, k, scale=1.0):
    arrays = step_arrays(world, k)
    arrays["road_flow"] = arrays["road_flow"] * scale
    return arrays


def _put(f, name, dims, values, **attributes):
    for dim, size in zip(dims, np.shape(values)):
        if dim not in f:
            f.create_dataset(dim, data=np.arange(size, dtype="i4")).make_scale(dim)
    d = f.create_dataset(name, data=values)
    for i, dim in enumerate(dims):
        d.dims[i].attach_scale(f[dim])
    set_attributes(d, **attributes)


def add_solids(path):
    """Two blocks with a hostile name and seven hexagons, in the documented layout, and their results."""
    corners, triangles, owner, kind = [], [], [], []
    for b, (east, north) in enumerate([(1700.0, 500.0), (2300.0, 900.0)]):
        first = 8 * b
        for z in (0.0, HEIGHTS[b]):
            corners += [(X0 + east + u, Y0 + north + v, z) for u, v in ((0, 0), (200, 0), (200, 150), (0, 150))]
        quads = [((0, 3, 2, 1), 0), ((4, 5, 6, 7), 2)] + [
            ((k, (k + 1) % 4, 4 + (k + 1) % 4, 4 + k), 1) for k in range(4)
        ]
        for (p, q, r, s), what in quads:
            triangles += [(first + p, first + q, first + r), (first + p, first + r, first + s)]
            owner += [b, b]
            kind += [what, what]
    corners = np.array(corners)
    number = hexagons_within(np.array([X0 + 900.0]), np.array([Y0 + 1800.0]), 150.0)
    x, y = centres(number)
    with h5py.File(path, "r+") as f:
        for axis, values in zip("xyz", corners.T):
            _put(f, f"building_vertex_{axis}", ("building_vertex",), values, units="m")
        _put(f, "triangle_vertices", ("building_triangle", "corner"), np.array(triangles, "i4"))
        _put(f, "triangle_building", ("building_triangle",), np.array(owner, "i4"))
        _put(f, "triangle_kind", ("building_triangle",), np.array(kind, "i1"))
        _put(f, "building_x", ("building",), np.array([X0 + 1800.0, X0 + 2400.0]), units="m")
        _put(f, "building_y", ("building",), np.array([Y0 + 575.0, Y0 + 975.0]), units="m")
        _put(f, "building_ground", ("building",), np.zeros(2, "f4"), units="m")
        _put(f, "building_height", ("building",), np.array(HEIGHTS, "f4"), units="m", long_name="height")
        _put(f, "building_id", ("building",), np.array([HOSTILE.encode(), b"NL.IMBAG.Pand.2"]))
        load = np.array([building_load(k) for k in range(STEPS)], "f4")
        _put(f, "building_load", ("time", "building"), load, units="kW", long_name="load", result=1)
        _put(f, "hexagon_number", ("hexagon",), number.astype("i4"))
        _put(f, "hexagon_x", ("hexagon",), x, units="m")
        _put(f, "hexagon_y", ("hexagon",), y, units="m")
        cell = ((y - Y0) // 500).astype("i4") * len(f["x"]) + ((x - X0) // 500).astype("i4")
        _put(f, "hexagon_cell", ("hexagon",), cell)
        load = np.full(len(number), 1000.0, "f4")
        _put(f, "hexagon_critical_load", ("hexagon",), load, units="mol ha-1 yr-1")
        daily = np.arange(STEPS // 3 * len(number), dtype="f4").reshape(-1, len(number))
        f.create_dataset("time_3", data=f["time"][::3]).make_scale("time_3")
        set_attributes(f["time_3"], axis="T", output_steps=3)
        _put(f, "hexagon_slow", ("time_3", "hexagon"), daily, units="1", long_name="slow", result=1, output_steps=3)
    return path


def write_week(path, *, ny=312, nx=352, links=3120, vertices=8, buses=13_235, steps=168):
    """A week of a province of the size of the Rotterdam run: places at random, values in five of its steps."""
    rng = np.random.default_rng(2)
    world = sample_world(nx, ny, missing_corner=False)
    wide, high = 500.0 * nx, 500.0 * ny

    def somewhere(n):
        return X0 + wide * rng.random(n), Y0 + high * rng.random(n)

    def var(dims, values, units="1"):
        return dims, np.asarray(values), {"units": units, "long_name": "x"}

    x, y = somewhere(links + 1)
    line = np.linspace(0.0, 1.0, vertices)
    world["roads"] = xr.DataTree(
        xr.Dataset(
            {
                "node_x": var(("road_node",), x, "m"),
                "node_y": var(("road_node",), y, "m"),
                "from_node": var(("road_link",), np.arange(links, dtype="i4")),
                "to_node": var(("road_link",), np.arange(1, links + 1, dtype="i4")),
                "vertex_start": var(("road_link",), np.arange(links, dtype="i4") * vertices),
                "vertex_x": var(("road_vertex",), (x[:-1, None] + 0.03 * np.diff(x)[:, None] * line).ravel(), "m"),
                "vertex_y": var(("road_vertex",), (y[:-1, None] + 0.03 * np.diff(y)[:, None] * line).ravel(), "m"),
            }
        )
    )
    x, y = somewhere(buses)
    world["power"] = xr.DataTree(
        xr.Dataset(
            {
                "bus_x": var(("bus",), x, "m"),
                "bus_y": var(("bus",), y, "m"),
                "branch_from": var(("branch",), np.arange(buses - 1, dtype="i4")),
                "branch_to": var(("branch",), np.arange(1, buses, dtype="i4")),
            }
        )
    )
    shown = ("n_deposition", "road_flow", "bus_load", "branch_loading")
    results = [v for v in RESULTS if v.name in shown]
    with RunWriter.create(path, world, results, times(steps), {"title": "Week"}) as writer:
        live = writer.live
    with h5py.File(live, "r+") as f:
        for name in ("n_deposition", "road_flow_light", "road_flow_freight", "bus_load", "branch_loading"):
            for k in {0, 42, 84, 125, 167, *range(80, 100)}:  # those that the page reads, and some more
                f[name][k] = rng.random(f[name].shape[1:], dtype="f4")
        _complete(f, steps)
    live.replace(path)
    return path


def _complete(f, steps):
    f["VTKHDF/Steps/Values"].resize((steps,))
    f["VTKHDF/Steps/Values"][...] = f["time"][...]
    f["VTKHDF/Steps"].attrs["NSteps"] = np.int64(steps)
    f["VTKHDF/field/Steps"].attrs["NSteps"] = np.int64(steps)
    f.attrs.modify("steps_written", np.int32(steps))
    f.attrs.modify("output_status", np.bytes_(b"complete"))


def write_gigabyte(path, steps=5000, side=224):
    """A run of 5,000 hourly steps and one gigabyte of noise in ``n_deposition``, written chunk by chunk."""
    world = sample_world(side, side, missing_corner=False)
    results = [v for v in RESULTS if v.name in ("n_deposition", "road_flow")]
    with RunWriter.create(path, world, results, times(steps), {"title": "Long"}) as writer:
        live = writer.live
    noise = np.random.default_rng(1).random((side, side), dtype="f4")
    with h5py.File(live, "r+") as f:
        field = f["n_deposition"]
        for k in range(steps):
            noise[0, 0] = k
            # filter mask 0b11: neither shuffled nor deflated, so that the file has the size of its values
            field.id.write_direct_chunk((k, 0, 0), noise.tobytes(), filter_mask=0b11)
        flows = np.broadcast_to(np.arange(steps, dtype="f4")[:, None], f["road_flow_light"].shape)
        for name in ("road_flow_light", "road_flow_freight"):
            f[name][...] = flows
        _complete(f, steps)
    live.replace(path)
    return path

"""Files for GIS: a GeoPackage with links, power lines, nodes and areas, and a cloud-optimised GeoTIFF of a field."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio.shutil
import shapely
import xarray as xr
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from twin.errors import RecordError
from twin.records import open_run
from twin.records.vtk_view import ROOF, hexagon_corners, road_lines

__all__ = ["export_cog", "export_gpkg"]

CRS = "EPSG:28992"
COG = {"driver": "COG", "compress": "DEFLATE", "predictor": 3, "blocksize": 256, "overviews": "AUTO"}
STILL = {
    "road_link": ("road_id", "road_class", "road_lanes", "road_capacity", "road_speed_limit", "road_length"),
    "branch": ("branch_id", "branch_kind", "branch_s_rated"),
    "building": ("building_id", "building_bag_id", "building_ground", "building_height", "building_footprint"),
    "hexagon": ("hexagon_number", "hexagon_area", "hexagon_critical_load"),
    "bus": ("bus_id", "bus_kind", "bus_voltage_rated"),
}


def _step(tree: xr.DataTree, step: int, out: Path) -> int:
    steps = tree.sizes["time"]
    if not -steps <= step < steps:
        raise RecordError(f"{out}: step {step} asked, the run holds {steps}; choose 0..{steps - 1}, or -1 for the last")
    return step % steps


def export_cog(run: str | Path | xr.DataTree, out: str | Path, field: str, step: int = -1) -> Path:
    """Write lattice field ``field`` of one output step as a cloud-optimised GeoTIFF in RD New; NaN is nodata."""
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    out, data = Path(out), tree.to_dataset()
    step = _step(tree, step, out)
    array = data.get(field)
    if array is None or array.dims not in (("time", "y", "x"), ("y", "x")):
        fitting = [str(n) for n, v in data.data_vars.items() if v.dims[-2:] == ("y", "x")]
        raise RecordError(f"{out}: {field!r} is no lattice field of the run; choose one of {', '.join(fitting)}")
    values = (array[step] if "time" in array.dims else array).values.astype("f4")[::-1]
    x, y = data["x"].values, data["y"].values
    cell = float(x[1] - x[0])
    place = from_origin(x[0] - cell / 2, y[-1] + cell / 2, cell, cell)
    shape = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "float32"}
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", crs=CRS, transform=place, nodata=np.nan, **shape) as raster:
            raster.write(values, 1)
            raster.set_band_description(1, str(array.attrs.get("long_name", field)))
            raster.units = (str(array.attrs.get("units", "1")),)
            raster.update_tags(time=str(data["time"].values[step])[:19], run_id=str(tree.attrs.get("run_id", "")))
        with memory.open() as raster:
            rasterio.shutil.copy(raster, part, **COG)
    return part.replace(out)


def export_gpkg(run: str | Path | xr.DataTree, out: str | Path, step: int = -1) -> Path:
    """Write a GeoPackage with layers ``roads``, ``power_lines``, ``power_nodes``, ``buildings`` (outlines of roofs) and
    ``hexagons``: ids, properties and the results of one output step, units in a layer ``about``.
    """
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    out, data = Path(out), tree.to_dataset()
    step = _step(tree, step, out)
    layers: dict[str, gpd.GeoDataFrame] = {}
    if "network_edge_nodes" in data:
        points, offsets = road_lines(data)
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        layers["roads"] = _frame(data, "road_link", shapely.linestrings(points, indices=owner), step)
    if "bus_x" in data:
        x, y = data["bus_x"].values, data["bus_y"].values
        layers["power_nodes"] = _frame(data, "bus", shapely.points(x, y), step)
        if "power_edge_nodes" in data:
            ends = data["power_edge_nodes"].values
            lines = shapely.linestrings(np.stack([x[ends], y[ends]], axis=-1))
            layers["power_lines"] = _frame(data, "branch", lines, step)
    if "triangle_vertices" in data:
        layers["buildings"] = _frame(data, "building", _outlines(data), step)
    if "hexagon_x" in data:
        layers["hexagons"] = _frame(data, "hexagon", shapely.polygons(hexagon_corners(data)[..., :2]), step)
    if not layers:
        raise RecordError(f"{out}: the run holds neither roads nor a power network; export a field with --cog")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.stem}.part.gpkg")
    part.unlink(missing_ok=True)
    for name, frame in layers.items():
        frame.to_file(part, layer=name, driver="GPKG", engine="pyogrio")
    columns = {c for frame in layers.values() for c in frame.columns} & set(map(str, data.data_vars))
    about = gpd.GeoDataFrame(
        {
            "column": sorted(columns),
            "units": [str(data[c].attrs.get("units", "")) for c in sorted(columns)],
            "long_name": [str(data[c].attrs.get("long_name", "")) for c in sorted(columns)],
            "time": str(data["time"].values[step])[:19],
            "run_id": str(tree.attrs.get("run_id", "")),
        },
        geometry=[None] * len(columns),
        crs=CRS,
    )
    about.to_file(part, layer="about", driver="GPKG", engine="pyogrio")
    return part.replace(out)


def _outlines(data: xr.Dataset) -> np.ndarray:
    """Roof of each building seen from above; its middle where it has no roof."""
    roof = np.flatnonzero(data["triangle_kind"].values == ROOF)
    corner = data["triangle_vertices"].values[roof]
    xy = np.stack([data[f"building_vertex_{axis}"].values[corner] for axis in "xy"], axis=-1)
    area = np.abs(np.cross(xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0])) if len(xy) else np.zeros(0)
    parts = shapely.polygons(xy[area > 0])
    owner = data["triangle_building"].values[roof][area > 0]
    order = np.argsort(owner, kind="stable")
    outlines = shapely.points(data["building_x"].values, data["building_y"].values).astype(object)
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    for number, group in zip(owner[order][starts], np.split(parts[order], starts[1:])):
        outlines[number] = shapely.union_all(group)
    return outlines


def _frame(data: xr.Dataset, dim: str, shapes: np.ndarray, step: int) -> gpd.GeoDataFrame:
    columns = {name: data[name].values for name in STILL[dim] if name in data}
    columns |= {str(n): v[step].values for n, v in data.data_vars.items() if v.dims == ("time", dim)}
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=CRS)

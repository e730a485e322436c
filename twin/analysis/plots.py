"""Pictures of a run in a notebook: ``run.plot.map``, ``.network``, ``.series``, ``.compare``, and ``run.view()``.

Matplotlib is imported on first use, so that a run without pictures does not need it.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from twin.analysis.compare import compare as compare_table
from twin.errors import RecordError
from twin.records import check_same_coordinates
from twin.records.vtk_view import ROOF, hexagon_corners, road_lines

__all__ = ["RunPlots", "RunView"]

MAP_COLOURS = "viridis"
LINE_COLOURS = "inferno"
AREAS = (("y", "x"), ("hexagon",), ("building",))  # dims of what a map shows
DIFFERENCE = "RdBu_r"
LINE_WIDTH = (0.4, 4.0)  # points, at no flow and at the highest


def _timed(array: xr.DataArray) -> bool:
    """Whether the first dimension is a time axis: the common one, or that of a slower result."""
    return str(array.dims[0] if array.dims else "").split("_")[0] == "time"


def _axes(ax: Any, size: tuple[float, float]) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise RecordError(f"pictures need matplotlib ({error}); pip install 'province-twin[view]'") from error
    return pyplot.subplots(figsize=size, layout="constrained")[1]


@xr.register_datatree_accessor("plot")
class RunPlots:
    """Pictures of an opened run; each returns the matplotlib axes."""

    def __init__(self, tree: xr.DataTree):
        self._run = tree
        self._data = tree.to_dataset()

    def map(
        self, name: str, time: Any = -1, *, ax: Any = None, minus: xr.DataTree | None = None, **options: Any
    ) -> Any:
        """Lattice field, or result per hexagon or building, at a time (a moment, or a step number) as a map in RD New.

        ``minus`` subtracts the same field of another run: a diverging scale around zero.
        """
        array = self._at(self._named(name, *AREAS), time)
        label = f"{array.attrs.get('long_name', name)} [{array.attrs.get('units', '1')}]"
        if minus is not None:
            check_same_coordinates(self._run, minus)
            other = RunPlots(minus)
            array = array - other._at(other._named(name, array.dims), time).values
        ax = _axes(ax, (8, 6))
        shown = self._scale(array.values, minus is not None, MAP_COLOURS) | options
        if array.dims == ("y", "x"):
            x, y = self._data["x"].values, self._data["y"].values
            picture = ax.pcolormesh(x, y, np.ma.masked_invalid(array.values), shading="nearest", **shown)
        else:
            picture = self._polygons(ax, array, shown)
        ax.figure.colorbar(picture, ax=ax, label=f"{'difference of ' if minus is not None else ''}{label}", shrink=0.8)
        return self._finish(ax, array)

    def _polygons(self, ax: Any, array: xr.DataArray, shown: dict[str, Any]) -> Any:
        """Hexagons, or the triangles of roofs, in the colour of their value."""
        from matplotlib.collections import PolyCollection

        if array.dims == ("hexagon",):
            corners, owner = hexagon_corners(self._data)[..., :2], np.arange(array.size)
        else:
            roof = np.flatnonzero(self._data["triangle_kind"].values == ROOF)
            triangle = self._data["triangle_vertices"].values[roof]
            corners = np.stack([self._data[f"building_vertex_{axis}"].values[triangle] for axis in "xy"], axis=-1)
            owner = self._data["triangle_building"].values[roof]
        low, high = shown.pop("vmin"), shown.pop("vmax")
        drawn = PolyCollection(list(corners), edgecolors="face", linewidths=0.2, **shown)
        drawn.set_array(np.ma.masked_invalid(array.values[owner]))
        drawn.set_clim(low, high)
        ax.add_collection(drawn)
        ax.autoscale_view()
        return drawn

    def network(self, name: str, time: Any = -1, *, ax: Any = None, minus: xr.DataTree | None = None) -> Any:
        """A result per road link or power branch as lines, coloured and as wide as its value.

        A result by vehicle class is named with its class (``road_flow_light``), or without for the sum of all.
        """
        from matplotlib.collections import LineCollection

        array = self._links(name, time)
        label = f"{array.attrs.get('long_name', name)} [{array.attrs.get('units', '1')}]"
        values = array.values.astype("f8")
        if minus is not None:
            check_same_coordinates(self._run, minus)
            values = values - RunPlots(minus)._links(name, time).values
        ax = _axes(ax, (8, 6))
        lines = self._lines(str(array.dims[0]))
        scale = self._scale(values, minus is not None, LINE_COLOURS)
        largest = max(abs(scale["vmin"]), abs(scale["vmax"])) or 1.0
        share = np.clip(np.nan_to_num(np.abs(values)) / largest, 0, 1)
        drawn = LineCollection(
            lines, linewidths=LINE_WIDTH[0] + (LINE_WIDTH[1] - LINE_WIDTH[0]) * share, cmap=scale["cmap"]
        )
        drawn.set_array(np.ma.masked_invalid(values))
        drawn.set_clim(scale["vmin"], scale["vmax"])
        ax.add_collection(drawn)
        ax.autoscale_view()
        if "x" in self._data:  # gates may lie far outside the lattice
            x, y = self._data["x"].values, self._data["y"].values
            half = (x[1] - x[0]) / 2
            ax.set_xlim(x[0] - half, x[-1] + half)
            ax.set_ylim(y[0] - half, y[-1] + half)
        ax.figure.colorbar(drawn, ax=ax, label=f"{'difference of ' if minus is not None else ''}{label}", shrink=0.8)
        return self._finish(ax, array)

    def series(self, name: str, *, ax: Any = None, how: str = "sum", **places: int) -> Any:
        """A result over time: of one place (``bus=3``, ``y=4, x=5``), or ``how`` (sum, mean or max) over all."""
        array = self._data.get(name)
        if array is None or not _timed(array):
            raise RecordError(f"{name!r} is no result of the run; choose one of {', '.join(self._results())}")
        unknown = set(places) - set(array.dims)
        if unknown or how not in ("sum", "mean", "max"):
            raise RecordError(f"{name}: {unknown or how} does not fit dims {array.dims}; how is sum, mean or max")
        line = array.isel(places)
        rest = line.dims[1:]
        values = getattr(line, how)(rest).values if rest else line.values
        ax = _axes(ax, (9, 3.5))
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        where = ", ".join(f"{d} {i}" for d, i in places.items()) or (
            f"{how} over {', '.join(map(str, rest))}" if rest else ""
        )
        ax.plot(
            self._data[array.dims[0]].values, values, label=f"{self._run.attrs.get('scenario', name)} {where}".strip()
        )
        ax.set_ylabel(f"{array.attrs.get('long_name', name)} [{array.attrs.get('units', '1')}]")
        ax.set_xlabel("time (UTC)")
        locator = AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        ax.grid(alpha=0.3)
        ax.legend()
        return ax

    def compare(self, other: xr.DataTree, name: str | None = None, time: Any = -1, *, ax: Any = None) -> Any:
        """``other`` minus this run: the table of indicators, or a map or network of the difference of ``name``."""
        if name is None:
            return compare_table(self._run, other)
        theirs = RunPlots(other)
        flat = name in self._data and self._data[name].dims[1:] in AREAS
        return (theirs.map if flat else theirs.network)(name, time, ax=ax, minus=self._run)

    def _results(self) -> list[str]:
        return [str(n) for n, v in self._data.data_vars.items() if _timed(v)]

    def _named(self, name: str, *choice: tuple[Any, ...]) -> xr.DataArray:
        """The variable of a name, over one of ``choice`` of dims, in time or not."""

        def fits(array: xr.DataArray) -> bool:
            return (array.dims[1:] if _timed(array) else array.dims) in choice

        array = self._data.get(name)
        if array is None or not fits(array):
            fitting = [str(n) for n, v in self._data.data_vars.items() if fits(v) and v.dtype.kind in "fiu"]
            over = " or ".join(map(str, choice))
            raise RecordError(f"{name!r} is no field over {over} of the run; choose one of {', '.join(fitting)}")
        return array

    def _lines(self, dim: str) -> list[np.ndarray]:
        """Line (n, 2) of each road link or power branch."""
        if dim == "road_link":
            points, offsets = road_lines(self._data)
            return [points[a:b, :2] for a, b in pairwise(offsets)]
        bus = np.column_stack([self._data["bus_x"].values, self._data["bus_y"].values])
        return list(bus[self._data["power_edge_nodes"].values])

    def _links(self, name: str, time: Any) -> xr.DataArray:
        parts = [v for v in self._data.data_vars.values() if v.attrs.get("declared_as") == name]
        if not parts:
            return self._at(self._named(name, ("road_link",), ("branch",)), time)
        total = self._at(parts[0], time).copy()
        for part in parts[1:]:
            total = total + self._at(part, time).values
        total.attrs = {**parts[0].attrs, "long_name": f"{parts[0].attrs['long_name'].rpartition(',')[0]}, all vehicles"}
        return total

    @staticmethod
    def _at(array: xr.DataArray, time: Any) -> xr.DataArray:
        if not _timed(array):
            return array
        axis = array.dims[0]
        count = array.sizes[axis]
        if isinstance(time, int | np.integer):
            if not -count <= time < count:
                raise RecordError(f"step {time} asked, the run holds {count}")
            return array.isel({axis: int(time)})
        stamp = pd.Timestamp(time)
        stamp = stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp
        times = array[axis].values
        found = np.flatnonzero(times == np.datetime64(stamp))
        if not len(found):
            if not count:
                raise RecordError("the run holds no step yet")
            first, last = (str(times[k])[:16] for k in (0, -1))
            raise RecordError(f"time {time} is no output time of the run ({first} to {last})")
        return array.isel({axis: int(found[0])})

    @staticmethod
    def _scale(values: np.ndarray, difference: bool, colours: str) -> dict[str, Any]:
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        if difference:
            most = max(abs(low), abs(high)) or 1.0
            return {"vmin": -most, "vmax": most, "cmap": DIFFERENCE}
        return {"vmin": low, "vmax": high if high > low else low + 1.0, "cmap": colours}

    def _finish(self, ax: Any, array: xr.DataArray) -> Any:
        ax.set_aspect("equal")
        ax.set_xlabel("RD x [m]")
        ax.set_ylabel("RD y [m]")
        ax.ticklabel_format(style="plain", useOffset=False)
        axis = next((c for c in array.coords if str(c).split("_")[0] == "time" and array[c].ndim == 0), None)
        when = f", {str(array[axis].values)[:16].replace('T', ' ')} UTC" if axis is not None else ""
        title = str(self._run.attrs.get("title", ""))
        if self._run.attrs.get("synthetic_province") and "synthetic" not in title.lower():
            title += " (synthetic province)"
        ax.set_title(f"{title}{when}", loc="left", fontsize=10)
        return ax


@xr.register_datatree_accessor("view")
class RunView:
    """``run.view()`` or ``run.view(other)``: the viewer inside the notebook, without any network."""

    def __init__(self, tree: xr.DataTree):
        self._run = tree

    def __call__(self, other: xr.DataTree | None = None, *, height: int = 600) -> Any:
        """A frame that shows the run, beside ``other`` where given."""
        from twin.viewer import show

        sources = [str(run.encoding.get("source", "")) for run in (self._run, other) if run is not None]
        if "" in sources:
            raise RecordError("this tree was not opened from a run file; open it with twin.open_run(path)")
        return show(*sources, height=height)

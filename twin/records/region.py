"""A part of a province for the run file: the world cut to a rectangle, and the results with it."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from twin.errors import RecordError

__all__ = ["Region"]


class Region:
    """What of a world lies in ``bounds`` (west, south, east, north; m RD New): ``world`` and :meth:`cut`.

    Lattice cells, hexagons and buildings by their middle; links and branches with one end or more inside, whole, with
    the nodes and buses at their ends and the buses that supply kept buildings; origins at those nodes.
    """

    def __init__(self, world: xr.DataTree, bounds: Sequence[float]):
        self.bounds = tuple(float(v) for v in bounds)
        self._kept: dict[str, np.ndarray] = {}
        groups = {name: node.to_dataset() for name, node in world.children.items()}
        cut = {}
        for name, choose in (
            ("lattice", self._lattice),
            ("roads", self._roads),
            ("zones", self._zones),
            ("receptors", self._receptors),
            ("power", self._power),
            ("buildings", self._buildings),
        ):
            if name in groups:
                cut[name] = choose(groups[name], groups)
        self.world = xr.DataTree.from_dict(cut, name=world.name)
        self.world.attrs = dict(world.attrs)

    def cut(self, values: np.ndarray, dims: Sequence[str]) -> np.ndarray:
        """The part of a result over ``dims`` that lies in the region."""
        for axis, dim in enumerate(dims):
            if dim in self._kept:
                values = np.take(values, self._kept[dim], axis=axis)
        return values

    def _inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        west, south, east, north = self.bounds
        return (x >= west) & (x <= east) & (y >= south) & (y <= north)

    def _keep(self, dim: str, chosen: np.ndarray) -> np.ndarray:
        """Remember the chosen places of ``dim``; new number of each old place, -1 where it is gone."""
        self._kept[dim] = np.flatnonzero(chosen)
        number = np.full(len(chosen) + 1, -1, "i4")  # the last answers for -1: none
        number[self._kept[dim]] = np.arange(len(self._kept[dim]))
        return number

    def _taken(self, group: xr.Dataset) -> xr.Dataset:
        return group.isel({d: self._kept[str(d)] for d in group.sizes if str(d) in self._kept})

    def _lattice(self, group: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
        x, y = group["x"].values, group["y"].values
        west, south, east, north = self.bounds
        self._keep("x", (x >= west) & (x <= east))
        self._keep("y", (y >= south) & (y <= north))
        if min(len(self._kept[d]) for d in "xy") < 2:
            raise RecordError(
                f"region {self.bounds}: holds fewer than 2 x 2 lattice cells; the lattice spans x {x[0]:.0f} to "
                f"{x[-1]:.0f}, y {y[0]:.0f} to {y[-1]:.0f} m RD New"
            )
        return self._taken(group)

    def _roads(self, group: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
        inside = self._inside(group["node_x"].values, group["node_y"].values)
        ends = [group[name].values for name in ("from_node", "to_node")]
        link = inside[ends[0]] | inside[ends[1]]
        node = inside.copy()
        for end in ends:
            node[end[link]] = True
        self._keep("road_link", link)
        number = self._keep("road_node", node)
        start = group["vertex_start"].values
        count = np.diff(np.append(start, group.sizes["road_vertex"]))
        self._keep("road_vertex", np.repeat(link, count))
        cut = self._taken(group)
        kept = count[link]
        return cut.assign(
            from_node=cut["from_node"].copy(data=number[cut["from_node"].values]),
            to_node=cut["to_node"].copy(data=number[cut["to_node"].values]),
            vertex_start=cut["vertex_start"].copy(data=(np.cumsum(kept) - kept).astype("i4")),
        )

    def _zones(self, group: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
        number = np.full(groups["roads"].sizes["road_node"] + 1, -1, "i4")
        number[self._kept["road_node"]] = np.arange(len(self._kept["road_node"]))
        origin = number[group["origin_node"].values]
        self._keep("origin", origin >= 0)
        cut = self._taken(group)
        return cut.assign(origin_node=cut["origin_node"].copy(data=number[cut["origin_node"].values]))

    def _cell(self, cell: np.ndarray, lattice: xr.Dataset) -> np.ndarray:
        """New flat number of lattice cells, -1 outside."""
        number = []
        for dim, old in (("y", cell // lattice.sizes["x"]), ("x", cell % lattice.sizes["x"])):
            new = np.full(lattice.sizes[dim], -1, "i4")
            new[self._kept[dim]] = np.arange(len(self._kept[dim]))
            number.append(new[old])
        row, column = number
        return np.where((row >= 0) & (column >= 0), row * len(self._kept["x"]) + column, -1).astype("i4")

    def _receptors(self, group: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
        cell = {name: self._cell(group[name].values, groups["lattice"]) for name in ("area_cell",)}
        self._keep("area_cell", cell["area_cell"] >= 0)
        if "hexagon_cell" in group:
            cell["hexagon_cell"] = self._cell(group["hexagon_cell"].values, groups["lattice"])
            self._keep("hexagon", cell["hexagon_cell"] >= 0)
        cut = self._taken(group)
        return cut.assign({name: cut[name].copy(data=new[new >= 0]) for name, new in cell.items()})

    def _power(self, group: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
        inside = self._inside(group["bus_x"].values, group["bus_y"].values)
        ends = [group[name].values for name in ("branch_from", "branch_to")]
        branch = inside[ends[0]] | inside[ends[1]]
        bus = inside.copy()
        for end in ends:
            bus[end[branch]] = True
        if "buildings" in groups:
            b = groups["buildings"]
            supply = b["bus"].values[self._inside(b["x"].values, b["y"].values)]
            bus[supply[supply >= 0]] = True
        self._keep("branch", branch)
        number = self._keep("bus", bus)
        cut = self._taken(group)
        return cut.assign({n: cut[n].copy(data=number[cut[n].values]) for n in ("branch_from", "branch_to")})

    def _buildings(self, group: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
        number = self._keep("building", self._inside(group["x"].values, group["y"].values))
        triangle = number[group["triangle_building"].values] >= 0
        self._keep("building_triangle", triangle)
        used = np.zeros(group.sizes["building_vertex"], bool)
        used[group["triangle"].values[triangle]] = True
        vertex = self._keep("building_vertex", used)
        bus = np.full(groups["power"].sizes["bus"] + 1, -1, "i4")
        bus[self._kept["bus"]] = np.arange(len(self._kept["bus"]))
        cut = self._taken(group)
        return cut.assign(
            triangle=cut["triangle"].copy(data=vertex[cut["triangle"].values]),
            triangle_building=cut["triangle_building"].copy(data=number[cut["triangle_building"].values]),
            bus=cut["bus"].copy(data=bus[cut["bus"].values]),
        )

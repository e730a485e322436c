"""The world's schema: the built provinces obey it, and each single fault is named with group, variable and cure."""

import numpy as np
import pytest
import xarray as xr

from twin.config import BUILT_IN, load
from twin.errors import DataError, UnitError
from twin.world import build_world
from twin.world.schema import SCHEMA, check


@pytest.fixture(scope="module")
def groups():
    tree, _ = build_world(load(BUILT_IN / "demo.toml"), None)
    return {name: node.to_dataset() for name, node in tree.children.items()}


def spoiled(groups, group, name, change):
    """The tree with one variable passed through ``change``."""
    copies = dict(groups)
    values = groups[group][name].values.copy()
    new = change(values)
    copies[group] = groups[group].assign({name: groups[group][name].copy(data=values if new is None else new)})
    return xr.DataTree.from_dict(copies)


def put(at, value):
    def change(values):
        values[at] = value

    return change


def test_the_synthetic_province_obeys_it(groups):
    check(xr.DataTree.from_dict(groups))
    assert set(SCHEMA) <= set(groups)


@pytest.mark.parametrize(
    ("group", "name", "change", "says"),
    [
        ("roads", "length", put(7, 0.0), r"roads/length: 0 at road_link 7 must be above 0"),
        ("roads", "to_node", put(3, 9999), r"roads/to_node: 9999 at road_link 3 is outside .* into 'road_node'"),
        ("roads", "to_node", put(3, -1), r"roads/to_node: -1"),
        ("roads", "vertex_start", put(2, 0), r"vertex_start"),
        ("roads", "cell_share", put(0, 1.0 + 1e-3), r"cell_share: 1\.001"),
        ("roads", "node_origin", lambda v: np.roll(v, 1), r"zones/origin_node: origin"),
        ("zones", "trips", put((0, 1, 2, 3), -1.0), r"trips: -1 at period 0, vehicle_class 1, origin 2, destination 3"),
        ("zones", "trips", put((0, 0, 4, 4), 1.0), r"origin 4 has trips to itself"),
        ("zones", "trips", put((0, 0, 4, 5), np.nan), r"zones/trips: no finite value"),
        ("lattice", "roughness_length", put((1, 2), np.nan), r"roughness_length: no finite value at y 1, x 2"),
        ("lattice", "land_use", put((1, 2), 0), r"land_use: 0 at y 1, x 2 is outside 1 to 9"),
        ("sources", "nox", put(5, -1e-3), r"sources/nox: -0\.001 at source 5"),
        ("sources", "height", put(5, np.inf), r"sources/height: no finite value"),
        ("receptors", "area_cell", put(0, 96 * 80), r"area_cell: 7680 .* into 'cell'"),
        ("power", "charge_share", put(0, 0.0), r"charge_share: shares of origin"),
        ("power", "branch_to", lambda v: np.r_[v[1], v[1:]].astype(v.dtype), None),
        ("power", "profile_heat", lambda v: 2 * v, r"profile_heat: adds up to 2"),
        ("weather", "temperature", put(9, 273.0), r"temperature: 273 at weather_time 9"),
    ],
)
def test_a_single_fault_is_named(groups, group, name, change, says):
    tree = spoiled(groups, group, name, change)
    if says is None:
        check(tree)  # a tree that feeds a bus twice is for the power flow to refuse
        return
    with pytest.raises(DataError, match=says):
        check(tree)


def test_a_zone_cut_off_from_the_roads_is_named(groups):
    # all links out of the node of origin 0 are turned to leave its neighbour instead
    node = groups["zones"]["origin_node"].values[0]
    start, end = groups["roads"]["from_node"].values, groups["roads"]["to_node"].values
    other = end[np.flatnonzero(start == node)[0]]
    with pytest.raises(DataError, match=r"first origin 0 \(zone .*no path|no path, first origin 0"):
        check(spoiled(groups, "roads", "from_node", lambda v: np.where(v == node, other, v).astype(v.dtype)))


def test_units_dims_types_and_absence_are_named(groups):
    wrong = dict(groups)
    wrong["sources"] = groups["sources"].copy()
    wrong["sources"]["nox"] = groups["sources"]["nox"].assign_attrs(units="kg yr-1")
    with pytest.raises(UnitError, match=r"sources/nox: units are 'kg yr-1', 'g s-1' are wanted"):
        check(xr.DataTree.from_dict(wrong))
    wrong["sources"] = groups["sources"].drop_vars("nh3")
    with pytest.raises(DataError, match="sources/nh3 is missing"):
        check(xr.DataTree.from_dict(wrong))
    wrong["sources"] = groups["sources"].assign(nox=groups["sources"]["nox"].astype("float32"))
    with pytest.raises(DataError, match="nox: is float32"):
        check(xr.DataTree.from_dict(wrong))
    with pytest.raises(DataError, match="no group 'roads'"):
        check(xr.DataTree.from_dict({k: v for k, v in groups.items() if k != "roads"}))


def test_a_lattice_that_descends_or_is_not_square_is_refused(groups):
    wrong = dict(groups)
    wrong["lattice"] = groups["lattice"].assign_coords(y=groups["lattice"]["y"].values[::-1])
    with pytest.raises(DataError, match="lattice/y"):
        check(xr.DataTree.from_dict(wrong))
    wrong["lattice"] = groups["lattice"].assign_attrs(epsg=4326)
    with pytest.raises(DataError, match="28992"):
        check(xr.DataTree.from_dict(wrong))


def test_a_gap_in_the_hours_is_refused(groups):
    wrong = dict(groups)
    wrong["weather"] = groups["weather"].isel(weather_time=np.r_[0:50, 51:200])
    with pytest.raises(DataError, match=r"the hour after .*T01:00 UTC"):
        check(xr.DataTree.from_dict(wrong))

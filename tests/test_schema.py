"""The world's schema: the demo passes; each fault is one error that names group, variable, row and cure."""

import numpy as np
import pytest
import xarray as xr

from twin.errors import DataError, TwinError, UnitError
from twin.world import synthetic
from twin.world.schema import SCHEMA, check


@pytest.fixture(scope="module")
def groups():
    return synthetic.build(synthetic.SyntheticWorld(columns=32, rows=28, inhabitants=20_000, towns=3))


def tree(groups):
    return xr.DataTree.from_dict({name: data.copy(deep=True) for name, data in groups.items()})


def test_a_built_world_passes(groups):
    check(tree(groups))


def test_the_schema_is_that_of_the_documentation():
    text = (__import__("pathlib").Path(__file__).parents[1] / "docs/world.md").read_text()
    for group, variables in SCHEMA.items():
        assert f"## `{group}`" in text
        for name in variables:
            assert name in text or name.startswith("profile_"), f"{group}/{name} is not in docs/world.md"


def spoil(world, path, change):
    group, name = path.split("/")
    change(world[group].ds[name].values)


@pytest.mark.parametrize(
    ("path", "row", "value", "says"),
    [
        ("roads/length", 3, 0.0, r"roads/length\[3\] = 0; it must be above zero"),
        ("roads/capacity", 0, -1.0, "roads/capacity"),
        ("roads/free_flow_time", 1, np.nan, r"roads/free_flow_time\[1\]"),
        ("roads/from_node", 2, 10_000, "points outside"),
        ("roads/cell_index", 0, 10**7, "outside the"),
        ("zones/trips", (0, 0, 1, 2), -5.0, "zones/trips"),
        ("sources/nox", 5, np.inf, "sources/nox"),
        ("power/charge_bus", 0, -1, "points outside"),
        ("power/s_rated", 0, 0.0, "power/s_rated"),
    ],
)
def test_wrong_values_are_named(groups, path, row, value, says):
    world = tree(groups)
    group, name = path.split("/")
    world[group].ds[name].values[row] = value
    with pytest.raises(TwinError, match=says):
        check(world)


def test_a_wrong_unit_a_wrong_dim_and_an_absent_variable_are_named(groups):
    world = tree(groups)
    world["sources"].ds["nox"].attrs["units"] = "kg yr-1"
    with pytest.raises(UnitError, match=r"sources/nox: is in 'kg yr-1'"):
        check(world)
    world = tree({**groups, "roads": groups["roads"].rename(road_vertex="vertex")})
    with pytest.raises(DataError, match="roads/vertex_x: has dims"):
        check(world)
    world = tree({**groups, "weather": groups["weather"].drop_vars("pressure")})
    with pytest.raises(DataError, match="weather/pressure: is missing"):
        check(world)
    world = tree({k: v for k, v in groups.items() if k != "power"})
    with pytest.raises(DataError, match="no group 'power'"):
        check(world)


def test_a_lattice_that_does_not_ascend_is_refused(groups):
    world = tree({**groups, "lattice": groups["lattice"].isel(y=slice(None, None, -1))})
    with pytest.raises(DataError, match="must ascend"):
        check(world)

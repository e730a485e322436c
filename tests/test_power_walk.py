"""Random networks against pandapower and power-grid-model: equal to the last digits that matter, or refused by name."""

import json

import numpy as np
import pandapower
import power_grid_model as pgm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power_grid_model.enum import TapChangingStrategy
from power_grid_model.errors import PowerGridError
from power_grid_model.utils import json_deserialize
from power_walk import PandapowerWalk, grid_of_pgm

from kernels.power.status import COLLAPSE_VOLTAGE, COLLAPSED, ISLANDED, OK
from twin.errors import DataError
from twin.power import powerflow
from twin.readers.pandapower_net import from_tables
from twin.readers.pgm_json import from_pgm

WALK = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@WALK
@given(seed=st.integers(0, 10**6), model=st.sampled_from(["pi", "t"]), limits=st.booleans())
def test_any_network_of_pandapower(seed, model, limits):
    walk = PandapowerWalk(seed)
    net = walk.net
    if walk.refused:
        with pytest.raises(DataError, match="|".join(walk.refused)):
            from_tables(net, "net", model)
        return
    pandapower.runpp(net, trafo_model=model, tolerance_mva=1e-10, numba=False, enforce_q_lims=limits, max_iteration=40)
    ours = powerflow(from_tables(net, "net", model), transformer_model=model, reactive_limits=limits).isel(step=0)
    by_bus = ours.sel(bus=[str(i) for i in net.res_bus.index])
    theirs = net.res_bus.vm_pu.to_numpy()
    fallen = by_bus.status.values == COLLAPSED
    if fallen.any():  # pandapower does not flag voltages below half the rated one
        assert np.nanmin(theirs) < COLLAPSE_VOLTAGE
        return
    np.testing.assert_allclose(by_bus.vm_pu, theirs, rtol=0, atol=1e-8)
    assert (by_bus.status.values == np.where(np.isnan(theirs), ISLANDED, OK)).all()
    if len(net.res_line) and net.res_line.loading_percent.fillna(0).any():  # else pandapower leaves all angles zero
        turn = (by_bus.va_degree.values - net.res_bus.va_degree.to_numpy() + 180) % 360 - 180
        assert np.nanmax(np.abs(turn)) < 1e-6
    for kind in ("line", "trafo"):
        loading = ours.loading.sel(branch=[f"{kind} {i}" for i in net[kind].index]).values * 100
        np.testing.assert_allclose(np.nan_to_num(loading), net[f"res_{kind}"].loading_percent.fillna(0), atol=1e-4)


@WALK
@given(seed=st.integers(0, 10**6))
def test_any_grid_of_power_grid_model(seed):
    grid = grid_of_pgm(seed)
    model = pgm.PowerGridModel(json_deserialize(json.dumps(grid)))
    tapped = "transformer_tap_regulator" in grid["data"]
    strategy = TapChangingStrategy.any_valid_tap if tapped else TapChangingStrategy.disabled
    ours = powerflow(from_pgm(grid, "grid"), tolerance=1e-10).isel(step=0)
    try:
        theirs = model.calculate_power_flow(error_tolerance=1e-9, max_iterations=50, tap_changing_strategy=strategy)
    except PowerGridError as error:  # it controls no transformer against the direction of supply
        assert tapped and "tap" in str(error).lower()
        return
    node = theirs["node"]
    fed = node["energized"] == 1
    mine = ours.sel(bus=[str(i) for i in node["id"]])
    if (mine.status == COLLAPSED).any():
        assert node["u_pu"][fed].min() < COLLAPSE_VOLTAGE
        return
    assert (mine.status.values == np.where(fed, OK, ISLANDED)).all()
    np.testing.assert_allclose(mine.vm_pu.values[fed], node["u_pu"][fed], rtol=0, atol=1e-8)
    turn = np.angle(np.exp(1j * (np.deg2rad(mine.va_degree.values) - node["u_angle"])))
    assert np.rad2deg(np.abs(turn[fed])).max() < 1e-6
    for kind in ("line", "transformer", "generic_branch"):
        if kind in theirs and len(theirs[kind]):
            loading = ours.loading.sel(branch=[str(i) for i in theirs[kind]["id"]]).values
            on = theirs[kind]["energized"] == 1
            np.testing.assert_allclose(loading[on], theirs[kind]["loading"][on], atol=1e-6)

"""Reactive limits, tap changers, operating points and the split of voltage levels, against independent tools."""

import json

import numpy as np
import pandapower
import pandapower.networks
import power_grid_model as pgm
import pytest
from power_grid_model.enum import TapChangingStrategy
from power_grid_model.utils import json_deserialize_from_file

import twin
from kernels.jit import set_threads, threads
from kernels.power import mesh
from kernels.power.newton import STRIP
from kernels.power.status import MAX_ITERATIONS, OK, TAP_HUNTING
from twin.power import circuit_of, powerflow
from twin.readers.networks import open_network
from twin.readers.pandapower_net import from_tables


def lanes_of(net, factor):
    """A network whose loads and generators follow one profile."""
    net.load["profile"] = "p"
    net.sgen["profile"] = "p" if len(net.sgen) else net.sgen.get("profile")
    return from_tables(net, "net"), {"p": factor}


@pytest.mark.parametrize("case", ["pv-node-pp-example-simple", "pv-node-pq-switching", "pv-node-large-limit-range",
                                  "pv-node3", "pv-node5", "pv-node6"])  # fmt: skip
def test_generators_of_power_grid_model_keep_voltage_and_limits(data, case):
    folder = data / "power" / "pgm_cases" / "pv-node" / case
    r = twin.powerflow(folder / "input.json", tolerance=1e-10).isel(step=0)
    expected = json.loads((folder / "sym_output.json").read_text())["data"]["node"]
    for row in expected:  # printed with six digits and more
        assert abs(float(r.vm_pu.sel(bus=str(row["id"]))) - row["u_pu"]) < 1e-6
    assert (r.status == OK).all()


def test_reactive_limits_meet_pandapower():
    net = pandapower.networks.case30()
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9, enforce_q_lims=True, numba=False)
    free = twin.powerflow("pandapower:case30")
    r = twin.powerflow("pandapower:case30", reactive_limits=True)
    net.gen["max_q_mvar"] = net.res_gen.q_mvar.abs() * 0.5
    net.gen["min_q_mvar"] = -net.gen.max_q_mvar
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9, enforce_q_lims=True, numba=False)
    r = powerflow(from_tables(net, "net"), reactive_limits=True).isel(step=0)
    at_limit = np.flatnonzero(r.reactive_limit != 0)
    assert at_limit.size > 0
    np.testing.assert_allclose(r.vm_pu, net.res_bus.vm_pu, atol=1e-8)
    assert np.abs(r.vm_pu - free.isel(step=0).vm_pu).max() > 1e-4


TAPS = (
    "pgm-automatic-tap-any",
    "pgm-automatic-tap-line-drop-any",
    "pgm-automatic-tap-tight-bands",
    "auto-tap-changer-meshed-any",
    "single-trafo-any-valid-tap",
    "step-up-transformer-any-valid-tap",
    "trafo-control-tap-same-side-any-valid-tap",
    "achievable-voltage-above-band-any",
    "achievable-voltage-below-band-any",
)


@pytest.mark.parametrize("case", TAPS)
def test_tap_changers_end_where_those_of_power_grid_model_do(data, case):
    path = data / "power" / "pgm_cases" / "automatic-tap-regulator" / case / "input.json"
    r = powerflow(path, tolerance=1e-10).isel(step=0)
    oracle = pgm.PowerGridModel(json_deserialize_from_file(path)).calculate_power_flow(
        error_tolerance=1e-10, tap_changing_strategy=TapChangingStrategy.any_valid_tap
    )
    fed = oracle["node"]["energized"] == 1
    mine = r.vm_pu.sel(bus=[str(i) for i in oracle["node"]["id"]]).values
    np.testing.assert_allclose(mine[fed], oracle["node"]["u_pu"][fed], atol=1e-8)
    moved = oracle["transformer_tap_regulator"]["tap_pos"]
    assert (r.tap_position.values == moved[moved > -128]).all()


def test_a_band_narrower_than_its_step_is_flagged_as_hunting(data):
    name = "auto-tap-changer-small-u-band-max-iter-any"
    r = powerflow(data / "power" / "pgm_cases" / "automatic-tap-regulator" / name / "input.json")
    assert (r.status == TAP_HUNTING).any() and np.isnan(r.vm_pu.where(r.status == TAP_HUNTING)).all()


def test_taps_move_for_each_lane_on_its_own_account(data, tmp_path):
    path = data / "power" / "pgm_cases" / "automatic-tap-regulator" / "single-trafo-any-valid-tap" / "input.json"
    network = json.loads(path.read_text())
    network["data"]["sym_load"][0] |= {"p_specified": 40e3, "q_specified": 20e3}
    ours = tmp_path / "net.json"
    ours.write_text(json.dumps(network))
    factor = np.linspace(-1.5, 2.0, 15)
    together = powerflow(ours, profiles={"5": factor})
    assert len(set(together.tap_position.values.ravel())) > 1
    for k in (0, 7, 14):
        alone = powerflow(ours, profiles={"5": factor}, steps=slice(k, k + 1))
        assert alone.tap_position.item() == together.tap_position.values[k, 0]
        np.testing.assert_allclose(alone.vm_pu.values[0], together.vm_pu.values[k], atol=1e-8)


def test_frozen_factors_leave_what_newton_alone_leaves_and_a_failed_lane_no_trace():
    net = pandapower.networks.case118()
    rng = np.random.default_rng(4)
    factor = rng.uniform(0.6, 1.2, 60)
    ours, profiles = lanes_of(net, factor)
    together = powerflow(ours, profiles=profiles, tolerance=1e-10)
    assert (together.status == OK).all()
    for k in range(0, 60, 13):
        alone = powerflow(ours, profiles=profiles, steps=slice(k, k + 1), tolerance=1e-10)
        np.testing.assert_allclose(alone.vm_pu.values[0], together.vm_pu.values[k], atol=1e-9)
    bad = factor.copy()
    bad[21] = 60.0
    broken = powerflow(ours, profiles={"p": bad}, tolerance=1e-10)
    others = np.arange(60) != 21
    assert (broken.status[21] >= MAX_ITERATIONS).all() and np.isnan(broken.vm_pu[21]).all()
    assert np.array_equal(broken.vm_pu[others], together.vm_pu[others])
    assert np.array_equal(broken.p_from[others], together.p_from[others])


@pytest.mark.parametrize("lanes", [5, 300])
def test_meshed_results_do_not_depend_on_threads(lanes):
    net = pandapower.networks.case118()
    ours, profiles = lanes_of(net, np.random.default_rng(5).uniform(0.6, 1.3, lanes))
    before, found = threads(), []
    try:
        for n in (1, 2):
            set_threads(n)
            found.append(powerflow(ours, profiles=profiles))
    finally:
        set_threads(before)
    for name in ("vm_pu", "va_degree", "p_from", "status", "mismatch"):
        np.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)


def test_lanes_are_shared_out_evenly_and_strips_stay_whole():
    rng = np.random.default_rng(6)
    for points, lanes in ((1, 40), (9, 512), (40, 3000)):
        point = np.r_[np.arange(points), rng.integers(0, points, lanes - points)]
        whole = mesh.lane_shares(point, points, 1)[0]
        for slots in (1, 2, 7):
            lane_of, task, slot, of = mesh.lane_shares(point, points, slots)
            assert np.array_equal(np.sort(lane_of), np.arange(lanes)) and task[-1] == lanes and slot[-1] == len(of)
            strips = {}
            for c in range(len(of)):
                mine = lane_of[task[c] : task[c + 1]]
                assert (point[mine] == of[c]).all() and (np.diff(mine) > 0).all()
                strips.setdefault(of[c], []).append(mine)
            for k, parts in strips.items():  # cut between strips only: every strip is that of one slot
                assert all(len(p) % STRIP == 0 for p in sorted(parts, key=lambda p: p[0])[:-1])
                assert np.array_equal(np.sort(np.concatenate(parts)), np.sort(whole[point[whole] == k]))
            work = np.diff(task[slot]) / lanes * slots
            if points >= 4 * slots:
                assert work.max() < 1.25


def ring_with_feeders():
    """A 110 kV ring of three with generators, and three long medium-voltage feeders with voltage-dependent load."""
    net = pandapower.create_empty_network()
    hv = [pandapower.create_bus(net, 110.0) for _ in range(3)]
    pandapower.create_ext_grid(net, hv[0], vm_pu=1.03)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        pandapower.create_line(net, hv[a], hv[b], 25.0, "243-AL1/39-ST1A 110.0")
    pandapower.create_gen(net, hv[2], p_mw=5.0, vm_pu=1.02)
    for k, top in enumerate(hv):
        last = pandapower.create_bus(net, 20.0)
        pandapower.create_transformer(net, top, last, "25 MVA 110/20 kV", tap_pos=-1)
        for j in range(8):
            bus = pandapower.create_bus(net, 20.0)
            pandapower.create_line(net, last, bus, 2.0, "NA2XS2Y 1x240 RM/25 12/20 kV")
            pandapower.create_load(net, bus, p_mw=0.3 + 0.1 * k, q_mvar=0.1, const_z_p_percent=10.0 * (j % 2))
            last = bus
    return net


def test_split_levels_match_the_joined_solve_and_pandapower():
    net = ring_with_feeders()
    factor = np.random.default_rng(1).uniform(0.4, 1.6, 20)
    ours, profiles = lanes_of(net, factor)
    split, joined = (powerflow(ours, profiles=profiles, solver=s) for s in ("split", "meshed"))
    assert split.solver == "meshed core, radial feeders" and joined.solver == "meshed"
    np.testing.assert_allclose(split.vm_pu, joined.vm_pu, atol=1e-8)
    np.testing.assert_allclose(split.p_from, joined.p_from, atol=1e-6)
    net.load[["p_mw", "q_mvar"]] *= factor[7]
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
    np.testing.assert_allclose(split.vm_pu[7], net.res_bus.vm_pu, atol=1e-8)
    bad = factor.copy()
    bad[3] = 200.0
    broken = powerflow(ours, profiles={"p": bad}, solver="split")
    others = np.arange(20) != 3
    assert (broken.status[3] > 1).any() and np.array_equal(broken.vm_pu[others], split.vm_pu[others])


@pytest.mark.parametrize("code", ["1-LV-rural1--0-sw", "1-MV-urban--0-sw"])
def test_simbench_grids_and_profiles_meet_pandapower(code):
    import simbench

    net = simbench.get_simbench_net(code)
    net.trafo["tap_changer_type"] = "Ratio"
    r = twin.powerflow(f"simbench:{code}", profiles=f"simbench:{code}", steps=slice(2000, 2003))
    values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    for (table, column), frame in values.items():
        if len(frame.columns):
            net[table].loc[frame.columns, column] = frame.loc[2001].values
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
    ours = r.isel(step=1).sel(bus=[str(i) for i in net.res_bus.index])
    np.testing.assert_allclose(ours.vm_pu, net.res_bus.vm_pu, atol=1e-8)


def test_nodes_of_the_open_ends_of_lines_are_kept():
    # 1-MV-urban has 144 buses; open line ends make it 150 electrical nodes
    assert circuit_of(open_network("simbench:1-MV-urban--0-sw")).count == 150


@pytest.mark.parametrize("code", ["1-EHV-mixed--1-sw", "1-HVMV-mixed-4.101-1-sw"])
def test_grids_with_several_sources_and_dc_lines_meet_pandapower(code):
    import simbench

    net = simbench.get_simbench_net(code)
    net.trafo["tap_changer_type"] = "Ratio"
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-8, init="dc")
    ours = twin.powerflow(f"simbench:{code}").isel(step=0).sel(bus=[str(i) for i in net.res_bus.index])
    np.testing.assert_allclose(ours.vm_pu, net.res_bus.vm_pu, atol=1e-8)
    assert len(net.dcline) or "several sources" in ours.attrs["notes"]

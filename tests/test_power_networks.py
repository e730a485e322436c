"""Networks from files: the same voltages as pandapower and power-grid-model, planted traps, bad input."""

import copy
import json
import pickle

import numpy as np
import pandapower
import pandapower.networks
import pandas as pd
import power_grid_model as pgm
import pytest
from power_grid_model.utils import json_deserialize_from_file

from twin.commands.powerflow import powerflow as command
from twin.errors import DataError
from twin.power import powerflow


def compare(net, result, volts=1e-8, degrees=1e-6, percent=1e-4):
    """A pandapower solution and ours, by bus index and element."""
    ours = result.isel(step=0)
    by_bus = ours.sel(bus=[str(i) for i in net.res_bus.index])
    np.testing.assert_allclose(by_bus.vm_pu, net.res_bus.vm_pu, rtol=0, atol=volts)
    turn = (by_bus.va_degree.values - net.res_bus.va_degree.to_numpy() + 180) % 360 - 180
    assert np.nanmax(np.abs(turn)) < degrees
    assert (np.isnan(by_bus.vm_pu.values) == net.res_bus.vm_pu.isna()).all()
    for kind in ("line", "trafo"):
        table = net[f"res_{kind}"][net[kind].in_service]
        loading = ours.loading.sel(branch=[f"{kind} {i}" for i in table.index]) * 100
        np.testing.assert_allclose(loading, table.loading_percent.fillna(0), atol=percent)


def test_generators_that_disagree_on_one_bus_are_refused():
    net, b = feeder()
    for vm in (1.0, 1.01):
        pandapower.create_gen(net, b[1], 0.5, vm)
    with pytest.raises(DataError, match=r"holds 1\.01 pu where 1 pu is held"):
        powerflow_of(net)


def solved(net, model="pi"):
    pandapower.runpp(net, trafo_model=model, tolerance_mva=1e-9, numba=False)
    return net


# All grids that come with pandapower, but for those drawn anew at each call (Kerber, Dickert) and case11_iwamoto, which
# pandapower does not solve either.
CASES = [
    "case4gs", "case5", "case6ww", "case9", "case14", "case24_ieee_rts", "case30", "case_ieee30", "case33bw", "case39",
    "case57", "case89pegase", "case118", "case145", "case_illinois200", "case300", "case1354pegase", "case1888rte",
    "case2848rte", "case2869pegase", "case3120sp", "case6470rte", "case6495rte", "case6515rte", "case9241pegase",
    "GBreducednetwork", "GBnetwork", "iceland", "mv_oberrhein", "lv_schutterwald", "create_cigre_network_hv",
    "create_cigre_network_mv", "create_cigre_network_lv", "example_simple", "ieee_european_lv_asymmetric",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cases_of_pandapower(case):
    net = getattr(pandapower.networks, case)()
    tolerance = 1e-9 if net.load.p_mw.sum() > 1 else 1e-12  # on a base of 100 MVA kilowatts are lost in the former
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=tolerance, numba=len(net.bus) > 1000)
    compare(net, powerflow(f"pandapower:{case}"))


def test_largest_grid_of_simbench():
    # EHV to LV in one solve, 37,587 buses; pandapower reaches it from linear angles only.
    import simbench

    net = simbench.get_simbench_net("1-EHVHVMVLV-mixed-all-0-sw")
    net.trafo["tap_changer_type"] = "Ratio"  # simbench #69
    ours = powerflow_of(net, several_sources=True).isel(step=0)
    pandapower.runpp(net, trafo_model="pi", init="dc", tolerance_mva=1e-8)
    by_bus = ours.sel(bus=[str(i) for i in net.res_bus.index])
    np.testing.assert_allclose(by_bus.vm_pu, net.res_bus.vm_pu, rtol=0, atol=1e-7)
    turn = (by_bus.va_degree.values - net.res_bus.va_degree.to_numpy() + 180) % 360 - 180
    assert np.abs(turn).max() < 1e-6


@pytest.mark.parametrize("model", ["pi", "t"])
def test_three_windings_wards_switches_and_impedances(model):
    net = pandapower.networks.example_multivoltage()
    compare(solved(net, model), powerflow_of(net, transformer_model=model), volts=1e-8)


def powerflow_of(net, **options):
    from twin.readers.pandapower_net import from_tables

    return powerflow(from_tables(net, "net", options.pop("transformer_model", "pi")), **options)


def feeder(f_hz=50.0):
    """Ring of four 20 kV buses behind a 110/20 kV transformer with a tap, and a fifth bus behind a switch."""
    net = pandapower.create_empty_network(f_hz=f_hz)
    hv = pandapower.create_bus(net, 110.0)
    b = [pandapower.create_bus(net, 20.0) for _ in range(5)]
    pandapower.create_ext_grid(net, hv, vm_pu=1.02, va_degree=10.0)
    pandapower.create_transformer(net, hv, b[0], "25 MVA 110/20 kV", tap_pos=-2)
    ends = [(0, 1), (1, 2), (2, 3), (3, 0)]
    for f, t in ends:
        pandapower.create_line(net, b[f], b[t], 6.0, "NA2XS2Y 1x240 RM/25 12/20 kV")
    for i in range(1, 5):
        pandapower.create_load(net, b[i], p_mw=1.0 + 0.3 * i, q_mvar=0.2 * i)
    pandapower.create_switch(net, b[3], b[4], et="b")
    return net, b


def test_open_line_end_keeps_its_charging():
    net, b = feeder()
    pandapower.create_switch(net, b[3], 2, et="l", closed=False)
    net.line.loc[2, "c_nf_per_km"] *= 20  # so that a dropped charging would show
    result = powerflow_of(solved(net))
    assert result.attrs["solver"] == "radial"
    compare(net, result)
    with_line_out = powerflow_of(_without_line(net, 2))
    assert abs(with_line_out.vm_pu - result.vm_pu).max() > 1e-4


def _without_line(net, i):
    net = copy.deepcopy(net)
    net.line.loc[i, "in_service"] = False
    return net


def test_sixty_hertz():
    compare(solved(feeder(60.0)[0]), powerflow_of(feeder(60.0)[0]))


def test_radial_and_meshed_solvers_and_pgm_agree():
    net, b = feeder()
    pandapower.create_switch(net, b[3], 2, et="l", closed=False)
    net.load["const_z_p_percent"], net.load["const_i_q_percent"] = 30.0, 40.0
    one, two, three = (powerflow_of(net, solver=s, tolerance=1e-11) for s in ("radial", "meshed", "pgm"))
    for other in (two, three):
        np.testing.assert_allclose(one.vm_pu, other.vm_pu, atol=1e-9)
        np.testing.assert_allclose(one.p_from, other.p_from, atol=1e-7)
        np.testing.assert_allclose(one.loading, other.loading, atol=1e-8)


def test_unlike_branches_side_by_side_are_swept_as_one():
    net, b = feeder()
    pandapower.create_switch(net, b[3], 2, et="l", closed=False)
    pandapower.create_transformer(net, 0, b[0], "40 MVA 110/20 kV", tap_pos=-2)
    net.trafo[["vn_hv_kv", "vn_lv_kv", "shift_degree", "tap_step_percent"]] = [110.0, 20.0, 150.0, 1.5]
    pandapower.create_line(net, b[1], b[0], 9.0, "NA2XS2Y 1x150 RM/25 12/20 kV")  # and the other way round
    one, two, three = (powerflow_of(net, solver=s, tolerance=1e-11) for s in ("auto", "meshed", "pgm"))
    assert one.attrs["solver"] == "radial"
    for other in (two, three):
        np.testing.assert_allclose(one.vm_pu, other.vm_pu, atol=1e-9)
        for flow in ("p_from", "q_from", "p_to", "q_to"):
            np.testing.assert_allclose(one[flow], other[flow], atol=1e-7)
        np.testing.assert_allclose(one.loading, other.loading, atol=1e-8)
    compare(solved(net), one)
    net.trafo.loc[1, "tap_pos"] = -3  # with unlike ratios a current runs round between the two: Newton's
    apart = powerflow_of(net)
    assert apart.attrs["solver"] == "meshed"
    compare(solved(net), apart)


def test_missing_tap_limits_do_not_turn_the_tap():
    net, _ = feeder()
    net.trafo["tap_min"] = net.trafo["tap_max"] = np.nan
    compare(solved(net), powerflow_of(net))


def test_tap_without_a_changer_type_counts_as_a_ratio_and_is_said():
    net, _ = feeder()
    stated = powerflow_of(net)
    net.trafo["tap_changer_type"] = None
    silent = powerflow_of(net)
    np.testing.assert_array_equal(silent.vm_pu, stated.vm_pu)
    assert "tap changer type not given" in silent.attrs["notes"]
    net.trafo["tap_changer_type"] = "Magic"
    with pytest.raises(DataError, match="Magic"):
        powerflow_of(net)


def test_island_is_without_voltage_and_its_load_is_counted():
    net, _ = feeder()
    net.switch["closed"] = False
    result = powerflow_of(solved(net))
    assert np.isnan(result.vm_pu.sel(bus="5").item()) and result.status.sel(bus="5").item() == 1
    assert result.unserved.item() == pytest.approx(2.2)
    compare(net, result)


def test_sweeps_that_creep_near_the_nose_go_on_with_newton():
    # voltage as in the test of the nose below; a fraction 1 - e of it, changes shrink by about 1 - sqrt(2 e)
    net = pandapower.create_empty_network()
    one, two = pandapower.create_bus(net, 10.0), pandapower.create_bus(net, 10.0)
    pandapower.create_ext_grid(net, one)
    pandapower.create_line_from_parameters(net, one, two, 1.0, 0.4, 0.9, 0.0, 1.0)
    pandapower.create_load(net, two, 1.0, 0.5)
    net.load["profile"] = "p"
    z = 0.004 + 0.009j
    p = (1 - np.logspace(-7, -2, 11)) / (2 * (z.real + z.imag / 2 + np.hypot(1, 0.5) * abs(z)))
    result = powerflow_of(net, profiles={"p": p})
    b = 1 - 2 * (z.real + z.imag / 2) * p
    exact = np.sqrt((b + np.sqrt(b**2 - 4 * abs(z) ** 2 * 1.25 * p**2)) / 2)
    assert result.attrs["solver"] == "radial" and (result.status == 0).all()
    np.testing.assert_allclose(result.vm_pu.values[:, 1], exact, atol=1e-8)


def test_two_sources_need_leave():
    net, b = feeder()
    pandapower.create_ext_grid(net, b[2], vm_pu=1.0, va_degree=10.0 - net.trafo.shift_degree[0])
    with pytest.raises(DataError, match="two sources in one component"):
        powerflow_of(net)
    compare(solved(net), powerflow_of(net, several_sources=True))


def test_infeasible_step_is_flagged_and_others_stay_bit_identical():
    for open_ring in (True, False):
        net, b = feeder()
        if open_ring:
            pandapower.create_switch(net, b[3], 2, et="l", closed=False)
        net.load["profile"] = "p"
        good = np.random.default_rng(2).uniform(0.3, 1.2, 40)
        bad = good.copy()
        bad[21] = 500.0
        one, two = powerflow_of(net, profiles={"p": good}), powerflow_of(net, profiles={"p": bad})
        assert (two.status[21] > 1).any() and np.isnan(two.vm_pu[21]).any()
        others = np.arange(40) != 21
        if open_ring:
            assert np.array_equal(one.vm_pu[others], two.vm_pu[others])
        else:  # a meshed strip shares its factor; alone, each to the tolerance
            np.testing.assert_allclose(one.vm_pu[others], two.vm_pu[others], atol=1e-8)
        assert (one.status == 0).all()


@pytest.mark.parametrize("solver", ["radial", "meshed", "split", "limits"])
def test_energy_balance_of_every_step(solver):
    net, b = feeder()
    if solver == "radial":
        pandapower.create_switch(net, b[3], 2, et="l", closed=False)
    if solver == "split":  # a feeder on the ring
        last = b[2]
        for _ in range(3):
            new = pandapower.create_bus(net, 20.0)
            pandapower.create_line(net, last, new, 2.0, "NA2XS2Y 1x240 RM/25 12/20 kV")
            pandapower.create_load(net, new, 0.4, 0.1, const_z_p_percent=30.0)
            last = new
    given = 0.0
    if solver == "limits":  # a generator that gives all the reactive power it may
        pandapower.create_gen(net, b[2], p_mw=1.5, vm_pu=1.08, min_q_mvar=-0.4, max_q_mvar=0.4)
        given = 1.5
    net.load["profile"] = "p"
    factor = np.random.default_rng(2).uniform(0.3, 1.2, 40)
    result = powerflow_of(net, profiles={"p": factor}, solver="meshed" if solver == "limits" else solver,
                          reactive_limits=solver == "limits")  # fmt: skip
    if solver == "limits":
        assert (result.reactive_limit.sel(bus=str(b[2])) == 1).all()
    source = result.p_from.sel(branch="trafo 0").values
    v = result.vm_pu.values[:, net.load.bus]
    z = net.load.const_z_p_percent.to_numpy() / 100
    load = factor * (net.load.p_mw.to_numpy() * (1 - z + z * v**2)).sum(1)
    np.testing.assert_allclose(source + given, load + result.losses.values, rtol=1e-9)


@pytest.mark.parametrize("solver", ["radial", "meshed"])
def test_two_buses_up_to_the_nose_and_past_it(solver):
    # |V|^2 is the upper root of u^2 - (1 - 2 (rP + xQ)) u + |z|^2 |S|^2 = 0 (pu); none past the nose.
    net = pandapower.create_empty_network()
    one, two = pandapower.create_bus(net, 10.0), pandapower.create_bus(net, 10.0)
    pandapower.create_ext_grid(net, one)
    r, x = 0.4, 0.9
    pandapower.create_line_from_parameters(net, one, two, 1.0, r, x, 0.0, 1.0)
    pandapower.create_load(net, two, 1.0, 0.5)
    net.load["profile"] = "p"
    z = (r + 1j * x) / 100  # ohm over 10 kV squared, on 1 MVA
    nose = 1 / (2 * (z.real + z.imag / 2 + np.hypot(1, 0.5) * abs(z)))
    p = np.append(np.linspace(-0.5, 0.99, 30) * nose, np.array([1.001, 1.05, 3.0, 100.0]) * nose)
    result = powerflow_of(net, profiles={"p": p}, solver=solver, tolerance=1e-12)
    b = 1 - 2 * (z.real + z.imag / 2) * p[:30]
    exact = np.sqrt((b + np.sqrt(b**2 - 4 * abs(z) ** 2 * 1.25 * p[:30] ** 2)) / 2)
    np.testing.assert_allclose(result.vm_pu.values[:30, 1], exact, atol=1e-9)
    assert (result.status.values[:30] == 0).all()
    assert (result.status.values[30:, 1] > 1).all() and np.isnan(result.vm_pu.values[30:, 1]).all()


@pytest.mark.parametrize("case", ["1os2msr", "generic_branch", "vision-example", "single-transformer",
                                  "pandapower/networks/symmetric/distribution-case",
                                  "pandapower/networks/symmetric/transmission-case",
                                  "multi-source-with-angle"])  # fmt: skip
def test_cases_of_power_grid_model(data, case):
    path = data / "power" / "pgm_cases" / case / "input.json"
    oracle = pgm.PowerGridModel(json_deserialize_from_file(path)).calculate_power_flow(error_tolerance=1e-10)
    ours = powerflow(path, tolerance=1e-10).isel(step=0)
    node = oracle["node"]
    mine = ours.sel(bus=[str(i) for i in node["id"]])
    np.testing.assert_allclose(mine.vm_pu, node["u_pu"], atol=1e-8)
    assert np.abs(np.angle(np.exp(1j * (np.deg2rad(mine.va_degree.values) - node["u_angle"])))).max() < 1e-8
    for kind in ("line", "transformer"):
        if kind in oracle:
            loading = ours.loading.sel(branch=[str(i) for i in oracle[kind]["id"]])
            np.testing.assert_allclose(loading, oracle[kind]["loading"], atol=1e-6)


MATPOWER = """function mpc = tiny
mpc.version = '2';  % a comment
mpc.baseMVA = 100;
mpc.bus = [
 1 3 0 0 0 0 1 1 0 345 1 1.1 0.9;
 5 1 90 30 0 5 1 1 0 345 1 1.1 0.9;
 7 2 0 0 0 0 1 1 0 345 1 1.1 0.9;
];
mpc.gen = [
 1 0 0 300 -300 1.04 100 1 250 10;
 7 85 0 300 -300 1.01 100 1 250 10;
];
mpc.branch = [
 1 5 0.01 0.085 0.176 250 250 250 0 0 1 -360 360;
 5 7 0.017 0.092 0.158 250 250 250 0.98 3 1 -360 360;
 7 1 0.032 0.161 0.306 0 0 0 0 0 1 -360 360;
];
"""


def test_matpower_case_solves_its_own_admittance_equations(tmp_path):
    path = tmp_path / "tiny.m"
    path.write_text(MATPOWER)
    r = powerflow(path, tolerance=1e-12).isel(step=0)
    v = r.vm_pu.values * np.exp(1j * np.deg2rad(r.va_degree.values))
    # MATPOWER manual, eq. (3.2): Yff = (ys + j b/2) / tau^2, Yft = -ys / (tau e^-j shift), Ytf, Ytt
    y = np.diag([0, 0.05j, 0])
    for f, t, rr, x, b, tau, shift in ((0, 1, 0.01, 0.085, 0.176, 1, 0), (1, 2, 0.017, 0.092, 0.158, 0.98, 3), (2, 0,
    0.032, 0.161, 0.306, 1, 0)):  # fmt: skip
        ys, a = 1 / (rr + 1j * x), tau * np.exp(1j * np.deg2rad(shift))
        y[f, f] += (ys + 0.5j * b) / tau**2
        y[f, t] -= ys / np.conj(a)
        y[t, f] -= ys / a
        y[t, t] += ys + 0.5j * b
    s = v * np.conj(y @ v) * 100
    assert abs(s[1] + (90 + 30j)) < 1e-8 and abs(s[2].real - 85) < 1e-8
    assert list(r.bus.values) == ["1", "5", "7"] and r.vm_pu.values[2] == pytest.approx(1.01, abs=1e-14)


def test_bad_input_is_one_clear_error(tmp_path):
    net, _ = feeder()
    good = json.loads(pandapower.to_json(net))

    def fails(text, match, name="net.json", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError, match=match):
            powerflow(path, **options)

    fails("[" * 10**6, "nested too deep")
    fails(pickle.dumps({"bus": 1}), "pickle")
    fails(pickle.dumps({"bus": 1}, protocol=0), "pickle|JSON")
    fails(b"\xff\xfe\x00", "UTF-8")
    fails("{}", "neither a pandapower network")
    fails('{"data": {"node": [], "teleporter": [{"id": 1}]}, "type": "input"}', "teleporter")
    fails('{"data": {"node": [{"id": 1, "u_rated": 1e4}, {"id": 1, "u_rated": 1e4}]}}', "id 1 appears twice")
    fails(MATPOWER.replace("0.085", "system('x')"), "is no number", "a.m")

    def changed(table, column, value):
        other = copy.deepcopy(net)
        other[table].loc[other[table].index[0], column] = value
        return pandapower.to_json(other)

    fails(changed("trafo", "vn_lv_kv", 0.0), "trafo 0.*no ratio")
    fails(changed("line", "max_i_ka", -1.0), "rating")
    fails(changed("line", "x_ohm_per_km", np.nan), "x_ohm_per_km is empty")
    other = copy.deepcopy(net)
    pandapower.create_svc(other, 1, 1.0, -10.0, 1.0, 145.0)
    fails(pandapower.to_json(other), "svc")
    assert "_object" in good
    net.load["profile"] = "p"
    one_column = tmp_path / "one.csv"
    one_column.write_text("p\n1.0\n")
    with pytest.raises(DataError, match="longer profile"):
        powerflow_of(net, profiles=one_column, steps=slice(0, 2))
    one_column.write_text("")
    with pytest.raises(DataError, match="cannot be read as profiles"):
        powerflow_of(net, profiles=one_column)
    with pytest.raises(DataError, match="no network of that name without arguments"):
        powerflow("pandapower:runpp")
    for values, match in (([1.0, np.nan], "step 1 is not a number"), ([1.0], "longer profile")):
        with pytest.raises(DataError, match=match):
            powerflow_of(net, profiles={"p": np.array(values)}, steps=slice(0, 2))
    with pytest.raises(DataError, match="profile p: has 2 steps and the run goes to 3"):  # not cut to the shortest
        powerflow_of(net, profiles={"p": np.ones(2), "q": np.ones(3)})
    with pytest.raises(DataError, match="no profile 'p'"):
        powerflow_of(net, profiles={"q": np.ones(3)})


def test_command_writes_tables_and_a_line_of_json(tmp_path):
    net, _ = feeder()
    net.load["profile"] = ["a", "b", "a", "b"]
    path, profiles = tmp_path / "net.json", tmp_path / "p.csv"
    pandapower.to_json(net, path)
    pd.DataFrame({"time": range(5), "a": np.linspace(0.5, 1, 5), "b": np.linspace(1, 0.2, 5)}).to_csv(
        profiles, index=False
    )
    out = command(
        str(path),
        profiles=profiles,
        steps="1:4",
        buses=tmp_path / "b.csv",
        branches=tmp_path / "l.csv",
        out=tmp_path / "r.h5",
    )
    facts = json.loads(out.splitlines()[-1])
    assert facts["buses"] == 6 and facts["steps"] == 3 and facts["converged"] == 3 and facts["failed_by_status"] == {}
    assert facts["overloaded_assets"] == 0 and facts["cpu_seconds"] >= 0 and facts["max_mismatch"] < 1e-6
    table = pd.read_csv(tmp_path / "b.csv")
    assert list(table.columns[:5]) == ["step", "bus", "vm_pu", "va_degree", "status"] and len(table) == 18
    scaled = copy.deepcopy(net)
    scaled.load["p_mw"] *= [0.625, 0.8, 0.625, 0.8]
    scaled.load["q_mvar"] *= [0.625, 0.8, 0.625, 0.8]
    solved(scaled)
    first = table[table.step == 1].set_index("bus").vm_pu
    np.testing.assert_allclose(first, scaled.res_bus.vm_pu, atol=1e-8)
    assert list(pd.read_csv(tmp_path / "l.csv").columns[:3]) == ["step", "branch", "loading_percent"]

"""Single routines of the exact chain against tables of the reference program's own routines."""

import numpy as np
import pandas as pd
import pytest

from kernels.jit import njit
from kernels.nitrogen.exact import depac, lanes
from kernels.nitrogen.exact.elementary import arctan, exp, log, power
from kernels.nitrogen.exact.plume_rise import below_mixing_height, plume_rise
from kernels.nitrogen.exact.surface_layer import boundary_resistance, log_wind, resistance, transfer_roughness
from kernels.nitrogen.exact.vertical_dispersion import sigma_z


def table(data, name):
    return pd.read_csv(data / "nitrogen" / "routines" / f"{name}.csv")


def by_lanes(function, rows, result):
    """Run a function of the workspace over columns, a block of lanes at a time."""
    w = lanes.workspace()[0]
    count = len(rows[0][1])
    out = [np.empty(count) for _ in result]
    for begin in range(0, count, lanes.LANES):
        n = min(lanes.LANES, count - begin)
        for row, values in rows:
            w[row : row + lanes.LANES] = values[begin + n - 1]
            w[row : row + n] = values[begin : begin + n]
        function(w, (n + 7) & ~7)
        for row, values in zip(result, out, strict=True):
            values[begin : begin + n] = w[row : row + n]
    return out


def close(value, reference, relative=1e-4):
    np.testing.assert_allclose(value, reference, rtol=relative, atol=0)


@njit
def _elementary(x, y, out):
    for i in range(x.size):
        out[0, i] = exp(x[i])
        out[1, i] = log(y[i])
        out[2, i] = arctan(y[i])
        out[3, i] = power(y[i], 0.37)


def test_elementary_functions_equal_the_library_to_rounding():
    x = np.concatenate((np.linspace(-700, 700, 20011), np.linspace(-1, 1, 1001)))
    y = np.exp(x / 30.0)
    out = np.empty((4, x.size))
    _elementary(x, y, out)
    for value, truth in zip(out, (np.exp(x), np.log(y), np.arctan(y), y**0.37), strict=True):
        np.testing.assert_allclose(value, truth, rtol=2e-14, atol=1e-15)


@njit
def _profile(z0, us, length, z, out):
    for i in range(z0.size):
        out[0, i] = resistance(us[i], length[i], z0[i], z[i])
        out[1, i] = boundary_resistance(us[i], (1.25 / 0.72) ** (2.0 / 3.0))
        out[2, i] = boundary_resistance(us[i], (0.69 / 0.72) ** (2.0 / 3.0))
        out[3, i] = log_wind(us[i], length[i], z0[i], z[i])


def test_wind_profile_and_resistances(data):
    t = table(data, "ra_rb_wind").astype(float)
    out = np.empty((4, len(t)))
    _profile(*(t[c].to_numpy() for c in ("z0", "ustar", "L", "z")), out)
    for value, column in zip(out, ("Ra_z", "Rb_SO2_NOx", "Rb_NH3", "wind_log_profile_z"), strict=True):
        close(value, t[column])


def test_change_of_roughness(data):
    t = table(data, "z0corr").astype(float)
    columns = ("ustar_from", "L_from", "z0_from", "z0_to")
    rows = list(zip((lanes.A0, lanes.A1, lanes.A2, lanes.A3), (t[c].to_numpy() for c in columns), strict=True))
    order = np.zeros(lanes.STRIDE, dtype=np.int64)
    us, length = by_lanes(lambda w, n: transfer_roughness(w, order, n), rows, (lanes.A0, lanes.A1))
    close(us, t["ustar_to"])
    close(length, t["L_to"])


def test_vertical_dispersion(data):
    t = table(data, "vertdisp").astype(float)
    t["log"] = np.log(t["x"])
    names = {"A3": "ustar", "A4": "L", "A5": "z0", "A6": "h_eff", "A7": "zi", "A8": "x", "A9": "log"}
    rows = [(getattr(lanes, row), t[column].to_numpy()) for row, column in names.items()]
    order = np.zeros(lanes.STRIDE, dtype=np.int64)
    (sz,) = by_lanes(lambda w, n: sigma_z(w, order, lanes.SZ, n), rows, (lanes.SZ,))
    close(sz, t["sigma_z"])


@njit
def _below(h, rise, zi, zi1, length):
    return below_mixing_height(h, rise, zi, zi1, length)


def test_plume_rise_and_mixing_height(data):
    for row in table(data, "plumerise").astype(float).replace(-999.0, np.nan).itertuples():
        celsius = row.Ts_stack_K - 273.16
        stack = (row.heat_MW, row.h_stack, row.D_stack, row.V_stack, celsius)
        rise = plume_rise(*stack, row.temp_C, row.ustar, row.L, row.z0)
        below, height = _below(row.h_stack, rise, row.zmix, row.zmix_local, row.L)
        close(height, row.h_eff)
        assert abs(below - row.fraction_below_mixing) < 1e-6


def test_leaf_area_over_the_year(data):
    lines = (data / "nitrogen" / "routines" / "tst_m_depac.ref").read_text().splitlines()
    for land_use in range(1, 10):
        lai, sai = (np.array(lines[3 * (land_use - 1) + j].split(), dtype=float) for j in (1, 2))
        own = np.array([depac.leaf_area(land_use, float(day), 52.0) for day in range(1, 366)])
        if lai[0] < -1.0:
            lai, sai = np.full(365, -1.0), np.full(365, -1.0)
        np.testing.assert_allclose(own[:, 0], lai, atol=6e-5)
        np.testing.assert_allclose(own[:, 1], sai, atol=6e-5)


@njit
def _canopy(component, lu, day, t, rh, rad, sp, wet, us, ra_rb, c, so2, lai, sai, plant, diffusivity, out):
    for i in range(lu.size):
        k, use = component[i], lu[i]
        gs = 0.0
        if lai[i] > 0.0 and rad[i] > 0.0:
            direct, diffuse = depac.visible_radiation(rad[i], sp[i])
            strong = rad[i] > 200.0 and lai[i] > 2.5
            p = plant[use]
            fl = depac.light(direct, diffuse, sp[i], strong, lai[i], lai[i] ** 0.7, lai[i] ** 0.8, p[2], p[1])
            gs = depac.stomatal_conductance(
                t[i], rh[i], fl, lai[i], p[0], p[1], p[3], p[4], p[5], p[6], p[7], diffusivity[k]
            )
        covered = sai[i] > 0.0
        gw = depac.external_conductance(k, t[i], rh[i], wet[i], sai[i]) if covered else 0.0
        soil = depac.soil_conductance(use, k, t[i], wet[i], max(sai[i], 0.0), us[i])
        kelvin = t[i] + 273.15
        gamma = 0.0
        if use == 6:
            kelvin = 286.2 + 8.34 * np.sin(2.0 * np.pi * (day[i] - 115.1) / 365.0)
            gamma = 430.0
        f = depac.emission_potential(kelvin)
        stomata, surface = depac.compensation(c[i], so2[i], t[i], f)
        rc, point, effective = depac.effective_resistance(gs, gw, soil, stomata, surface, gamma * f, c[i], ra_rb[i])
        out[0, i], out[1, i], out[2, i] = gs, gw, rc
        out[3, i] = point if k == 0 else 0.0
        out[4, i] = effective if k == 0 else rc


def test_canopy_resistance_of_every_land_use(data):
    t = table(data, "depac")
    t = t.assign(component=t["component"].map({"NH3": 0, "NO2": 1, "SO2": 2}))
    column = {c: t[c].to_numpy(float) for c in t}
    out = np.empty((5, len(t)))
    _canopy(
        t["component"].to_numpy(np.int64),
        t["lu"].to_numpy(np.int64),
        column["day_of_year"],
        column["t_C"],
        column["rh_pct"],
        column["glrad_Wm2"],
        column["sinphi"],
        t["nwet"].to_numpy() == 1,
        column["ustar"],
        column["ra"] + column["rb"],
        column["catm_nh3"],
        column["c_ave_so2"],
        column["lai"],
        column["sai"],
        depac.PLANT,
        depac.DIFFUSIVITY,
        out,
    )
    for value, name in zip(out[:4], ("gstom_m_s", "gw_m_s", "rc_tot", "ccomp_tot"), strict=True):
        np.testing.assert_allclose(value, t[name], rtol=1e-4, atol=1e-12, err_msg=name)
    # the effective resistance has a pole where the concentration meets the compensation point
    near = np.abs(t["ccomp_tot"] / t["catm_nh3"] - 1.0) < 0.01
    close(out[4][~near], t["rc_eff"][~near])
    close(out[4][near], t["rc_eff"][near], 5e-4)


@pytest.mark.parametrize("component", [0, 1, 2])
def test_soil_under_grass_takes_nothing_up(component):
    assert _soil(1, component) == 0.0 and _soil(8, component) == 0.0 and _soil(2, component) > 0.0


@njit
def _soil(land_use, component):
    return depac.soil_conductance(land_use, component, 10.0, False, 3.0, 0.3)

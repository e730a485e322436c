"""Surface resistances against the 12,960 rows of the given table, and the rule of effective resistance."""

import csv

import numpy as np
import pytest

from kernels.nitrogen import depac

GASES = {"NH3": 0, "NO2": 1, "SO2": 2}


def test_all_land_uses_and_gases_equal_the_given_table(data):
    with (data / "nitrogen" / "routines" / "depac.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 12960
    worst = dict.fromkeys(("lai", "sai", "gs", "gw", "rc", "c_comp"), 0.0)

    def note(key, got, want):
        worst[key] = max(worst[key], abs(got - want) / max(abs(want), 1e-9))

    for r in rows:
        gas, lu, day = GASES[r["component"]], int(r["lu"]), float(r["day_of_year"])
        t, rh, w, sine = (float(r[k]) for k in ("t_C", "rh_pct", "glrad_Wm2", "sinphi"))
        nwet, ustar = int(r["nwet"]), float(r["ustar"])
        lai, sai = depac.leaf_area(lu, day, 52.0)
        if float(r["lai"]) >= 0:
            note("lai", lai, float(r["lai"]))
            note("sai", sai, float(r["sai"]))
        note("gs", depac.stomatal_conductance(gas, lu, lai, t, rh, w, sine), float(r["gstom_m_s"]))
        note("gw", depac.external_conductance(gas, sai, t, rh, nwet == 1), float(r["gw_m_s"]))
        note(
            "rc",
            depac.canopy_resistance(gas, lu, lai, sai, t, rh, w, sine, nwet == 1, ustar),
            float(r["rc_tot"]),
        )
        if gas == 0:
            args = (lu, lai, sai, t, rh, w, sine, nwet == 1, ustar)
            c = depac.compensation_point(*args, float(r["c_ave_nh3"]), float(r["c_ave_so2"]), day)
            note("c_comp", c, float(r["ccomp_tot"]))
    assert max(worst.values()) < 1e-5, worst


def test_the_sun_stands_where_the_almanac_says():
    # solstices and equinox at 52 N 0 E, true noon: elevation = 90 - latitude + declination; the equation of time
    # is 1-2 minutes at the solstices (no effect on the sine at noon beyond 1e-4)
    for day, declination in ((172, 23.44), (355, -23.44)):
        want = np.sin(np.radians(90 - 52 + declination))
        assert depac.solar_elevation_sine(day, 12.0, 52.0, 0.0) == pytest.approx(want, abs=2e-3)
    assert depac.solar_elevation_sine(172, 0.0, 52.0, 0.0) < -0.2
    # an hour of rotation is 15 degrees of longitude
    west = depac.solar_elevation_sine(100, 13.0, 52.0, -15.0)
    assert west == pytest.approx(depac.solar_elevation_sine(100, 12.0, 52.0, 0.0), abs=2e-3)

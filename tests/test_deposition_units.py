"""Conversions of nitrogen fluxes against figures worked out by hand."""

import pytest

from kernels.nitrogen import units


def test_flux_conversion_is_876_over_molar_mass_times_a_tenth():
    # 1 ug/m2/h of NH3: 1e-6 g * 1e4 m2/ha * 8760 h/yr / 17 g/mol = 87.6/17 mol/ha/yr
    assert units.flux_to_mol_per_ha_year(1.0, units.AMMONIA) == pytest.approx(87.6 / 17, rel=1e-14)
    assert units.flux_to_mol_per_ha_year(2.0, units.NITROGEN_DIOXIDE) == pytest.approx(2 * 87.6 / 46, rel=1e-14)


def test_a_kilogram_of_nitrogen_is_71_4_mol():
    assert pytest.approx(71.4, rel=1e-3) == units.MOL_PER_KG_N


def test_mass_and_area_round_trip():
    # one kt of NH3 spread over 330,720 ha is 177.9 mol/ha with M = 17 (177.5 with 17.031)
    per_ha = units.grams_to_mol(1e9, units.AMMONIA) / 330_720
    assert per_ha == pytest.approx(177.5, rel=3e-3)
    assert units.mol_per_m2_to_mol_per_ha(1e-4) == pytest.approx(1.0, rel=1e-14)

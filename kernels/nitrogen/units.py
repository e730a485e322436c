"""Molar masses and the conversions of nitrogen fluxes: the one place where mass becomes mol of N.

Every substance here holds one atom of N per molecule, so that a mol of the substance is a mol of N. NOx is
counted as NO2.
"""

__all__ = [
    "AMMONIA",
    "AMMONIUM",
    "HECTARE",
    "HOURS_PER_YEAR",
    "MOL_PER_KG_N",
    "NITRATE",
    "NITROGEN_DIOXIDE",
    "PPB_VOLUME",
    "SULPHUR_DIOXIDE",
    "flux_to_mol_per_ha_year",
    "grams_to_mol",
    "mol_per_m2_to_mol_per_ha",
]

# Molar masses [g mol-1] in the whole numbers of OPS (OPS-LT 5.3 manual, RIVM), so that both modes agree; the
# difference from IUPAC 2021 (17.031, 18.039, 46.006, 62.005, 64.066) is below 0.2 %.
AMMONIA = 17.0
AMMONIUM = 18.0
NITROGEN_DIOXIDE = 46.0
NITRATE = 62.0
SULPHUR_DIOXIDE = 64.0

HECTARE = 1.0e4  # m2
HOURS_PER_YEAR = 8760.0  # h, a common year
MOL_PER_KG_N = 1000.0 / 14.007  # mol N per kg N; 14.007 g/mol: IUPAC 2021
PPB_VOLUME = 24.0  # l mol-1 at 20 degC and 1 atm, rounded as in OPS: ug m-3 = ppb * M / 24


def grams_to_mol(grams: float, molar_mass: float) -> float:
    """Mol of N in ``grams`` [g] of a substance of ``molar_mass`` [g mol-1] with one N per molecule."""
    return grams / molar_mass


def mol_per_m2_to_mol_per_ha(amount: float) -> float:
    """Mol per hectare from mol per m2."""
    return amount * HECTARE


def flux_to_mol_per_ha_year(flux: float, molar_mass: float) -> float:
    """Mol N ha-1 yr-1 from a mass flux [ug m-2 h-1]: 1e-6 g, 1e4 m2, 8760 h, so 87.6 / M."""
    return flux * (1.0e-6 * HECTARE * HOURS_PER_YEAR / molar_mass)

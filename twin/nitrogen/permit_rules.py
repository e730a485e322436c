"""Rules of Dutch permits that decide what counts: named, with their owner, and never applied unseen."""

from dataclasses import dataclass

import xarray as xr

__all__ = ["CUT_OFF", "REACH", "ROAD_REACH", "PermitRule", "apply_cut_off"]


@dataclass(frozen=True)
class PermitRule:
    """A number that a public body has set, and why."""

    name: str
    value: float
    units: str
    owner: str
    source: str


REACH = PermitRule(
    "reach",
    25.0,
    "km",
    "Minister of LVVN (AERIUS Calculator)",
    "accepted by the Raad van State on 5 April 2023 (201702813/17/R3): no reliable attribution beyond it",
)
CUT_OFF = PermitRule(
    "cut_off",
    0.005,
    "mol ha-1 yr-1",
    "Minister of LVVN (AERIUS Calculator)",
    "smallest contribution of a project that is counted (rounds to 0.01); 1 mol/ha/yr was asked for by the cabinet on "
    "18 March 2025",
)
ROAD_REACH = PermitRule(
    "road_reach", 5.0, "km", "RIVM (OPS)", "dispersion and NO2 chemistry of roads (SRM2) end 5 km from the source"
)


def apply_cut_off(contribution: xr.DataArray, cut_off: float = CUT_OFF.value) -> xr.DataArray:
    """Contributions below the cut-off [mol/ha/yr] as zero; attrs say the rule and how much was left out.

    A project's contribution is judged per receptor as a whole: sum over its sources before this.
    """
    counted = contribution.where(abs(contribution) >= cut_off, 0.0)
    counted.attrs = {
        **contribution.attrs,
        "cut_off": cut_off,
        "cut_off_owner": CUT_OFF.owner,
        "receptors_below_cut_off": int(((contribution != 0) & (counted == 0)).sum()),
        "sum_below_cut_off": float(contribution.sum() - counted.sum()),
    }
    return counted

"""The ``factors`` group: road emission factors for the year and the vehicle classes of the run."""

from importlib import resources
from pathlib import Path

import numpy as np
import xarray as xr

from twin.errors import ConfigError, DataError
from twin.readers.emission_factors import FactorTable, read_factors

__all__ = ["CLASS_MIX", "SUBSTANCES", "build_factors", "declared_factors"]

SUBSTANCES = ("NOx", "NO2", "NH3", "CO2")
_URBAN = ("B", "C", "D", "E")
_STATES = ("free", "stagnating")
# Vehicle classes of the run as mixes of the table's classes; freight is an assumption for lorries in a Dutch
# matrix without weight classes.
CLASS_MIX: dict[str, dict[str, float]] = {"light": {"light": 1.0}, "freight": {"medium": 0.35, "heavy": 0.65}}


def declared_factors() -> FactorTable:
    """The package's own table of round declared values: synthetic, for provinces and substances without a table."""
    with resources.as_file(resources.files("twin.world") / "road_factors_declared.csv") as path:
        return read_factors(Path(path))


def build_factors(
    year: float,
    tables: FactorTable | None = None,
    *,
    bev_share_reference: float,
    class_mix: dict[str, dict[str, float]] | None = None,
    extrapolate: bool = False,
) -> xr.Dataset:
    """Build the ``factors`` group for one year.

    A substance that ``tables`` does not hold (the Dutch NOx tables: NH3 and CO2) comes from the declared table and
    is listed in the attribute ``declared``. ``bev_share_reference`` is the battery-electric share of light
    vehicle-kilometres that the table's fleet is taken to hold; ``class_mix`` gives each vehicle class of the run as
    shares of the table's classes. SRM1 classes have one factor, written for both traffic states.
    """
    mix = CLASS_MIX if class_mix is None else class_mix
    for name, parts in mix.items():
        if abs(sum(parts.values()) - 1) > 1e-9:
            raise ConfigError(f"class mix of {name} adds up to {sum(parts.values()):g}, not to 1")
    if not 0 <= bev_share_reference < 1:
        raise ConfigError(f"bev_share_reference = {bev_share_reference}; it is a share below 1")
    declared = declared_factors()
    used = {
        s: tables if tables is not None and any(k[1] == s for k in tables.factors) else declared for s in SUBSTANCES
    }
    motorway = sorted({name for table in used.values() for name in table.speed_classes("SRM2")})
    motorway = [name for name in motorway if all(name in table.speed_classes("SRM2") for table in used.values())]
    classes = [*_URBAN, *motorway]
    factor = np.zeros((len(SUBSTANCES), len(mix), len(classes), len(_STATES)))
    for i, substance in enumerate(SUBSTANCES):
        for j, parts in enumerate(mix.values()):
            for k, speed in enumerate(classes):
                for m, state in enumerate(_STATES):
                    srm = "SRM1" if speed in _URBAN else "SRM2"
                    known = ("stagnating" if speed == "D" else "free") if srm == "SRM1" else state
                    for vehicle, share in parts.items():
                        key = (srm, substance, vehicle, speed, known)
                        value = used[substance].value(key, year, extrapolate=extrapolate)
                        factor[i, j, k, m] += share * value
    no2, nox = factor[SUBSTANCES.index("NO2")], factor[SUBSTANCES.index("NOx")]
    if (no2 > nox * (1 + 1e-9)).any():
        raise DataError("emission factors: NO2 above NOx (as NO2), of which it is a part; correct the table")
    group = xr.Dataset(
        {
            "emission_factor": (
                ("substance", "vehicle_class", "speed_class", "traffic_state"),
                factor,
                {"units": "g km-1", "long_name": "emission per vehicle and kilometre"},
            ),
            "bev_share_reference": (
                (),
                float(bev_share_reference),
                {"units": "1", "long_name": "battery-electric share of light vehicle-km in the table's fleet"},
            ),
        },
        coords={
            "substance": list(SUBSTANCES),
            "vehicle_class": list(mix),
            "speed_class": classes,
            "traffic_state": list(_STATES),
        },
        attrs={
            "year": float(year),
            "sources": "; ".join(f"{s}: {', '.join(t.sources)}" for s, t in used.items()),
            "declared": " ".join(s for s, t in used.items() if t is declared),
            "declared_band": "NH3 and CO2 times 0.5 to 2; assumptions of the order of TNO and EMEP figures",
        },
    )
    group["bev_share_reference"].attrs |= {"synthetic": 1, "rule": "the table's fleet holds the base year's share"}
    if group.attrs["declared"]:
        group["emission_factor"].attrs |= {"synthetic": 1, "rule": f"declared: {group.attrs['declared']}"}
    return group

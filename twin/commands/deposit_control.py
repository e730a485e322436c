"""What an OPS control file says of a case, each keyword checked where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from twin.commands.deposit_flags import ozone_levels, roughness_map
from twin.errors import DataError
from twin.nitrogen import Conversion, Grid, Map, Roads, Switches
from twin.readers.brn import read_brn
from twin.readers.ctr import Control
from twin.readers.raster_map import read_map
from twin.readers.rcp import read_rcp

__all__ = [
    "given_conversion", "land_use", "receptors", "roads", "roughness", "sources", "substance",
    "substance_options",
]  # fmt: skip

_SUBSTANCES = {2: "NOx", 3: "NH3"}


def substance(control: Control) -> str:
    """NH3 or NOx."""
    code = control.integer("COMPCODE")
    if code not in _SUBSTANCES:
        raise DataError(f"{control.where('COMPCODE')} is {code}; substances 2 (NOx) and 3 (NH3) are computed")
    return _SUBSTANCES[code]


def substance_options(control: Control) -> dict[str, Any]:
    """Options of :func:`twin.nitrogen.deposit` that belong to the substance and its emission."""
    loss = control.switches("LOSS") or [1]
    if len(loss) not in {1, 5}:
        raise DataError(f"{control.where('LOSS')}: one value, or 1 and four values for single processes, are needed")
    options: dict[str, Any] = {
        "switches": Switches(*(bool(v) for v in (loss[1:] if len(loss) == 5 and loss[0] else loss[:1] * 4)))
    }
    if control.text("DIFFCOEFF"):
        options["diffusion"] = control.number("DIFFCOEFF")
    if control.text("WASHOUT"):
        options["reversible"] = bool(control.integer("WASHOUT"))
    options["emission_factor"] = control.number("EMCORFAC", 1.0)
    if control.integer("DEPUNIT", 3) != 3:
        raise DataError(f"{control.where('DEPUNIT')}: deposition is written in mol/ha/yr (3); set it to 3")
    if control.text("PHASE") not in {"", "1"}:
        raise DataError(f"{control.where('PHASE')}: gases (1) are computed, particles are not")
    return options


def sources(control: Control) -> pd.DataFrame:
    """Sources of the emission file that TARGETGROUP and COUNTRY choose."""
    table = read_brn(control.file("EMFILE"))
    for key, column in (("TARGETGROUP", "category"), ("COUNTRY", "country")):
        chosen = control.integers(key)
        if chosen and chosen != [0]:
            attrs = table.attrs
            table = table[table[column].isin(chosen)].reset_index(drop=True)
            table.attrs = attrs
            if table.empty:
                raise DataError(f"{control.where(key)}: no source of {control.file('EMFILE')} is in {chosen}")
    if "building_length" in table and (table["building_length"] > 0).any():
        line = int(table["line"][table["building_length"] > 0].iloc[0])
        raise DataError(f"{control.file('EMFILE')}: line {line}: the effect of a building is not computed; leave it 0")
    return table


def receptors(control: Control):
    """Cells of the user grid, or points of the receptor file."""
    kind = control.integer("RECEPTYPE")
    if kind == 1:
        for key in ("NCOLS", "NROWS", "RESO"):
            if not control.number(key) > 0:
                raise DataError(f"{control.where(key)} is {control.text(key)}; a positive number is needed")
        return Grid(
            control.number("XCENTER"),
            control.number("YCENTER"),
            control.integer("NCOLS"),
            control.integer("NROWS"),
            control.number("RESO"),
        )
    if kind == 2:
        path = control.file("RCPFILE")
        if not path.is_file():
            raise DataError(f"{control.where('RCPFILE')}: {path} does not exist; give the file or --receptors FILE.csv")
        return read_rcp(path)
    raise DataError(f"{control.where('RECEPTYPE')} is {kind}; a user grid (1) and points (2) are computed")


def roughness(control: Control) -> float | Map:
    """Roughness length [m], one value or a map."""
    if control.number("ROUGHNESS", 0.0) < 0:
        raise DataError(f"{control.where('ROUGHNESS')} is negative; give metres, or 0 and a map Z0FILE")
    if control.number("ROUGHNESS", 0.0) > 0:
        return control.number("ROUGHNESS")
    return roughness_map(_map_file(control, "Z0FILE", "--z0"))


def land_use(control: Control) -> int | Map:
    """Class of land use, or a map of it; a fixed roughness means grass."""
    if control.number("ROUGHNESS", 0.0) > 0:
        return 1
    return read_map(_map_file(control, "LUFILE", "--landuse"))


def _map_file(control: Control, key: str, option: str) -> Path:
    """A map beside the control file or in its folder of data."""
    if not control.text(key):
        raise DataError(f"{control.where(key)} is empty and ROUGHNESS is 0; give {key} or {option}")
    for place in (control.text(key), f"{control.text('DATADIR')}/{control.text(key)}"):
        if control.beside(place).is_file():
            return control.beside(place)
    raise DataError(f"{control.where(key)}: map {control.text(key)} does not exist; give the file or {option}")


def given_conversion(control: Control) -> Conversion | None:
    """None: internal rates; those of maps that are not at hand are refused."""
    if not control.text("CONVRATE"):
        return None
    raise DataError(
        f"{control.where('CONVRATE')} is {control.text('CONVRATE')}: the maps of rates are not at hand; give "
        "--conversion NH3=..,NOx=..,HNO3=..,coarse=..,fine=.. or --conversion internal"
    )


def roads(control: Control, ozone: str | float | None) -> Roads | None:
    """Roads of the case; None without any."""
    categories = frozenset(control.integers("ROADS"))
    if not categories or categories == {0}:
        return None
    switches = control.switches("ROADSOPT") or [1, 1]
    if len(switches) != 2:
        raise DataError(f"{control.where('ROADSOPT')}: two values, chemistry and dispersion, are needed")
    return Roads(categories, bool(switches[0]), bool(switches[1]), ozone_levels(ozone))

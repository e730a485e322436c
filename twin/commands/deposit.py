"""``twin deposit CASE``: nitrogen deposition of an OPS control file or a file of sources.

The flags are those of ``deposit_flags``; ``deposit_control`` says what a control file holds, ``deposit_output`` writes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from twin import nitrogen
from twin.commands import deposit_control as of_control
from twin.commands.deposit_flags import (
    Flags,
    background_of,
    conversion_of,
    places_of,
    roughness_map,
    substances,
    value_or_map,
)
from twin.commands.deposit_output import beside, summary, write_result
from twin.errors import ConfigError, DataError, NoEmissionError
from twin.nitrogen import Grid, Map, Switches
from twin.nitrogen.hours import Period
from twin.nitrogen.permit_rules import REACH, apply_cut_off
from twin.readers.brn import read_brn
from twin.readers.climatology import Climatology, read_climatology, read_regions
from twin.readers.ctr import Control, read_ctr
from twin.readers.imaer import read_imaer
from twin.readers.source_table import read_source_table

__all__ = ["deposit", "deposit_case"]

_SOURCES = {".brn", ".gml", ".csv", ".gpkg"}


def deposit(
    case: Path,
    /,
    *,
    out: Path,
    weather: Path | None = None,
    receptors: Path | None = None,
    substance: str | None = None,
    z0: str | None = None,
    landuse: str | None = None,
    background: str | None = None,
    ozone: str | None = None,
    conversion: str | None = None,
    year: int | None = None,
    mode: str = "exact",
    check: int = 200,
    reach: float | None = None,
    cut_off: float | None = None,
    cell: float = 250.0,
    period: str | None = None,
    every: int = 1,
    release_height: float | None = None,
    threads: int | None = None,
) -> int:
    """Compute nitrogen deposition as a control file or a file of sources says; flags override it.

    Parameters
    ----------
    case
        OPS control file (.ctr) or emission file (.brn), IMAER file (.gml), table of sources (.csv, .gpkg).
    out
        Result: .csv (columns of the field), .h5, or .gml (IMAER 6.0 results).
    weather
        Climatology: OPS file or its decoded CSV, or BASE.* for the six regions BASE.001 to BASE.006; in hourly mode
        the hourly file of a KNMI station, or a .csv (columns: docs/nitrogen.md).
    receptors
        Receptor file, .rcp or .csv (name, x, y in m RD); hexagons: the AERIUS hexagons within --reach; or lattice:
        square cells of --cell m over the sources and --reach around them.
    substance
        NH3, NOx, or both where the file of sources holds both (.gml, .csv, .gpkg).
    z0
        Roughness length in m, or a map.
    landuse
        DEPAC class 1..9, or a map.
    background
        NH3=6.0,NOx=20,SO2=1.5 in ug/m3; a value may be the name of a map in ug/m3.
    ozone
        O3 in ug/m3 for roads: one value or twelve, by wind sector.
    conversion
        internal, or rates NH3=5,NOx=4,HNO3=0.35,coarse=0.25,fine=0.40 (%/h and shares), or a file of them, one a
        line. A value may be the name of a map; a rate also CONVERTED|PRECURSOR, two maps whose quotient it is in %/h.
    year
        Year of the decoded CSV of a climatology; in hourly mode the year that is stepped through.
    mode
        exact; fast: tables over direction and distance, near sources exact; or hourly: hours of real
        weather on a lattice.
    check
        Number of random pairs that fast mode recomputes exactly, beside the receptors of its error estimate.
    reach
        Greatest distance in km from source to receptor. Without it all pairs count, but hexagons lie within the
        25 km of Dutch permits (owner: Minister of LVVN, AERIUS) and a lattice reaches 5 km.
    cut_off
        Leave out total deposition below this in mol/ha/yr, per receptor over all sources; 0.005 in Dutch permits
        (owner: Minister of LVVN, AERIUS). Without it nothing is left out.
    cell
        Side of a lattice cell in m.
    period
        Hourly mode: a year, or START/STOP as dates (UTC); without it --year.
    every
        Hourly mode: step through every n-th hour of the period.
    release_height
        Height in m of the GML features that carry none (ships, mobile machines).
    threads
        Number of threads; results do not depend on it.
    """
    summary = deposit_case(
        case,
        out=out,
        weather=weather,
        receptors=receptors,
        substance=substance,
        z0=z0,
        landuse=landuse,
        background=background,
        ozone=ozone,
        conversion=conversion,
        year=year,
        mode=mode,
        check=check,
        reach=reach,
        cut_off=cut_off,
        cell=cell,
        period=period,
        every=every,
        release_height=release_height,
        threads=threads,
    )
    from rich.console import Console

    Console(soft_wrap=True, highlight=False, markup=False).print(json.dumps(summary))
    return 0


def deposit_case(case: str | Path, *, out: str | Path, **flags: Any) -> dict[str, Any]:
    """Run ``twin deposit`` and return its summary; see :func:`deposit` for the options."""
    given = Flags(Path(out), **flags)
    task = _task(Path(case), given)
    result = _hourly(task, given) if given.mode == "hourly" else _annual(task, given)
    if given.cut_off is not None:
        for name in [str(n) for n in result.data_vars if str(n).startswith("tot_")]:
            result[name] = apply_cut_off(result[name], given.cut_off)
    write_result(result, given.out, given.year or 0, task.reach)
    factor = task.options.get("emission_factor", 1.0)
    emitted = {name: factor * float(table["emission"].sum()) for name, table in task.sources.items()}
    rules = {"reach_km": task.reach, "cut_off_mol_ha_yr": given.cut_off}
    left_out = {what: n for table in task.sources.values() for what, n in table.attrs.get("left_out", {}).items()}
    count = sum(map(len, task.sources.values()))
    return summary(result, emitted, count, task.places) | rules | {"left_out": left_out}


@dataclass(frozen=True)
class _Task:
    """What the control file and the flags over it say together, whatever the mode."""

    control: Control | None
    sources: dict[str, pd.DataFrame]  # by substance
    places: pd.DataFrame | Grid
    reach: float | None  # km
    z0: float | Map
    land_use: int | Map
    background: dict[str, float | Map]
    options: dict[str, Any] = field(default_factory=dict)  # of the substance, by the control file

    @property
    def surface(self) -> dict[str, Any]:
        """As :func:`twin.nitrogen.deposit` takes it."""
        return {"z0": self.z0, "land_use": self.land_use, "background": self.background}


def _task(case: Path, flags: Flags) -> _Task:
    control = read_ctr(case) if case.suffix.lower() == ".ctr" else None
    sources = _sources_of_file(case, flags) if control is None else _sources_of_control(control, flags)
    options = {} if control is None else of_control.substance_options(control)
    if control is not None and flags.substance not in {None, of_control.substance(control)}:
        for name in ("diffusion", "reversible"):  # the file has those of its own substance
            options.pop(name, None)
    reach = REACH.value if str(flags.receptors) == "hexagons" and flags.reach is None else flags.reach
    return _Task(
        control,
        sources,
        _places(flags, control, sources, reach),
        reach,
        _roughness(flags, control),
        _land_use(flags, control),
        _background(flags, control),
        options,
    )


def _sources_of_file(case: Path, flags: Flags) -> dict[str, pd.DataFrame]:
    if case.suffix.lower() not in _SOURCES:
        raise ConfigError(f"{case}: give a control file (.ctr) or sources ({', '.join(sorted(_SOURCES))})")
    needed = {"--weather": flags.weather, "--receptors": flags.receptors, "--substance": flags.substance}
    for name, value in needed.items():
        if value is None:
            raise ConfigError(f"{case}: a file of sources alone does not say everything; give {name}")
    chosen = substances(case, str(flags.substance))
    tables: dict[str, pd.DataFrame] = {}
    missing: list[NoEmissionError] = []
    for name in chosen:
        try:
            tables[name] = _read_sources(case, name, flags.release_height)
        except NoEmissionError as error:
            missing.append(error)
    if not tables:
        raise missing[0]
    for reason in missing:  # of both substances one is there
        print(f"sources: {reason}; {', '.join(tables)} alone is computed", file=sys.stderr)
    return tables


def _sources_of_control(control: Control, flags: Flags) -> dict[str, pd.DataFrame]:
    own = of_control.substance(control)
    table = of_control.sources(control)
    if flags.substance not in {None, "NH3", "NOx"}:
        raise ConfigError(
            f"--substance {flags.substance}: {control.path} holds sources of one substance; give NH3 or NOx"
        )
    return {flags.substance or own: table}


def _read_sources(case: Path, substance: str, release_height: float | None) -> pd.DataFrame:
    suffix = case.suffix.lower()
    if suffix == ".gml":
        return read_imaer(case, substance, release_height)
    return read_brn(case) if suffix == ".brn" else read_source_table(case, substance)


def _places(flags: Flags, control: Control | None, sources, reach: float | None) -> pd.DataFrame | Grid:
    if flags.receptors is not None:
        outlines = pd.concat([table[["x", "y", "diameter"]] for table in sources.values()], ignore_index=True)
        return places_of(flags.receptors, outlines, reach, flags.cell)
    if control is None:
        raise ConfigError("the receptors are missing; give --receptors")
    return of_control.receptors(control)


def _roughness(flags: Flags, control: Control | None) -> float | Map:
    if flags.z0 is not None:
        return value_or_map(flags.z0, "--z0", roughness_map)
    if control is None:
        raise ConfigError("the roughness length is missing; give --z0 (a value in m, or a map)")
    return of_control.roughness(control)


def _land_use(flags: Flags, control: Control | None) -> int | Map:
    if flags.landuse is not None:
        value = value_or_map(flags.landuse, "--landuse")
        if not isinstance(value, Map) and value != int(value):
            raise ConfigError(f"--landuse {flags.landuse}: a DEPAC class 1..9 or the name of a map is needed")
        return value if isinstance(value, Map) else int(value)
    return 1 if control is None else of_control.land_use(control)


def _background(flags: Flags, control: Control | None) -> dict[str, float | Map]:
    if flags.background is not None:
        return background_of(flags.background)
    where = f"{control.path}: DATADIR {control.text('DATADIR')}" if control else "an emission file"
    raise DataError(f"{where} holds no background maps that are read; give --background NH3=..,NOx=..,SO2=.. (ug/m3)")


def _climate(flags: Flags, control: Control | None) -> Climatology | list[Climatology]:
    """Climatology of one region, or of all of them where the file's name ends in ``.*``."""
    weather = flags.weather
    if weather is None:
        if control is None:
            raise ConfigError("the climatology is missing; give --weather")
        several = control.integer("METEOTYPE", 1) == 0
        weather = control.file("MTFILE")
        if several and weather.suffix != ".*":
            raise DataError(f"{control.where('MTFILE')}: METEOTYPE 0 needs the regions' files as BASE.*, or --weather")
    return read_regions(weather) if Path(weather).suffix == ".*" else read_climatology(weather, year=flags.year)


def _annual(task: _Task, flags: Flags) -> xr.Dataset:
    """Exact or fast mode, one substance after the other."""
    if flags.period is not None or flags.every != 1:
        raise ConfigError("--period and --every belong to --mode hourly")
    climate = _climate(flags, task.control)
    options = dict(task.options)
    if flags.conversion is not None:
        options["conversion"] = None if flags.conversion == "internal" else conversion_of(flags.conversion)
    elif task.control is not None:
        options["conversion"] = of_control.given_conversion(task.control)
    if task.control is not None:
        options["roads"] = of_control.roads(task.control, flags.ozone)
    if task.reach is not None:
        options["reach"] = 1000.0 * task.reach
    how: dict[str, Any] = {"mode": flags.mode, "check": flags.check, "threads": flags.threads}
    return beside(
        {
            name: nitrogen.deposit(table, task.places, climate, name, **task.surface, **options, **how)
            for name, table in task.sources.items()
        }
    )


def _hourly(task: _Task, flags: Flags) -> xr.Dataset:
    """Hourly mode; what it does not take is refused by the name it has here."""
    refused = {
        "--conversion": flags.conversion,
        "--ozone": flags.ozone,
        "ROADS": task.control and of_control.roads(task.control, flags.ozone),
    }
    for name, used in refused.items():
        if used:
            raise ConfigError(f"{name} has no effect in hourly mode; leave it out")
    if flags.weather is None:
        raise ConfigError("--mode hourly needs --weather: the hourly file of a KNMI station")
    period = flags.period or (flags.year and str(flags.year))
    if not period:
        raise ConfigError("--mode hourly needs --year or --period: which hours")
    hours = Period.parse(period, flags.every)
    if task.options.get("emission_factor", 1.0) != 1.0:
        raise ConfigError("EMCORFAC is not 1; the hourly mode takes emissions as they are, scale them in the file")
    if not all(task.options.get("switches", Switches()).numbers()):
        raise ConfigError("LOSS switches processes off; the hourly mode computes all of them")
    return nitrogen.deposit(
        task.sources, task.places, flags.weather, **task.surface, mode="hourly", period=hours, cell=flags.cell,
        threads=flags.threads,
    )  # fmt: skip

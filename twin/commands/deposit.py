"""``twin deposit CASE``: nitrogen deposition of an OPS control file or a file of sources."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from kernels.nitrogen import hexagons
from twin import nitrogen
from twin.errors import ConfigError, DataError
from twin.exports.imaer import write_imaer
from twin.nitrogen import Conversion, Grid, Map, Roads, Switches
from twin.nitrogen.hours import Period, deposit_hours, lattice_around
from twin.nitrogen.permit_rules import REACH, apply_cut_off
from twin.readers.brn import read_brn
from twin.readers.climatology import Climatology, read_climatology, read_regions
from twin.readers.ctr import Control, read_ctr
from twin.readers.imaer import read_imaer
from twin.readers.raster_map import read_map
from twin.readers.rcp import read_rcp
from twin.readers.source_table import read_source_table

__all__ = ["deposit", "deposit_case"]

_SUBSTANCES = {2: "NOx", 3: "NH3"}
_MOLAR_N = {"NH3": 17.0, "NOx": 46.0}
_SOURCES = {".brn", ".gml", ".csv", ".gpkg"}
_LATTICE_REACH = 5.0  # km around the sources
_OUT = {".csv", ".h5", ".nc", ".gml"}
_YEAR = 8760.0 * 3600.0  # s, as the unit conversion of deposition has it


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


def deposit_case(
    case: str | Path,
    *,
    out: str | Path,
    weather: str | Path | None = None,
    receptors: str | Path | None = None,
    substance: str | None = None,
    z0: str | float | None = None,
    landuse: str | int | None = None,
    background: str | None = None,
    ozone: str | float | None = None,
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
) -> dict[str, Any]:
    """Run ``twin deposit`` and return its summary; see :func:`deposit` for the options."""
    case, out = Path(case), Path(out)
    if mode not in {"exact", "fast", "hourly"}:
        raise ConfigError(f"mode {mode!r} is not known; exact, fast and hourly are")
    if check < 0:
        raise ConfigError(f"--check {check}: a number of pairs, 0 or more, is needed")
    if out.suffix.lower() not in _OUT:
        raise ConfigError(f"--out {out}: give a name that ends in .csv, .h5 or .gml")
    if cut_off is not None and not cut_off >= 0:
        raise ConfigError(f"--cut-off {cut_off}: a deposition in mol/ha/yr, 0 or more, is needed")
    arguments: dict[str, Any] = {"threads": threads, "mode": mode, "check": check}
    control = read_ctr(case) if case.suffix.lower() == ".ctr" else None
    if control is None:
        if case.suffix.lower() not in _SOURCES:
            raise ConfigError(f"{case}: give a control file (.ctr) or sources ({', '.join(sorted(_SOURCES))})")
        for name, value in {"--weather": weather, "--receptors": receptors, "--substance": substance}.items():
            if value is None:
                raise ConfigError(f"{case}: a file of sources alone does not say everything; give {name}")
        sources = {name: _read_sources(case, name, release_height) for name in _substances(case, str(substance))}
    else:
        table = _apply_control(control, arguments)
        if substance is not None and substance not in _SUBSTANCES.values():
            raise ConfigError(f"--substance {substance}: {case} holds sources of one substance; give NH3 or NOx")
        sources = {substance or arguments["substance"]: table}
    everything = pd.concat([table[["x", "y", "diameter"]] for table in sources.values()], ignore_index=True)
    if receptors is not None and str(receptors) == "hexagons" and reach is None:
        reach = REACH.value
    places = _places(receptors, everything, reach, cell) if receptors is not None else _receptors(control)
    arguments["z0"] = _value(z0, "--z0", _roughness_map) if z0 is not None else _roughness(control)
    arguments["land_use"] = _land_use(landuse, control)
    arguments["background"] = _background(background, control)
    if mode == "hourly":
        refused: dict[str, object] = {
            "--conversion": conversion,
            "--ozone": ozone,
            "ROADS": control and _roads(control, ozone),
        }
        for name, used in refused.items():
            if used:
                raise ConfigError(f"{name} has no effect in hourly mode; leave it out")
        result = _hours(sources, places, everything, weather, period or (year and str(year)), every, cell, arguments)
    else:
        if period is not None or every != 1:
            raise ConfigError("--period and --every belong to --mode hourly")
        climate = _climate(weather, control, year)
        if conversion is not None:
            arguments["conversion"] = None if conversion == "internal" else _conversion(conversion)
        elif control is not None:
            arguments["conversion"] = _given_conversion(control)
        if control is not None:
            arguments["roads"] = _roads(control, ozone)
        if reach is not None:
            arguments["reach"] = 1000.0 * reach
        arguments.pop("substance", None)
        results = {name: nitrogen.deposit(table, places, climate, name, **arguments) for name, table in sources.items()}
        result = _both(results)
    factor = arguments.get("emission_factor", 1.0)
    emitted = {name: factor * float(table["emission"].sum()) for name, table in sources.items()}
    if cut_off is not None:
        for name in [str(n) for n in result.data_vars if str(n).startswith("tot_")]:
            result[name] = apply_cut_off(result[name], cut_off)
    _write(result, out, year or 0, reach)
    rules = {"reach_km": reach, "cut_off_mol_ha_yr": cut_off}
    left_out = {what: n for table in sources.values() for what, n in table.attrs.get("left_out", {}).items()}
    return _summary(result, emitted, sum(map(len, sources.values())), places) | rules | {"left_out": left_out}


def _substances(case: Path, substance: str) -> tuple[str, ...]:
    if substance in _SUBSTANCES.values():
        return (substance,)
    if substance != "both":
        raise ConfigError(f"--substance {substance}: NH3, NOx and both are known")
    if case.suffix.lower() == ".brn":
        raise ConfigError(f"{case}: an emission file holds one substance; give --substance NH3 or NOx")
    return ("NH3", "NOx")


def _read_sources(case: Path, substance: str, release_height: float | None) -> pd.DataFrame:
    suffix = case.suffix.lower()
    if suffix == ".gml":
        return read_imaer(case, substance, release_height)
    return read_brn(case) if suffix == ".brn" else read_source_table(case, substance)


def _hours(sources, places, everything, weather, period, every, cell, arguments) -> xr.Dataset:
    """Hourly mode: the lattice is that of the receptors, or lies over sources and receptors."""
    if weather is None:
        raise ConfigError("--mode hourly needs --weather: the hourly file of a KNMI station")
    if not period:
        raise ConfigError("--mode hourly needs --year or --period: which hours")
    hours = Period.parse(period, every)
    if arguments.get("emission_factor", 1.0) != 1.0:
        raise ConfigError("EMCORFAC is not 1; the hourly mode takes emissions as they are, scale them in the file")
    switches = arguments.get("switches", Switches())
    if not all(switches.numbers()):
        raise ConfigError("LOSS switches processes off; the hourly mode computes all of them")
    common = (weather, hours)
    rest = {name: arguments[name] for name in ("z0", "land_use", "background")}
    if isinstance(places, Grid):
        return deposit_hours(sources, None, *common, places, **rest)
    spots = places.assign(diameter=0.0)[["x", "y", "diameter"]]
    lattice = lattice_around(pd.concat([everything, spots], ignore_index=True), 4.0 * cell, cell)
    return deposit_hours(sources, places, *common, lattice, **rest)


def _both(results: dict[str, xr.Dataset]) -> xr.Dataset:
    """Results of one substance as they are, of two beside each other with the total of N."""
    if len(results) == 1:
        return next(iter(results.values()))
    merged = xr.merge([r.drop_attrs(deep=False) for r in results.values()], compat="override")
    merged["tot_N"] = merged["tot_NHx"] + merged["tot_NOy"]
    merged["tot_N"].attrs["units"] = "mol ha-1 yr-1"
    parts = [r.attrs for r in results.values()]
    seconds = sum(p["cpu_seconds"] for p in parts)
    pairs = sum(p["pairs"] for p in parts)
    merged.attrs.update(parts[0])
    merged.attrs.update(
        substance="+".join(results), pairs=pairs, cpu_seconds=seconds,
        pairs_per_cpu_second=pairs / seconds if seconds > 0 else 0.0,
    )  # fmt: skip
    for name in ("error_estimate", "error_median", "pair_error", "pair_error_maximum"):
        if name in parts[0]:
            merged.attrs[name] = max(p[name] for p in parts)
    return merged


def _apply_control(control: Control, arguments: dict[str, Any]):
    """Sources and the substance's options of a control file."""
    code = control.integer("COMPCODE")
    if code not in _SUBSTANCES:
        raise DataError(f"{control.where('COMPCODE')} is {code}; substances 2 (NOx) and 3 (NH3) are computed")
    arguments["substance"] = _SUBSTANCES[code]
    loss = control.switches("LOSS") or [1]
    if len(loss) not in {1, 5}:
        raise DataError(f"{control.where('LOSS')}: one value, or 1 and four values for single processes, are needed")
    arguments["switches"] = Switches(*(bool(v) for v in (loss[1:] if len(loss) == 5 and loss[0] else loss[:1] * 4)))
    if control.text("DIFFCOEFF"):
        arguments["diffusion"] = control.number("DIFFCOEFF")
    if control.text("WASHOUT"):
        arguments["reversible"] = bool(control.integer("WASHOUT"))
    arguments["emission_factor"] = control.number("EMCORFAC", 1.0)
    if control.integer("DEPUNIT", 3) != 3:
        raise DataError(f"{control.where('DEPUNIT')}: deposition is written in mol/ha/yr (3); set it to 3")
    if control.text("PHASE") not in {"", "1"}:
        raise DataError(f"{control.where('PHASE')}: gases (1) are computed, particles are not")
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


def _climate(weather: str | Path | None, control: Control | None, year: int | None) -> Climatology | list[Climatology]:
    """Climatology of one region, or of all of them where the file's name ends in ``.*``."""
    if weather is None:
        if control is None:
            raise ConfigError("the climatology is missing; give --weather")
        several = control.integer("METEOTYPE", 1) == 0
        weather = control.file("MTFILE")
        if several and weather.suffix != ".*":
            raise DataError(f"{control.where('MTFILE')}: METEOTYPE 0 needs the regions' files as BASE.*, or --weather")
    return read_regions(weather) if Path(weather).suffix == ".*" else read_climatology(weather, year=year)


def _places(receptors: str | Path, sources, reach: float | None, cell: float):
    """Receptors of a file, the AERIUS hexagons within reach of the sources, or the cells of a lattice."""
    if str(receptors) == "lattice":
        return lattice_around(sources, 1000.0 * (_LATTICE_REACH if reach is None else reach), cell)
    if str(receptors) != "hexagons":
        return read_rcp(receptors)
    number = hexagons.hexagons_within(
        sources["x"].to_numpy(), sources["y"].to_numpy(), 1000.0 * (REACH.value if reach is None else reach)
    )
    if number.size == 0:
        raise DataError("no AERIUS hexagon lies within reach of the sources; check their coordinates (m RD)")
    x, y = hexagons.centres(number)
    return pd.DataFrame({"name": number.astype(str), "x": x, "y": y})


def _receptors(control: Control | None):
    if control is None:
        raise ConfigError("the receptors are missing; give --receptors")
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


def _value(text: str | float, option: str, of_file: Callable[[Path], Map] = read_map) -> float | Map:
    """A number, or a map by its file name."""
    try:
        value = float(text)
    except ValueError:
        return of_file(Path(str(text)))
    if not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{option} {text}: a positive number or the name of a map is needed")
    return value


def _map_file(control: Control, key: str, option: str) -> Path:
    """A map beside the control file or in its folder of data."""
    if not control.text(key):
        raise DataError(f"{control.where(key)} is empty and ROUGHNESS is 0; give {key} or {option}")
    for place in (control.text(key), f"{control.text('DATADIR')}/{control.text(key)}"):
        if control.beside(place).is_file():
            return control.beside(place)
    raise DataError(f"{control.where(key)}: map {control.text(key)} does not exist; give the file or {option}")


def _roughness(control: Control | None) -> float | Map:
    if control is None:
        raise ConfigError("the roughness length is missing; give --z0 (a value in m, or a map)")
    if control.number("ROUGHNESS", 0.0) < 0:
        raise DataError(f"{control.where('ROUGHNESS')} is negative; give metres, or 0 and a map Z0FILE")
    if control.number("ROUGHNESS", 0.0) > 0:
        return control.number("ROUGHNESS")
    return _roughness_map(_map_file(control, "Z0FILE", "--z0"))


def _roughness_map(path: Path) -> Map:
    """A map in metres; OPS maps hold roughness in whole ten-thousandths (nitrogen.md 3.2)."""
    found = read_map(path)
    if path.suffix.lower() in {".tif", ".tiff"}:
        return found
    return Map(found.values * 1.0e-4, found.left, found.top, found.dx, found.dy, found.file)


def _land_use(text: str | int | None, control: Control | None) -> int | Map:
    if text is not None:
        value = _value(text, "--landuse")
        return value if isinstance(value, Map) else int(value)
    if control is None or control.number("ROUGHNESS", 0.0) > 0:
        return 1  # a fixed roughness means grass
    return read_map(_map_file(control, "LUFILE", "--landuse"))


def _pairs(text: str, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.replace("\n", ",").split(","):
        if not part.strip() or part.strip().startswith("#"):
            continue
        name, equal, value = part.partition("=")
        if not equal or not value.strip():
            raise ConfigError(f"{option}: {part.strip()!r} is not NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def _background(text: str | None, control: Control | None) -> dict[str, float | Map]:
    if text is None:
        where = f"{control.path}: DATADIR {control.text('DATADIR')}" if control else "an emission file"
        raise DataError(
            f"{where} holds no background maps that are read; give --background NH3=..,NOx=..,SO2=.. (ug/m3)"
        )
    given = _pairs(text, "--background")
    unknown = set(given) - {"NH3", "NOx", "SO2"}
    if unknown:
        raise ConfigError(f"--background: {min(unknown)} is not known; NH3, NOx and SO2 are")
    return {name: _value(value, f"--background {name}") for name, value in given.items()}


def _conversion(text: str) -> Conversion:
    path, folder = Path(text), Path()
    if "=" not in text:
        if not path.is_file():
            raise ConfigError(f"--conversion {text}: give 'internal', NH3=..,NOx=.. in %/h, or a file of them")
        try:
            text, folder = path.read_text(), path.parent
        except UnicodeDecodeError:
            raise ConfigError(f"--conversion {path}: not a text file of NAME=VALUE lines") from None
    given = _pairs(text, "--conversion")
    names = {"NH3": "nh3", "NOx": "nox", "HNO3": "hno3", "coarse": "coarse", "fine": "fine"}
    unknown = set(given) - set(names)
    if unknown:
        raise ConfigError(f"--conversion: {min(unknown)} is not known; {', '.join(names)} are")
    if not {"NH3", "NOx"} <= set(given):
        raise ConfigError("--conversion: rates of both NH3 and NOx are needed [%/h]")
    values: dict[str, Any] = {}
    for name, value in given.items():
        parts = value.split("|")
        if len(parts) > (2 if name in {"NH3", "NOx"} else 1):
            raise ConfigError(f"--conversion {name}={value}: a number, a map, or for a rate CONVERTED|PRECURSOR")
        found = [_number_or_map(part, folder, f"--conversion {name}") for part in parts]
        values[names[name]] = found[0] if len(found) == 1 else tuple(found)
    rates = Conversion(**values)
    shares = (rates.hno3, rates.coarse, rates.fine)
    numbers = [share for share in shares if not isinstance(share, Map)]
    if len(numbers) == len(shares) and abs(sum(numbers) - 1.0) > 1e-6:
        raise ConfigError("--conversion: shares of HNO3, coarse and fine must be positive and add up to 1")
    return rates


def _number_or_map(text: str, folder: Path, option: str) -> float | Map:
    """A number that is not negative, or a map beside the file that names it."""
    try:
        value = float(text)
    except ValueError:
        return read_map(folder / text)
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{option}={text}: a number of 0 or more, or the name of a map, is needed")
    return value


def _given_conversion(control: Control) -> Conversion | None:
    if not control.text("CONVRATE"):
        return None
    raise DataError(
        f"{control.where('CONVRATE')} is {control.text('CONVRATE')}: the maps of rates are not at hand; give "
        "--conversion NH3=..,NOx=..,HNO3=..,coarse=..,fine=.. or --conversion internal"
    )


def _roads(control: Control, ozone: str | float | None) -> Roads | None:
    categories = frozenset(control.integers("ROADS"))
    if not categories or categories == {0}:
        return None
    switches = control.switches("ROADSOPT") or [1, 1]
    if len(switches) != 2:
        raise DataError(f"{control.where('ROADSOPT')}: two values, chemistry and dispersion, are needed")
    levels: tuple[float, ...] = ()
    if ozone is not None:
        try:
            levels = tuple(float(word) for word in str(ozone).split(","))
        except ValueError:
            raise ConfigError(f"--ozone {ozone}: numbers in ug/m3 are needed") from None
        levels = levels * 12 if len(levels) == 1 else levels
        if len(levels) != 12 or min(levels) < 0:
            raise ConfigError("--ozone: one value or twelve, one per wind sector, in ug/m3 are needed")
    return Roads(categories, bool(switches[0]), bool(switches[1]), levels)


def _write(result: xr.Dataset, out: Path, year: int, reach: float | None) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".gml":
        if not year:
            raise ConfigError("--out .gml needs --year: the year of the emissions")
        write_imaer(result, out, year=year, reach=reach)
        return
    if out.suffix.lower() != ".csv":
        result.to_netcdf(out, engine="h5netcdf")
        return
    table = result.drop_vars("group", errors="ignore").to_dataframe().reset_index()
    table = table.rename(columns={"receptor": "name"})
    table = table[["name", "x", "y", *result.data_vars]]
    for name in ("x", "y"):
        if (table[name] == table[name].round()).all():
            table[name] = table[name].astype(np.int64)
    table.to_csv(out, index=False, float_format="%.6E")


def _summary(result: xr.Dataset, emission: dict[str, float], count: int, places) -> dict[str, Any]:
    """What the last line of the command says."""
    budget: dict[str, float | None] = {
        "emitted_mol_per_year": sum(q / _MOLAR_N[name] * _YEAR for name, q in emission.items()),
        "deposited_mol_per_year": None,
    }
    if isinstance(places, Grid):
        total = sum(float(result[name].sum()) for name in ("tot_NHx", "tot_NOy") if name in result)
        budget["deposited_mol_per_year"] = total * places.cell**2 / 1.0e4
    attrs = result.attrs
    for name in ("emitted_mol", "deposited_mol", "exported_mol", "worst_residual"):
        if name in attrs:  # hourly mode: of the hours that were stepped through, over the lattice
            budget[name] = attrs[name]
    checked = ("error_median", "checked_receptors", "checked_pairs", "pair_error", "pair_error_maximum")
    return {
        "mode": attrs["mode"],
        "substance": attrs["substance"],
        "sources": count,
        "receptors": int(result.sizes["receptor"]),
        "pairs": attrs["pairs"],
        "pairs_per_cpu_second": attrs["pairs_per_cpu_second"],
        "cpu_seconds": attrs["cpu_seconds"],
        "budget": budget,
        "error_estimate": None if attrs["mode"] == "hourly" else attrs.get("error_estimate", 0.0),
        **{name: attrs[name] for name in checked if name in attrs},
    }

"""What ``twin deposit`` leaves behind: the result's file, and the last line on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from kernels.nitrogen import units
from twin.errors import ConfigError
from twin.exports.imaer import write_imaer
from twin.nitrogen import Grid
from twin.nitrogen.kernel_input import MOLAR

__all__ = ["beside", "summary", "write_result"]

_YEAR = units.HOURS_PER_YEAR * 3600.0  # s, as the unit conversion of deposition has it


def beside(results: dict[str, xr.Dataset]) -> xr.Dataset:
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


def write_result(result: xr.Dataset, out: Path, year: int, reach: float | None) -> None:
    """Write the result as the name of the file says."""
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
    for name in table.select_dtypes("floating"):  # quicker than to_csv's float_format
        table[name] = table[name].map("{:.6E}".format, na_action="ignore")
    table.to_csv(out, index=False)


def summary(result: xr.Dataset, emission: dict[str, float], count: int, places) -> dict[str, Any]:
    """What the last line of the command says."""
    budget: dict[str, float | None] = {
        "emitted_mol_per_year": sum(units.grams_to_mol(q, MOLAR[name][0]) * _YEAR for name, q in emission.items()),
        "deposited_mol_per_year": None,
    }
    if isinstance(places, Grid):
        total = sum(float(result[name].sum()) for name in ("tot_NHx", "tot_NOy") if name in result)
        budget["deposited_mol_per_year"] = total * places.cell**2 / units.HECTARE
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

"""``twin congestion RUN``: which transformer or cable of a run is overloaded, how long and how far."""

from pathlib import Path

import numpy as np
import pandas as pd

from twin.analysis.congestion import CIRCUIT, TO_MEDIUM_VOLTAGE
from twin.analysis.congestion import congestion as congestion_in
from twin.records import find_run, open_run

__all__ = ["congestion"]


def congestion(path: Path, *, out: Path | None = None, most: int = 10, ambient: float = 20.0) -> str:
    """Name the congestion of a run file.

    Parameters
    ----------
    path
        Run file.
    out
        CSV with a row per asset.
    most
        Assets to list.
    ambient
        Temperature around transformers for their ageing, degC.
    """
    table = congestion_in(open_run(find_run(path)), ambient=ambient)
    assets = table[[n for n in table if table[n].dims == ("branch",)]].to_dataframe()
    assets["branch_id"] = table["branch_id"].values.astype(str)
    assets = assets.sort_values(["not_transportable", "highest_loading"], ascending=False)
    if out is not None:
        assets.to_csv(out, index=False)
    over = assets[assets["overloaded_hours"] > 0]
    low, high = (float(table[k].sum()) for k in ("low_voltage_hours", "high_voltage_hours"))
    lines = [
        f"{len(over)} of {len(assets)} assets overloaded in {table.attrs['hours']:g} h; "
        f"{over['not_transportable'].sum():.3g} MVA h above ratings",
        f"  bus hours below 0.9 pu {low:g}, above 1.1 pu {high:g}; asset hours not solved "
        f"{assets['unknown_hours'].sum():g}",
    ]
    lines += _busiest(assets)
    assumed = over[over["branch_basis"] > 0] if "branch_basis" in over else over[:0]
    if len(assumed):
        lines.append(f"  {len(assumed)} of them on the high-voltage network, whose ratings are assumed (*)")
    names = over["branch_id"] + np.where(over.index.isin(assumed.index), " *", "")
    wide = max(28, *names.head(most).str.len(), 0) if len(over) else 28
    if len(over):
        lines.append(f"  {'asset':<{wide}} {'hours':>7} {'>120 %':>7} {'longest':>7} {'highest':>8} {'MVA h':>9}")
    lines += [
        f"  {name:<{wide}} {row.overloaded_hours:7.4g} {row.heavily_overloaded_hours:7.4g} "
        f"{row.longest_overload:7.4g} {row.highest_loading:8.0%} {row.not_transportable:9.4g}"
        for name, row in zip(names.head(most), over.head(most).itertuples(), strict=True)
    ]
    return "\n".join(lines)


def _busiest(assets: pd.DataFrame) -> list[str]:
    """The busiest substation and high-voltage circuit, where the run has them."""
    if "branch_basis" not in assets:
        return []
    high = assets[assets["branch_basis"] > 0]
    groups = (("substation", high["branch_basis"] == TO_MEDIUM_VOLTAGE), ("circuit", high["branch_kind"] == CIRCUIT))
    best = [(name, high[chosen].nlargest(1, "highest_loading")) for name, chosen in groups]
    told = [f"{name} {b['highest_loading'].item():.0%} ({b['branch_id'].item()})" for name, b in best if len(b)]
    return [f"  busiest of high voltage, of assumed ratings: {', '.join(told)}"] if told else []

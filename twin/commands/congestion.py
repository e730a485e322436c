"""``twin congestion RUN``: which transformer or cable of a run is overloaded, how long and how far."""

from pathlib import Path

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
    if len(over):
        lines.append(f"  {'asset':<28} {'hours':>7} {'>120 %':>7} {'longest':>7} {'highest':>8} {'MVA h':>9}")
    lines += [
        f"  {row.branch_id:<28} {row.overloaded_hours:7.4g} {row.heavily_overloaded_hours:7.4g} "
        f"{row.longest_overload:7.4g} {row.highest_loading:8.0%} {row.not_transportable:9.4g}"
        for row in over.head(most).itertuples()
    ]
    return "\n".join(lines)

"""``twin hosting GRID`` and ``twin outages GRID``: what buses can still take, and whether rings hold."""

from pathlib import Path

import numpy as np

from twin.errors import ConfigError
from twin.power import hosting as hosting_of
from twin.power import ring_outages

__all__ = ["hosting", "outages"]


def hosting(
    grid: str, *, generation: bool = False, most: float = 10.0, cases: str = "1.0", power_factor: float = 1.0,
    low: float = 0.9, high: float = 1.1, out: Path | None = None,
) -> str:  # fmt: skip
    """Say how much load, or generation, each bus of a radial network can take alone.

    Parameters
    ----------
    grid
        As of ``twin powerflow``.
    generation
        Ask for feed-in instead of load.
    most
        MW up to which is searched.
    cases
        Factors on the loads that must all hold, comma-separated, such as 1.0,0.2.
    power_factor
        Of what is added.
    low, high
        Voltage limits, pu.
    out
        CSV: bus, capacity_mw.
    """
    try:
        factors = tuple(float(c) for c in cases.split(","))
    except ValueError:
        raise ConfigError(f"--cases {cases}: write numbers between commas, such as 1.0,0.2") from None
    table = hosting_of(
        grid, generation=generation, most=most, cases=factors, power_factor=power_factor, low=low, high=high
    )  # fmt: skip
    capacity = table["capacity"].to_series().rename("capacity_mw")
    capacity.index = table["bus_id"].values.astype(str)
    if out is not None:
        capacity.rename_axis("bus").to_csv(out)
    known = capacity.dropna()
    what = "feed-in" if generation else "load"
    lines = [f"{what} that each of {len(known)} buses can take alone, searched up to {most:g} MW"]
    for share, value in known.quantile([0.0, 0.25, 0.5, 0.75, 1.0]).items():
        lines += [f"  {share:4.0%} of buses take at most {value:8.3f} MW"]
    lines += ["least"] + [f"  {bus:<24} {value:8.3f} MW" for bus, value in known.nsmallest(5).items()]
    return "\n".join(lines)


def outages(grid: str, *, out: Path | None = None) -> str:
    """Say whether each ring of a network holds when a section fails and its opening is closed.

    Parameters
    ----------
    grid
        As of ``twin powerflow``; branches with an open end are the openings.
    out
        CSV: branch, worst_loading_percent, lowest_voltage_pu.
    """
    table = ring_outages(grid)
    frame = table.to_dataframe().sort_values("worst_loading", ascending=False, na_position="first")
    frame["worst_loading"] *= 100
    frame = frame.rename(columns={"worst_loading": "worst_loading_percent", "lowest_voltage": "lowest_voltage_pu",
                                  "branch_id": "branch"})  # fmt: skip
    if out is not None:
        frame.to_csv(out, index=False, columns=["branch", "worst_loading_percent", "lowest_voltage_pu"])
    worst = frame["worst_loading_percent"]
    lost, over = int(worst.isna().sum()), int((worst > 100).sum())
    a = table.attrs
    lines = [
        f"{a['outages']} outages of ring sections by {a['openings']} openings, {a['topologies']} topologies solved",
        f"  {over} overload an asset, {lost} leave a bus without supply or are not solved",
    ]
    for row in frame.head(5).itertuples():
        loading = "not supplied" if np.isnan(row.worst_loading_percent) else f"{row.worst_loading_percent:7.1f} %"
        lines.append(f"  {row.branch!s:<24} {loading}  {row.lowest_voltage_pu:.4f} pu")
    return "\n".join(lines)

"""Tables of a run: Parquet or CSV, one row per place and output time, with units in the header."""

from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from twin.analysis import indicators
from twin.errors import RecordError
from twin.records import open_run

__all__ = ["export_table"]

# places whose results go in one table: dimension -> root variable with the identity of each place
IDS = {
    "road_link": "road_id",
    "bus": "bus_id",
    "branch": "branch_id",
    "building": "building_id",
    "hexagon": "hexagon_number",
    "origin": "origin_zone",
    "area": "area_name",
}


def export_table(run: str | Path | xr.DataTree, out: str | Path, over: str = "indicators") -> Path:
    """Write results ``over`` a place (``road_link``, ``bus``, ``branch``, ``building``, ``hexagon``, ``origin``),
    ``time`` or ``indicators``.

    The ending of ``out`` chooses the format: .parquet or .csv. Column names carry units: ``bus_load [kW]``.
    """
    tree = run if isinstance(run, xr.DataTree) else open_run(run)
    out = Path(out)
    if out.suffix not in (".csv", ".parquet"):
        raise RecordError(f"{out}: ending {out.suffix!r}; choose .csv or .parquet")
    table = _table(tree, over)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    if out.suffix == ".csv":
        table.to_csv(part, index=False)
    else:
        try:
            table.to_parquet(part, index=False)
        except ImportError as error:
            raise RecordError(f"{out}: Parquet needs pyarrow ({error}); pip install pyarrow, or choose .csv") from error
    return part.replace(out)


def _table(tree: xr.DataTree, over: str) -> pd.DataFrame:
    if over == "indicators":
        return pd.DataFrame(
            [(i.name, i.units, i.value, i.kind) for i in indicators(tree)],
            columns=["indicator", "unit", "value", "kind"],
        )
    data = tree.to_dataset()
    dims = ("time",) if over == "time" else ("time", over)
    chosen = [str(n) for n, v in data.data_vars.items() if v.dims == dims]
    if not chosen:
        known = sorted({str(v.dims[1]) for v in data.data_vars.values() if v.dims[:1] == ("time",) and v.ndim == 2})
        raise RecordError(f"no result over {over!r}; choose indicators, time, {', '.join(known)}")
    times = pd.to_datetime(data["time"].values)
    columns: dict[str, Any]
    if over == "time":
        columns = {"time": times}
    else:
        count = data.sizes[over]
        ids = data[IDS[over]].values if IDS.get(over) in data else range(count)
        columns = {"time": times.repeat(count), over: list(range(count)) * len(times), "id": list(ids) * len(times)}
        if over == "building":
            columns["bag_id"] = list(data["building_bag_id"].values) * len(times)
    for name in chosen:
        columns[f"{name} [{data[name].attrs.get('units', '1')}]"] = data[name].values.ravel()
    return pd.DataFrame(columns)

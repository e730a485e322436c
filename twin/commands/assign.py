"""``twin assign NET TRIPS``: the equilibrium of one network, its flows and skims in files."""

import csv
import json
from pathlib import Path

from twin.errors import ConfigError, DataError
from twin.exports.omx import write_omx
from twin.traffic import Assigned, assign

__all__ = ["assign_network", "write_flows"]


def assign_network(
    net: str | Path,
    trips: str | Path,
    *,
    gap: float = 1e-6,
    demand_scale: float = 1.0,
    toll_factor: float | None = None,
    distance_factor: float | None = None,
    threads: int | None = None,
    classes: str | Path | None = None,
    flows: str | Path | None = None,
    skims: str | Path | None = None,
    reference: bool = False,
    max_iterations: int = 1000,
) -> tuple[str, int]:
    """User equilibrium of TRIPS on NET (TNTP); text whose last line is one JSON object, and the exit code.

    ``flows``: CSV with a row per link in the order of the file (link, from_node, to_node, flow, cost; with classes
    also flow_NAME and cost_NAME); ``skims``: OMX with cost, time, distance, toll between zones. The exit code is 1
    where the gap was not reached within ``max_iterations``.
    """
    for path in (flows, skims):
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise ConfigError(f"{path}: the folder does not exist; create it first")
    result = assign(
        net,
        trips,
        gap=gap,
        demand_scale=demand_scale,
        toll_factor=toll_factor,
        distance_factor=distance_factor,
        threads=threads,
        classes=classes,
        reference=reference,
        max_iterations=max_iterations,
    )
    a = result.links.attrs
    method = "bi-conjugate Frank-Wolfe" if reference else "path-based gradient projection"
    lines = [
        f"{Path(net).name}: {len(result.links.link)} links, {result.network.zones} zones, {len(result.demand)} pairs",
        f"{method}: relative gap {a['relative_gap']:.3g} after {a['iterations']} iterations",
    ]
    if a["intrazonal_trips"]:
        lines.append(f"{a['intrazonal_trips']:g} intrazonal trips are not loaded")
    if not a["converged"]:
        lines.append(f"gap {gap:g} was not reached; raise --max-iterations")
    if flows is not None:
        lines.append(f"flows: {write_flows(result, flows)}")
    if skims is not None:
        table = result.skims()
        several = len(result.classes) > 1
        matrices = {
            f"{name}_{c.name}" if several else name: values[m]
            for m, c in enumerate(result.classes)
            for name, values in ((n, table[n].values) for n in ("cost", "time", "distance", "toll"))
        }
        lines.append(f"skims: {write_omx(skims, matrices, table['origin'].values)}")
    lines.append(json.dumps(result.summary))
    return "\n".join(lines), 0 if a["converged"] else 1


def write_flows(result: Assigned, path: str | Path) -> Path:
    """Write flow and cost by link as CSV; the file appears only when it is complete."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    links = result.links
    columns = {n: links[n].values for n in ("link", "from_node", "to_node", "flow", "cost")}
    if len(result.classes) > 1:
        for m, c in enumerate(result.classes):
            columns[f"flow_{c.name}"] = links["class_flow"].values[m]
            columns[f"cost_{c.name}"] = links["class_cost"].values[m]
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*(v.tolist() for v in columns.values())))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error}") from error
    return path

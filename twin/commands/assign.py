"""``twin assign NET TRIPS``: the equilibrium of one network, its flows and skims in files."""

import csv
import json
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from twin.errors import ConfigError, DataError
from twin.exports.omx import write_omx
from twin.traffic import Assigned, RoadNetwork, assign, open_roads
from twin.traffic.counts import against_counts

__all__ = ["assign_network", "write_flows", "write_paths"]


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
    function: Literal["bpr", "conical", "akcelik"] = "bpr",
    junctions: str | Path | None = None,
    counts: str | Path | None = None,
    paths: str | Path | None = None,
    select_link: list[str] | None = None,
    road_rules: str | Path | None = None,
    crs: int | None = None,
) -> tuple[str, int]:
    """User equilibrium of TRIPS on NET; text whose last line is one JSON object, and the exit code.

    NET: a TNTP file, a GMNS folder, OSM GraphML, NWB sections; TRIPS: a TNTP file, OMX (FILE.omx:NAME), a CSV table.
    ``flows``: CSV with a row per link in the order of the file (link, from_node, to_node, flow, cost; with classes
    also flow_NAME and cost_NAME; with ``select_link`` (ids) also selected, the flow over all of these); ``skims``: OMX
    with cost, time, distance, toll between zones; ``paths``: CSV with a row per used path; ``counts``: CSV (link,
    count, screenline) to compare with. What the network checker finds goes to standard error before anything runs.
    The exit code is 1 where the gap was not reached within ``max_iterations``.
    """
    for path in (flows, skims, paths):
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise ConfigError(f"{path}: the folder does not exist; create it first")
    if select_link and flows is None:
        raise ConfigError("--select-link adds a column to the flows; give --flows")
    network = open_roads(net, road_rules=road_rules, crs=crs)
    _report(network)
    result = assign(
        network,
        trips,
        gap=gap,
        demand_scale=demand_scale,
        toll_factor=toll_factor,
        distance_factor=distance_factor,
        threads=threads,
        classes=classes,
        reference=reference,
        max_iterations=max_iterations,
        function=function,
        junctions=junctions,
    )
    a = result.links.attrs
    method = "bi-conjugate Frank-Wolfe" if reference else "path-based gradient projection"
    lines = [
        f"{Path(net).name}: {len(result.links.link) - network.connectors} links, {network.zones} zones, "
        f"{len(result.demand)} pairs; {network.units}",
        f"{method}: relative gap {a['relative_gap']:.3g} after {a['iterations']} iterations",
    ]
    if a["intrazonal_trips"]:
        lines.append(f"{a['intrazonal_trips']:g} intrazonal trips are not loaded")
    if junctions is not None:
        lines.append(
            f"junction delays: {a['delay_rounds']} rounds, {a['delay_residual']:.2g} of the travel time still changes"
        )
    if not a["converged"]:
        lines.append(f"gap {gap:g} was not reached; raise --max-iterations")
    if counts is not None:
        lines += _fit(result, counts)
    if flows is not None:
        lines.append(f"flows: {write_flows(result, flows, select_link)}")
    if skims is not None:
        table = result.skims()
        several = len(result.classes) > 1
        matrices = {
            f"{name}_{c.name}" if several else name: values[m]
            for m, c in enumerate(result.classes)
            for name, values in ((n, table[n].values) for n in ("cost", "time", "distance", "toll"))
        }
        lines.append(f"skims: {write_omx(skims, matrices, table['origin'].values)}")
    if paths is not None:
        lines.append(f"paths: {write_paths(result, paths)}")
    lines.append(json.dumps(result.summary))
    return "\n".join(lines), 0 if a["converged"] else 1


def _report(network: RoadNetwork) -> None:
    """Assumptions of the reader and findings of the network checker, before anything runs."""
    links, nodes = ([str(k) for k in ids] for ids in (network.link_id, network.node_id))
    for line in (*network.notes, *network.check().lines(links, nodes)):
        print(f"network: {line}", file=sys.stderr)


def _fit(result: Assigned, counts: str | Path) -> list[str]:
    """Lines about the counts: how many fit, and each screenline."""
    table = against_counts(result, counts)
    below = int((table["geh"].values < 5).sum())
    lines = [
        f"counts: GEH below 5 on {below} of {table.sizes['count']}, root mean square error "
        f"{table.attrs['rmse_percent']:.1f} %"
    ]
    if "screenline" in table.coords:
        lines += [
            f"screenline {name}: {modelled:.0f} modelled, {counted:.0f} counted, GEH {fit:.1f}"
            for name, modelled, counted, fit in zip(
                table["screenline"].values,
                table["screenline_modelled"].values,
                table["screenline_counted"].values,
                table["screenline_geh"].values,
            )
        ]
    return lines


def write_flows(result: Assigned, path: str | Path, select_link: list[str] | None = None) -> Path:
    """Write flow and cost by link of the network's file as CSV; it appears only when it is complete."""
    links = result.links
    columns = {n: links[n].values for n in ("link", "from_node", "to_node", "flow", "cost")}
    if len(result.classes) > 1:
        for m, c in enumerate(result.classes):
            columns[f"flow_{c.name}"] = links["class_flow"].values[m]
            columns[f"cost_{c.name}"] = links["class_cost"].values[m]
    if select_link:
        columns["selected"] = result.select_link(*select_link)[0]
    given = len(links["link"]) - result.network.connectors
    return _write_table(path, list(columns), zip(*(v[:given].tolist() for v in columns.values())))


def write_paths(result: Assigned, path: str | Path) -> Path:
    """Write the used paths as CSV: origin, destination, vehicle_class, flow, cost, length and their links."""
    table = result.paths()
    names = np.array([c.name for c in result.classes])[table["vehicle_class"].values]
    start, links = table["start"].values, table["path_link"].values.astype(str)
    columns = [table[n].values.tolist() for n in ("origin", "destination")]
    columns += [names.tolist(), *(table[n].values.tolist() for n in ("flow", "cost", "length"))]
    columns.append([" ".join(links[a:b]) for a, b in pairwise(start)])
    fields = ["origin", "destination", "vehicle_class", "flow", "cost", "length", "links"]
    return _write_table(path, fields, zip(*columns))


def _write_table(path: str | Path, fields: list[str], rows: Iterable) -> Path:
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(fields)
            writer.writerows(rows)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error}") from error
    return path

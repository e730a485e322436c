"""SimBench grids in their CSV format (a folder of Node.csv, Line.csv, ...), version 1.

Columns and units as in the SimBench documentation: r, x [ohm/km], b [uS/km], iMax [A], vmImp [%], pCu, pFe [kW],
iNoLoad [%], sR [MVA], powers in MW and Mvar.
"""

import csv
from pathlib import Path

import pandas as pd

from twin.errors import DataError
from twin.readers.pandapower_net import from_tables
from twin.readers.power_network import PowerNetwork

__all__ = ["read_simbench"]

FREQUENCY = 50.0  # Hz
HELD = "vavm"  # calc_type of a node whose voltage and angle are held
SOLVED = {
    "Node",
    "Line",
    "LineType",
    "Transformer",
    "TransformerType",
    "Switch",
    "Load",
    "RES",
    "Storage",
    "ExternalNet",
    "Shunt",
}
ELECTRIC = {"DCLineType", "Transformer3W", "Transformer3WType", "PowerPlant"}


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / f"{name}.csv"
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a SimBench table: {error}") from None
    seen: set[str] = set()
    for row in rows:
        key = row.get("id") or ""
        if not key or key in seen:
            raise DataError(f"{path}: id {key!r} is empty or appears twice; ids must be unique")
        seen.add(key)
    return rows


def _number(row: dict[str, str], column: str, path: str, default: float | None = None) -> float:
    text = row.get(column) or ""
    if text in {"", "NULL", "NaN", "nan"}:
        if default is None:
            raise DataError(f"{path}: {row['id']}: {column} is empty; give a number")
        return default
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{path}: {row['id']}: {column} = {text!r} is no number") from None


def _cut_nodes(folder: Path, nodes: list[dict[str, str]]) -> list[str]:
    """Add the nodes at the edge of a grid cut out of a larger one, which its switches name; returns what was assumed.

    Their rated voltage is that of the node across the switch; they carry nothing but that switch and external grids.
    """
    known = {n["id"]: n for n in nodes}
    held = {row["node"] for row in _table(folder, "ExternalNet")}
    notes = []
    for s in _table(folder, "Switch"):
        for node, other in ((s["nodeA"], s["nodeB"]), (s["nodeB"], s["nodeA"])):
            if node in known or other not in known or "vmSetp" not in known[other]:
                continue
            rated = known[other]["vmR"]
            known[node] = {"id": node, "vmR": rated, "vmSetp": "", "vaSetp": ""}
            nodes.append(known[node])
            what = "held at 1 pu" if node in held else "with nothing beyond"
            notes.append(f"node {node} is not in Node.csv: taken as {rated} kV, {what}")
    return notes


def read_simbench(folder: Path, transformer_model: str = "pi") -> PowerNetwork:
    """Read a SimBench folder. Tap positions are ratios; external grids hold node's ``vmSetp`` and ``vaSetp``."""
    where = str(folder)
    nodes = _table(folder, "Node")
    if not nodes:
        raise DataError(f"{where}: has no Node.csv with rows; is it a SimBench folder?")
    for name in sorted(ELECTRIC):
        if _table(folder, name):
            raise DataError(
                f"{where}: {name}.csv: this element type is not supported; convert it to loads or transformers"
            )
    assumed = _cut_nodes(folder, nodes)
    bus = pd.DataFrame(
        [{"name": n["id"], "vn_kv": _number(n, "vmR", f"{where}: Node")} for n in nodes], index=[n["id"] for n in nodes]
    )
    number = {n["id"]: k for k, n in enumerate(nodes)}

    def at(row: dict[str, str], column: str, table: str) -> int:
        if row.get(column) not in number:
            raise DataError(f"{where}: {table}: {row['id']}: {column} {row.get(column)!r} is no node; correct it")
        return number[row[column]]

    lines, transformers = [], []
    types = {t["id"]: t for t in _table(folder, "LineType")}
    for r in _table(folder, "Line"):
        if r["type"] not in types:
            raise DataError(f"{where}: Line: {r['id']}: type {r['type']!r} is not in LineType.csv; add it")
        t, at_type = types[r["type"]], f"{where}: LineType"
        b = _number(t, "b", at_type)
        lines.append(
            {
                "from_bus": at(r, "nodeA", "Line"), "to_bus": at(r, "nodeB", "Line"),
                "length_km": _number(r, "length", f"{where}: Line"), "r_ohm_per_km": _number(t, "r", at_type),
                "x_ohm_per_km": _number(t, "x", at_type), "c_nf_per_km": b * 1e3 / (2 * 3.141592653589793 * FREQUENCY),
                "max_i_ka": _number(t, "iMax", at_type) / 1e3, "id": r["id"],
            }
        )  # fmt: skip
    types = {t["id"]: t for t in _table(folder, "TransformerType")}
    for r in _table(folder, "Transformer"):
        if r["type"] not in types:
            raise DataError(
                f"{where}: Transformer: {r['id']}: type {r['type']!r} is not in TransformerType.csv; add it"
            )
        t, at_type = types[r["type"]], f"{where}: TransformerType"
        size, copper = _number(t, "sR", at_type), _number(t, "pCu", at_type)
        side = (t.get("tapside") or "HV").lower()
        transformers.append(
            {
                "hv_bus": at(r, "nodeHV", "Transformer"), "lv_bus": at(r, "nodeLV", "Transformer"), "sn_mva": size,
                "vn_hv_kv": _number(t, "vmHV", at_type), "vn_lv_kv": _number(t, "vmLV", at_type),
                "vk_percent": _number(t, "vmImp", at_type), "vkr_percent": copper / (size * 1e3) * 100,
                "pfe_kw": _number(t, "pFe", at_type), "i0_percent": _number(t, "iNoLoad", at_type),
                "shift_degree": _number(t, "va0", at_type, 0.0), "tap_side": side, "tap_changer_type": "Ratio",
                "tap_pos": _number(r, "tappos", f"{where}: Transformer", 0.0),
                "tap_neutral": _number(t, "tapNeutr", at_type, 0.0), "tap_step_percent": _number(t, "dVm", at_type,
                0.0),
                "tap_step_degree": _number(t, "dVa", at_type, 0.0), "id": r["id"],
            }
        )  # fmt: skip
    switches = [
        {
            "bus": at(r, "nodeA", "Switch"),
            "element": at(r, "nodeB", "Switch"),
            "et": "b",
            "closed": _number(r, "cond", where) > 0,
        }
        for r in _table(folder, "Switch")
    ]
    loads = [
        {"bus": at(r, "node", "Load"), "p_mw": _number(r, "pLoad", where), "q_mvar": _number(r, "qLoad", where),
         "profile": r.get("profile") or "", "id": r["id"]}
        for r in _table(folder, "Load")
    ]  # fmt: skip
    feeders = [
        {"bus": at(r, "node", "RES"), "p_mw": _number(r, "pRES", where), "q_mvar": _number(r, "qRES", where, 0.0),
         "profile": r.get("profile") or "", "id": r["id"]}
        for r in _table(folder, "RES")
    ]  # fmt: skip
    storages = [
        {"bus": at(r, "node", "Storage"), "p_mw": _number(r, "pStor", where), "q_mvar": _number(r, "qStor", where, 0.0),
         "profile": r.get("profile") or "", "id": r["id"]}
        for r in _table(folder, "Storage")
    ]  # fmt: skip
    shunts = [
        {"bus": at(r, "node", "Shunt"), "p_mw": _number(r, "p0", where), "q_mvar": _number(r, "q0", where),
         "vn_kv": _number(r, "vmR", where), "step": _number(r, "step", where, 1.0), "id": r["id"]}
        for r in _table(folder, "Shunt")
    ]  # fmt: skip
    sources = []
    for r in _table(folder, "ExternalNet"):
        k = at(r, "node", "ExternalNet")
        if r.get("calc_type") == HELD:
            vm, va = _number(nodes[k], "vmSetp", where, 1.0), _number(nodes[k], "vaSetp", where, 0.0)
            sources.append({"bus": k, "vm_pu": vm, "va_degree": va, "id": r["id"]})
        elif r.get("calc_type") == "pq":
            p, q = _number(r, "pExtNet", where, 0.0), _number(r, "qExtNet", where, 0.0)
            loads.append({"bus": k, "p_mw": p, "q_mvar": q, "profile": "", "id": r["id"]})
        else:
            raise DataError(f"{where}: ExternalNet: {r['id']}: calc_type {r.get('calc_type')!r} is not supported")

    def frame(rows: list[dict]) -> pd.DataFrame:
        return pd.DataFrame(rows).set_index("id") if rows and "id" in rows[0] else pd.DataFrame(rows)

    tables = {
        "bus": bus.reset_index(drop=True), "line": frame(lines), "trafo": frame(transformers),
        "switch": frame(switches),
        "load": frame(loads), "sgen": frame(feeders), "storage": frame(storages), "ext_grid": frame(sources),
        "shunt": frame(shunts),
        "f_hz": FREQUENCY, "sn_mva": 1.0,
    }  # fmt: skip
    network = from_tables(tables, where, transformer_model)
    size = len(nodes)
    network.bus_id[:size] = [n["id"] for n in nodes]
    network.equal_sources = True
    network.notes += assumed
    return network.check()

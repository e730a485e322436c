"""Write a network in the formats that are read: power-grid-model and pandapower JSON, MATPOWER, SimBench.

What is written has the same admittance matrix: a branch with an open end gets a bus of its own there, shunts that a
format's branch cannot hold become shunts of its buses. What a format cannot say at all is refused by name.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernels.power.topology import join
from twin.errors import DataError
from twin.readers.power_network import BASE, PowerNetwork

__all__ = ["FORMATS", "write_network"]

FORMATS = ("pgm", "pandapower", "matpower", "simbench")
FREQUENCY = 50.0  # Hz: charging is written for it where a format has capacitances and no frequency
IDEAL = 1e20  # VA, short-circuit power of an ideal source in power-grid-model


@dataclass
class _Plain:
    """Buses and closed branches with equal shunts at both ends; the rest of the shunts by bus [pu on 1 MVA]."""

    names: list[str]
    v_rated: np.ndarray
    start: np.ndarray
    end: np.ndarray
    ids: list[str]
    z: np.ndarray
    ratio: np.ndarray
    half: np.ndarray
    rated: np.ndarray  # (2, branch)
    line: np.ndarray
    shunt: np.ndarray
    link: np.ndarray  # (2, link)

    def move_shunts(self, which: np.ndarray) -> None:
        """Give the shunts of some branches to their buses."""
        np.add.at(self.shunt, self.start[which], (self.half / np.abs(self.ratio) ** 2)[which])
        np.add.at(self.shunt, self.end[which], self.half[which])
        self.half = np.where(which, 0, self.half)


def _plain(net: PowerNetwork) -> _Plain:
    b = net.branch
    from_on, to_on = b.from_closed & net.bus_active[b.start], b.to_closed & net.bus_active[b.end]
    keep = b.active & (from_on | to_on)
    start, end = b.start[keep].copy(), b.end[keep].copy()
    ids = [f"{kind} {i}".strip() for kind, i in zip(b.kind[keep], b.id[keep])]
    names, v = [str(i) for i in net.bus_id], net.v_rated.copy()
    for ends, on in ((start, from_on[keep]), (end, to_on[keep])):
        for k in np.flatnonzero(~on).tolist():
            names.append(f"open end of {ids[k]}")
            v = np.append(v, net.v_rated[ends[k]])
            ends[k] = len(names) - 1
    z, ratio, one, two = (getattr(b, name)[keep] for name in ("z", "ratio", "shunt_from", "shunt_to"))
    if (z != b.z_back[keep]).any():
        k = int(np.argmax(z != b.z_back[keep]))
        raise DataError(
            f"{net.origin}: {ids[k]}: its impedance differs by direction, which no format but its own can say"
        )
    shunt = np.zeros(len(names), complex)
    np.add.at(shunt, net.shunt.bus, net.shunt.y)
    np.add.at(shunt, start, (one - two) / np.abs(ratio) ** 2)
    line = (ratio == 1) & (np.abs(v[start] - v[end]) <= 1e-9 * v[start])
    active = net.bus_active
    linked = active[net.link.a] & active[net.link.b]
    return _Plain(
        names, v, start, end, ids, z, ratio, two.copy(), np.stack([b.rated_from[keep], b.rated_to[keep]]), line, shunt,
        np.stack([net.link.a[linked], net.link.b[linked]]),
    )  # fmt: skip


def write_network(network: PowerNetwork, path: str | Path, format: str) -> None:
    """Write ``network`` to a file, or a folder for SimBench; ``format`` is pgm, pandapower, matpower or simbench."""
    writers = {"pgm": _pgm, "pandapower": _pandapower, "matpower": _matpower, "simbench": _simbench}
    if format not in writers:
        raise DataError(f"format {format!r} is unknown; write one of {', '.join(FORMATS)}")
    if network.tap_changers and format != "pgm":
        network.notes.append("tap changers are written at their present position")
    writers[format](network, _plain(network), Path(path))


def _numbers(names: list[str], least: int) -> list[int]:
    """Bus ids as whole numbers: their own where they all are, else counted."""
    if all(n.isdigit() and int(n) >= least for n in names) and len({int(n) for n in names}) == len(names):
        return [int(n) for n in names]
    return list(range(least, least + len(names)))


def _pgm(net: PowerNetwork, plain: _Plain, path: Path) -> None:
    at = _numbers(plain.names, 0)
    count = max(at, default=0)
    active = [*net.bus_active, *[True] * (len(at) - net.bus_id.size)]

    def fresh() -> int:
        nonlocal count
        count += 1
        return count

    data: dict[str, list[dict]] = {"node": [], "line": [], "generic_branch": [], "link": [], "shunt": [], "source": [],
                                   "sym_load": [], "sym_gen": [], "voltage_regulator": []}  # fmt: skip
    for k, name in enumerate(plain.names):
        if active[k]:
            data["node"].append({"id": at[k], "u_rated": plain.v_rated[k], "name": name})
    for k in range(plain.start.size):
        i, j = plain.start[k], plain.end[k]
        base = plain.v_rated[j] ** 2 / BASE
        y, z = 2 * plain.half[k] / base, plain.z[k] * base
        row = {"id": fresh(), "from_node": at[i], "to_node": at[j], "from_status": 1, "to_status": 1, "r1": z.real,
               "x1": z.imag, "name": plain.ids[k]}  # fmt: skip
        rated = float(plain.rated[:, k].min())
        if plain.line[k] and y.real == 0 and y.imag >= 0:
            row |= {"c1": y.imag / (2 * np.pi * FREQUENCY), "tan1": 0.0}
            row |= {"i_n": rated * BASE / np.sqrt(3) / plain.v_rated[i]} if np.isfinite(rated) else {}
            data["line"].append(row)
        else:
            row |= {"g1": y.real, "b1": y.imag, "k": abs(plain.ratio[k]), "theta": float(np.angle(plain.ratio[k]))}
            row |= {"sn": rated * BASE} if np.isfinite(rated) else {}
            data["generic_branch"].append(row)
    for a, b in plain.link.T:
        data["link"].append({"id": fresh(), "from_node": at[a], "to_node": at[b], "from_status": 1, "to_status": 1})
    for k in np.flatnonzero(plain.shunt).tolist():
        y = plain.shunt[k] / (plain.v_rated[k] ** 2 / BASE)
        data["shunt"].append({"id": fresh(), "node": at[k], "status": 1, "g1": y.real, "b1": y.imag})
    s, g, d = net.source, net.generator, net.load
    for k in range(len(s)):
        data["source"].append({"id": fresh(), "node": at[s.bus[k]], "status": 1, "u_ref": s.vm[k],
                               "u_ref_angle": float(np.deg2rad(s.va[k])), "sk": IDEAL})  # fmt: skip
    for k in range(len(d)):
        shares = ((0, 1 - d.ip[k] - d.zp[k], 1 - d.iq[k] - d.zq[k]), (2, d.ip[k], d.iq[k]), (1, d.zp[k], d.zq[k]))
        for kind, p, q in shares:
            if p or q or (kind == 0 and not (d.p[k] or d.q[k])):
                row = {"id": fresh(), "node": at[d.bus[k]], "status": 1, "type": kind}
                data["sym_load"].append(row | {"p_specified": d.p[k] * p * BASE, "q_specified": d.q[k] * q * BASE})
    for k in range(len(g)):
        own = fresh()
        data["sym_gen"].append({"id": own, "node": at[g.bus[k]], "status": 1, "type": 0, "p_specified": g.p[k] * BASE,
                                "q_specified": 0.0})  # fmt: skip
        row = {"id": fresh(), "regulated_object": own, "status": 1, "u_ref": g.vm[k]}
        if net.reactive_limits:
            row |= {n: x[k] * BASE for n, x in (("q_min", g.q_min), ("q_max", g.q_max)) if np.isfinite(x[k])}
        data["voltage_regulator"].append(row)
    body = {"version": "1.0", "type": "input", "is_batch": False, "attributes": {},
            "data": {name: rows for name, rows in data.items() if rows}}  # fmt: skip
    path.write_text(json.dumps(body, default=float, indent=1))


def _pandapower(net: PowerNetwork, plain: _Plain, path: Path) -> None:
    try:
        import pandapower as pp
    except ImportError:
        raise DataError("writing a pandapower network needs the package pandapower; pip install it") from None
    out = pp.create_empty_network(f_hz=net.frequency, sn_mva=1.0)
    at = _numbers(plain.names, 0)
    kv = plain.v_rated / 1e3
    active = np.append(net.bus_active, np.ones(len(at) - net.bus_id.size, bool))
    for k, name in enumerate(plain.names):
        pp.create_bus(out, kv[k], name=name, index=at[k], in_service=bool(active[k]))
    trafo = ~plain.line
    plain.move_shunts(trafo & ((plain.half.real < 0) | (plain.half.imag > 0)))
    for k in range(plain.start.size):
        i, j, z, y = plain.start[k], plain.end[k], plain.z[k], plain.half[k] * 2
        base = kv[j] ** 2
        rated = np.where(np.isfinite(plain.rated[:, k]), plain.rated[:, k], 1e6)
        if plain.line[k]:
            pp.create_line_from_parameters(
                out, at[i], at[j], 1.0, z.real * base, z.imag * base,
                y.imag / base / (2 * np.pi * net.frequency) * 1e9, float(rated.min() / np.sqrt(3) / kv[i]),
                g_us_per_km=y.real / base * 1e6, name=plain.ids[k],
            )  # fmt: skip
        else:
            size = float(rated.min())
            pp.create_transformer_from_parameters(
                out, at[i], at[j], size, kv[i] * abs(plain.ratio[k]), kv[j], z.real * size * 100,
                float(np.copysign(abs(z), z.imag)) * size * 100, y.real * 1e3, abs(y) / size * 100,
                shift_degree=float(np.rad2deg(np.angle(plain.ratio[k]))), name=plain.ids[k],
            )  # fmt: skip
    for a, b in plain.link.T:
        pp.create_switch(out, at[a], at[b], et="b")
    for k in np.flatnonzero(plain.shunt).tolist():
        pp.create_shunt(out, at[k], q_mvar=-plain.shunt[k].imag, p_mw=plain.shunt[k].real)
    s, g, d = net.source, net.generator, net.load
    for k in range(len(s)):
        pp.create_ext_grid(out, at[s.bus[k]], vm_pu=s.vm[k], va_degree=s.va[k], name=str(s.id[k]))
    for k in range(len(g)):
        pp.create_gen(out, at[g.bus[k]], p_mw=g.p[k], vm_pu=g.vm[k], min_q_mvar=g.q_min[k], max_q_mvar=g.q_max[k])
    for k in range(len(d)):
        pp.create_load(
            out, at[d.bus[k]], p_mw=d.p[k], q_mvar=d.q[k], const_z_p_percent=d.zp[k] * 100,
            const_i_p_percent=d.ip[k] * 100, const_z_q_percent=d.zq[k] * 100, const_i_q_percent=d.iq[k] * 100,
            name=str(d.id[k]),
        )  # fmt: skip
    if any(d.profile):
        out.load["profile"] = list(d.profile)
    pp.to_json(out, str(path))


def _no_voltage_dependence(net: PowerNetwork, what: str, impedance: bool) -> None:
    d = net.load
    bad = (d.ip != 0) | (d.iq != 0) | ((d.zp != 0) | (d.zq != 0) if impedance else False)
    if np.any(bad):
        raise DataError(f"{net.origin}: load {d.id[np.argmax(bad)]}: {what} has no load of that voltage dependence")


def _matpower(net: PowerNetwork, plain: _Plain, path: Path) -> None:
    _no_voltage_dependence(net, "MATPOWER", impedance=False)
    n = len(plain.names)
    active = np.append(net.bus_active, np.ones(n - net.bus_id.size, bool))
    group = join(n, *plain.link.astype(np.int64))  # MATPOWER has no switches: closed ones are one bus
    numbers = np.array(_numbers(plain.names, 1))
    shunt, d, g = plain.shunt.copy(), net.load, net.generator
    plain.shunt = shunt
    plain.move_shunts(plain.half.real != 0)
    shunt = plain.shunt
    np.add.at(shunt, d.bus, d.p * d.zp - 1j * d.q * d.zq)
    total, gathered = np.zeros(n, complex), np.zeros(n, complex)
    np.add.at(total, group[d.bus], d.p * (1 - d.zp) + 1j * d.q * (1 - d.zq))
    np.add.at(gathered, group, np.where(active, shunt, 0))
    kind, vm, va = np.where(active, 1, 4), np.ones(n), np.zeros(n)
    kind[group[g.bus[active[g.bus]]]] = 2
    for k in range(len(net.source)):
        i = group[net.source.bus[k]]
        kind[i], vm[i], va[i] = 3, net.source.vm[k], net.source.va[k]
    rows = [
        [numbers[i], kind[i], total[i].real, total[i].imag, gathered[i].real, gathered[i].imag, 1, vm[i], va[i],
         plain.v_rated[i] / 1e3, 1, 1.1, 0.9]
        for i in range(n) if group[i] == i
    ]  # fmt: skip
    gens = [[numbers[group[b]], 0, 0, 9999, -9999, v, 1, 1, 0, 0] for b, v in zip(net.source.bus, net.source.vm)]
    for k in range(len(g)):
        i = group[g.bus[k]]
        gens.append([numbers[i], g.p[k], 0, g.q_max[k], g.q_min[k], g.vm[k], 1, 1, g.p[k], 0])
    branches = []
    for k in range(plain.start.size):
        i, j, ratio = group[plain.start[k]], group[plain.end[k]], plain.ratio[k]
        rated = plain.rated[:, k].min()
        rated = rated if np.isfinite(rated) else 0
        tap = 0 if ratio == 1 else abs(ratio)
        branches.append(
            [numbers[i], numbers[j], plain.z[k].real, plain.z[k].imag, 2 * plain.half[k].imag, rated, rated, rated, tap,
             np.rad2deg(np.angle(ratio)), 1, -360, 360]
        )  # fmt: skip

    def table(name: str, values: list[list]) -> str:
        lines = "\n".join("\t" + "\t".join(_number(x) for x in row) + ";" for row in values)
        return f"mpc.{name} = [\n{lines}\n];\n"

    path.write_text(
        "function mpc = network\nmpc.version = '2';\nmpc.baseMVA = 1;\n"
        + table("bus", rows) + table("gen", gens) + table("branch", branches)
    )  # fmt: skip


def _number(x: float) -> str:
    return "Inf" if x == np.inf else "-Inf" if x == -np.inf else repr(int(x)) if x == int(x) else repr(float(x))


def _simbench(net: PowerNetwork, plain: _Plain, folder: Path) -> None:
    _no_voltage_dependence(net, "SimBench", impedance=True)
    if len(net.generator):
        raise DataError(
            f"{net.origin}: generator {net.generator.id[0]}: SimBench's generators of held voltage are not written; "
            f"write another format"
        )
    folder.mkdir(parents=True, exist_ok=True)
    kv, at = plain.v_rated / 1e3, plain.names
    plain.move_shunts((plain.line & (plain.half.real != 0))
                      | (~plain.line & ((plain.half.real < 0) | (plain.half.imag > 0))))  # fmt: skip
    held = {int(b): (v, a) for b, v, a in zip(net.source.bus, net.source.vm, net.source.va)}
    tables: dict[str, list[dict]] = {}

    def add(table: str, **row: object) -> None:
        tables.setdefault(table, []).append(row)

    for k, name in enumerate(at):
        vm, va = held.get(k, ("", ""))
        add("Node", id=name, type="busbar", vmSetp=vm, vaSetp=va, vmR=kv[k], vmMin=0.9, vmMax=1.1)
    for k in range(plain.start.size):
        i, j, z, y, name = plain.start[k], plain.end[k], plain.z[k], plain.half[k] * 2, plain.ids[k]
        base = kv[j] ** 2
        size = float(np.where(np.isfinite(plain.rated[:, k]), plain.rated[:, k], 1e6).min())
        if plain.line[k]:
            add("Line", id=name, nodeA=at[i], nodeB=at[j], type=f"type of {name}", length=1.0, loadingMax=100)
            add("LineType", id=f"type of {name}", r=z.real * base, x=z.imag * base, b=y.imag / base * 1e6,
                iMax=size / np.sqrt(3) / kv[i] * 1e3, type="cable")  # fmt: skip
        else:
            add("Transformer", id=name, nodeHV=at[i], nodeLV=at[j], type=f"type of {name}", tappos=0, autoTap=0)
            add("TransformerType", id=f"type of {name}", sR=size, vmHV=kv[i] * abs(plain.ratio[k]), vmLV=kv[j],
                va0=float(np.rad2deg(np.angle(plain.ratio[k]))), vmImp=float(np.copysign(abs(z), z.imag)) * size * 100,
                pCu=z.real * size**2 * 1e3, pFe=y.real * 1e3, iNoLoad=abs(y) / size * 100, tapable=0, tapside="HV",
                dVm=0, dVa=0, tapNeutr=0, tapMin=0, tapMax=0)  # fmt: skip
    for k, (a, b) in enumerate(plain.link.T):
        add("Switch", id=f"switch {k}", nodeA=at[a], nodeB=at[b], type="CB", cond=1)
    for k in np.flatnonzero(plain.shunt).tolist():
        add(
            "Shunt", id=f"shunt {at[k]}", node=at[k], p0=plain.shunt[k].real, q0=-plain.shunt[k].imag, vmR=kv[k], step=1
        )
    for k in range(len(net.source)):
        add("ExternalNet", id=str(net.source.id[k]), node=at[net.source.bus[k]], calc_type="vavm")
    d = net.load
    for k in range(len(d)):
        add("Load", id=f"{d.kind[k]} {d.id[k]}", node=at[d.bus[k]], profile=d.profile[k], pLoad=d.p[k], qLoad=d.q[k])
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
            writer.writeheader()
            writer.writerows([{c: repr(float(v)) if isinstance(v, float) else v for c, v in r.items()} for r in rows])

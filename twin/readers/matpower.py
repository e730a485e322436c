"""MATPOWER case files (``.m``), version 2: matrices of numbers, read as text and never run.

Columns as in MATPOWER's User's Manual, appendix B: bus (13), gen (10), branch (11).
"""

import re
from pathlib import Path

import numpy as np

from twin.errors import DataError
from twin.readers.power_network import PowerNetwork

__all__ = ["read_matpower"]

NUMBER = re.compile(r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|Inf|inf|NaN|nan)$")
LARGEST = 200_000_000  # bytes
PQ, PV, SLACK, ISOLATED = 1, 2, 3, 4


def read_matpower(path: Path) -> PowerNetwork:
    """Read a MATPOWER case; bus numbers are the ids, branches are numbered by row from 1."""
    where = str(path)
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{where}: is larger than {LARGEST} bytes; no MATPOWER case is")
        text = path.read_text(encoding="utf-8", errors="strict")
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror}); give an existing case file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is not text at byte {error.start}; give a MATPOWER .m case") from None
    text = "\n".join(line.partition("%")[0] for line in text.splitlines())
    base = re.search(r"mpc\.baseMVA\s*=\s*([^;\s]+)", text)
    if base is None or not NUMBER.match(base[1]) or not float(base[1]) > 0:
        raise DataError(f"{where}: mpc.baseMVA is missing or not a number above zero")
    mva = float(base[1])
    bus, gen, branch = (_matrix(text, name, least, where) for name, least in (("bus", 13), ("gen", 8), ("branch", 11)))
    if re.search(r"mpc\.dcline\s*=\s*\[\s*[^\]\s]", text):
        raise DataError(f"{where}: mpc.dcline is not supported; replace the lines by generators")
    ids = bus[:, 0].astype(int)
    position = {int(i): k for k, i in enumerate(ids)}
    if len(position) != ids.size:
        values, counts = np.unique(ids, return_counts=True)
        raise DataError(f"{where}: bus {values[np.argmax(counts)]} appears twice; ids must be unique")

    def at(values: np.ndarray, what: str) -> np.ndarray:
        missing = [v for v in values if int(v) not in position]
        if missing:
            raise DataError(f"{where}: {what} names bus {missing[0]:g}, which is not in mpc.bus; add or correct it")
        return np.array([position[int(v)] for v in values], int)

    kv = np.where(bus[:, 9] > 0, bus[:, 9], 1.0)
    kind = bus[:, 1].astype(int)
    if not np.isin(kind, (PQ, PV, SLACK, ISOLATED)).all():
        raise DataError(f"{where}: bus {ids[~np.isin(kind, (1, 2, 3, 4))][0]}: type is not 1, 2, 3 or 4")
    net = PowerNetwork(where, ids.astype(object), ids.astype(str), kv * 1e3, kind != ISOLATED)
    if (bus[:, 9] <= 0).any():
        net.notes.append("buses without baseKV: results are per unit only")
    start, end = at(branch[:, 0], "mpc.branch"), at(branch[:, 1], "mpc.branch")
    tap = np.where(branch[:, 8] == 0, 1.0, branch[:, 8])
    z = (branch[:, 2] + 1j * branch[:, 3]) / mva
    on = (branch[:, 10] > 0) & net.bus_active[start] & net.bus_active[end]
    if (on & (z == 0)).any():
        raise DataError(f"{where}: branch {np.argmax(on & (z == 0)) + 1}: r and x are both zero; merge its buses")
    half = 0.5j * branch[:, 4] * mva
    rated = np.where(branch[:, 5] == 0, np.inf, branch[:, 5])
    net.branch.add(
        len(branch), id=np.arange(1, len(branch) + 1).astype(object), kind="", start=start, end=end, z=z, z_back=z,
        ratio=tap * np.exp(1j * np.deg2rad(branch[:, 9])), shunt_from=half, shunt_to=half, rated_from=rated,
        rated_to=rated,
        from_closed=True, to_closed=True, active=on,
    )  # fmt: skip
    alive = net.bus_active
    net.shunt.add(int(alive.sum()), bus=np.flatnonzero(alive), y=(bus[:, 4] + 1j * bus[:, 5])[alive])
    net.load.add(
        int(alive.sum()), id=ids[alive].astype(object), kind="load", bus=np.flatnonzero(alive), p=bus[alive, 2],
        q=bus[alive, 3], ip=0, iq=0, zp=0, zq=0, profile="",
    )  # fmt: skip
    where_gen = at(gen[:, 0], "mpc.gen")
    for k in np.flatnonzero(gen[:, 7] > 0):
        i, name = where_gen[k], k + 1
        if kind[i] == SLACK:
            net.source.add(1, id=name, bus=i, vm=gen[k, 5], va=bus[i, 8])
        elif kind[i] == PV:
            net.generator.add(1, id=name, bus=i, p=gen[k, 1], vm=gen[k, 5], q_min=gen[k, 4], q_max=gen[k, 3])
        elif kind[i] == PQ:
            net.load.add(
                1, id=name, kind="gen", bus=i, p=-gen[k, 1], q=-gen[k, 2], ip=0, iq=0, zp=0, zq=0, profile=""
            )  # fmt: skip
    return net.check()


def _matrix(text: str, name: str, least: int, where: str) -> np.ndarray:
    """One matrix of numbers; anything but numbers is refused with its row."""
    found = re.search(rf"mpc\.{name}\s*=\s*\[(.*?)\]", text, re.DOTALL)
    if found is None:
        raise DataError(f"{where}: has no matrix mpc.{name}; is it a MATPOWER case of version 2?")
    rows = [r for line in found[1].replace("...\n", " ").split("\n") for r in line.split(";") if r.strip()]
    table = []
    for k, row in enumerate(rows, 1):
        words = row.replace(",", " ").split()
        if len(words) < least:
            raise DataError(f"{where}: mpc.{name} row {k} has {len(words)} columns, at least {least} are needed")
        if not all(NUMBER.match(w) for w in words):
            raise DataError(
                f"{where}: mpc.{name} row {k}: {next(w for w in words if not NUMBER.match(w))!r} is no number"
            )
        table.append([float(w) for w in words[:least]])
    return np.array(table).reshape(-1, least)

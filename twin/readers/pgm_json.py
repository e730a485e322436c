"""power-grid-model input in JSON, and power-grid-model itself as a solver of any network that was read.

Equations of the components as in power-grid-model's documentation (components, version 1.12). All in SI units.
"""

from pathlib import Path
from typing import Any

import numpy as np

from twin.errors import DataError
from twin.readers.power_network import BASE, PowerNetwork, TapChanger, read_json

__all__ = ["from_pgm", "read_pgm"]

KNOWN = frozenset(
    {
        "node", "line", "link", "generic_branch", "transformer", "three_winding_transformer", "sym_load", "sym_gen",
        "asym_load", "asym_gen", "shunt", "source", "voltage_regulator", "transformer_tap_regulator",
    }
)  # fmt: skip
MEASURED = ("sensor", "fault")  # take no part in a power flow
FREQUENCY = 50.0  # Hz, power-grid-model's default where the file gives none


def read_pgm(path: Path) -> PowerNetwork:
    """Read a power-grid-model input file."""
    return from_pgm(read_json(path), str(path))


class _Component:
    """One component's attributes as arrays; rows are dictionaries or lists in the order of ``attributes``."""

    def __init__(self, data: dict[str, Any], name: str, where: str):
        self.name, self.where = name, where
        names = (data.get("attributes") or {}).get(name)
        body = data["data"].get(name, [])
        if isinstance(body, dict):  # columns
            length = len(next(iter(body.values()), []))
            self.rows = [{k: v[i] for k, v in body.items()} for i in range(length)]
        else:
            try:
                self.rows = [r if isinstance(r, dict) else dict(zip(names or (), r, strict=True)) for r in body]
            except (TypeError, ValueError):
                raise DataError(f"{where}: {name}: a row does not fit its attributes; give dictionaries") from None
        self.ids = np.array([r.get("id") for r in self.rows], object)
        if any(i is None for i in self.ids):
            raise DataError(f"{where}: {name}: a row has no id; give each an id")

    def __len__(self) -> int:
        return len(self.rows)

    def number(self, attribute: str, default: float | None = None) -> np.ndarray:
        """One attribute as floats; absent and null become the default, or are refused where there is none."""
        out = np.empty(len(self))
        for k, row in enumerate(self.rows):
            value = row.get(attribute)
            if isinstance(value, str) or value is None or (isinstance(value, float) and value != value):
                if default is None:
                    raise DataError(f"{self.where}: {self.name} {self.ids[k]}: {attribute} is missing; give a number")
                value = default
            out[k] = np.sum(value)  # attributes of three phases are summed
        return out


def from_pgm(data: dict[str, Any], where: str) -> PowerNetwork:
    """Network of parsed power-grid-model input."""
    if data.get("is_batch") or not isinstance(data.get("data"), dict):
        raise DataError(f"{where}: is a batch update or has no data; give the input file of the grid")
    if data.get("type", "input") != "input":
        raise DataError(f"{where}: is of type {data['type']!r}; give type 'input'")
    for name, rows in data["data"].items():
        if rows and name not in KNOWN and not any(m in name for m in MEASURED):
            raise DataError(f"{where}: unknown element type {name!r}; known are {', '.join(sorted(KNOWN))}")
    part = {name: _Component(data, name, where) for name in KNOWN}
    every = np.concatenate([c.ids for c in part.values()])
    ids, counts = np.unique(every.astype(str), return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{where}: id {ids[np.argmax(counts)]} appears twice; ids must be unique")
    node = part["node"]
    position = {i: k for k, i in enumerate(node.ids)}
    net = PowerNetwork(
        where, node.ids, node.ids.astype(str), node.number("u_rated"), np.ones(len(node), bool),
        float(data.get("frequency", FREQUENCY)),
    )  # fmt: skip

    def at(c: _Component, attribute: str = "node") -> np.ndarray:
        out = np.empty(len(c), int)
        for k, row in enumerate(c.rows):
            if row.get(attribute) not in position:
                raise DataError(
                    f"{where}: {c.name} {c.ids[k]}: {attribute} {row.get(attribute)} is no node; correct it"
                )
            out[k] = position[row[attribute]]
        return out

    def add(c: _Component, start, end, z, ratio, shunt, rated, **other) -> None:
        net.branch.add(
            len(c), **{
                "id": c.ids, "kind": "", "start": start, "end": end, "z": z, "z_back": z, "ratio": ratio,
                "shunt_from": shunt / 2, "shunt_to": shunt / 2, "rated_from": rated[0], "rated_to": rated[1],
                "from_closed": c.number("from_status", 1) > 0, "to_closed": c.number("to_status", 1) > 0,
                "active": True,
                "by_power": c.name != "line",
            } | other,
        )  # fmt: skip

    c = part["line"]
    if len(c):
        start, end = at(c, "from_node"), at(c, "to_node")
        z_base = net.v_rated[start] ** 2 / BASE
        y = 2 * np.pi * net.frequency * c.number("c1") * (1j + c.number("tan1", 0.0)) * z_base
        rated = np.sqrt(3) * net.v_rated[start] * c.number("i_n", np.inf) / BASE
        add(c, start, end, (c.number("r1") + 1j * c.number("x1")) / z_base, 1, y, (rated, rated))
    c = part["link"]
    closed = (c.number("from_status", 1) > 0) & (c.number("to_status", 1) > 0)
    if closed.any():
        net.link.add(int(closed.sum()), a=at(c, "from_node")[closed], b=at(c, "to_node")[closed])
    c = part["generic_branch"]
    if len(c):
        start, end = at(c, "from_node"), at(c, "to_node")
        z_base = net.v_rated[end] ** 2 / BASE
        ratio = c.number("k", 1.0) * np.exp(1j * c.number("theta", 0.0))
        y = (c.number("g1", 0.0) + 1j * c.number("b1", 0.0)) * z_base
        sn = c.number("sn", np.inf) / BASE
        add(c, start, end, (c.number("r1") + 1j * c.number("x1")) / z_base, ratio, y, (sn, sn))
    c = part["transformer"]
    if len(c):
        of_tap = _transformers(net, c, at(c, "from_node"), at(c, "to_node"), add)
        _tap_changers(net, part["transformer_tap_regulator"], c, of_tap)
    elif len(part["transformer_tap_regulator"]):
        raise DataError(f"{where}: transformer_tap_regulator: there is no transformer for it; add or remove it")
    if len(part["three_winding_transformer"]):
        _three_winding(
            net, part["three_winding_transformer"], [at(part["three_winding_transformer"], f"node_{k}") for k in "123"]
        )
    regulated = _regulated(part["voltage_regulator"])
    for name, sign in (("sym_load", 1), ("asym_load", 1), ("sym_gen", -1), ("asym_gen", -1)):
        c = part[name]
        if not len(c):
            continue
        kind = c.number("type")
        if not np.isin(kind, (0, 1, 2)).all():
            raise DataError(f"{where}: {name} {c.ids[~np.isin(kind, (0, 1, 2))][0]}: type is not 0, 1 or 2")
        on, bus = c.number("status", 1) > 0, at(c)
        p, q = sign * c.number("p_specified") / BASE, sign * c.number("q_specified", 0.0) / BASE
        impedance, current = kind == 1, kind == 2
        for k, ident in enumerate(c.ids):
            held = regulated.pop(ident, None)
            if held is not None and on[k]:
                q[k] = 0.0  # what it gives keeps the voltage
                net.generator.add(1, id=ident, bus=bus[k], p=0.0, vm=held[0], q_min=held[1], q_max=held[2])
        net.load.add(
            int(on.sum()), id=c.ids[on], kind=name, bus=bus[on], p=p[on], q=q[on], ip=current[on], iq=current[on],
            zp=impedance[on], zq=impedance[on], profile="",
        )  # fmt: skip
    if regulated:
        raise DataError(f"{where}: voltage_regulator: regulated_object {next(iter(regulated))} is no load or generator")
    net.reactive_limits = True
    c = part["shunt"]
    if len(c):
        on, bus = c.number("status", 1) > 0, at(c)
        y = (c.number("g1", 0.0) + 1j * c.number("b1", 0.0)) * net.v_rated[bus] ** 2 / BASE
        net.shunt.add(int(on.sum()), bus=bus[on], y=y[on])
    _sources(net, part["source"], at(part["source"]))
    return net.check()


def _regulated(c: _Component) -> dict[Any, tuple[float, float, float]]:
    """Voltage [pu] and reactive limits [Mvar] that loads and generators keep."""
    on = c.number("status", 1) > 0
    u, low, high = c.number("u_ref"), c.number("q_min", -np.inf) / BASE, c.number("q_max", np.inf) / BASE
    return {c.rows[k].get("regulated_object"): (u[k], low[k], high[k]) for k in np.flatnonzero(on)}


def _sources(net: PowerNetwork, c: _Component, bus: np.ndarray) -> None:
    """A source is a held voltage behind its short-circuit impedance: |z| = 1 / sk pu, r / x = rx_ratio."""
    on = c.number("status", 1) > 0
    sk, rx = c.number("sk", 1e10) / BASE, c.number("rx_ratio", 0.1)
    u, angle = c.number("u_ref"), c.number("u_ref_angle", 0.0)
    x = 1 / sk / np.sqrt(1 + rx**2)
    shared = np.bincount(bus[on], minlength=1)
    for k in np.flatnonzero(on):
        stiff = sk[k] >= 1e12 and shared[bus[k]] == 1  # 1e20 VA and such: an ideal source
        inner = bus[k]
        if not stiff:
            inner = net.add_bus(f"source {c.ids[k]}", net.v_rated[bus[k]])
            z = x[k] * (rx[k] + 1j)
            net.branch.add(
                1, id=f"source {c.ids[k]}", kind="", start=inner, end=bus[k], z=z, z_back=z, ratio=1, shunt_from=0,
                shunt_to=0, rated_from=np.inf, rated_to=np.inf, from_closed=True, to_closed=True, active=True,
            )  # fmt: skip
        net.source.add(1, id=c.ids[k], bus=inner, vm=u[k], va=np.rad2deg(angle[k]))
    # each source has its own impedance, so that several in one component share the load by physics
    net.source_impedance = True


def _tap(c: _Component, position: np.ndarray, side: np.ndarray, sides: int, u: list[np.ndarray]) -> list[np.ndarray]:
    """Rated voltages with the tap applied; a tap_max below tap_min reverses the direction."""
    low, high = c.number("tap_min", 0.0), c.number("tap_max", 0.0)
    step = c.number("tap_size", 0.0) * (position - c.number("tap_nom", 0.0)) * np.where(high >= low, 1, -1)
    return [u[k] + np.where(side == k, step, 0.0) for k in range(sides)]


def _tap_position(c: _Component) -> np.ndarray:
    nominal = c.number("tap_nom", 0.0)
    given = c.number("tap_pos", np.nan)
    position = np.where(np.isnan(given), nominal, given)
    low, high = c.number("tap_min", 0.0), c.number("tap_max", 0.0)
    return np.clip(position, np.minimum(low, high), np.maximum(low, high))


def _transformers(net: PowerNetwork, c: _Component, start: np.ndarray, end: np.ndarray, add: Any) -> Any:
    """Add transformers; returns their z, ratio and shunt [pu] as a function of all tap positions."""
    position = _tap_position(c)
    given = c.number("tap_pos", np.nan)
    if (np.isfinite(given) & (given != position)).any():
        k = int(np.argmax(np.isfinite(given) & (given != position)))
        raise DataError(
            f"{net.origin}: transformer {c.ids[k]}: tap_pos {given[k]:g} is outside tap_min..tap_max; correct it"
        )
    u = [c.number("u1"), c.number("u2")]
    side = c.number("tap_side", 0.0)
    low, high = c.number("tap_min", 0.0), c.number("tap_max", 0.0)
    nominal, sn = c.number("tap_nom", 0.0), c.number("sn")
    i0, p0, clock = c.number("i0", 0.0), c.number("p0", 0.0), c.number("clock", 0.0)
    z_net = net.v_rated[end] ** 2 / BASE

    def at_tap(attribute: str, position: np.ndarray) -> np.ndarray:
        """uk and pk between their values at the lowest, nominal and highest tap, linear in the position."""
        middle = c.number(attribute)
        least, most = c.number(f"{attribute}_min", np.nan), c.number(f"{attribute}_max", np.nan)
        least, most = np.where(np.isnan(least), middle, least), np.where(np.isnan(most), middle, most)
        upper = (position - nominal) * (high - nominal) > 0
        edge, value = np.where(upper, high, low), np.where(upper, most, least)
        span = np.where(edge != nominal, edge - nominal, 1)
        return middle + (value - middle) * (position - nominal) / span

    def of_tap(position: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        u1, u2 = _tap(c, position, side, 2, u)
        uk, pk = at_tap("uk", position), at_tap("pk", position)
        possible = (sn > 0) & (u1 > 0) & (u2 > 0) & (uk > 0)
        if not possible.all():
            raise DataError(f"{net.origin}: transformer {c.ids[~possible][0]}: sn, u1, u2 and uk must be above zero")
        base_z = u2**2 / sn
        size, r = uk * base_z, pk / sn * base_z
        z = r + 1j * np.sqrt(np.maximum(size**2 - r**2, 0))
        g = p0 / u2**2
        y = g - 1j * np.sqrt(np.maximum((i0 * sn / u2**2) ** 2 - g**2, 0))
        ratio = (u1 / u2) / (net.v_rated[start] / net.v_rated[end]) * np.exp(1j * np.pi / 6 * clock)
        return z / z_net, ratio, y * z_net

    z, ratio, y = of_tap(position)
    add(c, start, end, z, ratio, y, (sn / BASE, sn / BASE))
    return of_tap


def _tap_changers(net: PowerNetwork, c: _Component, transformers: _Component, of_tap: Any) -> None:
    """Automatic tap regulators of two-winding transformers, positions in the order in which the voltage rises."""
    on = c.number("status", 1) > 0
    side, u_set, u_band = c.number("control_side"), c.number("u_set"), c.number("u_band")
    drop = c.number("line_drop_compensation_r", 0.0) + 1j * c.number("line_drop_compensation_x", 0.0)
    known = {i: k for k, i in enumerate(transformers.ids)}
    first = len(net.branch) - len(transformers)
    low, high = transformers.number("tap_min", 0.0), transformers.number("tap_max", 0.0)
    present = _tap_position(transformers)
    for k in np.flatnonzero(on):
        t = known.get(c.rows[k].get("regulated_object"))
        if t is None:
            raise DataError(
                f"{net.origin}: transformer_tap_regulator {c.ids[k]}: regulated_object is no two-winding transformer; "
                f"use solver='pgm' for others"
            )
        if side[k] not in (0, 1) or not (u_set[k] > 0 and u_band[k] > 0):
            raise DataError(
                f"{net.origin}: transformer_tap_regulator {c.ids[k]}: control_side must be 0 or 1, u_set and u_band "
                f"above zero"
            )
        positions = np.arange(min(low[t], high[t]), max(low[t], high[t]) + 1)
        values = np.array([[x[t] for x in of_tap(np.where(np.arange(len(transformers)) == t, p, present))]
                           for p in positions])  # fmt: skip
        rise = np.argsort(np.abs(values[:, 1]) * (1 if side[k] == 0 else -1), kind="stable")
        branch = net.branch
        bus = int((branch.start if side[k] == 0 else branch.end)[first + t])
        u = net.v_rated[bus]
        net.tap_changers.append(
            TapChanger(
                first + t, positions[rise].astype(int), values[rise, 0], values[rise, 1], values[rise, 2] / 2,
                int(np.flatnonzero(positions[rise] == present[t])[0]), bus, u_set[k] / u, u_band[k] / u,
                complex(drop[k]) / (u**2 / BASE),
            )
        )  # fmt: skip


def _three_winding(net: PowerNetwork, c: _Component, bus: list[np.ndarray]) -> None:
    """Star of three branches; pairwise uk and pk, on the smaller of both ratings, become those of the legs."""
    position = _tap_position(c)
    sn = [c.number(f"sn_{k}") for k in "123"]
    u = [c.number(f"u{k}") for k in "123"]
    tapped = _tap(c, position, c.number("tap_side", 0.0), 3, u)
    pairs = ((0, 1), (0, 2), (1, 2))
    if np.isfinite(
        np.concatenate([c.number(f"uk_{a + 1}{b + 1}_{e}", np.nan) for a, b in pairs for e in ("min", "max")])
    ).any():
        raise DataError(
            f"{net.origin}: three_winding_transformer: uk and pk by tap are not supported; use solver='pgm'"
        )
    uk, pk = {}, {}
    for a, b in pairs:
        small = np.minimum(sn[a], sn[b])
        uk[a, b] = c.number(f"uk_{a + 1}{b + 1}") / small  # per VA, the same at all voltages
        pk[a, b] = c.number(f"pk_{a + 1}{b + 1}") / small**2
    leg = ((0, 1), (0, 2), (1, 2)), ((0, 1), (1, 2), (0, 2)), ((0, 2), (1, 2), (0, 1))
    stars = np.array([net.add_bus(f"three_winding {i} star", u[0][k]) for k, i in enumerate(c.ids)])
    clock = [np.zeros(len(c)), c.number("clock_12", 0.0), c.number("clock_13", 0.0)]
    for k in range(3):
        one, two, minus = leg[k]
        r = 0.5 * (pk[one] + pk[two] - pk[minus])
        size = 0.5 * (uk[one] + uk[two] - uk[minus])
        x = np.sign(size) * np.sqrt(np.maximum(size**2 - r**2, 0))
        z = (r + 1j * x) * BASE * (u[0] / net.v_rated[stars]) ** 2
        ratio = (tapped[k] / u[0]) / (net.v_rated[bus[k]] / net.v_rated[stars]) * np.exp(-1j * np.pi / 6 * clock[k])
        y = np.zeros(len(c), complex)
        if k == 0:
            g = c.number("p0", 0.0) / BASE
            y = g - 1j * np.sqrt(np.maximum((c.number("i0", 0.0) * sn[0] / BASE) ** 2 - g**2, 0))
            y = y * (net.v_rated[stars] / u[0]) ** 2
        rated = sn[k] / BASE
        net.branch.add(
            len(c), id=np.array([f"{i} side {k + 1}" for i in c.ids], object), kind="", start=bus[k], end=stars, z=z,
            z_back=z,
            ratio=ratio, shunt_from=y / 2, shunt_to=y / 2, rated_from=rated, rated_to=np.inf,
            from_closed=c.number(f"status_{k + 1}", 1) > 0, to_closed=True, active=True,
            by_power=True,
        )  # fmt: skip

"""pandapower networks: JSON files read as plain data, or tables at hand. Nothing of pandapower is imported.

Element equations follow pandapower's documentation of its elements. Transformers take the pi model, or the T model
(``transformer_model="t"``, pandapower's default) with the magnetising branch in the middle.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twin.errors import DataError
from twin.readers.power_network import PowerNetwork, parse_json, read_json

__all__ = ["from_tables", "read_pandapower", "tables_of"]

SOLVED = frozenset(
    {
        "bus", "load", "sgen", "storage", "motor", "asymmetric_load", "asymmetric_sgen", "ward", "xward", "gen",
        "ext_grid",
        "line", "trafo", "trafo3w", "impedance", "shunt", "switch", "dcline",
    }
)  # fmt: skip
UNSOLVED = frozenset(
    {
        "svc", "ssc", "tcsc", "vsc", "vsc_stacked", "vsc_bipolar", "bus_dc", "line_dc", "load_dc",
        "source_dc",
        "b2b_vsc", "bi_vsc",
    }
)  # fmt: skip
# tables without an electrical meaning for a power flow
SILENT = ("res_", "_")
DESCRIPTIVE = frozenset(
    {
        "measurement", "pwl_cost", "poly_cost", "controller", "group", "characteristic", "bus_geodata", "line_geodata",
        "bus_dc_geodata", "line_dc_geodata", "substation", "substations", "loadcases", "studycases", "profiles",
        "trafo_characteristic_table", "trafo_characteristic_spline", "shunt_characteristic_table",
        "shunt_characteristic_spline", "q_capability_curve_table", "q_capability_characteristic", "dataframe",
        "coordinates",
        "nodes_coordinates", "bus_coordinates", "zone", "area", "user_pf_options",
    }
)  # fmt: skip


def read_pandapower(path: Path, transformer_model: str = "pi") -> PowerNetwork:
    """Read a pandapower JSON file."""
    return from_tables(tables_of(read_json(path), str(path)), str(path), transformer_model)


def tables_of(data: Any, where: str) -> dict[str, Any]:
    """Tables and numbers of pandapower's JSON: frames become DataFrames, other objects are left out."""
    if not isinstance(data, dict) or not isinstance(data.get("_object"), dict | str):
        raise DataError(f"{where}: is no pandapower network (no _object); save it with pandapower.to_json")
    members = parse_json(data["_object"], where) if isinstance(data["_object"], str) else data["_object"]
    tables: dict[str, Any] = {}
    for name, value in members.items():
        if isinstance(value, dict) and value.get("_class") == "DataFrame":
            body = value["_object"]
            body = parse_json(body, f"{where}: table {name}") if isinstance(body, str) else body
            if not isinstance(body, dict) or not {"columns", "index", "data"} <= body.keys():
                raise DataError(f"{where}: table {name} is not in orientation 'split'; save it with pandapower.to_json")
            try:
                tables[name] = pd.DataFrame(body["data"], columns=body["columns"], index=body["index"])
            except ValueError as error:
                raise DataError(f"{where}: table {name}: rows and columns differ in length ({error})") from None
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            tables[name] = value
    if "bus" not in tables:
        raise DataError(f"{where}: has no table 'bus'; is it a pandapower network?")
    return tables


class _Table:
    """Columns of one element table as arrays, with defaults for absent and empty ones."""

    def __init__(self, tables: Mapping[str, Any], name: str, where: str):
        frame = tables.get(name)
        self.frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame()
        self.name, self.where = name, where
        index = self.frame.index
        if not index.is_unique:
            raise DataError(f"{where}: {name}: id {index[index.duplicated()][0]} appears twice; ids must be unique")
        self.ids = np.array(index.tolist(), dtype=object) if len(self.frame) else np.empty(0, object)

    def __len__(self) -> int:
        return len(self.frame)

    def number(self, column: str, default: float | None = None) -> np.ndarray:
        """A float column; NaN and an absent column become the default, or are refused where there is none."""
        if column not in self.frame:
            if default is None and len(self):
                raise DataError(f"{self.where}: {self.name} has no column {column}; it is needed for a power flow")
            return np.full(len(self), np.nan if default is None else default)
        values = pd.to_numeric(self.frame[column], errors="coerce").to_numpy(float, na_value=np.nan, copy=True)
        if default is None:
            needed = self.active() & np.isnan(values)
            if needed.any():
                raise DataError(f"{self.where}: {self.name} {self.ids[needed][0]}: {column} is empty; give a number")
            return values
        return np.where(np.isnan(values), default, values)

    def text(self, column: str) -> np.ndarray:
        """A text column, empty where absent."""
        if column not in self.frame:
            return np.full(len(self), "", object)
        return np.array([v if isinstance(v, str) else "" for v in self.frame[column]], object)

    def flag(self, column: str, default: bool) -> np.ndarray:
        """A true/false column."""
        if column not in self.frame:
            return np.full(len(self), default)
        return np.array([default if v is None or v != v else bool(v) for v in self.frame[column]], bool)

    def active(self) -> np.ndarray:
        """Rows in service."""
        return self.flag("in_service", True)


class _Builder:
    def __init__(self, tables: Mapping[str, Any], where: str, transformer_model: str):
        if transformer_model not in {"pi", "t"}:
            raise DataError(f"transformer model {transformer_model!r} is unknown; write 'pi' or 't'")
        self.tables, self.where, self.model = tables, where, transformer_model
        bus = self.table("bus")
        self.position = {i: k for k, i in enumerate(bus.ids)}
        names = bus.text("name")
        self.net = PowerNetwork(
            where, bus.ids, np.where(names == "", bus.ids.astype(str), names), bus.number("vn_kv") * 1e3, bus.active(),
            float(tables.get("f_hz", 50.0)),
        )  # fmt: skip
        self.kv = self.net.v_rated / 1e3
        self.base = float(tables.get("sn_mva", 1.0))

    def table(self, name: str) -> _Table:
        return _Table(self.tables, name, self.where)

    def bus(self, t: _Table, column: str = "bus") -> np.ndarray:
        """Positions of the buses named in a column."""
        found = np.array([self.position.get(_whole(v), -1) for v in t.number(column)], int)
        if (found < 0).any():
            k = int(np.argmin(found))
            raise DataError(
                f"{self.where}: {t.name} {t.ids[k]}: {column} names a bus that is not there; add or correct it"
            )
        return found

    def refuse_unknown(self) -> None:
        for name, frame in self.tables.items():
            if not isinstance(frame, pd.DataFrame) or frame.empty or name.startswith(SILENT):
                continue
            if name in SOLVED or name in DESCRIPTIVE or "profile" in name:
                continue
            active = _Table(self.tables, name, self.where).active()
            if name in UNSOLVED and not active.any():
                continue
            electric = any("bus" in str(c) for c in frame.columns)
            if name in UNSOLVED or electric:
                raise DataError(
                    f"{self.where}: {len(frame)} elements of type {name!r}, which this power flow does not know; "
                    f"take them "
                    f"out of service, or replace them by loads and generators"
                )

    def switches(self) -> tuple[dict[tuple[str, Any], set[int]], None]:
        """Links of closed bus-bus switches; open ends as (element type, element) -> buses."""
        t = self.table("switch")
        ends: dict[tuple[str, Any], set[int]] = {}
        if not len(t):
            return ends, None
        at = self.bus(t)
        closed, kinds, z = t.flag("closed", True), t.text("et"), t.number("z_ohm", 0.0)
        elements = t.number("element")
        for k in range(len(t)):
            element = _whole(elements[k])
            if kinds[k] == "b":
                if element not in self.position:
                    raise DataError(f"{self.where}: switch {t.ids[k]}: element {element} is no bus; correct it")
                if closed[k] and z[k] > 0:
                    raise DataError(f"{self.where}: switch {t.ids[k]}: z_ohm = {z[k]:g}; use an impedance or a line")
                if closed[k]:
                    self.net.link.add(1, a=at[k], b=self.position[element])
            elif kinds[k] in {"l", "t", "t3"}:
                if not closed[k]:
                    ends.setdefault((kinds[k], element), set()).add(int(at[k]))
            else:
                raise DataError(f"{self.where}: switch {t.ids[k]}: et {kinds[k]!r} is unknown; write b, l, t or t3")
        return ends, None

    def lines(self, opened: dict[tuple[str, Any], set[int]]) -> None:
        t = self.table("line")
        if not len(t):
            return
        start, end = self.bus(t, "from_bus"), self.bus(t, "to_bus")
        z_base = self.kv[start] ** 2
        length, parallel = t.number("length_km"), t.number("parallel", 1.0)
        z = (t.number("r_ohm_per_km") + 1j * t.number("x_ohm_per_km")) * length / parallel / z_base
        b = 2 * np.pi * self.net.frequency * t.number("c_nf_per_km", 0.0) * 1e-9
        y = (t.number("g_us_per_km", 0.0) * 1e-6 + 1j * b) * length * parallel * z_base
        current = t.number("max_i_ka", np.inf) * t.number("df", 1.0) * parallel
        # the line is one two-port at the voltage of its from end, as pandapower takes it
        rated = current * np.sqrt(3) * self.kv[start]
        from_open = np.array([int(start[k]) in opened.get(("l", t.ids[k]), ()) for k in range(len(t))])
        to_open = np.array([int(end[k]) in opened.get(("l", t.ids[k]), ()) for k in range(len(t))])
        self.net.branch.add(
            len(t), id=t.ids, kind="line", start=start, end=end, z=z, z_back=z, ratio=1, shunt_from=y / 2,
            shunt_to=y / 2,
            rated_from=rated, rated_to=current * np.sqrt(3) * self.kv[end],
            from_closed=~from_open & self.net.bus_active[start],
            to_closed=~to_open & self.net.bus_active[end], active=t.active(),
        )  # fmt: skip

    def tap(
        self, t: _Table, side: np.ndarray, hv: np.ndarray, lv: np.ndarray, shift: np.ndarray, prefix: str = "tap"
    ) -> None:
        """Apply tap positions in place to rated voltages and shift."""
        position, neutral = t.number(f"{prefix}_pos", np.nan), t.number(f"{prefix}_neutral", np.nan)
        percent, degree = t.number(f"{prefix}_step_percent", 0.0), t.number(f"{prefix}_step_degree", 0.0)
        off = np.nan_to_num(position - neutral, nan=0.0)
        kind = t.text(f"{prefix}_changer_type")
        if f"{prefix}_changer_type" not in t.frame and f"{prefix}_phase_shifter" in t.frame:
            kind = np.where(t.flag(f"{prefix}_phase_shifter", False), "Ideal", "Ratio").astype(object)
        if t.flag(f"{prefix}_dependency_table", False)[t.active()].any():
            raise DataError(
                f"{self.where}: {t.name}: tap_dependency_table is not supported; give step and neutral instead"
            )
        for k in np.flatnonzero(t.active()):
            stated = kind[k] not in {"", "None"}
            half = np.isfinite(position[k]) != np.isfinite(neutral[k])
            if half and (stated or np.isfinite(position[k])) and (percent[k] or degree[k]):
                raise DataError(
                    f"{self.where}: {t.name} {t.ids[k]}: {prefix}_pos or {prefix}_neutral is empty; give both"
                )
            if off[k] == 0 or (percent[k] == 0 and degree[k] == 0):
                continue
            if not stated:
                self.net.notes.append(f"{t.name} {t.ids[k]}: tap changer type not given, position taken as a ratio")
            elif kind[k] not in {"Ratio", "Symmetrical", "Ideal"}:
                raise DataError(f"{self.where}: {t.name} {t.ids[k]}: tap changer type {kind[k]!r} is unknown")
            if side[k] not in {"hv", "lv"}:
                raise DataError(f"{self.where}: {t.name} {t.ids[k]}: tap_side {side[k]!r} is unknown; write hv or lv")
            direction, vn = (1, hv) if side[k] == "hv" else (-1, lv)
            if kind[k] == "Ideal":
                if percent[k] and degree[k]:
                    raise DataError(
                        f"{self.where}: {t.name} {t.ids[k]}: ideal shifter has step in percent and in degree"
                    )
                turn = off[k] * degree[k] if degree[k] else 2 * np.rad2deg(np.arcsin(off[k] * percent[k] / 200))
                shift[k] += direction * turn
            else:
                u = 1 + off[k] * percent[k] / 100 * np.exp(1j * np.deg2rad(degree[k]))
                vn[k] *= abs(u)
                shift[k] += direction * np.rad2deg(np.angle(u))

    def two_winding(
        self,
        t: _Table,
        *,
        ids: np.ndarray,
        kind: str,
        hv_bus: np.ndarray,
        lv_bus: np.ndarray,
        hv: np.ndarray,
        lv: np.ndarray,
        shift: np.ndarray,
        sn: np.ndarray,
        vk: np.ndarray,
        vkr: np.ndarray,
        pfe_mw: np.ndarray,
        i0: np.ndarray,
        parallel: np.ndarray,
        df: np.ndarray,
        active: np.ndarray,
        hv_closed: np.ndarray,
        lv_closed: np.ndarray,
        vn_lv_rated: np.ndarray,
    ) -> None:
        """Add transformers; ``hv``, ``lv`` [kV] with taps applied, ``vn_lv_rated`` [kV] without."""
        turned = lv / self.net.v_rated[lv_bus] * 1e3
        scale = turned**2 / sn / parallel
        z_size, r = vk / 100 * scale, vkr / 100 * scale
        bad = active & ~((np.abs(z_size) > 0) & (np.abs(r) <= np.abs(z_size)) & (hv > 0) & (lv > 0) & (sn > 0))
        if bad.any():
            raise DataError(
                f"{self.where}: {t.name} {ids[bad][0]}: needs sn_mva, vn_hv_kv, vn_lv_kv above zero and vk_percent "
                f"not below "
                f"vkr_percent; without them it has no ratio or impedance"
            )
        with np.errstate(invalid="ignore"):
            x = np.sign(z_size) * np.sqrt(np.maximum(z_size**2 - r**2, 0))
        magnetising = np.sqrt(np.maximum((i0 / 100 * sn) ** 2 - pfe_mw**2, 0))
        y = (pfe_mw - 1j * magnetising) * parallel * (self.net.v_rated[lv_bus] / 1e3 / lv) ** 2
        z = r + 1j * x
        yf = yt = y / 2
        if self.model == "t":
            some = y != 0
            share = np.full(z.shape, 0.5)
            rr = t.number("leakage_resistance_ratio_hv", 0.5) if len(t) == z.size else share
            xr = t.number("leakage_reactance_ratio_hv", 0.5) if len(t) == z.size else share
            za, zb = r * rr + 1j * x * xr, r * (1 - rr) + 1j * x * (1 - xr)
            zc = 1 / np.where(some, y, 1)
            total = za * zb + za * zc + zb * zc
            z = np.where(some, total / zc, z)
            yf, yt = np.where(some, zb / total, 0), np.where(some, za / total, 0)
        nominal = self.net.v_rated[hv_bus] / self.net.v_rated[lv_bus]
        ratio = hv / lv / nominal * np.exp(1j * np.deg2rad(shift))
        rated = sn * parallel * df
        self.net.branch.add(
            ids.size, id=ids, kind=kind, start=hv_bus, end=lv_bus, z=z, z_back=z, ratio=ratio, shunt_from=yf,
            shunt_to=yt,
            rated_from=rated * self.net.v_rated[hv_bus] / 1e3 / t_rated(hv, t, "vn_hv_kv", ids),
            rated_to=rated * self.net.v_rated[lv_bus] / 1e3 / vn_lv_rated, from_closed=hv_closed, to_closed=lv_closed,
            active=active & self.net.bus_active[hv_bus] & self.net.bus_active[lv_bus],
        )  # fmt: skip

    def transformers(self, opened: dict[tuple[str, Any], set[int]]) -> None:
        t = self.table("trafo")
        if not len(t):
            return
        hv_bus, lv_bus = self.bus(t, "hv_bus"), self.bus(t, "lv_bus")
        hv, lv = t.number("vn_hv_kv"), t.number("vn_lv_kv")
        rated_lv = lv.copy()
        shift = t.number("shift_degree", 0.0)
        self.tap(t, t.text("tap_side"), hv, lv, shift)
        if "tap2_pos" in t.frame:
            self.tap(t, t.text("tap2_side"), hv, lv, shift, "tap2")
        hv_open = np.array([int(hv_bus[k]) in opened.get(("t", t.ids[k]), ()) for k in range(len(t))])
        lv_open = np.array([int(lv_bus[k]) in opened.get(("t", t.ids[k]), ()) for k in range(len(t))])
        self.two_winding(
            t, ids=t.ids, kind="trafo", hv_bus=hv_bus, lv_bus=lv_bus, hv=hv, lv=lv, shift=shift, sn=t.number("sn_mva"),
            vk=t.number("vk_percent"), vkr=t.number("vkr_percent", 0.0), pfe_mw=t.number("pfe_kw", 0.0) / 1e3,
            i0=t.number("i0_percent", 0.0), parallel=t.number("parallel", 1.0), df=t.number("df", 1.0),
            active=t.active(),
            hv_closed=~hv_open, lv_closed=~lv_open, vn_lv_rated=rated_lv,
        )  # fmt: skip

    def three_winding(self, opened: dict[tuple[str, Any], set[int]]) -> None:
        """Star of three two-winding transformers; impedances from the pairwise short-circuit voltages."""
        t = self.table("trafo3w")
        if not len(t):
            return
        sides = ("hv", "mv", "lv")
        buses = [self.bus(t, f"{s}_bus") for s in sides]
        sn = np.stack([t.number(f"sn_{s}_mva") for s in sides])
        vn = [t.number(f"vn_{s}_kv") for s in sides]
        vk = np.stack([t.number(f"vk_{s}_percent") for s in sides])
        vkr = np.stack([t.number(f"vkr_{s}_percent") for s in sides])
        pair = np.stack([np.minimum(sn[0], sn[1]), np.minimum(sn[1], sn[2]), np.minimum(sn[0], sn[2])])
        delta, delta_r = sn[0] * vk / pair, sn[0] * vkr / pair
        delta_x = np.sqrt(delta**2 - delta_r**2)

        def star(d: np.ndarray) -> np.ndarray:
            return 0.5 * sn / sn[0] * np.stack([d[0] + d[2] - d[1], d[1] + d[0] - d[2], d[2] + d[1] - d[0]])

        r, x = star(delta_r), star(delta_x)
        if t.flag("tap_at_star_point", False).any():
            raise DataError(f"{self.where}: trafo3w: tap_at_star_point is not supported; put the tap at a terminal")
        stars = np.array([self.net.add_bus(f"trafo3w {i} star", vn[0][k] * 1e3) for k, i in enumerate(t.ids)])
        self.kv = self.net.v_rated / 1e3
        tapped = t.text("tap_side")
        shifts = [np.zeros(len(t)), t.number("shift_mv_degree", 0.0), t.number("shift_lv_degree", 0.0)]
        for k, s in enumerate(sides):
            hv, lv, shift = vn[0].copy(), vn[k].copy(), shifts[k].copy()
            side = np.where(tapped == s, "hv" if s == "hv" else "lv", "").astype(object)
            mask = side != ""
            if mask.any():
                part = _Table({t.name: t.frame[mask]}, t.name, self.where)
                h, low, turn = hv[mask], lv[mask], shift[mask]
                self.tap(part, side[mask], h, low, turn)
                hv[mask], lv[mask], shift[mask] = h, low, turn
            size = np.sign(x[k]) * np.hypot(x[k], r[k])
            closed = np.array([int(buses[k][j]) not in opened.get(("t3", t.ids[j]), ()) for j in range(len(t))])
            core = k == 0
            self.two_winding(
                t, ids=np.array([f"{i} {s}" for i in t.ids], object), kind="trafo3w",
                hv_bus=buses[0] if core else stars,
                lv_bus=stars if core else buses[k], hv=hv, lv=lv, shift=shift, sn=sn[k], vk=size, vkr=r[k],
                pfe_mw=t.number("pfe_kw", 0.0) / 1e3 * core, i0=t.number("i0_percent", 0.0) * core,
                parallel=np.ones(len(t)),
                df=np.ones(len(t)), active=t.active(), hv_closed=closed if core else np.ones(len(t), bool),
                lv_closed=np.ones(len(t), bool) if core else closed, vn_lv_rated=vn[k],
            )  # fmt: skip

    def impedances(self) -> None:
        t = self.table("impedance")
        if len(t):
            start, end = self.bus(t, "from_bus"), self.bus(t, "to_bus")
            sn = t.number("sn_mva")
            z = (t.number("rft_pu") + 1j * t.number("xft_pu")) / sn
            z_back = (t.number("rtf_pu") + 1j * t.number("xtf_pu")) / sn
            self.net.branch.add(
                len(t), id=t.ids, kind="impedance", start=start, end=end, z=z, z_back=z_back, ratio=1,
                shunt_from=(t.number("gf_pu", 0.0) + 1j * t.number("bf_pu", 0.0)) * sn,
                shunt_to=(t.number("gt_pu", 0.0) + 1j * t.number("bt_pu", 0.0)) * sn, rated_from=sn, rated_to=sn,
                from_closed=True, to_closed=True,
                active=t.active() & self.net.bus_active[start] & self.net.bus_active[end],
            )  # fmt: skip
        t = self.table("xward")
        if len(t):
            at, active = self.bus(t), t.active()
            r, x, vm = t.number("r_ohm"), t.number("x_ohm"), t.number("vm_pu")
            for k in np.flatnonzero(active):
                inner = self.net.add_bus(f"xward {t.ids[k]}", self.net.v_rated[at[k]])
                z = (r[k] + 1j * x[k]) / self.kv[at[k]] ** 2
                self.net.branch.add(
                    1, id=t.ids[k], kind="xward", start=at[k], end=inner, z=z, z_back=z, ratio=1, shunt_from=0,
                    shunt_to=0,
                    rated_from=np.inf, rated_to=np.inf, from_closed=True, to_closed=True,
                    active=self.net.bus_active[at[k]],
                )  # fmt: skip
                self.net.generator.add(
                    1, id=f"xward {t.ids[k]}", bus=inner, p=0.0, vm=vm[k], q_min=-np.inf, q_max=np.inf
                )

    def shunts(self) -> None:
        t = self.table("shunt")
        if len(t):
            at, active = self.bus(t), t.active()
            if t.flag("step_dependency_table", False)[active].any():
                raise DataError(f"{self.where}: shunt: step_dependency_table is not supported; give p_mw and q_mvar")
            vn = t.number("vn_kv", np.nan)
            vn = np.where(np.isnan(vn), self.kv[at], vn)
            y = (t.number("p_mw", 0.0) - 1j * t.number("q_mvar")) * t.number("step", 1.0) * (self.kv[at] / vn) ** 2
            self.net.shunt.add(int(active.sum()), bus=at[active], y=y[active])
        for name in ("ward", "xward"):
            t = self.table(name)
            if len(t):
                at, active = self.bus(t), t.active()
                y = t.number("pz_mw") - 1j * t.number("qz_mvar")
                self.net.shunt.add(int(active.sum()), bus=at[active], y=y[active])

    def loads(self) -> None:
        for name, sign in (("load", 1), ("sgen", -1), ("storage", 1), ("ward", 1), ("xward", 1), ("motor", 1),
        ("asymmetric_load", 1), ("asymmetric_sgen", -1)):  # fmt: skip
            t = self.table(name)
            if not len(t):
                continue
            at, active, scaling = self.bus(t), t.active(), t.number("scaling", 1.0)
            if name.endswith("ward"):
                p, q = t.number("ps_mw"), t.number("qs_mvar")
            elif name == "motor":
                p = t.number("pn_mech_mw") / t.number("efficiency_percent") * t.number("loading_percent", 100.0)
                q = p * np.sqrt(1 / t.number("cos_phi") ** 2 - 1)
            elif name.startswith("asymmetric"):
                p = np.sum([t.number(f"p_{f}_mw", 0.0) for f in "abc"], axis=0)
                q = np.sum([t.number(f"q_{f}_mvar", 0.0) for f in "abc"], axis=0)
            else:
                p, q = t.number("p_mw"), t.number("q_mvar", 0.0)
            p, q = sign * p * scaling, sign * q * scaling
            if name == "load":
                both = "const_i_percent" in t.frame
                shares = [
                    t.number(f"const_{c}_percent" if both else f"const_{c}_{x}_percent", 0.0) / 100
                    for c in "iz"
                    for x in "pq"
                ]
                ip, iq, zp, zq = shares
            else:
                ip = iq = zp = zq = np.zeros(len(t))
            on = active
            self.net.load.add(
                int(on.sum()), id=t.ids[on], kind=name, bus=at[on], p=p[on], q=q[on], ip=ip[on], iq=iq[on], zp=zp[on],
                zq=zq[on], profile=t.text("profile")[on],
            )  # fmt: skip

    def held(self) -> None:
        t = self.table("gen")
        if len(t):
            at, slack = self.bus(t), t.flag("slack", False)
            active = t.active()
            on = active & ~slack
            p = t.number("p_mw", 0.0) * t.number("scaling", 1.0)
            vm = t.number("vm_pu")
            self.net.generator.add(
                int(on.sum()), id=t.ids[on], bus=at[on], p=p[on], vm=vm[on], q_min=t.number("min_q_mvar", -np.inf)[on],
                q_max=t.number("max_q_mvar", np.inf)[on],
            )  # fmt: skip
            on = active & slack
            self.net.source.add(int(on.sum()), id=np.array([f"gen {i}" for i in t.ids[on]], object), bus=at[on],
            vm=vm[on], va=0.0)  # fmt: skip
        self.dc_lines()
        t = self.table("ext_grid")
        if len(t):
            at, on = self.bus(t), t.active()
            self.net.source.add(
                int(on.sum()), id=np.array([f"ext_grid {i}" for i in t.ids[on]], object), bus=at[on],
                vm=t.number("vm_pu", 1.0)[on], va=t.number("va_degree", 0.0)[on],
            )  # fmt: skip

    def dc_lines(self) -> None:
        """A DC line is a generator at either end: the sender takes ``p_mw``, the other gives what the losses leave."""
        t = self.table("dcline")
        if not len(t):
            return
        p, on = t.number("p_mw"), t.active()
        left = np.abs(p) * (1 - t.number("loss_percent", 0.0) / 100) - t.number("loss_mw", 0.0)
        for end, given in (("from", np.where(p >= 0, -p, left)), ("to", np.where(p >= 0, left, p))):
            self.net.generator.add(
                int(on.sum()), id=np.array([f"dcline {i} {end}" for i in t.ids[on]], object),
                bus=self.bus(t, f"{end}_bus")[on], p=given[on], vm=t.number(f"vm_{end}_pu")[on],
                q_min=t.number(f"min_q_{end}_mvar", -np.inf)[on], q_max=t.number(f"max_q_{end}_mvar", np.inf)[on],
            )  # fmt: skip


def t_rated(hv: np.ndarray, t: _Table, column: str, ids: np.ndarray) -> np.ndarray:
    """Rated voltage without tap where the table is one row per transformer, else the voltage given."""
    return t.number(column) if len(t) == ids.size else hv


def _whole(value: float) -> Any:
    return int(value) if np.isfinite(value) and value == int(value) else value


def from_tables(tables: Mapping[str, Any], where: str, transformer_model: str = "pi") -> PowerNetwork:
    """Network of pandapower tables: a mapping of table names to DataFrames, with ``f_hz`` and ``sn_mva``."""
    builder = _Builder(tables, where, transformer_model)
    builder.refuse_unknown()
    opened, _ = builder.switches()
    builder.lines(opened)
    builder.transformers(opened)
    builder.three_winding(opened)
    builder.impedances()
    builder.shunts()
    builder.loads()
    builder.held()
    active = builder.net.bus_active
    net = builder.net
    for rows in (net.load, net.generator, net.source):
        lost = ~active[rows.bus]
        if lost.any():
            net.notes.append(f"{int(lost.sum())} elements at buses out of service: left out ({rows.id[lost][0]} ...)")
    return net.check()

"""Random networks with every element and state the readers know, for comparison with other tools."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pandapower as pp

VOLTS = {"hv": 110.0, "mv": 20.0, "lv": 0.4}  # kV


class PandapowerWalk:
    """A pandapower network drawn from ``seed``: HV string or ring, MV tree or loop, LV, and what may hang on it."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.refused = set()  # words of elements one of which has to be refused
        self.net = pp.create_empty_network(f_hz=self.rng.choice([50.0, 60.0]), sn_mva=self.rng.choice([1.0, 100.0]))
        counts = {"hv": (1, 4), "mv": (3, 9), "lv": (2, 5)}
        self.at = {k: [pp.create_bus(self.net, VOLTS[k]) for _ in range(self.rng.integers(*counts[k]))] for k in counts}
        pp.create_ext_grid(self.net, self.at["hv"][0], self.between(0.98, 1.05), self.between(-40, 40))
        self.backbone()
        self.loads()
        self.elements()
        self.islands()
        self.states()
        self.same_bus()

    def maybe(self, chance=0.3):
        return self.rng.random() < chance

    def between(self, low, high):
        return float(self.rng.uniform(low, high))

    def mv(self):
        return int(self.rng.choice(self.at["mv"]))

    def line(self, a, b):
        km = self.between(0.2, 3) * {110.0: 10, 20.0: 1, 0.4: 0.05}[self.net.bus.vn_kv[a]]
        return pp.create_line_from_parameters(
            self.net, a, b, km, self.between(0.05, 0.3), self.between(0.05, 0.4), self.between(5, 300),
            self.between(0.1, 0.6), g_us_per_km=self.between(0, 5) * self.maybe(), parallel=2 if self.maybe() else 1,
            df=self.between(0.5, 1),
        )  # fmt: skip

    def tap(self, number=""):
        kind = self.rng.choice(["none", "Ratio", "Symmetrical", "Ideal"])
        if kind == "none":
            return {}
        limit = 9 if self.maybe(0.7) else np.nan
        tap = {
            "side": self.rng.choice(["hv", "lv"]), "pos": int(self.rng.integers(-4, 5)), "changer_type": kind,
            "neutral": int(self.rng.choice([0, 0, 2])), "min": -limit, "max": limit,
            "step_percent": self.between(0.5, 2), "step_degree": self.rng.choice([0.0, 30.0, 90.0]),
        }  # fmt: skip
        if kind == "Ideal":  # in degree or in per cent
            tap["step_percent" if self.maybe(0.5) else "step_degree"] = np.nan
            tap["step_degree"] = 1.3 if tap["step_degree"] == tap["step_degree"] else np.nan
        return {f"tap{number}_{k}": v for k, v in tap.items()}

    def transformer(self, a, b, sn, shift):
        high, low = (self.net.bus.vn_kv[i] for i in (a, b))
        second = self.tap("2") if self.maybe(0.15) else {}
        if second.get("tap2_changer_type") == "Ideal":
            second = {}
        return pp.create_transformer_from_parameters(
            self.net, a, b, sn, high * self.rng.choice([1, 1.02]), low * self.rng.choice([1, 1.05]),
            self.between(0.2, 1), self.between(4, 14), sn * self.between(0, 2), self.rng.choice([0.0, 0.3]),
            shift_degree=float(shift), parallel=2 if self.maybe(0.2) else 1, df=self.between(0.6, 1),
            leakage_resistance_ratio_hv=self.between(0.2, 0.8), leakage_reactance_ratio_hv=self.between(0.2, 0.8),
            **self.tap(), **second,
        )  # fmt: skip

    def backbone(self):
        hv, mv, lv = self.at["hv"], self.at["mv"], self.at["lv"]
        self.lines = [self.line(a, b) for a, b in pairwise(hv)]
        if len(hv) > 2 and self.maybe():
            self.lines.append(self.line(hv[0], hv[-1]))
        for part in (mv, lv):
            for k in range(1, len(part)):
                ends = [part[k], part[int(self.rng.integers(0, k))]]
                self.lines.append(self.line(*(ends if self.maybe() else ends[::-1])))
        if self.maybe():
            self.lines.append(self.line(mv[0], mv[-1]))
        self.transformer(hv[-1], mv[0], 25.0, self.rng.choice([0, 150, -30]))
        self.transformer(mv[-1], lv[0], 0.4, self.rng.choice([0, 150, 30]))
        if self.maybe(0.2):  # beside the first, perhaps with another ratio
            other = self.transformer(hv[-1], mv[0], 25.0, self.net.trafo.shift_degree[0])
            self.net.trafo.loc[other, ["tap_pos", "tap_neutral"]] = 0
        if self.maybe():
            self.three_windings()

    def three_windings(self):
        ends = [self.at["hv"][-1], pp.create_bus(self.net, 20.0), pp.create_bus(self.net, 10.0)]
        tap = {}
        if self.maybe(0.6):
            tap = {
                "tap_side": self.rng.choice(["hv", "mv", "lv"]), "tap_pos": int(self.rng.integers(-4, 5)),
                "tap_neutral": 0, "tap_min": -9, "tap_max": 9, "tap_step_percent": self.between(0.5, 2),
                "tap_step_degree": self.rng.choice([0.0, 30.0]),
                "tap_changer_type": self.rng.choice(["Ratio", "Symmetrical"]), "tap_at_star_point": self.maybe(0.1),
            }  # fmt: skip
            if tap["tap_at_star_point"]:
                self.refused.add("tap_at_star_point")
        pp.create_transformer3w_from_parameters(
            self.net, *ends, 110.0, 20.0, 10.5, 40.0, 25.0, 15.0, 10.4, 11.0, 9.7, 0.3, 0.31, 0.28, 30.0, 0.1,
            shift_mv_degree=float(self.rng.choice([0, 30])), shift_lv_degree=float(self.rng.choice([0, 150])), **tap,
        )  # fmt: skip
        for bus, p in zip(ends[1:], (3.0, 2.0)):
            pp.create_load(self.net, bus, p, p / 3)
        if self.maybe():
            pp.create_switch(self.net, int(self.rng.choice(ends)), 0, "t3", closed=self.maybe(0.5))

    def loads(self):
        for b in self.at["mv"]:
            pp.create_load(
                self.net, b, self.between(0.05, 0.8), self.between(-0.05, 0.2), scaling=self.between(0.5, 1.2),
                const_z_p_percent=float(self.rng.choice([0, 30])), const_z_q_percent=float(self.rng.choice([0, 20])),
                const_i_p_percent=float(self.rng.choice([0, 50])), const_i_q_percent=float(self.rng.choice([0, 40])),
                in_service=self.maybe(0.9),
            )  # fmt: skip
        for b in self.at["lv"]:
            pp.create_load(self.net, b, self.between(0.001, 0.03), self.between(0, 0.01))

    def elements(self):
        net, mv = self.net, self.mv
        for make in (
            lambda: pp.create_sgen(net, mv(), 0.7, -0.1, scaling=self.between(0.5, 1)),
            lambda: pp.create_sgen(net, mv(), 0.3, 0.1, current_source=True),
            lambda: pp.create_storage(net, mv(), self.between(-0.3, 0.3), 1.0, q_mvar=0.05, scaling=0.8),
            lambda: pp.create_motor(net, mv(), 0.2, 0.85, efficiency_percent=90.0, loading_percent=80.0, scaling=0.9),
            lambda: pp.create_asymmetric_load(net, mv(), 0.05, 0.06, 0.02, 0.01, 0.02, 0.0, scaling=0.9),
            lambda: pp.create_asymmetric_sgen(net, mv(), 0.05, 0.06, 0.02, 0.01, 0.02, 0.0),
            lambda: pp.create_ward(net, mv(), 0.1, 0.05, 0.08, 0.03),
            lambda: pp.create_xward(net, mv(), 0.1, 0.05, 0.08, 0.03, 2.0, self.between(5, 30), 1.01),
            lambda: pp.create_shunt(net, mv(), self.between(-0.5, 0.5), 0.03, step=int(self.rng.integers(0, 3)),
                                    max_step=3, vn_kv=self.rng.choice([20.0, 21.0])),
            lambda: pp.create_impedance(net, self.at["mv"][0], self.at["mv"][-1], 0.02, 0.05, 10.0,
                                        rtf_pu=0.03, xtf_pu=0.06, gf_pu=0.001, bf_pu=0.002, gt_pu=0.003, bt_pu=0.001),
            lambda: pp.create_gen(net, mv(), self.between(0.1, 2), 1.0, scaling=self.between(0.5, 1), min_q_mvar=-0.3,
                                  max_q_mvar=0.3),
            lambda: pp.create_dcline(net, *self.at["mv"][:2], self.between(-0.3, 0.3), 2.0, 0.01, 1.0, 1.0),
            lambda: pp.create_measurement(net, "v", "bus", 1.0, 0.01, mv()),
            lambda: pp.create_poly_cost(net, 0, "ext_grid", 1.0),
        ):  # fmt: skip
            if self.maybe():
                make()
        for name, make in (
            ("svc", lambda: pp.create_svc(net, mv(), 1.0, -10.0, 1.0, 145.0)),
            ("tcsc", lambda: pp.create_tcsc(net, mv(), pp.create_bus(net, 20.0), 1.0, -10.0, -0.1, 145.0)),
            ("ssc", lambda: pp.create_ssc(net, mv(), 0.0, 12.0, 1.0)),
        ):
            if self.maybe(0.03):
                make()
                self.refused.add(name)

    def islands(self):
        for what in ("nothing", "generator", "source", "slack", "switch"):
            if not self.maybe(0.2):
                continue
            a, b = pp.create_bus(self.net, 20.0), pp.create_bus(self.net, 20.0)
            pp.create_load(self.net, b, 0.3, 0.1)
            if what == "switch":
                z = 0.5 if self.maybe(0.1) else 0.0
                closed = self.maybe(0.7)
                pp.create_switch(self.net, a, b, "b")
                pp.create_switch(self.net, self.mv(), a, "b", closed=closed, z_ohm=z)
                if z and closed:
                    self.refused.add("z_ohm")
                continue
            self.line(a, b)
            if what == "generator":
                pp.create_gen(self.net, a, 0.1, 1.0)
            if what == "source":
                pp.create_ext_grid(self.net, a, 0.99)
            if what == "slack":
                pp.create_gen(self.net, a, 0.0, 1.01, slack=True)

    def states(self):
        net = self.net
        for k in self.lines:
            ends = [int(net.line[f"{side}_bus"][k]) for side in ("from", "to")]
            if self.maybe(0.12):
                for bus in ends if self.maybe() else ends[:: -1 if self.maybe(0.5) else 1][:1]:
                    pp.create_switch(net, bus, k, "l", closed=False)
            elif self.maybe(0.2):
                pp.create_switch(net, ends[0], k, "l")
        if self.maybe(0.1):
            side = self.rng.choice(["hv_bus", "lv_bus"])
            pp.create_switch(net, int(net.trafo[side][0]), 0, "t", closed=False)
        if self.maybe(0.15):
            net.line.loc[self.rng.choice(net.line.index), "in_service"] = False
        if self.maybe(0.1) and not len(net.impedance):  # pandapower does not converge with an impedance there
            net.bus.loc[self.mv(), "in_service"] = False

    def same_bus(self):
        """Only loads alone depend on voltage: pandapower takes their shares for all power at their bus."""
        net, others = (
            self.net,
            ("sgen", "storage", "motor", "asymmetric_load", "asymmetric_sgen", "ward", "xward", "gen"),
        )
        shared = {*net.load.bus[net.load.bus.duplicated(keep=False)], *net.dcline.from_bus, *net.dcline.to_bus}
        shared |= {bus for table in others for bus in net[table].bus}
        of_buses = net.switch[net.switch.et == "b"]
        shared |= {*of_buses.bus, *of_buses.element}
        net.load.loc[net.load.bus.isin(shared), [c for c in net.load if c.startswith("const_")]] = 0.0


def grid_of_pgm(seed):
    """power-grid-model input drawn from ``seed``, as parsed JSON."""
    rng = np.random.default_rng(seed)
    parts, last = defaultdict(list), [0]

    def maybe(chance=0.3):
        return bool(rng.random() < chance)

    def add(kind, **values):
        last[0] += 1
        parts[kind].append({"id": last[0], **values})
        return last[0]

    def line(a, b, scale=1.0):
        km = rng.uniform(0.2, 2) * scale
        add("line", from_node=a, to_node=b, from_status=int(maybe(0.93)), to_status=int(maybe(0.93)),
            r1=rng.uniform(0.05, 0.3) * km, x1=rng.uniform(0.05, 0.3) * km, c1=rng.uniform(1e-7, 5e-7) * km,
            tan1=rng.choice([0.0, 0.01]), i_n=rng.uniform(100, 500))  # fmt: skip

    def transformer(a, b, u1, u2, sn):
        side, clock = int(rng.integers(0, 2)), int(rng.choice([0, 5, 6, 11, 12, -1]))
        values = {
            "from_node": a, "to_node": b, "from_status": int(maybe(0.96)), "to_status": int(maybe(0.96)),
            "u1": u1 * rng.choice([1, 1.02]), "u2": u2 * rng.choice([1, 1.05]), "sn": sn, "uk": rng.uniform(0.04, 0.14),
            "pk": sn * rng.uniform(0.003, 0.01), "i0": rng.choice([0.0, 0.005]), "p0": sn * rng.choice([0, 5e-4, 0.02]),
            "winding_from": 2 if clock % 2 else 1, "winding_to": 1, "clock": clock, "tap_side": side,
            "tap_pos": int(rng.integers(-4, 5)), "tap_min": -5, "tap_max": 5, "tap_nom": int(rng.choice([0, 1])),
            "tap_size": 0.015 * (u1, u2)[side],
        }  # fmt: skip
        if maybe():
            values |= {"tap_min": 5, "tap_max": -5}
        if maybe():
            values |= {"uk_min": values["uk"] * 0.9, "uk_max": values["uk"] * 1.2, "pk_min": values["pk"] * 0.8,
                       "pk_max": values["pk"] * 1.1}  # fmt: skip
        for name in ("tap_pos", "tap_nom"):
            if maybe():
                del values[name]
        return add("transformer", **values)

    counts = (110e3, (1, 2)), (10e3, (3, 8)), (400.0, (1, 4))
    hv, mv, lv = (
        [add("node", u_rated=u) for _ in range(rng.integers(*n))] for u, n in counts
    )  # fmt: skip
    for part, scale in ((mv, 1.0), (lv, 0.1)):
        for k in range(1, len(part)):
            line(part[rng.integers(0, k)], part[k], scale)
    if maybe():
        line(mv[0], mv[-1])
    first = transformer(hv[0], mv[0], 110e3, 10e3, 40e6)
    transformer(mv[-1], lv[0], 10e3, 400.0, 630e3)
    if maybe(0.15):
        add("transformer", **{k: v for k, v in parts["transformer"][0].items() if k != "id"})
    behind = {"sk": 10 ** rng.uniform(8, 10), "rx_ratio": rng.uniform(0.05, 0.5)}
    stiff = {"sk": 1e20, "u_ref_angle": rng.uniform(-0.5, 0.5)}
    add("source", node=hv[0], status=1, u_ref=rng.uniform(0.98, 1.05), **[behind, stiff, {}][rng.integers(0, 3)])
    if maybe(0.1):
        add("source", node=hv[0], status=1, u_ref=1.01, sk=1e9)
    if maybe(0.1):
        add("source", node=mv[-1], status=0, u_ref=1.01)
    for n in mv + lv:
        size = 0.03 if n in lv else 1.0
        add("sym_load", node=n, status=int(maybe(0.92)), type=int(rng.integers(0, 3)),
            p_specified=rng.uniform(0, 8e5) * size, q_specified=rng.uniform(-1e5, 2e5) * size)  # fmt: skip
    at = {"node": int(rng.choice(mv)), "status": 1, "type": int(rng.integers(0, 3))}
    three = {"p_specified": [1e5, 2e5, 5e4], "q_specified": [1e4, 0.0, 2e4]}
    for kind, values in (
        ("sym_gen", {**at, "p_specified": 4e5, "q_specified": -3e4}),
        ("asym_load", {**at, **three}),
        ("asym_gen", {**at, **three}),
        ("shunt", {"node": at["node"], "status": int(maybe(0.8)), "g1": 1e-4, "b1": rng.uniform(-2e-3, 2e-3)}),
        ("sym_voltage_sensor", {"measured_object": mv[0], "u_measured": 1e4, "u_sigma": 10.0}),
        ("fault", {"fault_object": mv[0], "status": 0, "fault_type": 0, "fault_phase": 0}),
    ):
        if maybe():
            add(kind, **values)
    load = {"status": 1, "type": 0, "p_specified": 2e5, "q_specified": 1e4}
    if maybe():
        other = add("node", u_rated=10e3)
        add("link", from_node=int(rng.choice(mv)), to_node=other, from_status=int(maybe(0.8)), to_status=1)
        add("sym_load", node=other, **load)
    if maybe():
        other = add("node", u_rated=10e3)
        add("generic_branch", from_node=int(rng.choice(mv)), to_node=other, from_status=1, to_status=1, r1=0.2, x1=0.5,
            g1=1e-5, b1=2e-5, k=rng.uniform(0.97, 1.03), theta=rng.uniform(-0.2, 0.2), sn=2e6)  # fmt: skip
        add("sym_load", node=other, **load)
    if maybe():
        one, other = add("node", u_rated=10e3), add("node", u_rated=10e3)
        line(one, other)
        add("sym_load", node=other, **load)
    if maybe():
        two, three_ = add("node", u_rated=10e3), add("node", u_rated=20e3)
        low, high = (5, -5) if maybe() else (-5, 5)
        add("three_winding_transformer", node_1=hv[0], node_2=two, node_3=three_, status_1=1, status_2=1,
            status_3=int(maybe(0.8)), u1=110e3, u2=10.5e3, u3=20e3, sn_1=40e6, sn_2=25e6, sn_3=20e6, uk_12=0.1,
            uk_13=0.12, uk_23=0.09, pk_12=1e5, pk_13=9e4, pk_23=8e4, i0=0.002, p0=2e4, winding_1=1, winding_2=1,
            winding_3=2,
            clock_12=int(rng.choice([0, 6, 12])), clock_13=int(rng.choice([1, 5, 11])),
            tap_side=int(rng.integers(0, 3)), tap_pos=int(rng.integers(-3, 4)), tap_min=low, tap_max=high,
            tap_nom=0, tap_size=200.0)  # fmt: skip
        for n in (two, three_):
            add("sym_load", node=n, **{**load, "p_specified": 2e6, "type": int(rng.integers(0, 3))})
    if maybe(0.2):
        add("transformer_tap_regulator", regulated_object=first, status=1, control_side=1,
            u_set=10e3 * rng.uniform(0.97, 1.04), u_band=500.0)  # fmt: skip
    return {"version": "1.0", "type": "input", "is_batch": False, "attributes": {}, "data": dict(parts)}

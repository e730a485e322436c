"""The ``power`` group: a medium- and low-voltage network synthesised where none is public.

Stations follow homes and jobs, feeders follow stations: MV/LV stations per place, each place supplied by its
nearest substation, open-operated rings of stations per substation, cables and transformers from a short table by
coincident peak. Deterministic, and labelled synthetic with this rule. No rating is tuned to a load of the run: a
network that is too light for a scenario shows as overload.
"""

import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.errors import DataError
from twin.world.line_type import LineType

__all__ = ["NetworkRules", "Places", "synthesise"]

HOURS_OF_YEAR = 8760.0
RULE = "stations by homes and jobs, open rings per nearest substation, ratings from a table by coincident peak"


class FeederShape(BaseModel):
    """Shape of a low-voltage feeder: nodes, ends, nodes on the longest way out, mean section between nodes [m]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nodes: int = Field(ge=1)
    ends: int = Field(ge=1)
    longest: int = Field(ge=1)
    section: float = Field(gt=0)

    @model_validator(mode="after")
    def _possible(self) -> "FeederShape":
        limbs, rest = self.ends - 1, self.nodes - self.longest
        if not limbs <= rest <= limbs * (self.longest - 1):
            raise ValueError(f"no tree has {self.nodes} nodes, {self.ends} ends and {self.longest} on its longest way")
        return self


class LowVoltage(BaseModel):
    """Low-voltage feeders of a station, how much sections vary (deviation over mean), and their cable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feeders: tuple[FeederShape, ...] = Field(min_length=1)
    variation: float = Field(ge=0)
    cable: LineType


def _shapes(*rows: tuple[int, int, int, float]) -> tuple[FeederShape, ...]:
    return tuple(FeederShape(nodes=n, ends=e, longest=m, section=s) for n, e, m, s in rows)


# Shapes of the feeders of three SimBench grids, as counted in their line tables (1-LV-rural3, 1-LV-semiurb5,
# 1-LV-urban6; SimBench, ODbL): nodes, ends, nodes on the longest way, mean section; one type of cable in each grid.
_NAYY_150 = LineType(s_rated=187e3, r=0.2067, x=0.0804, c=0.83)  # 270 A
_NAYY_240 = LineType(s_rated=247e3, r=0.1267, x=0.0798, c=0.87)  # 357 A
LOW_VOLTAGE = {
    "rural": LowVoltage(
        feeders=_shapes(
            (29, 2, 27, 11.2), (25, 4, 16, 15.3), (25, 2, 20, 25.5), (24, 4, 20, 25.4), (11, 3, 8, 21.6),
            (5, 1, 5, 13.7), (5, 1, 5, 7.2), (2, 1, 2, 20.5), (1, 1, 1, 11.8),
        ),
        variation=1.17, cable=_NAYY_150,
    ),
    "semiurban": LowVoltage(
        feeders=_shapes(
            (39, 3, 29, 12.8), (37, 7, 23, 15.4), (22, 1, 22, 15.1), (7, 1, 7, 41.1), (3, 1, 3, 19.6), (1, 1, 1, 40.0)
        ),
        variation=0.95, cable=_NAYY_240,
    ),
    "urban": LowVoltage(
        feeders=_shapes(
            (18, 3, 15, 17.8), (14, 2, 13, 19.8), (8, 2, 6, 24.6), (7, 1, 7, 18.3), (5, 1, 5, 11.1), (4, 1, 4, 13.8),
            (1, 1, 1, 45.0),
        ),
        variation=0.76, cable=_NAYY_240,
    ),
}  # fmt: skip


class NetworkRules(BaseModel):
    """Typical Dutch medium- and low-voltage network [K/A: general knowledge and assumption, no operator's data]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mv_voltage: float = 10_000.0  # V
    lv_voltage: float = 400.0
    source_voltage: float = 1.03  # pu that the substation's tap changer holds
    homes_per_station: float = 180.0
    jobs_per_station: float = 200.0
    stations_per_ring: int = 12
    detour: float = 1.3  # cable length over straight distance
    peak_over_mean: float = 2.1  # of the mean profile of many homes, and of work
    coincidence: float = 5.8  # n homes peak at (1 + coincidence / sqrt n) times the mean profile's peak (Rusck)
    station_filling: float = 0.6  # coincident peak over transformer rating when it is chosen
    mv_cables: tuple[LineType, ...] = (  # 240, 400, 630 mm2 aluminium, 10 kV
        LineType(s_rated=5.0e6, r=0.125, x=0.107, c=0.36),
        LineType(s_rated=7.0e6, r=0.078, x=0.105, c=0.38),
        LineType(s_rated=10.0e6, r=0.063, x=0.103, c=0.40),
    )
    transformers: tuple[float, ...] = (250e3, 400e3, 630e3, 1000e3, 1600e3, 2500e3)  # VA
    short_circuit_voltage: float = 0.045  # pu
    copper_loss: float = 0.0115  # pu
    lv_cable: LineType = LineType(s_rated=166e3, r=0.206, x=0.080, c=0.0)  # 150 mm2 aluminium, 240 A
    lv_feeders: int = 5
    lv_nodes: int = 8
    lv_section: float = 30.0  # m
    lv_template: Literal["even", "rural", "semiurban", "urban"] = "even"  # even: lv_feeders of lv_nodes each
    lv_seed: int = Field(default=0, ge=0)  # of branches and sections where a template is followed

    def low_voltage(self) -> LowVoltage:
        """Feeders of a station that is laid in detail."""
        if self.lv_template == "even":
            one = FeederShape(nodes=self.lv_nodes, ends=1, longest=self.lv_nodes, section=self.lv_section)
            return LowVoltage(feeders=(one,) * self.lv_feeders, variation=0.0, cable=self.lv_cable)
        return LOW_VOLTAGE[self.lv_template]


@dataclass
class Places:
    """Where demand lives (place): centres [m], radius [m] over which stations spread, and what is supplied."""

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    dwellings: np.ndarray
    multi_family: np.ndarray
    household_energy: np.ndarray  # kWh/yr
    heat_pumps: np.ndarray
    heat_demand: np.ndarray  # kWh/yr useful heat
    pv_capacity: np.ndarray  # kW
    jobs: np.ndarray
    service_energy: np.ndarray  # kWh/yr
    industry_energy: np.ndarray  # kWh/yr


QUANTITIES = {
    "dwellings": ("1", "homes supplied at the bus"),
    "multi_family": ("1", "of which in multi-family buildings"),
    "household_energy": ("kWh yr-1", "appliances of the homes"),
    "heat_pumps": ("1", "homes with a heat pump"),
    "heat_demand": ("kWh yr-1", "useful heat of the homes with a heat pump"),
    "pv_capacity": ("kW", "photovoltaic peak capacity"),
    "service_energy": ("kWh yr-1", "electricity of services"),
    "industry_energy": ("kWh yr-1", "electricity of industry"),
}
OF_HOMES = ("dwellings", "multi_family", "household_energy", "heat_pumps", "heat_demand", "pv_capacity")


@dataclass
class _Station:
    place: int
    x: float
    y: float
    homes: bool
    share: float  # of the place's homes or jobs
    peak: float  # W, coincident


class _Network:
    """Buses and branches as they are laid."""

    def __init__(self, rules: NetworkRules) -> None:
        self.rules = rules
        self.bus: dict[str, list[Any]] = {k: [] for k in ("x", "y", "id", "u", "kind", "source")}
        self.branch: dict[str, list[Any]] = {k: [] for k in ("from", "to", "kind", "id", "r", "x", "b", "s")}
        self.opening: dict[str, list[Any]] = {k: [] for k in ("from", "to", "r", "x", "b", "s")}  # open in operation
        self.supply: dict[str, list[tuple[int, int, float]]] = {"homes": [], "work": []}  # bus, place, share

    def add_bus(self, x: float, y: float, name: str, u: float, kind: int, source: float = np.nan) -> int:
        for key, value in zip(self.bus, (x, y, name, u, kind, source)):
            self.bus[key].append(value)
        return len(self.bus["x"]) - 1

    def add_line(self, a: int, b: int, name: str, cable: LineType, metres: float) -> None:
        r, x, charging = _of_length(cable, metres)
        for key, value in zip(self.branch, (a, b, 0, name, r, x, charging, cable.s_rated)):
            self.branch[key].append(value)

    def add_opening(self, a: int, b: int, cable: LineType, metres: float) -> None:
        r, x, charging = _of_length(cable, metres)
        for key, value in zip(self.opening, (a, b, r, x, charging, cable.s_rated)):
            self.opening[key].append(value)

    def add_transformer(self, a: int, b: int, name: str, rating: float) -> None:
        base = self.rules.lv_voltage**2 / rating
        r = self.rules.copper_loss
        x = np.sqrt(self.rules.short_circuit_voltage**2 - r**2)
        for key, value in zip(self.branch, (a, b, 1, name, r * base, x * base, 0.0, rating)):
            self.branch[key].append(value)


def _of_length(cable: LineType, metres: float) -> tuple[float, float, float]:
    """Resistance, reactance [ohm] and susceptance [S] of a cable."""
    km = metres / 1000
    return cable.r * km, cable.x * km, 2 * np.pi * 50.0 * cable.c * 1e-6 * km


def coincident_peak(energy: float, homes: float, rules: NetworkRules) -> float:
    """Peak [W] of homes that use ``energy`` [kWh/yr]: the mean profile's peak, higher for few homes (Rusck)."""
    mean = energy / HOURS_OF_YEAR * 1000.0
    return rules.peak_over_mean * mean * (1.0 + rules.coincidence / np.sqrt(max(homes, 1.0)))


def synthesise(
    places: Places,
    substation_x: np.ndarray,
    substation_y: np.ndarray,
    substation_id: list[str],
    profiles: dict[str, np.ndarray],
    *,
    origin_x: np.ndarray,
    origin_y: np.ndarray,
    inside: np.ndarray,
    origin_homes: np.ndarray | None = None,
    detailed: tuple[int, ...] = (),
    rules: NetworkRules | None = None,
) -> xr.Dataset:
    """Lay the network and hand out the demand of ``places`` over its buses, every total kept.

    ``profiles``: ``profile_*`` hourly shares of the year. ``detailed`` places get low-voltage feeders, the others
    one low-voltage busbar per station. The charging of each ``inside`` demand origin goes to homes: to the share
    ``origin_homes`` (origin, place) of those of each place, or where it has none there to those of the nearest place;
    and to those of the places that no other origin serves and to which it is the nearest, so that no home is left out.
    """
    rules = rules or NetworkRules()
    if not len(substation_x):
        raise DataError("power: no substation to supply the places from; give at least one")
    if not places.dwellings.sum() > 0:
        raise DataError("power: the places hold no homes; check the population tables")
    network = _Network(rules)
    distance = np.hypot(places.x[:, None] - substation_x, places.y[:, None] - substation_y)
    supplier = distance.argmin(axis=1)
    for k, name in enumerate(substation_id):
        stations = [s for i in np.flatnonzero(supplier == k) for s in _stations(places, int(i), rules)]
        if not stations:
            continue
        source = network.add_bus(
            substation_x[k], substation_y[k], f"substation-{name}", rules.mv_voltage, 0, rules.source_voltage
        )
        for ring, members in enumerate(_rings(stations, substation_x[k], substation_y[k], rules)):
            _lay_ring(network, source, members, f"{name}-{ring}", set(detailed))
    return _group(network, places, profiles, origin_x, origin_y, inside, origin_homes)


def _stations(places: Places, i: int, rules: NetworkRules) -> list[_Station]:
    """Stations of one place on a sunflower spiral: evenly over its disc, the same for the same place."""
    homes = int(np.ceil(places.dwellings[i] / rules.homes_per_station))
    work_energy = places.service_energy[i] + places.industry_energy[i]
    work = int(np.ceil(places.jobs[i] / rules.jobs_per_station)) if work_energy > 0 else 0
    total = homes + work
    found = []
    golden = np.pi * (3.0 - np.sqrt(5.0))
    for k in range(total):
        radius = places.radius[i] * np.sqrt((k + 0.5) / total)
        is_homes = k * homes // max(total, 1) != (k + 1) * homes // max(total, 1)  # homes and work interleaved
        if is_homes:
            peak = coincident_peak(places.household_energy[i] / homes, places.dwellings[i] / homes, rules)
        else:
            peak = rules.peak_over_mean * work_energy / work / HOURS_OF_YEAR * 1000.0
        x = places.x[i] + radius * np.cos(k * golden)
        y = places.y[i] + radius * np.sin(k * golden)
        found.append(_Station(i, x, y, is_homes, 1.0 / (homes if is_homes else work), peak))
    return found


def _rings(stations: list[_Station], x: float, y: float, rules: NetworkRules) -> list[list[_Station]]:
    """Stations by direction from the substation, as many to a ring as its cable carries alone (n - 1)."""
    by_angle = sorted(stations, key=lambda s: (np.arctan2(s.y - y, s.x - x), s.place, s.x))
    most = rules.mv_cables[-1].s_rated
    rings: list[list[_Station]] = []
    load = np.inf
    for s in by_angle:
        if load + s.peak > most or len(rings[-1]) >= rules.stations_per_ring:
            rings.append([])
            load = 0.0
        rings[-1].append(s)
        load += s.peak
    return [_path(ring, x, y) for ring in rings]


def _path(ring: list[_Station], x: float, y: float) -> list[_Station]:
    """Nearest-neighbour path from the substation."""
    left, path = list(ring), []
    while left:
        at = min(range(len(left)), key=lambda k: (left[k].x - x) ** 2 + (left[k].y - y) ** 2)
        s = left.pop(at)
        path.append(s)
        x, y = s.x, s.y
    return path


def _lay_ring(network: _Network, source: int, members: list[_Station], name: str, detailed: set[int]) -> None:
    """Two half rings from the substation, open between them; transformer and low voltage of each station."""
    rules = network.rules
    peak = sum(s.peak for s in members)
    cable = next((c for c in rules.mv_cables if c.s_rated >= peak), rules.mv_cables[-1])
    half = (len(members) + 1) // 2
    number = 0
    ends = []
    for side in (members[:half], members[half:][::-1]):
        before = source
        for s in side:
            bus = network.add_bus(s.x, s.y, f"station-{name}-{number}", rules.mv_voltage, 1)
            metres = rules.detour * np.hypot(s.x - network.bus["x"][before], s.y - network.bus["y"][before])
            network.add_line(before, bus, f"mv-{name}-{number}", cable, max(metres, 20.0))
            _lay_station(network, bus, s, f"{name}-{number}", s.place in detailed)
            before = bus
            number += 1
        ends.append(before)
    if half < len(members):  # both sides have a station: a cable between them, open in operation
        a, b = ends
        x, y = network.bus["x"], network.bus["y"]
        network.add_opening(a, b, cable, max(rules.detour * np.hypot(x[a] - x[b], y[a] - y[b]), 20.0))


def _lay_station(network: _Network, bus: int, s: _Station, name: str, detailed: bool) -> None:
    rules = network.rules
    wanted = s.peak / rules.station_filling
    rating = next(
        (r for r in rules.transformers if r >= wanted),
        np.ceil(wanted / rules.transformers[-1]) * rules.transformers[-1],
    )
    low = network.add_bus(s.x, s.y, f"lv-{name}", rules.lv_voltage, 2)
    network.add_transformer(bus, low, f"transformer-{name}", float(rating))
    kind = "homes" if s.homes else "work"
    if not (detailed and s.homes):
        network.supply[kind].append((low, s.place, s.share))
        return
    laid = rules.low_voltage()
    part = s.share / sum(shape.nodes for shape in laid.feeders)
    rng = np.random.Generator(np.random.Philox(key=[rules.lv_seed, zlib.crc32(name.encode())]))  # of this station
    for feeder, shape in enumerate(laid.feeders):
        angle = 2 * np.pi * feeder / len(laid.feeders)
        parent, turn = _tree(shape, rng)
        metres = _sections(shape, laid.variation, rng)
        buses: list[int] = []
        for node in range(shape.nodes):
            before = low if parent[node] < 0 else buses[parent[node]]
            way = angle + 0.5 * np.pi * turn[node]
            x = network.bus["x"][before] + metres[node] * np.cos(way)
            y = network.bus["y"][before] + metres[node] * np.sin(way)
            buses.append(network.add_bus(x, y, f"lv-{name}-{feeder}-{node}", rules.lv_voltage, 2))
            network.add_line(before, buses[-1], f"lv-{name}-{feeder}-{node}", laid.cable, metres[node])
            network.supply[kind].append((buses[-1], s.place, part))


def _tree(shape: FeederShape, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """A tree of the shape: the node before each node, -1 at the station, and -1, 0 or 1 where it turns aside.

    The longest way first; the other nodes in limbs of random length that leave it where they do not get longer.
    """
    parent, turn = list(range(-1, shape.longest - 1)), [0] * shape.longest
    limbs, rest = shape.ends - 1, shape.nodes - shape.longest
    for k in range(limbs):
        most = min(rest - (limbs - k - 1), shape.longest - 1)
        least = max(rest - (limbs - k - 1) * (shape.longest - 1), 1)
        length = int(rng.integers(least, most, endpoint=True))
        before, side = int(rng.integers(0, shape.longest - length)), 1 if k % 2 else -1
        for _ in range(length):
            parent.append(before)
            turn.append(side)
            before = len(parent) - 1
        rest -= length
    return parent, turn


def _sections(shape: FeederShape, variation: float, rng: np.random.Generator) -> np.ndarray:
    """Sections [m] (node), log-normal about the mean, which they keep."""
    if variation == 0:
        return np.full(shape.nodes, shape.section)
    drawn = np.exp(np.sqrt(np.log1p(variation**2)) * rng.standard_normal(shape.nodes))
    return np.asarray(shape.section * drawn / drawn.mean())


def _group(
    network: _Network, places: Places, profiles: dict[str, np.ndarray], origin_x: np.ndarray, origin_y: np.ndarray,
    inside: np.ndarray, origin_homes: np.ndarray | None,
) -> xr.Dataset:  # fmt: skip
    buses = len(network.bus["x"])
    made = {"synthetic": np.int32(1), "rule": RULE}

    def v(dim: str, data: Any, units: str, text: str, dtype: Any = np.float64) -> tuple:
        return dim, np.ascontiguousarray(data, dtype=dtype), {"units": units, "long_name": text, **made}

    def text(dim: str, data: list[str], name: str) -> tuple:
        return dim, np.array([t.encode() for t in data], dtype="S"), {"units": "1", "long_name": name, **made}

    b, k = network.bus, network.branch
    data: dict[str, Any] = {
        "bus_x": v("bus", b["x"], "m", "RD x of the bus"),
        "bus_y": v("bus", b["y"], "m", "RD y of the bus"),
        "bus_id": text("bus", b["id"], "bus id"),
        "bus_voltage_rated": v("bus", b["u"], "V", "rated voltage, line to line"),
        "bus_kind": v("bus", b["kind"], "1", "0 substation, 1 station, 2 low voltage", np.int8),
        "source_voltage": v("bus", b["source"], "1", "per-unit set point of a source, NaN elsewhere"),
        "branch_from": v("branch", k["from"], "1", "bus towards the source", np.int32),
        "branch_to": v("branch", k["to"], "1", "bus away from the source", np.int32),
        "branch_kind": v("branch", k["kind"], "1", "0 line, 1 transformer", np.int8),
        "branch_id": text("branch", k["id"], "branch id"),
        "resistance": v("branch", k["r"], "ohm", "series resistance at the voltage of the to bus"),
        "reactance": v("branch", k["x"], "ohm", "series reactance at the voltage of the to bus"),
        "susceptance": v("branch", k["b"], "S", "shunt susceptance at the voltage of the to bus"),
        "ratio": v("branch", np.ones(len(k["r"])), "1", "off-nominal turns ratio"),
        "s_rated": v("branch", k["s"], "VA", "rating"),
    }
    open_text = "of the cable that is open in operation"
    data |= {
        "opening_from": v("opening", network.opening["from"], "1", f"bus {open_text}", np.int32),
        "opening_to": v("opening", network.opening["to"], "1", f"other bus {open_text}", np.int32),
        "opening_resistance": v("opening", network.opening["r"], "ohm", f"series resistance {open_text}"),
        "opening_reactance": v("opening", network.opening["x"], "ohm", f"series reactance {open_text}"),
        "opening_susceptance": v("opening", network.opening["b"], "S", f"shunt susceptance {open_text}"),
        "opening_s_rated": v("opening", network.opening["s"], "VA", f"rating {open_text}"),
    }
    supply = {kind: tuple(np.array(c) for c in zip(*rows)) for kind, rows in network.supply.items() if rows}
    for name, (units, long_name) in QUANTITIES.items():
        kind = "homes" if name in OF_HOMES else "work"
        amount = np.zeros(buses)
        if kind in supply:
            bus, place, share = supply[kind]
            np.add.at(amount, bus, getattr(places, name)[place] * share)
        total = getattr(places, name).sum()
        if abs(amount.sum() - total) > 1e-9 * max(total, 1.0):
            raise DataError(
                f"power: {amount.sum():.6g} of {total:.6g} {name} found a bus; a place has {name} but no station for it"
            )
        data[name] = v("bus", amount, units, long_name)
    bus, place, share = supply["homes"]
    origin, landing, weight = _charging(places, bus, place, share, origin_x, origin_y, inside, origin_homes)
    data |= {
        "charge_origin": v("charge", origin, "1", "demand origin", np.int32),
        "charge_bus": v("charge", landing, "1", "bus where it charges", np.int32),
        "charge_share": v("charge", weight, "1", "share of the origin's charging"),
    }
    for name, profile in profiles.items():
        if abs(profile.sum() - 1) > 1e-6 or (profile < 0).any():
            raise DataError(f"power: {name} adds up to {profile.sum():.6g}; hourly shares of a year add up to 1")
        data[name] = v("profile_hour", profile / profile.sum(), "1", f"share of the year in each hour: {name[8:]}")
    return xr.Dataset(data)


def _charging(
    places: Places, bus: np.ndarray, place: np.ndarray, share: np.ndarray, x: np.ndarray, y: np.ndarray,
    inside: np.ndarray, origin_homes: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Each inside origin to home buses, by its homes: its zone's, or those of the nearest place; none is left out."""
    lived = np.flatnonzero(places.dwellings > 0)
    origins = np.flatnonzero(inside)
    if not len(origins):
        raise DataError("power: no demand origin lies inside; charging would have no home")
    away = np.hypot(x[origins][:, None] - places.x[lived], y[origins][:, None] - places.y[lived])
    served = np.zeros((len(origins), len(places.x)))
    if origin_homes is not None:
        served[:] = origin_homes[origins] * (places.dwellings > 0)
    homeless = np.flatnonzero(served.sum(axis=1) == 0)
    served[homeless, lived[away[homeless].argmin(axis=1)]] = 1.0
    alone = np.flatnonzero(served[:, lived].sum(axis=0) == 0)
    served[away[:, alone].argmin(axis=0), lived[alone]] = 1.0
    order = np.argsort(place, kind="stable")
    start = np.searchsorted(place[order], np.arange(len(places.x) + 1))
    origin, landing, weight = [], [], []
    for k, o in enumerate(origins):
        rows = np.concatenate([order[start[p] : start[p + 1]] for p in np.flatnonzero(served[k])])
        homes = places.dwellings[place[rows]] * share[rows] * served[k, place[rows]]
        origin.append(np.full(len(rows), o))
        landing.append(bus[rows])
        weight.append(homes / homes.sum())
    return np.concatenate(origin), np.concatenate(landing), np.concatenate(weight)

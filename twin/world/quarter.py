"""A new quarter: its residents' trips, the homes of their cars, and stations of its own joined to the network.

What a scenario adds to the world beside the arrays that every world has, so that new residents are known apart:

- ``zones``, a row (resident) per quarter and demand origin: ``resident_origin``, ``resident_quarter``,
  ``resident_bev_share``, ``resident_cars``, and ``resident_out``, ``resident_back`` (period, resident, destination),
  the trips of a working day from home and to home by their other end, all of them part of ``trips``;
- ``power``, a row (new_home) per quarter and bus: ``new_home_bus``, ``new_home_quarter``, ``new_home_count``.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from twin.errors import ScenarioError
from twin.world.power import NetworkRules, Places, synthesise

__all__ = ["add_homes_of_residents", "add_residents", "join_stations", "quarters"]

# Two-dimensional low-discrepancy sequence: powers of the inverse of the plastic number (Roberts 2018).
STEPS = (1 / 1.32471795724474602596, 1 / 1.32471795724474602596**2)
OF_QUARTER = "laid for new homes as the province's network is, from the nearest substation"
LOW_SIDE = 2  # kind of bus


def quarters(power: xr.Dataset) -> int:
    """Number of quarters added so far."""
    return int(power["new_home_quarter"].values.max()) + 1 if "new_home_quarter" in power else 0


def add_residents(
    world: xr.DataTree, origin: np.ndarray, out: np.ndarray, back: np.ndarray, bev_share: np.ndarray, cars: np.ndarray
) -> None:
    """Rows of ``zones`` for the residents of a further quarter; arrays as in the module's description."""
    number = quarters(world["power"].to_dataset())
    wide = ("period", "resident", "destination")
    rows = {
        "resident_origin": (("resident",), origin.astype(np.int32), "demand origin of new residents"),
        "resident_quarter": (("resident",), np.full(len(origin), number, np.int32), "their quarter"),
        "resident_bev_share": (("resident",), bev_share.astype(float), "share of their trips by battery-electric car"),
        "resident_cars": (("resident",), cars, "their cars"),
        "resident_out": (wide, out, "their trips of a working day from home, by destination"),
        "resident_back": (wide, back, "their trips of a working day to home, by where they come from"),
    }
    _append(world, "zones", "resident", rows)


def add_homes_of_residents(world: xr.DataTree, bus: np.ndarray, homes: np.ndarray) -> None:
    """Rows of ``power`` for the homes (bus) of a further quarter, in the order in which they are filled."""
    number = quarters(world["power"].to_dataset())
    rows = {
        "new_home_bus": (("new_home",), bus.astype(np.int32), "bus of new homes"),
        "new_home_quarter": (("new_home",), np.full(len(bus), number, np.int32), "their quarter"),
        "new_home_count": (("new_home",), homes.astype(float), "new homes at the bus"),
    }
    _append(world, "power", "new_home", rows)


def _append(
    world: xr.DataTree, group: str, dim: str, rows: Mapping[str, tuple[tuple[str, ...], np.ndarray, str]]
) -> None:
    """Put rows behind those that a group has over ``dim``."""
    there = world[group].to_dataset()
    new = {}
    for name, (dims, values, text) in rows.items():
        if name in there:
            values = np.concatenate([there[name].values, values], axis=dims.index(dim))
        new[name] = (dims, np.ascontiguousarray(values), {"units": "1", "long_name": text})
    world[group].dataset = there.drop_vars(new, errors="ignore").assign(new)


def join_stations(
    power: xr.Dataset, homes: float, x: float, y: float, radius: float, household_kwh: float, name: str
) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """The ``power`` group with stations for new homes; the bus of each new station, and its homes.

    Stations are laid for ``household_kwh`` [kWh/yr] of the homes' appliances, as those of the province are, and filled
    one after the other: the stations of fewer homes are the first ones of more homes. Existing buses and branches stay
    as they are, with their numbers; nothing lives at the new ones yet. ``x``, ``y``, ``radius`` [m RD].
    """
    rules = _rules(power)
    per = rules.homes_per_station
    count = int(np.ceil(homes / per - 1e-9))
    at_x, at_y = _places(count, x, y, radius)
    full, none = np.full(count, per), np.zeros(count)
    places = Places(
        at_x, at_y, none, full, none, full * household_kwh, none, none, none, none, none, none,
    )  # fmt: skip
    sources = np.flatnonzero(np.isfinite(power["source_voltage"].values))
    laid = synthesise(
        places, power["bus_x"].values[sources], power["bus_y"].values[sources], [str(k) for k in sources], {},
        origin_x=np.array([x]), origin_y=np.array([y]), inside=np.array([True]), rules=rules,
    )  # fmt: skip
    number = _number(laid, at_x, at_y)
    order = np.lexsort((laid["bus_kind"].values, number))
    order = order[number[order] >= 0]  # the sources are there already
    low = power.sizes["bus"] + np.flatnonzero(laid["bus_kind"].values[order] == LOW_SIDE)
    at = np.empty(laid.sizes["bus"], np.int32)  # place of each laid bus in the province's network
    at[order] = power.sizes["bus"] + np.arange(len(order))
    for k in np.flatnonzero(number < 0):
        at[k] = int(laid["bus_id"].values[k].decode().removeprefix("substation-"))
    laid = _named(laid, number, name)
    joined = {}
    for key, old in power.variables.items():
        new = laid.get(str(key))
        dim = old.dims[0] if old.dims else ""
        if dim not in ("bus", "branch", "opening"):
            joined[key] = old
            continue
        if new is None:
            added = np.zeros(len(order) if dim == "bus" else laid.sizes[dim], old.dtype)
        else:
            added = new.values[order] if dim == "bus" else new.values
            added = at[added] if str(key) in INDICES else added
        if str(key) in AMOUNTS:
            added = np.zeros(len(added))
        attrs = dict(old.attrs)
        if new is not None and old.attrs.get("rule"):
            attrs["rule"] = f"{old.attrs['rule']}; {name}: {OF_QUARTER}"
        joined[key] = xr.Variable(old.dims, np.concatenate([old.values, added]), attrs)
    taken = np.minimum(per, homes - per * np.arange(count))
    return xr.Dataset(joined, attrs=power.attrs), low, taken


INDICES = frozenset({"branch_from", "branch_to", "opening_from", "opening_to"})
AMOUNTS = frozenset(
    {
        *("dwellings", "multi_family", "household_energy", "heat_pumps", "heat_demand", "pv_capacity"),
        *("service_energy", "industry_energy"),
    }
)


def _rules(power: xr.Dataset) -> NetworkRules:
    """The rule with the voltages of the network that is there."""
    source = power["source_voltage"].values
    fed = np.isfinite(source)
    if not fed.any():
        raise ScenarioError("add_homes: the network has no substation to lay new stations from")
    low = power["bus_voltage_rated"].values[power["bus_kind"].values == LOW_SIDE]
    return NetworkRules(
        mv_voltage=float(power["bus_voltage_rated"].values[fed][0]),
        lv_voltage=float(low[0]) if len(low) else 400.0,
        source_voltage=float(source[fed][0]),
    )


def _places(count: int, x: float, y: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Places of stations, evenly over a disc; more of them leave the first ones where they are."""
    k = np.arange(count)
    far, turn = ((0.5 + k * step) % 1.0 for step in STEPS)
    away, angle = radius * np.sqrt(far), 2 * np.pi * turn
    return x + away * np.cos(angle), y + away * np.sin(angle)


def _number(laid: xr.Dataset, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Number of the station of each bus that was laid; -1 for the substations."""
    of = {(a, b): k for k, (a, b) in enumerate(zip(x, y))}
    number = np.array([of.get((a, b), -1) for a, b in zip(laid["bus_x"].values, laid["bus_y"].values)])
    number[laid["bus_kind"].values == 0] = -1
    return number


def _named(laid: xr.Dataset, number: np.ndarray, name: str) -> xr.Dataset:
    """Buses and branches by the quarter's name and the number of their station."""
    kind = laid["bus_kind"].values
    bus = [f"{'station' if k == 1 else 'lv'}-{name}-{n}".encode() for k, n in zip(kind, number)]
    to, transformer = laid["branch_to"].values, laid["branch_kind"].values == 1
    branch = [f"{'transformer' if t else 'mv'}-{name}-{number[b]}".encode() for b, t in zip(to, transformer)]
    return laid.assign(
        bus_id=laid["bus_id"].copy(data=np.array(bus, "S")),
        branch_id=laid["branch_id"].copy(data=np.array(branch, "S")),
    )

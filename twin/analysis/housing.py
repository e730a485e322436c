"""The answer to a housing question: what a quarter of new homes does to trips, cars, grid and nitrogen, in one table.

All of it is computed from run files: of a base, and of each variant with a base of the same settings.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from twin.analysis.congestion import CIRCUIT, TO_MEDIUM_VOLTAGE
from twin.analysis.indicators import step_seconds
from twin.clock import LOCAL
from twin.errors import RecordError

__all__ = ["COLUMNS", "HousingRun", "housing_table", "member_table"]

COLUMNS = (
    "variant", "indicator", "region", "unit", "base", "scenario", "delta", "p05", "p95", "method", "status",
)  # fmt: skip
EVENING = range(16, 21)  # local hours
CONNECTION = 17.25  # kW: three phases of 25 A at 230 V, the Dutch standard connection of a home
SECONDS_PER_YEAR = 365.0 * 86_400
OF_HOUR = r" \(\d\d \w+ \d\d h local\)"  # what _Answer._time puts behind an indicator
EVEN = 1e-9  # share below which members differ by rounding alone: no band
GROUPS = (1, 4, 16)  # stations together, for coincidence
QUARTER, NETWORK, ROADS, PROVINCE = "new homes", "network", "roads", "province"


@dataclass
class HousingRun:
    """A run of the question: ``name`` of the variant, its title, its opened file, and what its cars use."""

    name: str
    title: str
    tree: xr.DataTree
    kwh_per_km: float  # at the battery
    efficiency: float  # battery over plug


def housing_table(
    base: HousingRun,
    variants: list[tuple[HousingRun, HousingRun]],
    *,
    working_days: float,
    members: list[pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Table of :data:`COLUMNS`; a row per variant and indicator.

    ``variants`` are pairs of a variant's run and of a base run of the same settings, against which its power is held,
    so that what is told is the new homes' own. Steps are an hour; a year is ``working_days`` times the mean of the
    run's whole working days. ``members`` are tables of :func:`member_table`: ``p05`` and ``p95`` are quantiles of
    their ``delta``. Both are empty where no band was computed, and the status says so.
    """
    answers = {run.name: _Answer(run, pair, base, _homes(run), working_days) for run, pair in variants}
    rows = [row for answer in answers.values() for row in answer.rows()]
    if variants:
        rows += _against_first(answers, variants[0][0].name)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return _with_band(table, members) if members else table


def member_table(variants: list[tuple[HousingRun, HousingRun]], *, working_days: float) -> pd.DataFrame:
    """Rows of :func:`housing_table` that follow from the new homes' own load, and from their cars' kilometres."""
    answers = {run.name: _Answer(run, pair, pair, _homes(run), working_days) for run, pair in variants}
    rows = [row for answer in answers.values() for row in (*answer.energy(), *answer.added_power())]
    rows += _against_first(answers, variants[0][0].name)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _with_band(table: pd.DataFrame, members: list[pd.DataFrame]) -> pd.DataFrame:
    """``table`` with the 5 and 95 % quantiles of ``delta`` over ``members``, row by row where they have it."""

    def key(rows: pd.DataFrame) -> list[tuple[str, str]]:
        bare = rows["indicator"].str.replace(OF_HOUR, "", regex=True)  # each member peaks at its own hour
        return list(zip(rows["variant"], bare))

    found: dict[tuple[str, str], list[float]] = {}
    for member in members:
        for k, delta in zip(key(member), member["delta"]):
            found.setdefault(k, []).append(delta)
    made = table.copy()
    for row, k in enumerate(key(table)):
        values = np.array(found.get(k, []))
        if len(values) == len(members) and np.isfinite(values).all() and np.ptp(values) > EVEN * np.abs(values).max():
            made.loc[row, ["p05", "p95"]] = np.quantile(values, (0.05, 0.95))
            made.loc[row, "status"] = f"computed, band of {len(members)} members"
    return made


def _homes(run: HousingRun) -> tuple[float, float]:
    """Homes added by the scenario of a run, and trips of their residents on a working day."""
    changes = json.loads(run.tree.attrs["scenario_text"])["change"]
    added = [c for c in changes if c["verb"] == "add_homes"]
    return sum(c["homes"] for c in added), sum(c["homes"] * c["trips_per_home"] for c in added)


class _Answer:
    """Indicators of one variant."""

    def __init__(
        self, run: HousingRun, pair: HousingRun, base: HousingRun, homes: tuple[float, float], working_days: float
    ) -> None:
        self.run, self.pair, self.base, self.homes, self.working_days = run, pair, base, homes, working_days
        self.data, self.before = run.tree.to_dataset(), pair.tree.to_dataset()
        self.hours = step_seconds(self.data) / 3600
        if not np.array_equal(self.data["time"], self.before["time"]) or (self.hours != 1).any():
            raise RecordError(f"{run.name}: runs over the same hours, one step each, are wanted; run the question anew")
        stamps = pd.DatetimeIndex(self.data["time"].values).tz_localize("UTC")
        self.local = stamps.tz_convert(LOCAL)
        self.version = f"{run.tree.attrs.get('code_hash', '')[:12]}"
        self.added = {n: self._added(n) for n in ("bus_load", "household_power", "heat_pump_power", "charging_power")}
        self.new = self._new_buses()

    def _added(self, name: str) -> np.ndarray:
        """Power [MW] (time) that the scenario adds, over all buses."""
        return (self._sum(self.data, name) - self._sum(self.before, name)) / 1e3

    @staticmethod
    def _sum(data: xr.Dataset, name: str) -> np.ndarray:
        return data[name].values.astype("f8").reshape(data.sizes["time"], -1).sum(axis=1)

    def _new_buses(self) -> np.ndarray:
        """Buses that the base does not have."""
        return np.flatnonzero(~np.isin(self.data["bus_id"].values, self.before["bus_id"].values))

    def _row(
        self, indicator: str, region: str, unit: str, base: float, scenario: float, status: str = "computed, no band"
    ) -> dict[str, Any]:
        return {
            "variant": self.run.name, "indicator": indicator, "region": region, "unit": unit, "base": base,
            "scenario": scenario, "delta": scenario - base, "p05": np.nan, "p95": np.nan, "method": self.version,
            "status": status,
        }  # fmt: skip

    def _time(self, k: int) -> str:
        return f"{self.local[k]:%d %b %H} h local"

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the variant."""
        return [*self._trips(), *self._cars(), *self._power(), *self._stations(), *self._nitrogen()]

    def _trips(self) -> list[dict[str, Any]]:
        before, after = (float(d["origin_trips"].values.sum()) for d in (self.before, self.data))
        expected = self.homes[1]
        off = (after - before) / expected - 1 if expected else after - before
        return [
            self._row("car trips of a working day", NETWORK, "1", before, after),
            self._row("added trips over homes x rate, less 1", NETWORK, "1", 0.0, off),
        ]

    def driven(self) -> np.ndarray:
        """Electric kilometres (time) added."""
        return self._sum(self.data, "ev_distance") - self._sum(self.before, "ev_distance")

    def yearly(self) -> float:
        """Electric kilometres of the new residents in a year."""
        whole = pd.Series(self.driven(), index=self.local).groupby(self.local.date).agg(["sum", "size"])
        days = pd.DatetimeIndex(whole.index)
        whole = whole[(whole["size"] == 24) & (days.weekday < 5)]
        if not len(whole):
            raise RecordError(f"{self.run.name}: the run holds no whole working day to count a year by; run it longer")
        return float(whole["sum"].mean()) * self.working_days

    def per_km(self) -> tuple[float, float]:
        """Energy per kilometre [kWh] at the battery, and efficiency of charging."""
        return self.run.kwh_per_km, self.run.efficiency

    def owed(self) -> float:
        """Energy [kWh] that the new residents' cars owe at the end."""
        return float(self.data["charging_owed"].values[-1]) - float(self.before["charging_owed"].values[-1])

    def energy(self) -> list[dict[str, Any]]:
        """What the new residents' cars use in a year."""
        kwh, efficiency = self.per_km()
        year = self.yearly() * kwh / 1e6
        return [
            self._row("energy driven in a year, at the battery", QUARTER, "GWh", 0.0, year),
            self._row("energy for it from plugs in a year", QUARTER, "GWh", 0.0, year / efficiency),
        ]

    def _cars(self) -> list[dict[str, Any]]:
        kwh, efficiency = self.per_km()
        driven = self._sum(self.data, "ev_distance").sum() * kwh / efficiency
        booked = sum(self._sum(self.data, n).sum() for n in ("charging_power", "charging_outside"))
        booked += float(self.data["charging_owed"].values[-1])
        return [
            *self.energy(),
            self._row("charged + outside + owed over driven / efficiency, less 1", NETWORK, "1", 0.0,
                      booked / driven - 1 if driven else 0.0),
        ]  # fmt: skip

    def evening(self) -> np.ndarray:
        """Steps (time) of the evening."""
        return np.isin(self.local.hour, list(EVENING))

    def _power(self) -> list[dict[str, Any]]:
        most = [self._sum(d, "bus_load").max() / 1e3 for d in (self.before, self.data)]
        return [*self.added_power(), self._row("highest power of the network", NETWORK, "MW", *most)]

    def added_power(self) -> list[dict[str, Any]]:
        """Power that the scenario adds: at the new homes' own stations, and in the whole network."""
        load = self.added["bus_load"]
        k, evening = int(load.argmax()), self.evening()
        parts = {n: self.added[f"{n}_power"][k] for n in ("household", "heat_pump", "charging")}
        outside = np.where(evening, -np.inf, load)
        r = int(outside.argmax())
        homes = self.homes[0]
        made = self._own()
        made.append(self._row(f"highest added power ({self._time(k)})", NETWORK, "MW", 0.0, load[k]))
        made += [self._row(f"of which {n.replace('_', ' ')}", NETWORK, "MW", 0.0, p) for n, p in parts.items()]
        if homes:
            made.append(
                self._row("highest added power over the sum of connections", NETWORK, "1", 0.0,
                          load[k] * 1e3 / (homes * CONNECTION))
            )  # fmt: skip
        made += [
            self._row("highest added power, 16 to 21 h", NETWORK, "MW", 0.0, load[evening].max()),
            self._row(f"highest added power at other hours: rebound ({self._time(r)})", NETWORK, "MW", 0.0, load[r]),
        ]  # fmt: skip
        return made + self._coincidence()

    def own(self) -> np.ndarray:
        """Power [MW] (time) of the new homes' own stations: homes, and the cars that charge there."""
        return self.data["bus_load"].isel(bus=self.new).values.astype("f8").sum(axis=1) / 1e3

    def _own(self) -> list[dict[str, Any]]:
        if not len(self.new):
            return []
        load, evening = self.own(), self.evening()
        k, r = int(load.argmax()), int(np.where(evening, -np.inf, load).argmax())
        return [
            self._row(f"highest power of their stations ({self._time(k)})", QUARTER, "MW", 0.0, load[k]),
            self._row("highest power of their stations, 16 to 21 h", QUARTER, "MW", 0.0, load[evening].max()),
            self._row(f"highest power of their stations at other hours: rebound ({self._time(r)})", QUARTER, "MW", 0.0,
                      load[r]),
        ]  # fmt: skip

    def _coincidence(self) -> list[dict[str, Any]]:
        """Peaks of groups of stations, each at its own hour, per home: the larger the groups, the lower."""
        homes = self.data["bus_dwellings"].values[self.new].astype("f8")
        live = self.new[homes > 0]
        homes = homes[homes > 0]
        if len(live) < 2:
            return []
        load = self.data["bus_load"].isel(bus=live).values.astype("f8")
        made = []
        for size in (*(g for g in GROUPS if g < len(live)), len(live)):
            together = np.add.reduceat(load, np.arange(0, len(live), size), axis=1)
            peak = float(together.max(axis=0).sum() / homes.sum())
            made.append(self._row(f"peak per home at {size} new stations together", QUARTER, "kW", 0.0, peak))
        return made

    def overloaded(self) -> set[str]:
        """Transformers above their rating at some hour."""
        return _overloaded(self.data)

    def _stations(self) -> list[dict[str, Any]]:
        before, after = _overloaded(self.before), self.overloaded()
        lines = [_overloaded(d, kind=0) for d in (self.before, self.data)]
        most, now = (float(np.nanmax(d["branch_loading"].values)) for d in (self.before, self.data))
        return [
            self._row("transformers above their rating", NETWORK, "1", len(before), len(after)),
            self._row("cables above their rating", NETWORK, "1", len(lines[0]), len(lines[1])),
            self._row("highest loading", NETWORK, "1", most, now),
            *self._high_voltage(),
        ]

    def _high_voltage(self) -> list[dict[str, Any]]:
        """Circuits above their rating, and the busiest substation; ratings are assumed by voltage and peak."""
        if "branch_basis" not in self.data:
            return []
        was, now = (len(_overloaded(d, kind=CIRCUIT)) for d in (self.before, self.data))
        before, after = (self._busiest_substation(d) for d in (self.before, self.data))
        return [
            self._row("high-voltage circuits above their rating (assumed)", NETWORK, "1", was, now),
            self._row("highest loading of a substation (rating assumed)", NETWORK, "1", before, after),
        ]

    @staticmethod
    def _busiest_substation(data: xr.Dataset) -> float:
        """Highest loading of the transformers to medium voltage."""
        loading = data["branch_loading"].isel(branch=data["branch_basis"].values == TO_MEDIUM_VOLTAGE)
        return float(np.nanmax(loading.values, initial=0.0))

    def _nitrogen(self) -> list[dict[str, Any]]:
        none = "not coupled"
        made = [self._row("NOx of construction", PROVINCE, "kg", np.nan, np.nan, none)]
        base = self.base.tree.to_dataset()
        if "road_nox" not in self.data or "road_nox" not in base:
            return [*made, self._row("NOx of road traffic", ROADS, "kg d-1", np.nan, np.nan, "not in this variant")]
        days = self.hours.sum() / 24
        per_day = 3.6 / days  # g/s in hourly steps -> kg/d
        before, after = (float(self._sum(d, "road_nox").sum() * per_day) for d in (base, self.data))
        own = self._sum(self.data, "road_resident_nox").sum() * per_day
        made += [
            self._row("NOx of road traffic", ROADS, "kg d-1", before, after),
            self._row("of which exhaust of new residents", ROADS, "kg d-1", 0.0, own),
            self._row("of which others rerouted and slowed", ROADS, "kg d-1", 0.0, after - before - own),
        ]
        if "n_deposition" in self.data and "n_deposition" in base:
            inside = self.data["province"].values == 1
            year = SECONDS_PER_YEAR / (self.hours.sum() * 3600)
            was, is_now = (
                float(d["n_deposition"].values[-1][inside].astype("f8").mean()) * year for d in (base, self.data)
            )
            text = "N deposition of all sources in the model, by the run's weather"
            made.append(self._row(text, PROVINCE, "mol ha-1 yr-1", was, is_now))
        return made


def _overloaded(data: xr.Dataset, kind: int = 1) -> set[str]:
    """Ids of assets of a kind above their rating at some step."""
    over = (data["branch_loading"].values > 1).any(axis=0) & (data["branch_kind"].values == kind)
    return {i.decode() if isinstance(i, bytes) else str(i) for i in data["branch_id"].values[over]}


def _against_first(answers: dict[str, _Answer], first: str) -> list[dict[str, Any]]:
    """Rows that hold the other variants against the first: energy kept, evening, exhaust link by link, overloads."""
    one = answers[first]
    made = []
    for name, other in answers.items():
        if name == first:
            continue

        def row(text: str, region: str, unit: str, a: float, b: float) -> None:
            made.append(other._row(f"{text}, against {first}", region, unit, a, b))  # noqa: B023

        kwh, efficiency = one.per_km()
        charged = [a.yearly() * kwh / efficiency - a.owed() for a in (one, other)]
        if np.isclose(one.driven().sum(), other.driven().sum(), rtol=1e-6):
            row("energy owed at the end of the run", QUARTER, "MWh", one.owed() / 1e3, other.owed() / 1e3)
            row("energy charged in a year", QUARTER, "GWh", charged[0] / 1e6, charged[1] / 1e6)
            row("energy charged in a year: 1", QUARTER, "1", 1.0, charged[1] / charged[0])
        evening = [float(a.added["bus_load"][a.evening()].max()) for a in (one, other)]
        row("highest added power, 16 to 21 h", QUARTER, "MW", *evening)
        if all("branch_loading" in a.data for a in (one, other)):
            over = one.overloaded(), other.overloaded()
            row("overloaded transformers that the other has not", NETWORK, "1", len(over[0] - over[1]),
                len(over[1] - over[0]))  # fmt: skip
        if all("road_resident_nox" in a.data for a in (one, other)):
            a, b = (x.data["road_resident_nox"].values.astype("f8").sum(axis=0) for x in (one, other))
            row("links with exhaust of new residents", ROADS, "1", int((a > 0).sum()), int((b > 0).sum()))
            row("links where it is not below that of the other", ROADS, "1", int(((a >= b) & (b > 0)).sum()),
                int(((b >= a) & (b > 0)).sum()))  # fmt: skip
    return made

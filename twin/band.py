"""Bands of a question: members with their own seed, parameters and time of the year, without traffic anew.

A member is the new homes alone: their stations' load and their cars, by the same components as in the run, with the
electric kilometres of new residents as the run of the variant has them for the day type and the hour. Kilometres grow
in proportion where a member has other trips per home; roads are as full as in the run, and the cars of others stay out.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from twin import session
from twin.analysis.housing import HousingRun, member_table
from twin.clock import LOCAL, Moment
from twin.components.charging import Charging
from twin.components.demand import Demand
from twin.config import Configuration
from twin.errors import ConfigError
from twin.progress import stage
from twin.scenario import AddHomes, Band, Question, Scenario, Variant, Vary
from twin.simulation import Simulation

__all__ = ["draws", "member_tables"]

RECORDED = ("bus_load", "household_power", "heat_pump_power", "charging_power", "ev_distance", "charging_owed")


class QuarterCharging(Charging):
    """Charging of new residents' cars alone, from recorded kilometres in place of traffic."""

    trips = None  # type: ignore[assignment]
    distance = None  # type: ignore[assignment]
    kilometres: np.ndarray  # (day type, hour, resident) [km/h], NaN where the run has no such hour

    def _drive(self, s: SimpleNamespace, clock: Moment) -> None:
        local, need = clock.local, self.options.kwh_per_km / self.options.efficiency
        theirs = self.kilometres[max(local.weekday() - 4, 0), local.hour] * clock.hours * self._residents.bev_share
        if np.isnan(theirs).any():
            raise ConfigError(f"band: the question's run has no {local:%A} {local.hour} h to take kilometres from")
        n = len(s.ev_distance)
        self._driven[:n] = s.outside[:] = s.ev_distance[:] = 0.0
        np.multiply(theirs, need, out=self._driven[n:])
        np.add.at(s.ev_distance, self._residents.origin, theirs)
        s.ev_fraction[...] = 0.0


@dataclass
class _Base:
    """What members of a variant start from: its configuration, the base world, and kilometres of the variant's run."""

    variant: Variant
    config: Configuration
    world: xr.DataTree
    kilometres: np.ndarray
    homes: list[AddHomes]  # as in the run


def draws(band: Band) -> np.ndarray:
    """Numbers of the members (member, parameter), a Latin hypercube between each parameter's two values."""
    n, rng = band.members, np.random.default_rng(band.members)
    unit = [(rng.permutation(n) + rng.random(n)) / n for _ in band.vary]
    drawn = [v.low + u * (v.high - v.low) for v, u in zip(band.vary, unit)]
    return np.array(drawn).reshape(len(band.vary), n).T


def member_tables(
    question: Question, rows: list[tuple[HousingRun, HousingRun]], configs: list[Configuration], *, data: Any,
    quiet: bool = False,
) -> list[pd.DataFrame]:  # fmt: skip
    """A table (:func:`twin.analysis.housing.member_table`) of each member of the question's band.

    ``rows`` are the runs of the variants with their base, ``configs`` the variants' configurations, in their order.
    """
    band = question.band
    if band is None:
        return []
    world = session.base_world(configs[0], data)
    bases = [
        _Base(variant, config, world, *_recorded(question.scenario(variant), world, run, pair))
        for variant, config, (run, pair) in zip(question.variant, configs, rows)
    ]
    starts = (question.start, *band.starts)
    own = {s.split("=", 1)[0].strip() for v in question.variant for s in v.set}
    tables = []
    for k, values in enumerate(draws(band)):
        with stage(f"band: member {k + 1} of {band.members}", quiet):
            start = starts[k % len(starts)]
            times = {"start": start, "stop": start + (question.stop - question.start), "seed": k + 1}
            pairs = [_member(b, question, list(zip(band.vary, values.tolist())), own, times) for b in bases]
            tables.append(member_table(pairs, working_days=question.working_days))
    return tables


def _recorded(
    scenario: Scenario, world: xr.DataTree, run: HousingRun, pair: HousingRun
) -> tuple[np.ndarray, list[AddHomes]]:
    """Kilometres (day type, hour, resident) of a variant's new residents, as means of its run; and its changes."""
    homes = [c for c in scenario.change if isinstance(c, AddHomes)]
    if len(homes) != len(scenario.change) or any(h.stations != "new" for h in homes):
        raise ConfigError('band: only changes add_homes with stations = "new" stand apart from their province')
    zones = _applied(scenario, world)["zones"].ds
    origin, share = zones["resident_origin"].values, zones["resident_bev_share"].values
    if len(np.unique(origin)) != len(origin):
        raise ConfigError("band: quarters that share a demand origin cannot be told apart in their run")
    after, before = (r.tree.to_dataset() for r in (run, pair))
    added = after["ev_distance"].values[:, origin].astype("f8") - before["ev_distance"].values[:, origin]
    kilometres = np.maximum(added, 0.0) / np.where(share > 0, share, 1.0)
    local = pd.DatetimeIndex(after["time"].values).tz_localize("UTC").tz_convert(LOCAL)
    found = np.full((3, 24, len(origin)), np.nan)
    for day_type in range(3):
        for hour in range(24):
            rows = (np.maximum(local.weekday - 4, 0) == day_type) & (local.hour == hour)
            if rows.any():
                found[day_type, hour] = kilometres[rows].mean(axis=0)
    return found, homes


def _applied(scenario: Scenario, world: xr.DataTree) -> xr.DataTree:
    """The world after a scenario, with no electric cars but those of new residents; ``world`` stays as it is."""
    changed = ("zones", "power")
    made = xr.DataTree.from_dict({k: g.to_dataset().copy(deep=k in changed) for k, g in world.children.items()})
    scenario.apply(made)
    made["zones"].ds["bev_share"].values[:] = 0.0
    return made


def _member(
    base: _Base, question: Question, drawn: list[tuple[Vary, float]], own: set[str], times: dict[str, Any]
) -> tuple[HousingRun, HousingRun]:
    """One member of a variant: its run, and the same without the new homes."""
    set_here = {s.split("=", 1)[0].strip() for s in base.variant.set}
    change = {v.setting.removeprefix("change."): x for v, x in drawn if v.setting.startswith("change.")}
    options: dict[str, dict[str, Any]] = {k: dict(base.config.components.get(k, {})) for k in ("charging", "demand")}
    for vary, value in drawn:
        if vary.setting.startswith("components.") and (vary.setting not in own or vary.setting in set_here):
            _, name, option = vary.setting.split(".")
            if name not in options:
                raise ConfigError(f"band: {vary.setting}: a member runs charging and demand alone")
            options[name][option] = value
    homes = [AddHomes.model_validate({**h.model_dump(), **change}) for h in base.homes]
    scenario = Scenario(name=f"{question.name}_{base.variant.name}", change=tuple(homes))
    world = _applied(scenario, base.world)
    charging = QuarterCharging(Charging.Options(**options["charging"]))
    quarter = world["zones"].ds["resident_quarter"].values
    more = [h.homes * h.trips_per_home / (was.homes * was.trips_per_home) for h, was in zip(homes, base.homes)]
    charging.kilometres = base.kilometres * np.array(more)[quarter]
    run = base.config.run.model_copy(update=times)
    config = base.config.model_copy(update={"run": run, "output": type(base.config.output)()})
    after = _run(Simulation(config, world, [charging, Demand(Demand.Options(**options["demand"]))]))
    after.attrs["scenario_text"] = scenario.model_dump_json()
    before = after.isel(bus=slice(0, base.world["power"].sizes["bus"])).copy(deep=True)
    before["bus_load"].values[:] -= before["charging_power"].values  # on old buses new residents alone charge
    for name in ("charging_power", "ev_distance", "charging_owed"):
        before[name].values[:] = 0.0
    use = charging.options.kwh_per_km, charging.options.efficiency
    with_homes, without = (HousingRun(base.variant.name, "", xr.DataTree(d), *use) for d in (after, before))
    return with_homes, without


def _run(simulation: Simulation) -> xr.Dataset:
    """Step to the end; what a table of homes is made from."""
    arrays, power = simulation.wiring.arrays, simulation.world["power"].ds
    kept: dict[str, list[np.ndarray]] = {name: [] for name in RECORDED}
    hours = []
    while simulation.tick < simulation.clock.ticks:
        hours.append(simulation.clock.time(simulation.tick).replace(tzinfo=None))
        simulation.step()
        for name, values in kept.items():
            values.append(arrays[name].copy())
    dims = {"ev_distance": ("time", "origin"), "charging_owed": ("time",)}
    data = {name: (dims.get(name, ("time", "bus")), np.array(v)) for name, v in kept.items()}
    found = xr.Dataset(data, {"time": np.array(hours, "datetime64[ns]")})
    return found.assign(bus_id=power["bus_id"], bus_dwellings=power["dwellings"])

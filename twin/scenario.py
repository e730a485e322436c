"""Scenarios: typed differences from a base world, written as a list of verbs in TOML.

A scenario changes the world before the run and nothing else; the engine does not know that there is one. A verb
with no effect (0 homes) leaves the world, and so the run, bit-identical.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from twin.config import explain, read_toml
from twin.errors import ScenarioError
from twin.world.quarter import add_homes_of_residents, add_residents, join_stations, quarters

__all__ = [
    "AddHomes",
    "Band",
    "EvShare",
    "Question",
    "Scenario",
    "SetSpeed",
    "Variant",
    "load_question",
    "load_scenario",
]

ROAD_CLASSES = ("motorway", "ramp", "trunk", "primary", "secondary", "tertiary", "other")


class Verb(BaseModel):
    """One change. Its fields are its units and limits; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EvShare(Verb):
    """Battery-electric share of the light vehicle-kilometres of residents and visitors."""

    verb: Literal["ev_share"]
    share: float = Field(ge=0, le=1)

    def apply(self, world: xr.DataTree) -> None:
        """Set the share at every origin."""
        world["zones"].ds["bev_share"].values[:] = self.share


class AddHomes(Verb):
    """New homes around a place: their car trips, electricity and heat, and where their cars charge.

    Trips: ``homes * trips_per_home`` vehicle trips per working day, spread over periods and partners as the
    trips of the demand origins within ``radius`` are (all of the nearest origin where none lies within).
    ``stations = "existing"`` shares the homes over the stations within ``radius`` as the homes there are; ``"new"``
    lays stations for them, as a new quarter has them (:mod:`twin.world.quarter`). Their cars live at their own homes.
    """

    verb: Literal["add_homes"]
    homes: int = Field(ge=0)
    x: float  # m RD
    y: float
    radius: float = Field(default=1500.0, gt=0)
    # vehicle trips per home and working day, Dutch practice 4 to 8. In the Rotterdam core 5 make 18,100 km per car and
    # year; electric cars drove 18,142 km in 2022, all cars 11,992 (CBS table 85405NED)
    trips_per_home: float = Field(default=5.0, ge=0)
    # 544,230 cars to 631,530 dwellings in the Rotterdam core (fuel table of 2023, PC4 table of 2020)
    cars_per_home: float = Field(default=0.86, gt=0)
    stations: Literal["existing", "new"] = "existing"
    household_kwh: float = Field(default=2500.0, ge=0)  # per home and year, assumed
    heat_pump_share: float = Field(default=1.0, ge=0, le=1)
    # useful heat of rooms per heat-pump home and year: 30 kWh/m2 on 105 m2, both assumed. The Dutch rule for new
    # homes (BENG 1, heating and cooling) was meant to be 25 kWh/m2 (2015), and by NTA 8800 at most 70 (2018 draft)
    # for what mostly stays well below it (lente-akkoord.nl, "Wat doet de nieuwe BENG met de woningbouw")
    heat_kwh: float = Field(default=3200.0, ge=0)
    # hot water, with losses of the tank: 2.1 persons (assumed) of 543 kWh (40 l a day from 8 to 40 degC) to 639 kWh
    # (30 l to 60 degC) and a tank that loses 40 W are 1,490 to 1,690 kWh (warmtepomp-informatie.be,
    # deurlooinstallaties.nl)
    hot_water_kwh: float = Field(default=1800.0, ge=0)
    # electric share of their car kilometres
    ev_share: Annotated[float, Field(ge=0, le=1)] | Literal["neighbours"] = "neighbours"

    def apply(self, world: xr.DataTree) -> None:
        """Add trips to ``zones`` and demand to ``power``."""
        if self.homes == 0:
            return
        self._add_trips(world)
        self._add_demand(world)

    def _near(self, x: np.ndarray, y: np.ndarray, allowed: np.ndarray, what: str) -> np.ndarray:
        distance = np.where(allowed, np.hypot(x - self.x, y - self.y), np.inf)
        if not np.isfinite(distance).any():
            raise ScenarioError(f"add_homes at ({self.x:.0f}, {self.y:.0f}): the world has no {what} to add homes to")
        near = distance <= self.radius
        if near.any():
            return near
        if distance.min() > 10_000:
            raise ScenarioError(
                f"add_homes at ({self.x:.0f}, {self.y:.0f}): the nearest {what} is {distance.min() / 1000:.0f} km off; "
                f"give RD coordinates inside the province"
            )
        return distance == distance.min()

    def _add_trips(self, world: xr.DataTree) -> None:
        zones, roads = world["zones"].ds, world["roads"].ds
        node = zones["origin_node"].values
        inside = zones["inside"].values == 1
        near = self._near(roads["node_x"].values[node], roads["node_y"].values[node], inside, "demand origin")
        light = zones["trips"].values[:, 0]  # (period, origin, destination), changed in place
        home = zones["home_share"].values
        # a home's trips: out of these origins in home-end periods, into them in the others
        rows = np.flatnonzero(near)
        out = home[:, None, None] * light[:, rows]  # (period, row, other end)
        back = (1 - home)[:, None, None] * light[:, :, rows].transpose(0, 2, 1)
        total = out.sum() + back.sum()
        if total <= 0:
            raise ScenarioError(f"add_homes at ({self.x:.0f}, {self.y:.0f}): no trips near by to take a pattern from")
        for trips in (out, back):
            trips *= self.homes * self.trips_per_home / total
        light[:, rows] += out
        light[:, :, rows] += back.transpose(0, 2, 1)
        electric = zones["bev_share"].values[rows]
        if self.ev_share != "neighbours":
            electric = np.full(len(rows), self.ev_share)
        cars = self.homes * self.cars_per_home * (out.sum(axis=(0, 2)) + back.sum(axis=(0, 2)))
        add_residents(world, rows, out, back, electric, cars / (self.homes * self.trips_per_home))

    def _add_demand(self, world: xr.DataTree) -> None:
        power = world["power"].to_dataset()
        name = f"quarter{quarters(power)}"
        if self.stations == "new":
            power, bus, share = join_stations(
                power, self.homes, self.x, self.y, self.radius, self.household_kwh, name
            )  # fmt: skip
        else:
            there = power["dwellings"].values
            near = self._near(power["bus_x"].values, power["bus_y"].values, there > 0, "bus with homes")
            bus = np.flatnonzero(near)
            share = there[bus] / there[bus].sum() * self.homes
        warm = share * self.heat_pump_share
        for field, amount, units, text in (
            ("dwellings", share, "1", ""),
            ("household_energy", share * self.household_kwh, "kWh yr-1", ""),
            ("floor_heat_pumps", warm, "1", "new homes with a heat pump and floor heating"),
            ("floor_heat_demand", warm * self.heat_kwh, "kWh yr-1", "useful heat by floor heating of new building"),
            ("hot_water_demand", warm * self.hot_water_kwh, "kWh yr-1", "useful heat of hot water of new building"),
        ):
            if field not in power:
                power[field] = ("bus", np.zeros(power.sizes["bus"]), {"units": units, "long_name": text})
            power[field].values[bus] += amount
        world["power"].dataset = power
        add_homes_of_residents(world, bus, share)


class SetSpeed(Verb):
    """Another legal speed limit on roads of the named classes; free-flow time follows in proportion."""

    verb: Literal["set_speed"]
    road_class: tuple[Literal["motorway", "ramp", "trunk", "primary", "secondary", "tertiary", "other"], ...]
    speed: float = Field(ge=10, le=130)  # km/h

    def apply(self, world: xr.DataTree) -> None:
        """Change ``speed_limit`` and ``free_flow_time`` of reported links."""
        roads = world["roads"].ds
        codes = [ROAD_CLASSES.index(name) for name in self.road_class]
        chosen = np.isin(roads["road_class"].values, codes) & (roads["reported"].values == 1)
        if not chosen.any():
            raise ScenarioError(f"set_speed: this world has no road of class {', '.join(self.road_class)}")
        limit = roads["speed_limit"].values
        roads["free_flow_time"].values[chosen] *= limit[chosen] / self.speed
        limit[chosen] = self.speed


Change = Annotated[EvShare | AddHomes | SetSpeed, Field(discriminator="verb")]


class Scenario(BaseModel):
    """A named list of changes, applied in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = ""
    change: tuple[Change, ...] = ()

    def apply(self, world: xr.DataTree) -> None:
        """Change the world's arrays in place, verb by verb."""
        for change in self.change:
            change.apply(world)


class Variant(BaseModel):
    """One answer to a question: settings over the question's, own changes, components left out.

    ``differs`` are fields of the question's changes that have another value here; ``change`` replaces them altogether.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = ""
    set: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    differs: dict[str, float | str] = {}
    change: tuple[Change, ...] | None = None


class Vary(BaseModel):
    """A parameter that the members of a band draw, evenly between two values.

    ``setting`` is a field of the change (``change.heat_kwh``) or of a component (``components.charging.reach``); one
    that variants set themselves is drawn in those variants alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    setting: str = Field(pattern=r"^(change\.[a-z_]+|components\.[a-z_]+\.[a-z_]+)$")
    low: float
    high: float

    @model_validator(mode="after")
    def _known(self) -> "Vary":
        field = self.setting.removeprefix("change.")
        if self.setting.startswith("change.") and field not in AddHomes.model_fields:
            raise ValueError(f"setting: add_homes has no field {field!r}")
        if not self.low < self.high:
            raise ValueError(f"{self.setting}: low below high is wanted")
        return self


class Band(BaseModel):
    """Members of a question by which its table gets a band: each with its own seed, parameters and time of the year.

    ``starts`` are further beginnings, each of the question's length; members take them and the question's by turns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    members: int = Field(ge=10)
    starts: tuple[AwareDatetime, ...] = ()
    vary: tuple[Vary, ...] = ()


class Question(BaseModel):
    """A scenario with its province, its time and its variants, to be run against the base world.

    ``set`` are settings ``section.key=value`` of every run; ``without`` names components of the configuration that the
    question does not need; ``working_days`` are the days of car traffic by which a year is counted; ``band`` says
    how the uncertainty of its numbers is found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = ""
    config: str
    start: AwareDatetime
    stop: AwareDatetime
    working_days: float = Field(default=340.0, gt=0)
    set: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    change: tuple[Change, ...] = ()
    variant: tuple[Variant, ...] = Field(min_length=1)
    band: Band | None = None

    @model_validator(mode="after")
    def _variants(self) -> "Question":
        for variant in self.variant:
            self.scenario(variant)  # what differs must be a field
        return self

    def scenario(self, variant: Variant) -> Scenario:
        """The scenario of a variant."""
        changes = self.change if variant.change is None else variant.change
        changes = tuple(type(c).model_validate({**c.model_dump(), **variant.differs}) for c in changes)
        return Scenario(name=f"{self.name}_{variant.name}", title=f"{self.title}: {variant.title}", change=changes)


def load_question(path: Path) -> Question:
    """Read a scenario file that names its configuration and variants; errors name the field and the nearest one."""
    data = read_toml(path)
    try:
        return Question(**data)
    except ValidationError as error:
        raise ScenarioError(explain(error, Question, str(path))) from None


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file; errors name the file, the field and the nearest valid one."""
    data = read_toml(path)
    if "variant" in data:  # a question: its scenario alone
        data = {key: value for key, value in data.items() if key in Scenario.model_fields}
    try:
        return Scenario(**data)
    except ValidationError as error:
        raise ScenarioError(explain(error, Scenario, str(path))) from None

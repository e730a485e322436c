"""Scenarios: typed differences from a base world, written as a list of verbs in TOML.

A scenario changes the world before the run and nothing else; the engine does not know that there is one. A verb
with no effect (0 homes) leaves the world, and so the run, bit-identical.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.config import explain, read_toml
from twin.errors import ScenarioError

__all__ = ["AddHomes", "EvShare", "Scenario", "SetSpeed", "load_scenario"]

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
    """New homes around a place: their car trips, electricity and heat.

    Trips: ``homes * trips_per_home`` vehicle trips per working day, spread over periods and partners as the
    trips of the demand origins within ``radius`` are (all of the nearest origin where none lies within).
    """

    verb: Literal["add_homes"]
    homes: int = Field(ge=0)
    x: float  # m RD
    y: float
    radius: float = Field(default=1500.0, gt=0)
    trips_per_home: float = Field(default=5.0, ge=0)  # vehicle trips per home and working day, Dutch practice 4 to 8
    household_kwh: float = Field(default=2500.0, ge=0)  # per home and year
    heat_pump_share: float = Field(default=1.0, ge=0, le=1)
    heat_kwh: float = Field(default=5000.0, ge=0)  # useful heat per heat-pump home and year, new building
    ev_share: float | None = Field(default=None, ge=0, le=1)  # of their car kilometres; None: as their neighbours

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
        # the pattern of a home trip: out of these origins in home-end periods, into them in the others
        pattern = np.zeros_like(light)
        for p, share in enumerate(home):
            pattern[p][near] += share * light[p][near]
            pattern[p][:, near] += (1 - share) * light[p][:, near]
        total = pattern.sum()
        if total <= 0:
            raise ScenarioError(f"add_homes at ({self.x:.0f}, {self.y:.0f}): no trips near by to take a pattern from")
        before = _home_ends(light, home)
        light += pattern * (self.homes * self.trips_per_home / total)
        if self.ev_share is None:
            return
        after = _home_ends(light, home)
        new = np.where(near & (after > 0), (after - before) / np.where(after > 0, after, 1.0), 0.0)
        electric = zones["bev_share"].values
        electric += new * (self.ev_share - electric)

    def _add_demand(self, world: xr.DataTree) -> None:
        power = world["power"].ds
        homes = power["dwellings"].values
        near = self._near(power["bus_x"].values, power["bus_y"].values, homes > 0, "bus with homes")
        share = np.where(near, homes, 0.0)
        share = share / share.sum() * self.homes
        homes += share
        power["household_energy"].values[:] += share * self.household_kwh
        power["heat_pumps"].values[:] += share * self.heat_pump_share
        power["heat_demand"].values[:] += share * self.heat_pump_share * self.heat_kwh


def _home_ends(light: np.ndarray, home_share: np.ndarray) -> np.ndarray:
    """Trips (origin) of the residents of each origin, from ``light`` (period, origin, destination)."""
    return np.einsum("p,pod->o", home_share, light) + np.einsum("p,pod->d", 1.0 - home_share, light)


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


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file; errors name the file, the field and the nearest valid one."""
    data = read_toml(path)
    try:
        return Scenario(**data)
    except ValidationError as error:
        raise ScenarioError(explain(error, Scenario, str(path))) from None

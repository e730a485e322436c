"""What a province's configuration says about its roads and its demand: tables, not constants in code."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.errors import ConfigError

__all__ = [
    "ROAD_CLASSES",
    "DemandRules",
    "GateRule",
    "HighwayRule",
    "LinkKind",
    "PeriodRule",
    "RoadRules",
    "SkeletonRules",
    "read_rules",
]

ROAD_CLASSES = ("motorway", "ramp", "trunk", "primary", "secondary", "tertiary", "other", "skeleton", "gate")
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Hours24 = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=24, max_length=24)]


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HighwayRule(_Rules):
    """Parameters of the links with one ``highway`` tag; see the comments of the table itself."""

    tag: str
    road_class: Literal["motorway", "ramp", "trunk", "primary", "secondary", "tertiary", "other"]
    default_lanes: Annotated[int, Field(ge=1)]
    lanes_list: Literal["minimum", "mean"]
    capacity: Annotated[list[tuple[float, Positive]], Field(min_length=1)]
    free_speed: Annotated[list[tuple[float, Positive, Positive]], Field(min_length=1)]
    bpr_b: Annotated[float, Field(ge=0)]
    bpr_power: Annotated[float, Field(ge=0)]
    default_limit: Positive | None = None  # km/h, where the source gives no speed at all (NWB)


class RoadRules(_Rules):
    """Highway rules by rank, the highest first."""

    highway: Annotated[list[HighwayRule], Field(min_length=1)]


class LinkKind(_Rules):
    """Declared properties of skeleton or gate links; without a capacity they do not congest."""

    free_speed: Positive  # km/h
    detour: Annotated[float, Field(ge=1)]
    capacity: Positive | None = None  # pcu/h
    bpr_b: Annotated[float, Field(ge=0)] = 0.0
    bpr_power: Annotated[float, Field(ge=0)] = 1.0


class GateRule(_Rules):
    """A cordon node of the graph and the skeleton node it leads to."""

    kind: str
    skeleton: str
    node: str
    direction: Literal["both", "in", "out"] = "both"


class SplitRule(_Rules):
    """A link to be cut at half its length, and the name of the new node."""

    link: str
    node: str


class SkeletonRules(_Rules):
    """Coarse network around the graph: nodes (latitude, longitude), chains of two-way links, gates."""

    kinds: dict[str, LinkKind]
    gate_kinds: dict[str, LinkKind]
    nodes: dict[str, tuple[float, float]]
    chains: dict[str, list[str]]
    split: list[SplitRule] = []
    gates: list[GateRule] = []


class FixedShares(_Rules):
    """A zone whose trips lie on given nodes with given shares."""

    zone: int
    nodes: dict[str, Share]


class PeriodRule(_Rules):
    """A period of the given matrices and the local hours it covers."""

    name: str
    sheet: str
    hours: Annotated[list[Annotated[int, Field(ge=0, le=23)]], Field(min_length=1)]
    home_share: Share


class WeekendRule(_Rules):
    """A weekend day: the pattern of one period, a total relative to the working day, and a shape over the hours."""

    period: str
    light_total: Positive
    freight_total: Positive
    light: Hours24
    freight: Hours24


class DayShape(_Rules):
    """Weight of each local hour, normalised within each period."""

    light: Hours24
    freight: Hours24


class ClassValues(_Rules):
    """One value per vehicle class."""

    light: Positive
    freight: Positive


class ClassNames(_Rules):
    """One word per vehicle class."""

    light: str
    freight: str


class ElectricShares(_Rules):
    """Battery-electric share of light vehicle-kilometres of residents in and outside the modelled area."""

    inside: Share
    outside: Share


class DemandRules(_Rules):
    """How zone matrices are laid on nodes, and how a day is divided into hours."""

    core_zones: list[int]
    graph_zones: list[int] = []
    home_population_weight: Share
    work_population_weight: Share
    reach: Positive  # km
    outer_reach: Positive  # km
    outer_zones: list[int] = []
    focus: tuple[float, float]  # m
    place_links: Annotated[int, Field(ge=1)]
    place_distance_floor: Positive  # m
    fixed: list[FixedShares] = []
    pcu: ClassValues
    sheets: ClassNames
    period: Annotated[list[PeriodRule], Field(min_length=1)]
    working_day: DayShape
    saturday: WeekendRule
    sunday: WeekendRule
    battery_electric: ElectricShares


R = TypeVar("R", bound=BaseModel)


def read_rules(path: Path, model: type[R]) -> R:
    """Read one table of rules from TOML. Raises :class:`ConfigError` naming file and key."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; name the table of {model.__name__} in the configuration")
    try:
        with path.open("rb") as file:
            return model.model_validate(tomllib.load(file))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}; correct the TOML") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}, {key}: {first['msg']}; known keys: {', '.join(model.model_fields)}") from error

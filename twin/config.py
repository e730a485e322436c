"""Configuration of a run: what a user may write in TOML, checked before anything runs.

Unknown keys are refused and the nearest valid key is named. ``${...}`` or code is never evaluated.
"""

import difflib
import hashlib
import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

import twin.components  # noqa: F401 - registers the components that a configuration may name
from twin.component import Component
from twin.errors import ConfigError

__all__ = [
    "BUILT_IN",
    "Configuration",
    "OutputSection",
    "ProvinceSection",
    "RunSection",
    "explain",
    "load",
    "read_toml",
]

_CHECKOUT = Path(__file__).parent.parent / "configs"
BUILT_IN = _CHECKOUT if _CHECKOUT.is_dir() else Path(sys.prefix) / "share" / "province-twin" / "configs"


Bits = Annotated[int, Field(ge=1, le=23)] | Literal["lossless"] | None


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs a time zone: write 2023-01-16T00:00:00Z for UTC")
    return value.astimezone(UTC)


class ProvinceSection(Section):
    """Which province: a synthetic one made from a seed, or one built from files."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    kind: Literal["synthetic", "files"]
    world: dict[str, Any] = {}


class RunSection(Section):
    """When, how reproducibly and how safely a run goes."""

    start: datetime
    stop: datetime
    seed: int = Field(default=1, ge=0, lt=2**63)
    checkpoint_hours: int = Field(default=24, gt=0)

    @field_validator("start", "stop")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        return _utc(value)

    @model_validator(mode="after")
    def _order(self) -> "RunSection":
        if self.stop <= self.start:
            raise ValueError(f"stop {self.stop.isoformat()} is not after start {self.start.isoformat()}")
        return self


class OutputSection(Section):
    """What the run file holds: all recorded variables, everywhere and always, unless chosen here.

    ``significant_bits`` is a number of mantissa bits, ``"lossless"`` (single precision as it is), or a table of either
    by variable with ``"*"`` for all others. ``slow_hours`` gives variables one value per so many hours. ``region`` is
    west, south, east, north [m RD New]; ``start`` and ``stop`` limit the output steps.
    """

    variables: tuple[str, ...] | None = None
    every_hours: int = Field(default=1, gt=0)
    slow_hours: dict[str, int] = {}
    significant_bits: Bits | dict[str, Bits] = 12
    region: tuple[float, float, float, float] | None = None
    start: datetime | None = None
    stop: datetime | None = None

    @property
    def bits(self) -> dict[str, int | None]:
        """Mantissa bits per variable and for all others (``"*"``); None where nothing is rounded."""
        given = self.significant_bits if isinstance(self.significant_bits, dict) else {"*": self.significant_bits}
        return {"*": 12} | {name: None if bits in ("lossless", None) else int(bits) for name, bits in given.items()}

    @field_validator("start", "stop")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        return None if value is None else _utc(value)

    @field_validator("region")
    @classmethod
    def _box(cls, value: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if value is not None and not (value[0] < value[2] and value[1] < value[3]):
            raise ValueError("write west, south, east, north in m RD New")
        return value

    @model_validator(mode="after")
    def _rates(self) -> "OutputSection":
        for name, hours in self.slow_hours.items():
            if hours <= self.every_hours or hours % self.every_hours:
                raise ValueError(f"slow_hours of {name!r}: {hours} is no multiple of every_hours = {self.every_hours}")
        return self


class Configuration(Section):
    """A whole configuration, with the text it came from for provenance."""

    province: ProvinceSection
    run: RunSection
    output: OutputSection = OutputSection()
    components: dict[str, dict[str, Any]]
    path: Path = Field(default=Path(), exclude=True)
    text: str = Field(default="", exclude=True)

    @property
    def fingerprint(self) -> str:
        """Hash of all settings, independent of the order and the layout of the text."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]

    def build_components(self) -> list[Component]:
        """Instances of the listed components with their options checked."""
        built = []
        for name, options in self.components.items():
            if name not in Component.registry:
                raise ConfigError(
                    f"{self.path}: [components.{name}]: no such component{_nearest(name, Component.registry)}"
                )
            cls = Component.registry[name]
            try:
                built.append(cls(cls.Options(**options)))
            except ValidationError as error:
                raise ConfigError(explain(error, cls.Options, f"{self.path}: [components.{name}]")) from None
        return built


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; errors name the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `twin provinces` lists the built-in configurations") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def load(
    path: Path, overrides: Iterable[str] = (), sections: Mapping[str, Mapping[str, Any]] | None = None
) -> Configuration:
    """Read, override and check a configuration.

    ``overrides`` are ``section.key=value`` texts, ``value`` in TOML notation (a bare word is a string);
    ``sections`` are values given by a caller, such as the command line's start and stop.
    """
    data = read_toml(path)
    for text in overrides:
        _override(data, text)
    for section, values in (sections or {}).items():
        data.setdefault(section, {}).update(values)
    unknown = set(data) - (set(Configuration.model_fields) - {"path", "text"})
    if unknown:
        key = min(unknown)
        raise ConfigError(f"{path}: unknown section [{key}]{_nearest(key, Configuration.model_fields)}")
    try:
        return Configuration(**data, path=path, text=path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ConfigError(explain(error, Configuration, str(path))) from None


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: write section.key=value")
    try:
        parsed = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *tables, last = key.strip().split(".")
    for name in tables:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise ConfigError(f"--set {text}: {name} is a value, not a section")
    data[last] = parsed


def _nearest(key: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(valid), n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; valid are {', '.join(sorted(valid))}"


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """One line for the first problem: place, key, what is wrong and the cure."""
    problem = error.errors()[0]
    place: list[str] = [str(p) for p in problem["loc"]]
    key = ".".join(place)
    if problem["type"] == "extra_forbidden":
        for name in place[:-1]:
            field = model.model_fields.get(name)
            if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
                break
            model = field.annotation
        return f"{where}: unknown key {key!r}{_nearest(place[-1], model.model_fields)}"
    if problem["type"] == "missing":
        return f"{where}: key {key!r} is missing; add it"
    said = problem["msg"].removeprefix("Value error, ")
    got = problem.get("input")
    return f"{where}: {key or 'value'}: {said}" + ("" if isinstance(got, dict) else f", got {got!r}")

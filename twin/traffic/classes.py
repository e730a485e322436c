"""Vehicle classes of an assignment, what each pays on a link, and vehicles whose route is fixed."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.config import read_toml
from twin.errors import ConfigError, DataError
from twin.traffic.link_table import read_link_values
from twin.traffic.network import RoadNetwork

__all__ = ["VehicleClass", "class_costs", "preloads", "read_classes"]


class VehicleClass(BaseModel):
    """A vehicle class of an assignment; terms in the units of the network.

    The class pays ``toll_factor`` [time per unit of toll] and ``distance_factor`` [time per length]; the network's
    own factors where left out, or the inverse of ``value_of_time`` [toll unit per time] for tolls. A
    ``maximum_speed`` [length per time] adds ``max(0, length / maximum_speed - free-flow time)`` on each link.

    ``preload`` names a CSV table (link, flow) [veh] of vehicles on fixed routes, buses for instance: they take room
    and make no choice, so that the class has no trips.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    share: float = Field(default=1.0, ge=0)  # of the trips of its file
    trips: Path | str | None = None  # a file of its own instead of the common one; FILE.omx:NAME for a matrix
    preload: Path | None = None
    pce: float = Field(default=1.0, gt=0)
    value_of_time: float | None = Field(default=None, gt=0)
    toll_factor: float | None = Field(default=None, ge=0)
    distance_factor: float | None = Field(default=None, ge=0)
    maximum_speed: float | None = Field(default=None, gt=0)
    closed_links: tuple[int | str, ...] = ()  # ids in the file; numbers from 1 in TNTP
    closed_link_types: tuple[int | str, ...] = ()
    mode: str | None = None  # a word of GMNS's allowed_uses: links that list others only are closed


def read_classes(path: str | Path) -> tuple[VehicleClass, ...]:
    """Vehicle classes of a TOML file with one ``[[class]]`` table each; files in it are relative to it."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give the TOML file of the vehicle classes")
    data = read_toml(path)
    tables = data.pop("class", None)
    if data or not isinstance(tables, list) or not tables:
        raise ConfigError(f"{path}: write one [[class]] table per vehicle class" + (f", not {[*data]}" if data else ""))
    classes = []
    for number, table in enumerate(tables, 1):
        try:
            made = VehicleClass.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(
                f"{path}: class {number}: {where}: {first['msg']}; known: {', '.join(VehicleClass.model_fields)}"
            ) from None
        files = {name: path.parent / value for name in ("trips", "preload") if (value := getattr(made, name))}
        classes.append(made.model_copy(update=files))
    if len({c.name for c in classes}) < len(classes):
        raise ConfigError(f"{path}: two classes have the same name; names are the columns of the result")
    if all(c.preload for c in classes):
        raise ConfigError(f"{path}: all classes are on fixed routes; at least one must have trips")
    return tuple(classes)


def class_costs(
    net: RoadNetwork, classes: tuple[VehicleClass, ...], toll_factor: float | None, distance_factor: float | None
) -> np.ndarray:
    """Constant cost (class, link) of tolls, distance and speed limits; infinite where closed."""
    toll_default = net.toll_factor if toll_factor is None else toll_factor
    distance_default = net.distance_factor if distance_factor is None else distance_factor
    extra = np.zeros((len(classes), len(net.link_id)))
    kinds = [f"{kind:g}" for kind in net.link_type] if net.link_type.dtype.kind in "if" else net.link_type
    for m, c in enumerate(classes):
        by_value = toll_default if c.value_of_time is None else 1.0 / c.value_of_time
        tolls = by_value if c.toll_factor is None else c.toll_factor
        distances = distance_default if c.distance_factor is None else c.distance_factor
        extra[m] = tolls * net.toll + distances * net.length
        if c.maximum_speed is not None:
            extra[m] += np.maximum(net.length / c.maximum_speed - net.free_flow_time, 0.0)
        extra[m, net.links_of(c.closed_links, f"class {c.name}, closed_links")] = np.inf
        extra[m, np.isin(kinds, [str(kind) for kind in c.closed_link_types])] = np.inf
        if c.mode is not None and net.allowed_uses:
            words = [{word.strip().lower() for word in uses.split(",") if word.strip()} for uses in net.allowed_uses]
            extra[m, [bool(known) and c.mode.lower() not in known for known in words]] = np.inf
        least = extra[m] + net.free_flow_time
        if np.any(~(least >= 0)):
            k = int(np.argmax(~(least >= 0)))
            raise DataError(
                f"{net.path}: link {net.link_id[k]} costs {least[k]:g} at zero flow for class {c.name}; a negative "
                f"toll must not exceed the travel time"
            )
    return extra


def preloads(net: RoadNetwork, classes: tuple[VehicleClass, ...]) -> np.ndarray:
    """Flow [veh] of the classes on fixed routes (class, link); zero for the others."""
    out = np.zeros((len(classes), len(net.link_id)))
    for m, c in enumerate(classes):
        if c.preload is not None:
            links, values = read_link_values(c.preload, net, "flow")
            np.add.at(out[m], links, values)
    return out

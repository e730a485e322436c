"""The province: schema of its state, and the builders that fill it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr
from pydantic import BaseModel, ValidationError

from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.config import Configuration

__all__ = ["build_world"]


def build_world(config: "Configuration", data: Path | None) -> tuple[xr.DataTree, dict[str, str]]:
    """World of a configuration, and the sha256 of every file that it was built from.

    ``data`` is the root of the input files; a synthetic province needs none.
    """
    from twin.world import files, synthetic  # both pull in geospatial libraries: only when a world is built

    if config.province.kind == "synthetic":
        options = _options(config, synthetic.SyntheticWorld)
        return _checked(synthetic.build(options), config.province.name), {}
    if data is None:
        raise ConfigError(
            f"{config.path}: {config.province.title} is built from files; give their root with --data or TWIN_DATA"
        )
    groups, used = files.build(
        _options(config, files.FilesWorld), config.path.parent, data, config.run.start, config.run.stop
    )
    return _checked(groups, config.province.name), used


def _checked(groups: dict[str, xr.Dataset], name: str) -> xr.DataTree:
    return xr.DataTree.from_dict(groups, name=name)


def _options(config: "Configuration", model: type[BaseModel]) -> Any:
    from twin.config import explain

    try:
        return model(**config.province.world)
    except ValidationError as error:
        raise ConfigError(explain(error, model, f"{config.path}: [province.world]")) from None

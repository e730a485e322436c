"""The province: schema of its state, and the builders that fill it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr
from pydantic import BaseModel, ValidationError

from twin.errors import ConfigError
from twin.world.schema import check

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
        tree = xr.DataTree.from_dict(synthetic.build(options), name=config.province.name)
        check(tree)
        return tree, {}
    if data is None:
        raise ConfigError(
            f"{config.path}: {config.province.title} is built from files; give their root with --data or TWIN_DATA"
        )
    groups, used = files.build(
        _options(config, files.FilesWorld), config.path.parent, data, config.run.start, config.run.stop
    )
    tree = xr.DataTree.from_dict(groups, name=config.province.name)
    check(tree)
    return tree, used


def _options(config: "Configuration", model: type[BaseModel]) -> Any:
    from twin.config import explain

    try:
        return model(**config.province.world)
    except ValidationError as error:
        raise ConfigError(explain(error, model, f"{config.path}: [province.world]")) from None

"""The province: schema of its state, and the builders that fill it."""

from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr
from pydantic import ValidationError

from twin.errors import ConfigError
from twin.world import synthetic

if TYPE_CHECKING:
    from twin.config import Configuration

__all__ = ["build_world"]


def build_world(config: "Configuration", data: Path | None) -> tuple[xr.DataTree, dict[str, str]]:
    """World of a configuration, checked against the schema, and the hashes of the files that it was built from."""

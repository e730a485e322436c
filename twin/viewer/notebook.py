"""The viewer in a notebook: a frame on the local server, without any network."""

from pathlib import Path
from typing import Any

from twin.viewer.server import RunServer

__all__ = ["show"]

_SERVERS: list[RunServer] = []  # they serve as long as the notebook's kernel lives


def show(run: str | Path, other: str | Path | None = None, *, height: int = 600) -> Any:
    """The viewer of ``run`` (beside ``other`` where given) as a frame in the notebook's output."""
    from IPython.display import IFrame

    server = RunServer([run] if other is None else [run, other]).start()
    _SERVERS.append(server)
    return IFrame(server.url, width="100%", height=height)

"""``twin export RUN``: one file for another program."""

from pathlib import Path

from twin.errors import RecordError
from twin.exports import export_glb
from twin.records import find_run

__all__ = ["export_run"]


def export_run(
    run: str | Path,
    *,
    glb: bool = False,
    out: str | Path | None = None,
    step: int = -1,
    field: str | None = None,
    road_field: str | None = None,
) -> str:
    """Write the export asked for beside the run, or to ``out``; returns a line that says where."""
    if not glb:
        raise RecordError(f"{run}: no format asked; add --glb")
    target = Path(out) if out is not None else find_run(run).with_suffix(".glb")
    written = export_glb(run, target, step, field, road_field)
    return f"{written} ({written.stat().st_size / 1e6:.2f} MB)"

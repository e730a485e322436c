"""``twin export RUN``: one file for another program."""

from pathlib import Path

from rich.console import Console

from twin.errors import RecordError
from twin.exports import export_glb
from twin.records import find_run

__all__ = ["export", "export_run"]


def export(
    run: Path,
    /,
    *,
    glb: bool = False,
    out: Path | None = None,
    step: int = -1,
    field: str | None = None,
    road_field: str | None = None,
) -> int:
    """Export a run for another program.

    Parameters
    ----------
    run
        Run file.
    glb
        Binary glTF of terrain and roads of one step.
    out
        File to write; default beside the run.
    step
        Output step, counted from 0; -1 is the last.
    field, road_field
        Results that colour terrain and roads; default the first of each.
    """
    line = export_run(run, glb=glb, out=out, step=step, field=field, road_field=road_field)
    Console(soft_wrap=True, highlight=False).print(line, markup=False)
    return 0


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

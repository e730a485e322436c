"""``twin export RUN``: files for other programs."""

from pathlib import Path

from twin.errors import RecordError
from twin.exports import export_cog, export_glb, export_gpkg, export_table
from twin.records import find_run

__all__ = ["export_run"]


def export_run(
    run: str | Path,
    *,
    glb: bool = False,
    gpkg: bool = False,
    cog: str | None = None,
    table: str | None = None,
    out: Path | None = None,
    step: int = -1,
    field: str | None = None,
    road_field: str | None = None,
) -> str:
    """Export a run for another program; one format at a time.

    Parameters
    ----------
    run
        Run file.
    glb
        Binary glTF of terrain and roads of one step.
    gpkg
        GeoPackage of roads, power lines and nodes with the results of one step.
    cog
        Lattice field to write as a cloud-optimised GeoTIFF of one step.
    table
        Table over indicators, time, road_link, bus, branch or origin; --out ends in .csv or .parquet.
    out
        File to write; default beside the run.
    step
        Output step, counted from 0; -1 is the last.
    field, road_field
        Results that colour terrain and roads of the glTF; default the first of each.
    """
    asked = {"--glb": glb, "--gpkg": gpkg, "--cog": cog, "--table": table}
    if sum(bool(v) for v in asked.values()) != 1:
        raise RecordError(f"{run}: give exactly one format of {', '.join(asked)}")
    beside = find_run(run)
    if glb:
        written = export_glb(run, out or beside.with_suffix(".glb"), step, field, road_field)
    elif gpkg:
        written = export_gpkg(run, out or beside.with_suffix(".gpkg"), step)
    elif cog:
        written = export_cog(run, out or beside.with_name(f"{beside.stem}-{cog}.tif"), cog, step)
    else:
        written = export_table(run, out or beside.with_name(f"{beside.stem}-{table}.csv"), str(table))
    return f"{written} ({written.stat().st_size / 1e6:.2f} MB)"

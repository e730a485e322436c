"""``twin export RUN``: files for other programs."""

from pathlib import Path
from typing import Any

from twin.errors import RecordError
from twin.exports import export_cog, export_glb, export_gpkg, export_table, export_tiles
from twin.records import find_run, open_run

__all__ = ["export_run"]


def export_run(
    run: str | Path,
    *,
    glb: bool = False,
    tiles: bool = False,
    gpkg: bool = False,
    cog: str | None = None,
    table: str | None = None,
    out: Path | None = None,
    step: int = -1,
    field: str | None = None,
    road_field: str | None = None,
    building_field: str | None = None,
    layer: list[str] | None = None,
    every_step: bool = False,
    height_error: float | None = None,
    terrain: Path | None = None,
) -> str:
    """Export a run for another program; one format at a time.

    Parameters
    ----------
    run
        Run file.
    glb
        Binary glTF of one step: terrain, roads, power lines, buildings and hexagons.
    tiles
        3D Tiles 1.1 of buildings and ground in a folder, with a table of the buildings' values of one step.
    gpkg
        GeoPackage of roads, power lines and nodes, buildings and hexagons with the results of one step.
    cog
        Lattice field to write as a cloud-optimised GeoTIFF of one step.
    table
        Table over indicators, time, road_link, bus, branch, building, hexagon or origin; --out ends in .csv or
        .parquet.
    out
        File to write; default beside the run.
    step
        Output step, counted from 0; -1 is the last.
    field, road_field, building_field
        Results that colour terrain, roads and buildings of the glTF; default the first of each.
    layer
        Layers of the glTF (terrain, roads, power, buildings, hexagons); default all that the run holds.
    every_step
        With --glb: one file per output step, in the folder --out.
    height_error
        Terrain as a decimated surface within this error [m]; default every sample of the lattice, 0.5 m for tiles.
    terrain
        With --glb: raster in RD New (GeoTIFF) that gives the heights of the ground instead of the lattice.
    """
    asked = {"--glb": glb, "--tiles": tiles, "--gpkg": gpkg, "--cog": cog, "--table": table}
    if sum(bool(v) for v in asked.values()) != 1:
        raise RecordError(f"{run}: give exactly one format of {', '.join(asked)}")
    beside = find_run(run)
    if glb:
        chosen: dict[str, Any] = {"building_field": building_field, "layers": layer}
        chosen |= {"height_error": height_error, "terrain": terrain}
        if every_step:
            folder, tree = out or beside.with_name(f"{beside.stem}-glb"), open_run(run)
            count = tree.sizes["time"]
            for k in range(count):
                export_glb(tree, folder / f"{beside.stem}-{k:05d}.glb", k, field, road_field, **chosen)
            return f"{folder} ({count} files)"
        written = export_glb(run, out or beside.with_suffix(".glb"), step, field, road_field, **chosen)
    elif tiles:
        error = {} if height_error is None else {"height_error": height_error}
        written = export_tiles(run, out or beside.with_name(f"{beside.stem}-tiles"), step, **error)
    elif gpkg:
        written = export_gpkg(run, out or beside.with_suffix(".gpkg"), step)
    elif cog:
        written = export_cog(run, out or beside.with_name(f"{beside.stem}-{cog}.tif"), cog, step)
    else:
        written = export_table(run, out or beside.with_name(f"{beside.stem}-{table}.csv"), str(table))
    return f"{written} ({written.stat().st_size / 1e6:.2f} MB)"

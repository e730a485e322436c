"""Exports of run files to other formats."""

from twin.exports.geo import export_cog, export_gpkg
from twin.exports.glb import export_glb
from twin.exports.imaer import write_imaer
from twin.exports.tables import export_table
from twin.exports.tiles import export_tiles

__all__ = ["export_cog", "export_glb", "export_gpkg", "export_table", "export_tiles", "write_imaer"]

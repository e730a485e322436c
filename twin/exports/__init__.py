"""Exports of run files to other formats."""

from twin.exports.glb import export_glb

__all__ = ["export_glb"]

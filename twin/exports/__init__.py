"""Exports of run files to other formats."""

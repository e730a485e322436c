"""Viewer of run files in a browser."""

"""Viewer of run files in a browser."""

from twin.viewer.notebook import show
from twin.viewer.page import single_page
from twin.viewer.server import RunServer

__all__ = ["RunServer", "show", "single_page"]

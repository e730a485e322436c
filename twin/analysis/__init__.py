"""Analysis of run files: tables and pictures. :func:`open_run` here gives trees with ``.plot`` and ``.view()``."""

from twin.analysis.compare import compare
from twin.analysis.congestion import congestion
from twin.analysis.indicators import Indicator, indicators
from twin.analysis.plots import RunPlots, RunView
from twin.records import open_run

__all__ = ["Indicator", "RunPlots", "RunView", "compare", "congestion", "indicators", "open_run"]

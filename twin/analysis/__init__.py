"""Analysis of run files: tables and pictures. :func:`open_run` here gives trees with ``.plot`` and ``.view()``."""

from twin.analysis.compare import compare
from twin.analysis.congestion import congestion
from twin.analysis.indicators import Indicator, Totals, indicators
from twin.analysis.plots import RunPlots, RunView
from twin.records import open_run

__all__ = ["Indicator", "RunPlots", "RunView", "Totals", "compare", "congestion", "indicators", "open_run"]

"""Analysis of run files."""

from twin.analysis.compare import compare
from twin.analysis.indicators import Indicator, indicators

__all__ = ["Indicator", "compare", "indicators"]

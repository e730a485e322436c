"""Run files: the only code that writes or reads them."""

from twin.records.layout import LAYOUT_VERSION, ResultVariable
from twin.records.reader import check_same_coordinates, find_run, open_run
from twin.records.writer import RunWriter

__all__ = ["LAYOUT_VERSION", "ResultVariable", "RunWriter", "check_same_coordinates", "find_run", "open_run"]

"""Run files: the only code that writes or reads them."""

from twin.records.layout import LAYOUT_VERSION, ResultVariable
from twin.records.reader import check_same_coordinates, find_run, open_run
from twin.records.region import Region
from twin.records.repair import repair
from twin.records.validate import Violation, validate
from twin.records.writer import RunWriter

__all__ = [
    "LAYOUT_VERSION",
    "Region",
    "ResultVariable",
    "RunWriter",
    "Violation",
    "check_same_coordinates",
    "find_run",
    "open_run",
    "repair",
    "validate",
]

"""Mending of a run file after a crash: bring the counters back to what is really stored, and invent nothing."""

from pathlib import Path

import h5py
import numpy as np

from twin.errors import RecordError
from twin.records.layout import LIBVER, open_shared, set_attributes
from twin.records.reader import check_layout, find_run
from twin.records.validate import complete_steps, validate
from twin.records.vtk_view import advance

__all__ = ["repair"]

MENDS = frozenset({5, 21, 22})


def repair(path: str | Path) -> list[str]:
    """Set NSteps, the step values and ``steps_written`` to the steps that every result really holds.

    Returns a line per change; none where the file was sound. Damage of any other kind is refused: results are never
    filled in.
    """
    path = find_run(path)
    broken = validate(path)
    other = [v for v in broken if v.rule not in MENDS]
    if other:
        raise RecordError(f"{path}: cannot be mended without inventing data: {other[0]}")
    if not broken:
        return []
    with open_shared(path) as f:
        check_layout(f, path)
        said, held, planned = int(f.attrs["steps_written"]), complete_steps(f), int(f["time"].shape[0])
    steps = min(said, held)
    try:
        with h5py.File(path, "r+", libver=LIBVER) as f:
            advance(f, steps)
            f.attrs.modify("steps_written", np.int32(steps))
            if f.attrs["output_status"] != b"running" and steps < planned:
                set_attributes(f, output_status="running")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error}); end the program that holds it") from error
    return [f"{v.where}: {v.what}: now {steps} of {planned} steps" for v in broken]

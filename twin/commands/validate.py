"""``twin validate RUN`` and ``twin repair RUN``."""

from pathlib import Path

from twin import records
from twin.records import find_run

__all__ = ["repair_run", "validate_run"]


def validate_run(path: str | Path) -> tuple[str, int]:
    """Check every rule of a run file; exit code 0 where it is sound, 1 where a rule is broken.

    Parameters
    ----------
    path
        Run file, finished or in progress.
    """
    found = records.validate(path)
    if not found:
        return f"{find_run(path)}: sound, no rule of a run file is broken", 0
    lines = [f"{find_run(path)}: {len(found)} violations", *(f"  {v}" for v in found)]
    return "\n".join(lines), 1


def repair_run(path: str | Path) -> tuple[str, int]:
    """Mend the counters of a run file after a crash; results are never filled in.

    Parameters
    ----------
    path
        Run file, finished or unfinished.
    """
    changes = records.repair(path)
    return "\n".join([f"{find_run(path)}: {'mended' if changes else 'sound, nothing to mend'}", *changes]), 0

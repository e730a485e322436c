"""``twin validate RUN`` and ``twin repair RUN``."""

from pathlib import Path

from rich.console import Console

from twin import records
from twin.records import find_run

__all__ = ["repair", "repair_run", "validate", "validate_run"]


def validate(run: Path, /) -> int:
    """Check every rule of a run file; 0 where it is sound, 1 where a rule is broken.

    Parameters
    ----------
    run
        Run file, finished or in progress.
    """
    text, code = validate_run(run)
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    return code


def repair(run: Path, /) -> int:
    """Mend the counters of a run file after a crash; results are never filled in.

    Parameters
    ----------
    run
        Run file, finished or unfinished.
    """
    text, code = repair_run(run)
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    return code


def validate_run(path: str | Path) -> tuple[str, int]:
    """Report of every broken rule and the exit code: 0 sound, 1 rules broken."""
    found = records.validate(path)
    if not found:
        return f"{find_run(path)}: sound, no rule of a run file is broken", 0
    lines = [f"{find_run(path)}: {len(found)} violations", *(f"  {v}" for v in found)]
    return "\n".join(lines), 1


def repair_run(path: str | Path) -> tuple[str, int]:
    """Report of what was mended and the exit code 0; damage that cannot be mended is a RecordError."""
    changes = records.repair(path)
    return "\n".join([f"{find_run(path)}: {'mended' if changes else 'sound, nothing to mend'}", *changes]), 0

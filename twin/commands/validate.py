"""``twin validate RUN`` and ``twin repair RUN``."""

from pathlib import Path

from twin.records import find_run, validate
from twin.records import repair as mend

__all__ = ["repair_run", "validate_run"]


def validate_run(path: str | Path) -> tuple[str, int]:
    """Report of every broken rule and the exit code: 0 sound, 1 rules broken."""
    found = validate(path)
    if not found:
        return f"{find_run(path)}: sound, no rule of a run file is broken", 0
    lines = [f"{find_run(path)}: {len(found)} violations", *(f"  {v}" for v in found)]
    return "\n".join(lines), 1


def repair_run(path: str | Path) -> tuple[str, int]:
    """Report of what was mended and the exit code 0; damage that cannot be mended is a RecordError."""
    changes = mend(path)
    return "\n".join([f"{find_run(path)}: {'mended' if changes else 'sound, nothing to mend'}", *changes]), 0

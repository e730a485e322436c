"""Text as Fortran programs and Windows editors leave it: byte order marks, Latin-1, end-of-file bytes, D exponents."""

from __future__ import annotations

import re
from pathlib import Path

from twin.errors import DataError

__all__ = ["number", "read_lines"]

_EXPONENT = re.compile(r"(?<=[0-9.])[dD](?=[+-]?[0-9])")  # of double precision


def number(word: str) -> float:
    """A number as Fortran writes it, also with an exponent ``D``; raises ValueError."""
    return float(_EXPONENT.sub("e", word))


def read_lines(path: Path, what: str) -> list[str]:
    """Lines of a text file in UTF-8, with or without byte order mark, or Latin-1; a DOS end-of-file byte ends it.

    Raises :class:`twin.errors.DataError` naming ``what`` is missing.
    """
    try:
        raw = path.read_bytes().split(b"\x1a", 1)[0]
    except OSError as error:
        cure = f"give an existing {path.suffix or 'text'} file"
        raise DataError(f"{path}: {what} cannot be read ({error.strerror}); {cure}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.splitlines()

"""OPS control files (``.ctr``): one keyword and value per line."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path

from twin.errors import DataError
from twin.readers.fortran_text import number as fortran_number
from twin.readers.fortran_text import read_lines

__all__ = ["Control", "read_ctr"]

# keywords of OPS-LT 5.3
_KEYWORDS = frozenset(
    (
        "DATADIR",
        "PROJECT",
        "RUNID",
        "YEAR",
        "COMPCODE",
        "COMPNAME",
        "MOLWEIGHT",
        "PHASE",
        "LOSS",
        "DDSPECTYPE",
        "DDPARVALUE",
        "WDSPECTYPE",
        "WDPARVALUE",
        "DIFFCOEFF",
        "WASHOUT",
        "CONVRATE",
        "LDCONVRATE",
        "EMFILE",
        "USDVEFILE",
        "USPSDFILE",
        "EMCORFAC",
        "TARGETGROUP",
        "COUNTRY",
        "ROADS",
        "ROADSOPT",
        "RECEPTYPE",
        "XCENTER",
        "YCENTER",
        "NCOLS",
        "NROWS",
        "RESO",
        "OUTER",
        "RCPFILE",
        "ROUGHNESS",
        "Z0FILE",
        "LUFILE",
        "METEOTYPE",
        "MTFILE",
        "DEPUNIT",
        "PLTFILE",
        "PRNFILE",
        "INCLUDE",
        "GUIMADE",
        "BUILDING",
        "BUILDINGS",
        "ALLBKG",
    )
)
_NEEDED = ("COMPCODE", "EMFILE", "MTFILE", "RECEPTYPE")
# keywords of what is not computed: any value is refused, so that nothing is left out silently
_REFUSED = {
    "DDSPECTYPE": "user-defined dry deposition",
    "DDPARVALUE": "user-defined dry deposition",
    "WDSPECTYPE": "user-defined wet deposition",
    "WDPARVALUE": "user-defined wet deposition",
    "LDCONVRATE": "a light-dependent conversion rate",
    "USDVEFILE": "a file of user diurnal profiles",
    "USPSDFILE": "a file of user particle sizes",
}


@dataclass(frozen=True)
class Control:
    """Values of a control file by keyword; empty text where not used."""

    path: Path
    values: dict[str, str]
    lines: dict[str, int]

    def text(self, key: str) -> str:
        """Value of a keyword, empty where not used."""
        return self.values.get(key, "")

    def where(self, key: str) -> str:
        """File and line of a keyword, for messages."""
        return f"{self.path}: line {self.lines[key]}: {key}" if key in self.lines else f"{self.path}: {key}"

    def number(self, key: str, default: float | None = None) -> float:
        """Value of a keyword as a number."""
        word = self.text(key)
        if not word:
            if default is None:
                raise DataError(f"{self.where(key)} is missing or empty; give a number")
            return default
        try:
            value = fortran_number(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataError(f"{self.where(key)} is {word!r}, not a number")
        return value

    def integers(self, key: str) -> list[int]:
        """Whole numbers of a keyword, apart by blanks or commas."""
        try:
            values = [fortran_number(word) for word in self.text(key).replace(",", " ").split()]
        except ValueError:
            values = [math.nan]
        if not all(value.is_integer() for value in values):
            raise DataError(f"{self.where(key)} is {self.text(key)!r}; whole numbers, apart by blanks, are needed")
        return [int(value) for value in values]

    def integer(self, key: str, default: int | None = None) -> int:
        """Value of a keyword as a whole number."""
        value = self.number(key, None if default is None else float(default))
        if value != int(value):
            raise DataError(f"{self.where(key)} is {value:g}; a whole number is needed")
        return int(value)

    def switches(self, key: str) -> list[int]:
        """Values 0 or 1 of a keyword."""
        words = self.text(key).split()
        if any(word not in {"0", "1"} for word in words):
            raise DataError(f"{self.where(key)} is {self.text(key)!r}; values 0 or 1 are needed")
        return [int(word) for word in words]

    def file(self, key: str) -> Path:
        """A file beside the control file, or absolute."""
        if not self.text(key):
            raise DataError(f"{self.where(key)} names no file")
        return self.beside(self.text(key))

    def beside(self, word: str) -> Path:
        """Place of a path of the control file, which may have been written on Windows."""
        here = self.path.parent / word
        return (here if here.exists() else self.path.parent / word.replace("\\", "/")).resolve()


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def read_ctr(path: str | Path) -> Control:
    """Read a control file; comment lines start with ``*``.

    Raises :class:`twin.errors.DataError` naming file and line for an unknown or repeated keyword, a missing one that
    is needed, and a process that is not computed.
    """
    path = Path(path)
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(read_lines(path, "control file"), start=1):
        if not line.strip() or line.lstrip().startswith("*"):
            continue
        words = line.split(None, 1)
        key = words[0].upper()
        if key not in _KEYWORDS:
            near = difflib.get_close_matches(key, sorted(_KEYWORDS), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise DataError(f"{path}: line {number}: unknown keyword {words[0]!r}{hint}")
        if key in values:
            raise DataError(f"{path}: line {number}: {key} is given twice (first on line {lines[key]}); keep one")
        values[key] = _unquoted(words[1].strip()) if len(words) > 1 else ""
        lines[key] = number
    control = Control(path, values, lines)
    for key in _NEEDED:
        if not control.text(key):
            raise DataError(f"{path}: keyword {key} is missing or empty; it is needed")
    for key, what in _REFUSED.items():
        if control.text(key):
            raise DataError(f"{control.where(key)}: {what} is not computed; leave the value empty")
    return control

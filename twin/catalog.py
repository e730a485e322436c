"""The catalogue of input files: which file, whose, under which licence, with which hash.

A catalogue is a TOML file with one ``[files."relative/path"]`` table per file (``sha256``, ``licence``, ``source``,
optional ``crs`` and ``note``). A file is read only through it: a changed byte, a missing file and a path outside the
data root are refused.
"""

import hashlib
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.config import explain, read_toml
from twin.errors import ConfigError, DataError

__all__ = ["Catalog", "Entry"]


class Entry(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    source: str
    licence: str
    crs: str = ""
    note: str = ""


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    files: dict[str, Entry]


class Catalog:
    """Files of a data root, checked on first use and remembered."""

    def __init__(self, listing: Path, root: Path):
        try:
            self.files = _Listing(**read_toml(listing)).files
        except ValidationError as error:
            raise ConfigError(explain(error, _Listing, str(listing))) from None
        for name in self.files:
            parts = PurePosixPath(name)
            if parts.is_absolute() or ".." in parts.parts:
                raise ConfigError(f"{listing}: {name!r} leads outside the data root; name files relative to it")
        self.listing = listing
        self.root = root
        self._used: dict[str, str] = {}

    def path(self, name: str) -> Path:
        """Path of a listed file whose bytes are those of the catalogue.

        Raises :class:`DataError` where the file is not listed, missing, outside the root or changed.
        """
        if name not in self.files:
            raise DataError(f"{self.listing}: lists no file {name!r}; add it with source, licence and sha256")
        path = self.root / name
        if name in self._used:
            return path
        if not path.is_file():
            raise DataError(f"{path}: no such file; the catalogue {self.listing.name} needs it: give the right --data")
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise DataError(f"{path}: leads outside the data root {self.root}; replace the link by the file")
        with path.open("rb") as f:
            digest = hashlib.file_digest(f, "sha256").hexdigest()
        if digest != self.files[name].sha256:
            raise DataError(
                f"{path}: its bytes are not those of the catalogue (sha256 {digest[:12]}..., listed "
                f"{self.files[name].sha256[:12]}...); restore the file, or list the new one knowingly"
            )
        self._used[name] = digest
        return path

    def folder(self, prefix: str) -> Path:
        """Folder whose listed files have all been checked."""
        listed = [name for name in self.files if name.startswith(prefix.rstrip("/") + "/")]
        if not listed:
            raise DataError(f"{self.listing}: lists no file under {prefix!r}")
        for name in listed:
            self.path(name)
        return self.root / prefix

    def with_parts(self, name: str) -> Path:
        """Path of a file that comes with parts of the same stem (a shapefile), all checked."""
        stem = name.rsplit(".", 1)[0]
        for part in [n for n in self.files if n.rsplit(".", 1)[0] == stem]:
            self.path(part)
        return self.path(name)

    def used(self) -> dict[str, str]:
        """Name and sha256 of every file read so far."""
        return dict(sorted(self._used.items()))

"""Provenance: which code, versions, inputs and settings made a run."""

import hashlib
import platform
import socket
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

__all__ = ["code_hash", "git_commit", "versions"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("numpy", "numba", "scipy", "xarray", "h5py", "rasterio", "geopandas", "shapely", "pyproj", "exactextract")


@cache
def code_hash() -> str:
    """Hash of all Python sources of ``twin`` and ``kernels``: changes with any change of the code that runs."""
    digest = hashlib.sha256()
    for package in ("kernels", "twin"):
        for source in sorted((ROOT / package).rglob("*.py")):
            digest.update(source.relative_to(ROOT).as_posix().encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def git_commit() -> str:
    """Commit of the checkout that the code runs from, ``+dirty`` where changed, "" where it is no checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    if not (ROOT / ".git").exists():
        return ""
    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+dirty" if commit and git("status", "--porcelain") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the libraries that results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "host": socket.gethostname()}
    for name in ("province-twin", *PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found

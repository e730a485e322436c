"""Province Twin: traffic, nitrogen deposition and electricity load of a province, stepped together.

Start with :func:`twin.run` and :func:`twin.open_run`, or with ``twin --help`` on the command line.
"""

import importlib
from typing import Any

import kernels as _kernels

if getattr(_kernels, "DISTRIBUTION", None) != "province-twin":
    _origin = getattr(_kernels, "__file__", None) or next(iter(getattr(_kernels, "__path__", ["?"])))
    raise ImportError(
        f"the package 'kernels' at {_origin} is not Province Twin's: another distribution of that name has overwritten "
        f"it in this environment. Cure: install province-twin in a virtual environment of its own, or uninstall the "
        f"other distribution ('pip uninstall kernels') and reinstall this one ('pip install --force-reinstall "
        f"--no-deps province-twin')."
    )

__version__ = "0.1.0"

# Public names and the module that holds each: loaded on first use, so that `import twin` stays quick.
_PUBLIC = {
    "run": "twin.session",
    "build": "twin.session",
    "open_run": "twin.analysis",
    "assign": "twin.traffic",
    "deposit": "twin.nitrogen",
    "powerflow": "twin.power",
    "open_network": "twin.readers.networks",
    "write_network": "twin.readers.network_writing",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'twin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

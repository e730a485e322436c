"""Shared fixtures: the root of the real data, found as the command line finds it."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Root of the real data: ``TWIN_DATA``, else ``shared/data`` beside the checkout.

    Absent data skips with the reason; in CI (``CI=true``) it fails, so that a green run has really seen it.
    """
    root = Path(os.environ.get("TWIN_DATA") or BESIDE)
    if not root.is_dir():
        reason = f"real data not at hand: {root} is no folder; set TWIN_DATA to its root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return root

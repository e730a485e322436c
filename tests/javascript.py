"""Programs of tests/node, run with the packages of its lock file."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "node"


def installed(folder):
    """The programs with their packages in ``folder``. Without Node or registry: skipped with the reason; red in CI."""
    reason = None
    if not (shutil.which("node") and shutil.which("npm")):
        reason = "no node and npm on the path"
    else:
        for path in HERE.iterdir():
            if path.is_file():
                shutil.copy(path, folder)
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if done.returncode:
            reason = f"npm ci failed: {done.stderr[-300:]}"
    if reason:
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return folder


def run(folder, program, *words):
    """What a program wrote, as JSON."""
    done = subprocess.run(
        ["node", program, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

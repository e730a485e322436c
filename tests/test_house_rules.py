"""House rules, read off the syntax trees: who may know whom, and what library code never does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted([*ROOT.glob("twin/**/*.py"), *ROOT.glob("kernels/**/*.py")])
PRINTS = {"twin/commands"}  # the command line's last line of JSON goes to standard output


def relative(path):
    return path.relative_to(ROOT).as_posix()


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_library_code(path):
    tree = ast.parse(path.read_text())
    name = relative(path)
    asserts = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    assert not asserts, f"{name}: assert at lines {asserts}; raise an error of twin.errors"
    forbidden = {"eval", "exec", "__import__"} | (set() if name.rsplit("/", 1)[0] in PRINTS else {"print"})
    assert not forbidden & set(calls(tree)), f"{name}: calls {forbidden & set(calls(tree))}"
    bare = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is None]
    assert not bare, f"{name}: bare except at lines {bare}"
    known = set(imports(tree))
    assert not {m for m in known if m.split(".")[0] in {"pickle", "marshal", "shelve", "dill"}}
    if name.startswith("kernels/"):
        allowed = {"numpy", "numba", "kernels", "scipy", "math", "collections", "typing", "hashlib", "os", "pathlib"}
        assert {m.split(".")[0] for m in known} <= allowed | set(sys.stdlib_module_names)
        assert not {m for m in known if m.startswith("scipy") and m not in {"scipy", "scipy.fft"}}
        if name != "kernels/jit.py":
            assert "numba" not in known or name.endswith("__init__.py"), f"{name}: Numba policy lives in kernels/jit.py"
    rooms = {
        "twin/readers/": ("twin.world", "twin.components", "twin.records", "twin.simulation", "twin.analysis"),
        "twin/components/": ("twin.readers", "twin.records", "twin.simulation", "twin.catalog", "twin.analysis"),
        "twin/world/": ("twin.components", "twin.records", "twin.simulation", "twin.analysis", "twin.exports"),
        "twin/records/": ("twin.world", "twin.components", "twin.readers", "twin.simulation", "twin.analysis"),
        "twin/analysis/": ("twin.world", "twin.components", "twin.simulation", "twin.readers"),
        "twin/exports/": ("twin.world", "twin.components", "twin.simulation"),
        "twin/viewer/": ("twin.world", "twin.components", "twin.simulation", "twin.readers"),
    }
    for room, strangers in rooms.items():
        if name.startswith(room):
            met = {m for m in known if m.startswith(strangers)}
            assert not met, f"{name}: {room} must not know {met}"


def run(*words):
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [("ruff", "check", "."), ("ruff", "format", "--check", ".")], ids=["lint", "format"])
def test_style(words):
    done = run(*words)
    assert done.returncode == 0, done.stdout[-3000:]


def test_types():
    done = run("mypy")
    assert done.returncode == 0, done.stdout[-3000:]


def test_an_overwritten_kernels_package_is_refused_with_the_cure(tmp_path):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import twin"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert "another distribution" in done.stderr
    assert "environment of its own" in done.stderr

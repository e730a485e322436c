"""The one place of Numba policy: flags, cache directory, threads and the reduction idiom.

Policy, and why:

* ``error_model="numpy"``: a division by zero gives inf or NaN, as arrays do, and never raises in compiled code.
* no ``fastmath`` that lets LLVM assume away NaN or inf: a diverged lane would look converged. ``SAFE_FASTMATH``
  (re-association, contraction, reciprocal, signed zero) is for kernels that state why it is safe for them.
* ``fused_njit`` lets a multiplication and an addition round once and a quotient become a product with a reciprocal
  (``contract``, ``arcp``): NaN and inf stay as they are and no sum is reordered, results move in the last digit.
* ``nogil``: a caller's thread may go on.
* the on-disk cache is keyed by the content of the whole ``kernels`` package: Numba's own stamp only sees the
  file of the function, so that a changed callee in another file would be served stale.
* parallel reductions write one partial result per fixed block and sum the blocks in order, so that results do
  not depend on the number of threads. ``prange`` scalar reductions are not used.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
from numba import extending, prange, types
from numba.core.cgutils import get_or_insert_function, ir
from numba.extending import models, overload, register_model

__all__ = [
    "SAFE_FASTMATH",
    "cache_directory",
    "compiled_marker",
    "fused_njit",
    "intrinsic",
    "ir",
    "models",
    "njit",
    "overload",
    "pnjit",
    "prange",
    "prefetch_read",
    "prefetch_write",
    "register_model",
    "set_threads",
    "side_by_side",
    "threads",
    "types",
]

SAFE_FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


intrinsic: Any = extending.intrinsic  # Numba's annotations do not know how they are called


def cache_directory() -> Path:
    """Directory of compiled kernels for exactly this source and this Numba.

    The root is ``NUMBA_CACHE_DIR`` where set, else ``XDG_CACHE_HOME/province-twin``, else
    ``~/.cache/province-twin``.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    root = Path(__file__).parent
    for source in sorted(root.rglob("*.py")):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(source.read_bytes())
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "province-twin"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or default) / digest.hexdigest()[:16]


def compiled_marker() -> Path:
    """File whose presence says that the kernels of this checkout are compiled for this Python and machine.

    Numba keeps an entry per source path, Python version and processor: each needs its own marker.
    """
    place = f"{Path(__file__).parent.resolve()}|{sys.version}|{platform.machine()}|{platform.processor()}"
    return cache_directory() / f"compiled-{hashlib.sha256(place.encode()).hexdigest()[:12]}"


numba.config.CACHE_DIR = str(cache_directory())  # type: ignore[attr-defined]


def njit(function=None, **flags):
    """``numba.njit`` with the project's flags; serial. Extra ``flags`` override."""
    options = {"error_model": "numpy", "nogil": True, "cache": True, **flags}
    return numba.njit(function, **options) if function is not None else numba.njit(**options)


def fused_njit(function=None, **flags):
    """As :func:`njit`, with fused multiply-add and reciprocals: rounding changes, no order does, NaN and inf stay."""
    return njit(function, **{"fastmath": {"contract", "arcp"}, **flags})


def pnjit(function=None, **flags):
    """As :func:`njit`, with ``prange`` loops run on threads."""
    return njit(function, parallel=True, **flags)


def _prefetching(write):
    """``llvm.prefetch`` of the cache line at an address, to be read or written, as a compiled function of x, i, j."""

    @intrinsic
    def ask(typingctx, address):
        def generate(context, builder, signature, args):
            pointer = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
            word = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
            function = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            builder.call(function, [pointer, word(write), word(3), word(1)])
            return context.get_dummy_value()

        return types.void(types.intp), generate

    @njit
    def prefetch(x, i, j):
        ask(x.ctypes.data + i * x.strides[0] + j * x.strides[1])

    return prefetch


# Ask for the cache line of x[i, j] ahead of reading, or of writing it; no result depends on them.
prefetch_read, prefetch_write = _prefetching(0), _prefetching(1)


def set_threads(n: int) -> None:
    """Use ``n`` threads in parallel kernels; results do not depend on it."""
    numba.set_num_threads(n)


def threads() -> int:
    """Number of threads that parallel kernels use."""
    return numba.get_num_threads()


def side_by_side(task: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Results of ``task`` of each item, on as many threads as parallel kernels use; tasks share nothing they write.

    For serial kernels and library calls that let other threads go on.
    """
    count = min(threads(), len(items))
    if count <= 1:
        return [task(item) for item in items]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(task, items))

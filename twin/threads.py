"""Threads of the kernels for the length of one call; results do not depend on their number."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba

from kernels.jit import set_threads, threads
from twin.errors import ConfigError

__all__ = ["use_threads"]


@contextmanager
def use_threads(count: int | None) -> Iterator[None]:
    """Run kernels on ``count`` threads inside the block, ``None`` for as many as before.

    Raises :class:`ConfigError` where ``count`` is not between 1 and Numba's limit at start-up.
    """
    before = threads()
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    if count is not None and not 1 <= count <= most:
        raise ConfigError(f"threads = {count}: give 1 to {most}; NUMBA_NUM_THREADS at the start sets a higher limit")
    set_threads(count or before)
    try:
        yield
    finally:
        set_threads(before)

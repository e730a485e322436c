"""A step of a run file that is either there or not: what HDF5 changes is held back and put in place in a safe order.

HDF5 writes its metadata one by one when a file is closed. A process that is killed among those writes would leave
an index that points nowhere, or counters that contradict each other. Here new bytes go to the end of the file, where
nothing points to them yet; changes of old bytes wait, and take their place in such an order that the file is whole
after each of them: the superblock, then the indexes of chunks from root to leaf (a node that is split keeps its
entries until its parent knows the new one), last the counters, in one write where they lie together.
"""

import io
import os
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # no POSIX locks: other writers are not held off
    fcntl = None  # type: ignore[assignment]

__all__ = ["CommittedFile"]

END_OF_FILE = 40  # offset of the end-of-file address in a superblock of version 0
TOGETHER = 4096  # bytes between two counters that are still put in place by one write


class CommittedFile(io.RawIOBase):
    """An existing file for h5py's ``fileobj`` driver; :meth:`commit` puts all changes in place.

    Raises :class:`BlockingIOError` where another process reads or writes the file and ``lock`` is set.
    """

    def __init__(self, path: Path, lock: bool = True):
        self._file = path.open("r+b", buffering=0)
        if lock and fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.close()
                raise
        # a killed step leaves bytes behind the end that the superblock tells; nothing points to them
        self._old = self._size = int.from_bytes(self._held(END_OF_FILE, 8), "little")
        self._at = 0
        self._changes: dict[int, bytes] = {}  # of old bytes
        self._counters: dict[int, bytes] = {}  # changed last
        self._counting = False

    def count(self) -> None:
        """From here on changes are those of counters: they come after all others."""
        self._counting = True

    def commit(self) -> None:
        """Put the changes in place."""
        changes = [self._changed(*change) for change in sorted(self._changes.items(), key=_rank)]
        changes += [self._changed(*change) for change in self._joined()]
        for data, offset in [change for change in changes if change[0]]:
            _write(self._file, data, offset)
        self._changes, self._counters = {}, {}

    def _joined(self) -> list[tuple[int, bytes]]:
        """Counters that lie together as one piece each, with the bytes between them; superblock first, then the last
        piece: values of the step axis lie behind the counters that say how many of them count.
        """
        pieces: list[list[int]] = []
        for offset, data in sorted(self._counters.items()):
            if pieces and offset - pieces[-1][1] <= TOGETHER:
                pieces[-1][1] = max(pieces[-1][1], offset + len(data))
            else:
                pieces.append([offset, offset + len(data)])
        pieces.sort(key=lambda piece: (piece[0] > 0, -piece[0]))
        joined = []
        for start, end in pieces:
            seen = bytearray(end - start)
            self._read(memoryview(seen), start)
            joined.append((start, bytes(seen)))
        return joined

    def _changed(self, offset: int, data: bytes) -> tuple[bytes, int]:
        """The part of a piece that differs from what the file holds."""
        new, old = (np.frombuffer(part, "u1") for part in (data, self._held(offset, len(data))))
        where = np.flatnonzero(new != old)
        if not len(where):
            return b"", offset
        return data[where[0] : where[-1] + 1], offset + int(where[0])

    def _held(self, offset: int, size: int) -> bytes:
        """Bytes of the file as they are."""
        self._file.seek(offset)
        return self._file.read(size)

    def _read(self, view: memoryview, offset: int) -> None:
        """Fill ``view`` with the bytes of the file as they will be; behind its end they are 0."""
        self._file.seek(offset)
        done = self._file.readinto(view)
        if done < len(view):
            view[done:] = bytes(len(view) - done)
        end = offset + len(view)
        for changes in (self._changes, self._counters):
            for start, piece in changes.items():
                if start < end and offset < start + len(piece):
                    low, high = max(start, offset), min(start + len(piece), end)
                    view[low - offset : high - offset] = piece[low - start : high - start]

    # what h5py calls, as io.RawIOBase has it

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def readinto(self, buffer) -> int:
        """Read on, changes included."""
        view = memoryview(buffer).cast("B")
        self._read(view, self._at)
        self._at += len(view)
        return len(view)

    def write(self, data) -> int:
        """Write on; changes of old bytes wait for :meth:`commit`."""
        view, offset = memoryview(data).cast("B"), self._at
        old = min(max(self._old - offset, 0), len(view))
        if old:
            _put(self._counters if self._counting else self._changes, offset, bytes(view[:old]))
        if old < len(view):
            _write(self._file, view[old:], offset + old)
        self._at += len(view)
        self._size = max(self._size, self._at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size; the file on disk only grows."""
        self._size = self._at if size is None else size
        if self._size > self._file.seek(0, os.SEEK_END):
            self._file.truncate(self._size)
        return self._size

    def flush(self) -> None:
        """Nothing: only :meth:`commit` changes old bytes."""

    def close(self) -> None:
        """Let go of the file; what was not committed is forgotten."""
        self._file.close()
        super().close()


def _put(changes: dict[int, bytes], start: int, data: bytes) -> None:
    """Lay a piece over those before; pieces that overlap become one, so that their order is free."""
    end = start + len(data)
    for other in [o for o, piece in changes.items() if o < end and start < o + len(piece)]:
        piece = changes.pop(other)
        data = piece[: max(start - other, 0)] + data + piece[max(end - other, 0) :]
        start, end = min(start, other), max(end, other + len(piece))
    changes[start] = data


def _rank(change: tuple[int, bytes]) -> tuple[int, int]:
    """Superblock, nodes of chunk indexes from the root down, all else; by place among equals."""
    offset, data = change
    if offset == 0:
        return -256, offset
    if data[:4] == b"TREE":  # signature, type, level: HDF5 File Format Specification, III.A.1
        return -data[5], offset
    return 1, offset


def _write(file: io.FileIO, data, offset: int) -> None:
    view = memoryview(data)
    file.seek(offset)
    while len(view):
        view = view[file.write(view) :]

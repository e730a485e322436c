"""Writing of a run file: set up once, then one short open-write-close per output step.

The run is written to ``run.part.h5`` beside ``run.h5``. It can be opened by every reader from its first step on, and
a kill loses at most the step in hand. Only a complete run takes the final name, in one atomic replacement, so a
good file of an earlier run is never replaced by a partial one.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import h5py
import numpy as np
import xarray as xr

from twin.errors import RecordError
from twin.records import layout
from twin.records.commit import CommittedFile
from twin.records.layout import LIBVER, ResultVariable, set_attributes
from twin.records.rounding import bit_round, to_single
from twin.records.skeleton import (
    attribute_text,
    set_indicators,
    set_result,
    set_root_attributes,
    set_times,
    set_world,
)
from twin.records.vtk_view import advance, build_view
from twin.variables import Variable

try:
    import fcntl
except ImportError:  # no POSIX locks: HDF5's own lock is the only guard
    fcntl = None  # type: ignore[assignment]

try:
    from isal import isal_zlib

    _deflate: Callable[[bytes], bytes] | None = lambda raw: isal_zlib.compress(raw, 1)  # noqa: E731
except ImportError:
    _deflate = None

__all__ = ["RunWriter"]

SIGNIFICANT_BITS = 12
READER_PATIENCE = 5.0  # s that the writer waits for a reader that keeps the file open


@dataclass(frozen=True)
class _Part:
    """One stored variable of a declared result, as the file holds it; looked up once and not each step."""

    name: str
    row: int | None  # of a result by vehicle class
    shape: tuple[int, ...]  # of one step
    dtype: np.dtype
    bits: int
    tile: tuple[int, ...]
    fill: Any
    every: int  # output steps per value

    def of(self, declared: str, values: np.ndarray) -> np.ndarray:
        """This variable's share of the declared result, in its stored type and precision."""
        if self.row is not None:
            if values.ndim != len(self.shape) + 1 or self.row >= len(values):
                raise RecordError(f"result {declared!r}: shape {values.shape}, one row per vehicle class wanted")
            values = values[self.row]
        if values.shape != self.shape:
            raise RecordError(f"result {self.name!r}: shape {values.shape} given, {self.shape} declared")
        if self.dtype == np.float32:
            values = to_single(values, self.name)
            return bit_round(values, self.bits) if self.bits else values
        return np.ascontiguousarray(values, self.dtype) if self.shape else values


class RunWriter:
    """Writer of one run file.

    ``RunWriter.create(...)`` or ``RunWriter.append(...)``, then :meth:`write` per output step, then :meth:`finish`.
    As a context manager it lets go of the file at the end, finished or not.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.live = layout.live_path(self.path)
        self.steps_written = 0
        self.steps_planned = 0
        self._fingerprint = ""
        self._parts: dict[str, list[_Part]] = {}
        self._patience = READER_PATIENCE
        self._guard: TextIO | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        world_tree: xr.DataTree,
        variables: Sequence[ResultVariable | Variable],
        times: Sequence[Any] | np.ndarray,
        provenance: Mapping[str, Any] | None = None,
        *,
        significant_bits: int | Mapping[str, int | None] | None = SIGNIFICANT_BITS,
        bounds: np.ndarray | None = None,
    ) -> "RunWriter":
        """Start a run file with all planned ``times`` (datetime64, UTC) and no step written.

        ``variables`` are the declared results; ``provenance`` becomes root attributes (mappings and lists as JSON).
        ``significant_bits`` rounds float arrays to so many mantissa bits; ``None`` stores single precision as it is;
        a mapping chooses by name (the name ``"*"`` for all others). ``bounds`` (T, 2) are the ends of each interval.
        """
        stamps = np.asarray(times, dtype="datetime64[ns]")
        if stamps.ndim != 1 or not len(stamps) or (np.diff(stamps) <= np.timedelta64(0)).any():
            raise RecordError(f"{path}: output times must be a rising list of at least one; {len(stamps)} given")
        table = layout.result_variables(list(variables), layout.class_labels(world_tree))
        for part in (part for parts in table.values() for part, _ in parts):
            if part.every < 1 or len(stamps) % part.every:
                raise RecordError(
                    f"result {part.name!r}: one value per {part.every} output steps does not divide the run's "
                    f"{len(stamps)}; choose another rate"
                )
        writer = cls(path)
        writer.path.parent.mkdir(parents=True, exist_ok=True)
        writer._hold()
        # in memory first: a full disk is then one plain error, and no reader sees half a set-up
        with h5py.File(writer.live, "w", libver=LIBVER, track_order=True, driver="core", backing_store=False) as f:
            results = [part for parts in table.values() for part, _ in parts]
            set_root_attributes(f, world_tree, provenance or {}, table)
            set_times(f, stamps, bounds, sorted({part.every for part in results}))
            set_world(f, world_tree)
            for part in results:
                set_result(f, part, _bits_for(part, significant_bits))
            set_attributes(f, coordinates_hash=layout.coordinates_hash(f))
            build_view(f, results)
            f.flush()
            image = f.id.get_file_image()
        new = writer.live.with_name(writer.live.name + ".new")
        with writer._disk():
            try:
                new.write_bytes(image)
                new.replace(writer.live)
            except OSError:
                new.unlink(missing_ok=True)
                raise
        writer._learn()
        return writer

    @classmethod
    def append(cls, path: str | Path, steps: int | None = None, *, fingerprint: str | None = None) -> "RunWriter":
        """Go on with the unfinished run of ``path`` after its first ``steps`` (default: all that it holds).

        Steps beyond are written again. ``fingerprint`` is that of the configuration; another one is refused.
        """
        writer = cls(path)
        if not writer.live.exists():
            known = f"; {writer.path} is finished" if writer.path.exists() else ""
            raise RecordError(f"{writer.live}: no unfinished run to go on with{known}; start without --resume")
        writer._hold()
        writer._learn()
        if fingerprint is not None and writer._fingerprint != fingerprint:
            raise RecordError(
                f"{writer.live}: was written with configuration {writer._fingerprint[:12] or 'unknown'} and not with "
                f"{fingerprint[:12]}; resume with the same configuration, or start anew"
            )
        steps = writer.steps_written if steps is None else steps
        if not 0 <= steps <= writer.steps_written:
            raise RecordError(
                f"{writer.live}: holds {writer.steps_written} steps, the checkpoint stands at {steps}; use an "
                f"earlier checkpoint or start anew"
            )
        with writer._open(steps):
            pass
        return writer

    def write(self, step: int, arrays: Mapping[str, np.ndarray | float]) -> dict[str, np.ndarray]:
        """Write output ``step`` (counted from 0, in order): every result due, under its declared name.

        A result with one value per n steps is due at the last step of each n. Returns the values as the file holds
        them, rounded, under its names.
        """
        if step != self.steps_written:
            raise RecordError(f"{self.live}: step {step} given, step {self.steps_written} is next; write in order")
        if step >= self.steps_planned:
            raise RecordError(f"{self.live}: {self.steps_planned} steps were planned, all are written")
        due = {name: parts for name, parts in self._parts.items() if (step + 1) % parts[0].every == 0}
        wrong = set(arrays) ^ set(due)
        if wrong:
            raise RecordError(
                f"{self.live}: step {step}: results {sorted(wrong)} are given or due, but not both; "
                f"give each result at the steps where it is due"
            )
        # everything slow happens before the file is opened, so that readers wait for no compression
        packed = [
            (part, values, _packed(part, values) if part.shape and _deflate else None)
            for declared, parts in due.items()
            for part, values in ((p, p.of(declared, np.asarray(arrays[declared]))) for p in parts)
        ]
        with self._open(step + 1) as f:
            for part, values, chunks in packed:
                row = step // part.every
                if chunks is None:
                    f[part.name][row] = values
                    continue
                stored = h5py.h5d.open(f.id, part.name.encode())
                for corner, raw in chunks:
                    stored.write_direct_chunk((row, *corner), raw)
        return {part.name: values for part, values, _ in packed}

    def finish(self, indicators: Sequence[tuple[str, str, float, str]] = (), **attributes: Any) -> Path:
        """Mark the run complete, add closing ``attributes`` and give it its final name.

        ``indicators`` are rows (name, unit, value, kind) of the run's table of totals.
        """
        if self.steps_written != self.steps_planned:
            raise RecordError(
                f"{self.live}: {self.steps_written} of {self.steps_planned} steps are written; finish the run, or "
                f"keep this file as an unfinished one"
            )
        with self._open() as f:
            set_indicators(f, indicators)
            set_attributes(f, output_status="complete", **{k: attribute_text(v) for k, v in attributes.items()})
        with self._disk():
            self.live.replace(self.path)
        self.close()
        return self.path

    def close(self) -> None:
        """Let go of the run without finishing it; :meth:`append` can go on with it."""
        if self._guard is not None:
            Path(self._guard.name).unlink(missing_ok=True)
            self._guard.close()
            self._guard = None

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hold(self) -> None:
        """Keep other writers away for the length of the run; the system lets go if this process dies."""
        if fcntl is None:
            return
        name = self.live.with_name(self.live.name + ".lock")
        with self._disk():
            guard = name.open("w")
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            guard.close()
            raise RecordError(f"{self.live}: another run writes it; wait for it, or choose another --out") from error
        self._guard = guard

    def _learn(self) -> None:
        """Take plan and position from the file, so that append and create go the same way."""
        with layout.open_shared(self.live) as f:
            if "layout_version" not in f.attrs or "steps_written" not in f.attrs:
                raise RecordError(f"{self.live}: is no run file; a run file is one that `twin run` wrote")
            if int(f.attrs["layout_version"]) != layout.LAYOUT_VERSION:
                raise RecordError(
                    f"{self.live}: layout {f.attrs['layout_version']}, this version writes {layout.LAYOUT_VERSION}; "
                    f"start the run anew"
                )
            self.steps_planned = f["time"].shape[0]
            self.steps_written = int(f.attrs["steps_written"])
            known = f.attrs.get("fingerprint", b"")
            self._fingerprint = known.decode() if isinstance(known, bytes) else str(known)
            for name, d in f.items():
                if isinstance(d, h5py.Dataset) and "result" in d.attrs:
                    declared = d.attrs.get("declared_as", np.bytes_(name)).decode()
                    parts = self._parts.setdefault(declared, [])
                    row = len(parts) if "declared_as" in d.attrs else None
                    bits = int(d.attrs.get("significant_bits", 0))
                    tile = d.chunks[1:] if d.chunks else ()
                    every = layout.steps_per_value(d)
                    parts.append(_Part(name, row, d.shape[1:], d.dtype, bits, tile, d.fillvalue, every))

    @contextmanager
    def _open(self, steps: int | None = None) -> Iterator[h5py.File]:
        """The live file, open for the length of one change, of which all or nothing comes to pass.

        ``steps``: how many steps the file holds afterwards; none other than before where it is not given.
        """
        with self._disk(), self._held() as held:
            with h5py.File(held, "r+", libver=LIBVER) as f:
                yield f
                if steps is not None:
                    f.flush()
                    held.count()
                    advance(f, steps)
                    f.attrs.modify("steps_written", np.int32(steps))
            held.commit()
        self.steps_written = self.steps_written if steps is None else steps

    def _held(self) -> CommittedFile:
        """The live file, held against readers as HDF5 itself would hold it."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return CommittedFile(self.live)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    # Someone looks at the run and keeps it open. That must not end the run: other writers are held
                    # off by the guard, so the lock can be passed over.
                    self._patience = 0.1
                    return CommittedFile(self.live, lock=False)
                time.sleep(0.005)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Turn failures of the file system into one clear error."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            number = error.errno if isinstance(error, OSError) else None
            code = number or next(
                (n for n in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) if f"errno = {n}" in str(error)), 0
            )
            if code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                raise RecordError(
                    f"{self.live}: the disk is full ({os.strerror(code)}) at output step {self.steps_written}; make "
                    f"room and go on with --resume"
                ) from error
            raise RecordError(
                f"{self.live}: cannot be written at output step {self.steps_written} ({error}); check the folder and "
                f"its permissions"
            ) from error


def _packed(part: _Part, values: np.ndarray) -> list[tuple[tuple[int, ...], bytes]]:
    """Chunks of one step, shuffled and deflated as HDF5's own filters would: (corner, bytes)."""
    if _deflate is None:
        return []
    chunks = []
    for place in np.ndindex(*(-(-n // c) for n, c in zip(part.shape, part.tile))):
        corner = tuple(i * c for i, c in zip(place, part.tile))
        piece = values[tuple(slice(s, s + c) for s, c in zip(corner, part.tile))]
        if piece.shape != part.tile:
            whole = np.full(part.tile, part.fill, part.dtype)
            whole[tuple(slice(n) for n in piece.shape)] = piece
            piece = whole
        raw = np.ascontiguousarray(piece).view("u1").reshape(-1, part.dtype.itemsize)
        chunks.append((corner, _deflate(raw.T.tobytes())))
    return chunks


def _bits_for(part: ResultVariable, significant_bits: int | Mapping[str, int | None] | None) -> int:
    if isinstance(significant_bits, Mapping):
        declared = str(part.attributes.get("declared_as", part.name))
        chosen = significant_bits.get(declared, significant_bits.get("*", SIGNIFICANT_BITS))
    else:
        chosen = significant_bits
    if np.dtype(part.dtype).kind != "f" or part.stored_dtype != "f4" or chosen is None:
        return 0
    bit_round(np.zeros(1, "f4"), chosen)  # refuses a number out of range
    return chosen

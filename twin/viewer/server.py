"""The small local server of the viewer: loopback only, its own pages and the named run files, by HTTP Range.

``http.server`` knows no Range, and the browser reads a run file lazily with it. A run in progress is read between two
writes of its writer, and its ETag names that state, so that the browser never joins bytes of two states. Paths are
never joined to a folder: a page is one of a fixed list, a run is its number, so that no request can reach another file.
"""

import os
import re
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from twin.errors import RecordError
from twin.records import check_same_coordinates, find_run, open_run

try:
    import fcntl
except ImportError:  # no POSIX locks: a change of the file between two answers still shows in its ETag
    fcntl = None  # type: ignore[assignment]

__all__ = ["PAGES", "STATIC", "RunServer"]

STATIC = Path(__file__).parent / "static"
PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/index.html": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/viewer.js": ("viewer.js", "text/javascript; charset=utf-8"),
    "/worker.js": ("worker.js", "text/javascript; charset=utf-8"),
}
# Nothing but this server can be reached from the page, whatever a run file holds.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'"
)
PIECE = 1 << 20  # bytes sent at once
AT_ONCE = 64 << 20  # bytes of a run read under its lock; a longer answer is no reading of a step


class RunServer:
    """Serves the viewer for one run, or two to compare, on 127.0.0.1 until :meth:`stop`."""

    def __init__(self, runs: Sequence[str | Path], port: int = 0):
        self.runs = [Path(run) for run in runs]
        if not 1 <= len(self.runs) <= 2:
            raise RecordError(f"{len(self.runs)} runs given; the viewer shows one, or two to compare")
        trees = [open_run(run) for run in self.runs]  # missing, foreign and truncated files end here
        if len(trees) == 2:
            check_same_coordinates(*trees)
        self.bytes_sent = 0  # of run files: the measure of lazy reading
        self.requests = 0
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"owner": self}))
        except OSError as error:
            raise RecordError(f"port {port} cannot be used ({error}); choose another --port, or 0 for any") from error
        self._server.daemon_threads = True
        compare = "&compare=run/1" if len(self.runs) == 2 else ""
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/?file=run/0{compare}"

    def start(self) -> "RunServer":
        """Serve in a thread of its own; returns itself."""
        threading.Thread(target=self._server.serve_forever, name="run-viewer", daemon=True).start()
        return self

    def serve(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.serve_forever()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "RunServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ProvinceTwin"
    sys_version = ""
    disable_nagle_algorithm = True  # head and body are two writes; the second must not wait 40 ms for the first
    owner: RunServer

    def do_GET(self) -> None:
        """Answer with a page or with bytes of a run."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer as GET without the body."""
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the browser shows what fails."""

    def _answer(self, body: bool) -> None:
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "localhost"):  # a foreign name that was bound to this address
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        path = self.path.split("?", 1)[0].split("#", 1)[0]
        run = re.fullmatch(r"/run/([01])", path)
        if path in PAGES:
            name, kind = PAGES[path]
            self._send(STATIC / name, kind, body, counted=False)
        elif run and int(run[1]) < len(self.owner.runs):
            self._send(find_run(self.owner.runs[int(run[1])]), "application/x-hdf5", body, counted=True)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, file: Path, kind: str, body: bool, *, counted: bool) -> None:
        try:
            source = file.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with source:
            if counted and fcntl is not None:
                fcntl.flock(source, fcntl.LOCK_SH)  # a run in progress: wait until its writer has closed it
            state = os.fstat(source.fileno())
            span = _span(self.headers.get("Range"), state.st_size)
            if span is None:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{state.st_size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            first, last = span
            left = last - first + 1
            source.seek(first)
            ready = source.read(left) if body and left <= AT_ONCE else b""
            if counted and fcntl is not None:
                fcntl.flock(source, fcntl.LOCK_UN)  # before sending: a slow reader must not stop the run
            part = self.headers.get("Range") is not None
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
            if part:
                self.send_header("Content-Range", f"bytes {first}-{last}/{state.st_size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(left))
            self.send_header("Content-Type", kind)
            self.send_header("ETag", f'"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}"')
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            if not body:
                return
            try:
                while left and (piece := ready or source.read(min(PIECE, left))):
                    self.wfile.write(piece)
                    left -= len(piece)
                    ready = b""
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            if counted:
                self.owner.requests += 1
                self.owner.bytes_sent += last - first + 1 - left


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte asked for; None where the range lies outside (RFC 9110, 14.1.2)."""
    if header is None:
        return 0, size - 1
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return (max(0, size - int(match[2])), size - 1) if int(match[2]) else None
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    return (first, last) if first <= last else None

"""An HTTP server for ranges of files that counts what it sent, and the source that reads from it."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE_BYTES = 64 << 10
"""Written at a time: a client that hangs up is charged for hardly more than it took."""


class Counts:
    """Requests and body bytes since the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.bytes_sent = 0

    def reset(self) -> None:
        """Begin at 0."""
        with self._lock:
            self.requests = self.bytes_sent = 0

    def add(self, *, requests: int = 0, bytes_sent: int = 0) -> None:
        """Count."""
        with self._lock:
            self.requests += requests
            self.bytes_sent += bytes_sent


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, Counts]]:
    """Serve the files of a folder on loopback while the block runs; the address, and what was sent."""
    counts = Counts()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base's
            """Say nothing."""

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = folder / Path(self.path).name
            size = path.stat().st_size
            asked = _RANGE.match(self.headers.get("Range", ""))
            first = int(asked[1]) if asked else 0
            last = min(int(asked[2]), size - 1) if asked and asked[2] else size - 1
            counts.add(requests=1)
            self.send_response(206 if asked else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last - first + 1))
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            if with_body:
                self._send(path, first, last + 1)

        def _send(self, path: Path, first: int, end: int) -> None:
            with path.open("rb") as file:
                file.seek(first)
                while first < end:
                    piece = file.read(min(_PIECE_BYTES, end - first))
                    # Counted before it is sent: whoever has received a piece finds it counted.
                    counts.add(bytes_sent=len(piece))
                    try:
                        self.wfile.write(piece)
                    except (BrokenPipeError, ConnectionResetError):
                        self.close_connection = True
                        return
                    first += len(piece)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()


class HttpSource:
    """A file behind HTTP ranges, as the worker reads one from S3: a connection for each thread, kept open."""

    def __init__(self, url: str, size_bytes: int) -> None:
        parts = urlsplit(url)
        self._address, self._path = (parts.hostname or "", parts.port or 80), parts.path
        self._size_bytes = size_bytes
        self._of_thread = threading.local()

    @property
    def size_bytes(self) -> int:
        """The size of the whole; a worker has it from its order."""
        return self._size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """Bytes [offset, offset + size) of the file, as far as it goes."""
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = http.client.HTTPConnection(*self._address)
        connection: http.client.HTTPConnection = self._of_thread.connection
        last = min(offset + size, self._size_bytes) - 1
        if last < offset:
            return b""
        connection.request("GET", self._path, headers={"Range": f"bytes={offset}-{last}"})
        return connection.getresponse().read()

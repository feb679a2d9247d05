"""A threaded HTTP/1.1 server for one WSGI application: keep-alive, no Nagle delay, unread bodies drained.

The server of werkzeug closes every connection, and that of Chalice waits 40 ms for an acknowledgement in each answer.
"""

from __future__ import annotations

import io
import logging
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIApplication

from werkzeug.serving import DechunkedInput

from infra.local.websocket import Upgrade

# Reading on lets a refused client see the answer; past this, the connection is closed instead.
DRAIN_MAX_BYTES = 64 * 2**20
READ_SIZE = 256 * 1024

log = logging.getLogger(__name__)


class PortInUse(OSError):
    """Another program listens on the port."""


class LocalServer:
    """Serves an application on the loopback interface until stopped."""

    def __init__(self, port: int) -> None:
        """Take the port; 0 takes a free one.

        Raises:
            PortInUse: something else has it.
        """
        self._handler: type[_Handler] = type("Handler", (_Handler,), {})
        try:
            self._server = _Server(("127.0.0.1", port), self._handler)
        except OSError as error:
            raise PortInUse(f"Port {port} of 127.0.0.1 cannot be had: {error.strerror}") from error
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Where it answers. An address, not a name: boto3 would put the bucket before a name."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self, app: WSGIApplication, upgrade: Callable[[Upgrade], bool] | None = None) -> None:
        """Begin to answer.

        `upgrade` takes requests for a WebSocket and returns when it is over; False when there is none at this path.
        """
        self._handler.app = staticmethod(app)
        self._handler.upgrade = staticmethod(upgrade or (lambda _: False))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, and give the port back."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.close_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_busy = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_busy:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_busy:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the connections that clients keep alive; their threads end with them."""
        with self._connections_busy:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # The client was faster.
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        # Clients that hang up in the middle are none of our business.
        log.debug("The connection of %s broke: %r", client_address, sys.exception())


class _Body(io.RawIOBase):
    """At most `length` bytes of the connection, however much the application asks for."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self.remaining = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.remaining)
        data = self._stream.read1(count) if count else b""
        self.remaining -= len(data)
        buffer[: len(data)] = data
        return len(data)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = READ_SIZE
    wbufsize = READ_SIZE
    app: WSGIApplication
    upgrade: Callable[[Upgrade], bool]

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing of single requests."""

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come: boto3 waits a second for it before every PUT."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        if self.headers.get("Upgrade", "").lower() == "websocket" and self._serve_web_socket():
            self.close_connection = True
            return
        is_chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        body = _Body(self.rfile, int(self.headers.get("Content-Length") or 0))
        environ = self._environ()
        if is_chunked:
            environ["wsgi.input"] = DechunkedInput(self.rfile)  # type: ignore[arg-type]
            environ["wsgi.input_terminated"] = True
            # Nothing says where the next request begins if the application stops reading.
            self.close_connection = True
        else:
            environ["wsgi.input"] = io.BufferedReader(body, READ_SIZE)
        self._run(environ)
        self._drain(body)
        self.wfile.flush()

    def _serve_web_socket(self) -> bool:
        self.wfile.flush()
        return self.upgrade(Upgrade(self.path, self.headers.items(), self.connection, self.rfile.read1))

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": self.path,
            "REQUEST_URI": self.path,
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_NAME": self.connection.getsockname()[0],
            "SERVER_PORT": str(self.connection.getsockname()[1]),
            "SERVER_PROTOCOL": self.request_version,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def _run(self, environ: dict[str, Any]) -> None:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            head[:] = [status, headers]
            return self.wfile.write

        try:
            chunks = self.app(environ, start_response)
        except Exception:  # The border of the application: one bad request must not end the server.
            log.exception("%s %s failed", self.command, self.path.partition("?")[0])
            head[:] = ["500 Internal Server Error", [("Content-Type", "text/plain")]]
            chunks = [b"The local stack failed; its log says why\n"]
        self._answer(head[0], head[1], chunks)

    def _answer(self, status: str, headers: list[tuple[str, str]], chunks: Any) -> None:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        names = {name.lower() for name, _ in headers}
        if "content-length" not in names and int(code) not in (204, 304):
            chunks = [b"".join(chunks)]
            headers = [*headers, ("Content-Length", str(len(chunks[0])))]
        for name, value in headers:
            self.send_header(name, value)
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        self.end_headers()
        if self.command != "HEAD":
            for chunk in chunks:
                self.wfile.write(chunk)
        if hasattr(chunks, "close"):
            chunks.close()

    def _drain(self, body: _Body) -> None:
        if body.remaining > DRAIN_MAX_BYTES:
            self.close_connection = True
            return
        if body.remaining:
            self.wfile.flush()
        buffer = bytearray(READ_SIZE)
        while body.remaining and body.readinto(buffer):
            pass

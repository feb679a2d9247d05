"""A loopback service and S3 for one upload in parts, which counts every byte that comes, of broken parts too."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.sdk.fake_service import SINCE, VIDEO_ID, make_video

READ_BYTES = 256 << 10


@dataclass
class PartsServer:
    """What came so far."""

    part_size_bytes: int
    stored: Path
    """Parts are written here, each in its place."""
    base_url: str = ""
    announced: dict[str, Any] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    received: Counter[int] = field(default_factory=Counter)
    """Bytes by part, whole or not."""
    whole: Counter[int] = field(default_factory=Counter)
    """How often each part came whole."""
    is_complete: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def part_count(self) -> int:
        return int(-(-self.announced["size_bytes"] // self.part_size_bytes))

    def wait_for(self, received_bytes: int, timeout_seconds: float = 60.0) -> None:
        """Return as soon as so many bytes have come in all, or the upload is complete."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.is_complete or self.received.total() >= received_bytes, timeout_seconds
            )

    def answer(self, method: str, path: str, key: str, body: Any) -> dict[str, Any]:
        """What the service says."""
        match method, path:
            case "POST", "/videos":
                with self.changed:
                    self.announced = body
                    self.keys.append(key)
                parts = {"part_size_bytes": self.part_size_bytes, "part_count": self.part_count}
                upload = {"kind": "multipart", **parts, "expires_at": SINCE}
                return {"video": make_video("AWAITING_UPLOAD"), "upload": upload, "job": None}
            case "GET", "/videos/vid_1":
                return {"video": make_video("UPLOADED" if self.is_complete else "AWAITING_UPLOAD")}
            case "POST", "/videos/vid_1/upload/parts":
                return {"items": [self._signed(number, body["sha256_by_part"]) for number in body["part_numbers"]]}
            case "GET", "/videos/vid_1/upload/parts":
                with self.changed:
                    return {"items": [self._part(number) for number in sorted(self.whole)], "next_cursor": None}
            case "POST", "/videos/vid_1/upload/complete":
                with self.changed:
                    assert [part["part_number"] for part in body["parts"]] == list(range(1, self.part_count + 1))
                    self.is_complete = True
                    self.changed.notify_all()
                return {"video": make_video("UPLOADED")}
        raise AssertionError(f"no route for {method} {path}")

    def take_part(self, number: int, pieces: Iterator[bytes], sha256: str) -> bool:
        """Whether the part came whole and undamaged."""
        digest, count = hashlib.sha256(), 0
        with self.stored.open("r+b") as file:
            file.seek((number - 1) * self.part_size_bytes)
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                count += len(piece)
                with self.changed:
                    self.received[number] += len(piece)
                    self.changed.notify_all()
        if count != self._size(number) or base64.b64encode(digest.digest()).decode() != sha256:
            return False
        with self.changed:
            self.whole[number] += 1
        return True

    def _signed(self, number: int, sha256_by_part: dict[str, str]) -> dict[str, Any]:
        sha256 = base64.b64encode(bytes.fromhex(sha256_by_part[str(number)])).decode()
        return {
            "part_number": number,
            "url": f"{self.base_url}/s3/{number}",
            "headers": {"x-amz-checksum-sha256": sha256},
        }

    def _part(self, number: int) -> dict[str, Any]:
        return {"part_number": number, "etag": f"etag-{number}", "size_bytes": self._size(number)}

    def _size(self, number: int) -> int:
        return min(self.part_size_bytes, int(self.announced["size_bytes"]) - (number - 1) * self.part_size_bytes)


class InProcess(httpx.MockTransport):
    """The same without sockets."""

    def __init__(self, server: PartsServer) -> None:
        super().__init__(self._answer)
        self._server = server
        server.base_url = "https://parts.test"

    def _answer(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        if part := re.fullmatch(r"/s3/(\d+)", request.url.path):
            is_taken = self._server.take_part(int(part[1]), iter([content]), request.headers["x-amz-checksum-sha256"])
            return httpx.Response(200 if is_taken else 400, headers={"ETag": f'"etag-{part[1]}"'})
        key = request.headers.get("Idempotency-Key", "")
        body = json.loads(content) if content else None
        return httpx.Response(200, json=self._server.answer(request.method, request.url.path, key, body))


@contextmanager
def serving_parts(server: PartsServer) -> Iterator[PartsServer]:
    """`server` on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            if part := re.fullmatch(r"/s3/(\d+)", self.path):
                sha256 = self.headers["x-amz-checksum-sha256"]
                if server.take_part(int(part[1]), self._pieces(), sha256):
                    self._send(200, b"", ETag=f'"etag-{part[1]}"')
                else:
                    self.close_connection = True
                return
            content = b"".join(self._pieces())
            key = self.headers.get("Idempotency-Key", "")
            answer = server.answer(self.command, self.path, key, json.loads(content) if content else None)
            self._send(200, json.dumps(answer).encode())

        def _pieces(self) -> Iterator[bytes]:
            left = int(self.headers.get("Content-Length", 0))
            while left:
                try:
                    piece = self.rfile.read1(min(READ_BYTES, left))
                except ConnectionError:
                    return
                if not piece:
                    return
                left -= len(piece)
                yield piece

        def _send(self, status: int, content: bytes, **headers: str) -> None:
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except ConnectionError:
                # The client was killed.
                self.close_connection = True

        do_GET = do_POST = do_PUT = _handle  # noqa: N815 - names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server has it
            """Nothing: a test's output is its own."""

    class Listener(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: clients are killed here."""

    listener = Listener(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server.base_url = f"http://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


assert VIDEO_ID == "vid_1", "the routes above say so"

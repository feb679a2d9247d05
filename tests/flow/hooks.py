"""A receiver of webhooks: each path of it is a receiver of another kind."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chalicelib.domain.webhooks import sign

ANSWER_BY_PATH = {"/good": 204, "/gone": 410, "/moved": 302, "/once": 204, "/silent": 204}


class Hooks:
    """What came to each path, and with which answer it went."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.came: dict[str, list[tuple[dict[str, str], bytes]]] = defaultdict(list)
        self.over = threading.Event()
        self.lock = threading.Lock()

    def seqs(self, path: str, job_id: str) -> list[int]:
        with self.lock:
            data = [json.loads(body)["data"] for _, body in self.came[path]]
        return [event["seq"] for event in data if event.get("job_id") == job_id]

    def are_genuine(self, path: str, secret: str) -> bool:
        """Whether all that came was signed with the secret, by the id and time that came along."""
        with self.lock:
            came = list(self.came[path])
        return bool(came) and all(
            headers["webhook-signature"]
            == sign([secret], headers["webhook-id"], int(headers["webhook-timestamp"]), body)
            for headers, body in came
        )

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """The status to answer with."""
        with self.lock:
            self.came[path].append((headers, body))
            is_first = len(self.came[path]) == 1
        if path == "/silent":
            self.over.wait(30)
        return 503 if path == "/once" and is_first else ANSWER_BY_PATH[path]


@contextmanager
def receiving() -> Iterator[Hooks]:
    """Receivers on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = hooks.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{hooks.base_url}/good")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that is given
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hooks = Hooks(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hooks
    finally:
        hooks.over.set()
        server.shutdown()
        server.server_close()

"""The only way into moto: one call at a time, with the request's body read beforehand."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from werkzeug.wrappers import Request, Response

# The S3 front answers CORS from the bucket's rules; moto would reflect any origin. Read when moto's server is imported.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from infra.local import moto_patches

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class MotoGate:
    """moto's server application behind the one lock."""

    def __init__(self) -> None:
        moto_patches.install()
        self._app: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._observers: list[Callable[[], None]] = []

    def on_change(self, observer: Callable[[], None]) -> None:
        """Have `observer` called after every request that may have written; it must be quick."""
        self._observers.append(observer)

    def call(self, environ: dict[str, Any]) -> Response:
        """The answer of moto. `wsgi.input` must not be a socket: a slow client would hold the lock."""
        with moto_patches.LOCK:
            response = Response.from_app(self._app, environ, buffered=True)
        if environ["REQUEST_METHOD"] not in READ_METHODS:
            for observe in self._observers:
                observe()
        return response

    def handle(self, request: Request) -> Response:
        """Serve a request of a service that needs no front of its own."""
        return self.call({**request.environ, "wsgi.input": io.BytesIO(request.get_data())})

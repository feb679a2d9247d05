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
from infra.local.events import REGION

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_OPERATIONS = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"})
"""Of DynamoDB, where every request is a POST."""


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
            self._tell()
        return response

    def call_dynamodb(self, request: Request) -> Response:
        """Serve a request of DynamoDB: most requests are, and half of their time went into finding moto's handler."""
        target = request.headers.get("X-Amz-Target", "")
        operation = target.rpartition(".")[2]
        status, headers, body = moto_patches.call_dynamodb(target, request.get_data(), _region_of(request))
        if operation not in READ_OPERATIONS:
            self._tell()
        return Response(body, status, headers)

    def handle(self, request: Request) -> Response:
        """Serve a request of a service that needs no front of its own."""
        return self.call({**request.environ, "wsgi.input": io.BytesIO(request.get_data())})

    def _tell(self) -> None:
        for observe in self._observers:
            observe()


def _region_of(request: Request) -> str:
    """By the scope of the signature: `Credential=KEY/DATE/REGION/…`."""
    _, _, scope = request.headers.get("Authorization", "").partition("Credential=")
    return scope.split("/")[2] if scope.count("/") > 1 else REGION

"""One port for everything: tells AWS's calls from the API's, and hands each to what serves it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from infra.local.appsync.endpoint import PATH, REALTIME_PATHS, AppSync
from infra.local.issuer import JWKS_PATH, Issuer
from infra.local.viewer import PATH as VIEWER_PATH
from infra.local.viewer import Viewer
from infra.local.websocket import Upgrade

Handle = Callable[[Request], Response]


class FrontDoor:
    """The WSGI application of the stack.

    A request is AWS's when it is signed (header or query) or goes to the bucket's name; `/.well-known/jwks.json` is
    the issuer's; `/graphql` is AppSync's; `/viewer/` is the viewer's; the rest is the REST API's.
    """

    def __init__(
        self,
        gateway: Handle,
        handle_by_service: Mapping[str, Handle],
        other_services: Handle,
        bucket: str,
        issuer: Issuer,
        graphql: AppSync,
        viewer: Viewer,
    ) -> None:
        """`handle_by_service` by the service's name in a signature's scope; it must have "s3"."""
        self._gateway = gateway
        self._handle_by_service = handle_by_service
        self._other_services = other_services
        self._bucket = bucket
        self._issuer = issuer
        self._graphql = graphql
        self._viewer = viewer

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        request = Request(environ)
        return self._choose(request)(request)(environ, start_response)

    def _choose(self, request: Request) -> Handle:
        service = _signed_service(request)
        if service is not None:
            return self._handle_by_service.get(service, self._other_services)
        first_segment = request.path.lstrip("/").partition("/")[0]
        if first_segment == self._bucket or "X-Amz-Signature" in request.args or "AWSAccessKeyId" in request.args:
            return self._handle_by_service["s3"]
        if request.path == JWKS_PATH:
            return self._publish_key
        if request.path == PATH:
            return self._graphql.handle
        if first_segment == VIEWER_PATH.strip("/"):
            return self._viewer.handle
        return self._gateway

    def upgrade(self, upgrade: Upgrade) -> bool:
        """Serve a request for a WebSocket; False when there is none at its path."""
        if upgrade.path.partition("?")[0] not in REALTIME_PATHS:
            return False
        self._graphql.serve(upgrade)
        return True

    def _publish_key(self, _: Request) -> Response:
        return Response(json.dumps(self._issuer.jwks()), content_type="application/json")


def _signed_service(request: Request) -> str | None:
    """The service in `Authorization: AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`."""
    algorithm, _, rest = request.headers.get("Authorization", "").partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        return None
    scope = rest.partition("Credential=")[2].partition(",")[0].split("/")
    return scope[-2] if len(scope) >= 2 else "s3"

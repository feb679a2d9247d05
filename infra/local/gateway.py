"""API Gateway for the Chalice app: an HTTP request to a REST proxy event, the answer back.

Chalice's own local gateway leaves out what API Gateway puts in (`httpMethod`, `path`, single-valued parameters).
There is no authorizer here: the routes check the token themselves.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from chalice.app import Chalice
from chalice.local import LocalChalice, RouteMatcher
from werkzeug.wrappers import Request, Response

from infra.local.functions import LambdaContext
from infra.wiring import UNKNOWN_ROUTE_PROBLEM, UNKNOWN_ROUTE_STATUS

# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
REQUEST_MAX_BYTES = 10 * 2**20


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    """As declared: `/jobs/{job_id}`."""
    parameters: dict[str, str]


class Gateway:
    """The REST API of one Chalice app."""

    def __init__(self, app: Chalice) -> None:
        """From here on, `app` may be called from many threads at once."""
        self._app = app
        _make_thread_safe(app)
        self._matcher = RouteMatcher(list(app.routes))

    def handle(self, request: Request) -> Response:
        """Serve one request."""
        if (request.content_length or 0) > REQUEST_MAX_BYTES:
            return Response('{"message": "Request Too Long"}', 413, content_type="application/json")
        route = self._match(request)
        if route is None:
            problem = {**UNKNOWN_ROUTE_PROBLEM, "instance": request.path}
            return Response(json.dumps(problem), UNKNOWN_ROUTE_STATUS, content_type="application/problem+json")
        answer = self._app(self._event(request, route), LambdaContext("api"))
        body = answer.get("body") or ""
        if answer.get("isBase64Encoded"):
            body = base64.b64decode(body)
        response = Response(body, answer["statusCode"], answer.get("headers") or {})
        for name, values in (answer.get("multiValueHeaders") or {}).items():
            response.headers.setlist(name, values)
        return response

    def _match(self, request: Request) -> _Route | None:
        try:
            found = self._matcher.match_route(request.environ["RAW_URI"].partition("?")[0])
        except ValueError:
            return None
        # A HEAD to a route that has only GET is as unknown to API Gateway as any other method.
        if request.method not in self._app.routes[found.route]:
            return None
        return _Route(found.route, {name: unquote(value) for name, value in found.captured.items()})

    def _event(self, request: Request, route: _Route) -> dict[str, Any]:
        data = request.get_data()
        is_binary = request.mimetype in self._app.api.binary_types and bool(data)
        headers = {name: values[-1] for name, values in _values_by_name(request.headers).items()}
        path = request.environ["RAW_URI"].partition("?")[0]
        now = datetime.now(UTC)
        return {
            "resource": route.path,
            "path": path,
            "httpMethod": request.method,
            "headers": headers,
            "multiValueHeaders": _values_by_name(request.headers),
            "queryStringParameters": {name: values[-1] for name, values in request.args.lists()} or None,
            "multiValueQueryStringParameters": dict(request.args.lists()) or None,
            # Chalice reads the parameters without a look whether there are any.
            "pathParameters": route.parameters,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": route.path,
                "httpMethod": request.method,
                "path": path,
                "stage": "local",
                "protocol": "HTTP/1.1",
                "requestId": str(uuid.uuid4()),
                "requestTimeEpoch": int(now.timestamp() * 1000),
                "identity": {"sourceIp": request.remote_addr, "userAgent": headers.get("User-Agent")},
                "domainName": request.host,
            },
            "body": (base64.b64encode(data) if is_binary else data).decode("utf-8", "replace") if data else None,
            "isBase64Encoded": is_binary,
        }


def _values_by_name(headers: Any) -> dict[str, list[str]]:
    return {name: headers.getlist(name) for name in dict.fromkeys(headers.keys())}


def _make_thread_safe(app: Chalice) -> None:
    """Keep `current_request` per thread: as one attribute, 599 of 600 concurrent requests saw another's."""
    if not isinstance(app, LocalChalice):
        app.__class__ = type("ThreadSafeChalice", (LocalChalice, type(app)), {})

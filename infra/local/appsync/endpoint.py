"""`/graphql` of the stack's port: POST for queries and mutations, an upgrade to a WebSocket for subscriptions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from graphql import ExecutionResult
from werkzeug.wrappers import Request, Response

from infra.local.appsync.broker import Broker
from infra.local.appsync.callers import Callers
from infra.local.appsync.execution import Caller, Engine, Json, Operation, Refusal, refuse, to_answer
from infra.local.appsync.realtime import PROTOCOL_HEADER_PREFIX, Connection
from infra.local.appsync.sdl import load_sdl
from infra.local.functions import Functions
from infra.local.issuer import Issuer
from infra.local.sigv4 import SignedRequest
from infra.local.websocket import Session, Upgrade, WebSockets
from infra.wiring import GraphQlApi

PATH = "/graphql"
REALTIME_PATHS = (PATH, f"{PATH}/realtime")
"""As clients make it of the address: on AppSync's own domain, and on one's own."""
BODY_MAX_BYTES = 1 << 20
"""Source: AppSync's quotas."""


class AppSync:
    """The GraphQL API of one stack."""

    def __init__(self, api: GraphQlApi, functions: Functions, issuer: Issuer, secret_by_key: Mapping[str, str]) -> None:
        self._engine = Engine(load_sdl(api.schema_path), api, functions)
        self._callers = Callers(issuer, secret_by_key)
        self._broker = Broker(self._engine)
        self._web_sockets = WebSockets("graphql-ws", {"type": "ka"})

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are open."""
        return self._broker.count

    def close(self) -> None:
        """End all subscriptions."""
        self._web_sockets.close()

    def handle(self, request: Request) -> Response:
        """A request with an access token."""
        return self._answer(request, lambda _: self._callers.by_token(dict(request.headers), request.remote_addr or ""))

    def handle_signed(self, request: Request) -> Response:
        """A request that is signed by a role."""
        signed = SignedRequest(
            request.method,
            request.environ["RAW_URI"].partition("?")[0],
            request.query_string.decode(),
            {name.lower(): value for name, value in request.headers.items()},
        )
        address = request.remote_addr or ""
        return self._answer(request, lambda body: self._callers.by_signature(signed, body, address))

    def serve(self, upgrade: Upgrade) -> None:
        """A client that subscribes."""
        query = parse_qs(urlsplit(upgrade.path).query)
        offered = [name for name in upgrade.subprotocols if name.startswith(PROTOCOL_HEADER_PREFIX)]
        header = offered[0].removeprefix(PROTOCOL_HEADER_PREFIX) if offered else query.get("header", [""])[0]

        def make_session(upgrade: Upgrade, send: Callable[[Json], None]) -> Session:
            # A plus sign in base64 comes as a space.
            return Connection(
                self._engine, self._broker, self._callers, upgrade.address, header.replace(" ", "+"), send
            )

        self._web_sockets.serve(upgrade, make_session)

    def _answer(self, request: Request, sign_in: Callable[[bytes], Caller]) -> Response:
        if request.method != "POST":
            return _json(refuse(Refusal("MethodNotAllowedException", "queries are sent by POST")), 405)
        if (request.content_length or 0) > BODY_MAX_BYTES:
            return _json(refuse(Refusal("RequestTooLargeException", "a request may have 1 MB")), 413)
        body = request.get_data()
        try:
            caller = sign_in(body)
        except Refusal as refusal:
            said = {"errorType": refusal.error_type, "message": str(refusal)}
            return _json({"errors": [said]}, 401)
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, Mapping):
            return _json(refuse(Refusal("MalformedHttpRequestException", "the body must be a JSON object")), 400)
        return _json(self._execute(asked, caller), 200)

    def _execute(self, asked: Mapping[str, Any], caller: Caller) -> Json:
        operation = self._engine.prepare(asked)
        if not isinstance(operation, Operation):
            return operation
        if operation.kind == "subscription":
            return refuse(Refusal("BadRequestException", "subscriptions are taken over a WebSocket"))
        result = self._engine.run(operation, caller)
        if operation.kind == "mutation":
            self._tell_subscribers(operation, result)
        return to_answer(result)

    def _tell_subscribers(self, operation: Operation, result: ExecutionResult) -> None:
        for node in operation.fields:
            payload = (result.data or {}).get((node.alias or node.name).value)
            if isinstance(payload, Mapping):
                self._broker.publish(node.name.value, payload)


def _json(answer: Json, status: int) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json;charset=UTF-8")

"""AppSync's realtime protocol, without the socket: messages in, messages out.

    client                                         server
    connect ?header=<base64>&payload=<base64>
    connection_init                                connection_ack {connectionTimeoutMs}, ka …; or connection_error
    start {id, payload: {data, extensions}}        start_ack {id}; or error {id}
                                                   data {id, payload}, …
    stop {id}                                      complete {id}

Source: https://docs.aws.amazon.com/appsync/latest/devguide/real-time-websocket-client.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.appsync.broker import Broker, Subscription, authorize
from infra.local.appsync.callers import Callers
from infra.local.appsync.execution import Caller, Engine, Json, Operation, Refusal, refuse

CONNECTION_TIMEOUT_MS = 300_000
"""A client that hears nothing for this long connects anew."""
SUBSCRIPTIONS_MAX = 100
"""Of one connection. Source: AppSync's quotas."""
PROTOCOL_HEADER_PREFIX = "header-"
"""Browsers may send the header as a subprotocol, in base64url."""


class Connection:
    """One client."""

    def __init__(
        self, engine: Engine, broker: Broker, callers: Callers, address: str, header: str, send: Callable[[Json], None]
    ) -> None:
        """`header` is base64 of the JSON that a client signs in with; `send` must not wait for the client."""
        self._engine = engine
        self._broker = broker
        self._callers = callers
        self._address = address
        self._header = header
        self._send = send
        self._is_open = False
        self._number_by_id: dict[str, int] = {}

    def receive(self, text: str) -> bool:
        """Answer a message; whether the connection goes on."""
        try:
            message = json.loads(text)
            kind, name = message["type"], str(message.get("id", ""))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._send(_error({}, Refusal("UnsupportedOperation", "a message must be JSON with a type")))
            return True
        match kind:
            case "connection_init":
                return self._open()
            case "start" if self._is_open:
                self._start(name, message.get("payload"))
            case "stop":
                self._stop(name)
            case "connection_terminate":
                return False
            case _:
                self._send(_error({}, Refusal("UnsupportedOperation", f"a client must not send {kind!r} here")))
        return True

    def close(self) -> None:
        """The client is gone."""
        for number in self._number_by_id.values():
            self._broker.remove(number)
        self._number_by_id.clear()

    def _open(self) -> bool:
        try:
            headers = json.loads(base64.b64decode(self._header.replace("-", "+").replace("_", "/") + "=="))
        except (ValueError, RecursionError):
            headers = {}
        try:
            self._signed_in(headers)
        except Refusal as refusal:
            said = {"errorType": refusal.error_type, "message": str(refusal), "errorCode": 401}
            self._send({"type": "connection_error", "payload": {"errors": [said]}})
            return False
        self._is_open = True
        self._send({"type": "connection_ack", "payload": {"connectionTimeoutMs": CONNECTION_TIMEOUT_MS}})
        self._send({"type": "ka"})
        return True

    def _start(self, name: str, payload: Any) -> None:
        try:
            subscription = self._subscribe(name, payload)
        except Refusal as refusal:
            self._send(_error({"id": name}, refusal))
            return
        self._number_by_id[name] = self._broker.add(subscription)
        self._send({"type": "start_ack", "id": name})

    def _subscribe(self, name: str, payload: Any) -> Subscription:
        if not name or name in self._number_by_id:
            raise Refusal("DuplicatedOperationError", f"a subscription must have an id of its own but got {name!r}")
        if len(self._number_by_id) >= SUBSCRIPTIONS_MAX:
            raise Refusal("MaxSubscriptionsReachedError", f"a connection may have {SUBSCRIPTIONS_MAX} subscriptions")
        try:
            body = json.loads(payload["data"])
            headers = payload["extensions"]["authorization"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Refusal("BadRequestException", "payload must have data and extensions.authorization") from None
        caller = self._signed_in(headers)
        operation = self._engine.prepare(body if isinstance(body, Mapping) else {})
        if not isinstance(operation, Operation):
            raise _Refused(operation["errors"])
        field, arguments = authorize(self._engine, operation, caller)

        def send(answer: Json) -> None:
            self._send({"type": "data", "id": name, "payload": answer})

        return Subscription(field, arguments, operation, caller, send)

    def _stop(self, name: str) -> None:
        number = self._number_by_id.pop(name, None)
        if number is None:
            self._send(_error({"id": name}, Refusal("UnknownOperationError", f"there is no subscription {name!r}")))
            return
        self._broker.remove(number)
        self._send({"type": "complete", "id": name})

    def _signed_in(self, headers: Any) -> Caller:
        return self._callers.by_token(headers if isinstance(headers, Mapping) else {}, self._address)


class _Refused(Refusal):
    """A document that cannot run, with all its errors."""

    def __init__(self, errors: list[Json]) -> None:
        super().__init__("BadRequestException", errors[0]["message"])
        self.errors = errors


def _error(about: Json, refusal: Refusal) -> Json:
    errors = refusal.errors if isinstance(refusal, _Refused) else refuse(refusal)["errors"]
    return {"type": "error", **about, "payload": {"errors": errors}}

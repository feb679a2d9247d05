"""DynamoDB in front of moto: refuses what DynamoDB refuses and moto accepts, and honours `ClientRequestToken`."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from infra.local.moto_gate import MotoGate

BATCH_WRITE_MAX_ITEMS = 25
"""Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""

TOKEN_SECONDS = 600
"""How long a transaction's token is remembered. Source: API_TransactWriteItems.html"""


@dataclass(frozen=True, slots=True)
class _Remembered:
    digest: str
    body: bytes
    until: float


class DynamoDbFront:
    """The service `dynamodb`."""

    def __init__(self, gate: MotoGate) -> None:
        self._gate = gate
        self._tokens_busy = threading.Lock()
        self._remembered_by_token: dict[str, _Remembered] = {}

    def handle(self, request: Request) -> Response:
        """Serve one request."""
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if operation == "BatchWriteItem":
            return _refuse_big_batch(json.loads(request.get_data())) or self._gate.call_dynamodb(request)
        if operation == "TransactWriteItems":
            return self._transact(request)
        return self._gate.call_dynamodb(request)

    def _transact(self, request: Request) -> Response:
        body = json.loads(request.get_data())
        token = body.pop("ClientRequestToken", None)
        if token is None:
            return self._gate.call_dynamodb(request)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        # Held over the call: a client that times out sends the same token while the first request still runs.
        with self._tokens_busy:
            self._forget_old_tokens()
            remembered = self._remembered_by_token.get(token)
            if remembered is None:
                response = self._gate.call_dynamodb(request)
                if response.status_code == 200:
                    until = time.monotonic() + TOKEN_SECONDS
                    self._remembered_by_token[token] = _Remembered(digest, response.get_data(), until)
                return response
        if remembered.digest != digest:
            return _refusal(
                "IdempotentParameterMismatchException", "A ClientRequestToken was used again with another transaction"
            )
        return Response(remembered.body, 200, content_type="application/x-amz-json-1.0")

    def _forget_old_tokens(self) -> None:
        now = time.monotonic()
        for token in [token for token, kept in self._remembered_by_token.items() if kept.until < now]:
            del self._remembered_by_token[token]


def _refuse_big_batch(body: dict[str, Any]) -> Response | None:
    count = sum(len(requests) for requests in body.get("RequestItems", {}).values())
    if count <= BATCH_WRITE_MAX_ITEMS:
        return None
    return _refusal(
        "ValidationException",
        f"Too many items requested for the BatchWriteItem call: at most {BATCH_WRITE_MAX_ITEMS} but got {count}",
    )


def _refusal(code: str, message: str) -> Response:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return Response(json.dumps(body), 400, content_type="application/x-amz-json-1.0")

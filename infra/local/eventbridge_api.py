"""The part of EventBridge's API that production code calls: events of ours onto the bus of the stack."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request, Response

from infra.local.events import make_event

# Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
TARGET = "AWSEvents.PutEvents"
ENTRIES_MAX = 10
ENTRY_MAX_BYTES = 256 << 10
FIELDS = frozenset({"Source", "DetailType", "Detail", "Resources"})


class EventBridgeApi:
    """The service `events`."""

    def __init__(self, put: Callable[[dict[str, Any]], None]) -> None:
        """`put` takes an event in its envelope."""
        self._put = put

    def handle(self, request: Request) -> Response:
        """Serve one request."""
        target = request.headers.get("X-Amz-Target", "")
        if target != TARGET:
            return _refusal(f"The local stack's EventBridge knows {TARGET} but got {target}")
        entries = json.loads(request.get_data())["Entries"]
        if not 1 <= len(entries) <= ENTRIES_MAX:
            return _refusal(f"PutEvents takes 1 to {ENTRIES_MAX} entries but got {len(entries)}")
        answers = [self._take(entry) for entry in entries]
        failed = sum("ErrorCode" in answer for answer in answers)
        return _response({"FailedEntryCount": failed, "Entries": answers}, 200)

    def _take(self, entry: dict[str, Any]) -> dict[str, str]:
        if entry.keys() != FIELDS or entry["Source"].startswith("aws."):
            message = f"an entry must have {sorted(FIELDS)}, and no source of AWS's"
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
        if len(json.dumps(entry).encode()) > ENTRY_MAX_BYTES:
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": f"an entry may have {ENTRY_MAX_BYTES} bytes"}
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        self._put(make_event(entry["Source"], entry["DetailType"], detail, entry["Resources"]))
        return {"EventId": str(uuid.uuid4())}


def _refusal(message: str) -> Response:
    return _response({"__type": "ValidationException", "message": message}, 400)


def _response(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body), status, content_type="application/x-amz-json-1.1")

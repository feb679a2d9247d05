"""Fields of GraphQL that AppSync reads from the table by itself: their code, with the words of the service put into it.

The code lies in `infra/*.js`. Whatever it says to a client is asked of the service here, so that nothing is said twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.adapters.table import Table
from chalicelib.adapters.video_store import DynamoVideoStore
from chalicelib.api.graphql import lambda_entry
from chalicelib.domain.errors import TITLE_BY_CODE
from chalicelib.services.tenancy import TENANT_CLAIM
from chalicelib.wiring import using

CALLER = {"token_use": "access", "sub": "", TENANT_CLAIM: "t"}
EVENT_BY_REFUSAL: dict[str, tuple[dict[str, Any] | None, str]] = {
    "NO_TOKEN": (None, ""),
    "NO_ACCESS_TOKEN": ({"token_use": "id"}, ""),
    "NO_TENANT": ({"token_use": "access"}, ""),
    "NO_VIDEO": (CALLER, ""),
    "NO_ANSWER": (CALLER, "vid_" + "0" * 26),
}
"""Claims and a video's id that the service refuses, by the code's name for it; what ends the message is left out."""


def resolver_code(path: Path) -> str:
    """The code of a file, as AppSync takes it."""
    code = path.read_text(encoding="utf-8")
    titles = {str(kind): title for kind, title in TITLE_BY_CODE.items()}
    return code.replace("@TITLES@", json.dumps(titles)).replace("@REFUSALS@", json.dumps(_refusals()))


def _refusals() -> dict[str, Any]:
    # No other port is asked.
    ports: Any = _Ports()
    with using(ports):
        return {name: _ask(*event) for name, event in EVENT_BY_REFUSAL.items()}


def _ask(claims: dict[str, Any] | None, video_id: str) -> Any:
    answer = lambda_entry.resolve(
        {
            "info": {"parentTypeName": "Query", "fieldName": "video"},
            "arguments": {"videoId": video_id},
            "identity": None if claims is None else {"claims": claims},
        }
    )
    assert isinstance(answer, dict)
    return {name: answer[name] for name in ("errorMessage", "errorType", "errorInfo")}


class _Silent:
    """DynamoDB that does not answer."""

    def get_item(self, **_request: Any) -> Any:
        raise ClientError({"Error": {"Code": ""}}, "GetItem")


class _Ports:
    """The one port that reading a video asks, without an AWS behind it."""

    def __init__(self) -> None:
        silent: Any = _Silent()
        self.videos = DynamoVideoStore(Table(silent, ""))

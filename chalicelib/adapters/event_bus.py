"""Events of ours on EventBridge: what one function wants another one to do, soon and by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.clients import aws_errors
from chalicelib.contracts.event_patterns import OUR_SOURCE, WEBHOOK_DUE_TYPE
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.ids import TenantId, WebhookId

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

ENTRIES_PER_PUT = 10
"""Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""


class EventBridgeWaker:
    """The port `Waker`."""

    def __init__(self, make_client: Callable[[], EventBridgeClient], deployment: str) -> None:
        """All deployments of an account share the bus: `deployment`, the name of its table, tells whose event it is."""
        self._make_client = make_client
        self._deployment = deployment

    def wake(self, webhooks: Iterable[tuple[TenantId, WebhookId]]) -> None:
        entries: list[Any] = [
            {
                "Source": OUR_SOURCE,
                "DetailType": WEBHOOK_DUE_TYPE,
                "Resources": [self._deployment],
                "Detail": json.dumps({"tenant": tenant, "webhook_id": webhook_id}),
            }
            for tenant, webhook_id in webhooks
        ]
        for start in range(0, len(entries), ENTRIES_PER_PUT):
            with aws_errors("putting events"):
                answer = self._make_client().put_events(Entries=entries[start : start + ENTRIES_PER_PUT])
            if failed := answer["FailedEntryCount"]:
                raise DependencyFailed(f"putting events failed for {failed} of {len(entries)}")

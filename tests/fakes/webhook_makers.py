"""Webhooks and attempts, with what a test cares about as keywords."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.events import JobEventKind
from chalicelib.domain.ids import WebhookId
from chalicelib.domain.webhooks import Attempt, Outcome, Secret, Webhook, encode_secret
from tests.fakes.makers import JOB_ID, NOW, TENANT

WEBHOOK_ID = WebhookId("whk_" + "0" * 25 + "1")
SECRET = encode_secret(b"0123456789abcdef0123456789abcdef")


def make_webhook(**changes: Any) -> Webhook:
    """A webhook that is told of everything."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "webhook_id": WEBHOOK_ID,
        "url": "https://example.com/hook",
        "kinds": frozenset(JobEventKind),
        "secrets": (Secret(SECRET),),
        "created_at": NOW,
        "created_by": "somebody",
    }
    return Webhook(**{**fields, **changes})


def make_attempt(number: int = 1, **changes: Any) -> Attempt:
    """An attempt that was answered 503."""
    fields: dict[str, Any] = {
        "delivery_id": f"dlv_{number:026d}",
        "message_id": f"msg_{JOB_ID}_1",
        "job_id": JOB_ID,
        "seq": 1,
        "kind": "JOB_STATE_CHANGED",
        "number": number,
        "at": NOW,
        "outcome": Outcome.FAILED,
        "status": 503,
        "error": "the receiver answered 503",
        "duration_ms": 12,
        "retry_at": NOW,
    }
    return Attempt(**{**fields, **changes})

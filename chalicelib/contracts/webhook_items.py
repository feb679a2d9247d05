"""Items of webhooks and the domain's objects, both ways; beside `contracts/items.py`, and by its rules.

    WEBHOOK   version, state, url, kinds, secrets, created_at, created_by, description, disabled_reason
    QUEUE     notes, fence, lease_until, failed_turns, failing_since, rests_until, due (by `webhook_due_shard`)
    PENDING   known_seq, attempts, retry_at
    TOLD      seq: the last event of the job that is settled for the webhook
    DELIVERY  an attempt; expires_at
    DEAD      the same, of an event that was given up

`lease_until` is epoch seconds. Secrets are kept as they are: whoever may read the table may sign.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import time_from_text, time_to_text
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.ids import JobId, TenantId, WebhookId
from chalicelib.domain.webhooks import Attempt, DisabledReason, Outcome, Pending, Secret, Webhook, WebhookState


def webhook_to_item(webhook: Webhook) -> Item:
    """WEBHOOK."""
    return {
        "pk": table_keys.webhooks(webhook.tenant),
        "sk": table_keys.webhook(webhook.webhook_id),
        "kind": "WEBHOOK",
        "version": webhook.version,
        "state": webhook.state,
        "disabled_reason": webhook.disabled_reason,
        "url": webhook.url,
        "kinds": sorted(webhook.kinds),
        "secrets": [{"text": secret.text, "ends_at": _text(secret.ends_at)} for secret in webhook.secrets],
        "created_at": time_to_text(webhook.created_at),
        "created_by": webhook.created_by,
        "description": webhook.description,
    }


def webhook_from_item(item: Item) -> Webhook:
    """The webhook of a WEBHOOK item."""
    reason = item.get("disabled_reason")
    return Webhook(
        tenant=TenantId(table_keys.parse_partition(item["pk"])[0]),
        webhook_id=WebhookId(item["sk"].removeprefix(table_keys.WEBHOOK_PREFIX)),
        url=item["url"],
        kinds=frozenset(map(JobEventKind, item["kinds"])),
        secrets=tuple(Secret(form["text"], _time(form.get("ends_at"))) for form in item["secrets"]),
        created_at=time_from_text(item["created_at"]),
        created_by=item["created_by"],
        state=WebhookState(item["state"]),
        disabled_reason=DisabledReason(reason) if reason else None,
        description=item["description"],
        version=item["version"],
    )


def pending_from_item(item: Item) -> Pending:
    """What waits, of a PENDING item."""
    return Pending(
        job_id=JobId(item["sk"].removeprefix(table_keys.PENDING_PREFIX)),
        known_seq=item["known_seq"],
        attempts=item.get("attempts", 0),
        retry_at=_time(item.get("retry_at")),
    )


def attempt_to_item(webhook: Webhook, attempt: Attempt, prefix: str, expires_at: datetime) -> Item:
    """DELIVERY, or DEAD."""
    return {
        "pk": table_keys.partition(webhook.tenant, webhook.webhook_id),
        "sk": prefix + attempt.delivery_id,
        "kind": prefix.rstrip("#"),
        "message_id": attempt.message_id,
        "job_id": attempt.job_id,
        "seq": attempt.seq,
        "event": attempt.kind,
        "number": attempt.number,
        "at": time_to_text(attempt.at),
        "outcome": attempt.outcome,
        "status": attempt.status,
        "error": attempt.error,
        "duration_ms": attempt.duration_ms,
        "retry_at": _text(attempt.retry_at),
        "expires_at": int(expires_at.timestamp()),
    }


def attempt_from_item(item: Item) -> Attempt:
    """The attempt of a DELIVERY or DEAD item."""
    return Attempt(
        delivery_id=item["sk"].partition("#")[2],
        message_id=item["message_id"],
        job_id=JobId(item["job_id"]) if item.get("job_id") else None,
        seq=item.get("seq"),
        kind=item["event"],
        number=item["number"],
        at=time_from_text(item["at"]),
        outcome=Outcome(item["outcome"]),
        status=item.get("status"),
        error=item["error"],
        duration_ms=item["duration_ms"],
        retry_at=_time(item.get("retry_at")),
    )


def _text(moment: datetime | None) -> str | None:
    return time_to_text(moment) if moment else None


def _time(text: str | None) -> datetime | None:
    return time_from_text(text) if text else None

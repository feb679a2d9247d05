"""Webhooks and their messages, as clients and receivers see them."""

from __future__ import annotations

from typing import Any

from chalicelib.api import webhook_schemas as forms
from chalicelib.api.present import job_event_out
from chalicelib.contracts.items import time_to_text
from chalicelib.domain.events import JobEvent
from chalicelib.domain.webhooks import Attempt, Webhook
from chalicelib.services.ports import Ports


def webhook_out(ports: Ports, webhook: Webhook) -> forms.WebhookOut:
    """A webhook, without its secrets."""
    return forms.WebhookOut(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        kinds=sorted(webhook.kinds),
        state=webhook.state,
        description=webhook.description,
        created_at=time_to_text(webhook.created_at),
        created_by=webhook.created_by,
        secrets=len(webhook.secrets_at(ports.clock.now())),
        **_known(disabled_reason=webhook.disabled_reason),
    )


def delivery_out(attempt: Attempt) -> forms.DeliveryOut:
    """An attempt to deliver."""
    return forms.DeliveryOut(
        delivery_id=attempt.delivery_id,
        message_id=attempt.message_id,
        kind=attempt.kind,
        attempt=attempt.number,
        created_at=time_to_text(attempt.at),
        outcome=attempt.outcome,
        duration_ms=attempt.duration_ms,
        **_known(
            job_id=attempt.job_id,
            seq=attempt.seq,
            status=attempt.status,
            detail=attempt.error or None,
            retry_at=time_to_text(attempt.retry_at) if attempt.retry_at else None,
        ),
    )


def message_body(ports: Ports, event: JobEvent) -> bytes:
    """The message that tells of an event."""
    message = forms.MessageOut(
        type=event.kind, timestamp=time_to_text(event.created_at), data=job_event_out(ports, event)
    )
    return message.model_dump_json(exclude_unset=True).encode()


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

"""Making, changing, trying and deleting webhooks; sending is in `services/notifications.py`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from aws_lambda_powertools import Logger

from chalicelib.domain.errors import LimitExceeded, NotFound
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.ids import TenantId, WebhookId, is_id
from chalicelib.domain.jobs import Job
from chalicelib.domain.webhooks import (
    SECRET_BYTES,
    Attempt,
    Outcome,
    Pending,
    Secret,
    Webhook,
    WebhookState,
    encode_secret,
)
from chalicelib.services.dispatch import owner_of
from chalicelib.services.notifications import attempt, log_attempt, wake
from chalicelib.services.ports import Ports, VersionConflict

logger = Logger(service="reelscan", child=True)

MAX_WEBHOOKS = 10
"""Of a tenant: each one may keep a function busy."""
TEST_KIND = "TEST"
EVENTS_PER_READ = 1000


@dataclass(frozen=True, slots=True)
class Replayed:
    """Which events of a job are sent again: those after one `seq`, up to another."""

    after_seq: int
    last_seq: int


def create_webhook(
    ports: Ports, tenant: TenantId, *, url: str, kinds: frozenset[JobEventKind], description: str, by: str
) -> Webhook:
    """A webhook with a new secret, told of what happens from now on.

    Raises:
        InvalidRequest: nothing may be sent to the URL.
        LimitExceeded: the tenant has as many as it may have.
    """
    ports.notifier.check(url)
    if len(ports.webhooks.list(tenant)) >= MAX_WEBHOOKS:
        raise LimitExceeded(f"a tenant may have {MAX_WEBHOOKS} webhooks", hint="Delete one that is not needed")
    webhook = Webhook(
        tenant=tenant,
        webhook_id=WebhookId(ports.ids.make("whk")),
        url=url,
        kinds=kinds,
        secrets=(Secret(_new_secret()),),
        created_at=ports.clock.now(),
        created_by=by,
        description=description,
    )
    ports.webhooks.add(webhook)
    logger.info("webhook created", webhook_id=webhook.webhook_id)
    return webhook


def get_webhook(ports: Ports, tenant: TenantId, webhook_id: str) -> Webhook:
    """The webhook.

    Raises:
        NotFound: this tenant has no such webhook.
    """
    webhook = ports.webhooks.get(tenant, WebhookId(webhook_id)) if is_id("whk", webhook_id) else None
    if webhook is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return webhook


def list_webhooks(ports: Ports, tenant: TenantId) -> Sequence[Webhook]:
    """The tenant's webhooks, oldest first."""
    return ports.webhooks.list(tenant)


def change_webhook(
    ports: Ports,
    webhook: Webhook,
    *,
    url: str | None = None,
    kinds: frozenset[JobEventKind] | None = None,
    description: str | None = None,
    state: WebhookState | None = None,
) -> Webhook:
    """The webhook with what is given; made active, it is told of what waits.

    Raises:
        InvalidRequest: nothing may be sent to the URL.
        Conflict: it is disabled and was to be paused.
    """
    if url is not None and url != webhook.url:
        ports.notifier.check(url)

    def changed(found: Webhook) -> Webhook:
        moved = replace(
            found,
            url=url if url is not None else found.url,
            kinds=kinds if kinds is not None else found.kinds,
            description=description if description is not None else found.description,
        )
        return moved.in_state(state) if state is not None else moved

    saved = _change(ports, webhook, changed)
    if saved.state is WebhookState.ACTIVE and (state is not None or url is not None):
        # Whoever says so has mended something.
        wake(ports, [(saved.tenant, saved.webhook_id)], ends_rest=True)
    return saved


def rotate_secret(ports: Ports, webhook: Webhook, overlap_seconds: int) -> Webhook:
    """The webhook with a new secret; for a while, messages are signed with the one before it too."""
    text = _new_secret()
    rotated = _change(
        ports,
        webhook,
        lambda found: found.rotated(text, ports.clock.now(), timedelta(seconds=overlap_seconds)),
    )
    logger.info("webhook secret rotated", webhook_id=webhook.webhook_id)
    return rotated


def delete_webhook(ports: Ports, webhook: Webhook) -> None:
    """Forget the webhook and what waits for it."""
    ports.webhooks.delete(webhook)
    logger.info("webhook deleted", webhook_id=webhook.webhook_id)


def replay(ports: Ports, webhook: Webhook, job: Job, after_seq: int) -> Replayed:
    """Send the events of the job after this one again, with the ids that they had.

    Of what happened before the webhook was there, nothing is sent; a webhook that is not active sends when it is.
    """
    last = after_seq
    while page := ports.events.list(owner_of(job), last, EVENTS_PER_READ):
        last = page[-1].seq
    name = (webhook.tenant, webhook.webhook_id)
    ports.webhooks.tell_until(*name, job.job_id, after_seq, seen=None)
    if ports.webhooks.note(*name, job.job_id, last):
        # What it waited for does not count any more.
        ports.webhooks.postpone(*name, Pending(job.job_id, last))
        if webhook.state is WebhookState.ACTIVE:
            wake(ports, [name], ends_rest=True)
    return Replayed(after_seq, last)


def send_test(ports: Ports, webhook: Webhook, body: bytes) -> Attempt:
    """Send a message that tells of nothing, once and now, whatever the state of the webhook."""
    delivery_id = ports.ids.make("dlv")
    message, at = f"msg_test_{delivery_id}", ports.clock.now()
    reply = attempt(ports, webhook, message, body)
    made = Attempt(
        delivery_id=delivery_id,
        message_id=message,
        job_id=None,
        seq=None,
        kind=TEST_KIND,
        number=1,
        at=at,
        # Not given up: dead letters are what somebody missed.
        outcome=Outcome.FAILED if reply.error else Outcome.DELIVERED,
        status=reply.status,
        error=reply.error,
        duration_ms=reply.duration_ms,
    )
    log_attempt(ports, webhook, made)
    return made


def list_deliveries(
    ports: Ports, webhook: Webhook, after: str | None, limit: int, *, only_given_up: bool
) -> Sequence[Attempt]:
    """Attempts to deliver, newest first."""
    return ports.webhooks.list_attempts(webhook, after, limit, only_given_up=only_given_up)


def _change(ports: Ports, webhook: Webhook, change: Callable[[Webhook], Webhook]) -> Webhook:
    while True:
        try:
            return ports.webhooks.save(change(webhook))
        except VersionConflict:
            webhook = get_webhook(ports, webhook.tenant, webhook.webhook_id)


def _new_secret() -> str:
    return encode_secret(secrets.token_bytes(SECRET_BYTES))

"""Routes of webhooks."""

from __future__ import annotations

import json

from chalicelib.api import schemas
from chalicelib.api import webhook_schemas as forms
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.typed import Call, Routes
from chalicelib.api.webhook_present import delivery_out, webhook_out
from chalicelib.contracts.items import time_to_text
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.webhooks import Outcome, Webhook, WebhookState
from chalicelib.services import webhooks
from chalicelib.services.jobs import get_job
from chalicelib.services.tenancy import WEBHOOK_SCOPE

routes = Routes()


@routes.post("/webhooks", summary="Make a webhook", status=201, problems=(400, 401, 403, 409, 413))
def create_webhook(call: Call, body: forms.WebhookIn) -> forms.WebhookSecretOut:
    """It is told what happens to jobs from now on, each message signed with the secret of this answer.

    The secret is shown this once. The token needs the scope `reelscan/webhooks`, as for all that changes webhooks.
    """
    _check_scope(call)
    made = webhooks.create_webhook(
        call.ports,
        call.claims.tenant,
        url=body.url,
        kinds=frozenset(body.kinds),
        description=body.description,
        by=call.claims.subject,
    )
    return _with_secret(call, made)


@routes.get("/webhooks", summary="List webhooks", problems=(401,))
def list_webhooks(call: Call) -> forms.WebhooksPage:
    """All of the tenant's, oldest first; there are ten at most."""
    found = webhooks.list_webhooks(call.ports, call.claims.tenant)
    return forms.WebhooksPage(items=[webhook_out(call.ports, one) for one in found], next_cursor=None)


@routes.get("/webhooks/{webhook_id}", summary="Read a webhook", problems=(401, 404))
def get_webhook(call: Call, webhook_id: str) -> forms.WebhookEnvelope:
    """Its state, and why it is disabled if it is."""
    return _envelope(call, _find(call, webhook_id))


@routes.patch("/webhooks/{webhook_id}", summary="Change a webhook", problems=(400, 401, 403, 404, 409))
def change_webhook(call: Call, webhook_id: str, body: forms.WebhookChangeIn) -> forms.WebhookEnvelope:
    """Its URL, what it is told of, or its state: made active, it is told of what waits."""
    webhook = _find(call, webhook_id)
    _check_scope(call)
    changed = webhooks.change_webhook(
        call.ports,
        webhook,
        url=body.url,
        kinds=frozenset(body.kinds) if body.kinds is not None else None,
        description=body.description,
        state=WebhookState(body.state) if body.state is not None else None,
    )
    return _envelope(call, changed)


@routes.delete("/webhooks/{webhook_id}", summary="Delete a webhook", status=204, problems=(401, 403, 404))
def delete_webhook(call: Call, webhook_id: str) -> None:
    """What waits for it is never sent."""
    webhook = _find(call, webhook_id)
    _check_scope(call)
    webhooks.delete_webhook(call.ports, webhook)


@routes.post("/webhooks/{webhook_id}/rotate", summary="Give a webhook a new secret", problems=(400, 401, 403, 404, 409))
def rotate_secret(call: Call, webhook_id: str, body: forms.RotateIn) -> forms.WebhookSecretOut:
    """Until the overlap ends, messages have a signature of the new secret and one of the one before it.

    The secret is shown this once. A rotation during another one ends the oldest secret.
    """
    webhook = _find(call, webhook_id)
    _check_scope(call)
    return _with_secret(call, webhooks.rotate_secret(call.ports, webhook, body.overlap_seconds))


@routes.post(
    "/webhooks/{webhook_id}/replay",
    summary="Send events of a job again",
    status=202,
    problems=(400, 401, 403, 404, 409),
)
def replay(call: Call, webhook_id: str, body: forms.ReplayIn) -> forms.ReplayOut:
    """Those after `after_seq`, in order, with the message ids that they had; as far as they are kept."""
    webhook = _find(call, webhook_id)
    _check_scope(call)
    job = get_job(call.ports, call.claims.tenant, body.job_id)
    replayed = webhooks.replay(call.ports, webhook, job, body.after_seq)
    return forms.ReplayOut(job_id=job.job_id, after_seq=replayed.after_seq, last_seq=replayed.last_seq)


@routes.post("/webhooks/{webhook_id}/test", summary="Try a webhook", problems=(400, 401, 403, 404, 409))
def test_webhook(call: Call, webhook_id: str, body: schemas.Nothing) -> forms.DeliveryEnvelope:  # noqa: ARG001  no fields
    """A signed message of type TEST is sent once, and the answer says what came of it."""
    webhook = _find(call, webhook_id)
    _check_scope(call)
    message = {
        "type": webhooks.TEST_KIND,
        "timestamp": time_to_text(call.ports.clock.now()),
        "data": {"webhook_id": webhook.webhook_id},
    }
    made = webhooks.send_test(call.ports, webhook, json.dumps(message).encode())
    return forms.DeliveryEnvelope(delivery=delivery_out(made))


@routes.get("/webhooks/{webhook_id}/deliveries", summary="List attempts to deliver", problems=(400, 401, 404))
def list_deliveries(call: Call, webhook_id: str, query: forms.DeliveriesQuery) -> forms.DeliveriesPage:
    """The newest first; with `outcome=GIVEN_UP` the dead letters."""
    webhook = _find(call, webhook_id)
    scope = f"deliveries|{webhook.webhook_id}|{query.outcome}"
    found = webhooks.list_deliveries(
        call.ports,
        webhook,
        listed_after(call, scope, query.cursor),
        query.limit,
        only_given_up=query.outcome == Outcome.GIVEN_UP,
    )
    cursor = next_cursor(call, scope, [one.delivery_id for one in found], query.limit)
    return forms.DeliveriesPage(items=[delivery_out(one) for one in found], next_cursor=cursor)


def _find(call: Call, webhook_id: str) -> Webhook:
    return webhooks.get_webhook(call.ports, call.claims.tenant, webhook_id)


def _check_scope(call: Call) -> None:
    if WEBHOOK_SCOPE not in call.claims.scopes:
        raise Forbidden(f"the access token must have the scope {WEBHOOK_SCOPE} to change webhooks")


def _envelope(call: Call, webhook: Webhook) -> forms.WebhookEnvelope:
    return forms.WebhookEnvelope(webhook=webhook_out(call.ports, webhook))


def _with_secret(call: Call, webhook: Webhook) -> forms.WebhookSecretOut:
    return forms.WebhookSecretOut(webhook=webhook_out(call.ports, webhook), secret=webhook.secrets[0].text)

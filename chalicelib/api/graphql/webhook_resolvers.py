"""Resolvers of webhooks, each thin over what REST calls too; part of the table in `resolvers.py`."""

from __future__ import annotations

from chalicelib.api import schemas, webhooks
from chalicelib.api import webhook_schemas as forms
from chalicelib.api.graphql.asking import Asked, Fields, once, read_form, read_page
from chalicelib.api.graphql.words import to_graphql
from chalicelib.api.typed import Call


def get_webhook(call: Call, asked: Asked) -> Fields:
    """Query.webhook."""
    return to_graphql(webhooks.get_webhook(call, asked.arguments["webhookId"]).webhook)


def list_webhooks(call: Call, _asked: Asked) -> Fields:
    """Query.webhooks."""
    return to_graphql(webhooks.list_webhooks(call))


def list_deliveries(call: Call, asked: Asked) -> Fields:
    """Webhook.deliveries."""
    page = read_page(asked, forms.DeliveriesQuery)
    return to_graphql(webhooks.list_deliveries(call, asked.source["webhookId"], page))


def create_webhook(call: Call, asked: Asked) -> Fields:
    """Mutation.createWebhook."""
    form = read_form(forms.WebhookIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(webhooks.create_webhook(call, form)))


def change_webhook(call: Call, asked: Asked) -> Fields:
    """Mutation.changeWebhook."""
    form = read_form(forms.WebhookChangeIn, asked.arguments["input"])
    name = asked.arguments["webhookId"]
    return once(call, asked, lambda: to_graphql(webhooks.change_webhook(call, name, form).webhook))


def delete_webhook(call: Call, asked: Asked) -> Fields:
    """Mutation.deleteWebhook."""

    def delete() -> Fields:
        name = asked.arguments["webhookId"]
        found = webhooks.get_webhook(call, name).webhook
        webhooks.delete_webhook(call, name)
        return to_graphql(found)

    return once(call, asked, delete)


def rotate_secret(call: Call, asked: Asked) -> Fields:
    """Mutation.rotateWebhookSecret."""
    form = read_form(forms.RotateIn, asked.arguments["input"])
    name = asked.arguments["webhookId"]
    return once(call, asked, lambda: to_graphql(webhooks.rotate_secret(call, name, form)))


def replay(call: Call, asked: Asked) -> Fields:
    """Mutation.replayWebhook."""
    form = read_form(forms.ReplayIn, asked.arguments["input"])
    name = asked.arguments["webhookId"]
    return once(call, asked, lambda: to_graphql(webhooks.replay(call, name, form)))


def test_webhook(call: Call, asked: Asked) -> Fields:
    """Mutation.testWebhook."""
    name = asked.arguments["webhookId"]
    return once(call, asked, lambda: to_graphql(webhooks.test_webhook(call, name, schemas.Nothing()).delivery))

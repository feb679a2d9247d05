"""WEBHOOK, QUEUE, PENDING, TOLD and DELIVERY items in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.adapters.video_store import put_version
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire
from chalicelib.contracts.items import time_from_text, time_to_text
from chalicelib.contracts.webhook_items import (
    attempt_from_item,
    attempt_to_item,
    pending_from_item,
    webhook_from_item,
    webhook_to_item,
)
from chalicelib.domain.ids import JobId, TenantId, WebhookId
from chalicelib.domain.webhooks import Attempt, Outcome, Pending, Webhook
from chalicelib.services.webhook_ports import Standing, Turn


class DynamoWebhookStore:
    """The port `WebhookStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add(self, webhook: Webhook) -> None:
        put_version(self._meta, webhook_to_item(webhook), seen=0)

    def get(self, tenant: TenantId, webhook_id: WebhookId) -> Webhook | None:
        item = self._meta.get(table_keys.webhooks(tenant), table_keys.webhook(webhook_id))
        return webhook_from_item(item) if item else None

    def save(self, webhook: Webhook) -> Webhook:
        saved = replace(webhook, version=webhook.version + 1)
        put_version(self._meta, webhook_to_item(saved), seen=webhook.version)
        return saved

    def list(self, tenant: TenantId) -> Sequence[Webhook]:
        items = self._meta.query(table_keys.webhooks(tenant), table_keys.WEBHOOK_PREFIX)
        return [webhook_from_item(item) for item in items]

    def delete(self, webhook: Webhook) -> None:
        pk = table_keys.partition(webhook.tenant, webhook.webhook_id)
        # The webhook first: what is noted or sent from then on finds none.
        self._meta.delete(table_keys.webhooks(webhook.tenant), table_keys.webhook(webhook.webhook_id))
        waiting = [(pk, item["sk"]) for item in self._meta.query(pk, table_keys.PENDING_PREFIX)]
        self._meta.write_many(deletes=[(pk, table_keys.WEBHOOK_QUEUE), *waiting])

    def note(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId, seq: int) -> bool:
        if self.told_until(tenant, webhook_id, job_id) >= seq:
            return False
        try:
            self._update(
                _pending_key(tenant, webhook_id, job_id),
                "SET #kind = :kind, known_seq = :seq",
                {":kind": "PENDING", ":seq": seq},
                # Records of the stream come again: what is known to wait must not seem to be less.
                "attribute_not_exists(known_seq) OR known_seq < :seq",
                names={"#kind": "kind"},
            )
        except ConditionFailed:
            return True
        return True

    def make_due(self, tenant: TenantId, webhook_id: WebhookId, due_at: datetime, *, ends_rest: bool = False) -> None:
        key = _queue_key(tenant, webhook_id)
        shard = table_keys.webhook_due_shard(key["pk"])
        values = {":kind": "QUEUE", ":one": 1, ":due": due_at.timestamp(), ":shard": shard}
        counted = "SET #kind = :kind, notes = if_not_exists(notes, :zero) + :one"
        rest = " REMOVE rests_until" if ends_rest else ""
        try:
            self._update(
                key,
                f"{counted}, due_at = :due, due_shard = :shard{rest}",
                {**values, ":zero": 0},
                # A turn that is due earlier stays so.
                "attribute_not_exists(due_at) OR due_at > :due",
                names={"#kind": "kind"},
            )
        except ConditionFailed:
            counting = {":kind": "QUEUE", ":one": 1, ":zero": 0}
            self._update(key, counted + rest, counting, names={"#kind": "kind"})

    def begin_turn(
        self, tenant: TenantId, webhook_id: WebhookId, fence: str, *, now: datetime, until: datetime
    ) -> Turn | None:
        key = _queue_key(tenant, webhook_id)
        # Nobody has the turn, or whoever had it is gone; or we took it, and the answer was lost.
        is_free = "attribute_not_exists(lease_until) OR lease_until <= :now OR fence = :fence"
        try:
            self._update(
                key,
                # Should we die, the schedule finds it when the lease has ended.
                "SET fence = :fence, lease_until = :until, due_at = :until, due_shard = :shard",
                {
                    ":fence": fence,
                    ":until": until.timestamp(),
                    ":now": now.timestamp(),
                    ":shard": table_keys.webhook_due_shard(key["pk"]),
                },
                f"attribute_exists(pk) AND ({is_free})",
            )
        except ConditionFailed:
            return None
        item = self._meta.get(key["pk"], key["sk"])
        return _turn(item, tenant, webhook_id, fence) if item else None

    def end_turn(self, turn: Turn, due_at: datetime | None, standing: Standing) -> bool:
        key = _queue_key(turn.tenant, turn.webhook_id)
        is_ours = "fence = :fence"
        sets = "SET failed_turns = :turns, failing_since = :since, rests_until = :rest"
        values: Item = {
            ":fence": turn.fence,
            ":turns": standing.failed_turns,
            ":since": _text(standing.failing_since),
            ":rest": _text(standing.rests_until),
        }
        removed = "fence, lease_until"
        if due_at is None:
            update, due = f"{sets} REMOVE {removed}, due_at, due_shard", {}
        else:
            update, due = f"{sets}, due_at = :due REMOVE {removed}", {":due": due_at.timestamp()}
        try:
            self._update(key, update, {**values, **due, ":notes": turn.notes}, f"{is_ours} AND notes = :notes")
        except ConditionFailed as error:
            if error.item is None or error.item.get("fence") != turn.fence:
                # It was forgotten, or is somebody else's; or we did give it back, and the answer was lost.
                return True
            with suppress(ConditionFailed):
                # Refused when we did it just now, and the answer was lost.
                self._update(key, f"{sets} REMOVE {removed}", values, is_ours)
            return False
        return True

    def list_due(self, now: datetime, limit: int) -> Sequence[tuple[TenantId, WebhookId]]:
        keys: list[dict[str, Any]] = []
        for shard in range(table_keys.DUE_SHARDS):
            values = {":shard": f"webhooks#{shard}", ":now": now.timestamp()}
            condition = "due_shard = :shard AND due_at <= :now"
            keys += self._meta.query_index(table_keys.DUE_INDEX, condition, values, limit=limit)
        keys.sort(key=lambda key: float(key["due_at"]))
        parts = (table_keys.parse_partition(key["pk"]) for key in keys[:limit])
        return [(TenantId(tenant), WebhookId(webhook_id)) for tenant, webhook_id in parts]

    def list_pending(self, tenant: TenantId, webhook_id: WebhookId) -> Iterator[Pending]:
        items = self._meta.query(table_keys.partition(tenant, webhook_id), table_keys.PENDING_PREFIX)
        return (pending_from_item(item) for item in items)

    def get_pending(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> Pending | None:
        item = self._meta.get(table_keys.partition(tenant, webhook_id), table_keys.pending(job_id))
        return pending_from_item(item) if item else None

    def postpone(self, tenant: TenantId, webhook_id: WebhookId, pending: Pending) -> None:
        try:
            self._update(
                _pending_key(tenant, webhook_id, pending.job_id),
                "SET attempts = :attempts, retry_at = :retry",
                {":attempts": pending.attempts, ":retry": _text(pending.retry_at)},
                # What was forgotten in the meantime must not come back.
                "attribute_exists(known_seq)",
            )
        except ConditionFailed:
            return

    def drop_pending(self, tenant: TenantId, webhook_id: WebhookId, pending: Pending) -> bool:
        key = _pending_key(tenant, webhook_id, pending.job_id)
        try:
            # Nothing was noted since we read.
            is_all = "attribute_not_exists(known_seq) OR known_seq = :seen"
            self._meta.delete(key["pk"], key["sk"], is_all, {":seen": pending.known_seq})
        except ConditionFailed:
            return False
        return True

    def told_until(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> int:
        item = self._meta.get(table_keys.partition(tenant, job_id), table_keys.told(webhook_id))
        return item["seq"] if item else 0

    def tell_until(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId, seq: int, *, seen: int | None) -> bool:
        key = {"pk": table_keys.partition(tenant, job_id), "sk": table_keys.told(webhook_id)}
        values: Item = {":kind": "TOLD", ":seq": seq}
        # A replay in the meantime must not be undone; and our own write, whose answer was lost, is none.
        condition = "seq = :seen OR seq = :seq"
        if seen is not None:
            values[":seen"] = seen
            condition += "" if seen else " OR attribute_not_exists(seq)"
        try:
            self._update(
                key,
                "SET #kind = :kind, seq = :seq",
                values,
                "" if seen is None else condition,
                names={"#kind": "kind"},
            )
        except ConditionFailed:
            return False
        return True

    def log(self, webhook: Webhook, attempt: Attempt, expires_at: datetime) -> None:
        prefixes = [table_keys.DELIVERY_PREFIX]
        if attempt.outcome is Outcome.GIVEN_UP:
            prefixes.append(table_keys.DEAD_PREFIX)
        for prefix in prefixes:
            self._meta.put(attempt_to_item(webhook, attempt, prefix, expires_at))

    def list_attempts(
        self, webhook: Webhook, after: str | None, limit: int, *, only_given_up: bool
    ) -> Sequence[Attempt]:
        prefix = table_keys.DEAD_PREFIX if only_given_up else table_keys.DELIVERY_PREFIX
        items = self._meta.query(
            table_keys.partition(webhook.tenant, webhook.webhook_id),
            prefix,
            after=prefix + after if after else None,
            limit=limit,
            backwards=True,
        )
        return [attempt_from_item(item) for item in items]

    def _update(
        self, key: Item, expression: str, values: Item, condition: str = "", names: dict[str, str] | None = None
    ) -> None:
        request: dict[str, Any] = {
            "TableName": self._meta.name,
            "Key": item_to_wire(key),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": item_to_wire(values),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if names:
            request["ExpressionAttributeNames"] = names
        if condition:
            request["ConditionExpression"] = condition
        self._meta.update(request)


def _queue_key(tenant: TenantId, webhook_id: WebhookId) -> Item:
    return {"pk": table_keys.partition(tenant, webhook_id), "sk": table_keys.WEBHOOK_QUEUE}


def _pending_key(tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> Item:
    return {"pk": table_keys.partition(tenant, webhook_id), "sk": table_keys.pending(job_id)}


def _turn(item: Item, tenant: TenantId, webhook_id: WebhookId, fence: str) -> Turn:
    standing = Standing(
        failed_turns=item.get("failed_turns", 0),
        failing_since=_time(item.get("failing_since")),
        rests_until=_time(item.get("rests_until")),
    )
    return Turn(tenant, webhook_id, fence, item["notes"], standing)


def _text(moment: datetime | None) -> str:
    """An expression cannot leave a value out."""
    return time_to_text(moment) if moment else ""


def _time(text: str | None) -> datetime | None:
    return time_from_text(text) if text else None

"""Webhooks in memory, receivers that do what a test tells them, and a waker that notes whom it woke."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.ids import JobId, TenantId, WebhookId
from chalicelib.domain.receivers import parse_receiver
from chalicelib.domain.webhooks import Attempt, Outcome, Pending, Webhook
from chalicelib.services.ports import VersionConflict
from chalicelib.services.webhook_ports import Reply, Standing, Turn
from tests.fakes.memory import Memory, WebhookQueue

Name = tuple[TenantId, WebhookId]


class FakeWebhookStore:
    """The port `WebhookStore`; nothing expires."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, webhook: Webhook) -> None:
        if self.get(webhook.tenant, webhook.webhook_id):
            raise VersionConflict(f"webhook {webhook.webhook_id} is there")
        self._memory.webhooks[webhook.tenant, webhook.webhook_id] = webhook

    def get(self, tenant: TenantId, webhook_id: WebhookId) -> Webhook | None:
        return self._memory.webhooks.get((tenant, webhook_id))

    def save(self, webhook: Webhook) -> Webhook:
        stored = self.get(webhook.tenant, webhook.webhook_id)
        if stored is None or stored.version != webhook.version:
            raise VersionConflict(f"webhook {webhook.webhook_id} was changed")
        saved = replace(webhook, version=webhook.version + 1)
        self._memory.webhooks[webhook.tenant, webhook.webhook_id] = saved
        return saved

    def list(self, tenant: TenantId) -> Sequence[Webhook]:
        found = [webhook for webhook in self._memory.webhooks.values() if webhook.tenant == tenant]
        return sorted(found, key=lambda webhook: webhook.webhook_id)

    def delete(self, webhook: Webhook) -> None:
        name = (webhook.tenant, webhook.webhook_id)
        self._memory.webhooks.pop(name, None)
        self._memory.webhook_queues.pop(name, None)
        self._memory.webhook_pending.pop(name, None)

    def note(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId, seq: int) -> bool:
        if self.told_until(tenant, webhook_id, job_id) >= seq:
            return False
        waiting = self._memory.webhook_pending.setdefault((tenant, webhook_id), {})
        known = waiting.get(job_id)
        if known is None or known.known_seq < seq:
            waiting[job_id] = replace(known, known_seq=seq) if known else Pending(job_id, seq)
        return True

    def make_due(self, tenant: TenantId, webhook_id: WebhookId, due_at: datetime, *, ends_rest: bool = False) -> None:
        queue = self._memory.webhook_queues.setdefault((tenant, webhook_id), WebhookQueue())
        queue.notes += 1
        if ends_rest:
            queue.standing = replace(queue.standing, rests_until=None)
        if queue.due_at is None or queue.due_at > due_at:
            queue.due_at = due_at

    def begin_turn(
        self, tenant: TenantId, webhook_id: WebhookId, fence: str, *, now: datetime, until: datetime
    ) -> Turn | None:
        queue = self._memory.webhook_queues.get((tenant, webhook_id))
        if queue is None or (queue.lease_until is not None and queue.lease_until > now and queue.fence != fence):
            return None
        queue.fence, queue.lease_until, queue.due_at = fence, until, until
        return Turn(tenant, webhook_id, fence, queue.notes, queue.standing)

    def end_turn(self, turn: Turn, due_at: datetime | None, standing: Standing) -> bool:
        queue = self._memory.webhook_queues.get((turn.tenant, turn.webhook_id))
        if queue is None or queue.fence != turn.fence:
            return True
        queue.fence, queue.lease_until = "", None
        queue.standing = standing
        if queue.notes != turn.notes:
            return False
        queue.due_at = due_at
        return True

    def list_due(self, now: datetime, limit: int) -> Sequence[Name]:
        queues = self._memory.webhook_queues.items()
        due = [(queue.due_at, name) for name, queue in queues if queue.due_at is not None and queue.due_at <= now]
        return [name for _, name in sorted(due)][:limit]

    def list_pending(self, tenant: TenantId, webhook_id: WebhookId) -> Iterator[Pending]:
        waiting = self._memory.webhook_pending.get((tenant, webhook_id), {})
        return iter([waiting[job_id] for job_id in sorted(waiting)])

    def get_pending(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> Pending | None:
        return self._memory.webhook_pending.get((tenant, webhook_id), {}).get(job_id)

    def postpone(self, tenant: TenantId, webhook_id: WebhookId, pending: Pending) -> None:
        waiting = self._memory.webhook_pending.get((tenant, webhook_id), {})
        if pending.job_id in waiting:
            changed = replace(waiting[pending.job_id], attempts=pending.attempts, retry_at=pending.retry_at)
            waiting[pending.job_id] = changed

    def drop_pending(self, tenant: TenantId, webhook_id: WebhookId, pending: Pending) -> bool:
        waiting = self._memory.webhook_pending.get((tenant, webhook_id), {})
        known = waiting.get(pending.job_id)
        if known is not None and known.known_seq != pending.known_seq:
            return False
        waiting.pop(pending.job_id, None)
        return True

    def told_until(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> int:
        return self._memory.webhook_told.get((tenant, job_id), {}).get(webhook_id, 0)

    def tell_until(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId, seq: int, *, seen: int | None) -> bool:
        if seen is not None and self.told_until(tenant, webhook_id, job_id) not in (seen, seq):
            return False
        self._memory.webhook_told.setdefault((tenant, job_id), {})[webhook_id] = seq
        return True

    def log(self, webhook: Webhook, attempt: Attempt, expires_at: datetime) -> None:
        log = self._memory.webhook_log.setdefault((webhook.tenant, webhook.webhook_id), {})
        log[attempt.delivery_id] = attempt

    def list_attempts(
        self, webhook: Webhook, after: str | None, limit: int, *, only_given_up: bool
    ) -> Sequence[Attempt]:
        log = self._memory.webhook_log.get((webhook.tenant, webhook.webhook_id), {})
        newest = (log[name] for name in sorted(log, reverse=True) if after is None or name < after)
        return [one for one in newest if not only_given_up or one.outcome is Outcome.GIVEN_UP][:limit]


@dataclass(frozen=True)
class Sent:
    """A message that came to a receiver."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class FakeNotifier:
    """The port `Notifier`: every host resolves to a public address."""

    sent: list[Sent] = field(default_factory=list)
    answer: Callable[[Sent], Reply] = lambda _: Reply(204, "", 1)

    def check(self, url: str) -> None:
        parse_receiver(url)

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.sent.append(Sent(url, headers, body))
        return self.answer(self.sent[-1])


@dataclass
class FakeWaker:
    """The port `Waker`."""

    woken: list[Name] = field(default_factory=list)
    failures_left: int = 0

    def wake(self, webhooks: Iterable[Name]) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise DependencyFailed("told to fail")
        self.woken += webhooks

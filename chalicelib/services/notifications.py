"""Telling webhooks what happens to jobs: noting what waits, and sending it in turns.

The stream of the table notes (`note_events`): which webhook has events of which job to be told of. That is a few small
writes, whatever its receivers do. Sending (`take_turn`) is somebody else's: one turn at a time for each webhook, so a
receiver that is slow or dead keeps nobody waiting but itself. In a turn several jobs are told of side by side, and the
events of each one after the other: the next one is not sent before the one before is delivered or given up.

At least once: what is settled is recorded after it was sent. Who dies in between leaves its turn to end, and the
schedule (`wake_due`) has the next one taken, with the same id for the same event.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from aws_lambda_powertools import Logger

from chalicelib.domain.errors import DependencyFailed, NotFound
from chalicelib.domain.events import JobEvent
from chalicelib.domain.ids import TenantId, WebhookId
from chalicelib.domain.webhooks import (
    DISABLED_AFTER,
    GONE_STATUS,
    RETRY_SECONDS,
    Attempt,
    DisabledReason,
    Outcome,
    Pending,
    Webhook,
    WebhookState,
    message_id,
    retry_pause,
    sign,
)
from chalicelib.services.ports import Owner, Ports, VersionConflict
from chalicelib.services.webhook_ports import Reply, Standing, Turn

logger = Logger(service="reelscan", child=True)

Render = Callable[[Ports, JobEvent], bytes]
"""The body of the message that tells of an event; the same bytes each time."""

SENDING_SECONDS = 30
"""Of a turn, in which attempts begin; the last one may take ten more."""
TURN_SECONDS = 60
"""After which whoever has the turn is gone; the timeout of the function that takes it."""
JOBS_PER_TURN = 200
EVENTS_PER_READ = 100
BREAK_OFF_AFTER = 8
"""Failures in a turn without a delivery: the receiver is down, and the other jobs need not try it."""
LONGEST_REST_SECONDS = 3600
DUE_PER_PASS = 200
LOG_DAYS = 7
DEAD_DAYS = 30


def note_events(ports: Ports, events: Sequence[JobEvent]) -> None:
    """Record which webhooks are to be told of these events, and have that done."""
    webhooks_by_tenant: dict[TenantId, Sequence[Webhook]] = {}
    waiting: dict[tuple[TenantId, WebhookId], WebhookState] = {}
    for event in events:
        if event.tenant not in webhooks_by_tenant:
            webhooks_by_tenant[event.tenant] = ports.webhooks.list(event.tenant)
        for webhook in webhooks_by_tenant[event.tenant]:
            name = (webhook.tenant, webhook.webhook_id)
            if webhook.wants(event) and ports.webhooks.note(*name, event.job_id, event.seq):
                waiting[name] = webhook.state
    # While a webhook is paused, what waits is noted and nothing is due.
    wake(ports, [name for name, state in waiting.items() if state is WebhookState.ACTIVE])


def wake(ports: Ports, webhooks: Sequence[tuple[TenantId, WebhookId]], *, ends_rest: bool = False) -> None:
    """Have what waits for these webhooks sent now; with `ends_rest` also where the receiver is taken for down."""
    for name in webhooks:
        ports.webhooks.make_due(*name, ports.clock.now(), ends_rest=ends_rest)
    _call(ports, webhooks)


def wake_due(ports: Ports) -> int:
    """The schedule: have every turn taken that is due; their number."""
    due = ports.webhooks.list_due(ports.clock.now(), DUE_PER_PASS)
    _call(ports, due)
    return len(due)


def take_turn(ports: Ports, tenant: TenantId, webhook_id: WebhookId, render: Render) -> None:
    """Send what waits for a webhook, as far as time allows; nothing while somebody else does."""
    now = ports.clock.now()
    fence = ports.ids.make("trn")
    turn = ports.webhooks.begin_turn(tenant, webhook_id, fence, now=now, until=now + timedelta(seconds=TURN_SECONDS))
    if turn is None:
        return
    webhook = ports.webhooks.get(tenant, webhook_id)
    if webhook is None or webhook.state is not WebhookState.ACTIVE:
        ports.webhooks.end_turn(turn, None, Standing())
        return
    rests_until = turn.standing.rests_until
    if rests_until is not None and now < rests_until:
        ports.webhooks.end_turn(turn, rests_until, turn.standing)
        return
    sending = _Sending(ports, webhook, render, stop_at=now + timedelta(seconds=SENDING_SECONDS))
    ready = islice((one for one in ports.webhooks.list_pending(tenant, webhook_id) if one.is_ready(now)), JOBS_PER_TURN)
    sending.send_all(list(ready))
    _end_turn(ports, turn, sending)


def attempt(ports: Ports, webhook: Webhook, message: str, body: bytes) -> Reply:
    """Sign a message with every secret that holds, and send it once."""
    now = ports.clock.now()
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(webhook.secrets_at(now), message, timestamp, body),
    }
    return ports.notifier.send(webhook.url, headers, body)


def log_attempt(ports: Ports, webhook: Webhook, made: Attempt) -> None:
    """Keep an attempt for the client to look at."""
    days = DEAD_DAYS if made.outcome is Outcome.GIVEN_UP else LOG_DAYS
    ports.webhooks.log(webhook, made, made.at + timedelta(days=days))
    logger.info(
        "webhook attempt",
        webhook_id=webhook.webhook_id,
        message_id=made.message_id,
        outcome=made.outcome,
        n=made.number,
    )


@dataclass(slots=True)
class _Sending:
    """What happens in one turn. Several threads share it; a count that is one too low does no harm."""

    ports: Ports
    webhook: Webhook
    render: Render
    stop_at: datetime
    delivered: int = 0
    failed: int = 0
    is_gone: bool = False

    @property
    def is_broken_off(self) -> bool:
        """Whether the receiver is taken for down."""
        return not self.delivered and self.failed >= BREAK_OFF_AFTER

    @property
    def is_over(self) -> bool:
        return self.is_gone or self.is_broken_off or self.ports.clock.now() >= self.stop_at

    def send_all(self, ready: Sequence[Pending]) -> None:
        """What waits of these jobs, several of them side by side."""
        connections = self.ports.limits.webhook_connections
        if connections == 1 or len(ready) < 2:
            for pending in ready:
                self.send_job(pending)
            return
        with ThreadPoolExecutor(min(connections, len(ready))) as pool:
            for _ in pool.map(self.send_job, ready):
                continue

    def send_job(self, pending: Pending) -> None:
        """The events of one job in their order, until one fails."""
        store, name = self.ports.webhooks, (self.webhook.tenant, self.webhook.webhook_id)
        while not self.is_over:
            told = store.told_until(*name, pending.job_id)
            event = self._next_event(pending, told)
            if event is not None:
                again = self._send(event, pending, told)
                if again is None:
                    return
                pending = again
            elif store.drop_pending(*name, pending):
                return
            elif (noted := store.get_pending(*name, pending.job_id)) is not None:
                pending = noted
            else:
                return

    def _next_event(self, pending: Pending, told: int) -> JobEvent | None:
        """The first event that the webhook is to be told of, after those that are settled."""
        owner, after = Owner(self.webhook.tenant, pending.job_id), told
        while page := self.ports.events.list(owner, after, EVENTS_PER_READ):
            wanted = next((event for event in page if self.webhook.wants(event)), None)
            if wanted is not None or len(page) < EVENTS_PER_READ:
                return wanted
            after = page[-1].seq
        return None

    def _send(self, event: JobEvent, pending: Pending, told: int) -> Pending | None:
        """What waits after this event; None when it must be tried again later."""
        try:
            body = self.render(self.ports, event)
        except NotFound:
            # Deleted in the meantime, and nobody need be told.
            return self._settle(event, pending, told)
        at = self.ports.clock.now()
        reply = attempt(self.ports, self.webhook, message_id(event), body)
        now, number = self.ports.clock.now(), pending.attempts + 1
        pause = retry_pause(number, random.random(), reply.wish_seconds)
        is_gone = reply.status == GONE_STATUS
        if not reply.error:
            outcome, retry_at = Outcome.DELIVERED, None
            self.delivered += 1
        elif pause is None and not is_gone:
            outcome, retry_at = Outcome.GIVEN_UP, None
            self.failed += 1
        else:
            outcome, retry_at = Outcome.FAILED, None if is_gone or pause is None else now + pause
            self.failed += 1
        made = Attempt(
            delivery_id=self.ports.ids.make("dlv"),
            message_id=message_id(event),
            job_id=event.job_id,
            seq=event.seq,
            kind=event.kind,
            number=number,
            at=at,
            outcome=outcome,
            status=reply.status,
            error=reply.error,
            duration_ms=reply.duration_ms,
            retry_at=retry_at,
        )
        after: Pending | None = None
        if outcome is Outcome.FAILED:
            self._postpone(replace(pending, attempts=number, retry_at=retry_at))
            self.is_gone |= is_gone
        else:
            after = self._settle(event, pending, told)
        log_attempt(self.ports, self.webhook, made)
        return after

    def _settle(self, event: JobEvent, pending: Pending, told: int) -> Pending:
        """The event is delivered or given up; unless a replay began meanwhile, which goes on from where it wants."""
        name = (self.webhook.tenant, self.webhook.webhook_id)
        self.ports.webhooks.tell_until(*name, event.job_id, event.seq, seen=told)
        if pending.attempts == 0:
            return pending
        settled = replace(pending, attempts=0, retry_at=None)
        self._postpone(settled)
        return settled

    def _postpone(self, pending: Pending) -> None:
        self.ports.webhooks.postpone(self.webhook.tenant, self.webhook.webhook_id, pending)


def _end_turn(ports: Ports, turn: Turn, sending: _Sending) -> None:
    now = ports.clock.now()
    standing = _standing(turn.standing, sending, now)
    since = standing.failing_since
    is_failing = since is not None and sending.failed > 0 and now - since >= DISABLED_AFTER
    if sending.is_gone or is_failing:
        disable(ports, sending.webhook, DisabledReason.GONE if sending.is_gone else DisabledReason.FAILING)
        ports.webhooks.end_turn(turn, None, Standing())
        return
    due_at = standing.rests_until or _next_due(ports, turn, now)
    is_last = ports.webhooks.end_turn(turn, due_at, standing)
    if not is_last or (due_at is not None and due_at <= now):
        _call(ports, [(turn.tenant, turn.webhook_id)])


def _standing(before: Standing, sending: _Sending, now: datetime) -> Standing:
    if sending.delivered:
        return Standing()
    if not sending.failed:
        return replace(before, rests_until=None)
    failed_turns = before.failed_turns + 1
    rests_until = None
    if sending.is_broken_off:
        seconds = RETRY_SECONDS[min(failed_turns, len(RETRY_SECONDS)) - 1]
        rests_until = now + timedelta(seconds=min(seconds, LONGEST_REST_SECONDS))
    return Standing(failed_turns, before.failing_since or now, rests_until)


def _next_due(ports: Ports, turn: Turn, now: datetime) -> datetime | None:
    """When the next event may be sent of those that wait; None: nothing does."""
    return min((one.retry_at or now for one in ports.webhooks.list_pending(turn.tenant, turn.webhook_id)), default=None)


def disable(ports: Ports, webhook: Webhook, reason: DisabledReason) -> None:
    """Send nothing more; what happens from now on waits until the client makes the webhook active again."""
    found: Webhook | None = webhook
    while found is not None and found.state is WebhookState.ACTIVE:
        try:
            ports.webhooks.save(replace(found, state=WebhookState.DISABLED, disabled_reason=reason))
        except VersionConflict:
            found = ports.webhooks.get(webhook.tenant, webhook.webhook_id)
            continue
        logger.warning("webhook disabled", webhook_id=webhook.webhook_id, reason=reason)
        return


def _call(ports: Ports, webhooks: Iterable[tuple[TenantId, WebhookId]]) -> None:
    try:
        ports.waker.wake(webhooks)
    except DependencyFailed as error:
        # What is due stays due, and the schedule looks for it.
        logger.warning("waking webhooks failed", detail=error.failure.detail)

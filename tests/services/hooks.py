"""A service with webhooks: jobs to which things happen, the functions that tell of it, and time that passes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from chalicelib.api.webhook_present import message_body
from chalicelib.domain.events import JobEvent
from chalicelib.domain.ids import JobId, TenantId, WebhookId
from chalicelib.domain.webhooks import Attempt, Webhook
from chalicelib.services.notifications import note_events, take_turn, wake_due
from chalicelib.services.ports import Ports
from chalicelib.services.webhook_ports import Reply
from chalicelib.services.webhooks import get_webhook, list_deliveries
from tests.fakes.make import make_fakes
from tests.fakes.makers import TENANT, make_commit_event, make_job
from tests.fakes.webhook_makers import make_webhook
from tests.fakes.webhooks import Sent

FINE = Reply(204, "", 1)
DOWN = Reply(503, "the receiver answered 503", 1)
SILENT = Reply(None, "the receiver did not answer within 10 s", 10_000)
GONE = Reply(410, "the receiver answered 410", 1)


class HookWorld:
    """Ports in memory; what is woken is run by `run`, as EventBridge would."""

    def __init__(self) -> None:
        self.fakes = make_fakes()
        self.ports: Ports = self.fakes.ports
        """What the service uses; a test may put faults between."""

    def webhook(self, name: str = "example", **changes: object) -> Webhook:
        """A webhook whose receiver is https://{name}.com/hook."""
        webhook_id = WebhookId(self.fakes.ports.ids.make("whk"))
        fields = {"webhook_id": webhook_id, "url": f"https://{name}.com/hook", "created_at": self.fakes.clock.now()}
        webhook = make_webhook(**{**fields, **changes})
        self.fakes.ports.webhooks.add(webhook)
        return webhook

    def job(self, tenant: TenantId = TENANT) -> JobId:
        job_id = JobId(self.fakes.ports.ids.make("job"))
        self.fakes.ports.jobs.add(make_job(tenant=tenant, job_id=job_id), None)
        return job_id

    def happen(self, job_id: JobId, *segments: int, tenant: TenantId = TENANT) -> list[JobEvent]:
        """Segments of the job are committed; the events, as recorded. Nobody has noted them yet."""
        now = self.fakes.clock.now()
        made = [make_commit_event(index, tenant=tenant, job_id=job_id, created_at=now) for index in segments]
        recorded = (self.fakes.ports.events.append(event, expires_at=None) for event in made)
        return [event for event in recorded if event is not None]

    def tell(self, job_id: JobId, *segments: int, tenant: TenantId = TENANT) -> None:
        """The same, and the stream's function notes them."""
        note_events(self.ports, self.happen(job_id, *segments, tenant=tenant))

    def run(self, rounds: int = 50) -> None:
        """Every turn that somebody was woken for, one after the other."""
        for _ in range(rounds):
            woken, self.fakes.waker.woken = self.fakes.waker.woken, []
            if not woken:
                return
            for tenant, webhook_id in woken:
                take_turn(self.ports, tenant, webhook_id, message_body)
        raise AssertionError(f"still woken after {rounds} rounds")

    def tick(self, seconds: float = 60) -> None:
        """Time passes, the schedule looks, and turns are taken."""
        self.fakes.clock.advance(seconds)
        wake_due(self.ports)
        self.run()

    def answer(self, answer: Callable[[Sent], Reply]) -> None:
        """What receivers answer from now on."""
        self.fakes.notifier.answer = answer

    def stored(self, webhook: Webhook) -> Webhook:
        return get_webhook(self.fakes.ports, webhook.tenant, webhook.webhook_id)

    def log(self, webhook: Webhook, *, only_given_up: bool = False) -> Sequence[Attempt]:
        """Oldest first."""
        return list_deliveries(self.fakes.ports, webhook, None, 1000, only_given_up=only_given_up)[::-1]

    def sent(self, name: str = "example") -> list[Sent]:
        """What came to a receiver."""
        return [one for one in self.fakes.notifier.sent if one.url == f"https://{name}.com/hook"]

    def seqs(self, name: str = "example") -> dict[str, list[int]]:
        """The events that came to a receiver, by job."""
        found: dict[str, list[int]] = defaultdict(list)
        for one in self.sent(name):
            data = json.loads(one.body)["data"]
            found[data["job_id"]].append(data["seq"])
        return dict(found)

    def is_waiting(self, webhook: Webhook) -> bool:
        return bool(list(self.fakes.ports.webhooks.list_pending(webhook.tenant, webhook.webhook_id)))


def without_repeats(seqs: Sequence[int]) -> list[int]:
    """Each number where it came first."""
    return list(dict.fromkeys(seqs))


def later(webhook: Webhook, seconds: float) -> Webhook:
    return replace(webhook, created_at=webhook.created_at + timedelta(seconds=seconds))

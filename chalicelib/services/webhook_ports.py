"""Webhooks, their queues, and the way out to their receivers, as the use cases need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.ids import JobId, TenantId, WebhookId
from chalicelib.domain.webhooks import Attempt, Pending, Webhook


@dataclass(frozen=True, slots=True)
class Standing:
    """How it goes with a receiver, over the turns."""

    failed_turns: int = 0
    """Without a delivery, one after the other."""
    failing_since: datetime | None = None
    rests_until: datetime | None = None
    """It is taken for down, and not tried before."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to send what waits for one webhook, of which there is one at a time."""

    tenant: TenantId
    webhook_id: WebhookId
    fence: str
    notes: int
    """How often something was noted until then."""
    standing: Standing
    """After the turn before."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver made of a message."""

    status: int | None
    """None: it did not answer."""
    error: str
    """Why the message is not delivered; empty when it is."""
    duration_ms: int
    wish_seconds: float = 0
    """What it names in `Retry-After`."""


class WebhookStore(Protocol):
    """WEBHOOK, QUEUE, PENDING, TOLD and DELIVERY items."""

    def add(self, webhook: Webhook) -> None:
        """Record a new webhook."""
        ...

    def get(self, tenant: TenantId, webhook_id: WebhookId) -> Webhook | None:
        """The webhook as it stands."""
        ...

    def save(self, webhook: Webhook) -> Webhook:
        """Replace the version that `webhook` was read as; the answer carries the next version.

        Raises:
            VersionConflict: somebody wrote since.
        """
        ...

    def list(self, tenant: TenantId) -> Sequence[Webhook]:
        """All of the tenant's webhooks, which are few, by id; a consistent read."""
        ...

    def delete(self, webhook: Webhook) -> None:
        """Forget the webhook and what waits for it; its log ends by itself."""
        ...

    def note(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId, seq: int) -> bool:
        """Record that the event `seq` of the job waits; False when it is settled already."""
        ...

    def make_due(self, tenant: TenantId, webhook_id: WebhookId, due_at: datetime, *, ends_rest: bool = False) -> None:
        """Have a turn taken at `due_at` or before; a turn that is under way does not count."""
        ...

    def begin_turn(
        self, tenant: TenantId, webhook_id: WebhookId, fence: str, *, now: datetime, until: datetime
    ) -> Turn | None:
        """Take the turn; None while somebody else has it, or when nothing was ever noted."""
        ...

    def end_turn(self, turn: Turn, due_at: datetime | None, standing: Standing) -> bool:
        """Give the turn back, with when the next one is due (None: when something is noted).

        False when something was noted meanwhile: then the next turn is due at once. A turn that somebody else has by
        now stays theirs.
        """
        ...

    def list_due(self, now: datetime, limit: int) -> Sequence[tuple[TenantId, WebhookId]]:
        """Webhooks whose turn is due, the most overdue first; eventually consistent."""
        ...

    def list_pending(self, tenant: TenantId, webhook_id: WebhookId) -> Iterator[Pending]:
        """What waits, by job; a consistent read."""
        ...

    def get_pending(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> Pending | None:
        """What waits of one job."""
        ...

    def postpone(self, tenant: TenantId, webhook_id: WebhookId, pending: Pending) -> None:
        """Record attempts and the time of the next one; what was forgotten stays so."""
        ...

    def drop_pending(self, tenant: TenantId, webhook_id: WebhookId, pending: Pending) -> bool:
        """Nothing waits any more, as far as `pending` knows; False when more was noted since."""
        ...

    def told_until(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId) -> int:
        """The last `seq` that is settled: delivered, given up or passed over; 0 for none."""
        ...

    def tell_until(self, tenant: TenantId, webhook_id: WebhookId, job_id: JobId, seq: int, *, seen: int | None) -> bool:
        """Set it, if it still is what was `seen` (None: whatever it is); False when it is not."""
        ...

    def log(self, webhook: Webhook, attempt: Attempt, expires_at: datetime) -> None:
        """Add an attempt to the log; one that gave up goes to the dead letters too."""
        ...

    def list_attempts(
        self, webhook: Webhook, after: str | None, limit: int, *, only_given_up: bool
    ) -> Sequence[Attempt]:
        """The log, newest first, from the one before `after` on."""
        ...


class Notifier(Protocol):
    """The way out to receivers."""

    def check(self, url: str) -> None:
        """Whether something may be sent there, as its name resolves now.

        Raises:
            InvalidRequest: it may not, and why.
        """
        ...

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """POST the message, where that is allowed; whatever goes wrong is the reply."""
        ...


class Waker(Protocol):
    """Whoever has turns taken, somewhere else and soon."""

    def wake(self, webhooks: Iterable[tuple[TenantId, WebhookId]]) -> None:
        """Have a turn of each of them taken.

        Raises:
            DependencyFailed: some will not be; the schedule finds them.
        """
        ...

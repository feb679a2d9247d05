"""Webhooks: who is told what happens to jobs, how messages are signed, and when one is tried again.

Signatures are those of Standard Webhooks 1.0: HMAC-SHA256 of `{id}.{timestamp}.{body}`, once for each secret that
holds. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.errors import Conflict
from chalicelib.domain.events import JobEvent, JobEventKind
from chalicelib.domain.ids import JobId, TenantId, WebhookId

SECRET_PREFIX = "whsec_"  # noqa: S105  what every secret begins with
SECRET_BYTES = 32
RETRY_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 36_000)
"""After the first attempt, the second one, …: 23 hours and a half in all."""
ATTEMPTS = len(RETRY_SECONDS) + 1
JITTER = 0.2
"""Of a pause, up or down: receivers that fell over must not be woken by all at once."""
LONGEST_WISH_SECONDS = 3600
"""Of a receiver that names its own pause by `Retry-After`."""
DISABLED_AFTER = timedelta(days=5)
"""Without one delivery among all attempts."""
GONE_STATUS = 410
"""The receiver wants nothing more, ever."""
MAX_DESCRIPTION = 200


class WebhookState(StrEnum):
    """Whether events are sent."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    """By the client; what happens meanwhile waits."""
    DISABLED = "DISABLED"
    """By the service, with a reason; what happens meanwhile waits, as long as events are kept."""


class DisabledReason(StrEnum):
    """Why the service stopped sending."""

    GONE = "GONE"
    """The receiver answered 410."""
    FAILING = "FAILING"
    """Nothing was delivered for five days."""


class Outcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    """It is tried again."""
    GIVEN_UP = "GIVEN_UP"
    """It was the last attempt, and the next event goes on."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What messages are signed with, and until when."""

    text: str
    """`whsec_` and base64."""
    ends_at: datetime | None = None
    """None: until it is rotated."""

    def __repr__(self) -> str:
        """Without what must never come into a log."""
        return f"Secret(whsec_…, ends_at={self.ends_at!r})"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that is told what happens to the jobs of a tenant."""

    tenant: TenantId
    webhook_id: WebhookId
    url: str
    kinds: frozenset[JobEventKind]
    """What it is told of."""
    secrets: tuple[Secret, ...]
    """The one to sign with, and during a rotation the one before it."""
    created_at: datetime
    created_by: str
    """The subject of the token."""
    state: WebhookState = WebhookState.ACTIVE
    disabled_reason: DisabledReason | None = None
    description: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        if not self.kinds or not 1 <= len(self.secrets) <= 2:
            raise ValueError(f"a webhook must have a kind of event and one or two secrets but got {self}")
        if (self.disabled_reason is not None) != (self.state is WebhookState.DISABLED):
            raise ValueError(f"a webhook must have a reason when it is disabled, and only then, but got {self}")

    def wants(self, event: JobEvent) -> bool:
        """Whether it is told of this event: not of what happened before it was there."""
        return event.kind in self.kinds and event.created_at >= self.created_at

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """The secrets that hold."""
        return tuple(secret.text for secret in self.secrets if secret.ends_at is None or now < secret.ends_at)

    def rotated(self, text: str, now: datetime, overlap: timedelta) -> Webhook:
        """With a new secret; the one before it holds for `overlap` too, and none that is older."""
        before = (replace(self.secrets[0], ends_at=now + overlap),) if overlap else ()
        return replace(self, secrets=(Secret(text), *before))

    def in_state(self, state: WebhookState) -> Webhook:
        """As a client wants it.

        Raises:
            Conflict: one that is disabled is paused; it must be made active first.
        """
        if self.state is WebhookState.DISABLED and state is WebhookState.PAUSED:
            raise Conflict(f"webhook {self.webhook_id} is DISABLED and sends nothing", hint="Set its state to ACTIVE")
        return replace(self, state=state, disabled_reason=None)


@dataclass(frozen=True, slots=True)
class Pending:
    """Events of one job that a webhook has not been told of."""

    job_id: JobId
    known_seq: int
    """The greatest `seq` that we know of."""
    attempts: int = 0
    """At the next event."""
    retry_at: datetime | None = None
    """None: at once."""

    def is_ready(self, now: datetime) -> bool:
        """Whether the next event may be sent."""
        return self.retry_at is None or self.retry_at <= now


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver, as the log of a webhook has it."""

    delivery_id: str
    message_id: str
    """The same for every attempt at one event."""
    job_id: JobId | None
    """None: a test."""
    seq: int | None
    kind: str
    number: int
    at: datetime
    outcome: Outcome
    status: int | None
    """What the receiver answered; None: nothing."""
    error: str
    """Why it failed; empty when it did not."""
    duration_ms: int
    retry_at: datetime | None = None


def message_id(event: JobEvent) -> str:
    """The id of the message that tells of an event: the same however often it is sent, so that receivers know it."""
    return f"msg_{event.job_id}_{event.seq}"


def encode_secret(randomness: bytes) -> str:
    """A secret of 32 random bytes, in the form that receivers are given."""
    if len(randomness) != SECRET_BYTES:
        raise ValueError(f"a secret must have {SECRET_BYTES} bytes but got {len(randomness)}")
    return SECRET_PREFIX + base64.b64encode(randomness).decode()


def sign(secrets: Sequence[str], message: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, with a space between."""
    signed = b".".join((message.encode(), str(timestamp).encode(), body))
    return " ".join(f"v1,{_hmac(secret, signed)}" for secret in secrets)


def retry_pause(attempts: int, dice: float, wish_seconds: float = 0) -> timedelta | None:
    """How long to wait after so many attempts at one event; None: that was the last one.

    `dice` is a number of [0, 1); a receiver may wish for a longer pause, within reason.
    """
    if attempts >= ATTEMPTS:
        return None
    seconds = RETRY_SECONDS[attempts - 1] * (1 + JITTER * (2 * dice - 1))
    return timedelta(seconds=max(seconds, min(wish_seconds, LONGEST_WISH_SECONDS)))


def _hmac(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

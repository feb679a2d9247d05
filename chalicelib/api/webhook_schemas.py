"""The wire forms of webhooks, and of the messages that they send; part of `api/schemas.py`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from chalicelib.api.event_schemas import JobEventOut
from chalicelib.api.schemas import In, Out, PageQuery
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.receivers import MAX_URL_LENGTH
from chalicelib.domain.webhooks import MAX_DESCRIPTION

MAX_OVERLAP_SECONDS = 7 * 24 * 3600
USUAL_OVERLAP_SECONDS = 24 * 3600
MAX_SEQ = 99_999_999

Url = Annotated[str, StringConstraints(min_length=1, max_length=MAX_URL_LENGTH)]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION)]
Kinds = Annotated[list[JobEventKind], Field(min_length=1, max_length=len(JobEventKind))]
Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]


class WebhookIn(In):
    """Who is to be told of what."""

    url: Url
    """https, port 443 or 8443, a host of the public internet."""
    kinds: Kinds = Field(default_factory=lambda: list(JobEventKind))
    """Kinds of events; unset: all."""
    description: Description = ""


class WebhookChangeIn(In):
    """What is to be different; what is not given stays."""

    url: Url | None = None
    kinds: Kinds | None = None
    description: Description | None = None
    state: Literal["ACTIVE", "PAUSED"] | None = None
    """PAUSED: what happens waits. ACTIVE: what waits is sent, also after the service had disabled it."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("at least one of url, kinds, description and state must be given, and none as null")
        return self


class RotateIn(In):
    """How a secret is followed by another one."""

    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = USUAL_OVERLAP_SECONDS
    """How long messages are signed with both."""


class ReplayIn(In):
    """What to send again."""

    job_id: str
    after_seq: Seq = 0
    """The last `seq` that need not be sent again; 0: all of the job."""


class WebhookOut(Out):
    """A URL that is told what happens to jobs."""

    webhook_id: str
    url: str
    kinds: list[str]
    state: str
    disabled_reason: str | None = None
    """GONE: the receiver answered 410. FAILING: five days without a delivery."""
    description: str
    created_at: str
    created_by: str
    """The subject of the token."""
    secrets: int
    """How many secrets hold: two during a rotation."""


class WebhookEnvelope(Out):
    """A webhook."""

    webhook: WebhookOut


class WebhookSecretOut(Out):
    """A webhook and its new secret, which is shown this once."""

    webhook: WebhookOut
    secret: str
    """`whsec_` and base64: the key of the signatures."""


class WebhooksPage(Out):
    """All webhooks, oldest first."""

    items: list[WebhookOut]
    next_cursor: str | None


class ReplayOut(Out):
    """Which events are sent again: those after one `seq`, up to another."""

    job_id: str
    after_seq: int
    last_seq: int


class DeliveryOut(Out):
    """One attempt to deliver a message."""

    delivery_id: str
    message_id: str
    """The header `webhook-id`: the same for every attempt at one event."""
    job_id: str | None = None
    seq: int | None = None
    kind: str
    """Of the event; TEST for a test."""
    attempt: int
    created_at: str
    outcome: str
    """DELIVERED, FAILED, or GIVEN_UP after the last attempt."""
    status: int | None = None
    """What the receiver answered, if it did."""
    detail: str | None = None
    """Why it failed."""
    duration_ms: int
    retry_at: str | None = None


class DeliveryEnvelope(Out):
    """One attempt to deliver."""

    delivery: DeliveryOut


class DeliveriesPage(Out):
    """A page of attempts, newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None


class DeliveriesQuery(PageQuery):
    """Which attempts."""

    outcome: Literal["GIVEN_UP"] | None = None
    """GIVEN_UP: the dead letters alone, which are kept for 30 days; unset: all, for 7 days."""


class MessageOut(Out):
    """What a webhook sends."""

    type: str
    """The kind of the event: JOB_STATE_CHANGED or SEGMENT_COMMITTED."""
    timestamp: str
    """When it was recorded."""
    data: JobEventOut

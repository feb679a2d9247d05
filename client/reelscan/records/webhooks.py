"""What the routes of webhooks answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to deliver a message."""

    delivery_id: str
    message_id: str
    job_id: str | None = None
    seq: int | None = None
    kind: str
    attempt: int
    created_at: datetime
    outcome: str
    status: int | None = None
    detail: str | None = None
    duration_ms: int
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Which events are sent again: those after one `seq`, up to another."""

    job_id: str
    after_seq: int
    last_seq: int


class ReplayForm(TypedDict):
    """What to send again."""

    job_id: str
    after_seq: NotRequired[int]


class RotateForm(TypedDict):
    """How a secret is followed by another one."""

    overlap_seconds: NotRequired[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A URL that is told what happens to jobs."""

    webhook_id: str
    url: str
    kinds: tuple[str, ...]
    state: str
    disabled_reason: str | None = None
    description: str
    created_at: datetime
    created_by: str
    secrets: int


class WebhookChangeForm(TypedDict):
    """What is to be different; what is not given stays."""

    url: NotRequired[str | None]
    kinds: NotRequired[list[Literal["JOB_STATE_CHANGED", "SEGMENT_COMMITTED"]] | None]
    description: NotRequired[str | None]
    state: NotRequired[Literal["ACTIVE", "PAUSED"] | None]


class WebhookForm(TypedDict):
    """Who is to be told of what."""

    url: str
    kinds: NotRequired[list[Literal["JOB_STATE_CHANGED", "SEGMENT_COMMITTED"]]]
    description: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret:
    """A webhook and its new secret, which is shown this once."""

    webhook: Webhook
    secret: str

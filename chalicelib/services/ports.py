"""What the use cases need from the outside, as protocols.

`chalicelib/adapters` has them on AWS, `tests/fakes` in memory. Every store gives back what it stored (read your
writes). A refused conditional write is an answer here, never an exception that a caller must decode:
`VersionConflict`, or False.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import Node
from chalicelib.contracts.tracks import TrackRow
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import FREE, Price
from chalicelib.domain.errors import Conflict, Failure
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job
from chalicelib.domain.media import Pts
from chalicelib.domain.prices import Prices
from chalicelib.domain.segments import Segment
from chalicelib.domain.side_steps import SideStep, StepName
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Video
from chalicelib.services.campaign_ports import CampaignStore
from chalicelib.services.cost_ports import LedgerStore, RateStore
from chalicelib.services.event_ports import EventPublisher, EventStore
from chalicelib.services.model_ports import ModelRegistry
from chalicelib.services.object_port import ObjectStore
from chalicelib.services.shared_reads import SharedReads
from chalicelib.services.take_over_port import TakeOverStore
from chalicelib.services.version_ports import PipelineStore, ResultVersionStore
from chalicelib.services.webhook_ports import Notifier, Waker, WebhookStore


class VersionConflict(Conflict):
    """Somebody wrote since we read; read again and decide again."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose units, submissions and due date: one video, one job, or one model (for its admission)."""

    tenant: TenantId
    name: str
    """A video id, a job id or a model id."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that the reconciler must look at: an owner, or a side step of it."""

    owner: Owner
    step: StepName | None = None
    is_costs: bool = False
    """What was reserved for it, which outlives it."""


class SubmissionState(StrEnum):
    """Whether Batch was told."""

    NEW = "NEW"
    SENT = "SENT"


@dataclass(frozen=True, slots=True)
class Submission:
    """Something sent to Batch: which units, dealt out to which children.

    `SubmitJob` has no idempotency token, so it may be sent twice.
    """

    owner: Owner
    submission_id: SubmissionId
    kind: OrderKind
    children: tuple[tuple[int, ...], ...]
    lane: Lane
    created_at: datetime
    state: SubmissionState = SubmissionState.NEW
    batch_job_id: str = ""
    step: StepName | None = None
    """The side step that it is for, if it is for one."""
    price: Price = FREE
    """What it may cost, as of its recording."""
    job_cap_nano_usd: int | None = None
    """What all of its job may cost; None: as much as is asked for."""
    is_started_once: bool = False
    """Batch must not start a child again that was cut short; said when it is sent, and not stored."""


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        ...


class Ids(Protocol):
    """Makes names that nobody has."""

    def make(self, prefix: str) -> str:
        """A new id with this prefix, later in order than those made before (to the millisecond)."""
        ...


class VideoStore(Protocol):
    """VIDEO items."""

    def add(self, video: Video, due_at: datetime | None) -> None:
        """Record a new video."""
        ...

    def get(self, tenant: TenantId, video_id: VideoId) -> Video | None:
        """The video as it stands."""
        ...

    def save(self, video: Video, due_at: datetime | None) -> Video:
        """Replace the version that `video` was read as; the answer carries the next version.

        Raises:
            VersionConflict: somebody wrote since.
        """
        ...

    def get_many(self, tenant: TenantId, video_ids: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        """Those of them that are there, read together."""
        ...

    def list(self, tenant: TenantId, after: VideoId | None, limit: int) -> Sequence[Video]:
        """The tenant's videos, newest first, from the one older than `after` on."""
        ...

    def delete(self, video: Video) -> None:
        """Forget the video, its probe and its submissions."""
        ...


class JobStore(Protocol):
    """JOB items."""

    def add(self, job: Job, due_at: datetime | None) -> None:
        """Record a new job, below its video too."""
        ...

    def get(self, tenant: TenantId, job_id: JobId) -> Job | None:
        """The job as it stands."""
        ...

    def get_with_counts(self, tenant: TenantId, job_id: JobId) -> tuple[Job, int, int] | None:
        """The job as it stands, and how many of its segments are open and how many failed: one read."""
        ...

    def save(self, job: Job, due_at: datetime | None) -> Job:
        """Replace the version that `job` was read as; the answer carries the next version.

        Raises:
            VersionConflict: somebody wrote since.
        """
        ...

    def list_for_video(self, tenant: TenantId, video_id: VideoId, after: JobId | None, limit: int) -> Sequence[Job]:
        """The video's jobs, newest first, from the one older than `after` on."""
        ...

    def list_newest(
        self, tenant: TenantId, video_ids: Sequence[VideoId], limit: int
    ) -> Mapping[VideoId, Sequence[Job]]:
        """The newest jobs of each video, at most `limit`, newest first; all jobs are read together."""
        ...

    def delete(self, job: Job) -> None:
        """Forget the job, its units and its submissions, also below its video."""
        ...


class UnitStore(Protocol):
    """SEGMENT and STEP items and their markers."""

    def add_segments(self, owner: Owner, segments: Sequence[tuple[Segment, Unit]]) -> None:
        """Record the segments of a plan and their OPEN markers; those already there stay as they are."""
        ...

    def open_step(self, owner: Owner, unit: Unit) -> bool:
        """Record a probe or finish that may be claimed.

        False when one is there that is not terminal, or that was opened for this same submission: whoever comes late
        must not start again what has ended.
        """
        ...

    def get(self, owner: Owner, kind: UnitKind, index: int = 0) -> Unit | None:
        """The unit as it stands."""
        ...

    def list_segments(self, owner: Owner, after: int, limit: int) -> Sequence[tuple[Segment, Unit]]:
        """Segments with an index greater than `after`, in order."""
        ...

    def find_segment(self, owner: Owner, total: int, pts: Pts) -> int:
        """Index of the last of `total` segments that starts at or before `pts`; 0 when none does."""
        ...

    def list_open(self, owner: Owner) -> Sequence[Unit]:
        """The segments that are not terminal."""
        ...

    def has_open(self, owner: Owner) -> bool:
        """Whether any segment is not terminal; a consistent read."""
        ...

    def count(self, owner: Owner) -> tuple[int, int]:
        """(open, failed) segments."""
        ...

    def requeue(
        self,
        owner: Owner,
        seen: Unit,
        *,
        submission: SubmissionId,
        child: int,
        lane: Lane,
        blame: int,
        failure: Failure | None,
    ) -> bool:
        """Hand the unit to another submission, and its lane; False when something happened to it since it was seen."""
        ...

    def end(self, owner: Owner, seen: Unit, *, state: UnitState, fence: str, failure: Failure | None) -> bool:
        """End the unit as FAILED or CANCELLED; False when something happened to it since it was seen."""
        ...

    def reopen(
        self, owner: Owner, *, submission: SubmissionId, children: int, lane: Lane, attempts: int
    ) -> Sequence[int]:
        """Give every segment that failed, or is still open, `attempts` more claims, dealt out to `children` of a lane.

        The indices, in order. One that is claimed at this moment keeps its claim.
        """
        ...

    def add_side_step(self, owner: Owner, step: SideStep, due_at: datetime) -> bool:
        """Record a side step that may be claimed, and is due by itself until it ends; False when it is there already.

        `requeue` and `end` do to its unit what they do to any other.
        """
        ...

    def get_side_step(self, owner: Owner, name: StepName) -> SideStep | None:
        """The side step as it stands."""
        ...

    def list_side_steps(self, owner: Owner, kind: UnitKind) -> Sequence[SideStep]:
        """All of one kind, by name."""
        ...

    def drop_side_step(self, owner: Owner, name: StepName) -> None:
        """Forget a side step; what its worker still writes to it is refused."""
        ...


class SubmissionStore(Protocol):
    """SUBMISSION items."""

    def add(self, submission: Submission) -> bool:
        """Record it before it is sent; False when it is there already."""
        ...

    def mark_sent(self, submission: Submission, batch_job_id: str) -> None:
        """Record that Batch has it."""
        ...

    def list(self, owner: Owner) -> Sequence[Submission]:
        """All of one owner."""
        ...

    def get(self, owner: Owner, submission_id: SubmissionId) -> Submission | None:
        """One of them."""
        ...


class DueIndex(Protocol):
    """Which owners and side steps the reconciler must look at."""

    def list_due(self, now: datetime, limit: int) -> Sequence[Due]:
        """What has a due date that has passed, the most overdue first."""
        ...

    def postpone(self, due: Due, due_at: datetime) -> None:
        """Look at it again then, if it still has a due date."""
        ...


class ResultStore(Protocol):
    """Table `results`, for reading; the worker writes it."""

    def list_index(self, tenant: TenantId, job_id: JobId, first_segment: int, limit: int) -> Sequence[IndexEntry]:
        """Committed segments from `first_segment` on, in order; a consistent read."""
        ...

    def get_index(self, tenant: TenantId, job_id: JobId, segments: Sequence[int]) -> Mapping[int, IndexEntry]:
        """Committed segments by index; those that are not committed are missing."""
        ...

    def get_blocks(self, tenant: TenantId, content_digest: str, refs: Sequence[BlockRef]) -> Mapping[str, bytes]:
        """Packed blocks by sort key; one that was swept is missing."""
        ...

    def get_track_ids(self, tenant: TenantId, job_id: JobId, sort_keys: Sequence[str]) -> Mapping[str, bytes]:
        """Parts of packed track ids by sort key."""
        ...

    def get_track_chunks(
        self, tenant: TenantId, job_id: JobId, version: int, numbers: Sequence[int]
    ) -> Mapping[int, Sequence[TrackRow]]:
        """Chunks of one version of the tracks by number."""
        ...

    def get_root(self, tenant: TenantId, job_id: JobId, tree: str) -> Node | None:
        """The root of a summary tree (`table_keys.SEGMENT_TREE`, …); None until the job has finished."""
        ...

    def get_node(self, tenant: TenantId, job_id: JobId, tree: str, level: int, number: int) -> Node:
        """A node that another one names.

        Raises:
            NotFound: it was dropped.
        """
        ...

    def add_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        """Record that this video has these bytes, so that their blocks are kept."""
        ...

    def list_references(self, tenant: TenantId, content_digest: str, limit: int) -> Sequence[VideoId]:
        """The newest videos that are recorded to have these bytes, newest first; a consistent read."""
        ...

    def drop_job(self, tenant: TenantId, job_id: JobId) -> None:
        """Delete the job's index and tracks; its results are gone from then on."""
        ...

    def drop_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        """Forget that this video has these bytes, and delete their blocks when no other video has them."""
        ...


class ChildState(StrEnum):
    """What Batch says of a job or child job."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    ENDED = "ENDED"
    UNKNOWN = "UNKNOWN"
    """Batch forgot it, or never had it."""


class Batch(Protocol):
    """AWS Batch, and for submissions of the fast lane its function."""

    def submit(self, submission: Submission, order_uri: str) -> str:
        """Send it, as an array job when it has several children; Batch's job id."""
        ...

    def describe(self, batch_job_id: str, children: int) -> Sequence[ChildState]:
        """The state of every child; the fast lane cannot be asked, so UNKNOWN says nothing of its own."""
        ...

    def terminate(self, batch_job_id: str, reason: str) -> None:
        """Stop it, whatever its state, or in the fast lane nothing; one that has ended is fine."""
        ...


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a POST with an idempotency key was answered."""

    body_digest: str
    status: int | None
    """None while the first request is still being worked on."""
    body: str
    headers: dict[str, str] = field(default_factory=dict)


class IdempotencyStore(Protocol):
    """IDEMPOTENCY items."""

    def begin(self, tenant: TenantId, key: str, body_digest: str, *, now: datetime) -> StoredAnswer | None:
        """Reserve the key; None when it is ours, else what is stored under it."""
        ...

    def finish(self, tenant: TenantId, key: str, answer: StoredAnswer, *, now: datetime) -> None:
        """Store the answer for 24 hours."""
        ...

    def forget(self, tenant: TenantId, key: str) -> None:
        """Free the key: the request failed and may be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """Who calls, from a verified token."""

    tenant: TenantId
    subject: str
    scopes: frozenset[str]


class TokenVerifier(Protocol):
    """Access tokens."""

    def verify(self, token: str) -> Claims:
        """Who the token was given to.

        Raises:
            Unauthenticated: it does not verify, with the reason.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What this deployment allows and how long it waits; see `settings.py` for the environment names."""

    max_upload_bytes: int
    multipart_threshold_bytes: int
    ticket_seconds: int
    upload_seconds: int
    """An upload that has not arrived this long after its ticket was given ends as UPLOAD_EXPIRED."""
    download_seconds: int
    lease_seconds: float
    heartbeat_seconds: float
    reconcile_seconds: float
    poll_seconds: float
    """Clients that poll a job are told to come back after this, and share one read in it; 0 shares nothing."""
    resend_seconds: float
    """A submission that Batch was not told of for this long is sent again."""
    queue_seconds: float
    """A child that waits longer than this for a machine ends its job as NO_CAPACITY."""
    job_seconds: int
    max_children: int
    analyze_lane: Lane
    import_buckets: tuple[str, ...]
    cursor_key: bytes
    boot_seconds: Mapping[Lane, float]
    """Until a machine is there when none is warm: what a child must be worth (`domain/costs.py`)."""
    is_spot: bool = True
    """Whether workers run on Spot machines, and are priced so."""
    has_fast_lane: bool = False
    """Whether short work is sent to the fast lane; else all of it goes to Batch."""
    monthly_nano_usd: int | None = None
    """What a month of a tenant may cost that set no cap of its own; None: as much as is asked for."""
    webhook_connections: int = 8
    """Of the jobs that a webhook is to be told of, how many at once."""
    max_open_campaigns: int = 100
    """Of a tenant; those that were cancelled or have ended do not count."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that a use case may reach."""

    clock: Clock
    ids: Ids
    videos: VideoStore
    jobs: JobStore
    units: UnitStore
    submissions: SubmissionStore
    due: DueIndex
    models: ModelRegistry
    pipelines: PipelineStore
    versions: ResultVersionStore
    results: ResultStore
    take_overs: TakeOverStore
    objects: ObjectStore
    batch: Batch
    campaigns: CampaignStore
    idempotency: IdempotencyStore
    events: EventStore
    publisher: EventPublisher
    webhooks: WebhookStore
    notifier: Notifier
    waker: Waker
    ledgers: LedgerStore
    rates: RateStore
    prices: Prices
    tokens: TokenVerifier
    polled: SharedReads
    """Jobs that clients poll, by (tenant, job id)."""
    limits: Limits
    bucket: str

"""A campaign: which videos are analysed again, by which pipeline, when, and within which bounds.

ACTIVE ⇄ PAUSED      ACTIVE | PAUSED → CANCELLED      ACTIVE → ENDED (nothing is to come)      any → DELETING

A campaign is never changed but for its state and for how far its schedule is; what it does at one nominal time is a run
(`domain/campaign_runs.py`). Its schedule is a list of nominal times. Those that have passed are *taken* in order: noted
in `taken` by one conditional write, then each becomes a run, which is named by campaign and nominal time. So a nominal
time has one run however often, late or doubly we are told that it is time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import CampaignId, RunId, TenantId, VideoId, derive_id
from chalicelib.domain.jobs import JobRequest
from chalicelib.domain.schedules import Schedule, Window, last_times, next_time
from chalicelib.domain.videos import Video, VideoState

MAX_CATCH_UP = 100
"""Runs that are made up for at once; the campaign's item holds their times."""
MAX_QUEUED = 10
"""Runs that wait for the one before them; a further one is skipped."""


class CampaignState(StrEnum):
    """Where a campaign stands; a cancelled one and one that ended stay as they are."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    """Starts no runs and no videos. What is under way goes on; times that pass meanwhile are not made up for."""
    CANCELLED = "CANCELLED"
    ENDED = "ENDED"
    DELETING = "DELETING"
    """Gone for whoever asks."""


class Overlap(StrEnum):
    """What becomes of a nominal time while the run of an earlier one is under way."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class PipelineAge:
    """Videos whose current results of this pipeline are older than this version, or that have none."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which videos: those that fit everything that is stated. Videos that are not READY never do."""

    video_ids: tuple[VideoId, ...] = ()
    """Only these; empty: all of the tenant."""
    label_seen: str | None = None
    """In the current results of the campaign's pipeline, or else in the newest job that has finished."""
    older_than_days: float | None = None
    """Before the nominal time of the run."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    size_min_bytes: int | None = None
    size_max_bytes: int | None = None
    duration_min_seconds: float | None = None
    duration_max_seconds: float | None = None
    pipeline_older_than: PipelineAge | None = None
    failed_only: bool = False
    """Whose newest job failed, or has ranges missing."""

    @property
    def asks_for_results(self) -> bool:
        """Whether more must be read of a video than its record."""
        return self.failed_only or self.label_seen is not None or self.pipeline_older_than is not None

    def fits(self, video: Video, nominal_at: datetime) -> bool:
        """Whether the facts of the video's record fit; what its jobs say is not looked at."""
        if video.state is not VideoState.READY or video.media is None:
            return False
        latest = self.created_before
        if self.older_than_days is not None:
            aged = nominal_at - timedelta(days=self.older_than_days)
            latest = aged if latest is None else min(latest, aged)
        seconds, size_bytes = video.media.duration_seconds, video.source.size_bytes
        return (
            (self.created_after is None or video.created_at >= self.created_after)
            and (latest is None or video.created_at < latest)
            and (self.size_min_bytes is None or size_bytes >= self.size_min_bytes)
            and (self.size_max_bytes is None or size_bytes <= self.size_max_bytes)
            and (self.duration_min_seconds is None or seconds >= self.duration_min_seconds)
            and (self.duration_max_seconds is None or seconds <= self.duration_max_seconds)
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which new results must lie, compared with the old ones; None: not looked at. Ratios are of the old ones.

    `added` and `removed` are detections that only the new, or only the old results have.
    """

    min_agreement: float | None = None
    max_added_ratio: float | None = None
    max_removed_ratio: float | None = None

    @property
    def is_stated(self) -> bool:
        """Whether there is any bound."""
        return (self.min_agreement, self.max_added_ratio, self.max_removed_ratio) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Canary:
    """The first videos of a run: the others come, and any result is made `latest`, only if these stay inside bounds."""

    videos: int
    bounds: Bounds = field(default_factory=Bounds)
    max_failed_ratio: float | None = None
    """Of the videos; a job that failed, or that has ranges missing."""
    bounds_by_label: tuple[tuple[str, Bounds], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a client asked for: all of a campaign that never changes."""

    name: str
    selection: Selection
    schedule: Schedule
    pipeline: str = ""
    """A reference to a pipeline, resolved when a run begins; empty when `request` says what to do."""
    request: JobRequest | None = None
    windows: tuple[Window, ...] = ()
    """Videos are started inside these only."""
    budget_nano_usd: int | None = None
    """Of one run."""
    concurrency: int = 4
    """Jobs at once."""
    canary: Canary | None = None
    overlap: Overlap = Overlap.SKIP
    max_catch_up: int = 1
    """Of nominal times that passed since the schedule was last looked at, this many are run: the last ones."""

    def __post_init__(self) -> None:
        if (self.request is None) == (not self.pipeline):
            raise InvalidRequest("a campaign must have either a pipeline or a job, and not both")


@dataclass(frozen=True, slots=True)
class Campaign:
    """The record of one campaign."""

    tenant: TenantId
    campaign_id: CampaignId
    plan: Plan
    state: CampaignState
    created_at: datetime
    created_by: str
    seen_until: datetime
    """Nominal times up to this one were taken, or are never run."""
    taken: tuple[datetime, ...] = ()
    """Nominal times that are to become runs, in order."""
    current: datetime | None = None
    """Of the run that is under way."""
    queued: tuple[datetime, ...] = ()
    """Of the runs that wait for it, in order."""
    version: int = 1

    @property
    def is_open(self) -> bool:
        """Whether it may still start runs."""
        return self.state in (CampaignState.ACTIVE, CampaignState.PAUSED)

    @property
    def next_at(self) -> datetime | None:
        """The next nominal time, as far as its schedule says."""
        return next_time(self.plan.schedule, self.seen_until) if self.is_open else None

    def take_times(self, now: datetime) -> Campaign:
        """The campaign with the nominal times that have passed noted in `taken`; itself when none has."""
        times = last_times(self.plan.schedule, self.seen_until, now, self.plan.max_catch_up)
        return replace(self, seen_until=times[-1], taken=(*self.taken, *times)) if times else self

    def resume(self, now: datetime) -> Campaign:
        """The campaign at work again; what passed while it was paused is not made up for."""
        return replace(self, state=CampaignState.ACTIVE, seen_until=max(self.seen_until, now))


def run_id_of(tenant: TenantId, campaign_id: CampaignId, nominal_at: datetime) -> RunId:
    """The id of the run of a nominal time: there is one, whoever makes it."""
    name = f"{tenant}#{campaign_id}#{nominal_at.timestamp():.6f}"
    return RunId(derive_id("run", hashlib.sha256(name.encode()).digest()))

"""What the routes of campaigns answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from reelscan.records.shared import DiffLabel, DiffSums, EveryFrameForm, KeyframesForm, PerSecondForm, PipelineRef


class AnalysisForm(TypedDict):
    """What an analysis does: in a job, or under the name of a pipeline."""

    models: list[str]
    sampling: NotRequired[EveryFrameForm | PerSecondForm | KeyframesForm]
    score_min: NotRequired[float | None]
    labels: NotRequired[list[str] | None]
    segment_seconds: NotRequired[float | None]
    tracking: NotRequired[bool]


class BoundsForm(TypedDict):
    """Between which the new results must lie, compared with the old ones. Ratios are of the old ones' detections."""

    min_agreement: NotRequired[float | None]
    max_added_ratio: NotRequired[float | None]
    max_removed_ratio: NotRequired[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign."""

    campaign_id: str
    name: str
    state: str
    select: SelectForm
    pipeline: str | None = None
    analyze: AnalysisForm | None = None
    when: OnceForm | RateForm | CronForm
    windows: tuple[WindowForm, ...] | None = None
    budget_usd: float | None = None
    concurrency: int
    canary: CanaryForm | None = None
    overlap: str
    catch_up: CatchUpForm
    created_at: datetime
    next_at: datetime | None = None
    current_run_id: str | None = None
    queued_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignEstimate:
    """What a campaign would do now."""

    videos: int
    looked_at: int
    has_more: bool
    priced: int
    unchanged: int
    cost_usd: float


class CampaignForm(TypedDict):
    """A campaign: which videos are analysed again, by what, and when. Either `pipeline` or `analyze` says by what."""

    name: str
    select: NotRequired[SelectForm]
    pipeline: NotRequired[str | None]
    analyze: NotRequired[AnalysisForm | None]
    when: NotRequired[OnceForm | RateForm | CronForm]
    windows: NotRequired[list[WindowForm] | None]
    budget_usd: NotRequired[float | None]
    concurrency: NotRequired[int]
    canary: NotRequired[CanaryForm | None]
    overlap: NotRequired[Literal["skip", "queue", "replace"]]
    catch_up: NotRequired[CatchUpForm]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRun:
    """What a campaign does at one nominal time."""

    run_id: str
    campaign_id: str
    nominal_at: datetime
    state: str
    pipeline: PipelineRef | None = None
    progress: RunProgress
    spend: RunSpend
    report: RunReport
    reason: RunReason | None = None
    created_at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTarget:
    """One video of a run."""

    video_id: str
    state: str
    job_id: str | None = None
    old_job_id: str | None = None
    is_promoted: bool
    cost_usd: float
    diff: DiffSums | None = None
    detail: str | None = None


class CanaryForm(TypedDict):
    """The first videos: the others come, and results become `latest`, only if these stay inside the bounds."""

    videos: int
    bounds: NotRequired[BoundsForm]
    bounds_by_label: NotRequired[list[LabelBoundsForm] | None]
    max_failed_ratio: NotRequired[float | None]


class CatchUpForm(TypedDict):
    """How much is made up for."""

    max_runs: NotRequired[int]


class CronForm(TypedDict):
    """A run whenever the cron fits, in UTC: minute, hour, day of month, month, day of week."""

    kind: Literal["cron"]
    expression: str


class LabelBoundsForm(TypedDict):
    """The same for the detections of one label."""

    min_agreement: NotRequired[float | None]
    max_added_ratio: NotRequired[float | None]
    max_removed_ratio: NotRequired[float | None]
    label: str


class OnceForm(TypedDict):
    """One run."""

    kind: Literal["once"]
    at: NotRequired[str | None]


class PipelineAgeForm(TypedDict):
    """A version of a pipeline."""

    name: str
    version: int


class RateForm(TypedDict):
    """A run at `starts_at`, and every `every` units after it."""

    kind: Literal["rate"]
    every: int
    unit: Literal["minutes", "hours", "days"]
    starts_at: NotRequired[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """Videos of a run."""

    selected: int
    waiting: int
    running: int
    succeeded: int
    unchanged: int
    failed: int
    cancelled: int
    gone: int
    promoted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReason:
    """Why a run stopped, or was skipped."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """New results of a run beside the old ones, over all its videos that had any."""

    videos_compared: int
    total: DiffSums
    labels: tuple[DiffLabel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpend:
    """What a run has cost."""

    spent_usd: float
    expected_usd: float
    budget_usd: float | None = None


class SelectForm(TypedDict):
    """Which videos: those that fit everything that is stated; without anything, all that are READY."""

    video_ids: NotRequired[list[str] | None]
    label_seen: NotRequired[str | None]
    older_than_days: NotRequired[float | None]
    created_after: NotRequired[str | None]
    created_before: NotRequired[str | None]
    size_min_bytes: NotRequired[int | None]
    size_max_bytes: NotRequired[int | None]
    duration_min_seconds: NotRequired[float | None]
    duration_max_seconds: NotRequired[float | None]
    pipeline_older_than: NotRequired[PipelineAgeForm | None]
    failed_only: NotRequired[bool]


class WindowForm(TypedDict):
    """From `start` on each of these days until `end`, of the next day when it is not later; in UTC."""

    days: NotRequired[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None]
    start: str
    end: str

"""A run: what a campaign does at one nominal time.

SKIPPED      QUEUED → SELECTING → CANARY → PROMOTING → RUNNING → SUCCEEDED | PARTIAL
                      SELECTING → RUNNING (without a canary)
             any that is open → STOPPING → STOPPED, with the reason

Its videos are *targets*. SELECTING walks the tenant's videos and records each that fits as a target, WAITING. Then a
second walk, over the targets, decides of each what to do; those whose jobs are under way are in `open`. A job has its
name there before it is made, so that whoever goes on after a crash makes that job and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.campaigns import Bounds, Canary
from chalicelib.domain.diff import DiffSums
from chalicelib.domain.ids import CampaignId, JobId, RunId, TenantId, VideoId


class RunState(StrEnum):
    """Where a run stands; the last four are terminal."""

    QUEUED = "QUEUED"
    SELECTING = "SELECTING"
    CANARY = "CANARY"
    """Analyses the first videos; nothing is promoted."""
    PROMOTING = "PROMOTING"
    """The canary held: its results become `latest`."""
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    """Starts nothing more; waits for the jobs that are under way."""
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    """Everything was done, but some videos failed."""
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"
    """Its nominal time came while another run was under way."""


TERMINAL_RUN_STATES = frozenset({RunState.SUCCEEDED, RunState.PARTIAL, RunState.STOPPED, RunState.SKIPPED})


class StopCode(StrEnum):
    """Why a run stopped, or never began."""

    CANARY = "CANARY"
    """The first videos left the stated bounds."""
    BUDGET = "BUDGET"
    CANCELLED = "CANCELLED"
    REPLACED = "REPLACED"
    """A later nominal time came, and `overlap` says so."""
    OVERLAP = "OVERLAP"
    """An earlier run was under way."""
    PIPELINE = "PIPELINE"
    """There is no such pipeline or model any more."""


ENDS_JOBS = frozenset({StopCode.CANCELLED, StopCode.REPLACED})
"""Stops that cancel the jobs under way; the others let them end."""


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why, in a word and in a sentence."""

    code: StopCode
    detail: str


class TargetState(StrEnum):
    """How it went with one video."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    UNCHANGED = "UNCHANGED"
    """Its current results are those of this very analysis: nothing was done."""
    FAILED = "FAILED"
    """Its job did, or has ranges missing that the old results have."""
    CANCELLED = "CANCELLED"
    GONE = "GONE"
    """It was deleted after it was selected."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What new results are beside the old ones (`domain/diff.py`: a is old, b is new), by label, over some videos."""

    videos: int = 0
    """Those that had old results."""
    by_label: Mapping[str, DiffSums] = field(default_factory=dict, hash=False)

    def __add__(self, other: Comparison) -> Comparison:
        labels = sorted({*self.by_label, *other.by_label})
        return Comparison(self.videos + other.videos, {name: self.of(name) + other.of(name) for name in labels})

    def of(self, label: str) -> DiffSums:
        """The sums of one label."""
        return self.by_label.get(label) or DiffSums()

    @property
    def total(self) -> DiffSums:
        """Over all labels."""
        return sum(self.by_label.values(), DiffSums())


@dataclass(frozen=True, slots=True)
class Counts:
    """Targets of a run by how they ended; those that wait or are under way are the rest of `selected`."""

    selected: int = 0
    started: int = 0
    """For which there is a job."""
    succeeded: int = 0
    unchanged: int = 0
    failed: int = 0
    cancelled: int = 0
    gone: int = 0
    promoted: int = 0


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """A target whose job is to be made, is under way, or is to be counted."""

    video_id: VideoId
    job_id: JobId
    old_job_id: JobId | None
    """The job whose results were `latest`, to compare with."""
    expected_nano_usd: int
    """What the job was quoted at."""
    allowed_nano_usd: int | None = None
    """What it may cost before it is stopped; None: anything, for there is no budget."""


@dataclass(frozen=True, slots=True)
class Run:
    """The record of one run."""

    tenant: TenantId
    run_id: RunId
    campaign_id: CampaignId
    nominal_at: datetime
    state: RunState
    created_at: datetime
    pipeline_name: str = ""
    """What the campaign's reference came to when the run began; empty for a job request of its own."""
    pipeline_version: int = 0
    select_after: VideoId | None = None
    """The video that was looked at last when SELECTING."""
    walked_to: VideoId | None = None
    """The target that was decided on last."""
    promoted_to: VideoId | None = None
    """The target that was looked at last when PROMOTING."""
    has_walked: bool = False
    """Whether every target was decided on."""
    may_promote: bool = False
    """Whether results may become `latest`: there is no canary, or it held."""
    open: tuple[OpenTarget, ...] = ()
    counts: Counts = field(default_factory=Counts)
    spent_nano_usd: int = 0
    comparison: Comparison = field(default_factory=Comparison)
    parts_compared: int = 0
    """Of comparisons that take several steps: what is done of one shows here, and so calls the next step."""
    reason: StopReason | None = None
    finished_at: datetime | None = None
    version: int = 1

    @property
    def is_terminal(self) -> bool:
        """Whether it is over."""
        return self.state in TERMINAL_RUN_STATES

    @property
    def allowed_nano_usd(self) -> int:
        """What the jobs under way may cost at most."""
        return sum(target.allowed_nano_usd or 0 for target in self.open)

    @property
    def expected_nano_usd(self) -> int:
        """What the jobs under way were quoted at."""
        return sum(target.expected_nano_usd for target in self.open)


@dataclass(frozen=True, slots=True)
class Target:
    """One video of a run."""

    tenant: TenantId
    run_id: RunId
    video_id: VideoId
    state: TargetState = TargetState.WAITING
    job_id: JobId | None = None
    old_job_id: JobId | None = None
    comparison: Comparison | None = None
    """With the old results, when there were any."""
    cursor: str = ""
    """Where the comparison goes on, while it is not done."""
    cost_nano_usd: int = 0
    is_promoted: bool = False
    detail: str = ""
    """Why it failed."""
    version: int = 1


def judge(canary: Canary, counts: Counts, compared: Comparison) -> str | None:
    """Why the videos of a canary are out of its bounds; None when they are inside.

    Bounds that nothing can be measured against are not kept: a canary lets through what it has seen to be good.
    """
    if counts.started == 0:
        return None
    failed = counts.failed + counts.cancelled
    if canary.max_failed_ratio is not None and failed / counts.started > canary.max_failed_ratio:
        return f"{failed} of {counts.started} videos failed; at most {canary.max_failed_ratio:g} of them may"
    named = [("all labels", canary.bounds, compared.total)]
    named += [(f"label {name!r}", bounds, compared.of(name)) for name, bounds in canary.bounds_by_label]
    if compared.videos == 0 and any(bounds.is_stated for _, bounds, _ in named):
        return "none of its videos could be compared: they have no earlier results of this pipeline, or no new ones"
    return next((why for name, bounds, sums in named if (why := _why_outside(name, bounds, sums))), None)


def _why_outside(name: str, bounds: Bounds, sums: DiffSums) -> str | None:
    if bounds.min_agreement is not None and sums.agreement < bounds.min_agreement:
        return f"the agreement over {name} is {sums.agreement:.4f}; at least {bounds.min_agreement:g} was asked for"
    for what, count, most in (
        ("added", sums.added, bounds.max_added_ratio),
        ("removed", sums.removed, bounds.max_removed_ratio),
    ):
        # Of nothing, anything that comes is too much, unless no bound is meant.
        if most is not None and count > most * sums.a_count:
            return f"{count} detections of {name} were {what}, of {sums.a_count}; at most {most:g} of them may be"
    return None

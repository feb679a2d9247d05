"""The wire of campaigns: requests and answers. No rules, only forms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from chalicelib.api.diff_schemas import DiffLabelOut, DiffSumsOut
from chalicelib.api.schemas import AnalysisIn, In, Out, PipelineRefOut, Text

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
VideoIdText = Annotated[str, StringConstraints(pattern=r"^vid_[0-9A-HJKMNP-TV-Z]{26}$")]
Ratio = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False), AfterValidator(lambda ratio: round(ratio, 6))]
Agreement = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda number: round(number, 6))]
PipelineText = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[a-z0-9][a-z0-9._@-]*$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def _in_utc(moment: datetime) -> datetime:
    # Before it is converted, which fails at the ends of the calendar.
    if not 1970 <= moment.year <= 9000:
        raise ValueError("must be a moment of the years 1970 to 9000")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""RFC 3339 with an offset; kept in UTC."""


class PipelineAgeForm(In):
    """A version of a pipeline."""

    name: Text
    version: Annotated[int, Field(ge=1, le=9999)]


class SelectForm(In):
    """Which videos: those that fit everything that is stated; without anything, all that are READY."""

    video_ids: Annotated[list[VideoIdText], Field(min_length=1, max_length=1000)] | None = None
    label_seen: Text | None = None
    """In the current results of the campaign's pipeline, or else in the newest job that has finished."""
    older_than_days: Annotated[float, Field(ge=0, le=36_500)] | None = None
    """Before the nominal time of the run."""
    created_after: Moment | None = None
    created_before: Moment | None = None
    size_min_bytes: Annotated[int, Field(ge=0, le=2**53)] | None = None
    size_max_bytes: Annotated[int, Field(ge=0, le=2**53)] | None = None
    duration_min_seconds: Annotated[float, Field(ge=0, le=10**9)] | None = None
    duration_max_seconds: Annotated[float, Field(ge=0, le=10**9)] | None = None
    pipeline_older_than: PipelineAgeForm | None = None
    """Whose current results of that pipeline are of an older version, or that have none."""
    failed_only: bool = False
    """Whose newest job failed, or has ranges missing."""


class OnceForm(In):
    """One run."""

    kind: Literal["once"]
    at: Moment | None = None
    """Unset: now."""


class RateForm(In):
    """A run at `starts_at`, and every `every` units after it."""

    kind: Literal["rate"]
    every: Annotated[int, Field(ge=1, le=100_000)]
    unit: Literal["minutes", "hours", "days"]
    starts_at: Moment | None = None
    """Unset: now."""


class CronForm(In):
    """A run whenever the cron fits, in UTC: minute, hour, day of month, month, day of week."""

    kind: Literal["cron"]
    expression: Annotated[str, StringConstraints(min_length=9, max_length=200)] = Field(examples=["30 2 * * 1-5"])


WhenForm = Annotated[OnceForm | RateForm | CronForm, Field(discriminator="kind")]


class WindowForm(In):
    """From `start` on each of these days until `end`, of the next day when it is not later; in UTC."""

    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = None
    """Unset: every day."""
    start: TimeOfDay
    end: TimeOfDay


class BoundsForm(In):
    """Between which the new results must lie, compared with the old ones. Ratios are of the old ones' detections."""

    min_agreement: Agreement | None = None
    max_added_ratio: Ratio | None = None
    max_removed_ratio: Ratio | None = None


class LabelBoundsForm(BoundsForm):
    """The same for the detections of one label."""

    label: Text


class CanaryForm(In):
    """The first videos: the others come, and results become `latest`, only if these stay inside the bounds."""

    videos: Annotated[int, Field(ge=1, le=1000)]
    bounds: BoundsForm = BoundsForm()
    bounds_by_label: Annotated[list[LabelBoundsForm], Field(max_length=100)] | None = None
    max_failed_ratio: Agreement | None = None
    """Of the videos."""


class CatchUpForm(In):
    """How much is made up for."""

    max_runs: Annotated[int, Field(ge=1, le=100)] = 1
    """Of nominal times that passed unseen, the last so many are run."""


class CampaignIn(In):
    """A campaign: which videos are analysed again, by what, and when. Either `pipeline` or `analyze` says by what."""

    name: Text
    select: SelectForm = SelectForm()
    pipeline: PipelineText | None = Field(default=None, examples=["people@4"])
    """`name@version`, or `name` for the version that is the newest when a run begins."""
    analyze: AnalysisIn | None = None
    when: WhenForm = OnceForm(kind="once")
    windows: Annotated[list[WindowForm], Field(min_length=1, max_length=50)] | None = None
    """Videos are started inside these only; jobs under way go on."""
    budget_usd: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Of each run."""
    concurrency: Annotated[int, Field(ge=1, le=50)] = 4
    """Jobs at once."""
    canary: CanaryForm | None = None
    overlap: Literal["skip", "queue", "replace"] = "skip"
    """What becomes of a nominal time while an earlier run is under way."""
    catch_up: CatchUpForm = CatchUpForm()

    @model_validator(mode="after")
    def _says_by_what(self) -> CampaignIn:
        if (self.pipeline is None) == (self.analyze is None):
            raise ValueError("either pipeline or analyze must be given, and not both")
        return self


class CampaignQuery(In):
    """How to take the request."""

    dry_run: bool = False
    """Record nothing; say how many videos it would take now, and what they would cost."""


class CampaignOut(Out):
    """A campaign."""

    campaign_id: str
    name: str
    state: str
    select: SelectForm
    pipeline: str | None = None
    analyze: AnalysisIn | None = None
    when: WhenForm
    windows: list[WindowForm] | None = None
    budget_usd: float | None = None
    concurrency: int
    canary: CanaryForm | None = None
    overlap: str
    catch_up: CatchUpForm
    created_at: str
    next_at: str | None = None
    """The next nominal time, while it is ACTIVE."""
    current_run_id: str | None = None
    queued_runs: int


class CampaignEstimateOut(Out):
    """What a campaign would do now."""

    videos: int
    """Selected, of those that were looked at."""
    looked_at: int
    has_more: bool
    """Whether there are videos that were not looked at."""
    priced: int
    """How many of the selected the cost is of."""
    unchanged: int
    """Of the priced: those with current results of this very analysis, which cost nothing."""
    cost_usd: float


class CampaignEnvelope(Out):
    """A campaign."""

    campaign: CampaignOut


class CampaignCreatedOut(Out):
    """The new campaign, or with `dry_run` what it would do."""

    campaign: CampaignOut | None = None
    estimate: CampaignEstimateOut | None = None


class CampaignsPage(Out):
    """Campaigns, newest first."""

    items: list[CampaignOut]
    next_cursor: str | None


class RunProgressOut(Out):
    """Videos of a run."""

    selected: int
    waiting: int
    running: int
    succeeded: int
    unchanged: int
    """Their current results were those of this very analysis: nothing was done."""
    failed: int
    cancelled: int
    gone: int
    """Deleted after they were selected."""
    promoted: int
    """Whose new results are, or were made, `latest`."""


class RunSpendOut(Out):
    """What a run has cost."""

    spent_usd: float
    expected_usd: float
    """Of the jobs under way, as they were quoted."""
    budget_usd: float | None = None


class RunReportOut(Out):
    """New results of a run beside the old ones, over all its videos that had any."""

    videos_compared: int
    total: DiffSumsOut
    labels: list[DiffLabelOut]


class RunReasonOut(Out):
    """Why a run stopped, or was skipped."""

    code: str
    detail: str


class CampaignRunOut(Out):
    """What a campaign does at one nominal time."""

    run_id: str
    campaign_id: str
    nominal_at: str
    state: str
    pipeline: PipelineRefOut | None = None
    progress: RunProgressOut
    spend: RunSpendOut
    report: RunReportOut
    reason: RunReasonOut | None = None
    created_at: str
    finished_at: str | None = None


class CampaignRunEnvelope(Out):
    """A run."""

    run: CampaignRunOut


class CampaignRunsPage(Out):
    """Runs, the newest nominal time first."""

    items: list[CampaignRunOut]
    next_cursor: str | None


class CampaignTargetOut(Out):
    """One video of a run."""

    video_id: str
    state: str
    job_id: str | None = None
    old_job_id: str | None = None
    """Whose results were `latest` when it was started, and were compared with."""
    is_promoted: bool
    cost_usd: float
    diff: DiffSumsOut | None = None
    detail: str | None = None
    """Why it failed."""


class CampaignTargetsPage(Out):
    """Videos of a run, the newest first."""

    items: list[CampaignTargetOut]
    next_cursor: str | None

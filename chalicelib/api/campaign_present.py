"""Campaigns between the wire and the domain, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from chalicelib.api import campaign_schemas as forms
from chalicelib.api.diff import sums_fields
from chalicelib.api.diff_schemas import DiffLabelOut, DiffSumsOut
from chalicelib.api.jobs import analysis_request
from chalicelib.api.schemas import AnalysisIn, PipelineRefOut
from chalicelib.contracts.campaign_items import schedule_to_map
from chalicelib.contracts.items import time_to_text
from chalicelib.domain.budgets import dollars, nano_usd
from chalicelib.domain.campaign_runs import Comparison, Run, Target, TargetState
from chalicelib.domain.campaigns import (
    Bounds,
    Campaign,
    CampaignState,
    Canary,
    Overlap,
    PipelineAge,
    Plan,
    Selection,
    run_id_of,
)
from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import JobRequest
from chalicelib.domain.schedules import (
    WEEKDAYS,
    Once,
    Rate,
    RateUnit,
    Schedule,
    Window,
    minute_text,
    parse_cron,
    parse_minute,
)
from chalicelib.services.campaign_estimates import Estimate
from chalicelib.services.campaigns import floor

WHEN_BY_KIND: Mapping[str, type[forms.OnceForm | forms.RateForm | forms.CronForm]] = {
    "once": forms.OnceForm,
    "rate": forms.RateForm,
    "cron": forms.CronForm,
}


def plan_of(form: forms.CampaignIn, now: datetime) -> Plan:
    """What a client asked for, as the domain has it.

    Raises:
        InvalidRequest: a cron that is none.
    """
    return Plan(
        name=form.name,
        selection=_selection_of(form.select),
        schedule=_schedule_of(form.when, floor(now)),
        pipeline=form.pipeline or "",
        request=analysis_request(form.analyze) if form.analyze else None,
        windows=tuple(map(_window_of, form.windows or ())),
        budget_nano_usd=nano_usd(form.budget_usd) if form.budget_usd is not None else None,
        concurrency=form.concurrency,
        canary=_canary_of(form.canary) if form.canary else None,
        overlap=Overlap(form.overlap),
        max_catch_up=form.catch_up.max_runs,
    )


def campaign_out(campaign: Campaign) -> forms.CampaignOut:
    """A campaign."""
    plan, current = campaign.plan, campaign.current
    is_active = campaign.state is CampaignState.ACTIVE
    return forms.CampaignOut(
        campaign_id=campaign.campaign_id,
        name=plan.name,
        state=campaign.state,
        select=_select_out(plan.selection),
        when=_when_out(plan.schedule),
        concurrency=plan.concurrency,
        overlap=plan.overlap,
        catch_up=forms.CatchUpForm(max_runs=plan.max_catch_up),
        created_at=time_to_text(campaign.created_at),
        queued_runs=len(campaign.queued),
        **_known(
            pipeline=plan.pipeline or None,
            analyze=_analysis_out(plan.request) if plan.request else None,
            windows=[_window_out(window) for window in plan.windows] or None,
            budget_usd=dollars(plan.budget_nano_usd) if plan.budget_nano_usd is not None else None,
            canary=_canary_out(plan.canary) if plan.canary else None,
            next_at=time_to_text(campaign.next_at) if is_active and campaign.next_at else None,
            current_run_id=run_id_of(campaign.tenant, campaign.campaign_id, current) if current else None,
        ),
    )


def estimate_out(estimate: Estimate) -> forms.CampaignEstimateOut:
    """What a campaign would do now."""
    return forms.CampaignEstimateOut(
        videos=estimate.videos,
        looked_at=estimate.looked_at,
        has_more=estimate.has_more,
        priced=estimate.priced,
        unchanged=estimate.unchanged,
        cost_usd=dollars(estimate.cost_nano_usd),
    )


def run_out(run: Run, budget_nano_usd: int | None) -> forms.CampaignRunOut:
    """A run."""
    counts = run.counts
    ended = counts.succeeded + counts.unchanged + counts.failed + counts.cancelled + counts.gone
    return forms.CampaignRunOut(
        run_id=run.run_id,
        campaign_id=run.campaign_id,
        nominal_at=time_to_text(run.nominal_at),
        state=run.state,
        progress=forms.RunProgressOut(
            selected=counts.selected,
            waiting=max(0, counts.selected - ended - len(run.open)),
            running=len(run.open),
            succeeded=counts.succeeded,
            unchanged=counts.unchanged,
            failed=counts.failed,
            cancelled=counts.cancelled,
            gone=counts.gone,
            promoted=counts.promoted,
        ),
        spend=forms.RunSpendOut(
            spent_usd=dollars(run.spent_nano_usd),
            expected_usd=dollars(run.expected_nano_usd),
            **_known(budget_usd=dollars(budget_nano_usd) if budget_nano_usd is not None else None),
        ),
        report=_report_out(run.comparison),
        created_at=time_to_text(run.created_at),
        **_known(
            pipeline=PipelineRefOut(name=run.pipeline_name, version=run.pipeline_version)
            if run.pipeline_version
            else None,
            reason=forms.RunReasonOut(code=run.reason.code, detail=run.reason.detail) if run.reason else None,
            finished_at=time_to_text(run.finished_at) if run.finished_at else None,
        ),
    )


def target_out(run: Run, target: Target) -> forms.CampaignTargetOut:
    """One video of a run; what is under way stands in the run alone."""
    under_way = next((one for one in run.open if one.video_id == target.video_id), None)
    state = TargetState.RUNNING if under_way and target.state is TargetState.WAITING else target.state
    return forms.CampaignTargetOut(
        video_id=target.video_id,
        state=state,
        is_promoted=target.is_promoted,
        cost_usd=dollars(target.cost_nano_usd),
        **_known(
            job_id=target.job_id or (under_way and under_way.job_id),
            old_job_id=target.old_job_id or (under_way and under_way.old_job_id),
            diff=DiffSumsOut(**sums_fields(target.comparison.total))
            if target.comparison and target.state is TargetState.SUCCEEDED
            else None,
            detail=target.detail or None,
        ),
    )


def _report_out(comparison: Comparison) -> forms.RunReportOut:
    labels = sorted(comparison.by_label.items(), key=lambda one: (-one[1].a_count - one[1].b_count, one[0]))
    return forms.RunReportOut(
        videos_compared=comparison.videos,
        total=DiffSumsOut(**sums_fields(comparison.total)),
        labels=[DiffLabelOut(label=label, **sums_fields(sums)) for label, sums in labels],
    )


def _analysis_out(request: JobRequest) -> AnalysisIn:
    return AnalysisIn.model_validate(
        {
            "models": list(request.models),
            "sampling": request.sampling.to_json(),
            "tracking": request.tracking,
            **_known(
                score_min=request.score_min,
                labels=list(request.labels) or None,
                segment_seconds=float(request.segment_seconds) if request.segment_seconds is not None else None,
            ),
        }
    )


def _selection_of(form: forms.SelectForm) -> Selection:
    said = {name: value for name, value in form if name not in ("video_ids", "pipeline_older_than")}
    age = form.pipeline_older_than
    return Selection(
        **said,
        video_ids=tuple(VideoId(video_id) for video_id in dict.fromkeys(form.video_ids or ())),
        pipeline_older_than=PipelineAge(age.name, age.version) if age else None,
    )


def _select_out(selection: Selection) -> forms.SelectForm:
    said = {one.name: getattr(selection, one.name) for one in fields(Selection)}
    age = selection.pipeline_older_than
    said["video_ids"] = list(selection.video_ids) or None
    said["pipeline_older_than"] = {"name": age.name, "version": age.version} if age else None
    return forms.SelectForm.model_validate(_known(**said))


def _schedule_of(form: forms.OnceForm | forms.RateForm | forms.CronForm, now: datetime) -> Schedule:
    match form:
        case forms.OnceForm():
            return Once(form.at or now)
        case forms.RateForm():
            return Rate(form.every, RateUnit(form.unit), form.starts_at or now)
        case forms.CronForm():
            return parse_cron(form.expression)


def _when_out(schedule: Schedule) -> forms.OnceForm | forms.RateForm | forms.CronForm:
    said = schedule_to_map(schedule)
    return WHEN_BY_KIND[said["kind"]].model_validate(said)


def _window_of(form: forms.WindowForm) -> Window:
    days = frozenset(map(WEEKDAYS.index, form.days or WEEKDAYS))
    return Window(days, parse_minute(form.start), parse_minute(form.end))


def _window_out(window: Window) -> forms.WindowForm:
    days: Any = [WEEKDAYS[day] for day in sorted(window.days)]
    start, end = minute_text(window.from_minute), minute_text(window.to_minute)
    return forms.WindowForm(start=start, end=end, **_known(days=days if len(days) < len(WEEKDAYS) else None))


def _canary_of(form: forms.CanaryForm) -> Canary:
    return Canary(
        videos=form.videos,
        bounds=_bounds_of(form.bounds),
        max_failed_ratio=form.max_failed_ratio,
        bounds_by_label=tuple((one.label, _bounds_of(one)) for one in form.bounds_by_label or ()),
    )


def _canary_out(canary: Canary) -> forms.CanaryForm:
    by_label = [
        forms.LabelBoundsForm(label=label, **_known(**_bounds(bounds))) for label, bounds in canary.bounds_by_label
    ]
    return forms.CanaryForm(
        videos=canary.videos,
        bounds=forms.BoundsForm(**_known(**_bounds(canary.bounds))),
        **_known(bounds_by_label=by_label or None, max_failed_ratio=canary.max_failed_ratio),
    )


def _bounds_of(form: forms.BoundsForm) -> Bounds:
    return Bounds(form.min_agreement, form.max_added_ratio, form.max_removed_ratio)


def _bounds(bounds: Bounds) -> dict[str, float | None]:
    return {one.name: getattr(bounds, one.name) for one in fields(Bounds)}


def _known(**said: Any) -> dict[str, Any]:
    """The fields that have a value; the others are left out of the answer."""
    return {name: value for name, value in said.items() if value is not None}

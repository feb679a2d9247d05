"""Items of campaigns and the domain's objects, both ways; beside `contracts/items.py`, and by its rules.

    CAMPAIGN  version, state, plan (a map), created_at, created_by, seen_until, taken, current, queued, due
    OPEN_CAMPAIGNS  version, campaign_ids: those that were open when they were last looked at, and all newer ones
    RUN_REF   run_id: that the campaign has the run of a nominal time, in order of those
    RUN       version, state, campaign_id, nominal_at, pipeline, cursors, open, counts, comparison, reason, due
    TARGET    version, state, job_id, old_job_id, comparison, cursor, cost_nano_usd

A comparison is {"videos", "labels": {label: the numbers of its `DiffSums`}}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import (
    due_attributes,
    plain,
    request_from_map,
    request_to_map,
    time_from_text,
    time_to_text,
)
from chalicelib.domain.campaign_runs import (
    Comparison,
    Counts,
    OpenTarget,
    Run,
    RunState,
    StopCode,
    StopReason,
    Target,
    TargetState,
)
from chalicelib.domain.campaigns import (
    Bounds,
    Campaign,
    CampaignState,
    Canary,
    Overlap,
    PipelineAge,
    Plan,
    Selection,
)
from chalicelib.domain.diff import DiffSums
from chalicelib.domain.ids import CampaignId, JobId, RunId, TenantId, VideoId
from chalicelib.domain.schedules import Cron, Once, Rate, RateUnit, Schedule, Window, parse_cron


def places_to_item(tenant: TenantId, version: int, campaign_ids: Sequence[CampaignId]) -> Item:
    """OPEN_CAMPAIGNS."""
    return {
        "pk": table_keys.partition(tenant, "campaigns"),
        "sk": table_keys.OPEN_CAMPAIGNS,
        "kind": "OPEN_CAMPAIGNS",
        "version": version,
        "campaign_ids": list(campaign_ids),
    }


def campaign_to_item(campaign: Campaign, due_at: datetime | None) -> Item:
    """CAMPAIGN."""
    pk = table_keys.partition(campaign.tenant, campaign.campaign_id)
    listed = {"list_pk": table_keys.partition(campaign.tenant, "campaigns"), "list_sk": campaign.campaign_id}
    return {
        "pk": pk,
        "sk": table_keys.CAMPAIGN,
        "kind": "CAMPAIGN",
        # One that is being deleted is gone for whoever lists them.
        **({} if campaign.state is CampaignState.DELETING else listed),
        "version": campaign.version,
        "state": campaign.state,
        "plan": plan_to_map(campaign.plan),
        "created_at": time_to_text(campaign.created_at),
        "created_by": campaign.created_by,
        "seen_until": time_to_text(campaign.seen_until),
        "taken": [time_to_text(moment) for moment in campaign.taken],
        "current": _time_text(campaign.current),
        "queued": [time_to_text(moment) for moment in campaign.queued],
        **due_attributes(pk, due_at),
    }


def campaign_from_item(item: Item) -> Campaign:
    """The campaign of a CAMPAIGN item."""
    tenant, campaign_id = table_keys.parse_partition(item["pk"])
    return Campaign(
        tenant=TenantId(tenant),
        campaign_id=CampaignId(campaign_id),
        plan=plan_from_map(item["plan"]),
        state=CampaignState(item["state"]),
        created_at=time_from_text(item["created_at"]),
        created_by=item["created_by"],
        seen_until=time_from_text(item["seen_until"]),
        taken=tuple(map(time_from_text, item["taken"])),
        current=_time(item.get("current")),
        queued=tuple(map(time_from_text, item["queued"])),
        version=item["version"],
    )


def run_to_item(run: Run, due_at: datetime | None) -> Item:
    """RUN."""
    pk = table_keys.partition(run.tenant, run.run_id)
    return {
        "pk": pk,
        "sk": table_keys.RUN,
        "kind": "RUN",
        "version": run.version,
        "state": run.state,
        "campaign_id": run.campaign_id,
        "nominal_at": time_to_text(run.nominal_at),
        "created_at": time_to_text(run.created_at),
        "pipeline": {"name": run.pipeline_name, "version": run.pipeline_version},
        "select_after": run.select_after,
        "walked_to": run.walked_to,
        "promoted_to": run.promoted_to,
        "has_walked": run.has_walked,
        "may_promote": run.may_promote,
        "open": [list(astuple(one)) for one in run.open],
        "counts": {name: getattr(run.counts, name) for name in Counts.__slots__},
        "spent_nano_usd": run.spent_nano_usd,
        "comparison": comparison_to_map(run.comparison),
        "parts_compared": run.parts_compared,
        "reason": {"code": run.reason.code, "detail": run.reason.detail} if run.reason else None,
        "finished_at": _time_text(run.finished_at),
        **due_attributes(pk, due_at),
    }


def run_from_item(item: Item) -> Run:
    """The run of a RUN item."""
    tenant, run_id = table_keys.parse_partition(item["pk"])
    reason = item.get("reason")
    return Run(
        tenant=TenantId(tenant),
        run_id=RunId(run_id),
        campaign_id=CampaignId(item["campaign_id"]),
        nominal_at=time_from_text(item["nominal_at"]),
        state=RunState(item["state"]),
        created_at=time_from_text(item["created_at"]),
        pipeline_name=item["pipeline"]["name"],
        pipeline_version=item["pipeline"]["version"],
        select_after=_video_id(item.get("select_after")),
        walked_to=_video_id(item.get("walked_to")),
        promoted_to=_video_id(item.get("promoted_to")),
        has_walked=item["has_walked"],
        may_promote=item["may_promote"],
        open=tuple(
            OpenTarget(VideoId(video), JobId(job), JobId(old) if old else None, expected, allowed)
            for video, job, old, expected, allowed in item["open"]
        ),
        counts=Counts(**item["counts"]),
        spent_nano_usd=item["spent_nano_usd"],
        comparison=comparison_from_map(item["comparison"]),
        parts_compared=item["parts_compared"],
        reason=StopReason(StopCode(reason["code"]), reason["detail"]) if reason else None,
        finished_at=_time(item.get("finished_at")),
        version=item["version"],
    )


def target_to_item(target: Target) -> Item:
    """TARGET."""
    return {
        "pk": table_keys.partition(target.tenant, target.run_id),
        "sk": table_keys.target(target.video_id),
        "kind": "TARGET",
        "version": target.version,
        "state": target.state,
        "job_id": target.job_id,
        "old_job_id": target.old_job_id,
        "comparison": comparison_to_map(target.comparison) if target.comparison else None,
        "cursor": target.cursor,
        "cost_nano_usd": target.cost_nano_usd,
        "is_promoted": target.is_promoted,
        "detail": target.detail,
    }


def target_from_item(item: Item) -> Target:
    """The target of a TARGET item."""
    tenant, run_id = table_keys.parse_partition(item["pk"])
    job_id, old_job_id = item.get("job_id"), item.get("old_job_id")
    return Target(
        tenant=TenantId(tenant),
        run_id=RunId(run_id),
        video_id=VideoId(item["sk"].removeprefix(table_keys.TARGET_PREFIX)),
        state=TargetState(item["state"]),
        job_id=JobId(job_id) if job_id else None,
        old_job_id=JobId(old_job_id) if old_job_id else None,
        comparison=comparison_from_map(item["comparison"]) if item.get("comparison") else None,
        cursor=item["cursor"],
        cost_nano_usd=item["cost_nano_usd"],
        is_promoted=item["is_promoted"],
        detail=item["detail"],
        version=item["version"],
    )


def comparison_to_map(comparison: Comparison) -> Item:
    """Comparison as an attribute."""
    return {
        "videos": comparison.videos,
        "labels": {label: list(astuple(sums)) for label, sums in sorted(comparison.by_label.items())},
    }


def comparison_from_map(form: Item) -> Comparison:
    """Comparison from an attribute."""
    return Comparison(form["videos"], {label: DiffSums(*counts) for label, counts in form["labels"].items()})


def plan_to_map(plan: Plan) -> Item:
    """Plan as an attribute."""
    selection = {name: getattr(plan.selection, name) for name in Selection.__slots__}
    age = plan.selection.pipeline_older_than
    form: Item = {
        "name": plan.name,
        "selection": {
            **selection,
            "created_after": _time_text(plan.selection.created_after),
            "created_before": _time_text(plan.selection.created_before),
            "pipeline_older_than": {"name": age.name, "version": age.version} if age else None,
        },
        "schedule": schedule_to_map(plan.schedule),
        "pipeline": plan.pipeline,
        "request": request_to_map(plan.request) if plan.request else None,
        "windows": [[sorted(window.days), window.from_minute, window.to_minute] for window in plan.windows],
        "budget_nano_usd": plan.budget_nano_usd,
        "concurrency": plan.concurrency,
        "canary": _canary_to_map(plan.canary) if plan.canary else None,
        "overlap": plan.overlap,
        "max_catch_up": plan.max_catch_up,
    }
    plained: Item = plain(form)
    return plained


def plan_from_map(form: Item) -> Plan:
    """Plan from an attribute."""
    selection, age = form["selection"], form["selection"].get("pipeline_older_than")
    return Plan(
        name=form["name"],
        selection=Selection(
            **{
                **selection,
                "video_ids": tuple(VideoId(video_id) for video_id in selection["video_ids"]),
                "created_after": _time(selection.get("created_after")),
                "created_before": _time(selection.get("created_before")),
                "pipeline_older_than": PipelineAge(age["name"], age["version"]) if age else None,
            }
        ),
        schedule=schedule_from_map(form["schedule"]),
        pipeline=form["pipeline"],
        request=request_from_map(form["request"]) if form.get("request") else None,
        windows=tuple(Window(frozenset(days), begins, ends) for days, begins, ends in form["windows"]),
        budget_nano_usd=form.get("budget_nano_usd"),
        concurrency=form["concurrency"],
        canary=_canary_from_map(form["canary"]) if form.get("canary") else None,
        overlap=Overlap(form["overlap"]),
        max_catch_up=form["max_catch_up"],
    )


def schedule_to_map(schedule: Schedule) -> Item:
    """Schedule as an attribute, and as the API shows it."""
    match schedule:
        case Once():
            return {"kind": "once", "at": time_to_text(schedule.at)}
        case Rate():
            unit, starts_at = str(schedule.unit), time_to_text(schedule.starts_at)
            return {"kind": "rate", "every": schedule.every, "unit": unit, "starts_at": starts_at}
        case Cron():
            return {"kind": "cron", "expression": schedule.expression}


def schedule_from_map(form: Item) -> Schedule:
    """Schedule from an attribute."""
    match form["kind"]:
        case "once":
            return Once(time_from_text(form["at"]))
        case "rate":
            return Rate(form["every"], RateUnit(form["unit"]), time_from_text(form["starts_at"]))
    return parse_cron(form["expression"])


def _canary_to_map(canary: Canary) -> Item:
    return {
        "videos": canary.videos,
        "max_failed_ratio": canary.max_failed_ratio,
        "bounds": _bounds_to_map(canary.bounds),
        "by_label": [[label, _bounds_to_map(bounds)] for label, bounds in canary.bounds_by_label],
    }


def _canary_from_map(form: Item) -> Canary:
    return Canary(
        videos=form["videos"],
        bounds=_bounds_from_map(form["bounds"]),
        max_failed_ratio=_float(form.get("max_failed_ratio")),
        bounds_by_label=tuple((label, _bounds_from_map(bounds)) for label, bounds in form["by_label"]),
    )


def _bounds_to_map(bounds: Bounds) -> Item:
    return {name: getattr(bounds, name) for name in Bounds.__slots__}


def _bounds_from_map(form: Item) -> Bounds:
    return Bounds(**{name: _float(value) for name, value in form.items()})


def _time_text(moment: datetime | None) -> str | None:
    return time_to_text(moment) if moment else None


def _time(text: str | None) -> datetime | None:
    return time_from_text(text) if text else None


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _video_id(text: str | None) -> VideoId | None:
    return VideoId(text) if text else None

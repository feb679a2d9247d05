"""The videos of a run, one by one: what is to be done with each, and how it went.

Everything here may be done again after a crash, and by two at once: a job has its name in the run before it is made,
how a target ended is written once (by version), and only the run's own conditional write counts it.
"""

from __future__ import annotations

from dataclasses import replace

from aws_lambda_powertools import Logger

from chalicelib.domain.budgets import text_of
from chalicelib.domain.campaign_runs import Comparison, OpenTarget, Run, StopCode, StopReason, Target, TargetState
from chalicelib.domain.campaigns import Campaign
from chalicelib.domain.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.videos import Video
from chalicelib.services import campaign_work as work
from chalicelib.services.campaign_work import Analysis
from chalicelib.services.ports import Ports

logger = Logger(service="reelscan", child=True)

COMPARED_PER_STEP = 4
"""Parts of a comparison: each reads as much as a page of a diff."""
ALLOWED_RATIO = 2
"""A job may cost so many times what was expected of it, for attempts that are repeated, before it is stopped."""


def decide(
    ports: Ports, campaign: Campaign, run: Run, analysis: Analysis, target: Target
) -> OpenTarget | Target | StopReason | None:
    """What is to be done with the next target: a job, nothing (it has ended), or to stop the run before it.

    None: to wait for the jobs under way, which may leave enough of the budget.
    """
    if target.state is not TargetState.WAITING:
        # It was decided on before, by somebody who did not come to count it.
        return target
    video = ports.videos.get(run.tenant, target.video_id)
    if video is None:
        return ports.campaigns.save_target(replace(target, state=TargetState.GONE))
    old = work.find_current(ports, video, analysis.pipeline_name)
    if old is not None and analysis.made(old):
        return ports.campaigns.save_target(replace(target, state=TargetState.UNCHANGED, job_id=old.job_id))
    try:
        expected = work.quote(ports, video, analysis)
    except (Conflict, InvalidRequest) as error:
        failed = replace(target, state=TargetState.FAILED, detail=error.failure.detail)
        return ports.campaigns.save_target(failed)
    budget = campaign.plan.budget_nano_usd
    allowed = None
    if budget is not None:
        room = budget - run.spent_nano_usd - run.allowed_nano_usd
        if expected > room:
            return None if run.open else _budget_is_spent(budget, room, expected)
        allowed = min(room, max(expected, 1) * ALLOWED_RATIO)
    return OpenTarget(target.video_id, JobId(ports.ids.make("job")), old.job_id if old else None, expected, allowed)


def start(ports: Ports, run: Run, analysis: Analysis, target: OpenTarget) -> Target | StopReason | None:
    """Make the target's job; how the target ended, or why the run must stop, when there can be none."""
    video = ports.videos.get(run.tenant, target.video_id)
    if video is None:
        return _end(ports, run, target, TargetState.GONE)
    try:
        work.start(ports, video, analysis, target, run.run_id)
    except NotFound:
        return _end(ports, run, target, TargetState.GONE)
    except LimitExceeded as error:
        return StopReason(StopCode.BUDGET, error.failure.detail)
    except (Conflict, InvalidRequest) as error:
        return _end(ports, run, target, TargetState.FAILED, detail=error.failure.detail)
    return None


def conclude(ports: Ports, campaign: Campaign, run: Run, target: OpenTarget, job: Job) -> Target | None:
    """How the target ended, now that its job has; None: comparing goes on in the next step."""
    stored = _stored(ports, run, target)
    if stored.state is not TargetState.WAITING:
        return stored
    ended = replace(stored, job_id=job.job_id, old_job_id=target.old_job_id, cost_nano_usd=work.cost_of(ports, job))
    old = ports.jobs.get(run.tenant, target.old_job_id) if target.old_job_id else None
    if job.state is JobState.CANCELLED:
        return ports.campaigns.save_target(replace(ended, state=TargetState.CANCELLED))
    if not work.is_good(job, old):
        detail = job.failure.detail if job.failure else f"the job is {job.state}, and the old one is not"
        return ports.campaigns.save_target(replace(ended, state=TargetState.FAILED, detail=detail))
    if old is not None:
        ended = _compare(ports, ended, old, job)
        if ended.cursor:
            ports.campaigns.save_target(ended)
            return None
    ended = replace(ended, state=TargetState.SUCCEEDED)
    if run.may_promote:
        video = ports.videos.get(run.tenant, target.video_id)
        ended = replace(ended, is_promoted=_promote(ports, campaign, run, video, job, old))
    return ports.campaigns.save_target(ended)


def promote_held(ports: Ports, campaign: Campaign, run: Run, target: Target) -> Target:
    """The target of a canary that held, with its results made `latest` if nobody moved that meanwhile."""
    if target.state is not TargetState.SUCCEEDED or target.is_promoted or target.job_id is None:
        return target
    video = ports.videos.get(run.tenant, target.video_id)
    job = ports.jobs.get(run.tenant, target.job_id)
    old = ports.jobs.get(run.tenant, target.old_job_id) if target.old_job_id else None
    if job is None or not _promote(ports, campaign, run, video, job, old):
        return target
    return ports.campaigns.save_target(replace(target, is_promoted=True))


def drop(ports: Ports, run: Run, target: OpenTarget) -> Target:
    """The target, whose job was not made before the run was stopped."""
    return _end(ports, run, target, TargetState.CANCELLED)


def _compare(ports: Ports, target: Target, old: Job, job: Job) -> Target:
    """The target with some more of its comparison; `cursor` is empty when all of it is there."""
    sums, cursor = target.comparison or Comparison(1), target.cursor
    for _ in range(COMPARED_PER_STEP):
        part, cursor = work.compare(ports, old, job, cursor)
        sums += part
        if not cursor:
            break
    return replace(target, comparison=sums, cursor=cursor)


def _promote(ports: Ports, campaign: Campaign, run: Run, video: Video | None, job: Job, old: Job | None) -> bool:
    if video is None:
        return False
    cause = f"campaign {campaign.plan.name!r} ({campaign.campaign_id}), run {run.run_id}"
    is_promoted = work.make_current(ports, video, job, old, cause)
    if not is_promoted:
        logger.info("latest was moved by somebody else", video_id=video.video_id, job_id=job.job_id, run_id=run.run_id)
    return is_promoted


def _end(ports: Ports, run: Run, target: OpenTarget, state: TargetState, *, detail: str = "") -> Target:
    stored = _stored(ports, run, target)
    if stored.state is not TargetState.WAITING:
        return stored
    return ports.campaigns.save_target(replace(stored, state=state, old_job_id=target.old_job_id, detail=detail))


def _stored(ports: Ports, run: Run, target: OpenTarget) -> Target:
    stored = ports.campaigns.get_target(run.tenant, run.run_id, target.video_id)
    if stored is None:
        raise NotFound(f"target {target.video_id} of run {run.run_id} is gone")
    return stored


def _budget_is_spent(budget: int, room: int, expected: int) -> StopReason:
    detail = (
        f"the next video is expected to cost {text_of(expected)}, and {text_of(room)} are left of {text_of(budget)}"
    )
    return StopReason(StopCode.BUDGET, detail)

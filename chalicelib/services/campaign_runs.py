"""The one place that moves the run of a campaign on: reads what is, takes one bounded step, saves it.

A step is called when the run was saved (its record changed in the table), when one of its jobs ended, and by the
reconciler. It may be called at any time, any number of times, and by two at once: of two the run's conditional write
lets one through, and what both did meanwhile is the same (`services/campaign_targets.py`). A step that changes
something saves the run, and so calls the next one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from chalicelib.domain.campaign_runs import (
    ENDS_JOBS,
    OpenTarget,
    Run,
    RunState,
    StopCode,
    StopReason,
    Target,
    judge,
)
from chalicelib.domain.campaigns import Campaign, CampaignState
from chalicelib.domain.errors import Conflict, InvalidRequest
from chalicelib.domain.ids import RunId, TenantId
from chalicelib.domain.schedules import is_open, next_opening
from chalicelib.services import campaign_targets as targets
from chalicelib.services import campaign_work as work
from chalicelib.services.advance import due_after
from chalicelib.services.campaign_selection import select_page
from chalicelib.services.campaign_work import Analysis
from chalicelib.services.ports import Due, Owner, Ports, VersionConflict

logger = Logger(service="reelscan", child=True)

TARGETS_PER_STEP = 20
"""Targets that one step decides on; each takes a few reads and a quote."""
STARTS_PER_STEP = 5
CONCLUDED_PER_STEP = 4
"""Each may compare two whole jobs."""
PROMOTED_PER_STEP = 10
PAUSE_CHECK = timedelta(hours=1)
"""A paused run is looked at this often, should the word that it goes on be lost."""
TARGETS_PER_DELETE = 200


def advance_run(ports: Ports, tenant: TenantId, run_id: RunId) -> bool:
    """Take the step that the run can take now; whether there was one."""
    run = ports.campaigns.get_run(tenant, run_id)
    if run is None:
        return False
    campaign = ports.campaigns.get(tenant, run.campaign_id)
    if campaign is None:
        return _delete_orphan(ports, run)
    if run.is_terminal or run.state is RunState.QUEUED:
        return False
    try:
        stepped = _step(ports, campaign, run)
        due_at = _due_at(ports, campaign, stepped)
        if stepped == run:
            # Nothing to do until a job ends, or until then.
            ports.due.postpone(Due(Owner(tenant, run_id)), due_at or due_after(ports))
            return False
        saved = ports.campaigns.save_run(stepped, None if stepped.is_terminal else due_at)
    except VersionConflict:
        # Somebody else took the step; what they saved calls the next one.
        return False
    finally:
        _end_what_came_late(ports, run)
    if saved.state is not run.state:
        logger.info(
            "campaign run moved",
            campaign_id=run.campaign_id,
            run_id=run_id,
            state=saved.state,
            reason=saved.reason and saved.reason.code,
        )
    return True


def stop_run(ports: Ports, tenant: TenantId, run_id: RunId, reason: StopReason) -> None:
    """Stop the run, unless it is over or stops already; one that has not begun is over at once."""
    while (run := ports.campaigns.get_run(tenant, run_id)) is not None and not run.is_terminal:
        is_stopping = run.state is RunState.STOPPING and run.reason is not None and run.reason.code in ENDS_JOBS
        if is_stopping:
            return
        try:
            if run.state is RunState.QUEUED:
                ended = replace(run, state=RunState.STOPPED, reason=reason, finished_at=ports.clock.now())
                ports.campaigns.save_run(ended, None)
            else:
                ports.campaigns.save_run(_stopping(run, reason), due_after(ports))
        except VersionConflict:
            continue
        return


def _step(ports: Ports, campaign: Campaign, run: Run) -> Run:
    """The run one step further; the same when there is none to take. Nothing of it is saved yet."""
    if run.state is RunState.STOPPING:
        return _over_if_idle(ports, campaign, _settle(ports, campaign, run, None))
    try:
        analysis = work.resolve_analysis(ports, run.tenant, campaign.plan, run)
    except (InvalidRequest, Conflict) as error:
        return _stopping(run, StopReason(StopCode.PIPELINE, error.failure.detail))
    if run.state is RunState.SELECTING:
        return _select(ports, campaign, run, analysis)
    if run.state is RunState.PROMOTING:
        return _promote_canary(ports, campaign, run)
    settled = _settle(ports, campaign, run, analysis)
    if settled.state is RunState.STOPPING:
        return settled
    walked = _walk(ports, campaign, settled, analysis)
    return _over_if_idle(ports, campaign, walked)


def _select(ports: Ports, campaign: Campaign, run: Run, analysis: Analysis) -> Run:
    """One page of the tenant's videos; those that fit become targets."""
    plan = campaign.plan
    name, version = analysis.pipeline_name, analysis.pipeline_version
    if not run.pipeline_name:
        # Saved before anything is done with it, so that the run is of one version whatever becomes newest.
        return replace(run, pipeline_name=name, pipeline_version=version)
    page = select_page(ports, run.tenant, plan.selection, name, run.nominal_at, run.select_after)
    ports.campaigns.add_targets([Target(run.tenant, run.run_id, video.video_id) for video in page.videos])
    counts = replace(run.counts, selected=run.counts.selected + len(page.videos))
    selected = replace(run, counts=counts, select_after=page.looked_to or run.select_after)
    if page.looked_to is not None:
        return selected
    if plan.canary is not None:
        return replace(selected, state=RunState.CANARY)
    return replace(selected, state=RunState.RUNNING, may_promote=True)


def _settle(ports: Ports, campaign: Campaign, run: Run, analysis: Analysis | None) -> Run:
    """The run after a look at every job that it has under way: made, ended, or cancelled where need be.

    Without an analysis, for a run that stops, no job is made.
    """
    room = CONCLUDED_PER_STEP
    for target in run.open:
        job = ports.jobs.get(run.tenant, target.job_id)
        outcome: Target | StopReason | None = None
        if job is None:
            if analysis is None:
                outcome = targets.drop(ports, run, target)
            else:
                outcome = targets.start(ports, run, analysis, target)
        elif job.is_terminal:
            if room == 0:
                # The others come in the next step, which this one's write calls.
                break
            room -= 1
            outcome = targets.conclude(ports, campaign, run, target, job)
            if outcome is None:
                run = replace(run, parts_compared=run.parts_compared + 1)
        elif analysis is None and run.reason is not None and run.reason.code in ENDS_JOBS:
            # Its end calls the next step.
            work.stop(ports, job)
        if isinstance(outcome, StopReason):
            return _stopping(run, outcome)
        if outcome is not None:
            run = _count(run, target, outcome)
    return run


def _walk(ports: Ports, campaign: Campaign, run: Run, analysis: Analysis) -> Run:
    """The run with jobs named for the next targets, as many as there is room for; they are made in the next step."""
    plan = campaign.plan
    room = min(plan.concurrency - len(run.open), STARTS_PER_STEP)
    if run.state is RunState.CANARY and plan.canary is not None:
        room = min(room, plan.canary.videos - run.counts.started)
    is_held = campaign.state is not CampaignState.ACTIVE or not is_open(plan.windows, ports.clock.now())
    if run.has_walked or room <= 0 or is_held:
        return run
    page = ports.campaigns.list_targets(run.tenant, run.run_id, run.walked_to, TARGETS_PER_STEP)
    for target in page:
        decided = targets.decide(ports, campaign, run, analysis, target)
        if isinstance(decided, StopReason):
            return _stopping(run, decided)
        if decided is None:
            return run
        run = replace(run, walked_to=target.video_id)
        if isinstance(decided, OpenTarget):
            started = replace(run.counts, started=run.counts.started + 1)
            run = replace(run, open=(*run.open, decided), counts=started)
            room -= 1
        else:
            run = _count_ended(run, decided)
        if room == 0:
            return run
    return run if len(page) == TARGETS_PER_STEP else replace(run, has_walked=True)


def _over_if_idle(ports: Ports, campaign: Campaign, run: Run) -> Run:
    """What the run comes to when no job is under way and none can follow."""
    if run.open:
        return run
    counts, canary, now = run.counts, campaign.plan.canary, ports.clock.now()
    if run.state is RunState.STOPPING:
        return replace(run, state=RunState.STOPPED, finished_at=now)
    if run.state is RunState.CANARY and canary is not None and (run.has_walked or counts.started >= canary.videos):
        if why := judge(canary, counts, run.comparison):
            return _stopping(run, StopReason(StopCode.CANARY, why))
        return replace(run, state=RunState.PROMOTING, may_promote=True)
    if run.state is RunState.RUNNING and run.has_walked:
        state = RunState.PARTIAL if counts.failed or counts.cancelled else RunState.SUCCEEDED
        # A page of the selection that was looked at twice may have counted what is not there.
        selected = counts.unchanged + counts.gone + counts.succeeded + counts.failed + counts.cancelled
        return replace(run, state=state, finished_at=now, counts=replace(counts, selected=selected))
    return run


def _promote_canary(ports: Ports, campaign: Campaign, run: Run) -> Run:
    """Some of the canary's results made `latest`; after the last of them the run goes on."""
    found = ports.campaigns.list_targets(run.tenant, run.run_id, run.promoted_to, PROMOTED_PER_STEP)
    # The newest videos come first, so that those that were walked over are not older than the last of them.
    page = [target for target in found if run.walked_to is not None and target.video_id >= run.walked_to]
    promoted = sum(targets.promote_held(ports, campaign, run, target).is_promoted for target in page)
    counted = replace(run, counts=replace(run.counts, promoted=run.counts.promoted + promoted))
    if len(page) < PROMOTED_PER_STEP:
        return replace(counted, state=RunState.RUNNING)
    return replace(counted, promoted_to=page[-1].video_id)


def _count(run: Run, target: OpenTarget, ended: Target) -> Run:
    """The run without this target under way."""
    return _count_ended(replace(run, open=tuple(other for other in run.open if other != target)), ended)


def _count_ended(run: Run, ended: Target) -> Run:
    name = ended.state.lower()
    counts = replace(run.counts, **{name: getattr(run.counts, name) + 1})
    return replace(
        run,
        counts=replace(counts, promoted=counts.promoted + int(ended.is_promoted)),
        spent_nano_usd=run.spent_nano_usd + ended.cost_nano_usd,
        comparison=run.comparison + ended.comparison if ended.comparison else run.comparison,
    )


def _stopping(run: Run, reason: StopReason) -> Run:
    may_promote = run.may_promote and reason.code not in ENDS_JOBS
    return replace(run, state=RunState.STOPPING, reason=reason, may_promote=may_promote)


def _due_at(ports: Ports, campaign: Campaign, run: Run) -> datetime | None:
    """When to look at the run if nothing happens before."""
    soon = due_after(ports)
    if run.open or run.state not in (RunState.CANARY, RunState.RUNNING):
        return soon
    if campaign.state is CampaignState.PAUSED:
        return ports.clock.now() + PAUSE_CHECK
    return max(soon, next_opening(campaign.plan.windows, ports.clock.now()))


def _end_what_came_late(ports: Ports, run: Run) -> None:
    """Cancel jobs that were made while somebody else stopped the run, which then counted them as not made."""
    if not run.open or run.state is RunState.STOPPING:
        return
    now = ports.campaigns.get_run(run.tenant, run.run_id)
    if now is None or now.state not in (RunState.STOPPING, RunState.STOPPED):
        return
    counted = {target.job_id for target in now.open}
    for target in run.open:
        job = None if target.job_id in counted else ports.jobs.get(run.tenant, target.job_id)
        if job is not None and not job.is_terminal:
            work.stop(ports, job)


def _delete_orphan(ports: Ports, run: Run) -> bool:
    """A page of a run whose campaign was deleted while it was being made."""
    if not ports.campaigns.delete_targets(run.tenant, run.run_id, TARGETS_PER_DELETE):
        ports.campaigns.delete_run(run)
    return True

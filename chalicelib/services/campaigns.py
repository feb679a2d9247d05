"""Making, watching, pausing, cancelling and deleting campaigns; and the one place that moves them on.

What moves a campaign is the time: it is due at its next nominal time, so the schedule of the reconciler (on AWS one of
EventBridge Scheduler) finds it then; a change of its record and the end of its run call it too. Each call takes what
steps there are, at any time and any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from chalicelib.domain.campaign_runs import Run, RunState, StopCode, StopReason, Target
from chalicelib.domain.campaigns import MAX_QUEUED, Campaign, CampaignState, Overlap, Plan, run_id_of
from chalicelib.domain.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import CampaignId, RunId, TenantId, VideoId, is_id
from chalicelib.domain.schedules import Once
from chalicelib.services.advance import due_after
from chalicelib.services.campaign_runs import TARGETS_PER_DELETE, stop_run
from chalicelib.services.campaign_work import resolve_analysis
from chalicelib.services.ports import Due, Owner, Ports, VersionConflict

logger = Logger(service="reelscan", child=True)

TICK = timedelta(milliseconds=1)
"""To what times are kept."""
LIMIT_HINT = "Cancel one with POST /campaigns/{campaign_id}/cancel; those that are CANCELLED or ENDED do not count"
WAS_CANCELLED = StopReason(StopCode.CANCELLED, "the campaign was cancelled by a request")


def create_campaign(ports: Ports, tenant: TenantId, plan: Plan, *, by: str) -> Campaign:
    """Record a campaign; its first nominal time may be now.

    Raises:
        InvalidRequest: its one time has passed, it never comes, or there is no such pipeline, model or label.
        Conflict: a model of its pipeline is gone.
        LimitExceeded: the tenant has as many open campaigns as it may have.
    """
    now = floor(ports.clock.now())
    if isinstance(plan.schedule, Once) and plan.schedule.at < now:
        raise InvalidRequest(f"when.at must not have passed but is {plan.schedule.at.isoformat()}")
    resolve_analysis(ports, tenant, plan)
    campaign = Campaign(
        tenant=tenant,
        campaign_id=CampaignId(ports.ids.make("cmp")),
        plan=plan,
        state=CampaignState.ACTIVE,
        created_at=now,
        created_by=by,
        # So that a time that is right now is still to come.
        seen_until=now - TICK,
    )
    max_open = ports.limits.max_open_campaigns
    if not ports.campaigns.add(campaign, _due_at(ports, campaign), max_open=max_open):
        raise LimitExceeded(
            f"a tenant may have {max_open} campaigns that are not over, and this one has them", hint=LIMIT_HINT
        )
    logger.info("campaign created", campaign_id=campaign.campaign_id, next_at=str(campaign.next_at))
    advance_campaign(ports, tenant, campaign.campaign_id)
    return get_campaign(ports, tenant, campaign.campaign_id)


def get_campaign(ports: Ports, tenant: TenantId, campaign_id: str) -> Campaign:
    """The campaign.

    Raises:
        NotFound: this tenant has no such campaign.
    """
    campaign = ports.campaigns.get(tenant, CampaignId(campaign_id)) if is_id("cmp", campaign_id) else None
    if campaign is None or campaign.state is CampaignState.DELETING:
        raise NotFound(f"there is no campaign {campaign_id}")
    return campaign


def list_campaigns(ports: Ports, tenant: TenantId, after: str | None, limit: int) -> Sequence[Campaign]:
    """The tenant's campaigns, newest first."""
    return ports.campaigns.list(tenant, CampaignId(after) if after else None, limit)


def list_runs(ports: Ports, campaign: Campaign, after: datetime | None, limit: int) -> Sequence[Run]:
    """The campaign's runs, the newest nominal time first."""
    return ports.campaigns.list_runs(campaign, after, limit)


def get_run(ports: Ports, campaign: Campaign, run_id: str) -> Run:
    """The run.

    Raises:
        NotFound: the campaign has no such run.
    """
    run = ports.campaigns.get_run(campaign.tenant, RunId(run_id)) if is_id("run", run_id) else None
    if run is None or run.campaign_id != campaign.campaign_id:
        raise NotFound(f"campaign {campaign.campaign_id} has no run {run_id}")
    return run


def list_targets(ports: Ports, run: Run, after: str | None, limit: int) -> Sequence[Target]:
    """The videos of the run and how it went with each, the newest video first."""
    return ports.campaigns.list_targets(run.tenant, run.run_id, VideoId(after) if after else None, limit)


def pause_campaign(ports: Ports, campaign: Campaign) -> Campaign:
    """Start nothing until it is resumed; jobs under way go on. Pausing again changes nothing.

    Raises:
        Conflict: it is over.
    """
    return _change(ports, campaign, CampaignState.PAUSED, lambda found: replace(found, state=CampaignState.PAUSED))


def resume_campaign(ports: Ports, campaign: Campaign) -> Campaign:
    """Go on; nominal times that passed meanwhile are not made up for. Resuming again changes nothing.

    Raises:
        Conflict: it is over.
    """
    return _change(ports, campaign, CampaignState.ACTIVE, lambda found: found.resume(floor(ports.clock.now())))


def cancel_campaign(ports: Ports, campaign: Campaign) -> Campaign:
    """End it, and the jobs of the run that is under way; what was promoted stays. Again changes nothing.

    Raises:
        Conflict: it ended before.
    """
    cancelled = lambda found: replace(found, state=CampaignState.CANCELLED, taken=())  # noqa: E731
    return _change(ports, campaign, CampaignState.CANCELLED, cancelled)


def delete_campaign(ports: Ports, campaign: Campaign) -> None:
    """Forget it and its runs; the jobs that they made stay, as versions of their videos' results.

    Raises:
        Conflict: a run is under way.
    """
    while True:
        if campaign.current is not None or campaign.queued:
            raise Conflict(
                f"campaign {campaign.campaign_id} has a run under way", hint="Cancel it and wait for its end"
            )
        try:
            ports.campaigns.save(replace(campaign, state=CampaignState.DELETING, taken=()), due_after(ports))
        except VersionConflict:
            campaign = get_campaign(ports, campaign.tenant, campaign.campaign_id)
            continue
        advance_campaign(ports, campaign.tenant, campaign.campaign_id)
        return


def advance_campaign(ports: Ports, tenant: TenantId, campaign_id: CampaignId) -> None:
    """Take every step that the campaign can take now; of a deletion, one."""
    while (campaign := ports.campaigns.get(tenant, campaign_id)) is not None:
        if campaign.state is CampaignState.DELETING:
            _delete_some(ports, campaign)
            return
        stepped = _step(ports, campaign)
        if stepped == campaign:
            due_at = _due_at(ports, campaign)
            if due_at is not None:
                ports.due.postpone(Due(Owner(tenant, campaign_id)), due_at)
            return
        try:
            ports.campaigns.save(stepped, _due_at(ports, stepped))
        except VersionConflict:
            # Somebody else took a step: decide again from what they left.
            continue


def _step(ports: Ports, campaign: Campaign) -> Campaign:
    """The campaign one step further; the same when there is none to take. Nothing of it is saved yet."""
    current = _run_at(ports, campaign, campaign.current)
    if campaign.current is not None and (current is None or current.is_terminal):
        return replace(campaign, current=None)
    if campaign.state is CampaignState.CANCELLED:
        return _end_runs(ports, campaign)
    if campaign.state is not CampaignState.ACTIVE:
        return campaign
    if campaign.current is None and campaign.queued:
        return _begin_queued(ports, campaign)
    if campaign.taken:
        return _make_run(ports, campaign, current)
    taken = campaign.take_times(ports.clock.now())
    if taken is not campaign:
        return taken
    if campaign.current is None and campaign.next_at is None:
        return replace(campaign, state=CampaignState.ENDED)
    return campaign


def _make_run(ports: Ports, campaign: Campaign, current: Run | None) -> Campaign:
    """The first of the times that were taken becomes a run: one that begins, waits, or is skipped.

    The run is recorded first. Should we die before the campaign is saved, whoever comes next finds it as it was made.
    """
    nominal_at, rest = campaign.taken[0], campaign.taken[1:]
    overlap, queued = campaign.plan.overlap, campaign.queued
    is_free = current is None and not queued
    is_skipped = not is_free and (overlap is Overlap.SKIP or (overlap is Overlap.QUEUE and len(queued) >= MAX_QUEUED))
    run = Run(
        tenant=campaign.tenant,
        run_id=run_id_of(campaign.tenant, campaign.campaign_id, nominal_at),
        campaign_id=campaign.campaign_id,
        nominal_at=nominal_at,
        state=RunState.SELECTING if is_free else RunState.SKIPPED if is_skipped else RunState.QUEUED,
        created_at=ports.clock.now(),
        reason=StopReason(StopCode.OVERLAP, _why_skipped(campaign, current)) if is_skipped else None,
        finished_at=ports.clock.now() if is_skipped else None,
    )
    stored = ports.campaigns.add_run(run, None if is_skipped else due_after(ports))
    logger.info("campaign run made", campaign_id=campaign.campaign_id, run_id=run.run_id, state=stored.state)
    if stored.is_terminal:
        return replace(campaign, taken=rest)
    if stored.state is not RunState.QUEUED:
        return replace(campaign, taken=rest, current=nominal_at)
    if overlap is Overlap.REPLACE:
        # The newest time stands for all that came before it.
        reason = StopReason(StopCode.REPLACED, f"the run of {nominal_at.isoformat()} took its place")
        for earlier in (*queued, *([campaign.current] if campaign.current else [])):
            stop_run(ports, campaign.tenant, run_id_of(campaign.tenant, campaign.campaign_id, earlier), reason)
        return replace(campaign, taken=rest, queued=(nominal_at,))
    return replace(campaign, taken=rest, queued=(*queued, nominal_at))


def _begin_queued(ports: Ports, campaign: Campaign) -> Campaign:
    """The run that waits longest begins; one that was stopped while it waited is passed over."""
    nominal_at, rest = campaign.queued[0], campaign.queued[1:]
    run = _run_at(ports, campaign, nominal_at)
    if run is None or run.is_terminal:
        return replace(campaign, queued=rest)
    if run.state is RunState.QUEUED:
        try:
            ports.campaigns.save_run(replace(run, state=RunState.SELECTING), due_after(ports))
        except VersionConflict:
            # It was stopped, or somebody else began it: look again.
            return _begin_queued(ports, campaign)
    return replace(campaign, queued=rest, current=nominal_at)


def _end_runs(ports: Ports, campaign: Campaign) -> Campaign:
    """Of a campaign that was cancelled."""
    for nominal_at in (*campaign.queued, *([campaign.current] if campaign.current else [])):
        stop_run(ports, campaign.tenant, run_id_of(campaign.tenant, campaign.campaign_id, nominal_at), WAS_CANCELLED)
    return replace(campaign, queued=())


def _delete_some(ports: Ports, campaign: Campaign) -> None:
    """A page of what the campaign has; the write that says so calls the next one."""
    run = next(iter(ports.campaigns.list_runs(campaign, None, 1)), None)
    if run is None:
        ports.campaigns.delete(campaign)
        logger.info("campaign deleted", campaign_id=campaign.campaign_id)
        return
    if not ports.campaigns.delete_targets(run.tenant, run.run_id, TARGETS_PER_DELETE):
        ports.campaigns.delete_run(run)
    try:
        ports.campaigns.save(campaign, due_after(ports))
    except VersionConflict:
        return


def _change(ports: Ports, campaign: Campaign, state: CampaignState, change: Callable[[Campaign], Campaign]) -> Campaign:
    while campaign.state is not state:
        if not campaign.is_open:
            raise Conflict(f"campaign {campaign.campaign_id} is over: it is {campaign.state}")
        changed = change(campaign)
        try:
            ports.campaigns.save(changed, _due_at(ports, changed))
        except VersionConflict:
            campaign = get_campaign(ports, campaign.tenant, campaign.campaign_id)
            continue
        logger.info("campaign changed", campaign_id=campaign.campaign_id, state=state)
        break
    advance_campaign(ports, campaign.tenant, campaign.campaign_id)
    return get_campaign(ports, campaign.tenant, campaign.campaign_id)


def _run_at(ports: Ports, campaign: Campaign, nominal_at: datetime | None) -> Run | None:
    if nominal_at is None:
        return None
    return ports.campaigns.get_run(campaign.tenant, run_id_of(campaign.tenant, campaign.campaign_id, nominal_at))


def _due_at(ports: Ports, campaign: Campaign) -> datetime | None:
    """When to look at the campaign if nothing happens before; None: never."""
    if campaign.current is not None or campaign.queued or campaign.taken or campaign.state is CampaignState.DELETING:
        return due_after(ports)
    return campaign.next_at if campaign.state is CampaignState.ACTIVE else None


def _why_skipped(campaign: Campaign, current: Run | None) -> str:
    if campaign.plan.overlap is Overlap.QUEUE:
        return f"{MAX_QUEUED} runs were waiting already"
    return f"the run of {current.nominal_at.isoformat() if current else 'an earlier time'} was under way"


def floor(moment: datetime) -> datetime:
    """The moment, to the millisecond that is stored of it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

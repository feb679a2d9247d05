"""When campaigns run: a simulated clock over years, events that come twice, late or not at all, outages, overlaps."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.campaign_runs import RunState, StopCode
from chalicelib.domain.campaigns import Campaign, CampaignState, Overlap
from chalicelib.domain.schedules import Rate, RateUnit, Schedule, next_time, parse_cron
from chalicelib.services.campaigns import pause_campaign, resume_campaign
from tests.fakes.make import LIMITS
from tests.services.campaign_world import CampaignWorld

HOUR = 3600.0
PATIENT = replace(LIMITS, queue_seconds=1e9)
"""Where a worker may be waited for as long as it takes."""


def times(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    found: list[datetime] = []
    while (moment := next_time(schedule, found[-1] if found else after)) is not None and moment <= until:
        found.append(moment)
    return found


def nominal_times(world: CampaignWorld, campaign: Campaign) -> list[datetime]:
    return [run.nominal_at for run in world.runs(campaign)]


@pytest.mark.parametrize("expression", ["15 3 29 2 *", "0 0 31 * *", "30 23 * * 0", "0 12 1 1,7 *"])
def test_over_years_every_nominal_time_runs_once_and_no_other(expression: str) -> None:
    world, luck = CampaignWorld(), random.Random(expression)
    cron = parse_cron(expression)
    start = world.now()
    campaign = world.campaign(pipeline="people@2", schedule=cron)
    while world.now() < start + timedelta(days=365 * 9 // (1 if expression != "30 23 * * 0" else 9)):
        moment = next_time(cron, world.now())
        assert moment is not None
        # The schedule is told late, and twice, and once a while before.
        world.pass_time((moment - world.now()).total_seconds() - 60)
        world.pass_time(60 + luck.randrange(300))
        world.pass_time(0)
        world.finish()
    assert nominal_times(world, campaign) == times(cron, start, world.now())
    assert {run.state for run in world.runs(campaign)} == {RunState.SUCCEEDED}


def test_after_an_outage_the_last_times_are_made_up_for_and_no_more() -> None:
    world = CampaignWorld()
    daily = Rate(1, RateUnit.DAYS, world.now() + timedelta(hours=1))
    campaign = world.campaign(pipeline="people@2", schedule=daily, max_catch_up=3, overlap=Overlap.QUEUE)
    world.pass_time(400 * 24 * HOUR)
    world.finish()
    assert nominal_times(world, campaign) == times(daily, world.now() - timedelta(days=3), world.now())
    world.pass_time(24 * HOUR)
    world.finish()
    assert len(world.runs(campaign)) == 4


def slow(world: CampaignWorld, **plan: object) -> Campaign:
    """A campaign every hour, whose runs last as long as nobody works."""
    hourly = Rate(1, RateUnit.HOURS, world.now())
    return world.campaign(pipeline="people@2", schedule=hourly, **plan)


def pass_hours(world: CampaignWorld, hours: int) -> None:
    """Without any worker."""
    for _ in range(hours * 4):
        world.fakes.clock.advance(HOUR / 4)
        world.process(lambda: world.tick(0))
        while world.stream():
            pass


def test_a_time_that_comes_while_a_run_is_under_way_is_skipped() -> None:
    world = CampaignWorld(1, PATIENT)
    campaign = slow(world)
    pass_hours(world, 3)
    first, *others = world.runs(campaign)
    assert first.state is RunState.RUNNING
    assert [(run.state, run.reason and run.reason.code) for run in others] == [(RunState.SKIPPED, StopCode.OVERLAP)] * 3


def test_or_it_waits() -> None:
    world = CampaignWorld(1, PATIENT)
    campaign = slow(world, overlap=Overlap.QUEUE)
    pass_hours(world, 2)
    assert [run.state for run in world.runs(campaign)] == [RunState.RUNNING, RunState.QUEUED, RunState.QUEUED]
    world.settle()
    assert [run.state for run in world.runs(campaign)] == [RunState.SUCCEEDED] * 3
    assert world.analysed_once()


def test_or_it_takes_the_place_of_the_other() -> None:
    world = CampaignWorld(1, PATIENT)
    campaign = slow(world, overlap=Overlap.REPLACE)
    pass_hours(world, 2)
    *earlier, last = world.runs(campaign)
    assert [(run.state, run.reason and run.reason.code) for run in earlier] == [
        (RunState.STOPPED, StopCode.REPLACED)
    ] * 2
    assert last.state is RunState.RUNNING
    world.settle()
    assert world.runs(campaign)[-1].state is RunState.SUCCEEDED
    assert world.latest_versions() == [2]


def test_times_that_pass_while_a_campaign_is_paused_are_not_made_up_for() -> None:
    world = CampaignWorld()
    campaign = slow(world, max_catch_up=9)
    world.finish()
    pause_campaign(world.ports, campaign)
    world.pass_time(10 * HOUR + 60)
    stored = world.ports.campaigns.get(campaign.tenant, campaign.campaign_id)
    assert stored is not None
    resumed = resume_campaign(world.ports, stored)
    world.finish()
    assert len(world.runs(campaign)) == 1
    assert resumed.next_at == datetime(2026, 3, 1, 23, tzinfo=UTC)
    world.pass_time(HOUR)
    world.finish()
    assert len(world.runs(campaign)) == 2
    assert resumed.state is CampaignState.ACTIVE

"""The contract of the port `CampaignStore`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

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
from chalicelib.domain.ids import CampaignId, JobId, TenantId, VideoId
from chalicelib.domain.jobs import JobRequest
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.schedules import Once, Rate, RateUnit, Schedule, Window, parse_cron
from chalicelib.services.ports import Due, Owner, Ports, VersionConflict
from tests.fakes.campaign_makers import make_campaign, make_plan, make_run, make_target
from tests.fakes.makers import NOW

STRANGER = TenantId("stranger")


def a_campaign(ports: Ports, tenant: TenantId, plan: Plan | None = None) -> Campaign:
    campaign_id = CampaignId(ports.ids.make("cmp"))
    return make_campaign(tenant=tenant, campaign_id=campaign_id, plan=plan or make_plan())


def a_run(ports: Ports, tenant: TenantId) -> Run:
    return make_run(tenant=tenant, campaign_id=CampaignId(ports.ids.make("cmp")))


def a_rich_plan(schedule: Schedule) -> Plan:
    return Plan(
        name="nights",
        selection=Selection(
            video_ids=(VideoId("vid_" + "0" * 26), VideoId("vid_" + "1" * 26)),
            label_seen="person",
            older_than_days=1.5,
            created_after=NOW,
            created_before=NOW + timedelta(milliseconds=5),
            size_min_bytes=1,
            size_max_bytes=1 << 50,
            duration_min_seconds=0.25,
            duration_max_seconds=3600.0,
            pipeline_older_than=PipelineAge("people", 3),
            failed_only=True,
        ),
        schedule=schedule,
        request=JobRequest(("toy",), Sampling(SamplingKind.PER_SECOND, Fraction(1, 2)), labels=("person",)),
        windows=(Window(frozenset({0, 6}), 1320, 360), Window(frozenset({3}), 0, 0)),
        budget_nano_usd=12_345_678_901,
        concurrency=7,
        canary=Canary(3, Bounds(0.9, None, 1.0), 0.5, (("person", Bounds(None, 0.25, None)),)),
        overlap=Overlap.QUEUE,
        max_catch_up=9,
    )


@pytest.mark.parametrize(
    "schedule",
    [Once(NOW), Rate(5, RateUnit.MINUTES, NOW), parse_cron("*/5 2-4 1,15 jan-mar *")],
    ids=["once", "rate", "cron"],
)
def test_a_campaign_comes_back_as_it_was_added(ports: Ports, tenant: TenantId, schedule: Schedule) -> None:
    campaign = replace(
        a_campaign(ports, tenant, a_rich_plan(schedule)),
        state=CampaignState.PAUSED,
        taken=(NOW, NOW + timedelta(days=1)),
        current=NOW - timedelta(days=2),
        queued=(NOW - timedelta(days=1),),
    )
    ports.campaigns.add(campaign, NOW, max_open=100)
    assert ports.campaigns.get(tenant, campaign.campaign_id) == campaign


def test_a_campaign_without_anything_optional_comes_back_too(ports: Ports, tenant: TenantId) -> None:
    campaign = a_campaign(ports, tenant)
    ports.campaigns.add(campaign, None, max_open=100)
    assert ports.campaigns.get(tenant, campaign.campaign_id) == campaign


def test_another_tenants_campaign_run_and_target_are_none(ports: Ports, tenant: TenantId) -> None:
    campaign, run = a_campaign(ports, tenant), a_run(ports, tenant)
    target = make_target(run)
    ports.campaigns.add(campaign, None, max_open=100)
    ports.campaigns.add_run(run, None)
    ports.campaigns.add_targets([target])
    assert ports.campaigns.get(STRANGER, campaign.campaign_id) is None
    assert ports.campaigns.get_run(STRANGER, run.run_id) is None
    assert ports.campaigns.get_target(STRANGER, run.run_id, target.video_id) is None
    assert list(ports.campaigns.list_targets(STRANGER, run.run_id, None, 10)) == []


def test_open_campaigns_are_counted_and_those_that_are_over_make_room(ports: Ports, tenant: TenantId) -> None:
    first, second, third, fourth = (a_campaign(ports, tenant) for _ in range(4))
    assert ports.campaigns.add(first, None, max_open=2)
    assert ports.campaigns.add(replace(second, state=CampaignState.PAUSED), None, max_open=2)
    assert not ports.campaigns.add(third, None, max_open=2)
    assert ports.campaigns.get(tenant, third.campaign_id) is None
    assert ports.campaigns.add(a_campaign(ports, TenantId(f"{tenant}-2")), None, max_open=2)
    ports.campaigns.save(replace(first, state=CampaignState.ENDED), None)
    assert ports.campaigns.add(third, None, max_open=2)
    assert not ports.campaigns.add(fourth, None, max_open=2)
    stored = ports.campaigns.get(tenant, third.campaign_id)
    assert stored is not None
    ports.campaigns.save(replace(stored, state=CampaignState.DELETING), None)
    ports.campaigns.delete(stored)
    assert ports.campaigns.add(fourth, None, max_open=2)


def test_of_campaigns_that_are_added_at_once_no_more_get_in_than_may(ports: Ports, tenant: TenantId) -> None:
    made = [a_campaign(ports, tenant) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(lambda campaign: ports.campaigns.add(campaign, None, max_open=3), made))
    assert added.count(True) == 3
    assert len(ports.campaigns.list(tenant, None, 10)) == 3


def test_of_two_saves_of_one_version_the_second_conflicts_and_changes_nothing(ports: Ports, tenant: TenantId) -> None:
    campaign, run = a_campaign(ports, tenant), a_run(ports, tenant)
    ports.campaigns.add(campaign, None, max_open=100)
    ports.campaigns.add_run(run, None)
    ports.campaigns.add_targets([make_target(run)])
    (target,) = ports.campaigns.list_targets(tenant, run.run_id, None, 10)
    winner = ports.campaigns.save(replace(campaign, state=CampaignState.PAUSED), None)
    run_winner = ports.campaigns.save_run(replace(run, state=RunState.RUNNING), None)
    target_winner = ports.campaigns.save_target(replace(target, state=TargetState.GONE))
    with pytest.raises(VersionConflict):
        ports.campaigns.save(replace(campaign, state=CampaignState.CANCELLED), None)
    with pytest.raises(VersionConflict):
        ports.campaigns.save_run(replace(run, state=RunState.STOPPING), None)
    with pytest.raises(VersionConflict):
        ports.campaigns.save_target(replace(target, state=TargetState.FAILED))
    assert winner.version == run_winner.version == target_winner.version == 2
    assert ports.campaigns.get(tenant, campaign.campaign_id) == winner
    assert ports.campaigns.get_run(tenant, run.run_id) == run_winner
    assert ports.campaigns.get_target(tenant, run.run_id, target.video_id) == target_winner


def test_campaigns_are_listed_newest_first_page_by_page_without_those_being_deleted(
    ports: Ports, tenant: TenantId
) -> None:
    made = [a_campaign(ports, tenant) for _ in range(5)]
    for campaign in made:
        ports.campaigns.add(campaign, None, max_open=100)
    newest_first = sorted(made, key=lambda campaign: campaign.campaign_id, reverse=True)
    ports.campaigns.save(replace(newest_first[1], state=CampaignState.DELETING), None)
    left = [newest_first[0], *newest_first[2:]]
    first = ports.campaigns.list(tenant, None, 2)
    rest = ports.campaigns.list(tenant, first[-1].campaign_id, 10)
    assert (list(first), list(rest)) == (left[:2], left[2:])
    assert list(ports.campaigns.list(STRANGER, None, 10)) == []


def test_a_nominal_time_has_one_run_whoever_records_it(ports: Ports, tenant: TenantId) -> None:
    run = a_run(ports, tenant)
    assert ports.campaigns.add_run(run, NOW) == run
    moved = ports.campaigns.save_run(replace(run, state=RunState.RUNNING), None)
    assert ports.campaigns.add_run(replace(run, state=RunState.SKIPPED), NOW) == moved
    campaign = make_campaign(tenant=tenant, campaign_id=run.campaign_id)
    assert list(ports.campaigns.list_runs(campaign, None, 10)) == [moved]


def test_a_run_comes_back_as_it_was_saved(ports: Ports, tenant: TenantId) -> None:
    run = ports.campaigns.add_run(a_run(ports, tenant), None)
    rich = replace(
        run,
        state=RunState.STOPPING,
        pipeline_name="people",
        pipeline_version=4,
        select_after=VideoId("vid_" + "3" * 26),
        walked_to=VideoId("vid_" + "2" * 26),
        promoted_to=VideoId("vid_" + "1" * 26),
        has_walked=True,
        may_promote=True,
        open=(
            OpenTarget(VideoId("vid_" + "2" * 26), JobId("job_" + "2" * 26), JobId("job_" + "1" * 26), 5, 10),
            OpenTarget(VideoId("vid_" + "4" * 26), JobId("job_" + "4" * 26), None, 0, None),
        ),
        counts=Counts(9, 8, 1, 2, 3, 4, 5, 6),
        spent_nano_usd=10**15,
        comparison=Comparison(3, {"person": DiffSums(5, 6, 4, 1, 3_500_000, -200), "dog": DiffSums(1)}),
        parts_compared=2,
        reason=StopReason(StopCode.CANARY, "the agreement is 0.1"),
        finished_at=NOW,
    )
    saved = ports.campaigns.save_run(rich, None)
    assert ports.campaigns.get_run(tenant, run.run_id) == saved == replace(rich, version=2)


def test_runs_are_listed_by_their_nominal_time_page_by_page(ports: Ports, tenant: TenantId) -> None:
    campaign = a_campaign(ports, tenant)
    runs = [
        make_run(tenant=tenant, campaign_id=campaign.campaign_id, nominal_at=NOW + timedelta(days=day))
        for day in (0, 1, 40, 400)
    ]
    for run in (runs[2], runs[0], runs[3], runs[1]):
        ports.campaigns.add_run(run, None)
    first = ports.campaigns.list_runs(campaign, None, 3)
    rest = ports.campaigns.list_runs(campaign, first[-1].nominal_at, 3)
    assert (list(first), list(rest)) == (runs[:0:-1], runs[:1])


def test_targets_that_are_there_stay_as_they_are(ports: Ports, tenant: TenantId) -> None:
    run = a_run(ports, tenant)
    target = make_target(run)
    ports.campaigns.add_targets([target])
    ended = ports.campaigns.save_target(replace(target, state=TargetState.SUCCEEDED))
    ports.campaigns.add_targets([target, make_target(run, VideoId("vid_" + "2" * 26))])
    assert ports.campaigns.get_target(tenant, run.run_id, target.video_id) == ended
    assert len(ports.campaigns.list_targets(tenant, run.run_id, None, 10)) == 2


def test_a_target_comes_back_as_it_was_saved(ports: Ports, tenant: TenantId) -> None:
    run = a_run(ports, tenant)
    target = make_target(run)
    ports.campaigns.add_targets([target])
    rich = Target(
        tenant=tenant,
        run_id=run.run_id,
        video_id=target.video_id,
        state=TargetState.SUCCEEDED,
        job_id=JobId("job_" + "2" * 26),
        old_job_id=JobId("job_" + "1" * 26),
        comparison=Comparison(1, {"person": DiffSums(5, 6, 4, 1, 3_500_000, 200)}),
        cursor="a cursor",
        cost_nano_usd=77,
        is_promoted=True,
        detail="all is well",
    )
    saved = ports.campaigns.save_target(rich)
    assert ports.campaigns.get_target(tenant, run.run_id, target.video_id) == saved == replace(rich, version=2)


def test_targets_are_listed_newest_video_first_page_by_page(ports: Ports, tenant: TenantId) -> None:
    run = a_run(ports, tenant)
    targets = [make_target(run, VideoId(f"vid_{n:026d}")) for n in range(5)]
    ports.campaigns.add_targets(targets)
    first = ports.campaigns.list_targets(tenant, run.run_id, None, 2)
    rest = ports.campaigns.list_targets(tenant, run.run_id, first[-1].video_id, 10)
    assert (list(first), list(rest)) == (targets[:2:-1], targets[2::-1])


def test_targets_are_deleted_in_pages(ports: Ports, tenant: TenantId) -> None:
    run, other = a_run(ports, tenant), a_run(ports, tenant)
    ports.campaigns.add_run(run, None)
    ports.campaigns.add_targets([make_target(run, VideoId(f"vid_{n:026d}")) for n in range(5)])
    ports.campaigns.add_targets([make_target(other)])
    assert [ports.campaigns.delete_targets(tenant, run.run_id, 2) for _ in range(3)] == [True, True, False]
    assert list(ports.campaigns.list_targets(tenant, run.run_id, None, 10)) == []
    assert len(ports.campaigns.list_targets(tenant, other.run_id, None, 10)) == 1
    assert ports.campaigns.get_run(tenant, run.run_id) == run


def test_a_run_and_a_campaign_that_were_deleted_are_gone(ports: Ports, tenant: TenantId) -> None:
    campaign = a_campaign(ports, tenant)
    run = make_run(tenant=tenant, campaign_id=campaign.campaign_id)
    ports.campaigns.add(campaign, NOW, max_open=100)
    ports.campaigns.add_run(run, NOW)
    ports.campaigns.delete_run(run)
    assert ports.campaigns.get_run(tenant, run.run_id) is None
    assert list(ports.campaigns.list_runs(campaign, None, 10)) == []
    ports.campaigns.delete(campaign)
    assert ports.campaigns.get(tenant, campaign.campaign_id) is None
    with pytest.raises(VersionConflict):
        ports.campaigns.save(campaign, None)


def test_campaigns_and_runs_are_due_and_put_off_like_everything_else(ports: Ports, tenant: TenantId) -> None:
    campaign = a_campaign(ports, tenant)
    run = make_run(tenant=tenant, campaign_id=campaign.campaign_id)
    ports.campaigns.add(campaign, NOW, max_open=100)
    ports.campaigns.add_run(run, NOW)
    owners = {Owner(tenant, campaign.campaign_id), Owner(tenant, run.run_id)}

    def due_at_noon() -> set[Owner]:
        return {due.owner for due in ports.due.list_due(NOW, 10_000)} & owners

    assert due_at_noon() == owners
    ports.due.postpone(Due(Owner(tenant, campaign.campaign_id)), NOW + timedelta(hours=1))
    ports.due.postpone(Due(Owner(tenant, run.run_id)), NOW + timedelta(hours=1))
    assert due_at_noon() == set()
    ports.campaigns.save_run(replace(run, state=RunState.SUCCEEDED), None)
    assert {due.owner for due in ports.due.list_due(NOW + timedelta(days=1), 10_000)} & owners == {
        Owner(tenant, campaign.campaign_id)
    }

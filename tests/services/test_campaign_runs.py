"""Runs of campaigns: selected, tried on the first videos, promoted or stopped; and killed at any call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.campaign_runs import Run, RunState, StopCode, TargetState
from chalicelib.domain.campaigns import Bounds, Campaign, CampaignState, Canary, PipelineAge, Selection
from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import JobState
from chalicelib.domain.schedules import Window
from chalicelib.services.campaign_estimates import estimate_campaign
from chalicelib.services.campaigns import cancel_campaign, delete_campaign, pause_campaign, resume_campaign
from chalicelib.services.result_versions import promote
from chalicelib.services.videos import delete_video
from tests.fakes.campaign_makers import make_plan
from tests.fakes.makers import TENANT
from tests.services.campaign_world import CampaignWorld

CAREFUL = Canary(2, Bounds(min_agreement=0.7))


def only_run(world: CampaignWorld, campaign: Campaign) -> Run:
    (run,) = world.runs(campaign)
    return run


def finished(world: CampaignWorld, campaign: Campaign) -> Run:
    world.finish()
    return only_run(world, campaign)


def test_with_a_good_model_everything_is_promoted() -> None:
    world = CampaignWorld(5)
    campaign = world.campaign(pipeline="people@2", canary=CAREFUL)
    run = finished(world, campaign)
    assert (run.state, run.reason) == (RunState.SUCCEEDED, None)
    assert (run.counts.selected, run.counts.succeeded, run.counts.promoted) == (5, 5, 5)
    assert world.latest_versions() == [2] * 5
    assert world.analysed_once()
    stored = world.ports.campaigns.get(TENANT, campaign.campaign_id)
    assert stored is not None
    assert stored.state is CampaignState.ENDED


def test_a_canary_out_of_its_bounds_stops_the_run_says_why_and_leaves_the_old_results() -> None:
    world = CampaignWorld(5)
    run = finished(world, world.campaign(pipeline="people@3", canary=CAREFUL))
    assert run.state is RunState.STOPPED
    assert run.reason is not None
    assert run.reason.code is StopCode.CANARY
    assert "agreement over all labels is 0.0000; at least 0.7" in run.reason.detail
    assert (run.counts.selected, run.counts.started, run.counts.promoted) == (5, 2, 0)
    assert world.latest_versions() == [1] * 5
    assert [len(world.jobs_of(video)) for video in world.videos] == [1, 1, 1, 2, 2]


def test_the_report_has_the_sums_of_every_label() -> None:
    world = CampaignWorld(3)
    run = finished(world, world.campaign(pipeline="people@2"))
    person, dog = run.comparison.of("person"), run.comparison.of("dog")
    assert run.comparison.videos == 3
    assert (person.matched, person.added, person.removed) == (6, 0, 0)
    assert (dog.matched, dog.added, dog.removed) == (0, 3, 0)
    assert [target.comparison.total.matched for target in world.targets(run) if target.comparison] == [2, 2, 2]


@pytest.mark.parametrize(
    ("canary", "why"),
    [
        (Canary(1, Bounds(max_added_ratio=0.4)), "1 detections of all labels were added, of 2"),
        (Canary(1, bounds_by_label=(("dog", Bounds(max_added_ratio=0.4)),)), "label 'dog' were added, of 0"),
        (Canary(1, bounds_by_label=(("dog", Bounds(min_agreement=0.5)),)), "label 'dog' is 0.0000"),
    ],
)
def test_every_bound_is_kept(canary: Canary, why: str) -> None:
    world = CampaignWorld(2)
    run = finished(world, world.campaign(pipeline="people@2", canary=canary))
    assert run.reason is not None
    assert why in run.reason.detail


def test_a_bound_that_holds_lets_the_run_go_on() -> None:
    world = CampaignWorld(2)
    canary = Canary(1, Bounds(0.8, 0.5, 0.0), 0.0, (("person", Bounds(1.0, 0.0, 0.0)),))
    assert finished(world, world.campaign(pipeline="people@2", canary=canary)).state is RunState.SUCCEEDED


def test_a_canary_that_can_compare_nothing_lets_nothing_through() -> None:
    world = CampaignWorld()
    world.videos = [world.ready()]
    world.settle()
    run = finished(world, world.campaign(pipeline="people@2", canary=CAREFUL))
    assert run.reason is not None
    assert "none of its videos could be compared" in run.reason.detail


def test_a_canary_stops_when_too_many_of_its_videos_fail() -> None:
    world = CampaignWorld(4)
    world.failing = {video.video_id for video in world.videos}
    run = finished(world, world.campaign(pipeline="people@2", canary=Canary(2, max_failed_ratio=0.5)))
    assert run.reason is not None
    assert run.reason.detail == "2 of 2 videos failed; at most 0.5 of them may"
    assert run.counts.failed == 2
    assert world.latest_versions() == [1] * 4


def test_a_video_that_fails_keeps_its_results_and_the_others_go_on() -> None:
    world = CampaignWorld(3)
    world.failing = {world.videos[1].video_id}
    run = finished(world, world.campaign(pipeline="people@2"))
    assert run.state is RunState.PARTIAL
    assert (run.counts.succeeded, run.counts.failed) == (2, 1)
    assert world.latest_versions() == [2, 1, 2]
    (failed,) = [target for target in world.targets(run) if target.state is TargetState.FAILED]
    assert (failed.video_id, failed.detail) == (world.videos[1].video_id, "it broke")


def test_what_is_analysed_already_is_left_alone() -> None:
    world = CampaignWorld(3)
    finished(world, world.campaign(pipeline="people@2"))
    run = finished(world, world.campaign(pipeline="people@2", canary=CAREFUL))
    assert (run.state, run.counts.unchanged, run.counts.started) == (RunState.SUCCEEDED, 3, 0)
    assert [len(world.jobs_of(video)) for video in world.videos] == [2, 2, 2]


def test_who_moved_latest_meanwhile_is_not_overruled() -> None:
    world = CampaignWorld(1)
    campaign = world.campaign(pipeline="people@2")
    while not (run := only_run(world, campaign)).open or world.ports.jobs.get(TENANT, run.open[0].job_id) is None:
        world.stream()
    video = world.videos[0]
    other = world.analysed_again(video, "people@3")
    promote(world.ports, video, other, cause="I know better", by="a user")
    run = finished(world, campaign)
    assert (run.counts.succeeded, run.counts.promoted) == (1, 0)
    assert world.latest(video).job_id == other.job_id


def test_no_more_jobs_run_at_once_than_was_asked_for() -> None:
    world = CampaignWorld(6)
    campaign = world.campaign(pipeline="people@2", concurrency=2)
    most = 0
    for _ in range(300):
        run = only_run(world, campaign)
        jobs = [job for job in world.fakes.memory.jobs.values() if not job.is_terminal]
        most = max(most, len(jobs), len(run.open))
        if not world.stream():
            for batch_job, child in world.waiting()[:1]:
                world.run_worker(batch_job, child)
    assert most == 2
    assert finished(world, campaign).counts.succeeded == 6


def test_videos_are_started_in_windows_only() -> None:
    world = CampaignWorld(2)
    # It is a Sunday, 12:00.
    night = Window(frozenset({6}), 22 * 60, 2 * 60)
    campaign = world.campaign(pipeline="people@2", windows=(night,))
    world.settle()
    for _ in range(19):
        world.pass_time(1800)
        assert only_run(world, campaign).counts.started == 0
    world.pass_time(1800)
    assert world.now().hour == 22
    assert finished(world, campaign).counts.succeeded == 2


def test_a_paused_run_goes_on_where_it_stopped() -> None:
    world = CampaignWorld(4)
    campaign = world.campaign(pipeline="people@2", concurrency=1)
    while only_run(world, campaign).counts.succeeded < 1:
        world.stream()
        for batch_job, child in world.waiting():
            world.run_worker(batch_job, child)
    paused = pause_campaign(world.ports, campaign)
    world.settle()
    started = only_run(world, campaign).counts.started
    for _ in range(5):
        world.pass_time(7200)
    assert only_run(world, campaign).counts.started == started < 4
    resume_campaign(world.ports, paused)
    run = finished(world, campaign)
    assert (run.state, run.counts.succeeded) == (RunState.SUCCEEDED, 4)
    assert world.analysed_once()


def test_cancelling_ends_the_jobs_under_way_and_keeps_what_was_promoted() -> None:
    world = CampaignWorld(4)
    campaign = world.campaign(pipeline="people@2", concurrency=2)
    while only_run(world, campaign).counts.promoted < 1 or all(
        job.is_terminal for job in world.fakes.memory.jobs.values()
    ):
        world.stream()
        for batch_job, child in world.waiting()[:1]:
            world.run_worker(batch_job, child)
    promoted = only_run(world, campaign).counts.promoted
    cancelled = cancel_campaign(world.ports, campaign)
    run = finished(world, campaign)
    assert cancelled.state is CampaignState.CANCELLED
    assert (run.state, run.reason and run.reason.code) == (RunState.STOPPED, StopCode.CANCELLED)
    assert run.open == ()
    assert world.latest_versions().count(2) == promoted
    assert all(job.is_terminal for job in world.fakes.memory.jobs.values())
    assert JobState.CANCELLED in {job.state for job in world.fakes.memory.jobs.values()}


def test_a_budget_stops_the_run_before_it_is_exceeded() -> None:
    world = CampaignWorld(6)
    estimate = estimate_campaign(world.ports, TENANT, make_plan(pipeline="people@2"))
    each = estimate.cost_nano_usd // 6
    assert (estimate.videos, estimate.priced, estimate.has_more) == (6, 6, False)
    assert each > 0
    budget = 3 * each + each // 2
    run = finished(world, world.campaign(pipeline="people@2", budget_nano_usd=budget, concurrency=3))
    assert (run.state, run.reason and run.reason.code) == (RunState.STOPPED, StopCode.BUDGET)
    assert 0 < run.spent_nano_usd <= budget
    assert 1 <= run.counts.succeeded < 6
    assert run.counts.promoted == run.counts.succeeded == world.latest_versions().count(2)


def test_a_video_that_is_deleted_meanwhile_is_passed_over() -> None:
    world = CampaignWorld(3)
    campaign = world.campaign(pipeline="people@2", concurrency=1)
    while only_run(world, campaign).state is RunState.SELECTING:
        world.stream()
    gone = world.videos.pop(1)
    delete_video(world.ports, gone)
    run = finished(world, campaign)
    assert (run.counts.succeeded, run.counts.gone) == (2, 1)


def test_a_video_that_is_deleted_while_it_is_analysed_does_not_hold_the_run_up() -> None:
    world = CampaignWorld(2)
    campaign = world.campaign(pipeline="people@2", concurrency=2)
    while len(only_run(world, campaign).open) < 2 or not world.waiting():
        world.stream()
    delete_video(world.ports, world.videos.pop(0))
    run = finished(world, campaign)
    assert (run.state, run.counts.succeeded, run.counts.gone) == (RunState.SUCCEEDED, 1, 1)


def test_a_pipeline_that_is_named_without_a_version_is_the_newest_one_of_that_moment() -> None:
    world = CampaignWorld(1)
    run = finished(world, world.campaign(pipeline="people"))
    assert (run.pipeline_name, run.pipeline_version) == ("people", 3)


@pytest.mark.parametrize(
    ("selection", "pages", "estimated"),
    [(Selection(size_min_bytes=1), 3, 251), (Selection(pipeline_older_than=PipelineAge("people", 2)), 11, 125)],
    ids=["by their records", "by their results"],
)
def test_a_selection_of_many_pages_is_many_steps(selection: Selection, pages: int, estimated: int) -> None:
    world = CampaignWorld(1)
    video = world.videos[0]
    for number in range(250):
        video_id = VideoId(f"vid_0000000000000000000000{number:04d}")
        world.ports.videos.add(replace(video, video_id=video_id), None)
    estimate = estimate_campaign(world.ports, TENANT, make_plan(selection=selection))
    assert (estimate.looked_at, estimate.has_more) == (estimated, estimated < 251)
    campaign = world.campaign(pipeline="people@2", selection=selection)
    cursors = set()
    while (run := only_run(world, campaign)).state is RunState.SELECTING:
        cursors.add(run.select_after)
        world.stream()
    assert run.counts.selected == 251
    # All pages but the first one begin after a video.
    assert len(cursors - {None}) == pages - 1


def selected(world: CampaignWorld, **selection: object) -> list[int]:
    """Positions of the videos that are taken."""
    campaign = world.campaign(pipeline="people@2", selection=Selection(**selection))  # type: ignore[arg-type]
    while (run := only_run(world, campaign)).state is RunState.SELECTING:
        world.stream()
    taken = {target.video_id for target in world.targets(run)}
    cancel_campaign(world.ports, campaign)
    world.finish()
    return [number for number, video in enumerate(world.videos) if video.video_id in taken]


def test_videos_are_selected_by_what_was_asked() -> None:
    world = CampaignWorld(2)
    world.fakes.clock.advance(10 * 86_400)
    world.videos += [world.analysed("people@2"), world.ready()]
    world.settle()
    first, _, third, _ = world.videos
    assert selected(world) == [0, 1, 2, 3]
    assert selected(world, video_ids=(first.video_id, third.video_id, VideoId("vid_" + "0" * 26))) == [0, 2]
    assert selected(world, older_than_days=9.5) == [0, 1]
    assert selected(world, created_after=third.created_at) == [2, 3]
    assert selected(world, created_before=third.created_at) == [0, 1]
    assert selected(world, pipeline_older_than=PipelineAge("people", 2)) == [0, 1, 3]
    assert selected(world, size_min_bytes=first.source.size_bytes + 1) == [3] if first.source.size_bytes < 20 else []
    assert (
        selected(world, size_max_bytes=first.source.size_bytes)
        == [0, 1, 2, 3][: 4 if first.source.size_bytes > 19 else 3]
    )
    assert selected(world, duration_max_seconds=9.9) == []
    assert selected(world, duration_min_seconds=10.0) == [0, 1, 2, 3]


def test_videos_are_selected_by_a_label_that_was_seen_and_by_failure() -> None:
    world = CampaignWorld(3)
    job = world.latest(world.videos[1])
    world.ports.jobs.save(replace(job, summary={"labels": [{"label": "cat"}]}), None)
    world.failing = {world.videos[2].video_id}
    world.analysed_again(world.videos[2], "people@2")
    assert selected(world, label_seen="cat") == [1]
    assert selected(world, failed_only=True) == [2]


def test_a_campaign_that_was_deleted_is_gone_with_its_runs_and_leaves_the_results() -> None:
    world = CampaignWorld(3)
    campaign = world.campaign(pipeline="people@2")
    run = finished(world, campaign)
    stored = world.ports.campaigns.get(TENANT, campaign.campaign_id)
    assert stored is not None
    delete_campaign(world.ports, stored)
    world.finish()
    assert world.ports.campaigns.get(TENANT, campaign.campaign_id) is None
    assert world.ports.campaigns.get_run(TENANT, run.run_id) is None
    assert world.targets(run) == []
    assert world.latest_versions() == [2, 2, 2]


def test_events_that_are_all_lost_are_made_up_for_by_the_schedule() -> None:
    world = CampaignWorld(3)
    campaign = world.campaign(pipeline="people@2", canary=CAREFUL)
    for _ in range(120):
        world.fakes.clock.advance(60)
        world.process(lambda: world.tick(0))
        for batch_job, child in world.waiting():
            world.run_worker(batch_job, child)
    run = only_run(world, campaign)
    assert (run.state, run.counts.promoted) == (RunState.SUCCEEDED, 3)
    assert world.analysed_once()


def ended(world: CampaignWorld, campaign: Campaign) -> tuple[object, ...]:
    """All that must not depend on what was killed."""
    run = finished(world, campaign)
    targets = world.targets(run)
    # A job that was begun anew may have cost more, which is no matter of the campaign; each is counted once.
    assert run.spent_nano_usd == sum(target.cost_nano_usd for target in targets)
    state = world.fakes.ports.campaigns.get(TENANT, campaign.campaign_id)
    return (
        (run.state, run.reason, run.counts, run.comparison),
        [(target.state, target.is_promoted, target.comparison) for target in targets],
        world.latest_versions(),
        state and state.state,
    )


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 9], ids=["any call", "some calls"])
@pytest.mark.parametrize("pipeline", ["people@2", "people@3"], ids=["that goes well", "whose canary stops it"])
def test_a_campaign_killed_ends_the_same_and_analyses_nothing_twice(pipeline: str, every: int) -> None:
    canary = Canary(1, Bounds(min_agreement=0.7))

    def run_through(kill_at: int) -> tuple[tuple[object, ...], int]:
        world = CampaignWorld(3)
        campaign = world.campaign(pipeline=pipeline, canary=canary, concurrency=2)
        with world.killed_at(kill_at):
            outcome = ended(world, campaign)
        assert world.analysed_once(), f"killed at {kill_at}"
        return outcome, world.calls

    expected, calls = run_through(0)
    assert calls > 100
    for call in range(1, calls + 1, every):
        found, _ = run_through(call)
        assert found == expected, f"killed at {call} of {calls}"


def test_time_passes_between_two_steps_and_a_run_ends_all_the_same() -> None:
    world = CampaignWorld(2)
    campaign = world.campaign(pipeline="people@2", concurrency=1)
    for _ in range(10):
        world.fakes.clock.advance(timedelta(hours=5).total_seconds())
        world.stream()
    assert finished(world, campaign).counts.promoted == 2

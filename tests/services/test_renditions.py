"""Renditions: side steps of a video that end whatever happens to their workers, and go with the video."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import Conflict, ErrorCode, LimitExceeded
from chalicelib.domain.renditions import Proxy, Thumbnails
from chalicelib.domain.sampling import SamplingKind
from chalicelib.domain.side_steps import SideStepState
from chalicelib.domain.units import MAX_ATTEMPTS, Lane
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.budgets import get_budget, set_budget
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.renditions import Rendition, get_rendition, list_renditions, request_rendition
from chalicelib.services.videos import delete_video
from tests.fakes.batch import FakeBatchJob
from tests.fakes.make import LIMITS
from tests.fakes.makers import TENANT, make_media
from tests.services.world import World

LEASE_IS_OVER = LIMITS.lease_seconds + CLOCK_SKEW_SECONDS + 1


def started(world: World, video: Video, request: Thumbnails | Proxy = Thumbnails()) -> tuple[Rendition, FakeBatchJob]:  # noqa: B008 - frozen
    """A rendition that was sent, and what Batch was told."""
    return request_rendition(world.ports, video, request), world.last_batch_job()


def now(world: World, video: Video, rendition: Rendition) -> Rendition:
    return get_rendition(world.ports, video, rendition.rendition_id)


def order_of(world: World, batch_job: FakeBatchJob) -> WorkOrder:
    return WorkOrder.from_bytes(world.ports.objects.get(order_key(batch_job.submission)))


def with_media(world: World, video: Video, **changes: Any) -> Video:
    """The same video, otherwise probed; in ticks of a millisecond."""
    assert video.index is not None
    media = make_media(**changes)
    index = replace(video.index, end_pts=round(media.duration_seconds * 1000))
    return world.ports.videos.save(replace(video, media=media, index=index), None)


def test_a_rendition_is_queued_then_runs_then_succeeds() -> None:
    world = World()
    video = world.ready()
    rendition, batch_job = started(world, video)
    states = [rendition.step.state]
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    states.append(now(world, video, rendition).step.state)
    world.end_unit(batch_job.submission, 0, fence)
    states.append(now(world, video, rendition).step.state)
    assert states == [SideStepState.QUEUED, SideStepState.RUNNING, SideStepState.SUCCEEDED]
    assert world.video(video) == video


def test_its_worker_is_told_of_the_video_and_of_no_job() -> None:
    world = World()
    video = world.ready()
    rendition, batch_job = started(world, video, Proxy(480))
    order = order_of(world, batch_job)
    assert (order.kind, order.video_id, order.job_id, order.models) == ("rendition", video.video_id, "", ())
    assert (order.step, order.pk) == (rendition.rendition_id, f"{TENANT}#{video.video_id}")
    assert order.media is not None
    assert order.parameters == rendition.step.parameters
    assert (order.parameters["kind"], order.parameters["options"]) == ("proxy", {"height_max": 480})


def test_a_video_has_any_number_of_renditions_oldest_first() -> None:
    world = World()
    video = world.ready()
    asked = [started(world, video, request)[0].rendition_id for request in (Thumbnails(), Proxy(), Thumbnails(64))]
    world.drain()
    found = list_renditions(world.ports, video)
    assert {one.step.state for one in found} == {SideStepState.SUCCEEDED}
    assert sorted(one.rendition_id for one in found) == sorted(asked)
    times = [one.step.created_at for one in found]
    assert times == sorted(times)


def test_another_video_of_the_same_bytes_has_its_own() -> None:
    world = World()
    first, second = world.ready(), world.ready()
    assert started(world, first)[0].rendition_id != started(world, second)[0].rendition_id


@pytest.mark.parametrize("state", [VideoState.AWAITING_UPLOAD, VideoState.UPLOADED, VideoState.REJECTED])
def test_a_video_that_is_not_ready_has_none(state: VideoState) -> None:
    world = World()
    with pytest.raises(Conflict, match="must be READY"):
        request_rendition(world.ports, replace(world.ready(), state=state), Proxy())


@pytest.mark.parametrize(
    ("seconds", "keyframes", "kind"),
    [(10, 5, SamplingKind.PER_SECOND), (3600, 1800, SamplingKind.KEYFRAMES), (3600, 1, SamplingKind.PER_SECOND)],
)
def test_thumbnails_of_a_long_video_are_keyframes(seconds: int, keyframes: int, kind: SamplingKind) -> None:
    world = World()
    length = {"duration_seconds": float(seconds), "frame_count": 25 * seconds, "keyframes": keyframes}
    rendition, _ = started(world, with_media(world, world.ready(), **length))
    assert rendition.parameters.sampling.kind is kind


@pytest.mark.parametrize(
    ("seconds", "request_", "lane"),
    [
        (10, Proxy(), Lane.FAST),
        (7200, Proxy(), Lane.CPU),
        (7200, Thumbnails(), Lane.FAST),
    ],
)
def test_what_is_short_goes_to_the_fast_lane(seconds: int, request_: Thumbnails | Proxy, lane: Lane) -> None:
    world = World(replace(LIMITS, has_fast_lane=True))
    video = with_media(
        world, world.ready(), duration_seconds=float(seconds), frame_count=25 * seconds, keyframes=seconds
    )
    assert started(world, video, request_)[1].submission.lane is lane


def test_what_the_fast_lane_did_not_end_goes_on_in_the_cpu_lane() -> None:
    world = World(replace(LIMITS, has_fast_lane=True))
    video = world.ready()
    rendition, batch_job = started(world, video)
    assert world.claim(batch_job, 0, 0) is not None
    world.child_ended(batch_job, exit_code=143)
    again = world.last_batch_job().submission
    assert (again.lane, again.step) == (Lane.CPU, rendition.step.step_name)
    world.drain()
    assert now(world, video, rendition).step.state is SideStepState.SUCCEEDED


@pytest.mark.parametrize("is_told", [True, False])
def test_a_worker_that_dies_is_replaced(is_told: bool) -> None:
    world = World()
    video = world.ready()
    rendition, batch_job = started(world, video)
    assert world.claim(batch_job, 0, 0) is not None
    if is_told:
        world.child_ended(batch_job, exit_code=137)
    else:
        world.tick(LEASE_IS_OVER + LIMITS.reconcile_seconds)
    world.drain()
    step = now(world, video, rendition).step
    assert (step.state, step.unit.attempt) == (SideStepState.SUCCEEDED, 2)


def test_one_that_kills_every_worker_fails_and_is_made_again_under_another_name() -> None:
    world = World()
    video = world.ready()
    rendition, _ = started(world, video)
    for _ in range(MAX_ATTEMPTS):
        batch_job = world.last_batch_job()
        world.claim(batch_job, 0, 0)
        world.child_ended(batch_job, exit_code=137)
    step = now(world, video, rendition).step
    assert step.unit.failure is not None
    assert (step.state, step.unit.failure.code) == (SideStepState.FAILED, ErrorCode.ATTEMPTS_EXHAUSTED)
    again, _ = started(world, video)
    assert again.rendition_id != rendition.rendition_id
    world.drain()
    assert now(world, video, again).step.state is SideStepState.SUCCEEDED


def test_one_that_is_not_done_by_its_deadline_fails() -> None:
    world = World()
    video = world.ready()
    rendition, _ = started(world, video)
    world.tick(LIMITS.job_seconds + 1)
    failure = now(world, video, rendition).step.unit.failure
    assert failure is not None
    assert failure.code is ErrorCode.TIMEOUT
    assert not [due for due in world.fakes.memory.due if not due.is_costs]


def test_what_it_may_cost_is_set_aside_and_settled() -> None:
    world = World()
    video = world.ready()
    before = get_budget(world.ports, TENANT).ledger
    started(world, video, Proxy())
    reserved = get_budget(world.ports, TENANT).ledger.reserved_nano_usd
    assert reserved > before.reserved_nano_usd
    world.drain()
    after = get_budget(world.ports, TENANT).ledger
    assert after.reserved_nano_usd == 0
    assert after.committed_nano_usd > before.committed_nano_usd


def test_a_proxy_is_dearer_than_thumbnails_and_a_larger_one_dearer_still() -> None:
    world = World()
    hour = {"duration_seconds": 3600.0, "frame_count": 90_000, "keyframes": 1800, "width": 1920, "height": 1080}
    video = with_media(world, world.ready(), **hour)
    prices = [
        started(world, video, one)[1].submission.price.units_nano_usd for one in (Thumbnails(), Proxy(360), Proxy())
    ]
    assert prices == sorted(prices)
    assert len(set(prices)) == 3


def test_a_budget_that_is_used_up_refuses_before_anything_is_recorded() -> None:
    world = World()
    video = world.ready()
    set_budget(world.ports, TENANT, 0)
    with pytest.raises(LimitExceeded):
        request_rendition(world.ports, video, Proxy())
    assert list_renditions(world.ports, video) == []


def test_deleting_the_video_ends_its_renditions_and_stops_their_workers() -> None:
    world = World()
    video = world.ready()
    _, batch_job = started(world, video)
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    delete_video(world.ports, video)
    assert not world.end_unit(batch_job.submission, 0, fence)
    assert batch_job.terminated_because == "the video was deleted"
    assert not world.fakes.memory.side_steps
    assert not [due for due in world.fakes.memory.due if not due.is_costs]


def test_one_that_was_recorded_while_its_video_was_deleted_is_removed() -> None:
    world = World()
    video = world.ready()
    started(world, video)
    del world.fakes.memory.videos[owner_of(video)]
    world.tick()
    assert list_renditions(world.ports, video) == []

"""Jobs that take over the results of one that was just like them, and what may come in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.errors import DependencyFailed, ErrorCode, Failure
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job, JobState, MissingRange, PipelineRef
from chalicelib.domain.reuse import ModelReuse, ReuseReceipt
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.videos import Video
from chalicelib.services.advance import advance_job
from chalicelib.services.dispatch import owner_of
from chalicelib.services.job_events import record_commit, record_state
from chalicelib.services.jobs import cancel_job, get_progress, list_segments, retry_job, start_job
from chalicelib.services.models import resolve_model
from chalicelib.services.pipelines import make_pipeline
from chalicelib.services.reuse import Reuse, find_reuse
from chalicelib.services.take_over_port import StoredResults, TakenSegment
from chalicelib.services.videos import delete_video
from tests.fakes.makers import TENANT, make_manifest, make_segment
from tests.services.failures import partial
from tests.services.world import World, make_request

CELLS = 6
MANY_CELLS = 100
"""One segment each: more than one transaction takes."""


class Interrupted:
    """The port `TakeOverStore`, where something happens before the nth write."""

    def __init__(self, world: World, nth: int, happen: Callable[[], None]) -> None:
        self._store = world.fakes.ports.take_overs
        self._nth = nth
        self._happen = happen
        self.writes = 0
        world.ports = replace(world.ports, take_overs=self)

    def read_results(self, source: Job, *, max_items: int, max_bytes: int) -> StoredResults | None:
        return self._store.read_results(source, max_items=max_items, max_bytes=max_bytes)

    def write(self, target: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        self._count()
        return self._store.write(target, items, segments)

    def finish(self, ended: Job, source: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        self._count()
        return self._store.finish(ended, source, items, segments)

    def _count(self) -> None:
        self.writes += 1
        if self.writes == self._nth:
            self._happen()


def fail() -> None:
    raise DependencyFailed("the table did not answer")


def video_of(world: World, job: Job) -> Video:
    video = world.ports.videos.get(job.tenant, job.video_id)
    assert video is not None
    return video


def again(world: World, job: Job, **request: Any) -> Job:
    """A job on the same video; like the first one, unless something else is asked for."""
    return start_job(world.ports, video_of(world, job), make_request(**request))


def readable(world: World, job: Job) -> list[Item]:
    """Everything of a job's results."""
    return world.fakes.results.items_of_finish(job.tenant, job.job_id)


def newest(world: World, job: Job) -> Job:
    return world.ports.jobs.list_for_video(job.tenant, job.video_id, None, 1)[0]


def test_a_job_like_one_that_succeeded_is_over_at_once_and_batch_hears_nothing_of_it() -> None:
    world = World()
    first = world.done(CELLS)
    sent = len(world.fakes.batch.jobs)
    second = again(world, first)
    assert (second.state, second.finished_at) == (JobState.SUCCEEDED, world.now())
    assert (len(world.fakes.batch.jobs), world.ports.submissions.list(owner_of(second))) == (sent, [])
    assert readable(world, second) == readable(world, first)
    assert (second.plan, second.summary) == (first.plan, {**(first.summary or {}), "frames_inferred": 0})
    assert get_progress(world.ports, second).segments_done == CELLS
    assert second.reused == ReuseReceipt((ModelReuse(CELLS, CELLS, 50, 0),), first.job_id)
    assert not world.fakes.memory.due


def test_one_that_took_over_can_be_taken_over() -> None:
    world = World()
    second = again(world, world.done(CELLS))
    third = again(world, second)
    assert third.reused == replace(second.reused or ReuseReceipt(()), job_id=second.job_id)


@pytest.mark.parametrize(
    "request_",
    [{"tracker": TrackingParameters()}, {"promote": False}, {"pipeline": PipelineRef("people", 1)}],
    ids=str,
)
def test_who_asks_and_what_it_is_for_makes_no_difference(request_: dict[str, Any]) -> None:
    world = World()
    first = world.done(CELLS)
    pipeline = make_pipeline(world.ports, TENANT, "people", make_request(), by="somebody")
    assert pipeline.ref == PipelineRef("people", 1)
    second = again(world, first, **request_)
    assert (second.state, second.reused and second.reused.job_id) == (JobState.SUCCEEDED, first.job_id)


@pytest.mark.parametrize(
    "request_",
    [
        {"score_min": 0.5},
        {"labels": ("dog",)},
        {"segment_seconds": Fraction(4)},
        {"tracking": False},
        {"tracker": TrackingParameters(lost_seconds=3)},
        {"sampling": Sampling(SamplingKind.KEYFRAMES)},
        {"models": ("toy", "other")},
    ],
    ids=str,
)
def test_a_job_that_differs_in_anything_needs_workers(request_: dict[str, Any]) -> None:
    world = World()
    world.fakes.models.register(make_manifest("other", sha256="b" * 64))
    assert again(world, world.done(CELLS), **request_).state is JobState.RUNNING


def summed_up(world: World, **request: Any) -> Job:
    """A job that succeeded, with a summary as the finish makes it."""
    job = world.running(CELLS, **request)
    world.drain()
    frames = {"frames_shown": 300, "frames_analyzed": 300, "frames_inferred": 300}
    summary = {**frames, "detections": 0, "tracks": 0, "labels": []}
    return world.ports.jobs.save(replace(world.job(job), summary=summary), None)


@pytest.mark.parametrize("view", [{"score_min": 0.9}, {"labels": ("dog",)}, {"score_min": 0.5, "labels": ("dog",)}])
def test_a_job_that_shows_less_is_over_at_once(view: dict[str, Any]) -> None:
    world = World()
    first = summed_up(world)
    sent = len(world.fakes.batch.jobs)
    second = again(world, first, **view)
    assert (second.state, second.reused and second.reused.job_id) == (JobState.SUCCEEDED, first.job_id)
    assert (second.quote and second.quote.children, len(world.fakes.batch.jobs)) == (0, sent)
    assert (second.request.score_min, second.request.labels) == (view.get("score_min"), view.get("labels", ()))
    assert again(world, first, **view).made == second.made
    assert second.made != first.made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"score_min": 0.01}),
        ({"score_min": 0.9}, {}),
        ({"labels": ("dog",)}, {}),
        ({"labels": ("dog",)}, {"labels": ("person",)}),
        ({}, {"score_min": 0.9, "tracking": False}),
        ({}, {"labels": ("dog",), "segment_seconds": Fraction(4)}),
    ],
    ids=str,
)
def test_a_job_that_shows_more_or_differs_in_more_needs_workers(first: dict[str, Any], second: dict[str, Any]) -> None:
    world = World()
    assert again(world, summed_up(world, **first), **second).state is JobState.RUNNING


def test_a_job_of_another_tenant_that_shows_more_is_not_found() -> None:
    world = World()
    first = summed_up(world)
    video = video_of(world, first)
    stranger = replace(video, tenant=TenantId("stranger"))
    world.ports.videos.add(stranger, None)
    assert start_job(world.ports, stranger, make_request(labels=("dog",))).state is JobState.RUNNING


@pytest.mark.parametrize(
    "change", [{"score_default": 0.5}, {"sha256": "b" * 64}, {"labels": ("cat", "bicycle", "dog")}]
)
def test_a_model_that_was_changed_under_its_name_is_another(change: dict[str, Any]) -> None:
    world = World()
    first = world.done(CELLS)
    world.fakes.models.register(make_manifest(**change))
    assert again(world, first).state is JobState.RUNNING


def test_a_job_of_a_release_that_did_not_say_how_it_came_about_is_not_taken_over() -> None:
    world = World()
    first = world.done(CELLS)
    world.fakes.memory.jobs[owner_of(first)] = replace(first, made=None, reused=None)
    assert again(world, first).state is JobState.RUNNING


def test_damage_of_the_file_is_taken_over_with_its_cause() -> None:
    world = World()
    first = world.done(CELLS)
    damage = Failure(ErrorCode.DAMAGED_RANGES, "a GOP is damaged", "upload it again")
    damaged = replace(first, state=JobState.PARTIAL, missing=(MissingRange(1.0, 2.0, damage),), failure=damage)
    world.fakes.memory.jobs[owner_of(first)] = damaged
    second = again(world, first)
    assert (second.state, second.missing, second.failure) == (JobState.PARTIAL, damaged.missing, damage)


def test_what_a_job_lacks_for_another_reason_is_done_by_workers() -> None:
    world = World()
    assert again(world, partial(world, failed=[1], cells=4)).state is JobState.RUNNING


def test_a_job_that_is_retried_may_not_be_taken_over_any_more() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    retry_job(world.ports, job)
    assert (world.job(job).made, world.job(job).reused) == (None, None)


def test_the_same_bytes_in_another_video_take_over_what_is_there() -> None:
    world = World()
    first = world.done(CELLS)
    copy = world.ready(CELLS)
    second = start_job(world.ports, copy, make_request())
    assert (second.state, second.reused and second.reused.job_id) == (JobState.SUCCEEDED, first.job_id)


def test_a_job_that_waits_for_its_probe_takes_over_after_it() -> None:
    world = World()
    world.done(CELLS)
    copy = world.uploaded()
    job = start_job(world.ports, copy, make_request())
    sent = len(world.fakes.batch.jobs)
    world.run_worker(world.last_batch_job())
    world.changed(copy)
    assert (world.job(job).state, len(world.fakes.batch.jobs)) == (JobState.SUCCEEDED, sent)


def test_blocks_stay_when_the_video_goes_whose_job_was_taken_over() -> None:
    world = World()
    first = world.done(CELLS)
    digest = video_of(world, first).source.content_digest
    world.fakes.results.write_block(TENANT, digest, "a", b"a")
    second = start_job(world.ports, world.ready(CELLS), make_request())
    delete_video(world.ports, video_of(world, first))
    assert world.fakes.results.has_block(TENANT, digest, "a")
    delete_video(world.ports, video_of(world, second))
    assert not world.fakes.results.has_block(TENANT, digest, "a")


# ---- what comes in between ------------------------------------------------------------------------------------------


def test_a_cancel_before_the_last_write_leaves_nothing_to_read() -> None:
    world = World()
    first = world.done(CELLS)
    Interrupted(world, 1, lambda: _cancel_newest(world, first))
    second = again(world, first)
    assert (second.state, second.plan) == (JobState.CANCELLED, None)
    assert (list(list_segments(world.ports, second, -1, 100)), readable(world, second)) == ([], [])


def test_a_cancel_half_way_leaves_nothing_to_read_and_no_event() -> None:
    world = World()
    first = world.done(MANY_CELLS)
    Interrupted(world, 2, lambda: _cancel_newest(world, first))
    second = again(world, first)
    assert (second.state, second.plan) == (JobState.CANCELLED, None)
    assert list(list_segments(world.ports, second, -1, 100)) == []
    assert world.ports.results.get_root(second.tenant, second.job_id, table_keys.SEGMENT_TREE) is None
    record_state(world.ports, second, version=second.version, state=second.state, failure=second.failure)
    kinds = {event.kind for event in world.ports.events.list(owner_of(second), 0, 100)}
    assert kinds == {JobEventKind.JOB_STATE_CHANGED}


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_process_that_ends_in_between_is_followed_by_one_that_writes_the_same(nth: int) -> None:
    world = World()
    first = world.done(MANY_CELLS)
    interrupted = Interrupted(world, nth, fail)
    second = again(world, first)
    assert second.state is JobState.PENDING
    world.drain()
    advance_job(world.ports, second.tenant, second.job_id)
    assert interrupted.writes > nth
    assert world.job(second).state is JobState.SUCCEEDED
    assert readable(world, second) == readable(world, first)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_two_processes_at_once_end_it_once(nth: int) -> None:
    world = World()
    first = world.done(MANY_CELLS)
    Interrupted(world, nth, lambda: advance_job(world.fakes.ports, TENANT, newest(world, first).job_id))
    second = again(world, first)
    assert (second.state, second.version) == (JobState.SUCCEEDED, 2)
    assert readable(world, second) == readable(world, first)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_when_the_older_job_goes_in_between_workers_do_what_is_left(nth: int) -> None:
    world = World()
    first = world.done(MANY_CELLS)
    digest = video_of(world, first).source.content_digest
    world.fakes.results.write_block(TENANT, digest, "a", b"a")
    copy = world.ready(MANY_CELLS)
    Interrupted(world, nth, lambda: delete_video(world.fakes.ports, video_of(world, first)))
    second = start_job(world.ports, copy, make_request())
    assert second.state is JobState.RUNNING
    assert world.ports.results.get_root(second.tenant, second.job_id, table_keys.SEGMENT_TREE) is None
    world.drain()
    assert (world.job(second).state, world.committed(second)) == (JobState.SUCCEEDED, list(range(MANY_CELLS)))
    assert world.fakes.results.has_block(TENANT, digest, "a")


def test_a_plan_that_somebody_sends_to_workers_meanwhile_is_theirs() -> None:
    world = World()
    first = world.done(MANY_CELLS)

    def plan_for_workers() -> None:
        unit = world.unit(first, 3)
        open_unit = replace(unit, state=type(unit.state).OPEN, fence="", attempt=0)
        world.fakes.ports.units.add_segments(owner_of(newest(world, first)), [(make_segment(3), open_unit)])

    Interrupted(world, 1, plan_for_workers)
    second = again(world, first)
    world.drain()
    assert (world.job(second).state, world.committed(second)) == (JobState.SUCCEEDED, list(range(MANY_CELLS)))


def test_results_that_are_too_many_to_copy_are_found_by_workers() -> None:
    world = World()
    first = world.done(CELLS)
    interrupted = Interrupted(world, 0, fail)
    interrupted.read_results = lambda *_, **__: None  # type: ignore[method-assign]
    second = again(world, first)
    assert (second.state, interrupted.writes) == (JobState.RUNNING, 0)


def test_a_commit_is_told_of_when_it_can_be_read_and_once() -> None:
    world = World()
    first = world.done(CELLS)
    second = again(world, first)
    record_commit(world.ports, replace(second, plan=None), make_segment(0))
    assert world.ports.events.list(owner_of(second), 0, 100) == []
    for _ in range(2):
        record_state(world.ports, second, version=second.version, state=second.state, failure=None)
    events = world.ports.events.list(owner_of(second), 0, 100)
    assert [event.committed and event.committed.segment_index for event in events] == [*range(CELLS), None]


# ---- what is found --------------------------------------------------------------------------------------------------


def found(world: World, job: Job, **request: Any) -> Reuse:
    asked = make_request(**request)
    manifests = [resolve_model(world.ports, job.tenant, reference) for reference in asked.models]
    return find_reuse(world.ports, video_of(world, job), asked, manifests)


def test_a_finished_job_has_stored_every_cell_of_its_models_and_of_no_other() -> None:
    world = World()
    world.fakes.models.register(make_manifest("other", sha256="b" * 64))
    first = world.done(CELLS)
    reuse = found(world, first, models=("other", "toy"))
    assert (reuse.cells, reuse.cells_by_model, reuse.is_complete, reuse.same_job) == (CELLS, (0, CELLS), False, None)


def test_a_job_in_another_cut_has_the_same_cells_but_is_another_job() -> None:
    world = World()
    reuse = found(world, world.done(CELLS), segment_seconds=Fraction(4))
    assert (reuse.cells_by_model, reuse.is_complete, reuse.same_job) == ((CELLS,), True, None)


def test_of_a_job_that_is_under_way_the_done_segments_are_seen() -> None:
    world = World()
    job = world.running(CELLS)
    world.run_worker(world.last_batch_job(), child=0)
    assert found(world, job).stored_by_model == (frozenset({0, 4}),)


def test_of_a_video_that_was_not_probed_nothing_is_known() -> None:
    world = World()
    job = start_job(world.ports, world.uploaded(), make_request())
    assert found(world, job) == Reuse()


def test_what_another_tenant_has_is_not_found() -> None:
    world = World()
    first = world.done(CELLS)
    stranger = replace(video_of(world, first), tenant=TenantId("stranger"))
    reuse = find_reuse(world.ports, stranger, make_request(), [make_manifest()])
    assert (reuse.cells_by_model, reuse.same_job) == ((0,), None)


def _cancel_newest(world: World, first: Job) -> None:
    cancel_job(world.fakes.ports, newest(world, first))

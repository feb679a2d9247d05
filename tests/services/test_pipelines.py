"""Making pipelines, and jobs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest

from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import PipelineRef
from chalicelib.domain.models import ModelTask
from chalicelib.domain.pipelines import MAX_VERSIONS, Pipeline
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.services import pipelines
from chalicelib.services.dispatch import order_key
from chalicelib.services.jobs import start_job
from chalicelib.services.pipelines import get_pipeline, list_pipelines, list_versions, make_pipeline, resolve_pipeline
from chalicelib.services.ports import Ports
from chalicelib.services.tracks import list_track_versions, start_tracks
from tests.fakes.makers import TENANT, make_manifest
from tests.services.world import World, make_request


def make(world: World, name: str = "people", **request: Any) -> Pipeline:
    return make_pipeline(world.ports, TENANT, name, make_request(**request), by="somebody")


def test_the_first_version_pins_its_models() -> None:
    world = World()
    pipeline = make(world)
    assert (pipeline.version, [model.sha256 for model in pipeline.models]) == (1, ["a" * 64])
    assert (pipeline.created_at, pipeline.created_by) == (world.now(), "somebody")


def test_the_same_content_is_the_newest_version_and_makes_no_other() -> None:
    world = World()
    first = make(world, score_min=0.5)
    assert make(world, score_min=0.5) == first
    assert list(list_versions(world.ports, TENANT, "people", None, 9)) == [first]


def test_other_content_is_the_next_version() -> None:
    world = World()
    made = [make(world, score_min=score) for score in (0.5, 0.6, 0.5)]
    assert [pipeline.version for pipeline in made] == [1, 2, 3]
    assert list(list_versions(world.ports, TENANT, "people", None, 9)) == made[::-1]


def test_a_model_that_was_replaced_makes_the_next_version_and_leaves_the_last_as_it_is() -> None:
    world = World()
    first = make(world)
    world.fakes.models.register(make_manifest(version="2", sha256="b" * 64))
    second = make(world)
    assert (second.version, second.models[0].sha256) == (2, "b" * 64)
    assert get_pipeline(world.ports, TENANT, "people", "1") == first


class LateStore:
    """Lets all who read the newest version do so before one of them adds another."""

    def __init__(self, ports: Ports, readers: int) -> None:
        self._store, self._barrier, self._waits = ports.pipelines, Barrier(readers), readers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get_newest(self, tenant: TenantId, name: str) -> Pipeline | None:
        newest = self._store.get_newest(tenant, name)
        if self._waits:
            self._waits -= 1
            self._barrier.wait(10)
        return newest


def make_at_once(world: World, scores: Sequence[float]) -> list[Pipeline]:
    ports = replace(world.ports, pipelines=LateStore(world.ports, len(scores)))
    made: list[Pipeline] = []

    def work(score: float) -> None:
        made.append(make_pipeline(ports, TENANT, "people", make_request(score_min=score), by="somebody"))

    threads = [Thread(target=work, args=(score,)) for score in scores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return made


def test_two_at_once_never_get_one_number() -> None:
    world = World()
    made = make_at_once(world, (0.5, 0.6))
    assert sorted(pipeline.version for pipeline in made) == [1, 2]
    assert {pipeline.request.score_min for pipeline in made} == {0.5, 0.6}


def test_two_at_once_with_the_same_content_get_one_version() -> None:
    world = World()
    first, second = make_at_once(world, (0.5, 0.5))
    assert first == second
    assert [one.version for one in list_versions(world.ports, TENANT, "people", None, 9)] == [1]


def test_a_pipeline_is_checked_like_a_job() -> None:
    world = World()
    for request in ({"models": ("yolo",)}, {"labels": ("unicorn",)}, {"tracker": TrackingParameters(labels=("cat",))}):
        with pytest.raises(InvalidRequest):
            make(world, **request)
    with pytest.raises(InvalidRequest, match="jobs without a pipeline"):
        make(world, "default")
    assert list(list_pipelines(world.ports, TENANT, None, 9)) == []


def test_a_tracker_that_has_nothing_to_track_is_refused() -> None:
    world = World()
    labeller = make_manifest("scenes", task=ModelTask.CLASSIFICATION, max_detections=None, nms_iou=None)
    world.fakes.models.register(labeller)
    with pytest.raises(InvalidRequest, match="tracks are made of detections"):
        make(world, models=("scenes",), tracker=TrackingParameters(lost_seconds=3))
    assert make(world, models=("scenes",)).models[0].task is ModelTask.CLASSIFICATION


def test_a_pipeline_has_so_many_versions_and_no_more() -> None:
    world = World()
    first = make(world)
    world.ports.pipelines.add(replace(first, version=MAX_VERSIONS))
    with pytest.raises(LimitExceeded):
        make(world, score_min=0.5)
    assert make(world).version == MAX_VERSIONS


def test_a_reference_is_to_the_newest_version_or_to_the_one_that_is_named() -> None:
    world = World()
    first, second = make(world), make(world, score_min=0.5)
    assert resolve_pipeline(world.ports, TENANT, "people") == second
    assert resolve_pipeline(world.ports, TENANT, "people@1") == first


@pytest.mark.parametrize("ref", ["people@3", "cars", "default", "People", "people@x"])
def test_a_reference_to_none_is_refused(ref: str) -> None:
    world = World()
    make(world)
    with pytest.raises(InvalidRequest):
        resolve_pipeline(world.ports, TENANT, ref)


def test_pipelines_of_another_tenant_are_none() -> None:
    world = World()
    make(world)
    stranger = TenantId("stranger")
    with pytest.raises(InvalidRequest, match="there is no pipeline people"):
        resolve_pipeline(world.ports, stranger, "people")
    with pytest.raises(NotFound):
        get_pipeline(world.ports, stranger, "people", "1")
    with pytest.raises(NotFound):
        list_versions(world.ports, stranger, "people", None, 9)


def test_a_job_of_a_pipeline_does_what_its_version_says() -> None:
    world = World()
    make(world, score_min=0.7, labels=("dog",), tracker=TrackingParameters(confirm_hits=2))
    make(world, score_min=0.1)
    pipeline = resolve_pipeline(world.ports, TENANT, "people@1")
    job = start_job(world.ports, world.ready(2), pipeline.job_request)
    assert (job.pipeline, job.pipeline_name) == (PipelineRef("people", 1), "people")
    assert (job.models, job.request.score_min, job.request.labels) == (pipeline.models, 0.7, ("dog",))


def test_a_job_of_a_pipeline_whose_model_was_replaced_is_refused() -> None:
    """It must never run another model than the version says."""
    world = World()
    video, pipeline = world.ready(2), make(world)
    world.fakes.models.register(make_manifest(version="2", sha256="b" * 64))
    with pytest.raises(Conflict, match="removed or replaced"):
        start_job(world.ports, video, pipeline.job_request)


def finish_order(world: World) -> WorkOrder:
    jobs = [job for job in world.fakes.batch.jobs.values() if job.submission.kind is OrderKind.FINISH]
    return WorkOrder.from_bytes(world.ports.objects.get(order_key(jobs[-1].submission)))


def test_the_finish_is_told_the_tracker_of_the_pipeline() -> None:
    world = World()
    pipeline = make(world, tracker=TrackingParameters(lost_seconds=3, labels=("dog",)))
    start_job(world.ports, world.ready(2), pipeline.job_request)
    world.drain()
    assert finish_order(world).parameters == {"tracking": {"lost_seconds": 3, "labels": ["dog"]}}


def test_a_finish_that_is_told_nothing_has_no_parameters() -> None:
    world = World()
    world.done(2)
    assert finish_order(world).parameters is None


def test_tracking_again_leaves_out_what_the_pipeline_told() -> None:
    world = World()
    pipeline = make(world, tracker=TrackingParameters(lost_seconds=3, confirm_hits=4))
    job = start_job(world.ports, world.ready(2), pipeline.job_request)
    world.drain()
    start_tracks(world.ports, world.job(job), TrackingParameters(score_high=0.6, confirm_frames=2))
    told = [version.parameters for version in list_track_versions(world.ports, world.job(job))]
    assert told == [
        {"lost_seconds": 3, "confirm_hits": 4},
        # Four hits do not fit into two frames: what is told now counts.
        {"score_high": 0.6, "lost_seconds": 3, "confirm_frames": 2},
    ]


def test_pipelines_are_listed_by_name() -> None:
    world = World()
    newest = [make(world, "cars"), make(world, "people")]
    newest[1] = make(world, "people", score_min=0.5)
    assert list(pipelines.list_pipelines(world.ports, TENANT, None, 9)) == newest
    assert list(pipelines.list_pipelines(world.ports, TENANT, "cars", 9)) == newest[1:]

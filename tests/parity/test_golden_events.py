"""Events as AWS sends them: which function each starts, and that the function takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import UnitState
from chalicelib.domain.videos import VideoState
from infra.local.functions import LambdaContext
from infra.local.patterns import matches
from infra.wiring import WIRING
from tests.api.service import Service
from tests.fakes.make import LIMITS
from tests.parity import golden
from tests.services.world import BODY, World

STARTED = {
    "batch_array_parent_failed": {"on_batch_state_change"},
    "batch_child_failed": {"on_batch_state_change"},
    "batch_child_out_of_memory": {"on_batch_state_change"},
    "batch_host_reclaimed": {"on_batch_state_change"},
    "batch_succeeded": {"on_batch_state_change"},
    "s3_object_created_by_multipart": {"on_object_created"},
    "s3_object_created_by_post": {"on_object_created"},
    "stream_event_recorded": {"on_job_event"},
    "stream_job_moved": {"on_meta_stream"},
    "stream_segment_done": {"on_meta_stream"},
}
"""What no rule or filter names starts nothing; requests and schedules name their function themselves."""


def of_service(name: str) -> bool:
    return name.startswith(("batch_", "s3_", "stream_"))


@pytest.mark.parametrize("name", [name for name in golden.NAMES if of_service(name)])
def test_an_event_starts_what_the_wiring_says(name: str) -> None:
    event = golden.read(name)
    started = {rule.handler for rule in WIRING.event_rules if matches(rule.pattern, event)}
    for record in event.get("Records", []):
        started |= {
            mapping.handler
            for mapping in WIRING.streams
            if any(matches(pattern, record) for pattern in mapping.filters)
        }
    assert started == STARTED.get(name, set())


@pytest.mark.parametrize("reason", ["post", "multipart"])
def test_an_object_that_s3_tells_of_is_accepted(reason: str) -> None:
    world = World()
    video, _ = world.create(BODY)
    world.fakes.objects.place(video.source.key, BODY)
    event = golden.read(f"s3_object_created_by_{reason}")
    event["detail"]["bucket"]["name"], event["detail"]["object"]["key"] = video.source.bucket, video.source.key
    call(world, "on_object_created", event)
    assert world.video(video).state is VideoState.UPLOADED


@pytest.mark.parametrize(
    ("name", "attempts"), [("batch_child_failed", 1), ("batch_child_out_of_memory", 1), ("batch_host_reclaimed", 1)]
)
def test_segments_of_a_child_that_ended_badly_are_done_again(name: str, attempts: int) -> None:
    world = World()
    job = world.running(cells=6)
    before = world.last_batch_job()
    call(world, "on_batch_state_change", told(world, golden.read(name)))
    after = world.last_batch_job()
    assert after is not before
    units = [world.unit(job, index) for index in range(6)]
    again = [unit for unit in units if unit.submission != "analyze"]
    assert again
    assert all(unit.state is UnitState.OPEN for unit in again)
    # It died before it claimed anything, and its first segment bears the blame.
    assert sum(unit.attempt for unit in again) == attempts


@pytest.mark.parametrize("name", ["batch_array_parent_failed", "batch_runnable"])
def test_the_parent_of_an_array_and_a_child_that_goes_on_change_nothing(name: str) -> None:
    world = World()
    world.running(cells=6)
    before = world.last_batch_job()
    call(world, "on_batch_state_change", told(world, golden.read(name)))
    assert world.last_batch_job() is before


def test_a_batch_event_of_somebody_elses_job_is_passed_over() -> None:
    world = World()
    world.running(cells=6)
    before = world.last_batch_job()
    event = golden.read("batch_child_failed")
    event["detail"]["parameters"] = {}
    call(world, "on_batch_state_change", event)
    assert world.last_batch_job() is before


@pytest.mark.parametrize("name", ["stream_job_moved", "stream_segment_done"])
def test_a_record_of_a_job_that_is_gone_is_handled(name: str) -> None:
    world = World()
    # Were it a failure, the mapping would send it again and again, and everything behind it would wait.
    call(world, "on_meta_stream", golden.read(name))
    assert not world.fakes.batch.jobs


def test_the_schedule_starts_the_reconciler() -> None:
    world = World()
    job = world.running(cells=6)
    world.fakes.clock.advance(2 * LIMITS.job_seconds)
    call(world, "reconcile", golden.read("scheduled"))
    assert world.job(job).state is not JobState.RUNNING


def test_appsync_resolves_a_field_for_a_user_of_cognito() -> None:
    service = Service()
    event = golden.read("appsync_invoke")
    with wiring.using(service.ports):
        answer = app.resolve_graphql(event, LambdaContext("resolve_graphql"))
    # Another deployment's job: the caller was known and the field was found.
    assert (answer["errorType"], answer["errorInfo"]["status"]) == ("NOT_FOUND", 404)


def test_appsync_resolves_a_field_for_several_objects_at_once() -> None:
    service = Service()
    with wiring.using(service.ports):
        answers = app.resolve_graphql(golden.read("appsync_batch_invoke"), LambdaContext("resolve_graphql"))
    assert len(answers) == 2
    assert all(set(answer) >= {"data"} for answer in answers)


def test_only_the_role_of_the_service_may_publish() -> None:
    service = Service()
    event = golden.read("appsync_invoke_by_role")
    by_user = event | {"identity": golden.read("appsync_invoke")["identity"]}
    with wiring.using(service.ports):
        assert app.resolve_graphql(event, LambdaContext("resolve_graphql"))["data"] == event["arguments"]["event"]
        assert app.resolve_graphql(by_user, LambdaContext("resolve_graphql"))["errorType"] == "FORBIDDEN"


def test_a_request_of_api_gateway_is_answered() -> None:
    service = Service()
    with wiring.using(service.ports):
        answer: Any = app.app(golden.read("api_gateway_get_videos"), LambdaContext("api"))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"items": [], "next_cursor": None}
    assert answer["headers"]["Content-Type"] == "application/json"


def call(world: World, handler: str, event: Any) -> None:
    with wiring.using(world.ports):
        getattr(app, handler)(event, LambdaContext(handler))


def told(world: World, event: Any) -> Any:
    """The event, of the last submission of this world."""
    submission = world.last_batch_job().submission
    event["detail"]["jobId"] = event["detail"]["jobId"].replace(
        "4c7599ae-0a82-49aa-ba5a-4727fcce14a8", world.last_batch_job().batch_job_id
    )
    event["detail"]["parameters"] = {
        "tenant": submission.owner.tenant,
        "owner": submission.owner.name,
        "submission": submission.submission_id,
    }
    return event

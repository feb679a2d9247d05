"""Lambda's events of the fast lane, as AWS documents them, reach what they are about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.contracts.event_patterns import INVOCATION_ENDED
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import Lane
from infra.local.functions import Functions
from infra.local.patterns import matches
from tests.fakes.batch import FakeBatchJob
from tests.fakes.make import LIMITS
from tests.services.world import World

FUNCTIONS = Functions(app, ["on_invocation_ended"])
ARN = "arn:aws:lambda:us-east-1:123456789012:function:fast:$LATEST"


def fast_world() -> World:
    return World(replace(LIMITS, has_fast_lane=True))


def event_of(job: FakeBatchJob, answer: Any, condition: str = "Success") -> dict[str, Any]:
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    submission = job.submission
    is_failure = condition != "Success"
    return {
        "version": "0",
        "id": "7d0c0c3e-0000-0000-0000-000000000000",
        "detail-type": f"Lambda Function Invocation Result - {'Failure' if is_failure else 'Success'}",
        "source": "lambda",
        "account": "123456789012",
        "time": "2026-11-14T18:16:05Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:event-bus/default", ARN],
        "detail": {
            "version": "1.0",
            "timestamp": "2026-11-14T18:16:05.568Z",
            "requestContext": {
                "requestId": job.batch_job_id.removeprefix("lambda:"),
                "functionArn": ARN,
                "condition": condition,
                "approximateInvokeCount": 1,
            },
            "requestPayload": {
                "order": job.order_uri,
                "tenant": submission.owner.tenant,
                "owner": submission.owner.name,
                "submission": submission.submission_id,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"}
            | ({"functionError": "Unhandled"} if is_failure else {}),
            "responsePayload": answer,
        },
    }


def named_as_lambda_does(world: World) -> FakeBatchJob:
    """The last submission, under the name of an invocation."""
    job = world.last_batch_job()
    del world.fakes.batch.jobs[job.batch_job_id]
    job.batch_job_id = f"lambda:{job.batch_job_id}"
    world.fakes.batch.jobs[job.batch_job_id] = job
    return job


def tell(world: World, event: dict[str, Any]) -> None:
    assert matches(INVOCATION_ENDED, event)
    with wiring.using(world.ports):
        FUNCTIONS.invoke("on_invocation_ended", event)


TIMED_OUT = {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: r Error: Task timed out after 900.00 seconds"}


@pytest.mark.parametrize(
    ("answer", "condition", "cause"),
    [
        ({"exit_code": 143}, "Success", "exit code 143"),
        (TIMED_OUT, "RetriesExhausted", "Task timed out after 900.00 seconds"),
        (None, "EventAgeExceeded", "no exit code: EventAgeExceeded"),
    ],
)
def test_what_an_invocation_left_goes_on_in_the_cpu_lane(answer: Any, condition: str, cause: str) -> None:
    world = fast_world()
    job = world.running(cells=1)
    invocation = named_as_lambda_does(world)
    if answer:
        world.claim(invocation, 0, 0)
    tell(world, event_of(invocation, answer, condition))
    unit = world.unit(job, 0)
    assert (unit.lane, world.last_batch_job().submission.lane, unit.attempt) == (Lane.CPU, Lane.CPU, 1)
    assert unit.failure is not None
    assert cause in unit.failure.detail
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED


def test_an_invocation_that_did_its_work_lets_the_video_go_on() -> None:
    world = fast_world()
    world.uploaded()
    invocation = named_as_lambda_does(world)
    world.run_worker(invocation)
    before = len(world.fakes.batch.jobs)
    for _ in range(2):
        tell(world, event_of(invocation, {"exit_code": 0}))
    assert len(world.fakes.batch.jobs) == before


def test_the_app_listens_to_its_own_function_alone() -> None:
    world = fast_world()
    world.uploaded()
    event = event_of(world.last_batch_job(), {"exit_code": 0})
    event["detail"]["requestPayload"] = {"something": "else"}
    assert not matches(INVOCATION_ENDED, event)

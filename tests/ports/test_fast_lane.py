"""The port `Batch` where there is a fast lane: its submissions are invocations, all others go on to Batch."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from chalicelib.adapters.fast_lane import WithFastLane
from chalicelib.contracts.invocations import PREFIX
from chalicelib.domain.errors import DependencyFailed, DomainError
from chalicelib.domain.ids import TenantId
from chalicelib.domain.units import Lane
from chalicelib.services.ports import ChildState, Owner
from infra.local.stack import LocalStack
from infra.wiring import WIRING
from tests.fakes.batch import FakeBatch
from tests.fakes.makers import make_submission
from tests.local.toys import PATIENCE_SECONDS, ToyApp, python, running

ORDER = "s3://bucket/order"
OWNER = Owner(TenantId("acme"), "job_1")


@pytest.fixture(scope="module")
def app() -> ToyApp:
    return ToyApp()


@pytest.fixture(scope="module")
def stack(app: ToyApp) -> Iterator[LocalStack]:
    with running(app, worker_command=python("")) as stack:
        yield stack


def lanes(stack: LocalStack, batch: FakeBatch, function: str = WIRING.fast.function) -> WithFastLane:
    client = boto3.client("lambda", endpoint_url=stack.base_url)
    return WithFastLane(batch, lambda: client, function)


def test_an_invocation_is_named_as_its_worker_and_its_end_are(stack: LocalStack, app: ToyApp) -> None:
    batch = FakeBatch()
    name = lanes(stack, batch).submit(make_submission(OWNER, lane=Lane.FAST, children=((0,),)), ORDER)
    detail = app.invocations.get(timeout=PATIENCE_SECONDS)["detail"]
    assert (name, batch.jobs) == (f"{PREFIX}{detail['requestContext']['requestId']}", {})
    assert detail["requestPayload"]["order"] == ORDER
    assert (detail["requestPayload"]["tenant"], detail["requestPayload"]["owner"]) == (OWNER.tenant, OWNER.name)


@pytest.mark.parametrize("lane", [Lane.CPU, Lane.GPU])
def test_what_is_of_another_lane_goes_to_batch(stack: LocalStack, lane: Lane) -> None:
    batch = FakeBatch()
    name = lanes(stack, batch).submit(make_submission(OWNER, lane=lane, children=((0,),)), ORDER)
    assert lanes(stack, batch).describe(name, 1) == [ChildState.WAITING]
    lanes(stack, batch).terminate(name, "cancelled")
    assert batch.jobs[name].terminated_because == "cancelled"


def test_lambda_can_neither_be_asked_nor_stopped(stack: LocalStack) -> None:
    batch = FakeBatch()
    assert lanes(stack, batch).describe(f"{PREFIX}req-1", 1) == [ChildState.UNKNOWN]
    lanes(stack, batch).terminate(f"{PREFIX}req-1", "cancelled")
    assert batch.jobs == {}


def test_several_children_are_no_matter_of_the_fast_lane(stack: LocalStack) -> None:
    with pytest.raises(DomainError, match="one child"):
        lanes(stack, FakeBatch()).submit(make_submission(OWNER, lane=Lane.FAST, children=((0,), (1,))), ORDER)


def test_an_invocation_that_lambda_refuses_may_be_tried_again(stack: LocalStack) -> None:
    with pytest.raises(DependencyFailed, match="ResourceNotFoundException"):
        lanes(stack, FakeBatch(), "another").submit(make_submission(OWNER, lane=Lane.FAST, children=((0,),)), ORDER)

"""Lambda as AWS has it: asynchronous invocations, each once, and an event of every end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.contracts.event_patterns import INVOCATION_ENDED
from chalicelib.contracts.invocations import Invocation
from chalicelib.domain.lanes import FAST_DRAIN_SECONDS
from infra.local.fast_lane import FunctionRunner, Host, WorkerHost
from infra.local.patterns import matches
from infra.local.runtime_api import RuntimeHost
from infra.local.stack import LocalStack
from infra.wiring import WIRING
from tests.local.toys import ToyApp, python, running

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
PAYLOAD = Invocation("s3://bucket/order", "acme", "vid_1", "probe").to_json()
HANDLERS = """
import os
def answer(event, context):
    left = context.get_remaining_time_in_millis()
    return {"event": event, "id": context.aws_request_id, "left": left, "pid": os.getpid()}
def fail(event, context):
    raise ValueError("told to fail")
def end(event, context):
    os._exit(3)
def hang(event, context):
    import time; time.sleep(600)
"""


class Events:
    """What the runner emits, and a way to wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.all: list[dict[str, Any]] = []

    def put(self, event: dict[str, Any]) -> None:
        with self._changed:
            self.all.append(event)
            self._changed.notify_all()

    def end_of(self, request_id: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((e for e in self.all if e["detail"]["requestContext"]["requestId"] == request_id), None)

        with self._changed:
            assert self._changed.wait_for(found, 30), f"invocation {request_id} did not end"
            event = found()
        assert event is not None
        return event


@contextmanager
def runner(host: Host, slots: int = 1) -> Iterator[tuple[FunctionRunner, Events]]:
    events = Events()
    made = FunctionRunner(WIRING.fast, lambda: host, slots, events.put)
    made.start()
    try:
        yield made, events
    finally:
        made.stop(0.1)


def worker(code: str, folder: Path, timeout_seconds: int = 600) -> WorkerHost:
    fast = replace(WIRING.fast, timeout_seconds=timeout_seconds)
    return WorkerHost(fast, python(code), ENVIRONMENT, folder)


def container(handler: str, folder: Path, timeout_seconds: int = 600) -> RuntimeHost:
    (folder / "toy_handlers.py").write_text(HANDLERS)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder)}
    command = (sys.executable, *WIRING.fast.entry_point[1:], f"toy_handlers.{handler}")
    return RuntimeHost(replace(WIRING.fast, timeout_seconds=timeout_seconds), command, environment, folder)


def end_of(host: Host) -> dict[str, Any]:
    with runner(host) as (fast, events):
        return events.end_of(fast.invoke(PAYLOAD))


def test_the_event_of_an_end_is_the_one_that_the_rule_waits_for(tmp_path: Path) -> None:
    ended = end_of(worker("import sys; sys.exit(75)", tmp_path))
    assert matches(INVOCATION_ENDED, ended)
    assert not matches(INVOCATION_ENDED, {**ended, "detail": {**ended["detail"], "requestPayload": {"other": 1}}})
    detail = ended["detail"]
    assert (ended["source"], ended["detail-type"]) == ("lambda", "Lambda Function Invocation Result - Success")
    assert (detail["requestPayload"], detail["responsePayload"]) == (PAYLOAD, {"exit_code": 75})
    assert (detail["requestContext"]["condition"], detail["responseContext"]["statusCode"]) == ("Success", 200)


def test_the_worker_finds_its_order_and_its_name(tmp_path: Path) -> None:
    show = "import os; print(os.environ['REELSCAN_WORK_ORDER'], os.environ['REELSCAN_WORKER'])"
    with runner(worker(show, tmp_path)) as (fast, events):
        request_id = fast.invoke(PAYLOAD)
        events.end_of(request_id)
    assert (tmp_path / f"fast-{request_id}.log").read_text() == f"s3://bucket/order lambda:{request_id}\n"


def test_a_worker_is_told_to_stop_before_the_time_of_its_function_is_over(tmp_path: Path) -> None:
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); time.sleep(600)"
    ended = end_of(worker(code, tmp_path, timeout_seconds=int(FAST_DRAIN_SECONDS) + 1))
    assert ended["detail"]["responsePayload"] == {"exit_code": 143}


def test_what_has_not_ended_when_the_stack_stops_is_pending_and_goes_on_under_its_id(tmp_path: Path) -> None:
    with runner(worker("import time; time.sleep(600)", tmp_path)) as (fast, events):
        ids = [fast.invoke(PAYLOAD), fast.invoke(PAYLOAD)]
        fast.stop(0.1)
        pending = fast.pending()
    assert ([delivery.event["request_id"] for delivery in pending], events.all) == (ids, [])
    with runner(worker("", tmp_path)) as (fast, events):
        fast.resume(pending)
        ended = [events.end_of(request_id)["detail"]["responsePayload"] for request_id in ids]
    assert ended == [{"exit_code": 0}] * 2


def test_the_runtime_gets_payload_id_and_deadline_and_its_container_is_kept(tmp_path: Path) -> None:
    with runner(container("answer", tmp_path)) as (fast, events):
        ids = [fast.invoke(PAYLOAD), fast.invoke({"second": True})]
        first, second = (events.end_of(request_id)["detail"]["responsePayload"] for request_id in ids)
    assert ((first["event"], first["id"]), (second["event"], second["id"])) == (
        (PAYLOAD, ids[0]),
        ({"second": True}, ids[1]),
    )
    assert (590_000 < first["left"] <= 600_000, first["pid"]) == (True, second["pid"])


@pytest.mark.parametrize(
    ("handler", "timeout_seconds", "kind", "message"),
    [
        ("fail", 600, "ValueError", "told to fail"),
        ("end", 600, "Runtime.ExitError", "Runtime exited"),
        ("hang", 1, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("missing", 600, "Runtime.HandlerNotFound", "missing"),
    ],
)
def test_what_goes_wrong_in_the_runtime_is_a_failure_that_is_told(
    tmp_path: Path, handler: str, timeout_seconds: int, kind: str, message: str
) -> None:
    detail = end_of(container(handler, tmp_path, timeout_seconds))["detail"]
    assert detail["responsePayload"]["errorType"] == kind
    assert message in detail["responsePayload"]["errorMessage"]
    assert detail["requestContext"]["condition"] == "RetriesExhausted"
    assert detail["responseContext"]["functionError"] == "Unhandled"


@pytest.fixture(scope="module")
def app() -> ToyApp:
    return ToyApp()


@pytest.fixture(scope="module")
def stack(app: ToyApp) -> Iterator[LocalStack]:
    with running(app, worker_command=python("import sys; sys.exit(66)")) as stack:
        yield stack


def client(stack: LocalStack) -> Any:
    return boto3.client("lambda", endpoint_url=stack.base_url)


def test_invoke_as_an_event_is_accepted_and_its_end_reaches_the_handler(stack: LocalStack, app: ToyApp) -> None:
    answer = client(stack).invoke(
        FunctionName=WIRING.fast.function,
        InvocationType="Event",
        Payload=b'{"order": "s3://b/k", "tenant": "acme", "owner": "vid_1", "submission": "probe"}',
    )
    assert answer["StatusCode"] == 202
    event = app.invocations.get(timeout=30)
    detail = event["detail"]
    assert detail["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert detail["responsePayload"] == {"exit_code": 66}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"FunctionName": "other"}, "ResourceNotFoundException"),
        ({"InvocationType": "RequestResponse"}, "InvalidParameterValueException"),
        ({"Payload": b"{"}, "InvalidRequestContentException"),
        ({"Payload": b'"' + b"x" * (256 * 1024) + b'"'}, "RequestTooLargeException"),
    ],
)
def test_what_lambda_would_refuse_is_refused(stack: LocalStack, changes: dict[str, Any], code: str) -> None:
    request = {"FunctionName": WIRING.fast.function, "InvocationType": "Event", "Payload": b"{}", **changes}
    with pytest.raises(ClientError) as caught:
        client(stack).invoke(**request)
    assert caught.value.response["Error"]["Code"] == code

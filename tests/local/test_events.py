"""Delivery as on AWS: asynchronous, at least once, retried, and at last given up where one can see it."""

from __future__ import annotations

import threading
from typing import Any

import boto3
import pytest

from chalicelib.adapters import clients
from chalicelib.adapters.event_bus import EventBridgeWaker
from chalicelib.contracts.event_patterns import OUR_SOURCE, WEBHOOK_DUE, WEBHOOK_DUE_TYPE
from chalicelib.domain.ids import TenantId, WebhookId
from chalicelib.wiring import forget_ports
from infra.local import moto_patches
from infra.local.events import ATTEMPTS, DELIVERY_THREADS, EventBus, make_event
from infra.local.functions import Functions
from infra.local.patterns import matches
from infra.local.schedules import ScheduleRunner, make_scheduled_event
from infra.local.stream import SharedStream, StreamPump
from infra.wiring import WIRING, Schedule
from tests.local.toys import TABLE, ToyApp, dynamodb, key, running, s3, take, wait_until


def functions(app: ToyApp) -> Functions:
    return Functions(app, WIRING.handlers)


def object_event(key: str = "tenants/a/videos/x/source") -> dict[str, Any]:
    return make_event("aws.s3", "Object Created", {"object": {"key": key}})


def bus(app: ToyApp) -> EventBus:
    return EventBus(WIRING.event_rules, functions(app), retry_seconds=0.01)


def test_an_event_is_taken_before_any_handler_has_run() -> None:
    app = ToyApp()
    made = bus(app)
    made.put(object_event())
    assert (app.objects.empty(), len(made.pending())) == (True, 1)


def test_an_event_that_a_handler_fails_comes_again() -> None:
    app = ToyApp(failures_left=2)
    made = bus(app)
    made.start()
    event = object_event()
    made.put(event)
    seen = take(app.objects, 3)
    made.stop(5)
    assert (seen, made.dead_letters(), made.pending()) == ([event] * 3, [], [])


def test_an_event_that_always_fails_ends_as_a_dead_letter() -> None:
    app = ToyApp(failures_left=100)
    made = bus(app)
    made.start()
    made.put(object_event())
    take(app.objects, ATTEMPTS)
    [dead] = wait_until(made.dead_letters, "the dead letter")
    made.stop(5)
    assert (dead.attempt, app.objects.empty()) == (ATTEMPTS, True)


def test_a_failing_event_does_not_hold_up_others() -> None:
    app = ToyApp(failures_left=1)
    made = EventBus(WIRING.event_rules, functions(app), retry_seconds=60)
    made.start()
    made.put(object_event("tenants/a/videos/first/source"))
    take(app.objects, 1)
    made.put(object_event("tenants/a/videos/second/source"))
    [second] = take(app.objects, 1)
    made.stop(5)
    assert second["detail"]["object"]["key"] == "tenants/a/videos/second/source"
    assert [delivery.event["detail"]["object"]["key"] for delivery in made.pending()] == [
        "tenants/a/videos/first/source"
    ]


def test_a_function_that_takes_long_keeps_no_other_one_waiting() -> None:
    may_end = threading.Event()

    class Slow(ToyApp):
        def on_webhook_due(self, event: Any, context: Any) -> None:
            super().on_webhook_due(event, context)
            may_end.wait(10)

    app = Slow()
    made = bus(app)
    made.start()
    for _ in range(20):
        made.put(make_event(OUR_SOURCE, WEBHOOK_DUE_TYPE, {"tenant": "a", "webhook_id": "w"}))
    take(app.due_webhooks, DELIVERY_THREADS)
    made.put(object_event())
    take(app.objects, 1)
    may_end.set()
    made.stop(5)


def test_an_event_of_ours_reaches_the_function_of_its_rule() -> None:
    app = ToyApp()
    with running(app):
        forget_ports()
        EventBridgeWaker(clients.events, "meta").wake([(TenantId("a"), WebhookId(f"whk_{n}")) for n in range(12)])
        seen = take(app.due_webhooks, 12)
    assert {event["detail"]["webhook_id"] for event in seen} == {f"whk_{n}" for n in range(12)}
    # The deployment that it is of: on AWS all of an account share the bus.
    assert all(matches({**WEBHOOK_DUE, "resources": ["meta"]}, event) for event in seen)


@pytest.mark.parametrize(
    "entry",
    [
        {"Source": "aws.s3", "DetailType": "Object Created", "Detail": "{}", "Resources": ["meta"]},
        {"Source": OUR_SOURCE, "DetailType": WEBHOOK_DUE_TYPE, "Detail": "{", "Resources": ["meta"]},
        {"Source": OUR_SOURCE, "Detail": "{}", "Resources": ["meta"]},
    ],
)
def test_an_entry_that_aws_refuses_is_refused(entry: dict[str, Any]) -> None:
    app = ToyApp()
    with running(app):
        answer = boto3.client("events").put_events(Entries=[entry])  # type: ignore[list-item]
    assert (answer["FailedEntryCount"], app.objects.empty(), app.due_webhooks.empty()) == (1, True, True)


def test_a_delivery_is_pending_while_its_handler_runs() -> None:
    """A snapshot at that moment must hold it: the process may end before the handler does."""
    app, entered, may_end = ToyApp(), threading.Event(), threading.Event()

    class Slow(ToyApp):
        def on_object_created(self, event: Any, context: Any) -> None:
            entered.set()
            may_end.wait(10)

    made = EventBus(WIRING.event_rules, functions(Slow(app.app)), retry_seconds=0.01)
    made.start()
    made.put(object_event())
    assert entered.wait(5)
    pending = len(made.pending())
    may_end.set()
    made.stop(5)
    assert (pending, made.pending()) == (1, [])


def test_pending_deliveries_are_taken_up_by_another_bus() -> None:
    app = ToyApp()
    first, second = bus(app), bus(app)
    first.put(object_event())
    second.resume(first.pending())
    second.start()
    [event] = take(app.objects, 1)
    second.stop(5)
    assert event["detail"]["object"]["key"] == "tenants/a/videos/x/source"


def test_a_handler_cannot_change_the_event_of_its_next_attempt() -> None:
    app = ToyApp(failures_left=1)
    spoil = app.on_object_created

    class Spoiler:
        on_batch_state_change = on_meta_stream = on_job_event = reconcile = resolve_graphql = staticmethod(
            lambda *_: None
        )
        on_invocation_ended = on_batch_state_change
        on_webhook_due = wake_webhooks = on_job_event

        @staticmethod
        def on_object_created(event: Any, context: Any) -> None:
            try:
                spoil(dict(event), context)
            finally:
                event.clear()

    made = EventBus(WIRING.event_rules, Functions(Spoiler, WIRING.handlers), retry_seconds=0.01)
    made.start()
    made.put(object_event())
    first, second = take(app.objects, 2)
    made.stop(5)
    assert first == second


def test_a_missing_handler_is_named_at_start() -> None:
    with pytest.raises(LookupError, match="on_batch_state_change"):
        Functions(object(), ["on_batch_state_change"])


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": ["x", "y"]}, {"a": "z"}, False),
        ({"a": ["x"]}, {"b": "x"}, False),
        ({"a": [{"prefix": "te"}]}, {"a": "tenants/"}, True),
        ({"a": [{"prefix": "te"}]}, {"a": "models/"}, False),
        ({"a": [{"prefix": "te"}]}, {"a": 7}, False),
        ({"a": [{"wildcard": "t/*/source"}]}, {"a": "t/x/y/source"}, True),
        ({"a": [{"wildcard": "t/*/source"}]}, {"a": "t/x/orders/1"}, False),
        ({"a": [{"wildcard": "t/*.x"}]}, {"a": "t/abx"}, False),
        ({"a": {"b": [{"exists": True}]}}, {"a": {"b": None}}, True),
        ({"a": {"b": [{"exists": True}]}}, {"a": {}}, False),
        ({"a": {"b": [{"exists": False}]}}, {"a": {}}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": {"b": 1}}, False),
        ({"a": ["x"]}, {"a": ["w", "x"]}, True),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        ({"a": [None]}, {}, False),
        ({}, {"a": 1}, True),
    ],
)
def test_patterns_match_as_in_eventbridge(pattern: Any, event: Any, expected: bool) -> None:
    assert matches(pattern, event) is expected


def test_an_operator_that_is_not_known_is_an_error_not_a_mismatch() -> None:
    with pytest.raises(NotImplementedError, match="numeric"):
        matches({"a": [{"numeric": [">", 1]}]}, {"a": 2})


def test_every_end_of_a_batch_job_reaches_its_handler_and_nothing_else_does() -> None:
    [rule] = [rule for rule in WIRING.event_rules if rule.handler == "on_batch_state_change"]
    statuses = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
    events = {status: make_event("aws.batch", "Batch Job State Change", {"status": status}) for status in statuses}
    assert [status for status, event in events.items() if matches(rule.pattern, event)] == ["SUCCEEDED", "FAILED"]


def test_a_schedule_fires_again_and_again_and_survives_a_failing_handler() -> None:
    fired = threading.Semaphore(0)

    class Failing:
        @staticmethod
        def reconcile(event: Any, context: Any) -> None:
            fired.release()
            raise RuntimeError("told to fail")

    schedule = ScheduleRunner(Schedule("again", "reconcile", 60), Functions(Failing, ["reconcile"]), every_seconds=0.01)
    schedule.start()
    assert all(fired.acquire(timeout=5) for _ in range(3))
    schedule.stop(5)


def test_a_schedule_is_told_as_scheduler_tells_a_function() -> None:
    [schedule] = [schedule for schedule in WIRING.schedules if schedule.handler == "reconcile"]
    event = make_scheduled_event(schedule)
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    assert event["resources"] == ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/reconcile"]


@pytest.mark.parametrize(("seconds", "expression"), [(60, "rate(1 minute)"), (300, "rate(5 minutes)")])
def test_a_schedule_has_the_rate_that_scheduler_takes(seconds: int, expression: str) -> None:
    assert Schedule("again", "again", seconds).expression == expression


@pytest.mark.parametrize("seconds", [0, 30, 90])
def test_a_schedule_that_scheduler_cannot_have_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        Schedule("again", "again", seconds)


# --- the stream


def write(pk: str, kind: str, **more: Any) -> None:
    dynamodb().put_item(TableName=TABLE, Item={**key(pk), "kind": {"S": kind}, **more})


def names(event: Any) -> list[str]:
    return [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]


def test_the_stream_brings_old_and_new_image_as_lambda_gets_them(app: ToyApp) -> None:
    with running(app):
        write("v", "VIDEO", state={"S": "AWAITING_UPLOAD"}, bytes={"B": b"\x00\xff"})
        write("v", "VIDEO", state={"S": "UPLOADED"})
        seen: list[Any] = []
        while len(seen) < 2:
            seen += take(app.streams, 1)[0]["Records"]
    first, second = seen
    assert (first["eventName"], second["eventName"]) == ("INSERT", "MODIFY")
    assert first["dynamodb"]["NewImage"]["bytes"] == {"B": "AP8="}
    assert second["dynamodb"]["OldImage"]["state"] == {"S": "AWAITING_UPLOAD"}
    assert second["dynamodb"]["NewImage"]["state"] == {"S": "UPLOADED"}
    assert isinstance(first["dynamodb"]["ApproximateCreationDateTime"], float)
    assert first["eventSourceARN"].startswith("arn:aws:dynamodb:us-east-1:123456789012:table/meta/stream/")


def test_the_filter_keeps_idempotency_records_from_the_handler() -> None:
    app = ToyApp()
    with running(app):
        for pk, kind in (("1", "IDEMPOTENCY"), ("2", "OPEN"), ("3", "JOB")):
            write(pk, kind)
        [event] = take(app.streams, 1)
    assert names(event) == ["3"]


def test_a_failed_transaction_leaves_no_stream_record() -> None:
    app = ToyApp()
    with running(app):
        client = dynamodb()
        put: Any = {"Put": {"TableName": TABLE, "Item": {**key("undone"), "kind": {"S": "JOB"}}}}
        check: Any = {"TableName": TABLE, "Key": key("no"), "ConditionExpression": "attribute_exists(pk)"}
        with pytest.raises(client.exceptions.TransactionCanceledException):
            client.transact_write_items(TransactItems=[put, {"ConditionCheck": check}])
        write("done", "JOB")
        [event] = take(app.streams, 1)
    assert names(event) == ["done"]


def test_a_poisonous_record_is_bisected_retried_and_given_up_and_the_others_pass() -> None:
    app = ToyApp()
    app.is_poison = lambda record: record["dynamodb"]["Keys"]["pk"]["S"] == "poison"
    passed: list[str] = []
    mapping = WIRING.streams[0]
    with running(ToyApp()) as stack:
        # A pump of our own, so that the records wait until all of them are there.
        stack.pumps[0].stop(5)
        for pk in ("a", "b", "poison", "c"):
            write(pk, "JOB")
        pump = StreamPump(mapping, functions(app), SharedStream(mapping.table), retry_seconds=0.0001)
        pump.start()
        dead = wait_until(pump.dead_letters, "the record to be given up")
        pump.notify()
        while set(passed) != {"a", "b", "c"}:
            [event] = take(app.streams, 1)
            if "poison" not in names(event):
                passed += names(event)
        pump.stop(5)
    assert (passed, [record["dynamodb"]["Keys"]["pk"]["S"] for record in dead]) == (["a", "b", "c"], ["poison"])


def test_two_consumers_of_one_stream_both_get_their_records_though_one_of_them_fails() -> None:
    app = ToyApp()
    app.is_poison = lambda record: True
    with running(app, retry_seconds=0.0001) as stack:
        write("poison", "JOB")
        write("told", "EVENT")
        [event] = take(app.events, 1)
        wait_until(lambda: stack.pumps[0].dead_letters(), "the failing consumer to give its record up")
        wait_until(lambda: not moto_patches.read_stream(TABLE, 10).records, "the records to be dropped")
    assert names(event) == ["told"]


def test_an_event_that_is_changed_is_not_published_again() -> None:
    app = ToyApp()
    with running(app):
        for state in ("one", "two"):
            write("first", "EVENT", state={"S": state})
        write("last", "EVENT")
        told: list[str] = []
        while "last" not in told:
            told += names(app.events.get(timeout=15))
    assert told == ["first", "last"]


def test_the_first_event_of_an_upload_comes_through_the_whole_stack() -> None:
    app = ToyApp()
    with running(app):
        s3().put_object(Bucket="reelscan", Key="tenants/a/videos/v/source", Body=b"x")
        [event] = take(app.objects, 1)
    assert event["detail"]["bucket"]["name"] == "reelscan"

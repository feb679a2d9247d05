"""The rig itself: that a fault does what its name says, or every run that it passes would prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from chalicelib.adapters import clients
from chalicelib.contracts.attribute_values import item_from_wire, item_to_wire
from infra.wiring import WIRING
from tests.faults.wire import Died, Fault, Plan, Site
from tests.faults.world import Rig, a_rig

KEY = item_to_wire({"pk": "counter", "sk": "counter"})
TRIES = clients.ATTEMPTS


@pytest.fixture(scope="module")
def shared_rig() -> Iterator[Rig]:
    with a_rig() as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    with shared_rig.world():
        yield shared_rig


def count_up() -> None:
    """A write that shows how often it was done."""
    clients.dynamodb().update_item(
        TableName=WIRING.results.name,
        Key=KEY,
        UpdateExpression="ADD done :one",
        ExpressionAttributeValues=item_to_wire({":one": 1}),
    )


def times_done() -> int:
    item = clients.dynamodb().get_item(TableName=WIRING.results.name, Key=KEY).get("Item")
    return int(item_from_wire(item)["done"]) if item else 0


def under(rig: Rig, fault: Fault, act: Callable[[], Any] = count_up) -> type[BaseException] | None:
    """Act once in a process whose first call meets the fault; what it raised."""
    rig.wire.begin(Plan(0, fault))
    try:
        with rig.wire.process("test"):
            act()
    except (BotoCoreError, ClientError, Died) as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("fault", "done", "raised"),
    [
        (Fault.REFUSED, 0, True),
        (Fault.REFUSED_ONCE, 1, False),
        (Fault.REPLY_LOST, 2, False),
        (Fault.REPLY_LOST_FOR_LONG, 2, False),
        (Fault.NEVER_ANSWERED, TRIES, True),
        (Fault.DIED_BEFORE, 0, True),
        (Fault.DIED_AFTER, 1, True),
        (Fault.DIED_UNHEARD, 1, True),
        (Fault.STALLED, 1, False),
        (Fault.BODY_CUT, 1, False),
    ],
)
def test_a_fault_does_its_write_as_often_as_it_says(rig: Rig, fault: Fault, done: int, raised: bool) -> None:
    error = under(rig, fault)

    assert (times_done(), error is not None) == (done, raised)


def test_a_call_that_is_never_answered_ends_as_a_timeout(rig: Rig) -> None:
    assert under(rig, Fault.NEVER_ANSWERED) is ReadTimeoutError


def test_a_process_that_died_calls_nothing_more(rig: Rig) -> None:
    def go_on_after_death() -> None:
        try:
            count_up()
        finally:
            count_up()

    under(rig, Fault.DIED_AFTER, go_on_after_death)

    assert times_done() == 1


def test_a_cut_body_breaks_off(rig: Rig) -> None:
    s3, bucket = clients.s3(), WIRING.bucket.name
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")

    error = under(rig, Fault.BODY_CUT, lambda: s3.get_object(Bucket=bucket, Key="digits")["Body"].read())

    assert error is not None


@pytest.mark.parametrize(("fault", "done_before"), [(Fault.STALLED, 0), (Fault.REPLY_LOST_FOR_LONG, 1)])
def test_the_world_goes_on_while_a_process_stands_still(rig: Rig, fault: Fault, done_before: int) -> None:
    seen: list[int] = []

    def look(*, for_long: bool) -> None:
        seen.append(times_done())

    rig.wire.world_goes_on = look
    under(rig, fault)

    assert seen == [done_before]


def test_all_tries_of_an_operation_are_one_call(rig: Rig) -> None:
    under(rig, Fault.NEVER_ANSWERED)

    assert [site.operation for site in rig.wire.sites] == ["dynamodb.UpdateItem"]


def test_only_calls_of_a_process_are_counted(rig: Rig) -> None:
    count_up()

    assert rig.wire.sites == []


def test_the_same_plan_gives_the_same_run(shared_rig: Rig) -> None:
    runs = []
    for _ in range(2):
        with shared_rig.world(Plan(40, Fault.DIED_AFTER)) as world:
            world.run()
            runs.append((_calls_by_process(world.wire.sites), world.deliveries.seen))

    assert runs[0] == runs[1]


def _calls_by_process(sites: Sequence[Site]) -> dict[str, list[str]]:
    """In their order; but a worker reads its next segment ahead in a thread, whose calls fall between the others."""
    calls: dict[str, list[str]] = {}
    for site in sites:
        calls.setdefault(site.process, []).append(site.operation)
    return {process: sorted(made) if process.startswith("worker") else made for process, made in calls.items()}

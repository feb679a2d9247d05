"""DynamoDB as AWS has it: atomic under threads, refusing what AWS refuses."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.stack import LocalStack
from tests.local.toys import TABLE, dynamodb, in_threads, key

pytestmark = pytest.mark.usefixtures("stack")

RACES = 200
RACERS = 4


def put_all(pk: str, count: int) -> None:
    client = dynamodb()
    for start in range(0, count, 25):
        items = [{**key(pk, f"{n:04}"), "n": {"N": str(n)}} for n in range(start, min(start + 25, count))]
        client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in items]})


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]


@pytest.mark.usefixtures("hasty_threads")
def test_of_concurrent_conditional_puts_one_wins() -> None:
    client = dynamodb()
    together = threading.Barrier(RACERS)

    def race(number: int) -> list[bool]:
        wins = []
        for round_number in range(RACES):
            together.wait()
            item = {**key(f"race-{round_number}"), "winner": {"N": str(number)}}
            try:
                client.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
            except client.exceptions.ConditionalCheckFailedException:
                wins.append(False)
            else:
                wins.append(True)
        return wins

    wins_by_racer = in_threads(RACERS, race)
    assert [sum(wins) for wins in zip(*wins_by_racer, strict=True)] == [1] * RACES


@pytest.mark.usefixtures("hasty_threads")
def test_failed_transactions_lose_no_write_of_others() -> None:
    client = dynamodb()
    client.put_item(TableName=TABLE, Item=key("there"))

    def act(number: int) -> int:
        done = 0
        for _ in range(50):
            if number % 2:
                done += add_one()
            else:
                done += fail_a_transaction()
        return done

    def add_one() -> int:
        client.update_item(
            TableName=TABLE,
            Key=key("counter"),
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        return 1

    def fail_a_transaction() -> int:
        update: Any = {
            "TableName": TABLE,
            "Key": key("counter"),
            "UpdateExpression": "ADD n :many",
            "ExpressionAttributeValues": {":many": {"N": "1000"}},
        }
        check: Any = {"TableName": TABLE, "Key": key("there"), "ConditionExpression": "attribute_not_exists(pk)"}
        with pytest.raises(client.exceptions.TransactionCanceledException):
            client.transact_write_items(TransactItems=[{"Update": update}, {"ConditionCheck": check}])
        return 0

    acknowledged = sum(in_threads(4, act))
    assert client.get_item(TableName=TABLE, Key=key("counter"))["Item"]["n"] == {"N": str(acknowledged)}


def test_a_failed_transaction_leaves_no_new_item() -> None:
    client = dynamodb()
    check: Any = {"TableName": TABLE, "Key": key("missing"), "ConditionExpression": "attribute_exists(pk)"}
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(
            TransactItems=[{"Put": {"TableName": TABLE, "Item": key("undone")}}, {"ConditionCheck": check}]
        )
    assert "Item" not in client.get_item(TableName=TABLE, Key=key("undone"))


def test_a_token_makes_a_transaction_happen_once() -> None:
    client = dynamodb()
    update: Any = {
        "TableName": TABLE,
        "Key": key("once"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for _ in range(2):
        client.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="token-once")
    assert client.get_item(TableName=TABLE, Key=key("once"))["Item"]["n"] == {"N": "1"}


def test_a_token_of_another_transaction_is_refused() -> None:
    client = dynamodb()
    first, second = ([{"Put": {"TableName": TABLE, "Item": key(pk)}}] for pk in ("first", "second"))
    client.transact_write_items(TransactItems=first, ClientRequestToken="token-reused")  # type: ignore[arg-type]
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException):
        client.transact_write_items(TransactItems=second, ClientRequestToken="token-reused")  # type: ignore[arg-type]


def test_a_batch_of_26_items_is_refused() -> None:
    client = dynamodb()
    requests: Any = [{"PutRequest": {"Item": key("batch", str(n))}} for n in range(26)]
    with pytest.raises(ClientError) as raised:
        client.batch_write_item(RequestItems={TABLE: requests})
    assert code_of(raised.value) == "ValidationException"


def test_pages_of_a_query_give_each_item_once_and_in_order() -> None:
    put_all("paged", 60)
    pages = (
        dynamodb()
        .get_paginator("query")
        .paginate(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND sk >= :from",
            ExpressionAttributeValues={":pk": {"S": "paged"}, ":from": {"S": "0010"}},
            PaginationConfig={"PageSize": 7},
        )
    )
    assert [item["sk"]["S"] for page in pages for item in page["Items"]] == [f"{n:04}" for n in range(10, 60)]


def test_an_index_query_sees_only_items_with_its_keys_and_projects_keys() -> None:
    client = dynamodb()
    client.put_item(TableName=TABLE, Item=key("no-due"))
    for due in (3, 1, 2):
        item = {**key("due", str(due)), "due_shard": {"S": "s"}, "due_at": {"N": str(due)}, "rest": {"S": "x"}}
        client.put_item(TableName=TABLE, Item=item)
    found = client.query(
        TableName=TABLE,
        IndexName="due",
        KeyConditionExpression="due_shard = :s AND due_at <= :now",
        ExpressionAttributeValues={":s": {"S": "s"}, ":now": {"N": "2"}},
    )
    expected = [{**key("due", n), "due_shard": {"S": "s"}, "due_at": {"N": n}} for n in ("1", "2")]
    assert found["Items"] == expected


@pytest.mark.parametrize(
    "value",
    [
        {"B": b"\x00\xff" * 100},
        {"N": "12345678901234567890.5"},
        {"S": "é ✓"},
        {"BOOL": False},
        {"NULL": True},
        {"L": [{"S": "a"}, {"L": [{"N": "1"}]}, {"B": b"\x01"}]},
        {"M": {"inner": {"B": b"\x02"}, "deep": {"M": {"n": {"N": "1"}}}}},
        {"SS": ["a", "b"]},
        {"NS": ["1", "2"]},
        {"BS": [b"\x03", b"\x04"]},
    ],
    ids=lambda value: next(iter(value)),
)
def test_every_type_of_value_comes_back_as_it_was(value: Any, stack: LocalStack) -> None:
    client = dynamodb()
    item = {**key(f"types-{next(iter(value))}"), "value": value}
    client.put_item(TableName=TABLE, Item=item)
    got = client.get_item(TableName=TABLE, Key=key(f"types-{next(iter(value))}"))["Item"]["value"]
    assert got == value


def test_a_failed_condition_can_return_the_item_that_won() -> None:
    client = dynamodb()
    client.put_item(TableName=TABLE, Item={**key("won"), "by": {"S": "winner"}})
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as raised:
        client.put_item(
            TableName=TABLE,
            Item=key("won"),
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    response: Any = raised.value.response
    assert response["Item"]["by"] == {"S": "winner"}

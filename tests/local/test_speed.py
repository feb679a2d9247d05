"""The stack is fast enough to develop on. Limits are generous: they catch a lost patch, not a busy machine.

`pytest -s tests/local/test_speed.py` prints what was measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from infra.local.stack import LocalStack
from tests.local.toys import BUCKET, TABLE, dynamodb, key, s3

ITEMS = 1000
MIB = 2**20


def median_ms(act: Callable[[int], object], count: int) -> float:
    seconds = []
    for number in range(count):
        started = time.perf_counter()
        act(number)
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)[count // 2] * 1000


def item(number: int) -> dict[str, Any]:
    indexed = {"due_shard": {"S": "0"}, "due_at": {"N": str(number)}}
    return {**key(f"p{number % 7}", f"s{number:05}"), "blob": {"B": b"x" * 500}, **indexed}


@pytest.fixture(scope="module")
def filled(stack: LocalStack) -> LocalStack:
    client = dynamodb()
    for start in range(0, ITEMS, 25):
        requests: Any = [{"PutRequest": {"Item": item(number)}} for number in range(start, start + 25)]
        client.batch_write_item(RequestItems={TABLE: requests})
    return stack


def test_item_operations_take_milliseconds(filled: LocalStack) -> None:
    client = dynamodb()
    page: dict[str, Any] = {
        "KeyConditionExpression": "pk = :p AND sk > :s",
        "ExpressionAttributeValues": {":p": {"S": "p3"}, ":s": {"S": "s00100"}},
    }
    due: dict[str, Any] = {
        "IndexName": "due",
        "KeyConditionExpression": "due_shard = :s AND due_at < :n",
        "ExpressionAttributeValues": {":s": {"S": "0"}, ":n": {"N": "500"}},
    }

    def puts(number: int) -> list[Any]:
        first = ITEMS + 4 * number
        return [{"Put": {"TableName": TABLE, "Item": item(first + offset)}} for offset in range(4)]

    measured = {
        "put": median_ms(lambda n: client.put_item(TableName=TABLE, Item=item(n)), 100),
        "get": median_ms(lambda n: client.get_item(TableName=TABLE, Key=key(f"p{n % 7}", f"s{n:05}")), 100),
        "query 20": median_ms(lambda _: client.query(TableName=TABLE, Limit=20, **page), 50),
        "index query 20": median_ms(lambda _: client.query(TableName=TABLE, Limit=20, **due), 20),
        "transaction of 4": median_ms(lambda n: client.transact_write_items(TransactItems=puts(n)), 50),
    }
    print({name: f"{ms:.1f} ms" for name, ms in measured.items()})
    limits = {"put": 50, "get": 50, "query 20": 60, "index query 20": 200, "transaction of 4": 60}
    assert {name: ms for name, ms in measured.items() if ms > limits[name]} == {}


def test_a_presigned_put_of_50_mib_and_a_range_of_it_are_quick(stack: LocalStack) -> None:
    data = os.urandom(50 * MIB)
    url = s3().generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "large"})
    put = median_ms(lambda _: httpx.put(url, content=data, timeout=60).raise_for_status(), 1)
    client = s3()
    get = median_ms(
        lambda n: client.get_object(Bucket=BUCKET, Key="large", Range=f"bytes={n}-{n + MIB - 1}")["Body"].read(), 20
    )
    print({"put 50 MiB": f"{put:.0f} ms", "range of 1 MiB": f"{get:.1f} ms"})
    assert put < 15_000
    assert get < 100


def test_the_gateway_answers_without_nagles_delay(stack: LocalStack) -> None:
    with httpx.Client(base_url=stack.base_url) as client:
        measured = median_ms(lambda _: client.post("/things", json={}), 100)
    print({"gateway": f"{measured:.1f} ms"})
    assert measured < 30

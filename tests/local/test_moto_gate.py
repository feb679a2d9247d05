"""DynamoDB's requests reach moto without its web application; what they are answered must not tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from infra.local.moto_gate import MotoGate
from tests.local.toys import TABLE, key

pytestmark = pytest.mark.usefixtures("stack")

ITEM = {**key("gate"), "n": {"N": "1"}, "blob": {"B": "AP8="}, "more": {"M": {"l": {"L": [{"BOOL": True}]}}}}
NEVER: Any = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
SET = {
    "UpdateExpression": "SET n = :n, more.l[1] = :n REMOVE blob",
    "ExpressionAttributeValues": {":n": {"N": "2"}},
    "ReturnValues": "ALL_NEW",
}
# Each may be asked twice: what the first one changes, the second one finds as it leaves it.
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a put": ("PutItem", {"Item": ITEM, "ReturnValues": "ALL_OLD"}),
    "a put whose condition fails": ("PutItem", {"Item": ITEM, **NEVER}),
    "a get": ("GetItem", {"Key": key("gate"), "ConsistentRead": True}),
    "a get of nothing": ("GetItem", {"Key": key("nothing")}),
    "an update": (
        "UpdateItem",
        {
            "Key": key("gate-updated"),
            "UpdateExpression": "SET n = :n",
            "ExpressionAttributeValues": {":n": {"N": "2"}},
            "ReturnValues": "ALL_NEW",
        },
    ),
    "an update of paths": ("UpdateItem", {"Key": key("gate"), **SET}),
    "an update that cannot be": (
        "UpdateItem",
        {"Key": key("gate"), "UpdateExpression": "SET pk = :n", "ExpressionAttributeValues": {":n": {"N": "2"}}},
    ),
    "an update that says a path twice": (
        "UpdateItem",
        {
            "Key": key("gate"),
            "UpdateExpression": "SET n = :n, n = :n",
            "ExpressionAttributeValues": {":n": {"N": "2"}},
        },
    ),
    "a query": ("Query", {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "gate"}}}),
    "a query that cannot be read": ("Query", {"KeyConditionExpression": "pk ==", "ExpressionAttributeValues": {}}),
}


def ask(operation: str, body: dict[str, Any], table: str = TABLE) -> Request:
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/dynamodb/aws4_request, Signature=x",
    }
    content = json.dumps({"TableName": table, **body}).encode()
    builder = EnvironBuilder(
        method="POST",
        data=content,
        headers=list(headers.items()),
        content_type="application/x-amz-json-1.0",
        base_url="http://localhost",
    )
    environ = builder.get_environ()
    environ["RAW_URI"] = environ["REQUEST_URI"] = "/"
    return Request(environ)


def seen(response: Response) -> tuple[int, str | None, Any]:
    return response.status_code, response.content_type, json.loads(response.get_data())


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_answered_as_by_the_whole_of_moto(name: str) -> None:
    gate, (operation, body) = MotoGate(), REQUESTS[name]
    gate.call_dynamodb(ask("PutItem", {"Item": ITEM}))
    gate.call_dynamodb(ask(operation, body))
    assert seen(gate.call_dynamodb(ask(operation, body))) == seen(gate.handle(ask(operation, body)))


def test_a_table_that_is_not_there_is_refused_alike() -> None:
    gate = MotoGate()
    directly, through = (
        serve(ask("GetItem", {"Key": key("a")}, "nothing")) for serve in (gate.call_dynamodb, gate.handle)
    )
    assert seen(directly) == seen(through)
    assert directly.status_code == 400


def test_a_table_of_another_region_is_not_there() -> None:
    request = ask("GetItem", {"Key": key("gate")})
    request.environ["HTTP_AUTHORIZATION"] = request.headers["Authorization"].replace("us-east-1", "eu-west-1")
    assert "ResourceNotFoundException" in json.loads(MotoGate().call_dynamodb(request).get_data())["__type"]


@pytest.mark.parametrize(
    ("operation", "body", "told"),
    [
        ("GetItem", {"Key": key("gate")}, 0),
        ("Query", REQUESTS["a query"][1], 0),
        ("Scan", {}, 0),
        ("PutItem", {"Item": ITEM}, 1),
        ("UpdateItem", {"Key": key("gate"), "UpdateExpression": "REMOVE n"}, 1),
        ("DeleteItem", {"Key": key("gate")}, 1),
    ],
)
def test_who_waits_for_writes_is_woken_by_nothing_else(operation: str, body: dict[str, Any], told: int) -> None:
    gate, calls = MotoGate(), []
    gate.on_change(lambda: calls.append(operation))
    gate.call_dynamodb(ask(operation, body))
    assert len(calls) == told

"""Examples of the API's description: of every route and every code, true, and as their schemas say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from chalicelib.api.examples import FAILURES_AT_REST, FAILURES_BY_STATUS, FILE
from chalicelib.api.openapi import openapi_document
from chalicelib.domain.errors import ErrorCode
from tests.api import record_examples

DOCUMENT = openapi_document()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
FREE = {"GET /openapi.json", "GET /docs", "GET /docs/rapidoc.js", "GET /docs/errors/{code}"}
"""Routes whose answers are no JSON of ours."""


def errors_of(schema: dict[str, Any], example: Any) -> list[str]:
    """What is wrong with an example."""
    validator = OAS31Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(example)]


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything in the operation that has a schema."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {media_type}", content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield f"{status} {media_type}", content


def shown(content: dict[str, Any]) -> list[Any]:
    return [one["value"] for one in content.get("examples", {}).values()]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_and_answer_has_an_example(name: str) -> None:
    assert [place for place, content in contents(OPERATIONS[name]) if not shown(content)] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_example_is_as_its_schema_says(name: str) -> None:
    found = {
        place: errors
        for place, content in contents(OPERATIONS[name])
        for example in shown(content)
        if (errors := errors_of(content["schema"], example))
    }
    assert found == {}


def test_a_wrong_example_would_be_found() -> None:
    content = OPERATIONS["GET /jobs/{job_id}"]["responses"]["200"]["content"]["application/json"]
    [example] = shown(content)
    wrong = json.loads(json.dumps(example))
    wrong["job"]["state"] = 7
    assert errors_of(content["schema"], wrong) != []
    assert errors_of(content["schema"], {"job": {}}) != []


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in name and name not in FREE])
def test_every_part_of_a_path_has_an_example(name: str) -> None:
    path = [one for one in OPERATIONS[name]["parameters"] if one["in"] == "path"]
    assert [one["name"] for one in path if "example" not in one] == []


def test_every_code_has_an_example() -> None:
    codes = [failure.code for several in FAILURES_BY_STATUS.values() for failure in several]
    at_rest = [failure.code for failure in FAILURES_AT_REST]
    assert set(codes) | set(at_rest) == set(ErrorCode)
    assert len(codes + at_rest) == len(ErrorCode)
    schema = DOCUMENT["components"]["schemas"]["ErrorOut"]
    assert [one["code"] for one in schema["examples"]] == at_rest
    assert [errors_of(schema, example) for example in schema["examples"]] == [[]] * len(at_rest)


def test_the_message_of_a_webhook_has_an_example() -> None:
    [(_, content)] = [one for one in contents(DOCUMENT["webhooks"]["job_event"]["post"]) if "request" in one[0]]
    assert [errors_of(content["schema"], example) for example in shown(content)] == [[]]


def test_examples_are_what_the_app_answers() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(record_examples.text()), "run `make openapi`"

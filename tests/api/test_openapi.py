"""The OpenAPI document: valid, the routes that clients were promised, and the same as the file in docs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import app
from chalicelib.api.openapi import main, openapi_document
from tests.api.routes import ROUTES, Route

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = openapi_document()


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route.path][route.method.lower()]
    return found


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference names."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["schemas"][name] if name else schema


def fields_of(schema: dict[str, Any]) -> set[str]:
    """Names of its fields, with `?` when they may be absent."""
    resolved = resolve(schema)
    return {name if name in resolved.get("required", []) else f"{name}?" for name in resolved.get("properties", {})}


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_has_the_routes_that_clients_were_promised_and_no_others() -> None:
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert documented == {(route.method, route.path) for route in ROUTES}


def test_the_app_answers_the_routes_of_the_document_and_no_others() -> None:
    answered = {(method, path) for path, methods in app.routes.items() for method in methods}
    assert answered == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("route", [route for route in ROUTES if route.answer], ids=str)
def test_an_answer_has_the_fields_that_clients_were_promised(route: Route) -> None:
    schema = operation(route)["responses"][str(route.status)]["content"]["application/json"]["schema"]
    assert fields_of(schema) >= route.answer
    assert fields_of(schema) - route.answer <= {"next_cursor"}


@pytest.mark.parametrize("route", [route for route in ROUTES if route.item], ids=str)
def test_an_item_has_the_fields_that_clients_were_promised(route: Route) -> None:
    answer = resolve(operation(route)["responses"][str(route.status)]["content"]["application/json"]["schema"])
    inner = answer["properties"].get("items", {}).get("items") or next(iter(answer["properties"].values()))
    assert fields_of(inner) == route.item


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body_fields], ids=str)
def test_a_body_has_the_fields_that_clients_were_promised(route: Route) -> None:
    schema = operation(route)["requestBody"]["content"]["application/json"]["schema"]
    assert fields_of(schema) == route.body_fields


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_query_has_the_parameters_that_clients_were_promised(route: Route) -> None:
    parameters = {one["name"] for one in operation(route)["parameters"] if one["in"] == "query"}
    assert parameters == route.query


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_but_the_public_ones_asks_for_a_token(route: Route) -> None:
    assert operation(route)["security"] == ([] if route.is_public else [{"token": []}])
    assert ("401" in operation(route)["responses"]) is not route.is_public


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route.path], ids=str)
def test_every_route_to_one_thing_says_that_it_may_not_be_there(route: Route) -> None:
    assert "404" in operation(route)["responses"]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "POST"], ids=str)
def test_every_post_takes_an_idempotency_key(route: Route) -> None:
    headers = [one["name"] for one in operation(route)["parameters"] if one["in"] == "header"]
    assert headers == ["Idempotency-Key"]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body_fields], ids=str)
def test_unknown_fields_are_refused_by_the_schema_too(route: Route) -> None:
    schema = operation(route)["requestBody"]["content"]["application/json"]["schema"]
    assert resolve(schema)["additionalProperties"] is False


def test_the_file_in_docs_is_what_the_code_says() -> None:
    assert json.loads((DOCS / "openapi.json").read_text()) == DOCUMENT, "run `make openapi`"


def test_a_file_that_has_drifted_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "openapi.json"
    assert main(["--write", str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text().replace("/videos", "/films", 1))
    assert main(["--check", str(path)]) == 1
    assert "is not what the code says" in capsys.readouterr().err

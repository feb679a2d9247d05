"""The OpenAPI 3.1 document, made of the typed routes and their models.

python -m chalicelib.api.openapi --write docs/openapi.json
python -m chalicelib.api.openapi --check docs/openapi.json      fails when the file is not what the code says
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from chalicelib import VERSION
from chalicelib.api import (
    campaigns,
    catalog,
    costs,
    diff,
    exports,
    jobs,
    models,
    pipelines,
    problems,
    query,
    results,
    versions,
    videos,
    webhooks,
)
from chalicelib.api.typed import RouteSpec
from chalicelib.domain.errors import TITLE_BY_CODE, ErrorCode, Failure

REFERENCE = "#/components/schemas/{model}"
TAG_BY_MODULE = {
    "videos": videos,
    "jobs": jobs,
    "pipelines": pipelines,
    "results": results,
    "versions": versions,
    "diffs": diff,
    "queries": query,
    "campaigns": campaigns,
    "exports": exports,
    "costs": costs,
    "models": models,
    "webhooks": webhooks,
    "service": catalog,
}
EXAMPLE_BY_STATUS = {
    400: Failure(
        ErrorCode.INVALID_REQUEST,
        "size_bytes: Input should be greater than or equal to 0",
        "Correct the request and send it again",
    ),
    401: Failure(
        ErrorCode.UNAUTHENTICATED,
        "the request has no bearer token",
        "Send a current access token as `Authorization: Bearer <token>`",
    ),
    403: Failure(
        ErrorCode.FORBIDDEN,
        "the access token must have the scope reelscan/budget to set the budget",
        "Ask an administrator of the tenant for the scope that is missing",
    ),
    404: Failure(ErrorCode.NOT_FOUND, "there is no job job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB", "Check the id"),
    409: Failure(
        ErrorCode.CONFLICT, "job job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB has ended: it is SUCCEEDED", "Read the resource again"
    ),
    413: Failure(
        ErrorCode.LIMIT_EXCEEDED, "a video may have 214748364800 bytes but more were declared", "Ask for less"
    ),
    503: Failure(ErrorCode.INTERNAL, "reading an item failed: ThrottlingException", "Try again in a moment"),
}


class ProblemOut(BaseModel):
    """An error: RFC 9457, with a code, its cause in `detail`, and a hint."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    code: ErrorCode
    hint: str
    instance: str


@cache
def openapi_text() -> str:
    """The document as JSON text."""
    return json.dumps(openapi_document(), indent=1)


def openapi_document() -> dict[str, Any]:
    """The document."""
    specs = [(tag, spec) for tag, module in TAG_BY_MODULE.items() for spec in module.routes.specs]
    paths: dict[str, dict[str, Any]] = {}
    for tag, spec in specs:
        paths.setdefault(spec.path, {})[spec.method.lower()] = _operation(tag, spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "reelscan",
            "version": VERSION,
            "description": "Uploaded video in, detections and tracks out. Media time is `pts` · `timebase`; "
            "boxes are pixels of the frame as shown.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas([spec for _, spec in specs]),
        },
    }


def _operation(tag: str, spec: RouteSpec) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": spec.name,
        "summary": spec.summary,
        "description": spec.description,
        "tags": [tag],
        "security": [] if spec.is_public else [{"token": []}],
        "parameters": [*_path_parameters(spec), *_query_parameters(spec), *_header_parameters(spec)],
        "responses": {
            str(spec.status): _success(spec.summary, spec.answer),
            **{str(status): _success(spec.summary, answer) for status, answer in spec.other_answers.items()},
        },
    }
    if spec.body is not None:
        operation["requestBody"] = {
            "required": bool(spec.body.model_fields),
            "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model=spec.body.__name__)}}},
        }
    if spec.method == "GET" and spec.status == 200:
        operation["responses"]["304"] = {"description": "The ETag in If-None-Match still holds"}
    for status in sorted({*spec.problems, *(() if spec.is_public else (503,))}):
        operation["responses"][str(status)] = _problem(status)
    return operation


def _success(summary: str, answer: type[BaseModel] | None) -> dict[str, Any]:
    if answer is None:
        return {"description": summary}
    schema = {"$ref": REFERENCE.format(model=answer.__name__)}
    return {"description": summary, "content": {"application/json": {"schema": schema}}}


def _problem(status: int) -> dict[str, Any]:
    failure = EXAMPLE_BY_STATUS[status]
    return {
        "description": TITLE_BY_CODE[failure.code],
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": REFERENCE.format(model="ProblemOut")},
                "example": problems.problem(failure, status, "/jobs/job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"),
            }
        },
    }


def _path_parameters(spec: RouteSpec) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", spec.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(spec: RouteSpec) -> list[dict[str, Any]]:
    if spec.query is None:
        return []
    schema = spec.query.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": form}
        for name, form in schema["properties"].items()
    ]


def _header_parameters(spec: RouteSpec) -> list[dict[str, Any]]:
    if spec.method != "POST":
        return []
    description = "The same key with the same body gives the same answer for 24 hours; with another body 409."
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return [
        {"name": "Idempotency-Key", "in": "header", "required": False, "description": description, "schema": schema}
    ]


def _schemas(specs: Sequence[RouteSpec]) -> dict[str, Any]:
    models = {
        model for spec in specs for model in (spec.body, spec.answer, *spec.other_answers.values()) if model is not None
    } | {ProblemOut}
    ordered = sorted(models, key=lambda model: model.__name__)
    # "validation" for answers too: there a field with a default is one that may be absent.
    _, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
    return dict(sorted(definitions["$defs"].items()))


def main(arguments: Sequence[str]) -> int:
    """Write the document, or check a file against it."""
    mode, path = arguments[0], Path(arguments[1])
    text = openapi_text() + "\n"
    if mode == "--write":
        path.write_text(text)
        return 0
    if path.read_text() == text:
        return 0
    sys.stderr.write(f"{path} is not what the code says; run `make openapi` and commit the difference\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The OpenAPI 3.1 document, made of the typed routes and their models.

python -m chalicelib.api.openapi --write docs/openapi.json
python -m chalicelib.api.openapi --check docs/openapi.json      fails when the file is not what the code says
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
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
    renditions,
    results,
    versions,
    videos,
    webhooks,
)
from chalicelib.api.examples import FAILURES_AT_REST, FAILURES_BY_STATUS, JOB, examples
from chalicelib.api.made_file import write_or_check
from chalicelib.api.typed import RouteSpec
from chalicelib.api.webhook_schemas import MessageOut
from chalicelib.domain.errors import TITLE_BY_CODE, ErrorCode

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
    "renditions": renditions,
    "costs": costs,
    "models": models,
    "webhooks": webhooks,
    "service": catalog,
}
MODULES = tuple(TAG_BY_MODULE.values())
"""Those with views, in the order of the document."""


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
    tagged = [(tag, spec) for tag, module in TAG_BY_MODULE.items() for spec in module.routes.specs]
    paths: dict[str, dict[str, Any]] = {}
    for tag, spec in tagged:
        paths.setdefault(spec.path, {})[spec.method.lower()] = _operation(tag, spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "reelscan",
            "version": VERSION,
            "description": "Uploaded video in, detections and tracks out. Media time is `pts` · `timebase`; "
            "boxes are pixels of the frame as shown. Errors are RFC 9457 problems with a code; their `type` leads to a "
            "page about it. This description is [openapi.json](openapi.json).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "webhooks": _messages(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas([spec for _, spec in tagged]),
        },
    }


def specs() -> Sequence[RouteSpec]:
    """Every route of the API."""
    return [spec for module in MODULES for spec in module.routes.specs]


def _operation(tag: str, spec: RouteSpec) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": spec.name,
        "summary": spec.summary,
        "description": spec.description,
        "tags": [tag],
        "security": [] if spec.is_public else [{"token": []}],
        "parameters": [*_path_parameters(spec), *_query_parameters(spec), *_header_parameters(spec)],
        "responses": {
            str(status): _success(spec, status, answer)
            for status, answer in {spec.status: spec.answer, **spec.other_answers}.items()
        },
    }
    if spec.body is not None:
        content = {"schema": {"$ref": REFERENCE.format(model=spec.body.__name__)}}
        example = _shown(spec).get("body", {})
        operation["requestBody"] = {
            "required": bool(spec.body.model_fields),
            "content": {"application/json": content | _example(example)},
        }
    if spec.method == "GET" and spec.status == 200:
        operation["responses"]["304"] = {"description": "The ETag in If-None-Match still holds"}
    for status in sorted({*spec.problems, *(() if spec.is_public else (503,))}):
        operation["responses"][str(status)] = _problem(status)
    return operation


def _shown(spec: RouteSpec) -> Mapping[str, Any]:
    return examples().get(spec.name, {})


def _example(value: Any) -> dict[str, Any]:
    """By a name: viewers pass over an example without one."""
    return {"examples": {"example": {"value": value}}}


def _success(spec: RouteSpec, status: int, answer: type[BaseModel] | None) -> dict[str, Any]:
    if answer is None:
        return {"description": spec.summary}
    content: dict[str, Any] = {"schema": {"$ref": REFERENCE.format(model=answer.__name__)}}
    shown = _shown(spec).get("answers", {})
    if str(status) in shown:
        content |= _example(shown[str(status)])
    return {"description": spec.summary, "content": {"application/json": content}}


def _problem(status: int) -> dict[str, Any]:
    failures = FAILURES_BY_STATUS[status]
    return {
        "description": TITLE_BY_CODE[failures[0].code],
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": REFERENCE.format(model="ProblemOut")},
                "examples": {
                    failure.code: {
                        "summary": failure.title,
                        "value": problems.problem(failure, status, f"/jobs/{JOB}"),
                    }
                    for failure in failures
                },
            }
        },
    }


def _messages() -> dict[str, Any]:
    """What webhooks are sent."""
    event = examples()["list_events"]["answers"]["200"]["items"][0]
    content = {
        "schema": {"$ref": REFERENCE.format(model=MessageOut.__name__)},
        **_example({"type": event["kind"], "timestamp": event["created_at"], "data": event}),
    }
    return {
        "job_event": {
            "post": {
                "operationId": "receive_job_event",
                "summary": "Be told what happened to a job",
                "description": "With `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks).",
                "tags": ["webhooks"],
                "requestBody": {"required": True, "content": {"application/json": content}},
                "responses": {
                    "2XX": {"description": "Delivered"},
                    "410": {"description": "Send nothing more: the webhook is disabled"},
                },
            }
        }
    }


def _path_parameters(spec: RouteSpec) -> list[dict[str, Any]]:
    shown = _shown(spec).get("path", {})
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            **({"example": shown[name]} if name in shown else {}),
        }
        for name in re.findall(r"{(\w+)}", spec.path)
    ]


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
    models: set[type[BaseModel]] = {
        model for spec in specs for model in (spec.body, spec.answer, *spec.other_answers.values()) if model is not None
    } | {ProblemOut, MessageOut}
    ordered = sorted(models, key=lambda model: model.__name__)
    # "validation" for answers too: there a field with a default is one that may be absent.
    _, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    # Each of them is what one failure looks like: the codes that come in no problem.
    schemas["ErrorOut"]["examples"] = [
        {"code": failure.code, "title": failure.title, "detail": failure.detail, "hint": failure.hint}
        for failure in FAILURES_AT_REST
    ]
    return dict(sorted(schemas.items()))


def main(arguments: Sequence[str]) -> int:
    """Write the document, or check a file against it."""
    mode, path = arguments
    return write_or_check(mode, Path(path), openapi_text() + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Below a stage of API Gateway: what a problem links to lies below it too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app import app
from chalicelib import wiring
from infra.local.functions import LambdaContext
from tests.fakes.make import make_ports


def ask(path: str, stage: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The body of the answer to a GET of a video, as API Gateway asks for it."""
    event = {
        "resource": "/videos/{video_id}",
        "path": "/videos/vid_1",
        "httpMethod": "GET",
        "headers": headers or {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"video_id": "vid_1"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/videos/{video_id}",
            "httpMethod": "GET",
            "path": path,
            "stage": stage,
            "identity": {},
        },
        "body": None,
        "isBase64Encoded": False,
    }
    with wiring.using(make_ports()):
        return dict(json.loads(app(event, LambdaContext("api"))["body"]))


@pytest.mark.parametrize(
    ("path", "stage", "root"),
    [
        ("/api/videos/vid_1", "api", "/api"),
        ("/videos/vid_1", "api", ""),
        ("/videos/vid_1", "local", ""),
        ("/apiary/videos/vid_1", "api", ""),
        ("/videos/vid_1", "", ""),
    ],
)
def test_the_type_of_a_problem_lies_below_the_stage_that_clients_see(path: str, stage: str, root: str) -> None:
    problem = ask(path, stage)
    assert (problem["type"], problem["instance"]) == (f"{root}/docs/errors/UNAUTHENTICATED", path)


@pytest.mark.parametrize("path", ["/v1/videos/vid_1", "/videos/vid_1"])
def test_behind_an_address_that_adds_the_stage_itself_clients_see_none(path: str) -> None:
    problem = ask(path, "v1", {"x-forwarded-prefix": "/"})
    assert (problem["type"], problem["instance"]) == ("/docs/errors/UNAUTHENTICATED", "/videos/vid_1")

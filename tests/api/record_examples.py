"""Examples of the API's description: what the app really answers to a good request, over ports in memory.

python -m tests.api.record_examples          writes chalicelib/api/examples.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from chalicelib.api.openapi import specs
from chalicelib.domain.videos import VideoState
from chalicelib.domain.webhooks import encode_secret
from chalicelib.services.object_port import SignedPart
from tests.api.routes import ROUTES, Route
from tests.api.seed import (
    Seeded,
    seed_campaign,
    seed_for,
    seed_job,
    seed_pipeline,
    seed_rendition,
    seed_video,
    seed_webhook,
)
from tests.api.service import Service

EXAMPLES = Path(__file__).parents[2] / "chalicelib" / "api" / "examples.json"
STAND_IN_BY_NAME = {"secret": encode_secret(b"an example, and no secret at all")}
URL = "https://reelscan.s3.us-east-1.amazonaws.com/tenants/acme/videos/…/source?X-Amz-Algorithm=AWS4-HMAC-SHA256&…"
DRY_RUNS = {"start_job", "start_campaign"}
"""Routes that answer otherwise when nothing is to happen."""
LONGEST_LIST = 2
"""Items of a list: an example shows what they look like."""


def record() -> dict[str, Any]:
    """By the name of a route: what goes into it, and what comes out, by status."""
    name_by_route = {(spec.method, spec.path): spec.name for spec in specs()}
    routes = [route for route in ROUTES if not route.path.startswith(("/docs", "/openapi"))]
    return {name_by_route[route.method, route.path]: _record(route) for route in routes}


def _record(route: Route) -> dict[str, Any]:
    service, ids = _seeded(route)
    path = route.path.format(**ids.path_values)
    values = {name: ids.path_values[name] for name in re.findall(r"{(\w+)}", route.path)}
    body = route.body_for(ids.job_id)
    found: dict[str, Any] = {"path": values} if values else {}
    if body:
        found["body"] = body
    name = next(spec.name for spec in specs() if (spec.method, spec.path) == (route.method, route.path))
    if name in DRY_RUNS:
        dry = service.call(route.method, path, body, query="dry_run=true")
        assert dry.status == 200, dry.body
        found["answers"] = {"200": _shortened(dry.json)}
    if name == "complete_upload":
        # To send what it wants takes gigabytes; this is what it answers then.
        answer = service.call("GET", f"/videos/{seed_video(service, state=VideoState.UPLOADED).video_id}")
    else:
        answer = service.call(route.method, path, body, query=route.asked)
    assert answer.status == route.status, (route, answer.body)
    if answer.body and answer.headers.get("content-type") == "application/json":
        found["answers"] = {str(answer.status): _shortened(answer.json), **found.get("answers", {})}
    return found


def _seeded(route: Route) -> tuple[Service, Seeded]:
    """A service with something in it that the route can show."""
    service = Service()
    if "/campaigns" in route.path and "{" not in route.path:
        return service, seed_campaign(service) if route.method == "GET" else seed_job(service)
    if route.path == "/webhooks" and route.method == "GET":
        return service, seed_webhook(service)
    if route.path == "/pipelines" and route.method == "GET":
        seed_pipeline(service)
    seeded = seed_for(service, route)
    if route.path.endswith("/deliveries"):
        service.call("POST", f"/webhooks/{seeded.webhook_id}/test", {})
    if route.path.endswith("/track-versions"):
        service.call("POST", f"/jobs/{seeded.job_id}/tracks", {"lost_seconds": 3})
    if route.path.endswith("/exports"):
        service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": "mot"})
    if route.path.endswith("/renditions") and route.method == "GET":
        seeded = seed_rendition(service)
    if route.path.endswith("/upload/parts") and route.method == "GET":
        path = f"/videos/{seeded.video_id}/upload/parts"
        (part,) = service.call("POST", path, {"part_numbers": [1]}).json["items"]
        service.fakes.objects.put_part(SignedPart(1, part["url"], {}), b"p" * (8 << 20))
    return service, seeded


def _shortened(value: Any) -> Any:
    """Long lists cut, and what is random made the same each time."""
    if isinstance(value, dict):
        return {name: STAND_IN_BY_NAME.get(name) or _shortened(inner) for name, inner in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        # What the fake of S3 has in place of a presigned URL.
        return URL
    if isinstance(value, list):
        is_of_records = any(isinstance(one, dict) for one in value)
        return [_shortened(one) for one in (value[:LONGEST_LIST] if is_of_records else value)]
    return value


def text() -> str:
    """The file."""
    return json.dumps(record(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    EXAMPLES.write_text(text(), encoding="utf-8")
    sys.exit(0)

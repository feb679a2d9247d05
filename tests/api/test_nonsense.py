"""Nonsense: whatever a client sends, it is answered, and never with 500."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.routes import ROUTES, Route
from tests.api.seed import seed_campaign, seed_model, seed_upload_in_parts, seed_versions, seed_webhook
from tests.api.service import Service

INNER_NAMES = {"kind", "n", "s3_uri", "part_number", "etag", "name", "adapter", "task", "input", "head", "shapes"}
NAMES = sorted({name.rstrip("?") for route in ROUTES for name in route.body_fields | route.query} | INNER_NAMES)
LIKELY = [
    "toy",
    "people",
    "people@1",
    "latest",
    "person",
    "per_second",
    "keyframes",
    "street.mp4",
    "video/mp4",
    "s3://elsewhere/a",
    "s3://bucket/tenants/acme/x",
    "a" * 64,
    "\0",
    "0E+999999999",
    "1e400",
    "-0",
    "nan",
    "é",
    "\U0001f3a5",
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(LIKELY)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=6) | values
routes = st.sampled_from(ROUTES)
SERVICE = Service()
CAMPAIGN = seed_campaign(SERVICE)
SEEDED = replace(
    seed_versions(SERVICE),
    campaign_id=CAMPAIGN.campaign_id,
    run_id=CAMPAIGN.run_id,
    webhook_id=seed_webhook(SERVICE).webhook_id,
)
UPLOAD = seed_upload_in_parts(SERVICE)
seed_model(SERVICE, name="people")


def path_of(route: Route) -> str:
    video_id = UPLOAD if "/upload" in route.path else SEEDED.video_id
    return route.path.format(**SEEDED.path_values | {"video_id": video_id})


def answered(route: Route, body: Any, query: Any, headers: dict[str, str] | None = None) -> None:
    answer = SERVICE.call(route.method, path_of(route), body, query=query, headers=headers)
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        assert set(answer.json) == {"type", "title", "status", "detail", "code", "hint", "instance"}
        assert answer.json["status"] == answer.status


def not_a_deletion(route: Route) -> bool:
    """What is deleted could not be asked again."""
    return route.method != "DELETE"


@settings(max_examples=300, deadline=None)
@given(routes.filter(not_a_deletion), bodies)
def test_any_json_is_answered(route: Route, body: Any) -> None:
    answered(route, json.dumps(body).encode(), "")


@settings(max_examples=300, deadline=None)
@given(
    routes.filter(lambda route: route.method == "GET"),
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12) | st.sampled_from(LIKELY) | st.integers(), max_size=4),
)
def test_any_query_is_answered(route: Route, query: Any) -> None:
    answered(route, None, query)


@settings(max_examples=100, deadline=None)
@given(routes.filter(not_a_deletion), st.binary(max_size=60))
def test_any_bytes_are_answered(route: Route, body: bytes) -> None:
    answered(route, body, "")


@settings(max_examples=100, deadline=None)
@given(
    routes.filter(not_a_deletion),
    st.sampled_from(["Idempotency-Key", "If-None-Match", "Authorization", "Content-Type", "Accept"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
)
def test_any_header_is_answered(route: Route, name: str, value: str) -> None:
    answered(route, route.body_for(SEEDED.job_id), "", {name: value})

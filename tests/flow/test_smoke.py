"""The part of the smoke test that needs no account, on the local stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from infra.smoke.journey import Deployment, SmokeError, walk_through
from tests.flow.tenant import FAST_MODEL, Tenant


def deployment(stack: LocalStack, tenant: str) -> Deployment:
    return Deployment(stack.base_url, str(stack.describe()["graphql_url"]), stack.token(tenant))


def test_once_around_leaves_nothing(stack: LocalStack, bikes: Path) -> None:
    told: list[str] = []
    job = walk_through(deployment(stack, "smoke"), bikes, FAST_MODEL, told.append)
    assert job["state"] == "SUCCEEDED"
    text = "\n".join(told)
    for step in ("health", "quoted", "heard", "read", "queried", "answered at once", "deleted"):
        assert step in text
    assert Tenant(stack.base_url, stack.token("smoke")).get("/videos")["items"] == []


def test_a_step_that_goes_wrong_is_named_and_the_video_deleted(stack: LocalStack, bikes: Path) -> None:
    with pytest.raises(SmokeError, match=r"POST /videos/vid_.*/jobs: 400"):
        walk_through(deployment(stack, "smoke-2"), bikes, "no-such-model", lambda _: None)
    assert Tenant(stack.base_url, stack.token("smoke-2")).get("/videos")["items"] == []

"""The record of what functions do on AWS is not fooled by a thread, nor by an object that is asked for by version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from infra.cdk.permissions import Target
from infra.wiring import WIRING
from tests.flow.permissions import UNKNOWN, not_permitted, recorded


@pytest.fixture(scope="module", autouse=True)
def permissions() -> None:
    """What is recorded here is made up: the proof of the other modules would refuse it."""


def within(module: str, work: Callable[[], object]) -> Callable[[], object]:
    """`work`, called by a function of a module of this name."""
    namespace: dict[str, Any] = {"__name__": module, "work": work}
    exec("def call(): return work()", namespace)
    call: Callable[[], object] = namespace["call"]
    return call


def read_by_version() -> object:
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")
    asked = {"Bucket": WIRING.bucket.name, "Key": "tenants/a/b", "VersionId": "1"}
    # Noted as a call is; sends nothing.
    return s3.generate_presigned_url("get_object", Params=asked)


@pytest.mark.parametrize(
    ("service", "handler"),
    [("chalicelib.services.notifications", "on_webhook_due"), ("chalicelib.services.jobs", UNKNOWN)],
)
def test_what_a_thread_of_a_function_does_is_seen(service: str, handler: str) -> None:
    work = within(service, within("chalicelib.adapters.object_store", read_by_version))
    with recorded() as uses:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert uses == {(handler, Target.TENANT_OBJECTS, "s3:GetObjectVersion")}
    assert not_permitted(uses) == sorted(uses)


def test_what_no_service_asks_for_is_not_a_functions() -> None:
    with recorded() as uses:
        within("chalicelib.adapters.object_store", read_by_version)()

    assert uses == set()

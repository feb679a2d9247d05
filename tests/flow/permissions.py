"""What each function really does on AWS while the tests run, held to what its role may (`infra/cdk/permissions.py`).

Read from the calls of its clients. A presigned URL is one of them: it allows what the role may that signed it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import boto3

from infra.cdk.permissions import FUNCTIONS, Target
from infra.wiring import WIRING

API = "app"
ACTION_BY_ENTRY = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
ACTIONS_BY_S3_OPERATION = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListParts": "s3:ListMultipartUploadParts",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "ListObjectVersions": "s3:ListBucketVersions",
}
"""Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""
PRESIGNED_POST = "CreateBucket"
"""What botocore calls the operation that it signs a form for."""
HANDLER_BY_THREADED = {"chalicelib.services.notifications": "on_webhook_due"}
"""Whose threads a service starts: below them nothing says which function it was."""
UNKNOWN = "a function that is not known"
"""Has no grants: who starts threads elsewhere must say so above."""
TARGET_BY_TABLE = {WIRING.meta.name: Target.META, WIRING.results.name: Target.RESULTS}
TARGET_BY_INDEX = {"lists": Target.META_LISTS, "due": Target.META_DUE}
TARGET_BY_ACTION = {
    "batch:SubmitJob": Target.SUBMISSIONS,
    "batch:DescribeJobs": Target.ANY,
    "batch:TerminateJob": Target.BATCH_JOBS,
    "events:PutEvents": Target.EVENTS,
    "lambda:Invoke": Target.FAST_LANE,
}
ACTION_BY_OPERATION = {"lambda:Invoke": "lambda:InvokeFunction"}

Use = tuple[str, Target, str]
"""A handler, a target, an action."""


@contextmanager
def recorded() -> Iterator[set[Use]]:
    """What the functions of this process do from now on; clients that were made before are not seen."""
    uses: set[Use] = set()

    def note(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if handler := _handler_that_calls():
            service = model.service_model.signing_name
            uses.update((handler, target, action) for target, action in _actions(service, model.name, params))

    session = boto3.DEFAULT_SESSION or boto3._get_default_session()
    session.events.register("before-parameter-build.*.*", note)
    try:
        yield uses
    finally:
        session.events.unregister("before-parameter-build.*.*", note)


def not_permitted(uses: set[Use]) -> list[Use]:
    """Those that AWS would refuse."""
    may = {
        (handler, grant.target, action)
        for handler, grants in FUNCTIONS.items()
        for grant in grants
        for action in grant.actions
    }
    return sorted(uses - may)


def _handler_that_calls() -> str:
    """The function whose adapter calls; empty when it is no function's: the stack itself, or a test."""
    frame: FrameType | None = sys._getframe(1)
    is_adapter = False
    by_thread = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        is_adapter = is_adapter or module.startswith("chalicelib.adapters.")
        if module.startswith("chalicelib.services."):
            by_thread = HANDLER_BY_THREADED.get(module, UNKNOWN)
        if module == "infra.local.functions" and frame.f_code.co_name == "invoke":
            return str(frame.f_locals["name"])
        if module == "chalicelib.api.typed":
            return API if is_adapter else ""
        frame = frame.f_back
    # The bottom of a thread that a function has started.
    return by_thread if is_adapter else ""


def _actions(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[tuple[Target, str]]:
    if service == "dynamodb":
        yield from _table_actions(operation, params)
    elif service == "s3":
        if operation == PRESIGNED_POST:
            yield Target.TENANT_OBJECTS, "s3:PutObject"
            return
        key = str(params.get("Key") or params.get("Delete", {}).get("Objects", [{"Key": ""}])[0]["Key"])
        target = Target.BUCKET
        if key:
            is_ours = params["Bucket"] == WIRING.bucket.name
            target = Target.TENANT_OBJECTS if is_ours and key.startswith("tenants/") else Target.IMPORTED_OBJECTS
        for action in _object_actions(operation, params):
            yield target, action
    else:
        action = f"{service}:{operation}"
        yield TARGET_BY_ACTION[action], ACTION_BY_OPERATION.get(action, action)


def _object_actions(operation: str, params: Mapping[str, Any]) -> Iterator[str]:
    """Of a version by its id other actions are asked than of the newest one."""
    if operation == "DeleteObjects":
        for one in params["Delete"]["Objects"]:
            yield "s3:DeleteObjectVersion" if one.get("VersionId") else "s3:DeleteObject"
    elif operation in ("GetObject", "HeadObject") and params.get("VersionId"):
        yield "s3:GetObjectVersion"
    else:
        yield ACTIONS_BY_S3_OPERATION[operation]


def _table_actions(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[Target, str]]:
    if operation == "TransactWriteItems":
        for entry in params["TransactItems"]:
            ((kind, asked),) = entry.items()
            yield TARGET_BY_TABLE[asked["TableName"]], ACTION_BY_ENTRY[kind]
    elif "RequestItems" in params:
        for table in params["RequestItems"]:
            yield TARGET_BY_TABLE[table], f"dynamodb:{operation}"
    elif index := params.get("IndexName"):
        yield TARGET_BY_INDEX[index], f"dynamodb:{operation}"
    else:
        yield TARGET_BY_TABLE[params["TableName"]], f"dynamodb:{operation}"

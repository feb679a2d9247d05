"""What a worker asks of AWS, read from its code: its role may do all of that, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from infra.cdk.permissions import WORKER, Target
from tests.infra.templates import ROOT

ACTIONS_BY_CALL = {
    "get_item": {"dynamodb:GetItem"},
    "batch_get_item": {"dynamodb:BatchGetItem"},
    "put_item": {"dynamodb:PutItem"},
    "update_item": {"dynamodb:UpdateItem"},
    "delete_item": {"dynamodb:DeleteItem"},
    "batch_write_item": {"dynamodb:BatchWriteItem"},
    # One for each kind of entry.
    "transact_write_items": {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",
    },
    # Of the source by its version, of what is ours by its key.
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "put_object": {"s3:PutObject"},
    "delete_object": {"s3:DeleteObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
}
CLIENTS = ("_s3", "s3", "_dynamodb")
"""What the clients are called in the worker's code."""


def calls() -> Iterator[str]:
    """Every method of a client that the worker calls."""
    for path in sorted((ROOT / "gpu_batch").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if name in CLIENTS:
                    yield node.func.attr


def test_a_worker_may_do_what_it_does_and_nothing_else() -> None:
    asked = {action for call in set(calls()) for action in ACTIONS_BY_CALL[call]}

    assert asked == {action for grant in WORKER for action in grant.actions}


def test_only_one_module_of_the_worker_has_clients() -> None:
    """Others would have other names for them."""
    found = [path.name for path in (ROOT / "gpu_batch").rglob("*.py") if "boto3.client" in path.read_text("utf-8")]

    assert found == ["aws.py"]


def test_what_only_tenants_have_is_not_granted_on_models_of_all() -> None:
    assert {action for grant in WORKER if grant.target is Target.MODEL_OBJECTS for action in grant.actions} == {
        "s3:GetObject"
    }

"""Grants of `permissions.py` as IAM statements on the resources of the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from chalicelib.contracts.table_keys import DUE_INDEX, LISTS_INDEX
from infra.cdk.database import Database
from infra.cdk.permissions import Grant, Target
from infra.cdk.storage import Storage

ArnsByTarget = Mapping[Target, Sequence[str]]
"""The resources of the stack that a target stands for; none when the stage has nothing of the kind."""


def arns_of_data(database: Database, storage: Storage, import_buckets: Sequence[str]) -> dict[Target, list[str]]:
    """Tables and objects."""
    return {
        Target.META: [database.meta.table_arn],
        Target.META_LISTS: [f"{database.meta.table_arn}/index/{LISTS_INDEX}"],
        Target.META_DUE: [f"{database.meta.table_arn}/index/{DUE_INDEX}"],
        Target.META_STREAM: [str(database.meta.table_stream_arn)],
        Target.META_STREAMS: [f"{database.meta.table_arn}/stream/*"],
        Target.RESULTS: [database.results.table_arn],
        Target.TENANT_OBJECTS: [storage.bucket.arn_for_objects("tenants/*")],
        Target.MODEL_OBJECTS: [storage.bucket.arn_for_objects("models/*")],
        Target.IMPORTED_OBJECTS: [f"arn:{Aws.PARTITION}:s3:::{name}/*" for name in import_buckets],
        Target.EVENTS: [f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:event-bus/default"],
        Target.BUCKET: [storage.bucket.bucket_arn],
    }


def allow(role: iam.Role, grants: Sequence[Grant], arns_by_target: ArnsByTarget) -> None:
    """Add one statement for each target to the role's own policy."""
    actions_by_target: dict[Target, set[str]] = {}
    for grant in grants:
        actions_by_target.setdefault(grant.target, set()).update(grant.actions)
    for target, actions in actions_by_target.items():
        if arns := arns_by_target[target]:
            role.add_to_policy(iam.PolicyStatement(actions=sorted(actions), resources=list(arns)))

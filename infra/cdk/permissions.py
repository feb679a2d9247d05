"""What each function, and the worker, may do on AWS: plain data, held to what they do by tests/infra.

A grant names a resource of the stack and the actions on it. IAM cannot hold our keys to a tenant: one function serves
every tenant, and knows which only from the token that it verifies. So tables are granted whole, and index by index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Target(StrEnum):
    """What may be granted."""

    META = "meta"
    META_LISTS = "meta, index lists"
    META_DUE = "meta, index due"
    META_STREAM = "meta, stream"
    META_STREAMS = "meta, every stream that it has had"
    RESULTS = "results"
    TENANT_OBJECTS = "objects of tenants"
    MODEL_OBJECTS = "models that every tenant may use"
    IMPORTED_OBJECTS = "objects of the buckets that may be imported from"
    BUCKET = "the bucket itself"
    SUBMISSIONS = "queues and job definitions"
    BATCH_JOBS = "jobs of Batch"
    EVENTS = "the default event bus"
    FAST_LANE = "the function of the fast lane"
    ANY = "actions that take no resource"
    PUBLISHING = "GraphQL mutations that tell subscribers"


@dataclass(frozen=True, slots=True)
class Grant:
    """These actions on this target."""

    target: Target
    actions: tuple[str, ...]


def _on(target: Target, *actions: str) -> Grant:
    return Grant(target, actions)


_GET = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
_READ = (*_GET, "dynamodb:Query")
_WRITE = (
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
)
_META = _on(Target.META, *_READ, *_WRITE)
_LISTS = _on(Target.META_LISTS, "dynamodb:Query")
_IMPORTS = _on(Target.IMPORTED_OBJECTS, "s3:GetObject", "s3:GetObjectVersion")

_STEPS = (
    _META,
    # Results of an earlier analysis are taken over into a new job's index.
    _on(Target.RESULTS, *_READ, "dynamodb:PutItem"),
    _on(Target.TENANT_OBJECTS, "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"),
    _on(Target.SUBMISSIONS, "batch:SubmitJob"),
    _on(Target.FAST_LANE, "lambda:InvokeFunction"),
    _on(Target.BATCH_JOBS, "batch:TerminateJob"),
)
"""To let a video or a job take its next step: read what is there, write an order, submit it."""

_WAKE = _on(Target.EVENTS, "events:PutEvents")

_STREAM = (
    _on(Target.META_STREAM, "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
    _on(Target.META_STREAMS, "dynamodb:ListStreams"),
)
"""What Lambda reads the stream with, in the function's name."""

# What a presigned URL allows is what the role that signed it allows.
_UPLOADS = _on(Target.TENANT_OBJECTS, "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")

FUNCTIONS: Mapping[str, tuple[Grant, ...]] = {
    "app": (
        *_STEPS,
        _LISTS,
        _UPLOADS,
        _IMPORTS,
        # What a webhook is to be told again.
        _WAKE,
        # A video is deleted with its results, each object in every version.
        _on(Target.RESULTS, "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"),
        _on(Target.TENANT_OBJECTS, "s3:DeleteObject", "s3:DeleteObjectVersion"),
        _on(Target.BUCKET, "s3:ListBucketVersions"),
    ),
    "resolve_graphql": (*_STEPS, _LISTS, _UPLOADS, _IMPORTS, _WAKE),
    "on_object_created": (*_STEPS, _UPLOADS),
    "on_batch_state_change": _STEPS,
    "on_invocation_ended": _STEPS,
    "on_meta_stream": (
        *_STEPS,
        _LISTS,
        _IMPORTS,
        *_STREAM,
    ),
    "on_job_event": (
        *_STREAM,
        # What happened is noted for webhooks, which are then woken.
        _META,
        _WAKE,
        _on(Target.PUBLISHING, "appsync:GraphQL"),
    ),
    "on_webhook_due": (_META, _WAKE),
    # The index names what is due.
    "wake_webhooks": (_WAKE, _on(Target.META_DUE, "dynamodb:Query")),
    "reconcile": (
        *_STEPS,
        _LISTS,
        _UPLOADS,
        _IMPORTS,
        _on(Target.META_DUE, "dynamodb:Query"),
        # Which child jobs are gone without a word.
        _on(Target.ANY, "batch:DescribeJobs"),
    ),
}
"""By handler; `app` is the REST API."""

WORKER: tuple[Grant, ...] = (
    _on(Target.META, *_GET, *_WRITE),
    _on(Target.RESULTS, *_GET, *_WRITE),
    _on(
        Target.TENANT_OBJECTS,
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
    ),
    _on(Target.MODEL_OBJECTS, "s3:GetObject"),
    _IMPORTS,
)
"""Child jobs, and the function of the fast lane."""

WITHOUT_RESOURCE: Mapping[str, str] = {
    "batch:DescribeJobs": "Batch offers no resource for it",
    "xray:PutTraceSegments": "X-Ray offers no resource for it",
    "xray:PutTelemetryRecords": "X-Ray offers no resource for it",
    "ecr:GetAuthorizationToken": "ECR offers no resource for it; what it opens is granted by repository",
}
"""The only actions that are granted on `*`, each with the reason."""

WILDCARDS: Mapping[str, str] = {
    "{Media}/tenants/*": "Objects of tenants, by the keys of contracts/object_keys.py: one function serves all tenants",
    "{Media}/models/*": "Models are read by their digests",
    "{Meta}/stream/*": "ListStreams is asked of the table; Lambda checks for it when it makes the mapping",
    "{Batch}:job/*": "A job has no name before it is there; the service stops only those that it has recorded",
    "{Batch}:job-definition/{Stack}-cpu:*": "During a canary the old version of a function submits the old revision",
    "{Batch}:job-definition/{Stack}-gpu:*": "The same",
    "{Imports}/*": "Videos of a bucket that the stage names may be taken from wherever in it they lie",
    "{Api}:*": "The version that waits for approval has a number only then",
    "{Approval}:*": "CodeDeploy calls the function that asks, in whatever version it is",
    "{Deployments}/*": "The deployment that waits for approval has a name only then",
}
"""Every other resource that is granted with a wildcard, with the reason. Words in braces stand for its ARNs."""

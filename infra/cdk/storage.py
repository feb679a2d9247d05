"""Storage: the bucket of videos and results, the bucket of access logs, the worker's images."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.cdk.stages import Stage
from infra.wiring import ROOT, WIRING

ACCESS_LOG_DAYS = 90
OLD_VERSION_DAYS = 7
"""A replaced or deleted object can be had back for this long."""
COLD_AFTER_DAYS = 30
"""S3 moves what is not read to cheaper storage by itself, and takes nothing for bringing it back."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What others need of it."""

    bucket: s3.Bucket
    access_logs: s3.Bucket
    gpu_image: ecr_assets.DockerImageAsset
    cpu_image: ecr_assets.DockerImageAsset


def make_storage(stack: Stack, stage: Stage) -> Storage:
    """The buckets and the images."""
    scope = Construct(stack, "Storage")
    removal = RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY
    access_logs = s3.Bucket(
        scope,
        "AccessLogs",
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[s3.LifecycleRule(id="expire", expiration=Duration.days(ACCESS_LOG_DAYS))],
        removal_policy=removal,
    )
    cors = WIRING.bucket.cors
    bucket = s3.Bucket(
        scope,
        "Media",
        versioned=True,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        server_access_logs_bucket=access_logs,
        server_access_logs_prefix="media/",
        cors=[
            s3.CorsRule(
                allowed_origins=list(stage.cors_origins or cors.allowed_origins),
                allowed_methods=[s3.HttpMethods(method) for method in cors.allowed_methods],
                allowed_headers=list(cors.allowed_headers),
                exposed_headers=list(cors.expose_headers),
                max_age=cors.max_age_seconds,
            )
        ],
        lifecycle_rules=_lifecycle(),
        removal_policy=removal,
    )
    # By the property and not by `event_bridge_enabled`, which would add a custom resource with a function of its own.
    resource = bucket.node.default_child
    resource.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", value=True)
    return Storage(bucket, access_logs, _image(scope, "gpu"), _image(scope, "cpu"))


def _lifecycle() -> list[s3.LifecycleRule]:
    """Models (`models/`) are read by every job and stay as they are; what a tenant has cools down by itself."""
    return [
        s3.LifecycleRule(
            id="abort-multipart",
            abort_incomplete_multipart_upload_after=Duration.days(WIRING.bucket.abort_multipart_after_days),
        ),
        s3.LifecycleRule(
            id="old-versions",
            noncurrent_version_expiration=Duration.days(OLD_VERSION_DAYS),
            expired_object_delete_marker=True,
        ),
        s3.LifecycleRule(
            id="cold",
            prefix="tenants/",
            transitions=[
                s3.Transition(
                    storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=Duration.days(COLD_AFTER_DAYS)
                )
            ],
        ),
    ]


def _image(scope: Construct, target: str) -> ecr_assets.DockerImageAsset:
    """The worker's image; `cdk deploy` builds it, where Docker is, and puts it into the bootstrap repository of ECR."""
    folder = ROOT / "gpu_batch"
    ignored = (folder / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    return ecr_assets.DockerImageAsset(
        scope,
        f"Image{target.title()}",
        directory=str(ROOT),
        file="gpu_batch/Dockerfile",
        target=target,
        platform=ecr_assets.Platform.LINUX_AMD64,
        exclude=[line for line in ignored if line and not line.startswith("#")],
    )

"""The environment of the functions: what `chalicelib/settings.py` reads, and Powertools."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_secretsmanager as secretsmanager

from chalicelib.api.telemetry import NAMESPACE_VARIABLE
from infra.cdk.batch import Batch
from infra.cdk.database import Database
from infra.cdk.fast_lane import FastLane
from infra.cdk.identity import Identity
from infra.cdk.stages import QUEUE_SECONDS, Stage
from infra.cdk.storage import Storage
from infra.wiring import WIRING

CURSOR_KEY_DIGITS = 64


def make_settings(
    stack: Stack,
    stage: Stage,
    database: Database,
    storage: Storage,
    batch: Batch,
    fast_lane: FastLane,
    identity: Identity,
    graphql_url: str,
) -> dict[str, str]:
    """Names of the stack's resources, and what the stage sets."""
    cpu, gpu = batch.lane_by_name[WIRING.cpu.queue], batch.lane_by_name[WIRING.gpu.queue]
    return {
        "REELSCAN_META_TABLE": database.meta.table_name,
        "REELSCAN_RESULTS_TABLE": database.results.table_name,
        "REELSCAN_BUCKET": storage.bucket.bucket_name,
        "REELSCAN_CPU_QUEUE": cpu.queue.job_queue_arn,
        "REELSCAN_GPU_QUEUE": gpu.queue.job_queue_arn,
        "REELSCAN_CPU_JOB_DEFINITION": cpu.definition.job_definition_arn,
        "REELSCAN_GPU_JOB_DEFINITION": gpu.definition.job_definition_arn,
        "REELSCAN_FAST_FUNCTION": fast_lane.alias.function_arn,
        "REELSCAN_TOKEN_ISSUER": identity.issuer,
        "REELSCAN_TOKEN_CLIENT_IDS": ",".join(client.user_pool_client_id for client in identity.clients),
        "REELSCAN_JWKS_URL": identity.jwks_url,
        "REELSCAN_GRAPHQL_URL": graphql_url,
        "REELSCAN_CURSOR_KEY": _cursor_key(stack, stage),
        "REELSCAN_IMPORT_BUCKETS": ",".join(stage.import_buckets),
        "REELSCAN_QUEUE_SECONDS": str(QUEUE_SECONDS),
        NAMESPACE_VARIABLE: metrics_namespace(stack),
        **stage.settings,
    }


def metrics_namespace(stack: Stack) -> str:
    """Where CloudWatch keeps the metrics of this deployment, apart from those of others in the account."""
    return str(stack.stack_name)


def _cursor_key(stack: Stack, stage: Stage) -> str:
    """The key that cursors are signed with: made once in the account, and never shown in a template."""
    secret = secretsmanager.Secret(
        stack,
        "CursorKey",
        description="Signs the cursors of reelscan; a new one makes those that clients hold invalid",
        generate_secret_string=secretsmanager.SecretStringGenerator(
            password_length=CURSOR_KEY_DIGITS,
            exclude_characters="ghijklmnopqrstuvwxyz",
            exclude_uppercase=True,
            exclude_punctuation=True,
            require_each_included_type=False,
        ),
        removal_policy=RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY,
    )
    return str(secret.secret_value.unsafe_unwrap())

"""The fast lane: the worker's `cpu` image as a function, for work that is over before a machine of Batch has booted.

Lambda starts an invocation once and tells the event bus of its end, well or not; whoever hears of it hands on what is
left (docs/decisions/0024). So there are no retries here, and no dead letters but those of the rule that listens.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Size, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from constructs import Construct

from chalicelib.domain.costs import VCPUS_BY_LANE
from chalicelib.domain.units import Lane
from infra.cdk.batch import worker_environment
from infra.cdk.database import Database
from infra.cdk.grants import allow, arns_of_data
from infra.cdk.log_groups import make_log_group
from infra.cdk.permissions import WORKER
from infra.cdk.stages import Stage
from infra.cdk.storage import Storage
from infra.wiring import WIRING

ALIAS = "live"


@dataclass(frozen=True, slots=True)
class FastLane:
    """What others need of it."""

    function: lambda_.DockerImageFunction
    alias: lambda_.Alias


def make_fast_lane(stack: Stack, stage: Stage, database: Database, storage: Storage) -> FastLane:
    """The function, its role, which is that of a worker, and what Lambda does with its invocations."""
    scope = Construct(stack, "FastLane")
    wired = WIRING.fast
    log_group = make_log_group(scope, "Log", stage)
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    allow(role, WORKER, arns_of_data(database, storage, stage.import_buckets))
    # Lambda knows its region by itself, and takes no variable of that name.
    environment = worker_environment(database, storage, int(VCPUS_BY_LANE[Lane.FAST]))
    del environment["AWS_DEFAULT_REGION"]
    function = lambda_.DockerImageFunction(
        scope,
        "Function",
        code=lambda_.DockerImageCode.from_ecr(
            storage.cpu_image.repository,
            tag_or_digest=storage.cpu_image.image_tag,
            entrypoint=list(wired.entry_point),
            cmd=list(wired.command),
        ),
        architecture=lambda_.Architecture.X86_64,
        role=role,
        environment=environment,
        memory_size=wired.memory_mib,
        timeout=Duration.seconds(wired.timeout_seconds),
        ephemeral_storage_size=Size.mebibytes(wired.scratch_mib),
        log_group=log_group,
        reserved_concurrent_executions=stage.concurrency.fast_lane if stage.concurrency else None,
    )
    alias = lambda_.Alias(scope, "Alias", alias_name=ALIAS, version=function.current_version)
    bus = destinations.EventBridgeDestination(events.EventBus.from_event_bus_name(scope, "Bus", "default"))
    alias.configure_async_invoke(
        retry_attempts=wired.retry_attempts,
        max_event_age=Duration.seconds(wired.event_age_seconds),
        on_success=bus,
        on_failure=bus,
    )
    return FastLane(function, alias)

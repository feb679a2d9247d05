"""Functions: the zip of `make package`, once for each handler of the wiring, each with a role and an alias of its own.

Chalice's template knows one role for all of them and points API Gateway at the function itself, past every alias. So of
Chalice we take the zip and the routes, and the functions are made here (docs/decisions/0021).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from chalicelib.adapters.event_publisher import MUTATION_BY_KIND
from chalicelib.api import token_trigger
from infra.cdk.batch import Batch
from infra.cdk.database import Database
from infra.cdk.fast_lane import FastLane
from infra.cdk.grants import allow, arns_of_data
from infra.cdk.log_groups import make_log_group
from infra.cdk.permissions import FUNCTIONS, Target
from infra.cdk.stages import Stage
from infra.cdk.storage import Storage
from infra.wiring import ROOT, WIRING

PACKAGE = ROOT / "out" / "lambda"
"""Where `make package` leaves the zip and Chalice's template."""
API = "app"
"""The handler of the REST API: the Chalice app itself."""
ALIAS = "live"
MEMORY_MIB = 512
# API Gateway and AppSync have given up by then. Source: their quotas of 29 and 30 seconds.
ANSWER_SECONDS = 29
EVENT_SECONDS = 60
TRIGGER_SECONDS = 5
RETRIES = 2
"""Of an event whose function failed; then it goes to the dead letters."""
EVENT_AGE = Duration.hours(6)
"""An event that could not be handled by then is the reconciler's."""
ASKED = frozenset({API, WIRING.graphql.handler})
"""Functions that somebody waits for. Their requests are traced; schedules are not, or idling would cost traces."""
STARTED_BY_RULES = frozenset(rule.handler for rule in WIRING.event_rules)
STARTED_BY_SCHEDULES = frozenset(schedule.handler for schedule in WIRING.schedules)
STARTED_BY_EVENTS = STARTED_BY_RULES | STARTED_BY_SCHEDULES
"""Functions that nobody waits for: Lambda itself keeps their events, and tries again."""


@dataclass(frozen=True, slots=True)
class Functions:
    """What others need of it: the alias that is called, by handler."""

    alias_by_handler: Mapping[str, lambda_.Alias]
    function_by_handler: Mapping[str, lambda_.Function]
    api_definition: Mapping[str, Any]
    """The routes, as Chalice tells API Gateway."""


@dataclass(frozen=True, slots=True)
class Package:
    """The zip, and what it was made for."""

    code: lambda_.Code
    runtime: lambda_.Runtime
    template: Mapping[str, Any]


def read_package() -> Package:
    """The package in `PACKAGE`.

    Raises:
        FileNotFoundError: it has not been built.
    """
    template = json.loads((PACKAGE / "sam.json").read_text(encoding="utf-8"))["Resources"]
    runtime = template["APIHandler"]["Properties"]["Runtime"]
    return Package(
        lambda_.Code.from_asset(str(PACKAGE / "deployment.zip")),
        lambda_.Runtime(runtime, lambda_.RuntimeFamily.PYTHON),
        template,
    )


def make_token_trigger(stack: Stack, stage: Stage, package: Package) -> lambda_.Function:
    """The function that writes the claims of access tokens; it reaches nothing."""
    scope = Construct(stack, "TokenTrigger")
    log_group = make_log_group(scope, "Log", stage)
    return lambda_.Function(
        scope,
        "Function",
        code=package.code,
        runtime=package.runtime,
        handler=f"{token_trigger.__name__}.{token_trigger.write_claims.__name__}",
        role=_role(scope, log_group),
        timeout=Duration.seconds(TRIGGER_SECONDS),
        memory_size=MEMORY_MIB,
        log_group=log_group,
        tracing=lambda_.Tracing.ACTIVE,
    )


def make_functions(
    stack: Stack,
    stage: Stage,
    package: Package,
    database: Database,
    storage: Storage,
    batch: Batch,
    fast_lane: FastLane,
    settings: Mapping[str, str],
    graphql_arn: str,
    dead_letters: sqs.Queue,
) -> Functions:
    """Every handler of the wiring, and the REST API."""
    arns = arns_of_data(database, storage, stage.import_buckets) | _arns_of_batch(batch)
    arns[Target.FAST_LANE] = [fast_lane.alias.function_arn]
    arns[Target.PUBLISHING] = [
        f"{graphql_arn}/types/Mutation/fields/{mutation}" for mutation in sorted(MUTATION_BY_KIND.values())
    ]
    aliases, functions = {}, {}
    for handler in handlers():
        scope = Construct(stack, scope_name(handler))
        log_group = make_log_group(scope, "Log", stage)
        role = _role(scope, log_group)
        allow(role, FUNCTIONS[handler], arns)
        functions[handler] = lambda_.Function(
            scope,
            "Function",
            code=package.code,
            runtime=package.runtime,
            handler=f"app.{handler}",
            role=role,
            timeout=Duration.seconds(ANSWER_SECONDS if handler in ASKED else EVENT_SECONDS),
            memory_size=MEMORY_MIB,
            environment=dict(settings),
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE if handler in ASKED else lambda_.Tracing.DISABLED,
            reserved_concurrent_executions=_reserved(stage, handler),
        )
        aliases[handler] = lambda_.Alias(scope, "Alias", alias_name=ALIAS, version=functions[handler].current_version)
        if handler in STARTED_BY_EVENTS:
            aliases[handler].configure_async_invoke(
                retry_attempts=RETRIES,
                max_event_age=EVENT_AGE,
                on_failure=destinations.SqsDestination(dead_letters),
            )
    return Functions(aliases, functions, package.template["RestAPI"]["Properties"]["DefinitionBody"])


def handlers() -> list[str]:
    """Every handler that is a function of the package."""
    return sorted({API, *WIRING.handlers})


def scope_name(handler: str) -> str:
    """What a handler's constructs lie below."""
    return "".join(part.title() for part in handler.split("_"))


def _role(scope: Construct, log_group: logs.LogGroup) -> iam.Role:
    """A role that may write its function's log and nothing else."""
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    return role


def _reserved(stage: Stage, handler: str) -> int | None:
    if stage.concurrency is None:
        return None
    if handler in STARTED_BY_RULES:
        return stage.concurrency.events
    return stage.concurrency.schedules if handler in STARTED_BY_SCHEDULES else None


def _arns_of_batch(batch: Batch) -> dict[Target, list[str]]:
    lanes = batch.lane_by_name.values()
    definitions = [
        # Every revision: during a canary the old version of a function submits the one that it knows.
        f"arn:{Aws.PARTITION}:batch:{Aws.REGION}:{Aws.ACCOUNT_ID}:job-definition/{lane.definition_name}:*"
        for lane in lanes
    ]
    return {
        Target.SUBMISSIONS: [*(lane.queue.job_queue_arn for lane in lanes), *definitions],
        Target.BATCH_JOBS: [f"arn:{Aws.PARTITION}:batch:{Aws.REGION}:{Aws.ACCOUNT_ID}:job/*"],
        Target.ANY: ["*"],
    }

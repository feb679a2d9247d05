"""Delivery: how traffic moves to new versions of the functions, who must agree, and what takes it back.

CodeDeploy moves a part of the traffic, waits, and moves the rest; an alarm on the new version's errors moves all of it
back at once. Where the stage needs approval, the API's new version is first asked for its health and then waits,
without any traffic, for a person (`hooks/ask_approval.py`); no answer within an hour is a no. The other functions
follow only when the API has moved, so one approval is that of the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.cdk.functions import API, Functions, Package, scope_name
from infra.cdk.log_groups import make_log_group
from infra.cdk.stages import Canary, Stage
from infra.wiring import ROOT

HOOK_SECONDS = 30
HOOK_MIB = 256
HOOKS = ROOT / "infra" / "cdk" / "hooks"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What others need of it."""

    alarm_by_handler: Mapping[str, cloudwatch.Alarm]
    """Those that roll back; none where traffic moves at once."""


def make_delivery(
    stack: Stack, stage: Stage, package: Package, functions: Functions, announcements: sns.Topic
) -> Delivery:
    """A deployment group for every alias, if the stage has canaries."""
    if stage.canary is None:
        return Delivery({})
    scope = Construct(stack, "Delivery")
    application = codedeploy.LambdaApplication(scope, "Application")
    config = _config(scope, stage.canary)
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"))
    role.add_managed_policy(
        iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWSCodeDeployRoleForLambdaLimited")
    )
    hook = _approval(scope, stage, package, functions, announcements, application) if stage.needs_approval else None
    alarms = {}
    for handler, alias in functions.alias_by_handler.items():
        name = scope_name(handler)
        alarms[handler] = _errors(scope, f"{name}Errors", handler, alias)
        codedeploy.LambdaDeploymentGroup(
            scope,
            name,
            application=application,
            alias=alias,
            role=role,
            deployment_config=config,
            alarms=[alarms[handler]],
            auto_rollback=codedeploy.AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
            pre_hook=hook if handler == API else None,
        )
        if handler != API:
            alias.node.default_child.add_resource_dependency(functions.alias_by_handler[API].node.default_child)
    return Delivery(alarms)


def _config(scope: Construct, canary: Canary) -> codedeploy.LambdaDeploymentConfig:
    return codedeploy.LambdaDeploymentConfig(
        scope,
        "Canary",
        traffic_routing=codedeploy.TrafficRouting.time_based_canary(
            interval=Duration.minutes(canary.minutes), percentage=canary.percent
        ),
    )


def _errors(scope: Construct, name: str, handler: str, alias: lambda_.Alias) -> cloudwatch.Alarm:
    """Errors of the alias, and so of the new version while it has a part of the traffic."""
    return cloudwatch.Alarm(
        scope,
        name,
        metric=alias.metric_errors(period=Duration.minutes(1), statistic="Sum"),
        threshold=1,
        evaluation_periods=2,
        datapoints_to_alarm=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        alarm_description=f"{handler} raises: docs/operations.md#errors-of-a-function",
    )


def _approval(
    scope: Construct,
    stage: Stage,
    package: Package,
    functions: Functions,
    announcements: sns.Topic,
    application: codedeploy.LambdaApplication,
) -> lambda_.Function:
    """The function that asks; CodeDeploy waits for whoever answers."""
    api = functions.function_by_handler[API]
    own = Construct(scope, "Approval")
    log_group = make_log_group(own, "Log", stage)
    role = iam.Role(own, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    groups = (
        f"arn:{Aws.PARTITION}:codedeploy:{Aws.REGION}:{Aws.ACCOUNT_ID}:deploymentgroup:{application.application_name}/*"
    )
    role.add_to_policy(iam.PolicyStatement(actions=["codedeploy:GetDeployment"], resources=[groups]))
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[f"{api.function_arn}:*"]))
    announcements.grant_publish(role)
    return lambda_.Function(
        own,
        "Function",
        code=lambda_.Code.from_asset(str(HOOKS), exclude=["__pycache__"]),
        runtime=package.runtime,
        handler="ask_approval.handle",
        role=role,
        timeout=Duration.seconds(HOOK_SECONDS),
        memory_size=HOOK_MIB,
        environment={"FUNCTION_NAME": api.function_name, "TOPIC_ARN": announcements.topic_arn},
        log_group=log_group,
        tracing=lambda_.Tracing.ACTIVE,
    )

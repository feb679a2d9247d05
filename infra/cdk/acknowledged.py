"""Findings of cdk-nag that are true and stay, each with its reason.

An entry whose construct is gone fails the synthesis.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

from infra.cdk import permissions
from infra.cdk.functions import API, ASKED, handlers, scope_name
from infra.cdk.stages import Stage
from infra.wiring import WIRING


@dataclass(frozen=True, slots=True)
class Finding:
    """Rules that hold a construct, and what is below it, to something that it does not do."""

    paths: tuple[str, ...]
    """Below the stack; "" is the stack itself."""
    rules: tuple[str, ...]
    reason: str


def _managed(policy: str) -> str:
    return f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/{policy}]"


FUNCTIONS = tuple(scope_name(handler) for handler in handlers())
ROLES_WITH_ANY = (
    *(
        f"{scope_name(handler)}/Role"
        for handler, grants in permissions.FUNCTIONS.items()
        if handler in ASKED or any(grant.target is permissions.Target.ANY for grant in grants)
    ),
    "TokenTrigger/Role",
    *(f"Batch/{lane.queue.title()}Container/ExecutionRole" for lane in WIRING.lanes),
)

FINDINGS = (
    Finding(
        ("",),
        ("AwsSolutions-L1", "Serverless-LambdaLatestVersion"),
        "The runtime is that of the Python which packages the zip; the project is tested on 3.11 to 3.13",
    ),
    Finding(
        ROLES_WITH_ANY,
        ("AwsSolutions-IAM5[Resource::*]",),
        "Only for actions that take no resource: WITHOUT_RESOURCE of infra/cdk/permissions.py, which a test reads",
    ),
    Finding(
        ("Batch/InstanceRole",),
        (_managed("AmazonEC2ContainerServiceforEC2Role"),),
        "The agent of ECS changes with AWS, and so does this policy; containers cannot reach the role",
    ),
    Finding(
        ("DeadLetters",),
        ("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"),
        "It is where the dead letters of rules, schedules, streams and functions end; an alarm watches it",
    ),
    Finding(
        (*(f"{name}/Function" for name in FUNCTIONS), "TokenTrigger/Function"),
        ("Serverless-LambdaDLQ", "Serverless-LambdaTracing"),
        "What events call has an on-failure destination on its alias or stream; the rest is waited for. What nobody "
        "waits for is not traced: the pass of each minute would be 43,200 traces a month while nothing happens",
    ),
    Finding(
        ("FastLane/Function",),
        ("Serverless-LambdaDLQ", "Serverless-LambdaTracing"),
        "The event bus hears of every end, and a rule with dead letters listens; nobody waits for it",
    ),
    Finding(
        ("Identity/Users",),
        ("AwsSolutions-COG8",),
        "The plus plan costs for each user; sign-up is closed, and a stage may ask for a second factor",
    ),
    Finding(
        ("GraphQl/Api",),
        ("AwsSolutions-ASC3",),
        "Requests are logged with their errors but without their headers, which hold everybody's tokens",
    ),
    Finding(
        ("CursorKey",),
        ("AwsSolutions-SMG4",),
        "Cursors never expire, and a new key would make all invalid that clients hold; it protects no data, only pages",
    ),
    Finding(
        ("Rest/Api",),
        ("AwsSolutions-APIG2", "AwsSolutions-APIG3"),
        "Requests are validated by the typed routes, whose problems say what is wrong. A web ACL costs by the month; "
        "throttling is on, and an operator can attach one",
    ),
    Finding(
        ("Rest/Api/CloudWatchRole",),
        (_managed("AmazonAPIGatewayPushToCloudWatchLogs"),),
        "API Gateway writes all logs of an account and region by one role: it must not be for this stack's alone",
    ),
    Finding(
        ("Viewer/Address",),
        ("AwsSolutions-CFR1", "AwsSolutions-CFR2", "AwsSolutions-CFR3", "AwsSolutions-CFR4"),
        "Users are everywhere. A web ACL costs by the month. The site is a few static files without a secret; the API "
        "has its own access log. Without a domain of one's own, CloudFront's certificate fixes the TLS policy",
    ),
)

WITHOUT_MFA = Finding(
    ("Identity/Users",),
    ("AwsSolutions-COG2",),
    "A stage for development: users may set up a second factor, and need not",
)
WITH_CANARY = Finding(
    ("Delivery/Role",),
    (_managed("AWSCodeDeployRoleForLambdaLimited"),),
    "CodeDeploy's own policy for Lambda, in its limited form",
)
WITH_APPROVAL = (
    Finding(
        ("Delivery/Approval/Function",),
        ("Serverless-LambdaDLQ",),
        "CodeDeploy waits for its answer, and none is a no",
    ),
    Finding(("Delivery/Approval/Role",), ("AwsSolutions-IAM5[Resource::*]",), "X-Ray offers no resource for traces"),
)


def acknowledge(stack: Stack, stage: Stage) -> None:
    """Record the findings of this stage at their constructs."""
    findings: Iterable[Finding] = (
        *FINDINGS,
        *(() if stage.requires_mfa else (WITHOUT_MFA,)),
        *((WITH_CANARY,) if stage.canary else ()),
        *(WITH_APPROVAL if stage.needs_approval else ()),
        *_wildcards(stack, stage),
    )
    for finding in findings:
        for path in finding.paths:
            validations = Validations.of(_at(stack, path))
            for rule in finding.rules:
                validations.acknowledge(Acknowledgment(id=rule, reason=finding.reason))


def _wildcards(stack: Stack, stage: Stage) -> Iterable[Finding]:
    """The reasons of `permissions.py`, in cdk-nag's words for the resources."""
    place = "<AWS::Region>:<AWS::AccountId>"
    words = {
        "Stack": stack.stack_name,
        "Media": _arn(stack, "Storage/Media/Resource"),
        "Meta": _arn(stack, "Database/Meta/Resource"),
        "Api": _arn(stack, f"{scope_name(API)}/Function/Resource"),
        "Batch": f"arn:<AWS::Partition>:batch:{place}",
    }
    if stage.needs_approval:
        words["Approval"] = _arn(stack, "Delivery/Approval/Function/Resource")
        application = _logical_id(stack, "Delivery/Application/Resource")
        words["Deployments"] = f"arn:<AWS::Partition>:codedeploy:{place}:deploymentgroup:<{application}>"
    for pattern, reason in permissions.WILDCARDS.items():
        for imports in [f"arn:<AWS::Partition>:s3:::{name}" for name in stage.import_buckets] or [""]:
            known = words | ({"Imports": imports} if imports else {})
            if set(re.findall(r"{(\w+)}", pattern)) <= known.keys():
                yield Finding(("",), (f"AwsSolutions-IAM5[Resource::{pattern.format(**known)}]",), reason)


def _arn(stack: Stack, path: str) -> str:
    return f"<{_logical_id(stack, path)}.Arn>"


def _logical_id(stack: Stack, path: str) -> str:
    return str(stack.get_logical_id(_at(stack, path)))


def _at(stack: Stack, path: str) -> IConstruct:
    construct: IConstruct = stack
    for name in path.split("/") if path else ():
        construct = construct.node.find_child(name)
    return construct

"""What a stage costs in a month without use, read from its template: every dollar, and why the rest is free.

    python -m infra.cdk.idle_cost cdk.out/reelscan-dev.template.json

A type of resource that is in none of the tables below is an error: whoever adds one must say what it costs. Prices are
those of us-east-1, before any free tier. What only use costs (requests, machines, transfer) is docs/costs.md's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATED = "2026-11"
HOURS = 730
"""Of a month, as AWS counts them."""
MINUTES = HOURS * 60

# Assumptions: what a small deployment keeps while it sleeps.
TABLE_GB = 1.0
BUCKET_GB = 10.0
LOG_GB = 0.5
IMAGE_GB = {"cpu": 0.4, "gpu": 3.0}
"""Compressed, as ECR keeps them: `make image` prints the sizes."""
PASS_SECONDS = 0.05
"""Of a pass of the reconciler that finds nothing."""
PASS_READ_UNITS = 4 * 0.5
"""One query of each shard of the index `due`."""
PASS_LOG_KB = 0.5

# Prices in dollars. Sources: the pricing pages of each service, us-east-1, read in November 2026.
ALARM = 0.10
DASHBOARD = 3.00
SECRET = 0.40
MACHINE_CLIENT = 6.00
TABLE_GB_MONTH = 0.25
PITR_GB_MONTH = 0.20
S3_GB_MONTH = 0.023
ECR_GB_MONTH = 0.10
LOG_GB_MONTH = 0.03
LOG_GB_WRITTEN = 0.50
ENDPOINT_HOUR = 0.01
"""Of an interface endpoint, for each zone."""
SCHEDULER_MILLION = 1.00
LAMBDA_MILLION = 0.20
LAMBDA_GB_SECOND = 0.0000166667
READ_UNITS_MILLION = 0.125

Template = Mapping[str, Any]
Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One part of the bill."""

    what: str
    usd: float
    why: str
    is_hourly: bool = False
    """Billed for being there, used or not, by the hour: no public stage has any."""
    is_compute: bool = False


class UnknownType(LookupError):
    """A resource of which nobody has said what it costs."""


FREE: Mapping[str, str] = {
    "AWS::ApiGateway::Account": "a setting",
    "AWS::ApiGateway::Deployment": "a setting",
    "AWS::ApiGateway::RestApi": "by the request",
    "AWS::ApiGateway::Stage": "by the request; a cache would be by the hour",
    "AWS::AppSync::DataSource": "a setting",
    "AWS::AppSync::GraphQLApi": "by the request; a cache would be by the hour",
    "AWS::AppSync::GraphQLSchema": "a setting",
    "AWS::AppSync::Resolver": "a setting",
    "AWS::Batch::JobDefinition": "a setting",
    "AWS::Batch::JobQueue": "Batch itself costs nothing",
    "AWS::Batch::SchedulingPolicy": "a setting",
    "AWS::Budgets::Budget": "without actions",
    "AWS::CDK::Metadata": "a setting",
    "AWS::CloudFront::Distribution": "by the request and the gigabyte",
    "AWS::CloudFront::Function": "by the request",
    "AWS::CloudFront::OriginAccessControl": "a setting",
    "AWS::CodeDeploy::Application": "free for Lambda",
    "AWS::CodeDeploy::DeploymentConfig": "free for Lambda",
    "AWS::CodeDeploy::DeploymentGroup": "free for Lambda",
    "AWS::Cognito::UserPool": "by the user who signs in",
    "AWS::Cognito::UserPoolDomain": "a setting",
    "AWS::Cognito::UserPoolGroup": "a setting",
    "AWS::Cognito::UserPoolResourceServer": "a setting",
    "AWS::EC2::FlowLog": "by the gigabyte that is logged",
    "AWS::EC2::InternetGateway": "free",
    "AWS::EC2::LaunchTemplate": "a setting",
    "AWS::EC2::Route": "a setting",
    "AWS::EC2::RouteTable": "a setting",
    "AWS::EC2::SecurityGroup": "a setting",
    "AWS::EC2::SecurityGroupEgress": "a setting",
    "AWS::EC2::SecurityGroupIngress": "a setting",
    "AWS::EC2::Subnet": "a setting",
    "AWS::EC2::SubnetRouteTableAssociation": "a setting",
    "AWS::EC2::VPC": "free",
    "AWS::EC2::VPCGatewayAttachment": "a setting",
    "AWS::Events::Rule": "events of AWS itself cost nothing",
    "AWS::IAM::InstanceProfile": "free",
    "AWS::IAM::ManagedPolicy": "free",
    "AWS::IAM::Policy": "free",
    "AWS::IAM::Role": "free",
    "AWS::Lambda::Alias": "a name; provisioned concurrency would be by the hour",
    "AWS::Lambda::EventInvokeConfig": "a setting",
    "AWS::Lambda::EventSourceMapping": "Lambda reads streams at no cost",
    "AWS::Lambda::Function": "by the request and the gigabyte-second",
    "AWS::Lambda::Permission": "a setting",
    "AWS::Lambda::Version": "75 GB of code are free",
    "AWS::Logs::MetricFilter": "a metric is billed in the hours in which it has data",
    "AWS::Logs::QueryDefinition": "by the gigabyte that a query reads",
    "AWS::S3::BucketPolicy": "a setting",
    "AWS::SNS::Subscription": "by the message",
    "AWS::SNS::Topic": "by the message",
    "AWS::SNS::TopicPolicy": "a setting",
    "AWS::SQS::Queue": "by the request",
    "AWS::SQS::QueuePolicy": "a setting",
}
"""Types that cost nothing for being there, and what they cost by instead."""


def _alarm(_name: str, resource: Resource) -> Iterable[Line]:
    watched = max(1, len(resource["Properties"].get("Metrics", ())))
    yield Line("alarms", ALARM * watched, f"${ALARM:.2f} for each metric that an alarm watches")


def _client(_name: str, resource: Resource) -> Iterable[Line]:
    if "client_credentials" in resource["Properties"].get("AllowedOAuthFlows", ()):
        yield Line("machine clients", MACHINE_CLIENT, f"${MACHINE_CLIENT:.2f} for each program with a secret")


def _compute(name: str, resource: Resource) -> Iterable[Line]:
    least = resource["Properties"]["ComputeResources"].get("MinvCpus", 0)
    if least:
        raise UnknownType(f"{name} keeps {least} vCPUs running: nothing may, while nothing waits")
    yield Line("machines of Batch", 0.0, "none run while no job waits", is_compute=True)


def _endpoint(_name: str, resource: Resource) -> Iterable[Line]:
    properties = resource["Properties"]
    if properties.get("VpcEndpointType", "Gateway") == "Gateway":
        yield Line("gateway endpoints", 0.0, "S3 and DynamoDB have endpoints without a price")
        return
    zones = len(properties["SubnetIds"])
    why = f"${ENDPOINT_HOUR:.2f} an hour in each of {zones} zones, instead of a way to the internet"
    yield Line("interface endpoints", ENDPOINT_HOUR * zones * HOURS, why, is_hourly=True)


def _table(_name: str, resource: Resource) -> Iterable[Line]:
    properties = resource["Properties"]
    if properties.get("BillingMode") != "PAY_PER_REQUEST":
        raise UnknownType("a table must be billed by the request")
    yield Line("tables", TABLE_GB * TABLE_GB_MONTH, f"{TABLE_GB:g} GB each, an assumption")
    for replica in properties["Replicas"]:
        if replica.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield Line("point-in-time recovery", TABLE_GB * PITR_GB_MONTH, "of the same gigabytes")


def _bucket(_name: str, _resource: Resource) -> Iterable[Line]:
    yield Line("objects", BUCKET_GB * S3_GB_MONTH, f"{BUCKET_GB:g} GB for each bucket, an assumption")


def _secret(_name: str, _resource: Resource) -> Iterable[Line]:
    yield Line("secrets", SECRET, f"${SECRET:.2f} each: the key that cursors are signed with")


def _dashboard(_name: str, _resource: Resource) -> Iterable[Line]:
    yield Line("dashboards", DASHBOARD, f"${DASHBOARD:.2f} each; an account's first three are free")


def _log_group(_name: str, _resource: Resource) -> Iterable[Line]:
    yield Line("logs that are kept", LOG_GB * LOG_GB_MONTH, f"{LOG_GB:g} GB each, an assumption")


def _schedule(_name: str, resource: Resource) -> Iterable[Line]:
    passes = MINUTES / minutes_between(resource["Properties"]["ScheduleExpression"])
    yield Line("schedule", passes * SCHEDULER_MILLION / 1e6, f"{passes:,.0f} starts of the reconciler")
    # 512 MB, as all functions have.
    seconds = passes * PASS_SECONDS * 0.5
    runs = passes * LAMBDA_MILLION / 1e6 + seconds * LAMBDA_GB_SECOND
    yield Line("reconciler, runs", runs, f"{PASS_SECONDS * 1000:g} ms each, an assumption")
    yield Line("reconciler, reads", passes * PASS_READ_UNITS * READ_UNITS_MILLION / 1e6, "one query of each shard")
    yield Line("reconciler, log", passes * PASS_LOG_KB / 1e6 * LOG_GB_WRITTEN, f"{PASS_LOG_KB:g} KB each")


PRICED: Mapping[str, Callable[[str, Resource], Iterable[Line]]] = {
    "AWS::Batch::ComputeEnvironment": _compute,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Cognito::UserPoolClient": _client,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::SecretsManager::Secret": _secret,
}
"""Types that cost something for being there, or may."""

BY_THE_HOUR: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGateway::Stage": ("CacheClusterEnabled", "CacheClusterSize"),
    "AWS::Lambda::Alias": ("ProvisionedConcurrencyConfig",),
    "AWS::Lambda::Version": ("ProvisionedConcurrencyConfig",),
}
"""Properties that would make a free resource one that is billed by the hour."""


def minutes_between(expression: str) -> int:
    """Of `rate(5 minutes)`."""
    number, _unit = expression.removeprefix("rate(").removesuffix(")").split()
    return int(number)


def idle_lines(template: Template) -> list[Line]:
    """The parts of the bill, those of one kind added up, the largest first.

    Raises:
        UnknownType: a resource of which nobody has said what it costs, or one that costs by the hour in disguise.
    """
    found: dict[str, Line] = {}
    for name, resource in template["Resources"].items():
        for line in _lines_of(name, resource):
            before = found.get(line.what)
            usd = line.usd + (before.usd if before else 0.0)
            found[line.what] = Line(line.what, usd, line.why, line.is_hourly, line.is_compute)
    images = sum(IMAGE_GB.values())
    found["images"] = Line("images", images * ECR_GB_MONTH, f"{images:g} GB in ECR, for each version that is kept")
    return sorted(found.values(), key=lambda line: (-line.usd, line.what))


def _lines_of(name: str, resource: Resource) -> Iterable[Line]:
    kind = resource["Type"]
    for forbidden in BY_THE_HOUR.get(kind, ()):
        if resource.get("Properties", {}).get(forbidden):
            raise UnknownType(f"{name} has {forbidden}, which is billed by the hour")
    if kind in PRICED:
        yield from PRICED[kind](name, resource)
    elif kind not in FREE:
        raise UnknownType(f"{name} is a {kind}: say in infra/cdk/idle_cost.py what one costs while nobody uses it")


def report(title: str, lines: Iterable[Line]) -> str:
    """The bill as a person reads it."""
    lines = list(lines)
    rows = [f"{line.what:<24} {line.usd:>9.3f}  {line.why}" for line in lines]
    total, hourly, compute = (
        sum(line.usd for line in lines),
        sum(line.usd for line in lines if line.is_hourly),
        sum(line.usd for line in lines if line.is_compute),
    )
    return "\n".join(
        [
            f"{title}: dollars of a month without use, us-east-1, {DATED}, before free tiers",
            *rows,
            f"{'total':<24} {total:>9.3f}",
            f"{'of that machines':<24} {compute:>9.3f}",
            f"{'of that by the hour':<24} {hourly:>9.3f}  ${hourly / HOURS:.2f} an hour",
        ]
    )


def main() -> int:
    """Print the bill of each template that is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("templates", nargs="+", type=Path)
    for path in parser.parse_args().templates:
        print(report(path.name.partition(".")[0], idle_lines(json.loads(path.read_text(encoding="utf-8")))))
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())

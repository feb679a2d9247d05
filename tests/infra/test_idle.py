"""Nothing is billed by the hour while nobody uses it, and what the rest costs is known to the cent."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cdk.idle_cost import FREE, HOURS, PRICED, UnknownType, idle_lines, minutes_between, report
from tests.infra.templates import Template, every_stage

PUBLIC = pytest.mark.parametrize("template", ["dev", "staging", "prod"], indirect=True)
HARDENED = pytest.mark.parametrize("template", ["hardened"], indirect=True)


def made(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


def dollars(template: Any, what: str) -> float:
    return sum(line.usd for line in idle_lines(template) if line.what == what)


# ---- the templates


@PUBLIC
def test_no_resource_is_billed_by_the_hour(template: Template) -> None:
    assert [line.what for line in idle_lines(template.document) if line.is_hourly and line.usd] == []


@every_stage
def test_no_machine_waits(template: Template) -> None:
    machines = [line.usd for line in idle_lines(template.document) if line.is_compute]

    assert machines == [0.0]


@HARDENED
def test_the_private_stage_pays_for_its_endpoints_and_for_nothing_else_by_the_hour(template: Template) -> None:
    hourly = {line.what: round(line.usd / HOURS, 2) for line in idle_lines(template.document) if line.is_hourly}

    assert hourly == {"interface endpoints": 0.12}


@every_stage
def test_no_stage_has_a_nat_gateway_or_an_address_of_its_own(template: Template) -> None:
    kinds = {resource["Type"] for resource in template.resources.values()}

    assert kinds & {"AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::ECS::Service", "AWS::RDS::DBInstance"} == set()


@every_stage
def test_no_function_of_a_custom_resource_came_along(template: Template) -> None:
    kinds = {resource["Type"] for resource in template.resources.values()}

    assert [kind for kind in sorted(kinds) if kind.startswith("Custom::") or "CustomResource" in kind] == []


@PUBLIC
def test_a_month_without_use_costs_less_than_a_meal(template: Template) -> None:
    assert 1 < sum(line.usd for line in idle_lines(template.document)) < 20


# ---- the calculator


def test_a_type_that_nobody_has_priced_is_an_error() -> None:
    with pytest.raises(UnknownType, match="AWS::EC2::NatGateway"):
        idle_lines(made("AWS::EC2::NatGateway"))


def test_no_type_is_both_free_and_priced() -> None:
    assert FREE.keys() & PRICED.keys() == set()


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::Lambda::Alias", {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 1}}),
        ("AWS::ApiGateway::Stage", {"CacheClusterEnabled": True}),
        ("AWS::Batch::ComputeEnvironment", {"ComputeResources": {"MinvCpus": 2}}),
        ("AWS::DynamoDB::GlobalTable", {"BillingMode": "PROVISIONED", "Replicas": []}),
    ],
)
def test_what_costs_by_the_hour_in_disguise_is_an_error(kind: str, properties: dict[str, Any]) -> None:
    with pytest.raises(UnknownType):
        idle_lines(made(kind, **properties))


def test_an_interface_endpoint_costs_for_each_zone() -> None:
    endpoint = made("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b", "c"])

    assert dollars(endpoint, "interface endpoints") == pytest.approx(3 * 0.01 * HOURS)


def test_a_gateway_endpoint_costs_nothing() -> None:
    assert dollars(made("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway"), "gateway endpoints") == 0


def test_a_program_with_a_secret_costs_and_a_person_does_not() -> None:
    program = made("AWS::Cognito::UserPoolClient", AllowedOAuthFlows=["client_credentials"])

    assert (dollars(program, "machine clients"), dollars(made("AWS::Cognito::UserPoolClient"), "machine clients")) == (
        6.0,
        0,
    )


def test_an_alarm_costs_for_each_metric_that_it_watches() -> None:
    of_two = made("AWS::CloudWatch::Alarm", Metrics=[{}, {}])

    assert (dollars(made("AWS::CloudWatch::Alarm"), "alarms"), dollars(of_two, "alarms")) == (0.1, 0.2)


def test_a_schedule_costs_by_its_starts() -> None:
    hourly = made("AWS::Scheduler::Schedule", ScheduleExpression="rate(60 minutes)")
    each_minute = made("AWS::Scheduler::Schedule", ScheduleExpression="rate(1 minute)")

    assert dollars(each_minute, "schedule") == pytest.approx(60 * dollars(hourly, "schedule"))
    assert minutes_between("rate(5 minutes)") == 5


def test_the_report_adds_up() -> None:
    lines = idle_lines(made("AWS::SecretsManager::Secret"))
    total = next(row for row in report("it", lines).splitlines() if row.startswith("total"))

    assert float(total.split()[1]) == pytest.approx(sum(line.usd for line in lines), abs=0.001)

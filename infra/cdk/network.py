"""Network of the workers: no way in, and no part of it billed by the hour unless the stage is private.

A public stage has public subnets, a route to the internet and no NAT gateway: an instance pays for its address while it
runs. S3 and DynamoDB are reached by gateway endpoints, which cost nothing. A private stage has isolated subnets, and an
interface endpoint for each service that an instance of ECS needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.cdk.stages import Stage

ZONES = 2
"""All that a stack without a fixed account may ask for."""
FLOW_LOG_DAYS = logs.RetentionDays.ONE_WEEK
HTTPS = 443

INTERFACE_ENDPOINTS = ("ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs")
"""What an instance of ECS, and the log driver, call.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
"""


@dataclass(frozen=True, slots=True)
class Network:
    """What others need of it."""

    vpc: ec2.Vpc
    subnets: ec2.SubnetSelection
    security_group: ec2.SecurityGroup


def make_network(stack: Stack, stage: Stage) -> Network:
    """The VPC, its endpoints and the workers' security group."""
    scope = Construct(stack, "Network")
    kind = ec2.SubnetType.PRIVATE_ISOLATED if stage.is_private else ec2.SubnetType.PUBLIC
    vpc = ec2.Vpc(
        scope,
        "Vpc",
        max_azs=ZONES,
        nat_gateways=0,
        subnet_configuration=[ec2.SubnetConfiguration(name="workers", subnet_type=kind, cidr_mask=20)],
        gateway_endpoints={
            "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
        },
        # Its change would need a custom resource; no instance of ours uses the default group.
        restrict_default_security_group=False,
    )
    log_group = logs.LogGroup(scope, "FlowLog", retention=FLOW_LOG_DAYS, removal_policy=RemovalPolicy.DESTROY)
    vpc.add_flow_log(
        "Rejected",
        destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group),
        traffic_type=ec2.FlowLogTrafficType.REJECT,
    )
    workers = ec2.SecurityGroup(
        scope, "Workers", vpc=vpc, allow_all_outbound=False, description="Workers: nothing in, HTTPS out"
    )
    workers.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "AWS, by its public names")
    subnets = ec2.SubnetSelection(subnet_type=kind)
    if stage.is_private:
        _add_interface_endpoints(scope, vpc, subnets, workers)
    return Network(vpc, subnets, workers)


def _add_interface_endpoints(
    scope: Construct, vpc: ec2.Vpc, subnets: ec2.SubnetSelection, workers: ec2.SecurityGroup
) -> None:
    endpoints = ec2.SecurityGroup(
        scope, "Endpoints", vpc=vpc, allow_all_outbound=False, description="Endpoints: HTTPS from workers"
    )
    endpoints.add_ingress_rule(workers, ec2.Port.tcp(HTTPS), "workers")
    for name in INTERFACE_ENDPOINTS:
        vpc.add_interface_endpoint(
            "".join(part.title() for part in name.replace(".", "-").split("-")),
            service=ec2.InterfaceVpcEndpointAwsService(name),
            subnets=subnets,
            security_groups=[endpoints],
            open=False,
        )

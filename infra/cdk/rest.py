"""REST: API Gateway on Chalice's routes, each integrated with the alias that a canary shifts.

Chalice integrates routes with the function itself, which is its newest version: an alias would never see a request, and
nothing could be rolled back. So the integration URIs and the permission to invoke are written here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.cdk.log_groups import make_log_group
from infra.cdk.stages import Stage
from infra.wiring import UNKNOWN_ROUTE_PROBLEM, UNKNOWN_ROUTE_STATUS

STAGE_NAME = "v1"
PROBLEM_JSON = "application/problem+json"
FUNCTION_VARIABLE = "function"
"""Of the stage: the function and alias that routes call."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What others need of it."""

    api: apigateway.SpecRestApi
    url: str
    domain: str


def make_rest(stack: Stack, stage: Stage, definition: Mapping[str, Any], alias: lambda_.Alias) -> Rest:
    """The API, its stage with access log and throttle, and the right to call the alias."""
    scope = Construct(stack, "Rest")
    name = f"{stack.stack_name}-rest"
    api = apigateway.SpecRestApi(
        scope,
        "Api",
        rest_api_name=name,
        api_definition=apigateway.ApiDefinition.from_inline(
            named(name, point_routes_to(definition, _function_of_stage()))
        ),
        endpoint_types=[apigateway.EndpointType.REGIONAL],
        # API Gateway writes logs by one role for the whole account and region, so it stays when a stage goes.
        cloud_watch_role=True,
        cloud_watch_role_removal_policy=RemovalPolicy.RETAIN,
        deploy_options=apigateway.StageOptions(
            stage_name=STAGE_NAME,
            variables={FUNCTION_VARIABLE: alias.function_name},
            tracing_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,
            access_log_destination=apigateway.LogGroupLogDestination(make_log_group(scope, "AccessLog", stage)),
            access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                caller=False,
                http_method=True,
                ip=True,
                protocol=True,
                request_time=True,
                resource_path=True,
                response_length=True,
                status=True,
                user=False,
            ),
            throttling_rate_limit=stage.requests_per_second,
            throttling_burst_limit=2 * stage.requests_per_second,
        ),
    )
    alias.add_permission(
        "FromRest",
        principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
        source_arn=api.arn_for_execute_api(stage=STAGE_NAME),
    )
    domain = f"{api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
    return Rest(api, f"https://{domain}/{STAGE_NAME}", domain)


def named(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document under this title: an import may name the API by it, and its metrics go by the API's name."""
    return {**document, "info": {**document["info"], "title": name}}


def _function_of_stage() -> str:
    """The alias, by way of the stage.

    The API itself must not name the function: functions know the clients that may call, the client of browsers knows
    CloudFront's address, and CloudFront the API. CloudFormation takes no circle.
    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/aws-api-gateway-stage-variables-reference.html
    """
    variable = f"${{stageVariables.{FUNCTION_VARIABLE}}}"
    return f"arn:{Aws.PARTITION}:lambda:{Aws.REGION}:{Aws.ACCOUNT_ID}:function:{variable}"


def point_routes_to(definition: Mapping[str, Any], function_arn: str) -> dict[str, Any]:
    """Chalice's OpenAPI document with every route integrated with `function_arn`, and our words for unknown routes."""
    document: dict[str, Any] = copy.deepcopy(dict(definition))
    uri = f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    for path in document["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                operation["x-amazon-apigateway-integration"]["uri"] = uri
    document["x-amazon-apigateway-gateway-responses"] = {
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": UNKNOWN_ROUTE_STATUS,
            "responseParameters": {"gatewayresponse.header.Content-Type": f"'{PROBLEM_JSON}'"},
            "responseTemplates": {"application/json": json.dumps(UNKNOWN_ROUTE_PROBLEM)},
        }
    }
    return document

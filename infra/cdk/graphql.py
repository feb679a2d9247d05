"""GraphQL: AppSync on the schema of the service; every field with a resolver is one and the same Lambda resolver.

Made of CloudFormation's own resources: CDK's API brings a function along, only to set how long its log is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.cdk.log_groups import retention
from infra.cdk.stages import Stage
from infra.wiring import WIRING


@dataclass(frozen=True, slots=True)
class GraphQl:
    """What others need of it."""

    scope: Construct
    api: appsync.CfnGraphQLApi
    schema: appsync.CfnGraphQLSchema

    @property
    def url(self) -> str:
        """Where requests go."""
        return str(self.api.attr_graph_ql_url)


def make_graphql(stack: Stack, stage: Stage, pool: cognito.UserPool) -> GraphQl:
    """The API: people and programs by their tokens, the service itself by its role."""
    scope = Construct(stack, "GraphQl")
    role = iam.Role(scope, "WritesLog", assumed_by=iam.ServicePrincipal("appsync.amazonaws.com"))
    properties = appsync.CfnGraphQLApi
    api = appsync.CfnGraphQLApi(
        scope,
        "Api",
        name=f"{stack.stack_name}-graphql",
        authentication_type="AMAZON_COGNITO_USER_POOLS",
        user_pool_config=properties.UserPoolConfigProperty(
            aws_region=stack.region, user_pool_id=pool.user_pool_id, default_action="ALLOW"
        ),
        additional_authentication_providers=[
            properties.AdditionalAuthenticationProviderProperty(authentication_type="AWS_IAM")
        ],
        query_depth_limit=WIRING.graphql.depth_max,
        resolver_count_limit=WIRING.graphql.resolvers_max,
        # Without the verbose part: that is the headers, and so everybody's tokens.
        log_config=properties.LogConfigProperty(
            cloud_watch_logs_role_arn=role.role_arn, field_log_level="ERROR", exclude_verbose_content=True
        ),
        xray_enabled=True,
    )
    # AppSync writes to the group of this name and would make it itself, to be kept for ever.
    log_group = logs.LogGroup(
        scope,
        "Log",
        log_group_name=f"/aws/appsync/apis/{api.attr_api_id}",
        retention=retention(stage),
        removal_policy=RemovalPolicy.DESTROY,
    )
    log_group.grant_write(role)
    schema = appsync.CfnGraphQLSchema(
        scope, "Schema", api_id=api.attr_api_id, definition=WIRING.graphql.schema_path.read_text(encoding="utf-8")
    )
    return GraphQl(scope, api, schema)


def attach_resolvers(graphql: GraphQl, alias: lambda_.Alias) -> None:
    """Let the function answer every field that it has a resolver for, and those it takes in batches in batches."""
    wired, scope, api_id = WIRING.graphql, graphql.scope, graphql.api.attr_api_id
    role = iam.Role(scope, "CallsFunction", assumed_by=iam.ServicePrincipal("appsync.amazonaws.com"))
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[alias.function_arn]))
    source = appsync.CfnDataSource(
        scope,
        "Function",
        api_id=api_id,
        name="function",
        type="AWS_LAMBDA",
        lambda_config=appsync.CfnDataSource.LambdaConfigProperty(lambda_function_arn=alias.function_arn),
        service_role_arn=role.role_arn,
    )
    code = wired.resolver_code_path.read_text(encoding="utf-8")
    for type_name, field_name in sorted(wired.resolved_fields):
        is_batched = (type_name, field_name) in wired.batched_fields
        resolver = appsync.CfnResolver(
            scope,
            f"{type_name}{field_name[0].upper()}{field_name[1:]}",
            api_id=api_id,
            type_name=type_name,
            field_name=field_name,
            data_source_name=source.attr_name,
            kind="UNIT",
            runtime=appsync.CfnResolver.AppSyncRuntimeProperty(name="APPSYNC_JS", runtime_version="1.0.0"),
            code=code.replace("@OPERATION@", "BatchInvoke" if is_batched else "Invoke"),
            max_batch_size=wired.batch_max if is_batched else None,
        )
        resolver.add_resource_dependency(graphql.schema)

"""GraphQL: AppSync on the schema of the service; nearly every field with a resolver has the same Lambda resolver.

Made of CloudFormation's own resources: CDK's API brings a function along, only to set how long its log is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.cdk.log_groups import retention
from infra.cdk.stages import Stage
from infra.direct_reads import resolver_code
from infra.wiring import WIRING

TABLE_SOURCE = "table"
"""Name of the data source of the fields that AppSync reads by itself."""


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
        # Of what AppSync reads by itself no function tells how long it took and how often it failed.
        enhanced_metrics_config=properties.EnhancedMetricsConfigProperty(
            data_source_level_metrics_behavior="PER_DATA_SOURCE_METRICS",
            resolver_level_metrics_behavior="PER_RESOLVER_METRICS",
            operation_level_metrics_config="DISABLED",
        ),
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


def attach_resolvers(graphql: GraphQl, alias: lambda_.Alias, meta: dynamodb.TableV2) -> None:
    """Let the function answer every field that it has a resolver for, those it takes in batches in batches.

    But what is read by itself is read by AppSync itself.
    """
    wired = WIRING.graphql
    function, table = _function_source(graphql, alias), _table_source(graphql, meta)
    code = wired.resolver_code_path.read_text(encoding="utf-8")
    for type_name, field_name in sorted(wired.resolved_fields):
        direct = wired.direct_code_path_by_field.get((type_name, field_name))
        is_batched = (type_name, field_name) in wired.batched_fields
        resolver = appsync.CfnResolver(
            graphql.scope,
            f"{type_name}{field_name[0].upper()}{field_name[1:]}",
            api_id=graphql.api.attr_api_id,
            type_name=type_name,
            field_name=field_name,
            data_source_name=(table if direct else function).attr_name,
            kind="UNIT",
            runtime=appsync.CfnResolver.AppSyncRuntimeProperty(name="APPSYNC_JS", runtime_version="1.0.0"),
            code=(
                resolver_code(direct)
                if direct
                else code.replace("@OPERATION@", "BatchInvoke" if is_batched else "Invoke")
            ),
            max_batch_size=wired.batch_max if is_batched else None,
        )
        resolver.add_resource_dependency(graphql.schema)


def _function_source(graphql: GraphQl, alias: lambda_.Alias) -> appsync.CfnDataSource:
    role = iam.Role(graphql.scope, "CallsFunction", assumed_by=iam.ServicePrincipal("appsync.amazonaws.com"))
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[alias.function_arn]))
    return appsync.CfnDataSource(
        graphql.scope,
        "Function",
        api_id=graphql.api.attr_api_id,
        name="function",
        type="AWS_LAMBDA",
        lambda_config=appsync.CfnDataSource.LambdaConfigProperty(lambda_function_arn=alias.function_arn),
        service_role_arn=role.role_arn,
    )


def _table_source(graphql: GraphQl, meta: dynamodb.TableV2) -> appsync.CfnDataSource:
    """Of what AppSync reads without the function: items by their keys, and nothing else."""
    role = iam.Role(graphql.scope, "ReadsTable", assumed_by=iam.ServicePrincipal("appsync.amazonaws.com"))
    role.add_to_policy(iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[meta.table_arn]))
    return appsync.CfnDataSource(
        graphql.scope,
        "Table",
        api_id=graphql.api.attr_api_id,
        name=TABLE_SOURCE,
        type="AMAZON_DYNAMODB",
        dynamo_db_config=appsync.CfnDataSource.DynamoDBConfigProperty(
            aws_region=Aws.REGION, table_name=meta.table_name
        ),
        service_role_arn=role.role_arn,
        metrics_config="ENABLED",
    )

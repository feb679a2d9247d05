"""REST and GraphQL on AWS are those of the app, and go through the aliases that a canary shifts."""

from __future__ import annotations

import json

from graphql import build_schema, print_schema

import app as service
from chalicelib.api.graphql import limits
from chalicelib.api.graphql.resolvers import RESOLVERS
from chalicelib.api.openapi import openapi_document
from chalicelib.api.typed import AT_ROOT, PREFIX_HEADER
from infra.direct_reads import resolver_code
from infra.local.appsync.sdl import PRELUDE
from infra.wiring import UNKNOWN_ROUTE_PROBLEM, UNKNOWN_ROUTE_STATUS, WIRING
from tests.infra.templates import Template, every_stage, text_of


def alias_of(template: Template, handler: str) -> str:
    """The text of the alias's ARN."""
    (name,) = (name for name, found in template.aliases().items() if found == handler)
    return f"${{{name}}}"


@every_stage
def test_the_routes_are_those_of_the_app(template: Template) -> None:
    paths = template.only("AWS::ApiGateway::RestApi")["Body"]["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "parameters"}
    expected = {(method, path) for path, methods in service.app.routes.items() for method in methods}

    assert found == expected


@every_stage
def test_the_routes_are_those_of_the_openapi_document(template: Template) -> None:
    paths = template.only("AWS::ApiGateway::RestApi")["Body"]["paths"]
    documented = openapi_document()["paths"]

    assert set(paths) == set(documented)


@every_stage
def test_every_route_calls_the_alias_and_none_the_function_itself(template: Template) -> None:
    paths = template.only("AWS::ApiGateway::RestApi")["Body"]["paths"]
    stage = template.only("AWS::ApiGateway::Stage")
    called = {
        text_of(operation["x-amazon-apigateway-integration"]["uri"]).partition("/functions/")[2]
        for methods in paths.values()
        for method, operation in methods.items()
        if method != "parameters"
    }

    # By a variable of the stage, or the API, CloudFront, its client and the function would be a circle.
    assert {uri.partition(":function:")[2] for uri in called} == {"${stageVariables.function}/invocations"}
    assert text_of(stage["Variables"]["function"]) == f"Fn::Select(6,Fn::Split(:,{alias_of(template, 'app.app')})):live"


@every_stage
def test_the_api_has_one_name_whatever_an_import_takes_it_from(template: Template) -> None:
    api = template.only("AWS::ApiGateway::RestApi")
    watched = {
        one["Value"]
        for alarm in template.of_type("AWS::CloudWatch::Alarm").values()
        for one in alarm.get("Dimensions", ())
        if alarm["Namespace"] == "AWS/ApiGateway"
    }

    assert {api["Name"], api["Body"]["info"]["title"]} == watched


@every_stage
def test_api_gateway_may_call_the_alias_and_nothing_else(template: Template) -> None:
    allowed = [
        text_of(one["FunctionName"])
        for one in template.of_type("AWS::Lambda::Permission").values()
        if one["Principal"] == "apigateway.amazonaws.com"
    ]

    assert allowed == [alias_of(template, "app.app")]


@every_stage
def test_an_unknown_route_is_answered_in_our_words(template: Template) -> None:
    body = template.only("AWS::ApiGateway::RestApi")["Body"]
    answer = body["x-amazon-apigateway-gateway-responses"]["MISSING_AUTHENTICATION_TOKEN"]

    assert int(answer["statusCode"]) == UNKNOWN_ROUTE_STATUS
    assert json.loads(answer["responseTemplates"]["application/json"]) == UNKNOWN_ROUTE_PROBLEM


@every_stage
def test_requests_are_throttled_logged_and_traced(template: Template) -> None:
    stage = template.only("AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]

    assert settings["ThrottlingRateLimit"] > 0
    assert settings["DataTraceEnabled"] is False, "bodies hold what tenants own"
    assert stage["TracingEnabled"] is True
    assert "$context.requestId" in stage["AccessLogSetting"]["Format"]
    assert "authorizer" not in stage["AccessLogSetting"]["Format"]


@every_stage
def test_the_schema_is_that_of_the_app(template: Template) -> None:
    found = template.only("AWS::AppSync::GraphQLSchema")["Definition"]

    assert found == WIRING.graphql.schema_path.read_text(encoding="utf-8")
    assert "Subscription" in print_schema(build_schema(PRELUDE + found))


@every_stage
def test_every_field_with_a_resolver_has_one_on_aws_and_no_other_has(template: Template) -> None:
    found = template.of_type("AWS::AppSync::Resolver").values()

    assert {(one["TypeName"], one["FieldName"]) for one in found} == RESOLVERS.keys()


@every_stage
def test_fields_of_several_objects_are_asked_for_in_batches(template: Template) -> None:
    found = {(one["TypeName"], one["FieldName"]): one for one in template.of_type("AWS::AppSync::Resolver").values()}
    batched = {name for name, one in found.items() if one.get("MaxBatchSize")}

    assert batched == WIRING.graphql.batched_fields
    assert {found[name]["MaxBatchSize"] for name in batched} == {limits.BATCH_MAX}
    for name, one in found.items():
        if name in WIRING.graphql.direct_code_path_by_field:
            continue
        assert f"operation: '{'BatchInvoke' if name in batched else 'Invoke'}'" in one["Code"]
        assert "@OPERATION@" not in one["Code"]


@every_stage
def test_resolvers_call_the_alias_but_those_that_read_the_table_by_themselves(template: Template) -> None:
    sources = template.of_type("AWS::AppSync::DataSource")
    (function,) = (name for name, one in sources.items() if one["Type"] == "AWS_LAMBDA")
    (table,) = (name for name, one in sources.items() if one["Type"] == "AMAZON_DYNAMODB")

    assert text_of(sources[function]["LambdaConfig"]["LambdaFunctionArn"]) == alias_of(template, "app.resolve_graphql")
    assert "Meta" in text_of(sources[table]["DynamoDBConfig"]["TableName"])
    for one in template.of_type("AWS::AppSync::Resolver").values():
        is_direct = (one["TypeName"], one["FieldName"]) in WIRING.graphql.direct_code_path_by_field
        assert text_of(one["DataSourceName"]) == f"${{{table if is_direct else function}.Name}}"


@every_stage
def test_what_reads_the_table_by_itself_may_get_items_and_nothing_else(template: Template) -> None:
    (source,) = (
        one for one in template.of_type("AWS::AppSync::DataSource").values() if one["Type"] == "AMAZON_DYNAMODB"
    )
    (statement,) = template.statements(source["ServiceRoleArn"]["Fn::GetAtt"][0])
    table = text_of(source["DynamoDBConfig"]["TableName"]).strip("${}")

    assert statement["Action"] == "dynamodb:GetItem"
    assert text_of(statement["Resource"]) == f"${{{table}.Arn}}"
    # No function counts its errors.
    assert source["MetricsConfig"] == "ENABLED"


@every_stage
def test_the_code_of_what_reads_the_table_has_the_words_of_the_service(template: Template) -> None:
    for one in template.of_type("AWS::AppSync::Resolver").values():
        path = WIRING.graphql.direct_code_path_by_field.get((one["TypeName"], one["FieldName"]))
        assert path is None or one["Code"] == resolver_code(path)


@every_stage
def test_a_query_has_the_limits_of_the_wiring(template: Template) -> None:
    api = template.only("AWS::AppSync::GraphQLApi")

    assert (api["QueryDepthLimit"], api["ResolverCountLimit"]) == (limits.DEPTH_MAX, limits.RESOLVERS_MAX)


@every_stage
def test_people_come_in_by_token_and_the_service_by_its_role(template: Template) -> None:
    api = template.only("AWS::AppSync::GraphQLApi")
    (pool,) = template.of_type("AWS::Cognito::UserPool")

    assert api["AuthenticationType"] == "AMAZON_COGNITO_USER_POOLS"
    assert text_of(api["UserPoolConfig"]["UserPoolId"]) == f"${{{pool}}}"
    assert [one["AuthenticationType"] for one in api["AdditionalAuthenticationProviders"]] == ["AWS_IAM"]


@every_stage
def test_one_address_has_the_viewer_and_both_apis_but_for_subscriptions(template: Template) -> None:
    config = template.only("AWS::CloudFront::Distribution")["DistributionConfig"]
    origin_by_id = {origin["Id"]: text_of(origin["DomainName"]) for origin in config["Origins"]}
    found = {one["PathPattern"]: origin_by_id[one["TargetOriginId"]] for one in config["CacheBehaviors"]}

    # What signs a subscription in names AppSync's own host, so clients go there.
    assert found.keys() == {"/viewer", "/viewer/*", "/graphql"}
    assert found["/graphql"].endswith(".GraphQLDns}")


@every_stage
def test_links_of_answers_leave_out_the_stage_where_clients_do_not_see_it(template: Template) -> None:
    config = template.only("AWS::CloudFront::Distribution")["DistributionConfig"]
    target = config["DefaultCacheBehavior"]["TargetOriginId"]
    (rest,) = [origin for origin in config["Origins"] if origin["Id"] == target]

    assert rest["OriginPath"] == "/v1"
    assert rest["OriginCustomHeaders"] == [{"HeaderName": PREFIX_HEADER, "HeaderValue": AT_ROOT}]


@every_stage
def test_the_log_of_graphql_holds_no_headers(template: Template) -> None:
    assert template.only("AWS::AppSync::GraphQLApi")["LogConfig"]["ExcludeVerboseContent"] is True


@every_stage
def test_only_the_publisher_may_publish(template: Template) -> None:
    publishers = {
        handler: text_of(statement["Resource"])
        for handler in template.aliases().values()
        for statement in template.statements(
            template.resources[template.function(handler)]["Properties"]["Role"]["Fn::GetAtt"][0]
        )
        if "appsync:GraphQL" in statement["Action"]
    }

    assert publishers.keys() == {"app.on_job_event"}
    assert publishers["app.on_job_event"].count("/types/Mutation/fields/publish") == 2

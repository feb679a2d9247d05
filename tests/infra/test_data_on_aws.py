"""Tables, buckets and users: as the wiring has them, closed to everybody else, and kept where the stage keeps data."""

from __future__ import annotations

import pytest

from chalicelib.services.tenancy import BUDGET_SCOPE, READ_SCOPE, WEBHOOK_SCOPE, WRITE_SCOPE
from infra.cdk.stages import STAGES
from infra.wiring import WIRING
from tests.infra.templates import Template, every_stage, text_of


@every_stage
def test_the_tables_are_those_of_the_wiring(template: Template) -> None:
    found = {
        tuple(key["AttributeName"] for key in table["KeySchema"]): table
        for table in template.of_type("AWS::DynamoDB::GlobalTable").values()
    }
    indexes = sorted(
        (
            index["IndexName"],
            [key["AttributeName"] for key in index["KeySchema"]],
            index["Projection"]["ProjectionType"],
        )
        for table in template.of_type("AWS::DynamoDB::GlobalTable").values()
        for index in table.get("GlobalSecondaryIndexes", ())
    )

    assert found.keys() == {(table.partition_key.name, table.sort_key.name) for table in WIRING.tables}
    assert indexes == sorted(
        (index.name, [index.partition_key.name, index.sort_key.name], "KEYS_ONLY")
        for table in WIRING.tables
        for index in table.indexes
    )


@every_stage
def test_only_the_table_of_the_wiring_has_a_stream_and_a_time_to_live(template: Template) -> None:
    tables = template.of_type("AWS::DynamoDB::GlobalTable").values()
    streams = [table["StreamSpecification"]["StreamViewType"] for table in tables if "StreamSpecification" in table]
    expiries = [
        table["TimeToLiveSpecification"]["AttributeName"] for table in tables if "TimeToLiveSpecification" in table
    ]

    assert streams == ["NEW_AND_OLD_IMAGES"] * sum(table.has_stream for table in WIRING.tables)
    assert expiries == [table.ttl_attribute for table in WIRING.tables if table.ttl_attribute]


@every_stage
def test_every_second_of_the_tables_can_be_had_back(template: Template) -> None:
    for table in template.of_type("AWS::DynamoDB::GlobalTable").values():
        for replica in table["Replicas"]:
            assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


@every_stage
def test_no_bucket_is_public_or_speaks_without_tls(template: Template) -> None:
    secured = {
        text_of(policy["Bucket"])
        for policy in template.of_type("AWS::S3::BucketPolicy").values()
        if denies_plain_http(policy)
    }
    for name, bucket in template.of_type("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        assert f"${{{name}}}" in secured


def denies_plain_http(policy: object) -> bool:
    statements = policy["PolicyDocument"]["Statement"]  # type: ignore[index]
    return any(
        one["Effect"] == "Deny" and one.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
        for one in statements
    )


@every_stage
def test_the_bucket_of_videos_keeps_versions_and_no_upload_that_was_given_up(template: Template) -> None:
    (media,) = (
        bucket for bucket in template.of_type("AWS::S3::Bucket").values() if "VersioningConfiguration" in bucket
    )
    rules = {rule["Id"]: rule for rule in media["LifecycleConfiguration"]["Rules"]}

    assert media["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rules["abort-multipart"]["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": WIRING.bucket.abort_multipart_after_days
    }
    assert rules["old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7
    assert rules["cold"]["Prefix"] == "tenants/"


@every_stage
def test_browsers_may_do_with_the_bucket_what_the_wiring_says(template: Template) -> None:
    (rule,) = (
        rule
        for bucket in template.of_type("AWS::S3::Bucket").values()
        for rule in bucket.get("CorsConfiguration", {}).get("CorsRules", ())
    )
    cors = WIRING.bucket.cors

    assert rule["AllowedOrigins"] == list(STAGES[template.stage].cors_origins or cors.allowed_origins)
    assert (rule["AllowedMethods"], rule["ExposedHeaders"]) == (list(cors.allowed_methods), list(cors.expose_headers))


@pytest.mark.parametrize("template", ["prod", "hardened"], indirect=True)
def test_what_a_stage_keeps_outlives_its_stack(template: Template) -> None:
    kept = {
        found["Type"]
        for found in template.resources.values()
        if found.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")
    }

    assert {
        "AWS::DynamoDB::GlobalTable",
        "AWS::S3::Bucket",
        "AWS::Cognito::UserPool",
        "AWS::SecretsManager::Secret",
    } <= kept


# ---- users


@every_stage
def test_no_user_may_write_the_own_tenant(template: Template) -> None:
    pool = template.only("AWS::Cognito::UserPool")
    (tenant,) = (one for one in pool["Schema"] if one["Name"] == "tenant")

    assert tenant["Mutable"] is True
    for client in template.of_type("AWS::Cognito::UserPoolClient").values():
        assert client["WriteAttributes"] == ["email"]


@every_stage
def test_nobody_signs_up_by_themselves(template: Template) -> None:
    pool = template.only("AWS::Cognito::UserPool")

    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert pool["MfaConfiguration"] == ("ON" if STAGES[template.stage].requires_mfa else "OPTIONAL")


@every_stage
def test_the_trigger_writes_into_access_tokens_of_people_and_programs(template: Template) -> None:
    pool = template.only("AWS::Cognito::UserPool")
    configured = pool["LambdaConfig"]["PreTokenGenerationConfig"]
    trigger = template.function("chalicelib.api.token_trigger.write_claims")

    assert configured == {"LambdaArn": {"Fn::GetAtt": [trigger, "Arn"]}, "LambdaVersion": "V3_0"}
    # Version 3 of the event comes with this plan.
    assert pool["UserPoolTier"] == "ESSENTIALS"


@every_stage
def test_people_sign_in_on_a_page_that_sends_them_back_to_the_viewer_alone(template: Template) -> None:
    (distribution,) = template.of_type("AWS::CloudFront::Distribution")
    client = template.only_client("Browser")
    viewer = f"https://${{{distribution}.DomainName}}/viewer/"

    assert [text_of(url) for url in client["CallbackURLs"]] == [viewer]
    assert [text_of(url) for url in client["LogoutURLs"]] == [viewer]
    assert client["AllowedOAuthFlows"] == ["code"], "the implicit grant would put tokens into addresses"
    assert client["AllowedOAuthFlowsUserPoolClient"] is True
    assert client["SupportedIdentityProviders"] == ["COGNITO"]
    assert sorted(text_of(scope).rpartition("}/")[2] for scope in client["AllowedOAuthScopes"]) == ["read", "write"]
    assert client["GenerateSecret"] is False
    assert template.only("AWS::Cognito::UserPoolDomain")["ManagedLoginVersion"] == 1


@every_stage
def test_a_refresh_token_of_a_page_is_good_for_one_renewal_and_can_be_revoked(template: Template) -> None:
    client = template.only_client("Browser")

    assert client["RefreshTokenRotation"] == {"Feature": "ENABLED", "RetryGracePeriodSeconds": 30}
    assert client["EnableTokenRevocation"] is True
    # With rotation this flow is refused. Source: the API reference of RefreshTokenRotationType
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in client["ExplicitAuthFlows"]
    assert (client["RefreshTokenValidity"], client["TokenValidityUnits"]["RefreshToken"]) == (1440, "minutes")


@pytest.mark.parametrize("template", ["staging"], indirect=True)
def test_a_program_has_a_secret_and_the_scope_of_its_one_tenant(template: Template) -> None:
    (machine,) = STAGES["staging"].machine_clients
    (client,) = (one for one in template.of_type("AWS::Cognito::UserPoolClient").values() if one.get("GenerateSecret"))
    scopes = [text_of(scope).rpartition("}/")[2] for scope in client["AllowedOAuthScopes"]]

    assert client["AllowedOAuthFlows"] == ["client_credentials"]
    assert sorted(scopes) == sorted(["read", "write", machine.tenant])


@pytest.mark.parametrize("template", ["staging"], indirect=True)
def test_a_program_is_told_where_it_gets_its_tokens(template: Template) -> None:
    outputs = {name: text_of(one["Value"]) for name, one in template.document["Outputs"].items()}

    assert outputs["TokenUrl"] == f"{outputs['SignInDomain']}/oauth2/token"
    assert "Machine" in outputs["MachineClientLoad"]


SCOPES_OF_THE_CODE = (READ_SCOPE, WRITE_SCOPE, BUDGET_SCOPE, WEBHOOK_SCOPE)


@every_stage
def test_the_resource_server_knows_the_scopes_of_the_code(template: Template) -> None:
    found = {
        f"{server['Identifier']}/{scope['ScopeName']}"
        for server in template.of_type("AWS::Cognito::UserPoolResourceServer").values()
        for scope in server["Scopes"]
    }

    assert set(SCOPES_OF_THE_CODE) <= found

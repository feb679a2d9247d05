"""The trigger of Cognito: what it writes is what the verifier reads."""

from __future__ import annotations

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.token_trigger import write_claims
from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Claims
from chalicelib.services.tenancy import BUDGET_SCOPE, READ_SCOPE, WEBHOOK_SCOPE, WRITE_SCOPE, read_claims

ROOT = Path(__file__).resolve().parent.parent.parent
USER: dict[str, Any] = {
    "version": "3",
    "triggerSource": "TokenGeneration_Authentication",
    "region": "us-east-1",
    "userPoolId": "us-east-1_EXAMPLE",
    "userName": "someone",
    "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "client"},
    "request": {
        "userAttributes": {"sub": "someone", "email": "someone@example.com", "custom:tenant": "acme"},
        "groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None},
        "scopes": ["aws.cognito.signin.user.admin"],
        "clientMetadata": {"custom:tenant": "globex", "tenant": "globex"},
    },
    "response": {"claimsAndScopeOverrideDetails": None},
}
PROGRAM: dict[str, Any] = {
    **USER,
    "triggerSource": "TokenGeneration_ClientCredentials",
    "request": {"userAttributes": {}, "groupConfiguration": None, "scopes": ["reelscan/read", "tenants/acme"]},
}


def made(event: dict[str, Any], **request: Any) -> dict[str, Any]:
    """The access token's claims, as Cognito makes them of the trigger's answer."""
    asked = copy.deepcopy(event)
    asked["request"] |= request
    answer = write_claims(asked, None)["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"]
    scopes = [*(asked["request"]["scopes"] or []), *answer["scopesToAdd"]]
    return {"sub": "someone", "token_use": "access", "scope": " ".join(scopes), **answer["claimsToAddOrOverride"]}


def test_a_user_acts_for_the_tenant_that_an_administrator_set() -> None:
    claims = read_claims(made(USER))

    assert claims == Claims(
        TenantId("acme"), "someone", frozenset({"aws.cognito.signin.user.admin", READ_SCOPE, WRITE_SCOPE})
    )


@pytest.mark.parametrize(("group", "scope"), [("budget", BUDGET_SCOPE), ("webhooks", WEBHOOK_SCOPE)])
def test_a_group_brings_its_scope_and_no_other(group: str, scope: str) -> None:
    scopes = read_claims(made(USER, groupConfiguration={"groupsToOverride": [group]})).scopes

    assert scopes & {BUDGET_SCOPE, WEBHOOK_SCOPE} == {scope}


@pytest.mark.parametrize("attributes", [{}, {"custom:tenant": ""}, {"custom:tenant": "public"}, {"tenant": "acme"}])
def test_a_user_without_a_tenant_gets_a_token_that_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        read_claims(made(USER, userAttributes=attributes))


def test_a_user_cannot_name_a_tenant_by_a_scope() -> None:
    assert read_claims(made(USER, scopes=["tenants/globex"])).tenant == "acme"


def test_a_program_acts_for_the_tenant_it_is_registered_for() -> None:
    claims = read_claims(made(PROGRAM))

    assert (claims.tenant, READ_SCOPE in claims.scopes, WRITE_SCOPE in claims.scopes) == ("acme", True, False)


@pytest.mark.parametrize("scopes", [[], ["reelscan/read"], ["tenants/acme", "tenants/globex"], ["tenants/public"]])
def test_a_program_with_no_tenant_or_several_is_refused(scopes: list[str]) -> None:
    with pytest.raises(Unauthenticated):
        read_claims(made(PROGRAM, scopes=scopes))


def test_the_trigger_starts_fast() -> None:
    source = (ROOT / "chalicelib" / "api" / "token_trigger.py").read_text(encoding="utf-8")

    imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}

    assert imported == {"__future__", "typing", "chalicelib.domain.ids", "chalicelib.services.tenancy"}

"""What goes into an access token: Cognito calls this before it signs one, by events of version 3.

The tenant of a person is an attribute of the user that only an administrator can set. That of a program is in its
registration: the one scope `tenants/{tenant}` that its client may ask for. Nothing that a caller sends along
(`clientMetadata`) is looked at. Who has no tenant gets a token without one, which the API refuses in words that help.

It is a function of its own on AWS, and no part of `app.py`: it must answer within five seconds, so it imports neither
Chalice nor boto3. Source: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
"""

from __future__ import annotations

from typing import Any

from chalicelib.domain.ids import is_tenant
from chalicelib.services.tenancy import BUDGET_SCOPE, READ_SCOPE, TENANT_CLAIM, WEBHOOK_SCOPE, WRITE_SCOPE

TENANT_SCOPE_PREFIX = "tenants/"
SCOPE_BY_GROUP = {"budget": BUDGET_SCOPE, "webhooks": WEBHOOK_SCOPE}
"""What users of a group may do beside reading and writing: set their tenant's budget, change its webhooks."""
FOR_A_PROGRAM = "TokenGeneration_ClientCredentials"


def write_claims(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The event with what is to be added to the access token."""
    request = event["request"]
    if event["triggerSource"] == FOR_A_PROGRAM:
        tenant, scopes = _tenant_of_scopes(request.get("scopes") or []), []
    else:
        tenant = (request.get("userAttributes") or {}).get(TENANT_CLAIM, "")
        groups = (request.get("groupConfiguration") or {}).get("groupsToOverride") or []
        # Cognito itself gives scopes of ours only to those who sign in by its pages.
        scopes = [READ_SCOPE, WRITE_SCOPE, *(scope for group, scope in SCOPE_BY_GROUP.items() if group in groups)]
    added = {"claimsToAddOrOverride": {TENANT_CLAIM: tenant} if is_tenant(tenant) else {}, "scopesToAdd": scopes}
    event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": added}}
    return event


def _tenant_of_scopes(scopes: list[str]) -> str:
    """The one tenant that the scopes name; none when they name several."""
    named = [scope.removeprefix(TENANT_SCOPE_PREFIX) for scope in scopes if scope.startswith(TENANT_SCOPE_PREFIX)]
    return named[0] if len(named) == 1 else ""

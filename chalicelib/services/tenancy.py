"""Who calls, from the claims of a token that was verified: by ourselves, or by AppSync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.ids import TenantId, is_tenant
from chalicelib.services.ports import Claims

TENANT_CLAIM = "custom:tenant"
READ_SCOPE = "reelscan/read"
WRITE_SCOPE = "reelscan/write"
BUDGET_SCOPE = "reelscan/budget"
"""Who may set what the tenant's months may cost."""
WEBHOOK_SCOPE = "reelscan/webhooks"
"""Who may have the tenant's events sent somewhere."""


def read_claims(claims: Mapping[str, Any]) -> Claims:
    """The caller of a token with these claims.

    Raises:
        Unauthenticated: not an access token, or one without a tenant.
    """
    if claims.get("token_use") != "access":
        raise Unauthenticated("the token must be an access token")
    tenant = claims.get(TENANT_CLAIM)
    if not isinstance(tenant, str) or not is_tenant(tenant):
        raise Unauthenticated("the token names no tenant", hint="Have an administrator assign the user to a tenant")
    return Claims(TenantId(tenant), str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))

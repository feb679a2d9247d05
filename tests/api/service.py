"""The real app behind the gateway's event, over ports in memory: requests in, answers out, no server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from app import app
from chalicelib import wiring
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Claims, Limits, TokenVerifier
from infra.local.gateway import Gateway
from tests.fakes.make import LIMITS, Fakes, make_fakes
from tests.fakes.makers import make_manifest

ACME, OTHER = TenantId("acme"), TenantId("other")
GATEWAY = Gateway(app)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


class Service:
    """One deployment with the model `toy` and two tenants, whose tokens are `acme` and `other`."""

    def __init__(self, limits: Limits = LIMITS, tokens: TokenVerifier | None = None) -> None:
        self.fakes: Fakes = make_fakes(limits)
        for tenant in (ACME, OTHER):
            self.fakes.tokens.claims_by_token[tenant] = Claims(
                tenant, f"user-of-{tenant}", frozenset({"reelscan/budget", "reelscan/webhooks"})
            )
        self.fakes.models.register(make_manifest())
        self.ports = self.fakes.ports if tokens is None else replace(self.fakes.ports, tokens=tokens)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | str = "",
        token: str | None = ACME,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; a body that is neither bytes nor None goes as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: dict[str, str] = {"Authorization": f"Bearer {token}"} if token is not None else {}
        sent |= headers or {}
        query_string = query if isinstance(query, str) else urlencode(query, doseq=True)
        builder = EnvironBuilder(
            path=path,
            method=method,
            query_string=query_string,
            data=content,
            headers=Headers(sent),
            content_type="application/json",
        )
        environ = builder.get_environ()
        environ["RAW_URI"] = f"{path}?{query_string}" if query_string else path
        with wiring.using(self.ports):
            response = GATEWAY.handle(Request(environ))
        return Answer(
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            response.get_data(),
        )

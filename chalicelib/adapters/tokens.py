"""Access tokens, verified against the issuer's published keys.

The tenant is the claim `custom:tenant`: on AWS a pre-token trigger copies it from an attribute that only an
administrator can set; the local issuer mints the same shape. Source: Cognito access tokens (`token_use`, `client_id`,
no `aud`).
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

import jwt

from chalicelib.domain.errors import DependencyFailed, Unauthenticated
from chalicelib.services.ports import Claims
from chalicelib.services.tenancy import read_claims

ALGORITHMS = ("RS256",)
"""Pinned: a token must not choose how it is verified."""
KEYS_SECONDS = 3600
TIMEOUT_SECONDS = 3
LEEWAY_SECONDS = 30
REFETCH_SECONDS = 30


class JwksTokenVerifier:
    """The port `TokenVerifier`."""

    def __init__(self, *, jwks_url: str, issuer: str, client_ids: tuple[str, ...]) -> None:
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._client_ids = client_ids

    @cached_property
    def _keys(self) -> jwt.PyJWKClient:
        return _PatientKeys(self._jwks_url, lifespan=KEYS_SECONDS, timeout=TIMEOUT_SECONDS)

    def verify(self, token: str) -> Claims:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},
            )
        except jwt.PyJWKClientConnectionError as error:
            # The token may well be good: a client must not throw it away because we cannot tell.
            raise DependencyFailed(f"the keys of the token issuer cannot be had: {error}") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the access token does not verify: {error}") from error
        caller = read_claims(claims)
        if self._client_ids and claims.get("client_id") not in self._client_ids:
            raise Unauthenticated("the token was given to a client that this deployment does not know")
        return caller


class _PatientKeys(jwt.PyJWKClient):
    """The issuer's keys, asked for again because of an unknown key id only now and then: anybody can make those up."""

    _fetched_at = float("-inf")
    _fetched: Any = None

    def fetch_data(self) -> Any:
        if time.monotonic() - self._fetched_at >= REFETCH_SECONDS:
            self._fetched = super().fetch_data()
            self._fetched_at = time.monotonic()
        return self._fetched

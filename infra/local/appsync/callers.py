"""Who sends a request to AppSync: a user with an access token of the pool, or the service with its role's signature."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.appsync.execution import Caller, Refusal
from infra.local.appsync.sdl import COGNITO, IAM
from infra.local.issuer import Issuer, TokenRefused
from infra.local.sigv4 import S3Refusal, SignedRequest, check_header

ACCOUNT = "123456789012"


class Callers:
    """Tells callers by their headers."""

    def __init__(self, issuer: Issuer, secret_by_key: Mapping[str, str]) -> None:
        self._issuer = issuer
        self._secret_by_key = secret_by_key

    def by_token(self, headers: Mapping[str, str], address: str) -> Caller:
        """The user of `Authorization: <token>`; `Bearer` may stand before it.

        Raises:
            Refusal: there is no such token, or it does not verify.
        """
        given = {name.lower(): value for name, value in headers.items()}
        token = re.sub(r"(?i)^bearer\s+", "", str(given.get("authorization", ""))).strip()
        if not token:
            raise _refusal("Valid authorization header not provided.")
        try:
            claims = self._issuer.read(token)
        except TokenRefused as error:
            raise _refusal(str(error)) from error
        identity = {
            "claims": claims,
            "sub": claims["sub"],
            "issuer": claims["iss"],
            "username": claims.get("username"),
            "sourceIp": [address],
            "defaultAuthStrategy": "ALLOW",
            "groups": None,
        }
        # The function has no need of the token itself, and logs must not have it.
        return Caller(COGNITO, identity, {name: value for name, value in given.items() if name != "authorization"})

    def by_signature(self, request: SignedRequest, body: bytes, address: str) -> Caller:
        """The service itself.

        Raises:
            Refusal: the signature is not that of its role.
        """
        # Other services than S3 do not send the digest of the body: both sides take it from the body.
        digest = hashlib.sha256(body).hexdigest()
        signed = SignedRequest(
            request.method,
            request.raw_path,
            request.raw_query,
            {**request.headers, "x-amz-content-sha256": digest},
        )
        key = request.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        if key not in self._secret_by_key:
            raise _refusal("The security token included in the request is invalid.", "UnrecognizedClientException")
        try:
            check_header(signed, self._secret_by_key, datetime.now(UTC))
        except S3Refusal as error:
            raise _refusal(error.message, "InvalidSignatureException") from error
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/reelscan/local"
        # Of who came through a Cognito identity pool; a role of its own did not.
        names = ("cognitoIdentityPoolId", "cognitoIdentityId", "cognitoIdentityAuthType", "cognitoIdentityAuthProvider")
        role = {"accountId": ACCOUNT, "userArn": arn, "username": key, "sourceIp": [address]}
        identity: dict[str, Any] = dict.fromkeys(names) | role
        return Caller(IAM, identity)


def _refusal(message: str, error_type: str = "UnauthorizedException") -> Refusal:
    return Refusal(error_type, message)

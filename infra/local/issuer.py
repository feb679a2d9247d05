"""The local token issuer: signs access tokens shaped like Cognito's, and publishes the key to check them with."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID = "reelscan-local"
JWKS_PATH = "/.well-known/jwks.json"
TENANT_CLAIM = "custom:tenant"
TOKEN_SECONDS = 24 * 3600
KEY_BITS = 2048


class Issuer:
    """One signing key."""

    def __init__(self, base_url: str, key_path: Path) -> None:
        """Read the key from `key_path`, or make one there: tokens stay good across restarts on the same port."""
        self.url = base_url
        self._key = _load_or_make(key_path)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")

    @property
    def jwks_url(self) -> str:
        """Where the server publishes `jwks`."""
        return f"{self.url}{JWKS_PATH}"

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": self._key_id, "alg": "RS256", "use": "sig"}]}

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token.

        Raises:
            TokenRefused: in AppSync's words.
        """
        try:
            options: Any = {"require": ["exp", "iss", "sub"], "verify_aud": False}
            claims: dict[str, Any] = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], issuer=self.url, options=options
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefused("Token has expired.") from None
        except (jwt.PyJWTError, UnicodeError):
            raise TokenRefused("Unable to parse JWT token.") from None
        return claims

    def mint(self, tenant: str, seconds: int = TOKEN_SECONDS) -> str:
        """An access token of `tenant`, good for `seconds`."""
        now = int(time.time())
        claims = {
            "sub": f"local-{tenant}",
            "iss": self.url,
            "client_id": CLIENT_ID,
            "token_use": "access",
            "scope": "reelscan/read reelscan/write reelscan/budget reelscan/webhooks",
            "auth_time": now,
            "iat": now,
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
            "username": f"local-{tenant}",
            TENANT_CLAIM: tenant,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})


class TokenRefused(Exception):
    """A token that this issuer did not sign, or that has run out."""


def _load_or_make(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey), f"{path} must hold an RSA key"
        return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return key

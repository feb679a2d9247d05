"""Access tokens, with the real verifier and the issuer's keys on loopback: who gets in, and who does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from chalicelib.adapters.tokens import LEEWAY_SECONDS, JwksTokenVerifier
from tests.api.service import Answer, Service

ISSUER = "https://issuer.example"
CLIENT = "reelscan-client"
KEY_ID = "key-1"


class Keys(ThreadingHTTPServer):
    """Publishes one key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(RSAAlgorithm.to_jwk(self.private.public_key()))
        self.requests = 0
        self.document = json.dumps({"keys": [{**public, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]}).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/jwks.json"


class _Handler(BaseHTTPRequestHandler):
    server: Keys

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    server = Keys()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def service(keys: Keys) -> Service:
    return Service(tokens=JwksTokenVerifier(jwks_url=keys.url, issuer=ISSUER, client_ids=(CLIENT,)))


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token; None takes one out."""
    now = int(time.time())
    good = {
        "sub": "user-1",
        "iss": ISSUER,
        "client_id": CLIENT,
        "token_use": "access",
        "scope": "reelscan/read",
        "iat": now,
        "exp": now + 600,
        "custom:tenant": "acme",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def sign(keys: Keys, algorithm: str = "RS256", key_id: str | None = KEY_ID, **changes: Any) -> str:
    headers = {"kid": key_id} if key_id else None
    return jwt.encode(claims(**changes), keys.private, algorithm=algorithm, headers=headers)


def by_hand(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def ask(service: Service, token: str) -> Answer:
    return service.call("GET", "/videos", token=token)


def refusal(service: Service, token: str) -> str:
    """The cause that a refused client is told."""
    answer = ask(service, token)
    assert (answer.status, answer.json["code"]) == (401, "UNAUTHENTICATED"), answer.body
    assert answer.headers["www-authenticate"] == "Bearer"
    return str(answer.json["detail"])


def test_a_good_token_gets_in(service: Service, keys: Keys) -> None:
    assert ask(service, sign(keys)).status == 200


def test_the_tenant_is_that_of_the_token(service: Service, keys: Keys) -> None:
    created = service.call(
        "POST", "/videos", {"filename": "a", "size_bytes": 1}, token=sign(keys, **{"custom:tenant": "t1"})
    )
    path = f"/videos/{created.json['video']['video_id']}"
    assert service.call("GET", path, token=sign(keys, **{"custom:tenant": "t1"})).status == 200
    assert service.call("GET", path, token=sign(keys, **{"custom:tenant": "t2"})).status == 404


def test_no_header_or_body_of_a_request_names_a_tenant(service: Service, keys: Keys) -> None:
    created = service.call(
        "POST", "/videos", {"filename": "a", "size_bytes": 1}, token=sign(keys, **{"custom:tenant": "t3"})
    )
    headers = {"X-Tenant": "t3", "Custom-Tenant": "t3", "X-Amzn-Oidc-Data": sign(keys, **{"custom:tenant": "t3"})}
    path = f"/videos/{created.json['video']['video_id']}"
    assert service.call("GET", path, token=sign(keys), headers=headers).status == 404


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"exp": int(time.time()) - LEEWAY_SECONDS - 5}, "Signature has expired"),
        ({"exp": None}, 'missing the "exp" claim'),
        ({"nbf": int(time.time()) + 3600}, "not yet valid"),
        ({"iss": "https://other.example"}, "Invalid issuer"),
        ({"iss": None}, 'missing the "iss" claim'),
        ({"sub": None}, 'missing the "sub" claim'),
        ({"token_use": "id"}, "must be an access token"),
        ({"token_use": None}, "must be an access token"),
        ({"client_id": "another"}, "a client that this deployment does not know"),
        ({"client_id": None}, "a client that this deployment does not know"),
        ({"custom:tenant": None}, "names no tenant"),
        ({"custom:tenant": ""}, "names no tenant"),
        ({"custom:tenant": 7}, "names no tenant"),
        ({"custom:tenant": ["acme"]}, "names no tenant"),
        ({"custom:tenant": "acme#vid"}, "names no tenant"),
        ({"custom:tenant": "../acme"}, "names no tenant"),
        ({"custom:tenant": "acme\n"}, "names no tenant"),
    ],
    # Not the claims' values: some are moments, and every process that collects the tests must name them alike.
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_token_with_wrong_claims_is_refused(
    service: Service, keys: Keys, changes: dict[str, Any], cause: str
) -> None:
    assert cause in refusal(service, sign(keys, **changes))


def test_a_clock_that_is_a_little_off_does_no_harm(service: Service, keys: Keys) -> None:
    assert ask(service, sign(keys, exp=int(time.time()) - LEEWAY_SECONDS + 10)).status == 200


def test_a_token_that_another_key_signed_is_refused(service: Service) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode(claims(), forger, algorithm="RS256", headers={"kid": KEY_ID})
    assert "Signature verification failed" in refusal(service, token)


def test_a_token_whose_claims_were_changed_is_refused(service: Service, keys: Keys) -> None:
    header, _, signature = sign(keys).split(".")
    payload = by_hand({}, claims(**{"custom:tenant": "other"})).split(".")[1]
    assert "Signature verification failed" in refusal(service, f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(service: Service, algorithm: str) -> None:
    refusal(service, by_hand({"alg": algorithm, "typ": "JWT", "kid": KEY_ID}, claims()))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(service: Service, keys: Keys) -> None:
    public = keys.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    unsigned = by_hand({"alg": "HS256", "typ": "JWT", "kid": KEY_ID}, claims()).rpartition(".")[0]
    signature = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
    token = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert "alg" in refusal(service, token)


def test_a_good_key_with_another_algorithm_is_refused(service: Service, keys: Keys) -> None:
    assert "alg" in refusal(service, sign(keys, algorithm="RS512"))


@pytest.mark.parametrize("key_id", [None, "key-2"])
def test_a_key_that_the_issuer_does_not_publish_is_refused(service: Service, keys: Keys, key_id: str | None) -> None:
    refusal(service, sign(keys, key_id=key_id))


@pytest.mark.parametrize(
    "header", [{"jwk": {"kty": "oct", "k": "c2VjcmV0"}}, {"jku": "http://127.0.0.1:1/"}, {"x5u": "x"}]
)
def test_a_key_that_comes_with_the_token_is_not_used(service: Service, header: dict[str, Any]) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode(claims(), forger, algorithm="RS256", headers={"kid": KEY_ID, **header})
    assert "Signature verification failed" in refusal(service, token)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b",
        "a.b.c",
        "....",
        "e30.e30.e30",
        by_hand({"alg": "RS256", "kid": 7}, {}),
        by_hand({"alg": ["RS256"], "kid": KEY_ID}, {}),
        "W10.e30.",
        "é.é.é",
        "a" * 8000,
    ],
    ids=lambda token: token[:12],
)
def test_what_is_no_token_is_refused(service: Service, token: str) -> None:
    refusal(service, token)


def test_a_deployment_that_names_no_clients_takes_all_of_its_issuer(keys: Keys) -> None:
    service = Service(tokens=JwksTokenVerifier(jwks_url=keys.url, issuer=ISSUER, client_ids=()))
    assert ask(service, sign(keys, client_id="another")).status == 200


def test_when_the_issuer_cannot_be_reached_the_token_is_not_to_blame(keys: Keys) -> None:
    nobody = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    nobody.server_close()
    url = f"http://127.0.0.1:{nobody.server_address[1]}/jwks.json"
    answer = ask(Service(tokens=JwksTokenVerifier(jwks_url=url, issuer=ISSUER, client_ids=())), sign(keys))
    assert (answer.status, answer.json["code"]) == (503, "INTERNAL")
    assert answer.headers["retry-after"] == "1"


def test_made_up_key_ids_do_not_make_us_ask_the_issuer_again_and_again(keys: Keys) -> None:
    service = Service(tokens=JwksTokenVerifier(jwks_url=keys.url, issuer=ISSUER, client_ids=(CLIENT,)))
    asked_before = keys.requests
    for number in range(5):
        refusal(service, sign(keys, key_id=f"made-up-{number}"))
    assert keys.requests - asked_before == 1

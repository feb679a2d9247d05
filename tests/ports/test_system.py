"""The contract of the ports `Clock` and `Ids`, and what the verifier of tokens must refuse."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from typing import Any

import jwt
import pytest

from chalicelib import wiring
from chalicelib.adapters.system import RandomIds
from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.ids import is_id
from chalicelib.services.ports import Ids, Ports, TokenVerifier
from chalicelib.settings import read_settings
from infra.local.stack import LocalStack
from tests.fakes.system import FakeClock, SequentialIds

MINT_SECONDS = 600


def test_the_time_is_in_utc_and_does_not_go_back(ports: Ports) -> None:
    first, second = ports.clock.now(), ports.clock.now()
    assert (first.tzinfo, second >= first) == (UTC, True)


def test_every_id_is_new_and_of_its_kind(ports: Ports) -> None:
    made = [ports.ids.make("vid") for _ in range(500)]
    assert (len(set(made)), all(is_id("vid", name) for name in made)) == (500, True)


@pytest.mark.parametrize("make_ids", [RandomIds, SequentialIds])
def test_ids_of_a_later_millisecond_sort_later(make_ids: Callable[[FakeClock], Ids]) -> None:
    clock = FakeClock()
    ids = make_ids(clock)
    made = []
    for _ in range(100):
        made.append(ids.make("vid"))
        clock.advance(0.001)
    assert made == sorted(made)


@pytest.fixture
def verifier(stack: LocalStack) -> TokenVerifier:
    return wiring.make_ports(read_settings()).tokens


def claims_of(stack: LocalStack, **changes: Any) -> dict[str, Any]:
    """What a good token says, changed."""
    now = int(time.time())
    good = jwt.decode(stack.token("acme"), options={"verify_signature": False})
    changed = {**good, "iat": now, "exp": now + MINT_SECONDS, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def sign(stack: LocalStack, claims: dict[str, Any], **header: Any) -> str:
    """A token by the issuer's own key."""
    good = jwt.get_unverified_header(stack.token("acme"))
    return jwt.encode(claims, stack.issuer._key, algorithm="RS256", headers={"kid": good["kid"], **header})


def test_a_good_token_says_tenant_subject_and_scopes(stack: LocalStack, verifier: TokenVerifier) -> None:
    claims = verifier.verify(stack.token("acme"))
    assert (claims.tenant, claims.subject) == ("acme", "local-acme")
    assert claims.scopes == {"reelscan/budget", "reelscan/read", "reelscan/webhooks", "reelscan/write"}


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"nbf": 2**33},
        {"iss": "http://elsewhere"},
        {"iss": None},
        {"sub": None},
        {"token_use": "id"},
        {"token_use": None},
        {"client_id": "stranger"},
        {"client_id": None},
        {"custom:tenant": None},
        {"custom:tenant": ""},
        {"custom:tenant": "a#b"},
        {"custom:tenant": ["acme"]},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_is_refused(
    stack: LocalStack, verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(sign(stack, claims_of(stack, **changes)))


def test_a_token_without_a_signature_is_refused(stack: LocalStack, verifier: TokenVerifier) -> None:
    header = jwt.get_unverified_header(stack.token("acme"))
    with pytest.raises(Unauthenticated):
        verifier.verify(jwt.encode(claims_of(stack), "", algorithm="none", headers={"kid": header["kid"]}))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(stack: LocalStack, verifier: TokenVerifier) -> None:
    header = jwt.get_unverified_header(stack.token("acme"))
    secret = stack.issuer.jwks()["keys"][0]["n"]
    with pytest.raises(Unauthenticated):
        verifier.verify(jwt.encode(claims_of(stack), secret, algorithm="HS256", headers={"kid": header["kid"]}))


def test_a_token_of_an_unknown_key_is_refused(stack: LocalStack, verifier: TokenVerifier) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(sign(stack, claims_of(stack), kid="another"))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_with_a_changed_part_is_refused(stack: LocalStack, verifier: TokenVerifier, part: int) -> None:
    parts = stack.token("acme").split(".")
    parts[part] = parts[part][:8] + ("A" if parts[part][8] != "A" else "B") + parts[part][9:]
    with pytest.raises(Unauthenticated):
        verifier.verify(".".join(parts))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "Bearer x"])
def test_what_is_no_token_is_refused(verifier: TokenVerifier, text: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(text)

from __future__ import annotations

import base64

import httpx
import pytest

from infra.load.tokens import ProgramTokens

TOKEN_URL = "https://tokens/oauth2/token"


class Endpoint:
    """Gives numbered tokens of an hour to the one program that it knows."""

    def __init__(self) -> None:
        self.given = 0
        self.now = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "tokens":
            return httpx.Response(200, json={"sent": request.headers["Authorization"]})
        expected = "Basic " + base64.b64encode(b"load:secret").decode()
        if (request.headers["Authorization"], request.content) != (expected, b"grant_type=client_credentials"):
            return httpx.Response(400, json={"error": "invalid_client"})
        self.given += 1
        return httpx.Response(200, json={"access_token": f"token-{self.given}", "expires_in": 3600})


def client_of(endpoint: Endpoint, secret: str = "secret") -> httpx.Client:
    transport = httpx.MockTransport(endpoint.answer)
    tokens = ProgramTokens(TOKEN_URL, "load", secret, httpx.Client(transport=transport), lambda: endpoint.now)
    # As the load's own client has it: no token was given.
    return httpx.Client(base_url="https://api", headers={"Authorization": "Bearer "}, transport=transport, auth=tokens)


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    endpoint = Endpoint()
    client = client_of(endpoint)
    sent = []
    for endpoint.now in (0, 3539, 3540, 7000):
        sent.append(client.get("/").json()["sent"])

    assert sent == ["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"]


def test_a_program_without_the_secret_gets_none() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        client_of(Endpoint(), "wrong").get("/")

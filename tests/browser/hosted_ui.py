"""Cognito's sign-in page and token endpoint, as strict as they are, in front of a service without a single video."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from werkzeug.wrappers import Request, Response

from infra.local.server import LocalServer
from infra.local.viewer import CONFIG_NAME
from infra.local.viewer import PATH as VIEWER_PATH
from infra.local.viewer import Viewer as Files

CLIENT_ID = "1example23456789"
SCOPES = ["reelscan/read", "reelscan/write"]
COOKIE = "cognito"

Json = dict[str, Any]


class HostedUi:
    """The page and the API on one origin, Cognito on another: `with HostedUi() as hosted: hosted.page_url`.

    What the real ones check is checked: the client, addresses letter for letter, scopes, that a code is used once and
    by who asked for it (PKCE), that a refresh token is good for one renewal.
    """

    def __init__(self) -> None:
        self._server, self._elsewhere = LocalServer(0), LocalServer(0)
        self._files = Files("/graphql")
        self._numbers = itertools.count(1)
        self._challenge_by_code: dict[str, str] = {}
        self._refresh_tokens: set[str] = set()
        self._access_tokens: set[str] = set()
        self.token_seconds = 3600
        """How long access tokens are good for."""
        self.refuses_users = False
        """Whether the sign-in page answers that this user may not."""
        self.grants: list[str] = []
        """What the token endpoint gave tokens for."""
        self.revoked: list[str] = []
        self.asked: list[str] = []
        """Paths of the API that were asked for with a good token."""
        self._routes: dict[str, Callable[[Request], Response]] = {
            f"{VIEWER_PATH}{CONFIG_NAME}": lambda _: _json(self._config()),
            "/oauth2/authorize": self._authorize,
            "/login": self._login,
            "/oauth2/token": self._give_tokens,
            "/oauth2/revoke": self._revoke,
            "/logout": self._logout,
            "/videos": self._list_nothing,
            "/models": self._list_nothing,
        }

    def __enter__(self) -> HostedUi:
        self._server.start(self._serve)
        self._elsewhere.start(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._elsewhere.stop()
        self._server.stop()

    @property
    def page_url(self) -> str:
        """The one address that may be come back to."""
        return f"{self._server.base_url}{VIEWER_PATH}"

    def forget_access_tokens(self) -> None:
        """From now on the API refuses those that were given."""
        self._access_tokens.clear()

    def forget_refresh_tokens(self) -> None:
        """As if an administrator had signed the user out everywhere."""
        self._refresh_tokens.clear()

    def _serve(self, environ: Json, start_response: Any) -> Any:
        request = Request(environ)
        route = self._routes.get(request.path)
        if route is None and request.path.startswith(VIEWER_PATH):
            route = self._files.handle
        response = route(request) if route else Response("", 404)
        return response(environ, start_response)

    def _config(self) -> Json:
        login = {"kind": "cognito", "domain": self._elsewhere.base_url, "client_id": CLIENT_ID, "scopes": SCOPES}
        return {"api_url": self._server.base_url, "graphql_url": None, "realtime_url": None, "login": login}

    def _authorize(self, request: Request) -> Response:
        asked = request.args
        expected = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": self.page_url}
        if {name: asked.get(name) for name in expected} != expected:
            return Response("redirect_mismatch or invalid client", 400)
        is_challenged = asked.get("code_challenge_method") == "S256" and len(asked.get("code_challenge", "")) == 43
        if not is_challenged or not asked.get("state") or asked.get("scope", "").split() != SCOPES:
            return self._back(state=asked.get("state", ""), error="invalid_request")
        if COOKIE in request.cookies:
            return self._login(request)
        fields = {name: asked[name] for name in ("state", "code_challenge")}
        return Response(f'<a id="in" href="/login?{urlencode(fields)}">Sign in</a>', content_type="text/html")

    def _login(self, request: Request) -> Response:
        if self.refuses_users:
            return self._back(
                state=request.args["state"], error="access_denied", error_description="User is not confirmed"
            )
        code = f"code-{next(self._numbers)}"
        self._challenge_by_code[code] = request.args["code_challenge"]
        response = self._back(state=request.args["state"], code=code)
        response.set_cookie(COOKIE, "session")
        return response

    def _back(self, **answer: str) -> Response:
        return Response("", 302, {"Location": f"{self.page_url}?{urlencode(answer)}"})

    def _give_tokens(self, request: Request) -> Response:
        form = request.form
        if request.method != "POST" or form.get("client_id") != CLIENT_ID:
            return _json({"error": "invalid_client"}, 400)
        if form.get("grant_type") == "authorization_code":
            challenge = self._challenge_by_code.pop(form.get("code", ""), None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            is_good = challenge == _base64url(digest) and form.get("redirect_uri") == self.page_url
        else:
            is_good = form.get("refresh_token") in self._refresh_tokens
            self._refresh_tokens.discard(form.get("refresh_token", ""))
        if not is_good:
            return _json({"error": "invalid_grant"}, 400)
        self.grants.append(form["grant_type"])
        number = next(self._numbers)
        claims = {"sub": "user-1", "exp": int(time.time()) + self.token_seconds, "jti": str(number)}
        access = ".".join(["e30", _base64url(json.dumps(claims).encode()), "signature"])
        refresh = f"refresh-{number}"
        self._access_tokens.add(access)
        self._refresh_tokens.add(refresh)
        return _json(
            {
                "access_token": access,
                "refresh_token": refresh,
                "token_type": "Bearer",
                "expires_in": self.token_seconds,
            }
        )

    def _revoke(self, request: Request) -> Response:
        self.revoked.append(request.form["token"])
        self._refresh_tokens.discard(request.form["token"])
        return Response("")

    def _logout(self, request: Request) -> Response:
        if (request.args.get("client_id"), request.args.get("logout_uri")) != (CLIENT_ID, self.page_url):
            return Response("Required String parameter 'redirect_uri' is not present", 400)
        response = Response("", 302, {"Location": self.page_url})
        response.delete_cookie(COOKIE)
        return response

    def _list_nothing(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self._access_tokens:
            problem = {"code": "UNAUTHENTICATED", "title": "The token is not valid", "detail": "the token has expired"}
            return _json({**problem, "hint": "Get a new token", "status": 401}, 401)
        self.asked.append(request.path)
        return _json({"items": [], "next_cursor": None})


def _json(value: Json, status: int = 200) -> Response:
    # Pages of any origin may read these. What is no JSON, they may not.
    headers = {"Access-Control-Allow-Origin": "*"}
    return Response(json.dumps(value), status, headers, content_type="application/json")


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

"""Access tokens of a program, for a load that lasts longer than one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

import httpx

RENEW_BEFORE_SECONDS = 60.0


class ProgramTokens(httpx.Auth):
    """Puts a token on every request, and asks for the next one before it runs out.

    Source: RFC 6749, section 4.4; https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html
    """

    def __init__(
        self, url: str, client_id: str, secret: str, http: httpx.Client, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._credentials = (client_id, secret)
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._token, self._renew_at = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx wants it.

        Raises:
            httpx.HTTPStatusError: the endpoint gives this program no token.
        """
        request.headers["Authorization"] = f"Bearer {self._current()}"
        yield request

    def _current(self) -> str:
        with self._lock:
            now = self._clock()
            if not self._token or now >= self._renew_at:
                form = {"grant_type": "client_credentials"}
                answer = self._http.post(self._url, data=form, auth=self._credentials).raise_for_status().json()
                self._token, self._renew_at = answer["access_token"], now + answer["expires_in"] - RENEW_BEFORE_SECONDS
            return self._token

"""One deployment as one tenant: requests with their retries, answers as records, refusals as errors."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from reelscan.errors import Conflict, Problem, ServiceUnreachable, UnexpectedAnswer, problem_of
from reelscan.reading import read_record
from reelscan.records import Failure
from reelscan.worlds import World

T = TypeVar("T")
Json = dict[str, Any]
Query = Mapping[str, object]

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that another try may not meet. Every request may be repeated: a POST has its `Idempotency-Key`."""
PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often something is tried, and how long the pauses are: random up to a bound that doubles each time."""

    tries: int = 5
    base_seconds: float = 0.5
    cap_seconds: float = 20.0

    def pause_seconds(
        self, failures: int, asked_seconds: float = 0.0, chance: Callable[[], float] = random.random
    ) -> float:
        """The pause after so many failures; never shorter than the service asks for.

        Source: "Exponential Backoff And Jitter", AWS Architecture Blog: full jitter spreads clients best.
        """
        return max(asked_seconds, chance() * min(self.cap_seconds, self.base_seconds * 2.0 ** (failures - 1)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered."""

    json: Any
    """None when the answer has no body."""
    retry_after_seconds: float | None
    etag: str


class Connection:
    """Sends what the resources ask for, in the world of their client."""

    def __init__(self, world: World, base_url: str, token: str, retries: Retries) -> None:
        self.world = world
        self.base_url = base_url.rstrip("/")
        self.retries = retries
        self._token = token

    async def get(self, path: str, kind: type[T], envelope: str = "", query: Query | None = None) -> T:
        """A record; of the answer's field `envelope` where it has one."""
        answer = await self.call("GET", path, query=query)
        return read_record(kind, take_out(answer.json, envelope))

    async def post(self, path: str, body: Json, kind: type[T], envelope: str = "", query: Query | None = None) -> T:
        """The record that a POST answers."""
        answer = await self.call("POST", path, query=query, body=body)
        return read_record(kind, take_out(answer.json, envelope))

    async def put(self, path: str, body: Json, kind: type[T], envelope: str = "") -> T:
        """The record that a PUT answers."""
        answer = await self.call("PUT", path, body=body)
        return read_record(kind, take_out(answer.json, envelope))

    async def patch(self, path: str, body: Json, kind: type[T], envelope: str = "") -> T:
        """The record that a PATCH answers."""
        answer = await self.call("PATCH", path, body=body)
        return read_record(kind, take_out(answer.json, envelope))

    async def delete(self, path: str, query: Query | None = None) -> None:
        """Have something removed."""
        await self.call("DELETE", path, query=query)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        key: str = "",
        etag: str = "",
    ) -> Answer:
        """What the service answers in the end.

        A request that gets no answer, or one of trouble that may pass, is sent again; a POST with the same
        `Idempotency-Key` (`key`, or one made here), so that nothing is made twice. With `etag`, an answer that is the
        same as that one has no JSON.

        Raises:
            Problem: the service refuses; the class says why.
            ServiceUnreachable: no answer.
        """
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if etag:
            headers["If-None-Match"] = etag
        if method == "POST":
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        parameters = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        request = httpx.Request(method, self.base_url + path, params=parameters, json=body, headers=headers)
        failures = 0
        while True:
            error, asked_seconds = await self._try(request, was_sent=failures > 0 or bool(key))
            if isinstance(error, Answer):
                return error
            failures += 1
            if asked_seconds is None or failures >= self.retries.tries:
                raise error
            await self.world.sleep(self.retries.pause_seconds(failures, asked_seconds))

    async def _try(self, request: httpx.Request, *, was_sent: bool) -> tuple[Answer | Exception, float | None]:
        """The answer, or why there is none with the seconds to wait at least; None: never try again."""
        try:
            response = await self.world.send(request)
        except httpx.TransportError as error:
            return _unreachable(request, error), 0.0
        asked_seconds = _seconds(response.headers.get("Retry-After"))
        if not response.is_error:
            return Answer(_json(response), asked_seconds, response.headers.get("ETag", "")), None
        problem = error_of(response)
        # A first request, whose answer was lost, may still be at work under this key.
        is_first_at_work = was_sent and type(problem) is Conflict and "Idempotency-Key" in request.headers
        if response.status_code in PASSING or is_first_at_work:
            return problem, asked_seconds or 0.0
        return problem, None


def take_out(json: Any, envelope: str) -> Any:
    """The field of an answer, or all of it."""
    if not envelope:
        return json
    try:
        return json[envelope]
    except (KeyError, TypeError):
        raise UnexpectedAnswer(f"the answer has no {envelope!r}", "Is this a reelscan service?") from None


def error_of(response: httpx.Response) -> Problem | UnexpectedAnswer:
    """What an error answer says; anything that is no problem of a reelscan service is shown as it came."""
    if response.headers.get("content-type", "").startswith(PROBLEM_TYPE):
        return problem_of(read_record(Failure, response.json()), status=response.status_code)
    request = response.request
    return UnexpectedAnswer(
        f"{request.method} {request.url} answered {response.status_code}: {response.text[:300]!r}",
        "Is this the base URL of a reelscan service?",
    )


def _json(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise UnexpectedAnswer(
            f"{response.request.url} answered no JSON but {response.text[:100]!r}",
            "Is this the base URL of a reelscan service?",
        ) from None


def _unreachable(request: httpx.Request, error: httpx.TransportError) -> ServiceUnreachable:
    failure = ServiceUnreachable(
        f"{request.method} {request.url}: {str(error) or type(error).__name__}",
        "Check the address, or start the local stack: make local",
    )
    failure.__cause__ = error
    return failure


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; as a date it is not used by the service."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None

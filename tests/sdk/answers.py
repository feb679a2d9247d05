"""Answers laid down one after the other, a clock that only a test moves, and clients over both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from reelscan import AsyncClient, Client, Retries

BASE_URL = "https://service.test"
TOKEN = "token-of-tenant-a"

Step = httpx.Response | httpx.TransportError | Callable[[httpx.Request], httpx.Response]


@dataclass
class Clock:
    """Time passes when somebody sleeps."""

    seconds: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Answers(httpx.MockTransport):
    """Gives each step once; the last one stays."""

    def __init__(self, *steps: Step) -> None:
        super().__init__(self._next)
        self._steps = list(steps)
        self.requests: list[httpx.Request] = []

    def _next(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, httpx.TransportError):
            raise step
        # A response that was given once cannot be read again.
        return (
            step(request)
            if callable(step)
            else httpx.Response(step.status_code, headers=step.headers, content=step.content)
        )


def ok(json: Any, status: int = 200, **headers: str) -> httpx.Response:
    """An answer in JSON."""
    return httpx.Response(status, json=json, headers={name.replace("_", "-"): value for name, value in headers.items()})


def problem(code: str, status: int, **headers: str) -> httpx.Response:
    """A refusal."""
    body = {"type": f"urn:reelscan:problem:{code}", "title": "T", "status": status, "detail": "D", "hint": "H"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status,
        json={**body, "code": code, "instance": "/"},
        headers={"Content-Type": "application/problem+json", **named},
    )


def make_client(answers: httpx.MockTransport, clock: Clock | None = None, tries: int = 5) -> Client:
    """A blocking client over these answers."""
    clock = clock or Clock()
    return Client(BASE_URL, TOKEN, retries=Retries(tries), transport=answers, sleep=clock.sleep, now=clock.now)


def in_async_client(
    answers: httpx.MockTransport,
    work: Callable[[AsyncClient], Coroutine[Any, Any, Any]],
    clock: Clock | None = None,
    base_url: str = BASE_URL,
    token: str = TOKEN,
) -> Any:
    """What `work` gives with an asynchronous client over these answers."""
    clock = clock or Clock()

    async def main() -> Any:
        async with AsyncClient(base_url, token, transport=answers, sleep=clock.sleep_async, now=clock.now) as client:
            return await work(client)

    return asyncio.run(main())

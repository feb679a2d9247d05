"""A client that notes of every request how long it took and whether its answer was one that was expected."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]
TIMEOUT_SECONDS = 30.0


@dataclass(slots=True)
class RouteTimes:
    """What came of one route."""

    milliseconds: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    """By status, or by name of the exception where there was none."""


class Recorder:
    """Sends requests for several threads; a route is known by its method and its template, as OpenAPI writes it."""

    def __init__(self, base_url: str, token: str, *, connections: int) -> None:
        self.http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        self._lock = threading.Lock()
        self._times: dict[tuple[str, str], RouteTimes] = {}

    def ask(
        self,
        route: str,
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Json | None = None,
        key: str | None = None,
        expect: tuple[int, ...] = (200,),
    ) -> Json:
        """The answer to `METHOD /template`, noted; nothing when there was none or it has no JSON.

        `key` is an Idempotency-Key: the same one again is answered as before, and costs no second worker.
        """
        method, _, template = route.partition(" ")
        headers = {"Idempotency-Key": key} if key else {}
        started = time.perf_counter()
        error, answer = "", None
        try:
            answer = self.http.request(
                method, template.format_map(dict(ids or {})), params=query, json=body, headers=headers
            )
        except httpx.HTTPError as failure:
            error = type(failure).__name__
        taken = (time.perf_counter() - started) * 1000
        if answer is not None and answer.status_code not in expect:
            error = str(answer.status_code)
        with self._lock:
            times = self._times.setdefault((method, template), RouteTimes())
            times.milliseconds.append(taken)
            if error:
                times.errors[error] = times.errors.get(error, 0) + 1
        if answer is None or not answer.headers.get("content-type", "").endswith("json") or not answer.content:
            return {}
        return dict(answer.json())

    def times(self) -> dict[tuple[str, str], RouteTimes]:
        """Of every route that was asked, so far."""
        with self._lock:
            return dict(self._times)

    def forget(self) -> None:
        """Begin anew: what was asked to set things up is no load."""
        with self._lock:
            self._times.clear()

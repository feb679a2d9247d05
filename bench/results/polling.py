"""`python -m bench.results.polling`: what many clients that poll one job cost the tables.

Simulated time, the real handlers: requests go through the Chalice app, on ports in memory, to several environments of
one function in turn, as a burst of clients is spread on Lambda. Every client polls once a second at a moment of its
own, and sends back the ETag that it was given. Reads are counted at the ports.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import JobState
from chalicelib.services.ports import Ports
from chalicelib.services.shared_reads import SharedReads
from tests.api.seed import seed_job
from tests.api.service import ACME, Service
from tests.fakes.make import LIMITS

STORES = ("videos", "jobs", "units", "submissions", "models", "results", "idempotency", "objects")


@dataclass(frozen=True, slots=True)
class Load:
    """How many ask whom for how long."""

    clients: int = 250
    environments: int = 4
    seconds: int = 60
    poll_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a load cost."""

    requests: int
    unchanged: int
    """Of them, answered 304."""
    reads_by_environment: tuple[int, ...]
    most_reads_in_a_second: int
    """Of any environment, in any second that begins with one of its reads."""
    cpu_milliseconds: float
    """Of one request: median."""


class _CountingStore:
    """A store that notes every call."""

    def __init__(self, store: Any, calls: list[float], clock: Any) -> None:
        self._store, self._calls, self._clock = store, calls, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._calls.append(self._clock.now().timestamp())
            return method(*arguments, **options)

        return call


def measure(load: Load) -> Cost:
    """Poll a job that makes progress every few seconds and ends after two thirds of the time."""
    service = Service(replace(LIMITS, poll_seconds=load.poll_seconds))
    job_id = seed_job(service, ACME, JobState.RUNNING).job_id
    clock = service.fakes.clock
    calls: list[list[float]] = [[] for _ in range(load.environments)]
    environments = [_environment(service.fakes.ports, load, noted, clock) for noted in calls]
    chance = random.Random(1)
    moments = sorted(
        (second + phase, client)
        for client, phase in enumerate(chance.random() for _ in range(load.clients))
        for second in range(load.seconds)
    )
    etags: dict[int, str] = {}
    statuses: Counter[int] = Counter()
    spent: list[float] = []
    now, ends_after = 0.0, load.seconds * 2 / 3
    for moment, client in moments:
        clock.advance(moment - now)
        if now <= ends_after < moment:
            _end(service.fakes.ports, job_id)
        now = moment
        service.ports = chance.choice(environments)
        headers = {"If-None-Match": etags[client]} if client in etags else {}
        begun = time.process_time()
        answer = service.call("GET", f"/jobs/{job_id}", headers=headers)
        spent.append(time.process_time() - begun)
        statuses[answer.status] += 1
        etags[client] = answer.headers["etag"]
    return Cost(
        len(moments),
        statuses[304],
        tuple(len(noted) for noted in calls),
        max((_most_in_a_second(noted) for noted in calls if noted), default=0),
        sorted(spent)[len(spent) // 2] * 1000,
    )


def _environment(ports: Ports, load: Load, calls: list[float], clock: Any) -> Ports:
    counted: dict[str, Any] = {name: _CountingStore(getattr(ports, name), calls, clock) for name in STORES}
    return replace(ports, polled=SharedReads(load.poll_seconds), **counted)


def _end(ports: Ports, job_id: str) -> None:
    job = ports.jobs.get(ACME, JobId(job_id))
    assert job is not None
    ports.jobs.save(replace(job, state=JobState.SUCCEEDED, finished_at=ports.clock.now()), None)


def _most_in_a_second(moments: list[float]) -> int:
    most = end = 0
    for first, moment in enumerate(moments):
        end = max(end, first)
        while end < len(moments) and moments[end] < moment + 0.999:
            end += 1
        most = max(most, end - first)
    return most


def main() -> None:
    """Print the table of docs/results.md."""
    columns = ("clients", "environments", "shared for", "requests", "304", "table reads")
    print("|", " | ".join((*columns, "most of one environment in 1 s", "CPU of a request")), "|")
    print("|---" * 8 + "|")
    for load in (Load(), Load(environments=1), Load(poll_seconds=0.0)):
        cost = measure(load)
        print(
            f"| {load.clients} | {load.environments} | {load.poll_seconds:g} s | {cost.requests} | {cost.unchanged}"
            f" | {sum(cost.reads_by_environment)} | {cost.most_reads_in_a_second} | {cost.cpu_milliseconds:.2f} ms |"
        )


if __name__ == "__main__":
    main()

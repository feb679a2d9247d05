"""`python -m bench.results.serving`: requests at a steady rate, through the real handlers, ports in memory.

Requests come at random moments, 300 a second on average, to one environment that takes them one after the other, as a
function does. Each is of a kind drawn by the weights below. The time of the handler is that of the whole request
without the wait for the ones before it, which is told beside it; its CPU is what counts on a machine that does other
work too. The job is that of `bench.results.page_cpu`.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import time
from dataclasses import replace
from typing import Any

from bench.results.page_cpu import SECONDS, make_service
from bench.results.paging import DAY
from bench.results.synthetic_job import SyntheticJob
from tests.api.service import Service
from tests.fakes.make import LIMITS

KINDS = {
    "first page, limit 100": 30,
    "next page, limit 100": 20,
    "page, limit 1000": 10,
    "page of a label": 15,
    "page of a track": 10,
    "query": 5,
    "poll of the job": 10,
}
"""Weights: how many of a hundred requests."""
QUERY = 'detections where label = "person" and score >= 0.5 and time in [60s, 90s)'


class _Client:
    """Asks; remembers the cursor that it was given last."""

    def __init__(self, service: Service, job: SyntheticJob) -> None:
        self._service = service
        self._path = f"/jobs/{job.job.job_id}"
        self._chance = random.Random(2)
        self._next: dict[str, Any] = {}

    def ask(self, kind: str) -> int:
        """Send a request of this kind; its status."""
        start = {"from": f"{self._chance.uniform(0, SECONDS / 2):.3f}"}
        path = f"{self._path}/detections"
        query: dict[str, Any] = start | {"limit": 100}
        match kind:
            case "next page, limit 100":
                query = self._next or query
            case "page, limit 1000":
                query = start | {"limit": 1000}
            case "page of a label":
                query = start | {"label": self._chance.choice(("person", "truck", "comet"))}
            case "page of a track":
                query = {"track_id": self._chance.randrange(1, 20_000)}
            case "query":
                path, query = f"{self._path}/query", {"q": QUERY}
            case "poll of the job":
                path, query = self._path, {}
        answer = self._service.call("GET", path, query=query)
        if kind in ("first page, limit 100", "next page, limit 100") and (cursor := answer.json["next_cursor"]):
            self._next = {**query, "cursor": cursor}
        return answer.status


def main() -> None:
    """Print the table of docs/results.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.results.serving", description=__doc__)
    parser.add_argument("--rate", type=float, default=300, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    job = SyntheticJob(seconds=SECONDS, detections_per_second=100_000_000 / DAY)
    client = _Client(make_service(job, replace(LIMITS, poll_seconds=1.0)), job)
    for kind in KINDS:
        client.ask(kind)
    # What the bench itself holds is no part of a function's heap, and must not be walked for every page.
    gc.collect()
    gc.freeze()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, cpu, waited, statuses = _serve(client, arguments.rate, arguments.seconds)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / before_kib
    print("| request | number | median ms | p95 ms | p99 ms | CPU: median ms | p95 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {len(taken[kind])} | {_quantiles(taken[kind])} | {_quantiles(cpu[kind])} |")
    every = [spent for times in taken.values() for spent in times]
    every_cpu = [spent for times in cpu.values() for spent in times]
    print(f"| **all** | {len(every)} | {_quantiles(every)} | {_quantiles(every_cpu)} |")
    print(f"| … with the wait for those before | {len(waited)} | {_quantiles(waited)} | | | |")
    print(f"\n{len(every) / arguments.seconds:.0f} requests a second; statuses {statuses}; memory grew by {grown:.1%}")


def _serve(
    client: _Client, rate: float, seconds: float
) -> tuple[dict[str, list[float]], dict[str, list[float]], list[float], dict[int, int]]:
    """Milliseconds of the handlers by kind, by the clock and of CPU; of each request from its arrival to its end.

    And how many of each status.
    """
    chance = random.Random(1)
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    cpu: dict[str, list[float]] = {kind: [] for kind in KINDS}
    waited: list[float] = []
    statuses: dict[int, int] = {}
    begun = time.perf_counter()
    arrival = 0.0
    while (arrival := arrival + chance.expovariate(rate)) < seconds:
        [kind] = chance.choices(list(KINDS), list(KINDS.values()))
        time.sleep(max(0.0, begun + arrival - time.perf_counter()))
        start, cpu_before = time.perf_counter(), time.process_time()
        status = client.ask(kind)
        end, cpu_after = time.perf_counter(), time.process_time()
        taken[kind].append((end - start) * 1000)
        cpu[kind].append((cpu_after - cpu_before) * 1000)
        waited.append((end - begun - arrival) * 1000)
        statuses[status] = statuses.get(status, 0) + 1
    return taken, cpu, waited, statuses


def _quantiles(times: list[float]) -> str:
    times = sorted(times)
    return " | ".join(f"{times[int(len(times) * share)]:.1f}" for share in (0.5, 0.95, 0.99))


if __name__ == "__main__":
    main()

"""`python -m bench.results.paging`: what a page of results costs, for videos of a minute, an hour and a day.

The real use cases and adapters read from a DynamoDB client in memory (`bench/results/metered.py`) that counts read
units of 4 KB as DynamoDB does; what it gives back is a job in the real formats (`bench/results/synthetic_job.py`).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from bench.results.metered import Meter, MeteredClient
from bench.results.synthetic_job import META, RESULTS, SyntheticJob
from chalicelib.adapters.job_store import DynamoJobStore
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.result_store import DynamoResultStore
from chalicelib.adapters.table import Table
from chalicelib.adapters.video_store import DynamoVideoStore
from chalicelib.services import jobs, results
from chalicelib.services.ports import Ports
from chalicelib.services.results import DetectionQuery
from tests.fakes.make import make_ports

LENGTHS = {"1 min": 60, "1 h": 3600, "24 h": 24 * 3600}
DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    name: str
    query: DetectionQuery
    limit: int = 100
    pages: int = 1
    """Pages that are read; the dearest counts."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the dearest page of a question cost."""

    meter: Meter
    found: int
    cpu_milliseconds: float


def questions(job: SyntheticJob) -> list[Question]:
    """The same questions of a video of any length."""
    middle = Fraction(job.seconds, 2)
    return [
        Question("first page", DetectionQuery()),
        Question("first page, limit 1000", DetectionQuery(), limit=1000),
        Question("from the middle on", DetectionQuery(from_seconds=middle)),
        Question("a common label", DetectionQuery(label="car")),
        Question("a label that is there once", DetectionQuery(label="comet")),
        Question("a label once in each cell, limit 1000", DetectionQuery(label="lamp"), limit=1000),
        Question("a track", DetectionQuery(track_id=job.tracks // 2)),
        Question("a track that there is not", DetectionQuery(track_id=job.tracks + 1000)),
        Question("score_min 0.99", DetectionQuery(score_min=0.99)),
        Question("a walk of 20 pages", DetectionQuery(), limit=1000, pages=20),
    ]


def ports_over(client: MeteredClient) -> Ports:
    """The real adapters over a client."""
    wire: Any = client
    meta, stored = Table(wire, META), Table(wire, RESULTS)
    return replace(
        make_ports(),
        videos=DynamoVideoStore(meta),
        jobs=DynamoJobStore(meta),
        models=DynamoModelRegistry(meta),
        results=DynamoResultStore(stored),
    )


def measure(job: SyntheticJob, question: Question) -> Cost:
    """Ask it, page by page."""
    client = MeteredClient(job.find)
    ports = ports_over(client)
    cursor, dearest = None, None
    for _ in range(question.pages):
        client.meter = Meter()
        begun = time.process_time()
        asked = jobs.get_job_to_read(ports, job.job.tenant, job.job.job_id)
        page, cursor = results.find_detections(ports, asked, question.query, limit=question.limit, cursor=cursor)
        cost = Cost(client.meter, len(page), (time.process_time() - begun) * 1000)
        if dearest is None or cost.meter.units > dearest.meter.units:
            dearest = cost
        if cursor is None:
            break
    assert dearest is not None
    return dearest


def measure_tracks(job: SyntheticJob, **window: Any) -> Cost:
    """A page of tracks."""
    client = MeteredClient(job.find)
    ports = ports_over(client)
    asked = jobs.get_job_to_read(ports, job.job.tenant, job.job.job_id)
    options: dict[str, Any] = {"label": None, "from_seconds": None, "to_seconds": None, **window}
    page, _, _ = results.find_tracks(ports, asked, limit=100, cursor=None, **options)
    return Cost(client.meter, len(page), 0.0)


def rows_of(detections: int) -> list[tuple[str, list[Cost]]]:
    """By question the costs for each length, at the density that a day with so many detections has."""
    made = [SyntheticJob(seconds=seconds, detections_per_second=detections / DAY) for seconds in LENGTHS.values()]
    print(
        f"\n{detections:,} detections a day: "
        + "; ".join(
            f"{name}: {job.detections:,} detections, {len(job.segments):,} segments, {job.tracks:,} tracks"
            for name, job in zip(LENGTHS, made, strict=True)
        )
    )
    asked = [questions(job) for job in made]
    rows = [
        (same[0].name, [measure(job, question) for job, question in zip(made, same, strict=True)])
        for same in zip(*asked, strict=True)
    ]
    middles = [Fraction(job.seconds, 2) for job in made]
    rows.append(("tracks", [measure_tracks(job) for job in made]))
    windows = zip(made, middles, strict=True)
    rows.append(("tracks of a label in the middle", [_in_the_middle(job, middle) for job, middle in windows]))
    return rows


def _in_the_middle(job: SyntheticJob, middle: Fraction) -> Cost:
    return measure_tracks(job, label="car", from_seconds=middle, to_seconds=middle + 10)


def to_markdown(rows: Sequence[tuple[str, list[Cost]]]) -> str:
    """The table of docs/results.md: read units, and requests to DynamoDB in brackets."""
    lines = [f"| question | {' | '.join(LENGTHS)} |", "|---" * (len(LENGTHS) + 1) + "|"]
    for name, costs in rows:
        cells = [f"{cost.meter.units:g} ({cost.meter.requests}), {cost.found} found" for cost in costs]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure both densities and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench.results.paging", description=__doc__)
    parser.add_argument("--detections", type=int, nargs="*", default=[1_000_000, 100_000_000], help="in a day")
    parser.add_argument("--kinds", action="store_true", help="also say which kinds of items the units went to")
    arguments = parser.parse_args()
    begun = time.process_time()
    for detections in arguments.detections:
        rows = rows_of(detections)
        print(to_markdown(rows))
        if arguments.kinds:
            for name, costs in rows:
                print(f"{name}: {costs[-1].meter.units_by_kind}, {costs[-1].cpu_milliseconds:.1f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{time.process_time() - begun:.0f} s of CPU, {peak:.0f} MB at the peak")


if __name__ == "__main__":
    main()

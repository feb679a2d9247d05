"""A job and what it found, put into words for a person."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from reelscan import Client, Problem, ReelscanError
from reelscan.records import Job
from tools.demo.terminal import Terminal

Json = dict[str, Any]

MEGABYTE = 1_000_000

EXAMPLE_SECONDS = 2.0
EXAMPLE_SCORE_MIN = 0.5
EXAMPLE_LIMIT = 3


def describe_progress(job: Job) -> str:
    """`RUNNING, 3 of 5 segments`."""
    progress = job.progress
    words = job.state
    if progress.segments_total:
        words += f", {progress.segments_done} of {progress.segments_total} segments"
    if progress.segments_failed:
        words += f", {progress.segments_failed} failed"
    return words


def show_failure(job: Job, terminal: Terminal) -> None:
    """Why a job has no results: code, cause and hint, as the service gives them."""
    what = f"The job ended {job.state}"
    if job.error is None:
        terminal.failure(what, "it was cancelled", "Start it again")
    else:
        terminal.failure(f"{what}: {job.error.code}, {job.error.title}", job.error.detail, job.error.hint)


def show_refusal(error: ReelscanError, terminal: Terminal) -> None:
    """What was refused, or did not answer."""
    what = f"{error.code}: {error.title}" if isinstance(error, Problem) else "It did not work"
    terminal.failure(what, error.detail, error.hint)


def show_gaps(job: Job, terminal: Terminal) -> None:
    """Why a job has fewer segments, or fewer seconds, than was asked for."""
    if job.plan and job.plan.reason:
        terminal.note(f"one segment only: {job.plan.reason}")
    for gap in job.missing or ():
        terminal.failure(
            f"Missing {gap.start_seconds:.2f} to {gap.end_seconds:.2f} s: {gap.error.code}, {gap.error.title}",
            gap.error.detail,
            gap.error.hint,
        )


def show_findings(summary: Json, terminal: Terminal) -> None:
    """The table: per label how often, when, how sure."""
    terminal.step(
        "Found",
        f"{summary['detections']:,} detections and {summary['tracks']:,} tracks"
        f" in {summary['frames_analyzed']:,} frames",
    )
    rows = [
        (
            row["label"],
            f"{row['detections']:,}",
            f"{row['tracks']:,}",
            f"{row['first_seconds']:.2f} s",
            f"{row['last_seconds']:.2f} s",
            f"{row['score_max']:.2f}",
        )
        for row in summary["labels"]
    ]
    if rows:
        terminal.line()
        terminal.table(("label", "detections", "tracks", "first seen", "last seen", "best score"), rows)
        terminal.line()


def show_cost(job: Job, terminal: Terminal) -> None:
    """What the job would have cost on AWS: one line, at the prices that it was quoted with."""
    cost = job.cost
    if cost is None or cost.actual_usd is None:
        return
    parts, seconds = cost.parts, cost.cpu_seconds
    terminal.step(
        "On AWS",
        f"about ${cost.actual_usd:.6f}: {seconds.actual:.1f} CPU seconds of workers ${parts.workers_usd:.6f},"
        f" tables ${parts.tables_usd:.6f}, functions ${parts.functions_usd:.6f},"
        f" objects ${parts.objects_usd:.6f}",
    )
    terminal.note(
        f"quoted {seconds.quote:.1f} CPU seconds and ${cost.quote_usd:.6f}; prices of {cost.prices_dated},"
        " requests estimated (docs/costs.md)"
    )


def show_query(client: Client, job: Job, summary: Json, terminal: Terminal) -> None:
    """One question to the API, as curl would put it, and its answer."""
    if not summary["labels"]:
        return
    query = _example_query(summary["labels"][0])
    url = f"{client.base_url}/jobs/{job.job_id}/detections?{urlencode(query)}"
    terminal.step(
        "Query", f"{query['label']} from {query['from']} s to {query['to']} s, score {query['score_min']} or better"
    )
    terminal.note(f'curl -H "Authorization: Bearer $TOKEN" {shlex.quote(url)}')
    page = client.jobs.detections(
        job,
        label=query["label"],
        from_seconds=query["from"],
        to_seconds=query["to"],
        score_min=query["score_min"],
        limit=query["limit"],
    ).page()
    for item in page.items:
        terminal.note(json.dumps(asdict(item)))
    rest = "more with &cursor=<next_cursor>" if page.next_cursor else "and no more"
    terminal.note(f"items on this page: {len(page.items)}, {rest}")


def _example_query(found: Json) -> Json:
    """The middle of the longest time in which the label is seen: it has the best chance of a good score."""
    first, last = max(found["ranges"], key=lambda seen: float(seen[1] - seen[0]))
    begin = round(max(0.0, (first + last - EXAMPLE_SECONDS) / 2), 1)
    return {
        "label": found["label"],
        "from": begin,
        "to": round(begin + EXAMPLE_SECONDS, 1),
        "score_min": min(EXAMPLE_SCORE_MIN, round(found["score_max"] - 0.05, 1)),
        "limit": EXAMPLE_LIMIT,
    }

"""What the tests that kill workers share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.local.stack import LocalStack, StackOptions
from tests.flow.faulty_worker import FOLDER_VARIABLE, Faults
from tests.flow.tenant import Json, Tenant, canonical

DONE_WITHIN_SECONDS = 60
MAX_CLAIMS = 3
SEGMENTS = 5
FRAMES = 50
"""Five a second of the ten seconds of the clip."""


@contextmanager
def running(folder: Path, faults: Faults, **options: Any) -> Iterator[LocalStack]:
    """A stack whose workers are killed as `faults` says.

    Segments of a child go one after the other, on any machine: a kill costs one attempt, of the segment that was meant.
    """
    command = (sys.executable, "-m", "tests.flow.faulty_worker")
    environment = {FOLDER_VARIABLE: str(faults.folder)}
    chosen = StackOptions(out=folder, slots=2, cores=2, worker_command=command, worker_environment=environment)
    with LocalStack(replace(chosen, **options)) as stack:
        yield stack


def start(tenant: Tenant, bikes: Path) -> str:
    """A job of `SEGMENTS` segments and `FRAMES` frames."""
    return tenant.analyze(bikes, segment_seconds=2, sampling={"kind": "per_second", "n": 5})


def results(tenant: Tenant, job_id: str) -> bytes:
    """All detections and tracks."""
    return canonical([*tenant.all_items(job_id), *tenant.pages(f"/jobs/{job_id}/tracks")])


def attempts(tenant: Tenant, job_id: str) -> list[int]:
    """Claims, by segment."""
    return [segment["attempt"] for segment in tenant.segments(job_id)]


def seconds_after_the_kill(faults: Faults, job: Json) -> float:
    """How long after the one kill the job had ended."""
    [killed_at] = faults.strikes()
    return datetime.fromisoformat(job["finished_at"]).timestamp() - killed_at

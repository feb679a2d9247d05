"""What a job took that ends without a finish, which would have summed it up: failed, out of time or cancelled."""

from __future__ import annotations

from chalicelib.domain.jobs import Job
from chalicelib.domain.units import UnitKind
from chalicelib.domain.usage import NOTHING, JobUsage
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports

SEGMENTS_PER_READ = 500


def usage_of_units(ports: Ports, job: Job) -> JobUsage:
    """What the units of the job left, once all of them have ended; a worker that was stopped at one told nothing."""
    owner = owner_of(job)
    analysis, claimed, total, after = NOTHING, 0, 0, -1
    while page := ports.units.list_segments(owner, after, SEGMENTS_PER_READ):
        for segment, unit in page:
            analysis, claimed, total = analysis + unit.usage, claimed + (unit.attempt > 0), total + 1
            after = segment.index
    finish = ports.units.get(owner, UnitKind.FINISH)
    return JobUsage(analysis, finish.usage if finish else NOTHING, share=claimed / total if total else 0.0)

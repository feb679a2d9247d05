"""Rates from finished jobs: what one took tells what the next will."""

from __future__ import annotations

from aws_lambda_powertools import Logger

from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.receipts import observe_job, observe_probe
from chalicelib.domain.units import UnitKind
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports
from chalicelib.services.pricing import get_rates, work_of

logger = Logger(service="reelscan", child=True)


def learn(ports: Ports, job: Job) -> None:
    """Take note of what the job's workers took; told again, it changes nothing."""
    if job.state not in (JobState.SUCCEEDED, JobState.PARTIAL) or job.usage is None or job.plan is None:
        return
    video = ports.videos.get(job.tenant, job.video_id)
    manifests = [ports.models.get(job.tenant, ref.sha256) for ref in job.models]
    known = [manifest for manifest in manifests if manifest is not None]
    work = work_of(ports, video, job.request.sampling, known, segments=job.plan.segments) if video else None
    if video is None or work is None or len(known) < len(manifests):
        return
    probe = ports.units.get(owner_of(video), UnitKind.PROBE)
    seen = observe_job(job.job_id, work, job.usage, get_rates(ports, job.tenant))
    if probe is not None:
        seen |= observe_probe(video.video_id, probe.usage)
    ports.rates.add(job.tenant, seen)
    logger.info("rates learned", job_id=job.job_id, cpu_seconds=round(job.usage.cpu_seconds, 3), rates=len(seen))

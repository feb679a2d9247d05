"""The lane of what is about to be sent: `domain/lanes.py`, with the facts that it asks for."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain import lanes
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job
from chalicelib.domain.model_versions import ModelVersion, Trial
from chalicelib.domain.models import Manifest
from chalicelib.domain.renditions import RenditionRequest, encoded_pixels
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.domain.videos import Video
from chalicelib.domain.work import Work, count_work
from chalicelib.services.ports import Ports


def choose_probe_lane(ports: Ports, video: Video) -> Lane:
    """Where a video is probed."""
    return lanes.lane_of_probe(video.source.size_bytes) if ports.limits.has_fast_lane else Lane.CPU


def choose_admission_lane(ports: Ports, version: ModelVersion) -> Lane:
    """Where a model is admitted."""
    return lanes.lane_of_admission(version.source.size_bytes) if ports.limits.has_fast_lane else Lane.CPU


def choose_analysis_lane(ports: Ports, video: Video, sampling: Sampling, manifests: Sequence[Manifest]) -> Lane:
    """Where a job on this video is analysed; the same at any time, whatever is stored or was measured."""
    work = _work_of(video, sampling, manifests) if ports.limits.has_fast_lane else None
    if work is None:
        return ports.limits.analyze_lane
    trials = {manifest.sha256: _trial_of(ports, video.tenant, manifest) for manifest in manifests}
    return lanes.lane_of_analysis(
        work, ports.limits.analyze_lane, {sha256: trial for sha256, trial in trials.items() if trial}
    )


def choose_finish_lane(ports: Ports, job: Job) -> Lane:
    """Where a job is finished."""
    work = _work_of_job(ports, job) if ports.limits.has_fast_lane else None
    return lanes.lane_of_finish(work) if work else Lane.CPU


def choose_step_lane(ports: Ports, job: Job, kind: UnitKind) -> Lane:
    """Where a side step of a job is done."""
    work = _work_of_job(ports, job) if ports.limits.has_fast_lane else None
    return lanes.lane_of_side_step(work, kind) if work else Lane.CPU


def choose_rendition_lane(ports: Ports, video: Video, request: RenditionRequest, sampling: Sampling) -> Lane:
    """Where a rendition of a video is made."""
    work = rendition_work(video, sampling, Lane.FAST) if ports.limits.has_fast_lane else None
    if work is None or video.media is None:
        return Lane.CPU
    return lanes.lane_of_rendition(work, encoded_pixels(request, video.media))


def rendition_work(video: Video, sampling: Sampling, lane: Lane) -> Work | None:
    """What a rendition takes that shows the frames of this sampling; None for a video that was not probed."""
    work = _work_of(video, sampling, ())
    return work and work.on_lane(lane, children=1)


def _work_of_job(ports: Ports, job: Job) -> Work | None:
    video = ports.videos.get(job.tenant, job.video_id)
    # A finish and its like open no model.
    return _work_of(video, job.request.sampling, ()) if video else None


def _work_of(video: Video, sampling: Sampling, manifests: Sequence[Manifest]) -> Work | None:
    """All of a video, a segment for each of its cells; None for one that was not probed."""
    if video.media is None or video.index is None:
        return None
    segments = max(1, video.index.cell_count)
    return count_work(video.media, video.index, sampling, manifests, lane=Lane.FAST, segments=segments, children=1)


def _trial_of(ports: Ports, tenant: TenantId, manifest: Manifest) -> Trial | None:
    """What the admission measured of a tenant's own model; a public one has none."""
    model = ports.models.find(tenant, manifest.sha256)
    record = ports.models.get_record(tenant, model.model_id) if model and model.model_id else None
    return record.trial if record else None

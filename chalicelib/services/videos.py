"""Reading, playing and deleting videos."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from chalicelib.contracts import object_keys
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId, is_id
from chalicelib.domain.jobs import Job
from chalicelib.domain.units import UnitState
from chalicelib.domain.videos import UploadKind, Video, VideoState
from chalicelib.services.budgets import settle
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import cancel_job, forget_job
from chalicelib.services.ports import Ports
from chalicelib.services.side_steps import DELETED, VIDEO_DELETED, end_side_steps
from chalicelib.services.take_over import forbid_take_over

logger = Logger(service="reelscan", child=True)

JOBS_PER_READ = 50


def get_video(ports: Ports, tenant: TenantId, video_id: str) -> Video:
    """The video.

    Raises:
        NotFound: this tenant has no such video.
    """
    video = ports.videos.get(tenant, VideoId(video_id)) if is_id("vid", video_id) else None
    if video is None:
        raise NotFound(f"there is no video {video_id}")
    return video


def list_videos(ports: Ports, tenant: TenantId, after: str | None, limit: int) -> Sequence[Video]:
    """The tenant's videos, newest first."""
    return ports.videos.list(tenant, VideoId(after) if after else None, limit)


def source_url(ports: Ports, video: Video) -> tuple[str, datetime]:
    """A URL that plays exactly the bytes that were analysed, and when it ends.

    Raises:
        Conflict: the upload has not been accepted.
    """
    if video.state not in (VideoState.UPLOADED, VideoState.READY):
        raise Conflict(f"video {video.video_id} has no source to play: it is {video.state}")
    seconds = ports.limits.download_seconds
    source = video.source
    url = ports.objects.presign_get(source.bucket, source.key, version_id=source.version_id, seconds=seconds)
    return url, ports.clock.now() + timedelta(seconds=seconds)


def delete_video(ports: Ports, video: Video) -> None:
    """Forget a video: its jobs and renditions end, their results are gone at once, and its bytes are deleted.

    Bytes that were imported stay where they were.
    """
    tenant = video.tenant
    # Before the jobs that they name; none is made after this.
    ports.versions.drop(tenant, video.video_id)
    end_side_steps(ports, video, UnitState.CANCELLED, VIDEO_DELETED)
    after: JobId | None = None
    while jobs := ports.jobs.list_for_video(tenant, video.video_id, after, JOBS_PER_READ):
        for job in jobs:
            if not job.is_terminal:
                _end_job(ports, job)
            end_side_steps(ports, job, UnitState.CANCELLED, DELETED)
            settle(ports, owner_of(job))
            forbid_take_over(ports, job)
            ports.results.drop_job(tenant, job.job_id)
            ports.objects.delete_prefix(object_keys.job_prefix(tenant, job.job_id))
            ports.jobs.delete(job)
            forget_job(ports, tenant, job.job_id)
        after = jobs[-1].job_id
    if video.upload.kind is UploadKind.MULTIPART and video.state is VideoState.AWAITING_UPLOAD:
        ports.objects.abort_multipart(video.source.key, video.upload.upload_id)
    ports.objects.delete_prefix(object_keys.video_prefix(tenant, video.video_id))
    if video.source.content_digest:
        ports.results.drop_reference(tenant, video.source.content_digest, video.video_id)
    settle(ports, owner_of(video))
    ports.videos.delete(video)
    logger.info("video deleted", video_id=video.video_id)


def _end_job(ports: Ports, job: Job) -> None:
    try:
        cancel_job(ports, job)
    except Conflict:
        # It ended by itself in the meantime, which is as good.
        logger.info("job had ended", job_id=job.job_id)

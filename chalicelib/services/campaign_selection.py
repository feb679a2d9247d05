"""Which videos a campaign takes: pages of the tenant's videos, of which those are kept that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.campaigns import Selection
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.videos import Video
from chalicelib.services.campaign_work import find_current, has_results, labels_of
from chalicelib.services.ports import Ports

VIDEOS_PER_PAGE = 100
READ_INTO_PER_PAGE = 25
"""Where results are asked for: each video takes up to five reads more, one after the other. A step is to take a second,
since the table's stream tells of everything else behind it (docs/campaigns.md has the measure)."""
JOBS_PER_VIDEO = 10
"""The newest: among them the newest one that has finished is looked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page came to."""

    videos: Sequence[Video]
    """Those that fit, newest first."""
    looked_to: VideoId | None
    """The last one that was looked at; None when there is nothing left to look at."""
    looked: int
    """How many were looked at."""


def select_page(
    ports: Ports,
    tenant: TenantId,
    selection: Selection,
    pipeline_name: str,
    nominal_at: datetime,
    after: VideoId | None,
) -> Page:
    """The videos older than `after` that fit, among the next page of the tenant's (or of the list)."""
    limit = READ_INTO_PER_PAGE if selection.asks_for_results else VIDEOS_PER_PAGE
    if selection.video_ids:
        ids = sorted({one for one in selection.video_ids if after is None or one < after}, reverse=True)
        wanted = ids[:limit]
        found = ports.videos.get_many(tenant, wanted)
        looked, page = wanted, [found[video_id] for video_id in wanted if video_id in found]
    else:
        page = list(ports.videos.list(tenant, after, limit))
        looked = [video.video_id for video in page]
    fitting = [video for video in page if selection.fits(video, nominal_at)]
    jobs = _newest_jobs(ports, tenant, selection, fitting)
    kept = [
        video for video in fitting if _fit_results(ports, selection, pipeline_name, video, jobs.get(video.video_id, ()))
    ]
    return Page(kept, looked[-1] if len(looked) == limit else None, len(looked))


def _newest_jobs(
    ports: Ports, tenant: TenantId, selection: Selection, videos: Sequence[Video]
) -> dict[VideoId, Sequence[Job]]:
    """Of each video, read together; nothing when nobody asks what its jobs say."""
    if not (selection.failed_only or selection.label_seen) or not videos:
        return {}
    return dict(ports.jobs.list_newest(tenant, [video.video_id for video in videos], JOBS_PER_VIDEO))


def _fit_results(ports: Ports, selection: Selection, pipeline_name: str, video: Video, jobs: Sequence[Job]) -> bool:
    if selection.failed_only and not (jobs and jobs[0].state in (JobState.FAILED, JobState.PARTIAL)):
        return False
    age = selection.pipeline_older_than
    if age is not None:
        current = find_current(ports, video, age.name)
        if current is not None and current.pipeline is not None and current.pipeline.version >= age.version:
            return False
    if selection.label_seen is None:
        return True
    seen = find_current(ports, video, pipeline_name) or next((job for job in jobs if has_results(job)), None)
    return seen is not None and selection.label_seen in labels_of(seen)

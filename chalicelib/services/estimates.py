"""What a job on a probed video will cost: planned as it will be, with what is stored already taken off."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.contracts.sample_table import unpack_cells
from chalicelib.domain.costs import Quote
from chalicelib.domain.errors import Conflict
from chalicelib.domain.jobs import JobRequest
from chalicelib.domain.models import Manifest
from chalicelib.domain.segments import Segment, plan_segments
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.ports import Ports
from chalicelib.services.pricing import make_quote, work_of
from chalicelib.services.reuse import find_reuse_of_plan


def estimate_job(ports: Ports, video: Video, request: JobRequest, manifests: Sequence[Manifest]) -> Quote:
    """The quote for a job; `manifests` are those of `request.models`, in order. Starts and records nothing.

    Raises:
        Conflict: the video has not been probed, so nobody knows how much there is to do.
    """
    if video.state is not VideoState.READY or video.media is None or video.index is None:
        raise Conflict(
            f"video {video.video_id} must be READY to be quoted but is {video.state}",
            hint="Upload it, and ask again when GET /videos/{video_id} says READY: the probe takes seconds",
        )
    cells = unpack_cells(ports.objects.get(video.index.cells_key))
    segments = plan_segments(cells, video.media.timebase, request.segment_seconds)
    return estimate_plan(ports, video, request, manifests, segments)


def estimate_plan(
    ports: Ports,
    video: Video,
    request: JobRequest,
    manifests: Sequence[Manifest],
    segments: Sequence[Segment],
    *,
    may_take_over: bool = True,
) -> Quote:
    """As `estimate_job`, for a job that is planned; one that `may_take_over` nothing starts workers in any case."""
    reuse = find_reuse_of_plan(ports, video, request, manifests, segments)
    work = work_of(ports, video, request.sampling, manifests, segments=len(segments), stored=reuse.stored_by_model)
    if work is None:
        raise AssertionError(f"video {video.video_id} was planned without a probe")
    reused = frozenset.intersection(*reuse.stored_by_model) if reuse.stored_by_model else frozenset()
    return make_quote(
        ports,
        video.tenant,
        work,
        cells=reuse.cells,
        cells_reused=len(reused),
        is_taken_over=may_take_over and reuse.source_job is not None,
    )

"""`client.jobs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, Unpack

from reelscan.detections import Detections
from reelscan.diffs import add
from reelscan.pages import Pages
from reelscan.records import (
    AppearanceItem,
    BucketItem,
    Change,
    DetectionItem,
    Diff,
    DwellItem,
    Job,
    JobEvent,
    JobForm,
    PairItem,
    Quote,
    Segment,
    Track,
    TrackItem,
    TracksForm,
    TrackVersion,
    Video,
)
from reelscan.resources.base import PAGE_LIMIT, Part
from reelscan.waiting import ended, id_of, wait_until
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)

TERMINAL = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"})

FoundItem = DetectionItem | TrackItem | AppearanceItem | PairItem | BucketItem | DwellItem
FOUND_BY_KIND: dict[str, type[Any]] = {
    "detections": DetectionItem,
    "tracks": TrackItem,
    "appearances": AppearanceItem,
    "pairs": PairItem,
    "buckets": BucketItem,
    "dwells": DwellItem,
}


class Jobs(Part[W_co]):
    """Analyses of videos, and what they found."""

    @operation
    async def start(self, video: Video | str, **analysis: Unpack[JobForm]) -> Job:
        """Start an analysis: `models=["nanodet-g"]`, or `pipeline="people"`.

        Raises:
            LimitExceeded: more than `max_cost_usd` or the budget.
        """
        path = f"/videos/{id_of(video, 'video_id')}/jobs"
        return await self._connection.post(path, dict(analysis), Job, "job")

    @operation
    async def quote(self, video: Video | str, **analysis: Unpack[JobForm]) -> Quote:
        """What that analysis would cost; starts nothing."""
        path = f"/videos/{id_of(video, 'video_id')}/jobs"
        return await self._connection.post(path, dict(analysis), Quote, "quote", {"dry_run": True})

    def list(self, video: Video | str) -> Pages[W_co, Job]:
        """The jobs of a video, newest first."""
        return self._pages(f"/videos/{id_of(video, 'video_id')}/jobs", Job)

    @operation
    async def get(self, job: Job | str) -> Job:
        """The job as it is now."""
        return await self._connection.get(_path(job), Job, "job")

    @operation
    async def wait(
        self,
        job: Job | str,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
        poll_seconds: float | None = None,
    ) -> Job:
        """The job, once it has ended, well or not; `on_progress` hears of each change.

        The service is asked as often as it wants to be, or every `poll_seconds` where that is sooner.

        Raises:
            WaitTimeout: not within the time; the job goes on.
        """
        return await wait_until(
            self._connection,
            _path(job),
            Job,
            "job",
            is_over=ended(TERMINAL),
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            poll_seconds=poll_seconds,
        )

    @operation
    async def cancel(self, job: Job | str) -> Job:
        """Have it end; results of segments that are done stay."""
        return await self._connection.post(f"{_path(job)}/cancel", {}, Job, "job")

    @operation
    async def retry(self, job: Job | str) -> Job:
        """Do the segments again that failed, and no others."""
        return await self._connection.post(f"{_path(job)}/retry", {}, Job, "job")

    def segments(self, job: Job | str) -> Pages[W_co, Segment]:
        """The parts that the job is cut into, each with its state."""
        return self._pages(f"{_path(job)}/segments", Segment)

    def events(self, job: Job | str, *, after: int | None = None) -> Pages[W_co, JobEvent]:
        """What happened to the job, numbered by `seq` without a gap; `after` reads on from a number."""
        return self._pages(f"{_path(job)}/events", JobEvent, {"after": after})

    def detections(
        self,
        job: Job | str,
        *,
        label: str | None = None,
        model: str | None = None,
        from_seconds: float | None = None,
        to_seconds: float | None = None,
        score_min: float | None = None,
        track_id: int | None = None,
        track_version: int | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Detections[W_co]:
        """What was found, in order of time; `from_seconds` ≤ t < `to_seconds`.

        `score_min` unset is the model's default threshold, 0 is all that was stored. `limit` is that of a page.
        """
        query = {
            "label": label,
            "model": model,
            "from": from_seconds,
            "to": to_seconds,
            "score_min": score_min,
            "track_id": track_id,
            "track_version": track_version,
            "limit": limit,
        }
        return Detections(self._connection, f"{_path(job)}/detections", query)

    def tracks(
        self,
        job: Job | str,
        *,
        label: str | None = None,
        from_seconds: float | None = None,
        to_seconds: float | None = None,
        version: int | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Pages[W_co, Track]:
        """Things over time, in order of their first frame."""
        query = {"label": label, "from": from_seconds, "to": to_seconds, "version": version, "limit": limit}
        return self._pages(f"{_path(job)}/tracks", Track, query)

    @operation
    async def track_again(self, job: Job | str, **parameters: Unpack[TracksForm]) -> TrackVersion:
        """Make a further version of the tracks, with other parameters, without decoding a frame."""
        return await self._connection.post(f"{_path(job)}/tracks", dict(parameters), TrackVersion, "tracks")

    def track_versions(self, job: Job | str) -> Pages[W_co, TrackVersion]:
        """All versions of the tracks: 0 is that of the job itself."""
        return self._pages(f"{_path(job)}/track-versions", TrackVersion)

    def query(self, job: Job | str, q: str, *, limit: int | None = None) -> Pages[W_co, FoundItem]:
        """The answer to a question in the query language: `appearances where label = "dog"`."""
        return self._pages(f"{_path(job)}/query", FOUND_BY_KIND, {"q": q, "limit": limit})

    @operation
    async def diff(
        self,
        job: Job | str,
        other: Job | str,
        *,
        label: str | None = None,
        model_a: str | None = None,
        model_b: str | None = None,
        score_min: float | None = None,
        iou: float | None = None,
        moved_below: float | None = None,
        buckets: int | None = None,
    ) -> Diff:
        """What the other job has in common with this one, and what it added, removed and moved, as a whole."""
        path = f"{_path(job)}/diff/{id_of(other, 'job_id')}"
        asked = _asked(label, model_a, model_b, score_min, iou, moved_below) | {"buckets": buckets}
        total = await self._connection.get(path, Diff, query=asked)
        while total.next_cursor is not None:
            total = add(total, await self._connection.get(path, Diff, query={**asked, "cursor": total.next_cursor}))
        return total

    def changes(
        self,
        job: Job | str,
        other: Job | str,
        *,
        kind: str | None = None,
        label: str | None = None,
        model_a: str | None = None,
        model_b: str | None = None,
        score_min: float | None = None,
        iou: float | None = None,
        moved_below: float | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Pages[W_co, Change]:
        """The detections that were `added`, `removed` or `moved`, in order of time."""
        path = f"{_path(job)}/diff/{id_of(other, 'job_id')}/changes"
        asked = _asked(label, model_a, model_b, score_min, iou, moved_below)
        return self._pages(path, Change, {**asked, "kind": kind, "limit": limit})


def _path(job: Job | str) -> str:
    return f"/jobs/{id_of(job, 'job_id')}"


def _asked(
    label: str | None,
    model_a: str | None,
    model_b: str | None,
    score_min: float | None,
    iou: float | None,
    moved_below: float | None,
) -> dict[str, object]:
    return {
        "label": label,
        "model_a": model_a,
        "model_b": model_b,
        "score_min": score_min,
        "iou": iou,
        "moved_below": moved_below,
    }

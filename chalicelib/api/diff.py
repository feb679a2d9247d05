"""Routes of diffs: two jobs of one video beside each other."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from chalicelib.api.diff_schemas import (
    ChangeOut,
    ChangesPage,
    DiffBucketOut,
    DiffChangesQuery,
    DiffFramesOut,
    DiffLabelOut,
    DiffMissingOut,
    DiffOut,
    DiffQuery,
    DiffSumsOut,
    SeenDetectionOut,
)
from chalicelib.api.present import timebase_text
from chalicelib.api.typed import Call, Routes
from chalicelib.domain.diff import Diff, DiffSums
from chalicelib.domain.jobs import Job
from chalicelib.domain.media import Pts
from chalicelib.services import diff, diff_changes, jobs

routes = Routes()


@routes.get("/jobs/{job_id}/diff/{other_job_id}", summary="Compare two jobs", problems=(400, 401, 404, 409))
def diff_jobs(call: Call, job_id: str, other_job_id: str, query: DiffQuery) -> DiffOut:
    """What the second job has that the first one has not (added), the other way round (removed), and both (matched).

    In sums, per label and over time. Both jobs must be of the same content; docs/diff.md has the law. An answer reads a
    bounded amount, whatever the length of the video: go on with `next_cursor` until `is_complete`, and add.
    """
    a, b = _two_jobs(call, job_id, other_job_id)
    found, cursor = diff.diff_jobs(call.ports, a, b, query.cursor, query=_asked(query), ranges=query.buckets)
    return _diff_out(a, b, found, cursor)


@routes.get("/jobs/{job_id}/diff/{other_job_id}/changes", summary="List what changed", problems=(400, 401, 404, 409))
def list_changes(call: Call, job_id: str, other_job_id: str, query: DiffChangesQuery) -> ChangesPage:
    """The detections that were added, removed or moved from the first job to the second, in order of time.

    A page reads a bounded amount: it may be short, or empty, and still have a `next_cursor`.
    """
    a, b = _two_jobs(call, job_id, other_job_id)
    kind = diff_changes.ChangeKind(query.kind) if query.kind else None
    found, cursor = diff_changes.list_changes(
        call.ports, a, b, _asked(query), kind=kind, limit=query.limit, cursor=query.cursor
    )
    return ChangesPage(items=[_change_out(change) for change in found], next_cursor=cursor)


def _two_jobs(call: Call, job_id: str, other_job_id: str) -> tuple[Job, Job]:
    tenant = call.claims.tenant
    return jobs.get_job_to_read(call.ports, tenant, job_id), jobs.get_job_to_read(call.ports, tenant, other_job_id)


def _asked(query: DiffQuery | DiffChangesQuery) -> diff.DiffQuery:
    return diff.DiffQuery(
        label=query.label,
        model_a=query.model_a,
        model_b=query.model_b,
        score_min=query.score_min,
        iou_min=query.iou,
        moved_below=query.moved_below,
    )


def _diff_out(a: Job, b: Job, found: Diff, cursor: str | None) -> DiffOut:
    line = found.timeline
    assert line is not None
    timebase = line.timebase
    missing = [(a, gap) for gap in found.missing_a] + [(b, gap) for gap in found.missing_b]
    return DiffOut(
        job_a=a.job_id,
        job_b=b.job_id,
        timebase=timebase_text(timebase),
        is_complete=cursor is None,
        total=DiffSumsOut(**sums_fields(found.total)),
        labels=[DiffLabelOut(label=label, **sums_fields(sums)) for label, sums in found.labels.items()],
        frames=DiffFramesOut(both=found.frames.both, only_a=found.frames.only_a, only_b=found.frames.only_b),
        over_time=[
            DiffBucketOut(**_range(line.start_of(number), line.start_of(number + 1), timebase), **sums_fields(sums))
            for number, sums in enumerate(found.over_time)
        ],
        missing=[DiffMissingOut(job_id=job.job_id, **_range(*gap, timebase)) for job, gap in missing],
        next_cursor=cursor,
    )


def sums_fields(sums: DiffSums) -> dict[str, Any]:
    """Sums, by the names that the API has for them."""
    return {
        "a_count": sums.a_count,
        "b_count": sums.b_count,
        "matched": sums.matched,
        "moved": sums.moved,
        "added": sums.added,
        "removed": sums.removed,
        "agreement": sums.agreement,
        "mean_iou": sums.mean_iou,
        "mean_score_change": sums.mean_score_change,
    }


def _range(start_pts: Pts, end_pts: Pts, timebase: Fraction) -> dict[str, Any]:
    return {
        "start_pts": start_pts,
        "end_pts": end_pts,
        "start_seconds": float(start_pts * timebase),
        "end_seconds": float(end_pts * timebase),
    }


def _change_out(change: diff_changes.Change) -> ChangeOut:
    sides = {
        name: SeenDetectionOut(model=seen.model, score=seen.score, box=seen.box)
        for name, seen in (("a", change.a), ("b", change.b))
        if seen is not None
    }
    known: dict[str, Any] = sides if change.iou is None else {"iou": change.iou, **sides}
    return ChangeOut(
        kind=change.kind,
        pts=change.pts,
        timebase=timebase_text(change.timebase),
        time_seconds=float(change.pts * change.timebase),
        label=change.label,
        **known,
    )

"""What the domain knows, as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from pydantic_core import to_json

from chalicelib.api import event_schemas, pipeline_schemas, schemas, track_schemas, version_schemas
from chalicelib.api.costs import job_cost_out
from chalicelib.contracts.blocks import SCORE_UNITS
from chalicelib.contracts.items import time_to_text
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.errors import Failure
from chalicelib.domain.events import CommittedRange, JobEvent
from chalicelib.domain.jobs import Job, MissingRange, ModelRef, Progress
from chalicelib.domain.media import Media
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import ResultVersion
from chalicelib.domain.reuse import ReuseReceipt
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import Unit
from chalicelib.domain.videos import Video
from chalicelib.services.ports import Ports
from chalicelib.services.results import FoundDetection, cursor_at_segment
from chalicelib.services.tickets import UploadTicket
from chalicelib.services.tracks import TrackVersion


def video_out(video: Video) -> schemas.VideoOut:
    """A video."""
    return schemas.VideoOut(
        video_id=video.video_id,
        filename=video.filename,
        state=video.state,
        size_bytes=video.source.size_bytes,
        created_at=time_to_text(video.created_at),
        **_known(media=video.media and media_out(video.media), error=error_out(video.failure)),
    )


def media_out(media: Media) -> schemas.MediaOut:
    """The facts of a probe."""
    return schemas.MediaOut(
        container=media.container,
        codec=media.codec,
        width=media.width,
        height=media.height,
        rotation=media.rotation,
        timebase=timebase_text(media.timebase),
        duration_seconds=media.duration_seconds,
        keyframes=media.keyframes,
        **_known(frame_count=media.frame_count),
    )


def upload_out(ticket: UploadTicket) -> schemas.UploadOut:
    """An upload ticket."""
    expires_at = time_to_text(ticket.expires_at)
    if ticket.form is not None:
        return schemas.UploadOut(kind="post", url=ticket.form.url, fields=ticket.form.fields, expires_at=expires_at)
    return schemas.UploadOut(
        kind="multipart",
        part_size_bytes=ticket.part_size_bytes,
        part_count=ticket.part_count,
        expires_at=expires_at,
    )


def job_out(job: Job, progress: Progress) -> schemas.JobOut:
    """A job."""
    request = job.request
    plan = job.plan and schemas.PlanOut(
        segments=job.plan.segments, cells=job.plan.cells, **_known(reason=job.plan.reason)
    )
    missing = [missing_out(gap) for gap in job.missing]
    return schemas.JobOut(
        job_id=job.job_id,
        video_id=job.video_id,
        state=job.state,
        pipeline=schemas.PipelineRefOut(name=job.pipeline.name, version=job.pipeline.version) if job.pipeline else None,
        promote=request.promote,
        models=_model_refs(job.models),
        sampling=request.sampling.to_json(),
        tracking=request.tracking,
        progress=schemas.ProgressOut(
            segments_total=progress.segments_total,
            segments_done=progress.segments_done,
            segments_failed=progress.segments_failed,
        ),
        created_at=time_to_text(job.created_at),
        **_known(
            score_min=request.score_min,
            labels=list(request.labels) or None,
            segment_seconds=float(request.segment_seconds) if request.segment_seconds is not None else None,
            plan=plan,
            finished_at=time_to_text(job.finished_at) if job.finished_at else None,
            summary=job.summary,
            reused=job.reused and reused_out(job, job.reused),
            cost=job_cost_out(job),
            missing=missing or None,
            error=error_out(job.failure),
        ),
    )


def pipeline_out(pipeline: Pipeline) -> pipeline_schemas.PipelineOut:
    """A version of a pipeline."""
    request = pipeline.request
    return pipeline_schemas.PipelineOut(
        name=pipeline.name,
        version=pipeline.version,
        models=_model_refs(pipeline.models),
        sampling=request.sampling.to_json(),
        tracking=request.tracking,
        created_at=time_to_text(pipeline.created_at),
        created_by=pipeline.created_by,
        **_known(
            score_min=request.score_min,
            labels=list(request.labels) or None,
            segment_seconds=float(request.segment_seconds) if request.segment_seconds is not None else None,
            tracker=track_schemas.TrackerOut(**request.tracker.to_json()) if request.tracker else None,
        ),
    )


def result_version_out(version: ResultVersion) -> version_schemas.ResultVersionOut:
    """An alias of a video's results."""
    moves = [
        version_schemas.MoveOut(
            kind=move.kind,
            from_job_id=move.from_job,
            to_job_id=move.to_job,
            cause=move.cause,
            by=move.by or None,
            at=time_to_text(move.at),
        )
        for move in version.moves
    ]
    return version_schemas.ResultVersionOut(
        pipeline=version.pipeline_name, alias=version.alias, job_id=moves[-1].to_job_id, moves=moves
    )


def reused_out(job: Job, receipt: ReuseReceipt) -> schemas.ReusedOut:
    """What a job did not pay again."""
    total = receipt.total
    return schemas.ReusedOut(
        cells=total.cells,
        cells_reused=total.cells_reused,
        frames=total.frames,
        frames_inferred=total.frames_inferred,
        models=[
            schemas.ModelReuseOut(
                name=ref.name,
                cells=one.cells,
                cells_reused=one.cells_reused,
                frames=one.frames,
                frames_inferred=one.frames_inferred,
            )
            for ref, one in zip(job.models, receipt.by_model, strict=True)
        ],
        **_known(job_id=receipt.job_id),
    )


def segment_out(segment: Segment, unit: Unit) -> schemas.SegmentOut:
    """A segment."""
    return schemas.SegmentOut(
        index=segment.index,
        start_pts=segment.start_pts,
        end_pts=segment.end_pts,
        state=unit.state,
        attempt=unit.attempt,
        lane=unit.lane,
        **_known(provider=unit.provider or None, error=error_out(unit.failure)),
    )


def detections_out(found: Sequence[FoundDetection], next_cursor: str | None) -> schemas.DetectionsPage:
    """A page of detections; validated in one pass, which is faster than one by one."""
    return schemas.DetectionsPage.model_validate({"items": _all_fields_of(found), "next_cursor": next_cursor})


def detections_json(found: Sequence[FoundDetection], next_cursor: str | None, **before: str) -> str:
    """The JSON of a page of detections, without making an object of the wire for every detection.

    The same bytes as those of `detections_out`, or of a page that has other fields `before` its items.
    """
    return to_json({**before, "items": _all_fields_of(found), "next_cursor": next_cursor}).decode()


def detection_out(found: FoundDetection) -> schemas.DetectionOut:
    """A detection."""
    return schemas.DetectionOut.model_validate(_all_fields_of([found])[0])


def track_out(track: TrackRow, timebase: Fraction) -> schemas.TrackOut:
    """A track."""
    return schemas.TrackOut(
        track_id=track.track_id,
        model=track.model,
        label=track.label,
        first_pts=track.first_pts,
        last_pts=track.last_pts,
        first_seconds=float(track.first_pts * timebase),
        last_seconds=float(track.last_pts * timebase),
        frames=track.frames,
        score_max=track.score_max / SCORE_UNITS,
    )


def track_version_out(found: TrackVersion) -> track_schemas.TrackVersionOut:
    """A version of a job's tracks."""
    return track_schemas.TrackVersionOut(
        version=found.version,
        state=found.state,
        parameters=found.parameters,
        is_current=found.is_current,
        created_at=time_to_text(found.created_at),
        **_known(
            finished_at=time_to_text(found.finished_at) if found.finished_at else None,
            tracks=found.tracks,
            is_outdated=found.is_outdated or None,
            error=error_out(found.failure),
        ),
    )


def job_event_out(ports: Ports, event: JobEvent) -> event_schemas.JobEventOut:
    """An event of a job."""
    return event_schemas.JobEventOut(
        seq=event.seq,
        job_id=event.job_id,
        video_id=event.video_id,
        kind=event.kind,
        created_at=time_to_text(event.created_at),
        **_known(state=event.state, error=error_out(event.failure)),
        **(_committed(ports, event, event.committed) if event.committed else {}),
    )


def error_out(failure: Failure | None) -> schemas.ErrorOut | None:
    """Why something ended badly, if it did."""
    return _error(failure) if failure else None


def missing_out(gap: MissingRange) -> schemas.MissingOut:
    """A part of a video that is missing."""
    return schemas.MissingOut(start_seconds=gap.start_seconds, end_seconds=gap.end_seconds, error=_error(gap.failure))


def timebase_text(timebase: Fraction) -> str:
    """Seconds per tick as `1/12800`; always with a denominator."""
    return f"{timebase.numerator}/{timebase.denominator}"


def _error(failure: Failure) -> schemas.ErrorOut:
    return schemas.ErrorOut(code=failure.code, title=failure.title, detail=failure.detail, hint=failure.hint)


def _model_refs(refs: Sequence[ModelRef]) -> list[schemas.ModelRefOut]:
    return [schemas.ModelRefOut(name=ref.name, version=ref.version, sha256=ref.sha256, task=ref.task) for ref in refs]


def _committed(ports: Ports, event: JobEvent, committed: CommittedRange) -> dict[str, Any]:
    return {
        "segment_index": committed.segment_index,
        "start_pts": committed.start_pts,
        "end_pts": committed.end_pts,
        "start_seconds": committed.start_seconds,
        "end_seconds": committed.end_seconds,
        "labels": [
            event_schemas.LabelCountOut(label=count.label, detections=count.detections, score_max=count.score_max)
            for count in committed.labels
        ],
        "detections_cursor": cursor_at_segment(ports, event.tenant, event.job_id, committed.segment_index),
    }


def _all_fields_of(found: Sequence[FoundDetection]) -> list[dict[str, Any]]:
    """Detections of one job as the wire has them."""
    if not found:
        return []
    timebase = found[0].timebase
    numerator, denominator, text = timebase.numerator, timebase.denominator, timebase_text(timebase)
    items = []
    for pts, _, frame_index, model, label, score, box, track_id in found:
        fields = {
            "pts": pts,
            "timebase": text,
            # Rounded once, like the fraction itself.
            "time_seconds": pts * numerator / denominator,
            "frame_index": frame_index,
            "model": model,
            "label": label,
            "score": score,
            "box": box,
        }
        if track_id is not None:
            fields["track_id"] = track_id
        items.append(fields)
    return items


def _known(**fields: Any) -> dict[str, Any]:
    """The fields that have a value; the others are left out of the answer."""
    return {name: value for name, value in fields.items() if value is not None}
